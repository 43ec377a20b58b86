"""Takes from products what follows them, where the device's library does the product.

What: product with stores of expressions → the product alone, into memory, and a kernel of the
expressions in a wave of its own.
Why here: after schedule, when products have their epilogues; before buffers, which plan the memory
between the two.
Before, after: a schedule. Only for a target that has such a library.
Cost: n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from ..fuse.emission import AnyWork, BodyWork, Work
from ..ir.graph import Value
from ..ir.types import Type
from ..kernel.product import Product, normal, parted
from .plan import Schedule

Takes = Callable[[Product], bool]


def detach(schedule: Schedule, takes: Takes) -> Schedule:
    """The schedule with the products that the library `takes` alone."""
    return detached(schedule, takes, {})


def detached(schedule: Schedule, takes: Takes, known: dict[int, Schedule]) -> Schedule:
    """The same; bodies that were one stay one, by `known`."""
    if id(schedule) not in known:
        waves: list[tuple[AnyWork, ...]] = []
        for wave in schedule.waves:
            first: list[AnyWork] = []
            then: list[AnyWork] = []
            for work in wave:
                if isinstance(work, BodyWork):
                    bodies = tuple(detached(body, takes, known) for body in work.bodies)
                    work = replace(work, bodies=bodies)
                pair = two(work, takes) if isinstance(work, Work) else None
                first.append(pair[0] if pair else work)
                then += pair[1:] if pair else ()
            waves += [tuple(first), tuple(then)] if then else [tuple(first)]
        known[id(schedule)] = replace(schedule, waves=tuple(waves))
    return known[id(schedule)]


def two(work: Work, takes: Takes) -> tuple[Work, Work] | None:
    """The product and what follows it, if it is one that the library takes."""
    p = work.kernel
    if not isinstance(p, Product) or p.plain:
        return None
    alone, after, between = parted(normal(p))
    alone = normal(alone)
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
