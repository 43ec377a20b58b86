"""Element types and shapes: `f32[3, 4]`, a scalar is `f32`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from .errors import ProgramError
from .lazy import lazy

NUMPY: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "u32": np.dtype(np.uint32),
    "u64": np.dtype(np.uint64),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "c64": np.dtype(np.complex64),
    "c128": np.dtype(np.complex128),
}
"""Name to NumPy dtype, for every element type of the language."""

NAMES = {d: n for n, d in NUMPY.items()}
OWN = frozenset(NUMPY) - {"bool", "i8", "u8", "f16"}
"""Our names without a meaning in NumPy, whose "i8" and "u8" have eight bytes, "f16" sixteen."""
SIGNED, UNSIGNED = ("i8", "i16", "i32", "i64"), ("u8", "u16", "u32", "u64")
INTEGERS = (*SIGNED, *UNSIGNED)
HALVES = ("f16", "bf16")  # stored in 16 bits, computed in f32
WIDE = ("f32", "f64")
FLOATS = (*HALVES, *WIDE)
PART = {"c64": "f32", "c128": "f64"}
"""The dtype of the real and of the imaginary part of a complex number."""
WHOLE = {part: dtype for dtype, part in PART.items()}
COMPLEX = tuple(PART)
INEXACT = (*FLOATS, *COMPLEX)  # those that have derivatives
REAL = tuple(d for d in NUMPY if d not in COMPLEX)  # those that kernels compute with
MAX_AXES, MAX_BYTES = 64, 2**63 - 1  # of an array, as in NumPy
ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def finfo(dtype: str) -> Any:
    """What np.finfo says, of every float and complex dtype."""
    return ml_dtypes.finfo(NUMPY[PART.get(dtype, dtype)])


def is_float(dtype: str) -> bool:
    return dtype in FLOATS


def is_inexact(dtype: str) -> bool:
    """Whether values of the dtype have derivatives."""
    return dtype in INEXACT


def language_dtype(x: Any) -> Any:
    """The dtype that only our names have a string for, as "f32" or "bf16"; else `x` as it is."""
    return NUMPY[x] if type(x) is str and x in OWN else x


def dtype_name(dtype: Any) -> str:
    """The language's name of anything NumPy takes for a dtype, and of strings in `OWN`.

    What a string means to NumPy it means here: "i8" is i64.
    """
    if isinstance(dtype, np.dtype) and (name := NAMES.get(dtype)):
        return name
    given: Any = dtype
    found: Any = None
    with suppress(TypeError):  # what is no dtype, or one whose elements have no order of bytes
        given = np.dtype(language_dtype(dtype))
        found = given.newbyteorder("=")
    if found not in NAMES:
        names = ", ".join(d.name for d in NUMPY.values())
        raise ProgramError(
            f"dtype: one of {names} is required, got {given}",
            repair='np.float16, or "f2"' if type(dtype) is str and dtype == "f16" else "",
        )
    return NAMES[found]


@dataclass(frozen=True, eq=False)
class Type:
    """Element type and static shape of a value."""

    dtype: str
    shape: tuple[int, ...] = ()

    def __eq__(self, other: object) -> bool:
        if self is other:  # as most are that are compared
            return True
        same = other.__class__ is Type
        return same and self.dtype == other.dtype and self.shape == other.shape  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @lazy
    def size(self) -> int:
        return math.prod(self.shape)

    def excess(self, axes: int = MAX_AXES) -> str:
        """What is beyond NumPy's bounds, for messages; empty for a type that arrays can have."""
        if any(n < 0 for n in self.shape):
            return f"sizes from 0 on are required, got {self}"
        axes -= self.is_complex  # which is an axis of two reals to the compiler
        if len(self.shape) > axes:
            return f"at most {axes} axes are possible, got {len(self.shape)}"
        nbytes = self.nbytes or math.prod(n or 1 for n in self.shape) * self.numpy.itemsize
        if nbytes > MAX_BYTES:
            return f"at most 2**63 - 1 bytes are possible, got {self}"
        return ""

    @lazy
    def beyond(self) -> str:
        """What is beyond the bounds of values of a graph: parts take one axis more than arrays."""
        return self.excess(MAX_AXES + 1)

    @property
    def nbytes(self) -> int:
        return self.size * NUMPY[self.dtype].itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        return NUMPY[self.dtype]

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_complex(self) -> bool:
        return self.dtype in COMPLEX

    @property
    def is_inexact(self) -> bool:
        """Whether values have derivatives: floats and complex numbers."""
        return self.dtype in INEXACT

    @property
    def part(self) -> Type:
        """The type of the real part."""
        return Type(PART.get(self.dtype, self.dtype), self.shape)

    def of(self, dtype: str) -> Type:
        """The same shape with another element type."""
        return Type(dtype, self.shape)

    def __getitem__(self, shape: int | tuple[int, ...]) -> Type:
        return Type(self.dtype, shape if isinstance(shape, tuple) else (shape,))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape else self.dtype


def type_of(array: Any) -> Type:
    """The type of an array or NumPy scalar."""
    a = np.asarray(array)
    return Type(dtype_name(a.dtype), a.shape)


def spelled(types: Iterable[Type]) -> str:
    """`f32[3] and f32[4]`, for messages."""
    return " and ".join(map(str, types))


def spelled_bytes(nbytes: float) -> str:
    """`1536` as `1.54 kB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.4g} {unit}" if unit != "B" else f"{nbytes:.0f} B"
        nbytes /= 1000
    return f"{nbytes:.4g} TB"
