"""A convolution by products of windows: what computes it once every derivative is taken.

dilation     zeros between elements meet nothing: each phase of the result is a convolution of x
             with every so manieth place of the window, and phases are interleaved
padding      zeros around x, in memory in the order that x has there
1 by 1       a product
depthwise    of what is scattered, a sum of products of views, which fuses
other        a product whose lhs are windows of x, views of it
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..ir.graph import Value, apply
from ..ir.sizes import range_length
from ..ir.symbolic import accumulate
from ..ir.types import Type
from .contract import dot_general
from .elementwise import mul
from .reduce import reduce_sum
from .source import full, zero_of
from .view import (
    Ints,
    Permute,
    broadcast,
    concatenate,
    flip,
    interleave,
    inverse,
    pad,
    permute,
    reshape,
    slice_,
)
from .windows import Windows

FEW_ROWS = 8
"""Rows of windows that are no tile."""
MANY_PHASES, LITTLE = 9, 1.4
"""Phases of which each is worth kernels of its own, unless all together do so little more work."""
UNROLLED = 32
"""Places of a depthwise window each of whose sums over a whole array is a node of its own, where
groups are no lanes."""


@dataclass(frozen=True)
class Along:
    """One spatial axis: `count` windows, of which o has place f at o * stride + f * step - low."""

    count: int
    stride: int
    step: int
    low: int

    def margins(self, n: int, size: int) -> tuple[int, int]:
        """How far windows of `size` places reach beyond `n` elements, before and after."""
        last = (self.count - 1) * self.stride + (size - 1) * self.step - self.low
        return max(0, self.low), max(0, last - n + 1)

    def of_place(self, f: int) -> slice:
        """What all windows have at place f, of x with its margins."""
        start = f * self.step - min(self.low, 0)
        return slice(start, start + (self.count - 1) * self.stride + 1, self.stride)

    def of_window(self, o: int, size: int) -> slice:
        """What window o has at its places, of the same."""
        start = o * self.stride - min(self.low, 0)
        return slice(start, start + (size - 1) * self.step + 1, self.step)


@dataclass(frozen=True)
class Phase:
    """Every `every`th place of a window from `first` on, and where it stands."""

    first: int
    every: int
    along: Along


def phases(along: Along, size: int, dilation: int) -> list[Phase | None]:
    """The phases of an axis where x has dilation - 1 zeros between elements, of windows of `size`.

    None: only zeros are met.
    """
    period = dilation // math.gcd(along.stride, dilation)
    every = dilation // math.gcd(along.step, dilation)
    found: list[Phase | None] = []
    for r in range(period):
        start = r * along.stride - along.low
        meets = (f for f in range(min(size, every)) if (start + f * along.step) % dilation == 0)
        first = next(meets, None)
        if first is None:
            found.append(None)
            continue
        stride, step = period * along.stride // dilation, every * along.step // dilation
        low = -((start + first * along.step) // dilation)
        found.append(Phase(first, every, Along(-(-along.count // period), stride, step, low)))
    return found


@dataclass(frozen=True)
class Aligned:
    """The phases of one axis that meet anything, as windows of `size` that begin at one place: the
    own places of a phase begin at its one of `offsets`."""

    parts: Sequence[Phase | None]
    along: Along
    size: int
    offsets: Sequence[int]

    @staticmethod
    def of(parts: Sequence[Phase | None], size: int) -> Aligned | None:
        met = [p for p in parts if p is not None]
        if not met or {p.along.step for p in met} != {1}:
            return None
        low = max(p.along.low for p in met)
        offsets = [low - p.along.low for p in met]
        own = (range_length(p.first, size, p.every) for p in met)
        longest = max(map(sum, zip(offsets, own, strict=True)))
        return Aligned(parts, replace(met[0].along, low=low), longest, offsets)

    def stacked(self, w: Value, axis: int, to: int) -> Value:
        """w with the places of each phase along `axis`, zeros elsewhere, and the phases at `to`."""
        found: list[Value] = []
        for offset, p in zip(self.offsets, (p for p in self.parts if p), strict=True):
            start, step = [0] * w.type.ndim, [1] * w.type.ndim
            start[axis], step[axis] = p.first, p.every
            one = slice_(w, start, w.shape, step)
            low, high = [0] * w.type.ndim, [0] * w.type.ndim
            low[axis], high[axis] = offset, self.size - offset - one.shape[axis]
            one = pad(one, low, high, zero_of(w.type))
            found.append(reshape(one, (*one.shape[:to], 1, *one.shape[to:])))
        return concatenate(*found, axis=to)

    def whole(self, found: Value, axis: int) -> Value:
        """`found` with zeros along `axis` for the phases that meet nothing."""
        pieces, at = list[Value](), 0
        for met, run in itertools.groupby(self.parts, lambda p: p is not None):
            shape, count = list(found.shape), len(list(run))
            shape[axis] = count
            if met:
                start = [at if d == axis else 0 for d in range(len(shape))]
                stop = [at + count if d == axis else n for d, n in enumerate(shape)]
                pieces.append(slice_(found, start, stop))
                at += count
            else:
                pieces.append(full(zero_of(found.type), Type(found.dtype, tuple(shape))))
        return concatenate(*pieces, axis=axis) if len(pieces) > 1 else pieces[0]


@dataclass(frozen=True)
class Convolved:
    """x[b, n, s, c] and w[b, f, c, k], with so many axes b, spatial ones, and c; `around` x, before
    and after it along each axis, are so many zeros at least, where there are any."""

    x: Value
    w: Value
    batching: int
    spatial: int
    contracting: int
    precision: str
    around: Sequence[tuple[int, int]] = ()

    @property
    def first(self) -> int:
        """The first spatial axis of x, and of the result."""
        return self.x.type.ndim - self.spatial - self.contracting

    @property
    def places(self) -> range:
        """The spatial axes of x."""
        return range(self.first, self.first + self.spatial)

    @property
    def sizes(self) -> Ints:
        """Of a window."""
        return self.w.shape[self.batching : self.batching + self.spatial]

    @property
    def columns(self) -> Ints:
        """The sizes k."""
        return self.w.shape[self.batching + self.spatial + self.contracting :]

    def shape(self, counts: Sequence[int]) -> Ints:
        """The shape of the result, of so many windows."""
        return (*self.x.shape[: self.first], *counts, *self.columns)

    def zeros(self, counts: Sequence[int]) -> Value:
        return full(zero_of(self.x.type), Type(self.x.dtype, self.shape(counts)))

    def result(self, axes: Sequence[Along], dilation: Ints) -> Value:
        """The convolution, where x has dilation - 1 zeros between its elements."""
        counts = [a.count for a in axes]
        if not math.prod((*self.shape(counts), *self.x.shape, *self.w.shape)):
            return self.zeros(counts)
        every = list(map(phases, axes, self.sizes, dilation))
        periods = [len(p) for p in every]
        many = math.prod(periods) > MANY_PHASES or 0 < waste(axes, self.sizes, periods) <= LITTLE
        if many and (found := self.together(axes, every)):
            return found
        of = replace(self, around=self.margins(every)) if math.prod(periods) > 1 else self
        layer = {
            at: of.phase([p[r] for p, r in zip(every, at, strict=True)])
            for at in itertools.product(*map(range, periods))
        }
        if set(periods) == {1}:
            return layer[(0,) * self.spatial] or self.zeros(counts)
        return self.interleaved(layer, periods, counts)

    def margins(self, every: Sequence[Sequence[Phase | None]]) -> list[tuple[int, int]]:
        """The zeros that all phases need around x, which all of them read then."""
        found = []
        for d, size, parts in zip(self.places, self.sizes, every, strict=True):
            met = [p for p in parts if p is not None]
            each = [
                p.along.margins(self.x.shape[d], range_length(p.first, size, p.every)) for p in met
            ]
            found.append(
                (max((m[0] for m in each), default=0), max((m[1] for m in each), default=0))
            )
        return found

    def phase(self, parts: Sequence[Phase | None]) -> Value | None:
        """The convolution with the places of the window that a phase meets; None: it meets none."""
        met = [p for p in parts if p is not None]
        if len(met) < len(parts):
            return None
        start, stop, step = [0] * self.w.type.ndim, self.w.shape, [1] * self.w.type.ndim
        for d, p in enumerate(met, self.batching):
            start[d], step[d] = p.first, p.every
        return replace(self, w=slice_(self.w, start, stop, step)).dense([p.along for p in met])

    def together(
        self, axes: Sequence[Along], every: Sequence[Sequence[Phase | None]]
    ) -> Value | None:
        """All phases by one convolution, each a column of its own: where they are many, places of
        the window that a phase does not have cost less than kernels. None: windows do not align."""
        w, first, d = self.w, self.first, self.spatial
        within: list[Along] = []
        aligned: list[Aligned | None] = []
        for k, (a, parts, size) in enumerate(zip(axes, every, self.sizes, strict=True)):
            axis, to = self.batching + k, self.batching + k + d + self.contracting
            if folds(a, size, len(parts)):
                w, along = by_period(w, axis, to, a, len(parts))
                aligned.append(None)
            else:
                one = Aligned.of(parts, size)
                if one is None:
                    return None
                w, along = one.stacked(w, axis, to), one.along
                aligned.append(one)
            within.append(along)
        found = replace(self, w=w).dense(within)
        for k, one in enumerate(aligned, first + d):
            found = one.whole(found, k) if one else found
        beside = [i for k in range(d) for i in (first + k, first + d + k)]
        found = permute(found, (*range(first), *beside, *range(first + 2 * d, found.type.ndim)))
        whole = [a.count * len(parts) for a, parts in zip(within, every, strict=True)]
        out = reshape(found, self.shape(whole))
        return slice_(out, (0,) * out.type.ndim, self.shape([a.count for a in axes]))

    def interleaved(
        self, layer: dict[Ints, Value | None], periods: Sequence[int], counts: Sequence[int]
    ) -> Value:
        """Phases side by side: result q * period + r is result q of phase r.

        It is put together in the order in which x has its axes: k where c is.
        """
        each = [-(-n // p) for n, p in zip(counts, periods, strict=True)]
        zeros, end = self.zeros(each), self.first + self.spatial
        ks, order = range(end, zeros.type.ndim), list[int]()
        for d in underlying(self.x)[1]:
            order += [d] if d < end else ks if d == end else []
        order += [] if self.contracting else ks
        spots = {d: order.index(d) for d in self.places}

        def arranged(sizes: Sequence[Sequence[int]]) -> list[int]:
            """The sizes in that order, of an axis of several as many."""
            shape = self.shape([0] * self.spatial)
            of = {d: sizes[k] for k, d in enumerate(self.places)}
            return [n for d in order for n in of.get(d, (shape[d],))]

        apart = arranged([(q, 1) for q in each])
        values = {at: reshape(permute(v or zeros, order), apart) for at, v in layer.items()}
        for d in sorted(range(self.spatial), key=lambda d: spots[self.places[d]]):
            spot = spots[self.places[d]]
            axis = spot + 1 + sum(spots[p] < spot for p in self.places)
            last = math.prod(apart[axis + 1 :]) == 1 and periods[d] == 2
            last = last and not zeros.type.is_complex
            beside: dict[Ints, list[Value]] = {}
            for at in sorted(values):
                beside.setdefault((*at[:d], 0, *at[d + 1 :]), []).append(values[at])
            join = partial(neighbours if last else concatenate, axis=axis)
            values = {at: join(*vs) for at, vs in beside.items()}
        (joined,) = values.values()
        whole = arranged([(q * p,) for q, p in zip(each, periods, strict=True)])
        out = reshape(joined, whole)
        out = slice_(out, (0,) * out.type.ndim, arranged([(n,) for n in counts]))
        return permute(out, inverse(tuple(order)))

    # ---- no zeros between elements

    def dense(self, axes: Sequence[Along]) -> Value:
        """The convolution by whichever form it has."""
        b, taps = self.batching, math.prod(self.sizes)
        groups, rows, channels = (
            math.prod(self.x.shape[start:stop])
            for start, stop in ((0, b), (b, self.first), (self.places.stop, None))
        )
        if groups > 1 and math.prod(self.columns) == 1:
            few = math.prod(a.count for a in axes) <= UNROLLED
            if rows == 1 and few and not self.groups_last:
                return self.depthwise_window(axes)
            if channels == 1 and taps <= UNROLLED and self.scattered(axes):
                return self.depthwise(axes)
        field = self.x.shape[self.first : self.places.stop]
        unmoved = all(a == Along(n, 1, a.step, 0) for a, n in zip(axes, field, strict=True))
        return self.pointwise() if unmoved and taps == 1 else self.windowed(axes)

    def pointwise(self) -> Value:
        """A product: windows are elements."""
        b, of_w = self.batching, self.batching + self.spatial
        flat = reshape(self.w, (*self.w.shape[:b], *self.w.shape[of_w:]))
        inside = (
            tuple(range(self.places.stop, self.x.type.ndim)),
            tuple(range(b, b + self.contracting)),
        )
        batch = tuple(range(b)), tuple(range(b))
        return dot_general(self.x, flat, inside, batch, self.precision)

    def windowed(self, axes: Sequence[Along]) -> Value:
        """A product of windows, its rows as x lies in memory.

        If w must be copied for it, steps that follow each other are neighbours there.
        """
        b, end = self.batching, self.places.stop
        lhs = windows_of(self.x, self.places, self.sizes, axes, self.around)
        of_x = (*range(self.x.type.ndim, lhs.type.ndim), *range(end, self.x.type.ndim))
        rows = [d for d in underlying(self.x)[1] if b <= d < end]
        lhs = permute(lhs, (*range(b), *rows, *range(end, lhs.type.ndim)))
        partner = dict(zip(range(b, b + len(of_x)), of_x, strict=True))
        steps = [d for d in underlying(self.w)[1] if d in partner]
        w = permute(self.w, (*steps, *range(b), *range(b + len(of_x), self.w.type.ndim)))
        inside = tuple(partner[d] for d in steps), tuple(range(len(steps)))
        batch = tuple(range(b)), tuple(range(len(steps), len(steps) + b))
        found = dot_general(lhs, w, inside, batch, self.precision)
        return permute(found, inverse((*range(b), *rows, *range(end, found.type.ndim))))

    @property
    def groups_last(self) -> bool:
        """Whether groups are neighbours in memory, so that they are lanes of one product."""
        long = [d for d in underlying(self.x)[1] if self.x.shape[d] > 1]
        return bool(long) and long[-1] < self.batching

    def scattered(self, axes: Sequence[Along]) -> bool:
        """Whether neither groups nor rows of windows side by side are neighbours in memory."""
        long = [d for d in underlying(self.x)[1] if self.x.shape[d] > 1] or [0]
        if math.prod(self.sizes) == 1:
            return True
        last = axes[long[-1] - self.first] if long[-1] in self.places else None
        images = math.prod(a.count for a in axes if a is not last)
        return last is not None and (last.stride > 1 or images < FEW_ROWS)

    def depthwise(self, axes: Sequence[Along]) -> Value:
        """A product of views for each place of a window, and their sum, as x lies in memory."""
        base, order = underlying(self.x)
        spots = [order.index(d) for d in self.places]
        base = pad(base, *margins_around(base, spots, self.sizes, axes), zero_of(base.type))
        groups = [d for d in order if d < self.batching]
        others = [j for j, d in enumerate(order) if d >= self.batching]
        total = None
        for at in itertools.product(*map(range, self.sizes)):
            seen = sliced_along(base, spots, [a.of_place(f) for a, f in zip(axes, at, strict=True)])
            one = (0,) * self.batching, self.x.shape[: self.batching]
            rest = (0,) * (self.w.type.ndim - self.batching - self.spatial)
            w = slice_(
                self.w,
                (*one[0], *at, *rest),
                (*one[1], *(f + 1 for f in at), *(n + 1 for n in rest)),
            )
            w = permute(reshape(w, one[1]), groups)
            total = accumulate(total, mul(seen, broadcast(w, seen.shape, others)))
        assert total is not None
        return reshape(permute(total, inverse(order)), self.shape([a.count for a in axes]))

    def depthwise_window(self, axes: Sequence[Along]) -> Value:
        """A sum over x for each place of a small result, all of them over the same points."""
        base, order = underlying(self.x)
        b, n = self.batching, range(self.batching, self.first)
        kept = [d for d in order if d not in n]
        base = reshape(base, [self.x.shape[d] for d in kept])
        spots = [kept.index(d) for d in self.places]
        base = pad(base, *margins_around(base, spots, self.sizes, axes), zero_of(base.type))
        w = reshape(self.w, self.w.shape[: b + self.spatial + self.contracting])
        w = permute(w, [d if d < b else d - len(n) for d in kept])
        inside = [j for j, d in enumerate(kept) if d >= b]
        sums = []
        for at in itertools.product(*(range(a.count) for a in axes)):
            window = zip(axes, at, self.sizes, strict=True)
            seen = sliced_along(base, spots, [a.of_window(o, size) for a, o, size in window])
            total = reduce_sum(mul(seen, w), inside)
            sums.append(reshape(total, (*total.shape, 1)))
        groups = tuple(d for d in kept if d < b)
        every = concatenate(*sums, axis=b) if len(sums) > 1 else sums[0]
        every = permute(every, (*inverse(groups), b))
        return reshape(every, self.shape([a.count for a in axes]))


def margins_around(
    x: Value, spots: Sequence[int], sizes: Ints, axes: Sequence[Along]
) -> tuple[list[int], list[int]]:
    """How many zeros windows along the axes `spots` need before and after x, along each axis."""
    low, high = [0] * x.type.ndim, [0] * x.type.ndim
    for a, size, j in zip(axes, sizes, spots, strict=True):
        low[j], high[j] = a.margins(x.shape[j], size)
    return low, high


def sliced_along(x: Value, spots: Sequence[int], slices: Sequence[slice]) -> Value:
    """x[slices] along the axes `spots`."""
    start, stop, step = [0] * x.type.ndim, list(x.shape), [1] * x.type.ndim
    for j, s in zip(spots, slices, strict=True):
        start[j], stop[j], step[j] = s.start, s.stop, s.step
    return slice_(x, start, stop, step)


def neighbours(x: Value, y: Value, axis: int) -> Value:
    """Both in turns along an axis of one element, as those behind it are."""
    found = interleave(*(reshape(v, v.shape[:axis]) for v in (x, y)))
    return reshape(found, (*found.shape, *x.shape[axis + 1 :]))


def waste(axes: Sequence[Along], sizes: Ints, periods: Sequence[int]) -> float:
    """How much more work all phases together are than each; 0 where there is but one."""
    if set(periods) == {1}:
        return 0
    rows = (
        rows_of_period(a, n, p)[1] if folds(a, n, p) else n
        for a, n, p in zip(axes, sizes, periods, strict=True)
    )
    return math.prod(r * p / n for r, n, p in zip(rows, sizes, periods, strict=True))


def folds(along: Along, size: int, period: int) -> bool:
    """Whether the phases of an axis are those of w in rows of a period."""
    return along.stride == along.step == 1 and size >= period


def rows_of_period(along: Along, size: int, period: int) -> tuple[int, int]:
    """How many zeros before w make its rows begin with a phase, and how many rows it is then."""
    before = (period - 1 - along.low) % period
    return before, -(-(size + before) // period)


def by_period(w: Value, axis: int, to: int, along: Along, period: int) -> tuple[Value, Along]:
    """w with the phases of `period` along `axis` as one more axis at `to`, and their windows.

    Result q * period + r meets place f where f + r - along.low is a multiple of the period: of w
    with zeros before it, place j * period + period - 1 - r for some j.
    """
    before, rows = rows_of_period(along, w.shape[axis], period)
    low, high = [0] * w.type.ndim, [0] * w.type.ndim
    low[axis], high[axis] = before, rows * period - before - w.shape[axis]
    w = pad(w, low, high, zero_of(w.type))
    w = flip(reshape(w, (*w.shape[:axis], rows, period, *w.shape[axis + 1 :])), (axis + 1,))
    order = [d for d in range(w.type.ndim) if d != axis + 1]
    w = permute(w, (*order[:to], axis + 1, *order[to:]))
    start = (along.low + before + 1 - period) // period
    return w, Along(-(-along.count // period), 1, 1, start)


def reads_windows(x: Value) -> bool:
    """Whether x is windows, by views."""
    while x.node is not None and x.node.op.costless and len(x.node.args) == 1:
        if isinstance(x.node.op, Windows):
            return True
        (x,) = x.node.args
    return False


def underlying(x: Value) -> tuple[Value, Ints]:
    """The value of which x has the axes in another order, and the axis of x that each of its is."""
    order = tuple(range(x.type.ndim))
    while x.node is not None and isinstance(x.node.op, Permute):
        order = tuple(order[d] for d in inverse(x.node.op.axes))
        (x,) = x.node.args
    return x, order


def padded_rows(x: Value, low: Sequence[int], high: Sequence[int]) -> Value:
    """x with zeros before and after it; axes behind all of those are one row with the last such, so
    that it is copied in long runs."""
    last = max((d for d in range(x.type.ndim) if low[d] or high[d]), default=0)
    step = math.prod(x.shape[last + 1 :])
    if last == x.type.ndim - 1 or not any((*low, *high)):
        return pad(x, low, high, zero_of(x.type))
    size, before, after = x.shape[last], low[last], high[last]
    rows = reshape(x, (*x.shape[:last], size * step))
    found = pad(rows, (*low[:last], before * step), (*high[:last], after * step), zero_of(x.type))
    return reshape(found, (*found.shape[:last], before + size + after, *x.shape[last + 1 :]))


def windows_of(
    x: Value, places: Sequence[int], sizes: Ints, axes: Sequence[Along],
    around: Sequence[tuple[int, int]] = (),
) -> Value:  # fmt: skip
    """The windows of x, with the zeros around it in memory, where they stand as x does: as many as
    they need, or as are `around` it."""
    base, order = underlying(x)
    spots = [order.index(d) for d in places]
    low, high = margins_around(base, spots, sizes, axes)
    for j, (before, after) in zip(spots, around or [(0, 0)] * len(spots), strict=True):
        low[j], high[j] = max(low[j], before), max(high[j], after)
    whole = permute(padded_rows(base, low, high), inverse(order))
    numbers = (
        (a.count, n, a.stride, a.step, a.low - low[j])
        for a, n, j in zip(axes, sizes, spots, strict=True)
    )
    return apply(Windows(tuple(places), *zip(*numbers, strict=True)), whole)
