"""What a rule of the user's must give: checked, with errors that name its line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.source import Source, is_own, location, user_source
from ...ir.types import Type
from ...trace import tree
from ...trace.operands import new, value
from ...trace.trace import aval
from ...trace.tracer import Tracer
from ...trace.tree import Structure


@dataclass(frozen=True)
class Checked:
    """Errors about what a rule of the user's gives; they name its line."""

    kind: str
    name: str
    part: str
    function: Callable[..., Any]

    def __call__(self, required: str, got: str, repair: str = "") -> ProgramError:
        what = f"{self.kind}: {required} of the {self.part} of {self.name}, {got}"
        return ProgramError(what, location(line_of(self.function)), repair)

    def leaves(self, what: str, found: Any, structure: Structure) -> list[Any]:
        leaves, got = tree.flatten(found)
        if got != structure:
            raise ProgramError(
                f"{self.kind}: {what} the {self.part} of {self.name} must have the structure of "
                f"its results, {tree.difference(structure, got)}",
                location(line_of(self.function)),
            )
        return leaves

    def fit(self, what: str, x: Any, of: Type, path: str) -> Any:
        """`x` as a value of this type."""
        if not isinstance(x, (Tracer, np.ndarray, np.generic, bool, int, float)):
            raise self(f"{what} {of} is required{path and f' at {path}'}", f"got {described(x)}")
        got, weak = aval(x)
        if got != of and not (weak and got.shape == of.shape):
            repair = f"x.astype(np.{of.numpy})" if got.shape == of.shape else ""
            raise self(f"{what} {of} is required{path and f' at {path}'}", f"got {got}", repair)
        return new(value(x, of.dtype))

    def cotangents(self, found: Any, inputs: Structure, types: Sequence[Type]) -> list[Any]:
        """A cotangent for every float leaf of the arguments."""
        count = len(inputs.children)
        if not isinstance(found, (tuple, list)) or len(found) != count:
            raise self(
                f"a tuple of {count} cotangents, one for each argument, is required",
                f"got {described(found)}",
                "return ct_x, ... with None for zero; a comma after a single one",
            )
        given: list[Any] = []
        for i, (ct, structure) in enumerate(zip(found, inputs.children, strict=True)):
            given += self.spread(ct, structure, f"[{i}]")
        every = zip(given, types, tree.paths(inputs), strict=True)
        return [
            self.fit("a cotangent", np.zeros(of.shape, of.numpy) if ct is None else ct, of, path)
            for ct, of, path in every
            if of.is_inexact
        ]

    def spread(self, ct: Any, structure: Structure, path: str) -> list[Any]:
        """The leaves of a cotangent, None for all of a part that is None."""
        if ct is None:
            return [None] * structure.size
        if structure.container is None:
            return [ct]
        leaf_free = tree.flatten(ct)[1]
        keys = tree.paths(Structure((*structure[:2], (tree.structure(0),) * len(structure[2]))))
        shallow = leaf_free.container, leaf_free.data, len(leaf_free.children)
        if shallow != (structure.container, structure.data, len(structure.children)):
            raise ProgramError(
                f"{self.kind}: the cotangents of the {self.part} of {self.name} must have the "
                f"structure of its arguments, "
                f"{tree.difference(structure, leaf_free, path)}",
                location(line_of(self.function)),
            )
        found: list[Any] = []
        for part, child, key in zip(children_of(ct), structure.children, keys, strict=True):
            found += self.spread(part, child, path + key)
        return found


def children_of(container: Any) -> list[Any]:
    """The children of a container, in the order of its structure."""
    if isinstance(container, dict):
        return [container[k] for k in sorted(container)]
    if isinstance(container, (list, tuple)):
        return list(container)
    return [getattr(container, name) for name in tree.fields_of(type(container))]


def described(x: Any) -> str:
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    if isinstance(x, (Tracer, np.ndarray)):
        return str(aval(x)[0])
    return f"{type(x).__name__} {x!r:.40}"


def line_of(function: Callable[..., Any]) -> Source | None:
    """The line at which a user's function begins; the call's where that is unknown."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or is_own(code.co_filename):
        return user_source()
    return Source(code.co_filename, code.co_firstlineno)
