"""What a program is held to: plain NumPy in double precision, differences, and itself.

Numbers may be off by what rounding makes of them (rounding.py); the interpreter and the compiled
program are held to the same. Bits are those of every other call, for any number of threads; no
argument changes that is not donated, and nothing is written beside one.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from unittest import mock

import numpy as np

import wonderland as wl
from wonderland.compiler.ir.graph import Graph, Node
from wonderland.compiler.ops.nested.bodies import Control
from wonderland.compiler.transform import interpreter
from wonderland.compiler.transform.interpreter import results
from wonderland.runtime.cpu.executor import threads

from .divided import divided
from .plain import Kink, jumps, leaves, slope
from .program import Program, widened
from .rounding import Rounded, magnitude, plain

UNITS, SAFETY, RUNS, MORE_RUNS = 2.0, 16.0, 3, 20
ZONE = 1 << 12  # bytes before and after a guarded argument
NARROW = {np.dtype("d"): np.dtype("f"), np.dtype("D"): np.dtype("F")}
LINEAR = ("sum", "dot_general", "convolution", "cumsum", "scatter")


@dataclass(frozen=True)
class Fault:
    kind: str
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}"


@dataclass
class Oracle:
    """What is right of one program, as far as it can be told."""

    program: Program
    faults: list[Fault] = field(default_factory=list)

    @cached_property
    def low(self) -> np.dtype:
        text = self.program.text() + " ".join(a.text for a in self.program.arguments)
        names = [n for n in ("F", "G") if n == "F" or re.search(r"\bG\b", text)]
        return max((np.dtype(self.program.dtypes[n]) for n in names), key=lambda d: np.finfo(d).eps)

    @cached_property
    def derived(self) -> bool:
        return "of" in self.program.facts

    @cached_property
    def native(self) -> list[np.ndarray] | None:
        """What NumPy gives in the dtypes of the program."""
        if self.derived:
            return None
        with np.errstate(all="ignore"):
            found = self.program.function(ours=False)(*self.program.values())
        return [np.asarray(y) for y in leaves(found)]

    @cached_property
    def exact(self) -> list[np.ndarray]:
        if self.derived:
            return self.felt(0.0, 0)
        return self.run(0.0, 0)

    @cached_property
    def others(self) -> list[list[np.ndarray]]:
        return [self.again(k) for k in range(1, RUNS + 1)]

    def again(self, seed: int) -> list[np.ndarray]:
        return self.felt(UNITS, seed) if self.derived else self.run(UNITS, seed)

    def run(self, units: float, seed: int) -> list[np.ndarray]:
        kind = Rounded.run(self.low, units, seed)
        found = self.program.exactly(kind, self.program.values())
        return [plain(np.asarray(y)) for y in leaves(found)]

    # ---- derivatives

    @cached_property
    def wide(self) -> list[Any]:
        return [widened(x) for x in self.program.values()]

    @cached_property
    def graph(self) -> Graph:
        """Of the derivative, in double precision."""
        return wl.trace(self.program.function(wide=True), *self.wide).graph

    def felt(self, units: float, seed: int) -> list[np.ndarray]:
        """The graph's results with what every rounding of a node makes of them, in bodies too."""
        kind = Rounded.run(self.low, units, seed)

        def moved(node: Node, args: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
            found = results(node, args)
            if not units or isinstance(node.op, Control) or not node.types[0].is_inexact:
                return found
            first = results(node, [magnitude(a) for a in args]) if node.op.name in LINEAR else found
            return tuple(
                np.asarray(plain(kind.moved(y, 2 * np.abs(z), added=z is not y)), y.dtype)
                if y.dtype.kind in "fc"
                else y
                for y, z in zip(found, first, strict=True)
            )

        with mock.patch.object(interpreter, "results", moved):
            return list(interpreter.interpret(self.graph, *self.wide))

    # ---- comparing

    def compare(self, kind: str, got: Sequence[Any], typed: Sequence[np.ndarray]) -> None:
        """`typed` says shapes and dtypes; what NumPy makes f64 of integers may be f32."""
        if len(got) != len(self.exact):
            self.faults.append(Fault(kind, f"{len(got)} results for {len(self.exact)}"))
            return
        for k, (y, t) in enumerate(zip(got, typed, strict=True)):
            follows = typed is self.native and y.dtype == NARROW.get(t.dtype)
            if np.shape(y) != np.shape(t) or not (follows or y.dtype == t.dtype):
                said = f"result {k} is {y.dtype}{np.shape(y)} for {t.dtype}{np.shape(t)}"
                self.faults.append(Fault(f"{kind} type", said))
                return
        if said := self.differs(got):
            more = range(RUNS + 1, RUNS + MORE_RUNS)
            self.others += [self.again(k) for k in more] if len(self.others) == RUNS else []
            if said := self.differs(got):
                self.faults.append(Fault(kind, said))

    def differs(self, got: Sequence[Any]) -> str:
        for k, y in enumerate(got):
            native = self.native[k] if self.native else None
            if said := differs(y, self.exact[k], [o[k] for o in self.others], native, self.low):
                return f"result {k} {said}"
        return ""


def differs(
    got: Any, exact: np.ndarray, others: list[np.ndarray], native: Any, low: np.dtype
) -> str:
    """How a result is not what it may be, if so."""
    got = np.asarray(got)
    if got.dtype.kind not in "fc":
        wanted = exact if native is None else native
        steady = np.all([o == exact for o in others], axis=0)
        steady &= wanted == exact.astype(wanted.dtype)
        bad = steady & (got != wanted)
        tolerance = np.zeros(got.shape)
    else:
        with np.errstate(all="ignore"):
            off = [np.abs(o - exact) for o in others]
            off += [] if native is None else [np.abs(native.astype(exact.dtype) - exact)]
            spread = np.max(np.nan_to_num(off, nan=np.inf, posinf=np.inf), axis=0)
            whole = np.median(spread) if spread.size else 0.0
            whole = whole if np.isfinite(whole) else 0.0
            info = np.finfo(low)
            tolerance = SAFETY * np.maximum(spread, whole / 4) + 4 * float(info.eps) * np.abs(exact)
            tolerance += 4 * float(info.smallest_subnormal)
            known = np.isfinite(exact) & np.isfinite(tolerance)
            if native is not None:
                known &= np.isfinite(native)
            wide = got.astype(exact.dtype)
            bad = known & ~(np.abs(wide - exact) <= tolerance)
            if native is not None:
                bad |= ~np.isfinite(exact) & apart(wide, [exact, native, *others])
        wanted = exact
    if not np.any(bad):
        return ""
    i = tuple(int(k) for k in np.argwhere(bad)[0])
    return (
        f"at {list(i)}: {got[i]!r} for {wanted[i]!r}, off by more than {tolerance[i]:.2g}; "
        f"{np.sum(bad)} of {bad.size} elements"
    )


def apart(got: np.ndarray, wanted: list[np.ndarray]) -> np.ndarray:
    """Where all that is wanted are alike, infinite or NaN, and what there is is neither."""
    if got.dtype.kind == "c":
        return np.zeros(got.shape, bool)
    alike = [(w == wanted[0]) | (np.isnan(w) & np.isnan(wanted[0])) for w in wanted]
    return np.all(alike, axis=0) & ~((got == wanted[0]) | (np.isnan(got) & np.isnan(wanted[0])))


# ---------------------------------------------------------------- the interpreter


def interpreted(o: Oracle) -> list[np.ndarray] | None:
    p = o.program
    values = p.values()
    try:
        got = wl.tree.leaves(wl.jit(p.function(), disable_jit=True)(*values))
    except Exception as error:
        said = str(error).strip().split("\n")
        if "a carry keeps its type, f32" not in said[0]:  # which NumPy's integers made f64
            o.faults.append(Fault("refused", f"{type(error).__name__}: {' | '.join(said[:3])}"))
        return None
    got = [np.asarray(y) for y in got]
    o.compare("interpreted", got, o.native or got)
    if o.derived:
        differences(o)
    return got


def differences(o: Oracle) -> None:
    """Derivatives in double precision against differences of plain NumPy along a direction."""
    p, of = o.program, o.program.facts["of"]
    exact = Rounded.run(np.float64, 0, 0)
    f = p.function(True, False, "program")
    wide = [np.asarray(x) for x in o.wide]
    count = len(p.operands or p.names)
    rng = np.random.default_rng(p.seed)

    def at(moves: dict[int, np.ndarray]) -> Any:
        args = [x + moves[k] if k in moves else x for k, x in enumerate(wide[:count])]
        with np.errstate(all="ignore"):
            return f(*map(exact.of, args))

    if of in ("value_and_grad", "grad"):
        numbers = p.facts["numbers"]
        slopes = o.exact[-len(numbers) :]
        d = {k: rng.normal(size=wide[k].shape) for k in numbers}
        got = [sum(np.sum(g * d[k]) for g, k in zip(slopes, numbers, strict=True))]
        along = lambda h: at({k: h * x for k, x in d.items()})  # noqa: E731
    elif of == "rows":
        k = p.names.index(p.facts["x"])
        d = rng.normal(size=(3, *wide[k].shape))
        got = [np.sum(o.exact[0] * d)]
        rows = (wide[k], wide[k] * 0.5, -wide[k])
        along = lambda h: sum(at({k: r - wide[k] + h * e}) for r, e in zip(rows, d, strict=True))  # noqa: E731
    elif of == "jvp":
        k, t = p.names.index(p.facts["x"]), wide[p.names.index(p.facts["t"])]
        got = [o.exact[1]]
        along = lambda h: at({k: h * t})  # noqa: E731
    else:
        k, t = p.names.index(p.facts["x"]), wide[p.names.index(p.facts["t"])]
        got = [o.exact[0]]
        g = wl.grad(p.function(True, True, "program"), argnums=k)
        slope_at = wl.jit(g, disable_jit=True)
        along = lambda h: slope_at(*wide[:k], wide[k] + h * t, *wide[k + 1 : count])  # noqa: E731
    judge(o, f"derivative {of}", [np.asarray(y) for y in got], along)


def judge(o: Oracle, kind: str, got: list[np.ndarray], along: Callable[[float], Any]) -> None:
    try:
        wanted = slope(along)
    except Kink:
        return
    except Exception as error:
        o.faults.append(Fault("refused", f"{kind}: {type(error).__name__}: {error}"))
        return
    for y, w, gap in zip(got, wanted, jumps(along), strict=True):
        y, w, gap = np.broadcast_arrays(y, w, gap)
        most = np.max(np.abs(w), initial=0)
        tolerance = 1e-5 * (np.abs(w) + most) + 1e-7 + 10 * gap
        if np.any(~(np.abs(y - w) <= tolerance) & np.isfinite(w)):
            i = np.unravel_index(np.argmax(np.abs(y - w)), w.shape)
            said = f"at {list(map(int, i))}: {y[i]!r} for {w[i]!r} by differences"
            o.faults.append(Fault(kind, said))
            return


# ---------------------------------------------------------------- the compiled program


@contextlib.contextmanager
def poisoned() -> Iterator[None]:
    """Inside of the block programs are made whose memory holds NaN before every call."""
    os.environ["WONDERLAND_POISON"] = "1"
    try:
        yield
    finally:
        del os.environ["WONDERLAND_POISON"]


@dataclass
class Candidate:
    """A program being compiled."""

    oracle: Oracle
    jitted: Any
    executable: Any

    @classmethod
    def of(cls, o: Oracle) -> Candidate | None:
        p = o.program
        jitted = wl.jit(p.function(), donate_argnums=p.donated)
        try:
            with divided() if p.facts.get("divided") else contextlib.nullcontext():
                return cls(o, jitted, jitted.compile(*p.values()))
        except Exception as error:
            said = str(error).strip().split("\n")[:3]
            o.faults.append(Fault("not compiled", f"{type(error).__name__}: {' | '.join(said)}"))
            return None

    @property
    def lowered(self) -> list[Any]:
        return [low for _, low in self.executable.compiled.lowered]

    def run(self, typed: Sequence[np.ndarray] | None) -> None:
        o, p = self.oracle, self.oracle.program
        with poisoned():
            given = p.values()
            got = self.called(given)
            if got is None:
                return
            typed = typed or o.native or got
            o.compare("compiled", got, typed)
            for k, (x, y) in enumerate(zip(p.values(), given, strict=True)):
                if k not in p.donated and not same_bits(x, y):
                    o.faults.append(Fault("argument", f"argument {k} has changed"))
            fenced = [Fenced.of(x) for x in p.values()]
            again = self.called([x.array for x in fenced])
            if again is not None and not all(map(same_bits, got, again)):
                o.faults.append(Fault("bits", "another call gives other bits"))
            if any(x.broken for x in fenced):
                o.faults.append(Fault("argument", "bytes beside an argument have changed"))
            with threads(2):
                shared = self.called(p.values())
            if shared is not None and not all(map(same_bits, got, shared)):
                o.faults.append(Fault("bits", "two threads give other bits"))
        if p.facts.get("budget"):
            self.budgeted(typed)

    def called(self, values: list[Any], jitted: Any = None) -> list[np.ndarray] | None:
        try:
            found = wl.tree.leaves((jitted or self.jitted)(*values))
            return [np.array(y) for y in found]
        except Exception as error:
            said = f"{type(error).__name__}: {error}".split("\n")[0]
            self.oracle.faults.append(Fault("not run", said))
            return None

    def budgeted(self, typed: Sequence[np.ndarray]) -> None:
        """Within the least memory, or a little more, the results are as right."""
        p = self.oracle.program
        function = p.function()
        try:
            wl.jit(function, memory_budget=64)(*p.values())
            return
        except wl.OverBudget as error:
            least = re.search(r"(\d+) bytes", str(error))
        if least is None:
            return
        for budget in (int(least[1]), int(int(least[1]) * 1.5)):
            got = self.called(p.values(), wl.jit(function, memory_budget=budget))
            if got is not None:
                self.oracle.compare("budget", got, typed)


@dataclass(frozen=True)
class Fenced:
    """An argument between two zones of bytes that nobody may touch."""

    array: Any
    memory: np.ndarray | None = None

    @classmethod
    def of(cls, x: Any) -> Fenced:
        if not isinstance(x, np.ndarray):
            return cls(x)
        memory = np.full(x.nbytes + 2 * ZONE + 64, 0xFF, np.uint8)
        start = ZONE + -(memory.ctypes.data + ZONE) % 64
        array = memory[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
        array[...] = x
        return cls(array, memory)

    @property
    def broken(self) -> bool:
        if self.memory is None:
            return False
        start = self.array.ctypes.data - self.memory.ctypes.data
        stop = start + self.array.nbytes
        return bool(np.any(self.memory[:start] != 0xFF) or np.any(self.memory[stop:] != 0xFF))


def same_bits(x: Any, y: Any) -> bool:
    """Equal, zeros of either sign told apart; NaN is NaN."""
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    signs = [np.signbit(z.real) | np.isnan(z) for z in (x, y)]
    return bool(np.array_equal(x, y, equal_nan=True) and np.array_equal(*signs))


def checked(p: Program, compiled: bool = True) -> list[Fault]:
    """The faults of one program."""
    o = Oracle(p)
    got = interpreted(o)
    if compiled and got is not None:
        candidate = Candidate.of(o)
        if candidate:
            candidate.run(got)
    return o.faults
