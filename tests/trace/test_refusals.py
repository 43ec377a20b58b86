"""What a refusal names: static arguments for Python's numbers, the user's line before others'."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

X = np.array([1.0, 4.0, 2.0])


def refusal(f: Callable[..., Any], *args: Any) -> ProgramError:
    with pytest.raises(ProgramError) as caught, wl.disable_jit():
        wl.jit(f)(*args)
    return caught.value


def looped(x: Any, n: int) -> Any:
    while n > 0:
        x, n = 2 * x, n - 1
    return x


def ranged(x: Any, n: int) -> Any:
    for _ in range(n):
        x = 2 * x
    return x


def counted(x: Any, t: Any) -> Any:
    for _ in range(int(t)):
        x = 2 * x
    return x


def branched(x: Any, n: int, train: bool) -> Any:
    if n > 1 and train:
        x = 2 * x
        x = x + 1
    return x


def compared(x: Any, n: int) -> Any:
    if n > 1:
        x = 2 * x
        x = x + 1
    return x


@pytest.mark.parametrize(("f", "args", "said"), [
    (looped, (3,), ("lax.while_loop(condition, body, state)", "static_argnames='n'")),
    (ranged, (3,), ("lax.fori_loop(0, n, body, state)", "static_argnames='n'")),
    (counted, (3,), ("lax.fori_loop(0, t, body, state)", "static_argnames='t'")),
    (compared, (3,), ("lax.cond(condition, f, g, x)", "static_argnames='n'")),
    (ranged, (np.int64(3),), ("lax.fori_loop(0, n, body, state)",)),
])  # fmt: skip
def test_control_flow_of_pythons_numbers_asks_for_static_arguments(
    f: Any, args: tuple[Any, ...], said: tuple[str, ...]
) -> None:
    error = refusal(f, X, *args)
    assert all(text in error.repair for text in said), error
    assert ("static" in error.repair) == any(type(x) is int for x in args) or f is ranged


def test_a_line_of_a_library_stands_behind_the_users() -> None:
    error = refusal(lambda x: statistics.median(list(x)), X)
    users, librarys = error.where.splitlines()
    assert users.startswith("  test_refusals.py:") and users.endswith(", which calls")
    assert librarys.startswith("  statistics.py:")
    assert "=" not in error.repair.split("(")[0]  # no line of a library is repaired


@pytest.mark.parametrize(("f", "said"), [
    (lambda x: np.sum(x, dim=0), "sum: arguments as NumPy has them are required"),  # type: ignore
    (lambda x: x.size(), "size: a method is required, got what is no function"),
    (lambda x: wl.numpy.add.reduceat(x, [0]), "add.reduceat: has no form for traced arrays"),
    (lambda x: x + None, "+: arrays and numbers are required, got a traced array and NoneType"),
    (lambda x: x < object(), "<: arrays and numbers are required, got a traced array and object"),
    (lambda x: wl.numpy.sin(), "sin: one operand is required, got 0"),  # type: ignore
    (lambda x: wl.numpy.add(x, x, x, x), "add: 2 operands are required, got 4"),  # type: ignore
    (lambda x: x & 1, "bitwise_and: bools or integers are required, got f64[3] and 1"),
    (lambda x: np.ldexp(x, 0.5), "ldexp: floats and integers are required, got f64[3] and 0.5"),
    (lambda x: wl.lax.nonsense(x), "wonderland.lax: a name of it is required, got nonsense"),  # type: ignore
    (lambda x: x.at[0].nonsense(1), "at: one of add, "),
    (lambda x: x.at[0].set(), "set: an argument for values is required, got none"),
    (lambda x: np.select([x > 0], [x, x]), "select: a choice for each condition is required"),
])  # fmt: skip
def test_what_python_says_barely_is_said_with_the_line(f: Any, said: str) -> None:
    error = refusal(f, X)
    assert error.what.startswith(said)
    assert "test_refusals.py:" in error.where


def unfit(x: Any, y: Any) -> Any:
    return x + y


@pytest.mark.parametrize(("f", "said"), [
    (lambda: wl.jit(unfit)(X), "unfit: arguments that fit its parameters are required"),  # type: ignore
    (lambda: wl.jit(unfit)(X, X, z=X), "unfit: arguments that fit its parameters are required"),  # type: ignore
    (lambda: wl.jit(unfit, static_argnames="z"), "jit: static_argnames among x, y are required"),
    (lambda: wl.jit(unfit, static_argnums=9), "jit: the place of one of 2 parameters"),
    (lambda: wl.jit(unfit, static_argnums=1)(X, [1]), "jit: static argument 1 must be hashable"),
    (lambda: wl.jit(unfit)(X, np.array(["a"])), "dtype: one of bool, "),
    (lambda: wl.optim.join_schedules([abs], [1, 2]), "join_schedules: a boundary between"),
    (lambda: wl.optim.inject_hyperparams(wl.optim.adam)(rate=1.0), "adam: arguments of "),
])  # fmt: skip
def test_what_a_call_itself_gets_wrong_is_said_with_its_line(f: Any, said: str) -> None:
    with pytest.raises(ProgramError) as caught, wl.disable_jit():
        f()
    assert caught.value.what.startswith(said)
    assert "test_refusals.py:" in caught.value.where


@pytest.mark.parametrize(("f", "said"), [
    (lambda x: wl.grad(x)(x), "trace: a function is required, got Tracer"),
    (lambda x: wl.optim.sgd(0.1).step(), "Optimizer: one of "),  # type: ignore
    (lambda x: statistics.mean(x), "trace: can't convert"),
    (lambda x: np.roll(x, (1, 2, 3), (0, 0)), "roll: as many shifts as axes, or one"),
    (lambda x: wl.lax.custom_root(lambda v: v[0], x, lambda f, v: v, lambda g, y: y), "custom_jvp"),
])  # fmt: skip
def test_a_refusal_begins_at_the_users_line(f: Any, said: str) -> None:
    error = refusal(f, X)
    assert error.what.startswith(said)
    assert error.where.startswith("  test_refusals.py:")


def test_one_axis_is_rolled_by_several_shifts() -> None:
    m = np.arange(12.0).reshape(3, 4)
    for shift, axis in (((1, 2), 1), (1, (0, 1)), ((1, -2), (0, 1))):
        found = wl.jit(lambda m, s=shift, a=axis: np.roll(m, s, a), disable_jit=True)(m)
        np.testing.assert_array_equal(found, np.roll(m, shift, axis))


def test_a_name_of_a_part_that_is_not_loaded_yet_is_found() -> None:
    said = "import wonderland as wl\ntry: wl.numpy.softmax\nexcept AttributeError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("try: wl.nn.softmax\n")
