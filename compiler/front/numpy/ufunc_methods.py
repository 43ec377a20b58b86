"""The methods of NumPy's ufuncs: outer, reduce, accumulate, at, of functions that have no own.

What has no reduction of its own is reduced by halves, and accumulated by pairs at distances of 1,
2, 4 and so on: log2(n) kernels of what is associative and commutative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...trace.operands import axis_of, operand, shape_of, tracer, wrong
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, Tracer
from . import parts as _parts  # noqa: F401  whose functions have methods too
from . import writes as _writes  # noqa: F401  which has other forms of `at`
from .reductions import reduced_axes
from .shapes import concatenate, moveaxis, reshape
from .updates import at as at_
from .writes import writable

ASSOCIATIVE = (
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.fmax, np.fmin, np.gcd, np.hypot, np.lcm,
    np.logaddexp, np.logaddexp2, np.logical_and, np.logical_or, np.logical_xor,
)  # fmt: skip

Method = Callable[..., Any]


def _outer(function: np.ufunc) -> Method:
    def outer(A: Any, B: Any, /, **options: Any) -> Any:
        x, y = operand(A), operand(B)
        if shape_of(x):
            x = tracer(x)
            x = reshape(x, x.shape + (1,) * len(shape_of(y)))
        return FUNCTIONS[function](x, y, **options)

    return outer


def _dtype_of(function: np.ufunc, x: Tracer, dtype: Any) -> Any:
    """In which a function is reduced: truth values in theirs, for it may give no other."""
    truths = all(t.endswith("?") for t in function.types if "O" not in t)
    return np.bool_ if truths else x.dtype if dtype is None else dtype


def _reduce(function: np.ufunc) -> Method:
    def reduce(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Tracer:
        name = f"{function.__name__}.reduce"
        x: Any = tracer(array)
        x = x.astype(_dtype_of(function, x, dtype))
        identity = function.identity
        with np.errstate(all="ignore"):  # -1 is all bits of unsigned integers
            neutral = None if identity is None else np.asarray(identity).astype(x.dtype)
        first = neutral if initial is None else initial
        if where is not True:
            if first is None:
                raise wrong(f"{name}: initial= is required beside where=")
            x = np.where(where, x, np.asarray(first).astype(x.dtype))
        axes = reduced_axes(name, axis, x.ndim)
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        count = math.prod(x.shape[i] for i in axes)
        rows = reshape(moveaxis(x, axes, range(len(axes))), (count, *rest))
        if count == 1 and initial is None:
            initial = neutral  # as NumPy begins: hypot of -1 alone is 1
        if not rows.shape[0]:
            if first is None:
                raise wrong(f"{name}: at least one element is required, got {x.type}")
            return FUNCTIONS[np.full](kept if keepdims else rest, first, x.dtype)
        while half := rows.shape[0] // 2:
            both = FUNCTIONS[function](rows[:half], rows[half : 2 * half])
            rows = concatenate([both, rows[2 * half :]]) if rows.shape[0] % 2 else both
        found = rows[0] if initial is None else FUNCTIONS[function](rows[0], initial)
        return reshape(found, kept) if keepdims else found

    return reduce


def _accumulate(function: np.ufunc) -> Method:
    def accumulate(array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Tracer:
        x = tracer(array)
        x = x.astype(_dtype_of(function, x, dtype))
        axis = axis_of(f"{function.__name__}.accumulate", axis, x.ndim)
        rows: Tracer = moveaxis(x, axis, 0)
        by = 1
        while by < rows.shape[0]:
            rows = concatenate([rows[:by], FUNCTIONS[function](rows[:-by], rows[by:])])
            by *= 2
        return moveaxis(rows, 0, axis)

    return accumulate


def _at(function: np.ufunc, update: str) -> Method:
    """The product of what is at one place first, which of floats is rounded in another way."""

    def at(a: Any, indices: Any, b: Any, /) -> None:
        x = writable(a, f"{function.__name__}.at")
        if not x.type.is_inexact:
            raise wrong(f"{function.__name__}.at: inexact numbers are required, got {x.type}")
        x.write(tracer(getattr(at_(x)[indices], update)(b), x.type.dtype))

    return at


def _enter() -> None:
    """Enters the forms that no other file has."""
    for function in [f for f in FUNCTIONS if isinstance(f, np.ufunc) and f.signature is None]:
        if function.nin != 2:
            continue
        implements(function.outer)(_outer(function))
        if function in ASSOCIATIVE:
            for name, form in (("reduce", _reduce), ("accumulate", _accumulate)):
                if getattr(function, name) not in FUNCTIONS:
                    implements(getattr(function, name))(form(function))


for _function, _update in ((np.divide, "divide"), (np.power, "power")):
    implements(_function.at, writes=True)(_at(_function, _update))
_enter()
