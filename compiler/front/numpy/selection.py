"""What x[at] names: NumPy's indexing expressions as blocks at computed places.

Ints, slices, None and Ellipsis are known when the function is traced; integer arrays may be traced.
A mask must be known, for the shape of what it selects depends on it. The axes of the index arrays
stand where NumPy puts them: in place of the arrays if these stand together, else first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.failed import repaired
from ...ops.source import Iota
from ...trace.arrays import plain
from ...trace.operands import common_shape, operand, shape_of, wrong
from ...trace.repairs import masked_reduction, masked_write, our_window
from ...trace.tracer import FUNCTIONS, Tracer

Shape = tuple[int, ...]
MODES = ("fill", "drop", "clip", "wrap", "promise_in_bounds")
UNIQUE_UP_TO = 1 << 20  # static places that are looked at, whether they differ


@dataclass(frozen=True)
class Selection:
    """A block of x, as in ops/places.py, and the shape in which NumPy gives it.

    `parts` are an int, slice, array or None each, for every axis of x. `indices` are ints, arrays
    or tracers, not yet counted from the front. `flipped` axes of the block run backwards.
    """

    x: Shape
    parts: tuple[Any, ...]
    block: Shape
    axes: Shape
    indexed: Shape
    along: tuple[Shape, ...]
    indices: tuple[Any, ...]
    flipped: Shape
    shape: Shape

    @property
    def basic(self) -> bool:
        """Whether it is a view: ints, slices and None alone."""
        return not any(map(is_array, self.parts))

    @property
    def params(self) -> dict[str, Any]:
        return {"axes": self.axes, "indexed": self.indexed, "along": self.along}

    def room(self, k: int) -> int:
        """How many values index `k` may have."""
        d = self.indexed[k]
        return self.x[d] - (1 if self.axes[d] < 0 else self.block[self.axes[d]]) + 1

    @property
    def unique(self) -> bool:
        """Whether it is known that no two elements are the same."""
        given = [i for i, over in zip(self.indices, self.along, strict=True) if over]
        if not given:
            return True
        if any(isinstance(i, Tracer) for i in given):
            return False
        looked = sorted({a for over in self.along for a in over})
        shape = tuple(self.block[a] for a in looked)
        if not 0 < math.prod(shape) <= UNIQUE_UP_TO:
            return math.prod(shape) == 0
        flat = np.zeros(shape, np.int64)
        for k, (i, over) in enumerate(zip(self.indices, self.along, strict=True)):
            if over:
                n = self.x[self.indexed[k]]
                sizes = [self.block[a] if a in over else 1 for a in looked]
                spread = np.reshape(in_int64(i), sizes)
                flat = flat * n + np.clip(np.where(spread < 0, spread + n, spread), 0, n - 1)
        fixed = [a for a in self.axes if a in looked]  # these tell places apart by themselves
        order = [looked.index(a) for a in fixed]
        rows = np.moveaxis(flat, order, range(len(order)))
        rows = rows.reshape(math.prod(rows.shape[: len(order)]), -1)
        rows.sort(axis=1)
        return not (rows[:, 1:] == rows[:, :-1]).any()


def is_array(i: Any) -> bool:
    return isinstance(i, (Tracer, np.ndarray))


def selection(x: Any, at: Any) -> Selection:
    """What `at` names of `x`, a tracer or an array."""
    parts = full_index(x, [checked_index(x, i) for i in (at if isinstance(at, tuple) else (at,))])
    arrays = [i for i in parts if is_array(i)]
    looked = common_shape("x[i]", *map(shape_of, arrays)) if arrays else ()
    advanced = [k for k, i in enumerate(parts) if is_array(i) or (arrays and isinstance(i, int))]
    together = advanced == list(range(advanced[0], advanced[0] + len(advanced))) if arrays else True
    shape: list[int] = []
    block: list[int] = []
    looked_axes: list[int] = []  # of the block, for each axis of `looked`; -1 for one of one point

    def look() -> None:
        for n in looked:
            shape.append(n)
            looked_axes.append(len(block) if n != 1 else -1)
            block.extend([n] if n != 1 else [])

    if arrays and not together:
        look()
    axes: list[int] = []
    indexed: list[int] = []
    along: list[Shape] = []
    indices: list[Any] = []
    flipped: list[int] = []
    for k, part in enumerate(parts):
        d = len(axes)
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            places = range(*part.indices(x.shape[d]))
            shape.append(len(places))
            follow(x.shape[d], places, d, axes, block, indexed, along, indices, flipped)
        else:
            if together and arrays and k == advanced[0]:
                look()
            own, over = (part, ()) if isinstance(part, int) else squeezed_index(part, looked_axes)
            if len(over) == 1 and over[0] not in axes and is_range(own, x.shape[d]):
                axes.append(over[0])
                continue
            axes.append(-1)
            indexed.append(d)
            along.append(over)
            indices.append(index_from_front(x, part, d) if isinstance(part, int) else own)
    fields = tuple(block), tuple(axes), tuple(indexed), tuple(along), tuple(indices)
    return Selection(x.shape, tuple(parts), *fields, tuple(flipped), tuple(shape))


def follow(
    n: int,
    places: range,
    d: int,
    axes: list[int],
    block: list[int],
    indexed: list[int],
    along: list[Shape],
    indices: list[Any],
    flipped: list[int],
) -> None:
    """A slice of an axis of `n`: the axis itself, a window of it, or its places one by one."""
    axis, count = len(block), len(places)
    block.append(count)
    backwards = places.step == -1 and count > 1
    if backwards:
        flipped.append(axis)
        places = places[::-1]
    if count == n and (places.step == 1 or count <= 1):
        axes.append(axis)
        return
    indexed.append(d)
    if places.step == 1 or count <= 1:
        axes.append(axis)
        along.append(())
        indices.append(places[0] if count else 0)
    else:
        axes.append(-1)
        along.append((axis,))
        indices.append(np.arange(places.start, places.stop, places.step))


def squeezed_index(array: Any, axes: list[int]) -> tuple[Any, Shape]:
    """An index array without its axes of one point, and the axes of the block of the others."""
    shape = shape_of(array)
    kept = [(n, a) for n, a in zip(shape, axes[len(axes) - len(shape) :], strict=True) if n != 1]
    own = FUNCTIONS[np.reshape] if isinstance(array, Tracer) else np.reshape
    if len(kept) < len(shape):
        array = own(array, tuple(n for n, _ in kept))
    return array, tuple(a for _, a in kept)


def is_range(i: Any, n: int) -> bool:
    """Whether indices are 0, 1, ... n - 1: then they are in step with an axis."""
    if not isinstance(i, Tracer):
        return i.shape == (n,) and i.dtype.kind in "iu" and bool((i == np.arange(n)).all())
    node = i.value.node
    return i.shape == (n,) and node is not None and isinstance(node.op, Iota)


def checked_index(x: Any, i: Any) -> Any:
    """One index: int, slice of ints, None, Ellipsis, or an integer array."""
    if i is None or i is Ellipsis or (isinstance(i, int) and not isinstance(i, bool)):
        return i
    if isinstance(i, slice):
        if any(isinstance(p, Tracer) for p in (i.start, i.stop, i.step)):
            raise wrong(
                f"x[i:j]: bounds of Python ints are required for {x.type}, got a traced value",
                repaired(
                    (our_window,),
                    "wl.lax.dynamic_slice_in_dim(x, i, size), or x[i + np.arange(size)]",
                ),
            )
        return i
    if isinstance(i, np.integer):
        return int(i)
    array = i if isinstance(i, Tracer) else plain(i)
    if isinstance(array, np.ndarray) and not array.size and not isinstance(i, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind == "b" and isinstance(array, Tracer):
        raise wrong(
            f"x[mask]: a result of static shape is required, got a traced mask {array.type}",
            repaired((masked_write, masked_reduction), "np.where(mask, x, 0), in the shape of x"),
        )
    if array.dtype.kind not in "biu" or (array.dtype.kind == "b" and not array.ndim):
        raise wrong(f"x[i]: ints, slices, None, ... or integer arrays are required, got {i!r:.40}")
    return array


def full_index(x: Any, parts: list[Any]) -> list[Any]:
    """Static masks as index arrays, the ellipsis and the axes not named as full slices."""
    out: list[Any] = []
    for i in parts:
        if isinstance(i, np.ndarray) and i.dtype.kind == "b":
            covered(x, i, sum(p is not None and p is not Ellipsis for p in out), parts)
            out += np.nonzero(i)
        else:
            out.append(i)
    named = sum(i is not None and i is not Ellipsis for i in out)
    if named > x.ndim:
        raise wrong(f"x[i]: at most {x.ndim} indices are required for {text_of(x)}, got {named}")
    rest = [slice(None)] * (x.ndim - named)
    places = [k for k, i in enumerate(out) if i is Ellipsis]
    if len(places) > 1:
        raise wrong(f"x[i]: one ellipsis at most is required, got {len(places)}")
    k = places[0] if places else len(out)
    return out[:k] + rest + out[k + 1 :]


def covered(x: Any, mask: np.ndarray, before: int, parts: list[Any]) -> None:
    """Refuses a mask that is not as long as the axes that it stands for."""
    first = before
    if any(p is Ellipsis for p in parts[: next(k for k, p in enumerate(parts) if p is mask)]):
        after = [p for p in parts if p is not None and p is not Ellipsis]
        total = sum(p.ndim if is_array(p) and p.dtype.kind == "b" else 1 for p in after)
        first += x.ndim - total
    if mask.shape != x.shape[first : first + mask.ndim]:
        raise wrong(
            f"x[mask]: a mask of axes {first} to {first + mask.ndim} of {text_of(x)} is required, "
            f"got bool{list(mask.shape)}"
        )


def text_of(x: Any) -> str:
    return str(x.type) if isinstance(x, Tracer) else f"an array {list(x.shape)}"


def index_from_front(x: Any, i: int, axis: int) -> int:
    """A static index counted from the front."""
    n = x.shape[axis]
    if not -n <= i < n:
        raise wrong(
            f"x[i]: an index within {n} is required for axis {axis} of {text_of(x)}, got {i}"
        )
    return i % n


MOST = np.uint64(np.iinfo(np.int64).max)
"""What int64 holds at most; an index above it is beyond every axis as that is."""


def in_int64(indices: Any) -> np.ndarray:
    """Static indices of any dtype, to which the length of an axis can be added."""
    array = np.asarray(indices)
    return (np.minimum(array, MOST) if array.dtype == np.uint64 else array).astype(np.int64)


def from_front(indices: Any, n: int, x: Any, axis: int, mode: str | None, wrap: bool = True) -> Any:
    """Indices counted from the front; with no mode, static ones that are beyond are refused."""
    indices = operand(indices)
    kind = indices.dtype if isinstance(indices, Tracer) else np.asarray(indices).dtype
    if kind.kind not in "iu":
        raise wrong(f"x[i]: integer indices are required for axis {axis}, got {kind}")
    if mode == "wrap":
        wide = indices.astype(np.int64) if indices.dtype.itemsize < 4 else indices
        within = wide % n if n else wide
        return within.astype(np.int64) if kind.kind == "u" else within
    if isinstance(indices, Tracer):
        if kind == np.uint64:
            indices = FUNCTIONS[np.minimum](indices, MOST)
        if kind.kind == "u" or kind.itemsize < 4:
            indices = indices.astype(np.int64 if kind.itemsize > 2 else np.int32)
        return FUNCTIONS[np.where](indices < 0, indices + n, indices) if wrap else indices
    array = in_int64(indices)
    if mode is None and array.size and not (-n <= array.min() and array.max() < n):
        out = array[(array < -n) | (array >= n)].flat[0] if array.ndim else array
        raise wrong(
            f"x[i]: an index within {n} is required for axis {axis} of {text_of(x)}, got {out}"
        )
    return np.where((array < 0) & wrap, array + n, array)


def mode_of(name: str, mode: str | None) -> str | None:
    """One of "fill", "clip", "wrap", or None."""
    if mode is not None and mode not in MODES:
        raise wrong(f"{name}: a mode of {', '.join(MODES)} is required, got {mode!r}")
    return {"drop": "fill", "promise_in_bounds": None}.get(mode or "", mode)
