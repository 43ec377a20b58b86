"""Warnings about programs that are right but hardly meant."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any

from ..ir.source import user_frame
from ..ir.types import Type

_registries: dict[str, dict[Any, Any]] = {}  # of shown warnings per file: each line warns once


class WideningWarning(UserWarning):
    """An argument of 64 bits made a computation of 32 bits wide, half as fast.

    Numbers, constants and integers widen nothing, and what `.astype` or `dtype=` made f64 is meant.
    """


def widening(name: str, wide: str, types: Sequence[Type], arguments: Sequence[Any]) -> None:
    """Warn where arguments of 64 bits make operands of `name`, of these types, `wide`."""
    narrow = next((t for t in types if t.dtype in ("f32", "c64")), None)
    if narrow is None or not arguments:
        return
    frame = user_frame()
    if _at_once(frame):
        return
    called = "x"
    if frame is not None:
        named = (n for n, x in frame.f_locals.items() if any(x is a for a in arguments))
        called = next(named, called)
    of, half = arguments[0].type, "float32" if wide == "f64" else "complex64"
    text = (
        f"{name}: {narrow} becomes {wide} because of an argument, {of}\n"
        f"try: {called}.astype(np.{half}) before the call"
    )
    path, line = (frame.f_code.co_filename, frame.f_lineno) if frame else ("<unknown>", 0)
    registry = _registries.setdefault(path, {})
    warnings.warn_explicit(text, WideningWarning, path, line, registry=registry)


def _at_once(user: FrameType | None) -> bool:
    """Whether the user's line called a function on arrays, which is traced for that call alone."""
    frame = sys._getframe(1)
    while frame is not None and frame is not user:
        if frame.f_code.co_name == "trace_tree":
            return True
        frame = frame.f_back
    return False
