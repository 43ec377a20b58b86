"""Takes from products what follows them, where the device's library does the product.

What: product with stores of expressions → the product alone, into memory, and a kernel of the
expressions in a wave of its own.
Order: after schedule, when products have their epilogues; before buffers, which plan the memory
between the two.
Before, after: a schedule. Only for a target that has such a library.
Cost: n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from ..fuse.waves import Schedule, in_bodies
from ..fuse.work import AnyWork, Work
from ..ir.graph import Value
from ..ir.types import Type
from ..kernel.product import Product, normal_form, product_parts

Takes = Callable[[Product], bool]


@in_bodies
def detach(schedule: Schedule, takes: Takes) -> Schedule:
    """The schedule with the products that the library `takes` alone."""
    waves: list[tuple[AnyWork, ...]] = []
    for wave in schedule.waves:
        pairs = [
            (isinstance(work, Work) and detached_pair(work, takes)) or (work,) for work in wave
        ]
        then = tuple(after for _, *others in pairs for after in others)
        waves += [tuple(first for first, *_ in pairs), *([then] if then else [])]
    return replace(schedule, waves=tuple(waves))


def detached_pair(work: Work, takes: Takes) -> tuple[Work, Work] | None:
    """The product and what follows it, if it is one that the library takes."""
    p = work.kernel
    if not isinstance(p, Product) or p.plain:
        return None
    alone, after, between = product_parts(normal_form(p))
    alone = normal_form(alone)
    if not takes(alone):
        return None
    of = dict(zip(p.buffers, work.values, strict=True))
    of[between] = Value(Type(p.dtype, tuple(a.size for a in p.outer if a.size != 1)))
    assert prod(of[between].shape) == between.size
    values = tuple(of[b] for b in alone.buffers)
    return (
        Work(alone, values, 1, work.waits),
        Work(after, tuple(of[b] for b in after.buffers), work.writes, work.waits),
    )
