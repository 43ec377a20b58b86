"""Ops over a named axis that bring elements of one application to another: see collective.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.rows import Transfer
from ..ir.errors import ProgramError
from ..ir.graph import Sample, Value, apply
from ..ir.types import NUMPY, Type
from ..kernel import Const, Expr
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, dims
from .collective import PLACE, Collective, NamedAxis, at_place, axes_swapped, collected, own_index
from .elementwise import eq, operands, select
from .gather import gather, rows_of
from .source import constant, full, iota, zero_of
from .view import broadcast, reshape, slice_

__all__ = ["all_to_all", "local_element", "ppermute"]


class Own(Collective):
    """y[...] = x[i, ...], i the place on the axis"""

    def result(self, x: Type) -> Type:
        return self.parts(x)

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
        return apply(self, axes_swapped(x), place)

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return at_place(x, place)

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, (own_index(read, self.axis_size), *dims(at)))

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
        yield from cls.wrong_samples(Type("f32", (3,)))


class AllToAll(Collective):
    """y[j, ...] = x[i, ...] of application j along the axis, i the place of this one

    The adjoint is that of all applications together, so differences of one say nothing.
    """

    wire = "exchange"

    def result(self, x: Type) -> Type:
        self.parts(x)
        return x

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(self, ct, operands(out)[1])

    def gathered(self, x: Value) -> Value:
        return axes_swapped(x)

    def alike(self, x: Value) -> Value:
        return broadcast(x, (self.axis_size, *x.shape), (1,))

    def beside(self, x: Value, place: Value) -> Value:
        return axes_swapped(apply(self, axes_swapped(x), place))

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return np.broadcast_to(at_place(x, place), x.shape)

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, (own_index(read, self.axis_size), *dims(at)[1:]))

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return args[:1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls("i", 3), (Type(dtype, (3, 2)), PLACE), low=0, smooth=False)
        yield Sample(cls("i", 1), (Type("f64", (1,)), PLACE), smooth=False)
        yield Sample(cls("i", 2), (Type("f64", (2, 0, 3)), PLACE), smooth=False)
        yield Sample(
            cls("i", 3),
            (Type("f32", (2, 3)), PLACE),
            error="all_to_all: a first axis of 3 elements is required, got f32[2, 3]",
        )
        yield from cls.wrong_samples(Type("f32", (3, 2)))


class Ppermute(Collective):
    """y = x of the application that `pairs` (source, destination) name for this one, or zeros

    The adjoint is that of all applications together, so differences of one say nothing where some
    are no source or no destination.
    """

    wire = "permute"

    pairs: tuple[tuple[int, int], ...]

    def result(self, x: Type) -> Type:
        different = all(len(set(ends)) == len(self.pairs) for ends in zip(*self.pairs, strict=True))
        if not different or any(not 0 <= k < self.axis_size for pair in self.pairs for k in pair):
            raise ProgramError(
                f"{self.name}: pairs of different sources and different destinations below "
                f"{self.axis_size} are required, got {self.pairs}"
            )
        return x

    def transfer(self, x: Type) -> Transfer | None:
        found = super().transfer(x)
        return found and replace(found, pairs=self.pairs)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return ppermute(ct, self.axis(out), tuple((b, a) for a, b in self.pairs))

    def gathered(self, x: Value) -> Value:
        sources = np.full(self.axis_size, self.axis_size, np.int32)  # what is beyond reads zero
        for a, b in self.pairs:
            sources[b] = a
        rows = rows_of(len(x.shape), 0, 1)
        return gather(x, (constant(sources),), x.shape, **rows, mode="fill")

    def alike(self, x: Value) -> Value:
        if len(self.pairs) == self.axis_size:
            return x
        given = np.zeros(self.axis_size, bool)
        given[[b for _, b in self.pairs]] = True
        shape = (self.axis_size, *x.shape)
        mask = broadcast(constant(given), shape, range(1, len(shape)))
        return select(mask, broadcast(x, shape, (0,)), full(zero_of(x.type), Type(x.dtype, shape)))

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return x if int(place) in dict(self.pairs).values() else np.zeros_like(x)

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        value, zero = read(0, dims(at)), Const(0, out.dtype)
        if len(self.pairs) == self.axis_size:
            return value
        found: Expr = zero
        for _, b in self.pairs:
            found = scalar("select", scalar("eq", read(1, ()), Const(b, "i32")), value, found)
        return found

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        turn = ((0, 1), (1, 2), (2, 0))
        for dtype in NUMPY:
            yield Sample(cls("i", 3, turn), (Type(dtype, (2, 3)), PLACE), low=0)
            yield Sample(cls("i", 3, turn[:1]), (Type(dtype, (2,)), PLACE), low=0, smooth=False)
        yield Sample(cls("i", 2, ()), (Type("f64"), PLACE), smooth=False)
        for pairs in (((0, 1), (0, 2)), ((0, 1), (2, 1)), ((0, 3),), ((-1, 0),)):
            error = "ppermute: pairs of different sources and different destinations below 3 are"
            yield Sample(cls("i", 3, pairs), (Type("f32"), PLACE), error=error)
        yield from cls.wrong_samples(Type("f32"), pairs=())


def local_element(x: Value, axis: NamedAxis) -> Value:
    """The element of this application along axis 0, which is as large as the named one."""
    return collected(Own, x, axis)


def all_to_all(x: Value, axis: NamedAxis) -> Value:
    """The elements of this application along axis 0 of all, in the order of their places."""
    return collected(AllToAll, x, axis)


def ppermute(x: Value, axis: NamedAxis, pairs: tuple[tuple[int, int], ...]) -> Value:
    """The value at another application: `pairs` of source and destination."""
    return collected(Ppermute, x, axis, pairs=tuple(sorted(pairs)))
