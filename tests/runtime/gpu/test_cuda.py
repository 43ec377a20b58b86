"""GPUs through cuda.core itself, over the driver of tests/driver."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.driver import driver
from tests.driver.allocations import used
from tests.driver.contexts import ATTRIBUTES, PAGEABLE_ACCESS
from tests.driver.driver import ENTRIES
from tests.driver.order import stream_of
from tests.runtime.fake_cublaslt import FakeCublasLt
from wonderland.runtime.gpu import cublaslt, cuda, dlpack
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.gpu.device_array import LEGACY, adopt

RNG = np.random.default_rng(0)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def agree(f: Any, *args: Any) -> None:
    """The device gives what NumPy gives."""
    found = wl.jit(f, device="cuda")(*args)
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(np.asarray(x), y, 1e-5, 1e-5)


@pytest.mark.parametrize("x", [0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, -(2**62) - 7])
def test_slots_are_the_same_64_bits_with_or_without_a_sign(x: int) -> None:
    found = cuda.signed(x)
    assert -(2**63) <= found < 2**63 and (found - x) % 2**64 == 0


def test_negative_numbers_and_strides_are_arguments(driven: Any) -> None:
    x = RNG.standard_normal((5, 7))
    agree(lambda x: (np.flip(x, 0) * -3.7, x[::-1, ::-2] - 1.25e-3), x)
    agree(lambda x: x - 41, np.arange(9))


@pytest.mark.parametrize("rows", [(6144,), (6136, 6144, 6152), (8192, 7168, 8192)])
def test_rows_of_every_size_that_fits_shared_memory(driven: Any, rows: tuple[int, ...]) -> None:
    """From 48 KB on, beside what the code itself declares, and after a launch with less."""
    f = wl.jit(softmax, device="cuda")
    for n in rows:
        x = RNG.standard_normal((1, n))
        np.testing.assert_allclose(np.asarray(f(x)), softmax(x), 1e-12)
    assert driver().calls["cuKernelSetAttribute"] > 0


@pytest.mark.parametrize("operands, dtype", [(6, "f8"), (12, "f4"), (30, "f8")])
def test_any_number_of_operands_may_lie_crosswise(driven: Any, operands: int, dtype: str) -> None:
    xs = [RNG.standard_normal((33, 65)).astype(dtype) for _ in range(operands)]
    agree(lambda *xs: sum(x.T for x in xs), *xs)


# ------------------------------------------------------------------ memory and who sees it


class Shown:
    """Another library's array: memory that it gives back to the driver when it is gone."""

    def __init__(self, device: Any, x: np.ndarray) -> None:
        self.memory = device.allocate(x.nbytes)
        self.shape, self.dtype = x.shape, x.dtype
        device.upload(self.memory.address, x)
        device.synchronize()
        self.about = {"version": 3, "shape": x.shape, "typestr": x.dtype.str, "strides": None,
                      "stream": 1, "data": (self.memory.address, False)}  # fmt: skip

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.about


X = RNG.standard_normal(100)


def test_what_others_see_is_not_donated(driven: Any) -> None:
    x = wl.device_put(X, "cuda")
    address = x.__cuda_array_interface__["data"][0]
    y = wl.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert y.address != address and np.asarray(x).tolist() == X.tolist()
    z = wl.device_put(X, "cuda")
    address = z.address
    assert wl.jit(lambda x: x + 1, donate_argnums=0)(z).address == address


@pytest.mark.parametrize("way", ["interface", "dlpack"])
def test_what_others_saw_is_free_when_they_are_done(driven: Any, way: str) -> None:
    x = wl.device_put(X, "cuda")
    driven.synchronize()
    d, copy, address = cuda.driver(), driven.allocate(X.nbytes), x.address
    taken = dlpack.received(x.__dlpack__()) if way == "dlpack" else x.__cuda_array_interface__
    assert not int(d.cuMemcpyDtoDAsync(copy.address, address, X.nbytes, d.CUstream(LEGACY))[0])
    del x, taken
    driven.synchronize()
    out = np.empty_like(X)
    d.cuStreamSynchronize(d.CUstream(LEGACY))
    driven.download(out, copy.address)
    assert out.tolist() == X.tolist()


def test_memory_that_was_borrowed_is_there_again_when_it_is_needed(
    driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = wl.jit(lambda x: x * 2, device="cuda")
    given = Shown(driven, X)
    assert np.asarray(double(given)).tolist() == (2 * X).tolist()
    del given
    gc.collect()
    assert driven.limbo  # without that there is room for half of what is asked for
    monkeypatch.setattr(driver(), "capacity", used(driver()) + X.nbytes // 2)
    assert driven.allocate(X.nbytes).nbytes == X.nbytes
    assert not driven.limbo


@pytest.mark.parametrize("kind", ["pageable", "read by the device itself", "pinned"])
def test_what_is_copied_may_be_changed_at_once(
    driven: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = X.copy()
    if kind == "pinned":
        place = int(cuda.driver().cuMemAllocHost(x.nbytes)[1])
        x = np.ctypeslib.as_array(ctypes.cast(place, ctypes.POINTER(ctypes.c_double)), x.shape)
        x[:] = X
    if kind == "read by the device itself":
        monkeypatch.setitem(ATTRIBUTES, PAGEABLE_ACCESS, 1)
        driven = cuda.CudaDevice(cuda.core().Device(0))
    memory = driven.allocate(x.nbytes)
    driven.upload(memory.address, x)
    x[:] = 0
    out = np.empty_like(X)
    driven.download(out, memory.address)
    assert out.tolist() == X.tolist()


@pytest.mark.parametrize(
    "x", [np.float32(-1.5), np.float64(np.pi), np.array([-7], np.int32), np.arange(2.0)]
)
def test_a_number_goes_to_the_device_with_the_call(driven: Any, monkeypatch: Any, x: Any) -> None:
    """Nothing is read later, so nothing waits, whoever reads memory of the host."""
    monkeypatch.setitem(ATTRIBUTES, PAGEABLE_ACCESS, 1)
    device = cuda.CudaDevice(cuda.core().Device(0))
    x = np.asarray(x)
    memory, waits = device.allocate(x.nbytes), driver().calls["cuStreamSynchronize"]
    device.upload(memory.address, x)
    assert driver().calls["cuStreamSynchronize"] - waits == (x.nbytes > 8)
    found = np.empty_like(x)
    device.download(found, memory.address)
    assert found.tolist() == x.tolist()


def test_errors_that_end_everything_are_those_of_the_documentation(driven: Any) -> None:
    ending = re.compile(
        "must be terminated|cannot be used anymore|uncorrectable|context current .* destroyed"
    )
    told = {int(e) for e in cuda.driver().CUresult if ending.search(" ".join(e.__doc__.split()))}
    assert told - cuda.STICKY == set()
    assert {int(e): e.name for e in cuda.driver().CUresult}.keys() > cuda.STICKY
    assert cuda.STICKY - told == {999}  # which may be anything


def test_a_forked_child_frees_nothing(driven: Any) -> None:
    x = wl.device_put(X, "cuda")
    held = [wl.jit(lambda x: x + 1)(x), driven.mark(), wl.jit(np.sin)]
    held[2](x)
    borrowed = [adopt(Shown(driven, X), driven)]
    loan = x.__cuda_array_interface__
    gc.collect()  # of devices that were not told of the fork
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()  # from Python 3.12 on threads are warned of
    if not child:
        driven.forked()  # as is registered for the devices of the process
        before = driver().calls.total()
        held.clear()
        del x, loan
        gc.collect()
        os._exit(driver().calls.total() - before)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.asarray(borrowed[0]).tolist() == X.tolist()


def test_another_stream_comes_after_ours(driven: Any) -> None:
    d = cuda.driver()
    _, other = d.cuStreamCreateWithPriority(1, 0)  # nonblocking, as those of other libraries
    copy = driven.allocate(X.nbytes)
    y = wl.jit(lambda x: x + 1, device="cuda")(X)
    taken = dlpack.received(y.__dlpack__(stream=int(other)))
    assert not int(d.cuMemcpyDtoDAsync(copy.address, taken.address, X.nbytes, other)[0])
    assert not int(d.cuStreamSynchronize(other)[0])
    out = np.empty_like(X)
    driven.download(out, copy.address)
    assert out.tolist() == (X + 1).tolist()


# ------------------------------------------------------------------ the rest of the device


class Ordered(FakeCublasLt):
    """The library, on the driver's streams."""

    def cublasLtMatmul(self, *args: Any) -> int:  # type: ignore[override]
        work = super().cublasLtMatmul
        stream_of(driver(), args[-1].value).ask(lambda: work(*args))
        return 0


@pytest.mark.parametrize("refuses", [False, True])
def test_products_of_the_library_are_in_order(
    driven: Any, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    library = Ordered(driver().memory)
    library.refuses = refuses
    monkeypatch.setattr(cublaslt, "library", lambda: library)
    monkeypatch.setattr(cublaslt, "WORKSPACE_BYTES", 512)
    x, w = (RNG.standard_normal((66, 66)).astype(np.float32) for _ in "xw")
    assert driven.has_library
    agree(lambda x, w: np.tanh((x * 0.1) @ w) @ w, x, w)
    assert all(p[1] == 512 for p in library.preferences) and library.preferences


def test_memory_is_filled_and_what_the_driver_refuses_is_an_error(driven: Any) -> None:
    memory, out = driven.allocate(8), np.zeros(8, np.uint8)
    driven.fill(memory.address, 7, 8)
    driven.download(out, memory.address)
    assert out.tolist() == [7] * 8
    with pytest.raises(DeviceError, match="copy of 9 bytes on cuda:0: CUDA_ERROR_INVALID_VALUE"):
        driven.copy(memory.address, memory.address, 9)
    driver().mended()
    driven.fill(memory.address, 8, 0)
    driven.upload(memory.address, np.zeros(0))
    driven.download(out, memory.address)  # as before


def test_the_devices_of_a_machine_are_found_and_told_of_forks(
    driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(os, "register_at_fork", lambda after_in_child: told.append(after_in_child))
    (found,), why = cuda.cuda_found.__wrapped__()
    assert (str(found), found.architecture, why) == ("cuda:0", "sm_90", "")
    assert repr(found) == "<cuda:0 A driver of the tests, sm_90>"
    kept = found.allocate(10)
    told[0]()
    with pytest.raises(DeviceError, match="lost, by a fork, try: processes that are spawned"):
        found.fill(kept.address, 0, 10)


def test_what_the_driver_calls_is_what_the_tests_driver_has() -> None:
    called = set(
        re.findall(r'"(cu[A-Z]\w+)"|driver\(\)\.(cu[A-Z]\w+)\(', Path(cuda.__file__).read_text())
    )
    assert len(called) > 8 and {a or b for a, b in called} <= ENTRIES.keys()
