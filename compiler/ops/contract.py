"""Products of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Pair, Parts, Sample, Value, apply
from ..ir.precision import FACTORS
from ..ir.types import COMPLEX, WIDE, Type, spelled
from .elementwise import add, cast, complex_product, operands, pairs, sub
from .family import OneResult, behind, of_domain
from .reduce import reduce_sum
from .view import broadcast, inverse, permute

__all__ = ["dot_general"]

Axes = tuple[tuple[int, ...], tuple[int, ...]]

DOMAIN = ("i32", "i64", "u32", *WIDE, *COMPLEX)
WIDER = {
    "i8": "i32", "i16": "i32", "u8": "u32", "u16": "u32", "u64": "i64", "f16": "f32", "bf16": "f32",
}  # fmt: skip
"""What products of other dtypes are computed in: bits that wrap away do not reach those kept."""

LOSSLESS = {"f16": "tf32", "bf16": "bf16"}
"""What factors that were halves may be rounded to without a change."""


def of_factors(op: OneResult, precision: str, *args: Type) -> None:
    """Requires factors of one dtype that products have, and a precision of them."""
    if len({x.dtype for x in args}) > 1:
        raise ProgramError(f"{op.name}: operands of one dtype are required, got {spelled(args)}")
    of_domain(op, args[0], DOMAIN)
    if precision not in FACTORS:
        raise ProgramError(
            f"{op.name}: a precision of {', '.join(FACTORS)} is required, got {precision!r}"
        )


class DotGeneral(OneResult):
    """y[b, m, n] = sum over k of lhs[b, m, k] * rhs[b, n, k]

    There may be any number of such dimensions, in any order: `contracting` are the dimensions k
    of each operand and `batching` the dimensions b, paired in order. The result has the dimensions
    b, then the others of lhs, then the others of rhs. `precision` is what factors of f32 may be
    rounded to: f32, tf32, bf16.
    """

    arity = 2
    shares = True
    contracting: Axes
    batching: Axes
    precision: str = "f32"

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        of_factors(self, self.precision, *args)
        lhs = args[0]
        for k, x in enumerate(args):
            dims = (*self.contracting[k], *self.batching[k])
            if len(set(dims)) != len(dims) or any(not 0 <= d < x.ndim for d in dims):
                raise ProgramError(
                    f"dot_general: distinct dimensions of {x} are required, got {dims}"
                )
        for name, pair in (("contracting", self.contracting), ("batch", self.batching)):
            sizes = [tuple(x.shape[d] for d in dims) for x, dims in zip(args, pair, strict=True)]
            if sizes[0] != sizes[1]:
                got = f"{spelled(args)} ({sizes[0]} and {sizes[1]})"
                raise ProgramError(f"dot_general: equal {name} sizes are required, got {got}")
        free = (x.shape[d] for k, x in enumerate(args) for d in self.free(k, x.ndim))
        return Type(lhs.dtype, (*(lhs.shape[d] for d in self.batching[0]), *free))

    def free(self, side: int, ndim: int) -> tuple[int, ...]:
        """The dimensions of an operand that are neither contracted nor batched."""
        return tuple(
            d for d in range(ndim) if d not in (*self.contracting[side], *self.batching[side])
        )

    def reference(self, *args: np.ndarray) -> Any:
        parts = []
        for k, x in enumerate(args):
            groups = self.batching[k], self.free(k, x.ndim), self.contracting[k]
            x = np.transpose(x, [d for g in groups for d in g])
            sizes = np.split(x.shape, np.cumsum([len(g) for g in groups])[:-1])
            parts.append((x.reshape([math.prod(s) for s in sizes]), sizes))
        (lhs, (batch, rows, _)), (rhs, (_, columns, _)) = parts
        # NumPy's last bit depends on strides, and on whether one is the other transposed
        lhs, rhs = map(np.ascontiguousarray, (lhs, rhs.swapaxes(1, 2)))
        with np.errstate(all="ignore"):
            return (lhs @ rhs).reshape([*batch, *rows, *columns])

    def pair(self, *args: Parts) -> Parts:
        """By four real products: three have one sum more, whose rounding small parts suffer."""
        x, y = pairs(*args)
        if not all(self.free(k, z.re.type.ndim) for k, z in enumerate((x, y))):
            return self.of_vector(x, y)
        re = sub(apply(self, x.re, y.re), apply(self, x.im, y.im))
        return Pair(re, add(apply(self, x.re, y.im), apply(self, x.im, y.re)))

    def of_vector(self, *zs: Pair) -> Pair:
        """Where an operand has no free dimension: products and their sum, one pass over both."""
        first, free = (
            len(self.batching[0]),
            [self.free(k, z.re.type.ndim) for k, z in enumerate(zs)],
        )
        stop = first + len(free[0]) + len(free[1])
        shape: tuple[int, ...] = ()

        def ordered(k: int, v: Value) -> Value:
            return permute(v, (*self.batching[k], *free[k], *self.contracting[k]))

        def spread(v: Value) -> Value:
            return broadcast(v, shape, range(first, stop)) if v.type.ndim < len(shape) else v

        zs = tuple(Pair(ordered(k, z.re), ordered(k, z.im)) for k, z in enumerate(zs))
        shape = max((z.re.shape for z in zs), key=len)
        x, y = (Pair(spread(z.re), spread(z.im)) for z in zs)
        return Pair(*(reduce_sum(v, range(stop, len(shape))) for v in complex_product(x, y)))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        lhs, rhs = operands(out)
        return apply(self, lhs, dx) if i else apply(self, dx, rhs)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, other = operands(out)[i], operands(out)[1 - i]
        free, others = self.free(i, len(x.shape)), self.free(1 - i, len(other.shape))
        b = len(self.batching[0])
        at = b + len(free) * (1 - i)  # where the free dimensions of the other stand in ct
        contracting = (tuple(range(at, at + len(others))), others)
        batch = tuple(range(b)), self.batching[1 - i]
        found = dot_general(ct, other, contracting, batch, self.precision)
        paired = sorted(range(len(self.contracting[i])), key=lambda p: self.contracting[1 - i][p])
        dims = (*self.batching[i], *free, *(self.contracting[i][p] for p in paired))
        return permute(found, inverse(dims))

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """The new axis is one of `batching`; of one operand alone it is a free dimension."""
        left, right = batched
        (lhs_k, rhs_k), (lhs_batch, rhs_batch) = (
            (behind(lhs) if left else lhs, behind(rhs) if right else rhs)
            for lhs, rhs in (self.contracting, self.batching)
        )
        if left and right:
            both = (0, *lhs_batch), (0, *rhs_batch)
            return (apply(replace(self, contracting=(lhs_k, rhs_k), batching=both), *args),)
        of = replace(self, contracting=(lhs_k, rhs_k), batching=(lhs_batch, rhs_batch))
        found = apply(of, *args)
        rows = len(self.free(0, node.args[0].type.ndim)) if right else 0
        at = len(lhs_batch) + rows
        return (permute(found, (at, *(d for d in range(len(found.shape)) if d != at))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        plain = cls(((1,), (0,)), ((), ()))
        for dtype in DOMAIN:
            yield Sample(plain, (Type(dtype, (2, 3)), Type(dtype, (3, 4))))
        for contracting, batch, lhs, rhs in (
            (((0,), (0,)), ((), ()), (3,), (3,)),
            (((), ()), ((), ()), (2,), (3,)),
            (((), ()), ((0,), (0,)), (2, 3), (2,)),
            (((2,), (1,)), ((0,), (0,)), (2, 3, 4), (2, 4, 5)),
            (((3, 1), (0, 2)), ((0,), (3,)), (2, 3, 1, 4), (4, 5, 3, 2)),
            (((0, 2), (2, 0)), ((), ()), (2, 3, 4), (4, 1, 2)),
            (((1,), (1,)), ((2, 0), (0, 2)), (2, 4, 3), (3, 4, 2)),
            (((1,), (0,)), ((), ()), (2, 0), (0, 3)),
            (((1,), (0,)), ((), ()), (0, 2), (2, 3)),
        ):
            yield Sample(cls(contracting, batch), (Type("f64", lhs), Type("f64", rhs)))
        for precision in FACTORS:
            axes = ((1,), (0,)), ((), ())
            yield Sample(cls(*axes, precision), (Type("f32", (5, 9)), Type("f32", (9, 3))))
        rough = cls(((1,), (0,)), ((), ()), "rough")
        f32, square = Type("f32"), Type("bool", (2, 2))
        twice = cls(((1,), (0,)), ((1,), (1,)))
        unpaired = cls(((1,), ()), ((), ()))
        for op, lhs, rhs, error in (
            (
                plain,
                f32[3, 4],
                f32[5, 6],
                "equal contracting sizes are required, got f32[3, 4] and",
            ),
            (unpaired, f32[3, 4], f32[4, 5], "equal contracting sizes are required, got f32[3, 4]"),
            (plain, f32[3, 4], Type("f64", (4, 5)), "operands of one dtype are required, got f32"),
            (plain, f32[3], f32[4, 5], "distinct dimensions of f32[3] are required, got (1,)"),
            (
                twice,
                f32[3, 4],
                f32[4, 5],
                "distinct dimensions of f32[3, 4] are required, got (1, 1)",
            ),
            (
                plain,
                square,
                square,
                "one of i32, i64, u32, f32, f64, c64, c128 is required, got bool[2, 2]",
            ),
            (
                rough,
                f32[3, 4],
                f32[4, 5],
                "a precision of bf16, tf32, f32 is required, got 'rough'",
            ),
        ):
            yield Sample(op, (lhs, rhs), error=f"dot_general: {error}")


def dot_general(
    lhs: Value,
    rhs: Value,
    contracting: Axes,
    batch: Axes = ((), ()),
    precision: str = "f32",
) -> Value:
    """The sum of products over the `contracting` dimensions, for each element of `batch`."""
    wide = WIDER.get(lhs.dtype, lhs.dtype)
    of = DotGeneral(
        contracting, batch, LOSSLESS.get(lhs.dtype, precision if wide == "f32" else "f32")
    )
    found = apply(of, cast(lhs, wide), cast(rhs, wide))
    return cast(found, lhs.dtype)
