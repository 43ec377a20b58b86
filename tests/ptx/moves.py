"""Moves, addresses, loads and stores, atomic updates, asynchronous copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from . import floats
from .faults import OutOfBounds, UnknownInstruction
from .formats import TYPES, UNSIGNED, Array, Type, decode
from .memory import LOCAL_WINDOW, SHARED_WINDOW, aligned, counted_from
from .nodes import Address, Operand, Register, Sink, Tuple, Variable
from .operands import Op, Read, Step, bits_of, meaning, reader, writer

if TYPE_CHECKING:
    from .machine import Active, Machine

U64 = TYPES["u64"]
PLAIN = [
    "weak",
    "relaxed",
    "acquire",
    "release",
    "acq_rel",
    "volatile",
    "mmio",
    "sys",
    "gpu",
    "cta",
    "cluster",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "nc",
    "unified",
    "noftz",
    "L1",
    "L2",
    "level",
]
"""Order, scope and caching: here every access is seen at once by all."""
SPACES = "global", "shared", "local", "const", "param"


@meaning("mov")
def _mov(op: Op) -> Step:
    t = op.type()
    raw = t if t.kind == "pred" else TYPES[f"b{t.bits}"]
    return op.compute(lambda a: a, (raw,), raw)


@meaning("cvta")
def _cvta(op: Op) -> Step:
    back = op.flag("to")
    space = _space(op)
    t = op.type()
    window = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW}.get(space, 0)
    step = np.uint64(-window % (1 << 64) if back else window)
    return op.compute(lambda a: a.astype(np.uint64) + step, (t,), t)


@meaning("isspacep")
def _isspacep(op: Op) -> Step:
    space = _space(op)

    def function(a: Array) -> Array:
        shared = (a >= np.uint64(SHARED_WINDOW)) & (a < np.uint64(LOCAL_WINDOW))
        local = a >= np.uint64(LOCAL_WINDOW)
        return {"shared": shared, "local": local}.get(space, ~(shared | local))

    return op.compute(function, (U64,), TYPES["pred"])


@meaning("prefetch", "prefetchu", "discard", "applypriority", "membar", "fence", "nanosleep")
@meaning("griddepcontrol")
def _nothing(op: Op) -> Step:
    """Of no effect on values."""
    return lambda m, active: None


@meaning("createpolicy")
def _createpolicy(op: Op) -> Step:
    write = writer(op.operands[0], U64)
    return lambda m, active: write(m, active, np.uint64(0))


def _space(op: Op, default: str | None = None) -> str:
    for name in list(op.left):
        space, _, level = name.partition("::")
        if space in SPACES and level in ("", "cta", "cluster", "entry", "func"):
            op.left.remove(name)
            return space
    if default is None:
        raise op.unknown()
    return default


# -- access


def address(operand: Operand, space: str) -> Read:
    """Generic addresses."""
    base = operand.base if isinstance(operand, Address) else operand
    offset = operand.offset if isinstance(operand, Address) else 0
    short = isinstance(base, Register) and base.bits == 32
    read = reader(base, TYPES["u32"] if short else U64)
    if isinstance(base, Variable):  # a parameter of a call is memory of the thread
        space = base.space
    window = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW}.get(space, 0)
    move = np.uint64((offset + window) % (1 << 64))
    return lambda m: read(m).astype(np.uint64) + move


def kinds(a: Array) -> list[tuple[str, Array | None]]:
    """The spaces of generic addresses and where each is met (None: everywhere)."""
    low, high = int(a.min()) >> 56, int(a.max()) >> 56
    names = {0: "global", 1: "shared", 2: "local"}
    if low == high:
        return [(names.get(low, "global"), None)]
    top = a >> np.uint64(56)
    return [(names.get(int(k), "global"), top == k) for k in np.unique(top)]


def load(m: Machine, a: Array, threads: Array, size: int) -> Array:
    """Unsigned values at generic addresses, one per thread."""
    ((space, where), *more) = kinds(a)
    if where is None:
        if space == "global":
            return m.memory.load(a, size, threads + m.first_thread)
        if space == "shared":
            return m.shared.load(a - np.uint64(SHARED_WINDOW), threads, size)
        return m.local.load(a - np.uint64(LOCAL_WINDOW), threads, size)
    out = np.zeros(a.shape, UNSIGNED[8 * size])
    for _, part in ((space, where), *more):
        assert part is not None
        with counted_from(part):
            out[part] = load(m, a[part], threads[part], size)
    return out


def store(m: Machine, a: Array, threads: Array, size: int, values: Array) -> None:
    ((space, where), *more) = kinds(a)
    if where is None:
        if space == "global":
            m.memory.store(a, size, values, threads + m.first_thread)
        elif space == "shared":
            m.shared.store(a - np.uint64(SHARED_WINDOW), threads, size, values)
        else:
            m.local.store(a - np.uint64(LOCAL_WINDOW), threads, size, values)
        return
    for _, part in ((space, where), *more):
        assert part is not None
        with counted_from(part):
            store(m, a[part], threads[part], size, values[part])


def vector(op: Op, operand: Operand) -> tuple[Operand, ...]:
    """The registers of a vector access."""
    length = op.choice("v2", "v4", "v8", default="")
    items = operand.items if isinstance(operand, Tuple) else (operand,)
    if length and len(items) != int(length[1:]):
        raise op.unknown()
    return items if length else (operand,)


def _shared_value(m: Machine, a: Array) -> bool:
    """Whether an address is one for all threads, in a memory that is one for all."""
    return np.ndim(a) == 0 and int(a) < SHARED_WINDOW


@meaning("ld", "ldu")
def _ld(op: Op) -> Step:
    space = _space(op, "generic")
    op.ignore(*PLAIN)
    items = vector(op, op.operands[0])
    t = op.type()
    op.done(2, 3)  # the third is a policy of caches
    raw = t if t.kind == "s" else TYPES[f"b{t.bits}"]
    where = address(op.operands[1], space)
    writes = [None if isinstance(item, Sink) else writer(item, raw) for item in items]
    size, dtype = t.bytes, raw.dtype

    def step(m: Machine, active: Active) -> None:
        a = where(m)
        one, threads = _shared_value(m, a), active.threads
        if one:  # the first and the last of the threads stand for all
            a, threads = np.repeat(a, 2), threads[[0, -1]]
        else:
            a = active.pick(np.asarray(a))
        if len(writes) > 1:
            aligned(a, size * len(writes), "vector load")
        for k, write in enumerate(writes):
            if write is None:
                continue
            values = load(m, a + np.uint64(k * size) if k else a, threads, size)
            values = values.view(dtype)
            write(m, active, values[0] if one else active.spread(values))

    return step


@meaning("st")
def _st(op: Op) -> Step:
    space = _space(op, "generic")
    op.ignore(*PLAIN)
    items = vector(op, op.operands[1])
    t = op.type()
    op.done(2, 3)
    raw = TYPES[f"b{t.bits}"]
    where = address(op.operands[0], space)
    reads = [reader(item, raw) for item in items]
    size = t.bytes

    def step(m: Machine, active: Active) -> None:
        a = active.pick(np.asarray(where(m)))
        if len(reads) > 1:
            aligned(a, size * len(reads), "vector store")
        for k, read in enumerate(reads):
            values = active.pick(np.asarray(read(m)))
            store(m, a + np.uint64(k * size) if k else a, active.threads, size, values)

    return step


# -- atomic updates

Update = Callable[..., Array]


def _bounded(up: bool) -> Update:
    """inc and dec, which wrap at the operand."""
    if up:
        return lambda old, b: np.where(old >= b, b.dtype.type(0), old + b.dtype.type(1))
    return lambda old, b: np.where((old == 0) | (old > b), b, old - b.dtype.type(1))


def update(op: Op, t: Type) -> Update:
    name = op.choice("add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec")
    if name in ("min", "max") and t.kind == "f":
        return lambda old, b: floats.extremum(old, b, name == "max", False, False)
    if name == "add" and t.float is not None and t.name != "f32":
        kept = t.float
        return lambda old, b: floats.rounded(old + b, kept)
    return {
        "add": np.add,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
        "exch": lambda old, b: b,
        "cas": lambda old, b, c: np.where(old == b, c, old),
        "inc": _bounded(True),
        "dec": _bounded(False),
    }[name]


def turns(places: Array) -> list[Array]:
    """Indices of those that take place together: in one turn no place occurs twice."""
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    starts = np.r_[True, ranked[1:] != ranked[:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(places.size), 0))
    rank = np.arange(places.size) - first
    if not rank.any():
        return [np.arange(places.size)]
    return [np.sort(order[rank == k]) for k in range(int(rank.max()) + 1)]


@meaning("atom", "red")
def _atom(op: Op) -> Step:
    returns = op.opcode == "atom"
    space = _space(op, "generic")
    op.ignore(*PLAIN)
    at = 1 if returns else 0
    items = vector(op, op.operands[at + 1])
    t = op.type()
    function = update(op, t)
    op.done()
    where = address(op.operands[at], space)
    swap = [reader(o, t) for o in op.operands[at + 2 : at + 3]] if len(items) == 1 else []
    reads = [reader(item, t) for item in items]
    results = op.operands[0] if returns else None
    targets = results.items if isinstance(results, Tuple) else (results,) * len(items)
    raw = TYPES[f"b{t.bits}"]
    writes = [writer(o, raw) if o is not None else None for o in targets]

    def one(m: Machine, active: Active, a: Array, values: list[Array]) -> Array:
        threads, old = active.threads, np.zeros(a.size, UNSIGNED[t.bits])
        for turn in turns(a):
            before = _atomic_load(m, a[turn], threads[turn], t.bytes)
            old[turn] = before
            now = _decoded(before, t)
            out = function(now, *(v[turn] for v in values))
            _atomic_store(m, a[turn], threads[turn], t.bytes, bits_of(np.asarray(out), t))
        return old

    def step(m: Machine, active: Active) -> None:
        a = active.pick(np.asarray(where(m)))
        aligned(a, t.bytes * len(reads), "atomic access")
        for k, (read, write) in enumerate(zip(reads, writes, strict=True)):
            values = [active.pick_lanes(np.asarray(r(m)), t.lanes) for r in (read, *swap)]
            old = one(m, active, a + np.uint64(k * t.bytes), values)
            if write is not None:
                write(m, active, active.spread(old))

    return step


def _decoded(bits: Array, t: Type) -> Array:
    if t.lanes == 1:
        return decode(bits, t)
    return decode(bits[:, None].view(np.uint16), TYPES[t.name.removesuffix("x2")])


def _atomic_load(m: Machine, a: Array, threads: Array, size: int) -> Array:
    ((space, _), *more) = kinds(a)
    if more or space == "local":
        raise UnknownInstruction("atomic access to several spaces, or to local memory")
    if space == "global":
        return m.memory.peek(a, size)
    index = m.shared.atomic(a - np.uint64(SHARED_WINDOW), threads, size)
    return m.shared.bytes.view(UNSIGNED[8 * size])[index // size]


def _atomic_store(m: Machine, a: Array, threads: Array, size: int, values: Array) -> None:
    if kinds(a)[0][0] == "global":
        m.memory.store(a, size, values, threads + m.first_thread, atomic=True)
    else:
        index, _ = m.shared.index(a - np.uint64(SHARED_WINDOW), threads, size, "atomic access")
        m.shared.put(index, size, values)


# -- asynchronous copies


class Copies:
    """Copies to shared memory that were begun: they arrive when their thread waits for them."""

    def __init__(self, threads: int) -> None:
        self.begun: list[tuple[Array, Array, Array, Array]] = []
        self.group = np.zeros(threads, np.int64)  # of each thread: groups that it committed

    def begin(self, threads: Array, target: Array, data: Array) -> None:
        """Addresses in shared memory and rows of bytes."""
        self.begun.append((threads, self.group[threads], target, data))

    def commit(self, threads: Array) -> None:
        self.group[threads] += 1

    def wait(self, m: Machine, threads: Array, left: int) -> None:
        """All groups of the threads but the last `left` arrive."""
        waiting = np.zeros(self.group.size, np.bool_)
        waiting[threads] = True
        still = []
        for own, group, target, data in self.begun:
            arrive = waiting[own] & (group < self.group[own] - left)
            if arrive.any():
                self._arrive(m, own[arrive], target[arrive], data[arrive])
            if not arrive.all():
                still.append((own[~arrive], group[~arrive], target[~arrive], data[~arrive]))
        self.begun = still

    @staticmethod
    def _arrive(m: Machine, threads: Array, target: Array, data: Array) -> None:
        words = np.ascontiguousarray(data).view(np.uint32)
        for k in range(words.shape[1]):
            store(m, target + np.uint64(4 * k), threads, 4, words[:, k])


@meaning("cp")
def _cp(op: Op) -> Step:
    if not op.flag("async") or "bulk" in op.left:
        raise op.unknown()
    if op.flag("commit_group"):
        op.done(0)
        return lambda m, active: m.copies.commit(active.threads)
    if op.flag("wait_all"):
        op.done(0)

        def wait_all(m: Machine, active: Active) -> None:
            m.copies.commit(active.threads)
            m.copies.wait(m, active.threads, 0)

        return wait_all
    if op.flag("wait_group"):
        count = reader(op.operands[0], TYPES["u32"])
        op.done(1)
        return lambda m, active: m.copies.wait(m, active.threads, int(count(m)))
    op.choice("ca", "cg")
    _space(op)
    _space(op)
    op.ignore(*PLAIN)
    op.done(3, 4, 5)
    target, source = address(op.operands[0], "shared"), address(op.operands[1], "global")
    size = int(reader(op.operands[2], TYPES["u32"])(None))  # type: ignore[arg-type]
    taken = reader(op.operands[3], TYPES["u32"]) if len(op.operands) > 3 else None

    def step(m: Machine, active: Active) -> None:
        to, a = (active.pick(np.asarray(read(m))) for read in (target, source))
        aligned(to, size, "asynchronous copy to shared memory")
        aligned(a, size, "asynchronous copy from global memory")
        count = active.pick(np.asarray(taken(m))) if taken else np.full(a.shape, size, np.uint32)
        if (count > size).any():
            raise OutOfBounds(f"cp.async reads {int(count.max())} of {size} bytes")
        words, own = np.zeros((a.size, size), np.uint8), active.threads + m.first_thread
        for k in range(0, size, 4):  # what lies behind the bytes that are read is zero
            whole = count >= k + 4
            if whole.any():
                full = m.memory.load(a[whole] + np.uint64(k), 4, own[whole])
                words[whole, k : k + 4] = full[:, None].view(np.uint8)
            for byte in range(k, k + 3):
                some = ~whole & (count > byte)
                if some.any():
                    words[some, byte] = m.memory.load(a[some] + np.uint64(byte), 1, own[some])
        m.copies.begin(active.threads, to, words)

    return step
