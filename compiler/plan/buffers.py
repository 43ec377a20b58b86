"""Gives every value a place in memory.

What: inputs, outputs and constants live with the caller; everything else gets an offset in one
arena, reused when it is dead. A value is written over an operand that dies with its reading, where
the kernel reads every element before it writes it; a copy that is written over its operand is left
out. The operands of a concatenation along the first axis are written in their places of its result,
which is then there without a kernel, where that takes no more memory. Bodies of loops and branches
are planned first: what they need is one block, live while the loop runs; the carry of a loop is a
donated input.
Order: last, when the order of works is fixed.
Before: a schedule. After: values that are live in the same wave share no bytes, except a value and
the operand it is written over; a piece is live as long as what it is in (`check_overlap`).
Cost: n log n in the values of the arena, and a few steps of NumPy on all waves and values for each.
Source: greedy by size for offset calculation, Pisarchyk and Lee, Efficient memory management for
deep neural net inference, 2020; here the best of several orders.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np

from ..fuse.waves import Pairs, Schedule, in_bodies
from ..fuse.work import AnyWork, BodyWork, StartWork, Work
from ..ir.errors import CompilerError
from ..ir.graph import Value
from ..ir.types import ALIGNMENT, Type
from ..ops.nested.slabs import Slabs
from ..ops.nested.while_loop import While
from .plan import Plan, ValuePlace, aligned, constants


@in_bodies
def buffers(schedule: Schedule, frugal: bool = False) -> Plan:
    """The plan of `schedule`; what it has as donated shares memory where that is safe. A `frugal`
    one copies rather than take more memory."""
    schedule = replace(schedule, waves=tuple(tuple(map(with_memory, w)) for w in schedule.waves))
    schedule = unshared(schedule)
    blocks = best_blocks(schedule, frugal)
    places = blocks.all_places()
    safe = tuple(safe_donations(schedule, places))
    idle, kept = there_already(schedule, places, safe)
    waves = [tuple(w for w in wave if id(w) not in idle) for wave in schedule.waves]
    before = list(itertools.accumulate(map(bool, waves), initial=0))
    plan = Plan(
        replace(schedule, waves=tuple(wave for wave in waves if wave)),
        places,
        blocks.arena_bytes,
        tuple(n for n, wave in zip(blocks.live, waves, strict=True) if wave),
        safe,
        blocks.shared,
        kept,
        blocks.whole,
        tuple((before[k], w) for k, w in schedule.works if id(w) in idle),
    )
    check_overlap(plan)
    return plan


def with_memory(work: AnyWork) -> AnyWork:
    """The work; one with plans of its bodies with the memory that they need beside operands and
    results: one arena for all, then second buffers of carries, then the bool of a condition. Slabs
    have it in the scratch of threads."""
    if not isinstance(work, BodyWork) or isinstance(work.op, Slabs):
        return work
    end = aligned(max(plan.arena_bytes for plan in work.bodies))
    bodies: list[Plan] = []
    for plan, carried in zip(work.bodies, work.op.carried, strict=True):
        beside: dict[int, int] = {}
        for pair in carried:
            if pair not in plan.donated:
                beside[pair[1]] = end
                end += aligned(plan.graph.outputs[pair[1]].type.nbytes)
        bodies.append(replace(plan, beside=beside) if beside else plan)
    if isinstance(work.op, While):
        bodies[0], end = replace(bodies[0], beside={0: end}), end + aligned(1)
    memory = Value(Type("u8", (end,))) if end else None
    return replace(work, bodies=tuple(bodies), memory=memory)


def slab_bytes(works: Iterable[AnyWork]) -> int:
    """The scratch that a thread needs for arenas of slabs, of works that may not be planned yet."""
    bodies = (
        body
        for work in works
        if isinstance(work, BodyWork) and isinstance(work.op, Slabs)
        for body in work.bodies
    )
    arenas = ((b if isinstance(b, Plan) else buffers(b)).arena_bytes for b in bodies)
    return aligned(max(arenas, default=0))


def unshared(schedule: Schedule) -> Schedule:
    """The schedule in which a loop reads the elements of a sequence where they are, if its turns
    as they are planned would not update them in place."""
    copies = {w.written[0]: w for _, w in schedule.works if isinstance(w, Work) and w.pieces}
    idle: set[int] = set()

    def changed(work: AnyWork) -> AnyWork:
        if not isinstance(work, BodyWork):
            return work
        values = list(work.values)
        for i, o in work.in_place:
            body = work.bodies[0]
            if (i, o) not in body.donated or o not in body.kept:
                copy = copies[values[i]]
                values[i] = copy.reads[0]
                idle.add(id(copy))
        return work if tuple(values) == work.values else replace(work, values=tuple(values))

    waves = [tuple(map(changed, wave)) for wave in schedule.waves]
    left = (tuple(w for w in wave if id(w) not in idle) for wave in waves)
    return replace(schedule, waves=tuple(left))


# ---------------------------------------------------------------- blocks


@dataclass
class Block:
    """Bytes of the arena: their values, the first wave that writes, the last that reads.

    `starts`: where values begin that are pieces of another. A `closed` block is written over by no
    other value: its pieces are read as long as the whole.
    """

    values: list[Value]
    first: int
    last: int
    nbytes: int
    offset: int = 0
    starts: dict[Value, int] = field(default_factory=dict)
    closed: bool = False

    def place(self, value: Value) -> ValuePlace:
        return ValuePlace("arena", 0, self.offset + self.starts.get(value, 0))


def best_blocks(schedule: Schedule, frugal: bool) -> Blocks:
    """Blocks in which operands of concatenations are written in place, where that is not dearer."""
    apart = Blocks(schedule, joining=False)
    if all(len(w.pieces) < 2 for _, w in schedule.works):
        return apart
    joined = Blocks(schedule, joining=True)
    more = 0 if frugal else sent_bytes(schedule)
    return joined if joined.arena_bytes <= apart.arena_bytes + more else apart


def sent_bytes(schedule: Schedule) -> int:
    """Bytes of what is put together for other processes, and of what arrives in parts."""
    works = [w for _, w in schedule.works]
    ends = {v for w in works if isinstance(w, StartWork) for v in (*w.reads, *w.written)}
    wholes = (w.written[0] for w in works if len(w.pieces) > 1 and not ends.isdisjoint(w.values))
    return sum(v.type.nbytes for v in wholes)


class Blocks:
    """Blocks of the arena for the values of a schedule, work by work.

    A value is written over an operand that dies, into the operand's block (`shared`). A block that
    is copied to an output where it dies is that output's memory from the start; an output that is
    donated an argument may hold that till then. With `joining` the pieces of a value are one block,
    or a part of an output, which is then their `whole`. Where y is an output of 512 bytes:

        a = x @ w               a block
        b = exp(a / sum(a))     a dies, element by element: b is over a
        c = sort(b)             b is read elsewhere: a block of its own
        y = concatenate(b, c)   a and b are in output 0, c in output 0+256, and nothing is copied
    """

    def __init__(self, schedule: Schedule, joining: bool) -> None:
        graph = schedule.graph
        self.schedule, self.joining = schedule, joining
        self.first, self.last = schedule.uses()
        self.writers = Counter(v for _, w in schedule.works for v in w.written)
        self.outputs = set(graph.outputs)
        self.donors = {graph.outputs[o]: graph.inputs[i] for i, o in schedule.donated}
        self.places = {v: ValuePlace("input", i) for i, v in enumerate(graph.inputs)}
        self.places |= {v: ValuePlace("constant", i) for i, v in enumerate(constants(graph))}
        self.places |= {v: ValuePlace("output", i) for i, v in enumerate(graph.outputs)}
        self.block: dict[Value, Block] = {}
        self.shared: dict[Value, Value] = {}
        self.whole: dict[Value, Value] = {}
        for wave, work in schedule.works:
            self.add(wave, work)
        every = list({id(b): b for b in self.block.values()}.values())
        self.live = live_bytes(every, len(schedule.waves))
        self.arena_bytes = assign(every, max(self.live, default=0))

    def all_places(self) -> dict[Value, ValuePlace]:
        """Places of all values that are touched."""
        places = self.places | {v: b.place(v) for v, b in self.block.items()}
        for _, work in self.schedule.works:
            for v in work.reads:
                if v not in places and v.type.size:
                    what = f"buffers: {work.name} reads {v}, which nobody writes"
                    raise CompilerError(what, str(self.schedule))
                places.setdefault(v, ValuePlace("arena"))
        return places

    def add(self, wave: int, work: AnyWork) -> None:
        """Finds memory for what a work writes."""
        if self.joining and self.joinable(work):
            self.join(work.written[0], work.pieces)
            self.whole |= {u: work.written[0] for u, _ in work.pieces}
            return
        for v in work.written:
            if v in self.block:  # one that writes a part of it came first
                continue
            if v in self.places:
                self.copied(wave, work, v)
            elif u := self.overwritten(wave, work, v):
                block = self.block[v] = self.block[u]
                block.values.append(v)
                block.starts[v], block.last = block.starts.get(u, 0), self.last[v]
                self.shared[v] = u
            else:
                nbytes = aligned(v.type.nbytes)
                self.block[v] = Block([v], self.first[v], self.last[v], nbytes)

    def copied(self, wave: int, work: AnyWork, output: Value) -> None:
        """Gives what is only copied to an output the output's memory."""
        if output not in self.outputs or len(work.pieces) != 1 or self.first[output] != wave:
            return
        ((u, _),) = work.pieces
        if self.dies(u, wave, work) and self.given_up(output, self.block[u]):
            self.join(output, work.pieces)
            if self.writers[output] == 1:  # else it ends as that begins
                self.whole[u] = output

    def given_up(self, output: Value, block: Block) -> bool:
        """Whether an argument that is donated to the output is read no more when the block is first
        written, or as its first value may be written over it."""
        donor, first = self.donors.get(output), block.first
        if donor is None or self.last.get(donor, -1) < first:
            return True
        wave = self.schedule.waves[first]
        return self.last[donor] == first and all(
            block.values[0] in w.written and w.may_overwrite(donor, block.values[0])
            for w in wave
            if donor in w.reads
        )

    def overwritten(self, wave: int, work: AnyWork, v: Value) -> Value | None:
        """The operand that the work writes `v` over, if there is one."""
        if self.first[v] != wave:
            return None
        dying = (u for u in work.reads if self.dies(u, wave, work))
        return next((u for u in dying if work.may_overwrite(u, v)), None)

    def dies(self, u: Value, wave: int, work: AnyWork) -> bool:
        """Whether the work is the last that needs `u`, the value that its block holds."""
        block = self.block.get(u)
        if block is None or block.closed or block.values[-1] is not u:
            return False
        ends = block.last == wave == self.last[u]
        return ends and not any(u in w.reads for w in self.schedule.waves[wave] if w is not work)

    def joinable(self, work: AnyWork) -> bool:
        """Whether each piece of what the work puts together can be written there.

        Each has a block to itself and begins at a cache line, or fills the rest of one; an argument
        that is donated to the result is read no more when the first is written.
        """
        pieces = work.pieces
        if len(pieces) < 2 or self.writers[work.written[0]] > 1:
            return False
        if not all(u in self.block and in_line(u, at) for u, at in pieces):
            return False
        blocks = [self.block[u] for u, _ in pieces]
        alone = len(set(map(id, blocks))) == len(blocks)
        newest = all(b.values[-1] is u for b, (u, _) in zip(blocks, pieces, strict=True))
        donor = self.donors.get(work.written[0])
        free = donor is None or self.last.get(donor, -1) < min(b.first for b in blocks)
        return alone and newest and free

    def join(self, whole: Value, pieces: Sequence[tuple[Value, int]]) -> None:
        """Makes one block of those of the pieces, or gives them the places in an output."""
        blocks = [(self.block[u], at) for u, at in pieces]
        starts = {w: at + b.starts.get(w, 0) for b, at in blocks for w in b.values}
        if place := self.places.get(whole):
            for w, start in starts.items():
                self.places[w] = replace(place, offset=place.offset + start)
                del self.block[w]
            return
        first, last = min(b.first for b, _ in blocks), max(b.last for b, _ in blocks)
        closed = last >= self.last[whole] or any(b.closed for b, _ in blocks)
        last, nbytes = max(last, self.last[whole]), aligned(whole.type.nbytes)
        block = Block([*starts, whole], first, last, nbytes, starts=starts, closed=closed)
        self.block |= dict.fromkeys(block.values, block)


def in_line(piece: Value, at: int) -> bool:
    """Whether a piece begins at a cache line, or fills the rest of one."""
    rest = -at % ALIGNMENT
    return rest in (0, piece.type.nbytes)


def live_bytes(blocks: Sequence[Block], waves: int) -> tuple[int, ...]:
    """Bytes of the blocks that each wave needs."""
    change = [0] * (waves + 1)
    for b in blocks:
        change[b.first] += b.nbytes
        change[b.last + 1] -= b.nbytes
    return tuple(itertools.accumulate(change[:-1]))


ORDERS: tuple[Callable[[Block], Any], ...] = (
    lambda b: (-b.nbytes, b.first),
    lambda b: (b.first - b.last, -b.nbytes),
    lambda b: (b.first, -b.nbytes),
    lambda b: (b.nbytes * (b.first - b.last - 1), b.first),
)
"""Which blocks are placed first: large ones, long-lived ones, early ones, large times long."""


def assign(blocks: Sequence[Block], least: int) -> int:
    """The bytes of the arena, at least `least`: the best of the orders.

    waves       0 1 2 3
    256 - 320     d d       a is 128 bytes in waves 0 and 1, b 64 in all of them, c 192 in 2 and
    192 - 256   b b b b     3, d 64 in 1 and 2. The large ones first are c, a, b, d; in wave 2
      0 - 192   a a c c     320 bytes are live, so no other order is tried.
    """
    best, offsets = -1, []
    for order in ORDERS:
        ordered = sorted(blocks, key=order)
        nbytes = stacked(ordered)
        if best < 0 or nbytes < best:
            best, offsets = nbytes, [(b, b.offset) for b in ordered]
        if best <= least:
            break
    for block, offset in offsets:
        block.offset = offset
    return best


def stacked(blocks: Sequence[Block]) -> int:
    """The bytes that they take, each at the lowest place that is free all its life.

    Of each wave `full` is how far it is taken without a gap, so that no lower place is free, and
    `most` where it is free from on. Only between them the blocks that are there are looked at.
    """
    waves = 1 + max((b.last for b in blocks), default=0)
    full, most = np.zeros(waves, np.int64), np.zeros(waves, np.int64)
    placed = np.zeros((4, len(blocks)), np.int64)
    for n, block in enumerate(blocks):
        life = slice(block.first, block.last + 1)
        at, free = (int(x[life].max()) if block.nbytes else 0 for x in (full, most))
        if at < free:
            firsts, lasts, starts, ends = placed[:, :n]
            near = (firsts <= block.last) & (lasts >= block.first) & (ends > at)
            for start, end in sorted(zip(starts[near].tolist(), ends[near].tolist(), strict=True)):
                if at + block.nbytes <= start:
                    break
                at = max(at, end)
        block.offset, end = at, at + block.nbytes
        placed[:, n] = block.first, block.last, at, end
        np.maximum(most[life], end, out=most[life])
        gapless = full[life]
        gapless[gapless == at] = end
    return int(most.max())


def safe_donations(
    schedule: Schedule, places: Mapping[Value, ValuePlace]
) -> Iterator[tuple[int, int]]:
    """The donated inputs that the output of each may be written over, with these; what is in the
    memory of an output is written over the input too."""
    graph = schedule.graph
    given = {graph.inputs[i] for i, _ in schedule.donated}
    reads: dict[Value, list[tuple[int, AnyWork]]] = {}
    writes: dict[int, list[tuple[int, AnyWork, Value]]] = {}
    for k, work in schedule.works:
        for x in given.intersection(work.reads):
            reads.setdefault(x, []).append((k, work))
        for y in work.written:
            if y.type.nbytes and places[y].space == "output":
                writes.setdefault(places[y].index, []).append((k, work, y))
    for i, o in schedule.donated:
        x = graph.inputs[i]
        pairs = itertools.product(writes.get(o, ()), reads.get(x, ()))
        if x.type == graph.outputs[o].type and all(
            rk < wk or (r is w and places[y].offset == 0 and w.may_overwrite(x, y))
            for (wk, w, y), (rk, r) in pairs
        ):
            yield i, o


def there_already(
    schedule: Schedule, places: dict[Value, ValuePlace], donated: Pairs
) -> tuple[set[int], frozenset[int]]:
    """The works, by identity, that would copy what is there already, and the outputs that count
    on it."""
    same = {places[schedule.graph.inputs[i]]: ValuePlace("output", k) for i, k in donated}
    kept: set[int] = set()

    def place(v: Value) -> ValuePlace:
        return same.get(places[v], places[v])

    left_out: set[int] = set()
    for _, work in schedule.works:
        whole = place(work.written[0]) if work.written else None
        if (
            whole
            and work.pieces
            and all(place(u) == replace(whole, offset=whole.offset + at) for u, at in work.pieces)
        ):
            left_out.add(id(work))
            if places[work.reads[0]] in same:
                kept.add(place(work.reads[0]).index)
    return left_out, frozenset(kept)


def check_overlap(plan: Plan) -> None:
    """Raises CompilerError if two values that are live in one wave share memory without leave."""
    first, last = plan.uses()
    held = [v for v in first if plan.places[v].space in ("arena", "output") and v.type.nbytes]
    held.sort(key=lambda v: astuple(plan.places[v]))

    def over(u: Value, v: Value) -> bool:
        """Whether `u` is written over `v`, or over what that is a piece of."""
        whole, owner = plan.shared.get(u), v
        while whole is not None and owner is not whole and owner in plan.whole:
            owner = plan.whole[owner]
        return owner is whole and last[v] == first[u]

    ended: list[tuple[int, int]] = []  # where the values that are passed end, and their numbers
    here: list[tuple[int, int, int]] = []  # the lives of those that are not, in order; so end they
    block = None
    for n, v in enumerate(held):
        place = plan.places[v]
        if (place.space, place.index) != block:
            block, ended, here = (place.space, place.index), [], []
        while ended and ended[0][0] <= place.offset:
            _, k = heapq.heappop(ended)
            del here[bisect.bisect_left(here, (first[held[k]], last[held[k]], k))]
        at = bisect.bisect(here, (first[v], last[v], n))
        for u in (held[k] for k in meeting(here, at, first[v], last[v])):
            if not over(u, v) and not over(v, u):
                raise CompilerError(
                    f"buffers: {v} and {u} share memory while both are live", str(plan)
                )
        here.insert(at, (first[v], last[v], n))
        heapq.heappush(ended, (place.offset + v.type.nbytes, n))


def meeting(lives: Sequence[tuple[int, int, int]], at: int, first: int, last: int) -> Iterator[int]:
    """The numbers of the lives, which follow each other, that meet one that would stand at `at`."""
    for k in range(at - 1, -1, -1):
        if lives[k][1] < first:
            break
        yield lives[k][2]
    for k in range(at, len(lives)):
        if lives[k][0] > last:
            break
        yield lives[k][2]
