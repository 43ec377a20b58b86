"""Printing, Python functions and checks in the middle of traced programs; JAX's names.

    wl.debug.print("loss {}", loss)
    y = wl.pure_callback(scipy_function, wl.ShapeDtypeStruct(x.shape, x.dtype), x)
    wl.check(np.all(x > 0), "x must be positive, got {}", np.min(x))

Effects happen when the program runs, in the order of the calls, also under derivatives, where they
see the primal values, and under vmap, where they happen for each element: in the branch that it
takes, and until its loop ends (JAX refuses them there, or runs them for all); an effect of which
nothing differs between elements happens once. What a function raises reaches the caller, who gets
no results; the compiled program may be called again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Value, apply_all
from ..ir.parameters import Foreign
from ..ir.source import location, user_source
from ..ir.types import Type, dtype_name
from ..ops.effects import (
    METHODS,
    TOKEN,
    Check,
    DebugCallback,
    DebugPrint,
    IoCallback,
    PureCallback,
    check_format,
    token,
)
from ..trace import tree
from ..trace.arrays import refuse_subclasses
from ..trace.operands import new, operand, value
from ..trace.standing import name_of
from ..trace.trace import effects_of, note_effects
from ..trace.tracer import Tracer, active, current

Function = Callable[..., Any]


def debug_print(fmt: str, *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Prints `fmt.format(*args, **kwargs)` when the program runs; `wl.debug.print`.

    Arguments are trees of arrays, and of anything else that prints. Prints are always in order,
    whatever `ordered` says.
    """
    if not isinstance(fmt, str):
        raise ProgramError(
            f"debug_print: a format is required, got {fmt!r}", location(user_source())
        )
    try:
        check_format(fmt, len(args), kwargs)
    except (ProgramError, ValueError) as error:
        what = error.what if isinstance(error, ProgramError) else f"debug_print: {error}"
        raise ProgramError(what, location(user_source())) from None
    arrays: list[Any] = []
    given = tuple(template(x, arrays) for x in args)
    named = tuple((name, template(x, arrays)) for name, x in kwargs.items())
    if current() is None:
        DebugPrint((), fmt, given, named).run(*map(np.asarray, arrays))
        return
    effect(DebugPrint((), fmt, given, named), arrays)


def template(x: Any, arrays: list[Any]) -> tuple[Any, ...]:
    """How an argument of a print is put together of `arrays`, to which its own are added."""
    if isinstance(x, Tracer | np.ndarray | np.generic):
        arrays.append(x)
        return ("array",)
    if isinstance(x, dict):
        return ("dict", *((str(key), template(part, arrays)) for key, part in x.items()))
    if isinstance(x, list | tuple):
        kind = "list" if isinstance(x, list) else "tuple"
        return (kind, *(template(part, arrays) for part in x))
    plain = x is None or type(x) in (bool, int, float, str)
    return ("value", x if plain else str(x))


def debug_callback(callback: Function, *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Calls `callback(*args, **kwargs)` when the program runs; its result is dropped.

    Arguments are trees of arrays and of anything else, which the callback gets as it is. Calls are
    always in order, whatever `ordered` says.
    """
    function, arrays = flat_callback(callback, args, kwargs, "debug_callback")
    if current() is None:
        callback(*args, **kwargs)
        return

    def call(*given: np.ndarray) -> tuple[Any, ...]:
        function(*given)
        return ()

    effect(DebugCallback((), Foreign(call, function.__name__), ()), arrays)


def pure_callback(
    callback: Function,
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """`callback(*args, **kwargs)`, a function of arrays that only computes.

    Its results are a tree of arrays of the types `result_shape_dtypes`. It may be called once,
    several times, or not at all. It has no derivative: wrap it in `wl.custom_jvp` or
    `wl.custom_vjp`. Under vmap, `vmap_method` says how: "sequential" calls it for every element;
    "expand_dims" or "broadcast_all" once, for all, with arguments that are the same for all along a
    leading axis of 1, or repeated; for all means also for those that take another branch.
    """
    if vmap_method is not None and vmap_method not in METHODS:
        raise ProgramError(
            f"pure_callback: a vmap_method of {', '.join(METHODS)} is required, "
            f"got {vmap_method!r}",
            location(user_source()),
        )
    types, structure = wanted(result_shape_dtypes, "pure_callback")
    function, arrays = flat_callback(callback, args, kwargs, "pure_callback")
    call = Foreign(checked_callback(function, structure, "pure_callback"), function.__name__)
    op = PureCallback((), call, types, vmap_method)
    if current() is None:
        return tree.unflatten(structure, op.run(*map(np.asarray, arrays)))
    found = apply_all(op, *map(value, arrays))
    return tree.unflatten(structure, [new(v) for v in found])


def io_callback(
    callback: Function,
    result_shape_dtypes: Any,
    *args: Any,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """`callback(*args, **kwargs)`, called exactly once when the program gets there, in order with
    all other effects.

    Its results are a tree of arrays of the types `result_shape_dtypes`; None for no results. It has
    no derivative. Under vmap it is called for every element, unless it must be `ordered`.
    """
    types, structure = wanted(result_shape_dtypes, "io_callback")
    function, arrays = flat_callback(callback, args, kwargs, "io_callback")
    call = Foreign(checked_callback(function, structure, "io_callback"), function.__name__)
    op = IoCallback((), call, types, ordered)
    if current() is None:
        return tree.unflatten(structure, op.run(*map(np.asarray, arrays)))
    return tree.unflatten(structure, [new(v) for v in effect(op, arrays)])


def check(condition: Any, message: str, *values: Any) -> None:
    """Raises an AssertionError where `condition`, a bool or an array of them, is not true.

    `message` is a format of `values`. It is raised when the program gets there, with the line of
    this call; the caller gets no results.
    """
    if not isinstance(message, str):
        raise ProgramError(
            f"check: a message is required, got {message!r}", location(user_source())
        )
    place = location(user_source())
    given = [operand(x) for x in (condition, *values)]
    if current() is None:
        Check((), message, place).run(*map(np.asarray, given))
        return
    effect(Check((), message, place), given)


# ---------------------------------------------------------------- nodes


def effect(
    op: DebugPrint | DebugCallback | IoCallback | Check, arrays: list[Any]
) -> tuple[Value, ...]:
    """The results of a node with an effect, after the effects so far of the trace at hand."""
    tokens = [v for v in effects_of(active()) if v.type == TOKEN]
    found = apply_all(op, tokens[-1] if tokens else token(), *map(value, arrays))
    note_effects(found)
    return found[1:]


def flat_callback(
    callback: Function, args: tuple[Any, ...], options: dict[str, Any], name: str
) -> tuple[Function, list[Any]]:
    """The callback as a function of arrays alone, and these."""
    if not callable(callback):
        raise ProgramError(
            f"{name}: a function is required, got {callback!r}", location(user_source())
        )
    leaves, structure = tree.flatten((args, options))
    places = [i for i, x in enumerate(leaves) if isinstance(x, Tracer | np.ndarray | np.generic)]

    def function(*arrays: np.ndarray) -> Any:
        filled = dict(zip(places, arrays, strict=True))
        given, named = tree.unflatten(structure, [filled.get(i, x) for i, x in enumerate(leaves)])
        return callback(*given, **named)

    function.__name__ = name_of(callback)
    return function, [leaves[i] for i in places]


def wanted(declared: Any, name: str) -> tuple[tuple[Type, ...], tree.Structure]:
    """The types of results, and their tree."""
    leaves, structure = tree.flatten(declared)
    types = []
    for x in leaves:
        shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
        if not isinstance(shape, tuple) or dtype is None:
            raise ProgramError(
                f"{name}: types of results are required, got {x!r:.40}",
                location(user_source()),
                "wl.ShapeDtypeStruct(shape, dtype)",
            )
        types.append(Type(dtype_name(dtype), shape))
    return tuple(types), structure


def checked_callback(function: Function, structure: tree.Structure, name: str) -> Function:
    """The function, giving the leaves of its result, which must have this structure."""

    def call(*arrays: np.ndarray) -> tuple[Any, ...]:
        leaves, found = tree.flatten(function(*arrays))
        if found != structure:
            raise ProgramError(
                f"{name}: {function.__name__} gives another tree than it was said to, "
                f"{tree.difference(structure, found)}"
            )
        refuse_subclasses(leaves)
        return tuple(leaves)

    return call
