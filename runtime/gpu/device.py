"""What a program needs of an accelerator: a small protocol, written against by device_program.py.

One stream per device carries everything: copies, launches and the release of memory are done in the
order in which they are asked for, so that nothing waits but who reads results on the host. Other
libraries' streams are made to wait for it, or it for them, by events (`lead`, `follow`), and so is
the stream beside it, on which transfers between processes are.

cuda.py implements it over cuda.core; the tests do over NumPy and an interpreter of PTX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..rows import MatrixProduct


class DeviceError(RuntimeError):
    """Something of a device fails, or is not there; the process goes on without it."""


def longer(pause: float) -> float:
    """Seconds to sleep after a pause between two looks at a device; the first is none."""
    return min(2 * pause or 1e-5, 1e-4)


class OutOfDeviceMemory(DeviceError, MemoryError):
    """A device has not as much memory left as is required."""


class DeviceMemory(Protocol):
    """`nbytes` at `address`; given back, in the order of the stream, when nobody holds it."""

    @property
    def address(self) -> int: ...
    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True)
class Launch:
    """One run of a kernel: its parameters as numbers of 64 bits, `blocks` of `threads`."""

    kernel: Any  # of `Device.load`
    slots: tuple[int, ...]
    blocks: int
    threads: int
    shared_bytes: int = 0
    name: str = ""


class DeviceGraph(Protocol):
    """Launches in order, sent to the device at once."""

    def change(self, k: int, launch: Launch) -> None:
        """The k-th launch is another one from now on; what runs already is not touched."""
        ...

    def launch(self) -> None: ...


class StreamMark(Protocol):
    """A point in the order of the stream."""

    @property
    def is_done(self) -> bool: ...

    def seconds_since(self, before: Any) -> float:
        """What the device took from an earlier mark to this one, for which it waits; both `timed`.
        Errors of earlier work appear here."""
        ...


class Device(Protocol):
    """One accelerator. `limbo` holds what device_array.py gives back when its mark is done,
    `carriers` what brings transfers over an axis of a mesh (carriers.py)."""

    limbo: list[tuple[StreamMark, Any]]
    carriers: dict[Any, Any]
    watch: Callable[[], None] | None
    """Called again and again by who waits for the device: raises where that would never end."""

    @property
    def kind(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def identity(self) -> bytes:
        """16 bytes that no other device has, whatever processes name it."""
        ...

    # ---- memory, in the order of the stream

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Uninitialised memory, aligned to 256 bytes. Errors: OutOfDeviceMemory."""
        ...

    def upload(self, address: int, array: np.ndarray) -> None:
        """From an array in C order, which the caller may change at once."""
        ...

    def download(self, array: np.ndarray, address: int) -> None:
        """To an array in C order; waits until it is there. Errors of earlier work appear here."""
        ...

    def copy(self, to: int, source: int, nbytes: int) -> None: ...

    def fill(self, address: int, byte: int, nbytes: int) -> None: ...

    # ---- kernels

    def code(self, texts: Iterable[str], words: Mapping[str, Any], key: str) -> dict[str, Any]:
        """The machine code of kernels, by text; what cubins.py takes."""
        ...

    def load(self, code: Any) -> Any: ...

    def launch(self, launch: Launch) -> None:
        """One launch by itself."""
        ...

    @property
    def has_library(self) -> bool:
        """Whether some products have a library."""
        ...

    def product(self, product: MatrixProduct) -> Callable[[tuple[int, ...]], None] | None:
        """What asks the device's library for a product on the addresses of slots; None where there
        is no library, or none for this one."""
        ...

    def graph(self, waves: tuple[tuple[Launch, ...], ...]) -> DeviceGraph:
        """Launches of one wave may run at the same time, after those of the wave before."""
        ...

    # ---- order

    @property
    def stream(self) -> int:
        """The handle of the stream, as other libraries name it."""
        ...

    @property
    def beside(self) -> int:
        """The handle of a second stream, which waits for nothing of the first by itself."""
        ...

    @property
    def dlpack(self) -> tuple[int, int]:
        """Kind and number, as DLPack names them."""
        ...

    def lead(self, stream: int) -> None:
        """Another stream's work waits for all that was asked for here."""
        ...

    def follow(self, stream: int) -> None:
        """What is asked for here from now on waits for another stream's work."""
        ...

    def mark(self, timed: bool = False) -> StreamMark:
        """After all that was asked for."""
        ...

    def mark_beside(self) -> StreamMark:
        """After all that the second stream was asked for."""
        ...

    def wait_beside(self, mark: Any) -> None:
        """What is asked for here from now on waits for a mark of the second stream."""
        ...

    def synchronize(self) -> None:
        """Waits until everything is done. Errors of earlier work appear here."""
        ...
