"""What is taken for an array of numbers.

Arguments are ndarrays, NumPy's scalars, Python's numbers, and objects that give an array by
`__array__` or `__array_interface__`: tensors of PyTorch on the host, arrays of JAX, columns of
pandas. What is made of other memory alone (array.array, memoryview) is no argument, nor a range.
Operands beside traced values may also be what NumPy makes arrays of: lists, and such memory.

A subclass of ndarray with an arithmetic of its own (masked arrays, matrices, arrays with units) is
refused everywhere: its numbers are not all that it means.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.source import location, user_source

PYTHON = (bool, int, float, complex)
PROTOCOLS = ("__array__", "__array_interface__")
ARITHMETIC = ("__array_ufunc__", "__array_function__", "__mul__")
REPAIRS = {
    "MaskedArray": "np.where(x.mask, 0, x.data), or x.filled(0)",
    "MaskedConstant": "np.nan",
    "matrix": "np.asarray(x), of which * is by element",
}


@functools.cache
def differs(kind: type) -> bool:
    """Whether a subclass of ndarray computes in its own way."""
    return any(getattr(kind, n) is not getattr(np.ndarray, n) for n in ARITHMETIC)


def plain(x: Any) -> np.ndarray:
    """What NumPy makes of `x`, an ndarray itself."""
    if type(x) is np.ndarray:
        return x
    refuse_subclasses(x)
    try:
        return np.asarray(x)
    except ProgramError:
        raise
    except Exception as error:  # whatever a foreign object raises
        raise ProgramError(
            f"array: numbers are required, got {type(x).__name__} ({error})",
            location(user_source()),
            "an ndarray of its numbers",
        ) from None


def refuse_subclasses(x: Any) -> None:
    """Refuses what is more than its numbers, in lists too."""
    if isinstance(x, (list, tuple)):
        for part in x:
            if type(part) not in PYTHON:
                refuse_subclasses(part)
    elif isinstance(x, np.ndarray) and differs(type(x)):
        name = type(x).__name__
        raise ProgramError(
            f"array: an ndarray is required, got {name}, whose arithmetic is its own",
            location(user_source()),
            REPAIRS.get(name, "np.asarray(x), its numbers alone"),
        )


def argument_array(x: Any) -> np.ndarray | None:
    """The array of an argument that is no Python number; None for what is none."""
    if isinstance(x, (np.ndarray, np.generic)) or any(hasattr(type(x), p) for p in PROTOCOLS):
        return plain(x)
    return None
