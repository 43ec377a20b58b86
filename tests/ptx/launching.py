"""A launch: arguments and variables get addresses, blocks run a few at a time."""

from __future__ import annotations

import struct

import numpy as np

from .decoding import Code, load
from .faults import LaunchFault
from .link import Program
from .machine import Machine
from .memory import Memory
from .nodes import Variable
from .races import Order

LOCKSTEP = 1 << 13
"""Threads that run together: as many as keep the arrays of a kernel in the cache."""
MOST_SHARED_BYTES = 227 << 10
MOST_DECLARED_BYTES = 48 << 10  # of these, what a kernel itself may declare
MOST_THREADS = 1024

Size = int | tuple[int, ...]


def three(size: Size, what: str) -> tuple[int, ...]:
    whole = (size,) if isinstance(size, int) else tuple(size)
    whole = (*whole, 1, 1)[:3]
    if any(n < 1 for n in whole):
        raise LaunchFault(f"{what}: sizes of at least 1 are required, got {size}")
    return whole


def launch(
    text: str,
    entry: str,
    grid: Size,
    block: Size,
    args: tuple | list,
    shared_bytes: int = 0,
    memory: Memory | None = None,
    lockstep: int = LOCKSTEP,
    races: bool = True,
) -> None:
    """Runs an entry of a PTX text over grid x block threads.

    Arguments are integers (numbers, or addresses that `memory.place` gave), floats, NumPy scalars
    and arrays, which are placed for this launch and written in place. With `races` global memory
    is watched too: threads of different blocks are never in order.

    Errors: a Fault, whose message has the line of the text, the block and the thread.
    """
    code = load(text, entry)
    grid, block = three(grid, "grid"), three(block, "block")
    check_limits(code, block, shared_bytes)
    memory = memory or Memory()
    placed: list[int] = []
    try:
        addresses = place_variables(code.program, memory, placed)
        addresses |= place_parameters(code.program, args, memory, placed)
        total, size = int(np.prod(grid)), int(np.prod(block))
        order = Order(size, total)
        memory.watch(code.cell, order if races else None)
        together = max(1, lockstep // size)
        with np.errstate(all="ignore"):
            for first in range(0, total, together):
                blocks = min(together, total - first)
                Machine(
                    code, grid, block, first, blocks, memory, addresses, shared_bytes, order
                ).run()
    finally:
        for address in placed:
            memory.remove(address)


def check_limits(code: Code, block: tuple[int, ...], shared_bytes: int) -> None:
    threads, entry = int(np.prod(block)), code.program.entry
    limits = entry.limits
    most = int(np.prod(limits["maxntid"])) if "maxntid" in limits else MOST_THREADS
    if threads > most:
        raise LaunchFault(f"{entry.name}: at most {most} threads a block, got {threads}")
    if "reqntid" in limits and (*limits["reqntid"], 1, 1)[:3] != block:
        raise LaunchFault(f"{entry.name}: blocks of {limits['reqntid']} required, got {block}")
    if code.program.shared_bytes > MOST_DECLARED_BYTES:
        raise LaunchFault(
            f"{entry.name}: at most {MOST_DECLARED_BYTES} bytes of shared memory may be declared, "
            f"got {code.program.shared_bytes}"
        )
    shared = code.program.shared_bytes + shared_bytes
    if shared > MOST_SHARED_BYTES:
        raise LaunchFault(
            f"{entry.name}: at most {MOST_SHARED_BYTES} bytes of shared memory, got {shared}"
        )


def place_variables(program: Program, memory: Memory, placed: list[int]) -> dict[Variable, int]:
    """Constants and variables of the module get addresses; then those that hold addresses."""
    found: dict[Variable, int] = {}
    arrays: dict[Variable, np.ndarray] = {}
    for v in program.globals:
        if v.extern:
            raise LaunchFault(f"{v.name} is defined in another module")
        data = np.zeros(v.size, np.uint8)
        data[: len(v.initial)] = np.frombuffer(v.initial, np.uint8)
        arrays[v] = data
        found[v] = memory.place(data, writable=v.space != "const", name=v.name)
        placed.append(found[v])
    names = {v.name: a for v, a in found.items()}
    for v, data in arrays.items():
        for offset, name in v.addresses:
            place = data[offset : offset + 8].view(np.uint64)
            place += np.uint64(names[name])
    return found


def place_parameters(
    program: Program, args: tuple | list, memory: Memory, placed: list[int]
) -> dict[Variable, int]:
    entry = program.entry
    if len(args) != len(entry.parameters):
        raise LaunchFault(f"{entry.name}: {len(entry.parameters)} arguments, got {len(args)}")
    found: dict[Variable, int] = {}
    for v, arg in zip(entry.parameters, args, strict=True):
        assert isinstance(v, Variable)
        if isinstance(arg, np.ndarray) and arg.ndim + arg.size > 0:
            arg = memory.place(arg)
            placed.append(arg)
        data = np.frombuffer(argument_bytes(v, arg), np.uint8).copy()
        found[v] = memory.place(data, writable=False, name=v.name)
        placed.append(found[v])
    return found


def argument_bytes(v: Variable, arg: object) -> bytes:
    if isinstance(arg, bytes | bytearray):
        data = bytes(arg)
    elif isinstance(arg, np.generic):
        data = arg.tobytes()
    elif isinstance(arg, int):
        low = -(1 << 8 * v.size - 1) if v.size else 0
        if not low <= arg < 1 << 8 * v.size:
            raise LaunchFault(f"{v.name}: an integer of {v.size} bytes is required, got {arg}")
        data = (arg % (1 << 8 * v.size)).to_bytes(v.size, "little")
    elif isinstance(arg, float) and v.size in (4, 8):
        data = struct.pack("<f" if v.size == 4 else "<d", arg)
    else:
        raise LaunchFault(f"{v.name}: {v.size} bytes are required, got {type(arg).__name__} {arg}")
    if len(data) != v.size:
        raise LaunchFault(f"{v.name}: {v.size} bytes are required, got {len(data)}")
    return data
