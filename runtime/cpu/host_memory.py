"""Memory of this process by its address, for Python in the middle of a program."""

from __future__ import annotations

import ctypes
import math

import numpy as np


class HostMemory:
    """As machine.py reads and writes it; the caller knows that it lives."""

    def read(self, address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        return view(address, dtype, shape).copy()

    def write(self, address: int, array: np.ndarray) -> None:
        view(address, array.dtype, array.shape)[...] = array

    def copy(self, to: int, source: int, nbytes: int) -> None:
        ctypes.memmove(to, source, nbytes)


def view(address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The memory at an address as an array."""
    nbytes = dtype.itemsize * math.prod(shape)
    if not nbytes:
        return np.empty(shape, dtype)
    memory = (ctypes.c_uint8 * nbytes).from_address(address)
    return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
