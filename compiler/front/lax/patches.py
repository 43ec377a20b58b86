"""The windows of jax.lax's convolutions as they are, and convolutions with a kernel a place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...ir.graph import Value
from ...ir.precision import factors_of
from ...ir.types import dtype_name
from ...ops.contract import dot_general
from ...ops.view import Ints, permute, reshape, spaced
from ...ops.windows import windows
from ...settings import active
from ...trace.operands import new, tracer, wrong
from ...trace.tracer import Tracer
from .convolution import operands_of
from .lax import eager
from .spatial import Placement, dimensions, steps

__all__ = ["conv_general_dilated_local", "conv_general_dilated_patches"]


@eager("lhs")
def conv_general_dilated_patches(
    lhs: Any,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The windows that a convolution reads, as channels of its result.

    A window, in the order channel, spatial dimensions of the kernel, is of the sizes
    `filter_shape`. Elements are moved, not multiplied: `precision` has no meaning, and infinities
    and NaN stay where they are.
    """
    wanted = preferred_element_type
    x = tracer(lhs, "" if wanted is None else dtype_name(wanted))
    ways = window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers
    placement, found = patches("conv_general_dilated_patches", x, filter_shape, ways)
    return new(permute(found, standing(placement.numbers.out_spec)), x.weak)


def standing(out: Ints) -> Ints:
    """The order that puts N, spatial ..., C where a result has them."""
    stood = (out[0], *out[2:], out[1])
    return tuple(stood.index(a) for a in range(len(out)))


def patches(
    name: str, x: Tracer, filter_shape: Any, ways: tuple[Any, Any, Any, Any, Any]
) -> tuple[Placement, Value]:
    """The windows [n, o..., channels and window] of x."""
    if x.ndim < 2:
        raise wrong(f"{name}: an array of 2 dimensions or more is required, got {x.type}")
    numbers, count = dimensions(name, ways[-1], x.ndim), x.ndim - 2
    sizes = steps(name, "filter_shape", filter_shape, count)
    kernel = [1] * x.ndim
    for a, m in zip(numbers.rhs_spec[2:], sizes, strict=True):
        kernel[a] = m
    placement = Placement.of(name, x, tuple(kernel), *ways)
    n, c, *spatial = numbers.lhs_spec
    image, axes = permute(x.value, (n, *spatial, c)), tuple(range(1, 1 + count))
    for a, step in zip(axes, placement.dilation, strict=True):
        image = spaced(image, a, step)
    low, high = (tuple(p[k] for p in placement.padding) for k in range(2))
    found = windows(image, axes, sizes, placement.strides, placement.window_dilation, low, high)
    *outer, channels = found.shape[: x.ndim]
    return placement, reshape(found, (*outer, channels * math.prod(sizes)))


@eager("lhs", "rhs")
def conv_general_dilated_local(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    filter_shape: Sequence[int],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
) -> Any:
    """A convolution with a kernel for each place of the result.

    Where the kernel of `conv_general_dilated` has its spatial dimensions rhs has those of the
    result, and its input channels are windows as in `conv_general_dilated_patches`.
    """
    name = "conv_general_dilated_local"
    x, w = operands_of(name, lhs, rhs, None)
    ways = window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers
    placement, image = patches(name, x, filter_shape, ways)
    k, into, *places = placement.numbers.rhs_spec
    wanted = image.shape[1:]
    if w.ndim != x.ndim or tuple(w.shape[a] for a in (*places, into)) != wanted:
        raise wrong(
            f"{name}: a kernel of places and window {list(wanted)} is required for {x.type}, "
            f"got {w.type}"
        )
    factors = active().default_matmul_precision if precision is None else factors_of(precision)
    kernel, count = permute(w.value, (*places, into, k)), x.ndim - 2
    along = tuple(range(1, 1 + count)), tuple(range(count))
    found = dot_general(image, kernel, ((1 + count,), (count,)), along, factors)
    rows = permute(found, (count, *range(count), count + 1))
    return new(permute(rows, standing(placement.numbers.out_spec)))
