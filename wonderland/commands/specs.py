"""Arguments of a user's function as the command line writes them.

f32[32, 64]                       an array of random elements; f32 is a scalar
i32[32] < 10, 0 < f32[3] <= 1     elements within bounds
{"w": f32[3, 2], "b": f32[2]}     a tree: dicts, lists and tuples
True, "same", 3, [1, 2]           a Python literal is a static value
x=f32[3]                          an argument by name
"""

from __future__ import annotations

import argparse
import ast
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..compiler.ir.errors import ProgramError
from ..compiler.ir.types import NUMPY, Type, dtype_name
from .line import unknown

EXAMPLES = 'f32[3, 4], f32 for a scalar, i32[8] < 10, {"w": f32[3]}, (f32, f32[4]) or a literal'
WORDS = {"true": True, "false": False, "null": None}  # of JSON
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class Mistake(Exception):
    """What is wrong in the text of an argument."""


@dataclass(frozen=True)
class Drawn:
    """An array to be drawn: its type, and the bounds of its elements where they are given."""

    type: Type
    low: float | None = None
    high: float | None = None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Floats are normal, integers 0 and 1; where there are bounds, uniform within them.

        So are both parts of complex numbers.
        """
        low, high, shape = self.low, self.high, self.type.shape
        if self.type.is_complex:
            re, im = (replace(self, type=self.type.part).draw(rng) for _ in range(2))
            return np.asarray(re + 1j * im, self.type.numpy)
        if self.type.dtype == "bool":
            found = rng.integers(0, 2, shape)
        elif not self.type.is_float:
            least = int(low) if low is not None else min(0, int(high or 0))
            most = int(high) if high is not None else least + 1
            found = rng.integers(least, most, shape, endpoint=True)
        elif low is None and high is None:
            found = rng.standard_normal(shape)
        else:
            least = low if low is not None else (high or 0) - 2
            width = (least + 2 if high is None else high) - least
            # not at the ends, which may be open
            found = least + width * rng.uniform(1e-3, 1 - 1e-3, shape)
        return np.asarray(found).astype(self.type.numpy)


@dataclass(frozen=True)
class Argument:
    """One argument: a tree whose leaves are `Drawn` or literals."""

    tree: Any
    name: str | None = None

    @property
    def static(self) -> bool:
        """Whether it is a value with nothing to draw."""
        return next(drawn(self.tree), None) is None

    def filled(self, array: Callable[[Drawn], Any]) -> Any:
        """The tree with an array for each that is to be drawn."""
        return _filled(self.tree, array)


def drawn(tree: Any) -> Iterator[Drawn]:
    if isinstance(tree, Drawn):
        yield tree
    elif isinstance(tree, (dict, list, tuple)):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from drawn(child)


def _filled(tree: Any, array: Callable[[Drawn], Any]) -> Any:
    match tree:
        case Drawn():
            return array(tree)
        case dict():
            return {k: _filled(v, array) for k, v in tree.items()}
        case list() | tuple():
            return type(tree)(_filled(v, array) for v in tree)
    return tree


# ---------------------------------------------------------------- reading


def argument(text: str) -> Argument:
    """The argument that a text spells, for argparse."""
    name, spec = None, text
    if found := re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=(?!=)(.*)", text, re.DOTALL):
        name, spec = found.groups()
    try:
        return Argument(spec_tree(ast.parse(spec.strip(), mode="eval").body), name)
    except (SyntaxError, ValueError):  # ValueError: of null bytes
        problem = f"'{spec}' cannot be read, try: {EXAMPLES}"
    except Mistake as mistake:
        problem = str(mistake)
    raise argparse.ArgumentTypeError(problem)


def spec_tree(node: ast.expr) -> Any:
    """The tree of an expression."""
    match node:
        case ast.Dict(keys=keys, values=values):
            return {_key(k): spec_tree(v) for k, v in zip(keys, values, strict=True)}
        case ast.List(elts=elements):
            return [spec_tree(e) for e in elements]
        case ast.Tuple(elts=elements):
            return tuple(spec_tree(e) for e in elements)
        case ast.Compare(left=left, ops=ops, comparators=right):
            return _bounded(node, [left, *right], ops)
        case ast.Name(id=name) if name in WORDS:
            return WORDS[name]
        case ast.Name() | ast.Subscript():
            return Drawn(_type(node))
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise Mistake(f"'{ast.unparse(node)}' is no type and no literal, try: {EXAMPLES}") from None


def _key(node: ast.expr | None) -> Any:
    if not isinstance(node, ast.Constant):
        raise Mistake(f"a key is a string or a number, got '{ast.unparse(node) if node else '**'}'")
    return node.value


def _type(node: ast.expr) -> Type:
    match node:
        case ast.Name(id=dtype):
            sizes: list[Any] = []
        case ast.Subscript(value=ast.Name(id=dtype), slice=ast.Tuple(elts=elements)):
            sizes = [getattr(e, "value", None) for e in elements]
        case ast.Subscript(value=ast.Name(id=dtype), slice=one):
            sizes = [getattr(one, "value", None)]
        case _:
            raise Mistake(f"'{ast.unparse(node)}' is no type")
    if dtype not in NUMPY:
        try:
            raise Mistake(f"no dtype '{dtype}', did you mean '{dtype_name(dtype)}'?")
        except (ProgramError, TypeError):
            raise Mistake(unknown("dtype", dtype, NUMPY)) from None
    if any(type(s) is not int for s in sizes):
        raise Mistake(f"sizes are numbers, got '{ast.unparse(node)}'")
    return Type(dtype, tuple(sizes))


def _bounded(node: ast.expr, parts: list[ast.expr], ops: list[ast.cmpop]) -> Drawn:
    """A type with bounds: `0 < f32[3]`, `i32[8] < 10`, `0 <= i32 < 4`."""
    at = next((i for i, p in enumerate(parts) if isinstance(p, ast.Name | ast.Subscript)), None)
    if at is None or len(parts) > 3 or (len(parts) == 3 and at != 1):
        raise Mistake(f"'{ast.unparse(node)}' bounds no type")
    of = _type(parts[at])
    bounds: dict[bool, float] = {}  # by whether it is the upper one
    for i, op in enumerate(ops):
        kind = type(op) if i == at else TURNED.get(type(op))
        end = parts[i + 1 if i == at else i]
        try:
            number: Any = ast.literal_eval(end)
        except ValueError:
            number = None
        if kind not in TURNED or type(number) not in (int, float):
            raise Mistake(f"a bound is <, <=, > or >= a number, got '{ast.unparse(node)}'")
        upper = kind in (ast.Lt, ast.LtE)
        if not of.is_inexact:
            if upper:
                number = math.ceil(number) - 1 if kind is ast.Lt else math.floor(number)
            else:
                number = math.floor(number) + 1 if kind is ast.Gt else math.ceil(number)
        bounds[upper] = number
    low, high = bounds.get(False), bounds.get(True)
    if len(bounds) < len(ops) or (low is not None and high is not None and low > high):
        raise Mistake(f"nothing lies within '{ast.unparse(node)}'")
    return Drawn(of, low, high)
