"""Segment reductions are loops over rows, in the order of rows, for sorted ids and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.work import Work
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.kernel import Kernel
from wonderland.compiler.trace.trace import trace

FOLDS: dict[str, Any] = {
    "segment_sum": np.add,
    "segment_prod": np.multiply,
    "segment_max": np.maximum,
    "segment_min": np.minimum,
}
START = {
    "segment_sum": lambda d: 0,
    "segment_prod": lambda d: 1,
    "segment_max": lambda d: -np.inf if d.kind == "f" else np.iinfo(d).min,
    "segment_min": lambda d: np.inf if d.kind == "f" else np.iinfo(d).max,
}
UNSORTED = np.array([3, 0, -1, 3, 3, 9, 1, 0, 5, 3])
SORTED = np.array([-2, 0, 0, 1, 3, 3, 3, 4, 5, 9])
RNG = np.random.default_rng(0)


def looped(name: str, data: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    out = np.full((count, *data.shape[1:]), START[name](data.dtype), data.dtype)
    for row, s in zip(data, ids, strict=True):
        if 0 <= s < count:
            out[s] = FOLDS[name](out[s], row)
    return out


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.float16])
def test_reductions_are_loops(name: str, is_sorted: bool, dtype: Any) -> None:
    ids = SORTED if is_sorted else UNSORTED
    function = getattr(wl.ops, name)
    for shape in ((), (5,), (3, 4), (70,)):
        data = RNG.integers(1, 4, (len(ids), *shape)).astype(dtype)
        expected = looped(name, data, ids, 6)
        given = (data, ids.astype(np.int32))
        options = {"num_segments": 6, "indices_are_sorted": is_sorted}
        compiled = wl.jit(lambda d, i, o=options: function(d, i, **o))(*given)
        for found in (function(*given, **options), compiled):
            assert found.dtype == data.dtype
            np.testing.assert_array_equal(found, expected)


def test_ids_of_several_dimensions_and_counts_told_by_ids() -> None:
    data = RNG.normal(size=(2, 3, 4))
    ids = np.array([[0, 2, 2], [1, 0, 2]])
    expected = looped("segment_sum", data.reshape(6, 4), ids.ravel(), 3)
    np.testing.assert_allclose(wl.ops.segment_sum(data, ids), expected)
    assert wl.ops.segment_max(np.ones(0), np.zeros(0, int)).shape == (0,)
    assert wl.ops.segment_max(np.ones((3, 2)), np.array([0, 1, 9]), 0).shape == (0, 2)


def test_a_broken_promise_of_order_breaks_nothing_else() -> None:
    data = RNG.normal(size=(10, 3))
    run = wl.jit(lambda d, i: wl.ops.segment_sum(d, i, 6, indices_are_sorted=True))
    first = run(data, UNSORTED)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(run(data, UNSORTED), first)


@pytest.mark.parametrize("is_sorted", [False, True])
def test_derivatives_to_second_order(is_sorted: bool) -> None:
    ids = np.clip(SORTED if is_sorted else UNSORTED, 0, 5)

    def energy(x: Any, w: Any) -> Any:
        options = {"num_segments": 6, "indices_are_sorted": is_sorted}
        total = wl.ops.segment_sum(x * x, ids, **options)
        mean = wl.ops.segment_mean(np.sin(x), ids, **options)
        share = wl.ops.segment_softmax(w, ids, **options)
        low = wl.ops.segment_min(x * share[:, None], ids, **options)
        return np.sum(total * mean) + np.sum(np.where(np.isfinite(low), low, 0.0) ** 2)

    x, w = RNG.normal(size=(10, 3)), RNG.normal(size=10)
    wl.testing.check_gradients(energy, x, w, order=2)


def test_a_softmax_of_each_segment_sums_to_one() -> None:
    w = RNG.normal(size=10) * 300
    share = wl.ops.segment_softmax(w, np.clip(UNSORTED, 0, 5), 6)
    total = wl.ops.segment_sum(share, np.clip(UNSORTED, 0, 5), 6)
    np.testing.assert_allclose(total, [1, 1, 0, 1, 0, 1], rtol=1e-12)


def test_messages_are_part_of_the_sum_and_never_stored() -> None:
    def step(x: Any, senders: Any, receivers: Any) -> Any:
        return wl.ops.segment_sum(
            np.tanh(x[senders]), receivers, num_segments=6, indices_are_sorted=True
        )

    x, senders = RNG.normal(size=(6, 16)).astype(np.float32), np.arange(10) % 6
    compiled = wl.jit(step).compile(x, senders, SORTED).compiled
    works = [w for _, w in compiled.plan.schedule.works if isinstance(w, Work)]
    kernels = [w.kernel for w in works]
    assert [k.name for k in kernels if isinstance(k, Kernel)] == ["segments", "segment_sum"]
    assert compiled.plan.arena_bytes <= 64


def test_several_threads_give_the_bits_of_one() -> None:
    from wonderland.runtime.cpu import executor

    data = RNG.normal(size=(4000, 96)).astype(np.float32)
    for is_sorted in (False, True):
        ids = RNG.integers(0, 50, 4000)
        ids = np.sort(ids) if is_sorted else ids
        run = wl.jit(lambda d, i, o=is_sorted: wl.ops.segment_sum(d, i, 50, indices_are_sorted=o))
        with executor.threads(1):
            expected = run(data, ids)
        with executor.threads(4):
            np.testing.assert_array_equal(run(data, ids), expected)


def no_count(d: Any, i: Any) -> Any:
    return wl.ops.segment_sum(d, i)


def traced_count(d: Any, i: Any) -> Any:
    return wl.ops.segment_sum(d, i, num_segments=i[0])


def negative_count(d: Any, i: Any) -> Any:
    return wl.ops.segment_sum(d, i, num_segments=-1)


def real_ids(d: Any, i: Any) -> Any:
    return wl.ops.segment_sum(d, d[:, 0], 3)


def too_few_ids(d: Any, i: Any) -> Any:
    return wl.ops.segment_sum(d, i[:3], 3)


def truths(d: Any, i: Any) -> Any:
    return wl.ops.segment_max(d > 0, i, 3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_count, "segment_sum: num_segments is required where the ids are traced, got i64[10]"),
        (traced_count, "segment_sum: an int or None is required for num_segments"),
        (negative_count, "segment_sum: num_segments of 0 or more is required, got -1"),
        (real_ids, "segment_sum: an integer id for each row is required, got f64[10, 3] and ids "),
        (too_few_ids, "got f64[10, 3] and ids i64[3]"),
        (truths, "segment_max: numbers are required, got bool[10, 3]"),
    ],
)
def test_refusals(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        trace(function, np.ones((10, 3)), UNSORTED)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", FOLDS)
def test_reductions_and_derivatives_are_those_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    data = RNG.normal(size=(10, 3))

    def energy(ops: Any, d: Any) -> Any:
        found = getattr(ops, name)(d, UNSORTED, num_segments=6)
        kept = found[np.array([0, 1, 3, 5])]
        return (kept**2).sum()

    def answers(library: Any, ops: Any) -> tuple[Any, ...]:
        if name == "segment_prod":  # JAX has no gradient of it
            return (energy(ops, data),)
        return library.value_and_grad(lambda d: energy(ops, d))(data)

    with jax.enable_x64(True):
        theirs = answers(jax, jax.ops)
    ours = answers(wl, wl.ops)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
