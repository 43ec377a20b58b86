"""Five ways to a gradient: how far off, how dear; checkpoints and descent."""

from __future__ import annotations

import importlib.util
from functools import partial

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.families import autodiff as of

X = np.linspace(0.1, 2, 8)
OFF = {
    "forward difference": (1e-9, 1e-5),
    "central difference": (1e-13, 1e-8),
    "complex step": (0, 2e-15),
    "forward mode": (0, 2e-15),
    "reverse mode": (0, 2e-15),
}
TERMS = 1 + np.sin(X) / 2
EXACT = np.prod(TERMS) * np.cos(X) / 2 / TERMS


@pytest.mark.parametrize("name", of.METHODS)
def test_a_gradient_is_as_exact_as_its_method(name: str) -> None:
    error = np.max(np.abs(of.METHODS[name](of.product, X) / EXACT - 1))
    low, high = OFF[name]
    assert low <= error <= high


def test_a_difference_errs_by_its_step_or_by_rounding() -> None:
    def error(method: str, h: float) -> float:
        return float(np.max(np.abs(of.METHODS[method](of.product, X, h) / EXACT - 1)))

    assert error("forward difference", 1e-3) == pytest.approx(
        10 * error("forward difference", 1e-4), rel=0.05
    )
    assert error("central difference", 1e-2) == pytest.approx(
        100 * error("central difference", 1e-3), rel=0.05
    )
    assert error("forward difference", 1e-14) > 1e-4  # h away, the values share all but 2 digits
    assert error("complex step", 1e-200) < 2e-15


def test_one_reverse_gradient_costs_a_few_values_and_forward_ones_n() -> None:
    """By operations of the compiled programs."""
    flops = {
        (name, n): of.cost(partial(of.METHODS[name], of.product), np.linspace(0.1, 2, n))[0]
        for name, n in (("forward mode", 64), ("reverse mode", 64), ("reverse mode", 16))
    }
    value = of.cost(of.product, np.linspace(0.1, 2, 64))[0]
    assert flops["reverse mode", 64] < 6 * value
    assert flops["reverse mode", 64] < 8 * flops["reverse mode", 16]
    assert flops["forward mode", 64] > 10 * flops["reverse mode", 64]


@pytest.mark.skipif(importlib.util.find_spec("sympy") is None, reason="sympy is not installed")
def test_symbols_agree_and_grow_as_the_square() -> None:
    slopes, few = of.symbolic(8)
    np.testing.assert_allclose(slopes(*X), EXACT, rtol=1e-13)
    assert of.symbolic(32)[1] > 12 * few


def test_every_rule_trains_to_the_same_weights() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), (rng.random(40) > 0.5).astype(float)
    trained = {}
    for name, method in of.METHODS.items():
        loss = partial(of.loss_by, method)
        w = np.zeros(4)
        with wl.disable_jit():
            for _ in range(20):
                w = w - wl.grad(loss)(w, (x, y))
        trained[name] = w
    for name, w in trained.items():
        error = np.max(np.abs(w - trained["reverse mode"]))
        assert error < (1e-6 if "difference" in name else 1e-14), name
    assert np.max(np.abs(trained["reverse mode"])) > 0.1


def test_checkpoints_and_a_budget_take_less_memory_and_more_operations() -> None:
    found = of.memory_and_operations(8, 8)
    peak, flops = found["all kept"]
    for name in ("every 2", "every 4", "budget of 70%"):
        assert found[name][0] < 0.85 * peak and flops < found[name][1] < 1.6 * flops, name
    rng = np.random.default_rng(0)
    weights, x = list(rng.normal(size=(4, 3, 3))), rng.normal(size=(5, 3))
    with wl.disable_jit():
        slopes = [wl.grad(partial(of.deep, every=k))(weights, x) for k in (0, 2)]
    np.testing.assert_array_equal(*slopes)


def test_momentum_goes_farther_down_a_valley_in_as_many_steps() -> None:
    start = np.array([-3.5, 1.0])
    with wl.disable_jit():
        plain, heavy = (of.descent(of.valley, start, 0.04, m, 60) for m in (0.0, 0.8))
    assert plain.shape == (61, 2) and np.array_equal(plain[0], start)
    np.testing.assert_allclose(plain[1], start - 0.04 * np.array([-3.5, 20.0]))
    assert of.valley(heavy[-1]) < 0.1 * of.valley(plain[-1]) < 0.01 * of.valley(start)
    step = heavy[2] - heavy[1]
    slope = np.array([1.0, 20.0]) * heavy[1]
    np.testing.assert_allclose(step, 0.8 * (heavy[1] - heavy[0]) - 0.04 * slope)
