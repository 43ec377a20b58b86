"""Six novels by Jane Austen as characters, from Debian's r-cran-janeaustenr.

R keeps them in one file, an object after the other: a size, then the object compressed by zlib. An
object is a list of lines.
"""

from __future__ import annotations

import functools
import struct
import zlib

import numpy as np

from .split import Split, found_file

__all__ = ["novels"]

PLACE = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
PACKAGE = "r-cran-janeaustenr"
TEST_PART = 0.05
VECTOR_OF_STRINGS = 16


def novels(
    seed: int = 0, length: int = 128, train_rows: int | None = None, test_rows: int | None = None
) -> Split:
    """4.03 million characters: Emma, Mansfield Park, Northanger Abbey, Persuasion, Pride and
    Prejudice, Sense and Sensibility, in windows [rows, length + 1] of int32; `names` are what they
    number. A window's last character is the next one's first, so each is once what follows.

    The last twentieth of the text is the test part. Where fewer rows are asked for, those to train
    on are drawn by the seed, those to test on stand at equal distances.
    """
    names, ids = _numbered()
    start = len(ids) - round(TEST_PART * len(ids))
    train, test = _windows(ids[:start], length), _windows(ids[start:], length)
    if train_rows is not None:
        order = np.random.default_rng(seed).permutation(len(train))
        train = train[np.sort(order[:train_rows])]
    if test_rows is not None and test_rows < len(test):
        test = test[np.arange(test_rows) * len(test) // test_rows]
    return Split(train, test, names)


def _windows(ids: np.ndarray, length: int) -> np.ndarray:
    rows = (len(ids) - 1) // length
    return ids[np.arange(rows)[:, None] * length + np.arange(length + 1)]


@functools.cache
def _numbered() -> tuple[tuple[str, ...], np.ndarray]:
    """The alphabet, and the text as places in it."""
    text = "\n\n\n".join("\n".join(lines) for lines in _texts())
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known, ids = np.unique(points, return_inverse=True)
    return tuple(chr(c) for c in known), ids.astype(np.int32)


def _texts() -> list[list[str]]:
    stored, at, texts = found_file(PLACE, PACKAGE).read_bytes(), 0, []
    while stored[at + 4 : at + 5] == b"\x78":  # zlib; what R keeps beside the texts is not
        stream = zlib.decompressobj()
        texts.append(_strings(stream.decompress(stored[at + 4 :])))
        at = len(stored) - len(stream.unused_data)
    return texts


def _strings(stored: bytes) -> list[str]:
    """A vector of strings in R's serialization, which is XDR: its header ends with the name of the
    encoding; an item is its kind, its size and its bytes.
    """
    (name,) = struct.unpack_from(">i", stored, 14)
    kind, count = struct.unpack_from(">ii", stored, 18 + name)
    assert kind & 0xFF == VECTOR_OF_STRINGS
    at, found = 26 + name, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", stored, at + 4)
        found.append(stored[at + 8 : at + 8 + size].decode())
        at += 8 + size
    return found
