"""Code, kernels and their attributes, launches within the limits of both."""

from __future__ import annotations

import ctypes
import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.ptx import launch
from tests.ptx.decoding import Code, load
from wonderland.runtime.gpu import cubins
from wonderland.runtime.gpu.cubins import Artifact

from .contexts import (
    ARCHITECTURE,
    MOST_BLOCK,
    MOST_GRID,
    MOST_REGISTERS,
    MOST_SHARED,
    MOST_THREADS,
    PLAIN_SHARED,
    present,
)
from .driver import (
    INVALID_IMAGE,
    INVALID_VALUE,
    NO_BINARY,
    NOT_FOUND,
    NOT_SUPPORTED,
    OUT_OF_RESOURCES,
    Driver,
    Refused,
    entry,
    i32,
    place,
    size,
    text,
    to,
    u32,
)
from .order import stream_of

THREADS, STATIC_SHARED, REGISTERS, DYNAMIC_SHARED = 0, 1, 4, 8  # of CUfunction_attribute


@dataclass
class Library:
    artifact: Artifact


@dataclass
class Kernel:
    """`dynamic`: bytes of shared memory that a launch may ask for."""

    artifact: Artifact
    library: int
    dynamic: int = field(init=False)

    def __post_init__(self) -> None:
        self.dynamic = max(PLAIN_SHARED - self.static, 0)

    @property
    def code(self) -> Code:
        return load(self.artifact.ptx, self.artifact.entry)

    @property
    def static(self) -> int:
        return self.code.program.shared_bytes

    @property
    def parameters(self) -> list[int]:
        """Bytes of each."""
        return [p.size for p in self.code.program.entry.parameters]  # type: ignore[union-attr]


@dataclass(frozen=True)
class Run:
    """A launch, with the arguments it was asked for with."""

    kernel: Kernel
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    slots: tuple[bytes, ...]

    def __call__(self, driver: Driver) -> None:
        of = self.kernel.artifact
        launch(of.ptx, of.entry, self.grid, self.block, self.slots, self.shared, driver.memory)


def checked(x: Run) -> Run:
    """The launch, if the device and the attributes of its kernel allow it."""
    threads = x.block[0] * x.block[1] * x.block[2]
    of = x.kernel.artifact.entry
    if not all(0 < n <= most for n, most in zip(x.grid, MOST_GRID, strict=True)):
        raise Refused(INVALID_VALUE, f"{of}: a grid of {x.grid}")
    small = all(0 < n <= most for n, most in zip(x.block, MOST_BLOCK, strict=True))
    if not small or threads > MOST_THREADS:
        raise Refused(INVALID_VALUE, f"{of}: blocks of {x.block}")
    if x.shared > x.kernel.dynamic:
        most = f"at most {x.kernel.dynamic} beside {x.kernel.static} of its own"
        raise Refused(INVALID_VALUE, f"{of}: {x.shared} dynamic bytes, {most}")
    if x.kernel.artifact.registers * threads > MOST_REGISTERS:
        raise Refused(OUT_OF_RESOURCES, f"{of}: registers of {threads} threads")
    return x


# ------------------------------------------------------------------ code


def image(address: int) -> bytes:
    """An ELF object, whose length its head tells."""
    head = ctypes.string_at(address, 64)
    if head[:4] != b"\x7fELF":
        raise Refused(INVALID_IMAGE, "no ELF object")
    sections, _, _, _, _, entry_bytes, count = struct.unpack_from("<QIHHHHH", head, 40)
    segments, _, _, of_segment, segment_count = struct.unpack_from("<QQIxxHH", head, 32)
    end = max(sections + entry_bytes * count, segments + of_segment * segment_count)
    return ctypes.string_at(address, end)


@entry(to(place), place, place, place, u32, place, place, u32)
def cuLibraryLoadData(driver: Driver, out: Any, code: int, *options: Any) -> None:
    data = image(code)
    digests = {a.digest: a for a in cubins.HELD.values()}
    found = digests.get(hashlib.sha256(data).hexdigest())
    if found is None:
        raise Refused(INVALID_IMAGE, "nobody made this code here")
    if found.architecture != ARCHITECTURE:
        raise Refused(NO_BINARY, f"code for {found.architecture}")
    out[0] = driver.add(Library(found))


@entry(place)
def cuLibraryUnload(driver: Driver, library: int | None) -> None:
    driver.forget(library, Library)
    for handle in [h for h, k in driver.objects.items()
                   if isinstance(k, Kernel) and k.library == library]:  # fmt: skip
        del driver.objects[handle]


@entry(to(place), place, text)
def cuLibraryGetKernel(driver: Driver, out: Any, library: int | None, name: bytes) -> None:
    of = driver.of(library, Library)
    if of.artifact.entry != name.decode():
        raise Refused(NOT_FOUND, name.decode())
    out[0] = driver.add(Kernel(of.artifact, library or 0))


@entry(to(place), place)
def cuKernelGetFunction(driver: Driver, out: Any, kernel: int | None) -> None:
    driver.of(kernel, Kernel)
    out[0] = kernel


@entry(to(place), place)
def cuKernelGetLibrary(driver: Driver, out: Any, kernel: int | None) -> None:
    out[0] = driver.of(kernel, Kernel).library


@entry(to(i32), i32, place, i32)
def cuKernelGetAttribute(
    driver: Driver, out: Any, which: int, kernel: int | None, device: int
) -> None:
    present(device)
    of = driver.of(kernel, Kernel)
    known = {THREADS: MOST_THREADS, STATIC_SHARED: of.static, DYNAMIC_SHARED: of.dynamic,
             REGISTERS: of.artifact.registers}  # fmt: skip
    if which not in known:
        raise Refused(INVALID_VALUE, f"attribute {which}")
    out[0] = known[which]


@entry(i32, i32, place, i32)
def cuKernelSetAttribute(
    driver: Driver, which: int, value: int, kernel: int | None, device: int
) -> None:
    present(device)
    of = driver.of(kernel, Kernel)
    if which != DYNAMIC_SHARED or not 0 <= value <= MOST_SHARED - of.static:
        raise Refused(INVALID_VALUE, f"{of.artifact.entry}: attribute {which} of {value}")
    of.dynamic = value


@entry(place, size, to(size), to(size))
def cuKernelGetParamInfo(
    driver: Driver, kernel: int | None, index: int, offset: Any, nbytes: Any
) -> None:
    sizes = driver.of(kernel, Kernel).parameters
    if index >= len(sizes):
        raise Refused(INVALID_VALUE, f"parameter {index} of {len(sizes)}")
    starts = [0]
    for n in sizes:
        starts.append(-(-(starts[-1]) // n) * n + n)
    offset[0] = starts[index + 1] - sizes[index]
    if nbytes:
        nbytes[0] = sizes[index]


# ------------------------------------------------------------------ launches


class Config(ctypes.Structure):
    """CUlaunchConfig"""

    _fields_ = (
        *((n, u32) for n in ("gx", "gy", "gz", "bx", "by", "bz", "shared")),
        ("stream", place), ("attributes", place), ("count", u32),
    )  # fmt: skip


def asked(driver: Driver, kernel: int | None, x: Any, arguments: Any) -> Run:
    """What a structure with the sizes of a launch stands for."""
    of = driver.of(kernel, Kernel)
    slots = tuple(ctypes.string_at(arguments[k], n) for k, n in enumerate(of.parameters))
    return checked(Run(of, (x.gx, x.gy, x.gz), (x.bx, x.by, x.bz), x.shared, slots))


@entry(to(Config), place, to(place), place)
def cuLaunchKernelEx(
    driver: Driver, config: Any, kernel: int | None, arguments: Any, extra: int | None
) -> None:
    x = config.contents
    if x.count or extra:
        raise Refused(NOT_SUPPORTED, "attributes of a launch")
    run = asked(driver, kernel, x, arguments)
    stream_of(driver, x.stream).ask(lambda: run(driver))


@entry(place, *([u32] * 7), place, to(place), place)
def cuLaunchKernel(driver: Driver, kernel: int | None, *rest: Any) -> None:
    *sizes, stream, arguments, extra = rest
    if extra:
        raise Refused(NOT_SUPPORTED, "packed arguments")
    run = asked(driver, kernel, Config(*sizes), arguments)
    stream_of(driver, stream).ask(lambda: run(driver))
