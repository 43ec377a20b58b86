"""Ops that NumPy computes on the calling thread, on whole arrays: linear algebra, transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Value, apply_all
from ..ir.symbolic import flat, repeated
from ..ir.types import Type, spelled

Arrays = tuple[np.ndarray, ...]


class OnHost(Op, abstract=True):
    """Computed by NumPy on whole arrays, between kernels, on the CPU and beside a GPU.

    A member says `results`, the types, and `computed`, the arrays; leading axes are a batch, so
    that a vmap is one more of them. It runs in loops and branches as any op, and its bits are the
    same on every run. Complex operands reach it as they are: compiled programs hold their parts,
    `joined` says of which operands; these are put together for the call, and complex results are
    taken apart after it.
    """

    hosted = True
    joined: tuple[bool, ...] = field(default=(), kw_only=True)
    """Of a compiled program with complex values: which operands come in two parts."""

    def __post_init__(self) -> None:
        if self.joined and self.arity >= 0:
            object.__setattr__(self, "arity", self.arity + sum(self.joined))

    def results(self, *args: Type) -> tuple[Type, ...]:
        """The types of the results, or a ProgramError."""
        raise CompilerError(f"op '{self.name}' has no type rule")

    def computed(self, *args: np.ndarray) -> Arrays:
        """The results, of the types that `results` says."""
        raise CompilerError(f"op '{self.name}' has no reference")

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not self.joined:
            return self.results(*args)
        if len(args) != len(self.joined) + sum(self.joined):
            wanted = f"parts as {self.joined} says are required"
            raise ProgramError(f"{self.name}: {wanted}, got {len(args)} operands")
        for re, *im in self.by_operand(args):
            if im and (re != im[0] or re.dtype not in COMPLEX_OF):
                got = spelled((re, *im))
                raise ProgramError(f"{self.name}: two parts of one type are required, got {got}")
        parts = self.by_operand(args)
        found = self.results(*(re.of(COMPLEX_OF[re.dtype]) if im else re for re, *im in parts))
        return tuple(p for t in found for p in ((t.part, t.part) if t.is_complex else (t,)))

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            if not self.joined:
                found = self.computed(*args)
                return found[0] if len(found) == 1 else found
            found = self.computed(*(of_parts(*p) for p in self.by_operand(args)))
        parts = ((np.real(a), np.imag(a)) if np.iscomplexobj(a) else (a,) for a in found)
        return tuple(p for both in parts for p in both)

    def by_operand(self, args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Each operand: its two parts, or itself."""
        parts = iter(args)
        return ((next(parts), next(parts)) if two else (next(parts),) for two in self.joined)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return apply_all(self, *repeated(args, batched, size))

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        of = replace(self, joined=tuple(isinstance(a, Pair) for a in args))
        found = iter(apply_all(of, *flat(args)))
        return tuple(
            Pair(next(found), next(found)) if t.is_complex else next(found) for t in node.types
        )


COMPLEX_OF = {"f32": "c64", "f64": "c128"}


def of_parts(re: np.ndarray, *im: np.ndarray) -> np.ndarray:
    """A complex array of its parts, infinite ones too; a real one as it is."""
    if not im:
        return re
    whole = np.empty(re.shape, np.result_type(re, np.complex64))
    whole.real, whole.imag = re, *im
    return whole
