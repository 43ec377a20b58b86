"""What an editor knows of functions that Wonderland makes: pyright checks `assert_type` here."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable
from typing import Any, assert_type

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.jit.jit import Jitted

Array = np.ndarray


def loss(w: Array, x: Array, scale: float = 1.0) -> Array:
    """The loss."""
    return np.sum((x @ w) ** 2) * scale


def with_aux(w: Array, x: Array) -> tuple[Array, int]:
    return loss(w, x), 3


@wl.jit
def plain(w: Array, x: Array, scale: float = 1.0) -> Array:
    """The loss."""
    return loss(w, x, scale)


@wl.jit(static_argnames="scale", verify=True)
def with_options(w: Array, x: Array, scale: float = 1.0) -> Array:
    """The loss."""
    return loss(w, x, scale)


class Model:
    factor = 2.0

    @wl.jit(static_argnums=0, disable_jit=True)
    def twice(self, x: Array) -> Array:
        return self.factor * x


@wl.custom_jvp
def cube(x: Array) -> Array:
    return x * x * x


@cube.defjvp
def cube_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return x * x * x, 3 * x * x * dx


W, X = np.ones(2), np.ones((3, 2))
KEEP = (
    wl.jit,
    wl.grad,
    wl.value_and_grad,
    wl.vmap,
    wl.checkpoint,
    wl.jacfwd,
    wl.jacrev,
    wl.hessian,
    wl.custom_jvp,
    wl.custom_vjp,
    wl.custom_vmap,
)


def test_a_compiled_function_has_the_types_of_the_function() -> None:
    assert_type(plain(W, X, scale=2.0), Array)
    assert_type(with_options(W, X), Array)
    assert_type(wl.jit(loss)(W, X), Array)
    assert_type(Model().twice(X), Array)
    assert_type(wl.jit(np.sin)(X), Any)
    assert plain(W, X, scale=2.0) == 2 * with_options(W, X) == 24.0
    with pytest.raises(TypeError):
        plain(W, y=X)  # pyright: ignore[reportCallIssue]


def test_derivatives_have_the_parameters_of_the_function_and_its_results() -> None:
    value, slope = wl.value_and_grad(loss)(W, X, scale=1.0)
    assert_type(value, Array)
    assert_type(slope, Any)
    (value, aux), _ = wl.value_and_grad(with_aux, has_aux=True)(W, X)
    assert_type(aux, int)
    assert_type(wl.grad(with_aux, has_aux=True)(W, X), tuple[Any, int])
    assert_type(wl.jvp(loss, (W, X), (W, X)), tuple[Array, Array])
    assert_type(wl.linearize(loss, W, X), tuple[Array, Callable[..., Array]])
    assert_type(wl.vjp(loss, W, X), tuple[Array, Callable[[Any], tuple[Any, ...]]])
    assert_type(wl.vjp(with_aux, W, X, has_aux=True)[2], int)
    assert_type(wl.vmap(loss, in_axes=(None, 0))(W, X), Array)
    assert_type(wl.checkpoint(loss)(W, X), Array)
    assert_type(cube(X), Array)
    assert_type(wl.stop_gradient(value), Array)
    with pytest.raises(TypeError):
        wl.grad(loss)(W, y=X)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("make", KEEP, ids=lambda f: f.__name__)
def test_what_takes_a_function_keeps_its_name_signature_and_docstring(make: Any) -> None:
    made = make(loss)
    assert made.__name__ == "loss"
    assert inspect.signature(made) == inspect.signature(loss)
    assert inspect.getdoc(made) == "The loss."
    shown = pydoc.plain(pydoc.render_doc(made))
    assert "loss(w: 'Array', x: 'Array', scale: 'float' = 1.0) -> 'Array'" in shown
    assert "The loss." in shown


def test_a_compiled_function_says_what_it_is_and_a_method_loses_self() -> None:
    assert isinstance(plain, Jitted) and isinstance(with_options, Jitted)
    assert list(inspect.signature(Model().twice).parameters) == ["x"]
    shown = [n for n in dir(plain) if not n.startswith("__")]
    assert shown == ["compile", "inspect", "name"]
