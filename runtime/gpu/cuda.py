"""NVIDIA's GPUs as devices, through cuda.core: streams, a stream-ordered pool, explicit graphs.

Imported when a GPU is asked for and never before. Without one, `cuda_devices` is empty, and
`missing` says what is lacking.

A launch that fails leaves everything as it was. A kernel that faults takes the context with it: the
device is lost for this process, every further use of it says so, and the processor goes on.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import hashlib
import importlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..errors import ProcessError
from ..rows import MatrixProduct
from . import cublaslt, dlpack
from .device import DeviceError, DeviceMemory, Launch, OutOfDeviceMemory, longer
from .device_array import LEGACY, release_borrowed

T = TypeVar("T")

PACKAGE = "pip install wonderland[cuda]"
STICKY = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911, 999}
"""Errors after which nothing of the context works any more, by the words of CUresult."""


@functools.cache
def core() -> Any:
    """cuda.core. Errors: ImportError, OSError."""
    return importlib.import_module("cuda.core")


@functools.cache
def driver() -> Any:
    return importlib.import_module("cuda.bindings.driver")


@functools.cache
def cuda_found() -> tuple[tuple[CudaDevice, ...], str]:
    """All devices, and why there are none."""
    try:
        core()
    except ImportError:
        return (), f"cuda.core is not installed, try: {PACKAGE}"
    try:
        result = driver().cuInit(0)
    except Exception:  # cuda.core has errors of several kinds for a library that is not there
        return (), "there is no NVIDIA driver (libcuda.so) on this machine"
    if int(result[0]):
        return (), f"the NVIDIA driver does not start, {result[0].name}"
    all_devices = core().Device.get_all_devices()
    if not all_devices:
        return (), "the NVIDIA driver sees no GPU"
    made = tuple(CudaDevice(d) for d in all_devices)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: [d.forked() for d in made])
    return made, ""


def cuda_devices() -> tuple[CudaDevice, ...]:
    return cuda_found()[0]


def missing() -> str:
    """What is lacking; empty if there is a device."""
    return cuda_found()[1]


class CudaDevice:
    """A GPU: its primary context, one stream, one pool."""

    kind = "cuda"

    def __init__(self, device: Any) -> None:
        self._device = device
        self.index, self.name = int(device.device_id), str(device.name)
        capability = device.compute_capability
        self.architecture = f"sm_{capability[0]}{capability[1]}"
        self.limbo: list[tuple[Any, Any]] = []
        self.carriers: dict[Any, Any] = {}
        self.watch: Callable[[], None] | None = None
        self.is_forked = False
        self._lost = ""
        self._opened: dict[str, Any] = {}  # the stream, the pool ..., once they are asked for
        self._kernels: dict[str, Any] = {}  # kept, so that no two have a handle one after another
        self._plans: dict[MatrixProduct, cublaslt.ProductPlan | None] = {}
        self._configs: dict[tuple[int, ...], Any] = {}

    @property
    def identity(self) -> bytes:
        return hashlib.blake2b(self._device.uuid.encode(), digest_size=16).digest()

    def __str__(self) -> str:
        return f"cuda:{self.index}"

    def __repr__(self) -> str:
        return f"<cuda:{self.index} {self.name}, {self.architecture}>"

    def forked(self) -> None:
        """CUDA does not survive a fork: its library is not called any more, to free something
        neither."""
        self._lost, self.is_forked = "by a fork, try: processes that are spawned", True
        kept_forever(*self._opened.values(), *self._kernels.values())

    # ---- the driver

    # kept by hand: functools' way holds a lock, which a fork of another thread would leave locked

    @property
    def _stream(self) -> Any:
        return self._opened_stream("stream")

    @property
    def _second(self) -> Any:
        return self._opened_stream("second stream")

    def _opened_stream(self, name: str) -> Any:
        if name not in self._opened:
            self._device.set_current()
            options = core().StreamOptions(nonblocking=True)
            self._opened[name] = self._device.create_stream(options=options)
        return self._opened[name]

    def _settle(self) -> None:
        """Waits until all that was asked for is done; with transfers, for no process that left."""
        if self.watch is None:
            return self._stream.sync()
        event, pause = self._stream.record(), 0.0
        while not event.is_done:
            self.watch()
            time.sleep(pause)
            pause = longer(pause)

    @property
    def _pool(self) -> Any:
        if "pool" not in self._opened:
            self._opened["pool"] = self._new_pool()
        return self._opened["pool"]

    def _new_pool(self) -> Any:
        """Memory that is given back stays with the process: asking again is cheap."""
        self._device.set_current()
        pool = core().DeviceMemoryResource(self._device, core().DeviceMemoryResourceOptions())
        d = driver()
        keep = d.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
        d.cuMemPoolSetAttribute(pool.handle, keep, d.cuuint64_t(2**64 - 1))
        return pool

    def _do(self, what: str, work: Callable[[], T]) -> T:
        """`work` in this device's context; its error as one of ours."""
        if self._lost:
            raise DeviceError(f"{what} on {self}: the device was lost, {self._lost}")
        try:
            self._device.set_current()
            return work()
        except (DeviceError, ProcessError):
            raise
        except Exception as error:
            raise self._error(what, error) from error

    def _error(self, what: str, error: Exception) -> DeviceError:
        text = str(error).strip() or type(error).__name__
        if "OUT_OF_MEMORY" in text:
            return OutOfDeviceMemory(f"{what} on {self}: out of memory, {self._room()}")
        code = getattr(error, "code", None)
        if code is None:  # cuda.core names the error in its message
            names = (e for e in driver().CUresult if e.name in text)
            code = max(names, key=lambda e: len(e.name), default=0)
        if int(code) in STICKY:
            self._lost = (
                f"by {text.partition(':')[0]} in what ran there before; arrays on it are gone, "
                "try: a new process, and please report the program"
            )
            return DeviceError(f"{what} on {self}: the device is lost, {self._lost}")
        return DeviceError(f"{what} on {self}: {text}")

    def _room(self) -> str:
        result, free, total = driver().cuMemGetInfo()
        return f"{free} of {total} bytes are free" if not int(result) else "nothing is known"

    def _call(self, name: str, *args: Any) -> list[Any]:
        (result, *found) = getattr(driver(), name)(*args)
        if int(result):
            raise _DriverError(result)
        return found

    # ---- memory

    def allocate(self, nbytes: int) -> DeviceMemory:
        what, size = f"memory of {nbytes} bytes", max(nbytes, 1)

        def work() -> Any:
            return self._pool.allocate(size, stream=self._stream)

        try:
            return _Memory(self, self._do(what, work), nbytes)
        except OutOfDeviceMemory:
            gc.collect()  # arrays in cycles, what is borrowed, then what the pool keeps for later
            self._do(what, self._settle)
            release_borrowed(self)
            self._do(what, lambda: self._call("cuMemPoolTrimTo", self._pool.handle, 0))
            return _Memory(self, self._do(what, work), nbytes)

    def _reads_host(self) -> bool:
        """Whether the device reads all memory of the host itself, so that none must be staged."""
        if "reads host" not in self._opened:
            which = driver().CUdevice_attribute.CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS
            (found,) = self._call("cuDeviceGetAttribute", which, self.index)
            self._opened["reads host"] = bool(found)
        return self._opened["reads host"]

    def upload(self, address: int, array: np.ndarray) -> None:
        if not array.nbytes:
            return
        if array.nbytes in (4, 8) and address % 4 == 0:  # told with the call: nothing is read later
            for k, word in enumerate(array.reshape(-1).view(np.uint32).tolist()):
                args = address + 4 * k, word, 1, self._stream.handle
                self._do("a word", lambda args=args: self._call("cuMemsetD32Async", *args))
            return

        def work() -> None:
            place = array.ctypes.data
            self._call("cuMemcpyHtoDAsync", address, place, array.nbytes, self._stream.handle)
            d = driver()
            kind = d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_MEMORY_TYPE
            if self._reads_host() or not int(d.cuPointerGetAttribute(kind, place)[0]):
                self._settle()  # it may be read later; other memory is staged at once

        self._do(f"copy of {array.nbytes} bytes to the device", work)

    def download(self, array: np.ndarray, address: int) -> None:
        def work() -> None:
            if array.nbytes:
                place, stream = array.ctypes.data, self._stream.handle
                self._call("cuMemcpyDtoHAsync", place, address, array.nbytes, stream)
            self._settle()

        self._do(f"copy of {array.nbytes} bytes to the host", work)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        if nbytes:
            args = to, source, nbytes, self._stream.handle
            self._do(f"copy of {nbytes} bytes", lambda: self._call("cuMemcpyDtoDAsync", *args))

    def fill(self, address: int, byte: int, nbytes: int) -> None:
        if nbytes:
            args = address, byte, nbytes, self._stream.handle
            self._do(f"fill of {nbytes} bytes", lambda: self._call("cuMemsetD8Async", *args))

    # ---- kernels

    def code(self, texts: Iterable[str], words: Mapping[str, Any], key: str) -> dict[str, Any]:
        from . import cubins  # brings LLVM

        return dict(cubins.artifacts(texts, words, key, self.architecture))

    def load(self, code: Any) -> Any:
        def work() -> Any:
            kernel = core().ObjectCode.from_cubin(code.cubin).get_kernel(code.entry)
            self._allow_all_shared_memory(kernel)
            return kernel

        if code.digest not in self._kernels:
            self._kernels[code.digest] = self._do(f"loading {code.entry}", work)
        return self._kernels[code.digest]

    def _allow_all_shared_memory(self, kernel: Any) -> None:
        """Launches may ask for all that a block can have beside what the code itself declares.

        Said once: it holds for all sizes that the kernel is launched for, and else a launch has
        48 KB less what the code declares.
        """
        d = driver()
        of = d.CUfunction_attribute
        handle = d.CUkernel(int(kernel.handle))
        ask = of.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
        (declared,) = self._call("cuKernelGetAttribute", ask, handle, self.index)
        most = self._device.properties.max_shared_memory_per_block_optin - declared
        ask = of.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        self._call("cuKernelSetAttribute", ask, most, handle, self.index)

    def launch(self, launch: Launch) -> None:
        args = tuple(map(signed, launch.slots))

        def work() -> None:
            core().launch(self._stream, self._config(launch), launch.kernel, *args)

        self._do(f"a launch of {launch.name}", work)

    @property
    def has_library(self) -> bool:
        return cublaslt.library() is not None

    def product(self, product: MatrixProduct) -> Callable[[tuple[int, ...]], None] | None:
        if not self.has_library:
            return None
        if product not in self._plans:
            self._plans[product] = self._do("a plan of a product", lambda: self._plan(product))
        plan = self._plans[product]
        if plan is None:
            return None
        return lambda addresses: self._do(
            "a product", lambda: plan.run(addresses, int(self._stream.handle))
        )

    def _plan(self, product: MatrixProduct) -> cublaslt.ProductPlan | None:
        if "products" not in self._opened:
            nbytes = cublaslt.WORKSPACE_BYTES
            workspace = self._opened["workspace"] = self.allocate(nbytes)
            try:
                made = cublaslt.Products(cublaslt.library(), workspace.address, nbytes)
            except cublaslt.LibraryError:  # of another driver than this one
                made = None
            self._opened["products"] = made
        products = self._opened["products"]
        return None if products is None else products.plan(product)

    def graph(self, waves: tuple[tuple[Launch, ...], ...]) -> CudaGraph:
        return self._do("making a graph", lambda: CudaGraph(self, waves))

    def _config(self, launch: Launch) -> Any:
        key = launch.blocks, launch.threads, launch.shared_bytes
        if key not in self._configs:
            self._configs[key] = core().LaunchConfig(
                grid=launch.blocks, block=launch.threads, shmem_size=launch.shared_bytes
            )
        return self._configs[key]

    # ---- order

    @property
    def stream(self) -> int:
        return int(self._do("a stream", lambda: self._stream.handle))

    @property
    def beside(self) -> int:
        return int(self._do("a stream", lambda: self._second.handle))

    @property
    def dlpack(self) -> tuple[int, int]:
        return dlpack.CUDA, self.index

    def lead(self, stream: int) -> None:
        def work() -> None:
            event = self._stream.record()
            other = driver().CUstream(stream or LEGACY)
            self._call("cuStreamWaitEvent", other, event.handle, 0)

        self._do("ordering another stream", work)

    def follow(self, stream: int) -> None:
        def work() -> None:
            event = self._device.create_event()
            self._call("cuEventRecord", event.handle, driver().CUstream(stream or LEGACY))
            self._stream.wait(event)

        self._do("waiting for another stream", work)

    def mark(self, timed: bool = False) -> CudaMark:
        options = core().EventOptions(timing_enabled=timed)
        return CudaMark(self, self._do("an event", lambda: self._stream.record(options=options)))

    def mark_beside(self) -> CudaMark:
        return CudaMark(self, self._do("an event", lambda: self._second.record()))

    def wait_beside(self, mark: CudaMark) -> None:
        self._do("waiting for transfers", lambda: self._stream.wait(mark.event))

    def synchronize(self) -> None:
        self._do("the work before", self._settle)


class _DriverError(Exception):
    def __init__(self, result: Any) -> None:
        super().__init__(result.name)
        self.code = int(result)


def kept_forever(*made: Any) -> None:
    """Objects of cuda.core that are never given back to the driver."""
    for x in made:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(x))


class _Made:
    """What the driver made for a device; it gets it back when nobody holds this."""

    def __init__(self, device: CudaDevice, *made: Any) -> None:
        self.device, self.handles = device, made

    def __del__(self) -> None:
        if self.device.is_forked:
            kept_forever(*self.handles)


class _Memory(_Made):
    """A buffer of the pool, which goes back in the order of the stream it was asked on."""

    def __init__(self, device: CudaDevice, buffer: Any, nbytes: int) -> None:
        super().__init__(device, buffer)
        self.address, self.nbytes = int(buffer.handle), nbytes


class CudaMark(_Made):
    """An event on the stream."""

    def __init__(self, device: CudaDevice, event: Any) -> None:
        super().__init__(device, event)
        self.event = event

    @property
    def is_done(self) -> bool:
        return self.device._do("the work before", lambda: self.event.is_done)

    def seconds_since(self, before: CudaMark) -> float:
        def work() -> float:
            self.event.sync()
            return (self.event - before.event) / 1e3

        return self.device._do("the work before", work)


class CudaGraph(_Made):
    """An explicit graph; cuda.core keeps what its nodes refer to."""

    def __init__(self, device: CudaDevice, waves: tuple[tuple[Launch, ...], ...]) -> None:
        super().__init__(device)
        self.definition = importlib.import_module("cuda.core.graph").GraphDefinition()
        self.nodes: list[Any] = []
        place = self.definition
        for wave in waves:
            made = [place.launch(device._config(x), x.kernel, *map(signed, x.slots)) for x in wave]
            self.nodes += made
            place = made[0] if len(made) == 1 else self.definition.join(*made)
        self.executable = self.definition.instantiate()
        self.handles = self.definition, self.executable, *self.nodes
        self.executable.upload(device._stream)

    def change(self, k: int, launch: Launch) -> None:
        args = tuple(map(signed, launch.slots))

        def work() -> None:
            node = self.executable[self.nodes[k]]
            node.update(config=self.device._config(launch), kernel=launch.kernel, args=args)

        self.device._do(f"a launch of {launch.name}", work)

    def launch(self) -> None:
        self.device._do("a launch", lambda: self.executable.launch(self.device._stream))


def signed(x: int) -> int:
    """64 bits as cuda.core takes them for an argument."""
    return (x + (1 << 63)) % (1 << 64) - (1 << 63)
