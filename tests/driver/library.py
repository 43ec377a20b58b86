"""libcuda.so.1 without a compiler: an ELF object whose functions jump to where a table says.

    library = Library(("cuInit", ...))
    library.give("cuInit", address)

The object carries the driver's soname, so that whoever asks the system for libcuda.so.1 from then
on has it. When Python ends, before its functions are gone, all jump to one of the object's own that
answers success: a driver outlives what the interpreter frees last.

Source: System V Application Binary Interface, AMD64 supplement.
"""

from __future__ import annotations

import atexit
import ctypes
import platform
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

SONAME = "libcuda.so.1"
PAGE = 1 << 16
GONE = b"\x31\xc0\xc3"  # xor eax, eax; ret
LOAD, DYNAMIC, STACK = 1, 2, 0x6474E551  # kinds of segments
EXECUTABLE, WRITABLE, READABLE = 1, 2, 4
HASH, STRTAB, SYMTAB, STRSZ, SYMENT, SO_NAME = 4, 5, 6, 10, 11, 14  # of the dynamic section
FUNCTION, OBJECT = 0x12, 0x11  # global symbols


def can_be_made() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def shared_object(names: tuple[str, ...]) -> bytes:
    """Functions of these names, each through its word of `slots`, and `gone`."""
    symbols, pages = (*names, "gone", "slots"), 4 * 56 + 64
    texts = b"\0" + b"".join(n.encode() + b"\0" for n in (*symbols, SONAME))
    starts = [texts.index(b"\0" + n.encode() + b"\0") + 1 for n in (*symbols, SONAME)]
    chains = [1, len(symbols) + 1, 1, 0, *range(2, len(symbols) + 1), 0]  # one bucket for all
    hashes = struct.pack(f"<{len(chains)}I", *chains)
    table = pages + len(hashes) + -len(hashes) % 8
    strings = table + 24 * (len(symbols) + 1)
    code = strings + len(texts) + -len(texts) % 8
    data = -(-(code + 8 * len(symbols)) // PAGE) * PAGE
    slots = data + 16 * 7

    places = [code + 8 * k for k in range(len(names) + 1)] + [slots]
    entries = [bytes(24)]
    for k, (start, place) in enumerate(zip(starts, places, strict=False)):
        kind = FUNCTION if k <= len(names) else OBJECT
        entries.append(struct.pack("<IBBHQQ", start, kind, 0, 1, place, 8))
    jumps = [b"\xff\x25" + struct.pack("<i", slots + 8 * k - (place + 6)) + b"\xcc\xcc"
             for k, place in enumerate(places[: len(names)])]  # fmt: skip
    dynamic = [(HASH, pages), (STRTAB, strings), (SYMTAB, table), (STRSZ, len(texts)),
               (SYMENT, 24), (SO_NAME, starts[-1]), (0, 0)]  # fmt: skip

    body = bytearray(slots + 8 * len(names))

    def put(at: int, what: bytes) -> None:
        body[at : at + len(what)] = what

    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    put(0, struct.pack("<16sHHIQQQIHHHHHH", ident, 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0))
    segments = [(LOAD, READABLE | EXECUTABLE, 0, code + 8 * len(symbols)),
                (LOAD, READABLE | WRITABLE, data, len(body) - data),
                (DYNAMIC, READABLE | WRITABLE, data, 16 * len(dynamic)),
                (STACK, READABLE | WRITABLE, 0, 0)]  # fmt: skip
    for k, (kind, flags, at, size) in enumerate(segments):
        put(64 + 56 * k, struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, PAGE))
    put(pages, hashes)
    put(table, b"".join(entries))
    put(strings, texts)
    put(code, b"".join(jumps) + GONE)
    put(data, b"".join(struct.pack("<QQ", *pair) for pair in dynamic))
    return bytes(body)


class Library:
    """The object, loaded for the rest of the process."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / SONAME
            place.write_bytes(shared_object(self.names))
            self.loaded = ctypes.CDLL(str(place), mode=ctypes.RTLD_GLOBAL)
        self.slots = (ctypes.c_void_p * len(self.names)).in_dll(self.loaded, "slots")
        self.end()
        atexit.register(self.end)

    def give(self, name: str, address: int) -> None:
        self.slots[self.names.index(name)] = address

    def address(self, name: str) -> int:
        """Where a function of the object is; what it does may change."""
        return ctypes.cast(getattr(self.loaded, name), ctypes.c_void_p).value or 0

    def end(self) -> None:
        for k in range(len(self.names)):
            self.slots[k] = self.address("gone")
