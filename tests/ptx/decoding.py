"""The instructions of a program as what the machine does: steps, collectives, barriers, jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from . import conversions, floats, integers, matrices, moves, warp  # noqa: F401  register meanings
from .faults import Fault
from .formats import TYPES
from .link import Program, link
from .nodes import Instruction, Module
from .operands import MEANINGS, Op, Read, Step, reader
from .syntax import parse
from .warp import COLLECTIVES, Collective, warp_barrier

if TYPE_CHECKING:
    from .machine import Active, Machine


@dataclass(frozen=True)
class Barrier:
    """bar.sync, bar.arrive and bar.red: `finish` runs for those that are let go."""

    number: Read
    count: Read | None
    waits: bool
    aligned: bool  # the threads of a warp come together
    finish: Callable[[Machine, Active, np.ndarray], None] | None = None


Action = Step | Collective | Barrier


@dataclass
class Code:
    """Decoded instructions; `leads` marks where basic blocks start."""

    program: Program
    actions: list[Action | None]
    predicates: list[Read | None]
    leads: list[bool]
    lines: tuple[str, ...]
    cell: int


JUMPS = "bra", "brx", "ret", "exit", "trap", "brkpt"


@lru_cache(maxsize=256)
def load(text: str, entry: str) -> Code:
    """The decoded program of an entry. Faults: SyntaxFault, UnknownInstruction, with the line."""
    return decode(parse(text), entry)


def decode(module: Module, entry: str) -> Code:
    program = link(module, entry)
    n = len(program.code)
    leads = [False] * n + [True]
    leads[0] = True
    for k in program.labels.values():
        leads[k] = True
    actions: list[Action | None] = []
    predicates: list[Read | None] = []
    cell = 4
    for k, i in enumerate(program.code):
        try:
            action = decode_instruction(i)
            predicates.append(
                reader(i.predicate, TYPES["pred"]) if i.predicate is not None else None
            )
        except Fault as fault:
            raise fault.located(i.line, source(module.lines, i.line), f"in {entry}") from None
        actions.append(action)
        if not callable(action):
            leads[k] = leads[k + 1] = True
        cell = min(cell, cell_of(i))
    return Code(program, actions, predicates, leads, module.lines, cell)


def decode_instruction(i: Instruction) -> Action | None:
    """Its action; None if it ends a basic block."""
    if i.opcode in JUMPS:
        return None
    op = Op(i)
    if i.opcode in ("bar", "barrier"):
        return barrier(op)
    if i.opcode in COLLECTIVES:
        return COLLECTIVES[i.opcode](op)
    if i.opcode == "activemask":
        return active_lanes(op)
    if i.opcode not in MEANINGS:
        raise op.unknown()
    return MEANINGS[i.opcode](op)


def cell_of(i: Instruction) -> int:
    """The bytes of an access to memory that is watched for races."""
    if i.opcode in ("ldmatrix", "stmatrix"):
        return 2
    if i.opcode == "cp" and len(i.operands) > 3:
        return 1
    if i.opcode not in ("ld", "st", "atom", "red") or {"local", "param"} & set(i.modifiers):
        return 4
    return min((TYPES[m].bytes for m in i.modifiers if m in TYPES), default=4)


def active_lanes(op: Op) -> Step:
    write = op.write(0, op.type())
    op.done(1)

    def step(m: Machine, active: Active) -> None:
        write(m, active, warp.bits_of_lanes(m, active.flags)[m.warp])

    return step


def barrier(op: Op) -> Action:
    """bar{.cta}.sync a{, b}; bar.arrive a, b; bar.red.op d, a{, b}, p; bar.warp.sync mask"""
    if op.flag("warp"):
        op.choice("sync")
        return warp_barrier(op)
    op.ignore("cta")
    aligned = op.flag("aligned") or op.opcode == "bar"
    kind = op.choice("sync", "arrive", "red")
    u32 = TYPES["u32"]
    if kind != "red":
        op.done(1, 2)
        count = op.read(1, u32) if len(op.operands) == 2 else None
        return Barrier(op.read(0, u32), count, kind == "sync", aligned)
    how = op.choice("popc", "and", "or")
    t = op.type()
    write, flag = op.write(0, t), reader(op.operands[-1], TYPES["pred"])
    count = op.read(2, u32) if len(op.operands) == 4 else None

    def finish(m: Machine, active: Active, released: np.ndarray) -> None:
        flags = np.broadcast_to(flag(m), (m.threads,)) & released
        totals = np.bincount(m.block, weights=flags, minlength=m.blocks)[m.block]
        some = np.bincount(m.block, weights=released, minlength=m.blocks)[m.block]
        if how == "popc":
            write(m, active, totals.astype(np.uint32))
        else:
            write(m, active, totals == some if how == "and" else totals > 0)

    return Barrier(op.read(1, u32), count, True, aligned, finish)


def source(lines: tuple[str, ...], line: int) -> str:
    return " ".join(lines[line - 1].split()) if line <= len(lines) else ""
