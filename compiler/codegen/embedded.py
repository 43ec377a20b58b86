"""Stores of a kernel inside the loops of another printer: what a product does with its sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..kernel.expr import Axis
from ..kernel.stages import Stage, Store
from .fma import with_fma
from .printer import lines
from .slots import Slots
from .values import Level, Row, Values


@dataclass(frozen=True)
class Lines:
    """`before` stands outside the loop over vectors, `each` at every vector."""

    before: list[str]
    each: list[str]


def lower_body(
    stores: Sequence[Store], slots: Slots, axes: Mapping[str, Axis], variables: Mapping[str, str],
    vector: str, lanes: int, results: Mapping[str, str], mask: str | None = None,
) -> Lines:  # fmt: skip
    """The lines of `stores` at one vector position, for a text that another printer writes.

    `slots` is the text's argument block, `Slots(buffers)`: it names buffers and numbers (the
    caller's own by `slots.number(role, name, value)`), `slots.lines()` begins the function,
    `slots.values` follow the addresses in the block; both are complete when all bodies are lowered.
    `axes` are the axes of the stores by name, `variables` the i64 variables of the text that hold
    them; that of the axis `vector` is the index of lane 0. `results` names the `lanes`-wide values
    behind `Result(name, (), dtype)`. `mask` names a mask of lanes: those outside are neither read
    nor written. All bodies of one text must be given the same stores, so that full and masked
    vectors meet the same instructions.

        slots, at = Slots(p.buffers), {"i": "row", "j": "column"}
        full = lower_body(p.stores, slots, axes, at, "j", 16, {"acc": "sums"})
        edge = lower_body(p.stores, slots, axes, at, "j", 16, {"acc": "rest"}, "inside")
        "for row in ...:",
            *full.before, *edge.before,
            "for column in ...:",
                "sums = load(...)", *full.each,
            "inside = first(...)", "rest = load_where(...)", *edge.each
    """
    stage = with_fma(Stage((), tuple(stores)))
    slots.axes.update(variables)
    outside = Level([], frozenset(axes) - {vector})
    values = Values(
        slots,
        dict(axes),
        frozenset(axes),
        [outside, Level([], frozenset((vector,)))],
        vector,
        lanes,
        mask,
    )
    values.results = {n: Row(name, True) for n, name in results.items()}
    values.stores([s for s in stage.body if isinstance(s, Store)])
    return Lines(*(lines(level.body) for level in values.levels))
