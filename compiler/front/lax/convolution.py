"""jax.lax's convolutions: one op between views, channels in groups a batch dimension of both.

    images, kernels = np.ones((2, 8, 8, 3)), np.ones((3, 3, 3, 4))
    lax.conv_general_dilated(
        images, kernels, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

The layout that needs no view is that of the example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.graph import Value
from ...ir.precision import factors_of
from ...ir.types import dtype_name
from ...ops.convolution import Padding, convolution, extent
from ...ops.view import Ints, flip, permute, reshape
from ...settings import active
from ...trace.operands import new, operand, promoted, value, wrong
from ...trace.tracer import Tracer
from .lax import eager
from .spatial import (
    ConvDimensionNumbers,
    Placement,
    dimensions,
    equal_ranks,
    pads,
    steps,
)

__all__ = [
    "conv",
    "conv_general_dilated",
    "conv_transpose",
    "conv_with_general_padding",
]

TRANSPOSED = {
    2: ("NC", "IO", "NC"),
    3: ("NHC", "HIO", "NHC"),
    4: ("NHWC", "HWIO", "NHWC"),
    5: ("NHWDC", "HWDIO", "NHWDC"),
}
"""The dimension numbers of conv_transpose where none are given."""


@eager("lhs", "rhs")
def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """Sums of products over windows of `lhs` with the kernel `rhs`, which is not flipped.

    Along each spatial dimension `lhs_dilation` - 1 zeros stand between elements of lhs, `padding`
    around them (less than 0 cuts), windows begin every `window_strides`, and elements of a window
    lie `rhs_dilation` apart. Paddings are "SAME", "SAME_LOWER", "VALID", "CAUSAL" (see
    `padtype_to_pads`) or pairs. `dimension_numbers` are as in `conv_dimension_numbers`.
    Channels in `feature_group_count` groups see only those of their group, with as many groups as
    channels it is depthwise; with `batch_group_count` groups of the batch make channels of their
    own. `precision` and `preferred_element_type` are as in `dot_general`. A kernel of no elements,
    which JAX refuses, gives zeros, as many as windows of none have places.
    """
    return convolved(
        "conv_general_dilated",
        (lhs, rhs),
        (window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers),
        (feature_group_count, batch_group_count),
        (precision, preferred_element_type),
    )


@eager("lhs", "rhs")
def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv_general_dilated` of lhs "NCHW" and rhs "OIHW"."""
    windows = window_strides, padding, None, None, None
    return convolved("conv", (lhs, rhs), windows, (1, 1), (precision, preferred_element_type))


@eager("lhs", "rhs")
def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv_general_dilated` of lhs "NCHW" and rhs "OIHW"."""
    windows = window_strides, padding, lhs_dilation, rhs_dilation, None
    factors = precision, preferred_element_type
    return convolved("conv_with_general_padding", (lhs, rhs), windows, (1, 1), factors)


@eager("lhs", "rhs")
def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Any:
    """A convolution of lhs with `strides` - 1 zeros between its elements.

    With `transpose_kernel`, which flips rhs and lets its channels change places, it is the
    transpose of the convolution that has these strides and the padding "SAME" (of sizes that
    strides divide) or "VALID". Pairs are the padding of lhs itself; with `use_consistent_padding`
    they too are that of the convolution which this transposes, where its windows fit.
    `dimension_numbers` are ("NHWC", "HWIO", "NHWC") by default.
    """
    name = "conv_transpose"
    x, w = operands_of(name, lhs, rhs, preferred_element_type)
    equal_ranks(name, x, w.shape)
    numbers = TRANSPOSED.get(x.ndim) if dimension_numbers is None else dimension_numbers
    if numbers is None:
        raise wrong(f"{name}: dimension_numbers are required for {x.type}, got None")
    spec, count = dimensions(name, numbers, x.ndim), x.ndim - 2
    by = steps(name, "strides", strides, count)
    if use_consistent_padding or (
        isinstance(padding, str) and padding.upper() in ("SAME", "VALID")
    ):
        apart = steps(name, "rhs_dilation", rhs_dilation, count)
        window = [extent(w.shape[a], s) for a, s in zip(spec.rhs_spec[2:], apart, strict=True)]
        padding = transposed_pads(name, padding, window, by)
    channels, axes = x.shape[spec.lhs_spec[1]], list(range(w.ndim))
    out, into, *spatial = spec.rhs_spec
    kernel = w.value
    if transpose_kernel:
        axes[out], axes[into] = into, out
        kernel = permute(flip(kernel, sorted(spatial)), axes)
    if channels != kernel.shape[into]:
        raise wrong(
            f"{name}: a kernel of {channels} input channels is required for {x.type}, "
            f"got {w.type} with {kernel.shape[into]}",
            f"transpose_kernel={not transpose_kernel}" if channels == kernel.shape[out] else "",
        )
    windows = None, padding, by, rhs_dilation, spec
    return convolved(name, (x, new(kernel)), windows, (1, 1), (precision, preferred_element_type))


def transposed_pads(name: str, padding: Any, window: Sequence[int], by: Ints) -> Padding:
    """The zeros around what a convolution with `padding` made, to transpose it."""
    if not isinstance(padding, str):
        ends = pads(name, padding, window, window, by)
        return tuple(
            (m - 1 - low, m - 1 - high) for m, (low, high) in zip(window, ends, strict=True)
        )
    kind, found = padding.upper(), []
    if kind not in ("SAME", "VALID"):
        raise wrong(f"{name}: a padding of SAME, VALID or pairs is required, got {padding!r}")
    for m, step in zip(window, by, strict=True):
        total = m + step - 2
        low = m - 1 if kind == "VALID" or step >= m else -(-total // 2)
        found.append((low, max(m, step) - 1 if kind == "VALID" else total - low))
    return tuple(found)


# ---------------------------------------------------------------- the op


def operands_of(name: str, lhs: Any, rhs: Any, preferred: Any) -> tuple[Tracer, Tracer]:
    """Both operands in the dtype that they are convolved in."""
    x, w = operand(lhs), operand(rhs)
    dtype = promoted(name, x, w) if preferred is None else dtype_name(preferred)
    if dtype == "bool":
        raise wrong(f"{name}: numbers are required, got bool", "lhs.astype(np.int32)")
    return new(value(x, dtype)), new(value(w, dtype))


def convolved(
    name: str,
    operands: tuple[Any, Any],
    windows: tuple[Any, Any, Any, Any, Any],
    groups: tuple[int, int],
    factors: tuple[Any, Any],
) -> Tracer:
    """What `conv_general_dilated` says, of a function that is called `name`."""
    precision, preferred = factors
    x, w = operands_of(name, *operands, preferred)
    ways = Placement.of(name, x, w.shape, *windows)
    rounded = active().default_matmul_precision if precision is None else factors_of(precision)
    if x.ndim == 2:  # no spatial dimension: one of one element
        numbers = ConvDimensionNumbers(*((*spec, 2) for spec in ways.numbers))
        ways = Placement(numbers, (1,), ((0, 0),), (1,), (1,))
        x, w = x[..., None], w[..., None]
        return new(in_groups(name, x, w, ways, groups, rounded))[..., 0]
    return new(in_groups(name, x, w, ways, groups, rounded))


def in_groups(
    name: str, x: Tracer, w: Tracer, ways: Placement, groups: tuple[int, int], precision: str
) -> Value:
    """The convolution; groups are a batch dimension of both operands."""
    check_groups(name, x, w, ways.numbers, *groups)
    (n, c, *spatial), (k, into, *window), out = ways.numbers
    axes, count = (n, *spatial, c), max(groups)
    kernel = permute(w.value, (*window, into, k))
    if count == 1:
        image = permute(x.value, axes)
    else:
        image = grouped(x.value, axes, c if groups[0] > 1 else n, count)
        kernel = grouped(w.value, (*window, into, k), k, count)
    b = int(count > 1)
    found = convolution(
        image,
        kernel,
        ways.strides,
        ways.padding,
        ways.dilation,
        ways.window_dilation,
        batching=b,
        precision=precision,
    )
    order = [0] * x.ndim  # of the result as the user wants it
    for at, axis in zip((out[0], *out[2:], out[1]), range(b, b + x.ndim), strict=True):
        order[at] = axis
    if not b:
        return permute(found, order)
    order.insert(out[1], 0)  # groups before the channels in each
    apart = permute(found, order)
    sizes = list(apart.shape)
    sizes[out[1] : out[1] + 2] = [sizes[out[1]] * sizes[out[1] + 1]]
    return reshape(apart, sizes)


def grouped(x: Value, axes: Ints, split: int, count: int) -> Value:
    """x with its dimensions in the order `axes`, behind the groups that one is split in."""
    sizes = (*x.shape[:split], count, x.shape[split] // count, *x.shape[split + 1 :])
    return permute(reshape(x, sizes), (split, *(a + (a >= split) for a in axes)))


def check_groups(
    name: str, x: Tracer, w: Tracer, numbers: ConvDimensionNumbers, groups: int, batch_groups: int
) -> None:
    """Requires groups that divide what they group, and equal channels."""
    for what, count in (("feature", groups), ("batch", batch_groups)):
        if count < 1:
            raise wrong(f"{name}: a positive {what}_group_count is required, got {count}")
    if groups > 1 and batch_groups > 1:
        raise wrong(
            f"{name}: groups of channels or of the batch are required, got {groups} and "
            f"{batch_groups}"
        )
    (n, c, *_), (k, into, *_), _ = numbers
    batch, channels, out = x.shape[n], x.shape[c], w.shape[k]
    for what, count, of, size in (
        ("feature", groups, "channels of lhs", channels),
        ("feature", groups, "output channels of rhs", out),
        ("batch", batch_groups, "elements of the batch", batch),
        ("batch", batch_groups, "output channels of rhs", out),
    ):
        if size % count:
            raise wrong(
                f"{name}: a {what}_group_count that divides the {size} {of} is required, "
                f"got {count}"
            )
    if channels // groups != w.shape[into]:
        each = f" in {groups} groups" if groups > 1 else ""
        raise wrong(
            f"{name}: a kernel of {channels // groups} input channels is required for {x.type}"
            f"{each}, got {w.type} with {w.shape[into]}",
            equal_channels(name, x, w, numbers),
        )


def equal_channels(name: str, x: Tracer, w: Tracer, numbers: ConvDimensionNumbers) -> str:
    """Other dimension numbers or groups with which the channels are equal."""
    of = "" if name == "conv_general_dilated" else "conv_general_dilated with "
    if numbers == (tuple(range(x.ndim)),) * 3 and 2 < x.ndim < 6 and x.shape[-1] == w.shape[-2]:
        return f"{of}dimension_numbers={TRANSPOSED[x.ndim]}"
    (_, c, *_), (k, into, *_), _ = numbers
    count, rest = divmod(x.shape[c], max(w.shape[into], 1))
    return (
        f"{of}feature_group_count={count}" if count and not rest and not w.shape[k] % count else ""
    )
