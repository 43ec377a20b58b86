"""Regions whose derivatives compute again what they need, instead of keeping it; JAX's names.

    def block(w, x):
        return np.tanh(x @ w)

    def model(weights, x):
        for w in weights:
            x = wl.checkpoint(block)(w, x)
        return x

Reverse mode keeps the arguments of each block, and its inside only while it works on that block.
`saved_residuals` says what is kept and which line made it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar, overload

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Node, Value, apply_all
from ...ir.source import location, user_source
from ...ir.types import Type
from ...ir.walk import rebuild
from ...ops.elementwise import Named, named
from ...ops.nested.checkpoint import Checkpoint
from ...ops.nested.equivalent import Equivalent
from ...trace import tree
from ...trace.arguments import Ints, Strings, places_and_names
from ...trace.operands import new, value
from ...trace.standing import name_of
from ...trace.trace import Traced, note_effects, trace_tree
from ...trace.tracer import Tracer, active, current
from ...transform.linearize import linearize
from .checkpoint_policies import Policy, nothing_saveable, save_only_these_names
from .derivatives import moving_inputs

Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@overload
def checkpoint(
    fun: Callable[P, R],
    *,
    policy: Policy | Callable[..., bool] | None = None,
    prevent_cse: bool = True,
    static_argnums: Ints = (),
    static_argnames: Strings = (),
) -> Callable[P, R]: ...
@overload
def checkpoint(
    *,
    policy: Policy | Callable[..., bool] | None = None,
    prevent_cse: bool = True,
    static_argnums: Ints = (),
    static_argnames: Strings = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def checkpoint(
    fun: Any = None,
    *,
    policy: Policy | Callable[..., bool] | None = None,
    prevent_cse: bool = True,
    static_argnums: Ints = (),
    static_argnames: Strings = (),
) -> Any:
    """`fun`, whose derivatives keep its arguments and what `policy` lets them keep, and compute the
    rest again.

    Policies are in `wl.checkpoint_policies`; without one nothing is kept. Without `prevent_cse` a
    recomputation is not ordered after the cotangents that it is for, so that a compiler may merge
    it with the first computation: right inside of loops, where it cannot. Arguments that are no
    arrays are static, also those not marked so. Of options alone it is a decorator.
    """
    if fun is None:
        return functools.partial(
            checkpoint, policy=policy, prevent_cse=prevent_cse, static_argnums=static_argnums,
            static_argnames=static_argnames,
        )  # fmt: skip
    if not callable(fun):
        raise ProgramError(f"checkpoint: a function is required, got {fun!r}")
    if policy is not None and not callable(policy) and not isinstance(policy, Policy):
        raise ProgramError(
            f"checkpoint: a policy is required, got {policy!r}",
            location(user_source()),
            "one of wl.checkpoint_policies",
        )
    static, names = places_and_names(
        fun, static_argnums, static_argnames, "static_argnames", "checkpoint"
    )
    whole: Function = fun

    @functools.wraps(fun)
    def region(*args: Any, **options: Any) -> Any:
        if current() is None:
            return fun(*args, **options)
        leaves, structure = tree.flatten(
            (
                tuple(None if i in static else a for i, a in enumerate(args)),
                {k: a for k, a in options.items() if k not in names},
            )
        )
        fixed = {k: a for k, a in options.items() if k in names}
        kinds = Tracer | np.ndarray | np.generic
        dynamic = [i for i, x in enumerate(leaves) if isinstance(x, kinds)]

        def inside(arrays: list[Any]) -> Any:
            filled = dict(zip(dynamic, arrays, strict=True))
            given, named = tree.unflatten(
                structure, [filled.get(i, x) for i, x in enumerate(leaves)]
            )
            places = (args[i] if i in static else a for i, a in enumerate(given))
            return whole(*places, **named, **fixed)

        arrays = [leaves[i] for i in dynamic]
        traced = trace_tree(inside, (arrays,), name_of(fun))
        return traced_region(traced, arrays, policy, prevent_cse)

    return region


remat = checkpoint


def traced_region(
    traced: Traced, arrays: list[Any], policy: Policy | Callable[..., bool] | None, ordered: bool
) -> Any:
    """The region in the trace at hand."""
    graph = traced.graph
    if isinstance(policy, Policy) or policy is None:
        spelled = (policy or nothing_saveable).spelling
    else:
        graph, spelled = policy_named(graph, policy)
    given = [value(x, v.dtype) for x, v in zip(arrays, traced.args, strict=True)]
    captured = (active().lift(t) for t in traced.captured)
    found = apply_all(Checkpoint(graph, spelled, 0, ordered), *given, *captured)
    note_effects(found)
    return traced.results(found)


def policy_named(graph: Graph, policy: Callable[..., bool]) -> tuple[Graph, tuple[Any, ...]]:
    """The graph with a name on every value that a policy of the user's keeps."""

    def change(node: Node, here: Node) -> tuple[Value, ...] | None:
        if not policy(node.op.name, *(a.type for a in here.args), **node.op.params):
            return None
        return tuple(named(v, "kept by the policy") for v in here.values)

    return rebuild(graph, change), save_only_these_names("kept by the policy").spelling


def checkpoint_name(x: T, name: str) -> T:
    """`x`, a tree, with a name by which policies know its leaves."""
    if not isinstance(name, str):
        raise ProgramError(
            f"checkpoint_name: a string is required, got {name!r}", location(user_source())
        )
    return tree.map(
        lambda leaf: new(named(value(leaf), name), leaf.weak) if isinstance(leaf, Tracer) else leaf,
        x,
    )


# ---------------------------------------------------------------- what is kept


class Residual(NamedTuple):
    """A value that reverse mode keeps from the forward pass."""

    type: Type
    nbytes: int
    origin: str

    def __str__(self) -> str:
        return f"{self.type} {self.origin}"


def saved_residuals(f: Function, *args: Any, **options: Any) -> list[Residual]:
    """What the derivative of `f` in all its float arguments keeps: types, bytes, where from."""
    leaves, structure = tree.flatten((args, options))
    kinds = Tracer | np.ndarray | np.generic | float
    dynamic = [i for i, x in enumerate(leaves) if isinstance(x, (kinds, Type))]

    def inside(arrays: list[Any]) -> Any:
        filled = dict(zip(dynamic, arrays, strict=True))
        given, named = tree.unflatten(structure, [filled.get(i, x) for i, x in enumerate(leaves)])
        return f(*given, **named)

    traced = trace_tree(inside, ([leaves[i] for i in dynamic],), name_of(f))
    forward, _ = linearize(traced.graph, moving_inputs(traced))
    paths = [tree.paths(structure)[i] for i in dynamic]
    count = len(traced.graph.outputs)
    return [
        Residual(v.type, v.type.nbytes, origin(v, forward, paths)) for v in forward.outputs[count:]
    ]


def print_saved_residuals(f: Function, *args: Any, **options: Any) -> None:
    """Prints `saved_residuals`, a line each."""
    for residual in saved_residuals(f, *args, **options):
        print(residual)


def origin(v: Value, graph: Graph, paths: list[str]) -> str:
    """The argument or the line that a value of the forward program comes from."""
    if v.node is None:
        place = graph.inputs.index(v)
        if place >= len(paths):
            return "closed over"
        kind = "args" if paths[place].startswith("[0]") else "options"
        return f"from the argument {kind}{paths[place][3:]}"
    if isinstance(v.node.op, Checkpoint):
        inner = v.node.op.body.outputs[v.index]
        if inner.node is not None:
            return origin(inner, v.node.op.body, [])
    line = f" from {v.node.source}" if v.node.source else ""
    if isinstance(v.node.op, Named):
        return f"named '{v.node.op.tag}'{line}"
    if isinstance(v.node.op, Equivalent):
        return f"carries kept of a loop{line}"
    return f"output of {v.node.op.name}{line}"
