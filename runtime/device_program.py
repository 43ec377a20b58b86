"""A compiled program on a device: one graph of launches between calls of the host, an arena.

    program = DeviceProgram(device, rows, inputs, outputs, constants, arena_bytes)
    results = program(leaves)            arrays on the device; nothing waits

Promises: those of program.py. The arena is one allocation, made with the program; constants are
copied once. Arguments on the host are copied to the device at every call: arrays that are there
already (`device_put`, results) are not. A graph is made once; where arguments or results lie
elsewhere than at the call before, the launches that see them are changed in place.

Cost: a call asks for the memory of its results and sends one graph per segment.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .device import Device, DeviceError, Graph, Launch, Memory
from .device_array import DeviceArray, Storage, moved, put
from .guard import ArraySpec, accept
from .memory import POISON
from .program import donors, host_results
from .table import HostRow, Slot

Place = tuple[int, int]  # the address of a space, by name and index


@dataclass(frozen=True)
class DeviceRow:
    """A launch: `code` on the addresses of `slots`, then `sizes`, as numbers of 64 bits.

    Rows up to and including one with `barrier` are independent of each other.
    """

    code: Any
    slots: tuple[Slot, ...]
    sizes: tuple[int, ...]
    blocks: int
    threads: int
    shared_bytes: int = 0
    barrier: bool = True
    name: str = ""

    def __str__(self) -> str:
        words = " ".join(map(str, (*self.slots, *self.sizes)))
        shared = f", {self.shared_bytes} bytes shared" if self.shared_bytes else ""
        end = "" if self.barrier else ", no barrier"
        return f"{self.name or 'kernel'}({words})  {self.blocks} by {self.threads}{shared}{end}"


class DeviceProgram:
    """Rows over arguments, results, constants and an arena; see program.py for `donated`."""

    def __init__(
        self,
        device: Device,
        rows: tuple[DeviceRow | HostRow, ...],
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
        self.steps: tuple[Segment | HostRow, ...] = self._steps()
        self._lock = threading.Lock()  # one call at a time asks for its work: the arena is one

    def _steps(self) -> tuple[Segment | HostRow, ...]:
        steps: list[Segment | HostRow] = []
        rows: list[DeviceRow] = []
        for row in (*self.rows, None):
            if isinstance(row, DeviceRow):
                rows.append(row)
                continue
            if rows:
                steps.append(Segment(self.device, tuple(rows)))
                rows = []
            if row is not None:
                steps.append(row)
        return tuple(steps)

    def __str__(self) -> str:
        head = (
            f"program on {self.device}: {len(self.rows)} rows, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs, arena {self.arena_bytes} bytes"
        )
        return "\n".join([head, *(f"{k:4}  {row}" for k, row in enumerate(self.rows))])

    # ---- one call

    def __call__(self, leaves: tuple[Any, ...]) -> tuple[DeviceArray, ...]:
        """The results. Errors: TypeError of an argument, before anything has run."""
        with self._lock:
            given = self._arguments(leaves)
            results, taken = self._results(given)
            spaces = {
                "input": [x.address for x in given],
                "output": [x.address for x in results],
                "constant": [x.address for x in self.constants],
                "arena": [self.arena.address if self.arena else 0],
            }
            for step in self.steps:
                if isinstance(step, Segment):
                    step.run(lambda slot: spaces[slot.space][slot.index] + slot.offset_bytes)
                else:
                    self._host(step, spaces)
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
                storage = Storage(self.device.allocate(spec.nbytes))
                if x is not None:  # a donated argument that others see too is copied
                    self.device.copy(storage.address, x.address, spec.nbytes)
                    assert donor is not None
                    given[donor] = DeviceArray(self.device, storage, spec.dtype, spec.shape)
                elif self.poison:
                    self.device.fill(storage.address, POISON, spec.nbytes)
            else:
                storage = x.storage
                taken.append(x)
            results.append(DeviceArray(self.device, storage, spec.dtype, spec.shape))
        if self.poison and self.arena:
            self.device.fill(self.arena.address, POISON, self.arena_bytes)
        return tuple(results), taken

    def _own(self, x: DeviceArray, given: list[DeviceArray]) -> bool:
        """Whether the memory of an argument is the device's own and no other argument's."""
        return x.storage.reusable and sum(y.storage is x.storage for y in given) == 1

    def _host(self, row: HostRow, spaces: dict[str, list[int]]) -> None:
        """A call of Python between graphs: waits, copies there and back."""

        def address(slot: Slot) -> int:
            return spaces[slot.space][slot.index] + slot.offset_bytes

        arrays = []
        for slot, dtype, shape in row.inputs:
            array = np.empty(shape, dtype)
            self.device.download(array, address(slot))
            arrays.append(array)
        for result, (slot, _, _) in zip(host_results(row, arrays), row.outputs, strict=True):
            self.device.upload(address(slot), np.ascontiguousarray(result))


class Segment:
    """Launches between two calls of the host, and the graph that they become."""

    def __init__(self, device: Device, rows: tuple[DeviceRow, ...]) -> None:
        self.device, self.rows = device, rows
        self.kernels = tuple(device.load(row.code) for row in rows)
        self.graph: Graph | None = None
        self.addresses: list[tuple[int, ...]] = []
        self.moving = tuple(
            k
            for k, row in enumerate(rows)
            if any(slot.space in ("input", "output") for slot in row.slots)
        )

    def run(self, address: Callable[[Slot], int]) -> None:
        if self.graph is None:
            self.addresses = [tuple(map(address, row.slots)) for row in self.rows]
            self.graph = self.device.graph(self._waves())
        else:
            self._move(address)
        self.graph.launch()

    def _move(self, address: Callable[[Slot], int]) -> None:
        assert self.graph is not None
        for k in self.moving:
            found = tuple(map(address, self.rows[k].slots))
            if found != self.addresses[k]:
                before, self.addresses[k] = self.addresses[k], found
                try:
                    self.graph.change(k, self._launch(k))
                except DeviceError:
                    self.addresses[k] = before
                    raise

    def _launch(self, k: int) -> Launch:
        row = self.rows[k]
        slots = (*self.addresses[k], *row.sizes)
        return Launch(self.kernels[k], slots, row.blocks, row.threads, row.shared_bytes, row.name)

    def _waves(self) -> tuple[tuple[Launch, ...], ...]:
        waves: list[list[Launch]] = [[]]
        for k, row in enumerate(self.rows):
            waves[-1].append(self._launch(k))
            if row.barrier and k < len(self.rows) - 1:
                waves.append([])
        return tuple(map(tuple, waves))
