"""x[mask] of a traced mask in foreign code: elements whose number is not known.

They are kept in the shape of x, with the first element that the mask has in the place of all
others, so that what is computed of them is computed of numbers that are meant. They can be computed
with elements of the same mask, be reduced, and be written to y[mask].
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Op, Value
from ...ir.source import location, user_source
from ...ops.view import Copy
from ...trace.operands import value, wrong
from ...trace.tracer import FUNCTIONS, SYNTAX, Tracer, active
from .draft import Mixed, unwrapped

REDUCTIONS = {np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.any, np.all}
REDUCED = ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all")
PLACEWISE = {np.clip, np.where, np.nan_to_num, np.round, np.real, np.imag, np.astype, np.copy}


def _operator(function: Any) -> Callable[..., Any]:
    return lambda self, other: self.apply(function, (self, unwrapped(other)), {})


def _reflected(function: Any) -> Callable[..., Any]:
    return lambda self, other: self.apply(function, (unwrapped(other), self), {})


class Picked(Mixed):
    """The elements of `whole` where `mask` holds."""

    def __init__(self, whole: Tracer, mask: Tracer) -> None:
        self.whole, self.mask = whole, mask

    def apply(self, function: Any, args: Any, options: dict[str, Any]) -> Any:
        """A function by place of it and others of the same mask, or a reduction of it."""
        if function in REDUCTIONS and args[0] is self and len(args) < 3:
            axis = args[1] if len(args) == 2 else options.pop("axis", None)
            if axis in (None, 0) and not options:
                return self.reduced(function, axis)
        if not isinstance(function, np.ufunc) and function not in PLACEWISE:
            self.refuse(getattr(function, "__name__", "x[mask]"))
        given = [self.alike(x) for x in args]
        return Picked(FUNCTIONS[function](*given, **options), self.mask)

    def alike(self, x: Any) -> Any:
        """An operand beside it, in the same shape."""
        if isinstance(x, Picked):
            if not same_value(x.mask.value, self.mask.value):
                self.refuse("x[mask], y[other]")
            return x.whole
        if np.ndim(x):
            self.refuse("x[mask] and an array")
        return x

    def reduced(self, function: Any, axis: int | None) -> Any:
        """A reduction of all elements, or along the axis of the mask."""
        whole, mask = self.whole, self.mask
        axes = None if axis is None else tuple(range(mask.ndim))
        if function in (np.max, np.min):  # the others are copies of one of them
            return FUNCTIONS[function](whole, axes)
        spread = mask.reshape(mask.shape + (1,) * (whole.ndim - mask.ndim))
        inside = FUNCTIONS[np.broadcast_to](spread, whole.shape)
        return FUNCTIONS[function](whole, axes, where=inside)

    def put_into(self, x: Any, at: Any) -> None:
        """x[at] = the elements"""
        if not isinstance(at, Tracer) or not same_value(at.value, self.mask.value):
            self.refuse("x[i] = y[mask]")
        shape = self.mask.shape + (1,) * (self.whole.ndim - self.mask.ndim)
        x[...] = FUNCTIONS[np.where](self.mask.reshape(shape), self.whole.astype(x.dtype), x)

    def astype(self, dtype: Any, **options: Any) -> Picked:
        return Picked(self.whole.astype(dtype), self.mask)

    def copy(self) -> Picked:
        return Picked(self.whole, self.mask)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.whole.dtype

    @property
    def size(self) -> Any:
        rest = self.whole.size // max(self.mask.size, 1)
        return FUNCTIONS[np.sum](self.mask) * rest

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            self.refuse(f"{function.__name__}.{method}")
        return self.apply(function, unwrapped(inputs), options)

    def __getattr__(self, name: str) -> Any:
        if name in REDUCED:
            return lambda *args, **options: self.apply(getattr(np, name), (self, *args), options)
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse(f"x[mask].{name}")

    def refuse(self, what: str) -> NoReturn:
        raise ProgramError(
            f"{what}: a result of static shape is required, got elements of a traced mask "
            f"{self.mask.type}, which can be computed with by place, and be written to y[mask]",
            location(user_source()),
            "np.where(mask, x, 0)",
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self.refuse("array")

    def __len__(self) -> int:
        self.refuse("len")

    def __iter__(self) -> NoReturn:
        self.refuse("iteration")

    def __getitem__(self, at: Any) -> NoReturn:
        self.refuse("x[mask][i]")

    __add__, __radd__ = _operator(np.add), _reflected(np.add)
    __sub__, __rsub__ = _operator(np.subtract), _reflected(np.subtract)
    __mul__, __rmul__ = _operator(np.multiply), _reflected(np.multiply)
    __truediv__, __rtruediv__ = _operator(np.true_divide), _reflected(np.true_divide)
    __floordiv__, __rfloordiv__ = _operator(np.floor_divide), _reflected(np.floor_divide)
    __mod__, __rmod__ = _operator(np.remainder), _reflected(np.remainder)
    __pow__, __rpow__ = _operator(np.power), _reflected(np.power)
    __lt__, __le__ = _operator(np.less), _operator(np.less_equal)
    __gt__, __ge__ = _operator(np.greater), _operator(np.greater_equal)

    def __neg__(self) -> Picked:
        return self.apply(np.negative, (self,), {})

    def __abs__(self) -> Picked:
        return self.apply(np.abs, (self,), {})


def same_value(x: Value, y: Value, same_op: Callable[[Op, Op], bool] = operator.eq) -> bool:
    """Whether two values are computed in the same way."""
    pending, met = [(x, y)], set[tuple[int, int]]()
    while pending:
        a, b = map(uncopied, pending.pop())
        if a is b or (id(a), id(b)) in met:
            continue
        met.add((id(a), id(b)))
        one, two = a.node, b.node
        if one is None or two is None or len(one.args) != len(two.args) or a.index != b.index:
            return False
        if not same_op(one.op, two.op):
            return False
        pending += zip(one.args, two.args, strict=True)
    return True


def uncopied(x: Value) -> Value:
    """What a value is a copy of."""
    while x.node is not None and isinstance(x.node.op, Copy):
        x = x.node.args[0]
    return x


def picked(x: Tracer, mask: Tracer) -> Picked:
    """x[mask] in foreign code."""
    if mask.shape != x.shape[: mask.ndim]:
        raise wrong(f"x[mask]: a mask of the first axes of {x.type} is required, got {mask.type}")
    whole = Tracer(value(x), active(), x.weak)
    if not mask.size:
        return Picked(whole, mask)
    flat = whole.reshape((mask.size, *whole.shape[mask.ndim :]))
    first = flat[FUNCTIONS[np.argmax](mask.reshape(-1))]
    safe = FUNCTIONS[np.where](FUNCTIONS[np.any](mask), first, np.ones((), whole.dtype))
    spread = mask.reshape(mask.shape + (1,) * (whole.ndim - mask.ndim))
    return Picked(FUNCTIONS[np.where](spread, whole, safe), mask)


SYNTAX.picked = picked
