"""A compiled program: a table of kernels and host calls, walked at every call.

    program = Program(rows, inputs, outputs, constants, arena_bytes, scratch_bytes, seconds)
    results = program(leaves)

Promises: results share memory with no argument, constant or other result, except where an argument
is donated. Bits do not depend on the number of threads. Calls from several threads run at once,
each in its own context. After an error the program is as before.

Cost: a call of a small program takes about 0.7 microseconds beside its kernels.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ..machine import call_host
from ..processes.world import world
from ..program import (
    SHARED,
    Bound,
    Leaves,
    Table,
    donors,
    poisoned,
    text,
)
from ..rows import HOLD_SECONDS, HostRow, Row, RowTime, transfers_of, worth_the_team
from ..spec import POISON, ArraySpec, fits_spec
from ..steps import Host, Segment, steps_of
from . import fenced
from .border import ACCEPTED
from .context import Context
from .desk import Desk
from .executor import team, thread_count
from .host_memory import HostMemory
from .memory import POOLED_BYTES, Pool
from .stopwatch import Stopwatch, wave_seconds

Arrays = tuple[np.ndarray, ...]


class Program:
    """Rows over arguments, results, constants and an arena.

    `seconds`: an estimate of all; it decides whether Python's lock is given up, and `together`, of
    the rows that are in no loop, whether these wake the team: None is by `seconds`, too.
    `donated`: pairs (input, output) of one type: the argument's memory becomes the result's. An
    argument that is read-only or shares memory with another is copied instead.
    `spare`: calls, beside one, for which the memory of dead results is kept.
    `poison` (WONDERLAND_POISON): arena, scratch and results hold NaN before every call.
    `guard` (WONDERLAND_GUARD): "end" or "begin", every row runs between pages that may not be
    touched (fenced.py).
    """

    def __init__(
        self,
        rows: tuple[Row, ...],
        inputs: tuple[ArraySpec, ...],
        outputs: tuple[ArraySpec, ...],
        constants: Arrays = (),
        arena_bytes: int = 0,
        scratch_bytes: int = 0,
        seconds: float = 0.0,
        donated: tuple[tuple[int, int], ...] = (),
        poison: bool | None = None,
        spare: int = 1,
        together: bool | None = None,
    ):
        self.rows, self.seconds = tuple(rows), seconds
        self._top = worth_the_team(seconds) if together is None else together
        self.poison = poisoned(poison)
        self.guard = fenced.checked_side(os.environ.get("WONDERLAND_GUARD", ""))
        self.table = Table(
            steps=steps_of(self.rows, self._top),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            constants=tuple(np.require(c, requirements=["C", "A"]) for c in constants),
            arena_bytes=arena_bytes,
            scratch_bytes=scratch_bytes,
            donors=donors(inputs, outputs, donated),
        )
        self._make = makers(self.table, spare)
        steps = self.table.steps
        hosts = any(isinstance(s, Host) for s in steps)
        self._plain = not (self.table.donors or self.poison or self.guard or hosts)
        self._together = self._top or any(isinstance(s, Segment) and s.together for s in steps)
        self._contexts: list[Context] = []  # not in flight
        self._transfers = tuple(map(str, transfers_of(self.rows)))
        self._agreed = not self._transfers

    def __call__(self, leaves: Leaves) -> Arrays:
        results = self.attempt(leaves)
        if results is None:
            results = self._call(leaves, convert=True)
        assert results is not None
        return results

    def attempt(self, leaves: Leaves) -> Arrays | None:
        if not self._plain:
            return self._call(leaves, convert=False)
        context = self._context()
        results = tuple([make() for make in self._make])
        accepted = context.start(leaves, results) == ACCEPTED
        self._contexts.append(context)  # after an error it is dropped instead
        return results if accepted else None

    def profile(self, leaves: Leaves, again: Iterable[Leaves] = ()) -> tuple[RowTime, ...]:
        """All in the same memory, which only the first run finds untouched."""
        watch = Stopwatch()
        context = self._new_context(watch)
        runs: list[tuple[tuple[RowTime, ...], ...]] = []
        for given in (leaves, *again):
            watch.start()
            self._run(context, given, True, watch)
            runs.append(watch.times(self.rows))
        waves = (min(each, key=wave_seconds) for each in zip(*runs, strict=True))
        return tuple(itertools.chain.from_iterable(waves))

    def finish(self) -> None:
        """Nothing waits: calls are done when they return."""

    # ---- tied to memory

    def bind(self, leaves: Leaves) -> Bound:
        for k, (leaf, spec) in enumerate(zip(leaves, self.table.inputs, strict=True)):
            if not fits_spec(leaf, spec, k in self.table.donated):
                got = type(leaf).__name__
                if isinstance(leaf, np.ndarray):
                    got = "another kind or layout"
                required = f"{spec} in C order, aligned"
                raise TypeError(f"argument {k}: {required} is required, got {got}")
        made = tuple([make() for make in self._make])
        results = self.table.results(leaves, made)
        return Bound(self.table, leaves, results, TiedCall(self, leaves, made), np.copyto)

    def native_calls(self) -> Desk:
        called = [s.row for s in self.table.steps if isinstance(s, Host)]
        hosts = [row for row in called if isinstance(row, HostRow) and row.condition is not None]
        if needs := next((row for row in called if row not in hosts), None):
            required = "a program without Python is required"
            raise TypeError(f"{required}, got one that calls {needs.name}")
        members = team() if self._together else None
        seats = max(2, thread_count(), os.cpu_count() or 1)
        contexts = [Context(self.table, True, members, signals=False) for _ in range(seats)]
        return Desk(contexts, tuple(row.failure for row in hosts))

    def refusal(self, leaf: Any) -> tuple[str, str] | None:
        flags = leaf.flags if isinstance(leaf, np.ndarray) else None
        if flags is not None and flags.c_contiguous and flags.aligned:
            return None
        return "in C order", "np.ascontiguousarray(x, dtype) before, and bind that"

    def __str__(self) -> str:
        scratch = f", scratch {self.table.scratch_bytes} bytes"
        return text(self.table, self.rows, memory=scratch)

    # ---- one call

    def _new_context(self, watch: Stopwatch | None = None) -> Context:
        self._agree()
        members = team() if self._together else None
        return Context(self.table, self.seconds < HOLD_SECONDS, members, watch=watch)

    def _agree(self) -> None:
        """Before the first call: all processes have a program of the same transfers, or none runs
        it. Errors: ProcessError."""
        if not self._agreed:
            world().agree("the transfers of a program", "\n".join(self._transfers))
            self._agreed = True

    def _context(self) -> Context:
        """A context that is not in flight."""
        try:
            context = self._contexts.pop()
        except IndexError:
            context = None  # errors of a new one are said without this one
        if context is None or (self._together and context.team is not team()):
            return self._new_context()
        return context

    def _call(self, leaves: Leaves, convert: bool) -> Arrays | None:
        if self.guard:
            self._agree()
            fit = convert or self.table.refused(leaves) < 0
            return fenced.fenced_call(self.table, self.guard, leaves) if fit else None
        context = self._context()
        results = self._run(context, leaves, convert)
        self._contexts.append(context)
        return results

    def _run(
        self,
        context: Context,
        leaves: Leaves,
        convert: bool,
        watch: Stopwatch | None = None,
    ) -> Arrays | None:
        """A call in general."""
        table = context.table
        made = tuple([make() for make in self._make])
        if self.poison:
            for memory in (context.arena, context.scratch, *made):
                if memory is not None:
                    ctypes.memset(memory.ctypes.data, POISON, memory.nbytes)
        found = context.start(leaves, made)
        if found > ACCEPTED:
            if not convert:
                return None
            leaves, found = table.started(leaves, lambda given: context.start(given, made))
        if found < ACCEPTED:
            finish(context, found, watch)
        return table.results(leaves, made)


class TiedCall:
    """A call of a program on fixed memory: a context whose blocks hold the addresses."""

    def __init__(self, program: Program, leaves: Leaves, made: Leaves) -> None:
        self.program, self.leaves, self.result_memory = program, leaves, made
        self.context: Context | None = None

    def __call__(self) -> None:
        context = self.context
        if context is not None and (context.team is None or context.team is team()):
            if (found := context.proceed()) < ACCEPTED:
                finish(context, found)
            return
        context = self.program._new_context()  # the first call, or after a fork
        found = context.start(self.leaves, self.result_memory)
        if found > ACCEPTED:
            raise TypeError(SHARED)
        self.context = context
        finish(context, found)


def makers(table: Table, spare: int) -> tuple[Callable[[], Any], ...]:
    """Functions that make the results of a call; None stands for a donated argument.

    The memory of dead results is kept for one call and `spare` more.
    """
    specs = [(s, s.nbytes, k in table.donors) for k, s in enumerate(table.outputs)]
    large = Counter(nbytes for _, nbytes, given in specs if nbytes >= POOLED_BYTES and not given)
    pool = Pool({nbytes: (1 + spare) * count for nbytes, count in large.items()})

    def maker(spec: ArraySpec, nbytes: int, given: bool) -> Callable[[], Any]:
        if given:
            return lambda: None
        if nbytes >= POOLED_BYTES:
            return partial(pool.output, spec.shape, spec.dtype, nbytes)
        return partial(np.empty, spec.shape, spec.dtype)

    return tuple(maker(*spec) for spec in specs)


def finish(context: Context, status: int, watch: Stopwatch | None = None) -> None:
    """Does the calls of Python that a walk waits for, until it is done."""
    with context.underway:
        while status < ACCEPTED:
            row, addresses, step = context.host(status)
            begin = time.monotonic()
            if isinstance(row, HostRow):
                call_host(row, addresses, HostMemory())
            else:
                context.underway.do(row, addresses)
            if watch is not None:
                watch.host(row, begin)
            status = context.resume(step)
