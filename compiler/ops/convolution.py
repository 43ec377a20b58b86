"""Convolution: sums of products over windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Pair, Parts, Sample, Value, apply
from ..ir.precision import FACTORS
from ..ir.types import Type, spelled
from .contract import DOMAIN, LOSSLESS, WIDER, of_factors
from .elementwise import add, cast, operands, pairs, sub
from .family import OneResult
from .phases import Along, Convolved
from .view import Ints, flip, inverse, permute

__all__ = ["convolution"]

Padding = tuple[tuple[int, int], ...]


def extent(size: int, dilation: int) -> int:
    """How far `size` elements reach that lie `dilation` apart."""
    return (size - 1) * dilation + 1 if size else 0


def ordered(*groups: Iterable[int]) -> Ints:
    return tuple(d for g in groups for d in g)


class Convolution(OneResult):
    """y[b, n, o, k] = sum over f, c of z[b, n, o * stride + f * window_dilation, c] * w[b, f, c, k]

    There may be any number of each, in this order: `batching` dimensions b of both operands,
    n of x alone, spatial ones s (f of w, o of y), for each of which there is an entry in `strides`,
    `padding`, `dilation` and `window_dilation`, `contracting` dimensions c, and k of w alone.
    z is x with dilation - 1 zeros between its elements, then (low, high) zeros around them, or less
    of them where negative. Zeros between elements are not met: infinities of w make nothing of
    them, but NaN of zeros around x. `precision` is what factors of f32 may be rounded to: f32,
    tf32, bf16.

    Both cotangents are convolutions: strides and dilation, strides and window_dilation change
    places.
    """

    arity = 2
    shares = True
    strides: Ints
    padding: Padding
    dilation: Ints
    window_dilation: Ints
    batching: int = 0
    contracting: int = 1
    precision: str = "f32"

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, w = args
        of_factors(self, self.precision, *args)
        self.check_numbers()
        least = self.batching + self.spatial + self.contracting
        if min(x.ndim, w.ndim) < least:
            got = f"{spelled(args)} with {self.spatial} spatial dimensions"
            raise ProgramError(
                f"convolution: operands of {least} dimensions or more are required, got {got}"
            )
        (b, n, s, c), (b_too, f, c_too, k) = (
            [tuple(v.shape[d] for d in g) for g in groups]
            for v, groups in zip(args, self.groups(x.ndim, w.ndim), strict=True)
        )
        for name, sizes in (("batch", (b, b_too)), ("contracting", (c, c_too))):
            if sizes[0] != sizes[1]:
                got = f"{spelled(args)} ({sizes[0]} and {sizes[1]})"
                raise ProgramError(f"convolution: equal {name} sizes are required, got {got}")
        return Type(x.dtype, (*b, *n, *self.sizes(s, f), *k))

    @property
    def spatial(self) -> int:
        """The number of spatial dimensions."""
        return len(self.strides)

    def check_numbers(self) -> None:
        """Requires an entry per spatial dimension, of which there is one, and positive steps."""
        steps = {
            "strides": self.strides,
            "dilation": self.dilation,
            "window_dilation": self.window_dilation,
        }
        for name, given in (*steps.items(), ("padding", self.padding)):
            if not given or len(given) != self.spatial:
                raise ProgramError(
                    f"convolution: {name} with an entry per spatial dimension are required, "
                    f"got {given} for {self.spatial}"
                )
            if name in steps and min(steps[name]) < 1:
                raise ProgramError(f"convolution: positive {name} are required, got {given}")
        if min(self.batching, self.contracting) < 0:
            raise ProgramError(
                "convolution: numbers of dimensions of at least 0 are required, "
                f"got {self.batching} and {self.contracting}"
            )

    def groups(self, x: int, w: int) -> tuple[tuple[range, ...], tuple[range, ...]]:
        """The dimensions b, n, s, c of the first operand and b, f, c, k of the second, of so many
        dimensions."""
        b, d, c = self.batching, self.spatial, self.contracting
        n, k = x - b - d - c, w - b - d - c
        starts = [0, b, b + n, b + n + d, x], [0, b, b + d, b + d + c, b + d + c + k]
        left, right = (tuple(range(i, j) for i, j in itertools.pairwise(s)) for s in starts)
        return left, right

    def sizes(self, s: Ints, f: Ints) -> Ints:
        """The spatial sizes of the result."""
        steps = zip(
            s, f, self.strides, self.padding, self.dilation, self.window_dilation, strict=True
        )
        return tuple(
            max(0, (extent(n, dilation) + low + high - extent(m, window)) // stride + 1)
            for n, m, stride, (low, high), dilation, window in steps
        )

    def reference(self, *args: np.ndarray) -> Any:
        x, w = args
        (b, n, s, c), (_, f, _, k) = (
            [tuple(v.shape[d] for d in g) for g in groups]
            for v, groups in zip(args, self.groups(x.ndim, w.ndim), strict=True)
        )
        out = self.sizes(s, f)
        shape = (*b, *n, *out, *k)
        if 0 in (*shape, *s, *f, *c):
            return np.zeros(shape, x.dtype)
        rows, depth = math.prod(n), math.prod(c)
        z = self.padded(x.reshape(math.prod(b), rows, *s, depth), s, f, out)
        axes = range(2, 2 + self.spatial)
        reach = [extent(m, step) for m, step in zip(f, self.window_dilation, strict=True)]
        windows = np.lib.stride_tricks.sliding_window_view(z, reach, tuple(axes))
        steps = (1, 1, *self.strides, 1, *self.window_dilation)
        windows = windows[tuple(slice(None, None, step) for step in steps)]
        windows = np.moveaxis(windows, 2 + self.spatial, -1)  # channels behind the window
        lhs = windows.reshape(len(z), rows * math.prod(out), math.prod(f) * depth)
        rhs = w.reshape(len(z), lhs.shape[2], math.prod(k))
        if set(self.dilation) != {1}:
            return self.sum_of_met(lhs, rhs, out, f).reshape(shape)
        with np.errstate(all="ignore"):  # NumPy's last bit depends on strides
            return (np.ascontiguousarray(lhs) @ np.ascontiguousarray(rhs)).reshape(shape)

    def sum_of_met(self, lhs: np.ndarray, rhs: np.ndarray, out: Ints, f: Ints) -> np.ndarray:
        """The product, place of the window by place, where that meets no zero of the dilation."""
        depth = lhs.shape[2] // math.prod(f)
        total = np.zeros((*lhs.shape[:2], rhs.shape[2]), lhs.dtype)
        for at, place in enumerate(np.ndindex(*f)):
            met = np.ones((1,) * len(out), bool)
            for a, i in enumerate(place):
                first = i * self.window_dilation[a] - self.padding[a][0]
                here = (np.arange(out[a]) * self.strides[a] + first) % self.dilation[a] == 0
                met = met & here.reshape(*(-1 if a == d else 1 for d in range(len(out))))
            part = slice(at * depth, (at + 1) * depth)
            with np.errstate(all="ignore"):
                each = np.ascontiguousarray(lhs[:, :, part]) @ np.ascontiguousarray(rhs[:, part])
            rows = np.tile(met.ravel(), lhs.shape[1] // met.size)
            total += np.where(rows[:, None], each, np.zeros((), each.dtype))
        return total

    def padded(self, x: np.ndarray, s: Ints, f: Ints, out: Ints) -> np.ndarray:
        """z as far as `out` windows reach, of x[b, n, s..., c]."""
        size, to, of = [], [], []
        for n, m, o, a in zip(s, f, out, range(self.spatial), strict=True):
            step, low = self.dilation[a], self.padding[a][0]
            size.append((o - 1) * self.strides[a] + extent(m, self.window_dilation[a]))
            first = max(0, -(low // step))  # the first and the last that are not cropped
            last = min(n, (size[-1] - 1 - low) // step + 1)
            of.append(slice(first, max(first, last)))
            start = first * step + low
            to.append(slice(start, start + extent(max(0, last - first), step), step))
        z = np.zeros((*x.shape[:2], *size, x.shape[-1]), x.dtype)
        z[:, :, *to] = x[:, :, *of]
        return z

    def pair(self, *args: Parts) -> Parts:
        """By four real ones, as a product of matrices."""
        x, w = pairs(*args)
        re = sub(apply(self, x.re, w.re), apply(self, x.im, w.im))
        return Pair(re, add(apply(self, x.re, w.im), apply(self, x.im, w.re)))

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        x, w = operands(out)
        return apply(self, x, dx) if i else apply(self, dx, w)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, w = operands(out)
        (b, n, s, c), (_, f, c_of_w, k) = self.groups(len(x.shape), len(w.shape))
        o = range(n.stop, n.stop + len(f))
        low = [p[0] for p in self.padding]
        field, window, places = (
            [extent(v.shape[d], step) for d, step in zip(axes, steps, strict=True)]
            for v, axes, steps in (
                (x, s, self.dilation), (w, f, self.window_dilation), (ct, o, self.strides),
            )
        )  # fmt: skip
        ends = zip(low, field, window, places, strict=True)
        if i == 0:
            of = replace(
                self,
                strides=self.dilation,
                dilation=self.strides,
                padding=tuple((m - 1 - p, n + p - q) for p, n, m, q in ends),
                contracting=len(k),
            )
            return apply(of, ct, permute(flip(w, f), ordered(b, f, k, c_of_w)))
        of = replace(
            self,
            strides=self.window_dilation,
            window_dilation=self.strides,
            padding=tuple((p, q + m - 1 - n - p) for p, n, m, q in ends),
            contracting=len(n),
        )
        of_ct = ordered(b, o, n, range(o.stop, len(ct.shape)))
        found = apply(of, permute(x, ordered(b, c, s, n)), permute(ct, of_ct))
        return permute(found, inverse(ordered(b, c_of_w, f, k)))

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """The new axis is one of b; of one operand alone it is one of n or of k."""
        x, w = args
        left, right = batched
        if left and right:
            return (apply(replace(self, batching=self.batching + 1), x, w),)
        at = self.batching  # where the result has the new axis
        if left:
            x = permute(x, leading_to(at, len(x.shape)))
        else:
            k = node.args[1].type.ndim - self.batching - self.spatial - self.contracting
            w = permute(w, leading_to(len(w.shape) - 1 - k, len(w.shape)))
            at = node.out.type.ndim - k
        found = apply(self, x, w)
        return (permute(found, inverse(leading_to(at, len(found.shape)))),)

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """Products of windows, or sums of views."""
        x, w = node.args
        of = Convolved(x, w, self.batching, self.spatial, self.contracting, self.precision)
        counts = node.out.shape[of.first : of.first + self.spatial]
        low = (p for p, _ in self.padding)
        axes = list(map(Along, counts, self.strides, self.window_dilation, low))
        return (of.result(axes, self.dilation),)

    def summed(self, x: Value, w: Value) -> Value:
        """The sum of the convolutions of two sequences: their leading axis is contracted too."""
        n, b = len(x.shape), self.batching + self.spatial
        x = permute(x, leading_to(n - 1 - self.contracting, n))
        w = permute(w, leading_to(b, len(w.shape)))
        return apply(replace(self, contracting=self.contracting + 1), x, w)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        plain = cls((1,), ((1, 1),), (1,), (1,))
        for dtype in DOMAIN:
            yield Sample(plain, (Type(dtype, (1, 4, 2)), Type(dtype, (3, 2, 2))))
        for precision in FACTORS:
            of = replace(plain, precision=precision)
            yield Sample(of, (Type("f32", (2, 5, 3)), Type("f32", (3, 3, 4))))
        strided = cls((2,), ((1, 0),), (1,), (2,))
        spread = cls((1,), ((-1, 2),), (3,), (1,))
        outer = cls((1,), ((0, 0),), (1,), (1,), 0, 0)
        flat = cls((1, 2), ((1, 1), (0, 1)), (1, 1), (1, 1))
        deep = cls((2, 3), ((2, -1), (-1, 1)), (2, 1), (1, 2), 1, 2)
        solid = cls((1, 2, 1), ((0, 1), (1, 0), (0, 0)), (1, 1, 2), (1, 1, 1), 1, 0)
        for of, x, w in (
            (strided, (5, 2), (2, 2, 3)),  # causal
            (spread, (2, 3, 1), (2, 1)),
            (outer, (2, 4), (3, 2)),
            (outer, (4,), (3,)),
            (replace(plain, batching=2), (2, 1, 3, 2), (2, 1, 3, 2)),
            (flat, (2, 3, 4, 2), (3, 3, 2, 3)),
            (replace(flat, batching=1, contracting=0), (2, 1, 3, 4), (2, 3, 3)),  # depthwise
            (deep, (2, 1, 3, 5, 1, 2), (2, 2, 2, 1, 2, 1, 2)),
            (solid, (2, 2, 3, 2), (2, 2, 2, 2)),
            (plain, (0, 3, 2), (3, 2, 2)),
            (plain, (1, 0, 2), (2, 2, 2)),
            (plain, (1, 3, 0), (3, 0, 2)),
            (plain, (1, 3, 2), (0, 2, 2)),
            (plain, (1, 3, 2), (3, 2, 0)),
            (plain, (1, 1, 2), (5, 2, 1)),
        ):
            yield Sample(of, (Type("f64", x), Type("f64", w)))
        f32 = Type("f32")
        x, w, square = f32[1, 4, 2], f32[3, 2, 2], Type("bool", (2, 2))
        unequal = "equal contracting sizes are required, got f32[1, 4, 2] and f32[3, 4, 2]"
        for of, lhs, rhs, error in (
            (plain, x, f32[3, 4, 2], f"{unequal} ((2,) and (4,))"),
            (replace(plain, batching=1), x, f32[3, 3, 2], "equal batch sizes are required, got"),
            (plain, x, Type("f64", (3, 2, 2)), "operands of one dtype are required, got f32"),
            (plain, square, square, "one of i32, i64, u32, f32, f64, c64, c128 is required, got"),
            (plain, x, f32[3], "operands of 2 dimensions or more are required, got f32[1, 4, 2]"),
            (replace(plain, precision="rough"), x, w, "a precision of bf16, tf32, f32 is"),
            (replace(plain, strides=(0,)), x, w, "positive strides are required, got (0,)"),
            (replace(plain, dilation=(1, 1)), x, w, "dilation with an entry per spatial dimension"),
            (replace(plain, strides=()), x, w, "strides with an entry per spatial dimension are"),
            (replace(plain, contracting=-1), x, w, "numbers of dimensions of at least 0 are"),
        ):
            yield Sample(of, (lhs, rhs), error=f"convolution: {error}")


def leading_to(at: int, ndim: int) -> Ints:
    """The axes where the leading one stands at `at`."""
    return (*range(1, at + 1), 0, *range(at + 1, ndim))


def convolution(
    x: Value,
    w: Value,
    strides: Ints,
    padding: Padding,
    dilation: Ints = (),
    window_dilation: Ints = (),
    batching: int = 0,
    contracting: int = 1,
    precision: str = "f32",
) -> Value:
    """The sums of products over windows, as of `Convolution`; other dtypes are computed wider."""
    wide, ones = WIDER.get(x.dtype, x.dtype), (1,) * len(strides)
    of = Convolution(
        strides,
        padding,
        dilation or ones,
        window_dilation or ones,
        batching,
        contracting,
        LOSSLESS.get(x.dtype, precision if wide == "f32" else "f32"),
    )
    return cast(apply(of, cast(x, wide), cast(w, wide)), x.dtype)
