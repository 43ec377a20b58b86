"""Transfers made of messages: who sends what to whom, and what is added in which order.

Every process of an axis sends every other one a head with each transfer: its number and what it
is. So processes that are out of step are found before results are used. A small operand travels
behind its head. Sums of few bytes: everybody receives all operands and adds them. Of many: each
adds a segment, in pieces that stay in the cache while the next ones travel, and sends it to all.

Cost: n - 1 heads each way; beside them the bytes that must travel, and scratch of at most
`SCRATCH_BYTES`.
"""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from ..rows import Transfer
from .vigil import News
from .wire import Message, ProcessError, Wire, in_a_line

HEAD = struct.Struct("<Q8s48s")  # the number, a digest and the beginning of what it is
INLINE_BYTES = 1 << 12  # so much travels behind a head
WHOLE_BYTES = 1 << 20  # what a process may receive where everybody adds everything
PIECE_BYTES = 1 << 21  # of a segment, at a time
SCRATCH_BYTES = 1 << 24
SPINS = 1000  # looks at a message before the thread naps
FEW_SPINS = 50  # where processes have no processor each
NAP_SECONDS, LONG_NAP_SECONDS = 50e-6, 1e-3
NAP_PART = 0.05  # of the time that was waited already: that much later is a message seen
LET_GO_SECONDS = 0.5  # what arrives in the memory of a failed transfer is waited for so long

ADDERS: dict[str, Callable[..., np.ndarray]] = {
    "sum": np.add, "scatter": np.add, "max": np.maximum, "min": np.minimum,
}  # fmt: skip

Part = tuple[int, int]
"""An address and a number of bytes."""


@dataclass(frozen=True)
class Peers:
    """The ranks of processes in the order of their places, and the own place."""

    ranks: tuple[int, ...]
    place: int


class Traffic:
    """One transfer at a time, on whichever thread; their order is the same in all processes."""

    def __init__(self, wire: Wire, news: News, timeout: float) -> None:
        self.wire, self.news, self.timeout = wire, news, timeout
        self.spins = SPINS
        self.number = 0
        self.heads: dict[Transfer, bytes] = {}
        self.scratch: dict[str, tuple[np.ndarray, int]] = {}  # and its address
        self.sent: list[tuple[int, Message]] = []
        self.posted: list[Message] = []

    def run(self, transfer: Transfer, peers: Peers, source: int, result: int) -> None:
        """Errors: ProcessError; nothing touches the memory any more."""
        try:
            match transfer.kind:
                case "sum" | "max" | "min" | "scatter":
                    self._reduce(transfer, peers, source, result)
                case _:
                    self._move(transfer, peers, source, result)
            self._finish(transfer)
        except BaseException as error:
            self._drop()
            self.news.break_off(in_a_line(error))
            raise

    # ---- without arithmetic

    def _move(self, transfer: Transfer, peers: Peers, source: int, result: int) -> None:
        n, own, nbytes = transfer.size, peers.place, transfer.operand_bytes
        others = [j for j in range(n) if j != own]
        sends: dict[int, Part]
        receives: dict[int, Part]
        match transfer.kind:
            case "gather":
                sends = dict.fromkeys(others, (source, nbytes))
                receives = {j: (result + j * nbytes, nbytes) for j in others}
                kept = source, result + own * nbytes, nbytes
            case "exchange":
                part = nbytes // n
                sends = {j: (source + j * part, part) for j in others}
                receives = {j: (result + j * part, part) for j in others}
                kept = source + own * part, result + own * part, part
            case _:
                to, of = dict(transfer.pairs), {d: s for s, d in transfer.pairs}
                sends = {to[own]: (source, nbytes)} if to.get(own, own) != own else {}
                receives = {of[own]: (result, nbytes)} if of.get(own, own) != own else {}
                kept = source, result, nbytes if of.get(own) == own else 0
                if own not in of:
                    ctypes.memset(result, 0, nbytes)
        check = self._swap(transfer, peers, sends, receives)
        ctypes.memmove(kept[1], kept[0], kept[2])
        check()

    def _swap(
        self, transfer: Transfer, peers: Peers, sends: dict[int, Part], receives: dict[int, Part]
    ) -> Callable[[], None]:
        """Posts heads and parts by place; the function waits for those that are received."""
        head = self._head(transfer)
        room = HEAD.size + INLINE_BYTES
        begin = self._block("heads", room * (len(sends) + len(receives)))
        for place, address in slots(begin, room, sends).items():
            part, nbytes = sends[place]
            ctypes.memmove(address, head, HEAD.size)
            inline = nbytes if nbytes <= INLINE_BYTES else 0
            ctypes.memmove(address + HEAD.size, part, inline)
            self._send(peers.ranks[place], address, HEAD.size + inline)
            if nbytes > inline:
                self._send(peers.ranks[place], part, nbytes)
        begin += room * len(sends)
        waiting = []
        for place, address in slots(begin, room, receives).items():
            rank, (part, nbytes) = peers.ranks[place], receives[place]
            arrives = self._receive(rank, address, room)
            rest = self._receive(rank, part, nbytes) if nbytes > INLINE_BYTES else None
            waiting.append((rank, address, part, nbytes, arrives, rest))

        def check() -> None:
            for rank, address, part, nbytes, arrives, rest in waiting:
                self._wait(transfer, rank, arrives)
                self._compare(transfer, head, rank, address)
                if rest is None:
                    ctypes.memmove(part, address + HEAD.size, nbytes)
                else:
                    self._wait(transfer, rank, rest)

        return check

    # ---- with arithmetic

    def _reduce(self, transfer: Transfer, peers: Peers, source: int, result: int) -> None:
        n, own = transfer.size, peers.place
        others = [j for j in range(n) if j != own]
        if len(others) * transfer.result_bytes <= WHOLE_BYTES:
            self._reduce_whole(transfer, peers, others, source, result)
        else:
            self._reduce_segments(transfer, peers, others, source, result)

    def _reduce_whole(
        self, transfer: Transfer, peers: Peers, others: Sequence[int], source: int, result: int
    ) -> None:
        """Everybody adds all that it needs: all operands, or the own parts of them."""
        n, own = transfer.size, peers.place
        nbytes = transfer.result_bytes
        step = nbytes if transfer.kind == "scatter" else 0  # between the parts of two processes
        sends = {j: (source + j * step, nbytes) for j in others}
        arrived = slots(self._block("operands", nbytes * len(others)), nbytes, others)
        self._swap(transfer, peers, sends, {j: (arrived[j], nbytes) for j in others})()
        parts = [arrived.get(j, source + own * step) for j in range(n)]
        add(transfer, parts, result, nbytes)

    def _reduce_segments(
        self, transfer: Transfer, peers: Peers, others: Sequence[int], source: int, result: int
    ) -> None:
        """Each adds the segment of its place, piece by piece, and sends it to who needs it."""
        n, own, item = transfer.size, peers.place, transfer.dtype.itemsize
        everywhere = transfer.kind != "scatter"
        bounds = [transfer.count * j // n * item for j in range(n + 1)]
        room = max(item, min(PIECE_BYTES, SCRATCH_BYTES // (2 * n)) // 64 * 64 // item * item)
        pieces = [list(portions(*span, room)) for span in pairwise(bounds)]
        to = result if everywhere else result - bounds[own]
        half = len(others) * room
        block = self._block("pieces", 2 * half)
        halves = [slots(block + k * half, room, others) for k in (0, 1)]
        none: dict[int, Part] = dict.fromkeys(others, (source, 0))
        check = self._swap(transfer, peers, none, none)
        arriving: list[dict[int, Message]] = []
        last: list[tuple[int, Message]] = []

        def post(turn: int) -> None:
            arriving.append({})
            for j in others:
                if turn < len(pieces[own]):
                    _, nbytes = pieces[own][turn]
                    slot = halves[turn % 2][j]
                    arriving[turn][j] = self._receive(peers.ranks[j], slot, nbytes, 1)
                if turn < len(pieces[j]):
                    begin, nbytes = pieces[j][turn]
                    self._send(peers.ranks[j], source + begin, nbytes, 1)
                    if everywhere:
                        arrives = self._receive(peers.ranks[j], result + begin, nbytes, 2)
                        last.append((peers.ranks[j], arrives))

        post(0)
        check()
        for turn in range(max(map(len, pieces))):
            post(turn + 1)
            for j, message in arriving[turn].items():
                self._wait(transfer, peers.ranks[j], message)
            if turn >= len(pieces[own]):
                continue
            begin, nbytes = pieces[own][turn]
            parts = [halves[turn % 2].get(j, source + begin) for j in range(n)]
            add(transfer, parts, to + begin, nbytes)
            for j in others if everywhere else ():
                self._send(peers.ranks[j], result + begin, nbytes, 2)
        for rank, message in last:
            self._wait(transfer, rank, message)

    # ---- messages

    def _head(self, transfer: Transfer) -> bytes:
        """Says which transfer is the next one of this process."""
        self.number += 1
        if (said := self.heads.get(transfer)) is None:
            text = f"{transfer} {transfer.mesh} {transfer.pairs}".encode()
            said = HEAD.pack(0, blake2b(text, digest_size=8).digest(), str(transfer).encode())[8:]
            self.heads[transfer] = said
        return self.number.to_bytes(8, "little") + said

    def _compare(self, transfer: Transfer, head: bytes, rank: int, address: int) -> None:
        arrived = ctypes.string_at(address, HEAD.size)
        if arrived[8:] == head[8:]:
            return
        _, _, other = HEAD.unpack(arrived)
        raise ProcessError(
            f"{transfer}: the same transfer is required of all processes, "
            f"got {other.rstrip(bytes(1)).decode(errors='replace')} of process {rank}"
        )

    def _send(self, to: int, address: int, nbytes: int, lane: int = 0) -> None:
        self.sent.append((to, self.wire.send(address, nbytes, to, lane)))

    def _receive(self, source: int, address: int, nbytes: int, lane: int = 0) -> Message:
        message = self.wire.receive(address, nbytes, source, lane)
        self.posted.append(message)
        return message

    def _wait(self, transfer: Transfer, rank: int, message: Message) -> None:
        """Looks often at first, then naps in between: the processor is there for who computes.

        It is not given away in between (sched_yield), which may be for a whole slice of time.
        """
        for _ in range(self.spins):
            if message.done():
                return
        begin = time.monotonic()
        while not message.done():
            waited = time.monotonic() - begin
            self.news.look(str(transfer), rank)
            if waited > self.timeout:
                raise ProcessError(
                    f"{transfer}: waited {waited:.1f} seconds for process {rank}\n"
                    "try: initialize(timeout=...), where others may compute for longer"
                )
            time.sleep(min(max(NAP_SECONDS, NAP_PART * waited), LONG_NAP_SECONDS))

    def _finish(self, transfer: Transfer) -> None:
        """Waits for what is sent: the operand may change from now on."""
        for rank, message in self.sent:
            self._wait(transfer, rank, message)
        self.sent.clear()
        self.posted.clear()

    def _drop(self) -> None:
        """Nothing arrives any more."""
        messages, self.posted, self.sent = self.posted, [], []
        for message in messages:
            message.drop()
        until = time.monotonic() + LET_GO_SECONDS
        with suppress(ProcessError):
            while not all(m.done() for m in messages) and time.monotonic() < until:
                time.sleep(NAP_SECONDS)

    def _block(self, purpose: str, nbytes: int) -> int:
        """The address of scratch that is kept for the next transfer."""
        block, address = self.scratch.get(purpose, (None, 0))
        if block is None or block.nbytes < nbytes:
            block = np.empty(max(1, nbytes), np.uint8)
            address = block.ctypes.data
            self.scratch[purpose] = block, address
        return address


def slots(begin: int, step: int, places: Iterable[int]) -> dict[int, int]:
    """An address for each place, `step` bytes apart."""
    return {place: begin + k * step for k, place in enumerate(places)}


def portions(begin: int, end: int, room: int) -> Iterable[Part]:
    """Pieces of at most `room` bytes: their begins and lengths."""
    return ((at, min(room, end - at)) for at in range(begin, end, room))


def add(transfer: Transfer, parts: Sequence[int], result: int, nbytes: int) -> None:
    """result = ((parts[0] + parts[1]) + parts[2]) + ..., or what the kind says in place of +."""
    if not nbytes:
        return
    kind = ctypes.c_uint8 * nbytes
    out, *arrays = (
        np.frombuffer(memoryview(kind.from_address(address)), transfer.dtype)
        for address in (result, *parts)
    )
    if len(arrays) == 1:
        out[...] = arrays[0]
        return
    adder = ADDERS[transfer.kind]
    with np.errstate(all="ignore"):  # as in kernels
        adder(arrays[0], arrays[1], out=out)
        for array in arrays[2:]:
            adder(out, array, out=out)
