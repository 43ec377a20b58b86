"""Programs that several processes run, and what each of them says of every case.

A program is a module of this folder whose functions `case_...` all processes call in their order,
and which ends with `if __name__ == "__main__": answer(globals())`, of answer.py. A test asks for
one case:

    @pytest.mark.parametrize("case", cases("training"))
    @pytest.mark.parametrize("processes", [2, 4])
    def test_every_process_agrees(case: str, processes: int) -> None:
        results("training", processes, case)

which raises what a process has raised, and gives what each has returned, through JSON. A program
runs once for all tests of a run, also where several processes of pytest share them.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MARK = "WONDERLAND_TEST_RUN"


@dataclass(frozen=True)
class Launched:
    """How a run of several processes has ended."""

    status: int
    text: str  # stdout and stderr of all
    seconds: float
    remaining: tuple[int, ...] = ()  # processes that it has left behind
    said: tuple[Mapping[str, Any], ...] = ()  # by rank what cases returned
    raised: tuple[Mapping[str, str], ...] = ()  # by rank what cases raised


def mpiexec() -> str | None:
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def missing() -> str:
    """What several processes need and is not there."""
    if importlib.util.find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    return "" if mpiexec() else "there is no mpiexec"


def launch(
    processes: int, program: Sequence[str], seconds: float = 60, **environment: str
) -> Launched:
    """Runs Python with some arguments in several processes; after `seconds` they are killed."""
    if needs := missing():
        pytest.skip(needs)
    mark = uuid.uuid4().hex
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    begin = time.monotonic()
    with subprocess.Popen(
        [str(mpiexec()), "-n", str(processes), sys.executable, *program],
        env={**os.environ, "PYTHONPATH": path, MARK: mark, **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as started:  # fmt: skip
        try:
            text, _ = started.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGTERM)
            text, _ = started.communicate()
            text += f"\nkilled after {seconds} seconds"
    remaining = tuple(processes_of(mark))
    for number in remaining:
        os.kill(number, signal.SIGKILL)
    return Launched(started.returncode, text, time.monotonic() - begin, remaining)


def processes_of(mark: str) -> list[int]:
    """Those that a run has started and that are still there."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            there = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if there:
            found.append(int(folder.name))
    return found


# ---- programs of cases


def cases(program: str) -> list[str]:
    """Their names, without an import of the program."""
    text = (Path(__file__).parent / f"{program}.py").read_text()
    return re.findall(r"^def (case_\w+)", text, re.MULTILINE)


def results(program: str, processes: int, case: str) -> list[Any]:
    """What each process has returned in a case."""
    run = ran(program, processes)
    for rank, raised in enumerate(run.raised):
        if case in raised:
            raise AssertionError(f"process {rank}:\n{raised[case]}")
    assert all(case in said for said in run.said), f"not reached\n{run.text}"
    assert len(run.said) == processes, run.text
    assert (run.status, run.text) == (0, ""), f"exit {run.status}\n{run.text}"
    return [said[case] for said in run.said]


def ran(program: str, processes: int) -> Launched:
    """The one run of a program in so many processes, by whoever asks first."""
    folder = Path(os.environ["WONDERLAND_CACHE"]) / "launched" / f"{program}-{processes}"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "run"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            module = ["-m", f"tests.distributed.{program}"]
            run = launch(processes, module, 240, WONDERLAND_TEST_FOLDER=str(folder))
            files = [file.read_text() for file in sorted(folder.glob("*.json"))]
            lines = [list(map(json.loads, text.splitlines())) for text in files]
            said = tuple({k: v for k, v, wrong in rows if not wrong} for rows in lines)
            raised = tuple({k: wrong for k, _, wrong in rows if wrong} for rows in lines)
            record.write_text(json.dumps({**asdict(run), "said": said, "raised": raised}))
    return Launched(**{**json.loads(record.read_text()), "remaining": ()})
