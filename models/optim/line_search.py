"""Steps whose length is searched along the line, which may be directions of any optimizer.

    def f(params):
        return wl.optim.tree_vdot(params, params)

    optimizer = wl.optim.lbfgs()
    state = optimizer.init(params)
    value, grad = wl.optim.value_and_grad_from_state(f)(params, state=state)
    updates, state = optimizer.update(grad, state, params, value=value, grad=grad, value_fn=f)
    params = wl.optim.apply_updates(params, updates)

A search is a loop of the compiled step; it computes f, and its gradient, once in each turn.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...compiler.front import numpy as np
from ...compiler.front.functions.derivatives import value_and_grad
from ...compiler.front.lax.control_flow import cond, while_loop
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace import tree
from .moments import started
from .transformation import Optimizer, cast_like, required, transformation
from .trees import (
    times,
    tree_add_scale,
    tree_get,
    tree_scale,
    tree_vdot,
    tree_where,
    tree_zeros_like,
)

__all__ = [
    "BacktrackingLinesearchInfo",
    "ScaleByBacktrackingLinesearchState",
    "ScaleByZoomLinesearchState",
    "ZoomLinesearchInfo",
    "scale_by_backtracking_linesearch",
    "scale_by_zoom_linesearch",
    "value_and_grad_from_state",
]

Tree = Any


def _objective(name: str, value_fn: Callable[..., Any], extra: dict[str, Any]) -> Any:
    """The function of the parameters alone: extra arguments of the update are those of it."""
    known = inspect.signature(value_fn).parameters
    unknown = [k for k in extra if k not in known]
    if unknown and not any(p.kind == p.VAR_KEYWORD for p in known.values()):
        raise ProgramError(
            f"{name}: extra arguments that value_fn takes are required, got {unknown}",
            location(user_source()),
        )
    return lambda params: value_fn(params, **extra)


def _told(name: str, value: Any, grad: Tree, value_fn: Callable[..., Any] | None) -> Any:
    """The function that is searched along, which an update is told with its value and gradient."""
    told = {"value": value, "grad": grad, "value_fn": value_fn}
    if value is None or grad is None or value_fn is None:
        missing = ", ".join(f"{k}=" for k, x in told.items() if x is None)
        raise ProgramError(
            f"{name}: value=, grad= and value_fn= are required by its update, got no {missing}",
            location(user_source()),
            "optimizer.update(grads, state, params, value=f(params), grad=grads, value_fn=f)",
        )
    return value_fn


def real_number(given: Any, params: Tree) -> Any:
    """A scalar of the real dtype of the parameters."""
    return np.asarray(given).astype(np.real(np.zeros((), tree.leaves(params)[0].dtype)).dtype)


def _slope(updates: Tree, grad: Tree) -> Any:
    return np.real(tree_vdot(grad, updates))


def _or_infinite(error: Any) -> Any:
    """max(error, 0), and infinity for NaN: a step out of the domain is too long."""
    return np.where(np.isnan(error), math.inf, np.maximum(error, 0))


@explained
def value_and_grad_from_state(value_fn: Callable[..., Any]) -> Callable[..., tuple[Any, Tree]]:
    """(params, *args, state=, **options) -> value and gradient, as the last search left them.

    Nothing is computed again where the state has them; before the first step they are computed.
    """

    def found(params: Tree, *args: Any, state: Tree, **options: Any) -> tuple[Any, Tree]:
        value, grad = tree_get(state, "value"), tree_get(state, "grad")
        if value is None or grad is None:
            raise ProgramError(
                "value_and_grad_from_state: a state with value and grad is required, got none",
                location(user_source()),
                "scale_by_backtracking_linesearch(..., store_grad=True)",
            )

        def computed() -> tuple[Any, Tree]:
            return cast_like(value_and_grad(value_fn)(params, *args, **options), (value, grad))

        return cond(np.isfinite(value), lambda: (value, grad), computed)

    return found


# ---------------------------------------------------------------- backtracking


class BacktrackingLinesearchInfo(NamedTuple):
    """How often f was computed, and by how much the value is too large."""

    num_linesearch_steps: Any  # i32
    decrease_error: Any


class ScaleByBacktrackingLinesearchState(NamedTuple):
    """The last step, and value and gradient after it."""

    learning_rate: Any
    value: Any
    grad: Tree
    info: BacktrackingLinesearchInfo


class _Trial(NamedTuple):
    rate: Any
    value: Any
    error: Any
    count: Any


@explained
def scale_by_backtracking_linesearch(
    max_backtracking_steps: int,
    slope_rtol: float = 1e-4,
    decrease_factor: float = 0.8,
    increase_factor: float = 1.5,
    max_learning_rate: float = 1.0,
    atol: float = 0.0,
    rtol: float = 0.0,
    store_grad: bool = False,
) -> Optimizer:
    """s * u, with the first s of s_0, s_0 c, s_0 c^2, ... of sufficient decrease:
    f(p + s u) <= (1 + rtol) f(p) + slope_rtol s <u, g> + atol.

    c is `decrease_factor`, s_0 the last step times `increase_factor`, at most `max_learning_rate`.
    `update(updates, state, params, value=, grad=, value_fn=)`. `store_grad` keeps the gradient at
    the new parameters for value_and_grad_from_state.
    Source: Armijo, Minimization of functions having Lipschitz continuous derivatives, 1966.
    """
    name = "scale_by_backtracking_linesearch"

    def init(params: Tree) -> ScaleByBacktrackingLinesearchState:
        info = BacktrackingLinesearchInfo(started(), real_number(math.inf, params))
        kept = tree_zeros_like(params) if store_grad else None
        return ScaleByBacktrackingLinesearchState(
            real_number(1.0, params), real_number(math.inf, params), kept, info
        )

    def update(
        updates: Tree,
        state: ScaleByBacktrackingLinesearchState,
        params: Tree = None,
        *,
        value: Any = None,
        grad: Tree = None,
        value_fn: Callable[..., Any] | None = None,
        **extra: Any,
    ) -> Any:
        f = _objective(name, _told(name, value, grad, value_fn), extra)
        slope, value = _slope(updates, grad), real_number(value, required(params, name))

        def again(trial: _Trial) -> Any:
            short = np.logical_not(trial.error <= atol)
            return np.logical_and(short, trial.count <= max_backtracking_steps)

        def body(trial: _Trial) -> Any:
            rate = np.where(trial.count > 0, times(decrease_factor, trial.rate), trial.rate)
            there = f(tree_add_scale(params, rate, updates))
            error = _or_infinite(there - (1 + rtol) * value - slope_rtol * rate * slope)
            after = _Trial(rate, there, error, trial.count + np.int32(1))
            return cast_like(after, trial)

        longest = np.minimum(increase_factor * state.learning_rate, max_learning_rate)
        infinite = real_number(math.inf, params)
        first = _Trial(real_number(longest, params), value, infinite, started())
        last = while_loop(again, body, first)
        rate = np.where(np.isinf(last.error), 0, last.rate)
        moved = tree_scale(rate, updates)
        kept = value_and_grad(f)(tree_add_scale(params, rate, updates))[1] if store_grad else None
        info = BacktrackingLinesearchInfo(last.count, last.error)
        return moved, ScaleByBacktrackingLinesearchState(rate, last.value, kept, info)

    return transformation(init, update)


# ---------------------------------------------------------------- zoom


class ZoomLinesearchInfo(NamedTuple):
    """How often f was computed, by how much the value is too large, and the slope too steep."""

    num_linesearch_steps: Any  # i32
    decrease_error: Any
    curvature_error: Any


class ScaleByZoomLinesearchState(NamedTuple):
    """The last step, and value and gradient after it."""

    learning_rate: Any
    value: Any
    grad: Tree
    info: ZoomLinesearchInfo


class _Point(NamedTuple):
    """A step along the line, value and slope there."""

    step: Any
    value: Any
    slope: Any


class _Search(NamedTuple):
    count: Any
    tried: _Point
    grad: Tree
    low: _Point  # of sufficient decrease; a good step is between it and high
    high: _Point
    third: _Point  # for the cubic through three values and a slope
    safe: _Point  # the best step of sufficient decrease
    safe_grad: Tree
    errors: tuple[Any, Any]  # of decrease, of curvature
    bracketed: Any
    done: Any
    failed: Any


@explained
def scale_by_zoom_linesearch(
    max_linesearch_steps: int,
    max_learning_rate: float | None = None,
    tol: float = 0.0,
    increase_factor: float = 2.0,
    slope_rtol: float = 1e-4,
    curv_rtol: float = 0.9,
    approx_dec_rtol: float | None = 1e-6,
    stepsize_precision: float = 1e-5,
    initial_guess_strategy: str = "keep",
) -> Optimizer:
    """s * u, with s of sufficient decrease and small slope (the strong conditions of Wolfe):
    f(p + s u) <= f(p) + slope_rtol s <u, g>,  |<u, g(p + s u)>| <= curv_rtol |<u, g>|.

    s grows by `increase_factor` until it is beyond such a step, then the interval is cut by cubics,
    parabolas or halves. It begins with the last step, or with 1 for the strategy "one".
    `approx_dec_rtol`: the decrease may be seen by slopes instead where the value changes by less.
    `update(updates, state, params, value=, grad=, value_fn=)`.
    Source: Nocedal and Wright, Numerical optimization, algorithms 3.5 and 3.6, 2006; Hager and
    Zhang, Algorithm 851: CG_DESCENT, 2006.
    """
    name = "scale_by_zoom_linesearch"
    if initial_guess_strategy not in ("keep", "one"):
        raise ProgramError(
            f"{name}: an initial_guess_strategy 'keep' or 'one' is required, "
            f"got {initial_guess_strategy!r}",
            location(user_source()),
        )

    def init(params: Tree) -> ScaleByZoomLinesearchState:
        infinite = [real_number(math.inf, params) for _ in range(3)]
        info = ZoomLinesearchInfo(started(), *infinite[:2])
        return ScaleByZoomLinesearchState(
            real_number(1.0, params), infinite[2], tree_zeros_like(params), info
        )

    def errors(at: _Point, start: _Point) -> tuple[Any, Any]:
        rise = at.value - start.value
        decrease = rise - slope_rtol * at.step * start.slope
        if approx_dec_rtol is not None:
            flat = at.slope - (2 * slope_rtol - 1) * start.slope
            beyond = rise - approx_dec_rtol * np.abs(start.value)
            decrease = np.minimum(np.maximum(flat, beyond), decrease)
        curvature = np.abs(at.slope) - curv_rtol * np.abs(start.slope)
        return _or_infinite(decrease), _or_infinite(curvature)

    def update(
        updates: Tree,
        state: ScaleByZoomLinesearchState,
        params: Tree = None,
        *,
        value: Any = None,
        grad: Tree = None,
        value_fn: Callable[..., Any] | None = None,
        **extra: Any,
    ) -> Any:
        f = value_and_grad(_objective(name, _told(name, value, grad, value_fn), extra))
        params = required(params, name)
        zero, infinite = real_number(0.0, params), real_number(math.inf, params)
        start = _Point(zero, real_number(value, params), real_number(_slope(updates, grad), params))
        guess = real_number(1.0, params) if initial_guess_strategy == "one" else state.learning_rate

        def next_step(search: _Search) -> tuple[Any, Any]:
            """The step to try, and whether it is the longest one."""
            longer = np.where(search.count == 0, guess, times(increase_factor, search.tried.step))
            capped = np.array(False)
            if max_learning_rate is not None:
                capped = longer >= max_learning_rate
                longer = np.minimum(longer, max_learning_rate)
            middle = _middle(search.low, search.high, search.third)
            return np.where(search.bracketed, middle, longer), capped

        def body(search: _Search) -> Any:
            step, capped = next_step(search)
            there, slopes = f(tree_add_scale(params, step, updates))
            new = _Point(step, there, _slope(updates, slopes))
            decrease, curvature = wrong = errors(new, start)
            good = np.maximum(decrease, curvature) <= tol
            widened, narrowed = _widened(search, new, decrease), _narrowed(search, new, decrease)
            low, high, third, bracketed = tree_where(search.bracketed, narrowed, widened)
            better = np.logical_or(np.logical_not(search.bracketed), there < search.safe.value)
            better = np.logical_and(decrease <= tol, better)
            safe = tree_where(better, new, search.safe)
            safe_grad = tree_where(better, slopes, search.safe_grad)
            bracketed = np.logical_or(bracketed, good)
            ended = np.logical_and(capped, np.logical_not(bracketed))
            small = np.abs(search.high.step - search.low.step) <= stepsize_precision
            small = np.logical_and(np.logical_and(small, safe.step > 0), search.bracketed)
            count = search.count + np.int32(1)
            done = np.logical_or(good, ended)
            failed = np.logical_or(count >= max_linesearch_steps, small)
            failed = np.logical_and(failed, np.logical_not(done))
            after = _Search(
                count,
                new,
                slopes,
                low,
                high,
                third,
                safe,
                safe_grad,
                wrong,
                bracketed,
                done,
                failed,
            )
            return cast_like(after, search)

        first = _Search(
            started(), start, grad, start, start, start, start, grad, (infinite, infinite),
            np.array(False), np.array(False), np.array(False),
        )  # fmt: skip
        last = while_loop(
            lambda s: np.logical_not(np.logical_or(s.done, s.failed)), body, cast_like(first, first)
        )
        back = np.logical_or(last.safe.step > 0, np.isinf(last.errors[0]))
        back = np.logical_and(last.failed, back)
        end = tree_where(back, last.safe, last.tried)
        kept = tree_where(back, last.safe_grad, last.grad)
        info = ZoomLinesearchInfo(last.count, *last.errors)
        after = ScaleByZoomLinesearchState(end.step, end.value, kept, info)
        return tree_scale(end.step, updates), after

    return transformation(init, update)


def _widened(search: _Search, new: _Point, decrease: Any) -> tuple[_Point, _Point, _Point, Any]:
    """low, high, third, and whether they bracket a good step, after a longer step."""
    before = search.tried
    risen = np.logical_and(new.value >= before.value, search.count > 0)
    bad = np.logical_or(decrease > 0, risen)
    turned = np.logical_and(new.slope >= 0, np.logical_not(bad))
    low, high = tree_where(turned, (new, before), (before, new))
    return low, high, low, np.logical_or(bad, turned)


def _narrowed(search: _Search, new: _Point, decrease: Any) -> tuple[_Point, _Point, _Point, Any]:
    """The same after a step within the interval."""
    low, high = search.low, search.high
    bad = np.logical_or(decrease > 0, new.value >= low.value)
    crossed = new.slope * (high.step - low.step) >= 0
    crossed = np.logical_and(crossed, np.logical_not(bad))
    third = tree_where(np.logical_or(bad, crossed), high, low)
    high = tree_where(bad, new, tree_where(crossed, low, high))
    return tree_where(bad, low, new), high, third, np.array(True)


def _middle(low: _Point, high: _Point, third: _Point) -> Any:
    """A step between: the least of a cubic, if well inside, or of a parabola, or half way."""
    left, right = np.minimum(low.step, high.step), np.maximum(low.step, high.step)
    width, half = right - left, (left + right) / 2

    def inside(step: Any, margin: float) -> Any:
        return np.logical_and(step > left + margin * width, step < right - margin * width)

    # value = low.value + low.slope d + b d^2 + a d^3
    d, e = high.step - low.step, third.step - low.step
    rise = high.value - low.value - low.slope * d
    other = third.value - low.value - low.slope * e
    scale = d * d * e * e * (d - e)
    a = (e * e * rise - d * d * other) / scale
    b = (d * d * d * other - e * e * e * rise) / scale
    cubic = low.step + (-b + np.sqrt(b * b - 3 * a * low.slope)) / (3 * a)
    parabola = low.step - low.slope * d * d / (2 * rise)
    found = np.where(inside(parabola, 0.1), parabola, half)
    return np.where(inside(cubic, 0.2), cubic, found)
