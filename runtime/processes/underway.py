"""The transfers of one call of a program, from its start rows to its wait rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

from ..rows import StartRow, WaitRow
from .wire import ProcessError
from .world import world

Wait = Callable[[], object]


class Begun:
    """What ends each transfer that has begun, by number. Used by one call at a time.

    When the block ends none is left, however it ends: memory is the program's again.
    """

    errors: ClassVar[tuple[type[Exception], ...]] = (ProcessError,)  # of transfers

    def __init__(self) -> None:
        self.waits: dict[int, Wait] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.waits:
            _, wait = self.waits.popitem()
            with contextlib.suppress(*self.errors):  # the first error is the one that is told
                wait()


class Underway(Begun):
    """By the engine of processes, on memory of the host."""

    def do(self, row: StartRow | WaitRow, addresses: tuple[int, ...]) -> None:
        try:
            if isinstance(row, WaitRow):
                self.waits.pop(row.number)()
            elif row.whole:
                world().now(row.transfer, *addresses)
            else:
                self.waits[row.number] = world().start(row.transfer, *addresses).wait
        except ProcessError as error:  # said in full, whatever of the engine it went through
            raise error.with_traceback(None) from None
