"""Whether arguments fit, asked natively: border.py reads the structures of NumPy's arrays.

`verified` tells whether this NumPy and this Python have them where border.py looks. Where they do
not, `fits_spec` asks the same in Python.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import border

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # NumPy's flags


def method(address: int, argument: int) -> Callable[..., int]:
    """The native function at `address`, of CPython's fast calling convention, as a Python function.

    A call takes 30 ns; through ctypes it takes 600.
    """
    return _new_function(ctypes.addressof(_definition(address)), argument, None)


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


FAST_CALL = 0x80

_new_function = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]


@functools.cache
def _definition(address: int) -> _Definition:
    """Lives as long as the process, as the functions that refer to it may."""
    return _Definition(b"native", address, FAST_CALL, None)


@functools.cache
def verified() -> bool:
    """Whether arrays and tuples lie in memory as border.py reads them."""
    samples = [
        np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float64).T, np.zeros(5, np.int32)[::2],
        np.zeros((0, 4), np.uint8), np.zeros(9, np.uint8)[1:].view(np.float64), np.array(1.5),
        np.zeros((2, 1, 7), ">i8"),
    ]  # fmt: skip
    samples[0].flags.writeable = False
    return _tuple_as_expected(tuple(samples)) and all(map(_array_as_expected, samples))


def _array_as_expected(a: np.ndarray) -> bool:
    def word(offset: int) -> int:
        return ctypes.c_int64.from_address(id(a) + offset).value

    def half(offset: int) -> int:
        return ctypes.c_int32.from_address(id(a) + offset).value

    facts = a.flags.c_contiguous, a.flags.aligned, a.flags.writeable
    flags = half(border.ARRAY_FLAGS)
    return (
        word(border.OBJECT_TYPE) == id(np.ndarray)
        and word(border.ARRAY_DATA) == a.ctypes.data
        and word(border.ARRAY_DTYPE) == id(a.dtype)
        and half(border.ARRAY_NDIM) == a.ndim
        and tuple(flags & f > 0 for f in (CONTIGUOUS, ALIGNED, WRITEABLE)) == facts
        and tuple((ctypes.c_int64 * a.ndim).from_address(word(border.ARRAY_SIZES))) == a.shape
    )


def _tuple_as_expected(t: tuple[Any, ...]) -> bool:
    words = (ctypes.c_int64 * (border.TUPLE_ITEMS // 8 + len(t))).from_address(id(t))
    return (
        words[border.OBJECT_TYPE // 8] == id(tuple)
        and words[border.TUPLE_SIZE // 8] == len(t)
        and words[border.TUPLE_ITEMS // 8 :] == [id(x) for x in t]
    )
