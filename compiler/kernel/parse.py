"""Text of a kernel back to the kernel; the text is read through `ast` and never executed.

str(parse_kernel(str(k))) == str(k)
"""

from __future__ import annotations

import ast
import math
from typing import Any

from ..ir import syntax
from ..ir.syntax import shortened, unparsed
from .expr import At, Axis, Buffer, Const, Expr, Guard, Index, Load, Map, Result, apply
from .monoid import MONOIDS
from .scalar import NUMPY, OPS, KernelError
from .stages import Accumulate, Keep, Kernel, KernelReduce, Stage, Statement, Store

INFIX = {
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "Div": "div",
    "FloorDiv": "floordiv",
    "Mod": "rem",
    "Pow": "pow",
    "BitAnd": "and_",
    "BitOr": "or_",
    "BitXor": "xor",
    "LShift": "shift_left",
    "RShift": "shift_right",
    "Eq": "eq",
    "NotEq": "ne",
    "Lt": "lt",
    "LtE": "le",
    "Gt": "gt",
    "GtE": "ge",
}
SPECIAL = {"inf": math.inf, "nan": math.nan}


def parse_kernel(text: str) -> Kernel:
    """The kernel that prints as `text`, or a KernelError with the line that is not understood."""
    try:
        match syntax.syntax_of(text)[0].body:
            case [ast.FunctionDef() as definition]:
                return Parser(definition).kernel()
        raise KernelError("kernel: `def name(buffers):` is required", shortened(text))
    except syntax.Unreadable as error:
        found = error
    except (RecursionError, MemoryError):
        found = syntax.too_deep(text)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError) as error:
        raise KernelError(f"kernel text: not a kernel, {error!r:.200}", shortened(text)) from error
    raise KernelError(
        f"kernel text: {found.what}", shortened(text.split("\n")[found.line - 1].strip())
    )


def fault(node: ast.AST, what: str) -> KernelError:
    return KernelError(f"kernel text: {what}", unparsed(node))


class Parser:
    def __init__(self, definition: ast.FunctionDef) -> None:
        self.definition = definition
        self.buffers: dict[str, Buffer] = {}
        self.results: dict[str, tuple[tuple[str, ...], str]] = {}
        self.named: dict[str, Expr] = {}
        self.outer: list[tuple[str, Axis]] = []
        self.stages: list[Stage] = []

    def kernel(self) -> Kernel:
        for a in self.definition.args.args:
            match a.annotation:
                case ast.Subscript(value=ast.Name(id=dtype), slice=ast.Constant(value=int(size))):
                    self.buffers[a.arg] = Buffer(a.arg, dtype, size)
                case _:
                    raise fault(a, "a buffer is `name: dtype[size]`")
        self.space(self.definition.body)
        kinds = [kind for kind, _ in self.outer]
        parallel = kinds.count("parallel") if "ordered" in kinds else -1
        axes = tuple(a for _, a in self.outer)
        return Kernel(
            self.definition.name, tuple(self.buffers.values()), axes, tuple(self.stages), parallel
        )

    def space(self, body: list[ast.stmt]) -> None:
        """Outer loops, then stages."""
        for s in body:
            match s:
                case ast.For(iter=ast.Call(func=ast.Name(id="parallel" | "ordered" as kind))):
                    self.outer.append((kind, self.axis(s)))
                    self.space(s.body)
                case _:
                    self.stages.append(self.stage(s, ()))

    def axis(self, loop: ast.For) -> Axis:
        assert isinstance(loop.target, ast.Name) and isinstance(loop.iter, ast.Call)
        match loop.iter.args:
            case [ast.Constant(value=int(size))]:
                return Axis(loop.target.id, size)
            case [ast.Call(func=ast.Name(id="min"), args=[ast.Constant(value=int(size)), rest])]:
                match rest:
                    case ast.BinOp(
                        left=ast.Constant(value=int(total)),
                        right=ast.BinOp(right=ast.Name(id=outer)),
                    ):
                        return Axis(loop.target.id, size, (outer, total))
            case [
                ast.Subscript(value=ast.Name(id=name), slice=first),
                ast.Subscript(),
                ast.Constant(value=int(size)),
            ] if name in self.buffers:
                return Axis(
                    loop.target.id, size, segment=(self.buffers[name], self.place(first)[0])
                )
        raise fault(loop.iter, "an extent is `n`, `min(n, total - n*outer)` or `p[i], p[i + 1], n`")

    def stage(self, s: ast.stmt, axes: tuple[Axis, ...]) -> Stage:
        """Nested `for ... in stage(...)` around statements, or `if stage():`."""
        match s:
            case ast.For(body=body):
                axes = (*axes, self.axis(s))
                if isinstance(body[0], ast.For):
                    return self.stage(body[0], axes)
            case ast.If(body=body):
                pass
            case _:
                raise fault(s, "a stage is `for a in stage(n):` or `if stage():`")
        self.named = {}
        statements = [self.statement(b, axes) for b in body]
        made = tuple(b for b in statements if b is not None)
        for b in made:
            if isinstance(b, Keep):
                self.results[b.name] = b.axes, b.expr.dtype
            elif isinstance(b, KernelReduce):
                self.results |= {n: ((), e.dtype) for n, e in zip(b.names, b.exprs, strict=True)}
        return Stage(axes, made)

    def statement(self, s: ast.stmt, axes: tuple[Axis, ...]) -> Statement | None:
        match s:
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id=name), slice=at)],
                value=ast.Call(func=ast.Name(id=monoid), args=[ast.Subscript(), value]),
            ) if monoid in MONOIDS and name in self.buffers:
                b, (m, parts) = self.buffers[name], self.place(at)
                return Accumulate(b, m, self.expression(value, b.dtype), parts, monoid)
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id=name), slice=at)], value=value
            ):
                if name not in self.buffers:
                    return Keep(name, names(at), self.expression(value))
                b, (m, parts) = self.buffers[name], self.place(at)
                return Store(b, m, self.expression(value, b.dtype), parts)
            case ast.AugAssign(
                target=ast.Subscript(value=ast.Name(id=name), slice=at), value=value
            ):
                b, (m, parts) = self.buffers[name], self.place(at)
                return Accumulate(b, m, self.expression(value, b.dtype), parts)
            case ast.Assign(
                targets=[target], value=ast.Call(func=ast.Name(id=monoid), args=args)
            ) if monoid in MONOIDS:
                return KernelReduce(names(target), monoid, tuple(self.expression(a) for a in args))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.named[name] = self.expression(value)
                return None
        raise fault(s, "not a statement")

    def expression(self, x: ast.expr, dtype: str | None = None) -> Expr:
        e = self.operand(x)
        if isinstance(e, Expr):
            return e
        if dtype is None:
            raise fault(x, "a number needs a dtype here: `f32(...)`")
        return Const(e, dtype)

    def operand(self, x: ast.expr) -> Expr | float:
        """An expression, or a bare number whose dtype the other operands tell."""
        match x:
            case ast.Constant(value=value):
                return value  # pyright: ignore[reportReturnType]
            case ast.UnaryOp(op=ast.USub(), operand=value):
                return -self.operand(value)
            case ast.Name(id=name) if name in SPECIAL:
                return SPECIAL[name]
            case ast.Name(id=name) if name in self.named:
                return self.named[name]
            case ast.Name(id=name) if name in self.results:
                return Result(name, *self.results[name])
            case ast.Subscript(value=ast.Name(id=name), slice=at) if name in self.buffers:
                m, parts = self.place(at)
                return Load(self.buffers[name], m, (), None, parts)
            case ast.Subscript(value=ast.Name(id=name), slice=at) if name in self.results:
                return Result(name, names(at), self.results[name][1])
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.guarded(x, test, body, other)
            case ast.BinOp(left=left, op=op, right=right):
                return apply(INFIX[type(op).__name__], self.operand(left), self.operand(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return apply(INFIX[type(op).__name__], self.operand(left), self.operand(right))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(x, name, args)
        raise fault(x, "not an expression")

    def call(self, x: ast.expr, name: str, args: list[ast.expr]) -> Expr:
        if name == "index":
            m, _ = self.place(args[0])
            return Index(m, ast.unparse(args[1])) if args[1:] else Index(m)
        if name in NUMPY:
            return Const(self.operand(args[0]), name)  # pyright: ignore[reportArgumentType]
        if name == "cast":
            return apply(name, self.operand(args[0]), param=ast.unparse(args[1]))
        if name in OPS:
            return apply(name, *map(self.operand, args))
        raise fault(x, f"unknown operation {name}")

    def guarded(self, x: ast.expr, test: ast.expr, body: ast.expr, other: ast.expr) -> Load:
        load = self.operand(body)
        if not isinstance(load, Load):
            raise fault(x, "a guard stands around a load")
        tests = test.values if isinstance(test, ast.BoolOp) else [test]
        guards = tuple(self.guard(t) for t in tests)
        return Load(load.buffer, load.map, guards, self.expression(other, load.dtype), load.at)

    def guard(self, test: ast.expr) -> Guard:
        match test:
            case ast.Compare(left=low, comparators=[at, high]):
                return self.place(at)[0], index_number(low), index_number(high)
        raise fault(test, "a guard is `low <= index < high`")

    def place(self, at: ast.expr) -> tuple[Map, At]:
        """`1024*i + 64*clip(label[i], 1000) + j - 3`."""
        strides: list[tuple[str, int]] = []
        parts: list[tuple[int, Expr, int]] = []
        offset = 0
        for sign, term in terms(at):
            match term:
                case ast.Constant(value=int(value)):
                    offset += sign * value
                case ast.Name(id=axis):
                    strides.append((axis, sign))
                case ast.BinOp(op=ast.Mult(), left=left, right=ast.Name(id=axis)):
                    strides.append((axis, sign * index_number(left)))
                case ast.BinOp(op=ast.Mult(), left=left, right=ast.Call(args=[index, size])):
                    parts.append(
                        (sign * index_number(left), self.expression(index), index_number(size))
                    )
                case _:
                    raise fault(at, "not an affine index")
        return Map(tuple(strides), offset), tuple(parts)


def terms(x: ast.expr) -> list[tuple[int, ast.expr]]:
    """The signed terms of a sum."""
    match x:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return terms(left) + terms(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return terms(left) + [(-s, t) for s, t in terms(right)]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [(-s, t) for s, t in terms(operand)]
        case ast.BinOp(left=ast.UnaryOp(op=ast.USub(), operand=left), op=op, right=right):
            return [(-1, ast.BinOp(left, op, right))]
    return [(1, x)]


def index_number(x: ast.expr) -> int:
    match x:
        case ast.Constant(value=int(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return -value
    raise fault(x, "not an affine index: a number is required")


def names(x: ast.expr) -> tuple[str, ...]:
    elements: list[Any] = x.elts if isinstance(x, ast.Tuple) else [x]
    return tuple(e.id for e in elements)
