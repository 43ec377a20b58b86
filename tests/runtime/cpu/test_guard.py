"""The guard takes what kernels can read, converts what differs in layout, refuses the rest."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

from wonderland.runtime.cpu import guard
from wonderland.runtime.cpu.border import ACCEPTED
from wonderland.runtime.cpu.context import Context
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import KernelRow, Slot
from wonderland.runtime.spec import ArraySpec, accept, fits_spec

F32, F64, I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def misaligned(x: np.ndarray) -> np.ndarray:
    out = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


@pytest.fixture
def copying(kernels):
    """i64[6] → the same numbers: 0 + x."""
    spec = ArraySpec(I64, (6,))
    row = KernelRow(kernels["plus"], (Slot("input"), Slot("constant"), Slot("output")), (), 6, 6)
    return Program((row,), (spec,), (spec,), (np.zeros(6, np.int64),))


def test_structures_of_this_numpy_are_where_the_guard_reads_them():
    assert guard.verified()


def samples() -> list[np.ndarray]:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    read_only = x.copy()
    read_only.flags.writeable = False
    return [
        x, read_only, x.T, x.reshape(3, 2), np.asfortranarray(x), x[:, :2], x[::-1],
        x.astype(">f4"), x.astype("f8"), misaligned(x), np.repeat(x, 2)[::2].reshape(2, 3),
        np.zeros((2, 3, 1), np.float32), np.zeros((2, 0), np.float32), np.array(1, np.float32),
        x.view(np.int32), x.view(np.memmap), np.broadcast_to(np.float32(1), (2, 3)),
        x.view(x.dtype.newbyteorder()), np.repeat(x, 2, axis=1)[:, ::2],
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (6,), (), (2, 0), (2, 3, 1)])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_the_native_guard_says_what_python_says(shape, dtype):
    spec = ArraySpec(dtype, shape)
    context = Context(Program((), (spec,), ()).table, True, None)
    for leaf in [*samples(), 1.0, None, [1.0], np.float32(1), "x"]:
        assert (context.start((leaf,), ()) == ACCEPTED) == fits_spec(leaf, spec, donated=False), (
            repr(leaf)
        )


def test_the_first_refused_leaf_is_named():
    spec = ArraySpec(F64, (2,))
    context: Any = Context(Program((), (spec,) * 3, ()).table, True, None)
    good = np.zeros(2)
    assert context.start((good, good, good), ()) == ACCEPTED
    assert context.start((good, 1, good), ()) == 1
    assert context.start((good, good, good.astype("f4")), ()) == 2
    assert context.start((good, good), ()) == 3
    assert context.start([good, good, good], ()) == 3
    assert context.start(object(), ()) == 3


def test_layouts_that_differ_are_copied_and_values_are_right(copying):
    x = np.arange(6)
    wide = np.zeros((6, 2), np.int64)
    wide[:, 0] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for leaf in (
        x,
        x[::-1][::-1],
        wide[:, 0],
        x.astype(">i8"),
        misaligned(x),
        read_only,
        np.asarray(x).view(np.memmap),
    ):
        assert np.array_equal(copying((leaf,))[0], x)


def test_numbers_are_taken_for_arrays_without_axes(kernels):
    spec = ArraySpec(I64, ())
    row = KernelRow(kernels["plus"], (Slot("input"), Slot("input", 1), Slot("output")), (), 1, 1)
    add = Program((row,), (spec, spec), (spec,))
    (out,) = add((np.array(3), 4))
    assert out.shape == () and out == 7
    assert add((True, np.int64(4)))[0] == 5
    with pytest.raises(TypeError, match=r"^argument 1: i64\[\] is required, got float$"):
        add((3, 4.0))
    with pytest.raises(OverflowError):
        add((3, 2**70))


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (np.zeros(7, np.int64), r"argument 0: i64\[6\] is required, got i64\[7\]"),
        (np.zeros((1, 6), np.int64), r"argument 0: i64\[6\] is required, got i64\[1, 6\]"),
        (np.zeros(6, np.int32), r"argument 0: i64\[6\] is required, got i32\[6\]"),
        (np.zeros(6, bool), r"argument 0: i64\[6\] is required, got bool\[6\]"),
        ([0] * 6, r"argument 0: i64\[6\] is required, got list"),
        (None, r"argument 0: i64\[6\] is required, got NoneType"),
    ],
)
def test_what_differs_in_type_is_refused(copying, leaf, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        copying((leaf,))
    assert np.array_equal(copying((np.arange(6),))[0], np.arange(6))


def test_a_wrong_number_of_arguments_is_refused(copying):
    x = np.arange(6)
    with pytest.raises(TypeError, match=r"^1 arguments are required, got 2$"):
        copying((x, x))
    with pytest.raises(TypeError, match=r"^1 arguments are required, got 0$"):
        copying(())
    assert np.array_equal(copying([x])[0], x)


def test_the_slow_way_gives_what_the_native_guard_takes():
    spec = ArraySpec(F32, (2, 3))
    for leaf in samples():
        try:
            array = accept(leaf, spec, 0, donated=False)
        except TypeError:
            continue
        assert fits_spec(array, spec, donated=False)
        assert np.array_equal(array, np.asarray(leaf))


def test_a_context_without_the_native_guard_works_alike(kernels):
    spec = ArraySpec(I64, (6,))
    row = KernelRow(kernels["plus"], (Slot("input"), Slot("input", 1), Slot("output")), (), 6, 6)
    program = Program((row,), (spec, spec), (spec,), donated=())
    context = Context(program.table, True, None, native=False)
    x, y, out = np.arange(6), np.arange(6) ** 2, np.zeros(6, np.int64)
    assert context.start((x, y), (out,)) == ACCEPTED
    assert np.array_equal(out, x + y)
    assert context.start((x, y.astype("i4")), (out,)) == 1
    assert context.start((x,), (out,)) == 2
    donating = Context(
        Program((row,), (spec, spec), (spec,), donated=((1, 0),)).table, True, None, native=False
    )
    assert donating.start((x, y), (None,)) == ACCEPTED
    assert np.array_equal(y, x + np.arange(6) ** 2)
    assert donating.start((x, x), (None,)) == 1


def test_a_call_leaks_no_reference(copying):
    x = np.arange(6)
    leaves = (x,)
    copying(leaves)
    before = sys.getrefcount(x), sys.getrefcount(leaves), sys.getrefcount(I64)
    for _ in range(100):
        copying(leaves)
    assert (sys.getrefcount(x), sys.getrefcount(leaves), sys.getrefcount(I64)) == before


def test_a_dtype_object_of_another_origin_is_the_same_dtype(kernels):
    copied = pickle.loads(pickle.dumps(I64))
    spec = ArraySpec(copied, (6,))
    row = KernelRow(kernels["plus"], (Slot("input"), Slot("input"), Slot("output")), (), 6, 6)
    program = Program((row,), (spec,), (spec,))
    x = np.arange(6)
    for leaf in (x, x.view(copied)):
        (out,) = program((leaf,))
        assert np.array_equal(out, 2 * x) and out.dtype is I64
