"""Which dimension of a convolution is which, and how windows lie along the spatial ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ir.explain import explained, shown
from ...ops.convolution import Padding, extent
from ...ops.view import Ints
from ...trace.operands import several, whole, wrong
from ...trace.tracer import Tracer

__all__ = ["ConvDimensionNumbers", "conv_dimension_numbers", "padtype_to_pads"]

LETTERS = ("N", "C"), ("O", "I"), ("N", "C")
"""Of the input, the kernel and the result: the dimensions that are not spatial."""
OPERANDS = "lhs", "rhs", "the result"


class ConvDimensionNumbers(NamedTuple):
    """Where dimensions stand: (N, C, spatial ...) of the input and of the result, and
    (O, I, spatial ...) of the kernel."""

    lhs_spec: Ints
    rhs_spec: Ints
    out_spec: Ints


# ---------------------------------------------------------------- which dimension is which


@explained
def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any
) -> ConvDimensionNumbers:
    """Dimension numbers as `ConvDimensionNumbers`: of three strings, of three tuples, of None.

    None is ("NCHW", "OIHW", "NCHW"), of as many spatial dimensions as there are. Of strings the
    spatial letters may be any; their order in the kernel's is that of strides and padding.

    Example:
    >>> conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 4), ("NHWC", "HWIO", "NHWC"))
    ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """
    sizes = len(lhs_shape), len(rhs_shape)
    if sizes[0] != sizes[1]:
        raise wrong(
            "conv_dimension_numbers: shapes of equally many dimensions are required, "
            f"got {tuple(lhs_shape)} and {tuple(rhs_shape)}"
        )
    return dimensions("conv_dimension_numbers", dimension_numbers, sizes[0])


def dimensions(name: str, numbers: Any, ndim: int) -> ConvDimensionNumbers:
    """Dimension numbers of operands of `ndim` dimensions."""
    if numbers is None:
        return ConvDimensionNumbers(*(tuple(range(ndim)),) * 3)
    if not isinstance(numbers, (tuple, list)) or len(numbers) != 3:
        raise wrong(
            f"{name}: dimension_numbers of lhs, rhs and the result are required, "
            f"got {shown(numbers)}",
            'dimension_numbers=("NHWC", "HWIO", "NHWC"), or as your arrays are',
        )
    if all(isinstance(spec, str) for spec in numbers):
        return ConvDimensionNumbers(*by_letters(name, numbers, ndim))
    found = []
    for spec, of in zip(numbers, OPERANDS, strict=True):
        axes = [whole(a) for a in spec] if isinstance(spec, (tuple, list)) else []
        if sorted(a for a in axes if a is not None) != list(range(ndim)):
            raise wrong(
                f"{name}: a string or every dimension of {of} once, of {ndim}, is required in "
                f"dimension_numbers, got {shown(spec)}"
            )
        found.append(tuple(axes))
    return ConvDimensionNumbers(*found)


def by_letters(name: str, specs: Sequence[str], ndim: int) -> tuple[Ints, ...]:
    for spec, letters, of in zip(specs, LETTERS, OPERANDS, strict=True):
        if len(spec) != ndim or len(set(spec)) != ndim or not set(letters) <= set(spec):
            raise wrong(
                f"{name}: {ndim} different letters with {' and '.join(letters)} are required as "
                f"dimension_numbers of {of}, got {spec!r}"
            )
    spatial = [set(spec) - set(letters) for spec, letters in zip(specs, LETTERS, strict=True)]
    if any(s != spatial[1] for s in spatial):
        raise wrong(
            f"{name}: dimension_numbers with the same spatial letters are required, "
            f"got {tuple(specs)}"
        )
    order = [c for c in specs[1] if c in spatial[1]]
    return tuple(
        tuple(spec.index(c) for c in (*letters, *order))
        for spec, letters in zip(specs, LETTERS, strict=True)
    )


# ---------------------------------------------------------------- strides and paddings


def steps(name: str, what: str, given: Any, count: int) -> Ints:
    """`count` positive ints; None is ones."""
    if given is None:
        return (1,) * count
    found = [whole(n) for n in given] if isinstance(given, (tuple, list, np.ndarray)) else [0]
    if len(found) != count or any(n is None or n < 1 for n in found):
        size = whole(given)
        raise wrong(
            f"{name}: {what} of {count} positive ints are required, got {shown(given)}",
            f"{what}={(size,) * count}" if size is not None and size > 0 else "",
        )
    return tuple(n for n in found if n is not None)


@explained
def padtype_to_pads(
    in_shape: Sequence[int],
    window_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str,
) -> list[tuple[int, int]]:
    """The zeros (before, after) each spatial dimension that a padding by name is.

    "VALID" none. "SAME" as many as give ceil(size / stride) results, an odd one after; with
    "SAME_LOWER" it stands before. "CAUSAL" the window less one, all before.

    Example:
    >>> padtype_to_pads((8, 8), (3, 4), (1, 1), "SAME")
    [(1, 1), (1, 2)]
    """
    return list(pads("padtype_to_pads", padding, in_shape, window_shape, window_strides))


def pads(name: str, padding: Any, sizes: Sequence[int], window: Sequence[int], by: Any) -> Padding:
    """A padding by name, or by pairs, as pairs; `window` are its extents with dilation."""
    kind = padding.upper() if isinstance(padding, str) else ""
    if kind == "VALID":
        return ((0, 0),) * len(sizes)
    if kind == "CAUSAL":
        return tuple((max(m - 1, 0), 0) for m in window)
    if kind in ("SAME", "SAME_LOWER"):
        found = []
        for n, m, step in zip(sizes, window, by, strict=True):
            total = max((-(-n // step) - 1) * step + m - n, 0)
            ends = total // 2, total - total // 2
            found.append(ends if kind == "SAME" else ends[::-1])
        return tuple(found)
    if isinstance(padding, (tuple, list, np.ndarray)) and len(padding) == len(sizes):
        pairs = [tuple(map(whole, p)) if np.ndim(p) == 1 else () for p in padding]
        if all(len(p) == 2 and None not in p for p in pairs):
            return tuple(pairs)  # pyright: ignore[reportReturnType]
    alike = whole(padding)
    ends = [alike] * len(sizes) if alike is not None else [whole(p) for p in several(padding)]
    told = len(ends) == len(sizes) and None not in ends
    repair = f"padding={tuple((p, p) for p in ends)}" if told else ""
    raise wrong(
        f"{name}: a padding of SAME, SAME_LOWER, VALID, CAUSAL or {len(sizes)} pairs of ints "
        f"is required, got {shown(padding)}",
        repair,
    )


def equal_ranks(name: str, x: Tracer, kernel: Ints) -> None:
    if x.ndim != len(kernel) or x.ndim < 2:
        raise wrong(
            f"{name}: operands of equally many dimensions, 2 or more, are required, "
            f"got {x.type} and a kernel {list(kernel)}",
            "lhs[None], a batch of one" if x.ndim + 1 == len(kernel) > 2 else "",
        )


class Placement(NamedTuple):
    """Where dimensions stand, and how windows lie along the spatial ones."""

    numbers: ConvDimensionNumbers
    strides: Ints
    padding: Padding
    dilation: Ints
    window_dilation: Ints

    @staticmethod
    def of(
        name: str,
        x: Tracer,
        kernel: Ints,
        strides: Any,
        padding: Any,
        dilation: Any,
        window_dilation: Any,
        numbers: Any,
    ) -> Placement:
        """Of what a user says of windows on x by a `kernel` of that shape."""
        equal_ranks(name, x, kernel)
        found, count = dimensions(name, numbers, x.ndim), x.ndim - 2
        between = steps(name, "lhs_dilation", dilation, count)
        apart = steps(name, "rhs_dilation", window_dilation, count)
        by = steps(name, "window_strides", strides, count)
        if isinstance(padding, str) and max(between, default=1) > 1:
            transposes = name == "conv_transpose"
            named = 'padding="SAME"' if transposes else "conv_transpose, which takes names"
            raise wrong(
                f"{name}: padding of {count} pairs of ints is required with lhs_dilation, "
                f"got {padding!r}",
                named,
            )
        sizes = [x.shape[a] for a in found.lhs_spec[2:]]
        window = [
            extent(kernel[a], step) for a, step in zip(found.rhs_spec[2:], apart, strict=True)
        ]
        return Placement(found, by, pads(name, padding, sizes, window, by), between, apart)
