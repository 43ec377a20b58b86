"""Transformations of updates that remember gradients, or sums of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.explain import explained
from ...compiler.trace import tree
from .moments import started
from .transformation import Optimizer, transformation
from .trees import (
    mean,
    safe_increment,
    times,
    tree_bias_correction,
    tree_update_moment,
    tree_zeros_like,
    wide,
)

__all__ = [
    "ApplyEvery",
    "Average",
    "EmaState",
    "Momentum",
    "ScaleByLionState",
    "ScaleByOptimisticGradientState",
    "TraceState",
    "apply_every",
    "ema",
    "scale_by_lion",
    "scale_by_optimistic_gradient",
    "trace",
]

Tree = Any


class TraceState(NamedTuple):
    """The decaying sum of gradients."""

    trace: Tree  # like the parameters


Momentum = TraceState


@explained
def trace(decay: Any, nesterov: bool = False, accumulator_dtype: Any = None) -> Optimizer:
    """v <- g + decay * v;  v, or g + decay * v again with `nesterov`.

    `accumulator_dtype`: the dtype that v is kept in.
    Source: Sutskever et al., On the importance of initialization and momentum, 2013.
    """

    def init(params: Tree) -> TraceState:
        return TraceState(tree_zeros_like(params, accumulator_dtype))

    def update(grads: Tree, state: TraceState, params: Tree = None) -> Any:
        moved = tree.map(lambda g, v: g + times(decay, wide(v, g)), grads, state.trace)
        ahead = tree.map(lambda g, v: g + times(decay, v), grads, moved) if nesterov else moved
        return ahead, TraceState(moved)

    return transformation(init, update)


class EmaState(NamedTuple):
    """State of `ema`: steps taken, and the running mean."""

    count: Any  # i32
    ema: Tree


Average = EmaState


@explained
def ema(decay: Any, debias: bool = True, accumulator_dtype: Any = None) -> Optimizer:
    """m <- decay m + (1 - decay) g;  m / (1 - decay^t), or m itself without `debias`.

    `accumulator_dtype`: the dtype that m is kept in.
    """

    def init(params: Tree) -> EmaState:
        return EmaState(started(), tree_zeros_like(params, accumulator_dtype))

    def update(grads: Tree, state: EmaState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        average = tree_update_moment(grads, state.ema, decay, 1)
        updates = tree_bias_correction(average, decay, count) if debias else average
        return updates, EmaState(count, average)

    return transformation(init, update)


class ScaleByLionState(NamedTuple):
    """Steps taken, and the running mean of gradients."""

    count: Any  # i32
    mu: Tree


@explained
def scale_by_lion(b1: float = 0.9, b2: float = 0.99, mu_dtype: Any = None) -> Optimizer:
    """sign(b1 m + (1 - b1) g);  m <- b2 m + (1 - b2) g. `mu_dtype`: the dtype that m is kept in.

    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    def init(params: Tree) -> ScaleByLionState:
        return ScaleByLionState(started(), tree_zeros_like(params, mu_dtype))

    def update(grads: Tree, state: ScaleByLionState, params: Tree = None) -> Any:
        updates = tree.map(lambda g, m: np.sign(mean(b1, m, g)), grads, state.mu)
        mu = tree_update_moment(grads, state.mu, b2, 1)
        return updates, ScaleByLionState(safe_increment(state.count), mu)

    return transformation(init, update)


class ScaleByOptimisticGradientState(NamedTuple):
    """Whether no step was taken, and the gradient of the last one."""

    is_initial_step: Any  # bool
    previous_gradient: Tree


@explained
def scale_by_optimistic_gradient(alpha: Any = 1.0, beta: Any = 1.0) -> Optimizer:
    """(alpha + beta) g - beta h, with the gradient h of the step before, at first g.

    Source: Mokhtari, Ozdaglar, Pattathil, A unified analysis of extra-gradient and optimistic
    gradient methods, 2020.
    """

    def init(params: Tree) -> ScaleByOptimisticGradientState:
        return ScaleByOptimisticGradientState(np.array(True), tree_zeros_like(params))

    def update(grads: Tree, state: ScaleByOptimisticGradientState, params: Tree = None) -> Any:
        first = state.is_initial_step

        def ahead(g: Any, before: Any) -> Any:
            return times(alpha + beta, g) - times(beta, np.where(first, g, before))

        updates = tree.map(ahead, grads, state.previous_gradient)
        return updates, ScaleByOptimisticGradientState(np.array(False), grads)

    return transformation(init, update)


class ApplyEvery(NamedTuple):
    """Where in the k steps this is, and the sum of updates."""

    count: Any  # i32
    grad_acc: Tree


@explained
def apply_every(k: int = 1) -> Optimizer:
    """The sum of k updates at each k-th step, and 0 between."""

    def init(params: Tree) -> ApplyEvery:
        return ApplyEvery(started(), tree_zeros_like(params))

    def update(grads: Tree, state: ApplyEvery, params: Tree = None) -> Any:
        place = state.count % k
        total = tree.map(lambda g, a: g + np.where(place == 0, 0, a), grads, state.grad_acc)
        updates = tree.map(lambda a: np.where(place == k - 1, a, 0), total)
        return updates, ApplyEvery((state.count + np.int32(1)) % k, total)

    return transformation(init, update)
