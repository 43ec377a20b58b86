"""Ops that move elements and compute none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Op, Pair, Parts, Sample, Value, apply
from ..ir.sizes import range_length
from ..ir.types import HALVES, NUMPY, Type, is_inexact, spelled
from ..kernel import Map
from ..kernel.index import Flat, Index, Piece, dims, linear, moved
from .elementwise import cast, operands
from .family import Linear, View, behind, of_axes, of_one, of_two
from .source import Number, full, of_kind, rounded_number, zero_of

__all__ = [
    "broadcast", "concatenate", "copy", "flip", "interleave", "pad", "permute", "reshape", "slice_",
]  # fmt: skip

Ints = tuple[int, ...]
T = TypeVar("T")


class OneView(View, Linear, abstract=True):
    """A view of one operand, linear in it."""

    arity = 1


def of_rank(op: Op, x: Type, **params: Ints) -> None:
    """Requires one number per axis of `x`."""
    for name, given in params.items():
        if len(given) != x.ndim:
            raise ProgramError(
                f"{op.name}: {name} with a number per axis of {x} is required, got {given}"
            )


class Reshape(OneView):
    """y = x in C order, in another shape of as many elements"""

    shape: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        if math.prod(self.shape) != x.size or any(n < 0 for n in self.shape):
            raise ProgramError(
                f"reshape: a shape of {x.size} elements is required for {x}, got {self.shape}"
            )
        return Type(x.dtype, self.shape)

    def reference(self, *args: np.ndarray) -> Any:
        return np.reshape(args[0], self.shape)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return reshape(ct, operands(out)[0].shape)

    def lifted(self, size: int) -> Op:
        return Reshape((size, *self.shape))

    def starts(self, types: tuple[Type, ...]) -> tuple[int, ...]:
        return (0,)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        (x,) = types
        long = [[n for n in t.shape if n != 1] for t in (x, out)]
        if isinstance(at, Flat) or long[0] != long[1]:
            return (Piece(0, Flat(linear(at, out.shape))),)
        maps = iter([m for m, n in zip(at, out.shape, strict=True) if n != 1])
        return (Piece(0, tuple(Map() if n == 1 else next(maps) for n in x.shape)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((3, 2)), (Type(dtype, (2, 3)),))
        for old, new in (
            ((), (1, 1)),
            ((6,), (2, 1, 3)),
            ((1,), ()),
            ((0, 3), (3, 0, 2)),
            ((2, 6), (4, 3)),
        ):
            yield Sample(cls(new), (Type("f64", old),))
        yield Sample(
            cls((4,)),
            (Type("f32", (2, 3)),),
            error="reshape: a shape of 6 elements is required for f32[2, 3]",
        )
        yield Sample(cls((-1, 6)), (Type("f32", (2, 3)),), error="got (-1, 6)")


class Permute(OneView):
    """y[i[axes[0]], i[axes[1]], ...] = x[i], NumPy's transpose"""

    axes: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        if sorted(self.axes) != list(range(x.ndim)):
            raise ProgramError(f"permute: every axis of {x} once is required, got {self.axes}")
        return Type(x.dtype, tuple(x.shape[a] for a in self.axes))

    def reference(self, *args: np.ndarray) -> Any:
        return np.transpose(args[0], self.axes)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return permute(ct, inverse(self.axes))

    def lifted(self, size: int) -> Op:
        return Permute((0, *behind(self.axes)))

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        return (Piece(0, tuple(dims(at)[a] for a in inverse(self.axes))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((1, 0)), (Type(dtype, (2, 3)),))
        for axes, shape in (((), ()), ((2, 0, 1), (2, 3, 4)), ((1, 2, 0), (1, 0, 2)), ((0,), (3,))):
            yield Sample(cls(axes), (Type("f64", shape),))
        for axes in ((0,), (0, 0), (0, 2), (-1, 0)):
            error = f"permute: every axis of f32[2, 3] once is required, got {axes}"
            yield Sample(cls(axes), (Type("f32", (2, 3)),), error=error)


class Broadcast(OneView):
    """y of `shape` repeats x along its new `axes`"""

    shape: Ints
    axes: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        of_axes(self, self.axes, x, len(self.shape))
        if any(n < 0 for n in self.shape) or self.kept(self.shape) != x.shape:
            raise ProgramError(
                f"broadcast: {x} and the new axes {self.axes} do not make {self.shape}"
            )
        return Type(x.dtype, self.shape)

    def reference(self, *args: np.ndarray) -> Any:
        return np.broadcast_to(np.expand_dims(args[0], self.axes), self.shape)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        add_up = Op.registry["sum"](self.axes)  # pyright: ignore[reportCallIssue]
        wide = cast(ct, "f32") if ct.dtype in HALVES else ct
        return cast(apply(add_up, wide), ct.dtype)

    def lifted(self, size: int) -> Op:
        return Broadcast((size, *self.shape), behind(self.axes))

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        return (Piece(0, self.kept(dims(at))),)

    def kept(self, per_axis: tuple[T, ...]) -> tuple[T, ...]:
        """What belongs to the axes of x."""
        return tuple(v for a, v in enumerate(per_axis) if a not in self.axes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((2, 3), (0,)), (Type(dtype, (3,)),))
        for shape, axes, old in (
            ((), (), ()),
            ((2, 3), (0, 1), ()),
            ((2, 3, 1), (1,), (2, 1)),
            ((3, 0), (1,), (3,)),
        ):
            yield Sample(cls(shape, axes), (Type("f64", old),))
        yield Sample(
            cls((2, 3), (0,)),
            (Type("f32", (2,)),),
            error="broadcast: f32[2] and the new axes (0,) do not make (2, 3)",
        )
        yield Sample(
            cls((2, 3), (1, 0)),
            (Type("f32"),),
            error="broadcast: distinct ascending axes below 2 are required",
        )


class Slice(OneView):
    """y[i] = x[start + step * i], up to before stop"""

    start: Ints
    stop: Ints
    step: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        of_rank(self, x, start=self.start, stop=self.stop, step=self.step)
        for a, n in enumerate(x.shape):
            start, stop, step = self.start[a], self.stop[a], self.step[a]
            if not (0 <= start <= stop <= n and step > 0):
                got = f"{start}:{stop}:{step} of axis {a} of {x}"
                raise ProgramError(
                    f"slice: 0 <= start <= stop <= size and a positive step are required, got {got}"
                )
        return Type(
            x.dtype,
            tuple(map(range_length, self.start, self.stop, self.step)),
        )

    def reference(self, *args: np.ndarray) -> Any:
        return args[0][tuple(map(slice, self.start, self.stop, self.step))]

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        size = operands(out)[0].shape
        for a, step in enumerate(self.step):  # zeros between the elements, then around them
            ct = spaced(ct, a, step)
        high = (n - start - m for n, start, m in zip(size, self.start, ct.shape, strict=True))
        return pad(ct, self.start, tuple(high), 0.0)

    def lifted(self, size: int) -> Op:
        return Slice((0, *self.start), (size, *self.stop), (1, *self.step))

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        return (Piece(0, tuple(map(moved, dims(at), self.start, self.step))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((0, 1), (2, 3), (1, 1)), (Type(dtype, (2, 3)),))
        for start, stop, step, shape in (
            ((), (), (), ()),
            ((1,), (8,), (3,), (9,)),
            ((0, 1), (5, 6), (2, 5), (5, 7)),
            ((2, 0), (2, 4), (1, 2), (3, 4)),
            ((0,), (0,), (2,), (0,)),
        ):
            yield Sample(cls(start, stop, step), (Type("f64", shape),))
        for start, stop, step in (
            ((-1,), (2,), (1,)),
            ((2,), (1,), (1,)),
            ((0,), (4,), (1,)),
            ((0,), (3,), (0,)),
        ):
            error = f"got {start[0]}:{stop[0]}:{step[0]} of axis 0 of f32[3]"
            yield Sample(cls(start, stop, step), (Type("f32", (3,)),), error=error)
        yield Sample(
            cls((0,), (3,), (1,)),
            (Type("f32", (3, 3)),),
            error="slice: start with a number per axis of f32[3, 3]",
        )


class Copy(OneView):
    """y = x, an array of its own: a write to one is no write to the other while it is traced"""

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return args[0]

    def reference(self, *args: np.ndarray) -> Any:
        return args[0].copy()

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return ct

    def lifted(self, size: int) -> Op:
        return self

    def starts(self, types: tuple[Type, ...]) -> tuple[int, ...]:
        return (0,)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        return (Piece(0, at),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls(), (Type(dtype, (2, 3)),))
        for shape in ((), (1,), (0, 3)):
            yield Sample(cls(), (Type("f64", shape),))


class Flip(OneView):
    """y[..., i, ...] = x[..., n - 1 - i, ...] along `axes`"""

    axes: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        of_axes(self, self.axes, args[0])
        return args[0]

    def reference(self, *args: np.ndarray) -> Any:
        return np.flip(args[0], self.axes)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return flip(ct, self.axes)

    def lifted(self, size: int) -> Op:
        return Flip(behind(self.axes))

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        ends = enumerate(zip(dims(at), out.shape, strict=True))
        return (
            Piece(0, tuple(moved(m, n - 1, -1) if a in self.axes else m for a, (m, n) in ends)),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls((1,)), (Type(dtype, (2, 3)),))
        for axes, shape in (((), ()), ((0, 2), (2, 3, 4)), ((0,), (0, 2)), ((0, 1), (1, 5))):
            yield Sample(cls(axes), (Type("f64", shape),))
        yield Sample(
            cls((2,)),
            (Type("f32", (2, 3)),),
            error="flip: distinct ascending axes below 2 are required",
        )


class Pad(OneView):
    """x with `low` and `high` elements of `value` before and after it along each axis"""

    low: Ints
    high: Ints
    value: Number

    @property
    def fill(self) -> Number:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.value

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (x,) = args
        of_rank(self, x, low=self.low, high=self.high)
        of_kind(self, self.value, x)
        if any(n < 0 for n in (*self.low, *self.high)):
            raise ProgramError(
                f"pad: low and high of at least 0 are required, got {self.low} and {self.high}"
            )
        return Type(x.dtype, tuple(map(sum, zip(self.low, x.shape, self.high, strict=True))))

    def reference(self, *args: np.ndarray) -> Any:
        width = list(zip(self.low, self.high, strict=True))
        return np.pad(args[0], width, constant_values=self.value) if width else args[0]

    def pair(self, *args: Parts) -> Parts:
        (x,), z = args, complex(self.value)
        assert isinstance(x, Pair)
        parts = zip(x, (z.real, z.imag), strict=True)
        return Pair(*(pad(v, self.low, self.high, fill) for v, fill in parts))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return pad(dx, self.low, self.high, 0.0)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        stop = tuple(a + n for a, n in zip(self.low, operands(out)[0].shape, strict=True))
        return slice_(ct, self.low, stop, (1,) * len(stop))

    def lifted(self, size: int) -> Op:
        return Pad((0, *self.low), (0, *self.high), self.value)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        index = tuple(moved(m, -n) for m, n in zip(dims(at), self.low, strict=True))
        padded = (a for a in range(out.ndim) if self.low[a] or self.high[a])
        return (Piece(0, index, tuple((index[a], 0, types[0].shape[a]) for a in padded)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            value = rounded_number(
                True if dtype == "bool" else 2.5 if is_inexact(dtype) else 3, Type(dtype)
            )
            yield Sample(cls((0, 1), (2, 0), value), (Type(dtype, (2, 3)),))
        for low, high, shape in (
            ((), (), ()),
            ((0, 0), (0, 0), (2, 3)),
            ((1, 1), (0, 1), (0, 2)),
            ((2,), (3,), (1,)),
        ):
            yield Sample(cls(low, high, -1.5), (Type("f64", shape),))
        yield Sample(
            cls((-1,), (0,), 0.0),
            (Type("f32", (3,)),),
            error="pad: low and high of at least 0 are required",
        )
        yield Sample(
            cls((1,), (0,), 0),
            (Type("f32", (3,)),),
            error="pad: a Python float is required for f32[3], got 0",
        )
        yield Sample(
            cls((1,), (0,), 0.0),
            (Type("f32"),),
            error="pad: low with a number per axis of f32 is required",
        )


class Concatenate(View):
    """The operands one after another along `axis`"""

    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not args or not 0 <= self.axis < args[0].ndim:
            raise ProgramError(
                f"concatenate: operands with an axis {self.axis} are required, "
                f"got {spelled(args) or 'none'}"
            )
        k, x = self.axis, args[0]
        if any(
            (a.dtype, a.shape[:k], a.shape[k + 1 :]) != (x.dtype, x.shape[:k], x.shape[k + 1 :])
            for a in args
        ):
            raise ProgramError(
                f"concatenate: types equal but for axis {k} are required, got {spelled(args)}"
            )
        return Type(x.dtype, (*x.shape[:k], sum(a.shape[k] for a in args), *x.shape[k + 1 :]))

    def reference(self, *args: np.ndarray) -> Any:
        return np.concatenate(args, self.axis)

    def jvp(self, node: Any, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if not is_inexact(node.out.dtype) or not any(tangents):
            return (None,)
        parts = (
            full(0.0, a.type) if dx is None else dx
            for a, dx in zip(node.args, tangents, strict=True)
        )
        return (concatenate(*parts, axis=self.axis),)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        sizes = [a.shape[self.axis] for a in operands(out)]
        start, stop = [0] * out.type.ndim, list(out.shape)
        start[self.axis] = sum(sizes[:i])
        stop[self.axis] = sum(sizes[: i + 1])
        return slice_(ct, tuple(start), tuple(stop), (1,) * out.type.ndim)

    def lifted(self, size: int) -> Op:
        return Concatenate(self.axis + 1)

    def starts(self, types: tuple[Type, ...]) -> tuple[int, ...]:
        if math.prod(types[0].shape[: self.axis]) != 1:
            return ()
        return tuple(itertools.accumulate((x.size for x in types[:-1]), initial=0))

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        found, before, k = [], 0, self.axis
        for i, x in enumerate(types):
            here = moved(dims(at)[k], -before)
            index = (*dims(at)[:k], here, *dims(at)[k + 1 :])
            found.append(Piece(i, index, ((here, 0, x.shape[k]),) if len(types) > 1 else ()))
            before += x.shape[k]
        return tuple(found)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls(1), (Type(dtype, (2, 3)), Type(dtype, (2, 1)), Type(dtype, (2, 0))))
        yield Sample(cls(0), (Type("f64", (3,)),))
        yield Sample(cls(0), (Type("f64", (2, 1, 3)), Type("f64", (1, 1, 3))))
        yield Sample(
            cls(0), (), error="concatenate: operands with an axis 0 are required, got none"
        )
        yield Sample(
            cls(0),
            (Type("f32"), Type("f32")),
            error="operands with an axis 0 are required, got f32 and f32",
        )
        for other in (Type("f64", (2, 3)), Type("f32", (2, 2)), Type("f32", (2,))):
            error = (
                f"concatenate: types equal but for axis 0 are required, got f32[2, 3] and {other}"
            )
            yield Sample(cls(0), (Type("f32", (2, 3)), other), error=error)


class Interleave(View):
    """y[..., 0] = x and y[..., 1] = the other operand: pairs, as complex numbers in memory"""

    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, y = args
        if x != y:
            raise ProgramError(
                f"interleave: operands of one type are required, got {spelled(args)}"
            )
        return Type(x.dtype, (*x.shape, 2))

    def reference(self, *args: np.ndarray) -> Any:
        return np.stack(args, -1)

    def jvp(self, node: Any, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if not is_inexact(node.out.dtype) or not any(tangents):
            return (None,)
        zero = full(0.0, node.args[0].type)
        return (interleave(*(dx or zero for dx in tangents)),)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        shape = operands(out)[i].shape
        part = slice_(ct, (*(0 for _ in shape), i), (*shape, i + 1), (1,) * (len(shape) + 1))
        return reshape(part, shape)

    def lifted(self, size: int) -> Op:
        return self

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        *front, last = dims(at)
        return tuple(Piece(k, tuple(front), ((last, k, k + 1),)) for k in range(2))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls(), (Type(dtype, (2, 3)),) * 2)
        for shape in ((), (1,), (0, 3)):
            yield Sample(cls(), (Type("f64", shape),) * 2)
        error = "interleave: operands of one type are required, got f32[3] and f32[4]"
        yield Sample(cls(), (Type("f32", (3,)), Type("f32", (4,))), error=error)


# ---------------------------------------------------------------- user functions


def inverse(axes: Ints) -> Ints:
    """The permutation that undoes `axes`."""
    return tuple(int(a) for a in np.argsort(axes))


def spaced(x: Value, axis: int, step: int) -> Value:
    """`step` - 1 zeros after each element along `axis`, none after the last."""
    if step == 1 or x.shape[axis] == 0:
        return x
    n, before, after = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]
    zeros = tuple(0 for _ in x.shape)
    x = pad(
        reshape(x, (*before, n, 1, *after)),
        (*zeros, 0),
        tuple((step - 1) * (a == axis + 1) for a in range(len(zeros) + 1)),
        zero_of(x.type),
    )
    x = reshape(x, (*before, n * step, *after))
    return slice_(x, zeros, (*before, (n - 1) * step + 1, *after), tuple(1 for _ in zeros))


copy = of_one(Copy)


def reshape(x: Value, shape: Sequence[int]) -> Value:
    """`x` itself where it has that shape."""
    return x if x.shape == tuple(shape) else apply(Reshape(tuple(shape)), x)


def unshaped(x: Value) -> Value:
    """What was reshaped, once or again and again."""
    while x.node is not None and isinstance(x.node.op, Reshape):
        (x,) = x.node.args
    return x


def permute(x: Value, axes: Sequence[int]) -> Value:
    """`x` itself where the axes stay in order."""
    return x if list(axes) == list(range(x.type.ndim)) else apply(Permute(tuple(axes)), x)


def broadcast(x: Value, shape: Sequence[int], axes: Sequence[int]) -> Value:
    """`x` repeated along the new `axes` of the result; `x` itself where there are none."""
    return apply(Broadcast(tuple(shape), tuple(axes)), x) if axes else x


def slice_(x: Value, start: Sequence[int], stop: Sequence[int], step: Sequence[int] = ()) -> Value:
    """`x[start:stop:step]` along every axis; `x` itself where that is all."""
    step = tuple(step) or (1,) * len(start)
    whole = x.shape == tuple(stop) and not any(start) and set(step) <= {1}
    return x if whole else apply(Slice(tuple(start), tuple(stop), step), x)


def flip(x: Value, axes: Sequence[int]) -> Value:
    return apply(Flip(tuple(sorted(axes))), x) if axes else x


def pad(x: Value, low: Sequence[int], high: Sequence[int], value: Number) -> Value:
    """`x` itself where nothing is added."""
    if not any((*low, *high)):
        return x
    return apply(Pad(tuple(low), tuple(high), rounded_number(value, x.type)), x)


def concatenate(*xs: Value, axis: int) -> Value:
    return apply(Concatenate(axis), *xs)


interleave = of_two(Interleave)
