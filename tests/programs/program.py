"""A program as text: arguments, statements, outputs, and how it is asked for.

    def program(x0, x1):
        v2 = np.sum(x0, axis=0)[:, None]
        return v2, lax.cond(x1, lambda z: z * F(2), lambda z: np.cos(z), v2)

F, G and C name its dtypes, so that the same text runs in double precision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wonderland as wl

from . import plain
from .rounding import Rounded

NAME = re.compile(r"\b[vx]\d+\b")
WIDE = plain.WIDE_NAMES
HEADER = "import numpy as np\n\nimport wonderland as wl\nfrom wonderland import lax\n"


@dataclass(frozen=True)
class Argument:
    """`text` makes it."""

    name: str
    text: str


@dataclass(frozen=True)
class Statement:
    """Lines that make values."""

    text: str
    made: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(NAME.findall(self.text)) - set(self.made)


@dataclass(frozen=True)
class Program:
    """`entry` is what runs, an expression of `program` and the arguments: `program(x0, x1)`, or
    `wl.jvp(program, (x0,), (x1,))`."""

    seed: int
    dtypes: Mapping[str, str]  # F, G, C: names of NumPy's
    arguments: tuple[Argument, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]
    entry: str = ""  # none: the program itself
    operands: tuple[str, ...] = ()  # of the program, those of the entry are more; none: all
    donated: tuple[int, ...] = ()
    scalar: bool = False  # one output, not a tuple
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.arguments)

    def text(self) -> str:
        """The functions `program` and `run`."""
        body = "\n".join(s.text for s in self.statements)
        body = "\n".join("    " + line for line in body.split("\n") if line)
        given = ", ".join(self.operands or self.names)
        out = ", ".join(self.outputs) + ("" if self.scalar or len(self.outputs) != 1 else ",")
        lines = [f"def program({given}):", *([body] if body else []), f"    return {out}"]
        entry = self.entry or f"program({given})"
        lines += ["", "", f"def run({', '.join(self.names)}):", f"    return {entry}"]
        return "\n".join(lines) + "\n"

    def file(self, comment: str, options: str = "") -> str:
        """A file that runs on its own: compiled, interpreted, as plain NumPy where that can be."""
        dtypes = ", ".join(self.dtypes) + " = " + ", ".join(f"np.{d}" for d in self.dtypes.values())
        made = "\n".join(f"{a.name} = {a.text}" for a in self.arguments)
        donated = f", donate_argnums={self.donated}" if self.donated else ""
        given = ", ".join(self.names)
        said = "\n".join(f"# {line}" for line in comment.splitlines())
        return (
            f"{said}\n{HEADER}\n{dtypes}\n\n\n{self.text()}\n\n{made}\n"
            f"with wl.disable_jit():\n    want = wl.tree.leaves(wl.jit(run)({given}))\n"
            f"got = wl.tree.leaves(wl.jit(run{donated}{options})({given}))\n"
            "for k, (g, w) in enumerate(zip(got, want, strict=True)):\n"
            "    print(k, g.dtype, w.dtype, np.shape(g))\n"
            '    print("compiled   ", np.ravel(g)[:8])\n    print("interpreted", np.ravel(w)[:8])\n'
        )

    # ---- in its several worlds

    def scope(self, wide: bool, ours: bool) -> dict[str, Any]:
        """The names of its text: our functions or plain NumPy's."""
        dtypes = {n: WIDE[n] if wide else getattr(np, d) for n, d in self.dtypes.items()}
        names = {"wl": wl, "lax": wl.lax} if ours else {"wl": plain.wl, "lax": plain.lax}
        return {"np": np, **names, **dtypes}

    def values(self) -> list[Any]:
        """The arguments, new ones at every call."""
        scope = self.scope(wide=False, ours=False)
        return [eval(a.text, scope) for a in self.arguments]

    def function(self, wide: bool = False, ours: bool = True, name: str = "run") -> Any:
        scope = self.scope(wide, ours)
        exec(compile(self.text(), f"program_{self.seed}.py", "exec"), scope)
        return scope[name]

    def exactly(self, kind: type[Rounded], values: list[Any], name: str = "run") -> Any:
        """Its results in double precision, with what roundings `kind` makes."""
        function = self.function(True, False, name)
        function.__globals__["rounding"] = kind
        with np.errstate(all="ignore"):
            return function(*map(kind.of, values))


def widened(x: Any) -> Any:
    """An argument in double precision, in the same layout or not."""
    kind = getattr(x, "dtype", np.dtype(bool)).kind
    return np.asarray(x, np.complex128 if kind == "c" else np.float64) if kind in "fc" else x
