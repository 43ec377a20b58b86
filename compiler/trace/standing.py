"""Objects in the place of a user's function: jitted ones, and those that have rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from ..ir.errors import ProgramError

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


def name_of(function: Any) -> str:
    """What a function, or whatever else can be called, is called by."""
    return getattr(function, "__name__", type(function).__name__)


class StandIn(Generic[P, R]):
    """Has the name and the documents of `function`, and is a method in a class, as that is."""

    function: Callable[P, R]

    def stand_in(self, kind: str) -> None:
        """Takes name and documents. Errors: a ProgramError if `function` cannot be called."""
        # without its attributes, which a function made of another stand-in has taken from that
        functools.update_wrapper(self, self.function, updated=())
        if not callable(self.function):
            raise ProgramError(f"{kind}: a function is required, got {self.function!r}")

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        raise NotImplementedError

    @property
    def name(self) -> str:
        return name_of(self.function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(
        self: StandIn[Concatenate[Any, Q], R], instance: object, owner: Any = None
    ) -> Callable[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class Carrying(StandIn[P, R]):
    """A function that holds arrays, which are arguments of it where it is compiled."""

    def carried(self) -> Any:
        """What it holds now, as a tree."""
        raise NotImplementedError

    def apply_carried(self, carried: Any, *args: Any, **options: Any) -> Any:
        """The function, holding that."""
        raise NotImplementedError
