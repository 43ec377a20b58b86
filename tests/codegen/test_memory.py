"""Words over memory; what a mask excludes is neither read nor written."""

from __future__ import annotations

import ctypes
import ctypes.util
import mmap

import numpy as np
import pytest

from wonderland.compiler.codegen.words import twin
from wonderland.compiler.codegen.words.numpy_words import NUMPY

from .kernels import compiled

DTYPES = tuple(NUMPY)
BODIES = {
    "neighbours": "store(y, 3, load(x, 5, 16))",
    "masked": "store_where(y, 3, load_where(x, 5, m, 1), m)",
    "strided": "store_strided(y, 60, 0 - 3, load_strided(x, 1, 2, 16))",
    "strided and masked": "store_strided_where(y, 60, 0 - 3, load_strided_where(x, 1, 2, m, 1), m)",
    "gathered": "store(y, 0, gather(x, iota(2, i64, 16) * 3))",
    "gathered and masked": "store(y, 0, gather_where(x, iota(2, i64, 16) * 3, m, 1))",
    "every other one": "store(y, 3, load_strided(x, 5, 2, 16))",
    "every third one": "store(y, 3, load_strided(x, 5, 3, 16))",
    "every eighth one": "store(y, 3, load_strided(x, 2, 8, 16))",
    "every third one of two registers": "store(y, 0, load_strided(x, 1, 3, 32))",
    "rows as columns": "load_rows(x, 3, y, 1, 20, 5, 16)",
    "columns as rows": "store_rows(y, 2, x, 3, 17, 7, 16)",
    "pairs": "store_pairs(y, 3, load(x, 5, 16), load(x, 40, 16))",
    "pairs of long vectors": "store_pairs(y, 1, load(x, 0, 32), load(x, 8, 32))",
    "pairs of numbers": "store_pairs(y, 2, load(x, 9, 1), 1)",
    "masked pairs": "store_pairs_where(y, 3, load(x, 5, 16), load(x, 40, 16), m)",
    "numbers": "store_where(y, 0, 1, m)",
    "moved pointers": "store(at(y, 2), 1, load(at(x, 7), 0 - 2, 8))",
    "transposed": "transpose(x, 1, 9, y, 0, 8, 8)",
    "prefetched": "prefetch(x, 1000000)",
}


def text(dtype: str, body: str) -> str:
    return f"""
def kernel(args, start, stop, scratch):
    x = pointer(args, 0, {dtype})
    y = address_pointer(integer(args, 1), {dtype})
    m = first(start, 16) & cast(load(x, 0, 16), bool)
    {body}
"""


TEXTS = {(d, name): text(d, body) for d in DTYPES for name, body in BODIES.items()}


@pytest.fixture(scope="module")
def machine():
    return compiled(list(TEXTS.values()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BODIES)
def test_machine_code_and_twin_write_the_same_memory(name, dtype, machine):
    source = TEXTS[dtype, name]
    x = np.random.default_rng(1).integers(0, 2, 128).astype(NUMPY[dtype])
    x[16:] = np.arange(112).astype(NUMPY[dtype])
    for n in (0, 1, 7, 16, 2**33):
        ours, twins = np.ones((2, 128), NUMPY[dtype])
        for out, how in (
            (ours, machine[source]),
            (twins, lambda *a, s=source: twin.run_text(s, *a)),
        ):
            args = np.array([x.ctypes.data, out.ctypes.data], np.int64)
            how(args.ctypes.data, n, 0, 0)
        np.testing.assert_array_equal(ours, twins)


TAIL = """
def kernel(args, start, stop, scratch):
    x = pointer(args, 0, DTYPE)
    m = first(stop, 16)
    store_where(x, 0, load_where(x, 0, m, 0), m)
    store_strided_where(x, 0, 1, load_strided_where(x, 0, 1, m, 0), m)
    store_where(x, 0, gather_where(x, iota(0, i64, 16), m, 0), m)
"""


WHOLE = """
def kernel(args, start, stop, scratch):
    x = pointer(args, 0, DTYPE)
    store(x, 0, load_strided(x, 0, 2, 16))
"""  # 31 elements


EVERY_OTHER = """
def kernel(args, start, stop, scratch):
    x = pointer(args, 0, DTYPE)
    m = first(stop, 16)
    store_where(x, 0, load_strided_where(x, 0, 2, m, 1), m)
"""  # 2 * stop - 1 elements


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs POSIX memory protection")
def test_masked_words_never_touch_memory_outside_the_mask():
    texts = {d: TAIL.replace("DTYPE", d) for d in DTYPES}
    wholes = {d: WHOLE.replace("DTYPE", d) for d in DTYPES}
    pairs = {d: EVERY_OTHER.replace("DTYPE", d) for d in DTYPES}
    machine = compiled([*texts.values(), *wholes.values(), *pairs.values()])
    page = mmap.PAGESIZE
    region = mmap.mmap(-1, 2 * page)
    memory = (ctypes.c_char * (2 * page)).from_buffer(region)
    start = ctypes.addressof(memory)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(start + page), ctypes.c_size_t(page), 0) == 0
    for dtype, source in texts.items():
        for n in (0, 1, 5, 15):  # the last n elements before memory that may not be touched
            args = np.array([start + page - n * NUMPY[dtype].itemsize], np.int64)
            machine[source](args.ctypes.data, 0, n, 0)
            args -= max(n - 1, 0) * NUMPY[dtype].itemsize
            machine[pairs[dtype]](args.ctypes.data, 0, n, 0)
        args = np.array([start + page - 31 * NUMPY[dtype].itemsize], np.int64)
        machine[wholes[dtype]](args.ctypes.data, 0, 0, 0)
    assert libc.mprotect(ctypes.c_void_p(start + page), ctypes.c_size_t(page), 3) == 0
    del memory
    region.close()
