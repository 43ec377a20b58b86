"""How long until the MLP step first runs? Traced, cold, and with a filled cache. Others too.

Every figure is of a fresh process, `python -m bench.compile_time PEER [QUESTION ROW]`; imports are
not counted. Rows of other questions have no trace of their own.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .first_calls import JAX_CACHE
from .harness import Figure
from .programs import PROGRAMS

BATCH, SIZES = 64, (64, 256, 128, 10)
OTHERS = {"recurrence": 1, "per_example": 1, "segments": 1, "programs": len(PROGRAMS)}
"""Further questions, and how many of their rows."""

CACHES = {
    "wonderland": {"WONDERLAND_CACHE": ""},
    "jax": {"JAX_COMPILATION_CACHE_DIR": "", **JAX_CACHE},
    "torch.compile": {"TORCHINDUCTOR_CACHE_DIR": ""},
}
"""What sets the folder of each cache; an empty value is replaced by the folder."""


def figures(rounds: int, names: Sequence[str]) -> Iterator[Figure]:
    """Rows for trace, cold and warm: the best of `rounds` processes, as other load only adds."""
    found: dict[str, dict[str, float]] = {"trace": {}, "cold": {}, "warm": {}}
    for peer in (name for name in CACHES if name in names):
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                cold, warm = (in_process(peer, folder) for _ in range(2))
            for kind, seconds in (
                ("trace", cold["trace"]),
                ("cold", cold["run"]),
                ("warm", warm["run"]),
            ):
                best = found[kind].get(peer, seconds)
                found[kind][peer] = min(best, seconds)
    found["trace"].pop("torch.compile", None)  # it traces while it compiles
    size = f"{BATCH} x {'-'.join(map(str, SIZES))}"
    for kind, of_peers in found.items():
        yield Figure(
            f"MLP step, {kind}" + (" first run" if kind != "trace" else ""), size, of_peers
        )
    for question, count in OTHERS.items():
        for row in range(count):
            yield from of_row(question, row, [name for name in CACHES if name in names])


def of_row(question: str, row: int, names: Sequence[str]) -> Iterator[Figure]:
    """The first runs of one row of a question."""
    found: dict[str, dict[str, float]] = {"cold": {}, "warm": {}}
    told: dict[str, Any] = {}
    for peer in names:
        with tempfile.TemporaryDirectory() as folder:
            for values in found.values():
                made = in_process(peer, folder, question, str(row))
                if made:
                    told, values[peer] = made, made["run"]
    for kind, values in found.items():
        yield Figure(f"{told['question']}, {kind} first run", told["size"], values)


def in_process(peer: str, folder: str, *row: str) -> dict[str, Any]:
    """Seconds of tracing and of the whole first run, in a process whose cache is `folder`."""
    settings = {name: value or folder for name, value in CACHES[peer].items()}
    settings["BENCH_PEERS"] = peer
    command = [sys.executable, "-m", "bench.compile_time", peer, *row]
    done = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main(peer: str, question: str = "", number: str = "0") -> None:
    importlib.import_module("wonderland.compiler.pipeline")  # the back end, else imported when used
    if question:
        rows = importlib.import_module(f".{question}", __package__).rows()
        row = next(itertools.islice(rows, int(number), None))
        made = {"question": row.question, "size": row.size}
        run = row.runs.get(peer)
        print(json.dumps(made | {"run": seconds(run)} if run else {}))
        return
    from . import mlp_step

    step = mlp_step.MAKERS[peer](*mlp_step.problem(BATCH, SIZES))
    print(json.dumps({"trace": seconds(step.trace), "run": seconds(step.run)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
