"""What a PTX text consists of: registers, variables, operands, instructions, functions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Register:
    """A register of its function; `bits` is 1 for predicates."""

    index: int
    name: str
    bits: int


@dataclass(frozen=True, eq=False)
class Variable:
    """Memory with a name: `initial` holds bytes, or (offset, name) of an address at a place."""

    name: str
    space: str
    align: int
    size: int
    initial: bytes = b""
    addresses: tuple[tuple[int, str], ...] = ()
    extern: bool = False


Number = int | np.float32 | np.float64


@dataclass(frozen=True)
class Immediate:
    """A number as it is written."""

    value: Number


@dataclass(frozen=True)
class Special:
    """A special register: %tid.x, %laneid, ..."""

    name: str


@dataclass(frozen=True)
class Label:
    """A place of the function, a function or a table of places, by name."""

    name: str


@dataclass(frozen=True)
class Address:
    """[base + offset]"""

    base: Operand
    offset: int


@dataclass(frozen=True)
class Tuple:
    """{a, b, ...} or (a, b, ...)"""

    items: tuple[Operand, ...]


@dataclass(frozen=True)
class Both:
    """d|p: a value and a predicate."""

    first: Operand
    second: Operand


@dataclass(frozen=True)
class Negated:
    """!p"""

    operand: Operand


@dataclass(frozen=True)
class Sink:
    """_"""


Operand = (
    Register | Variable | Immediate | Special | Label | Address | Tuple | Both | Negated | Sink
)


@dataclass(frozen=True)
class Instruction:
    """@predicate opcode.modifiers operands;"""

    line: int
    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[Operand, ...]
    predicate: Register | None = None
    negated: bool = False

    @property
    def name(self) -> str:
        return ".".join((self.opcode, *self.modifiers))


@dataclass
class Function:
    """One .entry or .func; the parameters of a .func may be registers."""

    name: str
    entry: bool
    line: int
    parameters: list[Variable | Register] = field(default_factory=list)
    results: list[Variable | Register] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limits: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass
class Module:
    functions: dict[str, Function]
    variables: dict[str, Variable]
    lines: tuple[str, ...]
