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
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..machine import call_host
from ..rows import (
    HOLD_SECONDS,
    TOGETHER_SECONDS,
    KernelRow,
    Row,
    donors,
    printed,
)
from ..spec import POISON, ArraySpec, accept, fits
from ..steps import Host, Segment, Table, steps_of
from . import fenced
from .border import ACCEPTED
from .context import Context
from .executor import team
from .host_memory import HostMemory
from .memory import POOLED_BYTES, Pool

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
        self._top = seconds >= TOGETHER_SECONDS if together is None else together
        self.poison = "WONDERLAND_POISON" in os.environ if poison is None else poison
        self.guard = fenced.checked(os.environ.get("WONDERLAND_GUARD", ""))
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

    def __call__(self, leaves: tuple[Any, ...]) -> Arrays:
        results = self.attempt(leaves)
        return self._call(leaves, convert=True) if results is None else results

    def attempt(self, leaves: tuple[Any, ...]) -> Arrays | None:
        """The results; None where a leaf is no array of exactly its kind, and nothing has run."""
        if not self._plain:
            return self._call(leaves, convert=False)
        context = self._context()
        results = tuple([make() for make in self._make])
        accepted = context.start(leaves, results) == ACCEPTED
        self._contexts.append(context)  # after an error it is dropped instead
        return results if accepted else None

    def profile(
        self, leaves: tuple[Any, ...], again: Iterable[tuple[Any, ...]] = ()
    ) -> tuple[tuple[str, float], ...]:
        """Runs row by row: name and seconds of every row that has work.

        Runs once, and once more for each of the leaves in `again`, all in the same memory, which
        only the first run finds untouched; the least seconds count.
        """
        table = replace(self.table, steps=steps_of(self.rows, self._top, alone=True))
        rows = [row for row in self.rows if not isinstance(row, KernelRow) or row.points > 0]
        context = self._new_context(table)
        least = np.full(len(rows), np.inf)
        for given in itertools.chain((leaves,), again):
            times: list[float] = []
            self._run(context, given, True, times)
            least = np.minimum(least, np.diff(times))
        return tuple((row.name, float(s)) for row, s in zip(rows, least, strict=True))

    def finish(self) -> None:
        """Waits until all calls are done: they are when they return."""

    # ---- tied to memory

    def bind(self, leaves: Arrays) -> Any:
        return Bound(self, leaves)

    def refusal(self, leaf: Any) -> tuple[str, str] | None:
        """What is required of an array that is bound, and the repair; None if it is that."""
        flags = leaf.flags if isinstance(leaf, np.ndarray) else None
        if flags is not None and flags.c_contiguous and flags.aligned:
            return None
        return "in C order", "np.ascontiguousarray(x, dtype) before, and bind that"

    def __str__(self) -> str:
        table = self.table
        head = (
            f"program: {len(self.rows)} rows, {len(table.inputs)} inputs, "
            f"{len(table.outputs)} outputs, arena {table.arena_bytes} bytes, "
            f"scratch {table.scratch_bytes} bytes"
        )
        lines = enumerate(printed(self.rows))
        return "\n".join([head, *(f"{k:4}  {line}" for k, line in lines)])

    # ---- one call

    def _new_context(self, table: Table) -> Context:
        return Context(table, self.seconds < HOLD_SECONDS, team() if self._together else None)

    def _context(self) -> Context:
        """A context that is not in flight."""
        try:
            context = self._contexts.pop()
        except IndexError:
            return self._new_context(self.table)
        stale = self._together and context.team is not team()
        return self._new_context(self.table) if stale else context

    def _call(self, leaves: tuple[Any, ...], convert: bool) -> Any:
        if self.guard:
            return fenced.call(self.table, self.guard, leaves, convert)
        context = self._context()
        results = self._run(context, leaves, convert)
        self._contexts.append(context)
        return results

    def _run(
        self,
        context: Context,
        leaves: tuple[Any, ...],
        convert: bool,
        times: list[float] | None = None,
    ) -> Arrays | None:
        """A call in general. `times` receives the time at every look at the clock."""
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
            leaves, found = self._start_converted(context, leaves, made)
        finish(context, found, times)
        return tuple([leaves[table.donors[k]] if x is None else x for k, x in enumerate(made)])

    def _start_converted(
        self, context: Context, leaves: tuple[Any, ...], made: tuple[np.ndarray | None, ...]
    ) -> tuple[Arrays, int]:
        """Starts after the guard has refused an argument: converts, or says what is wrong."""
        specs, donated, given = self.table.inputs, self.table.donated, list(leaves)
        if len(given) != len(specs):
            raise TypeError(f"{len(specs)} arguments are required, got {len(given)}")
        while (k := context.start(tuple(given), made)) > ACCEPTED:
            if not fits(given[k], specs[k], k in donated):
                given[k] = accept(given[k], specs[k], k, k in donated)
                shared = {i for i in donated if i != k and meet(given[i], leaves[k])}
            else:  # it shares memory with a donated argument
                shared = donated
            for i in shared:
                given[i] = given[i].copy()
        return tuple(given), k


class Bound:
    """`program` on the memory of `leaves`, which must be arrays of exactly its kinds.

    Results live in memory of its own that every call overwrites; a donated argument is its result.
    One call at a time. Making it runs the program once; donated arguments are as before after it.
    """

    def __init__(self, program: Program, leaves: tuple[Any, ...]):
        self.program, self.leaves = program, leaves
        table = program.table
        for k, (leaf, spec) in enumerate(zip(leaves, table.inputs, strict=True)):
            if not fits(leaf, spec, k in table.donated):
                got = type(leaf).__name__
                if isinstance(leaf, np.ndarray):
                    got = "another kind or layout"
                required = f"{spec} in C order, aligned"
                raise TypeError(f"argument {k}: {required} is required, got {got}")
        self._own = tuple([make() for make in program._make])
        self.results: Arrays = tuple(
            leaves[table.donors[k]] if x is None else x for k, x in enumerate(self._own)
        )
        self._begin()

    def _begin(self) -> None:
        """A context whose blocks hold the addresses."""
        table = self.program.table
        kept = {k: self.leaves[k].copy() for k in table.donated}
        context = self._context = self.program._new_context(table)
        found = context.start(self.leaves, self._own)
        if found > ACCEPTED:
            raise TypeError("arguments that share memory with a donated one cannot be bound")
        try:
            finish(context, found)
        finally:
            for k, array in kept.items():
                self.leaves[k][...] = array

    def __call__(self) -> Arrays:
        context = self._context
        if context.team is not None and context.team is not team():  # after a fork
            self._begin()
            context = self._context
        finish(context, context.proceed())
        return self.results


def meet(one: Any, other: Any) -> bool:
    """Whether two arguments are arrays that may share memory."""
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and np.may_share_memory(one, other)


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


def finish(context: Context, found: int, times: list[float] | None = None) -> None:
    """Does the calls of Python that a walk waits for, until it is done.

    `times` receives the time wherever the steps look at the clock.
    """
    while found < ACCEPTED:
        row, addresses, step = context.host(found)
        if row is not None:
            call_host(row, addresses, HostMemory())
        elif times is not None:
            times.append(time.perf_counter())
        found = context.resume(step)
