"""The same transfers message by message, which formulas of bench/distributed/paper.py leave out.

Every process sends to the next place first, then to the one after it, each message when its own
last one has left and the machine's link is free; who has parts adds them in the order of places as
they come. Wires and adding overlap with sending, so a simulation takes no longer than the formula,
which counts them one after another, and not less than half of it while one of them is most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .paper import Links

Group = Sequence[int]  # processes that send to each other, in the order of their places


@dataclass
class Clocks:
    """When processes and links are next free."""

    links: Links
    processes: list[float]
    out: dict[int, float] = field(default_factory=dict)  # by machine
    in_: dict[int, float] = field(default_factory=dict)

    def sent(self, source: int, to: int, size: float) -> float:
        """When a message has arrived."""
        links = self.links
        here, there = source // links.processes, to // links.processes
        self.processes[source] += links.message
        if here == there:
            self.processes[source] += size / links.memory
            return self.processes[source]
        wire = size / links.rate
        begun = max(self.processes[source], self.out.get(here, 0.0))
        self.out[here] = begun + wire
        taken = max(begun + links.latency, self.in_.get(there, 0.0))
        self.in_[there] = taken + wire
        return taken + wire

    def exchange(self, groups: Sequence[Group], size: float, adding: bool) -> None:
        """Everybody in a group sends so many bytes to each other one, and has all theirs."""
        arrived: dict[int, dict[int, float]] = {i: {} for group in groups for i in group}
        for k in range(1, len(groups[0])):
            for group in groups:
                for at, source in enumerate(group):
                    to = group[(at + k) % len(group)]
                    if adding:
                        self.processes[source] += self.links.message  # of a head
                    arrived[to][source] = self.sent(source, to, size)
        for group in groups:
            for at in group:
                if not adding:
                    self.processes[at] = max([self.processes[at], *arrived[at].values()])
                    continue
                for source in group[1:]:  # the first is no sum yet
                    ready = max(arrived[at].get(s, 0.0) for s in (group[0], source))
                    self.processes[at] = max(self.processes[at], ready) + size / self.links.adding


def simulated(links: Links, n: int, size: float, levels: int) -> float:
    """Seconds of a sum over n processes, directly or on two levels."""
    clocks = Clocks(links, [0.0] * n)
    p, m = links.machines(n)
    everyone = [range(n)]
    inside = [range(k, k + p) for k in range(0, n, p)]
    between = [range(k, n, p) for k in range(p)]
    stages: list[tuple[Sequence[Group], float]] = [(everyone, size / n)]
    if levels == 2:
        stages = [(inside, size / p), (between, size / p / m)]
    for groups, part in stages:
        clocks.exchange(groups, part, adding=True)
    for groups, part in reversed(stages):
        clocks.exchange(groups, part, adding=False)
    return max(clocks.processes)
