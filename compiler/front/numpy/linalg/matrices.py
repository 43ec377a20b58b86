"""What functions of matrices do with their operands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec

from ....ir.explain import explained
from ....ir.graph import Value
from ....ir.types import HALVES, INEXACT
from ....ops.elementwise import cast
from ....trace.following import following
from ....trace.operands import new, operand, promoted, tracer, wrong
from ....trace.tracer import SYNTAX, Tracer, current

P = ParamSpec("P")


class Taken(NamedTuple):
    """Operands of one dtype that LAPACK knows, and the half that they were, if any."""

    xs: tuple[Tracer, ...]
    half: str

    @property
    def values(self) -> tuple[Value, ...]:
        return tuple(x.value for x in self.xs)

    def give(self, found: Value) -> Tracer:
        """A result, in the half that the operands were."""
        return new(cast(found, self.half) if self.half and found.type.is_inexact else found)


def taken(name: str, *given: Any, square: bool = False) -> Taken:
    """The operands as tracers: integers are taken as f64, halves as f32.

    The first is one of matrices, `square` where they have to be.
    """
    operands = [operand(x) for x in given]
    dtype = promoted(name, *operands)
    wide = "f32" if dtype in HALVES else dtype if dtype in INEXACT else "f64"
    xs = tuple(tracer(tracer(x, dtype), wide) for x in operands)
    shape = xs[0].shape
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise wrong(f"{name}: {kind} are required, got {xs[0].type.of(dtype)}")
    return Taken(xs, dtype if dtype in HALVES else "")


def anywhere(function: Callable[P, Any]) -> Callable[P, Any]:
    """The function of traced values; outside of a trace it is traced for its arrays and run."""

    traced = following(function)

    @functools.wraps(function)
    def public(*args: P.args, **options: P.kwargs) -> Any:
        if current() is not None:
            return traced(*args, **options)
        return SYNTAX.eagerly(traced, args, options)

    return explained(public)
