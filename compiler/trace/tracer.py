"""Traced values: what a function sees in place of its arrays while its graph is made.

A `Tracer` is a value of the graph that behaves as an ndarray. Plain NumPy functions reach it
through `__array_ufunc__` and `__array_function__`; both, the operators and the methods look the
function up in one table, `FUNCTIONS`, that front/numpy fills. A `Trace` is one function being
traced. Traces nest, per thread: a tracer of an outer trace that an inner one reads is captured, it
becomes a further input of the inner graph. A tracer is weak where nobody typed it: it comes of
Python numbers alone, or is f64 because that is what NumPy makes of floats. Then it takes the dtype
of its partner, as a Python number would.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from ..ir.errors import ProgramError
from ..ir.failed import repaired
from ..ir.graph import Value, apply
from ..ir.parameters import Array
from ..ir.source import location, user_source
from ..ir.types import MAX_AXES, NUMPY, Type
from ..ops.nested.bodies import Control
from ..ops.source import Constant
from .aliases import AliasMemory, Memories, read_only_kind
from .concrete import Concrete
from .foreign import ATTRIBUTES, traces_foreign
from .hints import HINTS, OF_SCIPY, at_front
from .layout import is_numpys_view
from .peers import meaning, nearest_attribute, told

N = TypeVar("N")

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What computes a NumPy function on tracers."""

SCIPY: dict[str, Callable[..., Any]] = {}
"""What computes a ufunc of scipy.special on tracers, by its name."""


class Syntax:
    """What Python's own syntax means on tracers: who can do it gives each a function."""

    getitem: Callable[[Tracer, Any], Tracer]
    setitem: Callable[[Tracer, Any, Any], None]
    overwrite: Callable[[Tracer, Tracer, str], Tracer]  # x += y, where x may be written to
    at: Callable[[Any], Any]
    flat: Callable[[Tracer], Any]
    eagerly: Callable[..., Any]  # a function of tracers on arrays, at once
    picked: Callable[[Tracer, Tracer], Any]  # x[mask] in foreign code
    numbas: Callable[[Any], Callable[..., Any]]  # a function of Numba's on elements or rows
    places: Callable[[Value, Value], Any]  # of a view, in what it is one of


SYNTAX = Syntax()


class Recomputed(NamedTuple):
    """What reverse mode computes again of loops: the first `part` of the turns, by `levels`; see
    ops/nested/segmented_scan.py."""

    part: float = 0.0
    levels: int = 1


class Trace:
    """A function being traced.

    What a feature of the front keeps of it is a note of a class of its own, which stands there.
    """

    def __init__(self, name: str, parent: Trace | None) -> None:
        self.name, self.parent = name, parent
        self.ended = False
        self.recomputed = parent.recomputed if parent else Recomputed()
        self.captured: dict[Value, tuple[Tracer, Value]] = {}
        self.memories = Memories()
        self._constants: dict[str, Value] = {}
        self._notes: dict[type, Any] = {}

    def note(self, note: Any) -> None:
        """Keeps a note, in place of another one of its class."""
        self._notes[type(note)] = note

    def noted(self, kind: type[N]) -> N | None:
        """The note of a class, if there is one."""
        return self._notes.get(kind)

    def constant(self, array: np.ndarray) -> Value:
        """A closed-over array: copied now, once per content."""
        parameter = Array(array)
        if parameter.digest not in self._constants:
            self._constants[parameter.digest] = apply(Constant(parameter))
        return self._constants[parameter.digest]

    def lift(self, tracer: Tracer) -> Value:
        """The value of `tracer` here: its own, or an input that stands for an outer trace's."""
        if tracer.owner is self:
            return tracer.value
        outer = self.parent
        while outer is not None and outer is not tracer.owner:
            outer = outer.parent
        if outer is None:
            refuse_foreign(tracer)
        value = tracer.value
        if value not in self.captured:
            node = value.node
            if node is not None and not node.args and not isinstance(node.op, Control):
                return apply(node.op)  # a constant is made again, so that it is known to be one
            self.captured[value] = tracer, Value(value.type)
        return self.captured[value][1]


def refuse_foreign(tracer: Tracer) -> NoReturn:
    node = tracer._value.node
    made = node.source if node else None
    origin = f", made at {made.file}:{made.line}," if made else ""
    state = "after its trace ended" if tracer.owner.ended else "in another thread's trace"
    raise ProgramError(
        f"trace: a value of the trace of {tracer.owner.name}{origin} is used {state}, "
        f"got {tracer.type}",
        location(user_source()),
        "return it from the traced function, or pass it as an argument",
    )


class _State(threading.local):
    current: Trace | None = None


_state = _State()


def current() -> Trace | None:
    """The innermost trace of this thread, if any."""
    return _state.current


def active() -> Trace:
    """The innermost trace of this thread. There is one wherever a tracer may be used."""
    if _state.current is None:
        raise ProgramError(
            "trace: a traced value is used outside of the function it was made in",
            location(user_source()),
            "return it from the traced function",
        )
    return _state.current


def enclosing_traces() -> Iterator[Trace]:
    """The traces of this thread, innermost first."""
    trace = _state.current
    while trace is not None:
        yield trace
        trace = trace.parent


@contextlib.contextmanager
def tracing(name: str, recomputed: Recomputed | None = None) -> Iterator[Trace]:
    """A new innermost trace of this thread; `recomputed` holds in those inside of it too."""
    outer = _state.current
    trace = _state.current = Trace(name, outer)
    trace.recomputed = recomputed or trace.recomputed
    try:
        yield trace
    finally:
        _state.current = outer
        trace.ended = True
        trace.memories = Memories()


OPERANDS = (bool, int, float, complex, np.ndarray, np.generic, list, tuple)
"""What may stand beside a tracer."""


def _function(function: Any) -> Callable[..., Any]:
    """A method that is a NumPy function on the array."""

    def method(self: Tracer, *args: Any, **options: Any) -> Any:
        return self.viewed(FUNCTIONS[function](self, *args, **options), function is np.ravel)

    method.__name__ = function.__name__
    method.__doc__ = f"numpy.{function.__name__} of the array."
    return method


def _operator(function: Any) -> Callable[[Tracer, Any], Any]:
    def operator(self: Tracer, other: Any) -> Any:
        if isinstance(other, Tracer) or isinstance(other, OPERANDS):  # noqa: SIM101
            return FUNCTIONS[function](self, other)
        return NotImplemented

    return operator


def _reflected(function: Any) -> Callable[[Tracer, Any], Any]:
    def operator(self: Tracer, other: Any) -> Any:
        if isinstance(other, OPERANDS):
            return FUNCTIONS[function](other, self)
        return NotImplemented

    return operator


def _unary(function: Any) -> Callable[[Tracer], Any]:
    return lambda self: FUNCTIONS[function](self)


def _in_place(function: Any) -> Callable[[Tracer, Any], Any]:
    """`x += y`: a write to x if that may be written to; else another array by the name of x."""

    def operator(self: Tracer, other: Any) -> Any:
        if not isinstance(other, (Tracer, *OPERANDS)):
            return NotImplemented
        found = FUNCTIONS[function](self, other)
        if not self.ndim:
            return found  # as of NumPy's scalars
        if self.refusal():
            self.memory.writes += 1
            found.replaced = self.memory, self._value
            return found
        return SYNTAX.overwrite(self, found, function.__name__)

    return operator


_power = _operator(np.power)


class Tracer(Concrete):
    """A value of the graph being made, with an ndarray's attributes and operators.

    What an op of this trace made may be written to: the tracer then stands for another value, and
    tracers that share its memory are stale. One of no dimensions is a number, as NumPy's scalars.
    """

    __slots__ = ("_value", "base", "memory", "owner", "replaced", "seen", "weak")

    def __init__(self, value: Value, owner: Trace, weak: bool = False) -> None:
        if len(value.type.shape) >= MAX_AXES and (excess := value.type.excess()):
            name = value.node.op.name if value.node else "trace"
            at = value.node.source if value.node else user_source()
            raise ProgramError(f"{name}: {excess}", location(at))
        self._value, self.owner, self.weak = value, owner, weak
        self.memory = owner.memories[value] if value.type.shape else AliasMemory()
        self.seen = self.memory.writes
        self.replaced: tuple[AliasMemory, Value] | None = None  # what `x += y` made this of
        self.base: tuple[Tracer, Any] | None = None  # x and i, where this is x[i] of foreign code

    @property
    def value(self) -> Value:
        if self.seen != self.memory.writes and self.base is not None:
            self.read_again()
        if self.seen != self.memory.writes:
            raise ProgramError(
                f"trace: memory of {self.type} was written to, of which this is another view",
                location(user_source()),
                "use the array that was written to, or x.copy() before the write",
            )
        return self._value

    def refusal(self) -> str:
        """What the array is, where it is none that may be written to."""
        if self.owner is not current():
            return "a value of an outer function"
        if self.base is not None:
            return self.base[0].refusal()
        kind = read_only_kind(self._value)
        return "" if kind == "a view" and traces_foreign() else kind

    def viewed(self, found: Any, raveled: bool = False) -> Any:
        """A result, which foreign code may write to if it is a view."""
        if not traces_foreign() or not isinstance(found, Tracer) or found is self:
            return found
        if found.memory is self.memory and found.base is None:
            if not is_numpys_view(found._value, self, raveled):
                return found.copy()
            found.base = self, self._value
        return found

    def part(self, function: Any) -> Tracer:
        """The real or imaginary part, which in foreign code is the number itself or is refused
        where it is written to, or read after x was: it would be a view."""
        if not traces_foreign() or not self.ndim:
            return FUNCTIONS[function](self)
        if self.dtype.kind != "c":
            return self if function is np.real else FUNCTIONS[function](self)
        found = FUNCTIONS[function](self)
        found.memory, found.seen, found.base = self.memory, self.memory.writes, (self, self._value)
        return found

    def place(self) -> tuple[Tracer, Any]:
        """What it is a view of, and of which part: an index, or ... of another shape."""
        assert self.base is not None
        of, at = self.base
        if isinstance(at, Value):
            self.base = of, SYNTAX.places(self._value, at)
        return self.base

    def read_again(self) -> None:
        """Stands for what is there now in the array that it is a view of."""
        of, at = self.place()
        there = of.reshape(self.shape) if at is Ellipsis else SYNTAX.getitem(of, at)
        self._value, self.weak, self.seen = there.value, of.weak, self.memory.writes

    def write(self, made: Tracer) -> None:
        """Stands for the value of `made` from here on, and so does that part of what it is a view
        of."""
        if self.base is not None:
            of, at = self.place()
            SYNTAX.setitem(of, at, made.reshape(of.shape) if at is Ellipsis else made)
            if made.dtype != of.dtype:
                return self.read_again()
            self._value = self.owner.memories.holding(made.value, self.memory)
            self.weak, self.seen = of.weak, self.memory.writes
            return None
        value, self.weak = made.value, made.weak
        self.replaced = self.memory, self._value
        self.memory.writes += 1
        self._value, self.seen = self.owner.memories.holding(value, self.memory), self.memory.writes

    @property
    def type(self) -> Type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._value.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return NUMPY[self._value.type.dtype]

    @property
    def ndim(self) -> int:
        return len(self._value.type.shape)

    @property
    def size(self) -> int:
        return self._value.type.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._value.type.nbytes

    @property
    def T(self) -> Tracer:
        return self.viewed(FUNCTIONS[np.transpose](self))

    @property
    def mT(self) -> Tracer:
        return self.viewed(FUNCTIONS[np.matrix_transpose](self))

    @property
    def at(self) -> Any:
        """x.at[i].set(v) and its kin: x, but updated at i."""
        return SYNTAX.at(self)

    @property
    def real(self) -> Tracer:
        return self.part(np.real)

    @property
    def imag(self) -> Tracer:
        return self.part(np.imag)

    def __repr__(self) -> str:
        return f"Tracer<{self._value.type}{', weak' if self.weak else ''}>"

    # ---- NumPy's protocols

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """wonderland.numpy, for who writes for the Array API standard."""
        vars(np.ndarray)["__array_namespace__"](np.empty(0), api_version=api_version)  # or raises
        return sys.modules["wonderland.numpy"]

    @property
    def device(self) -> str:
        """An ndarray's, as results are."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> Tracer:
        if device != "cpu":
            raise ProgramError(
                f"to_device: 'cpu' is required, where results are, got {device!r:.40}",
                location(user_source()),
            )
        return self

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        called = function if method == "__call__" else getattr(function, method)
        found = FUNCTIONS.get(called) or (SCIPY.get(called.__name__) if is_scipys(called) else None)
        if type(called).__module__.startswith("numba."):
            found = SYNTAX.numbas(called)
        if found is None:
            rows = getattr(called, "signature", None)  # of a generalised ufunc
            if rows and getattr(np, called.__name__, None) is not called:
                raise ProgramError(
                    f"{called.__name__}: a function that returns its results is required in a "
                    f"trace, got a ufunc of rows {rows}",
                    location(user_source()),
                    f'@wl.row_function("{rows}") above @numba.njit, and return',
                )
            name = f"special.{function.__name__}" if is_scipys(called) else function.__name__
            refuse_function(name if method == "__call__" else f"{name}.{method}", self)
        return found(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        found = FUNCTIONS.get(function)
        if found is None:
            refuse_function(
                f"{function.__module__}.{function.__name__}".removeprefix("numpy."), self
            )
        return found(*args, **options)

    @property
    def _numba_type_(self) -> NoReturn:
        raise ProgramError(
            f"numba.njit: arrays are required in Numba's code, got a traced {self.type}",
            location(user_source()),
            '@wl.row_function("(n)->(n)") above @numba.njit, with the axes that it takes and gives',
        )

    # ---- methods

    sum, prod, mean = _function(np.sum), _function(np.prod), _function(np.mean)
    max, min, any, all = _function(np.max), _function(np.min), _function(np.any), _function(np.all)
    var, std = _function(np.var), _function(np.std)
    argmax, argmin = _function(np.argmax), _function(np.argmin)
    cumsum, cumprod = _function(np.cumsum), _function(np.cumprod)
    argsort, searchsorted = _function(np.argsort), _function(np.searchsorted)
    argpartition, nonzero = _function(np.argpartition), _function(np.nonzero)
    choose, put = _function(np.choose), _function(np.put)
    clip, round = _function(np.clip), _function(np.round)
    dot, take, repeat = _function(np.dot), _function(np.take), _function(np.repeat)
    squeeze, swapaxes, ravel = _function(np.squeeze), _function(np.swapaxes), _function(np.ravel)
    copy, diagonal, trace = _function(np.copy), _function(np.diagonal), _function(np.trace)

    def compress(self, condition: Any, axis: int | None = None, out: Any = None) -> Tracer:
        return FUNCTIONS[np.compress](condition, self, axis, out)

    def sort(
        self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None
    ) -> None:
        """In place, as an ndarray's."""
        SYNTAX.overwrite(self, FUNCTIONS[np.sort](self, axis, kind, order, stable=stable), "sort")

    def partition(self, kth: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        """In place, as an ndarray's."""
        found = FUNCTIONS[np.partition](self, kth, axis, kind, order)
        SYNTAX.overwrite(self, found, "partition")

    @property
    def flat(self) -> Any:
        """The elements in order: x.flat[i] is read and, as x, may be written to."""
        return SYNTAX.flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        FUNCTIONS[np.put](self, np.arange(self.size), value)

    def conj(self) -> Tracer:
        return FUNCTIONS[np.conjugate](self) if self.type.is_complex else self

    conjugate = conj

    def __copy__(self) -> Tracer:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ProgramError(
            f"trace: an array is required to be pickled, got a traced value of {self.type}",
            location(user_source()),
            "return it from the traced function, and pickle the result",
        )

    def astype(self, dtype: Any, *, copy: bool = True) -> Tracer:
        return FUNCTIONS[np.astype](self, dtype, copy=copy)

    def reshape(self, *shape: Any, order: str = "C") -> Tracer:
        wanted = shape[0] if len(shape) == 1 else shape
        return self.viewed(FUNCTIONS[np.reshape](self, wanted, order=order))

    def flatten(self, order: str = "C") -> Tracer:
        return FUNCTIONS[np.ravel](self, order).copy()

    def transpose(self, *axes: Any) -> Tracer:
        one = len(axes) == 1 and (axes[0] is None or np.ndim(axes[0]) > 0)
        return self.viewed(FUNCTIONS[np.transpose](self, axes[0] if one else axes or None))

    # ---- operators

    __add__, __radd__ = _operator(np.add), _reflected(np.add)
    __sub__, __rsub__ = _operator(np.subtract), _reflected(np.subtract)
    __mul__, __rmul__ = _operator(np.multiply), _reflected(np.multiply)
    __truediv__, __rtruediv__ = _operator(np.true_divide), _reflected(np.true_divide)
    __floordiv__, __rfloordiv__ = _operator(np.floor_divide), _reflected(np.floor_divide)
    __mod__, __rmod__ = _operator(np.remainder), _reflected(np.remainder)
    __divmod__, __rdivmod__ = _operator(np.divmod), _reflected(np.divmod)
    __rpow__ = _reflected(np.power)
    __matmul__, __rmatmul__ = _operator(np.matmul), _reflected(np.matmul)
    __and__, __rand__ = _operator(np.bitwise_and), _reflected(np.bitwise_and)
    __or__, __ror__ = _operator(np.bitwise_or), _reflected(np.bitwise_or)
    __xor__, __rxor__ = _operator(np.bitwise_xor), _reflected(np.bitwise_xor)
    __lshift__, __rlshift__ = _operator(np.left_shift), _reflected(np.left_shift)
    __rshift__, __rrshift__ = _operator(np.right_shift), _reflected(np.right_shift)
    __iadd__, __isub__ = _in_place(np.add), _in_place(np.subtract)
    __imul__, __itruediv__ = _in_place(np.multiply), _in_place(np.true_divide)
    __ifloordiv__, __imod__ = _in_place(np.floor_divide), _in_place(np.remainder)
    __ipow__, __imatmul__ = _in_place(np.power), _in_place(np.matmul)
    __iand__, __ior__ = _in_place(np.bitwise_and), _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __ilshift__, __irshift__ = _in_place(np.left_shift), _in_place(np.right_shift)
    __lt__, __le__ = _operator(np.less), _operator(np.less_equal)
    __gt__, __ge__ = _operator(np.greater), _operator(np.greater_equal)
    __eq__, __ne__ = _operator(np.equal), _operator(np.not_equal)  # pyright: ignore[reportAssignmentType]
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __hash__ = Concrete.__hash__

    def __pow__(self, other: Any) -> Tracer:
        if type(other) is int and other == 2 and self.type.dtype == "bool":
            return FUNCTIONS[np.square](self)  # as ndarrays have it: in i8
        return _power(self, other)

    def __round__(self, digits: int = 0) -> Tracer:
        return FUNCTIONS[np.round](self, digits)

    # ---- as a sequence

    def __getitem__(self, at: Any) -> Tracer:
        return SYNTAX.getitem(self, at)

    def __setitem__(self, at: Any, value: Any) -> None:
        SYNTAX.setitem(self, at, value)

    def __delitem__(self, at: Any) -> NoReturn:
        raise ProgramError(
            f"del x[i]: an array keeps its size, got {self.type}",
            location(user_source()),
            "x = np.delete(x, i)",
        )

    def fill(self, value: Any) -> None:
        """Every element becomes `value`."""
        SYNTAX.setitem(self, ..., value)

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES and traces_foreign():
            return ATTRIBUTES[name](self)
        if name.startswith("_"):
            raise AttributeError(f"'Tracer' object has no attribute '{name}'", name=name, obj=self)
        refuse_attribute(name, self)

    def __len__(self) -> int:
        if not self.shape:
            raise ProgramError(
                f"len: an array of one axis or more is required, got {self.type}",
                location(user_source()),
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tracer]:
        if not self.shape:
            raise ProgramError(
                f"iteration: an array of one axis or more is required, got {self.type}",
                location(user_source()),
            )
        return (self[i] for i in range(self.shape[0]))


def is_scipys(function: Any) -> bool:
    """Whether it is a ufunc of scipy.special; who has one has imported that."""
    name = getattr(function, "__name__", "")
    ufuncs = sys.modules.get("scipy.special._ufuncs")
    return bool(name) and getattr(ufuncs, name, None) is function


BY_STEPS = {
    "reduce": "functools.reduce(np.{}, x), along the first axis",
    "accumulate": "np.stack(list(itertools.accumulate(x, np.{}))), along the first axis",
}
"""How Python takes the steps of a ufunc's method that has no traced form."""


def nearest(name: str) -> str:
    """What to write in place of a NumPy function that has no traced form."""
    for space in ("nn", "lax"):
        if name not in HINTS and at_front(f"{space}.{name}") is not None:
            return f"wl.{space}.{name}"
    if name.startswith("special."):
        shape = "wl.ShapeDtypeStruct(x.shape, x.dtype)"
        called = f"wl.pure_callback(scipy.{name}, {shape}, x), which has no derivative"
        return OF_SCIPY.get(name.removeprefix("special."), called)
    if name.startswith("lib.scimath."):
        return f"np.{name.removeprefix('lib.scimath.')}(x.astype(complex))"
    if name.endswith(".outer") and name not in HINTS:
        return f"np.{name.removesuffix('.outer')}(x[:, None], y)"
    if name.endswith(" (vectorized)"):
        return "wl.vmap(f)(x), or f(x) itself where it computes by element"
    of, _, method = name.partition(".")
    if method in BY_STEPS and getattr(getattr(np, of, None), "nin", 0) == 2:
        return BY_STEPS[method].format(of)
    names = {n for f in FUNCTIONS if hasattr(np, n := getattr(f, "__name__", ""))}
    import difflib  # only errors need it

    near = difflib.get_close_matches(name, names, n=2, cutoff=0.75) if len(name) > 3 else []
    return HINTS.get(name) or " or ".join(f"np.{n}" for n in near)


def refuse_function(name: str, got: Tracer) -> NoReturn:
    """A NumPy function that has no traced form."""
    what = f"{name}: has no form for traced arrays, got {got.type}"
    raise ProgramError(what, location(user_source()), nearest(name))


def refuse_attribute(name: str, got: Tracer) -> NoReturn:
    """An attribute that traced arrays do not have: of ndarrays, of another library, or of none."""
    numpys = hasattr(np.ndarray, name)
    what = f"{name}: {'has no form for' if numpys else 'no attribute of'} traced arrays"
    otherwise = told(name) or (nearest(name) if numpys else "")
    public = [] if numpys else [n for n in dir(got) if not n.startswith("_")]
    repair = repaired((meaning, nearest_attribute(public)), otherwise)
    error = ProgramError(f"{what}, got {got.type}", location(user_source()), repair)
    raise AttributeError(str(error), name=name, obj=got)
