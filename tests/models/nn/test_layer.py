"""What makes a class a layer: which fields are parts of the tree, and how it reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn

Padding = str | tuple[int, ...]
Parts = tuple[nn.Linear, ...]


@nn.layer
class Several:
    first: nn.Linear
    rest: Parts
    scale: Any
    heads: int
    bias: nn.Linear | None = None
    padding: Padding = "SAME"
    mode: Literal["pre", "post"] | None = None
    activation: Callable[[Any], Any] = nn.relu
    sizes: tuple[int, ...] = (3,)
    named: dict[str, Any] = dataclasses.field(default_factory=dict)


def several(**options: Any) -> Several:
    one = nn.Linear.init(wl.random.key(0), 3, 2)
    return Several(one, (one,), np.float32([1, 2]), 4, **options)


def test_arrays_and_layers_are_parts_and_numbers_texts_and_functions_are_not():
    paths = wl.tree.paths(wl.tree.structure(several(named={"a": np.ones(2)})))
    assert [p.lstrip(".") for p in paths] == [
        "first.weight", "first.bias", "rest[0].weight", "rest[0].bias", "scale", "named['a']",
    ]  # fmt: skip


def test_annotations_that_are_no_texts_mean_the_same():
    made = nn.layer(
        type("Made", (), {"__annotations__": {
            "a": Any, "b": int | None, "c": Callable[[Any], Any], "d": nn.Linear | None,
            "e": tuple[int, ...], "f": Literal["x"], "g": tuple[Any, ...], "h": "int",
        }})
    )  # fmt: skip
    static = [f.name for f in dataclasses.fields(made) if f.metadata.get("static")]
    assert static == ["b", "c", "e", "f", "h"]


def test_a_program_is_made_for_each_value_of_a_static_field():
    times = wl.jit(lambda m, x: x * m.heads)
    assert times(several(), 2.0) == 8 and times(dataclasses.replace(several(), heads=5), 2.0) == 10


def test_a_layer_is_its_types_in_text():
    assert repr(several().first) == "Linear(weight=f32[3, 2], bias=f32[2])"
    assert repr(several()).splitlines()[1:4] == [
        "    first=Linear(weight=f32[3, 2], bias=f32[2]),",
        "    rest=(Linear(weight=f32[3, 2], bias=f32[2]),),",
        "    scale=f32[2],",
    ]


def test_a_layer_is_frozen_and_is_itself_alone():
    with pytest.raises(dataclasses.FrozenInstanceError):
        several().heads = 3  # type: ignore[misc]
    assert several() != several() and hash(several())


def test_linear_without_a_bias_and_with_weights_of_a_users_own():
    made = nn.Linear.init(wl.random.key(0), 3, 2, bias=False, initializer=nn.he_normal)
    assert made.bias is None
    np.testing.assert_array_equal(made.weight, nn.he_normal(wl.random.key(0), (3, 2)))
