"""The contexts of a program in which machine code of others calls it, without Python."""

from __future__ import annotations

import os
import weakref

import numpy as np

from . import calls, walker
from .context import Context
from .executor import walker_functions
from .memory import aligned_array


class Desk:
    """What `call(address, addresses)` of calls.py needs: a context for each of `seats` calls.

    `call` and `address` are those of machine code and of the desk; both live as long as this, and
    so does everything else that a call touches. More calls at once wait for one another.
    """

    def __init__(self, contexts: list[Context], failures: tuple[str, ...]) -> None:
        self.contexts, self.failures = contexts, failures
        self.call = walker_functions()["call_program"]
        self.seats = shared_words(len(contexts), calls.SEAT_BYTES)
        self.state = shared_words(1, calls.DESK_BYTES)[0]
        self.address = self.state.ctypes.data
        table = contexts[0].table
        self.seats[:, calls.SEATED // 8] = [c.head.ctypes.data for c in contexts]
        for offset, value in {
            calls.SEATS_BEGIN: self.seats.ctypes.data,
            calls.SEATS_END: self.seats.ctypes.data + self.seats.nbytes,
            calls.ADDRESSES: 8 * (len(table.inputs) + len(table.outputs)),
        }.items():
            self.state[offset // 8] = value
        _desks.add(self)

    def forget(self) -> None:
        """In the child of a fork: calls in flight and the team are the parent's."""
        self.seats[:, calls.TAKEN // 8] = self.state[calls.WAITERS // 8] = 0
        for context in self.contexts:
            context.head[walker.MODE // 8] = walker.ALONE


def shared_words(count: int, nbytes: int) -> np.ndarray:
    """Rows of integers on cache lines of their own, all 0."""
    made = aligned_array(count * nbytes).view(np.int64).reshape(count, nbytes // 8)
    made[...] = 0
    return made


_desks: weakref.WeakSet[Desk] = weakref.WeakSet()


def forget_calls() -> None:
    for desk in list(_desks):
        desk.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_calls)
