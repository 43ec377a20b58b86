"""The rows of a plan, as the runtime runs them: every place becomes the slot that it is.

A body's inputs and outputs are slots of what is around it. Constants of a loop are the operands
themselves. An element is its sequence, moved on by a stride each turn, and so is what is stacked: a
turn reads x[i] and writes y[i] where they are. A carry is written over the one before, where the
plan allows it, or there are two buffers that change places; the last turn of a scan writes the
result. Nothing is copied between turns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...runtime.rows import (
    BranchRow,
    CalledRow,
    Cell,
    DeviceRow,
    HostRow,
    KernelRow,
    LoopRow,
    Row,
    Settled,
    SlabsRow,
    Slot,
    StartRow,
    UnitCell,
    WaitRow,
    inner_rows,
    worth_the_team,
)
from ..codegen.lowered import Lowered, LoweredLaunch
from ..fuse.work import AnyWork, BodyWork, HostWork, StartWork, WaitWork, Work
from ..ir.errors import CompilerError
from ..ir.graph import Graph, Value, apply_all
from ..kernel import costs
from ..kernel.scalar import NUMPY
from ..ops.nested.bodies import Control
from ..ops.nested.scan import Scan
from ..ops.nested.slabs import Slabs
from ..ops.nested.switch import Switch
from ..ops.nested.while_loop import While
from ..ops.transferred import Transferred
from ..transform.node_reference import NodeReference
from .plan import Plan, ValuePlace, aligned

CHECK_SECONDS, MOST_TURNS = 0.02, 1 << 20  # between two looks for Ctrl-C
UNKNOWN_TURNS = 1000  # of a loop whose length is not known
ROW_SECONDS = 0.5e-6  # of machine code of others
CHUNK_SECONDS = 10e-6  # of rows, or units, that one thread takes at a time
LEAST_CHUNKS = 16  # of units, where there are as many: no thread waits long for the last


@dataclass(frozen=True)
class Around:
    """The slots of a body's inputs and outputs, and where its arena begins."""

    inputs: Sequence[Slot]
    outputs: Sequence[Slot]
    arena: Slot


@dataclass
class Carries:
    """The cells of carries, their slots inside of the loop, and what is copied before and after."""

    cells: list[Cell] = field(default_factory=list)
    inputs: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    results: list[Settled] = field(default_factory=list)
    starts: list[Settled] = field(default_factory=list)


@dataclass
class Rows:
    """Makes the rows of plans; counts cells, and gathers constants and seconds.

    Arenas of slabs are scratch of a thread from byte `scratch` on, behind that of kernels;
    `slab_bytes` is the largest.
    """

    code: Mapping[str, Any]  # by text: the name of machine code, or what a device loads
    lowered: Mapping[int, Lowered | LoweredLaunch]  # by identity of the work
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    cells: int = 0
    beside: bool = False  # a device, for which the host computes what no kernel has
    scratch: int = 0
    slab_bytes: int = 0
    transfers: dict[int, int] = field(default_factory=dict)  # the number of each, by id of the node

    def of(self, plan: Plan, around: Around) -> tuple[tuple[Row, ...], float, float]:
        """The rows, the seconds of all, and those of the rows that are in no loop."""
        rows: list[Row] = []
        inner = outer = 0.0
        whole = ends_at_once(plan.schedule.works)
        for wave in plan.schedule.waves:
            for k, work in enumerate(wave):
                slots = [self.slot(plan.places[v], plan, around) for v in row_values(work)]
                if isinstance(work, HostWork):
                    row, seconds = self.hosted(work, slots, k == len(wave) - 1)
                    rows.append(row)
                    outer += seconds
                elif isinstance(work, StartWork | WaitWork):
                    rows.append(self.transferred(work, slots, id(work) in whole))
                elif isinstance(work, BodyWork) and isinstance(work.op, Slabs):
                    row, seconds = self.slabs(work, work.op, slots, k == len(wave) - 1)
                    rows.append(row)
                    outer += seconds
                elif isinstance(work, BodyWork):
                    row, seconds = self.body(work, slots)
                    rows.append(row)
                    inner += seconds
                else:
                    low, last = self.lowered[id(work)], k == len(wave) - 1
                    rows.append(kernel_row(self.code[low.text], low, slots, last, work))
                    outer += kernel_seconds(low)
        return tuple(rows), inner + outer, outer

    def slot(self, place: ValuePlace, plan: Plan, around: Around) -> Slot:
        """Where a place of a plan is."""
        match place.space:
            case "arena":
                return shifted_slot(around.arena, place.offset)
            case "input":
                return around.inputs[place.index]
            case "output":
                return shifted_slot(around.outputs[place.index], place.offset)
        node = plan.constants[place.index].node
        assert node is not None
        array = node.op.params["array"]
        self.constants.setdefault(array.digest, array.data)
        return Slot("constant", list(self.constants).index(array.digest))

    def hosted(self, work: HostWork, slots: list[Slot], last: bool) -> tuple[Row, float]:
        """The row of what no kernel has: Python, or on a processor machine code of others, whose
        seconds only it knows."""
        types = [v.type for v in work.reads]
        native = None if self.beside else work.node.op.native(*types)
        if native is None:
            return host_row(work, slots), 0.0
        address, sizes, points = native
        nbytes = tuple(v.type.nbytes for v in row_values(work))
        each = ROW_SECONDS + costs.seconds_of(0, sum(nbytes) // max(points, 1))
        grain = max(1, min(points, int(CHUNK_SECONDS / each)))
        memory = nbytes, len(work.written), 0
        row = KernelRow(
            address, tuple(slots), sizes, points, grain, last, work.node.op.name, *memory
        )
        return row, points * each

    def transferred(self, work: StartWork | WaitWork, slots: list[Slot], whole: bool) -> Row:
        """The row of the begin of a transfer, or of its end."""
        op = work.node.op
        assert isinstance(op, Transferred)
        transfer = op.transfer(work.node.args[0].type)
        number = self.transfers.setdefault(id(work.node), len(self.transfers))
        if isinstance(work, WaitWork):
            return WaitRow(number, transfer)
        return StartRow(transfer, number, *slots, whole=whole)

    # ---- bodies

    def body(self, work: BodyWork, slots: list[Slot]) -> tuple[Row, float]:
        """The row of a loop or a branch, and the seconds that it takes."""
        count, results = len(work.node.args), len(work.node.values)
        memory = slots[count + results] if work.memory else Slot("arena")
        args, outs = slots[:count], slots[count : count + results]
        args = [shifted_slot(slot, at) for slot, at in zip(args, work.starts, strict=True)]
        match work.op:
            case Scan():
                return self.scan(work, work.op, args, outs, memory)
            case While():
                return self.while_loop(work, work.op, args, outs, memory)
            case Switch():
                found = [self.of(p, Around(args[1:], outs, memory)) for p in work.bodies]
                seconds = max(s for _, s, _ in found)
                together = worth_the_team(max(s for *_, s in found))
                cases = tuple(rows for rows, *_ in found)
                return BranchRow(args[0], cases, together, work.name), seconds
        raise AssertionError(work.op)

    def cell(self, first: Slot, even: Slot, odd: Slot, stride: int = 0) -> Cell:
        self.cells += 1
        return Cell(self.cells - 1, first, even, odd, stride)

    def carries(
        self,
        work: BodyWork,
        plan: Plan,
        init: Sequence[Slot],
        outs: Sequence[Slot],
        memory: Slot,
        even: bool,
    ) -> Carries:
        """Where each turn reads and writes; the turn before an `even` number ends in place."""
        seconds, found = plan.beside, Carries()
        for j, (start, end) in enumerate(zip(init, outs, strict=True)):
            other = shifted_slot(memory, seconds[j]) if j in seconds else end
            in_even, in_odd = (other, end) if even else (end, other)
            read = self.cell(start, in_odd, in_even)
            written = self.cell(in_even, in_even, in_odd)
            settled = len(found.cells), end, work.node.values[j].type.nbytes
            found.results.append(settled)
            if j in plan.kept:  # it is in place in every turn
                found.starts.append(settled)
            found.inputs.append(end if j in plan.kept else cell_slot(read))
            found.outputs.append(cell_slot(written))
            found.cells += [read, written]
        return found

    def elements(self, slots: Sequence[Slot], values: Sequence[Value], reverse: bool) -> list[Cell]:
        """Cells of the elements of sequences or stacks."""
        found: list[Cell] = []
        for slot, value in zip(slots, values, strict=True):
            length = value.shape[0]
            stride = value.type.nbytes // max(length, 1)
            start = shifted_slot(slot, stride * max(length - 1, 0)) if reverse else slot
            found.append(self.cell(start, start, start, -stride if reverse else stride))
        return found

    def scan(
        self, work: BodyWork, op: Scan, args: list[Slot], outs: list[Slot], memory: Slot
    ) -> tuple[Row, float]:
        (plan,), k = work.bodies, op.carries
        consts, init, sequences = op.parts(args)
        carries = self.carries(work, plan, init, outs[:k], memory, op.length % 2 == 0)
        elements = self.elements(sequences, op.parts(work.node.args)[2], op.reverse)
        stacked = self.elements(outs[k:], work.node.values[k:], op.reverse)
        inputs = *consts, *carries.inputs, *map(cell_slot, elements)
        outputs = *carries.outputs, *map(cell_slot, stacked)
        rows, seconds, own = self.of(plan, Around(inputs, outputs, memory))
        row = LoopRow(
            rows,
            (*carries.cells, *elements, *stacked),
            op.length,
            tuple(carries.results),
            tuple(carries.starts),
            check=interrupt_turns(seconds),
            together=worth_the_team(own),
            name=work.name,
        )
        return row, op.length * seconds

    def while_loop(
        self, work: BodyWork, op: While, args: list[Slot], outs: list[Slot], memory: Slot
    ) -> tuple[Row, float]:
        condition, body = work.bodies
        carries = self.carries(work, body, args[op.consts :], outs, memory, True)
        inputs = *args[: op.consts], *carries.inputs
        test = shifted_slot(memory, condition.beside[0])
        tests, testing, _ = self.of(condition, Around(inputs, (test,), memory))
        rows, seconds, own = self.of(body, Around(inputs, carries.outputs, memory))
        row = LoopRow(
            rows,
            tuple(carries.cells),
            None,
            tuple(carries.results),
            tuple(carries.starts),
            tests,
            test,
            interrupt_turns(seconds + testing),
            worth_the_team(own),
            work.name,
        )
        return row, UNKNOWN_TURNS * (seconds + testing)

    def slabs(
        self, work: BodyWork, op: Slabs, slots: Sequence[Slot], last: bool
    ) -> tuple[Row, float]:
        """The row of slabs, to the team a kernel; `last` of its wave."""
        (plan,), count = work.bodies, len(work.reads)
        starts = (*op.starts, *[0] * len(work.written))
        at = (*work.starts, *[0] * len(work.written))
        ends = (*plan.graph.inputs, *plan.graph.outputs)
        cells: list[UnitCell] = []
        for k, steps in enumerate((*op.strides, *op.out_strides)):
            each = NUMPY[ends[k].dtype].itemsize
            slot = shifted_slot(slots[k], at[k] + starts[k] * each)
            self.cells += 1
            cells.append(UnitCell(self.cells - 1, slot, tuple(s * each for s in steps)))
        inside = [Slot("cell", c.number) for c in cells]
        around = Around(inside[:count], inside[count:], Slot("scratch", 0, self.scratch))
        rows, seconds, _ = self.of(plan, around)
        if row := next(unfit(rows), None):
            raise CompilerError(f"slabs: kernels, loops and branches are required, got {row}")
        self.slab_bytes = max(self.slab_bytes, aligned(plan.arena_bytes))
        few = int(CHUNK_SECONDS / max(seconds, 1e-9))
        grain = max(1, min(few, op.count // LEAST_CHUNKS))
        check = interrupt_turns(seconds)
        row = SlabsRow(rows, tuple(cells), op.units, grain, last, check, work.name)
        return row, op.count * seconds


def kernel_row(
    code: Any, low: Lowered | LoweredLaunch, slots: Sequence[Slot], last: bool, work: Work
) -> KernelRow | DeviceRow:
    """The row of a kernel; `last` of its wave."""
    if isinstance(low, Lowered):
        nbytes = tuple(b.size * NUMPY[b.dtype].itemsize for b in work.kernel.buffers)
        memory = nbytes, work.writes, low.scratch_bytes
        numbers = low.sizes, low.points, low.grain
        return KernelRow(code, tuple(slots), *numbers, last, work.name, *memory)
    size = low.blocks, low.threads, low.shared_bytes
    return DeviceRow(code, tuple(slots), low.sizes, *size, last, work.name, low.product)


def kernel_seconds(low: Lowered | LoweredLaunch) -> float:
    """A cautious estimate of one run on one core."""
    return costs.seconds_of(low.flops, low.bytes)


def turns(op: Control) -> int:
    """How often the bodies run, as far as that is known."""
    match op:
        case Scan():
            return op.length
        case While():
            return UNKNOWN_TURNS
        case Slabs():
            return op.count
    return 1


def ends_at_once(works: Iterable[tuple[int, AnyWork]]) -> set[int]:
    """The begins of transfers, by identity, behind which directly their end is."""
    every = [work for _, work in works]
    return {
        id(work)
        for work, after in itertools.pairwise(every)
        if isinstance(work, StartWork) and isinstance(after, WaitWork) and after.node is work.node
    }


def unfit(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, at any depth, that cannot be inside of slabs."""
    for row in rows:
        if isinstance(row, CalledRow | DeviceRow | SlabsRow):
            yield row
        for inside in inner_rows(row):
            yield from unfit(inside)


def row_values(work: AnyWork) -> tuple[Value, ...]:
    """The values of a row, what it reads first."""
    return (*work.reads, *work.written)


def shifted_slot(slot: Slot, nbytes: int) -> Slot:
    return replace(slot, offset_bytes=slot.offset_bytes + nbytes)


def cell_slot(cell: Cell) -> Slot:
    """What a row inside of a loop reads or writes."""
    return Slot("cell", cell.number)


def interrupt_turns(seconds: float) -> int:
    """After how many turns of so many seconds to look for Ctrl-C."""
    return max(1, min(int(CHECK_SECONDS / max(seconds, 1e-9)), MOST_TURNS))


def host_row(work: HostWork, slots: list[Slot]) -> HostRow:
    """A node by its NumPy reference."""
    node = work.node
    inputs = tuple(Value(a.type) for a in node.args)
    graph = Graph.of(node.op.name, inputs, apply_all(node.op, *inputs))
    found = [(slot, v.type.numpy, v.shape) for slot, v in zip(slots, row_values(work), strict=True)]
    count = len(work.reads)
    function = NodeReference(graph)
    name, condition, failure = node.op.name, node.op.passes, node.op.failure()
    return HostRow(function, tuple(found[:count]), tuple(found[count:]), name, condition, failure)
