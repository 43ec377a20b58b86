"""Writes programs: every statement is run as plain NumPy when it is written, and kept if its values
are tame. What a statement may be stands in the modules imported last, a function a kind.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from . import plain
from .program import Statement

T = TypeVar("T")
Array = Any
KINDS: list[tuple[float, Callable[[Writer], None]]] = []
INTEGERS = ("int32", "int8", "uint8", "int64", "int16", "uint32")
SMALL = (1, 1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 64, 65)
ELEMENTS = 3000  # of a value of a small program


class Unfit(Exception):
    """The statement tried does not suit: another one is tried."""


def kind(weight: float) -> Callable[[Callable[[Writer], None]], Callable[[Writer], None]]:
    """Registers a function that writes a statement, or raises Unfit."""

    def register(f: Callable[[Writer], None]) -> Callable[[Writer], None]:
        KINDS.append((weight, f))
        return f

    return register


@dataclass
class Counter:
    """Numbers of names, one for a program."""

    next: int = 0


@dataclass
class Writer:
    """The statements so far, and the values that they gave."""

    rng: np.random.Generator
    scope: dict[str, Any]  # of the text: names of modules, dtypes and values
    dtypes: Mapping[str, str]
    pool: list[str]  # names of values, the newest last
    sizes: Sequence[int] = SMALL
    elements: int = ELEMENTS
    high: float = 60.0  # no value is greater
    counter: Counter = field(default_factory=Counter)
    statements: list[Statement] = field(default_factory=list)
    depth: int = 0
    derived: bool = False  # derivatives are asked for: nothing is equal to be told apart
    smooth: bool = False  # nor are there functions with kinks
    special: bool = False  # there are infinities and NaN
    leave: frozenset[str] = frozenset()  # kinds that are not written here

    # ---- choices

    def pick(self, xs: Sequence[T]) -> T:
        return xs[int(self.rng.integers(len(xs)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def integer(self, low: int, high: int) -> int:
        """low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def order(self, n: int) -> list[int]:
        return [int(k) for k in self.rng.permutation(n)]

    def some(self, n: int, least: int = 1) -> list[int]:
        """Some of 0 to n - 1, in order."""
        return sorted(self.order(n)[: self.integer(min(least, n), n)])

    def axes(self, ndim: int) -> list[int]:
        """Some axes, now and then counted from the end."""
        return [a - ndim if self.chance(0.3) else a for a in self.some(ndim)]

    # ---- values

    def at(self, name: str) -> Array:
        return self.scope[name]

    def fresh(self) -> str:
        self.counter.next += 1
        return f"v{self.counter.next}"

    def value(self, *tests: Callable[[Array], bool]) -> str:
        """The name of a value that passes all tests, more often a new one."""
        found = [n for n in self.pool if all(test(self.at(n)) for test in tests)]
        if not found:
            raise Unfit
        k = max(self.integer(0, len(found) - 1), self.integer(0, len(found) - 1))
        return found[k]

    def float_(self, *tests: Callable[[Array], bool]) -> str:
        return self.value(is_float, *tests)

    def dtype(self, x: Array) -> str:
        """The dtype in the text."""
        for name, d in self.dtypes.items():
            if x.dtype == np.dtype(d):
                return name
        return "bool" if x.dtype == bool else f"np.{x.dtype}"

    # ---- statements

    def write(self, text: str, *made: str, like: Array = None) -> None:
        """Runs lines that make the values `made`, and keeps them if those are tame; the first is
        of the shape and dtype of `like`."""
        kept = dict(self.scope)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                exec(text, self.scope)
                for name in made:
                    self.tame(name)
            if like is not None and not alike(self.at(made[0]), like):
                raise Unfit("another type")
        except Exception as error:
            self.scope.clear()
            self.scope.update(kept)
            raise Unfit(f"{type(error).__name__}: {error}") from error
        self.statements.append(Statement(text, made))
        self.pool += made

    def give(self, expression: str) -> str:
        """One value, that of an expression."""
        name = self.fresh()
        self.write(f"{name} = {expression}", name)
        return name

    def tame(self, name: str) -> None:
        x = np.asarray(self.scope[name])
        self.scope[name] = self.scope[name] if isinstance(self.scope[name], np.ndarray) else x[()]
        known = {np.dtype(d) for d in self.dtypes.values()} | set(map(np.dtype, INTEGERS))
        if x.dtype != bool and x.dtype not in known:
            raise Unfit(f"{name} is of {x.dtype}")
        if x.size > self.elements or x.ndim > 5:
            raise Unfit(f"{name} is large")
        inexact = x.dtype.kind in "fc"
        size = np.abs(x[np.isfinite(x)] if self.special else x)
        if inexact and not np.all(size <= self.high):
            raise Unfit(f"{name} is wild")

    def statement(self) -> bool:
        """Writes one more; False where nothing fitted."""
        weights = np.array([w if f.__name__ not in self.leave else 0 for w, f in KINDS])
        for _ in range(30):
            _, f = KINDS[int(self.rng.choice(len(KINDS), p=weights / weights.sum()))]
            before = len(self.statements)
            try:
                f(self)
            except (Unfit, plain.Kink):
                continue
            if len(self.statements) > before:
                return True
        return False

    # ---- bodies

    def body(
        self, params: Mapping[str, Array], statements: int, leave: tuple[str, ...] = ()
    ) -> Writer:
        """A writer of a function's body, which may read some values around it."""
        around = [n for n in self.pool[-4:] if self.chance(0.25)]
        child = Writer(
            self.rng, {**self.scope, **params}, self.dtypes, [*around, *params], self.sizes,
            self.elements, self.high, self.counter, [], self.depth + 1,
            self.derived, self.smooth, self.special,
            frozenset({*self.leave, *(DEEP if self.depth else ()), *leave}),
        )  # fmt: skip
        for _ in range(statements):
            child.statement()
        return child

    def like(self, x: Array, base: str) -> str:
        """An expression of the shape and dtype of `x`: a value made here, or `base` moved by one;
        `base` has both."""
        made = [n for s in self.statements for n in s.made]
        same = [n for n in made if alike(self.at(n), x)]
        if same and self.chance(0.7):
            return same[-1]
        bounded = self.pick(("np.tanh({})", "np.sin({})", "{} * {half}", "{} / (F(1) + {} * {})"))
        if not made:
            return bounded.format(*[base] * 3, half=self.half(x)) if is_float(x) else base
        other, d = made[-1], self.dtype(x)
        if np.iscomplexobj(self.at(other)) and not np.iscomplexobj(x):
            other = f"np.abs({other})"
        if is_float(x):
            return f"({base} * {self.half(x)} + np.tanh(np.mean({other}))).astype({d})"
        if x.dtype.kind == "c":
            return f"({base} * 0.5 + np.mean({other})).astype({d})"
        return f"{base} ^ (np.sum({other}) > 0).astype({d})"

    def half(self, x: Array) -> str:
        return f"{self.dtype(x)}(0.5)"

    def lines(self) -> list[str]:
        return [f"    {line}" for s in self.statements for line in s.text.split("\n")]


DEEP = ("scan", "fori", "while_", "branch", "switch_", "vmapped", "slopes", "tangents", "kept")
"""Kinds with bodies: bodies of bodies have none."""


def alike(x: Array, y: Array) -> bool:
    return np.shape(x) == np.shape(y) and x.dtype == y.dtype


def is_float(x: Array) -> bool:
    return x.dtype.kind == "f"


def is_integer(x: Array) -> bool:
    return x.dtype.kind in "iu"


def is_bool(x: Array) -> bool:
    return x.dtype == bool


def is_real(x: Array) -> bool:
    return x.dtype.kind != "c"


def is_number(x: Array) -> bool:
    return x.dtype != bool


def has_axes(x: Array) -> bool:
    return np.ndim(x) > 0


def filled(x: Array) -> bool:
    return np.size(x) > 0


def whole_fits(x: Array) -> bool:
    """Whether it may become an integer."""
    return x.dtype.kind not in "fc" or bool(np.all(np.isfinite(x)))


def factors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0] if n < 5000 else [1, n]


def product(xs: Sequence[int]) -> int:
    return math.prod(xs)
