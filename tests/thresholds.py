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
    "fuse.apart", "fuse.chunks", "fuse.roots", "optimise.fold", "fuse.fuse", "optimise.hoist",
    "optimise.abut", "optimise.loops_apart", "optimise.attention", "optimise.bands",
    "optimise.prepack", "optimise.slab_cut", "optimise.buckets", "optimise.split_sums",
    "fuse.straight",
    "optimise.layout", "fuse.emission.cluster", "fuse.emission.kept", "fuse.emission.reader",
    "fuse.emission.scatter", "codegen.cpu.blocks", "codegen.cascade", "codegen.cpu.claim",
    "codegen.cpu.network", "codegen.cpu.prefix", "codegen.decisions", "codegen.cpu.sort",
    "codegen.target", "codegen.words.tile", "codegen.cpu.tiles", "codegen.words.memory",
    "codegen.cpu.unrolled",
)  # fmt: skip

THRESHOLDS: dict[str, tuple[str, ...]] = {
    "fuse.apart.CHUNKS": ("columns", "rows", "thin"),
    "fuse.apart.LEAST_STEPS": ("sum", "columns", "long rows"),
    "fuse.apart.MOST_STEPS": ("sum", "long rows"),
    "fuse.apart.LEAST_WORK": ("sum", "long rows", "thin"),
    "fuse.apart.LONG_ROW": ("long rows", "thin"),
    "fuse.apart.SHORT_ROW": ("wide columns",),
    "fuse.apart.ROW_BYTES": ("wide columns",),
    "fuse.apart.LEAST_ROWS": ("columns", "accumulated"),
    "fuse.apart.MOST_ROWS": ("columns", "accumulated"),
    "fuse.apart.DEPTH": ("depth",),
    "fuse.apart.DEPTH_OF_FEW": ("depth",),
    "fuse.apart.FEW_ROWS": ("product rows", "product columns"),
    "fuse.apart.DEPTH_OF_WINDOWS": ("windowed depth",),
    "codegen.cpu.blocks.WINDOW_ROWS": ("windows",),
    "fuse.chunks.BLOCK": ("map",),
    "fuse.chunks.BLOCKS_OF_ROW": ("scattered rows",),
    "fuse.chunks.LEAST_OF_ROW": ("scattered rows",),
    "codegen.cpu.blocks.DEPTH": ("depth",),
    "codegen.cpu.blocks.DEPTH_BY_STEPS": ("depth",),
    "codegen.cpu.blocks.FEW_ROWS": ("product rows",),
    "codegen.cpu.blocks.SOME_ROWS": ("product rows",),
    "codegen.cpu.blocks.STREAMED_ROWS": ("product rows",),
    "codegen.cpu.blocks.STREAM_VECS": ("product columns",),
    "codegen.words.tile.STREAMS": ("depth",),
    "codegen.cpu.blocks.FEW_COLUMNS": ("product columns",),
    "codegen.cpu.blocks.MOST_ROWS": ("product rows",),
    "codegen.cpu.blocks.DOTS_ROWS": ("product rows", "dots"),
    "codegen.cpu.blocks.DOTS_DEPTH": ("dots",),
    "codegen.cascade.CHAIN": ("sum", "rows", "columns", "long rows"),
    "codegen.cpu.claim.AHEAD": ("columns", "wide columns"),
    "codegen.target.LINE": ("map", "rows"),
    "codegen.cpu.network.SHORT": ("sorted",),
    "codegen.cpu.prefix.ROWS": ("running",),
    "codegen.decisions.WIDE": ("map", "rows", "columns"),
    "codegen.cpu.sort.SHORT": ("sorted",),
    "codegen.cpu.sort.DIGITS": ("sorted",),
    "codegen.words.tile.ASKING_ROWS": ("product rows",),
    "codegen.cpu.sort.COLUMNS": ("sorted",),
    "codegen.cpu.sort.LONG": ("sorted",),
    "codegen.words.tile.DOTS_SUMS": ("dots",),
    "codegen.words.tile.DOTS_COLUMNS": ("dots",),
    "codegen.cpu.unrolled.SIDE": ("small matrices",),
    "codegen.decisions.REGISTERS_OF_ROW": ("short rows",),
    "codegen.decisions.SERIAL": ("small matrices",),
    "codegen.words.memory.CLOSE": ("short rows",),
    "codegen.cpu.tiles.ROWS": ("turned",),
    "codegen.cpu.tiles.COLUMNS": ("turned",),
    "codegen.cpu.tiles.MOST": ("turned",),
    "fuse.emission.kept.POINTS": ("long rows",),
    "fuse.emission.reader.LONG": ("map", "turned"),
    "fuse.fuse.SMALL": ("sum", "map"),
    "optimise.layout.SHALLOW": ("small matrices",),
    "optimise.layout.SMALL": ("turned",),
    "optimise.layout.SMALL_VECTOR": ("turned",),
}
ELSEWHERE = {
    "optimise.slab_cut.CACHE_BYTES": "of scores: tests/optimise/test_attention.py",
    "optimise.buckets.BUCKET_BYTES": "of transfers: tests/optimise/test_buckets.py",
    "optimise.buckets.SMALL_BYTES": "of transfers: tests/optimise/test_buckets.py",
    "optimise.buckets.MOST_PIECES": "of transfers: tests/optimise/test_buckets.py",
    "optimise.split_sums.MOST_PARTS": "of transfers: tests/optimise/test_split_sums.py",
    "optimise.split_sums.MESSAGES": "of transfers: tests/optimise/test_split_sums.py",
    "optimise.attention.CONE": "nodes between a product and an exponential",
    "optimise.slab_cut.FEW_ROWS": "queries: tests/optimise/test_attention.py",
    "optimise.slab_cut.FEW_UNITS": "points of a batch: tests/optimise/test_attention.py",
    "optimise.slab_cut.LEAST_BYTES": "of scores: tests/optimise/test_attention.py",
    "optimise.slab_cut.LEAST_ROWS": "of a block: tests/optimise/test_attention.py",
    "optimise.attention.MOST_POSITIONS": "beyond any length",
    "optimise.slab_cut.ROWS": "of a block: tests/optimise/test_attention.py",
    "optimise.bands.COLUMNS": "of a cell: tests/optimise/test_attention.py",
    "optimise.bands.EXACT_HALF": "positions in halves: tests/optimise/test_attention.py",
    "optimise.bands.MOST": "bands: tests/optimise/test_attention.py",
    "optimise.bands.POINTS": "columns that are looked at: tests/optimise/test_attention.py",
    "optimise.layout.STREAMED_BYTES": "matrices beyond caches: tests/optimise/test_layout.py",
    "fuse.apart.FEW_RESULTS": "results of a product: its rows times its columns, in test_accuracy",
    "fuse.roots.LEAST_RUN": "how what windows are multiplied with lies in memory",
    "fuse.apart.WINDOW_RESULTS": "results of a gradient of windows, whose depth is divided",
    "codegen.cpu.blocks.FOLD_CYCLES": "what a sum of few columns costs",
    "codegen.cpu.blocks.PAGE": "bytes from row to row: tests/codegen/test_product.py",
    "codegen.cpu.blocks.PANELS_AHEAD": "panels that a tile asks for before they are read",
    "codegen.cpu.blocks.TILES_BELOW": "tiles whose rows one asks for before they are read",
    "codegen.cpu.blocks.UNITS": "how many units a team wants",
    "codegen.cpu.prefix.COSTLY": "work of a combination",
    "codegen.cpu.unrolled.MOST": "operations of elements that are written out",
    "fuse.apart.BESIDE": "how far apart lies what is read beside a row: tests/fuse",
    "codegen.decisions.NARROW": "columns, and how far apart they lie: tests/codegen/test_lower.py",
    "codegen.decisions.MANY_STORES": "stores of a stage",
    "codegen.decisions.FOLD_STEPS": "instructions of a sum: tests/codegen/test_lower.py",
    "codegen.decisions.TURN_STEPS": "instructions of a part of a square",
    "codegen.words.memory.REGISTER": "bytes of the widest register",
    "codegen.target.OWN_BYTES": "bytes of a GPU's shared memory",
    "fuse.emission.cluster.SPLITS": "attempts to read a reshape",
    "fuse.emission.kept.WEIGHT": "weight of an expression",
    "fuse.emission.reader.TIMES": "readers of an expression",
    "fuse.emission.scatter.SPLITS": "attempts to read a reshape",
    "optimise.fold.LIMIT": "elements of a constant: tests/optimise/test_fold.py",
    "fuse.fuse.LARGE": "nodes of a kernel",
    "fuse.straight.FEW": "nodes that move: tests/fuse/test_straight.py",
    "fuse.straight.MANY": "nodes of tiny values: tests/fuse/test_straight.py",
    "fuse.straight.SIDE": "elements of tiny values: tests/fuse/test_straight.py",
    "fuse.straight.TINY": "elements of tiny values",
    "fuse.straight.SUMMED": "elements of tiny values that are summed",
    "fuse.straight.PIECES": "tiny operands of a concatenation",
    "fuse.straight.LEAST": "scalar operations of a run",
    "fuse.straight.MOST": "scalar operations of a run",
    "fuse.straight.WEIGHT": "what counts as an operation",
    "optimise.abut.FEW": "summands: tests/optimise/test_abut.py",
    "optimise.loops_apart.BEYOND_CACHES": "bytes of a state: tests/optimise/test_loops_apart.py",
    "optimise.loops_apart.SLAB_BYTES": "bytes of a slab: tests/optimise/test_loops_apart.py",
    "optimise.loops_apart.LEAST_SLAB_BYTES": "bytes of a slab: tests/optimise/test_loops_apart.py",
    "optimise.loops_apart.SHARED_BYTES": "bytes of a matrix: tests/optimise/test_loops_apart.py",
    "optimise.prepack.LEAST_TURNS": "turns of a loop: tests/optimise/test_prepack.py",
    "optimise.prepack.NEAR_BYTES": "bytes of a matrix: tests/optimise/test_prepack.py",
    "optimise.hoist.SMALL_BYTES": "bytes that leave a loop: tests/optimise/test_loop_passes.py",
    "fuse.roots.WAITING": "elements that wait for a sum: tests/fuse/test_running_sums.py",
    "fuse.roots.PIECES": "operands of a concatenation",
    "fuse.roots.CHAIN": "nodes in a chain",
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
