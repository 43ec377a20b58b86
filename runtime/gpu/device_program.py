"""A compiled program on a device: graphs of launches, loops and calls of the host, an arena.

    program = DeviceProgram(device, rows, inputs, outputs, constants, arena_bytes)
    results = program(leaves)            arrays on the device; nothing waits

Promises: those of program.py. The arena is one allocation, made with the program; constants are
copied once. Arguments on the host are copied to the device at every call: arrays that are there
already (`device_put`, results) are not. A graph is made once; where arguments or results lie
elsewhere than at the call before, the launches that see them are changed in place. A call that
fails half way leaves no half result: what it was given to overwrite is gone, as if donated.

Cost: a call asks for the memory of its results and sends one graph, where there are no loops of
many turns, branches and calls of Python (segments.py).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..machine import Spaces
from ..rows import Row, donors, printed
from ..spec import POISON, ArraySpec, accept
from .device import Device, Memory
from .device_array import DeviceArray, Loan, empty, moved, put
from .segments import DeviceCall, DeviceSteps


class DeviceProgram:
    """Rows over arguments, results, constants and an arena; see program.py for `donated`."""

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
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.arena_bytes = arena_bytes
        self.poison = "WONDERLAND_POISON" in os.environ if poison is None else poison
        self.donors = donors(inputs, outputs, donated)
        self.constants = tuple(put(c, device, ArraySpec(c.dtype, c.shape)) for c in constants)
        self.arena: Memory | None = device.allocate(arena_bytes) if arena_bytes else None
        self.steps = DeviceSteps(device, self.rows)
        self._lock = threading.Lock()  # one call at a time asks for its work: the arena is one

    def __str__(self) -> str:
        head = (
            f"program on {self.device}: {len(self.rows)} rows, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs, arena {self.arena_bytes} bytes"
        )
        lines = enumerate(printed(self.rows))
        return "\n".join([head, *(f"{k:4}  {line}" for k, line in lines)])

    # ---- one call

    def __call__(self, leaves: tuple[Any, ...]) -> tuple[DeviceArray, ...]:
        """The results. Errors: TypeError of an argument, before anything has run."""
        return self._call(leaves, lambda call: call.walk(self.steps))

    def _call(
        self, leaves: tuple[Any, ...], run: Callable[[DeviceCall], None]
    ) -> tuple[DeviceArray, ...]:
        with self._lock:
            given = self._arguments(leaves)
            results, taken = self._results(given)
            call = DeviceCall(self.device, self._spaces(given, results))
            done = False
            try:
                run(call)
                done = True
            finally:
                if call.began or done:
                    for x in taken:
                        x.donate()
            return results

    def attempt(self, leaves: tuple[Any, ...]) -> tuple[DeviceArray, ...] | None:
        """As program.py's: the results, or None where a leaf is not exactly of its kind.

        None also where all leaves are on the host, who may want them computed there.
        """
        fits = len(leaves) == len(self.inputs) and all(
            isinstance(x, DeviceArray | np.ndarray) and x.dtype == s.dtype and x.shape == s.shape
            for x, s in zip(leaves, self.inputs, strict=True)
        )
        there = any(isinstance(x, DeviceArray) and x.device is self.device for x in leaves)
        return self(leaves) if fits and there else None

    def profile(
        self, leaves: tuple[Any, ...], again: Iterable[tuple[Any, ...]] = ()
    ) -> tuple[tuple[str, float], ...]:
        """Runs row by row: name and seconds of every row, on the clock of the device.

        Runs once, and once more for each of the leaves in `again`; the least seconds count.
        """
        alone = [DeviceSteps(self.device, (row,)) for row in self.rows]
        least = np.full(len(self.rows), np.inf)

        def run(call: DeviceCall) -> None:
            marks = [self.device.mark(timed=True)]
            for steps in alone:
                call.walk(steps)
                marks.append(self.device.mark(timed=True))
            times = [after.seconds_since(before) for before, after in itertools.pairwise(marks)]
            np.minimum(least, times, out=least)

        for given in itertools.chain((leaves,), again):
            self._call(given, run)
        return tuple((row.name, float(s)) for row, s in zip(self.rows, least, strict=True))

    def finish(self) -> None:
        """Waits until all calls are done."""
        self.device.synchronize()

    # ---- tied to memory

    def bind(self, leaves: tuple[Any, ...]) -> DeviceBound:
        return DeviceBound(self, leaves)

    def refusal(self, leaf: Any) -> tuple[str, str] | None:
        """What is required of an array that is bound, and the repair; None if it is that."""
        if isinstance(leaf, DeviceArray) and leaf.device is self.device:
            return None
        return f"on {self.device}", f'wl.device_put(x, "{self.device}") before, and bind that'

    # ---- parts of a call

    def _spaces(self, given: Iterable[DeviceArray], results: Iterable[DeviceArray]) -> Spaces:
        return {
            "input": [x.address for x in given],
            "output": [x.address for x in results],
            "constant": [x.address for x in self.constants],
            "arena": [self.arena.address if self.arena else 0],
        }

    def _arguments(self, leaves: tuple[Any, ...]) -> list[DeviceArray]:
        """All on the device, of their kinds."""
        if len(leaves) != len(self.inputs):
            raise TypeError(f"{len(self.inputs)} arguments are required, got {len(leaves)}")
        checked = []
        for k, (x, spec) in enumerate(zip(leaves, self.inputs, strict=True)):
            if isinstance(x, DeviceArray):
                if x.spec != spec:
                    raise TypeError(f"argument {k}: {spec} is required, got {x.spec}")
                checked.append(x.storage and x)  # a donated one says so
            else:
                checked.append(accept(x, spec, k, False))
        return [
            moved(x, self.device) if isinstance(x, DeviceArray) else put(x, self.device, spec)
            for x, spec in zip(checked, self.inputs, strict=True)
        ]

    def _results(self, given: list[DeviceArray]) -> tuple[tuple[DeviceArray, ...], list[Any]]:
        """Memory for the results, and the arguments that are donated for it."""
        results: list[DeviceArray] = []
        taken = []
        for k, spec in enumerate(self.outputs):
            donor = self.donors.get(k)
            x = None if donor is None else given[donor]
            if x is None or not self._own(x, given):
                result = empty(self.device, spec) if x is None else x.copy()
                if x is not None:  # a donated argument that others see too is copied
                    assert donor is not None
                    given[donor] = result
                elif self.poison:
                    self.device.fill(result.address, POISON, spec.nbytes)
                results.append(result)
            else:
                taken.append(x)
                results.append(DeviceArray(self.device, x.storage, spec.dtype, spec.shape))
        if self.poison and self.arena:
            self.device.fill(self.arena.address, POISON, self.arena_bytes)
        return tuple(results), taken

    def _own(self, x: DeviceArray, given: list[DeviceArray]) -> bool:
        """Whether the memory of an argument is the device's own and no other argument's."""
        return x.storage.reusable and sum(y.storage is x.storage for y in given) == 1


class DeviceBound:
    """A program tied to arrays of its device: a call sends its graphs, and looks at nothing.

    Every call overwrites the results; a donated argument is its result. Making it runs the program
    once; donated arguments are as before after it.
    """

    def __init__(self, program: DeviceProgram, leaves: tuple[DeviceArray, ...]) -> None:
        self.program, device = program, program.device
        donated = set(program.donors.values())
        storages = [x.storage for x in leaves]
        if any(storages.count(storages[i]) > 1 for i in donated):
            raise TypeError("arguments that share memory with a donated one cannot be bound")
        self.results = tuple(
            leaves[program.donors[k]] if k in program.donors else empty(device, spec)
            for k, spec in enumerate(program.outputs)
        )
        # so that no other program takes this memory for its results
        self._kept = [Loan(device, x.storage, None) for x in (*leaves, *self.results)]
        self._spaces = program._spaces(leaves, self.results)
        self._steps = DeviceSteps(device, program.rows, fixed=True)
        before = {i: leaves[i].copy() for i in donated}
        try:
            self()
        finally:
            for i, x in before.items():
                device.copy(leaves[i].address, x.address, x.nbytes)

    def __call__(self) -> tuple[DeviceArray, ...]:
        with self.program._lock:
            DeviceCall(self.program.device, self._spaces).walk(self._steps)
        return self.results
