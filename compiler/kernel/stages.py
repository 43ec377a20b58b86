"""Kernels: an outer space and a few stages over inner axes.

    kernel    = outer axes (the first `parallel` in parallel, the rest in order), then stages
    stage     = inner axes, and statements executed at every point of them
    statement : Reduce      values per outer point              m = max(x[1024*i + j])
                Keep        a value per inner point, for later  e[j] = exp(x[1024*i + j] - m)
                Store       to a buffer                         y[1024*i + j] = e[j] / s
                Accumulate  summed over the ordered outer axes  g[768*c + j] += x[768*r + j]

Nothing here knows a device: lowering decides loops and vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..ir.lazy import lazy
from .expr import At, Axis, Buffer, Expr, Load, Map, walk
from .text import PLAIN, Numbers, Texts, spell_extent


@dataclass(frozen=True)
class KernelReduce:
    """`names = monoid(exprs)` over all axes of the stage; argmax and argmin of value and Index."""

    names: tuple[str, ...]
    monoid: str
    exprs: tuple[Expr, ...]


@dataclass(frozen=True)
class Keep:
    """A row of scratch for later stages, laid out along `axes`, which are those of the stage."""

    name: str
    axes: tuple[str, ...]
    expr: Expr

    @property
    def exprs(self) -> tuple[Expr, ...]:
        return (self.expr,)


@dataclass(frozen=True)
class Store:
    """Writes an element. Computed parts `at` may collide along ordered axes only: the last wins.

    Nothing is written where a part is not within 0 to size - 1."""

    buffer: Buffer
    map: Map
    expr: Expr
    at: At = ()

    @property
    def exprs(self) -> tuple[Expr, ...]:
        return (self.expr, *(i for _, i, _ in self.at))


@dataclass(frozen=True)
class Accumulate:
    """Adds over the ordered outer axes, in their order. The first of them finds zero, unless `at`
    is used: then the element is combined by `monoid` with what the buffer holds, which a kernel
    before has written."""

    buffer: Buffer
    map: Map
    expr: Expr
    at: At = ()
    monoid: str = "sum"

    @property
    def exprs(self) -> tuple[Expr, ...]:
        return (self.expr, *(i for _, i, _ in self.at))


Statement = KernelReduce | Keep | Store | Accumulate


@dataclass(frozen=True)
class Stage:
    axes: tuple[Axis, ...]
    body: tuple[Statement, ...]

    @property
    def exprs(self) -> tuple[Expr, ...]:
        return tuple(e for s in self.body for e in s.exprs)


@dataclass(frozen=True)
class Kernel:
    name: str
    buffers: tuple[Buffer, ...]
    outer: tuple[Axis, ...]
    stages: tuple[Stage, ...]
    parallel: int = -1  # how many of the outer axes run in parallel; -1: all

    @property
    def free(self) -> tuple[Axis, ...]:
        """The parallel axes."""
        return self.outer if self.parallel < 0 else self.outer[: self.parallel]

    @property
    def ordered(self) -> tuple[Axis, ...]:
        return () if self.parallel < 0 else self.outer[self.parallel :]

    @property
    def axes(self) -> dict[str, Axis]:
        """All axes by name."""
        return {a.name: a for a in (*self.outer, *(a for s in self.stages for a in s.axes))}

    def loads(self) -> Iterator[tuple[int, Load]]:
        """Every load with the number of its stage."""
        return iter(self.every_load)

    @lazy
    def every_load(self) -> tuple[tuple[int, Load], ...]:
        return tuple(
            (k, e)
            for k, stage in enumerate(self.stages)
            for e in walk(*stage.exprs, *(e for a in stage.axes for e in a.ends))
            if isinstance(e, Load)
        )

    def writes(self) -> Iterator[tuple[int, Store | Accumulate]]:
        """Every statement that writes memory, with the number of its stage."""
        for k, stage in enumerate(self.stages):
            for s in stage.body:
                if isinstance(s, (Store, Accumulate)):
                    yield k, s

    def may_overwrite(self, x: Buffer, y: Buffer) -> bool:
        """Whether `y` may be written over `x`: every element is read at its own point, before it is
        written."""
        stores = [(k, s) for k, s in self.writes() if s.buffer == y]
        stages, maps = {k for k, _ in stores}, {s.map for _, s in stores}  # of pairs there are two
        if len(stages) != 1 or x.dtype != y.dtype:
            return False
        (last,) = stages
        stored = all(isinstance(s, Store) and not s.at for _, s in stores)
        return stored and all(
            k <= last and e.map in maps and not e.guards and not e.at
            for k, e in self.loads()
            if e.buffer == x
        )

    def __str__(self) -> str:
        return self.spelled(PLAIN)

    def spelled(self, numbers: Numbers) -> str:
        """The text, with numbers spelled by `numbers`."""
        head = ", ".join(map(numbers.buffer, self.buffers))
        lines, depth = [f"def {self.name}({head}):"], 1
        for a in self.outer:
            kind = "parallel" if a in self.free else "ordered"
            lines.append(f"{'    ' * depth}for {a.name} in {kind}({spell_extent(a, numbers)}):")
            depth += 1
        taken = {b.name for b in self.buffers} | set(self.axes)
        taken |= {n for s in self.stages for b in s.body for n in defined_results(b)}
        for stage in self.stages:
            inner = depth
            for a in stage.axes:
                lines.append(f"{'    ' * inner}for {a.name} in stage({spell_extent(a, numbers)}):")
                inner += 1
            if not stage.axes:
                lines.append(f"{'    ' * inner}if stage():")
                inner += 1
            lines += [f"{'    ' * inner}{line}" for line in statement_lines(stage, taken, numbers)]
        return "\n".join(lines)


def mapped(
    s: Statement, expr: Callable[[Expr], Expr], place: Callable[[Map], Map] = lambda m: m
) -> Statement:
    """The statement with `expr` of its expressions and `place` of where it writes."""
    match s:
        case KernelReduce():
            return KernelReduce(s.names, s.monoid, tuple(map(expr, s.exprs)))
        case Keep():
            return Keep(s.name, s.axes, expr(s.expr))
    at = tuple((d, expr(i), n) for d, i, n in s.at)
    return replace(s, map=place(s.map), expr=expr(s.expr), at=at)


def defined_results(s: Statement) -> tuple[str, ...]:
    """The results that a statement defines."""
    return s.names if isinstance(s, KernelReduce) else (s.name,) if isinstance(s, Keep) else ()


def statement_lines(stage: Stage, taken: set[str], numbers: Numbers) -> list[str]:
    """Lines of a stage: shared values where they are first needed, then the statement."""
    texts = Texts(stage.exprs, taken, numbers)
    for s in stage.body:
        of = [texts(e) for e in s.exprs]
        match s:
            case KernelReduce():
                line = f"{', '.join(s.names)} = {s.monoid}({', '.join(of)})"
            case Keep():
                line = f"{s.name}[{', '.join(s.axes) or '()'}] = {of[0]}"
            case _:
                place = texts.place(s.buffer, s.map, s.at, "within")
                if isinstance(s, Accumulate) and s.monoid != "sum":
                    line = f"{place} = {s.monoid}({place}, {of[0]})"
                else:
                    line = f"{place} {'=' if isinstance(s, Store) else '+='} {of[0]}"
        texts.lines.append(line)
    return texts.lines
