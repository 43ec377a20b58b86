"""Messages over MPI, by mpi4py. Only this file imports it.

MPI is asked for THREAD_SERIALIZED: the thread of transfers and the calling thread both make calls,
never at the same time. Errors of MPI are raised, not the end of the process.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from .wire import Message, ProcessError

REPAIR = 'pip install "wonderland[mpi]"'


def mpi_library() -> Any:
    """mpi4py's MPI, not initialised by the import. Errors: ProcessError where it is missing."""
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:  # else its user ends it
            mpi4py.rc.initialize = mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ProcessError(
            f"initialize: mpi4py and a library of MPI are required under a launcher of several "
            f"processes, got {said}\ntry: {REPAIR}"
        ) from error
    return MPI


def begin(mpi: Any, wires: list[MpiWire]) -> None:
    """MPI_Init and the wire; both wait until all processes have come to it."""
    if mpi.Is_finalized():
        raise ProcessError(
            "initialize: MPI that has not ended is required, got MPI.Finalize() before"
        )
    begun = not mpi.Is_initialized()
    if begun:
        level, given = ctypes.c_int(mpi.THREAD_SERIALIZED), ctypes.c_int()
        mpi_functions(mpi).MPI_Init_thread(None, None, level, ctypes.byref(given))
    if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        required = "MPI that threads may call in turn is required"
        raise ProcessError(f"initialize: {required}, got level {mpi.Query_thread()}")
    wires.append(MpiWire(mpi, begun))


def mpi_functions(mpi: Any) -> ctypes.CDLL:
    """MPI's own: those of mpi4py that wait for others may hold Python's lock."""
    return ctypes.CDLL(mpi.__file__)


class MpiWire:
    """A communicator of its own over all processes; `begun`: MPI is ended with it, too."""

    def __init__(self, mpi: Any, begun: bool) -> None:
        self.mpi, self.begun = mpi, begun
        self.comm = mpi.COMM_WORLD.Dup()
        self.comm.Set_errhandler(mpi.ERRORS_RETURN)
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.memory = mpi.memory.fromaddress

    def send(self, address: int, nbytes: int, to: int, lane: int = 0) -> Message:
        return MpiMessage(self.comm.Isend(self.memory(address, nbytes), to, lane))

    def receive(self, address: int, nbytes: int, source: int, lane: int = 0) -> Message:
        return MpiMessage(self.comm.Irecv(self.memory(address, nbytes), source, lane))

    def progress(self) -> None:
        if not self.mpi.Is_finalized():  # as who uses it beside may have done
            self.comm.Iprobe()

    def close(self) -> None:
        if self.begun and not self.mpi.Is_finalized():
            mpi_functions(self.mpi).MPI_Finalize()


class MpiMessage:
    def __init__(self, request: Any) -> None:
        self.request = request

    def done(self) -> bool:
        try:
            return self.request.Test()
        except Exception as error:
            raise ProcessError(f"MPI: {error}") from error

    def drop(self) -> None:
        if self.request:
            self.request.Cancel()
