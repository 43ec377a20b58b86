"""Transformations of updates by factors, signs, norms and sums of squares."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to
from .moments import started
from .schedules import Schedule
from .transformation import (
    Optimizer,
    ScalarOrSchedule,
    identity,
    required,
    stateless,
    transformation,
)
from .trees import (
    safe_increment,
    safe_norm,
    safe_root_mean_squares,
    squares,
    times,
    tree_full_like,
    tree_norm,
    tree_scale,
    tree_update_moment,
    tree_zeros_like,
)

__all__ = [
    "ScaleByAdaDeltaState",
    "ScaleByDistanceOverGradientsState",
    "ScaleByRpropState",
    "ScaleByRssState",
    "ScaleByScheduleState",
    "Steps",
    "normalize_by_update_norm",
    "scale",
    "scale_by_adadelta",
    "scale_by_distance_over_gradients",
    "scale_by_learning_rate",
    "scale_by_param_block_norm",
    "scale_by_param_block_rms",
    "scale_by_polyak",
    "scale_by_rprop",
    "scale_by_rss",
    "scale_by_schedule",
    "scale_by_sign",
    "scale_by_trust_ratio",
]

Tree = Any

# ---------------------------------------------------------------- by numbers


@explained
def scale(step_size: Any) -> Optimizer:
    """step_size * g"""
    return stateless(lambda grads, params: tree_scale(step_size, grads))


class ScaleByScheduleState(NamedTuple):
    """State of what changes with time: the steps taken."""

    count: Any  # i32


Steps = ScaleByScheduleState


@explained
def scale_by_schedule(step_size_fn: Schedule) -> Optimizer:
    """step_size_fn(steps taken) * g"""

    def init(params: Tree) -> ScaleByScheduleState:
        return ScaleByScheduleState(started())

    def update(grads: Tree, state: ScaleByScheduleState, params: Tree = None) -> Any:
        after = ScaleByScheduleState(safe_increment(state.count))
        return tree_scale(step_size_fn(state.count), grads), after

    return transformation(init, update)


@explained
def scale_by_learning_rate(
    learning_rate: ScalarOrSchedule | None = None, *, flip_sign: bool = True
) -> Optimizer:
    """-learning_rate * g, of a number or a schedule; without `flip_sign`, learning_rate * g.

    None leaves g as it is.
    """
    if learning_rate is None:
        return identity()
    if callable(learning_rate):
        rate: Schedule = learning_rate
        return scale_by_schedule((lambda count: -rate(count)) if flip_sign else rate)
    number: Any = learning_rate
    return scale(-number if flip_sign else number)


@explained
def scale_by_sign() -> Optimizer:
    """sign(g)"""
    return stateless(lambda grads, params: tree.map(np.sign, grads))


@explained
def normalize_by_update_norm(scale_factor: Any = 1.0, eps: float = 1e-6) -> Optimizer:
    """scale_factor * g / (|g| + eps), for the norm of all arrays together."""
    return stateless(lambda g, params: tree_scale(scale_factor / (tree_norm(g) + eps), g))


# ---------------------------------------------------------------- by norms of parameters


@explained
def scale_by_param_block_norm(min_scale: float = 1e-3) -> Optimizer:
    """max(|p|, min_scale) * g, for each array.

    Source: Shazeer and Stern, Adafactor, 2018.
    """
    return _by_block("scale_by_param_block_norm", lambda p: safe_norm(p, min_scale))


@explained
def scale_by_param_block_rms(min_scale: float = 1e-3) -> Optimizer:
    """max(sqrt(mean(p^2)), min_scale) * g, for each array.

    Source: Shazeer and Stern, Adafactor, 2018.
    """
    return _by_block("scale_by_param_block_rms", lambda p: safe_root_mean_squares(p, min_scale))


def _by_block(name: str, size: Any) -> Optimizer:
    def scaled(grads: Tree, params: Tree) -> Tree:
        return tree.map(lambda g, p: times(size(p), g), grads, required(params, name))

    return stateless(scaled)


@explained
def scale_by_trust_ratio(
    min_norm: float = 0.0, trust_coefficient: float = 1.0, eps: float = 0.0
) -> Optimizer:
    """trust_coefficient * |p| / (|g| + eps) * g for each array, or g where one of them is 0.

    Norms are at least `min_norm`.
    Source: You, Gitman, Ginsburg, Large batch training of convolutional networks, 2017.
    """

    def scaled(g: Any, p: Any) -> Any:
        size, step = safe_norm(p, min_norm), safe_norm(g, min_norm)
        nothing = np.logical_or(size == 0, step == 0)
        ratio = trust_coefficient * size / (np.where(nothing, 1, step) + eps)
        return times(np.where(nothing, 1, ratio), g)

    return stateless(lambda grads, p: tree.map(scaled, grads, required(p, "scale_by_trust_ratio")))


@explained
def scale_by_polyak(
    f_min: Any = 0.0, max_learning_rate: Any = 1.0, eps: Any = 0.0, variant: str = "sps"
) -> Optimizer:
    """min((value - f_min) / (|g|^2 + eps), max_learning_rate) * g, and 0 where |g| is 0.

    `update(grads, state, params, value=f(params))`. Of the variant "sps+", value - f_min is at
    least 0.
    Source: Loizou et al., Stochastic Polyak step-size for SGD, 2021.
    """
    if variant not in ("sps", "sps+"):
        raise ProgramError(
            f"scale_by_polyak: a variant 'sps' or 'sps+' is required, got {variant!r}",
            location(user_source()),
        )

    def update(g: Tree, state: Tree, params: Tree = None, *, value: Any, **extra: Any) -> Any:
        size = tree_norm(g, squared=True)
        gap = cast_to(np.asarray(value) - f_min, size)
        gap = np.maximum(gap, 0) if variant == "sps+" else gap
        size = size + eps
        nothing = size <= np.finfo(np.float32).eps
        rate = np.minimum(gap / np.where(nothing, 1, size), max_learning_rate)
        return tree_scale(np.where(nothing, 0, rate), g), state

    return transformation(identity().init, update)


class ScaleByDistanceOverGradientsState(NamedTuple):
    """For each array the largest distance from the start, the sum of squares, and the start."""

    max_dist: Tree
    grad_sum_of_squares: Tree
    init_params: Tree


@explained
def scale_by_distance_over_gradients(
    reps_rel: float = 1e-6,
    eps: float = 1e-8,
    param_dtype: Any = "float32",
    global_scale: Any = 1.0,
) -> Optimizer:
    """global_scale * d / sqrt(sum of |g|^2 until now + eps) * g for each array, where d is its
    largest distance from the start, at first reps_rel (1 + |p|).

    Source: Ivgi, Hinder, Carmon, DoG is SGD's best friend, 2023.
    """

    def init(params: Tree) -> ScaleByDistanceOverGradientsState:
        return ScaleByDistanceOverGradientsState(
            tree.map(lambda p: np.asarray(reps_rel * (1 + tree_norm(p))), params),
            tree.map(lambda p: np.zeros(1, p.dtype), params),
            tree.map(lambda p: np.array(p, dtype=param_dtype), params),
        )

    def update(grads: Tree, state: Any, params: Tree = None) -> Any:
        params = required(params, "scale_by_distance_over_gradients")
        far = tree.map(
            lambda d, p, first: np.maximum(d, tree_norm(p - first)),
            state.max_dist,
            params,
            state.init_params,
        )
        total = tree.map(lambda s, g: s + np.sum(squares(g)), state.grad_sum_of_squares, grads)
        updates = tree.map(
            lambda g, d, s: times(global_scale * d / np.sqrt(s[0] + eps), g), grads, far, total
        )
        return updates, ScaleByDistanceOverGradientsState(far, total, state.init_params)

    return transformation(init, update)


# ---------------------------------------------------------------- by sums of squares


class ScaleByRssState(NamedTuple):
    """The sum of squares of all gradients."""

    sum_of_squares: Tree


@explained
def scale_by_rss(initial_accumulator_value: float = 0.1, eps: float = 1e-7) -> Optimizer:
    """s <- s + g^2;  g / sqrt(s + eps), or 0 where s is 0.

    Source: Duchi, Hazan, Singer, Adaptive subgradient methods, 2011.
    """

    def init(params: Tree) -> ScaleByRssState:
        return ScaleByRssState(tree_full_like(params, initial_accumulator_value))

    def over(g: Any, s: Any) -> Any:
        return np.where(s > 0, g / np.sqrt(np.where(s > 0, s, 1) + eps), 0)

    def update(grads: Tree, state: ScaleByRssState, params: Tree = None) -> Any:
        total = tree.map(lambda g, s: s + squares(g), grads, state.sum_of_squares)
        return tree.map(over, grads, total), ScaleByRssState(total)

    return transformation(init, update)


class ScaleByAdaDeltaState(NamedTuple):
    """Running means of squared gradients and of squared updates."""

    e_g: Tree
    e_x: Tree


@explained
def scale_by_adadelta(rho: float = 0.9, eps: float = 1e-6) -> Optimizer:
    """v <- rho v + (1 - rho) g^2;  u = sqrt((w + eps) / (v + eps)) g;
    w <- rho w + (1 - rho) u^2.

    Source: Zeiler, Adadelta: an adaptive learning rate method, 2012.
    """

    def init(params: Tree) -> ScaleByAdaDeltaState:
        return ScaleByAdaDeltaState(tree_zeros_like(params), tree_zeros_like(params))

    def update(grads: Tree, state: ScaleByAdaDeltaState, params: Tree = None) -> Any:
        e_g = tree_update_moment(grads, state.e_g, rho, 2)
        updates = tree.map(
            lambda g, v, w: np.sqrt(w + eps) / np.sqrt(v + eps) * g, grads, e_g, state.e_x
        )
        return updates, ScaleByAdaDeltaState(e_g, tree_update_moment(updates, state.e_x, rho, 2))

    return transformation(init, update)


class ScaleByRpropState(NamedTuple):
    """The step of each element, and the update before."""

    step_sizes: Tree
    prev_updates: Tree


@explained
def scale_by_rprop(
    learning_rate: float,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step_size: float = 1e-6,
    max_step_size: float = 50.0,
) -> Optimizer:
    """step * sign(g): the step grows by eta_plus where g keeps its sign, shrinks by eta_minus where
    it turns, and there nothing moves; it begins with learning_rate.

    The first update is a step; that of optax is 0, and its others come one step late.
    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation, 1993.
    """

    def init(params: Tree) -> ScaleByRpropState:
        return ScaleByRpropState(tree_full_like(params, learning_rate), tree_zeros_like(params))

    def sized(g: Any, before: Any, step: Any) -> Any:
        turn = g * before
        after = times(np.where(turn > 0, eta_plus, eta_minus), step)
        return np.where(turn == 0, step, np.clip(after, min_step_size, max_step_size))

    def moved(g: Any, before: Any, step: Any) -> Any:
        return np.where(g * before < 0, 0, step * np.sign(g))

    def update(grads: Tree, state: ScaleByRpropState, params: Tree = None) -> Any:
        steps = tree.map(sized, grads, state.prev_updates, state.step_sizes)
        updates = tree.map(moved, grads, state.prev_updates, steps)
        return updates, ScaleByRpropState(steps, updates)

    return transformation(init, update)
