"""A world that is made up: its other process always has the same, and gives it late.

Until a transfer is waited for its result holds no numbers, and nobody may touch what it writes, or
write what it reads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.distributed.meaning import received
from wonderland.runtime.processes import world
from wonderland.runtime.processes.wire import Alone
from wonderland.runtime.rows import MeshAxes, Transfer
from wonderland.runtime.spec import POISON


class SlowTransfer:
    """A transfer that is done when it is waited for."""

    def __init__(self, transfer: Transfer, source: int, result: int) -> None:
        self.transfer, self.addresses = transfer, (source, result)
        self.operand = self.memory(source, transfer.operand_bytes).copy()
        self.memory(result, transfer.result_bytes)[:] = POISON

    def memory(self, address: int, nbytes: int) -> np.ndarray:
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))

    def wait(self) -> None:
        source, result = self.addresses
        there = self.memory(result, self.transfer.result_bytes)
        assert np.array_equal(self.memory(source, self.transfer.operand_bytes), self.operand)
        assert (there == POISON).all()
        found = AlikeWorld().exchanged(self.transfer, self.operand.view(self.transfer.dtype))
        there[:] = found.view(np.uint8)


class AlikeWorld(world.World):
    """Two processes that have the same, of which this one is the first."""

    def __init__(self) -> None:
        super().__init__(Alone())
        self.size = 2

    def join(self, mesh: MeshAxes) -> None: ...

    def agree(self, what: str, text: str) -> None: ...

    def place(self, mesh: MeshAxes, axis: str) -> int:
        return 0

    def exchanged(self, transfer: Transfer, array: np.ndarray) -> np.ndarray:
        return received(transfer.kind, [array.reshape(-1)] * self.size, transfer.pairs)[0]

    def now(self, transfer: Transfer, source: int, result: int) -> None:
        SlowTransfer(transfer, source, result).wait()

    def start(self, transfer: Transfer, source: int, result: int) -> Any:
        return SlowTransfer(transfer, source, result)


@contextmanager
def alike_world() -> Iterator[None]:
    """Programs run in one of two processes that have the same."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(world._process, "world", AlikeWorld())
        yield
