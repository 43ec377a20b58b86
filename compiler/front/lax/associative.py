"""Prefixes by a function that is associative, as jax.lax has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ...ir.explain import explained
from ...ir.graph import apply_all
from ...ir.types import Type
from ...ops import AssociativeScan
from ...ops.view import reshape
from ...trace import tree
from ...trace.operands import axis_of, casted, is_weak, new, tracer, wrong
from ...trace.trace import aval, note_effects
from ...trace.tracer import Tracer
from ..numpy import shapes
from .control_flow import Body, Function, agreed, function_given, here

R = TypeVar("R")


@explained
def associative_scan(
    fn: Callable[[Any, Any], Any], elems: R, reverse: bool = False, axis: int = 0
) -> R:
    """ys[i] = fn(...fn(fn(x[0], x[1]), x[2])..., x[i]) along `axis` of every leaf.

    `fn` is associative, and combines two trees of many elements at once, each alone: it is traced
    once, for one element, whose `axis` has size 1. With `reverse` the scan begins at the end:
    ys[i] = fn(ys[i + 1], x[i]).
    Elements are combined in the order above where one pass does it: sums, products, extrema, parts
    of the state of which the next is linear in the last (of halves in f32), and states that are
    wide. Short states of long sequences are combined in chunks, whose number follows from sizes
    alone. So values may differ by rounding from those of another order, as of a tree, but not from
    run to run, nor with the number of threads.
    Derivatives: forward and reverse, of any order. Cost: n applications, in chunks 2 n, of which
    about 3 sqrt(n) are one after the other for states of one number; the program has the same size
    for any n.
    Source: Blelloch, Prefix sums and their applications, 1990.
    Example:
    >>> associative_scan(np.multiply, np.array([1, 2, 3, 4]))
    array([ 1,  2,  6, 24])
    """
    function_given("associative_scan", fn)
    return here(lambda elems: _associative(fn, elems, reverse, axis), "associative_scan", elems)


def _associative(fn: Function, elems: Any, reverse: bool, axis: int) -> Any:
    leaves, structure = tree.flatten(elems)
    if not leaves:
        raise wrong("associative_scan: one array or more is required, got none")
    arrays = [tracer(x) for x in leaves]
    axes = [axis_of("associative_scan", axis, x.ndim) for x in arrays]
    sizes = {x.shape[a] for x, a in zip(arrays, axes, strict=True)}
    if len(sizes) > 1:
        types = " and ".join(str(x.type) for x in arrays)
        raise wrong(f"associative_scan: one size along axis {axis} is required, got {types}")
    moved = [shapes.moveaxis(x, a, 0) for x, a in zip(arrays, axes, strict=True)]
    elements = [Type(x.type.dtype, x.shape[1:]) for x in moved]
    paths = tree.paths(structure)

    @functools.wraps(fn)
    def combined(one: list[Tracer], two: list[Tracer]) -> list[Tracer]:
        sides = ([with_axis(x, a) for x, a in zip(side, axes, strict=True)] for side in (one, two))
        found, got = tree.flatten(fn(*(tree.unflatten(structure, side) for side in sides)))
        if got != structure:
            raise wrong(
                "associative_scan: fn must return what it is given, "
                + tree.difference(structure, got)
            )
        given = zip(found, elements, axes, paths, strict=True)
        return [without_axis(y, of, a, path) for y, of, a, path in given]

    body = Body("associative_scan", combined, (elements, elements))
    op = AssociativeScan(body.graph, len(body.consts), bool(reverse))
    found = apply_all(op, *body.consts, *(x.value for x in moved))
    note_effects(found)
    made = [shapes.moveaxis(new(y), 0, a) for y, a in zip(found, axes, strict=True)]
    return tree.unflatten(structure, made)


def with_axis(x: Tracer, axis: int) -> Tracer:
    """One element, with the axis of the elements."""
    return new(reshape(x.value, (*x.shape[:axis], 1, *x.shape[axis:])))


def without_axis(y: Any, of: Type, axis: int, path: str) -> Tracer:
    """What fn returned for one element, without the axis of the elements."""
    wanted = Type(of.dtype, (*of.shape[:axis], 1, *of.shape[axis:]))
    found = aval(y)[0]
    if found != wanted and agreed((wanted, False), (found, is_weak(y))) != (wanted, False):
        repair = (
            f".astype(np.{wanted.numpy}) of what fn returns" if found.shape == wanted.shape else ""
        )
        raise wrong(
            f"associative_scan: fn must keep the type of its operands, {wanted}{path}, got {found}",
            repair,
        )
    return new(reshape(casted(tracer(y).value, of.dtype), of.shape))
