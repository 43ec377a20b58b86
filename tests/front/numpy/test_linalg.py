"""numpy.linalg on traced arrays: NumPy's values, derivatives of two orders, conventions, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import wonderland as wl
import wonderland.numpy.linalg as wnl
from wonderland.compiler.fuse.emission import HostWork
from wonderland.compiler.pipeline import compile_graph

Function = Callable[..., Any]
L: Any = np.linalg
DTYPES = (np.float32, np.float64, np.complex64, np.complex128)
SHAPES = (
    (0, 0),
    (1, 1),
    (2, 2),
    (3, 3),
    (2, 5, 5),
    (16, 16),
    (17, 17),
    (64, 64),
    (2, 1, 3, 3),
    (0, 2, 2),
)
WIDE = ((4, 2), (2, 4), (2, 5, 3), (0, 3), (3, 0))


def drawn(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([*shape, seed])
    x = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def adjoint(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def regular(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Square matrices with condition numbers of about ten."""
    n = shape[-1]
    return (drawn(shape, dtype, seed) + 3 * np.sqrt(n + 1) * np.eye(n)).astype(dtype)


def definite(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    x = drawn(shape, dtype, seed)
    return (x @ adjoint(x) + shape[-1] * np.eye(shape[-1])).astype(dtype)


def traced(function: Function, *args: Any) -> Any:
    return wl.jit(function, disable_jit=True)(*args)


def close(got: Any, want: Any, ulps: float = 2e3) -> None:
    flat = [wl.tree.leaves(x) for x in (got, want)]
    assert len(flat[0]) == len(flat[1])
    for g, w in zip(*flat, strict=True):
        g, w = np.asarray(g), np.asarray(w)
        assert (g.dtype, g.shape) == (w.dtype, w.shape)
        eps = np.finfo(g.dtype).eps if g.dtype.kind in "fc" else 0
        largest = np.max(np.abs(w), initial=0, where=np.isfinite(w))
        np.testing.assert_allclose(g, w, ulps * eps, ulps * eps * largest)


SQUARE: dict[str, Function] = {
    "inv": L.inv,
    "det": L.det,
    "slogdet": L.slogdet,
    "solve": lambda x: L.solve(x, x[..., :1] + 1),
    "matrix_power": lambda x: (L.matrix_power(x, 3), L.matrix_power(x, -2)),
    "matrix_power 0": lambda x: L.matrix_power(x, 0),
}
HERMITIAN: dict[str, Function] = {
    "cholesky": lambda x: (L.cholesky(x), L.cholesky(x, upper=True)),
    "eigvalsh": lambda x: (L.eigvalsh(x), L.eigvalsh(x, "U")),
    "eigh": lambda x: L.eigh(x),
    "pinv": lambda x: L.pinv(x, hermitian=True),
    "matrix_rank": lambda x: L.matrix_rank(x, hermitian=True),
}
ANY: dict[str, Function] = {
    "qr": lambda x: (L.qr(x), L.qr(x, "complete"), L.qr(x, "r")),
    "svd": lambda x: (L.svd(x), L.svd(x, full_matrices=False), L.svd(x, compute_uv=False)),
    "pinv": lambda x: (L.pinv(x), L.pinv(x, 0.5), L.pinv(x, rtol=None)),
    "matrix_rank": lambda x: (L.matrix_rank(x), L.matrix_rank(x, 0.5), L.matrix_rank(x, rtol=0.9)),
    "svdvals": lambda x: L.svdvals(x),
}
CALLS = [
    *((name, f, regular, SHAPES) for name, f in SQUARE.items() if name != "det"),
    ("det", L.det, regular, [s for s in SHAPES if s[-1] < 64]),  # f32 holds no more
    *((name, f, definite, SHAPES) for name, f in HERMITIAN.items()),
    *((name, f, drawn, (*SHAPES, *WIDE)) for name, f in ANY.items()),
]


@pytest.mark.parametrize("name, function, draw, shapes", CALLS, ids=[c[0] for c in CALLS])
def test_functions_of_matrices_are_numpys(
    name: str, function: Function, draw: Function, shapes: Sequence[tuple[int, ...]]
) -> None:
    for shape, dtype in itertools.product(shapes, DTYPES):
        x = draw(shape, dtype)
        close(traced(function, x), function(x))


def test_eigenvalues_are_numpys_and_always_complex() -> None:
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        x = drawn(shape, dtype)
        w, v = L.eig(x)
        wide = np.result_type(dtype, np.complex64)
        close(traced(L.eig, x), (w.astype(wide), v.astype(wide)))
        close(traced(L.eigvals, x), L.eigvals(x).astype(wide))


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_all_orders_are_numpys(dtype: Any) -> None:
    vectors = None, 0, 1, 2, 3, -1, -2, 0.5, 2.5, np.inf, -np.inf
    matrices = None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf
    x = drawn((3, 4, 2), dtype)
    for keep in (False, True):
        for ord in vectors:
            for axis in (0, -1):
                f = lambda x, o=ord, a=axis: L.norm(x, o, a, keepdims=keep)  # noqa: E731, B023
                close(traced(f, x), f(x))
            f = lambda x, o=ord: L.vector_norm(x, axis=(0, 2), keepdims=keep, ord=o)  # noqa: E731, B023
            close(traced(f, x), f(x))
        for ord in matrices:
            for axes in ((0, 1), (2, 0), (-1, -2)):
                f = lambda x, o=ord, a=axes: L.norm(x, o, a, keepdims=keep)  # noqa: E731, B023
                close(traced(f, x), f(x))
            if ord is not None:
                f = lambda x, o=ord: L.matrix_norm(x, keepdims=keep, ord=o)  # noqa: E731, B023
                close(traced(f, x), f(x))
    y = regular((2, 3, 3), dtype)
    for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro"):
        close(traced(lambda y, p=p: L.cond(y, p), y), L.cond(y, p))


def test_equations_broadcast_as_numpys() -> None:
    a, b = regular((2, 3, 3)), drawn((4, 1, 3, 2))
    for x, y in ((a, b), (a, b[0, 0, :, 0]), (a[0], b), (a[0].astype(np.float32), b)):
        close(traced(L.solve, x, y), L.solve(x, y))
    for m, n in ((5, 3), (3, 5), (4, 4), (0, 3)):
        x, y = drawn((m, n)), drawn((m, 2))
        close(traced(L.lstsq, x, y), L.lstsq(x, y))
        got, want = traced(L.lstsq, x, y[:, 0]), L.lstsq(x, y[:, 0])
        close((got[0], got[2:]), (want[0], want[2:]))
    t = drawn((2, 3, 6))
    close(traced(lambda t: L.tensorinv(t), drawn((2, 3, 3, 2))), L.tensorinv(drawn((2, 3, 3, 2))))
    close(traced(lambda t: L.tensorsolve(t, t[:, :, 0]), t), L.tensorsolve(t, t[:, :, 0]))
    turned = np.moveaxis(t, 2, 0)
    call = lambda t: L.tensorsolve(t, t[0], axes=(0,))  # noqa: E731
    close(traced(call, turned), call(turned))
    for x, y in ((drawn((2, 3)), drawn((3,))), (drawn((2, 2)), drawn((4, 1, 2)))):
        call = (lambda x, y: np.cross(x, y)) if x.shape[-1] == 3 else _flat_cross
        close(traced(np.cross, x, y), call(x, y))
    x, y = drawn((3, 4)), drawn((3, 4), seed=1)
    close(traced(lambda x, y: L.cross(x, y, axis=0), x, y), L.cross(x, y, axis=0))
    close(traced(lambda x, y: np.cross(x, y, 0, 0, 0), x, y), np.cross(x, y, 0, 0, 0))


def _flat_cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]


def test_functions_of_scipys_are_its_own() -> None:
    for dtype in DTYPES:
        a, b = regular((70, 70), dtype) / 9, drawn((70, 3), dtype)
        for lower, trans, unit in itertools.product((False, True), (0, "T", 2), (False, True)):
            options = {"lower": lower, "trans": trans, "unit_diagonal": unit}
            got = traced(lambda a, b, o=options: wnl.solve_triangular(a, b, **o), a, b)
            close(got, scipy.linalg.solve_triangular(a, b, **options))
        p = definite((5, 5), dtype)
        for lower in (False, True):
            solve = lambda p, b, low=lower: wnl.cho_solve(wnl.cho_factor(p, low), b)  # noqa: E731
            close(traced(solve, p, b[:5]), L.solve(p, b[:5]))
        for scale in (0, 1e-3, 0.1, 1, 30):
            x = (scale * drawn((2, 4, 4), dtype)).astype(dtype)
            close(traced(wnl.expm, x), scipy.linalg.expm(x), 1e5)
            close(wnl.expm(x)[1], wnl.expm(x[1]), 0)
    blocks = drawn((2, 3)), drawn((2,)), drawn((1, 1))
    close(wnl.block_diag(*blocks), scipy.linalg.block_diag(*blocks))


def test_names_of_lax_take_its_arguments() -> None:
    x, b = regular((2, 4, 4)), drawn((2, 4, 3))
    lower = wl.lax.linalg.cholesky(x)
    close(lower, L.cholesky((x + adjoint(x)) / 2))
    for left, low, turn, unit in itertools.product((False, True), repeat=4):
        t = np.tril(x) if low else np.triu(x)
        np.einsum("...ii->...i", t)[...] = 1 if unit else np.einsum("...ii->...i", t)
        t = adjoint(t) if turn else t
        want = L.solve(t, b) if left else b.swapaxes(-1, -2) @ L.inv(t)
        given = b if left else b.swapaxes(-1, -2)
        options = {"left_side": left, "lower": low, "transpose_a": turn, "unit_diagonal": unit}
        close(wl.lax.linalg.triangular_solve(x, given, **options), want)
    v, w = wl.lax.linalg.eigh(x)
    close((w, v), tuple(L.eigh((x + adjoint(x)) / 2)))
    for shape, dtype in itertools.product(((2, 5, 3), (3, 5), (66, 70), (4, 0)), DTYPES):
        x = drawn(shape, dtype)
        factors, pivots, order = wl.lax.linalg.lu(x)
        k = min(shape[-2:])
        left = np.tril(factors[..., :k], -1) + np.eye(shape[-2], k, dtype=dtype)
        close(left @ np.triu(factors[..., :k, :]), np.take_along_axis(x, order[..., None], -2))
        assert np.all(abs(left) <= 1 + 1e-6)
        again = wl.lax.linalg.lu_pivots_to_permutation(pivots, shape[-2])
        np.testing.assert_array_equal(again, order)
    close(wl.lax.linalg.svd(x, compute_uv=False), L.svd(x, compute_uv=False))
    close(wl.lax.linalg.qr(x, full_matrices=False), tuple(L.qr(x)))


def test_integers_are_taken_as_f64_and_halves_as_f32() -> None:
    whole = np.array([[2, 1], [1, 3]])
    for f in (L.inv, L.det, L.cholesky, L.eigvalsh, L.pinv, L.cond, L.slogdet, L.norm):
        close(traced(f, whole), f(whole))
    half = whole.astype(np.float16)
    got = traced(lambda x: (L.inv(x), L.solve(x, x[:, 0]), L.matrix_rank(x)), half)
    assert [x.dtype.str[1:] for x in got] == ["f2", "f2", "i8"]
    close(got[0], L.inv(whole).astype(np.float16), 1)


# ---------------------------------------------------------------- derivatives


def squared(x: Any) -> Any:
    """Hermitian and positive definite."""
    return x @ adjoint(x) + 2 * np.eye(x.shape[-1])


SMOOTH: dict[str, tuple[Function, tuple[np.ndarray, ...]]] = {
    "cholesky": (lambda x: L.cholesky(squared(x)), (drawn((3, 3)),)),
    "cholesky complex": (lambda x: L.cholesky(squared(x), upper=True), (drawn((2, 2), complex),)),
    "solve": (L.solve, (regular((2, 3, 3)), drawn((3, 2)))),
    "solve complex": (L.solve, (regular((3, 3), complex), drawn((3,), complex))),
    "inv": (L.inv, (regular((3, 3)),)),
    "det 2": (L.det, (drawn((2, 2)),)),
    "det 4": (L.det, (drawn((4, 4)),)),
    "slogdet": (lambda x: L.slogdet(x)[1], (drawn((4, 4)),)),
    "slogdet complex": (L.slogdet, (regular((2, 2), complex),)),
    "qr tall": (L.qr, (drawn((4, 2)),)),
    "qr wide": (L.qr, (drawn((2, 4)),)),
    "qr complex": (L.qr, (drawn((3, 3), complex),)),
    "eigh": (lambda x: L.eigh(x + adjoint(x)), (drawn((3, 3)),)),
    "eigvalsh complex": (lambda x: L.eigvalsh(x + adjoint(x)), (drawn((3, 3), complex),)),
    "projector": (lambda x: spectral(x + adjoint(x)), (drawn((3, 3), complex),)),
    "eigvals": (lambda x: L.eigvals(x), (drawn((3, 3), seed=3),)),
    "svd": (lambda x: L.svd(x, full_matrices=False), (drawn((3, 2)),)),
    "svd whole": (lambda x: whole(x), (drawn((2, 3), complex),)),
    "svdvals": (L.svdvals, (drawn((2, 3)),)),
    "pinv": (L.pinv, (drawn((3, 2)),)),
    "lstsq": (lambda a, b: L.lstsq(a, b)[0], (drawn((4, 2)), drawn((4,)))),
    "nuclear": (lambda x: L.norm(x, "nuc"), (drawn((3, 2)),)),
    "spectral": (lambda x: L.norm(x, 2), (drawn((3, 2)),)),
    "vector 3": (lambda x: L.vector_norm(x, ord=3), (drawn((4,)),)),
    "cond": (L.cond, (drawn((3, 3)),)),
    "matrix_power": (lambda x: L.matrix_power(x, -2), (regular((2, 2)),)),
    "cross": (np.cross, (drawn((2, 3)), drawn((3,)))),
}


def spectral(x: Any) -> Any:
    """What does not depend on the phases of eigenvectors."""
    w, v = L.eigh(x)
    return (v * np.exp(w / 4)[None]) @ adjoint(v) + v[:, :1] @ adjoint(v[:, :1])


def whole(x: Any) -> Any:
    u, s, vh = L.svd(x, full_matrices=False)
    return (u * np.tanh(s)) @ vh


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_those_of_numpys_functions(name: str) -> None:
    function, args = SMOOTH[name]
    wl.testing.check_gradients(function, *args, order=2, rtol=3e-6)


TRACED_ALONE: dict[str, tuple[Function, tuple[np.ndarray, ...]]] = {
    "expm": (wnl.expm, (drawn((3, 3)),)),
    "expm complex": (wnl.expm, (drawn((2, 2), complex),)),
    "solve_triangular": (
        lambda a, b: wnl.solve_triangular(a, b, trans="C"),
        (regular((3, 3), complex), drawn((3, 2), complex)),
    ),
    "lu": (lambda x: wl.lax.linalg.lu(x)[0], (drawn((2, 3)),)),
    "cho_solve": (
        lambda a, b: wnl.cho_solve(wnl.cho_factor(squared(a)), b),
        (drawn((2, 2)), drawn((2,))),
    ),
}


@pytest.mark.parametrize("name", TRACED_ALONE)
def test_derivatives_of_functions_that_numpy_has_not(name: str) -> None:
    function, args = TRACED_ALONE[name]
    wl.testing.check_gradients(function, *args, order=2, rtol=3e-6)


def test_forward_and_reverse_mode_agree_to_rounding() -> None:
    for name in ("cholesky", "solve", "inv", "det 4", "qr tall", "eigh", "svd", "pinv"):
        function, args = SMOOTH[name]
        forward = wl.tree.leaves(wl.jacfwd(function)(*args))
        for f, r in zip(forward, wl.tree.leaves(wl.jacrev(function)(*args)), strict=True):
            np.testing.assert_allclose(f, r, 1e-12, 1e-12 * np.max(np.abs(f)), err_msg=name)


def test_gradients_with_respect_to_hermitian_matrices_are_hermitian() -> None:
    a = definite((3, 3), complex)
    for f in (
        lambda a: np.sum(np.log(np.real(np.diagonal(L.cholesky(a))))) * 2,
        lambda a: np.sum(np.log(L.eigvalsh(a))),
        lambda a: L.slogdet(a)[1],
    ):
        np.testing.assert_allclose(wl.grad(f)(a), np.conj(L.inv(a)), 1e-12, 1e-15)
    below = np.tril(a)
    np.testing.assert_allclose(traced(L.cholesky, below), L.cholesky(a), rtol=1e-14)


# ---------------------------------------------------------------- conventions


def test_matrices_without_a_result_have_nan_and_the_others_theirs() -> None:
    good = definite((3, 3))
    bad = {
        "singular": np.ones((3, 3)),
        "nan": np.full((3, 3), np.nan),
        "inf": np.diag([1.0, np.inf, 1.0]),
        "indefinite": -np.eye(3),
    }
    functions = {
        "inv": (L.inv, "singular nan inf"),
        "solve": (lambda x: L.solve(x, good), "singular nan inf"),
        "cholesky": (L.cholesky, "indefinite nan inf"),
        "eigvalsh": (L.eigvalsh, "nan inf"),
        "eigh": (lambda x: L.eigh(x)[1], "nan inf"),
        "eig": (lambda x: L.eig(x)[1].real, "nan inf"),
        "svd": (L.svdvals, "nan inf"),
        "qr": (lambda x: L.qr(x)[1], "nan inf"),
        "pinv": (L.pinv, "nan inf"),
        "expm": (wnl.expm, "nan inf"),
    }
    for name, (f, kinds) in functions.items():
        for kind in kinds.split():
            stack = np.stack([good, bad[kind], good])
            got = wl.jit(wl.vmap(f), disable_jit=True)(stack)
            assert np.isnan(got[1]).all(), (name, kind)
            np.testing.assert_array_equal(got[0], traced(f, good), err_msg=name)
            np.testing.assert_array_equal(got[2], got[0])
    halves = np.stack([good, good - np.diag([0, good[1, 1], 0])])
    got = traced(wnl.solve_triangular, halves, halves)
    assert np.isnan(got[1]).all() and np.isfinite(got[0]).all()
    singular = bad["singular"]
    sign, log = traced(L.slogdet, np.stack([singular, good]))
    assert (sign[0], log[0]) == (0, -np.inf) and sign[1] == 1
    assert traced(L.cond, np.zeros((2, 2))) == np.inf


def test_the_gradient_of_a_determinant_is_finite_at_singular_matrices() -> None:
    for n in (1, 2, 3, 4, 6):
        rank = np.outer(np.arange(1.0, n + 1), np.ones(n)) + np.diag([*np.arange(1.0, n), 0.0])
        rank[-1] = rank[:-1].sum(0)
        cofactors = np.array([
            [(-1) ** (i + j) * L.det(np.delete(np.delete(rank, i, 0), j, 1)) for j in range(n)]
            for i in range(n)
        ])  # fmt: skip
        np.testing.assert_allclose(
            wl.grad(L.det)(rank), cofactors, 1e-10, 1e-10 * abs(cofactors).max()
        )
    assert not wl.grad(L.det)(np.zeros((5, 5))).any()


def test_equal_eigenvalues_and_singular_values() -> None:
    one = np.eye(3)
    np.testing.assert_allclose(wl.grad(lambda x: np.sum(L.eigvalsh(x)))(one), one, atol=1e-12)
    assert not np.isfinite(wl.grad(lambda x: np.sum(L.eigh(x)[1][0]))(one)).all()
    assert not np.isfinite(wl.grad(lambda x: np.sum(L.svd(x)[0]))(one)).all()
    np.testing.assert_allclose(wl.grad(lambda x: L.norm(x, "nuc"))(one), one, atol=1e-12)


def test_the_derivative_of_norms_at_zero_is_zero() -> None:
    zero = np.zeros(3)
    for order in (None, 2, 3, 1, np.inf):
        assert not wl.grad(lambda x, o=order: L.norm(x, o))(zero).any(), order
    assert not wl.grad(lambda x: L.norm(x, "fro"))(np.zeros((2, 2))).any()


def test_the_derivative_of_a_pseudo_inverse_is_that_of_one_rank() -> None:
    u, v, move = drawn((4, 2)), drawn((2, 3)), drawn((4, 2), seed=2)
    f = lambda u: L.pinv(u @ v, 1e-8)  # noqa: E731
    _, slope = wl.jvp(f, (u,), (move,))
    differences = (f(u + 1e-6 * move) - f(u - 1e-6 * move)) / 2e-6
    np.testing.assert_allclose(slope, differences, 1e-6, 1e-6)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: L.cholesky(x), "cholesky: square matrices are required, got f64[2, 3]"),
        (lambda x: L.inv(x[0]), "inv: square matrices are required, got f64[3]"),
        (lambda x: L.eigvalsh(x), "eigvalsh: square matrices are required, got f64[2, 3]"),
        (lambda x: L.eigh(x @ x.T, "X"), "eigh: UPLO 'L' or 'U' is required, got 'X'"),
        (lambda x: L.svd(x[0]), "svd: matrices are required, got f64[3]"),
        (lambda x: L.qr(x, "raw"), "qr: a mode of reduced, complete or r is required, got 'raw'"),
        (lambda x: L.solve(x @ x.T, x[0]), "solve: a right side of 2 rows is required, got f64[2"),
        (lambda x: L.norm(x, "no"), "norm: an order of matrices is required"),
        (lambda x: L.norm(x[0], "fro"), "norm: an order that is a number is required of vectors"),
        (lambda x: L.norm(x[None], 2), "norm: one axis or two are required, got 3 of f64[1, 2, 3]"),
        (lambda x: L.pinv(x, 0.1, rtol=0.1), "pinv: one of rcond and rtol is required, got both"),
        (lambda x: L.lstsq(x, x.T), "lstsq: a matrix and a right side are required, got f64[2, 3]"),
        (lambda x: L.tensorinv(x), "tensorinv: as many elements before axis 2 are required"),
        (lambda x: L.tensorsolve(x, x), "tensorsolve: a right side of its first axes is required"),
        (lambda x: np.cross(x, x[:, :1]), "cross: vectors of 2 or 3 are required, got f64[2, 3]"),
        (lambda x: L.cross(x[:, :2], x), "cross: vectors of 3 are required along -1, got f64"),
        (lambda x: wnl.expm(x), "expm: square matrices are required, got f64[2, 3]"),
        (lambda x: L.matrix_power(x, 2), "matrix_power: square matrices are required"),
        (lambda x: L.matrix_norm(x[0]), "matrix_norm: matrices are required, got f64[3]"),
        (lambda x: L.cond(x[:, :0]), "cond: matrices with elements are required, got f64[2, 0]"),
        (lambda x: wnl.solve_triangular(x @ x.T, x, trans=3), "solve_triangular: trans 0, 1 or 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call: Function, message: str) -> None:
    with pytest.raises(wl.ProgramError) as caught:
        traced(call, drawn((2, 3)))
    assert message in str(caught.value) and "test_linalg.py" in str(caught.value)


# ---------------------------------------------------------------- compiled


def test_programs_run_lapack_between_kernels_in_loops_and_branches() -> None:
    def step(h: Any, x: Any) -> Any:
        lower = L.cholesky(squared(x))
        h = np.tanh(L.solve(lower, h) + wnl.solve_triangular(lower, h, lower=True))
        return h, L.slogdet(x)[1]

    @wl.checkpoint
    def loss(h: Any, xs: Any) -> Any:
        last, logs = wl.lax.scan(step, h, xs)
        return np.sum(last) + np.sum(logs) + wl.lax.cond(last[0] > 0, L.norm, L.norm, last)

    h, xs = drawn((3,)), regular((4, 3, 3))
    compiled, interpreted = wl.jit(wl.value_and_grad(loss, 1)), wl.value_and_grad(loss, 1)
    close(compiled(h, xs), interpreted(h, xs))
    works = compile_graph(wl.trace(lambda x: np.exp(L.inv(x * 2)), xs).graph).plan.schedule.works
    assert sum(isinstance(w, HostWork) for _, w in works) == 1
    batched = wl.vmap(wl.grad(loss, 1), (None, 0))
    stack = np.stack([xs, 2 * xs])
    close(wl.jit(batched)(h, stack), np.stack([interpreted(h, x)[1] for x in stack]))


def test_complex_matrices_reach_lapack_whole() -> None:
    x = regular((2, 3, 3), np.complex64)
    f = lambda x: (L.inv(x), L.eigh(x + adjoint(x))[0], L.eigvals(x.real), L.det(x))  # noqa: E731
    close(wl.jit(f)(x), traced(f, x), 50)


def test_right_sides_of_one_matrix_are_solved_together() -> None:
    a, b = regular((3, 3)), drawn((5, 3))
    text = str(wl.trace(wl.vmap(L.solve, (None, 0)), a, b).graph)
    assert "solve(" in text and "f64[3, 5]" in text and "broadcast" not in text
    close(wl.vmap(L.solve, (None, 0))(a, b), L.solve(a, b.T).T)


@pytest.mark.parametrize("rank", [4, 3, 2, 1, 0])
def test_the_hessian_of_a_determinant_is_that_of_its_minors(rank: int) -> None:
    rng = np.random.default_rng(rank)
    a = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    want = np.zeros((4,) * 4)
    for i, j, k, m in np.ndindex(*want.shape):
        if i != k and j != m:
            left = np.delete(np.delete(a, [i, k], 0), [j, m], 1)
            sign = (-1) ** (i + j + k + m) * (1 if (i < k) == (j < m) else -1)
            want[i, j, k, m] = sign * np.linalg.det(left)
    for twice in (wl.hessian(L.det), wl.jacfwd(wl.jacfwd(L.det)), wl.jacrev(wl.jacrev(L.det))):
        np.testing.assert_allclose(wl.jit(twice)(a), want, 1e-11, 1e-11)
