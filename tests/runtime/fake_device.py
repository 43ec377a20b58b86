"""A device for tests: host memory, a queue that runs when somebody waits, kernels interpreted.

It records what it is asked for, and faults on what a GPU would hide.
"""

from __future__ import annotations

import itertools
import struct
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.ptx import Memory, launch
from tests.runtime.fake_cublaslt import FakeCublasLt
from wonderland.runtime.gpu import dlpack
from wonderland.runtime.gpu.architectures import architecture
from wonderland.runtime.gpu.cublaslt import Products
from wonderland.runtime.gpu.cuda import signed
from wonderland.runtime.gpu.device import DeviceError, Launch, OutOfDeviceMemory
from wonderland.runtime.rows import MatrixProduct

ALIGN = 256
WORKSPACE_BYTES = 512
COMPILED: dict[tuple[str, str], Code] = {}  # by architecture and text, for the whole run
MAKING = threading.Lock()  # Python parses in one thread at a time


@dataclass(frozen=True)
class Code:
    """A kernel of PTX."""

    ptx: str
    entry: str


class FakeMemory:
    """Host memory between guards, registered at its own address."""

    def __init__(self, device: FakeDevice, nbytes: int) -> None:
        self.nbytes = nbytes
        self.block = np.full(nbytes + 3 * ALIGN, 0xA5, np.uint8)
        start = -self.block.ctypes.data % ALIGN + ALIGN
        self.bytes = self.block[start : start + nbytes]
        self.address = self.bytes.ctypes.data if nbytes else self.block.ctypes.data + start
        device.memory.place(self.bytes, written=False, address=self.address, name=f"{nbytes} bytes")
        weakref.finalize(self, device.release, self.address, nbytes, self.block)


class FakeMark:
    """After the asks of a stream so far; `known`: how many of each stream are done by then."""

    is_done = False

    def __init__(self, device: FakeDevice, timed: bool, stream: FakeStream) -> None:
        self.device, self.timed, self.stream = device, timed, stream
        self.known = dict(stream.known)

    def done(self) -> None:
        self.is_done, self.time = True, time.perf_counter()

    def seconds_since(self, before: FakeMark) -> float:
        assert self.timed and before.timed, "marks that are not timed"
        self.device.drain()
        return self.time - before.time


class FakeStream:
    """Work in order. `known`: by number of a stream, how many of its asks come before the next."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.queue: deque[Callable[[], object] | FakeMark] = deque()
        self.known: dict[int, int] = {}

    def wait(self, mark: FakeMark) -> None:
        self.queue.append(mark)
        for stream, count in mark.known.items():
            self.known[stream] = max(count, self.known.get(stream, 0))

    @property
    def blocked(self) -> bool:
        """Whether the next is to wait for another stream."""
        return isinstance(self.queue[0], FakeMark) and not self.queue[0].is_done

    def step(self) -> None:
        work = self.queue.popleft()
        if not isinstance(work, FakeMark):
            work()
        while isinstance(work, FakeMark) and not work.is_done:
            work.stream.step()


@dataclass(frozen=True)
class Ask:
    """What was asked of a stream, and what is done before it."""

    what: str
    stream: int
    number: int
    known: Mapping[int, int]

    def before(self, other: Ask) -> bool:
        """Whether the other waits for it."""
        return self.number < other.known.get(self.stream, 0)


class FakeDevice:
    """`log` holds what was asked for; nothing is done before somebody waits.

    The second stream is as late as it may be, or, if it is `eager`, as early. `asked` is the log
    with what comes before what.
    """

    kind, index, name = "cuda", 0, "Fake"
    architecture = "sm_90"
    stream, beside = 0xFA4E, 0xFA4F
    dlpack = dlpack.CPU, 0  # so that NumPy can read what is exported

    def __init__(self, capacity: int = 1 << 40, eager: bool = False) -> None:
        self.memory, self.eager = Memory(), eager
        self.log: list[str] = []
        self.asked: list[Ask] = []
        self.first, self.second = FakeStream(self.stream), FakeStream(self.beside)
        self.limbo: list[tuple[Any, Any]] = []
        self.carriers: dict[Any, Any] = {}
        self.watch: Callable[[], None] | None = None
        self.used, self.capacity = 0, capacity
        self.products: Products | None = None  # a library of products, if `with_library` was called
        self.failing = ""  # the next thing of this name fails, behind `passing` that do not
        self.passing = 0
        self.lost = False

    def __str__(self) -> str:
        return f"cuda:{self.index}"

    @property
    def identity(self) -> bytes:
        return id(self).to_bytes(16)

    @property
    def queue(self) -> deque[Any]:
        return self.first.queue

    def ask(self, what: str, work: Callable[[], object] = bool, beside: bool = False) -> None:
        if self.lost:
            raise DeviceError(f"{what} on {self}: the device was lost")
        if self.failing and what.startswith(self.failing) and not self.passing:
            self.failing = ""
            raise DeviceError(f"{what} on {self}: planted")
        self.passing -= bool(self.failing) and what.startswith(self.failing)
        self.log.append(what)
        stream = self.second if beside else self.first
        number = stream.known.get(stream.number, 0)
        self.asked.append(Ask(what, stream.number, number, dict(stream.known)))
        stream.known[stream.number] = number + 1
        stream.queue.append(work)

    def drain(self) -> None:
        """Until the first stream has nothing left to do; `watch` is called before each step."""
        while self.queue:
            while self.eager and self.second.queue and not self.second.blocked:
                self.second.step()
            if self.watch is not None:
                self.watch()
            self.first.step()

    # ---- memory

    def allocate(self, nbytes: int) -> FakeMemory:
        if self.used + nbytes > self.capacity:
            self.drain()
        if self.used + nbytes > self.capacity:
            free = f"{self.capacity - self.used} of {self.capacity} bytes are free"
            raise OutOfDeviceMemory(f"memory of {nbytes} bytes on {self}: out of memory, {free}")
        self.ask(f"allocate {nbytes}")
        self.used += nbytes
        return FakeMemory(self, nbytes)

    def release(self, address: int, nbytes: int, block: np.ndarray) -> None:
        """In the order of the queue; `block` lives until then."""

        def work() -> None:
            self.memory.remove(address)
            self.used -= nbytes
            block[:] = 0x5A

        self.log.append(f"free {nbytes}")
        self.queue.append(work)

    def upload(self, address: int, array: np.ndarray) -> None:
        data = array.reshape(-1).view(np.uint8).copy()

        def work() -> None:
            self.memory.part(address, data.size, True)[:] = data

        self.ask(f"upload {data.size}", work)

    def download(self, array: np.ndarray, address: int) -> None:
        self.ask(f"download {array.nbytes}")
        self.drain()
        array.reshape(-1).view(np.uint8)[:] = self.memory.part(address, array.nbytes, False)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        def work() -> None:
            self.memory.part(to, nbytes, True)[:] = self.memory.part(source, nbytes, False)

        self.ask(f"copy {nbytes}", work)

    def fill(self, address: int, byte: int, nbytes: int) -> None:
        def work() -> None:  # what is only filled is not written yet
            part = self.memory.part(address, nbytes, True)
            part[:] = byte

        self.ask(f"fill {nbytes}", work)

    # ---- kernels

    def code(self, texts: Iterable[str], words: Mapping[str, Any], key: str) -> dict[str, Any]:
        from wonderland.runtime.gpu import ptx  # brings LLVM

        found = {}
        with MAKING:
            for text in dict.fromkeys(texts):
                name = self.architecture, text
                if name not in COMPILED:
                    made = ptx.assembly(text, words, f"kernel{len(COMPILED)}", self.architecture)
                    COMPILED[name] = Code(made.ptx, made.entry)
                found[text] = COMPILED[name]
        return found

    def load(self, code: Code) -> Code:
        return code

    def launch(self, launch: Launch) -> None:
        self.ask(f"run {launch.name}", lambda: self.run(launch))

    def with_library(self) -> FakeDevice:
        """The device, with cuBLASLt on the machine."""
        self.workspace = self.allocate(WORKSPACE_BYTES)
        library = FakeCublasLt(self.memory)
        self.products = Products(library, self.workspace.address, WORKSPACE_BYTES)
        return self

    @property
    def has_library(self) -> bool:
        return self.products is not None

    def product(self, product: MatrixProduct) -> Callable[[tuple[int, ...]], None] | None:
        plan = None if self.products is None else self.products.plan(product)
        if plan is None:
            return None
        return lambda addresses: self.ask("product", lambda: plan.run(addresses, self.stream))

    def graph(self, waves: tuple[tuple[Launch, ...], ...]) -> FakeGraph:
        self.ask(f"graph {'+'.join(str(len(w)) for w in waves)}")
        return FakeGraph(self, waves)

    def run(self, x: Launch) -> None:
        code: Code = x.kernel
        sizes = slot_sizes(code)
        # as cuda.py gives them to the driver, which reads the low bytes of each
        words = [struct.pack("<q", signed(value)) for value in x.slots]
        args = [word[:n] for word, n in zip(words, sizes, strict=True)]
        most = architecture(self.architecture).shared_bytes
        shared = x.shared_bytes + shared_bytes(code)
        assert shared <= most, f"{x.name}: at most {most} bytes of shared memory, got {shared}"
        launch(code.ptx, code.entry, x.blocks, x.threads, args, x.shared_bytes, memory=self.memory)

    # ---- order

    def lead(self, stream: int) -> None:
        if stream == self.beside:
            self.second.wait(self.mark())
            return
        self.ask(f"lead {stream}")
        self.drain()

    def follow(self, stream: int) -> None:
        self.ask(f"follow {stream}")

    def mark(self, timed: bool = False) -> FakeMark:
        mark = FakeMark(self, timed, self.first)
        self.queue.append(mark.done)
        return mark

    def mark_beside(self) -> FakeMark:
        mark = FakeMark(self, False, self.second)
        self.second.queue.append(mark.done)
        return mark

    def wait_beside(self, mark: FakeMark) -> None:
        self.log.append("wait")
        self.first.wait(mark)

    def synchronize(self) -> None:
        self.ask("synchronize")
        self.drain()


def shared_bytes(code: Code) -> int:
    """Of shared memory, what a kernel itself declares."""
    from tests.ptx.decoding import load

    return load(code.ptx, code.entry).program.shared_bytes


def slot_sizes(code: Code) -> list[int]:
    """Bytes of the parameters of a kernel."""
    from tests.ptx.decoding import load

    return [p.size for p in load(code.ptx, code.entry).program.entry.parameters]  # type: ignore[union-attr]


class FakeGraph:
    """Launches of a wave run in the opposite order: they must not depend on it."""

    def __init__(self, device: FakeDevice, waves: tuple[tuple[Launch, ...], ...]) -> None:
        self.device = device
        self.launches = list(itertools.chain.from_iterable(waves))
        numbers = itertools.count()
        places = [[next(numbers) for _ in wave] for wave in waves]
        self.order = [k for wave in places for k in reversed(wave)]

    def change(self, k: int, launch: Launch) -> None:
        self.device.ask(f"change {k}")
        self.launches[k] = launch

    def launch(self) -> None:
        now = [self.launches[k] for k in self.order]  # what runs already is not touched by changes
        self.device.ask("launch", lambda: [self.device.run(x) for x in now])
