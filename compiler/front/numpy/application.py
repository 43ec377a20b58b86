"""NumPy's functions that apply functions: to slices, to elements, to places, by pieces."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...ir.explain import explained, shown
from ...trace.following import followers
from ...trace.operands import (
    axes_of,
    axis_of,
    cast_to,
    common_shape,
    holds_tracer,
    shape_given,
    shape_of,
    tracer,
    wrong,
)
from ...trace.table import implements
from ...trace.tracer import Tracer, current
from ..functions.vmap import vmap
from .creation import indices
from .elementwise import where
from .shapes import broadcast_to, expand_dims, moveaxis, ravel, reshape

__all__ = [
    "apply_along_axis", "apply_over_axes", "fromfunction", "ndenumerate", "piecewise", "vectorize",
]  # fmt: skip


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Tracer:
    """`func1d` of every slice along an axis, in whose place its result stands; traced once."""
    x = tracer(arr)
    axis = axis_of("apply_along_axis", axis, x.ndim)
    last = moveaxis(x, axis, -1)
    rows = reshape(last, (-1, x.shape[axis])) if last.size else last
    if not rows.size:
        raise wrong(f"apply_along_axis: one element at least is required, got {x.type}")
    found = tracer(vmap(lambda row: tracer(func1d(row, *args, **kwargs)))(rows))
    inner = found.shape[1:]
    found = reshape(found, (*last.shape[:-1], *inner))
    return moveaxis(
        found, range(found.ndim - len(inner), found.ndim), range(axis, axis + len(inner))
    )


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Tracer:
    """`func(x, axis)` for one axis after the other; axes that it drops are kept of size 1."""
    x = tracer(a)
    for axis in axes_of("apply_over_axes", axes, x.ndim):
        found = tracer(func(x, axis))
        x = found if found.ndim == x.ndim else expand_dims(found, axis)
    return x


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Tracer:
    """Where a condition holds, the value or function of x that stands at its place, of several
    the last; one more is for where none does, else 0.

    Functions see all of x, and what they give counts where their condition holds.
    """
    a = tracer(x)
    given: Any = condlist if isinstance(condlist, (list, tuple)) else tracer(condlist)
    one = not shape_of(given) if isinstance(given, Tracer) else False
    one = one or (not tracer(given[0]).ndim and a.ndim > 0)
    conditions = [tracer(c) for c in ([given] if one else given)]
    if any(c.shape != a.shape for c in conditions):
        types = ", ".join(str(c.type) for c in conditions)
        raise wrong(f"piecewise: conditions of the shape of {a.type} are required, got {types}")
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise wrong(
            f"piecewise: a function for each of {len(conditions)} conditions, and one more or not, "
            f"is required, got {len(funclist)}"
        )

    def value_of(function: Any) -> Any:
        return function(a, *args, **kw) if callable(function) else function

    rest = funclist[len(conditions)] if len(funclist) > len(conditions) else 0
    found = broadcast_to(cast_to(value_of(rest), a), a.shape)
    for condition, function in zip(conditions, funclist, strict=False):
        found = where(condition, cast_to(value_of(function), a), found)
    return found


@implements(np.fromfunction)
def fromfunction(
    function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any
) -> Any:
    """`function` of the places of each axis, arrays of the shape."""
    places = tuple(indices(shape_given("fromfunction", shape), dtype=dtype))
    return function(*(followers(places) if dtype is float else places), **kwargs)


@explained
def ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Places and elements, in the order of C."""
    flat = ravel(arr) if isinstance(arr, Tracer) else np.ravel(arr)
    return zip(np.ndindex(*np.shape(arr)), flat, strict=True)


# ---------------------------------------------------------------- vectorize

CORE = r"\(([^()]*)\)"


class vectorize:
    """A function of numbers, or of arrays of the axes that a signature "(n),(m)->(m)" names, as
    one of arrays of any more axes in front, which broadcast.

    In a trace it is traced once, of all elements at a time; outside it is NumPy's np.vectorize,
    which calls it for each. `excluded` holds places and names of arguments that are passed as they
    are. Results have the dtypes that the function gives, `otypes` if there are any.

    Example:
    >>> vectorize(lambda x, y: x if x > y else y)([1, 5, 2], 3)
    array([3, 5, 3])
    """

    def __init__(
        self,
        pyfunc: Callable[..., Any],
        otypes: Any = None,
        doc: str | None = None,
        excluded: Any = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self.pyfunc, self.otypes, self.signature = pyfunc, otypes, signature
        self.excluded = frozenset(excluded or ())
        self.eager = np.vectorize(pyfunc, otypes, doc, excluded, cache, signature)
        functools.update_wrapper(self, pyfunc, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current() is None and not holds_tracer([*args, *kwargs.values()]):
            return self.eager(*args, **kwargs)
        return self._traced(*args, **kwargs)

    @explained
    def _traced(self, *args: Any, **kwargs: Any) -> Any:
        chosen = [k for k in range(len(args)) if k not in self.excluded]
        names = [n for n in kwargs if n not in self.excluded]
        cores = self._cores(len(chosen) + len(names))
        xs = [tracer(x) for x in (*(args[k] for k in chosen), *(kwargs[n] for n in names))]
        if any(x.ndim < n for x, n in zip(xs, cores, strict=True)):
            types = ", ".join(str(x.type) for x in xs)
            raise wrong(f"vectorize: the axes of {self.signature} are required, got {types}")
        loops = [x.shape[: x.ndim - n] for x, n in zip(xs, cores, strict=True)]
        shape = common_shape("vectorize", *loops)
        size = int(np.prod(shape))

        def of(*given: Any) -> Any:
            own, named = list(args), dict(kwargs)
            for k, x in zip(chosen, given, strict=False):
                own[k] = x
            named |= dict(zip(names, given[len(chosen) :], strict=True))
            return self.pyfunc(*own, **named)

        rows = [
            reshape(
                broadcast_to(x, (*shape, *x.shape[x.ndim - n :])), (size, *x.shape[x.ndim - n :])
            )
            for x, n in zip(xs, cores, strict=True)
        ]
        found = vmap(of)(*rows) if rows else of()
        several = isinstance(found, tuple)
        made = [
            reshape(y, (*shape, *tracer(y).shape[1:])) for y in (found if several else (found,))
        ]
        if self.otypes is not None:
            made = [y.astype(t) for y, t in zip(made, self.otypes, strict=True)]
        return tuple(made) if several else made[0]

    def _cores(self, count: int) -> list[int]:
        """How many axes of each argument the function sees."""
        if self.signature is None:
            return [0] * count
        own = re.findall(CORE, self.signature.partition("->")[0])
        if len(own) != count:
            raise wrong(
                f"vectorize: {len(own)} arguments are required for {shown(self.signature)}, "
                f"got {count}"
            )
        return [len([n for n in axes.split(",") if n.strip()]) for axes in own]
