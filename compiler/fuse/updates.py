"""What an update in place waits for: small reads of an array whose memory the update takes.

A row that is read of `x` and is needed beside, or after, `x.at[i].set(u)` is put into memory before
the update, which then need not keep `x` for it: a table of dynamic programming, rows that change
places, a stack from which a value is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..ir.graph import Graph, Node, Value
from ..ops.family import Elementwise, View
from ..ops.gather import Gather, Scatter
from ..ops.source import Full
from ..ops.view import Slice
from .edges import Waits
from .waves import Pairs

SMALLER = 4
"""How much smaller than the array a part is that is worth being put into memory."""
FAR = 1024
"""Nodes among which a way between two is looked for: where there are more, there is one."""

Users = Mapping[Value, Sequence[Node]]


def updates(graph: Graph, donated: Pairs) -> Waits:
    """The parts that must have been read before a scatter runs: earlier ones of an operand that
    may be written over."""
    users: Users | None = None
    lasting = set(graph.inputs).difference(graph.inputs[i] for i, _ in donated)
    lasting.update(n.out for n in graph.nodes if n.op.constant)
    waits: Waits = {}
    for node in graph.nodes:
        if isinstance(node.op, Scatter) and node.args[0] not in lasting:
            users = graph.users() if users is None else users
            found = [v for v in small_parts(node, users) if needed_after(v, node, users)]
            if found:
                waits[node] = frozenset(found)
    return waits


def small_parts(update: Node, users: Users) -> Iterator[Value]:
    """Small values that are read of what `update` writes over, by nodes before it."""
    x, own = update.args[0], known_place(update)
    stack, seen = [x], {x}
    while stack:
        v = stack.pop()
        for n in users[v]:
            reads = isinstance(n.op, View) or (isinstance(n.op, Gather) and n.args[0] in seen)
            if not reads or n.serial > update.serial or n.out in seen:
                continue
            if v is x and isinstance(n.op, Slice) and (n.op.start, n.op.stop) == own:
                continue
            seen.add(n.out)
            if n.out.type.size * SMALLER <= x.type.size:
                yield n.out
            else:
                stack.append(n.out)


def known_place(update: Node) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Where the window that is updated begins and ends, if that is known: elements of the operand
    that are read there are read when they are written."""
    op, (x, u, *indices) = update.op, update.args
    assert isinstance(op, Scatter)
    at: dict[int, int] = {}
    for d, over, index in zip(op.indexed, op.along, indices, strict=True):
        if over or index.node is None or not isinstance(index.node.op, Full):
            return None
        at[d] = int(index.node.op.value.real)
    start = tuple(at.get(d, 0) for d in range(len(x.shape)))
    return start, tuple(a + op.window(d, u.shape) for d, a in enumerate(start))


def needed_after(part: Value, update: Node, users: Users) -> bool:
    """Whether a kernel may read `part` where it stands when `update` has been done."""
    stack, seen = [part], {part}
    while stack:
        for n in users[stack.pop()]:
            if n is update or comes_of(n, update):
                return True
            if isinstance(n.op, Elementwise | View | Gather) and n.out not in seen:
                seen.add(n.out)
                stack.append(n.out)
    return False


def comes_of(node: Node, on: Node) -> bool:
    """Whether `node` needs `on`."""
    stack, seen = [node], {node}
    while stack:
        for v in stack.pop().args:
            n = v.node
            if n is on:
                return True
            if n is not None and n.serial > on.serial and n not in seen:
                seen.add(n)
                stack.append(n)
        if len(seen) > FAR:
            return True
    return False
