"""scipy.linalg, scipy.signal and scipy.fft by their names: values are SciPy's, traced and not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.signal

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

ours = wl.scipy
rng = np.random.default_rng(0)
A, B = rng.normal(size=(4, 4)), rng.normal(size=(4, 3))
P, C, R = A @ A.T + 4 * np.eye(4), rng.normal(size=4), rng.normal(size=5)
LINE, SHORT = rng.normal(size=9), rng.normal(size=4)
IMAGE, PATCH = rng.normal(size=(6, 5)), rng.normal(size=(3, 4))
BLOCK, CUBE = rng.normal(size=(4, 5, 3)), rng.normal(size=(2, 2, 2))

Case = tuple[Callable[..., Any], tuple[np.ndarray, ...]]
LINALG: dict[str, Case] = {
    "cholesky": (lambda m, a: (m.cholesky(a), m.cholesky(a, lower=True)), (P,)),
    "eigh": (lambda m, a: (m.eigh(a)[0], abs(m.eigh(a)[1]), m.eigh(a, eigvals_only=True)), (P,)),
    "eigh of two": (
        lambda m, a, b: (m.eigh(a, b)[0], abs(m.eigh(a, b)[1]), m.eigh(a, b, eigvals_only=True)),
        (A + A.T, P),
    ),
    "qr": (
        lambda m, a: tuple(abs(m.qr(a, mode=k)[-1]) for k in ("full", "economic", "r")),
        (B,),
    ),
    "svd": (lambda m, a: (m.svd(a, compute_uv=False), m.svd(a)[1]), (B,)),
    "polar": (lambda m, a: (*m.polar(a), *m.polar(a, "left")), (B,)),
    "solve": (
        lambda m, a, p, b: (m.solve(a, b), m.solve(p, b, assume_a="pos")),
        (A, P, B),
    ),
    "solve transposed": (lambda m, a, b: m.solve(a, b, transposed=True), (A, C)),
    "lu": (lambda m, a: (*m.lu(a), *m.lu(a.T), *m.lu(a, permute_l=True)), (B,)),
    "lu_solve": (
        lambda m, a, b: tuple(m.lu_solve(m.lu_factor(a), b, trans=t) for t in (0, 1, 2)),
        (A, B),
    ),
    "solve_banded": (
        lambda m, a, b: (m.solve_banded((1, 2), a, b[0]), m.solve_banded((2, 1), a, b.T)),
        (np.vstack([B.T, C[None]]) + 3 * np.eye(4)[[1, 2, 3, 0]], B.T),
    ),
    "solve_sylvester": (lambda m, a, p, b: m.solve_sylvester(a, p[:3, :3], b), (A, P, B)),
    "solve_sylvester by eigenvectors": (
        lambda m, a, p, b: m.solve_sylvester(
            np.kron(p, a), np.kron(a, p), np.kron(p, b[:, :1] * a)
        ),
        (A, P, B),
    ),
    "sqrtm": (lambda m, a: m.sqrtm(a), (P,)),
    "funm": (lambda m, a: m.funm(a, np.exp), (A,)),
    "expm_frechet": (
        lambda m, a, e: (*m.expm_frechet(a, e), m.expm_frechet(a, e, compute_expm=False)),
        (A, P),
    ),
    "toeplitz": (lambda m, c, r: (m.toeplitz(c), m.toeplitz(c, r), m.toeplitz(c + 1j)), (C, R)),
    "hankel": (lambda m, c, r: (m.hankel(c), m.hankel(c, r)), (C, R)),
    "circulant": (lambda m, c: (m.circulant(c), m.companion(c), m.fiedler(c)), (C,)),
    "leslie": (lambda m, f, s: m.leslie(f, s), (R, C)),
    "convolution_matrix": (
        lambda m, a: tuple(
            m.convolution_matrix(a, n, mode)
            for n in (2, 4, 7)
            for mode in ("full", "same", "valid")
        ),
        (C,),
    ),
}
MODES = "full", "same", "valid"
SIGNAL: dict[str, Case] = {
    **{
        f"{name} of {x.ndim} axes": (
            lambda m, x, y, name=name: tuple(getattr(m, name)(x, y, mode) for mode in MODES),
            (x, y),
        )
        for name in ("convolve", "correlate", "fftconvolve")
        for x, y in ((LINE, SHORT), (IMAGE, PATCH), (BLOCK, CUBE))
    },
    "of complex numbers": (
        lambda m, x, y: (m.convolve(x + 1j * y, y), m.correlate(x, x + 1j * y)), (LINE, LINE[::-1]),
    ),
    "of a longer one": (lambda m, x, y: (m.convolve(y, x, "valid"), m.convolve(y, x, "same")),
                        (LINE, SHORT)),
    "of whole numbers": (lambda m, x, y: m.convolve(x, y), (np.arange(9), np.arange(3))),
    "of matrices": (
        lambda m, x, y: tuple(f(x, y, k) for f in (m.convolve2d, m.correlate2d) for k in MODES),
        (IMAGE, PATCH),
    ),
    "along an axis": (lambda m, x: m.fftconvolve(x, x[:, :3], axes=1), (IMAGE,)),
    "detrend": (
        lambda m, x: (m.detrend(x), m.detrend(x, axis=0), m.detrend(x, type="constant")), (IMAGE,),
    ),
}  # fmt: skip
FFT: dict[str, Case] = {
    **{
        f"{name} of {n}, {norm}": (
            lambda m, x, name=name, n=n, norm=norm: (
                getattr(m, name)(x, n=n, norm=norm), getattr(m, name)(x, n=n, norm=norm, axis=0),
            ),
            (IMAGE,),
        )
        for name in ("dct", "idct") for n in (None, 3, 8) for norm in (None, "ortho")
    },
    "of axes": (
        lambda m, x: (m.dctn(x), m.dctn(x, s=(4, 7, 3)), m.idctn(x, norm="ortho", axes=(0, 2))),
        (BLOCK,),
    ),
}  # fmt: skip
CASES = (
    [("linalg", n) for n in LINALG] + [("signal", n) for n in SIGNAL] + [("fft", n) for n in FFT]
)


@pytest.mark.parametrize(("room", "name"), CASES)
def test_values_are_those_of_scipy(room: str, name: str) -> None:
    function, arrays = {"linalg": LINALG, "signal": SIGNAL, "fft": FFT}[room][name]
    wants = function(getattr(scipy, room), *arrays)
    here = getattr(ours, room)
    traced = wl.jit(lambda *xs: function(here, *xs), disable_jit=True)
    for found in (function(here, *arrays), traced(*arrays)):
        several = isinstance(wants, tuple)
        for one, want in zip(*(x if several else (x,) for x in (found, wants)), strict=True):
            assert np.shape(one) == np.shape(want)
            assert one.dtype.kind == want.dtype.kind or name in ("sqrtm", "funm")
            np.testing.assert_allclose(one, want, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_matrices_of_a_size_are_those_of_scipy(n: int) -> None:
    for name in ("hilbert", "dft", "hadamard", "pascal"):
        want = getattr(scipy.linalg, name)(n)
        np.testing.assert_allclose(getattr(ours.linalg, name)(n), want, atol=1e-14, err_msg=name)
    for scale in ("sqrtn", "n"):
        want = scipy.linalg.dft(n, scale)
        np.testing.assert_allclose(ours.linalg.dft(n, scale), want, atol=1e-14)
    for kind in ("lower", "upper"):
        np.testing.assert_array_equal(ours.linalg.pascal(n, kind), scipy.linalg.pascal(n, kind))
    for full in (False, True) if n > 1 else ():
        want = scipy.linalg.helmert(n, full)
        np.testing.assert_allclose(ours.linalg.helmert(n, full), want, atol=1e-14)


def test_derivatives_reach_through_factors_and_transforms() -> None:
    def total(a: Any, c: Any) -> Any:
        packed = ours.linalg.lu_factor(a + ours.linalg.toeplitz(c))
        x = ours.linalg.lu_solve(packed, c)
        y = ours.signal.fftconvolve(x, c) + ours.signal.convolve(c, x)
        return np.sum(ours.fft.dct(y) ** 2)

    slopes = wl.grad(total, (0, 1))(P, C)
    for i, slope in enumerate(slopes):
        given = [P, C]
        step = rng.normal(size=given[i].shape)
        ends = []
        for h in (1e-6, -1e-6):
            moved = list(given)
            moved[i] = given[i] + h * step
            ends.append(total(*moved))
        np.testing.assert_allclose(np.sum(slope * step), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("copies", [1, 4])
def test_derivatives_of_sylvester_s_equations_are_those_of_differences(copies: int) -> None:
    a, b, q = (np.kron(np.eye(copies), x) for x in (A, P[:3, :3], B))
    a, b = a + np.diag(np.arange(4.0 * copies)), b + np.diag(np.arange(3.0 * copies))
    total = lambda *xs: np.sum(ours.linalg.solve_sylvester(*xs) ** 2)  # noqa: E731
    steps = tuple(rng.normal(size=x.shape) for x in (a, b, q))
    along = lambda *xs: wl.jvp(total, xs, steps)[1]  # noqa: E731
    for function in (total, along):
        moved = [[x + h * s for x, s in zip((a, b, q), steps, strict=True)] for h in (1e-6, -1e-6)]
        want = (function(*moved[0]) - function(*moved[1])) / 2e-6
        np.testing.assert_allclose(wl.jvp(function, (a, b, q), steps)[1], want, rtol=1e-6)
        slopes = wl.grad(function, (0, 1, 2))(a, b, q)
        found = sum(np.sum(g * s) for g, s in zip(slopes, steps, strict=True))
        np.testing.assert_allclose(found, want, rtol=1e-6)


def test_halves_keep_their_dtype() -> None:
    x = LINE.astype(np.float32)
    for found in (ours.signal.fftconvolve(x, x), ours.signal.convolve(x, x), ours.fft.dct(x),
                  ours.fft.idct(x, norm="ortho"), ours.signal.detrend(x)):  # fmt: skip
        assert found.dtype == np.float32


def test_what_is_not_there_says_so() -> None:
    with pytest.raises(ProgramError, match="qr: a mode among full, economic, r, and no pivoting"):
        ours.linalg.qr(A, pivoting=True)
    with pytest.raises(ProgramError, match=r"solve_sylvester: matrices \[m, m\], \[n, n\] and"):
        ours.linalg.solve_sylvester(A, A, B)
    with pytest.raises(ProgramError, match="solve_banded: 4 diagonals are required, got"):
        ours.linalg.solve_banded((1, 2), B.T, C)
    with pytest.raises(ProgramError, match="dct: real numbers, type=2 and a norm among"):
        ours.fft.dct(LINE, type=3)
    with pytest.raises(ProgramError, match="convolve2d: matrices, boundary='fill'"):
        ours.signal.convolve2d(IMAGE, PATCH, boundary="wrap")
    with pytest.raises(ProgramError, match="hadamard: a power of 2 is required, got 3"):
        ours.linalg.hadamard(3)
