"""The command in many processes: `mpiexec -n 4 wonderland train mlp --data-parallel`."""

from __future__ import annotations

import os
import sys

from ..compiler.jit.distributed import initialize, process_count
from ..compiler.jit.mesh import Mesh, mesh
from ..runtime.processes.launcher import launched
from .line import Misuse

RANKS = "PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"
"""Where launchers say which process this is."""


def data_mesh(wanted: bool) -> Mesh | None:
    """All processes along one axis, where they are to share out batches."""
    count, launcher = launched(os.environ)
    if not wanted:
        if count > 1:
            raise Misuse(f"{launcher} has started {count} processes, try: --data-parallel")
        return None
    initialize()
    return mesh({"data": process_count()})


def tell(message: str) -> None:
    """On stderr, by the first of the processes."""
    rank = next((os.environ[name] for name in RANKS if name in os.environ), "0")
    if rank == "0" or launched(os.environ)[0] == 1:
        print(message, file=sys.stderr)
