"""Derivatives of random graphs: by differences, <ct, J dx> = <J'ct, dx>; well-formed graphs."""

import dataclasses
import sys

import numpy as np
import pytest

from tests.programs.random_graphs import random_arrays, random_graph
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.text import constants_of, parse
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ir.walk import inline_graph
from wonderland.compiler.ops import add, mul, neg, sin
from wonderland.compiler.ops.view import pad
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.fold import fold
from wonderland.compiler.optimise.simplify import simplify
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.jvp import jvp, pushforward
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.reverse import Reverse
from wonderland.compiler.transform.split import split
from wonderland.compiler.transform.transpose import transpose

F = Type("f64", (3,))
BATCH = 100
DEPTH = sys.getrecursionlimit() + 100
FORWARD_ONLY = ("while_loop", "reversed_while")
OF_VECTORS = ("eigh", "svd")
"""What LAPACK computes otherwise where a derivative wants vectors too."""


def graph_of(function, *types: Type) -> Graph:
    inputs = [Value(t) for t in types]
    outputs = function(*inputs)
    return Graph.of("f", inputs, outputs if isinstance(outputs, tuple) else (outputs,))


def text_of(graph: Graph) -> str:
    """The text without sources."""
    return "\n".join(line.split("  #")[0] for line in str(graph).splitlines())


def in_f64(graph: Graph) -> Graph | None:
    """The graph in f64, for precise differences, no gradient stopped; None if an array is f32."""
    text = text_of(graph)
    if "constant(" in text:
        return None
    wide = text.replace("f32", "f64").replace("c64", "c128").replace("stop_gradient", "after")
    return parse(wide, constants_of(graph))


def inner(xs, ys) -> float:
    """The pairing that a transpose keeps: real, without a conjugate."""
    return float(sum(np.sum(x * y.astype("c16")).real for x, y in zip(xs, ys, strict=True)))


def random_normal(t: Type, rng: np.random.Generator) -> np.ndarray:
    re, im = rng.normal(size=(2, *t.shape))
    return np.asarray(re + 1j * im if t.is_complex else re).astype(t.numpy)


def differences(graph: Graph, arrays, dx, h: float) -> list[np.ndarray]:
    """Central differences of the float outputs in the direction `dx`, None where not moved."""

    def at(step: float) -> tuple[np.ndarray, ...]:
        pairs = zip(arrays, dx, strict=True)
        return interpret(graph, *(a if d is None else a + step * d for a, d in pairs))

    ends = zip(at(h), at(-h), strict=True)
    return [
        (high - low) / (2 * h) for high, low in ends if high.dtype in (np.float64, np.complex128)
    ]


def near(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.allclose(x, y, 1e-5, 1e-5))


@pytest.mark.parametrize("start", range(0, 600, BATCH))
def test_forward_and_reverse_mode_of_random_graphs_agree(start: int):
    for seed in range(start, start + BATCH):
        graph = random_graph(seed, halves=False)
        wrt = [v.type.is_inexact for v in graph.inputs]
        rng = np.random.default_rng(seed)
        arrays = random_arrays(graph, seed)
        dx = [random_normal(v.type, rng) for v in graph.inputs if v.type.is_inexact]
        floats = [o for o in graph.outputs if o.type.is_inexact]
        cts = [random_normal(o.type, rng) for o in floats]
        both = verify(jvp(graph, wrt))
        forward, linear = map(verify, linearize(graph, wrt))
        expected = interpret(graph, *arrays)
        n, equal = len(expected), np.array_equal
        if any(v.op.name in OF_VECTORS for v in graph.nodes):
            equal = near
        found = interpret(both, *arrays, *dx)
        assert all(map(equal, found[:n], expected)), f"seed {seed}\n{graph}"
        kept = interpret(forward, *arrays)
        assert all(map(equal, kept[:n], expected))
        tangents = interpret(linear, *kept[n:], *dx)
        assert all(map(equal, tangents, found[n:])), f"seed {seed}\n{graph}"
        if any(f" {name}(" in str(linear) for name in FORWARD_ONLY):
            continue
        marks = [False] * (len(linear.inputs) - len(dx)) + [True] * len(dx)
        given = interpret(verify(transpose(linear, marks)), *kept[n:], *cts)
        scale = sum(np.abs(c * t).sum(dtype="f8") for c, t in zip(cts, tangents, strict=True))
        # f32 sums of some hundred terms, each good to 1e-7
        assert abs(inner(cts, tangents) - inner(given, dx)) <= 1e-4 * (1 + scale), (
            f"seed {seed}\n{graph}"
        )


def test_forward_mode_of_random_graphs_is_that_of_differences():
    compared = 0
    for seed in range(400):
        graph = in_f64(random_graph(seed, halves=False))
        if graph is None or not any(v.type.is_inexact for v in graph.inputs):
            continue
        rng, arrays = np.random.default_rng(seed), random_arrays(graph, seed)
        wrt = [v.type.is_inexact for v in graph.inputs]
        dx = [
            random_normal(v.type, rng) if yes else None
            for v, yes in zip(graph.inputs, wrt, strict=True)
        ]
        tangents = interpret(jvp(graph, wrt), *arrays, *(d for d in dx if d is not None))[
            len(graph.outputs) :
        ]

        fine, coarse = (differences(graph, arrays, dx, h) for h in (1e-6, 4e-6))
        for t, d, e in zip(tangents, fine, coarse, strict=True):
            smooth = np.isclose(d, e, rtol=1e-5, atol=1e-5)  # else a kink or a jump lies between
            compared += int(smooth.sum())
            message = f"seed {seed}\n{graph}"
            np.testing.assert_allclose(t[smooth], d[smooth], rtol=1e-4, atol=1e-4, err_msg=message)
    assert compared > 2000


@pytest.mark.parametrize("start", range(0, 300, BATCH))
def test_passes_and_derivatives_of_derivatives_keep_the_meaning(start: int):
    for seed in range(start, start + BATCH):
        graph = random_graph(seed, nodes=8)
        wrt = [v.type.is_inexact for v in graph.inputs]
        rng, arrays = np.random.default_rng(seed), random_arrays(graph, seed)
        once = jvp(graph, wrt)
        twice = verify(jvp(once, [v.type.is_inexact for v in once.inputs]))
        arrays = [
            *arrays,
            *(random_normal(v.type, rng) for v in once.inputs[len(arrays) :]),
        ]
        arrays += [
            rng.normal(size=v.shape).astype(v.type.numpy) for v in twice.inputs[len(arrays) :]
        ]
        expected = interpret(twice, *arrays)
        small = verify(cse(simplify(fold(twice))))
        for x, y in zip(interpret(small, *arrays), expected, strict=True):
            np.testing.assert_array_equal(x, y, err_msg=f"seed {seed}")


# ---------------------------------------------------------------- texts


def test_the_tangent_of_a_product():
    graph = graph_of(lambda a, b: mul(sin(a), b), F, F)
    assert (
        text_of(jvp(graph, (True, False)))
        == """\
def f_jvp(a: f64[3], b: f64[3], c: f64[3]):
    d: f64[3] = sin(a)
    e: f64[3] = cos(a)
    f: f64[3] = mul(c, e)
    g: f64[3] = mul(d, b)
    h: f64[3] = mul(f, b)
    return g, h"""
    )


def test_only_what_crosses_is_kept():
    forward, linear = linearize(graph_of(lambda a, b: mul(sin(a), b), F, F), (True, False))
    assert (
        text_of(forward)
        == """\
def f_forward(a: f64[3], b: f64[3]):
    c: f64[3] = sin(a)
    d: f64[3] = cos(a)
    e: f64[3] = mul(c, b)
    return e, d, b"""
    )
    assert (
        text_of(linear)
        == """\
def f_linear(a: f64[3], b: f64[3], c: f64[3]):
    d: f64[3] = mul(c, a)
    e: f64[3] = mul(d, b)
    return e"""
    )
    assert (
        text_of(transpose(linear, (False, False, True)))
        == """\
def f_linear_transpose(a: f64[3], b: f64[3], c: f64[3]):
    d: f64[3] = mul(c, b)
    e: f64[3] = mul(d, a)
    return e"""
    )


def test_unused_inputs_and_constant_outputs_have_zeros():
    graph = parse("""
        def f(a: f64[3], b: f64[3]):
            c: f64[2] = full(value=1.0, of=f64[2])
            d: f64[3] = neg(a)
            return c, d""")
    both = jvp(graph, (True, True))
    assert text_of(both).endswith(
        "return e, f, h, g"
    ) and "h: f64[2] = full(value=0.0, of=f64[2])" in text_of(both)
    linear = linearize(graph, (True, True))[1]
    assert (
        text_of(transpose(linear, (True, True)))
        == """\
def f_linear_transpose(a: f64[2], b: f64[3]):
    c: f64[3] = neg(b)
    d: f64[3] = full(value=0.0, of=f64[3])
    return c, d"""
    )


def test_a_large_view_of_a_small_residual_is_made_again():
    graph = parse("""
        def f(a: f64[3], b: f64[1000, 3]):
            c: f64[3] = sin(a)
            d: f64[1000, 3] = broadcast(c, shape=(1000, 3), axes=(0,))
            e: f64[1000, 3] = mul(d, b)
            return e""")
    forward, linear = linearize(graph, (False, True))
    assert [str(o.type) for o in forward.outputs] == ["f64[1000, 3]", "f64[3]"]
    assert [n.op.name for n in linear.nodes] == ["broadcast", "mul"]


def test_what_a_transformation_makes_has_the_source_of_its_node():
    graph = parse("""
        def f(a: f64):
            b: f64 = sin(a)  # model.py:7 y
            return b""")
    assert {str(n.source) for n in jvp(graph, (True,)).nodes} == {"model.py:7 y"}


def test_asked_outputs_only_have_tangents():
    graph = graph_of(lambda a: (sin(a), neg(a)), F)
    assert len(jvp(graph, (True,), (False, True)).outputs) == 3
    assert [len(g.outputs) for g in linearize(graph, (True,), (False, True))] == [2, 1]


def test_what_is_not_linear_has_no_transpose():
    with pytest.raises(CompilerError, match="transpose: 'mul' reads a tangent"):
        transpose(graph_of(lambda a: mul(a, a), F), (True,))


def test_an_early_output_depends_on_no_marked_input():
    with pytest.raises(CompilerError, match="split: early output 0 depends on a marked input"):
        split(graph_of(lambda a, b: add(a, b), F, F), (True, False), (False,))


def test_an_integer_input_has_no_tangent():
    with pytest.raises(CompilerError, match="jvp: an input of type i32 has no tangent"):
        jvp(graph_of(lambda a: add(a, a), Type("i32")), (True,))


def test_transposing_twice_is_the_linear_graph():
    graph = graph_of(lambda a, b: add(neg(a), b), F, F)
    twice = transpose(transpose(graph, (True, True)), (True,))
    x, y = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_array_equal(interpret(twice, x, y), interpret(graph, x, y))
    again = Graph.of("f", twice.inputs, inline_graph(twice, twice.inputs))
    assert again == twice and again.nodes[0] is not twice.nodes[0]
    assert dataclasses.replace(twice, name="g") == twice


def test_an_operand_that_is_another_too_has_a_tangent_of_its_own():
    x, dx = Value(F), Value(F)
    _, (slope,) = pushforward(graph_of(mul, F, F), (x, x), (dx, None))
    assert slope is not None
    y, dy = np.full(3, 5.0), np.full(3, 2.0)
    (found,) = interpret(Graph.of("slope", (x, dx), (slope,)), y, dy)
    assert (found == y * dy).all()


@pytest.mark.parametrize("seed", range(0, 400, 7))
def test_reverse_mode_where_values_stand_gives_the_nodes_of_programs_between(seed: int):
    graph = random_graph(seed)
    moving = [v.type.is_inexact for v in graph.inputs]
    asked = [o.type.is_inexact for o in graph.outputs]
    inputs = [Value(v.type) for v in graph.inputs]
    run = Reverse(graph, inputs, moving, asked)
    if not any(moving) or run.divides:
        return
    cts = [Value(o.type) if yes else None for o, yes in zip(graph.outputs, asked, strict=True)]
    ends = [ct for ct in cts if ct]
    found = run.back(cts)
    here = Graph.of("f", (*inputs, *ends), (*run.outputs, *filter(None, found)))

    forward, linear = linearize(graph, moving, asked)
    kept = len(forward.outputs) - len(graph.outputs)
    back = transpose(linear, [i >= kept for i in range(len(linear.inputs))])
    made = inline_graph(forward, inputs)
    outputs, residuals = made[: len(graph.outputs)], made[len(graph.outputs) :]
    slopes = inline_graph(back, (*residuals, *ends))
    given = [v for v, ct in zip(slopes, found, strict=True) if ct]
    assert text_of(here) == text_of(Graph.of("f", (*inputs, *ends), (*outputs, *given)))


def test_a_chain_of_views_may_be_longer_than_pythons_stack():
    def padded(x: Value, y: Value) -> Value:
        for _ in range(DEPTH):
            y = pad(y, (0,), (1,), 0.0)
        return mul(x, y)

    x, y = Value(Type("f64", (DEPTH + 1,))), Value(Type("f64", (1,)))
    graph = Graph.of("f", (x, y), (padded(x, y),))
    (ct,) = Reverse(graph, (x, y), (True, False), (True,)).back((x,))
    assert ct is not None and len(Graph.of("back", (x, y), (ct,)).nodes) == DEPTH + 1
    _, linear = linearize(graph, (True, False))
    assert len(linear.nodes) == DEPTH + 1
