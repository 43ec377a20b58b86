"""Every function of wonderland.numpy, traced and interpreted, gives what NumPy gives: values, dtype
and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.compiler.front.numpy as wnp
from tests.front.numpy.calls import MAKERS
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.trace import call, trace
from wonderland.compiler.trace.tracer import FUNCTIONS

RNG = np.random.default_rng(0)


def real(*shape: int, dtype: Any = np.float64, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(dtype)


def whole(*shape: int, dtype: Any = np.int32, low: int = -4, high: int = 5) -> np.ndarray:
    return RNG.integers(low, high, shape).astype(dtype)


def mask(*shape: int) -> np.ndarray:
    return RNG.random(shape) < 0.5


def assert_agrees(function: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> None:
    """`function` of the arrays themselves, and traced."""
    with np.errstate(all="ignore"):
        expected = function(*args)
    got = call(trace(function, *args), *args)
    wanted = [
        np.asarray(x) for x in (expected if isinstance(expected, (tuple, list)) else [expected])
    ]
    found = tree.leaves(got)
    assert len(found) == len(wanted)
    for w, g in zip(wanted, found, strict=True):
        assert (g.dtype, g.shape) == (w.dtype, w.shape), (
            f"{g.dtype}{g.shape}, NumPy gives {w.dtype}{w.shape}"
        )
        np.testing.assert_allclose(
            g,
            w,
            rtol=1e-5 if w.dtype == np.float32 else rtol,
            atol=1e-6 if w.dtype == np.float32 else 1e-13,
        )


SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 700.0, -700.0, np.inf, -np.inf, np.nan, 1e-300]
)
EDGES = np.array([0.0, -0.0, 1e-10, 0.3, -0.3, 0.99])
ANY, POSITIVE, UNIT = (-3.0, 3.0), (1.0, 9.0), (-0.9, 0.9)

UNARY = {
    ANY: (
        "negative positive absolute fabs sign floor ceil trunc rint fix exp expm1 exp2 tanh "
        "sinh cosh sin cos tan cbrt square reciprocal isnan isinf isfinite signbit deg2rad "
        "rad2deg radians degrees arcsinh arctan conjugate conj abs sinc nan_to_num real copy "
        "isreal logical_not "
    ),
    POSITIVE: "log log2 log10 log1p sqrt arccosh",
    UNIT: "arctanh arcsin arccos",
}
BINARY = (
    "add subtract multiply divide true_divide maximum minimum fmax fmin floor_divide "
    "remainder mod fmod divmod equal not_equal less less_equal greater greater_equal "
    "logical_and logical_or logical_xor copysign nextafter arctan2 heaviside hypot logaddexp "
    "logaddexp2 isclose "
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize(
    ("name", "interval"), [(n, i) for i, names in UNARY.items() for n in names.split()]
)
def test_functions_of_one_operand(name: str, interval: tuple[float, float], dtype: Any) -> None:
    x = real(3, 4, low=interval[0], high=interval[1]).astype(dtype)
    if name == "reciprocal":
        x = np.abs(x) + dtype(1)
    if name == "arctanh" and dtype == np.int32:
        x = x * 0
    assert_agrees(getattr(np, name), x)


@pytest.mark.parametrize("name", [n for names in UNARY.values() for n in names.split()])
def test_functions_of_one_operand_at_special_values(name: str) -> None:
    assert_agrees(
        getattr(np, name),
        EDGES if name == "sinc" else SPECIAL,
        rtol=1e-11,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("name", BINARY.split())
def test_functions_of_two_operands(name: str, dtype: Any) -> None:
    x, y = real(3, 4).astype(dtype), real(4).astype(dtype)
    y[y == 0] = 2
    assert_agrees(getattr(np, name), x, y)


@pytest.mark.parametrize("name", BINARY.split())
def test_functions_of_two_operands_at_special_values(name: str) -> None:
    special = SPECIAL[[0, 1, 2, 3, 5, 8, 9, 10]]
    if name in ("floor_divide", "remainder", "mod", "fmod", "divmod"):
        special = special[2:5]
    assert_agrees(getattr(np, name), special[:, None], special)


@pytest.mark.parametrize(
    "name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"]
)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_bits(name: str, dtype: Any) -> None:
    low = 0 if "shift" in name or dtype == np.uint32 else -9
    assert_agrees(
        getattr(np, name),
        whole(3, 4, dtype=dtype, low=low, high=99),
        whole(4, dtype=dtype, low=low, high=40),
    )
    assert_agrees(
        lambda x: getattr(np, name)(x, 3), whole(3, 4, dtype=dtype, low=max(low, -9), high=99)
    )


BOOLEANS = (
    "add multiply maximum minimum fmax fmin equal not_equal less less_equal greater "
    "greater_equal logical_and logical_xor bitwise_or "
)


@pytest.mark.parametrize("name", BOOLEANS.split())
def test_booleans(name: str) -> None:
    assert_agrees(getattr(np, name), mask(4, 4), mask(4))


X, V, B = real(3, 4), real(4), real(2, 3, 4)
N, M = whole(3, 4), mask(3, 4)
S, T4 = real(4, 4, low=0.5), real(2, 3, 4, 5)

CHOICES: Any = [X, X + 1, 0.0]  # a scalar among arrays, which NumPy takes and its stubs do not
CALLS: dict[str, tuple[Callable[..., Any], ...]] = {
    "invert": (
        lambda: np.invert(M),
        lambda: ~N,
        lambda: np.bitwise_not(N),
        lambda: np.bitwise_invert(N),
    ),
    "power": (
        lambda: S**2.5,
        lambda: X**2,
        lambda: X**3,
        lambda: N**2,
        lambda: 2.0**X,
        lambda: S**0.5,
        lambda: X**-1,
        lambda: X**0,
        lambda: X**4,
        lambda: np.power(S, V),
    ),
    "float_power": (
        lambda: np.float_power(S, 2),
        lambda: np.float_power(S.astype("f4"), V.astype("f4")),
    ),
    "round": (
        lambda: np.round(X, 2),
        lambda: np.round(N),
        lambda: np.around(X),
        lambda: X.round(1),
        lambda: np.round(X * 100, -1),
    ),
    "where": (
        lambda: np.where(M, X, 0.0),
        lambda: np.where(N, X, V),
        lambda: np.where(M, N, 1.5),
        lambda: np.where(M, 1, 2) * X,
    ),
    "select": (lambda: np.select([X < 0, X > 1], [X, X * 2], 7.0),),
    "clip": (
        lambda: np.clip(X, -1, 1),
        lambda: X.clip(None, 0.5),
        lambda: np.clip(N, 0, 2),
        lambda: X.clip(min=0),
        lambda: np.clip(X, V, V + 1),
    ),
    "astype": (
        lambda: X.astype(np.float32),
        lambda: X.astype(np.int32),
        lambda: N.astype(bool),
        lambda: M.astype(float),
        lambda: np.astype(X, np.int64),
    ),
    "sum": (
        lambda: np.sum(X),
        lambda: X.sum(0),
        lambda: X.sum(axis=(0, 1), keepdims=True),
        lambda: N.sum(-1),
        lambda: M.sum(),
        lambda: X.sum(dtype=np.float32),
        lambda: np.sum(X, where=M),
        lambda: np.sum(X, 0, initial=2.0),
        lambda: np.add.reduce(X),
        lambda: np.add.reduce(X, 1),
        lambda: np.sum(X, axis=()),
    ),
    "prod": (lambda: np.prod(X, 1), lambda: N.prod(), lambda: np.multiply.reduce(X, axis=1)),
    "max": (
        lambda: X.max(),
        lambda: np.max(X, axis=0, keepdims=True),
        lambda: np.amax(N, 1),
        lambda: M.max(0),
        lambda: np.maximum.reduce(X),
        lambda: np.max(X, initial=9.0),
        lambda: np.max(X, initial=-9.0, where=M),
    ),
    "min": (
        lambda: X.min(),
        lambda: np.min(X, axis=-1),
        lambda: np.amin(N),
        lambda: M.min(),
        lambda: np.minimum.reduce(N),
    ),
    "any": (
        lambda: np.any(M),
        lambda: M.any(0),
        lambda: np.any(N, axis=1, keepdims=True),
        lambda: np.logical_or.reduce(M),
    ),
    "all": (
        lambda: np.all(M),
        lambda: M.all(0),
        lambda: np.all(X),
        lambda: np.logical_and.reduce(M),
    ),
    "mean": (
        lambda: X.mean(),
        lambda: np.mean(X, 0),
        lambda: np.mean(B, axis=(0, 2), keepdims=True),
        lambda: N.mean(1),
        lambda: M.mean(),
        lambda: np.mean(X.astype("f4")),
        lambda: np.mean(X, dtype=np.float32),
        lambda: np.mean(X, where=M),
    ),
    "average": (
        lambda: np.average(X),
        lambda: np.average(X, 1),
        lambda: np.average(X, axis=1, weights=S[0]),
        lambda: np.average(X, weights=X * X),
    ),
    "var": (
        lambda: X.var(),
        lambda: np.var(X, 0, ddof=1),
        lambda: np.var(N, axis=1, keepdims=True),
        lambda: np.var(X.astype("f4")),
    ),
    "std": (lambda: X.std(), lambda: np.std(X, 1, ddof=1)),
    "argmax": (
        lambda: X.argmax(),
        lambda: np.argmax(X, 0),
        lambda: np.argmax(N, 1, keepdims=True),
        lambda: np.argmax(M, 1),
    ),
    "argmin": (lambda: X.argmin(), lambda: np.argmin(B, -1), lambda: np.argmin(B, keepdims=True)),
    "count_nonzero": (lambda: np.count_nonzero(N), lambda: np.count_nonzero(M, axis=0)),
    "ptp": (lambda: np.ptp(X, 1),),
    "allclose": (lambda: np.allclose(X, X + 1e-12), lambda: np.allclose(X, V)),
    "array_equal": (lambda: np.array_equal(X, X), lambda: np.array_equal(X, V)),
    "nansum": (
        lambda: np.nansum(X),
        lambda: np.nanprod(X, 0),
        lambda: np.nanmax(X, 1),
        lambda: np.nanmin(X),
    ),
    "matmul": (
        lambda: X @ V,
        lambda: X @ X.T,
        lambda: B @ V,
        lambda: V @ X.T,
        lambda: X @ B.swapaxes(1, 2),
        lambda: B @ X.T,
        lambda: np.matmul(B[:, None], T4),
        lambda: V @ V,
        lambda: N @ N.T,
        lambda: V @ B.mT,
        lambda: B[:1] @ B.mT,
        lambda: M @ M.T,
    ),
    "dot": (
        lambda: np.dot(X, V),
        lambda: X.dot(X.T),
        lambda: np.dot(V, V),
        lambda: np.dot(X, 2.0),
        lambda: np.dot(B, B.mT),
    ),
    "vdot": (
        lambda: np.vdot(X, X),
        lambda: np.vecdot(B, X),
        lambda: np.inner(X, B),
        lambda: np.inner(V, V),
        lambda: np.outer(V, X),
        lambda: np.kron(X, S),
    ),
    "convolve": (
        lambda: np.convolve(V, X[0]),
        lambda: np.convolve(X[0, :2], V, "same"),
        lambda: np.convolve(N[0], N[1, :1], "valid"),
        lambda: np.convolve(M[0], M[1]),
        lambda: np.convolve(V, 2.0),  # pyright: ignore[reportCallIssue, reportArgumentType]
        lambda: np.correlate(V, X[0]),
        lambda: np.correlate(X[0, :2], V, "same"),
        lambda: np.correlate(V * (1 + 2j), X[0] * 1j, "full"),
        lambda: np.correlate(V, X[0, :2], 2),  # pyright: ignore[reportCallIssue, reportArgumentType]
    ),
    "tensordot": (
        lambda: np.tensordot(X, X, 2),
        lambda: np.tensordot(B, X, ((2,), (1,))),
        lambda: np.tensordot(B, X, (-1, -1)),
        lambda: np.tensordot(V, V, 0),
    ),
    "trace": (lambda: np.trace(S), lambda: S.trace(1), lambda: np.trace(B, axis1=1, axis2=2)),
    "diag": (
        lambda: np.diag(S),
        lambda: np.diag(X, 1),
        lambda: np.diag(X, -1),
        lambda: np.diag(V),
        lambda: np.diag(V, 2),
        lambda: np.diag(V, -1),
        lambda: B.diagonal(0, 1, 2),
    ),
    "stack": (
        lambda: np.stack([X, X * 2]),
        lambda: np.stack([V, V], axis=-1),
        lambda: np.stack([V, N[0]], 1),
    ),
    "concatenate": (
        lambda: np.concatenate([X, S]),
        lambda: np.concatenate((X, X), axis=-1),
        lambda: np.concatenate([X, N]),
        lambda: np.concatenate([X, V], axis=None),
        lambda: np.append(X, X, 0),
    ),
    "vstack": (
        lambda: np.vstack([X, V]),
        lambda: np.hstack([X, X]),
        lambda: np.hstack([V, V]),
        lambda: np.dstack([X, X]),
        lambda: np.column_stack([V, S]),
        lambda: np.dstack([V, V]),
    ),
    "split": (
        lambda: np.split(X, 2, 1),
        lambda: np.split(V, [1, 3]),
        lambda: np.array_split(V, 3),
        lambda: np.hsplit(X, 2),
        lambda: np.vsplit(S, 2),
        lambda: np.unstack(X),
    ),
    "squeeze": (
        lambda: np.squeeze(X[:, None]),
        lambda: X[None].squeeze(0),
        lambda: np.expand_dims(X, (0, 2)),
        lambda: np.expand_dims(X, -1),
        lambda: np.atleast_1d(X.sum()),
        lambda: np.atleast_2d(V),
        lambda: np.atleast_3d(X),
        lambda: np.atleast_3d(V),
    ),
    "reshape": (
        lambda: X.reshape(4, 3),
        lambda: X.reshape((2, -1)),
        lambda: np.reshape(B, (-1, 4)),
        lambda: X.ravel(),
        lambda: X.flatten(),
        lambda: X.reshape(-1),
        lambda: np.ravel(B),
    ),
    "transpose": (
        lambda: X.T,
        lambda: B.transpose(2, 0, 1),
        lambda: np.transpose(B, (1, 0, 2)),
        lambda: B.mT,
        lambda: B.transpose((0, 2, 1)),
        lambda: np.swapaxes(B, 0, -1),
        lambda: np.moveaxis(B, 0, -1),
        lambda: np.moveaxis(B, (0, 1), (2, 0)),
        lambda: np.rollaxis(B, 2),
        lambda: np.matrix_transpose(X),
        lambda: np.permute_dims(X),
    ),
    "flip": (
        lambda: np.flip(X),
        lambda: np.flip(B, 1),
        lambda: np.flipud(X),
        lambda: np.fliplr(X),
        lambda: np.roll(X, 1),
        lambda: np.roll(X, -1, 1),
        lambda: np.roll(X, (1, 2), (0, 1)),
        lambda: np.rot90(X),
        lambda: np.rot90(X, 2),
        lambda: np.rot90(X, 3),
    ),
    "pad": (
        lambda: np.pad(X, 1),
        lambda: np.pad(X, ((1, 2), (0, 3)), constant_values=5),
        lambda: np.pad(N, 1),
        lambda: np.pad(X, 1, mode="edge"),
        lambda: np.pad(X, ((1, 0), (2, 2)), mode="reflect"),
        lambda: np.pad(V, (2, 1), mode="wrap"),
    ),
    "broadcast_to": (
        lambda: np.broadcast_to(V, (3, 4)),
        lambda: np.broadcast_to(X[:, :1], (2, 3, 4)),
        lambda: np.broadcast_arrays(X, V, X[:, :1]),
    ),
    "tile": (
        lambda: np.tile(X, 2),
        lambda: np.tile(V, (3, 1)),
        lambda: np.tile(X, (2, 1, 2)),
        lambda: np.repeat(X, 2),
        lambda: np.repeat(X, 3, axis=1),
        lambda: np.repeat(V, [1, 0, 2, 1]),
        lambda: V.repeat(2),
    ),
    "zeros_like": (
        lambda: np.zeros_like(X) + X,
        lambda: np.ones_like(N),
        lambda: np.full_like(X, 2.5),
        lambda: np.ones_like(X, dtype=np.int32),
        lambda: np.zeros_like(X, shape=(2,)),
    ),
    "tril": (lambda: np.tril(X), lambda: np.triu(B, 1), lambda: np.tril(N, -1), lambda: np.tril(M)),
    "linspace": (lambda: np.linspace(X[0, 0], X[1, 1], 5), lambda: np.linspace(0, V, 3)),
    "meshgrid": (
        lambda: np.meshgrid(V, X[0, :3]),
        lambda: np.meshgrid(V, V, indexing="ij", sparse=True),
    ),
    "polyval": (
        lambda: np.polyval(V, X),
        lambda: np.vander(V, 3),
        lambda: np.diff(X),
        lambda: np.diff(X, 2, 0),
        lambda: np.diff(M),
    ),
    "norm": (
        lambda: np.linalg.norm(X),
        lambda: np.linalg.norm(X, axis=1),
        lambda: np.linalg.multi_dot([X, X.T]),
        lambda: np.linalg.multi_dot([X[0], X.T, X, X.T]),
        lambda: np.linalg.multi_dot([X[0], X.T, X, X[0]]),
        lambda: np.linalg.matrix_power(X @ X.T, 0),
        lambda: np.linalg.matrix_power(X @ X.T, 1),
        lambda: np.linalg.matrix_power(X @ X.T / 9, 5),
        lambda: np.linalg.norm(V, 1),
        lambda: np.linalg.norm(X, np.inf, axis=0, keepdims=True),
    ),
    "take": (
        lambda: np.take(X, [2, 0, -1], axis=0),
        lambda: np.take(X, N[0] % 3, axis=0),
        lambda: X.take([1, 5]),
        lambda: np.take(X, np.array([[7, -1]]), axis=1, mode="wrap"),
        lambda: np.take(X, 1, axis=1),
        lambda: np.compress([True, False, True], X, axis=0),
        lambda: np.compress([False, True], X),
    ),
    "take_along_axis": (
        lambda: np.take_along_axis(X, X.argmax(1, keepdims=True), 1),
        lambda: np.take_along_axis(X, N % 3, 0),
        lambda: np.take_along_axis(X, N[:1] % 3, 0),
    ),
    "getitem": (
        lambda: X[0],
        lambda: X[-1, 1],
        lambda: X[1:, ::2],
        lambda: X[::-1],
        lambda: X[:, None, 3:0:-2],
        lambda: X[...],
        lambda: X[..., 0],
        lambda: B[0, ..., None],
        lambda: X[5:],
        lambda: X[[0, 2]],
        lambda: X[:, [1, -1]],
        lambda: X[[0, 1], [2, 3]],
        lambda: B[:, [0, 1], [2, 3]],
        lambda: B[[0, 1], :, [2, 3]],
        lambda: B[0, :, [1, 2]],
        lambda: T4[:, [0, 1], :, 2],
        lambda: X[np.arange(3), N[:, 0] % 4],
        lambda: X[:, np.array([True, False, True, False])],
        lambda: X[np.eye(3, 4, dtype=bool)],
        lambda: X[[]],
        lambda: B[None, [[0, 1]], 1:, ::-1],
        lambda: X[(N[0, 0] % 2)],
    ),
    "iteration": (lambda: [row * 2 for row in X], lambda: len(X) * X, lambda: [*V]),
    "choose": (lambda: np.choose(N % 3, CHOICES), lambda: np.extract(np.eye(3, 4), X)),
    "size": (
        lambda: (
            X * np.size(X)
            + np.ndim(X)
            + np.shape(X)[0]
            + X.size
            + X.ndim
            + len(X.shape)
            + X.nbytes
            + X.itemsize
        ),
    ),
}
EINSUM = (
    "ij,jk->ik ij,ij->ij ij,kj->ikj ij,j ij->ji ii ii->i i,i-> i,j->ij bij,bjk->bik "
    "bij,kj->bki ij->j ...i,ij->...j bij->b ij,jk,kl->il ij,i,j-> bhqd,bhkd->bhqk iji->j "
)


def _restored(f: Any) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """`f`, which reads the arrays above by name, as a function of them; and the arrays."""
    names = sorted(_names(f.__code__) & {"X", "V", "B", "N", "M", "S", "T4"})

    def function(*args: Any) -> Any:
        given = dict(zip(names, args, strict=True))
        return type(f)(f.__code__, {**f.__globals__, **given})()

    return function, [f.__globals__[n] for n in names]


CASES = [pytest.param(f, id=f"{name}-{i}") for name, fs in CALLS.items() for i, f in enumerate(fs)]


@pytest.mark.parametrize("case", CASES)
def test_calls(case: Callable[..., Any]) -> None:
    function, args = _restored(case)
    assert args, "the case reads one of the arrays above"
    assert_agrees(function, *args)


@pytest.mark.parametrize("text", EINSUM.split())
def test_einsum(text: str) -> None:
    sizes = {c: n for n, c in enumerate("ijklbhqd", start=2)}
    terms = text.split("->")[0].replace("...", "bh").split(",")
    operands = [real(*(sizes[c] for c in term)) for term in terms]
    assert_agrees(lambda *xs: np.einsum(text, *xs), *operands)


CREATION: tuple[Callable[[Any], Any], ...] = (
    lambda n: n.zeros((2, 3)),
    lambda n: n.ones(3, dtype=n.float32),
    lambda n: n.empty((0, 2)),
    lambda n: n.full((2, 2), 7),
    lambda n: n.full(3, 2.5, dtype=n.float32),
    lambda n: n.arange(5),
    lambda n: n.arange(2, 11, 3),
    lambda n: n.arange(5, 0, -1),
    lambda n: n.arange(0.0, 1.0, 0.25),
    lambda n: n.arange(4, dtype=n.float32),
    lambda n: n.linspace(0, 1, 5),
    lambda n: n.eye(3),
    lambda n: n.eye(3, 4, 1, dtype=n.int32),
    lambda n: n.identity(2),
    lambda n: n.tri(3, 4),
    lambda n: n.indices((2, 3)),
    lambda n: n.array([[1, 2], [3, 4]]),
    lambda n: n.array([1.5, 2.0], dtype=n.float32),
    lambda n: n.asarray(2.5),
    lambda n: n.logspace(0, 2, 3),
    lambda n: n.sqrt(n.array([4.0])),
    lambda n: n.zeros_like(n.ones(3)),
)


@pytest.mark.parametrize("make", CREATION)
def test_constructors_are_traced_inside_and_numpys_own_outside(make: Callable[[Any], Any]) -> None:
    expected = make(np)
    assert type(make(wnp)) is type(expected)
    (got,) = tree.leaves(call(trace(lambda: make(wnp))))
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    assert got.dtype == expected.dtype


def test_arrays_of_traced_values_are_stacked() -> None:
    def f(x: Any) -> Any:
        return wnp.array([[x, 1.0], [2.0, x * x]]) + wnp.full((2, 2), x)

    np.testing.assert_array_equal(call(trace(f, 3.0), 3.0), [[6, 4], [5, 12]])


def test_every_name_of_the_namespace_is_numpys() -> None:
    other = ("at", "bfloat16", "float_", "complex_")
    assert all(hasattr(np, name) for name in wnp.__all__ if name not in other)
    assert len(wnp.__all__) > 200


def test_every_function_of_the_table_is_tried_above() -> None:
    text = " ".join([*UNARY.values(), BINARY, BOOLEANS])
    names = {n for f in CALLS.values() for c in f for n in _names(c.__code__)} | set(text.split())
    names |= {n for c in CREATION for n in _names(c.__code__)} | set(CALLS)
    names |= {
        "einsum",
        "bitwise_and",
        "bitwise_xor",
        "left_shift",
        "right_shift",
        "asanyarray",
        "ascontiguousarray",
    }
    # in test_writes.py, test_manipulation.py
    names |= {"at", "copyto", "fill_diagonal", "put", "put_along_axis", "putmask"}
    names |= {"block", "delete", "diagflat", "dsplit", "ediff1d", "insert", "resize"}
    names |= {"vector_norm", "matrix_norm"}
    names |= set(np.fft.__all__)  # in test_fft.py
    names |= {"sliding_window_view"}  # in ../test_windows.py
    names |= {"bartlett", "corrcoef", "cov", "gradient", "i0", "kaiser", "unwrap"}  # test_signals
    names |= {"nanmean", "nanvar", "nanstd"}  # there too
    names |= set(MAKERS)  # in test_against_numpy.py
    names |= {"polydiv", "polyfit", "roots", "unique_values"}  # in test_pieces.py
    names |= {"fromfile", "fromfunction", "fromiter"}
    # in test_order.py
    names |= {"sort", "argsort", "lexsort", "partition", "argpartition", "searchsorted"}
    names |= {"digitize", "isin", "histogram", "histogram_bin_edges", "interp", "refuse"}
    names |= {"quantile", "percentile", "nanquantile", "nanpercentile", "median", "nanmedian"}
    names |= {"unique", "nonzero", "flatnonzero", "argwhere", "bincount", "union1d"}
    names |= {"setdiff1d", "intersect1d", "setxor1d"}
    # in test_cumulative.py
    names |= {"accumulate", "cumsum", "cumprod", "nancumsum", "nancumprod", "trapezoid"}
    names |= {"cumulative_sum", "cumulative_prod"}
    names |= {"angle", "imag", "iscomplex", "iscomplexobj", "isrealobj"}  # in test_complex.py
    # in test_linalg.py
    names |= {"cholesky", "cond", "cross", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv"}
    names |= {"lstsq", "matrix_rank", "pinv", "qr", "slogdet", "solve", "svd", "svdvals"}
    names |= {"tensorinv", "tensorsolve"}
    names |= {"result_type", "can_cast"}
    names |= {"concat", "empty_like", "geomspace", "hanning", "hamming", "blackman"}
    missing = (
        {f.__name__ for f in FUNCTIONS if hasattr(f, "__name__")} - names - {"reduce", "round_"}
    )
    assert not missing


def _names(code: Any) -> set[str]:
    inner = (c for c in code.co_consts if hasattr(c, "co_names"))
    return set(code.co_names).union(*(_names(c) for c in inner))


def test_interpolation_meets_infinite_values_as_numpy_does() -> None:
    rng, values = np.random.default_rng(0), [1.0, 2.0, -1.0, 0.0, np.inf, -np.inf, np.nan]
    for _ in range(60):
        xs = np.unique(rng.integers(-3, 4, int(rng.integers(1, 6))).astype(float))
        ys = rng.choice(values, xs.size)
        x = np.concatenate([rng.uniform(-4, 4, 5), xs])
        interp: Any = np.interp
        got = wl.jit(interp, disable_jit=True)(x, xs, ys)
        np.testing.assert_allclose(got, np.interp(x, xs, ys), 1e-12)
