"""Optimizers around optimizers: under conditions, of several steps, with numbers as state."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.front.lax.control_flow import cond
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from ...compiler.trace.trace import keeps_bf16
from .moments import started
from .transformation import (
    Optimizer,
    cast_like,
    with_extra_args_support,
)
from .trees import safe_increment, times, tree_norm, tree_zeros_like

__all__ = [
    "ApplyIfFiniteState",
    "ConditionallyMaskState",
    "ConditionallyTransformState",
    "InjectHyperparamsState",
    "LookaheadParams",
    "LookaheadState",
    "MultiSteps",
    "MultiStepsState",
    "apply_if_finite",
    "conditionally_mask",
    "conditionally_transform",
    "inject_hyperparams",
    "lookahead",
    "skip_large_updates",
    "skip_not_finite",
]

Tree = Any

# ---------------------------------------------------------------- under conditions


def _either(holds: Any, inner: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """Updates and state of the inner optimizer, or of the other; only one of them runs."""

    def taken() -> Any:
        updates, state = inner()
        left = other()
        return cast_like(updates, left[0]), cast_like(state, left[1])

    return cond(holds, taken, other)


class ConditionallyTransformState(NamedTuple):
    """State of the inner optimizer, and the steps taken."""

    inner_state: Tree
    step: Any  # i32


@explained
def conditionally_transform(
    inner: Optimizer, should_transform_fn: Callable[..., Any], forward_extra_args: bool = False
) -> Optimizer:
    """The inner optimizer at steps where should_transform_fn(step) holds, else g.

    With `forward_extra_args` the function is given the extra arguments of the update, too.
    """
    return _conditional(
        inner, should_transform_fn, forward_extra_args, lambda g: g, ConditionallyTransformState
    )


class ConditionallyMaskState(NamedTuple):
    """Steps taken, and the state of the inner optimizer."""

    step: Any  # i32
    inner_state: Tree


@explained
def conditionally_mask(
    inner: Optimizer, should_transform_fn: Callable[..., Any], forward_extra_args: bool = False
) -> Optimizer:
    """The inner optimizer at steps where should_transform_fn(step) holds, else 0."""
    return _conditional(
        inner, should_transform_fn, forward_extra_args, tree_zeros_like, ConditionallyMaskState
    )


def _conditional(
    inner: Optimizer, holds: Callable[..., Any], forward: bool, otherwise: Any, kind: Any
) -> Optimizer:
    inner = with_extra_args_support(inner)

    def init(params: Tree) -> Any:
        return kind(step=started(), inner_state=inner.init(params))

    def update(grads: Tree, state: Any, params: Tree = None, **extra: Any) -> Any:
        updates, after = _either(
            holds(state.step, **(extra if forward else {})),
            lambda: inner.update(grads, state.inner_state, params, **extra),
            lambda: (otherwise(grads), state.inner_state),
        )
        return updates, kind(step=safe_increment(state.step), inner_state=after)

    return Optimizer(init, keeps_bf16(update))


class ApplyIfFiniteState(NamedTuple):
    """Updates in a row that were not finite, whether the last was, how many were not."""

    notfinite_count: Any  # i32
    last_finite: Any  # bool
    total_notfinite: Any  # i32
    inner_state: Tree


@explained
def apply_if_finite(inner: Optimizer, max_consecutive_errors: int) -> Optimizer:
    """The inner optimizer where g is finite, else 0 and its state as it is.

    After `max_consecutive_errors` in a row g is taken as it comes: the fault is to be seen.
    """
    inner = with_extra_args_support(inner)

    def init(params: Tree) -> ApplyIfFiniteState:
        return ApplyIfFiniteState(started(), np.array(True), started(), inner.init(params))

    def update(grads: Tree, state: ApplyIfFiniteState, params: Tree = None, **extra: Any) -> Any:
        fine = _all_finite(grads)
        bad = np.where(fine, np.int32(0), safe_increment(state.notfinite_count))
        total = np.where(fine, state.total_notfinite, safe_increment(state.total_notfinite))
        updates, after = _either(
            np.logical_or(fine, bad > max_consecutive_errors),
            lambda: inner.update(grads, state.inner_state, params, **extra),
            lambda: (tree_zeros_like(grads), state.inner_state),
        )
        return updates, ApplyIfFiniteState(bad, fine, total, after)

    return Optimizer(init, keeps_bf16(update))


def _all_finite(grads: Tree) -> Any:
    found: Any = np.array(True)
    for g in tree.leaves(grads):
        found = np.logical_and(found, np.all(np.isfinite(g)))
    return found


# ---------------------------------------------------------------- of several steps


class MultiStepsState(NamedTuple):
    """Where in the k steps this is, outer steps, and what is kept until the next of these."""

    mini_step: Any  # i32
    gradient_step: Any  # i32
    inner_opt_state: Tree
    acc_grads: Tree
    skip_state: Tree = ()


class MultiSteps:
    """The inner optimizer of the mean of k gradients at each k-th step, and 0 between.

    `every_k_schedule`: k, or a function of outer steps; without `use_grad_mean` it is the sum;
    should_skip_update_fn(updates, gradient_step, params) gives (skip, a tree to keep in the state):
    a gradient that is skipped counts for nothing. Sums are of `accumulator_dtype`: for None f32 for
    halves, else the dtype of the parameter.
    """

    def __init__(
        self,
        opt: Optimizer,
        every_k_schedule: int | Callable[[Any], Any],
        use_grad_mean: bool = True,
        should_skip_update_fn: Callable[..., tuple[Any, Tree]] | None = None,
        accumulator_dtype: Any = None,
    ) -> None:
        self.inner_opt = with_extra_args_support(opt)
        self.every = every_k_schedule
        self.use_grad_mean = use_grad_mean
        self.skip = should_skip_update_fn or (lambda *_: (np.array(False), ()))
        self.accumulator_dtype = accumulator_dtype

    def init(self, params: Tree) -> MultiStepsState:
        """The state before the first step."""
        zeros = tree_zeros_like(params)
        skipped = self.skip(zeros, started(), params)[1]
        sums = tree.map(self._nothing, params)
        return MultiStepsState(started(), started(), self.inner_opt.init(params), sums, skipped)

    def _nothing(self, p: Any) -> Any:
        dtype = np.float32 if p.dtype.itemsize < 4 else p.dtype
        return np.zeros_like(p, dtype=self.accumulator_dtype or dtype)

    def update(
        self, updates: Tree, state: MultiStepsState, params: Tree = None, **extra: Any
    ) -> tuple[Tree, MultiStepsState]:
        """(updates, state), as of an optimizer."""
        skip, skipped = self.skip(updates, state.gradient_step, params)
        every = self.every(state.gradient_step) if callable(self.every) else self.every

        def added(g: Any, a: Any) -> Any:
            g = g.astype(a.dtype)
            total = a + times(1 / (state.mini_step + 1.0), g - a) if self.use_grad_mean else a + g
            return np.where(skip, a, total)

        sums = tree.map(added, updates, state.acc_grads)
        now = np.logical_and(state.mini_step == every - 1, np.logical_not(skip))
        moved, inner = _either(
            now,
            lambda: self.inner_opt.update(
                cast_like(sums, updates), state.inner_opt_state, params, **extra
            ),
            lambda: (tree_zeros_like(updates), state.inner_opt_state),
        )
        step = np.where(now, 0, np.where(skip, state.mini_step, state.mini_step + np.int32(1)))
        outer = np.where(now, safe_increment(state.gradient_step), state.gradient_step)
        sums = tree.map(lambda a: np.where(now, 0, a), sums)
        return moved, MultiStepsState(step.astype(np.int32), outer, inner, sums, skipped)

    def has_updated(self, state: MultiStepsState) -> Any:
        """Whether the last step was an outer one."""
        return np.logical_and(state.mini_step == 0, state.gradient_step > 0)

    def gradient_transformation(self) -> Optimizer:
        """The same as an Optimizer."""
        return Optimizer(self.init, keeps_bf16(self.update))


@explained
def skip_not_finite(updates: Tree, gradient_step: Any, params: Tree) -> tuple[Any, Tree]:
    """Whether an element is not finite, for MultiSteps; kept is how many are not."""
    count = sum(np.sum(np.logical_not(np.isfinite(g))) for g in tree.leaves(updates))
    return count > 0, {"should_skip": count > 0, "num_not_finite": count}


@explained
def skip_large_updates(
    updates: Tree, gradient_step: Any, params: Tree, max_squared_norm: float
) -> tuple[Any, Tree]:
    """Whether |g|^2 is not below max_squared_norm, for MultiSteps; kept is |g|^2."""
    size = tree_norm(updates, squared=True)
    skip = np.logical_not(size < max_squared_norm)
    return skip, {"should_skip": skip, "norm_squared": size}


class LookaheadParams(NamedTuple):
    """Parameters that move at every step, and those that follow them."""

    fast: Tree
    slow: Tree

    @classmethod
    def init_synced(cls, params: Tree) -> LookaheadParams:
        """Both are the parameters at first."""
        return cls(params, tree.map(np.copy, params))


class LookaheadState(NamedTuple):
    """State of the fast optimizer, and steps since the slow parameters moved."""

    fast_state: Tree
    steps_since_sync: Any  # i32


@explained
def lookahead(
    fast_optimizer: Optimizer, sync_period: int, slow_step_size: float, reset_state: bool = False
) -> Optimizer:
    """At each sync_period-th step: slow <- slow + slow_step_size (fast - slow); fast <- slow.

    Of LookaheadParams; gradients are those at the fast ones. With `reset_state` the fast optimizer
    begins again there.
    Source: Zhang et al., Lookahead optimizer: k steps forward, 1 step back, 2019.
    """
    if sync_period < 1:
        raise ProgramError(
            f"lookahead: a sync_period of 1 or more is required, got {sync_period}",
            location(user_source()),
        )
    inner = with_extra_args_support(fast_optimizer)

    def init(params: Any) -> LookaheadState:
        return LookaheadState(inner.init(getattr(params, "fast", params)), started())

    def update(grads: Tree, state: LookaheadState, params: Any = None, **extra: Any) -> Any:
        if not hasattr(params, "fast"):
            raise ProgramError(
                f"lookahead: LookaheadParams are required, got {type(params).__name__}",
                location(user_source()),
                "params = LookaheadParams.init_synced(params)",
            )
        grads = getattr(grads, "fast", grads)
        steps, after = inner.update(grads, state.fast_state, params.fast, **extra)
        now = state.steps_since_sync == sync_period - 1
        ahead = tree.map(lambda f, u, s: f + u - s, params.fast, steps, params.slow)
        slow = tree.map(lambda d: np.where(now, times(slow_step_size, d), 0), ahead)
        fast = tree.map(lambda u, d, s: u - np.where(now, d - s, 0), steps, ahead, slow)
        if reset_state:
            first = inner.init(params.fast)
            after = tree.map(lambda x, old: np.where(now, old, x), after, first)
            after = cast_like(after, state.fast_state)
        count = (state.steps_since_sync + np.int32(1)) % sync_period
        return LookaheadParams(fast, slow), LookaheadState(after, count)

    return Optimizer(init, keeps_bf16(update))


# ---------------------------------------------------------------- numbers as state


class InjectHyperparamsState(NamedTuple):
    """Steps taken, the numbers, and the state of the inner optimizer."""

    count: Any  # i32
    hyperparams: dict[str, Any]
    inner_state: Tree


@explained
def inject_hyperparams(
    inner_factory: Callable[..., Optimizer],
    static_args: str | Iterable[str] = (),
    hyperparam_dtype: Any = None,
) -> Callable[..., Optimizer]:
    """The factory of an optimizer, whose numbers are in its state, where they may be changed.

        optimizer = wl.optim.inject_hyperparams(wl.optim.adam)(learning_rate=1e-3)
        state = optimizer.init(params)
        state.hyperparams["learning_rate"] = np.float32(1e-4)

    A compiled step is not compiled again. A schedule is computed at every step, and its value
    shown. Numbers are of `hyperparam_dtype`: for None of the widest dtype of the parameters, at
    least f32. Those of `static_args`, bools and all that is no number stay what they are.
    """
    if not callable(inner_factory):
        raise ProgramError(
            "inject_hyperparams: a function that gives an optimizer is required, "
            f"got {inner_factory!r:.40}",
            location(user_source()),
            "wl.optim.inject_hyperparams(wl.optim.adam)(1e-3)",
        )
    fixed = {static_args} if isinstance(static_args, str) else set(static_args)
    signature = inspect.signature(inner_factory)
    if not fixed <= set(signature.parameters):
        raise ProgramError(
            f"inject_hyperparams: static_args of {list(signature.parameters)} are required, "
            f"got {sorted(fixed - set(signature.parameters))}",
            location(user_source()),
        )

    @functools.wraps(inner_factory)
    def factory(*args: Any, **options: Any) -> Optimizer:
        try:
            bound = signature.bind(*args, **options)
        except TypeError as error:
            name = getattr(inner_factory, "__name__", "inject_hyperparams")
            known = ", ".join(signature.parameters)
            what = f"{name}: arguments of {known} are required ({error})"
            raise ProgramError(what, location(user_source()), bare=error) from None
        bound.apply_defaults()
        given = {k: v for k, v in bound.arguments.items() if k not in fixed}
        timed = {k: v for k, v in given.items() if callable(v)}
        numbers = {k: v for k, v in given.items() if _is_number(v)}
        static = {k: v for k, v in bound.arguments.items() if k not in timed | numbers}

        def valued(count: Any, kept: dict[str, Any], params: Tree) -> dict[str, Any]:
            dtype = hyperparam_dtype or _widest(params)
            now = {k: schedule(count) for k, schedule in timed.items()}
            return {k: np.asarray(v).astype(dtype) for k, v in {**kept, **now}.items()}

        def init(params: Tree) -> InjectHyperparamsState:
            count = started()
            now = valued(count, numbers, params)
            return InjectHyperparamsState(count, now, inner_factory(**static, **now).init(params))

        def update(
            g: Tree, state: InjectHyperparamsState, params: Tree = None, **extra: Any
        ) -> Any:
            now = valued(state.count, state.hyperparams, g if params is None else params)
            inner = with_extra_args_support(inner_factory(**static, **now))
            updates, after = inner.update(g, state.inner_state, params, **extra)
            return updates, InjectHyperparamsState(safe_increment(state.count), now, after)

        return Optimizer(init, keeps_bf16(update))

    return factory


def _is_number(x: Any) -> bool:
    return not isinstance(x, bool) and (isinstance(x, (int, float)) or hasattr(x, "dtype"))


def _widest(params: Tree) -> Any:
    dtypes = [x.dtype for x in tree.leaves(params)]
    return np.float64 if np.dtype(np.float64) in dtypes else np.float32
