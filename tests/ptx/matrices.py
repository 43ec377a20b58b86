"""Products of small matrices by a warp (mma.sync) and loads of their fragments (ldmatrix).

Products and sums are computed in float64 and rounded once to the accumulator; tensor cores add in
an order and with a truncation of their own, so their last bits may differ.

Source: NVIDIA, Parallel Thread Execution ISA, Matrix fragments for mma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .formats import TYPES, Array, Type, rounded
from .memory import aligned
from .moves import _space, address, load, store
from .nodes import Operand, Tuple
from .operands import Op, reader, writer
from .warp import Collective, by_thread, by_warp, collective, whole_warp

if TYPE_CHECKING:
    from .machine import Active, Machine

LANE = np.arange(32)
GROUP, PLACE = LANE // 4, LANE % 4
Coordinates = tuple[Array, Array]


def _pair(k: int) -> Array:
    """Columns of the k-th of two neighbours."""
    return 2 * PLACE + k


def fragment_a(width: int, depth: int) -> list[Coordinates]:
    """Row and column, for every lane, of each element of A that a lane holds."""
    if width == 64:
        return [(GROUP, PLACE)]
    if width == 32:
        return [(GROUP + 8 * (i % 2), PLACE + 4 * (i // 2)) for i in range(depth // 2)]
    return [(GROUP + 8 * (i // 2 % 2), _pair(i % 2) + 8 * (i // 4)) for i in range(depth // 2)]


def fragment_b(width: int, depth: int) -> list[Coordinates]:
    if width == 64:
        return [(PLACE, GROUP)]
    if width == 32:
        return [(PLACE + 4 * i, GROUP) for i in range(depth // 4)]
    return [(_pair(i % 2) + 8 * (i // 2), GROUP) for i in range(depth // 4)]


def fragment_c(rows: int) -> list[Coordinates]:
    return [(GROUP + 8 * (i // 2), _pair(i % 2)) for i in range(rows // 4)]


SHAPES = {
    "m16n8k4": ("tf32",),
    "m16n8k8": ("tf32", "f16", "bf16"),
    "m16n8k16": ("f16", "bf16"),
    "m8n8k4": ("f64",),
}


def _elements(operand: Operand, t: Type, count: int) -> list:
    """Readers of elements; a register of 32 bits holds two of 16."""
    items = operand.items if isinstance(operand, Tuple) else (operand,)
    if t.bits == 16:
        packed = TYPES[f"{t.name}x2"]
        reads = [reader(item, packed) for item in items]
        flat = [lambda m, r=r, k=k: r(m)[..., k] for r in reads for k in (0, 1)]
    else:
        flat = [reader(item, t) for item in items]
    if len(flat) != count:
        raise ValueError
    return flat


@collective("mma")
def _mma(op: Op) -> Collective:
    if not (op.flag("sync") and op.flag("aligned")):
        raise op.unknown()
    shape = op.choice(*SHAPES)
    op.choice("row")
    op.choice("col")
    d, a, b, c = op.types()
    op.done(4)
    rows, depth = (8 if shape.startswith("m8") else 16), int(shape.rpartition("k")[2])
    if a is not b or a.name not in SHAPES[shape]:
        raise op.unknown()
    places_a, places_b, places_c = (
        fragment_a(a.bits, depth),
        fragment_b(a.bits, depth),
        fragment_c(rows),
    )
    try:
        read_a = _elements(op.operands[1], a, len(places_a))
        read_b = _elements(op.operands[2], b, len(places_b))
        read_c = _elements(op.operands[3], c, len(places_c))
    except ValueError:
        raise op.unknown() from None
    target = op.operands[0]
    items = target.items if isinstance(target, Tuple) else (target,)
    packed = TYPES[f"{d.name}x2"] if d.bits == 16 else d
    writes = [writer(item, packed) for item in items]

    def gathered(m: Machine, reads: list, places: list[Coordinates], shape: tuple) -> Array:
        out = np.zeros((m.warps, *shape))
        for read, (row, column) in zip(reads, places, strict=True):
            values = np.broadcast_to(read(m), (m.threads,))
            out[:, row, column] = by_warp(m, values)
        return out

    def step(m: Machine, active: Active) -> None:
        left = gathered(m, read_a, places_a, (rows, depth))
        right = gathered(m, read_b, places_b, (depth, 8))
        out = left @ right + gathered(m, read_c, places_c, (rows, 8))
        if d.float is not None:
            out = rounded(out, d.float)
        values = [by_thread(m, out[:, row, column]).astype(d.dtype) for row, column in places_c]
        if d.bits == 16:
            values = [np.stack(values[k : k + 2], -1) for k in range(0, len(values), 2)]
        for write, value in zip(writes, values, strict=True):
            write(m, active, value)

    return Collective(whole_warp, step)


@collective("ldmatrix", "stmatrix")
def _matrix(op: Op) -> Collective:
    if not (op.flag("sync") and op.flag("aligned")):
        raise op.unknown()
    op.choice("m8n8")
    count, transposed = int(op.choice("x1", "x2", "x4")[1]), op.flag("trans")
    _space(op)
    if op.type().bits != 16:
        raise op.unknown()
    op.done(2)
    loads = op.opcode == "ldmatrix"
    where = address(op.operands[1 if loads else 0], "shared")
    registers = op.operands[0 if loads else 1]
    items = registers.items if isinstance(registers, Tuple) else (registers,)
    if len(items) != count:
        raise op.unknown()
    b32 = TYPES["b32"]
    writes = [writer(i, b32) for i in items] if loads else []
    reads = [] if loads else [reader(i, b32) for i in items]
    rows, columns = (2 * PLACE, GROUP) if transposed else (GROUP, 2 * PLACE)
    more_rows, more_columns = (1, 0) if transposed else (0, 1)

    def step(m: Machine, active: Active) -> None:
        taking = np.unique(m.warp[active.threads])
        for k in range(count):
            whole = by_warp(m, np.broadcast_to(where(m), (m.threads,)))
            a = whole[:, 8 * k : 8 * k + 8]  # of the eight rows, from eight lanes
            aligned(a[taking].ravel(), 16, "row of a matrix")
            value = np.zeros((m.warps, 32), np.uint32)
            given = by_warp(m, np.broadcast_to(reads[k](m), (m.threads,))) if reads else value
            for half in (0, 1):
                row, column = rows + half * more_rows, columns + half * more_columns
                at = a[taking][:, row] + (2 * column).astype(np.uint64)
                threads = by_warp(m, np.arange(m.threads))[taking]
                order = np.argsort(threads.ravel(), kind="stable")
                flat, own = at.ravel()[order], threads.ravel()[order]
                if loads:
                    got = np.empty(flat.size, np.uint16)
                    got[order] = load(m, flat, own, 2)
                    shifted = got.reshape(at.shape).astype(np.uint32) << np.uint32(16 * half)
                    value[taking] |= shifted
                else:
                    bits = (given[taking] >> np.uint32(16 * half)).astype(np.uint16)
                    store(m, flat, own, 2, bits.ravel()[order])
            if loads:
                writes[k](m, active, by_thread(m, value))

    return Collective(whole_warp, step)
