"""Derivatives of functions, as JAX names them.

    value, slope = wl.value_and_grad(loss)(params, batch)
    y, tangent = wl.jvp(f, (x,), (dx,))
    y, pull = wl.vjp(f, x)

A function is traced, its graph is transformed, and the result is called: inside a trace that puts
the nodes of the derivative into the outer graph, so any nesting and order works; outside, the
interpreter runs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, ParamSpec, TypeVar, overload

import numpy as np

from ...ir.errors import CompilerError, ProgramError
from ...ir.explain import explained
from ...ir.facts import effects_in
from ...ir.graph import Graph, Value
from ...ir.source import location, user_source
from ...ir.symbolic import zeros
from ...ir.walk import inline_graph
from ...ops import elementwise
from ...ops.nested.custom import refuse_rules
from ...ops.source import full
from ...trace import tree
from ...trace.operands import new, value
from ...trace.standing import name_of
from ...trace.trace import (
    Traced,
    aval,
    call,
    names_of,
    operand_values,
    operands_of,
    static_repair,
    trace_tree,
    traced_leaves,
)
from ...trace.tracer import Tracer
from ...trace.tree import Structure
from ...transform import jvp as forward_mode
from ...transform.linearize import linearize as linearize_graph
from ...transform.reverse import Reverse
from ...transform.transpose import transpose

Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
FLOAT0 = np.dtype([("float0", np.void, 0)])
"""The dtype, of no bits, of tangents of integers and bools."""


@overload
def grad(
    fun: np.ufunc,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function: ...
@overload
def grad(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
) -> Callable[P, Any]: ...
@overload
def grad(
    fun: Callable[P, tuple[Any, S]],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: Literal[True],
    holomorphic: bool = False,
) -> Callable[P, tuple[Any, S]]: ...
@overload
def grad(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]: ...
@explained
def grad(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The gradient of a scalar function in the arguments `argnums`.

    With `has_aux` the function gives (value, aux), and the result gives (gradient, aux).
    Of a complex argument z = x + i y and a real value f it is df/dx - i df/dy, so that f changes by
    the real part of gradient * dz; descent goes along its conjugate. With `holomorphic` arguments
    and value are complex, and the result is the complex derivative of a holomorphic function.
    Example:
    >>> grad(lambda x: x**3)(2.0)
    array(12.)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def gradient(*args: Any, **options: Any) -> Any:
        found, slope = both(*args, **options)
        return (slope, found[1]) if has_aux else slope

    return gradient


@overload
def value_and_grad(
    fun: np.ufunc,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(
    fun: Callable[P, R],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, tuple[R, Any]]: ...
@explained
def value_and_grad(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The value of a scalar function and its gradient in the arguments `argnums`, as `grad`."""

    @functools.wraps(fun)
    def differentiated(*args: Any, **options: Any) -> Any:
        chosen, others, bound = argument_parts(fun, args, options, argnums)
        traced = trace_tree(bound, (chosen, others), name_of(fun))
        names = functools.partial(chosen_names, fun, args, argnums)
        check_gradient(traced, has_aux, holomorphic, names)
        found, slopes = gradient_called(traced, chosen, others)
        return found, slopes[0] if isinstance(argnums, int) else slopes

    return differentiated


@overload
def jvp(
    fun: Callable[..., R],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    has_aux: Literal[False] = False,
) -> tuple[R, R]: ...
@overload
def jvp(
    fun: Callable[..., tuple[R, S]],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    has_aux: Literal[True],
) -> tuple[R, R, S]: ...
@overload
def jvp(
    fun: Function, primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool
) -> tuple[Any, ...]: ...
@explained
def jvp(
    fun: Function, primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False
) -> tuple[Any, ...]:
    """The value at `primals`, and the derivative in the direction `tangents`.

    Tangents have the types of the primals; those of integers and bools are ignored, and results of
    such types have tangents of the dtype float0. With `has_aux` the function gives (value, aux),
    and the result is (value, tangent, aux).
    """
    for what, found in (("primals", primals), ("tangents", tangents)):
        if not isinstance(found, (tuple, list)):
            got = aval(found)[0] if np.ndim(found) else type(found).__name__
            raise ProgramError(
                f"jvp: {what} in a tuple or list are required, got {got}",
                location(user_source()),
                f"a tuple, as in jvp({name_of(fun)}, (x,), (dx,))",
            )
    traced = trace_tree(fun, tuple(primals), name_of(fun))
    moving = moving_inputs(traced)
    given = matched("jvp: a tangent", tuple(tangents), traced.inputs, traced.args)
    wanted = value_structure(traced, has_aux, "jvp")
    graph = forward_mode.jvp(traced.graph, moving, outputs_wanted(traced, wanted))
    count = len(traced.graph.inputs)
    inputs = (
        *graph.inputs[: len(traced.args)],
        *graph.inputs[count:],
        *graph.inputs[len(traced.args) : count],
    )
    slopes = [t for t, yes in zip(given, moving, strict=False) if yes]
    both = replace(
        traced,
        graph=replace(graph, inputs=inputs),
        inputs=pair(traced.inputs, tree.structure(slopes)),
        outputs=pair(
            traced.outputs, tree.structure([0] * (len(graph.outputs) - traced.outputs.size))
        ),
        weak=(*traced.weak, *weak_tangents(traced, wanted)),
    )
    found, slopes = call(both, tuple(primals), slopes)
    tangent = tangent_tree(wanted, traced.graph.outputs, slopes)
    return (found[0], tangent, found[1]) if has_aux else (found, tangent)


@overload
def linearize(
    fun: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[..., R]]: ...
@overload
def linearize(
    fun: Callable[..., tuple[R, S]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[..., R], S]: ...
@overload
def linearize(fun: Function, *primals: Any, has_aux: bool) -> tuple[Any, ...]: ...
@explained
def linearize(fun: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value at `primals`, and the derivative there as a function of tangents."""
    found, residuals, linear, traced = linearized(fun, primals, has_aux, "linearize")
    wanted, moving = value_structure(traced, has_aux, "linearize"), moving_inputs(traced)

    def pushforward(*tangents: Any) -> Any:
        given = matched("linearize: a tangent", tangents, traced.inputs, traced.args)
        slopes = [t for t, yes in zip(given, moving, strict=False) if yes]
        made = closed(linear, residuals, slopes, weak=weak_tangents(traced, wanted))
        return tangent_tree(wanted, traced.graph.outputs, call(made, residuals, slopes))

    return (found[0], pushforward, found[1]) if has_aux else (found, pushforward)


@overload
def vjp(
    fun: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[Any, ...]]]: ...
@overload
def vjp(
    fun: Callable[..., tuple[R, S]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[[Any], tuple[Any, ...]], S]: ...
@overload
def vjp(fun: Function, *primals: Any, has_aux: bool) -> tuple[Any, ...]: ...
@explained
def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value at `primals`, and the function from its cotangent to the tuple of theirs.

    Cotangents of integers and bools are of the dtype float0.
    """
    found, residuals, linear, traced = linearized(fun, primals, has_aux, "vjp")
    wanted, moving = value_structure(traced, has_aux, "vjp"), moving_inputs(traced)
    back = transposed_linear(linear, sum(moving), traced)
    outputs = traced.graph.outputs[: wanted.size]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = matched("vjp: a cotangent", cotangent, wanted, outputs)
        cts = [ct for ct, o in zip(given, outputs, strict=True) if o.type.is_inexact]
        weak = tuple(w for w, yes in zip(traced.weak_args, moving, strict=False) if yes)
        made = closed(back, residuals, cts, weak=weak)
        return tangent_tree(traced.inputs, traced.args, call(made, residuals, cts))

    return (found[0], pullback, found[1]) if has_aux else (found, pullback)


@explained
def linear_transpose(fun: Function, *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function; of `primals` only the types are used.

    The result takes a cotangent of the function's result and gives the tuple of cotangents of the
    primals.
    """
    traced = trace_tree(fun, primals, name_of(fun))
    differentiable("linear_transpose", traced.args, traced.inputs)
    linear = [True] * len(traced.args) + [False] * len(traced.captured)
    try:
        back = transpose(traced.graph, linear)
    except CompilerError as error:
        raise ProgramError(
            f"linear_transpose: a linear function is required, {error.args[0].splitlines()[0]}",
            location(user_source()),
            "wl.vjp(f, x), which linearizes f at x",
        ) from None

    def transposed(cotangent: Any) -> tuple[Any, ...]:
        outputs = traced.graph.outputs
        given = matched("linear_transpose: a cotangent", cotangent, traced.outputs, outputs)
        captured = list(traced.captured)
        made = closed(back, captured, given, weak=traced.weak_args)
        return tree.unflatten(traced.inputs, call(made, captured, given))

    return transposed


@explained
def stop_gradient(x: T) -> T:
    """`x`, a tree, with the derivative 0."""
    return tree.map(
        lambda leaf: (
            new(elementwise.stop_gradient(value(leaf)), leaf.weak)
            if isinstance(leaf, Tracer)
            else leaf
        ),
        x,
    )


# ---------------------------------------------------------------- graphs of derivatives


def check_gradient(
    traced: Traced, has_aux: bool, holomorphic: bool, names: Callable[[], list[str]]
) -> None:
    """Refuses what has no gradient: arguments that are no floats, a value that is no scalar."""
    chosen = traced.inputs.children[0]
    differentiable("grad", traced.args[: chosen.size], chosen, holomorphic, names)
    wanted = value_structure(traced, has_aux, "grad")
    outputs = traced.graph.outputs
    if wanted.container is not None or outputs[0].shape or not outputs[0].type.is_inexact:
        got = (
            str(outputs[0].type)
            if wanted.container is None
            else repr(tree.unflatten(wanted, [v.type for v in outputs[: wanted.size]]))
            if wanted.size
            else "nothing"
        )
        raise ProgramError(
            f"grad: a scalar float result is required, got {got}",
            location(user_source()),
            "np.sum or np.mean of the result, has_aux=True for further results, or wl.vjp",
        )
    if outputs[0].type.is_complex != holomorphic:
        raise ProgramError(
            f"grad: a {'complex' if holomorphic else 'real'} result is required, "
            f"got {outputs[0].type}",
            location(user_source()),
            "holomorphic=False"
            if holomorphic
            else "np.real or np.abs of the result, "
            "holomorphic=True for a holomorphic function, or wl.vjp",
        )


def gradient_called(traced: Traced, chosen: Any, others: Any) -> tuple[Any, Any]:
    """Value and gradient in the chosen arguments: (chosen, others) -> a scalar was traced."""
    parts, graph = traced.inputs.children[0], traced.graph
    weak = (*traced.weak, *traced.weak_args[: parts.size])
    made = replace(traced, outputs=pair(traced.outputs, parts), weak=weak)
    operands = operands_of(traced, (chosen, others))
    if traced_leaves(operands) and not effects_in(graph):
        return made.results(gradient_on(traced, operand_values(traced, operands)))
    inputs = tuple(Value(v.type) for v in graph.inputs)
    whole = Graph.of(f"{graph.name}_grad", inputs, gradient_on(traced, inputs))
    return call(replace(made, graph=whole), chosen, others)


def gradient_on(traced: Traced, args: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of the graph on `args`, and the gradient of the first in the chosen ones."""
    chosen, graph = traced.inputs.children[0].size, traced.graph
    first, *rest = graph.outputs
    wrt = [i < chosen for i in range(len(graph.inputs))]
    of = [True, *[False] * len(rest)]
    if not any(n.op.splits for n in graph.nodes):
        with suppress(CompilerError, ProgramError):  # whose words are of the programs below
            run = Reverse(graph, args, wrt, of)
            if not run.divides:
                found = run.back((full(1.0, first.type), *[None] * len(rest)))
                slopes = [ct or zeros(v) for ct, v in zip(found, run.inputs, strict=True)]
                return *run.outputs, *slopes
    forward, linear = linearize_graph(graph, wrt, of)
    back = transposed_linear(linear, chosen, traced)
    made = inline_graph(forward, args)
    ends = full(1.0, first.type)
    return *made[: len(rest) + 1], *inline_graph(back, (*made[len(rest) + 1 :], ends))


def transposed_linear(linear: Graph, tangents: int, traced: Traced) -> Graph:
    """The linear part of what was traced, from its last so many inputs, transposed."""
    kept = len(linear.inputs) - tangents
    try:
        return transpose(linear, [i >= kept for i in range(len(linear.inputs))])
    except (CompilerError, ProgramError):
        refuse_rules(traced.graph)
        raise


def linearized(
    fun: Function, primals: tuple[Any, ...], has_aux: bool, name: str
) -> tuple[Any, list[Any], Graph, Traced]:
    """The value, the residuals, the graph (residuals, tangents) -> tangents, what was traced."""
    traced = trace_tree(fun, primals, name_of(fun))
    wanted = value_structure(traced, has_aux, name)
    forward, linear = linearize_graph(
        traced.graph, moving_inputs(traced), outputs_wanted(traced, wanted)
    )
    kept = [0] * (len(forward.outputs) - traced.outputs.size)
    outputs = pair(traced.outputs, tree.structure(kept))
    found, residuals = call(replace(traced, graph=forward, outputs=outputs), *primals)
    return found, residuals, linear, traced


def closed(graph: Graph, *args: list[Any], weak: tuple[bool, ...]) -> Traced:
    """A graph of lists of arrays that gives a list of arrays, and which of those are weak."""
    return Traced(graph, tree.structure(args), tree.structure([0] * len(graph.outputs)), weak=weak)


def weak_tangents(traced: Traced, wanted: Structure) -> tuple[bool, ...]:
    """Which tangents of the value are weak: those of what is."""
    pairs = zip(traced.weak[: wanted.size], traced.graph.outputs, strict=False)
    return tuple(weak for weak, v in pairs if v.type.is_inexact)


def moving_inputs(traced: Traced) -> list[bool]:
    """Which inputs of the graph have tangents: floats and complex numbers among the arguments."""
    args = [v.type.is_inexact for v in traced.args]
    return args + [False] * len(traced.captured)


def value_structure(traced: Traced, has_aux: bool, name: str) -> Structure:
    """The structure of the value, without aux."""
    if not has_aux:
        return traced.outputs
    if traced.outputs.container is not tuple or len(traced.outputs.children) != 2:
        raise ProgramError(
            f"{name}: has_aux requires a pair (value, aux) as the result, got {traced.outputs}",
            location(user_source()),
            "return value, aux",
        )
    return traced.outputs.children[0]


def outputs_wanted(traced: Traced, wanted: Structure) -> list[bool]:
    """Which outputs are asked for tangents: those of the value, which come first."""
    return [i < wanted.size for i in range(traced.outputs.size)]


def pair(first: Structure, second: Structure) -> Structure:
    return Structure((tuple, (), (first, second)))


# ---------------------------------------------------------------- arguments


def argument_parts(
    fun: Function, args: tuple[Any, ...], options: dict[str, Any], argnums: int | Sequence[int]
) -> tuple[tuple[Any, ...], list[Any], Function]:
    """The arguments to differentiate, the arrays among the others, and the function of both."""
    numbers: tuple[Any, ...] = (
        tuple(argnums) if isinstance(argnums, tuple | list | range) else (argnums,)
    )
    if bad := [n for n in numbers if not isinstance(n, int | np.integer)]:
        raise ProgramError(
            f"grad: argnums of ints are required, got {bad[0]!r:.40}", location(user_source())
        )
    if wrong := [n for n in numbers if not -len(args) <= n < len(args)]:
        raise ProgramError(
            f"grad: argnums within {len(args)} positional arguments is required, got {wrong[0]}",
            location(user_source()),
        )
    places = [n % len(args) for n in numbers]
    for k, x in enumerate(tree.leaves([args[n] for n in places])):
        if not isinstance(x, Tracer | np.ndarray | float):
            aval(x, chosen_names(fun, args, argnums)[k])
    if len(set(places)) < len(places):
        raise ProgramError(
            f"grad: different argnums are required, got {tuple(numbers)}", location(user_source())
        )
    rest = [a for i, a in enumerate(args) if i not in places]
    leaves, structure = tree.flatten((rest, options))
    arrays = [i for i, x in enumerate(leaves) if isinstance(x, Tracer | np.ndarray | np.generic)]

    def bound(chosen: tuple[Any, ...], others: list[Any]) -> Any:
        filled = dict(zip(arrays, others, strict=True))
        plain, named = tree.unflatten(structure, [filled.get(i, x) for i, x in enumerate(leaves)])
        given, remaining = dict(zip(places, chosen, strict=True)), iter(plain)
        return fun(
            *(given[i] if i in given else next(remaining) for i in range(len(args))), **named
        )

    return tuple(args[n] for n in places), [leaves[i] for i in arrays], bound


def chosen_names(fun: Function, args: tuple[Any, ...], argnums: int | Sequence[int]) -> list[str]:
    """What the leaves of the arguments to differentiate are called."""
    structures = [tree.structure(a) for a in args]
    paths = names_of(fun, tree.structure((args, {})))
    each = [[paths.pop(0) for _ in range(s.size)] for s in structures]
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    return [name for n in numbers for name in each[n]]


def differentiable(
    name: str,
    args: Sequence[Value],
    structure: Structure,
    holomorphic: bool = False,
    names: Callable[[], list[str]] | None = None,
) -> None:
    """Refuses integers and bools among the arguments to differentiate; with `holomorphic` reals."""
    for k, (v, path) in enumerate(zip(args, tree.paths(structure), strict=True)):
        if v.type.is_complex if holomorphic else v.type.is_inexact:
            continue
        place = names()[k] if names else f"args{path}"
        if holomorphic and not v.type.is_complex:
            raise ProgramError(
                f"{name}: complex inputs are required with holomorphic=True, "
                f"got {v.type} at {place}",
                location(user_source()),
                "x.astype(np.complex64)",
            )
        if not v.type.is_inexact:
            raise ProgramError(
                f"{name}: float inputs are required, got {v.type} at {place}",
                location(user_source()),
                "x.astype(np.float32), or argnums without it"
                + (f", or {static_repair(place)}" if "." in place else ""),
            )


def matched(what: str, value: Any, structure: Structure, values: Sequence[Value]) -> list[Any]:
    """The leaves of `value`, of this structure and the types of `values`; anything for integers."""
    leaves, found = tree.flatten(value)
    if found != structure:
        raise ProgramError(
            f"{what} of the same structure is required, {tree.difference(structure, found)}",
            location(user_source()),
        )
    for x, v, path in zip(leaves, values, tree.paths(structure), strict=True):
        if v.type.is_inexact:
            got, weak = aval(x, f"args{path}")
            if got != v.type and not (weak and got.shape == v.shape):
                raise ProgramError(
                    f"{what} of type {v.type} is required, got {got}{path and f' at {path}'}",
                    location(user_source()),
                )
    return leaves


def tangent_tree(structure: Structure, values: Sequence[Value], slopes: Sequence[Any]) -> Any:
    """The tree of tangents: `slopes` for the floats, float0 for the rest."""
    moving = iter(slopes)
    count = structure.size
    return tree.unflatten(
        structure,
        [next(moving) if v.type.is_inexact else np.zeros(v.shape, FLOAT0) for v in values[:count]],
    )
