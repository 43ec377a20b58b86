"""Instructions of a whole warp: shuffles, votes, matches, reductions, matrices.

They take place when every lane that a mask names has come to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .faults import AbsentLane
from .formats import TYPES, Array
from .nodes import Both
from .operands import Op, Read, Step, reader, writer

if TYPE_CHECKING:
    from .machine import Active, Machine

U32, B32, PRED = TYPES["u32"], TYPES["b32"], TYPES["pred"]
ALL = np.uint32(0xFFFFFFFF)


class Collective:
    """A step and the mask of the lanes that take part in it."""

    def __init__(self, mask: Read, step: Step) -> None:
        self.mask = mask
        self.step = step


COLLECTIVES: dict[str, Callable[[Op], Collective]] = {}


def collective(*opcodes: str) -> Callable[[Callable[[Op], Collective]], Callable[[Op], Collective]]:
    def register(function: Callable[[Op], Collective]) -> Callable[[Op], Collective]:
        COLLECTIVES.update(dict.fromkeys(opcodes, function))
        return function

    return register


def whole_warp(m: Machine) -> Array:
    return ALL


def by_warp(m: Machine, values: Array, default: object = 0) -> Array:
    """One row of 32 per warp; lanes that do not exist have the default."""
    values = np.broadcast_to(values, (m.threads, *np.shape(values)[1:]))
    if m.whole_warps:
        return values.reshape(-1, 32, *values.shape[1:])
    out = np.full((m.warps * 32, *values.shape[1:]), default, values.dtype)
    out[m.slot] = values
    return out.reshape(-1, 32, *values.shape[1:])


def by_thread(m: Machine, rows: Array) -> Array:
    """The opposite of by_warp."""
    flat = np.ascontiguousarray(rows).reshape(-1, *rows.shape[2:])
    return flat if m.whole_warps else flat[m.slot]


def bits_of_lanes(m: Machine, flags: Array) -> Array:
    """One number of 32 bits per warp."""
    rows = by_warp(m, flags, False)
    return (rows.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(-1, dtype=np.uint32)


def members(m: Machine, active: Active, mask: Array) -> Array:
    """Rows of warps: which lanes are named by the mask of a thread."""
    return (np.asarray(mask)[..., None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1) != 0


@collective("shfl")
def _shfl(op: Op) -> Collective:
    if not op.flag("sync"):
        raise op.unknown()
    mode, t = op.choice("up", "down", "bfly", "idx"), op.type()
    op.done(5)
    target = op.operands[0]
    both = isinstance(target, Both)
    write = writer(target.first if both else target, B32)
    write_inside = writer(target.second, PRED) if both else None
    value, lane, clamp, mask = (op.read(k, U32) for k in (1, 2, 3, 4))
    assert t.bits == 32

    def step(m: Machine, active: Active) -> None:
        own = m.lane
        b, c = lane(m).astype(np.int64) & 31, clamp(m).astype(np.int64)
        segment, bound = (c >> 8) & 31, c & 31
        last = (own & segment) | (bound & ~segment)
        if mode == "up":
            source = own - b
            inside = source >= last
        else:
            source = {
                "down": own + b,
                "bfly": own ^ b,
                "idx": (own & segment) | (b & ~segment),
            }[mode]
            inside = source <= last
        source = np.where(inside, source, own)
        named = (np.asarray(mask(m)) >> source.astype(np.uint32)) & np.uint32(1) != 0
        thread = m.thread_at(m.warp * 32 + source)
        wrong = active.where(~named | (thread < 0))
        if wrong.any():
            k = int(np.argmax(wrong))
            raise AbsentLane(
                f"lane {int(m.lane[k])} reads lane {int(np.broadcast_to(source, own.shape)[k])}, "
                "which does not take part",
                k,
            )
        values = np.broadcast_to(value(m), (m.threads,))
        write(m, active, values[np.maximum(thread, 0)])
        if write_inside:
            write_inside(m, active, np.broadcast_to(inside, (m.threads,)))

    return Collective(mask, step)


@collective("vote")
def _vote(op: Op) -> Collective:
    if not op.flag("sync"):
        raise op.unknown()
    mode, t = op.choice("all", "any", "uni", "ballot"), op.type()
    op.done(3)
    write, vote, mask = op.write(0, t), op.read(1, PRED), op.read(2, U32)

    def step(m: Machine, active: Active) -> None:
        named = np.asarray(mask(m))
        flags = active.where(np.broadcast_to(vote(m), (m.threads,)))
        ballot = bits_of_lanes(m, flags)[m.warp] & named
        if mode == "ballot":
            write(m, active, ballot)
        else:
            every, some = ballot == named, ballot != 0
            write(m, active, {"all": every, "any": some, "uni": every | ~some}[mode])

    return Collective(mask, step)


@collective("match")
def _match(op: Op) -> Collective:
    mode = op.choice("any", "all")
    if not op.flag("sync"):
        raise op.unknown()
    t = op.type()
    op.done(3)
    target = op.operands[0]
    both = isinstance(target, Both)
    write = writer(target.first if both else target, B32)
    write_all = writer(target.second, PRED) if both else None
    value, mask = op.read(1, t), op.read(2, U32)

    def step(m: Machine, active: Active) -> None:
        rows = by_warp(m, np.broadcast_to(value(m), (m.threads,)))
        equal = rows[:, :, None] == rows[:, None, :]
        bits = (equal.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(-1, dtype=np.uint32)
        named = np.asarray(mask(m))
        same = by_thread(m, bits) & named
        if mode == "all":
            every = same == named
            write(m, active, np.where(every, named, np.uint32(0)))
            if write_all:
                write_all(m, active, every)
        else:
            write(m, active, same)

    return Collective(mask, step)


@collective("redux")
def _redux(op: Op) -> Collective:
    if not op.flag("sync"):
        raise op.unknown()
    name, t = op.choice("add", "min", "max", "and", "or", "xor"), op.type()
    op.done(3)
    write, value, mask = op.write(0, t), op.read(1, t), op.read(2, U32)
    function = {
        "add": np.add,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }[name]

    def step(m: Machine, active: Active) -> None:
        values = np.asarray(value(m))
        rows = by_warp(m, np.broadcast_to(values, (m.threads,)))
        takes_part = members(m, active, by_warp(m, np.broadcast_to(mask(m), (m.threads,))))
        out = np.zeros(rows.shape, rows.dtype)
        for k in range(32):  # lane by lane: masks may differ inside a warp
            some = takes_part[:, k]
            first = np.argmax(some, -1)
            total = np.take_along_axis(rows, first[:, None], 1)[:, 0]
            for other in range(32):
                use = some[:, other] & (other != first)
                total = np.where(use, function(total, rows[:, other]), total)
            out[:, k] = total
        write(m, active, by_thread(m, out))

    return Collective(mask, step)


@collective("elect")
def _elect(op: Op) -> Collective:
    if not op.flag("sync"):
        raise op.unknown()
    op.done(2)
    target = op.operands[0]
    if not isinstance(target, Both):
        raise op.unknown()
    write, write_leader = writer(target.first, B32), writer(target.second, PRED)
    mask = op.read(1, U32)

    def step(m: Machine, active: Active) -> None:
        named = np.broadcast_to(mask(m), (m.threads,))
        lowest = np.bitwise_count((named & (~named + np.uint32(1))) - np.uint32(1))
        write(m, active, lowest.astype(np.uint32))
        write_leader(m, active, m.lane == lowest)

    return Collective(mask, step)


def warp_barrier(op: Op) -> Collective:
    """bar.warp.sync: what its lanes did in shared memory is in order."""
    op.done(1)
    mask = reader(op.operands[0], U32)

    def step(m: Machine, active: Active) -> None:
        m.order.warp[np.unique(m.order.warp_of(active.threads + m.first_thread))] = m.order.now

    return Collective(mask, step)
