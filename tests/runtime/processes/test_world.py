"""What a process finds out about others, and what it says where something is missing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wonderland.runtime.processes import world as worlds
from wonderland.runtime.processes.courier import Courier
from wonderland.runtime.processes.launcher import MARK, launched, mark
from wonderland.runtime.processes.mpi import MpiWire, begin
from wonderland.runtime.processes.vigil import KILLED, News, Vigil, connections
from wonderland.runtime.processes.wire import Alone, ProcessError
from wonderland.runtime.processes.world import World, initialize, peers_of
from wonderland.runtime.rows import Transfer

ROOT = Path(__file__).parents[3]
MESH = (("a", 2), ("b", 3), ("c", 2))


@pytest.mark.parametrize("kind", ["sum", "max", "min", "gather", "scatter", "exchange", "permute"])
def test_a_process_alone_keeps_what_it_has(kind: str) -> None:
    x = np.arange(5, dtype=np.float32)
    pairs = ((0, 0),) if kind == "permute" else ()
    alone = World(Alone())
    transfer = Transfer(kind, (("i", 1),), "i", x.dtype, 5, pairs)  # pyright: ignore[reportArgumentType]
    y = np.zeros_like(x)
    alone.start(transfer, x.ctypes.data, y.ctypes.data).wait()
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(alone.exchanged(transfer, x), x)


def test_a_process_alone_agrees_with_itself() -> None:
    alone = World(Alone())
    alone.join((("i", 1), ("j", 1)))
    alone.agree("plan", "any")
    alone.barrier()
    assert alone.broadcast(b"abc") == b"abc"
    assert (alone.rank, alone.size, alone.host_size, alone.sharers) == (0, 1, 1, 1)


def test_a_mesh_has_as_many_points_as_there_are_processes() -> None:
    with pytest.raises(ProcessError) as raised:
        World(Alone()).join((("a", 2), ("b", 3)))
    assert str(raised.value).splitlines() == [
        "mesh: as many points as processes are required, got a 2 x b 3 (6) and 1",
        "try: mpiexec -n 6 python ...",
    ]


def test_peers_are_those_that_differ_along_an_axis() -> None:
    ranks = np.arange(12).reshape(2, 3, 2)
    for rank in range(12):
        a, b, c = np.argwhere(ranks == rank)[0]
        expected = {"a": (ranks[:, b, c], a), "b": (ranks[a, :, c], b), "c": (ranks[a, b], c)}
        for axis, (line, place) in expected.items():
            peers = peers_of(MESH, axis, rank)
            assert (peers.ranks, peers.place) == (tuple(line), place)


@pytest.mark.parametrize(("variables", "count"), [
    ({}, 1), ({"PMI_SIZE": "1"}, 1), ({"PMI_SIZE": "4"}, 4), ({"OMPI_COMM_WORLD_SIZE": "3"}, 3),
    ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, 1), ({"SLURM_STEP_NUM_TASKS": "8"}, 8),
])  # fmt: skip
def test_launchers_say_how_many_they_start(variables: dict[str, str], count: int) -> None:
    """A script that Slurm runs once, for eight tasks that it may start itself, is alone."""
    assert worlds.launched(variables)[0] == count


@pytest.mark.parametrize(("variable", "number"), [("PMI_FD", ""), ("PMIX_NAMESPACE", "7")])
def test_what_a_launched_process_starts_is_alone(variable: str, number: str) -> None:
    """Unless a launcher has started it again."""
    ours, others = socket.socketpair()
    with ours, others:
        environment = {"PMI_SIZE": "3", variable: number or str(ours.fileno())}
        again = {**environment, variable: number + str(others.fileno())}
        environment[MARK] = again[MARK] = mark(environment)
        assert launched(environment)[0] == 3
        for child in (environment, again):
            child[MARK] = "1" + child[MARK]  # the number of another process
        assert launched(environment)[0] == 1
        assert launched(again)[0] == 3
    if variable == "PMI_FD":
        assert launched(environment)[0] == launched(again)[0] == 1
        with pytest.raises(ProcessError, match=r"^initialize: the connection to the launcher is r"):
            mark(environment)


def test_processes_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has begun MPI and failed does not begin it again."""
    tried = list[float]()

    def found(seconds: float) -> World:
        tried.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr(worlds, "_process", worlds._Process())
    monkeypatch.setattr(worlds, "_found", found)
    for wrong in (0, -1, float("nan"), "soon", [2]):
        with pytest.raises(ProcessError, match=r"^initialize: timeout: seconds are required, "):
            initialize(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(KeyboardInterrupt):
        initialize(float("inf"))
    with pytest.raises(ProcessError, match=r"^KeyboardInterrupt$"):
        initialize()
    assert len(tried) == 1
    assert tried[0] < threading.TIMEOUT_MAX


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_timeout_is_in_seconds(text: str) -> None:
    assert worlds.allowed_seconds({"WONDERLAND_PROCESS_TIMEOUT": "2.5"}) == 2.5
    with pytest.raises(ProcessError, match=r"^WONDERLAND_PROCESS_TIMEOUT: seconds are required, "):
        worlds.allowed_seconds({"WONDERLAND_PROCESS_TIMEOUT": text})


def test_several_processes_need_mpi4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "_process", worlds._Process())
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ProcessError) as raised:
        initialize()
    first, *_, last = str(raised.value).splitlines()
    assert first.startswith("initialize: mpi4py and a library of MPI are required under a launcher")
    assert last == 'try: pip install "wonderland[mpi]"'


def test_a_process_alone_does_not_load_mpi() -> None:
    script = (
        "import sys; from runtime.processes.world import initialize; "
        "assert initialize().size == 1; assert 'mpi4py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, check=True)


def test_mpi_that_others_have_ended_is_left_alone() -> None:
    ended = SimpleNamespace(Is_initialized=lambda: True, Is_finalized=lambda: True)
    with pytest.raises(
        ProcessError, match=r"^initialize: MPI that has not ended is required, got "
    ):
        begin(ended, [])
    wire = object.__new__(MpiWire)
    wire.mpi, wire.begun = ended, True
    wire.progress()
    wire.close()


def test_what_differs_is_said_by_line() -> None:
    said = worlds.first_difference("a\nb\nc", "a\nb", 3).splitlines()
    assert said[1:] == ["    line 3 of process 0: c", "    line 3 of process 3: nothing"]


# ---- the thread


def test_work_is_done_in_the_order_of_starts_on_either_thread() -> None:
    courier, done, go = Courier(News()), list[int](), threading.Event()
    first = courier.start(lambda: (go.wait(), done.append(0))[1])
    second = courier.start(lambda: done.append(1))
    threading.Timer(0.05, go.set).start()
    courier.now(lambda: done.append(2))  # behind the others
    courier.now(lambda: done.append(3))
    assert done == [0, 1, 2, 3]
    assert first.wait() and second.wait()
    courier.stop()


def test_work_raises_where_it_is_waited_for() -> None:
    courier = Courier(News())
    pending = courier.start(lambda: [][0])
    for _ in range(2):
        with pytest.raises(IndexError):
            pending.wait()
    courier.stop()


def test_nothing_is_exchanged_after_a_failure() -> None:
    courier = Courier(News())
    alone = World(Alone(), courier=courier)
    courier.news.gone(2, "ValueError: bad", False)
    courier.news.gone(1, "process 2 left: ValueError: bad", True)
    with pytest.raises(ProcessError, match=r"^gather over processes of u8\[0\]: process 2 left: V"):
        alone.barrier()
    courier.stop()


# ---- last words


def vigils(size: int) -> tuple[list[News], list[Vigil], list[dict[int, socket.socket]]]:
    """Of processes that are threads here, found as processes find each other."""
    said, told = threading.Event(), [b""]

    def broadcast(data: bytes) -> bytes:
        if data:
            told[0] = data
            said.set()
        assert said.wait(10)
        return told[0]

    found: list[dict[int, socket.socket]] = [{} for _ in range(size)]

    def find(rank: int) -> None:
        found[rank] = connections(rank, size, True, broadcast, 10)

    threads = [threading.Thread(target=find, args=(rank,)) for rank in range(size)]
    threads[0].start()
    assert said.wait(10)
    with socket.create_connection(("127.0.0.1", json.loads(told[0])[1])) as stranger:
        stranger.sendall(b"GET / HTTP/1.1 and so on")
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
    news = [News() for _ in range(size)]
    return news, [Vigil(rank, found[rank], news[rank]) for rank in range(size)], found


def until(condition: Callable[[], object]) -> None:
    """Waits for another thread."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError


def test_all_hear_who_leaves_and_who_is_killed() -> None:
    news, _, found = vigils(4)
    news[2].break_off("ValueError: bad")
    news[2].break_off("a second reason")
    until(lambda: all(n.broken for n in news))
    said = ["process 2 left: ValueError: bad"] * 4
    said[2] = "ValueError: bad"
    assert [n.broken for n in news] == said
    found[3][0].shutdown(socket.SHUT_RDWR)  # as when its process is killed
    until(lambda: all(3 in news[rank].silent for rank in (0, 1, 2)))
    close(found)


def close(found: list[dict[int, socket.socket]]) -> None:
    """All connections, when nobody listens to them any more."""
    for connection in (c for each in found for c in each.values()):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    until(lambda: all(t.name != "vigil" for t in threading.enumerate()))
    for connection in (c for each in found for c in each.values()):
        connection.close()


def test_who_has_ended_well_is_not_missed_when_its_connection_ends() -> None:
    news, vigil, found = vigils(3)
    vigil[1].say("", last=True)
    until(lambda: 1 in news[0].silent and 1 in news[2].silent)
    found[1][0].shutdown(socket.SHUT_RDWR)
    vigil[2].say("", last=True)
    until(lambda: news[0].silent == {1, 2})
    assert news[0].broken == news[2].broken == ""
    close(found)
    news, _, found = vigils(2)
    found[1][0].shutdown(socket.SHUT_RDWR)
    until(lambda: news[0].broken)
    assert news[0].broken == f"process 1 left: {KILLED}"
    close(found)


def test_who_ends_without_mpi_runs_what_was_registered_before() -> None:
    """Once, in the order of Python: children are ended by such functions."""
    script = (
        "import atexit; atexit.register(print, 'first'); atexit.register(print, 'second'); "
        "from runtime.processes import leaving; atexit.register(print, 'third'); "
        "leaving._last_words.append('why\\n')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, "why\n")
    assert ended.stdout.split() == ["third", "second", "first"]
