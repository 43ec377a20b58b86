"""Arithmetic of trees of arrays, running means of them, and numbers that stay in range."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.functions.custom import custom_jvp
from ...compiler.front.numpy.elementwise import root
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to
from ...compiler.trace.trace import keeps_bf16
from .transformation import cast_like

__all__ = [
    "bias_correction",
    "global_norm",
    "safe_increment",
    "safe_int32_increment",
    "safe_norm",
    "safe_root_mean_squares",
    "scale_gradient",
    "tree_add",
    "tree_add_scale",
    "tree_bias_correction",
    "tree_cast",
    "tree_cast_like",
    "tree_clip",
    "tree_conj",
    "tree_div",
    "tree_full_like",
    "tree_get",
    "tree_max",
    "tree_min",
    "tree_mul",
    "tree_norm",
    "tree_ones_like",
    "tree_random_like",
    "tree_real",
    "tree_scale",
    "tree_set",
    "tree_size",
    "tree_split_key_like",
    "tree_sub",
    "tree_sum",
    "tree_update_infinity_moment",
    "tree_update_moment",
    "tree_update_moment_per_elem_norm",
    "tree_vdot",
    "tree_where",
    "tree_zeros_like",
    "update_infinity_moment",
    "update_moment",
    "update_moment_per_elem_norm",
]

Tree = Any


def times(factor: Any, x: Any) -> Any:
    """factor * x in the dtype of x: a rate computed in f64 does not widen it."""
    return (cast_to(factor, x) if hasattr(factor, "astype") else factor) * x


def squares(x: Any) -> Any:
    """|x|^2, by elements."""
    return np.real(np.conj(x) * x) if np.iscomplexobj(x) else x * x


# ---------------------------------------------------------------- arithmetic


@explained
@keeps_bf16
def tree_add(tree_x: Tree, tree_y: Tree, *other_trees: Tree) -> Tree:
    """x + y + ..."""
    return tree.map(lambda *xs: sum(xs[1:], xs[0]), tree_x, tree_y, *other_trees)


@explained
@keeps_bf16
def tree_sub(tree_x: Tree, tree_y: Tree) -> Tree:
    """x - y"""
    return tree.map(lambda x, y: x - y, tree_x, tree_y)


@explained
@keeps_bf16
def tree_mul(tree_x: Tree, tree_y: Tree) -> Tree:
    """x * y"""
    return tree.map(lambda x, y: x * y, tree_x, tree_y)


@explained
@keeps_bf16
def tree_div(tree_x: Tree, tree_y: Tree) -> Tree:
    """x / y"""
    return tree.map(lambda x, y: x / y, tree_x, tree_y)


@explained
@keeps_bf16
def tree_scale(scalar: Any, tree: Tree) -> Tree:
    """scalar * x, in the dtypes of the tree."""
    return _map(lambda x: times(scalar, x), tree)


@explained
@keeps_bf16
def tree_add_scale(tree_x: Tree, scalar: Any, tree_y: Tree) -> Tree:
    """x + scalar * y"""
    return tree.map(lambda x, y: x + times(scalar, y), tree_x, tree_y)


@explained
def tree_where(condition: Any, tree_x: Tree, tree_y: Tree) -> Tree:
    """x where the one condition holds, else y."""
    return tree.map(lambda x, y: np.where(condition, x, y), tree_x, tree_y)


@explained
def tree_clip(tree: Tree, min_value: Any = None, max_value: Any = None) -> Tree:
    """Every element within [min_value, max_value]; None is no bound."""
    return _map(lambda x: np.clip(x, min_value, max_value), tree)


@explained
def tree_conj(tree: Tree) -> Tree:
    """The complex conjugates."""
    return _map(np.conj, tree)


@explained
def tree_real(tree: Tree) -> Tree:
    """The real parts."""
    return _map(np.real, tree)


@explained
def tree_cast(tree: Tree, dtype: Any) -> Tree:
    """The arrays in that dtype, or as they are for None."""
    return tree if dtype is None else _map(lambda x: np.asarray(x).astype(dtype), tree)


@explained
def tree_cast_like(tree: Tree, other_tree: Tree) -> Tree:
    """The arrays in the dtypes of those of the other tree."""
    return cast_like(tree, other_tree)


@explained
def tree_zeros_like(tree: Tree, dtype: Any = None) -> Tree:
    """Arrays of 0."""
    return tree_full_like(tree, 0, dtype)


@explained
def tree_ones_like(tree: Tree, dtype: Any = None) -> Tree:
    """Arrays of 1."""
    return tree_full_like(tree, 1, dtype)


@explained
def tree_full_like(tree: Tree, fill_value: Any, dtype: Any = None) -> Tree:
    """Arrays of one number, of the shapes of the tree, and of its dtypes for None."""
    return _map(lambda x: np.full_like(x, fill_value, dtype=dtype), tree)


def _map(function: Callable[[Any], Any], given: Tree) -> Tree:
    """`tree.map`, where a parameter is named tree."""
    return tree.map(function, given)


@explained
def scale_gradient(inputs: Tree, scale: float = 1.0) -> Tree:
    """x, whose derivative is scale times that of x."""
    return tree.map(lambda x: _scaled(x, scale), inputs)


@functools.partial(custom_jvp, nondiff_argnums=(1,))
def _scaled(x: Any, scale: float) -> Any:
    return x


@_scaled.defjvp
def _scaled_jvp(scale: float, primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return primals[0], scale * tangents[0]


# ---------------------------------------------------------------- to one number


@explained
@keeps_bf16
def tree_sum(tree: Tree) -> Any:
    """The sum of all elements of all arrays."""
    return _total([np.sum(x) for x in _leaves(tree)])


@explained
@keeps_bf16
def tree_vdot(tree_x: Tree, tree_y: Tree) -> Any:
    """sum conj(x) * y, over all arrays."""
    return tree_sum(tree.map(lambda x, y: np.sum(np.conj(x) * y), tree_x, tree_y))


@explained
def tree_max(tree: Tree) -> Any:
    """The largest element of all arrays; -inf where there is none."""
    return _extreme(np.maximum, np.max, tree, -math.inf)


@explained
def tree_min(tree: Tree) -> Any:
    """The least element of all arrays; inf where there is none."""
    return _extreme(np.minimum, np.min, tree, math.inf)


def _extreme(of_two: Any, of_one: Any, given: Tree, found: Any) -> Any:
    for x in tree.leaves(given):
        found = of_two(found, of_one(x)) if np.size(x) else found
    return found


@explained
def tree_size(tree: Tree) -> int:
    """The number of elements of all arrays."""
    return sum(int(np.size(x)) for x in _leaves(tree))


def _leaves(given: Tree) -> list[Any]:
    """`tree.leaves`, where a parameter is named tree."""
    return tree.leaves(given)


def _total(terms: list[Any]) -> Any:
    return sum(terms[1:], terms[0]) if terms else 0


@explained
@keeps_bf16
def tree_norm(tree: Tree, ord: int | str | float | None = None, squared: bool = False) -> Any:
    """|x| of all elements as one vector, or its square: by squares, or of order 1 or infinite.

    The derivative at 0 is 0.
    """
    if ord in (None, 2):
        total = _total([np.sum(squares(x)) for x in _leaves(tree)])
        return total if squared else root(total)
    if ord == 1:
        found = tree_sum(_map(np.abs, tree))
    elif ord in (math.inf, "inf", "infinity"):
        found = tree_max(_map(np.abs, tree))
    else:
        raise ProgramError(
            f"tree_norm: ord of None, 1, 2 or math.inf is required, got {ord!r:.40}",
            location(user_source()),
        )
    return found * found if squared else found


@explained
def global_norm(updates: Tree) -> Any:
    """The root of the sum of all squared elements of all arrays; its derivative at 0 is 0."""
    return tree_norm(updates)


# ---------------------------------------------------------------- numbers in range


@explained
@keeps_bf16
def safe_norm(
    x: Any, min_norm: float, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """max(|x|, min_norm), whose derivative is 0 where |x| <= min_norm."""
    if ord is None:
        total = np.sum(squares(x), axis=axis, keepdims=True)
        found = _root_above(total, min_norm)
    else:
        small = np.linalg.norm(x, ord=ord, axis=axis, keepdims=True) <= min_norm
        norm = np.linalg.norm(np.where(small, 1, x), ord=ord, axis=axis, keepdims=True)
        found = np.where(small, min_norm, norm)
    return found if keepdims else np.squeeze(found, axis=axis)


def _root_above(square: Any, least: Any) -> Any:
    """max(sqrt(square), least): no derivative of a root at 0."""
    small = np.sqrt(square) <= least
    return np.where(small, least, np.sqrt(np.where(small, 1, square)))


@explained
@keeps_bf16
def safe_root_mean_squares(x: Any, min_rms: float) -> Any:
    """max(sqrt(mean(x^2)), min_rms), whose derivative is 0 where min_rms is reached."""
    return _root_above(np.mean(squares(x)), min_rms)


@explained
def safe_increment(count: Any) -> Any:
    """count + 1 in its dtype, or the largest number of the dtype: it does not wrap around."""
    count = np.asarray(count)
    known = np.iinfo if np.issubdtype(count.dtype, np.integer) else np.finfo
    largest = cast_to(known(count.dtype).max, count)
    return np.where(count < largest, count + cast_to(1, count), largest)


safe_int32_increment = safe_increment


# ---------------------------------------------------------------- running means


def mean(decay: Any, before: Any, x: Any) -> Any:
    """decay * before + (1 - decay) * x: one step of a running mean."""
    return times(decay, wide(before, x)) + times(1 - decay, x)


def wide(kept: Any, x: Any) -> Any:
    """What is kept in a narrower dtype than that of x, in it."""
    return cast_to(kept, x) if kept.dtype.itemsize < x.dtype.itemsize else kept


@explained
@keeps_bf16
def tree_update_moment(updates: Tree, moments: Tree, decay: Any, order: int) -> Tree:
    """decay * m + (1 - decay) * g^order"""
    return tree.map(lambda g, m: mean(decay, m, _power(g, order)), updates, moments)


@explained
@keeps_bf16
def tree_update_moment_per_elem_norm(updates: Tree, moments: Tree, decay: Any, order: int) -> Tree:
    """decay * m + (1 - decay) * |g|^order"""

    def norm(g: Any) -> Any:
        return np.abs(g) ** order if order % 2 else _power(squares(g), order // 2)

    return tree.map(lambda g, m: mean(decay, m, norm(g)), updates, moments)


def _power(x: Any, order: int) -> Any:
    """x^order; the powers that optimizers take are products."""
    return x if order == 1 else x * x if order == 2 else x**order


@explained
@keeps_bf16
def tree_update_infinity_moment(updates: Tree, moments: Tree, decay: Any, eps: Any) -> Tree:
    """max(decay * m, |g| + eps)"""
    return tree.map(lambda g, m: np.maximum(np.abs(g) + eps, times(decay, m)), updates, moments)


@explained
@keeps_bf16
def tree_bias_correction(moment: Tree, decay: Any, count: Any) -> Tree:
    """m / (1 - decay^count): a running mean that began with 0 as a mean of what came.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """
    factor = 1 / decayed(decay, count)
    return tree.map(lambda m: times(factor, m), moment)


def decayed(rate: Any, count: Any) -> Any:
    """1 - rate^count for a count of 1 or more, which loses nothing where the rate is near 1."""
    if isinstance(rate, (int, float)):
        return -np.expm1(count * (math.log(rate) if rate else -math.inf))
    return -np.expm1(count * np.log(rate))


bias_correction = tree_bias_correction
update_moment = tree_update_moment
update_moment_per_elem_norm = tree_update_moment_per_elem_norm
update_infinity_moment = tree_update_infinity_moment


# ---------------------------------------------------------------- random trees


@explained
def tree_split_key_like(rng_key: Any, target_tree: Tree) -> Tree:
    """A key for each array."""
    structure = tree.structure(target_tree)
    keys = random.split(rng_key, structure.size)
    return tree.unflatten(structure, [keys[i] for i in range(structure.size)])


@explained
def tree_random_like(
    rng_key: Any, target_tree: Tree, sampler: Callable[..., Any] = random.normal, dtype: Any = None
) -> Tree:
    """sampler(key, shape, dtype) for each array, with keys split of the one.

    Halves are drawn as f32.
    """

    def drawn(x: Any, key: Any) -> Any:
        wide = dtype or (np.float32 if x.dtype.itemsize < 4 else x.dtype)
        return sampler(key, np.shape(x), wide).astype(dtype or x.dtype)

    return tree.map(drawn, target_tree, tree_split_key_like(rng_key, target_tree))


# ---------------------------------------------------------------- by names


@explained
def tree_get(tree: Tree, key: str, default: Any = None) -> Any:
    """The one value below that name, of a dict or a named tuple, anywhere in the tree.

    `default` where no such name is; it is an error where there are several.
    """
    found = list(_named(tree, key))
    if len(found) > 1:
        raise ProgramError(
            f"tree_get: one {key!r} in the tree is required, got {len(found)}",
            location(user_source()),
        )
    return found[0] if found else default


def _named(given: Any, key: str) -> Any:
    for name, child in _children(given):
        if name == key:
            yield child
        yield from _named(child, key)


def _children(given: Any) -> list[tuple[Any, Any]]:
    if isinstance(given, dict):
        return list(given.items())
    if isinstance(given, tuple) and hasattr(given, "_fields"):
        return list(zip(given._fields, given, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    return list(enumerate(given)) if isinstance(given, (list, tuple)) else []


@explained
def tree_set(tree: Tree, **values: Any) -> Tree:
    """The tree with these values below their names, of dicts and named tuples, wherever they are.

    state = tree_set(state, learning_rate=np.float32(1e-4))
    """
    for key in values:
        if not any(True for _ in _named(tree, key)):
            raise ProgramError(
                f"tree_set: a name of the tree is required, got {key!r}", location(user_source())
            )
    return _with(tree, values)


def _with(given: Any, values: dict[str, Any]) -> Any:
    children = _children(given)
    if not children:
        return given
    after = [values[n] if n in values else _with(child, values) for n, child in children]
    if isinstance(given, dict):
        return dict(zip(given, after, strict=True))
    return type(given)(*after) if hasattr(given, "_fields") else type(given)(after)
