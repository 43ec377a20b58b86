"""The gradient of what is used often is summed as its summands come: none of them waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import OverBudget
from wonderland.compiler.pipeline import compile_graph

D = 48
W = np.eye(D)
PLACES = np.arange(D)[::-1].copy()

Step = Callable[[Any, Any], Any]
USES: dict[str, tuple[Step, tuple[int, ...]]] = {
    "product": (lambda x, p: np.tanh(x @ p), (D, D)),
    "product from the left": (lambda x, p: np.tanh(p @ x), (D, D)),
    "two products": (lambda x, p: np.tanh((x @ p) @ p.T), (D, D)),
    "between others": (lambda x, p: np.tanh(np.tanh(x @ p) @ W), (D, D)),
    "residual": (lambda x, p: x + np.tanh(x @ p), (D, D)),
    "factors": (lambda x, p: np.tanh((x * p) @ W), (D, D)),
    "summands": (lambda x, p: np.tanh(x @ W + p), (D, D)),
    "summands of rows": (lambda x, p: np.tanh(x @ W + p), (D,)),
    "rows of a table": (lambda x, p: np.tanh(x @ W + p[PLACES]), (D, D)),
    "softmax": (lambda x, p: np.exp(x @ p) / np.sum(np.exp(x @ p), 1, keepdims=True), (D, D)),
}


def chain(step: Step, count: int) -> Callable[..., Any]:
    """Of one weight for all steps, or one each."""

    def f(x: Any, *ps: Any) -> Any:
        for k in range(count):
            x = step(x, ps[k % len(ps)])
        return np.sum(x)

    return f


def least(step: Step, shape: tuple[int, ...], count: int, weights: int) -> int:
    """The fewest bytes, beside the results, for the gradients in so many weights."""
    gradient = wl.grad(chain(step, count), tuple(range(1, weights + 1)))
    arrays = np.ones((D, D)), *(np.ones(shape) for _ in range(weights))
    with pytest.raises(OverBudget) as error:
        compile_graph(wl.trace(gradient, *arrays).graph, budget=1)
    return error.value.least - 8 * weights * math.prod(shape)


@pytest.mark.parametrize("use", USES)
def test_a_weight_that_is_used_often_takes_no_more_memory_than_a_weight_each(use: str) -> None:
    step, shape = USES[use]
    one, each = (least(step, shape, 6, n) for n in (1, 6))
    assert one <= each + 2 * 8 * D * D  # the sum so far, and a summand


def test_a_running_sum_is_the_same_sum() -> None:
    rng = np.random.default_rng(0)
    x, p = rng.normal(size=(2, D, D))
    gradient = wl.grad(chain(USES["between others"][0], 5), 1)
    wanted = wl.jit(gradient, disable_jit=True)(x, p / 7)
    np.testing.assert_allclose(wl.jit(gradient)(x, p / 7), wanted, 1e-9, 1e-12)


def test_summands_that_are_there_at_once_are_one_sum() -> None:
    def f(x: Any, a: Any, b: Any, c: Any) -> Any:
        return np.tanh(x @ a + x @ b + x @ c)

    compiled = compile_graph(wl.trace(f, *np.ones((4, D, D))).graph)
    waves = compiled.plan.schedule.waves
    assert [len(wave) for wave in waves] == [2, 1]
