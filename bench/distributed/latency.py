"""What one small sum costs: as a row of a program, in the engine, and in the peers.

A kilobyte, in every process. "call" is a program of the library without a sum, which everybody pays
for every call; "rows" are ten sums that follow each other in one program, each after a product that
reads the last. Beyond two processes cores are shared, and figures are those of the scheduler too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl

from .. import peers
from ..harness import Effort, Run
from . import collectives
from .group import AXIS, Group
from .wires import counted, mirrored

PROCESSES = (1, 2, 4, 8, 16)
COUNT = 256  # of f32
ROWS = 10
PEERS = (
    "wonderland call", "wonderland psum", "wonderland rows", "engine now", "engine start, wait",
    "mpi", "jax call", "jax psum", "torch",
)  # fmt: skip


def several(m: Any, x: Any, rows: int) -> Any:
    """Sums of products of sums; their mean, so that numbers stay."""
    for _ in range(rows):
        x = m.lax.pmean(x * np.float32(1.0), AXIS)
    return x


def runs(group: Group) -> dict[str, Run]:
    n, x = group.size, peers.random(COUNT, seed=group.rank)
    psum = collectives.KINDS["psum"]
    found = {"mpi": collectives.in_mpi("psum", x, np.empty_like(x), group)}
    if group.has("wonderland"):
        mesh = wl.distributed.mesh({AXIS: n})
        called = wl.jit(lambda x: x + 1)
        rows = wl.distributed.spmd(lambda x: several(wl, x, ROWS), mesh)
        found |= {
            "wonderland call": lambda: called(x),
            "wonderland psum": collectives.ours(psum, x, n),
            "wonderland rows": lambda: rows(x),
            "engine now": collectives.by_engine(psum, x, np.empty_like(x), n),
            "engine start, wait": collectives.by_engine(psum, x, np.empty_like(x), n, apart=True),
        }
    if group.has("jax"):
        called_there = peers.jax.jit(lambda x: x + 1)
        on_device = peers.jnp.asarray(x)
        found |= {
            "jax call": lambda: peers.jax.block_until_ready(called_there(on_device)),
            "jax psum": collectives.in_jax(psum, x, group),
        }
    if group.has("torch"):
        found["torch"] = collectives.in_torch("psum", x, COUNT, group)
    return found


def messages(size: int, group: Group) -> int:
    """That a process sends for a sum of so many bytes."""
    x = peers.random(size // 4)
    run = collectives.by_engine(collectives.KINDS["psum"], x, np.empty_like(x), group.size)
    with counted() as sent:
        run()
    return sent.messages


# ---------------------------------------------------------------- constants of the paper


MESSAGES = 64
LARGE = 1 << 24  # bytes
MIRRORED = 2, 16  # processes, whose small sums tell what a message more takes


def burst(group: Group) -> Run:
    """So many small messages from each of two processes to the other, all on the way at once."""
    every, other = group.everyone, group.rank ^ 1
    sent, got = np.zeros(COUNT, np.float32), np.zeros((MESSAGES, COUNT), np.float32)

    def run() -> None:
        asked = [every.Irecv(got[k], other, k) for k in range(MESSAGES)]
        asked += [every.Isend(sent, other, k) for k in range(MESSAGES)]
        group.mpi.Request.Waitall(asked)

    return run


def constants(group: Group, effort: Effort) -> dict[str, Any]:
    """Those of bench/distributed/paper.py, in seconds and bytes a second, of two processes or more.

    A message is what MPI takes, and what the engine does for each. "sums" are seconds of the engine
    by bytes, for what the formulas say to be compared.
    """
    x, y, z = (np.ones(LARGE // 4, np.float32) for _ in range(3))
    psum = collectives.KINDS["psum"]
    runs: dict[str, Run] = {
        "messages": burst(group),
        "memory": collectives.in_mpi("ppermute", x, y, group),
        "adding": lambda: np.add(x, y, out=z),
    }
    for n in MIRRORED:
        runs[f"mirror {n}"] = mirrored(n, 4 * COUNT)
    for size in collectives.SIZES:
        whole = peers.random(size // 4)
        runs[f"sum {size}"] = collectives.by_engine(psum, whole, np.empty_like(whole), group.size)
    small = peers.random(COUNT)
    for name, apart in (("now", False), ("apart", True)):
        runs[name] = collectives.by_engine(psum, small, np.empty_like(small), group.size, apart)
    found = group.measure(runs, effort)
    few, many = MIRRORED
    each = (found[f"mirror {many}"] - found[f"mirror {few}"]) / (many - few)
    return {
        "message": found["messages"] / MESSAGES + each,
        "memory": LARGE / found["memory"],
        "adding": LARGE / found["adding"],
        "call": max(0.0, found["apart"] - found["now"]),
        "sums": {size: found[f"sum {size}"] for size in collectives.SIZES},
    }
