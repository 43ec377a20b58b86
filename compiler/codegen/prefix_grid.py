"""A prefix for a GPU: a thread a row, step by step, as the processor's columns: the same bits.

Rows are many where prefixes are long work; one long row leaves a GPU idle.
"""

from __future__ import annotations

from math import prod

from ..prefix import Prefix
from .gpu_words import words
from .lowered import Launch
from .prefix_source import Printer, work_bytes
from .printer import Suite, function
from .slots import Named, Parameters
from .target import Device
from .values import Level


def lower_prefix_grid(prefix: Prefix, device: Device) -> Launch:
    """The text of a prefix for a GPU, and the numbers of this instance."""
    printer = GridPrefix(prefix, device)
    text, rows = printer.text(), printer.points()
    flops = printer.weight * prod(a.size for a in prefix.axes.values())
    blocks = max(1, min(-(-rows // device.threads), device.blocks))
    sizes = tuple(printer.slots.values)
    return Launch(text, sizes, blocks, device.threads, 0, flops, work_bytes(prefix))


class GridPrefix(Printer):
    """Spells one prefix as the text of a thread."""

    def __init__(self, p: Prefix, device: Device) -> None:
        self.threads = device.threads
        self.begin(p, Parameters(p.buffers, p.axes, words()))

    def text(self) -> str:
        root = Level([], frozenset())
        unit = Level([], frozenset(a.name for a in self.others))
        inner, told = self.steps([root, unit], None), self.told()
        rows = " * ".join(map(self.slots.extent, self.others)) or "1"
        first = f"block_index() * {self.threads} + thread_index()"
        head = f"for {self.unit} in range({first}, {rows}, block_count() * {self.threads})"
        body = [*root.body, Suite(head, [*told, *unit.body, *inner])]
        doc = self.p.spelled(Named(self.slots))
        return function(self.names.fresh(self.p.name), doc, body, self.slots.lines())
