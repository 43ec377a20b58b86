"""What printers of products share."""

from __future__ import annotations

from math import prod

from ..kernel.expr import Load
from ..kernel.product import Product, normal_form
from ..kernel.scalar import KernelError
from ..kernel.stages import Store
from .slots import Slots
from .words.simd import DTYPES

NUMBERS = ("i32", "u32", "i64", "f32", "f64")


def printable(product: Product) -> Product:
    """The product in normal form. Errors: KernelError, where it is none of numbers."""
    p = normal_form(product)
    if p.dtype not in NUMBERS:
        raise KernelError(f"{p.name}: a product of numbers is required, got {p.dtype}")
    return p


def product_work(p: Product) -> tuple[int, int]:
    """Operations, and bytes that must move at least once."""
    rows, columns, depth = p.rows.size, p.columns.size, p.depth.size
    batch = prod(a.size for a in p.batch)
    elements = rows * depth + depth * columns + rows * columns * len(p.stores)
    return 2 * batch * rows * columns * depth, batch * elements * DTYPES[p.dtype].bytes


def matrix(p: Product, slots: Slots, name: str, x: Load | Store) -> str:
    """`name` = the first element of the matrix of this place in the batch."""
    buffer, m = x.buffer.name, x.map
    batch = [a.name for a in p.batch if m.stride(a.name)]
    terms = [f"{slots.axis(a)} * {slots.stride(buffer, m, a)}" for a in batch]
    terms += [slots.offset(buffer, m)] if m.offset else []
    return f"{name} = at({slots.buffer(buffer)}, {' + '.join(terms) or 0})"
