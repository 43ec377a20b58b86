"""Matrices of derivatives, as JAX names them: jacfwd, jacrev, hessian; and hvp, which needs none.

A function is linearized once; its linear graph, or the transpose of that, is batched over the unit
vectors of one leaf of the arguments, or results, at a time, so no part is multiplied with zeros.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec

from ...ir.errors import CompilerError, ProgramError
from ...ir.explain import explained
from ...ir.graph import Graph, Value
from ...ir.source import location, user_source
from ...ir.symbolic import repeated, zeros
from ...ir.types import Type
from ...ir.walk import inline_graph
from ...ops.elementwise import cast, eq
from ...ops.nested.custom import refuse_rules
from ...ops.source import iota
from ...ops.view import permute, reshape
from ...trace import tree
from ...trace.standing import name_of
from ...trace.trace import Traced, call, trace_tree
from ...trace.tree import Structure
from ...transform.batch import batched_outputs
from ...transform.jvp import pushforward
from ...transform.linearize import linearize
from ...transform.transpose import pullback
from .derivatives import (
    argument_parts,
    differentiable,
    grad,
    jvp,
    outputs_wanted,
    pair,
    value_structure,
)

Function = Callable[..., Any]
P = ParamSpec("P")


@explained
def jacfwd(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """The derivative of every element of the result in every element of the arguments `argnums`,
    by forward mode: for few arguments.

    The result has the tree of the function's result, with the tree of the argument (with several
    `argnums`, a tuple of them) for every leaf. Shapes: of the result, then of the argument.
    Example:
    >>> import numpy as np
    >>> jacfwd(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return jacobian_of("jacfwd", fun, argnums, has_aux, holomorphic)


@explained
def jacrev(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """As `jacfwd`, by reverse mode: for few results."""
    return jacobian_of("jacrev", fun, argnums, has_aux, holomorphic)


@explained
def hessian(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """The second derivatives: forward mode over reverse mode.

    The result has the tree of the arguments twice, with shapes one after the other.
    Example:
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    inner = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(inner, argnums, has_aux, holomorphic)


@explained
def hvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar function at `primals` times `tangents`, without the matrix.

    The result is like the primal, or, of several, a tuple that is like them.
    Cost: a small multiple of that of the function.
    Example:
    >>> hvp(lambda x: x[0] ** 2 * x[1], (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([4., 2.])
    """
    several = isinstance(primals, (tuple, list)) and len(primals) != 1
    argnums = tuple(range(len(primals))) if several else 0
    return jvp(grad(fun, argnums), primals, tangents)[1]


def jacobian_of(
    name: str, fun: Function, argnums: int | Sequence[int], has_aux: bool, holomorphic: bool
) -> Function:
    if not callable(fun):
        raise ProgramError(f"{name}: a function is required, got {fun!r}", location(user_source()))

    @functools.wraps(fun)
    def jacobian(*args: Any, **options: Any) -> Any:
        chosen, others, bound = argument_parts(fun, args, options, argnums)
        traced = trace_tree(bound, (chosen, others), name_of(fun))
        inner = traced.inputs.children[0]
        args_moved = traced.args[: inner.size]
        differentiable(name, args_moved, inner, holomorphic)
        if name == "jacfwd" and not holomorphic:
            refuse_kinds(name, "input", "args", args_moved, tree.paths(inner), "is_float")
        wanted = value_structure(traced, has_aux, name)
        kind = "is_complex" if holomorphic else "is_float" if name == "jacrev" else "is_inexact"
        refuse_kinds(name, "result", "result", traced.graph.outputs, tree.paths(wanted), kind)
        each = inner.children[0] if isinstance(argnums, int) else inner
        graph = matrices(name, traced, wanted, inner.size)
        slopes = tree.composed(wanted, each)
        rest = traced.outputs.children[1] if has_aux else tree.structure(())
        weak = [
            traced.weak[k] if name == "jacfwd" else traced.weak_args[i]
            for k in range(wanted.size)
            for i in range(inner.size)
        ]
        made = replace(
            traced,
            graph=graph,
            outputs=pair(slopes, rest),
            weak=(*weak, *traced.weak[wanted.size :]),
        )
        found, aux = call(made, chosen, others)
        return (found, aux) if has_aux else found

    return jacobian


KINDS = {"is_float": "float", "is_complex": "complex", "is_inexact": "float or complex"}
REPAIRS = {"result": "has_aux=True for further results", "input": "holomorphic=True, or jacrev"}


def refuse_kinds(
    name: str, what: str, root: str, values: Sequence[Value], paths: Sequence[str], kind: str
) -> None:
    """Refuses inputs or results of another kind of dtype."""
    for v, path in zip(values, paths, strict=False):
        if not getattr(v.type, kind):
            raise ProgramError(
                f"{name}: {KINDS[kind]} {what}s are required, got {v.type} at {root}{path}",
                location(user_source()),
                REPAIRS[what],
            )


def matrices(name: str, traced: Traced, wanted: Structure, count: int) -> Graph:
    """inputs -> for every result, for every one of `count` arguments the matrix; then aux."""
    graph = traced.graph
    wrt = [i < count for i in range(len(graph.inputs))]
    forward, linear = linearize(graph, wrt, outputs_wanted(traced, wanted))
    inputs = tuple(Value(v.type) for v in graph.inputs)
    found = inline_graph(forward, inputs)
    residuals = found[len(graph.outputs) :]
    of = forward_blocks if name == "jacfwd" else reverse_blocks
    try:
        blocks = of(linear, residuals)
    except (CompilerError, ProgramError):
        refuse_rules(traced.graph)
        raise
    aux = found[wanted.size : len(graph.outputs)]
    return Graph.of(f"{graph.name}_{name}", inputs, (*blocks, *aux))


def forward_blocks(linear: Graph, residuals: Sequence[Value]) -> list[Value]:
    """The matrices by a batch of tangents for every argument, in order of the results."""
    kept = len(residuals)
    moving = linear.inputs[kept:]
    columns = []
    for i, x in enumerate(moving):
        fixed = [Value(v.type) for v in linear.inputs[:kept]]
        dx = Value(x.type)
        tangents = [None] * (kept + i) + [dx] + [None] * (len(moving) - i - 1)
        _, slopes = pushforward(linear, (*fixed, *map(zeros, moving)), tangents)
        body = Graph.of(
            "column",
            (*fixed, dx),
            [s or zeros(o) for s, o in zip(slopes, linear.outputs, strict=True)],
        )
        columns.append([leading_axis_last(y, x.shape) for y in over_units(body, residuals, x.type)])
    return [column[k] for k in range(len(linear.outputs)) for column in columns]


def reverse_blocks(linear: Graph, residuals: Sequence[Value]) -> list[Value]:
    """The matrices by a batch of cotangents for every result, in order of the results."""
    kept = len(residuals)
    moving = linear.inputs[kept:]
    marks = [i >= kept for i in range(len(linear.inputs))]
    blocks = []
    for i, y in enumerate(linear.outputs):
        fixed = [Value(v.type) for v in linear.inputs[:kept]]
        ct = Value(y.type)
        cts = [None] * i + [ct] + [None] * (len(linear.outputs) - i - 1)
        slopes = pullback(linear, marks, fixed, cts)
        body = Graph.of(
            "row", (*fixed, ct), [s or zeros(x) for s, x in zip(slopes, moving, strict=True)]
        )
        for v, x in zip(over_units(body, residuals, y.type), moving, strict=True):
            blocks.append(reshape(v, (*y.shape, *x.shape)))
    return blocks


def over_units(body: Graph, residuals: Sequence[Value], of: Type) -> tuple[Value, ...]:
    """The outputs of a linear graph for all unit vectors of a type, along axis 0."""
    square = Type("i32", (of.size, of.size))
    units = reshape(cast(eq(iota(square, 0), iota(square, 1)), of.dtype), (of.size, *of.shape))
    marks = [False] * len(residuals) + [True]
    found, wide = batched_outputs(body, (*residuals, units), marks, of.size)
    return tuple(
        v if yes else repeated((v,), (False,), of.size)[0]
        for v, yes in zip(found, wide, strict=True)
    )


def leading_axis_last(y: Value, shape: tuple[int, ...]) -> Value:
    """Axis 0 last, as `shape`."""
    y = permute(y, (*range(1, len(y.shape)), 0))
    return reshape(y, (*y.shape[:-1], *shape))
