"""What a program requires of its arguments, in Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

POISON = 0xFF  # bytes of NaN in every float, and of a truth value that is neither
SCALARS = {  # Python's numbers that an array without axes of a kind of dtype is made of; V is bf16
    "b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "V": (int, float),
    "c": (int, float, complex),
}  # fmt: skip


@dataclass(frozen=True)
class ArraySpec:
    """dtype and shape of an argument or a result."""

    dtype: np.dtype
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        # arrays refer to NumPy's one object of a dtype, and the guard compares addresses
        object.__setattr__(self, "dtype", np.dtype(self.dtype.type))

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def __str__(self) -> str:
        return type_text(self.dtype, self.shape)


def type_text(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    """As types are written in programs: f32[3, 4]."""
    name = {"bool": "bool", "bfloat16": "bf16"}.get(dtype.name)
    return f"{name or f'{dtype.kind}{8 * dtype.itemsize}'}{list(shape)}"


def fits_spec(leaf: Any, spec: ArraySpec, donated: bool) -> bool:
    """What the native guard asks, in Python."""
    return (
        type(leaf) is np.ndarray
        and leaf.dtype is spec.dtype
        and leaf.shape == spec.shape
        and leaf.flags.c_contiguous
        and leaf.flags.aligned
        and (leaf.flags.writeable or not donated)
    )


def accept(leaf: Any, spec: ArraySpec, argument: int, donated: bool) -> np.ndarray:
    """`leaf` as an array that fits: copied where only its layout differs, else an error."""
    if not isinstance(leaf, np.ndarray | np.generic):
        if spec.shape == () and isinstance(leaf, SCALARS.get(spec.dtype.kind, ())):
            return np.array(leaf, spec.dtype)
        raise TypeError(f"argument {argument}: {spec} is required, got {type(leaf).__name__}")
    if leaf.shape != spec.shape or leaf.dtype.newbyteorder("=") != spec.dtype:
        got = type_text(leaf.dtype, leaf.shape)
        raise TypeError(f"argument {argument}: {spec} is required, got {got}")
    array = np.require(np.asarray(leaf), spec.dtype, ["C", "A", "W"] if donated else ["C", "A"])
    return array if array.dtype is spec.dtype else array.view(spec.dtype)
