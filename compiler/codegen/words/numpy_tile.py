"""The words of tiles and panels as NumPy, to the bit: what tile.py and panels.py emit."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .numpy_words import RawPointer, Vector, fma, load_strided
from .tile import dot_sums, stream_rows


def multiply_add(x: Any, y: Vector, z: Vector) -> Vector:
    return fma(x, y, z) if y.dtype.kind == "f" else np.asarray(x * y + z, y.dtype)


def tile(
    rows: int, vecs: int, lanes: int, depth: int, a: RawPointer, a_row: int, a_step: int,
    b: RawPointer, b_step: int, c: RawPointer, c_row: int, height: int, fresh: bool, below: int,
    ahead: int,
) -> None:  # fmt: skip
    width = vecs * lanes
    for i in range(rows):
        line = c.elements(i * c_row, width)
        total = np.zeros_like(line)
        xs = load_strided(a, min(i, height - 1) * a_row, a_step, depth)
        for k in range(depth):
            total = multiply_add(xs[k], b.elements(k * b_step, width), total)
        line[:] = total if fresh else line + total


def tile_of_streams(
    rows: int, vecs: int, lanes: int, depth: int, a: RawPointer, a_row: int, a_step: int,
    b: RawPointer, b_step: int, c: RawPointer, c_row: int, height: int, width: int,
) -> None:  # fmt: skip
    group, even = stream_rows(rows), depth // stream_rows(rows) * stream_rows(rows)
    starts = [*range(0, even, group), *range(even, depth)]
    for i in range(rows):
        line = c.elements(i * c_row, -(-width // lanes) * lanes)
        line[:] = 0
        xs = load_strided(a, min(i, height - 1) * a_row, a_step, depth)
        for start in starts:
            total = np.zeros_like(line)
            for k in range(start, start + (group if start < even else 1)):
                y = np.pad(b.elements(k * b_step, width), (0, -width % lanes))
                total = multiply_add(xs[k], y, total)
            line[:] += total


def tile_of_windows(
    rows: int, vecs: int, lanes: int, depth: int, a: RawPointer, lines: RawPointer,
    steps: RawPointer, b: RawPointer, b_step: int, c: RawPointer, c_row: int, height: int,
    fresh: bool,
) -> None:  # fmt: skip
    width = vecs * lanes
    for i in range(rows):
        line = c.elements(i * c_row, width)
        total = np.zeros_like(line)
        (start,) = lines.elements(min(i, height - 1), 1)
        for k, step in enumerate(steps.elements(0, depth)):
            x = a.elements(int(start + step), 1)[0]
            total = multiply_add(x, b.elements(k * b_step, width), total)
        line[:] = total if fresh else line + total


def tile_of_channels(
    group: int, step: int, rows: int, vecs: int, lanes: int, depth: int, a: RawPointer,
    lines: RawPointer,
    steps: RawPointer, width: int, b: RawPointer, b_step: int, c: RawPointer, c_row: int,
    height: int, fresh: bool,
) -> None:  # fmt: skip
    size = vecs * lanes
    for i in range(rows):
        line = c.elements(i * c_row, size)
        total = np.zeros_like(line)
        (start,) = lines.elements(min(i, height - 1), 1)
        for k, at in enumerate(steps.elements(0, depth)):
            x = np.zeros_like(line)
            for j in range(min(size, width)):
                x[j] = a.elements(int(start + at) + j // group * step, 1)[0]
            total = multiply_add(x, b.elements(k * b_step, size), total)
        line[:] = total if fresh else line + total


def tile_of_dots(
    rows: int, vecs: int, lanes: int, depth: int, a: RawPointer, a_row: int,
    b: RawPointer, b_column: int, c: RawPointer, c_row: int, height: int, width: int,
) -> None:  # fmt: skip
    _, chains = dot_sums(rows)
    even = depth // (lanes * chains) * chains
    for i in range(rows):
        for j in range(width):
            starts = ((a, min(i, height - 1) * a_row), (b, j * b_column))
            x, y = (np.pad(p.elements(start, depth), (0, -depth % lanes)) for p, start in starts)
            steps = zip(x.reshape(-1, lanes), y.reshape(-1, lanes), strict=True)
            sums = np.zeros((chains, lanes), x.dtype)
            for n, (xs, ys) in enumerate(steps):
                chain = n % chains if n < even else 0
                sums[chain] = multiply_add(xs, ys, sums[chain])
            total = functools.reduce(np.add, sums)
            while total.size > 1:
                total = total[: total.size // 2] + total[total.size // 2 :]
            c.elements(i * c_row + j, 1)[:] = total


def dots_of_windows(
    rows: int, vecs: int, lanes: int, count: int, run: int, a: RawPointer, lines: RawPointer,
    places: RawPointer, b: RawPointer, b_column: int, c: RawPointer, c_column: int, height: int,
    width: int,
) -> None:  # fmt: skip
    for i in range(rows):
        (line,) = lines.elements(min(i, height - 1), 1)
        for j in range(width):
            total = np.zeros(lanes, c.elements(0, 1).dtype)
            for s, place in enumerate(places.elements(0, count)):
                x = np.pad(a.elements(int(line + place), run), (0, -run % lanes))
                y = np.pad(b.elements(j * b_column + s * run, run), (0, -run % lanes))
                for xs, ys in zip(x.reshape(-1, lanes), y.reshape(-1, lanes), strict=True):
                    total = multiply_add(xs, ys, total)
            while total.size > 1:
                total = total[: total.size // 2] + total[total.size // 2 :]
            c.elements(i + j * c_column, 1)[:] = total


def pack(
    vecs: int, lanes: int, to: RawPointer, apart: int,
    source: RawPointer, row: int, height: int, width: int,
) -> None:  # fmt: skip
    size = vecs * lanes
    for k in range(height):
        for n in range(-(-width // size)):
            panel = to.elements(n * apart + k * size, size)
            count = min(size, width - n * size)
            panel[:] = 0
            panel[:count] = source.elements(k * row + n * size, count)


def pack_turned(
    vecs: int, lanes: int, to: RawPointer, source: RawPointer, column: int, height: int, width: int
) -> None:  # fmt: skip
    pack_strided(vecs, lanes, to, source, 1, column, height, width)


def pack_strided(
    vecs: int, lanes: int, to: RawPointer,
    source: RawPointer, row: int, column: int, height: int, width: int,
) -> None:  # fmt: skip
    size = vecs * lanes
    for k in range(height):
        for j in range(size):
            place = k * row + min(j, width - 1) * column
            to.elements(k * size + j, 1)[:] = source.elements(place, 1)


def places(axes: int, to: RawPointer, first: int, count: int, *box: int) -> None:
    points = np.unravel_index(np.arange(first, first + count), box[:axes])
    found = sum(i * stride for i, stride in zip(points, box[axes:], strict=True))
    to.elements(0, count)[:] = found


def unpack(
    vecs: int, lanes: int, to: RawPointer, row: int, source: RawPointer, height: int, width: int
) -> None:
    for k in range(height):
        to.elements(k * row, width)[:] = source.elements(k * vecs * lanes, width)
