"""The checks find what is wrong and accept what is right."""

import builtins

import hypothesis
import numpy as np
import pytest

from wonderland.compiler.front.functions.derivatives import stop_gradient
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Op, Sample, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops.transcendental import Sin
from wonderland.compiler.testing import arrays, check_gradients, check_op, shapes

X = np.random.default_rng(0).normal(size=(3, 4))


def test_right_derivatives_pass_in_every_mode_and_order():
    check_gradients(lambda x, y: np.sum(np.tanh(x @ y.T) ** 2), X, X + 1, order=3)
    check_gradients(lambda p: {"y": np.sin(p["x"]) * p["n"]}, {"x": X, "n": 3})
    check_gradients(lambda x: np.float32(2) * x, np.float32(1.5))


def test_a_wrong_derivative_is_shown_with_its_program():
    def wrong(x):
        return np.sum(stop_gradient(x) * x)

    with pytest.raises(AssertionError) as error:
        check_gradients(wrong, X)
    text = str(error.value)
    assert text.startswith(
        "check_gradients: order 1 by fwd: result 0: forward mode and differences are "
    )
    assert "stop_gradient(" in text


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_a_derivative_that_is_wrong_from_the_second_order_on_is_found(mode: str):
    def square(x):  # its derivative is right, but does not depend on x
        return np.sum(2 * x * stop_gradient(x) - stop_gradient(x * x))

    check_gradients(square, X, order=1)
    with pytest.raises(AssertionError, match=f"order 2 by {mode} of {mode}"):
        check_gradients(square, X, modes=(mode,))


def test_arguments_without_floats_are_refused():
    with pytest.raises(ProgramError, match="check_gradients: a float among the arguments"):
        check_gradients(lambda n: n * 1.0, np.arange(3))
    with pytest.raises(ProgramError, match="modes of 'fwd' and 'rev' are required, got 'back'"):
        check_gradients(np.sin, X, modes=("back",))


@pytest.mark.parametrize(
    "name", ["sin", "mul", "sum", "reshape", "gather", "select", "dot_general"]
)
def test_ops_of_the_registry_pass(name: str):
    check_op(name)


class WrongSine(Sin, abstract=True):
    """A sine whose tangent lacks the cosine."""

    name = "sin"

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return dx

    @classmethod
    def samples(cls):
        yield Sample(cls(), (Type("f64", (3,)),))


def test_a_wrong_tangent_rule_is_found(monkeypatch):
    monkeypatch.setitem(Op.registry, "sin", WrongSine)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_op(WrongSine)


@hypothesis.settings(max_examples=30, derandomize=True, database=None, deadline=None)
@hypothesis.given(arrays("f32", (3, 4), low=-1, high=1), arrays("i64"), arrays("bool", shapes(2)))
def test_strategies_give_arrays_of_the_dtype_and_the_bounds(x, n, m):
    assert x.dtype == np.float32 and x.shape == (3, 4) and np.all(np.abs(x) <= 1)
    assert n.dtype == np.int64 and m.dtype == bool and m.ndim <= 2


def test_without_hypothesis_the_message_says_so(monkeypatch):
    found = builtins.__import__

    def absent(name, *rest):
        if name.startswith("hypothesis"):
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ProgramError, match=r"the package hypothesis is required"):
        arrays("f32", (3,))
