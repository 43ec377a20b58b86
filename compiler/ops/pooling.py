"""Ops that combine the elements of each window: sums, extremes and where these are.

A window of few places is an expression of them, so that vectors run over windows; a larger one is
combined an axis after the other. The tangent of an extreme is that of its place: a sum over the
window in which all others are 0, whose transpose adds windows up where they overlap.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Parts, Sample, Value, apply
from ..ir.types import COMPLEX, HALVES, INTEGERS, NAMES, NUMPY, WIDE, Type
from ..kernel import MONOIDS, Const, Expr, Map
from ..kernel import Index as IndexExpr
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, dims, linear
from .elementwise import (
    add,
    and_,
    cast,
    eq,
    ge,
    le,
    maximum,
    minimum,
    ne,
    not_,
    operands,
    or_,
    select,
)
from .family import Computed, Linear, of_domain, partwise
from .reduce import reduce_max, reduce_min, reduce_sum
from .source import full, iota, zero_of
from .view import broadcast, pad, reshape, slice_
from .windows import TERMS, OfWindows, Windows, overlap_add, replaced, window_count

__all__ = ["window_argmax", "window_argmin", "window_max", "window_min", "window_sum"]

Ints = tuple[int, ...]
COMBINE = {"sum": add, "max": maximum, "min": minimum}
REDUCE = {"sum": reduce_sum, "max": reduce_max, "min": reduce_min}


class Pooling(OfWindows, abstract=True):
    """Combines each window by `monoid`; places outside of x change nothing."""

    monoid: ClassVar[str] = ""
    domain: ClassVar[tuple[str, ...]] = (*INTEGERS, *WIDE)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = of_domain(self, args[0], self.domain)
        return Type(x.dtype, self.counted(x))

    @property
    def few(self) -> bool:
        """Whether a window is an expression of its places."""
        return math.prod(self.sizes) <= TERMS

    def around(self, shape: Ints) -> tuple[Ints, Ints]:
        """The elements that windows reach before and after an array of `shape`."""
        low, high = [0] * len(shape), [0] * len(shape)
        for k, a in enumerate(self.axes):
            last = (self.counts[k] - 1) * self.strides[k] + (self.sizes[k] - 1) * self.dilation[k]
            low[a] = max(0, self.low[k])
            high[a] = max(0, last - self.low[k] - shape[a] + 1)
        return tuple(low), tuple(high)

    def places(self, shape: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """A slice for each place of the windows, in order, of `shape`: x with all around."""
        for f in np.ndindex(*self.sizes):
            start, stop, step = [0] * len(shape), list(shape), [1] * len(shape)
            for k, a in enumerate(self.axes):
                start[a] = f[k] * self.dilation[k] + max(0, -self.low[k])
                stop[a] = start[a] + (self.counts[k] - 1) * self.strides[k] + 1
                step[a] = self.strides[k]
            yield tuple(start), tuple(stop), tuple(step)

    def whole_windows(self) -> Windows:
        """The op that reads the windows of x with all around it."""
        op = self.windows()
        return replace(op, low=tuple(min(0, n) for n in self.low))

    def divided(self) -> tuple[Self, Self]:
        """All axes but the last, and the last, which comes first."""
        front, last = (
            {k: v[part] for k, v in self.params.items()} for part in (slice(-1), slice(-1, None))
        )
        return replace(self, **front), replace(self, **last)

    def each(self) -> list[Self]:
        """The windows along each axis alone."""
        if len(self.axes) < 2:
            return [self]
        front, last = self.divided()
        return [*front.each(), last]

    def with_all(self, x: np.ndarray) -> np.ndarray:
        """`x` with all around it, as NumPy has it."""
        width = list(zip(*self.around(x.shape), strict=True))
        fill = MONOIDS[self.monoid].identity(NAMES[np.real(x).dtype])
        return np.pad(x, width, constant_values=fill) if width else x

    def value_with_all(self, x: Value) -> Value:
        return pad(x, *self.around(x.shape), MONOIDS[self.monoid].identity(x.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,), (3,), (2,), (2,), (1,), (1,)), (Type(dtype, (2, 5)),))
        for op, shape in (
            (cls((), (), (), (), (), ()), (2, 3)),
            (cls((0, 2), (2, 3), (3, 2), (2, 1), (1, 2), (1, 0)), (5, 2, 5)),
            (cls((0, 1), (2, 3), (7, 9), (1, 1), (1, 1), (1, 0)), (7, 11)),
            (cls((0,), (4,), (50,), (3,), (1,), (-1,)), (60,)),
            (cls((1,), (0,), (2,), (1,), (1,), (0,)), (2, 2)),
        ):
            yield Sample(op, (Type("f64", shape),))
        x, one = (Type("f32", (2, 3)),), cls((0,), (1,), (1,), (1,), (1,), (0,))
        error = f"{cls.name}: distinct ascending axes below 2 are required"
        yield Sample(replace(one, axes=(2,)), x, error=error)
        error = f"{cls.name}: sizes of at least 1 for each of 1 axes is required, got (0,)"
        yield Sample(replace(one, sizes=(0,)), x, error=error)
        yield Sample(one, (Type("f16", (2,)),), error="is required, got f16[2]")


class WindowReduce(Pooling, abstract=True):
    """The elements of each window, combined in the order of places; of many the last axis first."""

    def reference(self, *args: np.ndarray) -> Any:
        (x,), ufunc = args, MONOIDS[self.monoid].numpy
        if 0 in self.counts:
            return np.empty(replaced(x.shape, self.axes, self.counts), x.dtype)
        with np.errstate(all="ignore"):
            if self.few:
                whole = self.with_all(x)
                parts = (whole[tuple(map(slice, *p))] for p in self.places(whole.shape))
                return functools.reduce(ufunc, parts)
            if len(self.axes) > 1:
                front, last = self.divided()
                return front.reference(last.reference(x))
            return ufunc.reduce(self.whole_windows().reference(self.with_all(x)), -1, x.dtype)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        (x,) = node.args
        if not node.out.type.size:
            return (full(0, node.out.type),)
        if not self.few and len(self.axes) > 1:
            front, last = self.divided()
            return (apply(front, apply(last, x)),)
        x = self.value_with_all(x)
        if self.few:
            parts = (slice_(x, *p) for p in self.places(x.shape))
            return (functools.reduce(COMBINE[self.monoid], parts),)
        return (REDUCE[self.monoid](apply(self.whole_windows(), x), (x.type.ndim,)),)


class WindowSum(WindowReduce, Linear):
    """y[..., o, ...] = sum of x[..., o * stride + f * dilation - low, ...] over places f"""

    monoid = "sum"
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        shape, ndim = operands(out)[0].shape, ct.type.ndim
        for part in (self,) if self.few else self.each():  # of many places an axis after the other
            whole = (*ct.shape, *part.sizes)
            ct = broadcast(ct, whole, tuple(range(ndim, len(whole))))
            sizes = tuple(shape[a] for a in part.axes)
            ct = overlap_add(ct, part.axes, sizes, part.strides, part.dilation, part.low)
        return ct


class WindowExtreme(WindowReduce, abstract=True):
    """NaN wins; the first of equal winners has the tangent."""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        op = WindowArgmax if self.monoid == "max" else WindowArgmin
        return pick(apply(op(**self.params), operands(out)[0]), apply(self.windows(), dx))


class WindowMax(WindowExtreme):
    """y[..., o, ...] = the greatest x[..., o * stride + f * dilation - low, ...] of places f"""

    monoid = "max"


class WindowMin(WindowExtreme):
    """y[..., o, ...] = the least x[..., o * stride + f * dilation - low, ...] of places f"""

    monoid = "min"


class WindowPlace(Pooling, abstract=True):
    """Where in each window, counted in C order, its extreme is: the first wins, NaN before all."""

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return Type("i32", self.counted(of_domain(self, args[0], self.domain)))

    def reference(self, *args: np.ndarray) -> Any:
        found = self.whole_windows().reference(self.with_all(args[0]))
        found = found.reshape((*found.shape[: args[0].ndim], math.prod(self.sizes)))
        where = np.argmax if self.monoid == "max" else np.argmin
        return where(found, -1).astype(np.int32)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        (x,), of, most = node.args, node.out.type, self.monoid == "max"
        if not of.size:
            return (full(0, of),)
        x = self.value_with_all(x)
        if not self.few:
            return (self.least_place(x, node.args[0]),)
        place = full(0, of)
        best, *rest = (slice_(x, *p) for p in self.places(x.shape))
        for f, other in enumerate(rest, 1):
            better = not_(le(other, best) if most else ge(other, best))
            if x.type.is_inexact:
                better = and_(better, eq(best, best))
            place = select(better, full(f, of), place)
            best = COMBINE[self.monoid](best, other)
        return (place,)

    def least_place(self, whole: Value, x: Value) -> Value:
        """The least place of an element that is the extreme, or NaN where that is."""
        op = WindowMax if self.monoid == "max" else WindowMin
        rows, best, ndim = (
            apply(self.whole_windows(), whole),
            apply(op(**self.params), x),
            x.type.ndim,
        )
        over, count = tuple(range(ndim, rows.type.ndim)), math.prod(self.sizes)
        winner = eq(rows, broadcast(best, rows.shape, over))
        if x.type.is_inexact:
            winner = or_(winner, ne(rows, rows))
        places = reshape(iota(Type("i32", (count,)), 0), self.sizes)
        places = broadcast(places, rows.shape, tuple(range(ndim)))
        return reduce_min(select(winner, places, full(count, places.type)), over)


class WindowArgmax(WindowPlace):
    """y[..., o, ...] = the first place in the window o where its greatest element is"""

    monoid = "max"


class WindowArgmin(WindowPlace):
    """y[..., o, ...] = the first place in the window o where its least element is"""

    monoid = "min"


class ByPlace(Computed, abstract=True):
    """Elements of windows by a place in each, counted in C order. The place is in memory: it takes
    a whole window to find, and is read by every element of it; so is what goes there."""

    arity = 2

    def of_places(self, place: Type, shape: Ints) -> None:
        if place != Type("i32", shape):
            raise ProgramError(
                f"{self.name}: places {Type('i32', shape)} are required, got {place}"
            )

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return super().in_memory(args[:1])

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, operands(out)[0], dx)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def lifted(self, size: int) -> Op:
        return self


class Spread(ByPlace):
    """y[..., f] = x[...] where f is place[...], else 0; the window is new axes of `sizes`"""

    sizes: Ints

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return Computed.in_memory(self, args)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        place, x = args
        self.of_places(place, x.shape)
        if any(n < 0 for n in self.sizes):
            raise ProgramError(f"spread: sizes of at least 0 are required, got {self.sizes}")
        return Type(x.dtype, (*x.shape, *self.sizes))

    def reference(self, *args: np.ndarray) -> Any:
        place, x = args
        taken = place[..., None] == np.arange(math.prod(self.sizes))
        found = np.where(taken, x[..., None], np.zeros((), x.dtype))
        return found.reshape((*x.shape, *self.sizes))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return pick(operands(out)[0], ct)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        ndim = types[1].ndim
        outer, window = dims(at)[:ndim], dims(at)[ndim:]
        taken = scalar("eq", read(0, outer), IndexExpr(linear(window, self.sizes), "i32"))
        return scalar("select", taken, read(1, outer), Const(0, out.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            types = Type("i32", (2, 3)), Type(dtype, (2, 3))
            yield Sample(cls((4,)), types, values=(np.array([[0, 3, 1], [2, -1, 4]]), None))
        for sizes, shape in (((), ()), ((2, 3), (4,)), ((1,), (0, 2)), ((3, 0), (2,))):
            types = Type("i32", shape), Type("f64", shape)
            yield Sample(cls(sizes), types, low=0, high=5.5)
        types = Type("i32", (2,)), Type("f32", (3,))
        error = "spread: places i32[3] are required, got i32[2]"
        yield Sample(cls((2,)), types, error=error)
        error = "spread: sizes of at least 0 are required, got (-1,)"
        yield Sample(cls((-1,)), (Type("i32"), Type("f32")), error=error)


class Pick(ByPlace):
    """y[...] = x[..., f] where f is place[...], 0 where that is no place of the last axes"""

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        place, x = args
        self.of_places(place, x.shape[: place.ndim])
        return Type(x.dtype, place.shape)

    def reference(self, *args: np.ndarray) -> Any:
        place, x = args
        x = x.reshape((*place.shape, math.prod(x.shape[place.ndim :])))
        if not x.shape[-1]:
            return np.zeros(place.shape, x.dtype)
        valid = (place >= 0) & (place < x.shape[-1])
        found = np.take_along_axis(x, np.where(valid, place, 0)[..., None], -1)[..., 0]
        return np.where(valid, found, np.zeros((), x.dtype))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        place, x = operands(out)
        return spread(place, ct, x.shape[place.type.ndim :])

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        outer, found = dims(at), Const(0, out.dtype)
        for k, f in enumerate(np.ndindex(*types[1].shape[out.ndim :])):
            here = read(1, (*outer, *(Map((), n) for n in f)))
            found = scalar("select", scalar("eq", read(0, outer), Const(k, "i32")), here, found)
        return found

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            types = Type("i32", (2, 3)), Type(dtype, (2, 3, 4))
            yield Sample(cls(), types, values=(np.array([[0, 3, 1], [2, -1, 4]]), None))
        for sizes, shape in (((), ()), ((2, 3), (4,)), ((1,), (0, 2)), ((0,), (2,))):
            types = Type("i32", shape), Type("f64", (*shape, *sizes))
            yield Sample(cls(), types, low=0, high=5.5)
        types = Type("i64", (2,)), Type("f32", (2, 3))
        error = "pick: places i32[2] are required, got i64[2]"
        yield Sample(cls(), types, error=error)


# ---------------------------------------------------------------- user functions


def pooled(
    kind: type[Pooling], x: Value, axes: Ints, sizes: Ints, strides: Ints = (), dilation: Ints = (),
    low: Ints = (), high: Ints = (),
) -> Value:  # fmt: skip
    """Of all windows of `sizes` along `axes`, `low` and `high` places before and after x among
    them; halves are combined in f32."""
    ones, zeros = (1,) * len(axes), (0,) * len(axes)
    strides, dilation, low, high = strides or ones, dilation or ones, low or zeros, high or zeros
    shape = (x.shape[a] for a in axes)
    counts = tuple(map(window_count, shape, sizes, strides, dilation, low, high))
    op = kind(axes, counts, sizes, strides, dilation, low)
    found = apply(op, cast(x, "f32") if x.dtype in HALVES else x)
    return found if found.dtype == "i32" else cast(found, x.dtype)


window_sum = functools.partial(pooled, WindowSum)
window_max = functools.partial(pooled, WindowMax)
window_min = functools.partial(pooled, WindowMin)
window_argmax = functools.partial(pooled, WindowArgmax)
window_argmin = functools.partial(pooled, WindowArgmin)


def spread(place: Value, x: Value, sizes: Ints) -> Value:
    return apply(Spread(sizes), place, x)


def pick(place: Value, x: Value) -> Value:
    """The elements at a place in each window; of many places, the sum of what is 0 elsewhere."""
    ndim, sizes = place.type.ndim, x.shape[place.type.ndim :]
    if math.prod(sizes) <= TERMS:
        return apply(Pick(), place, x)
    one = spread(place, full(True, x.type[place.shape].of("bool")), sizes)
    return reduce_sum(
        select(one, x, full(zero_of(x.type), x.type)), tuple(range(ndim, x.type.ndim))
    )
