"""The op that keeps a cotangent out of rows of a batch which take no part: see transform/rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Parts, Sample, Value
from ..ir.symbolic import repeated
from ..ir.types import Type, spelled
from ..transform.rows import cleared, guard
from .elementwise import operands
from .family import OneResult, partwise

__all__ = ["guard"]


class Guard(OneResult):
    """x, which nobody reads where `on` does not hold: its cotangent there is zero

    Operands: `on`, along the leading axes of x, or some of them, then x.
    """

    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        on, x = args
        if on.dtype != "bool" or on.shape != x.shape[: on.ndim]:
            raise ProgramError(
                f"guard: a mask of the leading axes of the second operand is required, "
                f"got {spelled(args)}"
            )
        return x

    def reference(self, *args: np.ndarray) -> Any:
        return args[1]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return guard(operands(out)[0], dx)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return cleared(operands(out)[0], ct)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """Of one that all applications share each gets a copy: what is made of it is theirs."""
        return (guard(*repeated(args, batched, size)),)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ("f32", "f64", "c128"):
            for shape in ((), (2,), (2, 3)):
                yes = np.ones(shape, bool)
                yield Sample(cls(), (Type("bool", shape), Type(dtype, (2, 3))), values=(yes, None))
        for on in (Type("bool", (3,)), Type("i32", (2,))):
            yield Sample(
                cls(), (on, Type("f64", (2, 3))),
                error="guard: a mask of the leading axes of the second operand is required, got",
            )  # fmt: skip
