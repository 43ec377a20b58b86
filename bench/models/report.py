"""How fast are whole models, how much memory do they take, how long until they first run?

`python -m bench models [--quick] [MODEL ...]` prints a table of each for all peers, and geometric
means of the best peer over ours. Every model has a folder of caches of its own, empty at first.

Time is the median of runs in one process, where peers take turns, once their first results agreed.
First calls are those of a process with nothing on disk, and of one with what the former left there;
the clock runs from the call to its results, what the library imports then among it, but not the
import of the library. Memory is the peak of further runs in the latter process, above what was
there when libraries were loaded and arguments made: buffers, and machine code and what runs it.

A process: `python -m bench.models.report MODEL [PEER]`, of all peers in turn, or of a first call.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import peers
from ..first_calls import JAX_CACHE
from ..harness import Ceilings, Effort, Row, markdown, measure, spelled
from ..memory import FORGET, STATUS, STEPS, now
from . import graphs, images, recurrences, tokens  # noqa: F401  they register their models
from .model import MODELS, apart, runs

PEERS = ("wonderland", "jax", "torch", "torch.compile")
AGREE = 1e-3  # the largest difference of results, as a part of the largest number
MOST_SECONDS = 300  # of a process
MEASURES = {"time": "s", "memory": "B", "first call, cold": "s", "first call, warm": "s"}


class Answer(NamedTuple):
    """Seconds or bytes of a model, by measure and peer."""

    name: str
    size: str
    values: Mapping[str, Mapping[str, float]]


# ---------------------------------------------------------------- in a process of their own


def in_turn(name: str, quick: bool) -> dict[str, Any]:
    """Median seconds of all peers, which agree."""
    entry = MODELS[name]
    made = entry.make()
    effort = Effort.quick() if quick else Effort()
    names = [p for p in PEERS if p not in effort.without]
    found = runs(made, entry.kind, names)
    if (difference := apart(found)) > AGREE:
        raise ValueError(f"{name}: results of {', '.join(found)} differ by {difference:.1e}")
    figure = measure(Row(name, made.size, found), Ceilings(), effort)
    return {"size": made.size, "time": figure.values}


def first_call(name: str, peer: str) -> dict[str, Any]:
    """Seconds of the first call, and the memory of further ones."""
    entry = MODELS[name]
    made = entry.make()
    run = runs(made, entry.kind, [peer])[peer]
    before = now("VmRSS") if STATUS.exists() else 0
    start = time.perf_counter()
    run()
    found: dict[str, Any] = {"size": made.size, "first call": time.perf_counter() - start}
    if STATUS.exists():
        FORGET.write_text("5")  # the peak so far
        for _ in range(STEPS):
            run()
        found["memory"] = max(now("VmHWM") - before, 0)
    return found


def main(name: str, peer: str = "", quick: str = "") -> None:
    print(json.dumps(first_call(name, peer) if peer else in_turn(name, bool(quick))))


# ---------------------------------------------------------------- all of them


def in_process(folder: str, name: str, peer: str = "", quick: str = "") -> dict[str, Any] | None:
    """What a process tells with its caches in a folder; None, and why on standard error, if it
    fails.
    """
    settings = {
        "WONDERLAND_CACHE": f"{folder}/wonderland",
        "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
        "JAX_PLATFORMS": "cpu",
        "PYTHONDONTWRITEBYTECODE": "",  # an installed library has its bytecode
    }
    if peer:
        settings["BENCH_PEERS"] = peer
    command = [sys.executable, "-m", "bench.models.report", name, peer, quick]
    try:
        done = subprocess.run(
            command, env=os.environ | JAX_CACHE | settings, stdout=subprocess.PIPE,
            timeout=MOST_SECONDS, check=True,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        print(f"{name}, {peer or 'all'}: {error}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def answer(name: str, quick: bool) -> Answer:
    """All measures of a model; the time alone of a quick one."""
    values: dict[str, dict[str, float]] = {asked: {} for asked in MEASURES}
    size = ""
    with tempfile.TemporaryDirectory() as folder:
        for peer in () if quick else filter(peers.there, PEERS):
            if peer == "torch.compile" and not MODELS[name].make().torch_compile:
                continue
            for kind in ("cold", "warm"):
                if found := in_process(folder, name, peer):
                    values[f"first call, {kind}"][peer] = found["first call"]
                    values["memory"] |= {peer: found["memory"]} if "memory" in found else {}
        if found := in_process(folder, name, "", "quick" if quick else ""):
            size, values["time"] = found["size"], found["time"]
    return Answer(name, size, values)


def times_better(values: Mapping[str, float]) -> float | None:
    """The best peer over ours."""
    rivals = [value for peer, value in values.items() if peer != "wonderland"]
    ours = values.get("wonderland")
    return min(rivals) / ours if rivals and ours else None


def table(asked: str, answers: Iterable[Answer]) -> str:
    """One measure of all models, and the geometric mean of how much better ours is."""
    lines, ratios = [[asked, "size", *PEERS, "ratio"]], []
    for name, size, values in answers:
        here = values[asked]
        cells = (spelled(here[p], MEASURES[asked]) if p in here else "-" for p in PEERS)
        ratio = times_better(here)
        ratios += [ratio] if ratio else []
        lines.append([name, size, *cells, f"{ratio:.2f}" if ratio else "-"])
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0.0
    lines.append(["geometric mean", "", *[""] * len(PEERS), f"{mean:.2f}"])
    return markdown(lines)


def report(names: Sequence[str], quick: bool) -> int:
    """Measures models by name, all or the quick ones without, and prints the tables."""
    chosen = names or [n for n, entry in MODELS.items() if entry.quick or not quick]
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            in_process(folder, chosen[0], "wonderland")  # leaves bytecode
    answers = []
    for name in chosen:
        answers.append(answer(name, quick))
        ratio = times_better(answers[-1].values["time"])
        print(f"{name}: {ratio:.2f}" if ratio else f"{name}: -", file=sys.stderr, flush=True)
    for asked in list(MEASURES)[: 1 if quick else None]:
        print(f"\n{table(asked, answers)}", flush=True)
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
