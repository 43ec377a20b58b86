"""Ops without operands: constants, counters, arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Op, Pair, Parts, Sample, Value, apply
from ..ir.parameters import Array
from ..ir.sizes import derived, truncated
from ..ir.types import COMPLEX, FLOATS, INTEGERS, NUMPY, WIDE, Type, type_of
from ..kernel import Const, Expr
from ..kernel import Index as IndexOf
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, dims
from .family import Computed, OneResult, of_domain

__all__ = ["constant", "full", "iota"]

Number = bool | int | float | complex


def python_type(dtype: str) -> type[Number]:
    """The kind of Python numbers that spell the values of a dtype."""
    if dtype == "bool":
        return bool
    return int if dtype in INTEGERS else complex if dtype in COMPLEX else float


def of_kind(op: Op, value: Number, x: Type) -> Number:
    """`value`, if it is a Python number of the kind of `x` and within its range."""
    kind = python_type(x.dtype)
    if value.__class__ is not kind:
        raise ProgramError(
            f"{op.name}: a Python {kind.__name__} is required for {x}, got {value!r}"
        )
    if isinstance(value, int) and kind is int and not is_in_range(value, x):
        raise ProgramError(f"{op.name}: a value within {x.dtype} is required, got {value}")
    return value


def is_in_range(value: int, x: Type) -> bool:
    return np.iinfo(x.numpy).min <= value <= np.iinfo(x.numpy).max


class Full(Computed):
    """y[...] = value, of type `of`."""

    arity = 0
    value: Number
    of: Type

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        of_kind(self, self.value, self.of)
        return self.of

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            return np.full(self.of.shape, self.value, self.of.numpy)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        assert not isinstance(self.value, complex)  # those are pairs by then
        return Const(self.value, out.dtype)

    def pair(self, *args: Parts) -> Parts:
        z = complex(self.value)
        return Pair(full(z.real, self.of.part), full(z.imag, self.of.part))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for value, dtype in (
            (2.5, "f32"),
            (float("nan"), "f64"),
            (-0.0, "f64"),
            (-3, "i32"),
            (True, "bool"),
            (complex(-0.0, 1.5), "c64"),
            (complex("nan-infj"), "c128"),
        ):
            yield Sample(cls(value, Type(dtype, (2, 3))), ())
        yield Sample(cls(7, Type("u32")), ())
        yield Sample(cls(7, Type("i64", (0, 2))), ())
        yield Sample(
            cls(1, Type("f32")), (), error="full: a Python float is required for f32, got 1"
        )
        yield Sample(cls(-1, Type("u32")), (), error="full: a value within u32 is required, got -1")
        yield Sample(
            cls(1.0, Type("c64")), (), error="full: a Python complex is required for c64, got 1.0"
        )


class Iota(Computed):
    """y[i...] = i[axis], of type `of`."""

    arity = 0
    of: Type
    axis: int

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not 0 <= self.axis < self.of.ndim:
            raise ProgramError(f"iota: an axis of {self.of} is required, got {self.axis}")
        return of_domain(self, self.of, (*INTEGERS, *FLOATS, *COMPLEX))

    def reference(self, *args: np.ndarray) -> Any:
        return np.indices(self.of.shape, self.of.numpy, sparse=True)[self.axis] + np.zeros(
            self.of.shape, self.of.numpy
        )

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        here = IndexOf(dims(at)[self.axis])
        return here if out.dtype == "i64" else scalar("cast", here, param=out.dtype)

    def pair(self, *args: Parts) -> Parts:
        return Pair(iota(self.of.part, self.axis), full(0.0, self.of.part))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in (*INTEGERS, *FLOATS, *COMPLEX):
            yield Sample(cls(Type(dtype, (2, 3)), 1), ())
        yield Sample(cls(Type("i64", (3, 1, 2)), 0), ())
        yield Sample(cls(Type("i32", (0,)), 0), ())
        yield Sample(
            cls(Type("i32", (2,)), 1), (), error="iota: an axis of i32[2] is required, got 1"
        )
        yield Sample(cls(Type("bool", (2,)), 0), (), error="is required, got bool[2]")


class Constant(OneResult):
    """y = array, a fixed array known by its content."""

    arity = 0
    constant = True
    array: Array

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return type_of(self.array.data)

    def reference(self, *args: np.ndarray) -> Any:
        return self.array.data

    def pair(self, *args: Parts) -> Parts:
        return Pair(constant(np.real(self.array.data)), constant(np.imag(self.array.data)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for data in (
            np.array([[1, -0.0], [np.nan, 3]], np.float32),
            np.arange(3),
            np.array(True),
            np.zeros((0, 2)),
            np.array([1 + 2j, complex("-0-infj")], np.complex64),
        ):
            yield Sample(cls(Array(data)), ())


def full(value: Number, of: Type) -> Value:
    """`value` rounded to the dtype of `of`, repeated to its shape."""
    return apply(Full(rounded_number(value, of), of))


def rounded_number(value: Number, of: Type) -> Number:
    """`value` rounded to the dtype of `of`, as the Python number that spells it."""
    kind = python_type(of.dtype)
    if isinstance(value, complex):
        if kind is not complex:
            raise ProgramError(f"full: a real number is required for {of}, got {value!r}")
    elif kind is int and value != truncated(value):
        raise ProgramError(f"full: a whole number is required for {of}, got {value!r}")
    return derived(number_of_dtype, kind, of.dtype, value)


def number_of_dtype(kind: Any, dtype: str, value: Any) -> Number:
    """The number of a dtype, and of a kind of Python's, nearest to `value`."""
    if kind is float and (value == 0 or 1e-30 < abs(value) < 1e30) and dtype in WIDE:
        return float(NUMPY[dtype].type(value))  # within the range, where nothing is to be ignored
    with np.errstate(all="ignore"):
        # a complex number is rounded by `complex` alone
        return kind(NUMPY[dtype].type(value) if kind in (float, complex) else value)


def zero_of(x: Type) -> Number:
    """The number 0 of a dtype."""
    return rounded_number(0, x)


def iota(of: Type, axis: int) -> Value:
    """Positions along `axis`."""
    return apply(Iota(of, axis))


def constant(array: Any) -> Value:
    """A fixed array, copied now."""
    return apply(Constant(Array(np.asarray(array))))
