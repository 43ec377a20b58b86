"""Ops that read or add at computed places. Places out of range are clamped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..ir import Node, Op, Parts, Sample, Value, apply
from ..kernel import Expr, Map
from ..kernel import apply as scalar
from ..types import COMPLEX, HALVES, INTEGERS, NUMPY, WIDE, Type, spelled
from .elementwise import cast, operands
from .family import Computed, Index, Read, Scatter, dims, of_domain, partwise, repeated
from .source import Iota
from .view import broadcast, permute, reshape

SIGNED = ("i32", "i64")
NUMBERS = (*INTEGERS, *WIDE, *COMPLEX)


def of_places(op: Op, x: Type, indices: Type, axis: int, size: int | None = None) -> None:
    """Requires an axis of `x` and signed indices, and `size` elements for them, or those of `x`."""
    if not 0 <= axis < x.ndim:
        raise ProgramError(f"{op.name}: an axis of {x} is required, got {axis}")
    if indices.dtype not in SIGNED:
        raise ProgramError(f"{op.name}: indices of i32 or i64 are required, got {indices}")
    if (x.shape[axis] if size is None else size) < min(indices.size, 1):
        raise ProgramError(f"{op.name}: an axis with elements is required, got axis {axis} of {x}")


def place(read: Read, index: tuple[Map, ...]) -> Expr:
    """The element of operand 1 as a place."""
    found = read(1, index)
    return found if found.dtype == "i64" else scalar("cast", found, param="i64")


def along(x: np.ndarray, indices: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """NumPy's index of the elements of `x` at `indices` along `axis`, everywhere else in place."""
    return tuple(
        np.clip(indices, 0, x.shape[axis] - 1) if d == axis else grid
        for d, grid in enumerate(np.indices(indices.shape, sparse=True))
    )


class Take(Computed):
    """y[a, j, b] = x[a, indices[j], b], np.take: the axes j of the indices replace `axis` of x"""

    arity = 2
    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, indices = args
        of_places(self, x, indices, self.axis)
        return Type(x.dtype, (*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :]))

    def reference(self, *args: np.ndarray) -> Any:
        x, indices = args
        if indices.size == 0 or x.size == 0:
            return np.empty(
                (*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :]), x.dtype
            )
        return np.take(x, indices, self.axis, mode="clip")

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return take(dx, operands(out)[1], self.axis)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, indices = operands(out)
        return take_add(ct, indices, x.shape[self.axis], self.axis)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        x, indices = args
        axis = self.axis
        if not batched[1]:
            return (take(x, indices, axis + 1),)
        if not batched[0]:
            found = take(x, indices, axis)
            return (permute(found, (axis, *(d for d in range(len(found.shape)) if d != axis))),)
        found = take_along(x, each(indices, x.shape, axis + 1), axis + 1)
        return (reshape(found, (size, *node.out.shape)),)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        i, end = self.axis, self.axis + types[1].ndim
        return read(0, (*dims(at)[:i], place(read, dims(at)[i:end]), *dims(at)[end:]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls(0), (Type(dtype, (3, 2)), Type("i64", (4,))), low=0)
        for axis, x, places in (
            (1, (2, 3, 2), (2, 2)),
            (0, (3,), ()),
            (1, (2, 3), (0,)),
            (0, (1, 0), (2,)),
        ):
            yield Sample(cls(axis), (Type("f64", x), Type("i32", places)), low=0)
        yield Sample(
            cls(0), (Type("f64", (3, 2)), Type("i64", (4,))), values=(None, np.array([-1, 7, 2, 2]))
        )
        yield Sample(
            cls(2),
            (Type("f32", (3, 2)), Type("i64")),
            error="take: an axis of f32[3, 2] is required, got 2",
        )
        yield Sample(
            cls(0),
            (Type("f32", (3,)), Type("f32")),
            error="take: indices of i32 or i64 are required, got f32",
        )
        yield Sample(
            cls(0),
            (Type("f32", (0,)), Type("i32")),
            error="take: an axis with elements is required",
        )


class TakeAdd(Scatter):
    """y[a, indices[j], b] += x[a, j, b] from zeros, in C order; `size` along `axis` of y"""

    arity = 2
    size: int
    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, indices = args
        of_domain(self, x, NUMBERS)
        end = self.axis + indices.ndim
        if not 0 <= self.axis <= end <= x.ndim or x.shape[self.axis : end] != indices.shape:
            raise ProgramError(
                f"take_add: axes {self.axis} to {end} shaped as the indices are required, "
                f"got {spelled(args)}"
            )
        out = Type(x.dtype, (*x.shape[: self.axis], self.size, *x.shape[end:]))
        of_places(self, out, indices, self.axis, self.size)
        return out

    def reference(self, *args: np.ndarray) -> Any:
        x, indices = args
        before, after = x.shape[: self.axis], x.shape[self.axis + indices.ndim :]
        y = np.zeros((self.size, *before, *after), x.dtype)
        x = np.moveaxis(x.reshape(*before, indices.size, *after), self.axis, 0)
        np.add.at(y, np.clip(indices.reshape(-1), 0, max(self.size - 1, 0)), x)
        return np.moveaxis(y, 0, self.axis)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return take_add(dx, operands(out)[1], self.size, self.axis)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return take(ct, operands(out)[1], self.axis)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        x, indices = args
        if not batched[1]:
            return (take_add(x, indices, self.size, self.axis + 1),)
        (x,) = repeated((x,), batched[:1], size)
        at, end = self.axis + 1, self.axis + indices.type.ndim
        x = reshape(x, (*x.shape[:at], math.prod(indices.shape[1:]), *x.shape[end:]))
        return (take_along_add(x, each(indices, x.shape, at), self.size, at),)

    def place(
        self, at: Index, types: tuple[Type, ...], out: Type, read: Read
    ) -> tuple[Map | Expr, ...]:
        i, end = self.axis, self.axis + types[1].ndim
        return (*dims(at)[:i], place(read, dims(at)[i:end]), *dims(at)[end:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMBERS:
            yield Sample(cls(3, 0), (Type(dtype, (4, 2)), Type("i64", (4,))), low=0)
        for axis, x, places in (
            (1, (2, 2, 2, 3), (2, 2)),
            (0, (2,), ()),
            (1, (2, 0), (0,)),
            (0, (2, 0), (2,)),
        ):
            yield Sample(cls(3, axis), (Type("f64", x), Type("i32", places)), low=0)
        yield Sample(
            cls(3, 0),
            (Type("f64", (4,)), Type("i64", (4,))),
            values=(None, np.array([-1, 7, 2, 2])),
        )
        yield Sample(cls(0, 0), (Type("f64", (0, 2)), Type("i64", (0,))))
        error = "take_add: axes 0 to 1 shaped as the indices are required, got f32[3] and i64[4]"
        yield Sample(cls(3, 0), (Type("f32", (3,)), Type("i64", (4,))), error=error)
        yield Sample(
            cls(3, 0), (Type("bool", (3,)), Type("i64", (3,))), error="is required, got bool[3]"
        )


def of_shapes(op: Op, x: Type, indices: Type, axis: int) -> None:
    """Requires shapes that differ along `axis` only."""
    if x.ndim != indices.ndim or any(
        n != m for d, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)) if d != axis
    ):
        raise ProgramError(
            f"{op.name}: shapes equal but for axis {axis} are required, got {x} and {indices}"
        )


class TakeAlong(Computed):
    """y[a, j, b] = x[a, indices[a, j, b], b] with j along `axis`; np.take_along_axis"""

    arity = 2
    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, indices = args
        of_places(self, x, indices, self.axis)
        of_shapes(self, x, indices, self.axis)
        return indices.of(x.dtype)

    def reference(self, *args: np.ndarray) -> Any:
        x, indices = args
        return x[along(x, indices, self.axis)]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return take_along(dx, operands(out)[1], self.axis)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, indices = operands(out)
        return take_along_add(ct, indices, x.shape[self.axis], self.axis)

    def lifted(self, size: int) -> Op:
        return TakeAlong(self.axis + 1)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, (*dims(at)[: self.axis], place(read, dims(at)), *dims(at)[self.axis + 1 :]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls(0), (Type(dtype, (3, 2)), Type("i64", (4, 2))), low=0)
        for axis, x, places in ((1, (2, 3, 2), (2, 1, 2)), (0, (3,), (0,)), (1, (0, 3), (0, 2))):
            yield Sample(cls(axis), (Type("f64", x), Type("i32", places)), low=0)
        yield Sample(
            cls(0), (Type("f64", (3,)), Type("i64", (4,))), values=(None, np.array([-1, 7, 2, 2]))
        )
        error = "take_along: shapes equal but for axis 0 are required, got f32[3, 2] and i32[4, 3]"
        yield Sample(cls(0), (Type("f32", (3, 2)), Type("i32", (4, 3))), error=error)
        yield Sample(
            cls(1),
            (Type("f32", (3,)), Type("i32", (3,))),
            error="take_along: an axis of f32[3] is required, got 1",
        )


class TakeAlongAdd(Scatter):
    """y[a, indices[a, j, b], b] += x[a, j, b] from zeros, in C order; `size` along `axis` of y"""

    arity = 2
    size: int
    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, indices = args
        of_domain(self, x, NUMBERS)
        of_places(self, x, indices, self.axis, self.size)
        if x.shape != indices.shape:
            raise ProgramError(
                f"take_along_add: operands of one shape are required, got {spelled(args)}"
            )
        return Type(x.dtype, (*x.shape[: self.axis], self.size, *x.shape[self.axis + 1 :]))

    def reference(self, *args: np.ndarray) -> Any:
        x, indices = args
        y = np.zeros((*x.shape[: self.axis], self.size, *x.shape[self.axis + 1 :]), x.dtype)
        np.add.at(y, along(y, indices, self.axis), x)
        return y

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return take_along_add(dx, operands(out)[1], self.size, self.axis)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return take_along(ct, operands(out)[1], self.axis)

    def lifted(self, size: int) -> Op:
        return TakeAlongAdd(self.size, self.axis + 1)

    def place(
        self, at: Index, types: tuple[Type, ...], out: Type, read: Read
    ) -> tuple[Map | Expr, ...]:
        return (*dims(at)[: self.axis], place(read, dims(at)), *dims(at)[self.axis + 1 :])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMBERS:
            yield Sample(cls(3, 0), (Type(dtype, (4, 2)), Type("i64", (4, 2))), low=0)
        for axis, shape in ((1, (2, 3, 2)), (0, (1,)), (1, (2, 0))):
            yield Sample(cls(4, axis), (Type("f64", shape), Type("i32", shape)), low=0)
        yield Sample(
            cls(3, 0),
            (Type("f64", (4,)), Type("i64", (4,))),
            values=(None, np.array([-1, 7, 2, 2])),
        )
        error = "take_along_add: operands of one shape are required, got f32[3] and i32[4]"
        yield Sample(cls(3, 0), (Type("f32", (3,)), Type("i32", (4,))), error=error)


def each(indices: Value, shape: tuple[int, ...], axis: int) -> Value:
    """Indices of every leading element as one row along `axis`, repeated to the rest of `shape`."""
    size, row = indices.shape[0], math.prod(indices.shape[1:])
    wide = (*shape[:axis], row, *shape[axis + 1 :])
    new = tuple(d for d in range(1, len(wide)) if d != axis)
    return broadcast(reshape(indices, (size, row)), wide, new)


def take(x: Value, indices: Value, axis: int) -> Value:
    """`x` itself where the indices count along the axis."""
    op = indices.node.op if indices.node else None
    counted = isinstance(op, Iota) and indices.shape == (x.shape[axis],)
    return x if counted else apply(Take(axis), x, indices)


def take_add(x: Value, indices: Value, size: int, axis: int) -> Value:
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(apply(TakeAdd(size, axis), wide, indices), x.dtype)


def take_along(x: Value, indices: Value, axis: int) -> Value:
    return apply(TakeAlong(axis), x, indices)


def take_along_add(x: Value, indices: Value, size: int, axis: int) -> Value:
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(apply(TakeAlongAdd(size, axis), wide, indices), x.dtype)
