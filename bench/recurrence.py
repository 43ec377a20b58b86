"""How fast is a recurrent layer, a loop over time, and its gradient in all that it is given?

PyTorch has modules for the first three, and no loop for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

Layer = Callable[[Any, Any], Callable[..., Any]]
"""By the library and its loops: a function of arrays."""

SIZES = ((1000, 1, 16), (100, 32, 256))  # steps, batch, width
GATED_SIZE, STATES = (512, 8, 256), 16  # of states along each channel
HEADS_SIZE = (256, 8, 4, 64)  # steps, batch, heads, width


def sigmoid(library: Any, x: Any) -> Any:
    return 0.5 * library.tanh(0.5 * x) + 0.5


def rnn(library: Any, lax: Any) -> Callable[..., Any]:
    def function(w: Any, u: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = library.tanh(x @ w + h @ u)
            return h, h

        return lax.scan(step, library.zeros(xs.shape[1:], "float32"), xs)[1]

    return function


def lstm(library: Any, lax: Any) -> Callable[..., Any]:
    def function(w: Any, u: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, g, o = library.split(x @ w + h @ u, 4, axis=-1)
            c = sigmoid(library, f) * c + sigmoid(library, i) * library.tanh(g)
            h = sigmoid(library, o) * library.tanh(c)
            return (h, c), h

        zeros = library.zeros(xs.shape[1:], "float32")
        return lax.scan(step, (zeros, zeros), xs)[1]

    return function


def gru(library: Any, lax: Any) -> Callable[..., Any]:
    def function(w: Any, u: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            (r, z, n), (p, q, m) = (library.split(v, 3, axis=-1) for v in (x @ w, h @ u))
            r, z = sigmoid(library, r + p), sigmoid(library, z + q)
            h = (1 - z) * library.tanh(n + r * m) + z * h
            return h, h

        return lax.scan(step, library.zeros(xs.shape[1:], "float32"), xs)[1]

    return function


def selective(library: Any, lax: Any) -> Callable[..., Any]:
    """A selective state space: what is kept of each state follows from the input."""

    def function(rate: Any, dt: Any, into: Any, out: Any, xs: Any) -> Any:
        def step(h: Any, now: Any) -> Any:
            dt, b, c, x = now
            h = library.exp(dt[..., None] * rate) * h + (dt * x)[..., None] * b[:, None]
            return h, (h * c[:, None]).sum(-1)

        first = library.zeros((*xs.shape[1:], rate.shape[-1]), "float32")
        return lax.scan(step, first, (dt, into, out, xs))[1]

    return function


def associative(library: Any, lax: Any) -> Callable[..., Any]:
    """The same by an associative scan."""

    def function(rate: Any, dt: Any, into: Any, out: Any, xs: Any) -> Any:
        def both(one: Any, two: Any) -> Any:
            return one[0] * two[0], one[1] * two[0] + two[1]

        kept = library.exp(dt[..., None] * rate)
        added = (dt * xs)[..., None] * into[:, :, None]
        h = lax.associative_scan(both, (kept, added))[1]
        return (h * out[:, :, None]).sum(-1)

    return function


def rwkv(library: Any, lax: Any) -> Callable[..., Any]:
    """Weighted means of all values so far, whose exponents stay within the range."""

    def function(decay: Any, bonus: Any, keys: Any, values: Any) -> Any:
        def step(state: Any, now: Any) -> Any:
            (a, b, top), (k, v) = state, now
            most = library.maximum(top, bonus + k)
            old, new = library.exp(top - most), library.exp(bonus + k - most)
            y = (old * a + new * v) / (old * b + new)
            most = library.maximum(top - decay, k)
            old, new = library.exp(top - decay - most), library.exp(k - most)
            return (old * a + new * v, old * b + new, most), y

        zeros = library.zeros(keys.shape[1:], "float32")
        return lax.scan(step, (zeros, zeros, zeros - 1e30), (keys, values))[1]

    return function


def linear_attention(library: Any, lax: Any) -> Callable[..., Any]:
    def function(queries: Any, keys: Any, values: Any) -> Any:
        def step(state: Any, now: Any) -> Any:
            q, k, v = now
            state = state + k[..., :, None] * v[..., None, :]
            return state, (q[..., None, :] @ state)[..., 0, :]

        first = library.zeros((*keys.shape[1:], values.shape[-1]), "float32")
        return lax.scan(step, first, (queries, keys, values))[1]

    return function


MODULES: dict[Layer, str] = {rnn: "rnn_tanh", lstm: "lstm", gru: "gru"}
"""What PyTorch calls them."""

# ---------------------------------------------------------------- rows


class Question(NamedTuple):
    """A layer, what it is given, and its operations; `torch` has it as a module."""

    layer: Layer
    size: tuple[int, ...]
    arrays: list[np.ndarray]
    flops: int
    torch: bool = False


def questions() -> Iterator[Question]:
    for layer, gates in ((rnn, 1), (lstm, 4), (gru, 3)):
        for size in SIZES:
            steps, batch, width = size
            weights = [peers.random(width, gates * width, seed=k) / width for k in range(2)]
            arrays = [*weights, peers.random(*size, seed=2)]
            yield Question(layer, size, arrays, 4 * steps * batch * width * gates * width, True)
    steps, batch, width = GATED_SIZE
    xs = [peers.random(*GATED_SIZE, seed=k) for k in range(2)]
    rate = -np.exp(peers.random(width, STATES, seed=2))
    parts = [peers.random(steps, batch, STATES, seed=k) for k in (3, 4)]
    arrays = [rate, np.abs(xs[0]) / 8, *parts, xs[1]]
    for layer in (selective, associative):
        yield Question(layer, (*GATED_SIZE, STATES), arrays, 16 * xs[0].size * STATES)
    ends = [np.abs(peers.random(width, seed=k)) for k in range(2)]
    yield Question(rwkv, GATED_SIZE, [*ends, *xs], 64 * xs[0].size)
    heads = [peers.random(*HEADS_SIZE, seed=k) / 8 for k in range(3)]
    yield Question(linear_attention, HEADS_SIZE, heads, 4 * heads[0].size * HEADS_SIZE[-1])


def rows() -> Iterator[Row]:
    for question in questions():
        for name, times in (("", 1), (" grad", 3)):
            given = by_library(question, bool(name))
            runs = peers.runs(question.arrays, given, torch_compile=False)
            if question.torch and peers.torch:
                w, u, xs = question.arrays
                turned = [np.ascontiguousarray(w.T), np.ascontiguousarray(u.T), xs]
                runs["torch"] = peers.on_torch(by_torch(question.layer, bool(name)), turned)
            size = f"f32{list(question.size)}"
            text = question.layer.__name__.replace("_", " ") + name
            yield Row(text, size, runs, flops=times * question.flops)


def by_library(question: Question, gradient: bool) -> dict[str, Any]:
    """A layer, or the gradient of its mean square, by library."""
    layer, places = question.layer, tuple(range(len(question.arrays)))

    def mean_square(library: Any, lax: Any) -> Callable[..., Any]:
        function = layer(library, lax)
        return lambda *args: (function(*args) ** 2).mean()

    make = mean_square if gradient else layer
    found = {"wonderland": make(np, wl.lax)}
    if peers.jax:
        found["jax"] = make(peers.jnp, peers.jax.lax)
    if gradient:
        grads = {"wonderland": wl.grad, "jax": peers.jax and peers.jax.grad}
        return {name: grads[name](f, places) for name, f in found.items()}
    return found


def by_torch(layer: Layer, gradient: bool) -> Callable[..., Any]:
    """PyTorch's module, or the gradient of its mean square; of turned weights."""

    def run(w: Any, u: Any, xs: Any) -> Any:
        first = peers.torch.zeros(1, xs.shape[1], u.shape[1])
        module = getattr(peers.torch, MODULES[layer])
        state = (first, first) if layer is lstm else first
        return module(xs, state, [w, u], False, 1, 0.0, True, False, False)[0]

    def slopes(*args: Any) -> Any:
        leaves = [a.detach().requires_grad_() for a in args]
        (run(*leaves) ** 2).mean().backward()
        return tuple(leaf.grad for leaf in leaves)

    return slopes if gradient else run
