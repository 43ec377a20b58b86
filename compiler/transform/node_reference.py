"""A node by its NumPy reference, as a function of arrays that has a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir.graph import Graph
from ..ir.lazy import lazy
from ..ir.printing import print_graph
from ..ir.text import constants_of, parse
from .interpreter import interpret


@dataclass(frozen=True, eq=False)
class NodeReference:
    """A graph of one node, by NumPy."""

    graph: Graph

    def __call__(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return interpret(self.graph, *arrays)

    @lazy
    def text(self) -> str | None:
        """The graph's; None where that is not all of it."""
        return None if constants_of(self.graph) else print_graph(self.graph)

    @classmethod
    def read(cls, text: str) -> Self:
        """What has this text. Errors: ProgramError, if none has."""
        return cls(parse(text))
