"""Messages between processes: the protocol that transfers are made of, and a process alone."""

from __future__ import annotations

from typing import Protocol

from ..errors import ProcessError as ProcessError


def in_a_line(error: BaseException) -> str:
    """An error in a line."""
    said = error if isinstance(error, ProcessError) else f"{type(error).__name__}: {error}"
    return " ".join(str(said).split("\n", 1)[0].split()).removesuffix(":")


class Message(Protocol):
    """A send or a receive under way: its memory is in use until it is done."""

    def done(self) -> bool:
        """Whether it has arrived, or left; never waits. Errors: ProcessError."""
        ...

    def drop(self) -> None:
        """Lets a receive be done without a message, where none has come yet."""
        ...


class Wire(Protocol):
    """Messages of bytes between `size` processes, of which this one is `rank`.

    Messages from one process to another in one lane arrive in their order; a receive is posted for
    as many bytes as are sent, or more. One thread calls at a time.
    """

    rank: int
    size: int

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Message: ...

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Message: ...

    def progress(self) -> None:
        """Moves on what is under way."""
        ...

    def close(self) -> None:
        """After all messages of all processes; waits for the others."""
        ...


class Alone:
    """A process that no launcher has started: it has nobody to send to."""

    rank = 0
    size = 1

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Message:
        raise AssertionError("there is no other process")

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Message:
        raise AssertionError("there is no other process")

    def progress(self) -> None: ...

    def close(self) -> None: ...
