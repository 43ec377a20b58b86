"""What a traced value cannot do, because it has no numbers yet, and what to write instead.

Python and NumPy ask an object for numbers through `__array__`, `__bool__`, `__float__`, `__index__`
and a few more. Each of them raises here, with the user's line and the line repaired.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..ir.errors import ProgramError
from ..ir.failed import Rule, repaired
from ..ir.source import location, user_source
from ..ir.types import Type
from . import repairs
from .static_fields import static_field

ARRAY: tuple[Rule, ...] = (
    repairs.itself,
    repairs.scalar_type,
    repairs.our_function,
    repairs.hinted,
    repairs.our_tricks,
    repairs.our_scipys,
    repairs.our_random,
    repairs.our_table,
    repairs.our_array,
    repairs.called_back,
)
TRUTH: tuple[Rule, ...] = (
    repairs.asserted,
    repairs.check_instead,
    repairs.condition_loop,
    repairs.flagged,
    repairs.member,
    repairs.boolean_operation,
    repairs.elementwise_extreme,
    repairs.of_a_sequence,
    repairs.as_type,
    repairs.conditional,
    repairs.static_number,
)
NUMBER: tuple[Rule, ...] = (
    repairs.by_numpy,
    repairs.range_loop,
    repairs.print_when_run,
    repairs.in_text,
    repairs.as_type,
    repairs.filled_anew,
    repairs.our_array,
    repairs.outer_array,
)
INDEX: tuple[Rule, ...] = (repairs.range_loop, repairs.our_slice, repairs.our_table)
WRITE: tuple[Rule, ...] = (repairs.out_argument, repairs.copied)


def refuse(what: str, rules: tuple[Rule, ...], otherwise: str) -> NoReturn:
    """Raise the error that shows the user's line and its repair."""
    raise ProgramError(what, location(user_source()), repaired(rules, otherwise))


class Concrete:
    """The protocols that ask for numbers. All of them refuse."""

    __slots__ = ("__weakref__",)
    type: Type

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        refuse(
            f"array: numbers are required, got a traced {self.type}",
            ARRAY,
            "",
        )

    def _refuse_field(self, what: str) -> None:
        """Refuses a field that is an int or a bool, which its class makes static."""
        if repair := static_field(self):
            raise ProgramError(
                f"{what} is required, got a traced {self.type}", location(user_source()), repair
            )

    def __bool__(self) -> bool:
        self._refuse_field("bool: a truth value")
        refuse(
            f"bool: a truth value is required, got a traced {self.type}",
            TRUTH,
            "np.where(condition, a, b), or wl.lax.cond(condition, f, g, x)",
        )

    def _number(self, kind: str) -> NoReturn:
        otherwise = f"x.astype({kind})" if kind in ("float", "int", "complex") else "x itself"
        refuse(f"{kind}: a number is required, got a traced {self.type}", NUMBER, otherwise)

    def __float__(self) -> float:
        self._number("float")

    def __int__(self) -> int:
        self._refuse_field("int: a number")
        self._number("int")

    def __complex__(self) -> complex:
        self._number("complex")

    def item(self, *at: int) -> Any:
        self._number("item")

    def tolist(self) -> Any:
        self._number("tolist")

    def __index__(self) -> int:
        self._refuse_field("index: a Python int")
        refuse(
            f"index: a Python int is required, got a traced {self.type}",
            INDEX,
            "static_argnums=, for an argument that is a Python int",
        )

    def refuse_write(self, what: str, kind: str) -> NoReturn:
        """The array may not be written to."""
        refuse(
            f"{what}: a writable array is required, got {kind} {self.type}",
            WRITE,
            "x = x.copy() before, or x = x.at[i].set(v)",
        )

    def __contains__(self, item: Any) -> bool:
        refuse(
            f"in: numbers are required, got a traced {self.type}",
            (repairs.member,),
            "np.any(x == item)",
        )

    def __hash__(self) -> int:
        refuse(
            f"hash: a number is required, got a traced {self.type}",
            (repairs.member,),
            "np.isin(x, [a, b]) in place of x in {a, b}, or id(x) as a key",
        )

    def __format__(self, spec: str) -> str:
        if spec:
            refuse(
                f"format: a number is required, got a traced {self.type}",
                (repairs.print_when_run,),
                "wl.debug.print('{}', x), or print the results of the function",
            )
        return str(self)
