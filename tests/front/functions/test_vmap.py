"""vmap of functions: what a loop gives, in every composition, against JAX where it is installed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.test_written import PROGRAMS
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.transform.interpreter import interpret

rng = np.random.default_rng(0)
X, Y, W = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=(3, 2))


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance)


def stacked(results: list[Any]) -> Any:
    return wl.tree.map(lambda *leaves: np.stack(leaves), results[0], *results[1:])


# ---------------------------------------------------------------- axes


def test_every_slice_is_one_application():
    close(wl.vmap(np.sum)(X), X.sum(1))
    close(wl.vmap(lambda x, y: x @ y)(X, Y), (X * Y).sum(1))


def test_axes_are_numbers_none_or_one_for_each_argument():
    close(wl.vmap(np.dot, in_axes=(0, None))(X, W), X @ W)
    close(wl.vmap(np.dot, in_axes=[None, 1])(X, W), (X @ W).T)
    close(wl.vmap(np.dot, in_axes=(None, 1), out_axes=1)(X, W), X @ W)
    close(wl.vmap(np.dot, in_axes=(None, -1), out_axes=-1)(X, W), X @ W)
    close(wl.vmap(lambda x: x * 2, in_axes=-2)(X), X * 2)
    a = np.arange(24.0).reshape(2, 3, 4)
    for i in range(-3, 3):
        for o in range(-3, 3):
            found = wl.vmap(lambda x: 2 * x, in_axes=i, out_axes=o)(a)
            close(found, np.moveaxis(2 * a, i, o))


def test_axes_of_trees_match_their_upper_part():
    @dataclasses.dataclass
    class Layer:
        w: Any
        b: Any

    def f(p: dict[str, Any], x: Any) -> Any:
        return {"y": x @ p["layer"].w + p["layer"].b, "sum": (np.sum(x), p["scale"][0])}

    p = {"layer": Layer(W, np.arange(2.0)), "scale": [np.arange(5.0)]}
    found = wl.vmap(f, in_axes=({"layer": None, "scale": 0}, 0))(p, X)
    close(found, {"y": X @ W + np.arange(2), "sum": (X.sum(1), np.arange(5.0))})
    found = wl.vmap(f, ({"layer": Layer(None, None), "scale": [0]}, 0), {"y": 1, "sum": (0, -1)})(
        p, X
    )
    close(found["y"], (X @ W + np.arange(2)).T)
    per_example = {"layer": Layer(np.stack([W] * 5), np.zeros((5, 2))), "scale": [np.zeros(5)]}
    close(wl.vmap(f)(per_example, X)["y"], X @ W)


def test_keyword_arguments_are_mapped_over_their_first_axis():
    close(wl.vmap(lambda x, *, y: x * y, in_axes=(None,))(2.0, y=X), 2 * X)
    close(wl.vmap(lambda **named: named["y"] + 1)(y=X), X + 1)


def test_what_is_the_same_for_all_may_stay_so():
    fixed, mapped = wl.vmap(lambda x, y: (x + 1, y), in_axes=(None, 0), out_axes=(None, 0))(3.0, X)
    assert fixed == 4.0 and mapped.shape == X.shape
    repeated, _ = wl.vmap(lambda x, y: (x + 1, y), in_axes=(None, 0))(3.0, X)
    close(repeated, np.full(5, 4.0))


def test_a_size_may_be_given():
    close(wl.vmap(lambda: np.arange(3.0), axis_size=2)(), np.stack([np.arange(3.0)] * 2))
    close(wl.vmap(lambda x: x, in_axes=None, axis_size=2)(X), np.stack([X, X]))
    close(wl.vmap(np.sum, axis_size=5)(X), X.sum(1))


def test_none_is_a_tree_without_leaves_and_results_keep_their_containers():
    found = wl.vmap(lambda x, n: (x, None, [x]))(X, None)
    assert found[1] is None and isinstance(found[2], list)


def test_python_numbers_stay_weak():
    x = X.astype(np.float32)
    assert wl.vmap(lambda x, s: x * s, in_axes=(0, None))(x, 2.0).dtype == np.float32
    assert wl.vmap(lambda x: x * 2.0 + 1)(x).dtype == np.float32


def test_an_axis_without_elements_gives_none():
    assert wl.vmap(lambda x: x @ W)(np.zeros((0, 3))).shape == (0, 2)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("f", "args", "error"),
    [
        (
            lambda: wl.vmap(lambda x, p: x),
            (X, {"w": [np.ones((4, 2))]}),
            "vmap: one size of the mapped axes is required, got 5 (x: f64[5, 3], axis 0) and 4 "
            "(p['w'][0]: f64[4, 2], axis 0)",
        ),
        (
            lambda: wl.vmap(lambda *rest, k=0: rest, in_axes=1),
            (X, W),
            "got 3 (rest[0]: f64[5, 3], axis 1) and 2 (rest[1]: f64[3, 2], axis 1)",
        ),
        (
            lambda: wl.vmap(lambda x: x, axis_size=3),
            (X,),
            "got 3 (axis_size) and 5 (x: f64[5, 3], axis 0)",
        ),
        (
            lambda: wl.vmap(lambda x: x, in_axes=None),
            (X,),
            "vmap: a mapped argument is required, got None for all of in_axes",
        ),
        (
            lambda: wl.vmap(lambda x, s: x),
            (X, 2.0),
            "vmap: an array with an axis 0 is required for s, got f64",
        ),
        (
            lambda: functools.partial(wl.vmap(lambda x, *, training: x), training=True),
            (X,),
            "vmap: an array with an axis 0 is required for training, got bool",
        ),
        (
            lambda: wl.vmap(lambda x: x, in_axes=-3),
            (X,),
            "vmap: an array with an axis -3 is required for x, got f64[5, 3]",
        ),
        (
            lambda: wl.vmap(lambda x, y: x, in_axes=(0,)),
            (X, Y),
            "vmap: in_axes with an entry per positional argument is required, got (0,) for 2",
        ),
        (
            lambda: wl.vmap(lambda p: p["w"], in_axes=({"v": 0},)),
            ({"w": X},),
            "vmap: in_axes: a number, None, or a tree of them for a dict of 'w' at [0] is "
            "required, got {'v': 0}",
        ),
        (
            lambda: wl.vmap(lambda x: (x, x), out_axes=(0, 0, 0)),
            (X,),
            "vmap: out_axes: a number, None, or a tree of them for a tuple of 0, 1 is required, "
            "got (0, 0, 0)",
        ),
        (
            lambda: wl.vmap(lambda x: {"y": x}, out_axes=None),
            (X,),
            "vmap: out_axes is None for a result that is the same for all, got result['y'] of "
            "f64[5, 3], which depends on the mapped arguments",
        ),
        (
            lambda: wl.vmap(lambda x: x, out_axes=2),
            (X,),
            "vmap: out_axes within 2 dimensions is required for result, got 2",
        ),
        (
            lambda: wl.vmap(lambda x, name: x, in_axes=(0, None)),
            (X, "w"),
            "arrays and numbers are required as arguments, got str 'w' at name",
        ),
    ],
)
def test_what_does_not_fit_is_named(f: Callable[..., Any], args: Any, error: str):
    with pytest.raises(ProgramError) as caught:
        f()(*args)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"in_axes": "a"}, "vmap: in_axes is an int, None, or a tuple .* got 'a'"),
        ({"in_axes": {"x": 0}}, "vmap: in_axes is an int, None, or a tuple .* got {'x': 0}"),
        ({"in_axes": 1.5}, "vmap: in_axes is an int, None, or a tuple .* got 1.5"),
        ({"axis_name": 3}, "vmap: axis_name is a str, got 3"),
        ({"axis_size": -1}, "vmap: axis_size is an int of at least 0, got -1"),
        ({"axis_size": 2.0}, "vmap: an int or None is required for axis_size, got 2.0"),
        ({"fun": 3}, "vmap: a function is required, got 3"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], error: str):
    with pytest.raises(ProgramError, match=error):
        wl.vmap(**{"fun": np.sum, **options})


def test_an_error_in_the_function_names_its_line():
    with pytest.raises(ProgramError, match=r"matmul: inner sizes differ.*\n.*x @ x"):
        wl.vmap(lambda x: x @ x)(np.ones((2, 3, 4)))


# ---------------------------------------------------------------- compositions


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_programs_are_batched_as_a_loop(name: str):
    function, args = PROGRAMS[name]
    arrays = [i for i, x in enumerate(wl.tree.leaves(args)) if np.ndim(x)]
    leaves, structure = wl.tree.flatten(args)
    rows = []
    for k in range(2):  # floats differ, integers are as they are: they may be places
        draw = np.random.default_rng(k)
        rows.append([
            (x * draw.uniform(0.5, 1.0, x.shape)).astype(x.dtype)
            if i in arrays and x.dtype.kind == "f" else x
            for i, x in enumerate(leaves)
        ])  # fmt: skip
    batch = [np.stack(c) if i in arrays else c[0] for i, c in enumerate(zip(*rows, strict=True))]
    axes = wl.tree.unflatten(structure, [0 if i in arrays else None for i in range(len(leaves))])
    graph = wl.trace(function, *args).graph
    expected = [
        np.stack(found) for found in zip(*(interpret(graph, *r) for r in rows), strict=True)
    ]
    found = wl.vmap(function, axes)(*wl.tree.unflatten(structure, batch))
    close(wl.tree.leaves(found), expected, 2e-4)


def network(p: Any, x: Any) -> Any:
    return np.tanh(x @ p["w"]) @ p["v"]


P = {"w": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}


def energy(p: Any, x: Any) -> Any:
    return np.sum(network(p, x) ** 2)


def test_gradients_of_each_example_are_those_of_a_loop():
    found = wl.vmap(wl.grad(energy), in_axes=(None, 0))(P, X)
    close(found, stacked([wl.grad(energy)(P, x) for x in X]))
    close(wl.jit(wl.vmap(wl.grad(energy), in_axes=(None, 0)))(P, X), found, 1e-10)


def test_the_gradient_of_a_batch_is_the_sum_of_gradients():
    total = wl.grad(lambda p: np.sum(wl.vmap(energy, in_axes=(None, 0))(p, X)))(P)
    each = wl.vmap(wl.grad(energy), in_axes=(None, 0))(P, X)
    close(total, wl.tree.map(lambda g: g.sum(0), each))


def test_batches_nest():
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    outer = wl.vmap(wl.vmap(np.dot, in_axes=(None, 0)), in_axes=(0, None))
    close(outer(a, b), a @ b.T)
    close(wl.vmap(wl.vmap(np.sum, in_axes=1), in_axes=2)(np.ones((2, 3, 4))), np.full((4, 3), 2.0))


def test_values_of_an_outer_trace_are_the_same_for_all():
    found = wl.vmap(lambda x: wl.vmap(lambda y: x * y)(Y))(X[:, 0])
    close(found, X[:, 0, None, None] * Y)
    slope = wl.grad(lambda w: np.sum(wl.vmap(lambda x: np.sin(x @ w))(X)))(W)
    close(slope, X.T @ np.cos(X @ W))


def test_second_order_in_every_mix():
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x**2)

    v = rng.normal(size=X.shape)
    hvp = lambda x, v: wl.jvp(wl.grad(f), (x,), (v,))[1]  # noqa: E731
    expected = np.stack([hvp(x, d) for x, d in zip(X, v, strict=True)])
    close(wl.vmap(hvp)(X, v), expected)
    batch = wl.vmap(f)
    close(wl.jvp(wl.grad(lambda x: np.sum(batch(x))), (X,), (v,))[1], expected)
    slopes = lambda x: np.sum(wl.vmap(wl.grad(f))(x) * v)  # noqa: E731
    close(wl.grad(slopes)(X), expected)
    pulled = wl.vjp(wl.vmap(wl.grad(f)), X)[1](v)[0]
    close(pulled, expected)


def test_compiled_functions_may_be_inside_and_outside():
    inner = wl.jit(lambda x, w: np.tanh(x @ w))
    expected = np.tanh(X @ W)
    close(wl.vmap(inner, in_axes=(0, None))(X, W), expected)
    close(wl.jit(wl.vmap(inner, in_axes=(0, None)))(X, W), expected)
    slope = wl.jit(wl.grad(lambda w: np.sum(wl.vmap(inner, in_axes=(0, None))(X, w))))(W)
    close(slope, X.T @ (1 - expected**2))


def test_linearized_and_transposed_functions_are_batched():
    _, push = wl.linearize(np.sin, X[0])
    close(wl.vmap(push)(Y), np.cos(X[0]) * Y)
    _, pull = wl.vjp(lambda x: x @ W, X[0])
    close(wl.vmap(pull)(np.eye(2))[0], W.T)
    transposed = wl.linear_transpose(lambda x: x @ W, X[0])
    close(wl.vmap(transposed)(np.eye(2))[0], W.T)


def test_batched_keys_give_the_numbers_of_each_key():
    keys = wl.random.split(wl.random.key(0), 4)
    draw = lambda key: wl.random.normal(key, (3, 2))  # noqa: E731
    expected = np.stack([draw(k) for k in keys])
    np.testing.assert_array_equal(wl.vmap(draw)(keys), expected)
    deeper = lambda key: wl.vmap(draw)(wl.random.split(key, 2))  # noqa: E731
    np.testing.assert_array_equal(wl.vmap(deeper)(keys), np.stack([deeper(k) for k in keys]))


def test_reading_at_computed_places_is_batched_in_every_operand():
    table, places = rng.normal(size=(5, 4, 2)), rng.integers(0, 4, (5, 3))
    f = lambda t, i: t[i] * 2  # noqa: E731
    expected = np.stack([2 * t[i] for t, i in zip(table, places, strict=True)])
    close(wl.vmap(f)(table, places), expected)
    close(wl.vmap(f, in_axes=(None, 0))(table[0], places), 2 * table[0][places])
    g = wl.grad(lambda t, i: np.sum(np.take_along_axis(t, i, 0) ** 2))
    wide = rng.integers(0, 4, (5, 3, 2))
    close(wl.vmap(g)(table, wide), np.stack([g(t, i) for t, i in zip(table, wide, strict=True)]))


def test_a_gradient_check_takes_batched_functions():
    wl.testing.check_gradients(wl.vmap(energy, in_axes=(None, 0)), P, X, order=2)


# ---------------------------------------------------------------- programs


def test_norms_of_gradients_of_each_example():
    """Clipping by example, as in private training."""

    def clipped(p: Any, x: Any) -> Any:
        slope = wl.grad(energy)(p, x)
        norm = np.sqrt(sum(np.sum(g**2) for g in wl.tree.leaves(slope)))
        return wl.tree.map(lambda g: g * np.minimum(1.0, 0.5 / norm), slope), norm

    both = wl.jit(wl.vmap(clipped, in_axes=(None, 0)))
    slopes, norms = both(P, X)
    for k, x in enumerate(X):
        slope = wl.grad(energy)(P, x)
        norm = np.sqrt(sum(np.sum(g**2) for g in slope.values()))
        close(norms[k], norm, 1e-10)
        close({n: s[k] for n, s in slopes.items()},
              {n: g * min(1.0, 0.5 / norm) for n, g in slope.items()}, 1e-10)  # fmt: skip


def test_newtons_method_finds_a_minimum_from_many_starts_at_once():
    def rosenbrock(x: Any) -> Any:
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    def step(x: Any) -> Any:
        (a, b), (_, d) = wl.hessian(rosenbrock)(x)
        g = wl.grad(rosenbrock)(x)
        return x - np.stack([d * g[0] - b * g[1], a * g[1] - b * g[0]]) / (a * d - b * b)

    steps = wl.jit(wl.vmap(step))
    x = np.random.default_rng(1).uniform(0.5, 1.5, (20, 2))
    for _ in range(30):
        x = steps(x)
    close(x, np.ones((20, 2)), 1e-8)


def test_a_batched_model_is_the_model_of_a_batch():
    f = wl.jit(wl.vmap(network, in_axes=(None, 0)))
    close(f(P, X), network(P, X), 1e-12)


def test_rows_times_one_matrix_are_one_product():
    p = {"w": np.ones((30, 40)), "v": np.ones(40)}  # small ones would be sums
    stages = wl.jit(wl.vmap(network, in_axes=(None, 0))).inspect(p, np.ones((300, 30)))
    products = [line for line in stages["dead"].splitlines() if "dot_general" in line]
    assert len(products) == 2 and all("batching=((), ())" in line for line in products)
    assert "permute" not in stages["dead"]


# ---------------------------------------------------------------- against JAX


def test_jax_gives_the_same_for_axes_and_trees():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        for in_axes, out_axes in (
            (({"w": None, "v": None}, 0), 0),
            ((None, 1), 0),
            ((None, -2), 0),
        ):
            x = X if in_axes[1] in (0, -2) else X.T
            expected = jax.vmap(
                lambda p, x: jax.numpy.tanh(x @ p["w"]) @ p["v"], in_axes, out_axes
            )(P, x)
            close(wl.vmap(network, in_axes, out_axes)(P, x), np.asarray(expected))
        keys = jax.random.split(jax.random.key(3), 4)
        own = wl.random.split(wl.random.key(3), 4)
        expected = jax.vmap(lambda k: jax.random.bits(k, (5,), "uint32"))(keys)
        found = wl.vmap(lambda k: wl.random.bits(k, (5,)))(own)
        np.testing.assert_array_equal(found, np.asarray(expected))
