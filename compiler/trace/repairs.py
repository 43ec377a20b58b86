"""The user's line, repaired: rules of ir/failed.py, one for each way to ask a traced value for what
it does not have."""

from __future__ import annotations

import ast
import itertools
import math
import re
import sys
from collections.abc import Callable

import numpy as np

from ..ir.failed import Failed
from .hints import HINTS, at_front


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


AS_THEY_ARE = ("asarray", "asanyarray", "ascontiguousarray")


def itself(at: Failed) -> tuple[ast.AST, str] | None:
    """np.asarray(t) --> t, np.array(t) --> t.copy()"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func, args=[x], keywords=[]):
            if not hasattr(at.value(x), "ndim") or at.value(func) is not getattr(np, name, at):
                return None
            if name in AS_THEY_ARE:
                return at.node, at.text(x)
            if name == "array":
                return at.node, f"{_atom(at, x)}.copy()"
    return None


def our_function(at: Failed) -> tuple[ast.AST, str] | None:
    """np.full(n, t) --> wonderland.numpy.full(n, t)"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func):
            numpys = at.value(func)
            if numpys is None or numpys is not getattr(np, name, None):
                return None
            known = sys.modules.get("wonderland.numpy")
            name = "asarray" if name in AS_THEY_ARE and not hasattr(known, name) else name
            if callable(getattr(known, name, None)):
                return func, f"{at.ours}.{name}"
        case ast.Call(func=ast.Call(func=ast.Attribute(attr="vectorize") as func)):
            if at.value(func) is not np.vectorize:
                return None
            if callable(getattr(sys.modules.get("wonderland.numpy"), "vectorize", None)):
                return func, f"{at.ours}.vectorize"
            mapped = f"{at.module('wonderland')}.vmap(f)(x)"
            return at.statement, f"{mapped}, or f(x) itself where it computes by element"
    return None


def our_tricks(at: Failed) -> tuple[ast.AST, str] | None:
    """np.r_[x, t] --> wonderland.numpy.r_[x, t]"""
    match at.node:
        case ast.Subscript(value=ast.Attribute(attr="r_" | "c_" as name) as trick):
            if at.value(trick) is getattr(np, name):
                return trick, f"{at.ours}.{name}"
    return None


def our_scipys(at: Failed) -> tuple[ast.AST, str] | None:
    """scipy.special.softmax(t) --> wonderland.special.softmax(t), and so of other modules"""
    match at.node:
        case ast.Call(func=func):
            scipys = at.value(func)
            module, name = getattr(scipys, "__module__", None), getattr(scipys, "__name__", "")
            family = getattr(getattr(scipys, "__self__", None), "name", "")
            known = dir(at_front(f"scipy.stats.{family}"))
            if str(module).startswith("scipy.stats") and name in known:
                return func, f"{at.module('wonderland')}.scipy.stats.{family}.{name}"
            for theirs, ours in SCIPYS:
                if str(module).startswith(theirs) and callable(at_front(f"{ours}.{name}")):
                    return func, f"{at.module('wonderland')}.{ours}.{name}"
    return None


SCIPYS = (("scipy.special", "special"), ("scipy.special", "nn"), ("scipy.linalg", "numpy.linalg"),
          ("scipy.linalg", "scipy.linalg"), ("scipy.signal", "scipy.signal"))  # fmt: skip
"""Where what SciPy has in a module is here."""


def called_back(at: Failed) -> tuple[ast.AST, str] | None:
    """f(t), of a function of another library --> wl.pure_callback, said in words"""
    match at.node:
        case ast.Call(func=func) if callable(at.value(func)):
            wl = at.module("wonderland")
            shape = f"{wl}.ShapeDtypeStruct(shape, dtype)"
            said = f"{wl}.pure_callback({at.text(func)}, {shape}, x), which has no derivative"
            return at.statement, said
    return None


def our_random(at: Failed) -> tuple[ast.AST, str] | None:
    """np.random.normal(t) --> wonderland.random, said in words: it takes a key"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func):
            drawn = at.value(func)
            if drawn is not None and drawn is getattr(np.random, name, None):
                wl = at.module("wonderland")
                known = at_front(f"random.{name}") is not None
                given = f"{wl}.random.{name}(key, ...)" if known else f"{wl}.random"
                return at.statement, f"{given}, with the key an argument"
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
            asked = isinstance(table, ast.Call | ast.List | ast.Tuple)  # by an array, or a list
            if asked or isinstance(at.value(table), (np.ndarray, list, tuple)):
                return table, f"{at.ours}.asarray({at.text(table)})"
    return None


def our_array(at: Failed) -> tuple[ast.AST, str] | None:
    """y[i] = t --> y = wonderland.numpy.array(y).copy(); y[i] = t"""
    return _before(at, lambda y: f"{at.ours}.array({y}).copy()")


def outer_array(at: Failed) -> tuple[ast.AST, str] | None:
    """table[i] = t, of no local name --> c = wonderland.numpy.array(table).copy(); c[i] = t"""
    match at.statement:
        case ast.Assign(targets=[ast.Subscript(value=base, slice=place)], value=written):
            if not isinstance(at.value(base), np.ndarray):
                return None
            name = at.text(base)
            anew = f"c = {at.ours}.array({name}).copy(); c[{at.text(place)}] = {at.text(written)}"
            return at.statement, f"{anew}, and c in place of {name} from there on"
    return None


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


OF_A_SEQUENCE = {max: "max", min: "min", any: "any", all: "all", sorted: "sort"}


def of_a_sequence(at: Failed) -> tuple[ast.AST, str] | None:
    """max(x) --> np.max(x), any(x), sorted(x); of the generator in it a list"""
    for node in (at.node, *at.around):
        match node:
            case ast.Call(func=ast.Name() as func, args=[x], keywords=[]):
                called = at.value(func)
                if called in OF_A_SEQUENCE:
                    text = at.text(x)
                    if isinstance(x, ast.GeneratorExp):
                        text = ast.unparse(ast.ListComp(x.elt, x.generators))
                    array = hasattr(at.value(x), "ndim") or isinstance(x, ast.Compare)
                    text = text if array else f"{at.ours}.array({text})"
                    made = f"{at.numpy if array else at.ours}.{OF_A_SEQUENCE[called]}({text})"
                    return node, f"list({made})" if called is sorted else made
    return None


def check_instead(at: Failed) -> tuple[ast.AST, str] | None:
    """if t: raise ValueError("...") --> wl.check(~t, "...")"""
    for around in at.around:
        match around:
            case ast.If(test=test, body=[ast.Raise(exc=error)], orelse=[]):
                match error:
                    case ast.Call(args=[ast.Constant(value=str(text))]):
                        said = repr(text)
                    case _:
                        said = repr(f"not {at.text(test)}")
                wl = at.module("wonderland")
                return around, f"{wl}.check({at.numpy}.logical_not({at.text(test)}), {said})"
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
            case ast.If(
                test=test,
                body=[ast.AugAssign(target=ast.Name(id=n), op=op, value=a)],
                orelse=[],
            ):
                made = ast.unparse(ast.BinOp(ast.Name(n), op, a))
                return around, f"{n} = {at.numpy}.where({at.text(test)}, {made}, {n})"
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
    match at.node:
        case ast.Name(id=name) if given_number(at, name):
            if any(isinstance(a, ast.If | ast.IfExp) for a in at.around):
                wl = at.module("wonderland")
                choice = f"{wl}.lax.cond({name}, f, g, x)"
                return at.statement, f"{wl}.jit(f, static_argnames={name!r}), or {choice}"
    return None


def given_number(at: Failed, name: str) -> bool:
    """Whether a name is an argument of the traced function, one bool or one number of Python's."""
    code = at.frame.f_code
    given = at.frame.f_locals.get(name)
    value = getattr(given, "_value", None)
    number = getattr(given, "weak", False) or str(getattr(given, "dtype", None)) == "bool"
    argument = name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return argument and value is not None and value.node is None and not value.shape and number


def static_number(at: Failed) -> tuple[ast.AST, str] | None:
    """if n > 3: --> n is static, or a choice in the graph"""
    if found := static_names(at, at.node):
        return at.statement, f"{found}, or {at.module('wonderland')}.lax.cond(condition, f, g, x)"
    return None


def static_names(at: Failed, node: ast.AST) -> str:
    """`wl.jit(f, static_argnames=...)` of the numbers of Python's that an expression reads."""
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and given_number(at, n.id)]
    if not names:
        return ""
    said = repr(names[0]) if len(names) == 1 else repr(tuple(dict.fromkeys(names)))
    return f"{at.module('wonderland')}.jit(f, static_argnames={said})"


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
        loop = f"{at.module('wonderland')}.lax.while_loop(condition, body, state)"
        static = static_names(at, at.statement.test)
        return at.statement, f"{loop}, or {static}" if static else loop
    return None


def member(at: Failed) -> tuple[ast.AST, str] | None:
    """t in {a, b} --> np.isin(t, [a, b]), a in t --> np.any(t == a)"""
    match at.node:
        case ast.Compare(left=x, ops=[ast.In() | ast.NotIn() as op], comparators=[among]):
            if isinstance(among, ast.Set | ast.Tuple | ast.List):
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
    """math.exp(t) --> np.exp(t), math.floor(t) --> np.floor(t).astype(int)"""
    match at.node:
        case ast.Call(func=ast.Attribute(attr=name) as func):
            if at.value(func) is getattr(math, name, at) and hasattr(np, name):
                if name not in ("floor", "ceil", "trunc"):
                    return func, f"{at.numpy}.{name}"
                texts = ", ".join(map(at.text, at.node.args))
                return at.node, f"{at.numpy}.{name}({texts}).astype(int)"
    return None


def as_type(at: Failed) -> tuple[ast.AST, str] | None:
    """float(t) --> t.astype(float), t.item() --> t.reshape(()), t.tolist() --> t"""
    match at.node:
        case ast.Call(func=ast.Name(id="float" | "int" | "bool" | "complex" as kind), args=[x]):
            if getattr(at.value(x), "ndim", 0) == 0:
                return at.node, f"{_atom(at, x)}.astype({kind})"
        case ast.Call(func=ast.Attribute(attr="item", value=x), args=[]):
            if getattr(at.value(x), "size", 1) == 1:
                return at.node, f"{_atom(at, x)}.reshape(())"
        case ast.Call(func=ast.Attribute(attr="item", value=x), args=[place]):
            return at.node, f"{_atom(at, x)}.ravel()[{at.text(place)}]"
        case ast.Call(func=ast.Attribute(attr="tolist", value=x), args=[]):
            return at.node, f"list({at.text(x)})" if getattr(at.value(x), "ndim", 1) else at.text(x)
    return None


def print_when_run(at: Failed) -> tuple[ast.AST, str] | None:
    """print(f"loss {t:.3f}"), or of float(t) --> wl.debug.print("loss {:.3f}", t)"""
    match at.statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[x], keywords=[]) as call):
            text = formatted(at, x)
            return (call, f"{at.module('wonderland')}.debug.print({text})") if text else None
    return None


def in_text(at: Failed) -> tuple[ast.AST, str] | None:
    """f"{float(t)}" or "%f" % t, which no dtype makes a text --> wl.debug.print, said in words"""
    match at.node:
        case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod()):
            pass
        case _ if not any(isinstance(a, ast.FormattedValue) for a in at.around):
            return None
    printed = f"{at.module('wonderland')}.debug.print('{{}}', x)"
    return at.statement, f"{printed}, or print the results of the function"


def _unconverted(x: ast.expr) -> ast.expr:
    """float(t), t.item() --> t: a print at run time has the number."""
    match x:
        case ast.Call(func=ast.Name(id="float" | "int" | "bool"), args=[of], keywords=[]):
            return of
        case ast.Call(func=ast.Attribute(attr="item", value=of), args=[], keywords=[]):
            return of
    return x


def formatted(at: Failed, node: ast.AST) -> str:
    """An f-string, or one with %, as a format and its arguments."""
    match node:
        case ast.JoinedStr(values=parts):
            form, args = "", []
            for part in parts:
                match part:
                    case ast.Constant(value=str(text)):
                        form += text.replace("{", "{{").replace("}", "}}")
                    case ast.FormattedValue(value=x, conversion=-1, format_spec=spec):
                        match spec:
                            case None:
                                form += "{}"
                            case ast.JoinedStr(values=[ast.Constant(value=str(how))]):
                                form += "{:" + how + "}"
                            case _:
                                return ""
                        args.append(ast.unparse(_unconverted(x)))
                    case _:
                        return ""
            return ", ".join((repr(form), *args))
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=right):
            xs = right.elts if isinstance(right, ast.Tuple) else [right]
            form = re.sub(r"%(\.?\d*[a-z])", r"{:\1}", text.replace("{", "{{").replace("}", "}}"))
            return "" if "%" in form else ", ".join((repr(form), *map(at.text, xs)))
    return ""


def range_loop(at: Failed) -> tuple[ast.AST, str] | None:
    """for i in range(t): --> a loop of the graph, or t static"""
    if not isinstance(at.statement, ast.For):
        return None
    match at.statement.iter:
        case ast.Call(func=ast.Name(id="range"), args=[*bounds]) as call if len(bounds) < 3:
            if at.node is not call and at.node not in bounds:
                return None
            wl, texts = at.module("wonderland"), [at.text(_plain(b)) for b in bounds]
            low, high = ("0", texts[0]) if len(texts) == 1 else texts[:2]
            loop = f"{wl}.lax.fori_loop({low}, {high}, body, state)"
            static = static_names(at, call)
            return at.statement, f"{static}, or {loop}" if static else loop
    return None


def _plain(bound: ast.expr) -> ast.expr:
    """int(t) --> t"""
    match bound:
        case ast.Call(func=ast.Name(id="int"), args=[x]):
            return x
    return bound


def our_window(at: Failed) -> tuple[ast.AST, str] | None:
    """x[i : i + n] --> wl.lax.dynamic_slice_in_dim(x, i, n)"""
    match at.node:
        case ast.Subscript(
            value=x,
            slice=ast.Slice(lower=i, upper=ast.BinOp(left=same, op=ast.Add(), right=n), step=None),
            ctx=ast.Load(),
        ) if i and ast.dump(same) == ast.dump(i):
            texts = ", ".join(map(at.text, (x, i, n)))
            return at.node, f"{at.module('wonderland')}.lax.dynamic_slice_in_dim({texts})"
    return None


def our_slice(at: Failed) -> tuple[ast.AST, str] | None:
    """x[i:j] --> wl.lax.dynamic_slice_in_dim(x, i, size), with the size if it is plain"""
    if found := our_window(at):
        return found
    match at.node:
        case ast.Subscript(value=x, slice=ast.Slice(lower=i, upper=j, step=None)) if i and j:
            texts = f"{at.text(x)}, {at.text(i)}, size"
            return at.node, f"{at.module('wonderland')}.lax.dynamic_slice_in_dim({texts})"
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
    """x[mask] *= y --> x = np.where(mask, x * y, x); y[mask] = x[mask] --> np.where(mask, x, y)"""
    match at.statement, at.node:
        case (
            ast.AugAssign(target=ast.Subscript(value=ast.Name(id=x), slice=mask), op=op, value=y),
            ast.Subscript(),
        ):
            made = ast.unparse(ast.BinOp(ast.Name(x), op, y))
            return at.statement, f"{x} = {at.numpy}.where({at.text(mask)}, {made}, {x})"
        case (
            ast.Assign(targets=[ast.Subscript(value=ast.Name(id=y), slice=mask)]),
            ast.Subscript(slice=same),
        ) if ast.dump(mask) == ast.dump(same):
            value = ast.unparse(_Unmasked(mask).visit(ast.parse(at.text(at.statement.value))))
            return at.statement, f"{y} = {at.numpy}.where({at.text(mask)}, {value}, {y})"
    return None


class _Unmasked(ast.NodeTransformer):
    """x[mask] --> x"""

    def __init__(self, mask: ast.AST) -> None:
        self.mask = ast.dump(mask)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return node.value if ast.dump(node.slice) == self.mask else node


MASKED = ("sum", "mean", "prod", "any", "all", "std", "var")
EXTREMES = {"max": "-", "min": ""}


def masked_reduction(at: Failed) -> tuple[ast.AST, str] | None:
    """x[mask].mean() --> np.mean(x, where=mask), and np.mean(x[mask])"""
    match at.node, at.around[:2]:
        case (
            ast.Subscript(value=x, slice=ast.expr() as mask),
            (ast.Attribute(attr=name), ast.Call(args=[], keywords=[]) as call),
        ):
            pass
        case (
            ast.Subscript(value=x, slice=ast.expr() as mask),
            (ast.Call(func=ast.Attribute(attr=name) as func, args=[_], keywords=[]) as call, *_),
        ) if at.value(func) in (
            getattr(np, name, at),
            getattr(sys.modules.get("wonderland.numpy"), name, at),
        ):
            pass
        case _:
            return None
    texts = f"{at.text(x)}, where={at.text(mask)}"
    if name in MASKED:
        return call, f"{at.numpy}.{name}({texts})"
    if name in EXTREMES:
        return call, f"{at.numpy}.{name}({texts}, initial={EXTREMES[name]}{at.numpy}.inf)"
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


WRITERS = ("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask")


def _before(at: Failed, made: Callable[[str], str]) -> tuple[ast.AST, str] | None:
    """The statement, after local names that it writes to are made anew."""
    match at.statement:
        case ast.Assign(targets=targets):
            parts = [
                p for t in targets for p in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])
            ]
            bases = [p.value for p in parts if isinstance(p, ast.Subscript)]
        case ast.AugAssign(target=ast.Subscript(value=base)):
            bases = [base]
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) as func, args=[base, *_])):
            if at.value(func) is not getattr(np, name, at) and name != "at":
                return None
            if name not in (*WRITERS, "at"):
                return None
            bases = [base]
        case _:
            return None
    names = list(dict.fromkeys(b.id for b in bases if isinstance(b, ast.Name)))
    local = at.frame.f_code.co_varnames
    if not names or any(not isinstance(b, ast.Name) or b.id not in local for b in bases):
        return None  # to make it anew would make another of it
    anew = "; ".join(f"{x} = {made(x)}" for x in names)
    return at.statement, f"{anew}; {at.text(at.statement)}"


def filled_anew(at: Failed) -> tuple[ast.AST, str] | None:
    """y.fill(t) --> y = wonderland.numpy.full_like(y, t)"""
    match at.statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id=y), attr="fill"), args=[t])
        ) if isinstance(at.frame.f_locals.get(y), np.ndarray):
            return at.statement, f"{y} = {at.ours}.full_like({y}, {at.text(t)})"
    return None


def uncalled(at: Failed) -> tuple[ast.AST, str] | None:
    """x.device() --> x.device"""
    match at.node:
        case ast.Call(func=ast.Attribute() as func, args=[], keywords=[]):
            return at.node, at.text(func)
    return None


def reshaped(at: Failed) -> tuple[ast.AST, str] | None:
    """x.shape = s --> x = x.reshape(s)"""
    match at.statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=x), attr="shape")], value=shape):
            return at.statement, f"{x} = {x}.reshape({at.text(shape)})"
    return None
