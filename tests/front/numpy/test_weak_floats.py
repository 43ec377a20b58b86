"""An f32 model stays f32: floats that nobody typed take the dtype of the typed floats they meet."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from wonderland import lax
from wonderland.compiler.trace.trace import trace
from wonderland.compiler.trace.tracer import Tracer
from wonderland.scipy import fft as transforms
from wonderland.scipy import linalg, signal

X = np.linspace(0.5, 2, 4)
TABLE = np.linspace(-1, 1, 4)

PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    "a count": lambda n, x: x / n.sum(x > 0),
    "a mean of truths": lambda n, x: x * n.mean(x > 0),
    "a quotient of counts": lambda n, x: x * (n.sum(x > 0) / n.sum(x > 1)),
    "integers": lambda n, x: x * n.arange(4),
    "a power": lambda n, x: x ** n.arange(4),
    "a place": lambda n, x: x * n.argmax(x),
    "counters": lambda n, x: x * n.arange(4.0),
    "a grid": lambda n, x: x * n.linspace(0, 1, 4),
    "zeros": lambda n, x: x + n.zeros(4),
    "eye": lambda n, x: n.eye(4) @ x,
    "a triangle": lambda n, x: n.tri(4) * x,
    "a number of NumPy's": lambda n, x: x / n.sqrt(64) + 0.5 * n.log(2 * n.pi),
    "an array": lambda n, x: x * n.array([1.0, 2.0, 3.0, 4.0]) + n.array(2.0),
    "a function of integers": lambda n, x: n.sin(n.arange(4)) + x,
    "a closed-over table": lambda n, x: n.maximum(x * TABLE, np.float64(0.1)),
    "complex numbers": lambda n, x: n.abs(x * n.exp(1j * n.arange(4))),
    "parts": lambda n, x: n.concatenate([n.stack([x, n.zeros(4)])[0], n.ones(2)]),
    "a choice": lambda n, x: n.where(x > 1, x, n.full(4, 0.5)),
    "bounds": lambda n, x: n.clip(x, n.zeros(4), np.float64(1)),
    "products": lambda n, x: n.einsum("i,ij->j", x, n.eye(4)) + n.dot(n.ones((4, 4)), x),
    "a factor": lambda n, x: n.linalg.solve(2 * n.eye(4), x),
    "samples": lambda n, x: n.interp(x, n.linspace(0, 2, 5), n.linspace(0, 4, 5)) * x,
    "a spectrum": lambda n, x: n.abs(n.fft.fft(x)) * x,
    "an update": lambda n, x: wnp.at(n.zeros(4))[1:3].set(x[:2]) * x,
    "a carry": lambda n, x: lax.scan(lambda c, v: (c + v, c), n.zeros(()), x)[0] * x,
    "a sequence": lambda n, x: lax.scan(lambda c, v: (c, v * 2), 0.0, n.linspace(0, 1, 4))[1] * x,
    "a branch": lambda n, x: lax.cond(x[0] > 0, lambda: n.ones(4), lambda: n.zeros(4)) * x,
    "a batch": lambda n, x: wl.vmap(lambda a, b: a * b)(x, n.linspace(0, 1, 4)),
    "a region": lambda n, x: wl.checkpoint(lambda: n.linspace(0, 1, 4))() * x,
    "a program": lambda n, x: wl.jit(lambda: n.linspace(0, 1, 4) + 1)() * x,
    "a slope": lambda n, x: wl.grad(lambda v: n.sum(v * n.linspace(0, 1, 4)))(x),
    "a special function": lambda n, x: wl.special.erf(n.linspace(0, 1, 4)) * x,
}


def one(found: Any) -> np.ndarray:
    return np.asarray(found)


@pytest.mark.parametrize("names", [np, wnp], ids=["numpy", "wonderland.numpy"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_nobody_typed_has_the_dtype_of_the_arguments(name: str, names: Any) -> None:
    program = PROGRAMS[name]
    with warnings.catch_warnings(action="error"), wl.disable_jit():
        narrow, wide = (wl.jit(lambda x: program(names, x))(X.astype(d)) for d in "fd")
    assert (one(narrow).dtype, one(wide).dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(narrow, wide, rtol=2e-6, atol=1e-6)


def test_alone_they_are_numpys_or_of_the_default_dtype() -> None:
    def f(x: Any) -> Any:
        alone = wnp.linspace(0, 1, 3), wnp.mean(x > 0), wnp.sqrt(wnp.arange(3)), wnp.eye(2) * 1j
        return *alone, wnp.zeros(2, np.float64), wnp.zeros_like(x)

    def dtypes(program: Any) -> list[str]:
        with wl.disable_jit():
            return [one(y).dtype.char for y in program(X)]

    assert dtypes(wl.jit(f)) == list("dddDdd")
    assert dtypes(wl.jit(f, default_dtype="f32")) == list("fffFdd")
    with wl.default_dtype("f32"):
        assert dtypes(wl.jit(f)) == list("fffFdd") == dtypes(f)
        assert wnp.array([1.0, 2.0]).dtype == np.float32
        assert wnp.sin(X).dtype == np.float64
        with wl.default_dtype("f64"):
            assert dtypes(f) == list("dddDdd")
    with pytest.raises(wl.ProgramError, match="default_dtype: f32 or f64 is required, got 'i32'"):
        wl.default_dtype("i32")


def test_what_is_typed_widens() -> None:
    x = X.astype(np.float32)
    with warnings.catch_warnings(action="error"):
        for program in (
            lambda x: x * wnp.ones(4, np.float64),
            lambda x: x * wnp.arange(4).astype(np.float64),
            lambda x: x.astype(np.float64) * 2,
            lambda x: x * np.sum(x, dtype=np.float64),
            lambda x: x * wnp.full(4, x[0].astype("f64")),
        ):
            assert trace(program, x).graph.outputs[0].dtype == "f64"
    assert trace(lambda x, n: x * n, x, np.float64(2)).graph.outputs[0].dtype == "f32"
    with pytest.warns(wl.WideningWarning, match="because of an argument"):
        assert trace(lambda x, y: x * y, x, X).graph.outputs[0].dtype == "f64"


def test_halves_stay_halves_and_integers_stay_numpys() -> None:
    i32, i64 = np.arange(4, dtype=np.int32), np.arange(4)
    for half in ("f16", "bf16"):
        kind = np.float16 if half == "f16" else wnp.bfloat16
        found = trace(lambda x, i: x * i + TABLE, X.astype(kind), i64).graph.outputs[0]
        assert found.dtype == half
    assert trace(lambda i: i + i64, i32).graph.outputs[0].dtype == "i64"
    assert trace(lambda i: i * TABLE, i32).graph.outputs[0].dtype == "f64"


@pytest.mark.parametrize("write", [
    lambda a, x: a.__setitem__(slice(1, 3), x[:2]),
    lambda a, x: a.__setitem__(slice(None), [x[0], x[1], 0.0, 1.0]),
    lambda a, x: a.__iadd__(x),
    lambda a, x: np.put(a, [0, 1], x[:2]),
    lambda a, x: np.copyto(a, x),
    lambda a, x: np.putmask(a, X > 1, x),
    lambda a, x: np.add.at(a, [0, 0], x[:2]),
])  # fmt: skip
def test_an_array_takes_the_dtype_of_what_is_written_to_it(write: Any) -> None:
    def f(x: Any) -> Any:
        a = wnp.zeros(4)
        write(a, x)
        typed = wnp.zeros(4, np.float64)
        write(typed, x)
        return a, typed

    want = np.zeros(4)
    write(want, X)
    with wl.disable_jit():
        for dtype in "fd":
            a, typed = wl.jit(f)(X.astype(dtype))
            assert (a.dtype.char, typed.dtype.char) == (dtype, "d")
            np.testing.assert_allclose(a, want, rtol=1e-6)


def of_weak(name: str, program: Callable[[Any, Any], Any]) -> Any:
    return pytest.param(program, id=name)


@pytest.mark.parametrize("program", [
    of_weak("a value", lambda w, x: wl.value_and_grad(lambda t: np.sum(t * w))(w)[0] * x),
    of_weak("aux", lambda w, x: wl.grad(lambda t: (t[0], t * 2), has_aux=True)(w)[1] * x),
    of_weak("a gradient", lambda w, x: wl.grad(lambda t: np.sum(np.sin(t)))(w) * x),
    of_weak("gradients", lambda w, x: wl.vmap(wl.grad(np.sin))(w) * x),
    of_weak("a jvp", lambda w, x: wl.jvp(np.sin, (w,), (w,))[1] * x),
    of_weak("a vjp", lambda w, x: wl.vjp(np.sin, w)[1](w)[0] * x),
    of_weak("a linear map", lambda w, x: wl.linearize(np.sin, w)[1](w) * x),
    of_weak("a transpose", lambda w, x: wl.linear_transpose(lambda t: t * 2.0, w)(w)[0] * x),
    of_weak("a Jacobian", lambda w, x: wl.jacfwd(np.sin)(w) @ x),
    of_weak("a Jacobian's rows", lambda w, x: wl.jacrev(np.sin)(w) @ x),
    of_weak("a Hessian", lambda w, x: wl.hessian(lambda t: np.sum(np.sin(t)))(w) @ x),
    of_weak("a mean", lambda w, x: np.average(x, weights=w) * np.average(w, weights=x)),
    of_weak("counted weights", lambda w, x: np.average(x, weights=wnp.arange(4))),
    of_weak("an end", lambda w, x: wnp.append(wnp.append(x, 0.1), w)),
    of_weak("an insert", lambda w, x: wnp.insert(w, 1, x[0])),
    of_weak("slopes", lambda w, x: np.gradient(w, x)),
    of_weak("orders", lambda w, x: wl.special.polygamma(wnp.arange(4), x)),
    of_weak("nearness", lambda w, x: x * np.isclose(x, wnp.arange(4))),
    of_weak("a window", lambda w, x: lax.dynamic_update_slice(w, x[:2], (0,))),
    of_weak("a mask", lambda w, x: wnp.piecewise(w, [w > 0], [np.sin, 0.5]) * x),
    of_weak("places", lambda w, x: wnp.fromfunction(lambda i: i * 0.1, (4,)) * x),
    of_weak("a convolution", lambda w, x: signal.convolve(x, w) + signal.fftconvolve(w, x)),
    of_weak("factors", lambda w, x: linalg.lu_solve(linalg.lu_factor(wnp.eye(4) + 1), x)),
    of_weak("a loss", lambda w, x: wl.nn.sigmoid_binary_cross_entropy(w, w) * x),
    of_weak("an update", lambda w, x: wl.optim.tree_add_scale(w, w, w) * x),
    of_weak("bits", lambda w, x: lax.reduce_precision(w, 8, 7) * x),
])  # fmt: skip
def test_what_is_computed_of_floats_that_nobody_typed_follows(program: Any) -> None:
    with wl.disable_jit():
        narrow, wide = (
            wl.jit(lambda x: program(wnp.array(TABLE) + 2, x))(X.astype(d)) for d in "fd"
        )
    assert (one(narrow).dtype, one(wide).dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-5)


SPACES = (
    wnp.linalg, wnp.fft, lax.linalg, signal, linalg, transforms, wl.special, wl.nn, wl.optim, lax,
)  # fmt: skip
OF_A_DTYPE = {"iota", "convert_element_type", "full_like", "tree_cast"}


def typed_results(function: Any, arrays: list[Any]) -> list[Any]:
    """The types of results of f64 that are said to be typed, of arrays that are not."""
    typed = []

    def traced() -> Any:
        made = function(*map(wnp.asarray, arrays))
        every = [x for x in wl.tree.leaves(made) if isinstance(x, Tracer)]
        typed.extend(x.type for x in every if x.type.dtype == "f64" and not x.weak)
        return every

    trace(traced)
    return typed


def test_functions_of_floats_that_nobody_typed_give_such() -> None:
    rows = {"v": np.array([0.3, 0.5, 0.7, 0.9]), "m": np.eye(4) + 0.1, "s": 0.7, "i": np.arange(4)}
    tried = set()
    names = {f: n for space in SPACES for n in space.__all__ for f in [getattr(space, n)]}
    for function, name in names.items():
        if not inspect.isfunction(function) or name in OF_A_DTYPE:
            continue
        for given in ("v", "m", "s", "vv", "mv", "mm", "vvv", "vi", "mi"):
            try:
                typed = typed_results(function, [rows[k] for k in given])
            except Exception:
                continue
            assert not typed, (name, given)
            tried.add(name)
    assert len(tried) > 250


def test_functions_that_close_over_typed_floats_are_not_rounded() -> None:
    def f(x: Any, y: Any) -> Any:
        return (
            wnp.fromfunction(lambda i: y[i.astype(int)], (4,)) * x,
            wnp.apply_along_axis(lambda v: v * y, 0, x),
            wl.jit(lambda w: (w, w.astype(np.float64)))(wnp.asarray(TABLE))[1] * x,
        )

    for setting in ("f32", "f64"):
        with wl.disable_jit(), wl.default_dtype(setting):
            got = wl.jit(f)(X, TABLE + 1 / 3)
            np.testing.assert_allclose(got[0], X * (TABLE + 1 / 3), rtol=1e-15)
            with pytest.warns(wl.WideningWarning):
                assert [y.dtype.char for y in wl.jit(f)(X.astype("f"), TABLE)] == ["d"] * 3


def test_carries_and_results_that_nobody_typed_are_of_the_default_dtype() -> None:
    def f() -> Any:
        return (
            lax.while_loop(lambda c: c < 3, lambda c: c + 1.0, 0.0),
            lax.fori_loop(0, 3, lambda i, c: c * 0.5 + i, 1.0),
            lax.scan(lambda c, v: (c + v, c * 2), 0.0, wnp.linspace(0, 1, 3))[0],
            lax.cond(wnp.sum(TABLE) > -1, lambda: 1.0, lambda: 2.0),
            0.5,
            np.float64(0.5),
        )

    with wl.disable_jit():
        for name, dtype in (("f32", np.float32), ("f64", np.float64)):
            found = wl.jit(f, default_dtype=name)()
            assert [x.dtype for x in found] == [dtype] * 6
            np.testing.assert_allclose(found, (3, 2.625, 1.5, 1, 0.5, 0.5), rtol=1e-6)


def test_averages_of_halves_are_halves() -> None:
    for kind in (np.float16, wnp.bfloat16):
        found = trace(lambda x: np.average(x, weights=np.arange(4)), X.astype(kind)).graph
        assert found.outputs[0].type.numpy == kind


def test_numbers_are_of_the_default_dtype_in_functions_that_are_traced_at_once() -> None:
    with wl.default_dtype("f32"):
        assert (
            wl.special.erf(0.5).dtype == wl.jit(lambda: wl.special.erf(0.5))().dtype == np.float32
        )
        assert wl.special.erf(X).dtype == np.float64
