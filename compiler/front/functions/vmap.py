"""vmap: a function of one example as a function of many at once.

    norms = wl.vmap(np.linalg.norm)(rows)
    predictions = wl.vmap(predict, in_axes=(None, 0))(params, images)
    slopes = wl.vmap(wl.grad(loss), in_axes=(None, 0, 0))(params, images, labels)

The function is traced once, on slices, and its graph is batched: there is no loop. Inside a trace
the result is part of the outer graph; outside, the interpreter runs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

import numpy as np

from ...ir.errors import ProgramError
from ...ir.explain import explained
from ...ir.graph import Graph, Value
from ...ir.source import location, user_source
from ...ir.symbolic import repeated
from ...ir.types import Type
from ...ops.source import iota
from ...ops.view import permute
from ...settings import active as active_settings
from ...trace import tree
from ...trace.mapped import Mapped
from ...trace.standing import name_of
from ...trace.trace import Traced, aval, call, names_of, trace_tree
from ...trace.tracer import Tracer, active, current
from ...trace.tree import Structure
from ...transform import batch

Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")
Axes = list[int | None]


@overload
def vmap(
    fun: np.ufunc,
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Function: ...
@overload
def vmap(
    fun: Callable[P, R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Callable[P, R]: ...
@overload
def vmap(
    fun: Function,
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Function: ...
@explained
def vmap(
    fun: Function,
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Function:
    """`fun` of every slice of its arguments at once.

    `in_axes` says which axis of each positional argument is mapped over: an int, None for an
    argument that is the same for all, or a tuple with an entry per argument, each an int, None or a
    tree of them that matches the argument down to some depth. Keyword arguments are mapped over
    their first axis. `out_axes` says in the same way where the results have the new axis; None asks
    for a result that is the same for all. With `axis_name`, `wl.lax.psum` and its like combine
    values over the axis.

    Errors: sizes that differ, an axis that an argument lacks, nothing mapped (and no `axis_size`),
    None in `out_axes` for what differs.
    Example:
    >>> import numpy as np
    >>> vmap(np.dot, in_axes=(0, None))(np.eye(3), np.arange(3.0))
    array([0., 1., 2.])
    """
    in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    required = (
        (callable(fun), "a function is required", fun, ""),
        (
            in_axes is None or isinstance(in_axes, int | tuple),
            "in_axes is an int, None, or a tuple with an entry per positional argument",
            in_axes,
            "in_axes=(axes of the argument,)",
        ),
        (axis_name is None or isinstance(axis_name, str), "axis_name is a str", axis_name, ""),
        (
            axis_size is None or (isinstance(axis_size, int) and axis_size >= 0),
            "axis_size is an int of at least 0",
            axis_size,
            "",
        ),
    )
    for fits, what, got, repair in required:
        if not fits:
            raise ProgramError(f"vmap: {what}, got {got!r:.60}", location(user_source()), repair)

    @functools.wraps(fun)
    def mapped(*args: Any, **options: Any) -> Any:
        leaves, structure = tree.flatten((args, options))
        names = names_of(fun, structure)
        avals = [aval(x, name) for x, name in zip(leaves, names, strict=True)]
        axes = in_axes_of(in_axes, args, structure, [of for of, _ in avals], names)
        size = size_of(axes, avals, names, axis_size)
        traced = traced_once(fun, leaves, structure, axes, (axis_name, size))
        made = batched(traced, structure, [of for of, _ in avals], axes, out_axes, size)
        return call(made, args, options)

    return mapped


def traced_once(
    fun: Function, leaves: list[Any], structure: Structure, axes: Axes, axis: tuple[Any, int]
) -> Traced:
    """The function of a place on the axis and of one slice of the arguments."""
    name, size = axis

    def placed(place: Any, given: Any) -> Any:
        slices = zip(tree.leaves(given), axes, strict=True)
        differs = (x.value for x, axis in slices if axis is not None)
        different = frozenset((place.value, *differs))
        active().note(Mapped(size, different, name, place, active_settings().mesh))
        args, options = given
        return fun(*args, **options)

    slices = tree.unflatten(structure, map(sliced, leaves, axes))
    label = name_of(fun)
    return trace_tree(placed, (Type("i32"), slices), label)


def sliced(x: Any, axis: int | None) -> Any:
    """What stands for one slice of a leaf when it is traced: as weak as the leaf."""
    if axis is None:
        return x
    of, weak = aval(x)
    slice_type = Type(of.dtype, (*of.shape[:axis], *of.shape[axis + 1 :]))
    owner = x.owner if isinstance(x, Tracer) else current()
    return slice_type if owner is None else Tracer(Value(slice_type), owner, weak)


def batched(
    traced: Traced, structure: Structure, types: list[Type], axes: Axes, out_axes: Any, size: int
) -> Traced:
    """The function of all arguments, from that of a place and slices."""
    inputs = [Value(t) for t in types]
    further = [Value(t.type) for t in traced.captured]
    place = iota(Type("i32", (size,)), 0)
    moved = [x if a is None else to_front(x, a) for x, a in zip(inputs, axes, strict=True)]
    marks = [True, *(a is not None for a in axes), *(False for _ in further)]
    found, wide = batch.batched_outputs(traced.graph, (place, *moved, *further), marks, size)
    results = []
    wanted = out_axes_of(out_axes, traced.outputs)
    paths = tree.paths(traced.outputs)
    for v, yes, axis, path in zip(found, wide, wanted, paths, strict=False):
        if axis is None:
            if yes:
                raise ProgramError(
                    f"vmap: out_axes is None for a result that is the same for all, got result"
                    f"{path} of {v.type}, which depends on the mapped arguments",
                    location(user_source()),
                    "out_axes=0, or wl.lax.pmean over axis_name",
                )
            results.append(v)
            continue
        ndim = len(v.shape) + (not yes)
        if not -ndim <= axis < ndim:
            raise ProgramError(
                f"vmap: out_axes within {ndim} dimensions is required for result{path}, got {axis}",
                location(user_source()),
            )
        (v,) = repeated((v,), (yes,), size)
        results.append(axis_from_front(v, axis % ndim))
    results += found[len(wanted) :]  # a token of a function of effects alone
    made = Graph.of(f"{traced.graph.name}_vmap", (*inputs, *further), results)
    return Traced(made, structure, traced.outputs, traced.captured, traced.weak)


def to_front(x: Value, axis: int) -> Value:
    return permute(x, (axis, *(a for a in range(len(x.shape)) if a != axis)))


def axis_from_front(x: Value, axis: int) -> Value:
    rest = range(1, len(x.shape))
    return permute(x, (*rest[:axis], 0, *rest[axis:]))


# ---------------------------------------------------------------- arguments


def in_axes_of(
    in_axes: Any,
    args: Sequence[Any],
    structure: Structure,
    types: Sequence[Type],
    names: Sequence[str],
) -> Axes:
    """The axis of each leaf, counted from the front."""
    positional, named = structure.children
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ProgramError(
            f"vmap: in_axes with an entry per positional argument is required, got {in_axes} for "
            f"{len(args)} arguments",
            location(user_source()),
        )
    try:
        axes = [*tree.prefix(in_axes, positional), *(0 for _ in range(named.size))]
    except ProgramError as error:
        raise ProgramError(f"vmap: in_axes: {error.what}", location(user_source())) from None
    found: Axes = []
    for i, (axis, of, name) in enumerate(zip(axes, types, names, strict=True)):
        if axis is not None and not -of.ndim <= axis < of.ndim:
            raise ProgramError(
                f"vmap: an array with an axis {axis} is required for {name}, got {of}",
                location(user_source()),
                "None in in_axes for what is the same for all"
                if i < positional.size
                else f"functools.partial(f, {name}=...) for what is the same for all",
            )
        found.append(None if axis is None else axis % of.ndim)
    return found


def size_of(
    axes: Axes, avals: Sequence[tuple[Type, bool]], names: Sequence[str], axis_size: int | None
) -> int:
    """The one size of the mapped axes."""
    mapped = [
        (of.shape[axis], f"{of.shape[axis]} ({name}: {of}, axis {axis})")
        for axis, (of, _), name in zip(axes, avals, names, strict=True)
        if axis is not None
    ]
    if axis_size is not None:
        mapped.insert(0, (axis_size, f"{axis_size} (axis_size)"))
    if not mapped:
        raise ProgramError(
            "vmap: a mapped argument is required, got None for all of in_axes",
            location(user_source()),
            "in_axes=0 for some argument, or axis_size=",
        )
    first: dict[int, str] = {}
    for size, text in mapped:
        first.setdefault(size, text)
    if len(first) > 1:
        raise ProgramError(
            f"vmap: one size of the mapped axes is required, got {' and '.join(first.values())}",
            location(user_source()),
        )
    return mapped[0][0]


def out_axes_of(out_axes: Any, outputs: Structure) -> list[Any]:
    """The axis of each result."""
    try:
        return list(tree.prefix(out_axes, outputs))
    except ProgramError as error:
        raise ProgramError(f"vmap: out_axes: {error.what}", location(user_source())) from None
