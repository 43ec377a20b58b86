"""Values of a text as what is known of them, and arithmetic on those.

An integer is a form, over variables that are any number of their ranges; a vector says its
integers by lane, a mask and a condition what holds in it; an address says how far it is into which
memory. Other data are not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...kernel.scalar import KernelError
from .linear import Facts, Form, Unknown, constant_form

LANE = Unknown(1 << 60)
"""The number of a lane: that of one vector is that of all at the same place."""


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
class Address:
    """`offset` elements of `bytes` into memory of a name and `room` bytes."""

    name: str
    room: int
    offset: Form
    bytes: int


class Ranges:
    """Arithmetic under what is known here. `text`: what the values are of."""

    def __init__(self, text: str) -> None:
        self.text, self.facts = text, Facts()

    def unsupported(self, what: str) -> Unsupported:
        return Unsupported(f"bounds: {what}", self.text)

    # ---- operations

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
            most = self.facts.greatest_of(self.integer(times), constant_form(0))
            form = self.facts.variable([(constant_form(0),)], [(most,)])
            form.newest().holds = truth.facts
            return form
        if isinstance(x, Address):
            return Address(x.name, x.room, x.offset + self.integer(y), x.bytes)
        if isinstance(y, Address):
            return self.binary(op, y, x)
        if isinstance(x, Lanes) or isinstance(y, Lanes):
            return self.lanes(op, x, y)
        if not (isinstance(x, Form) and isinstance(y, Form)):
            return 0.0
        found = self.arithmetic(op, x, y)
        if found is None:
            raise self.unsupported(f"{type(op).__name__} of integers")
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
            return Lanes(count, self.facts.variable([(constant_form(0),)], [(two,)]))
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
        """What a condition says."""
        if isinstance(x, Form):  # a number that is not 0
            return Truth((x - 1,) if self.facts.at_least(x, 0) else ())
        return x if isinstance(x, Truth) else Truth(())

    def integer(self, x: Any) -> Form:
        """A number, or a condition as 0 or 1."""
        if isinstance(x, Form):
            return x
        if isinstance(x, Truth):
            return self.binary(ast.Mult(), x, constant_form(1))
        raise self.unsupported(f"an integer is required, got {x}")

    def extreme(self, x: Any, y: Any, of: Callable[..., Form]) -> Form | None:
        """The least or the greatest of two, of which one may be data."""
        one, two = form_of(x), form_of(y)
        if one is None and two is None:
            return None
        return of(*(self.facts.variable() if f is None else f for f in (one, two)))

    # ---- one of several

    def either(self, x: Any, y: Any) -> Any:
        """What is known of a value that is one of two; None if that is nothing."""
        one, two = form_of(x), form_of(y)
        if one is not None and two is not None:
            form = self.facts.either(one, two)
            return Lanes(x.count, form) if isinstance(x, Lanes) else form
        if isinstance(x, Lanes) and isinstance(y, Lanes):
            return Lanes(max(x.count, y.count))
        return None

    def changed(self, before: Any, kept: set[int]) -> Any:
        """A value that may have changed, of which that is `kept` which `still` tests."""
        form = form_of(before)
        if form is not None:
            below, above = ([(form,)] if k in kept else [] for k in (1, -1))
            below += [(constant_form(0),)] if 0 in kept else []
            form = self.facts.variable(below, above)
            return Lanes(before.count, form) if isinstance(before, Lanes) else form
        return Lanes(before.count) if isinstance(before, Lanes) else None

    def still(self, before: Any, after: Any, k: int) -> bool:
        """Whether a value is no less than before, for k = 1; no more, for -1; for 0, at least 0."""
        one, two = form_of(before), form_of(after)
        if one is None or two is None:
            return False
        return self.facts.at_least((two - one) * k if k else two, 0)


def form_of(x: Any) -> Form | None:
    """An integer, or those of a vector by lane; None for data."""
    return x if isinstance(x, Form) else x.form if isinstance(x, Lanes) else None


def lane_count(args: Sequence[Any]) -> int:
    """The lanes of what is computed of some values."""
    return max((a.count for a in args if isinstance(a, Lanes)), default=1)
