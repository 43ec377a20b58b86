"""jax.lax's names of parameters work, and what is a few functions of others is what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

lax = wl.lax
rng = np.random.default_rng(0)
X, Y, N = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.integers(-99, 99, (3, 4))

BY_NAME: dict[str, tuple[Any, dict[str, Any], Any]] = {
    **{
        name: (getattr(lax, name), {"x": X, "y": Y}, function(X, Y))
        for name, function in {
            "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum,
            "min": np.minimum, "atan2": np.arctan2, "eq": np.equal, "lt": np.less,
            "ge": np.greater_equal, "nextafter": np.nextafter,
        }.items()
    },
    "exp": (lax.exp, {"x": X}, np.exp(X)),
    "bitwise_xor": (lax.bitwise_xor, {"x": N, "y": N + 1}, N ^ (N + 1)),
    "shift_left": (lax.shift_left, {"x": N, "y": abs(N) % 9}, N << (abs(N) % 9)),
    "concatenate": (lax.concatenate, {"operands": [X, Y], "dimension": 1}, np.hstack([X, Y])),
    "stack": (lax.stack, {"operands": [X, Y], "axis": 1}, np.stack([X, Y], 1)),
    "unstack": (lax.unstack, {"x": X, "axis": 1}, tuple(X.T)),
    "expand_dims": (lax.expand_dims, {"array": X, "dimensions": (0, 3)}, X[None, ..., None]),
    "squeeze": (lax.squeeze, {"array": X[None], "dimensions": (0,)}, X),
    "rev": (lax.rev, {"operand": X, "dimensions": (0, 1)}, X[::-1, ::-1]),
    "transpose": (lax.transpose, {"operand": X, "permutation": (1, 0)}, X.T),
    "batch_matmul": (lax.batch_matmul, {"lhs": X[None], "rhs": Y.T[None]}, (X @ Y.T)[None]),
    "broadcast_like": (lax.broadcast_like, {"arr": X[0], "like_arr": Y}, np.tile(X[0], (3, 1))),
    "reduce_xor": (lax.reduce_xor, {"operand": N, "axes": (1,)}, np.bitwise_xor.reduce(N, 1)),
    "approx_min_k": (lambda x: lax.approx_min_k(x, 2)[0], {"x": X}, np.sort(X)[:, :2]),
    "approx_max_k": (lambda x: lax.approx_max_k(x, 1)[0], {"x": X}, X.max(1, keepdims=True)),
    "sort_key_val": (
        lambda keys, values: lax.sort_key_val(keys, values, dimension=0)[1],
        {"keys": X, "values": Y},
        np.take_along_axis(Y, np.argsort(X, 0), 0),
    ),
    "dot": (
        lambda x, y: lax.dot(x, y, dimension_numbers=(((1,), (1,)), ((), ()))),
        {"x": X, "y": Y},
        X @ Y.T,
    ),
    "index_take": (
        lambda src: lax.index_take(src, (np.array([1, -1, 5]), np.array([3, 2, -7])), (0, 1)),
        {"src": X},
        X[[1, 2, 2], [3, 2, 1]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_NAME)
def test_parameters_are_called_as_in_jax(name: str) -> None:
    function, given, want = BY_NAME[name]
    traced = wl.jit(lambda arrays: function(**arrays), disable_jit=True)
    fixed = {k: v for k, v in given.items() if not isinstance(v, (np.ndarray, list))}
    arrays = {k: v for k, v in given.items() if k not in fixed}
    traced = wl.jit(lambda arrays: function(**arrays, **fixed), disable_jit=True)
    for found in (function(**given), traced(arrays)):
        for one, other in zip(*(x if isinstance(want, tuple) else (x,) for x in (found, want)),
                              strict=True):  # fmt: skip
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_product_in_a_wider_dtype() -> None:
    x = np.array([3e38], np.float32)
    assert lax.mul(x, x, out_dtype=np.float64).dtype == np.float64
    assert np.isfinite(lax.mul(x, x, out_dtype=np.float64))


@pytest.mark.parametrize("allowed", [True, False, (True, False)])
def test_negative_indices_count_from_the_end_or_lie_before_the_front(allowed: Any) -> None:
    kept = [allowed, allowed] if isinstance(allowed, bool) else allowed
    starts = [min(3 - 1, 1) if kept[0] else 0, 4 - 2 if kept[1] else 0]
    window = tuple(slice(s, s + 2) for s in starts)

    def read(x: Any, at: Any) -> Any:
        return lax.dynamic_slice(x, (at, at - 1), (2, 2), allow_negative_indices=allowed)

    def write(x: Any, at: Any) -> Any:
        new = np.zeros((2, 2))
        return lax.dynamic_update_slice(x, new, (at, at - 1), allow_negative_indices=allowed)

    written = X.copy()
    written[window] = 0
    for run in (lambda f: f, lambda f: wl.jit(f, disable_jit=True)):
        np.testing.assert_array_equal(run(read)(X, -1), X[window])
        np.testing.assert_array_equal(run(write)(X, -1), written)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_map_of_batches_is_map(size: int) -> None:
    rows = rng.normal(size=(5, 4))

    def of_row(row: Any) -> Any:
        return {"twice": 2 * row, "sum": np.sum(row)}

    found = wl.jit(lambda xs: lax.map(of_row, xs, batch_size=size), disable_jit=True)(rows)
    for name, want in lax.map(of_row, rows).items():
        np.testing.assert_allclose(found[name], want, rtol=1e-12)
    slope = wl.grad(lambda xs: np.sum(lax.map(of_row, xs, batch_size=size)["sum"] ** 2))(rows)
    np.testing.assert_allclose(slope, np.tile(2 * rows.sum(1)[:, None], 4), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_bits_are_counted(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, 30, dtype=dtype, endpoint=True)
    x[:4] = 0, 1, info.max, info.min
    texts = [format(int(n) % 2**info.bits, f"0{info.bits}b") for n in x]
    for function, want in (
        (lax.population_count, [t.count("1") for t in texts]),
        (lax.clz, [len(t) - len(t.lstrip("0")) for t in texts]),
    ):
        for found in (function(x), wl.jit(function, disable_jit=True)(x)):
            np.testing.assert_array_equal(found, np.array(want, dtype))
            assert found.dtype == x.dtype


def test_precision_is_reduced_to_another_dtype() -> None:
    x = np.array([1.2345678, 1e-40, 6e-8, 65519, 65520, 1e30, -np.inf, np.nan, -0.0], np.float32)
    half = np.array([1.234375, 0, 0, 65504, np.inf, np.inf, -np.inf, np.nan, -0.0], np.float32)
    found = lax.reduce_precision(x, 5, 10)
    np.testing.assert_array_equal(found, half)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(half))
    assert lax.reduce_precision(x, 8, 23) is x
    single = lax.reduce_precision(np.array([1 / 3, 1e-39]), exponent_bits=8, mantissa_bits=23)
    np.testing.assert_array_equal(single, [np.float32(1 / 3), 0])
    with pytest.raises(ProgramError, match=r"reduce_precision: bits among .* got \(4, 3\) of f32"):
        lax.reduce_precision(x, 4, 3)


def test_rows_of_groups_have_the_matrix_of_their_group() -> None:
    x, matrices, sizes = rng.normal(size=(9, 4)), rng.normal(size=(3, 4, 5)), np.array([2, 0, 5])
    group = np.repeat([0, 2], [2, 5])
    want = np.concatenate([np.einsum("ik,ikn->in", x[:7], matrices[group]), np.zeros((2, 5))])
    np.testing.assert_allclose(lax.ragged_dot(x, matrices, sizes), want, rtol=1e-12)
    slopes = wl.grad(lambda x, m: np.sum(lax.ragged_dot(x, m, sizes)), (0, 1))(x, matrices)
    np.testing.assert_allclose(slopes[0][:7], matrices[group].sum(2), rtol=1e-12)
    np.testing.assert_allclose(slopes[1][0], np.tile(x[:2].sum(0)[:, None], 5), rtol=1e-12)
    with pytest.raises(ProgramError, match=r"ragged_dot: .* got f64\[9, 4\], .*, i64\[2"):
        lax.ragged_dot(x, matrices, sizes[:2])


def test_updates_are_subtracted_where_the_mode_says() -> None:
    numbers = lax.ScatterDimensionNumbers((1,), (0,), (0,))
    at = np.array([[0], [2], [9]])
    for mode, last in ((lax.GatherScatterMode.CLIP, 1.0), (lax.GatherScatterMode.FILL_OR_DROP, 0)):
        want = X.copy()
        want[0] -= Y[0]
        want[2] -= Y[1] + last * Y[2]
        found = lax.scatter_sub(X, at, Y, numbers, mode=mode)
        np.testing.assert_allclose(found, want, rtol=1e-12)


def test_named_axes_are_swapped_and_shuffled() -> None:
    square = rng.normal(size=(4, 4))
    swapped = wl.vmap(lambda row: lax.pswapaxes(row, "i", 0), axis_name="i")(square)
    np.testing.assert_array_equal(swapped, square.T)
    turned = wl.vmap(lambda row: lax.pshuffle(row, "i", [1, 2, 0]), axis_name="i")(X)
    np.testing.assert_array_equal(turned, X[[1, 2, 0]])


def test_what_only_a_compiler_is_told_is_the_operand() -> None:
    tree = {"a": X}
    assert lax.optimization_barrier(tree) is tree
    assert lax.dce_sink(X) is None
    np.testing.assert_array_equal(lax.stage(X), X)
    assert lax.dtype(X) == np.float64
    np.testing.assert_array_equal(lax.shape_as_value((2, 3)), [2, 3])
    np.testing.assert_array_equal(lax.empty((2,), np.float32), np.zeros(2, np.float32))
