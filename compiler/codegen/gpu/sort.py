"""Sorts and searches for a GPU: a thread an element, which finds its own place.

    sort      how many elements of the row come before: the row is read once for each element
    search    bisection, as on the processor

Elements are compared and moved as there, so results agree to the bit; equals are told by where
they stand.

Cost: a row of n elements takes n^2 comparisons, spread over all threads: less than a sort by digits
would wait for memory up to some thousands. Longer rows than `LONGEST` are refused.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...ir.errors import ProgramError
from ...kernel.scalar import NUMPY
from ...kernel.sorting import Searching, Sorting
from ..lowered import LoweredLaunch
from ..ordinals import Bits
from ..printer import Node, Suite
from ..slots import Parameters
from ..target import GpuTarget
from ..words.gpu_words import words

LONGEST = 1 << 16
LOCALS = ("unit", "row", "i", "k", "less", "before", "place", "wanted", "low", "high", "middle")


def bit_parameters(k: Sorting | Searching) -> Parameters:
    """Parameters of buffers that are read and written as bits; none hides a name of the text."""
    slots = Parameters((), (), (*words(), *LOCALS))
    as_bits = [replace(b, dtype=Bits(b.dtype).unsigned) for b in k.buffers]
    slots.buffers = {b.name: (slots.names.fresh(b.name), b.dtype) for b in as_bits}
    return slots


def sort_launch(
    k: Sorting | Searching, slots: Parameters, elements: tuple[str, str], body: list[Node],
    count: int, device: GpuTarget, steps: int,
) -> LoweredLaunch:  # fmt: skip
    """`body` for every unit of rows times elements of a row."""
    first = f"block_index() * {device.threads} + thread_index()"
    rows, size = elements
    loop = f"for unit in range({first}, {rows} * {size}, block_count() * {device.threads})"
    text = slots.function(k, [Suite(loop, body)])
    blocks = max(1, min(-(-count // device.threads), device.blocks))
    moved = sum(b.size * NUMPY[b.dtype].itemsize for b in k.buffers)
    return LoweredLaunch(text, tuple(slots.values), blocks, device.threads, 0, count * steps, moved)


def lower_sort_grid(s: Sorting, device: GpuTarget) -> LoweredLaunch:
    """The text of a sort for a GPU, and the numbers of this instance."""
    if s.length.size > LONGEST:
        raise ProgramError(
            f"{s.name}: rows of at most {LONGEST} elements are required on cuda, "
            f"got {s.length.size}", repair='device="cpu"',
        )  # fmt: skip
    slots = bit_parameters(s)
    n, rows, most = map(slots.extent, (s.length, s.rows, s.most))
    keys = [(slots.buffer(b.name), Bits(b.dtype, s.descending)) for b in s.inputs[: s.keys]]
    names = slots.names
    lines: list[Node] = [f"i = unit % {n}", "row = unit - i"]
    own: list[str] = []
    for buffer, bits in keys:
        b, wanted = names.numbered("b"), names.numbered("o")
        lines += [f"{b} = load({buffer}, unit, 1)", f"{wanted} = {bits.ordinal(b)}"]
        own.append(wanted)
    other: list[Node] = ["less = first((k < i) * 1, 1)"]
    for (buffer, bits), wanted in reversed(list(zip(keys, own, strict=True))):
        b, found = names.numbered("b"), names.numbered("o")
        other += [
            f"{b} = load({buffer}, row + k, 1)",
            f"{found} = {bits.ordinal(b)}",
            f"less = ({found} < {wanted}) | ({found} == {wanted}) & less",
        ]
    lines += [
        "before = full(0, i64, 1)",
        Suite(f"for k in range({n})", [*other, "before = before + cast(less, i64)"]),
        f"place = {'row' if s.whole else f'unit // {n} * {most}'} + scalar(before)",
    ]
    stores: list[Node] = []
    for x, y in zip(s.inputs, s.outputs, strict=True):
        if y:
            stores.append(
                f"store({slots.buffer(y.name)}, place, load({slots.buffer(x.name)}, unit, 1))"
            )
    if s.order:
        dtype = Bits(s.order.dtype).unsigned
        stores.append(f"store({slots.buffer(s.order.name)}, place, full(i, {dtype}, 1))")
    lines += stores if s.whole else [Suite(f"if scalar(before) < {most}", stores)]
    count = s.rows.size * s.length.size
    return sort_launch(s, slots, (rows, n), lines, count, device, 4 * s.length.size * len(keys))


def lower_search_grid(s: Searching, device: GpuTarget) -> LoweredLaunch:
    """Bisection by every thread for its own element."""
    slots, bits = bit_parameters(s), Bits(s.x.dtype)
    n, m = slots.extent(s.length), slots.extent(s.wanted)
    rows = slots.extent(s.rows)
    x, v, y = (slots.buffer(b.name) for b in (s.x, s.v, s.out))
    b, c, found = (slots.names.numbered(k) for k in "bbo")
    sign = "<=" if s.right else "<"
    halve: list[Node] = [
        "middle = (low + high) // 2",
        f"{c} = load({x}, row * {n} + middle, 1)",
        f"{found} = {bits.ordinal(c)}",
        Suite(f"if scalar({found} {sign} wanted) == 1", ["low = middle + 1"]),
        Suite("else", ["high = middle"]),
    ]
    lines: list[Node] = [
        f"row = unit // {m}",
        f"{b} = load({v}, unit, 1)",
        f"wanted = {bits.ordinal(b)}",
        "low = 0",
        f"high = {n}",
        Suite("while low < high", halve),
        f"store({y}, unit, full(low, {Bits(s.out.dtype).unsigned}, 1))",
    ]
    count = prod((s.rows.size, s.wanted.size))
    return sort_launch(s, slots, (rows, m), lines, count, device, 6 * s.length.size.bit_length())
