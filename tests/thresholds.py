"""The numbers at which the compiler changes its mind, and the sizes around them that tests draw.

Every whole number that a module of `MODULES` names is in `THRESHOLDS`, beside the kinds of programs
whose size it is about, or in `ELSEWHERE` with the reason why no size meets it.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

COMPILER = "wonderland.compiler"
MODULES = (
    "apart", "chunks", "roots", "passes.fold", "passes.fuse", "passes.hoist", "passes.layout",
    "emission.cluster", "emission.kept", "emission.reader", "emission.scatter", "codegen.blocks",
    "codegen.cascade", "codegen.loops", "codegen.network_source", "codegen.prefix_source",
    "codegen.schedule", "codegen.sort_source", "codegen.tile", "codegen.tiles",
)  # fmt: skip

THRESHOLDS: dict[str, tuple[str, ...]] = {
    "apart.CHUNKS": ("columns", "rows", "thin"),
    "apart.LEAST_STEPS": ("sum", "columns", "long rows"),
    "apart.MOST_STEPS": ("sum", "long rows"),
    "apart.LEAST_WORK": ("sum", "long rows", "thin"),
    "apart.LONG_ROW": ("long rows", "thin"),
    "apart.SHORT_ROW": ("wide columns",),
    "apart.ROW_BYTES": ("wide columns",),
    "apart.LEAST_ROWS": ("columns", "accumulated"),
    "apart.MOST_ROWS": ("columns", "accumulated"),
    "apart.DEPTH": ("depth",),
    "apart.DEPTH_OF_FEW": ("depth",),
    "apart.FEW_ROWS": ("product rows", "product columns"),
    "chunks.BLOCK": ("map",),
    "chunks.BLOCKS_OF_ROW": ("scattered rows",),
    "chunks.LEAST_OF_ROW": ("scattered rows",),
    "codegen.blocks.DEPTH": ("depth",),
    "codegen.blocks.DEPTH_BY_STEPS": ("depth",),
    "codegen.blocks.DEPTH_OF_FEW": ("depth",),
    "codegen.blocks.FEW_ROWS": ("product rows",),
    "codegen.blocks.FEW_COLUMNS": ("product columns",),
    "codegen.blocks.MOST_ROWS": ("product rows",),
    "codegen.blocks.DOTS_ROWS": ("product rows", "dots"),
    "codegen.blocks.DOTS_DEPTH": ("dots",),
    "codegen.cascade.CHAIN": ("sum", "rows", "columns", "long rows"),
    "codegen.loops.LINE": ("map", "rows"),
    "codegen.loops.AHEAD": ("columns", "wide columns"),
    "codegen.network_source.SHORT": ("sorted",),
    "codegen.prefix_source.ROWS": ("running",),
    "codegen.schedule.WIDE": ("map", "rows", "columns"),
    "codegen.sort_source.SHORT": ("sorted",),
    "codegen.sort_source.DIGITS": ("sorted",),
    "codegen.tile.DOTS_SUMS": ("dots",),
    "codegen.tiles.ROWS": ("turned",),
    "codegen.tiles.COLUMNS": ("turned",),
    "codegen.tiles.MOST": ("turned",),
    "emission.kept.POINTS": ("long rows",),
    "emission.reader.LONG": ("map", "turned"),
    "passes.fuse.SMALL": ("sum", "map"),
    "passes.layout.SMALL": ("turned",),
    "passes.layout.SMALL_VECTOR": ("turned",),
}
ELSEWHERE = {
    "apart.FEW_RESULTS": "results of a product: its rows times its columns, in test_accuracy",
    "codegen.blocks.UNIT_FLOPS": "work, not a size: which units a team takes",
    "codegen.blocks.UNITS": "how many units a team wants",
    "codegen.blocks.GRAIN_FLOPS": "work, not a size: how many units a claim takes",
    "codegen.prefix_source.LOGSUMEXP_WEIGHT": "weight of a step",
    "codegen.schedule.HEAVY": "weight of a stage",
    "codegen.schedule.CHUNK_CYCLES": "work, not a size: how many points a claim takes",
    "codegen.schedule.BYTES_A_CYCLE": "speed of memory",
    "codegen.schedule.ROW_CYCLES": "cost of a loop",
    "emission.cluster.SPLITS": "attempts to read a reshape",
    "emission.kept.WEIGHT": "weight of an expression",
    "emission.reader.TIMES": "readers of an expression",
    "emission.scatter.SPLITS": "attempts to read a reshape",
    "passes.fold.LIMIT": "elements of a constant: tests/passes/test_fold.py",
    "passes.fuse.LARGE": "nodes of a kernel",
    "passes.hoist.SMALL_BYTES": "bytes that leave a loop: tests/passes/test_loops.py",
    "roots.WAITING": "elements that wait for a sum: tests/passes/test_running_sums.py",
    "roots.CHEAP": "weight of an expression",
    "roots.PIECES": "operands of a concatenation",
    "roots.CHAIN": "nodes in a chain",
}
ALWAYS = (1, 2, 3, 7, 17, 63, 64, 65, 127, 129)
"""Sizes that every kind meets: lanes and several registers of them, one less and one more."""


def named_numbers() -> Iterator[tuple[str, int]]:
    """Every whole number that a module gives a name in capitals, with its value."""
    for name in MODULES:
        module = importlib.import_module(f"{COMPILER}.{name}")
        assert module.__file__
        for node in ast.parse(Path(module.__file__).read_text()).body:
            if isinstance(node, ast.Assign):
                names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
                for n in names:
                    if n.isupper() and type(value := getattr(module, n)) is int:
                        yield f"{name}.{n}", value


def sizes_around(kind: str) -> list[int]:
    """The sizes that programs of a kind are tried with."""
    found = set(ALWAYS)
    for name, value in named_numbers():
        if kind in THRESHOLDS.get(name, ()):
            found |= {value - 1, value, value + 1, 2 * value + 1}
    return sorted(n for n in found if n > 0)
