"""Functions with derivatives of the user's: their nodes hold the function and its rule as graphs.

A rule may call the function that it belongs to, as in d tanh(x) = (1 - tanh(x)^2) dx, and of the
second derivative the rule shall hold again. A graph cannot contain itself, so such a call is a node
whose rule is a number: that many rules out is the node that is meant. When a rule is applied, the
op stands there instead (`unfolded_rule`), as a recursive type is unfolded.
Source: de Bruijn, Lambda calculus notation with nameless dummies, 1972 (the numbers).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ...ir.errors import CompilerError, ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply_all
from ...ir.source import location
from ...ir.symbolic import repeated, zeros
from ...ir.types import Type, spelled
from ...ir.walk import inline_graph, rebuild
from ...transform.batch import batch
from ...transform.interpreter import interpret
from ...transform.jvp import pushforward
from ...transform.rows import cleared
from ...transform.split import split
from ...transform.transpose import pullback, transpose
from ..elementwise import cast, mul
from ..reduce import reduce_sum
from ..source import full
from ..transcendental import cos, sin
from ..view import reshape, slice_
from .bodies import batched_with, conditional_body

Rule = Graph | int
"""A graph; or the rule of the op that is so many rules out."""


class Custom(Op, abstract=True):
    """The outputs of `body`; of the operands the first `args` may be differentiated.

    The others are what the function and its rule close over; every graph takes all of them.
    """

    rules: ClassVar[tuple[str, ...]] = ()

    body: Graph
    args: int

    @property
    def level(self) -> int | None:
        """How many rules out the op is whose rule is meant; None where the rule is at hand."""
        rule = self.params[self.rules[0]]
        return rule if isinstance(rule, int) else None

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        inputs, outputs = self.body.types
        if args != inputs:
            raise ProgramError(
                f"{self.name}: operands {spelled(inputs) or 'none'} are required, "
                f"got {spelled(args) or 'none'}"
            )
        self.check()
        return outputs

    def check(self) -> None:
        """Requires graphs that fit each other."""

    def fits(
        self, what: str, graph: Graph, inputs: tuple[Type, ...], outputs: tuple[Type, ...]
    ) -> None:
        """Requires a rule of these types."""
        wanted = inputs, outputs
        if graph.types != wanted:
            required, got = (
                f"({', '.join(map(str, i))}) -> ({', '.join(map(str, o))})"
                for i, o in (wanted, graph.types)
            )
            raise ProgramError(f"{self.name}: a {what} {required} is required, got {got}")

    def floats(self) -> tuple[Type, ...]:
        """The types of the operands that may be differentiated and have tangents."""
        return tuple(t for t in self.body.types[0][: self.args] if t.is_inexact)

    def slopes(self) -> tuple[Type, ...]:
        """The types of the results that have tangents."""
        return tuple(t for t in self.body.types[1] if t.is_inexact)

    def reference(self, *args: np.ndarray) -> Any:
        return alone(interpret(self.body, *args))

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The results, where no derivative will be taken any more."""
        return inline_graph(self.body, node.args)

    def tangents(self, node: Node, tangents: tuple[Value | None, ...]) -> list[Value]:
        """Those of the float operands; refuses others, which no rule is told of."""
        what = self.body.name
        if any(t is not None for t in tangents[self.args :]):
            raise ProgramError(
                f"{self.name}: {what} is differentiated in a value that it closes over, "
                "which its rule is not told of",
                location(node.source),
                f"pass the value to {what} as an argument, "
                f"or y = wl.stop_gradient(y) of it before {what}",
            )
        if self.level is not None:
            raise ProgramError(
                f"{self.name}: the rule of {what} differentiates {what} itself",
                location(node.source),
            )
        pairs = zip(node.args[: self.args], tangents, strict=False)
        return [t or zeros(a) for a, t in pairs if a.type.is_inexact]

    def moved(self, slopes: Sequence[Value]) -> tuple[Value | None, ...]:
        """A tangent for every result."""
        found = iter(slopes)
        return tuple(next(found) if t.is_inexact else None for t in self.body.types[1])

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        body = batch(self.body, batched, size, (True,) * len(node.values))[0]
        if self.level is not None:
            return apply_all(dataclasses.replace(self, body=body), *args)
        marks, wider = batched, None
        while True:
            body = batch(self.body, marks, size, (True,) * len(node.values))[0]
            rules = self.batched(marks, size)
            wider = widened_marks(dataclasses.replace(self, **rules), self.body, marks)
            if wider == marks:
                break
            marks = wider
        rules = {k: batched_rule(graph, self.body, body, size) for k, graph in rules.items()}
        made = dataclasses.replace(self, body=body, **rules)
        return apply_all(made, *repeated_args(args, batched, marks, size))

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """What counts is known to every graph, as something that the function closes over."""
        rules = {} if self.level is not None else self.rules_within()
        op = dataclasses.replace(self, body=conditional_body(self.body, len(args)), **rules)
        return batched_with(op, len(args), node, args, batched, size, on)

    def rules_within(self) -> dict[str, Graph]:
        """The rules with one more operand behind the others, a bool, whether anything counts."""
        raise NotImplementedError

    def batched(self, marks: tuple[bool, ...], size: int) -> dict[str, Graph]:
        """The rules where the marked operands are batched."""
        raise NotImplementedError

    def moving(self, marks: Sequence[bool]) -> tuple[bool, ...]:
        """Of the marks, those of the operands that have tangents."""
        types = self.body.types[0][: self.args]
        return tuple(yes for yes, t in zip(marks, types, strict=False) if t.is_inexact)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        fixed = [a for a, yes in zip(node.args, linear, strict=True) if not yes]
        found = iter(pullback(self.body, linear, fixed, cts))
        return tuple(next(found) if yes else None for yes in linear)


class CustomJvp(Custom):
    """The outputs of `body`, with the tangents of `rule`.

    rule: (operands, tangents of floats among the first `args`) -> (results, tangents of float ones)
    """

    rules = ("rule",)

    rule: Rule

    def check(self) -> None:
        inputs, outputs = self.body.types
        if isinstance(self.rule, Graph):
            given, found = (*inputs, *self.floats()), (*outputs, *self.slopes())
            self.fits("rule", self.rule, given, found)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if all(t is None for t in tangents):
            return (None,) * len(node.values)
        given = self.tangents(node, tangents)
        found = inline_graph(unfolded_rule(self, "rule"), (*node.args, *given))
        count = len(node.values)
        return *found[:count], *self.moved(found[count:])

    def rules_within(self) -> dict[str, Graph]:
        assert isinstance(self.rule, Graph)
        return {"rule": conditional_body(self.rule, len(self.body.inputs))}

    def batched(self, marks: tuple[bool, ...], size: int) -> dict[str, Graph]:
        rule = self.rule
        assert isinstance(rule, Graph)
        given = (*marks, *self.moving(marks))
        return {"rule": batch(rule, given, size, (True,) * len(rule.outputs))[0]}

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, n, dx = (Value(Type(d, (3,))) for d in ("f64", "i64", "f64"))
        c = cast(n, "f64")
        body = Graph.of("f", (x, n), (sin(mul(x, c)),))
        rule = Graph.of("rule", (x, n, dx), (sin(mul(x, c)), mul(dx, mul(c, cos(mul(x, c))))))
        types = (x.type, n.type)
        yield Sample(cls(body, 1, rule), types)  # closes over n
        y, dy = Value(x.type), Value(x.type)
        itself = apply_all(cls(Graph.of("g", (y,), (sin(y),)), 1, 0), y)
        again = Graph.of("rule", (y, dy), (*itself, mul(dy, cos(y))))
        yield Sample(cls(Graph.of("g", (y,), (sin(y),)), 1, again), (y.type,))
        yield Sample(
            cls(body, 1, body), types,
            error="custom_jvp: a rule (f64[3], i64[3], f64[3]) -> (f64[3], f64[3]) is required",
        )  # fmt: skip
        yield Sample(
            cls(body, 1, rule), (x.type,), error="custom_jvp: operands f64[3] and i64[3] are"
        )


class CustomVjp(Custom):
    """The outputs of `body`, with the cotangents of `bwd`.

    fwd: operands -> (results, residuals)
    bwd: (operands after the first `args`, residuals, cotangents of float results) -> cotangents of
    the floats among the first `args`
    """

    rules = ("fwd", "bwd")

    fwd: Rule
    bwd: Rule

    def check(self) -> None:
        inputs, outputs = self.body.types
        if isinstance(self.fwd, Graph) and isinstance(self.bwd, Graph):
            kept = self.fwd.types[1][len(outputs) :]
            self.fits("fwd", self.fwd, inputs, (*outputs, *kept))
            given = (*inputs[self.args :], *kept, *self.slopes())
            self.fits("bwd", self.bwd, given, self.floats())

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if all(t is None for t in tangents):
            return (None,) * len(node.values)
        given = self.tangents(node, tangents)
        found = inline_graph(unfolded_rule(self, "fwd"), node.args)
        count = len(node.values)
        constants = (*node.args[self.args :], *found[count:])
        slopes: tuple[Value, ...] = ()
        if self.slopes():
            backward = Adjoint(unfolded_rule(self, "bwd"), len(constants))
            slopes = apply_all(backward, *constants, *given)
        return *found[:count], *self.moved(slopes)

    def rules_within(self) -> dict[str, Graph]:
        assert isinstance(self.fwd, Graph) and isinstance(self.bwd, Graph)
        count = len(self.body.inputs)
        return {
            "fwd": conditional_body(self.fwd, count),
            "bwd": adding_within(self.bwd, count - self.args),
        }

    def batched(self, marks: tuple[bool, ...], size: int) -> dict[str, Graph]:
        assert isinstance(self.fwd, Graph) and isinstance(self.bwd, Graph)
        results = len(self.body.outputs)
        kept = len(self.fwd.outputs) - results
        fwd, wide = batch(self.fwd, marks, size, (True,) * results + (False,) * kept)
        given = (*marks[self.args :], *wide[results:], *(True for _ in self.slopes()))
        bwd, wide = batch(self.bwd, given, size)
        return {"fwd": fwd, "bwd": summed_over_batch(bwd, wide, self.moving(marks), size)}

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y, ct = (Value(Type("f64", (3,))) for _ in range(3))
        body = Graph.of("f", (x, y), (mul(sin(x), y),))
        fwd = Graph.of("fwd", (x, y), (mul(sin(x), y), x, y))
        bwd = Graph.of("bwd", (x, y, ct), (mul(ct, mul(cos(x), y)), mul(ct, sin(x))))
        types = (x.type, y.type)
        yield Sample(cls(body, 2, fwd, bwd), types)
        yield Sample(
            cls(body, 2, fwd, body), types,
            error="custom_vjp: a bwd (f64[3], f64[3], f64[3]) -> (f64[3], f64[3]) is required",
        )  # fmt: skip


class Adjoint(Op):
    """The linear map whose transpose is `body`: x -> y where body(c, ct) = x' ct.

    Its operands are the first `constants` inputs of `body`, then tangents of the types of its
    outputs; its results have the types of the other inputs. Reverse mode runs `body` alone; only
    forward mode needs it transposed, and therefore linear.
    """

    body: Graph
    constants: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        inputs, outputs = self.body.types
        wanted = (*inputs[: self.constants], *outputs)
        if args != wanted:
            raise ProgramError(
                f"adjoint: operands {spelled(wanted)} are required, got {spelled(args) or 'none'}"
            )
        found = inputs[self.constants :]
        if not found or not all(t.is_inexact for t in (*found, *outputs)):
            raise ProgramError(f"adjoint: a body of float tangents is required, got {self.body}")
        return found

    @property
    def forward(self) -> Graph:
        """The body transposed; a ProgramError where it is not linear."""
        linear = [i >= self.constants for i in range(len(self.body.inputs))]
        try:
            return transpose(self.body, linear)
        except (CompilerError, ProgramError) as error:
            said = str(error.args[0]).splitlines()[0]
            raise ProgramError(
                "custom_vjp: forward mode requires a bwd that is linear in its cotangents, "
                f"got {self.body.name}: {said}",
                location(next((n.source for n in self.body.nodes if n.source), None)),
                "wl.grad or wl.vjp, or wl.custom_jvp",
            ) from None

    def reference(self, *args: np.ndarray) -> Any:
        return alone(interpret(self.forward, *args))

    def inlined(self, node: Node) -> tuple[Value, ...]:
        return inline_graph(self.forward, node.args)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if all(t is None for t in tangents):
            return (None,) * len(node.values)
        if all(t is None for t in tangents[: self.constants]):
            moving = zip(node.args[self.constants :], tangents[self.constants :], strict=True)
            given = (t or zeros(a) for a, t in moving)
            return apply_all(self, *node.args[: self.constants], *given)
        return pushforward(self.forward, node.args, tangents)[1]

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        given = [ct or zeros(v) for ct, v in zip(cts, node.values, strict=True)]
        found = inline_graph(self.body, (*node.args[: self.constants], *given))
        every = (*(None,) * self.constants, *found)
        return tuple(ct if yes else None for ct, yes in zip(every, linear, strict=True))

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        known, moving = batched[: self.constants], batched[self.constants :]
        body, wide = batch(self.body, (*known, *(True for _ in node.values)), size)
        return apply_all(
            Adjoint(summed_over_batch(body, wide, moving, size), self.constants), *args
        )

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        op = Adjoint(adding_within(self.body, self.constants), self.constants + 1)
        return batched_with(op, self.constants, node, args, batched, size, on)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        c, ct = Value(Type("f64", (3,))), Value(Type("f64", (3,)))
        body = Graph.of("bwd", (c, ct), (mul(ct, cos(c)),))
        types = (c.type, c.type)
        yield Sample(cls(body, 1), types)
        yield Sample(cls(body, 1), types[:1], error="adjoint: operands f64[3] and f64[3] are")
        yield Sample(
            cls(body, 2), (c.type,) * 3, error="adjoint: a body of float tangents is required"
        )


def alone(results: tuple[np.ndarray, ...]) -> Any:
    """As a reference gives results: a single one as it is."""
    return results[0] if len(results) == 1 else results


# ---------------------------------------------------------------- rules that are not linear


def refuse_rules(graph: Graph) -> None:
    """Refuses a rule of forward mode in a graph, or in one that it holds, that has no transpose."""
    for node in graph.nodes:
        if isinstance(node.op, CustomJvp) and node.op.level is None:
            refuse_rule(node.op)
        for inner in node.op.graphs:
            refuse_rules(inner)


def refuse_rule(op: CustomJvp) -> None:
    rule = unfolded_rule(op, "rule")
    count, results = len(op.body.inputs), len(op.body.outputs)
    marked = [i >= count for i in range(len(rule.inputs))]
    _, linear = split(rule, marked, [k >= results for k in range(len(rule.outputs))])
    kept = len(linear.inputs) - sum(marked)
    try:
        transpose(linear, [i >= kept for i in range(len(linear.inputs))])
    except (CompilerError, ProgramError) as error:
        said = str(error.args[0]).splitlines()[0].removesuffix(", in a transpose rule")
        said = said.removeprefix("transpose: ")
        lines = (n.source for n in linear.nodes if n.source and f"'{n.op.name}'" in said)
        raise ProgramError(
            "custom_jvp: reverse mode requires a rule that is linear in its tangents, "
            f"got {rule.name} of {op.body.name}: {said}",
            location(next(lines, next((n.source for n in rule.nodes if n.source), None))),
            "wl.jvp or wl.jacfwd, or wl.custom_vjp",
        ) from None


# ---------------------------------------------------------------- batches


def summed_over_batch(
    graph: Graph, wide: Sequence[bool], wanted: Sequence[bool], size: int
) -> Graph:
    """The graph with the `wanted` outputs batched and the others summed over the batch.

    The cotangent of what all applications share is the sum of theirs.
    """

    def found(out: Value, is_wide: bool, want: bool) -> Value:
        (every,) = repeated((out,), (is_wide,), size)
        return every if want else reduce_sum(every, (0,))

    outputs = [found(*same) for same in zip(graph.outputs, wide, wanted, strict=True)]
    return Graph.of(graph.name, graph.inputs, outputs)


def adding_within(graph: Graph, at: int) -> Graph:
    """`conditional_body`; outputs are 0 where they do not count, and may be summed over a batch."""
    graph = conditional_body(graph, at)
    outputs = [cleared(graph.inputs[at], v) for v in graph.outputs]
    return Graph.of(graph.name, graph.inputs, outputs)


def repeated_args(
    args: Sequence[Value], batched: Sequence[bool], marks: Sequence[bool], size: int
) -> tuple[Value, ...]:
    """The operands, those of the `marks` repeated where they are not batched."""
    pairs = zip(args, batched, marks, strict=True)
    return repeated(args, [yes or not want for _, yes, want in pairs], size)


def batched_rule(graph: Graph, single: Graph, body: Graph, size: int) -> Graph:
    """The batched rule of a function whose `single` body became `body`: calls of the function take
    and give what that does."""
    marks = [a != b for a, b in zip(single.types[0], body.types[0], strict=True)]

    def change(op: Custom, args: tuple[Value, ...], depth: int) -> tuple[Value, ...]:
        assert op.level is not None
        if op.level > depth:
            return apply_all(op, *args)
        given = repeated_args(args, [a.type == t for a, t in zip(args, body.types[0], strict=True)],
                       marks, size)  # fmt: skip
        found = apply_all(dataclasses.replace(op, body=body), *given)
        alone = op.body.types[1] == single.types[1]
        return tuple(map(first_application, found)) if alone else found

    return calls_replaced(graph, 0, change)


def first_application(x: Value) -> Value:
    """One of equal applications; of none, zeros."""
    size, *shape = x.shape
    if not size:
        return full(0, Type(x.dtype, tuple(shape)))
    part = slice_(x, (0,) * x.type.ndim, (1, *shape))
    return reshape(part, shape)


def widened_marks(op: Custom, single: Graph, marks: tuple[bool, ...]) -> tuple[bool, ...]:
    """The marks, and those of what the rules of a batched op call their own function with."""
    for rule in op.rules:
        for node, depth in calls(op.params[rule], 0):
            if isinstance(node.op, Custom) and node.op.level == depth:
                types = zip(node.op.body.types[0], single.types[0], marks, strict=True)
                marks = tuple(yes or found != one for found, one, yes in types)
    return marks


# ---------------------------------------------------------------- functions in their own rules

Change = Callable[[Custom, tuple[Value, ...], int], tuple[Value, ...]]
"""The results of a call of a function whose rule stands so many rules around the call, or more."""


def unfolded_rule(op: Custom, rule: str) -> Graph:
    """The graph of a rule, with `op` in place of the calls of its own function."""
    graph = op.params[rule]
    assert isinstance(graph, Graph)

    def change(found: Custom, args: tuple[Value, ...], depth: int) -> tuple[Value, ...]:
        assert found.level is not None
        if found.level > depth:  # of a rule around `op`: one rule less is around it now
            return apply_all(levelled(found, found.level - 1), *args)
        return apply_all(raised(op, depth), *args)

    return calls_replaced(graph, 0, change)


def raised(op: Custom, by: int) -> Op:
    """`op` where it stands `by` rules deeper."""

    def change(found: Custom, args: tuple[Value, ...], depth: int) -> tuple[Value, ...]:
        assert found.level is not None
        return apply_all(levelled(found, found.level + by), *args)

    return op_calls_replaced(op, 0, change) if by else op


def levelled(op: Custom, level: int) -> Op:
    return dataclasses.replace(op, **dict.fromkeys(op.rules, level))


def calls_replaced(graph: Graph, depth: int, change: Change) -> Graph:
    """The graph with calls of functions that are `depth` rules out or more replaced."""
    if not any(calls(graph, depth)):
        return graph

    def replaced(node: Node, here: Node) -> tuple[Value, ...] | None:
        op = node.op
        if isinstance(op, Custom) and op.level is not None and op.level >= depth:
            return change(op, here.args, depth)
        inside = op_calls_replaced(op, depth, change)
        return None if inside is op else apply_all(inside, *here.args)

    return rebuild(graph, replaced)


def op_calls_replaced(op: Op, depth: int, change: Change) -> Op:
    """The op with the calls in its graphs replaced."""

    def new(x: Any, depth: int) -> Any:
        if isinstance(x, tuple):
            return tuple(new(y, depth) for y in x)
        return calls_replaced(x, depth, change) if isinstance(x, Graph) else x

    rules = op.rules if isinstance(op, Custom) else ()
    params = {k: new(v, depth + (k in rules)) for k, v in op.params.items()}
    same = all(v is op.params[k] for k, v in params.items())
    return op if same else dataclasses.replace(op, **params)  # pyright: ignore[reportArgumentType]


def calls(graph: Graph, depth: int) -> Iterator[tuple[Node, int]]:
    """The calls of functions that are `depth` rules out or more, each with the rules around it."""

    def found(x: Any, depth: int) -> Iterator[tuple[Node, int]]:
        if isinstance(x, tuple):
            for y in x:
                yield from found(y, depth)
        elif isinstance(x, Graph):
            yield from calls(x, depth)

    for node in graph.nodes:
        op = node.op
        if isinstance(op, Custom) and op.level is not None and op.level >= depth:
            yield node, depth
        rules = op.rules if isinstance(op, Custom) else ()
        for k, v in op.params.items():
            yield from found(v, depth + (k in rules))
