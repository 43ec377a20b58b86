"""Arrays in the memory of a device: thin, immutable to users, shared with other libraries.

    x = wl.device_put(np.ones(3), "cuda")
    torch.from_dlpack(x); cupy.asarray(x)     no copy, ordered after what x is the result of
    np.asarray(x)                             waits, and copies to the host

Results of programs are ready when the device comes to it, not when the call returns: only reading
on the host waits.
"""

from __future__ import annotations

import contextlib
import math
import operator
from typing import Any

import numpy as np

from ..spec import ArraySpec, type_text
from . import dlpack
from .device import Device, DeviceError, DeviceMemory

ALIGNMENT = 16  # bytes that a kernel may move at once
LEGACY = 1  # the stream of CUDA that waits for all others which do not say otherwise


class Storage:
    """Memory of one array; `lent` counts the other libraries that use it now."""

    __slots__ = ("lent", "memory", "owned")

    def __init__(self, memory: DeviceMemory, own: bool = True) -> None:
        self.memory, self.owned, self.lent = memory, own, 0

    @property
    def address(self) -> int:
        return self.memory.address

    @property
    def reusable(self) -> bool:
        """Whether nobody else sees it, so that a program may write a result there."""
        return self.owned and not self.lent


class Loan:
    """Memory that another library sees, as long as this lives. When it is done, our stream waits
    for theirs; without a stream, for nothing."""

    def __init__(self, device: Device, storage: Storage, stream: int | None) -> None:
        self.device, self.storage, self.stream = device, storage, stream
        storage.lent += 1

    def __del__(self) -> None:
        self.storage.lent -= 1
        if self.stream is not None:
            with contextlib.suppress(DeviceError):
                self.device.follow(self.stream)


class Borrowed:
    """Another library's memory, which it gets back when our stream is past its last use."""

    def __init__(self, device: Device, found: dlpack.Received | ForeignMemory) -> None:
        self.device, self.source = device, found
        self.address, self.nbytes = found.address, found.nbytes

    def __del__(self) -> None:
        with contextlib.suppress(DeviceError):
            release_borrowed(self.device)
            self.device.limbo.append((self.device.mark(), self.source))


def release_borrowed(device: Device) -> None:
    """Gives back what is borrowed and used no more.

    One by one: a collection, or another thread, may add to it in between.
    """
    limbo = device.limbo
    with contextlib.suppress(IndexError):
        for _ in range(len(limbo)):
            mark, found = limbo.pop(0)
            if not mark.is_done:
                limbo.append((mark, found))


class DeviceArray:
    """`shape` elements of `dtype` in C order."""

    __slots__ = ("__weakref__", "_shown", "_storage", "device", "dtype", "shape")

    def __init__(self, device: Device, storage: Storage, dtype: np.dtype, shape: tuple[int, ...]):
        self.device, self.dtype, self.shape = device, dtype, shape
        self._storage: Storage | None = storage
        self._shown: Loan | None = None  # to whoever asked for `__cuda_array_interface__`

    # ---- facts

    @property
    def storage(self) -> Storage:
        if self._storage is None:
            raise DeviceError(
                f"{self.spec}: the array was donated to a program, which reused its memory, "
                "try: keep the result instead"
            )
        return self._storage

    @property
    def address(self) -> int:
        return self.storage.address

    @property
    def spec(self) -> ArraySpec:
        return ArraySpec(self.dtype, self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def is_deleted(self) -> bool:
        """Whether it was donated."""
        return self._storage is None

    def copy(self) -> DeviceArray:
        """The same values in memory of its own."""
        out = empty(self.device, self.spec)
        self.device.copy(out.address, self.address, self.nbytes)
        return out

    def donate(self) -> Storage:
        """Gives the memory away; the array cannot be read any more."""
        storage, self._storage = self.storage, None
        return storage

    # ---- to the host

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"{self.spec} on {self.device}: reading it on the host is a copy")
        out = np.empty(self.shape, self.dtype)
        self.device.download(out, self.address)
        return out if dtype is None else out.astype(dtype, copy=False)

    def block_until_ready(self) -> DeviceArray:
        """Waits until it holds its values, as in JAX; errors of the program appear here."""
        self.device.synchronize()
        return self

    def item(self) -> Any:
        return np.asarray(self).item()

    def tolist(self) -> Any:
        return np.asarray(self).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __bool__(self) -> bool:
        return bool(np.asarray(self))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self.shape else format(str(self), spec)

    def __repr__(self) -> str:
        state = "donated, " if self.is_deleted() else ""
        return f"<{state}{type_text(self.dtype, self.shape)} on {self.device}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot be pickled, try: np.asarray(x)")

    # ---- to other libraries

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device.dlpack

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The memory itself; the receiver's stream waits for ours. Its writes are seen here.

        A receiver that names no stream gets what is ready; it works on the legacy stream.
        """
        if dl_device is not None and tuple(dl_device) != self.device.dlpack:
            raise BufferError(f"dlpack: {self!r} is on device {self.device.dlpack}")
        if copy:
            raise BufferError("dlpack: the memory itself is passed on, never a copy")
        storage = self.storage
        if stream is None:
            self.device.synchronize()
            stream = LEGACY if self.device.dlpack[0] == dlpack.CUDA else -1
        elif stream != -1:  # the receiver asks for no order
            self.device.lead(stream)
        loan = Loan(self.device, storage, None if stream == -1 else stream)
        return dlpack.export(loan, storage.address, self.dtype, self.shape, self.device.dlpack)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The memory itself, which from now on belongs to others too: no program is donated it.

        Who uses it keeps this array; when it is gone, our stream waits for the legacy one.
        """
        if self.device.dlpack[0] != dlpack.CUDA:
            raise AttributeError(f"{self!r} is not in CUDA memory")
        if self.dtype.kind == "V":
            raise AttributeError("bf16 has no name in this interface, try: DLPack")
        self._shown = self._shown or Loan(self.device, self.storage, LEGACY)
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address if self.size else 0, False),
            "strides": None,
            "stream": self.device.stream,
        }


def empty(device: Device, spec: ArraySpec) -> DeviceArray:
    """An array that nobody has written."""
    return DeviceArray(device, Storage(device.allocate(spec.nbytes)), spec.dtype, spec.shape)


def uploaded(x: Any, device: Device, spec: ArraySpec) -> DeviceArray:
    """A copy of an array of the host, in C order, on a device."""
    array = np.ascontiguousarray(x, spec.dtype).reshape(spec.shape)
    out = empty(device, spec)
    device.upload(out.address, array)
    return out


def moved_to(x: DeviceArray, device: Device) -> DeviceArray:
    """The array on a device: itself if it is there, else a copy by way of the host."""
    return x if x.device is device else uploaded(np.asarray(x), device, x.spec)


def adopt(x: Any, device: Device) -> DeviceArray | None:
    """An array of another library in this device's memory, without a copy; None if it is not one.

    A copy is made where it begins between the places that kernels read from. Its library's stream
    is made to be waited for. Errors: DeviceError where it is not in C order.
    """
    if isinstance(x, DeviceArray):
        return x
    release_borrowed(device)
    kind = getattr(x, "__dlpack_device__", None)
    same = kind is not None and tuple(map(int, kind())) == device.dlpack
    if same and not isinstance(x, np.ndarray):
        found = dlpack.received(x.__dlpack__(stream=device.stream or None))
    elif device.dlpack[0] == dlpack.CUDA and hasattr(x, "__cuda_array_interface__"):
        found = foreign(x, device)
    else:
        return None
    if not found.contiguous:
        raise DeviceError(
            f"{type_text(found.dtype, found.shape)} of {type(x).__module__}: an array in C order "
            "is required, try: make it contiguous before"
        )
    storage = Storage(Borrowed(device, found), own=False)
    if found.nbytes and storage.address % ALIGNMENT:
        memory = device.allocate(found.nbytes)
        device.copy(memory.address, storage.address, found.nbytes)
        storage = Storage(memory)
    return DeviceArray(device, storage, found.dtype, found.shape)


class ForeignMemory:
    """Memory of an object with `__cuda_array_interface__`, which it keeps alive."""

    def __init__(self, owner: Any, about: dict[str, Any]) -> None:
        self.owner, self.address = owner, int(about["data"][0])
        self.dtype, self.shape = np.dtype(about["typestr"]), tuple(about["shape"])
        strides = about.get("strides")
        expected = np.empty(self.shape, np.uint8).strides if 0 not in self.shape else None
        self.contiguous = (
            strides is None
            or expected is None
            or all(
                n == 1 or s == e * self.dtype.itemsize
                for n, s, e in zip(self.shape, strides, expected, strict=True)
            )
        )

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)


def foreign(x: Any, device: Device) -> ForeignMemory:
    about = x.__cuda_array_interface__
    if about.get("mask") is not None:
        raise DeviceError("an array with a mask cannot be read")
    if (stream := about.get("stream")) is not None:
        device.follow(stream)
    return ForeignMemory(x, about)
