"""Small programs are divided as large ones: inside of a block, little is thought to be much."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

from wonderland.compiler.fuse import apart, chunks

SIZES = {
    "CHUNKS": 5, "LEAST_STEPS": 3, "MOST_STEPS": 20, "LEAST_WORK": 30, "LONG_ROW": 20,
    "SHORT_ROW": 4, "ROW_BYTES": 400, "LEAST_ROWS": 2, "MOST_ROWS": 5, "DEPTH": 12,
    "DEPTH_OF_FEW": 6, "FEW_RESULTS": 40, "FEW_ROWS": 3, "BLOCK": 10, "BLOCKS_OF_ROW": 3,
    "LEAST_OF_ROW": 4,
}  # fmt: skip


@contextlib.contextmanager
def divided() -> Iterator[None]:
    """The sizes from which on work is divided, and what it is divided into, by SIZES."""
    with contextlib.ExitStack() as stack:
        for module in (apart, chunks):
            for name in SIZES.keys() & vars(module).keys():
                stack.enter_context(mock.patch.object(module, name, SIZES[name]))
        yield
