"""What takes long says so: one line on stderr, two seconds after a program is begun.

    wonderland: fuse, 3 s
    wonderland: machine code of 12 of 41 kernels, 5 s

It is rewritten as time goes and gone when the program is there. Only where stderr is a terminal,
for what the main thread makes, and not where WONDERLAND_PROGRESS is 0.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

PATIENCE = 2.0  # seconds before the line
EVERY = 0.2  # seconds between two of them
PAUSE = 0.1  # seconds between two blocks of work that are one program's


@dataclass
class Progress:
    """Of the main thread: what it does, since when, and until when it last did something."""

    doing: Callable[[], str] | None = None
    begun: float = 0.0
    ended: float = 0.0
    shown: bool = False  # whether a block is open that shows it

    @property
    def line(self) -> str:
        doing = self.doing() if self.doing else "compiling"
        return f"wonderland: {doing}, {time.monotonic() - self.begun:.0f} s"


HERE = Progress()


def say(doing: str | Callable[[], str]) -> None:
    """What is done from now on; a function is asked when the line is written."""
    if HERE.shown:
        HERE.doing = doing if callable(doing) else lambda: doing


def terminal() -> TextIO | None:
    """Where the line goes; None where nobody reads it."""
    if os.environ.get("WONDERLAND_PROGRESS", "1").lower() in ("", "0", "off", "false"):
        return None
    try:
        return sys.stderr if sys.stderr.isatty() else None
    except (AttributeError, ValueError):  # there is none, or it is closed
        return None


@contextmanager
def progress_shown() -> Iterator[None]:
    """Inside of the block, and of those that follow at once, the line tells what is done."""
    stream = None
    if not HERE.shown and threading.current_thread() is threading.main_thread():
        stream = terminal()
    if stream is None:
        yield
        return
    now = time.monotonic()
    if now - HERE.ended > PAUSE:
        HERE.begun, HERE.doing = now, None
    HERE.shown = True
    writer = ProgressWriter(stream)
    try:
        writer.start()
        yield
    finally:
        HERE.shown, HERE.ended = False, time.monotonic()
        writer.stop()


@dataclass
class ProgressWriter:
    """A thread that writes the line, and takes it back when it is stopped."""

    stream: TextIO
    done: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        thread = threading.Thread(target=self.write, name="wonderland progress", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system grants no more threads, or the interpreter exits
            return
        self.thread = thread

    def stop(self) -> None:
        self.done.set()
        if self.thread:
            self.thread.join()

    def write(self) -> None:
        wait, width = HERE.begun + PATIENCE - time.monotonic(), 0
        try:
            while not self.done.wait(max(wait, EVERY)):
                line = HERE.line
                width = max(width, len(line))
                self.stream.write("\r" + line.ljust(width))
                self.stream.flush()
                wait = 0.0
            if width:
                self.stream.write("\r" + " " * width + "\r")
                self.stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            return
