"""port: foreign NumPy code, traced as it is, with the arrays of its objects as arguments."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, NoReturn, ParamSpec, TypeVar

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Value
from ...ir.source import location, user_source
from ...ops.view import copy
from ...trace.foreign import tracing_foreign
from ...trace.standing import Carrying
from ...trace.tracer import Tracer, active, current
from .copies import Contents, Copier, is_array, is_foreign, is_object, is_object_type, named_in
from .doors import Space, names_of_packages, window
from .draft import Draft, plainly
from .picked import Picked as Picked  # which x[mask] gives
from .state import (
    Watch,
    constant_key,
    differing,
    is_numeric,
    key_of,
    left_by,
    same_results,
    standing,
)

P = ParamSpec("P")
R = TypeVar("R")
NO_ARRAYS: dict[str, Any] = {}


def port(function: Callable[P, R], packages: str | Sequence[str] = ()) -> Ported[P, R]:
    """`function` of foreign NumPy code, which can be traced as it is.

    Outside of traces it is the function. In one (of jit, grad, vmap ...) the modules of its
    package, of the packages of its object's classes, and of those in `packages` see a NumPy that
    computes with numbers as NumPy does and with traced values as `wonderland.numpy` does: arrays
    made there stay numbers until a traced value is written to them, so that shapes, tables and loop
    counters are known. Through it work `from numpy import exp`, `math.exp(x)`, `float(x)`,
    `table[x]`, `np.array([x, 0])`, `out=` and `where=`, `np.vectorize`, `y[mask] = f(x[mask])`.
    Other threads see NumPy as it is. Functions that import NumPy in their bodies get NumPy's own.

    Arrays of floats in attributes of the object that it is bound to, in variables that it closes
    over, and in globals of its module that it names are arguments: `arrays` has them by place.
    `wl.jit` of it reads them at every call, so they may change; numbers, strings and arrays of
    integers there are constants, and it is traced again if they change. `apply(arrays, *args)` is
    the function of other arrays than those, `step(arrays, *args)` gives the arrays too as they are
    after it, new ones with them. `ported.arrays = arrays` writes numbers into the object's own.

    While it is traced it runs on copies of its objects and arguments: what it writes to them is
    dropped. Tables of other modules are constants; arrays that are views of each other are
    arguments of their own. Errors: arrays that go from call to call
    (momenta, hidden states) would be lost, which is an error that names them; `step` returns them.
    So are a count, a list, a name of a module on which the next call depends (code that changes one
    is traced twice to know); `step({**ported.arrays, "t": 0}, ...)` carries a number, or an array
    of integers, that is given by its place.
    Example:
    >>> class Layer:  # of another package
    ...     def __init__(self):
    ...         self.w = np.array([1.0, 2.0])
    ...     def __call__(self, x):
    ...         y = np.zeros(len(x))
    ...         for i in range(len(x)):
    ...             y[i] = self.w[i % 2] * x[i]
    ...         return y.sum()
    >>> layer = port(Layer())
    >>> grad(layer.apply)(layer.arrays, np.array([3.0, 4.0, 5.0]))
    {'w': array([8., 4.])}
    """
    given = (packages,) if isinstance(packages, str) else tuple(packages)
    if not callable(function) or not all(isinstance(p, str) for p in given):
        raise ProgramError(
            f"port: a function and names of packages are required, got {function!r:.40}, "
            f"{packages!r:.40}",
            location(user_source()),
        )
    return Ported(function, given)


@dataclass(frozen=True)
class Held:
    """What a function holds: arrays by place, and what else it is made for."""

    arrays: dict[str, Any]
    constants: tuple[Any, ...] = field(metadata={"static": True})


PLAIN = frozenset((int, str, bool, type(None)))


def is_argument(x: Any) -> bool:
    """Whether an array of a function is an argument of it: one of floats."""
    return is_array(x) and x.dtype.kind in "fcV"


class TracedCall(NamedTuple):
    """A call that was traced: of which arrays and arguments, what it gave, and the arrays then."""

    arrays: Mapping[str, Any]
    args: Any
    options: Any
    result: Any
    after: dict[str, Any]


class Ported(Carrying[P, R]):
    """A function of foreign code; see `port`."""

    def __init__(self, function: Callable[P, R], packages: tuple[str, ...]) -> None:
        self.function, self.packages = function, packages
        self.stand_in("port")
        self.contents = Contents(function)

    def __repr__(self) -> str:
        return f"<port of {self.name}>"

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        if current() is None:
            return self.function(*args, **options)
        return self.traced(NO_ARRAYS, args, options)[0]

    # ---- arrays

    @property
    def arrays(self) -> dict[str, Any]:
        """The arrays of floats that the function holds, by place, as they are now."""
        return {path: x for path, x in self.contents.leaves() if is_argument(x)}

    @arrays.setter
    def arrays(self, arrays: Mapping[str, Any]) -> None:
        places = self.known_places(arrays)
        for path, x in arrays.items():
            if not is_array(places[path]):
                raise ProgramError(
                    f"port: places of arrays of {self.name} are required, got {path!r}, a number",
                    location(user_source()),
                )
            places[path][...] = x

    def known_places(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The arrays, by place, where those of `arrays` are among them."""
        places = self.arrays
        if not places.keys() >= arrays.keys():
            places = {p: x for p, x in self.contents.leaves() if is_array(x) or is_numeric(x)}
        for path in arrays:
            if path not in places:
                near = difflib.get_close_matches(path, places, n=1)
                raise ProgramError(
                    f"port: places of arrays of {self.name} are required, got {path!r}",
                    location(user_source()),
                    repr(near[0]) if near else "those of .arrays",
                )
        return places

    def carried(self) -> Held:
        arrays: dict[str, Any] = {}
        constants: list[Any] = []
        for path, x in self.contents.leaves():
            if type(x) in PLAIN:
                constants.append((path, (type(x), x)))
            elif is_argument(x):
                arrays[path] = x
            elif isinstance(x, np.ndarray):
                constants.append((path, x.dtype, x.shape, x.tobytes()))
            else:
                constants.append((path, constant_key(x), class_arrays(x)))
        return Held(arrays, tuple(constants))

    def apply(self, arrays: Mapping[str, Any], /, *args: P.args, **options: P.kwargs) -> R:
        """The function with other arrays in place of its own, which stay as they are."""
        return self.applied(arrays, args, options)[0]

    def step(
        self, arrays: Mapping[str, Any], /, *args: P.args, **options: P.kwargs
    ) -> tuple[R, dict[str, Any]]:
        """The result of `apply`, and the arrays as the function leaves them, new ones too."""
        found, after = self.applied(arrays, args, options, keeps=True)
        return found, {p: plainly(x) for p, x in after.items()}

    def apply_carried(self, carried: Any, *args: Any, **options: Any) -> Any:
        return self.apply(carried.arrays, *args, **options)

    def applied(
        self, arrays: Mapping[str, Any], args: Any, options: Any, keeps: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        self.known_places(arrays)
        if current() is not None:
            return self.traced(arrays, args, options, keeps)
        names = self.global_names()

        def own(path: str, x: Any) -> Any:
            return np.array(arrays.get(path, x))[()] if path in arrays or is_array(x) else x

        made = Copier(self.contents, own, names).root()
        return made(*args, **options), self.after(made, arrays)

    def after(self, made: Any, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The arrays of floats of a copy, and what else of it was given, by place."""
        return {p: x for p, x in Contents(made).leaves() if is_argument(x) or p in arrays}

    # ---- tracing

    def traced(
        self, arrays: Mapping[str, Any], args: Any, options: Any, keeps: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        """The result of a copy of the function with `arrays` in it, and the arrays of the copy."""
        before: dict[str, Value] = {}

        def lifted(path: str, x: Any) -> Any:
            made = lent(arrays.get(path, x))
            if isinstance(made, Tracer) and path in arrays:
                before[path] = made.value
            return made

        names = self.global_names()
        copier = Copier(self.contents, lifted, names)
        made = copier.root()
        tables = Copier(Contents(None), table, None)
        spaces = self.spaces()
        with (
            tracing_foreign(),
            window(spaces, lambda x: tables.copied("", x) if is_table(x) else x),
        ):
            if names is not None:  # what stands there now, but for what was copied
                now: dict[str, Any] = self.contents.spaces or {}
                names.update((n, x) for n, x in now.items() if n not in copier.written)
            watch, start = Watch(spaces, tables), standing(made)
            try:
                given, named = borrowed((args, options))
                found = made(*given, **named)
                after = self.after(made, arrays)
                if not keeps:
                    self.refuse_lost(before, after)
                places = differing(start, standing(made)) + watch.changed()
                if places:
                    self.refuse_shared(places)
                    run = TracedCall(arrays if keeps else NO_ARRAYS, args, options, found, after)
                    if not self.runs_again(run, made, names):
                        self.refuse_kept(places)
            finally:
                watch.undo()
        return plainly(found), after

    def runs_again(self, run: TracedCall, made: Any, names: dict[str, Any] | None) -> bool:
        """Whether a call after a run computes what that did."""

        def lifted(path: str, x: Any) -> Any:
            return lent(run.arrays.get(path, x))

        again = left_by(made, lifted, names)
        if again is None:
            return True
        given, named = borrowed((run.args, run.options))
        found = again(*given, **named)
        after = self.after(again, run.arrays)
        return same_results(
            [run.result, *(run.after.get(p) for p in run.arrays)],
            [found, *(after.get(p) for p in run.arrays)],
        )

    def refuse_shared(self, places: Sequence[str]) -> None:
        """Refuses a change of an array of which another one, an argument of its own, is a view."""
        held = {p: x for p, x in self.contents.leaves() if type(x) is np.ndarray}
        for place in filter(held.__contains__, places):
            for other, x in held.items():
                if other != place and np.may_share_memory(x, held[place]):
                    raise ProgramError(
                        f"port: arrays of their own are required where one is written to, got "
                        f"{self.name}, which changes {place}, and {other} in the same memory",
                        location(user_source()),
                    )

    def refuse_kept(self, places: Sequence[str]) -> NoReturn:
        """Refuses what decides about the next call and is no array of the function."""
        before = dict(self.contents.leaves())
        numbers = [p for p in places if is_numeric(before.get(p))]
        place = next(iter(numbers or [p for p in places if p in before] or places))
        keyed = f"ported.step({{**ported.arrays, {place!r}: {before.get(place)!r}}}, ...)"
        raise ProgramError(
            f"port: a function whose result is the same in the next call is required, got "
            f"{self.name}, which keeps {place}",
            location(user_source()),
            f"{keyed}, which gives it back" if numbers else
            f"an array of floats in the place of {place} from the start, and ported.step, "
            "which gives it back",
        )  # fmt: skip

    def global_names(self) -> dict[str, Any] | None:
        """A copy of the globals of the function, of which some are arguments."""
        return None if self.contents.spaces is None else dict(self.contents.spaces)

    def spaces(self) -> list[Space]:
        """The names of all modules, and the classes, of the packages of the function and of the
        classes of objects that it holds."""
        packages = dict.fromkeys(self.packages)
        spaces: dict[int, Space] = {}
        seen: dict[int, Any] = {}
        pending: list[Any] = [self.function]
        while pending:
            x = pending.pop()
            inside = None if id(x) in seen else self.contents.children(x)
            if inside is None:
                continue
            seen[id(x)] = x
            pending += [child for _, child in inside]
            kinds = [k for k in type(x).__mro__ if is_foreign(k.__module__)] if is_object(x) else []
            code = [f for k in kinds for f in vars(k).values()] or [x]
            packages.update((package(k.__module__), None) for k in kinds)
            spaces.update((id(k), k) for k in kinds)
            for function in code:
                if isinstance(function, FunctionType):
                    spaces[id(function.__globals__)] = function.__globals__
                    packages[package(function.__module__)] = None
                    if function.__globals__ is self.contents.spaces or function.__closure__:
                        packages.update((package(m), None) for m in modules_in(function))
        for names in names_of_packages(tuple(packages)):
            spaces[id(names)] = names
            spaces.update((id(x), x) for x in names.values() if has_own_names(x))
        return list(spaces.values())

    def refuse_lost(self, before: Mapping[str, Value], after: Mapping[str, Any]) -> None:
        """Refuses arrays that depend on themselves, which a call would drop."""
        for path, old in before.items():
            new = after.get(path)
            if isinstance(new, Tracer) and new._value is not old and reaches(new._value, old):
                raise ProgramError(
                    f"port: a function that does not change what it reads is required, got "
                    f"{self.name}, which updates {path}",
                    location(user_source()),
                    "result, arrays = ported.step(arrays, ...), which gives it back",
                )


def package(module: str | None) -> str:
    """The package that a module is of."""
    return (module or "builtins").split(".")[0]


def class_arrays(x: Any) -> tuple[Any, ...]:
    """The arrays among the attributes of a class, which are constants of a program."""
    kinds = [k for k in x.__mro__ if is_foreign(k.__module__)] if isinstance(x, type) else []
    held = [(n, v) for k in kinds for n, v in vars(k).items() if type(v) is np.ndarray]
    return tuple((n, key_of(v)) for n, v in held)


def has_own_names(x: Any) -> bool:
    """Whether it is a class of foreign code."""
    return isinstance(x, type) and is_object_type(x)


def modules_in(function: FunctionType) -> Iterator[str]:
    """The modules of what a function names or closes over: modules, classes, functions."""
    held = [function.__globals__.get(name) for name in named_in(function.__code__)]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # nothing is there yet
            held.append(cell.cell_contents)
    for found in held:
        module = getattr(found, "__name__" if isinstance(found, ModuleType) else "__module__", None)
        if isinstance(module, str):
            yield module


def reaches(value: Value, old: Value) -> bool:
    """Whether a value depends on another one."""
    seen, pending = {value}, [value]
    while pending:
        node = pending.pop().node
        for v in node.args if node else ():
            if v is old:
                return True
            if v not in seen:
                seen.add(v)
                pending.append(v)
    return False


def lent(x: Any) -> Any:
    """An array as foreign code may write to it: a copy of a traced value, a draft of numbers."""
    if isinstance(x, Draft):
        return Draft(x._value.copy(), x.weak)
    if isinstance(x, Tracer):
        return Tracer(copy(active().lift(x)), active(), x.weak)
    if type(x) is np.ndarray:
        return Draft(x.copy())
    return x


def borrowed(args: Any) -> Any:
    """Arguments as foreign code may write to them: what is one in them is one in the copies."""
    return Copier(Contents(None), lambda path, x: lent(x), None).copied("", args)


def table(path: str, x: Any) -> Any:
    """An array among the globals of a module, which traced code reads alone."""
    if type(x) is not np.ndarray or x.dtype.kind not in "biufc":
        return x
    whole = Draft(x)
    return Draft(x, of=whole)


def is_table(x: Any) -> bool:
    """Whether it is an array, or keeps some."""
    return type(x) is np.ndarray or type(x) in (list, dict, tuple)
