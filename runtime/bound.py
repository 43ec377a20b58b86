"""A program tied to fixed memory: a call runs it, and looks at nothing.

    step = Bound(program, (x, y))
    results = step()  # of what x and y hold now; the same arrays at every call

Cost: a call of one segment takes about 0.2 microseconds beside its kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .border import ACCEPTED
from .executor import team
from .guard import fits
from .program import Arrays, Program, finish


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
