"""What to keep and what to compute again: the trade of memory for time, as numbers.

A `Tape` is a program as units in order: each reads and writes values, takes some time, and may be
run again. Dropping a value gives its memory back over its longest wait; before the next reader the
unit that made it runs again, and before that whatever it needs that is dropped too. What was made
on the way stays, but where it has a scope, units from and to, and nothing within was asked for: a
long program is run again in stretches, those in shorter ones. `front` gives the drops that pay:
each with less memory and more time than the one before.

Of few values that can be dropped every choice is tried. Of many the front is what a descent finds:
at the moment of the most memory, the waiting value with the most bytes a second of recomputation
goes next; the seconds count its dropped ancestors and descendants, which spreads the drops. Beside
it moments are tried at which what is needed is kept, in one level or several, evenly spaced or in
parts that grow as kept values become free: a chain of n then takes sqrt(2 n). And all values that
are cheap; then one value more or less, for as long as that pays.

Cost: the descent is (drops, at most `STEPS`) * (units and their operands).
Source: Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost, 2016; Jain et
al., Checkmate, 2020 (the exact problem); Kirisame et al., Dynamic tensor rematerialization, 2021
(the score).
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from ..ir.lazy import lazy

STEPS = 64  # of the descent, each of as many drops as are needed for that
TRIALS = 1 << 18  # units run in thought, to try every choice or one value more or less
SHORT = 8  # a wait is short if it is less than this part of the units
LEAST = 4  # values more or less, below which that is no search
EIGHTHS = 8  # parts of the values by price, of which the cheaper ones are dropped


@dataclass(frozen=True)
class Unit:
    """A piece of a program that runs at once: what it reads and writes, by number.

    `over` are pairs of a value that is read and one that may be written over it; `repeatable` units
    may run more than once.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    seconds: float
    over: tuple[tuple[int, int], ...] = ()
    repeatable: bool = True


Scopes = Mapping[int, tuple[int, int]]
"""Values that stay, when they were made for others, if units from the one on and before the other
were asked for."""
NOWHERE: Scopes = {}


@dataclass(frozen=True)
class Choice:
    """Values that are dropped, with their scopes; bytes at the peak, seconds of recomputation."""

    dropped: frozenset[int]
    scopes: Scopes
    nbytes: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Tape:
    """Units in order. `nbytes` of every value; those that live elsewhere have none of their own."""

    units: tuple[Unit, ...]
    nbytes: Mapping[int, int]
    elsewhere: frozenset[int] = frozenset()

    @lazy
    def makers(self) -> dict[int, int]:
        """The unit that writes each value."""
        return {v: u for u, unit in enumerate(self.units) for v in unit.writes}

    @lazy
    def readers(self) -> dict[int, list[int]]:
        """The units that read each value."""
        found: dict[int, list[int]] = {}
        for u, unit in enumerate(self.units):
            for v in unit.reads:
                found.setdefault(v, []).append(u)
        return found

    @lazy
    def waits(self) -> dict[int, tuple[int, int]]:
        """The values that can be dropped: after which unit, before which reader.

        What does not wait itself, or not for long and not at the peak, is dropped after its last
        reader, where that may run again.
        """
        touched: dict[int, list[int]] = {}
        for u, unit in enumerate(self.units):
            for v in (*unit.writes, *unit.reads):
                touched.setdefault(v, []).append(u)
        found: dict[int, tuple[int, int]] = {}
        peak = self.peak
        repeats: set[int] = set()  # units that may run again
        for u in reversed(range(len(self.units))):
            for v in self.units[u].writes if self.units[u].repeatable else ():
                a, b = max(
                    itertools.pairwise(touched[v]), key=lambda p: p[1] - p[0], default=(0, 0)
                )
                again = not repeats.isdisjoint(touched[v])
                short = touched[v][-1] <= peak and SHORT * (b - a) < len(self.units)
                if b - a <= 1 or (short and again):
                    a, b = touched[v][-1], len(self.units)
                    if not again:
                        continue
                repeats.add(u)
                if v not in self.elsewhere and self.nbytes[v]:
                    found[v] = a, b
        return found

    @lazy
    def peak(self) -> int:
        """The unit at which most is held while nothing is dropped."""
        held = self.live(range(len(self.units)))
        return held.index(max(held)) if held else 0

    @lazy
    def across(self) -> tuple[int, ...]:
        """Of those that can be dropped the ones that wait across the peak, as they are made."""
        peak = self.peak
        found = (v for v, (a, b) in self.waits.items() if a <= peak < b or a < peak <= b)
        return tuple(sorted(found, key=lambda v: (self.makers[v], v)))

    @lazy
    def crossed(self) -> tuple[list[int], list[int]]:
        """Of those that wait `across`: the bytes made up to each unit, and those made up to it that
        are touched after it before they wait."""
        made, held = [0] * len(self.units), [0] * len(self.units)
        for v in self.across:
            made[self.makers[v]] += self.nbytes[v]
            held[self.makers[v]] += self.nbytes[v]
            held[self.waits[v][0]] -= self.nbytes[v]
        return list(itertools.accumulate(made)), list(itertools.accumulate(held))

    # ---- running in thought

    def sequence(self, dropped: Collection[int], scopes: Scopes = NOWHERE) -> list[int]:
        """The units in the order in which they run, some of them again."""
        ends: dict[int, list[int]] = {}
        for v in dropped:
            ends.setdefault(self.waits[v][0], []).append(v)
        missing: set[int] = set()
        out: list[int] = []
        for u, unit in enumerate(self.units):
            if missing and not missing.isdisjoint(unit.reads):
                wanted = missing.intersection(unit.reads)
                made = self.remade(wanted, missing)
                out += made
                if scopes:
                    makers = sorted(self.makers[v] for v in wanted)
                    for v in (v for m in made for v in self.units[m].writes):
                        if v in scopes and not asked(scopes[v], makers):
                            missing.add(v)
            out.append(u)
            missing.update(ends.get(u, ()))
        return out

    def remade(self, wanted: Iterable[int], missing: set[int]) -> list[int]:
        """The units that make the `wanted` values and what they need, which is then there."""
        stack = sorted({self.makers[v] for v in wanted}, reverse=True)
        made: list[int] = []
        while stack:
            unit = self.units[stack[-1]]
            needs = {self.makers[v] for v in missing.intersection(unit.reads)}
            if needs:
                stack += sorted(needs, reverse=True)
                continue
            if not missing.isdisjoint(unit.writes):
                missing.difference_update(unit.writes)
                made.append(stack[-1])
            stack.pop()
        return made

    def copies(self, sequence: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """What holds memory: a value, the step that makes it, the last step that reads it.

        The first copy of a value that lives elsewhere holds none.
        """
        made: dict[int, int] = {}
        read: dict[int, int] = {}
        outside = set(self.elsewhere)
        for i, u in enumerate(sequence):
            unit = self.units[u]
            for v in unit.reads:
                read[v] = i
            for v in unit.writes:
                if v in made:
                    yield v, made[v], max(made[v], read.get(v, 0))
                if v in outside:
                    outside.discard(v)
                else:
                    made[v] = i
        for v, first in made.items():
            yield v, first, max(first, read.get(v, 0))

    def live(self, sequence: Sequence[int]) -> list[int]:
        """The bytes that are held at every step."""
        change = [0] * (len(sequence) + 1)
        dying: set[tuple[int, int]] = set()
        for v, first, last in self.copies(sequence):
            change[first] += self.nbytes[v]
            change[last + 1] -= self.nbytes[v]
            if v in self.covered:
                dying.add((v, last))
        held = list(itertools.accumulate(change[:-1]))
        for i, u in enumerate(sequence):  # written over what dies with the reading
            used: set[int] = set()
            for x, y in self.units[u].over:
                if (x, i) in dying and x not in used and y not in used:
                    used |= {x, y}
                    held[i] -= self.nbytes[x]
        return held

    @lazy
    def covered(self) -> frozenset[int]:
        """The values that may be written over."""
        return frozenset(x for unit in self.units for x, _ in unit.over)

    def choice(self, dropped: Set[int], scopes: Scopes = NOWHERE) -> Choice:
        """What dropping these values costs and saves."""
        sequence = self.sequence(dropped, scopes)
        return self.weighed(dropped, scopes, sequence, self.live(sequence))

    def weighed(
        self, dropped: Set[int], scopes: Scopes, sequence: list[int], held: list[int]
    ) -> Choice:
        seconds = sum(self.units[u].seconds for u in sequence)
        most, more = max(held, default=0), max(0.0, seconds - self.seconds)
        return Choice(frozenset(dropped), scopes, most, more)

    @lazy
    def seconds(self) -> float:
        return sum(u.seconds for u in self.units)


# ---------------------------------------------------------------- the front


def front(tape: Tape) -> list[Choice]:
    """The choices that pay, the most memory first: each has less memory and takes more time."""
    droppable = sorted(tape.waits)
    if len(tape.units) << len(droppable) <= TRIALS:
        every = (c for k in range(len(droppable) + 1) for c in itertools.combinations(droppable, k))
        return paying(tape.choice(frozenset(c)) for c in every)
    found = [*descent(tape), *spaced_choices(tape), *cheap(tape)]
    return improved_front(tape, paying(found))


def paying(choices: Iterable[Choice]) -> list[Choice]:
    """Those of which none is better in both, the most memory first."""
    out: list[Choice] = []
    for c in sorted(choices, key=lambda c: (c.nbytes, c.seconds, len(c.dropped))):
        if not out or c.seconds < out[-1].seconds:
            out.append(c)
    return out[::-1]


def descent(tape: Tape) -> Iterator[Choice]:
    """Drops at the peak, the most bytes a second first, until nothing there can be dropped."""
    dropped: set[int] = set()
    several = -(-len(tape.waits) // STEPS)
    while True:
        sequence = tape.sequence(dropped)
        held = tape.live(sequence)
        yield tape.weighed(dropped, NOWHERE, sequence, held)
        peak = held.index(max(held, default=0)) if held else 0
        idle = {v for v, first, last in tape.copies(sequence) if first < peak < last}
        idle.difference_update(tape.units[sequence[peak]].reads if held else (), dropped)
        idle.intersection_update(tape.waits)
        if not idle:
            return
        dropped |= dearest(tape, idle, dropped, several)


def dearest(tape: Tape, idle: Set[int], dropped: Set[int], count: int) -> set[int]:
    """Of `idle` values the `count` whose bytes are worth the most, one after the other.

    What is dropped only makes others dearer to make again: what is first by its old worth and by
    its new one is first of all.
    """
    found: set[int] = set()

    def worth(v: int) -> tuple[float, int]:
        return -tape.nbytes[v] / again_seconds(tape, v, dropped | found), -v

    heap = [worth(v) for v in idle]
    heapq.heapify(heap)
    while heap and len(found) < count:
        now = worth(-heap[0][1])
        if now == heap[0]:
            found.add(-heapq.heappop(heap)[1])
        else:
            heapq.heapreplace(heap, now)
    return found


def again_seconds(tape: Tape, value: int, dropped: Collection[int]) -> float:
    """Seconds to make a value again with its ancestors that are dropped, and for the descendants
    that are dropped and would have to wait for it."""
    seen = {tape.makers[value]}
    total = tape.units[tape.makers[value]].seconds
    up, down = [tape.makers[value]], [value]
    while up:
        for v in tape.units[up.pop()].reads:
            if v in dropped and (u := tape.makers[v]) not in seen:
                seen.add(u)
                up.append(u)
                total += tape.units[u].seconds
    while down:
        for u in tape.readers.get(down.pop(), ()):
            if u not in seen and (made := [v for v in tape.units[u].writes if v in dropped]):
                seen.add(u)
                down += made
                total += tape.units[u].seconds
    return total


SINGLY = 8
"""Numbers of moments up to which each is tried. Beyond, every number is half more than the one
before: near the best one the bytes hardly change."""
LEVELS = (2, 3)
"""Levels whose numbers of moments are chosen one by one: a fourth would have too many choices."""
WAYS = range(2, 9)
"""Parts into which each of any number of levels divides a stretch: n bytes come down to about
ways * log(n), and more than 8 ways are three levels above."""
DEEPEST = 11
"""Levels of those, enough for 2 ** 11 values that wait; of more the last has a few to itself."""


def spaced_choices(tape: Tape) -> Iterator[Choice]:
    """Kept is what evenly spaced moments need, in one level or several, of every number.

    Of 20 values that wait, one level has 1 to 8 or 13 moments; two and three levels have these
    numbers in every rising combination, where there is time for all; and levels that halve have
    2, 4, 8... moments, those that divide in three 3, 9, 27...
    """
    most = len(tape.across)
    counts = [1]
    while counts[-1] * 3 // 2 + 1 < most:
        counts.append(counts[-1] + 1 if counts[-1] < SINGLY else counts[-1] * 3 // 2)
    for count in counts:
        yield in_levels(tape, (count,))
        yield in_levels(tape, (count,), growing=True)
    for levels in LEVELS:
        every = list(itertools.combinations(counts, levels))
        step = len(every) * len(tape.units) // (TRIALS // 4) + 1  # a quarter of the time is theirs
        for several in every[::step]:
            yield in_levels(tape, several)
            yield in_levels(tape, several, growing=True)
    for ways in WAYS:
        for levels in range(2, DEEPEST + 1):
            if ways ** (levels - 1) < most:
                yield in_levels(tape, tuple(ways**k for k in range(1, levels + 1)))


def in_levels(tape: Tape, counts: Sequence[int], growing: bool = False) -> Choice:
    """What the moments of the first level need is kept; of a further one, where work is again.

    Eight layers, each reads the one before, and the way back through them, a byte each:

        moments     kept    the units that run                           bytes  seconds more
        none        all     a b c d e f g h H G F E D C B A                  8             0
        b, e        b e h   a b c d e f g h H f g G F E c d D C B a A        5             5
        c, f        c f h   a b c d e f g h H g G F d e E D C a b B A        4             5

    The second has even parts, the third `growing` ones. A value of a further level is made again
    with the others of its stretch, is there till that is worked on, and so has that as its scope.
    """
    dropped = set(tape.across)
    scopes: dict[int, tuple[int, int]] = {}
    outer = [0, len(tape.units)]
    for level, count in enumerate((*counts, 0)):
        inner = moments(tape, count, growing and level == 0)
        for v in tuple(dropped if level == 0 else dropped.difference(scopes)):
            maker = tape.makers[v]
            at = bisect.bisect_left(inner, maker)
            if count and not (at < len(inner) and inner[at] < tape.waits[v][0]):
                continue  # no moment is between its making and its wait
            if level == 0:
                dropped.discard(v)
            else:
                k = bisect.bisect_right(outer, maker)
                scopes[v] = outer[k - 1], outer[min(k, len(outer) - 1)]
        outer = [0, *inner, len(tape.units)]
    return tape.choice(dropped, scopes if len(counts) > 1 else NOWHERE)


def moments(tape: Tape, count: int, growing: bool = False) -> list[int]:
    """Units that divide the bytes that wait in about `count` + 1 parts, equal or `growing`.

    Of the units from half a part before a border to half a part after it the one across which the
    fewest bytes would be kept. The last part is worked on while all moments are kept, the one
    before it when one of them is free again: each may be larger than the next by what a moment
    keeps, but for so much that the last would be less than nothing. So eight layers have borders
    after 2.7 and 5.3 bytes, or after 3.3 and 6.
    """
    made, held = tape.crossed
    part, step = made[-1] / (count + 1), 0.0
    if growing:
        kept = [held[u] for u in moments(tape, count)]
        step = min(sum(kept) / max(len(kept), 1), 2 * part / max(count, 1))
    parts = [part + step * (count / 2 - k) for k in range(count + 1)]
    chosen: list[int] = []
    border = 0.0
    for before, after in itertools.pairwise(parts):
        border += before
        first = bisect.bisect_left(made, border - before / 2)
        last = min(bisect.bisect_left(made, border + after / 2), len(made) - 1)
        near = range(max(first, chosen[-1] + 1 if chosen else 0), last)
        if near:
            chosen.append(min(near, key=lambda u: (held[u], abs(made[u] - border))))
    return chosen


def asked(scope: tuple[int, int], units: Sequence[int]) -> bool:
    """Whether one of the units, which are sorted, is in the scope."""
    at = bisect.bisect_left(units, scope[0])
    return at < len(units) and units[at] < scope[1]


def cheap(tape: Tape) -> Iterator[Choice]:
    """The values that take few seconds a byte: an eighth of them, two eighths, and so on."""
    ordered = sorted(tape.across, key=lambda v: (price(tape, v), v))
    for k in range(1, EIGHTHS + 1):
        yield tape.choice(frozenset(ordered[: len(ordered) * k // EIGHTHS]))


def price(tape: Tape, value: int) -> float:
    return tape.units[tape.makers[value]].seconds / tape.nbytes[value]


def improved_front(tape: Tape, front: list[Choice]) -> list[Choice]:
    """The front after one value more or less was dropped, for as long as that pays.

    The cheapest to keep and the dearest to drop come first where not all can be tried.
    """
    left = TRIALS // max(len(tape.units), 1)
    ordered = sorted(tape.waits, key=lambda v: (-price(tape, v), v))
    tried: set[frozenset[int]] = set()
    while new := [c for c in front if c.dropped not in tried]:
        each = left // len(new)
        if each < LEAST:
            break
        for c in new:
            tried.add(c.dropped)
            near = [tape.choice(c.dropped ^ {v}, c.scopes) for v in ordered[:each]]
            left -= len(near)
            front = paying((*front, *near))
    return front
