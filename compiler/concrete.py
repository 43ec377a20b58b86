"""What a traced value cannot do, because it has no numbers yet, and what to write instead.

Python and NumPy ask an object for numbers through `__array__`, `__bool__`, `__float__`, `__index__`
and a few more. Each of them raises here, with the user's line and the line repaired.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np

from .errors import ProgramError
from .ir import user_source, where
from .types import Type

Repairs = tuple[tuple[str, str], ...]
"""Patterns of the user's line, and the repaired line."""

ARRAY: Repairs = (
    (r"\b[\w.]+\.(?:array|asarray)\((\[\[.*\]\])\)", r"wonderland.numpy.array(\1)"),
    (r"\b([\w.]+)\.(?:array|asarray)\((\[.*\])\)", r"\1.stack(\2)"),
    (r"\b[\w.]+\.(?:array|asarray)\((\w+)\)", r"\1"),
    (r"\b([\w.]+)\.full\((.+), (\w+)\)", r"\1.broadcast_to(\3, \2)"),
    (r"\b([\w.]+)\.full_like\((.+), (\w+)\)", r"\1.broadcast_to(\3, \2.shape)"),
    (r"\b[\w.]+\.(?:float32|float64|int32|int64|uint32)\((\w+)\)", r"\1.astype(...)"),
    (r"^(\w+)\[:\] = (.+)$", r"\1 = np.broadcast_to(\2, \1.shape)"),
    (r"^(\w+)\[(\w+)\] = (.+)$", r"\1 = np.where(np.arange(len(\1)) == \2, \3, \1)"),
    (r"(\w+)\[(\w+)\]", r"wonderland.numpy.take(\1, \2, axis=0)"),
)
TRUTH: Repairs = (
    (r"^(?:if|elif|while|assert) (.+?):.*$", r"np.where(\1, a, b)"),
    (r"(\w+ [<>=!]+ [\w.]+|\w+) and (\w+ [<>=!]+ [\w.]+|\w+)", r"(\1) & (\2)"),
    (r"(\w+ [<>=!]+ [\w.]+|\w+) or (\w+ [<>=!]+ [\w.]+|\w+)", r"(\1) | (\2)"),
    (r"\bnot (\w+ [<>=!]+ [\w.]+|\w+)", r"~(\1)"),
    (r"(?<!\.)\bmax\(([^(),]+), ([^(),]+)\)", r"np.maximum(\1, \2)"),
    (r"(?<!\.)\bmin\(([^(),]+), ([^(),]+)\)", r"np.minimum(\1, \2)"),
)
NUMBER: Repairs = (
    (r"\bmath\.(\w+)\(", r"np.\1("),
    (r"\b(float|int|bool)\((\w+)\)", r"\2.astype(\1)"),
    (r"\b(\w+)\.item\(\)", r"\1"),
    (r"^(\w+)\[(\w+)\] = (.+)$", r"\1 = np.where(np.arange(len(\1)) == \2, \3, \1)"),
)
INDEX: Repairs = (
    (r"(\w+)\[(\w+):(\w+)\]", r"wonderland.numpy.take(\1, \2 + np.arange(size), axis=0)"),
    (r"(\w+)\[(\w+)\]", r"np.stack(\1)[\2]"),
)
HASH: Repairs = (
    (r"(\w+) not in \{(.+?)\}", r"~np.isin(\1, [\2])"),
    (r"(\w+) in \{(.+?)\}", r"np.isin(\1, [\2])"),
)
WRITE: Repairs = (
    (r"^(\w+)(\[.+\] [-+*/@%&|^]?=.+)$", r"\1 = \1.copy() before \1\2"),
    (r"^np\.(\w+)\((\w+), (.+)$", r"\2 = \2.copy() before np.\1(\2, \3"),
)


def repaired(line: str, repairs: Repairs, otherwise: str) -> str:
    """The user's line with the first pattern that it holds replaced, or `otherwise`."""
    for pattern, replacement in repairs:
        fixed, count = re.subn(pattern, replacement, line)
        if count:
            return fixed
    return otherwise


def refuse(what: str, repairs: Repairs, otherwise: str) -> NoReturn:
    """Raise the error that shows the user's line and its repair."""
    source = user_source()
    repair = repaired(source.text if source else "", repairs, otherwise)
    raise ProgramError(what, where(source), repair)


class Concrete:
    """The protocols that ask for numbers. All of them refuse."""

    __slots__ = ()
    type: Type

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        refuse(
            f"array: numbers are required, got a traced {self.type}",
            ARRAY,
            "the function of wonderland.numpy of the same name",
        )

    def __bool__(self) -> bool:
        refuse(
            f"bool: a truth value is required, got a traced {self.type}",
            TRUTH,
            "np.where(condition, a, b)",
        )

    def _number(self, kind: str) -> NoReturn:
        refuse(
            f"{kind}: a number is required, got a traced {self.type}", NUMBER, f"x.astype({kind})"
        )

    def __float__(self) -> float:
        self._number("float")

    def __int__(self) -> int:
        self._number("int")

    def __complex__(self) -> complex:
        self._number("complex")

    def item(self, *at: int) -> Any:
        self._number("item")

    def tolist(self) -> Any:
        self._number("tolist")

    def __index__(self) -> int:
        refuse(
            f"index: a Python int is required, got a traced {self.type}",
            INDEX,
            "a Python int, known when the function is traced",
        )

    def refuse_write(self, what: str, kind: str) -> NoReturn:
        """The array may not be written to."""
        refuse(
            f"{what}: a writable array is required, got {kind} {self.type}",
            WRITE,
            "x = x.copy() before, or x = x.at[i].set(v)",
        )

    def __contains__(self, item: Any) -> bool:
        refuse(f"in: numbers are required, got a traced {self.type}", (), "np.any(x == item)")

    def __hash__(self) -> int:
        refuse(
            f"hash: a number is required, got a traced {self.type}",
            HASH,
            "np.isin(x, [a, b]) in place of x in {a, b}, id(x) as a key",
        )

    def __format__(self, spec: str) -> str:
        if spec:
            refuse(
                f"format: a number is required, got a traced {self.type}",
                (),
                "print the results of the function",
            )
        return str(self)
