"""The scalar operations: name, arity, NumPy meaning, spelling, result type, cost.

One table serves every level: ops of the graph take their NumPy reference from it, expressions of
kernels apply it, and code generation spells it. Operands of one application have one dtype (but for
the condition of `select`).

    weight    rough cost in multiply-adds, for decisions only
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import types
from ..ir.errors import CompilerError
from .functions import digamma, erf, erfc, erfcinv, erfcx, erfinv, gamma, i0e, i1e, lgamma
from .incomplete import (
    beta_density,
    betainc,
    betaln,
    expi,
    expn,
    gamma_density,
    gammainc,
    gammaincc,
    zeta,
)

NUMPY = {d: types.NUMPY[d] for d in types.REAL}
HALVES = frozenset(types.HALVES)  # moved, chosen and cast; computed with in f32
FLOATS = frozenset(types.FLOATS) - HALVES
INTEGERS = frozenset(types.INTEGERS)
NUMBERS = FLOATS | INTEGERS
BITS = INTEGERS | {"bool"}
ALL = NUMBERS | BITS


class KernelError(CompilerError):
    """A kernel breaks a rule of this level."""


@dataclass(frozen=True)
class ScalarOp:
    """One operation on scalars. `function` is its meaning on NumPy arrays of operands."""

    name: str
    arity: int
    function: Callable[..., Any]
    accepts: frozenset[str]
    infix: str = ""
    gives_bool: bool = False
    weight: int = 1

    def result(self, dtypes: tuple[str, ...], param: Any = None) -> str:
        """The dtype of the result, or a KernelError that says which operands are required."""
        same = dtypes[1:] if self.name == "select" else dtypes
        fits = len(dtypes) == self.arity and len(set(same)) == 1 and same[0] in self.accepts
        if not fits or (self.name == "select" and dtypes[0] != "bool"):
            kind = (
                "a bool and " * (self.name == "select") + f"{len(same) or self.arity} of one dtype"
            )
            of = " ".join(sorted(self.accepts))
            raise KernelError(
                f"{self.name}: {kind} of {of} required, got {', '.join(dtypes) or 'none'}"
            )
        if self.name == "cast":
            if param not in NUMPY:
                raise KernelError(f"cast: a dtype is required, got {param!r}")
            return param
        return "bool" if self.gives_bool else same[0]


def in_first_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its result in the dtype of its first operand."""
    return lambda x, *rest: np.asarray(function(x, *rest)).astype(np.asarray(x).dtype, copy=False)


def fma(x: Any, y: Any, z: Any) -> Any:
    """x * y + z; exact to one rounding in f32, two roundings in f64."""
    if np.asarray(x).dtype == np.float32:
        return (np.asarray(x, np.float64) * y + z).astype(np.float32)
    return x * y + z


def cast(x: Any, dtype: str) -> Any:
    """x in another dtype. Floats to integers cut the fraction and saturate, NaN gives 0; integers
    wrap; bool is x != 0."""
    x, to = np.asarray(x), types.NUMPY[dtype]
    if to.kind not in "iu" or types.NAMES.get(x.dtype) not in types.FLOATS:
        return x.astype(to)
    x = x.astype(np.float64)
    least, most = np.iinfo(to).min, np.iinfo(to).max
    inside = (x > float(least)) & (x < float(most) + 1)
    ends = np.where(x > 0, most, np.where(x < 0, least, 0)).astype(to)
    return np.where(inside, np.where(inside, x, 0).astype(to), ends)


def power(x: Any, y: Any) -> Any:
    """x ** y; negative powers of integers are 0."""
    if np.asarray(y).dtype.kind != "i":
        return np.power(x, y)
    return np.where(np.less(y, 0), 0, np.power(x, np.maximum(y, 0)))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


OPS: dict[str, ScalarOp] = {
    op.name: op
    for op in (
        ScalarOp("add", 2, np.add, NUMBERS, "+"),
        ScalarOp("sub", 2, np.subtract, NUMBERS, "-"),
        ScalarOp("mul", 2, np.multiply, NUMBERS, "*"),
        ScalarOp("div", 2, np.divide, FLOATS, "/", weight=4),
        ScalarOp("floordiv", 2, in_first_dtype(np.floor_divide), NUMBERS, "//", weight=10),
        ScalarOp("rem", 2, in_first_dtype(np.remainder), NUMBERS, "%", weight=12),
        ScalarOp("pow", 2, in_first_dtype(power), NUMBERS, "**", weight=40),
        ScalarOp("fma", 3, fma, FLOATS),
        ScalarOp("maximum", 2, np.maximum, ALL, weight=2),
        ScalarOp("minimum", 2, np.minimum, ALL, weight=2),
        ScalarOp("neg", 1, np.negative, NUMBERS),
        ScalarOp("abs", 1, np.abs, NUMBERS),
        ScalarOp("sign", 1, np.sign, NUMBERS, weight=3),
        ScalarOp("eq", 2, np.equal, ALL, "==", gives_bool=True),
        ScalarOp("ne", 2, np.not_equal, ALL, "!=", gives_bool=True),
        ScalarOp("lt", 2, np.less, NUMBERS, "<", gives_bool=True),
        ScalarOp("le", 2, np.less_equal, NUMBERS, "<=", gives_bool=True),
        ScalarOp("gt", 2, np.greater, NUMBERS, ">", gives_bool=True),
        ScalarOp("ge", 2, np.greater_equal, NUMBERS, ">=", gives_bool=True),
        ScalarOp("select", 3, np.where, ALL | HALVES),
        ScalarOp("and_", 2, np.bitwise_and, BITS, "&"),
        ScalarOp("or_", 2, np.bitwise_or, BITS, "|"),
        ScalarOp("xor", 2, np.bitwise_xor, BITS, "^"),
        ScalarOp("not_", 1, np.invert, BITS),
        ScalarOp("shift_left", 2, np.left_shift, INTEGERS, "<<"),
        ScalarOp("shift_right", 2, np.right_shift, INTEGERS, ">>"),
        ScalarOp("cast", 1, cast, ALL | HALVES),
        ScalarOp("floor", 1, np.floor, FLOATS),
        ScalarOp("ceil", 1, np.ceil, FLOATS),
        ScalarOp("round", 1, np.rint, FLOATS),
        ScalarOp("sqrt", 1, np.sqrt, FLOATS, weight=5),
        ScalarOp("rsqrt", 1, in_first_dtype(lambda x: 1 / np.sqrt(x)), FLOATS, weight=9),
        ScalarOp("exp", 1, np.exp, FLOATS, weight=12),
        ScalarOp("expm1", 1, np.expm1, FLOATS, weight=18),
        ScalarOp("log", 1, np.log, FLOATS, weight=14),
        ScalarOp("log1p", 1, np.log1p, FLOATS, weight=20),
        ScalarOp("tanh", 1, np.tanh, FLOATS, weight=18),
        ScalarOp("sigmoid", 1, in_first_dtype(sigmoid), FLOATS, weight=17),
        ScalarOp("sin", 1, np.sin, FLOATS, weight=20),
        ScalarOp("cos", 1, np.cos, FLOATS, weight=20),
        ScalarOp("erf", 1, in_first_dtype(erf), FLOATS, weight=20),
        ScalarOp("trunc", 1, np.trunc, FLOATS),
        ScalarOp("copysign", 2, np.copysign, FLOATS, weight=2),
        ScalarOp("nextafter", 2, np.nextafter, FLOATS, weight=8),
        ScalarOp("exp2", 1, np.exp2, FLOATS, weight=12),
        ScalarOp("log2", 1, np.log2, FLOATS, weight=24),
        ScalarOp("log10", 1, np.log10, FLOATS, weight=24),
        ScalarOp("cbrt", 1, np.cbrt, FLOATS, weight=24),
        ScalarOp("hypot", 2, np.hypot, FLOATS, weight=24),
        ScalarOp("tan", 1, np.tan, FLOATS, weight=36),
        ScalarOp("asin", 1, np.arcsin, FLOATS, weight=24),
        ScalarOp("acos", 1, np.arccos, FLOATS, weight=24),
        ScalarOp("atan", 1, np.arctan, FLOATS, weight=18),
        ScalarOp("atan2", 2, np.arctan2, FLOATS, weight=40),
        ScalarOp("sinh", 1, np.sinh, FLOATS, weight=24),
        ScalarOp("cosh", 1, np.cosh, FLOATS, weight=18),
        ScalarOp("asinh", 1, np.arcsinh, FLOATS, weight=36),
        ScalarOp("acosh", 1, np.arccosh, FLOATS, weight=36),
        ScalarOp("atanh", 1, np.arctanh, FLOATS, weight=36),
        ScalarOp("erfc", 1, in_first_dtype(erfc), FLOATS, weight=48),
        ScalarOp("erfinv", 1, in_first_dtype(erfinv), FLOATS, weight=60),
        ScalarOp("lgamma", 1, in_first_dtype(lgamma), FLOATS, weight=150),
        ScalarOp("digamma", 1, in_first_dtype(digamma), FLOATS, weight=120),
        ScalarOp("erfcx", 1, in_first_dtype(erfcx), FLOATS, weight=70),
        ScalarOp("erfcinv", 1, in_first_dtype(erfcinv), FLOATS, weight=80),
        ScalarOp("gamma", 1, in_first_dtype(gamma), FLOATS, weight=120),
        ScalarOp("i0e", 1, in_first_dtype(i0e), FLOATS, weight=70),
        ScalarOp("i1e", 1, in_first_dtype(i1e), FLOATS, weight=70),
        ScalarOp("betaln", 2, in_first_dtype(betaln), FLOATS, weight=250),
        ScalarOp("zeta", 2, in_first_dtype(zeta), FLOATS, weight=500),
        ScalarOp("gammainc", 2, in_first_dtype(gammainc), FLOATS, weight=600),
        ScalarOp("gammaincc", 2, in_first_dtype(gammaincc), FLOATS, weight=600),
        ScalarOp("expn", 2, in_first_dtype(expn), FLOATS, weight=300),
        ScalarOp("expi", 1, in_first_dtype(expi), FLOATS, weight=500),
        ScalarOp("gamma_density", 2, in_first_dtype(gamma_density), FLOATS, weight=200),
        ScalarOp("beta_density", 3, in_first_dtype(beta_density), FLOATS, weight=350),
        ScalarOp("betainc", 3, in_first_dtype(betainc), FLOATS, weight=800),
    )
}
