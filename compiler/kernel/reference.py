"""The meaning of a kernel, executed with NumPy: all points of a stage at once.

Sums run in NumPy's order and products are rounded before they are added, so floats agree with
machine code to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .expr import At, Const, Expr, Index, Leaf, Load, Map, Result, walk
from .monoid import MONOIDS
from .scalar import NUMPY, OPS
from .stages import Accumulate, Keep, Kernel, KernelReduce, Stage, Store

Array = np.ndarray[Any, Any]


def reference(kernel: Kernel, arrays: Mapping[str, Array]) -> None:
    """Executes `kernel` on flat arrays by buffer name; what it writes is written in place."""
    with np.errstate(all="ignore"):
        run = Reference(kernel, arrays)
        for stage in kernel.stages:
            run.stage(stage)


class Reference:
    """Values are arrays with a dimension per axis of the kernel, 1 where they are constant."""

    def __init__(self, kernel: Kernel, arrays: Mapping[str, Array]) -> None:
        self.kernel, self.arrays = kernel, arrays
        self.axes = list(kernel.axes.values())
        self.order = {a.name: k for k, a in enumerate(self.axes)}
        self.index = {a.name: np.arange(a.size).reshape(self.along(a.name)) for a in self.axes}
        self.results: dict[str, Array] = {}

    def along(self, axis: str) -> tuple[int, ...]:
        return tuple(-1 if k == self.order[axis] else 1 for k in range(len(self.order)))

    def place(self, m: Map) -> Array:
        start = np.full((1,) * len(self.order), m.offset, np.int64)
        return sum((s * self.index[a] for a, s in m.strides), start)

    def with_parts(self, m: Map, at: At, memo: dict[Expr, Array]) -> Array:
        return sum(
            (s * np.clip(memo[i].astype(np.int64), 0, n - 1) for s, i, n in at), self.place(m)
        )

    def live(self, stage: Stage) -> Array:
        """Which points exist: the last block of a split axis is short."""
        live = np.ones((1,) * len(self.order), bool)
        for a in (*self.kernel.outer, *stage.axes):
            if a.split:
                live = live & (self.index[a.split[0]] * a.size + self.index[a.name] < a.split[1])
            if a.segment:
                first, last = (self.load(e, {}) for e in a.ends)
                live = live & (first <= self.index[a.name]) & (self.index[a.name] < last)
        return live

    # ---- expressions

    def value(self, e: Expr, memo: dict[Expr, Array]) -> Array:
        for n in walk(e):
            if n not in memo:
                memo[n] = self.leaf(n, memo) if isinstance(n, Leaf) else self.operation(n, memo)
        return memo[e]

    def operation(self, n: Expr, memo: dict[Expr, Array]) -> Array:
        extra = () if n.param is None else (n.param,)
        out = OPS[n.op].function(*(memo[a] for a in n.args), *extra)
        assert out.dtype == NUMPY[n.dtype], (n.op, out.dtype, n.dtype)
        return out

    def leaf(self, n: Leaf, memo: dict[Expr, Array]) -> Array:
        match n:
            case Const():
                return np.full((1,) * len(self.order), n.value, NUMPY[n.dtype])
            case Index():
                return self.place(n.map).astype(NUMPY[n.dtype])
            case Result():
                return self.results[n.name]
            case Load():
                return self.load(n, memo)
        raise AssertionError(n)

    def load(self, n: Load, memo: dict[Expr, Array]) -> Array:
        at, flat = self.with_parts(n.map, n.at, memo), self.arrays[n.buffer.name]
        found = flat[np.clip(at, 0, flat.size - 1)] if flat.size else np.zeros(at.shape, flat.dtype)
        if not n.guards:
            return found
        inside = np.ones((1,) * len(self.order), bool)
        for m, low, high in n.guards:
            g = self.place(m)
            inside = inside & (low <= g) & (g < high)
        assert n.fill is not None
        return np.where(inside, found, memo[n.fill])

    # ---- statements

    def guarded(self, at: At, memo: dict[Expr, Array]) -> Array:
        """Which points have all computed parts within their range."""
        found = np.ones((1,) * len(self.order), bool)
        for _, i, n in at:
            found = found & (memo[i] >= 0) & (memo[i] < n)
        return found

    def stage(self, stage: Stage) -> None:
        """All values first, then what is written: within a point every read precedes the writes."""
        here = [self.order[a.name] for a in (*self.kernel.outer, *stage.axes)]
        full = tuple(a.size if k in here else 1 for k, a in enumerate(self.axes))
        over = tuple(self.order[a.name] for a in stage.axes)
        memo: dict[Expr, Array] = {}
        values = [
            tuple(np.broadcast_to(self.value(e, memo), full) for e in s.exprs) for s in stage.body
        ]
        live = np.broadcast_to(self.live(stage), full)
        for s, of in zip(stage.body, values, strict=True):
            here = live
            if isinstance(s, Store | Accumulate):
                here = live & np.broadcast_to(self.guarded(s.at, memo), full)
            match s:
                case KernelReduce():
                    self.reduce(s, of, live, over)
                case Keep():
                    self.results[s.name] = of[0]
                case Store():
                    at = np.broadcast_to(self.with_parts(s.map, s.at, memo), full)
                    self.arrays[s.buffer.name][at[here]] = of[0][here]
                case Accumulate():
                    at = np.broadcast_to(self.with_parts(s.map, s.at, memo), full)
                    flat = self.arrays[s.buffer.name]
                    if not s.at:
                        flat[at[live]] = 0
                    MONOIDS[s.monoid].numpy.at(flat, at[here], of[0][here])

    def reduce(
        self, s: KernelReduce, of: tuple[Array, ...], live: Array, over: tuple[int, ...]
    ) -> None:
        m, dtype = MONOIDS[s.monoid], of[0].dtype
        value = np.where(live, of[0], dtype.type(m.identity(s.exprs[0].dtype)))
        if m.fields == 1:
            found = m.numpy.reduce(value, axis=over, keepdims=True, dtype=dtype)
            self.results[s.names[0]] = found
            return
        ends = self.along_ends(value, over)
        flat, places = value.reshape(ends), np.broadcast_to(of[1], value.shape).reshape(ends)
        best = m.numpy(flat, axis=-1, keepdims=True)
        kept = tuple(1 if k in over else n for k, n in enumerate(value.shape))
        for name, field in zip(s.names, (flat, places), strict=True):
            self.results[name] = np.take_along_axis(field, best, -1).reshape(kept)

    @staticmethod
    def along_ends(value: Array, over: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with the reduced axes, which are the last of those that vary, as one."""
        kept = [n for k, n in enumerate(value.shape) if k not in over]
        return (*kept, int(np.prod([value.shape[k] for k in over], dtype=np.int64)))
