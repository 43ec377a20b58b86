"""Gradients over sizes that take few numbers: one an array, one an index of an axis, one a row and
one a column."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from .moments import started
from .transformation import Optimizer, required, transformation
from .trees import mean, safe_increment, squares, times, tree_update_moment, tree_zeros_like, wide

__all__ = [
    "FactoredState",
    "ScaleByNovogradState",
    "ScaleBySM3State",
    "scale_by_factored_rms",
    "scale_by_novograd",
    "scale_by_sm3",
]

Tree = Any


class ScaleByNovogradState(NamedTuple):
    """Steps taken, the momentum, and for each array the running mean of its squared norm."""

    count: Any  # i32
    mu: Tree
    nu: Tree


@explained
def scale_by_novograd(
    b1: float = 0.9,
    b2: float = 0.25,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 0.0,
    mu_dtype: Any = None,
) -> Optimizer:
    """v <- b2 v + (1 - b2) |g|^2, for each array one number, at first |g|^2;
    m <- b1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p.

    Source: Ginsburg et al., Stochastic gradient methods with layer-wise adaptive moments, 2019.
    """

    def init(params: Tree) -> ScaleByNovogradState:
        nu = tree.map(lambda p: np.zeros((), p.dtype), params)
        return ScaleByNovogradState(started(), tree_zeros_like(params, mu_dtype), nu)

    def update(g: Tree, state: ScaleByNovogradState, params: Tree = None) -> Any:
        params, first = required(params, "scale_by_novograd"), state.count == 0

        def size(x: Any, v: Any) -> Any:
            total = np.sum(squares(x))
            return np.where(first, total, mean(b2, v, total))

        def moved(x: Any, p: Any, m: Any, v: Any) -> Any:
            step = x / (np.sqrt(v + eps_root) + eps) + times(weight_decay, p)
            return step + times(b1, wide(m, x))

        nu = tree.map(size, g, state.nu)
        mu = tree.map(moved, g, params, state.mu, nu)
        return mu, ScaleByNovogradState(safe_increment(state.count), mu, nu)

    return transformation(init, update)


class ScaleBySM3State(NamedTuple):
    """For each axis of an array the largest accumulators by index, and the running mean."""

    mu: Tree
    nu: Tree


@explained
def scale_by_sm3(b1: float = 0.9, b2: float = 1.0, eps: float = 1e-8) -> Optimizer:
    """a = b2 min(over axes, accumulators) + g^2;  m <- b1 m + (1 - b1) g / sqrt(a + eps);
    the accumulator of an index is the largest a of its slice.

    With b2 below 1, (1 - b2) g^2 is added. Memory: m, and d_1 + ... + d_n numbers an array.
    Source: Anil et al., Memory-efficient adaptive optimization, 2019.
    """
    weight = 1 - b2 if b2 != 1 else 1.0

    def init(params: Tree) -> ScaleBySM3State:
        mu = tree.map(lambda p: [np.zeros(n, p.dtype) for n in np.shape(p)], params)
        return ScaleBySM3State(mu, tree_zeros_like(params))

    def update(g: Tree, state: ScaleBySM3State, params: Tree = None) -> Any:
        leaves, structure = tree.flatten(g)
        rows = iter(tree.leaves(state.mu))
        sizes = [_least([next(rows) for _ in np.shape(x)], x, b2, weight) for x in leaves]
        steps = [
            np.where(a > 0, x / np.sqrt(np.where(a > 0, a, 1) + eps), 0)
            for x, a in zip(leaves, sizes, strict=True)
        ]
        nu = tree_update_moment(tree.unflatten(structure, steps), state.nu, b1, 1)
        mu = tree.unflatten(structure, [_by_axis(a) for a in sizes])
        return nu, ScaleBySM3State(mu, nu)

    return transformation(init, update)


def _least(rows: list[Any], x: Any, b2: Any, weight: Any) -> Any:
    """The new accumulators of the elements of an array."""
    if not rows:
        raise ProgramError(
            "scale_by_sm3: arrays of one axis or more are required, got a scalar",
            location(user_source()),
            "p.reshape(1) for a scalar parameter",
        )
    found: Any = math.inf
    for axis, row in enumerate(rows):
        shape = [1] * len(rows)
        shape[axis] = row.shape[0]
        found = np.minimum(found, np.reshape(row, shape)) if axis else np.reshape(row, shape)
    return times(weight, squares(x)) + times(b2, found)


def _by_axis(a: Any) -> list[Any]:
    axes = range(a.ndim)
    return [np.max(a, axis=tuple(i for i in axes if i != k)) if a.ndim > 1 else a for k in axes]


class FactoredState(NamedTuple):
    """Steps taken; means of squares over columns and over rows, or those of each element: () stands
    where the others are."""

    count: Any  # i32
    v_row: Tree
    v_col: Tree
    v: Tree


@explained
def scale_by_factored_rms(
    factored: bool = True,
    decay_rate: float = 0.8,
    step_offset: int = 0,
    min_dim_size_to_factor: int = 128,
    epsilon: float = 1e-30,
) -> Optimizer:
    """g / sqrt(v), v <- r v + (1 - r) (g^2 + epsilon), r = 1 - (t - step_offset)^-decay_rate; of v
    only means r_i over columns and c_j over rows are kept: v_ij = r_i c_j / mean(r).

    So for the two largest axes of an array, where both are at least `min_dim_size_to_factor`; of
    other arrays v is kept whole.
    Source: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, 2018.
    """

    def axes(shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The axis of rows and the longest one, of columns."""
        *_, second, first = (-1, -1, *sorted(range(len(shape)), key=lambda k: (shape[k], k)))
        fits = factored and len(shape) > 1 and shape[second] >= min_dim_size_to_factor
        return (second, first) if fits else None

    def init(params: Tree) -> FactoredState:
        leaves, structure = tree.flatten(params)
        rows, columns, whole = [], [], []
        for p in leaves:
            pair, shape = axes(np.shape(p)), list(np.shape(p))
            rows.append(np.zeros(_without(shape, pair[1]), p.dtype) if pair else ())
            columns.append(np.zeros(_without(shape, pair[0]), p.dtype) if pair else ())
            whole.append(() if pair else np.zeros(shape, p.dtype))
        parts = (tree.unflatten(structure, x) for x in (rows, columns, whole))
        return FactoredState(started(), *parts)

    def update(grads: Tree, state: FactoredState, params: Tree = None) -> Any:
        keep = 1 - (state.count - step_offset + 1.0) ** -decay_rate
        leaves, structure = tree.flatten(grads)
        rows, columns, whole = (iter(tree.leaves(x)) for x in state[1:])
        found = []
        for g in leaves:
            pair = axes(np.shape(g))
            kept = (next(rows), next(columns), ()) if pair else ((), (), next(whole))
            found.append(_factored(g, *kept, keep, pair, epsilon))
        parts = [tree.unflatten(structure, [f[i] for f in found]) for i in range(4)]
        return parts[0], FactoredState(safe_increment(state.count), *parts[1:])

    return transformation(init, update)


def _without(shape: list[int], axis: int) -> list[int]:
    return shape[:axis] + shape[axis + 1 :]


def _factored(
    g: Any, row: Any, column: Any, v: Any, keep: Any, pair: tuple[int, int] | None, epsilon: float
) -> tuple[Any, Any, Any, Any]:
    """The update of one array, and its new means."""
    size = squares(g) + epsilon
    if pair is None:
        v = mean(keep, v, size)
        return g / np.sqrt(v), row, column, v
    second, first = pair
    row = mean(keep, row, np.mean(size, axis=first))
    column = mean(keep, column, np.mean(size, axis=second))
    middle = np.mean(row, axis=second - (second > first), keepdims=True)
    over_rows = np.expand_dims(np.sqrt(row / middle), first)
    return g / over_rows / np.expand_dims(np.sqrt(column), second), row, column, v
