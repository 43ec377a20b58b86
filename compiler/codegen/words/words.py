"""The vocabulary of printed kernels: every word by its name, and the key of this version.

Words are functions of an emitter (simd, memory, tile), texts emitted in place (elementary and those
after it), and the names of dtypes.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from ....runtime.native.language import (
    MEMORY,
    Emitter,
    NativeError,
    NativeValue,
    Word,
    inlined,
)
from .memory import MEMORY_WORDS
from .panels import PANEL_WORDS
from .simd import DTYPES, SIMD, common_kind, widen
from .tile import TILE_WORDS

HERE = Path(__file__).parent
TEXTS = (
    "elementary", "circular", "hyperbolic", "powers", "special", "bessel", "gamma", "incomplete",
)  # fmt: skip
ELEMENTARY = "\n".join((HERE / f"{name}.py").read_text() for name in TEXTS)


def by_dtype(name: str, forms: dict[str, Word]) -> Word:
    """The form of the operands' dtype, else the one that serves all."""

    def word(e: Emitter, *xs: Any) -> NativeValue:
        kind = common_kind(*xs)
        form = forms.get(f"{name}_{kind.dtype}") or forms.get(name)
        if form is None:
            raise NativeError(f"'{name}' is not defined for {kind.dtype}")
        return form(
            e,
            *(
                x if isinstance(x, NativeValue) else NativeValue(kind, widen(e, x, kind))
                for x in xs
            ),
        )

    return word


def elementary(primitives: dict[str, Any], text: str = ELEMENTARY) -> dict[str, Word]:
    """The functions of a text, without the dtype in their names, but not parts (`_`)."""
    forms = inlined(text, primitives)
    stems = {
        n.rpartition("_")[0] if n.endswith(tuple(f"_{d}" for d in DTYPES)) else n for n in forms
    }
    return {n: by_dtype(n, forms) for n in stems if not n.startswith("_")}


PRIMITIVES = MEMORY | SIMD | MEMORY_WORDS | TILE_WORDS | PANEL_WORDS
WORDS: dict[str, Any] = PRIMITIVES | elementary(PRIMITIVES)

OUTLINED = re.compile(rf"\b(?:{'|'.join(TILE_WORDS | PANEL_WORDS)})\((?:\d+, )+")


def outlined_in(text: str) -> list[str]:
    """The outlined functions that a text calls. Texts in the order of these share most of them."""
    return sorted(set(OUTLINED.findall(text)))


MODULES = ("simd", "memory", "outlined", "tile", "panels", *TEXTS, "words")
SOURCES = [HERE / f"{name}.py" for name in MODULES]
KEY = hashlib.sha256(b"".join(f.read_bytes() for f in SOURCES)).hexdigest()
