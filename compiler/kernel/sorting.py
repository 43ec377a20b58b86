"""Sorts and searches along rows: kernels of level 2 with templates of their own.

    p = the places of the row's elements in order, by `keys` operands, the first of them counts most
    y[i, j] = x[i, p[j]]      for every operand that is wanted; p itself where that is wanted; of
                              all j those in `most`

Elements are compared by their ordinals: unsigned integers in NumPy's order of the elements, in
which -0.0 is 0.0 and NaN comes last. Equal elements stay in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..ir.types import FLOATS, HALVES, NAMES, SIGNED
from . import Axis, Buffer
from .text import PLAIN, Numbers


@dataclass(frozen=True)
class Sorting:
    """`outputs[k]` are the operands `inputs[k]` in order, None where nobody reads them."""

    name: str
    buffers: tuple[Buffer, ...]
    rows: Axis
    length: Axis
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer | None, ...]
    order: Buffer | None
    keys: int
    descending: bool
    most: Axis

    @property
    def whole(self) -> bool:
        """Whether all elements are wanted."""
        return self.most == self.length

    @property
    def plain(self) -> bool:
        """Whether one operand is sorted and nothing else: then values need no places."""
        return self.whole and len(self.inputs) == 1 and self.order is None

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Never: a row is read while it is written."""
        return False

    def __str__(self) -> str:
        return self.spelled(PLAIN)

    def spelled(self, numbers: Numbers) -> str:
        """The text, with numbers spelled by `numbers`."""
        head = ", ".join(map(numbers.buffer, self.buffers))
        i, j = self.rows.name, self.length.name
        size, most = numbers.extent(self.length), numbers.extent(self.most)
        keys = ", ".join(f"{b.name}[{size}*{i} + {j}]" for b in self.inputs[: self.keys])
        word = "descending" if self.descending else "ascending"
        lines = [
            f"def {self.name}({head}):",
            f"    for {i} in parallel({numbers.extent(self.rows)}):",
            f"        p = {word}({keys} for {j} in range({size}))",
            f"        for {j} in stage({most}):",
        ]
        for x, y in zip(self.inputs, self.outputs, strict=True):
            if y:
                lines.append(
                    f"            {y.name}[{most}*{i} + {j}] = {x.name}[{size}*{i} + p[{j}]]"
                )
        if self.order:
            lines.append(f"            {self.order.name}[{most}*{i} + {j}] = p[{j}]")
        return "\n".join(lines)


def ordinals(x: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the elements: NaN last, -0.0 equal to 0.0."""
    name = NAMES.get(x.dtype)
    if name is None:
        raise TypeError(f"{x.dtype} has no order")
    if name == "bool":
        return x.astype(np.uint8)
    if name not in FLOATS and name not in SIGNED:
        return x
    bits = np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")
    top = bits.dtype.type(1 << (8 * x.dtype.itemsize - 1))
    if name in SIGNED:
        return bits ^ top
    wide = x.astype(np.float32) if name in HALVES else x
    bits = np.where(wide == 0, bits.dtype.type(0), bits)
    found = np.where(bits & top, ~bits, bits ^ top)
    return np.where(np.isnan(wide), ~bits.dtype.type(0), found)


def sorted_places(keys: Sequence[np.ndarray], descending: bool) -> np.ndarray:
    """The places of the elements of every row in order."""
    found = [ordinals(k) for k in keys]
    if descending:
        found = [~k if k.dtype != np.uint8 else 255 - k for k in found]
    return np.lexsort(tuple(reversed(found)), axis=-1).astype(np.int64)


def search(x: np.ndarray, v: np.ndarray, right: bool) -> np.ndarray:
    """How many elements of each row of `x` stand before each element of the row of `v`."""
    side: Any = "right" if right else "left"
    rows = prod(x.shape[:-1])
    keys, wanted = ordinals(x).reshape(rows, x.shape[-1]), ordinals(v).reshape(rows, v.shape[-1])
    found = [np.searchsorted(k, w, side) for k, w in zip(keys, wanted, strict=True)]
    return np.asarray(found, np.int64).reshape(v.shape)


@dataclass(frozen=True)
class Searching:
    """y[i, j] = how many elements of the sorted row i of x stand before v[i, j]."""

    name: str
    buffers: tuple[Buffer, ...]
    rows: Axis
    length: Axis
    wanted: Axis
    x: Buffer
    v: Buffer
    out: Buffer
    right: bool

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Never: rows are read at computed places."""
        return False

    def __str__(self) -> str:
        return self.spelled(PLAIN)

    def spelled(self, numbers: Numbers) -> str:
        """The text, with numbers spelled by `numbers`."""
        head = ", ".join(map(numbers.buffer, self.buffers))
        i, j = self.rows.name, self.wanted.name
        rows, size, wanted = map(numbers.extent, (self.rows, self.length, self.wanted))
        sign = "<=" if self.right else "<"
        return "\n".join(
            [
                f"def {self.name}({head}):",
                f"    for {i} in parallel({rows}):",
                f"        for {j} in parallel({wanted}):",
                f"            {self.out.name}[{wanted}*{i} + {j}] = "
                f"count({self.x.name}[{size}*{i} + k] {sign} {self.v.name}[{wanted}*{i} + {j}] "
                f"for k in range({size}))",
            ]
        )
