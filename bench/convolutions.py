"""How fast are convolutions, and their gradients in input and weight, channels last and first?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .harness import Row

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """x[n, s..., c] and w[f..., c, k], padded so that a stride of one keeps the size."""

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    gradients: bool = True

    @property
    def spatial(self) -> int:
        return len(self.x) - 2

    @property
    def padding(self) -> list[int]:
        return [(n - 1) * self.dilation // 2 for n in self.w[: self.spatial]]

    @property
    def steps(self) -> tuple[list[int], list[int], list[int]]:
        """Strides, padding and dilation, an entry an axis."""
        return [self.stride] * self.spatial, self.padding, [self.dilation] * self.spatial


CASES = (
    Case("3x3", (8, 56, 56, 64), (3, 3, 64, 64)),
    Case("3x3", (8, 7, 7, 512), (3, 3, 512, 512)),
    Case("3x3 stride 2", (8, 56, 56, 64), (3, 3, 64, 128), stride=2),
    Case("1x1", (8, 28, 28, 256), (1, 1, 256, 64)),
    Case("first, 1 channel", (64, 28, 28, 1), (3, 3, 1, 32)),
    Case("first, 3 channels", (8, 112, 112, 3), (7, 7, 3, 64), stride=2),
    Case("depthwise 3x3", (8, 56, 56, 64), (3, 3, 1, 64), groups=64),
    Case("depthwise 5x5", (8, 28, 28, 192), (5, 5, 1, 192), groups=192),
    Case("32 groups", (8, 28, 28, 128), (3, 3, 4, 128), groups=32),
    Case("1-D, dilated", (16, 1024, 64), (3, 64, 64), dilation=4),
    Case("3-D", (2, 16, 28, 28, 16), (3, 3, 3, 16, 32)),
)


def last_first(ndim: int) -> tuple[int, ...]:
    """The axes where channels, the last ones, come right after the first."""
    return (0, ndim - 1, *range(1, ndim - 1))


def numbers(case: Case, first: bool) -> tuple[str, str, str]:
    """Dimension numbers, with channels first or last."""
    axes = "DHW"[3 - case.spatial :]
    return (
        (f"NC{axes}", f"OI{axes}", f"NC{axes}")
        if first
        else (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    )


def convolution(library: Any, case: Case, first: bool) -> Function:
    """In ours and in JAX."""
    strides, padding, dilation = case.steps
    pairs = [(p, p) for p in padding]
    given = numbers(case, first)

    def function(x: Any, w: Any) -> Any:
        return library.lax.conv_general_dilated(
            x, w, strides, pairs, rhs_dilation=dilation, dimension_numbers=given,
            feature_group_count=case.groups,
        )  # fmt: skip

    return function


def pulled_back(library: Any, function: Function, which: int) -> Function:
    """The gradient in x or in w, for a given cotangent."""

    def gradient(x: Any, w: Any, ct: Any) -> Any:
        if which:
            return library.vjp(lambda w: function(x, w), w)[1](ct)[0]
        return library.vjp(lambda x: function(x, w), x)[1](ct)[0]

    return gradient


def in_torch(case: Case, first: bool, which: int | None) -> Function:
    """Its layout is channels first; channels last is a matter of strides."""
    strides, padding, dilation = case.steps
    d = case.spatial

    def seen(x: Any) -> Any:
        return x if first else x.permute(last_first(x.ndim))

    def weight(w: Any) -> Any:
        return w if first else w.permute(d + 1, d, *range(d))

    rest = strides, padding, dilation, False, [0] * d, case.groups

    def function(x: Any, w: Any, *ct: Any) -> Any:
        given = seen(x), weight(w)
        if which is None:
            return peers.torch.ops.aten.convolution(*given, None, *rest)
        mask = [which == 0, which == 1, False]
        back = peers.torch.ops.aten.convolution_backward
        return back(seen(*ct), *given, None, *rest, mask)[which]

    return function


def rows() -> Iterator[Row]:
    for case in CASES:
        for first in (False, True):
            yield from rows_of(case, first)


def rows_of(case: Case, first: bool) -> Iterator[Row]:
    x, w = peers.random(*case.x), peers.random(*case.w, seed=1) / np.float32(math.prod(case.w[:-1]))
    d = case.spatial
    if first:
        x = np.ascontiguousarray(x.transpose(last_first(x.ndim)))
        w = np.ascontiguousarray(w.transpose(d + 1, d, *range(d)))
    ours, theirs = (convolution(m, case, first) for m in (wl, peers.jax))
    result = wl.eval_shape(ours, x, w)
    ct = peers.random(*result.shape, seed=2)
    flops = 2 * math.prod(result.shape) * math.prod(case.w[:-1])
    layout = numbers(case, first)[0]
    for name, which in (("", None), (", d input", 0), (", d weight", 1)):
        found = {"wonderland": ours, "jax": theirs}
        if which is not None:
            found = {
                "wonderland": pulled_back(wl, ours, which),
                "jax": pulled_back(peers.jax, theirs, which),
            }
        found["torch"] = in_torch(case, first, which)
        arrays = [x, w] if which is None else [x, w, ct]
        moved = 4 * (math.prod(case.x) + math.prod(case.w) + math.prod(result.shape))
        size = f"{list(x.shape)} * {list(case.w)} {layout}"
        runs = peers.runs(arrays, found, torch_compile=False)
        yield Row(f"convolution {case.name}{name}", size, runs, bytes=moved, flops=flops)
