"""Complex arrays through NumPy's names: dtypes and values are NumPy's, traced and compiled."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import wonderland as wl
from wonderland import numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.optimise.parts import in_memory, parts
from wonderland.compiler.trace.trace import call, trace
from wonderland.compiler.transform.interpreter import interpret

RNG = np.random.default_rng(0)


def numbers(*shape: int, dtype: Any = np.complex64) -> np.ndarray:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


Z, W, M, N = numbers(7), numbers(7), numbers(4, 5), numbers(5, 3)
X = RNG.normal(size=7).astype(np.float32)
SPECIAL = np.array([0, 1j, complex("nan"), complex("inf"), complex("1-infj"), 3], np.complex64)


def agree(function: Any, *args: Any) -> None:
    """NumPy's result, traced and compiled: the same dtypes, and values to a few roundings."""
    with np.errstate(all="ignore"):
        want = function(*args)
    for got in (call(trace(function, *args), *args), wl.jit(function)(*args)):
        several = isinstance(want, (tuple, list))
        for w, g in zip(want if several else (want,), got if several else (got,), strict=True):
            w = np.asarray(w)
            assert (g.dtype, g.shape) == (w.dtype, w.shape)
            if w.dtype.kind in "fc":
                np.testing.assert_allclose(g, w, rtol=2e-6, atol=2e-6)
            else:
                np.testing.assert_array_equal(g, w)


UNARY = (
    "absolute angle arccos arccosh arcsin arcsinh arctan arctanh conj conjugate cos cosh exp exp2 "
    "expm1 imag iscomplex isfinite isinf isnan isreal log log10 log1p log2 negative positive "
    "real reciprocal rint round sign sin sinh sqrt square tan tanh logical_not nan_to_num"
)
BINARY = (
    "add subtract multiply divide power equal not_equal less less_equal greater greater_equal "
    "maximum minimum fmax fmin logical_and logical_or logical_xor"
)


@pytest.mark.parametrize("name", UNARY.split())
def test_functions_of_one_operand_are_those_of_numpy(name: str) -> None:
    agree(getattr(np, name), Z)
    agree(getattr(np, name), Z.astype(np.complex128))


BESIDE = np.array([
    at + 10.0**-k * turn
    for at in (0, 1, -1, 1j, -1j)
    for k in (1, 3, 5, 8, 9, 9.03, 12, 17)
    for turn in (1 + 1j, 1 - 1j, -2 + 1e-7j, 1e-7 - 1j)
])  # fmt: skip
"""Numbers beside branch points and zeros, on no cut."""
MEANINGS = {
    "arccos": mp.acos, "arccosh": mp.acosh, "arcsin": mp.asin, "arcsinh": mp.asinh,
    "arctan": mp.atan, "arctanh": mp.atanh, "expm1": mp.expm1, "log": mp.log, "sqrt": mp.sqrt,
    "log1p": lambda z: mp.log(1 + z), "tanh": mp.tanh, "tan": mp.tan,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", MEANINGS)
def test_functions_are_precise_beside_their_branch_points(name: str, dtype: Any) -> None:
    """Within 3 units of |result|, as kernels compute it by parts."""
    z: Any = BESIDE.astype(dtype)
    z = z[(z.real != 0) & (z.imag != 0)]
    (real,) = interpret(parts(trace(getattr(np, name), z).graph), in_memory(z))
    for x, found in zip(z, np.asarray(real).view(dtype).reshape(z.shape), strict=True):
        with mp.workdps(60):
            want = MEANINGS[name](mp.mpmathify(complex(x)))
            error = abs(mp.mpmathify(complex(found)) - want) / abs(want)
        assert error < 3 * np.finfo(dtype).eps, (x, found, want)


@pytest.mark.filterwarnings("ignore::wonderland.WideningWarning")
@pytest.mark.parametrize("name", BINARY.split())
def test_functions_of_two_operands_are_those_of_numpy(name: str) -> None:
    function = getattr(np, name)
    for x, y in ((Z, W), (Z, X), (X, W), (Z, Z), (Z, W.astype(np.complex128))):
        agree(function, x, y)
    agree(lambda z: function(z, 2.5), Z)
    agree(lambda z: function(0.5 - 1j, z), Z)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "isreal", "absolute"])
def test_what_is_no_number_is_told_as_in_numpy(name: str) -> None:
    agree(getattr(np, name), SPECIAL)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "less", "greater_equal"])
def test_the_order_of_complex_numbers_is_that_of_numpy(name: str) -> None:
    grid = np.array([a + 1j * b for a in (0, 1, np.nan) for b in (-1, 2, np.nan)], np.complex64)
    agree(getattr(np, name), *(g.ravel() for g in np.meshgrid(grid, grid)))


@pytest.mark.parametrize(
    "function",
    [
        lambda z: np.sum(z),
        lambda z: np.sum(z, 0),
        lambda z: np.prod(z, 1),
        lambda z: np.prod(z),
        lambda z: np.mean(z, 1),
        lambda z: np.var(z),
        lambda z: np.std(z, 0),
        lambda z: np.cumsum(z, 1),
        lambda z: np.cumprod(z, 0),
        lambda z: (np.any(z), np.all(z, 0), np.count_nonzero(z)),
        lambda z: np.linalg.norm(z, axis=1),
        lambda z: (z.real, z.imag, z.conj(), z.conjugate(), z.T, np.real(z), np.imag(z)),
        lambda z: np.where(np.abs(z) > 1, z, 0),
        lambda z: np.where(np.abs(z) > 1, z, 1j),
        lambda z: np.concatenate([z, 1j * z[::-1]], axis=1)[::2],
        lambda z: np.pad(z, ((1, 0), (0, 2)), constant_values=2 - 1j),
        lambda z: np.take(z, np.array([2, 0, 2]), axis=0),
        lambda z: z + np.full((4, 5), 1 + 2j, np.complex64),
        lambda z: (z.reshape(5, 4), np.broadcast_to(z[0], (3, 5)), np.transpose(z)),
        lambda z: np.stack([z[0, 0], z[1, 1] * 2j]),
        lambda z: z.astype(np.complex128),
        lambda z: (z.astype(bool), np.isclose(z, z + 1e-9), np.zeros_like(z) == 0),
        lambda z: z * np.arange(5, dtype=np.complex64) + np.eye(4, 5, dtype=np.complex64),
        lambda z: (z**2, z**3, z**7, z**-2, z**0.5, z**0, 2**z),
        lambda z: np.angle(z, deg=True),
        lambda z: np.sinc(z),
    ],
)
def test_what_makes_and_reduces_arrays_is_as_in_numpy(function: Any) -> None:
    agree(function, M)
    agree(function, M.astype(np.complex128))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a @ b,
        lambda a, b: np.dot(a, b[:, 0]),
        lambda a, b: np.vdot(a[0], b[:, 1]),
        lambda a, b: np.vecdot(a, b[:, 0]),
        lambda a, b: np.einsum("ij,jk->ki", a, b),
        lambda a, b: np.tensordot(a, b, 1),
        lambda a, b: np.outer(a[0], np.conj(b[0])),
        lambda a, b: np.inner(a, b.T),
        lambda a, b: (a @ b.real, a.real @ b, a.imag.T @ a),
        lambda a, b: np.kron(a[:2], b[:2]),
        lambda a, b: b[:, 0] @ np.conj(a).T,
        lambda a, b: np.einsum("ij,ij->j", a, np.conj(a)),
    ],
)
def test_products_are_those_of_numpy(function: Any) -> None:
    agree(function, M, N)
    agree(function, M.astype(np.complex128), N.astype(np.complex128))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 1j,
        lambda x: 2.5 * x + (1 + 0j),
        lambda x: np.exp(1j * x),
        lambda x: np.abs(np.exp(1j * x)),
        lambda x: x.astype(np.complex64) * 2,
        lambda x: np.angle(x),
        lambda x: (np.imag(x), np.conj(x), x.real, x.imag),
    ],
)
def test_real_arrays_beside_python_complex_numbers_promote_as_in_numpy(function: Any) -> None:
    for dtype in ("i2", "i8", "f2", "f4", "f8", "?"):
        try:
            function(X.astype(dtype))
        except TypeError:
            continue
        agree(function, X.astype(dtype))


def test_a_python_complex_argument_is_weak_as_a_float_is() -> None:
    for function in (lambda x, c: x * c, lambda x, c: x + np.real(c)):
        got = wl.jit(function)(X, 2 + 1j)
        assert got.dtype == np.asarray(function(X, 2 + 1j)).dtype
    assert trace(lambda c: c * 2, 1j).graph.outputs[0].dtype == "c128"


def test_an_argument_that_widens_complex_numbers_is_told() -> None:
    with pytest.warns(wl.WideningWarning, match=r"c64\[7\] becomes c128 because of .* c128\[7\]"):
        trace(lambda z, w: z * w, Z, Z.astype(np.complex128))
    assert trace(lambda z: z * np.complex128(2 + 1j), Z).graph.outputs[0].dtype == "c64"


def test_a_cast_to_reals_warns_as_numpys_does() -> None:
    with pytest.warns(np.exceptions.ComplexWarning, match="discards the imaginary part"):
        graph = trace(lambda z: z.astype(np.float32), Z).graph
    assert graph.outputs[0].dtype == "f32"
    with warnings.catch_warnings(action="error"):
        trace(lambda z: (z.astype(bool), z.astype(np.complex128)), Z)


def test_dtypes_of_objects_are_told_without_values() -> None:
    assert wl.jit(lambda z: np.iscomplexobj(z) and not np.isrealobj(z))(Z)
    assert wl.jit(lambda x: np.isrealobj(x) and not np.iscomplexobj(x))(X)
    assert wnp.complex64 is np.complex64 and wnp.complex128 is np.complex128


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: np.floor(z), "floor: ufunc 'floor' not supported for the input types"),
        (lambda z: np.arctan2(z, z), "arctan2: ufunc 'arctan2' not supported for the input types"),
        (lambda z: np.max(z), "max: one of i8, .*is required, got c64"),
        (lambda z: z % 2, "remainder: ufunc 'remainder' not supported for the input types"),
        (lambda z: wl.lax.complex(z, z), "complex: one of f32, f64 is required, got c64"),
        (lambda z: wl.lax.erf(z), "erf: one of f16, bf16, f32, f64 is required, got c64"),
    ],
)
def test_what_complex_numbers_have_not_is_refused(function: Any, message: str) -> None:
    with pytest.raises((ProgramError, TypeError), match=message):
        trace(function, Z)


def test_lax_makes_and_divides_complex_numbers() -> None:
    z = wl.lax.complex(X, 2 * X)
    np.testing.assert_array_equal(z, X + 2j * X)
    assert wl.lax.conj(X).dtype == np.complex64
    np.testing.assert_array_equal(wl.lax.real(z), X)
    np.testing.assert_array_equal(wl.lax.imag(z), 2 * X)
    np.testing.assert_allclose(wl.lax.rsqrt(Z), 1 / np.sqrt(Z), rtol=1e-6)
    np.testing.assert_allclose(wl.lax.logistic(Z), 1 / (1 + np.exp(-Z)), rtol=1e-5)


def test_normal_complex_numbers_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    theirs = jax.random.normal(jax.random.key(3), (5, 2), "complex64")
    np.testing.assert_allclose(
        wl.random.normal(wl.random.key(3), (5, 2), np.complex64), theirs, rtol=1e-5, atol=1e-6
    )


def test_dtypes_are_asked_of_traced_values_as_of_arrays() -> None:
    asked = []

    def function(z: Any, c: Any) -> Any:
        asked.append(np.result_type(z, np.float64))
        asked.append(np.result_type(c, np.float32))  # a Python number is weak
        asked.append(np.can_cast(z, np.complex128))
        asked.append(wnp.can_cast(z, np.float32))
        return z

    trace(function, Z, 1j)
    assert asked == [np.complex128, np.complex64, True, False]
    assert wnp.isdtype(np.complex64, "complex floating") and wnp.__array_api_version__
