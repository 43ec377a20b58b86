"""Programs as a user writes them: compiled, they give what they give as plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from bench.programs import runge_kutta
from wonderland import nn

F32 = np.float32
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(PROGRAMS)).normal(size=shape).astype(F32)


def integers(low: int, high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(len(PROGRAMS)).integers(low, high, shape)


def program(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function with the arguments to run it on."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[function.__name__] = function, args
        return function

    return register


@program(normal(2, 3, 17, 8), normal(2, 3, 17, 8), normal(2, 3, 17, 8))
def attention(q: Any, k: Any, v: Any) -> Any:
    scores = np.einsum("bhtd,bhsd->bhts", q, k) / F32(np.sqrt(q.shape[-1]))
    steps = np.arange(q.shape[2])
    scores = np.where(steps[:, None] >= steps[None, :], scores, F32(-1e9))
    weights = np.exp(scores - np.max(scores, -1, keepdims=True))
    weights = weights / np.sum(weights, -1, keepdims=True)
    return np.einsum("bhts,bhsd->bhtd", weights, v)


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    centred = x - np.mean(x, -1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + F32(1e-5)) * gain + bias


BLOCK = {
    "qkv": normal(32, 96) * F32(0.1), "out": normal(32, 32) * F32(0.1),
    "gain": normal(32), "bias": normal(32),
    "up": normal(32, 64) * F32(0.1), "down": normal(64, 32) * F32(0.1),
}  # fmt: skip


def transformer_block(p: Any, x: Any) -> Any:
    batch, steps, width = x.shape
    heads = (layer_norm(x, p["gain"], p["bias"]) @ p["qkv"]).reshape(batch, steps, 3, 4, width // 4)
    q, k, v = (np.transpose(heads[:, :, i], (0, 2, 1, 3)) for i in range(3))
    mixed = np.transpose(attention(q, k, v), (0, 2, 1, 3)).reshape(batch, steps, width)
    x = x + mixed @ p["out"]
    return x + nn.gelu(layer_norm(x, p["gain"], p["bias"]) @ p["up"]) @ p["down"]


@program(BLOCK, normal(4, 19, 32))
def gradient_of_a_transformer_block(p: Any, x: Any) -> Any:
    return wl.grad(lambda p: np.sum(np.tanh(transformer_block(p, x))))(p)


@program(BLOCK, normal(2, 5, 32))
def second_derivative_of_a_transformer_block(p: Any, x: Any) -> Any:
    slope = wl.grad(lambda x: np.sum(np.tanh(transformer_block(p, x))))
    return wl.grad(lambda x: np.sum(slope(x) ** 2))(x)


@program([normal(8 if i % 2 == 0 else 16, 16) * F32(0.3) for i in range(6)], normal(5, 4, 8))
def gradient_of_a_gru_over_a_sequence(p: Any, xs: Any) -> Any:
    def loss(p: Any) -> Any:
        h = np.zeros((xs.shape[0], 16), F32)
        for t in range(xs.shape[1]):
            x = xs[:, t]
            update, reset = nn.sigmoid(x @ p[0] + h @ p[1]), nn.sigmoid(x @ p[2] + h @ p[3])
            h = (1 - update) * h + update * np.tanh(x @ p[4] + (reset * h) @ p[5])
        return np.sum(h**2)

    return wl.grad(loss)(p)


@program(normal(3, 20, 4), normal(3, 4, 6))
def gradient_of_a_convolution_by_slices(x: Any, w: Any) -> Any:
    def loss(x: Any, w: Any) -> Any:
        steps = x.shape[1] - len(w) + 1
        return np.sum(np.tanh(sum(x[:, k : k + steps] @ w[k] for k in range(len(w)))))

    return wl.grad(loss, argnums=(0, 1))(x, w)


@program(normal(50, 8), integers(0, 50, 6, 7), normal(8, 3))
def gradient_of_an_embedding(table: Any, words: Any, w: Any) -> Any:
    return wl.grad(lambda t: np.sum(np.tanh(np.take(t, words, axis=0) @ w)))(table)


@program(normal(33, 10), integers(0, 10, 33))
def gradient_of_the_cross_entropy_by_label(logits: Any, labels: Any) -> Any:
    def loss(z: Any) -> Any:
        picked = np.take_along_axis(z, labels[:, None], axis=1)[:, 0]
        return np.mean(nn.logsumexp(z, axis=-1) - picked)

    return wl.value_and_grad(loss)(logits)


@program(normal(4, 5, 6, 7), normal(7), normal(7))
def gradient_of_a_batch_norm(x: Any, gain: Any, bias: Any) -> Any:
    def loss(x: Any, gain: Any, bias: Any) -> Any:
        mean, variance = np.mean(x, (0, 1, 2)), np.var(x, (0, 1, 2))
        return np.sum(np.tanh((x - mean) / np.sqrt(variance + F32(1e-5)) * gain + bias))

    return wl.grad(loss, argnums=(0, 1, 2))(x, gain, bias)


@program(normal(3, 8, 8, 5))
def gradient_of_max_pooling(x: Any) -> Any:
    def pooled(x: Any) -> Any:
        return np.max(x.reshape(3, 4, 2, 4, 2, 5), axis=(2, 4))

    return wl.grad(lambda x: np.sum(pooled(x) ** 2))(x)


@program(normal(50, 8), integers(-50, 50, 6, 7), normal(8, 3), integers(0, 3, 6, 7))
def sparse_step_of_an_embedding(table: Any, words: Any, w: Any, labels: Any) -> Any:
    def loss(rows: Any, w: Any) -> Any:
        scores = nn.log_softmax(rows @ w, axis=-1)
        return -np.mean(np.take_along_axis(scores, labels[..., None], axis=-1))

    value, (rows, slope) = wl.value_and_grad(loss, (0, 1))(table[words], w)
    return value, wl.numpy.at(table)[words].add(-F32(0.1) * rows), w - F32(0.1) * slope


EDGES = np.sort(integers(0, 40, 300))


@program(normal(40, 12), normal(12, 12), integers(0, 40, 300), EDGES, normal(300))
def step_of_message_passing(x: Any, w: Any, senders: Any, receivers: Any, weights: Any) -> Any:
    def energy(x: Any, w: Any, weights: Any) -> Any:
        options = {"num_segments": 40, "indices_are_sorted": True}
        share = wl.ops.segment_softmax(weights, receivers, **options)
        messages = (x @ w)[senders] * share[:, None] * F32(0.3)
        h = np.tanh(wl.ops.segment_sum(messages, receivers, **options))
        top = wl.ops.segment_max(h[senders], receivers, **options)
        mean = wl.ops.segment_mean(h[receivers], senders, num_segments=40)
        return np.mean((np.where(np.isfinite(top), top, F32(0)) - mean - x) ** 2)

    return wl.value_and_grad(energy, (0, 1, 2))(x, w, weights)


@program(normal(17, 23))
def steps_of_heat_written_in_place(u: Any) -> Any:
    u = u.copy()
    for _ in range(3):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += F32(0.2) * (around - 4 * u[1:-1, 1:-1])
        u[0] = 0
        u[:, -1] = u[:, -2]
        u[::4, ::3] *= F32(0.5)
    return u


@program(normal(9, 9), integers(0, 9, 5))
def elimination_in_place(a: Any, rows: Any) -> Any:
    a = a + 9 * np.eye(9, dtype=F32)
    for k in range(8):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k : k + 1] * a[k, k + 1 :]
    a[rows, rows[::-1]] = -1
    return a


@program(wl.random.key(0), normal(100, 37))
def dropout(key: Any, x: Any) -> Any:
    return np.where(wl.random.bernoulli(key, 0.5, x.shape), x * 2, F32(0))


@program(normal(100, 3), normal(7, 3))
def nearest_centre(x: Any, centres: Any) -> Any:
    return np.argmin(np.sum((x[:, None] - centres[None]) ** 2, -1), axis=1)


def waves(*shape: int) -> np.ndarray:
    return (normal(*shape) + 1j * normal(*shape)[::-1]).astype(np.complex64)


@program(waves(64), waves(9))
def filtered_signal(signal: Any, taps: Any) -> Any:
    padded = np.concatenate([np.zeros(8, np.complex64), signal])
    found = sum(padded[8 - k : 72 - k] * taps[k] for k in range(9))
    return np.abs(found), np.angle(found + 3), found * np.conj(found)


@program(waves(8, 8), waves(8), normal(8))
def gradient_through_a_unitary_evolution(a: Any, state: Any, observed: Any) -> Any:
    def loss(a: Any) -> Any:
        hermitian = (a + np.conj(a).T) / 2
        psi = state / np.sqrt(np.sum(np.abs(state) ** 2))
        for _ in range(4):
            psi = psi - 0.1j * (hermitian @ psi) - 0.005 * (hermitian @ (hermitian @ psi))
        return np.sum((np.abs(psi) ** 2 - observed) ** 2)

    return wl.value_and_grad(loss)(a)


@program(waves(5, 6), waves(6, 4), normal(5, 4))
def gradient_of_a_complex_layer(x: Any, w: Any, y: Any) -> Any:
    def loss(w: Any) -> Any:
        z = x @ w
        return np.mean((np.abs(np.tanh(z) * np.exp(-1j * np.angle(z))) - y) ** 2)

    return wl.grad(loss)(w)


@program(waves(6, 40))
def spectrum_by_its_matrix(x: Any) -> Any:
    k = np.arange(40)
    turn = np.exp(-2j * np.pi / 40 * np.outer(k, k)).astype(np.complex64)
    return np.sum(np.abs(x @ turn) ** 2, axis=0)


@program(normal(9, 8))
def views_of_views(x: Any) -> Any:
    padded = np.pad(x, ((1, 0), (0, 0)))[1:, 1::2]
    return np.concatenate([x[::-1, ::2], padded], axis=1).T


@program(integers(1, 50, 30), integers(1, 9, 30))
def integer_arithmetic(a: Any, b: Any) -> Any:
    return a // b, a % b, a**2, a << 2, a & b, np.where(a > b, a, b)


@program(normal(20, 30), normal(30, 20))
def truth(x: Any, y: Any) -> Any:
    return np.any(x > 1, axis=1), np.all(x > -3), np.sum(x > 0), (x @ y) > 0


# ---------------------------------------------------------------- loops


GRU = {name: normal(*shape) * F32(0.3) for name, shape in {
    "w": (6, 24), "u": (8, 24), "b": (24,), "out": (8, 3),
}.items()}  # fmt: skip


def gru(p: Any, h: Any, x: Any) -> Any:
    """One step: the reset gate acts on the state before its product, as in Cho et al., 2014."""
    w, u, b = (np.split(p[n], 3, axis=-1) for n in ("w", "u", "b"))
    z = wl.lax.logistic(x @ w[0] + h @ u[0] + b[0])
    r = wl.lax.logistic(x @ w[1] + h @ u[1] + b[1])
    n = np.tanh(x @ w[2] + (r * h) @ u[2] + b[2])
    return (1 - z) * n + z * h


@program(GRU, normal(12, 5, 6), integers(0, 3, 12, 5), integers(1, 13, 5))
def gradient_of_a_gru_over_sequences_of_several_lengths(p: Any, xs: Any, ys: Any, ends: Any) -> Any:
    def loss(p: Any) -> Any:
        def step(h: Any, inputs: Any) -> Any:
            x, t = inputs
            new = gru(p, h, x)
            h = np.where((t < ends)[:, None], new, h)  # a sequence that has ended keeps its state
            return h, h @ p["out"]

        _, logits = wl.lax.scan(step, np.zeros((5, 8), F32), (xs, np.arange(12)))
        return np.mean(
            nn.logsumexp(logits, axis=-1) - np.take_along_axis(logits, ys[..., None], -1)[..., 0]
        )

    return wl.value_and_grad(loss)(p)


def pendulum(y: Any, p: Any) -> Any:
    return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1]])


@program(normal(2), np.array([4, 0.2], F32))
def gradient_of_a_pendulum_by_steps_of_known_number(y: Any, p: Any) -> Any:
    def final(y: Any, p: Any) -> Any:
        def step(i: Any, y: Any) -> Any:
            return runge_kutta(lambda y: pendulum(y, p), y, F32(0.05))

        return np.sum(wl.lax.fori_loop(0, 40, step, y) ** 2)

    return wl.value_and_grad(final, argnums=(0, 1))(y, p)


@program(normal(2), np.array([4, 0.2], F32))
def sensitivity_of_a_pendulum_by_steps_of_its_own_size(y: Any, p: Any) -> Any:
    """Steps are halved where two half steps disagree with a whole one; forward mode."""

    def final(p: Any) -> Any:
        def go_on(state: Any) -> Any:
            return state[1] < 2

        def step(state: Any) -> Any:
            y, t, dt = state
            f = lambda y: pendulum(y, p)  # noqa: E731
            whole = runge_kutta(f, y, dt)
            half = runge_kutta(f, runge_kutta(f, y, dt / 2), dt / 2)
            good = np.max(np.abs(half - whole)) < 1e-4
            smaller = (y, t, dt / 2)
            larger = (half, t + dt, np.minimum(dt * F32(1.5), 2 - t - dt))
            return wl.lax.cond(good, lambda: larger, lambda: smaller)

        return wl.lax.while_loop(go_on, step, (y, F32(0), F32(0.5)))[0]

    return wl.jvp(final, (p,), (np.array([1, 0], F32),))


@program(normal(30, 4), normal(4))
def logistic_regression_by_newton_steps(x: Any, w: Any) -> Any:
    """Optimisation inside of a program: the gradient is taken in every turn of a loop."""
    y = np.sum(x, 1) > 0

    def loss(w: Any) -> Any:
        z = x @ w
        return np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * y) + np.sum(w * w)

    def step(w: Any, _: Any) -> Any:
        value, slope = wl.value_and_grad(loss)(w)
        return w - F32(0.5) * slope, value

    return wl.lax.scan(step, w, length=10)


@program(normal(6, 9))
def longest_path_through_a_grid(cost: Any) -> Any:
    """Dynamic programming, row by row and cell by cell, and which cells are on the path."""

    def total(cost: Any) -> Any:
        def row(above: Any, here: Any) -> Any:
            def cell(left: Any, both: Any) -> Any:
                best = np.maximum(left, both[0]) + both[1]
                return best, best

            return wl.lax.scan(cell, F32(-1e9), (above, here))[1], None

        first = np.concatenate([np.zeros(1, F32), np.full(8, -1e9, F32)])
        return wl.lax.scan(row, first, cost)[0][-1]

    return wl.value_and_grad(total)(cost)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_compiled_program_gives_what_it_gives_uncompiled(name: str) -> None:
    function, args = PROGRAMS[name]
    got, want = wl.jit(function)(*args), function(*args)
    assert wl.tree.structure(got) == wl.tree.structure(want)
    for a, b in zip(wl.tree.leaves(got), wl.tree.leaves(want), strict=True):
        b = np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        scale = np.max(np.abs(b), initial=1e-6)  # sums of f32 in another order, relative to it
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=3e-6)
