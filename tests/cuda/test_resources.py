"""Every kernel becomes machine code of both architectures, and keeps its values in registers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import wonderland as wl
from tests import test_programs as programs
from tests.ops.sampling import sample_graph, samples
from wonderland.compiler.codegen.target import DEVICES, Device
from wonderland.compiler.ir import Graph, Op
from wonderland.compiler.pipeline import compile_graph
from wonderland.runtime import cubins

try:
    cubins.linker()
except cubins.MissingLinker as missing:
    pytest.skip(str(missing), allow_module_level=True)

PROGRAMS = ("gradient_of_a_transformer_block", "gradient_of_a_gru_over_a_sequence")


def check(graph: Graph, device: Device) -> None:
    compiled = compile_graph(graph, device, folder="")
    for found in compiled.artifacts.values():
        assert (found.spill_bytes, found.stack_bytes) == (0, 0), f"{found}\n{found.ptx}"
        assert found.architecture == device.architecture and found.registers <= 255


@pytest.mark.parametrize("architecture", sorted(DEVICES))
@pytest.mark.parametrize("name", sorted(Op.registry))
def test_a_kernel_of_every_op_spills_nothing(name: str, architecture: str) -> None:
    of = list(samples(name))
    sample = next((s for s in of if {t.dtype for t in s.types} == {"f32"}), of[0])
    check(sample_graph(sample), DEVICES[architecture])


@pytest.mark.parametrize("architecture", sorted(DEVICES))
@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_of_programs_spill_nothing(name: str, architecture: str) -> None:
    function, args = programs.PROGRAMS[name]
    check(wl.trace(function, *args).graph, DEVICES[architecture])


@pytest.mark.parametrize("architecture", sorted(DEVICES))
@pytest.mark.parametrize("precision", ["f32", "f64", "i64", "tf32", "bf16"])
@pytest.mark.parametrize("size", [20, 200, 4000])
def test_products_of_every_tile_spill_nothing(size: int, precision: str, architecture: str) -> None:
    kind = {"f64": np.float64, "i64": np.int64}.get(precision, np.float32)
    x, y = (wl.ShapeDtypeStruct(shape, kind) for shape in ((size, 64), (64, 4000)))
    graph = wl.jit(lambda a, b: a @ b).compile(x, y).traced.graph
    device = replace(DEVICES[architecture], precision=precision if kind is np.float32 else "f32")
    check(graph, device)
