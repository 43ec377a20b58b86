"""What is wrong with an argument of a compiled or differentiated function is said by its name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy
import pytest

import wonderland
from wonderland.compiler.ir.errors import ProgramError

np: Any = numpy
wl: Any = wonderland  # no types: what they forbid is tried
X = np.ones(3)


@dataclass
class Model:
    w: Any
    n: Any


@dataclass
class Static:
    w: Any
    n: Any = field(metadata={"static": True})


def reshaped(model: Any) -> Any:
    return np.sum(model.w.reshape(model.n, -1))


def weights(model: Any) -> Any:
    return np.sum(model.w)


def second(x: Any, mode: Any) -> Any:
    return np.sum(x)


FIELD = 'n: Any = field(metadata={"static": True})'
NAMED: list[tuple[str, Callable[[], Any], str, str]] = [
    ("by place", lambda: wl.jit(second)(X, "a"), "got str 'a' at mode", "static_argnames='mode'"),
    ("by name", lambda: wl.jit(second)(X, mode="a"), "'a' at mode", "static_argnames='mode'"),
    ("in a dict", lambda: wl.jit(second)(X, {"k": [X, "a"]}), "at mode['k'][1]", "static_argnums"),
    ("a field", lambda: wl.jit(reshaped)(Model(X, "a")), "got str 'a' at model.n", FIELD),
    ("grad", lambda: wl.grad(reshaped)(Model(X, "a")), "got str 'a' at model.n", FIELD),
    ("grad of ints", lambda: wl.grad(weights)(Model(X, 3)), "got i64 at model.n", FIELD),
    ("the second", lambda: wl.grad(second, 1)(X, 3), "got i64 at mode", "argnums without it"),
    ("vmap", lambda: wl.vmap(second)(X, "a"), "got str 'a' at mode", "static_argnames='mode'"),
    ("trace", lambda: wl.trace(second, X, object()), "at args[1]", "static_argnums"),
]  # fmt: skip


@pytest.mark.parametrize("case", NAMED, ids=[n[0] for n in NAMED])
def test_the_argument_is_named_with_what_makes_it_static(
    case: tuple[str, Callable[[], Any], str, str],
) -> None:
    _, call, what, repair = case
    with pytest.raises(ProgramError) as caught:
        call()
    assert caught.value.what.endswith(what)
    assert repair in caught.value.repair
    assert "test_arguments.py:" in caught.value.where


def test_a_static_field_is_what_the_repair_says() -> None:
    model = Static(np.arange(6.0), 3)
    assert wl.jit(reshaped)(model) == 15
    np.testing.assert_array_equal(wl.grad(reshaped)(model).w, np.ones(6))


PLACES: list[Callable[[], Any]] = [
    lambda: wl.grad(np.sum, argnums="y")(X),
    lambda: wl.grad(np.sum, argnums=1.5)(X),
    lambda: wl.grad(np.sum, argnums=None)(X),
    lambda: wl.grad(np.sum, argnums=(0, "y"))(X),
    lambda: wl.jit(wl.grad(np.sum, argnums="y"))(X),
    lambda: wl.jacrev(np.sum, argnums="y")(X),
    lambda: wl.hessian(np.sum, argnums="y")(X),
    lambda: wl.jit(second, static_argnums="y")(X, 1),
    lambda: wl.jit(second, static_argnums=1.5)(X, 1),
    lambda: wl.jit(second, donate_argnums="y")(X, 1),
    lambda: wl.jit(second, static_argnames=3)(X, 1),
]


@pytest.mark.parametrize("call", PLACES)
def test_places_of_arguments_are_ints_and_names_are_strings(call: Callable[[], Any]) -> None:
    with pytest.raises(ProgramError, match=r"ints are required|of type (int|str) are required"):
        call()


@wl.jit
def doubled(x: Any) -> Any:
    return 2 * x


def test_compiled_functions_are_copied_and_pickled_as_functions_are() -> None:
    assert copy.deepcopy({"f": doubled})["f"] is doubled
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    with pytest.raises((pickle.PicklingError, AttributeError), match="pickle"):
        pickle.dumps(wl.jit(lambda x: x))
