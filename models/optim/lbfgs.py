"""Directions by L-BFGS."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.front.lax.control_flow import scan
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to
from .line_search import real_number
from .moments import started
from .transformation import Optimizer, cast_like, required, transformation
from .trees import (
    safe_increment,
    tree_add_scale,
    tree_norm,
    tree_scale,
    tree_sub,
    tree_vdot,
    tree_zeros_like,
)

__all__ = [
    "ScaleByLBFGSState",
    "scale_by_lbfgs",
]

Tree = Any


class ScaleByLBFGSState(NamedTuple):
    """Steps taken, the last parameters and gradients, and the last changes of both, newest last."""

    count: Any  # i32
    params: Tree
    updates: Tree
    diff_params_memory: Tree
    diff_updates_memory: Tree
    weights_memory: Any


@explained
def scale_by_lbfgs(memory_size: int = 10, scale_init_precond: bool = True) -> Optimizer:
    """H g, with H of the last changes s of parameters and y of gradients:
    H <- (I - s y' / <y, s>) H (I - y s' / <y, s>) + s s' / <y, s>.

    It begins with <y, s> / |y|^2 I of the last pair, at first with min(1, 1 / |g|) I, or with I
    without `scale_init_precond`. Memory: 2 memory_size copies of the parameters.
    Source: Liu and Nocedal, On the limited memory BFGS method, 1989.
    """
    if memory_size < 1:
        raise ProgramError(
            f"scale_by_lbfgs: a memory_size of 1 or more is required, got {memory_size}",
            location(user_source()),
        )

    def init(params: Tree) -> ScaleByLBFGSState:
        steps, changes = (
            tree.map(lambda p: np.zeros((memory_size, *np.shape(p)), p.dtype), params)
            for _ in range(2)
        )
        weights = np.zeros(memory_size, real_number(0.0, params).dtype)
        last = tree_zeros_like(params), tree_zeros_like(params)
        return ScaleByLBFGSState(started(), *last, steps, changes, weights)

    def update(g: Tree, state: ScaleByLBFGSState, params: Tree = None) -> Any:
        known = state.count > 0
        step = tree_sub(required(params, "scale_by_lbfgs"), state.params)
        change = tree_sub(g, state.updates)
        step, change = tree.map(lambda x: np.where(known, x, 0), (step, change))
        along = np.real(tree_vdot(change, step))
        nothing = along == 0
        weight = np.where(nothing, 0, 1 / np.where(nothing, 1, along))
        memory = tree.map(
            _pushed,
            (state.diff_params_memory, state.diff_updates_memory, state.weights_memory),
            (step, change, weight),
        )
        scaling: Any = 1.0
        if scale_init_precond:
            size = tree_norm(change, squared=True)
            flat = size == 0
            scaling = np.where(flat, 1, along / np.where(flat, 1, size))
            first = 1 / np.maximum(tree_norm(g), 1)
            scaling = np.where(known, scaling, first)
        return _preconditioned(g, memory, scaling), ScaleByLBFGSState(
            safe_increment(state.count), params, g, *memory
        )

    return transformation(init, update)


def _pushed(memory: Any, newest: Any) -> Any:
    return np.concatenate([memory[1:], cast_to(np.expand_dims(newest, 0), memory)])


def _preconditioned(g: Tree, memory: tuple[Tree, Tree, Any], scaling: Any) -> Tree:
    """H g: from the newest pair to the oldest, and back."""

    def right(vector: Tree, pair: tuple[Tree, Tree, Any]) -> tuple[Tree, Any]:
        step, change, weight = pair
        alpha = weight * np.real(tree_vdot(step, vector))
        return cast_like(tree_add_scale(vector, -alpha, change), vector), alpha

    def left(vector: Tree, pair: tuple[tuple[Tree, Tree, Any], Any]) -> tuple[Tree, None]:
        (step, change, weight), alpha = pair
        beta = weight * np.real(tree_vdot(change, vector))
        return cast_like(tree_add_scale(vector, alpha - beta, step), vector), None

    vector, alphas = scan(right, g, memory, reverse=True)
    return scan(left, tree_scale(scaling, vector), (memory, alphas))[0]
