"""What bare errors become: the function, what it requires, what it got; errors of users stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import wonderland
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace.trace import trace

np: Any = numpy
wl: Any = wonderland  # no types: what they forbid is tried
X = np.ones((2, 3), np.float32)
KEY = np.zeros(2, np.uint32)

SAID: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: x.sum(dim=1),
     "sum: parameters among a, axis, dtype, out, keepdims, initial, where are required, got dim="),
    (lambda x: wl.nn.relu(), "relu: an argument for x is required, got none"),
    (lambda x: wl.nn.relu(x, x), "relu: at most 1 arguments by place are required, got 2"),
    (lambda x: wl.nn.softmax(x, x=x), "softmax: one value for x is required, got two"),
    (lambda x: np.diff(x, n=None), "diff: an int is required for n, got None"),
    (lambda x: np.round(x, 1.5), "round: an int is required for decimals, got 1.5"),
    (lambda x: np.sum(x, axis=0.5), "sum: an axis within 2 dimensions is required, got 0.5"),
    (lambda x: np.sum(x, keepdims="no"), "sum: a bool is required for keepdims, got 'no'"),
    (lambda x: wl.lax.top_k(x, x), "top_k: an int is required for k, got a traced f32[2, 3]"),
    (lambda x: wl.random.normal(KEY, "a"),
     "uniform: an int or a tuple of ints is required, got 'a'"),
    (lambda x: wl.lax.reduce_sum(x, 3),
     "reduce_sum: a sequence of ints is required for axes, got 3"),
    (lambda x: wl.numpy.exp(x, axis=1), "exp: a parameter of NumPy's is required, got axis="),
    (lambda x: np.interp(x, "a", x), "array: numbers are required, got str 'a'"),
    (lambda x: wl.nn.Conv.init(wl.random.key(0), 1, 1, (3,), initializer=lambda key, shape: x),
     "Conv.init: <lambda>.<locals>.<lambda>() got an unexpected keyword"),  # hinted by a protocol
    (lambda x: wl.lax.collapse(x, 0, 1, 2), "collapse: at most 3 arguments by place are required"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "message"), SAID, ids=[m.split(",")[0] for _, m in SAID])
def test_the_message_says_what_is_required_and_what_came(
    f: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(f, X)
    assert caught.value.what.startswith(message)
    assert "test_explain.py:" in caught.value.where


def test_the_outermost_function_is_named() -> None:
    with pytest.raises(ProgramError, match=r"^permutation: an int is required for axis, got 'x'"):
        wl.random.permutation(KEY, X, axis="x")


def test_errors_of_functions_that_are_passed_stay_as_they_are() -> None:
    def body(carry: Any, x: Any) -> Any:
        raise ValueError("of the user")

    def f(x: Any) -> Any:
        return wl.lax.scan(body, x[0], x)

    with pytest.raises(ValueError, match=r"^of the user$"):
        trace(f, X)
    with pytest.raises(ZeroDivisionError):
        wl.tree.map(lambda x: 1 // 0, [X])
    with pytest.raises(KeyError):
        trace(lambda x: {"a": x}["b"], X)


def test_a_bare_error_inside_of_a_function_that_is_passed_names_its_line() -> None:
    with pytest.raises(ProgramError, match=r"^diff: an int is required for n, got 'a'\n.*np\.diff"):
        trace(lambda x: wl.lax.scan(lambda c, r: (c, np.diff(r, "a")), x[0], x), X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.diff(x, prepend=0.0),
        lambda x: np.diff(x, append=[[1.0], [2.0]], axis=1),
        lambda x: np.std(x, where=x > 1),
        lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)),
        lambda x: np.var(x, axis=1, where=x > 0, ddof=1),
        lambda x: x.transpose(np.array([1, 0])),
        lambda x: np.moveaxis(x, np.array([0]), np.array([1])),
        lambda x: np.roll(x, (1, 2), (0, 1)),
        lambda x: np.tril(x[0]),
        lambda x: np.triu(x[0], 1),
    ],
)
def test_keywords_and_arrays_of_axes_are_numpys(f: Callable[[Any], Any]) -> None:
    x = np.array([[1.0, 4, 9], [2, 0, 7]])
    with wl.disable_jit():
        np.testing.assert_allclose(wl.jit(f)(x), f(x))
