"""jax.lax's gather and scatter, with the numbers that say which dimension is which.

Every entry of the last dimension of the indices is the start of a window along one dimension of the
operand. Mostly x[i], x.at[i].set(v) and dynamic_slice say the same in fewer words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...ir.graph import Value
from ...ops.places import Ints
from ...trace.operands import met, new, shape_given, tracer, value, wrong
from ...trace.tracer import FUNCTIONS, Tracer
from ..numpy.elementwise import where
from ..numpy.indexing import filling
from ..numpy.selection import mode_of
from .lax import eager

__all__ = [
    "GatherDimensionNumbers",
    "ScatterDimensionNumbers",
    "gather",
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
]


class GatherDimensionNumbers(NamedTuple):
    """Of the result: which are windows. Of the operand: which windows of one element are dropped,
    which the starts are of, and which go in step with the indices."""

    offset_dims: Ints
    collapsed_slice_dims: Ints
    start_index_map: Ints
    operand_batching_dims: Ints = ()
    start_indices_batching_dims: Ints = ()


class ScatterDimensionNumbers(NamedTuple):
    """As GatherDimensionNumbers, of the updates in place of the result."""

    update_window_dims: Ints
    inserted_window_dims: Ints
    scatter_dims_to_operand_dims: Ints
    operand_batching_dims: Ints = ()
    scatter_indices_batching_dims: Ints = ()


class WindowBlock(NamedTuple):
    """A block as in ops/places.py."""

    shape: Ints
    axes: Ints
    indexed: Ints
    along: tuple[Ints, ...]
    indices: tuple[Value, ...]

    @property
    def params(self) -> dict[str, Any]:
        return {"axes": self.axes, "indexed": self.indexed, "along": self.along}


def window_block(
    name: str, x: Tracer, starts: Tracer, numbers: tuple[Ints, ...], sizes: Ints
) -> WindowBlock:
    """The block of windows of `sizes` that begin at `starts`."""
    windows, dropped, of_starts, batch, of_batch = (tuple(map(int, n)) for n in numbers)
    if starts.dtype.kind not in "iu" or not starts.ndim or starts.shape[-1] != len(of_starts):
        raise wrong(
            f"{name}: integers with {len(of_starts)} starts in the last dimension are required, "
            f"got {starts.type}"
        )
    kept = [d for d in range(x.ndim) if d not in dropped and d not in batch]
    ndim = len(windows) + starts.ndim - 1
    whole = len(sizes) == x.ndim and all(0 <= m <= n for m, n in zip(sizes, x.shape, strict=True))
    if not whole or len(kept) != len(windows) or any(not 0 <= w < ndim for w in windows):
        raise wrong(
            f"{name}: a window dimension for each of {kept} of {x.type} is required, got {windows} "
            f"and sizes {sizes}"
        )
    looked = [a for a in range(ndim) if a not in windows]  # the dimensions of the indices
    shape = [0] * ndim
    for a, n in zip(looked, starts.shape[:-1], strict=True):
        shape[a] = n
    axes = [-1] * x.ndim
    for a, d in zip(sorted(windows), kept, strict=True):
        axes[d], shape[a] = a, sizes[d]
    for d, k in zip(batch, of_batch, strict=True):
        axes[d] = looked[k]
    if starts.type.dtype not in ("i32", "i64"):
        starts = starts.astype(np.int64)
    indexed, along, indices = list(of_starts), [], []
    for k in range(len(of_starts)):
        along.append(tuple(looked))
        indices.append(starts[..., k].value)
    for d in range(x.ndim):  # windows that begin at the first element
        if d not in (*of_starts, *batch) and (axes[d] < 0 or sizes[d] != x.shape[d]):
            indexed.append(d)
            along.append(())
            indices.append(value(np.int32(0)))
    return WindowBlock(tuple(shape), tuple(axes), tuple(indexed), tuple(along), tuple(indices))


@eager("operand", "start_indices")
def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Any,
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | None = None,
    fill_value: Any = None,
) -> Any:
    """Windows of the operand; those that are not within it are moved, or filled by mode 'fill'."""
    x, starts = tracer(operand), tracer(start_indices)
    sizes = shape_given("gather", slice_sizes)
    b = window_block("gather", x, starts, tuple(dimension_numbers), sizes)
    found = new(ops.gather(x.value, b.indices, b.shape, **b.params), x.weak)
    if mode_of("gather", mode) != "fill":
        return found
    inside: Any = True
    for d, over, i in zip(b.indexed, b.along, b.indices, strict=True):
        if over:
            here = (new(i) >= 0) & (new(i) <= x.shape[d] - sizes[d])
            inside = here & inside
    spread = [n if a in b.along[0] else 1 for a, n in enumerate(b.shape)] if b.along else []
    if inside is True:
        return found
    return where(FUNCTIONS[np.reshape](inside, spread), found, filling(x, fill_value))


def scattering(name: str, combine: str, doc: str) -> Callable[..., Any]:
    """The public function of one scatter."""

    @eager("operand", "scatter_indices", "updates")
    def function(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
    ) -> Any:
        starts, u, n = tracer(scatter_indices), tracer(updates), dimension_numbers
        x = met(tracer(operand), u)
        kept = [
            d for d in range(x.ndim)
            if d not in n.inserted_window_dims and d not in n.operand_batching_dims
        ]  # fmt: skip
        sizes = [1] * x.ndim
        for d, a in zip(kept, sorted(n.update_window_dims), strict=False):
            sizes[d] = u.shape[a] if a < u.ndim else 0
        b = window_block(name, x, starts, tuple(n), tuple(sizes))
        if b.shape != u.shape:
            raise wrong(f"{name}: updates of shape {list(b.shape)} are required, got {u.type}")
        clip = mode_of(name, mode) == "clip"
        made = ops.scatter(
            x.value, value(u, x.type.dtype), b.indices, combine, **b.params,
            mode="clip" if clip else "drop", unique=unique_indices, sorted=indices_are_sorted,
        )  # fmt: skip
        return new(made, x.weak)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


scatter = scattering("scatter", "set", "The operand with windows replaced; the last of several.")
scatter_add = scattering("scatter_add", "add", "The operand with `updates` added to windows.")
scatter_mul = scattering("scatter_mul", "mul", "The operand with windows multiplied by `updates`.")
scatter_min = scattering("scatter_min", "min", "The lesser of windows and `updates`.")
scatter_max = scattering("scatter_max", "max", "The greater of windows and `updates`.")
