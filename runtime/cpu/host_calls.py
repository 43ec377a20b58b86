"""Calls of Python functions in the middle of a program."""

from __future__ import annotations

import ctypes
import math

import numpy as np

from ..rows import HostRow, host_results


def call_host(row: HostRow, addresses: tuple[int, ...]) -> None:
    """Calls the function on copies of its inputs and copies what it gives to its outputs."""
    operands = (*row.inputs, *row.outputs)
    views = [
        view(address, dtype, shape)
        for address, (_, dtype, shape) in zip(addresses, operands, strict=True)
    ]
    count = len(row.inputs)
    results = host_results(row, [x.copy() for x in views[:count]])
    for result, y in zip(results, views[count:], strict=True):
        y[...] = result


def view(address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The memory at an address as an array, for as long as the caller knows that it lives."""
    nbytes = dtype.itemsize * math.prod(shape)
    if not nbytes:
        return np.empty(shape, dtype)
    memory = (ctypes.c_uint8 * nbytes).from_address(address)
    return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
