"""Warnings about programs that are right but hardly meant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.source import location, user_source
from ..ir.types import Type

_registries: dict[str, dict[Any, Any]] = {}  # of shown warnings per file: each line warns once


class WideningWarning(UserWarning):
    """A NumPy scalar of 64 bits made a computation of 32 bits wide. Python floats do not."""


def widening(name: str, wide: str, types: Sequence[Type], constants: Sequence[Any]) -> None:
    """Warn where NumPy scalars alone make the operands of `name`, f32 or c64 arrays, `wide`."""
    scalars = [c for c in constants if getattr(c, "dtype", None) in (np.float64, np.complex128)]
    culprits = [c for c in scalars if not np.ndim(c)]
    others = len(culprits) < len(scalars) or any(t.dtype in ("f64", "c128") for t in types)
    narrow = [t for t in types if t.dtype in ("f32", "c64")]
    if not narrow or not culprits or others:
        return
    source = user_source()
    kind = type(culprits[0].item()).__name__
    text = (
        f"{name}: {narrow[0]} becomes {wide} because of the NumPy scalar {culprits[0]}\n"
        f"{location(source)}\ntry: {kind}(...) around the scalar"
    )
    path, line = (source.path, source.line) if source else ("<unknown>", 0)
    registry = _registries.setdefault(path, {})
    warnings.warn_explicit(text, WideningWarning, path, line, registry=registry)
