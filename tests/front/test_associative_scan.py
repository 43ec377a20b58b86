"""Associative scans: values and derivatives are those of a loop, in one size for any length."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.text import parse

rng = np.random.default_rng(0)
Arrays = tuple[np.ndarray, ...]


def affine(p: Any, q: Any) -> Any:
    return p[0] * q[0], p[1] * q[0] + q[1]


def hypot(p: Any, q: Any) -> Any:
    return (np.sqrt(p[0] * p[0] + q[0] * q[0]),)


def product(p: Any, q: Any) -> Any:
    return (p[0] @ q[0],)


def softmax(p: Any, q: Any) -> Any:
    """The greatest so far, and the sum of exponentials beside it."""
    top = np.maximum(p[0], q[0])
    return top, p[1] * np.exp(p[0] - top) + q[1] * np.exp(q[0] - top)


def restarted(p: Any, q: Any) -> Any:
    return p[0] | q[0], np.where(q[0], q[1], p[1] + q[1])


def rotated(p: Any, q: Any) -> Any:
    """Two parts that read each other, and one that sums what the first is."""
    return p[0] * q[0] - p[1] * q[1], p[0] * q[1] + p[1] * q[0], p[2] + q[2]


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape)


CASES: dict[Callable[..., Any], Callable[[int, int], Arrays]] = {
    affine: lambda n, w: (normal(n, w) / 2, normal(n, w)),
    hypot: lambda n, w: (rng.uniform(0.5, 1, (n, w)),),
    product: lambda n, w: (np.eye(2) + normal(n, w, 2, 2) / 20,),
    softmax: lambda n, w: (normal(n, w), rng.uniform(0.5, 1, (n, w))),
    restarted: lambda n, w: (rng.uniform(size=(n, w)) < 0.2, normal(n, w)),
    rotated: lambda n, w: (normal(n, w) / 2, normal(n, w) / 2, normal(n, w)),
}
SIZES = [(0, 2), (1, 2), (2, 1), (5, 3), (257, 1), (300, 2), (5, 130)]  # around chunks


def looped(fn: Callable[..., Any], xs: Arrays, reverse: bool = False) -> list[np.ndarray]:
    ys = [x.copy() for x in xs]
    for last, i in itertools.pairwise(range(len(xs[0]))[:: -1 if reverse else 1]):
        found = fn(*(tuple(a[k : k + 1] for a in side) for side, k in ((ys, last), (xs, i))))
        for y, new in zip(ys, found, strict=True):
            y[i] = new[0]
    return ys


def weighed(fn: Callable[..., Any], reverse: bool, *xs: Any) -> Any:
    """A number of all states that are no bools."""
    ys = lax.associative_scan(fn, xs, reverse)
    return sum(np.sum(np.sin(y) * np.cos(y * 0.7)) for y in ys if y.dtype != bool)


@pytest.mark.parametrize("fn", CASES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_values_are_those_of_a_loop(fn: Callable[..., Any], size: tuple[int, int]) -> None:
    reverse = sum(size) % 2 == 0
    xs = CASES[fn](*size)
    found = wl.jit(lambda *xs: lax.associative_scan(fn, xs, reverse))(*xs)
    for y, want in zip(found, looped(fn, xs, reverse), strict=True):
        assert y.dtype == want.dtype
        np.testing.assert_allclose(y, want, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("fn", CASES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [4, 260])
def test_a_gradient_is_that_of_a_loop(fn: Callable[..., Any], n: int) -> None:
    xs = CASES[fn](n, 1)
    at = [k for k, x in enumerate(xs) if x.dtype != bool]
    total = functools.partial(weighed, fn, n % 3 == 1)
    slopes = wl.jit(wl.grad(total, argnums=at))(*xs)
    ways = [normal(*x.shape) for x in xs]

    def along(t: float) -> float:
        moved = (x + t * d if x.dtype != bool else x for x, d in zip(xs, ways, strict=True))
        ys = looped(fn, tuple(moved), n % 3 == 1)
        return sum(float(np.sum(np.sin(y) * np.cos(y * 0.7))) for y in ys if y.dtype != bool)

    wanted = (along(1e-6) - along(-1e-6)) / 2e-6
    found = sum(np.sum(g * ways[k]) for g, k in zip(slopes, at, strict=True))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fn", [affine, hypot, product], ids=lambda f: f.__name__)
def test_derivatives_of_every_kind_agree(fn: Callable[..., Any]) -> None:
    """Forward and reverse, of order 2, under vmap, and of constants the function closes over."""

    def states(scale: Any, *xs: Any) -> Any:
        def scaled(p: Any, q: Any) -> Any:
            return tuple(y / scale for y in fn([x * scale for x in p], [x * scale for x in q]))

        return lax.associative_scan(fn if fn is affine else scaled, tuple(xs), axis=0)

    xs = CASES[fn](4, 1)
    wl.testing.check_gradients(states, 1.3, *xs, order=2)
    many = [np.stack([x, x / 2, x * 0.9]) for x in xs]
    mapped = wl.jit(wl.vmap(functools.partial(states, 1.3)))(*many)
    for k in range(3):
        one = states(1.3, *(x[k] for x in many))
        for y, want in zip(mapped, one, strict=True):
            np.testing.assert_allclose(y[k], want, rtol=1e-12)


def test_a_program_has_one_size_for_any_length() -> None:
    def kernels(fn: Callable[..., Any], n: int) -> int:
        total = functools.partial(weighed, fn, False)
        return wl.jit(wl.value_and_grad(total)).inspect(*CASES[fn](n, 1))["fuse"].count("def ")

    for fn in (affine, hypot):
        assert kernels(fn, 1024) == kernels(fn, 4096) < 20


def test_a_first_order_recurrence_is_one_pass_forward_and_one_back() -> None:
    total = lambda *xs: np.sum(lax.associative_scan(affine, xs)[1])  # noqa: E731
    stages = wl.jit(wl.value_and_grad(total, argnums=(0, 1))).inspect(*CASES[affine](64, 4))
    assert stages["dead"].count("linear_recurrence") == 2 and " scan(" not in stages["dead"]


def test_a_graph_is_read_back() -> None:
    scale = 2.0 * np.ones(3)

    def f(x: Any, c: Any) -> Any:
        return lax.associative_scan(lambda a, b: a * c + b * c[0], x, axis=-1)

    graph = wl.trace(f, np.ones((3, 4)).T, scale[:1]).graph
    assert "associative_scan" in str(graph) and parse(str(graph)) == graph


def test_leaves_of_other_types_and_shapes_stand_beside_each_other() -> None:
    n = 6
    xs = {
        "half": normal(n).astype(np.float16),
        "whole": rng.integers(0, 9, (2, n)).astype(np.int32),
        "turned": np.exp(1j * normal(n)),
    }

    def step(p: Any, q: Any) -> Any:
        return {
            "half": p["half"] + q["half"],
            "whole": np.maximum(p["whole"], q["whole"]),
            "turned": p["turned"] * q["turned"],
        }

    found = lax.associative_scan(step, xs, axis=-1)
    np.testing.assert_allclose(found["half"], np.cumsum(xs["half"], dtype=np.float32), rtol=2e-3)
    np.testing.assert_array_equal(found["whole"], np.maximum.accumulate(xs["whole"], axis=1))
    np.testing.assert_allclose(found["turned"], np.cumprod(xs["turned"]), rtol=1e-12)
    assert {k: v.dtype for k, v in found.items()} == {k: v.dtype for k, v in xs.items()}


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences_of_halves_round_results_alone(reverse: bool) -> None:
    a, b = (rng.uniform(0.1, 0.9, (300, 1)).astype(np.float16) for _ in range(2))
    for fn, xs in ((affine, (a, b)), (lambda p, q: (p[0] + q[0],), (b,))):
        found = lax.associative_scan(fn, xs, reverse)[-1]
        want = looped(fn, tuple(x.astype(float) for x in xs), reverse)[-1]
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, want, rtol=float(np.finfo(np.float16).eps) / 1.9)


def test_scans_stand_in_loops_branches_and_regions() -> None:
    x = normal(5, 2) / 2

    @wl.checkpoint
    def inner(x: Any) -> Any:
        return lax.associative_scan(lambda a, b: np.sqrt(a * a + b * b), x)

    def f(x: Any) -> Any:
        h, _ = lax.scan(lambda h, _: (lax.cond(np.sum(h) > 0, inner, np.sin, h), None), x, None, 2)
        return np.sum(h * h)

    wl.testing.check_gradients(f, np.abs(x) + 0.5, order=1)


@pytest.mark.parametrize(
    ("fn", "message", "repair"),
    [
        (
            lambda a, b: (a * b).astype(np.float32),
            "f64[1, 2], got f32[1, 2]",
            ".astype(np.float64)",
        ),
        (lambda a, b: np.sum(a * b, axis=1), "f64[1, 2], got f64[1]", ""),
        (lambda a, b: (a, b), "fn must return what it is given", ""),
        (3, "a function is required, got 3", ""),
    ],
)
def test_what_a_function_may_not_return_is_said(fn: Any, message: str, repair: str) -> None:
    with pytest.raises(ProgramError) as caught:
        lax.associative_scan(fn, np.ones((3, 2)))
    assert message in str(caught.value) and repair in str(caught.value)
    assert str(caught.value).startswith("associative_scan: ")
