"""Where the time of a program goes: a row per kernel, against what the machine can do.

    print(compiled.profile(params, batch))

A call is timed as it runs, in its waves and on its threads, several times; of each wave the
shortest counts.
Rows of one wave run at the same time, and have its number: they share its seconds by how long
threads were at each. `threads` says how many were at work on average: 1.0 of 2 means that the other
had nothing to do. The whole is the least time of a plain call; `rest` is what is left of it: the
call itself, waiting between waves, threads that wake. So the rows and the rest add up to the whole.

Below a loop, a branch or slabs stand its kernels, with the seconds of all turns and units.

`bound` is what a kernel cannot go below, the bytes it moves, its operations or the launch, and how
much of that ceiling it reaches (ceilings.py, where bytes are counted). Arguments come from where a
call finds all of them, in caches or in memory, other bytes from where a copy of as many does.
Operations count a function such as exp as one.

On a GPU rows are timed by its own clock, each launched by itself, with nothing of what is inside of
loops. That takes a few microseconds, which a kernel in the graph of a plain call does not: where
they add up to more than the whole, they are shown as parts of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...runtime.rows import CalledRow, HostRow, KernelRow, Row, RowTime, Slot, inner_rows
from ..fuse.emission import AnyWork, BodyWork
from ..fuse.work import WaitWork
from ..ir.graph import Graph, Node, Value
from ..ir.printing import lines
from ..ir.source import Source
from ..pipeline import Compiled
from ..plan.plan import Plan
from .ceilings import Ceilings, ceilings, enough, waited_seconds

SHOWN = 100  # characters of a row's lines of the graph


@dataclass(frozen=True)
class ProfileRow:
    """One kernel, or one call of NumPy on the host, which counts no work."""

    kernel: str
    seconds: float
    flops: int
    bytes: int
    bound: str  # bytes, operations or launch; Python of a call on the host
    ceiling: float  # the part of that bound which it reaches
    text: str  # lines of the graph whose values it writes
    source: str  # the user's lines that it computes
    threads: float = 1.0  # at work, on average
    wave: int = 0  # rows that run at the same time have the same
    inner: tuple[ProfileRow, ...] = ()  # of a loop, a branch or slabs

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """Billions of bytes read and written a second."""
        return self.bytes / self.seconds / 1e9 if self.seconds else 0.0

    def of(self, part: float) -> ProfileRow:
        """The row with a part of its seconds."""
        inner = tuple(row.of(part) for row in self.inner)
        return replace(self, seconds=part * self.seconds, ceiling=self.ceiling / part, inner=inner)


HEAD = "microseconds", "share", "threads", "GFLOP/s", "GB/s", "bound", "of it", "wave"
WORDS = "kernel", "line", "graph"


@dataclass(frozen=True)
class Profile:
    """The rows in the order they run; `seconds` is the whole."""

    name: str
    rows: tuple[ProfileRow, ...]
    seconds: float
    ceilings: Ceilings

    @property
    def rest(self) -> float:
        """The whole less the rows."""
        return self.seconds - sum(row.seconds for row in self.rows)

    def __str__(self) -> str:
        blank = [""] * (len(HEAD) - 2)
        cells: list[tuple[str, ...]] = [(*HEAD, *WORDS)]
        waves = [row.wave for row in self.rows]
        for row in self.rows:
            together = str(row.wave) if waves.count(row.wave) > 1 else ""
            cells += self.cells(row, together, 0)
        for word, seconds in (("rest", self.rest), ("whole", self.seconds)):
            cells.append((*self.time(seconds), *blank, word, "", ""))
        widths = [max(len(line[k]) for line in cells) for k in range(len(HEAD) + 2)]
        text = [f"profile of {self.name}; ceilings: {self.ceilings}"]
        for line in cells:
            padded = [
                c.rjust(w) if k < len(HEAD) else c.ljust(w)
                for k, (c, w) in enumerate(zip(line, widths, strict=False))
            ]
            text.append("  ".join([*padded, line[-1]]).rstrip())
        return "\n".join(text)

    def time(self, seconds: float) -> tuple[str, str]:
        share = f"{100 * seconds / self.seconds:.0f}%" if self.seconds else ""
        return f"{1e6 * seconds:.2f}", share

    def cells(self, row: ProfileRow, wave: str, depth: int) -> Iterator[tuple[str, ...]]:
        rates = ("", "", row.bound, "")
        if row.flops or row.bytes:
            reached = f"{100 * row.ceiling:.0f}%"
            rates = f"{row.gflops:.2f}", f"{row.gbytes:.2f}", row.bound, reached
        text = row.text if len(row.text) <= SHOWN else f"{row.text[:SHOWN]}..."
        words = f"{'  ' * depth}{row.kernel}", row.source, text
        yield *self.time(row.seconds), f"{row.threads:.1f}", *rates, wave, *words
        for inside in row.inner:
            yield from self.cells(inside, "", depth + 1)


def profile(name: str, compiled: Compiled, leaves: tuple[Any, ...]) -> Profile:
    """Times of the kernels of a program on arguments, which are as before afterwards."""
    program = compiled.program
    donated = {i for i, _ in compiled.plan.donated}

    def arguments() -> tuple[Any, ...]:
        return tuple(x.copy() if i in donated else x for i, x in enumerate(leaves))

    whole = waited_seconds(program, arguments)
    times = program.profile(arguments(), (arguments() for _ in enough(program)))
    described = Described(compiled, ceilings(compiled.device))
    described.learn(program.rows, compiled.plan)
    rows = tuple(map(described.row, times))
    total = sum(row.seconds for row in rows)
    if total > whole:  # a look at the clock takes time
        rows = tuple(row.of(whole / total) for row in rows)
    return Profile(name, rows, whole, described.limits)


# ---------------------------------------------------------------- rows


class Described:
    """What the times of rows are times of."""

    def __init__(self, compiled: Compiled, limits: Ceilings) -> None:
        self.compiled, self.limits = compiled, limits
        self.lowered = {id(work): low for work, low in compiled.lowered}
        given = *compiled.plan.graph.inputs, *compiled.plan.constants
        self.arguments = sum(v.type.nbytes for v in given)
        self.works: dict[int, tuple[AnyWork, Plan]] = {}  # by identity of the row
        self.lines: dict[int, dict[Node, str]] = {}  # by identity of the graph

    def learn(self, rows: Iterable[Row], plan: Plan) -> None:
        """Which work every row comes from, at any depth."""
        works = (work for _, work in plan.schedule.works)
        for row, work in zip(rows, works, strict=True):
            self.works[id(row)] = work, plan
            if isinstance(work, BodyWork):
                inside = inner_rows(row)[-len(work.bodies) :]
                for each, body in zip(inside, work.bodies, strict=True):
                    self.learn(each, body)

    def row(self, time: RowTime) -> ProfileRow:
        work, plan = self.works[id(time.row)]
        known, read = [v for v in work.written if v.node], work.reads
        if isinstance(work, WaitWork):  # it writes nothing: what it waits for is told
            known, read = list(work.node.values), work.node.args
        written = known or list(parts_of(work, plan))
        texts = self.texts(plan.graph)
        nodes = dict.fromkeys(v.node for v in written if v.node)
        text = "; ".join(texts.get(n, n.op.name) for n in nodes)
        source = source_lines(fused(written, set(read)))
        inner = tuple(self.row(each) for group in time.inner for each in group)
        threads = time.busy / time.seconds if time.seconds else 1.0
        flops, nbytes, bound, ceiling = 0, 0, "", 0.0
        if isinstance(work, BodyWork):
            flops, nbytes = sum(r.flops for r in inner), sum(r.bytes for r in inner)
            reached = sum(r.ceiling * r.seconds for r in inner)
            ceiling = reached / time.seconds if time.seconds else 0.0
        elif isinstance(time.row, CalledRow):
            bound = "Python" if isinstance(time.row, HostRow) else "processes"
        if (low := self.lowered.get(id(work))) is not None:
            nbytes = max(low.bytes - self.overwritten(time.row), 0)
            dtype = "f64" if any(v.dtype == "f64" for v in (*work.reads, *work.written)) else "f32"
            fetched = min(self.fetched(time.row), nbytes)
            bound, least = self.limits.least(low.flops, nbytes, dtype, fetched, self.arguments)
            ceiling = least * time.runs / time.seconds if time.seconds else 0.0
            flops, nbytes = round(low.flops * time.runs), round(nbytes * time.runs)
        return ProfileRow(
            work.name, time.seconds, flops, nbytes, bound, ceiling, text, source, threads,
            time.wave, inner,
        )  # fmt: skip

    def fetched(self, row: Row) -> int:
        """The bytes of arguments and constants that a kernel reads: a call finds them where the one
        before has left them, among all others."""
        if not isinstance(row, KernelRow):
            return 0
        count = len(row.slots) - row.writes
        read = dict(zip(row.slots[:count], row.nbytes[:count], strict=True))
        return sum(n for slot, n in read.items() if slot.space in ("input", "constant"))

    def overwritten(self, row: Row) -> int:
        """The bytes that a kernel writes where it reads."""
        if not isinstance(row, KernelRow):
            return 0
        donors = {Slot("output", k): Slot("input", i) for i, k in self.compiled.plan.donated}
        slots = [donors.get(slot, slot) for slot in row.slots]
        count = len(slots) - row.writes
        pairs = zip(slots[count:], row.nbytes[count:], strict=True)
        return sum(nbytes for slot, nbytes in pairs if slot in slots[:count])

    def texts(self, graph: Graph) -> dict[Node, str]:
        """A line of the graph for each of its nodes."""
        if id(graph) not in self.lines:
            self.lines[id(graph)] = {
                n: text.split("  # ")[0].strip() for text, n in lines(graph) if n is not None
            }
        return self.lines[id(graph)]


def parts_of(work: AnyWork, plan: Plan) -> Iterator[Value]:
    """What the partial results of a work become."""
    own = set(work.written)
    for _, later in plan.schedule.works:
        if own & set(later.reads):
            yield from (v for v in later.written if v.node)


def fused(written: Sequence[Value], read: set[Value]) -> Iterator[Node]:
    """The nodes between what a work reads and what it writes."""
    seen: set[Node] = set()
    stack = [v.node for v in written if v.node]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        stack += [a.node for a in node.args if a.node and a not in read]


def source_lines(nodes: Iterator[Node]) -> str:
    """The lines of nodes: `model.py:3,5`."""
    by_file: dict[str, set[int]] = {}
    for node in nodes:
        if isinstance(node.source, Source):
            by_file.setdefault(node.source.file, set()).add(node.source.line)
    return " ".join(f"{f}:{','.join(map(str, sorted(ns)))}" for f, ns in by_file.items())
