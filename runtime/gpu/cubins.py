"""Machine code of GPUs by text: compiled once, kept on disk, the same border for every device.

    found = artifacts(texts, words, key, "sm_90")     one Artifact a text

PTX becomes a cubin by nvJitLink, one library that needs no GPU and no driver; its log tells what a
kernel uses. A second process compiles nothing: an entry's name is the hash of its text, of the
vocabulary, of the architecture and of the versions of LLVM and nvJitLink.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from ..errors import CompilerError
from ..native import language as native
from ..native import making, objects
from . import architectures, ptx

LIBRARY = "libnvJitLink.so.13"
INPUT_PTX = 2
USED = re.compile(r"Used (\d+) registers")
SPILLED = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
SHARED = re.compile(r"(\d+) bytes smem")
STACK = re.compile(r"(\d+) bytes stack frame")


class MissingLinker(RuntimeError):
    """nvJitLink is not installed."""


@dataclass(frozen=True)
class Artifact:
    """The kernel `entry` of `cubin`; its `parameters` take a slot of 64 bits each, in order.

    Pointers are to elements aligned to 16 bytes, in the device's memory. `shared_bytes` is what the
    code itself declares; a launch may ask for more.
    """

    cubin: bytes
    ptx: str
    entry: str
    parameters: tuple[str, ...]
    architecture: str
    registers: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int
    digest: str

    def __str__(self) -> str:
        uses = f"{self.registers} registers, {self.shared_bytes} bytes shared"
        spills = f", {self.spill_bytes} bytes spilled" if self.spill_bytes else ""
        return f"{self.entry} {self.architecture}: {uses}{spills}, cubin {len(self.cubin)} bytes"


HELD: dict[str, Artifact] = {}  # by name, asked for last last; changed under making.LOCK only
MOST = 1024  # of them, beside those that programs have


def artifacts(
    texts: Iterable[str], words: Mapping[str, Any], key: str, architecture: str
) -> dict[str, Artifact]:
    """The machine code of each text; `key` names the version of `words`."""
    environment = f"{key}\n{environment_key()}\n{architecture}"
    out: dict[str, Artifact] = {}
    for text in dict.fromkeys(texts):
        name = hashlib.sha256(f"{environment}\n{text}".encode()).hexdigest()
        with making.LOCK:
            found = HELD.pop(name, None) or stored_artifact(name)
            if found is None:
                found = making.on_new_thread(
                    partial(compiled_artifact, text, words, architecture, name)
                )
            out[text] = HELD[name] = found
            while len(HELD) > MOST:
                del HELD[next(iter(HELD))]
    return out


def compiled_artifact(
    text: str, words: Mapping[str, Any], architecture: str, name: str
) -> Artifact:
    """Compiles a text and keeps it on disk."""
    (function,), _ = native.parsed(text)
    try:
        code = ptx.assembly(text, words, f"{function.name}_{name[:12]}", architecture)
    except RuntimeError as error:
        said = str(error).strip()
        raise CompilerError(f"LLVM refuses a text: {said}", text) from error
    cubin, log = link(code.ptx, architecture)
    objects.sweep()
    out = artifact(code, cubin, log, architecture)
    facts = {k: v for k, v in asdict(out).items() if k != "cubin"}
    objects.write(f"{name}.cubin", cubin)
    objects.write(f"{name}.kernel", json.dumps(facts).encode())
    objects.HELD.statistics = replace(
        objects.HELD.statistics, compiled=objects.HELD.statistics.compiled + 1
    )
    return out


def artifact(code: ptx.Assembly, cubin: bytes, log: str, architecture: str) -> Artifact:
    def number(pattern: re.Pattern[str]) -> int:
        found = pattern.search(log)
        return sum(map(int, found.groups())) if found else 0

    return Artifact(
        cubin,
        code.ptx,
        code.entry,
        code.parameters,
        architecture,
        registers=number(USED),
        spill_bytes=number(SPILLED),
        stack_bytes=number(STACK),
        shared_bytes=number(SHARED),
        digest=hashlib.sha256(cubin).hexdigest(),
    )


def stored_artifact(name: str) -> Artifact | None:
    """What `compiled_artifact` kept, if it is there and whole."""
    cubin, entry = objects.read(f"{name}.cubin"), objects.read(f"{name}.kernel")
    if cubin is None or entry is None:
        return None
    try:
        facts = json.loads(entry)
        found = Artifact(cubin, **{**facts, "parameters": tuple(facts["parameters"])})
    except (ValueError, TypeError, KeyError):
        return None
    if found.digest != hashlib.sha256(cubin).hexdigest():
        return None
    for file in (f"{name}.cubin", f"{name}.kernel"):
        objects.use(file)
    objects.HELD.statistics = replace(
        objects.HELD.statistics, loaded=objects.HELD.statistics.loaded + 1
    )
    return found


@cache
def environment_key() -> str:
    """Everything but text, words and architecture that decides the machine code."""
    files = (__file__, architectures.__file__, ptx.__file__, native.__file__)
    return "\n".join([str(llvm.llvm_version_info), linker_version(), *(Path(f).read_text()
                                                                     for f in files)])  # fmt: skip


# ------------------------------------------------------------------ nvJitLink


@cache
def linker() -> ctypes.CDLL:
    """The library, as its package installs it or as the system finds it."""
    from ctypes.util import find_library  # which brings subprocess

    places = [str(place) for place in packaged()] + [LIBRARY]
    if found := find_library("nvJitLink"):
        places.append(found)
    for place in places:
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    raise MissingLinker(
        "a cubin is made by nvJitLink of CUDA 13, which is not installed, "
        "try: pip install wonderland[cuda]"
    )


def packaged() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")
    roots = map(Path, spec.submodule_search_locations or ()) if spec else ()
    return [f for root in roots if (f := root / "cu13" / "lib" / LIBRARY).exists()]


def linker_version() -> str:
    major, minor = ctypes.c_uint(), ctypes.c_uint()
    require_success(None, linker().nvJitLinkVersion(ctypes.byref(major), ctypes.byref(minor)))
    return f"nvJitLink {major.value}.{minor.value}"


def link(code: str, architecture: str) -> tuple[bytes, str]:
    """The cubin of PTX for an architecture, and the assembler's log."""
    library, handle = linker(), ctypes.c_void_p()
    options = [f"-arch={architecture}".encode(), b"-Xptxas=-v", b"-Xptxas=-warn-spills"]
    given = (ctypes.c_char_p * len(options))(*options)
    require_success(None, library.nvJitLinkCreate(ctypes.byref(handle), len(options), given))
    try:
        data = code.encode() + b"\0"
        added = library.nvJitLinkAddData(handle, INPUT_PTX, data, ctypes.c_size_t(len(data)), b"k")
        require_success(handle, added)
        require_success(handle, library.nvJitLinkComplete(handle))
        return fetched(handle, "LinkedCubin"), fetched(handle, "InfoLog").decode(errors="replace")
    finally:
        library.nvJitLinkDestroy(ctypes.byref(handle))


def fetched(handle: ctypes.c_void_p, what: str) -> bytes:
    library, size = linker(), ctypes.c_size_t()
    require_success(None, getattr(library, f"nvJitLinkGet{what}Size")(handle, ctypes.byref(size)))
    place = ctypes.create_string_buffer(size.value or 1)
    require_success(None, getattr(library, f"nvJitLinkGet{what}")(handle, place))
    return (
        place.raw[: size.value].rstrip(b"\0") if what.endswith("Log") else place.raw[: size.value]
    )


def require_success(handle: ctypes.c_void_p | None, result: int) -> None:
    if result:
        said = fetched(handle, "ErrorLog").decode(errors="replace") if handle else ""
        raise CompilerError(f"nvJitLink fails with {result}: {said.strip() or 'nothing said'}")
