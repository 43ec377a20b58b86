"""custom_vmap: the rule of the user's is what vmap uses, in every nesting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.verify import verify

X, Y = np.random.default_rng(0).normal(size=(2, 4, 3))


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance)


def product(told: list[Any] | None = None, plus: float = 0.0) -> Any:
    """sin(x) y; the rule notes what it is told, and adds `plus`, by which it is known."""

    @wl.custom_vmap
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y

    @f.def_vmap
    def rule(axis_size: int, in_batched: list[bool], x: Any, y: Any) -> Any:
        if told is not None:
            told.append((axis_size, in_batched, x.shape, y.shape))
        return np.sin(x) * y + plus, True

    return f


def test_vmap_uses_the_rule_and_tells_it_what_is_batched():
    told: list[Any] = []
    f = product(told, 1.0)
    close(f(X, Y), np.sin(X) * Y)
    close(wl.vmap(f)(X, Y), np.sin(X) * Y + 1)
    close(wl.vmap(f, in_axes=(None, 0))(X[0], Y), np.sin(X[0]) * Y + 1)
    close(wl.vmap(lambda x: f(x * 2, Y[0]))(X), np.sin(2 * X) * Y[0] + 1)
    close(wl.vmap(lambda x: f(Y[0], Y[1]) + x)(X), np.sin(Y[0]) * Y[1] + X)
    assert told == [
        (4, [True, True], (4, 3), (4, 3)),
        (4, [False, True], (3,), (4, 3)),
        (4, [True, False], (4, 3), (3,)),
    ]


def test_compiled_it_is_the_same():
    f = product(plus=1.0)
    close(wl.jit(wl.vmap(f))(X, Y), np.sin(X) * Y + 1, 1e-10)
    close(wl.jit(f)(X, Y), np.sin(X) * Y, 1e-10)
    close(wl.vmap(wl.jit(f))(X, Y), np.sin(X) * Y + 1, 1e-10)


def test_results_may_be_the_same_for_all():
    @wl.custom_vmap
    def f(x: Any, y: Any) -> Any:
        return {"sum": x + y, "y": 2 * y}

    @f.def_vmap
    def rule(axis_size: int, in_batched: Any, x: Any, y: Any) -> Any:
        return {"sum": x + y, "y": 2 * y}, {"sum": True, "y": in_batched[1]}

    axes = {"sum": 0, "y": None}
    found = wl.vmap(f, in_axes=(0, None), out_axes=axes)(X, Y[0])
    close(found, {"sum": X + Y[0], "y": 2 * Y[0]})
    close(wl.vmap(f)(X, Y), {"sum": X + Y, "y": 2 * Y})


def test_trees_of_arguments_and_keywords():
    @wl.custom_vmap
    def f(p: Any, x: Any) -> Any:
        return x @ p["w"] + p["b"]

    told = []

    @f.def_vmap
    def rule(axis_size: int, in_batched: Any, p: Any, x: Any) -> Any:
        told.append(in_batched)
        return x @ p["w"] + p["b"], True

    p = {"w": np.eye(3), "b": Y}
    axes = ({"w": None, "b": 0}, 0)
    close(wl.vmap(lambda p, x: f(p, x=x), in_axes=axes)(p, X), X + Y)
    assert told == [[{"w": False, "b": True}, True]]


def test_each_of_nested_batches_has_its_rule():
    told: list[Any] = []
    f = product(told, 1.0)
    twice = wl.vmap(wl.vmap(f, in_axes=(None, 0)), in_axes=(0, None))
    close(twice(X, Y), np.sin(X)[:, None] * Y + 1)
    # the inner batch is of y alone; the outer one is of the rule as it is written
    assert told[0] == (4, [False, True], (3,), (4, 3))
    told.clear()
    apart = wl.vmap(lambda x: wl.vmap(lambda z: f(x, Y[0]) + z)(Y))
    close(apart(X), (np.sin(X) * Y[0] + 1)[:, None] + Y)
    assert (4, [True, False], (4, 3), (3,)) in told


def test_a_rule_may_call_its_function_and_other_batches_of_it():
    @wl.custom_vmap
    def f(x: Any) -> Any:
        return x * 2

    @f.def_vmap
    def rule(axis_size: int, in_batched: Any, x: Any) -> Any:
        return np.stack([f(row) for row in x]) + 1, True

    close(wl.vmap(f)(X), 2 * X + 1)
    # the calls in the inner rule are batched by the outer vmap
    close(wl.vmap(wl.vmap(f))(X), 2 * X + 2)


def test_forward_mode_has_the_rule_and_reverse_mode_the_function():
    f = product(plus=1.0)
    value, slope = wl.vmap(lambda x, y: wl.jvp(f, (x, y), (y, x)))(X, Y)
    close(value, np.sin(X) * Y + 1)
    close(slope, np.cos(X) * Y * Y + np.sin(X) * X)
    close(wl.jvp(wl.vmap(f), (X, Y), (Y, X)), (value, slope))
    one = wl.grad(lambda x, y: np.sum(f(x, y)), argnums=(0, 1))
    close(wl.vmap(one)(X, Y), (np.cos(X) * Y, np.sin(X)))
    close(wl.grad(lambda x: np.sum(wl.vmap(f)(x, Y)))(X), np.cos(X) * Y)
    close(wl.vmap(wl.hessian(lambda x: np.sum(f(x, x) * x)))(X),
          np.stack([wl.hessian(lambda x: np.sum(np.sin(x) * x * x))(x) for x in X]))  # fmt: skip
    wl.testing.check_gradients(wl.vmap(product()), X, Y, order=2)


def test_values_around_it_are_constants_of_the_graphs():
    c = np.arange(3.0)

    def outer(k: Any, x: Any) -> Any:
        @wl.custom_vmap
        def f(x: Any) -> Any:
            return x * k + c

        @f.def_vmap
        def rule(axis_size: int, in_batched: Any, x: Any) -> Any:
            return x * k + c + 1, True

        return wl.vmap(f)(x)

    close(wl.jit(outer)(3.0, X), 3 * X + c + 1)
    close(wl.grad(lambda k: np.sum(outer(k, X)))(3.0), X.sum())
    with pytest.raises(ProgramError, match="custom_vmap: f closes over a mapped value"):
        wl.vmap(lambda x: inner(x, lambda y: y * x))(X)


def inner(x: Any, function: Any) -> Any:
    f = wl.custom_vmap(function)
    f.function.__name__ = "f"
    f.def_vmap(lambda axis_size, in_batched, y: (y, True))
    return f(2 * x)


def test_a_call_that_was_traced_before_is_batched_as_it_is_written():
    f = product(plus=1.0)
    _, push = wl.linearize(lambda x: f(x, Y[0]), X[0])
    close(wl.vmap(push)(X), np.cos(X[0]) * Y[0] * X)


def test_its_graphs_read_back_as_text():
    graphs = []

    def seen(x: Any, y: Any) -> Any:
        f = product()
        graphs.append(wl.trace(lambda a: f(a, y), x).graph)
        return f(x, y)

    wl.vmap(seen)(X, Y)
    (graph,) = graphs
    assert parse(str(verify(graph))) == graph and "custom_vmap" in str(graph)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (lambda x, y: x, "custom_vmap: a pair (results, which are batched) is required"),
        (lambda x, y: ((x, y), True), "the results of the rule of f must have the structure"),
        (lambda x, y: (x, "yes"), "True, False or a tree of them for the results is required"),
        (lambda x, y: (x, (True, True)), "True, False or a tree of them for the results"),
        (lambda x, y: (x, False), "a result f64[3] is required of the rule of f, got f64[4, 3]"),
        (lambda x, y: (x[:, :1], True), "a result f64[4, 3] is required of the rule of f, got"),
    ],
)
def test_a_rule_that_gives_something_else_is_named(result: Any, error: str):
    f = product()
    f.def_vmap(lambda axis_size, in_batched, x, y: result(x, y))
    with pytest.raises(ProgramError) as caught:
        wl.vmap(f)(X, Y)
    assert error in str(caught.value) and "test_custom_batching.py" in str(caught.value)


def test_what_does_not_fit_is_named():
    with pytest.raises(ProgramError, match="custom_vmap: f needs a rule, got none"):
        wl.custom_vmap(product().function)(1.0, 2.0)
    with pytest.raises(ProgramError, match="custom_vmap: a function is required, got 3"):
        wl.custom_vmap(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ProgramError, match="custom_vmap: f: missing a required argument: 'y'"):
        product()(1.0)
    assert repr(product()) == "<custom_vmap of f>"


def test_jax_gives_the_same():
    jax = pytest.importorskip("jax")
    custom = jax.custom_batching.custom_vmap

    def make(decorate: Any, np: Any) -> Any:
        @decorate
        def f(x: Any, y: Any) -> Any:
            return np.sin(x) * y

        @f.def_vmap
        def rule(axis_size: int, in_batched: Any, x: Any, y: Any) -> Any:
            weight = axis_size + 10.0 * in_batched[0] + 100.0 * in_batched[1]
            return np.sin(x) * y + weight, True

        return f

    with jax.enable_x64(True):
        theirs, own = make(custom, jax.numpy), make(wl.custom_vmap, np)
        for axes in ((0, 0), (0, None), (None, 0)):
            x, y = (a if axis == 0 else a[0] for a, axis in zip((X, Y), axes, strict=True))
            close(wl.vmap(own, axes)(x, y), np.asarray(jax.vmap(theirs, axes)(x, y)))
        pairs = (
            (lambda f, m: m.vmap(m.vmap(f, (None, 0)), (0, None))),
            (lambda f, m: m.vmap(lambda x, y: m.jvp(f, (x, y), (y, x)))),
        )
        for both in pairs:
            close(both(own, wl)(X, Y), jax.tree.map(np.asarray, both(theirs, jax)(X, Y)))
