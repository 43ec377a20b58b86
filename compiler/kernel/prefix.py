"""Prefixes: the kernels of level 2 that combine the elements along an axis in order.

    y[i, k, j] = combine(y[i, k - 1, j], x[i, k, j])      k from either end

`x` is any expression over the axes, so what computes the operand is part of the kernel. A linear
recurrence has two: y[k] = factor[k] * y[k - 1] + term[k].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .expr import Axis, Buffer, Expr, Load, Map, walk
from .monoid import RUNNING, Monoid
from .scalar import FLOATS
from .text import PLAIN, Numbers, Texts, spell_extent


@dataclass(frozen=True)
class Prefix:
    """`kind` of `exprs` along `steps`, from its last point on if `reverse`, stored at `place`."""

    name: str
    buffers: tuple[Buffer, ...]
    outer: tuple[Axis, ...]
    steps: Axis
    kind: str
    exprs: tuple[Expr, ...]
    out: Buffer
    place: Map
    reverse: bool

    @property
    def dtype(self) -> str:
        return self.out.dtype

    @property
    def monoid(self) -> Monoid:
        return RUNNING[self.kind]

    @property
    def identity(self) -> float:
        """What the first element is combined with: of a sum a zero that keeps its sign."""
        number = self.monoid.identity(self.dtype)
        return -0.0 if number == 0 and self.dtype in FLOATS else number

    @property
    def axes(self) -> dict[str, Axis]:
        return {a.name: a for a in (*self.outer, self.steps)}

    def loads(self) -> list[Load]:
        return [e for e in walk(*self.exprs) if isinstance(e, Load)]

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Whether `y` may be written over `x`: elements are read where they are written."""
        return x.dtype == y.dtype and all(
            e.map == self.place and not e.guards and not e.at for e in self.loads() if e.buffer == x
        )

    def __str__(self) -> str:
        return self.spelled(PLAIN)

    def spelled(self, numbers: Numbers) -> str:
        """The text, with numbers spelled by `numbers`."""
        lines = [f"def {self.name}({', '.join(map(numbers.buffer, self.buffers))}):"]
        for a in self.outer:
            indent = "    " * len(lines)
            lines.append(f"{indent}for {a.name} in parallel({spell_extent(a, numbers)}):")
        indent = "    " * len(lines)
        order = "backward" if self.reverse else "forward"
        lines.append(
            f"{indent}for {self.steps.name} in {order}({spell_extent(self.steps, numbers)}):"
        )
        texts = Texts(self.exprs, {b.name for b in self.buffers} | set(self.axes), numbers)
        of = ", ".join(map(texts, self.exprs))
        texts.lines.append(f"{texts.place(self.out, self.place, ())} = running_{self.kind}({of})")
        return "\n".join([*lines, *(f"{indent}    {line}" for line in texts.lines)])


def running(kind: str, axis: int, reverse: bool, *xs: np.ndarray) -> np.ndarray:
    """The prefixes of arrays by NumPy."""
    turned = [np.flip(x, axis) if reverse else x for x in xs]
    with np.errstate(all="ignore"):
        out = RUNNING[kind].accumulated(axis, *turned)
    return np.ascontiguousarray(np.flip(out, axis) if reverse else out)
