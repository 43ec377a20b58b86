"""How programs and machine code are made without leaving anything half made.

`LOCK` is held meanwhile, and a fork waits for it: in the child no other thread goes on, so what one
holds stays held and what it changes stays half changed, in this package as in the compilers beneath
it. No code of a user runs under this lock, so a fork never waits for itself.

`on_threads` keeps Ctrl-C, and whatever else a signal raises, out of what cannot be done again after
half of it: packages that llvmlite and networkx consist of are broken for good if their import is.

`rare_collections`: what is made has few cycles and lives until it is used, so that Python's
collector of cycles would take a seventh of the time, and find next to nothing.
"""

from __future__ import annotations

import functools
import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from . import progress

P = ParamSpec("P")
T = TypeVar("T")

LOCK = threading.RLock()
AHEAD = 4  # works that wait for each thread, with all the memory that they hold
RARELY = 1 << 17  # objects that are made before the collector looks at them

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside of the block, which is under the lock, the collector of cycles looks rarely."""
    before = gc.get_threshold()
    if 0 < before[0] < RARELY:  # 0 is off
        gc.set_threshold(RARELY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def locked(work: Callable[P, T]) -> Callable[P, T]:
    """`work` under the lock."""

    @functools.wraps(work)
    def alone(*args: P.args, **options: P.kwargs) -> T:
        with LOCK, rare_collections(), progress.progress_shown():
            return work(*args, **options)

    return alone


def on_new_thread(work: Callable[[], T]) -> T:
    """What `work` gives, on a thread of its own: signals interrupt the wait, not the work."""
    (result,) = on_threads([work])
    return result


def on_threads(works: Iterable[Callable[[], T]], most: int = 1) -> list[T]:
    """What each of `works` gives, on up to `most` threads, which begin while later works are still
    asked for, few ahead. Signals interrupt the wait, not a work; those that have not begun are left
    out then.

    Errors: that of the first work that has one, or of asking for works.
    """
    waiting: SimpleQueue[tuple[int, Callable[[], T]] | None] = SimpleQueue()
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}
    room = threading.Semaphore(AHEAD * most)

    def run() -> None:
        while (found := waiting.get()) is not None:
            k, work = found
            if not errors:
                try:
                    results[k] = work()
                except BaseException as error:
                    errors[k] = error
            room.release()

    threads: list[threading.Thread] = []
    count, enough = 0, False
    try:
        for count, work in enumerate(works, 1):
            if len(threads) < most and not enough:
                worker = threading.Thread(target=run, name="wonderland making")
                try:
                    worker.start()
                    threads.append(worker)
                except RuntimeError:  # the system grants no more, or the interpreter exits
                    enough = True
            if threads:
                room.acquire()
                waiting.put((count, work))
            else:
                results[count] = work()
        end_threads(threads, waiting)
        for worker in threads:
            worker.join()
    except BaseException as error:
        errors.setdefault(-1, error)
        end_threads(threads, waiting)
        raise
    if errors:
        raise errors[min(errors)]
    return [results[k] for k in range(1, count + 1)]


def end_threads(threads: list[threading.Thread], waiting: SimpleQueue[Any]) -> None:
    """Each thread ends when it has come so far."""
    for _ in threads:
        waiting.put(None)
