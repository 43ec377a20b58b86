"""nccl4py and NCCL as their documentation says they are, between threads that play processes.

A call puts work on a stream of a fake device, which waits there for the same call of all others, as
a GPU would; the host of a waiting process looks after it meanwhile. It refuses what the library may
hang on, and adds in the order of a ring, which is not that of ranks.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.ptx import Memory
from wonderland.compiler.ir.types import NUMPY

SUCCESS, REMOTE_ERROR, IN_PROGRESS = 0, 6, 7
NUMBERS = {"int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5,
           "float16": 6, "float32": 7, "float64": 8, "bfloat16": 9}  # fmt: skip
DTYPES = {NUMBERS[d.name]: d for d in NUMPY.values() if d.name in NUMBERS}
OPS: dict[int, Callable[..., np.ndarray]] = {0: np.add, 2: np.fmax, 3: np.fmin}


class Group:
    """What the communicators of one unique id share.

    `meetings`: by number of a collective, what each rank asked for and brought. `mail`: what one
    sent to another that has not taken it.
    """

    def __init__(self) -> None:
        self.ranks: set[int] = set()
        self.meetings: defaultdict[int, dict[int, tuple[str, np.ndarray]]] = defaultdict(dict)
        self.mail: defaultdict[tuple[int, int], deque[np.ndarray]] = defaultdict(deque)
        self.changed = threading.Condition()


class Communicator:
    """One rank of a group. `state`: what it answers when it is asked how it is."""

    def __init__(self, nccl: FakeNccl, group: Group, size: int, rank: int) -> None:
        self.nccl, self.group, self.size, self.rank = nccl, group, size, rank
        self.device = nccl.device
        self.ptr = next(nccl.numbers)
        self.state, self.polls, self.aborted = SUCCESS, 0, False
        self.ended: list[str] = []
        self.count = itertools.count()
        nccl.communicators[self.ptr] = self
        with group.changed:
            group.ranks.add(rank)
            group.changed.notify_all()

    def get_async_error(self) -> int:
        if self.state or self.aborted:
            return self.state
        if len(self.group.ranks) < self.size:
            return IN_PROGRESS
        self.polls -= 1
        return IN_PROGRESS if self.polls > 0 else SUCCESS

    def get_last_error(self) -> str:
        return "socket closed"

    def abort(self) -> None:
        with self.group.changed:
            self.aborted = True
            self.group.changed.notify_all()

    def finalize(self) -> None:
        self.ended.append("finalize")

    def destroy(self) -> None:
        self.ended.append("destroy")

    def meet(self, what: str, own: np.ndarray) -> dict[int, np.ndarray]:
        """What every rank brings to a collective; empty if this one is aborted."""
        meeting = self.group.meetings[next(self.count)]
        meeting[self.rank] = what, own
        if not self.waited(lambda: len(meeting) == self.size):
            return {}
        said = {text for text, _ in meeting.values()}
        assert len(said) == 1, f"ranks ask for different things: {said}"
        return {rank: brought for rank, (_, brought) in meeting.items()}

    def mailed(self, sent: dict[int, np.ndarray], sources: set[int]) -> dict[int, np.ndarray]:
        """What comes from each of `sources`, when all that is sent is taken too."""
        mail, found = self.group.mail, dict[int, np.ndarray]()
        for peer, data in sent.items():
            mail[self.rank, peer].append(data)

        def done() -> bool:
            for peer in sources - {*found}:
                if mail[peer, self.rank]:
                    found[peer] = mail[peer, self.rank].popleft()
                    self.group.changed.notify_all()
            return {*found} == sources and not any(mail[self.rank, peer] for peer in sent)

        return found if self.waited(done) else {}

    def waited(self, done: Callable[[], bool]) -> bool:
        """False if this one is aborted first."""
        while True:
            with self.group.changed:
                self.group.changed.notify_all()
                if self.aborted or done():
                    return not self.aborted
                self.group.changed.wait(0.002)
            if self.nccl.looks and self.device.watch is not None:  # which may abort: no lock
                self.device.watch()


class FakeNccl:
    """`core` and `calls` are the modules. `device`: that of the thread that calls. `looks`: who
    waits for a device looks after its transfers."""

    looks = True

    def __init__(self) -> None:
        self.numbers, self.ids = itertools.count(0x900), itertools.count(1)
        self.groups: dict[bytes, Group] = {}
        self.communicators: dict[int, Communicator] = {}
        self.lock, self.local = threading.Lock(), threading.local()
        self.core = SimpleNamespace(
            get_unique_id=self.get_unique_id,
            UniqueId=SimpleNamespace(from_bytes=bytes),
            NCCLConfig=SimpleNamespace,
            NcclNvlsHostMode=SimpleNamespace(DISABLE_TRANSPORT=1),
            Communicator=SimpleNamespace(init=self.init),
        )
        self.calls = self

    @property
    def device(self) -> Any:
        return self.local.device

    def get_unique_id(self) -> bytes:
        return next(self.ids).to_bytes(128)

    def init(self, size: int, rank: int, unique: bytes, config: Any) -> Communicator:
        assert (config.blocking, config.nvls_host_mode) == (False, 1) and 0 <= rank < size
        with self.lock:
            group = self.groups.setdefault(unique, Group())
            return Communicator(self, group, size, rank)

    # ---- where it works

    def memory(self, device: Any) -> Memory:
        return device.memory

    def put(self, device: Any, stream: int, what: str, run: Callable[[], None]) -> None:
        """Work on a stream of a device."""
        assert stream == device.beside
        device.ask(f"nccl {what}", run, beside=True)

    # ---- the functions

    def Comm(self, ptr: int) -> Communicator:
        return self.communicators[ptr]

    def get_error_string(self, state: int) -> str:
        return {REMOTE_ERROR: "remote process exited or there was a network error"}[state]

    def all_reduce(self, send: int, recv: int, count: int, dtype: int, op: int,
                   comm: Communicator, stream: int) -> None:  # fmt: skip
        def work(met: dict[int, np.ndarray]) -> np.ndarray:
            return added(op, met, 0)

        self.whole(f"all_reduce {count} {dtype} {op}", send, recv, count, DTYPES[dtype], work,
                   comm, stream)  # fmt: skip

    def reduce_scatter(self, send: int, recv: int, count: int, dtype: int, op: int,
                       comm: Communicator, stream: int) -> None:  # fmt: skip
        def work(met: dict[int, np.ndarray]) -> np.ndarray:
            own = slice(comm.rank * count, (comm.rank + 1) * count)
            return added(op, {rank: x[own] for rank, x in met.items()}, comm.rank)

        self.whole(f"reduce_scatter {count} {dtype} {op}", send, recv, count * comm.size,
                   DTYPES[dtype], work, comm, stream)  # fmt: skip

    def all_gather(self, send: int, recv: int, count: int, dtype: int, comm: Communicator,
                   stream: int) -> None:  # fmt: skip
        def work(met: dict[int, np.ndarray]) -> np.ndarray:
            return np.concatenate([met[rank] for rank in range(comm.size)])

        self.whole(f"all_gather {count} {dtype}", send, recv, count, DTYPES[dtype], work, comm,
                   stream)  # fmt: skip

    def whole(self, what: str, send: int, recv: int, count: int, dtype: np.dtype,
              work: Callable[[dict[int, np.ndarray]], np.ndarray], comm: Communicator,
              stream: int) -> None:  # fmt: skip
        """A collective: all bring `count` elements."""
        assert not self.in_group, "a collective in a group of sends"
        memory = self.memory(comm.device)

        def run() -> None:
            own = memory.part(send, count * dtype.itemsize, False).view(dtype).copy()
            met = comm.meet(what, own)
            if met:
                found = work(met)
                memory.part(recv, found.nbytes, True)[:] = found.view(np.uint8)

        self.ask(what.partition(" ")[0], run, comm, stream)

    def ask(self, what: str, run: Callable[[], None], comm: Communicator, stream: int) -> None:
        assert comm.device is self.device
        assert comm.polls <= 0, "asked while it is in progress"
        comm.polls = 3  # it is asked about itself so often before it is ready
        self.put(comm.device, stream, what, run)

    # ---- groups of sends

    @property
    def in_group(self) -> list[Any] | None:
        return getattr(self.local, "group", None)

    def group_start(self) -> None:
        assert self.in_group is None
        self.local.group = []

    def send(self, place: int, count: int, dtype: int, peer: int, comm: Communicator,
             stream: int) -> None:  # fmt: skip
        self.local.group.append(("send", place, count * DTYPES[dtype].itemsize, peer, comm, stream))

    def recv(self, place: int, count: int, dtype: int, peer: int, comm: Communicator,
             stream: int) -> None:  # fmt: skip
        self.local.group.append(("recv", place, count * DTYPES[dtype].itemsize, peer, comm, stream))

    def group_end(self) -> None:
        found, self.local.group = self.local.group, None
        if not found:  # as a rank that gives and takes nothing: it meets nobody
            return
        *_, comm, stream = found[0]
        memory = self.memory(comm.device)

        def run() -> None:
            sent = {p: memory.part(at, n, False).copy() for k, at, n, p, *_ in found if k == "send"}
            met = comm.mailed(sent, {p for k, _, _, p, *_ in found if k == "recv"})
            for kind, at, n, peer, *_ in found:
                if kind == "recv" and peer in met:
                    assert met[peer].size == n, "another number of bytes than was sent"
                    memory.part(at, n, True)[:] = met[peer]

        self.ask("group", run, comm, stream)


def added(op: int, met: dict[int, np.ndarray], first: int) -> np.ndarray:
    """Over ranks in the order of a ring, which begins behind the one that has the result."""
    size = len(met)
    found = met[(first + 1) % size]
    with np.errstate(all="ignore"):
        for step in range(2, size + 1):
            found = OPS[op](met[(first + step) % size], found)
    return np.asarray(found)
