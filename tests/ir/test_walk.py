"""Walks over graphs: what stays is not made again, and what is made costs one step a node."""

from __future__ import annotations

import pytest

from wonderland.compiler.ir.graph import Graph, Node, Op, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.walk import rebuild
from wonderland.compiler.ops import add, cos, mul, neg, sin
from wonderland.compiler.ops.elementwise import Neg
from wonderland.compiler.ops.nested.scan import Scan
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.fold import fold
from wonderland.compiler.optimise.hoist import hoist
from wonderland.compiler.optimise.layout import layout
from wonderland.compiler.optimise.simplify import simplify
from wonderland.compiler.optimise.unmark import unmark
from wonderland.compiler.transform.jvp import jvp
from wonderland.compiler.transform.transpose import transpose

F = Type("f32", (3,))


def without_signs(node: Node, here: Node) -> tuple[Value, ...] | None:
    return here.args if isinstance(node.op, Neg) else None


def test_what_stands_before_the_first_change_stays_and_order_is_kept():
    x = Value(F)
    early = sin(x)
    minus = neg(early)
    beside, late = cos(x), sin(minus)
    graph = Graph.of("f", (x,), (add(late, beside),))
    found = rebuild(graph, without_signs)
    assert found.inputs == (x,) and found.nodes[0] is early.node
    names = [n.op.name for n in found.nodes]
    assert names == ["sin", "cos", "sin", "add"] and names != [n.op.name for n in graph.nodes]
    serials = [n.serial for n in found.nodes]
    assert serials == sorted(serials) and found.nodes[2].args == (early,)


@pytest.mark.parametrize("step", [cse, fold, hoist, layout, simplify, unmark])
def test_a_graph_that_a_pass_does_not_change_is_itself(step):
    x = y = Value(F)
    for _ in range(3):
        y = mul(sin(y), x)
    graph = Graph.of("f", (x,), (y,))
    assert step(graph) is graph
    dead = Graph("f", (x,), graph.nodes, (graph.nodes[0].out,))
    assert step(dead).nodes == graph.nodes[:1]


def test_types_are_inferred_once(monkeypatch):
    made = []
    own = Node.__init__
    monkeypatch.setattr(Node, "__init__", lambda self, *args: made.append(args) or own(self, *args))
    x = y = Value(F)
    for _ in range(10):
        y = sin(y)
    graph = Graph.of("f", (x,), (y,))
    assert len(made) == 10
    both = jvp(graph, [True])
    assert len(made) == 10 + 20  # cos and mul of each tangent, and no sin again
    transpose(Graph.of("f", (x,), (neg(neg(x)),)), [True])
    assert len(made) == 10 + 20 + 2 + 2
    assert [n.types for n in both.nodes] == [(F,)] * 30


def test_an_operand_of_another_type_is_another_result():
    x = Value(F)
    node = sin(x).node
    assert node is not None
    other = node.like((Value(Type("f64", (2,))),))
    assert other.types == (Type("f64", (2,)),) and other.op is node.op
    assert other.source is node.source


def test_ops_that_may_hold_graphs_are_known_by_the_kinds_of_their_parameters():
    holding = {name for name, cls in Op.registry.items() if cls.holds}
    held = {
        name
        for name, cls in Op.registry.items()
        for sample in cls.samples()
        if any(has_graph(p) for p in sample.op.params.values())
    }
    assert held <= holding and Scan.name in held and "sin" not in holding


def has_graph(x: object) -> bool:
    return isinstance(x, Graph) or (isinstance(x, tuple) and any(map(has_graph, x)))
