"""Arguments as the command line writes them: trees of types, bounds, literals, names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wonderland.commands.specs import Argument, Drawn, argument
from wonderland.compiler.ir.types import Type

F3 = Drawn(Type("f32", (3,)))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("f32", Drawn(Type("f32"))),
        ("f32[3]", F3),
        ("i64[2, 0]", Drawn(Type("i64", (2, 0)))),
        ("(f32[3], f32[3])", (F3, F3)),
        ("f32[3], f32[3]", (F3, F3)),
        ('{"w": [f32[3], 0.5], "deep": {"b": null}}', {"w": [F3, 0.5], "deep": {"b": None}}),
        ("-1", -1),
        ("true", True),
        ("'same'", "same"),
        ("[1, 2]", [1, 2]),
        ("()", ()),
        ("i32[3] < 10", Drawn(Type("i32", (3,)), None, 9)),
        ("0 < i32 <= 4.5", Drawn(Type("i32"), 1, 4)),
        ("2 > f64 >= -1", Drawn(Type("f64"), -1, 2)),
        ("c64[3]", Drawn(Type("c64", (3,)))),
    ],
)
def test_an_argument_is_a_tree_of_types_and_literals(text: str, tree: Any):
    assert argument(text) == Argument(tree)


def test_an_argument_may_have_a_name():
    assert argument("x = f32[3]") == Argument(F3, "x")
    assert argument("k=3").static and not argument("(f32[3], 3)").static


@pytest.mark.parametrize(
    "text", ["i32[99] < 10", "5 <= i64[99]", "u32[99]", "bool[9]", "i32[9]<-3"]
)
def test_integers_lie_within_their_bounds(text: str):
    spec: Drawn = argument(text).tree
    found = spec.draw(np.random.default_rng(0))
    assert found.dtype == spec.type.numpy and found.shape == spec.type.shape
    low = min(0, spec.high or 0) if spec.low is None else spec.low
    assert found.min() >= low and found.max() <= (low + 1 if spec.high is None else spec.high)


@pytest.mark.parametrize("text", ["c64[99]", "c128[99] > 0", "0.5 < c64[99] < 1"])
def test_both_parts_of_complex_numbers_lie_inside_of_the_bounds(text: str):
    spec: Drawn = argument(text).tree
    found = spec.draw(np.random.default_rng(0))
    assert found.dtype == spec.type.numpy and np.ptp(np.imag(found)) > 0.3
    for part in (np.real(found), np.imag(found)):
        assert np.all(part > (-np.inf if spec.low is None else spec.low))
        assert np.all(part < (np.inf if spec.high is None else spec.high))


@pytest.mark.parametrize("text", ["f32[99] > 0", "0 < f32[99] < 1e-3", "f32[99] < -2", "1 <= f64"])
def test_floats_lie_inside_of_their_bounds(text: str):
    spec: Drawn = argument(text).tree
    found = spec.draw(np.random.default_rng(0))
    assert np.all(found > (-np.inf if spec.low is None else spec.low))
    assert np.all(found < (np.inf if spec.high is None else spec.high))
