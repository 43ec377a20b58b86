"""Convolutions as layers, of one to three spatial axes, and their transposes; channels stand last.

    conv = wl.nn.Conv.init(wl.random.key(0), 3, 16, (3, 3), stride=2)
    conv(np.ones((8, 28, 28, 3), np.float32))  # [8, 14, 14, 16]

Strides and dilations are an int for all axes or a tuple of one for each. What stands before the
spatial axes is a batch of any number of axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy

from ...compiler.front import numpy as np
from ...compiler.front.lax.convolution import conv_general_dilated
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained, shown
from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace.operands import whole, wrong
from .initializers import Initializer
from .layer import layer
from .weights import lecun_normal

__all__ = ["Conv", "ConvTranspose"]

Ints = tuple[int, ...]
Padding = str | int | tuple[tuple[int, int], ...]

NUMBERS = {
    1: ("NHC", "HIO", "NHC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NHWDC", "HWDIO", "NHWDC"),
}
"""The dimension numbers of so many spatial axes."""


@layer
class Conv:
    """y[t] = sum over k of x[t * stride + k * dilation - before] @ weight[k], plus bias.

    Padding: "SAME" gives ceil(size / stride) outputs, "VALID" windows within x, "CAUSAL" none that
    see a later place; an int or pairs (before, after) are zeros around x.
    Groups of channels see only their own; with as many as inputs it is depthwise.
    """

    weight: Any  # [*kernel, inputs / groups, outputs]
    bias: Any = None
    stride: int | Ints = 1
    padding: Padding = "SAME"
    dilation: int | Ints = 1
    groups: int = 1

    @classmethod
    @explained
    def init(
        cls,
        key: Any,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        *,
        stride: int | Ints = 1,
        padding: Padding = "SAME",
        dilation: int | Ints = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: Initializer = lecun_normal,
        dtype: Any = "float32",
    ) -> Self:
        """Of a kernel's size along one to three axes."""
        weight, first = _first(cls, key, inputs, outputs, kernel, groups, bias, initializer, dtype)
        return cls(weight, first, stride, padding, dilation, groups)

    @explained
    def __call__(self, x: Any) -> Any:
        x, lead, count = _batched("Conv", x, self.weight, self.groups)
        y = conv_general_dilated(
            x, self.weight, _each(self.stride, count), _pads(self.padding, count),
            rhs_dilation=_each(self.dilation, count), dimension_numbers=NUMBERS[count],
            feature_group_count=self.groups,
        )  # fmt: skip
        return _biased(y, self.bias, lead)


@layer
class ConvTranspose:
    """y[t * stride + k * dilation - before] is the sum of all x[t] @ weight[k], plus bias.

    So it is, in x, the transpose of a `Conv` of the same stride, padding and dilation. Padding:
    "SAME" and "CAUSAL" give size * stride outputs, the second from x that are not later; "VALID"
    all places that x reaches; an int or pairs (before, after) cut so many from them, less than 0
    adds places, as torch's output_padding does.
    """

    weight: Any  # [*kernel, inputs / groups, outputs]
    bias: Any = None
    stride: int | Ints = 1
    padding: Padding = "SAME"
    dilation: int | Ints = 1
    groups: int = 1

    @classmethod
    @explained
    def init(
        cls,
        key: Any,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        *,
        stride: int | Ints = 1,
        padding: Padding = "SAME",
        dilation: int | Ints = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: Initializer = lecun_normal,
        dtype: Any = "float32",
    ) -> Self:
        """Of a kernel's size along one to three axes."""
        weight, first = _first(cls, key, inputs, outputs, kernel, groups, bias, initializer, dtype)
        return cls(weight, first, stride, padding, dilation, groups)

    @explained
    def __call__(self, x: Any) -> Any:
        x, lead, count = _batched("ConvTranspose", x, self.weight, self.groups)
        stride, dilation = _each(self.stride, count), _each(self.dilation, count)
        if not len(stride) == len(dilation) == count:
            raise wrong(
                f"ConvTranspose: a stride and a dilation of {count} ints are required, got "
                f"{self.stride} and {self.dilation}"
            )
        reach = [(n - 1) * d for n, d in zip(self.weight.shape[:count], dilation, strict=True)]
        cuts = _cuts(self.padding, reach, stride)
        y = conv_general_dilated(
            x, np.flip(self.weight, tuple(range(count))), (1,) * count,
            [(r - low, r - high) for r, (low, high) in zip(reach, cuts, strict=True)],
            lhs_dilation=stride, rhs_dilation=dilation, dimension_numbers=NUMBERS[count],
            feature_group_count=self.groups,
        )  # fmt: skip
        return _biased(y, self.bias, lead)


def _first(
    cls: type, key: Any, inputs: int, outputs: int, kernel: Any, groups: int, bias: bool,
    initializer: Any, dtype: Any,
) -> tuple[Any, Any]:  # fmt: skip
    name = cls.__name__
    if not isinstance(kernel, (tuple, list)) or len(kernel) not in NUMBERS or min(kernel) < 1:
        count = f"kernel=({kernel}, {kernel}), of two axes" if isinstance(kernel, int) else ""
        raise wrong(
            f"{name}.init: a kernel of one to three sizes is required, got {shown(kernel)}", count
        )
    if groups < 1 or inputs % groups or outputs % groups:
        raise wrong(
            f"{name}.init: groups that divide inputs and outputs are required, got {groups} of "
            f"{inputs} and {outputs}",
            f"groups={math.gcd(inputs, outputs)}",
        )
    weight = initializer(key, (*kernel, inputs // groups, outputs), dtype=dtype)
    return weight, np.zeros(outputs, weight.dtype) if bias else None


def _each(steps: int | Ints, count: int) -> Ints:
    one = whole(steps)
    return tuple(steps) if one is None else (one,) * count  # type: ignore[arg-type]


def _pads(padding: Padding, count: int) -> Any:
    one = whole(padding)
    return padding if one is None else ((one, one),) * count


def _batched(name: str, x: Any, weight: Any, groups: int) -> tuple[Any, Ints, int]:
    """x with one axis of examples, those that it had, and how many axes are spatial."""
    x, count = array_or_tracer(x), len(weight.shape) - 2
    channels = weight.shape[-2] * groups
    if x.ndim < count + 1 or x.shape[-1] != channels:
        raise wrong(
            f"{name}: {count} spatial axes and {channels} channels, the last, are required, got "
            f"{Type(dtype_name(x.dtype), x.shape)}"
        )
    lead = tuple(x.shape[: -count - 1])
    return x.reshape(math.prod(lead), *x.shape[-count - 1 :]), lead, count


def _biased(y: Any, bias: Any, lead: Ints) -> Any:
    y = y if bias is None else y + bias
    return y.reshape(*lead, *y.shape[1:])


def _cuts(padding: Padding, reach: Sequence[int], stride: Ints) -> Any:
    """The places (before, after) that are cut from all that a transposed convolution reaches."""
    if not isinstance(padding, str):
        pads = _pads(padding, len(reach))
        if [numpy.shape(p) for p in pads] != [(2,)] * len(reach):
            raise _unknown(padding)
        return pads
    more = [r + 1 - s for r, s in zip(reach, stride, strict=True)]  # than size * stride places
    known = {
        "VALID": [(0, 0) for _ in more],
        "SAME": [(max(m, 0) // 2, m - max(m, 0) // 2) for m in more],
        "CAUSAL": [(0, m) for m in more],
    }
    if padding.upper() not in known:
        raise _unknown(padding)
    return known[padding.upper()]


def _unknown(padding: Any) -> ProgramError:
    return wrong(
        "ConvTranspose: a padding of SAME, VALID, CAUSAL, an int or pairs for each axis is "
        f"required, got {padding!r}"
    )
