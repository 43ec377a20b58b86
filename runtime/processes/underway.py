"""The transfers of one call of a program, from its start rows to its wait rows."""

from __future__ import annotations

import contextlib
from types import TracebackType

from ..rows import StartRow, WaitRow
from .courier import Pending
from .wire import ProcessError
from .world import world


class Underway:
    """What has begun, by number. Used by one call at a time.

    When the block ends nothing is underway, however it ends: memory is the program's again.
    """

    def __init__(self) -> None:
        self.pending: dict[int, Pending] = {}

    def do(self, row: StartRow | WaitRow, addresses: tuple[int, ...]) -> None:
        try:
            if isinstance(row, WaitRow):
                self.pending.pop(row.number).wait()
            elif row.whole:
                world().now(row.transfer, *addresses)
            else:
                self.pending[row.number] = world().start(row.transfer, *addresses)
        except ProcessError as error:  # said in full, whatever of the engine it went through
            raise error.with_traceback(None) from None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.pending:
            _, left = self.pending.popitem()
            with contextlib.suppress(ProcessError):  # the first error is the one that is told
                left.wait()
