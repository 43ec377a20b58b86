"""Restricted Python to LLVM: the one language of printed kernels and of the executor.

A text is a module of functions over 64-bit integers and whatever kinds its words bring (vectors,
pointers). The same text runs as plain Python when the words are given as Python functions, which is
how tests read it.

    statements    x = e   if / elif / else   for i in range(a, b[, step])   while c   break
                  return e   f(...)
    expressions   integers, floats, names, + - * // % < <= > >= == !=, calls,
                  and / or / not (both sides are computed)

Parameters and results are i64. Operands of // and % are not negative. A literal stays a Python
value until it meets a run-time one, so words receive `64` or `f32` as they are written. A name that
is assigned twice is a variable of one kind.

Cost: 0.12 to 0.16 ms a line over the nine kernels of a small training step; LLVM optimises.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import llvmlite.ir as ir

LLVM_I64, LLVM_I1 = ir.IntType(64), ir.IntType(1)


class NativeError(TypeError):
    """The text is not in the language."""


class Kind:
    """What a run-time value is. Other kinds subclass this and give `llvm`, `binary`, `compare`."""

    llvm: ir.Type

    def argument(self, e: Emitter, x: ir.Value) -> NativeValue:
        """A parameter of this kind as a value."""
        return NativeValue(self, x)

    def negative(self, e: Emitter, x: Any) -> NativeValue:
        return self.binary(e, "-", 0, x)

    def binary(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        raise NativeError(f"'{op}' is not defined for {self}")

    def compare(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        raise NativeError(f"'{op}' is not defined for {self}")


@dataclass(frozen=True)
class Integer(Kind):
    """A 64-bit signed integer, or the truth of a comparison (`bits` = 1)."""

    bits: int = 64

    @property
    def llvm(self) -> ir.Type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ir.IntType(self.bits)

    def __str__(self) -> str:
        return "i64" if self.bits == 64 else "bool"

    def binary(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        emit = {"+": "add", "-": "sub", "*": "mul", "//": "sdiv", "%": "srem"}
        if op not in emit:
            raise NativeError(f"'{op}' is not defined for i64")
        return NativeValue(I64, getattr(e.builder, emit[op])(e.i64(x), e.i64(y)))

    def compare(self, e: Emitter, op: str, x: Any, y: Any) -> NativeValue:
        return NativeValue(BOOL, e.builder.icmp_signed(op, e.i64(x), e.i64(y)))


I64, BOOL = Integer(64), Integer(1)


@dataclass(frozen=True)
class NativeValue:
    """A run-time value."""

    kind: Kind
    llvm: ir.Value


# word(emitter, *args): arguments and result are Values, or the Python values of literals
Word = Callable[..., Any]

BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
STATIC = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": operator.floordiv, "%": operator.mod, "&": operator.and_, "|": operator.or_,
    "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def parsed(text: str) -> tuple[list[ast.FunctionDef], dict[str, Any]]:
    """The functions of a text and the constants named between them."""
    tree = ast.parse(text)
    constants: dict[str, Any] = {}
    for s in tree.body:
        match s:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                constants |= zip(
                    (t.id for t in targets if isinstance(t, ast.Name)),
                    ast.literal_eval(value),
                    strict=True,
                )
    return [s for s in tree.body if isinstance(s, ast.FunctionDef)], constants


def variables_of(d: ast.FunctionDef) -> set[str]:
    """The names of a function that are assigned twice; the turns of a loop are none."""
    once: set[str] = set()
    found: set[str] = set()

    def assign(name: str) -> None:
        (found if name in once else once).add(name)

    for p in d.args.args:
        assign(p.arg)
    stack: list[ast.stmt] = [*d.body]
    while stack:
        match stack.pop():
            case ast.Assign(targets=[ast.Name(id=name)]):
                assign(name)
            case ast.Assign(targets=[ast.Tuple(elts=names)]):
                for n in names:
                    assert isinstance(n, ast.Name)
                    assign(n.id)
            case ast.AugAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.If(body=body, orelse=other):
                stack += body + other
            case ast.For(body=body) | ast.While(body=body):
                stack += body
    return found


def emit_module(
    text: str, words: Mapping[str, Any], module: ir.Module, prefix: str = ""
) -> dict[str, ir.Function]:
    """Defines every function of `text` in `module`, as the symbol `prefix` + name.

    `words` are functions of an `Emitter`, or static values."""
    defs, constants = parsed(text)
    names: dict[str, Any] = {**words, **constants}
    functions: dict[str, ir.Function] = {}
    for d in defs:
        kind = ir.FunctionType(LLVM_I64, [LLVM_I64] * len(d.args.args))
        functions[d.name] = ir.Function(module, kind, prefix + d.name)
        names[d.name] = calling(functions[d.name])
    for d in defs:
        Emitter(functions[d.name], names).function_body(d)
    return functions


def emit_kernel(
    text: str, words: Mapping[str, Any], module: ir.Module, name: str
) -> tuple[Kind, ...]:
    """Defines the only function of `text` as a GPU's kernel `name`; the kinds of its parameters.

    Parameters are annotated with their kinds: `def copy(x: pointer(f32), n: integer)`."""
    (d,), constants = parsed(text)
    names = {**words, **constants}
    probe = Emitter(ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), ()), name), names)
    kinds = tuple(probe.expression(p.annotation) for p in d.args.args if p.annotation)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [k.llvm for k in kinds]), name)
    function.calling_convention = "ptx_kernel"
    Emitter(function, names).function_body(d, kinds)
    return kinds


def calling(function: ir.Function) -> Word:
    def word(e: Emitter, *args: Any) -> NativeValue:
        return NativeValue(I64, e.builder.call(function, [e.i64(a) for a in args]))

    return word


def inlined(text: str, words: Mapping[str, Any]) -> dict[str, Word]:
    """The functions of `text` as words: each is emitted anew, in place, where it is called, and
    read when it is called first, since a program calls few of many.

    Their parameters and results are of any kind; `return` stands last. Inlined functions may call
    each other."""
    _, constants = parsed(FUNCTION.sub("", text))
    names: dict[str, Any] = {**words, **constants}

    def inlining(source: str) -> Word:
        @cache
        def body() -> tuple[ast.FunctionDef, set[str]]:
            (d,), _ = parsed(source)
            return d, variables_of(d)

        def word(e: Emitter, *args: Any) -> Any:
            inner = Emitter(e.function, names)
            inner.builder = e.builder
            return inner.inlined_body(*body(), args)

        return word

    made = {found[1]: inlining(found[0]) for found in FUNCTION.finditer(text)}
    names |= made
    return made


FUNCTION = re.compile(r"^def (\w+)\(.*?(?=^[^\s)]|\Z)", re.MULTILINE | re.DOTALL)
"""A function of a text that is laid out as Python is: what is its own is further right."""


@dataclass
class Emitter:
    """Walks one function of the text; words build LLVM through `builder`."""

    function: ir.Function
    names: dict[str, Any]
    builder: Any = field(init=False)  # an ir.IRBuilder; llvmlite has no types to check
    variables: set[str] = field(default_factory=set)
    slots: dict[str, tuple[Kind, ir.Value]] = field(default_factory=dict)
    exits: list[ir.Block] = field(default_factory=list)

    @property
    def module(self) -> ir.Module:
        return self.function.module

    # ---- what words use

    def i64(self, x: Any) -> ir.Value:
        """`x` as an LLVM i64."""
        if isinstance(x, bool | int):
            return ir.Constant(LLVM_I64, int(x))
        if isinstance(x, NativeValue) and isinstance(x.kind, Integer):
            return x.llvm if x.kind.bits == 64 else self.builder.zext(x.llvm, LLVM_I64)
        raise NativeError(
            f"an integer is required, got {x.kind if isinstance(x, NativeValue) else x!r}"
        )

    def alloca(self, of: ir.Type, align: int = 0) -> ir.Value:
        """Memory of this call, made once however often the word runs."""
        with self.builder.goto_entry_block():
            slot = self.builder.alloca(of)
            if align:
                slot.align = align
        return slot

    def declare(self, name: str, result: ir.Type, args: Sequence[ir.Type]) -> ir.Function:
        """An external function or LLVM intrinsic under its full name."""
        return self.module.globals.get(name) or ir.Function(
            self.module, ir.FunctionType(result, args), name
        )

    # ---- statements

    def open_scope(self, variables: set[str]) -> None:
        """Own names, of which these are variables."""
        self.variables, self.names = variables, dict(self.names)

    def inlined_body(self, d: ast.FunctionDef, variables: set[str], args: tuple[Any, ...]) -> Any:
        self.open_scope(variables)
        for p, a in zip(d.args.args, args, strict=True):
            self.assign(p.arg, a)
        *body, last = d.body
        if not isinstance(last, ast.Return) or last.value is None:
            raise NativeError(f"{d.name}: an inlined function ends in 'return x'")
        self.statements(body)
        return self.expression(last.value)

    def function_body(self, d: ast.FunctionDef, kinds: Sequence[Kind] = ()) -> None:
        """The body of `function`; with `kinds` of its parameters it is a kernel without result."""
        self.open_scope(variables_of(d))
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        body = self.function.append_basic_block("body")
        entry = self.builder.block
        self.builder.branch(body)
        self.builder.position_at_end(body)
        for k, (p, a) in enumerate(zip(d.args.args, self.function.args, strict=True)):
            a.name = p.arg
            self.assign(p.arg, (kinds[k] if kinds else I64).argument(self, a))
        self.statements(d.body)
        if kinds:
            self.builder.ret_void()
        elif not self.builder.block.is_terminated:
            self.builder.ret(ir.Constant(LLVM_I64, 0))
        assert entry.is_terminated

    def statements(self, body: list[ast.stmt]) -> None:
        for s in body:
            if self.builder.block.is_terminated:
                return
            try:
                self.statement(s)
            except NativeError as error:
                if "\n" in str(error):
                    raise
                raise NativeError(f"{error}\n  in: {ast.unparse(s).splitlines()[0]}") from None

    def statement(self, s: ast.stmt) -> None:
        match s:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.assign(name, self.expression(value))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                results = self.expression(value)
                for n, v in zip(names, results, strict=True):
                    assert isinstance(n, ast.Name)
                    self.assign(n.id, v)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                x = self.read(name)
                self.assign(name, self.binary(BINARY[type(op)], x, self.expression(value)))
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=value):
                self.expression(value)
            case ast.If():
                self.branches(s)
            case ast.For(
                target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args)
            ):
                self.loop(name, [self.expression(a) for a in args], s.body)
            case ast.While():
                self.while_loop(s)
            case ast.Return(value=value):
                self.builder.ret(self.i64(0 if value is None else self.expression(value)))
            case ast.Break():
                self.builder.branch(self.exits[-1])
            case ast.Pass():
                pass
            case _:
                raise NativeError(f"not a statement of the language: {type(s).__name__}")

    def assign(self, name: str, value: Any) -> None:
        if name not in self.variables:
            self.names[name] = value
            return
        if isinstance(value, bool | int):
            value = NativeValue(I64, ir.Constant(LLVM_I64, int(value)))
        if not isinstance(value, NativeValue):
            raise NativeError(f"{name}: a variable holds a run-time value, got {value!r}")
        if name not in self.slots:
            self.slots[name] = value.kind, self.alloca(value.kind.llvm)
        kind, slot = self.slots[name]
        if kind != value.kind:
            raise NativeError(f"{name}: is {kind} and is given {value.kind}")
        self.builder.store(value.llvm, slot)

    def read(self, name: str) -> Any:
        if name in self.slots:
            kind, slot = self.slots[name]
            return NativeValue(kind, self.builder.load(slot))
        if name not in self.names:
            raise NativeError(f"unknown name '{name}'")
        return self.names[name]

    def truth(self, x: Any) -> ir.Value | bool:
        if isinstance(x, bool | int):
            return bool(x)
        if isinstance(x, NativeValue) and isinstance(x.kind, Integer):
            return (
                x.llvm
                if x.kind.bits == 1
                else self.builder.icmp_signed("!=", x.llvm, ir.Constant(LLVM_I64, 0))
            )
        raise NativeError(f"a condition is required, got {x}")

    def branches(self, s: ast.If) -> None:
        test = self.truth(self.expression(s.test))
        if isinstance(test, bool):
            self.statements(s.body if test else s.orelse)
            return
        then, end = (self.function.append_basic_block(n) for n in ("then", "end"))
        other = self.function.append_basic_block("other") if s.orelse else end
        self.builder.cbranch(test, then, other)
        for block, body in ((then, s.body), (other, s.orelse)):
            if block is end:
                continue
            self.builder.position_at_end(block)
            self.statements(body)
            if not self.builder.block.is_terminated:
                self.builder.branch(end)
        self.builder.position_at_end(end)

    def loop(self, name: str, args: list[Any], body: list[ast.stmt]) -> None:
        def inside(at: NativeValue) -> None:
            self.assign(name, at)
            self.statements(body)

        self.repeat(inside, *args)

    def repeat(self, body: Callable[[NativeValue], None], *args: Any) -> None:
        """`for at in range(*args): body(at)`."""
        start, stop, step = (
            (0, args[0], 1)
            if len(args) == 1
            else (args[0], args[1], args[2] if len(args) > 2 else 1)
        )
        first, last, by = self.i64(start), self.i64(stop), self.i64(step)
        before = self.builder.block
        head, inside, after = (
            self.function.append_basic_block(n) for n in ("loop", "inside", "after")
        )
        self.builder.branch(head)
        self.builder.position_at_end(head)
        at = self.builder.phi(LLVM_I64, "at")
        at.add_incoming(first, before)
        self.builder.cbranch(self.builder.icmp_signed("<", at, last), inside, after)
        self.builder.position_at_end(inside)
        self.exits.append(after)
        body(NativeValue(I64, at))
        self.exits.pop()
        if not self.builder.block.is_terminated:
            at.add_incoming(self.builder.add(at, by, flags=("nsw",)), self.builder.block)
            self.builder.branch(head)
        self.builder.position_at_end(after)

    def while_loop(self, s: ast.While) -> None:
        head, inside, after = (
            self.function.append_basic_block(n) for n in ("while", "inside", "after")
        )
        self.builder.branch(head)
        self.builder.position_at_end(head)
        test = self.truth(self.expression(s.test))
        if isinstance(test, bool):
            test = ir.Constant(LLVM_I1, int(test))
        self.builder.cbranch(test, inside, after)
        self.builder.position_at_end(inside)
        self.exits.append(after)
        self.statements(s.body)
        self.exits.pop()
        if not self.builder.block.is_terminated:
            self.builder.branch(head)
        self.builder.position_at_end(after)

    # ---- expressions

    def expression(self, x: ast.expr) -> Any:
        match x:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.read(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.expression(operand)
                return (
                    value.kind.negative(self, value) if isinstance(value, NativeValue) else -value
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                test = self.truth(self.expression(operand))
                return (
                    not test
                    if isinstance(test, bool)
                    else NativeValue(BOOL, self.builder.not_(test))
                )
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(BINARY[type(op)], self.expression(left), self.expression(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self.binary(COMPARE[type(op)], self.expression(left), self.expression(right))
            case ast.BoolOp(op=op, values=values):
                return self.logic(
                    isinstance(op, ast.And), [self.truth(self.expression(v)) for v in values]
                )
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                word = self.read(name) if name not in ("min", "max") else getattr(self, name)
                given = [self.expression(a) for a in args]
                return word(*given) if name in ("min", "max") else word(self, *given)
            case ast.Tuple(elts=elements):
                return tuple(self.expression(e) for e in elements)
        raise NativeError(f"not an expression of the language: {ast.unparse(x)}")

    def binary(self, op: str, x: Any, y: Any) -> Any:
        if not isinstance(x, NativeValue) and not isinstance(y, NativeValue):
            return STATIC[op](x, y)
        kinds = [v.kind for v in (x, y) if isinstance(v, NativeValue)]
        kind = next((k for k in kinds if not isinstance(k, Integer)), kinds[0])
        return (kind.compare if op in COMPARE.values() else kind.binary)(self, op, x, y)

    def logic(self, both: bool, tests: list[ir.Value | bool]) -> NativeValue:
        values = [ir.Constant(LLVM_I1, int(t)) if isinstance(t, bool) else t for t in tests]
        out = values[0]
        for v in values[1:]:
            out = self.builder.and_(out, v) if both else self.builder.or_(out, v)
        return NativeValue(BOOL, out)

    def min(self, x: Any, y: Any) -> Any:
        return self.pick("<", x, y)

    def max(self, x: Any, y: Any) -> Any:
        return self.pick(">", x, y)

    def pick(self, sign: str, x: Any, y: Any) -> Any:
        if not isinstance(x, NativeValue) and not isinstance(y, NativeValue):
            return min(x, y) if sign == "<" else max(x, y)
        a, b = self.i64(x), self.i64(y)
        return NativeValue(I64, self.builder.select(self.builder.icmp_signed(sign, a, b), a, b))


# ---- words over raw memory: addresses are i64


def memory(width: int) -> tuple[Word, Word]:
    """(read, write) of integers of `width` bits at an address; reads are sign-extended."""
    of = ir.IntType(width)

    def read(e: Emitter, address: Any) -> NativeValue:
        v = e.builder.load(e.builder.inttoptr(e.i64(address), of.as_pointer()), align=width // 8)
        return NativeValue(I64, v if width == 64 else e.builder.sext(v, LLVM_I64))

    def write(e: Emitter, address: Any, value: Any) -> None:
        v = e.i64(value)
        v = v if width == 64 else e.builder.trunc(v, of)
        e.builder.store(v, e.builder.inttoptr(e.i64(address), of.as_pointer()), align=width // 8)

    return read, write


def integer(e: Emitter, args: Any, slot: Any) -> NativeValue:
    """Slot `slot` (8 bytes each) of the argument block at address `args`."""
    p = e.builder.inttoptr(e.i64(args), LLVM_I64.as_pointer())
    return NativeValue(I64, e.builder.load(e.builder.gep(p, [e.i64(slot)]), align=8))


read64, write64 = memory(64)
read32, write32 = memory(32)
read8, write8 = memory(8)

MEMORY: dict[str, Any] = {
    "integer": integer, "read64": read64, "write64": write64, "read32": read32,
    "write32": write32, "read8": read8, "write8": write8,
}  # fmt: skip
