"""Gradients over running means of their sizes: the family of Adam, as transformations.

Means of gradients and of squares are kept for each element. What depends on the number of steps
alone is computed once a step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.explain import explained
from ...compiler.trace import tree
from .transformation import Optimizer, transformation
from .trees import (
    decayed,
    mean,
    safe_increment,
    squares,
    times,
    tree_add_scale,
    tree_bias_correction,
    tree_full_like,
    tree_sub,
    tree_update_infinity_moment,
    tree_update_moment,
    tree_where,
    tree_zeros_like,
)

__all__ = [
    "AdamState",
    "RmsState",
    "ScaleByAdamState",
    "ScaleByAdanState",
    "ScaleByAmsgradState",
    "ScaleByBeliefState",
    "ScaleByRStdDevState",
    "ScaleByRmsState",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_adan",
    "scale_by_amsgrad",
    "scale_by_belief",
    "scale_by_radam",
    "scale_by_rms",
    "scale_by_stddev",
    "scale_by_yogi",
]

Tree = Any


def started() -> Any:
    """The count of no steps."""
    return np.zeros((), np.int32)


def _second(updates: Tree, nu: Tree, decay: Any) -> Tree:
    """decay * v + (1 - decay) * |g|^2"""
    return tree.map(lambda g, v: mean(decay, v, squares(g)), updates, nu)


class ScaleByAdamState(NamedTuple):
    """Steps taken, and running means of gradients and of their squares."""

    count: Any  # i32
    mu: Tree
    nu: Tree


AdamState = ScaleByAdamState


@explained
def scale_by_adam(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t) + eps_root) + eps).

    With `nesterov`, b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t) over the same root. `mu_dtype`:
    the dtype that m is kept in.
    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015; Dozat, Incorporating
    Nesterov momentum into Adam, 2016.
    """

    def init(params: Tree) -> ScaleByAdamState:
        return ScaleByAdamState(
            started(), tree_zeros_like(params, mu_dtype), tree_zeros_like(params)
        )

    def update(g: Tree, state: ScaleByAdamState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu, nu = tree_update_moment(g, state.mu, b1, 1), _second(g, state.nu, b2)
        first = _ahead(mu, g, b1, count) if nesterov else tree_bias_correction(mu, b1, count)
        step = _over_root(first, tree_bias_correction(nu, b2, count), eps, eps_root)
        return step, ScaleByAdamState(count, mu, nu)

    return transformation(init, update)


def _ahead(mu: Tree, g: Tree, b1: Any, count: Any) -> Tree:
    """What the mean of gradients will be after another one like this."""
    later = tree_bias_correction(mu, b1, safe_increment(count))
    return tree.map(lambda m, x: mean(b1, m, x), later, tree_bias_correction(g, b1, count))


def _over_root(mu: Tree, nu: Tree, eps: Any, eps_root: Any = 0.0) -> Tree:
    """m / (sqrt(v + eps_root) + eps)"""
    return tree.map(lambda m, v: m / (np.sqrt(v + eps_root) + eps), mu, nu)


class ScaleByAmsgradState(NamedTuple):
    """State of Adam, and the largest mean of squares until now."""

    count: Any  # i32
    mu: Tree
    nu: Tree
    nu_max: Tree


@explained
def scale_by_amsgrad(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> Optimizer:
    """scale_by_adam over the largest v until now: its steps never grow for want of gradients.

    `bias_correction_mu` and `bias_correction_nu`: whether m and v are corrected for their start.
    Source: Reddi, Kale, Kumar, On the convergence of Adam and beyond, 2018.
    """

    def init(params: Tree) -> ScaleByAmsgradState:
        mu = tree_zeros_like(params, mu_dtype)
        return ScaleByAmsgradState(started(), mu, tree_zeros_like(params), tree_zeros_like(params))

    def update(g: Tree, state: ScaleByAmsgradState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu, nu = tree_update_moment(g, state.mu, b1, 1), _second(g, state.nu, b2)
        first = tree_bias_correction(mu, b1, count) if bias_correction_mu else mu
        second = tree_bias_correction(nu, b2, count) if bias_correction_nu else nu
        largest = tree.map(np.maximum, state.nu_max, second)
        return _over_root(first, largest, eps, eps_root), ScaleByAmsgradState(
            count, mu, nu, largest
        )

    return transformation(init, update)


@explained
def scale_by_adamax(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  (m / (1 - b1^t)) / u.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, section 7, 2015.
    """

    def update(g: Tree, state: ScaleByAdamState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu = tree_update_moment(g, state.mu, b1, 1)
        nu = tree_update_infinity_moment(g, state.nu, b2, eps)
        step = tree.map(lambda m, u: m / u, tree_bias_correction(mu, b1, count), nu)
        return step, ScaleByAdamState(count, mu, nu)

    return transformation(scale_by_adam().init, update)


class ScaleByBeliefState(NamedTuple):
    """Steps taken, running means of gradients and of squared surprises."""

    count: Any  # i32
    mu: Tree
    nu: Tree


@explained
def scale_by_belief(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-16,
    eps_root: float = 1e-16,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """scale_by_adam with v <- b2 v + (1 - b2) (g - m)^2 + eps_root.

    Source: Zhuang et al., AdaBelief optimizer, 2020.
    """

    def init(params: Tree) -> ScaleByBeliefState:
        return ScaleByBeliefState(started(), tree_zeros_like(params), tree_zeros_like(params))

    def update(g: Tree, state: ScaleByBeliefState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu = tree_update_moment(g, state.mu, b1, 1)
        nu = tree.map(lambda v: v + eps_root, _second(tree_sub(g, mu), state.nu, b2))
        first = _ahead(mu, g, b1, count) if nesterov else tree_bias_correction(mu, b1, count)
        step = _over_root(first, tree_bias_correction(nu, b2, count), eps)
        return step, ScaleByBeliefState(count, mu, nu)

    return transformation(init, update)


@explained
def scale_by_yogi(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-3,
    eps_root: float = 0.0,
    initial_accumulator_value: float = 1e-6,
) -> Optimizer:
    """scale_by_adam with v <- v - (1 - b2) sign(v - g^2) g^2: it grows as it falls, by additions.

    m and v begin with `initial_accumulator_value`.
    Source: Zaheer et al., Adaptive methods for nonconvex optimization, 2018.
    """

    def init(params: Tree) -> ScaleByAdamState:
        first, second = (tree_full_like(params, initial_accumulator_value) for _ in range(2))
        return ScaleByAdamState(started(), first, second)

    def grown(g: Any, v: Any) -> Any:
        return v - times(1 - b2, np.sign(v - squares(g)) * squares(g))

    def update(g: Tree, state: ScaleByAdamState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu, nu = tree_update_moment(g, state.mu, b1, 1), tree.map(grown, g, state.nu)
        first, second = tree_bias_correction(mu, b1, count), tree_bias_correction(nu, b2, count)
        return _over_root(first, second, eps, eps_root), ScaleByAdamState(count, mu, nu)

    return transformation(init, update)


@explained
def scale_by_radam(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    threshold: float = 5.0,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """r times the step of scale_by_adam, or m / (1 - b1^t) alone where rho < threshold.

    With w = 2 / (1 - b2) - 1, rho = w - 2 t b2^t / (1 - b2^t),
    r^2 = (rho - 4) (rho - 2) w / ((w - 4) (w - 2) rho).
    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020.
    """
    longest = 2 / (1 - b2) - 1

    def update(g: Tree, state: ScaleByAdamState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        mu, nu = tree_update_moment(g, state.mu, b1, 1), _second(g, state.nu, b2)
        first = _ahead(mu, g, b1, count) if nesterov else tree_bias_correction(mu, b1, count)
        left = decayed(b2, count)
        rho = longest - 2 * count * (1 - left) / left
        known = rho >= threshold
        safe = np.where(known, rho, 5.0)  # a root of what is negative would be NaN in derivatives
        size = (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        slow = _over_root(first, tree_bias_correction(nu, b2, count), eps, eps_root)
        slow = tree.map(lambda u: times(np.sqrt(size), u), slow)
        return tree_where(known, slow, first), ScaleByAdamState(count, mu, nu)

    return transformation(scale_by_adam().init, update)


class ScaleByAdanState(NamedTuple):
    """Running means of gradients m, of their changes v, of squares n; the last gradient; steps."""

    m: Tree
    v: Tree
    n: Tree
    g: Tree
    t: Any  # i32


@explained
def scale_by_adan(
    b1: float = 0.98,
    b2: float = 0.92,
    b3: float = 0.99,
    eps: float = 1e-8,
    eps_root: float = 0.0,
) -> Optimizer:
    """With d = g less the gradient before, and running means m of g by b1, v of d by b2,
    n of (g + (1 - b2) d)^2 by b3, all corrected for their start:
    (m + (1 - b2) v) / (sqrt(n + eps_root) + eps).

    Source: Xie et al., Adan: adaptive Nesterov momentum algorithm, 2022.
    """

    def init(params: Tree) -> ScaleByAdanState:
        return ScaleByAdanState(*(tree_zeros_like(params) for _ in range(4)), t=started())

    def update(g: Tree, state: ScaleByAdanState, params: Tree = None) -> Any:
        count = safe_increment(state.t)
        change = tree.map(lambda x, old: np.where(state.t == 0, 0, x - old), g, state.g)
        m, v = tree_update_moment(g, state.m, b1, 1), tree_update_moment(change, state.v, b2, 1)
        n = _second(tree_add_scale(g, 1 - b2, change), state.n, b3)
        first, second, third = (
            tree_bias_correction(x, b, count) for x, b in ((m, b1), (v, b2), (n, b3))
        )
        step = _over_root(tree_add_scale(first, 1 - b2, second), third, eps, eps_root)
        return step, ScaleByAdanState(m, v, n, g, count)

    return transformation(init, update)


# ---------------------------------------------------------------- without means of gradients


class ScaleByRmsState(NamedTuple):
    """The running mean of squares; steps, if it is corrected for its start."""

    nu: Tree
    count: Any = ()  # i32


RmsState = ScaleByRmsState


@explained
def scale_by_rms(
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Optimizer:
    """v <- decay v + (1 - decay) g^2;  g / sqrt(v + eps), or g / (sqrt(v) + eps).

    v begins with `initial_scale`; `bias_correction` divides it by 1 - decay^t.
    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012.
    """

    def init(params: Tree) -> ScaleByRmsState:
        nu = tree_full_like(params, initial_scale)
        return ScaleByRmsState(nu, started() if bias_correction else ())

    def update(g: Tree, state: ScaleByRmsState, params: Tree = None) -> Any:
        nu = _second(g, state.nu, decay)
        count = safe_increment(state.count) if bias_correction else ()
        size = tree_bias_correction(nu, decay, count) if bias_correction else nu
        return tree.map(lambda x, v: x / _root(v, eps, eps_in_sqrt), g, size), ScaleByRmsState(
            nu, count
        )

    return transformation(init, update)


def _root(v: Any, eps: Any, inside: bool) -> Any:
    return np.sqrt(v + eps) if inside else np.sqrt(v) + eps


class ScaleByRStdDevState(NamedTuple):
    """Running means of gradients and of squares; steps, if they are corrected for their start."""

    mu: Tree
    nu: Tree
    count: Any = ()  # i32


@explained
def scale_by_stddev(
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Optimizer:
    """scale_by_rms over the variance v - m^2, with m <- decay m + (1 - decay) g.

    Source: Graves, Generating sequences with recurrent neural networks, 2013.
    """

    def init(params: Tree) -> ScaleByRStdDevState:
        nu = tree_full_like(params, initial_scale)
        return ScaleByRStdDevState(
            tree_zeros_like(params), nu, started() if bias_correction else ()
        )

    def update(g: Tree, state: ScaleByRStdDevState, params: Tree = None) -> Any:
        mu, nu = tree_update_moment(g, state.mu, decay, 1), _second(g, state.nu, decay)
        count = safe_increment(state.count) if bias_correction else ()
        first, second = (
            (tree_bias_correction(x, decay, count) for x in (mu, nu))
            if bias_correction
            else (mu, nu)
        )
        spread = tree.map(lambda m, v: v - squares(m), first, second)
        step = tree.map(lambda x, v: x / _root(v, eps, eps_in_sqrt), g, spread)
        return step, ScaleByRStdDevState(mu, nu, count)

    return transformation(init, update)
