"""What a program is at every stage, as text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ir.lazy import lazy
from .back_end import back_end

if TYPE_CHECKING:
    from ..pipeline import Compiled


@dataclass(frozen=True)
class Inspection:
    """The stages of a program as text: `stages[name]`, `differences`, `str(...)` for all."""

    compiled: Compiled

    @lazy
    def stages(self) -> dict[str, str]:
        """Name to text, in order; a pass that ran twice has a number."""
        out: dict[str, str] = {}
        for name, text in back_end().texts_of(self.compiled):
            k = sum(n == name or n.startswith(f"{name} ") for n in out)
            out[f"{name} {k + 1}" if k else name] = text
        return out

    @lazy
    def differences(self) -> dict[str, str]:
        """What each graph pass changed, as a unified difference."""
        out: dict[str, str] = {}
        graphs = [
            (n, t)
            for n, t in self.stages.items()
            if t.startswith("def ") and n not in ("fuse", "sources")
        ]
        for (a, before), (b, after) in itertools.pairwise(graphs):
            import difflib  # only who looks at stages needs it

            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), a, b, lineterm="", n=1
            )
            if text := "\n".join(lines):
                out[b] = text
        return out

    @property
    def program(self) -> Any:
        return self.compiled.program

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __getitem__(self, name: str) -> str:
        if name not in self.stages:
            raise KeyError(f"no stage '{name}'; the stages are {', '.join(self.stages)}")
        return self.stages[name]

    def __str__(self) -> str:
        parts = []
        for name, text in self.stages.items():
            if name in self.differences:
                text = f"{text}\n\nchanged:\n{self.differences[name]}"
            parts.append(f"# {name}\n{text}")
        return "\n\n".join(parts)
