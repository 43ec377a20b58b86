"""jax.lax's names, and orders of arguments, for what NumPy calls otherwise.

They take what jax.lax takes, and more: operands broadcast and are promoted as NumPy's. Outside of a
trace they are NumPy's own functions. Where the two differ in meaning, jax.lax's holds: `div` and
`rem` of integers cut towards zero, `round` rounds halves away from zero, sums keep their dtype.
"""

from __future__ import annotations

import builtins
import enum
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir.explain import explained
from ...ir.types import INTEGERS, NUMPY, dtype_name
from ...ops.elementwise import Cast
from ...trace.arrays import plain
from ...trace.operands import wrong
from ...trace.tracer import Tracer
from .. import numpy as wnp
from .lax import dot_general

__all__ = [
    "RoundingMethod",
    "abs",
    "acos",
    "acosh",
    "add",
    "argmax",
    "argmin",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "batch_matmul",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "broadcast",
    "broadcast_like",
    "broadcast_shapes",
    "broadcast_to_rank",
    "cbrt",
    "ceil",
    "collapse",
    "concatenate",
    "convert_element_type",
    "cos",
    "cosh",
    "div",
    "dot",
    "dtype",
    "empty",
    "eq",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "floor",
    "full",
    "full_like",
    "ge",
    "gt",
    "index_in_dim",
    "integer_pow",
    "is_finite",
    "le",
    "log",
    "log1p",
    "lt",
    "max",
    "min",
    "mul",
    "ne",
    "neg",
    "nextafter",
    "pad",
    "pow",
    "reciprocal",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
    "rem",
    "reshape",
    "rev",
    "round",
    "select_n",
    "shape_as_value",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sin",
    "sinh",
    "slice",
    "slice_in_dim",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "sub",
    "tan",
    "tanh",
    "tile",
    "transpose",
    "unstack",
]  # fmt: skip

class RoundingMethod(enum.IntEnum):
    """What becomes of halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def array_or_tracer(x: Any) -> Any:
    """`x` as a tracer or an array."""
    return x if isinstance(x, Tracer) else plain(x)


def is_whole(*xs: Any) -> bool:
    """Whether all are integers."""
    return all(array_or_tracer(x).dtype.kind in "iu" for x in xs)


# ---------------------------------------------------------------- elementwise

def _of_one(name: str, function: Callable[..., Any]) -> Callable[[Any], Any]:
    """NumPy's function of one operand, by the name that JAX has for it and for its parameter."""

    def call(x: Any) -> Any:
        return function(x)

    return _renamed(call, name, function)


def _of_two(name: str, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """The same of two operands."""

    def call(x: Any, y: Any) -> Any:
        return function(x, y)

    return _renamed(call, name, function)


def _renamed(call: Any, name: str, function: Callable[..., Any]) -> Any:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{function.__name__}` of numpy, of operands by jax.lax's names."
    return explained(call)


abs, neg, sign = _of_one("abs", wnp.abs), _of_one("neg", wnp.negative), _of_one("sign", wnp.sign)
floor, ceil = _of_one("floor", wnp.floor), _of_one("ceil", wnp.ceil)
is_finite = _of_one("is_finite", wnp.isfinite)
sqrt, cbrt = _of_one("sqrt", wnp.sqrt), _of_one("cbrt", wnp.cbrt)
square, reciprocal = _of_one("square", wnp.square), _of_one("reciprocal", wnp.reciprocal)
exp, exp2, expm1 = _of_one("exp", wnp.exp), _of_one("exp2", wnp.exp2), _of_one("expm1", wnp.expm1)
log, log1p = _of_one("log", wnp.log), _of_one("log1p", wnp.log1p)
sin, cos, tan = _of_one("sin", wnp.sin), _of_one("cos", wnp.cos), _of_one("tan", wnp.tan)
asin, acos = _of_one("asin", wnp.arcsin), _of_one("acos", wnp.arccos)
atan, tanh = _of_one("atan", wnp.arctan), _of_one("tanh", wnp.tanh)
sinh, cosh = _of_one("sinh", wnp.sinh), _of_one("cosh", wnp.cosh)
asinh, acosh = _of_one("asinh", wnp.arcsinh), _of_one("acosh", wnp.arccosh)
atanh, bitwise_not = _of_one("atanh", wnp.arctanh), _of_one("bitwise_not", wnp.invert)
add, sub, pow = _of_two("add", wnp.add), _of_two("sub", wnp.subtract), _of_two("pow", wnp.power)
max, min = _of_two("max", wnp.maximum), _of_two("min", wnp.minimum)
atan2, nextafter = _of_two("atan2", wnp.arctan2), _of_two("nextafter", wnp.nextafter)
eq, ne = _of_two("eq", wnp.equal), _of_two("ne", wnp.not_equal)
lt, le = _of_two("lt", wnp.less), _of_two("le", wnp.less_equal)
gt, ge = _of_two("gt", wnp.greater), _of_two("ge", wnp.greater_equal)
bitwise_and, bitwise_or = (
    _of_two("bitwise_and", wnp.bitwise_and), _of_two("bitwise_or", wnp.bitwise_or),
)  # fmt: skip
bitwise_xor = _of_two("bitwise_xor", wnp.bitwise_xor)
shift_left = _of_two("shift_left", wnp.left_shift)
shift_right_arithmetic = _of_two("shift_right_arithmetic", wnp.right_shift)
broadcast_shapes, tile = np.broadcast_shapes, wnp.tile



@explained
def mul(x: Any, y: Any, *, out_dtype: Any = None) -> Any:
    """x * y, computed in `out_dtype` where it is given."""
    if out_dtype is not None:
        x, y = (convert_element_type(v, out_dtype) for v in (x, y))
    return wnp.multiply(x, y)


@explained
def div(x: Any, y: Any) -> Any:
    """x / y; of integers without the fraction, cut towards zero."""
    return wnp.true_divide(x, y) if not is_whole(x, y) else (x - wnp.fmod(x, y)) // y


@explained
def rem(x: Any, y: Any) -> Any:
    """x - y * (x / y cut towards zero): the sign is that of x."""
    return wnp.fmod(x, y)


@explained
def integer_pow(x: Any, y: int) -> Any:
    """x**y for a Python int."""
    return wnp.power(array_or_tracer(x), int(y))


@explained
def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """The nearest whole number."""
    if rounding_method == RoundingMethod.TO_NEAREST_EVEN:
        return wnp.rint(x)
    x = array_or_tracer(x)
    whole = wnp.trunc(x)
    return wnp.where(wnp.abs(x - whole) >= 0.5, whole + wnp.copysign(wnp.ones_like(x), x), whole)


@explained
def shift_right_logical(x: Any, y: Any) -> Any:
    """The bits of x moved down by y, zeros from above."""
    x = array_or_tracer(x)
    bits = f"u{x.dtype.itemsize * 8}"
    if dtype_name(x.dtype) not in INTEGERS:
        raise wrong(f"shift_right_logical: integers are required, got {dtype_name(x.dtype)}")
    unsigned = NUMPY[bits]
    return wnp.right_shift(x.astype(unsigned), array_or_tracer(y).astype(unsigned)).astype(x.dtype)


@explained
def select_n(which: Any, *cases: Any) -> Any:
    """The element of case number `which`; False is the first of two cases, True the second."""
    if not cases:
        raise wrong("select_n: at least one case is required, got none")
    found = cases[0]
    for k, case in enumerate(cases[1:], start=1):
        at_least = (
            which if array_or_tracer(which).dtype == np.bool_ else wnp.greater_equal(which, k)
        )
        found = wnp.where(at_least, case, found)
    return found


@explained
def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """The elements in another dtype; floats beyond an integer dtype saturate, NaN gives 0."""
    x, dtype = array_or_tracer(operand), dtype_name(new_dtype)
    return x.astype(NUMPY[dtype]) if isinstance(x, Tracer) else Cast(dtype).reference(np.asarray(x))


# ---------------------------------------------------------------- reductions


@explained
def reduce_sum(operand: Any, axes: Sequence[int]) -> Any:
    """The sum over the axes, in the dtype of the operand."""
    return wnp.sum(operand, axis=tuple(axes), dtype=array_or_tracer(operand).dtype)


@explained
def reduce_prod(operand: Any, axes: Sequence[int]) -> Any:
    """The product over the axes, in the dtype of the operand."""
    return wnp.prod(operand, axis=tuple(axes), dtype=array_or_tracer(operand).dtype)


@explained
def reduce_max(operand: Any, axes: Sequence[int]) -> Any:
    """The greatest over the axes."""
    return wnp.max(operand, axis=tuple(axes))


@explained
def reduce_min(operand: Any, axes: Sequence[int]) -> Any:
    """The least over the axes."""
    return wnp.min(operand, axis=tuple(axes))


@explained
def reduce_and(operand: Any, axes: Sequence[int]) -> Any:
    """Whether all are true over the axes."""
    return wnp.all(truths("reduce_and", operand), axis=tuple(axes))


@explained
def reduce_or(operand: Any, axes: Sequence[int]) -> Any:
    """Whether any is true over the axes."""
    return wnp.any(truths("reduce_or", operand), axis=tuple(axes))


def truths(name: str, x: Any) -> Any:
    x = array_or_tracer(x)
    if x.dtype != np.bool_:
        raise wrong(f"{name}: bools are required, got {dtype_name(x.dtype)}", "x != 0")
    return x


@explained
def argmax(operand: Any, axis: int, index_dtype: Any) -> Any:
    """The first place of the greatest along the axis, in `index_dtype`."""
    return wnp.argmax(operand, axis=axis).astype(NUMPY[dtype_name(index_dtype)])


@explained
def argmin(operand: Any, axis: int, index_dtype: Any) -> Any:
    """The first place of the least along the axis, in `index_dtype`."""
    return wnp.argmin(operand, axis=axis).astype(NUMPY[dtype_name(index_dtype)])


# ---------------------------------------------------------------- products


@explained
def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Products of matrices, which are the last two axes."""
    return wnp.matmul(lhs, rhs, precision=precision)


@explained
def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The product of vectors and matrices, or `dot_general` where `dimension_numbers` are given;
    computed in `preferred_element_type` where that is."""
    if dimension_numbers is not None:
        return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)
    if preferred_element_type is not None:
        lhs, rhs = (convert_element_type(x, preferred_element_type) for x in (lhs, rhs))
    return wnp.dot(lhs, rhs, precision=precision)


# ---------------------------------------------------------------- shapes


@explained
def concatenate(operands: Any, dimension: int) -> Any:
    """Arrays one after another along a dimension."""
    return wnp.concatenate(operands, dimension)


@explained
def stack(operands: Any, axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    return wnp.stack(operands, axis)


@explained
def unstack(x: Any, axis: int = 0) -> Any:
    """The slices along an axis, without it."""
    return wnp.unstack(x, axis=axis)


@explained
def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """New axes of size 1, at those places of the result."""
    return wnp.expand_dims(array, _ints_or_one(dimensions))


@explained
def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """The array without those axes, of size 1."""
    return wnp.squeeze(array, axis=_ints_or_one(dimensions))


@explained
def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """The elements in reverse order along the dimensions."""
    return wnp.flip(operand, _ints_or_one(dimensions))


@explained
def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """The axes in another order."""
    return wnp.transpose(operand, permutation)


def _ints_or_one(axes: Any) -> Any:
    return axes if axes is None or isinstance(axes, int) else tuple(axes)


@explained
def broadcast_like(arr: Any, like_arr: Any) -> Any:
    """The array broadcast to the shape of another."""
    return wnp.broadcast_to(arr, array_or_tracer(like_arr).shape)


@explained
def empty(shape: Sequence[int], dtype: Any) -> Any:
    """An array of that shape; it is 0."""
    return wnp.zeros(shape, dtype)


@explained
def dtype(x: Any) -> np.dtype[Any]:
    """The dtype of an array, a number or a traced value."""
    return array_or_tracer(x).dtype


@explained
def shape_as_value(shape: Sequence[int]) -> Any:
    """The sizes as an array."""
    return wnp.asarray(np.asarray(shape, np.int64))


@explained
def full(shape: Sequence[int], fill_value: Any, dtype: Any = None) -> Any:
    """An array of one value."""
    return wnp.full(shape, fill_value, dtype)


@explained
def full_like(
    x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None
) -> Any:
    """An array of one value, of the shape and dtype of `x` where no other is given."""
    x = array_or_tracer(x)
    return wnp.full(x.shape if shape is None else shape, fill_value, dtype or x.dtype)


@explained
def reshape(operand: Any, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None) -> Any:
    """The elements in C order, of `dimensions` in that order, in another shape."""
    return wnp.reshape(
        operand if dimensions is None else transpose(operand, dimensions), tuple(new_sizes)
    )


@explained
def broadcast(operand: Any, sizes: Sequence[int]) -> Any:
    """The operand repeated along new leading axes."""
    return wnp.broadcast_to(operand, (*sizes, *array_or_tracer(operand).shape))


@explained
def broadcast_to_rank(x: Any, rank: int) -> Any:
    """New leading axes of size 1, up to `rank` axes."""
    shape = array_or_tracer(x).shape
    return wnp.reshape(x, (*(1,) * (rank - len(shape)), *shape))


@explained
def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """The dimensions from start to before stop as one."""
    shape = array_or_tracer(operand).shape
    start, stop, _ = builtins.slice(start_dimension, stop_dimension).indices(len(shape))
    merged = int(np.prod(shape[start:stop], dtype=np.int64))
    return wnp.reshape(operand, (*shape[:start], merged, *shape[stop:]))


@explained
def slice(
    operand: Any,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Any:
    """The elements from start to before limit, along every axis."""
    x = array_or_tracer(operand)
    steps = [1] * x.ndim if strides is None else list(strides)
    ends = list(zip(start_indices, limit_indices, steps, strict=False))
    lengths = {len(start_indices), len(limit_indices), len(steps)}
    fits = lengths == {x.ndim} and all(
        0 <= a <= b <= n and s > 0 for (a, b, s), n in zip(ends, x.shape, strict=True)
    )
    if not fits:
        raise wrong(
            "slice: 0 <= start <= limit <= size and a positive stride are required for each axis "
            f"of {dtype_name(x.dtype)}{list(x.shape)}, "
            f"got {tuple(start_indices)}, {tuple(limit_indices)} and {tuple(steps)}"
        )
    return x[tuple(builtins.slice(*e) for e in ends)]


@explained
def slice_in_dim(
    operand: Any,
    start_index: int | None,
    limit_index: int | None,
    stride: int = 1,
    axis: int = 0,
) -> Any:
    """`slice` along one axis; places may be counted from the end."""
    x = array_or_tracer(operand)
    return x[(*(builtins.slice(None),) * (axis % builtins.max(x.ndim, 1)),
              builtins.slice(start_index, limit_index, stride))]  # fmt: skip


@explained
def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """The slice at one place along an axis."""
    x = array_or_tracer(operand)
    found = wnp.take(x, index, axis=axis)
    return wnp.expand_dims(found, axis) if keepdims else found


@explained
def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Pieces of these sizes along an axis."""
    x = array_or_tracer(operand)
    if builtins.sum(sizes) != x.shape[axis]:
        raise wrong(f"split: sizes that add up to {x.shape[axis]} are required, got {tuple(sizes)}")
    return list(wnp.split(x, list(itertools.accumulate(sizes))[:-1], axis))


@explained
def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """The operand with `padding_value` before, after and between elements along every axis.

    `padding_config` has (before, after, between) for each; negative numbers before and after cut.
    """
    x = array_or_tracer(operand)
    if len(padding_config) != x.ndim or any(len(c) != 3 or c[2] < 0 for c in padding_config):
        raise wrong(
            "pad: (before, after, between), between at least 0, for each axis of "
            f"{dtype_name(x.dtype)}{list(x.shape)} is required, got {tuple(padding_config)}"
        )
    value = array_or_tracer(padding_value).astype(x.dtype)
    for axis, (before, after, between) in enumerate(padding_config):
        x = interior_padded(x, value, axis, between)
        x = enclosed(x, value, axis, builtins.max(before, 0), builtins.max(after, 0))
        first, last = builtins.max(-before, 0), x.shape[axis] - builtins.max(-after, 0)
        if last < first:
            raise wrong(
                f"pad: no more than the {x.shape[axis]} elements there are can be cut, "
                f"got {(before, after, between)} for axis {axis}"
            )
        if first or last < x.shape[axis]:
            x = slice_in_dim(x, first, last, axis=axis)
    return x


def enclosed(x: Any, value: Any, axis: int, before: int, after: int) -> Any:
    """`x` with so many values before and after along an axis."""
    if not before and not after:
        return x
    edges = [
        wnp.broadcast_to(value, (*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in (before, after)
    ]
    return wnp.concatenate([edges[0], x, edges[1]], axis)


def interior_padded(x: Any, value: Any, axis: int, between: int) -> Any:
    """`x` with so many values between its elements along an axis."""
    n = x.shape[axis]
    if not between or n < 2:
        return x
    columns = enclosed(wnp.expand_dims(x, axis + 1), value, axis + 1, 0, between)
    rows = wnp.reshape(columns, (*x.shape[:axis], n * (between + 1), *x.shape[axis + 1 :]))
    return slice_in_dim(rows, 0, n * (between + 1) - between, axis=axis)
