"""Reductions: accumulators before the loops of a stage, their combination inside, one value after.

A product of floats that has no other user is added by fma. Lanes outside a tail keep what they
have, so no identity enters a sum there. argmax and argmin carry their index in 32 bits where it
fits: half the registers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..kernel.expr import Expr, Index, walk
from ..kernel.monoid import MONOIDS, extremes
from ..kernel.scalar import FLOATS
from ..kernel.stages import Accumulate, KernelReduce, Stage, Statement
from .values import Home, Values


class Reductions:
    """The reductions of one stage. `across`: lanes are columns, which are not folded.

    `fold` spells the word that makes one value of all lanes."""

    def __init__(self, values: Values, stage: Stage, across: bool, fold: str = "{}({})") -> None:
        self.values, self.stage, self.across, self.fold = values, stage, across, fold
        self.names = values.slots.names
        self.reduces = [s for s in stage.body if isinstance(s, KernelReduce)] if stage.axes else []
        self.accumulators: dict[str, str] = {}
        self.sums: dict[str, str] = {}  # of floats: what an accumulator of its own begins with

    def emit(self, *texts: str) -> None:
        self.values.here.body.extend(texts)

    def wide(self, s: KernelReduce) -> bool:
        """Whether columns have values of their own, be it that one of them has fewer points."""
        ragged = any(map(self.values.ragged, self.stage.axes))
        return ragged or any(self.values.wide(e) for e in s.exprs)

    # ---- before

    def begin(self) -> None:
        """Accumulators that change nothing."""
        for s in self.reduces:
            lanes = self.values.lanes if not self.across or self.wide(s) else 1
            for name, e in zip(s.names, s.exprs, strict=True):
                stem = name if self.across else f"{name}_lanes"
                acc = self.accumulators[name] = self.names.fresh(stem)
                if name == s.names[0]:
                    number = MONOIDS[s.monoid].identity(e.dtype)
                    nothing = f"full({number!r}, {e.dtype}, {lanes})"
                    self.emit(f"{acc} = {nothing}")
                    if s.monoid == "sum" and e.dtype in FLOATS:
                        self.sums[name] = nothing
                else:
                    self.emit(f"{acc} = {self.first_place(e, lanes)}")

    def first_place(self, e: Expr, lanes: int) -> str:
        """The index at the first point of a lane: the answer where nothing beats the identity."""
        assert isinstance(e, Index)
        inner = {a.name for a in self.stage.axes}
        start = self.values.place("index", e.map.renamed(lambda a: None if a in inner else a))
        step = e.map.stride(self.values.vector)
        if not step:
            return f"full({start}, {e.dtype}, {lanes})"
        if step == 1:
            return f"iota({start}, {e.dtype}, {lanes})"
        stride = self.values.step("index", e.map, step)
        return f"cast(iota(0, i64, {lanes}) * {stride} + {start}, {e.dtype})"

    # ---- inside

    @contextmanager
    def apart(self, own: bool) -> Iterator[None]:
        """If `own`, what is emitted here adds to accumulators of its own, then they are added."""
        if not own:
            yield
            return
        around = {name: self.accumulators[name] for name in self.sums}
        for name, nothing in self.sums.items():
            self.accumulators[name] = part = self.names.fresh(f"{name}_part")
            self.emit(f"{part} = {nothing}")
        yield
        for name, acc in around.items():
            self.emit(f"{acc} = {acc} + {self.accumulators[name]}")
        self.accumulators |= around

    def combine(self, s: KernelReduce, of: list[str]) -> None:
        """accumulator = accumulator combined with the value, which may stand as two factors."""
        acc, values = self.accumulators[s.names[0]], self.values
        alike = self.across and not (values.ended and self.wide(s))  # one value for all columns
        mask = None if alike else values.mask
        if len(s.names) == 2:
            self.replace_better(s, of, mask)
            return
        text = combined(s.monoid, acc, of)
        self.emit(f"{acc} = select({mask}, {text}, {acc})" if mask else f"{acc} = {text}")

    def replace_better(self, s: KernelReduce, of: list[str], mask: str | None) -> None:
        """Strictly better values replace, so the first of equals stays; the first NaN stays too."""
        best, place = (self.accumulators[n] for n in s.names)
        value, index = of
        test = f"{value} {MONOIDS[s.monoid].better} {best}"
        if s.exprs[0].dtype in FLOATS:
            test = f"({test}) | ({value} != {value}) & ({best} == {best})"
        better = self.names.numbered("mask")
        self.emit(
            f"{better} = {f'({test}) & {mask}' if mask else test}",
            f"{best} = select({better}, {value}, {best})",
            f"{place} = select({better}, {index}, {place})",
        )

    # ---- after

    def finish(self) -> None:
        """One value of all lanes; the results have names from here on."""
        for s in self.reduces:
            results = [self.accumulators[n] for n in s.names]
            if not self.across:
                results = self.folded(s, results)
            wide = self.across and self.wide(s)
            for name, e, result in zip(s.names, s.exprs, results, strict=True):
                self.values.results[name] = Home(result, wide, dtype=e.dtype)

    def folded(self, s: KernelReduce, accs: list[str]) -> list[str]:
        """Of the lanes that hold the best value, or NaN, the least index wins."""
        results = [self.names.fresh(n) for n in s.names]
        self.emit(f"{results[0]} = {self.fold.format(MONOIDS[s.monoid].fold, accs[0])}")
        if len(accs) == 2:
            hit, most = self.names.numbered("mask"), extremes(s.exprs[1].dtype)[1]
            test = f"{accs[0]} == {results[0]}"
            if s.exprs[0].dtype in FLOATS:
                test = f"({test}) | ({accs[0]} != {accs[0]})"
            least = self.fold.format("smallest", f"select({hit}, {accs[1]}, {most})")
            self.emit(f"{hit} = {test}", f"{results[1]} = {least}")
        return results


# ------------------------------------------------------------------ sums of products


def single_products(stage: Stage) -> set[Expr]:
    """The products of floats with one user, a sum: they are added by fma."""
    users = Counter(a for e in walk(*stage.exprs) for a in e.args)
    users.update(stage.exprs)
    sums = [s for s in stage.body if isinstance(s, Accumulate) and s.monoid == "sum"]
    sums += [
        s for s in stage.body if isinstance(s, KernelReduce) and s.monoid == "sum" and stage.axes
    ]
    found = (s.exprs[0] for s in sums)
    return {e for e in found if e.op == "mul" and e.dtype in FLOATS and users[e] == 1}


def factors(s: Statement, products: set[Expr]) -> tuple[Expr, ...]:
    """What a statement needs computed: its values, or the factors of a product added by fma."""
    if s.exprs[0] in products:
        return s.exprs[0].args
    return s.exprs if isinstance(s, KernelReduce) else s.exprs[:1]


def combined(monoid: str, old: str, of: list[str]) -> str:
    """What came before combined with a value, which may stand as two factors."""
    if len(of) == 2:
        return f"fma({of[0]}, {of[1]}, {old})"
    (text,) = MONOIDS[monoid].combine
    return text.format(old, *of)
