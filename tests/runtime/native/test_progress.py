"""The line that says what takes long: where it is written, what it says, and that it goes again."""

from __future__ import annotations

import io
import threading
import time
from types import SimpleNamespace

import pytest

from wonderland.runtime.native import objects, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return not super().isatty()  # an error where it is closed

    def shows(self) -> str:
        """The last line, as it is seen."""
        seen = ""
        for part in self.getvalue().split("\r"):
            seen = part + seen[len(part) :]
        return seen.rstrip()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=found))  # pytest has sys.stderr
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.001)
    monkeypatch.setattr(progress, "HERE", progress.Progress())
    monkeypatch.delenv("WONDERLAND_PROGRESS", raising=False)
    return found


def appears(terminal: Terminal, said: str) -> None:
    end = time.monotonic() + 60
    while said not in terminal.shows():
        assert time.monotonic() < end, terminal.getvalue()
        time.sleep(0.001)


def writers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "wonderland progress"]


def test_the_line_tells_what_is_done_and_goes(terminal: Terminal):
    with progress.progress_shown():
        progress.say("a long stage")
        appears(terminal, "wonderland: a long stage, 0 s")
        with progress.progress_shown():  # a block inside is no other piece of work
            progress.say(lambda: "fuse")
            appears(terminal, "wonderland: fuse, 0 s")
        assert len(writers()) == 1
    assert not terminal.shows()
    assert not writers()


def test_an_interrupt_takes_the_line_away(terminal: Terminal):
    with pytest.raises(KeyboardInterrupt), progress.progress_shown():
        appears(terminal, "compiling")
        raise KeyboardInterrupt
    assert not terminal.shows()
    assert not writers()


def test_it_tells_how_many_kernels_have_machine_code(terminal: Terminal):
    lines: list[str] = []

    def look(e, x):
        lines.append(progress.HERE.line)
        return x

    objects.functions("def seen(x):\n    return look(x)", {"look": look}, "progress")
    assert lines == ["wonderland: machine code of 0 of 1 kernels, 0 s"]


def test_blocks_that_follow_at_once_are_one_piece_of_work(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(progress, "PAUSE", 1e9)
    with progress.progress_shown():
        begun = progress.HERE.begun
    with progress.progress_shown():
        assert progress.HERE.begun == begun
    monkeypatch.setattr(progress, "PAUSE", -1.0)
    with progress.progress_shown():
        assert progress.HERE.begun > begun


@pytest.mark.parametrize("why", ["short", "set", "no terminal", "none", "closed", "a thread"])
def test_nothing_is_written_and_no_thread_started_where_nobody_waits(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, why: str
):
    stream: io.StringIO | None = terminal
    if why == "short":
        monkeypatch.setattr(progress, "PATIENCE", 1e3)
    elif why == "set":
        monkeypatch.setenv("WONDERLAND_PROGRESS", "off")
    else:
        stream = {"no terminal": io.StringIO(), "none": None}.get(why, terminal)
        monkeypatch.setattr(progress.sys, "stderr", stream)
    if why == "closed":
        terminal.close()

    def work() -> None:
        with progress.progress_shown():
            progress.say("a stage")
            assert bool(writers()) == (why == "short")
            time.sleep(0.01)

    if why == "a thread":
        other = threading.Thread(target=work)
        other.start()
        other.join()
    else:
        work()
    assert not writers()
    assert why in ("closed", "none") or not terminal.getvalue()
