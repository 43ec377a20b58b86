"""The processes that are measured, and how: every peer in turn, all processes at once.

MPI itself keeps them together between turns, whichever peer is measured. Rounds, rests and medians
are those of bench/harness.py; but process 0 says how often a run is repeated, because runs wait
for each other. A figure is the median of the slowest process.
"""

from __future__ import annotations

import importlib
import socket
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import wonderland as wl

from .. import peers
from ..harness import Effort, Run

MOST_TOGETHER = 1000  # runs of a turn
AXIS = "data"


@dataclass(frozen=True)
class Group:
    """All processes of a run of mpiexec."""

    @cached_property
    def mpi(self) -> Any:
        return importlib.import_module("mpi4py.MPI")

    @cached_property
    def everyone(self) -> Any:
        """A communicator of the bench's own."""
        return self.mpi.COMM_WORLD.Dup()

    @property
    def rank(self) -> int:
        return self.everyone.rank

    @property
    def size(self) -> int:
        return self.everyone.size

    @property
    def neighbours(self) -> tuple[int, int]:
        """The next process and the last one, in a ring."""
        return (self.rank + 1) % self.size, (self.rank - 1) % self.size

    def address(self) -> str:
        """One that process 0 found free, on this machine."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return f"127.0.0.1:{self.everyone.bcast(port)}"

    @cached_property
    def in_torch(self) -> Any:
        """torch.distributed over gloo, or None."""
        if not peers.there("torch") or not peers.torch.distributed.is_gloo_available():
            return None
        peers.torch.set_num_threads(1)
        found = importlib.import_module("torch.distributed")
        where = f"tcp://{self.address()}"
        found.init_process_group("gloo", init_method=where, rank=self.rank, world_size=self.size)
        return found

    @cached_property
    def in_jax(self) -> Any:
        """JAX's mesh of all processes, which is known to it before it makes an array; or None."""
        if not peers.there("jax"):
            return None
        jax = peers.jax
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(self.address(), self.size, self.rank)
        return jax.make_mesh((self.size,), (AXIS,))

    def begin(self) -> None:
        """Wonderland finds MPI first, JAX its processes before it makes an array."""
        if self.has("wonderland"):
            wl.distributed.initialize()
        _ = self.everyone, self.in_jax

    def has(self, peer: str) -> bool:
        """Whether a peer is installed and asked."""
        if peer == "torch":
            return self.in_torch is not None
        if peer == "jax":
            return self.in_jax is not None
        return peer == "mpi" or peers.there("wonderland")

    def leave(self) -> None:
        """Ends what was begun."""
        if self.__dict__.get("in_torch") is not None:
            self.in_torch.destroy_process_group()
        if self.__dict__.get("in_jax") is not None:
            peers.jax.distributed.shutdown()

    # ------------------------------------------------------------ measuring

    def measure(self, runs: Mapping[str, Run], effort: Effort) -> dict[str, float]:
        """Median seconds of each run, of those that are not left out."""
        runs = {peer: run for peer, run in runs.items() if peer not in effort.without}
        found: dict[str, list[float]] = {peer: [] for peer in runs}
        for run in runs.values():  # compiling and first touches are not timed
            run()
            run()
        counts = {peer: self.count(run, effort.seconds) for peer, run in runs.items()}
        for _ in range(effort.rounds):
            for peer, run in runs.items():
                time.sleep(effort.rest)
                self.everyone.Barrier()
                run()  # wakes the threads
                for _ in range(counts[peer]):
                    start = time.perf_counter()
                    run()
                    found[peer].append(time.perf_counter() - start)
        return {peer: self.slowest(statistics.median(s)) for peer, s in found.items()}

    def count(self, run: Run, seconds: float) -> int:
        """Runs of a turn, by the time that three of them take."""
        self.everyone.Barrier()
        start = time.perf_counter()
        for _ in range(3):
            run()
        once = (time.perf_counter() - start) / 3
        return self.everyone.bcast(max(1, min(MOST_TOGETHER, int(seconds / max(once, 1e-9)))))

    def slowest(self, seconds: float) -> float:
        return self.everyone.allreduce(seconds, self.mpi.MAX)

    def apart(self, results: Mapping[str, Any]) -> float:
        """The largest difference of all results in all processes, over the largest number."""
        arrays = [np.asarray(r, np.float64) for r in results.values()]
        most = max(float(np.max(np.abs(a))) for a in arrays)
        off = max(float(np.max(np.abs(a - arrays[0]))) for a in arrays)
        return self.everyone.allreduce(off / most, self.mpi.MAX)
