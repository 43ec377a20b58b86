"""A step of training on n processes, on paper: what 2 to 10,000 would take, by four algorithms.

A sum of B bytes over n processes, p in each of m = n / p machines. A message takes a process o
seconds, whatever its size; a machine's link has a latency L and carries W bytes a second, for all
its processes together; within a machine a byte takes 1/M seconds, and adding one 1/A.

    everybody     (n-1) o + L + p (n-p) B / W + (p-1) B / M + (n-1) B / A
    direct        3 (n-1) o + 2 (L + p (n-p)/n B / W + (p-1)/n B / M) + (n-1)/n B / A
    two levels    3 (p-1 + m-1) o + 2 (L + far) + near
    halving       3 (p-1 + log2(m)) o + 2 (log2(m) L + far) + near
                  far = (m-1)/m B / W    near = 2 (p-1)/p B / M + ((p-1)/p + (m-1)/n) B / A

`everybody` gives all it has to all; in `direct` each process gets its part of the sum from all
others, and gives it to all: a head, a part and a sum for each. Both add in the order of processes,
and are what the engine does, for few bytes and for many. `two levels` does the same within
machines first, then each part between machines: ((x0 + x1) + ...) + ((xp + ...) + ...), which are
bits of n and p. `halving` is between machines a tree of pairs: bits of n and p too, in another
order. Without latencies the last two are as fast as any can be: a machine's link carries 2 B.

A step works for C seconds, two thirds of it backward, and sums k buckets of B / k bytes, none
larger than those of the compiler, each at a call's cost t. A share h of transfers is hidden, but
not more than backward has time for:

    X = k (T(B / k) + t)        step = C + X - min(h X, 2/3 C)        efficiency = C / step

o, M, A, t, h are measured here; they are of processes that share memory. L and W are another's: 100
Gb/s is the rate of a line of 100GBASE-R or InfiniBand EDR, 2 us are half a round trip of MPI
between two hosts (1.93 us; Squyres, MPI over 40Gb Ethernet, Cisco, 2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from wonderland.compiler.optimise.buckets import BUCKET_BYTES

from ..harness import markdown, spelled

COUNTS = (2, 8, 64, 256, 1000, 4000, 10000)
EACH = 3  # messages to each other process: a head, a part, a sum
LEAST = 0.9  # of efficiency, where scaling is said to end


@dataclass(frozen=True)
class Links:
    """Seconds and bytes a second, by the names of the formulas."""

    message: float  # o
    memory: float  # M
    adding: float  # A
    latency: float = 2e-6  # L
    rate: float = 12.5e9  # W
    processes: int = 8  # p

    def machines(self, n: int) -> tuple[int, float]:
        """Processes in each, and machines."""
        p = min(n, self.processes)
        return p, n / p


@dataclass(frozen=True)
class Work:
    """What a process does in a step."""

    name: str
    seconds: float  # C
    bytes: int  # B
    call: float = 0.0  # t
    hidden: float = 0.0  # h


def everybody(links: Links, n: int, size: float) -> float:
    p, m = links.machines(n)
    far = (links.latency if m > 1 else 0.0) + p * (n - p) * size / links.rate
    near = (p - 1) * size / links.memory
    return (n - 1) * links.message + far + near + (n - 1) * size / links.adding


def direct(links: Links, n: int, size: float) -> float:
    p, m = links.machines(n)
    far = (links.latency if m > 1 else 0.0) + p * (n - p) / n * size / links.rate
    near = (p - 1) / n * size / links.memory
    return EACH * (n - 1) * links.message + 2 * (far + near) + (n - 1) / n * size / links.adding


def levelled(links: Links, n: int, size: float, messages: float, latencies: float) -> float:
    """Of two levels, with so many messages between machines and latencies one after another."""
    p, m = links.machines(n)
    far = latencies * links.latency + (m - 1) / m * size / links.rate
    near = 2 * (p - 1) / p * size / links.memory
    near += ((p - 1) / p + (m - 1) / n) * size / links.adding
    return EACH * (p - 1 + messages) * links.message + 2 * far + near


def two_levels(links: Links, n: int, size: float) -> float:
    m = links.machines(n)[1]
    return levelled(links, n, size, m - 1, 1 if m > 1 else 0)


def halving(links: Links, n: int, size: float) -> float:
    rounds = math.ceil(math.log2(links.machines(n)[1]))
    return levelled(links, n, size, rounds, rounds)


Algorithm = Callable[[Links, int, float], float]
ALGORITHMS: dict[str, Algorithm] = {
    "everybody": everybody,
    "direct": direct,
    "two levels": two_levels,
    "halving": halving,
}


def transfers(algorithm: Algorithm, links: Links, work: Work, n: int) -> float:
    """X: all buckets of a step."""
    if n == 1:
        return 0.0
    buckets = max(1, math.ceil(work.bytes / BUCKET_BYTES))
    return buckets * (algorithm(links, n, work.bytes / buckets) + work.call)


def step(algorithm: Algorithm, links: Links, work: Work, n: int) -> float:
    taken = transfers(algorithm, links, work, n)
    return work.seconds + taken - min(work.hidden * taken, 2 / 3 * work.seconds)


def efficiency(algorithm: Algorithm, links: Links, work: Work, n: int) -> float:
    return work.seconds / step(algorithm, links, work, n)


def most(algorithm: Algorithm, links: Links, work: Work) -> int:
    """The largest power of two of processes that are still efficient."""
    n = 1
    while n < 1 << 20 and efficiency(algorithm, links, work, 2 * n) >= LEAST:
        n *= 2
    return n


# ---------------------------------------------------------------- showing


def table(links: Links, works: list[Work]) -> str:
    """Transfers and efficiency, and where it ends."""
    lines = [["step", "processes", *ALGORITHMS]]
    for work in works:
        for n in COUNTS:
            cells = [
                f"{spelled(transfers(a, links, work, n))}, "
                f"{100 * efficiency(a, links, work, n):.0f}%"
                for a in ALGORITHMS.values()
            ]
            lines.append([work.name, f"{n}", *cells])
        ends = [f"{most(a, links, work):,}" for a in ALGORITHMS.values()]
        lines.append([work.name, f"most at {100 * LEAST:.0f}%", *ends])
    return (
        f"Transfers of a step, and efficiency: {links.processes} processes a machine, links of "
        f"{8 * links.rate / 1e9:.0f} Gb/s and {spelled(links.latency)}; measured: a message "
        f"{spelled(links.message)}, memory {links.memory / 1e9:.1f} GB/s, "
        f"adding {links.adding / 1e9:.1f} GB/s.\n\n{markdown(lines)}"
    )
