"""Many programs, by hand: `python -m tests.programs.sweep START COUNT [FOLDER]`.

Batches are processes of their own: machine code stays in one, and a crash ends no more than one.
What fails is shrunk, and written to FOLDER as a file that runs on its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wonderland.compiler.pipeline import machine_code

from .generator import program
from .oracles import Candidate, Fault, Oracle, checked, interpreted
from .program import Program
from .shrink import shrunk

BATCH = 40
SECONDS = 300  # for one program, on a machine with other work


def batch(seeds: range) -> dict[int, list[Fault]]:
    """Faults by seed; the kernels of all are compiled together."""
    oracles = {s: Oracle(program(s)) for s in seeds}
    return faults_of(oracles)


def faults_of(
    oracles: dict[int, Oracle], compiled: Callable[[int], bool] = lambda seed: True
) -> dict[int, list[Fault]]:
    """All are interpreted, and those `compiled`, together, that it says."""
    waiting: list[tuple[Candidate, Any]] = []
    for seed, o in oracles.items():
        got = interpreted(o)
        candidate = Candidate.of(o) if compiled(seed) and got is not None else None
        if candidate:
            waiting.append((candidate, got))
    with contextlib.suppress(Exception):  # it will be raised again, by the program it is of
        machine_code(low for c, _ in waiting for low in c.lowered)
    for candidate, got in waiting:
        candidate.run(got)
    return {s: o.faults for s, o in oracles.items() if o.faults}


def apart(f: Callable[..., Any], *args: Any, seconds: float = SECONDS) -> Any:
    """f(*args) in a process of its own; None where that dies or takes too long."""
    context = multiprocessing.get_context("fork")
    found = context.Queue()

    def work() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.put(f(*args))

    process = context.Process(target=work)
    process.start()
    until = time.monotonic() + seconds
    result = None
    while True:
        try:
            result = found.get(timeout=0.2)
            break
        except queue.Empty:
            if not process.is_alive() or time.monotonic() > until:
                break
    process.join(1)
    if process.is_alive():
        process.kill()
        process.join()
    return result


def swept(start: int, count: int) -> Iterator[tuple[int, list[Fault]]]:
    for first in range(start, start + count, BATCH):
        seeds = range(first, min(first + BATCH, start + count))
        found = apart(batch, seeds, seconds=SECONDS * 8)
        if found is None:  # one of them died
            single = {s: apart(batch, range(s, s + 1)) for s in seeds}
            died = [Fault("crash", "the process died, or took minutes")]
            found = {s: f.get(s, []) if f is not None else died for s, f in single.items()}
        yield from ((s, f) for s, f in found.items() if f)


def kinds_of(p: Program) -> set[str]:
    return {f.kind for f in checked(p)}


def least(seed: int, kind: str, most: int = 150) -> Program:
    """The program of a seed, shrunk as long as it fails in this way."""

    def fails(p: Program) -> bool:
        found = apart(kinds_of, p)
        return kind == "crash" if found is None else kind in found

    return shrunk(program(seed), fails, most)


def main(start: int, count: int, folder: str = "") -> None:
    kinds: Counter[str] = Counter()
    failed = 0
    began = time.monotonic()
    for seed, faults in swept(start, count):
        failed += 1
        kinds.update({f.kind for f in faults})
        print(seed, "; ".join(map(str, faults))[:600], flush=True)
        if folder:
            p = least(seed, faults[0].kind)
            text = p.file(f"{faults[0]}")
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{faults[0].kind.replace(' ', '_')}_{seed}.py").write_text(text)
    print(f"{failed} of {count} programs failed, {time.monotonic() - began:.0f} s: {dict(kinds)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
