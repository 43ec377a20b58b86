"""Which part of an array each process has, how whole arrays are split, and put together again.

    specs = {"rows": PartitionSpec("data"), "w": PartitionSpec()}
    both = {"rows": xs, "w": w}
    own = wl.vmap(lambda _: shard(both, specs), axis_name="data")(np.arange(2))
    assert own["rows"].shape == (2, 2, 3) and own["w"].shape == (2, 3)

A tree of specs has the containers of the arrays down to some depth: one spec may stand for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.collectives import all_gather, axis_index, axis_size
from ...compiler.front.lax.lax import dynamic_slice_in_dim
from ...compiler.ir.explain import explained
from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace import tree
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong
from ..optim.masks import spread

__all__ = ["PartitionSpec", "shard", "unshard"]

Tree = Any
Names = str | tuple[str, ...]


class PartitionSpec:
    """For each axis of an array the name along which processes share it out, or None.

    Axes that are not spoken of are whole; several names in a tuple are one, the first outermost.
    """

    __slots__ = ("names",)

    def __init__(self, *names: Names | None) -> None:
        self.names = names

    @property
    def axes(self) -> tuple[str, ...]:
        """All names: along others every process has the same."""
        return tuple(n for name in self.names if name is not None for n in listed(name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSpec) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"PartitionSpec({', '.join(map(repr, self.names))})"


WHOLE = PartitionSpec()


def listed(name: Names) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else tuple(name)


def specs_of(name: str, specs: Tree, arrays: Tree) -> list[PartitionSpec]:
    """The spec of each array."""
    found = spread(name, specs, arrays)
    for spec in found:
        if not isinstance(spec, PartitionSpec):
            raise wrong(f"{name}: a PartitionSpec for each array is required, got {spec!r:.40}")
    return found


def by_spec(name: str, f: Callable[[Any, PartitionSpec], Any], arrays: Tree, specs: Tree) -> Tree:
    leaves, structure = tree.flatten(arrays)
    pairs = zip(leaves, specs_of(name, specs, arrays), strict=True)
    return tree.unflatten(structure, [f(x, spec) for x, spec in pairs])


def shared_axes(spec: PartitionSpec) -> Iterable[tuple[int, Names]]:
    return ((axis, name) for axis, name in enumerate(spec.names) if name is not None)


@explained
def shard(arrays: Tree, specs: Tree) -> Tree:
    """Of arrays that all processes have whole, each process's part: equal ones, in the order of
    places.
    """

    paths = tree.key_paths(tree.structure(arrays))

    def part(x: Any, spec: PartitionSpec) -> Any:
        path = keystr(next(paths))
        for axis, name in shared_axes(spec):
            n = axis_size(name)
            if axis >= np.ndim(x) or np.shape(x)[axis] % n:
                given = f"{Type(dtype_name(x.dtype), np.shape(x))}{path and ' at '}{path}"
                raise wrong(
                    f"shard: a multiple of {n} elements along axis {axis} is required, got {given}",
                    "PartitionSpec() for it, which leaves it whole, or an array of other sizes",
                )
            size = np.shape(x)[axis] // n
            x = dynamic_slice_in_dim(x, axis_index(name) * size, size, axis)
        return x

    return by_spec("shard", part, arrays, specs)


@explained
def unshard(parts: Tree, specs: Tree) -> Tree:
    """The whole arrays of which processes have parts, in all of them: shard, turned round."""

    def together(x: Any, spec: PartitionSpec) -> Any:
        for axis, name in shared_axes(spec):
            x = all_gather(x, name, axis=axis, tiled=True)
        return x

    return by_spec("unshard", together, parts, specs)
