"""The argument block of a kernel: addresses of buffers, then the numbers that its text leaves open.

A slot belongs to a role (the stride of one access along one axis, the extent of an axis, a
constant), never to a value: numbers that happen to be equal keep their own slots, so the text
doesn't depend on sizes.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..ir.sizes import derived
from ..kernel.expr import Axis, Buffer, Const, Expr, Guard, Map
from ..kernel.scalar import FLOATS, HALVES, NUMPY
from ..kernel.text import Numbers
from .printer import MEMBER, Node, function
from .words.words import WORDS

LANGUAGE = {"args", "start", "stop", "scratch", "point", "min", "max", "range"}
PLAIN = (0.0, 0.5, 1.0, 2.0, float("inf"))  # numbers, but for their sign, that the text says itself
PLAIN_INTEGERS = 16
NEAR = 16  # elements of a buffer whose text says itself which one it reads


class Spelled(Protocol):
    """A kernel of any kind."""

    @property
    def name(self) -> str: ...

    def spelled(self, numbers: Numbers) -> str: ...


@dataclass
class Names:
    """Every name of a text, so that none is given twice or hides a word."""

    taken: set[str] = field(default_factory=lambda: set(WORDS) | LANGUAGE | set(keyword.kwlist))
    last_numbers: dict[str, int] = field(default_factory=dict)  # the number that a stem had last

    def fresh(self, stem: str) -> str:
        """`stem`, or else `stem` and the first number that is free."""
        if stem not in self.taken:
            self.taken.add(stem)
            return stem
        return self.after(f"{stem}_" if stem[-1].isdigit() else stem, 2)

    def numbered(self, stem: str) -> str:
        """`stem1`, `stem2`, ..."""
        return self.after(stem, 1)

    def after(self, stem: str, first: int) -> str:
        """`stem` and the first number from `first` on that is free."""
        key = f"{stem} {first}"
        k = self.last_numbers.get(key, first - 1) + 1  # no name becomes free again
        while f"{stem}{k}" in self.taken:
            k += 1
        self.last_numbers[key] = k
        self.taken.add(f"{stem}{k}")
        return f"{stem}{k}"


class Slots:
    """Names for buffers, axes and numbers; `values` follow the addresses in the block."""

    def __init__(
        self, buffers: Iterable[Buffer], axes: Iterable[str] = (), words: Iterable[str] = ()
    ) -> None:
        """`words`: names that the text uses besides those of the language."""
        self.names = Names()
        self.names.taken.update(words)
        buffers = tuple(buffers)
        self.buffers = {b.name: (self.names.fresh(b.name), b.dtype) for b in buffers}
        self.near = frozenset(b.name for b in buffers if b.size <= NEAR)
        self.axes = {a: self.names.fresh(a) for a in axes}
        self.numbers: dict[Hashable, str] = {}
        self.values: list[int] = []
        self.reads: list[str] = []

    def buffer(self, name: str) -> str:
        return self.buffers[name][0]

    def axis(self, name: str) -> str:
        return self.axes.get(name, name)

    @property
    def next(self) -> int:
        return len(self.buffers) + len(self.values)

    def number(self, role: Hashable, stem: str, value: int) -> str:
        """The name of an integer with this role."""
        if role not in self.numbers:
            name = self.numbers[role] = self.names.fresh(stem)
            self.read_integer(name)
            self.values.append(value)
        return self.numbers[role]

    def read_integer(self, name: str) -> None:
        """Reads the next slot as an integer."""
        self.reads.append(f"{name} = integer(args, {self.next})")

    def read_lane(self, name: str, dtype: str) -> None:
        """Reads the next slot as one lane."""
        place = 8 // NUMPY[dtype].itemsize * self.next
        self.reads.append(f"{name} = load(address_pointer(args, {dtype}), {place}, 1)")

    def extent(self, a: Axis) -> str:
        return self.number(("extent", a.name), f"size_{self.axis(a.name)}", a.size)

    def total(self, a: Axis, total: int) -> str:
        return self.number(("total", a.name), f"total_{self.axis(a.name)}", total)

    def stride(self, of: str, m: Map, axis: str) -> str:
        return self.number(("stride", of, m, axis), f"{of}_{axis}", m.stride(axis))

    def offset(self, of: str, m: Map) -> str:
        if of in self.near and not m.strides:
            return str(m.offset)
        return self.number(("offset", of, m), f"{of}_offset", m.offset)

    def bound(self, g: Guard, upper: bool) -> str:
        return self.number(("bound", g, upper), "high" if upper else "low", g[2] if upper else g[1])

    def part(self, part: tuple[int, Expr, int]) -> tuple[str, str]:
        """Stride and size of a computed part of an index."""
        stride, _, size = part
        name = "1" if stride == 1 else self.number(("pitch", part), "pitch", stride)
        return name, self.number(("size", part), "size", size)

    def constant(self, c: Const) -> str:
        """One lane from the block, for a number that the text does not say itself."""
        if c not in self.numbers:
            name = self.numbers[c] = self.names.numbered("c")
            self.read_lane(name, c.dtype)
            self.values.append(derived(lane_bits, c.dtype, c.value))
        return self.numbers[c]

    def unravel(
        self, point: str, axes: Sequence[Axis], counts: Sequence[str] = (), step: int = 1
    ) -> list[str]:
        """Lines that tell where along each axis a point is, of those numbered in C order.

        An axis has as many points as its extent, or `counts`, says; the last one `step` apart.
        """
        lines: list[str] = []
        for k, a in reversed(list(enumerate(axes))):
            index, times = point, f" * {step}" if step > 1 and a is axes[-1] else ""
            if k:
                count = counts[k] if counts else self.extent(a)
                index, point = f"{point} % {count}", f"{point} // {count}"
            lines.append(f"{self.axis(a.name)} = {index}{times}")
        return lines

    def function(self, kernel: Spelled, body: Sequence[Node]) -> str:
        """The text of the function of a kernel: it reads pointers and numbers, then does `body`."""
        pointers = [
            f"{n} = pointer(args, {k}, {d})" for k, (n, d) in enumerate(self.buffers.values())
        ]
        return self.text(kernel, [*pointers, *self.reads, *body], MEMBER)

    def text(self, kernel: Spelled, body: Sequence[Node], parameters: Sequence[str]) -> str:
        doc = kernel.spelled(SlotNames(self))
        return function(self.names.fresh(kernel.name), doc, body, parameters)


def lane_bits(dtype: str, value: Any) -> int:
    """The bits of one lane in a slot."""
    with np.errstate(over="ignore"):  # beyond the dtype is infinite
        memory = np.array(value, NUMPY[dtype]).tobytes().ljust(8, b"\0")
    return int.from_bytes(memory, sys.byteorder, signed=True)


class Parameters(Slots):
    """The same as parameters of the function, each with its kind: a GPU's kernels have no block."""

    def read_integer(self, name: str) -> None:
        self.reads.append(f"{name}: integer")

    def read_lane(self, name: str, dtype: str) -> None:
        self.reads.append(f"{name}: number({dtype})")

    def function(self, kernel: Spelled, body: Sequence[Node]) -> str:
        pointers = [f"{n}: pointer({d})" for n, d in self.buffers.values()]
        return self.text(kernel, body, [*pointers, *self.reads])


def plain_literal(c: Const) -> str | None:
    """The literal, if the text may hold it."""
    if c.dtype in HALVES:
        return None
    if c.dtype in FLOATS:
        return repr(c.value) if abs(c.value) in PLAIN or c.value != c.value else None
    return repr(c.value) if abs(c.value) <= PLAIN_INTEGERS else None


class SlotNames(Numbers):
    """Spells a kernel's numbers by the names of their slots, `n` where the code needed none."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots

    def known(self, *role: Hashable) -> str:
        return self.slots.numbers.get(role, "n")

    def buffer(self, b: Buffer) -> str:
        return f"{b.name}: {b.dtype}"

    def extent(self, a: Axis) -> str:
        return self.known("extent", a.name)

    def total(self, a: Axis, total: int) -> str:
        return self.known("total", a.name)

    def stride(self, of: str, m: Map, axis: str) -> str:
        return self.known("stride", of, m, axis)

    def offset(self, of: str, m: Map) -> str:
        if of in self.slots.near and not m.strides:
            return str(m.offset)
        return self.known("offset", of, m)

    def part(self, part: tuple[int, Expr, int]) -> tuple[str, str]:
        return "1" if part[0] == 1 else self.known("pitch", part), self.known("size", part)

    def bounds(self, g: Guard) -> tuple[str, str]:
        return self.known("bound", g, False), self.known("bound", g, True)

    def constant(self, c: Const) -> str:
        return plain_literal(c) or self.slots.numbers.get(c, "n")
