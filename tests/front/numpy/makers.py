"""Makers of calls: what a draw makes of a name.

A maker gives positional arguments and keywords. ndarrays in them are traced, everything else is
static. What only our functions take (`size=`) stands behind `OURS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.front.numpy.draws import Draw

Made = tuple[tuple[Any, ...], dict[str, Any]]
Maker = Callable[[Draw], Made]
OURS = "ours:"  # a keyword that NumPy's function has not

DTYPES = (..., ..., ..., "?", "i2", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "c16", "i", "f")
MAKERS: dict[str, Maker] = {}


def made(names: str) -> Callable[[Maker], Maker]:
    def enter(maker: Maker) -> Maker:
        for name in names.split():
            assert name not in MAKERS, name
            MAKERS[name] = maker
        return maker

    return enter
