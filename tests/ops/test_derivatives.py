"""The rules of every op against differences of its reference, and JAX's choices at edges."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from tests.ops.sampling import sample_arrays, sample_graph, samples
from wonderland.compiler import ops
from wonderland.compiler.ir.graph import Graph, Op, Sample, Value
from wonderland.compiler.ir.types import NAMES, Type
from wonderland.compiler.kernel import KernelError
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.jvp import jvp
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.transpose import transpose

STEP = 1e-6  # of central differences in f64: truncation 1e-12, rounding 1e-10
TOLERANCE = 1e-7
STEPPED = ("sign", "complex", "fft")  # with another meaning of complex operands, or none
PRECISE = ("f64", "c128")
FORWARD_ONLY = ("while_loop", "reversed_while")

Arrays = tuple[np.ndarray, ...]


def smooth(name: str) -> list[Sample]:
    """Samples with a wide result and a wide operand on which differences are fair."""
    return [
        s for s in samples(name)
        if s.smooth
        and any(t.dtype in PRECISE for t in s.types)
        and {v.dtype for v in sample_graph(s).outputs}.intersection(PRECISE)
    ]  # fmt: skip


DIFFERENTIABLE = [n for n in sorted(Op.registry) if smooth(n)]


def directions(arrays: Arrays, seed: int) -> list[np.ndarray | None]:
    rng = np.random.default_rng(seed)
    return [random_normal(a, rng) if NAMES[a.dtype] in PRECISE else None for a in arrays]


def random_normal(like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    real = rng.standard_normal(like.shape)
    return real + 1j * rng.standard_normal(like.shape) if np.iscomplexobj(like) else real


def paired(cts: list[np.ndarray], slopes: list[np.ndarray]) -> float:
    """What a transpose keeps: the real part of the sum of products, without a conjugate."""
    return float(sum(np.sum(c * s).real for c, s in zip(cts, slopes, strict=True)))


def moved(arrays: Arrays, along: list[np.ndarray | None], step: complex) -> list[np.ndarray]:
    return [a if d is None else a + step * d for a, d in zip(arrays, along, strict=True)]


def central(
    function: Callable[..., Arrays], arrays: Arrays, along: list[np.ndarray | None]
) -> Arrays:
    """Central differences of every float result."""
    ends = [function(*moved(arrays, along, s)) for s in (STEP, -STEP)]
    pairs = zip(*(map(np.asarray, end) for end in ends), strict=True)
    return tuple((p - m) / (2 * STEP) for p, m in pairs if NAMES[p.dtype] in PRECISE)


def differences(op: Op, arrays: Arrays, along: list[np.ndarray | None]) -> tuple[Arrays, float]:
    """The directional derivative and its tolerance: by a complex step where that has a meaning."""
    if (
        op.name not in STEPPED
        and not op.hosted
        and not any((*op.graphs, *map(np.iscomplexobj, arrays)))
    ):
        try:
            with warnings.catch_warnings(action="error"):
                found = op.reference(*moved(arrays, along, 1e-30j))
            if np.iscomplexobj(found):
                return (found.imag / 1e-30,), 1e-12
        except (TypeError, ValueError, KernelError, np.exceptions.ComplexWarning):
            pass  # no complex meaning

    def function(*given: np.ndarray) -> Arrays:
        found = op.reference(*given)
        return found if isinstance(found, tuple) else (found,)

    return central(function, arrays, along), TOLERANCE


def given(along: list[np.ndarray | None]) -> list[np.ndarray]:
    return [d for d in along if d is not None]


def wrt(graph: Graph) -> list[bool]:
    return [v.dtype in PRECISE for v in graph.inputs]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_tangent_is_the_directional_derivative(name: str) -> None:
    for s in smooth(name):
        graph, arrays = sample_graph(s), sample_arrays(s)
        along = directions(arrays, 1)
        found = interpret(jvp(graph, wrt(graph)), *arrays, *given(along))[len(graph.outputs) :]
        expected, tolerance = differences(s.op, arrays, along)
        for slope, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(slope, e, rtol=tolerance, atol=tolerance, err_msg=str(s))


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in FORWARD_ONLY])
def test_the_transpose_of_the_tangent_is_its_adjoint(name: str) -> None:
    for s in smooth(name):
        graph, arrays = sample_graph(s), sample_arrays(s)
        along = given(directions(arrays, 2))
        forward, linear = linearize(graph, wrt(graph))
        residuals = interpret(forward, *arrays)[len(graph.outputs) :]
        slopes = interpret(linear, *residuals, *along)
        marks = [False] * len(residuals) + [True] * len(along)
        rng = np.random.default_rng(3)
        given_cts = [random_normal(slope, rng) for slope in slopes]
        cts = interpret(transpose(linear, marks), *residuals, *given_cts)
        outer, inner = (
            paired(list(xs), list(ys)) for xs, ys in ((given_cts, slopes), (cts, along))
        )
        np.testing.assert_allclose(outer, inner, rtol=1e-11, atol=1e-11, err_msg=str(s))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_tangent_of_the_tangent_is_the_second_derivative(name: str) -> None:
    for s in smooth(name):
        graph, arrays = sample_graph(s), sample_arrays(s)
        once = jvp(graph, wrt(graph))
        points = (*arrays, *given(directions(arrays, 4)))
        along = directions(points, 5)
        found = interpret(jvp(once, wrt(once)), *points, *given(along))[len(once.outputs) :]
        expected = central(lambda *a, once=once: interpret(once, *a), points, along)
        for f, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-6, atol=1e-6, err_msg=str(s))


@pytest.mark.parametrize("name", sorted(Op.registry))
def test_zero_tangents_stay_none_and_numbers_without_one_have_none(name: str) -> None:
    for s in samples(name):
        (node,) = sample_graph(s).nodes
        assert node.op.jvp(node, (None,) * len(node.args)) == (None,) * len(node.values)
        moving = tuple(Value(t) if t.is_inexact else None for t in s.types)
        found = node.op.jvp(node, moving)
        if len(found) == 2 * len(node.values):  # results, then tangents
            assert tuple(v.type for v in found[: len(node.values)] if v) == node.types
            found = found[len(node.values) :]
        for value, slope in zip(node.values, found, strict=True):
            assert slope is None or (value.type.is_inexact and slope.type == value.type)


# ---------------------------------------------------------------- kinks and edges

EDGES: dict[str, list[tuple[float, ...]]] = {
    "abs": [(np.inf,), (-1.0,)],  # at 0 JAX says 1, we say 0
    "sign": [(0.0,), (1.0,), (np.nan,)],
    "maximum": [(1.0, 1.0), (0.0, -0.0), (np.nan, 1.0), (1.0, np.inf)],
    "minimum": [(1.0, 1.0), (-np.inf, 1.0), (1.0, np.nan)],
    "sqrt": [(0.0,), (-1.0,), (np.inf,)],
    "rsqrt": [(0.0,), (np.inf,)],
    "log": [(0.0,), (-1.0,), (np.inf,)],
    "log1p": [(-1.0,), (-2.0,), (0.0,)],
    "pow": [  # at 0, 0 JAX says NaN in x, we 0: x ** 0 is 1
        (0.0, 1.0),
        (0.0, 2.0),
        (2.0, 0.0),
        (-2.0, 3.0),
        (0.0, 0.5),
        (-1.0, 0.5),
        (1.0, np.inf),
    ],
    "tanh": [(30.0,), (-np.inf,)],
    "sigmoid": [(-800.0,), (800.0,)],
    "exp": [(-np.inf,), (800.0,)],
    "erf": [(0.0,), (10.0,)],
    "div": [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)],
    "floor": [(1.0,)],
    "trunc": [(-1.0,)],
    "exp2": [(-np.inf,), (2000.0,)],
    "cbrt": [(0.0,), (-8.0,)],
    "tan": [(0.0,), (1e6,)],
    "asin": [(1.0,), (-0.5,)],
    "acos": [(-1.0,), (0.5,)],
    "atan": [(0.0,), (np.inf,)],
    "atan2": [(0.0, -1.0), (1.0, 0.0), (-2.0, -3.0)],
    "sinh": [(0.0,), (-800.0,)],
    "cosh": [(0.0,), (800.0,)],
    "asinh": [(0.0,), (-np.inf,)],
    "acosh": [(1.0,), (0.5,)],
    "atanh": [(1.0,), (-1.0,)],
    "erfc": [(0.0,), (-10.0,)],
    "erfinv": [(0.0,), (-1.0,)],
    "lgamma": [(1.0,), (20.0,), (-2.5,)],
    "digamma": [(1.0,), (20.0,), (0.01,)],
    "copysign": [(1.0, -2.0), (-1.0, 0.0)],
    "round": [(0.5,)],
}


def jax_function(name: str) -> Callable[..., object]:
    lax = pytest.importorskip("jax").lax
    other = {
        "abs": "abs",
        "maximum": "max",
        "minimum": "min",
        "sigmoid": "logistic",
        "erfinv": "erf_inv",
    }
    if name in ("trunc", "copysign"):
        return getattr(pytest.importorskip("jax").numpy, name)
    return getattr(lax, other.get(name, name))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EDGES)
def test_derivatives_at_kinks_and_edges_are_those_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    op = Op.registry[name]()
    for point in EDGES[name]:
        sample = Sample(op, (Type("f64"),) * len(point), values=point)
        graph, arrays = sample_graph(sample), sample_arrays(sample)
        for i in range(len(point)):
            marks = [k == i for k in range(len(point))]
            _, ours = interpret(jvp(graph, marks), *arrays, np.asarray(1.0))
            with jax.enable_x64(True):
                theirs = jax.jacfwd(jax_function(name), i)(*map(np.float64, point))
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-12, atol=1e-300, err_msg=f"{point} {i}"
            )


def test_the_slope_of_the_absolute_value_at_zero_is_zero() -> None:
    graph = sample_graph(Sample(Op.registry["abs"](), (Type("f64", (2,)),)))
    _, slope = interpret(jvp(graph, [True]), np.array([0.0, -0.0]), np.ones(2))
    assert not slope.any()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (ops.reduce_max, "reduce_max", [1.0, 3.0, 3.0, -1.0]),
        (ops.reduce_min, "reduce_min", [1.0, 1.0, 1.0]),
        (ops.reduce_max, "reduce_max", [1.0, np.nan]),
        (ops.reduce_prod, "reduce_prod", [2.0, 0.0, 3.0]),
        (ops.reduce_prod, "reduce_prod", [0.0, 0.0, 3.0, 5.0, 7.0]),
        (ops.reduce_prod, "reduce_prod", [5.0]),
    ],
)
def test_reductions_share_and_keep_zeros_as_jax_does(ours, theirs: str, x: list[float]) -> None:
    jax = pytest.importorskip("jax")
    v = Value(Type("f64", (len(x),)))
    graph = Graph.of("f", (v,), (ours(v, (0,)),))
    forward, linear = linearize(graph, [True])
    residuals = interpret(forward, np.array(x))[1:]
    (found,) = interpret(
        transpose(linear, [False] * len(residuals) + [True]), *residuals, np.array(1.0)
    )
    with jax.enable_x64(True):
        expected = jax.grad(lambda a: getattr(jax.lax, theirs)(a, (0,)))(np.array(x))
    np.testing.assert_allclose(found, expected, rtol=1e-15)
