"""Programs for a GPU, run in order by the PTX interpreter, on memory that nobody has written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from tests.ptx import Memory, launch
from wonderland.compiler.codegen import gpu_words
from wonderland.compiler.codegen.target import DEVICES
from wonderland.compiler.ir import Graph, Value
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.types import NUMPY
from wonderland.runtime import ptx

SM80 = DEVICES["sm_80"]
ENTRY = "kernel"


def compiled_for(graph: Graph) -> Compiled:
    return compile_graph(graph, SM80, folder="")


@cache
def assembly(text: str) -> ptx.Assembly:
    return ptx.assembly(text, gpu_words.words(), ENTRY, SM80.architecture)


def run(compiled: Compiled, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs. Reading what no kernel wrote, or beyond a value, is a fault."""
    plan, memory = compiled.plan, Memory()
    arena = memory.place(np.zeros(plan.arena_bytes, np.uint8), written=False, name="arena")
    outputs = [np.zeros(v.shape, v.type.numpy) for v in plan.graph.outputs]
    constants = [np.asarray(v.node.op.params["array"].data) for v in plan.constants if v.node]
    held = {
        "input": [memory.place(np.array(a, order="C"), writable=False) for a in arrays],
        "output": [memory.place(a, written=False) for a in outputs],
        "constant": [memory.place(np.array(a), writable=False) for a in constants],
    }

    def address(v: Value) -> int:
        place = plan.places[v]
        return arena + place.offset if place.space == "arena" else held[place.space][place.index]

    for work, low in compiled.lowered:
        code = assembly(low.text)
        kinds = code.parameters[len(work.values) :]
        slots = [slot(n, kind) for n, kind in zip(low.sizes, kinds, strict=True)]
        args = [*map(address, work.values), *slots]
        launch(code.ptx, ENTRY, low.blocks, low.threads, args, low.shared_bytes, memory)
    given = {"input": arrays, "output": outputs, "constant": constants}
    places = [plan.places[v] for v in plan.graph.outputs]
    return [given[p.space][p.index] for p in places]


def slot(number: int, kind: str) -> bytes:
    """The low bytes of a slot, which are what a parameter of the kind takes."""
    size = 8 if kind == "i64" else NUMPY[kind].itemsize
    return (number % (1 << 64)).to_bytes(8, "little")[:size]
