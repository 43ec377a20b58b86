"""Windows: every place of a window over an array, and what adds windows up where they overlap.

A window is named by one number an axis: element f of window o stands at o * stride + f * dilation -
low, and is 0 where the array has none. `Windows` reads such places, `OverlapAdd` is its transpose;
each is the other's cotangent, so derivatives of all orders are these two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Parts, Sample, Value, apply
from ..ir.types import COMPLEX, HALVES, INTEGERS, NUMPY, WIDE, Type
from ..kernel.index import Index, Piece, dims, moved, plus
from .elementwise import cast, operands
from .family import Linear, OneResult, View, behind, of_axes, of_domain, partwise
from .overlaps import Overlaps, Way
from .source import Number, full, zero_of
from .view import permute, slice_

__all__ = ["overlap_add", "window_count", "windows"]

Ints = tuple[int, ...]
TERMS = 25
"""Places of a window in one expression; a larger one is combined an axis after the other."""


def of_window(op: OfWindows | OverlapAdd, least: int | None = None, **params: Ints) -> None:
    """Requires a number, of at least `least`, for each axis of the window."""
    for name, given in params.items():
        if len(given) != len(op.axes) or (least is not None and min(given, default=least) < least):
            least_of_all = "" if least is None else f" of at least {least}"
            raise ProgramError(
                f"{op.name}: {name}{least_of_all} for each of {len(op.axes)} axes is required, "
                f"got {given}"
            )


class OfWindows(OneResult, abstract=True):
    """What ops on all windows of one operand share: along each of `axes` there are `counts`."""

    arity = 1

    axes: Ints
    counts: Ints
    sizes: Ints
    strides: Ints
    dilation: Ints
    low: Ints

    def counted(self, x: Type) -> Ints:
        """The shape with an element for each window of `x`."""
        of_axes(self, self.axes, x)
        of_window(self, 0, counts=self.counts)
        of_window(self, 1, sizes=self.sizes, strides=self.strides, dilation=self.dilation)
        of_window(self, low=self.low)
        return replaced(x.shape, self.axes, self.counts)

    def windows(self) -> Windows:
        """The op that reads the windows alone."""
        return Windows(self.axes, self.counts, self.sizes, self.strides, self.dilation, self.low)

    def lifted(self, size: int) -> Op:
        return replace(self, axes=behind(self.axes))


class Windows(OfWindows, View, Linear):
    """y[..., o, ..., f] = x[..., o * stride + f * dilation - low, ...], 0 where x has no element

    The places within windows are new axes of `sizes` behind all others.
    """

    @property
    def fill(self) -> Number:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 0

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return Type(args[0].dtype, (*self.counted(args[0]), *self.sizes))

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        inside = np.ones((1,) * (x.ndim + len(self.axes)), bool)
        for k, (a, places) in enumerate(zip(self.axes, self.places(), strict=True)):
            valid = (places >= 0) & (places < x.shape[a])
            if not x.shape[a]:
                return np.zeros(
                    (*replaced(args[0].shape, self.axes, self.counts), *self.sizes), x.dtype
                )
            x = np.take(x, np.where(valid, places, 0), a)  # the axis is two, the window behind it
            x = np.moveaxis(x, a + 1, args[0].ndim + k)
            shape = [1] * inside.ndim
            shape[a], shape[args[0].ndim + k] = valid.shape
            inside = inside & valid.reshape(shape)
        return np.where(inside, x, np.zeros((), x.dtype))

    def places(self) -> Iterator[np.ndarray]:
        """Where along each axis the element of every window and every place in it stands."""
        every = zip(self.counts, self.sizes, self.strides, self.dilation, self.low, strict=True)
        for count, size, stride, dilation, low in every:
            yield np.arange(count)[:, None] * stride + np.arange(size) * dilation - low

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        shape = tuple(operands(out)[0].shape[a] for a in self.axes)
        return overlap_add(ct, self.axes, shape, self.strides, self.dilation, self.low)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        (x,) = types
        index, window = list(dims(at)[: x.ndim]), dims(at)[x.ndim :]
        guards = []
        for k, a in enumerate(self.axes):
            start = moved(index[a], -self.low[k], self.strides[k])
            index[a] = plus(start, window[k], self.dilation[k])
            last = (self.counts[k] - 1) * self.strides[k] + (self.sizes[k] - 1) * self.dilation[k]
            if self.low[k] > 0 or last - self.low[k] >= x.shape[a]:
                guards.append((index[a], 0, x.shape[a]))
        return (Piece(0, tuple(index), tuple(guards)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((1,), (3,), (2,), (1,), (1,), (0,)), (Type(dtype, (2, 4)),))
        for op, shape in (
            (cls((), (), (), (), (), ()), (2, 3)),
            (cls((0, 2), (2, 3), (3, 2), (2, 1), (1, 2), (1, 0)), (4, 2, 5)),
            (cls((0,), (4,), (3,), (3,), (2,), (5,)), (6,)),
            (cls((0,), (2,), (2,), (2,), (1,), (-1,)), (7,)),
            (cls((0,), (0,), (3,), (1,), (1,), (0,)), (2, 2)),
            (cls((1,), (2,), (2,), (1,), (1,), (1,)), (2, 0)),
        ):
            yield Sample(op, (Type("f64", shape),))
        x = (Type("f32", (2, 3)),)
        one = cls((0,), (1,), (1,), (1,), (1,), (0,))
        error = "windows: distinct ascending axes below 2 are required"
        yield Sample(replace(one, axes=(2,)), x, error=error)
        for name, least in ("counts", 0), ("sizes", 1), ("strides", 1), ("dilation", 1):
            for bad in ((least - 1,), (1, 1)):
                error = f"windows: {name} of at least {least} for each of 1 axes is required"
                yield Sample(replace(one, **{name: bad}), x, error=f"{error}, got {bad}")
        error = "windows: low for each of 1 axes is required, got ()"
        yield Sample(replace(one, low=()), x, error=error)


class OverlapAdd(Linear):
    """y[..., s, ...] = sum of x[..., o, ..., f] over o * stride + f * dilation - low = s

    The last axes of x are the places within windows along `axes`; there are `shape` elements along
    those. Kernels see sums of views: nothing is written twice.
    """

    arity = 1
    domain = (*INTEGERS, *WIDE, *COMPLEX)

    axes: Ints
    shape: Ints
    strides: Ints
    dilation: Ints
    low: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = of_domain(self, args[0], self.domain)
        ndim = x.ndim - len(self.axes)
        of_axes(self, self.axes, x, max(ndim, 0))
        of_window(self, 0, shape=self.shape)
        of_window(self, 1, strides=self.strides, dilation=self.dilation)
        of_window(self, low=self.low)
        if 0 in x.shape[ndim:]:
            raise ProgramError(
                f"overlap_add: a window of at least one element is required, got {x}"
            )
        return Type(x.dtype, replaced(x.shape[:ndim], self.axes, self.shape))

    def reference(self, *args: np.ndarray) -> Any:
        """The last axis of windows first; each adds up in the order of their places."""
        (x,) = args
        ndim = x.ndim - len(self.axes)
        if not x.size:
            return np.zeros(replaced(x.shape[:ndim], self.axes, self.shape), x.dtype)
        op, order = self.fewest(x.shape)
        if op is not self:
            return op.reference(np.transpose(x, order))
        paired = self.paired(ndim)
        for k, w in reversed(list(enumerate(self.ways(x.shape)))):
            a, s = self.axes[k], np.arange(self.shape[k])
            x, total, begun = np.moveaxis(x, a, -1), None, np.zeros(s.shape, bool)
            for g, start in enumerate(w.starts):
                o = s // w.stride + start
                f, between = np.divmod(g * w.stride + s % w.stride - w.before, w.spacing)
                there = (f >= 0) & (f < x.shape[-2]) & (between == 0)
                valid = there & (o >= 0) & (o < x.shape[-1])
                term = x[..., np.where(valid, f, 0), np.where(valid, o, 0)]
                term = np.where(valid, term, np.zeros((), x.dtype))
                if total is None:
                    total, begun = term, there
                elif paired and a == ndim - 1:  # zeros are not added: a zero keeps its sign
                    total = np.where(there, np.where(begun, total + term, term), total)
                    begun = begun | there
                else:
                    total = total + term
            x = np.moveaxis(np.asarray(total), -1, a)
        return x

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        (x,) = operands(out)
        counts, sizes = (x.shape[a] for a in self.axes), x.shape[ct.type.ndim :]
        op = Windows(self.axes, tuple(counts), sizes, self.strides, self.dilation, self.low)
        return apply(op, ct)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def lifted(self, size: int) -> Op:
        return replace(self, axes=behind(self.axes))

    def ways(self, shape: Ints) -> list[Way]:
        """By axis, for an operand of `shape`."""
        sizes = shape[len(shape) - len(self.axes) :]
        rules = sizes, self.shape, self.strides, self.dilation, self.low
        return [Way(*numbers) for numbers in zip(*rules, strict=True)]

    def fewest(self, shape: Ints) -> tuple[OverlapAdd, Ints]:
        """The op, and the order of axes of x, of which sums have fewest terms.

        Windows and the places in them may change roles, and strides with dilations.
        """
        ndim, order = len(shape) - len(self.axes), list(range(len(shape)))
        strides, dilation = list(self.strides), list(self.dilation)
        for k, (a, w) in enumerate(zip(self.axes, self.ways(shape), strict=True), ndim):
            by, apart, low = strides[k - ndim], dilation[k - ndim], self.low[k - ndim]
            other = Way(shape[a], self.shape[k - ndim], apart, by, low)
            if len(other.starts) < len(w.starts):
                order[a], order[k] = k, a
                strides[k - ndim], dilation[k - ndim] = apart, by
        if order == list(range(len(shape))):
            return self, tuple(order)
        found = replace(self, strides=tuple(strides), dilation=tuple(dilation))
        return found, tuple(order)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The sum of slices of x, one for each window that may reach an element.

        With strides the places f of a window are (g, r) with r below the stride, and so is the
        axis of y (q, r): row g of window q + first - g is added to row q, whatever r is.
        """
        (x,) = node.args
        if not node.out.type.size or not x.type.size:
            return (full(zero_of(x.type), node.out.type),)
        op, order = self.fewest(x.shape)
        if op is not self:
            return (apply(op, permute(x, order)),)
        n, ways = len(self.axes), self.ways(x.shape)
        if n > 1 and math.prod(len(w.starts) for w in ways) > TERMS:
            rules = (self.shape, self.strides, self.dilation, self.low)
            last = OverlapAdd(self.axes[-1:], *(v[-1:] for v in rules))
            return (apply(OverlapAdd(self.axes[:-1], *(v[:-1] for v in rules)), apply(last, x)),)
        y = Overlaps(self.axes, ways, x).added(self.paired(node.out.type.ndim))
        return (slice_(y, (0,) * y.type.ndim, node.out.shape),)

    def paired(self, ndim: int) -> bool:
        """Whether even and odd elements of rows are sums of their own, stored side by side."""
        return self.axes[-1:] == (ndim - 1,) and self.strides[-1] == 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,), (4,), (2,), (1,), (1,)), (Type(dtype, (2, 2, 3)),))
        for op, shape in (
            (cls((), (), (), (), ()), (2, 3)),
            (cls((0, 2), (4, 5), (2, 1), (1, 2), (1, 0)), (2, 2, 3, 3, 2)),
            (cls((0,), (6,), (3,), (2,), (5,)), (4, 3)),
            (cls((0,), (7,), (2,), (1,), (-1,)), (2, 2)),
            (cls((0, 1), (3, 3), (1, 1), (1, 1), (4, 4)), (3, 3, 9, 9)),
            (cls((0,), (3,), (1,), (1,), (0,)), (0, 2)),
            (cls((1,), (0,), (1,), (1,), (1,)), (2, 2, 2)),
        ):
            yield Sample(op, (Type("f64", shape),))
        x, one = (Type("f32", (2, 3)),), cls((0,), (1,), (1,), (1,), (0,))
        error = "overlap_add: distinct ascending axes below 1 are required"
        yield Sample(replace(one, axes=(1,)), x, error=error)
        for name, least in ("shape", 0), ("strides", 1), ("dilation", 1):
            error = f"overlap_add: {name} of at least {least} for each of 1 axes is required"
            yield Sample(replace(one, **{name: (least - 1,)}), x, error=error)
        error = "overlap_add: low for each of 1 axes is required, got ()"
        yield Sample(replace(one, low=()), x, error=error)
        error = "overlap_add: a window of at least one element is required, got f32[2, 0]"
        yield Sample(one, (Type("f32", (2, 0)),), error=error)
        yield Sample(cls((), (), (), (), ()), (Type("f16"),), error="is required, got f16")


# ---------------------------------------------------------------- user functions


def replaced(shape: Ints, axes: Ints, sizes: Ints) -> Ints:
    """`shape` with other `sizes` along `axes`."""
    new = dict(zip(axes, sizes, strict=True))
    return tuple(new.get(a, n) for a, n in enumerate(shape))


def window_count(n: int, size: int, stride: int, dilation: int, low: int, high: int) -> int:
    """The windows that lie within `n` elements, `low` before and `high` after them."""
    return max(0, (n + low + high - (size - 1) * dilation - 1) // stride + 1)


def windows(
    x: Value,
    axes: Ints,
    sizes: Ints,
    strides: Ints = (),
    dilation: Ints = (),
    low: Ints = (),
    high: Ints = (),
) -> Value:
    """All windows of `sizes` along `axes`, the places within them as new last axes.

    `low` and `high` zeros are before and after x: fewer than none leave elements out.
    """
    ones, zeros = (1,) * len(axes), (0,) * len(axes)
    strides, dilation, low, high = strides or ones, dilation or ones, low or zeros, high or zeros
    shape = (x.shape[a] for a in axes)
    counts = tuple(map(window_count, shape, sizes, strides, dilation, low, high))
    return apply(Windows(axes, counts, sizes, strides, dilation, low), x)


def overlap_add(
    x: Value, axes: Ints, shape: Ints, strides: Ints = (), dilation: Ints = (), low: Ints = ()
) -> Value:
    """The sum of the windows in the last axes of x, each where it stands; halves in f32."""
    ones = (1,) * len(axes)
    op = OverlapAdd(axes, shape, strides or ones, dilation or ones, low or (0,) * len(axes))
    return cast(apply(op, cast(x, "f32") if x.dtype in HALVES else x), x.dtype)
