"""The team's protocol under every order of its steps: the walker's source, run by a scheduler.

Each word of the native language is one step of a member; a seeded scheduler says whose is next. So
a launch that ends before its last member has let go of it is found here, and not once in a month.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wonderland.runtime.cpu import walker

Steps = Generator[Any, None, Any]
BUILT_IN = {"min", "max", "range"}
TEAM, TABLE, CONTEXT = 0, 10_000, 20_000


class Stepwise(ast.NodeTransformer):
    """Every call of a word or a function is waited for."""

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        plain = isinstance(node.func, ast.Name) and node.func.id in BUILT_IN
        return node if plain else ast.YieldFrom(node)


class Machine:
    """Memory, and the members that work on it, one step at a time."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.memory: dict[int, int] = {}
        self.done: list[tuple[int, int]] = []  # kernel and chunk
        self.members: dict[str, Steps] = {}
        self.asleep: set[str] = set()
        self.running = ""
        self.wakes = self.now = self.tick = 0  # a look at the clock takes a tick
        tree = Stepwise().visit(ast.parse(Path(walker.__file__).read_text()))
        words = {
            "read64": self.load, "load": self.load, "write64": self.store, "store": self.store,
            "add": self.add, "swap": self.swap, "pause": self.pause, "wait": self.wait,
            "wake": self.wake, "processor": self.processor, "call": self.call,
            "clock": self.clock,
        }  # fmt: skip
        names: dict[str, Any] = {name: self.word(function) for name, function in words.items()}
        exec(compile(ast.fix_missing_locations(tree), walker.__file__, "exec"), names)
        names["SPINS"] = 1
        self.names = names

    def word(self, function: Callable[..., Any]) -> Callable[..., Steps]:
        def steps(*args: int) -> Steps:
            yield
            found = function(*args)
            return (yield from found) if isinstance(found, Generator) else found

        return steps

    # ---- words

    def load(self, address: int) -> int:
        return self.memory.get(address, 0)

    def store(self, address: int, value: int) -> None:
        self.memory[address] = value

    def add(self, address: int, value: int) -> int:
        before = self.load(address)
        self.memory[address] = before + value
        return before

    def swap(self, address: int, old: int, new: int) -> int:
        before = self.load(address)
        if before == old:
            self.memory[address] = new
        return before

    def pause(self) -> None:
        pass

    def wait(self, address: int, value: int) -> Steps:
        if self.load(address - 4) // walker.SEQUENCE == value:
            self.asleep.add(self.running)
            yield

    def wake(self, address: int, count: int) -> None:
        self.asleep.clear()
        self.wakes += 1

    def processor(self) -> int:
        return -1

    def clock(self, address: int) -> None:
        self.now += self.tick
        self.memory |= {address: 0, address + 8: self.now}

    def call(self, kernel: int, args: int, start: int, stop: int, scratch: int) -> Steps:
        yield
        self.done.append((kernel, start))

    # ---- members

    def run(self) -> None:
        """Until all members are done; now and then one is held up for long."""
        while self.members:
            awake = [name for name in self.members if name not in self.asleep]
            assert awake, "all members sleep"
            self.running = awake[self.rng.integers(len(awake))]
            for _ in range(self.rng.choice([1, 2, 40])):
                try:
                    next(self.members[self.running])
                except StopIteration:
                    del self.members[self.running]
                    break
                if self.running in self.asleep:
                    break


def table(machine: Machine, launches: list[list[int]]) -> list[int]:
    """Segments of phases of one row each, by how many chunks they have; where the segments are."""
    address, segments = TABLE, []
    for chunks in launches:
        phases, segment = address + 64, address
        rows = phases + walker.PHASE_BYTES * len(chunks)
        address = rows + walker.ROW_BYTES * len(chunks)
        segments.append(segment)
        machine.store(segment + walker.PHASES_BEGIN, phases)
        machine.store(segment + walker.PHASES_END, rows)
        for k, count in enumerate(chunks):
            row, phase = rows + walker.ROW_BYTES * k, phases + walker.PHASE_BYTES * k
            words = {
                phase + walker.PHASE_ROWS: row, phase + walker.CHUNKS: count,
                row + walker.KERNEL: row, row + walker.POINTS: count, row + walker.GRAIN: 1,
                row + walker.END_CHUNK: count,
            }  # fmt: skip
            machine.memory |= words
    return segments


@pytest.mark.parametrize("workers", [1, 2])
def test_every_chunk_of_every_launch_is_done_once_and_in_the_order_of_phases(workers: int) -> None:
    launches = [[2, 3], [1, 1], [2], [3, 2]]
    for seed in range(100):
        machine = Machine(seed)
        segments = table(machine, launches)
        ends: list[int] = []

        def caller(machine: Machine = machine, segments: Any = segments, ends: Any = ends) -> Steps:
            for segment in segments:
                yield from machine.names["launch"](TEAM, CONTEXT, segment)
                ends.append(len(machine.done))
            yield from machine.names["stop_team"](TEAM)

        machine.members["caller"] = caller()
        for k in range(workers):
            machine.members[f"worker {k}"] = machine.names["serve"](TEAM, 1 + k)
        machine.run()
        assert ends == np.cumsum([sum(chunks) for chunks in launches]).tolist(), f"seed {seed}"
        kernels = [kernel for kernel, _ in machine.done]
        assert kernels == sorted(kernels) and len(set(machine.done)) == len(machine.done)
