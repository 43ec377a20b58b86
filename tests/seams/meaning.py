"""Partial derivatives of a function of numbers: by mpmath, and by ours in every mode."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np

from wonderland.compiler.front.functions.derivatives import grad, jvp

STEP = 12  # decimal digits between a scale and the step of differences: they err by their square

Function = Callable[..., Any]


def expected(meaning: Function, point: Sequence[float], orders: Sequence[int], scale: float) -> Any:
    """A partial derivative by central differences, of as many digits as cancel and 40 more.

    `scale` is how far from the point the function is no longer itself.
    """
    lost = STEP - math.floor(math.log10(scale))
    with mp.workdps(40 + lost * sum(orders)):
        h = mp.mpf(10) ** -lost
        total = mp.mpf(0)
        for ks in itertools.product(*(range(n + 1) for n in orders)):
            at = [mp.mpf(x) + (n - 2 * k) * h for x, n, k in zip(point, orders, ks, strict=True)]
            signs = [(-1) ** k * mp.binomial(n, k) for n, k in zip(orders, ks, strict=True)]
            total += mp.fprod(signs) * meaning(*at)
        return float(total / (2 * h) ** sum(orders))


def forward(function: Function, i: int) -> Function:
    """The derivative in argument i of a function of elements, by jvp."""

    def slope(*xs: Any) -> Any:
        alone = lambda x: function(*xs[:i], x, *xs[i + 1 :])  # noqa: E731
        return jvp(alone, (xs[i],), (np.ones_like(xs[i]),))[1]

    return slope


def reverse(function: Function, i: int) -> Function:
    """The same, by grad."""
    return grad(lambda *xs: np.sum(function(*xs)), i)


def words(count: int, order: int) -> list[tuple[tuple[Function, int], ...]]:
    """Ways to take derivatives of a function of `count` arguments, the first taken first.

    Of one argument each mode over each; of several every order of arguments, in both modes.
    """
    if count == 1:
        f, r = (forward, 0), (reverse, 0)
        ways = [(f,), (r,), (f, f), (r, f), (r, r), (f, f, f), (r, f, r)]
        return [w for w in ways if len(w) <= order]
    found: list[tuple[tuple[Function, int], ...]] = [((reverse, i),) for i in range(count)]
    for n in range(1, order + 1):
        modes = (forward, reverse, forward)[:n] if n != 2 else (reverse, forward)
        for places in itertools.product(range(count), repeat=n):
            found.append(tuple(zip(modes, places, strict=True)))
    return found


def orders_of(word: Sequence[tuple[Function, int]], count: int) -> tuple[int, ...]:
    """How often a word takes the derivative in each argument."""
    return tuple(sum(i == k for _, i in word) for k in range(count))


def ours(function: Function, word: Sequence[tuple[Function, int]]) -> Function:
    for mode, i in word:
        function = mode(function, i)
    return function
