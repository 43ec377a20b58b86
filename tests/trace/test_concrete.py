"""What a traced value cannot do is refused with the user's line and the repaired program."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland.compiler.front.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.types import NUMPY
from wonderland.compiler.trace.trace import trace

VECTOR, SCALAR, INDEX = np.ones(3, np.float32), np.float32(1), np.int32(1)
table = np.arange(3.0)


def stacked(t: Any) -> Any:
    return np.array([t, 2.0 * t])


def nested(t: Any) -> Any:
    return np.array([[t, 1.0], [2.0, t]])


def as_array(t: Any) -> Any:
    y = np.asarray(t)
    return y


def filled(t: Any) -> Any:
    return np.full(3, t)


def looked_up(t: Any) -> Any:
    return table[t]


def as_float(t: Any) -> Any:
    return float(t) + 1.0


def as_int(t: Any) -> Any:
    return int(t)


def as_item(t: Any) -> Any:
    return t.item()


def by_math(t: Any) -> Any:
    return math.exp(t)


def as_numpy_scalar(t: Any) -> Any:
    return np.float32(t)


def branched(t: Any) -> Any:
    if t > 0:
        return t
    return -t


def both(t: Any) -> Any:
    return t > 0 and t < 3


def negated(t: Any) -> Any:
    return not t > 0


def largest(t: Any) -> Any:
    return max(t, 0.0)


def in_range(t: Any) -> Any:
    return list(range(t))


def sized(t: Any) -> Any:
    return np.zeros(t)


def listed(t: Any) -> Any:
    return [1, 2][t]


def sliced(t: Any) -> Any:
    x = wnp.ones(4)
    return x[1:t]


def masked(t: Any) -> Any:
    return t[t > 0]


def assigned(t: Any) -> Any:
    t[0] = 2.0
    return t


def increased(t: Any) -> Any:
    t[0] += 2.0
    return t


def assigned_by_mask(t: Any) -> Any:
    t[t > 0] = 2.0
    return t


def assigned_to_array(t: Any) -> Any:
    y = np.zeros(3)
    y[0] = t
    return y


def assigned_all(t: Any) -> Any:
    y = np.zeros(3)
    y[:] = t
    return y


def accumulated(t: Any) -> Any:
    y = np.zeros(3)
    y += t
    return y


def contained(t: Any) -> Any:
    return 1.0 in t


def formatted(t: Any) -> Any:
    return f"{t:.3f}"


def counted(t: Any) -> Any:
    return len(t)


def iterated(t: Any) -> Any:
    return list(t)


def unended(t: Any) -> Any:
    return np.real_if_close(t)


def transformed(t: Any) -> Any:
    return np.emath.sqrt(t)


def misspelled(t: Any) -> Any:
    return np.may_share_memory(t, t)


def narrowed(t: Any) -> Any:
    return t.astype("S3")


def labelled(t: Any) -> Any:
    return t - "x"


def long_sine(t: Any) -> Any:
    return np.sin(t, dtype=np.longdouble)


def beyond(t: Any) -> Any:
    return t[3]


def too_many(t: Any) -> Any:
    return t[0, 0]


def out_of_range(t: Any) -> Any:
    return t.astype(np.int32) + 2**40


def mismatched(t: Any) -> Any:
    return t + np.ones(4)


def multiplied(t: Any) -> Any:
    return t[None] @ np.ones((4, 3))


def written(t: Any) -> Any:
    return np.add(t, 1.0, out=np.zeros(3))


def differences_of_truth(t: Any) -> Any:
    return (t > 0) - (t < 0)


CASES: list[tuple[Callable[..., Any], Any, str, str]] = [
    (
        stacked,
        SCALAR,
        "array: numbers are required, got a traced f32",
        "return wnp.array([t, 2.0 * t])",
    ),
    (
        nested,
        SCALAR,
        "array: numbers are required, got a traced f32",
        "return wnp.array([[t, 1.0], [2.0, t]])",
    ),
    (as_array, VECTOR, "array: numbers are required, got a traced f32[3]", "y = t"),
    (
        filled,
        SCALAR,
        "array: numbers are required, got a traced f32",
        "return wnp.full(3, t)",
    ),
    (
        looked_up,
        INDEX,
        "array: numbers are required, got a traced i32",
        "return wnp.asarray(table)[t]",
    ),
    (
        as_float,
        SCALAR,
        "float: a number is required, got a traced f32",
        "return t.astype(float) + 1.0",
    ),
    (as_int, SCALAR, "int: a number is required, got a traced f32", "return t.astype(int)"),
    (as_item, SCALAR, "item: a number is required, got a traced f32", "return t"),
    (by_math, SCALAR, "float: a number is required, got a traced f32", "return np.exp(t)"),
    (
        as_numpy_scalar,
        SCALAR,
        "array: numbers are required, got a traced f32",
        "return t.astype(np.float32)",
    ),
    (
        branched,
        SCALAR,
        "bool: a truth value is required, got a traced bool",
        "return np.where(t > 0, t, -t)",
    ),
    (
        both,
        SCALAR,
        "bool: a truth value is required, got a traced bool",
        "return np.logical_and(t > 0, t < 3)",
    ),
    (
        negated,
        SCALAR,
        "bool: a truth value is required, got a traced bool",
        "return np.logical_not(t > 0)",
    ),
    (
        largest,
        SCALAR,
        "bool: a truth value is required, got a traced bool",
        "return np.maximum(t, 0.0)",
    ),
    (
        in_range,
        INDEX,
        "index: a Python int is required, got a traced i32",
        "static_argnums=, for an argument",
    ),
    (sized, INDEX, "trace: expected a sequence of integers", "Python numbers, known when"),
    (
        listed,
        INDEX,
        "index: a Python int is required, got a traced i32",
        "return wnp.asarray([1, 2])[t]",
    ),
    (
        sliced,
        INDEX,
        "x[i:j]: bounds of Python ints are required for f64[4]",
        "wl.lax.dynamic_slice_in_dim(x, i, size)",
    ),
    (
        masked,
        VECTOR,
        "x[mask]: a result of static shape is required, got a traced mask bool[3]",
        "np.where(mask, x, 0), in the shape of x",
    ),
    (
        assigned,
        VECTOR,
        "x[i] = v: a writable array is required",
        "t = t.copy(); t[0] = 2.0",
    ),
    (
        increased,
        VECTOR,
        "x[i] = v: a writable array is required",
        "t = t.copy(); t[0] += 2.0",
    ),
    (
        assigned_by_mask,
        VECTOR,
        "x[i] = v: a writable array is required",
        "t = t.copy(); t[t > 0] = 2.0",
    ),
    (
        assigned_to_array,
        SCALAR,
        "float: a number is required",
        "y = wnp.array(y).copy(); y[0] = t",
    ),
    (assigned_all, VECTOR, "array: numbers are required", "y = wnp.array(y).copy(); y[:] = t"),
    (accumulated, VECTOR, "add: a new result is required, got out=", "y = y + t"),
    (written, VECTOR, "add: a new result is required, got out=", "return np.add(t, 1.0)"),
    (contained, VECTOR, "in: numbers are required, got a traced f32[3]", "np.any(t == 1.0)"),
    (formatted, SCALAR, "format: a number is required, got a traced f32", "print the results"),
    (counted, SCALAR, "len: an array of one axis or more is required, got f32", ""),
    (iterated, SCALAR, "iteration: an array of one axis or more is required, got f32", ""),
    (
        unended,
        VECTOR,
        "real_if_close: has no form for traced arrays, got f32[3]",
        "np.real(x)",
    ),
    (transformed, VECTOR, "lib.scimath.sqrt: has no form for traced arrays, got f32[3]", ""),
    (
        misspelled,
        VECTOR,
        "may_share_memory: has no form for traced arrays, got f32[3]",
        "an expression without it",
    ),
    (narrowed, VECTOR, "dtype: one of bool, int8, int16, ", ""),
    (labelled, VECTOR, "-: arrays and numbers are required, got a traced array and str", ""),
    (
        long_sine,
        VECTOR,
        f"sin: a result of {', '.join(NUMPY)} is required",
        "x.astype(np.float32)",
    ),
    (beyond, VECTOR, "x[i]: an index within 3 is required for axis 0 of f32[3], got 3", ""),
    (too_many, VECTOR, "x[i]: at most 1 indices are required for f32[3], got 2", ""),
    (out_of_range, VECTOR, "Python integer 1099511627776 out of bounds for int32", ""),
    (mismatched, VECTOR, "add: shapes that broadcast together are required, got [3] and [4]", ""),
    (
        multiplied,
        VECTOR,
        "matmul: inner sizes differ, f32[1, 3] and f32[4, 3] (3 and 4)",
        "x @ y.T",
    ),
    (differences_of_truth, VECTOR, "subtract: numpy boolean subtract", ""),
]


@pytest.mark.parametrize(
    ("function", "argument", "message", "repair"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_refusals_name_the_line_and_its_repair(
    function: Callable[..., Any], argument: Any, message: str, repair: str
) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(function, argument)
    lines = str(caught.value).splitlines()
    assert message in lines[0]
    assert re.match(r"  test_concrete\.py:\d+: ", lines[1])
    if repair:
        assert lines[2].startswith("try: ")
        assert repair in lines[2]


def test_unknown_attributes_are_missing_for_hasattr() -> None:
    def f(t: Any) -> Any:
        assert not hasattr(t, "byteswap")
        assert not hasattr(t, "nonsense")
        with pytest.raises(AttributeError, match="byteswap: has no form for traced arrays"):
            t.byteswap()
        return t

    trace(f, VECTOR)


def test_a_traced_value_outside_of_its_function_says_so() -> None:
    kept: list[Any] = []
    trace(lambda x: (kept.append(x), x)[1], np.ones(3))
    with pytest.raises(ProgramError, match=r"used outside of the function(.|\n)*try: return it"):
        _ = kept[0] + 1


@pytest.mark.parametrize("name", ["float23", "f31", "complex256"])
def test_a_dtype_that_is_none_is_named_with_the_list(name: str) -> None:
    with pytest.raises(ProgramError, match=f"dtype: one of bool, .* is required, got {name}"):
        trace(lambda x: x.astype(name), np.ones(3))
