"""cuBLASLt as its documentation says it is, by NumPy on the memory of a fake device.

It reads the attributes that it is given from their bytes, and refuses what it does not know.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.ptx import Memory

DTYPES = {0: np.dtype(np.float32), 1: np.dtype(np.float64)}
DESCRIPTION = {3: "i", 4: "i"}
LAYOUT = {5: "i", 6: "q"}
PREFERENCE = {1: "Q", 3: "I", 5: "I", 6: "I", 7: "I", 8: "I"}
UNKNOWN = 15  # CUBLAS_STATUS_NOT_SUPPORTED


@dataclass
class Object:
    """What a handle stands for."""

    fields: dict[str, int]
    attributes: dict[int, int] = field(default_factory=dict)


def tf32(x: np.ndarray) -> np.ndarray:
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def bf16(x: np.ndarray) -> np.ndarray:
    rounded = x.view(np.uint32) + np.uint32(0x7FFF) + (x.view(np.uint32) >> 16 & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


ROUNDINGS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    68: lambda x: x, 70: lambda x: x, 77: tf32, 75: bf16,
}  # fmt: skip


class FakeCublasLt:
    """`refuses`: no product has a way to be done. `seen`: descriptions of products asked for."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.refuses = memory, False
        self.objects: dict[int, Object] = {}
        self.numbers = itertools.count(0x1000)
        self.preferences: list[dict[int, int]] = []

    def made(self, place: Any, **fields: int) -> int:
        number = next(self.numbers)
        self.objects[number] = Object(fields)
        place._obj.value = number
        return 0

    def set(self, known: dict[int, str], of: Any, which: Any, value: Any, size: Any) -> int:
        if which.value not in known or size.value != struct.calcsize(known[which.value]):
            return UNKNOWN
        (found,) = struct.unpack(known[which.value], bytes(value._obj))
        self.objects[of.value].attributes[which.value] = found
        return 0

    def cublasLtCreate(self, place: Any) -> int:
        return self.made(place)

    def cublasLtMatmulDescCreate(self, place: Any, compute: Any, scale: Any) -> int:
        return self.made(place, compute=compute.value, scale=scale.value)

    def cublasLtMatmulDescSetAttribute(self, *args: Any) -> int:
        return self.set(DESCRIPTION, *args)

    def cublasLtMatrixLayoutCreate(self, place: Any, dtype: Any, rows: Any, columns: Any,
                                   leading: Any) -> int:  # fmt: skip
        if leading.value < rows.value:
            return UNKNOWN
        return self.made(place, dtype=dtype.value, rows=rows.value, columns=columns.value,
                         leading=leading.value)  # fmt: skip

    def cublasLtMatrixLayoutSetAttribute(self, *args: Any) -> int:
        return self.set(LAYOUT, *args)

    def cublasLtMatmulPreferenceCreate(self, place: Any) -> int:
        return self.made(place)

    def cublasLtMatmulPreferenceSetAttribute(self, *args: Any) -> int:
        return self.set(PREFERENCE, *args)

    def cublasLtMatmulPreferenceDestroy(self, of: Any) -> int:
        self.preferences.append(self.objects.pop(of.value).attributes)
        return 0

    def cublasLtMatmulAlgoGetHeuristic(self, handle: Any, of: Any, a: Any, b: Any, c: Any, d: Any,
                                       preference: Any, most: Any, found: Any,
                                       count: Any) -> int:  # fmt: skip
        assert preference.value in self.objects and most.value == 1
        count._obj.value = 0 if self.refuses else 1
        found._obj.algorithm[0] = of.value
        return 0

    def cublasLtMatmul(self, handle: Any, of: Any, alpha: Any, a: Any, a_layout: Any, b: Any,
                       b_layout: Any, beta: Any, c: Any, c_layout: Any, d: Any, d_layout: Any,
                       algorithm: Any, workspace: Any, workspace_bytes: Any,
                       stream: Any) -> int:  # fmt: skip
        description = self.objects[of.value]
        assert algorithm._obj[0] == of.value and (alpha._obj.value, beta._obj.value) == (1, 0)
        self.memory.part(workspace.value, workspace_bytes.value, True)
        rounded = ROUNDINGS[description.fields["compute"]]
        to = self.matrices(d, d_layout, True)
        for k, out in enumerate(to):
            one = rounded(self.matrices(a, a_layout, False)[k])
            other = rounded(self.matrices(b, b_layout, False)[k])
            one = one.T if description.attributes[3] else one
            other = other.T if description.attributes[4] else other
            out[...] = one.astype(np.float64) @ other.astype(np.float64)
        return 0

    def matrices(self, place: Any, layout: Any, written: bool) -> list[np.ndarray]:
        """The column-major matrices of a batch, as they are in memory."""
        found = self.objects[layout.value]
        f, dtype = found.fields, DTYPES[found.fields["dtype"]]
        size, step = dtype.itemsize, found.attributes.get(6, 0)
        made = []
        for k in range(found.attributes.get(5, 1)):
            start = place.value + k * step * size
            for column in range(f["columns"]):  # what is between columns is nobody's business
                self.memory.part(start + column * f["leading"] * size, f["rows"] * size, written)
            nbytes = ((f["columns"] - 1) * f["leading"] + f["rows"]) * size
            buffer = self.memory.find(start, start + nbytes)
            assert buffer is not None
            data = buffer.bytes[start - buffer.address :][:nbytes].view(dtype)
            shape, strides = (f["columns"], f["rows"]), (f["leading"] * size, size)
            made.append(np.lib.stride_tricks.as_strided(data, shape, strides).T)
        return made
