"""Small matrices by elimination: kernels of level 2 whose points are matrices, many at a time.

    y[i] = method(a[i])            cholesky, inv, det, slogdet, which has two results
    y[i] = method(a[i], b[i])      solve, triangular_solve: b has `columns` columns

A matrix without a result has NaN, as the op has it; a determinant is there always.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import Axis, Buffer
from .text import PLAIN, Numbers

LARGEST = 16
"""Rows of a matrix that is small: more are LAPACK's."""


@dataclass(frozen=True)
class Elimination:
    """`method` for each of `batch` matrices of n rows; `transposed`, `lower` and `unit`
    are those of `triangular_solve`."""

    name: str
    buffers: tuple[Buffer, ...]
    operands: tuple[Buffer, ...]
    outs: tuple[Buffer, ...]
    batch: Axis
    method: str
    n: int
    columns: int = 0
    transposed: bool = False
    lower: bool = False
    unit: bool = False

    @property
    def dtype(self) -> str:
        return self.buffers[0].dtype

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Never: what was read may be read again by who does the last matrices."""
        return False

    def __str__(self) -> str:
        return self.spelled(PLAIN)

    def spelled(self, numbers: Numbers) -> str:
        """The text, with numbers spelled by `numbers`."""
        head, i = ", ".join(map(numbers.buffer, self.buffers)), self.batch.name
        read = [b.name for b in self.operands]
        written = ", ".join(f"{b.name}[{i}]" for b in self.outs)
        rows, n, m = self.n, f"{self.n}x{self.n}", self.columns
        words = [f"{read[0]}[{i}: {n}]", *(f"{b}[{i}: {rows}x{m}]" for b in read[1:])]
        told = ("transposed", "lower", "unit")
        words += [f"{flag}=True" for flag in told if getattr(self, flag)]
        call = f"{self.method}({', '.join(words)})"
        return "\n".join(
            [
                f"def {self.name}({head}):",
                f"    for {i} in parallel({numbers.extent(self.batch)}):",
                f"        {written} = {call}",
            ]
        )
