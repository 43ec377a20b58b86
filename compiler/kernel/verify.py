"""The rules of kernels. A broken one is reported with the statement at fault and the kernel's text.

names        buffers, axes and results are distinct; an axis name means one size
types        every operation fits its table entry; a store has the dtype of its buffer
bounds       no load or store leaves its buffer
order        results come from earlier stages; what a stage wrote no later stage reads;
             within a stage a buffer is read and written at the same place
races        points of a store never meet; those of an accumulation along ordered axes only
scratch      kept rows together fit `SCRATCH_BYTES`
"""

from __future__ import annotations

from collections.abc import Iterable

from .expr import At, Axis, Buffer, Const, Expr, Guard, Index, Load, Map, Result, bounds, walk
from .monoid import MONOIDS
from .scalar import NUMPY, OPS, KernelError
from .stages import (
    Accumulate,
    Keep,
    Kernel,
    KernelReduce,
    Stage,
    Statement,
    Store,
    defined_results,
    statement_lines,
)
from .text import PLAIN

SCRATCH_BYTES = 1 << 18  # half of a usual second-level cache


def verify(kernel: Kernel) -> Kernel:
    """The kernel, or a KernelError that names the statement at fault."""
    return Verifier(kernel).run()


class Verifier:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.scope = kernel, {a.name: a for a in kernel.outer}
        self.buffers = {b.name: b for b in kernel.buffers}
        self.results: dict[str, tuple[tuple[str, ...], str]] = {}
        self.written: set[str] = set()
        self.scratch = 0
        self.at = ""

    def require(self, holds: object, what: str) -> None:
        if not holds:
            where = f"{self.at}: " if self.at else ""
            raise KernelError(f"{self.kernel.name}: {where}{what}", str(self.kernel))

    def run(self) -> Kernel:
        self.names()
        for stage in self.kernel.stages:
            self.scope = {a.name: a for a in self.kernel.outer}
            for a in stage.axes:
                for e in a.ends:
                    self.expression(stage, e)
                    self.require(e.dtype in ("i32", "i64"), f"ends of {e.dtype}")
                self.require(
                    not a.segment or all(isinstance(s, KernelReduce) for s in stage.body),
                    f"the segment {a.name} is reduced only",
                )
            self.scope |= {a.name: a for a in stage.axes}
            for s in stage.body:
                self.at = statement_lines(Stage((), (s,)), set(), PLAIN)[-1]
                self.statement(stage, s)
            self.results |= {
                n: (s.axes if isinstance(s, Keep) else (), e.dtype)
                for s in stage.body
                for n, e in zip(defined_results(s), s.exprs, strict=False)
            }
            self.written |= {s.buffer.name for s in stage.body if isinstance(s, Store | Accumulate)}
        return self.kernel

    # ---- names

    def names(self) -> None:
        k = self.kernel
        results = [n for stage in k.stages for s in stage.body for n in defined_results(s)]
        named = [*self.buffers, *k.axes, *results]
        self.require(len(self.buffers) == len(k.buffers), "two buffers of one name")
        for n in named:
            self.require(
                n.isidentifier() and named.count(n) == 1,
                f"the name {n} is used twice or is no name",
            )
        self.require(
            -1 <= k.parallel <= len(k.outer), f"{k.parallel} parallel axes of {len(k.outer)}"
        )
        for b in k.buffers:
            self.require(b.dtype in NUMPY and b.size >= 0, f"{b} is no buffer")
        for stage in k.stages:
            for a in stage.axes:
                self.require(
                    k.axes[a.name] == a and a not in k.outer, f"axis {a.name} has two meanings"
                )
        for a in k.axes.values():
            self.axis(a)

    def axis(self, a: Axis) -> None:
        self.require(a.size >= 0, f"axis {a.name} of {a.size} points")
        self.require(
            not a.segment or a not in self.kernel.outer, f"the outer axis {a.name} is a segment"
        )
        if a.split:
            outer, total = a.split
            self.require(a not in self.kernel.free, f"the parallel axis {a.name} is split")
            by = next((o for o in self.kernel.outer if o.name == outer), None)
            self.require(by, f"axis {a.name} is split by {outer}, which is no outer axis")
            assert by is not None
            fits = a.size > 0 and by.size == -(-total // a.size)
            self.require(
                fits, f"axis {a.name}: {by.size} blocks of {a.size} are not {total} points"
            )

    # ---- statements

    def statement(self, stage: Stage, s: Statement) -> None:
        for e in walk(*s.exprs):
            self.expression(stage, e)
        match s:
            case KernelReduce():
                self.reduce(s)
            case Keep():
                self.require(
                    sorted(s.axes) == sorted(a.name for a in stage.axes),
                    "a row has the axes of its stage",
                )
                rows = NUMPY[s.expr.dtype].itemsize
                for a in stage.axes:
                    rows *= a.size
                self.scratch += rows
                self.require(
                    self.scratch <= SCRATCH_BYTES,
                    f"{self.scratch} bytes of rows exceed {SCRATCH_BYTES}",
                )
            case _:
                self.require(s.buffer.dtype == s.expr.dtype, f"stores {s.expr.dtype} to {s.buffer}")
                if isinstance(s, Accumulate):
                    known = s.monoid == "sum" or (s.at and MONOIDS[s.monoid].update)
                    self.require(known, f"accumulates by {s.monoid}")
                self.access(s.buffer, s.map, s.at, ())
                self.races(stage, s)

    def reduce(self, s: KernelReduce) -> None:
        m = MONOIDS.get(s.monoid)
        self.require(m, f"unknown monoid {s.monoid}")
        assert m is not None
        self.require(len(s.names) == len(s.exprs) == m.fields, f"{s.monoid} has {m.fields} fields")
        boolean = s.exprs[0].dtype == "bool"
        self.require(boolean == m.boolean, f"{s.monoid} of {s.exprs[0].dtype}")
        if m.fields == 2:
            self.require(
                isinstance(s.exprs[1], Index), f"the second field of {s.monoid} is an index"
            )

    def expression(self, stage: Stage, e: Expr) -> None:
        match e:
            case Const():
                self.require(e.dtype in NUMPY, f"unknown dtype {e.dtype}")
            case Load():
                self.load(stage, e)
            case Index():
                self.require(e.dtype in ("i32", "i64"), f"an index of {e.dtype}")
                self.known(e.map)
            case Result():
                found = self.results.get(e.name)
                self.require(found, f"{e.name} is not computed by an earlier stage")
                self.require(
                    found == (e.axes, e.dtype), f"{e.name} is {found}, not {(e.axes, e.dtype)}"
                )
                self.require(
                    set(e.axes) <= set(self.scope), f"{e.name} needs the axes {', '.join(e.axes)}"
                )
            case _:
                self.require(e.op in OPS, f"unknown operation {e.op}")
                dtype = OPS[e.op].result(tuple(a.dtype for a in e.args), e.param)
                self.require(dtype == e.dtype, f"{e.op} gives {dtype}, not {e.dtype}")

    def load(self, stage: Stage, e: Load) -> None:
        self.access(e.buffer, e.map, e.at, e.guards)
        self.require(e.fill is None or e.fill.dtype == e.dtype, "the fill has another dtype")
        self.require(
            e.buffer.name not in self.written, f"{e.buffer.name} was written by an earlier stage"
        )
        for w in stage.body:
            if isinstance(w, Store | Accumulate) and w.buffer is e.buffer:
                same = w.map == e.map and not w.at and not e.at
                self.require(
                    same, f"{e.buffer.name} is read and written at different places of one stage"
                )

    def known(self, m: Map) -> None:
        for a in m.axes:
            self.require(a in self.scope, f"no axis {a} here")

    # ---- bounds and races

    def access(self, b: Buffer, m: Map, at: At, guards: Iterable[Guard]) -> None:
        self.require(self.buffers.get(b.name) is b, f"{b.name} is not a buffer of the kernel")
        self.known(m)
        if any(a.size == 0 for a in self.scope.values()):
            return
        ranges = self.ranges()
        loose = False  # a guard over several axes bounds in a way that a box cannot say
        for g, low, high in guards:
            self.known(g)
            loose = loose or len(g.axes) != 1
            if len(g.axes) == 1:
                a, first, last = guarded_range(g, low, high)
                ranges[a] = max(ranges[a][0], first), min(ranges[a][1], last)
        if loose or any(low > high for low, high in ranges.values()):
            return
        low, high = bounds(self.joined(m, ranges), ranges)
        for stride, index, size in at:
            self.require(index.dtype in ("i32", "i64", "u32"), f"an index of {index.dtype}")
            low, high = low + min(0, stride * (size - 1)), high + max(0, stride * (size - 1))
        self.require(low >= 0 and high < b.size, f"{b} is read or written at {low}..{high}")

    def ranges(self) -> dict[str, tuple[int, int]]:
        """First and last point of every axis in scope."""
        return {
            a.name: (0, min(a.size, a.split[1] if a.split else a.size) - 1)
            for a in self.scope.values()
        }

    def joined(self, m: Map, ranges: dict[str, tuple[int, int]]) -> Map:
        """The map with a split axis and its outer one as one; adds the range of that."""
        for a in self.scope.values():
            if a.split and m.stride(a.split[0]) == m.stride(a.name) * a.size != 0:
                ranges[a.name] = 0, a.split[1] - 1
                m = m.renamed(lambda n, o=a.split[0]: None if n == o else n)
        return m

    def races(self, stage: Stage, s: Store | Accumulate) -> None:
        """A map is injective if each stride exceeds the reach of all smaller ones."""
        free, ordered = self.kernel.free, self.kernel.ordered
        if any(a.size == 0 for a in self.scope.values()):
            return
        if isinstance(s, Accumulate) and not s.at:
            fixed = not any(s.map.stride(a.name) for a in ordered)
            self.require(fixed, "an accumulation stays in place along the ordered axes")
        axes = (
            [*free, *stage.axes]
            if isinstance(s, Accumulate) or s.at
            else [*free, *ordered, *stage.axes]
        )
        ranges = self.ranges()
        m = self.joined(s.map, ranges)
        joined = s.map.axes - m.axes
        points = {a.name: ranges[a.name][1] + 1 for a in axes if a.name not in joined}
        spans = [(abs(m.stride(a)), n, a) for a, n in points.items() if n > 1]
        for stride, index, size in s.at:  # its values are points of an axis, with their window
            over = {a for e in walk(index) if isinstance(e, Load | Index) for a in e.map.axes}
            split = {a.name for a in stage.axes if a.split and a.split[0] in {f.name for f in free}}
            serial = {a.name for a in stage.axes} - split
            steps = 0  # by which windows reach further
            for w in [w for w in spans if w[2] not in over]:
                pitch, n, name = w
                if name in serial and pitch * n > stride >= pitch:
                    spans.remove(w)
                    inner = stride // pitch  # of the points before the next computed place
                    spans += [(pitch, inner, name)] if inner > 1 and stride % pitch == 0 else []
                    steps += -(-n // inner) - 1
            spans.append((stride, size + steps, "a computed place"))
        reach = 0
        for stride, n, name in sorted(spans):
            self.require(stride > reach, f"points of {name} write the same element")
            reach += stride * (n - 1)


def guarded_range(g: Map, low: int, high: int) -> tuple[str, int, int]:
    """The axis of a guard over one axis, and the first and last point where it holds."""
    ((axis, s),) = g.strides
    least, most = low - g.offset, high - 1 - g.offset
    if s < 0:
        least, most, s = -most, -least, -s
    return axis, -(-least // s), most // s
