"""Numbers that remember how they were computed, so that a computation is done again on others.

    tape = SizeTape()
    with tape.part() as part:
        n = tape.size(64)
        points, grain = n * 10, min(n, 32)      # 640, 32; noted is n >= 32
    tape.read([96])
    part.replay()                               # "": every comparison came out as it did
    points.number, number_now(grain)            # 960, 32

A `Size` is a number that the tape was given, or one computed of others. Arithmetic makes sizes, a
comparison answers by the numbers and is noted as a guard. Whoever needs the number itself, to
index, to count, to spell, gets it, and a guard that it is this one: it is pinned. To everybody it
is an int, or a float; its type it cannot hide.

A computation that is done again on numbers for which all guards hold takes the same way, so what it
gives is what it would give on those numbers. Hashes are those of numbers, so a set or dict may
take two for different that are equal for other numbers: where that matters they are compared.
"""

from __future__ import annotations

import contextlib
import math
import operator
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


class FixedNumber:
    """A number of a step that is no size."""

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number


SizeGuard = tuple[bool, Any, int]
"""How a comparison came out, and where: code and line."""


SIGNS = {"eq": ("==", "!="), "ne": ("!=", "=="), "lt": ("<", ">="), "le": ("<=", ">"),
         "gt": (">", "<="), "ge": (">=", "<")}  # fmt: skip
"""By the name of a comparison: its sign, and that of the opposite."""


@dataclass(eq=False)
class TapePart:
    """Steps that are done again together."""

    steps: list[Any] = field(default_factory=list)

    def replay(self) -> str:
        """Computes every size anew, up to a comparison that comes out in another way: says which,
        or nothing."""
        try:
            for what, a, b, target in self.steps:
                found = what(a.number, b.number)
                if type(target) is Size:
                    target.number = found
                elif found is not target[0]:
                    return different(what.__name__, a.number, b.number, target)
        except ArithmeticError as error:
            return str(error)
        return ""


def different(what: str, left: Any, right: Any, guard: SizeGuard) -> str:
    """What holds now and did not, and where that was asked."""
    before, code, line = guard
    place = "/".join(code.co_filename.split("/")[-2:])
    return f"{left} {SIGNS[what][before]} {right} ({place}:{line}, {code.co_name})"


class SizeTape:
    """What was done with sizes, in parts; while none is being written sizes are plain numbers.

    The parts after the first read it, and themselves alone.
    """

    __slots__ = ("begun", "count", "kept", "keys", "known", "sources", "steps")

    def __init__(self) -> None:
        self.sources: list[Size] = []
        self.kept: dict[Any, Any] = {}  # results of the first part, by step
        self.known: dict[Any, Any] | None = None  # the same while a part is being written, and its
        self.keys: list[Any] | None = None  # those of a later part
        self.steps: list[Any] = []
        self.count, self.begun = 0, False

    @contextlib.contextmanager
    def part(self) -> Iterator[TapePart]:
        part, first, self.begun = TapePart(), not self.begun, True
        self.known, self.steps, self.keys = self.kept, part.steps, None if first else []
        try:
            yield part
        finally:
            for key in self.keys or ():
                del self.kept[key]
            self.known, self.steps, self.keys = None, [], None

    def forget(self) -> None:
        """Parts from now on know themselves alone: what the first one did takes less memory."""
        self.kept = {}

    def size(self, number: float) -> Size:
        self.sources.append(Size(self, number))
        return self.sources[-1]

    def read(self, numbers: Sequence[float]) -> None:
        for size, number in zip(self.sources, numbers, strict=True):
            size.number = number

    def computed(self, key: Any, what: Callable[..., Any], a: Any, b: Any) -> Size:
        """The size of an operation that was not done before."""
        x = a if type(a) is Size else FixedNumber(a)
        y = b if type(b) is Size else FixedNumber(b)
        found = Size(self, what(x.number, y.number))
        self.keep(key, found)
        self.steps.append((what, x, y, found))
        return found

    def compared(self, key: Any, what: Callable[..., Any], a: Size, b: Any) -> bool:
        """The outcome of a comparison that was not made before."""
        y = b if type(b) is Size else FixedNumber(b)
        found = what(a.number, y.number)
        self.keep(key, found)
        frame = sys._getframe(2)
        while frame.f_back and frame.f_code.co_filename in (__file__, "<string>"):
            frame = frame.f_back
        self.steps.append((what, a, y, (found, frame.f_code, frame.f_lineno)))
        return found

    def keep(self, key: Any, found: Any) -> None:
        self.kept[key] = found
        if self.keys is not None:
            self.keys.append(key)


def step_key(x: Any) -> Any:
    """An int, the tag of a size, the bits of a float, anything else as it is."""
    kind = type(x)
    return x.tag if kind is Size else struct.pack("<d", x) if kind is float else x


# ---------------------------------------------------------------- sizes


def arithmetic(what: Callable[[Any, Any], Any], neutral: int | None = None) -> tuple[Any, Any]:
    """An operator from both sides; `neutral` on the right changes nothing."""

    def forward(self: Size, other: Any) -> Any:
        kind = type(other)
        if kind not in NUMBERS:
            return NotImplemented
        tape = self.tape
        if tape.known is None:
            return what(self.number, other.number if kind is Size else other)
        if kind is int and other == neutral:
            return self
        key = what, self.tag, other if kind is int else step_key(other)
        found = tape.known.get(key)
        return tape.computed(key, what, self, other) if found is None else found

    def backward(self: Size, other: Any) -> Any:
        if type(other) not in NUMBERS:
            return NotImplemented
        tape = self.tape
        if tape.known is None:
            return what(other, self.number)
        key = what, step_key(other), self.tag
        found = tape.known.get(key)
        return tape.computed(key, what, other, self) if found is None else found

    return forward, backward


def comparison(what: Callable[[Any, Any], bool]) -> Any:
    def compare(self: Size, other: Any) -> Any:
        kind = type(other)
        if kind not in NUMBERS:
            return NotImplemented
        tape = self.tape
        if tape.known is None or other is self:
            return what(self.number, other.number if kind is Size else other)
        key = what, self.tag, other if kind is int else step_key(other)
        found = tape.known.get(key)
        return tape.compared(key, what, self, other) if found is None else found

    return compare


class Size:
    """A number on a tape."""

    __slots__ = ("number", "tag", "tape")

    def __init__(self, tape: SizeTape, number: Any) -> None:
        self.tape, self.number = tape, number
        tape.count += 1
        self.tag = tape.count + 0.5  # which no number in a key is: floats are bits there

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self.number)

    def pinned(self) -> Any:
        """The number, which must stay."""
        _ = self == self.number
        return self.number

    __add__, __radd__ = arithmetic(operator.add, 0)
    __sub__, __rsub__ = arithmetic(operator.sub, 0)
    __mul__, __rmul__ = arithmetic(operator.mul, 1)
    __floordiv__, __rfloordiv__ = arithmetic(operator.floordiv, 1)
    __mod__, __rmod__ = arithmetic(operator.mod)
    __truediv__, __rtruediv__ = arithmetic(operator.truediv)
    __pow__, __rpow__ = arithmetic(operator.pow)
    __lshift__, __rlshift__ = arithmetic(operator.lshift)
    __rshift__, __rrshift__ = arithmetic(operator.rshift)
    __and__, __rand__ = arithmetic(operator.and_)
    __lt__ = comparison(operator.lt)
    __le__ = comparison(operator.le)
    __gt__ = comparison(operator.gt)
    __ge__ = comparison(operator.ge)
    __eq__ = comparison(operator.eq)
    __ne__ = comparison(operator.ne)

    def __hash__(self) -> int:
        return hash(self.number)

    def __bool__(self) -> bool:
        return self != 0

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Any:
        return derived(operator.neg, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return derived(operator.abs, self)

    def __ceil__(self) -> Any:
        return derived(math.ceil, self)

    def __floor__(self) -> Any:
        return derived(math.floor, self)

    def __trunc__(self) -> Any:
        return derived(math.trunc, self)

    def __index__(self) -> int:
        return operator.index(self.pinned())

    def __int__(self) -> int:
        return int(self.pinned())

    def __float__(self) -> float:
        return float(self.pinned())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.pinned(), digits)

    def __format__(self, spec: str) -> str:
        return format(self.pinned(), spec)

    def __repr__(self) -> str:
        return repr(self.pinned())

    def __array__(self, *args: Any, **options: Any) -> Any:
        import numpy as np

        return np.array(self.pinned(), *args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.pinned(), name)


NUMBERS = frozenset((Size, int, float, bool))


@dataclass(frozen=True)
class Derivation:
    """A function of several numbers as one of two that are not looked at."""

    what: Callable[..., Any]
    args: tuple[Any, ...]

    def __call__(self, x: Any, y: Any) -> Any:
        return self.what(*(a.number if type(a) is Size else a for a in self.args))


def derived(what: Callable[..., Any], *args: Any) -> Any:
    """what(*args), a number, which is computed again where an argument is a size."""
    tape = next((a.tape for a in args if type(a) is Size), None)
    if tape is None:
        return what(*args)
    call = Derivation(what, args)
    if tape.known is None:
        return call(None, None)
    key = derived, what, *map(step_key, args)
    found = tape.known.get(key)
    return tape.computed(key, call, None, None) if found is None else found


def smaller(x: Any, y: Any) -> Any:
    """min(x, y), whichever it is."""
    return derived(min, x, y)


def larger(x: Any, y: Any) -> Any:
    """max(x, y), whichever it is."""
    return derived(max, x, y)


def truncated(x: Any) -> Any:
    """int(x)"""
    return derived(int, x)


def range_length(start: Any, stop: Any, step: Any) -> Any:
    """len(range(start, stop, step)) of a positive step."""
    return max(0, -((start - stop) // step))


def is_size(x: Any) -> bool:
    return type(x) is Size


def number_now(x: Any) -> Any:
    """A size as the number that it is now."""
    return x.number if type(x) is Size else x
