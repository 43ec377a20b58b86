"""Functions of rows written for Numba: programs, loops, derivatives, errors, ufuncs of Numba's."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Op

jitted: Any = numba.njit  # Numba has no types to check
X = np.random.default_rng(0).normal(size=(5, 4, 3))


def mean_to(x):
    y, total = np.empty_like(x), x.dtype.type(0)
    for k in range(len(x)):
        total += x[k]
        y[k] = total / (k + 1)
    return y


def mean_from(ct):
    y, total = np.empty_like(ct), ct.dtype.type(0)
    for k in range(len(ct) - 1, -1, -1):
        total += ct[k] / (k + 1)
        y[k] = total
    return y


def split(x, w, limit):
    if x.sum() > limit:
        raise ValueError("too large")
    return x * w, x.sum(), np.array([len(x), 1])


ROWS = SimpleNamespace()


@pytest.fixture(autouse=True, scope="module")
def registry() -> Iterator[None]:
    """The ops of this file, and then the registry as it was: they have no samples."""
    known = dict(Op.registry)
    ROWS.mean = wl.row_function("(n)->(n)")(jitted(mean_to))
    ROWS.back = wl.row_function("(n)->(n)")(jitted(mean_from))
    ROWS.split = wl.row_function("(n),(n),()->(n),(),(2)")(split)  # Numba takes it
    ROWS.mean.deftranspose(ROWS.back)
    ROWS.back.deftranspose(ROWS.mean)
    yield
    Op.registry.clear()
    Op.registry.update(known)


def test_rows_are_computed_alike_alone_in_programs_under_vmap_and_in_loops() -> None:
    wanted = np.cumsum(X, axis=-1) / np.arange(1, 4)
    for function in (
        ROWS.mean,
        wl.jit(ROWS.mean),
        wl.jit(wl.vmap(ROWS.mean, 1, 1)),
        wl.vmap(ROWS.mean),
    ):
        np.testing.assert_allclose(function(X), wanted, 1e-14)
    assert wl.jit(ROWS.mean)(X.astype(np.float32)).dtype == np.float32

    def loop(x: Any) -> Any:
        return wl.lax.scan(lambda c, _: (ROWS.mean(c) + x, ROWS.mean(c)), x, None, length=4)

    carry, stacked = wl.jit(loop)(X)
    c = X
    for k in range(4):
        np.testing.assert_allclose(stacked[k], ROWS.mean(c), 1e-12)
        c = ROWS.mean(c) + X
    np.testing.assert_allclose(carry, c, 1e-12)
    assert wl.jit(ROWS.mean)(np.zeros((0, 3))).shape == (0, 3)


def test_axes_in_front_broadcast_and_results_have_sizes_and_dtypes_of_their_own() -> None:
    w = np.ones((4, 1), np.float32) * np.arange(3, dtype=np.float32)
    scaled, total, sizes = wl.jit(lambda x: ROWS.split(x, w, 100))(X)
    np.testing.assert_array_equal(scaled, X * w)
    np.testing.assert_allclose(total, X.sum(-1), 1e-14)
    assert sizes.dtype == np.int64 and sizes.tolist() == [[[3, 1]] * 4] * 5


def test_it_is_a_row_of_machine_code_that_threads_share_to_the_same_bits() -> None:
    many = np.random.default_rng(1).normal(size=(3000, 17))
    function = wl.jit(lambda x: np.sum(ROWS.mean(x), axis=0))
    assert "mean_to(input0" in function.inspect(many)["table"]
    np.testing.assert_allclose(function(many), ROWS.mean(many).sum(0), 1e-10)
    program = wl.jit(ROWS.mean).compile(many)

    @jitted
    def caller(x):
        return program(x)

    np.testing.assert_array_equal(caller(many), ROWS.mean(many))


def test_derivatives_are_those_that_are_given_and_are_checked() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.sin(ROWS.mean(x)) ** 2)

    wl.testing.check_gradients(loss, X[0])
    wl.testing.check_gradients(wl.vmap(loss), X[0], order=1)

    squares = wl.row_function("(n)->(n)")(jitted(named("squares", lambda x: x * x)))
    with pytest.raises(ProgramError, match=r"squares: .* rules is required for derivatives"):
        wl.grad(lambda x: np.sum(squares(x)))(X[0, 0])
    squares.defvjp(lambda x: (squares(x), x), lambda x, ct: (2 * x * ct,))
    wl.testing.check_gradients(wl.jit(squares), X[0], modes=("rev",))
    squares.defjvp(lambda primals, slopes: (squares(*primals), 3 * primals[0] * slopes[0]))
    with pytest.raises(AssertionError):
        wl.testing.check_gradients(squares, X[0])


def named(name: str, function: Any) -> Any:
    function.__name__ = function.__qualname__ = name
    return function


def test_a_row_that_raises_is_an_error_of_the_call_or_of_the_program() -> None:
    w = np.ones(3)
    with pytest.raises(ValueError, match="too large"):
        ROWS.split(X, w, X.sum(-1).max() - 0.1)
    program = wl.jit(lambda x, limit: ROWS.split(x, w, limit))
    with pytest.raises(AssertionError, match=r"split raises for a row, .*\n.*test_row_function"):
        program(X, -1.0)
    program(X, 100.0)
    wrong = wl.row_function("(n)->(n)")(jitted(named("half_row", lambda x: x[:1].copy())))
    with pytest.raises(AssertionError, match="half_row raises for a row, or gives another shape"):
        wrong(X)

    def guarded(x: Any) -> Any:  # rows of a branch that is not taken do not count
        return wl.lax.cond(x[0] > 0, lambda x: ROWS.split(x, w, 100.0)[0], lambda x: x, x)

    x = np.array([[1.0, 2.0, 3.0], [-1.0, 1e9, 0.0]])
    np.testing.assert_array_equal(wl.jit(wl.vmap(guarded))(x), x)


def test_what_does_not_fit_is_refused() -> None:
    refused: list[tuple[str, Any]] = [
        (r"a signature is required, got '\(n\)->n'", lambda: wl.row_function("(n)->n")),
        (r"an axis of an operand is required in a result", lambda: wl.row_function("(n)->(m)")),
        (r"mean_to: 1 operands are required, got 2", lambda: ROWS.mean(X, X)),
        (r"mean_to: an operand with axes \(n\) is required, got f64", lambda: ROWS.mean(1.0)),
        (r"f32 or f64 is required in Numba's code, got f16", lambda: ROWS.mean(np.float16(X))),
        (r"a size of 3 is required for axis n, got 2", lambda: ROWS.split(X, X[0, 0, 1:], 1)),
        (r"split: axes in front that broadcast are required", lambda: ROWS.split(X, X[0, :2], 1.0)),
    ]  # fmt: skip
    for said, call in refused:
        with pytest.raises(ProgramError, match=said):
            call()

    def overwriting(x):
        x[0] = 1
        return x

    with pytest.raises(ProgramError, match=r"(?s)overwriting: Numba refuses .*readonly array"):
        wl.row_function("(n)->(n)")(overwriting)(X)

    def in_python(x):
        with numba.objmode(y="float64[:]"):  # pyright: ignore[reportGeneralTypeIssues]
            y = x * 2
        return y

    with pytest.raises(ProgramError, match="in_python: code without objmode is required"):
        wl.row_function("(n)->(n)")(in_python)(X)
    flat = wl.row_function("(n)->(n)")(jitted(named("flat", lambda x: x.sum())))
    with pytest.raises(
        ProgramError, match=r"flat: results of axes \(n\) are required, got float64"
    ):
        flat(X)


def test_what_numba_vectorized_is_a_function_of_traced_elements() -> None:
    vectorize: Any = numba.vectorize

    @vectorize
    def clipped(x, low):
        return x if x > low else low * 2

    wanted = np.where(X > 0.5, X, 1.0)
    np.testing.assert_array_equal(wl.jit(lambda x: clipped(x, 0.5))(X), wanted)
    np.testing.assert_array_equal(wl.jit(wl.vmap(clipped, (0, None)))(X, 0.5), wanted)
