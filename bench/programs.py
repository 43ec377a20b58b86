"""How fast are whole small programs: loops, branches, batches and rules of the user's?

Each is written once, for a library with JAX's names: `m` is Wonderland or JAX.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

Arrays = tuple[np.ndarray, ...]
PROGRAMS: dict[str, tuple[Callable[..., Any], Arrays]] = {}


def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    return peers.random(*shape, seed=len(PROGRAMS)) * np.float32(scale)


def integers(stop: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(len(PROGRAMS)).integers(0, stop, shape, np.int32)


def program(*arrays: np.ndarray) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function of a library and of `arrays`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[function.__name__.replace("_", " ")] = function, arrays
        return function

    return register


# ---------------------------------------------------------------- sequences


@program(normal(12, 48, scale=0.3), normal(16, 48, scale=0.3), normal(16, 5), normal(40, 8, 12),
         integers(5, 40, 8), 1 + integers(40, 8))  # fmt: skip
def GRU_over_sequences(m: Any, w: Any, u: Any, out: Any, xs: Any, labels: Any, ends: Any) -> Any:
    """The loss of sequences of several lengths, and its gradients; Cho et al., 2014."""
    np, sigmoid = m.numpy, m.nn.sigmoid

    def loss(w: Any, u: Any, out: Any) -> Any:
        def step(h: Any, inputs: Any) -> Any:
            x, t = inputs
            zx, rx, nx = np.split(x @ w, 3, axis=-1)
            zu, ru, nu = np.split(u, 3, axis=-1)
            z, r = sigmoid(zx + h @ zu), sigmoid(rx + h @ ru)
            new = (1 - z) * np.tanh(nx + (r * h) @ nu) + z * h
            h = np.where((t < ends)[:, None], new, h)
            return h, h @ out

        start = np.zeros((xs.shape[1], u.shape[0]), np.float32)
        _, logits = m.lax.scan(step, start, (xs, np.arange(xs.shape[0], dtype=np.int32)))
        scores = m.nn.log_softmax(logits, axis=-1)
        return -np.mean(np.take_along_axis(scores, labels[..., None], axis=-1))

    return m.value_and_grad(loss, argnums=(0, 1, 2))(w, u, out)


@program(np.log(np.random.default_rng(1).dirichlet(np.ones(50), 50)).astype(np.float32))
def beam_search(m: Any, transitions: Any, beams: int = 16, steps: int = 20) -> Any:
    """The best paths from word 0, and sums of logarithms: top_k in a loop, and a loop back."""
    np, lax = m.numpy, m.lax
    words = transitions.shape[0]

    def step(state: Any, _: None) -> Any:
        scores, last = state
        best, places = lax.top_k(
            (scores[:, None] + np.take(transitions, last, axis=0)).reshape(-1), beams
        )
        parents, chosen = places // words, places % words
        return (best, chosen), (parents, chosen)

    first = np.where(np.arange(beams) == 0, 0, -np.inf).astype(np.float32)
    start = first, np.zeros(beams, np.int32)
    (scores, _), (parents, chosen) = lax.scan(step, start, None, length=steps)

    def back(beam: Any, turn: Any) -> Any:
        parent, word = turn
        return parent[beam], word[beam]

    _, paths = lax.scan(back, np.arange(beams, dtype=np.int32), (parents, chosen), reverse=True)
    return scores, paths.T


# ---------------------------------------------------------------- optimisation


@program(normal(200, 6), normal(6))
def Newtons_method(m: Any, x: Any, start: Any) -> Any:
    """Logistic regression: hessian in a loop that ends where the gradient is small."""
    np, lax = m.numpy, m.lax
    y = np.sum(x, 1) > 0

    def loss(w: Any) -> Any:
        z = x @ w
        return np.mean(np.logaddexp(0, z) - z * y) + 0.05 * np.sum(w * w)

    def solved(a: Any, b: Any) -> Any:
        """The solution of a x = b by conjugate gradients."""

        def step(_: Any, state: Any) -> Any:
            x, r, p = state
            ap = a @ p
            rate = (r @ r) / np.maximum(p @ ap, 1e-20)
            left = r - rate * ap
            return x + rate * p, left, left + (left @ left) / np.maximum(r @ r, 1e-20) * p

        return lax.fori_loop(0, b.shape[0], step, (np.zeros_like(b), b, b))[0]

    def far(state: Any) -> Any:
        _, slope, turn = state
        return (np.max(np.abs(slope)) > 1e-4) & (turn < 20)

    def step(state: Any) -> Any:
        w, slope, turn = state
        w = w - solved(m.hessian(loss)(w), slope)
        return w, m.grad(loss)(w), turn + 1

    found = lax.while_loop(far, step, (start, m.grad(loss)(start), np.int32(0)))
    return found[0], loss(found[0])


@program(normal(32, 32, scale=0.1), normal(32))
def implicit_differentiation(m: Any, w: Any, b: Any) -> Any:
    """Of x = tanh(w x + b): the loop ends by itself, and the rule solves a linear fixed point."""
    np, lax = m.numpy, m.lax

    def iterated(f: Any, start: Any) -> Any:
        def far(state: Any) -> Any:
            return np.max(np.abs(state[1] - state[0])) > 1e-6

        return lax.while_loop(far, lambda s: (s[1], f(s[1])), (start, f(start)))[1]

    def step(params: Any, x: Any) -> Any:
        return np.tanh(params[0] @ x + params[1])

    @m.custom_vjp
    def fixed_point(params: Any) -> Any:
        return iterated(functools.partial(step, params), np.zeros_like(params[1]))

    def forward(params: Any) -> Any:
        x = fixed_point(params)
        return x, (params, x)

    def backward(kept: Any, ct: Any) -> Any:
        params, x = kept
        pull = m.vjp(lambda x: step(params, x), x)[1]
        u = iterated(lambda u: ct + pull(u)[0], ct)
        return m.vjp(lambda p: step(p, x), params)[1](u)

    fixed_point.defvjp(forward, backward)
    return m.value_and_grad(lambda p: np.sum(fixed_point(p) ** 2))((w, b))


# ---------------------------------------------------------------- differential equations


def runge_kutta(f: Any, y: Any, dt: Any) -> Any:
    a = f(y)
    b = f(y + dt / 2 * a)
    c = f(y + dt / 2 * b)
    return y + dt / 6 * (a + 2 * b + 2 * c + f(y + dt * c))


def pendulum(m: Any, p: Any) -> Any:
    return lambda y: m.numpy.stack([y[1], -p[0] * m.numpy.sin(y[0]) - p[1] * y[1]])


@program(normal(2), np.array([4, 0.2], np.float32))
def ODE_by_steps_of_one_size(m: Any, y: Any, p: Any) -> Any:
    """The derivatives of a damped pendulum's end in its start and its constants."""

    def end(y: Any, p: Any) -> Any:
        f, dt = pendulum(m, p), np.float32(0.05)
        return m.numpy.sum(m.lax.fori_loop(0, 100, lambda _, y: runge_kutta(f, y, dt), y) ** 2)

    return m.value_and_grad(end, argnums=(0, 1))(y, p)


@program(normal(2), np.array([4, 0.2], np.float32))
def ODE_by_steps_of_its_own_size(m: Any, y: Any, p: Any) -> Any:
    """The sensitivity of the end; a step is halved where two halves disagree with the whole."""
    numpy = m.numpy

    def end(p: Any) -> Any:
        f = pendulum(m, p)

        def step(state: Any) -> Any:
            y, t, dt = state
            whole = runge_kutta(f, y, dt)
            half = runge_kutta(f, runge_kutta(f, y, dt / 2), dt / 2)
            good = numpy.max(numpy.abs(half - whole)) < 1e-4
            longer = half, t + dt, numpy.minimum(dt * 1.5, 5 - t - dt)
            return m.lax.cond(good, lambda: longer, lambda: (y, t, dt / 2))

        return m.lax.while_loop(lambda s: s[1] < 5, step, (y, np.float32(0), np.float32(0.5)))[0]

    return m.jvp(end, (p,), (np.array([1, 0], np.float32),))


# ---------------------------------------------------------------- batches, graphs, own functions


@program(normal(12, 32, scale=0.3), normal(32, 4, scale=0.3), normal(64, 12), integers(4, 64),
         normal(32), normal(4))  # fmt: skip
def clipped_gradients_of_each_example(
    m: Any, w: Any, v: Any, xs: Any, labels: Any, b: Any, c: Any
) -> Any:
    """A private step: the gradient of every example is clipped before the sum; Abadi et al."""
    np = m.numpy

    def loss(p: Any, x: Any, label: Any) -> Any:
        logits = np.tanh(x @ p[0] + p[2]) @ p[1] + p[3]
        return -m.nn.log_softmax(logits)[label]

    def clipped(p: Any, x: Any, label: Any) -> Any:
        slopes = m.grad(loss)(p, x, label)
        norm = np.sqrt(sum(np.sum(g * g) for g in slopes))
        return tuple(g / np.maximum(norm, 1) for g in slopes)

    p = w, v, b, c
    each = m.vmap(clipped, in_axes=(None, 0, 0))(p, xs, labels)
    return tuple(a - 0.1 * np.mean(g, axis=0) for a, g in zip(p, each, strict=True))


@program(normal(100, 24), normal(24, 24, scale=0.2), integers(100, 800),
         np.sort(integers(100, 800)), normal(800))  # fmt: skip
def message_passing(m: Any, x: Any, w: Any, senders: Any, receivers: Any, weights: Any) -> Any:
    """A layer of attention over the edges of a graph, and its gradients."""
    np = m.numpy
    sums = functools.partial(m.ops.segment_sum, num_segments=100, indices_are_sorted=True)

    def energy(x: Any, w: Any, weights: Any) -> Any:
        largest = m.ops.segment_max(weights, receivers, 100, indices_are_sorted=True)
        share = np.exp(weights - largest[receivers])
        share = share / sums(share, receivers)[receivers]
        h = np.tanh(sums((x @ w)[senders] * share[:, None], receivers))
        return np.mean((h - x) ** 2)

    return m.value_and_grad(energy, argnums=(0, 1, 2))(x, w, weights)


@program(np.abs(normal(4096)))
def function_of_the_users(m: Any, x: Any) -> Any:
    """Lambert's W, w exp(w) = x, by Halley's method, with its derivative w / (x + x w)."""
    np = m.numpy

    @m.custom_jvp
    def lambert(x: Any) -> Any:
        def step(_: Any, w: Any) -> Any:
            e = np.exp(w)
            f = w * e - x
            return w - f / (e * (w + 1) - (w + 2) * f / (2 * w + 2))

        return m.lax.fori_loop(0, 6, step, np.log1p(x))

    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        w = lambert(x)
        return w, dx * w / (x * (1 + w))

    lambert.defjvp(rule)
    return m.value_and_grad(lambda x: np.sum(lambert(x) ** 2))(x)


def gradient_of_a_loop(m: Any, w: Any, x: Any, turns: int) -> Any:
    """A loop of any length is one body, so it is compiled in the same time."""
    np = m.numpy

    def loss(w: Any) -> Any:
        return np.sum(m.lax.fori_loop(0, turns, lambda _, h: np.tanh(w @ h + x), x) ** 2)

    return m.value_and_grad(loss)(w)


for turns in (10, 10_000):
    made = functools.partial(gradient_of_a_loop, turns=turns)
    PROGRAMS[f"gradient of a loop of {turns} turns"] = made, (normal(8, 8, scale=0.1), normal(8))


def rows() -> Iterator[Row]:
    for name, (function, arrays) in PROGRAMS.items():
        found = {"wonderland": functools.partial(function, wl)}
        if peers.jax:
            found["jax"] = functools.partial(function, peers.jax)
        yield Row("program", name, peers.runs(arrays, found, torch_compile=False))
