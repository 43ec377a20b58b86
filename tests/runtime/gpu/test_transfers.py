"""Transfers of device programs: by NCCL beside what is computed, through the host, and their end.

Processes are threads, each with a fake device; the order of its two streams is as loose as the
events between them allow.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.driver
from tests.driver.order import stream_of
from tests.runtime.fake_device import FakeDevice
from tests.runtime.fake_nccl import REMOTE_ERROR, FakeNccl
from tests.runtime.fake_processes import Process, Processes
from tests.runtime.gpu import nccl_processes
from tests.runtime.gpu.nccl_processes import KINDS, expected
from tests.runtime.gpu.test_device_program import BYTES, IN, OUT, SPEC, N, arena, plus
from wonderland.compiler.codegen.words import gpu_words
from wonderland.compiler.ir.types import NUMPY
from wonderland.runtime.errors import ProcessError
from wonderland.runtime.gpu import carriers, cuda, devices, nccl
from wonderland.runtime.gpu.cuda import CudaDevice
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.gpu.device_program import DeviceProgram
from wonderland.runtime.processes import vigil
from wonderland.runtime.rows import Cell, DeviceRow, LoopRow, Slot, StartRow, Transfer, WaitRow

F32 = np.dtype(np.float32)
ROOT = Path(__file__).parents[3]
LACKING = "nccl4py is required"
ZERO = Slot("constant")
NUMPY_NAMES = {d.name: d for d in NUMPY.values()}


def transfer(kind: Any, size: int, count: int = N, dtype: Any = F32, **more: Any) -> Transfer:
    return Transfer(kind, (("data", size),), "data", np.dtype(dtype), count, **more)


def carried(processes: Processes, what: Transfer, operands: list[np.ndarray]) -> list[np.ndarray]:
    """The results of a transfer from and to memory of devices."""

    def body(process: Process) -> np.ndarray:
        device, x = process.device, operands[process.rank]
        source, result = device.allocate(x.nbytes), device.allocate(what.result_bytes)
        device.upload(source.address, x)
        carriers.carrier(device, what).start(what, source.address, result.address)()
        found = np.empty(what.result_bytes, np.uint8)
        device.download(found, result.address)
        return found.view(what.dtype)

    return processes.run(body)


PAIRS = {2: ((0, 1),), 3: ((0, 1), (1, 0), (2, 2)), 4: ((3, 0), (0, 3), (1, 2))}


@pytest.mark.parametrize("lacking", ["", LACKING], ids=["nccl", "host"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_on_every_number_of_processes(monkeypatch, kind, size, lacking):
    processes = Processes(monkeypatch, size, lacking=lacking)
    rng = np.random.default_rng(size)
    pairs = PAIRS.get(size, ()) if kind == "permute" else ()
    by_nccl = {"i8"} if kind in ("max", "min") else {"f4", "i8"}  # whose floats leave out NaN
    for dtype in ("f4", "i8"):  # small integers, so that sums have no order
        what = transfer(kind, size, 24, dtype, pairs=pairs)
        xs = [rng.integers(-9, 9, 24).astype(dtype) for _ in range(size)]
        for p in processes.all:
            p.device.log.clear()
        for rank, found in enumerate(carried(processes, what, xs)):
            np.testing.assert_array_equal(found, expected(what, xs, rank))
        used = [p.rank for p in processes.all for e in p.device.log if e.startswith("nccl")]
        assert bool(used) == (size > 1 and not lacking and dtype in by_nccl)


@pytest.mark.parametrize("kind", ["gather", "exchange", "permute"])
@pytest.mark.parametrize("dtype", ["bool", "u16", "bf16", "c128"])
def test_bytes_of_every_dtype_move(monkeypatch, kind, dtype):
    pairs = PAIRS[2] if kind == "permute" else ()
    what = transfer(kind, 2, 6, NUMPY[dtype], pairs=pairs)
    xs = [np.arange(6 * k, 6 * k + 6).astype(what.dtype) for k in (0, 1)]
    processes = Processes(monkeypatch, 2)
    for rank, found in enumerate(carried(processes, what, xs)):
        np.testing.assert_array_equal(found, expected(what, xs, rank))
    assert any(entry.startswith("nccl") for entry in processes.all[0].device.log)


def test_sums_of_a_dtype_that_nccl_lacks_go_through_the_host(monkeypatch):
    what = transfer("sum", 2, 4, "i2")
    xs = [np.array([1, 2, 3, 30000], "i2"), np.array([4, 5, 6, 30000], "i2")]
    processes = Processes(monkeypatch, 2)
    for rank, found in enumerate(carried(processes, what, xs)):
        np.testing.assert_array_equal(found, expected(what, xs, rank))
    assert not any(entry.startswith("nccl") for entry in processes.all[0].device.log)


def test_nothing_is_a_transfer_too(monkeypatch):
    for kind in KINDS:
        (a, b) = carried(Processes(monkeypatch, 2), transfer(kind, 2, 0), [np.empty(0, F32)] * 2)
        assert a.size == b.size == 0


def test_axes_of_a_mesh_have_communicators_of_their_own(monkeypatch):
    mesh = (("data", 2), ("model", 2))
    processes = Processes(monkeypatch, 4)
    for axis, pairs in (("data", ((0, 2), (1, 3))), ("model", ((0, 1), (2, 3)))):
        what = Transfer("gather", mesh, axis, F32, 1)
        for _ in range(2):
            found = carried(processes, what, [np.array([k], F32) for k in range(4)])
            for pair in pairs:
                assert [found[rank].tolist() for rank in pair] == [[*pair]] * 2
    assert len(processes.nccl.groups) == 4 and len(processes.nccl.communicators) == 8


# ---------------------------------------------------------------- programs


def program(process: Process, rows: Any, arena_slots: int = 4, **more: Any) -> DeviceProgram:
    return DeviceProgram(process.device, rows, (SPEC,), (SPEC,), (), 512 * arena_slots, **more)


def beside(what: Transfer, plus: Any = plus) -> tuple[Any, ...]:
    """out = total(2x) + 3x, the last made while 2x is under way."""
    return (
        plus(IN, IN, arena(0)),
        StartRow(what, 0, arena(0), arena(1)),
        plus(IN, IN, arena(2)),
        plus(arena(2), IN, arena(2)),
        WaitRow(0, what),
        plus(arena(1), arena(2), OUT),
    )


def own(rank: int) -> np.ndarray:
    return np.arange(N, dtype=F32) + 1000 * rank


@pytest.mark.parametrize("eager", [False, True], ids=["late", "early"])
@pytest.mark.parametrize("lacking", ["", LACKING], ids=["nccl", "host"])
def test_a_program_computes_beside_its_transfers(monkeypatch, lacking, eager):
    processes = Processes(monkeypatch, 3, lacking=lacking, eager=eager)

    def body(process: Process) -> list[np.ndarray]:
        made = program(process, beside(transfer("sum", 3)), poison=True)
        x = own(process.rank)
        return [np.asarray(made((k * x,))[0]) for k in (1, 2)]

    total = 2 * sum(map(own, range(3)))
    for rank, found in enumerate(processes.run(body)):
        for k, x in zip((1, 2), found, strict=True):
            np.testing.assert_array_equal(x, k * (total + 3 * own(rank)))


def test_events_order_a_transfer_and_nothing_else(monkeypatch):
    """Behind what makes its operand, before what reads its result; with the rest it is free."""
    processes = Processes(monkeypatch, 2)
    processes.run(lambda p: np.asarray(program(p, beside(transfer("sum", 2)))((own(p.rank),))[0]))
    asked = processes.all[0].device.asked
    (sent,) = (a for a in asked if a.what == "nccl all_reduce")
    makes, meanwhile, reads = (a for a in asked if a.what == "launch")
    assert makes.before(sent) and sent.before(reads) and not sent.before(makes)
    assert not meanwhile.before(sent) and not sent.before(meanwhile)
    assert [e for e in processes.all[0].device.log if e.startswith(("download", "nccl"))] == [
        "nccl all_reduce", "download 400",
    ]  # fmt: skip


@pytest.mark.parametrize("missing", ["lead", "wait_beside"])
def test_without_its_events_a_transfer_would_be_wrong(monkeypatch, missing):
    """What the tests above could not find, the fake would hide."""
    processes = Processes(monkeypatch, 2, eager=missing == "lead")
    for p in processes.all:
        monkeypatch.setattr(p.device, missing, bool)
    total = 2 * (own(0) + own(1))

    def body(process: Process) -> np.ndarray:
        return np.asarray(program(process, beside(transfer("sum", 2)))((own(process.rank),))[0])

    found = processes.run(body, failing=True)
    right = [np.array_equal(x, total + 3 * own(k)) for k, x in enumerate(found)]
    assert not all(right)


def test_a_transfer_reads_and_writes_what_moves_from_call_to_call(monkeypatch):
    processes = Processes(monkeypatch, 2)
    what = transfer("permute", 2, pairs=((0, 1), (1, 0)))

    def body(process: Process) -> list[np.ndarray]:
        made = program(process, (StartRow(what, 0, IN, OUT, whole=True),), 0)
        return [np.asarray(y) for y in [made((k + own(process.rank),))[0] for k in range(3)]]

    for rank, found in enumerate(processes.run(body)):
        np.testing.assert_array_equal(found, [k + own(1 - rank) for k in range(3)])


def test_loops_with_transfers_are_turned_by_the_host_in_the_order_of_the_program(monkeypatch):
    """x = total(x) + x, five times, between two transfers that are no part of it."""
    processes = Processes(monkeypatch, 2)
    what, swap = transfer("sum", 2), transfer("permute", 2, pairs=((0, 1), (1, 0)))
    cells = (Cell(0, arena(0), arena(1), arena(2)), Cell(1, arena(2), arena(2), arena(1)))
    x, y = Slot("cell", 0), Slot("cell", 1)
    turn = (
        StartRow(what, 1, x, arena(3)),
        plus(x, ZERO, arena(4)),
        WaitRow(1, what),
        plus(arena(3), arena(4), y),
    )
    rows = (
        StartRow(swap, 0, IN, arena(0), whole=True),
        LoopRow(turn, cells, 5, ((0, arena(5), BYTES),)),
        StartRow(swap, 2, arena(5), OUT, whole=True),
    )

    def body(process: Process) -> np.ndarray:
        zeros = (np.zeros(N, F32),)
        made = DeviceProgram(process.device, rows, (SPEC,), (SPEC,), zeros, 512 * 6)
        return np.asarray(made((own(process.rank) % 7,))[0])

    a, b = own(0) % 7, own(1) % 7
    for _ in range(5):
        a, b = 2 * a + b, a + 2 * b
    for found, expect in zip(processes.run(body), (a, b), strict=True):
        np.testing.assert_array_equal(found, expect)
    for p in processes.all:
        asked = [e for e in p.device.log if e.startswith(("nccl", "run", "graph"))]
        turns = ["nccl all_reduce", "run plus", "run plus"] * 5
        assert asked == ["nccl group", *turns, "nccl group"]


def test_programs_of_other_transfers_are_refused_before_anything_runs(monkeypatch):
    processes = Processes(monkeypatch, 2)

    def body(process: Process) -> Any:
        what = transfer("sum", 2) if process.rank else transfer("max", 2)
        return program(process, beside(what))((own(0),))

    for error in processes.run(body, failing=True):
        assert isinstance(error, ProcessError)
        assert "sum over data of f32[100]" in str(error) and "max over data" in str(error)
    assert not any(e.startswith(("nccl", "launch")) for p in processes.all for e in p.device.log)


def test_a_call_that_fails_half_way_leaves_no_transfer_under_way(monkeypatch):
    processes = Processes(monkeypatch, 2)

    def body(process: Process) -> Any:
        made = program(process, beside(transfer("sum", 2)))
        x = own(process.rank)
        made((x,))
        process.device.failing = "launch"
        process.device.passing = 1  # the launch before the transfer
        with pytest.raises(DeviceError, match="planted"):
            made((x,))
        ended = ["launch", "nccl all_reduce", "wait"]
        asked = [e for e in process.device.log if e in ("launch", "nccl all_reduce", "wait")]
        assert asked == ["launch", "nccl all_reduce", "launch", "wait", "launch", *ended]
        return np.asarray(made((x,))[0])

    total = 2 * (own(0) + own(1))
    for rank, found in enumerate(processes.run(body)):
        np.testing.assert_array_equal(found, total + 3 * own(rank))


# ---------------------------------------------------------------- failure


def waiting(process: Process) -> Any:
    """The call of a process; process 1 never comes to it."""
    if process.rank == 1:
        return None
    made = program(process, beside(transfer("sum", 2)))
    return np.asarray(made((own(0),))[0])


def connected(processes: Processes) -> None:
    """A first call of all."""
    carried(processes, transfer("gather", len(processes.all), 1), [np.zeros(1, F32)] * 4)


def without_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceProgram, "_agree", bool)


def test_who_waits_for_a_process_that_left_is_told(monkeypatch):
    processes = Processes(monkeypatch, 2)
    without_agreement(monkeypatch)
    connected(processes)

    def body(process: Process) -> Any:
        if process.rank == 1:
            other = processes.all[0].world
            threading.Timer(0.05, other.news.break_off, ("process 1 left: ValueError",)).start()
        return waiting(process)

    error, _ = processes.run(body, failing=True)
    assert isinstance(error, ProcessError) and "process 1 left: ValueError" in str(error)
    (communicator,) = (c for c in processes.nccl.communicators.values() if c.rank == 0)
    assert communicator.aborted
    assert "try: start again from a checkpoint; what is on cuda:0 may be" in str(error)
    for _ in range(2):  # and so is every later call
        again, _ = processes.run(waiting, failing=True)
        assert str(again) == str(error)


def test_who_waits_for_a_process_that_ended_is_told(monkeypatch):
    monkeypatch.setattr(vigil, "GRACE_SECONDS", 0.0)
    processes = Processes(monkeypatch, 2)
    without_agreement(monkeypatch)
    connected(processes)
    processes.all[0].world.news.gone(1, "", True)
    error, _ = processes.run(waiting, failing=True)
    assert isinstance(error, ProcessError)
    assert str(error).startswith("sum over data of f32[100]: process 1 left: its program had ended")


def test_a_transfer_that_takes_too_long_ends_with_its_name(monkeypatch):
    processes = Processes(monkeypatch, 2, timeout=0.2)
    without_agreement(monkeypatch)
    connected(processes)
    error, _ = processes.run(waiting, failing=True)
    assert isinstance(error, ProcessError)
    assert str(error).startswith("sum over data of f32[100]: it has not ended after 0.2 seconds")


def test_what_nccl_reports_later_ends_the_wait(monkeypatch):
    processes = Processes(monkeypatch, 2)
    without_agreement(monkeypatch)
    connected(processes)
    (communicator,) = (c for c in processes.nccl.communicators.values() if c.rank == 0)

    def body(process: Process) -> Any:
        if process.rank == 1:
            threading.Timer(0.05, setattr, (communicator, "state", REMOTE_ERROR)).start()
        return waiting(process)

    error, _ = processes.run(body, failing=True)
    assert isinstance(error, ProcessError)
    assert "NCCL fails with remote process exited" in str(error) and "socket closed" in str(error)


def test_what_nccl_refuses_is_said_with_the_transfer(monkeypatch):
    processes = Processes(monkeypatch, 2)
    connected(processes)

    def refuse(*args: Any) -> None:
        raise RuntimeError("NCCL_ERROR_INVALID_ARGUMENT")

    monkeypatch.setattr(processes.nccl, "all_reduce", refuse)
    for error in processes.run(
        lambda p: program(p, beside(transfer("sum", 2)))((own(0),)), failing=True
    ):
        assert isinstance(error, ProcessError)
        assert "sum over data of f32[100]: NCCL refuses it, NCCL_ERROR_INVALID" in str(error)


def test_one_process_without_nccl_sends_all_through_the_host_and_says_so_once(monkeypatch, caplog):
    processes = Processes(monkeypatch, 2)
    monkeypatch.setattr(nccl, "modules", lambda: only_one(processes))
    what = transfer("sum", 2)
    for _ in range(2):
        found = carried(processes, what, [own(0), own(1)])
        np.testing.assert_array_equal(found, [own(0) + own(1)] * 2)
    said = sorted(record.getMessage() for record in caplog.records)
    assert said == [
        "transfers over data go through the host, which is slow: nccl4py is required",
        "transfers over data go through the host, which is slow: process 1 of data has no NCCL",
    ]


def only_one(processes: Processes) -> tuple[Any, Any]:
    if processes.local.process.rank == 1:
        raise DeviceError(LACKING)
    return processes.nccl.core, processes.nccl.calls


def test_processes_that_share_a_gpu_go_through_the_host(monkeypatch, caplog):
    monkeypatch.setattr(FakeDevice, "identity", bytes(16))
    found = carried(Processes(monkeypatch, 2), transfer("sum", 2), [own(0), own(1)])
    np.testing.assert_array_equal(found, [own(0) + own(1)] * 2)
    assert "2 GPUs are required, processes of data share one" in caplog.text


def test_at_the_end_of_a_process_communicators_are_given_up(monkeypatch):
    processes = Processes(monkeypatch, 2)
    connected(processes)
    processes.run(lambda p: p.device.watch.close())
    ended = [c.ended for c in processes.nccl.communicators.values()]
    assert ended == [["finalize", "destroy"]] * 2


# ---------------------------------------------------------------- which GPU


def test_processes_of_a_machine_take_its_gpus_one_after_another(monkeypatch):
    found = FakeDevice(), FakeDevice()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: found)
    processes = Processes(monkeypatch, 3)
    for p in processes.all:
        p.world.host_rank = p.rank
    taken = processes.run(lambda p: [devices.accelerator(name) for name in ("cuda", "cuda:1")])
    assert taken == [[found[0], found[1]], [found[1], found[1]], [found[0], found[1]]]


# ---------------------------------------------------------------- over cuda.core, NCCL itself


TEXT = """\
def plus(x: pointer(f32), y: pointer(f32), out: pointer(f32), n: integer):
    for i in range(block_index() * 64 + thread_index(), n, block_count() * 64):
        store(out, i, load(x, i, 1) + load(y, i, 1))
"""


class DrivenNccl(FakeNccl):
    """On the memory and the streams of the driver of the tests: as late as may be, or at once."""

    looks = False

    def __init__(self, eager: bool) -> None:
        super().__init__()
        self.eager = eager

    def memory(self, device: Any) -> Any:
        return tests.driver.driver().memory

    def put(self, device: Any, stream: int, what: str, run: Any) -> None:
        assert stream == device.beside != device.stream
        found = stream_of(tests.driver.driver(), stream)
        found.ask(run)
        if self.eager:
            found.finish()


@pytest.mark.parametrize("eager", [False, True], ids=["late", "early"])
def test_streams_and_events_of_cuda_core_order_transfers(monkeypatch, driven, eager):
    """Two devices of the one GPU, whose identities are said to differ."""
    gpus = [tests.driver.device() for _ in range(2)]
    names = {id(gpu): bytes([k]) * 16 for k, gpu in enumerate(gpus)}
    monkeypatch.setattr(CudaDevice, "identity", property(lambda self: names[id(self)]))
    processes = Processes(monkeypatch, 2, devices=gpus.__getitem__, library=DrivenNccl(eager))
    code = gpus[0].code([TEXT], gpu_words.words(), gpu_words.key())[TEXT]
    rows = beside(
        transfer("sum", 2), lambda *slots: DeviceRow(code, slots, (N,), 2, 64, name="plus")
    )

    def body(process: Process) -> list[np.ndarray]:
        made = program(process, rows)
        return [np.asarray(made((k * own(process.rank),))[0]) for k in (1, 2)]

    total = 2 * (own(0) + own(1))
    for rank, found in enumerate(processes.run(body)):
        np.testing.assert_array_equal(found, [k * (total + 3 * own(rank)) for k in (1, 2)])
    assert [e for p in processes.all for e in p.device.watch.underway] == []


def test_what_is_called_of_nccl4py_is_there():
    core = pytest.importorskip("nccl.core")
    calls = pytest.importorskip("nccl.bindings.nccl")
    whole = "(intptr_t sendbuff, intptr_t recvbuff, size_t"
    for name, parameters in {
        "all_reduce": f"{whole} count, int datatype, int op, comm, intptr_t stream)",
        "reduce_scatter": f"{whole} recvcount, int datatype, int op, comm, intptr_t stream)",
        "all_gather": f"{whole} sendcount, int datatype, comm, intptr_t stream)",
        "send": "(intptr_t sendbuff, size_t count, int datatype, int peer, comm, intptr_t stream)",
        "recv": "(intptr_t recvbuff, size_t count, int datatype, int peer, comm, intptr_t stream)",
        "group_start": "()", "group_end": "()", "Comm": "(intptr_t handle=0)",
        "get_error_string": "(int result) -> str",
    }.items():  # fmt: skip
        assert getattr(calls, name).__doc__ == name + parameters
    assert {name: int(core.NcclDataType(NUMPY_NAMES[name])) for name in nccl.TYPES} == nccl.TYPES
    ops = {"sum": core.SUM, "scatter": core.SUM, "max": core.MAX, "min": core.MIN}
    assert {kind: int(op) for kind, op in ops.items()} == nccl.SUMS
    assert int(calls.Result.InProgress) == nccl.IN_PROGRESS
    assert int(core.UINT8) == nccl.BYTES and len(bytes(core.UniqueId())) == nccl.ID_BYTES
    unique = core.UniqueId.from_bytes(bytes(128))
    config = core.NCCLConfig(blocking=False, nvls_host_mode=core.NcclNvlsHostMode.DISABLE_TRANSPORT)
    assert inspect.signature(core.Communicator.init).bind(2, 0, unique, config)
    for name in ("get_async_error", "get_last_error", "abort", "finalize", "destroy", "ptr"):
        assert hasattr(core.Communicator, name)
    calls.check_status(nccl.IN_PROGRESS)  # no error: it is waited for


def test_what_is_missing_of_nccl_is_said_with_its_repair(monkeypatch):
    nccl.modules.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nccl.core", None)
        assert nccl.lacking() == (
            'nccl4py is required, it is not installed, try: pip install "wonderland[nccl]"'
        )
    pytest.importorskip("nccl.core")
    if text := nccl.lacking():
        assert text.startswith("NCCL (libnccl.so.2) is required, ")
        assert text.endswith('try: pip install "wonderland[nccl]"')


@pytest.mark.parametrize("size", [1, 3])
def test_what_a_first_gpu_is_asked_holds_between_fakes(monkeypatch, size):
    def body(process: Process) -> int:
        over = nccl_processes.carrier(process.device, process.world)
        for kind in KINDS:
            pairs = nccl_processes.pairs(kind, process.world)
            what = Transfer(kind, (("gpus", size),), "gpus", np.dtype("i4"), 7 * size, pairs)
            nccl_processes.checked(process.device, over, process.world, what)
        return nccl_processes.repeated(process.device, over, process.world, 2)

    assert Processes(monkeypatch, size).run(body) == [2] * size


@pytest.mark.gpu
def test_every_kind_between_the_gpus_of_this_machine():
    if not cuda.cuda_devices():
        pytest.skip(f"no GPU: {cuda.missing()}")
    if nccl.lacking():
        pytest.skip(nccl.lacking())
    count = len(cuda.cuda_devices())
    launcher = Path(sys.executable).with_name("mpiexec")
    start = [launcher, "-n", str(min(count, 4))] if count > 1 and launcher.exists() else []
    script = [sys.executable, "-m", "tests.runtime.gpu.nccl_processes"]
    done = subprocess.run(
        [*start, *script], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done\n")
