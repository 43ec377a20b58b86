"""The rows of a program, and what one call of it in flight owns: arena, scratch, argument blocks and the native table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import border, walker
from .executor import Team, machine_code
from .guard import ALIGNED, CONTIGUOUS, WRITEABLE, ArraySpec, fits, method, spelled, verified
from .memory import ALIGNMENT, aligned

Space = Literal["input", "output", "constant", "arena"]


@dataclass(frozen=True)
class Slot:
    """Memory that a row reads or writes: `offset_bytes` into an argument, a result, a constant or the arena."""

    space: Space
    index: int = 0
    offset_bytes: int = 0

    def __str__(self) -> str:
        name = self.space if self.space == "arena" else f"{self.space}{self.index}"
        return f"{name}+{self.offset_bytes}" if self.offset_bytes or self.space == "arena" else name


@dataclass(frozen=True)
class KernelRow:
    """A call of machine code, `kernel(args, start, stop, scratch)`, on `points` points in chunks of `grain`.

    The argument block is the addresses of `slots`, then `sizes`. Rows up to and including one with `barrier` are
    independent of each other and run at the same time.
    """

    address: int
    slots: tuple[Slot, ...]
    sizes: tuple[int, ...]
    points: int
    grain: int
    barrier: bool = True
    name: str = ""

    @property
    def chunks(self) -> int:
        return -(-self.points // self.grain)

    def __str__(self) -> str:
        words = " ".join(map(str, (*self.slots, *self.sizes)))
        return f"{self.name or 'kernel'}({words})  {self.points} by {self.grain}{'' if self.barrier else ', no barrier'}"


Operand = tuple[Slot, np.dtype, tuple[int, ...]]


@dataclass(frozen=True)
class HostRow:
    """A call of Python on the calling thread: `function(*inputs)` gives an array, a tuple of arrays, or None.

    It receives copies, so it may keep them; what it gives is copied to `outputs`.
    """

    function: Callable[..., Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    name: str = ""

    def __str__(self) -> str:
        def text(operands: tuple[Operand, ...]) -> str:
            return ", ".join(f"{slot}: {spelled(dtype, shape)}" for slot, dtype, shape in operands)

        return f"host {self.name}({text(self.inputs)}) -> ({text(self.outputs)})"


Segment = tuple[KernelRow, ...]
Step = Segment | HostRow


def steps_of(rows: tuple[KernelRow | HostRow, ...], alone: bool = False) -> tuple[Step, ...]:
    """Segments and the host rows between them, a segment first; `alone`: every row is a segment of its own."""
    steps: list[list[KernelRow] | HostRow] = [[]]
    for row in rows:
        last = steps[-1]
        if isinstance(row, HostRow):
            steps.append(row)
        elif row.points > 0:
            if alone or isinstance(last, HostRow):
                steps.append([row])
            else:
                last.append(row)
    return tuple(s if isinstance(s, HostRow) else tuple(s) for s in steps)


def phases_of(segment: Segment) -> list[list[KernelRow]]:
    """Rows between barriers."""
    phases: list[list[KernelRow]] = []
    barrier = True
    for row in segment:
        if barrier:
            phases.append([])
        phases[-1].append(row)
        barrier = row.barrier
    return phases


@dataclass(frozen=True)
class Table:
    """What all calls of a program share."""

    steps: tuple[Step, ...]
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    constants: tuple[np.ndarray, ...]
    arena_bytes: int
    scratch_bytes: int
    donors: dict[int, int]  # output: input whose memory it takes

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(s for s in self.steps if not isinstance(s, HostRow))


class Context:
    """One call in flight."""

    def __init__(self, table: Table, hold: bool, team: Team | None, native: bool | None = None):
        """`hold`: short enough to keep Python's lock. `native`: as arrays are read; the default is what works."""
        self.table, self.team = table, team  # the team's memory lives as long as a launch may use it
        self.arena = aligned(table.arena_bytes)
        scratch_bytes = -(-table.scratch_bytes // ALIGNMENT) * ALIGNMENT
        self.scratch = aligned(scratch_bytes * (team.size if team else 1))
        self._kept: list[np.ndarray] = []
        self.pointers = self._words(len(table.inputs) + len(table.outputs))
        self.head = self._words(border.CONTEXT_WORDS)
        mode = walker.TOGETHER if team else walker.HOLD if hold else walker.ALONE
        self._fill_head({
            walker.MODE: mode, walker.TEAM: team.address if team else 0,
            walker.SCRATCH: self.scratch.ctypes.data, walker.SCRATCH_BYTES: scratch_bytes,
        })  # fmt: skip
        code, address = machine_code(), self.head.ctypes.data
        self.start = method(code["start"], address)
        self.resume = method(code["resume"], address)
        if not (verified() if native is None else native):
            self._proceed = method(code["proceed"], address)
            self.start = self._start_slowly

    # ---- native memory

    def _words(self, *shape: int) -> np.ndarray:
        words = aligned(8 * int(np.prod(shape))).view(np.int64).reshape(shape)
        words[...] = 0
        self._kept.append(words)
        return words

    def _fill_head(self, values: dict[int, int]) -> None:
        table = self.table
        patches: list[tuple[int, int, int]] = []
        segments = self._segments(patches)
        patch_words = self._words(len(patches), border.PATCH_BYTES // 8)
        patch_words[:] = np.array(patches, np.int64).reshape(patch_words.shape)
        donors = self._words(len(table.outputs))
        donors[:] = [table.donors.get(k, -1) for k in range(len(table.outputs))]
        order = self._words(len(table.inputs))
        order[:] = range(len(table.inputs))
        values |= {
            walker.SEGMENTS: segments, border.POINTERS: self.pointers.ctypes.data, border.SPECS: self._specs(),
            border.INPUTS: len(table.inputs), border.OUTPUTS: len(table.outputs), border.DONORS: donors.ctypes.data,
            border.PATCHES: patch_words.ctypes.data, border.PATCH_COUNT: len(patches),
            border.ORDER: order.ctypes.data if table.donors else 0,
            border.TUPLE_TYPE: id(tuple), border.ARRAY_TYPE: id(np.ndarray),
        }  # fmt: skip
        for offset, value in values.items():
            self.head[offset // 8] = value

    def _specs(self) -> int:
        table = self.table
        specs = self._words(len(table.inputs), border.SPEC_BYTES // 8)
        for i, spec in enumerate(table.inputs):
            sizes = self._words(len(spec.shape))
            sizes[:] = spec.shape
            donated = i in table.donors.values()
            flags = CONTIGUOUS | ALIGNED | WRITEABLE * donated
            specs[i] = id(spec.dtype), len(spec.shape), flags, sizes.ctypes.data, spec.nbytes, donated
        return specs.ctypes.data

    def _segments(self, patches: list[tuple[int, int, int]]) -> int:
        """Writes the table: segments, phases, rows, argument blocks."""
        segments = self._words(len(self.table.segments), walker.SEGMENT_BYTES // 8)
        for words, segment in zip(segments, self.table.segments, strict=True):
            rows, phases = self._segment(segment, patches)
            begin, phase_begin = rows.ctypes.data, phases.ctypes.data
            words[:] = begin, begin + rows.nbytes, phase_begin, phase_begin + phases.nbytes
        return segments.ctypes.data

    def _segment(self, segment: Segment, patches: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
        grouped = phases_of(segment)
        rows = self._words(len(segment), walker.ROW_BYTES // 8)
        phases = self._words(len(grouped), walker.PHASE_BYTES // 8)
        at = 0
        for phase, members in zip(phases, grouped, strict=True):
            first, chunks = rows[at:].ctypes.data, 0
            for row in members:
                begin, chunks = chunks, chunks + row.chunks
                block = self._block(row, patches)
                rows[at, :6] = row.address, block, row.points, row.grain, begin, chunks
                at += 1
            phase[:] = first, chunks
        return rows, phases

    def _block(self, row: KernelRow, patches: list[tuple[int, int, int]]) -> int:
        block = self._words(len(row.slots) + len(row.sizes))
        for k, slot in enumerate(row.slots):
            if slot.space == "arena":
                block[k] = self.arena.ctypes.data + slot.offset_bytes
            elif slot.space == "constant":
                block[k] = self.table.constants[slot.index].ctypes.data + slot.offset_bytes
            else:
                source = slot.index + len(self.table.inputs) * (slot.space == "output")
                patches.append((source, slot.offset_bytes, block.ctypes.data + 8 * k))
        block[len(row.slots) :] = row.sizes
        return block.ctypes.data

    # ---- where NumPy's structures are not where border.py reads them

    def _start_slowly(self, leaves: tuple[np.ndarray, ...], outputs: tuple[np.ndarray | None, ...]) -> int:
        """What `start` does, in Python."""
        inputs = self.table.inputs
        if type(leaves) is not tuple or len(leaves) != len(inputs):
            return len(inputs)
        donated = set(self.table.donors.values())
        for i, (leaf, spec) in enumerate(zip(leaves, inputs, strict=True)):
            if not fits(leaf, spec, i in donated):
                return i
            self.pointers[i] = leaf.ctypes.data
        for i in donated:
            if any(np.may_share_memory(leaves[i], x) for k, x in enumerate(leaves) if k != i):
                return i
        for k, output in enumerate(outputs):
            data = self.pointers[self.table.donors[k]] if output is None else output.ctypes.data
            self.pointers[len(inputs) + k] = data
        self._proceed()
        return border.ACCEPTED
