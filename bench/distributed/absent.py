"""Other processes that are not there: transfers take as long as on a link, and cost no processor.

    with linked(8, seconds=2e-6, bytes_a_second=10e9):
        step(...)

All processes have what this one has, so a sum is a multiple. What of transfers is hidden behind
work is what the schedule of a program hides, with a core of its own for every process.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from wonderland.runtime.processes import world as worlds
from wonderland.runtime.processes.courier import Courier
from wonderland.runtime.processes.vigil import News
from wonderland.runtime.processes.wire import Alone
from wonderland.runtime.rows import MeshAxes, Transfer

WIRE_SHARE = {"sum": 2, "max": 2, "min": 2, "gather": 1, "scatter": 1, "exchange": 1, "permute": 1}
"""How often the larger one of operand and result goes over the link, but for the own part."""


class LinkedWorld(worlds.World):
    """This process as one of `size` that are all alike; `waited` are the seconds of transfers."""

    def __init__(self, size: int, seconds: float, bytes_a_second: float) -> None:
        self.helper = Courier(News())
        super().__init__(Alone(), courier=self.helper)
        self.size, self.all = size, (("processes", size),)
        self.seconds, self.bytes_a_second = seconds, bytes_a_second
        self.under_way_seconds, self.messages = 0.0, 0

    def join(self, mesh: MeshAxes) -> None: ...

    def agree(self, what: str, text: str) -> None: ...

    def place(self, mesh: MeshAxes, axis: str) -> int:
        return 0

    def _work(self, transfer: Transfer, source: int, result: int) -> partial[None]:
        return partial(self.exchange, transfer, source, result)

    def exchange(self, transfer: Transfer, source: int, result: int) -> None:
        n, start = transfer.size, time.perf_counter()
        nbytes = max(transfer.operand_bytes, transfer.result_bytes)
        share = WIRE_SHARE[transfer.kind] * (1 if transfer.kind == "permute" else (n - 1) / n)
        of_all_alike(transfer, source, result)
        end = start + self.seconds + nbytes * share / self.bytes_a_second
        while (left := end - time.perf_counter()) > 0:
            time.sleep(left)
        self.under_way_seconds += time.perf_counter() - start
        self.messages += 1


def of_all_alike(transfer: Transfer, source: int, result: int) -> None:
    """The result where all processes have the same operand, and this one is the first."""
    x, y = (
        np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(at)).view(transfer.dtype)
        for at, nbytes in ((source, transfer.operand_bytes), (result, transfer.result_bytes))
    )
    match transfer.kind:
        case "sum":
            np.multiply(x, transfer.size, out=y)
        case "gather":
            y.reshape(transfer.size, -1)[:] = x
        case "scatter":
            np.multiply(x.reshape(transfer.size, -1)[0], transfer.size, out=y)
        case "exchange":
            y.reshape(transfer.size, -1)[:] = x.reshape(transfer.size, -1)[0]
        case _:
            y[:] = x


@contextmanager
def linked(size: int, seconds: float, bytes_a_second: float) -> Iterator[LinkedWorld]:
    """`wl.distributed` on such processes, at so many seconds a message and bytes a second."""
    before = worlds._process.world
    world = worlds._process.world = LinkedWorld(size, seconds, bytes_a_second)
    try:
        yield world
    finally:
        world.helper.stop()
        worlds._process.world = before
