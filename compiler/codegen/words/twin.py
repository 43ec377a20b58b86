"""Kernel texts as plain Python: the vocabulary over NumPy, and `run_text` on real memory.

    run(text, args.ctypes.data, 0, points, scratch)

What machine code and this twin disagree on is a defect of one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from . import (
    bessel,
    circular,
    elementary,
    gamma,
    hyperbolic,
    incomplete,
    numpy_tile,
    numpy_words,
    powers,
    special,
)
from .numpy_words import NAMES, NUMPY
from .words import WORDS as EMITTED

TEXTS = {
    name: form
    for module in (elementary, circular, hyperbolic, powers, special, bessel, gamma, incomplete)
    for name, form in vars(module).items()
}


def by_dtype(name: str) -> Callable[..., Any]:
    """The form of the operands' dtype, else the one that serves all, as in words.py."""

    def word(*xs: Any) -> Any:
        operands = numpy_words.common_operands(*xs)
        form = TEXTS.get(f"{name}_{NAMES[operands[0].dtype]}") or TEXTS[name]
        return form(*operands)

    return word


def twin(name: str) -> Any:
    if name in NUMPY:
        return name
    for module in (numpy_words, numpy_tile):
        if hasattr(module, name):
            return getattr(module, name)
    return by_dtype(name)


WORDS: dict[str, Any] = {name: twin(name) for name in EMITTED}


def run_text(text: str, *args: int, words: dict[str, Any] | None = None) -> int:
    """Executes the last function of `text`; `words` adds to or replaces the vocabulary."""
    scope: dict[str, Any] = WORDS | (words or {})
    given = set(scope)
    exec(text, scope)
    function = [v for k, v in scope.items() if k not in given and isinstance(v, FunctionType)][-1]
    with np.errstate(all="ignore"):
        return function(*args) or 0
