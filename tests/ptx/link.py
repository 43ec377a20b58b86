"""One entry of a module with everything it calls, as a single list of instructions.

Calls are replaced by the bodies of what they call, so that the machine knows registers, memory and
jumps, and nothing of functions. The parameters of a call are memory of the thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .faults import LaunchFault, UnknownInstruction
from .memory import LOCAL_START, SHARED_START
from .nodes import (
    Address,
    Both,
    Function,
    Instruction,
    Label,
    Module,
    Negated,
    Operand,
    Register,
    Tuple,
    Variable,
)


@dataclass
class Program:
    """What a machine runs."""

    entry: Function
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    registers: list[Register] = field(default_factory=list)
    offsets: dict[Variable, int] = field(default_factory=dict)  # of shared and local variables
    globals: list[Variable] = field(default_factory=list)
    shared_bytes: int = 0  # without what a launch adds
    local_bytes: int = 0
    dynamic: list[Variable] = field(default_factory=list)


def link(module: Module, entry: str) -> Program:
    """The program of an entry."""
    f = module.functions.get(entry)
    if f is None or not f.entry:
        entries = sorted(n for n, f in module.functions.items() if f.entry)
        raise LaunchFault(f"no entry {entry}: the module has {', '.join(entries) or 'none'}")
    program = Program(f)
    linker = _Linker(module, program)
    for v in module.variables.values():
        linker.place(v)
    linker.inline(f, {p: p for p in f.parameters if isinstance(p, Variable)}, ())
    return program


class _Linker:
    def __init__(self, module: Module, program: Program) -> None:
        self.module = module
        self.program = program
        self.frames = 0

    def place(self, v: Variable) -> None:
        p = self.program
        if v.space == "shared" and v.size:
            p.offsets[v], p.shared_bytes = _placed(v, p.shared_bytes, SHARED_START)
        elif v.space == "shared":
            p.dynamic.append(v)
        elif v.space == "local":
            p.offsets[v], p.local_bytes = _placed(v, p.local_bytes, LOCAL_START)
        elif v.space in ("global", "const"):
            p.globals.append(v)

    def inline(
        self, f: Function, known: dict[Variable, Variable], callers: tuple[str, ...]
    ) -> dict[Register, Register]:
        """Appends the body; the registers of the function → those of the program."""
        p, frame = self.program, self.frames
        self.frames += 1
        registers = {r: replace(r, index=len(p.registers) + k) for k, r in enumerate(f.registers)}
        p.registers += registers.values()
        variables = dict(known)
        for v in f.variables:
            if v in variables:
                continue
            shared = v.space in ("shared", "global", "const")
            own = v if shared else replace(v, space="local")
            variables[v] = own
            if not shared or (own not in p.offsets and own not in p.globals):
                self.place(own)

        def moved(o: Operand) -> Operand:
            if isinstance(o, Register):
                return registers[o]
            if isinstance(o, Variable):
                return variables.get(o, o)
            if isinstance(o, Address):
                return Address(moved(o.base), o.offset)
            if isinstance(o, Tuple):
                return Tuple(tuple(moved(i) for i in o.items))
            if isinstance(o, Both):
                return Both(moved(o.first), moved(o.second))
            if isinstance(o, Negated):
                return Negated(moved(o.operand))
            return Label(f"{o.name}#{frame}") if isinstance(o, Label) else o

        at: dict[int, list[str]] = {}
        for name, k in f.labels.items():
            at.setdefault(k, []).append(f"{name}#{frame}")
        for name, targets in f.tables.items():
            p.tables[f"{name}#{frame}"] = tuple(f"{t}#{frame}" for t in targets)
        end = f"end#{frame}"
        for k, i in enumerate(f.code):
            for name in at.get(k, ()):
                p.labels[name] = len(p.code)
            predicate = registers[i.predicate] if i.predicate else None
            if i.opcode == "call":
                self.call(i, predicate, moved, (*callers, f.name))
                continue
            i = replace(i, predicate=predicate, operands=tuple(moved(o) for o in i.operands))
            if i.opcode == "ret" and callers:
                i = replace(i, opcode="bra", modifiers=(), operands=(Label(end),))
            p.code.append(i)
        for name in (*at.get(len(f.code), ()), end):
            p.labels[name] = len(p.code)
        return registers

    def call(self, i: Instruction, predicate, moved, callers: tuple[str, ...]) -> None:
        name = next((o for o in i.operands if not isinstance(o, Tuple)), None)
        at = i.operands.index(name) if name else 0
        results, arguments = (
            [item for o in part if isinstance(o, Tuple) for item in o.items]
            for part in (i.operands[:at], i.operands[at + 1 :])
        )
        where = f"line {i.line}: call"
        if not isinstance(name, Label):
            raise UnknownInstruction(f"{where} through a register")
        callee = self.module.functions.get(name.name)
        if callee is None:
            raise UnknownInstruction(f"{where} of {name.name}, which has no body")
        if name.name in callers:
            raise UnknownInstruction(f"{where} of {name.name} inside itself")
        actual = [moved(o) for o in (*results, *arguments)]
        formal = [*callee.results, *callee.parameters]
        if len(actual) != len(formal):
            raise UnknownInstruction(f"{where} of {name.name} with {len(arguments)} arguments")
        p = self.program
        skip = f"skip#{self.frames}"
        if predicate:
            p.code.append(
                replace(
                    i,
                    opcode="bra",
                    modifiers=(),
                    operands=(Label(skip),),
                    predicate=predicate,
                    negated=not i.negated,
                )
            )
        known = {
            f: a
            for f, a in zip(formal, actual, strict=True)
            if isinstance(f, Variable) and isinstance(a, Variable)
        }
        start = len(p.registers)
        for f, a in list(zip(formal, actual, strict=True))[len(results) :]:
            if isinstance(f, Register):  # its place in the frame that comes next
                p.code.append(_move(i, replace(f, index=start + f.index), a))
        registers = self.inline(callee, known, callers)
        for f, a in list(zip(formal, actual, strict=True))[: len(results)]:
            if isinstance(f, Register):
                p.code.append(_move(i, a, registers[f]))
        p.labels[skip] = len(p.code)


def _move(i: Instruction, target: Operand, source: Operand) -> Instruction:
    register = target if isinstance(target, Register) else source
    assert isinstance(register, Register)
    t = "pred" if register.bits == 1 else f"b{register.bits}"
    return Instruction(i.line, "mov", (t,), (target, source))


def _placed(v: Variable, used: int, start: int) -> tuple[int, int]:
    """Offset of a variable and the bytes used with it."""
    align = max(v.align, 1)
    offset = -(-used // align) * align
    return start + offset, offset + v.size
