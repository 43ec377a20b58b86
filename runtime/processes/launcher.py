"""What a launcher has started: how many processes, and whether this is one of them.

What such a process starts itself inherits the launcher's variables, but not its connection: it is
alone. So a process that finds others marks its environment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from .wire import ProcessError

LAUNCHERS = {
    "PMI_SIZE": "mpiexec of MPICH", "OMPI_COMM_WORLD_SIZE": "mpiexec of Open MPI",
    "SLURM_STEP_NUM_TASKS": "srun", "MPI_LOCALNRANKS": "mpiexec",
}  # fmt: skip
RUNS = "PMIX_NAMESPACE", "SLURM_STEP_ID"
"""Where launchers say which of their runs this is; MPICH's is known by its connection."""
CONNECTION = "PMI_FD"
MARK = "WONDERLAND_LAUNCHED"


def launched(environment: Mapping[str, str]) -> tuple[int, str]:
    """How many processes a launcher has started together with this one, and which one that is."""
    number, _, run = environment.get(MARK, "").partition(" ")
    if number and number != str(os.getpid()) and run_of(environment) in ("", run):
        return 1, ""
    for name, launcher in LAUNCHERS.items():
        if (text := environment.get(name, "")).isdecimal() and int(text) > 1:
            return int(text), launcher
    return 1, ""


def mark(environment: Mapping[str, str]) -> str:
    """Of this process: what it starts finds it in the variable `MARK`.

    Errors: ProcessError where the launcher cannot be reached; MPI would end the process.
    """
    run = run_of(environment)
    if CONNECTION in environment and not run:
        raise ProcessError(
            "initialize: the connection to the launcher is required, got one that is closed "
            f"({CONNECTION}={environment[CONNECTION]})\n"
            "try: initialize() before other processes are started, which are then alone"
        )
    return f"{os.getpid()} {run}"


def run_of(environment: Mapping[str, str]) -> str:
    """What tells runs of launchers apart; nothing where MPICH's is not connected."""
    if CONNECTION not in environment:
        return " ".join(["run", *(environment.get(name, "") for name in RUNS)])
    try:
        found = os.fstat(int(environment[CONNECTION]))
    except (OSError, ValueError, OverflowError):
        return ""
    return f"connection {found.st_ino}" if stat.S_ISSOCK(found.st_mode) else ""
