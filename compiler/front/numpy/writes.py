"""Writing to traced arrays, as NumPy writes to arrays.

What an op of the trace made may be written to; arguments, constants and views may not. A write
gives the tracer another value, and makes what shares its memory stale: see trace/aliases.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...ir.explain import explained
from ...ir.failed import repaired
from ...trace.aliases import same_view
from ...trace.operands import SCALARS, is_typed, met, operand, shape_of, tracer, wrong
from ...trace.repairs import our_array, our_maker
from ...trace.table import implements
from ...trace.tracer import FUNCTIONS, SYNTAX, Tracer, current
from .indexing import along_axis, getitem
from .selection import mode_of
from .shapes import ravel, reshape
from .updates import updated

__all__ = ["copyto", "fill_diagonal", "put", "put_along_axis", "putmask"]

METHODS = {
    np.add: "add",
    np.multiply: "mul",
    np.minimum: "min",
    np.maximum: "max",
}
"""What ufunc.at does, as a scatter."""


def writable(x: Any, what: str) -> Tracer:
    """`x`, which may be written to."""
    if not isinstance(x, Tracer):
        raise wrong(
            f"{what}: a traced array is required, got an array {list(np.shape(x))}",
            repaired(
                (our_maker, our_array),
                "x = wonderland.numpy.array(x).copy() before, or wl.numpy.at(x)[i].set(v)",
            ),
        )
    _ = x.value  # not stale
    refusal = x.refusal() or ("" if x.ndim else "a number")
    if refusal:
        x.refuse_write(what, refusal)
    return x


def setitem(x: Tracer, at: Any, value: Any) -> None:
    """x[at] = given

    x[at] += y comes here after `+=` wrote to the view x[at]: that is the write which is done now.
    """
    if isinstance(value, Tracer) and was_written(x, at, value):
        return
    if isinstance(value, Tracer) and completes(x, at, value):
        x.seen = x.memory.writes
    writable(x, "x[i] = v")
    if not isinstance(value, Tracer) and hasattr(value, "put_into"):  # elements of a traced mask
        return value.put_into(x, at)
    x.write(updated(x, at, value, "set"))


def was_written(x: Tracer, at: Any, value: Tracer) -> bool:
    """Whether `value` is x[at] of foreign code, to which a write was one to x."""
    if value.base is None or value.base[0] is not x or value.seen != value.memory.writes:
        return False
    one, other = (i if isinstance(i, tuple) else (i,) for i in (value.base[1], at))
    return len(one) == len(other) and all(
        i is j or (type(i) is type(j) and isinstance(i, (int, slice)) and i == j)
        for i, j in zip(one, other, strict=True)
    )


def completes(x: Tracer, at: Any, value: Tracer) -> bool:
    """Whether `value` is what the last write to the memory of x made of x[at]."""
    if value.replaced is None or x.memory.writes != x.seen + 1 or x.owner is not current():
        return False
    memory, view = value.replaced
    return memory is x.memory and same_view(getitem(Tracer(x._value, x.owner), at).value, view)


def overwrite(x: Tracer, result: Tracer, name: str) -> Tracer:
    """`x`, written over by `result`, which an op `name` made for it."""
    writable(x, f"{name} into x")
    if result.shape != x.shape:
        raise wrong(
            f"{name} into x: a result of the shape of {x.type} is required, got {result.type}"
        )
    if x.weak and is_typed(result) and result.type.is_complex == x.type.is_complex:
        x.write(result)
        return x
    if not np.can_cast(result.dtype, x.dtype, "same_kind"):
        raise wrong(
            f"{name} into x: a result that casts to {x.type} is required, got {result.type}",
            f"x = x.astype(np.{result.dtype}) before",
        )
    x.write(tracer(result, x.type.dtype) if result.dtype != x.dtype else result)
    return x


SYNTAX.setitem, SYNTAX.overwrite = explained(setitem, "x[i] = v"), overwrite


class FlatElements:
    """x.flat: the elements in the order of C."""

    __slots__ = ("x",)

    def __init__(self, x: Tracer) -> None:
        self.x = x

    def __getitem__(self, at: Any) -> Tracer:
        return self.x.viewed(ravel(self.x))[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        x = writable(self.x, "x.flat[i] = v")
        x.write(reshape(updated(ravel(x), at, value, "set"), x.shape))

    def __iter__(self) -> Iterator[Tracer]:
        return iter(ravel(self.x))

    def __len__(self) -> int:
        return self.x.size


SYNTAX.flat = FlatElements


def _at(function: np.ufunc, combine: str) -> Any:
    def implementation(x: Any, indices: Any, b: Any) -> None:
        x = writable(x, f"{function.__name__}.at")
        x.write(updated(x, indices, b, combine))

    return implementation


for _function, _combine in METHODS.items():
    FUNCTIONS[_function.at] = _at(_function, _combine)


def _subtract_at(x: Any, indices: Any, b: Any) -> None:
    FUNCTIONS[np.add.at](x, indices, FUNCTIONS[np.negative](tracer(b)))


FUNCTIONS[np.subtract.at] = explained(_subtract_at, "subtract.at")


KINDS = {k: i for i, ks in enumerate(("b", "iu", "fV", "c")) for k in ks}
"""How much each kind of numbers holds; V is bf16."""


@implements(np.copyto, writes=True)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """dst[where] = src"""
    dst, source = writable(dst, "copyto"), operand(src)
    found = tracer(source)
    fits = KINDS[found.dtype.kind] <= KINDS[dst.dtype.kind]
    if not (fits if found.weak else np.can_cast(found.dtype, dst.dtype, casting)):  # pyright: ignore[reportArgumentType]
        raise wrong(f"copyto: values that cast to {dst.type} are required, got {found.type}")
    given = source if type(source) in SCALARS else found  # which must be within the dtype
    whole = updated(dst, ..., given, "set")
    dst.write(whole if where is True else FUNCTIONS[np.where](where, whole, dst))


@implements(np.putmask, writes=True)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """a[mask] = values, of which the element in the same place is taken"""
    x, mask = writable(a, "putmask"), tracer(mask)
    flat = ravel(tracer(values))
    into = met(x, flat)
    if flat.size != 1 and flat.size != x.size:
        flat = FUNCTIONS[np.resize](flat, x.size)
    spread = reshape(flat, x.shape if flat.size == x.size else ())
    x.write(FUNCTIONS[np.where](mask, tracer(spread, into.type.dtype), into))


@implements(np.put, writes=True)
def put(a: Any, ind: Any, v: Any, mode: str | None = "raise", *, inplace: bool = True) -> Any:
    """a.flat[ind] = v, repeated as often as needed; `inplace=False` gives a new array, as JAX's."""
    x = writable(a, "put") if inplace else tracer(a)
    places, values = operand(ind), ravel(tracer(v))
    count = int(np.prod(shape_of(places)))
    if values.size != count:
        values = FUNCTIONS[np.resize](values, count)
    places = ravel(places) if isinstance(places, Tracer) else np.ravel(places)
    places = FUNCTIONS[np.maximum](places, 0) if mode == "clip" else places
    flat = updated(
        ravel(x), places, values, "set", mode_of("put", None if mode == "raise" else mode)
    )
    return x.write(reshape(flat, x.shape)) if inplace else reshape(flat, x.shape)


@implements(np.fill_diagonal, writes=True)
def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """a[i, i, ...] = val; `inplace=False` gives a new array, as JAX's."""
    x = writable(a, "fill_diagonal") if inplace else tracer(a)
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise wrong(f"fill_diagonal: a matrix or equal axes are required, got {x.type}")
    step = 1 + sum(int(np.prod(x.shape[k:])) for k in range(1, x.ndim))
    end = None if wrap or x.ndim > 2 else x.shape[1] * x.shape[1]
    count = len(range(*slice(None, end, step).indices(x.size)))
    given = ravel(tracer(val))
    if given.size not in (1, count):
        given = FUNCTIONS[np.resize](given, count)
    flat = updated(ravel(x), slice(None, end, step), given, "set")
    return x.write(reshape(flat, x.shape)) if inplace else reshape(flat, x.shape)


def put_along_axis(
    arr: Any,
    indices: Any,
    values: Any,
    axis: int | None,
    inplace: bool = True,
    *,
    mode: str | None = None,
) -> Any:
    """arr[..., indices[..., j, ...], ...] = values with j along `axis`

    `inplace=False` gives a new array, as jax.numpy's does.
    """
    if current() is None:
        made = arr if inplace else np.array(arr)
        np.put_along_axis(made, indices, values, axis)  # pyright: ignore[reportArgumentType]
        return None if inplace else made
    x = writable(arr, "put_along_axis") if inplace else tracer(arr)
    places = operand(indices)
    flat = axis is None
    inside = ravel(x) if flat else x
    if flat:
        places = ravel(places) if isinstance(places, Tracer) else np.ravel(places)
    at = along_axis("put_along_axis", inside, places, axis or 0)
    given = tracer(values)
    given = tracer(given, met(x, given).type.dtype)
    made = reshape(
        updated(inside, at, given, "set", mode_of("put_along_axis", mode)), x.shape
    )
    if not inplace:
        return made
    x.write(made)
    return None


FUNCTIONS[np.put_along_axis] = put_along_axis = explained(put_along_axis)
