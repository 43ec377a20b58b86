"""Derivatives of functions, against JAX where it is installed."""

import dataclasses

import numpy as np
import pytest

from wonderland.compiler.front.functions.derivatives import (
    FLOAT0,
    grad,
    jvp,
    linear_transpose,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Value
from wonderland.compiler.ir.symbolic import node_of
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops import exp
from wonderland.compiler.trace.trace import trace

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 2))


def network(w, x):
    return np.tanh(x @ w["dense"]) * w["scale"]


def loss(w, x, power=2):
    return np.sum(network(w, x) ** power)


PARAMS = {"dense": W, "scale": np.array([0.5, -1.5])}


@pytest.fixture
def jax():
    """JAX in double precision, for the test alone."""
    found = pytest.importorskip("jax")
    with found.enable_x64(True):
        yield found


def close(x, y) -> None:
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- values


def test_a_gradient_is_a_tree_like_the_argument():
    value, slope = value_and_grad(loss)(PARAMS, X)
    close(value, loss(PARAMS, X))
    assert slope.keys() == PARAMS.keys()
    t = np.tanh(X @ W)
    close(slope["scale"], (2 * t * t * PARAMS["scale"]).sum(0))
    close(slope["dense"], X.T @ (2 * t * PARAMS["scale"] ** 2 * (1 - t * t)))


def test_argnums_choose_arguments():
    def f(x, y, z):
        return x * y + np.sin(z)

    assert grad(f)(2.0, 3.0, 1.0) == 3
    assert grad(f, 1)(2.0, 3.0, 1.0) == 2
    assert grad(f, argnums=(1, 0))(2.0, 3.0, 1.0) == (2, 3)
    close(grad(f, argnums=-1)(2.0, 3.0, 1.0), np.cos(1.0))


def test_other_arguments_are_passed_as_they_are():
    def f(x, name, n, *, factor):
        assert (name, n) == ("power", 3)
        return x**n * factor

    assert grad(f)(2.0, "power", 3, factor=10) == 120
    assert grad(f)(2.0, "power", 3, factor=np.array(10.0)) == 120


def test_aux_comes_along_without_derivative():
    def f(x):
        return np.sum(x**2), {"doubled": x * 2}

    (value, aux), slope = value_and_grad(f, has_aux=True)(X)
    close(value, (X**2).sum())
    close(aux["doubled"], 2 * X)
    close(slope, 2 * X)
    slope, aux = grad(f, has_aux=True)(X)
    close(slope, 2 * X)
    _, pull, aux = vjp(f, X, has_aux=True)
    close(pull(np.array(1.0))[0], 2 * X)
    close(aux["doubled"], 2 * X)
    _, tangent, aux = jvp(f, (X,), (X,), has_aux=True)
    close(tangent, (2 * X * X).sum())
    _, push, aux = linearize(f, X, has_aux=True)
    close(push(X), tangent)


def test_aux_of_an_inner_gradient_is_differentiated_outside():
    def outer(x):
        slope, aux = grad(lambda y: (y**2, y**3), has_aux=True)(x)
        return slope + aux

    assert grad(outer)(2.0) == 2 + 12


def test_forward_and_reverse_agree():
    _, tangent = jvp(lambda x: np.sin(x) @ W, (X,), (X,))
    close(tangent, (np.cos(X) * X) @ W)
    _, push = linearize(lambda x: np.sin(x) @ W, X)
    close(push(X), tangent)
    close(push(2 * X), 2 * tangent)
    _, pull = vjp(lambda x: np.sin(x) @ W, X)
    close((pull(np.ones((3, 2)))[0] * X).sum(), tangent.sum())


def test_a_linear_function_transposes():
    transposed = linear_transpose(lambda x: 2 * (x @ W)[::-1], X)
    ct = np.arange(6.0).reshape(3, 2)
    (found,) = transposed(ct)
    close(found, 2 * ct[::-1] @ W.T)


def test_integers_have_float0_tangents_and_cotangents():
    def f(x, n):
        return x * n, n + 1

    n = np.arange(3)
    _, pull = vjp(f, np.ones(3), n)
    dx, dn = pull((np.ones(3), np.zeros(3, FLOAT0)))
    close(dx, n)
    assert dn.dtype == FLOAT0 and dn.shape == (3,)
    _, (tangent, other) = jvp(f, (np.ones(3), n), (np.ones(3), np.zeros(3, FLOAT0)))
    close(tangent, n)
    assert other.dtype == FLOAT0


def test_unused_inputs_and_constant_results_have_zeros():
    assert grad(lambda x, y: y * 1.0)(2.0, 3.0) == 0
    assert grad(lambda x: 1.0)(2.0) == 0
    _, (tangent, zero) = jvp(lambda x: (x, np.ones(3)), (X,), (X,))
    close(tangent, X)
    close(zero, np.zeros(3))


def test_a_stopped_gradient_is_zero():
    assert grad(lambda x: stop_gradient(x) * x)(3.0) == 3
    assert stop_gradient({"x": 3}) == {"x": 3}


def test_dataclasses_are_trees():
    @dataclasses.dataclass
    class Layer:
        w: np.ndarray
        b: np.ndarray

    slope = grad(lambda m: np.sum(X @ m.w + m.b))(Layer(W, np.zeros(2)))
    assert isinstance(slope, Layer)
    close(slope.b, [3.0, 3.0])


# ---------------------------------------------------------------- orders and mixes


def test_derivatives_nest_to_any_order():
    f = lambda x: x**5  # noqa: E731
    for expected in (80, 160, 240, 240, 120, 0):
        f = grad(f)
        close(f(2.0), expected)


def test_inner_derivatives_read_outer_values():
    assert grad(lambda x: grad(lambda y: x * x * y)(1.0))(3.0) == 6
    assert grad(lambda x: jvp(lambda y: x * x * y, (1.0,), (x,))[1])(3.0) == 27


def test_mixes_of_modes_agree_on_second_derivatives():
    def f(x):
        return np.sum(np.exp(np.sin(x)) * x)

    v = np.random.default_rng(2).normal(size=X.shape)
    forward_of_reverse = jvp(grad(f), (X,), (v,))[1]
    reverse_of_forward = grad(lambda x: jvp(f, (x,), (v,))[1])(X)
    reverse_of_reverse = grad(lambda x: np.sum(grad(f)(x) * v))(X)
    pulled = vjp(grad(f), X)[1](v)[0]
    inner = vjp(lambda x: linearize(f, x)[1](v), X)[1](np.array(1.0))[0]
    for found in (reverse_of_forward, reverse_of_reverse, pulled, inner):
        close(found, forward_of_reverse)


def test_a_pullback_is_differentiable():
    _, pull = vjp(np.sin, X)
    close(grad(lambda ct: np.sum(pull(ct)[0] ** 2))(X), 2 * np.cos(X) ** 2 * X)


def test_a_derivative_in_a_trace_is_part_of_its_graph():
    graph = trace(grad(lambda x: np.sum(x**2)), X).graph
    assert [str(v.type) for v in graph.outputs] == ["f64[3, 4]"]
    assert all(n.op.name != "sum" for n in graph.nodes)


# ---------------------------------------------------------------- against JAX


FUNCTIONS = {
    "maximum": lambda np, x, y: np.sum(np.maximum(x, y) ** 2),
    "max": lambda np, x, y: np.sum(np.max(x, axis=1) * 2) + np.min(y),
    "abs": lambda np, x, y: np.sum(np.abs(x) * y),
    "where": lambda np, x, y: np.sum(np.where(x > y, x * y, y)),
    "power": lambda np, x, y: np.sum(np.abs(x) ** y) + np.sum(x**3),
    "division": lambda np, x, y: np.sum(x / (y * y + 1)),
    "softmax": lambda np, x, y: np.sum(np.exp(x) / np.sum(np.exp(x), 1, keepdims=True) * y),
    "products": lambda np, x, y: np.sum((x @ y.T) ** 2),
    "views": lambda np, x, y: np.sum(np.concatenate([x[1:], y[::-1]]).T.reshape(-1)[::2] ** 2),
    "prod": lambda np, x, y: np.sum(np.prod(x, axis=0)),
    "variance": lambda np, x, y: np.sum(np.var(x, axis=1) + np.std(y, axis=1)),
    "clip": lambda np, x, y: np.sum(np.clip(x, -0.5, 0.5) * y),
    "logarithms": lambda np, x, y: np.sum(np.log1p(x * x) + np.expm1(y)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_and_second_derivatives_are_those_of_jax(jax, name: str):
    f = FUNCTIONS[name]
    x, y = np.round(np.random.default_rng(3).normal(size=(2, 3, 4)), 1)
    y[0, :2] = x[0, :2]  # ties
    expected = jax.grad(lambda x, y: f(jax.numpy, x, y), (0, 1))(x, y)
    for found, wanted in zip(grad(lambda x, y: f(np, x, y), (0, 1))(x, y), expected, strict=True):
        close(found, wanted)
    second = jax.grad(lambda x: jax.numpy.sum(jax.grad(lambda x: f(jax.numpy, x, y))(x) * y))(x)
    close(grad(lambda x: np.sum(grad(lambda x: f(np, x, y))(x) * y))(x), second)


# ---------------------------------------------------------------- messages


def message(function, *args) -> str:
    with pytest.raises(ProgramError) as error:
        function(*args)
    return str(error.value)


def test_a_result_that_is_no_scalar_is_refused():
    text = message(grad(np.sin), X)
    assert text.startswith("grad: a scalar float result is required, got f64[3, 4]\n")
    assert "test_functions.py" in text and "try: np.sum or np.mean of the result" in text
    assert "got (" in message(grad(lambda x: (x, x)), 1.0)


def test_an_integer_input_is_refused():
    text = message(grad(lambda w: w["n"] * 2.0), {"n": np.arange(3)})
    assert text.startswith("grad: float inputs are required, got i64[3] at w['n']\n")


def test_argnums_out_of_range_are_refused():
    text = message(grad(np.sin, argnums=1), 1.0)
    assert text.startswith("grad: argnums within 1 positional arguments is required, got 1")


def test_tangents_of_another_type_or_structure_are_refused():
    f32 = np.zeros((3, 4), np.float32)
    text = message(lambda: jvp(np.sin, (X,), (f32,)))
    assert text.startswith("jvp: a tangent of type f64[3, 4] is required, got f32[3, 4] at [0]")
    assert message(lambda: jvp(np.sin, (X,), (X, X))).startswith(
        "jvp: a tangent of the same structure"
    )
    text = message(lambda: jvp(np.sin, X, X))  # type: ignore
    assert text.startswith("jvp: primals in a tuple or list are required, got f64[3, 4]\n")
    assert text.endswith("try: a tuple, as in jvp(sin, (x,), (dx,))")
    assert message(lambda: jvp(np.sin, (2.0,), 1.0)).startswith(  # type: ignore
        "jvp: tangents in a tuple or list are required, got float"
    )
    pull = vjp(np.sin, X)[1]
    assert message(pull, f32).startswith("vjp: a cotangent of type f64[3, 4] is required, got f32")
    push = linearize(np.sin, X)[1]
    assert message(push, f32).startswith("linearize: a tangent of type f64[3, 4] is required")


def test_a_function_that_is_not_linear_has_no_transpose():
    text = message(linear_transpose(lambda x: x, X), np.zeros(2))
    assert text.startswith(
        "linear_transpose: a cotangent of type f64[3, 4] is required, got f64[2]"
    )
    text = message(linear_transpose, lambda x: x * x, X)
    assert text.startswith(
        "linear_transpose: a linear function is required, transpose: 'mul' reads"
    )
    assert "op 'sin' is not linear" in message(linear_transpose, np.sin, X)


def test_aux_needs_a_pair():
    text = message(grad(lambda x: x, has_aux=True), 1.0)
    assert text.startswith("grad: has_aux requires a pair (value, aux) as the result")


def test_the_trace_of_a_gradient_makes_few_nodes_that_it_does_not_keep():
    def chain(x):
        for _ in range(100):
            x = np.tanh(x) * x
        return x.sum()

    def made() -> int:
        return node_of(exp(Value(Type("f64")))).serial

    before = made()
    graph = trace(lambda x: x - grad(chain)(x), X).graph
    assert made() - before < 1.7 * len(graph.nodes)
