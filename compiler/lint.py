"""Warnings about programs that are right but hardly meant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .ir import user_source, where
from .types import Type

_registries: dict[str, dict[Any, Any]] = {}  # of shown warnings per file: each line warns once


class WideningWarning(UserWarning):
    """A NumPy float64 scalar made a float32 computation float64. Python floats do not."""


def widening(name: str, types: Sequence[Type], constants: Sequence[Any]) -> None:
    """Warn where NumPy scalars alone make f64 of the operands of `name`, f32 arrays among them."""
    wide = [c for c in constants if getattr(c, "dtype", None) == np.float64]
    culprits = [c for c in wide if not np.ndim(c)]
    others = len(culprits) < len(wide) or any(t.dtype == "f64" for t in types)
    narrow = [t for t in types if t.dtype == "f32"]
    if not narrow or not culprits or others:
        return
    source = user_source()
    text = (
        f"{name}: {narrow[0]} becomes f64 because of the NumPy scalar {np.float64(culprits[0])}\n"
        f"{where(source)}\ntry: float(...) around the scalar"
    )
    path, line = (source.path, source.line) if source else ("<unknown>", 0)
    registry = _registries.setdefault(path, {})
    warnings.warn_explicit(text, WideningWarning, path, line, registry=registry)
