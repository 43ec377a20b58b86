"""A compiled program on a device: graphs of launches, loops and calls of the host, an arena.

    program = DeviceProgram(device, rows, inputs, outputs, constants, arena_bytes)
    results = program(leaves)            arrays on the device; nothing waits

Promises: those of cpu/program.py. The arena is one allocation, made with the program; constants are
copied once. Arguments on the host are copied to the device at every call: arrays that are there
already (`device_put`, results) are not. A graph is made once; where arguments or results lie
elsewhere than at the call before, the launches that see them are changed in place. A call that
fails half way leaves no half result: what it was given to overwrite is gone, as if donated.

Cost: a call asks for the memory of its results and sends one graph, where there are no loops of
many turns, branches, transfers and calls of Python (segments.py).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..machine import Spaces
from ..processes.world import world
from ..program import (
    SHARED,
    Bound,
    Leaves,
    NativeCalls,
    Table,
    donors,
    poisoned,
    text,
)
from ..rows import Row, RowTime, transfers_of
from ..spec import POISON, ArraySpec, accept
from .device import Device, DeviceMemory, StreamMark
from .device_array import DeviceArray, Loan, empty, moved_to, uploaded
from .segments import DeviceCall, DeviceSteps


class DeviceProgram:
    """Rows over arguments, results, constants and an arena; see cpu/program.py for `donated`."""

    def __init__(
        self,
        device: Device,
        rows: tuple[Row, ...],
        inputs: tuple[ArraySpec, ...],
        outputs: tuple[ArraySpec, ...],
        constants: tuple[np.ndarray, ...] = (),
        arena_bytes: int = 0,
        donated: tuple[tuple[int, int], ...] = (),
        poison: bool | None = None,
    ):
        self.device, self.rows = device, tuple(rows)
        self.poison = poisoned(poison)
        self.steps = DeviceSteps(device, self.rows)
        self.table = Table(
            steps=self.steps.steps,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            constants=tuple(uploaded(c, device, ArraySpec(c.dtype, c.shape)) for c in constants),
            arena_bytes=arena_bytes,
            scratch_bytes=0,
            donors=donors(inputs, outputs, donated),
        )
        self.arena: DeviceMemory | None = device.allocate(arena_bytes) if arena_bytes else None
        self._transfers = "\n".join(map(str, transfers_of(self.rows)))
        self._agreed = not self._transfers
        self._lock = threading.Lock()  # one call at a time asks for its work: the arena is one

    def __str__(self) -> str:
        return text(self.table, self.rows, f" on {self.device}")

    # ---- one call

    def __call__(self, leaves: Leaves) -> tuple[DeviceArray, ...]:
        """The arrays may still be under way: nothing waits."""
        return self._call(leaves, lambda call: call.walk(self.steps))

    def _call(self, leaves: Leaves, run: Callable[[DeviceCall], None]) -> tuple[DeviceArray, ...]:
        with self._lock:
            self._agree()
            given = self._arguments(leaves)
            results, taken = self._results(given)
            call = DeviceCall(self.device, self._spaces(given, results))
            done = False
            try:
                with call.underway:
                    run(call)
                done = True
            finally:
                if call.began or done:
                    for x in taken:
                        x.donate()
            return results

    def attempt(self, leaves: Leaves) -> tuple[DeviceArray, ...] | None:
        """None also where all leaves are on the host, who may want them computed there."""
        inputs = self.table.inputs
        fit = len(leaves) == len(inputs) and all(
            isinstance(x, DeviceArray | np.ndarray) and x.dtype == s.dtype and x.shape == s.shape
            for x, s in zip(leaves, inputs, strict=True)
        )
        there = any(isinstance(x, DeviceArray) and x.device is self.device for x in leaves)
        return self(leaves) if fit and there else None

    def profile(self, leaves: Leaves, again: Iterable[Leaves] = ()) -> tuple[RowTime, ...]:
        """On the clock of the device, row by row."""
        alone = [DeviceSteps(self.device, (row,)) for row in self.rows]

        def seconds(given: Leaves) -> Sequence[float]:
            marks: list[StreamMark] = []

            def run(call: DeviceCall) -> None:
                marks.append(self.device.mark(timed=True))
                for steps in alone:
                    call.walk(steps)
                    marks.append(self.device.mark(timed=True))

            self._call(given, run)
            return [after.seconds_since(before) for before, after in itertools.pairwise(marks)]

        best = min(map(seconds, (leaves, *again)), key=sum)
        pairs = enumerate(zip(self.rows, best, strict=True))
        return tuple(RowTime(row, spent, spent, 1.0, k) for k, (row, spent) in pairs)

    def finish(self) -> None:
        self.device.synchronize()

    def _agree(self) -> None:
        """Before the first call: all processes have a program of the same transfers, or none runs
        it. Errors: ProcessError."""
        if not self._agreed:
            world().agree("the transfers of a program", self._transfers)
            self._agreed = True

    # ---- tied to memory

    def bind(self, leaves: tuple[DeviceArray, ...]) -> Bound:
        storages = [x.storage for x in leaves]
        if any(storages.count(storages[i]) > 1 for i in self.table.donated):
            raise TypeError(SHARED)
        made = [
            None if k in self.table.donors else empty(self.device, spec)
            for k, spec in enumerate(self.table.outputs)
        ]
        results = self.table.results(leaves, made)

        def restore(x: DeviceArray, before: DeviceArray) -> None:
            self.device.copy(x.address, before.address, x.nbytes)

        return Bound(self.table, leaves, results, TiedDeviceCall(self, leaves, results), restore)

    def native_calls(self) -> NativeCalls:
        raise TypeError(f"a program on the processor is required, got one on {self.device}")

    def refusal(self, leaf: Any) -> tuple[str, str] | None:
        if isinstance(leaf, DeviceArray) and leaf.device is self.device:
            return None
        return f"on {self.device}", f'wl.device_put(x, "{self.device}") before, and bind that'

    # ---- parts of a call

    def _spaces(self, given: Iterable[DeviceArray], results: Iterable[DeviceArray]) -> Spaces:
        return {
            "input": [x.address for x in given],
            "output": [x.address for x in results],
            "constant": [x.address for x in self.table.constants],
            "arena": [self.arena.address if self.arena else 0],
        }

    def _arguments(self, leaves: Leaves) -> list[DeviceArray]:
        """All on the device, of their kinds."""
        self.table.counted(leaves)
        checked = []
        for k, (x, spec) in enumerate(zip(leaves, self.table.inputs, strict=True)):
            if isinstance(x, DeviceArray):
                if x.spec != spec:
                    raise TypeError(f"argument {k}: {spec} is required, got {x.spec}")
                checked.append(x.storage and x)  # a donated one says so
            else:
                checked.append(accept(x, spec, k, False))
        return [
            moved_to(x, self.device)
            if isinstance(x, DeviceArray)
            else uploaded(x, self.device, spec)
            for x, spec in zip(checked, self.table.inputs, strict=True)
        ]

    def _results(self, given: list[DeviceArray]) -> tuple[tuple[DeviceArray, ...], list[Any]]:
        """Memory for the results, and the arguments that are donated for it."""
        made: list[DeviceArray | None] = []
        taken: list[DeviceArray] = []
        for k, spec in enumerate(self.table.outputs):
            i = self.table.donors.get(k)
            if i is None:
                result = empty(self.device, spec)
                if self.poison:
                    self.device.fill(result.address, POISON, spec.nbytes)
                made.append(result)
                continue
            made.append(None)
            x = given[i]
            if self._own(x, given):
                taken.append(x)
                given[i] = DeviceArray(self.device, x.storage, spec.dtype, spec.shape)
            else:  # a donated argument that others see too is copied
                given[i] = x.copy()
        if self.poison and self.arena:
            self.device.fill(self.arena.address, POISON, self.table.arena_bytes)
        return self.table.results(given, made), taken

    def _own(self, x: DeviceArray, given: list[DeviceArray]) -> bool:
        """Whether the memory of an argument is the device's own and no other argument's."""
        return x.storage.reusable and sum(y.storage is x.storage for y in given) == 1


class TiedDeviceCall:
    """A call on fixed memory: it sends its graphs, and looks at nothing."""

    def __init__(
        self, program: DeviceProgram, leaves: Sequence[DeviceArray], results: Sequence[DeviceArray]
    ) -> None:
        self.program = program
        # so that no other program takes this memory for its results
        self.kept = [Loan(program.device, x.storage, None) for x in (*leaves, *results)]
        self.spaces = program._spaces(leaves, results)
        self.steps = DeviceSteps(program.device, program.rows, fixed=True)

    def __call__(self) -> None:
        with self.program._lock:
            self.program._agree()
            call = DeviceCall(self.program.device, self.spaces)
            with call.underway:
                call.walk(self.steps)
