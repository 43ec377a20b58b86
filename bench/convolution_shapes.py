"""Does any shape of a convolution fall out of the way? Time per operation of 500 of them.

    python -m bench convolution_shapes

Shapes are drawn by a seed: one to three spatial axes, strides, dilation of the input and of the
window, groups, depthwise, channels first and last. Small ones are bound by the call: each is large
enough for some hundred thousand operations.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np

import wonderland as wl

from .harness import timed

SHAPES, QUICK = 500, 50
LEAST, MOST = 2e6, 2e8  # operations of a shape


@dataclass(frozen=True)
class Shape:
    x: tuple[int, ...]
    w: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    window_dilation: tuple[int, ...]
    groups: int
    first: bool

    @property
    def spatial(self) -> int:
        return len(self.strides)

    @property
    def padding(self) -> list[tuple[int, int]]:
        """About as much as keeps the size."""
        window = self.w[2:] if self.first else self.w[: self.spatial]
        sides = ((n - 1) * step // 2 for n, step in zip(window, self.window_dilation, strict=True))
        return [(n, n) for n in sides]

    def run(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        axes = "DHW"[3 - self.spatial :]
        last, first = (
            (f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            (f"NC{axes}", f"OI{axes}", f"NC{axes}"),
        )
        return wl.lax.conv_general_dilated(
            x, w, self.strides, self.padding, self.dilation, self.window_dilation,
            first if self.first else last, self.groups,
        )  # fmt: skip

    def operations(self, out: tuple[int, ...]) -> float:
        """Multiplications with what is no zero of the dilation, and additions."""
        depth = math.prod(self.w[1:] if self.first else self.w[:-1])
        return 2 * math.prod(out) * depth / math.prod(self.dilation)


def drawn(rng: np.random.Generator) -> Shape:
    """One shape."""
    d = int(rng.integers(1, 4))

    def ints(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high, d))

    groups = int(rng.choice([1, 1, 1, 2, 8]))
    c, k = (groups * int(rng.choice([1, 3, 8, 16, 24, 64])) for _ in range(2))
    if rng.random() < 0.15:
        groups = k = c
    space = ints(7, (0, 2000, 80, 24)[d])
    window = ints(1, 6)
    first = bool(rng.random() < 0.5)
    batch = int(rng.integers(1, 9))
    ones = (1,) * d
    dilation = ints(1, 3) if rng.random() < 0.2 else ones
    return Shape(
        (batch, c, *space) if first else (batch, *space, c),
        (k, c // groups, *window) if first else (*window, c // groups, k),
        ints(1, 3), dilation, ints(1, 3) if rng.random() < 0.3 else ones, groups, first,
    )  # fmt: skip


def report(quick: bool) -> int:
    rng = np.random.default_rng(0)
    found: list[tuple[float, Shape]] = []
    while len(found) < (QUICK if quick else SHAPES):
        shape = drawn(rng)
        x, w = (np.ones(s, np.float32) for s in (shape.x, shape.w))
        out = wl.eval_shape(shape.run, x, w).shape
        work = shape.operations(out)
        if not LEAST <= work <= MOST:
            continue
        compiled = wl.jit(shape.run)
        found.append((timed(lambda f=compiled, x=x, w=w: f(x, w), 0.02) / work, shape))
    found.sort(key=lambda pair: pair[0])
    middle = statistics.median(seconds for seconds, _ in found)
    print(f"{len(found)} shapes, median {middle * 1e12:.1f} ps an operation")
    for share in (0.5, 0.9, 0.99):
        seconds, _ = found[int(share * (len(found) - 1))]
        print(f"{share:.0%} of them: {seconds / middle:.2f} times the median or less")
    print("slowest:")
    for seconds, shape in found[-10:]:
        print(f"{seconds / middle:6.1f}  {shape}")
    return 0
