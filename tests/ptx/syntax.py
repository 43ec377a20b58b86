"""PTX text → functions and variables: names resolved in their scopes, nothing executed.

Understands what LLVM's NVPTX back end, NVVM and people write: nested scopes of registers (blocks
of inline assembly), sequences of calls, tables of branches, initialised variables. Debug
information is skipped.

Source: NVIDIA, Parallel Thread Execution ISA.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace

import numpy as np

from .faults import SyntaxFault
from .nodes import (
    Address,
    Both,
    Function,
    Immediate,
    Instruction,
    Label,
    Module,
    Negated,
    Number,
    Operand,
    Register,
    Sink,
    Special,
    Tuple,
    Variable,
)

WIDTHS = {"8": 1, "16": 2, "32": 4, "64": 8}
SPACES = "global", "const", "shared", "local", "param"

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<float>0[fF][0-9a-fA-F]{8}|0[dD][0-9a-fA-F]{16}|\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)
  | (?P<integer>0[xX][0-9a-fA-F]+U?|0[bB][01]+U?|\d+U?)
  | (?P<word>[%$_a-zA-Z][\w$]*(?:\.\w+(?:::\w+)*)*)
  | (?P<directive>\.\w+(?:::\w+)*)
  | (?P<mark>[{}()\[\],;:+\-@!|<>=*])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int


def parse(text: str) -> Module:
    """The module of a PTX text. Errors: SyntaxFault with the line."""
    return _Parser(text).module()


def tokens(text: str) -> list[Token]:
    found, at, line = [], 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SyntaxFault(f"line {line}: what is {text[at : at + 20]!r}?")
        if match.lastgroup != "skip":
            found.append(Token(str(match.lastgroup), match.group(), line))
        line += match.group().count("\n")
        at = match.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.lines = tuple(text.splitlines())
        # these two end with their line; the rest of PTX knows no lines
        plain = re.sub(r"^\s*\.(loc|file)\b[^\n]*", "", text, flags=re.MULTILINE)
        self.tokens = [*tokens(plain), Token("end", "", len(self.lines))]
        self.at = 0
        self.functions: dict[str, Function] = {}
        self.scopes: list[dict[str, Operand]] = [{}]
        self.function = Function("", False, 0)

    # -- tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fault(self, problem: str) -> SyntaxFault:
        line = self.token.line
        text = self.lines[line - 1].strip() if self.lines else ""
        return SyntaxFault(f"line {line}: {problem}, got {self.token.text!r}\n  {text}")

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *texts: str) -> str:
        return self.next().text if self.token.text in texts else ""

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.fault(f"expected {text!r}")

    def word(self) -> str:
        if self.token.kind != "word":
            raise self.fault("expected a name")
        return self.next().text

    def integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        if self.token.kind != "integer":
            raise self.fault("expected an integer")
        return sign * int(self.next().text.rstrip("U"), 0)

    def number(self) -> Number:
        negative = bool(self.accept("-"))
        value = float_of(self.next().text) if self.token.kind == "float" else self.integer()
        return -value if negative else value

    def skip_past(self, text: str) -> None:
        while self.token.kind != "end" and self.next().text != text:
            pass

    def skip_braces(self) -> None:
        self.skip_past("{")
        depth = 1
        while depth and self.token.kind != "end":
            depth += {"{": 1, "}": -1}.get(self.next().text, 0)

    # -- the module

    def module(self) -> Module:
        while self.token.kind != "end":
            linking = set()
            while self.token.text in (".visible", ".extern", ".weak", ".common"):
                linking.add(self.next().text)
            directive = self.next().text
            if directive in (".version", ".target"):
                self.directive_line()
            elif directive in (".address_size", ".pragma"):
                self.next()
                self.accept(";")
            elif directive == ".section":
                self.skip_braces()
            elif directive in (".entry", ".func"):
                self.define(directive == ".entry")
            elif directive[1:] in SPACES:
                self.variables(directive[1:], ".extern" in linking)
            elif directive != ";":
                self.at -= 1
                raise self.fault("expected a directive")
        found = {v.name: v for v in self.scopes[0].values() if isinstance(v, Variable)}
        return Module(self.functions, found, self.lines)

    def directive_line(self) -> None:
        line = self.tokens[self.at - 1].line
        while self.token.line == line and self.token.kind != "end":
            self.next()

    def define(self, entry: bool) -> None:
        f = self.function = Function("", entry, self.token.line)
        self.scopes.append({})
        if not entry and self.token.text == "(":
            f.results = self.formals()
        f.name = self.word()
        if self.token.text == "(":
            f.parameters = self.formals()
        while self.token.kind == "directive":
            self.limit(f)
        if not self.accept(";"):
            self.expect("{")
            self.body(f)
            self.functions[f.name] = f
        self.scopes.pop()
        self.function = Function("", False, 0)

    def limit(self, f: Function) -> None:
        """.maxntid 256, 1, 1 and its like"""
        name, values = self.next().text[1:], []
        while self.token.kind == "integer":
            values.append(self.integer())
            self.accept(",")
        f.limits[name] = tuple(values)

    def formals(self) -> list[Variable | Register]:
        self.expect("(")
        found: list[Variable | Register] = []
        while not self.accept(")"):
            space = self.next().text
            if space == ".reg":
                found.append(self.register(self.register_bits(self.next().text), self.word()))
            else:
                found.append(self.declare("param", False))
            self.accept(",")
        return found

    # -- declarations

    def variables(self, space: str, extern: bool) -> None:
        self.declare(space, extern)
        while self.accept(","):
            self.declare(space, extern)
        self.expect(";")

    def declare(self, space: str, extern: bool) -> Variable:
        align, width = 0, 0
        while self.token.kind == "directive":
            word = self.next().text
            if word == ".align":
                number = self.integer()  # after .ptr it is that of what is pointed to
                align = align if width else number
            elif word in (".v2", ".v4"):
                width = -int(word[2])
            elif word == ".ptr" or word[1:] in SPACES or word == ".attribute":
                pass
            else:
                bits = re.fullmatch(r"\.[a-z]+?(8|16|32|64)(x2)?", word)
                if bits is None:
                    raise self.fault(f"unknown type {word}")
                width = WIDTHS[bits[1]] * (-width or 1) * (2 if bits[2] else 1)
        name, count = self.word(), 1
        while self.accept("["):
            count *= self.integer() if self.token.text != "]" else 0
            self.expect("]")
        initial, addresses = self.initial(width) if self.accept("=") else (b"", ())
        size = max(width * count, len(initial))
        v = Variable(name, space, align or width, size, initial, addresses, extern)
        self.scopes[-1][name] = v
        self.function.variables.append(v)
        return v

    def initial(self, width: int) -> tuple[bytes, tuple[tuple[int, str], ...]]:
        data, addresses, depth = bytearray(), [], 0
        while True:
            depth += bool(self.accept("{"))
            if self.token.kind == "word":
                name = self.word()
                if name == "generic":
                    self.expect("(")
                    name = self.word()
                    self.expect(")")
                offset = self.integer() if self.accept("+") else 0
                addresses.append((len(data), name))
                data += offset.to_bytes(width, "little")
            elif self.token.text != "}":
                data += bits_of(self.number(), width)
            while depth and self.accept("}"):
                depth -= 1
            if not self.accept(",") and not depth:
                return bytes(data), tuple(addresses)

    def register_bits(self, type_: str) -> int:
        if type_ == ".pred":
            return 1
        match = re.fullmatch(r"\.[a-z]+?(8|16|32|64)(x2)?", type_)
        if match is None:
            raise self.fault(f"registers of type {type_} are not understood")
        return int(match[1]) * (2 if match[2] else 1)

    def register(self, bits: int, name: str) -> Register:
        r = Register(len(self.function.registers), name, bits)
        self.function.registers.append(r)
        self.scopes[-1][name] = r
        return r

    def registers(self) -> None:
        bits = self.register_bits(self.next().text)
        while True:
            name = self.word()
            if self.accept("<"):
                for k in range(self.integer()):
                    self.register(bits, f"{name}{k}")
                self.expect(">")
            else:
                self.register(bits, name)
            if not self.accept(","):
                break
        self.expect(";")

    # -- bodies

    def body(self, f: Function) -> None:
        inner: list[tuple[int, set[str]]] = []  # open blocks: where they start, their labels
        outermost = len(self.scopes)
        while True:
            token = self.token
            if token.kind == "end":
                raise self.fault("the function has no end")
            if self.accept("{"):
                self.scopes.append({})
                inner.append((len(f.code), set()))
            elif self.accept("}"):
                if len(self.scopes) == outermost:
                    return
                self.scopes.pop()
                self.close(f, *inner.pop())
            elif self.accept(";"):
                pass
            elif token.kind == "directive":
                self.inner_directive()
            elif token.kind == "word" and self.tokens[self.at + 1].text == ":":
                (inner[-1][1] if inner else set()).add(token.text)
                self.label(f)
            else:
                f.code.append(self.instruction())

    def close(self, f: Function, start: int, labels: set[str]) -> None:
        """The labels of a block are its own: they get names that nobody else can write."""
        own = {name: f"{name}@{start}" for name in labels}
        for name, unique in own.items():
            table = f.labels if name in f.labels else f.tables
            table[unique] = table.pop(name)  # type: ignore[assignment]
        for name, targets in f.tables.items():
            f.tables[name] = tuple(own.get(t, t) for t in targets)
        for k in range(start, len(f.code)):
            operands = tuple(
                Label(own.get(o.name, o.name)) if isinstance(o, Label) else o
                for o in f.code[k].operands
            )
            f.code[k] = replace(f.code[k], operands=operands)

    def inner_directive(self) -> None:
        directive = self.next().text
        if directive == ".reg":
            self.registers()
        elif directive[1:] in SPACES:
            self.variables(directive[1:], False)
        elif directive in (".pragma", ".loc", ".callprototype"):
            self.skip_past(";")
        else:
            self.at -= 1
            raise self.fault("expected a statement")

    def label(self, f: Function) -> None:
        name = self.word()
        self.expect(":")
        if self.token.text in (".branchtargets", ".callprototype", ".calltargets"):
            if self.next().text == ".branchtargets":
                targets = [self.word()]
                while self.accept(","):
                    targets.append(self.word())
                f.tables[name] = tuple(targets)
            self.skip_past(";")
        else:
            f.labels[name] = len(f.code)

    def instruction(self) -> Instruction:
        line, predicate, negated = self.token.line, None, False
        if self.accept("@"):
            negated = bool(self.accept("!"))
            predicate = self.lookup(self.word())
            if not isinstance(predicate, Register):
                raise self.fault("expected a predicate register")
        opcode, *modifiers = self.word().split(".")
        operands: list[Operand] = []
        while not self.accept(";"):
            operands.append(self.operand())
            self.accept(",")
        return Instruction(line, opcode, tuple(modifiers), tuple(operands), predicate, negated)

    def operand(self) -> Operand:
        if self.accept("["):
            found = self.address()
            self.expect("]")
        elif closing := {"{": "}", "(": ")"}.get(self.token.text, ""):
            self.next()
            items = []
            while not self.accept(closing):
                items.append(self.operand())
                self.accept(",")
            found = Tuple(tuple(items))
        elif self.accept("!"):
            found = Negated(self.operand())
        elif self.token.kind in ("float", "integer") or self.token.text == "-":
            found = Immediate(self.number())
        else:
            found = self.lookup(self.word())
            if isinstance(found, Variable) and self.token.text in "+-":
                found = Address(found, self.offset())
        return Both(found, self.operand()) if self.accept("|") else found

    def offset(self) -> int:
        if self.accept("+"):
            return self.integer()
        return self.integer() if self.token.text == "-" else 0

    def address(self) -> Address:
        if self.token.kind == "integer":
            return Address(Immediate(self.integer()), 0)
        base = self.lookup(self.word())
        return Address(base, self.offset())

    def lookup(self, name: str) -> Operand:
        if name == "_":
            return Sink()
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name.startswith("%"):
            return Special(name)
        return Label(name)


def float_of(text: str) -> np.float32 | np.float64:
    """0f3F800000, 0d3FF0000000000000 or a decimal number"""
    if text[:2] in ("0f", "0F"):
        return np.uint32(int(text[2:], 16)).view(np.float32)
    if text[:2] in ("0d", "0D"):
        return np.uint64(int(text[2:], 16)).view(np.float64)
    return np.float64(text)


def bits_of(value: Number, width: int) -> bytes:
    if isinstance(value, int):
        return (value % (1 << 8 * width)).to_bytes(width, "little")
    return struct.pack({2: "<e", 4: "<f", 8: "<d"}[width], value)
