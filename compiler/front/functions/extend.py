"""What an op of your own is made of: a class with all its rules, in a file of yours.

`Op` is the general class, its docstrings say what each rule gives; families (`Elementwise`,
`OneResult`, `Linear`, `View`) supply what their members share. An op that no kernel can compute
runs by its reference, on the host. `wl.testing.check_op` compares all rules on the op's
samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Op, Sample, Value, apply, apply_all
from ...ir.parameters import Array
from ...ir.types import FLOATS, INTEGERS, Type, type_of
from ...kernel import Expr
from ...kernel import apply as scalar
from ...kernel.index import Piece
from ...ops.family import Elementwise, Linear, OneResult, View
from ...trace.operands import new, operand, value
from ...trace.trace import note_effects
from ...trace.tracer import current
from ...transform.interpreter import interpret

__all__ = [
    "FLOATS",
    "INTEGERS",
    "Array",
    "Elementwise",
    "Expr",
    "Graph",
    "Linear",
    "Node",
    "OneResult",
    "Op",
    "Piece",
    "ProgramError",
    "Sample",
    "Type",
    "Value",
    "View",
    "apply",
    "apply_all",
    "function_of",
    "ops",
    "scalar",
]


def function_of(op: Op) -> Callable[..., Any]:
    """The op as a function of arrays or traced values: one result, or a tuple of several."""

    def function(*args: Any) -> Any:
        xs = [operand(x) for x in args]
        if current() is None:
            arrays = [np.asarray(x) for x in xs]
            inputs = [Value(type_of(a)) for a in arrays]
            found: Any = interpret(Graph.of(op.name, inputs, apply_all(op, *inputs)), *arrays)
        else:
            values = apply_all(op, *map(value, xs))
            note_effects(values)
            found = tuple(map(new, values))
        return found[0] if len(found) == 1 else found

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = type(op).__doc__
    return function
