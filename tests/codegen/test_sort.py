"""Generated sorts and searches against NumPy: dtypes, several keys, long rows, bits, texts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.execution import Arrays, run_machine, run_twin
from wonderland.compiler.codegen.cpu.sort import LONG, SHORT, lower_search, lower_sort
from wonderland.compiler.codegen.lowered import Lowered
from wonderland.compiler.codegen.target import Target, host
from wonderland.compiler.ir.types import FLOATS, NUMPY, REAL
from wonderland.compiler.kernel import Axis, Buffer, Kernel
from wonderland.compiler.kernel.sorting import Searching, Sorting, search, sorted_places

TARGETS = [Target(bits) for bits in (128, 256)] + [host()]


def sorting(
    dtypes: str,
    shape: tuple[int, int],
    keys: int = 1,
    descending: bool = False,
    order: bool = False,
    most: int | None = None,
) -> Sorting:
    rows, n = shape
    kept = Axis("k", n) if most is None else Axis("most", most)
    xs = [Buffer(f"x{k}", d, rows * n) for k, d in enumerate(dtypes.split())]
    ys = [Buffer(f"y{k}", b.dtype, rows * kept.size) for k, b in enumerate(xs)]
    p = Buffer("order", "i64", rows * kept.size) if order else None
    buffers = (*xs, *ys, *((p,) if p else ()))
    length = kept if most is None else Axis("k", n)
    axes = Axis("i", rows), length
    return Sorting("rows", buffers, *axes, tuple(xs), tuple(ys), p, keys, descending, kept)


def numbers(dtype: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers with many equals, zeros of both signs, infinities and NaN of several bits."""
    if dtype not in FLOATS:
        low, high = (0, 2) if dtype == "bool" else (-20, 20) if dtype[0] == "i" else (0, 40)
        x = rng.integers(low, high, size).astype(NUMPY[dtype])
        if size and dtype != "bool":
            x[0], x[-1] = np.iinfo(dtype.replace("i", "int").replace("u", "uint")).max, x[-1]
        return x
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1.5, -1.5]
    x = np.where(rng.random(size) < 0.5, rng.choice(special, size), rng.normal(size=size) * 9)
    return x.astype(NUMPY[dtype])


def arrays_for(s: Sorting | Searching, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {b.name: numbers(b.dtype, b.size, rng) for b in s.buffers}


def as_kernel(s: Sorting | Searching) -> Kernel:
    return Kernel(s.name, s.buffers, (), ())


def bits(x: np.ndarray) -> np.ndarray:
    return x.view(f"u{x.dtype.itemsize}")


def check(s: Sorting, seed: int, target: Target, twin: bool = False) -> Lowered:
    arrays, shape = arrays_for(s, seed), (s.rows.size, s.length.size)
    order = sorted_places([arrays[b.name].reshape(shape) for b in s.inputs[: s.keys]], s.descending)
    order = order[:, : s.most.size]
    lowered = lower_sort(s, target)
    got = run_machine(as_kernel(s), lowered, arrays)
    found = [got, run_twin(as_kernel(s), lowered, arrays)] if twin else [got]
    for out in found:
        for x, y in zip(s.inputs, s.outputs, strict=True):
            want = np.take_along_axis(arrays[x.name].reshape(shape), order, -1)
            assert y is not None
            np.testing.assert_array_equal(bits(out[y.name]), bits(want.reshape(-1)))
        if s.order:
            np.testing.assert_array_equal(out[s.order.name].reshape(order.shape), order)
    pieces = [(k, k + 1) for k in range(lowered.points)][::-1]
    again = run_machine(as_kernel(s), lowered, arrays, pieces)
    for b in s.buffers:
        np.testing.assert_array_equal(bits(again[b.name]), bits(got[b.name]))
    return lowered


@pytest.mark.parametrize("dtype", REAL)
def test_rows_of_every_dtype_are_sorted_to_the_bit(dtype: str) -> None:
    for seed, (shape, down) in enumerate(
        [((3, 7), False), ((2, SHORT), True), ((2, SHORT + 1), False), ((1, 300), True)]
    ):
        for order in (False, True):
            check(sorting(dtype, shape, 1, down, order), seed, host(), twin=shape[1] < SHORT)


@pytest.mark.parametrize("dtypes", ["u8 f32 f16", "f64 i32 bool", "i16 i64 f32", "bool u64"])
def test_several_keys_and_what_moves_with_them(dtypes: str) -> None:
    for seed, keys in enumerate((1, 2, 2)):
        for n in (9, 200):
            for target in TARGETS:
                check(sorting(dtypes, (2, n), keys, seed == 2, True), seed, target, n == 9)


@pytest.mark.parametrize("dtype", REAL)
def test_the_first_of_every_row_are_those_of_a_sort(dtype: str) -> None:
    cases = [((2, LONG - 1), 1), ((2, LONG - 1), 33), ((2, LONG + 5), 17), ((1, LONG), SHORT)]
    cases += [((1, 700), 699), ((3, SHORT + 2), 0), ((20, 9), 4)]
    for seed, (shape, most) in enumerate(cases):
        for order in (False, True):
            s = sorting(dtype, shape, 1, seed % 2 == 0, order, most)
            for target in TARGETS:
                check(s, seed, target, twin=target is host() and most == 33 and order)


def test_keys_of_which_all_digits_but_the_last_are_equal_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("u32", "u64", "i64"):
        s = sorting(dtype, (1, 5000), 1, False, True, 10)
        lowered = lower_sort(s, host())
        arrays = {b.name: np.zeros(b.size, NUMPY[b.dtype]) for b in s.buffers}
        arrays["x0"] = (rng.permutation(5000) % 250 + (1 << 30)).astype(NUMPY[dtype])
        got = run_machine(as_kernel(s), lowered, arrays)
        want = np.argsort(arrays["x0"], kind="stable")[:10]
        np.testing.assert_array_equal(got["order"], want)


def test_equal_elements_and_empty_rows_are_no_special_case() -> None:
    for n in (0, 1, 2, 17, 500):
        s = sorting("f32", (2, n), 1, False, True)
        lowered = lower_sort(s, host())
        arrays = {b.name: np.ones(b.size, NUMPY[b.dtype]) for b in s.buffers}
        got = run_machine(as_kernel(s), lowered, arrays)
        np.testing.assert_array_equal(got["order"].reshape(2, n), np.tile(np.arange(n), (2, 1)))


@pytest.mark.parametrize("dtype", REAL)
def test_searches_count_what_stands_before(dtype: str) -> None:
    rng = np.random.default_rng(1)
    for n, m in ((7, 40), (0, 3), (1, 1), (129, 5)):
        for right in (False, True):
            x, v = (Buffer(name, dtype, 2 * size) for name, size in (("x", n), ("v", m)))
            y = Buffer("y", "i64", 2 * m)
            axes = Axis("i", 2), Axis("k", n), Axis("j", m)
            s = Searching("search", (x, v, y), *axes, x, v, y, right)
            keys = numbers(dtype, 2 * n, rng).reshape(2, n)
            keys = np.take_along_axis(keys, sorted_places([keys], False), -1)
            wanted = numbers(dtype, 2 * m, rng).reshape(2, m)
            arrays = {
                "x": keys.reshape(-1),
                "v": wanted.reshape(-1),
                "y": np.zeros(2 * m, np.int64),
            }
            for target in TARGETS:
                lowered = lower_search(s, target)
                want = search(keys, wanted, right).reshape(-1)
                np.testing.assert_array_equal(run_machine(as_kernel(s), lowered, arrays)["y"], want)
                if n < 50 and target is host():
                    twin = run_twin(as_kernel(s), lowered, arrays)["y"]
                    np.testing.assert_array_equal(twin, want)


def test_texts_do_not_depend_on_sizes() -> None:
    texts = {
        lower_sort(sorting("f32 i64", shape, 1, False, False), host()).text
        for shape in ((3, 7), (1, 900))
    }
    assert len(texts) == 1


def test_a_sort_and_a_search_say_what_they_do() -> None:
    assert str(sorting("f32 i32", (3, 7), 1, True, True)) == (
        "def rows(x0: f32[21], x1: i32[21], y0: f32[21], y1: i32[21], order: i64[21]):\n"
        "    for i in parallel(3):\n"
        "        p = descending(x0[7*i + k] for k in range(7))\n"
        "        for k in stage(7):\n"
        "            y0[7*i + k] = x0[7*i + p[k]]\n"
        "            y1[7*i + k] = x1[7*i + p[k]]\n"
        "            order[7*i + k] = p[k]"
    )


def test_equal_first_keys_of_a_short_row_are_ordered_by_the_second() -> None:
    for seed in range(3):
        for target in TARGETS:
            check(sorting("bool i8 f32", (3, 9), 2, False, True), seed, target, twin=True)
