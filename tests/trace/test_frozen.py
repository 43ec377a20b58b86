"""Who draws numbers in a compiled function is told that every call has the same ones."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl

X = np.ones(3, np.float32)
generator = np.random.default_rng(0)


def legacy(x: Any) -> Any:
    y = 2 * x
    return y * (np.random.rand(3) > 0.5)


def pythons(x: Any) -> Any:
    return x * random.random()


def of_a_module(x: Any) -> Any:
    return x + generator.normal(size=3)


def enclosed() -> Callable[[Any], Any]:
    rng = np.random.default_rng(0)
    return lambda x: x + rng.normal(size=3)


@pytest.mark.parametrize("f", [legacy, pythons, of_a_module, enclosed()])
def test_frozen_numbers_are_told_of_once(f: Callable[[Any], Any]) -> None:
    compiled = wl.jit(f)
    with pytest.warns(
        wl.FrozenRandomWarning, match="the same in every call\ntry: wl.random"
    ) as told:
        first = compiled(X)
    assert len(told) == 1
    assert told[0].filename == __file__
    np.testing.assert_array_equal(compiled(X), first)
    with warnings.catch_warnings(action="error"):
        compiled(X)


def test_the_warning_is_at_the_line_that_draws() -> None:
    with pytest.warns(wl.FrozenRandomWarning) as told:
        wl.jit(lambda x: legacy(x))(X)  # not a line of the function that is compiled: its head
        wl.jit(legacy)(X)
    lines = [w.lineno - legacy.__code__.co_firstlineno for w in told]
    assert lines[-1] == 2


def seeded(x: Any) -> Any:
    np.random.seed(0)
    return x * np.random.rand(3)


def of_its_own(x: Any) -> Any:
    return x * np.random.default_rng(0).random(3)


def by_key(x: Any) -> Any:
    return x + wl.random.normal(wl.random.key(0), (3,))


@pytest.mark.parametrize("f", [seeded, of_its_own, by_key, np.sin])
def test_what_is_the_same_anyway_warns_of_nothing(f: Callable[[Any], Any]) -> None:
    with warnings.catch_warnings(action="error"):
        wl.jit(f)(X)


def test_what_is_drawn_anew_in_every_call_warns_of_nothing() -> None:
    with warnings.catch_warnings(action="error"), wl.disable_jit():
        assert not np.array_equal(wl.jit(legacy)(X + 1), wl.jit(of_a_module)(X))
        wl.grad(lambda x: np.sum(legacy(x)))(X)


def test_a_trace_prints_as_its_graph() -> None:
    assert str(wl.trace(np.sin, X)) == str(wl.trace(np.sin, X).graph)
