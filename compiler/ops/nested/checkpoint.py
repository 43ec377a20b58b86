"""A region whose derivative keeps little of it and computes the rest again.

A recomputation that reads what the first computation read would be merged with it, or run as early
as it: then nothing would be saved. So it reads its operands through `after(operand, late)`, where
`late` are the operands that the derivative waits for, tangents or cotangents.
Source: Griewank and Walther, Algorithm 799: Revolve, 2000 (recomputation); Chen, Xu, Zhang and
Guestrin, Training deep nets with sublinear memory cost, 2016.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply_all
from ...ir.source import sourced
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph
from ...transform import batch as batching
from ...transform.interpreter import interpret
from ...transform.jvp import pushforward
from ...transform.split import dependents, divided
from ...transform.transpose import pullback
from ..contract import DotGeneral
from ..convolution import Convolution
from ..elementwise import Named, after, mul
from ..source import Constant
from ..transcendental import cos, sin
from .bodies import batched_with, conditional_body, fresh
from .custom import alone

Policy = tuple[Any, ...]
"""A name of `SAVED`, then names of values, or policies."""


class Checkpoint(Op):
    """The outputs of `body`; of its values the derivative keeps those that `policy` lets it.

    The last `late` operands are what the others are read after by everything that does not depend
    on the last ones; where the region is not `ordered` they are read as they are.
    """

    body: Graph
    policy: Policy
    late: int
    ordered: bool

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        inputs, outputs = self.body.types
        if args != inputs or not 0 <= self.late <= len(args):
            raise ProgramError(
                f"checkpoint: operands {spelled(inputs) or 'none'} are required, the late ones "
                f"among them, got {spelled(args) or 'none'}, {self.late} late"
            )
        check_policy(self.policy)
        return outputs

    def reference(self, *args: np.ndarray) -> Any:
        return alone(interpret(self.body, *args))

    def inlined(self, node: Node) -> tuple[Value, ...]:
        count = len(node.args) - self.late
        if not self.late or not self.ordered:
            return inline_graph(self.body, node.args)
        last = node.args[count:]
        waiting = dependents(self.body, [i >= count for i in range(len(node.args))])
        new = dict(zip(self.body.inputs, node.args, strict=True))
        held = {v: after(new[v], *last) for v in self.body.inputs[:count]}
        for n in self.body.nodes:
            again = waiting.isdisjoint(n.values)
            given = (held[a] if again and a in held else new[a] for a in n.args)
            with sourced(n.source):
                new.update(zip(n.values, apply_all(n.op, *given), strict=True))
                if isinstance(n.op, Constant):
                    held[n.out] = after(new[n.out], *last)
        return tuple(new[o] for o in self.body.outputs)

    # ---- derivatives

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """The region of results and tangents; these are late if anything is."""
        given = [t for t in tangents if t is not None]
        inputs = fresh(self.body.inputs)
        moving = [None if t is None else Value(t.type) for t in tangents]
        outs, slopes = pushforward(self.body, inputs, moving)
        if all(s is None for s in slopes):
            return (None,) * len(node.values)
        body = Graph.of(
            f"{self.body.name}_jvp",
            (*inputs, *(t for t in moving if t)),
            (*outs, *(s for s in slopes if s)),
        )
        late = self.late and self.late + len(given)
        found = apply_all(dataclasses.replace(self, body=body, late=late), *node.args, *given)
        moved = iter(found[len(outs) :])
        return *found[: len(outs)], *(None if s is None else next(moved) for s in slopes)

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """A region of what is early, which gives what the policy saves of it too, and one of what
        is late, which computes everything else of that again."""
        body = divided(self.body, marked)
        parts = Parts(body, marked, self.policy)
        unmarked = [i for i, yes in enumerate(marked) if not yes]
        count = len(node.args) - self.late
        early = apply_all(
            dataclasses.replace(
                self, body=parts.early, late=sum(i >= count for i in unmarked)
            ),
            *(node.args[i] for i in unmarked),
        )  # fmt: skip
        saved = early[len(early) - len(parts.saved) :]
        last = [a for a, yes in zip(node.args, marked, strict=True) if yes]
        again = dataclasses.replace(self, body=parts.late, late=len(last))
        read = [node.args[i] for i in parts.read]
        late = iter(apply_all(again, *read, *saved, *last))
        first = iter(early)
        waits = tuple(o in parts.waiting for o in body.outputs)
        return tuple(next(late if yes else first) for yes in waits), waits

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """The transposed region, after the cotangents."""
        fixed = [a for a, yes in zip(node.args, linear, strict=True) if not yes]
        given = [ct for ct in cts if ct is not None]
        inputs = fresh(fixed)
        own = [None if ct is None else Value(ct.type) for ct in cts]
        found = pullback(self.body, linear, inputs, own)
        body = Graph.of(
            f"{self.body.name}_transpose",
            (*inputs, *(ct for ct in own if ct)),
            [ct for ct in found if ct is not None],
        )
        late = self.late and len(given)
        op = dataclasses.replace(self, body=body, late=late)
        made = iter(apply_all(op, *fixed, *given))
        every = iter([None if ct is None else next(made) for ct in found])
        return tuple(next(every) if yes else None for yes in linear)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        body, _ = batching.batch(self.body, batched, size)
        return apply_all(dataclasses.replace(self, body=body), *args)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        op = dataclasses.replace(self, body=conditional_body(self.body, 0))
        return batched_with(op, 0, node, args, batched, size, on)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y = Value(Type("f64", (3,))), Value(Type("f64", (3,)))
        body = Graph.of("f", (x, y), (mul(sin(mul(x, cos(y))), y),))
        types = (x.type, y.type)
        for policy in (("nothing_saveable",), ("everything_saveable",)):
            yield Sample(cls(body, policy, 0, True), types)
        yield Sample(cls(body, ("save_only_these_names", "a"), 1, True), types)
        yield Sample(
            cls(body, ("nothing_saveable",), 3, True), types,
            error="checkpoint: operands f64[3] and f64[3] are required, the late ones among them",
        )  # fmt: skip
        yield Sample(
            cls(body, ("all",), 0, True), types, error="checkpoint: one of everything_saveable, "
        )


class Parts:
    """The two halves of a body: `early`, which gives the unmarked outputs and the `saved` values,
    and `late`, which reads the inputs at `read`, the saved values and the marked inputs."""

    def __init__(self, body: Graph, marked: Sequence[bool], policy: Policy) -> None:
        self.waiting = dependents(body, marked)
        self.policy = policy
        self.saved: dict[Value, Value] = {}
        self.rerun: set[Node] = set()
        given: list[Value] = []  # unmarked inputs that the late half reads
        stack = [o for o in body.outputs if o in self.waiting]
        seen: set[Value] = set()
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v.node is None:
                given += [] if v in self.waiting else [v]
            elif v not in self.waiting and v.node.args and saves(policy, v.node):
                self.saved[v] = Value(v.type)
            else:
                self.rerun.add(v.node)
                stack += v.node.args
        place = {v: i for i, v in enumerate(body.inputs)}
        self.read = sorted(place[v] for v in given)
        self.saved = {v: self.saved[v] for v in body.values if v in self.saved}
        first = [o for o in body.outputs if o not in self.waiting]
        inputs = [v for v, yes in zip(body.inputs, marked, strict=True) if not yes]
        self.early = Graph.of(f"{body.name}_early", inputs, (*first, *self.saved))
        self.late = self.second(body, marked)

    def second(self, body: Graph, marked: Sequence[bool]) -> Graph:
        """The late half."""
        reads = [body.inputs[i] for i in self.read]
        moving = [v for v, yes in zip(body.inputs, marked, strict=True) if yes]
        new = {v: Value(v.type) for v in (*reads, *moving)}
        inputs = (*(new[v] for v in reads), *self.saved.values(), *(new[v] for v in moving))
        new |= self.saved
        for node in body.nodes:
            if node in self.rerun:
                with sourced(node.source):
                    made = apply_all(node.op, *(new[a] for a in node.args))
                new = dict(zip(node.values, made, strict=True)) | new
        outputs = [new[o] for o in body.outputs if o in self.waiting]
        return Graph.of(f"{body.name}_late", inputs, outputs)


# ---------------------------------------------------------------- policies

SAVED = (
    "everything_saveable",
    "nothing_saveable",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "save_only_these_names",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
)
"""The policies; after the last one stand two others, after those of names the names."""


def check_policy(policy: Policy) -> None:
    name, *rest = policy or ("",)
    if name not in SAVED:
        raise ProgramError(f"checkpoint: one of {', '.join(SAVED)} is required, got {name!r}")
    if name == "save_from_both_policies":
        for each in rest:
            check_policy(each)
    elif wrong := [x for x in rest if "names" not in name or not isinstance(x, str)]:
        raise ProgramError(f"checkpoint: names are required for {name}, got {wrong[0]!r}")


def saves(policy: Policy, node: Node) -> bool:
    """Whether the results of `node` may be kept."""
    name, *rest = policy
    tag = node.op.tag if isinstance(node.op, Named) else None
    match name:
        case "everything_saveable":
            return True
        case "dots_saveable":
            return isinstance(node.op, (DotGeneral, Convolution))
        case "dots_with_no_batch_dims_saveable":
            return isinstance(node.op, DotGeneral) and not node.op.batching[0]
        case "save_only_these_names":
            return tag in rest
        case "save_any_names_but_these":
            return tag is not None and tag not in rest
        case "save_anything_except_these_names":
            return tag not in rest
        case "save_from_both_policies":
            return any(saves(each, node) for each in rest)
    return False
