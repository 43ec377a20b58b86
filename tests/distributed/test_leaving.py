"""However a process leaves, all end, with an error that says who left and why."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.distributed.launch import Launched, launch

WAYS = {  # the way, where the others are, who, of how many: what at least one process says
    ("raise", "sum", 0, 3): "process 0 left: ValueError: bad\n",
    ("mpi", "sum", 1, 2): "process 1 left: ValueError: bad\n",
    ("raise", "large", 2, 3): "process 2 left: ValueError: bad\n",
    ("raise", "started", 1, 2): "process 1 left: ValueError: bad\n",
    ("raise", "agree", 0, 2): "process 0 left: ValueError: bad\n",
    ("raise", "barrier", 1, 2): "process 1 left: ValueError: bad\n",
    ("raise", "computation", 2, 3): "process 2 left: ValueError: bad\n",
    ("raise", "nothing", 1, 2): "ValueError: bad\n",
    ("all", "nothing", 0, 2): "ValueError: bad\n",
    ("exit", "sum", 1, 2): "process 1 left: its program had ended\n",
    ("thread", "started", 0, 2): "process 0 left: its program had ended\n",
    ("interrupt", "large", 1, 2): "process 1 left: KeyboardInterrupt\n",
    ("sleep", "started", 1, 2): "seconds for process 1\n",
    ("other", "sum", 1, 2): "sum over i of f32[1000]: the same transfer is required of all "
    "processes, got max over i of f32[500] of process 1\n",
    ("early", "sum", 1, 2): "initialize: all 2 processes are required within 1.5 seconds, not all "
    "came\n",
    ("sleep", "interrupted", 1, 2): "let go\n",
    ("_exit", "large", 1, 2): "",
    ("kill", "started", 0, 3): "",
    ("terminate", "barrier", 1, 2): "",
    ("fork", "barrier", 1, 2): "the child: sum over i of f32[1000]: this process was forked from "
    "process 1\n",
}  # fmt: skip
"""Killed ones say nothing, and a launcher may end the others before they do."""
SHORT = "sleep", "early"  # where others are waited for until the time is over

Way = tuple[str, str, int, int]


def run(case: Way) -> Launched:
    way, place, rank, processes = case
    seconds = "1.5" if way in SHORT and place != "interrupted" else "50"
    program = ["-m", "tests.distributed.leaving", way, place, str(rank)]
    return launch(processes, program, WONDERLAND_PROCESS_TIMEOUT=seconds)


@pytest.fixture(scope="module")
def runs() -> dict[str, Launched]:
    """All at once, as most of the time they wait; once for all processes of pytest."""
    folder = Path(os.environ["WONDERLAND_CACHE"]) / "launched"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "leaving.json"
    with (folder / "leaving.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            with ThreadPoolExecutor(4) as threads:
                ended = threads.map(run, WAYS)
                said = {str(case): asdict(end) for case, end in zip(WAYS, ended, strict=True)}
            record.write_text(json.dumps(said))
    return {case: Launched(**said) for case, said in json.loads(record.read_text()).items()}


@pytest.mark.parametrize("case", WAYS, ids=lambda c: "-".join(map(str, c)))
def test_all_processes_end_when_one_leaves(case: Way, runs: dict[str, Launched]) -> None:
    end = runs[str(case)]
    assert not end.remaining, end.text
    assert "killed after" not in end.text, end.text
    assert (end.status == 0) == (case[0] == "fork"), f"exit {end.status}\n{end.text}"
    assert WAYS[case] in end.text, end.text
