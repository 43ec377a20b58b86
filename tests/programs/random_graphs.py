"""Random well-typed graphs and arrays for them: every op, small and odd shapes, tame values.

`random_graph(seed)` begins with op number `seed` of the registry, so as many seeds in a row as
there are ops cover them all. A bound of every value is tracked while the graph is made: operands
are brought into the domain of the op, large results are scaled down, so nothing overflows and NaN
does not occur.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

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
from wonderland.compiler.ops.random import Threefry
from wonderland.compiler.ops.source import number as of_type
from wonderland.compiler.ops.view import Flip, Pad, Permute, Reshape, Slice

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
DOMAIN: dict[tuple[str, int], Range] = {
    ("log", 0): (0.25, 8),
    ("log1p", 0): (-0.75, 8),
    ("log2", 0): (0.25, 8),
    ("log10", 0): (0.25, 8),
    ("cbrt", 0): (0.25, 8),
    ("tan", 0): (-1, 1),
    ("asin", 0): (-0.75, 0.75),
    ("acos", 0): (-0.75, 0.75),
    ("atanh", 0): (-0.75, 0.75),
    ("erfinv", 0): (-0.75, 0.75),
    ("acosh", 0): (1.25, 8),
    ("lgamma", 0): (0.5, 8),
    ("digamma", 0): (0.5, 8),
    ("atan2", 1): (0.25, 8),
    ("sqrt", 0): (0.25, 8),
    ("rsqrt", 0): (0.25, 8),
    ("div", 1): (0.5, 8),
    ("rem", 1): (1, 8),
    ("fmod", 1): (1, 8),
    ("entr", 0): (0.25, 8),
    ("log_odds", 0): (0.125, 0.875),
    ("xlogy", 1): (0.25, 8),
    ("xlog1py", 1): (-0.75, 8),
    ("floordiv", 1): (1, 8),
    ("shift_left", 1): (0, 6),
    ("shift_right", 1): (0, 6),
}
"""What the operand of an op must lie in, where not every number will do."""

ENTIRE = "add sub mul neg abs eq ne select cast real imag conj exp expm1 exp2 sin cos sinh cosh"
"""What takes complex values here: no branch cuts, poles or zeros that rounding may cross."""

RISING = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "sqrt",
    "erf",
    "floor",
    "ceil",
    "round",
    "sign",
    "trunc",
    "exp2",
    "log2",
    "log10",
    "cbrt",
    "tan",
    "asin",
    "atan",
    "sinh",
    "asinh",
    "acosh",
    "atanh",
    "erfinv",
    "digamma",
    "log_odds",
)


def limits(dtype: str) -> Range:
    """The least and the greatest number of a dtype."""
    if dtype not in INTEGERS:
        return -math.inf, math.inf
    info = np.iinfo(NUMPY[dtype])
    return int(info.min), int(info.max)


class Unfit(Exception):
    """This attempt leads nowhere; the next may."""


def random_names() -> list[str]:
    """The ops that graphs begin with, seed by seed."""
    return sorted({*BUILDERS, *(n for n, op in Op.registry.items() if issubclass(op, Elementwise))})


def random_graph(seed: int, nodes: int = 12, halves: bool = True, loops: bool = True) -> Graph:
    """A graph of at most `nodes` nodes (at least 6), the same for the same seed.

    Without `halves` none of f16 and bf16, whose rounding hides small errors; without `loops` no op
    that holds graphs."""
    names = [n for n in random_names() if loops or n not in CONTROL]
    with sourced(None):
        for attempt in range(100):
            maker = Maker(np.random.default_rng([seed, attempt]), halves)
            if maker.grow(names[seed % len(names)], names, nodes):
                return maker.graph(f"g{seed}")
    name = names[seed % len(names)]
    raise AssertionError(
        f"no graph for seed {seed}, which begins with op '{name}': its class says by `domain` and "
        "`interval` what it takes; an op of no family needs an entry in BUILDERS"
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
                self.tame(BUILDERS.get(name, elementwise)(self, name))
            except Unfit:
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
            outputs.append(first)
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
        if not math.isfinite(bound) or (value.dtype in ("i32", "i64", "u64") and bound > 2**20):
            raise Unfit
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
        """`x`, brought into the range where it is not; complex numbers are scaled."""
        a, b = self.bounds[x]
        if x.type.is_complex:
            return self.note(ops.mul(x, ops.full(high / b, x.type)), (0, high)) if b > high else x
        if (
            a < low
            and x.type.is_float
            and low > 0
            and max(abs(a), abs(b)) <= 2
            and self.chance(0.5)
        ):
            x = self.note(ops.add(ops.mul(x, x), ops.full(low, x.type)), (low, low + 4))
        if self.bounds[x][0] < low:
            x = self.note(ops.maximum(x, ops.full(low, x.type)), (low, max(b, low)))
        if self.bounds[x][1] > high:
            x = self.note(ops.minimum(x, ops.full(high, x.type)), (self.bounds[x][0], high))
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
    if name == "pow":
        floats = x.type.is_float
        args = [
            m.within(x, *((0.5, 8) if floats else (0, 6))),
            m.within(args[1], *((-2, 2) if floats else (0, 3))),
        ]
    args = [m.within(a, *r) if (r := domain_of(op, i)) else a for i, a in enumerate(args)]
    try:
        bounds = bounds_of(name, [m.bounds[a] for a in args], args)
    except ArithmeticError:  # beyond what a float bounds
        raise Unfit from None
    variants = {"sinc": 4, "share": 2, "share2": 2}
    made = op(int(m.rng.integers(variants[name]))) if name in variants else op()  # pyright: ignore[reportCallIssue]
    return m.note(apply(made, *args), bounds)


def domain_of(op: type[Elementwise], i: int) -> Range | None:
    """What operand `i` must lie in: by the table, else, of one operand, where samples are taken."""
    told = op.arity > 1 or op.interval == Elementwise.interval or not set(op.domain) <= set(INEXACT)
    return DOMAIN.get((op.name, i)) or (None if told else op.interval)


def sampled(name: str, given: list[Range], args: list[Value]) -> Range:
    """Bounds by the op's reference on a grid, twice as wide: for ops that the table below lacks."""
    if args[0].type.is_complex or not all(np.isfinite(r).all() for r in given):
        return -math.inf, math.inf
    ends = [np.linspace(*r, 17).astype(args[0].type.numpy) for r in given]
    grid = np.meshgrid(*ends, indexing="ij")
    found = np.asarray(Op.registry[name]().reference(*grid), np.float64)
    middle, half = (found.max() + found.min()) / 2, found.max() - found.min()
    return float(middle - half), float(middle + half)


def bounds_of(name: str, given: list[Range], args: list[Value]) -> Range:
    """Bounds of an elementwise result."""
    (a, b), (c, d) = given[0], given[-1]
    ends = [p * q for p in given[0] for q in given[min(1, len(given) - 1)]]
    if name in ("eq", "ne", "lt", "le", "gt", "ge") or (
        args[0].dtype == "bool" and name != "select"
    ):
        return 0, 1
    if args[0].type.is_complex and name in ("exp", "expm1", "exp2", "sin", "cos", "sinh", "cosh"):
        return 0, 1 + math.exp(b)
    if name in RISING:
        low, high = (
            float(Op.registry[name]().reference(np.asarray(v, np.float64))) for v in (a, b)
        )
        return low, high
    match name:
        case "sin" | "cos" | "sinc":
            return -1, 1
        case "share" | "share2":
            return 0, 1
        case "entr":
            return -b * math.log(8), 1
        case "xlogy" | "xlog1py":
            size = max(-a, b) * math.log(9)
            return -size, size
        case "logaddexp" | "logaddexp2":
            return max(a, c), max(b, d) + 1
        case "fmod":
            return min(max(a, -d), 0), max(min(b, d), 0)
        case "real" | "imag" | "conj":
            return a, b
        case "cosh":
            return 1, math.cosh(max(-a, b))
        case "acos" | "erfc":
            return 0, 3
        case "lgamma":
            return -0.13, 9
        case "atan2":
            return -math.pi / 2, math.pi / 2
        case "hypot" | "complex":
            return 0, math.hypot(max(-a, b), max(-c, d))
        case "copysign":
            return -max(-a, b), max(-a, b)
        case "nextafter":
            return min(a, c), max(b, d)
        case "neg" | "not_":
            return -b - 1, -a
        case "abs":
            return 0, max(-a, b)
        case "rsqrt":
            return 1 / math.sqrt(b), 1 / math.sqrt(a)
        case "add":
            return a + c, b + d
        case "sub":
            return a - d, b - c
        case "mul":
            return min(ends), max(ends)
        case "fma":
            return min(ends) + c, max(ends) + d
        case "div" | "floordiv":
            quotients = [p / q for p in (a, b) for q in (c, d)]
            return math.floor(min(quotients)), max(quotients)
        case "rem":
            return 0, d
        case "pow":
            powers = [p**q for p in (a, b) for q in (c, d)] if a else [0, 1, b**d]
            return min(powers), max(powers)
        case "shift_left":
            return min(a * 2**d, a), b * 2**d
        case "shift_right":
            return min(a, 0), max(b, 0)
        case "and_" | "or_" | "xor":
            bound = 2 ** math.ceil(math.log2(max(map(abs, (a, b, c, d))) + 1))
            return (-bound if min(a, c) < 0 else 0), bound
        case "maximum" | "minimum" | "select":
            (a, b), (c, d) = given[-2:]
            return min(a, c), max(b, d)
    return sampled(name, given, args)


# ---------------------------------------------------------------- the others


def reduction(m: Maker, name: str) -> Value:
    op = Op.registry[name]
    assert issubclass(op, Reduce)
    x = m.any_value(op.domain, least=1)
    axes = (m.axis(x),) if name.startswith("arg") or not m.chance(0.5) else m.some_axes(x)
    n = math.prod(x.shape[a] for a in axes)
    if n == 0 and not op.empty:
        raise Unfit
    if name.startswith("arg") and x.type.is_float:  # which of two is greater by a bit is no meaning
        low, high = m.bounds[x]
        x = m.note(ops.round(x), (low - 1, high + 1))
    if name == "prod":
        if n > 64:
            raise Unfit
        x = m.within(x, *((-1, 1) if x.dtype not in UNSIGNED else (0, 1)))
    low, high = m.bounds[x]
    bounds = {
        "sum": (min(low * n, 0), max(high * n, 0)),
        "prod": (-1, 1),
        "argmax": (0, n - 1),
        "argmin": (0, n - 1),
    }.get(name, (low, high))
    return m.note(apply(op(axes), x), bounds)


def cumulative(m: Maker, name: str) -> Value:
    op = Op.registry[name]
    assert issubclass(op, Cumulative)
    x = m.any_value(op.domain, least=1)
    k, args = m.axis(x), [x]
    n = x.shape[k]
    if name in ("cumprod", "linear_recurrence"):
        if n > 64:
            raise Unfit
        args = [m.within(x, *((-1, 1) if x.dtype not in UNSIGNED else (0, 1)))]
    if name == "linear_recurrence":
        args.append(m.of(x.type))
    low, high = m.bounds[args[-1]]
    if name in ("cumsum", "linear_recurrence"):
        far = max(abs(low), abs(high)) * max(n, 1)
        low, high = (min(low * n, low), max(high * n, high)) if name == "cumsum" else (-far, far)
    bounds = (low, high + math.log(n + 1)) if name == "cumlogsumexp" else (low, high)
    return m.note(apply(op(k, m.chance(0.5)), *args), bounds)


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


BUILDERS: dict[str, Callable[[Maker, str], Value]] = {
    **dict.fromkeys(("custom_jvp", "custom_vjp", "custom_vmap", "adjoint"), custom),
    **dict.fromkeys(("sum", "max", "min", "prod", "any", "all", "argmax", "argmin"), reduction),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin"), cumulative),
    **dict.fromkeys(("cumlogsumexp", "linear_recurrence"), cumulative),
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
    "full": full,
    "iota": iota,
    "constant": constant,
    "dot_general": dot_general,
    "gather": gather,
    "scatter": scatter,
    "random_bits": random_bits,
    "threefry": threefry,
    **dict.fromkeys(SCANS, scan),
    **dict.fromkeys(WHILES, while_loop),
    "equivalent": equivalent,
    "switch": switch,
}
"""How to apply each op that is not elementwise."""
