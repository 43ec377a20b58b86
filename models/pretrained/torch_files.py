"""Tensors of a file that torch wrote, read without torch and without running what is in it."""

from __future__ import annotations

import collections
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8",
          "IntStorage": "<i4", "ShortStorage": "<i2", "ByteStorage": "u1", "CharStorage": "i1",
          "BoolStorage": "?"}  # fmt: skip
HEADER = 3  # what a file begins with: a magic number, a version, sizes of the machine


@dataclass
class Stored:
    """Numbers that lie at the end of the file; a tensor is a view of them."""

    dtype: str
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class View:
    stored: Stored
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        numbers = self.stored.numbers[self.start :]
        steps = tuple(s * numbers.itemsize for s in self.strides)
        return np.lib.stride_tricks.as_strided(numbers, self.shape, steps).copy()


class Tensors(pickle.Unpickler):
    """Makes tensors and dicts of them; a file that asks for anything else is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Stored] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda stored, start, shape, strides, *_: View(stored, start, shape, strides)
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"a tensor is required, got {module}.{name}")

    def persistent_load(self, pid: Any) -> Stored:
        _, dtype, name, *_ = pid
        return self.storages.setdefault(name, Stored(dtype))


def tensors(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of a dict of tensors by name, of the format before torch 1.6."""
    with path.open("rb") as file:
        for _ in range(HEADER):
            pickle.Unpickler(file).load()
        reader = Tensors(file)
        found = reader.load()
        for name in pickle.Unpickler(file).load():
            stored = reader.storages[name]
            count = int(np.fromfile(file, "<i8", 1)[0])
            stored.numbers = np.fromfile(file, stored.dtype, count)
    return {name: view.array() for name, view in found.items()}
