"""Proves of a plan that every byte that a row reads is what was written for it.

The rows run on paper. Memory is intervals of bytes that know which values they hold, of which turn,
and where each begins; a row may read a value only where all of its bytes are that value's, and what
it writes is no longer anything else. So nothing is read that nobody wrote, and nothing that is
needed later is written over. Loops run their first and last turns, a while loop none to three, a
branch each of its cases, slabs the corners of their box. Nothing of the planner is believed but the
places: lifetimes, what shares memory and what is left out are found right or wrong by what is read.
Cost: n^2 in the rows and the bytes' intervals.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...runtime.rows import (
    BranchRow,
    CalledRow,
    Cell,
    DeviceRow,
    KernelRow,
    LoopRow,
    Row,
    Settled,
    SlabsRow,
    Slot,
    StartRow,
    UnitCell,
    WaitRow,
    called_slots,
)
from ..codegen.lowered import Lowered, LoweredLaunch
from ..fuse.work import AnyWork, BodyWork, HostWork, Work
from ..ir.errors import CompilerError
from ..ir.graph import Value
from ..kernel import Kernel
from ..kernel.scalar import NUMPY
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import Slabs
from ..ops.nested.switch import Switch
from ..ops.nested.while_loop import While
from .plan import Plan
from .rows import Around, Rows, shifted_slot

Region = tuple[str, int]
"""The space of a slot that is no cell, and its index."""
Key = tuple[Any, Any]
"""A value as it was made once: the number of a run of its graph, and the value."""
Held = frozenset[tuple[Key, int]]
"""The values that a byte is of, and where in the region each begins."""
Expected = tuple[Key, int]
"""What is to be read: a value, and from which of its bytes on."""
TURNS = 3  # of a while loop, at most; of a scan before the last two


def verify_plan(plan: Plan, lowered: Mapping[int, Lowered | LoweredLaunch]) -> Plan:
    """The plan, or a CompilerError that names the row and the bytes at fault.

    `lowered` are the kernels by identity of their works.
    """
    graph = plan.graph
    made = Rows(defaultdict(int), lowered)
    inputs = [Slot("input", k) for k in range(len(graph.inputs))]
    outputs = [Slot("output", k) for k in range(len(graph.outputs))]
    around = Around(inputs, outputs, Slot("arena"))
    rows, *_ = made.of(plan, around)
    Proof(plan, made).program(rows, around)
    return plan


# ---------------------------------------------------------------- bytes


@dataclass
class RegionContents:
    """Intervals of each region that hold something, in order: first byte, end, what."""

    regions: dict[Region, list[tuple[int, int, Held]]] = field(default_factory=dict)

    def copy(self) -> RegionContents:
        return RegionContents({r: list(held) for r, held in self.regions.items()})

    def cut(self, region: Region, start: int, end: int) -> list[tuple[int, int, Held]]:
        """Takes out what is held between two bytes."""
        kept, taken = [], []
        for a, b, held in self.regions.get(region, ()):
            low, high = max(a, start), min(b, end)
            if low >= high:
                kept.append((a, b, held))
                continue
            taken.append((low, high, held))
            kept += [(x, y, held) for x, y in ((a, low), (high, b)) if x < y]
        self.regions[region] = kept
        return taken

    def put(self, region: Region, found: Sequence[tuple[int, int, Held]]) -> None:
        self.regions[region] = sorted([*self.regions.get(region, ()), *found], key=lambda x: x[0])

    def write(self, region: Region, start: int, nbytes: int, key: Key) -> None:
        self.cut(region, start, start + nbytes)
        self.put(region, [(start, start + nbytes, frozenset([(key, start)]))])

    def also(self, region: Region, start: int, nbytes: int, key: Key, base: int) -> None:
        """The bytes are those of one more value."""
        taken = self.cut(region, start, start + nbytes)
        self.put(region, [(a, b, held | {(key, base)}) for a, b, held in taken])

    def move(self, source: tuple[Region, int], to: tuple[Region, int], nbytes: int) -> None:
        """A copy of bytes."""
        (region, start), (other, there) = source, to
        by, found = there - start, []
        for a, b, held in self.regions.get(region, ()):
            low, high = max(a, start), min(b, start + nbytes)
            if low < high:
                found.append((low + by, high + by, frozenset((k, base + by) for k, base in held)))
        self.cut(other, there, there + nbytes)
        self.put(other, found)

    def fault(self, region: Region, start: int, end: int, key: Key, base: int) -> str | None:
        """What is wrong with bytes that are to be of one value."""
        at = start
        for a, b, held in self.regions.get(region, ()):
            if b <= at or a >= end:
                continue
            if a > at:
                break
            if (key, base) not in held:
                other = ", ".join(sorted({f"'{k[1]}'" for k, _ in held}))
                return f"byte {at} is of {other}"
            at = b
        return None if at >= end else f"byte {at} was never written"

    def met(self, other: RegionContents) -> RegionContents:
        """What is held in both."""
        out = RegionContents()
        for region, held in self.regions.items():
            for a, b, one in held:
                for c, d, two in other.regions.get(region, ()):
                    if max(a, c) < min(b, d) and one & two:
                        out.put(region, [(max(a, c), min(b, d), one & two)])
        return out


# ---------------------------------------------------------------- runs


@dataclass
class Run:
    """One run of the works of a plan: where its ends are, and what its inputs are to hold."""

    number: int
    plan: Plan
    around: Around
    cells: dict[int, Slot]
    inputs: dict[Value, Expected]
    left: Counter[Value]  # writes to come

    def expected(self, v: Value) -> Expected:
        return self.inputs.get(v) or ((self.number, v), 0)


class Proof:
    """The state of the walk."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self.plan, self.rows, self.memory = plan, rows, RegionContents()
        self.runs = 0
        self.donors = {("output", k): ("input", i) for i, k in plan.donated}
        self.at: Row | None = None
        self.underway: dict[int, tuple[Row, list[tuple[Region, int, int, bool]]]] = {}

    def wrong(self, what: str) -> CompilerError:
        where = f"{self.at}: " if self.at is not None else ""
        return CompilerError(f"verify_plan: {where}{what}", str(self.plan))

    def begun(
        self, plan: Plan, around: Around, cells: dict[int, Slot], inputs: Sequence[Expected]
    ) -> Run:
        self.runs += 1
        known = dict(zip(plan.graph.inputs, inputs, strict=True))
        for v in plan.constants:
            assert v.node is not None
            known[v] = ("constant", v.node.op.params["array"].digest), 0
        works = [work for _, work in (*plan.left_out, *plan.schedule.works)]
        return Run(
            self.runs, plan, around, cells, known, Counter(v for w in works for v in w.written)
        )

    def program(self, rows: tuple[Row, ...], around: Around) -> None:
        graph = self.plan.graph
        for k, digest in enumerate(self.rows.constants):
            key = "constant", digest
            self.memory.write(("constant", k), 0, self.rows.constants[digest].nbytes, key)
        given = [(("argument", k), 0) for k in range(len(graph.inputs))]
        for k, v in enumerate(graph.inputs):
            self.memory.write(("input", k), 0, v.type.nbytes, ("argument", k))
        run = self.begun(self.plan, around, {}, given)
        self.works(run, rows)
        self.at = None
        for k, v in enumerate(graph.outputs):
            self.read(run, Slot("output", k), v.type.nbytes, run.expected(v), f"result {k}")

    # ---- bytes of slots

    def place(self, run: Run, slot: Slot) -> tuple[Region, int]:
        """The region and the byte of a slot."""
        while slot.space == "cell":
            slot = shifted_slot(run.cells[slot.index], slot.offset_bytes)
        region = slot.space, slot.index
        return self.donors.get(region, region), slot.offset_bytes

    def read(self, run: Run, slot: Slot, nbytes: int, expected: Expected, what: str) -> None:
        (key, offset), (region, start) = expected, self.place(run, slot)
        if not nbytes:
            return
        if fault := self.memory.fault(region, start, start + nbytes, key, start - offset):
            raise self.wrong(f"{what} is read at {slot}, where {fault}")

    def whole(self, run: Run, v: Value) -> None:
        if run.left[v] and v.type.size:
            raise self.wrong(f"'{v}' is read before all of it is written")

    def write(self, run: Run, slot: Slot, nbytes: int, v: Value) -> None:
        """All of a value."""
        run.left[v] -= 1
        region, start = self.place(run, slot)
        end = start + nbytes
        if region[0] == "arena":
            room = self.plan.arena_bytes
        elif region[0] == "scratch":
            room = self.rows.slab_bytes
        elif region[0] == "output" or region in self.donors.values():
            graph = self.plan.graph
            ends = graph.outputs if region[0] == "output" else graph.inputs
            room = ends[region[1]].type.nbytes
        else:
            room = -1
        if nbytes and not 0 <= start <= end <= room:
            raise self.wrong(f"'{v}' is written to {slot}, bytes {start} to {end} of {room}")
        if nbytes:
            self.memory.write(region, start, nbytes, (run.number, v))

    # ---- works

    def works(self, run: Run, rows: tuple[Row, ...]) -> None:
        left = iter(rows)
        touched: list[tuple[Row, list[tuple[Region, int, int, bool]]]] = []
        for k, wave in enumerate(run.plan.schedule.waves):
            self.stays(run, k)
            for work in wave:
                row = self.at = next(left)
                if isinstance(work, BodyWork):
                    self.body(run, work, row)
                else:
                    self.single(run, work, row)
                if not isinstance(row, KernelRow | DeviceRow | CalledRow | SlabsRow):
                    touched = []
                    continue
                self.at = row
                spans = list(self.spans(run, work, row))
                self.apart(touched, spans)
                self.free(row, spans)
                touched.append((row, spans))
                if isinstance(row, CalledRow) or row.barrier:
                    touched = []
        self.stays(run, len(run.plan.schedule.waves))

    def stays(self, run: Run, wave: int) -> None:
        """What is not copied before a wave because it is there."""
        for number, work in run.plan.left_out:
            if number != wave:
                continue
            (whole,) = work.written
            run.left[whole] -= 1
            slot = self.rows.slot(run.plan.places[whole], run.plan, run.around)
            for v, at in work.pieces:
                n = v.type.nbytes
                self.read(
                    run, shifted_slot(slot, at), n, run.expected(v), f"'{v}', left where it is,"
                )
                region, start = self.place(run, slot)
                self.memory.also(region, start + at, n, (run.number, whole), start)

    def single(self, run: Run, work: AnyWork, row: Row) -> None:
        """A kernel or a call of the host."""
        if isinstance(row, KernelRow) and row.points == 0:
            if any(v.type.size for v in work.written):
                raise self.wrong("a kernel without points writes values with elements")
            return
        slots, sizes = self.slots(run, work, row), slot_bytes(work)
        count = len(work.reads)
        for v, slot, n in zip(work.reads, slots, sizes, strict=False):
            self.whole(run, v)
            self.read(run, slot, n, run.expected(v), f"'{v}'")
        for v, slot, n in zip(work.written, slots[count:], sizes[count:], strict=True):
            if v in partly(work):
                self.read(run, slot, n, run.expected(v), f"'{v}', of which it writes a part,")
        for v, slot, n in zip(work.written, slots[count:], sizes[count:], strict=True):
            self.write(run, slot, n, v)

    def slots(self, run: Run, work: AnyWork, row: Row) -> Sequence[Slot]:
        """The memory of the values of a work."""
        if isinstance(row, SlabsRow | WaitRow):  # all that any unit may touch, or what is given up
            places = run.plan.places
            return [self.rows.slot(places[v], run.plan, run.around) for v in work.values]
        return row_slots(row)

    def spans(self, run: Run, work: AnyWork, row: Row) -> Iterator[tuple[Region, int, int, bool]]:
        """What a row touches: region, first byte, end, whether it writes. Operands that it is
        written over are its own affair, if that is safe."""
        sized = zip(self.slots(run, work, row), slot_bytes(work), strict=True)
        found = [(*self.place(run, s), n) for s, n in sized]
        count = len(work.reads)
        for v, (region, start, n) in zip(work.reads, found, strict=False):
            for u, (other, there, m) in zip(work.written, found[count:], strict=True):
                meet = region == other and start < there + m and there < start + n
                safe = (start, n) == (there, m) and work.may_overwrite(v, u)
                if meet and not safe and not isinstance(work, HostWork):  # the host has copies
                    raise self.wrong(f"'{u}' is written over '{v}', which it reads elsewhere")
        for k, (region, start, n) in enumerate(found):
            if n:
                yield region, start, start + n, k >= count

    def free(self, row: Row, spans: Sequence[tuple[Region, int, int, bool]]) -> None:
        """No row touches what a transfer that is underway writes, or writes what it reads."""
        if isinstance(row, WaitRow):
            self.underway.pop(row.number, None)
        self.apart(list(self.underway.values()), spans)
        if isinstance(row, StartRow):
            self.underway[row.number] = row, list(spans)

    def apart(
        self,
        touched: Sequence[tuple[Row, list[tuple[Region, int, int, bool]]]],
        spans: Sequence[tuple[Region, int, int, bool]],
    ) -> None:
        """Rows that run at the same time write nothing that another touches."""
        for row, others in touched:
            for region, start, end, written in spans:
                for other, first, last, wrote in others:
                    if region == other and start < last and first < end and (written or wrote):
                        raise self.wrong(f"{row} runs at the same time on the same bytes")

    # ---- bodies

    def body(self, run: Run, work: BodyWork, row: Row) -> None:
        count, results = len(work.node.args), len(work.node.values)
        slots = [
            self.rows.slot(run.plan.places[v], run.plan, run.around)
            for v in (*work.reads, *work.written)
        ]
        args = [shifted_slot(s, at) for s, at in zip(slots, work.starts, strict=False)]
        outs = slots[count : count + results]
        memory = slots[-1] if work.memory else Slot("arena")
        given: list[Expected] = []
        for a, v, slot, at in zip(work.node.args, work.reads, args, work.starts, strict=True):
            if v not in results_of(work):  # the rest of it is written by the turns
                self.whole(run, v)
            key, offset = run.expected(v)
            given.append((key, offset + at))
            self.read(run, slot, a.type.nbytes, given[-1], f"'{a}'")
        if work.memory:
            self.write(run, memory, work.memory.type.nbytes, work.memory)
        match work.op:
            case Scan():
                assert isinstance(row, LoopRow)
                self.scan(run, work, work.op, row, args, outs, memory, given)
            case While():
                assert isinstance(row, LoopRow)
                self.while_loop(run, work, work.op, row, args, memory, given)
            case Switch():
                assert isinstance(row, BranchRow)
                self.switch(run, work, row, args, outs, memory, given)
            case Slabs():
                assert isinstance(row, SlabsRow)
                self.slabs(run, work, work.op, row, outs, given)
        for v, slot in zip(results_of(work), outs, strict=True):
            run.left[v] -= 1
            self.read(run, slot, v.type.nbytes, ((run.number, v), 0), f"result '{v}'")

    def result(self, run: Run, v: Value, slot: Slot, key: Expected, at: int, nbytes: int) -> None:
        """What a body left at byte `at` of a result is a part of that."""
        if not nbytes:
            return
        self.read(run, shifted_slot(slot, at), nbytes, key, f"a part of the result '{v}'")
        region, start = self.place(run, slot)
        self.memory.also(region, start + at, nbytes, (run.number, v), start)

    def switch(
        self,
        run: Run,
        work: BodyWork,
        row: BranchRow,
        args: Sequence[Slot],
        outs: Sequence[Slot],
        memory: Slot,
        given: Sequence[Expected],
    ) -> None:
        before, after = self.memory, None
        for plan, rows in zip(work.bodies, row.cases, strict=True):
            self.memory = before.copy()
            inside = self.begun(plan, Around(args[1:], outs, memory), run.cells, given[1:])
            self.works(inside, rows)
            for v, out, slot in zip(results_of(work), plan.graph.outputs, outs, strict=True):
                self.result(run, v, slot, inside.expected(out), 0, v.type.nbytes)
            after = self.memory if after is None else after.met(self.memory)
        assert after is not None
        self.memory = after

    def turn(
        self,
        run: Run,
        plan: Plan,
        rows: tuple[Row, ...],
        around: Around,
        cells: Sequence[Cell] | Sequence[UnitCell],
        number: Any,
        inputs: Sequence[Expected],
    ) -> Run:
        """One run of a body in turn, or of unit, `number`."""
        here = run.cells | {c.number: c.at(number) for c in cells}
        inside = self.begun(plan, around, here, inputs)
        self.works(inside, rows)
        return inside

    def settle(self, run: Run, row: LoopRow, settled: Sequence[Settled], turn: int) -> None:
        for cell, slot, nbytes in settled:
            source, to = (self.place(run, s) for s in (row.cells[cell].at(turn), slot))
            if source != to:
                self.memory.move(source, to, nbytes)

    def carried(
        self, row: LoopRow, plan: Plan, count: int, firsts: Sequence[Slot]
    ) -> tuple[list[Slot], list[Slot]]:
        """Where a turn reads and writes its carries."""
        reads = [Slot("cell", c.number) for c in row.cells[: 2 * count : 2]]
        own = sorted(j for j in plan.kept if j < count)
        kept = {j: row.starts[n][1] for n, j in enumerate(own)}
        written = [Slot("cell", c.number) for c in row.cells[1 : 2 * count : 2]]
        return [kept.get(j, s) for j, s in enumerate(reads)], written

    def scan(
        self,
        run: Run,
        work: BodyWork,
        op: Scan,
        row: LoopRow,
        args: Sequence[Slot],
        outs: Sequence[Slot],
        memory: Slot,
        given: Sequence[Expected],
    ) -> None:
        (plan,), k = work.bodies, op.carries
        consts, carries, sequences = op.parts(given)
        slots, firsts, _ = op.parts(args)
        reads, written = self.carried(row, plan, k, firsts)
        others = [Slot("cell", c.number) for c in row.cells[2 * k :]]
        around = Around(
            (*slots, *reads, *others[: len(sequences)]),
            (*written, *others[len(sequences) :]),
            memory,
        )
        strides = [a.type.nbytes // max(op.length, 1) for a in op.parts(work.node.args)[2]]
        self.settle(run, row, row.starts, 0)
        for number in sampled_turns(op.length):
            place = op.length - 1 - number if op.reverse else number
            elements = [
                (key, at + place * n) for (key, at), n in zip(sequences, strides, strict=True)
            ]
            inputs = *consts, *carries, *elements
            inside = self.turn(run, plan, row.rows, around, row.cells, number, inputs)
            found = [inside.expected(v) for v in plan.graph.outputs]
            carries = found[:k]
            stacked = zip(results_of(work)[k:], outs[k:], found[k:], strict=True)
            for v, slot, expected in stacked:
                n = v.type.nbytes // op.length
                self.result(run, v, slot, expected, place * n, n)
        self.settle(run, row, row.results, op.length)
        for v, slot, expected in zip(results_of(work), outs, carries, strict=False):
            self.result(run, v, slot, expected, 0, v.type.nbytes)
        for v, slot in zip(results_of(work)[k:], outs[k:], strict=True):
            if v not in work.reads:
                self.filled(run, v, slot, op.length)

    def filled(self, run: Run, v: Value, slot: Slot, length: int) -> None:
        """Takes the turns between the first and the last for what those did."""
        done = set(sampled_turns(length))
        if len(done) == length or not v.type.nbytes:
            return
        n = v.type.nbytes // length
        region, start = self.place(run, slot)
        found = self.memory.cut(region, start, start + v.type.nbytes)
        held = [x for x in found if ((run.number, v), start) in x[2]]
        edges = [start, *(y for a, b, _ in held for y in (a, b)), start + v.type.nbytes]
        whole, gaps = (
            frozenset([((run.number, v), start)]),
            zip(edges[::2], edges[1::2], strict=True),
        )
        rest = [(a, b, whole) for a, b in gaps if a < b]
        assert sum(b - a for a, b, _ in rest) == (length - len(done)) * n
        self.memory.put(region, [*held, *rest])

    def while_loop(
        self,
        run: Run,
        work: BodyWork,
        op: While,
        row: LoopRow,
        args: Sequence[Slot],
        memory: Slot,
        given: Sequence[Expected],
    ) -> None:
        condition, plan = work.bodies
        consts, carries = given[: op.consts], list(given[op.consts :])
        reads, written = self.carried(row, plan, len(carries), args[op.consts :])
        inputs = (*args[: op.consts], *reads)
        assert row.test is not None
        self.settle(run, row, row.starts, 0)
        ends: list[RegionContents] = []
        for number in range(TURNS + 1):
            all_of = (*consts, *carries)
            around = Around(inputs, (row.test,), memory)
            tested = self.turn(run, condition, row.test_rows, around, row.cells, number, all_of)
            self.read(run, row.test, 1, tested.expected(condition.graph.outputs[0]), "the test")
            here = self.memory.copy()
            self.settle(run, row, row.results, number)
            outs = [slot for _, slot, _ in row.results]
            for v, slot, expected in zip(results_of(work), outs, carries, strict=True):
                self.result(run, v, slot, expected, 0, v.type.nbytes)
            ends.append(self.memory)
            self.memory = here
            around = Around(inputs, written, memory)
            inside = self.turn(run, plan, row.rows, around, row.cells, number, all_of)
            carries = [inside.expected(v) for v in plan.graph.outputs]
        self.memory = ends[0]
        for other in ends[1:]:
            self.memory = self.memory.met(other)

    def slabs(
        self,
        run: Run,
        work: BodyWork,
        op: Slabs,
        row: SlabsRow,
        outs: Sequence[Slot],
        given: Sequence[Expected],
    ) -> None:
        """The units at the corners of the box; the op knows that all of them fill results."""
        (plan,), count = work.bodies, len(given)
        inside = [Slot("cell", c.number) for c in row.cells]
        around = Around(inside[:count], inside[count:], Slot("scratch"))
        for unit in itertools.product(*({0, n - 1} for n in op.units)):
            self.memory.regions["scratch", 0] = []
            places = zip(given, op.starts, plan.graph.inputs, row.cells, strict=False)
            inputs = [
                (key, at + start * NUMPY[v.dtype].itemsize + cell.moved(unit))
                for (key, at), start, v, cell in places
            ]
            made = self.turn(run, plan, row.rows, around, row.cells, unit, inputs)
            for v, cell in zip(plan.graph.outputs, row.cells[count:], strict=True):
                n = v.type.nbytes
                self.read(made, Slot("cell", cell.number), n, made.expected(v), f"'{v}' of a unit")
        self.memory.regions["scratch", 0] = []
        for v, slot in zip(results_of(work), outs, strict=True):
            region, start = self.place(run, slot)
            if v.type.nbytes:
                self.memory.write(region, start, v.type.nbytes, (run.number, v))


def results_of(work: BodyWork) -> tuple[Value, ...]:
    """The values of a body's results, which may be those of another time than the node's."""
    return work.written[: len(work.node.values)]


def sampled_turns(length: int) -> list[int]:
    """The first turns and the last, of which the first has the other parity than the one before."""
    if length <= TURNS + 3:
        return list(range(length))
    first = TURNS + (length - 2 - TURNS) % 2
    return [*range(first), length - 2, length - 1]


# ---------------------------------------------------------------- rows


def row_slots(row: Row) -> tuple[Slot, ...]:
    """The slots of a row in the order of its work's values."""
    if isinstance(row, CalledRow):
        return called_slots(row)
    assert isinstance(row, KernelRow | DeviceRow)
    return row.slots


def slot_bytes(work: AnyWork) -> list[int]:
    """The bytes behind each slot, as the kernel knows them."""
    if not isinstance(work, Work):
        return [v.type.nbytes for v in work.values]
    return [b.size * NUMPY[b.dtype].itemsize for b in work.kernel.buffers]


def partly(work: AnyWork) -> set[Value]:
    """The values of which a work writes some elements only, at computed places."""
    if not isinstance(work, Work) or not isinstance(work.kernel, Kernel):
        return set()
    named = dict(zip((b.name for b in work.kernel.buffers), work.values, strict=True))
    return {named[s.buffer.name] for _, s in work.kernel.writes() if s.at}
