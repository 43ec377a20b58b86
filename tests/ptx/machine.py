"""Runs a program: the threads of several blocks in lockstep, every register one array.

Control flow is cut into basic blocks. The machine keeps, for each place of the code, the set of
threads that stand there, runs the set at the lowest place to the end of its basic block and merges
it with whoever stands where it arrives: loops of different length, nested conditions and early
returns join again as far up as the text allows. Barriers and instructions of a warp hold their
threads until all that they wait for have come; when nobody can go on, that is a fault.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from . import warp
from .decoding import Barrier, Code, source
from .faults import AbsentLane, DivergentBarrier, Fault, Trap, UnknownInstruction
from .formats import TYPES, Array
from .memory import SHARED_START, Local, Memory, Shared
from .moves import Copies
from .nodes import Instruction, Label, Variable
from .operands import reader
from .races import Order
from .warp import Collective


class Active:
    """The threads that take part in a step; `mask` is None if all do."""

    def __init__(self, mask: np.ndarray | None, machine: Machine) -> None:
        self.mask = mask
        self.machine = machine

    @cached_property
    def threads(self) -> np.ndarray:
        if self.mask is None:
            return self.machine.everyone
        return np.nonzero(self.mask)[0]

    def pick(self, values: Array) -> Array:
        """Values of all threads, or one for all → those of the active ones."""
        if values.ndim == 0:
            return np.broadcast_to(values, self.threads.shape)
        return values if self.mask is None else values[self.mask]

    def pick_lanes(self, values: Array, lanes: int) -> Array:
        """The same for values of packed types, which have an axis more."""
        if lanes == 1:
            return self.pick(values)
        values = np.broadcast_to(values, (self.machine.threads, lanes))
        return values[self.threads]

    def spread(self, values: Array) -> Array:
        """The opposite of pick; others get 0, which nobody keeps."""
        if self.mask is None:
            return values
        out = np.zeros(self.mask.shape, values.dtype)
        out[self.mask] = values
        return out

    @property
    def flags(self) -> np.ndarray:
        """The mask, spelled out."""
        return np.ones(self.machine.threads, np.bool_) if self.mask is None else self.mask

    def where(self, flags: Array) -> Array:
        """Flags, false for who does not take part."""
        flags = np.broadcast_to(flags, (self.machine.threads,))
        return flags if self.mask is None else flags & self.mask

    def narrowed(self, flags: Array) -> Active | None:
        """Those of the threads whose flag is set."""
        if np.ndim(flags) == 0:
            return self if flags else None
        mask = flags if self.mask is None else flags & self.mask
        return Active(mask, self.machine) if mask.any() else None


class Machine:
    """The state of some blocks of a launch."""

    def __init__(
        self, code: Code, grid: tuple[int, ...], block: tuple[int, ...], first: int, blocks: int,
        memory: Memory, addresses: dict[Variable, int], dynamic_bytes: int, order: Order,
    ) -> None:  # fmt: skip
        self.code, self.grid, self.block_size = code, grid, block
        self.blocks, self.memory, self.addresses = blocks, memory, addresses
        size = int(np.prod(block))
        self.threads = blocks * size
        self.everyone = np.arange(self.threads)
        self.block = self.everyone // size
        self.first, self.first_thread, self.order = first, first * size, order
        inner = self.everyone % size
        self.inner = inner
        per_block = -(-size // 32)
        self.warps = blocks * per_block
        self.lane = inner % 32
        self.warp = self.block * per_block + inner // 32
        self.slot = self.warp * 32 + self.lane
        self.whole_warps = size % 32 == 0
        self.of_slot = np.full(self.warps * 32, -1)
        self.of_slot[self.slot] = self.everyone
        self.lanes = warp.bits_of_lanes(self, np.ones(self.threads, np.bool_))
        self.registers: list[Array | None] = [None] * len(code.program.registers)
        self.carry: Array = np.zeros(self.threads, np.bool_)
        self.dynamic_bytes = dynamic_bytes
        program = code.program
        self.static_bytes = -(-program.shared_bytes // 16) * 16
        total = self.static_bytes + dynamic_bytes if program.dynamic else program.shared_bytes
        self.total_bytes = total
        self.shared = Shared(total, code.cell, self.block, self.first_thread, order)
        self.local = Local(self.threads, program.local_bytes)
        self.copies = Copies(self.threads)
        self.specials: dict[str, Array] = {}
        self.ready: dict[int, np.ndarray] = {0: np.ones(self.threads, np.bool_)}
        self.held: dict[int, np.ndarray] = {}  # at collectives and barriers
        self.barrier_of = np.full(self.threads, -1)
        self.arrived: dict[int, np.ndarray] = {}  # per barrier: arrivals of each block
        self.at = 0

    def thread_at(self, slots: Array) -> Array:
        return self.of_slot[slots]

    # -- what operands ask for

    def address_of(self, v: Variable) -> Array:
        if v in self.addresses:
            return np.uint64(self.addresses[v])
        if v in self.code.program.offsets:
            return np.uint64(self.code.program.offsets[v])
        if v in self.code.program.dynamic:
            return np.uint64(SHARED_START + self.static_bytes)
        raise UnknownInstruction(f"{v.name} has no address here")

    def special(self, name: str) -> Array:
        if name not in self.specials:
            self.specials[name] = self._special(name)
        return self.specials[name]

    def _special(self, name: str) -> Array:
        word, _, axis = name[1:].partition(".")
        u32 = np.uint32
        if axis in ("x", "y", "z"):
            k = "xyz".index(axis)
            if word == "ntid":
                return u32(self.block_size[k])
            if word == "nctaid":
                return u32(self.grid[k])
            if word == "tid":
                below = int(np.prod(self.block_size[:k]))
                return (self.inner // below % self.block_size[k]).astype(u32)
            if word == "ctaid":
                below = int(np.prod(self.grid[:k]))
                return ((self.first + self.block) // below % self.grid[k]).astype(u32)
        one, lane = u32(1), self.lane.astype(u32)
        found = {
            "laneid": lambda: lane,
            "warpid": lambda: (self.inner // 32).astype(u32),
            "nwarpid": lambda: u32(self.warps // self.blocks),
            "lanemask_eq": lambda: one << lane,
            "lanemask_lt": lambda: (one << lane) - one,
            "lanemask_le": lambda: (one << lane) - one + (one << lane),
            "lanemask_gt": lambda: ~((one << lane) - one + (one << lane)),
            "lanemask_ge": lambda: ~((one << lane) - one),
            "dynamic_smem_size": lambda: u32(self.dynamic_bytes),
            "total_smem_size": lambda: u32(self.total_bytes),
            "clock": lambda: u32(0),
            "clock64": lambda: np.uint64(0),
            "globaltimer": lambda: np.uint64(0),
            "smid": lambda: u32(0),
            "nsmid": lambda: u32(1),
            "gridid": lambda: np.uint64(0),
        }.get(name[1:])
        if found is None:
            raise UnknownInstruction(f"the special register {name} is not known here")
        return found()

    # -- control

    def run(self) -> None:
        """Until every thread has left. Faults carry line, block and thread."""
        code = self.code.program.code
        while self.ready:
            self.at = min(self.ready)
            mask = self.ready.pop(self.at)
            if self.at >= len(code):
                continue
            active = Active(None if mask.all() else mask, self)
            try:
                self.advance(active)
            except Fault as fault:
                raise self.located(fault, active) from None
        if self.held:
            raise self.stuck()

    def go(self, place: int, mask: np.ndarray) -> None:
        if place in self.ready:
            mask = mask | self.ready[place]
        self.ready[place] = mask

    def advance(self, active: Active) -> None:
        """From the start of a basic block to where its threads part."""
        code, leads = self.code, self.code.leads
        instructions = code.program.code
        everyone = active.flags
        while True:
            k = self.at
            predicate, action = code.predicates[k], code.actions[k]
            chosen: Active | None = active
            if predicate is not None:
                flags = predicate(self)
                if instructions[k].negated:
                    flags = ~flags
                chosen = active.narrowed(flags)
            if action is None:
                return self.jump(instructions[k], everyone, chosen)
            if not callable(action):
                return self.gather(action, everyone, chosen)
            if chosen is not None:
                action(self, chosen)
            self.at = k + 1
            if leads[k + 1]:
                return self.go(k + 1, everyone)

    def jump(self, i: Instruction, everyone: np.ndarray, chosen: Active | None) -> None:
        taken = chosen.flags if chosen else np.zeros_like(everyone)
        rest = everyone & ~taken
        if rest.any():
            self.go(self.at + 1, rest)
        if chosen is None:
            return
        if i.opcode in ("trap", "brkpt"):
            raise Trap("the program stops itself", 0)
        if i.opcode == "bra":
            self.go(self.place(i.operands[0]), taken)
        elif i.opcode == "brx":
            label = i.operands[1]
            assert isinstance(label, Label)
            table = self.code.program.tables[label.name]
            index = np.broadcast_to(reader(i.operands[0], TYPES["u32"])(self), taken.shape)
            for k in np.unique(index[taken]):
                if k >= len(table):
                    raise Trap(f"brx.idx {int(k)} of a table of {len(table)}", 0)
                self.go(self.place(Label(table[k])), taken & (index == k))

    def place(self, label: object) -> int:
        labels = self.code.program.labels
        if not isinstance(label, Label) or label.name not in labels:
            raise UnknownInstruction(f"a branch to {label}")
        return labels[label.name]

    # -- barriers and collectives

    def gather(
        self, action: Collective | Barrier, everyone: np.ndarray, chosen: Active | None
    ) -> None:
        coming = chosen.flags if chosen else np.zeros_like(everyone)
        rest = everyone & ~coming
        if rest.any():
            self.go(self.at + 1, rest)
        if chosen is None:
            return
        if isinstance(action, Barrier):
            return self.arrive(action, coming, chosen)
        here = coming | self.held.pop(self.at, np.zeros_like(coming))
        mask = np.broadcast_to(action.mask(self), here.shape)
        stranger = here & ((mask >> self.lane.astype(np.uint32)) & np.uint32(1) == 0)
        if stranger.any():
            raise AbsentLane(
                "a lane executes an instruction whose mask does not name it",
                self.among(chosen, stranger),
            )
        present = warp.bits_of_lanes(self, here)[self.warp]
        nowhere = here & ((mask & ~self.lanes[self.warp]) != 0)
        if nowhere.any():
            raise AbsentLane(
                "the mask names lanes that the block does not have", self.among(chosen, nowhere)
            )
        go = here & ((mask & ~present) == 0)
        if go.any():
            action.step(self, Active(None if go.all() else go, self))
            self.go(self.at + 1, go)
        if not go.all() and (here & ~go).any():
            self.held[self.at] = here & ~go

    def among(self, active: Active, flags: np.ndarray) -> int:
        """The first flagged thread as a place among the active ones."""
        return int(np.searchsorted(active.threads, int(np.argmax(flags))))

    def arrive(self, action: Barrier, coming: np.ndarray, chosen: Active) -> None:
        number = np.broadcast_to(action.number(self), coming.shape)
        size = self.threads // self.blocks
        count = action.count(self) if action.count else np.uint32(size)
        count = np.broadcast_to(count, coming.shape)
        if action.waits:
            self.held[self.at] = coming | self.held.get(self.at, np.zeros_like(coming))
            self.barrier_of[coming] = number[coming]
        else:
            self.go(self.at + 1, coming)
        for which in np.unique(number[coming]):
            here = coming & (number == which)
            arrivals = self.arrived.setdefault(int(which), np.zeros(self.blocks, np.int64))
            arrivals += np.bincount(self.block[here], minlength=self.blocks)
            needed = np.zeros(self.blocks, np.int64)
            needed[self.block[here]] = count[here]
            complete = (needed > 0) & (arrivals >= needed)
            if complete.any():
                arrivals[complete] = 0
                self.release(int(which), complete)

    def release(self, which: int, complete: np.ndarray) -> None:
        """All that wait at a barrier in blocks where it is complete go on."""
        code = self.code
        self.order.block[self.first + np.nonzero(complete)[0]] = self.order.now
        seen = np.full(self.warps, -1)
        for k in sorted(self.held):
            action = code.actions[k]
            if not isinstance(action, Barrier):
                continue
            free = self.held[k] & (self.barrier_of == which) & complete[self.block]
            if not free.any():
                continue
            warps = np.unique(self.warp[free])
            if action.aligned and (seen[warps] >= 0).any():
                other = int(seen[warps].max())
                raise DivergentBarrier(
                    f"threads of one warp are at different barriers, here and at line "
                    f"{code.program.code[other].line}",
                    0,
                )
            seen[warps] = k
            rest = self.held.pop(k) & ~free
            if rest.any():
                self.held[k] = rest
            self.barrier_of[free] = -1
            if action.finish:
                action.finish(self, Active(None if free.all() else free, self), free)
            self.go(k + 1, free)

    # -- messages

    def where(self, thread: int) -> str:
        block = self.first + int(self.block[thread])
        inner = int(self.inner[thread])
        return (
            f"block {coordinates(block, self.grid)}, thread {coordinates(inner, self.block_size)}"
        )

    def located(self, fault: Fault, active: Active) -> Fault:
        if fault.line is not None:
            return fault
        i = self.code.program.code[self.at]
        threads = active.threads
        if i.predicate is not None:
            flags = self.code.predicates[self.at]
            assert flags is not None
            chosen = active.narrowed(~flags(self) if i.negated else flags(self))
            threads = chosen.threads if chosen else threads
        k = fault.thread or 0
        thread = int(threads[k] if k < len(threads) else threads[0])
        found = fault.located(i.line, source(self.code.lines, i.line), self.where(thread))
        found.thread = thread
        return found

    def stuck(self) -> Fault:
        """Nobody can go on: which barrier waits for whom."""
        code = self.code.program.code
        places = sorted(self.held)
        at = places[0]
        mask = self.held[at]
        thread = int(np.argmax(mask))
        i = code[at]
        waiting = np.zeros(self.threads, np.bool_)
        for m in self.held.values():
            waiting |= m
        is_barrier = isinstance(self.code.actions[at], Barrier)
        own = (self.block == self.block[thread]) if is_barrier else self.warp == self.warp[thread]
        left = int((own & ~waiting).sum())
        others = [
            f"{int((own & self.held[k]).sum())} wait at line {code[k].line}"
            for k in places[1:]
            if (own & self.held[k]).any()
        ]
        parts = [f"{left} have left"] * bool(left) + others
        unit = "block" if is_barrier else "warp"
        problem = (
            f"{int((own & mask).sum())} of the {int(own.sum())} threads of a {unit} wait for "
            f"the others, of which {' and '.join(parts) or 'none comes'}"
        )
        fault = (DivergentBarrier if is_barrier else AbsentLane)(problem)
        return fault.located(i.line, source(self.code.lines, i.line), self.where(thread))


def coordinates(k: int, size: tuple[int, ...]) -> str:
    x, y = size[0], size[1]
    return f"({k % x}, {k // x % y}, {k // (x * y)})"
