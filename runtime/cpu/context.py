"""What one call of a program in flight owns: arena, scratch, argument blocks and native table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..program import Table
from ..rows import HostRow, KernelRow, LoopRow, Slot
from ..steps import Begin, Choose, End, Host, Jump, Segment, Step, Test, phases_of
from . import border, walker
from .executor import Team, walker_functions
from .guard import ALIGNED, CONTIGUOUS, WRITEABLE, method, verified
from .memory import ALIGNMENT, aligned_array

Patches = list[tuple[int, int, int]]  # pointer, offset in bytes, address to write


class Context:
    """One call in flight: `start(leaves, outputs)`, or `proceed()` with the addresses as they are.

    Both give ACCEPTED when the program is done; `start` gives the index of the first leaf that does
    not fit, and nothing has run. What is less is a call of Python: `host` says which, and `resume`
    goes on after it. Ctrl-C in a loop raises its error.
    `hold`: short enough to keep Python's lock. `native`: how arrays are read; None: as works here.
    `signals`: whether loops look for Ctrl-C, which takes Python's lock.
    """

    start: Callable[[tuple[Any, ...], tuple[np.ndarray | None, ...]], int]
    proceed: Callable[[], int]
    resume: Callable[[int], int]

    def __init__(
        self,
        table: Table,
        hold: bool,
        team: Team | None,
        native: bool | None = None,
        signals: bool = True,
    ):
        self.table, self.signals = table, signals
        self.team = team  # whose memory lives as long as a launch may use it
        self.arena = aligned_array(table.arena_bytes)
        stride = -(-table.scratch_bytes // ALIGNMENT) * ALIGNMENT
        self.scratch = aligned_array(stride * (team.size if team else 1))
        self._arena_address = self.arena.ctypes.data
        self._constant_addresses = [c.ctypes.data for c in table.constants]
        self._kept: list[np.ndarray] = []
        self._hosts: list[tuple[HostRow | None, np.ndarray, int]] = []
        self._pointers = self._words(len(table.inputs) + len(table.outputs))
        self._patches: Patches = []
        self._cell_patches: dict[int, list[tuple[int, int]]] = {}  # address to write, offset
        self.head = head = self._words(border.CONTEXT_WORDS)
        mode = walker.TOGETHER if team else walker.HOLD if hold else walker.ALONE
        values = {
            walker.MODE: mode, walker.TEAM: team.address if team else 0,
            walker.SCRATCH: self.scratch.ctypes.data, walker.SCRATCH_BYTES: stride,
            border.TUPLE_TYPE: id(tuple), border.ARRAY_TYPE: id(np.ndarray),
            **self._table(), **self._arguments(),
        }  # fmt: skip
        for offset, value in values.items():
            head[offset // 8] = value
        code, address = walker_functions(), head.ctypes.data
        self.start = method(code["start"], address)
        self.proceed = method(code["proceed"], address)
        self.resume = method(code["resume"], address)
        if not (verified() if native is None else native):
            self.start = self._start_slowly

    def host(self, found: int) -> tuple[HostRow | None, tuple[int, ...], int]:
        """The call of Python that the walk waits for: row, addresses, and the step after it."""
        row, block, step = self._hosts[walker.WAITING - found]
        return row, tuple(block.tolist()), step

    # ---- native memory

    def _words(self, *shape: int) -> np.ndarray:
        words = aligned_array(8 * math.prod(shape)).view(np.int64).reshape(shape)
        words[...] = 0
        self._kept.append(words)
        return words

    def _arguments(self) -> dict[int, int]:
        table = self.table
        donors = self._words(len(table.outputs))
        donors[:] = [table.donors.get(k, -1) for k in range(len(table.outputs))]
        order = self._words(len(table.inputs))
        order[:] = range(len(table.inputs))
        return {
            border.POINTERS: self._pointers.ctypes.data, border.SPECS: self._specs(),
            border.INPUTS: len(table.inputs), border.OUTPUTS: len(table.outputs),
            border.DONORS: donors.ctypes.data,
            border.ORDER: order.ctypes.data if table.donors else 0,
        }  # fmt: skip

    def _specs(self) -> int:
        inputs, donated = self.table.inputs, self.table.donated
        specs = self._words(len(inputs), border.SPEC_BYTES // 8)
        for i, spec in enumerate(inputs):
            sizes = self._words(len(spec.shape))
            sizes[:] = spec.shape
            flags = CONTIGUOUS | ALIGNED | WRITEABLE * (i in donated)
            specs[i, :3] = id(spec.dtype), len(spec.shape), flags
            specs[i, 3:] = sizes.ctypes.data, spec.nbytes, i in donated
        return specs.ctypes.data

    def _table(self) -> dict[int, int]:
        """Steps, rows, loops, argument blocks, and what is written into them at every call."""
        steps = self._words(len(self.table.steps), walker.STEP_BYTES // 8)
        self._first_step = steps.ctypes.data
        loops = {
            k: self._loop(k, s) for k, s in enumerate(self.table.steps) if isinstance(s, Begin)
        }
        for k, step in enumerate(self.table.steps):
            words = self._step(k, step, {k: words.ctypes.data for k, words in loops.items()})
            steps[k, : len(words)] = words
        rows = {k: step.loop for k, step in enumerate(self.table.steps) if isinstance(step, Begin)}
        blocks = {k: self._block(row.slots).ctypes.data for k, row in rows.items()}
        for k, row in rows.items():  # now all patches are known
            self._cells(loops[k], row, blocks[k])
        patch_words = self._array(self._patches, border.PATCH_BYTES)
        return {
            walker.FIRST_STEP: self._first_step, border.PATCHES: patch_words.ctypes.data,
            border.PATCH_COUNT: len(self._patches),
        }  # fmt: skip

    def _array(self, rows: Sequence[tuple[int, ...]], nbytes: int) -> np.ndarray:
        """Rows of integers in native memory, `nbytes` each."""
        words = self._words(len(rows), nbytes // 8)
        words[...] = np.array(rows, np.int64).reshape(words.shape)
        return words

    def _at(self, step: int) -> int:
        """The address of a step."""
        return self._first_step + walker.STEP_BYTES * step

    def _step(self, k: int, step: Step, loops: dict[int, int]) -> tuple[int, ...]:
        match step:
            case Segment():
                return walker.SEGMENT_STEP, *self._segment(step), int(step.together)
            case Begin():
                return walker.BEGIN_STEP, loops[k]
            case Test():
                return walker.TEST_STEP, loops[step.begin]
            case End():
                return walker.END_STEP, loops[step.begin]
            case Choose():
                cases = self._array([(self._at(c),) for c in step.cases], 8)
                index = self._block((step.chooser,))
                return walker.CHOOSE_STEP, index.ctypes.data, cases.ctypes.data, len(step.cases)
            case Jump():
                return walker.JUMP_STEP, self._at(step.to)
            case Host():
                row = step.row
                operands = () if row is None else (*row.inputs, *row.outputs)
                block = self._block([slot for slot, _, _ in operands])
                self._hosts.append((row, block, k + 1))
                return walker.HOST_STEP, len(self._hosts) - 1, *condition(row, block)
        return (walker.STOP_STEP,)

    def _segment(self, segment: Segment) -> tuple[int, int, int, int]:
        """Addresses of its rows and of its phases, each the first and behind the last."""
        kernels = [row for row in segment.rows if isinstance(row, KernelRow)]
        rows = self._words(len(kernels), walker.ROW_BYTES // 8)
        first_row = rows.ctypes.data
        row_words: list[tuple[int, ...]] = []
        phase_words: list[tuple[int, int]] = []
        for phase in phases_of(kernels):
            chunks, begin = 0, first_row + walker.ROW_BYTES * len(row_words)
            for row in phase:
                block = self._block(row.slots, row.sizes).ctypes.data
                words = row.address, block, row.points, row.grain, chunks, chunks + row.chunks
                row_words.append((*words, 0, 0))
                chunks += row.chunks
            phase_words.append((begin, chunks))
        rows[...] = row_words
        phases = self._array(phase_words, walker.PHASE_BYTES)
        end = phases.ctypes.data + phases.nbytes
        return first_row, first_row + rows.nbytes, phases.ctypes.data, end

    def _loop(self, k: int, step: Begin) -> np.ndarray:
        """The words of a loop, as far as they are known before its rows are."""
        words = self._words(walker.LOOP_BYTES // 8)
        row = step.loop
        values = {
            walker.LENGTH: -1 if row.length is None else row.length,
            walker.TURN_BEGIN: self._at(k + 1), walker.EXIT: self._at(step.exit),
            walker.CHECK: row.check, walker.UNCHECKED: row.check if self.signals else -1,
        }  # fmt: skip
        for offset, value in values.items():
            words[offset // 8] = value
        return words

    def _cells(self, words: np.ndarray, row: LoopRow, block: int) -> None:
        """The cells and results of a loop, when all patches inside it are known."""
        cells: list[tuple[int, ...]] = []
        for i, cell in enumerate(row.cells):
            found = self._array(self._cell_patches.get(cell.number, []), walker.CELL_PATCH_BYTES)
            first = found.ctypes.data
            places = (block + 8 * (3 * i + j) for j in range(3))
            cells.append((*places, cell.stride_bytes, first, first + found.nbytes))
        made = self._array(cells, walker.CELL_BYTES)
        begin, after = made.ctypes.data, block + 24 * len(cells)
        settled = [*row.results, *row.starts]
        words_of = [
            (begin + walker.CELL_BYTES * i, after + 8 * j, nbytes)
            for j, (i, _, nbytes) in enumerate(settled)
        ]
        first = self._array(words_of, walker.RESULT_SIZE).ctypes.data
        values = {
            walker.CELLS_BEGIN: begin, walker.CELLS_END: begin + made.nbytes,
            walker.RESULTS_BEGIN: first,
            walker.STARTS_BEGIN: first + walker.RESULT_SIZE * len(row.results),
            walker.STARTS_END: first + walker.RESULT_SIZE * len(settled),
            walker.TEST: after + 8 * len(settled),
        }  # fmt: skip
        for offset, value in values.items():
            words[offset // 8] = value

    def _block(self, slots: Sequence[Slot], sizes: tuple[int, ...] = ()) -> np.ndarray:
        """Addresses of slots, then sizes; 0 where every call, or every turn, writes its own."""
        words = self._words(len(slots) + len(sizes))
        start = words.ctypes.data
        for k, slot in enumerate(slots):
            if slot.space == "arena":
                words[k] = self._arena_address + slot.offset_bytes
            elif slot.space == "constant":
                words[k] = self._constant_addresses[slot.index] + slot.offset_bytes
            elif slot.space == "cell":
                at = start + 8 * k, slot.offset_bytes
                self._cell_patches.setdefault(slot.index, []).append(at)
            else:
                source = slot.index + len(self.table.inputs) * (slot.space == "output")
                self._patches.append((source, slot.offset_bytes, start + 8 * k))
        words[len(slots) :] = sizes
        return words

    # ---- where NumPy's structures are not where border.py reads them

    def _start_slowly(self, leaves: Any, outputs: tuple[np.ndarray | None, ...]) -> int:
        """What `start` does, in Python."""
        if (found := self.table.refused(leaves)) >= 0:
            return found
        inputs = self.table.inputs
        self._pointers[: len(inputs)] = [x.ctypes.data for x in leaves]
        for k, output in enumerate(outputs):
            array = leaves[self.table.donors[k]] if output is None else output
            self._pointers[len(inputs) + k] = array.ctypes.data
        return self.proceed()


def condition(row: HostRow | None, block: np.ndarray) -> tuple[int, int]:
    """Where the address of the bools is that a row does nothing about if all are true."""
    if row is None or row.condition is None:
        return 0, -1
    _, _, shape = row.inputs[row.condition]
    return block.ctypes.data + 8 * row.condition, math.prod(shape)
