"""A prefix for a GPU: a thread a row, or a block a row.

threads   step by step, as the processor's columns: the same bits
block     a step a thread: the prefixes of a warp by doubling distances, those of the warps in
          their order, then the next steps; for what does not mind the order, along memory or
          where rows are few
"""

from __future__ import annotations

from math import prod

from ...kernel.prefix import Prefix
from ...kernel.stages import Store
from ..cpu.prefix import Printer, work_bytes
from ..lowered import Launch
from ..printer import Node, Suite, function
from ..slots import Named, Parameters
from ..target import Device
from ..values import Level
from ..words.gpu_words import words

FEW_ROWS = 1024  # rows that leave most of a GPU idle if each is one thread
LOCALS = ("thread", "inside", "totals", "warp", "before", "all")


def lower_prefix_grid(prefix: Prefix, device: Device) -> Launch:
    """The text of a prefix for a GPU, and the numbers of this instance."""
    printer = GridPrefix(prefix, device)
    text, rows = printer.text(), printer.points()
    flops = printer.weight * prod(a.size for a in prefix.axes.values())
    needed = rows if printer.together else -(-rows // device.threads)
    blocks = max(1, min(needed, device.blocks))
    sizes = tuple(printer.slots.values)
    return Launch(text, sizes, blocks, device.threads, 0, flops, work_bytes(prefix))


class GridPrefix(Printer):
    """Spells one prefix as the text of a thread; `together`: a block does a row."""

    def __init__(self, p: Prefix, device: Device) -> None:
        self.device, self.threads = device, device.threads
        self.begin(p, Parameters(p.buffers, p.axes, (*words(), *LOCALS)))
        apart = p.place.stride(p.steps.name) != 1 and self.points() >= FEW_ROWS
        long = p.steps.size > device.warp
        self.together = p.monoid.any_order and long and not apart

    def text(self) -> str:
        root = Level([], frozenset())
        unit = Level([], frozenset(a.name for a in self.others))
        levels, told = [root, unit], self.told()
        inner = self.by_block(levels) if self.together else self.steps(levels, None)
        rows = " * ".join(map(self.slots.extent, self.others)) or "1"
        first, by = "block_index()", "block_count()"
        head: list[Node] = []
        if self.together:
            warps = self.threads // self.device.warp
            head = ["thread = thread_index()", f"totals = shared_tile(0, {warps}, {self.p.dtype})"]
        else:
            first = f"block_index() * {self.threads} + thread_index()"
            by = f"block_count() * {self.threads}"
        loop = f"for {self.unit} in range({first}, {rows}, {by})"
        body = [*head, *root.body, Suite(loop, [*told, *unit.body, *inner])]
        doc = self.p.spelled(Named(self.slots))
        return function(self.names.fresh(self.p.name), doc, body, self.slots.lines())

    def by_block(self, outer: list[Level]) -> list[Node]:
        """All steps of a row, as many at a time as the block has threads."""
        p, threads, warp = self.p, self.threads, self.device.warp
        k, size = self.slots.axis(p.steps.name), self.slots.extent(p.steps)
        none = repr(p.identity)
        step = Level([], frozenset((p.steps.name,)))
        values = self.values([*outer, step], None)
        (expr,) = p.exprs
        carry, value = self.names.fresh("carry"), self.names.numbered("s")
        start = f"full({none}, {p.dtype}, 1)"
        found = values.spread(expr, values.value(expr), True)
        place = f"{self.block} + thread"
        lines: list[Node] = [
            f"{k} = {f'{size} - 1 - ({place})' if p.reverse else place}",
            f"inside = {place} < {size}",
            f"{value} = {start}",
            Suite("if inside", [*step.body, f"{value} = {found}"]),
        ]
        distance = 1
        while distance < warp:
            moved, last, value = self.names.numbered("s"), value, self.names.numbered("s")
            lines.append(f"{moved} = from_below({last}, {distance}, {none})")
            lines += self.combined(value, moved, [last])
            distance *= 2
        total, out = self.names.numbered("s"), self.names.numbered("s")
        of_warp: list[Node] = [f"{total} = load(totals, warp, 1)"]
        lines += [
            Suite(
                f"if thread % {warp} == {warp - 1}", [f"store(totals, thread // {warp}, {value})"]
            ),
            f"barrier({threads})",
            f"before = {carry}",
            Suite(
                f"for warp in range(thread // {warp})",
                [*of_warp, *self.combined("before", "before", [total])],
            ),
            *self.combined(out, "before", [value]),
            f"all = {carry}",
            Suite(
                f"for warp in range({threads // warp})",
                [*of_warp, *self.combined("all", "all", [total])],
            ),
            f"{carry} = all",
            f"barrier({threads})",
        ]
        writing = Level([], frozenset((p.steps.name,)))
        self.values([*outer, writing], None).written(Store(p.out, p.place, expr), out)
        lines.append(Suite("if inside", writing.body))
        loop = Suite(f"for {self.block} in range(0, {size}, {threads})", lines)
        return [f"{carry} = {start}", loop]
