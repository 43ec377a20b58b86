"""What one call of a program in flight owns: arena, scratch, argument blocks and native table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import border, walker
from .executor import Team, machine_code
from .guard import ALIGNED, CONTIGUOUS, WRITEABLE, fits, method, verified
from .memory import ALIGNMENT, aligned
from .table import KernelRow, Segment, Table, phases_of

Patches = list[tuple[int, int, int]]  # pointer, offset in bytes, address to write


class Context:
    """One call in flight: `start(leaves, outputs)`, then `resume(k)` for the later segments.

    `start` gives ACCEPTED, or the index of the first leaf that does not fit and nothing has run.
    `hold`: short enough to keep Python's lock. `native`: how arrays are read; None: as works here.
    """

    start: Callable[[tuple[Any, ...], tuple[np.ndarray | None, ...]], int]
    resume: Callable[[int], int]

    def __init__(self, table: Table, hold: bool, team: Team | None, native: bool | None = None):
        self.table = table
        self.team = team  # whose memory lives as long as a launch may use it
        self.arena = aligned(table.arena_bytes)
        stride = -(-table.scratch_bytes // ALIGNMENT) * ALIGNMENT
        self.scratch = aligned(stride * (team.size if team else 1))
        self._arena_address = self.arena.ctypes.data
        self._constant_addresses = [c.ctypes.data for c in table.constants]
        self._kept: list[np.ndarray] = []
        self._pointers = self._words(len(table.inputs) + len(table.outputs))
        head = self._words(border.CONTEXT_WORDS)
        mode = walker.TOGETHER if team else walker.HOLD if hold else walker.ALONE
        values = {
            walker.MODE: mode, walker.TEAM: team.address if team else 0,
            walker.SCRATCH: self.scratch.ctypes.data, walker.SCRATCH_BYTES: stride,
            border.TUPLE_TYPE: id(tuple), border.ARRAY_TYPE: id(np.ndarray),
            **self._table(), **self._arguments(),
        }  # fmt: skip
        for offset, value in values.items():
            head[offset // 8] = value
        code, address = machine_code(), head.ctypes.data
        self.start = method(code["start"], address)
        self.resume = method(code["resume"], address)
        if not (verified() if native is None else native):
            self._proceed = method(code["proceed"], address)
            self.start = self._start_slowly

    # ---- native memory

    def _words(self, *shape: int) -> np.ndarray:
        words = aligned(8 * math.prod(shape)).view(np.int64).reshape(shape)
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
        """Segments, phases, rows, argument blocks, and what is written into them at every call."""
        patches: Patches = []
        segments = self._words(len(self.table.segments), walker.SEGMENT_BYTES // 8)
        for words, segment in zip(segments, self.table.segments, strict=True):
            rows, phases = self._segment(segment, patches)
            first, first_phase = rows.ctypes.data, phases.ctypes.data
            words[:] = first, first + rows.nbytes, first_phase, first_phase + phases.nbytes
        patch_words = self._words(len(patches), border.PATCH_BYTES // 8)
        patch_words[:] = np.array(patches, np.int64).reshape(patch_words.shape)
        return {
            walker.SEGMENTS: segments.ctypes.data, border.PATCHES: patch_words.ctypes.data,
            border.PATCH_COUNT: len(patches),
        }  # fmt: skip

    def _segment(self, segment: Segment, patches: Patches) -> tuple[np.ndarray, np.ndarray]:
        rows = self._words(len(segment), walker.ROW_BYTES // 8)
        blocks = self._words(sum(len(r.slots) + len(r.sizes) for r in segment))
        first_row, first_block = rows.ctypes.data, blocks.ctypes.data
        row_words: list[tuple[int, ...]] = []
        block_words: list[int] = []
        phase_words: list[tuple[int, int]] = []
        for phase in phases_of(segment):
            chunks, begin = 0, first_row + walker.ROW_BYTES * len(row_words)
            for row in phase:
                block = first_block + 8 * len(block_words)
                words = row.address, block, row.points, row.grain, chunks, chunks + row.chunks
                row_words.append((*words, 0, 0))
                block_words += [*self._addresses(row, block, patches), *row.sizes]
                chunks += row.chunks
            phase_words.append((begin, chunks))
        phases = self._words(len(phase_words), walker.PHASE_BYTES // 8)
        for words, values in ((rows, row_words), (blocks, block_words), (phases, phase_words)):
            words[...] = np.array(values, np.int64).reshape(words.shape)
        return rows, phases

    def _addresses(self, row: KernelRow, block: int, patches: Patches) -> list[int]:
        """Of the slots of a row; 0 where every call writes its own."""
        addresses: list[int] = []
        for k, slot in enumerate(row.slots):
            address = 0
            if slot.space == "arena":
                address = self._arena_address + slot.offset_bytes
            elif slot.space == "constant":
                address = self._constant_addresses[slot.index] + slot.offset_bytes
            else:
                source = slot.index + len(self.table.inputs) * (slot.space == "output")
                patches.append((source, slot.offset_bytes, block + 8 * k))
            addresses.append(address)
        return addresses

    # ---- where NumPy's structures are not where border.py reads them

    def _start_slowly(self, leaves: Any, outputs: tuple[np.ndarray | None, ...]) -> int:
        """What `start` does, in Python."""
        inputs = self.table.inputs
        if type(leaves) is not tuple or len(leaves) != len(inputs):
            return len(inputs)
        donated = self.table.donated
        for i, (leaf, spec) in enumerate(zip(leaves, inputs, strict=True)):
            if not fits(leaf, spec, i in donated):
                return i
            self._pointers[i] = leaf.ctypes.data
        for i in donated:
            if any(np.may_share_memory(leaves[i], x) for k, x in enumerate(leaves) if k != i):
                return i
        for k, output in enumerate(outputs):
            array = leaves[self.table.donors[k]] if output is None else output
            self._pointers[len(inputs) + k] = array.ctypes.data
        self._proceed()
        return border.ACCEPTED
