"""Timing: every peer in turn in one process, medians, and this machine's ceilings beside them.

A row holds one run for each peer; a run is synchronised: when it returns, its results are there.
Peers take turns for a few rounds, and every turn starts with a rest, because thread pools spin for
a while after work and would take the cores from the next peer. A figure is the median of all. Runs
longer than a turn are done once in each.

The ceiling of a row is the time that its bytes at a copy's bandwidth and its operations at the rate
of a large product cannot go below. Bytes are those that are read, and those that are written where
nothing is read; copies of several sizes say how fast they move (compiler/jit/ceilings.py).
"""

from __future__ import annotations

import importlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Run = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 3
    seconds: float = 0.15  # of a turn
    rest: float = 0.2
    most_flops: float = math.inf  # rows with more are left out
    without: tuple[str, ...] = ()  # peers

    @classmethod
    def quick(cls) -> Effort:
        return cls(1, seconds=0.03, rest=0.05, most_flops=1e10, without=("torch.compile",))


@dataclass(frozen=True)
class Row:
    """One question at one size."""

    question: str
    size: str
    runs: Mapping[str, Run]
    bytes: int = 0  # that must be read, or written where nothing is read
    flops: int = 0


@dataclass(frozen=True)
class Figure:
    """Seconds or bytes of each peer, and the least possible."""

    question: str
    size: str
    values: Mapping[str, float]
    ceiling: float = 0.0
    unit: str = "s"


@dataclass(frozen=True)
class Ceilings:
    """What this machine can do, measured when first asked for."""

    threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    @cached_property
    def bandwidths(self) -> Any:
        """Those of a profile, in caches and in memory, measured and told about there."""
        return importlib.import_module("wonderland.compiler.jit.ceilings").ceilings()

    @cached_property
    def product_rate(self) -> float:
        """Operations per second of a large f32 product."""
        n = 1024
        a = np.ones((n, n), np.float32)
        return 2 * n**3 / timed(lambda: a @ a, 0.3)

    def least(self, row: Row) -> float:
        """Seconds that no program can go below."""
        moving = row.bytes / self.bandwidths.bandwidth(row.bytes) if row.bytes else 0.0
        return max(moving, row.flops / self.product_rate if row.flops else 0.0)

    def __str__(self) -> str:
        return f"{self.bandwidths}; NumPy's product {self.product_rate / 1e9:.0f} GFLOP/s"


# ---------------------------------------------------------------- measuring


def samples(run: Run, seconds: float) -> list[float]:
    """Seconds of single runs; short runs are timed several at a time, for the clock's sake."""
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    if once > seconds > 0:
        return [once]
    together = max(1, int(50e-6 / max(once, 1e-9)))
    found: list[float] = []
    stop = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < stop:
        start = time.perf_counter()
        for _ in range(together):
            run()
        found.append((time.perf_counter() - start) / together)
    return found


def timed(run: Run, seconds: float) -> float:
    """Median seconds of a run, after one that warms up."""
    run()
    return statistics.median(samples(run, seconds))


def measure(row: Row, ceilings: Ceilings, effort: Effort) -> Figure:
    """Every peer of a row in turn."""
    runs = {peer: run for peer, run in row.runs.items() if peer not in effort.without}
    found: dict[str, list[float]] = {peer: [] for peer in runs}
    for run in runs.values():  # compiling and first touches are not timed
        run()
        run()
    for _ in range(effort.rounds):
        for peer, run in runs.items():
            time.sleep(effort.rest)
            if not any(s > effort.seconds for s in found[peer]):
                run()  # wakes the threads
            found[peer] += samples(run, effort.seconds)
    medians = {peer: statistics.median(s) for peer, s in found.items()}
    return Figure(row.question, row.size, medians, ceilings.least(row))


# ---------------------------------------------------------------- showing


UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)),
    "B": (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)),
}


def spelled(amount: float, unit: str = "s") -> str:
    """Three digits with a unit: 1.25 ms."""
    unit, scale = next((u for u in UNITS[unit] if amount >= u[1]), UNITS[unit][-1])
    value = amount / scale
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def ratio(figure: Figure) -> float | None:
    """How many times faster than the better of JAX and eager PyTorch, or NumPy without them."""
    rivals = [figure.values[p] for p in ("jax", "torch") if p in figure.values]
    rivals = rivals or [figure.values[p] for p in ("numpy",) if p in figure.values]
    ours = figure.values.get("wonderland")
    return min(rivals) / ours if rivals and ours else None


def table(figures: Iterable[Figure], peers: Sequence[str]) -> str:
    """A Markdown table; `-` where a peer is missing or has no such thing."""
    lines = [["question", "size", *peers, "ratio", "of ceiling"]]
    for figure in figures:
        values, unit = figure.values, figure.unit
        times = [spelled(values[p], unit) if p in values else "-" for p in peers]
        times_faster = ratio(figure)
        ours = figure.values.get("wonderland")
        share = f"{100 * figure.ceiling / ours:.0f}%" if ours and figure.ceiling else "-"
        faster = f"{times_faster:.2f}" if times_faster else "-"
        lines.append([figure.question, figure.size, *times, faster, share])
    return markdown(lines)


def markdown(lines: list[list[str]]) -> str:
    """A table of a head and rows, all as wide; the first two columns are texts, others numbers."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [lines[0], ["-" * width for width in widths], *lines[1:]]

    def padded(line: list[str]) -> str:
        cells = (
            c.ljust(w) if i < 2 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    return "\n".join(map(padded, lines))


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
