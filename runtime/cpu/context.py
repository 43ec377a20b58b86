"""What one call of a program in flight owns: arena, scratch, argument blocks and native table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..processes.underway import Underway
from ..program import Table
from ..rows import CalledRow
from . import border, walker
from .executor import Team, walker_functions
from .guard import ALIGNED, CONTIGUOUS, WRITEABLE, method, verified
from .memory import ALIGNMENT, aligned_array
from .step_table import NativeMemory, StepTable
from .stopwatch import Stopwatch


class Context:
    """One call in flight: `start(leaves, outputs)`, or `proceed()` with the addresses as they are.

    Both give ACCEPTED when the program is done; `start` gives the index of the first leaf that does
    not fit, and nothing has run. What is less is a call of Python: `host` says which, and `resume`
    goes on after it. Ctrl-C in a loop raises its error.
    `hold`: short enough to keep Python's lock. `native`: how arrays are read; None: as works here.
    `signals`: whether loops look for Ctrl-C, which takes Python's lock. `watch`: takes the times of
    kernels.
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
        watch: Stopwatch | None = None,
    ):
        self.table = table
        self.underway = Underway()
        self.team = team  # whose memory lives as long as a launch may use it
        self.arena = aligned_array(table.arena_bytes)
        # never 0: slabs know a member by its scratch
        stride = max(1, -(-table.scratch_bytes // ALIGNMENT)) * ALIGNMENT
        members = team.size if team else 1
        self.scratch = aligned_array(stride * members)
        self._memory = memory = NativeMemory(
            self.arena.ctypes.data, [c.ctypes.data for c in table.constants], len(table.inputs),
            self.scratch.ctypes.data, stride, members, signals, watch,
        )  # fmt: skip
        self._pointers = memory.words(len(table.inputs) + len(table.outputs))
        self.head = head = memory.words(border.CONTEXT_WORDS)
        memory.head = head.ctypes.data
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

    def host(self, found: int) -> tuple[CalledRow, tuple[int, ...], int]:
        """The call of Python that the walk waits for: row, addresses, and the step after it."""
        row, block, step = self._memory.hosts[walker.WAITING - found]
        return row, tuple(block.tolist()), step

    # ---- native memory

    def _arguments(self) -> dict[int, int]:
        table = self.table
        donors = self._memory.words(len(table.outputs))
        donors[:] = [table.donors.get(k, -1) for k in range(len(table.outputs))]
        order = self._memory.words(len(table.inputs))
        order[:] = range(len(table.inputs))
        return {
            border.POINTERS: self._pointers.ctypes.data, border.SPECS: self._specs(),
            border.INPUTS: len(table.inputs), border.OUTPUTS: len(table.outputs),
            border.DONORS: donors.ctypes.data,
            border.ORDER: order.ctypes.data if table.donors else 0,
        }  # fmt: skip

    def _specs(self) -> int:
        inputs, donated = self.table.inputs, self.table.donated
        specs = self._memory.words(len(inputs), border.SPEC_BYTES // 8)
        for i, spec in enumerate(inputs):
            sizes = self._memory.words(len(spec.shape))
            sizes[:] = spec.shape
            flags = CONTIGUOUS | ALIGNED | WRITEABLE * (i in donated)
            specs[i, :3] = id(spec.dtype), len(spec.shape), flags
            specs[i, 3:] = sizes.ctypes.data, spec.nbytes, i in donated
        return specs.ctypes.data

    def _table(self) -> dict[int, int]:
        """Steps, rows, loops, argument blocks, and what is written into them at every call."""
        memory = self._memory
        first_step = StepTable(self.table.steps, memory).first_step
        patches = memory.array(memory.patches, border.PATCH_BYTES)
        return {
            walker.FIRST_STEP: first_step, border.PATCHES: patches.ctypes.data,
            border.PATCH_COUNT: len(memory.patches),
        }  # fmt: skip

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
