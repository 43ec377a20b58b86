"""Derivatives of complex functions: JAX's conventions, errors, checks by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

RNG = np.random.default_rng(0)
Z = (RNG.normal(size=5) + 1j * RNG.normal(size=5)).astype(np.complex64)
W = (RNG.normal(size=5) + 1j * RNG.normal(size=5)).astype(np.complex64)
X = RNG.normal(size=5).astype(np.float32)

LOSSES = {
    "square": lambda np, z: np.sum(np.abs(z) ** 2),
    "product": lambda np, z: np.sum(np.real(z * np.conj(z))),
    "modulus": lambda np, z: np.sum(np.abs(z)),
    "parts": lambda np, z: np.sum(np.real(z) * 3 + np.imag(z) ** 2),
    "angle": lambda np, z: np.sum(np.angle(z)),
    "exp": lambda np, z: np.sum(np.real(np.exp(1j * z) / (z + 2))),
    "sqrt": lambda np, z: np.sum(np.imag(np.sqrt(z) * np.log(z))),
    "trigonometry": lambda np, z: np.sum(np.abs(np.sin(z) + np.cosh(z) * np.tanh(z)) ** 2),
    "inverse": lambda np, z: np.sum(np.real(np.arctan(z) + np.arcsin(z) * np.arcsinh(z))),
    "power": lambda np, z: np.sum(np.real(z**3 + z**-2 + z ** (1.5 - 0.5j))),
    "sum": lambda np, z: np.abs(np.sum(z * z[::-1])),
    "prod": lambda np, z: np.abs(np.prod(z)) + np.real(np.cumprod(z))[3],
    "where": lambda np, z: np.sum(np.real(np.where(np.abs(z) > 1, z, 1j * z) ** 2)),
    "outer": lambda np, z: np.sum(np.abs(z[:, None] @ np.conj(z[None, :])) ** 2),
    "gather": lambda np, z: np.sum(np.real(np.take(z, np.array([0, 3, 3])) ** 2)),
    "pairs": lambda np, z: np.sum(np.real(np.stack([z, np.conj(z)]) * 1j) ** 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_a_real_value_is_that_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    loss = LOSSES[name]
    value, slope = wl.value_and_grad(lambda z: loss(np, z))(Z)
    theirs = jax.value_and_grad(lambda z: loss(jax.numpy, z))(Z)
    np.testing.assert_allclose(value, theirs[0], rtol=1e-5)
    np.testing.assert_allclose(slope, theirs[1], rtol=2e-4, atol=2e-4)
    compiled = wl.jit(wl.grad(lambda z: loss(np, z)))(Z)
    np.testing.assert_allclose(compiled, slope, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_differences_in_both_modes_and_orders(name: str) -> None:
    wl.testing.check_gradients(lambda z: LOSSES[name](np, z), Z, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["arccos", "arccosh", "arctanh", "expm1", "log1p", "log2", "exp2"])
def test_derivatives_of_further_functions_are_those_of_differences(name: str) -> None:
    wl.testing.check_gradients(getattr(np, name), Z, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_the_squared_modulus_is_twice_the_conjugate() -> None:
    found = wl.grad(lambda z: np.sum(np.real(z * np.conj(z))))(Z)
    np.testing.assert_allclose(found, 2 * np.conj(Z), rtol=1e-6)


def test_descent_along_the_conjugate_goes_down() -> None:
    def loss(z: Any) -> Any:
        return np.sum(np.abs(z * z - W) ** 2)

    z, step = Z, wl.jit(wl.value_and_grad(loss))
    for _ in range(300):
        _, slope = step(z)
        z = z - np.float32(0.02) * np.conj(slope)
    np.testing.assert_allclose(z * z, W, atol=1e-3)


HOLOMORPHIC = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda z: 1 / z),
    "sin": (np.sin, np.cos),
    "sqrt": (np.sqrt, lambda z: 0.5 / np.sqrt(z)),
    "tan": (np.tan, lambda z: 1 / np.cos(z) ** 2),
    "cube": (lambda z: z**3, lambda z: 3 * z * z),
    "quotient": (lambda z: (z + 1) / (z - 2j), lambda z: (-1 - 2j) / (z - 2j) ** 2),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic_gradients_are_complex_derivatives(name: str) -> None:
    function, derivative = HOLOMORPHIC[name]
    for z in Z.astype(np.complex128):
        found = wl.grad(function, holomorphic=True)(z)
        np.testing.assert_allclose(found, derivative(z), rtol=1e-12)
        _, tangent = wl.jvp(function, (z,), (np.complex128(2 - 1j),))
        np.testing.assert_allclose(tangent, derivative(z) * (2 - 1j), rtol=1e-12)


@pytest.mark.parametrize("name", ["conj", "real", "imag", "abs", "angle", "sign"])
def test_jvp_and_vjp_of_what_is_not_holomorphic_are_those_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    function, theirs = getattr(np, name), getattr(jax.numpy, name)
    value, tangent = wl.jvp(function, (Z,), (W,))
    if name != "sign":  # whose derivative is 0 there
        np.testing.assert_allclose(tangent, jax.jvp(theirs, (Z,), (W,))[1], rtol=1e-4, atol=1e-5)
        ct = np.asarray(W if value.dtype.kind == "c" else X)
        (ours,) = wl.vjp(function, Z)[1](ct)
        np.testing.assert_allclose(ours, jax.vjp(theirs, Z)[1](ct)[0], rtol=1e-4, atol=1e-5)
    else:
        wl.testing.check_gradients(function, Z, rtol=1e-5, atol=1e-5)


def test_casts_between_reals_and_complex_numbers_transpose_as_in_jax() -> None:
    jax = pytest.importorskip("jax")
    ours = wl.vjp(lambda x: x * W, X)[1](Z)
    theirs = jax.vjp(lambda x: x * W, X)[1](Z)
    assert ours[0].dtype == np.float32
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)


def test_the_modulus_has_the_slope_0_at_0_as_in_jax() -> None:
    slope = wl.grad(lambda z: np.abs(z))(np.complex64(0))
    assert slope == 0


ERRORS = [
    (
        lambda: wl.grad(lambda z: z * z)(np.complex64(1)),
        "grad: a real result is required, got c64",
        "holomorphic=True for a holomorphic function",
    ),
    (
        lambda: wl.grad(lambda x: x * 1j, holomorphic=True)(np.float32(1)),
        "grad: complex inputs are required with holomorphic=True, got f32 at x",
        "x.astype(np.complex64)",
    ),
    (
        lambda: wl.grad(lambda z: np.abs(z), holomorphic=True)(np.complex64(1)),
        "grad: a complex result is required, got f32",
        "holomorphic=False",
    ),
    (
        lambda: wl.jvp(lambda z: z, (Z,), (X,)),
        r"jvp: a tangent of type c64\[5\] is required, got f32\[5\]",
        "",
    ),
]


@pytest.mark.parametrize(("call", "message", "repair"), ERRORS)
def test_what_is_asked_of_the_wrong_kind_is_refused(call: Any, message: str, repair: str) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        call()
    assert repair in str(caught.value)


def test_a_complex_step_is_the_derivative_of_an_analytic_function() -> None:
    step = wl.jit(lambda x: np.exp(x) / (1 + x * x))
    x = X.astype(np.float64)
    found = step(x + 1e-30j).imag / 1e-30
    expected = wl.grad(lambda x: np.sum(np.exp(x) / (1 + x * x)))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_wrong_derivatives_of_complex_functions_are_found() -> None:
    with pytest.raises(AssertionError, match="check_gradients: order 1 by fwd"):
        wl.testing.check_gradients(
            lambda z: np.abs(z - 1) * wl.stop_gradient(np.abs(z)), Z, order=1
        )
