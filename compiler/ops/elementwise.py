"""Ops that act on each element alone. Derivatives at edges are JAX's, but |x|' is 0 at 0.

Where a rule multiplies the tangent by a factor, the factor is computed apart from the tangent:
it is what reverse mode keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..ir import Node, Op, Sample, Value, apply
from ..kernel import OPS, Expr
from ..kernel import apply as scalar
from ..types import FLOATS, INTEGERS, NUMPY, UNSIGNED, WIDE, Type, spelled
from .family import Elementwise, Index, OneResult, Piece, View
from .source import full

BITS = ("bool", *INTEGERS)
ALL = ("bool", *INTEGERS, *FLOATS)


def like(x: Value, value: float) -> Value:
    """`value` in the type of `x`."""
    return full(value, x.type)


# ---------------------------------------------------------------- arithmetic


class Add(Elementwise):
    """x + y"""

    commutative = True

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return ct


class Sub(Elementwise):
    """x - y"""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return neg(dx) if i else dx

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        dx, dy = tangents
        return (sub(dx, dy),) if dx and dy else super().jvp(node, tangents)

    cotangent = tangent


class Mul(Elementwise):
    """x * y"""

    commutative = True

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, operands(out)[1 - i])

    cotangent = tangent


class Div(Elementwise):
    """x / y"""

    domain = FLOATS
    interval = (0.5, 2.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        y = operands(out)[1]
        return mul(dx, neg(div(out, y))) if i else div(dx, y)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return div(ct, operands(out)[1])


class Neg(Elementwise):
    """-x"""

    arity = 1

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return neg(dx)

    cotangent = tangent


class Fma(Elementwise):
    """x * y + z, rounded once. Linear in z, and in x and y each."""

    arity = 3
    domain = FLOATS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx if i == 2 else mul(dx, operands(out)[1 - i])

    cotangent = tangent


class Abs(Elementwise):
    """|x|; the derivative at 0 is 0."""

    arity = 1

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, sign(operands(out)[0]))


class Extremum(Elementwise, abstract=True):
    """The greater or lesser of two; NaN wins; equal operands share the tangent by halves."""

    domain = ALL
    commutative = True

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)[i], operands(out)[1 - i]
        wins = gt(x, y) if self.name == "maximum" else lt(x, y)
        alone = select(wins, like(x, 1.0), like(x, 0.0))
        return mul(dx, select(eq(x, y), like(x, 0.5), alone))


class Maximum(Extremum):
    """max(x, y)"""


class Minimum(Extremum):
    """min(x, y)"""


class Copysign(Elementwise):
    """|x| with the sign of y, which zeros have too."""

    domain = FLOATS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, y = operands(out)
        one = like(x, 1.0)
        return None if i else mul(dx, mul(copysign(one, x), copysign(one, y)))


class Nextafter(Elementwise):
    """The number of the dtype that follows x on the way to y."""

    domain = WIDE

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None if i else dx


class Floordiv(Elementwise):
    """floor(x / y), as NumPy's //"""

    interval = (1.0, 5.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None


class Rem(Elementwise):
    """x - y * floor(x / y), as NumPy's %: the sign is the divisor's."""

    interval = (1.0, 5.0)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, neg(floordiv(*operands(out)))) if i else dx


# ---------------------------------------------------------------- steps


class Steps(Elementwise, abstract=True):
    """Constant between jumps: the derivative is 0."""

    arity = 1
    domain = FLOATS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None


class Sign(Steps):
    """-1, 0 or 1; NaN of NaN."""

    domain = (*INTEGERS, *FLOATS)


class Floor(Steps):
    """The greatest whole number that is not above x."""


class Ceil(Steps):
    """The least whole number that is not below x."""


class Round(Steps):
    """The nearest whole number, halves to even."""


class Trunc(Steps):
    """x without its fraction."""


# ---------------------------------------------------------------- comparisons, bits


class Comparison(Elementwise, abstract=True):
    """A truth value of two operands."""

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        super().type(*args)
        return args[0].of("bool")


class Eq(Comparison):
    """x == y"""

    commutative = True
    domain = ALL


class Ne(Comparison):
    """x != y"""

    commutative = True
    domain = ALL


class Lt(Comparison):
    """x < y"""


class Le(Comparison):
    """x <= y"""


class Gt(Comparison):
    """x > y"""


class Ge(Comparison):
    """x >= y"""


class And(Elementwise, name="and_"):
    """x & y"""

    commutative = True
    domain = BITS


class Or(Elementwise, name="or_"):
    """x | y"""

    commutative = True
    domain = BITS


class Xor(Elementwise):
    """x ^ y"""

    commutative = True
    domain = BITS


class Not(Elementwise, name="not_"):
    """~x: every bit, or the truth value, inverted."""

    arity = 1
    domain = BITS


class ShiftLeft(Elementwise):
    """x << y, for 0 <= y < the bits of x"""

    domain = INTEGERS
    interval = (0, 7)


class ShiftRight(Elementwise):
    """x >> y, for 0 <= y < the bits of x; keeps the sign of signed x."""

    domain = INTEGERS
    interval = (0, 7)


# ---------------------------------------------------------------- choice, casts


class Select(Elementwise):
    """x where mask, else y"""

    arity = 3
    domain = ALL

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        mask, x, y = args
        if x != y or mask != x.of("bool"):
            raise ProgramError(
                f"select: a mask and two operands of one type are required, got {spelled(args)}"
            )
        return x

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        _, dx, dy = tangents
        if dx is None and dy is None:
            return (None,)
        zero = like(node.out, 0.0)
        return (select(node.args[0], dx or zero, dy or zero),)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        mask, zero = operands(out)[0], like(ct, 0.0)
        return select(mask, ct, zero) if i == 1 else select(mask, zero, ct)

    def expression(self, *args: Expr) -> Expr:
        return scalar("select", *args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls(), (Type("bool", (2, 3)), Type(dtype, (2, 3)), Type(dtype, (2, 3))))
        for shape in ((), (0, 3)):
            yield Sample(cls(), (Type("bool", shape), Type("f64", shape), Type("f64", shape)))
        for mask, y in (("i32", "f32"), ("bool", "f64")):
            wrong = (Type(mask, (2,)), Type("f32", (2,)), Type(y, (2,)))
            yield Sample(
                cls(), wrong, error="select: a mask and two operands of one type are required"
            )


class Cast(Elementwise):
    """x in another dtype; floats to integers cut the fraction, numbers to bool ask x != 0."""

    arity = 1
    domain = ALL
    dtype: str

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if self.dtype not in NUMPY:
            raise ProgramError(f"cast: one of {', '.join(NUMPY)} is required, got {self.dtype!r}")
        return args[0].of(self.dtype)

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            return OPS["cast"].function(*args, self.dtype)

    def expression(self, *args: Expr) -> Expr:
        return scalar("cast", *args, param=self.dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return cast(dx, self.dtype)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return cast(ct, operands(out)[0].dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ALL:
            low = 0.0 if dtype in UNSIGNED else -2.0
            for of in ALL:
                yield Sample(cls(dtype), (Type(of, (2, 3)),), low=low)
        yield Sample(cls("f64"), (Type("f64", (0, 3)),))
        yield Sample(
            cls("f8"),
            (Type("f64", (2,)),),
            error=f"cast: one of {', '.join(NUMPY)} is required",
        )


# ---------------------------------------------------------------- identities that steer


class Mark(View, abstract=True):
    """x, with something said to differentiation, after which nothing is left of it."""

    arity = 1

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return args[0]

    def reference(self, *args: np.ndarray) -> Any:
        return args[0]

    def lifted(self, size: int) -> Op:
        return self

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        return (Piece(0, at),)


class StopGradient(Mark):
    """x, with the derivative 0"""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ALL:
            yield Sample(cls(), (Type(dtype, (2, 3)),), smooth=False)


class Named(Mark):
    """x, with a name by which policies of checkpoints know it"""

    tag: str

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx

    cotangent = tangent

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in ALL:
            yield Sample(cls("hidden"), (Type(dtype, (2, 3)),))


class After(OneResult):
    """x, computed after every y

    Nothing removes or crosses it before buffers are planned. Tangents are ordered as x is.
    """

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not args:
            raise ProgramError("after: at least one operand is required, got none")
        return args[0]

    def reference(self, *args: np.ndarray) -> Any:
        return args[0]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None if i else after(dx, *operands(out)[1:])

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return None if i else ct

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return (after(*args),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (Type("f64", (2, 3)),))
        yield Sample(cls(), (Type("f64", (2, 3)), Type("i32"), Type("f32", (0,))))
        yield Sample(cls(), (), error="after: at least one operand is required, got none")


# ---------------------------------------------------------------- user functions


def operands(out: Value) -> tuple[Value, ...]:
    """The operands of the node that made `out`."""
    assert out.node is not None
    return out.node.args


def add(x: Value, y: Value) -> Value:
    return apply(Add(), x, y)


def sub(x: Value, y: Value) -> Value:
    return apply(Sub(), x, y)


def mul(x: Value, y: Value) -> Value:
    return apply(Mul(), x, y)


def div(x: Value, y: Value) -> Value:
    return apply(Div(), x, y)


def neg(x: Value) -> Value:
    return apply(Neg(), x)


def fma(x: Value, y: Value, z: Value) -> Value:
    return apply(Fma(), x, y, z)


def abs(x: Value) -> Value:
    return apply(Abs(), x)


def maximum(x: Value, y: Value) -> Value:
    return apply(Maximum(), x, y)


def minimum(x: Value, y: Value) -> Value:
    return apply(Minimum(), x, y)


def floordiv(x: Value, y: Value) -> Value:
    return apply(Floordiv(), x, y)


def rem(x: Value, y: Value) -> Value:
    return apply(Rem(), x, y)


def sign(x: Value) -> Value:
    return apply(Sign(), x)


def floor(x: Value) -> Value:
    return apply(Floor(), x)


def ceil(x: Value) -> Value:
    return apply(Ceil(), x)


def round(x: Value) -> Value:
    return apply(Round(), x)


def trunc(x: Value) -> Value:
    return apply(Trunc(), x)


def copysign(x: Value, y: Value) -> Value:
    return apply(Copysign(), x, y)


def nextafter(x: Value, y: Value) -> Value:
    return apply(Nextafter(), x, y)


def eq(x: Value, y: Value) -> Value:
    return apply(Eq(), x, y)


def ne(x: Value, y: Value) -> Value:
    return apply(Ne(), x, y)


def lt(x: Value, y: Value) -> Value:
    return apply(Lt(), x, y)


def le(x: Value, y: Value) -> Value:
    return apply(Le(), x, y)


def gt(x: Value, y: Value) -> Value:
    return apply(Gt(), x, y)


def ge(x: Value, y: Value) -> Value:
    return apply(Ge(), x, y)


def and_(x: Value, y: Value) -> Value:
    return apply(And(), x, y)


def or_(x: Value, y: Value) -> Value:
    return apply(Or(), x, y)


def xor(x: Value, y: Value) -> Value:
    return apply(Xor(), x, y)


def not_(x: Value) -> Value:
    return apply(Not(), x)


def shift_left(x: Value, y: Value) -> Value:
    return apply(ShiftLeft(), x, y)


def shift_right(x: Value, y: Value) -> Value:
    return apply(ShiftRight(), x, y)


def select(mask: Value, x: Value, y: Value) -> Value:
    return apply(Select(), mask, x, y)


def stop_gradient(x: Value) -> Value:
    return apply(StopGradient(), x)


def named(x: Value, tag: str) -> Value:
    return apply(Named(tag), x)


def cast(x: Value, dtype: str) -> Value:
    """`x` in `dtype`; `x` itself where it has that dtype."""
    return x if x.dtype == dtype else apply(Cast(dtype), x)


def after(x: Value, *ys: Value) -> Value:
    return apply(After(), x, *ys)
