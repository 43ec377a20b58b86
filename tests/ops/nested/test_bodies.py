"""Ops that hold graphs use the passes on their bodies: shown by a call, the simplest one."""

import numpy as np
import pytest

from wonderland.compiler.ir.graph import Graph, Op, Value, apply_all
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ir.walk import inline_graph
from wonderland.compiler.ops import add, mul, sin
from wonderland.compiler.transform import jvp, linearize, split, transpose
from wonderland.compiler.transform.interpreter import interpret

F = Type("f64", (3,))


class Call(Op, abstract=True):
    """The outputs of `body`."""

    name = "called"
    body: Graph

    def type(self, *args: Type):
        return self.body.types[1]

    def reference(self, *args: np.ndarray):
        return interpret(self.body, *args)

    def jvp(self, node, tangents):
        moving = [t is not None for t in tangents]
        both = jvp.jvp(self.body, moving)
        found = apply_all(Call(both), *node.args, *(t for t in tangents if t is not None))
        results, slopes = found[: len(node.values)], iter(found[len(node.values) :])
        return *results, *(next(slopes) if v.type.is_inexact else None for v in results)

    def split(self, node, marked):
        waiting = split.dependents(self.body, marked)
        late = [o in waiting for o in self.body.outputs]
        first, second = split.split(self.body, marked, late)
        pairs = list(zip(node.args, marked, strict=True))
        early = apply_all(Call(first), *(a for a, yes in pairs if not yes))
        residuals = early[len(late) - sum(late) :]
        given = (*residuals, *(a for a, yes in pairs if yes))
        results = iter(early), iter(apply_all(Call(second), *given))
        return tuple(next(results[yes]) for yes in late), tuple(late)

    def transpose(self, node, cts, linear):
        given = (jvp.zeros(v) if c is None else c for c, v in zip(cts, node.values, strict=True))
        fixed = (a for a, yes in zip(node.args, linear, strict=True) if not yes)
        back = Call(transpose.transpose(self.body, linear))
        found = iter(apply_all(back, *fixed, *given))
        return tuple(next(found) if yes else None for yes in linear)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(Op.registry, "called", Call)


def pieces() -> tuple[Graph, Graph]:
    """A program that calls a body twice, and the same with the body in its place."""
    x, y, n = Value(F), Value(F), Value(Type("i64"))
    body = Graph.of("body", (x, y, n), (mul(sin(x), y), n, add(x, x)))
    inputs = Value(F), Value(F), Value(Type("i64"))

    def program(step) -> Graph:
        a, b, c = inputs
        p, q, r = step(a, b, c)
        p, q, _ = step(mul(p, r), a, q)
        return Graph.of("f", inputs, (p, q))

    called = program(lambda *args: apply_all(Call(body), *args))
    return called, program(lambda *args: inline_graph(body, args))


def test_a_call_is_differentiated_through_its_body():
    arrays = [*np.random.default_rng(0).normal(size=(2, 3)), np.int64(2)]
    dx = np.random.default_rng(1).normal(size=(2, 3))
    wrt, found = (True, True, False), []
    for graph in pieces():
        forward, linear = linearize.linearize(graph, wrt)
        moved = [i >= len(linear.inputs) - 2 for i in range(len(linear.inputs))]
        back = transpose.transpose(linear, moved)
        for made in (forward, linear, back):
            verify(made)
        *results, tangent = interpret(jvp.jvp(graph, wrt), *arrays, *dx)
        kept = interpret(forward, *arrays)[2:]
        (again,) = interpret(linear, *kept, *dx)
        found.append([*results, tangent, again, *interpret(back, *kept, dx[0])])
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14)


def test_the_forward_half_of_a_call_computes_no_tangent():
    forward, linear = linearize.linearize(pieces()[0], (True, True, False))
    bodies = [n.op.params["body"] for n in forward.nodes if n.op.name == "called"]
    assert len(bodies) == 2 and all(len(b.inputs) == 3 for b in bodies)
    assert all("sin" not in {n.op.name for n in g.nodes} for g in (linear, *bodies[2:]))


def test_calls_read_back_as_text():
    graph = pieces()[0]
    assert parse(str(graph)) == graph
