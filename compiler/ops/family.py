"""What the members of a family of ops share: derivatives from short forms, elementwise maps, views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import CompilerError, ProgramError
from ..ir import Node, Op, Value, apply
from ..kernel import OPS, Expr, Map
from ..kernel import apply as scalar
from ..types import Type, is_float, spelled


def accumulate(x: Value | None, y: Value | None) -> Value | None:
    """x + y, where None is zero."""
    if x is None or y is None:
        return y if x is None else x
    return apply(Op.registry["add"](), x, y)


class OneResult(Op, abstract=True):
    """An op of one result; its joint rules follow from the short forms `tangent` and `cotangent`."""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        """What tangent `dx` of operand `i` adds to the tangent of `out`; linear in `dx`. Operands: `out.node.args`."""
        raise CompilerError(f"op '{self.name}' has no tangent rule")

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        """Cotangent of operand `i`, in which `out` is linear, for cotangent `ct` of `out`."""
        raise CompilerError(f"op '{self.name}' is not linear: it has no cotangent rule")

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        total = None
        if is_float(node.out.dtype):
            for i, dx in enumerate(tangents):
                if dx is not None:
                    total = accumulate(total, self.tangent(i, dx, node.out))
        return (total,)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        (ct,) = cts
        if ct is None:
            return (None,) * len(linear)
        return tuple(self.cotangent(i, ct, node.out) if yes else None for i, yes in enumerate(linear))


class Linear(OneResult, abstract=True):
    """Linear in its one operand: the tangent is the op itself on the tangent."""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx)


class Elementwise(OneResult, abstract=True):
    """Operands of one type, the result of the same shape; its meaning is a scalar operation of the kernel level."""

    scalar: ClassVar[str] = ""  # name in kernel.OPS; the op's own name where empty
    domain: ClassVar[tuple[str, ...]] = ("i32", "i64", "u32", "f32", "f64")

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = args[0]
        if any(a != x for a in args):
            raise ProgramError(f"{self.name}: operands of one type are required, got {spelled(args)}")
        if x.dtype not in self.domain:
            raise ProgramError(f"{self.name}: one of {', '.join(self.domain)} is required, got {x}")
        return x

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            return OPS[self.scalar or self.name].function(*args)

    def expression(self, *args: Expr) -> Expr:
        """The scalar operation in a kernel."""
        return scalar(self.scalar or self.name, *args)


@dataclass(frozen=True)
class Flat:
    """An index into an array read as one row: element `map` in C order."""

    map: Map


Index = tuple[Map, ...] | Flat
"""Where an element stands, affine in the axes of a kernel: a map per dimension, or a flat one."""


@dataclass(frozen=True)
class Piece:
    """Elements that come from operand `operand` at `index`, where every guard (map, low, high) has low <= map < high."""

    operand: int
    index: Index
    guards: tuple[tuple[Map, int, int], ...] = ()


class View(OneResult, abstract=True):
    """Moves elements and computes none: an index map, folded into the loads of whoever reads it."""

    fill: ClassVar[Any] = 0  # where no piece's guards hold; pad gives a property
    flat: ClassVar[bool] = False  # a reshape: `pieces` turns any index into a Flat one

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        """Where the element `at` of the result comes from; at most one piece's guards hold. `at` is Flat for a reshape only."""
        raise CompilerError(f"op '{self.name}' has no index map")


Read = Callable[[int, Sequence[Map | Expr]], Expr]
"""read(i, index): the element of operand `i` at `index`, of which some parts may be computed."""


class Computed(OneResult, abstract=True):
    """Every element follows from its index and from elements of the operands at computed places."""

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        """The element `at` of the result."""
        raise CompilerError(f"op '{self.name}' has no element rule")


class ReduceFamily(OneResult, abstract=True):
    """Combines the elements along the axes `over` by `monoid`, the name of one in kernel.MONOIDS; the result drops them."""

    monoid: ClassVar[str] = ""

    @property
    def over(self) -> tuple[int, ...]:
        """The axes that are combined, not negative."""
        raise CompilerError(f"op '{self.name}' does not say what it reduces")
