"""Matrices of derivatives: trees, shapes, agreement of the modes, JAX's results."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(0)
X, W = rng.normal(size=3), rng.normal(size=(3, 2))
MODES = pytest.mark.parametrize("mode", [wl.jacfwd, wl.jacrev], ids=["jacfwd", "jacrev"])


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance)


@MODES
def test_a_jacobian_has_the_axes_of_the_result_then_of_the_argument(mode: Any):
    close(mode(lambda x: np.sin(x) @ W)(X), (np.cos(X)[:, None] * W).T)
    close(mode(lambda x: 2 * x)(np.ones((2, 3))), 2 * np.eye(6).reshape(2, 3, 2, 3))
    close(mode(lambda x: x**2)(3.0), 6.0)
    close(mode(np.sum)(X), np.ones(3))
    close(mode(lambda s: s * W)(2.0), W)
    assert mode(lambda x: x)(np.zeros((0, 2))).shape == (0, 2, 0, 2)


@MODES
def test_trees_of_arguments_stand_within_trees_of_results(mode: Any):
    def f(p: Any, x: Any) -> Any:
        return {"y": x @ p["w"] * p["s"], "pair": (p["s"], np.ones(2))}

    found = mode(f, argnums=(0, 1))({"w": W, "s": 2.0}, X)
    assert wl.tree.structure(found) == wl.tree.structure(
        {"y": ({"w": 0, "s": 0}, 0), "pair": (({"w": 0, "s": 0}, 0), ({"w": 0, "s": 0}, 0))}
    )
    close(found["y"][0]["w"], 2 * np.einsum("i,jk->jik", X, np.eye(2)))
    close(found["y"][0]["s"], X @ W)
    close(found["y"][1], 2 * W.T)
    close(found["pair"][0][0], {"w": np.zeros((3, 2)), "s": 1.0})
    close(found["pair"][1][1], np.zeros((2, 3)))
    assert isinstance(mode(f, argnums=0)({"w": W, "s": 2.0}, X)["y"], dict)
    assert isinstance(mode(f, argnums=[1])({"w": W, "s": 2.0}, X)["y"], tuple)
    close(mode(f, argnums=-1)({"w": W, "s": 2.0}, X)["y"], 2 * W.T)


@MODES
def test_aux_comes_along(mode: Any):
    found, aux = mode(lambda x: (x**2, {"n": x.shape[0], "x": x}), has_aux=True)(X)
    close(found, np.diag(2 * X))
    close(aux, {"n": 3, "x": X})


def test_other_arguments_are_passed_as_they_are():
    close(wl.jacfwd(lambda x, n, *, k: x**n * k)(X, 2, k=np.float64(3.0)), np.diag(6 * X))


def test_the_modes_agree_and_compile():
    def f(x: Any) -> Any:
        return np.tanh(x @ W) * np.sum(np.exp(x))

    forward, reverse = wl.jacfwd(f)(X), wl.jacrev(f)(X)
    close(forward, reverse)
    close(wl.jit(wl.jacfwd(f))(X), forward, 1e-10)
    close(wl.jit(wl.jacrev(f))(X), forward, 1e-10)


def quadratic(p: Any) -> Any:
    return np.sum(p["x"] @ W) ** 2 * p["s"] + np.sum(np.sin(p["x"]))


def test_a_hessian_has_the_tree_of_the_arguments_twice():
    p = {"x": X, "s": 2.0}
    found = wl.hessian(quadratic)(p)
    c = W.sum(1)
    close(found["x"]["x"], 2 * 2.0 * np.outer(c, c) - np.diag(np.sin(X)))
    close(found["x"]["s"], 2 * (X @ c) * c)
    close(found["s"]["x"], 2 * (X @ c) * c)
    close(found["s"]["s"], 0.0)
    both = wl.hessian(lambda x, y: np.sum(x * y**2), argnums=(0, 1))(X, X)
    close(both, ((np.zeros((3, 3)), np.diag(2 * X)), (np.diag(2 * X), np.diag(2 * X))))
    found, aux = wl.hessian(lambda x: (np.sum(x**3), x), has_aux=True)(X)
    close((found, aux), (np.diag(6 * X), X))


def test_every_mix_of_modes_gives_the_hessian():
    f = lambda x: np.sum(np.exp(np.sin(x)) * x[0])  # noqa: E731
    expected = wl.hessian(f)(X)
    for outer in (wl.jacfwd, wl.jacrev):
        for inner in (wl.jacfwd, wl.jacrev, wl.grad):
            close(outer(inner(f))(X), expected)
    close(expected, expected.T)
    columns = [wl.jvp(wl.grad(f), (X,), (e,))[1] for e in np.eye(3)]
    close(expected, np.stack(columns, 1))
    close(wl.jit(wl.hessian(f))(X), expected, 1e-10)


def test_a_hessian_times_a_vector_needs_no_matrix():
    f = lambda x: np.sum(np.exp(np.sin(x)) * x[0])  # noqa: E731
    v = rng.normal(size=3)
    close(wl.hvp(f, (X,), (v,)), wl.hessian(f)(X) @ v)
    close(wl.jit(lambda x: wl.hvp(f, (x,), (v,)))(X), wl.hessian(f)(X) @ v, 1e-10)
    p, dp = {"x": X, "s": 2.0}, {"x": v, "s": 0.5}
    full, found = wl.hessian(quadratic)(p), wl.hvp(quadratic, (p,), (dp,))
    for name in p:
        close(found[name], full[name]["x"] @ v + full[name]["s"] * 0.5)
    both = wl.hvp(lambda x, y: np.sum(x * y**2), (X, X), (v, 2 * v))
    close(both, (4 * X * v, 2 * X * v + 4 * X * v))
    rows = rng.normal(size=(5, 3))
    close(wl.vmap(lambda v: wl.hvp(f, (X,), (v,)))(rows), rows @ wl.hessian(f)(X))
    with pytest.raises(ProgramError, match=r"a tangent"):
        wl.hvp(f, (X,), (np.ones(4),))
    with pytest.raises(ProgramError, match=r"primals in a tuple .* got f64\[3\]"):
        wl.hvp(f, X, v)  # type: ignore
    with pytest.raises(ProgramError, match="a scalar"):
        wl.hvp(np.sin, (X,), (v,))


def test_hessians_of_each_example_and_third_derivatives():
    f = lambda x: np.sum(np.sin(x)) * x[0]  # noqa: E731
    rows = rng.normal(size=(4, 3))
    close(wl.vmap(wl.hessian(f))(rows), np.stack([wl.hessian(f)(x) for x in rows]))
    third = wl.jacfwd(wl.hessian(f))(X)
    close(third, np.moveaxis(wl.jacrev(wl.hessian(f))(X), 0, 1))
    close(wl.grad(lambda x: np.sum(wl.jacfwd(lambda y: y**2)(x)))(X), np.full(3, 2.0))


def test_unit_vectors_of_one_argument_cost_nothing_for_another():
    graph = wl.trace(
        wl.jacfwd(lambda p: np.sin(p["x"]) * np.sum(np.cos(p["y"]))), {"x": X, "y": np.ones(50)}
    ).graph
    assert max(v.type.size for v in graph.values) <= 50 * 50
    assert sorted({v.type.shape for v in graph.outputs}) == [(3, 3), (3, 50)]


@pytest.mark.parametrize("mode", [wl.jacfwd, wl.jacrev, wl.hessian])
def test_what_does_not_fit_is_named(mode: Any):
    name = mode.__name__.replace("hessian", "jac")
    with pytest.raises(ProgramError, match=f"{name}.*float inputs are required, got i64"):
        mode(lambda x: x * 2.0)(np.arange(3))
    with pytest.raises(ProgramError, match=f"{name}.*float.* results are required, got .*result"):
        mode(lambda x: {"n": np.argmax(x)})(X)
    with pytest.raises(ProgramError, match="complex inputs are required with holomorphic=True"):
        mode(np.sin, holomorphic=True)(X)
    with pytest.raises(ProgramError, match="a function is required, got 3"):
        mode(3)
    with pytest.raises(ProgramError, match=r"has_aux requires a pair"):
        mode(np.sin, has_aux=True)(X)


def test_jax_gives_the_same_trees_and_numbers():
    jax = pytest.importorskip("jax")

    def f(np: Any, p: Any, x: Any) -> Any:
        return {"y": np.tanh(x @ p["w"]) * p["s"], "n": [np.sum(x**2)]}

    def g(np: Any, p: Any, x: Any) -> Any:
        return np.sum(f(np, p, x)["y"] ** 3)

    args = {"w": W, "s": np.float64(2.0)}, X
    with jax.enable_x64(True):
        for name in ("jacfwd", "jacrev"):
            for argnums in (0, 1, (0, 1), (1,)):
                expected = getattr(jax, name)(lambda *a: f(jax.numpy, *a), argnums)(*args)
                found = getattr(wl, name)(lambda *a: f(np, *a), argnums)(*args)
                expected = jax.tree.map(np.asarray, expected)
                assert wl.tree.structure(found) == wl.tree.structure(expected)
                close(found, expected)
        expected = jax.hessian(lambda *a: g(jax.numpy, *a), (0, 1))(*args)
        found = wl.hessian(functools.partial(g, np), (0, 1))(*args)
        close(found, jax.tree.map(np.asarray, expected))


def test_jacobians_of_holomorphic_functions_are_their_complex_derivatives():
    z = np.array([1 + 2j, 0.5 - 1j])
    expected = np.diag(np.cos(z) * z[::-1]) + np.sin(z)[:, None] * np.eye(2)[::-1]
    for mode in (wl.jacfwd, wl.jacrev):
        found = mode(lambda z: np.sin(z) * z[::-1], holomorphic=True)(z)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_jacobians_of_the_modulus_are_real_by_parts_and_by_the_conjugate():
    x, z = np.array([0.5, -1.0]), np.array([1 + 2j, 0.5 - 1j])
    slope = wl.jacfwd(lambda x: x * np.array([1j, 2.0]))(x)
    np.testing.assert_allclose(slope, np.diag([1j, 2.0]))
    np.testing.assert_allclose(wl.jacrev(lambda z: np.abs(z) ** 2)(z), np.diag(2 * np.conj(z)))
    with pytest.raises(ProgramError, match="jacfwd: float inputs are required, got c128"):
        wl.jacfwd(np.abs)(z)
    with pytest.raises(ProgramError, match="jacrev: float results are required, got c128"):
        wl.jacrev(np.sin)(z)
