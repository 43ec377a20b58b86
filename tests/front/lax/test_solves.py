"""Roots and solutions of linear equations have derivatives, whatever solves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl

rng = np.random.default_rng(0)
A, B = rng.normal(size=(3, 3)) + 4 * np.eye(3), rng.normal(size=3)
S = A @ A.T / 4 + 2 * np.eye(3)


def newton(f: Any, x: Any) -> Any:
    return wl.lax.while_loop(lambda s: s[1] < 30, lambda s: (s[0] - f(s[0]) / wl.grad(f)(s[0]),
                                                             s[1] + 1), (x, 0))[0]  # fmt: skip


def of_number(g: Any, y: Any) -> Any:
    return y / g(1.0)


def root(a: Any) -> Any:
    return wl.lax.custom_root(lambda x: x * x - a, 1.0, newton, of_number)


def test_a_root_has_derivatives_of_every_order_in_what_its_function_closes_over() -> None:
    wants = [2, 1 / 4, -1 / 32, 3 / 256]  # of the square root at 4
    function: Any = root
    for order, want in enumerate(wants):
        np.testing.assert_allclose(function(4.0), want, rtol=1e-14)
        np.testing.assert_allclose(wl.jit(function, disable_jit=True)(4.0), want, rtol=1e-14)
        function = wl.grad(function) if order % 2 else wl.jacfwd(function)
    found = wl.vmap(wl.grad(root))(np.array([1.0, 4.0, 9.0]))
    np.testing.assert_allclose(found, [1 / 2, 1 / 4, 1 / 6], rtol=1e-14)


def test_a_root_may_be_a_tree_with_a_word_of_its_solver() -> None:
    def both(a: Any) -> Any:
        def f(x: Any) -> Any:
            return {"p": x["p"] ** 3 - a, "q": x["q"] - x["p"]}

        def solver(f: Any, x: Any) -> Any:
            for _ in range(30):
                p = x["p"] - f(x)["p"] / (3 * x["p"] ** 2)
                x = {"p": p, "q": p}
            return x, {"left": f(x)["p"]}

        def linear(g: Any, y: Any) -> Any:
            slope = g({"p": 1.0, "q": 0.0})
            p = y["p"] / slope["p"]
            return {"p": p, "q": y["q"] - slope["q"] * p}

        x, aux = wl.lax.custom_root(f, {"p": 1.0, "q": 1.0}, solver, linear, has_aux=True)
        return x["p"] + 2 * x["q"], aux["left"]

    value, left = both(8.0)
    np.testing.assert_allclose([value, left], [6, 0], atol=1e-12)
    np.testing.assert_allclose(wl.grad(both, has_aux=True)(8.0)[0], 1 / 4, rtol=1e-12)


def iterated(f: Any, v: Any) -> Any:
    """By steps along what is left, in a loop that reverse mode cannot walk."""
    start = (v * 0.0, 0)
    step = lambda s: (s[0] + (v - f(s[0])) / 6, s[1] + 1)  # noqa: E731
    return wl.lax.while_loop(lambda s: s[1] < 200, step, start)[0]


def direct(f: Any, v: Any) -> Any:
    return np.linalg.solve(wl.jacfwd(f)(v), v)


def risk(solve: Any, **options: Any) -> Any:
    return lambda a, b: np.sum(np.sin(wl.lax.custom_linear_solve(
        lambda y: a @ y, b, solve, **options)))  # fmt: skip


def exact(a: Any, b: Any) -> Any:
    return np.sum(np.sin(np.linalg.solve(a, b)))


@pytest.mark.parametrize(
    ("function", "matrix"),
    [
        (risk(iterated), A),
        (risk(direct), A),
        (risk(iterated, symmetric=True), S),
        (risk(iterated, transpose_solve=direct), A),
    ],
)
def test_linear_equations_are_transposed_and_solved_again(function: Any, matrix: Any) -> None:
    np.testing.assert_allclose(function(matrix, B), exact(matrix, B), rtol=1e-12)
    wants = wl.grad(exact, (0, 1))(matrix, B)
    slopes = wl.grad(function, (0, 1))
    for run in (slopes, wl.jit(slopes, disable_jit=True)):
        for found, want in zip(run(matrix, B), wants, strict=True):
            np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-14)


def test_a_solver_of_products_has_all_derivatives() -> None:
    function = risk(direct)
    want = wl.hessian(exact, 1)(A, B)
    np.testing.assert_allclose(wl.hessian(function, 1)(A, B), want, rtol=1e-10, atol=1e-14)
    forward = wl.jvp(lambda b: function(A, b), (B,), (B,))[1]
    np.testing.assert_allclose(forward, wl.grad(exact, 1)(A, B) @ B, rtol=1e-12)


def test_a_word_of_a_linear_solver_has_no_derivative() -> None:
    def solver(f: Any, v: Any) -> Any:
        return iterated(f, v), np.sum(v)

    def total(b: Any) -> Any:
        x, aux = wl.lax.custom_linear_solve(
            lambda y: S @ y, b, solver, symmetric=True, has_aux=True
        )
        return np.sum(x) + aux

    want = np.linalg.solve(S, np.ones(3))
    np.testing.assert_allclose(wl.grad(total)(B), want, rtol=1e-11)
