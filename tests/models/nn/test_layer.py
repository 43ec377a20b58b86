"""What makes a class a layer: which fields are parts of the tree, and how it reads."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

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
    return Several(one, (one,), np.ones(2, np.float32), 4, **options)


def test_arrays_and_layers_are_parts_and_numbers_texts_and_functions_are_not():
    paths = wl.tree.paths(wl.tree.structure(several(named={"a": np.ones(2)})))
    assert [p.lstrip(".") for p in paths] == [
        "first.weight", "first.bias", "rest[0].weight", "rest[0].bias", "scale", "named['a']",
    ]  # fmt: skip


def test_annotations_that_are_no_texts_mean_the_same():
    made: Any = nn.layer(
        type("Made", (), {"__annotations__": {
            "a": Any, "b": int | None, "c": Callable[[Any], Any], "d": nn.Linear | None,
            "e": tuple[int, ...], "f": Literal["x"], "g": tuple[Any, ...], "h": "int",
        }})
    )  # fmt: skip
    static = [f.name for f in dataclasses.fields(made) if f.metadata.get("static")]
    assert static == ["b", "c", "e", "f", "h"]


class Kind(enum.Enum):
    PRE = 1


def test_kinds_dtypes_and_names_of_the_function_around_are_no_parts_of_the_tree():
    Sizes = tuple[int, int]
    told: dict[str, Any] = {
        "kind": Kind, "dtype": np.dtype, "of": type, "of_int": type[int], "final": Final[int],
        "noted": Annotated[int, "a size"], "sizes": Sizes,
    }  # fmt: skip

    @nn.layer
    class InTexts:
        weight: Any
        kind: Kind
        dtype: np.dtype[Any]
        of: type
        of_int: type[int]
        final: Final[int]
        noted: Annotated[int, "a size"]
        sizes: Sizes  # pyright: ignore

    plain = nn.layer(type("Plain", (), {"__annotations__": {"weight": Any, **told}}))
    for made in (InTexts, plain):
        static = [f.name for f in dataclasses.fields(made) if f.metadata.get("static")]  # pyright: ignore
        assert static == list(told)
        layer = made(np.ones(2), Kind.PRE, np.dtype("f4"), int, int, 1, 2, (1, 2))
        assert wl.grad(lambda m: np.sum(m.weight * m.final))(layer).kind is Kind.PRE


def test_a_class_that_is_no_layer_is_told_with_the_line_and_the_repair():
    class Assigned:
        weight: Any

        def __init__(self) -> None:
            self.weight = np.ones(2)

    class Unannotated:
        def __init__(self) -> None:
            self.weight = np.ones(2)

    with pytest.raises(ProgramError, match=r"self.weight.*\ntry: a classmethod init.*cls\(weight="):
        nn.layer(Assigned)()
    with pytest.raises(ProgramError, match="try: weight: Any among the fields of Unannotated"):
        nn.layer(Unannotated)()
    with pytest.raises(ProgramError, match=r"no dataclass yet.*Several that is one\n.*test_layer"):
        nn.layer(Several)
    array = {"__annotations__": {"weight": Any}, "weight": np.ones(2)}
    with pytest.raises(ProgramError, match=r"layer: Default: mutable default.*\n.*test_layer"):
        nn.layer(type("Default", (), array))


def test_a_static_field_of_a_result_is_known_when_it_is_traced():
    with pytest.raises(ProgramError, match=r"static field, got a traced f64 at result\[0\].heads"):
        wl.jit(lambda x: (dataclasses.replace(several(), heads=x.sum()),))(np.ones(3))


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
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"replace\(layer, heads=\.\.\.\)"):
        several().heads = 3  # type: ignore[misc]
    assert several() != several() and hash(several())


def test_linear_without_a_bias_and_with_weights_of_a_users_own():
    made = nn.Linear.init(wl.random.key(0), 3, 2, bias=False, initializer=nn.he_normal)
    assert made.bias is None
    np.testing.assert_array_equal(made.weight, nn.he_normal(wl.random.key(0), (3, 2)))


def test_a_layer_that_is_called_otherwise_is_told_by_its_name():
    linear, norm, key, x = *CALLED, wl.random.key(0), np.ones((2, 4), np.float32)
    for call, said in (
        (lambda: linear.init(3, 2), "Linear.init: an argument for outputs is required"),
        (lambda: linear.init(key, in_features=3), "Linear.init: parameters among .*in_features="),
        (lambda: linear.init(key, 3.0, 2), "Linear.init: an int is required for inputs, got 3.0"),
        (lambda: linear.init(key, 3, 2)(x), r"Linear: matmul: .*x=f32\[2, 4\]"),
        (lambda: norm.init(4)(x), "BatchNorm: an argument for statistics is required"),
    ):
        with pytest.raises(ProgramError, match=f"^{said}") as error:
            call()
        assert "test_layer.py" in error.value.where


CALLED: tuple[Any, Any] = nn.Linear, nn.BatchNorm
