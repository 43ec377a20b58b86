"""Random well-typed graphs and arrays for them: every op, small and odd shapes, tame values.

`random_graph(seed)` begins with op number `seed` of the registry, so as many seeds in a row as
there are ops cover them all. A bound of every value is tracked while the graph is made: operands
are brought into the domain of the op, large results are scaled down, so nothing overflows and NaN
does not occur.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from wonderland.compiler import ops
from wonderland.compiler.ir.graph import Graph, Op, Value, apply, apply_all
from wonderland.compiler.ir.parameters import Foreign
from wonderland.compiler.ir.source import sourced
from wonderland.compiler.ir.types import (
    COMPLEX,
    FLOATS,
    HALVES,
    INEXACT,
    INTEGERS,
    NUMPY,
    SIGNED,
    UNSIGNED,
    WIDE,
    Type,
)
from wonderland.compiler.ops.cumulative import Cumulative
from wonderland.compiler.ops.family import Elementwise, Reduce
from wonderland.compiler.ops.nested import (
    Adjoint,
    Checkpoint,
    CheckpointedScan,
    CheckpointedWhile,
    CustomJvp,
    CustomVjp,
    CustomVmap,
    Equivalent,
    LateScan,
    LateWhile,
    ReversedWhile,
    SegmentedScan,
)
from wonderland.compiler.ops.overlaps import SLICES, Skew
from wonderland.compiler.ops.pooling import Pick, Pooling, Spread, WindowPlace
from wonderland.compiler.ops.random import Threefry
from wonderland.compiler.ops.reduce import Where
from wonderland.compiler.ops.source import rounded_number as of_type
from wonderland.compiler.ops.source import zero_of
from wonderland.compiler.ops.special import Costly
from wonderland.compiler.ops.view import Flip, Pad, Permute, Reshape, Slice
from wonderland.compiler.ops.windows import OverlapAdd, Windows

SIZES = (2, 3, 3, 4, 5, 7, 8, 13, 15, 16, 17, 32, 33)  # around lanes, and registers of them
RANGE = {
    "bool": (0, 1),
    **dict.fromkeys(SIGNED, (-4, 4)),
    **dict.fromkeys(UNSIGNED, (0, 7)),
    **dict.fromkeys(FLOATS, (-2, 2)),
    **dict.fromkeys(COMPLEX, (-2, 2)),
}
"""Least and greatest value of an input, by dtype; the greater bounds complex ones' modulus."""

Range = tuple[float, float]
WORDS: Range = (0, 2**32 - 1)
ENTIRE = "add sub mul neg abs eq ne select cast real imag conj exp expm1 exp2 sin cos sinh cosh"
"""What takes complex values here: no branch cuts, poles or zeros that rounding may cross."""

FACTORS = "prod cumprod linear_recurrence"
"""What multiplies many numbers: they are at most 1, and at most 64."""


def limits(dtype: str) -> Range:
    """The least and the greatest number of a dtype."""
    if dtype not in INTEGERS:
        return -math.inf, math.inf
    info = np.iinfo(NUMPY[dtype])
    return int(info.min), int(info.max)


class Unfit(Exception):
    """This attempt leads nowhere; the next may."""


def builder_of(name: str) -> Callable[[Maker, str], Value] | None:
    """How to apply an op: as the table says, or as its family is."""
    op = Op.registry[name]
    found = (b for family, b in FAMILIES if issubclass(op, family))
    return BUILDERS.get(name) or next(found, None)


def random_names() -> list[str]:
    """The ops that graphs begin with, seed by seed."""
    return sorted(filter(builder_of, Op.registry))


def random_graph(seed: int, nodes: int = 12, halves: bool = True, loops: bool = True) -> Graph:
    """A graph of at most `nodes` nodes (at least 6), the same for the same seed.

    Without `halves` none of f16 and bf16, whose rounding hides small errors; without `loops` no op
    that holds graphs."""
    names = [n for n in random_names() if loops or n not in CONTROL]
    name, why = names[seed % len(names)], Counter[str]()
    with sourced(None):
        for attempt in range(100):
            maker = Maker(np.random.default_rng([seed, attempt]), halves, why=why)
            if maker.grow(name, names, nodes):
                return maker.graph(f"g{seed}")
    reasons = "; ".join(f"{count} times {reason}" for reason, count in why.most_common(3))
    raise AssertionError(
        f"no graph for seed {seed}, which begins with op '{name}' ({reasons}). What an elementwise "
        "op takes its class says by `domain`, `interval` and `bounds`; an op of no family needs an "
        "entry in BUILDERS"
    )


def random_arrays(graph: Graph, seed: int) -> tuple[np.ndarray, ...]:
    """Arrays for the inputs of a random graph, within RANGE."""
    rng = np.random.default_rng([seed, 1])
    return tuple(random_array(v.type, rng) for v in graph.inputs)


def random_array(t: Type, rng: np.random.Generator) -> np.ndarray:
    low, high = RANGE[t.dtype]
    if t.is_complex:
        size, angle = rng.uniform(0, high, t.shape), rng.uniform(0, 2 * math.pi, t.shape)
        return np.asarray(size * np.exp(1j * angle), t.numpy)
    drawn = (
        rng.uniform(low, high, t.shape)
        if t.is_float
        else rng.integers(int(low), int(high) + 1, t.shape)
    )
    return np.asarray(drawn).astype(t.numpy)


@dataclass
class Maker:
    """The values made so far, and the bounds of each."""

    rng: np.random.Generator
    halves: bool = True
    inputs: list[Value] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    bounds: dict[Value, Range] = field(default_factory=dict)
    depth: int = 0  # of bodies around it; a body makes no inputs of its own
    why: Counter[str] = field(default_factory=Counter)  # what first attempts came to nothing by

    def grow(self, first: str, names: list[str], nodes: int) -> bool:
        """Applies ops up to `nodes`; False where not even `first` fits."""
        self.sizes = [self.size() for _ in range(3)]
        floats = self.pick(("f32", "f32", "f64"))
        self.dtypes = [floats, self.pick((*INTEGERS, *COMPLEX)), "bool"]
        return self.extend(first, names, nodes)

    def extend(self, first: str, names: list[str], nodes: int) -> bool:
        self.names = names
        for _ in range(4 * nodes):
            kept = list(self.inputs), list(self.pool), dict(self.bounds)
            name = first if not self.made() else self.pick(names)
            try:
                build = builder_of(name)
                assert build is not None
                self.tame(build(self, name))
            except Unfit as unfit:
                self.why[f"{name}: {unfit or 'operands that do not fit'}"] += 1
                self.inputs, self.pool, self.bounds = kept
                continue
            if self.made() > nodes:
                self.inputs, self.pool, self.bounds = kept
                break
        return bool(self.made())

    def made(self) -> int:
        return len(Graph.of("", (), self.pool).nodes)

    def graph(self, name: str) -> Graph:
        """One to four values that nothing reads are the outputs."""
        read = {a for v in self.pool if v.node for a in v.node.args}
        ends = [v for v in self.pool if v.node and v not in read]
        first = min((v for v in self.pool if v.node), key=lambda v: v.node.serial if v.node else 0)
        count = min(len(ends), int(self.rng.integers(1, 5)))
        outputs = [ends[i] for i in sorted(self.rng.choice(len(ends), count, replace=False))]
        if first.node not in Graph.of("", (), outputs).nodes:
            outputs.append(next(v for v in ends if first.node in Graph.of("", (), [v]).nodes))
        return Graph.of(name, self.inputs, outputs)

    # ---- choices

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def size(self) -> int:
        return 1 if self.chance(0.12) else 0 if self.chance(0.04) else self.pick(SIZES)

    def shape(self, least: int = 0) -> tuple[int, ...]:
        n = self.pick([k for k in (0, 1, 2, 2, 2, 3) if k >= least])
        start = int(self.rng.integers(0, 4 - n))
        return tuple(self.sizes[start : start + n])

    def dtype(self, domain) -> str:
        likely = [d for d in (self.dtypes[0], *self.dtypes) if d in domain]
        return self.pick(likely if likely and self.chance(0.85) else self.allowed(domain))

    def allowed(self, domain) -> list[str]:
        return [d for d in domain if self.halves or d not in HALVES]

    # ---- values

    def note(self, value: Value, bounds: Range) -> Value:
        """Adds a value; what leaves the range of its dtype wraps."""
        least, most = limits(value.dtype)
        if not (bounds[0] >= least and bounds[1] <= most):
            bounds = least, most
        if value.type.is_complex:
            size = max(map(abs, bounds))
            bounds = -size, size
        self.pool.append(value)
        self.bounds[value] = bounds
        return value

    def tame(self, value: Value) -> Value:
        """Large floats scaled down; large integers are no use."""
        bound = max(map(abs, self.bounds[value]))
        most = 65504 if value.type.is_inexact else math.inf  # where f16 ends
        most = 2**20 if value.dtype in ("i32", "i64", "u64") else most
        if not math.isfinite(bound) or bound > most:
            raise Unfit("its results may be too large")
        if not value.type.is_inexact or bound <= 8:
            return value
        factor = 2.0 ** -math.ceil(math.log2(bound / 4))
        scaled = ops.mul(value, ops.full(factor, value.type))
        low, high = self.bounds[value]
        return self.note(scaled, (low * factor, high * factor))

    def any_value(self, domain=tuple(NUMPY), least: int = 0) -> Value:
        """Some value of a dtype of `domain` and at least so many dimensions."""
        found = [v for v in self.pool if v.dtype in domain and v.type.ndim >= least]
        recent = found[-4:]
        if recent and self.chance(0.85):
            return self.pick(recent if self.chance(0.7) else found)
        return self.fresh(Type(self.dtype(domain), self.shape(least)))

    def of(self, t: Type) -> Value:
        """Some value of type `t`."""
        found = [v for v in self.pool if v.type == t]
        return self.pick(found) if found and self.chance(0.75) else self.fresh(t)

    def fresh(self, t: Type) -> Value:
        if len(self.inputs) < 5 and not self.depth and self.chance(0.85):
            value = Value(t)
            self.inputs.append(value)
            return self.note(value, RANGE[t.dtype])
        if t.dtype == "bool" or self.chance(0.5):
            return self.note(ops.constant(random_array(t, self.rng)), RANGE[t.dtype])
        number = float(self.pick((-1.5, 0.5, 1.25)) if t.is_inexact else self.pick((1, 2, 3)))
        return self.note(ops.full(number, t), (number, number))

    def within(self, x: Value, low: float, high: float) -> Value:
        """`x`, brought into the range where it is not, by scale or by cuts; complex numbers are
        scaled."""
        a, b = self.bounds[x]
        if x.type.is_complex:
            return self.note(ops.mul(x, ops.full(high / b, x.type)), (0, high)) if b > high else x
        if low <= a and b <= high:
            return x
        if x.type.is_float and self.chance(0.5):
            if a < low and low > 0 and max(abs(a), abs(b)) <= 2:
                x = self.note(ops.add(ops.mul(x, x), ops.full(low, x.type)), (low, low + 4))
            elif high - low < math.inf:
                by = min((high - low) / max(b - a, 2**-10), 1.0)
                move = min(max(low - a * by, 0.0), high - b * by)
                scaled = ops.add(ops.mul(x, ops.full(by, x.type)), ops.full(move, x.type))
                return self.note(scaled, (a * by + move, b * by + move))
        if self.bounds[x][0] < low:
            x = self.note(ops.maximum(x, ops.full(low, x.type)), (low, max(b, low)))
        low, most = self.bounds[x]
        if most > high:
            x = self.note(ops.minimum(x, ops.full(high, x.type)), (min(low, high), high))
        return x

    def like(self, x: Value, out: Value) -> Value:
        """A result with the bounds of `x`."""
        return self.note(out, self.bounds[x])

    def axis(self, x: Value) -> int:
        return int(self.rng.integers(x.type.ndim))

    def some_axes(self, x: Value) -> tuple[int, ...]:
        return tuple(a for a in range(x.type.ndim) if self.chance(0.5))


# ---------------------------------------------------------------- elementwise


def elementwise(m: Maker, name: str) -> Value:
    op = Op.registry[name]
    assert issubclass(op, Elementwise)
    if name == "select":
        x = m.any_value()
        args = [m.of(x.type.of("bool")), x, m.of(x.type)]
    else:
        entire = name in ENTIRE.split()
        x = m.any_value([d for d in op.domain if entire or d not in COMPLEX])
        args = [x, *(m.of(x.type) for _ in range(op.arity - 1))]
    if name == "cast":
        dtype = m.pick([d for d in m.allowed(NUMPY) if d != x.dtype])
        least, most = limits(dtype)
        if m.bounds[x][1] > 2**20 or (
            x.type.is_inexact
            and dtype != "bool"
            and not (least <= m.bounds[x][0] and m.bounds[x][1] <= most)
        ):
            raise Unfit
        return m.note(ops.cast(x, dtype), m.bounds[x] if dtype != "bool" else (0, 1))
    whole = x.dtype in INTEGERS
    if name == "pow":
        args = [m.within(args[0], *((0, 6) if whole else (0.5, 8))), m.within(args[1], -2, 2)]
        args[1] = m.within(args[1], 0, 3) if whole else args[1]
    elif op.interval != Elementwise.interval:
        low, high = op.interval
        apart = 0 if whole else (high - low) / 16  # from the ends, where functions are steep
        ends = low + apart, high - apart
        args[-1] = m.within(args[-1], *ends)
        if issubclass(op, Costly) and op.arity > 1:  # their other operands have poles too
            first = m.within(args[0], *ends) if m.chance(0.5) else args[-1]
            args = [first, *args[-1:] * (op.arity - 1)]
    made = m.pick(variants(op))
    bounds = bounds_of(made, tuple((m.bounds[a], a.dtype) for a in args))
    return m.note(apply(made, *args), bounds)


@cache
def variants(op: type[Elementwise]) -> list[Op]:
    """The op with the parameters of its samples."""
    return list(dict.fromkeys(s.op for s in op.samples() if not s.error))


@cache
def bounds_of(op: Op, given: tuple[tuple[Range, str], ...]) -> Range:
    """Bounds of a result, by the op's reference on a grid.

    At corners the extremes are those of all values, as of what is monotone; others may be more by
    what a step of the grid changes. Integers are not followed far."""
    if any(t in INTEGERS and max(map(abs, r)) > 2**20 for r, t in given):
        return -math.inf, math.inf
    if not all(np.isfinite(r).all() for r, _ in given):
        return -math.inf, math.inf
    with np.errstate(all="ignore"):
        found = np.asarray(op.reference(*np.meshgrid(*(along(*g) for g in given), indexing="ij")))
    if not np.isfinite(found).all():
        raise Unfit(f"it is not finite for all operands within {[r for r, _ in given]}")
    if found.dtype.kind == "c":
        return 0, float(np.abs(found).max()) * 1.25
    found = found.astype(np.float64)
    corners = found[np.ix_(*((0, -1) for _ in given))]
    step = max(float(np.abs(np.diff(found, axis=k)).max(initial=0)) for k in range(found.ndim))
    low, high = (float(e(found) + (e(found) != e(corners)) * s * step)
                 for e, s in ((np.min, -1), (np.max, 1)))  # fmt: skip
    if given[0][1] in COMPLEX:
        low, high = low - step, high + step
    assert isinstance(op, Elementwise)
    return max(low, op.bounds[0]), min(high, op.bounds[1])


def along(r: Range, dtype: str) -> np.ndarray:
    """Some values within bounds, from the least to the greatest, in the widest dtype."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        return np.unique(np.linspace(*r, 9).astype(np.int64))
    if dtype in COMPLEX:
        return np.outer(np.linspace(0, r[1], 5), np.exp(1j * np.arange(16) * math.pi / 8)).ravel()
    return np.linspace(*r, 9)


# ---------------------------------------------------------------- the others


def reduction(m: Maker, name: str) -> Value:
    op = Op.registry[name]
    assert issubclass(op, Reduce)
    x, place = m.any_value(op.domain, least=1), issubclass(op, Where)
    axes = (m.axis(x),) if place or not m.chance(0.5) else m.some_axes(x)
    n = math.prod(x.shape[a] for a in axes)
    if n == 0 and not op.empty:
        raise Unfit
    if place and x.type.is_float:  # which of two is greater by a bit is no meaning
        low, high = m.bounds[x]
        x = m.note(ops.round(x), (low - 1, high + 1))
    if name in FACTORS.split():
        x = factor(m, x, n)
        return m.note(apply(op(axes), x), (-1, 1))
    if x.dtype == "bool":
        return m.note(apply(op(axes), x), (0, 1))
    return m.note(apply(op(axes), x), (0, n - 1) if place else repeated(op((0,)), n, m.bounds[x]))


def cumulative(m: Maker, name: str) -> Value:
    op = Op.registry[name]
    assert issubclass(op, Cumulative)
    x = m.any_value(op.domain, least=1)
    k = m.axis(x)
    n = x.shape[k]
    args = [x, *(m.of(x.type) for _ in range(op.arity - 1))]
    if name in FACTORS.split():
        args[0] = factor(m, x, n)
    bounds = repeated(op(0, False), n, *(m.bounds[a] for a in args))
    return m.note(apply(op(k, m.chance(0.5)), *args), bounds)


def factor(m: Maker, x: Value, n: int) -> Value:
    if n > 64:
        raise Unfit
    return m.within(x, -1 if x.dtype not in UNSIGNED else 0, 1)


def associative(m: Maker, name: str) -> Value:
    """The prefixes of affine maps of factors up to 1, or of sums beside a least one."""
    x = m.any_value((*INTEGERS, *WIDE), least=1)
    n, of = x.shape[0], Type(x.dtype, x.shape[1:])
    a, b, c, d = inputs = [Value(of) for _ in range(4)]
    shorter = m.chance(0.5)
    left = ops.minimum(a, c) if shorter else ops.mul(a, c)
    body = Graph.of("compose", inputs, (left, ops.add(ops.mul(c, b) if not shorter else b, d)))
    op = ops.AssociativeScan(body, 0, m.chance(0.5))
    _, y = apply_all(op, factor(m, x, n), x)
    low, high = m.bounds[x]
    most = max(abs(low), abs(high)) * max(n, 1)
    return m.note(y, (0 if x.dtype in UNSIGNED else -most, most))


def repeated(op: Op, n: int, *given: Range) -> Range:
    """Bounds of what combines `n` values in order, by the ends of its operands."""
    columns = np.array(list(itertools.product(*given)), np.float64).T
    found = op.reference(*np.repeat(columns[:, None], max(n, 1), axis=1))
    return float(np.min(found)), float(np.max(found))


def sort(m: Maker, name: str) -> Value:
    xs = [m.any_value(least=1)]
    xs += [m.of(Type(m.dtype(NUMPY), xs[0].shape)) for _ in range(m.pick((0, 0, 1, 2)))]
    keys, axis = int(m.rng.integers(1, len(xs) + 1)), m.axis(xs[0])
    if m.chance(0.3):
        n = xs[0].shape[axis]
        return m.note(ops.argsort(*xs[:keys], axis=axis, descending=m.chance(0.5)), (0, n))
    found = ops.sort(*xs, axis=axis, keys=keys, descending=m.chance(0.3))
    for x, y in zip(xs, found[:-1], strict=True):
        m.like(x, y)
    return found[0]


def gamma_draw(m: Maker, name: str) -> Value:
    x = m.any_value(WIDE)
    return m.like(x, ops.gamma_draw(x, ops.full(1.5, x.type), m.chance(0.5)))


def searchsorted(m: Maker, name: str) -> Value:
    x = m.any_value([d for d in NUMPY if d not in COMPLEX], least=1)
    v = m.of(Type(x.dtype, (*x.shape[:-1], m.pick((1, 3, 40)))))
    x, _ = ops.sort(x, axis=x.type.ndim - 1)
    return m.note(ops.searchsorted(x, v, m.chance(0.5)), (0, x.shape[-1]))


def after(m: Maker, name: str) -> Value:
    x = m.any_value()
    return m.like(x, ops.after(x, *(m.any_value() for _ in range(int(m.rng.integers(0, 3))))))


def custom(m: Maker, name: str) -> Value:
    """sin(x) y with its rule, or, of an adjoint, the product."""
    x = m.any_value(FLOATS)
    y = m.of(x.type)
    a, b, da, db = (Value(x.type) for _ in range(4))
    if name == "adjoint":
        op: Op = Adjoint(Graph.of("bwd", (a, da), (ops.mul(a, da),)), 1)
    else:
        f = ops.mul(ops.sin(a), b)

        def by_a(d: Value) -> Value:
            return ops.mul(d, ops.mul(ops.cos(a), b))

        def by_b(d: Value) -> Value:
            return ops.mul(d, ops.sin(a))

        body = Graph.of("f", (a, b), (f,))
        if name == "custom_vmap":
            op = CustomVmap(body, 2, ())
        elif name == "custom_jvp":
            slope = ops.add(by_a(da), by_b(db))
            op = CustomJvp(body, 2, Graph.of("rule", (a, b, da, db), (f, slope)))
        else:
            fwd = Graph.of("fwd", (a, b), (f, a, b))
            op = CustomVjp(body, 2, fwd, Graph.of("bwd", (a, b, da), (by_a(da), by_b(da))))
    bound = max(map(abs, m.bounds[y]))
    bound *= max(map(abs, m.bounds[x])) if name == "adjoint" else 1
    return m.note(apply(op, x, y), (-bound, bound))


SAME, NOTHING = Foreign(lambda x: (x,), "same"), Foreign(lambda x: (), "nothing")


def effect(m: Maker, name: str) -> Value:
    """A value, with an effect that prints nothing much and changes nothing."""
    x = m.any_value((*INTEGERS, "f32", "f64") if name in ("token", "tie") else INTEGERS)
    if name in ("token", "tie"):
        return m.like(x, ops.tie(x, ops.token()))
    op = Op.registry[name]
    if name == "debug_print":
        made, args = op((), "", (), ()), ()  # pyright: ignore[reportCallIssue]
    elif name == "check":
        made, args = op((), "", ""), (ops.full(True, Type("bool")),)  # pyright: ignore[reportCallIssue]
    elif name == "debug_callback":
        made, args = op((), NOTHING, ()), (x,)  # pyright: ignore[reportCallIssue]
    elif name == "pure_callback":
        made = op((), SAME, (x.type,), "sequential")  # pyright: ignore[reportCallIssue]
        return m.like(x, apply(made, x))
    else:
        made, args = op((), SAME, (x.type,)), (x,)  # pyright: ignore[reportCallIssue]
    return m.like(x, ops.tie(x, apply_all(made, ops.token(), *args)[0]))


def equivalent(m: Maker, name: str) -> Value:
    """A copy, said twice."""
    x = m.any_value(FLOATS)
    a, b = Value(x.type), Value(x.type)
    return m.like(x, apply(Equivalent(*(Graph.of("f", (v,), (ops.copy(v),)) for v in (a, b))), x))


def checkpoint(m: Maker, name: str) -> Value:
    """sin(x cos y) y as a region, now and then late in y."""
    x = m.any_value(FLOATS)
    y = m.of(x.type)
    a, b = Value(x.type), Value(x.type)
    inner = ops.named(ops.mul(a, ops.cos(b)), "inner")
    body = Graph.of("f", (a, b), (ops.mul(ops.sin(inner), b),))
    policy = m.pick((("nothing_saveable",), ("save_only_these_names", "inner")))
    op = Checkpoint(body, policy, int(m.chance(0.5)), m.chance(0.7))
    bound = max(map(abs, m.bounds[y]))
    return m.note(apply(op, x, y), (-bound, bound))


def named(m: Maker, name: str) -> Value:
    x = m.any_value()
    return m.like(x, ops.named(x, "x"))


def stop_gradient(m: Maker, name: str) -> Value:
    x = m.any_value()
    return m.like(x, ops.stop_gradient(x))


def guard(m: Maker, name: str) -> Value:
    """Where all counts: elsewhere it may be anything."""
    x = m.any_value()
    axes = int(m.rng.integers(len(x.shape) + 1))
    return m.like(x, ops.guard(ops.full(True, Type("bool", x.shape[:axes])), x))


def copy(m: Maker, name: str) -> Value:
    x = m.any_value()
    return m.like(x, ops.copy(x))


def reshape(m: Maker, name: str) -> Value:
    x = m.any_value()
    shape = list(x.shape)
    match int(m.rng.integers(4)):
        case 0:
            shape = [x.type.size]
        case 1:
            shape.insert(int(m.rng.integers(len(shape) + 1)), 1)
        case 2 if len(shape) > 1:
            k = int(m.rng.integers(len(shape) - 1))
            shape[k : k + 2] = [shape[k] * shape[k + 1]]
        case _ if shape:
            k = m.axis(x)
            inner = m.pick([d for d in (1, 2, 3, 4, 8) if shape[k] % d == 0])
            shape[k : k + 1] = [shape[k] // inner, inner]
    if len(shape) > 4:
        raise Unfit
    return m.like(x, apply(Reshape(tuple(shape)), x))


def permute(m: Maker, name: str) -> Value:
    x = m.any_value(least=2)
    return m.like(x, apply(Permute(tuple(map(int, m.rng.permutation(x.type.ndim)))), x))


def broadcast(m: Maker, name: str) -> Value:
    x = m.any_value()
    if x.type.ndim > 2 or x.type.size > 600:
        raise Unfit
    shape, k = list(x.shape), int(m.rng.integers(x.type.ndim + 1))
    shape.insert(k, m.pick(m.sizes))
    return m.like(x, ops.broadcast(x, tuple(shape), (k,)))


def slice_(m: Maker, name: str) -> Value:
    x = m.any_value(least=1)
    start = [int(m.rng.integers(0, max(n // 2, 1))) for n in x.shape]
    stop = [int(m.rng.integers(min(s + 1, n), n + 1)) for s, n in zip(start, x.shape, strict=True)]
    step = [m.pick((1, 1, 1, 2, 3)) for _ in x.shape]
    return m.like(x, apply(Slice(tuple(start), tuple(stop), tuple(step)), x))


def flip(m: Maker, name: str) -> Value:
    x = m.any_value(least=1)
    return m.like(x, apply(Flip(m.some_axes(x) or (0,)), x))


def pad(m: Maker, name: str) -> Value:
    x = m.any_value(least=1)
    low, high = (tuple(m.pick((0, 0, 1, 2)) for _ in x.shape) for _ in range(2))
    number = (
        m.pick((True, False))
        if x.dtype == "bool"
        else m.pick((0.0, -1.5, 2.0))
        if x.type.is_inexact
        else m.pick((0, 2))
    )
    a, b = m.bounds[x]
    pad = Pad(low, high, of_type(number, x.type))
    return m.note(apply(pad, x), (min(a, number), max(b, number)))


def concatenate(m: Maker, name: str) -> Value:
    x = m.any_value(least=1)
    k = m.axis(x)
    parts = [x]
    for _ in range(int(m.rng.integers(1, 3))):
        shape = (*x.shape[:k], m.pick((1, 2, x.shape[k])), *x.shape[k + 1 :])
        parts.append(m.of(Type(x.dtype, shape)))
    lows, highs = zip(*(m.bounds[p] for p in parts), strict=True)
    return m.note(ops.concatenate(*parts, axis=k), (min(lows), max(highs)))


def interleave(m: Maker, name: str) -> Value:
    x = m.any_value()
    y = m.of(x.type)
    (a, b), (c, d) = m.bounds[x], m.bounds[y]
    return m.note(ops.interleave(x, y), (min(a, c), max(b, d)))


def windows(m: Maker, name: str) -> Value:
    """Windows of some axis, of which parts may lie outside; or the sum of such windows."""
    x = m.any_value(OverlapAdd.domain if name == "overlap_add" else tuple(NUMPY), least=1)
    added = name == "overlap_add" and x.type.ndim > 1 and 0 < x.shape[-1] <= SLICES
    if x.type.size > 400 or (name == "overlap_add" and not added):
        raise Unfit
    k = int(m.rng.integers(x.type.ndim - added))
    stride, dilation, low = (m.pick(c) for c in ((1, 1, 2, 3), (1, 1, 2), (0, 0, 1, 2, -1)))
    if added:
        op = OverlapAdd((k,), (m.pick((1, 4, 7)),), (stride,), (dilation,), (low,))
        size = max(map(abs, m.bounds[x])) * x.shape[-1]
        low, high = (0, size) if x.dtype in UNSIGNED else (-size, size)
        return m.note(apply(op, x), (low, high))
    op = Windows((k,), (m.pick((1, 2, 4)),), (m.pick((1, 2, 3)),), (stride,), (dilation,), (low,))
    a, b = m.bounds[x]
    return m.note(apply(op, x), (min(a, 0), max(b, 0)))


def skew(m: Maker, name: str) -> Value:
    x = m.any_value(least=2)
    a, g = (int(k) for k in m.rng.permutation(x.type.ndim)[:2])
    op = Skew((a,), (g,), (m.pick((1, 3, 6)),), (m.pick((-1, 0, 2)),), (m.pick((-1, 1, 2)),))
    low, high = m.bounds[x]
    return m.note(apply(op, x), (min(low, 0), max(high, 0)))


def pool(m: Maker, name: str) -> Value:
    """Windows of some axis that lie within; where an extreme is, of whole numbers."""
    op = Op.registry[name]
    assert issubclass(op, Pooling)
    x = m.any_value(op.domain, least=1)
    k = m.axis(x)
    size, stride, dilation = m.pick((1, 2, 3)), m.pick((1, 1, 2, 3)), m.pick((1, 1, 2))
    count = ops.window_count(x.shape[k], size, stride, dilation, 0, 0)
    if not count:
        raise Unfit
    if x.type.is_float and issubclass(op, WindowPlace):  # a bit is no meaning
        low, high = m.bounds[x]
        x = m.note(ops.round(x), (low - 1, high + 1))
    found = apply(op((k,), (count,), (size,), (stride,), (dilation,), (0,)), x)
    if issubclass(op, WindowPlace):
        return m.note(found, (0, size - 1))
    low, high = m.bounds[x]
    return m.note(found, (size * low, size * high) if name == "window_sum" else (low, high))


def placed(m: Maker, name: str) -> Value:
    """Elements of small windows by places, of which some are none."""
    x = m.any_value(least=int(name == "pick"))
    if x.type.size > 400:
        raise Unfit
    place = m.of(Type("i32", x.shape[:-1] if name == "pick" else x.shape))
    op = Pick() if name == "pick" else Spread((m.pick((1, 2)), m.pick((1, 3))))
    a, b = m.bounds[x]
    return m.note(apply(op, place, x), (min(a, 0), max(b, 0)))


def full(m: Maker, name: str) -> Value:
    t = Type(m.dtype(NUMPY), m.shape())
    number = (
        m.pick((False, True))
        if t.dtype == "bool"
        else m.pick((1, 2))
        if t.dtype in INTEGERS
        else m.pick((0.25, -1.0))
    )
    return m.note(ops.full(number, t), (number, number))


def iota(m: Maker, name: str) -> Value:
    t = Type(m.dtype((*INTEGERS, *INEXACT)), m.shape(1))
    k = int(m.rng.integers(t.ndim))
    return m.note(ops.iota(t, k), (0, max(t.shape[k] - 1, 0)))


def constant(m: Maker, name: str) -> Value:
    t = Type(m.dtype(NUMPY), m.shape())
    return m.note(ops.constant(random_array(t, m.rng)), RANGE[t.dtype])


def dot_general(m: Maker, name: str) -> Value:
    lhs = m.any_value((*INEXACT, "i32", "i64"), least=1)
    roles = [m.pick("bkkf") if d else m.pick("kff") for d in range(lhs.type.ndim)]
    order = [int(d) for d in m.rng.permutation(lhs.type.ndim) if roles[d] != "f"]
    shape = [lhs.shape[d] for d in order]
    extra = int(m.rng.integers(0, len(order) + 1))
    if len(order) < 3 and m.chance(0.8):
        shape.insert(extra, m.pick(m.sizes))
    else:
        extra = len(order)
    rhs = m.of(Type(lhs.dtype, tuple(shape)))
    where = [(d, p + (p >= extra)) for p, d in enumerate(order)]
    groups = {r: [pair for pair in where if roles[pair[0]] == r] for r in "bk"}
    contracting, batch = (
        (tuple(d for d, _ in g), tuple(p for _, p in g)) for g in (groups["k"], groups["b"])
    )
    out = ops.dot_general(lhs, rhs, contracting, batch)
    if out.type.size > 20000 or out.type.ndim > 4:
        raise Unfit
    n = math.prod(lhs.shape[d] for d in contracting[0])
    ends = [p * q * n for p in m.bounds[lhs] for q in m.bounds[rhs]]
    return m.note(out, (min(*ends, 0), max(*ends, 0)))


def of_matrices(m: Maker, name: str) -> Value:
    """What LAPACK, or a kernel, makes of matrices near a diagonal from 1 to 1.5."""
    n = m.pick((0, 1, 2, 3)) if name in SMALL_ONLY else m.pick((0, 1, 2, 3, 5))
    shape = *m.pick(((), (), (2,), (33,))), n, n
    x = m.of(Type(m.dtype((*WIDE, *COMPLEX)), shape))
    most = 0.5 / (max(n, 1) * max(1.0, *map(abs, m.bounds[x])))
    a = ops.mul(x, ops.full(type(zero_of(x.type))(most), x.type))
    if name.startswith("expm"):
        args = (a, a) if name == "expm_frechet" else (a,)
        return m.note(apply(Op.registry[name](), *args), (-2, 2))
    near = np.diag(1 + np.arange(n) / (2 * max(n, 1)))
    a = ops.add(a, ops.constant(np.broadcast_to(near, shape).astype(x.type.numpy)))
    if name in ("solve", "triangular_solve"):
        b = m.of(Type(x.dtype, (*shape[:-1], m.pick((1, 3)))))
        size = 2 * max(map(abs, m.bounds[b]))
        kind: Any = Op.registry[name]
        return m.note(apply(kind(transposed=m.chance(0.5)), a, b), (-size, size))
    if name == "pinv":
        return m.note(ops.pinv(a, ops.full(1e-4, Type(x.type.part.dtype, shape[:-2]))), (-2, 2))
    if name == "eig":  # in an order that rounding may change
        (w,) = ops.eig(a, False)
        return m.note(ops.reduce_sum(w, (w.type.ndim - 1,)), (-6, 6))
    if name == "adjugate_frechet":
        return m.note(apply(Op.registry[name](), a, a), (-8, 8))
    alone = {"vectors": False} if name in ("eigh", "svd") else {}
    limit = 8 if name == "det" else 4
    return [m.note(v, (-limit, limit)) for v in apply_all(Op.registry[name](**alone), a)][-1]


def convolution(m: Maker, name: str) -> Value:
    x = m.any_value((*INEXACT, "i32", "i64"), least=1)
    d = m.pick(range(1, min(x.type.ndim, 2) + 1))
    b = m.pick(range(x.type.ndim - d + 1))
    c = m.pick(range(x.type.ndim - d - b + 1))
    channels = x.shape[x.type.ndim - c :]
    window = [m.pick((1, 2, 3)) for _ in range(d)]
    k = [m.pick(m.sizes)] if m.chance(0.6) else []
    w = m.of(Type(x.dtype, (*x.shape[:b], *window, *channels, *k)))

    def steps() -> tuple[int, ...]:
        return tuple(m.pick((1, 1, 2, 3)) for _ in range(d))

    padding = tuple((m.pick((-1, 0, 1, 2)), m.pick((-1, 0, 1, 2))) for _ in range(d))
    out = ops.convolution(x, w, steps(), padding, steps(), steps(), b, c)
    if out.type.size > 20000 or out.type.ndim > 4:
        raise Unfit
    n = math.prod((*window, *channels))
    ends = [p * q * n for p in m.bounds[x] for q in m.bounds[w]]
    return m.note(out, (min(*ends, 0), max(*ends, 0)))


def transform(m: Maker, name: str) -> Value:
    """Along some axes in any order, now and then of so many points that the host does it.

    Of numbers without structure: sums that cancel are as small as rounding makes them, and ops of
    steps tell the sign of that. Imaginary parts that are 0 are moved from there.
    """
    found = [
        v
        for v in m.pool
        if v.dtype in (WIDE if name == "rfft" else COMPLEX) and v.type.ndim
        if v.node is None or v.node.op.constant
    ]
    t = Type(m.dtype(WIDE if name == "rfft" else COMPLEX), m.shape(1))
    x = m.pick(found) if found else m.note(ops.constant(random_array(t, m.rng)), RANGE[t.dtype])
    axes = [int(a) for a in m.rng.permutation(x.type.ndim) if x.shape[a]]
    axes = tuple(axes[: m.pick((1, 1, 2))])
    if not axes or x.type.size > 400:
        raise Unfit
    if m.chance(0.3):
        most = {"fft": 67, "rfft": 193, "irfft": 97}[name]
        high = [max(most - n, 0) if a == axes[-1] else 0 for a, n in enumerate(x.shape)]
        low, most = m.bounds[x]
        x = m.note(ops.pad(x, [0] * len(high), high, 0), (min(low, 0), max(most, 0)))
    norm, held = m.pick(("sum", "ortho", "mean")), x.shape[axes[-1]]
    bound = 2 * max(map(abs, m.bounds[x])) * math.prod(x.shape[a] for a in axes) + 1
    if name == "irfft":
        y = ops.irfft(x, axes, m.pick((2 * held - 1, 2 * held - 2 or 1)), norm)
    elif name == "fft":
        y = ops.fft(x, axes, norm, m.chance(0.5))
    else:
        half = ops.rfft(x, axes, norm)
        y = ops.add(half, ops.full(0.25 + 0.75j, half.type))
    return m.note(y, (-bound, bound))


@dataclass
class Places:
    """A random block of an array of `shape`: `block`, the types of its indices, and parameters."""

    m: Maker
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        m, block, axes = self.m, [], []
        self.indexed: tuple[int, ...] = ()
        self.along: tuple[tuple[int, ...], ...] = ()
        looked: list[int] = []
        for d, n in enumerate(self.shape):
            role = m.pick(("follow", "look", "look", "window")) if n else "follow"
            axes.append(-1 if role == "look" else len(block))
            if role != "look":
                block.append(n if role == "follow" else m.pick((1, max(n // 2, 1), n)))
            if role != "follow":
                self.indexed += (d,)
        windows = [axes[d] for d in self.indexed if axes[d] >= 0]
        for _ in range(int(m.rng.integers(0, 3)) if self.indexed else 0):
            looked.append(len(block))
            block.append(m.pick((1, 2, 3, 5)))
        free = [a for a in range(len(block)) if a not in windows]
        for k in range(len(self.indexed)):
            rest = [a for a in free if a not in looked and m.chance(0.3)]
            mine = [a for a in looked if k == 0 or m.chance(0.7)] + rest
            self.along += (tuple(int(a) for a in m.rng.permutation(mine)),)
        order = [int(a) for a in m.rng.permutation(len(block))]  # where each axis goes
        self.axes = tuple(a if a < 0 else order[a] for a in axes)
        self.along = tuple(tuple(order[a] for a in over) for over in self.along)
        self.block = tuple(block[order.index(a)] for a in range(len(order)))
        if len(block) > 4 or math.prod(self.block) > 5000:
            raise Unfit

    def indices(self) -> list[Value]:
        dtype = self.m.pick(("i32", "i64"))
        return [self.m.of(Type(dtype, tuple(self.block[a] for a in o))) for o in self.along]


def gather(m: Maker, name: str) -> Value:
    x = m.any_value(least=1)
    p = Places(m, x.shape)
    mode = m.pick(("clip", "fill"))
    out = ops.gather(x, p.indices(), p.block, p.axes, p.indexed, p.along, mode)
    low, high = m.bounds[x]
    return m.note(out, (min(low, 0), max(high, 0)))


def scatter(m: Maker, name: str) -> Value:
    combine = m.pick(("set", "add", "add", "min", "max"))
    numbers = (*(INEXACT if combine == "add" else FLOATS), "i32", "i64")
    x = m.any_value(tuple(NUMPY) if combine == "set" else numbers, least=1)
    p = Places(m, x.shape)
    u = m.of(Type(x.dtype, p.block))
    mode = m.pick(("clip", "drop"))
    out = ops.scatter(x, u, p.indices(), combine, p.axes, p.indexed, p.along, mode)
    bounds = [m.bounds[x], m.bounds[u]]
    low, high = min(a for a, _ in bounds), max(b for _, b in bounds)
    if combine == "add":
        n = math.prod(p.block)
        low, high = bounds[0][0] + min(bounds[1][0] * n, 0), bounds[0][1] + max(bounds[1][1] * n, 0)
    return m.note(out, (low, high))


def random_bits(m: Maker, name: str) -> Value:
    return m.note(ops.random_bits(m.of(Type("u32", (2,))), m.shape()), WORDS)


def bits_at(m: Maker, name: str) -> Value:
    shape = m.shape()
    keys, at = Type("u32", (*shape[: m.pick((0, 1))], 2)), m.of(Type("i64", shape))
    return m.note(ops.bits_at(m.of(keys), at), WORDS)


def threefry(m: Maker, name: str) -> Value:
    t = Type("u32", (*m.shape()[:2], 2))
    return m.note(apply(Threefry(), m.of(t), m.of(t)), WORDS)


# ---------------------------------------------------------------- control flow

SCANS = ("scan", "checkpointed_scan", "late_scan", "segmented_scan")
WHILES = ("while_loop", "checkpointed_while", "late_while", "reversed_while")
CONTROL = (*SCANS, *WHILES, "switch")


def inside(m: Maker, given: list[tuple[Type, Range]]) -> Maker:
    """A few random nodes over inputs of these types, as the body of an op."""
    inputs = [Value(t) for t, _ in given]
    bounds = dict(zip(inputs, (b for _, b in given), strict=True))
    body = Maker(m.rng, m.halves, inputs, list(inputs), bounds, m.depth + 1)
    body.sizes, body.dtypes = m.sizes, m.dtypes
    names = [n for n in m.names if n not in CONTROL or m.depth == 0]
    body.extend(m.pick(names), names, int(m.rng.integers(1, 5)))
    return body


def carried(m: Maker) -> list[Value]:
    """One or two values within the range of their dtypes."""
    found = [m.any_value() for _ in range(int(m.rng.integers(1, 3)))]
    return [v if v.dtype == "bool" else m.within(v, *RANGE[v.dtype]) for v in found]


def ranged(values: list[Value]) -> list[tuple[Type, Range]]:
    return [(v.type, RANGE[v.dtype]) for v in values]


def returned(body: Maker, like: list[Value]) -> list[Value]:
    """Values of the body of these types, the last ones made, within the range of their dtypes."""
    found = []
    for v in like:
        value = [u for u in body.pool if u.type == v.type][-1]
        found.append(value if v.dtype == "bool" else body.within(value, *RANGE[v.dtype]))
    return found


def scan(m: Maker, name: str) -> Value:
    consts, carries = [m.any_value() for _ in range(int(m.rng.integers(3)))], carried(m)
    sequences, length = [], m.pick((0, 1, 3))
    for _ in range(int(m.rng.integers(3))):
        x = m.any_value(least=1)
        if sequences and x.shape[0] != length:
            x = m.of(Type(x.dtype, (length, *x.shape[1:])))
        sequences, length = [*sequences, x], x.shape[0]
    elements = [(Type(x.dtype, x.shape[1:]), m.bounds[x]) for x in sequences]
    body = inside(m, [*((c.type, m.bounds[c]) for c in consts), *ranged(carries), *elements])
    last, ys = returned(body, carries), [body.any_value() for _ in range(int(m.rng.integers(3)))]
    if any(length * y.type.size > 20000 for y in ys):
        raise Unfit
    graph = Graph.of("step", body.inputs, (*last, *ys))
    params = graph, len(consts), len(carries), length, m.chance(0.5)
    op: ops.Scan = ops.Scan(*params)
    if name == "checkpointed_scan":
        op = CheckpointedScan(*params, m.pick((1, 2)))
    elif name == "segmented_scan":
        op = SegmentedScan(*params, length - length // 3, m.pick((1, 2)))
    elif name == "late_scan":
        op = LateScan(*params, m.pick((1, 2)), 0)
    found = apply_all(op, *consts, *carries, *sequences)
    limits = [*(RANGE[c.dtype] for c in carries), *(body.bounds[y] for y in ys)]
    first, *_ = [m.tame(m.note(v, b)) for v, b in zip(found, limits, strict=True)]
    return first


def while_loop(m: Maker, name: str) -> Value:
    carries, i = carried(m), m.note(ops.full(0, Type("i64")), (0, 3))
    x, counter = [Value(v.type) for v in carries], Value(i.type)
    limit = ops.full(m.pick((0, 1, 3)), i.type)
    condition = Graph.of("test", (*x, counter), (ops.lt(counter, limit),))
    body = inside(m, [*ranged(carries), (i.type, (0, 3))])
    counted = ops.add(body.inputs[-1], ops.full(1, i.type))
    graph = Graph.of("step", body.inputs, (*returned(body, carries), counted))
    op = ReversedWhile if name == "reversed_while" else ops.While
    made, kept = op(condition, graph, 0), ()
    if name == "checkpointed_while":
        made = CheckpointedWhile(condition, graph, 0, 2)
    elif name == "late_while":
        made, kept = LateWhile(condition, graph, 0, 2, 1), (limit,)
    found = apply_all(made, *carries, i, *kept)
    limits = [*(RANGE[c.dtype] for c in carries), (0, 3)]
    first, *_ = [m.note(v, b) for v, b in zip(found, limits, strict=True)]
    return first


def switch(m: Maker, name: str) -> Value:
    index, operands = m.of(Type("i32")), carried(m)
    branches = []
    for k in range(int(m.rng.integers(1, 4))):
        body = inside(m, ranged(operands))
        branches.append(Graph.of(f"branch{k}", body.inputs, returned(body, operands)))
    found = apply_all(ops.Switch(tuple(branches)), index, *operands)
    first, *_ = [m.note(v, RANGE[v.dtype]) for v in found]
    return first


MATRICES = (
    "adjugate", "adjugate_frechet", "cholesky", "det", "eig", "eigh", "expm", "expm_frechet",
    "hermitian", "inv", "lu", "pinv", "qr", "slogdet", "solve", "svd", "triangular_solve",
)  # fmt: skip
SMALL_ONLY = "det", "adjugate", "adjugate_frechet", "eig"

BUILDERS: dict[str, Callable[[Maker, str], Value]] = {
    **dict.fromkeys(("custom_jvp", "custom_vjp", "custom_vmap", "adjoint"), custom),
    "sort": sort,
    "searchsorted": searchsorted,
    "gamma_draw": gamma_draw,
    "after": after,
    **dict.fromkeys(("token", "tie", "debug_print", "check", "pure_callback"), effect),
    **dict.fromkeys(("io_callback", "debug_callback"), effect),
    "checkpoint": checkpoint,
    "named": named,
    "stop_gradient": stop_gradient,
    "guard": guard,
    "copy": copy,
    "reshape": reshape,
    "permute": permute,
    "broadcast": broadcast,
    "slice": slice_,
    "flip": flip,
    "pad": pad,
    "concatenate": concatenate,
    "interleave": interleave,
    "windows": windows,
    "overlap_add": windows,
    "skew": skew,
    "spread": placed,
    "pick": placed,
    "full": full,
    "iota": iota,
    "constant": constant,
    "dot_general": dot_general,
    **dict.fromkeys(MATRICES, of_matrices),
    "convolution": convolution,
    **dict.fromkeys(("fft", "rfft", "irfft"), transform),
    "gather": gather,
    "scatter": scatter,
    "random_bits": random_bits,
    "bits_at": bits_at,
    "threefry": threefry,
    "associative_scan": associative,
    **dict.fromkeys(SCANS, scan),
    **dict.fromkeys(WHILES, while_loop),
    "equivalent": equivalent,
    "switch": switch,
}
"""How to apply each op of no family."""

FAMILIES = (
    (Elementwise, elementwise),
    (Reduce, reduction),
    (Cumulative, cumulative),
    (Pooling, pool),
)
"""How to apply the ops of a family."""
