"""Which values live in memory; every other value is computed where it is read.

outputs       and whatever the caller forces
reductions    and what no expression can compute: products, prefixes, scatters, nodes of the host
operands      that their reader can read from memory only; of loops what these are a part of
shared        elementwise values of several readers, unless they are cheap
repeated      such values that a reader would compute again for each of its outer points
long chains   every so many nodes
channels      of depthwise convolutions: their products are stored with the channels last
pairs         their kernel stores two side by side, which no reader of one of them does
running sums  what a sum has so far, where the next summand comes much later: all of them would wait
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from heapq import heapify, heappop, heappush

from ..ir.graph import Graph, Node, Value
from ..ir.types import ALIGNMENT
from ..kernel.costs import CHEAP
from ..ops.contract import DotGeneral
from ..ops.cumulative import Cumulative
from ..ops.elementwise import Add
from ..ops.family import Computed, Elementwise, Reduce
from ..ops.gather import Scatter
from ..ops.nested.bodies import Control
from ..ops.phases import reads_windows
from ..ops.transferred import Transferred
from ..ops.view import Broadcast, Concatenate, Interleave, Permute, Reshape, Slice, unshaped
from .emission import plain_operand, run_of_operand
from .straight import Straight

PIECES = 64
"""Operands of a view that may be computed where it is read: more are copied from memory."""
CHAIN = 48
"""Nodes in a chain before it is cut."""
LEAST_RUN = 32
"""Steps that are packed at once."""
WAITING = 1024
"""Elements from which on it counts that they wait for a sum."""


class Roots:
    """`nodes`: those whose values are in memory, in order; `stored`: all that is there."""

    def __init__(self, graph: Graph, forced: Set[Value], host: Set[Node]) -> None:
        self.graph, self.host = graph, host
        constants = (v for n in graph.nodes if n.op.constant for v in n.values)
        self.memory = {*graph.inputs, *constants}
        self.users = graph.users()
        self.depth = self.depths()
        self.running = self.running_sums()
        self.buckets = self.put_together()
        self.required = {*graph.outputs, *forced, *self.operands(), *self.running}
        self.required |= {v for n in self.buckets for v in (n.out, *map(unshaped, n.args))}
        self.readers = readers_of_views(graph, self.users)
        self.weight = dict.fromkeys(self.memory, 0)  # multiply-adds since the last value in memory
        self.length = dict(self.weight)  # and nodes
        self.stored = set(self.memory)
        for n in graph.nodes:
            self.decide(n)

    def depths(self) -> dict[Value, int]:
        """How many nodes that no kernel of several computes one needs, one after the other."""
        found = dict.fromkeys(self.graph.inputs, 0)
        for n in self.graph.nodes:
            new = max((found[a] for a in n.args), default=0)
            apart = not self.fusible(n) and not n.op.constant
            found |= dict.fromkeys(n.values, new + apart)
        return found

    def running_sums(self) -> set[Value]:
        """The sums so far of which the next summand comes later.

        Of these the last one is large, or made of what is: as with gradients of a weight that
        is used often. A product that is read for that alone has the sum written in its place.
        """
        users, depth = self.users, self.depth

        def large(v: Value) -> bool:
            while v.node is not None and isinstance(v.node.op, Permute | Reshape | Reduce):
                if v.type.size >= WAITING:
                    return True
                (v,) = v.node.args
            alone = v.node is not None and not self.fusible(v.node) and len(users[v]) == 1
            return alone or v.type.size >= WAITING

        found: set[Value] = set()
        for n in self.graph.nodes:
            if not isinstance(n.op, Add) or n.out in self.graph.outputs or len(users[n.out]) != 1:
                continue
            (reader,) = users[n.out]
            if isinstance(reader.op, Add):
                later = depth[reader.out] > depth[n.out] > 0
                if later and large(max(n.args, key=depth.__getitem__)):
                    found.add(n.out)
        return found

    def operands(self) -> set[Value]:
        """Values that their readers can read from memory only."""
        out: set[Value] = set()
        users = self.users
        for n in self.graph.nodes:
            if isinstance(n.op, DotGeneral):
                out |= set(map(product_operand, n.args, n.op.contracting))
            elif isinstance(n.op, Concatenate) and len(n.args) <= PIECES:
                out |= {v for a in n.args for v in [turned_product(a)] if v}
            elif isinstance(n.op, Permute) and len(users[n.args[0]]) == 1:
                out |= {n.out} if batches_last(n.op, n.args[0]) else set[Value]()
            elif isinstance(n.op, Computed):
                out |= set(n.op.in_memory(n.args))
            elif isinstance(n.op, Straight):
                out |= set(map(base, n.args))
            elif isinstance(n.op, (Cumulative, Scatter)) and n not in self.host:
                continue
            elif n.op.controls and n not in self.host:
                out |= {v for v, _ in self.read_by(n)}
            elif not self.fusible(n) or (n.op.costless and len(n.args) > PIECES):
                out |= set(n.args)
        return out

    def put_together(self) -> set[Node]:
        """What is sent to other processes as one, and what arrives in parts: every piece is made,
        or arrives, in its place there, and nothing is computed in passing."""

        def arrives(v: Value) -> bool:
            return v.node is not None and isinstance(v.node.op, Transferred)

        def sent(v: Value) -> bool:
            found = self.users[v]
            views = [n.out for n in found if isinstance(n.op, Reshape)]
            return any(isinstance(n.op, Transferred) for n in found) or any(map(sent, views))

        return {
            n
            for n in self.graph.nodes
            if isinstance(n.op, Concatenate)
            and n.op.starts(tuple(a.type for a in n.args))
            and (all(map(arrives, n.args)) or sent(n.out))
        }

    def read_by(self, node: Node) -> list[tuple[Value, int]]:
        """What a loop or a branch reads of memory for each operand, and from which byte on.

        All but carries may be parts of other values; those may be written over.
        """
        assert isinstance(node.op, Control)
        kinds = node.op.kinds(len(node.args))
        return [
            self.part(v) if kind in ("constant", "sequence", "slab") else (v, 0)
            for v, kind in zip(node.args, kinds, strict=True)
        ]

    def part(self, value: Value) -> tuple[Value, int]:
        """The value whose bytes from some place on are those of `value`.

        That is in memory anyway, or no larger.
        """
        found, v, at = (value, 0), value, 0
        while v.node is not None and isinstance(v.node.op, Reshape | Slice):
            start = view_offset(v.node.op, v.node.args[0])
            if start is None:
                break
            v, at = v.node.args[0], at + start
            there = v in self.memory or (v.node is not None and not self.fusible(v.node))
            if at % ALIGNMENT == 0 and (there or v.type.size == value.type.size):
                found = v, at
        return found

    @property
    def nodes(self) -> list[Node]:
        """The roots, in order."""
        return list(filter(self.is_root, self.graph.nodes))

    def decide(self, n: Node) -> bool:
        """Notes whether a node is a root, by what its operands are; whether anything is new."""
        if n.op.constant:
            return False
        w = sum(self.weight[a] for a in n.args)
        d = 1 + max((self.length[a] for a in n.args), default=0)
        root = not self.fusible(n) or isinstance(n.op, Reduce | Interleave) or d > CHAIN
        if isinstance(n.op, Elementwise):
            w += n.op.weight
            readers = self.readers.get(n.out, ())
            repeated = len(readers) > 1 or any(repeats(u, self.users) for u in readers)
            root |= w > CHEAP and repeated
        root |= not self.required.isdisjoint(n.values)
        w, d = (0, 0) if root else (w, d)
        first = n.values[0]
        same = self.is_root(n) == root
        same &= self.weight.get(first) == w and self.length.get(first) == d
        self.weight |= dict.fromkeys(n.values, w)
        self.length |= dict.fromkeys(n.values, d)
        if root:
            self.stored.update(n.values)
        else:
            self.stored.difference_update(n.values)
        return not same

    def force(self, values: Set[Value]) -> set[Node]:
        """Puts values into memory too; the roots whose kernels change."""
        self.required |= values
        waiting = [(v.node.serial, v.node) for v in values if v.node]
        heapify(waiting)
        changed: set[Node] = set()
        last = None
        while waiting:
            _, n = heappop(waiting)
            if n is last:
                continue
            last, before = n, self.is_root(n)
            if self.decide(n):
                for u in dict.fromkeys(u for v in n.values for u in self.users[v]):
                    heappush(waiting, (u.serial, u))
            if self.is_root(n) != before:
                changed.add(n)
        return self.computing(changed)

    def computing(self, nodes: Set[Node]) -> set[Node]:
        """The roots among `nodes`, and those whose kernels read or compute them."""
        seen: set[Node] = set()
        stack = list(nodes)
        while stack:
            n = stack.pop()
            if n not in seen:
                seen.add(n)
                if n in nodes or not self.is_root(n):
                    stack += (u for v in n.values for u in self.users[v])
        return {n for n in seen if self.is_root(n)}

    def is_root(self, node: Node) -> bool:
        return not node.op.constant and node.values[0] in self.stored

    def fusible(self, node: Node) -> bool:
        """Whether a kernel of several nodes can compute the node."""
        return node.op.fuses and node not in self.host

    def computed_by(self, root: Node) -> tuple[Node, ...]:
        """The nodes that a kernel computes for `root`, itself last."""
        seen: dict[Node, None] = {}
        stack = [root]
        while stack:
            n = stack.pop()
            if n not in seen:
                seen[n] = None
                stack += [a.node for a in n.args if a.node and a not in self.stored]
        return tuple(reversed(seen))


def readers_of_views(
    graph: Graph, users: Mapping[Value, Sequence[Node]]
) -> dict[Value, tuple[Node, ...]]:
    """The nodes that read each value: those of a view of it, where it has several.

    Of more than two, two.
    """
    found: dict[Value, tuple[Node, ...]] = {}
    for n in reversed(graph.nodes):
        for v in n.values:
            read: dict[Node, None] = {}
            for u in users[v]:
                behind = found[u.out] if u.op.costless else ()
                read |= dict.fromkeys(behind if len(behind) > 1 else (u,))
            found[v] = tuple(read)[:2]
    return found


def repeats(node: Node, users: Mapping[Value, Sequence[Node]]) -> bool:
    """Whether a view repeats its operand along an axis outside of a loop over one of its own."""
    stack = [node]
    while stack:
        n = stack.pop()
        if isinstance(n.op, Permute | Reshape):
            stack += users[n.out]
        elif isinstance(n.op, Broadcast) and repeats_outside(n, n.op, users):
            return True
    return False


def repeats_outside(node: Node, op: Broadcast, users: Mapping[Value, Sequence[Node]]) -> bool:
    """Whether a broadcast does.

    Axes that a reader reduces over are inside of all others; else the last one is.
    """
    long = [d for d, n in enumerate(op.shape) if n > 1]
    new = {d for d in long if d in op.axes}
    own = [d for d in long if d not in new]
    readers = [r for u in users[node.out] for r in (u, *(x for v in u.values for x in users[v]))]
    for r in readers:
        if isinstance(r.op, Reduce) and r.args[0].shape == op.shape:
            inside = set(r.op.axes)
            if not new <= inside and not inside.isdisjoint(own):
                return True
    return bool(new) and bool(own) and min(new) < max(own)


def view_offset(op: Reshape | Slice, x: Value) -> int | None:
    """The byte of `x` from which on its view is all that follows, if it is that."""
    if isinstance(op, Reshape):
        return 0
    whole = x.shape[1:] == op.stop[1:] and not any(op.start[1:])
    if not whole or set(op.step) != {1} or not x.shape[0]:
        return None
    return op.start[0] * (x.type.nbytes // x.shape[0])


def product_operand(value: Value, contracted: Sequence[int]) -> Value:
    """What a product must find in memory: of windows their array; what they are multiplied with is
    a copy, if it is read in runs of a few steps."""
    found = base(value)
    if len(contracted) < 2 or reads_windows(value):
        return found
    steps = math.prod(value.shape[d] for d in contracted)
    return found if run_of_operand(value, found, contracted) >= min(steps, LEAST_RUN) else value


def turned_product(value: Value) -> Value | None:
    """The permuted product of windows that a piece of a concatenation is: it is stored as such, so
    that the pieces are read where their neighbours are."""
    while value.node is not None and isinstance(value.node.op, Reshape):
        (value,) = value.node.args
    if value.node is None or not isinstance(value.node.op, Permute):
        return None
    of = value.node.args[0].node
    windowed = of and isinstance(of.op, DotGeneral) and len(of.op.contracting[0]) > 1
    return value if windowed else None


def batches_last(op: Permute, product: Value) -> bool:
    """Whether the batches of a product of windows, as the channels of a depthwise convolution are,
    lie side by side in its permuted result, as they do in its operands: it is stored as such."""
    of = product.node and product.node.op
    if not isinstance(of, DotGeneral) or len(of.contracting[0]) < 2:
        return False
    long = [d for d in op.axes if product.shape[d] > 1]
    return bool(long) and long[-1] < len(of.batching[0])


def base(value: Value) -> Value:
    """What a product must find in memory: the deepest value of which `value` is a plain view."""
    v = found = value
    while v.node is not None and v.node.op.costless and len(v.node.args) == 1:
        v = v.node.args[0]
        found = v if plain_operand(value, v) else found
    return found
