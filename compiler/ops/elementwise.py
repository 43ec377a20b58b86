"""Ops that act on each element alone. Derivatives at edges are JAX's, but |x|' is 0 at 0.

Where a rule multiplies the tangent by a factor, the factor is computed apart from the tangent:
it is what reverse mode keeps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Sample, Value, apply
from ..ir.types import (
    COMPLEX,
    FLOATS,
    INEXACT,
    INTEGERS,
    NAMES,
    NUMPY,
    REAL,
    UNSIGNED,
    WHOLE,
    WIDE,
    Type,
    spelled,
)
from ..kernel import Expr
from ..kernel import apply as scalar
from ..kernel.index import Index, Piece
from ..kernel.scalar import cast as scalar_cast
from .family import Elementwise, OneResult, View, of_one, of_two, partwise
from .source import Full, Number, full

__all__ = [
    "abs", "add", "after", "and_", "cast", "ceil", "complex", "conj", "copysign", "div", "eq",
    "floor", "floordiv", "fma", "ge", "gt", "imag", "le", "lt", "maximum", "minimum", "mul",
    "named", "ne", "neg", "nextafter", "not_", "or_", "real", "rem", "round", "select",
    "shift_left", "shift_right", "sign", "stop_gradient", "sub", "trunc", "xor",
]  # fmt: skip

BITS = ("bool", *INTEGERS)
NUMBERS = (*INTEGERS, *INEXACT)


def like(x: Value, value: Number) -> Value:
    """`value` in the type of `x`."""
    return full(value, x.type)


# ---------------------------------------------------------------- arithmetic


class Add(Elementwise):
    """x + y"""

    commutative = True
    domain = NUMBERS

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return ct


class Sub(Elementwise):
    """x - y"""

    domain = NUMBERS

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return neg(dx) if i else dx

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        dx, dy = tangents
        return (sub(dx, dy),) if dx and dy else super().jvp(node, tangents)

    cotangent = tangent


class Mul(Elementwise):
    """x * y"""

    commutative = True
    domain = NUMBERS

    def pair(self, *args: Parts) -> Parts:
        return complex_product(*pairs(*args))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return mul(dx, operands(out)[1 - i])

    cotangent = tangent


class Div(Elementwise):
    """x / y

    Complex numbers by Smith's method, which overflows only where NumPy does: |x| or |y| near the
    greatest number.
    Source: Smith, Algorithm 116: Complex division, 1962.
    """

    domain = INEXACT
    interval = (0.5, 2.0)

    def pair(self, *args: Parts) -> Parts:
        (a, b), y = pairs(*args)
        flat = lt(abs(y.re), abs(y.im))  # |im y| is the greater: both are divided by it
        large, small = select(flat, y.im, y.re), select(flat, y.re, y.im)
        zero = and_(eq(large, like(large, 0.0)), eq(small, large))
        ratio = div(small, select(zero, like(large, 1.0), large))
        scale = div(like(large, 1.0), select(zero, abs(large), add(large, mul(small, ratio))))
        re = add(select(flat, mul(a, ratio), a), select(flat, b, mul(b, ratio)))
        im = sub(select(flat, mul(b, ratio), b), select(flat, a, mul(a, ratio)))
        return Pair(mul(select(zero, a, re), scale), mul(select(zero, b, im), scale))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        y = operands(out)[1]
        return mul(dx, neg(div(out, y))) if i else div(dx, y)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return div(ct, operands(out)[1])


class Neg(Elementwise):
    """-x"""

    arity = 1
    domain = NUMBERS

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

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
    """|x|, real; the derivative at 0 is 0."""

    arity = 1
    domain = NUMBERS
    bounds = (0.0, math.inf)

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        super().type(*args)
        return args[0].part

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x = operands(out)[0]
        if not x.type.is_complex:
            return mul(dx, sign(x))
        return real(mul(dx, conj(sign(x))))

    def pair(self, *args: Parts) -> Parts:
        return modulus(*pairs(*args))


class Extremum(Elementwise, abstract=True):
    """The greater or lesser of two; NaN wins; equal operands share the tangent by halves."""

    domain = REAL
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


class PiecewiseConstant(Elementwise, abstract=True):
    """Constant between jumps: the derivative is 0."""

    arity = 1
    domain = FLOATS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None


class Sign(PiecewiseConstant):
    """x / |x|: of real numbers -1 or 1, or 0 or NaN as x is.

    Infinite complex numbers have that of their infinite part, and NaN where both are. Where |x|
    overflows the result is x / |x| all the same, which NumPy's is not.
    """

    domain = NUMBERS

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        """Along the circle: x / |x| times the turn of dx, Im(dx / x)."""
        x = operands(out)[0]
        if not x.type.is_complex:
            return None
        size = abs(x)
        safe = select(eq(size, like(size, 0.0)), like(size, 1.0), size)
        turn = div(imag(mul(dx, conj(out))), safe)
        return mul(complex(like(turn, 0.0), turn), out)

    def pair(self, *args: Parts) -> Parts:
        (x,) = pairs(*args)
        zero, one, most = (like(x.re, v) for v in (0.0, 1.0, math.inf))
        great = gt(maximum(abs(x.re), abs(x.im)), one)
        x = Pair(*(mul(v, select(great, like(v, 0.25), one)) for v in x))
        size = modulus(x)
        nothing, far = eq(size, zero), eq(size, most)
        unit = select(nothing, one, size)
        both = and_(eq(abs(x.re), most), eq(abs(x.im), most))

        def part(v: Value) -> Value:
            ends = select(eq(abs(v), most), sign(v), zero)
            finite = select(nothing, zero, div(v, unit))
            return select(far, select(both, like(v, math.nan), ends), finite)

        found = Pair(part(x.re), part(x.im))
        return Pair(*(select(ne(size, size), size, v) for v in found))


class Floor(PiecewiseConstant):
    """The greatest whole number that is not above x."""


class Ceil(PiecewiseConstant):
    """The least whole number that is not below x."""


class Round(PiecewiseConstant):
    """The nearest whole number, halves to even."""


class Trunc(PiecewiseConstant):
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
    domain = tuple(NUMPY)

    def pair(self, *args: Parts) -> Parts:
        x, y = pairs(*args)
        return and_(eq(x.re, y.re), eq(x.im, y.im))


class Ne(Comparison):
    """x != y"""

    commutative = True
    domain = tuple(NUMPY)

    def pair(self, *args: Parts) -> Parts:
        x, y = pairs(*args)
        return or_(ne(x.re, y.re), ne(x.im, y.im))


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
    domain = tuple(NUMPY)

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

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
        return (select(same_mask(node), dx or zero, dy or zero),)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        mask, zero = operands(out)[0], like(ct, 0.0)
        return select(mask, ct, zero) if i == 1 else select(mask, zero, ct)

    def emitted(self, *args: Expr) -> Expr:
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
    """x in another dtype

    Floats to integers cut the fraction and saturate, NaN gives 0; integers to integers wrap.
    Numbers to bool ask x != 0, complex numbers to real ones lose the imaginary part.
    """

    arity = 1
    domain = tuple(NUMPY)
    dtype: str

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if self.dtype not in NUMPY:
            raise ProgramError(f"cast: one of {', '.join(NUMPY)} is required, got {self.dtype!r}")
        return args[0].of(self.dtype)

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        if np.iscomplexobj(x) and self.dtype not in ("bool", *COMPLEX):
            x = np.real(x)
        with np.errstate(all="ignore"):
            return scalar_cast(x, self.dtype)

    def emitted(self, *args: Expr) -> Expr:
        return scalar("cast", *args, param=self.dtype)

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return cast(dx, self.dtype)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return cast(ct, operands(out)[0].dtype)

    def pair(self, *args: Parts) -> Parts:
        (x,) = args
        if self.dtype in COMPLEX:
            part = Type(self.dtype).part.dtype
            re, im = x if isinstance(x, Pair) else (x, like(x, 0))
            return Pair(cast(re, part), cast(im, part))
        assert isinstance(x, Pair)
        if self.dtype == "bool":
            return or_(*(ne(v, like(v, 0.0)) for v in x))
        return cast(x.re, self.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        ends = np.array([[math.nan, -math.inf, -1.7, -4e9, 2.9], [300, math.inf, 7e4, 5e9, -129]])
        for dtype in NUMPY:
            low = 0.0 if dtype in UNSIGNED else -2.0
            for of in NUMPY:
                if of in FLOATS and dtype in INTEGERS:
                    most = 6e4 if of == "f16" else 1e10
                    given = np.where(np.abs(ends) > most, np.copysign(math.inf, ends), ends)
                    yield Sample(cls(dtype), (Type(of, (2, 5)),), values=(given,))
                else:
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
        for dtype in NUMPY:
            yield Sample(cls(), (Type(dtype, (2, 3)),), smooth=False)


class Named(Mark):
    """x, with a name by which policies of checkpoints know it"""

    tag: str

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx

    cotangent = tangent

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            yield Sample(cls("hidden"), (Type(dtype, (2, 3)),))


class After(OneResult):
    """x, computed after every y

    Nothing removes or crosses it before buffers are planned. Tangents are ordered as x is.
    """

    shares = True

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

    def pair(self, *args: Parts) -> Parts:
        x, *ys = args
        order = [v for y in ys for v in (y if isinstance(y, Pair) else (y,))]
        return Pair(*(after(v, *order) for v in x)) if isinstance(x, Pair) else after(x, *order)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (Type("f64", (2, 3)),))
        yield Sample(cls(), (Type("c64", (2, 3)), Type("f32"), Type("c128", (2,))))
        yield Sample(cls(), (Type("f32", (2, 3)), Type("c64")))
        yield Sample(cls(), (Type("f64", (2, 3)), Type("i32"), Type("f32", (0,))))
        yield Sample(cls(), (), error="after: at least one operand is required, got none")


# ---------------------------------------------------------------- complex numbers


class Parted(Elementwise, abstract=True):
    """A real function of a complex number, linear over the reals."""

    arity = 1
    domain = COMPLEX

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        super().type(*args)
        return args[0].part

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx)


class Real(Parted):
    """The real part"""

    def reference(self, *args: np.ndarray) -> Any:
        return np.real(args[0])

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return complex(ct, like(ct, 0.0))

    def pair(self, *args: Parts) -> Parts:
        return pairs(*args)[0].re


class Imag(Parted):
    """The imaginary part"""

    def reference(self, *args: np.ndarray) -> Any:
        return np.imag(args[0])

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return complex(like(ct, 0.0), neg(ct))

    def pair(self, *args: Parts) -> Parts:
        return pairs(*args)[0].im


class Conj(Elementwise):
    """The conjugate: the imaginary part negated."""

    arity = 1
    domain = COMPLEX

    def reference(self, *args: np.ndarray) -> Any:
        return np.conj(args[0])

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return conj(dx)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return conj(ct)

    def pair(self, *args: Parts) -> Parts:
        (x,) = pairs(*args)
        return Pair(x.re, neg(x.im))


class Complex(Elementwise):
    """x + i y, of real numbers"""

    domain = WIDE

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        super().type(*args)
        return args[0].of(WHOLE[args[0].dtype])

    def reference(self, *args: np.ndarray) -> Any:
        out = np.empty(args[0].shape, NUMPY[WHOLE[NAMES[args[0].dtype]]])
        out.real, out.imag = args
        return out

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        zero = like(dx, 0.0)
        return complex(zero, dx) if i else complex(dx, zero)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        dx, dy = tangents
        return (complex(dx, dy),) if dx and dy else super().jvp(node, tangents)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return neg(imag(ct)) if i else real(ct)

    def pair(self, *args: Parts) -> Parts:
        re, im = args
        assert isinstance(re, Value) and isinstance(im, Value)
        return Pair(re, im)


def pairs(*args: Parts) -> tuple[Pair, ...]:
    """The operands of a rule for complex ones."""
    assert all(isinstance(a, Pair) for a in args)
    return tuple(a for a in args if isinstance(a, Pair))


def modulus(x: Pair) -> Value:
    """|x|, which does not overflow before it has to."""
    return apply(Op.registry["hypot"](), *x)


def complex_product(x: Pair, y: Pair) -> Pair:
    """x * y by parts, as NumPy: infinities are not recovered."""
    re = sub(mul(x.re, y.re), mul(x.im, y.im))
    return Pair(re, add(mul(x.re, y.im), mul(x.im, y.re)))


# ---------------------------------------------------------------- user functions


def same_mask(node: Node) -> Value:
    """The mask of a select, from its result where that tells: then no operand is kept for it.

    select(x <= c, c, x) is <= c just where x is, and select(x > c, x, c) is > c.
    """
    mask, yes, no = node.args
    test = mask.node
    if test is None or not isinstance(test.op, Le | Ge | Lt | Gt):
        return mask
    bound, x = (yes, no) if isinstance(test.op, Le | Ge) else (no, yes)
    for k, given in enumerate(test.args):
        limit = number_of(given)
        if limit is not None and limit == number_of(bound) and test.args[1 - k] is x:
            return apply(test.op, *((given, node.out) if k == 0 else (node.out, given)))
    return mask


def number_of(value: Value) -> Number | None:
    """The number that all elements of a value are, if it was made as one."""
    node = value.node
    while node is not None and isinstance(node.op, View) and len(node.args) == 1:
        node = node.args[0].node
    return node.op.value if node is not None and isinstance(node.op, Full) else None


def operands(out: Value) -> tuple[Value, ...]:
    """The operands of the node that made `out`."""
    assert out.node is not None
    return out.node.args


add = of_two(Add)
sub = of_two(Sub)
mul = of_two(Mul)
div = of_two(Div)
neg = of_one(Neg)


def fma(x: Value, y: Value, z: Value) -> Value:
    return apply(Fma(), x, y, z)


abs = of_one(Abs)
maximum = of_two(Maximum)
minimum = of_two(Minimum)
floordiv = of_two(Floordiv)
rem = of_two(Rem)
sign = of_one(Sign)
floor = of_one(Floor)
ceil = of_one(Ceil)
round = of_one(Round)
trunc = of_one(Trunc)
copysign = of_two(Copysign)
nextafter = of_two(Nextafter)
eq = of_two(Eq)
ne = of_two(Ne)
lt = of_two(Lt)
le = of_two(Le)
gt = of_two(Gt)
ge = of_two(Ge)
and_ = of_two(And)
or_ = of_two(Or)
xor = of_two(Xor)
not_ = of_one(Not)
shift_left = of_two(ShiftLeft)
shift_right = of_two(ShiftRight)


def select(mask: Value, x: Value, y: Value) -> Value:
    return apply(Select(), mask, x, y)


real = of_one(Real)
imag = of_one(Imag)
conj = of_one(Conj)


def complex(re: Value, im: Value) -> Value:
    return apply(Complex(), re, im)


stop_gradient = of_one(StopGradient)


def named(x: Value, tag: str) -> Value:
    return apply(Named(tag), x)


def cast(x: Value, dtype: str) -> Value:
    """`x` in `dtype`; `x` itself where it has that dtype."""
    return x if x.dtype == dtype else apply(Cast(dtype), x)


def after(x: Value, *ys: Value) -> Value:
    return apply(After(), x, *ys)
