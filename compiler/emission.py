"""From nodes to kernels: reads the values of a graph as expressions over the axes of one kernel.

A cluster is nodes computed over one domain: outer axes in parallel, inner axes that its reductions run over. Elementwise nodes are
expressions, views are index maps, a reduction over the inner axes is a value per outer point that later stages use, a sum over the
outer axes accumulates. `emit` raises CannotFuse where a reading needs memory: the fusion pass tries, and keeps what works.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from .index import CannotFuse, SplitAxis, unravel
from .ir import Node, Value
from .kernel import (
    OPS,
    Accumulate,
    Axis,
    Buffer,
    Const,
    Expr,
    Guard,
    Keep,
    Kernel,
    Load,
    Map,
    Reduce,
    Result,
    Stage,
    Statement,
    Store,
    apply,
    rebuilt,
    walk,
)
from .kernel import (
    Index as IndexExpr,
)
from .ops.contract import DotGeneral
from .ops.elementwise import After
from .ops.family import (
    Computed,
    Elementwise,
    Flat,
    Index,
    Piece,
    Scatter,
    View,
    affine,
    linear,
    plus,
)
from .ops.family import Reduce as Fold
from .ops.view import Reshape
from .product import Product, normal, result

POSITIONS = ("argmax", "argmin")  # monoids of a value and its place
KEEP_WEIGHT = (
    8  # what costs more than this many multiply-adds is kept in scratch rather than computed again
)
KEEP_BYTES = 64 * 1024  # a row of scratch stays in the second-level cache


@dataclass(frozen=True)
class Work:
    """A kernel and the value behind each of its buffers, in order; the last `writes` of them are written."""

    kernel: Kernel | Product
    values: tuple[Value, ...]
    writes: int

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.values[: len(self.values) - self.writes]

    @property
    def written(self) -> tuple[Value, ...]:
        return self.values[len(self.values) - self.writes :]

    def buffer(self, value: Value) -> Buffer:
        """The buffer behind which the value stands."""
        return self.kernel.buffers[self.values.index(value)]

    def __str__(self) -> str:
        return str(self.kernel)


@dataclass(frozen=True)
class HostWork:
    """A node that NumPy does on the calling thread."""

    node: Node

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.node.args

    @property
    def written(self) -> tuple[Value, ...]:
        return self.node.values

    def __str__(self) -> str:
        return f"host {self.node!r}"


@dataclass
class Reader:
    """Expressions of values at an index; `stored` values are loaded, everything else is computed here."""

    stored: Container[Value]
    sizes: dict[str, int]
    buffers: dict[Value, Buffer] = field(default_factory=dict)
    results: dict[Value, tuple[Index, Expr]] = field(default_factory=dict)
    memo: dict[tuple[Value, Index, tuple[Guard, ...]], Expr] = field(default_factory=dict)

    def read(self, value: Value, at: Index, guards: tuple[Guard, ...] = ()) -> Expr:
        """The element `at` of `value`; loads happen only where `guards` hold."""
        if value in self.stored:
            return Load(self.buffer(value), linear(at, value.shape), guards)
        at = self.spread(value, at)
        key = value, at, guards
        if key not in self.memo:
            self.memo[key] = self.compute(value, at, guards)
        return self.memo[key]

    def buffer(self, value: Value) -> Buffer:
        if value not in self.buffers:
            self.buffers[value] = Buffer(f"x{len(self.buffers)}", value.dtype, value.type.size)
        return self.buffers[value]

    def spread(self, value: Value, at: Index) -> Index:
        """A flat index as one per dimension, where that is affine; elementwise values are read flat otherwise."""
        if not isinstance(at, Flat):
            return at
        try:
            return unravel(at.map, value.shape, self.sizes)
        except (CannotFuse, SplitAxis):
            if value.node is not None and (
                isinstance(value.node.op, Elementwise) or is_reshape(value.node)
            ):
                return at
            raise

    def compute(self, value: Value, at: Index, guards: tuple[Guard, ...]) -> Expr:
        if value in self.results:
            index, result = self.results[value]
            if index != at:
                raise CannotFuse
            return result
        node = value.node
        if node is None:
            raise CannotFuse
        op = node.op
        if isinstance(op, Elementwise):
            args = [self.read(a, at, guards) for a in node.args]
            return op.expression(*args)
        if isinstance(op, After):
            return self.read(node.args[0], at, guards)
        if isinstance(op, View):
            return self.view(op, node, at, guards)
        if isinstance(op, Computed):

            def read(i: int, index: Sequence[Map | Expr]) -> Expr:
                return self.element(node.args[i], index, guards)

            return op.element(at, tuple(a.type for a in node.args), value.type, read)
        raise CannotFuse

    def view(self, op: View, node: Node, at: Index, guards: tuple[Guard, ...]) -> Expr:
        pieces = op.pieces(at, tuple(a.type for a in node.args), node.out.type)
        if len(pieces) == 1 and not pieces[0].guards:
            return self.read(node.args[pieces[0].operand], pieces[0].index, guards)
        out: Expr = Const(op.fill, node.out.dtype)
        for piece in pieces:
            out = self.piece(piece, node, guards, out)
        return out

    def piece(self, piece: Piece, node: Node, guards: tuple[Guard, ...], other: Expr) -> Expr:
        """The piece where its guards hold, `other` elsewhere."""
        inside = self.read(node.args[piece.operand], piece.index, guards + piece.guards)
        if (
            isinstance(inside, Load)
            and not guards
            and not inside.at
            and inside.guards == piece.guards
        ):
            return Load(inside.buffer, inside.map, inside.guards, other)
        return apply("select", holds(piece.guards), inside, other)

    def element(self, value: Value, index: Sequence[Map | Expr], guards: tuple[Guard, ...]) -> Expr:
        """An element whose index may be computed; such a value is in memory."""
        if all(isinstance(m, Map) for m in index):
            return self.read(value, tuple(m for m in index if isinstance(m, Map)), guards)
        if value not in self.stored:
            raise CannotFuse
        plain, parts, stride = Map(), [], value.type.size
        for m, n in zip(index, value.shape, strict=True):
            stride = stride // n if n else 0
            if isinstance(m, Map):
                plain = plus(plain, m, stride)
            else:
                parts.append((stride, m, n))
        return Load(self.buffer(value), plain, guards, None, tuple(parts))


def is_reshape(node: Node) -> bool:
    return isinstance(node.op, Reshape)


def holds(guards: tuple[Guard, ...]) -> Expr:
    """Whether all guards hold, as an expression."""
    tests = []
    for m, low, high in guards:
        at = IndexExpr(m)
        tests += [apply("ge", at, low), apply("lt", at, high)]
    out = tests[0]
    for t in tests[1:]:
        out = apply("and_", out, t)
    return out


# ---------------------------------------------------------------- domains


@dataclass(frozen=True)
class Domain:
    """The points of a cluster: an array `shape`, of which the dimensions `inner` are what its reductions run over."""

    shape: tuple[int, ...]
    inner: frozenset[int] = frozenset()
    splits: tuple[tuple[str, int], ...] = ()  # axes that a reshape needs as two

    def axes(self, inner: bool) -> list[Axis]:
        out = [Axis(f"{'j' if k in self.inner else 'i'}{k}", n) for k, n in enumerate(self.shape)
               if n != 1 and (k in self.inner) == inner]  # fmt: skip
        for name, size in self.splits:
            for p, a in enumerate(out):
                if a.name == name:
                    out[p : p + 1] = [Axis(f"{name}a", a.size // size), Axis(f"{name}b", size)]
                    break
        return out

    @property
    def sizes(self) -> dict[str, int]:
        return {a.name: a.size for a in (*self.axes(False), *self.axes(True))}

    @property
    def outer_shape(self) -> tuple[int, ...]:
        return tuple(n for k, n in enumerate(self.shape) if k not in self.inner)

    def point(self, dims: Sequence[int]) -> tuple[Map, ...]:
        """The map of each of `dims`."""
        maps = {
            k: affine({f"{'j' if k in self.inner else 'i'}{k}": int(n != 1)})
            for k, n in enumerate(self.shape)
        }
        for name, size in self.splits:
            for k, m in maps.items():
                if s := m.stride(name):
                    rest = {a: t for a, t in m.strides if a != name}
                    maps[k] = affine(rest | {f"{name}a": s * size, f"{name}b": s})
        return tuple(maps[k] for k in dims)

    def whole(self, shape: tuple[int, ...]) -> Index:
        """The index of this point in an array of `shape`: the domain's, or that of its outer part."""
        every = range(len(self.shape))
        if shape == self.shape:
            return self.point(every)
        outer = [k for k in every if k not in self.inner]
        for dims in (every, outer):
            over = tuple(self.shape[k] for k in dims)
            if squeezed(over) == squeezed(shape) or (
                dims is every and math.prod(over) == math.prod(shape)
            ):
                return unravel(linear(self.point(dims), over), shape, self.sizes)
        raise CannotFuse

    def has(self, shape: tuple[int, ...]) -> bool:
        return math.prod(shape) == math.prod(self.shape) or squeezed(shape) == squeezed(
            self.outer_shape
        )


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


# ---------------------------------------------------------------- products and scatters


def emit_product(
    name: str,
    node: Node,
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
) -> Work:
    """The product `node` with the `nodes` of its epilogue; raises CannotFuse where an operand is no plain view of memory."""
    op = node.op
    assert isinstance(op, DotGeneral)
    point = tuple(affine({f"i{k}": int(n != 1)}) for k, n in enumerate(domain.shape))
    (lhs_k, rhs_k), (lhs_b, rhs_b) = op.contracting, op.batch
    shapes = [a.shape for a in node.args]
    depths = [shapes[0][k] for k in lhs_k]
    free = [[d for d in range(len(shapes[side])) if d not in (*ks, *bs)]
            for side, (ks, bs) in enumerate(((lhs_k, lhs_b), (rhs_k, rhs_b)))]  # fmt: skip
    of_free = (point[len(lhs_b) : len(lhs_b) + len(free[0])], point[len(lhs_b) + len(free[0]) :])
    sizes = {f"i{k}": n for k, n in enumerate(domain.shape)} | {
        f"k{p}": n for p, n in enumerate(depths)
    }
    reader = Reader(stored, sizes)
    loads = []
    for side, (ks, bs) in enumerate(((lhs_k, lhs_b), (rhs_k, rhs_b))):
        at = dict(zip(bs, point, strict=False)) | dict(zip(free[side], of_free[side], strict=True))
        at |= {k: affine({f"k{p}": int(depths[p] != 1)}) for p, k in enumerate(ks)}
        loads.append(
            plain_load(reader, node.args[side], tuple(at[d] for d in range(len(shapes[side]))))
        )
    lhs, rhs = joined_depth(loads, depths)
    axes = [Axis(f"i{k}", n) for k, n in enumerate(domain.shape)]
    cut = len(lhs_b) + len(free[0])
    rows = axes[cut - 1] if free[0] else Axis("row", 1)
    columns = axes[-1] if free[1] else Axis("column", 1)
    batch = tuple(a for a in axes if a not in (rows, columns) and a.size != 1)
    emission = Emission(name, domain, reader, wanted)
    reader.results[node.out] = domain.whole(node.out.shape), result(node.out.dtype)
    emission.values((node, *nodes))
    if any(i.name for i in emission.items):
        raise CannotFuse
    buffers = (*reader.buffers.values(), *(b for _, b in emission.outputs))
    stores = tuple(s for i in emission.items if isinstance(s := i.make(i.expr), Store))
    depth = Axis("k", math.prod(depths))
    product = normal(Product(name, buffers, batch, rows, columns, depth, lhs, rhs, stores))
    return Work(
        product, (*reader.buffers, *(v for v, _ in emission.outputs)), len(emission.outputs)
    )


def plain_load(reader: Reader, value: Value, at: tuple[Map, ...]) -> Load:
    try:
        load = reader.read(value, at)
    except SplitAxis:
        raise CannotFuse from None
    if not isinstance(load, Load) or load.guards or load.at:
        raise CannotFuse
    return load


def joined_depth(loads: Sequence[Load], depths: Sequence[int]) -> list[Load]:
    """Both operands with their contracted axes as the one axis `k`."""
    out = []
    for load in loads:
        strides = dict(load.map.strides)
        steps = [strides.pop(f"k{p}", 0) for p in range(len(depths))]
        pitch = 0
        for step, n in zip(reversed(steps), reversed(depths), strict=True):
            if n == 1:
                continue
            if pitch and step != pitch:
                raise CannotFuse
            pitch = step * n
        step = next(
            (s for s, n in zip(reversed(steps), reversed(depths), strict=True) if n != 1), 0
        )
        out.append(Load(load.buffer, affine(strides | {"k": step}, load.map.offset)))
    return out


def plain_operand(value: Value, base: Value) -> bool:
    """Whether `value` is a view of `base` that affine strides describe."""
    sizes = {f"d{k}": n for k, n in enumerate(value.shape)}
    at = tuple(affine({f"d{k}": int(n != 1)}) for k, n in enumerate(value.shape))
    try:
        plain_load(Reader({base}, sizes), value, at)
    except CannotFuse:
        return False
    return True


def emit_scatter(name: str, node: Node, stored: Container[Value]) -> tuple[Work, Work]:
    """Clears the result, then adds the elements of operand 0 in C order, at their computed places."""
    op, (operand, *_), out = node.op, node.args, node.out
    assert isinstance(op, Scatter)
    domain = Domain(operand.shape)
    reader = Reader(stored, domain.sizes)
    at = domain.point(range(operand.type.ndim))
    expr = reader.read(operand, at)

    def read(i: int, index: Sequence[Map | Expr]) -> Expr:
        return reader.element(node.args[i], index, ())

    place = op.place(at, tuple(a.type for a in node.args), out.type, read)
    plain, parts, stride = Map(), [], out.type.size
    for m, n in zip(place, out.shape, strict=True):
        stride = stride // n if n else 0
        if isinstance(m, Map):
            plain = plus(plain, m, stride)
        else:
            parts.append((stride, m, n))
    computed = {
        a
        for _, e, _ in parts
        for x in walk(e)
        if isinstance(x, (Load, IndexExpr))
        for a in x.map.axes
    }
    inner = tuple(a for a in domain.axes(False) if a.name not in computed)
    outer = tuple(a for a in domain.axes(False) if a.name in computed)
    y = Buffer("y0", out.dtype, out.type.size)
    stage = Stage(inner, (Accumulate(y, plain, expr, tuple(parts)),))
    kernel = Kernel(name, (*reader.buffers.values(), y), outer, (stage,), 0)
    every = Axis("i", out.type.size)
    clear = Kernel(
        "clear", (y,), (every,), (Stage((), (Store(y, affine({"i": 1}), Const(0, out.dtype)),)),)
    )
    return Work(clear, (out,), 1), Work(kernel, (*reader.buffers, out), 1)


# ---------------------------------------------------------------- clusters to kernels


@dataclass(frozen=True)
class Item:
    """What a cluster does with an expression: reduce, store or accumulate it."""

    expr: Expr
    make: Callable[[Expr], Statement]
    inner: bool  # at every inner point, or once per outer point
    name: str = ""  # of a reduction


def emit(
    name: str,
    nodes: Sequence[Node],
    domain: Domain,
    stored: Container[Value],
    wanted: Container[Value],
) -> Work:
    """One kernel for `nodes` over `domain`, storing the `wanted` values; raises CannotFuse."""
    for _ in range(8):
        try:
            return Emission(name, domain, Reader(stored, domain.sizes), wanted).run(nodes)
        except SplitAxis as split:
            domain = Domain(domain.shape, domain.inner, (*domain.splits, (split.axis, split.inner)))
    raise CannotFuse


class Emission:
    """The state of one `emit`."""

    def __init__(self, name: str, domain: Domain, reader: Reader, wanted: Container[Value]) -> None:
        self.name, self.domain, self.reader, self.wanted = name, domain, reader, wanted
        self.items: list[Item] = []
        self.outputs: list[tuple[Value, Buffer]] = []
        self.inner_names = {a.name for a in domain.axes(True)}
        self.outer_names = {a.name for a in domain.axes(False)}

    def run(self, nodes: Sequence[Node]) -> Work:
        self.values(nodes)
        kernel = self.kernel()
        return Work(
            kernel, (*self.reader.buffers, *(v for v, _ in self.outputs)), len(self.outputs)
        )

    def values(self, nodes: Sequence[Node]) -> None:
        """What each node asks for."""
        for node in nodes:
            if isinstance(node.op, Fold):
                self.reduce(node, node.op)
                continue
            for value in node.values:
                if value in self.wanted:
                    at = self.domain.whole(value.shape)
                    self.store(value, self.reader.read(value, at), linear(at, value.shape))

    def output(self, value: Value) -> Buffer:
        buffer = Buffer(f"y{len(self.outputs)}", value.dtype, value.type.size)
        self.outputs.append((value, buffer))
        return buffer

    def store(self, value: Value, expr: Expr, at: Map) -> None:
        buffer = self.output(value)
        self.items.append(
            Item(expr, lambda e: Store(buffer, at, e), bool(at.axes & self.inner_names))
        )

    def reduce(self, node: Node, op: Fold) -> None:
        (operand,), out = node.args, node.out
        at = self.domain.whole(operand.shape)
        if isinstance(at, Flat):
            raise CannotFuse
        gone = [k for k in range(len(at)) if k in op.axes]
        kept = tuple(m for k, m in enumerate(at) if k not in op.axes)
        over = frozenset(a for k in gone for a in at[k].axes)
        if not over:
            self.single(op, node, at, kept)
        elif over == self.inner_names and not any(m.axes & self.inner_names for m in kept):
            expr = self.reader.read(operand, at)
            result = self.fold(op, expr, at, operand)
            self.reader.results[out] = kept, result
            if out in self.wanted:
                self.store(out, result, linear(kept, out.shape))
        elif op.monoid == "sum" and self.outer_names and self.outer_names <= over:
            self.accumulate(node, at, over, kept)
        else:
            raise CannotFuse

    def single(self, op: Fold, node: Node, at: tuple[Map, ...], kept: tuple[Map, ...]) -> None:
        """A reduction over axes of one element: the element, or the place 0."""
        out = node.out
        expr = (
            self.reader.read(node.args[0], at)
            if op.monoid not in POSITIONS
            else Const(0, out.dtype)
        )
        self.reader.results[out] = kept, expr
        if out in self.wanted:
            self.store(out, expr, linear(kept, out.shape))

    def fold(self, op: Fold, expr: Expr, at: tuple[Map, ...], operand: Value) -> Expr:
        """A reduction over the inner axes: its result, a value per outer point."""
        name = f"r{len(self.items)}"
        if op.monoid in POSITIONS:
            (axis,) = op.axes
            names, exprs = (f"{name}v", name), (expr, IndexExpr(at[axis]))
            self.items.append(
                Item(expr, lambda e: Reduce(names, op.monoid, (e, exprs[1])), True, name)
            )
            return Result(name, (), "i64")
        self.items.append(Item(expr, lambda e: Reduce((name,), op.monoid, (e,)), True, name))
        return Result(name, (), expr.dtype)

    def accumulate(
        self, node: Node, at: tuple[Map, ...], over: frozenset[str], kept: tuple[Map, ...]
    ) -> None:
        """A sum over the outer axes, and over the inner ones too where they are in `over`."""
        (operand,), out = node.args, node.out
        expr = self.reader.read(operand, at)
        inner = over & self.inner_names
        if inner and inner != self.inner_names:
            raise CannotFuse
        if not inner and frozenset().union(*(m.axes for m in kept)) != (
            self.inner_names & axes_read(at)
        ):
            raise CannotFuse
        if inner:
            name = f"r{len(self.items)}"
            self.items.append(Item(expr, lambda e: Reduce((name,), "sum", (e,)), True, name))
            expr = Result(name, (), expr.dtype)
        buffer, place = self.output(out), linear(kept, out.shape)
        self.items.append(Item(expr, lambda e: Accumulate(buffer, place, e), bool(place.axes)))

    # ---- stages

    def kernel(self) -> Kernel:
        inner, outer = tuple(self.domain.axes(True)), tuple(self.domain.axes(False))
        stage_of: dict[str, int] = {}
        placed: list[tuple[int, Item]] = []
        for item in self.items:
            depth = max(
                (stage_of[e.name] + 1 for e in walk(item.expr) if isinstance(e, Result)), default=0
            )
            if item.name:
                stage_of[item.name] = depth
            placed.append((depth, item))
        last = max((d for d, _ in placed), default=0)
        stages: list[Stage] = []
        kept = Kept(inner, self.reader.sizes)
        for depth in range(last + 1):
            once = [i for d, i in placed if d == depth and not (i.inner and inner)]
            every = [i for d, i in placed if d == depth and i.inner and inner]
            if once:
                stages.append(Stage((), tuple(i.make(kept.later(i.expr)) for i in once)))
            if every:
                later = [i.expr for d, i in placed if d > depth]
                stages.append(Stage(inner, kept.stage(every, later)))
        ordered = any(isinstance(s, Accumulate) for st in stages for s in st.body)
        buffers = (*self.reader.buffers.values(), *(b for _, b in self.outputs))
        return Kernel(self.name, buffers, outer, tuple(stages), 0 if ordered else -1)


def axes_read(at: tuple[Map, ...]) -> frozenset[str]:
    return frozenset().union(*(m.axes for m in at))


class Kept:
    """Rows of scratch: heavy values that a later stage reads again are kept by the stage that computes them first."""

    def __init__(self, inner: tuple[Axis, ...], sizes: dict[str, int]) -> None:
        self.inner, self.names = inner, tuple(a.name for a in inner)
        self.points = math.prod(a.size for a in inner)
        self.memo: dict[Expr, Expr] = {}
        self.keeps: dict[Expr, Result] = {}

    def later(self, e: Expr) -> Expr:
        """`e` with kept values read from scratch."""
        return replaced(e, self.keeps, self.memo)

    def stage(self, items: list[Item], later: list[Expr]) -> tuple[Statement, ...]:
        here = list(walk(*(i.expr for i in items)))
        again = set(walk(*later))
        exprs = {i: self.later(i.expr) for i in items}
        found: list[tuple[Result, Expr]] = []
        for e in reversed(here):
            if e in again and e not in self.keeps and self.worth(e, again, later):
                result = Result(f"k{len(self.keeps)}", self.names, e.dtype)
                found.append((result, self.later(e)))
                self.keeps[e] = result
        body: list[Statement] = [Keep(r.name, r.axes, e) for r, e in reversed(found)]
        if found:
            self.memo = {}
        return (*body, *(i.make(exprs[i]) for i in items))

    def worth(self, e: Expr, again: set[Expr], later: list[Expr]) -> bool:
        """Whether `e` varies along the row, costs more than a load, fits, and is not inside another kept value."""
        if self.points * 8 > KEEP_BYTES or e.op in ("load", "const", "index", "result"):
            return False
        if any(e in set(walk(*k.args)) and not used_outside(e, k, later) for k in self.keeps):
            return False
        weight = sum(OPS[n.op].weight for n in walk(e) if n.op in OPS and n not in self.keeps)
        return weight >= KEEP_WEIGHT and varies(e, set(self.names))


def used_outside(e: Expr, kept: Expr, roots: list[Expr]) -> bool:
    """Whether `roots` read `e` other than through `kept`."""
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        n = stack.pop()
        if n is e:
            return True
        if n is not kept and n not in seen:
            seen.add(n)
            stack += n.args
    return False


def varies(e: Expr, axes: set[str]) -> bool:
    """Whether `e` depends on any of `axes`."""
    for n in walk(e):
        if (
            isinstance(n, Load)
            and (n.map.axes | frozenset().union(*(g.axes for g, _, _ in n.guards))) & axes
        ):
            return True
        if (isinstance(n, IndexExpr) and n.map.axes & axes) or (
            isinstance(n, Result) and set(n.axes) & axes
        ):
            return True
    return False


def replaced(e: Expr, by: dict[Expr, Result], memo: dict[Expr, Expr]) -> Expr:
    """The DAG of `e` with the nodes of `by` replaced."""
    if not by:
        return e
    for old, new in by.items():
        memo.setdefault(old, new)
    return rebuilt(e, lambda leaf: leaf, memo)
