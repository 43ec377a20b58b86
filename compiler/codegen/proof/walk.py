"""A walk over a text: every statement once for all turns of the loops around it.

A variable of a loop is any number of its range, a condition holds where it is true; what a loop
assigns is at least, or at most, what it was before, if a turn keeps it so.

Source: Flanagan and Leino, Houdini, 2001: invariants by dropping what does not hold.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

from .linear import Form, constant_form, divisor
from .ranges import Address, Ranges, Truth, form_of

Env = dict[str, Any]


class Walk:
    """The walk over one text. `word` says what a word gives; `line` is where the walk is."""

    def __init__(
        self, ranges: Ranges, word: Callable[[str, list[Any]], Any], found: list[str]
    ) -> None:
        self.ranges, self.facts, self.word, self.said = ranges, ranges.facts, word, found
        self.line = 0

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
                self.repeated(s.body, env, lambda e: self.ranges.truth(self.value(s.test, e)).facts)
            case ast.Return() | ast.Pass():
                pass
            case _:
                raise self.ranges.unsupported(ast.unparse(s).splitlines()[0])

    def counted(self, s: ast.For, env: Env) -> None:
        """for i in range(...): i is the start and so many steps."""
        assert isinstance(s.iter, ast.Call) and isinstance(s.target, ast.Name)
        args = [self.ranges.integer(self.value(a, env)) for a in s.iter.args]
        first, last = (constant_form(0), args[0]) if len(args) == 1 else args[:2]
        step = args[2].constant if len(args) == 3 else 1
        if len(args) == 3 and not (args[2].plain and step > 0):
            raise self.ranges.unsupported("steps that are not known")
        length, name = last - first, s.target.id
        if self.facts.at_most(length, 0):
            return
        apart = math.gcd(divisor(length), int(step))  # the last is at least so far before the end
        # an end may be the least of two, as that of a strip, of which one is again: that of a block
        most = self.facts.quotient(length - apart, int(step), further=2)
        turn = self.facts.variable([(constant_form(0),)], [(most,)])
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
            here, found = dict(env), len(self.said)
            for n in carried:
                here[n] = self.ranges.changed(env[n], {k for m, k in kept if m == n})
            entry = dict(here)
            marks = self.facts.assume(*holds(here))
            self.block(body, here)
            lost = {(n, k) for n, k in kept if not self.ranges.still(env[n], here.get(n), k)}
            self.facts.forget(marks)
            if not lost:
                break
            kept -= lost
            del self.said[found:]
        env.update((n, entry[n]) for n in carried)

    def branch(self, s: ast.If, env: Env, rest: Sequence[ast.stmt]) -> bool:
        """Both cases; where they leave places that differ, with all that follows."""
        truth = self.ranges.truth(self.value(s.test, env))
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
            apart = any(isinstance(ends[0][n], Address) for n in names)
            if apart:
                for (_, facts), here in zip(cases, ends, strict=True):
                    marks = self.facts.assume(*facts)
                    self.block(rest, here)
                    self.facts.forget(marks)
                return True
            merged = {n: self.ranges.either(ends[0][n], ends[1][n]) for n in names}
            env.update({n: x for n, x in ends[0].items() if n in ends[1]} | merged)
        elif ends:
            env.update(ends[0])
        return False

    # ---- expressions

    def value(self, e: ast.expr, env: Env) -> Any:
        match e:
            case ast.Constant(value=bool() | float() as x):
                return x
            case ast.Constant(value=int() as x):
                return constant_form(x)
            case ast.Name():
                if env.get(e.id) is None:
                    raise self.ranges.unsupported(f"{e.id} is not known here")
                return env[e.id]
            case ast.UnaryOp():
                return self.ranges.unary(e.op, self.value(e.operand, env))
            case ast.BinOp():
                return self.ranges.binary(e.op, self.value(e.left, env), self.value(e.right, env))
            case ast.Compare(ops=[op], comparators=[right]):
                return self.ranges.compared(op, self.value(e.left, env), self.value(right, env))
            case ast.BoolOp():
                found = [self.ranges.truth(self.value(v, env)) for v in e.values]
                both = isinstance(e.op, ast.And)
                joined = tuple(f for t in found for f in (t.facts if both else t.beyond))
                return Truth(joined) if both else Truth((), joined)
            case ast.Call(func=ast.Name(id=word)):
                return self.word(word, [self.value(a, env) for a in e.args])
        raise self.ranges.unsupported(ast.unparse(e))


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
