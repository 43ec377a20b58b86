"""NCCL, NVIDIA's library of transfers between GPUs, by nccl4py: transfers from memory to memory.

A process has one GPU, an axis of a mesh one communicator, and a device a second stream, on which
its transfers follow each other in the order in which they are begun: that of the program, which is
the same in all processes. What is computed goes on beside them; events order the two streams, so
the host waits for nothing. Transfers are calls between the graphs of a program, not captured: a
graph that holds them must be launched, and made again, by all processes alike, and a communicator
cannot be given up before such graphs are.

Bits: gather, exchange and permute move bytes. Sums are NCCL's, along its rings and trees: not in
the order of places, but in one that follows from the size of the operand, the GPUs and how they are
connected. So all processes get the same bits, and do so on every run of the same program on the
same machines with the same NCCL; of two processes they are those of a processor. What switches add
themselves (NVLS) may differ from call to call, so it is left off (NCCL before 2.32 has to be told
so: NCCL_NVLS_ENABLE=0). NCCL_ALGO=Ring NCCL_PROTO=Simple fix what versions of NCCL choose in other
ways. Its maximum and minimum of floats leave out NaN, and are not used.

Failure: communicators do not block. Whoever waits for the device looks after them: where another
process has left, NCCL reports an error or a transfer takes longer than the world waits, all are
aborted, which ends what the device waits for, and ProcessError is raised.

Source: NVIDIA, NCCL's user guide: group calls, CUDA stream semantics, fault tolerance.
"""

from __future__ import annotations

import functools
import importlib
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import ProcessError
from ..processes.world import World
from ..rows import MeshAxes, Transfer
from .device import Device, DeviceError, StreamMark, longer

PACKAGE = 'pip install "wonderland[nccl]"'
ID_BYTES, NAME_BYTES = 128, 16
IN_PROGRESS = 7  # of ncclResult_t
BYTES = 1  # of ncclDataType_t
TYPES = {
    "int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5,
    "float16": 6, "float32": 7, "float64": 8, "bfloat16": 9,
}  # fmt: skip
SUMS = {"sum": 0, "scatter": 0, "max": 2, "min": 3}  # of ncclRedOp_t
ABORT_SECONDS = 5.0  # until it is left to the end of the process


@functools.cache
def modules() -> tuple[Any, Any]:
    """What nccl4py makes communicators with, and the functions of NCCL. Errors: DeviceError."""
    try:
        found = tuple(map(importlib.import_module, ("nccl.core", "nccl.bindings.nccl")))
    except ImportError:
        raise DeviceError(f"nccl4py is required, it is not installed, try: {PACKAGE}") from None
    try:
        found[1].get_version()
    except Exception as error:  # of cuda-pathfinder, which looks for it
        text = str(error).strip().partition("\n")[0]
        raise DeviceError(f"NCCL (libnccl.so.2) is required, {text}, try: {PACKAGE}") from None
    return found[0], found[1]


def lacking() -> str:
    """What is lacking; empty if NCCL can be called."""
    try:
        modules()
    except DeviceError as error:
        return str(error)
    return ""


def carries(transfer: Transfer) -> bool:
    """Whether NCCL does it, and as NumPy does."""
    if transfer.kind in ("max", "min") and transfer.dtype.kind not in "iu":
        return False
    return transfer.kind not in SUMS or transfer.dtype.name in TYPES


class TransferWatch:
    """The transfers that a device is at, and the communicators, which fail together.

    Called by whoever waits for the device, again and again. Errors: ProcessError.
    """

    def __init__(self, device: Device, world: World) -> None:
        self.device, self.world = device, world
        self.communicators: list[Any] = []
        self.underway: deque[tuple[Transfer, StreamMark, StreamMark]] = deque()
        self.since = 0.0  # the first was seen to run
        self.failed = ""
        self.lock = threading.RLock()  # several threads may wait for the device

    def add(self, transfer: Transfer, begun: StreamMark, ended: StreamMark) -> None:
        with self.lock:
            self.forget()
            self.underway.append((transfer, begun, ended))

    def forget(self) -> None:
        """What has ended."""
        while self.underway and self.underway[0][2].is_done:
            self.underway.popleft()
            self.since = 0.0

    def __call__(self) -> None:
        with self.lock:
            self.usable()
            self.forget()
            if self.underway:
                self.look(*self.underway[0])

    def look(self, transfer: Transfer, begun: StreamMark, _: StreamMark) -> None:
        """After the first that has not ended."""
        for communicator in self.communicators:
            self.is_ready(transfer, communicator)
        self.check(transfer)
        if not self.since and begun.is_done:
            self.since = time.monotonic()
        if self.since and time.monotonic() - self.since > self.world.timeout:
            self.fail(f"{transfer}: it has not ended after {self.world.timeout:g} seconds")

    def usable(self) -> None:
        if self.failed:
            raise ProcessError(self.failed)

    def check(self, transfer: Transfer) -> None:
        """Whether all others are still there."""
        try:
            self.world.check(transfer)
        except ProcessError as error:
            self.fail(str(error))

    def is_ready(self, transfer: Transfer, communicator: Any) -> bool:
        """Whether a communicator is done with what it was asked for, if it has not failed."""
        state = int(communicator.get_async_error())
        if state not in (0, IN_PROGRESS):
            said = modules()[1].get_error_string(state)
            self.fail(f"{transfer}: NCCL fails with {said}: {communicator.get_last_error()}")
        return state == 0

    def settle(self, transfer: Transfer, communicator: Any) -> None:
        """Waits until a communicator has taken what it was asked for, which at first connects."""
        begin, pause = time.monotonic(), 0.0
        while not self.is_ready(transfer, communicator):
            self.check(transfer)
            if time.monotonic() - begin > self.world.timeout:
                self.fail(f"{transfer}: NCCL has not begun after {self.world.timeout:g} seconds")
            time.sleep(pause)
            pause = longer(pause)

    def fail(self, why: str) -> None:
        """Ends what every communicator is at, and says why, from now on to all that wait."""
        self.failed = (
            f"{why}\ntry: start again from a checkpoint; what is on {self.device} may be what the "
            "transfer left of it"
        )
        self.world.news.break_off(why)
        ended_soon([c.abort for c in self.communicators])
        self.communicators.clear()
        self.underway.clear()
        raise ProcessError(self.failed)

    def close(self) -> None:
        """At the end of the process: what was sent has arrived, or is given up."""
        with suppress(DeviceError, ProcessError):
            self.device.synchronize()
            for communicator in self.communicators:
                communicator.finalize()
            until = time.monotonic() + ABORT_SECONDS
            while any(int(c.get_async_error()) == IN_PROGRESS for c in self.communicators):
                if time.monotonic() > until:
                    return
                time.sleep(longer(0.0))
            ended_soon([c.destroy for c in self.communicators])
            self.communicators.clear()


def ended_soon(calls: list[Callable[[], object]]) -> None:
    """Calls that may never return, each by a thread that does not keep the process alive."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    until = time.monotonic() + ABORT_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


class Nccl:
    """What carries the transfers over an axis: its communicator, and the device's second stream."""

    def __init__(
        self, watch: TransferWatch, communicator: Any, stream: int, place: int, size: int
    ) -> None:
        self.device, self.watch, self.communicator = watch.device, watch, communicator
        self.stream, self.place, self.size = stream, place, size
        _, self.calls = modules()
        self.handle = self.calls.Comm(communicator.ptr)

    def start(self, transfer: Transfer, source: int, result: int) -> Callable[[], None]:
        """Asks for a transfer after all that was asked of the device; what it gives makes the
        device wait for its end, not the host."""
        self.watch.usable()
        device = self.device
        if transfer.kind == "permute" and self.place not in {to for _, to in transfer.pairs}:
            device.fill(result, 0, transfer.result_bytes)
        device.lead(self.stream)
        begun = device.mark_beside()
        if transfer.count:
            self.ask(transfer, source, result)
            self.watch.settle(transfer, self.communicator)
        ended = device.mark_beside()
        self.watch.add(transfer, begun, ended)
        return functools.partial(device.wait_beside, ended)

    def ask(self, transfer: Transfer, source: int, result: int) -> None:
        calls, handle, stream, nbytes = self.calls, self.handle, self.stream, transfer.operand_bytes
        kind, count = transfer.kind, transfer.count
        try:
            if kind in SUMS:
                how = TYPES[transfer.dtype.name], SUMS[kind], handle, stream
                if kind == "scatter":
                    calls.reduce_scatter(source, result, count // self.size, *how)
                else:
                    calls.all_reduce(source, result, count, *how)
            elif kind == "gather":
                calls.all_gather(source, result, nbytes, BYTES, handle, stream)
            else:
                self.parts(transfer, source, result)
        except Exception as error:  # nccl4py's, which are of several kinds
            self.watch.fail(f"{transfer}: NCCL refuses it, {error}")

    def parts(self, transfer: Transfer, source: int, result: int) -> None:
        """What goes from one process to another, as one group: none waits for a turn."""
        calls, handle, stream = self.calls, self.handle, self.stream
        if transfer.kind == "exchange":
            step = transfer.operand_bytes // self.size
            sent = received = [(k, k * step) for k in range(self.size)]
        else:
            step = transfer.operand_bytes
            sent = [(to, 0) for source_, to in transfer.pairs if source_ == self.place]
            received = [(source_, 0) for source_, to in transfer.pairs if to == self.place]
        calls.group_start()
        try:
            for other, offset in sent:
                calls.send(source + offset, step, BYTES, other, handle, stream)
            for other, offset in received:
                calls.recv(result + offset, step, BYTES, other, handle, stream)
        finally:
            calls.group_end()


def nccl_over(watch: TransferWatch, mesh: MeshAxes, axis: str) -> Nccl | str:
    """The carrier of an axis, which all of its processes make; or why NCCL carries nothing there.

    The first process of the axis gives the id; with it every one says whether it has NCCL, and
    which GPU, for two of them cannot have the same.
    """
    device, world, size = watch.device, watch.world, dict(mesh)[axis]
    place, lack = world.place(mesh, axis), lacking()
    said = np.zeros(1 + NAME_BYTES + ID_BYTES, np.uint8)
    said[1 : 1 + NAME_BYTES] = np.frombuffer(device.identity, np.uint8)
    if not lack:
        core, _ = modules()
        said[0] = 1
        if place == 0:
            said[1 + NAME_BYTES :] = np.frombuffer(bytes(core.get_unique_id()), np.uint8)
    gathered = Transfer("gather", mesh, axis, said.dtype, said.size)
    every = world.exchanged(gathered, said).reshape(size, said.size)
    if not every[:, 0].all():
        other = f"process {int(np.argmin(every[:, 0]))} of {axis} has no NCCL"
        return lack or other
    names = [bytes(x) for x in every[:, 1 : 1 + NAME_BYTES]]
    if len({*names}) < size:
        return f"{size} GPUs are required, processes of {axis} share one"
    core, _ = modules()
    unique = core.UniqueId.from_bytes(bytes(every[0, 1 + NAME_BYTES :]))
    without_switches = core.NcclNvlsHostMode.DISABLE_TRANSPORT
    config = core.NCCLConfig(blocking=False, nvls_host_mode=without_switches)
    stream = device.beside  # after which the device is the one that is current
    communicator = core.Communicator.init(size, place, unique, config)
    watch.communicators.append(communicator)
    watch.settle(gathered, communicator)
    return Nccl(watch, communicator, stream, place, size)
