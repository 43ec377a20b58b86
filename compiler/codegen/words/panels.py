"""Copies between matrices and panels: what brings the factors of a product into reach of its tile.

A panel holds its rows, `vecs * lanes` columns each, one behind the other.

    pack(vecs, lanes, to, apart, source, row, height, width)
        panel[k, j] = source[k*row + j] for k < height and j < width; a width of several panels
        fills them, `apart` elements from one to the next; columns that do not exist are zero
    pack_turned(vecs, lanes, to, source, column, height, width)
        panel[k, j] = source[k + j*column]: blocks are transposed in registers
    pack_strided(vecs, lanes, to, source, row, column, height, width)
        panel[k, j] = source[k*row + j*column]; here and above, missing columns repeat the last one
    places(axes, to, first, count, size..., stride...)
        to[k] = where point first + k of a box is, for k < count: its `axes` have these sizes and
        strides, and its points are in C order
    unpack(vecs, lanes, to, row, source, height, width)
        to[k*row + j] = panel[k, j] for k < height and j < width, which is at most one panel
"""

from __future__ import annotations

from typing import Any

from .outlined import I64, Writer, i64_constant, outlined
from .simd import LLVM


def pack(w: Writer, args: list[LLVM]) -> None:
    """Rows are the outer loop: long runs are what memory gives fastest."""
    to, apart, source, row, height, width = args
    size = w.shape.width
    count = w.b.sdiv(width, i64_constant(size))
    whole = w.times(count, size)
    ragged = w.b.icmp_signed("<", whole, width)
    vectors = range(0, size, w.shape.lanes)

    def line(k: LLVM) -> None:
        p, q = w.at(source, w.b.mul(k, row)), w.at(to, w.times(k, size))

        def panel(n: LLVM) -> None:
            start, end = w.at(p, w.times(n, size)), w.at(q, w.b.mul(n, apart))
            for j in vectors:
                w.store(w.load(w.at(start, j)), w.at(end, j))

        w.loop(0, count, 1, panel)
        with w.b.if_then(ragged):
            end = w.at(q, w.b.mul(count, apart))
            for j in vectors:
                w.store(w.shape.zero, w.at(end, j))
            copy_run(w, end, w.at(p, whole), w.b.sub(width, whole))

    w.loop(0, height, 1, line)


def unpack(w: Writer, args: list[LLVM]) -> None:
    to, row, source, height, width = args

    def line(k: LLVM) -> None:
        copy_run(w, w.at(to, w.b.mul(k, row)), w.at(source, w.times(k, w.shape.width)), width)

    w.loop(0, height, 1, line)


def copy_run(w: Writer, to: LLVM, source: LLVM, count: LLVM) -> None:
    """`count` neighbours. The last vector overlaps the one before: much faster than masks."""
    lanes = i64_constant(w.shape.lanes)

    def copy(i: LLVM, of: LLVM | None = None) -> None:
        w.store(w.load(w.at(source, i), of), w.at(to, i))

    with w.b.if_else(w.b.icmp_signed(">=", count, lanes)) as (vectors, elements):
        with vectors:
            last = w.b.sub(count, lanes)
            w.loop(0, last, w.shape.lanes, copy)
            copy(last)
        with elements:
            w.loop(0, count, 1, lambda i: copy(i, w.shape.element))


def pack_turned(w: Writer, args: list[LLVM]) -> None:
    """Whole blocks of lanes by lanes in registers, the rest of the rows element by element."""
    to, source, column, height, width = args
    lanes, size = w.shape.lanes, w.shape.width
    last = w.b.sub(width, i64_constant(1))
    end = w.b.sub(height, w.b.srem(height, i64_constant(lanes)))

    def block(k: LLVM) -> None:
        def one(j: LLVM) -> None:
            columns = [w.smaller(w.b.add(j, i64_constant(r)), last) for r in range(lanes)]
            rows = [w.load(w.at(source, w.b.add(w.b.mul(c, column), k))) for c in columns]
            q = w.at(to, w.b.add(w.times(k, size), j))
            for r, v in enumerate(transposed_square(w, rows)):
                w.store(v, w.at(q, r * size))

        w.loop(0, size, lanes, one)

    w.loop(0, end, lanes, block)
    copy_elements(w, to, source, (i64_constant(1), column), (end, height), last)


def pack_strided(w: Writer, args: list[LLVM]) -> None:
    to, source, row, column, height, width = args
    last = w.b.sub(width, i64_constant(1))
    copy_elements(w, to, source, (row, column), (i64_constant(0), height), last)


def places(w: Writer, args: list[LLVM]) -> None:
    """An odometer: the last axis turns, and what is full carries."""
    to, first, count, *box = args
    b, n = w.b, len(box) // 2
    sizes, strides = box[:n], box[n:]
    none, one = i64_constant(0), i64_constant(1)
    here, rest = [none] * n, first
    for a in reversed(range(n)):
        here[a], rest = b.srem(rest, sizes[a]), b.sdiv(rest, sizes[a])
    counters = [b.alloca(I64) for _ in range(n)]
    for counter, start in zip(counters, here, strict=True):
        b.store(start, counter)

    def point(k: LLVM) -> None:
        index = [b.load(c) for c in counters]
        place = none
        for i, stride in zip(index, strides, strict=True):
            place = b.add(place, b.mul(i, stride))
        w.store(place, w.at(to, k))
        carry = one
        for a in reversed(range(n)):
            turned = b.add(index[a], carry)
            full = b.icmp_signed("==", turned, sizes[a])
            b.store(b.select(full, none, turned), counters[a])
            carry = b.select(full, one, none)

    w.loop(0, count, 1, point)


def copy_elements(
    w: Writer,
    to: LLVM,
    source: LLVM,
    strides: tuple[LLVM, LLVM],
    rows: tuple[LLVM, LLVM],
    last: LLVM,
) -> None:
    """One element at a time, for `rows` from and to; columns beyond `last` repeat it."""

    def line(k: LLVM) -> None:
        p, q = w.at(source, w.b.mul(k, strides[0])), w.at(to, w.times(k, w.shape.width))

        def one(j: LLVM) -> None:
            at = w.b.mul(w.smaller(j, last), strides[1])
            w.store(w.load(w.at(p, at), w.shape.element), w.at(q, j))

        w.loop(0, w.shape.width, 1, one)

    w.loop(*rows, 1, line)


def transposed_square(w: Writer, rows: list[LLVM]) -> list[LLVM]:
    """The transpose of a square: off-diagonal blocks change places, of ever twice the size."""
    n, rows, step = len(rows), list(rows), 1
    while step < n:
        low = [c + n - step if c & step else c for c in range(n)]
        high = [c + n if c & step else c + step for c in range(n)]
        for r in range(n):
            if not r & step:
                x, y = rows[r], rows[r + step]
                rows[r], rows[r + step] = (w.shuffled(x, y, order) for order in (low, high))
        step *= 2
    return rows


BODIES = (pack, pack_turned, pack_strided, unpack)
PANEL_WORDS: dict[str, Any] = {f.__name__: outlined(f.__name__, 2, f) for f in BODIES}
PANEL_WORDS["places"] = outlined("places", 1, places)
