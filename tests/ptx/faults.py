"""What can be wrong with a PTX program or its launch; every message names line and thread."""

from __future__ import annotations


class Fault(Exception):
    """A program did what a GPU would not forgive, or would hide."""

    def __init__(self, problem: str, thread: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.thread = thread  # its number among those that run in lockstep
        self.line: int | None = None

    def located(self, line: int, text: str, where: str) -> Fault:
        """The same fault with its place in the message."""
        found = type(self)(f"{self.problem}\n  line {line}: {text}\n  {where}", self.thread)
        found.line = line
        return found


class SyntaxFault(Fault):
    """The text is not PTX that is understood here."""


class UnknownInstruction(Fault):
    """An opcode, or a modifier of one, that has no meaning here."""


class LaunchFault(Fault):
    """Arguments, grid or block do not fit the entry."""


class OutOfBounds(Fault):
    """An address outside every buffer of its space."""


class Misaligned(Fault):
    """An address that is no multiple of the size of the access."""


class Race(Fault):
    """Two threads meet in shared memory, one of them writing, with no barrier between."""


class Uninitialised(Fault):
    """Memory or a register is read that nothing wrote."""


class ReadOnly(Fault):
    """A store into constants or into an argument that was placed as read-only."""


class DivergentBarrier(Fault):
    """A barrier waits for threads that left or wait elsewhere."""


class AbsentLane(Fault):
    """A warp's instruction names lanes that do not take part in it."""


class Trap(Fault):
    """The program stopped itself."""
