"""What programs have in common, wherever they run: what they take and give, how they are bound.

cpu/program.py and gpu/device_program.py are an `AnyProgram` each; the rest here is what both do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from .rows import Row, RowTime, printed
from .spec import ArraySpec, accept, fits_spec
from .steps import Step

Leaves = tuple[Any, ...]
Array = TypeVar("Array")

SHARED = "arguments that share memory with a donated one cannot be bound"


class NativeCalls(Protocol):
    """How machine code of others calls a program, holding Python's lock or not, on any thread:
    `call(address, addresses)` with the addresses of the arguments, then of the results, of exactly
    its kinds, gives 0, or 1 + k where check k fails, of which `failures` tells.
    """

    call: int
    address: int
    failures: tuple[str, ...]


class AnyProgram(Protocol):
    """Rows over arguments, results, constants and an arena, ready to be called."""

    @property
    def rows(self) -> tuple[Row, ...]: ...

    def __call__(self, leaves: Leaves) -> tuple[Any, ...]:
        """The results. Errors: TypeError of an argument, before anything has run."""
        ...

    def attempt(self, leaves: Leaves) -> tuple[Any, ...] | None:
        """The results; None where a leaf is no array of exactly its kind, and nothing has run."""
        ...

    def profile(self, leaves: Leaves, again: Iterable[Leaves] = ()) -> tuple[RowTime, ...]:
        """Times of every row that has work.

        Runs once, and once more for each of the leaves in `again`; of each wave, which is rows that
        run at the same time, the shortest counts.
        """
        ...

    def finish(self) -> None:
        """Waits until all calls are done."""
        ...

    def bind(self, leaves: Leaves) -> Bound:
        """The program tied to arrays of exactly its kinds."""
        ...

    def native_calls(self) -> NativeCalls:
        """Errors: TypeError where the program needs Python, or another device."""
        ...

    def refusal(self, leaf: Any) -> tuple[str, str] | None:
        """What is required of an array that is bound, and the repair; None if it is that."""
        ...


@dataclass(frozen=True)
class Table:
    """What all calls of a program share."""

    steps: tuple[Step, ...]
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    constants: tuple[Any, ...]  # arrays where the program runs
    arena_bytes: int
    scratch_bytes: int
    donors: dict[int, int]  # output: input whose memory it takes

    @property
    def donated(self) -> set[int]:
        return set(self.donors.values())

    def counted(self, leaves: Leaves) -> None:
        """Errors: TypeError if these are not as many as inputs."""
        if len(leaves) != len(self.inputs):
            raise TypeError(f"{len(self.inputs)} arguments are required, got {len(leaves)}")

    def refused(self, leaves: Any) -> int:
        """The first leaf that is no array of the host of exactly its kind; -1 if all are.

        So is a donated one that shares memory with another. As many as inputs: it is no tuple of
        so many. What the native guard says, in Python.
        """
        if type(leaves) is not tuple or len(leaves) != len(self.inputs):
            return len(self.inputs)
        donated = self.donated
        for k, (x, spec) in enumerate(zip(leaves, self.inputs, strict=True)):
            if not fits_spec(x, spec, k in donated):
                return k
        for i in donated:
            if any(meet(leaves[i], x) for k, x in enumerate(leaves) if k != i):
                return i
        return -1

    def started(self, leaves: Leaves, start: Callable[[Leaves], int]) -> tuple[Leaves, int]:
        """Leaves that `start` does not refuse, copied where they have to be, and what it gives.

        What it gives from 0 on is the first leaf that it refuses. Errors: TypeError of a leaf.
        """
        self.counted(leaves)
        given, donated = list(leaves), self.donated
        while (k := start(tuple(given))) >= 0:
            if not fits_spec(given[k], self.inputs[k], k in donated):
                given[k] = accept(given[k], self.inputs[k], k, k in donated)
                shared = {i for i in donated if i != k and meet(given[i], leaves[k])}
            else:  # it shares memory with a donated argument
                shared = donated
            for i in shared:
                given[i] = given[i].copy()
        return tuple(given), k

    def results(self, leaves: Sequence[Array], made: Sequence[Array | None]) -> tuple[Array, ...]:
        """Where results lie: in memory that was made for them, or, without, in that of a donor."""
        return tuple([leaves[self.donors[k]] if x is None else x for k, x in enumerate(made)])


def donors(
    inputs: tuple[ArraySpec, ...],
    outputs: tuple[ArraySpec, ...],
    donated: tuple[tuple[int, int], ...],
) -> dict[int, int]:
    """Output: the input whose memory it takes."""
    for i, k in donated:
        if inputs[i] != outputs[k]:
            raise ValueError(f"donation: input {i} is {inputs[i]} and output {k} is {outputs[k]}")
    if len({i for i, _ in donated}) < len(donated):
        raise ValueError("donation: an input is donated twice")
    return {k: i for i, k in donated}


def meet(one: Any, other: Any) -> bool:
    """Whether two arguments are arrays that may share memory."""
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and np.may_share_memory(one, other)


def poisoned(poison: bool | None) -> bool:
    """Whether memory holds NaN before it is written: as asked for, or by WONDERLAND_POISON."""
    return "WONDERLAND_POISON" in os.environ if poison is None else poison


def text(table: Table, rows: Sequence[Row], where: str = "", memory: str = "") -> str:
    """A program for readers: what it takes, gives and needs, and a line a row."""
    head = (
        f"program{where}: {len(rows)} rows, {len(table.inputs)} inputs, "
        f"{len(table.outputs)} outputs, arena {table.arena_bytes} bytes{memory}"
    )
    return "\n".join([head, *(f"{k:4}  {line}" for k, line in enumerate(printed(rows)))])


class Bound:
    """A program tied to the memory of `leaves`: `run()` is a call, and looks at nothing.

    Results live in memory of its own that every call overwrites; a donated argument is its result.
    One call at a time. Making it runs the program once; donated arguments are as before after it.
    """

    def __init__(
        self,
        table: Table,
        leaves: Leaves,
        results: Leaves,
        run: Callable[[], None],
        restore: Callable[[Any, Any], None],
    ) -> None:
        self.results, self.run = results, run
        before = {k: leaves[k].copy() for k in table.donated}
        try:
            run()
        finally:
            for k, x in before.items():
                restore(leaves[k], x)
