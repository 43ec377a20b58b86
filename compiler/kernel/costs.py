"""What work costs, in one place: whatever weighs time against time reads it here.

The rates are of one core of a processor, cautious, the same on every machine: what is decided by
them is part of a program, and programs are the same everywhere. `python -m bench costs` measures
each on the machine at hand, beside what stands here. In brackets what it measured on a server of
AMD with vectors of 512 bits, in November 2026.
"""

from __future__ import annotations

FLOPS_A_SECOND, BYTES_A_SECOND, LAUNCH_SECONDS = 20e9, 15e9, 3e-7
"""Of a kernel on one core: operations, bytes of memory, and what a row of a table costs besides
(9e10, 1.5e10, 3e-8)."""

HOST_SECONDS = 1e-4
"""A call of Python or NumPy in the middle of a program (3e-5)."""

LINK_BYTES_A_SECOND, LINK_SECONDS = 1e9, 5e-5
"""Of what processes give each other, bytes of an operand and what a message takes beside: those of
one machine, by memory that they share (1e9, 5e-5)."""

CLAIM_CYCLES = 30_000
"""Work that a thread takes at once: some 10 us, a hundred times what taking it costs."""
CLAIM_FLOPS = 1 << 20
"""The same of products, which reach more operations a cycle."""
UNIT_FLOPS = 1 << 20
"""Of a product what is worth a unit of its own: some 12 us, a hundred barriers."""

BYTES_A_CYCLE = 6
"""From memory to one core, where it streams (5)."""
LOOP_CYCLES = 40
"""What a vector loop costs besides its work: its beginning, its tail, its fold."""

NEAR, FAR, FAR_BYTES = 1.25, 0.2, 64 << 20
"""Bytes that take as long as a multiply-add: in caches, and in memory, where a program is whose
values have so many bytes (1.7 and 0.33)."""

CHEAP = 4
"""Multiply-adds up to which a value is computed again by each of its readers."""
HEAVY = 60
"""Weight of a stage from which on registers are short: vectors are half as wide, and a thread of a
GPU does one element at a time."""
EXP_WEIGHT = 60
"""Weight of a step of a running sum of exponentials."""


def seconds_of(flops: int, nbytes: int) -> float:
    """A cautious estimate of one run of a kernel on one core."""
    return max(flops / FLOPS_A_SECOND, nbytes / BYTES_A_SECOND) + LAUNCH_SECONDS
