"""Do tracing, the derivative and the passes stay linear? Chains from 10^2 to 10^5 nodes.

Every layer is a product, an activation and a sum of small arrays. The nodes are those of the
gradient's graph; the function itself has a third. Figures are of the whole graph, and the growth
to the largest size, from 1000 nodes, is told below the table.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Figure

NODES = (100, 1_000, 10_000, 100_000)
PER_LAYER = 9
SECONDS = 60.0  # a larger graph is not tried where a step is bound to take longer


def chain(layers: int, library: Any) -> Callable[..., Any]:
    def function(x: Any, w: Any) -> Any:
        for _ in range(layers):
            x = library.tanh(x * w) + w
        return library.sum(x)

    return function


def figures(most: int = NODES[-1]) -> Iterator[Figure]:
    """Rows for each step and size, up to `most` nodes."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    steps: Mapping[str, Callable[[int], Iterator[tuple[str, float]]]] = {
        "wonderland": of_wonderland,
        "jax": of_jax,
    }
    for peer in filter(peers.there, steps):
        for nodes in (n for n in NODES if n <= most):
            slowest = 0.0
            for name, seconds in steps[peer](nodes // PER_LAYER):
                found.setdefault((name, nodes), {})[peer] = seconds
                slowest = max(slowest, seconds)
            if slowest > SECONDS / 10:
                break
    for name in dict.fromkeys(name for name, _ in found):
        for nodes in NODES:
            if (name, nodes) in found:
                yield Figure(name, f"{nodes} nodes", found[name, nodes])


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def of_wonderland(layers: int) -> Iterator[tuple[str, float]]:
    """Each step and its seconds."""
    pipeline = importlib.import_module("wonderland.compiler.pipeline")
    function, x = chain(layers, np), np.ones(4, np.float32)
    yield "trace", timed(lambda: wl.trace(function, x, x))[1]
    made, seconds = timed(lambda: wl.trace(wl.grad(function), x, x))
    yield "trace of the gradient", seconds
    (*_, last), seconds = timed(lambda: list(pipeline.optimised(made.graph)))
    yield "graph passes of the gradient", seconds
    works, seconds = timed(lambda: pipeline.fuse(last.state))
    yield "fuse", seconds
    yield (
        "schedule and buffers",
        timed(lambda: pipeline.buffers(pipeline.schedule(works, ()), ()))[1],
    )


def of_jax(layers: int) -> Iterator[tuple[str, float]]:
    jax, jnp = peers.jax, peers.jnp
    function, x = chain(layers, jnp), jnp.ones(4, jnp.float32)
    yield "trace", timed(lambda: jax.make_jaxpr(function)(x, x))[1]
    yield "trace of the gradient", timed(lambda: jax.make_jaxpr(jax.grad(function))(x, x))[1]


def growth(figures: list[Figure]) -> str:
    """The exponent of time against size for each step of ours: 1 is linear."""
    lines = []
    own = [f for f in figures if f.size.endswith(" nodes")]
    for name in dict.fromkeys(f.question for f in own):
        points = [
            (int(f.size.split()[0]), f.values["wonderland"])
            for f in own
            if f.question == name and "wonderland" in f.values
        ]
        (n, first), (m, last) = points[1 if len(points) > 2 else 0], points[-1]
        if n < m:
            exponent = math.log(last / first) / math.log(m / n)
            lines.append(f"{name}: {1e6 * last / m:.0f} us a node, grows as nodes^{exponent:.2f}")
    return "\n".join(lines)
