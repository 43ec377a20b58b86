"""Ops of order: sorting along the last axis, searching in what is sorted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Sample, Value, apply, apply_all
from ..ir.types import NUMPY, REAL, Type, spelled
from ..kernel.sorting import search, sorted_places
from .elementwise import add, cast, ne
from .family import of_domain
from .gather import take_along
from .view import broadcast, permute

__all__ = ["argsort", "searchsorted", "sort"]

Values = tuple[Value, ...]


def batched_all(args: Values, batched: tuple[bool, ...], size: int) -> Values:
    """The operands with the leading axis, repeated along it where they had none."""
    pairs = zip(args, batched, strict=True)
    return tuple(a if yes else broadcast(a, (size, *a.shape), (0,)) for a, yes in pairs)


def real_keys(key: np.ndarray) -> tuple[np.ndarray, ...]:
    """A key by real numbers: complex ones by their parts, those with NaN last, as NumPy has it."""
    if not np.iscomplexobj(key):
        return (key,)
    re, im = np.real(key), np.imag(key)
    with_nan = 2 * np.isnan(re) + np.isnan(im)
    return with_nan.astype(np.int32), re, im


class Sort(Op):
    """The operands, sorted alike along their last axis by the first `keys` of them, and the places
    where the elements were: stable, NaN last, -0.0 equal to 0.0; `descending` turned around but
    that equal elements stay in order; of the sorted elements the first `most`, all if that is None
    """

    keys: int
    descending: bool
    most: int | None = None

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not 1 <= self.keys <= len(args):
            raise ProgramError(
                f"sort: keys among the operands are required, got {self.keys} of {len(args)}"
            )
        if any(a.shape != args[0].shape for a in args):
            raise ProgramError(f"sort: operands of one shape are required, got {spelled(args)}")
        if not args[0].ndim:
            raise ProgramError(f"sort: an axis is required, got {spelled(args)}")
        *rows, n = args[0].shape
        most = n if self.most is None else self.most
        if not 0 <= most <= n:
            raise ProgramError(
                f"sort: at most all of {n} elements are required, got {most} of {args[0]}"
            )
        found = [Type(a.dtype, (*rows, most)) for a in args]
        return *found, found[0].of("i64")

    def reference(self, *args: np.ndarray) -> Any:
        keys = (part for a in args[: self.keys] for part in real_keys(a))
        order = sorted_places(tuple(keys), self.descending)[..., : self.most]
        return *(np.take_along_axis(a, order, -1) for a in args), order

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        order, axis = node.values[-1], node.args[0].type.ndim - 1
        return *(None if t is None else take_along(t, order, axis) for t in tangents), None

    def batch(self, node: Node, args: Values, batched: tuple[bool, ...], size: int) -> Values:
        return apply_all(self, *batched_all(args, batched, size))

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        """Complex keys are three: whether a part is NaN, the real parts, the imaginary ones."""
        operands: list[Value] = []
        ends: list[int] = []  # behind each operand
        for i, a in enumerate(args):
            if isinstance(a, Pair) and i < self.keys:
                re, im = (cast(ne(v, v), "i32") for v in a)
                operands.append(add(add(re, re), im))
            operands += a if isinstance(a, Pair) else (a,)
            ends.append(len(operands))
        found = apply_all(Sort(ends[self.keys - 1], self.descending, self.most), *operands)
        sorted_ = (
            Pair(*found[end - 2 : end]) if isinstance(a, Pair) else found[end - 1]
            for a, end in zip(args, ends, strict=True)
        )
        return *sorted_, found[-1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Not smooth: whether the places or a value is moved is not told by differences."""

        def sample(op: Sort, *types: Type, low: float = -2, high: float = 2) -> Sample:
            return Sample(op, types, low, high, smooth=False)

        for dtype in NUMPY:
            yield sample(cls(1, dtype == "f32"), Type(dtype, (3, 7)))
        f64, i32 = Type("f64", (2, 5)), Type("i32", (2, 5))
        yield sample(cls(1, False), f64, Type("f32", (2, 5)), i32)
        yield sample(cls(2, False), i32, f64, low=-1, high=1)
        yield sample(cls(2, True), Type("u8", (300,)), Type("f32", (300,)), low=0, high=9)
        special = np.array([0.0, np.nan, -0.0, np.inf, 1.0, -np.inf, 0.0, -1.0, np.nan, -0.0])
        for dtype in ("f16", "bf16", "f32", "f64"):
            for down in (False, True):
                types = (Type(dtype, (10,)),)
                yield Sample(cls(1, down), types, values=(special,), smooth=False)
        nan = np.nan
        parts = np.array([[1, nan, 0, nan, 1, 2, nan], [2, 0, nan, nan, -1, nan, -1]])
        whole = np.empty(7, np.complex128)
        whole.real, whole.imag = parts
        for down in (False, True):
            types = Type("c64", (7,)), Type("c128", (7,)), Type("f32", (7,))
            values = (whole, whole[::-1], None)
            yield Sample(cls(1, down), types, values=values, smooth=False)
            yield Sample(cls(2, down), types, values=values, smooth=False)
        for shape in ((0,), (2, 0), (0, 3), (1,), (700,), (2, 1, 3)):
            yield sample(cls(1, False), Type("f32", shape))
            yield sample(cls(1, False), Type("i64", shape))
            yield sample(cls(1, True, min(shape[-1], 5)), Type("f32", shape))
        for dtype in NUMPY:
            yield sample(cls(1, dtype < "f5", 9), Type(dtype, (2, 300)), low=0, high=3)
            yield sample(cls(1, dtype > "f5", 3), Type(dtype, (40, 7)), low=0, high=3)
        yield sample(cls(2, True, 20), Type("u8", (300,)), Type("f32", (300,)), low=0, high=9)
        yield sample(cls(1, True, 70), Type("f64", (2, 300)), Type("i32", (2, 300)))
        for down in (False, True):
            for dtype in ("bf16", "f32", "f64"):
                values = (np.tile(special, 30),)
                yield Sample(cls(1, down, 100), (Type(dtype, (300,)),), values=values, smooth=False)
        bad = "sort: at most all of 3 elements are required, got 4 of f32[3]"
        yield Sample(cls(1, True, 4), (Type("f32", (3,)),), error=bad)
        bad = "sort: operands of one shape are required, got f32[2] and f32[3]"
        yield Sample(cls(1, False), (Type("f32", (2,)), Type("f32", (3,))), error=bad)
        bad = "sort: keys among the operands are required, got 2 of 1"
        yield Sample(cls(2, False), (Type("f32", (2,)),), error=bad)
        bad = "sort: an axis is required, got f32"
        yield Sample(cls(1, False), (Type("f32"),), error=bad)


class SearchSorted(Op, name="searchsorted"):
    """y[..., j] = how many of the sorted x[..., k] are below v[..., j], or not above if `right`"""

    arity = 2
    right: bool

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, v = args
        if x.dtype != v.dtype:
            raise ProgramError(
                f"searchsorted: operands of one dtype are required, got {spelled(args)}"
            )
        of_domain(self, x, REAL)
        if not x.ndim or x.ndim != v.ndim or x.shape[:-1] != v.shape[:-1]:
            raise ProgramError(
                f"searchsorted: shapes equal but for the last axis are required, "
                f"got {spelled(args)}"
            )
        return v.of("i64")

    def reference(self, *args: np.ndarray) -> Any:
        keys, x = args
        return search(keys, x, self.right)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        return (None,)

    def batch(self, node: Node, args: Values, batched: tuple[bool, ...], size: int) -> Values:
        return (apply(self, *batched_all(args, batched, size)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in REAL:
            x = np.sort(np.array([[0, 1, 1, 0, 1], [1, 0, 0, 1, 1]]), -1)
            types = (Type(dtype, (2, 5)), Type(dtype, (2, 37)))
            yield Sample(cls(dtype < "f5"), types, values=(x, None))
        special = np.array([-np.inf, -1.0, -0.0, 0.0, 0.0, 2.0, np.inf, np.nan, np.nan])
        for right in (False, True):
            types = (Type("f64", (9,)), Type("f64", (9,)))
            yield Sample(cls(right), types, values=(special, special))
        for n, m in ((0, 3), (3, 0), (1, 1)):
            yield Sample(cls(True), (Type("f32", (n,)), Type("f32", (m,))))
        bad = "searchsorted: operands of one dtype are required, got f32[2] and f64[2]"
        yield Sample(cls(True), (Type("f32", (2,)), Type("f64", (2,))), error=bad)
        bad = "searchsorted: shapes equal but for the last axis are required, got f32[2] and f32"
        yield Sample(cls(True), (Type("f32", (2,)), Type("f32")), error=bad)


# ---------------------------------------------------------------- user functions


def last(x: Value, axis: int) -> Value:
    """`x` with `axis` and the last axis changed places: there and back."""
    order = list(range(x.type.ndim))
    order[axis], order[-1] = order[-1], order[axis]
    return permute(x, order)


def sort(
    *xs: Value, axis: int, keys: int = 1, descending: bool = False, most: int | None = None
) -> Values:
    """The operands, sorted alike by the first `keys` of them, then the places i64 of the elements;
    of each row the first `most`, or all.

    What is not read costs nothing.
    """
    op = Sort(keys, descending, None if most == xs[0].shape[axis] else most)
    found = apply_all(op, *(last(x, axis) for x in xs))
    return tuple(last(y, axis) for y in found)


def argsort(*xs: Value, axis: int, descending: bool = False) -> Value:
    """The places i64 of the elements in order, by all operands."""
    return sort(*xs, axis=axis, keys=len(xs), descending=descending)[-1]


def searchsorted(x: Value, v: Value, right: bool = False) -> Value:
    return apply(SearchSorted(right), x, v)
