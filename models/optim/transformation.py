"""What an optimizer is, how optimizers are put together, and how updates become parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to
from ...compiler.trace.trace import keeps_bf16

__all__ = [
    "EmptyState",
    "GradientTransformation",
    "GradientTransformationExtraArgs",
    "OptState",
    "Optimizer",
    "Params",
    "ScalarOrSchedule",
    "Updates",
    "apply_updates",
    "chain",
    "identity",
    "incremental_update",
    "init_empty_state",
    "named_chain",
    "periodic_update",
    "set_to_zero",
    "stateless",
    "stateless_with_tree_map",
    "with_extra_args_support",
]

Tree = Any
Params = Updates = OptState = Tree
ScalarOrSchedule = Any  # a number, an array of one, or a Schedule


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(grads, state, params, **extra) -> (updates, state)`.

    Extra arguments, as `value=` of a line search, reach the parts of a chain that take them.
    """

    init: Callable[[Tree], Tree]
    update: Callable[..., tuple[Tree, Tree]]


GradientTransformation = GradientTransformationExtraArgs = Optimizer


class EmptyState(NamedTuple):
    """State of what keeps nothing."""


@explained
def init_empty_state(params: Tree) -> EmptyState:
    """EmptyState()"""
    return EmptyState()


@explained
def with_extra_args_support(tx: Optimizer) -> Optimizer:
    """The optimizer, whose update passes over the extra arguments that it does not take."""
    if not all(callable(getattr(tx, part, None)) for part in Optimizer._fields):
        raise ProgramError(
            f"optimizer: a pair of functions init and update is required, got {tx!r:.60}",
            location(user_source()),
            "wl.optim.Optimizer(init, update)",
        )
    kinds = {p.kind for p in inspect.signature(tx.update).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return tx

    def update(updates: Tree, state: Tree, params: Tree = None, **extra: Any) -> Any:
        return tx.update(updates, state, params)

    return Optimizer(tx.init, update)


def transformation(init: Callable[[Tree], Tree], update: Callable[..., Any]) -> Optimizer:
    """The optimizer of two functions, whose state and updates keep their dtypes from step to step.

    Updates have the dtype of the parameters, where these are given, else that of the gradients.
    What is f16 is computed with in f32, for an eps of 1e-8 is 0 in f16.
    """

    inner = with_extra_args_support(Optimizer(init, update))

    def kept(grads: Tree, state: Tree, params: Tree = None, **extra: Any) -> tuple[Tree, Tree]:
        wide = (tree.map(_wider, given) for given in (grads, state, params))
        updates, after = inner.update(*wide, **extra)
        return cast_like(updates, grads if params is None else params), cast_like(after, state)

    return Optimizer(init, explained(keeps_bf16(kept), "update"))


def cast_like(given: Tree, target: Tree) -> Tree:
    """Every array in the dtype of the array at its place in the target."""
    return tree.map(_cast, given, target)


def _wider(x: Any) -> Any:
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float16 else x


def _cast(x: Any, target: Any) -> Any:
    dtype = getattr(target, "dtype", None)
    return x if dtype is None or np.asarray(x).dtype == dtype else cast_to(x, target)


def required(params: Tree, name: str) -> Tree:
    """The parameters, which an update of that name reads."""
    if params is None:
        raise ProgramError(
            f"{name}: parameters are required by its update, got None",
            location(user_source()),
            "optimizer.update(grads, state, params)",
        )
    return params


# ---------------------------------------------------------------- together


@explained
def chain(*optimizers: Optimizer) -> Optimizer:
    """One after the other: each takes the updates of the one before. Its state is theirs, a tuple.

    Extra arguments of its update go to all of them.
    """
    taking = [with_extra_args_support(o) for o in optimizers]

    def init(params: Tree) -> Tree:
        return tuple(o.init(params) for o in taking)

    def update(grads: Tree, state: Tree, params: Tree = None, **extra: Any) -> tuple[Tree, Tree]:
        _same_length("chain", len(taking), state)
        after = []
        for optimizer, before in zip(taking, state, strict=True):
            grads, made = optimizer.update(grads, before, params, **extra)
            after.append(made)
        return grads, tuple(after)

    return Optimizer(init, keeps_bf16(update))


@explained
def named_chain(*optimizers: tuple[str, Optimizer]) -> Optimizer:
    """chain, of pairs of a name and an optimizer; its state is a dict by these names."""
    names = [name for name, _ in optimizers]
    if len(set(names)) != len(names):
        raise ProgramError(
            f"named_chain: names that differ are required, got {names}", location(user_source())
        )
    whole = chain(*(o for _, o in optimizers))

    def init(params: Tree) -> Tree:
        return dict(zip(names, whole.init(params), strict=True))

    def update(grads: Tree, state: Tree, params: Tree = None, **extra: Any) -> tuple[Tree, Tree]:
        _same_length("named_chain", len(names), state)
        grads, after = whole.update(grads, tuple(state[n] for n in names), params, **extra)
        return grads, dict(zip(names, after, strict=True))

    return Optimizer(init, update)


def _same_length(name: str, count: int, state: Tree) -> None:
    if len(state) != count:
        raise ProgramError(
            f"{name}: the state of its {count} parts is required, got {len(state)} states",
            location(user_source()),
            "state = optimizer.init(params)",
        )


@explained
def identity() -> Optimizer:
    """g"""
    return stateless(lambda updates, params: updates)


@explained
def set_to_zero() -> Optimizer:
    """0"""
    return stateless(lambda updates, params: tree.map(np.zeros_like, updates))


@explained
def stateless(f: Callable[[Tree, Tree], Tree]) -> Optimizer:
    """f(g, p), of the trees, without state."""
    return transformation(init_empty_state, lambda u, s, p=None: (f(u, p), s))


@explained
def stateless_with_tree_map(f: Callable[[Any, Any], Any]) -> Optimizer:
    """f(g, p) of each array and its parameter, which is None where no parameters are given."""

    def each(updates: Tree, params: Tree) -> Tree:
        if params is None:
            return tree.map(lambda u: f(u, None), updates)
        return tree.map(f, updates, params)

    return stateless(each)


# ---------------------------------------------------------------- of parameters


@explained
@keeps_bf16
def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, which are of the same shapes, in the dtypes of the params."""
    return tree.map(_updated, params, updates)


def _updated(parameter: Any, update: Any) -> Any:
    shape, of_update = np.shape(parameter), np.shape(update)
    if shape != of_update:
        raise ProgramError(
            f"apply_updates: an update of the parameter's shape {list(shape)} is required, "
            f"got {list(of_update)}"
        )
    return _cast(parameter + update, parameter)


@explained
@keeps_bf16
def incremental_update(new_tensors: Tree, old_tensors: Tree, step_size: float) -> Tree:
    """step_size * new + (1 - step_size) * old: an exponential average of parameters, step by step.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """
    return tree.map(lambda n, o: step_size * n + (1 - step_size) * o, new_tensors, old_tensors)


@explained
def periodic_update(new_tensors: Tree, old_tensors: Tree, steps: Any, update_period: int) -> Tree:
    """new where update_period divides the steps, else old.

    Source: Grill et al., Bootstrap your own latent, 2020.
    """
    now = steps % update_period == 0
    return tree.map(lambda n, o: np.where(now, n, o), new_tensors, old_tensors)
