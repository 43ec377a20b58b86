"""What stands for NumPy in foreign modules while their code is traced.

Names of a module that are NumPy, a function of it, a type of numbers, `math`, or a table of numbers
have a stand-in for that time. Stand-ins ask which thread calls: in one that traces foreign code
they compute with drafts and traced values, in any other they are what they stand for. The first
trace puts them there, the last one that ends takes them away.
"""

from __future__ import annotations

import contextlib
import functools
import math
import numbers
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.source import location, user_source
from ...trace.foreign import traces_foreign
from ...trace.frozen import warn_drawn
from ...trace.tracer import FUNCTIONS, Tracer
from .. import special
from ..functions.vmap import vmap
from ..numpy import application
from ..numpy.shapes import broadcast_arrays
from .draft import OTHERS, REAL, Draft, call, traced, unwrapped

NEVER = {*sys.stdlib_module_names, "numpy", "scipy", "wonderland"} - {"__main__"}
"""Packages whose modules stay as they are."""


class Through:
    """A function of NumPy's, SciPy's or Python's, or one that makes a generator."""

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function

    def __call__(self, *args: Any, **options: Any) -> Any:
        function = self.function
        if not traces_foreign():
            return function(*args, **options)
        found = call(function, args, options)
        return RandomStandIn(found) if isinstance(found, RANDOM) else found

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.function, name)
        return Through(found) if isinstance(self.function, np.ufunc) and callable(found) else found

    def __repr__(self) -> str:
        return repr(self.function)

    def __eq__(self, other: Any) -> bool:
        return self.function == getattr(other, "function", other)

    def __hash__(self) -> int:
        return hash(self.function)


class Door(ModuleType):
    """A module of NumPy's, or one like `math`."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        vars(self).update(behind=module)

    def __getattr__(self, name: str) -> Any:
        found = getattr(vars(self)["behind"], name)
        return stand_in(found) if traces_foreign() else found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["behind"], name, value)

    def __dir__(self) -> list[str]:
        return dir(vars(self)["behind"])


# ---------------------------------------------------------------- types


class TypeStandIn(type):
    """The type of stand-ins for types, which are equal to what they stand for."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        real = real_type(cls)
        if real is cls:  # of foreign code, made of a stand-in
            return super().__call__(*args, **options)
        if real is type and len(args) == 1 and traces_foreign():
            found = type_seen(args[0])
            return KINDS.get(found, found)
        given, named = unwrapped(args), unwrapped(options)
        if not traces_foreign() or not (traced(given) or traced(named)):
            return real(*given, **named)
        if real is complex:
            return sum(x * f for x, f in zip(given, (1, 1j), strict=False))
        if len(given) != 1 or named or real is np.ndarray:
            raise ProgramError(
                f"{real.__name__}: one traced value is required, got {len(given)} arguments",
                location(user_source()),
            )
        x = FUNCTIONS[np.array](given[0], copy=False)
        if real not in (float, int):
            return x.astype(real)
        if x.size != 1:
            raise ProgramError(
                f"{real.__name__}: one number is required, got a traced {x.type}",
                location(user_source()),
            )
        x = x.reshape(()).astype(np.float64 if real is float else np.int64)
        return Tracer(x.value, x.owner, weak=True)  # as Python's numbers are

    def __instancecheck__(cls, x: Any) -> bool:
        real = real_type(cls)
        if real is cls:
            return super().__instancecheck__(x)
        if isinstance(x, real):
            return True
        return isinstance(x, (Tracer, Draft)) and issubclass(type_seen(x), real)

    def __subclasscheck__(cls, other: Any) -> bool:
        if real_type(cls) is cls:
            return super().__subclasscheck__(other)
        return issubclass(real_type(other), real_type(cls))

    def __eq__(cls, other: Any) -> bool:
        if not isinstance(other, type):  # a dtype says itself whether it is one of these
            return NotImplemented
        return real_type(cls) is real_type(other)

    def __hash__(cls) -> int:
        return hash(real_type(cls))

    def __repr__(cls) -> str:
        return repr(real_type(cls))


def type_seen(x: Any) -> type:
    """The type that foreign code sees: a traced value of no axes is one of NumPy's numbers, or one
    of Python's if it is what `float` or `int` gave."""
    if isinstance(x, Tracer) and not x.ndim:
        python = {np.float64: float, np.int64: int, np.complex128: complex}
        kind = x.dtype.type
        return python.get(kind, kind) if x.weak else kind
    return np.ndarray if isinstance(x, (Tracer, Draft)) else type(x)


def real_type(kind: Any) -> Any:
    """A type, or what a stand-in stands for."""
    return vars(kind).get("behind", kind) if isinstance(kind, TypeStandIn) else kind


def _kind(of: type) -> Any:
    space: dict[str, Any] = {"__module__": of.__module__, "__qualname__": of.__qualname__}
    if of in (int, float, complex):
        space["dtype"] = np.dtype(of)
    bases = () if of in ABSTRACT else (of,)  # whose subclasses would ask one that asks them
    return TypeStandIn(of.__name__, bases, {**space, "behind": of})


ABSTRACT = (numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral)
NUMBERS = (
    np.float16, np.float32, np.float64, np.complex64, np.complex128, np.int8, np.int16, np.int32,
    np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.ndarray, np.generic, np.number,
    np.integer, np.signedinteger, np.unsignedinteger, np.inexact, np.floating, np.complexfloating,
)  # fmt: skip
KINDS: dict[type, Any] = {of: _kind(of) for of in (*NUMBERS, *ABSTRACT, int, float, complex, type)}
REAL.update({of: of for of in KINDS})


# ---------------------------------------------------------------- functions of Python's


def _rounded(function: Any) -> Callable[[Any], Any]:
    return lambda x: FUNCTIONS[function](x).astype(np.int64)


def _log(x: Any, base: Any = math.e) -> Any:
    found = FUNCTIONS[np.log](x)
    return found if base is math.e else found / FUNCTIONS[np.log](base)


def _extreme(function: Any, builtin: Any) -> Callable[..., Any]:
    def extreme(*args: Any, **options: Any) -> Any:
        several = tuple(args[0]) if len(args) == 1 else args
        if options or not several:
            return builtin(*args, **options)
        return functools.reduce(lambda x, y: FUNCTIONS[function](x, y), several)

    return extreme


MATH: dict[str, Any] = {
    "exp": np.exp, "expm1": np.expm1, "exp2": np.exp2, "log1p": np.log1p, "log2": np.log2,
    "log10": np.log10, "sqrt": np.sqrt, "cbrt": np.cbrt, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "hypot": np.hypot, "pow": np.power, "fabs": np.abs, "fmod": np.fmod,
    "copysign": np.copysign, "degrees": np.degrees, "radians": np.radians, "isnan": np.isnan,
    "isinf": np.isinf, "isfinite": np.isfinite,
}  # fmt: skip
OTHERS.update({getattr(math, name): FUNCTIONS[of] for name, of in MATH.items()})
OTHERS.update({
    math.log: _log, math.floor: _rounded(np.floor), math.ceil: _rounded(np.ceil),
    math.trunc: _rounded(np.trunc), math.erf: special.erf, math.erfc: special.erfc,
    math.gamma: special.gamma, math.lgamma: special.gammaln,
    math.fsum: lambda xs: functools.reduce(lambda x, y: x + y, xs),
    max: _extreme(np.maximum, max), min: _extreme(np.minimum, min),
})  # fmt: skip
OTHERS[np.ndenumerate] = lambda x: ((i, x[i]) for i in np.ndindex(x.shape))
OTHERS[np.isscalar] = lambda x: isinstance(x, Tracer) and not x.ndim
BUILTINS: dict[str, Any] = {
    **{of.__name__: KINDS[of] for of in (float, int, complex, type)},
    "max": Through(max),
    "min": Through(min),
}


class Vectorized:
    """np.vectorize: a function of numbers on the elements of arrays."""

    def __init__(self, pyfunc: Any = None, *args: Any, **options: Any) -> None:
        names = ("otypes", "doc", "excluded", "cache", "signature")
        self.options = {**dict(zip(names, args, strict=False)), **options}
        self.function: Any = pyfunc

    @staticmethod
    def of(concrete: np.vectorize) -> Vectorized:
        return Vectorized(concrete.pyfunc, concrete.otypes, None, concrete.excluded,
                          concrete.cache, concrete.signature)  # fmt: skip

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.function is None:  # a decorator with options
            return Vectorized(*args, **self.options)
        if not traces_foreign() or not (traced(args) or traced(options)):
            concrete = np.vectorize(self.function, **unwrapped(self.options))
            return call(concrete, args, options) if traces_foreign() else concrete(*args, **options)
        if options or self.options.get("excluded") or self.options.get("signature"):
            ours = application.vectorize(self.function, **unwrapped(self.options))
            return ours(*unwrapped(args), **unwrapped(options))
        given = broadcast_arrays(*unwrapped(args))
        shape, function = given[0].shape, getattr(self.function, "function", self.function)
        if function in OTHERS or isinstance(function, np.ufunc):
            found = call(function, tuple(given), {})
        elif shape:
            found = vmap(function)(*(x.reshape(-1) for x in given))
        else:
            found = function(*given)
        otypes = self.options.get("otypes")
        several = found if isinstance(found, tuple) else (found,)
        types = list(otypes) if otypes else [x.dtype for x in several]
        shaped = [
            x.reshape(shape).astype(unwrapped(t)) for x, t in zip(several, types, strict=True)
        ]
        return tuple(shaped) if isinstance(found, tuple) else shaped[0]


class Uncached:
    """A function that keeps its results for later; in a trace it keeps none."""

    def __init__(self, cached: Any) -> None:
        functools.update_wrapper(self, cached, updated=())
        self.cached = cached

    def __call__(self, *args: Any, **options: Any) -> Any:
        return (self.cached.__wrapped__ if traces_foreign() else self.cached)(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cached, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class Row:
    """np.r_ and np.c_."""

    def __init__(self, concrete: Any) -> None:
        self.concrete = concrete

    def __getitem__(self, at: Any) -> Any:
        given = unwrapped(at)
        if not traces_foreign() or not traced(given):
            return self.concrete[given]
        parts = given if isinstance(given, tuple) else (given,)
        if any(isinstance(p, (slice, str)) for p in parts):
            raise ProgramError(
                "r_: arrays and numbers are required beside traced ones, got a slice or a string",
                location(user_source()),
                "np.concatenate([np.atleast_1d(x), np.arange(n)])",
            )
        if self.concrete is np.c_:
            return FUNCTIONS[np.column_stack](list(map(FUNCTIONS[np.array], parts)))
        return FUNCTIONS[np.concatenate]([FUNCTIONS[np.atleast_1d](p) for p in parts])


# ---------------------------------------------------------------- what has a stand-in


class RandomStandIn:
    """A generator of random numbers, which in a trace gives drafts; `place` if it is from outside
    of the trace, where its numbers differ from call to call."""

    def __init__(self, generator: Any, place: str = "") -> None:
        self.generator, self.place = generator, place

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.generator, name)
        source = user_source() if self.place and callable(found) and traces_foreign() else None
        if source is not None:
            warn_drawn(self.place, "the function", source.path, source.line)
        return Through(found) if callable(found) and not name.startswith("_") else found


RANDOM = np.random.Generator, np.random.RandomState
CACHED = type(functools.lru_cache(lambda: None))
SPACES = ("numpy", "scipy.special", "math", "numbers")
_doors: dict[str, Door] = {}


def stand_in(x: Any) -> Any:
    """The stand-in for a thing of NumPy's, or the thing itself."""
    if isinstance(x, type):
        if x is np.random.RandomState or x is np.ndenumerate:
            return Through(x)
        return KINDS.get(x) or (Vectorized if x is np.vectorize else x)
    if isinstance(x, ModuleType):
        return door(x)
    if isinstance(x, np.vectorize):
        return Vectorized.of(x)
    if isinstance(x, CACHED):
        return Uncached(x)
    if x is np.r_ or x is np.c_:
        return Row(x)
    if isinstance(x, RANDOM):
        return RandomStandIn(x, "generator")
    return Through(x) if is_function(x) else x


def is_function(x: Any) -> bool:
    """Whether it is a function of NumPy's, of scipy.special or of `math`."""
    if isinstance(x, np.ufunc):
        return True
    if not callable(x) or isinstance(x, (type, Through)):
        return False
    try:
        if x in FUNCTIONS or x in OTHERS:
            return x is not max and x is not min
    except TypeError:
        return False
    module = getattr(x, "__module__", None) or ""
    known = is_numpys(module) or module.startswith("scipy.special")
    return known and hasattr(x, "__name__")


def door(module: ModuleType) -> ModuleType:
    name = module.__name__
    if isinstance(module, Door) or not (name in SPACES or is_numpys(name)):
        return module
    return _doors.setdefault(name, Door(module))


def is_numpys(name: str) -> bool:
    return name == "numpy" or name.startswith("numpy.")


# ---------------------------------------------------------------- the window

_lock = threading.RLock()
_open: dict[tuple[int, str], list[Any]] = {}
"""Of a module or class and a name in it: how many traces look through it, what was there, what
stands there."""
MISSING = object()
Space = dict[str, Any] | type
"""The names of a module, or a class."""
Copied = Callable[[Any], Any]
"""Tables and stores of a module for a trace: arrays in them are drafts."""


def names_of_packages(packages: Sequence[str]) -> list[dict[str, Any]]:
    """The names of the modules of packages that are imported by now."""
    tops = [p for p in packages if p.split(".")[0] not in NEVER]
    return [
        vars(m) for n, m in list(sys.modules.items())
        if isinstance(m, ModuleType) and any(n == p or n.startswith(p + ".") for p in tops)
    ]  # fmt: skip


def replaced(space: Space, copied: Copied) -> Iterator[tuple[str, Any]]:
    """The names that change, and to what."""
    names = vars(space) if isinstance(space, type) else space
    for name, value in list(names.items()):
        if name.startswith("__") or (isinstance(space, type) and not is_store(value)):
            continue
        found = stand_in(value)
        found = copied(value) if found is value else found
        if found is not value:
            yield name, found
    if isinstance(space, dict):
        yield from ((name, value) for name, value in BUILTINS.items() if name not in names)


def is_store(x: Any) -> bool:
    """Whether an attribute of a class is an array, or keeps some."""
    return isinstance(x, (np.ndarray, np.vectorize, CACHED)) or type(x) in (dict, list, tuple)


def put(space: Space, name: str, value: Any) -> None:
    if isinstance(space, dict):
        space[name] = value
    else:
        setattr(space, name, value)


def take_away(space: Space, name: str) -> None:
    """What was put there, where it still stands."""
    _, before, value = _open.pop((id(space), name))
    names = space if isinstance(space, dict) else vars(space)
    if names.get(name) is not value:
        return
    if before is not MISSING:
        put(space, name, before)
    elif isinstance(space, dict):
        del space[name]


@contextlib.contextmanager
def window(spaces: Sequence[Space], copied: Copied) -> Iterator[None]:
    """Stand-ins among the names of modules and classes."""
    taken: list[tuple[Space, str]] = []
    try:
        with _lock:
            for space in spaces:
                there = [n for at, n in _open if at == id(space)]
                names = space if isinstance(space, dict) else vars(space)
                for name, value in replaced(space, copied):
                    if name not in there:
                        _open[id(space), name] = [0, names.get(name, MISSING), value]
                        put(space, name, value)
                        there.append(name)
                for name in there:
                    _open[id(space), name][0] += 1
                    taken.append((space, name))
        yield
    finally:
        with _lock:
            for space, name in taken:
                entry = _open[id(space), name]
                entry[0] -= 1
                if not entry[0]:
                    take_away(space, name)
