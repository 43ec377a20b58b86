"""Sums of windows where they overlap, as sums of views that kernels compute at every element.

Windows in rows of one stride need no division: row g of each is added to the same row of elements,
whatever the place in the row is. Few such rows are slices, and their sum an expression; of many the
diagonals are a view, which is reduced.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Op, Sample, Value, apply
from ..ir.types import NUMPY, Type
from ..kernel.index import Index, Piece, dims, moved, plus
from .elementwise import add, operands
from .family import Linear, View, behind, of_axes
from .reduce import reduce_sum
from .source import Number, full, zero_of
from .view import interleave, pad, permute, reshape, slice_, spaced

Ints = tuple[int, ...]
SLICES = 12
"""Terms of a sum of which each is a slice: more take long to compile."""


class Skew(View, Linear):
    """y[..., i, ..., g, ...] = x[..., i + offset - step * g, ..., g, ...], 0 where x has no element

    There are `counts` elements along `axes`, of which each goes with one of the axes `along`.
    """

    arity = 1

    axes: Ints
    along: Ints
    counts: Ints
    offsets: Ints
    steps: Ints

    @property
    def fill(self) -> Number:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 0

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        of_axes(self, self.axes, x)
        n, others = len(self.axes), set(self.along) - set(self.axes)
        if len(others) < n or not others <= set(range(x.ndim)):
            raise ProgramError(
                f"skew: another axis of {x} for each of {self.axes} is required, got {self.along}"
            )
        for name, given in (
            ("counts", self.counts),
            ("offsets", self.offsets),
            ("steps", self.steps),
        ):
            if len(given) != n or (name == "counts" and min(given, default=0) < 0):
                raise ProgramError(f"skew: {name} for each of {n} axes are required, got {given}")
        new = dict(zip(self.axes, self.counts, strict=True))
        return Type(x.dtype, tuple(new.get(a, n) for a, n in enumerate(x.shape)))

    def reference(self, *args: np.ndarray) -> np.ndarray:
        (x,) = args
        every = zip(self.axes, self.along, self.counts, self.offsets, self.steps, strict=True)
        for a, g, count, start, step in every:
            n = x.shape[a]
            shape = [1] * x.ndim
            places = np.arange(count)[:, None] + start - step * np.arange(x.shape[g])
            places = places if a < g else places.T
            shape[a], shape[g] = count, x.shape[g]
            places = places.reshape(shape)
            valid = (places >= 0) & (places < n)
            if not n:
                out = [*x.shape]
                out[a] = count
                x = np.zeros(out, x.dtype)
                continue
            taken = np.take_along_axis(x, np.where(valid, places, 0), a)
            x = np.where(valid, taken, np.zeros((), x.dtype))
        return x

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        counts = tuple(operands(out)[0].shape[a] for a in self.axes)
        starts, steps = (tuple(-n for n in v) for v in (self.offsets, self.steps))
        return apply(Skew(self.axes, self.along, counts, starts, steps), ct)

    def lifted(self, size: int) -> Op:
        return Skew(behind(self.axes), behind(self.along), self.counts, self.offsets, self.steps)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        index, guards = list(dims(at)), []
        every = zip(self.axes, self.along, self.offsets, self.steps, strict=True)
        for a, g, start, step in every:
            index[a] = plus(moved(index[a], start), dims(at)[g], -step)
            guards.append((index[a], 0, types[0].shape[a]))
        return (Piece(0, tuple(index), tuple(guards)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((0,), (1,), (4,), (1,), (1,)), (Type(dtype, (3, 2)),))
        for op, shape in (
            (cls((), (), (), (), ()), (2,)),
            (cls((0, 2), (3, 1), (3, 2), (0, 2), (2, -1)), (4, 3, 2, 3)),
            (cls((1,), (0,), (5,), (-1,), (0,)), (2, 3)),
            (cls((0,), (1,), (0,), (0,), (1,)), (2, 3)),
            (cls((0,), (1,), (2,), (0,), (1,)), (0, 3)),
        ):
            yield Sample(op, (Type("f64", shape),))
        x = (Type("f32", (2, 3)),)
        error = "skew: distinct ascending axes below 2 are required"
        yield Sample(cls((2,), (0,), (1,), (0,), (1,)), x, error=error)
        error = "skew: another axis of f32[2, 3] for each of (0,) is required, got (0,)"
        yield Sample(cls((0,), (0,), (1,), (0,), (1,)), x, error=error)
        error = "skew: counts for each of 1 axes are required, got (-1,)"
        yield Sample(cls((0,), (1,), (-1,), (0,), (1,)), x, error=error)
        error = "skew: steps for each of 1 axes are required, got ()"
        yield Sample(cls((0,), (1,), (1,), (0,), ()), x, error=error)


class Way:
    """How windows along one axis reach the `n` elements there.

    Elements are `rows` of `stride`. Of windows `starts[g]` and after, row g is added to them; a
    window has `before` places too many in front, and `spacing` - 1 between its own.
    """

    def __init__(self, size: int, n: int, stride: int, dilation: int, low: int) -> None:
        self.size, self.stride, self.rows, self.before = (
            size,
            stride,
            -(-n // stride),
            -low % stride,
        )
        self.spacing = 1 if stride == 1 else dilation
        self.apart = dilation if stride == 1 else 1
        count = -(-((size - 1) * self.spacing + 1 + self.before) // stride)
        first = (low + self.before) // stride
        self.starts = tuple(first - g * self.apart for g in range(count))

    def reached(self, phase: int) -> list[int]:
        """The rows of a window that have a place for element `phase` of every stride."""
        places = (g * self.stride + phase - self.before for g in range(len(self.starts)))
        last = (self.size - 1) * self.spacing
        return [g for g, f in enumerate(places) if 0 <= f <= last and f % self.spacing == 0]


class Overlaps:
    """The windows of one operand as rows of a stride, with zeros around, and their sums.

    `at[k]` is the axis of rows of windows along axis k; behind it is that of places in a row, if
    there is more than one.
    """

    def __init__(self, axes: Ints, ways: list[Way], x: Value) -> None:
        self.axes, self.ways, self.ndim = axes, ways, x.type.ndim - len(axes)
        self.low, high = [0] * x.type.ndim, [0] * x.type.ndim
        places: list[int] = []
        self.at: list[int] = []
        for k, (a, w) in enumerate(zip(axes, ways, strict=True), self.ndim):
            x = spaced(x, k, w.spacing)
            self.low[k], high[k] = w.before, len(w.starts) * w.stride - w.before - x.shape[k]
            self.low[a] = max(0, -w.starts[-1])
            high[a] = max(0, w.starts[0] + w.rows - x.shape[a])
            self.at.append(self.ndim + len(places))
            places += [len(w.starts), w.stride] if w.stride > 1 else [len(w.starts)]
        x = pad(x, self.low, high, zero_of(x.type))
        self.rows = reshape(x, (*x.shape[: self.ndim], *places))

    def added(self, paired: bool) -> Value:
        """The sums, in C order of rows; `paired`: those of even and of odd elements of the last
        axis, of which each has its own rows."""
        every = [list(range(len(w.starts))) for w in self.ways]
        if math.prod(map(len, every)) > SLICES:
            y = self.in_order(self.diagonals(), self.axes)
        elif paired:
            last = self.ways[-1]
            parts = [self.total((), [*every[:-1], last.reached(p)], p) for p in range(last.stride)]
            y = interleave(*(self.in_order(v, self.axes[:-1]) for v in parts))
        else:
            y = self.in_order(self.total((), every, None), self.axes)
        shape = list(self.rows.shape[: self.ndim])
        for a, w in zip(self.axes, self.ways, strict=True):
            shape[a] = w.rows * w.stride
        return reshape(y, shape)

    def diagonals(self) -> Value:
        """The sum over all rows of windows, of which each is a diagonal."""
        starts = tuple(w.starts[0] + self.low[a] for a, w in zip(self.axes, self.ways, strict=True))
        counts, steps = (tuple(getattr(w, n) for w in self.ways) for n in ("rows", "apart"))
        along = tuple(self.at)
        return reduce_sum(apply(Skew(self.axes, along, counts, starts, steps), self.rows), along)

    def total(self, front: Ints, rest: list[list[int]], phase: int | None) -> Value:
        if not rest:
            return self.term(front, phase)
        parts = [self.total((*front, g), rest[1:], phase) for g in rest[0]]
        if not parts:
            nothing = self.term((*front, *(0 for _ in rest)), phase)
            return full(zero_of(nothing.type), nothing.type)
        return functools.reduce(add, parts)

    def term(self, rows: Ints, phase: int | None) -> Value:
        """The windows whose `rows` reach those of y, of these one element or all."""
        start, stop = [0] * self.rows.type.ndim, list(self.rows.shape)
        for a, at, w, g in zip(self.axes, self.at, self.ways, rows, strict=True):
            start[a], start[at] = w.starts[g] + self.low[a], g
            stop[a], stop[at] = start[a] + w.rows, g + 1
        if phase is not None:
            start[-1], stop[-1] = phase, phase + 1
        found = slice_(self.rows, start, stop)
        ones = {*self.at, *(() if phase is None else (len(stop) - 1,))}
        return reshape(found, tuple(n for k, n in enumerate(found.shape) if k not in ones))

    def in_order(self, y: Value, axes: Ints) -> Value:
        """The elements of each stride behind their row, along `axes`."""
        order: list[int] = []
        strided = [a for a, w in zip(self.axes, self.ways, strict=True) if w.stride > 1]
        strided = [a for a in strided if a in axes]
        for a in range(self.ndim):
            order += [a, self.ndim + strided.index(a)] if a in strided else [a]
        return permute(y, order)
