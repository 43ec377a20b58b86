"""Fourier transforms: sums of elements, turned by roots of unity, along one axis or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Sample, Value, apply
from ..ir.types import COMPLEX, WHOLE, WIDE, Type
from . import few_points
from .elementwise import complex, conj, eq, imag, like, mul, operands, or_, real, select
from .family import Linear, behind, of_domain
from .on_host import Arrays, OnHost
from .source import full, iota
from .view import broadcast

__all__ = ["fft", "irfft", "rfft"]

Axes = tuple[int, ...]

FORWARD: dict[str, Any] = {"sum": "backward", "ortho": "ortho", "mean": "forward"}
"""NumPy's word for a norm of a transform of negative exponents."""
INVERSE: dict[str, Any] = {"sum": "forward", "ortho": "ortho", "mean": "backward"}


class Fourier(OnHost, Linear, abstract=True):
    """Along `axes`, distinct in any order, over which the sums are plain, divided by the root of
    the number of their terms, or by it: `norm` is sum, ortho, mean. The last axis comes first.

    The factor is the transform's own, for its last pass multiplies by it at no cost; and a
    transpose has the norm that the transform has.
    Source: NumPy's pocketfft, in the precision of the operand; few points by products.
    """

    arity = 1
    domain: ClassVar[tuple[str, ...]] = (*WIDE, *COMPLEX)
    half: ClassVar[bool] = False  # whether the last axis has half of the points, of real numbers

    axes: Axes
    norm: str

    def lengths(self, x: Type) -> tuple[int, ...]:
        """The number of points along each of the axes."""
        return tuple(x.shape[a] for a in self.axes)

    def checked(self, x: Type) -> Type:
        """`x`, if it can be transformed."""
        of_domain(self, x, self.domain)
        distinct = len(set(self.axes)) == len(self.axes) > 0
        if not distinct or any(not 0 <= a < x.ndim for a in self.axes):
            raise ProgramError(
                f"{self.name}: distinct axes below {x.ndim} are required for {x}, got {self.axes}"
            )
        if self.norm not in FORWARD:
            raise ProgramError(
                f"{self.name}: a norm of {', '.join(FORWARD)} is required, got {self.norm!r}"
            )
        if min(self.lengths(x)) < 1:
            raise ProgramError(
                f"{self.name}: at least one point is required along {self.axes}, got {x}"
            )
        return x

    def scale(self, x: Type) -> float:
        """What the sums are times."""
        power = {"sum": 0.0, "ortho": -0.5, "mean": -1.0}[self.norm]
        return float(math.prod(self.lengths(x))) ** power

    def by_products(self, x: Parts, of: Type) -> Parts:
        """The result of an operand of type `of`, by real values, where points are few."""
        raise CompilerError(f"op '{self.name}' has no form by products")

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        (x,), of = args, node.args[0].type
        *others, last = self.lengths(of)
        if few_points.stages_of(last, self.half) and all(map(few_points.stages_of, others)):
            return (self.by_products(x, of),)
        return super().in_pairs(node, args)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return (apply(replace(self, axes=behind(self.axes)), *args),)


class Fft(Fourier):
    """y[k] = sum over j of x[j] exp(-2 pi i j k / n) along each axis, + for the `inverse`

    A real operand is a complex one without imaginary part.
    """

    inverse: bool

    def results(self, *args: Type) -> tuple[Type, ...]:
        x = self.checked(args[0])
        return (x.of(WHOLE.get(x.dtype, x.dtype)),)

    def computed(self, *args: np.ndarray) -> Arrays:
        if self.inverse:
            return (np.fft.ifftn(args[0], axes=self.axes, norm=INVERSE[self.norm]),)
        return (np.fft.fftn(args[0], axes=self.axes, norm=FORWARD[self.norm]),)

    def by_products(self, x: Parts, of: Type) -> Parts:
        scale = self.scale(of)
        for axis in self.axes[::-1]:
            x = few_points.transformed(x, axis, of.shape[axis], self.inverse, scale)
            scale = 1.0
        return x

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        found = apply(self, ct)
        return found if operands(out)[0].type.is_complex else real(found)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,), "sum", False), (Type(dtype, (2, 6)),))
        for axes, norm, inverse, shape in (
            ((0,), "mean", True, (5, 2)),
            ((0,), "sum", True, (1,)),
            ((1, 0), "ortho", False, (3, 4)),
            ((0, 2), "mean", True, (3, 2, 2)),
            ((1,), "sum", False, (0, 3)),
            ((0,), "mean", True, (67, 2)),
            ((0,), "sum", False, (66, 2)),
        ):
            yield Sample(cls(axes, norm, inverse), (Type("c128", shape),))
        yield Sample(cls((0, 1), "ortho", True), (Type("f64", (3, 4)),))
        yield from rejected(cls, lambda axes, norm: cls(axes, norm, False), "f16")


class Rfft(Fourier):
    """`fft` of real numbers, of which the last axis has the first n // 2 + 1 points: the others are
    their conjugates
    """

    domain = WIDE
    half = True

    def results(self, *args: Type) -> tuple[Type, ...]:
        x, axis = self.checked(args[0]), self.axes[-1]
        half = (*x.shape[:axis], x.shape[axis] // 2 + 1, *x.shape[axis + 1 :])
        return (Type(WHOLE[x.dtype], half),)

    def computed(self, *args: np.ndarray) -> Arrays:
        return (np.fft.rfftn(args[0], axes=self.axes, norm=FORWARD[self.norm]),)

    def by_products(self, x: Parts, of: Type) -> Parts:
        *others, last = self.axes
        n = of.shape[last]
        y = few_points.transformed(x, last, n, scale=self.scale(of), half=True)
        for axis in others[::-1]:
            y = few_points.transformed(y, axis, of.shape[axis], inverse=False)
        return y

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        """The inverse counts inner points twice, for themselves and for their conjugates."""
        axis, n = self.axes[-1], operands(out)[0].shape[self.axes[-1]]
        return apply(Irfft(self.axes, self.norm, n), weighted(conj(ct), axis, n, 0.5))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,), "sum"), (Type(dtype, (2, 6)),))
        for axes, norm, shape in (
            ((0,), "mean", (5, 2)),
            ((0,), "sum", (1,)),
            ((1, 0), "ortho", (3, 4)),
            ((2, 0), "mean", (2, 2, 3)),
            ((1,), "sum", (0, 3)),
            ((0,), "mean", (193, 2)),
            ((1,), "sum", (1, 196)),
        ):
            yield Sample(cls(axes, norm), (Type("f64", shape),))
        yield from rejected(cls, cls, "c64")


class Irfft(Fourier):
    """The real numbers, `size` along the last axis, of which `rfft` has these points: the inverse
    transform of them and of their conjugates

    Imaginary parts of points that are their own conjugates, 0 and half an even size, count nothing.
    """

    domain = COMPLEX
    half = True

    size: int

    def lengths(self, x: Type) -> tuple[int, ...]:
        return *super().lengths(x)[:-1], self.size

    def results(self, *args: Type) -> tuple[Type, ...]:
        x, axis = self.checked(args[0]), self.axes[-1]
        if x.shape[axis] != self.size // 2 + 1:
            raise ProgramError(
                f"irfft: {self.size // 2 + 1} points along axis {axis} are required for a size "
                f"of {self.size}, got {x}"
            )
        return (Type(x.part.dtype, (*x.shape[:axis], self.size, *x.shape[axis + 1 :])),)

    def computed(self, *args: np.ndarray) -> Arrays:
        (x,) = args
        sizes = (*(x.shape[a] for a in self.axes[:-1]), self.size)
        return (np.fft.irfftn(x, sizes, self.axes, INVERSE[self.norm]),)

    def by_products(self, x: Parts, of: Type) -> Parts:
        *others, last = self.axes
        for axis in others:
            x = few_points.transformed(x, axis, of.shape[axis], inverse=True)
        assert isinstance(x, Pair)
        return few_points.of_half(x, last, self.size, self.scale(of))

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        found = conj(apply(Rfft(self.axes, self.norm), ct))
        return weighted(found, self.axes[-1], self.size, 2.0)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,), "sum", 6), (Type(dtype, (2, 4)),))
        for axes, norm, size, shape in (
            ((0,), "mean", 5, (3, 2)),
            ((0,), "sum", 1, (1,)),
            ((0,), "mean", 2, (2,)),
            ((1, 0), "ortho", 4, (3, 4)),
            ((2, 0), "mean", 3, (2, 2, 3)),
            ((1,), "sum", 3, (0, 2)),
            ((0,), "mean", 193, (97, 2)),
            ((1,), "sum", 196, (1, 99)),
        ):
            yield Sample(cls(axes, norm, size), (Type("c128", shape),))
        error = "irfft: 3 points along axis 0 are required for a size of 5, got c128[4]"
        yield Sample(cls((0,), "sum", 5), (Type("c128", (4,)),), error=error)
        yield from rejected(cls, lambda axes, norm: cls(axes, norm, 2), "f32")
        error = "irfft: at least one point is required along (0,), got c128[1]"
        yield Sample(cls((0,), "sum", 0), (Type("c128", (1,)),), error=error)


def weighted(x: Value, axis: int, size: int, inner: float) -> Value:
    """Points along `axis` of `size` real numbers, times `inner` but where they are their own
    conjugates."""
    at = iota(Type("i64", (x.shape[axis],)), 0)
    ends = eq(at, like(at, 0))
    if not size % 2:
        ends = or_(ends, eq(at, like(at, size // 2)))
    part = Type(x.type.part.dtype, at.shape)
    weight = select(ends, full(1.0, part), full(inner, part))
    weight = broadcast(weight, x.shape, [a for a in range(x.type.ndim) if a != axis])
    return complex(mul(real(x), weight), mul(imag(x), weight))


def rejected(kind: type[Fourier], made: Callable[[Axes, str], Op], other: str) -> Iterable[Sample]:
    """What all of them refuse, and an operand of the dtype `other` if that is not of the domain."""
    name, good = kind.name, Type(kind.domain[-1], (2, 2))
    for axes in ((), (2,), (-1,), (0, 0)):
        error = f"{name}: distinct axes below 2 are required for {good}, got {axes}"
        yield Sample(made(axes, "sum"), (good,), error=error)
    error = f"{name}: a norm of sum, ortho, mean is required, got 'forward'"
    yield Sample(made((0,), "forward"), (good,), error=error)
    none = Type(good.dtype, (0, 2))
    error = f"{name}: at least one point is required along (0, 1), got {none}"
    yield Sample(made((0, 1), "sum"), (none,), error=error)
    error = f"{name}: one of {', '.join(kind.domain)} is required, got {other}[2]"
    yield Sample(made((0,), "sum"), (Type(other, (2,)),), error=error)


# ---------------------------------------------------------------- user functions


def fft(x: Value, axes: Axes, norm: str = "sum", inverse: bool = False) -> Value:
    return apply(Fft(axes, norm, inverse), x)


def rfft(x: Value, axes: Axes, norm: str = "sum") -> Value:
    return apply(Rfft(axes, norm), x)


def irfft(x: Value, axes: Axes, size: int, norm: str = "mean") -> Value:
    return apply(Irfft(axes, norm, size), x)
