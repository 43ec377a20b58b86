"""Do tracing, the derivative and the passes stay linear? Chains from 10^2 to 10^5 nodes.

Every layer is a product, an activation and a sum of small arrays. The nodes are those of the
gradient's graph; the function itself has a third. Figures are of the whole graph, and the growth
to the largest size, from 1000 nodes, is told below the table.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
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
    gc.collect()
    gc.freeze()  # what the libraries hold is not looked through again while a step makes objects
    for peer in filter(peers.there, STEPS):
        for nodes in (n for n in NODES if n <= most):
            # sizes are ten times each other, so a step takes at least ten times as long
            slow = {name for (name, _), of in found.items() if 10 * of.get(peer, 0) > SECONDS}
            for name, seconds in timed(STEPS[peer](nodes // PER_LAYER), slow):
                found.setdefault((name, nodes), {})[peer] = seconds
    gc.unfreeze()
    for name in dict.fromkeys(name for name, _ in found):
        for nodes in NODES:
            if (name, nodes) in found:
                yield Figure(name, f"{nodes} nodes", found[name, nodes])


Steps = Generator[tuple[str, Callable[[], Any]], Any, None]
"""Names of steps and what does them; the result is sent back."""


def timed(steps: Steps, slow: Collection[str] = ()) -> Iterator[tuple[str, float]]:
    """The seconds of each step, up to the first that is too slow."""
    result: Any = None
    with contextlib.suppress(StopIteration):
        while True:
            name, action = steps.send(result)
            if name in slow:
                return
            start = time.perf_counter()
            result = action()
            yield name, time.perf_counter() - start


def of_wonderland(layers: int) -> Steps:
    pipeline = importlib.import_module("wonderland.compiler.pipeline")
    function, x = chain(layers, np), np.ones(4, np.float32)
    yield "trace", lambda: wl.trace(function, x, x)
    made = yield "trace of the gradient", lambda: wl.trace(wl.grad(function), x, x)
    stages = yield "graph passes of the gradient", lambda: list(pipeline.optimised(made.graph))
    works = yield "fuse", lambda: pipeline.fuse(stages[-1].state)
    yield "schedule and buffers", lambda: pipeline.buffers(pipeline.schedule(works))


def of_jax(layers: int) -> Steps:
    jax, jnp = peers.jax, peers.jnp
    function, x = chain(layers, jnp), jnp.ones(4, jnp.float32)
    yield "trace", lambda: jax.make_jaxpr(function)(x, x)
    yield "trace of the gradient", lambda: jax.make_jaxpr(jax.grad(function))(x, x)


STEPS: Mapping[str, Callable[[int], Steps]] = {"wonderland": of_wonderland, "jax": of_jax}


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
