"""Compiled programs called in Numba's code: the same bits, refusals, threads, memory."""

from __future__ import annotations

import gc
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import wonderland as wl
from wonderland.runtime.cpu.desk import Desk

PARAMS = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.complex128)}
X = np.array([1.0, -2.0, 3.0])


def mixed(p: Any, x: Any, k: Any) -> Any:
    """A tree of everything: dtypes, axes, a number, a sum over turns of a loop."""
    y, stacked = wl.lax.scan(lambda c, _: (np.tanh(c * x), c), x, None, length=5)
    return {
        "z": p["w"] @ y + p["b"],
        "s": np.sum(x) * k,
        "n": (x.astype(np.float32), x > 0, stacked),
    }


def numba_function(program: Any) -> Any:
    @numba.njit(nogil=True)
    def function(*args):
        return program(*args)

    return function


def test_results_are_the_programs_flat_and_to_the_bit() -> None:
    program = wl.jit(mixed).compile(PARAMS, X, 2.0)
    function = numba_function(program)
    for x in (X, np.repeat(X, 2)[::2]):  # what is not in C order is copied
        found = function(PARAMS["b"], np.asfortranarray(PARAMS["w"]), x, 2.0)
        wanted = wl.tree.leaves(program(PARAMS, x, 2.0))
        for a, b in zip(found, wanted, strict=True):
            assert np.asarray(a).dtype == b.dtype and np.array_equal(a, b)
    assert isinstance(found[3], float)


@numba.njit
def called(program, *args):
    return program(*args)


def test_a_program_is_an_argument_too_and_a_donated_array_stays() -> None:
    donating = wl.jit(lambda x, y: (x + y, x * y), donate_argnums=0).compile(X, X)
    x = X.copy()
    total, product = called(donating, x, X)
    assert np.array_equal(total, 2 * X) and np.array_equal(product, X * X)
    assert np.array_equal(x, X)
    assert called(wl.jit(lambda x: None).compile(X), X) is None
    half = np.float32(1)
    assert called(wl.jit(lambda x: x + 1).compile(half), 1) == 2


def test_what_does_not_fit_is_refused_when_it_is_typed_or_by_shape_when_it_runs() -> None:
    program = wl.jit(mixed).compile(PARAMS, X, 2.0)
    b, w = PARAMS["b"], PARAMS["w"]
    with pytest.raises(
        TypingError, match=r"mixed: 4 arrays are required \(args\[0\]\['b'\], .* got 2"
    ):
        called(program, b, w)
    with pytest.raises(TypingError, match=r"f64\[3\] is required at args\[1\], got array\(float32"):
        called(program, b, w, X.astype(np.float32), 2.0)
    with pytest.raises(TypingError, match=r"f64 is required at args\[2\], got complex128"):
        called(program, b, w, X, 2j)
    with pytest.raises(ValueError, match=r"f64\[3\] is required at args\[1\], got another shape"):
        called(program, b, w, X[:2], 2.0)


def test_what_cannot_be_called_says_what_can() -> None:
    jitted = wl.jit(mixed)
    with pytest.raises(TypingError, match=r"try: program = mixed\.compile\(\*arguments\) before"):
        numba_function(jitted)(X)
    with pytest.raises(TypingError, match="without Python is required, got one that calls inv"):
        numba_function(wl.jit(np.linalg.inv).compile(np.eye(2)))(np.eye(2))
    half = np.ones(2, np.float16)
    with pytest.raises(TypingError, match=r"f32 or f64 is required, got f16\[2\]"):
        numba_function(wl.jit(np.exp).compile(half))(half)


def rooted(x: Any) -> Any:
    wl.check(x >= 0, "roots of {}", x)
    return np.sqrt(x)


def test_a_check_raises_what_it_says_and_the_program_goes_on() -> None:
    program = wl.jit(rooted).compile(X)
    function = numba_function(program)
    with pytest.raises(AssertionError, match=r"check: roots of \.\.\.\n.*test_numba_calls.py"):
        function(X)
    assert np.array_equal(function(X * X), program(X * X))


def test_calls_from_many_threads_each_have_their_own_memory() -> None:
    def chain(x: Any) -> Any:
        for _ in range(3):
            x = np.cumsum(x)[::-1] / np.sum(x)
        return x

    xs = np.random.default_rng(0).uniform(1, 2, size=(64, 300))
    program = wl.jit(chain).compile(xs[0])

    @numba.njit(nogil=True)
    def rows(xs):
        out = np.empty_like(xs)
        for _ in range(20):
            for i in range(len(xs)):
                out[i] = program(xs[i])
        return out

    wanted = np.stack([program(x) for x in xs])
    with ThreadPoolExecutor(16) as pool:  # more than there are seats
        for found in pool.map(rows, [xs] * 16):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_calls_too() -> None:
    program = wl.jit(rooted).compile(X)
    function = numba_function(program)
    function(X * X)
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(function(X * X), np.abs(X)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def desks() -> list[Any]:
    return [o for o in gc.get_objects() if type(o) is Desk]


def test_code_keeps_its_program_alive_and_no_longer() -> None:
    before = desks()
    program = wl.jit(lambda x: np.cumsum(x) * 2).compile(X)
    names: dict[str, Any] = {"program": program}
    exec("def function(x):\n    return program(x)", names)
    compiled: Any = numba.njit  # Numba has no types to check
    function = compiled(names.pop("function"))
    function(X)
    del program, names["program"]
    gc.collect()
    (alive,) = (weakref.ref(o) for o in desks() if o not in before)
    assert function(X).tolist() == [2.0, -2.0, 4.0]
    del function, before
    gc.collect()
    assert alive() is None
