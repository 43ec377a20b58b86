"""Layers as functions: attention, norms, dropout and embeddings against their formulas in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.types import dtype_name

rng = np.random.default_rng(3)
QUERY, KEY, VALUE = (rng.normal(size=s) for s in ((2, 5, 4, 3), (2, 7, 2, 3), (2, 7, 2, 6)))
BIAS, MASK = rng.normal(size=(4, 5, 7)), rng.random((2, 1, 5, 7)) > 0.4
MASK[..., 0] = True


def attention(bias: Any = 0.0, kept: Any = True, scale: float = 3**-0.5) -> np.ndarray:
    """A head at a time; two heads in turn share a group."""
    found = np.zeros((2, 5, 4, 6))
    bias, kept = (np.broadcast_to(x, (2, 4, 5, 7)) for x in (bias, kept))
    for b in range(2):
        for n in range(4):
            scores = scale * QUERY[b, :, n] @ KEY[b, :, n // 2].T + bias[b, n]
            weights = np.exp(scores) * kept[b, n]
            weights /= np.sum(weights, axis=1, keepdims=True)
            found[b, :, n] = weights @ VALUE[b, :, n // 2]
    return found


T, S = np.arange(5)[:, None], np.arange(7)
LENGTHS = np.array([3, 7])
CASES = {
    "plain": ({}, attention()),
    "scale": ({"scale": 0.2}, attention(scale=0.2)),
    "bias": ({"bias": BIAS}, attention(BIAS)),
    "mask": ({"mask": MASK}, attention(kept=MASK)),
    "causal": ({"is_causal": True}, attention(kept=T >= S)),
    "window": ({"local_window_size": (2, 1)}, attention(kept=(S >= T - 2) & (S <= T + 1))),
    "keys": (
        {"key_value_seq_lengths": LENGTHS},
        attention(kept=LENGTHS[:, None, None, None] > S),
    ),
    "queries": (
        {"query_seq_lengths": LENGTHS},
        attention() * (np.arange(5) < LENGTHS[:, None])[..., None, None],
    ),
    "several": (
        {"is_causal": True, "mask": MASK, "bias": BIAS, "local_window_size": 3},
        attention(BIAS, MASK & (T >= S) & (S >= T - 3)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_attention_is_its_formula_a_head_at_a_time(case: str) -> None:
    options, want = CASES[case]
    found = wl.nn.dot_product_attention(QUERY, KEY, VALUE, **options)
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-14)
    names, values = tuple(options), tuple(options.values())
    static = [k for k, v in enumerate(values) if not isinstance(v, np.ndarray)]
    traced = [v for v in values if isinstance(v, np.ndarray)]

    def inside(q: Any, *given: Any) -> Any:
        arrays = iter(given)
        kept = {n: values[k] if k in static else next(arrays) for k, n in enumerate(names)}
        return wl.nn.dot_product_attention(q, KEY, VALUE, **kept)

    jitted = wl.jit(inside, disable_jit=True)(QUERY, *traced)
    np.testing.assert_allclose(jitted, want, rtol=1e-12, atol=1e-14)


def test_attention_of_an_example_alone_and_of_halves() -> None:
    one = wl.nn.dot_product_attention(QUERY[0], KEY[0], VALUE[0])
    np.testing.assert_array_equal(one, wl.nn.dot_product_attention(QUERY, KEY, VALUE)[0])
    halves = (x.astype(np.float16) for x in (QUERY, KEY, VALUE))
    half = wl.nn.dot_product_attention(*halves)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, attention(), rtol=5e-3, atol=5e-3)


def test_queries_without_keys_have_no_nan_in_values_or_derivatives() -> None:
    nothing = np.zeros((1, 1, 5, 7), bool)
    total = lambda q: np.sum(wl.nn.dot_product_attention(q, KEY, VALUE, mask=nothing) ** 2)  # noqa: E731
    value, slope = wl.value_and_grad(total)(QUERY)
    assert np.isfinite(value)
    np.testing.assert_array_equal(slope, np.zeros_like(QUERY))


def test_attention_says_which_shapes_it_needs() -> None:
    with pytest.raises(ProgramError, match=r"groups that divide heads are required, got f64\[2, 5"):
        wl.nn.dot_product_attention(QUERY, KEY[:, :, [0, 1, 1]], VALUE[:, :, [0, 1, 1]])
    with pytest.raises(ProgramError, match=r"a mask of bools is required, got f64"):
        wl.nn.dot_product_attention(QUERY, KEY, VALUE, mask=MASK * 1.0)
    with pytest.raises(ProgramError, match=r"a bias that broadcasts to .* got f64\[3, 5, 7\]"):
        wl.nn.dot_product_attention(QUERY, KEY, VALUE, BIAS[:3])


X, WEIGHT, OFFSET = rng.normal(3.0, 2.0, (6, 5, 4)), rng.normal(size=4), rng.normal(size=4)


def standard(x: np.ndarray, axis: Any) -> np.ndarray:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5)


NORMS = {
    "layer_norm": (
        lambda x: wl.nn.layer_norm(x, WEIGHT, OFFSET),
        standard(X, -1) * WEIGHT + OFFSET,
    ),
    "rms_norm": (
        lambda x: wl.nn.rms_norm(x, WEIGHT),
        X / np.sqrt(np.mean(X * X, -1, keepdims=True) + 1e-6) * WEIGHT,
    ),
    "group_norm": (
        lambda x: wl.nn.group_norm(x, 2, WEIGHT, OFFSET),
        standard(X.reshape(6, 5, 2, 2), (1, 3)).reshape(X.shape) * WEIGHT + OFFSET,
    ),
    "batch_norm": (
        lambda x: wl.nn.batch_norm(x, None, None, WEIGHT, OFFSET),
        standard(X, (0, 1)) * WEIGHT + OFFSET,
    ),
    "batch_norm of running statistics": (
        lambda x: wl.nn.batch_norm(x, OFFSET, WEIGHT**2),
        (X - OFFSET) / np.sqrt(WEIGHT**2 + 1e-5),
    ),
    "standardize within a mask": (
        lambda x: wl.nn.standardize(x, 1, where=(np.arange(5) < 3)[:, None]),
        (X - X[:, :3].mean(1, keepdims=True)) / np.sqrt(X[:, :3].var(1, keepdims=True) + 1e-5),
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_are_their_formulas(name: str) -> None:
    function, want = NORMS[name]
    np.testing.assert_allclose(function(X), want, rtol=1e-12)
    np.testing.assert_allclose(wl.jit(function, disable_jit=True)(X), want, rtol=1e-12)
    single = wl.nn.layer_norm(X.astype(np.float32) + 3000)  # a mean of squares would lose it
    np.testing.assert_allclose(single, standard(X, -1), atol=2e-3)
    assert single.dtype == np.float32


def test_dropout_keeps_the_mean_and_does_nothing_at_the_end() -> None:
    x = np.ones((100, 100), np.float32)
    found = wl.nn.dropout(wl.random.key(1), x, 0.25)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.unique(found), [0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(np.mean(found), 1, atol=0.02)  # of 10,000 draws
    assert wl.nn.dropout(wl.random.key(1), x, 0.25, train=False) is x


def test_rows_of_a_table_that_is_constant_are_found_by_traced_places() -> None:
    places = np.array([[2, 0], [4, 4]])
    found = wl.jit(lambda at: wl.nn.embedding(X, at), disable_jit=True)(places)
    np.testing.assert_array_equal(found, X[places])


def test_activations_keep_their_dtype() -> None:
    names = """celu glu hard_sigmoid hard_silu hard_tanh identity logmeanexp mish relu6 selu
    soft_sign sparse_plus sparse_sigmoid squareplus tanh layer_norm rms_norm standardize"""
    for name in names.split():
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            x = np.linspace(-4, 7, 8).astype(wl.numpy.dtype(getattr(wl.numpy, dtype)))
            function = getattr(wl.nn, name)
            assert function(x).dtype == x.dtype, (name, dtype)
            assert wl.eval_shape(function, x).dtype == dtype_name(x.dtype), (name, dtype)
