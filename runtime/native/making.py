"""How programs and machine code are made without leaving anything half made.

`LOCK` is held meanwhile, and a fork waits for it: in the child no other thread goes on, so what one
holds stays held and what it changes stays half changed, in this package as in the compilers beneath
it. No code of a user runs under this lock, so a fork never waits for itself.

`on_new_thread` keeps Ctrl-C, and whatever else a signal raises, out of what cannot be done again
after half of it: packages that Numba and networkx consist of are broken for good if their import
is.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOCK = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )


def locked(work: Callable[P, T]) -> Callable[P, T]:
    """`work` under the lock."""

    @functools.wraps(work)
    def alone(*args: P.args, **options: P.kwargs) -> T:
        with LOCK:
            return work(*args, **options)

    return alone


def on_new_thread(work: Callable[[], T]) -> T:
    """What `work` gives, on a thread of its own: signals interrupt the wait, not the work."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=run, name="wonderland making")
    try:
        worker.start()
    except RuntimeError:  # the system grants no more threads, or the interpreter exits
        return work()
    worker.join()
    if errors:
        raise errors[0]
    return results[0]
