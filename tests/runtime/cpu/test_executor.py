"""The team gives the bits of one thread, whatever happens to its threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from wonderland.runtime.cpu import border, calls, executor, slabs, walker
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import KernelRow, Slot
from wonderland.runtime.spec import ArraySpec

LONG = 1e-3  # seconds: long enough for the team
I64 = np.dtype(np.int64)
ROOT = Path(__file__).parents[3]


def numbers(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**62), 2**62, n)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_a_chain_with_barriers_is_exact_on_any_number_of_threads(chain, expected, threads):
    x = numbers(1000)
    with executor.threads(threads):
        program = chain(40, 1000, 7, LONG)
        for _ in range(20):
            assert np.array_equal(program((x,))[0], expected(x, 40))


@pytest.mark.parametrize("grain", [1, 3, 99, 100, 101, 10**9])
def test_every_grain_covers_every_point_once(kernels, grain):
    row = KernelRow(kernels["count"], (Slot("input"),), (), 100, grain)
    with executor.threads(3):
        program = Program((row, row), (ArraySpec(I64, ()),), (), seconds=LONG)
        total = np.array(0)
        for k in range(1, 20):
            program((total,))
            assert total == 200 * k


def test_random_tables_are_exact(kernels):
    """Rows of one phase write different arrays and read what earlier phases wrote."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        n, rows = int(rng.integers(1, 300)), []
        x = numbers(n)
        values, ready = [x], 1  # what the places hold, and how many of them may be read
        for k in range(int(rng.integers(2, 30))):
            i, j = rng.integers(0, ready, 2)
            barrier = bool(rng.integers(2))
            places = [
                Slot("input") if v == 0 else Slot("arena", 0, 8 * n * v) for v in (i, j, k + 1)
            ]
            rows.append(
                KernelRow(kernels["plus"], tuple(places), (), n, int(rng.integers(1, 40)), barrier)
            )
            values.append(values[i] + values[j])
            ready = k + 2 if barrier else ready
        last = Slot("arena", 0, 8 * n * (ready - 1)) if ready > 1 else Slot("input")
        rows[-1] = KernelRow(**{**vars(rows[-1]), "barrier": True})
        rows.append(KernelRow(kernels["plus"], (last, last, Slot("output")), (), n, 16))
        spec = ArraySpec(I64, (n,))
        want = 2 * values[ready - 1]
        for threads in (1, 2, 3):
            with executor.threads(threads):
                program = Program(tuple(rows), (spec,), (spec,), (), 8 * n * len(values), 0, LONG)
                for _ in range(5):
                    assert np.array_equal(program((x,))[0], want)


def test_rows_without_points_are_no_rows(kernels):
    empty = KernelRow(kernels["count"], (Slot("input"),), (), 0, 8)
    with executor.threads(2):
        program = Program((empty, empty), (ArraySpec(I64, ()),), (), seconds=LONG)
        total = np.array(0)
        program((total,))
        assert total == 0


def test_each_member_has_scratch_of_its_own(kernels):
    n = 400
    spec = ArraySpec(I64, (n,))
    rows = (
        KernelRow(kernels["through_scratch"], (Slot("input"), Slot("output")), (), n, 1),
        KernelRow(kernels["where"], (Slot("output", 1),), (), n, 1),
    )
    with executor.threads(2):
        program = Program(rows, (spec,), (spec, spec), (), 0, 100, LONG)
        x = numbers(n)
        places: set[int] = set()
        for _ in range(5):
            same, where = program((x,))
            assert np.array_equal(same, x)
            places |= set(where.tolist())
    assert all(p % 64 == 0 for p in places)
    assert len(places) <= 2
    assert max(places) - min(places) in (0, 128)


def test_short_programs_start_no_team(chain):
    script = (
        "program = make(3, 50, 7, 40e-6)\n"
        "program((np.arange(50),))\n"
        "assert threading.active_count() == 1\n"
        "make(3, 50, 7, 1e-3)((np.arange(50),))\n"
        "assert threading.active_count() == 2\n"
    )
    finish(run(script))


def test_idle_workers_sleep_and_wake(chain, expected):
    x = numbers(1000)
    with executor.threads(2):
        program = chain(5, 1000, 7, LONG)
        program((x,))
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.1  # a spinning worker would have used 0.2
        assert np.array_equal(program((x,))[0], expected(x, 5))


def test_two_python_threads_share_a_program_and_the_team(chain, expected):
    wrong: list[str] = []
    with executor.threads(2):
        programs = [chain(20, 500, 7, LONG), chain(9, 300, 11, LONG), chain(4, 80, 8, 20e-6)]

        def work(seed: int) -> None:
            for k in range(60):
                program = programs[(seed + k) % 3]
                x = numbers(program.table.inputs[0].shape[0], seed * 1000 + k)
                if not np.array_equal(program((x,))[0], expected(x, len(program.rows))):
                    wrong.append(f"{seed} {k}")

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    assert not wrong


PRELUDE = """
import atexit
late = []  # called after the runtime has stopped its team
atexit.register(lambda: [f() for f in late])
import os, sys, threading, time
import numpy as np
sys.path.insert(0, {folder!r})
import conftest
from conftest import *
kernels = conftest.kernels.__wrapped__()
make = conftest.chain.__wrapped__(kernels)
expected = conftest.expected.__wrapped__()
x = np.arange(200)
def good(program):
    return np.array_equal(program((x,))[0], expected(x, len(program.rows)))
def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own, on two threads."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    everything = {**os.environ, "PYTHONPATH": path, "WONDERLAND_NUM_THREADS": "2", **environment}
    text = PRELUDE.format(folder=str(Path(__file__).parents[1])) + script
    return subprocess.run(
        [sys.executable, "-c", text],
        env=everything,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def finish(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_fork_before_first_use_has_its_own_team():
    script = """
assert child(lambda: good(make(9, 200, 7, 1e-3))) == 0
assert good(make(9, 200, 7, 1e-3))
"""
    finish(run(script))


def test_a_fork_after_use_starts_a_new_team_and_grandchildren_do():
    script = """
program = make(9, 200, 7, 1e-3)
assert good(program)
def work():
    well = good(program) and threading.active_count() == 2
    return well and child(lambda: good(program)) == 0 and good(program)
assert child(work) == 0
assert good(program)
"""
    finish(run(script))


def test_a_fork_while_another_thread_runs_a_program_works():
    script = """
program = make(60, 200, 7, 1e-3)
stop = []
def busy():
    while not stop:
        good(program)
other = threading.Thread(target=busy)
other.start()
codes = [child(lambda: all(good(program) for _ in range(3))) for _ in range(10)]
stop.append(1)
other.join()
assert codes == [0] * 10, codes
"""
    finish(run(script))


def test_the_interpreter_exits_with_sleeping_workers():
    finish(run("assert good(make(9, 200, 7, 1e-3))\ntime.sleep(0.05)"))


def test_the_interpreter_exits_while_a_daemon_thread_runs_programs():
    script = """
program = make(60, 200, 7, 1e-3)
def busy():
    while True:
        good(program)
threading.Thread(target=busy, daemon=True).start()
time.sleep(0.05)
assert good(program)
"""
    finish(run(script))


def test_programs_run_after_the_team_was_stopped_at_exit():
    script = """
program = make(9, 200, 7, 1e-3)
assert good(program)
late.append(lambda: print(good(program), good(make(9, 200, 7, 1e-3)), threading.active_count()))
"""
    done = run(script)
    finish(done)
    assert done.stdout == "True True 1\n"


@pytest.mark.parametrize("text", ["zero", "0", "-1", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("WONDERLAND_NUM_THREADS", text)
    with pytest.raises(ValueError, match=r"^WONDERLAND_NUM_THREADS: a number from 1 on is"):
        executor.allowed_threads()


def test_importing_and_running_needs_no_numba_once_compiled(chain):
    chain(1)((np.arange(100),))
    finish(run("good(make(1, 200, 7))\nassert 'numba' not in sys.modules"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and takes processors")
def test_workers_are_kept_off_the_processor_that_wakes_them(chain):
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor")
    with executor.threads(2):
        program = chain(5, 1000, 7, LONG)
        program((numbers(1000),))
        team = executor.team()
        assert team is not None
        worker = team.workers[0].native_id
        assert worker is not None
        try:
            for here in sorted(allowed)[:2]:
                os.sched_setaffinity(0, {here})
                for _ in range(200):  # until a launch found the worker asleep
                    program((numbers(1000),))
                    time.sleep(0.001)
                    if os.sched_getaffinity(worker) == allowed - {here}:
                        break
                else:
                    pytest.fail("the worker may still run on the caller's processor")
        finally:
            os.sched_setaffinity(0, allowed)


def test_threads_come_from_the_environment():
    finish(
        run(
            "from wonderland.runtime.cpu import executor\nassert executor.thread_count() == 7",
            WONDERLAND_NUM_THREADS="7",
        )
    )


def test_a_quota_is_rounded_up(tmp_path):
    for text, want in (
        ("max 100000", []),
        ("150000 100000", [2]),
        ("50000 100000", [1]),
        ("nonsense", []),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert list(executor.quota(tmp_path / "cpu.max")) == want
    assert list(executor.quota(tmp_path / "absent")) == []


def test_what_is_compiled_together_names_each_word_once():
    names = [
        name for module in (walker, slabs, border, calls) for name in vars(module) if name.isupper()
    ]
    assert [n for n in names if names.count(n) > 1] == []
