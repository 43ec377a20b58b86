"""What goes between processes, when derivatives are taken: one op, for which a row waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from ...runtime.processes.world import world
from ...runtime.rows import MeshAxes, Transfer
from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Sample, Value, apply
from ..ir.symbolic import present
from ..ir.types import HALVES, INTEGERS, WIDE, Type, type_of
from .exchanged import exchanged_array
from .view import permute

__all__ = ["process_place"]

Kind = Literal["sum", "max", "min", "gather", "scatter", "exchange", "permute"]
PARTED = "scatter", "exchange"
"""The kinds whose operands have a part for each process."""


class ProcessPlace(Op):
    """The place of this process on an axis of its mesh."""

    arity = 0
    hosted = True

    axis_name: str
    axis_size: int
    mesh: MeshAxes

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if (self.axis_name, self.axis_size) not in self.mesh:
            raise ProgramError(f"process_place: an axis of its mesh is required, got {self}")
        return Type("i32")

    def reference(self, *args: np.ndarray) -> Any:
        return np.int32(world().place(self.mesh, self.axis_name))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        return (None,)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return (apply(self),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("i", 1, (("j", 1), ("i", 1))), (), smooth=False)
        yield Sample(cls("i", 2, (("i", 1),)), (), error="process_place: an axis of its mesh is")


class Transferred(Op):
    """What the processes of an axis give each other of their x

    `kind` says what, as of Transfer in runtime/rows.py; the first axis of operands with parts, and
    of what is gathered, is the processes'. `pairs` are those of a permute. It is made after
    derivatives are taken, and has no transpose.
    """

    arity = 1
    hosted = True

    kind: Kind
    axis_name: str
    axis_size: int
    mesh: MeshAxes
    pairs: tuple[tuple[int, int], ...] = ()

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return self.result(*args)

    def result(self, x: Type) -> Type:
        if (self.axis_name, self.axis_size) not in self.mesh:
            raise ProgramError(f"transferred: an axis of its mesh is required, got {self}")
        if x.is_complex:
            raise ProgramError(f"transferred: the parts of a complex array are required, got {x}")
        if self.kind == "gather":
            return Type(x.dtype, (self.axis_size, *x.shape))
        if self.kind in PARTED and x.shape[:1] != (self.axis_size,):
            required = f"a first axis of {self.axis_size} elements is required"
            raise ProgramError(f"transferred: {required}, got {x}")
        return Type(x.dtype, x.shape[1:]) if self.kind == "scatter" else x

    def transfer(self, x: Type) -> Transfer:
        """What of an operand is done."""
        return Transfer(self.kind, self.mesh, self.axis_name, x.numpy, x.size, self.pairs)

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        of = type_of(x)
        return exchanged_array(self.transfer(of), x, self.result(of))

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if tangents == (None,):
            return (None,)
        linear = self.kind not in ("max", "min")
        return (apply(self, *present(tangents)),) if linear else super().jvp(node, tangents)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        (x,) = args
        found = apply(self, second_first(x) if self.kind in PARTED else x)
        return (second_first(found) if self.kind in ("gather", "exchange") else found,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        mesh = (("j", 1), ("i", 1))
        for dtype in (*INTEGERS, *HALVES, *WIDE, "bool"):
            x, parts = Type(dtype, (2, 3)), Type(dtype, (1, 2, 3))
            yield Sample(cls("gather", "i", 1, mesh), (x,), smooth=False)
            yield Sample(cls("exchange", "i", 1, mesh), (parts,), smooth=False)
            yield Sample(cls("permute", "i", 1, mesh), (x,), smooth=False)
        for dtype in ("i32", "f64"):
            x, parts = Type(dtype, (2, 3)), Type(dtype, (1, 2, 3))
            yield Sample(cls("sum", "i", 1, mesh), (x,), smooth=False)
            yield Sample(cls("scatter", "i", 1, mesh), (parts,), smooth=False)
        yield Sample(cls("max", "i", 1, mesh), (Type("i32", (2, 3)),), smooth=False)
        yield Sample(cls("min", "i", 1, mesh), (Type("i32", (2, 3)),), smooth=False)
        yield Sample(
            cls("scatter", "i", 1, mesh),
            (Type("f32", (2, 3)),),
            error="transferred: a first axis of 1 elements is required, got f32[2, 3]",
        )
        yield Sample(cls("sum", "k", 1, mesh), (Type("f32"),), error="an axis of its mesh is")


def second_first(x: Value) -> Value:
    """The first two axes in each other's place."""
    return permute(x, (1, 0, *range(2, len(x.shape))))


def process_place(axis_name: str, axis_size: int, mesh: MeshAxes) -> Value:
    """The place of this process on an axis, i32."""
    return apply(ProcessPlace(axis_name, axis_size, mesh))
