"""Every kernel becomes machine code of both architectures, and keeps its values in registers."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from tests import test_programs as programs
from tests.cuda.test_programs import REVERSIBLE, forward_and_backward, training_step
from tests.ops.sampling import sample_graph, samples
from wonderland.compiler.codegen.target import DEVICES, Device
from wonderland.compiler.ir import Graph, Op
from wonderland.compiler.pipeline import compile_graph
from wonderland.runtime import cubins, ptx
from wonderland.runtime.cubins import Artifact

try:
    cubins.linker()
except cubins.MissingLinker as missing:
    pytest.skip(str(missing), allow_module_level=True)

PROGRAMS = (
    "gradient_of_a_transformer_block",
    "gradient_of_a_gru_over_a_sequence",
    "gradient_of_a_batch_norm",
    "gradient_of_a_gru_over_sequences_of_several_lengths",
    "sensitivity_of_a_pendulum_by_steps_of_its_own_size",
)


def check(graph: Graph, device: Device) -> None:
    compiled = compile_graph(graph, device, folder="")
    for found in compiled.artifacts.values():
        keeps_in_registers(found)
        assert found.architecture == device.architecture and found.registers <= 255


def keeps_in_registers(found: Artifact) -> None:
    assert (found.spill_bytes, found.stack_bytes) == (0, 0), f"{found}\n{found.ptx}"


MANY = 64


def crowded(architecture: str) -> ptx.Assembly:
    """A kernel of MANY numbers at once that is allowed 24 registers."""
    numbers = range(MANY)
    lines = [
        *(f"ld.global.f32 %f{k}, [%d0+{4 * k}];" for k in numbers),
        "bar.sync 0;",  # nothing is loaded later than this, or stored before
        *(f"st.global.f32 [%d0+{4 * k}], %f{MANY - 1 - k};" for k in numbers),
    ]
    text = "\n".join(
        [f".version 8.0\n.target {architecture}\n.address_size 64",
         ".visible .entry crowded(.param .u64 x) .maxnreg 24", "{",
         f".reg .b64 %d<1>; .reg .f32 %f<{MANY}>;", "ld.param.u64 %d0, [x];", *lines, "ret;", "}"]
    )  # fmt: skip
    return ptx.Assembly(text, "crowded", ("pointer",))


@pytest.mark.parametrize("architecture", sorted(DEVICES))
def test_a_kernel_that_spills_is_found(architecture: str) -> None:
    code = crowded(architecture)
    found = cubins.artifact(code, *cubins.link(code.ptx, architecture), architecture)
    assert found.spill_bytes >= 4 * (MANY - 24) and "bytes spilled" in str(found)
    with pytest.raises(AssertionError, match="bytes spilled"):
        keeps_in_registers(found)


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
def test_kernels_of_gradients_and_of_a_training_step_spill_nothing(architecture: str) -> None:
    for name in REVERSIBLE:
        for graph, _ in forward_and_backward(name)[:2]:
            check(graph, DEVICES[architecture])
    function, *args = training_step()
    check(wl.trace(function, *args).graph, DEVICES[architecture])


@pytest.mark.parametrize("architecture", sorted(DEVICES))
@pytest.mark.parametrize("precision", ["f32", "f64", "i64", "tf32", "bf16"])
@pytest.mark.parametrize("size", [20, 200, 4000])
def test_products_of_every_tile_spill_nothing(size: int, precision: str, architecture: str) -> None:
    kind = {"f64": np.float64, "i64": np.int64}.get(precision, np.float32)
    x, y = (wl.ShapeDtypeStruct(shape, kind) for shape in ((size, 64), (64, 4000)))
    with wl.default_matmul_precision(precision if kind is np.float32 else None):
        graph = wl.trace(lambda a, b: a @ b, x, y).graph
    check(graph, DEVICES[architecture])
