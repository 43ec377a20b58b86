"""Ops over a named axis, of a vmap or of processes: what one application reads of all others.

The last operand is the application's place on the axis. Of an axis of vmap, vmap makes it, and it
tells whether a batch is over that axis: there the place is batched, and the op becomes an ordinary
one; a batch over another axis leaves the place alone. An op that no vmap has replaced means what it
means where all applications have the same operand.
With a `mesh` the axis is one of processes. No batch is over it; the op is a `transfer` between
them, and the reference does that. What processes do is the same in all, in one order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from ...runtime.rows import MeshAxes, Transfer
from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Node, Parts, Sample, Value, apply
from ..ir.symbolic import repeated
from ..ir.types import COMPLEX, HALVES, INTEGERS, NUMPY, WIDE, Type, type_of
from ..kernel import Const, Expr, Map
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, Shifted, dims
from .elementwise import cast, div, eq, mul, operands, select
from .exchanged import exchanged_array
from .family import Computed, of_domain, partwise
from .reduce import Max, reduce_max, reduce_min, reduce_sum
from .source import full
from .view import permute, reshape

__all__ = ["all_gather", "pmax", "pmin", "psum", "psum_scatter"]

PLACE = Type("i32")
NUMBERS = (*INTEGERS, *WIDE, *COMPLEX)


class NamedAxis(NamedTuple):
    """An axis of a vmap, or of the processes of a mesh, and the place of this application on it."""

    name: str
    place: Value
    size: int
    mesh: MeshAxes = ()


class Collective(Computed, abstract=True):
    """Of x and the place on an axis."""

    arity = 2
    shares = True
    wire: ClassVar[Literal["sum", "max", "min", "gather", "scatter", "exchange", "permute"] | None]
    wire = None
    """The kind of its transfer between processes; of none, they give each other nothing."""
    axis_name: str
    axis_size: int
    mesh: tuple[tuple[str, int], ...] = field(default=(), kw_only=True)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, place = args
        if place != PLACE:
            raise ProgramError(f"{self.name}: a place of {PLACE} is required, got {place}")
        if self.axis_size < 0:
            raise ProgramError(f"{self.name}: a size of at least 0 is required, got {self}")
        if self.mesh and (self.axis_name, self.axis_size) not in self.mesh:
            raise ProgramError(f"{self.name}: an axis of its mesh is required, got {self}")
        return self.result(x)

    def result(self, x: Type) -> Type:
        """The type of the result."""
        raise CompilerError(f"op '{self.name}' has no type rule")

    def parts(self, x: Type) -> Type:
        """The type of the element of one application along axis 0."""
        if x.shape[:1] != (self.axis_size,):
            raise ProgramError(
                f"{self.name}: a first axis of {self.axis_size} elements is required, got {x}"
            )
        return Type(x.dtype, x.shape[1:])

    def axis(self, out: Value) -> NamedAxis:
        """The axis of the node of `out`."""
        return NamedAxis(self.axis_name, operands(out)[1], self.axis_size, self.mesh)

    # ---- over processes

    def transfer(self, x: Type) -> Transfer | None:
        """What processes give each other of an operand: a complex one is its two parts."""
        if not self.mesh or self.wire is None:
            return None
        count = 2 * x.size if x.is_complex else x.size
        return Transfer(self.wire, self.mesh, self.axis_name, x.part.numpy, count)

    def reference(self, *args: np.ndarray) -> Any:
        transfer = self.transfer(type_of(args[0]))
        if transfer is not None:
            return exchanged_array(transfer, args[0], self.result(type_of(args[0])))
        with np.errstate(all="ignore"):
            return self.alike_reference(*args)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        if self.mesh and self.wire:
            raise CompilerError(f"{self.name}: no kernel reads what other processes have")
        return self.alike_element(at, types, out, read)

    # ---- over applications: x of all along axis 0, the same x of all, another batch beside them

    def gathered(self, x: Value) -> Value:
        """The result, of the operands of all applications along axis 0 of `x`."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def alike(self, x: Value) -> Value:
        """The result, where all applications have the operand `x`."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        """The result of one application by NumPy, where all have the operand `x`."""
        raise CompilerError(f"op '{self.name}' has no reference")

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        """The element `at` of the result, where all applications have the operand."""
        raise CompilerError(f"op '{self.name}' has no element rule")

    def beside(self, x: Value, place: Value) -> Value:
        """The op with another leading axis of `x`, which is none of the applications'."""
        return apply(self, x, place)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        x, place = args
        if not batched[1]:
            return (self.beside(x, place),)
        if self.mesh:
            raise CompilerError(f"{self.name}: no batch is over the axis of processes {self}")
        if size != self.axis_size:
            raise CompilerError(f"{self.name}: a batch of {self.axis_size} is required, got {size}")
        return (self.gathered(x) if batched[0] else self.alike(x),)

    # ---- linear in x, but for what says otherwise

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx, operands(out)[1])

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    @classmethod
    def wrong_samples(cls, x: Type, **parameters: Any) -> Iterable[Sample]:
        """What is wrong of any of them; `x` fits an axis of 3."""
        for size, place, error in (
            (3, Type("i64"), "a place of i32 is required, got i64"),
            (3, Type("i32", (3,)), "a place of i32 is required, got i32[3]"),
            (-1, PLACE, "a size of at least 0 is required"),
        ):
            op = cls("i", size, **parameters)
            yield Sample(op, (x, place), error=f"{cls.name}: {error}")
        op = cls("i", 3, mesh=(("i", 2), ("j", 3)), **parameters)
        yield Sample(op, (x, PLACE), error=f"{cls.name}: an axis of its mesh is required")


# ---------------------------------------------------------------- reductions


class Psum(Collective):
    """y = sum of x over the applications along the axis"""

    wire = "sum"

    def result(self, x: Type) -> Type:
        return of_domain(self, x, NUMBERS)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return apply(self, ct, operands(out)[1])

    def gathered(self, x: Value) -> Value:
        return reduce_sum(x, (0,))

    def alike(self, x: Value) -> Value:
        return summed_alike(x, self.axis_size)

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return np.multiply(x, np.asarray(self.axis_size).astype(x.dtype))

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return summed_element(read(0, dims(at)), self.axis_size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMBERS:
            yield Sample(cls("i", 3), (Type(dtype, (2, 3)), PLACE), low=0)
        yield Sample(cls("i", 1), (Type("f64"), PLACE))
        yield Sample(cls("i", 3), (Type("bool"), PLACE), error="is required, got bool")
        yield from cls.wrong_samples(Type("f32"))


class CollectiveExtreme(Collective, abstract=True):
    """The greatest or least; NaN wins; equal winners share the tangent."""

    reduce: ClassVar[Any]  # the same along axes

    def result(self, x: Type) -> Type:
        if self.axis_size == 0:
            raise ProgramError(f"{self.name}: a size of at least 1 is required, got {self}")
        return of_domain(self, x, Max.domain)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, axis = operands(out)[0], self.axis(out)
        winner = eq(x, out)
        share = psum(select(winner, dx, full(0.0, dx.type)), axis)
        return div(share, psum(cast(winner, x.dtype), axis))

    def gathered(self, x: Value) -> Value:
        return type(self).reduce(x, (0,))

    def alike(self, x: Value) -> Value:
        return x

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return x

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, dims(at))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in Max.domain:
            yield Sample(cls("i", 3), (Type(dtype, (2, 3)), PLACE))
        yield Sample(cls("i", 1), (Type("f64"), PLACE))
        yield Sample(cls("i", 3), (Type("c64"), PLACE), error="is required, got c64")
        yield Sample(cls("i", 0), (Type("f32"), PLACE), error="a size of at least 1 is required")
        yield from cls.wrong_samples(Type("f32"))


class Pmax(CollectiveExtreme):
    """y = the greatest x of the applications along the axis"""

    wire = "max"
    reduce = staticmethod(reduce_max)


class Pmin(CollectiveExtreme):
    """y = the least x of the applications along the axis"""

    wire = "min"
    reduce = staticmethod(reduce_min)


# ---------------------------------------------------------------- everything, and parts of the sum


class AllGather(Collective):
    """y[j, ...] = x[...] of application j along the axis

    The adjoint is that of all applications together, so differences of one say nothing.
    """

    wire = "gather"

    def result(self, x: Type) -> Type:
        return Type(x.dtype, (self.axis_size, *x.shape))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return psum_scatter(ct, self.axis(out))

    def gathered(self, x: Value) -> Value:
        return x

    def alike(self, x: Value) -> Value:
        return repeated((x,), (False,), self.axis_size)[0]

    def beside(self, x: Value, place: Value) -> Value:
        return axes_swapped(apply(self, x, place))

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return np.broadcast_to(x, (self.axis_size, *x.shape))

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return read(0, dims(at)[1:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls("i", 3), (Type(dtype, (2, 3)), PLACE), smooth=False)
        yield Sample(cls("i", 0), (Type("f64"), PLACE), smooth=False)
        yield Sample(cls("i", 2), (Type("f64", (0, 2)), PLACE), smooth=False)
        yield from cls.wrong_samples(Type("f32"))


class PsumScatter(Collective):
    """y[...] = sum of x[i, ...] over the applications along the axis, i the place of this one

    The adjoint is that of all applications together, so differences of one say nothing.
    """

    wire = "scatter"

    def result(self, x: Type) -> Type:
        return of_domain(self, self.parts(x), NUMBERS)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return all_gather(ct, self.axis(out))

    def gathered(self, x: Value) -> Value:
        return reduce_sum(x, (0,))

    def alike(self, x: Value) -> Value:
        return summed_alike(x, self.axis_size)

    def beside(self, x: Value, place: Value) -> Value:
        return apply(self, axes_swapped(x), place)

    def alike_reference(self, x: np.ndarray, place: np.ndarray) -> Any:
        return np.multiply(at_place(x, place), np.asarray(self.axis_size).astype(x.dtype))

    def alike_element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return summed_element(read(0, (own_index(read, self.axis_size), *dims(at))), self.axis_size)

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return args[:1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMBERS:
            yield Sample(cls("i", 3), (Type(dtype, (3, 2)), PLACE), low=0, smooth=False)
        yield Sample(cls("i", 2), (Type("f64", (2,)), PLACE), low=0, high=1, smooth=False)
        yield Sample(cls("i", 1), (Type("f64", (1, 0)), PLACE), smooth=False)
        yield Sample(
            cls("i", 3),
            (Type("f32", (2, 3)), PLACE),
            error="psum_scatter: a first axis of 3 elements is required, got f32[2, 3]",
        )
        yield Sample(cls("i", 3), (Type("bool", (3,)), PLACE), error="is required, got bool")
        yield from cls.wrong_samples(Type("f32", (3, 2)))


# ---------------------------------------------------------------- of one operand


def summed_alike(x: Value, count: int) -> Value:
    """count x; integers wrap, as sums of them do."""
    return mul(x, full(number(count, x.dtype), x.type))


def summed_element(x: Expr, count: int) -> Expr:
    return scalar("mul", x, Const(number(count, x.dtype), x.dtype))


def number(count: int, dtype: str) -> Any:
    return np.asarray(count).astype(NUMPY[dtype]).item()


def axes_swapped(x: Value) -> Value:
    """The first two axes exchanged."""
    return permute(x, (1, 0, *range(2, len(x.shape))))


def at_place(x: np.ndarray, place: np.ndarray) -> np.ndarray:
    """x[place], the nearest that there is; zeros of no elements."""
    return x[np.clip(place, 0, len(x) - 1)] if len(x) else np.zeros(x.shape[1:], x.dtype)


def own_index(read: Read, size: int) -> Shifted:
    """The place of the application as an index along an axis of `size`."""
    return Shifted(Map(), scalar("cast", read(1, ()), param="i64"), size)


# ---------------------------------------------------------------- user functions


def collected(kind: type[Collective], x: Value, axis: NamedAxis, **parameters: Any) -> Value:
    """The op of a kind over an axis. One process gives itself what it has: there is no transfer."""
    name, place, size, mesh = axis
    found = apply(kind(name, size, mesh=mesh, **parameters), x, place)
    itself = mesh and size == 1 and parameters.get("pairs", True)
    return reshape(x, found.shape) if itself else found


def in_single(kind: type[Collective], x: Value, axis: NamedAxis) -> Value:
    """The same; halves are combined in f32."""
    wide = cast(x, "f32") if x.dtype in HALVES else x
    return cast(collected(kind, wide, axis), x.dtype)


def psum(x: Value, axis: NamedAxis) -> Value:
    """The sum over an axis; halves are added in f32."""
    return in_single(Psum, x, axis)


def pmax(x: Value, axis: NamedAxis) -> Value:
    return in_single(Pmax, x, axis)


def pmin(x: Value, axis: NamedAxis) -> Value:
    return in_single(Pmin, x, axis)


def all_gather(x: Value, axis: NamedAxis) -> Value:
    return collected(AllGather, x, axis)


def psum_scatter(x: Value, axis: NamedAxis) -> Value:
    """The element of this application, along axis 0, of the sum; halves are added in f32."""
    return in_single(PsumScatter, x, axis)
