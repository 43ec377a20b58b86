"""jax.lax's functions that are a few of others: bits, orders by keys, products of groups."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.explain import explained, shown
from ...ir.types import NUMPY, dtype_name
from ...trace import tree
from ...trace.operands import cast_to, tracer, wrong
from ...trace.tracer import Tracer
from .. import numpy as wnp
from .collectives import all_to_all, ppermute
from .control_flow import scan
from .dimension_numbers import ScatterDimensionNumbers, scatter_add
from .lax import eager, sort, top_k
from .primitives import array_or_tracer, convert_element_type
from .windows import reduce

__all__ = [
    "ConvGeneralDilatedDimensionNumbers", "DotDimensionNumbers", "GatherScatterMode",
    "PrecisionLike", "approx_max_k", "approx_min_k", "clz", "dce_sink", "index_take",
    "optimization_barrier", "population_count", "pshuffle", "pswapaxes", "ragged_dot",
    "reduce_precision", "reduce_xor", "scatter_sub", "sort_key_val", "stage",
]  # fmt: skip

# what annotations call arguments
DotDimensionNumbers = ConvGeneralDilatedDimensionNumbers = PrecisionLike = Any


class GatherScatterMode(enum.StrEnum):
    """What becomes of places beyond an axis, by JAX's names."""

    CLIP = "clip"
    FILL_OR_DROP = "drop"
    PROMISE_IN_BOUNDS = "promise_in_bounds"
    ONE_HOT = "one_hot"


# ---------------------------------------------------------------- bits


def _unsigned(name: str, x: Any) -> Tracer:
    x = tracer(x)
    if x.dtype.kind not in "iu":
        raise wrong(f"{name}: integers are required, got {x.type}")
    return x.astype(f"uint{8 * x.itemsize}")


@eager("x")
def population_count(x: Any) -> Tracer:
    """How many bits are set, in the dtype of x."""
    bits, size = _unsigned("population_count", x), 8 * tracer(x).itemsize
    # pairs, then fours, then bytes, whose sums a product adds up
    masks = [(1 << size) // 3, (1 << size) // 5, (1 << size) // 17, (1 << size) // 255]
    bits = bits - ((bits >> 1) & masks[0])
    bits = (bits & masks[1]) + ((bits >> 2) & masks[1])
    bits = (bits + (bits >> 4)) & masks[2]
    total = (bits * masks[3]) >> (size - 8) if size > 8 else bits
    return total.astype(tracer(x).dtype)


@eager("x")
def clz(x: Any) -> Tracer:
    """How many zeros stand before the first bit that is set, in the dtype of x."""
    bits, size, step = _unsigned("clz", x), 8 * tracer(x).itemsize, 1
    while step < size:  # all bits below the first are set
        bits, step = bits | (bits >> step), 2 * step
    return (size - population_count(bits)).astype(tracer(x).dtype)


@explained
def reduce_xor(operand: Any, axes: Sequence[int]) -> Any:
    """The exclusive or of integers, or of truths, over the axes."""
    x = array_or_tracer(operand)
    if x.dtype.kind not in "biu":
        raise wrong(f"reduce_xor: integers or bools are required, got {dtype_name(x.dtype)}")
    if x.dtype.kind == "b":
        return wnp.sum(x, axis=tuple(axes), dtype=np.int64) % 2 == 1
    return reduce(x, np.zeros((), x.dtype), wnp.bitwise_xor, tuple(axes))


FORMATS = {(5, 10): ("f16", 2.0**-14), (8, 7): ("bf16", 2.0**-126), (8, 23): ("f32", 2.0**-126)}
"""Bits of exponent and mantissa, the dtype that has them, its least normal number."""


@explained
def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """The operand rounded to a float of so many bits, what is below its normal numbers to 0.

    The bits are those of f16 (5, 10), bf16 (8, 7), f32 (8, 23), or the operand's own.
    """
    x = array_or_tracer(operand)
    own = {2: (5, 10), 4: (8, 23), 8: (11, 52)}.get(x.dtype.itemsize)
    if dtype_name(x.dtype) == "bf16":
        own = (8, 7)
    if (exponent_bits, mantissa_bits) == own:
        return x
    if x.dtype.kind == "c" or (exponent_bits, mantissa_bits) not in FORMATS:
        raise wrong(
            f"reduce_precision: bits among {', '.join(map(str, FORMATS))} are required, "
            f"got {(exponent_bits, mantissa_bits)} of {dtype_name(x.dtype)}"
        )
    dtype, least = FORMATS[exponent_bits, mantissa_bits]
    rounded = cast_to(convert_element_type(x, NUMPY[dtype]), x)
    return wnp.where(wnp.abs(rounded) < least, wnp.copysign(wnp.zeros_like(x), x), rounded)


# ---------------------------------------------------------------- orders, places


@explained
def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> Any:
    """Keys in order along a dimension, and values in the order of their keys."""
    return sort((keys, values), dimension, is_stable, 1)


@explained
def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> Any:
    """The k greatest along a dimension and their places, all of them: `top_k`."""
    return top_k(operand, k, reduction_dimension)


@explained
def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> Any:
    """The k least along a dimension, least first, and their places, all of them."""
    values, places = top_k(wnp.negative(operand), k, reduction_dimension)
    return wnp.negative(values), places


@explained
def index_take(src: Any, idxs: Any, axes: Sequence[int]) -> Any:
    """The slices of `src` at places along `axes`, an array of places for each: [n, other axes].

    Places beyond an axis wrap around.
    """
    x = array_or_tracer(src)
    places = tuple(wnp.remainder(i, x.shape[a]) for i, a in zip(idxs, axes, strict=True))
    first = wnp.moveaxis(x, tuple(axes), tuple(range(len(places))))
    kept = first.shape[len(places) :]
    at, size = places[0], 1
    for i, n in zip(places[1:], first.shape[1:], strict=False):
        at = at * n + i
    size = math.prod(first.shape[: len(places)])
    return wnp.take(wnp.reshape(first, (size, *kept)), at, axis=0)


@explained
def scatter_sub(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | None = None,
) -> Any:
    """The operand with updates subtracted from the windows that begin at the indices."""
    return scatter_add(
        operand, scatter_indices, wnp.negative(updates), dimension_numbers,
        indices_are_sorted=indices_are_sorted, unique_indices=unique_indices, mode=mode,
    )  # fmt: skip


# ---------------------------------------------------------------- products


@eager("lhs", "rhs", "group_sizes")
def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
) -> Any:
    """Rows of `lhs` by the matrix of their group: the first group_sizes[0] by rhs[0], and so on.

    Rows beyond all groups give 0. Shapes: [rows, m] and [groups, m, n] give [rows, n].
    Cost: that of all rows by all matrices.
    """
    if group_offset is not None:
        raise wrong("ragged_dot: group_offset=None is required, got an offset")
    x, matrices, sizes = tracer(lhs), tracer(rhs), tracer(group_sizes)
    fits = x.ndim == 2 and matrices.ndim == 3 and matrices.shape[1:2] == x.shape[1:]
    if not fits or sizes.shape != matrices.shape[:1]:
        types = ", ".join(str(v.type) for v in (x, matrices, sizes))
        raise wrong(
            "ragged_dot: [rows, m], [groups, m, n] and sizes of the groups are required, "
            f"got {types}"
        )
    if preferred_element_type is not None:
        x, matrices = (convert_element_type(v, preferred_element_type) for v in (x, matrices))
    ends = wnp.cumsum(sizes)
    rows = wnp.arange(x.shape[0])

    def step(total: Any, given: Any) -> Any:
        matrix, start, end = given
        inside = ((rows >= start) & (rows < end))[:, None]
        product = wnp.matmul(wnp.where(inside, x, 0), matrix, precision=precision)
        return total + product, None

    dtype = wnp.result_type(x.dtype, matrices.dtype)
    zeros = wnp.zeros((x.shape[0], matrices.shape[2]), dtype)
    return scan(step, zeros, (matrices, ends - sizes, ends))[0]


# ---------------------------------------------------------------- what a compiler is told


@explained
def optimization_barrier(operand: Any) -> Any:
    """The operand: programs mean the same however they are made faster."""
    return operand


@explained
def stage(x: Any) -> Any:
    """x as an array, or in a trace as a traced value."""
    return wnp.asarray(x)


@explained
def dce_sink(val: Any) -> None:
    """Nothing: what no result needs is not computed."""


# ---------------------------------------------------------------- named axes


@explained
def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Any = None) -> Any:
    """The named axis and an axis of the leaves in each other's place."""
    return tree.map(
        lambda leaf: all_to_all(leaf, axis_name, axis, axis, axis_index_groups=axis_index_groups),
        x,
    )


@explained
def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """The values of application perm[i] in application i."""
    if sorted(perm) != list(range(len(perm))):
        raise wrong(f"pshuffle: each of 0 to {len(perm) - 1} once is required, got {shown(perm)}")
    return ppermute(x, axis_name, list(zip(perm, range(len(perm)), strict=True)))
