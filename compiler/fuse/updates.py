"""Updates in place: what they wait for, and elements of a sequence that a scan updates.

A row that is read of `x` and is needed beside, or after, `x.at[i].set(u)` is put into memory before
the update, which then need not keep `x` for it: a table of dynamic programming, rows that change
places, a stack from which a value is taken.

A scan that stacks elements of a sequence of which it changed a part, as one over layers does that
have a cache each, does so in the memory of the stack: the sequence is copied there before, which is
no work where it is there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..ir.graph import Graph, Node, Value
from ..kernel import Axis, Buffer, Kernel, Load, Stage, Store
from ..kernel.index import affine
from ..ops.family import Elementwise, View
from ..ops.gather import Gather, Scatter
from ..ops.nested.bodies import Control
from ..ops.nested.scan import Scan
from ..ops.source import Full
from ..ops.view import Slice
from .edges import Waits
from .waves import Pairs
from .work import Work

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


# ---------------------------------------------------------------- sequences


def updated_elements(op: Control) -> Pairs:
    """The inputs of a scan's body that are elements, each with the output that is an update of it,
    which is stacked."""
    if not isinstance(op, Scan):
        return ()
    sequences = op.body.inputs[op.consts + op.carries :]
    found: dict[int, int] = {}
    for o in range(op.carries, len(op.body.outputs)):
        v = out = op.body.outputs[o]
        while (x := before_update(v)) is not None:
            v = x
        if v is not out and v in sequences:
            found.setdefault(op.body.inputs.index(v), o)
    return tuple(found.items())


def before_update(v: Value) -> Value | None:
    """What a value is an update of, if it is one: of some elements, or of a part of each."""
    if v.node is None:
        return None
    if isinstance(v.node.op, Scatter):
        return v.node.args[0]
    inside = updated_elements(v.node.op) if isinstance(v.node.op, Control) else ()
    return next((v.node.args[i] for i, o in inside if o == v.index), None)


def copy_of(x: Value, y: Value) -> Work:
    """All of `x`, where `y` is."""
    place = affine({"i": 1})
    a, b = Buffer("x0", x.dtype, x.type.size), Buffer("y0", y.dtype, y.type.size)
    stage = Stage((), (Store(b, place, Load(a, place)),))
    return Work(Kernel("copy", (a, b), (Axis("i", b.size),), (stage,)), (x, y), 1, offsets=(0,))
