"""What the words of memory touch: the first and the last element, or those of lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .linear import Form, Unknown, constant_form
from .ranges import LANE, Address, Lanes, Unsupported, lane_count

Touch = tuple[Any, ...]
"""A place, its first and last element, and of lanes the facts and their number."""


def lane_of(mask: Any) -> tuple[tuple[Form, ...], int]:
    return mask.facts, mask.count


def along(p: Address, i: Form, step: Form | None, facts: tuple[Form, ...], lanes: int) -> Touch:
    """Lane k at i + k * step."""
    if step is not None and not step.plain:
        raise Unsupported("bounds: a step that is not known")
    at = i + Form({LANE: 1}) * (1 if step is None else step.constant)
    return p, at, at, facts, lanes


def neighbours(p: Address, i: Form, v: Any) -> Iterator[Touch]:
    yield p, i, i + ((v.count if isinstance(v, Lanes) else 1) - 1)


def load(p: Address, i: Form, lanes: Form) -> Iterator[Touch]:
    yield p, i, i + lanes - 1


def load_where(p: Address, i: Form, mask: Any, other: Any) -> Iterator[Touch]:
    yield along(p, i, None, *lane_of(mask))


def store_where(p: Address, i: Form, v: Any, mask: Any) -> Iterator[Touch]:
    yield along(p, i, None, mask.facts, max(mask.count, lane_count([v])))


def load_strided(p: Address, i: Form, step: Form, lanes: Form) -> Iterator[Touch]:
    yield along(p, i, step, (), int(lanes.constant))


def load_strided_where(p: Address, i: Form, step: Form, mask: Any, other: Any) -> Iterator[Touch]:
    yield along(p, i, step, *lane_of(mask))


def store_strided(p: Address, i: Form, step: Form, v: Any) -> Iterator[Touch]:
    yield along(p, i, step, (), lane_count([v]))


def store_strided_where(p: Address, i: Form, step: Form, v: Any, mask: Any) -> Iterator[Touch]:
    yield along(p, i, step, *lane_of(mask))


def store_pairs(p: Address, i: Form, v: Any, w: Any) -> Iterator[Touch]:
    yield p, i, i + (2 * lane_count([v, w]) - 1)


def store_pairs_where(p: Address, i: Form, v: Any, w: Any, mask: Any) -> Iterator[Touch]:
    for k in range(2):
        yield along(p, i + k, constant_form(2), *lane_of(mask))


def rows_and_columns(
    p: Address, i: Form, q: Address, k: Form, pitch: Form, n: Form, lanes: Form
) -> Iterator[Touch]:
    """Of `load_rows` and `store_rows`."""
    yield p, i, i + (n.constant * lanes.constant - 1)
    yield from block(q, k, n, pitch, lanes, constant_form(1))


def gather(p: Address, places: Lanes) -> Iterator[Touch]:
    yield p, places_form(places), places_form(places), (), places.count


def gather_where(p: Address, places: Lanes, mask: Any, other: Any) -> Iterator[Touch]:
    yield p, places_form(places), places_form(places), mask.facts, max(mask.count, places.count)


def places_form(places: Lanes) -> Form:
    return Form({Unknown(1 << 59): 1}) if places.form is None else places.form


def prefetch(p: Address, i: Form) -> Iterator[Touch]:
    yield from ()


def transpose(
    p: Address, i: Form, step: Form, q: Address, k: Form, pitch: Form, n: Form
) -> Iterator[Touch]:
    for at, start, row in ((p, i, step), (q, k, pitch)):
        yield from block(at, start, n, row, n, constant_form(1))


def block(
    p: Address, i: Form, rows: Form, row: Form, columns: Form, column: Form
) -> Iterator[Touch]:
    """All of rows by columns, by two steps that are no less than 0."""
    yield p, i, i + far(rows, row) + far(columns, column)


def far(count: Form, step: Form) -> Form:
    """From the first of `count` to the last."""
    if not (count.plain or step.plain):
        raise Unsupported("bounds: steps that are not known")
    last = count - 1
    return last * step.constant if step.plain else step * last.constant


def tile(
    rows: Form, vecs: Form, lanes: Form, depth: Form, a: Address, a_row: Form, a_step: Form,
    b: Address, b_step: Form, c: Address, c_row: Form, height: Form, fresh: Any, below: Form,
    ahead: Form,
) -> Iterator[Touch]:  # fmt: skip
    width = constant_form(vecs.constant * lanes.constant)
    if not (depth.plain and depth.constant <= 0):
        yield from block(a, constant_form(0), height, a_row, depth, a_step)
        yield from block(b, constant_form(0), depth, b_step, width, constant_form(1))
    yield from block(c, constant_form(0), rows, c_row, width, constant_form(1))


def tile_of_streams(
    rows: Form, vecs: Form, lanes: Form, depth: Form, a: Address, a_row: Form, a_step: Form,
    b: Address, b_step: Form, c: Address, c_row: Form, height: Form, width: Form,
) -> Iterator[Touch]:  # fmt: skip
    yield from block(a, constant_form(0), height, a_row, depth, a_step)
    yield from block(b, constant_form(0), depth, b_step, width, constant_form(1))
    vectors = width + (lanes - 1)  # no more than these
    yield from block(c, constant_form(0), rows, c_row, vectors, constant_form(1))


def tile_of_dots(
    rows: Form, vecs: Form, lanes: Form, depth: Form, a: Address, a_row: Form,
    b: Address, b_column: Form, c: Address, c_row: Form, height: Form, width: Form,
) -> Iterator[Touch]:  # fmt: skip
    yield from block(a, constant_form(0), height, a_row, depth, constant_form(1))
    yield from block(b, constant_form(0), width, b_column, depth, constant_form(1))
    yield from block(c, constant_form(0), rows, c_row, width, constant_form(1))


def pack_turned(
    vecs: Form, lanes: Form, to: Address, source: Address, column: Form, height: Form, width: Form
) -> Iterator[Touch]:
    yield from pack_strided(vecs, lanes, to, source, constant_form(1), column, height, width)


def pack_strided(
    vecs: Form, lanes: Form, to: Address,
    source: Address, row: Form, column: Form, height: Form, width: Form,
) -> Iterator[Touch]:  # fmt: skip
    size = constant_form(vecs.constant * lanes.constant)
    columns = size
    yield from block(to, constant_form(0), height, size, columns, constant_form(1))
    yield from block(source, constant_form(0), height, row, width, column)


def unpack(
    vecs: Form, lanes: Form, to: Address, row: Form, source: Address, height: Form, width: Form
) -> Iterator[Touch]:
    size = constant_form(vecs.constant * lanes.constant)
    yield from block(to, constant_form(0), height, row, width, constant_form(1))
    yield from block(source, constant_form(0), height, size, width, constant_form(1))


MEMORY: dict[str, Callable[..., Iterator[Touch]]] = {
    f.__name__: f
    for f in (load, load_where, store_where, load_strided, load_strided_where, store_strided,
              store_strided_where, store_pairs, store_pairs_where, gather, gather_where, prefetch,
              transpose, tile, tile_of_streams, tile_of_dots, pack_turned, pack_strided, unpack)
} | {"store": neighbours, "load_rows": rows_and_columns,
     "store_rows": rows_and_columns}  # fmt: skip
