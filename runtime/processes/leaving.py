"""How a process leaves: it tells the others, hears them out, and ends MPI only if all have ended.

A process that fails does so without a last word to MPI: most launchers then end all others, which
have had their time to say what they died of.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from types import TracebackType

from .courier import Courier
from .vigil import Vigil
from .wire import Wire, in_a_line

CLOSE_SECONDS = 10.0


_last_words: list[str] = []  # of a process that ends without MPI's end


def _end() -> None:
    """Others wait for no word of this process any more, and it for none of MPI's. A launcher must
    not see success where some process has failed."""
    if _last_words:
        sys.stdout.flush()
        print(*_last_words, sep="\n", end="", file=sys.stderr, flush=True)
        _run_earlier()
        os._exit(1)


def _run_earlier() -> None:
    """What others registered before `_end`, as the end of children and of temporary files: Python
    would run it next, but for the status."""
    order: list[object] = []  # the oldest first, or the newest: Python's versions differ
    atexit.unregister(_Chosen(order.append))  # pyright: ignore[reportArgumentType]
    end, before = (next(k for k, f in enumerate(order) if f is g) for g in (_end, _before))
    ran = iter([k >= end if before < end else k <= end for k in range(len(order))])
    atexit.unregister(_Chosen(lambda _: next(ran)))  # pyright: ignore[reportArgumentType]
    atexit._run_exitfuncs()
    sys.stdout.flush()


class _Chosen:
    """Equal to the functions that are chosen, of which each is asked for once."""

    def __init__(self, choose: Callable[[object], object]) -> None:
        self.choose = choose

    def __eq__(self, function: object) -> bool:
        return bool(self.choose(function))

    def __hash__(self) -> int:
        raise TypeError


def _before() -> None:
    """Registered before `_end`."""


atexit.register(_before)
atexit.register(_end)  # when this is imported, so that it runs after what others register later


class Leaving:
    """What happens at the end of this process, from now on."""

    def __init__(self, wire: Wire, courier: Courier, vigil: Vigil) -> None:
        self.wire, self.courier, self.vigil = wire, courier, vigil
        self.news, self.process = courier.news, os.getpid()
        self.error: BaseException | None = None
        self.said_before, sys.excepthook = sys.excepthook, self._failed
        atexit.register(self.leave)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _failed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Nothing has caught an error: the others know before threads of this process end."""
        if self._mine() and not interactive():
            self.error = error
            self.news.break_off(in_a_line(error))
        self.said_before(kind, error, trace)

    def leave(self) -> None:
        if not self._mine():
            return
        if sys.excepthook != self._failed and not interactive():  # that of others hides ours
            self.error = getattr(sys, "last_value", None)
        if self.error is not None:
            self.news.break_off(in_a_line(self.error))
        self.vigil.say(self.news.broken, last=True)
        others = [rank for rank in range(self.wire.size) if rank != self.wire.rank]
        self.news.farewell(others, lambda: self.courier.now(self.wire.progress))
        if not self.news.broken:
            self.courier.start(self.wire.close).wait(CLOSE_SECONDS)
        else:
            _last_words.append(f"wonderland: {self.news.broken}\n" if self.error is None else "")
        self.news.broken = self.news.broken or "this program has ended"
        self.courier.stop()

    def _mine(self) -> bool:
        return os.getpid() == self.process

    def _forked(self) -> None:
        """The child has no world; locks may be held in it for ever."""
        self.news.broken = f"this process was forked from process {self.wire.rank}"
        self.vigil.forget()


def interactive() -> bool:
    """Whether errors end nothing."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)
