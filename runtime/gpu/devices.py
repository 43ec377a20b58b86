"""The devices of this machine, and how a program's device is named: cpu, cuda, cuda:1.

CUDA itself leaves out what CUDA_VISIBLE_DEVICES does not name, as where a launcher gives each
process a GPU of its own; the others share those they see, one after another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..processes.world import world
from . import cuda, dlpack
from .architectures import architecture
from .device import Device, DeviceError
from .device_array import DeviceArray, adopt


class Cpu:
    """The processor, whose arrays are NumPy's."""

    kind, index, name = "cpu", 0, "cpu"

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "<cpu>"


CPU = Cpu()


def devices_of_kind(kind: str | None = None) -> list[Any]:
    """All devices, the processor first; of one kind, "cpu" or "cuda", where there is one.

    Errors: DeviceError for a kind that is not here, with what is lacking.
    """
    if kind is None:
        return [CPU, *cuda.cuda_devices()]
    if kind == "cpu":
        return [CPU]
    if kind not in ("cuda", "gpu"):
        raise DeviceError(f'devices: "cpu" or "cuda" is required, got {kind!r}')
    if not cuda.cuda_devices():
        raise DeviceError(f'a device "cuda" is required: {cuda.missing()}')
    return list(cuda.cuda_devices())


def accelerator(name: Any) -> Device | None:
    """The device of a name, or of itself; None for the processor. Errors: DeviceError.

    "cuda" is the first one, of several processes on a machine for each the next.
    """
    if isinstance(name, Cpu) or name in (None, "", "cpu", "cpu:0"):
        return None
    if not isinstance(name, str):
        if not hasattr(name, "allocate"):
            raise DeviceError(f"a device or its name is required, got {type(name).__name__}")
        return usable(name)
    kind, _, index = name.partition(":")
    if index and not index.isdecimal():
        raise DeviceError(f'a device is "cpu", "cuda" or "cuda:1", got {name!r}')
    found = devices_of_kind(kind)
    number = int(index) if index else world().host_rank % len(found)
    if number >= len(found):
        raise DeviceError(f"{name} is required, there are {len(found)} of {kind}")
    return usable(found[number])


def usable(device: Device) -> Device:
    """The device, if code is made for it. Errors: DeviceError."""
    try:
        architecture(device.architecture)
    except DeviceError as error:
        raise DeviceError(f"{device}, {device.name}: {error}") from None
    return device


def array_on_device(x: Any) -> DeviceArray | None:
    """An array in a device's memory, ours or another library's; None for everything else."""
    if isinstance(x, DeviceArray):
        return x
    if isinstance(x, np.ndarray | np.generic | int | float):
        return None
    about = getattr(x, "__dlpack_device__", None)
    if about is None and not hasattr(type(x), "__cuda_array_interface__"):
        return None
    kind, index = map(int, about()) if about is not None else (dlpack.CUDA, 0)
    if kind != dlpack.CUDA:
        return None
    device = accelerator(f"cuda:{index}")
    assert device is not None
    return adopt(x, device)
