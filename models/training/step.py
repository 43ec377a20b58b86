"""The step: loss, gradient, update and counters as one program that updates in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.functions.custom import custom_vjp
from ...compiler.front.functions.derivatives import value_and_grad
from ...compiler.front.lax import collectives
from ...compiler.front.lax.control_flow import scan
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import shown
from ...compiler.ir.types import dtype_name
from ...compiler.trace import tree as trees
from ...compiler.trace.containers import keystr
from ...compiler.trace.operands import wrong
from ...compiler.trace.trace import aval, static_repair
from ...compiler.trace.tracer import Tracer
from ..optim import Optimizer, apply_updates, tree_add, tree_scale, with_extra_args_support


class Training(NamedTuple):
    """What a step changes, all of it arrays."""

    model: Any
    optimizer: Any
    state: Any
    count: Any  # i32: steps taken


def named_arguments(function: Callable[..., Any]) -> frozenset[str]:
    """Which of `key` and `state` a loss or a score names."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin
        return frozenset()
    return frozenset(n for n in ("key", "state") if n in parameters)


def with_named(function: Callable[..., Any], model: Any, batch: Any, **named: Any) -> Any:
    """The function of a model and a batch, and of what else it names."""
    chosen = named_arguments(function)
    return function(model, batch, **{n: x for n, x in named.items() if n in chosen})


def trainable(x: Any) -> bool:
    """Whether a leaf of a model is learned: floats and complex numbers are."""
    return aval(x, "model")[0].is_inexact


def parted(model: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The model without what is not learned, and what puts that back."""
    leaves, structure = trees.flatten(model)
    learned = [trainable(x) for x in leaves]
    if all(learned):
        return model, lambda weights: weights

    pairs = list(zip(leaves, learned, strict=True))

    def whole(weights: Any) -> Any:
        found = iter(trees.leaves(weights))
        return trees.unflatten(structure, [next(found) if own else x for x, own in pairs])

    return trees.unflatten(structure, [x if own else None for x, own in pairs]), whole


def first_state(model: Any, optimizer: Optimizer, state: Any) -> Training:
    """Copies, since steps update in place: what a user holds stays as it is."""
    _checked_leaves("model", model)
    _checked_leaves("state", state)
    model, state = trees.map(_own_array, model), trees.map(_own_array, state)
    if not any(map(trainable, trees.leaves(model))):
        raise wrong("fit: a model with arrays of floats is required, got none in it")
    started = optimizer.init(parted(model)[0])
    return Training(model, trees.map(_own_array, started), state, numpy.zeros((), numpy.int32))


def _checked_leaves(what: str, tree: Any) -> None:
    leaves, structure = trees.flatten(tree)
    for path, leaf in zip(trees.key_paths(structure), leaves, strict=True):
        place = f"{what}{keystr(path)}"
        if isinstance(leaf, Tracer):
            raise wrong(f"fit: arrays are required, got a traced {leaf.type} at {place}")
        try:
            aval(leaf, place)
        except ProgramError:
            raise wrong(
                f"fit: arrays and numbers are required, got {shown(leaf)} at {place}",
                static_repair(place).replace("static_argnums", "close over it"),
            ) from None


def _own_array(x: Any) -> Any:
    if type(x) in (float, complex):
        return numpy.array(x, numpy.float32 if type(x) is float else numpy.complex64)
    return numpy.array(x) if isinstance(x, numpy.ndarray | numpy.generic | int) else x + 0


def _steepest(slope: Any) -> Any:
    """The direction in which a loss grows most: a derivative in a complex number, conjugated."""
    return np.conj(slope) if np.iscomplexobj(slope) else slope


def training_step(
    loss: Callable[..., Any],
    optimizer: Optimizer,
    accumulate: int = 1,
    axis: str = "",
    processes: int = 1,
    summed: bool = True,
) -> Callable[..., Any]:
    """(training, key, batch) -> (training, loss): the step, to be compiled with the first donated.

    Each step has a key of its own, of `key` and the number of the step; each part of a batch has
    one of that and its number. The `processes` along an `axis` have `accumulate` parts each, in the
    order of their places: loss and gradient are means over all parts, the update is the same in
    all. A state is handed on from part to part of a process, then `one_state` is made of theirs.
    Where gradients are not `summed`, the optimizer takes means over processes itself.
    """
    update, parts = with_extra_args_support(optimizer).update, accumulate * processes
    added = parts if summed else accumulate

    def mean(x: Any) -> Any:
        return collectives.pmean(x, axis) if axis else x

    def step(training: Training, key: Any, batch: Any) -> tuple[Training, Any]:
        weights, whole = parted(training.model)
        key = random.fold_in(key, training.count)
        first = collectives.axis_index(axis) * accumulate if axis else 0

        def total(weights: Any, part: Any, key: Any, state: Any) -> tuple[Any, Any]:
            return checked(loss, whole(weights), part, key, state)

        def part_of(carry: tuple[Any, Any], turn: tuple[Any, Any]) -> Any:
            part, number = turn
            own = key if parts == 1 else random.fold_in(key, first + number)
            (value, state), slopes = value_and_grad(total, has_aux=True)(
                weights, part, own, carry[1]
            )
            slopes = trees.map(_steepest, slopes)
            summed = slopes if accumulate == 1 else tree_add(carry[0], slopes)
            return (summed, state), value

        if accumulate == 1:
            (slopes, state), value = part_of((None, training.state), (batch, 0))
        else:
            split = trees.map(lambda a: a.reshape(accumulate, -1, *a.shape[1:]), batch)
            zeros = trees.map(np.zeros_like, weights)
            turns = split, np.arange(accumulate)
            (slopes, state), values = scan(part_of, (zeros, training.state), turns)
            value = np.mean(values)
        if axis:
            value, state = mean(value), one_state(state, axis)
            slopes = collectives.psum(slopes, axis) if summed else slopes
        if added > 1:
            slopes = tree_scale(1 / added, slopes)
        extra = {"value": value, "grad": slopes}
        own = random.fold_in(key, first) if axis else key

        def searched(weights: Any) -> Any:
            spread = with_mean_slopes(weights, axis)
            return mean(total(spread, batch, own, training.state)[0])

        updates, optimizer_state = update(
            slopes, training.optimizer, weights, **extra, value_fn=searched
        )
        model = whole(apply_updates(weights, updates))
        return Training(model, optimizer_state, state, training.count + 1), value

    return step


def heard_step(step: Callable[..., Any], axes: tuple[str, ...]) -> Callable[..., Any]:
    """(training, key, batch, said) -> (training, loss, heard): a step after which all processes
    know what one of them said, numbers above 0, the last of them that its loss is not finite.
    """

    def heard(training: Training, key: Any, batch: Any, said: Any) -> tuple[Training, Any, Any]:
        training, value = step(training, key, batch)
        strange = np.where(np.isfinite(value), np.float32(0), np.float32(1))
        return training, value, collectives.psum(np.append(said, strange), axes)

    return heard


def one_state(state: Any, axis: str) -> Any:
    """One state of those along an axis: means of floats, the greatest of all else."""

    def one(x: Any) -> Any:
        return collectives.pmean(x, axis) if trainable(x) else collectives.pmax(x, axis)

    return trees.map(one, state)


def with_mean_slopes(weights: Any, axis: str) -> Any:
    """Weights that are the same along an axis: the derivative in them is the mean over it."""
    if not axis:
        return weights
    same = custom_vjp(lambda w: w)
    same.defvjp(lambda w: (w, None), lambda _, slopes: (collectives.pmean(slopes, axis),))
    return same(weights)


def checked(
    loss: Callable[..., Any], model: Any, batch: Any, key: Any, state: Any
) -> tuple[Any, Any]:
    """The value of a loss and the state after it."""
    found = with_named(loss, model, batch, key=key, state=state)
    if "state" in named_arguments(loss):
        if not isinstance(found, tuple) or len(found) != 2:
            raise wrong("fit: a loss that names state gives (value, state), got one thing")
        value, after = found
        if trees.structure(after) != trees.structure(state):
            raise wrong(
                "fit: a state of the same tree is required after the loss, got "
                + trees.difference(trees.structure(state), trees.structure(after))
            )
    else:
        value, after = found, state
    return one_number("loss", value), after


def one_number(what: str, value: Any, kinds: str = "f") -> Any:
    """The value of a loss or a score: one number, of those kinds of dtype."""
    if not isinstance(value, bool | int | float | complex | Tracer) and not hasattr(value, "dtype"):
        alone = "return the value alone" if isinstance(value, tuple) else ""
        got = f"a tuple of {len(value)}" if isinstance(value, tuple) else shown(value)
        raise wrong(f"fit: a {what} of one number is required, got {got}", alone)
    if np.shape(value) != ():
        shape = f"shape {list(np.shape(value))}"
        raise wrong(f"fit: a {what} of one number is required, got {shape}", f"np.mean({what})")
    dtype = np.result_type(value)
    if dtype_name(dtype)[0] not in kinds and dtype_name(dtype) != "bf16":
        told = "floats" if kinds == "f" else "real numbers"
        raise wrong(f"fit: a {what} of {told} is required, got {dtype}")
    return value
