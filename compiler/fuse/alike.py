"""Equal groups are planned once.

What a kernel is follows from the ops of its nodes, from the types of what they read, and from which
operands are one value: groups that agree in these, as those of the blocks of a transformer do, are
one kernel of several works.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.graph import Node, Value
from ..ir.sizes import is_size
from ..ops.contract import DotGeneral
from ..ops.phases import reads_windows
from .emission import Work
from .groups import Group

Content = tuple[Any, ...]
"""Of a group: equal for those whose kernels are."""


@dataclass
class Alike:
    """What was found of groups, by their contents: whether they are kernels, and their works."""

    numbers: dict[Any, int] = field(default_factory=dict)
    kinds: dict[Node, int] = field(default_factory=dict)
    fits: dict[Content, bool] = field(default_factory=dict)
    works: dict[Content, Made] = field(default_factory=dict)

    def number(self, fact: Any) -> int:
        """A number for whatever compares equal."""
        return self.numbers.setdefault(fact, len(self.numbers))

    def kind(self, node: Node) -> int:
        """Of a node: its op, and the types around it."""
        if node not in self.kinds:
            types = (*(a.type for a in node.args), *node.types)
            windows = isinstance(node.op, DotGeneral) and reads_windows(node.args[0])
            sized = [is_size(n) for t in types for n in t.shape]  # which are equal by chance
            self.kinds[node] = self.number((node.op.key, types, windows, *sized))
        return self.kinds[node]

    def content(self, group: Group, wanted: Container[Value]) -> tuple[Content, tuple[Value, ...]]:
        """What a group is that stores `wanted`; and its values, in the order of that."""
        own, reads = frozenset(group.values), group.reads
        place = {v: k for k, v in enumerate(group.values)}
        out = [int(v in wanted) for v in group.values]
        nodes = list(group.roots)
        seen = set(nodes)
        for n in nodes:  # which grow
            out.append(self.kind(n))
            for a in n.args:
                k = place.setdefault(a, len(place))
                if a not in own and (a in reads or a.node is None):
                    k = ~k  # from memory
                elif a.node not in seen:
                    assert a.node is not None
                    seen.add(a.node)
                    nodes.append(a.node)
                out.append(k)
        shape = group.domain, len(group.nodes), group.product is not None, group.order
        return (self.number((*shape, *map(is_size, group.domain.shape))), *out), tuple(place)


@dataclass(frozen=True)
class Made:
    """The `works` of the first group of a content, of `values`; none where they need `missing`."""

    values: tuple[Value, ...]
    works: tuple[Work, ...] = ()
    missing: Value | None = None

    def of(self, values: tuple[Value, ...]) -> Made:
        """The same of another group."""
        by = dict(zip(self.values, values, strict=True))
        works = tuple(replace(w, values=stand_ins(w.values, by)) for w in self.works)
        return Made(values, works, self.missing and by[self.missing])


def stand_ins(values: Iterable[Value], by: dict[Value, Value]) -> tuple[Value, ...]:
    """Others in place of values; what no group has is made for these works alone."""
    return tuple(by.setdefault(v, Value(v.type)) for v in values)
