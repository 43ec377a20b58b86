"""The thread that does transfers beside the program, one after another in the order of starts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from .vigil import GRACE_SECONDS, News
from .wire import in_a_line

Work = Callable[[], None]


class Pending:
    """Work that is started: `wait` returns when it is done, and raises what it has raised."""

    def __init__(self, work: Work, news: News) -> None:
        self.work, self.news = work, news
        self.error: BaseException | None = None
        self.under_way = threading.Lock()
        self.under_way.acquire()

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.error = error
        self.under_way.release()

    def wait(self, timeout: float = -1) -> bool:
        """After Ctrl-C, too, the memory is let go. False: not done within the timeout."""
        try:
            if not self.under_way.acquire(timeout=timeout):
                return False
        except BaseException as error:
            self.news.break_off(in_a_line(error))
            if self.under_way.acquire(timeout=GRACE_SECONDS):
                self.under_way.release()
            raise
        self.under_way.release()
        if self.error is not None:
            raise self.error
        return True


class Done(Pending):
    """What was done at once."""

    def __init__(self) -> None: ...

    def wait(self, timeout: float = -1) -> bool:
        return True


class Courier:
    """A thread of this process, and the turns that calling threads take in its place."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.queue: SimpleQueue[Pending | None] = SimpleQueue()
        self.gate, self.turn = threading.Lock(), threading.Lock()
        self.ahead = 0  # started and not done
        self.thread = threading.Thread(target=self._serve, name="transfers", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (pending := self.queue.get()) is not None:
            with self.turn:
                pending.run()
            with self.gate:
                self.ahead -= 1

    def start(self, work: Work) -> Pending:
        pending = Pending(work, self.news)
        with self.gate:
            self.ahead += 1
            self.queue.put(pending)
        return pending

    def now(self, work: Work) -> None:
        """On the calling thread, unless something is ahead of it."""
        with self.gate:
            idle = not self.ahead
            self.ahead += idle
        if not idle:
            self.start(work).wait()
            return
        try:
            with self.turn:
                work()
        finally:
            with self.gate:
                self.ahead -= 1

    def stop(self) -> None:
        """After what is started."""
        self.queue.put(None)
        self.thread.join(GRACE_SECONDS)
