"""Graphs as text: `str` writes typed Python functions, `parse` reads them, executing none.

    def f(a: f32[3], b: f32[3]):
        c: f32[3] = sin(a)  # model.py:12 h
        t: (f32[2], i64[2]) = top_k(c, k=2)
        return c, t[0]

One line a node, the user's line as its comment. Parameters are keywords: numbers, strings, types,
tuples of them. `nan` and `inf` are spelled so, a complex number `complex(0.0, 1.0)`; a type applied
to a number is a NumPy scalar, `f32(0.5)`, and applied to a hash an array, `f32[3]("53c1...")`,
which `parse` takes from `constants`. A parameter that is a graph is a nested function, which reads
its own inputs only. A parameter that has its default is not printed.
`parse(str(g)) == g`, and `str(parse(s)) == s` for every `s` that was printed.
"""

from __future__ import annotations

import ast
import contextlib
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any, NoReturn

import numpy as np

from . import syntax
from .errors import ProgramError
from .graph import Graph, Node, Op, Value
from .parameters import Array, Foreign, annotations_of, fits, kind_text, tuple_text
from .source import Source
from .syntax import shortened, unparsed
from .types import NUMPY, Type, type_of


@dataclass(frozen=True, eq=False)
class ReadSource(Source):
    """A source read from a comment. The file may not be at hand, so it carries its variable."""

    name: str = ""

    @property
    def text(self) -> str:
        return self.name

    @property
    def variable(self) -> str:
        return self.name


def parse(text: str, constants: Mapping[str, Any] | None = None) -> Graph:
    """The graph that `text` spells; `constants` gives its arrays by hash.

    An array may also be given as a function, which is called with the type that the text says when
    the text names the array. The text may be anybody's: whatever is wrong with it is a
    ProgramError, and neither time nor memory are more than in proportion to its length and to the
    arrays that it names.
    """
    dedented = textwrap.dedent(text).strip("\n")
    reader = TextReader(dedented.split("\n"), {}, constants or {})
    try:
        tree, comments = syntax.syntax_of(dedented)
        reader.sources.update(sources_in(comments))
        return reader.module(tree)
    except syntax.Unreadable as error:
        fault = error
    except (RecursionError, MemoryError):
        fault = syntax.too_deep(dedented)
    reader.fail_at(fault.line, fault.column, fault.what)


def sources_in(comments: Mapping[int, str]) -> Iterator[tuple[int, Source]]:
    """The sources that the comments say, by line."""
    for line, comment in comments.items():
        if m := re.fullmatch(r"# (.+):(\d+)(?: (\w+))?", comment):
            yield line, ReadSource(m[1], int(m[2]), m[3] or "")


@dataclass
class Scope:
    """What the lines of one function have defined so far."""

    values: dict[str, tuple[Value, ...]]
    functions: dict[str, Graph]

    def __contains__(self, name: str) -> bool:
        return name in self.values or name in self.functions


@dataclass(frozen=True)
class TextReader:
    """Reads the syntax tree of a text; every error names line and column."""

    text: list[str]
    sources: dict[int, Source]
    constants: Mapping[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)  # read so far, by hash

    def fail_at(self, line: int, column: int, what: str, repair: str = "") -> NoReturn:
        shown = shortened(self.text[line - 1].strip()) if line <= len(self.text) else ""
        raise ProgramError(f"text: {what}", f"  line {line}, column {column + 1}: {shown}", repair)

    def fail(self, at: ast.AST, what: str, repair: str = "") -> NoReturn:
        self.fail_at(getattr(at, "lineno", 1), getattr(at, "col_offset", 0), what, repair)

    # ---- statements

    def module(self, tree: ast.Module) -> Graph:
        match tree.body:
            case [ast.FunctionDef() as function]:
                return self.function(function)
            case [_, second, *_]:
                self.fail(second, "one function is required, got a second statement")
        self.fail_at(1, 0, "one function is required")

    def function(self, tree: ast.FunctionDef) -> Graph:
        a = tree.args
        if (
            tree.decorator_list
            or a.posonlyargs
            or a.kwonlyargs
            or a.vararg
            or a.kwarg
            or a.defaults
        ):
            self.fail(
                tree,
                f"{tree.name} is a plain function of typed inputs: no decorators, defaults, stars",
            )
        scope, inputs, nodes = Scope({}, {}), [], []
        for arg in a.args:
            if arg.annotation is None:
                self.fail(arg, f"input {arg.arg} needs a type", f"{arg.arg}: f32[3]")
            inputs.append(Value(self.type(arg.annotation)))
            self.define(scope, arg, arg.arg, (inputs[-1],))
        *body, last = tree.body
        for line in body:
            match line:
                case ast.FunctionDef():
                    if line.name in scope:
                        self.fail(line, f"{line.name} is defined twice")
                    scope.functions[line.name] = self.function(line)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call):
                    nodes.append(self.node(scope, line, call))
                    self.define(scope, line, name, nodes[-1].values)
                case ast.Return():
                    self.fail(line, "return is the last line")
                case _:
                    self.fail(line, "a line is `name: type = op(operands, parameters)`")
        if not isinstance(last, ast.Return):
            self.fail(last, f"{tree.name} ends with a return")
        match last.value:
            case None:
                results = []
            case ast.Tuple(elts=results):
                pass
            case one:
                results = [one]
        return Graph(
            tree.name, tuple(inputs), tuple(nodes), tuple(self.value(scope, r) for r in results)
        )

    def define(self, scope: Scope, at: ast.AST, name: str, values: tuple[Value, ...]) -> None:
        if name in scope and values:
            self.fail(at, f"{name} is defined twice")
        scope.values[name] = values

    def node(self, scope: Scope, line: ast.AnnAssign, call: ast.Call) -> Node:
        op = self.op(scope, call)
        args = tuple(self.value(scope, a) for a in call.args)
        try:
            node = Node(op, args, self.sources.get(line.end_lineno or line.lineno))
        except ProgramError as error:
            self.fail(call, error.what, error.repair)
        except (RecursionError, MemoryError):
            raise
        except Exception as error:  # of a rule that looks at what it never meets in a program
            self.fail(call, f"{op.name} does not take these operands, {error!r:.200}")
        match line.annotation:
            case ast.Tuple(elts=elements):
                claimed = tuple(self.type(e) for e in elements)
            case one:
                claimed = (self.type(one),)
        if claimed != node.types:
            given = str(node.types[0]) if len(node.types) == 1 else tuple_text(map(str, node.types))
            self.fail(
                line.annotation,
                f"{op.name} gives {given}, got the annotation {unparsed(line.annotation)}",
            )
        return node

    def op(self, scope: Scope, call: ast.Call) -> Op:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        cls = Op.registry.get(name) or Op.registry.get(name.removesuffix("_"))
        if cls is None:
            self.fail(call, f"an op is required, got {unparsed(call.func)}")
        given = {k.arg or "**": self.parameter(scope, k.value) for k in call.keywords}
        known = {f.name: f for f in dataclass_fields(cls)}  # pyright: ignore[reportArgumentType]
        if wrong := [k for k in given if k not in known]:
            self.fail(
                call, f"{name} has no parameter {wrong[0]}, it has {', '.join(known) or 'none'}"
            )
        if len(given) < len(call.keywords):
            self.fail(call, f"{name} is given a parameter twice")
        kinds = annotations_of(cls)
        for at, (key, value) in zip(call.keywords, given.items(), strict=True):
            if not fits(value, kinds[key]):
                required = f"{name}: {key} is of {kind_text(kinds[key])}"
                self.fail(at.value, f"{required}, got {unparsed(at.value)}")
        try:
            return cls(**given)
        except (RecursionError, MemoryError):
            raise
        except Exception as error:
            what = f"{name} needs the parameters {', '.join(known)}"
            self.fail(call, f"{what}, {str(error) or type(error).__name__:.200}")

    # ---- expressions

    def value(self, scope: Scope, tree: ast.expr) -> Value:
        match tree:
            case ast.Name(id=name) if len(found := scope.values.get(name, ())) == 1:
                return found[0]
            case ast.Name(id=name) if name in scope.values:
                self.fail(tree, f"{name} has {len(scope.values[name])} results", f"{name}[0]")
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(index))):
                found = scope.values.get(name, ())
                if len(found) != 1 and index < len(found):
                    return found[index]
        self.fail(tree, f"a value defined above is required, got {unparsed(tree)}")

    def type(self, tree: ast.expr) -> Type:
        match tree:
            case ast.Name(id=dtype):
                sizes: list[ast.expr] = []
            case ast.Subscript(value=ast.Name(id=dtype), slice=ast.Tuple(elts=sizes)):
                pass
            case ast.Subscript(value=ast.Name(id=dtype), slice=one):
                sizes = [one]
            case _:
                dtype, sizes = "", []
        shape = tuple(
            s.value for s in sizes if isinstance(s, ast.Constant) and type(s.value) is int
        )
        if dtype not in NUMPY or len(shape) != len(sizes):
            self.fail(tree, f"a type such as f32[3, 4] is required, got {unparsed(tree)}")
        found = Type(dtype, shape)
        if excess := found.excess():
            self.fail(tree, excess)
        return found

    def parameter(self, scope: Scope, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return tree.value
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self.parameter(scope, operand)
                if type(number) in (int, float):
                    return -number
            case ast.Name(id="nan" | "inf"):
                return float(tree.id)
            case ast.Name(id=name) if name in scope.functions:
                return scope.functions[name]
            case ast.Name(id=name) if name in NUMPY:
                return Type(name)
            case ast.Subscript():
                return self.type(tree)
            case ast.Tuple(elts=elements):
                return tuple(self.parameter(scope, e) for e in elements)
            case ast.Call(func=ast.Name(id="complex"), args=[re, im], keywords=[]):
                parts = self.parameter(scope, re), self.parameter(scope, im)
                if all(type(part) is float for part in parts):
                    return complex(*parts)
            case ast.Call(func=ast.Name(id="foreign"), args=[ast.Constant(value=str(key))]):
                if isinstance(found := self.constants.get(key), Foreign):
                    return found
                self.fail(tree, f"the Python function {key} is not among the constants")
            case ast.Call(func=of, args=[argument], keywords=[]):
                return self.constant(tree, self.type(of), self.parameter(scope, argument))
        self.fail(tree, f"a number, string, type or function is required, got {unparsed(tree)}")

    def constant(self, tree: ast.expr, type: Type, content: Any) -> Array | np.generic:
        """A NumPy scalar, or the array of that hash."""
        if not isinstance(content, str):
            return self.scalar(tree, type, content)
        if content not in self.constants:
            self.fail(
                tree,
                f"the array {shortened(content)} is not among the constants",
                f'constants={{"{shortened(content)}": array}}',
            )
        if content not in self.arrays:
            given = self.constants[content]
            self.arrays[content] = Array(np.asarray(given(type) if callable(given) else given))
        array = self.arrays[content]
        if array.digest != content or type_of(array.data) != type:
            got = f"{type_of(array.data)} of hash {array.digest}"
            self.fail(tree, f"the array given for {type} of hash {shortened(content)} is {got}")
        return array

    def scalar(self, tree: ast.expr, type: Type, content: Any) -> np.generic:
        if not type.shape and isinstance(content, bool | int | float | complex):
            with np.errstate(all="ignore"), contextlib.suppress(TypeError, OverflowError):
                return type.numpy.type(content)
        self.fail(tree, f"a number of the dtype {type} is required, got {unparsed(tree)}")


def constants_of(graph: Graph) -> dict[str, Any]:
    """The arrays of `graph` by hash, and its Python functions by key, as `parse` takes them."""
    found: dict[str, Any] = {}
    stack: list[Any] = [graph]
    while stack:
        match stack.pop():
            case Graph() as g:
                stack += [p for n in g.nodes for p in n.op.params.values()]
            case tuple() as several:
                stack += several
            case Array() as array:
                found[array.digest] = array.data
            case Foreign() as function:
                found[function.key] = function
    return found
