"""Tiny arrays side by side: each of their elements is a value, and lanes follow the long axis.

    for i in parallel(50000):                      for i in parallel(50000):
        for j in stage(3):                    →        if stage():
            y[3*i + j] = x[3*i + 2 - j]                    y[3*i] = x[3*i + 2]; ...

Which piece of a concatenation an element is of, and what its sum adds, is known before the code is
written. Sums add in the order of their elements, to 0.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

from ...kernel.expr import Axis, Const, Expr, Index, Leaf, Load, Map, Result, apply, walk
from ...kernel.monoid import MONOIDS
from ...kernel.scalar import OPS
from ...kernel.stages import Keep, Kernel, KernelReduce, Stage, Statement, Store, mapped
from .. import decisions

SIDE = 4  # points of an axis that are written out
MOST = 512  # weighted operations of all of them

Point = dict[str, int]


def unrolled(kernel: Kernel, least: int) -> Kernel:
    """The kernel without its short axes, if lanes then follow one of `least` points or more."""
    count = len(kernel.free)
    while count > 1 and kernel.free[count - 1].size <= SIDE:
        count -= 1
    serial, inner = kernel.free[count:], {a.name: a for s in kernel.stages for a in s.axes}
    rows = (*serial, *inner.values())
    if not rows or not count or kernel.ordered or kernel.free[count - 1].size < least:
        return kernel
    if not (serial or asks(kernel, inner)) or not all(map(writes_out, kernel.stages)):
        return kernel
    points = math.prod(a.size for a in serial)
    work = sum(decisions.weight(s) * math.prod(a.size for a in s.axes) for s in kernel.stages)
    short = all(a.size <= SIDE and not a.split and not a.segment for a in rows)
    if not short or points * work > MOST or any(a.split for a in kernel.free[:count]):
        return kernel
    stores: list[Store] = []
    for place in every_point(serial):
        stores += Elements(place).stores(kernel.stages)
    return replace(
        kernel, outer=kernel.free[:count], stages=(Stage((), tuple(stores)),), parallel=-1
    )


def asks(kernel: Kernel, inner: dict[str, Axis]) -> bool:
    """Whether what an element is depends on where it stands."""
    exprs = [e for s in kernel.stages for e in walk(*s.exprs)]
    guards = [m for e in exprs if isinstance(e, Load) for m, _, _ in e.guards]
    found = [*guards, *(e.map for e in exprs if isinstance(e, Index))]
    return any(not m.axes.isdisjoint(inner) for m in found)


def writes_out(stage: Stage) -> bool:
    """Whether each of its statements is one for each point."""
    return all(
        (isinstance(s, Store) and not s.at)
        or isinstance(s, Keep)
        or (isinstance(s, KernelReduce) and MONOIDS[s.monoid].op != "")
        for s in stage.body
    )


def every_point(axes: tuple[Axis, ...]) -> list[Point]:
    """All points of some axes, in order."""
    names = [a.name for a in axes]
    return [dict(zip(names, p, strict=True)) for p in product(*(range(a.size) for a in axes))]


def at_point(m: Map, point: Point) -> Map:
    """The map where some of its axes have their place."""
    offset = m.offset + sum(s * point.get(a, 0) for a, s in m.strides)
    return Map(tuple((a, s) for a, s in m.strides if a not in point), offset)


class Elements:
    """The values of all points of the short axes, at one place of the outer ones among them."""

    def __init__(self, place: Point) -> None:
        self.place = place
        self.known: dict[tuple[str, tuple[int, ...]], Expr] = {}  # results, and elements of rows

    def stores(self, stages: tuple[Stage, ...]) -> list[Store]:
        found: list[Store] = []
        for stage in stages:
            reduced: dict[str, list[Expr]] = {}
            for p in every_point(stage.axes):
                point, memo = self.place | p, dict[Expr, Expr]()
                for s in stage.body:
                    here = mapped(
                        s,
                        lambda e, point=point, memo=memo: self.value(e, point, memo),
                        lambda m, point=point: at_point(m, point),
                    )
                    found += self.defined(here, p, reduced)
            for s in stage.body:
                if isinstance(s, KernelReduce):
                    self.known[s.names[0], ()] = of_elements(s.monoid, reduced[s.names[0]])
        return found

    def defined(self, s: Statement, p: Point, reduced: dict[str, list[Expr]]) -> list[Store]:
        """Notes what a statement gives at a point, but for its stores."""
        match s:
            case KernelReduce():
                reduced.setdefault(s.names[0], []).append(s.exprs[0])
            case Keep():
                self.known[s.name, tuple(p[a] for a in s.axes)] = s.expr
            case Store():
                return [s]
        return []

    def value(self, e: Expr, point: Point, memo: dict[Expr, Expr]) -> Expr:
        """The expression at a point, without what is decided there."""
        for n in walk(e):
            if n not in memo:
                memo[n] = self.node(n, tuple(memo[a] for a in n.args), point)
        return memo[e]

    def node(self, n: Expr, args: tuple[Expr, ...], point: Point) -> Expr:
        match n:
            case Load():
                return load_at(n, args, point)
            case Index():
                m = at_point(n.map, point)
                return Index(m, n.dtype) if m.axes else Const(m.offset, n.dtype)
            case Result():
                return self.known[n.name, tuple(point[a] for a in n.axes)]
            case Leaf():
                return n
            case Expr(op="select") if isinstance(args[0], Const):
                return args[1] if args[0].value else args[2]
        if args and all(isinstance(a, Const) for a in args) and OPS[n.op].gives_bool:
            return of_numbers(n, args)
        if n.op in ("and_", "or_") and n.dtype == "bool":
            for one, other in (args, args[::-1]):
                if isinstance(one, Const):
                    return other if bool(one.value) == (n.op == "and_") else one
        return n if args == n.args else Expr(n.op, args, n.dtype, n.param)


def of_numbers(n: Expr, args: tuple[Expr, ...]) -> Const:
    """A comparison of numbers."""
    numbers = (a.value for a in args if isinstance(a, Const))
    return Const(bool(OPS[n.op].function(*numbers)), "bool")


def load_at(n: Load, args: tuple[Expr, ...], point: Point) -> Expr:
    """A load at a point: of its guards those that are not decided."""
    guards = []
    for m, low, high in n.guards:
        here = at_point(m, point)
        if here.axes:
            guards.append((here, low, high))
        elif not low <= here.offset < high:
            return args[-1]
    at = tuple((s, i, size) for (s, _, size), i in zip(n.at, args, strict=False))
    return Load(n.buffer, at_point(n.map, point), tuple(guards), args[-1] if guards else None, at)


def of_elements(monoid: str, of: list[Expr]) -> Expr:
    """The elements combined in their order; a sum is added to 0, as one of no elements is."""
    first, *rest = of
    found = apply(MONOIDS[monoid].op, Const(0, first.dtype), first) if monoid == "sum" else first
    for e in rest:
        found = apply(MONOIDS[monoid].op, found, e)
    return found
