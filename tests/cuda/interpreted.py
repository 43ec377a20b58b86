"""Programs for a GPU, run by the PTX interpreter, on memory that nobody has written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.runtime.fake_device import FakeDevice
from wonderland.compiler.codegen.target import DEVICES, GpuTarget
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ir.types import HALVES
from wonderland.compiler.ops.contract import DotGeneral
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.runtime.gpu.device_array import uploaded
from wonderland.runtime.spec import ArraySpec

SM80 = DEVICES["sm_80"]


ROUNDED = {"f32": 0.0, "tf32": 3e-3, "bf16": 3e-2}


def rounded(graph: Graph) -> float:
    """The relative error of products whose factors a GPU rounds."""
    products = [n for n in graph.nodes if isinstance(n.op, DotGeneral)]
    halves = [
        all(a.node and a.node.args[:1] and a.node.args[0].dtype in HALVES for a in n.args)
        for n in products
    ]  # these lose nothing
    of = [
        n.op.params["precision"]
        for n, lossless in zip(products, halves, strict=True)
        if not lossless
    ]
    return max((ROUNDED[precision] for precision in of), default=0.0)


def compiled_for(graph: Graph, target: GpuTarget = SM80) -> Compiled:
    device = FakeDevice()
    device.architecture = target.architecture
    return compile_graph(graph, target, folder="", device=device)


def run(compiled: Compiled, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs. Reading what no kernel wrote, or beyond a value, is a fault; so is a changed
    argument."""
    device = compiled.device
    assert isinstance(device, FakeDevice)
    given = [uploaded(a, device, ArraySpec(np.asarray(a).dtype, np.shape(a))) for a in arrays]
    found = [np.asarray(y) for y in compiled.program(tuple(given))]
    for x, a in zip(given, arrays, strict=True):
        assert np.asarray(x).tobytes() == np.asarray(a).tobytes(), "an argument was changed"
    return found
