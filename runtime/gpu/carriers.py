"""What carries transfers between processes from and to the memory of a device.

    an axis of one process              copies
    NCCL, where all of an axis have it  from device to device, beside what is computed (nccl.py)
    else the engine of processes        copied to the host, which waits for the operand, exchanged
                                        there, copied back: slow, as the logger says once

All processes of an axis choose the same: they tell each other what they have. Its first transfer
is begun at the same place of the same program in all.
"""

from __future__ import annotations

import atexit
import functools
from typing import Protocol

import numpy as np

from ..errors import ProcessError
from ..processes.courier import Pending
from ..processes.underway import Begun, Wait
from ..processes.world import world
from ..rows import MeshAxes, StartRow, Transfer
from . import nccl
from .device import Device, DeviceError


class Carrier(Protocol):
    def start(self, transfer: Transfer, source: int, result: int) -> Wait:
        """Begins a transfer after all that was asked of the device. What it gives ends it: what is
        asked for from then on finds the result."""
        ...


class Copies:
    """An axis of one process."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def start(self, transfer: Transfer, source: int, result: int) -> Wait:
        if transfer.kind == "permute" and not transfer.pairs:
            self.device.fill(result, 0, transfer.result_bytes)
        else:
            self.device.copy(result, source, transfer.result_bytes)
        return bool


class ThroughHost:
    """The engine of processes, on copies."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def start(self, transfer: Transfer, source: int, result: int) -> Wait:
        operand = np.empty(transfer.operand_bytes, np.uint8)
        found = np.empty(transfer.result_bytes, np.uint8)
        self.device.download(operand, source)
        pending = world().start(transfer, operand.ctypes.data, found.ctypes.data)
        return functools.partial(self.end, pending, operand, found, result)

    def end(self, pending: Pending, operand: np.ndarray, found: np.ndarray, result: int) -> None:
        """`operand` is held until here."""
        pending.wait()
        self.device.upload(result, found)


def carrier(device: Device, transfer: Transfer) -> Carrier:
    """What carries a transfer."""
    axis = transfer.mesh, transfer.axis
    if transfer.size == 1:
        return Copies(device)
    if axis not in device.carriers:
        device.carriers[axis] = connected(device, *axis)
    found = device.carriers[axis]
    by_nccl = isinstance(found, nccl.Nccl)
    return ThroughHost(device) if by_nccl and not nccl.carries(transfer) else found


def connected(device: Device, mesh: MeshAxes, axis: str) -> Carrier:
    """What carries the transfers over an axis."""
    if device.watch is None:
        device.watch = watch = nccl.TransferWatch(device, world())
        atexit.register(watch.close)
    assert isinstance(device.watch, nccl.TransferWatch)
    found = nccl.nccl_over(device.watch, mesh, axis)
    if not isinstance(found, str):
        return found
    import logging  # which is not cheap

    logging.getLogger("wonderland").warning(
        "transfers over %s go through the host, which is slow: %s", axis, found
    )
    return ThroughHost(device)


class DeviceUnderway(Begun):
    """By what carries them, on memory of a device."""

    errors = ProcessError, DeviceError

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device

    def start(self, row: StartRow, source: int, result: int) -> None:
        wait = carrier(self.device, row.transfer).start(row.transfer, source, result)
        if row.whole:
            wait()
        self.waits[row.number] = bool if row.whole else wait

    def wait(self, number: int) -> None:
        self.waits.pop(number)()
