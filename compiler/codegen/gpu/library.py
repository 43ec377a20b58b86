"""Products as a vendor's library takes them: plain matrices in memory, nothing after the sum."""

from __future__ import annotations

from ....runtime.rows import Matrix, MatrixProduct
from ...kernel.expr import Axis, Buffer, Map
from ...kernel.product import Product
from ...kernel.scalar import NUMPY

LEAST = 64  # rows, columns and depth from which on the library is asked; not measured
FITTING = ("f32", "f64")
ACCESS = 16  # bytes that all memory begins at a multiple of, or an element of a sequence does


def for_library(p: Product) -> MatrixProduct | None:
    """A product in normal form as the library's, if that has it."""
    small = min(p.rows.size, p.columns.size, p.depth.size) < LEAST
    if not p.plain or p.windowed or p.dtype not in FITTING or small or len(p.batch) > 1:
        return None
    buffers = list(p.buffers)
    batch = p.batch[0] if p.batch else Axis("", 1)
    (store,) = p.stores
    if store.at or store.buffer.dtype != p.dtype:
        return None

    def matrix(buffer: Buffer, m: Map, down: Axis, across: Axis) -> Matrix | None:
        pitch, step = m.stride(down.name), m.stride(across.name)
        turned = step != 1
        if turned:
            pitch, step, across = step, pitch, down
        if step != 1 or pitch < across.size:
            return None
        return Matrix(buffers.index(buffer), m.offset, pitch, turned, m.stride(batch.name))

    lhs = matrix(p.lhs.buffer, p.lhs.map, p.rows, p.depth)
    rhs = matrix(p.rhs.buffer, p.rhs.map, p.depth, p.columns)
    out = matrix(store.buffer, store.map, p.rows, p.columns)
    if lhs is None or rhs is None or out is None or out.turned:
        return None
    lanes = ACCESS // NUMPY[p.dtype].itemsize
    places = [b.size for b in buffers] + [m.offset for m in (lhs, rhs, out)]
    aligned = ACCESS // lanes if any(n % lanes for n in places) else ACCESS
    sizes = p.rows.size, p.columns.size, p.depth.size, batch.size
    return MatrixProduct(p.dtype, p.precision, *sizes, lhs, rhs, out, aligned)
