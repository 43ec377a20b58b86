"""Texts before and after a pass."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.verify import verify


def expect(made: Callable[[Graph], Graph], before: str, after: str) -> None:
    """Requires that the pass makes `after` of `before`, both the bodies of f."""
    graph = verify(parse(before))
    text = str(verify(made(graph), getattr(made, "__name__", ""), graph))
    assert text == textwrap.dedent(after).strip("\n")
