"""What do transfers between processes cost, and how far does training scale on them?

`python -m bench distributed [--quick] [QUESTION ...] [N ...]`, N the numbers of processes that are
measured, 1, 2 and 4 without. Processes are those of mpiexec on this machine, with one thread of
their own each; where there are more processes than cores they share them. Peers are
Wonderland, MPI itself, JAX of many processes and PyTorch's DistributedDataParallel, both over gloo
on loopback. A figure is the median of the slowest process, once all had the same results to 1e-5.

`collectives`: psum and its like by themselves. `steps`: a step of training, data parallel, where
each process is pinned to a core with all its threads, also those of its libraries for transfers.
`link`: what of a link's time a step hides. `recipes`: what data parallel, ZeRO and tensor
parallel steps send and keep. `latency`: one small sum, for up to 16 processes, which is mostly
waiting for a core where there are fewer. `paper`: what 2 to 10,000 processes would take, by
formulas of bench/distributed/paper.py with constants that are measured here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import peers
from ..harness import markdown, processor, spelled
from . import collectives, latency, paper, simulation, steps

MOST_SECONDS = 600  # of one run of mpiexec

Answers = Mapping[int, Any]
"""What was found, by the number of processes."""


def mpiexec() -> str | None:
    """That of this Python's environment, or another."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def started(n: int, question: Question, quick: bool) -> Any:
    """What n processes found; None, and why on standard error, if they fail."""
    places = ",".join(str(cores()[k % len(cores())]) for k in range(n))
    pinning = ["-bind-to", f"user:{places}"] if question.pinned else []
    command = [
        mpiexec() or "mpiexec", "-n", str(n), *pinning,
        sys.executable, "-W", "ignore", "-m", "bench.distributed.process", question.process,
        *(["quick"] if quick else []),
    ]  # fmt: skip
    settings = {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "WONDERLAND_NUM_THREADS": "1"}
    settings["JAX_ENABLE_PREEMPTION_SERVICE"] = "0"  # which keeps what ends a process from it
    settings |= {"BENCH_PEERS": "wonderland"} if question.alone else {}
    try:
        done = subprocess.run(
            command, env=os.environ | settings, stdout=subprocess.PIPE, timeout=MOST_SECONDS,
            check=True,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, IndexError, ValueError) as error:
        print(f"{question.process}, {n} processes: {error}", file=sys.stderr)
        return None


def report(asked: Sequence[str], quick: bool) -> int:
    """Measures, and prints a table of each question; the status of the command."""
    print(f"{processor()}, {len(cores())} cores; {peers.versions()}\n", flush=True)
    if mpiexec() is None:
        print("no mpiexec: pip install 'wonderland[mpi]'")
        return 0
    numbers = [int(a) for a in asked if a.isdigit()]
    for name in [a for a in asked if not a.isdigit()] or QUESTIONS:
        question = QUESTIONS[name]
        counts = numbers or question.processes[: 2 if quick else None]
        answers = {n: found for n in counts if (found := started(n, question, quick))}
        print(f"{question.table(answers)}\n", flush=True)
    return 0


def unknown(asked: Sequence[str]) -> str | None:
    """The first question that there is none of."""
    return next((a for a in asked if not a.isdigit() and a not in QUESTIONS), None)


# ---------------------------------------------------------------- tables


def rated(seconds: float | None, size: int) -> str:
    return f"{spelled(seconds)}, {size / seconds / 1e9:.2f}" if seconds else "-"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def of_collectives(answers: Answers) -> str:
    lines = [["collective", "processes x bytes", *collectives.PEERS]]
    for n, found in answers.items():
        for name, size, seconds in found:
            cells = [rated(seconds.get(peer), size) for peer in collectives.PEERS]
            lines.append([name, f"{n} x {spelled(size, 'B')}", *cells])
    return f"Time, and GB/s of the larger of operand and result:\n\n{markdown(lines)}"


def of_steps(answers: Answers) -> str:
    lines = [["step", "peer", "processes", *steps.PARTS, "hidden", "of work", "weak scaling"]]
    first = {name: seconds for name, _, _, seconds in answers.get(1, ())}
    for n, found in answers.items():
        for name, size, _, seconds in found:
            for peer in steps.PEERS:
                if f"step {peer}" not in seconds:
                    continue
                step, alone, transfer = (seconds[f"{part} {peer}"] for part in steps.PARTS)
                hidden = percent(steps.hidden(step, alone, transfer)) if n > 1 else "-"
                shared = max(1, n / len(cores()))  # processes of a core
                scaled = first[name][f"alone {peer}"] * shared / step if name in first else None
                lines.append([
                    f"{name}, {size}", peer, f"{n}", *map(spelled, (step, alone, transfer)),
                    hidden, percent(alone / step), percent(scaled) if scaled else "-",
                ])  # fmt: skip
    return (
        "Rows of every process are as many; `alone` is the step without its transfers, `of work` "
        "alone over step, weak scaling the time of one process over that of all, where processes "
        f"that share a core take turns. `hidden` is of the shorter of both:\n\n{markdown(lines)}"
    )


def of_link(answers: Answers) -> str:
    lines = [["step", "link", "processes", *steps.PARTS, "hidden", "of work"]]
    for name, size, n, _, rate, seconds in next(iter(answers.values()), ()):
        step, alone, transfer = (seconds[part] for part in steps.PARTS)
        lines.append([
            f"{name}, {size}", f"{8 * rate / 1e9:.2f} Gb/s", f"{n}",
            *map(spelled, (step, alone, transfer)),
            percent(steps.hidden(step, alone, transfer)), percent(alone / step),
        ])  # fmt: skip
    return f"One process of several that are not there, over a link:\n\n{markdown(lines)}"


def of_recipes(answers: Answers) -> str:
    """What a process sends and keeps."""
    lines = [["a transformer's step", "processes", "time", "messages", "sent", "state", "weights"]]
    for n, found in answers.items():
        for name, seconds, messages, *sizes in found:
            kept = [spelled(b, "B") if b else "-" for b in sizes]
            lines.append([name, f"{n}", spelled(seconds), f"{messages}", *kept])
    return f"All see the same rows; first one process that does it all:\n\n{markdown(lines)}"


def of_latency(answers: Answers) -> str:
    lines = [["one sum of", "1 KiB", *(f"{n} processes" for n in answers)]]
    for peer in latency.PEERS:
        cells = [found["seconds"].get(peer) for found in answers.values()]
        lines.append([peer, "", *(spelled(s) if s else "-" for s in cells)])
    for size in map(str, collectives.SIZES[:3]):
        cells = [found["messages"].get(size) for found in answers.values()]
        lines.append(["messages", spelled(int(size), "B"), *(f"{k}" if k else "-" for k in cells)])
    return markdown(lines)


def of_paper(answers: Answers) -> str:
    """Formulas beside what is measured and simulated, then far beyond.

    Where processes share a core, formulas are of all of them in turn.
    """
    if 2 not in answers:
        return "the model on paper needs what two processes measure"
    constants = ("message", "memory", "adding")
    links = paper.Links(**{name: answers[2][name] for name in constants})
    lines = [["one sum of", "processes", "formula", "simulated", "measured"]]
    sums = [(n, int(b), s) for n, found in answers.items() for b, s in found["sums"].items()]
    for n, size, seconds in (*sums, *((n, paper.BUCKET_BYTES, 0.0) for n in (64, 256))):
        shared = max(1, n / len(cores())) if seconds else 1  # processes of a core
        taken = paper.direct(links, n, size), simulation.simulated(links, n, size, 1)
        measured = spelled(seconds) if seconds else "-"
        lines.append([spelled(size, "B"), f"{n}", *(spelled(shared * t) for t in taken), measured])
    works = [paper.Work(**work) for work in answers[2]["works"]]
    works.append(replace(works[-1], name="1 GiB, 1 s", seconds=1.0, bytes=1 << 30))
    return f"{markdown(lines)}\n\n{paper.table(links, works)}"


class Question(NamedTuple):
    """What processes are asked, how many, and what is told of it."""

    process: str
    processes: tuple[int, ...]
    table: Callable[[Answers], str]
    pinned: bool = False  # to cores in turn, with all their threads
    alone: bool = False  # without peers


QUESTIONS = {
    "collectives": Question("collectives", (2, 4), of_collectives),
    "steps": Question("steps", (1, 2, 4), of_steps, pinned=True),
    "link": Question("link", (1,), of_link, pinned=True, alone=True),
    "recipes": Question("recipes", (2, 4), of_recipes, pinned=True, alone=True),
    "latency": Question("latency", latency.PROCESSES, of_latency),
    "paper": Question("constants", (2, 4), of_paper, pinned=True, alone=True),
}
