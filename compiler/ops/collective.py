"""Ops over a named axis of vmap: what one application reads of all others.

The last operand is the application's place on the axis, which vmap makes. It tells whether a batch
is over that axis: there the place is batched, and the op becomes an ordinary one; a batch over
another axis leaves the place alone. An op that no vmap has replaced means what it means where all
applications have the same operand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Node, Parts, Sample, Value, apply
from ..ir.symbolic import repeated
from ..ir.types import COMPLEX, HALVES, INTEGERS, NUMPY, WIDE, Type
from ..kernel import Const, Expr, Map
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, Shifted, dims
from .elementwise import cast, eq, mul, operands, select
from .family import Computed, of_domain, partwise
from .reduce import reduce_sum
from .source import full, iota
from .view import broadcast, permute, reshape, slice_

__all__ = ["all_gather", "local_element", "psum"]

PLACE = Type("i32")
NUMBERS = (*INTEGERS, *WIDE, *COMPLEX)


class Collective(Computed, abstract=True):
    """Of x and the place on an axis."""

    arity = 2
    shares = True
    axis_name: str
    axis_size: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, place = args
        if place != PLACE:
            raise ProgramError(f"{self.name}: a place of {PLACE} is required, got {place}")
        if self.axis_size < 0:
            raise ProgramError(f"{self.name}: a size of at least 0 is required, got {self}")
        return self.result(x)

    def result(self, x: Type) -> Type:
        """The type of the result."""
        raise CompilerError(f"op '{self.name}' has no type rule")

    def gathered(self, x: Value) -> Value:
        """The result, of the operands of all applications along axis 0 of `x`."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def alike(self, x: Value) -> Value:
        """The result, where all applications have the operand `x`."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def beside(self, x: Value, place: Value) -> Value:
        """The op with another leading axis of `x`, which is none of the applications'."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx, operands(out)[1])

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        x, place = args
        if not batched[1]:
            return (self.beside(x, place),)
        if size != self.axis_size:
            raise CompilerError(f"{self.name}: a batch of {self.axis_size} is required, got {size}")
        return (self.gathered(x) if batched[0] else self.alike(x),)


class Psum(Collective):
    """y = sum of x over the applications along the axis"""

    def result(self, x: Type) -> Type:
        return of_domain(self, x, NUMBERS)

    def reference(self, *args: np.ndarray) -> Any:
        x = args[0]
        with np.errstate(all="ignore"):
            return np.multiply(x, np.asarray(self.axis_size).astype(x.dtype))

    def count(self, dtype: str) -> Any:
        """The size as a number of a dtype; integers wrap, as sums of them do."""
        return np.asarray(self.axis_size).astype(NUMPY[dtype]).item()

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(self, ct, operands(out)[1])

    def gathered(self, x: Value) -> Value:
        return reduce_sum(x, (0,))

    def alike(self, x: Value) -> Value:
        return mul(x, full(self.count(x.dtype), x.type))

    def beside(self, x: Value, place: Value) -> Value:
        return apply(self, x, place)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return scalar("mul", read(0, dims(at)), Const(self.count(out.dtype), out.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMBERS:
            yield Sample(cls("i", 3), (Type(dtype, (2, 3)), PLACE), low=0)
        yield Sample(cls("i", 1), (Type("f64"), PLACE))
        yield Sample(
            cls("i", 3),
            (Type("f32"), Type("i64")),
            error="psum: a place of i32 is required, got i64",
        )
        yield Sample(
            cls("i", -1), (Type("f32"), PLACE), error="psum: a size of at least 0 is required"
        )
        yield Sample(cls("i", 3), (Type("bool"), PLACE), error="is required, got bool")


class AllGather(Collective):
    """y[j, ...] = x[...] of application j along the axis

    The adjoint is that of all applications together, so differences of one say nothing.
    """

    def result(self, x: Type) -> Type:
        return Type(x.dtype, (self.axis_size, *x.shape))

    def reference(self, *args: np.ndarray) -> Any:
        return np.broadcast_to(args[0], (self.axis_size, *args[0].shape))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        place = operands(out)[1]
        return local_element(psum(ct, place, self.axis_name, self.axis_size), place, self.axis_name)

    def gathered(self, x: Value) -> Value:
        return x

    def alike(self, x: Value) -> Value:
        return repeated((x,), (False,), self.axis_size)[0]

    def beside(self, x: Value, place: Value) -> Value:
        found = apply(self, x, place)
        return permute(found, (1, 0, *range(2, len(found.shape))))

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, dims(at)[1:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls("i", 3), (Type(dtype, (2, 3)), PLACE), smooth=False)
        yield Sample(cls("i", 0), (Type("f64"), PLACE), smooth=False)
        yield Sample(cls("i", 2), (Type("f64", (0, 2)), PLACE), smooth=False)
        yield Sample(
            cls("i", 3),
            (Type("f32"), Type("i32", (3,))),
            error="all_gather: a place of i32 is required, got i32[3]",
        )
        yield Sample(
            cls("i", -1), (Type("f32"), PLACE), error="all_gather: a size of at least 0 is required"
        )


class Own(Collective):
    """y[...] = x[i, ...], i the place on the axis"""

    def result(self, x: Type) -> Type:
        if x.shape[:1] != (self.axis_size,):
            raise ProgramError(
                f"own: a first axis of {self.axis_size} elements is required, got {x}"
            )
        return Type(x.dtype, x.shape[1:])

    def reference(self, *args: np.ndarray) -> Any:
        x, place = args
        return x[np.clip(place, 0, len(x) - 1)] if len(x) else np.zeros(x.shape[1:], x.dtype)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, place = operands(out)
        wide = broadcast(ct, x.shape, (0,))
        every = range(len(x.shape))
        mine = eq(iota(Type("i32", x.shape), 0), broadcast(place, x.shape, every))
        return select(mine, wide, full(0.0, x.type))

    def gathered(self, x: Value) -> Value:
        """The diagonal of the first two axes: views alone."""
        n, *rest = x.shape[1:]
        row = reshape(x, (n * n, *rest))
        zeros, ones = (0,) * len(rest), (1,) * len(rest)
        return slice_(row, (0, *zeros), (n * n, *rest), (n + 1, *ones))

    def alike(self, x: Value) -> Value:
        return x

    def beside(self, x: Value, place: Value) -> Value:
        return apply(self, permute(x, (1, 0, *range(2, len(x.shape)))), place)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        place = scalar("cast", read(1, ()), param="i64")
        return read(0, (Shifted(Map(), place, self.axis_size), *dims(at)))

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return args[:1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls("i", 3), (Type(dtype, (3, 2)), PLACE), low=0)
        yield Sample(cls("i", 2), (Type("f64", (2,)), PLACE), low=0, high=1)
        yield Sample(
            cls("i", 3),
            (Type("f32", (2, 3)), PLACE),
            error="own: a first axis of 3 elements is required, got f32[2, 3]",
        )
        yield Sample(
            cls("i", 3), (Type("f32", (3,)), Type("i64")), error="own: a place of i32 is required"
        )


def psum(x: Value, place: Value, axis_name: str, axis_size: int) -> Value:
    """The sum over an axis; halves are added in f32."""
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(apply(Psum(axis_name, axis_size), wide, place), x.dtype)


def all_gather(x: Value, place: Value, axis_name: str, axis_size: int) -> Value:
    return apply(AllGather(axis_name, axis_size), x, place)


def local_element(x: Value, place: Value, axis_name: str) -> Value:
    """The element of this application along axis 0, which is as large as the named one."""
    return apply(Own(axis_name, x.shape[0]), x, place)
