"""The loop whose turns know nothing of each other: one thread runs each from begin to end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Sample, Value, apply_all
from ...ir.symbolic import present
from ...ir.types import Type
from ...transform.interpreter import interpret
from .. import elementwise, reduce, transcendental
from .bodies import (
    Control,
    Narrowed,
    body_of,
    chosen,
    moving,
    narrowed_body,
    pushed_together,
    read_by,
    spread,
)
from .scan import Scan

Steps = tuple[int, ...]
"""Elements from one unit to the next, along each axis of the box."""


class Slabs(Control):
    """y[unit] = body(x[unit]) for every unit of a box, in any order, many at once

    Each unit u reads of operand i the elements from starts[i] + sum(u * strides[i]) on, as many as
    the body's input has, in C order, and writes of result k those from sum(u * out_strides[k]) on;
    `types` are those of whole results. Every element of a result is written once.

    It is made after derivatives are taken, and has no transpose; processors alone run it.
    """

    body: Graph
    units: tuple[int, ...]
    starts: tuple[int, ...]
    strides: tuple[Steps, ...]
    types: tuple[Type, ...]
    out_strides: tuple[Steps, ...]

    @property
    def count(self) -> int:
        """How many units there are."""
        return math.prod(self.units)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        wanted, results = self.body.types
        for what, inside, *given in (
            ("operands", wanted, args, self.starts, self.strides),
            ("results", results, self.types, self.out_strides),
        ):
            if {len(inside)} != set(map(len, given)):
                raise ProgramError(
                    f"slabs: {len(inside)} {what} are required by {self.body.name}, with their "
                    f"places, got {' and '.join(str(len(x)) for x in given)}"
                )
        for steps in (*self.strides, *self.out_strides):
            if len(steps) != len(self.units):
                raise ProgramError(
                    f"slabs: a stride for each of {len(self.units)} axes is required, got {steps}"
                )
        for x, piece, start, steps in zip(args, wanted, self.starts, self.strides, strict=True):
            low, high = self.reach(start, steps, piece.size)
            if x.dtype != piece.dtype or not 0 <= low <= high <= x.size:
                raise ProgramError(
                    f"slabs: an operand with pieces of {piece} in its elements {low} to {high} is "
                    f"required by {self.body.name}, got {x}"
                )
        for y, piece, steps in zip(self.types, results, self.out_strides, strict=True):
            if y.dtype != piece.dtype or not self.fills(y, piece, steps):
                raise ProgramError(
                    f"slabs: a result that pieces of {piece} at strides of {steps} over a box of "
                    f"{self.units} fill, each element once, is required, got {y}"
                )
        return self.types

    def reach(self, start: int, steps: Steps, size: int) -> tuple[int, int]:
        """The first element that any unit touches, and the one behind the last."""
        if not self.count or not size:
            return 0, 0
        moves = [s * (n - 1) for s, n in zip(steps, self.units, strict=True)]
        low, high = sum(min(m, 0) for m in moves), sum(max(m, 0) for m in moves)
        return start + low, start + high + size

    def fills(self, whole: Type, piece: Type, steps: Steps) -> bool:
        """Whether the pieces lie one behind the other, in some order of the axes."""
        if whole.size != self.count * piece.size:
            return False
        axes = sorted((s, n) for s, n in zip(steps, self.units, strict=True) if n > 1)
        end = piece.size
        for step, n in axes if whole.size else ():
            if step != end:
                return False
            end *= n
        return True

    def kinds(self, count: int) -> tuple[str, ...]:
        return ("slab",) * count

    # ---- places

    def places(self, start: int, steps: Steps) -> Iterator[int]:
        """The first element of each unit, in order."""
        for unit in product(*map(range, self.units)):
            yield start + sum(u * s for u, s in zip(unit, steps, strict=True))

    def pieces(self, args: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
        """What the body takes, unit by unit."""
        if not args:
            yield from ((),) * self.count
        every = (self.places(s, steps) for s, steps in zip(self.starts, self.strides, strict=True))
        for at in zip(*every, strict=True):
            yield tuple(
                x.reshape(-1)[a : a + v.type.size].reshape(v.shape)
                for x, a, v in zip(args, at, self.body.inputs, strict=True)
            )

    def reference(self, *args: np.ndarray) -> Any:
        wholes = tuple(np.empty(t.size, t.numpy) for t in self.types)
        every = [self.places(0, steps) for steps in self.out_strides]
        for given in self.pieces(args):
            for whole, at, y in zip(wholes, every, interpret(self.body, *given), strict=True):
                begin = next(at)
                whole[begin : begin + y.size] = y.reshape(-1)
        return tuple(y.reshape(t.shape) for y, t in zip(wholes, self.types, strict=True))

    def applied(self, *args: np.ndarray) -> Iterator[tuple[str, Graph, tuple[np.ndarray, ...]]]:
        units = product(*map(range, self.units))
        for unit, given in zip(units, self.pieces(args), strict=True):
            yield f"unit {unit}", self.body, given

    # ---- forward mode

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """Slabs of the body and its tangent, which lies as the values do."""
        marks, count = moving(tangents), len(node.values)
        (body,), moved = pushed_together((self.body,), marks)
        if not any(moved):
            return (None,) * count
        made = apply_all(
            Slabs(
                body,
                self.units,
                (*self.starts, *chosen(self.starts, marks)),
                (*self.strides, *chosen(self.strides, marks)),
                (*self.types, *chosen(self.types, moved)),
                (*self.out_strides, *chosen(self.out_strides, moved)),
            ),
            *node.args,
            *present(tangents),
        )
        return *made[:count], *spread(made[count:], moved)

    # ---- batches

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """Slabs of a box with one more axis."""
        sizes = (a.type.size for a in node.args)
        return apply_all(
            Slabs(
                self.body,
                (size, *self.units),
                self.starts,
                tuple(
                    (n if yes else 0, *steps)
                    for n, yes, steps in zip(sizes, batched, self.strides, strict=True)
                ),
                tuple(Type(t.dtype, (size, *t.shape)) for t in self.types),
                tuple(
                    (t.size, *steps) for t, steps in zip(self.types, self.out_strides, strict=True)
                ),
            ),
            *args,
        )

    # ---- less

    def narrowed(self, node: Node, wanted: tuple[bool, ...]) -> Narrowed:
        """Without operands and results that are not needed."""
        outs = [k for k, yes in enumerate(wanted) if yes]
        read = read_by(self.body, [self.body.outputs[k] for k in outs])
        inputs = [i for i, yes in enumerate(read) if yes]
        op = self
        if (len(inputs), len(outs)) != (len(read), len(wanted)):
            op = replace(
                self,
                body=narrowed_body(self.body, inputs, {i: i for i in inputs}, outs),
                starts=chosen(self.starts, read),
                strides=chosen(self.strides, read),
                types=chosen(self.types, wanted),
                out_strides=chosen(self.out_strides, wanted),
            )
        at = {k: n for n, k in enumerate(outs)}
        return Narrowed(op, tuple(inputs), tuple(at.get(k) for k in range(len(wanted))), {})

    # ---- samples

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        def softmax(q: Value, w: Value) -> tuple[Value, ...]:
            e = transcendental.exp(elementwise.mul(q, w))
            return e, reduce.reduce_sum(e, (0,))

        for dtype in ("f32", "f64"):
            v, scalar = Type(dtype, (5,)), Type(dtype)
            body = body_of("weighed", (v, v), softmax)
            whole, sums = Type(dtype, (2, 3, 5)), Type(dtype, (3, 2))
            yield Sample(
                cls(body, (2, 3), (0, 1), ((15, 5), (0, 0)), (whole, sums), ((15, 5), (1, 2))),
                (whole, Type(dtype, (6,))),
                smooth=False,
            )
            yield Sample(
                cls(body, (), (5, 0), ((), ()), (v, scalar), ((), ())),
                (Type(dtype, (2, 5)), v),
                smooth=False,
            )
            none = Type(dtype, (0, 5))
            yield Sample(
                cls(body, (0,), (0, 0), ((5,), (0,)), (none, Type(dtype, (0,))), ((5,), (1,))),
                (none, v),
                smooth=False,
            )
        n = Type("i64", (2,))
        turn = body_of("turn", (n,), lambda x: (elementwise.add(x, x),))
        loop = body_of("loop", (n,), lambda x: apply_all(Scan(turn, 0, 1, 3, False), x))
        whole = Type("i64", (4, 2))
        yield Sample(cls(loop, (2, 2), (6,), ((-4, -2),), (whole,), ((4, 2),)), (whole,))
        yield Sample(
            cls(loop, (4,), (0,), ((2,),), (whole,), ((2,),)),
            (whole, whole),
            error="slabs: 1 operands are required by loop, with their places, got 2 and 1 and 1",
        )
        yield Sample(
            cls(loop, (4,), (0,), ((2, 1),), (whole,), ((2,),)),
            (whole,),
            error="slabs: a stride for each of 1 axes is required, got (2, 1)",
        )
        yield Sample(
            cls(loop, (4,), (1,), ((2,),), (whole,), ((2,),)),
            (whole,),
            error="slabs: an operand with pieces of i64[2] in its elements 1 to 9 is required by "
            "loop, got i64[4, 2]",
        )
        yield Sample(
            cls(loop, (4,), (0,), ((2,),), (whole,), ((1,),)),
            (whole,),
            error="slabs: a result that pieces of i64[2] at strides of (1,) over a box of (4,) "
            "fill, each element once, is required, got i64[4, 2]",
        )


def slabs(
    body: Graph,
    args: Sequence[Value],
    units: Sequence[int],
    strides: Sequence[Sequence[int]],
    types: Sequence[Type],
    out_strides: Sequence[Sequence[int]],
    starts: Sequence[int] = (),
) -> tuple[Value, ...]:
    """The results of `body` on every unit of a box; without `starts` operands begin at 0."""
    op = Slabs(
        body,
        tuple(units),
        tuple(starts) or (0,) * len(args),
        tuple(map(tuple, strides)),
        tuple(types),
        tuple(map(tuple, out_strides)),
    )
    return apply_all(op, *args)
