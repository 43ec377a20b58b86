"""Proves that a lowered text touches nothing outside of its buffers, for all points.

The text is walked once with its numbers known and its variables not: a variable of a loop is any
number of its range, a condition holds where it is true, lanes are those of a mask. Every load and
store must then follow to lie inside of its buffer (`linear`). This looks at what lowering made,
so that a kernel whose own rules are kept, but whose text is not what it says, is found.

What a text computes places from data by (digits of a sort) is beyond it: tests watch those run.
`walk` goes through the statements, `ranges` computes with what is known, `touches` says which
elements a word of memory meets. Cost: some milliseconds a text.

Source: Cousot and Halbwachs, Automatic discovery of linear restraints among variables of a program,
1978.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...kernel.expr import Buffer
from ...kernel.scalar import NUMPY, KernelError
from ..lowered import Lowered, LoweredLaunch
from .linear import Form, constant_form
from .ranges import LANE, Address, Lanes, Ranges, form_of, lane_count
from .touches import MEMORY, block, far
from .walk import Env, Walk

PLACES = ("shared", "thread_index", "block_index", "min", "max")
FOLDS = ("total", "product", "largest", "smallest", "any_", "all_", "lane", "team_")


def check_bounds(low: Lowered | LoweredLaunch, buffers: Sequence[Buffer]) -> None:
    """Raises KernelError where an access of a text is not proved to lie inside its buffer."""
    if low.points and (found := access_faults(low, tuple(buffers))):
        raise KernelError(f"bounds: {found[0]}", low.text)


@lru_cache(1 << 12)
def access_faults(low: Lowered | LoweredLaunch, buffers: tuple[Buffer, ...]) -> list[str]:
    return BoundsProof(low, buffers).faults()


@lru_cache(1 << 12)
def kernel_definition(text: str) -> ast.FunctionDef:
    """The last function of a text, without its docstring."""
    found = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)][-1]
    if ast.get_docstring(found, clean=False) is not None:
        found.body = found.body[1:]
    return found


class BoundsProof:
    """What the words of one text give and touch, as a walk meets them."""

    def __init__(self, low: Lowered | LoweredLaunch, buffers: Sequence[Buffer]) -> None:
        self.low, self.buffers, self.function = low, buffers, kernel_definition(low.text)
        self.ranges = Ranges(low.text)
        self.facts = self.ranges.facts
        self.said: list[str] = []
        self.walk = Walk(self.ranges, self.word, self.said)
        self.starts: list[Form] = []  # of rows of scratch
        self.numbers: dict[str, Form] = {}  # that are the same wherever they are asked for

    def faults(self) -> list[str]:
        env: Env = {name: name for name in NUMPY} | {"inf": 0.0, "nan": 0.0}
        if isinstance(self.low, LoweredLaunch):
            self.parameters(env, self.low)
        else:
            points = constant_form(self.low.points)
            start = self.facts.variable([(constant_form(0),)], [(points - 1,)])
            stop = self.facts.variable([(start + 1,)], [(points,)])
            env |= {"start": start, "stop": stop}
            numbers = len(self.buffers) + len(self.low.sizes)
            env["args"] = Address("args", 8 * numbers, constant_form(0), 1)
            env["scratch"] = Address("scratch", self.low.scratch_bytes, constant_form(0), 1)
        self.rows(dict(env))
        self.walk.block(self.function.body, env)
        return self.said

    def rows(self, env: Env) -> None:
        """Finds where rows of scratch begin: each ends where the next one does."""
        for s in self.function.body:
            if isinstance(s, ast.Assign) and isinstance(s.value, ast.Call | ast.BinOp):
                names = {n.id for n in ast.walk(s.value) if isinstance(n, ast.Name)}
                if names <= env.keys() | {"integer", "pointer", "address_pointer", *PLACES}:
                    self.walk.statement(s, env)

    def parameters(self, env: Env, launch: LoweredLaunch) -> None:
        """Those of a kernel of a GPU: the buffers, then numbers."""
        numbers = iter(launch.sizes)
        for k, a in enumerate(self.function.args.args):
            if k < len(self.buffers):
                env[a.arg] = self.buffer(k)
            elif isinstance(a.annotation, ast.Name):
                env[a.arg] = constant_form(next(numbers))
            else:
                next(numbers)
                env[a.arg] = Lanes(1)

    def buffer(self, k: int) -> Address:
        b = self.buffers[k]
        size = NUMPY[b.dtype].itemsize
        return Address(b.name, b.size * size, constant_form(0), size)

    # ---- words

    def word(self, name: str, args: list[Any]) -> Any:
        if name in MEMORY:
            for touch in MEMORY[name](*args):
                self.touched(name, *touch)
            mask = next((a for a in args if isinstance(a, Lanes) and a.facts), None)
            count = lane_count(args) if mask is None else mask.count
            if name in ("load", "load_strided"):
                count = int(args[-1].constant)
            return Lanes(count)
        if found := getattr(self, f"word_{name}", None):
            return found(*args)
        if name.startswith(FOLDS):
            return Lanes(1)
        return Lanes(lane_count(args))

    def touched(
        self,
        word: str,
        p: Address,
        first: Form,
        last: Form,
        facts: Sequence[Form] = (),
        lanes: int = 1,
    ) -> None:
        """The elements from first to last, in every lane where the facts hold."""
        if p.name == "args":
            return
        LANE.below, LANE.above = [(constant_form(0),)], [(constant_form(lanes - 1),)]
        marks = self.facts.assume(*facts)
        room = p.room // p.bytes
        inside = self.facts.follows(p.offset + first)
        inside = inside and self.facts.follows((p.offset + last) * -1 + (room - 1))
        if not inside and not self.impossible(facts):
            ends = self.facts.extent(p.offset + first)[0], self.facts.extent(p.offset + last)[1]
            low, high = ("?" if x is None else str(x) for x in ends)
            text = self.low.text.splitlines()[self.walk.line - 1].strip()
            what = f"{word} of {p.name} at {low} to {high}, of {room} elements"
            self.said.append(f"line {self.walk.line}, {text}: {what}")
        self.facts.forget(marks)

    def impossible(self, facts: Sequence[Form]) -> bool:
        """Whether the facts contradict each other, so that no lane is in the mask."""
        pairs = itertools.combinations(facts, 2)
        sums = itertools.chain(facts, (one + other for one, other in pairs))
        return any(self.facts.at_most(e, -1) for e in sums)

    def word_pack(
        self, vecs: Form, lanes: Form, to: Address, apart: Form,
        source: Address, row: Form, height: Form, width: Form,
    ) -> None:  # fmt: skip
        size = constant_form(vecs.constant * lanes.constant)
        panel = self.facts.quotient(width - 1, int(size.constant)) * apart.constant
        self.touched("pack", to, constant_form(0), panel + far(height, size) + (size - 1))
        for touch in block(source, constant_form(0), height, row, width, constant_form(1)):
            self.touched("pack", *touch)

    def word_integer(self, block: Address, slot: Form) -> Form:
        return constant_form(self.low.sizes[int(slot.constant) - len(self.buffers)])

    def word_pointer(self, block: Address, slot: Form, dtype: str) -> Address:
        return self.buffer(int(slot.constant))

    def word_address_pointer(self, p: Address, dtype: str) -> Address:
        size = NUMPY[dtype].itemsize
        return p if p.name == "args" else self.row(p.name, p.room, p.offset, size)

    def word_shared(self, start: Form, dtype: str) -> Address:
        assert isinstance(self.low, LoweredLaunch)
        size = NUMPY[dtype].itemsize
        return self.row("shared", self.low.shared_bytes, self.ranges.integer(start), size)

    def row(self, name: str, room: int, start: Form, size: int) -> Address:
        """A row of memory that several share, from a byte on to where the next one begins."""
        self.starts.append(start)
        least, most = self.facts.extent(start)
        if least is None or most is None or start.constant % size or least < 0:
            raise self.ranges.unsupported(f"a row of {name} from {least} to {most}")
        ends = [s.constant for s in self.starts if s.constant > start.constant]
        end = min([room - int(most - start.constant), *map(int, ends)])
        name = f"{name} from {start.constant} on"
        return Address(name, end - int(start.constant), constant_form(0), size)

    def word_shared_tile(self, tile: Form, elements: Form, dtype: str) -> Address:
        size = NUMPY[dtype].itemsize
        return Address(
            f"tile{tile.constant}", int(elements.constant) * size, constant_form(0), size
        )

    def word_at(self, p: Address, i: Form) -> Address:
        return Address(p.name, p.room, p.offset + self.ranges.integer(i), p.bytes)

    def word_thread_index(self) -> Form:
        assert isinstance(self.low, LoweredLaunch)
        return self.same("thread", self.low.threads)

    def word_block_index(self) -> Form:
        assert isinstance(self.low, LoweredLaunch)
        return self.same("block", self.low.blocks)

    def word_block_count(self) -> Form:
        assert isinstance(self.low, LoweredLaunch)
        return constant_form(self.low.blocks)

    def same(self, name: str, count: int) -> Form:
        if name not in self.numbers:
            self.numbers[name] = self.facts.variable(
                [(constant_form(0),)], [(constant_form(count - 1),)]
            )
        return self.numbers[name]

    def word_min(self, *xs: Any) -> Form:
        return self.facts.least_of(*map(self.ranges.integer, xs))

    def word_max(self, *xs: Any) -> Form:
        return self.facts.greatest_of(*map(self.ranges.integer, xs))

    def word_scalar(self, x: Lanes) -> Form:
        if x.form is not None:
            return x.form.without(LANE)
        x.data = x.data or self.facts.variable()
        return x.data

    def word_first(self, count: Any, lanes: Form) -> Lanes:
        lane, n = Form({LANE: 1}), self.ranges.integer(count)
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
        return Lanes(lane_count([mask]), None, mask.beyond, mask.facts)

    def word_iota(self, start: Any, dtype: str, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), self.ranges.integer(start) + Form({LANE: 1}))

    def word_full(self, x: Any, dtype: str, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), x if isinstance(x, Form) else None)

    def word_widened(self, x: Any, lanes: Form) -> Lanes:
        return Lanes(int(lanes.constant), form_of(x))

    def word_cast(self, x: Any, dtype: str) -> Lanes:
        form = form_of(x) if NUMPY[dtype].kind in "iu" else None
        return Lanes(lane_count([x]), form)

    def word_select(self, mask: Any, x: Any, y: Any) -> Lanes:
        one, two = form_of(x), form_of(y)
        form = None if one is None or two is None else self.facts.either(one, two)
        return Lanes(lane_count([mask, x, y]), form)

    def word_minimum(self, x: Any, y: Any) -> Lanes:
        return Lanes(lane_count([x, y]), self.ranges.extreme(x, y, self.facts.least_of))

    def word_maximum(self, x: Any, y: Any) -> Lanes:
        return Lanes(lane_count([x, y]), self.ranges.extreme(x, y, self.facts.greatest_of))
