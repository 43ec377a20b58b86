"""Expressions of kernels: a DAG of scalar operations over loads, indices and earlier results.

Nodes compare by identity; a node with several users is one value. Every memory access goes through
an affine map from axes to a flat element index, so a view (permute, broadcast, slice, flip) is a
map and not a copy; what is affine only inside a box (pad, concatenate) adds guards, what is
computed (gather) adds index parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..ir.sizes import derived
from .scalar import BITS, OPS, KernelError


@dataclass(frozen=True)
class Buffer:
    """Memory of the caller: `size` elements, C-ordered."""

    name: str
    dtype: str
    size: int

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{self.size}]"


@dataclass(frozen=True)
class Axis:
    """`size` points. With `split = (outer, total)` those where outer * size + point < total; with
    `segment = (buffer, map)` those from buffer[map] to before buffer[map + 1]."""

    name: str
    size: int
    split: tuple[str, int] | None = None
    segment: tuple[Buffer, Map] | None = None

    @property
    def ends(self) -> tuple[Load, ...]:
        """What a segment reads: its first point, and the one after its last."""
        if not self.segment:
            return ()
        buffer, m = self.segment
        return Load(buffer, m), Load(buffer, Map(m.strides, m.offset + 1))


@dataclass(frozen=True)
class Map:
    """The flat index `offset + sum(stride * axis)`. Strides of 0 are left out."""

    strides: tuple[tuple[str, int], ...] = ()
    offset: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strides", tuple((a, s) for a, s in self.strides if s))

    def stride(self, axis: str) -> int:
        return next((s for a, s in self.strides if a == axis), 0)

    @property
    def axes(self) -> frozenset[str]:
        return frozenset(a for a, _ in self.strides)

    def renamed(self, change: Callable[[str], str | None]) -> Map:
        """The map over other axes; an axis that becomes None stays at 0."""
        kept = ((change(a), s) for a, s in self.strides)
        return Map(tuple((a, s) for a, s in kept if a is not None), self.offset)


Guard = tuple[Map, int, int]  # low <= map < high
At = tuple[tuple[int, "Expr", int], ...]  # computed parts of an index: stride, index, size


@dataclass(frozen=True, eq=False)
class Expr:
    """`op` of `args`. Subclasses are the leaves; their `args` are what their indices need."""

    op: str
    args: tuple[Expr, ...]
    dtype: str
    param: Any = None

    def __add__(self, other: Expr | float) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: float) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Expr | float) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: float) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Expr | float) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: float) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Expr | float) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: float) -> Expr:
        return apply("div", other, self)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __lt__(self, other: Expr | float) -> Expr:
        return apply("lt", self, other)

    def __gt__(self, other: Expr | float) -> Expr:
        return apply("gt", self, other)


class Leaf(Expr):
    """A node that is no scalar operation."""

    def __init__(self, dtype: str, args: tuple[Expr, ...] = (), **fields: Any) -> None:
        op = type(self).__name__.lower()
        for name, value in {
            "op": op,
            "args": args,
            "dtype": dtype,
            "param": None,
            **fields,
        }.items():
            object.__setattr__(self, name, value)


class Const(Leaf):
    """One number."""

    value: float

    def __init__(self, value: float, dtype: str) -> None:
        plain = bool if dtype == "bool" else int if dtype in BITS else float
        exact = value.__class__ is plain  # a size is, too
        super().__init__(dtype, value=value if exact else derived(plain, value))


class Load(Leaf):
    """`buffer[map + sum(stride * clamp(index, 0, size - 1))]`, or `fill` where a guard fails.

    `at` holds the computed parts (stride, index, size); `fill`, by default 0, may itself be a
    guarded load, which is a concatenation. `args` are the indices, then the fill if there are
    guards.
    """

    buffer: Buffer
    map: Map
    guards: tuple[Guard, ...]
    fill: Expr | None
    at: At

    def __init__(
        self,
        buffer: Buffer,
        map: Map,
        guards: tuple[Guard, ...] = (),
        fill: Expr | None = None,
        at: At = (),
    ) -> None:
        fill = (fill or Const(0, buffer.dtype)) if guards else None
        args = (*(index for _, index, _ in at), *((fill,) if fill else ()))
        super().__init__(
            buffer.dtype, args, buffer=buffer, map=map, guards=guards, fill=fill, at=at
        )


class Index(Leaf):
    """The value of an affine map of axes, as an integer."""

    map: Map

    def __init__(self, map: Map, dtype: str = "i64") -> None:
        super().__init__(dtype, map=map)


class Result(Leaf):
    """What a Reduce (no axes) or a Keep (its axes) of an earlier stage computed."""

    name: str
    axes: tuple[str, ...]

    def __init__(self, name: str, axes: tuple[str, ...], dtype: str) -> None:
        super().__init__(dtype, name=name, axes=axes)


def apply(op: str, *args: Expr | float, param: Any = None) -> Expr:
    """`op` of expressions, typed by its rule; a Python number takes the dtype of the others."""
    if op not in OPS:
        import difflib  # only errors need it

        near = difflib.get_close_matches(op, OPS, 3) or sorted(OPS)
        raise KernelError(f"{op}: one of the scalar operations {', '.join(near)} is required")
    of = next(
        (a.dtype for k, a in enumerate(args) if isinstance(a, Expr) and (op, k) != ("select", 0)),
        None,
    )
    if of is None:
        raise KernelError(f"{op}: at least one operand must be an expression")
    full = tuple(a if isinstance(a, Expr) else Const(a, of) for a in args)
    return Expr(op, full, OPS[op].result(tuple(a.dtype for a in full), param), param)


def walk(*roots: Expr, done: Callable[[Expr], bool] | None = None) -> Iterator[Expr]:
    """Every node once, operands before users; none that is `done`, nor what only these need."""
    seen: set[Expr] = set()
    stack: list[Expr | None] = list(reversed(roots))  # None: the operands of `users[-1]` are done
    users: list[Expr] = []
    while stack:
        e = stack.pop()
        if e is None:
            yield users.pop()
        elif e not in seen:
            seen.add(e)
            if done and done(e):
                continue
            if e.args:
                users.append(e)
                stack.append(None)
                stack += e.args[::-1]
            else:
                yield e


def rebuilt(e: Expr, leaf: Callable[[Leaf], Expr], memo: dict[Expr, Expr]) -> Expr:
    """The DAG of `e` with `leaf` of every leaf; shared nodes stay shared through `memo`."""
    for n in walk(e):
        if n not in memo:
            args = tuple(memo[a] for a in n.args)
            if isinstance(n, Leaf):
                memo[n] = leaf(with_args(n, args))
            else:
                memo[n] = n if args == n.args else Expr(n.op, args, n.dtype, n.param)
    return memo[e]


def with_args(n: Leaf, args: tuple[Expr, ...]) -> Leaf:
    """A load whose indices and fill are `args`; other leaves have none."""
    if not isinstance(n, Load) or args == n.args:
        return n
    at = tuple((s, i, size) for (s, _, size), i in zip(n.at, args, strict=False))
    return Load(n.buffer, n.map, n.guards, args[-1] if n.guards else None, at)


def expr_axes(e: Expr, outer: frozenset[str], memo: dict[Expr, frozenset[str]]) -> frozenset[str]:
    """The axes a value depends on; a result of an earlier stage depends on all `outer` axes.

    What `memo` has is not walked again: the cost of all values with one memo is linear.
    """
    stack = [] if e in memo else [e]
    while stack:
        n = stack[-1]
        if missing := [a for a in n.args if a not in memo]:
            stack += missing
            continue
        stack.pop()
        own: frozenset[str] = frozenset()
        if isinstance(n, Load):
            own = n.map.axes.union(*(g.axes for g, _, _ in n.guards))
        elif isinstance(n, Index):
            own = n.map.axes
        elif isinstance(n, Result):
            own = outer | frozenset(n.axes)
        memo[n] = own.union(*(memo[a] for a in n.args))
    return memo[e]


def bounds(m: Map, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """The least and greatest value of a map over inclusive ranges of its axes."""
    low = high = m.offset
    for a, s in m.strides:
        ends = [s * p for p in ranges[a]]
        low, high = low + min(ends), high + max(ends)
    return low, high
