"""How fast is one training step of an MLP: forward, backward and Adam?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import wonderland as wl
from wonderland.models.families import mlp

from . import peers
from .adam import B1, B2, EPS, RATE, updated, updated_in_jax
from .harness import Row, Run

Arrays = list[np.ndarray]


def train_step(optimizer: wl.optim.Optimizer) -> Callable[..., Any]:
    """(params, state, x, y) -> (params, state, loss)"""

    def step(params: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        value, grads = wl.value_and_grad(mlp.loss)(params, (x, y))
        return *updated(optimizer, grads, state, params), value

    return step


def parameters(sizes: Sequence[int]) -> Arrays:
    """Weights and biases in turn."""
    found: Arrays = []
    for k, (n, m) in enumerate(pairwise(sizes)):
        found += [peers.random(n, m, seed=k) * np.float32((2 / n) ** 0.5), np.zeros(m, np.float32)]
    return found


@dataclass(frozen=True)
class Step:
    """One library's training step. `trace` makes the program without compiling it."""

    run: Run
    trace: Run = lambda: None


def stateful(step: Callable[..., Any], *state: Any) -> Run:
    """A run that goes on from where the last one came to."""
    held = list(state)

    def run() -> None:
        held[:] = step(*held)

    return run


# ---------------------------------------------------------------- one step in each library


def ours(arrays: Arrays, x: np.ndarray, y: np.ndarray) -> Step:
    optimizer = wl.optim.adam(RATE, B1, B2, EPS)
    params = tuple(
        wl.nn.Linear(w.copy(), b.copy()) for w, b in zip(arrays[::2], arrays[1::2], strict=True)
    )
    state = optimizer.init(params)
    step = train_step(optimizer)
    compiled = wl.jit(step, donate_argnums=(0, 1))
    return Step(
        stateful(lambda p, s: compiled(p, s, x, y)[:2], params, state),
        lambda: wl.trace(step, params, state, x, y),
    )


def by_hand(arrays: Arrays, x: np.ndarray, y: np.ndarray) -> Step:
    params = [a.copy() for a in arrays]
    means, squares = [np.zeros_like(a) for a in params], [np.zeros_like(a) for a in params]
    rows = np.arange(len(x))
    count = 0

    def run() -> None:
        nonlocal count
        count += 1
        weights, biases = params[::2], params[1::2]
        inputs, z = [x], x
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = z @ w + b
            if k < len(weights) - 1:
                z = np.maximum(z, 0)
                inputs.append(z)
        d = np.exp(z - z.max(axis=1, keepdims=True))
        d /= d.sum(axis=1, keepdims=True)
        d[rows, y] -= 1
        d /= len(x)
        grads: Arrays = []
        for k in reversed(range(len(weights))):
            grads += [d.sum(axis=0), inputs[k].T @ d]
            if k:
                d = (d @ weights[k].T) * (inputs[k] > 0)
        fixed_mean, fixed_square = 1 - B1**count, 1 - B2**count
        for p, g, m, v in zip(params, reversed(grads), means, squares, strict=True):
            m += (1 - B1) * (g - m)
            v += (1 - B2) * (g * g - v)
            p -= RATE / fixed_mean * m / (np.sqrt(v / fixed_square) + EPS)

    return Step(run)


def in_jax(arrays: Arrays, x: np.ndarray, y: np.ndarray) -> Step:
    jax, jnp = peers.jax, peers.jnp
    tree_map = jax.tree_util.tree_map
    params = [jnp.array(a) for a in arrays]
    state = (
        jnp.zeros((), jnp.int32),
        tree_map(jnp.zeros_like, params),
        tree_map(jnp.zeros_like, params),
    )
    x, y = jnp.array(x), jnp.array(y)

    def loss(params: Any, x: Any, y: Any) -> Any:
        for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            x = jax.nn.relu(x @ w + b)
        logits = x @ params[-2] + params[-1]
        chosen = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)

    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        _, grads = jax.value_and_grad(loss)(params, x, y)
        return updated_in_jax(grads, state, params)

    compiled = jax.jit(step, donate_argnums=(0, 1))
    return Step(
        stateful(lambda p, s: jax.block_until_ready(compiled(p, s, x, y)), params, state),
        lambda: compiled.trace(params, state, x, y),
    )


def in_torch(
    arrays: Arrays, x: np.ndarray, y: np.ndarray, compiled: bool = False, device: str = "cpu"
) -> Step:
    torch = peers.torch
    params = [torch.from_numpy(a.copy()).to(device).requires_grad_() for a in arrays]
    optimizer = torch.optim.Adam(params, RATE, (B1, B2), EPS, fused=True)
    inputs, labels = (torch.from_numpy(a).to(device) for a in (x.copy(), y.astype(np.int64)))

    def loss(params: Any, x: Any, y: Any) -> Any:
        for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            x = torch.relu(torch.addmm(b, x, w))
        return torch.nn.functional.cross_entropy(torch.addmm(params[-1], x, params[-2]), y)

    function = peers.compiled_by_torch(loss) if compiled else loss

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        function(params, inputs, labels).backward()
        optimizer.step()

    return Step(run)


# ---------------------------------------------------------------- rows

MAKERS: dict[str, Callable[[Arrays, np.ndarray, np.ndarray], Step]] = {
    "wonderland": ours,
    "numpy": by_hand,
    "jax": in_jax,
    "torch": in_torch,
    "torch.compile": functools.partial(in_torch, compiled=True),
}

SIZES = (
    (16, (16, 32, 32, 4)),
    (64, (64, 256, 128, 10)),
    (1024, (64, 256, 128, 10)),
    (64, (784, 512, 512, 10)),
    (512, (784, 512, 512, 10)),
    (128, (784, 2048, 2048, 10)),
)


def problem(batch: int, sizes: Sequence[int]) -> tuple[Arrays, np.ndarray, np.ndarray]:
    labels = np.random.default_rng(1).integers(0, sizes[-1], batch, np.int32)
    return parameters(sizes), peers.random(batch, sizes[0]), labels


def rows() -> Iterator[Row]:
    for batch, sizes in SIZES:
        arrays, x, y = problem(batch, sizes)
        runs = {name: make(arrays, x, y).run for name, make in MAKERS.items() if peers.there(name)}
        weights = sum(a.size for a in arrays)
        first = sizes[0] * sizes[1]  # the inputs need no gradient
        flops = 2 * batch * (3 * weights - first)
        size = f"{batch} x {'-'.join(map(str, sizes))}"
        # each parameter and its two means are read once by the update, and written in place
        yield Row("MLP step with Adam", size, runs, bytes=12 * weights, flops=flops)
