"""How much memory does a program take beside its arguments, at its peak?

Every figure is of a fresh process, `python -m bench.memory QUESTION PEER`: the peak while compiling
and running for a few steps, above what was there when libraries were loaded and arguments made.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .harness import Figure, Row

QUESTIONS = ("mlp_step", "cross_entropy", "elementwise")
STEPS = 3

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def figures(questions: Sequence[str], names: Sequence[str]) -> Iterator[Figure]:
    """Rows for compiling and running the largest size of each question; none without /proc."""
    if not STATUS.exists():
        return
    for question in questions:
        found: dict[str, dict[str, float]] = {"first run": {}, "further runs": {}}
        told: dict[str, Any] = {}
        for peer in names:
            told = in_process(question, peer)
            for kind, values in found.items():
                values[peer] = told[kind]
        for kind, values in found.items():
            yield Figure(f"{told['question']}: memory of {kind}", told["size"], values, unit="B")


def in_process(question: str, peer: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.memory", question, peer]
    environment = os.environ | {"BENCH_PEERS": peer}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def now(key: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most."""
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) << 10


def largest(question: str) -> Row:
    *_, row = importlib.import_module(f".{question}", __package__).rows()
    return row


def main(question: str, peer: str) -> None:
    importlib.import_module("wonderland.compiler.pipeline")  # the back end, else imported when used
    row = largest(question)
    run = row.runs[peer]
    before = now("VmRSS")
    FORGET.write_text("5")  # the peak so far
    run()
    first = now("VmHWM")
    FORGET.write_text("5")
    for _ in range(STEPS):
        run()
    print(
        json.dumps(
            {
                "question": row.question,
                "size": row.size,
                "first run": max(first - before, 0),
                "further runs": max(now("VmHWM") - before, 0),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
