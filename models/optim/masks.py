"""Optimizers of parts of the parameters: by masks, by labels, or of all as one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.containers import LEAF, container_kind
from .transformation import Optimizer, cast_like, set_to_zero, with_extra_args_support

__all__ = [
    "MaskOrFn",
    "MaskedNode",
    "MaskedState",
    "MultiTransformState",
    "PartitionState",
    "flatten",
    "freeze",
    "masked",
    "multi_transform",
    "partition",
    "selective_transform",
]

Tree = Any
MaskOrFn = Any


class MaskedNode(NamedTuple):
    """What stands in place of a parameter that is masked out."""


class MaskedState(NamedTuple):
    """State of the optimizer of the parameters that a mask leaves."""

    inner_state: Tree


@explained
def masked(inner: Optimizer, mask: MaskOrFn) -> Optimizer:
    """The inner optimizer where the mask is true, and g where it is false.

    `mask`: a tree of bools that has the containers of the parameters down to some depth, or a
    function that gives one of parameters. The inner optimizer keeps nothing of what is masked out.
    """
    inner = with_extra_args_support(inner)

    def chosen(given: Tree) -> list[bool]:
        return spread("masked", _made(mask, given), given)

    def init(params: Tree) -> MaskedState:
        return MaskedState(inner.init(_left(params, chosen(params))))

    def update(grads: Tree, state: MaskedState, params: Tree = None, **extra: Any) -> Any:
        where = chosen(grads)
        some = None if params is None else _left(params, where)
        updates, after = inner.update(_left(grads, where), state.inner_state, some, **extra)
        moved, (leaves, structure) = iter(tree.leaves(updates)), tree.flatten(grads)
        whole = [next(moved) if m else g for g, m in zip(leaves, where, strict=True)]
        return tree.unflatten(structure, whole), MaskedState(after)

    return Optimizer(init, update)


def _left(given: Tree, where: list[bool]) -> Tree:
    leaves, structure = tree.flatten(given)
    pairs = zip(leaves, where, strict=True)
    return tree.unflatten(structure, [x if m else MaskedNode() for x, m in pairs])


def _made(marks: Any, given: Tree) -> Tree:
    """A mask or labels of these parameters; of layers they are a tree, which can be called too."""
    is_tree = container_kind(type(marks)) != LEAF
    return marks if is_tree or not callable(marks) else marks(given)


def spread(name: str, labels: Tree, given: Tree) -> list[Any]:
    """The label of each array, of a tree whose leaves may stand for a container."""
    known, structure = tree.flatten(labels)
    numbers = tree.unflatten(structure, range(len(known)))
    try:
        return [known[i] for i in tree.prefix(numbers, tree.structure(given))]
    except ProgramError:
        raise ProgramError(
            f"{name}: the containers of the parameters are required of a mask or of labels, "
            f"{tree.difference(tree.structure(given), structure)}",
            location(user_source()),
        ) from None


class PartitionState(NamedTuple):
    """By label the state of its optimizer."""

    inner_states: Mapping[Any, Tree]


MultiTransformState = PartitionState


@explained
def partition(transforms: Mapping[Any, Optimizer], param_labels: Any) -> Optimizer:
    """For each parameter the optimizer of its label.

    `param_labels`: a tree of labels that has the containers of the parameters down to some depth,
    or a function that gives one of parameters.
    """

    def labels(given: Tree) -> list[Any]:
        each = spread("partition", _made(param_labels, given), given)
        unknown = sorted({str(k) for k in each if k not in transforms})
        if unknown:
            raise ProgramError(
                f"partition: labels of {sorted(map(str, transforms))} are required, got {unknown}",
                location(user_source()),
            )
        return each

    def parts(given: Tree) -> dict[Any, Optimizer]:
        each, structure = labels(given), tree.structure(given)
        return {
            k: masked(t, tree.unflatten(structure, [x == k for x in each]))
            for k, t in transforms.items()
        }

    def init(params: Tree) -> PartitionState:
        return PartitionState({k: t.init(params) for k, t in parts(params).items()})

    def update(grads: Tree, state: PartitionState, params: Tree = None, **extra: Any) -> Any:
        after = {}
        for k, t in parts(grads).items():
            grads, after[k] = t.update(grads, state.inner_states[k], params, **extra)
        return grads, PartitionState(after)

    return Optimizer(init, update)


multi_transform = partition


@explained
def freeze(mask: MaskOrFn) -> Optimizer:
    """0 where the mask is true, else g."""
    return masked(set_to_zero(), mask)


@explained
def selective_transform(optimizer: Optimizer, *, freeze_mask: MaskOrFn) -> Optimizer:
    """0 where the mask is true, else the optimizer, which keeps nothing of what is frozen."""

    def labels(params: Tree) -> Tree:
        return tree.map(lambda m: "freeze" if m else "train", _made(freeze_mask, params))

    return partition({"train": optimizer, "freeze": set_to_zero()}, labels)


@explained
def flatten(inner: Optimizer) -> Optimizer:
    """The inner optimizer of all parameters as one vector, whose norms are then those of all."""
    inner = with_extra_args_support(inner)

    def vector(given: Tree) -> Any:
        return np.concatenate([np.reshape(x, -1) for x in tree.leaves(given)])

    def update(grads: Tree, state: Tree, params: Tree = None, **extra: Any) -> Any:
        whole = None if params is None else vector(params)
        updates, after = inner.update(vector(grads), state, whole, **extra)
        leaves, structure = tree.flatten(grads)
        parts, start = [], 0
        for x in leaves:
            size = int(np.size(x))
            parts.append(np.reshape(updates[start : start + size], np.shape(x)))
            start += size
        return cast_like(tree.unflatten(structure, parts), grads), after

    return Optimizer(lambda params: inner.init(vector(params)), update)
