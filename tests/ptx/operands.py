"""One instruction as it is decoded: its modifiers are taken one by one, its operands become
functions that read and write the registers of all threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .faults import Uninitialised, UnknownInstruction
from .formats import TYPES, UNSIGNED, Array, Type, decode, encode
from .nodes import (
    Address,
    Both,
    Immediate,
    Instruction,
    Negated,
    Operand,
    Register,
    Sink,
    Special,
    Tuple,
    Variable,
)

if TYPE_CHECKING:
    from .machine import Active, Machine

Read = Callable[["Machine"], Array]
Write = Callable[["Machine", "Active", Array], None]
Step = Callable[["Machine", "Active"], None]
Meaning = Callable[["Op"], Step]

MEANINGS: dict[str, Meaning] = {}
"""The step of every opcode that works on its own registers and memory."""


def meaning(*opcodes: str) -> Callable[[Meaning], Meaning]:
    """The function decodes these opcodes."""

    def register(function: Meaning) -> Meaning:
        MEANINGS.update(dict.fromkeys(opcodes, function))
        return function

    return register


class Op:
    """An instruction with what of its modifiers nobody has asked for yet."""

    def __init__(self, instruction: Instruction) -> None:
        self.instruction = instruction
        self.opcode = instruction.opcode
        self.operands = instruction.operands
        self.left = list(instruction.modifiers)

    # -- modifiers

    def unknown(self) -> UnknownInstruction:
        return UnknownInstruction(f"{self.instruction.name} is not an instruction known here")

    def flag(self, name: str) -> bool:
        if name in self.left:
            self.left.remove(name)
            return True
        return False

    def choice(self, *names: str, default: str | None = None) -> str:
        for name in names:
            if self.flag(name):
                return name
        if default is None:
            raise self.unknown()
        return default

    def ignore(self, *names: str) -> None:
        """Modifiers that change time only."""
        self.left = [m for m in self.left if m not in names and m.split("::")[0] not in names]

    def types(self) -> list[Type]:
        """All types among the modifiers, in order."""
        found = [TYPES[m] for m in self.left if m in TYPES]
        self.left = [m for m in self.left if m not in TYPES]
        return found

    def type(self) -> Type:
        """The only type."""
        found = self.types()
        if len(found) != 1:
            raise self.unknown()
        return found[0]

    def done(self, *counts: int) -> None:
        """Nothing is left, and there are as many operands as one of these numbers."""
        if self.left or (counts and len(self.operands) not in counts):
            raise self.unknown()

    # -- operands

    def read(self, k: int, t: Type) -> Read:
        return reader(self.operands[k], t)

    def write(self, k: int, t: Type) -> Write:
        return writer(self.operands[k], t)

    def compute(
        self, function: Callable[..., Array], sources: Sequence[Type], result: Type, first: int = 1
    ) -> Step:
        """operand 0 = function of the operands from `first` on."""
        self.done(first + len(sources))
        reads = [self.read(first + k, t) for k, t in enumerate(sources)]
        write = self.write(0, result)

        def step(m: Machine, active: Active) -> None:
            write(m, active, function(*(read(m) for read in reads)))

        return step


def resized(bits: Array, width: int, signed: bool = False) -> Array:
    """Unsigned bits cut or extended to a width."""
    own = 8 * bits.dtype.itemsize
    if own == width:
        return bits
    if signed and own < width:
        return bits.view(f"i{own // 8}").astype(f"i{width // 8}").view(UNSIGNED[width])
    return bits.astype(UNSIGNED[width])


def reader(operand: Operand, t: Type) -> Read:
    """The values of an operand, one per thread or one for all."""
    if isinstance(operand, Register):
        return _register(operand, t)
    if isinstance(operand, Negated):
        inner = reader(operand.operand, t)
        return lambda m: np.logical_not(inner(m))
    if isinstance(operand, Immediate):
        values = _values(_immediate(operand, t), t)
        return lambda m: values
    if isinstance(operand, Special):
        name = operand.name
        return lambda m: _values(resized(m.special(name), max(t.bits, 8)), t)
    if isinstance(operand, Variable):
        return lambda m: _values(resized(m.address_of(operand), t.bits), t)
    if isinstance(operand, Address):
        base = reader(operand.base, TYPES["u64"])
        offset = np.uint64(operand.offset % (1 << 64))
        return lambda m: _values(resized(base(m) + offset, t.bits), t)
    if isinstance(operand, Tuple) and operand.items:
        return _packed(operand, t)
    raise UnknownInstruction(f"an operand of type {t.name} is expected, got {operand}")


def _register(r: Register, t: Type) -> Read:
    index, name = r.index, r.name
    if (r.bits == 1) != (t.kind == "pred") or r.bits < t.bits:
        raise UnknownInstruction(f"{name} has {r.bits} bits, the instruction reads {t.name}")
    plain = r.bits == t.bits and t.lanes == 1
    as_it_is = plain and t.kind in ("u", "b", "pred")
    as_view = plain and (t.kind == "s" or t.name in ("f32", "f64"))
    dtype = t.dtype

    def read(m: Machine) -> Array:
        bits = m.registers[index]
        if bits is None:
            raise Uninitialised(f"{name} is read and nothing wrote it")
        if as_it_is:
            return bits
        if as_view:
            return bits.view(dtype)
        return _values(resized(bits, t.bits), t)

    return read


def _values(bits: Array, t: Type) -> Array:
    if t.lanes == 1:
        return decode(bits, t)
    lane = TYPES[t.name.removesuffix("x2")]
    return decode(np.ascontiguousarray(bits)[..., None].view(UNSIGNED[16]), lane)


def bits_of(values: Array, t: Type) -> Array:
    """Values of a type → unsigned bits."""
    if t.lanes == 1:
        return encode(values, t)
    lane = TYPES[t.name.removesuffix("x2")]
    return np.ascontiguousarray(encode(values, lane)).view(np.uint32)[..., 0]


def _immediate(operand: Immediate, t: Type) -> Array:
    value = operand.value
    if t.kind == "pred":
        return np.bool_(value != 0)
    if isinstance(value, int):
        return UNSIGNED[t.bits].type(value % (1 << t.bits))
    single = t.bits == 32
    bits = np.float32(value).view(np.uint32) if single else np.float64(value).view(np.uint64)
    return resized(bits, t.bits)


def _packed(operand: Tuple, t: Type) -> Read:
    """{low, ..., high}"""
    width = t.bits // len(operand.items)
    part = TYPES[f"b{width}"]
    reads = [reader(item, part) for item in operand.items]
    wide = UNSIGNED[t.bits]

    def read(m: Machine) -> Array:
        whole = wide.type(0)
        for k, item in enumerate(reads):
            whole = whole | (item(m).astype(wide) << wide.type(k * width))
        return _values(whole, t)

    return read


def writer(operand: Operand, t: Type) -> Write:
    """Takes values of type t, of which the active threads keep theirs."""
    if isinstance(operand, Sink):
        return lambda m, active, values: None
    if isinstance(operand, Tuple):
        return _unpacked(operand, t)
    if isinstance(operand, Both):
        raise UnknownInstruction("one result is expected, got d|p")
    if not isinstance(operand, Register):
        raise UnknownInstruction(f"a register is expected, got {operand}")
    index, width, signed = operand.index, operand.bits, t.kind == "s"
    if (width == 1) != (t.kind == "pred") or width < t.bits:
        raise UnknownInstruction(
            f"{operand.name} has {width} bits, the instruction writes {t.name}"
        )

    def write(m: Machine, active: Active, values: Array) -> None:
        bits = bits_of(values, t)
        if width > 1:
            bits = resized(bits, width, signed)
        if active.mask is not None:
            old = m.registers[index]
            bits = np.where(active.mask, bits, bits.dtype.type(0) if old is None else old)
        m.registers[index] = bits

    return write


def _unpacked(operand: Tuple, t: Type) -> Write:
    width = t.bits // len(operand.items)
    part = TYPES[f"b{width}"]
    writes = [writer(item, part) for item in operand.items]

    def write(m: Machine, active: Active, values: Array) -> None:
        bits = bits_of(values, t)
        for k, item in enumerate(writes):
            item(m, active, (bits >> bits.dtype.type(k * width)).astype(UNSIGNED[width]))

    return write
