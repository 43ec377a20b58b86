"""All that a program is made of, as data: what one process compiled, another runs.

    text = json.dumps(record_code(record))                None: it calls Python that has no text
    record = record_read(json.loads(text), arrays, host)
    program = record.program(addresses)

The rows of a record name machine code, by its hash, where those of a program have addresses; code
of others has a number in both, which means nothing elsewhere: such a record is not written down. A
host row is written as the text that its function has as attribute `text`; `host` gives a function
for that. Constants are named by their hash, `arrays` has their content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

import numpy as np

from ..rows import (
    BranchRow,
    Cell,
    HostRow,
    KernelRow,
    LoopRow,
    Operand,
    Row,
    Settled,
    SlabsRow,
    Slot,
    Space,
    StartRow,
    Transfer,
    UnitCell,
    WaitRow,
    inner_rows,
)
from ..spec import ArraySpec
from .program import Program

SPACES: tuple[Space, ...] = get_args(Space)

Code = list[Any]
"""What JSON has lists and numbers for."""


@dataclass(frozen=True, eq=False)
class ProgramRecord:
    """What `Program` takes, with the names of machine code in place of addresses."""

    rows: tuple[Row, ...]
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    constants: Mapping[str, np.ndarray]  # by hash, in the order of slots
    arena_bytes: int
    scratch_bytes: int
    seconds: float
    donated: tuple[tuple[int, int], ...]
    together: bool
    spare: int

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of machine code, each once."""
        return tuple(dict.fromkeys(r.address for r in kernel_rows(self.rows)
                                   if isinstance(r.address, str)))  # fmt: skip

    def program(self, addresses: Mapping[str, int]) -> Program:
        """The program, whose machine code is at `addresses`."""
        return Program(
            tuple(addressed(row, addresses) for row in self.rows),
            self.inputs,
            self.outputs,
            tuple(self.constants.values()),
            self.arena_bytes,
            self.scratch_bytes,
            self.seconds,
            self.donated,
            spare=self.spare,
            together=self.together,
        )


def kernel_rows(rows: tuple[Row, ...]) -> Iterator[KernelRow]:
    """Every kernel, also inside of other rows."""
    for row in rows:
        if isinstance(row, KernelRow):
            yield row
        for inside in inner_rows(row):
            yield from kernel_rows(inside)


def addressed(row: Row, addresses: Mapping[str, int]) -> Row:
    """A row with addresses in place of names."""

    def all_of(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple(addressed(r, addresses) for r in rows)

    match row:
        case KernelRow() if isinstance(row.address, str):
            return replace(row, address=addresses[row.address])
        case LoopRow():
            return replace(row, rows=all_of(row.rows), test_rows=all_of(row.test_rows))
        case BranchRow():
            return replace(row, cases=tuple(map(all_of, row.cases)))
        case SlabsRow():
            return replace(row, rows=all_of(row.rows))
    return row


# ---------------------------------------------------------------- to lists


class Unspelled(Exception):
    """A row calls what only this process has."""


def record_code(record: ProgramRecord) -> dict[str, Any] | None:
    """A record as JSON has it, without the content of constants; None where it has no text."""
    kernels = {name: k for k, name in enumerate(record.kernels)}
    try:
        rows = [row_code(row, kernels) for row in record.rows]
    except Unspelled:
        return None
    return {
        "rows": rows,
        "kernels": list(kernels),
        "inputs": list(map(spec_code, record.inputs)),
        "outputs": list(map(spec_code, record.outputs)),
        "constants": list(record.constants),
        "arena_bytes": record.arena_bytes,
        "scratch_bytes": record.scratch_bytes,
        "seconds": record.seconds,
        "donated": list(map(list, record.donated)),
        "together": record.together,
        "spare": record.spare,
    }


def slot_code(slot: Slot) -> Code:
    return [SPACES.index(slot.space), slot.index, slot.offset_bytes]


def spec_code(spec: ArraySpec) -> Code:
    return [spec.dtype.name, *spec.shape]


def transfer_code(transfer: Transfer) -> Code:
    numbers = transfer.dtype.name, transfer.count, list(map(list, transfer.pairs))
    return [transfer.kind, list(map(list, transfer.mesh)), transfer.axis, *numbers]


def row_code(row: Row, kernels: Mapping[str, int]) -> Code:
    match row:
        case KernelRow():
            if row.address not in kernels:
                raise Unspelled
            numbers = row.points, row.grain, row.barrier, row.name
            slots = [x for slot in row.slots for x in slot_code(slot)]
            memory = list(row.nbytes), row.writes, row.scratch_bytes
            return ["kernel", kernels[row.address], slots, list(row.sizes), *numbers, *memory]
        case HostRow():
            text = getattr(row.function, "text", None)
            if not isinstance(text, str):
                raise Unspelled
            operands = (
                [[slot_code(s), d.name, *shape] for s, d, shape in some]
                for some in (row.inputs, row.outputs)
            )
            return ["host_row", text, *operands, row.name, row.condition, row.failure]
        case StartRow():
            slots = slot_code(row.source), slot_code(row.result)
            return ["start", transfer_code(row.transfer), row.number, *slots, row.whole]
        case WaitRow():
            return ["wait", row.number, transfer_code(row.transfer)]
        case LoopRow():
            settled = (
                [[k, slot_code(s), n] for k, s, n in some] for some in (row.results, row.starts)
            )
            return [
                "loop",
                [row_code(r, kernels) for r in row.rows],
                [[c.number, *map(slot_code, (c.first, c.even, c.odd)), c.stride_bytes]
                 for c in row.cells],
                row.length,
                *settled,
                [row_code(r, kernels) for r in row.test_rows],
                row.test and slot_code(row.test),
                row.check,
                row.together,
                row.name,
            ]  # fmt: skip
        case BranchRow():
            cases = [[row_code(r, kernels) for r in case] for case in row.cases]
            return ["branch", slot_code(row.index), cases, row.together, row.name]
        case SlabsRow():
            rows = [row_code(r, kernels) for r in row.rows]
            cells = [[c.number, slot_code(c.slot), *c.strides] for c in row.cells]
            numbers = row.grain, row.barrier, row.check, row.name
            return ["slabs", rows, cells, list(row.units), *numbers]
    raise Unspelled


# ---------------------------------------------------------------- from lists


def record_read(
    code: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    host: Callable[[str], Callable[..., Any]],
) -> ProgramRecord:
    """The record that `record_code` wrote. Errors: those of Python, of what it did not write."""
    read = RowReader(code["kernels"], host)
    return ProgramRecord(
        read.rows(code["rows"]),
        tuple(map(spec_of, code["inputs"])),
        tuple(map(spec_of, code["outputs"])),
        {digest: arrays[digest] for digest in code["constants"]},
        code["arena_bytes"],
        code["scratch_bytes"],
        code["seconds"],
        tuple((i, o) for i, o in code["donated"]),
        code["together"],
        code["spare"],
    )


def slot_of(code: Code) -> Slot:
    space, index, offset = code
    return Slot(SPACES[space], index, offset)


def spec_of(code: Code) -> ArraySpec:
    return ArraySpec(np.dtype(code[0]), tuple(code[1:]))


def operand_of(code: Code) -> Operand:
    slot, dtype, *shape = code
    return slot_of(slot), np.dtype(dtype), tuple(shape)


def settled_of(code: Code) -> Settled:
    index, slot, nbytes = code
    return index, slot_of(slot), nbytes


def cell_of(code: Code) -> Cell:
    number, first, even, odd, stride = code
    return Cell(number, slot_of(first), slot_of(even), slot_of(odd), stride)


def unit_cell_of(code: Code) -> UnitCell:
    number, slot, *strides = code
    return UnitCell(number, slot_of(slot), tuple(strides))


def transfer_of(code: Code) -> Transfer:
    kind, mesh, axis, dtype, count, pairs = code
    axes = tuple((name, size) for name, size in mesh)
    return Transfer(kind, axes, axis, np.dtype(dtype), count, tuple((a, b) for a, b in pairs))


class RowReader(NamedTuple):
    """Reads rows."""

    kernels: list[str]
    host: Callable[[str], Callable[..., Any]]

    def rows(self, codes: list[Code]) -> tuple[Row, ...]:
        return tuple(map(self.row, codes))

    def row(self, code: Code) -> Row:
        kind, *rest = code
        return getattr(self, kind)(*rest)

    def kernel(
        self, name: int, slots: Code, sizes: Code, points: int, grain: int, barrier: bool,
        spelled: str, nbytes: Code, writes: int, scratch: int,
    ) -> Row:  # fmt: skip
        places = tuple(slot_of(slots[k : k + 3]) for k in range(0, len(slots), 3))
        numbers = tuple(sizes), points, grain, barrier, spelled, tuple(nbytes), writes, scratch
        return KernelRow(self.kernels[name], places, *numbers)

    def host_row(self, text: str, inputs: Code, outputs: Code, *rest: Any) -> Row:
        takes, gives = tuple(map(operand_of, inputs)), tuple(map(operand_of, outputs))
        return HostRow(self.host(text), takes, gives, *rest)

    def start(self, transfer: Code, number: int, source: Code, result: Code, whole: bool) -> Row:
        return StartRow(transfer_of(transfer), number, slot_of(source), slot_of(result), whole)

    def wait(self, number: int, transfer: Code) -> Row:
        return WaitRow(number, transfer_of(transfer))

    def loop(
        self, rows: Code, cells: Code, length: int | None, results: Code, starts: Code,
        test_rows: Code, test: Code | None, *rest: Any,
    ) -> Row:  # fmt: skip
        return LoopRow(
            self.rows(rows),
            tuple(map(cell_of, cells)),
            length,
            tuple(map(settled_of, results)),
            tuple(map(settled_of, starts)),
            self.rows(test_rows),
            slot_of(test) if test else None,
            *rest,
        )

    def branch(self, index: Code, cases: Code, *rest: Any) -> Row:
        return BranchRow(slot_of(index), tuple(map(self.rows, cases)), *rest)

    def slabs(self, rows: Code, cells: Code, units: Code, *rest: Any) -> Row:
        return SlabsRow(self.rows(rows), tuple(map(unit_cell_of, cells)), tuple(units), *rest)
