"""Memory of results is nobody else's while anything can see it, and comes back when nothing can."""

from __future__ import annotations

import gc
import resource
import sys

import numpy as np
import pytest

from wonderland.runtime.cpu.memory import ALIGNMENT, POOLED_BYTES, Pool, aligned_array
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import KernelRow, Slot
from wonderland.runtime.spec import ArraySpec

I64 = np.dtype(np.int64)
LARGE = POOLED_BYTES // 8


@pytest.mark.parametrize("nbytes", [1, 63, 64, 1000, POOLED_BYTES, 3 << 20])
def test_blocks_begin_on_a_cache_line(nbytes):
    block = aligned_array(nbytes)
    assert block.nbytes == nbytes
    assert block.ctypes.data % ALIGNMENT == 0
    block[:] = 1


@pytest.fixture
def doubling(kernels):
    spec = ArraySpec(I64, (LARGE,))
    row = KernelRow(
        kernels["plus"], (Slot("input"), Slot("input"), Slot("output")), (), LARGE, 4096
    )
    return Program((row,), (spec,), (spec,))


def test_results_keep_their_values_whatever_dies_in_whatever_order(doubling):
    rng = np.random.default_rng(0)
    held: list[tuple[np.ndarray, int]] = []  # a view, and the number it is full of
    for k in range(300):
        (out,) = doubling((np.full(LARGE, k),))
        match rng.integers(4):
            case 0:
                held.append((out, 2 * k))
            case 1:
                held.append((out[5:-7:3], 2 * k))
            case 2:
                held.append((out.reshape(2, -1).T.view(np.uint64).view(np.int64), 2 * k))
            case _:
                held.append((np.frombuffer(memoryview(out), np.int64), 2 * k))
        del out
        while len(held) > 6:
            del held[rng.integers(len(held))]
        for view, number in held:
            assert (view == number).all()


def test_a_block_comes_back_when_the_last_view_dies(doubling):
    x = np.arange(LARGE)
    (first,) = doubling((x,))
    address = first.ctypes.data
    view = first[10:20]
    del first
    (second,) = doubling((x,))
    assert second.ctypes.data != address
    del view
    (third,) = doubling((x,))
    assert third.ctypes.data == address


def test_the_base_of_a_large_result_is_no_array(doubling):
    (out,) = doubling((np.arange(LARGE),))
    assert not isinstance(out.base, np.ndarray)
    assert out.flags.c_contiguous and out.flags.aligned and out.flags.writeable
    assert type(out) is np.ndarray
    assert out.dtype is I64


def test_results_outlive_their_program(kernels):
    spec = ArraySpec(I64, (LARGE,))
    row = KernelRow(
        kernels["plus"], (Slot("input"), Slot("input"), Slot("output")), (), LARGE, 4096
    )
    x = np.arange(LARGE)
    (out,) = Program((row,), (spec,), (spec,))((x,))
    gc.collect()
    assert np.array_equal(out, 2 * x)


def test_a_pool_keeps_no_more_free_blocks_than_told():
    pool = Pool({POOLED_BYTES: 2})
    held = [pool.output((POOLED_BYTES,), np.dtype(np.uint8), POOLED_BYTES) for _ in range(10)]
    assert len({a.ctypes.data for a in held}) == 10
    del held
    assert len(pool.free[POOLED_BYTES]) == 2


def test_a_dtype_without_type_string_is_kept():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bf16 = np.dtype(ml_dtypes.bfloat16)
    out = Pool({POOLED_BYTES: 1}).output((POOLED_BYTES // 2,), bf16, POOLED_BYTES)
    assert out.dtype is bf16 and out.shape == (POOLED_BYTES // 2,)


def test_poison_fills_what_kernels_do_not_write(kernels):
    spec = ArraySpec(np.dtype(np.float64), (100,))
    big = ArraySpec(np.dtype(np.float64), (LARGE,))
    row = KernelRow(
        kernels["plus"], (Slot("input"), Slot("arena", 0, 0), Slot("output", 1)), (), 100, 10
    )
    program = Program((row,), (spec,), (spec, spec, big), (), 800, 64, poison=True)
    unwritten, fed, large = program((np.zeros(100),))
    assert np.isnan(unwritten).all() and np.isnan(large).all()
    assert (fed.view(np.int64) == -1).all()  # 0 + the bits of the arena's poison


def test_poison_is_a_setting_of_the_environment(monkeypatch):
    monkeypatch.setenv("WONDERLAND_POISON", "1")
    assert np.isnan(Program((), (), (ArraySpec(np.dtype(np.float32), (9,)),))(())[0]).all()


def test_ten_thousand_calls_do_not_grow(chain, doubling):
    small, x, large = chain(3), np.arange(100), np.arange(LARGE)
    for _ in range(200):
        small((x,))
        doubling((large,))
    gc.collect()
    blocks, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for k in range(10_000):
        small((x,))
        if k % 20 == 0:
            doubling((large,))
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 4096  # KiB
