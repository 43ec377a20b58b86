"""Arrays with some elements replaced: x.at[i].set(v) is x, but for v there.

On tracers as an attribute, as jax.numpy has it; on arrays too as `at(x)[i].set(v)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import ProgramError
from ...ir.explain import explained
from ...ir.graph import Graph, Value
from ...ir.source import location, user_source
from ...ir.types import Type, type_of
from ...ops import flip, full, pad, scatter, select
from ...ops.gather import COMBINE
from ...ops.source import zero_of
from ...ops.view import reshape, spaced
from ...trace.arrays import plain
from ...trace.operands import met, new, operand, shape_of, tracer, value, wrong
from ...trace.tracer import FUNCTIONS, SYNTAX, Tracer, current, tracing
from ...transform.interpreter import interpret
from .indexing import bounds_of, elements_at, values_of
from .selection import Selection, mode_of, selection

__all__ = ["at"]

BOOLS = {"add": "max", "mul": "min"}
"""What a sum and a product of truth values are."""


class At:
    """`x.at`, of which `x.at[i]` is a place to update.

    Example:
    >>> at(np.zeros(3))[1:].add([1.0, 2.0])
    array([0., 1., 2.])
    """

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, at: Any) -> Place:
        return Place(self.x, at)


@explained
def at(x: Any) -> At:
    """`x.at`, for arrays that have no such attribute."""
    return At(x if isinstance(x, Tracer) else plain(x))


SYNTAX.at = at


class Place:
    """The elements x[at]. Every method gives a new array; what is updated twice is so in order.

    `mode` says what happens beyond the axes: "drop" leaves updates out, which is the default,
    "clip" moves them to the nearest element, "wrap" counts on; for `get` the default is "clip",
    and "fill" gives `fill_value`, by default NaN. Static indices beyond an axis are errors unless a
    mode is named. `unique_indices` promises that no element is updated twice: then derivatives need
    not ask which update lasts.
    """

    __slots__ = ("at", "x")

    def __init__(self, x: Any, at: Any) -> None:
        self.x, self.at = x, at

    def __repr__(self) -> str:
        return f"{self.x!r}.at[{self.at!r}]"

    def __getattr__(self, name: str) -> Any:
        known = [n for n in dir(Place) if not n.startswith("_") and n not in Place.__slots__]
        import difflib  # only errors need it

        near = difflib.get_close_matches(name, known, n=1)
        what = f"at: one of {', '.join(known)} is required, got {name}"
        repair = f"x.at[i].{near[0]}" if near else ""
        error = ProgramError(what, location(user_source()), repair)
        raise AttributeError(str(error), name=name, obj=self)

    @explained
    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """x[at]"""
        beyond = mode_of("get", mode)
        return self._run(
            lambda x: elements_at(x, self.at, beyond, fill_value, wrap_negative_indices)
        )

    @explained
    def set(self, values: Any, **options: Any) -> Any:
        """x, but `values` at the place"""
        return self._update("set", values, **options)

    @explained
    def add(self, values: Any, **options: Any) -> Any:
        """x with `values` added at the place"""
        return self._update("add", values, **options)

    @explained
    def subtract(self, values: Any, **options: Any) -> Any:
        """x with `values` subtracted at the place"""
        return self._update("add", _array_function(np.negative, values), **options)

    @explained
    def multiply(self, values: Any, **options: Any) -> Any:
        """x multiplied by `values` at the place"""
        return self._update("mul", values, **options)

    mul = multiply

    @explained
    def divide(self, values: Any, **options: Any) -> Any:
        """x divided by `values` at the place"""
        ones = At(_array_function(np.ones_like, self.x))
        return _array_function(np.divide, self.x, ones[self.at].multiply(values, **options))

    @explained
    def power(self, values: Any, **options: Any) -> Any:
        """x to the power of `values` at the place"""
        ones = At(_array_function(np.ones_like, self.x))
        return _array_function(np.power, self.x, ones[self.at].multiply(values, **options))

    @explained
    def min(self, values: Any, **options: Any) -> Any:
        """The lesser of x and `values` at the place"""
        return self._update("min", values, **options)

    @explained
    def max(self, values: Any, **options: Any) -> Any:
        """The greater of x and `values` at the place"""
        return self._update("max", values, **options)

    @explained
    def apply(self, func: Callable[[Any], Any], **options: Any) -> Any:
        """x with `func` of the elements at the place, once for each element"""
        beyond = options.get("mode")
        found = self.get(mode="clip" if beyond in (None, "drop", "fill") else beyond)
        return self.set(func(found), **options)

    def _update(
        self,
        combine: str,
        values: Any,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        beyond = mode_of("at", mode)
        options = combine, beyond, unique_indices, wrap_negative_indices
        return self._run(lambda x: updated(x, self.at, values, *options))

    def _run(self, function: Callable[[Tracer], Tracer]) -> Any:
        """`function` of x; outside of a trace, in one of its own."""
        if current() is not None:
            return function(tracer(self.x))
        x = np.asarray(self.x)
        with tracing("at") as made:
            place = Value(type_of(x))
            found = function(Tracer(place, made)).value
        return interpret(Graph.of("at", (place,), (found,)), x)[0]


def _array_function(function: Any, *args: Any) -> Any:
    return (function if current() is None else FUNCTIONS[function])(*args)


# ---------------------------------------------------------------- traced


def updated(
    x: Tracer,
    at: Any,
    update: Any,
    combine: str,
    mode: str | None = None,
    unique: bool = False,
    wrap: bool = True,
) -> Tracer:
    """`x` with `update` combined into x[at]; the result has the dtype of `x`, if that was typed."""
    update = operand(update) if isinstance(update, (list, tuple)) else update
    x = met(x, update)
    if isinstance(at, Tracer) and at.dtype.kind == "b":
        return masked_update(x, at, update, combine)
    if x.dtype.kind == "b" and combine != "set":
        whole = updated(
            x.astype(np.uint8), at, tracer(update).astype(bool).astype(np.uint8),
            BOOLS.get(combine, combine), mode, unique, wrap,
        )  # fmt: skip
        return whole.astype(bool)
    found = selection(x, at)
    u = reshape(update_values(x, update, found), found.block)
    if found.basic and any(found.along):
        return new(in_steps(x, update_values(x, update, found), found, combine), x.weak)
    u = flip(u, found.flipped)
    if not found.indexed:  # all of x
        return new(u, x.weak) if combine == "set" else combined_update(combine, x, new(u))
    indices = values_of(x, found, mode, wrap)
    unique = unique or (found.unique and wrap and mode != "wrap")
    made = scatter(
        x.value, u, indices, combine, **found.params,
        mode="clip" if mode == "clip" else "drop", unique=unique,
    )  # fmt: skip
    return new(made, x.weak)


def combined_update(combine: str, x: Any, y: Any) -> Any:
    """What a scatter does with an element and an update of it."""
    return FUNCTIONS[COMBINE[combine].numpy](x, y)


def update_values(x: Tracer, update: Any, selected: Selection) -> Value:
    """Values for x[at], of the dtype of x and broadcast; leading axes of one point are dropped."""
    shape = shape_of(update) if isinstance(update, Tracer) else np.shape(update)
    extra = len(shape) - len(selected.shape)
    if extra > 0 and set(shape[:extra]) == {1}:
        update = FUNCTIONS[np.reshape](update, shape[extra:])
        shape, extra = shape[extra:], 0
    sizes = selected.shape[max(-extra, 0) :]
    if extra > 0 or any(n not in (1, size) for n, size in zip(shape, sizes, strict=True)):
        raise wrong(
            f"x[i] = v: values that broadcast to {list(selected.shape)} are required, "
            f"got {list(shape)}"
        )
    return value(update, x.type.dtype, selected.shape)


def in_steps(x: Tracer, u: Value, selected: Selection, combine: str) -> Value:
    """An update of every so many elements: views with zeros between, chosen where a mask holds."""
    start, _, step, flipped = bounds_of(selected)
    lengths = iter(selected.shape)
    axes = [(p, 1 if isinstance(p, int) else next(lengths)) for p in selected.parts]
    sizes = [n for p, n in axes if p is not None]

    def spread(v: Value) -> Value:
        v = flip(reshape(v, sizes), flipped)
        for axis, by in enumerate(step):
            v = spaced(v, axis, by)
        high = tuple(n - low - m for n, low, m in zip(x.shape, start, v.shape, strict=True))
        return pad(v, tuple(start), high, zero_of(v.type))

    there = spread(full(True, Type("bool", u.shape)))
    new_values = spread(u)
    if combine != "set":
        new_values = combined_update(combine, x, new(new_values)).value
    return select(there, new_values, x.value)


def masked_update(x: Tracer, mask: Tracer, update: Any, combine: str) -> Tracer:
    """An update where a traced mask holds: one value for all, for the places are not known."""
    if mask.shape != x.shape[: mask.ndim]:
        raise wrong(f"x[mask]: a mask of the first axes of {x.type} is required, got {mask.type}")
    rest = x.shape[mask.ndim :]
    shape = shape_of(update) if isinstance(update, Tracer) else np.shape(update)
    if len(shape) > len(rest):
        raise wrong(
            f"x[mask] = v: a value for every place, which broadcasts to {list(rest)}, is "
            f"required for a traced mask, got {list(shape)}",
            "np.where(mask, v, x)",
        )
    v = new(value(update, x.type.dtype, rest))
    there = reshape(mask.value, (*mask.shape, *(1 for _ in rest)))
    changed = v if combine == "set" else combined_update(combine, x, v)
    return FUNCTIONS[np.where](new(there), changed, x)
