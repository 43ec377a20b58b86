"""The size of the folder of machine code: what was used longest ago goes first.

`WONDERLAND_CACHE_SIZE` is a number of bytes, "500MB", "2 GiB"; 1 GB if it is not set. Any number of
processes may read, write and trim at once: files go whole, and what is missing is compiled again.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

KINDS = (".text", ".object", ".program", ".cubin", ".kernel")  # what a file is named that may go
PART = ".part"  # ends the name of a file that is being written
PART_SECONDS = 3600  # and it is not any more if it is older
USED_SECONDS = 3600  # how exactly it is known when a file was used
DEFAULT = 10**9
LEFT = 0.75  # of the size, after some had to go: trimming is rare
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
         "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}  # fmt: skip


def limit() -> int:
    """The bytes that files may take. Errors: ValueError if the variable says none."""
    text = os.environ.get("WONDERLAND_CACHE_SIZE", str(DEFAULT))
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmgt]i?|)b?", text.strip().lower())
    if found is None:
        raise ValueError(f"WONDERLAND_CACHE_SIZE: bytes or '500MB' is required, got {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


def used(file: Path) -> None:
    """A file is used now, which its time of change says from now on."""
    with suppress(OSError):
        if file.lstat().st_mtime < time.time() - USED_SECONDS:
            os.utime(file, follow_symlinks=False)


def trim(folder: Path, most: int) -> None:
    """Removes what writers that were killed have left, and the files used longest ago, down to
    LEFT, where all together take more than `most` bytes on the disk.
    """
    files: list[tuple[float, str, int]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1]
            with suppress(OSError):
                facts = entry.stat(follow_symlinks=False)
                if suffix == PART and facts.st_mtime < time.time() - PART_SECONDS:
                    os.unlink(entry.path)
                elif suffix in KINDS and stat.S_ISREG(facts.st_mode):
                    nbytes = max(facts.st_size, getattr(facts, "st_blocks", 0) * 512)
                    files.append((facts.st_mtime, entry.path, nbytes))
    total = sum(nbytes for _, _, nbytes in files)
    if total <= most:
        return
    for _, path, nbytes in sorted(files):
        if total <= LEFT * most:
            break
        with suppress(FileNotFoundError):
            os.unlink(path)
        total -= nbytes
