"""Sorts and searches: their operands are in memory, of which each row is one."""

from __future__ import annotations

from collections.abc import Container
from math import prod

from ...ir.graph import Node, Value
from ...kernel import Axis, Buffer
from ...kernel.sorting import Searching, Sorting
from ...ops.order import SearchSorted, Sort
from ..work import Work


def emit_order(node: Node, wanted: Container[Value]) -> Work:
    """The kernel of a sort, which stores the `wanted` results, or of a search."""
    op = node.op
    if isinstance(op, SearchSorted):
        return emit_search(node, op)
    assert isinstance(op, Sort)
    distinct = list(dict.fromkeys(node.args))
    read = {v: buffer(f"x{k}", v) for k, v in enumerate(distinct)}
    written = {v: buffer(f"y{k}", v) for k, v in enumerate(node.values) if v in wanted}
    rows, length = sort_axes(node.args[0])
    sorting = Sorting(
        "argsort" if set(written) == {node.values[-1]} else "sort",
        (*read.values(), *written.values()),
        rows,
        length,
        tuple(read[a] for a in node.args),
        tuple(written.get(v) for v in node.values[:-1]),
        written.get(node.values[-1]),
        op.keys,
        op.descending,
        length if op.most is None else Axis("most", op.most),
    )
    return Work(sorting, (*distinct, *written), len(written))


def emit_search(node: Node, op: SearchSorted) -> Work:
    x, v = node.args
    read = {a: buffer(f"x{k}", a) for k, a in enumerate(dict.fromkeys(node.args))}
    rows, length = sort_axes(x)
    out, wanted = buffer("y0", node.out), Axis("j", v.shape[-1])
    buffers = (*read.values(), out)
    searching = Searching(
        "searchsorted", buffers, rows, length, wanted, read[x], read[v], out, op.right
    )
    return Work(searching, (*read, node.out), 1)


def buffer(name: str, value: Value) -> Buffer:
    return Buffer(name, value.dtype, value.type.size)


def sort_axes(x: Value) -> tuple[Axis, Axis]:
    return Axis("i", prod(x.shape[:-1])), Axis("k", x.shape[-1])
