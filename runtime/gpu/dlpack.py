"""DLPack, the structure in which libraries pass arrays on without a copy, by its binary layout.

`export` makes a capsule that keeps an object alive until its receiver is done; `received` reads the
capsule of another library.

Source: DLPack, version 1; the Python specification of `__dlpack__`.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

CPU, CUDA = 1, 2
KINDS = {"i": 0, "u": 1, "f": 2, "V": 4, "c": 5, "b": 6}  # V is bf16's, whose kind is its own
NAME, USED = b"dltensor", b"used_dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_kind", ctypes.c_int32),
        ("device_index", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_api = ctypes.pythonapi
_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", _api))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api)
)
_is_valid_address = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)
_pointer_of_address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", _api)
)

_held: dict[int, tuple[Any, ...]] = {}
"""By address of the structure: what its receivers use. C code cannot hold Python objects itself."""


def export(
    owner: Any, address: int, dtype: np.dtype, shape: tuple[int, ...], device: tuple[int, int]
) -> Any:
    """A capsule for memory in C order; `owner` lives as long as its receiver uses it."""
    kind = KINDS.get(dtype.kind)
    if kind is None:
        raise BufferError(f"dlpack: an array of numbers is required, got {dtype}")
    shapes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    strides = (ctypes.c_int64 * max(len(shape), 1))(*_strides(shape))
    managed = _Managed()
    managed.tensor = _Tensor(
        address, *device, len(shape), kind, 8 * dtype.itemsize, 1, shapes, strides, 0
    )
    managed.deleter = ctypes.cast(_release, ctypes.c_void_p)
    place = ctypes.addressof(managed)
    _held[place] = (managed, shapes, strides, owner)
    return _new_capsule(place, NAME, ctypes.cast(_unused, ctypes.c_void_p))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = itertools.accumulate(reversed(shape[1:]), lambda a, b: a * b, initial=1)
    return tuple(reversed(list(sizes)))[: len(shape)] if shape else ()


@_Deleter
def _release(place: int) -> None:
    _held.pop(place, None)


@_Deleter
def _unused(capsule: int) -> None:
    """The capsule dies: unless somebody took what is in it, that dies too."""
    if _is_valid_address(capsule, NAME):
        _held.pop(_pointer_of_address(capsule, NAME) or 0, None)


@dataclass
class Received:
    """Memory of another library, which gets it back when this dies."""

    address: int
    dtype: np.dtype
    shape: tuple[int, ...]
    device: tuple[int, int]
    place: int
    contiguous: bool

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def __del__(self) -> None:
        managed = _Managed.from_address(self.place)
        if managed.deleter:
            _Deleter(managed.deleter)(self.place)


def received(capsule: Any) -> Received:
    """What is in a capsule, which is used up. Errors: BufferError."""
    if not _is_valid(capsule, NAME):
        raise BufferError("dlpack: a capsule 'dltensor' that nobody used yet is required")
    place = _pointer(capsule, NAME)
    managed = _Managed.from_address(place)
    t = managed.tensor
    _rename(capsule, USED)
    shape = tuple(t.shape[k] for k in range(t.ndim))
    strides = tuple(t.strides[k] for k in range(t.ndim)) if t.strides else _strides(shape)
    plain = all(n == 1 or s == e for n, s, e in zip(shape, strides, _strides(shape), strict=True))
    kinds = {code: kind for kind, code in KINDS.items()}
    found = Received(
        (t.data or 0) + t.byte_offset,
        np.dtype(np.uint8),
        shape,
        (t.device_kind, t.device_index),
        place,
        plain or math.prod(shape) == 0,
    )
    kind = kinds.get(t.code)
    if kind is None or t.lanes != 1 or t.bits % 8:
        raise BufferError(f"dlpack: elements of kind {t.code} with {t.bits} bits are not known")
    found.dtype = (
        np.dtype(ml_dtypes.bfloat16)
        if kind == "V"
        else np.dtype(f"{kind}{t.bits // 8}" if kind != "b" else "?")
    )
    return found
