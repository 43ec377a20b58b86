"""Programs of many processes: who they are, and functions that all of them call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ...runtime.processes import world as processes
from ...runtime.processes.wire import ProcessError
from .devices import process_count, process_index
from .jit import Jitted, jit
from .mesh import Mesh, mesh

__all__ = [
    "Mesh",
    "ProcessError",
    "barrier",
    "initialize",
    "mesh",
    "process_count",
    "process_index",
    "spmd",
]

P = ParamSpec("P")
R = TypeVar("R")


def initialize(timeout: float | None = None) -> None:
    """Finds the processes that a launcher started together with this one; alone it is one of one.

    `timeout`: the seconds that a process waits for another before it raises a ProcessError. What
    needs the processes calls this itself; to call it again changes nothing.
    """
    processes.initialize(timeout)


def barrier() -> None:
    """Until all processes have called it. Errors: ProcessError where one has left."""
    processes.initialize().barrier()


def spmd(fun: Callable[P, R], mesh: Mesh, **options: Any) -> Jitted[P, R]:
    """`fun` compiled as one program of many processes, each with its own arguments and results.

    All processes call it, in one order, with arguments of one kind, from one thread. The names of
    the axes of `mesh` are known to `wl.lax.psum` and its like; a branch or a loop with one of these
    in it is taken by all processes of the axis alike. `options` are those of jit.
    Numbers that differ between processes are arguments, or of `wl.lax.axis_index`: what `fun`
    closes over is a part of the program, and that is to be one.

    It means what `wl.vmap` of `fun` over axes of these names means, of arguments stacked over
    processes: sums are added in the order of places, so bits are the same in all runs with as many
    processes. Derivatives are those of the sum of values over all processes.
    With `device="cuda"` each process of a machine takes its next GPU. Arrays go from one to another
    by NCCL (`pip install "wonderland[nccl]"`) beside what is computed; without it through the host,
    slowly. More than two numbers are added in an order of NCCL's there: the same bits in all
    processes, and in all runs on the same machines.
    Errors: a ProcessError where processes have different programs, at the first call; where one has
    left, or does not answer within the timeout.
    Example:
    >>> import numpy as np
    >>> import wonderland as wl
    >>> alone = wl.distributed.mesh({"data": 1})
    >>> mean = wl.distributed.spmd(lambda x: wl.lax.pmean(x.sum(), "data"), alone)
    >>> mean(np.arange(3.0))
    array(3.)
    """
    return jit(fun, mesh=mesh, **options)
