"""What does a budget of memory cost? Models within parts of what they take, and a deep chain.

A budget is a part of the unconstrained program's peak: arena, results and scratch. Predicted is the
plan's peak, measured what the process grows by in the first call of a program whose machine code is
there; work is the arithmetic of all kernels, time the median of runs that take turns, both against
the unconstrained program. Losses and gradients are compared with its: their largest difference, as
a part of the largest element; of loops that are computed again in segments it is that of sums in
another order. Every model has a process of its own: `python -m bench.recomputation MODEL`.

The chain is a thousand layers of little arithmetic. Ours is within a budget of a few square roots
of its length in activations, the peers' checkpoint segments of 32 layers by hand.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

import wonderland as wl

from . import peers
from .deep_models import MODELS, Model, chain
from .harness import Figure, Run, markdown, spelled
from .memory import FORGET, STATUS, now

PARTS = (1.0, 0.7, 0.5, 0.35, 0.25)
ROUNDS = 5
LAYERS, SEGMENT = 1000, 32  # of the chain; a segment that peers compute again
ROOTS = 2.0  # times the square root of the chain's length in activations


@dataclass(frozen=True)
class Budgeted:
    """A model within a part of its peak. Without `predicted` that cannot be."""

    model: str
    part: float
    budget: int
    predicted: int = 0
    measured: int = 0
    work: float = 0.0  # against the unconstrained program
    time: float = 0.0
    apart: float = 0.0


# ---------------------------------------------------------------- one program


def work_of(program: Any) -> int:
    """Operations of all kernels, as often as they run."""
    rows = importlib.import_module("wonderland.compiler.plan.rows")
    flops = {id(work): low.flops for work, low in program.compiled.lowered}

    def count(works: Any) -> int:
        total = 0
        for work in works:
            if hasattr(work, "inside"):
                total += rows.turns(work.op) * count(work.inside())
            else:
                total += flops.get(id(work), 0)
        return total

    return count(w for _, w in program.compiled.plan.schedule.works)


def resident() -> int:
    """The bytes in memory; what was freed is none of them, so that it is not used again."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return now("VmRSS")


def grown(run: Run, before: int = 0) -> tuple[Any, int]:
    """What a run gives, and the bytes that the process grows by at most, from now or `before`."""
    before = before or resident()
    FORGET.write_text("5")  # the peak so far
    result = run()
    return result, max(now("VmHWM") - before, 0)


def medians(runs: Sequence[Run], rounds: int = ROUNDS) -> list[float]:
    """Seconds of runs that take turns."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, found in zip(runs, times, strict=True):
            run()  # wakes the threads, and brings its memory
            start = time.perf_counter()
            run()
            found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


# ---------------------------------------------------------------- models within budgets


def within(model: Model, budget: int) -> Any:
    """The program of loss and gradients; the least budget where this one cannot be."""
    try:
        return wl.jit(wl.value_and_grad(model.loss), memory_budget=budget).compile(*model.arrays)
    except wl.OverBudget as error:
        return error.least


def budgets(name: str, model: Model, parts: Sequence[float] = PARTS) -> list[Budgeted]:
    """The model within every part of its peak that can be, and, if not all can, the least."""
    free = wl.jit(wl.value_and_grad(model.loss)).compile(*model.arrays)
    most = free.compiled.memory.nbytes
    wanted = free(*model.arrays)
    programs = {int(part * most): within(model, int(part * most)) for part in parts}
    for least in {p for p in programs.values() if isinstance(p, int)}:
        programs[least] = within(model, least)
    found: list[Budgeted] = []
    for budget, program in sorted(programs.items(), reverse=True):
        if isinstance(program, int):
            found.append(Budgeted(name, budget / most, budget))
            continue
        program.program  # noqa: B018  the rows, which the first call would make
        results, measured = grown(functools.partial(program, *model.arrays))
        apart = difference(results, wanted)
        del results
        work = work_of(program) / work_of(free)
        predicted = program.compiled.memory.nbytes
        found.append(Budgeted(name, budget / most, budget, predicted, measured, work, 0.0, apart))
    feasible = [programs[b.budget] for b in found if b.predicted]
    first, *rest = medians([functools.partial(p, *model.arrays) for p in (free, *feasible)])
    times = iter(rest)
    return [replace(b, time=next(times) / first) if b.predicted else b for b in found]


def difference(found: Any, wanted: Any) -> float:
    """Of trees of arrays the largest difference beside the largest element of an array."""
    parts = [np.float64(0)]
    for a, b in zip(map(np.asarray, wl.tree.leaves(found)), wl.tree.leaves(wanted), strict=True):
        if a.tobytes() != np.asarray(b).tobytes():
            parts.append(np.max(np.abs(a - b)) / np.max(np.abs(b)))
    return float(np.max(parts))  # of NaN NaN


def told(found: Sequence[Budgeted]) -> str:
    """The budgets as a Markdown table."""
    lines = [["model", "part", "budget", "predicted", "measured", "work", "time", "difference"]]
    for b in found:
        if b.predicted:
            numbers = spelled(b.predicted, "B"), spelled(b.measured, "B")
            costs = f"{b.work:.3f}", f"{b.time:.2f}", f"{b.apart:.0e}" if b.apart else "none"
        else:
            numbers, costs = ("-", "-"), ("-", "-", "cannot be")
        lines.append([b.model, f"{100 * b.part:.0f}%", spelled(b.budget, "B"), *numbers, *costs])
    return markdown(lines)


def tables(names: Sequence[str]) -> str:
    """The budgets of models, each measured in a process of its own."""
    return told([Budgeted(**b) for name in names for b in in_process(name)])


# ---------------------------------------------------------------- the chain


def figures(names: Sequence[str]) -> Iterator[Figure]:
    """Time and memory of the chain's gradients, with all kept and with recomputation."""
    if not STATUS.exists():
        return
    found = {peer: in_process("chain", peer) for peer in names if peer in CHAINS}
    size = chain(LAYERS).size
    for kind in ("all is kept", "recomputation"):
        for k, unit in enumerate("sB"):
            values = {peer: told[kind][k] for peer, told in found.items()}
            yield Figure(f"chain of layers, {kind}", size, values, unit=unit)


Runs = tuple[Run, Run]
"""The chain's gradients with all kept, and with recomputation, compiled."""


def ours(model: Model) -> Runs:
    free = wl.jit(wl.value_and_grad(model.loss)).compile(*model.arrays)
    ws, x = model.arrays
    fixed = free.compiled.memory.output_bytes + free.compiled.memory.scratch_bytes
    kept = within(model, fixed + int(ROOTS * math.sqrt(len(ws)) * x.nbytes))
    assert not isinstance(kept, int), kept
    return functools.partial(free, ws, x), functools.partial(kept, ws, x)


def in_jax(model: Model) -> Runs:
    jax, jnp = peers.jax, peers.jnp
    ws, x = [jnp.asarray(w) for w in model.arrays[0]], jnp.asarray(model.arrays[1])

    def segment(ws: Any, x: Any) -> Any:
        for w in ws:
            x = jnp.tanh(x @ w)
        return x

    def loss(segment: Any, ws: Any, x: Any) -> Any:
        for k in range(0, len(ws), SEGMENT):
            x = segment(ws[k : k + SEGMENT], x)
        return jnp.mean(x * x)

    def run(segment: Any) -> Run:
        gradient = jax.value_and_grad(functools.partial(loss, segment))
        compiled = jax.jit(gradient).lower(ws, x).compile()
        return lambda: jax.block_until_ready(compiled(ws, x))

    return run(segment), run(jax.checkpoint(segment))


def in_torch(model: Model) -> Runs:
    torch = peers.torch
    ws = [torch.from_numpy(w.copy()).requires_grad_() for w in model.arrays[0]]
    x = torch.from_numpy(model.arrays[1].copy())
    layers = [functools.partial(lambda w, x: torch.tanh(x @ w), w) for w in ws]
    in_segments = importlib.import_module("torch.utils.checkpoint").checkpoint_sequential

    def gradients(y: Any) -> Any:
        for w in ws:
            w.grad = None
        y.backward()
        return y

    def kept() -> Any:
        y = x
        for layer in layers:
            y = layer(y)
        return gradients(torch.mean(y * y))

    def again() -> Any:
        y = in_segments(layers, len(ws) // SEGMENT, x, use_reentrant=False)
        return gradients(torch.mean(y * y))

    return kept, again


CHAINS: dict[str, Callable[[Model], Runs]] = {"wonderland": ours, "jax": in_jax, "torch": in_torch}


def of_chain(peer: str, layers: int) -> dict[str, tuple[float, int]]:
    """Seconds and bytes of a peer's chains, the bytes of the first run after a shorter chain's."""
    for run in CHAINS[peer](chain(2 * SEGMENT)):  # machine code of the kernels
        run()
    runs = CHAINS[peer](chain(layers))
    for run in runs if peer == "wonderland" else ():
        run.func.program  # pyright: ignore  # noqa: B018
    before = resident()
    grew = [grown(run, before)[1] for run in reversed(runs)]  # what it frees, some allocators keep
    pairs = zip(medians(runs), reversed(grew), strict=True)
    return dict(zip(("all is kept", "recomputation"), pairs, strict=True))


# ---------------------------------------------------------------- processes


def in_process(*arguments: str) -> Any:
    command = [sys.executable, "-m", "bench.recomputation", *arguments]
    asked = {"BENCH_PEERS": arguments[1]} if len(arguments) > 1 else {}
    done = subprocess.run(command, env=os.environ | asked, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(name: str, peer: str = "wonderland") -> None:
    if name == "chain":
        print(json.dumps(of_chain(peer, LAYERS)))
    else:
        print(json.dumps([asdict(b) for b in budgets(name, MODELS[name]())]))


if __name__ == "__main__":
    main(*sys.argv[1:])
