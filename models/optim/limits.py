"""What keeps updates in bounds: clipping, centering, decay of weights, noise, repair of NaN."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.functions.vmap import vmap
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to
from .masks import masked
from .moments import started
from .transformation import (
    EmptyState,
    Optimizer,
    ScalarOrSchedule,
    required,
    stateless,
    transformation,
)
from .trees import (
    global_norm,
    safe_increment,
    squares,
    times,
    tree_add_scale,
    tree_clip,
    tree_random_like,
)

__all__ = [
    "AddNoiseState",
    "WeightDecaySchedule",
    "ZeroNansState",
    "adaptive_grad_clip",
    "add_decayed_weights",
    "add_noise",
    "centralize",
    "clip",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "keep_params_nonnegative",
    "per_example_global_norm_clip",
    "per_example_layer_norm_clip",
    "zero_nans",
]

Tree = Any


@explained
def clip(max_delta: Any) -> Optimizer:
    """Every element of g within [-max_delta, max_delta]."""
    return stateless(lambda grads, _: tree_clip(grads, -max_delta, max_delta))


@explained
def clip_by_global_norm(max_norm: Any) -> Optimizer:
    """g, or g * max_norm / |g| where the global norm |g| is greater than max_norm.

    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent networks, 2013.
    """

    def clipped(grads: Tree, _: Tree) -> Tree:
        factor = max_norm / np.maximum(global_norm(grads), max_norm)
        return tree.map(lambda g: times(factor, g), grads)

    return stateless(clipped)


@explained
def clip_by_block_rms(threshold: Any) -> Optimizer:
    """g / max(1, rms / threshold) for the root of the mean square of each array.

    Source: Shazeer and Stern, Adafactor, 2018.
    """

    def clipped(g: Any) -> Any:
        rms = np.sqrt(np.mean(squares(g)))
        return times(threshold / np.maximum(rms, threshold), g)

    return stateless(lambda grads, _: tree.map(clipped, grads))


@explained
def adaptive_grad_clip(
    clipping: Any, eps: float = 1e-3, axis: int | tuple[int, ...] | None = None
) -> Optimizer:
    """g, or g * c / |g| where |g| > c = clipping * max(|p|, eps), by output units.

    Norms are over `axis`. For None: over all of a vector, over all axes but the last of arrays of
    2, 4 and 5 axes, over the first of 3.
    Source: Brock et al., High-performance large-scale image recognition without normalization,
    2021.
    """

    def norm(x: Any) -> Any:
        over = _inputs(np.shape(x)) if axis is None else axis
        return np.sqrt(np.sum(squares(x), axis=over, keepdims=True))

    def clipped(g: Any, p: Any) -> Any:
        size, largest = norm(g), times(clipping, np.maximum(norm(p), eps))
        return np.where(size < largest, g, g * (largest / np.maximum(size, 1e-6)))

    return stateless(lambda grads, p: tree.map(clipped, grads, required(p, "adaptive_grad_clip")))


def _inputs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of an array of weights that are not its output units."""
    if sum(n != 1 for n in shape) <= 1:
        return tuple(range(len(shape)))
    if len(shape) > 5:
        raise ProgramError(
            f"adaptive_grad_clip: axis= is required for arrays of more than 5 axes, got {shape}",
            location(user_source()),
        )
    return (0,) if len(shape) == 3 else tuple(range(len(shape) - 1))


@explained
def centralize() -> Optimizer:
    """g less its mean over all axes but the first, for arrays of two axes or more.

    Source: Yong et al., Gradient centralization, 2020.
    """

    def centered(g: Any) -> Any:
        axes = tuple(range(1, np.ndim(g)))
        return g - np.mean(g, axis=axes, keepdims=True) if axes else g

    return stateless(lambda grads, _: tree.map(centered, grads))


@explained
def keep_params_nonnegative() -> Optimizer:
    """g, or -p where p + g would be below 0."""

    def kept(g: Any, p: Any) -> Any:
        return np.where(p + g < 0, -p, g)

    return stateless(lambda grads, p: tree.map(kept, grads, required(p, "keep_params_nonnegative")))


class ZeroNansState(NamedTuple):
    """For each array whether NaN was in its last gradient."""

    found_nan: Tree  # bools


@explained
def zero_nans() -> Optimizer:
    """0 where g is NaN, else g."""

    def init(params: Tree) -> ZeroNansState:
        return ZeroNansState(tree.map(lambda p: np.array(False), params))

    def update(grads: Tree, state: ZeroNansState, params: Tree = None) -> Any:
        state = ZeroNansState(tree.map(lambda g: np.any(np.isnan(g)), grads))
        return tree.map(lambda g: np.where(np.isnan(g), 0, g), grads), state

    return transformation(init, update)


class WeightDecaySchedule(NamedTuple):
    """Steps taken, of a decay that changes with time."""

    count: Any  # i32


@explained
def add_decayed_weights(weight_decay: ScalarOrSchedule = 0.0, mask: Any = None) -> Optimizer:
    """g + weight_decay * p, where the mask is true: a tree of bools, or a function of params.

    weight_decay is a number, or a schedule.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    timed = callable(weight_decay)

    def init(params: Tree) -> Tree:
        return WeightDecaySchedule(started()) if timed else EmptyState()

    def update(grads: Tree, state: Tree, params: Tree = None) -> Any:
        rate = weight_decay(state.count) if callable(weight_decay) else weight_decay
        after = WeightDecaySchedule(safe_increment(state.count)) if timed else state
        if isinstance(rate, (int, float)) and rate == 0:
            return grads, after
        return tree_add_scale(grads, rate, required(params, "add_decayed_weights")), after

    optimizer = transformation(init, update)
    return optimizer if mask is None else masked(optimizer, mask)


class AddNoiseState(NamedTuple):
    """Steps taken, and the key of the noise to come."""

    count: Any  # i32
    rng_key: Any


@explained
def add_noise(eta: float, gamma: float, key: Any = 0) -> Optimizer:
    """g + normal noise of variance eta / t^gamma; `key`: a key, or a seed.

    Source: Neelakantan et al., Adding gradient noise improves learning, 2015.
    """

    def init(params: Tree) -> AddNoiseState:
        return AddNoiseState(started(), random.key(key) if isinstance(key, int) else key)

    def update(grads: Tree, state: AddNoiseState, params: Tree = None) -> Any:
        count = safe_increment(state.count)
        keys = random.split(state.rng_key)
        noise = tree_random_like(keys[1], grads)
        spread = np.sqrt(eta / (count + 0.0) ** gamma)
        return tree_add_scale(grads, spread, noise), AddNoiseState(count, keys[0])

    return transformation(init, update)


# ---------------------------------------------------------------- of single examples


@explained
def per_example_global_norm_clip(grads: Tree, l2_norm_clip: Any) -> tuple[Tree, Any]:
    """The sum over examples of their gradients, each clipped by its global norm, and how many were.

    Axis 0 of every array is that of the examples.
    Source: Abadi et al., Deep learning with differential privacy, 2016.
    """
    sizes = {np.shape(g)[:1] for g in tree.leaves(grads)}
    if len(sizes) != 1 or () in sizes:
        raise ProgramError(
            "per_example_global_norm_clip: a first axis of all examples in each array is required, "
            f"got shapes {[list(np.shape(g)) for g in tree.leaves(grads)]}",
            location(user_source()),
        )
    norms = vmap(global_norm)(grads)
    factors = l2_norm_clip / np.maximum(norms, l2_norm_clip)
    total = tree.map(lambda g: np.tensordot(cast_to(factors, g), g, 1), grads)
    return total, np.sum(norms > l2_norm_clip)


@explained
def per_example_layer_norm_clip(
    grads: Tree, global_l2_norm_clip: float, uniform: bool = True
) -> tuple[Tree, Tree]:
    """per_example_global_norm_clip of each array alone, and for each how many were clipped.

    Of n arrays each is given 1 / sqrt(n) of the norm, or by its part of all elements.
    Source: McMahan et al., Learning differentially private recurrent language models, 2018.
    """
    leaves, structure = tree.flatten(grads)
    counts = [math.prod(np.shape(g)[1:]) for g in leaves]
    parts = [1 / len(leaves) if uniform else c / sum(counts) for c in counts]
    found = [
        per_example_global_norm_clip(g, global_l2_norm_clip * math.sqrt(part))
        for g, part in zip(leaves, parts, strict=True)
    ]
    return tree.unflatten(structure, [f for f, _ in found]), tree.unflatten(
        structure, [n for _, n in found]
    )
