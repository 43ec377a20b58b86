"""Values of all applications of a function along a named axis, by jax.lax's names.

    def step(w, x, y):
        return w - 0.1 * wl.lax.pmean(wl.grad(loss)(w, x, y), "batch")

    wl.vmap(step, in_axes=(None, 0, 0), out_axes=None, axis_name="batch")(w, xs, ys)

The axis is one of vmap or, in a program of many processes (`wl.distributed.spmd`), one of a mesh of
them, whose applications are the processes. The nearest axis of a name is meant. A branch or a loop
with one of these functions in it is taken by all processes of the axis alike; that of vmap need not
be.
Arguments may be trees. Several names in a tuple are one axis, the first name outermost. All of them
are differentiable, in both modes. As in JAX without checks of replication, the derivative of what
an application gives to another counts: the gradient of a psum is the psum of gradients, so what is
differentiated is the sum of the function's value over all applications.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.explain import explained, shown
from ...ir.graph import Value
from ...ir.types import Type
from ...ops import collective, exchange
from ...ops.collective import NamedAxis
from ...ops.elementwise import cast
from ...ops.gather import take
from ...ops.source import constant, full
from ...ops.view import permute
from ...settings import active
from ...trace import tree
from ...trace.mapped import named_axes
from ...trace.operands import axis_of, new, tracer, value, whole, wrong
from ...trace.tracer import Tracer, current

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "pbroadcast",
    "pcast",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "psum",
    "psum_scatter",
]

Names = str | Sequence[str]


def mapped_axes(function: str, axis_name: Names) -> list[NamedAxis]:
    """Each axis, outermost first."""
    known = named_axes()
    names: list[Any] = list(axis_name) if isinstance(axis_name, tuple | list) else [axis_name]
    if len(set(map(str, names))) < len(names):
        raise wrong(f"{function}: names that differ are required, got {tuple(names)}")
    found = []
    for name in names:
        if current() is None and name in dict(active().mesh):
            raise wrong(
                f"{function}: a compiled function is required in a mesh, got none around it",
                f"wl.jit(lambda x: wl.lax.{function}(x, {name!r}))(x)",
            )
        if name not in known:
            around = ", ".join(map(repr, known)) or "a vmap or mesh around it"
            raise wrong(
                f"{function}: an axis of {around} is required, got {name!r}",
                f"wl.vmap(f, axis_name={name!r}), or wl.distributed.spmd(f, mesh) of processes",
            )
        place, size, mesh = known[name]
        found.append(NamedAxis(name, value(place), size, mesh))
    return found


def ungrouped(function: str, groups: Any) -> None:
    if groups is not None:
        raise wrong(f"{function}: axis_index_groups has no form here, got {groups!r:.40}")


@explained
def axis_size(axis_name: Names) -> int:
    """The number of applications along the axis: a Python int."""
    return math.prod(axis.size for axis in mapped_axes("axis_size", axis_name))


@explained
def axis_index(axis_name: Names) -> Tracer:
    """The place of this application on the axis, i32."""
    index = None
    for axis in mapped_axes("axis_index", axis_name):
        index = new(axis.place) if index is None else index * axis.size + new(axis.place)
    return new(full(0, Type("i32"))) if index is None else index


@explained
def psum(x: Any, axis_name: Names, *, axis_index_groups: Any = None) -> Any:
    """The sum over the axis; of a Python number its multiple, a Python number."""
    ungrouped("psum", axis_index_groups)
    named = mapped_axes("psum", axis_name)

    def total(leaf: Any) -> Any:
        if isinstance(leaf, bool | int | float):
            return leaf * axis_size(axis_name)
        found = tracer(leaf)
        v = value(found, "i32" if found.value.dtype == "bool" else "")
        for axis in reversed(named):
            v = collective.psum(v, axis)
        return new(v, found.weak)

    return tree.map(total, x)


@explained
def pmean(x: Any, axis_name: Names, *, axis_index_groups: Any = None) -> Any:
    """The mean over the axis."""
    size = axis_size(axis_name)
    return tree.map(lambda v: v / size, psum(x, axis_name, axis_index_groups=axis_index_groups))


@explained
def pmax(x: Any, axis_name: Names, *, axis_index_groups: Any = None) -> Any:
    """The greatest over the axis; the greatest share the derivative."""
    ungrouped("pmax", axis_index_groups)
    return tree.map(lambda leaf: extreme("pmax", collective.pmax, leaf, axis_name), x)


@explained
def pmin(x: Any, axis_name: Names, *, axis_index_groups: Any = None) -> Any:
    """The least over the axis; the least share the derivative."""
    ungrouped("pmin", axis_index_groups)
    return tree.map(lambda leaf: extreme("pmin", collective.pmin, leaf, axis_name), x)


def extreme(function: str, of: Any, leaf: Any, axis_name: Names) -> Tracer:
    found = tracer(leaf)
    dtype = found.value.dtype
    v = value(found, "u8" if dtype == "bool" else "")
    for axis in reversed(mapped_axes(function, axis_name)):
        v = of(v, axis)
    return new(cast(v, dtype), found.weak)


@explained
def all_gather(
    x: Any, axis_name: Names, *, axis_index_groups: Any = None, axis: int = 0, tiled: bool = False
) -> Any:
    """The values of all applications along a new `axis`; `tiled`, one after another along it."""
    ungrouped("all_gather", axis_index_groups)
    named = mapped_axes("all_gather", axis_name)

    def everyone(leaf: Any) -> Tracer:
        found = tracer(leaf)
        v = found.value
        for along in reversed(named):
            v = collective.all_gather(v, along)
        count = axis_size(axis_name)
        y = new(v, found.weak).reshape(count, *found.shape)
        return moved_axis("all_gather", y, 0, axis, tiled)

    return tree.map(everyone, x)


def moved_axis(function: str, y: Any, source: int, axis: int, tiled: bool) -> Any:
    """The axis `source` moved to `axis`; `tiled`, merged there with the axis that it comes before.

    Shapes: the rest of the axes keep their order.
    """
    at = axis_of(function, axis, y.ndim - 1 if tiled else y.ndim)
    y = np.moveaxis(y, source, at)
    if not tiled:
        return y
    return y.reshape(*y.shape[:at], y.shape[at] * y.shape[at + 1], *y.shape[at + 2 :])


@explained
def pbroadcast(x: Any, axis_name: Names, source: int) -> Any:
    """The value of the application `source` along the axis, in all."""
    size = axis_size(axis_name)
    if (at := whole(source)) is None or not 0 <= at < size:
        raise wrong(f"pbroadcast: a source below {size} is required, got {shown(source)}")
    mine = axis_index(axis_name) == at

    def given(leaf: Any) -> Any:
        found = tracer(leaf)
        masked = np.where(mine, found, np.zeros_like(found))
        return psum(masked, axis_name).astype(found.dtype)

    return tree.map(given, x)


@explained
def pcast(x: Any, axis_name: Names, *, to: str) -> Any:
    """x itself: no application's value is known to be that of another, so there is none to cast.

    JAX's with `check_vma=False`; where it checks, the gradient of what becomes varying is a sum
    over the axis, which is a `psum` of the gradient here.
    """
    mapped_axes("pcast", axis_name)
    return x


@explained
def ppermute(x: Any, axis_name: Names, perm: Sequence[tuple[int, int]]) -> Any:
    """Every application's value at another one: `perm` has pairs (source, destination).

    Who is no destination gets zeros.
    """
    size = axis_size(axis_name)
    pairs = [(int(a), int(b)) for a, b in perm]
    sources, destinations = ([p[k] for p in pairs] for k in (0, 1))
    if any(not 0 <= n < size for p in pairs for n in p) or any(
        len(set(ends)) < len(ends) for ends in (sources, destinations)
    ):
        raise wrong(
            f"ppermute: pairs of different sources and different destinations below {size} are "
            f"required, got {pairs}"
        )
    named = mapped_axes("ppermute", axis_name)

    def moved(leaf: Any) -> Any:
        found = tracer(leaf)
        if len(named) > 1:
            return moved_over(found, axis_name, pairs)
        return new(exchange.ppermute(found.value, named[0], tuple(pairs)), found.weak)

    return tree.map(moved, x)


def moved_over(x: Tracer, axis_name: Names, pairs: Sequence[tuple[int, int]]) -> Any:
    """`ppermute` over several axes: of what all have, this application's."""
    at, given = np.zeros(axis_size(axis_name), np.int32), np.zeros(axis_size(axis_name), bool)
    for source, destination in pairs:
        at[destination], given[destination] = source, True
    here = axis_element(new(constant(at)), 0, axis_name)
    y = new(take(all_gather(x, axis_name).value, here.value, 0), x.weak)
    if given.all():
        return y
    return np.where(axis_element(new(constant(given)), 0, axis_name), y, np.zeros_like(y))


@explained
def psum_scatter(
    x: Any,
    axis_name: Names,
    *,
    scatter_dimension: int = 0,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """This application's part, along `scatter_dimension`, of the sum over the axis.

    Shapes: the dimension is of the size of the axis and goes; `tiled`, it is a multiple of that.
    """
    ungrouped("psum_scatter", axis_index_groups)
    named = mapped_axes("psum_scatter", axis_name)

    def part(leaf: Any) -> Any:
        y, v = axis_parts("psum_scatter", leaf, scatter_dimension, axis_name, tiled)
        for axis in named:
            v = collective.psum_scatter(v, axis)
        return new(v, y.weak)

    return tree.map(part, x)


@explained
def all_to_all(
    x: Any,
    axis_name: Names,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """This application's part, along `split_axis`, of every application's value, along
    `concat_axis`.
    """
    ungrouped("all_to_all", axis_index_groups)
    named = mapped_axes("all_to_all", axis_name)

    def exchanged(leaf: Any) -> Any:
        y, v = axis_parts("all_to_all", leaf, split_axis, axis_name, tiled)
        for k, axis in enumerate(named):
            first = (k, *(a for a in range(len(v.shape)) if a != k))
            v = permute(exchange.all_to_all(permute(v, first), axis), np.argsort(first).tolist())
        z = new(v, y.weak).reshape(y.shape)
        return moved_axis("all_to_all", z, 0, concat_axis, tiled)

    return tree.map(exchanged, x)


def axis_parts(
    function: str, leaf: Any, axis: int, axis_name: Names, tiled: bool
) -> tuple[Tracer, Value]:
    """A leaf with the part of each application along axis 0, and the same with an axis for each.

    `tiled`, of `axis` the first of two.
    """
    y: Any = tracer(leaf)
    size, at = axis_size(axis_name), axis_of(function, axis, y.ndim)
    n = y.shape[at]
    if n % max(size, 1) if tiled else n != size:
        raise wrong(
            f"{function}: {'a multiple of ' if tiled else ''}{size} elements along axis {axis} "
            f"are required, got {y.type}"
        )
    if tiled:
        y = y.reshape(*y.shape[:at], size, n // max(size, 1), *y.shape[at + 1 :])
    y = np.moveaxis(y, at, 0)
    sizes = [axis.size for axis in mapped_axes(function, axis_name)]
    return y, y.reshape(*sizes, *y.shape[1:]).value


def axis_element(y: Any, axis: int, axis_name: Names) -> Any:
    """The element of this application along an axis as large as the named one."""
    named = mapped_axes("axis_index", axis_name)
    y = np.moveaxis(y, axis, 0)
    v = y.reshape(*(along.size for along in named), *y.shape[1:]).value
    for along in named:
        v = exchange.local_element(v, along)
    return new(v, y.weak)
