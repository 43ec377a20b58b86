"""Spells lowered code: operations as words, suites as indented lines, a function a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..kernel.scalar import FLOATS, OPS

WORD = {"abs": "abs_", "pow": "pow_", "not_": "invert", "round": "rint"}


@dataclass
class Suite:
    """`head:` and what it holds."""

    head: str
    body: list[str | Suite] = field(default_factory=list)


Node = str | Suite


def operation(op: str, args: Sequence[str], dtype: str, param: object = None) -> str:
    """The words for `op` of named operands; `dtype` is that of the last operand."""
    match op, args:
        case "cast", (x,):
            return f"cast({x}, {param})"
        case "floordiv", (x, y) if dtype in FLOATS:
            return f"floordiv({x}, {y})"
        case "rem", (x, y) if dtype in FLOATS:
            return f"remainder({x}, {y})"
        case "sign", (x,):
            return f"sign({x})"
        case _, (x, y) if OPS[op].infix and op != "pow":
            return f"{x} {OPS[op].infix} {y}"
    return f"{WORD.get(op, op)}({', '.join(args)})"


def code_lines(nodes: Sequence[Node], indent: str = "") -> list[str]:
    out: list[str] = []
    for n in nodes:
        if isinstance(n, Suite):
            out += [f"{indent}{n.head}:", *code_lines(n.body or ["pass"], indent + "    ")]
        else:
            out.append(indent + n)
    return out


MEMBER = ("args", "start", "stop", "scratch")  # parameters of what a member of a team runs


def function(name: str, doc: str, body: Sequence[Node], parameters: Sequence[str]) -> str:
    """`def name(*parameters)` with the kernel it came from as docstring."""
    text = doc.splitlines()
    head = [f"def {name}({', '.join(parameters)}):", f'    """{text[0]}']
    return (
        "\n".join(
            [*head, *(f"    {line}" for line in text[1:]), '    """', *code_lines(body, "    ")]
        )
        + "\n"
    )
