"""Every optimizer: the steps of its paper, convergence, dtypes, traced and compiled alike.

The gradient is that of sum(SCALES * (p - 1)^2) / 2 at each parameter alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import wonderland as wl
from wonderland import optim
from wonderland.compiler.trace import tree

RNG = np.random.default_rng(5)
PARAMS = {"w": RNG.normal(size=(3, 2)) + 2, "b": RNG.normal(size=2) - 2, "k": RNG.normal(size=6)}
SCALES = {"w": np.array([1.0, 3.0]), "b": np.array([2.0, 0.5]), "k": np.arange(1.0, 7) / 3}

Array = Any


def gradients(params: Any) -> Any:
    return {k: (SCALES[k] * (p - 1)).astype(p.dtype) for k, p in params.items()}


def loss(params: Any) -> Any:
    return sum(np.sum(SCALES[k] * (p - 1) ** 2) / 2 for k, p in params.items())


def step(optimizer: Any, params: Any, state: Any) -> Any:
    grads = gradients(params)
    extra = {"value": loss(params).astype(params["b"].dtype)}
    extra |= {"grad": grads, "value_fn": loss}
    updates, state = optimizer.update(grads, state, params, **extra)
    return optim.apply_updates(params, updates), state


# ---------------------------------------------------------------- papers, for one array


def corrected(m: Array, b: float, t: int) -> Array:
    return m / (1 - b**t)


def rate_of(t: int) -> float:
    return 0.1 * 0.5 ** ((t - 1) / 20)


def unit(x: Array) -> float:
    return np.sqrt((x * x).sum())


def by_paper(name: str, p: Array, gradient: Callable[[Array], Array], steps: int) -> Array:
    m = v = w = n = last = np.zeros_like(p)
    size = np.full_like(p, 0.1)
    for t in range(1, steps + 1):
        g = gradient(p)
        match name:
            case "lion":
                p = p - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 0.2 * p)
                m = 0.99 * m + 0.01 * g
            case "sign_sgd":
                p = p - rate_of(t) * np.sign(g)
            case "signum":
                m = 0.9 * m + 0.1 * g
                p = p - 0.1 * np.sign(m)
            case "optimistic_gradient_descent":
                last = g if t == 1 else last
                p, last = p - 0.1 * (1.2 * g - 0.5 * last), g
            case "rprop":  # nothing moves where the sign turns, and then the step is kept
                turn = g * last
                size = np.where(turn == 0, size, size * np.where(turn > 0, 1.2, 0.5))
                last = np.where(turn < 0, 0, g)
                p = p - size * np.sign(last)
            case "adagrad":
                v = v + g * g
                p = p - 0.1 * g / np.sqrt(0.1 + v + 1e-7)
            case "adadelta":
                v = 0.9 * v + 0.1 * g * g
                u = np.sqrt((w + 1e-6) / (v + 1e-6)) * g
                w = 0.9 * w + 0.1 * u * u
                p = p - 20 * u
            case "rmsprop":
                v = 0.9 * v + 0.1 * g * g
                m = 0.5 * m + rate_of(t) * g / (np.sqrt(corrected(v, 0.9, t)) + 1e-8)
                p = p - m
            case "adafactor":
                keep = 1 - t**-0.8
                v = keep * v + (1 - keep) * (g * g + 1e-30)
                whole = v
                if g.ndim == 2:
                    rows, columns = v.mean(1, keepdims=True), v.mean(0, keepdims=True)
                    whole = rows * columns / rows.mean()
                u = g / np.sqrt(whole)
                u = u / max(1, np.sqrt((u * u).mean()))
                p = p - 0.1 * max(np.sqrt((p * p).mean()), 1e-3) * u
            case "sm3":
                least = np.minimum(v[0], v[1]) if v.ndim > p.ndim else v
                least = least + g * g
                m = 0.9 * m + 0.1 * g / np.sqrt(least + 1e-8)
                if p.ndim == 2:
                    rows = np.broadcast_to(least.max(1, keepdims=True), p.shape)
                    v = np.stack([rows, np.broadcast_to(least.max(0), p.shape)])
                else:
                    v = least
                p = p - 0.1 * m
            case "lars":
                d = g + 0.1 * p
                m = 0.9 * m + 0.1 * 0.5 * unit(p) / unit(d) * d
                p = p - m
            case "fromage":
                p = (p - 0.1 * unit(p) / unit(g) * g) / np.sqrt(1.01)
            case "novograd":
                v = (g * g).sum() if t == 1 else 0.25 * v + 0.75 * (g * g).sum()
                m = 0.9 * m + g / (np.sqrt(v) + 1e-6) + 0.1 * p
                p = p - 0.1 * m
            case "adamax" | "adamaxw":
                m, v = 0.9 * m + 0.1 * g, np.maximum(0.999 * v, np.abs(g) + 1e-8)
                decay = 0.1 * p if name == "adamaxw" else 0
                p = p - 0.1 * (corrected(m, 0.9, t) / v + decay)
            case "adan":
                change = g - last if t > 1 else 0 * g
                m, w = 0.98 * m + 0.02 * g, 0.92 * w + 0.08 * change
                n = 0.99 * n + 0.01 * (g + 0.08 * change) ** 2
                u = corrected(m, 0.98, t) + 0.08 * corrected(w, 0.92, t)
                u = u / (np.sqrt(corrected(n, 0.99, t) + 1e-8) + 1e-8)
                p, last = p - 0.1 * (u + 0.1 * p), g
            case "yogi":
                first = 1e-6 if t == 1 else 0
                m, v = 0.9 * (m + first) + 0.1 * g, v + first
                v = v - 0.001 * np.sign(v - g * g) * g * g
                p = p - 0.1 * corrected(m, 0.9, t) / (np.sqrt(corrected(v, 0.999, t)) + 1e-3)
            case "adabelief":
                m = 0.9 * m + 0.1 * g
                v = 0.999 * v + 0.001 * (g - m) ** 2 + 1e-16
                p = p - 0.1 * corrected(m, 0.9, t) / (np.sqrt(corrected(v, 0.999, t)) + 1e-16)
            case "radam":
                m, v = 0.9 * m + 0.1 * g, 0.9 * v + 0.1 * g * g
                long = 2 / 0.1 - 1
                rho = long - 2 * t * 0.9**t / (1 - 0.9**t)
                u = corrected(m, 0.9, t)
                if rho >= 5:
                    r = (rho - 4) * (rho - 2) * long / ((long - 4) * (long - 2) * rho)
                    u = np.sqrt(r) * u / (np.sqrt(corrected(v, 0.9, t)) + 1e-8)
                p = p - 0.1 * u
            case "amsgrad":
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                w = np.maximum(w, corrected(v, 0.999, t))
                p = p - 0.1 * corrected(m, 0.9, t) / (np.sqrt(w) + 1e-8)
            case "nadam" | "nadamw" | "optimistic_adam_v2" | "lamb":
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                ahead = 0.9 * corrected(m, 0.9, t + 1) + 0.1 * corrected(g, 0.9, t)
                first = corrected(m, 0.9, t) if name == "lamb" else ahead
                eps = 1e-6 if name == "lamb" else 1e-8
                u = first / (np.sqrt(corrected(v, 0.999, t)) + eps)
                if name == "nadamw":
                    u = u + 0.1 * p
                if name == "lamb":
                    u = unit(p) / unit(u + 0.1 * p) * (u + 0.1 * p)
                if name == "optimistic_adam_v2":
                    u, last = 2 * u - (last if t > 1 else u), u
                p = p - 0.1 * u
    return p


HALVED = optim.exponential_decay(0.1, 20, 0.5)
TABLE: dict[str, optim.Optimizer] = {
    "lion": optim.lion(0.1, weight_decay=0.2),
    "sign_sgd": optim.sign_sgd(HALVED),
    "signum": optim.signum(0.1),
    "optimistic_gradient_descent": optim.optimistic_gradient_descent(0.1, 0.7, 0.5),
    "rprop": optim.rprop(0.1),
    "adagrad": optim.adagrad(0.1),
    "adadelta": optim.adadelta(20.0),
    "rmsprop": optim.rmsprop(HALVED, eps_in_sqrt=False, bias_correction=True, momentum=0.5),
    "adafactor": optim.adafactor(0.1, min_dim_size_to_factor=2),
    "sm3": optim.sm3(0.1),
    "lars": optim.lars(0.1, weight_decay=0.1, trust_coefficient=0.5),
    "fromage": optim.fromage(0.1),
    "novograd": optim.novograd(0.1, weight_decay=0.1),
    "adamax": optim.adamax(0.1),
    "adamaxw": optim.adamaxw(0.1, weight_decay=0.1),
    "adan": optim.adan(0.1, weight_decay=0.1),
    "yogi": optim.yogi(0.1),
    "adabelief": optim.adabelief(0.1),
    "radam": optim.radam(0.1, b2=0.9),
    "amsgrad": optim.amsgrad(0.1),
    "nadam": optim.nadam(0.1),
    "nadamw": optim.nadamw(0.1, weight_decay=0.1),
    "optimistic_adam_v2": optim.optimistic_adam_v2(0.1),
    "lamb": optim.lamb(0.1, weight_decay=0.1),
}
"""By name an optimizer, whose steps `by_paper` has."""

OTHERS: dict[str, optim.Optimizer] = {
    "sgd": optim.sgd(0.1, momentum=0.5, nesterov=True),
    "adam": optim.adam(0.1),
    "adamw": optim.adamw(0.1),
    "noisy_sgd": optim.noisy_sgd(0.1, key=3),
    "polyak_sgd": optim.polyak_sgd(),
    "lbfgs": optim.lbfgs(),
}
"""Their steps are told in other files."""

ALL = TABLE | OTHERS


def cast(dtype: Any) -> Any:
    return {k: p.astype(dtype) for k, p in PARAMS.items()}


def test_every_optimizer_stands_in_the_table() -> None:
    """A function of optim that gives an optimizer and has a rate, or searches for one."""
    made = {
        n for n in optim.__all__ if inspect.isfunction(f := getattr(optim, n))
        and f.__module__.rpartition(".")[2] in ("adam", "optimisers")
    }  # fmt: skip
    assert made == set(ALL)


@pytest.mark.parametrize("name", TABLE)
def test_steps_are_those_of_the_paper(name: str) -> None:
    optimizer, traced = TABLE[name], wl.jit(step, static_argnums=0, disable_jit=True)
    want = {k: by_paper(name, p, lambda x, k=k: SCALES[k] * (x - 1), 7) for k, p in PARAMS.items()}
    for take in (step, traced):
        params, state = PARAMS, optimizer.init(PARAMS)
        for _ in range(7):
            params, state = take(optimizer, params, state)
        for k in want:
            np.testing.assert_allclose(params[k], want[k], rtol=1e-10, err_msg=k)


@pytest.mark.parametrize("name", ALL)
def test_the_loss_of_a_quadratic_falls(name: str) -> None:
    optimizer = ALL[name]
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(10 if name == "lbfgs" else 60):
        params, state = step(optimizer, params, state)
    assert loss(params) < 0.35 * loss(PARAMS)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ALL)
def test_states_and_updates_keep_their_dtypes_and_structure(name: str, dtype: Any) -> None:
    optimizer, params = ALL[name], cast(dtype)
    if name == "lbfgs" and dtype is not np.float32:
        pytest.skip("a line search in bf16 has nothing to see")
    state, traced = optimizer.init(params), wl.jit(step, static_argnums=0, disable_jit=True)
    for take in (step, traced):
        after, then = take(optimizer, params, state)
        assert tree.structure((after, then)) == tree.structure((params, state))
        for a, b in zip(tree.leaves((params, state)), tree.leaves((after, then)), strict=True):
            assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b))
    moved = optimizer.update(gradients(params), state, params, value=dtype(1), grad=gradients(
        params), value_fn=loss)[0]  # fmt: skip
    assert {m.dtype for m in moved.values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_of_zero_in_f16_leaves_numbers(name: str) -> None:
    """Though an eps of 1e-8 is none there."""
    optimizer, params = ALL[name], cast(np.float16)
    state, nothing = optimizer.init(params), tree.map(np.zeros_like, params)
    for _ in range(2):
        moved, state = optimizer.update(
            nothing, state, params, value=np.float16(1), grad=nothing, value_fn=loss
        )
        assert all(np.isfinite(m).all() and m.dtype == np.float16 for m in tree.leaves(moved))


def test_a_distance_over_gradients_is_of_numbers_alone_too() -> None:
    optimizer = optim.scale_by_distance_over_gradients()
    one, alone = optimizer.init(np.ones(1)), optimizer.init(np.ones(()))
    for _ in range(3):
        a, one = optimizer.update(np.full(1, 0.5), one, np.ones(1))
        b, alone = optimizer.update(np.asarray(0.5), alone, np.ones(()))
        assert np.shape(b) == () and a[0] == b


FEW = "adafactor", "lamb"
SOME = [n if n in FEW else pytest.param(n, marks=pytest.mark.sweep) for n in ALL]
"""All of them, most by hand."""


@pytest.mark.parametrize("name", SOME)
def test_a_compiled_step_updates_donated_state_as_the_interpreter_does(name: str) -> None:
    optimizer, params = ALL[name], cast(np.float32)

    def after(disable_jit: bool) -> Any:
        compiled = wl.jit(step, static_argnums=0, donate_argnums=(1, 2), disable_jit=disable_jit)
        now, state = cast(np.float32), optimizer.init(params)
        for _ in range(3):
            now, state = compiled(optimizer, now, state)
        return now, state

    for a, b in zip(tree.leaves(after(False)), tree.leaves(after(True)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", SOME)
def test_two_steps_are_mapped_and_differentiated(name: str) -> None:
    """By the parameters that they begin with."""
    optimizer, each = ALL[name], [{k: p + i / 8 for k, p in PARAMS.items()} for i in range(3)]

    def two(params: Any) -> Any:
        params, state = step(optimizer, params, optimizer.init(params))
        return step(optimizer, params, state)[0]

    def total(params: Any) -> Any:
        return sum(np.sum(p * p) for p in tree.leaves(two(params)))

    mapped = wl.vmap(two)(tree.map(lambda *ps: np.stack(ps), *each))
    for i, alone in enumerate(map(two, each)):
        for k in alone:
            np.testing.assert_allclose(mapped[k][i], alone[k], rtol=1e-9)
    if name == "lbfgs":  # a loop of a search runs forward alone
        return
    slope = wl.grad(total)(PARAMS)
    along = {k: np.cos(np.arange(p.size)).reshape(p.shape) for k, p in PARAMS.items()}
    ends = [total({k: p + h * along[k] for k, p in PARAMS.items()}) for h in (1e-6, -1e-6)]
    found = sum(np.sum(slope[k] * along[k]) for k in PARAMS)
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2e-6, rtol=1e-5)
