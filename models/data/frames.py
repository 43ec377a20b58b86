"""Tables of Debian's r-cran-mlbench: frames of R, which are read here.

R keeps a frame as a list of columns with attributes, in XDR: an item is a word of flags, whose last
byte is its kind, and what the kind says. A factor is its numbers, from 1 on, and its levels.
"""

from __future__ import annotations

import lzma
import struct
from typing import Any

import numpy as np

from .split import Split, found_file
from .tables import rows_apart, standardised

__all__ = ["letters", "shuttle"]

PLACE = "usr/lib/R/site-library/mlbench/data"
PACKAGE = "r-cran-mlbench"
HEADER = 19  # the file's format, the stream's, and three versions

SYMBOL, PAIRS, TEXT, INTEGERS, NUMBERS, TEXTS, LIST = 1, 2, 9, 13, 14, 16, 19
END, REFERENCE, NULLS = 254, 255, (242, 251, 253, 254)
HAS_ATTRIBUTES, HAS_TAG = 0x200, 0x400
DTYPES = {TEXT: "u1", INTEGERS: ">i4", NUMBERS: ">f8"}


def letters(seed: int = 0) -> Split:
    """20000 printed capital letters in 20 fonts, distorted: 16 numbers of each image, 26 classes.

    Source: Frey, Slate, Letter recognition using Holland-style adaptive classifiers, 1991.
    """
    return _classes("LetterRecognition", "lettr", seed)


def shuttle(seed: int = 0) -> Split:
    """58000 times 9 readings of a space shuttle's sensors, 7 states, of which one is 79%.

    Source: Catlett, Statlog (shuttle), UCI repository, 1992.
    """
    return _classes("Shuttle", "Class", seed)


def _classes(name: str, label: str, seed: int) -> Split:
    """Features standardised one by one; labels as int32."""
    columns = _frame(name)
    numbers, levels = columns.pop(label)
    x = np.stack(list(columns.values()), axis=-1)
    split = rows_apart(x, numbers.astype(np.int32) - 1, seed)
    return standardised(split, axes=0)._replace(names=tuple(levels))


def _frame(name: str) -> dict[str, Any]:
    """The columns by name: arrays, and of factors numbers and levels."""
    stored = lzma.decompress(found_file(f"{PLACE}/{name}.rda", PACKAGE).read_bytes())
    (frame,) = _Reader(stored).item().values()
    columns, attributes = frame
    found = dict(zip(attributes["names"], columns, strict=True))
    return {n: (c[0], c[1]["levels"]) if isinstance(c, tuple) else c for n, c in found.items()}


class _Reader:
    """Items one after the other."""

    def __init__(self, stored: bytes) -> None:
        self.stored, self.at, self.symbols = stored, HEADER, list[str]()

    def word(self) -> int:
        (found,) = struct.unpack_from(">i", self.stored, self.at)
        self.at += 4
        return found

    def item(self) -> Any:
        """An array, a text, a list, a dict of tagged items; with its attributes where it has."""
        flags = self.word()
        kind = flags & 0xFF
        if kind in NULLS:
            return None
        if kind == REFERENCE:
            return self.symbols[(flags >> 8 or self.word()) - 1]
        if kind == SYMBOL:
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == PAIRS:
            return self.pairs(flags)
        found = self.vector(kind, self.word())
        return (found, self.item()) if flags & HAS_ATTRIBUTES else found

    def pairs(self, flags: int) -> dict[Any, Any]:
        found = {}
        while flags & 0xFF != END:
            if flags & HAS_ATTRIBUTES:
                self.item()
            tag = self.item() if flags & HAS_TAG else None
            found[tag] = self.item()
            flags = self.word()
        return found

    def vector(self, kind: int, count: int) -> Any:
        if kind in (TEXTS, LIST):
            return [self.item() for _ in range(count)]
        if kind == TEXT and count < 0:  # none
            return None
        dtype = np.dtype(DTYPES[kind])
        part = self.stored[self.at : self.at + dtype.itemsize * count]
        self.at += len(part)
        return part.decode() if kind == TEXT else np.frombuffer(part, dtype)
