"""The register tile of products: as many sums as registers hold, over a run of depth.

    tile(
        rows, vecs, lanes, depth,
        a, a_row, a_step, b, b_step, c, c_row, height, fresh, below, ahead)
        C[i, j] = (0 if fresh else C[i, j]) + sum of A[i, k] B[k, j] over k < depth
        for i < rows and j < vecs * lanes;
        A[i, k] at a[i*a_row + k*a_step], B[k, j] at b[k*b_step + j], C[i, j] at c[i*c_row + j];
        it asks meanwhile for what lies `below` elements behind A and `ahead` behind B, unless its
        rows are so few that they stream
    tile_of_streams(rows, vecs, lanes, depth, a, a_row, a_step, b, b_step, c, c_row, height, width)
        C[i, j] = sum of A[i, k] B[k, j] over k < depth for i < rows and j < width, which may be
        more than vectors that registers hold: some rows of B at a time pass by, over all columns;
        of C whole vectors are written
    tile_of_windows(rows, vecs, lanes, depth, a, lines, steps, b, b_step, c, c_row, height, fresh)
        the same, with A[i, k] at a[lines[i] + steps[k]]
    tile_of_channels(group, step, rows, vecs, lanes, depth, a, lines, steps, width, b, ..., fresh)
        the same, with a[lines[i] + steps[k] + j // group * step], for j < width, as A[i, k, j]
    tile_of_dots(rows, vecs, lanes, depth, a, a_row, b, b_column, c, c_row, height, width)
        C[i, j] = sum of a[i*a_row + k] b[j*b_column + k] over k < depth
        for i < rows and j < width: lanes follow depth, so nothing is packed
    dots_of_windows(
        rows, vecs, lanes, count, run, a, lines, places, b, b_column, c, c_column, height, width)
        C[i, j] = sum of a[lines[i] + places[s] + k] b[j*b_column + s*run + k] over k < run and
        s < count for i < rows and j < width, C[i, j] at c[i + j*c_column]: lanes follow k

Only the first `height` rows of A exist; rows beyond repeat the last one, and what they give is
written too. What a call adds to an element is one chain of fma over its depth in order, begun at
zero: chains are no longer than a block of depth, whose sum is then one addition. A dot is as many
chains as there are lanes, of one row twice as many: vectors take turns.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from .outlined import I64, Writer, i64_constant, outlined
from .simd import LLVM

Pair = tuple[LLVM, LLVM]
Channels = tuple[int, LLVM, list[int]]

ASKING_ROWS = 4  # of a tile, from which on it takes longer to compute than to ask
STREAMS = 8  # of rows that pass by together
DOTS_SUMS = 8  # independent chains: latency of fma times its ports
DOTS_COLUMNS = 4  # of them at most: more streams of memory are slower


def tile(w: Writer, args: list[LLVM]) -> None:
    depth, a, a_row, a_step, b, b_step, c, c_row, height, fresh, below, ahead = args
    lines, right = row_starts(w, a, a_row, height), (b, b_step)
    asked = (w.at(a, below), ahead) if w.shape.rows >= ASKING_ROWS else None
    tile_of_rows(w, (depth, fresh), lines, (None, a_step), right, (c, c_row), asked=asked)


def tile_of_windows(w: Writer, args: list[LLVM]) -> None:
    depth, a, rows, steps, b, b_step, c, c_row, height, fresh = args
    lines = listed_rows(w, a, rows, height)
    tile_of_rows(w, (depth, fresh), lines, (steps, i64_constant(0)), (b, b_step), (c, c_row))


def tile_of_channels(w: Writer, args: list[LLVM]) -> None:
    """Groups are no more than `group` elements apart, so that a vector has what its lanes need."""
    depth, a, rows, steps, width, b, b_step, c, c_row, height, fresh = args
    group, step = w.shape.static[:2]
    lines, lanes = listed_rows(w, a, rows, height), w.shape.lanes
    channels: list[Channels] = []
    for start in range(0, w.shape.width, lanes):
        first = start // group * step
        order = [(start + j) // group * step - first for j in range(lanes)]
        left = w.smaller(lanes, w.b.sub(width, i64_constant(start)))
        last = w.b.sdiv(w.b.add(left, i64_constant(start - 1)), i64_constant(group))
        count = w.b.add(w.b.mul(last, i64_constant(step)), i64_constant(1 - first))
        channels.append((first, w.first(count), order))
    left = steps, i64_constant(0)
    tile_of_rows(w, (depth, fresh), lines, left, (b, b_step), (c, c_row), channels)


def tile_of_rows(
    w: Writer, sums_of: Pair, lines: list[LLVM], left: Pair, right: Pair, target: Pair,
    channels: Sequence[Channels] = (), asked: Pair | None = None,
) -> None:  # fmt: skip
    """The tile whose rows of A begin at `lines`; its steps are a table of places, or even.

    With `channels` an element of A is a vector, of those columns that exist. What is `asked` for
    meanwhile is the same step from another place of A, and so far ahead of B.
    """
    (depth, fresh), (table, a_step), (b, b_step), (c, c_row) = sums_of, left, right, target
    build, shape = w.b, w.shape
    places = [(i, j) for i in range(shape.rows) for j in range(shape.vecs)]
    entry = build.block
    loop, done, resume, end = (w.block(n) for n in ("loop", "done", "resume", "end"))
    build.cbranch(build.icmp_signed(">", depth, i64_constant(0)), loop, done)

    build.position_at_end(loop)
    k, at_a, at_b = (w.joined(I64, (i64_constant(0), entry)) for _ in range(3))
    sums = [w.joined(shape.vector, (shape.zero, entry)) for _ in places]
    row = w.at(b, at_b)
    ys = [w.load(w.at(row, j * shape.lanes)) for j in range(shape.vecs)]
    if asked:
        below, beside = w.at(asked[0], at_a), w.at(row, asked[1])
        for p in (below, *(w.at(beside, j * shape.lanes) for j in range(shape.vecs))):
            w.prefetch(p)
    step = at_a if table is None else w.load(w.at(table, k), I64)
    starts = [w.at(line, step) for line in lines]
    if channels:
        xs = {(i, j): channel_lanes(w, starts[i], *channels[j]) for i, j in places}
    else:
        spread = [w.splat(w.load(start, shape.element)) for start in starts]
        xs = {(i, j): spread[i] for i, j in places}
    new = [w.multiply_add(xs[i, j], ys[j], s) for (i, j), s in zip(places, sums, strict=True)]
    following = build.add(k, i64_constant(1))
    steps = [(k, following), (at_a, build.add(at_a, a_step)), (at_b, build.add(at_b, b_step))]
    for phi, value in [*steps, *zip(sums, new, strict=True)]:
        phi.add_incoming(value, loop)
    build.cbranch(build.icmp_signed("<", following, depth), loop, done)

    build.position_at_end(done)
    block = [w.joined(shape.vector, (shape.zero, entry), (n, loop)) for n in new]
    targets = [w.at(w.at(c, w.times(c_row, i)), j * shape.lanes) for i, j in places]
    build.cbranch(build.icmp_signed("!=", fresh, i64_constant(0)), end, resume)

    build.position_at_end(resume)
    total = [w.add(w.load(p), v) for v, p in zip(block, targets, strict=True)]
    build.branch(end)

    build.position_at_end(end)
    both = zip(block, total, strict=True)
    final = [w.joined(shape.vector, (v, done), (t, resume)) for v, t in both]
    for v, p in zip(final, targets, strict=True):
        w.store(v, p)


def channel_lanes(w: Writer, p: LLVM, first: int, mask: LLVM, order: list[int]) -> LLVM:
    """What lanes read of neighbours, of which there are so many as `mask` says."""
    x = w.load_where(w.at(p, first), mask)
    return x if order == list(range(len(order))) else w.shuffled(x, x, order)


def row_starts(w: Writer, a: LLVM, a_row: LLVM, height: LLVM) -> list[LLVM]:
    """Where the rows of A begin."""
    last = w.b.sub(height, i64_constant(1))
    return [w.at(a, w.times(a_row, w.smaller(i, last))) for i in range(w.shape.rows)]


def listed_rows(w: Writer, a: LLVM, rows: LLVM, height: LLVM) -> list[LLVM]:
    """The same of rows that a table lists."""
    last = w.b.sub(height, i64_constant(1))
    starts = [w.load(w.at(rows, w.smaller(i, last)), I64) for i in range(w.shape.rows)]
    return [w.at(a, start) for start in starts]


def stream_rows(rows: int) -> int:
    """Rows of B that pass by together, for so many rows of A."""
    return max(STREAMS // 2, STREAMS // rows)


def tile_of_streams(w: Writer, args: list[LLVM]) -> None:
    """Each group of rows of B is summed in one chain, which is added to what is there."""
    depth, a, a_row, a_step, b, b_step, c, c_row, height, width = args
    build, shape = w.b, w.shape
    lines, lanes = row_starts(w, a, a_row, height), shape.lanes
    group = stream_rows(shape.rows)
    whole = build.sub(width, build.srem(width, i64_constant(lanes)))
    rest = build.sub(width, whole)
    mask, ragged = w.first(rest), build.icmp_signed("!=", rest, i64_constant(0))

    def clear(j: LLVM) -> None:
        for i in range(shape.rows):
            w.store(shape.zero, w.at(w.at(c, w.times(c_row, i)), j))

    def steps(count: int, k: LLVM) -> None:
        at = [build.add(k, i64_constant(n)) for n in range(count)]
        rows = [w.at(b, build.mul(n, b_step)) for n in at]
        xs = [[w.splat(w.load(w.at(line, build.mul(n, a_step)), shape.element)) for n in at]
              for line in lines]  # fmt: skip

        def column(j: LLVM, of: LLVM | None = None) -> None:
            ys = [w.load_where(w.at(r, j), of) if of else w.load(w.at(r, j)) for r in rows]
            for i, x in enumerate(xs):
                total = shape.zero
                for x_n, y in zip(x, ys, strict=True):
                    total = w.multiply_add(x_n, y, total)
                p = w.at(w.at(c, w.times(c_row, i)), j)
                w.store(w.add(w.load(p), total), p)

        w.loop(0, whole, lanes, column)
        with build.if_then(ragged):
            column(whole, mask)

    w.loop(0, width, lanes, clear)
    even = build.sub(depth, build.srem(depth, i64_constant(group)))
    w.loop(0, even, group, functools.partial(steps, group))
    w.loop(even, depth, 1, functools.partial(steps, 1))


def dot_sums(rows: int) -> tuple[int, int]:
    """Columns that are summed together, and chains of each of their dots."""
    group = max(1, min(DOTS_COLUMNS, DOTS_SUMS // rows))
    return group, max(1, DOTS_SUMS // (rows * group))


def tile_of_dots(w: Writer, args: list[LLVM]) -> None:
    """Groups of columns at a time; a last masked step takes the rest of depth."""
    depth, a, a_row, b, b_column, c, c_row, height, width = args
    build, shape = w.b, w.shape
    group, chains = dot_sums(shape.rows)
    left, last = row_starts(w, a, a_row, height), build.sub(width, i64_constant(1))
    places = [(i, g) for i in range(shape.rows) for g in range(group)]
    sums = [[build.alloca(shape.vector) for _ in places] for _ in range(chains)]
    run = shape.lanes * chains
    even, whole = (build.sub(depth, build.srem(depth, i64_constant(n))) for n in (run, shape.lanes))

    def columns(j: LLVM) -> None:
        at = [w.smaller(build.add(j, i64_constant(g)), last) for g in range(group)]
        right = [w.at(b, build.mul(b_column, x)) for x in at]
        for s in itertools.chain(*sums):
            build.store(shape.zero, s)

        def step(k: LLVM, mask: LLVM | None = None, chain: int = 0) -> None:
            def vectors(starts: list[LLVM]) -> list[LLVM]:
                here = [w.at(p, k) for p in starts]
                return [w.load_where(p, mask) if mask else w.load(p) for p in here]

            xs, ys = vectors(left), vectors(right)
            for (i, g), s in zip(places, sums[chain], strict=True):
                build.store(w.multiply_add(xs[i], ys[g], build.load(s)), s)

        def steps(k: LLVM) -> None:
            for n in range(chains):
                step(build.add(k, i64_constant(n * shape.lanes)), chain=n)

        w.loop(0, even, run, steps)
        if chains > 1:
            w.loop(even, whole, shape.lanes, step)
        step(whole, w.first(build.sub(depth, whole)))
        for (i, g), *parts in zip(places, *sums, strict=True):
            total = functools.reduce(w.add, map(build.load, parts))
            w.store(w.total(total), w.at(c, build.add(w.times(c_row, i), at[g])))

    w.loop(0, width, group, columns)


def dots_of_windows(w: Writer, args: list[LLVM]) -> None:
    """All rows at once, column by column; a last masked step takes the rest of a run."""
    count, run, a, rows, places, b, b_column, c, c_column, height, width = args
    build, shape = w.b, w.shape
    lines = listed_rows(w, a, rows, height)
    sums = [build.alloca(shape.vector) for _ in lines]
    whole = build.sub(run, build.srem(run, i64_constant(shape.lanes)))
    rest = build.sub(run, whole)
    mask, ragged = w.first(rest), build.icmp_signed("!=", rest, i64_constant(0))

    def column(j: LLVM) -> None:
        right = w.at(b, build.mul(j, b_column))
        for s in sums:
            build.store(shape.zero, s)

        def segment(n: LLVM) -> None:
            here, of = w.load(w.at(places, n), I64), w.at(right, build.mul(n, run))

            def step(k: LLVM, part: LLVM | None = None) -> None:
                def vector(p: LLVM) -> LLVM:
                    return w.load_where(p, part) if part else w.load(p)

                y, at = vector(w.at(of, k)), build.add(here, k)
                for line, s in zip(lines, sums, strict=True):
                    x = vector(w.at(line, at))
                    build.store(w.multiply_add(x, y, build.load(s)), s)

            w.loop(0, whole, shape.lanes, step)
            with build.if_then(ragged):
                step(whole, mask)

        w.loop(0, count, 1, segment)
        to = w.at(c, build.mul(j, c_column))
        for i, s in enumerate(sums):
            w.store(w.total(build.load(s)), w.at(to, i))

    w.loop(0, width, 1, column)


BODIES = (tile, tile_of_streams, tile_of_windows, tile_of_channels, tile_of_dots, dots_of_windows)
STATICS = {"tile_of_channels": 5}
TILE_WORDS: dict[str, Any] = {
    f.__name__: outlined(f.__name__, STATICS.get(f.__name__, 3), f) for f in BODIES
}
