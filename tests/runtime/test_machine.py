"""Walks of the same rows: in Python, in machine code, on a device in graphs or turn by turn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.runtime.random_rows import DEPTH, TEXT, WORDS, Maker, RowOf
from wonderland.runtime.cpu.context import Context
from wonderland.runtime.cpu.fenced import KERNEL
from wonderland.runtime.cpu.host_memory import HostMemory
from wonderland.runtime.cpu.program import Program, finish
from wonderland.runtime.gpu import segments
from wonderland.runtime.gpu.device import Launch
from wonderland.runtime.machine import Address, Machine
from wonderland.runtime.native import atomic, objects
from wonderland.runtime.rows import DeviceRow, KernelRow, Row, Slot
from wonderland.runtime.spec import ArraySpec
from wonderland.runtime.steps import Segment

SEEDS = range(150)
SPEC = ArraySpec(np.dtype(np.int64), (WORDS,))
ARENA_BYTES = 8 * (WORDS + 256)


@pytest.fixture(scope="module")
def noted() -> dict[str, int]:
    return objects.functions(TEXT, atomic.ATOMIC, inspect.getsource(atomic))


def run_kernel(address: int, words: tuple[int, ...]) -> None:
    args = np.array(words, np.int64)
    KERNEL(address)(args.ctypes.data, 0, 1, 0)


class Case:
    """Rows, the memory that they are over, and what a walk leaves there and in the log."""

    def __init__(self, seed: int, noted: dict[str, int]) -> None:
        self.seed, self.noted = seed, noted
        self.log = np.zeros(1 << 16, np.int64)
        rng = np.random.default_rng(seed)
        rows, constants = self.rows(self.kernel), (rng.integers(-9, 9, WORDS),)
        self.table = Program(rows, (SPEC,), (SPEC,), constants, ARENA_BYTES, poison=False).table
        self.context = Context(self.table, True, None)
        self.memory = [np.zeros(WORDS, np.int64) for _ in range(2)]
        self.memory += [self.context.arena.view(np.int64), self.table.constants[0]]
        self.start = [rng.integers(-9, 9, x.size) for x in self.memory]
        self.start[2][WORDS:] = 0

    def rows(self, row: RowOf) -> tuple[Row, ...]:
        maker = Maker(np.random.default_rng(self.seed), self.log, row, python=self.seed % 2 == 0)
        return tuple(maker.one(DEPTH) for _ in range(6))

    def kernel(self, name: str, slots: tuple[Slot, ...], sizes: tuple[int, ...]) -> Row:
        return KernelRow(self.noted[name], slots, sizes, 1, 1)

    def launch(self, name: str, slots: tuple[Slot, ...], sizes: tuple[int, ...]) -> Row:
        return DeviceRow(self.noted[name], slots, sizes, 1, 1)

    @property
    def spaces(self) -> dict[str, list[int]]:
        names = "input", "output", "arena", "constant"
        return {n: [x.ctypes.data] for n, x in zip(names, self.memory, strict=True)}

    def left_by(self, walk: Callable[[], object]) -> tuple[list[list[int]], list[int]]:
        for x, start in zip(self.memory, self.start, strict=True):
            x[...] = start
        self.log[0] = 0
        walk()
        return [x.tolist() for x in self.memory], self.log[1 : 1 + self.log[0]].tolist()

    def natively(self) -> None:
        x, out = self.memory[:2]
        finish(self.context, self.context.start((x,), (out,)))

    def in_python(self) -> None:
        def run(_: int, segment: Segment, address: Address) -> None:
            for row in segment.rows:
                assert isinstance(row, KernelRow)
                run_kernel(row.address, (*map(address, row.slots), *row.sizes))

        Machine(self.table.steps, self.spaces, HostMemory(), run).walk()


class Immediate(HostMemory):
    """A device that does on the processor at once what it is asked for."""

    def load(self, code: int) -> int:
        return code

    def launch(self, x: Launch) -> None:
        run_kernel(x.kernel, x.slots)

    def graph(self, waves: tuple[tuple[Launch, ...], ...]) -> Any:
        return Graph([x for wave in waves for x in wave], self)

    def download(self, array: np.ndarray, address: int) -> None:
        array[...] = self.read(address, array.dtype, array.shape)

    def upload(self, address: int, array: np.ndarray) -> None:
        self.write(address, array)


class Graph:
    def __init__(self, launches: list[Launch], device: Immediate) -> None:
        self.launches, self.device = launches, device

    def launch(self) -> None:
        for x in self.launches:
            self.device.launch(x)


def test_both_walkers_call_every_row_with_the_same_and_leave_the_same(noted) -> None:
    called = 0
    for seed in SEEDS:
        case = Case(seed, noted)
        native, python = case.left_by(case.natively), case.left_by(case.in_python)
        assert native == python, f"seed {seed}"
        called += len(native[1])
    assert called > 300 * len(SEEDS)


@pytest.fixture
def unrolled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(segments, "UNROLLED", request.param)
    yield request.param


@pytest.mark.parametrize("unrolled", [0, 256], indirect=True)
def test_a_device_is_asked_for_the_rows_that_the_processor_runs(noted, unrolled: int) -> None:
    """Loops in a graph, and turn by turn."""
    for seed in SEEDS:
        device: Any = Immediate()
        case = Case(seed, noted)
        steps = segments.DeviceSteps(device, case.rows(case.launch))
        call = segments.DeviceCall(device, case.spaces)
        got = case.left_by(lambda call=call, steps=steps: call.walk(steps))
        assert got == case.left_by(case.natively), f"seed {seed}"
