"""What the driver of the tests refuses, and in which order it works."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import driver as tested
from tests.driver import driver
from tests.driver.driver import ENTRIES, Driver
from tests.driver.graphs import UserObject
from wonderland.compiler.codegen.words import gpu_words
from wonderland.runtime.gpu import cubins, cuda
from wonderland.runtime.gpu.device import DeviceError, Launch

TEXT = """\
def add(x: pointer(f32), y: pointer(f32), n: integer, c: number(f32)):
    row = shared(0, f32)
    store(row, thread_index(), full(0, f32, 1))
    for i in range(block_index() * 256 + thread_index(), n, block_count() * 256):
        store(y, i, load(x, i, 1) + c)
"""
WORDS = gpu_words.words(), gpu_words.key()
N = 64


@pytest.fixture
def d(driven: cuda.CudaDevice) -> Iterator[Any]:
    """The driver's functions as cuda.bindings has them; what they refuse here is wanted."""
    driven.synchronize()
    yield cuda.driver()
    driver().mended()


def code(result: Any) -> int:
    return int(result[0])


def kernel_of(device: cuda.CudaDevice) -> Any:
    return device.load(device.code([TEXT], *WORDS)[TEXT])


def launched(device: cuda.CudaDevice, x: int, y: int, n: int = N, threads: int = 64) -> Launch:
    return Launch(kernel_of(device), (x, y, n, 0), 1, threads, 4 * threads, "add")


def ones(device: cuda.CudaDevice) -> tuple[Any, Any]:
    x, y = device.allocate(4 * N), device.allocate(4 * N)
    device.upload(x.address, np.ones(N, np.float32))
    return x, y


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "blocks, threads, shared, answer",
    [(1, 1024, 4096, 0), (1, 1025, 4100, 1), (0, 64, 256, 1), (2**31, 64, 256, 1), (1, 0, 0, 1),
     (1, 64, 232448, 0), (1, 64, 232449, 1)],
)  # fmt: skip
def test_launches_within_the_limits_of_the_device(
    driven: cuda.CudaDevice, d: Any, blocks: int, threads: int, shared: int, answer: int
) -> None:
    (x, y), kernel = ones(driven), d.CUkernel(int(kernel_of(driven).handle))
    config = d.CUlaunchConfig()
    config.gridDimX, config.gridDimY, config.gridDimZ = blocks, 1, 1
    config.blockDimX, config.blockDimY, config.blockDimZ = threads, 1, 1
    config.sharedMemBytes, config.hStream = shared, d.CUstream(driven.stream)
    slots = [np.array([v]) for v in (x.address, y.address, 0, 0)]
    arguments = np.array([s.ctypes.data for s in slots])
    assert (
        code(d.cuLaunchKernelEx(config, d.CUfunction(int(kernel)), arguments.ctypes.data, 0))
        == answer
    )


def test_shared_memory_beyond_48_kb_is_asked_for_and_bounded(
    driven: cuda.CudaDevice, d: Any
) -> None:
    data = driven.code([TEXT], *WORDS)[TEXT].cubin
    _, library = d.cuLibraryLoadData(data, [], [], 0, [], [], 0)
    name = driven.code([TEXT], *WORDS)[TEXT].entry.encode()
    _, kernel = d.cuLibraryGetKernel(library, name)
    most = d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    assert d.cuKernelGetAttribute(most, kernel, 0)[1] == 48 << 10
    assert code(d.cuKernelSetAttribute(most, (227 << 10) + 1, kernel, 0)) == 1
    assert code(d.cuKernelSetAttribute(most, 227 << 10, kernel, 0)) == 0
    assert d.cuKernelGetAttribute(most, kernel, 0)[1] == 227 << 10
    assert code(d.cuKernelSetAttribute(most, 0, kernel, 1)) == 101
    assert code(d.cuLibraryGetKernel(library, b"other")) == 500
    assert code(d.cuLibraryUnload(library)) == 0
    assert code(d.cuKernelGetAttribute(most, kernel, 0)) == 400


def test_code_of_another_architecture_or_none_at_all(driven: cuda.CudaDevice, d: Any) -> None:
    older = cubins.artifacts([TEXT], *WORDS, "sm_80")[TEXT].cubin
    assert code(d.cuLibraryLoadData(older, [], [], 0, [], [], 0)) == 209
    assert code(d.cuLibraryLoadData(b"x" * 100, [], [], 0, [], [], 0)) == 200
    other = bytearray(driven.code([TEXT], *WORDS)[TEXT].cubin)
    other[-1] ^= 1
    assert code(d.cuLibraryLoadData(bytes(other), [], [], 0, [], [], 0)) == 200


def test_memory_that_is_not_there_or_not_any_more(driven: cuda.CudaDevice, d: Any) -> None:
    x, stream = driven.allocate(64), d.CUstream(driven.stream)
    here = np.zeros(100, np.uint8)
    assert code(d.cuMemcpyHtoDAsync(x.address, here.ctypes.data, 64, stream)) == 0
    for start, nbytes in ((0, 65), (-1, 1), (64, 1)):
        at = x.address + start
        assert code(d.cuMemcpyHtoDAsync(at, here.ctypes.data, nbytes, stream)) == 1
        assert code(d.cuMemcpyDtoHAsync(here.ctypes.data, at, nbytes, stream)) == 1
        assert code(d.cuMemcpyDtoDAsync(at, x.address, nbytes, stream)) == 1
        assert code(d.cuMemsetD8Async(at, 0, nbytes, stream)) == 1
    address = x.address
    del x
    assert code(d.cuMemFreeAsync(address, stream)) == 1  # twice
    assert code(d.cuMemsetD8Async(address, 0, 1, stream)) == 1
    assert code(d.cuMemsetD8Async(address, 0, 1, d.CUstream(0x12340))) == 1


def test_streams_and_events_that_are_not_there(driven: cuda.CudaDevice, d: Any) -> None:
    stream, event = d.CUstream(driven.stream), d.cuEventCreate(0)[1]
    untimed = d.cuEventCreate(2)[1]
    assert code(d.cuStreamSynchronize(d.CUstream(0x12340))) == 400
    assert code(d.cuEventElapsedTime(event, event)) == 400  # never recorded
    assert code(d.cuEventRecord(event, stream)) == 0
    assert code(d.cuEventElapsedTime(event, event)) == 600 and code(d.cuEventQuery(event)) == 600
    assert code(d.cuEventSynchronize(event)) == code(d.cuEventQuery(event)) == 0
    assert code(d.cuEventRecord(untimed, stream)) == 0
    assert code(d.cuEventElapsedTime(event, untimed)) == 400
    assert code(d.cuEventDestroy(event)) == 0
    assert code(d.cuEventRecord(event, stream)) == 400


def test_a_thread_has_no_context_before_it_says_so(driven: cuda.CudaDevice, d: Any) -> None:
    found: list[Any] = []

    def other() -> None:
        found.append(code(d.cuEventCreate(0)))
        driven.synchronize()  # as all of cuda.py does
        found.append(code(d.cuEventCreate(0)))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [201, 0]


def test_a_fault_of_a_kernel_breaks_everything_after_it(driven: cuda.CudaDevice, d: Any) -> None:
    x, y = ones(driven)
    driven.launch(launched(driven, x.address, y.address, N + 1, 128))
    mark = driven.mark()
    driven.mark()
    with pytest.raises(DeviceError, match="the device is lost, by CUDA_ERROR_ILLEGAL_ADDRESS"):
        driven.synchronize()
    assert "at byte 256 of 256 bytes" in driver().faults[0]
    for lost in (driven.mark, lambda: driven.allocate(1), lambda: mark.is_done):
        with pytest.raises(DeviceError, match="the device was lost, by CUDA_ERROR_ILLEGAL_ADDRESS"):
            lost()
    assert code(d.cuMemGetInfo()) == code(d.cuCtxSynchronize()) == 700


# ------------------------------------------------------------------ order


def test_nothing_is_done_before_somebody_waits(driven: cuda.CudaDevice) -> None:
    x, y = ones(driven)
    driven.launch(launched(driven, x.address, y.address))
    mark = driven.mark()
    assert not mark.is_done and (driver().memory.part(y.address, 4 * N, True) == 0xA5).all()
    found = np.zeros(N, np.float32)
    driven.download(found, y.address)
    assert mark.is_done and (found == 1).all()


def test_streams_wait_for_events_only_and_blocking_ones_for_the_legacy(
    driven: cuda.CudaDevice, d: Any
) -> None:
    x, y = (driven.allocate(1) for _ in "xy")
    here = np.zeros(1, np.uint8)

    def last(first: Any, second: Any, wait: bool) -> int:
        """What is written in the end if only the second stream is waited for, then the first."""
        d.cuMemsetD8Async(x.address, 1, 1, first)
        if wait:
            event = d.cuEventCreate(0)[1]
            d.cuEventRecord(event, first)
            d.cuStreamWaitEvent(second, event, 0)
        d.cuMemsetD8Async(x.address, 2, 1, second)
        d.cuStreamSynchronize(second)
        d.cuStreamSynchronize(first)
        driven.download(here, x.address)
        return int(here[0])

    free = d.CUstream(driven.stream)
    _, blocking = d.cuStreamCreateWithPriority(0, 0)
    legacy = d.CUstream(1)
    assert last(free, blocking, False) == last(legacy, free, False) == 1
    assert last(free, blocking, True) == last(legacy, free, True) == 2
    assert last(blocking, legacy, False) == last(legacy, blocking, False) == 2
    assert y.nbytes == 1


def test_nodes_that_may_run_together_run_in_the_opposite_order(driven: cuda.CudaDevice) -> None:
    x, y = ones(driven)
    z = driven.allocate(4 * N)
    forth, on = launched(driven, x.address, y.address), launched(driven, y.address, z.address)
    one_after_the_other = driven.graph(((forth,), (on,)))
    one_after_the_other.launch()
    driven.synchronize()
    wrong = driven.graph(((launched(driven, x.address, (w := driven.allocate(4 * N)).address),
                           launched(driven, w.address, z.address)),))  # fmt: skip
    wrong.launch()
    with pytest.raises(DeviceError, match="the device is lost"):
        driven.synchronize()
    assert "which nothing wrote" in driver().faults[0]
    driver().mended()


def test_changes_of_a_graph_are_for_the_next_launch(driven: cuda.CudaDevice) -> None:
    x, y = ones(driven)
    z = driven.allocate(4 * N)
    graph = driven.graph(((launched(driven, x.address, y.address),),))
    graph.launch()
    graph.change(0, launched(driven, y.address, z.address))
    graph.launch()
    found = np.zeros(N, np.float32)
    driven.download(found, z.address)
    assert (found == 1).all()


def test_what_a_graph_keeps_goes_with_it(driven: cuda.CudaDevice) -> None:
    x, y = ones(driven)
    gc.collect()
    before = len(driver().live(UserObject))
    graph = driven.graph(((launched(driven, x.address, y.address),),))
    assert len(driver().live(UserObject)) > before
    del graph
    gc.collect()
    assert len(driver().live(UserObject)) == before


# ------------------------------------------------------------------ life


def test_after_a_fork_it_is_not_initialised(driven: cuda.CudaDevice, d: Any) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()  # from Python 3.12 on threads are warned of
    if not child:
        os._exit(code(d.cuCtxSynchronize()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_what_lives_when_python_ends_ends_quietly(driven: cuda.CudaDevice) -> None:
    script = """
from tests import driver
device = driver.device()
kept = device.allocate(100), device.mark(), device.graph(((),))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_function_is_one_of_the_interface(driven: cuda.CudaDevice) -> None:
    named = [name.removesuffix("_v2") for name in dir(cuda.driver())]
    assert [name for name in ENTRIES if name not in named] == []
    assert isinstance(driver(), Driver) and not tested.missing()
