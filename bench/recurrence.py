"""How fast is a recurrent layer, a loop over time, and its gradient in weights and inputs?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

SIZES = ((1000, 1, 16), (100, 32, 256))  # steps, batch, width
TORCH_STEPS = 100  # eager PyTorch pays for every step


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
            c = sigmoid(f) * c + sigmoid(i) * library.tanh(g)
            h = sigmoid(o) * library.tanh(c)
            return (h, c), h

        def sigmoid(x: Any) -> Any:
            return 0.5 * library.tanh(0.5 * x) + 0.5

        zeros = library.zeros(xs.shape[1:], "float32")
        return lax.scan(step, (zeros, zeros), xs)[1]

    return function


class Unrolled:
    """jax.lax's scan, step by step."""

    def __init__(self, stack: Callable[..., Any]) -> None:
        self.stack = stack

    def scan(self, f: Callable[..., Any], init: Any, xs: Any) -> Any:
        ys = []
        for x in xs:
            init, y = f(init, x)
            ys.append(y)
        return init, self.stack(ys)


class Torch:
    """The names of PyTorch that the layers need, as NumPy has them."""

    def __init__(self) -> None:
        self.tanh = peers.torch.tanh

    def zeros(self, shape: Any, dtype: str) -> Any:
        return peers.torch.zeros(*shape)

    def split(self, x: Any, count: int, axis: int) -> Any:
        return peers.torch.chunk(x, count, dim=axis)


def gradients(make: Callable[[Any, Any], Callable[..., Any]]) -> dict[str, Any]:
    """The gradient of the mean square of a layer, by library."""

    def mean_square(library: Any, lax: Any) -> Callable[..., Any]:
        layer = make(library, lax)
        return lambda *args: (layer(*args) ** 2).mean()

    found: dict[str, Any] = {"wonderland": wl.grad(mean_square(np, wl.lax), (0, 1, 2))}
    if peers.jax:
        found["jax"] = peers.jax.grad(mean_square(peers.jnp, peers.jax.lax), (0, 1, 2))
    if peers.torch:
        loss = mean_square(Torch(), Unrolled(peers.torch.stack))

        def by_torch(*args: Any) -> Any:
            leaves = [a.detach().requires_grad_() for a in args]
            loss(*leaves).backward()
            return tuple(leaf.grad for leaf in leaves)

        found["torch"] = by_torch
    return found


def layers(make: Callable[[Any, Any], Callable[..., Any]]) -> dict[str, Any]:
    """A layer by library."""
    found = {"wonderland": make(np, wl.lax), "numpy": make(np, Unrolled(np.stack))}
    if peers.jax:
        found["jax"] = make(peers.jnp, peers.jax.lax)
    if peers.torch:
        found["torch"] = make(Torch(), Unrolled(peers.torch.stack))
    return found


def rows() -> Iterator[Row]:
    for make, gates in ((rnn, 1), (lstm, 4)):
        for steps, batch, width in SIZES:
            weights = [peers.random(width, gates * width, seed=k) / width for k in range(2)]
            arrays = [*weights, peers.random(steps, batch, width, seed=2)]
            flops = 4 * steps * batch * width * gates * width
            for functions, name, times in ((layers, "", 1), (gradients, " grad", 3)):
                given = functions(make)
                if steps > TORCH_STEPS:
                    given.pop("torch", None)
                runs = peers.runs(arrays, given, torch_compile=False)
                size = f"f32[{steps}, {batch}, {width}]"
                yield Row(make.__name__ + name, size, runs, flops=times * flops)
