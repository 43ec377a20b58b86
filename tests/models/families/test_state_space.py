"""State spaces: HiPPO's state tells of the past; scans and convolutions are one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg

import wonderland as wl
from wonderland.models.families import diagonal_state_space as diagonal
from wonderland.models.families import state_space as dense

rng = np.random.default_rng(0)
SIGNALS = rng.normal(size=(2, 12, 3))
KEY = wl.random.key(0)


def exactly(function: Any, *args: Any) -> Any:
    """The function in f64, by the interpreter."""
    wide = wl.tree.map(lambda x: np.asarray(x, np.float64), args)
    return wl.jit(function, disable_jit=True)(*wide)


def legendre(size: int, places: np.ndarray) -> np.ndarray:
    """Orthonormal polynomials on [0, 1]: [size, places]."""
    values = np.polynomial.legendre.legvander(2 * places - 1, size - 1).T
    return values * np.sqrt(2 * np.arange(size) + 1)[:, None]


def test_the_state_of_hippo_is_what_polynomials_have_of_the_past() -> None:
    places = (np.arange(400) + 0.5) / 400
    signal = np.sin(7 * places) + 0.3 * np.cos(20 * places)
    states = np.asarray(wl.jit(lambda u: dense.legs_memory(u, 16))(signal))
    for end in (200, 400):
        past = (np.arange(end) + 0.5) / end
        coefficients = legendre(16, past) @ signal[:end] / end
        np.testing.assert_allclose(states[end - 1], coefficients, atol=5e-3)
    told = dense.reconstruction(states[-1], places)
    np.testing.assert_allclose(told, states[-1] @ legendre(16, places), atol=1e-12)
    errors = [
        np.mean(np.abs(dense.reconstruction(states[-1, :n], places) - signal)) for n in (4, 8, 16)
    ]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.01


def test_hippo_is_a_normal_matrix_less_a_rank() -> None:
    a, b = dense.hippo_legs(6)
    w, p, start = dense.normal_plus_low_rank(6)
    w, p, start = (np.concatenate([x, np.conj(x)]) for x in (w, p, start))
    same = np.diag(w) - np.outer(p, np.conj(p))
    np.testing.assert_allclose(np.poly(same), np.poly(a), rtol=1e-9)
    for n in range(4):  # what a state does to what is written does not depend on the basis
        found = np.conj(p) @ np.linalg.matrix_power(same, n) @ start
        want = np.sqrt(np.arange(6) + 0.5) @ np.linalg.matrix_power(a, n) @ b
        np.testing.assert_allclose(found, want, rtol=1e-9)


@pytest.mark.parametrize("rule", [dense.bilinear, dense.zero_order_hold])
def test_a_scan_is_a_convolution(rule: Any) -> None:
    a, b = rule(*dense.hippo_legs(5), 0.1)
    u, c = SIGNALS[0, :, 0], rng.normal(size=5)
    kernel = dense.powers_kernel(a, b, c, 12)
    np.testing.assert_allclose(kernel[2], c @ a @ a @ b, rtol=1e-12)
    found = dense.convolution(u[None, :, None], kernel[None])[0, :, 0]
    np.testing.assert_allclose(found, dense.scanned(a, b, c, u), atol=1e-12)
    np.testing.assert_allclose(found, np.convolve(u, kernel)[:12], atol=1e-12)


def test_steps_follow_the_equation() -> None:
    """With u = 1 the state at 1 is A^-1 (e^A - I) B: exactly by holding, to second order else."""
    a, b = dense.hippo_legs(4)
    want = np.linalg.solve(a, scipy.linalg.expm(a) @ b - b)
    errors = []
    for rule, steps in (
        (dense.zero_order_hold, 20),
        (dense.bilinear, 20),
        (dense.bilinear, 40),
    ):
        step, start = rule(a, b, 1 / steps)
        found = dense.scanned(step, start, np.eye(4), np.ones(steps))[-1]
        errors.append(np.abs(found - want).max())
    assert errors[0] < 1e-12 and 3.5 < errors[1] / errors[2] < 4.5


def test_s4_by_its_transform_is_s4_in_steps() -> None:
    layer = dense.S4.init(KEY, 3, 8, 12)
    whole, steps = (exactly(f, layer, SIGNALS) for f in (dense.S4.__call__, dense.S4.scan))
    np.testing.assert_allclose(whole, steps, atol=1e-12)
    short = exactly(dense.S4.__call__, layer, SIGNALS[:, :7])
    np.testing.assert_allclose(short, whole[:, :7], atol=1e-12)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("rule", ["zero order hold", "bilinear"])
def test_s4d_in_steps_is_its_convolution(real: bool, rule: Any) -> None:
    layer = diagonal.S4D.init(KEY, 3, 4, real=real, rule=rule)
    found, end = exactly(diagonal.S4D.scan, layer, SIGNALS)
    np.testing.assert_allclose(found, exactly(diagonal.S4D.__call__, layer, SIGNALS), atol=1e-12)
    first, state = exactly(diagonal.S4D.scan, layer, SIGNALS[:, :5])
    rest, state = wl.jit(diagonal.S4D.scan, disable_jit=True)(
        wl.tree.map(np.float64, layer), SIGNALS[:, 5:], state
    )
    np.testing.assert_allclose(np.concatenate([first, rest], 1), found, atol=1e-12)
    np.testing.assert_allclose(state, end, atol=1e-12)


@pytest.mark.parametrize("rule", ["zero order hold", "bilinear"])
def test_diagonal_steps_are_those_of_matrices(rule: Any) -> None:
    layer = diagonal.S5.init(KEY, 1, 4, real=True, rule=rule)
    found = exactly(diagonal.S5.__call__, layer, SIGNALS[:, :, :1])[..., 0]
    a = np.diag(-np.exp(np.float64(layer.log_decay)))
    steps = np.exp(np.float64(layer.log_step))
    given = dense.bilinear if rule == "bilinear" else dense.zero_order_hold
    # a step of its own for each state: the equation of time over step
    step, start = given(a * steps[:, None], layer.write[0] * steps, 1.0)
    for u, y in zip(SIGNALS[:, :, 0], found, strict=True):
        want = dense.scanned(step, start, 2 * np.float64(layer.read[:, 0]), u)
        np.testing.assert_allclose(y, want + layer.skip * u, rtol=1e-5)


@pytest.mark.parametrize("real", [False, True])
def test_s5_goes_on_from_its_state(real: bool) -> None:
    layer = diagonal.S5.init(KEY, 3, 4, real=real)
    found, end = wl.jit(diagonal.S5.scan)(layer, np.float32(SIGNALS))
    first, state = diagonal.S5.scan(layer, np.float32(SIGNALS[:, :5]))
    rest, state = diagonal.S5.scan(layer, np.float32(SIGNALS[:, 5:]), state)
    np.testing.assert_allclose(np.concatenate([first, rest], 1), found, atol=2e-6)
    np.testing.assert_allclose(state, end, atol=2e-6)
    later = SIGNALS.copy()
    later[:, 7:] += 1
    changed, _ = diagonal.S5.scan(layer, np.float32(later))
    np.testing.assert_allclose(changed[:, :7], found[:, :7], atol=2e-6)
    assert np.abs(changed[:, 7:] - found[:, 7:]).min() > 1e-3
