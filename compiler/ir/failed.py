"""The expression of the user's that failed, and its line with another text in that place.

A frame knows which expression it was computing (PEP 657), so what is replaced is exactly that. A
rule is given the expression, the statement around it and what names mean there; it gives the text
to put in place of the expression or the statement, or nothing where it is not sure. Lines of
installed libraries are not repaired: nobody edits them.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from .source import is_library, user_frame


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
        """What a dotted name, or an item of it at a plain key, means in the frame; None for
        anything else."""
        match node:
            case ast.Name(id=name):
                spaces = (self.frame.f_locals, self.frame.f_globals, self.frame.f_builtins)
                return next((s[name] for s in spaces if name in s), None)
            case ast.Attribute(value=of, attr=name):
                return getattr(self.value(of), name, None)
            case ast.Subscript(value=of, slice=ast.Constant(value=key)):
                items = self.value(of)
                try:
                    return items[key] if type(items) in (dict, list, tuple) else None
                except LookupError:
                    return None
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


Repair = tuple[ast.AST, str]
"""A node and the text that repairs it."""
Rule = Callable[[Failed], "Repair | None"]


def failed(frame: FrameType | None = None, instruction: int | None = None) -> Failed | None:
    """What the user's innermost frame was computing, where its source is known; of another frame
    with `frame`, at another place than where it is with `instruction`."""
    frame = frame or user_frame()
    if frame is None or is_library(frame.f_code.co_filename):
        return None
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    offset = frame.f_lasti if instruction is None else instruction
    place = next(itertools.islice(frame.f_code.co_positions(), offset // 2, None), None)
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
        begin = min((d.lineno for d in getattr(child, "decorator_list", ())), default=first)
        if begin is not None and not (begin <= place[0] and place[1] <= (last or begin)):
            continue
        here = (first, last, getattr(child, "col_offset", -1), getattr(child, "end_col_offset", -1))
        if here == place and isinstance(child, ast.If | ast.While | ast.Assert | ast.IfExp):
            yield (node, child, child.test)  # a jump on a plain name is at the whole
        elif here == place and isinstance(child, ast.expr | ast.AugAssign):
            yield (node, child)
        for rest in _paths(child, place):
            yield (node, *rest)


def repaired(rules: tuple[Rule, ...], otherwise: str, at: Failed | None = None) -> str:
    """The line with what the first fitting rule replaces, or `otherwise`."""
    at = at or failed()
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


def renamed_keywords(names: dict[str, str], known: frozenset[str]) -> Rule:
    """f(x, dim=1) --> f(x, axis=1), of a call with keywords of other names than `known`."""

    def rule(at: Failed) -> Repair | None:
        call = at.node if isinstance(at.node, ast.Call) else None
        if call is None or (at.around and isinstance(at.around[0], ast.Subscript)):
            return None  # what is taken of a pair elsewhere is no pair here
        wrong = [k for k in call.keywords if k.arg is not None and k.arg not in known]
        if not wrong or any(names.get(k.arg or "") not in known for k in wrong):
            return None
        texts = [at.text(x) for x in call.args]
        texts += [
            f"{names.get(k.arg, k.arg) if k in wrong else k.arg}={at.text(k.value)}"
            if k.arg is not None else f"**{at.text(k.value)}"
            for k in call.keywords
        ]  # fmt: skip
        return call, f"{at.text(call.func)}({', '.join(texts)})"

    return rule
