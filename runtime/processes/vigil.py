"""Who has left, and why: connections in a star around process 0, beside the messages.

Whoever ends says so, and process 0 tells all; whose connection ends without a word was killed. So
who waits for a message that never comes finds out why, as soon as it happens.
"""

from __future__ import annotations

import hmac
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from .wire import ProcessError

GRACE_SECONDS = 2.0  # what has been sent before an end may still be under way, and so may words
KILLED = "it was killed, or ended without a word"


class News:
    """What this process knows of the others, and why it exchanges nothing any more."""

    def __init__(self) -> None:
        self.broken = ""
        self.ended: dict[int, float] = {}  # when; by rank, of those that have done all they had to
        self.silent: set[int] = set()  # ranks that have said their last word
        self.changed = threading.Condition()
        self.tell: Callable[[str], None] = lambda why: None  # all others

    def break_off(self, why: str) -> None:
        """This process exchanges nothing any more; of several reasons the first one counts."""
        with self.changed:
            first, self.broken = not self.broken, self.broken or why
            self.changed.notify_all()
        if first:
            self.tell(why)

    def gone(self, rank: int, why: str, last: bool) -> None:
        """A process has left; without a reason it has ended. `last`: it says no more."""
        with self.changed:
            if why:
                root = why if why.startswith("process ") else f"process {rank} left: {why}"
                self.broken = self.broken or root
            else:
                self.ended[rank] = time.monotonic()
            if last:
                self.silent.add(rank)
            self.changed.notify_all()

    def check(self, what: str) -> None:
        """Errors: ProcessError if this process exchanges nothing any more."""
        if self.broken:
            raise ProcessError(f"{what}: {self.broken}")

    def look(self, what: str, rank: int) -> None:
        """Errors: ProcessError if a message of a process is not to be waited for any more."""
        ended = self.ended.get(rank)
        if ended is not None and time.monotonic() > ended + GRACE_SECONDS:
            self.gone(rank, "its program had ended", True)
        self.check(what)

    def farewell(self, others: Iterable[int], meanwhile: Callable[[], None]) -> None:
        """Waits for the last words of all others, but not for long once one has left."""
        others, until = set(others), float("inf")
        with self.changed:
            while others - self.silent and time.monotonic() < until:
                self.changed.wait(0.05)
                if self.broken:
                    until = min(until, time.monotonic() + GRACE_SECONDS)
                else:
                    meanwhile()


class Vigil:
    """The connections of a process: to all others of process 0, to that one of the others."""

    def __init__(self, rank: int, connections: Mapping[int, socket.socket], news: News) -> None:
        self.rank, self.connections, self.news = rank, dict(connections), news
        self.sending = threading.Lock()
        news.tell = self.say
        threading.Thread(target=self._listen, name="vigil", daemon=True).start()

    def say(self, why: str, last: bool = False) -> None:
        """To all others: this process leaves; without a reason it ends."""
        self._send(self.connections, self.rank, why, last)

    def _send(self, to: Iterable[int], rank: int, why: str, last: bool) -> None:
        line = json.dumps([rank, why, last]).encode() + b"\n"
        with self.sending:
            for other in to:
                with suppress(OSError):  # that one has left, too
                    self.connections[other].sendall(line)

    def _listen(self) -> None:
        texts = dict.fromkeys(self.connections, b"")
        with selectors.DefaultSelector() as selector:
            for rank, connection in self.connections.items():
                selector.register(connection, selectors.EVENT_READ, rank)
            while selector.get_map():
                for key, _ in selector.select():
                    rank = key.data
                    text = b""
                    with suppress(OSError):
                        text = self.connections[rank].recv(1 << 12)
                    *lines, texts[rank] = (texts[rank] + text).split(b"\n")
                    for line in lines:
                        self._hear(*json.loads(line))
                    if not text:
                        selector.unregister(key.fileobj)
                        if rank not in self.news.silent:
                            self._hear(rank, KILLED, True)

    def _hear(self, rank: int, why: str, last: bool) -> None:
        if self.rank == 0:  # before it knows itself, and may end
            self._send(self.connections.keys() - {rank}, rank, why, last)
        self.news.gone(rank, why, last)

    def forget(self) -> None:
        """In the child of a fork: the parent's connections end with the parent."""
        for connection in self.connections.values():
            connection.close()


def connections(
    rank: int, size: int, alike: bool, broadcast: Callable[[bytes], bytes], timeout: float
) -> dict[int, socket.socket]:
    """Of process `rank`, found by what process 0 broadcasts; `alike`: all are on one machine.

    Errors: ProcessError where they cannot be made.
    """
    until = time.monotonic() + timeout
    if rank:
        names, port, word = json.loads(broadcast(b""))
        return {0: called(names, port, bytes.fromhex(word) + rank.to_bytes(4, "little"), until)}
    word = os.urandom(16)  # other programs may call, too
    with socket.create_server(("127.0.0.1" if alike else "", 0), backlog=size) as listener:
        port = listener.getsockname()[1]
        names = ["127.0.0.1"] if alike else addresses_of(socket.gethostname())
        broadcast(json.dumps([names, port, word.hex()]).encode())
        found: dict[int, socket.socket] = {}
        while len(found) < size - 1:
            listener.settimeout(max(0.01, until - time.monotonic()))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                missing = sorted(set(range(1, size)) - set(found))
                raise ProcessError(
                    f"initialize: process 0 is to be called by all within {timeout} seconds, "
                    f"got no call of {missing}"
                ) from None
            said = greeting(connection)
            if hmac.compare_digest(said[:16], word):
                found[int.from_bytes(said[16:], "little")] = kept(connection)
            else:
                connection.close()
    return found


def addresses_of(host: str) -> list[str]:
    """The name of a machine, and how it may be reached."""
    with suppress(OSError):
        known = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
        return [host, *dict.fromkeys(str(address[0]) for *_, address in known)]
    return [host]


def called(names: Iterable[str], port: int, said: bytes, until: float) -> socket.socket:
    """A connection to process 0 on the first of its addresses that answers."""
    failures: list[str] = []
    for name in names:
        try:
            seconds = min(10.0, max(0.01, until - time.monotonic()))
            connection = socket.create_connection((name, port), seconds)
            connection.sendall(said)
            return kept(connection)
        except OSError as error:
            failures.append(f"{name}: {error}")
    raise ProcessError(
        f"initialize: a connection to process 0 by TCP is required, got {'; '.join(failures)}"
    )


def greeting(connection: socket.socket) -> bytes:
    """What a caller says first."""
    connection.settimeout(5.0)
    said = b""
    with suppress(OSError):
        while len(said) < 20 and (more := connection.recv(20 - len(said))):
            said += more
    return said


def kept(connection: socket.socket) -> socket.socket:
    """A connection that stays, and is found out to be dead where a machine is."""
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if number := getattr(socket, option, None):
            connection.setsockopt(socket.IPPROTO_TCP, number, seconds)
    return connection
