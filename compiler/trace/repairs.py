"""The user's line, repaired: made of its syntax tree and of the place in it that failed, or none.

A frame knows which expression it was computing (PEP 657), so what is replaced is exactly that. A
rule is given the expression, the statement around it and what names mean there; it gives the text
to put in place of the expression or the statement, or nothing where it is not sure.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from ..ir.source import user_frame
from .hints import HINTS


@dataclass(frozen=True)
class Failed:
    """The expression (or `x += y`) that failed, the nodes around it, innermost first, the frame."""

    node: ast.AST
    around: tuple[ast.AST, ...]
    frame: FrameType
    lines: tuple[str, ...]

    @property
    def statement(self) -> ast.stmt:
        return next(a for a in (self.node, *self.around) if isinstance(a, ast.stmt))

    def text(self, node: ast.AST) -> str:
        return ast.get_source_segment("".join(self.lines), node) or ast.unparse(node)

    def value(self, node: ast.AST) -> Any:
        """What a dotted name means in the frame; None for anything else."""
        if isinstance(node, ast.Name):
            spaces = (self.frame.f_locals, self.frame.f_globals, self.frame.f_builtins)
            return next((s[node.id] for s in spaces if node.id in s), None)
        if isinstance(node, ast.Attribute):
            return getattr(self.value(node.value), node.attr, None)
        return None

    def module(self, name: str) -> str:
        """How the frame calls a module; its own name where it does not."""
        known = sys.modules.get(name)
        own = (k for k, v in self.frame.f_globals.items() if v is known and known is not None)
        return next(own, name)

    @property
    def ours(self) -> str:
        """How the frame calls wonderland.numpy."""
        for name in ("wonderland.numpy", "wonderland.compiler.front.numpy"):
            if (own := self.module(name)) != name:
                return own
        return f"{self.module('wonderland')}.numpy"

    @property
    def numpy(self) -> str:
        found = self.module("numpy")
        return self.ours if found == "numpy" and self.value(ast.Name("numpy")) is None else found


Rule = Callable[[Failed], "tuple[ast.AST, str] | None"]
"""A node and the text that repairs it."""


def failed() -> Failed | None:
    """What the user's innermost frame was computing, where its source is known."""
    frame = user_frame()
    if frame is None:
        return None
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    places = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    place = next(places, None)
    if not lines or place is None or None in place:
        return None
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return None
    found = max(_paths(tree, place), key=len, default=())
    if not found:
        return None
    return Failed(found[-1], found[-2::-1], frame, tuple(lines))  # pyright: ignore[reportArgumentType]


def _paths(node: ast.AST, place: tuple[Any, ...]) -> Iterator[tuple[ast.AST, ...]]:
    """The ways from a node down to what is computed at a place."""
    for child in ast.iter_child_nodes(node):
        first, last = getattr(child, "lineno", None), getattr(child, "end_lineno", None)
        if first is not None and not (first <= place[0] and place[1] <= (last or first)):
            continue
        here = (first, last, getattr(child, "col_offset", -1), getattr(child, "end_col_offset", -1))
        if here == place and isinstance(child, ast.If | ast.While | ast.Assert | ast.IfExp):
            yield (node, child, child.test)  # a jump on a plain name is at the whole
        elif here == place and isinstance(child, ast.expr | ast.AugAssign):
            yield (node, child)
        for rest in _paths(child, place):
            yield (node, *rest)


def repaired(rules: tuple[Rule, ...], otherwise: str) -> str:
    """The line with what the first fitting rule replaces, or `otherwise`."""
    at = failed()
    if at is None:
        return otherwise
    for rule in rules:
        if found := rule(at):
            return _replaced(at, *found)
    return otherwise


def _replaced(at: Failed, node: ast.AST, text: str) -> str:
    """The line of the node with the text in its place; the text alone where it has several."""
    if isinstance(node, ast.stmt) or node.lineno != node.end_lineno:  # pyright: ignore[reportAttributeAccessIssue]
        return text
    line = at.lines[node.lineno - 1].encode()  # pyright: ignore[reportAttributeAccessIssue]
    start, stop = node.col_offset, node.end_col_offset  # pyright: ignore[reportAttributeAccessIssue]
    return (line[:start] + text.encode() + line[stop:]).decode().strip()


def _atom(at: Failed, node: ast.expr) -> str:
    """The text of an expression, in brackets where a method is called of it."""
    plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
    return at.text(node) if isinstance(node, plain) else f"({at.text(node)})"


# ---------------------------------------------------------------- arrays of numbers


def scalar_type(at: Failed) -> tuple[ast.AST, str] | None:
    """np.float32(t) --> t.astype(np.float32)"""
    match at.node:
        case ast.Call(func=func, args=[x], keywords=[]):
            kind = at.value(func)
            if isinstance(kind, type) and issubclass(kind, np.generic):
                return at.node, f"{_atom(at, x)}.astype({at.text(func)})"
    return None


def itself(at: Failed) -> tuple[ast.AST, str] | None:
    """np.asarray(t) --> t"""
    match at.node:
        case ast.Call(func=func, args=[ast.Name() as x], keywords=[]):
            if at.value(func) in (np.array, np.asarray):
                return at.node, at.text(x)
    return None


def our_function(at: Failed) -> tuple[ast.AST, str] | None:
    """np.full(n, t) --> wonderland.numpy.full(n, t)"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func):
            ours = getattr(sys.modules.get("wonderland.numpy"), name, None)
            numpys = at.value(func)
            if callable(ours) and numpys is not None and numpys is getattr(np, name, None):
                return func, f"{at.ours}.{name}"
    return None


def hinted(at: Failed) -> tuple[ast.AST, str] | None:
    """What to write in place of a function of NumPy's that has no traced form."""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func) if name in HINTS:
            if at.value(func) is getattr(np, name, func):
                return at.statement, HINTS[name]
    return None


def our_maker(at: Failed) -> tuple[ast.AST, str] | None:
    """np.full_like(x, t) --> wonderland.numpy.full_like(x, t), which fills what it makes"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr="full" | "full_like")):
            return our_function(at)
    return None


def our_table(at: Failed) -> tuple[ast.AST, str] | None:
    """table[t] --> wonderland.numpy.asarray(table)[t]"""
    match at.node:
        case ast.Subscript(value=table, ctx=ast.Load()):
            return table, f"{at.ours}.asarray({at.text(table)})"
    return None


def our_array(at: Failed) -> tuple[ast.AST, str] | None:
    """y[i] = t --> y = wonderland.numpy.array(y).copy(); y[i] = t"""
    return _before(at, lambda y: f"{at.ours}.array({y}).copy()")


# ---------------------------------------------------------------- truth


def boolean_operation(at: Failed) -> tuple[ast.AST, str] | None:
    """a and b --> np.logical_and(a, b), a < t < b, not a; within no test of a statement."""
    inside = (at.node, *itertools.takewhile(lambda a: isinstance(a, ast.expr), at.around))
    whole = next((a for a in inside if isinstance(a, ast.BoolOp)), None)
    whole = whole or next((a for a in inside if isinstance(a, ast.Compare)), None)
    negated = next((a for a in inside if isinstance(a, ast.UnaryOp)), None)
    if any(isinstance(a, ast.If | ast.While | ast.IfExp | ast.Assert) for a in at.around):
        return None
    match whole if isinstance(whole, ast.BoolOp) else negated or whole:
        case ast.BoolOp(op=op, values=[first, *rest]) as found:
            name, text = "and" if isinstance(op, ast.And) else "or", at.text(first)
            for x in rest:
                text = f"{at.numpy}.logical_{name}({text}, {at.text(x)})"
            return found, text
        case ast.Compare(left=left, ops=[_, _, *_], comparators=right) as found:
            xs = [left, *right]
            parts = [ast.unparse(ast.Compare(x, [op], [y]))
                     for x, op, y in zip(xs, found.ops, right, strict=False)]  # fmt: skip
            text = parts[0]
            for x in parts[1:]:
                text = f"{at.numpy}.logical_and({text}, {x})"
            return found, text
        case ast.UnaryOp(op=ast.Not(), operand=x) as found:
            return found, f"{at.numpy}.logical_not({at.text(x)})"
    return None


def elementwise_extreme(at: Failed) -> tuple[ast.AST, str] | None:
    """max(a, b) --> np.maximum(a, b)"""
    match at.node:
        case ast.Call(func=ast.Name(id="max" | "min" as name), args=[first, _, *_] as xs):
            if at.node.keywords or at.value(at.node.func) not in (max, min):
                return None
            text = at.text(first)
            for x in xs[1:]:
                text = f"{at.numpy}.{name}imum({text}, {at.text(x)})"
            return at.node, text
    return None


def conditional(at: Failed) -> tuple[ast.AST, str] | None:
    """a if t else b --> np.where(t, a, b); the same of an `if` of two values or two results."""
    for around in at.around:
        match around:
            case ast.IfExp(test=test, body=a, orelse=b):
                where = f"{at.numpy}.where({at.text(test)}, {at.text(a)}, {at.text(b)})"
                return around, where
            case ast.If(test=test, body=[ast.Return(value=a)], orelse=rest) if a:
                match rest or _after(at, around):
                    case [ast.Return(value=b), *_] if b:
                        texts = ", ".join(map(at.text, (test, a, b)))
                        return around, f"return {at.numpy}.where({texts})"
            case ast.If(test=test, body=[ast.Assign(targets=[ast.Name(id=n)], value=a)]):
                match around.orelse:
                    case [ast.Assign(targets=[ast.Name(id=same)], value=b)] if same == n:
                        texts = ", ".join(map(at.text, (test, a, b)))
                        return around, f"{n} = {at.numpy}.where({texts})"
                    case [] if n in at.frame.f_locals:
                        texts = f"{at.text(test)}, {at.text(a)}, {n}"
                        return around, f"{n} = {at.numpy}.where({texts})"
    return None


def _after(at: Failed, statement: ast.stmt) -> list[ast.stmt]:
    """The statements that follow one in its block."""
    above = at.around[at.around.index(statement) + 1]
    for block in ("body", "orelse", "finalbody"):
        inside = getattr(above, block, [])
        if isinstance(inside, list) and statement in inside:
            return inside[inside.index(statement) + 1 :]
    return []


def flagged(at: Failed) -> tuple[ast.AST, str] | None:
    """if train: --> an argument that is static, where it is one by itself"""
    code = at.frame.f_code
    match at.node:
        case ast.Name(id=name) if name in code.co_varnames[: code.co_argcount]:
            branches = any(isinstance(a, ast.If | ast.IfExp) for a in at.around)
            given = getattr(at.value(at.node), "_value", None)
            wl = at.module("wonderland")
            choice = f"{wl}.lax.cond({name}, f, g, x)"
            if branches and given is not None and given.node is None:  # an input of the graph
                return at.statement, f"{wl}.jit(f, static_argnames={name!r}), or {choice}"
    return None


def asserted(at: Failed) -> tuple[ast.AST, str] | None:
    """assert t, m --> wl.check(t, m)"""
    match at.statement:
        case ast.Assert(test=test, msg=said):
            message = at.text(said) if said else repr(at.text(test))
            return at.statement, f"{at.module('wonderland')}.check({at.text(test)}, {message})"
    return None


def condition_loop(at: Failed) -> tuple[ast.AST, str] | None:
    """while t: --> a loop of the graph"""
    if isinstance(at.statement, ast.While) and at.statement in at.around:
        wl = at.module("wonderland")
        return at.statement, f"{wl}.lax.while_loop(condition, body, state)"
    return None


def member(at: Failed) -> tuple[ast.AST, str] | None:
    """t in {a, b} --> np.isin(t, [a, b]), a in t --> np.any(t == a)"""
    match at.node:
        case ast.Compare(left=x, ops=[ast.In() | ast.NotIn() as op], comparators=[among]):
            if isinstance(among, ast.Set):
                texts = ", ".join(map(at.text, among.elts))
                found = f"{at.numpy}.isin({at.text(x)}, [{texts}])"
            elif hasattr(at.value(among), "ndim"):
                found = f"{at.numpy}.any({at.text(among)} == {at.text(x)})"
            else:
                return None
            return at.node, found if isinstance(op, ast.In) else f"~{found}"
    return None


# ---------------------------------------------------------------- one number


def by_numpy(at: Failed) -> tuple[ast.AST, str] | None:
    """math.exp(t) --> np.exp(t)"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func):
            if at.value(func) is getattr(math, name, at) and hasattr(np, name):
                return func, f"{at.numpy}.{name}"
    return None


def as_type(at: Failed) -> tuple[ast.AST, str] | None:
    """float(t) --> t.astype(float), t.item() --> t.reshape(())"""
    match at.node:
        case ast.Call(func=ast.Name(id="float" | "int" | "bool" | "complex" as kind), args=[x]):
            return at.node, f"{_atom(at, x)}.astype({kind})"
        case ast.Call(func=ast.Attribute(attr="item", value=x), args=[]):
            return at.node, f"{_atom(at, x)}.reshape(())"
    return None


def range_loop(at: Failed) -> tuple[ast.AST, str] | None:
    """for i in range(t): --> a loop of the graph"""
    if not isinstance(at.statement, ast.For) or at.statement.iter is not at.node:
        return None
    match at.node:
        case ast.Call(func=ast.Name(id="range"), args=[*bounds]) if len(bounds) < 3:
            wl, texts = at.module("wonderland"), [at.text(b) for b in bounds]
            low, high = ("0", texts[0]) if len(texts) == 1 else texts[:2]
            return at.statement, f"{wl}.lax.fori_loop({low}, {high}, body, state)"
    return None


def our_slice(at: Failed) -> tuple[ast.AST, str] | None:
    """x[i : i + n] --> wl.lax.dynamic_slice_in_dim(x, i, n)"""
    match at.node:
        case ast.Subscript(value=x, slice=ast.Slice(lower=i, upper=j, step=None)) if i and j:
            match j:
                case ast.BinOp(left=same, op=ast.Add(), right=n) if ast.dump(same) == ast.dump(i):
                    texts = ", ".join(map(at.text, (x, i, n)))
                    return at.node, f"{at.module('wonderland')}.lax.dynamic_slice_in_dim({texts})"
            return at.node, (
                f"{at.module('wonderland')}.lax.dynamic_slice_in_dim"
                f"({at.text(x)}, {at.text(i)}, size)"
            )
    return None


# ---------------------------------------------------------------- writes


def copied(at: Failed) -> tuple[ast.AST, str] | None:
    """x[i] = v --> x = x.copy(); x[i] = v, and the same of np.put(x, ...)"""
    return _before(at, lambda x: f"{x}.copy()")


def added(at: Failed) -> tuple[ast.AST, str] | None:
    """x += y --> x = x + y"""
    match at.statement:
        case ast.AugAssign(target=ast.Name(id=x), op=op, value=y):
            made = ast.unparse(ast.BinOp(ast.Name(x), op, y))
            return at.statement, f"{x} = {made}"
    return None


def masked_write(at: Failed) -> tuple[ast.AST, str] | None:
    """x[mask] *= y --> x = np.where(mask, x * y, x); x[mask] --> np.where(mask, x, 0)"""
    match at.statement, at.node:
        case (
            ast.AugAssign(target=ast.Subscript(value=ast.Name(id=x), slice=mask), op=op, value=y),
            ast.Subscript(),
        ):
            made = ast.unparse(ast.BinOp(ast.Name(x), op, y))
            return at.statement, f"{x} = {at.numpy}.where({at.text(mask)}, {made}, {x})"
        case _, ast.Subscript(value=x, slice=ast.expr() as mask, ctx=ast.Load()):
            return at.node, f"{at.numpy}.where({at.text(mask)}, {at.text(x)}, 0)"
    return None


def out_argument(at: Failed) -> tuple[ast.AST, str] | None:
    """np.add(x, y, out=z) --> z = np.add(x, y)"""
    match at.node:
        case ast.Call(func=func, args=args, keywords=options):
            texts = [*map(at.text, args), *(at.text(k) for k in options if k.arg != "out")]
            call = f"{at.text(func)}({', '.join(texts)})"
            match at.statement, [k.value for k in options if k.arg == "out"]:
                case ast.Expr(), [ast.Name(id=name)]:
                    return at.statement, f"{name} = {call}"
                case _, [_]:
                    return at.node, call
    return None


def _before(at: Failed, made: Callable[[str], str]) -> tuple[ast.AST, str] | None:
    """The statement, after a local name that it writes to is made anew."""
    match at.statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=x))]):
            pass
        case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=x))):
            pass
        case ast.Expr(value=ast.Call(args=[ast.Name(id=x), *_])):
            pass
        case _:
            return None
    if x not in at.frame.f_code.co_varnames:
        return None  # to make it anew would make another of it
    return at.statement, f"{x} = {made(x)}; {at.text(at.statement)}"
