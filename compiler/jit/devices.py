"""Arrays and programs on devices: `device_put` keeps arrays there, jit runs where they are.

x = wl.device_put(np.ones(3), "cuda")
y = wl.jit(f)(x)      # runs on the device and stays there; nothing waits
np.asarray(y)         # waits, and copies to the host

Arrays of other libraries in a GPU's memory (PyTorch, CuPy, JAX) are taken as they are, by DLPack
or `__cuda_array_interface__`, and ours by theirs: `torch.from_dlpack(y)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...runtime.gpu import devices as runtime_devices
from ...runtime.gpu.device import Device, DeviceError
from ...runtime.gpu.device_array import DeviceArray, moved_to, uploaded
from ...runtime.gpu.devices import array_on_device
from ...runtime.processes.world import initialize
from ...runtime.spec import ArraySpec
from ..ir.errors import ProgramError
from ..ir.types import dtype_name
from ..settings import active
from ..trace import tree
from ..trace.arrays import plain
from ..trace.tracer import Tracer


def devices(kind: str | None = None, backend: str | None = None) -> list[Any]:
    """The devices of this machine, the processor first; `devices("cuda")` are its GPUs.

    `backend` is what JAX calls the kind.

    Errors: a DeviceError for a kind that is not here, with what is lacking.
    """
    return runtime_devices.devices_of_kind(backend if kind is None else kind)


Array = np.ndarray | np.generic | Tracer | DeviceArray
"""What an array is, for annotations and isinstance: of NumPy, traced, or on a device."""


def device_count(backend: str | None = None) -> int:
    """How many devices there are, of all kinds or of one."""
    return len(devices(backend))


def default_backend() -> str:
    """The kind of device that programs run on where nobody says another: "cpu" or "cuda"."""
    return (active().device or "cpu").partition(":")[0]


def process_count() -> int:
    """How many processes were started together."""
    return initialize().size


def process_index() -> int:
    """The number of this process among them."""
    return initialize().rank


def block_until_ready(x: Any) -> Any:
    """The tree, when all of its arrays are computed; those on the host are."""
    for leaf in tree.leaves(x):
        if isinstance(leaf, DeviceArray):
            leaf.block_until_ready()
    return x


def device_put(
    x: Any, device: Any = None, *, donate: bool = False, may_alias: bool | None = None
) -> Any:
    """The tree with its arrays on a device; on "cpu" they are NumPy's.

    `donate` and `may_alias` promise what is not used.

    `device` is a name or one of `devices()`; None is the setting `device`, or the processor.
    Cost: a copy of what is elsewhere, none of what is there already.
    """
    to = runtime_devices.accelerator(active().device if device is None else device)
    leaves, structure = tree.flatten(x)
    return tree.unflatten(structure, [array_placed(leaf, to) for leaf in leaves])


def device_get(x: Any) -> Any:
    """The tree with its arrays as NumPy's; waits for those that are on a device."""
    return device_put(x, "cpu")


def array_placed(x: Any, to: Device | None) -> Any:
    """One array on a device, or on the host."""
    found = array_on_device(x)
    if found is not None:
        return np.asarray(found) if to is None else moved_to(found, to)
    array = plain(x)
    if array.dtype == object:
        raise ProgramError(f"device_put: arrays and numbers are required, got {type(x).__name__}")
    dtype_name(array.dtype)  # no text, no dates
    return array if to is None else uploaded(array, to, ArraySpec(array.dtype, array.shape))


def device_of(arrays: Iterable[Any]) -> str:
    """The name of the only device that arrays are on; empty if all are on the host.

    Errors: ProgramError if they are on several.
    """
    names = {str(x.device) for x in arrays if isinstance(x, DeviceArray)}
    if len(names) > 1:
        raise ProgramError(
            f"jit: arguments on one device are required, got {' and '.join(sorted(names))}",
            repair="wl.device_put(x, device)",
        )
    return next(iter(names), "")


def program_device(name: str) -> Device | None:
    """The device that programs of a setting run on; None for the processor."""
    try:
        return runtime_devices.accelerator(name)
    except DeviceError as error:
        raise ProgramError(f"jit: {error}", repair='device="cpu"') from None


def on_host(arrays: Iterable[Any]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(x) for x in arrays)
