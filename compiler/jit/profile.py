"""Where the time of a program goes: a row per kernel, against what the machine can do.

    print(compiled.profile(params, batch))

Every kernel runs alone, several times; its least time counts. The whole is the least time of a
plain call; `rest` is what the kernels leave of it: the call itself, and what ran at the same time
as something else, which makes it negative. So the rows and the rest add up to the whole.

On a GPU rows are timed by its own clock, each launched by itself. That takes a few microseconds,
which a kernel in the graph of a plain call does not: rows of small kernels add up to more.

A loop or a branch is one row, of all its turns; the work of a while loop or a branch is not known.

Ceilings, measured once per process: bytes a second of a kernel that copies 64 MiB, and operations a
second of a product of square matrices. The percentage is of the nearer ceiling; what lies in
caches may pass that of memory. Operations count a function such as exp as one.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..codegen.target import GpuTarget, Target
from ..fuse.emission import AnyWork, BodyWork
from ..ir.graph import Graph, Node, Value
from ..ir.printing import lines
from ..ir.source import Source
from ..ir.types import Type
from ..ops.contract import dot_general
from ..ops.elementwise import neg
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import Slabs
from ..pipeline import Compiled, compile_graph
from .devices import array_placed

SHOWN = 100  # characters of a row's lines of the graph
ENOUGH_SECONDS, LEAST_RUNS, MOST_RUNS = 0.1, 5, 50
COPIED = Type("f32", (1 << 24,))  # 64 MiB: no cache holds it twice
PRODUCT = {Target: 512, GpuTarget: 4096}  # rows and columns, by the facts of a target


@dataclass(frozen=True)
class ProfileRow:
    """One kernel, or one call of NumPy on the host, which counts no work."""

    kernel: str
    seconds: float
    flops: int
    bytes: int
    ceiling: float  # the part of the nearer ceiling that it reaches
    text: str  # lines of the graph whose values it writes
    source: str  # the user's lines that it computes

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """Billions of bytes read and written a second."""
        return self.bytes / self.seconds / 1e9 if self.seconds else 0.0


@dataclass(frozen=True)
class Ceilings:
    """What the machine can do, with the threads a program uses, or its GPU."""

    bytes_per_second: float
    flops_per_second: dict[str, float]  # of products, by dtype


@dataclass(frozen=True)
class Profile:
    """The rows in the order they run; `seconds` is the whole."""

    name: str
    rows: tuple[ProfileRow, ...]
    seconds: float
    ceilings: Ceilings

    @property
    def rest(self) -> float:
        """The whole less the rows."""
        return self.seconds - sum(row.seconds for row in self.rows)

    def __str__(self) -> str:
        products = ", ".join(
            f"{rate / 1e9:.0f} GFLOP/s {dtype}"
            for dtype, rate in self.ceilings.flops_per_second.items()
        )
        copied = f"{self.ceilings.bytes_per_second / 1e9:.1f} GB/s copied"
        cells: list[tuple[str, ...]] = [
            ("microseconds", "share", "GFLOP/s", "GB/s", "ceiling", "kernel", "line", "graph")
        ]
        for row in self.rows:
            cells.append(self.cells(row))
        rest = (f"{1e6 * self.rest:.2f}", self.share(self.rest), "", "", "", "rest", "", "")
        whole = (f"{1e6 * self.seconds:.2f}", self.share(self.seconds), *[""] * 3, "whole", "", "")
        cells += [rest, whole]
        widths = [max(len(line[k]) for line in cells) for k in range(7)]
        text = [f"profile of {self.name}; ceilings: {copied}, {products}"]
        for line in cells:
            numbers = [c.rjust(w) for c, w in zip(line[:5], widths, strict=False)]
            words = [c.ljust(w) for c, w in zip(line[5:7], widths[5:], strict=True)]
            text.append("  ".join([*numbers, *words, line[7]]).rstrip())
        return "\n".join(text)

    def share(self, seconds: float) -> str:
        return f"{100 * seconds / self.seconds:.0f}%" if self.seconds else ""

    def cells(self, row: ProfileRow) -> tuple[str, ...]:
        rates = ("", "", "")
        if row.flops or row.bytes:
            rates = f"{row.gflops:.2f}", f"{row.gbytes:.2f}", f"{100 * row.ceiling:.0f}%"
        time_cell = f"{1e6 * row.seconds:.2f}"
        text = row.text if len(row.text) <= SHOWN else f"{row.text[:SHOWN]}..."
        return time_cell, self.share(row.seconds), *rates, row.kernel, row.source, text


def profile(name: str, compiled: Compiled, leaves: tuple[Any, ...]) -> Profile:
    """Times of the kernels of a program on arguments, which are as before afterwards."""
    program = compiled.program
    donated = {i for i, _ in compiled.plan.donated}
    limits = ceilings(PRODUCT[type(compiled.target)], compiled.device)

    def arguments() -> tuple[Any, ...]:
        return tuple(x.copy() if i in donated else x for i, x in enumerate(leaves))

    whole = waited_seconds(program, arguments)
    runs = (arguments() for _ in enough())
    rows = tuple(
        profile_row(what, seconds, limits, compiled)
        for what, (_, seconds) in zip(
            works(compiled), program.profile(arguments(), runs), strict=True
        )
    )
    return Profile(name, rows, whole, limits)


def waited_seconds(program: Any, arguments: Callable[[], Any]) -> float:
    """The least seconds of several calls, each waited for."""
    best = float("inf")
    for _ in enough():
        given = arguments()
        program.finish()
        start = time.perf_counter()
        program(given)
        program.finish()
        best = min(best, time.perf_counter() - start)
    return best


def enough() -> Iterator[int]:
    """Counts runs until there are enough."""
    begin = time.perf_counter()
    for k in range(MOST_RUNS):
        if k >= LEAST_RUNS and time.perf_counter() - begin > ENOUGH_SECONDS:
            return
        yield k


# ---------------------------------------------------------------- rows


def works(compiled: Compiled) -> Iterator[AnyWork]:
    """What the rows of the program with anything to do come from, in order."""
    lowered = {id(work): low for work, low in compiled.lowered}
    for _, work in compiled.plan.schedule.works:
        if id(work) not in lowered or lowered[id(work)].points > 0:
            yield work


def profile_row(work: AnyWork, seconds: float, limits: Ceilings, compiled: Compiled) -> ProfileRow:
    graph = compiled.plan.graph
    written = [v for v in work.written if v.node] or list(parts_of(work, compiled))
    texts = {n: text.split("  # ")[0].strip() for text, n in lines(graph) if n is not None}
    nodes = dict.fromkeys(v.node for v in written if v.node)
    text = "; ".join(texts.get(n, n.op.name) for n in nodes)
    source = source_lines(fused(written, set(work.reads)))
    flops, nbytes = done(work, compiled)
    if not flops and not nbytes:
        return ProfileRow(work.name, seconds, 0, 0, 0.0, text, source)
    dtype = "f64" if any(v.dtype == "f64" for v in (*work.reads, *work.written)) else "f32"
    needed = max(flops / limits.flops_per_second[dtype], nbytes / limits.bytes_per_second)
    part = needed / seconds if seconds else 0.0
    return ProfileRow(work.name, seconds, flops, nbytes, part, text, source)


def done(work: AnyWork, compiled: Compiled) -> tuple[int, int]:
    """Operations and bytes of a work; of a loop those of its turns, where their number is known."""
    if isinstance(work, BodyWork):
        if not isinstance(work.op, Scan | Slabs):
            return 0, 0
        count = work.op.count if isinstance(work.op, Slabs) else work.op.length
        turn = [done(w, compiled) for w in work.inside()]
        return count * sum(f for f, _ in turn), count * sum(b for _, b in turn)
    low = next((low for w, low in compiled.lowered if w is work), None)
    return (0, 0) if low is None else (low.flops, low.bytes)


def parts_of(work: AnyWork, compiled: Compiled) -> Iterator[Value]:
    """What the partial results of a work become."""
    own = set(work.written)
    for _, later in compiled.plan.schedule.works:
        if own & set(later.reads):
            yield from (v for v in later.written if v.node)


def fused(written: Sequence[Value], read: set[Value]) -> Iterator[Node]:
    """The nodes between what a work reads and what it writes."""
    seen: set[Node] = set()
    stack = [v.node for v in written if v.node]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        stack += [a.node for a in node.args if a.node and a not in read]


def source_lines(nodes: Iterator[Node]) -> str:
    """The lines of nodes: `model.py:3,5`."""
    by_file: dict[str, set[int]] = {}
    for node in nodes:
        if isinstance(node.source, Source):
            by_file.setdefault(node.source.file, set()).add(node.source.line)
    return " ".join(f"{f}:{','.join(map(str, sorted(ns)))}" for f, ns in by_file.items())


# ---------------------------------------------------------------- ceilings


@functools.cache
def ceilings(product: int, device: Any = None) -> Ceilings:
    """Measured now, by kernels of the compiler's own, and a GPU's library for products."""
    x = Value(COPIED)
    copied = rate(Graph.of("copied", (x,), (neg(x),)), 2 * COPIED.nbytes, device)
    products: dict[str, float] = {}
    for dtype in ("f32", "f64"):
        of = Type(dtype, (product, product))
        a, b = Value(of), Value(of)
        graph = Graph.of("product", (a, b), (dot_general(a, b, ((1,), (0,)), ((), ())),))
        products[dtype] = rate(graph, 2 * product**3, device)
    return Ceilings(copied, products)


def rate(graph: Graph, work: int, device: Any) -> float:
    """Units of work a second."""
    program = compile_graph(graph, folder="", device=device).program
    arrays = tuple(array_placed(np.ones(v.shape, v.type.numpy), device) for v in graph.inputs)
    # of many runs, because another process on the machine makes most of them slow
    return work / min(waited_seconds(program, lambda: arrays) for _ in range(3))
