"""Integers of a text as linear forms over variables that have bounds, and what follows from those.

A variable is bounded by forms over variables that were there before it. A form is at most a number
if that follows when its variables, newest first, are replaced by their bounds: so what belongs
together stays together, as the last row of a block and the block do. Exact: rational coefficients.
What is not proved may still be true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Number = int | Fraction
FURTHER = 3
"""Steps from a fact to what follows of older variables."""
STEPS = 16000
"""Bounds that one question may try."""


@dataclass(eq=False)
class Unknown:
    """`above`, `below`: all of these bounds hold; of several forms the largest, or the least, is
    the bound. `holds`: what is at least 0 where the variable is not 0."""

    number: int
    above: list[tuple[Form, ...]] = field(default_factory=list)
    below: list[tuple[Form, ...]] = field(default_factory=list)
    multiple: int = 1  # a number that divides it
    holds: tuple[Form, ...] | None = None


@dataclass(frozen=True, eq=False)
class Form:
    """`constant` + the sum of coefficient * variable."""

    terms: dict[Unknown, Number]
    constant: Number = 0

    def __add__(self, other: Form | Number) -> Form:
        if not isinstance(other, Form):
            return Form(self.terms, self.constant + other)
        terms = dict(self.terms)
        for v, k in other.terms.items():
            terms[v] = terms.get(v, 0) + k
            if not terms[v]:
                del terms[v]
        return Form(terms, self.constant + other.constant)

    def __sub__(self, other: Form | Number) -> Form:
        return self + (other * -1 if isinstance(other, Form) else -other)

    def __mul__(self, k: Number) -> Form:
        if not k:
            return Form({})
        return Form(
            {v: plain_number(c * k) for v, c in self.terms.items()}, plain_number(self.constant * k)
        )

    @property
    def plain(self) -> bool:
        """Whether it is a number."""
        return not self.terms

    def newest(self) -> Unknown:
        return max(self.terms, key=lambda v: v.number)

    def without(self, v: Unknown) -> Form:
        return Form({u: k for u, k in self.terms.items() if u is not v}, self.constant)

    def divisor(self) -> int:
        """What divides the form without its constant, for any value of its variables."""
        if self.constant.denominator != 1 or any(k.denominator != 1 for k in self.terms.values()):
            return 1
        return math.gcd(*(int(k) * v.multiple for v, k in self.terms.items()))


def plain_number(x: Number) -> Number:
    """The same, and an integer if it is one: those are faster."""
    return x.numerator if x.denominator == 1 else x


def constant_form(x: Number) -> Form:
    return Form({}, x)


def tightened(e: Form) -> Form:
    """An `e` that is at least 0 for the same integers, and as small as it may be."""
    g = 1 if e.plain else e.divisor()
    return Form(e.terms, e.constant // g * g) if g > 1 else e


def weaker(fact: Form) -> Iterator[Form]:
    """What follows from a fact where one of its variables is replaced by a bound."""
    for v, k in fact.terms.items():
        for forms in v.above if k > 0 else v.below:
            if len(forms) == 1 and not forms[0].plain:
                yield fact.without(v) + forms[0] * k


Mark = tuple[list[Any], int]
"""Bounds of a variable, or what is known, and how many there were."""


def divisor(*forms: Form) -> int:
    """What divides all of the forms."""
    return math.gcd(*(math.gcd(f.divisor(), int(f.constant)) for f in forms))


class Facts:
    """What is known at a place of a text."""

    def __init__(self) -> None:
        self.count = 0
        self.left = 0
        self.refused: dict[frozenset[tuple[Unknown, Number]], Number] = {}
        self.known: list[tuple[Any, Form]] = []  # quotients, by what they are of
        self.assumed: list[Form] = []  # all at least 0
        self.begins = [0]  # of those that were made with the same facts

    def variable(
        self,
        below: Iterable[tuple[Form, ...]] = (),
        above: Iterable[tuple[Form, ...]] = (),
        multiple: int = 1,
    ) -> Form:
        self.count += 1
        return Form({Unknown(self.count, list(above), list(below), multiple): 1})

    def assume(self, *facts: Form, further: int = FURTHER) -> list[Mark]:
        """Takes every fact for at least 0 till it is forgotten, and what follows from it of
        variables that were there before."""
        marks: list[Mark] = [(self.known, len(self.known)), (self.begins, len(self.begins))]
        marks.append((self.assumed, len(self.assumed)))
        self.begins.append(len(self.known))
        for e in map(tightened, facts):
            if e.plain:
                continue
            if further == FURTHER:
                self.assumed.append(e)
            v = e.newest()
            k, rest = e.terms[v], e.without(v)
            bounds, others = (v.below, v.above) if k > 0 else (v.above, v.below)
            marks.append((bounds, len(bounds)))
            bounds.append((rest * (Fraction(-1) / k),))
            for forms in others if further else ():
                if len(forms) == 1:
                    marks += self.assume(rest + forms[0] * k, further=further - 1)
        return marks

    def forget(self, marks: list[Mark]) -> None:
        for bounds, count in reversed(marks):
            del bounds[count:]

    # ---- questions

    def at_most(self, e: Form, most: Number) -> bool:
        """Whether e <= most is proved."""
        self.left, self.refused = STEPS, {}
        return self.proved(e - most)

    def at_least(self, e: Form, least: Number) -> bool:
        return self.at_most(e * -1, -least)

    def follows(self, e: Form) -> bool:
        """Whether e >= 0 is proved, if need be as a multiple of what is assumed and a rest.

        A fact about two variables bounds the newer one alone; here it may stand for the older one.
        """
        if self.at_least(e, 0):
            return True
        return any(
            self.at_least(e - fact * (Fraction(1) * e.terms[v] / k), 0)
            for assumed in reversed(self.assumed)
            for fact in (assumed, *weaker(assumed))
            for v, k in fact.terms.items()
            if len(fact.terms) > 1 and e.terms.get(v, 0) * k > 0
        )

    def proved(self, e: Form) -> bool:
        """Whether e <= 0 is; what one question refused, by another way to it, it refuses again."""
        if e.plain:
            return e.constant <= 0
        key = frozenset(e.terms.items())
        self.left -= 1
        if self.left < 0 or e.constant >= self.refused.get(key, math.inf):
            return False
        v = e.newest()
        k, rest = e.terms[v], e.without(v)
        bounds = v.above if k > 0 else v.below
        for forms in reversed(bounds):
            possible = forms if len(forms) == 1 else self.possible(v, forms, k > 0)
            if all(self.proved(rest + form * k) for form in possible):
                return True
        self.refused[key] = e.constant
        return False

    def possible(self, v: Unknown, forms: tuple[Form, ...], above: bool) -> Iterator[Form]:
        """Those of several bounds that may be the value: none lies beyond another bound."""
        others = v.below if above else v.above
        for form in forms:
            sign = 1 if above else -1
            beyond = (
                self.proved((form - other[0]) * sign + 1) for other in others if len(other) == 1
            )
            if not any(beyond):
                yield form

    def extent(self, e: Form) -> tuple[Number | None, Number | None]:
        """Numbers between which a form lies, None where there is no such number."""
        self.left = STEPS // 4
        most, least = self.most(e), self.most(e * -1)
        return (None if least is None else -least), most

    def most(self, e: Form) -> Number | None:
        if e.plain:
            return e.constant
        self.left -= 1
        if self.left < 0:
            return None
        v = e.newest()
        k, rest = e.terms[v], e.without(v)
        found: list[Number] = []
        for forms in v.above if k > 0 else v.below:
            each = [self.most(rest + form * k) for form in forms]
            if all(x is not None for x in each):
                found.append(max(x for x in each if x is not None))
        return min(found, default=None)

    # ---- operations

    def least_of(self, *forms: Form) -> Form:
        one, rest = forms[0], forms[1:]
        for other in rest:
            if one.plain and other.plain:
                one = constant_form(min(one.constant, other.constant))
            elif self.at_most(one - other, 0):
                continue
            elif self.at_most(other - one, 0):
                one = other
            else:
                one = self.variable([(one, other)], [(one,), (other,)], divisor(one, other))
        return one

    def greatest_of(self, *forms: Form) -> Form:
        one, rest = forms[0], forms[1:]
        for other in rest:
            if one.plain and other.plain:
                one = constant_form(max(one.constant, other.constant))
            elif self.at_most(other - one, 0):
                continue
            elif self.at_most(one - other, 0):
                one = other
            else:
                one = self.variable([(one,), (other,)], [(one, other)], divisor(one, other))
        return one

    def quotient(self, e: Form, n: int, further: int = 1) -> Form:
        """e // n for n > 0: what `n` divides by itself, and the rest."""
        exact = Form({v: k for v, k in e.terms.items() if k % n == 0 or k * v.multiple % n == 0})
        e, exact = e - exact, exact * Fraction(1, n)
        if e.plain:
            return exact + e.constant // n
        key = frozenset(e.terms.items()), e.constant, n
        here = self.known[self.begins[-1] :]
        if same := next((form for k, form in here if k == key), None):
            return exact + same
        part, (least, most) = Fraction(1, n), self.extent(e)
        below, above = [((e - (n - 1)) * part,)], [(e * part,)]
        below += [] if least is None else [(constant_form(least // n),)]
        below += [(exact * -1,)] if exact.terms and self.at_least(e + exact * n, 0) else []
        above += [] if most is None else [(constant_form(most // n),)]
        v = e.newest()
        k, rest = e.terms[v], e.without(v)
        for forms in v.above if k > 0 and further else ():
            if len(forms) == 1:
                above.append((self.quotient(rest + forms[0] * k, n, further - 1),))
        found = self.variable(below, above)
        self.known.append((key, found))
        return exact + found

    def remainder(self, e: Form, n: int) -> Form:
        """e % n: what the quotient leaves, and no more than n - 1."""
        left = e - self.quotient(e, n) * n
        if left.plain:
            return left
        below, above = (constant_form(0),), (constant_form(n - 1),)
        return self.variable([below, (left,)], [above, (left,)], divisor(left, constant_form(n)))

    def part(self, e: Form, of: Form) -> Form:
        """e // of for a form from 1 on, of `e` from 0 on: below the least multiple that is more."""
        most = self.extent(e)[1]
        low, high = 0, None if most is None else int(most) + 1
        if high is None:
            return self.variable([(constant_form(0),)])
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at_most(e - of * middle, -1) else (middle + 1, high)
        return self.variable([(constant_form(0),)], [(constant_form(high - 1),)])

    def rest(self, e: Form, of: Form) -> Form:
        """e % of, of the same."""
        return self.variable([(constant_form(0),)], [(of - 1,), (e,)])

    def product(self, x: Form, y: Form) -> Form:
        if x.plain or y.plain:
            return y * x.constant if x.plain else x * y.constant
        ends = [self.extent(f) for f in (x, y)]
        if any(end is None for pair in ends for end in pair):
            return self.variable()
        corners = [a * b for a in ends[0] for b in ends[1] if a is not None and b is not None]
        return self.variable([(constant_form(min(corners)),)], [(constant_form(max(corners)),)])

    def either(self, x: Form, y: Form) -> Form:
        """One of two."""
        return x if (x - y).plain and not (x - y).constant else self.variable([(x, y)], [(x, y)])
