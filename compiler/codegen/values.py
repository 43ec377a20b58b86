"""Expressions to lines: each value is computed once, at the outermost loop that has all its axes.

A `Level` is one loop's body. A value has one lane unless it varies along the vector axis; that and
the rule above give hoisting, scalar arithmetic and broadcasts. Equal lines of one level are one
value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..kernel.expr import (
    At,
    Axis,
    Const,
    Expr,
    Guard,
    Index,
    Load,
    Map,
    Result,
    bounds,
    expr_axes,
    walk,
)
from ..kernel.stages import Accumulate, Statement, Store
from .printer import Node, Suite, operation
from .slots import Slots, plain_literal

Term = tuple[frozenset[str], str]  # a summand of an index, and the axes it varies along
LEAST_I32, MOST_I32 = -(1 << 31), (1 << 31) - 1


@dataclass
class Level:
    """The body of one loop, the axes that it adds, and the values it has computed."""

    body: list[Node]
    axes: frozenset[str]
    known: dict[object, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """Where a result lives: in the variable `name`, or at that pointer in scratch through `map`.

    `wide`: every element has a lane per column. `padded`: the row may be read and written past its
    end. `origin`: the index that the first element of the memory stands for.
    """

    name: str
    wide: bool
    map: Map | None = None
    padded: bool = False
    origin: str = "0"
    dtype: str = ""  # if it may differ from the result's


@dataclass
class Values:
    """Writes values at a point, known by the levels around it, the vector axis, a tail's mask."""

    slots: Slots
    axes: dict[str, Axis]
    outer: frozenset[str]
    levels: list[Level]
    vector: str = ""
    lanes: int = 1
    mask: str | None = None
    ended: bool = False  # whether lanes outside of the mask are those of points that ended before
    results: dict[str, Home] = field(default_factory=dict)
    close: int = 2  # steps that the text says itself
    turned: dict[tuple[str, Map], Home] = field(default_factory=dict)  # loads that scratch holds
    memo: dict[Expr, frozenset[str]] = field(default_factory=dict)
    wides: dict[Expr, bool] = field(default_factory=dict)

    def follow(self, vector: str, lanes: int) -> None:
        """From here on, lanes follow `vector`."""
        self.vector, self.lanes = vector, lanes
        self.wides = {}

    @property
    def here(self) -> Level:
        return self.levels[-1]

    @property
    def inside(self) -> bool:
        """Whether the vector axis is one of the loops around this point."""
        return any(self.vector in level.axes for level in self.levels)

    # ---- levels

    def level_of(self, axes: Iterable[str]) -> Level:
        """The innermost level that adds one of `axes`."""
        axes = frozenset(axes)
        for level in reversed(self.levels):
            if not level.axes.isdisjoint(axes):
                return level
        return self.levels[0]

    def line(self, level: Level, text: str, stem: str = "t") -> str:
        """The name of the value that `text` computes in `level`."""
        if text not in level.known:
            level.known[text] = name = self.slots.names.numbered(stem)
            level.body.append(f"{name} = {text}")
        return level.known[text]

    def wide(self, e: Expr) -> bool:
        """Whether a value has a lane per point of the vector axis."""
        for n in walk(e, done=self.wides.__contains__) if e not in self.wides else ():
            own = False
            if isinstance(n, Load):
                own = self.vector in n.map.axes or any(
                    self.vector in g.axes for g, _, _ in n.guards
                )
            elif isinstance(n, Index):
                own = self.vector in n.map.axes
            elif isinstance(n, Result):
                own = self.vector in n.axes or self.results[n.name].wide
            self.wides[n] = own or any(self.wides[a] for a in n.args)
        return self.wides[e]

    def by_lanes(self, axis: Axis) -> bool:
        """Whether lanes are blocks of the axis."""
        return bool(axis.split) and self.lanes > 1 and axis.split[0] == self.vector

    def ragged(self, axis: Axis) -> bool:
        """Whether lanes are blocks of the axis, and the last is short."""
        return self.by_lanes(axis) and bool(axis.split) and axis.split[1] % axis.size > 0

    def lanes_of(self, e: Expr) -> int:
        return self.lanes if self.wide(e) else 1

    def axes_of(self, e: Expr) -> frozenset[str]:
        return expr_axes(e, self.outer, self.memo)

    # ---- indices

    def terms(self, of: str, m: Map) -> list[Term]:
        """The summands of an affine index."""
        out: list[Term] = [(frozenset(), self.slots.offset(of, m))] if m.offset else []
        for a, s in m.strides:
            name = self.slots.axis(a)
            out.append(
                (frozenset((a,)), name if s == 1 else f"{name} * {self.slots.stride(of, m, a)}")
            )
        return out

    def sum(self, terms: Sequence[Term]) -> str:
        """The sum of an index's terms; what outer loops know is added there."""
        found: list[str] = []
        for level in self.levels:
            found += [t for axes, t in terms if self.level_of(axes) is level]
            if level is not self.here and found and (len(found) > 1 or "*" in found[0]):
                found = [self.line(level, " + ".join(found), "at")]
        return " + ".join(found) or "0"

    def place(self, of: str, m: Map, at: At = ()) -> str:
        """An index whose computed parts are scalars."""
        return self.sum(self.terms(of, m) + [self.scalar_part(p) for p in at])

    def scalar_part(self, part: tuple[int, Expr, int]) -> Term:
        """stride * clamp(index) for an index of one lane."""
        _, index, _ = part
        stride, size = self.slots.part(part)
        value = self.value(index)
        text = value if isinstance(index, Const) and plain_literal(index) else f"scalar({value})"
        axes = self.axes_of(index)
        name = self.line(self.level_of(axes), f"min(max({text}, 0), {size} - 1)", "at")
        return axes, name if stride == "1" else f"{name} * {stride}"

    def lane_places(self, n: Load) -> str:
        """The vector of indices of a gather."""
        level = self.level_of(self.axes_of(n))
        scalar = [p for p in n.at if not self.wide(p[1])]
        base = self.sum(self.terms(n.buffer.name, n.map) + [self.scalar_part(p) for p in scalar])
        text = base
        if step := n.map.stride(self.vector):
            stride = (
                "" if step == 1 else f" * {self.slots.stride(n.buffer.name, n.map, self.vector)}"
            )
            text += f" + iota(0, i64, {self.lanes}){stride}"
        for p in n.at:
            if self.wide(p[1]):
                stride, size = self.slots.part(p)
                index = (
                    self.value(p[1]) if p[1].dtype == "i64" else f"cast({self.value(p[1])}, i64)"
                )
                clamped = self.line(level, f"minimum(maximum({index}, 0), {size} - 1)", "at")
                text = f"{clamped} + {text}" if stride == "1" else f"{clamped} * {stride} + {text}"
        return self.line(level, text, "at")

    # ---- values

    def value(self, root: Expr) -> str:
        """The name or literal of a value; what is not known is computed at its own level."""
        depth = self.levels
        for e in walk(root, done=self.is_known):
            if isinstance(e, Const):
                self.constant(e)
                continue
            level = self.level_of(self.axes_of(e))
            self.levels = depth[: depth.index(level) + 1]
            level.known[e] = self.leaf(e) or self.line(level, self.applied(e))
            self.levels = depth
        return self.name(root)

    def is_known(self, e: Expr) -> bool:
        """Whether a value was computed at its level; so was then what it is made of, at theirs."""
        return not isinstance(e, Const) and e in self.level_of(self.axes_of(e)).known

    def name(self, e: Expr) -> str:
        """The name of a value that is known."""
        return self.constant(e) if isinstance(e, Const) else self.level_of(self.axes_of(e)).known[e]

    def constant(self, e: Const) -> str:
        return plain_literal(e) or self.slots.constant(e)

    def applied(self, e: Expr) -> str:
        """The words of an operation.

        A literal takes the dtype of the operand beside it: where all are literals, one is a vector.
        """
        names = [self.name(a) for a in e.args]
        match e.op, e.args:
            case (("shift_left" | "shift_right"), (_, Const(value=by))):
                names[1] = repr(by)
        operands = range(len(e.args))
        beside = [operands[:1], operands[1:]] if e.op == "select" else [operands]
        for alike in beside:
            if all(isinstance(e.args[k], Const) for k in alike):
                k = alike[0]
                names[k] = f"full({names[k]}, {e.args[k].dtype}, 1)"
        return operation(e.op, names, e.args[-1].dtype, e.param)

    def leaf(self, e: Expr) -> str | None:
        """The name of a leaf, None for an operation."""
        match e:
            case Index():
                return self.line(self.here, self.index(e), "n")
            case Result():
                return self.result(e)
            case Load():
                return self.branched(e) or self.line(self.here, self.load(e), "v")
            case Expr(op="cast", args=(Index(dtype="i64") as i,)) if self.short(i.map):
                return self.line(
                    self.here, f"cast({self.line(self.here, self.index(i, 'i32'), 'n')}, {e.param})"
                )
        return None

    def short(self, m: Map) -> bool:
        """Whether an index fits 32 bits, which convert faster."""
        low, high = bounds(m, {a: (0, max(self.axes[a].size - 1, 0)) for a in m.axes})
        return low >= LEAST_I32 and high <= MOST_I32

    def index(self, e: Index, dtype: str = "") -> str:
        dtype = dtype or e.dtype
        at, step = self.place("index", e.map), e.map.stride(self.vector)
        if not step:
            return f"full({at}, {dtype}, 1)"
        if step == 1:
            return f"iota({at}, {dtype}, {self.lanes})"
        steps = (
            f"iota(0, i64, {self.lanes}) * {self.slots.stride('index', e.map, self.vector)} + {at}"
        )
        return f"{steps}" if dtype == "i64" else f"cast({steps}, {dtype})"

    def result(self, e: Result) -> str:
        home, lanes = self.results[e.name], self.lanes_of(e)
        if home.map is None:
            narrow = home.dtype not in ("", e.dtype)
            return self.line(self.here, f"cast({home.name}, {e.dtype})") if narrow else home.name
        mask = self.mask if lanes > 1 and not home.padded else None
        step = 1 if home.wide else home.map.stride(self.vector)
        place = self.place(e.name, home.map)
        place = place if home.origin == "0" else f"{place} - {home.origin}"
        text = self.read(home.name, place, self.step(e.name, home.map, step), lanes, mask)
        return self.line(self.here, text, "v")

    # ---- loads

    def load(self, n: Load) -> str:
        """The words of a load: neighbours, steps or a gather, under masks of tail and guards."""
        lanes = self.lanes_of(n)
        if home := not (n.guards or n.at) and self.turned.get((n.buffer.name, n.map)):
            assert home.map is not None
            return f"load({home.name}, {self.place(home.name, home.map)}, {lanes})"
        tests = [t for g in n.guards for t in self.guard(g, lanes)]
        tests += [self.mask] if self.mask and lanes > 1 else []
        mask = " & ".join(tests)
        if len(tests) > 1:
            mask = self.line(self.here, mask, "mask")
        fill = self.name(n.fill) if n.fill is not None else "0"
        p = self.slots.buffer(n.buffer.name)
        if any(self.wide(i) for _, i, _ in n.at):
            places = self.lane_places(n)
            return (
                f"gather_where({p}, {places}, {mask}, {fill})" if mask else f"gather({p}, {places})"
            )
        place, step = self.place(n.buffer.name, n.map, n.at), n.map.stride(self.vector)
        return self.read(p, place, self.step(n.buffer.name, n.map, step), lanes, mask or None, fill)

    def branched(self, n: Load) -> str | None:
        """A guarded load of full vectors: most lie inside all guards and need no mask."""
        ends = self.inside_guards(n)
        if self.mask or not ends or self.lanes_of(n) == 1:
            return None
        name, here = self.slots.names.numbered("v"), self.here
        step = n.map.stride(self.vector)
        p, stride = self.slots.buffer(n.buffer.name), self.step(n.buffer.name, n.map, step)
        plain = self.read(p, self.place(n.buffer.name, n.map, n.at), stride, self.lanes, None)
        partly = Level([], here.axes, dict(here.known))
        self.levels = [*self.levels[:-1], partly]
        partly.body.append(f"{name} = {self.load(n)}")
        self.levels = [*self.levels[:-1], here]
        here.body += [
            Suite(f"if {' and '.join(ends)}", [f"{name} = {plain}"]),
            Suite("else", partly.body),
        ]
        return name

    def inside_guards(self, n: Load) -> list[str]:
        """The conditions under which all lanes are inside the guards, if a branch can tell."""
        steps = {g.stride(self.vector) for g, _, _ in n.guards}
        if not steps <= {0, 1} or any(self.wide(i) for _, i, _ in n.at):
            return []
        ends: list[str] = []
        for g in n.guards:
            at, last = (
                self.place("guard", g[0]),
                f" + {self.lanes - 1}" if g[0].stride(self.vector) else "",
            )
            lower, upper = self.needed(g)
            ends += [f"{at} >= {self.slots.bound(g, False)}"] * lower
            ends += [f"{at}{last} < {self.slots.bound(g, True)}"] * upper
        return ends

    def needed(self, g: Guard) -> tuple[bool, bool]:
        """Which bounds of a guard do not always hold."""
        m, low, high = g
        least, most = bounds(m, {a: (0, max(self.axes[a].size - 1, 0)) for a in m.axes})
        return least < low, most >= high

    def read(
        self, p: str, place: str, step: str, lanes: int, mask: str | None, fill: str = "0"
    ) -> str:
        """Reads `lanes` elements `step` apart."""
        if step == "1" or lanes == 1:
            return (
                f"load_where({p}, {place}, {mask}, {fill})"
                if mask
                else f"load({p}, {place}, {lanes})"
            )
        if mask:
            return f"load_strided_where({p}, {place}, {step}, {mask}, {fill})"
        return f"load_strided({p}, {place}, {step}, {lanes})"

    def step(self, of: str, m: Map, step: int) -> str:
        """The distance of neighbouring lanes."""
        return str(step) if 0 <= step <= self.close else self.slots.stride(of, m, self.vector)

    def guard(self, g: Guard, lanes: int) -> list[str]:
        """Masks that hold where low <= map < high; a bound that always holds needs none."""
        m, step = g[0], g[0].stride(self.vector)
        level, at, tests = self.level_of(m.axes), self.place("guard", m), []
        for upper, needed in enumerate(self.needed(g)):
            if needed:
                bound = self.slots.bound(g, bool(upper))
                tests.append(
                    self.line(
                        level,
                        test(at, step, bound, bool(upper), lanes, self.step("guard", m, step)),
                        "mask",
                    )
                )
        return tests

    # ---- writes

    def spread(self, e: Expr, name: str, wide: bool) -> str:
        """A value as a vector that can be written."""
        lanes = self.lanes if wide else 1
        if isinstance(e, Const) and plain_literal(e):
            return f"full({name}, {e.dtype}, {lanes})"
        return f"widened({name}, {lanes})" if lanes > self.lanes_of(e) else name

    def write(self, p: str, place: str, step: str, value: str, mask: str | None) -> None:
        """Writes a value at this point."""
        if step == "1":
            text = (
                f"store_where({p}, {place}, {value}, {mask})"
                if mask
                else f"store({p}, {place}, {value})"
            )
        elif mask:
            text = f"store_strided_where({p}, {place}, {step}, {value}, {mask})"
        else:
            text = f"store_strided({p}, {place}, {step}, {value})"
        self.here.body.append(text)

    @contextlib.contextmanager
    def guarded(self, at: At) -> Iterator[None]:
        """What is written inside is written where all computed parts are within their range."""
        if not at:
            yield
            return
        tests = []
        for part in at:
            _, index, _ = part
            value, (_, size) = self.value(index), self.slots.part(part)
            text = (
                value if isinstance(index, Const) and plain_literal(index) else f"scalar({value})"
            )
            level = self.level_of(self.axes_of(index))
            tests.append(self.line(level, f"0 <= {text} and {text} < {size}", "inside"))
        suite = Suite(f"if {' and '.join(tests)}")
        inner = Level(suite.body, self.here.axes, dict(self.here.known))
        outer, self.levels = self.levels, [*self.levels[:-1], inner]
        yield
        self.levels = outer
        self.here.body.append(suite)

    def written(self, s: Store | Accumulate, value: str) -> None:
        """The write of one statement; a vector where the vector axis is among the loops."""
        of, wide = s.buffer.name, self.inside
        step = self.step(of, s.map, s.map.stride(self.vector)) if wide else "1"
        self.write(
            self.slots.buffer(of),
            self.place(of, s.map, s.at),
            step,
            value,
            self.mask if wide else None,
        )

    def stored(self, s: Store, value: str) -> None:
        with self.guarded(s.at):
            self.written(s, self.spread(s.expr, value, self.inside))

    def stored_pair(self, s: Store, value: str, t: Store, other: str) -> None:
        """Two partners as one row of memory."""
        p, place = self.slots.buffer(s.buffer.name), self.place(s.buffer.name, s.map)
        args = (
            f"{p}, {place}, {self.spread(s.expr, value, True)}, {self.spread(t.expr, other, True)}"
        )
        masked = f"store_pairs_where({args}, {self.mask})"
        self.here.body.append(masked if self.mask else f"store_pairs({args})")

    def stores(self, body: Sequence[Store]) -> None:
        """Every value first: within a point all reads precede the writes."""
        found, partners = [self.value(s.expr) for s in body], self.partners(body)
        for k, s in enumerate(body):
            if k in partners:
                self.stored_pair(s, found[k], body[partners[k]], found[partners[k]])
            elif k not in partners.values():
                self.stored(s, found[k])

    def partners(self, body: Sequence[Statement]) -> dict[int, int]:
        """Stores two apart along the vector axis, and those just behind them, by their places."""
        plain = [(k, s) for k, s in enumerate(body) if isinstance(s, Store) and not s.at]
        if not self.inside:
            return {}
        places = {(id(s.buffer), s.map): k for k, s in plain}
        pairs = [
            (k, places.get((id(s.buffer), Map(s.map.strides, s.map.offset + 1))))
            for k, s in plain
            if s.map.stride(self.vector) == 2
        ]
        return {k: n for k, n in pairs if n is not None}


def test(at: str, step: int, bound: str, upper: bool, lanes: int, stride: str) -> str:
    """The mask of lanes whose index is below the upper bound, or not below the lower one."""
    if step == 0 or lanes == 1:
        return f"first(({at} {'<' if upper else '>='} {bound}) * {lanes}, {lanes})"
    if step == 1:
        below = f"first(max({bound} - ({at}), 0), {lanes})"
        return below if upper else f"invert({below})"
    return f"(iota(0, i64, {lanes}) * {stride} + ({at})) {'<' if upper else '>='} {bound}"
