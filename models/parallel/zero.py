"""Optimizers whose state is shared out over processes: ZeRO, stage 1.

    optimizer = sharded(wl.optim.adam(1e-3), "data")
    def train(w, xs):
        grads = wl.grad(lambda w: np.mean((xs @ w) ** 2))(w)
        return optimizer.update(grads, optimizer.init(w), w)[0]
    wl.vmap(train, (None, 0), None, axis_name="data")(w, xs.reshape(2, 2, 3))

Source: Rajbhandari and others, ZeRO: memory optimizations toward training trillion parameter
models, 2020.
"""

from __future__ import annotations

import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.collectives import all_gather, axis_index, axis_size, psum, psum_scatter
from ...compiler.front.lax.lax import dynamic_index_in_dim
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location
from ...compiler.trace import tree
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import trace
from ..optim import Optimizer, stateless, with_extra_args_support
from ..optim.trees import squares, times
from .elements import Origin, Reads, origins
from .specs import WHOLE, Names, listed, specs_of

__all__ = ["clip_by_global_norm", "shard_state", "sharded", "unshard_state"]

Tree = Any


@explained
def sharded(optimizer: Optimizer, axis_name: Names) -> Optimizer:
    """The optimizer of the mean over processes of their gradients; each keeps 1 / n of its state.

    Gradients are those of each process by its own loss. Of every array, laid out in a row and
    filled up to a multiple of n, a process gets its part of the mean (psum_scatter), updates it by
    its part of the state, and all get the updates of all (all_gather). That is
    `optimizer.update(pmean(grads), ...)`, operation by operation in the same order: the same bits,
    but for products that a kernel of the one and not of the other melts into a sum. It moves as
    many bytes as that psum. Parts have as many axes as their arrays, so that masks by names or
    `ndim` mean what they mean.

    What an update of one element reads of others is refused, for a process has them not:
    `clip_by_global_norm` of this room sums norms over processes.
    Its `init` and `update` run where the axis is known.
    Memory: of adam 2 / n numbers a weight, in place of 2.
    """
    inner = with_extra_args_support(optimizer)

    def init(params: Tree) -> Tree:
        return inner.init(_own(params, axis_name))

    def update(grads: Tree, state: Tree, params: Tree = None, **extra: Any) -> tuple[Tree, Tree]:
        extra = {k: _of_whole if _is_function(x) else x for k, x in extra.items()}
        mean = _mean(grads, axis_name)
        if "grad" in extra:
            extra["grad"] = mean if extra["grad"] is grads else _mean(extra["grad"], axis_name)
        parts = None if params is None else _own(params, axis_name)
        _by_elements(inner, (mean, state, parts), extra, listed(axis_name))
        updates, after = inner.update(mean, state, parts, **extra)
        return tree.map(lambda u, g: _gathered(u, np.shape(g), axis_name), updates, grads), after

    return Optimizer(init, explained(update, "update"))


def _mean(grads: Tree, axis_name: Names) -> Tree:
    """This process's part of the mean over all."""
    n = axis_size(axis_name)
    return tree.map(lambda g: _shaped(_scattered(g, n, axis_name) / n, np.ndim(g)), grads)


def _is_function(x: Any) -> bool:
    """Layers can be called too, but are trees."""
    return callable(x) and any(leaf is x for leaf in tree.leaves(x))


def _of_whole(*_: Any) -> Any:
    raise wrong(
        "sharded: an optimizer that searches no line is required, for a loss is of whole arrays",
        "optimizer.update(wl.lax.pmean(grads, axis_name), state, params, ...) without sharded",
    )


def _rows(x: Any, n: int) -> Any:
    """x in a row, with zeros behind, in n parts: [n, ...]."""
    flat = np.reshape(x, -1)
    return np.reshape(np.pad(flat, (0, -flat.shape[0] % n)), (n, -1) if flat.shape[0] else (n, 0))


def _shaped(part: Any, ndim: int) -> Any:
    return np.reshape(part, (1,) * (ndim - 1) + part.shape)


def _scattered(g: Any, n: int, axis_name: Names) -> Any:
    return psum_scatter(_rows(g, n), axis_name)


def _own(params: Tree, axis_name: Names) -> Tree:
    n, place = axis_size(axis_name), axis_index(axis_name)
    own = lambda p: dynamic_index_in_dim(_rows(p, n), place, keepdims=False)  # noqa: E731
    return tree.map(lambda p: _shaped(own(p), np.ndim(p)), params)


def _gathered(part: Any, shape: tuple[int, ...], axis_name: Names) -> Any:
    size = math.prod(shape)
    return np.reshape(all_gather(np.reshape(part, -1), axis_name, tiled=True)[:size], shape)


def _by_elements(inner: Optimizer, given: tuple[Tree, ...], extra: Any, names: Any) -> None:
    """Refuses an optimizer whose updates read other elements than their own."""
    traced = trace(lambda given: inner.update(*given, **extra), given, name="update")
    inputs = [Origin(Reads.OWN if v.shape else Reads.NUMBER) for v in traced.graph.inputs]
    for found in origins(traced.graph, inputs, names):
        if found.node is not None:
            raise ProgramError(
                "sharded: an optimizer that updates each element by itself is required, "
                f"got one that reads others by {found.node.op.name}",
                location(found.node.source),
                "wl.distributed.clip_by_global_norm(1.0, axis_name) for the norm of all parts, or "
                "optimizer.update(wl.lax.pmean(grads, axis_name), state, params) without sharded",
            )


# ---------------------------------------------------------------- norms


@explained
def clip_by_global_norm(max_norm: Any, axis_name: Names = (), specs: Tree = WHOLE) -> Optimizer:
    """g, or g * max_norm / |g| where the norm |g| of what all processes have is greater.

    `axis_name`: where all gradients are parts, as inside of `sharded`; `specs`: where each is one.
    Of what is whole the copies count once.
    Cost: one psum of a number for each set of axes.
    """

    def clipped(grads: Tree, _: Tree) -> Tree:
        sums: dict[tuple[str, ...], Any] = {}
        every = listed(axis_name)
        leaves = tree.leaves(grads)
        for g, spec in zip(leaves, specs_of("clip_by_global_norm", specs, grads), strict=True):
            axes = (*every, *(a for a in spec.axes if a not in every))
            sums[axes] = sums.get(axes, 0.0) + np.sum(squares(g))
        norm = np.sqrt(sum(psum(s, axes) if axes else s for axes, s in sums.items()))
        factor = max_norm / np.maximum(norm, max_norm)
        return tree.map(lambda g: times(factor, g), grads)

    return stateless(clipped)


# ---------------------------------------------------------------- checkpoints


@explained
def unshard_state(optimizer: Optimizer, state: Tree, params: Tree, axis_name: Names) -> Tree:
    """Of the state of `sharded(optimizer, axis_name)` that of the optimizer itself, in all."""

    def together(part: Any, of_whole: Any) -> Any:
        shape = np.shape(of_whole)
        if np.shape(part) == shape:  # the first has it: of one element, others have what fills up
            return all_gather(part, axis_name)[0]
        return _gathered(part, shape, axis_name)

    return tree.map(together, _checked(state, optimizer.init(params)), optimizer.init(params))


@explained
def shard_state(optimizer: Optimizer, state: Tree, params: Tree, axis_name: Names) -> Tree:
    """unshard_state turned round, for any number of processes."""

    def part(of_whole: Any, own: Any) -> Any:
        same = np.shape(of_whole) == np.shape(own)
        return of_whole if same else _own(of_whole, axis_name)

    parts = optimizer.init(_own(params, axis_name))
    return tree.map(part, _checked(state, parts), parts)


def _checked(state: Tree, like: Tree) -> Tree:
    if tree.structure(state) != tree.structure(like):
        raise wrong(
            "sharded: the state of this optimizer is required, "
            + tree.difference(tree.structure(like), tree.structure(state))
        )
    return state
