"""A compiled program: a table of kernels and host calls that a call walks.

    program = Program(rows, inputs, outputs, constants, arena_bytes, scratch_bytes, seconds)
    results = program(leaves)

Promises: results share memory with no argument, constant or other result, except where an argument is donated; bits do not depend
on the number of threads; calls from several threads run at once, each in its own context; after an error the program is as
before.

Cost: a call of a small program takes about 0.5 microseconds beside its kernels.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from .border import ACCEPTED
from .executor import team
from .guard import ArraySpec, accept, spelled
from .memory import POISON, POOLED_BYTES, Pool
from .table import Context, HostRow, KernelRow, Operand, Slot, Table, steps_of

__all__ = ["ArraySpec", "HostRow", "KernelRow", "Program", "Slot"]

Arrays = tuple[np.ndarray, ...]

TOGETHER_SECONDS = 50e-6  # a shorter program never wakes the team: waking takes 25 microseconds
HOLD_SECONDS = 10e-6  # a shorter one keeps Python's lock


class Program:
    """Rows over arguments, constants and an arena; `seconds` is an estimate that decides whether the team is woken.

    `donated`: pairs (input, output) of one type; the argument's memory becomes the result's. An argument that is read-only
    or shares memory with another is copied instead.
    `poison` (WONDERLAND_POISON): arena, scratch and results hold NaN before every call.
    """

    def __init__(
        self,
        rows: tuple[KernelRow | HostRow, ...],
        inputs: tuple[ArraySpec, ...],
        outputs: tuple[ArraySpec, ...],
        constants: tuple[np.ndarray, ...] = (),
        arena_bytes: int = 0,
        scratch_bytes: int = 0,
        seconds: float = 0.0,
        donated: tuple[tuple[int, int], ...] = (),
        poison: bool | None = None,
    ):
        for i, k in donated:
            if inputs[i] != outputs[k]:
                raise ValueError(f"donation: input {i} is {inputs[i]} and output {k} is {outputs[k]}")
        donors = {k: i for i, k in donated}
        if len(set(donors.values())) < len(donated):
            raise ValueError("donation: an input is donated twice")
        kept = tuple(np.require(c, requirements=["C", "A"]) for c in constants)
        self.rows, self.seconds = tuple(rows), seconds
        self.table = Table(
            steps_of(self.rows), tuple(inputs), tuple(outputs), kept, arena_bytes, scratch_bytes, donors
        )
        self.poison = "WONDERLAND_POISON" in os.environ if poison is None else poison
        self._shapes, self._dtypes = [s.shape for s in outputs], [s.dtype for s in outputs]
        large = Counter(s.nbytes for s in outputs if s.nbytes >= POOLED_BYTES)
        self._pool = Pool({nbytes: 2 * count for nbytes, count in large.items()})
        self._plain = not (large or donors or self.poison) and len(self.table.steps) == 1
        self._together = seconds >= TOGETHER_SECONDS
        self._contexts: list[Context] = []  # not in flight

    def __call__(self, leaves: tuple[Any, ...]) -> Arrays:
        try:
            context = self._contexts.pop()
        except IndexError:
            context = self._new_context(self.table)
        if self._together and context.team is not team():
            context = self._new_context(self.table)
        if self._plain:
            outputs = tuple(map(np.empty, self._shapes, self._dtypes))
            if context.start(leaves, outputs) != ACCEPTED:
                self._start_again(context, leaves, outputs)
        else:
            outputs = self._run(context, leaves)
        self._contexts.append(context)  # after an error it is dropped instead
        return outputs

    def profile(self, leaves: tuple[Any, ...]) -> tuple[tuple[str, float], ...]:
        """Runs once, row by row: name and seconds of every row that has work."""
        table = replace(self.table, steps=steps_of(self.rows, alone=True))
        times: list[float] = []
        self._run(self._new_context(table), leaves, times)
        rows = [step if isinstance(step, HostRow) else step[0] for step in table.steps[1:]]
        return tuple((row.name, float(s)) for row, s in zip(rows, np.diff(times), strict=True))

    def __str__(self) -> str:
        table = self.table
        head = (
            f"program: {len(self.rows)} rows, {len(table.inputs)} inputs, {len(table.outputs)} outputs, "
            f"arena {table.arena_bytes} bytes, scratch {table.scratch_bytes} bytes"
        )
        return "\n".join([head, *(f"{k:4}  {row}" for k, row in enumerate(self.rows))])

    # ---- one call

    def _new_context(self, table: Table) -> Context:
        return Context(table, self.seconds < HOLD_SECONDS, team() if self._together else None)

    def _run(self, context: Context, leaves: tuple[Any, ...], times: list[float] | None = None) -> Arrays:
        """A call in general: donation, pooled results, poison, host rows. `times` receives the time after each step."""
        made = tuple(None if k in self.table.donors else self._output(s) for k, s in enumerate(self.table.outputs))
        if self.poison:
            for memory in (context.arena, context.scratch, *made):
                if memory is not None:
                    ctypes.memset(memory.ctypes.data, POISON, memory.nbytes)
        if context.start(leaves, made) != ACCEPTED:
            leaves = self._start_again(context, leaves, made)
        donors = self.table.donors
        outputs = tuple(leaves[donors[k]] if array is None else array for k, array in enumerate(made))
        spaces = {"input": leaves, "output": outputs, "constant": self.table.constants, "arena": (context.arena,)}
        segment = 0  # which `start` has run
        for step in (None, *context.table.steps[1:]):
            if isinstance(step, HostRow):
                call_host(step, spaces)
            elif step is not None:
                segment += 1
                context.resume(segment)
            if times is not None:
                times.append(time.perf_counter())
        return outputs

    def _output(self, spec: ArraySpec) -> np.ndarray:
        if spec.nbytes >= POOLED_BYTES:
            return self._pool.output(spec.shape, spec.dtype, spec.nbytes)
        return np.empty(spec.shape, spec.dtype)

    def _start_again(
        self, context: Context, leaves: tuple[Any, ...], outputs: tuple[np.ndarray | None, ...]
    ) -> tuple[np.ndarray, ...]:
        """After the guard refused: converts the arguments or says what is wrong with them."""
        specs, donated = self.table.inputs, set(self.table.donors.values())
        if len(leaves) != len(specs):
            raise TypeError(f"{len(specs)} arguments are required, got {len(leaves)}")
        accepted = tuple(accept(x, s, i, i in donated) for i, (x, s) in enumerate(zip(leaves, specs, strict=True)))
        if context.start(accepted, outputs) != ACCEPTED:  # a donated argument shares memory with another
            accepted = tuple(x.copy() if i in donated else x for i, x in enumerate(accepted))
            if context.start(accepted, outputs) != ACCEPTED:
                raise AssertionError("the native guard and guard.py differ")
        return accepted


def call_host(row: HostRow, spaces: dict[str, Arrays]) -> None:
    results = row.function(*[view(operand, spaces).copy() for operand in row.inputs])
    if not isinstance(results, tuple):
        results = () if results is None else (results,)
    if len(results) != len(row.outputs):
        raise ValueError(f"{row.name}: {len(row.outputs)} results are required, got {len(results)}")
    for result, operand in zip(map(np.asarray, results), row.outputs, strict=True):
        _, dtype, shape = operand
        if result.dtype != dtype or result.shape != shape:
            required, got = spelled(dtype, shape), spelled(result.dtype, result.shape)
            raise ValueError(f"{row.name}: {required} is required, got {got}")
        view(operand, spaces)[...] = result


def view(operand: Operand, spaces: dict[str, Arrays]) -> np.ndarray:
    """The memory of a slot as an array."""
    slot, dtype, shape = operand
    array = spaces[slot.space][0 if slot.space == "arena" else slot.index]
    nbytes = ArraySpec(dtype, shape).nbytes
    memory = array.reshape(-1).view(np.uint8)[slot.offset_bytes : slot.offset_bytes + nbytes]
    return memory.view(dtype).reshape(shape)
