"""Arrays of every layout, aliased and donated: the right numbers, and nobody's memory changed."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError

RNG = np.random.default_rng(0)


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return RNG.integers(-50, 50, shape).astype(dtype)


def misaligned(x: np.ndarray) -> np.ndarray:
    out = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def read_only(x: np.ndarray) -> np.ndarray:
    out = x.copy()
    out.flags.writeable = False
    return out


LAYOUTS = {
    "c": lambda x: x,
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.T,
    "reversed": lambda x: x[::-1, ::-1],
    "every second": lambda x: x[:, ::2],
    "misaligned": misaligned,
    "read-only": read_only,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "byte-swapped, reversed": lambda x: x.astype(x.dtype.newbyteorder())[::-1],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "no rows": lambda x: x[:0],
    "no columns": lambda x: x[:, 3:3],
    "no axes": lambda x: x[2:3, 4].reshape(()),
    "one element": lambda x: x[2:3, 4:5],
    "another's class": lambda x: x.view(np.memmap),
    "overlapping": lambda x: np.lib.stride_tricks.as_strided(x, (7, 9), (x.itemsize, x.itemsize)),
}


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_arrays_of_every_layout_give_the_numbers_of_numpy(dtype):
    def f(x):
        return x * x + x, x.T - 1 * x.T, x.sum()

    for first in (LAYOUTS["c"], LAYOUTS["fortran"]):  # whatever layout came first
        compiled = wl.jit(f)
        compiled(first(numbers((7, 11), dtype)))
        for name, layout in LAYOUTS.items():
            x = layout(numbers((7, 11), dtype))
            before = x.copy()
            for _ in range(2):
                for got, want in zip(compiled(x), f(np.asarray(x)), strict=True):
                    np.testing.assert_array_equal(got, want, name)
                    assert got.dtype == before.dtype.newbyteorder("=") or got.shape == ()
            np.testing.assert_array_equal(x, before, name)


def test_truth_values_may_be_any_byte():
    """NumPy takes every byte but 0 for true; so do we, and we give 1."""
    x = np.array([0, 1, 2, 128, 255] * 9, np.uint8).view(bool)
    not_x, chosen, count, same = wl.jit(lambda x: (~x, np.where(x, 5, 7), x.sum(), x))(x)
    truth = x.view(np.uint8) != 0
    assert np.array_equal(not_x.view(np.uint8), 1 - truth)
    assert np.array_equal(chosen, np.where(truth, 5, 7))
    assert count == truth.sum()
    assert np.array_equal(same.view(np.uint8), truth)


def test_dtypes_that_are_not_ours_are_refused_by_name():
    for dtype in ("M8[s]", "U3", "V4", *(["f16"] if hasattr(np, "float128") else [])):
        with pytest.raises(TypeError, match=r"^dtype: one of bool, .* is required, got ") as said:
            wl.jit(lambda x: x)(np.zeros(3, dtype))
        assert "np.float16" not in str(said.value)  # it is for who says "f16"


def test_arguments_may_share_memory_with_each_other():
    f = wl.jit(lambda x, y, z: (x * y + z, x, y - z))
    memory = numbers((4000,), "f8")
    before = memory.copy()
    for args in (
        (memory[:1000],) * 3,
        (memory[:1000], memory[1:1001], memory[2:1002]),
        (memory[:1000], memory[999::-1], memory[:2000:2]),
        (memory.reshape(50, 80).T[:, :50], memory[:4000].reshape(80, 50), memory[:50]),
    ):
        x, y, z = args
        for got, want in zip(f(*args), (x * y + z, x, y - z), strict=True):
            assert np.array_equal(got, want)
            assert not np.shares_memory(got, memory)
    assert np.array_equal(memory, before)


def test_static_values_are_told_apart_to_the_bit():
    f = wl.jit(lambda x, k: x * k[0], static_argnums=1)
    x = np.arange(3)
    for k in (1, 1.0, True, 1):
        assert f(x, (k,)).dtype == (x * k).dtype
    sign = wl.jit(lambda x, k: x + np.copysign(1, k), static_argnums=1)
    assert (sign(1.0, 0.0), sign(1.0, -0.0), sign(1.0, 0.0)) == (2, 0, 2)


# ---------------------------------------------------------------- donation


def step(x, y):
    return x + y, x * y


@pytest.fixture(scope="module")
def donating():
    """Both results have the type of both arguments; the first argument is given."""
    return wl.jit(step, donate_argnums=0)


def test_a_donated_argument_becomes_the_memory_of_a_result(donating):
    x, y = numbers((300,), "f8"), numbers((300,), "f8")
    want = step(x, y)
    address, kept = x.ctypes.data, y.copy()
    got = donating(x, y)
    assert address in (got[0].ctypes.data, got[1].ctypes.data)
    assert all(map(np.array_equal, got, want))
    assert np.array_equal(y, kept)


@pytest.mark.parametrize("change", [read_only, misaligned, lambda x: np.repeat(x, 2)[::2],
                                    lambda x: x[::-1], lambda x: x.astype(">f8"),
                                    lambda x: np.broadcast_to(x[:1], x.shape)])  # fmt: skip
def test_a_donated_argument_that_is_no_fit_is_copied_and_kept(donating, change):
    x, y = change(numbers((300,), "f8")), numbers((300,), "f8")
    before, want = x.copy(), step(x, y)
    got = donating(x, y)
    assert all(map(np.array_equal, got, want))
    assert np.array_equal(x, before)
    assert not any(np.shares_memory(x, g) for g in got)


def test_a_donated_argument_that_is_passed_twice_is_copied_and_kept(donating):
    memory = numbers((500,), "f8")
    before = memory.copy()
    for x, y in (
        (memory[:300], memory[:300]),
        (memory[:300], memory[200:]),
        (memory[200:], memory[:300]),
        (memory[:300], memory[299::-1]),
        (memory[:300], memory[100:400].view(np.memmap)),
    ):
        want = step(x, y)
        assert all(map(np.array_equal, donating(x, y), want))
        assert np.array_equal(memory, before)


def test_arguments_that_are_all_donated_may_be_one_array():
    f = wl.jit(lambda x, y: (x - 2 * y[::-1], y + x), donate_argnums=(0, 1))
    x = numbers((300,), "f8")
    before = x.copy()
    got = f(x, x)
    assert np.array_equal(got[0], before - 2 * before[::-1])
    assert np.array_equal(got[1], 2 * before)
    assert not np.shares_memory(*got)
    x, y = before.copy(), before[::-1].copy()
    got = f(x, y)
    assert np.array_equal(got[0], -before) and np.array_equal(got[1], before + before[::-1])


def test_a_donated_argument_that_is_still_read_is_not_overwritten_before():
    """Results that need it at other places, later, or whole."""
    x, y = numbers((300,), "f8"), numbers((300,), "f8")
    for f in (
        lambda x, y: (x[::-1] + y, x),
        lambda x, y: (x + y, x.sum() + x),
        lambda x, y: (y, x),
        lambda x, y: (x, x),
        lambda x, y: (np.concatenate([x[150:], x[:150]]), x[1:] * y[:-1]),
        lambda x, y: (x - x.max(), (x - x.max()) * y),
    ):
        want = f(x, y)
        got = wl.jit(f, donate_argnums=(0, 1))(x.copy(), y.copy())
        assert all(map(np.array_equal, got, want))
        assert not np.shares_memory(*got)


def test_donation_in_a_loop_keeps_one_block():
    f = wl.jit(lambda x, t: x * 0.5 + t, donate_argnums=0)
    x = np.zeros(1 << 16)
    address = x.ctypes.data
    for t in range(20):
        x = f(x, float(t))
        assert x.ctypes.data == address


@pytest.mark.parametrize("ndim", [33, 64])
def test_arrays_have_as_many_axes_as_numpys(ndim: int):
    x = np.ones((2, *(1,) * (ndim - 1)))
    for f in (
        lambda x: x * 2 + x[:1],
        lambda x: np.sum(x, axis=3),
        lambda x: np.where(x > 0, x, 1),
    ):
        for alone in (False, True):
            np.testing.assert_array_equal(wl.jit(f, disable_jit=alone)(x), f(x))


def test_an_axis_too_many_is_an_error_with_the_line():
    for f in (lambda x: x[None], lambda x: np.stack([x, x]), lambda x: np.reshape(x, (1,) * 65)):
        with pytest.raises(wl.ProgramError, match=r"at most 64 axes are possible, got 65\n.*test_"):
            wl.jit(f)(np.ones((1,) * 64))


def test_strings_of_numpy_are_no_numbers():
    with pytest.raises(ProgramError, match=r"one of bool, .* is required, got StringDType"):
        wl.jit(lambda x: x)(np.array(["a"], dtype=np.dtypes.StringDType()))
