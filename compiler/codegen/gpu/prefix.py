"""A prefix for a GPU: a thread a row, or a block a row.

threads   step by step, as the processor's columns: the same bits
block     a step a thread: the prefixes of a warp by doubling distances, those of the warps in
          their order, then the next steps; for what does not mind the order, along memory or
          where rows are few
"""

from __future__ import annotations

from ...kernel.prefix import Prefix
from ...kernel.stages import Store
from ..lowered import LoweredLaunch
from ..prefix import PrefixRows, prefix_work
from ..printer import Node, Suite
from ..slots import Parameters
from ..target import GpuTarget
from ..values import Level
from ..words.gpu_words import words

FEW_ROWS = 1024  # rows that leave most of a GPU idle if each is one thread
LOCALS = ("thread", "inside", "totals", "warp", "before", "all")


def lower_prefix_grid(p: Prefix, device: GpuTarget) -> LoweredLaunch:
    """The text of a prefix for a GPU, and the numbers of this instance."""
    rows = PrefixRows(p, Parameters(p.buffers, p.axes, (*words(), *LOCALS)))
    levels = root, unit = rows.levels()
    apart = p.place.stride(p.steps.name) != 1 and rows.units >= FEW_ROWS
    together = p.monoid.any_order and p.steps.size > device.warp and not apart
    told = rows.told()
    inner = by_block(rows, device, levels) if together else rows.steps(levels)
    count = " * ".join(map(rows.slots.extent, rows.others)) or "1"
    head: list[Node] = []
    first, by = "block_index()", "block_count()"
    if together:
        warps = device.threads // device.warp
        head = ["thread = thread_index()", f"totals = shared_tile(0, {warps}, {p.dtype})"]
    else:
        first += f" * {device.threads} + thread_index()"
        by += f" * {device.threads}"
    loop = Suite(f"for {rows.unit} in range({first}, {count}, {by})", [*told, *unit.body, *inner])
    text = rows.slots.function(p, [*head, *root.body, loop])
    needed = rows.units if together else -(-rows.units // device.threads)
    blocks = max(1, min(needed, device.blocks))
    return LoweredLaunch(text, tuple(rows.slots.values), blocks, device.threads, 0, *prefix_work(p))


def by_block(rows: PrefixRows, device: GpuTarget, outer: list[Level]) -> list[Node]:
    """All steps of a row, as many at a time as the block has threads."""
    p, threads, warp = rows.p, device.threads, device.warp
    k, size = rows.slots.axis(p.steps.name), rows.slots.extent(p.steps)
    none = repr(p.identity)
    step = Level([], frozenset((p.steps.name,)))
    values = rows.values([*outer, step])
    (expr,) = p.exprs
    carry, value = rows.names.fresh("carry"), rows.names.numbered("s")
    start = f"full({none}, {p.dtype}, 1)"
    found = values.spread(expr, values.value(expr), True)
    place = f"{rows.block} + thread"
    lines: list[Node] = [
        f"{k} = {f'{size} - 1 - ({place})' if p.reverse else place}",
        f"inside = {place} < {size}",
        f"{value} = {start}",
        Suite("if inside", [*step.body, f"{value} = {found}"]),
    ]
    distance = 1
    while distance < warp:
        moved, last, value = rows.names.numbered("s"), value, rows.names.numbered("s")
        lines.append(f"{moved} = from_below({last}, {distance}, {none})")
        lines += rows.combined(value, moved, [last])
        distance *= 2
    total, out = rows.names.numbered("s"), rows.names.numbered("s")
    of_warp: list[Node] = [f"{total} = load(totals, warp, 1)"]
    lines += [
        Suite(f"if thread % {warp} == {warp - 1}", [f"store(totals, thread // {warp}, {value})"]),
        f"barrier({threads})",
        f"before = {carry}",
        Suite(
            f"for warp in range(thread // {warp})",
            [*of_warp, *rows.combined("before", "before", [total])],
        ),
        *rows.combined(out, "before", [value]),
        f"all = {carry}",
        Suite(
            f"for warp in range({threads // warp})",
            [*of_warp, *rows.combined("all", "all", [total])],
        ),
        f"{carry} = all",
        f"barrier({threads})",
    ]
    writing = Level([], frozenset((p.steps.name,)))
    rows.values([*outer, writing]).written(Store(p.out, p.place, expr), out)
    lines.append(Suite("if inside", writing.body))
    loop = Suite(f"for {rows.block} in range(0, {size}, {threads})", lines)
    return [f"{carry} = {start}", loop]
