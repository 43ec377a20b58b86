"""How long a plan takes beside a link on paper: what its order of works hides of transfers.

One thread does works in their order, each as long as is estimated; the link does transfers one
after another. Nothing is run, so nothing depends on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wonderland.compiler.fuse.work import AnyWork, BodyWork, StartWork, WaitWork
from wonderland.compiler.ir.graph import Node
from wonderland.compiler.pipeline import Compiled, seconds_by
from wonderland.compiler.plan.rows import turns


@dataclass
class Timeline:
    """The clock of a thread and of a link, and how long each was at work."""

    seconds: Callable[[AnyWork], float]
    message_seconds: float
    bytes_a_second: float
    now: float = 0.0
    free: float = 0.0  # when the link is
    computing: float = 0.0
    sending: float = 0.0
    ends: dict[Node, float] = field(default_factory=dict)

    @property
    def hidden(self) -> float:
        """The share of what could be done at the same time that was."""
        return (self.computing + self.sending - self.now) / min(self.computing, self.sending)

    def run(self, body: Any) -> None:
        for _, work in body.works:
            if isinstance(work, StartWork):
                nbytes = max(v.type.nbytes for v in work.values)
                took = self.message_seconds + nbytes / self.bytes_a_second
                self.free = self.ends[work.node] = max(self.free, self.now) + took
                self.sending += took
            elif isinstance(work, WaitWork):
                self.now = max(self.now, self.ends[work.node])
            elif isinstance(work, BodyWork):
                for body in work.bodies * turns(work.op):
                    self.run(body)
            else:
                self.now += self.seconds(work)
                self.computing += self.seconds(work)


def timeline(compiled: Compiled, share: float, message_share: float = 0.0) -> Timeline:
    """Of a program beside a link on which its transfers take a `share` of its computing, and a
    message takes a share of that beside its bytes."""
    seconds = seconds_by({id(w.kernel): low for w, low in compiled.lowered})
    alone = Timeline(seconds, 0.0, 1.0)
    alone.run(compiled.plan)
    rate = alone.sending / (share * alone.computing)
    found = Timeline(seconds, message_share * share * alone.computing, rate)
    found.run(compiled.plan)
    return found
