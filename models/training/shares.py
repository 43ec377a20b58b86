"""What each process of a training has of it: rows of every batch, and its part in what all decide.

Every process runs the same script. Those along one axis of a mesh share out the rows of batches, in
the order of their places; those along other axes have the same rows. Order, losses, scores, and
with them all decisions, are the same bits in all; the first process prints and writes.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...compiler.front import shared_trees
from ...compiler.ir.types import type_of
from ...compiler.jit.distributed import barrier, process_index
from ...compiler.jit.mesh import Mesh
from ...compiler.trace import tree as trees
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong
from .batches import mean_of_parts, mean_over, row_parts, rows

DATA = "data"  # the axis whose processes share out rows


@dataclass(frozen=True)
class Shares:
    """One process's share: the part `place` of `count` of each batch; alone, all of it."""

    mesh: Mesh | None = None
    axis: str = ""
    count: int = 1
    place: int = 0
    first: bool = True  # of all processes: it prints and writes

    def active(self) -> contextlib.AbstractContextManager[Any]:
        """Inside, programs may send along the axes of the mesh."""
        return self.mesh or contextlib.nullcontext()

    def check_divisible(self, number: int, accumulate: int) -> None:
        """That `number` rows are as many for each process, and for each part of its batch."""
        if number % self.count:
            near = max(number // self.count, 1) * self.count
            raise wrong(
                f"fit: rows of a batch that {self.count} processes share evenly are required, got "
                f"{number}",
                f"batch_size={near}",
            )
        if number // self.count % accumulate:
            raise wrong(
                f"fit: accumulate that divides the batch is required, got {accumulate} and "
                f"{number // self.count} rows"
            )

    def of(self, number: int) -> slice:
        """Which of `number` rows are this process's."""
        size = number // self.count
        return slice(self.place * size, (self.place + 1) * size)

    def agree(self, what: str, text: str) -> None:
        """Errors: a ProcessError with the line that differs from that of another process."""
        if self.mesh is not None:
            shared_trees.agree_on(f"fit: {what}", text)

    def spelled(self, tree: Any) -> str:
        """A line for each array, which says what it holds; nothing for a process alone."""
        if self.mesh is None:
            return ""
        leaves, structure = trees.flatten(tree)
        paths = map(keystr, trees.key_paths(structure))
        told = zip(paths, leaves, strict=True)
        return "\n".join(f"{path} {type_of(x)} {_checksum(x):08x}" for path, x in told)

    def agree_on_arrays(self, what: str, tree: Any, repair: str = "") -> None:
        """That a tree is the same along the axis, by sums of its bytes.

        Errors: a ProgramError in all processes, with the leaf and the process that differ.
        """
        if self.mesh is None:
            return
        leaves, structure = trees.flatten(tree)
        sums = np.array([_checksum(x) for x in leaves], np.int64)
        every = shared_trees.gathered_arrays(sums, self.mesh.axes, self.axis)
        for path, column in zip(trees.key_paths(structure), every.T, strict=True):
            if (column != column[0]).any():
                other = int(np.argmax(column != column[0]))
                raise wrong(
                    f"fit: the same {what} in all processes are required, got another "
                    f"{what}{keystr(path)} at place {other} of {self.axis!r} than at 0",
                    repair,
                )

    def mean(self, score: Callable[[Any], Any], tree: Any, most: int) -> float:
        """The mean of a score over all rows, to the bit that of one process.

        Its parts are shared out evenly; those left over, less than one each, all compute.
        """
        if self.mesh is None:
            return mean_over(score, tree, most)
        parts = row_parts(tree, most)
        each = len(parts) // self.count
        own = parts[self.place * each : (self.place + 1) * each]
        mine = np.array([score(rows(tree, part)) for part in own], np.float64)
        found = shared_trees.gathered_arrays(mine, self.mesh.axes, self.axis).ravel().tolist()
        found += [float(score(rows(tree, part))) for part in parts[len(found) :]]
        return mean_of_parts(found, parts)

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process, then the others: they find what it has compiled and kept, or fail
        as it did.
        """
        if not self.first:
            self.wait()
        try:
            yield
        finally:
            if self.first:
                self.wait()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.mesh is not None:
            barrier()


ALONE = Shares()


def shares_of(mesh: Mesh | None, alone: bool = False) -> Shares:
    """This process's share along the axis "data" of a mesh, or along its only axis.

    `alone`: no other axis has more than one process, along which weights may be split.
    """
    if mesh is None:
        return ALONE
    names = mesh.axis_names
    axis = DATA if DATA in names else names[0] if len(names) == 1 else ""
    if not axis:
        raise wrong(
            f"fit: a mesh with an axis {DATA!r} is required, got {', '.join(map(repr, names))}",
            'wl.distributed.mesh({"data": wl.distributed.process_count()})',
        )
    if alone and mesh.shape[axis] != mesh.size:
        raise wrong(
            f"fit: a mesh with all processes along {axis!r} is required, for no part of a model is "
            f"split, got {mesh.shape}",
            "wl.distributed.value_and_grad(loss, names, specs) in a step of your own",
        )
    return Shares(mesh, axis, mesh.shape[axis], mesh.place(axis), process_index() == 0)


def _checksum(x: Any) -> int:
    array = np.ascontiguousarray(x)
    return zlib.crc32(array.view(np.uint8).data, zlib.crc32(str(type_of(array)).encode()))
