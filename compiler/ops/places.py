"""Places that are computed: which axes of an array follow an element, and which are looked up.

An element o of a block stands at the place p of an array where, along axis d,

    p[d] = o[axes[d]] + indices[k][o[a] for a in along[k]]     if indexed[k] is d

with the first term 0 where axes[d] is -1, the second where d is not indexed. One row of a table for
every index, an element for every element of an index array, windows that begin at an index, arrays
in step along common axes: all are such blocks. `Gather` reads one, `Scatter` writes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..ir.errors import ProgramError
from ..ir.types import Type
from ..kernel import Const, Expr, Map
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, Shifted, dims, moved
from .family import OneResult

INDICES = ("i32", "i64")
Ints = tuple[int, ...]


class Indexed(OneResult, abstract=True):
    """What reading and writing at computed places share.

    An index is within its axis if the whole window is. `mode` says what is done where it is not:
    "clip" moves it to the nearest that is, else nothing is read or written there.
    """

    axes: Ints  # for each axis of the array: the axis of the block that it follows, or -1
    indexed: Ints  # for each index: the axis of the array that it belongs to
    along: tuple[Ints, ...]  # for each index: the axes of the block that it varies along
    mode: str

    # ---- types

    def check(self, x: Type, block: Ints, indices: Sequence[Type], modes: tuple[str, ...]) -> None:
        """Refuses what is no block of `x` at `indices`."""
        if self.mode not in modes:
            raise ProgramError(
                f"{self.name}: one of {', '.join(modes)} as mode is required, got {self.mode!r}"
            )
        self.check_axes(x, block)
        if not len(self.indexed) == len(self.along) == len(indices):
            raise ProgramError(
                f"{self.name}: {len(self.indexed)} indices are required, got {len(indices)}"
            )
        for given, over in zip(indices, self.along, strict=True):
            if given.dtype not in INDICES:
                raise ProgramError(f"{self.name}: indices of i32 or i64 are required, got {given}")
            if given.shape != tuple(block[a] for a in over):
                raise ProgramError(
                    f"{self.name}: indices along the axes {over} of a block {list(block)} "
                    f"are required, got {given}"
                )
        for d, n in enumerate(x.shape):
            window = self.window(d, block)
            if d not in self.indexed and window != n:
                raise ProgramError(
                    f"{self.name}: a block as long as axis {d} of {x} is required, got {window}"
                )
            if window > n and 0 not in block:
                raise ProgramError(
                    f"{self.name}: at least {window} elements along axis {d} are required, got {x}"
                )

    def check_axes(self, x: Type, block: Ints) -> None:
        followed = [a for a in self.axes if a >= 0]
        ran = [a for over in self.along for a in over]
        fits = (
            len(self.axes) == x.ndim
            and len(set(followed)) == len(followed)
            and set(followed) | set(ran) == set(range(len(block)))
            and all(len(set(over)) == len(over) for over in self.along)
            and len(set(self.indexed)) == len(self.indexed)
            and set(self.indexed) <= set(range(x.ndim))
            and all(d in self.indexed for d, a in enumerate(self.axes) if a < 0)
            and not {self.axes[d] for d in self.indexed} & set(ran)
        )
        if not fits:
            raise ProgramError(
                f"{self.name}: axes of {x} and of a block {list(block)} are required, "
                f"got axes={self.axes}, indexed={self.indexed}, along={self.along}"
            )

    def window(self, d: int, block: Ints) -> int:
        """Elements of the block along axis `d` of the array."""
        return 1 if self.axes[d] < 0 else block[self.axes[d]]

    # ---- with NumPy

    def numpy_places(
        self, shape: Ints, block: Ints, indices: Sequence[np.ndarray]
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """NumPy's index of a block, clipped, and where all indices are within their axes."""
        places: list[np.ndarray] = []
        valid = np.ones((1,) * len(block), bool)
        for d, a in enumerate(self.axes):
            grid = np.arange(self.window(d, block))
            places.append(grid.reshape([-1 if k == a else 1 for k in range(len(block))]))
        for d, over, given in zip(self.indexed, self.along, indices, strict=True):
            spread = np.transpose(given, np.argsort(over)).reshape(
                [block[k] if k in over else 1 for k in range(len(block))]
            )
            last = shape[d] - self.window(d, block)
            valid = valid & (spread >= 0) & (spread <= last)
            places[d] = places[d] + np.clip(spread.astype(np.int64), 0, max(last, 0))
        found = np.broadcast_arrays(*places, np.empty(block, bool))[:-1]
        return tuple(found), np.broadcast_to(valid, block)

    # ---- in kernels

    def place(
        self, at: Index, x: Type, block: Ints, read: Read, first: int
    ) -> tuple[Map | Shifted, ...]:
        """Where element `at` of the block stands in `x`; indices are the operands from `first`."""
        point = dims(at)
        out: list[Map | Shifted] = [Map() if a < 0 else point[a] for a in self.axes]
        for k, (d, over) in enumerate(zip(self.indexed, self.along, strict=True)):
            room = x.shape[d] - self.window(d, block) + 1
            index = in_i64(read(first + k, tuple(point[a] for a in over)))
            out[d] = shifted_place(out[d], index, room, self.mode == "clip")
        return tuple(out)


def in_i64(x: Expr) -> Expr:
    if isinstance(x, Const):
        return Const(x.value, "i64")
    return x if x.dtype == "i64" else scalar("cast", x, param="i64")


def shifted_place(m: Map | Shifted, index: Expr, room: int, clip: bool) -> Map | Shifted:
    """`m` moved by an index of `room` values; a known one within them becomes part of the map."""
    assert isinstance(m, Map)
    if clip and room == 1:
        return m
    if isinstance(index, Const):
        known = int(min(max(index.value, 0), room - 1) if clip else index.value)
        return moved(m, known) if 0 <= known < room else Shifted(m, Const(known, "i64"), room)
    return Shifted(m, index, room)


def computed_places(places: Sequence[Map | Shifted]) -> Iterator[Shifted]:
    return (p for p in places if isinstance(p, Shifted))


# ---------------------------------------------------------------- with a further leading axis


def batched_params(op: Indexed, moving: bool, each: Sequence[bool]) -> tuple[Ints, Ints, tuple]:
    """`axes`, `indexed` and `along` with a leading axis of the block; `moving`: of the array too,
    `each`: of each index too."""
    axes = tuple(a + 1 if a >= 0 else -1 for a in op.axes)
    along = tuple(
        ((0,) if yes else ()) + tuple(a + 1 for a in over)
        for over, yes in zip(op.along, each, strict=True)
    )
    if not moving:
        return axes, op.indexed, along
    return (0, *axes), tuple(d + 1 for d in op.indexed), along
