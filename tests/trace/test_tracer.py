"""Traced values: NumPy's promotion, weak Python scalars, operators, sources, the widening lint."""

from __future__ import annotations

import copy
import itertools
import operator
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import wonderland.compiler.front.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.types import NUMPY
from wonderland.compiler.trace.lint import WideningWarning
from wonderland.compiler.trace.trace import call, trace
from wonderland.compiler.trace.tracer import Tracer

DTYPES = [d for n, d in NUMPY.items() if n != "bf16"]  # which NumPy does not promote throughout
OPERATORS = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.eq,
)
UFUNCS = (
    np.maximum,
    np.fmod,
    np.arctan2,
    np.logical_and,
    np.bitwise_xor,
    np.left_shift,
    np.hypot,
    np.copysign,
)
SUPPORTED = set(DTYPES)


def numpys(function: Any, *args: Any) -> Any:
    """NumPy's result dtype, or None where it refuses or leaves the language."""
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(function(*args)).dtype
    except (TypeError, ValueError):
        return None
    return found if found in SUPPORTED else None


def ours(function: Any, *args: Any) -> Any:
    try:
        return trace(function, *args).graph.outputs[0].type.numpy
    except ProgramError:
        return None


@pytest.mark.filterwarnings("ignore::wonderland.compiler.trace.lint.WideningWarning")
@pytest.mark.parametrize(
    "function", [*OPERATORS, *(u for u in UFUNCS if u is not np.arctan2)], ids=lambda f: f.__name__
)
def test_every_pair_of_dtypes_promotes_as_numpy_does_but_what_nobody_typed_follows_floats(
    function: Any,
) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = np.ones(2, a), np.ones(2, b)
        want = numpys(function, *followed(x, y, False))
        assert ours(function, x, y) == want, f"{a} and {b}"
        want = numpys(function, *followed(x, y, True))
        assert ours(lambda t, y=y: function(t, y), x) == want, f"{a} and an array of {b}"
        want = numpys(function, *followed(x, y, True)[::-1])
        assert ours(lambda t, y=y: function(y, t), x) == want, f"an array of {b} and {a}"


def followed(x: np.ndarray, y: np.ndarray, constant: bool) -> tuple[Any, Any]:
    """Operands of which NumPy makes the dtype of traced `x` beside `y`, traced or a constant."""
    wide = constant and y.dtype in (np.float64, np.complex128)
    if x.dtype.kind in "fc" and (wide or y.dtype.kind in "iu"):
        return x, y[0].item()
    if y.dtype.kind in "fc" and x.dtype.kind in "iu" and not wide:
        return x[0].item(), y
    return x, y


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_python_scalars_are_weak_as_constants_and_as_arguments(function: Any) -> None:
    for dtype, scalar in itertools.product(DTYPES, (True, 2, 2.0)):
        if function is operator.pow and dtype == np.bool_:
            continue  # NumPy's operator gives i8, its function what we give
        x = np.ones(2, dtype)
        assert ours(lambda t, s=scalar: function(t, s), x) == numpys(function, x, scalar), (
            f"{dtype} and {scalar}"
        )
        assert ours(lambda t, s=scalar: function(s, t), x) == numpys(function, scalar, x), (
            f"{scalar} and {dtype}"
        )
        assert ours(function, x, scalar) == numpys(function, x, scalar), (
            f"{dtype} and the argument {scalar}"
        )
        assert ours(function, scalar, x) == numpys(function, scalar, x), (
            f"the argument {scalar} and {dtype}"
        )


@pytest.mark.filterwarnings("ignore::wonderland.compiler.trace.lint.WideningWarning")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numpy_scalars_are_constants_as_arrays_are(dtype: Any) -> None:
    for other in DTYPES:
        x, y = np.ones(2, dtype), np.ones((), other)[()]
        want = np.add(*followed(x, y.reshape(1), True)).dtype
        assert ours(lambda t: t + y, x) == want  # noqa: B023
        assert ours(lambda t: np.where(True, y, t), x) == want  # noqa: B023


def test_weakness_survives_functions_of_weak_operands_only() -> None:
    def f(x: Any, s: Any) -> Any:
        assert s.weak
        assert np.sqrt(s + 1).weak
        assert not (s + np.float32(1)).weak
        assert not wnp.asarray(s, dtype=np.float64).weak
        return x * np.sqrt(s * 2 + 1.0)

    assert trace(f, np.ones(3, np.float32), 3.0).graph.outputs[0].dtype == "f32"


def test_operators_reach_arrays_on_either_side() -> None:
    x, y = np.array([1.0, -2.0, 3.0]), np.array([2.0, 5.0, -1.0])
    for f in (*OPERATORS[:6], operator.ge, operator.ne, operator.gt, operator.le):
        for g in (
            lambda t, f=f: f(t, y),
            lambda t, f=f: f(y, t),
            lambda t, f=f: f(2.0, t),
            lambda t, f=f: f(np.float64(2), t),
        ):
            np.testing.assert_array_equal(call(trace(g, x), x), g(x))
    m = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(call(trace(lambda t: m @ t, x), x), m @ x)
    np.testing.assert_array_equal(call(trace(lambda t: t @ m.T, x), x), x @ m.T)
    np.testing.assert_array_equal(call(trace(lambda t: t * [1, 2, 3], x), x), x * [1, 2, 3])
    assert call(trace(lambda t: divmod(t, 2.0)[1], x), x).tolist() == [1, 0, 1]


def test_augmented_assignment_makes_a_new_value() -> None:
    def f(t: Any) -> Any:
        u = t
        u += 1.0
        return u - t

    assert call(trace(f, 3.0), 3.0) == 1.0


def test_a_value_is_not_none() -> None:
    assert trace(lambda t: (t == None) is False and t, 1.0)  # noqa: E711


def test_sources_are_the_users_lines() -> None:
    def f(t: Any) -> Any:
        u = np.mean(t)  # the composite's nodes all belong here
        return u

    graph = trace(f, np.ones(3)).graph
    assert {n.source.text.split("  #")[0] for n in graph.nodes if n.source} == {"u = np.mean(t)"}
    assert all(n.source for n in graph.nodes)


def test_a_tracer_prints_its_type() -> None:
    def f(t: Any, s: Any) -> Any:
        assert repr(t) == str(t) == f"{t}" == "Tracer<f32[3]>"
        assert repr(s) == "Tracer<f64, weak>"
        return t

    trace(f, np.ones(3, np.float32), 1.0)


# ---------------------------------------------------------------- lint


def widened(x: Any, y: Any) -> Any:
    return x / (0.5 * x + y)


def test_an_argument_that_widens_warns_once_a_line_with_its_name() -> None:
    x, y = np.ones(3, np.float32), np.ones(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        trace(widened, x, y)
        trace(widened, x, y)
    (warning,) = caught
    assert warning.category is WideningWarning
    assert warning.filename == __file__
    assert str(warning.message).splitlines() == [
        "add: f32[3] becomes f64 because of an argument, f64[3]",
        "try: y.astype(np.float32) before the call",
    ]


def test_widening_that_is_meant_does_not_warn() -> None:
    x, y = np.ones(3, np.float32), np.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(lambda t: t.astype(np.float64) * y, x)
        trace(lambda t: t * wnp.zeros(3, np.float64), x)
        trace(lambda t, u: t * u.astype(np.float32), x, y)
        trace(lambda t, n: t * n, x, np.arange(3))


# ---------------------------------------------------------------- lifetimes


def test_a_tracer_kept_after_its_trace_is_refused() -> None:
    kept: list[Tracer] = []

    def f(t: Any) -> Any:
        kept.append(t * 2.0)
        return t

    trace(f, np.ones(3))
    for use in (lambda: trace(lambda t: t + kept[0], np.ones(3)), lambda: kept[0] + 1.0):
        with pytest.raises(ProgramError) as caught:
            use()
        assert "trace:" in str(caught.value)
    with pytest.raises(
        ProgramError,
        match=r"a value of the trace of f, made at test_tracer.py:\d+, is used after its trace",
    ):
        trace(lambda t: t + kept[0], np.ones(3))


def test_a_tracer_in_another_threads_trace_is_refused() -> None:
    messages: list[str] = []

    def f(t: Any) -> Any:
        def other() -> None:
            try:
                trace(lambda u: u + t, np.ones(3))
            except ProgramError as error:
                messages.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return t

    trace(f, np.ones(3))
    assert "in another thread's trace" in messages[0]


def test_a_copy_of_a_traced_value_is_an_array_of_its_own() -> None:
    def f(x: Any) -> Any:
        y, (z, again) = copy.copy(x), copy.deepcopy([x, x])
        assert z is again
        y[0], z[1] = 7.0, 8.0
        return x, y, z

    for found, wanted in zip(call(trace(f, np.ones(3)), np.ones(3)), f(np.ones(3)), strict=True):
        np.testing.assert_array_equal(found, wanted)
    weak = trace(lambda x: copy.deepcopy(x) * np.ones(2, np.float32), 2.0)
    assert weak.graph.outputs[0].dtype == "f32"


def test_a_traced_value_is_not_pickled() -> None:
    with pytest.raises(ProgramError, match="trace: an array is required to be pickled, got a trac"):
        trace(lambda x: pickle.dumps([x]) and x, np.ones(3))
