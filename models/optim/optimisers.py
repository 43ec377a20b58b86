"""Optimizers as pairs of pure functions, as in optax: the update compiles into the training step.

    optimizer = chain(clip_by_global_norm(1.0), adamw(1e-3))
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = apply_updates(params, updates)

A learning rate is a number, or a schedule: a function of the number of steps taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.front.numpy.elementwise import root
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.trace import tree
from ...compiler.trace.trace import keeps_bf16
from .schedules import Schedule

__all__ = [
    "AdamState",
    "Average",
    "Momentum",
    "Optimizer",
    "RmsState",
    "Steps",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip",
    "clip_by_global_norm",
    "ema",
    "global_norm",
    "incremental_update",
    "rmsprop",
    "scale",
    "scale_by_schedule",
    "sgd",
]

Tree = Any


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(grads, state, params) -> (updates, state)`."""

    init: Callable[[Tree], Tree]
    update: Callable[..., tuple[Tree, Tree]]


@explained
@keeps_bf16
def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, which are of the same shapes"""
    return tree.map(_updated, params, updates)


def _updated(parameter: Any, update: Any) -> Any:
    shape, of_update = np.shape(parameter), np.shape(update)
    if shape != of_update:
        raise ProgramError(
            f"apply_updates: an update of the parameter's shape {list(shape)} is required, "
            f"got {list(of_update)}"
        )
    return parameter + update


@explained
@keeps_bf16
def incremental_update(new_tensors: Tree, old_tensors: Tree, step_size: float) -> Tree:
    """step_size * new + (1 - step_size) * old: an exponential average of parameters, step by step.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """
    return tree.map(lambda n, o: step_size * n + (1 - step_size) * o, new_tensors, old_tensors)


@explained
def chain(*optimizers: Optimizer) -> Optimizer:
    """One after the other: each takes the updates of the one before."""

    def init(params: Tree) -> Tree:
        return tuple(o.init(params) for o in optimizers)

    def update(grads: Tree, state: Tree, params: Tree = None) -> tuple[Tree, Tree]:
        after = []
        for optimizer, before in zip(optimizers, state, strict=True):
            grads, made = optimizer.update(grads, before, params)
            after.append(made)
        return grads, tuple(after)

    return Optimizer(init, keeps_bf16(update))


def _stateless(function: Callable[[Tree, Tree], Tree]) -> Optimizer:
    """An optimizer without state, of (updates, params)."""
    update = keeps_bf16(lambda u, s, params=None: (function(u, params), s))
    return Optimizer(lambda params: (), update)


def _times(factor: Any, x: Any) -> Any:
    """factor * x in the dtype of x: a rate computed in f64 does not widen it."""
    return (factor.astype(x.dtype) if hasattr(factor, "astype") else factor) * x


# ---------------------------------------------------------------- scaling and clipping


@explained
def scale(step_size: float) -> Optimizer:
    """step_size * g"""
    return _stateless(lambda grads, _: tree.map(lambda g: step_size * g, grads))


class Steps(NamedTuple):
    """State of what changes with time: the steps taken."""

    count: Any  # i32


@explained
def scale_by_schedule(step_size_fn: Schedule) -> Optimizer:
    """step_size_fn(steps taken) * g"""

    def init(params: Tree) -> Steps:
        return Steps(np.zeros((), np.int32))

    def update(grads: Tree, state: Steps, params: Tree = None) -> tuple[Tree, Steps]:
        factor = step_size_fn(state.count)
        return tree.map(lambda g: _times(factor, g), grads), Steps(state.count + np.int32(1))

    return Optimizer(init, keeps_bf16(update))


@explained
def clip(max_delta: float) -> Optimizer:
    """Every element of g within [-max_delta, max_delta]."""
    return _stateless(lambda grads, _: tree.map(lambda g: np.clip(g, -max_delta, max_delta), grads))


@explained
@keeps_bf16
def global_norm(updates: Tree) -> Any:
    """The root of the sum of all squared elements of all arrays; its derivative at 0 is 0."""
    return root(sum(np.sum(x * x) for x in tree.leaves(updates)))


@explained
def clip_by_global_norm(max_norm: float) -> Optimizer:
    """g, or g * max_norm / |g| where the global norm |g| is greater than max_norm.

    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent networks, 2013.
    """

    def clipped(grads: Tree, _: Tree) -> Tree:
        factor = max_norm / np.maximum(global_norm(grads), max_norm)
        return tree.map(lambda g: _times(factor, g), grads)

    return _stateless(clipped)


@explained
def add_decayed_weights(weight_decay: float, mask: Any = None) -> Optimizer:
    """g + weight_decay * p, where the mask is true: a tree of bools, or a function of params."""

    def decayed(grads: Tree, params: Tree) -> Tree:
        return tree.map(lambda g, d: g + d, grads, _decay(weight_decay, mask, params))

    return _stateless(decayed)


def _decay(weight_decay: float, mask: Any, params: Tree) -> Tree:
    """weight_decay * p, and 0 where the mask is false."""
    chosen = mask(params) if callable(mask) else mask
    if chosen is None:
        return tree.map(lambda p: weight_decay * p, params)
    return tree.map(lambda p, m: weight_decay * p if m else 0.0, params, chosen)


class Average(NamedTuple):
    """State of `ema`: steps taken, and the running mean."""

    count: Any  # i32
    ema: Tree


@explained
def ema(decay: float, debias: bool = True) -> Optimizer:
    """m <- decay m + (1 - decay) g;  m / (1 - decay^t), or m itself without `debias`."""

    def init(params: Tree) -> Average:
        return Average(np.zeros((), np.int32), tree.map(np.zeros_like, params))

    def update(grads: Tree, state: Average, params: Tree = None) -> tuple[Tree, Average]:
        count = state.count + np.int32(1)
        mean = tree.map(lambda g, m: decay * m + (1 - decay) * g, grads, state.ema)
        factor = 1 / _decayed(decay, count) if debias else 1.0
        return tree.map(lambda m: _times(factor, m), mean), Average(count, mean)

    return Optimizer(init, keeps_bf16(update))


# ---------------------------------------------------------------- optimizers


class Momentum(NamedTuple):
    """State of sgd with momentum."""

    trace: Tree  # like the parameters


@explained
def sgd(learning_rate: Any, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Gradient descent: v <- momentum * v + g;  p <- p - learning_rate * v.

    With `nesterov`, p <- p - learning_rate * (g + momentum * v). No momentum, no state.
    Source: Sutskever et al., On the importance of initialization and momentum, 2013.
    """
    if callable(learning_rate):
        return chain(sgd(1.0, momentum, nesterov), scale_by_schedule(learning_rate))

    def scaled(directions: Tree) -> Tree:
        return tree.map(lambda d: -learning_rate * d, directions)

    def init(params: Tree) -> Tree:
        return Momentum(tree.map(np.zeros_like, params)) if momentum else ()

    def update(grads: Tree, state: Tree, params: Tree = None) -> tuple[Tree, Tree]:
        if not momentum:
            return scaled(grads), state
        directions, trace = _moved(grads, state.trace, momentum, nesterov)
        return scaled(directions), Momentum(trace)

    return Optimizer(init, keeps_bf16(update))


def _moved(grads: Tree, trace: Tree, momentum: float, nesterov: bool) -> tuple[Tree, Tree]:
    """The directions of a step with momentum, and the new trace."""
    trace = tree.map(lambda g, v: g + momentum * v, grads, trace)
    ahead = tree.map(lambda g, v: g + momentum * v, grads, trace) if nesterov else trace
    return ahead, trace


class AdamState(NamedTuple):
    """Steps taken, and running means of gradients and of their squares."""

    count: Any  # i32
    mu: Tree
    nu: Tree


@explained
def adam(
    learning_rate: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, eps_root: float = 0.0
) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    p <- p - learning_rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t) + eps_root) + eps).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """
    return adamw(learning_rate, b1, b2, eps, eps_root, weight_decay=0.0)


@explained
def adamw(
    learning_rate: Any,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 1e-4,
    mask: Any = None,
) -> Optimizer:
    """adam, and p <- p - learning_rate * weight_decay * p where the mask is true.

    `mask`: a tree of bools, or a function of params that gives one; None is true everywhere.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    if callable(learning_rate):
        fixed = adamw(1.0, b1, b2, eps, eps_root, weight_decay, mask)
        return chain(fixed, scale_by_schedule(learning_rate))

    def init(params: Tree) -> AdamState:
        zeros = tree.map(np.zeros_like, params)
        return AdamState(np.zeros((), np.int32), zeros, tree.map(np.copy, zeros))

    def update(grads: Tree, state: AdamState, params: Tree = None) -> tuple[Tree, AdamState]:
        count = state.count + np.int32(1)
        mu = tree.map(lambda g, m: b1 * m + (1 - b1) * g, grads, state.mu)
        nu = tree.map(lambda g, v: b2 * v + (1 - b2) * (g * g), grads, state.nu)
        # once per step in f64, where 1 - 0.999 loses nothing; cast per leaf: no update widens
        rate, spread = learning_rate / _decayed(b1, count), 1 / _decayed(b2, count)

        def step(m: Any, v: Any) -> Any:
            size = np.sqrt(v * spread.astype(v.dtype) + eps_root) + eps
            return -rate.astype(m.dtype) * m / size

        updates = tree.map(step, mu, nu)
        if weight_decay:
            decay = _decay(learning_rate * weight_decay, mask, params)
            updates = tree.map(lambda u, d: u - d, updates, decay)
        return updates, AdamState(count, mu, nu)

    return Optimizer(init, keeps_bf16(update))


def _decayed(rate: float, count: Any) -> Any:
    """1 - rate^count"""
    return -np.expm1(count * math.log(rate))


class RmsState(NamedTuple):
    """Running means of squares and, if centered, of gradients; the trace, if there is momentum."""

    nu: Tree
    mu: Tree
    trace: Tree


@explained
def rmsprop(
    learning_rate: Any,
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    centered: bool = False,
    momentum: float | None = None,
    nesterov: bool = False,
) -> Optimizer:
    """v <- decay v + (1 - decay) g^2;  d = g / sqrt(v + eps);  p <- p - learning_rate * d.

    `centered` takes off v the square of the running mean of g; `momentum` is applied to d as in
    sgd; v begins with `initial_scale`.
    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012.
    """
    if callable(learning_rate):
        fixed = rmsprop(1.0, decay, eps, initial_scale, centered, momentum, nesterov)
        return chain(fixed, scale_by_schedule(learning_rate))

    def init(params: Tree) -> RmsState:
        zeros = tree.map(np.zeros_like, params)
        nu = tree.map(lambda p: np.full_like(p, initial_scale), params)
        return RmsState(nu, zeros if centered else (), zeros if momentum else ())

    def update(grads: Tree, state: RmsState, params: Tree = None) -> tuple[Tree, RmsState]:
        nu = tree.map(lambda g, v: decay * v + (1 - decay) * (g * g), grads, state.nu)
        mu: Tree = ()
        spread = nu
        if centered:
            mu = tree.map(lambda g, m: decay * m + (1 - decay) * g, grads, state.mu)
            spread = tree.map(lambda v, m: v - m * m, nu, mu)
        directions = tree.map(lambda g, v: g / np.sqrt(v + eps), grads, spread)
        trace: Tree = ()
        if momentum:
            directions, trace = _moved(directions, state.trace, momentum, nesterov)
        return tree.map(lambda d: -learning_rate * d, directions), RmsState(nu, mu, trace)

    return Optimizer(init, keeps_bf16(update))
