"""What is seen of training: a bar where there is a terminal, else a line for each epoch."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

SHOWN_SECONDS = 0.1  # between updates: reading a loss waits for the step


class Shown(Protocol):
    """Hears how far training is."""

    def step(self, epoch: int, step: int, loss: Any) -> None: ...
    def epoch(self, text: str) -> None: ...


class Silent:
    """Shows nothing."""

    def step(self, epoch: int, step: int, loss: Any) -> None: ...
    def epoch(self, text: str) -> None: ...


class Lines(Silent):
    """Prints a line for each epoch on stderr."""

    def epoch(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Bar:
    """A bar of steps with loss, steps a second and the time left, of the library rich."""

    def __init__(self, progress: Any, epochs: int, steps: int | None, done: int) -> None:
        self.bar, self.epochs, self.steps, self.begun = progress, epochs, steps, done
        self.started = time.perf_counter()
        total = None if steps is None else epochs * steps
        self.line = progress.add_task("", total=total, completed=done, loss=float("nan"), rate=0.0)

    def step(self, epoch: int, step: int, loss: Any) -> None:
        rate = (step - self.begun) / max(time.perf_counter() - self.started, 1e-9)
        said = f"epoch {epoch + 1}/{self.epochs}"
        self.bar.update(self.line, completed=step, description=said, loss=float(loss), rate=rate)

    def epoch(self, text: str) -> None: ...


@contextlib.contextmanager
def display(wanted: bool | None, epochs: int, steps: int | None, done: int) -> Iterator[Shown]:
    """A bar on a terminal, lines where they are asked for, else nothing."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield Lines()
        return
    try:
        from rich import console, progress
    except ImportError:
        yield Lines()
        return
    columns = (
        progress.TextColumn("{task.description}"), progress.BarColumn(),
        progress.MofNCompleteColumn(), progress.TextColumn("loss {task.fields[loss]:.4f}"),
        progress.TextColumn("{task.fields[rate]:.0f} steps/s"), progress.TimeElapsedColumn(),
        progress.TextColumn("left"), progress.TimeRemainingColumn(),
    )  # fmt: skip
    with progress.Progress(*columns, console=console.Console(stderr=True)) as bar:
        yield Bar(bar, epochs, steps, done)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: once, it waits for the step to end; twice, it raises as usual."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # as in the background of a shell: somebody else is meant
        yield pressed.is_set
        return

    def heard(number: int, frame: FrameType | None) -> None:
        if pressed.is_set() and callable(before):
            before(number, frame)
        pressed.set()

    try:
        signal.signal(signal.SIGINT, heard)
        yield pressed.is_set
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
