"""The steps of a program in native memory, as walker.py reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..rows import CalledRow, HostRow, KernelRow, LoopRow, SlabsRow, Slot, called_slots
from ..steps import (
    Begin,
    Choose,
    End,
    Host,
    Jump,
    Segment,
    Step,
    Test,
    is_kernel,
    phases_of,
    steps_of,
)
from . import border, slabs, walker
from .executor import walker_functions
from .memory import aligned_array
from .stopwatch import Stopwatch

Patches = list[tuple[int, int, int]]  # pointer, offset in bytes, address to write


@dataclass
class NativeMemory:
    """What slots of a context mean, and the memory of its tables.

    `head` is the address of the context. `patches` are the addresses that every call writes;
    `hosts` the calls of Python: row, addresses, and the step after it.
    """

    arena: int
    constants: Sequence[int]
    inputs: int  # how many
    scratch: int
    scratch_stride: int  # from a member to the next
    members: int
    signals: bool
    watch: Stopwatch | None = None
    head: int = 0
    patches: Patches = field(default_factory=list)
    hosts: list[tuple[CalledRow, np.ndarray, int]] = field(default_factory=list)
    kept: list[np.ndarray] = field(default_factory=list)

    def words(self, *shape: int) -> np.ndarray:
        words = aligned_array(8 * math.prod(shape)).view(np.int64).reshape(shape)
        words[...] = 0
        self.kept.append(words)
        return words

    def array(self, rows: Sequence[tuple[int, ...]], nbytes: int) -> np.ndarray:
        """Rows of integers in native memory, `nbytes` each."""
        words = self.words(len(rows), nbytes // 8)
        words[...] = np.array(rows, np.int64).reshape(words.shape)
        return words


class StepTable:
    """Steps, rows, loops and argument blocks: those of a program, or those inside of slabs for one
    member of the team."""

    def __init__(
        self, steps: Sequence[Step], memory: NativeMemory, member: int | None = None
    ) -> None:
        self.steps, self.memory, self.member = steps, memory, member
        self.cell_patches: dict[int, list[tuple[int, int]]] = {}  # address to write, offset
        words = memory.words(len(steps), walker.STEP_BYTES // 8)
        self.first_step: int = words.ctypes.data
        rows = {k: step.loop for k, step in enumerate(steps) if isinstance(step, Begin)}
        loops = {k: self.loop(k, s) for k, s in enumerate(steps) if isinstance(s, Begin)}
        for k, step in enumerate(steps):
            found = self.step(k, step, {k: words.ctypes.data for k, words in loops.items()})
            words[k, : len(found)] = found
        blocks = {k: self.block(row.slots).ctypes.data for k, row in rows.items()}
        for k, row in rows.items():  # now all patches are known
            self.cells(loops[k], row, blocks[k])

    def at(self, step: int) -> int:
        """The address of a step."""
        return self.first_step + walker.STEP_BYTES * step

    def step(self, k: int, step: Step, loops: dict[int, int]) -> tuple[int, ...]:
        match step:
            case Segment():
                return walker.SEGMENT_STEP, *self.segment(step)
            case Begin():
                return walker.BEGIN_STEP, loops[k]
            case Test():
                return walker.TEST_STEP, loops[step.begin]
            case End():
                return walker.END_STEP, loops[step.begin]
            case Choose():
                cases = self.memory.array([(self.at(c),) for c in step.cases], 8)
                index = self.block((step.chooser,))
                return walker.CHOOSE_STEP, index.ctypes.data, cases.ctypes.data, len(step.cases)
            case Jump():
                return walker.JUMP_STEP, self.at(step.to)
            case Host():
                row, hosts = step.row, self.memory.hosts
                block = self.block(called_slots(row))
                hosts.append((row, block, k + 1))
                return walker.HOST_STEP, len(hosts) - 1, *condition(row, block)
        return (walker.STOP_STEP,)

    def segment(self, segment: Segment) -> tuple[int, ...]:
        """Addresses of its rows and of its phases, each the first and behind the last; whether the
        team runs it: not where no phase has several chunks."""
        kernels = [row for row in segment.rows if is_kernel(row)]
        rows = self.memory.words(len(kernels), walker.ROW_BYTES // 8)
        first_row = rows.ctypes.data
        row_words: list[tuple[int, ...]] = []
        phase_words: list[tuple[int, int]] = []
        for phase in phases_of(kernels):
            chunks, begin = 0, first_row + walker.ROW_BYTES * len(row_words)
            for row in phase:
                code = self.kernel(row) if isinstance(row, KernelRow) else self.slabs(row)
                if self.memory.watch is not None:
                    code = self.memory.watch.around(row, code)
                words = *code, row.points, row.grain, chunks, chunks + row.chunks
                row_words.append((*words, 0, 0))
                chunks += row.chunks
            phase_words.append((begin, chunks))
        rows[...] = row_words
        phases = self.memory.array(phase_words, walker.PHASE_BYTES)
        end = phases.ctypes.data + phases.nbytes
        several = any(chunks > 1 for _, chunks in phase_words)
        together = segment.together and several
        return first_row, first_row + rows.nbytes, phases.ctypes.data, end, int(together)

    def kernel(self, row: KernelRow) -> tuple[int, int]:
        """Machine code and its argument block."""
        return row.address, self.block(row.slots, row.sizes).ctypes.data

    # ---- loops

    def loop(self, k: int, step: Begin) -> np.ndarray:
        """The words of a loop, as far as they are known before its rows are."""
        words = self.memory.words(walker.LOOP_BYTES // 8)
        row = step.loop
        values = {
            walker.LENGTH: -1 if row.length is None else row.length,
            walker.TURN_BEGIN: self.at(k + 1), walker.EXIT: self.at(step.exit),
            walker.CHECK: row.check, walker.UNCHECKED: row.check if self.memory.signals else -1,
        }  # fmt: skip
        for offset, value in values.items():
            words[offset // 8] = value
        return words

    def cells(self, words: np.ndarray, row: LoopRow, block: int) -> None:
        """The cells and results of a loop, when all patches inside it are known."""
        cells: list[tuple[int, ...]] = []
        for i, cell in enumerate(row.cells):
            places = (block + 8 * (3 * i + j) for j in range(3))
            cells.append((*places, cell.stride_bytes, *self.patched(cell.number)))
        made = self.memory.array(cells, walker.CELL_BYTES)
        begin, after = made.ctypes.data, block + 24 * len(cells)
        settled = [*row.results, *row.starts]
        words_of = [
            (begin + walker.CELL_BYTES * i, after + 8 * j, nbytes)
            for j, (i, _, nbytes) in enumerate(settled)
        ]
        first = self.memory.array(words_of, walker.RESULT_SIZE).ctypes.data
        values = {
            walker.CELLS_BEGIN: begin, walker.CELLS_END: begin + made.nbytes,
            walker.RESULTS_BEGIN: first,
            walker.STARTS_BEGIN: first + walker.RESULT_SIZE * len(row.results),
            walker.STARTS_END: first + walker.RESULT_SIZE * len(settled),
            walker.TEST: after + 8 * len(settled),
        }  # fmt: skip
        for offset, value in values.items():
            words[offset // 8] = value

    def patched(self, cell: int) -> tuple[int, int]:
        """What a cell writes: the first and behind the last."""
        found = self.memory.array(self.cell_patches.get(cell, []), walker.CELL_PATCH_BYTES)
        return found.ctypes.data, found.ctypes.data + found.nbytes

    # ---- slabs

    def slabs(self, row: SlabsRow) -> tuple[int, int]:
        """Machine code and argument block of slabs, with a copy for each member of the team."""
        memory, steps = self.memory, steps_of(row.rows)
        block = self.block(row.slots, before=slabs.BLOCK_WORDS)
        copies = [self.copy(row, steps, block, m) for m in range(memory.members)]
        values = {
            slabs.FIRST_SCRATCH: memory.scratch,
            slabs.SCRATCH_STRIDE: memory.scratch_stride,
            slabs.COPIES: memory.array(copies, slabs.COPY_BYTES).ctypes.data,
        }
        for offset, value in values.items():
            block[offset // 8] = value
        return walker_functions()["run_slabs"], block.ctypes.data

    def copy(
        self, row: SlabsRow, steps: Sequence[Step], block: np.ndarray, member: int
    ) -> tuple[int, ...]:
        memory = self.memory
        head = memory.words(border.CONTEXT_WORDS)
        head[walker.SCRATCH // 8] = memory.scratch + member * memory.scratch_stride
        head[walker.MODE // 8] = walker.INSIDE
        head[walker.AROUND // 8], head[walker.MEMBER // 8] = memory.head, member
        inside = StepTable(steps, memory, member)
        axes = memory.array([(n, 0) for n in reversed(row.units)], slabs.AXIS_BYTES)
        first = block.ctypes.data + 8 * slabs.BLOCK_WORDS
        cells: list[tuple[int, ...]] = []
        for k, cell in enumerate(row.cells):
            strides = memory.array([(s,) for s in reversed(cell.strides)], 8).ctypes.data
            cells.append((first + 8 * k, strides, *inside.patched(cell.number)))
        made = memory.array(cells, slabs.UNIT_CELL_BYTES)
        ends = (x for a in (axes, made) for x in (a.ctypes.data, a.ctypes.data + a.nbytes))
        check = row.check, row.check if memory.signals else -1
        return head.ctypes.data, inside.first_step, *ends, *check

    # ---- addresses

    def block(
        self, slots: Sequence[Slot], sizes: tuple[int, ...] = (), before: int = 0
    ) -> np.ndarray:
        """Addresses of slots, then sizes; 0 where every call, turn or unit writes its own, and in
        the words `before` them."""
        memory = self.memory
        words = memory.words(before + len(slots) + len(sizes))
        for k, slot in enumerate(slots, before):
            place = words.ctypes.data + 8 * k
            match slot.space:
                case "arena":
                    words[k] = memory.arena + slot.offset_bytes
                case "constant":
                    words[k] = memory.constants[slot.index] + slot.offset_bytes
                case "scratch":
                    assert self.member is not None
                    own = memory.scratch + self.member * memory.scratch_stride
                    words[k] = own + slot.offset_bytes
                case "cell":
                    at = place, slot.offset_bytes
                    self.cell_patches.setdefault(slot.index, []).append(at)
                case space:
                    source = slot.index + memory.inputs * (space == "output")
                    memory.patches.append((source, slot.offset_bytes, place))
        words[before + len(slots) :] = sizes
        return words


def condition(row: CalledRow, block: np.ndarray) -> tuple[int, int]:
    """Where the address of the bools is that a row does nothing about if all are true."""
    if not isinstance(row, HostRow) or row.condition is None:
        return 0, -1
    _, _, shape = row.inputs[row.condition]
    return block.ctypes.data + 8 * row.condition, math.prod(shape)
