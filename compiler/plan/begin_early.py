"""Parts every transfer between processes into its begin and its end, and work goes in between.

What: a transfer begins right behind the last work that makes its operand; its end stands right
before the first work that reads its result, or behind all works.
Order: after fusion, which makes works; before schedule, which does whatever else can be done before
it waits.
Before: works of which each reads inputs, constants and what others write. After: the same, and who
reads the result of a transfer waits for its end. Transfers begin in an order that the graph alone
decides, so it is that of all processes.
Memory: operand and result of a transfer are live from its begin to its end.
Cost: linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..fuse.waves import Schedule, in_bodies
from ..fuse.work import AnyWork, HostWork, StartWork, WaitWork
from ..ir.graph import Value
from ..ops.transferred import Transferred


@in_bodies
def begin_early(fused: Schedule) -> Schedule:
    """The works of `fused`, with transfers in two."""
    works = [w for _, w in fused.works]
    if not any(map(is_transfer, works)):
        return fused
    return replace(fused, waves=tuple((w,) for w in in_two(works)))


def is_transfer(work: AnyWork) -> bool:
    return isinstance(work, HostWork) and isinstance(work.node.op, Transferred)


def in_two(works: Sequence[AnyWork]) -> list[AnyWork]:
    """The works in an order in which transfers begin early and end late."""
    behind = begins_behind(works)
    moved = {id(w) for some in behind.values() for w in some}
    underway: dict[Value, WaitWork] = {}  # by result, in the order of begins
    done: dict[Value, Value] = {}
    found: list[AnyWork] = []

    def end(v: Value) -> None:
        wait = underway.pop(v)
        done[v] = wait.done
        found.append(wait)

    def begin(work: AnyWork) -> None:
        work = waiting(work)
        assert isinstance(work, HostWork)
        found.append(StartWork(work.node, work.values, work.waits))
        underway[work.written[0]] = WaitWork.of(work.node)

    def waiting(work: AnyWork) -> AnyWork:
        """The work, behind the ends of the transfers whose results it needs."""
        needed = dict.fromkeys((*work.reads, *work.waits))
        for v in [v for v in underway if v in needed]:
            end(v)
        ends = tuple(done[v] for v in needed if v in done)
        return replace(work, waits=(*work.waits, *ends)) if ends else work

    for work in behind.get(-1, ()):
        begin(work)
    for k, work in enumerate(works):
        if not is_transfer(work):
            found.append(waiting(work))
        elif id(work) not in moved:
            begin(work)
        for transfer in behind.get(k, ()):
            begin(transfer)
    for v in list(underway):
        end(v)
    return found


def begins_behind(works: Sequence[AnyWork]) -> dict[int, list[AnyWork]]:
    """The transfers that can begin behind each work, -1 for before all; none whose operand is made
    by another transfer: it begins where it is."""
    last: dict[Value, int] = {}
    found: dict[int, list[AnyWork]] = {}
    for k, work in enumerate(works):
        if is_transfer(work):
            at = max((last.get(v, -1) for v in (*work.reads, *work.waits)), default=-1)
            if at < 0 or not is_transfer(works[at]):
                found.setdefault(at, []).append(work)
        last |= dict.fromkeys(work.written, k)
    return found
