"""The algebra of the language, a law a line.

An exact law keeps every bit, infinities and -0.0 among them, and NaN as NaN, on the dtypes it is
restricted to with `on`. The others hold for real numbers and run only when asked. Every law makes a
program smaller or cheaper, so rewriting ends.
Tests read the registry: both sides are compared on random and special values, or on `samples` where
a law has parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..ir.graph import Value
from ..ir.sizes import derived, range_length
from ..ir.types import FLOATS, INTEGERS, NUMPY, REAL, SIGNED, finfo
from ..ops import elementwise, reduce, source, view  # noqa: F401  laws name their ops
from ..ops.family import Reduce
from ..ops.view import Reshape
from .law import LAWS, Number, law, op

__all__ = ["LAWS"]


def is_power_of_two(number: float, dtype: str) -> bool:
    """Whether dividing by it is multiplying by its inverse, which is a normal number of `dtype`."""
    if not math.isfinite(number) or abs(math.frexp(number)[0]) != 0.5:
        return False
    return float(finfo(dtype).tiny) <= abs(1 / number) <= float(finfo(dtype).max)


def summed(x: Value) -> bool:
    """Whether a value is a sum, or a number made of one."""
    while x.node is not None and isinstance(x.node.op, Reshape):
        (x,) = x.node.args
    return not x.shape or (x.node is not None and isinstance(x.node.op, Reduce))


def passes_through(dtype: str, mid: str, to: str) -> bool:
    """Whether a cast by way of `mid` is the cast: it holds all values, none is cut off after."""
    return holds(mid, dtype) and (mid not in FLOATS or to not in INTEGERS or holds(to, dtype))


WIDER = (("f64", "i64"), ("f64", "u64"))  # what NumPy calls safe and is not


def holds(wide: str, dtype: str) -> bool:
    """Whether every value of `dtype` is a value of `wide`."""
    return np.can_cast(NUMPY[dtype], NUMPY[wide], "safe") and (wide, dtype) not in WIDER


def composed_axes(inner: Sequence[int], outer: Sequence[int]) -> tuple[int, ...]:
    """The axes that two steps address: `inner`, then `outer` of those that are left."""
    left = [i for i in range(len(inner) + max(outer, default=-1) + 1) if i not in inner]
    return tuple(sorted([*inner, *(left[i] for i in outer)]))


# fmt: off
# ---------------------------------------------------------------- neutral and absorbing elements


@law(exact=True)
def mul_one(x): return x * 1, x
@law(exact=True)
def div_one(x): return x / 1, x
@law(exact=True)
def pow_one(x): return x**1, x
@law(exact=True)
def pow_zero(x): return x**0, 1
@law(exact=True)
def sub_zero(x): return x - 0, x
@law(exact=True, on=FLOATS)
def add_minus_zero(x): return x + -0.0, x
@law(exact=True, on=INTEGERS)
def add_zero_integer(x): return x + 0, x
@law(exact=True, on=INTEGERS)
def mul_zero_integer(x): return x * 0, 0
@law(exact=True, on=INTEGERS)
def sub_self_integer(x): return x - x, 0
@law(exact=True, on=INTEGERS)
def floordiv_one_integer(x): return x // 1, x
@law(exact=True, on=INTEGERS)
def square_integer(x): return x**2, x * x
@law(exact=True)
def shift_left_zero(x): return x << 0, x
@law(exact=True)
def shift_right_zero(x): return x >> 0, x


# ---------------------------------------------------------------- signs


@law(exact=True)
def neg_neg(x): return -(-x), x  # noqa: B002
@law(exact=True)
def add_neg(x, y): return x + -y, x - y
@law(exact=True)
def sub_neg(x, y): return x - -y, x + y
@law(exact=True)
def mul_neg_neg(x, y): return -x * -y, x * y
@law(exact=True)
def div_neg_neg(x, y): return -x / -y, x / y
@law(exact=True)
def mul_minus_one(x): return x * -1, -x
@law(exact=True, on=FLOATS)
def minus_zero_sub(x): return -0.0 - x, -x
@law(exact=True, on=INTEGERS)
def zero_sub_integer(x): return 0 - x, -x
@law(exact=True, on=FLOATS)
def neg_mul_number(x, c: Number): return -x * c, lambda: x * -c.number
@law(exact=True, on=FLOATS)
def mul_number_neg(x, c: Number): return -(x * c), lambda: x * -c.number
@law(exact=True, on=(*SIGNED, *FLOATS))
def abs_neg(x): return op.abs(-x), op.abs(x)
@law(exact=True)
def abs_abs(x): return op.abs(op.abs(x)), op.abs(x)
@law(exact=True, on=FLOATS)
def div_power_of_two(x, c: Number):
    """Not of sums: a mean is the same program for every number of summands."""
    def after():
        if summed(x.value) or not derived(is_power_of_two, c.number, x.dtype):
            return None
        return x * (1 / c.number)
    return x / c, after
@law(exact=True, on=FLOATS)
def neg_div_number(x, c: Number): return -x / c, lambda: x / -c.number
@law(exact=True, on=FLOATS)
def div_number_neg(x, c: Number): return -(x / c), lambda: x / -c.number


# ---------------------------------------------------------------- choices, truth values, bits


@law(exact=True)
def maximum_self(x): return op.maximum(x, x), x
@law(exact=True)
def minimum_self(x): return op.minimum(x, x), x
@law(exact=True)
def select_same(m, x): return op.select(m, x, x), x
@law(exact=True)
def select_not(m, x, y): return op.select(~m, x, y), op.select(m, y, x)
@law(exact=True)
def select_number(m: Number, x, y): return op.select(m, x, y), lambda: x if m.number else y
@law(exact=True, on=("bool",))
def select_truth(m): return op.select(m, True, False), m
@law(exact=True)
def select_select(m, x, y, z): return op.select(m, op.select(m, x, y), z), op.select(m, x, z)
@law(exact=True)
def select_select_else(m, x, y, z): return op.select(m, x, op.select(m, y, z)), op.select(m, x, z)
@law(exact=True)
def not_not(x): return ~~x, x
@law(exact=True)
def not_eq(x, y): return ~op.eq(x, y), op.ne(x, y)
@law(exact=True)
def not_ne(x, y): return ~op.ne(x, y), op.eq(x, y)
@law(exact=True)
def and_self(x): return x & x, x
@law(exact=True)
def or_self(x): return x | x, x
@law(exact=True, on=("bool",))
def and_true(x): return x & True, x
@law(exact=True, on=("bool",))
def and_false(x): return x & False, False
@law(exact=True, on=("bool",))
def or_true(x): return x | True, True
@law(exact=True, on=("bool",))
def or_false(x): return x | False, x
@law(exact=True, on=("bool",))
def xor_false(x): return x ^ False, x
@law(exact=True, on=("bool",))
def xor_true(x): return x ^ True, ~x
@law(exact=True, on=INTEGERS)
def and_zero(x): return x & 0, 0
@law(exact=True, on=INTEGERS)
def or_zero(x): return x | 0, x
@law(exact=True, on=INTEGERS)
def xor_zero(x): return x ^ 0, x


# ---------------------------------------------------------------- casts


CASTS = tuple(
    {"x": f"{x}[7]", "mid": mid, "dtype": dtype} for x in REAL for mid in REAL for dtype in REAL
)


@law(exact=True, samples=[{"x": f"{d}[7]", "dtype": d} for d in REAL])
def cast_same(x, *, dtype): return op.cast(x, dtype=dtype), lambda: x if x.dtype == dtype else None
@law(exact=True, samples=CASTS)
def cast_cast(x, *, mid, dtype):
    def after(): return op.cast(x, dtype=dtype) if passes_through(x.dtype, mid, dtype) else None
    return op.cast(op.cast(x, dtype=mid), dtype=dtype), after


# ---------------------------------------------------------------- views


@law(exact=True, samples=[{"x": "f32[2, 3]", "shape": (2, 3)}, {"x": "i64", "shape": ()}])
def reshape_same(x, *, shape):
    return op.reshape(x, shape=shape), lambda: x if x.shape == shape else None
@law(exact=True, samples=[{"x": "f32[2, 3]", "mid": (6,), "shape": (3, 2)}])
def reshape_reshape(x, *, mid, shape):
    return op.reshape(op.reshape(x, shape=mid), shape=shape), op.reshape(x, shape=shape)
@law(exact=True, samples=[{"x": "f32[2, 3]", "p": (0, 1)}])
def permute_same(x, *, p):
    return op.permute(x, axes=p), lambda: x if p == tuple(range(len(p))) else None
@law(exact=True, samples=[{"x": "f32[2, 3, 4]", "p": (1, 2, 0), "q": (1, 0, 2)},
                          {"x": "f32[2, 3]", "p": (1, 0), "q": (1, 0)}])
def permute_permute(x, *, p, q):
    def after(): return op.permute(x, axes=tuple(p[i] for i in q))
    return op.permute(op.permute(x, axes=p), axes=q), after
@law(exact=True, samples=[{"x": "f32[1, 3]", "p": (1, 0)}, {"x": "f32[1, 3, 2]", "p": (1, 0, 2)}])
def permute_ones(x, *, p):
    def after():
        moved = [i for i in p if x.shape[i] != 1]
        return op.reshape(x, shape=tuple(x.shape[i] for i in p)) if moved == sorted(moved) else None
    return op.permute(x, axes=p), after
@law(exact=True, samples=[{"x": "f32[2, 3]", "shape": (2, 3), "axes": ()}])
def broadcast_none(x, *, shape, axes):
    return op.broadcast(x, shape=shape, axes=axes), lambda: None if axes else x
@law(exact=True, samples=[{"x": "f32[3]", "mid": (2, 3), "a": (0,), "shape": (2, 4, 3), "b": (1,)}])
def broadcast_broadcast(x, *, mid, a, shape, b):
    return (op.broadcast(op.broadcast(x, shape=mid, axes=a), shape=shape, axes=b),
            lambda: op.broadcast(x, shape=shape, axes=composed_axes(b, a)))
@law(exact=True, samples=[{"x": "f32[2, 3]", "axes": ()}])
def flip_none(x, *, axes): return op.flip(x, axes=axes), lambda: None if axes else x
@law(exact=True, samples=[{"x": "f32[2, 3]", "axes": (1,)}])
def flip_flip(x, *, axes): return op.flip(op.flip(x, axes=axes), axes=axes), x
@law(exact=True, samples=[{"x": "f32[3]", "shape": (1, 3, 1), "axes": (0, 2)},
                          {"x": "f32[3]", "shape": (2, 3), "axes": (0,)}])
def broadcast_ones(x, *, shape, axes):
    return (op.broadcast(x, shape=shape, axes=axes),
            lambda: op.reshape(x, shape=shape) if all(shape[a] == 1 for a in axes) else None)
@law(exact=True, samples=[{"x": "f32[3]", "start": (0,), "stop": (3,), "step": (1,)}])
def slice_whole(x, *, start, stop, step):
    def after(): return x if stop == x.shape and not any(start) and set(step) <= {1} else None
    return op.slice(x, start=start, stop=stop, step=step), after
@law(exact=True, samples=[
    {"x": "f32[20]", "a": (2,), "b": (19,), "s": (3,), "c": (1,), "d": (6,), "t": (2,)},
    {"x": "i32[9, 9]", "a": (1, 0), "b": (5, 6), "s": (1, 2), "c": (2, 1), "d": (2, 3),
     "t": (1, 2)},
])
def slice_slice(x, *, a, b, s, c, d, t):
    def after():
        start = tuple(i + k * j for i, k, j in zip(a, s, c, strict=True))
        step = tuple(k * n for k, n in zip(s, t, strict=True))
        sizes = tuple(map(range_length, c, d, t))
        last = tuple(i + k * (n - 1) for i, k, n in zip(start, step, sizes, strict=True))
        stop = tuple(j + 1 if n else i for i, j, n in zip(start, last, sizes, strict=True))
        return op.slice(x, start=start, stop=stop, step=step)
    return op.slice(op.slice(x, start=a, stop=b, step=s), start=c, stop=d, step=t), after
@law(exact=True, samples=[{"x": "f32[2, 3]", "low": (0, 0), "high": (0, 0), "value": 1.0}])
def pad_none(x, *, low, high, value):
    return op.pad(x, low=low, high=high, value=value), lambda: None if any((*low, *high)) else x
@law(exact=True, samples=[{"x": "f32[2, 3]", "axis": 1}])
def concatenate_one(x, *, axis): return op.concatenate(x, axis=axis), x


# ---------------------------------------------------------------- reductions


SUMS = {"a": (1,), "b": (0, 1)}
SPREAD = {"shape": (2, 3, 5), "axes": (0, 2)}
NOTHING = [{"axes": (1,), "x": "f32[2, 0, 3]"}, {"axes": (0,), "x": "i32[0]"}]
NO_TRUTH = [{"axes": (1,), "x": "bool[2, 0]"}]


@law(exact=True, on=(*INTEGERS, *FLOATS), samples=NOTHING)
def sum_nothing(x, *, axes): return op.sum(x, axes=axes), lambda: 0 if 0 in x.shape else None
@law(exact=True, on=(*INTEGERS, *FLOATS), samples=NOTHING)
def prod_nothing(x, *, axes): return op.prod(x, axes=axes), lambda: 1 if 0 in x.shape else None
@law(exact=True, samples=NO_TRUTH)
def any_nothing(x, *, axes): return op.any(x, axes=axes), lambda: False if 0 in x.shape else None
@law(exact=True, samples=NO_TRUTH)
def all_nothing(x, *, axes): return op.all(x, axes=axes), lambda: True if 0 in x.shape else None

@law(exact=True, on=INTEGERS, samples=[{"x": "i32[2, 3]", "axes": ()}])
def sum_none_integer(x, *, axes): return op.sum(x, axes=axes), lambda: None if axes else x
@law(exact=True, on=INTEGERS, samples=[{"x": "i32[2, 3, 4]", **SUMS}])
def sum_sum_integer(x, *, a, b):
    return op.sum(op.sum(x, axes=a), axes=b), lambda: op.sum(x, axes=composed_axes(a, b))
@law(exact=True, on=INTEGERS, samples=[{"x": "u32[3]", **SPREAD}])
def sum_broadcast_integer(x, *, shape, axes):
    def after(): return x * math.prod(shape[a] for a in axes)
    return op.sum(op.broadcast(x, shape=shape, axes=axes), axes=axes), after
@law(exact=True, samples=[{"x": "f32[3]", **SPREAD}])
def max_broadcast(x, *, shape, axes):
    return op.max(op.broadcast(x, shape=shape, axes=axes), axes=axes), x
@law(exact=True, samples=[{"x": "f32[3]", **SPREAD}])
def min_broadcast(x, *, shape, axes):
    return op.min(op.broadcast(x, shape=shape, axes=axes), axes=axes), x
@law(exact=True, on=INTEGERS, samples=[{"x": "i32[2, 3, 4]", **SUMS}])
def max_max_integer(x, *, a, b):
    return op.max(op.max(x, axes=a), axes=b), lambda: op.max(x, axes=composed_axes(a, b))
@law(exact=True, on=INTEGERS, samples=[{"x": "i64[2, 3, 4]", **SUMS}])
def min_min_integer(x, *, a, b):
    return op.min(op.min(x, axes=a), axes=b), lambda: op.min(x, axes=composed_axes(a, b))
@law(exact=True, samples=[{"x": "bool[2, 3, 4]", **SUMS}])
def any_any(x, *, a, b):
    return op.any(op.any(x, axes=a), axes=b), lambda: op.any(x, axes=composed_axes(a, b))
@law(exact=True, samples=[{"x": "bool[2, 3, 4]", **SUMS}])
def all_all(x, *, a, b):
    return op.all(op.all(x, axes=a), axes=b), lambda: op.all(x, axes=composed_axes(a, b))


# ---------------------------------------------------------------- true of real numbers only


@law(exact=False, on=FLOATS)
def add_zero(x): return x + 0, x
@law(exact=False, on=FLOATS)
def mul_zero(x): return x * 0, 0.0
@law(exact=False, on=FLOATS)
def sub_self(x): return x - x, 0.0
@law(exact=False, on=FLOATS)
def div_self(x): return x / x, 1.0
@law(exact=False, on=FLOATS)
def neg_sub(x, y): return -(x - y), y - x
@law(exact=False, on=FLOATS)
def square(x): return x**2, x * x
@law(exact=False, on=FLOATS)
def pow_half(x): return x**0.5, op.sqrt(x)
@law(exact=False, on=FLOATS)
def pow_minus_one(x): return x**-1, 1.0 / x
@law(exact=False, on=FLOATS)
def div_number(x, c: Number):
    return x / c, lambda: x * (1 / c.number) if c.number and math.isfinite(1 / c.number) else None
@law(exact=False, on=FLOATS)
def mul_numbers(x, a: Number, b: Number): return x * a * b, lambda: x * (a.number * b.number)
@law(exact=False, on=FLOATS)
def add_numbers(x, a: Number, b: Number): return x + a + b, lambda: x + (a.number + b.number)
@law(exact=False, on=FLOATS)
def log_exp(x): return op.log(op.exp(x)), x
@law(exact=False, on=FLOATS)
def exp_log(x): return op.exp(op.log(x)), x
@law(exact=False, on=FLOATS)
def factor(x, y, z): return x * y + x * z, x * (y + z)
@law(exact=False, on=FLOATS, samples=[{"x": "f64[2, 3, 4]", **SUMS}])
def sum_sum(x, *, a, b):
    return op.sum(op.sum(x, axes=a), axes=b), lambda: op.sum(x, axes=composed_axes(a, b))
@law(exact=False, on=FLOATS, samples=[{"x": "f64[3]", **SPREAD}])
def sum_broadcast(x, *, shape, axes):
    def after(): return x * math.prod(shape[a] for a in axes)
    return op.sum(op.broadcast(x, shape=shape, axes=axes), axes=axes), after
