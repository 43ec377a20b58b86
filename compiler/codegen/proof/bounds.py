"""Proves that a lowered text touches nothing outside of its buffers, for all points.

The text is walked once with its numbers known and its variables not: a variable of a loop is any
number of its range, a condition holds where it is true, lanes are those of a mask. Every load and
store must then follow to lie inside of its buffer (`linear`). This looks at what lowering made,
so that a kernel whose own rules are kept, but whose text is not what it says, is found.

What a text computes places from data by (digits of a sort) is beyond it: see `watched`.
Cost: some milliseconds a text.
Source: Cousot and Halbwachs, Automatic discovery of linear restraints among variables of a program,
1978; invariants by dropping what does not hold, Flanagan and Leino, Houdini, 2001.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from ...kernel.expr import Buffer
from ...kernel.scalar import NUMPY, KernelError
from ..lowered import Launch, Lowered
from .linear import Facts, Form, Variable, divisor, number

LANE = Variable(1 << 60)
"""The number of a lane: that of one vector is that of all at the same place."""
PLACES = ("shared", "thread_index", "block_index", "min", "max")
FOLDS = ("total", "product", "largest", "smallest", "any_", "all_", "lane", "team_")


class Unsupported(KernelError):
    """The text has what the proof does not know."""


@dataclass(eq=False)
class Lanes:
    """A vector; `form`: its integers by lane, None where they are data. `facts`: of a mask, what
    is at least 0 in its lanes; `beyond`: in the others."""

    count: int
    form: Form | None = None
    facts: tuple[Form, ...] = ()
    beyond: tuple[Form, ...] = ()
    data: Form | None = None


@dataclass(frozen=True)
class Truth:
    """What is at least 0 where it holds, and where it does not."""

    facts: tuple[Form, ...]
    beyond: tuple[Form, ...] = ()


@dataclass(frozen=True)
class Place:
    """`offset` elements of `bytes` into memory of a name and `room` bytes."""

    name: str
    room: int
    offset: Form
    bytes: int


Env = dict[str, Any]


def check_bounds(low: Lowered | Launch, buffers: Sequence[Buffer]) -> None:
    """Raises KernelError where an access of a text is not proved to lie inside its buffer."""
    if low.points and (found := faults(low, tuple(buffers))):
        raise KernelError(f"bounds: {found[0]}", low.text)


@lru_cache(1 << 12)
def faults(low: Lowered | Launch, buffers: tuple[Buffer, ...]) -> list[str]:
    return Walk(low, buffers).faults()


@cache
def parsed(text: str) -> ast.FunctionDef:
    """The last function of a text, without its docstring."""
    found = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)][-1]
    if ast.get_docstring(found, clean=False) is not None:
        found.body = found.body[1:]
    return found


class Walk:
    """The walk over one text."""

    def __init__(self, low: Lowered | Launch, buffers: Sequence[Buffer]) -> None:
        self.low, self.buffers, self.facts = low, buffers, Facts()
        self.function = parsed(low.text)
        self.found: list[str] = []
        self.starts: list[Form] = []  # of rows of scratch
        self.line = 0

    def faults(self) -> list[str]:
        env: Env = {name: name for name in NUMPY} | {"inf": 0.0, "nan": 0.0}
        if isinstance(self.low, Launch):
            self.parameters(env, self.low)
        else:
            points = number(self.low.points)
            start = self.facts.variable([(number(0),)], [(points - 1,)])
            stop = self.facts.variable([(start + 1,)], [(points,)])
            env |= {"start": start, "stop": stop}
            env["args"] = Place("args", 8 * (len(self.buffers) + len(self.low.sizes)), number(0), 1)
            env["scratch"] = Place("scratch", self.low.scratch_bytes, number(0), 1)
        self.rows(dict(env))
        self.block(self.function.body, env)
        return self.found

    def rows(self, env: Env) -> None:
        """Finds where rows of scratch begin: each ends where the next one does."""
        for s in self.function.body:
            if isinstance(s, ast.Assign) and isinstance(s.value, ast.Call | ast.BinOp):
                names = {n.id for n in ast.walk(s.value) if isinstance(n, ast.Name)}
                if names <= env.keys() | {"integer", "pointer", "address_pointer", *PLACES}:
                    self.statement(s, env)

    def parameters(self, env: Env, launch: Launch) -> None:
        """Those of a kernel of a GPU: the buffers, then numbers."""
        numbers = iter(launch.sizes)
        for k, a in enumerate(self.function.args.args):
            if k < len(self.buffers):
                env[a.arg] = self.buffer(k)
            elif isinstance(a.annotation, ast.Name):
                env[a.arg] = number(next(numbers))
            else:
                next(numbers)
                env[a.arg] = Lanes(1)

    def buffer(self, k: int) -> Place:
        b = self.buffers[k]
        size = NUMPY[b.dtype].itemsize
        return Place(b.name, b.size * size, number(0), size)

    # ---- statements

    def block(self, body: Sequence[ast.stmt], env: Env) -> None:
        for k, s in enumerate(body):
            self.line = s.lineno
            if isinstance(s, ast.If):
                if self.branch(s, env, body[k + 1 :]):
                    return
            else:
                self.statement(s, env)

    def statement(self, s: ast.stmt, env: Env) -> None:
        match s:
            case ast.Assign(targets=[ast.Name(id=name)]):
                env[name] = self.value(s.value, env)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                found = [self.value(v, env) for v in values]
                env.update((n.id, x) for n, x in zip(names, found, strict=True))  # type: ignore[attr-defined]
            case ast.Expr():
                self.value(s.value, env)
            case ast.For():
                self.counted(s, env)
            case ast.While():
                self.repeated(s.body, env, lambda e: self.truth(self.value(s.test, e)).facts)
            case ast.Return() | ast.Pass():
                pass
            case _:
                raise Unsupported(f"bounds: {ast.unparse(s).splitlines()[0]}", self.low.text)

    def counted(self, s: ast.For, env: Env) -> None:
        """for i in range(...): i is the start and so many steps."""
        assert isinstance(s.iter, ast.Call) and isinstance(s.target, ast.Name)
        args = [self.integer(self.value(a, env)) for a in s.iter.args]
        first, last = (number(0), args[0]) if len(args) == 1 else args[:2]
        step = args[2].constant if len(args) == 3 else 1
        if len(args) == 3 and not (args[2].plain and step > 0):
            raise Unsupported("bounds: steps that are not known", self.low.text)
        length, name = last - first, s.target.id
        if self.facts.at_most(length, 0):
            return
        apart = math.gcd(divisor(length), int(step))  # the last is at least so far before the end
        most = self.facts.quotient(length - apart, int(step))
        turn = self.facts.variable([(number(0),)], [(most,)])
        env[name] = first + turn * step
        self.repeated(s.body, env, lambda e: (length - 1,))

    def repeated(
        self, body: Sequence[ast.stmt], env: Env, holds: Callable[[Env], tuple[Form, ...]]
    ) -> None:
        """A body that runs any number of times while something holds.

        What it assigns is at least, or at most, what it was before, or 0, if a turn keeps it so.
        """
        carried = [n for n in assigned(body) if n in env]
        forms = {n: f for n in carried if (f := form_of(env[n])) is not None}
        kept = {(n, k) for n in forms for k in (1, -1)}
        kept |= {(n, 0) for n, f in forms.items() if self.facts.at_least(f, 0)}
        while True:
            here, found = dict(env), len(self.found)
            for n in carried:
                here[n] = self.any(env[n], {k for m, k in kept if m == n})
            entry = dict(here)
            marks = self.facts.assume(*holds(here))
            self.block(body, here)
            lost = {(n, k) for n, k in kept if not self.still(env[n], here.get(n), k)}
            self.facts.forget(marks)
            if not lost:
                break
            kept -= lost
            del self.found[found:]
        env.update((n, entry[n]) for n in carried)

    def any(self, before: Any, kept: set[int]) -> Any:
        """A value that may have changed: `kept` 1 is no less than before, -1 no more, 0 no less
        than that."""
        form = form_of(before)
        if form is not None:
            below, above = ([(form,)] if k in kept else [] for k in (1, -1))
            below += [(number(0),)] if 0 in kept else []
            form = self.facts.variable(below, above)
            return Lanes(before.count, form) if isinstance(before, Lanes) else form
        return Lanes(before.count) if isinstance(before, Lanes) else None

    def still(self, before: Any, after: Any, k: int) -> bool:
        one, two = form_of(before), form_of(after)
        if one is None or two is None:
            return False
        return self.facts.at_least((two - one) * k if k else two, 0)

    def branch(self, s: ast.If, env: Env, rest: Sequence[ast.stmt]) -> bool:
        """Both cases; where they leave places that differ, with all that follows."""
        truth = self.truth(self.value(s.test, env))
        cases = ((s.body, truth.facts), (s.orelse, truth.beyond))
        ends: list[Env] = []
        for body, facts in cases:
            if any(self.facts.at_most(e, -1) for e in facts):
                continue  # it never holds
            here = dict(env)
            marks = self.facts.assume(*facts)
            self.block(body, here)
            self.facts.forget(marks)
            ends.append(here)
        if len(ends) == 2:
            names = [n for n in ends[0] if n in ends[1] and ends[0][n] is not ends[1][n]]
            apart = any(isinstance(ends[0][n], Place) for n in names)
            if apart:
                for (_, facts), here in zip(cases, ends, strict=True):
                    marks = self.facts.assume(*facts)
                    self.block(rest, here)
                    self.facts.forget(marks)
                return True
            merged = {n: self.either(ends[0][n], ends[1][n]) for n in names}
            env.update({n: x for n, x in ends[0].items() if n in ends[1]} | merged)
        elif ends:
            env.update(ends[0])
        return False

    def either(self, x: Any, y: Any) -> Any:
        one, two = form_of(x), form_of(y)
        if one is not None and two is not None:
            form = self.facts.either(one, two)
            return Lanes(x.count, form) if isinstance(x, Lanes) else form
        if isinstance(x, Lanes) and isinstance(y, Lanes):
            return Lanes(max(x.count, y.count))
        return None

    # ---- expressions

    def value(self, e: ast.expr, env: Env) -> Any:
        match e:
            case ast.Constant(value=bool() | float() as x):
                return x
            case ast.Constant(value=int() as x):
                return number(x)
            case ast.Name():
                if env.get(e.id) is None:
                    raise Unsupported(f"bounds: {e.id} is not known here", self.low.text)
                return env[e.id]
            case ast.UnaryOp():
                return self.unary(e.op, self.value(e.operand, env))
            case ast.BinOp():
                return self.binary(e.op, self.value(e.left, env), self.value(e.right, env))
            case ast.Compare(ops=[op], comparators=[right]):
                return self.compared(op, self.value(e.left, env), self.value(right, env))
            case ast.BoolOp():
                found = [self.truth(self.value(v, env)) for v in e.values]
                both = isinstance(e.op, ast.And)
                joined = tuple(f for t in found for f in (t.facts if both else t.beyond))
                return Truth(joined) if both else Truth((), joined)
            case ast.Call(func=ast.Name(id=word)):
                return self.word(word, [self.value(a, env) for a in e.args])
        raise Unsupported(f"bounds: {ast.unparse(e)}", self.low.text)

    def unary(self, op: ast.unaryop, x: Any) -> Any:
        if isinstance(op, ast.Not):
            return Truth(x.beyond, x.facts)
        if isinstance(x, Lanes):
            return Lanes(x.count, None if x.form is None else x.form * -1)
        return x * -1 if isinstance(x, Form) else x

    def binary(self, op: ast.operator, x: Any, y: Any) -> Any:
        if isinstance(x, Truth) or isinstance(y, Truth):
            truth, times = (x, y) if isinstance(x, Truth) else (y, x)
            if isinstance(times, Lanes):
                both = (*truth.facts, *times.facts) if isinstance(op, ast.BitAnd) else ()
                return Lanes(times.count, None, both)
            most = self.facts.greatest_of(self.integer(times), number(0))
            form = self.facts.variable([(number(0),)], [(most,)])
            form.newest().holds = truth.facts
            return form
        if isinstance(x, Place):
            return Place(x.name, x.room, x.offset + self.integer(y), x.bytes)
        if isinstance(y, Place):
            return self.binary(op, y, x)
        if isinstance(x, Lanes) or isinstance(y, Lanes):
            return self.lanes(op, x, y)
        if not (isinstance(x, Form) and isinstance(y, Form)):
            return 0.0
        found = self.arithmetic(op, x, y)
        if found is None:
            raise Unsupported(f"bounds: {type(op).__name__} of integers", self.low.text)
        return found

    def arithmetic(self, op: ast.operator, x: Form, y: Form) -> Form | None:
        facts, known = self.facts, y.plain and y.constant > 0
        match op:
            case ast.Add():
                return x + y
            case ast.Sub():
                return x - y
            case ast.Mult():
                return facts.product(x, y)
            case ast.FloorDiv() if known:
                return facts.quotient(x, int(y.constant))
            case ast.RShift() if y.plain:
                return facts.quotient(x, 1 << int(y.constant))
            case ast.Mod() if known:
                return facts.remainder(x, int(y.constant))
            case ast.FloorDiv() | ast.Mod():
                if facts.at_least(x, 0) and facts.at_least(y, 1):
                    return (facts.part if isinstance(op, ast.FloorDiv) else facts.rest)(x, y)
        return None

    def lanes(self, op: ast.operator, x: Any, y: Any) -> Lanes:
        count = max(v.count for v in (x, y) if isinstance(v, Lanes))
        if isinstance(op, ast.BitAnd) and isinstance(x, Lanes) and isinstance(y, Lanes):
            return Lanes(count, None, (*x.facts, *y.facts))
        one, two = form_of(x), form_of(y)
        if isinstance(op, ast.BitAnd) and two is not None and two.plain:
            return Lanes(count, self.facts.variable([(number(0),)], [(two,)]))
        if isinstance(op, ast.BitOr):
            return Lanes(count)
        form = None if one is None or two is None else self.arithmetic(op, one, two)
        return Lanes(count, form)

    def compared(self, op: ast.cmpop, x: Any, y: Any) -> Truth | Lanes:
        count = max((v.count for v in (x, y) if isinstance(v, Lanes)), default=0)
        one, two = form_of(x), form_of(y)
        facts = beyond = ()
        if one is not None and two is not None:
            less, more = two - one, one - two
            facts, beyond = {
                ast.Lt: ((less - 1,), (more,)),
                ast.LtE: ((less,), (more - 1,)),
                ast.Gt: ((more - 1,), (less,)),
                ast.GtE: ((more,), (less - 1,)),
                ast.Eq: ((less, more), ()),
                ast.NotEq: ((), (less, more)),
            }[type(op)]
        return Lanes(count, None, facts, beyond) if count else Truth(facts, beyond)

    def truth(self, x: Any) -> Truth:
        if isinstance(x, Form):  # a number that is not 0
            return Truth((x - 1,) if self.facts.at_least(x, 0) else ())
        return x if isinstance(x, Truth) else Truth(())

    def integer(self, x: Any) -> Form:
        if isinstance(x, Form):
            return x
        if isinstance(x, Truth):
            return self.binary(ast.Mult(), x, number(1))
        raise Unsupported(f"bounds: an integer is required, got {x}", self.low.text)

    # ---- words

    def word(self, name: str, args: list[Any]) -> Any:
        if name in MEMORY:
            for touch in MEMORY[name](*args):
                self.touched(name, *touch)
            mask = next((a for a in args if isinstance(a, Lanes) and a.facts), None)
            count = counts(args) if mask is None else mask.count
            if name in ("load", "load_strided"):
                count = int(args[-1].constant)
            return Lanes(count)
        if found := getattr(self, f"word_{name}", None):
            return found(*args)
        if name.startswith(FOLDS):
            return Lanes(1)
        return Lanes(counts(args))

    def touched(
        self,
        word: str,
        p: Place,
        first: Form,
        last: Form,
        facts: Sequence[Form] = (),
        lanes: int = 1,
    ) -> None:
        """The elements from first to last, in every lane where the facts hold."""
        if p.name == "args":
            return
        LANE.below, LANE.above = [(number(0),)], [(number(lanes - 1),)]
        marks = self.facts.assume(*facts)
        room = p.room // p.bytes
        inside = self.facts.at_least(p.offset + first, 0)
        inside = inside and self.facts.at_most(p.offset + last, room - 1)
        if not inside and not self.impossible(facts):
            ends = self.facts.extent(p.offset + first)[0], self.facts.extent(p.offset + last)[1]
            low, high = ("?" if x is None else str(x) for x in ends)
            text = self.low.text.splitlines()[self.line - 1].strip()
            what = f"{word} of {p.name} at {low} to {high}, of {room} elements"
            self.found.append(f"line {self.line}, {text}: {what}")
        self.facts.forget(marks)

    def impossible(self, facts: Sequence[Form]) -> bool:
        """Whether the facts contradict each other, so that no lane is in the mask."""
        pairs = itertools.combinations(facts, 2)
        sums = itertools.chain(facts, (one + other for one, other in pairs))
        return any(self.facts.at_most(e, -1) for e in sums)

    def word_pack(
        self, vecs: Form, lanes: Form, to: Place, apart: Form,
        source: Place, row: Form, height: Form, width: Form,
    ) -> None:  # fmt: skip
        size = number(vecs.constant * lanes.constant)
        panel = self.facts.quotient(width - 1, int(size.constant)) * apart.constant
        self.touched("pack", to, number(0), panel + far(height, size) + (size - 1))
        for touch in block(source, number(0), height, row, width, number(1)):
            self.touched("pack", *touch)

    def word_integer(self, block: Place, slot: Form) -> Form:
        return number(self.low.sizes[int(slot.constant) - len(self.buffers)])

    def word_pointer(self, block: Place, slot: Form, dtype: str) -> Place:
        return self.buffer(int(slot.constant))

    def word_address_pointer(self, p: Place, dtype: str) -> Place:
        size = NUMPY[dtype].itemsize
        return p if p.name == "args" else self.row(p.name, p.room, p.offset, size)

    def word_shared(self, start: Form, dtype: str) -> Place:
        assert isinstance(self.low, Launch)
        size = NUMPY[dtype].itemsize
        return self.row("shared", self.low.shared_bytes, self.integer(start), size)

    def row(self, name: str, room: int, start: Form, size: int) -> Place:
        """A row of memory that several share, from a byte on to where the next one begins."""
        self.starts.append(start)
        least, most = self.facts.extent(start)
        if least is None or most is None or start.constant % size or least < 0:
            raise Unsupported(f"bounds: a row of {name} from {least} to {most}", self.low.text)
        ends = [s.constant for s in self.starts if s.constant > start.constant]
        end = min([room - int(most - start.constant), *map(int, ends)])
        return Place(f"{name} from {start.constant} on", end - int(start.constant), number(0), size)

    def word_shared_tile(self, tile: Form, elements: Form, dtype: str) -> Place:
        size = NUMPY[dtype].itemsize
        return Place(f"tile{tile.constant}", int(elements.constant) * size, number(0), size)

    def word_at(self, p: Place, i: Form) -> Place:
        return Place(p.name, p.room, p.offset + self.integer(i), p.bytes)

    def word_thread_index(self) -> Form:
        assert isinstance(self.low, Launch)
        return self.same("thread", self.low.threads)

    def word_block_index(self) -> Form:
        assert isinstance(self.low, Launch)
        return self.same("block", self.low.blocks)

    def word_block_count(self) -> Form:
        assert isinstance(self.low, Launch)
        return number(self.low.blocks)

    def same(self, name: str, count: int) -> Form:
        """A number that is the same wherever it is asked for."""
        found = self.__dict__.setdefault("numbers", {})
        if name not in found:
            found[name] = self.facts.variable([(number(0),)], [(number(count - 1),)])
        return found[name]

    def word_min(self, *xs: Any) -> Form:
        return self.facts.least_of(*map(self.integer, xs))

    def word_max(self, *xs: Any) -> Form:
        return self.facts.greatest_of(*map(self.integer, xs))

    def word_scalar(self, x: Lanes) -> Form:
        if x.form is not None:
            return x.form.without(LANE)
        x.data = x.data or self.facts.variable()
        return x.data

    def word_first(self, count: Any, lanes: Form) -> Lanes:
        lane, n = Form({LANE: 1}), self.integer(count)
        beyond = (lane - n,)
        if len(n.terms) == 1 and not n.constant and n.terms[n.newest()] == 1:
            v = n.newest()
            if v.holds is not None:
                return Lanes(int(lanes.constant), None, v.holds)
            for forms in v.above:  # a lane says that it is more than 0
                some = [f for f in forms if not (f.plain and f.constant <= 0)]
                n = some[0] if len(forms) > 1 and len(some) == 1 else n
        return Lanes(int(lanes.constant), None, (n - 1 - lane,), beyond)

    def word_invert(self, mask: Any) -> Lanes:
        return Lanes(counts([mask]), None, mask.beyond, mask.facts)

    def word_iota(self, start: Any, dtype: str, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), self.integer(start) + Form({LANE: 1}))

    def word_full(self, x: Any, dtype: str, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), x if isinstance(x, Form) else None)

    def word_widened(self, x: Any, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), form_of(x))

    def word_cast(self, x: Any, dtype: str) -> Lanes:
        form = form_of(x) if NUMPY[dtype].kind in "iu" else None
        return Lanes(counts([x]), form)

    def word_select(self, mask: Any, x: Any, y: Any) -> Lanes:
        one, two = form_of(x), form_of(y)
        form = None if one is None or two is None else self.facts.either(one, two)
        return Lanes(counts([mask, x, y]), form)

    def word_minimum(self, x: Any, y: Any) -> Lanes:
        return Lanes(counts([x, y]), self.extreme(x, y, self.facts.least_of))

    def word_maximum(self, x: Any, y: Any) -> Lanes:
        return Lanes(counts([x, y]), self.extreme(x, y, self.facts.greatest_of))

    def extreme(self, x: Any, y: Any, of: Callable[..., Form]) -> Form | None:
        one, two = form_of(x), form_of(y)
        if one is None and two is None:
            return None
        return of(*(self.facts.variable() if f is None else f for f in (one, two)))


def form_of(x: Any) -> Form | None:
    return x if isinstance(x, Form) else x.form if isinstance(x, Lanes) else None


def counts(args: Sequence[Any]) -> int:
    return max((a.count for a in args if isinstance(a, Lanes)), default=1)


def assigned(body: Sequence[ast.stmt]) -> list[str]:
    """The names that statements assign, those of loops aside."""
    found: dict[str, None] = {}
    for s in body:
        for n in ast.walk(s):
            if isinstance(n, ast.Assign):
                names = n.targets[0]
                every = names.elts if isinstance(names, ast.Tuple) else [names]
                found |= {t.id: None for t in every if isinstance(t, ast.Name)}
    return list(found)


# ---------------------------------------------------------------- what words touch

Touch = tuple[Any, ...]
"""A place, its first and last element, and of lanes the facts and their number."""


def lane_of(mask: Any) -> tuple[tuple[Form, ...], int]:
    return mask.facts, mask.count


def along(p: Place, i: Form, step: Form | None, facts: tuple[Form, ...], lanes: int) -> Touch:
    """Lane k at i + k * step."""
    if step is not None and not step.plain:
        raise Unsupported("bounds: a step that is not known")
    at = i + Form({LANE: 1}) * (1 if step is None else step.constant)
    return p, at, at, facts, lanes


def neighbours(p: Place, i: Form, v: Any) -> Iterator[Touch]:
    yield p, i, i + ((v.count if isinstance(v, Lanes) else 1) - 1)


def load(p: Place, i: Form, lanes: Form) -> Iterator[Touch]:
    yield p, i, i + lanes - 1


def load_where(p: Place, i: Form, mask: Any, other: Any) -> Iterator[Touch]:
    yield along(p, i, None, *lane_of(mask))


def store_where(p: Place, i: Form, v: Any, mask: Any) -> Iterator[Touch]:
    yield along(p, i, None, mask.facts, max(mask.count, counts([v])))


def load_strided(p: Place, i: Form, step: Form, lanes: Form) -> Iterator[Touch]:
    yield along(p, i, step, (), int(lanes.constant))


def load_strided_where(p: Place, i: Form, step: Form, mask: Any, other: Any) -> Iterator[Touch]:
    yield along(p, i, step, *lane_of(mask))


def store_strided(p: Place, i: Form, step: Form, v: Any) -> Iterator[Touch]:
    yield along(p, i, step, (), counts([v]))


def store_strided_where(p: Place, i: Form, step: Form, v: Any, mask: Any) -> Iterator[Touch]:
    yield along(p, i, step, *lane_of(mask))


def store_pairs(p: Place, i: Form, v: Any, w: Any) -> Iterator[Touch]:
    yield p, i, i + (2 * counts([v, w]) - 1)


def store_pairs_where(p: Place, i: Form, v: Any, w: Any, mask: Any) -> Iterator[Touch]:
    for k in range(2):
        yield along(p, i + k, number(2), *lane_of(mask))


def gather(p: Place, places: Lanes) -> Iterator[Touch]:
    yield p, placed(places), placed(places), (), places.count


def gather_where(p: Place, places: Lanes, mask: Any, other: Any) -> Iterator[Touch]:
    yield p, placed(places), placed(places), mask.facts, max(mask.count, places.count)


def placed(places: Lanes) -> Form:
    return Form({Variable(1 << 59): 1}) if places.form is None else places.form


def prefetch(p: Place, i: Form) -> Iterator[Touch]:
    yield from ()


def transpose(
    p: Place, i: Form, step: Form, q: Place, k: Form, pitch: Form, n: Form
) -> Iterator[Touch]:
    for at, start, row in ((p, i, step), (q, k, pitch)):
        yield from block(at, start, n, row, n, number(1))


def block(p: Place, i: Form, rows: Form, row: Form, columns: Form, column: Form) -> Iterator[Touch]:
    """All of rows by columns, by two steps that are no less than 0."""
    yield p, i, i + far(rows, row) + far(columns, column)


def far(count: Form, step: Form) -> Form:
    """From the first of `count` to the last."""
    if not (count.plain or step.plain):
        raise Unsupported("bounds: steps that are not known")
    last = count - 1
    return last * step.constant if step.plain else step * last.constant


def tile(
    rows: Form, vecs: Form, lanes: Form, depth: Form, a: Place, a_row: Form, a_step: Form,
    b: Place, b_step: Form, c: Place, c_row: Form, height: Form, fresh: Any,
) -> Iterator[Touch]:  # fmt: skip
    width = number(vecs.constant * lanes.constant)
    if not (depth.plain and depth.constant <= 0):
        yield from block(a, number(0), height, a_row, depth, a_step)
        yield from block(b, number(0), depth, b_step, width, number(1))
    yield from block(c, number(0), rows, c_row, width, number(1))


def tile_of_dots(
    rows: Form, vecs: Form, lanes: Form, depth: Form, a: Place, a_row: Form,
    b: Place, b_column: Form, c: Place, c_row: Form, height: Form, width: Form,
) -> Iterator[Touch]:  # fmt: skip
    yield from block(a, number(0), height, a_row, depth, number(1))
    yield from block(b, number(0), width, b_column, depth, number(1))
    yield from block(c, number(0), rows, c_row, width, number(1))


def pack_turned(
    vecs: Form, lanes: Form, to: Place, source: Place, column: Form, height: Form, width: Form
) -> Iterator[Touch]:
    yield from pack_strided(vecs, lanes, to, source, number(1), column, height, width)


def pack_strided(
    vecs: Form, lanes: Form, to: Place,
    source: Place, row: Form, column: Form, height: Form, width: Form,
) -> Iterator[Touch]:  # fmt: skip
    size = number(vecs.constant * lanes.constant)
    columns = size
    yield from block(to, number(0), height, size, columns, number(1))
    yield from block(source, number(0), height, row, width, column)


def unpack(
    vecs: Form, lanes: Form, to: Place, row: Form, source: Place, height: Form, width: Form
) -> Iterator[Touch]:
    size = number(vecs.constant * lanes.constant)
    yield from block(to, number(0), height, row, width, number(1))
    yield from block(source, number(0), height, size, width, number(1))


MEMORY: dict[str, Callable[..., Iterator[Touch]]] = {
    f.__name__: f
    for f in (load, load_where, store_where, load_strided, load_strided_where, store_strided,
              store_strided_where, store_pairs, store_pairs_where, gather, gather_where, prefetch,
              transpose, tile, tile_of_dots, pack_turned, pack_strided, unpack)
} | {"store": neighbours}  # fmt: skip
