"""Work on threads: what it gives, its errors, and what interrupts it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import llvmlite.ir as ir
import pytest

from wonderland.runtime.native import generator, making
from wonderland.runtime.native import language as native

TEXT = """
def f(x, y):
    n = {k}
    for i in range(x):
        n = n * i + y
    return n
"""


def module(k: int) -> str:
    made = ir.Module("wonderland")
    native.emit_module(TEXT.format(k=k), {}, made, f"w{k}_")
    return str(made)


def test_object_files_are_the_same_bytes_from_any_thread():
    texts = [module(k) for k in range(12)]
    alone = [generator.object_file(text)() for text in texts]
    assert making.on_threads(map(generator.object_file, texts), 4) == alone


AT_EXIT = """
import atexit, sys
atexit.register(lambda: print(len(made()) > 0))  # called after what others register
from wonderland.runtime.native import generator
made = generator.object_file(sys.stdin.read())
"""


def test_a_module_lives_to_the_end_of_the_process_since_daemon_threads_do():
    run = subprocess.run(
        [sys.executable, "-c", AT_EXIT], input=module(0), capture_output=True, text=True
    )
    assert (run.returncode, run.stdout.strip()) == (0, "True"), run.stderr


def test_works_begin_while_later_ones_are_asked_for():
    begun = threading.Event()

    def works():
        yield begun.set
        assert begun.wait(60)
        yield lambda: 2

    assert making.on_threads(works()) == [None, 2]


def failing(k: int) -> int:
    if k % 2:
        raise ValueError(k)
    return k


def test_the_first_error_is_the_one_that_is_raised():
    works = [lambda k=k: failing(k) for k in range(8)]
    for most in (1, 4):
        with pytest.raises(ValueError, match=r"^1$"):
            making.on_threads(works, most)


def test_few_works_are_asked_for_ahead():
    done: list[int] = []

    def work(k: int) -> int:
        time.sleep(0.001)
        done.append(k)
        return k

    def works():
        for k in range(60):
            assert k - len(done) <= 2 * making.AHEAD
            yield lambda k=k: work(k)

    assert making.on_threads(works(), 2) == list(range(60))


def test_an_interrupt_leaves_out_what_has_not_begun():
    done: list[int] = []
    go = threading.Event()

    def works():
        yield go.wait
        yield lambda: done.append(1)
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        making.on_threads(works())
    go.set()
    for worker in set(threading.enumerate()) - before:
        worker.join()
    assert not done


def test_where_no_thread_starts_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch):
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    here = threading.current_thread()
    assert making.on_threads([threading.current_thread] * 2, 4) == [here, here]
    with pytest.raises(ValueError):
        making.on_new_thread(lambda: failing(1))


def test_the_collector_of_cycles_is_as_it_was():
    before = gc.get_threshold()

    @making.locked
    def inside() -> tuple[int, int, int]:
        return gc.get_threshold()

    assert inside() == (making.RARELY, *before[1:])
    assert gc.get_threshold() == before
    gc.set_threshold(0)
    try:
        assert inside()[0] == 0  # off stays off
    finally:
        gc.set_threshold(*before)
