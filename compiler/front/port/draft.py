"""Arrays that foreign code makes while it is traced: numbers, until a traced value is written.

NumPy code makes tables, counters and masks of which its shapes and loops depend, so these must stay
numbers; and it makes arrays to write results into, which must take traced values. Both are made by
the same functions. A `Draft` is an array of numbers that computes with numbers as NumPy does; where
a traced value is written to it, or it is indexed by one, it becomes a tracer: the same object.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Value
from ...ir.source import location, user_source
from ...ir.types import NAMES, Type, type_of
from ...ops.source import full
from ...trace.aliases import AliasMemory
from ...trace.concrete import Concrete
from ...trace.foreign import ATTRIBUTES, traces_foreign
from ...trace.tracer import (
    FUNCTIONS,
    SCIPY,
    Tracer,
    active,
    current,
    is_scipys,
    refuse_function,
)
from .. import special
from .view_places import among

# ---------------------------------------------------------------- what is traced


class Mixed:
    """What computes with traced values in a way of its own: see picked.py."""

    def apply(self, function: Any, args: Any, options: dict[str, Any]) -> Any:
        raise NotImplementedError


def traced(x: Any) -> bool:
    """Whether a traced value is in it."""
    if isinstance(x, (Tracer, Mixed)):
        return True
    if isinstance(x, (list, tuple)):
        return any(map(traced, x))
    if isinstance(x, slice):
        return traced((x.start, x.stop, x.step))
    return isinstance(x, dict) and any(map(traced, x.values()))


REAL: dict[type, type] = {}
"""The types that have a stand-in, by that, which is equal to them."""


def unwrapped(x: Any) -> Any:
    """What stands for an array or a type, as that; in lists, tuples and dicts too."""
    if isinstance(x, Draft):
        return x.array
    kind = type(x)
    if kind is list or kind is tuple:
        return kind(map(unwrapped, x))
    if kind is dict:
        return {k: unwrapped(v) for k, v in x.items()}
    if kind is slice:
        return slice(unwrapped(x.start), unwrapped(x.stop), unwrapped(x.step))
    return REAL.get(x, x) if isinstance(x, type) else x


def drafts_in(x: Any) -> Iterator[Draft]:
    """The drafts among arguments."""
    if isinstance(x, Draft):
        yield x
    elif isinstance(x, (list, tuple)):
        for part in x:
            yield from drafts_in(part)
    elif isinstance(x, dict):
        yield from drafts_in(list(x.values()))


def drafted(found: Any, of: Any = (), weak: bool = True) -> Any:
    """A result of NumPy's as foreign code sees it: arrays are drafts.

    One that is memory of a draft among `of` is a view of it, or that draft. Threads that trace
    nothing, which may meet a table of a module, get what NumPy gives.
    """
    if not traces_foreign():
        return found
    if type(found) is np.ndarray and found.dtype in NAMES:
        for draft in drafts_in(of):
            if found is draft._value:
                return draft
            if np.may_share_memory(found, draft._value):
                return Draft(found, draft.weak, draft)
        weak = weak and all(draft.weak for draft in drafts_in(of))
        return Draft(found, weak and found.dtype == np.float64)
    if type(found) in (list, tuple):
        return type(found)([drafted(x, of, weak) for x in found])
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*(drafted(x, of, weak) for x in found))
    return found


def plainly(x: Any) -> Any:
    """Results of foreign code for everybody else: drafts are arrays again."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(plainly, x))
    return unwrapped(x)


# ---------------------------------------------------------------- calls


def typed(x: Any) -> bool:
    """Whether an argument names a dtype."""
    return isinstance(x, (type, np.dtype))


WRITERS = {np.copyto, np.put, np.putmask, np.place, np.fill_diagonal, np.put_along_axis}
SAME = {np.asarray, np.asanyarray, np.ascontiguousarray}
"""They give their argument where that is an array already."""


def call(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A function of NumPy's: its own of numbers, ours where an argument is traced."""
    given, named = unwrapped(args), unwrapped(options)
    if not traced(given) and not traced(named):
        if function in (np.empty, np.empty_like):  # what was in memory before is no number
            function = np.zeros if function is np.empty else np.zeros_like
        strong = any(map(typed, given)) or named.get("dtype") is not None
        return drafted(function(*given, **named), (args, options), not strong)
    mixed = next((x for x in (*args, *options.values()) if isinstance(x, Mixed)), None)
    if mixed is not None:
        return mixed.apply(function, given, named)
    if args and (function in WRITERS or is_at(function)):
        if isinstance(args[0], Draft):
            args[0].become()
        return ours(function)(args[0], *given[1:], **named)
    if function in SAME and len(given) == 1 and isinstance(given[0], Tracer):
        dtype = named.pop("dtype", None)
        if dtype is None or given[0].dtype == dtype:
            return given[0]
        return given[0].astype(dtype)
    if isinstance(function, np.ufunc) and len(args) > function.nin:  # out= by place
        options = {**options, "out": args[function.nin :]}
        given = given[: function.nin]
    if isinstance(function, np.ufunc) or options.get("out") is not None:
        return into_place(function, given, named, options)
    if function in (np.real, np.imag) and len(given) == 1 and isinstance(given[0], Tracer):
        return given[0].part(function)
    found = ours(function)(*given, **named)
    if not isinstance(found, Tracer):
        return found
    return next(_tracers(given)).viewed(found, function is np.ravel)


def is_at(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "at"


def ours(function: Any) -> Callable[..., Any]:
    """What computes a function of NumPy's or SciPy's on traced values."""
    found = FUNCTIONS.get(function)
    if found is None and is_scipys(function):
        found = SCIPY.get(function.__name__)
    if found is None and (getattr(function, "__module__", "") or "").startswith("scipy.special"):
        found = getattr(special, function.__name__, None)
    return found or OTHERS.get(function) or refusing(function)


OTHERS: dict[Any, Callable[..., Any]] = {}
"""What computes functions beside NumPy's on traced values."""


def refusing(function: Any) -> Callable[..., Any]:
    def refused(*args: Any, **options: Any) -> NoReturn:
        place = getattr(function, "__self__", None)
        name = getattr(function, "__name__", str(function))
        name = f"{place.__name__}.{name}" if isinstance(place, np.ufunc) else name
        got = next(_tracers((args, options)))
        refuse_function(name, got)

    return refused


def _tracers(x: Any) -> Iterator[Tracer]:
    if isinstance(x, Tracer):
        yield x
    elif isinstance(x, (list, tuple, dict)):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _tracers(part)


def into_place(
    function: Any, given: tuple[Any, ...], named: dict[str, Any], options: dict[str, Any]
) -> Any:
    """A function with out= and where= of a ufunc's: the result is written where they say."""
    places = options.get("out")
    mask = named.pop("where", True) if isinstance(function, np.ufunc) else True
    named.pop("out", None)
    if mask is not True:  # what is left out must not make slopes that are none
        inside = 0.5 if function in (np.arcsin, np.arccos, np.arctanh) else 1
        given = tuple(FUNCTIONS[np.where](mask, x, inside) for x in given)
    found = ours(function)(*given, **named)
    if places is None:
        return found if mask is True else FUNCTIONS[np.where](mask, found, 0)
    several = found if isinstance(found, tuple) else (found,)
    into = places if isinstance(places, tuple) else (places,)
    made = tuple(
        x if place is None else into_named(function, place, x, mask)
        for x, place in zip(several, into, strict=True)
    )
    return made if isinstance(found, tuple) else made[0]


def into_named(function: Any, place: Any, found: Any, mask: Any) -> Any:
    """What `out=` names, with a result in it where the mask holds."""
    if isinstance(place, Draft):
        place.become()
    elif not isinstance(place, Tracer):
        raise ProgramError(
            f"{function.__name__}: out= of an array that the traced code made is required, "
            f"got {type(place).__name__}",
            location(user_source()),
            "a new array, by np.empty_like, for what is computed",
        )
    place[...] = found if mask is True else FUNCTIONS[np.where](mask, found, place)
    return place


# ---------------------------------------------------------------- the array


def _binary(operation: Callable[[Any, Any], Any], function: Any) -> Callable[..., Any]:
    def method(self: Draft, other: Any) -> Any:
        if isinstance(other, Mixed):
            return NotImplemented
        if traced(other):
            return FUNCTIONS[function](self.array, unwrapped(other))
        found = operation(self.array, unwrapped(other))
        return drafted(found, (), self.weak and all(d.weak for d in drafts_in(other)))

    return method


def _reflected(operation: Callable[[Any, Any], Any], function: Any) -> Callable[..., Any]:
    def method(self: Draft, other: Any) -> Any:
        if traced(other):
            return FUNCTIONS[function](unwrapped(other), self.array)
        return drafted(operation(unwrapped(other), self.array), (), self.weak)

    return method


def _in_place(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: Draft, other: Any) -> Any:
        if not traced(other):
            operation(self.array, unwrapped(other))
            return self
        return operation(self.become(), unwrapped(other))

    return method


def _unary(operation: Callable[[Any], Any]) -> Callable[[Draft], Any]:
    return lambda self: drafted(operation(self.array), (), self.weak)


class Draft(Concrete):
    """An array of numbers in traced code. `weak`: of f64 that nobody asked for.

    The slots are a tracer's, which it becomes; `base` is the draft that this is a view of, and the
    index if it is x[i].
    """

    __slots__ = Tracer.__slots__

    def __init__(
        self, array: np.ndarray, weak: bool = False, of: Draft | None = None, at: Any = None
    ) -> None:
        self._value: Any = array
        self.weak, self.replaced = weak, None
        self.owner = active() if of is None else of.owner
        self.memory = AliasMemory() if of is None else of.memory
        self.seen = self.memory.writes if of is None else of.seen
        self.base: Any = None if of is None else (of, at)
        if of is not None:
            self.memory.views = self.memory.views or []
            self.memory.views.append(weakref.ref(self))

    @property
    def array(self) -> np.ndarray:
        """The numbers."""
        if self.seen != self.memory.writes:
            raise ProgramError(
                f"trace: memory of {self.type} was written to, of which this is another view",
                location(user_source()),
                "use the array that was written to, or x.copy() before the write",
            )
        return self._value

    def become(self) -> Any:
        """A tracer that may be written to, the same object."""
        array = self.array
        if self.owner is not current():
            self.refuse_write("x[i] = v", "a value of an outer function")
        memory, owner = self.memory, self.owner
        of: Any
        if not self.is_linked():
            self.refuse_write("x[i] = v", "a view")
        of, at = self.base or (None, ...)
        if of is None:
            value = owner.memories.holding(constant(array), memory)
        elif at is Ellipsis:
            value = (of.become() if isinstance(of, Draft) else of).reshape(array.shape)._value
        else:  # x[i], which is written to where x is
            value = (of.become() if isinstance(of, Draft) else of)[at]._value
        views = [view for r in memory.views or () if (view := r()) is not None]
        linked = [view for view in views if isinstance(view, Draft) and view.is_linked()]
        memory.views = None
        self.__class__ = Tracer  # pyright: ignore[reportAttributeAccessIssue]
        self._value = value
        for view in linked:  # they show what is written from here on
            if isinstance(view, Draft):
                view.become()
        return self

    def is_linked(self) -> bool:
        """Whether it is an array of its own, or it is known where in another one it is."""
        if self.base is not None and self.base[1] is None:
            of = self.base[0]
            self.base = of, among(self._value, of._value) if isinstance(of, Draft) else None
        return self.base is None or self.base[1] is not None

    @property
    def type(self) -> Type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return type_of(self._value)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._value = self.array.reshape(shape)

    @property
    def real(self) -> Any:
        return drafted(np.real(self.array), (self,))

    @real.setter
    def real(self, value: Any) -> None:
        self[...] = value + 1j * self.imag if self.array.dtype.kind == "c" else value

    @property
    def imag(self) -> Any:
        return drafted(np.imag(self.array), (self,))

    @imag.setter
    def imag(self, value: Any) -> None:
        self[...] = self.real + 1j * value

    # ---- reading and writing

    def __getitem__(self, at: Any) -> Any:
        if traced(at):
            return constant_tracer(self)[unwrapped(at)]
        found = drafted(self.array[unwrapped(at)], (self,))
        if isinstance(found, Draft) and found.base is not None:
            found.base = self, unwrapped(at)
        return found

    def __setitem__(self, at: Any, value: Any) -> None:
        if not traced(at) and not traced(value):
            self.array[unwrapped(at)] = unwrapped(value)
        else:
            self.become()
            operator.setitem(self, unwrapped(at), unwrapped(value))  # pyright: ignore[reportCallIssue, reportArgumentType]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"'Draft' object has no attribute {name!r}")
        if name == "flat":
            return FlatItems(self)
        found = getattr(self.array, name)
        return Method(self, name) if callable(found) else drafted(found, (self,))

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.array)))

    def __contains__(self, item: Any) -> bool:
        return unwrapped(item) in self.array

    # ---- what numbers can do

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return call(
            function if method == "__call__" else getattr(function, method), inputs, options
        )

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return call(function, args, options)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __complex__(self) -> complex:
        return complex(self.array)

    def __index__(self) -> int:
        return operator.index(self.array)  # pyright: ignore[reportArgumentType]

    def __repr__(self) -> str:
        return repr(self.array)

    def __str__(self) -> str:
        return str(self.array)

    def __format__(self, spec: str) -> str:
        return format(self.array, spec)

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'numpy.ndarray'")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.array.__reduce_ex__(protocol)

    def __copy__(self) -> Draft:
        return Draft(self.array.copy(), self.weak)

    def __deepcopy__(self, memo: Any) -> Draft:
        return self.__copy__()

    def item(self, *at: Any) -> Any:
        return self.array.item(*at)

    def tolist(self) -> Any:
        return self.array.tolist()

    # ---- operators

    __add__, __radd__ = _binary(operator.add, np.add), _reflected(operator.add, np.add)
    __sub__, __rsub__ = _binary(operator.sub, np.subtract), _reflected(operator.sub, np.subtract)
    __mul__, __rmul__ = _binary(operator.mul, np.multiply), _reflected(operator.mul, np.multiply)
    __truediv__ = _binary(operator.truediv, np.true_divide)
    __rtruediv__ = _reflected(operator.truediv, np.true_divide)
    __floordiv__ = _binary(operator.floordiv, np.floor_divide)
    __rfloordiv__ = _reflected(operator.floordiv, np.floor_divide)
    __mod__, __rmod__ = _binary(operator.mod, np.remainder), _reflected(operator.mod, np.remainder)
    __divmod__, __rdivmod__ = _binary(divmod, np.divmod), _reflected(divmod, np.divmod)
    __pow__, __rpow__ = _binary(operator.pow, np.power), _reflected(operator.pow, np.power)
    __matmul__ = _binary(operator.matmul, np.matmul)
    __rmatmul__ = _reflected(operator.matmul, np.matmul)
    __and__ = _binary(operator.and_, np.bitwise_and)
    __rand__ = _reflected(operator.and_, np.bitwise_and)
    __or__, __ror__ = (
        _binary(operator.or_, np.bitwise_or),
        _reflected(operator.or_, np.bitwise_or),
    )
    __xor__ = _binary(operator.xor, np.bitwise_xor)
    __rxor__ = _reflected(operator.xor, np.bitwise_xor)
    __lshift__ = _binary(operator.lshift, np.left_shift)
    __rlshift__ = _reflected(operator.lshift, np.left_shift)
    __rshift__ = _binary(operator.rshift, np.right_shift)
    __rrshift__ = _reflected(operator.rshift, np.right_shift)
    __lt__, __le__ = _binary(operator.lt, np.less), _binary(operator.le, np.less_equal)
    __gt__, __ge__ = _binary(operator.gt, np.greater), _binary(operator.ge, np.greater_equal)
    __eq__ = _binary(operator.eq, np.equal)  # pyright: ignore[reportAssignmentType]
    __ne__ = _binary(operator.ne, np.not_equal)  # pyright: ignore[reportAssignmentType]
    __neg__, __pos__ = _unary(operator.neg), _unary(operator.pos)
    __abs__, __invert__ = _unary(operator.abs), _unary(operator.invert)
    __iadd__, __isub__ = _in_place(operator.iadd), _in_place(operator.isub)
    __imul__ = _in_place(operator.imul)
    __itruediv__ = _in_place(operator.itruediv)
    __ifloordiv__ = _in_place(operator.ifloordiv)
    __imod__, __ipow__ = _in_place(operator.imod), _in_place(operator.ipow)
    __imatmul__ = _in_place(operator.imatmul)
    __iand__ = _in_place(operator.iand)
    __ior__ = _in_place(operator.ior)
    __ixor__ = _in_place(operator.ixor)


class FlatItems:
    """x.flat, to read and to write."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def at(self, i: Any) -> Any:
        return np.unravel_index(np.arange(self.of.size)[unwrapped(i)], self.of.shape)

    def __getitem__(self, i: Any) -> Any:
        return self.of[self.at(i)]

    def __setitem__(self, i: Any, value: Any) -> None:
        self.of[self.at(i)] = value

    def __len__(self) -> int:
        return self.of.size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.of.size))


def sorted_in_place(x: Any) -> Callable[..., None]:
    """x.sort"""

    def sort(axis: int = -1, **options: Any) -> None:
        x[...] = FUNCTIONS[np.sort](x, axis, **options)

    return sort


ATTRIBUTES.update(sort=sorted_in_place)


class Method:
    """A method of a draft."""

    __slots__ = ("draft", "name")

    def __init__(self, draft: Draft, name: str) -> None:
        self.draft, self.name = draft, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        given, named = unwrapped(args), unwrapped(options)
        if traced(given) or traced(named):
            written = self.name in ("fill", "put", "itemset")
            of = self.draft.become() if written else constant_tracer(self.draft)
            return getattr(of, self.name)(*given, **named)
        strong = any(map(typed, given)) or named.get("dtype") is not None
        found = getattr(self.draft.array, self.name)(*given, **named)
        return drafted(found, (self.draft, args), not strong)


def constant(array: np.ndarray) -> Value:
    """The numbers as a value of the trace at hand; of one number, no data."""
    kind = type_of(array)
    if array.size and not array.dtype.hasobject and array.itemsize <= 8:
        bits = np.ascontiguousarray(array).reshape(-1).view(f"V{array.itemsize}")
        if (bits == bits[0]).all():
            return full(array.reshape(-1)[0].item(), kind)
    return active().constant(np.ascontiguousarray(array))


def constant_tracer(draft: Draft) -> Tracer:
    """The numbers as a tracer, for one that they are computed with."""
    return Tracer(constant(draft.array), active(), draft.weak)
