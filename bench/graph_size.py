"""Does the compiler stay linear? Programs of 10^2 to 10^5 nodes, of the shapes that people write.

Deep chains, wide sums, loops that are unrolled, thousands of parameters with a step of training,
trees. The nodes are those of the gradient's graph; the function itself has a third. Figures are of
the whole graph; the growth to the largest size, from 1000 nodes, is told below the table. Memory is
the most that Python's objects hold at once from the trace to the plan; it is looked at up to 10^4
nodes, and takes time of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import time
import tracemalloc
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl

from . import peers
from .harness import Figure

NODES = (100, 1_000, 10_000, 100_000)
MEASURED = 10_000  # nodes up to which memory is measured
SECONDS = 60.0  # a larger graph is not tried where a step is bound to take longer


class Shape(NamedTuple):
    """A program of so many nodes a part: `make` gives for a number of parts and a library a loss,
    what is made of it and of its gradient, and arguments."""

    nodes: int
    make: Callable[[int, Any, Any], tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]]


X = np.ones(4, np.float32)


def chain(layers: int, m: Any, grad: Any) -> Any:
    """Every layer is a product, an activation and a sum of small arrays."""

    def loss(x: Any, w: Any) -> Any:
        for _ in range(layers):
            x = m.tanh(x * w) + w
        return m.sum(x)

    return loss, grad(loss), (X, X)


def wide(branches: int, m: Any, grad: Any) -> Any:
    """Branches of one argument that know nothing of each other, and their sum."""

    def loss(x: Any, w: Any) -> Any:
        return m.sum(m.stack([m.tanh(x * np.float32(k + 1)) * w for k in range(branches)]))

    return loss, grad(loss), (X, X)


def unrolled(steps: int, m: Any, grad: Any) -> Any:
    """Steps of an LSTM, written out."""
    weights = np.full((2, 8, 32), 0.1, np.float32)

    def loss(weights: Any, x: Any) -> Any:
        h = c = m.zeros(8, np.float32)
        for _ in range(steps):
            z = x @ weights[0] + h @ weights[1]
            c = m.tanh(z[8:16]) * c + m.tanh(z[:8]) * m.tanh(z[16:24])
            h = m.tanh(z[24:]) * m.tanh(c)
        return m.sum(h)

    return loss, grad(loss), (weights, np.ones(8, np.float32))


def leaves(count: int, m: Any, grad: Any) -> Any:
    """Thousands of parameters, and a step of gradient descent for each."""
    parameters = [np.ones(3, np.float32)] * count

    def loss(parameters: Any, x: Any) -> Any:
        return sum(m.sum(p * p * x) for p in parameters)

    def step(parameters: Any, x: Any) -> Any:
        slopes = grad(loss)(parameters, x)
        return [p - np.float32(0.1) * g for p, g in zip(parameters, slopes, strict=True)]

    return loss, step, (parameters, np.float32(2))


def tree(rows: int, m: Any, grad: Any) -> Any:
    """The rows of an array, combined by pairs, and pairs of those."""

    def loss(x: Any) -> Any:
        values = [x[k] for k in range(rows)]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            last = values[-1:] if len(values) % 2 else []
            values = [m.tanh(a) * b for a, b in pairs] + last
        return m.sum(values[0])

    return loss, grad(loss), (np.ones((rows, 4), np.float32),)


SHAPES = {
    "chain": Shape(9, chain),
    "wide": Shape(14, wide),
    "unrolled": Shape(64, unrolled),
    "leaves": Shape(10, leaves),
    "tree": Shape(14, tree),
}


def figures(most: int = NODES[-1]) -> Iterator[Figure]:
    """Rows for each shape, step and size, up to `most` nodes."""
    gc.collect()
    gc.freeze()  # what the libraries hold is not looked through again while a step makes objects
    for name, shape in SHAPES.items():
        yield from figures_of(name, shape, [n for n in NODES if n <= most])
    gc.unfreeze()


def figures_of(shape_name: str, shape: Shape, sizes: Sequence[int]) -> Iterator[Figure]:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for peer in filter(peers.there, STEPS):
        for nodes in sizes:
            # sizes are ten times each other, so a step takes at least ten times as long
            slow = {name for (name, _), of in found.items() if 10 * of.get(peer, 0) > SECONDS}
            for name, seconds in timed(STEPS[peer](shape, max(nodes // shape.nodes, 2)), slow):
                found.setdefault((name, nodes), {})[peer] = seconds
    for name in dict.fromkeys(name for name, _ in found):
        for nodes in sizes:
            if (name, nodes) in found:
                yield Figure(f"{shape_name}: {name}", f"{nodes} nodes", found[name, nodes])
    for nodes in (n for n in sizes if n <= MEASURED):
        most = most_bytes(shape, max(nodes // shape.nodes, 2))
        yield Figure(f"{shape_name}: memory", f"{nodes} nodes", {"wonderland": most}, unit="B")


def most_bytes(shape: Shape, parts: int) -> float:
    """The most that objects of Python hold at once while the program is compiled."""
    tracemalloc.start()
    for _ in timed(of_wonderland(shape, parts)):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(most)


Steps = Generator[tuple[str, Callable[[], Any]], Any, None]
"""Names of steps and what does them; the result is sent back."""


def timed(steps: Steps, slow: Collection[str] = ()) -> Iterator[tuple[str, float]]:
    """The processor's seconds of each step, up to the first that is too slow."""
    result: Any = None
    with contextlib.closing(steps), contextlib.suppress(StopIteration):
        while True:
            name, action = steps.send(result)
            if name in slow:
                return
            start = time.process_time()
            result = action()
            yield name, time.process_time() - start


def of_wonderland(shape: Shape, parts: int) -> Steps:
    """The steps of `pipeline.Lowering`, collections of cycles as rare as there, up to the plan."""
    pipeline = importlib.import_module("wonderland.compiler.pipeline")
    making = importlib.import_module("wonderland.runtime.native.making")
    loss, program, arguments = shape.make(parts, np, wl.grad)
    with making.rare_collections():
        yield "trace", lambda: wl.trace(loss, *arguments)
        made = yield "trace of the gradient", lambda: wl.trace(program, *arguments)
        stages = yield "graph passes", lambda: list(pipeline.optimised(made.graph))
        fused = yield "fuse", lambda: pipeline.fuse(stages[-1].state)
        works = {id(w.kernel): w for w in pipeline.works_of(fused)}
        yield "texts", lambda: [pipeline.lower_work(w, pipeline.host()) for w in works.values()]
        yield "schedule and buffers", lambda: pipeline.buffers(pipeline.schedule(fused))


def of_jax(shape: Shape, parts: int) -> Steps:
    jax, jnp = peers.jax, peers.jnp
    loss, program, arguments = shape.make(parts, jnp, jax.grad)
    yield "trace", lambda: jax.make_jaxpr(loss)(*arguments)
    yield "trace of the gradient", lambda: jax.make_jaxpr(program)(*arguments)


STEPS: Mapping[str, Callable[[Shape, int], Steps]] = {"wonderland": of_wonderland, "jax": of_jax}


def growth(figures: list[Figure]) -> str:
    """The exponent of time, or of bytes, against size for each step of ours: 1 is linear."""
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
            unit = next(f.unit for f in own if f.question == name)
            each = f"{last / m:.0f} bytes" if unit == "B" else f"{1e6 * last / m:.0f} us"
            lines.append(f"{name}: {each} a node, grows as nodes^{exponent:.2f}")
    return "\n".join(lines)
