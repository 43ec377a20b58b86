"""What a machine can do, measured by kernels of the compiler's own: bytes, operations, launches.

Bytes are those that a kernel reads, and those that it writes where it does not read. The rate is
that of a copy to other memory, at several sizes: in the caches of one core, in those that all
share, and in memory.

In memory it depends on how one counts and on what one copies, so that one machine (two cores of a
Zen 4 server) was found at 27, 45 and 75 GB/s:

- A core waits for what it reads, 27 GB/s each. A store to a line that is in no cache reads the line
  first, so a copy of n bytes reads 2 n and is 50 GB/s of n read and n written on both cores, and so
  is filling, 49. An update in place writes lines that it reads anyway: counted twice they would be
  98, which no copy can reach. Counted once they are 49. So bytes written in place do not count.
- Stores past the caches read nothing: a copy by them is 76. No kernel here does that, while the
  copies of C libraries do from some size on: they are no ceiling of the kernels.
- On pages of 4 KiB, which a process gets where 2 MiB in a row are not free, all this is 28 instead
  of 50, or less: translating addresses takes memory too. First touches, where the system gives
  zeros, are 3 to 11. So arrays are large enough to be given large pages, and are touched before.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.rows import transfers_of
from ..ir.graph import Graph, Value
from ..ir.types import Type
from ..ops.contract import dot_general
from ..ops.elementwise import neg
from ..pipeline import compile_graph
from .devices import array_placed

ENOUGH_SECONDS, LEAST_RUNS, MOST_RUNS = 0.1, 5, 50
MOVED = (1 << 18, 1 << 22, 1 << 25, 1 << 26, 1 << 27)  # bytes of copies: no cache holds the last
PRODUCT = 1024  # rows and columns of a product
LARGE_PRODUCT = 4096  # on a GPU


@dataclass(frozen=True)
class Ceilings:
    """What the machine can do, with the threads a program uses, or its GPU."""

    bandwidths: dict[int, float]  # bytes a second, by how many are moved
    flops_per_second: dict[str, float]  # of products, by dtype
    launch_seconds: float  # of a kernel that does nothing

    @property
    def bytes_per_second(self) -> float:
        """In memory."""
        return self.bandwidths[max(self.bandwidths)]

    def bandwidth(self, nbytes: float) -> float:
        """Of so many bytes: the greater rate of those of the next smaller and larger copy."""
        below = max((n for n in self.bandwidths if n <= nbytes), default=min(self.bandwidths))
        above = min((n for n in self.bandwidths if n >= nbytes), default=max(self.bandwidths))
        return max(self.bandwidths[below], self.bandwidths[above])

    def least(
        self, flops: float, nbytes: float, dtype: str = "f32", fetched: float = 0, among: float = 0
    ) -> tuple[str, float]:
        """What bounds a kernel that runs once, bytes, operations or the launch, and the seconds
        that it cannot go below. `fetched` of the bytes are of arguments, `among` those of all."""
        near = (nbytes - fetched) / self.bandwidth(nbytes)
        needed = {
            "bytes": near + fetched / self.bandwidth(max(nbytes, among)),
            "operations": flops / self.flops_per_second[dtype],
            "launch": self.launch_seconds,
        }
        bound = max(needed, key=needed.__getitem__)
        return bound, needed[bound]

    def __str__(self) -> str:
        copied = f"{self.bytes_per_second / 1e9:.1f} GB/s copied in memory"
        caches = max(self.bandwidths.values())
        if caches > self.bytes_per_second:
            copied += f", {caches / 1e9:.0f} in caches"
        products = (f"{r / 1e9:.0f} GFLOP/s {d}" for d, r in self.flops_per_second.items())
        return f"{copied}, {', '.join(products)}, {1e9 * self.launch_seconds:.0f} ns a launch"


@functools.cache
def ceilings(device: Any = None) -> Ceilings:
    """Measured when first asked for, by kernels, and a GPU's library for products."""
    size = PRODUCT if device is None else LARGE_PRODUCT
    moved = {n: n / shortest_seconds(copy_graph(n // 2), device) for n in MOVED}
    products: dict[str, float] = {}
    for dtype in ("f32", "f64"):
        products[dtype] = 2 * size**3 / shortest_seconds(product_graph(dtype, size), device)
    return Ceilings(moved, products, shortest_seconds(copy_graph(4), device))


def copy_graph(nbytes: int) -> Graph:
    """Negation of so many bytes, which no library copies in another way."""
    x = Value(Type("f32", (nbytes // 4,)))
    return Graph.of("copied", (x,), (neg(x),))


def product_graph(dtype: str, size: int) -> Graph:
    of = Type(dtype, (size, size))
    a, b = Value(of), Value(of)
    return Graph.of("product", (a, b), (dot_general(a, b, ((1,), (0,)), ((), ())),))


def shortest_seconds(graph: Graph, device: Any) -> float:
    """The least of a graph's one kernel, without the call around it."""
    program = compile_graph(graph, folder="", device=device).program
    leaves = tuple(array_placed(np.ones(v.shape, v.type.numpy), device) for v in graph.inputs)
    # of many runs, because another process on the machine makes most of them slow
    return min(
        sum(time.seconds for time in program.profile(leaves, (leaves for _ in enough(program))))
        for _ in range(3)
    )


def waited_seconds(program: Any, arguments: Callable[[], Any]) -> float:
    """The least seconds of several calls, each waited for."""
    best = float("inf")
    for _ in enough(program):
        given = arguments()
        program.finish()
        start = time.perf_counter()
        program(given)
        program.finish()
        best = min(best, time.perf_counter() - start)
    return best


def enough(program: Any) -> Iterator[int]:
    """Counts runs until there are enough; of a program that other processes run too as many in
    all."""
    begin = time.perf_counter()
    alike = any(transfers_of(program.rows))
    for k in range(MOST_RUNS):
        if k >= LEAST_RUNS and (alike or time.perf_counter() - begin > ENOUGH_SECONDS):
            return
        yield k
