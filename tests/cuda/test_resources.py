"""Every kernel becomes machine code of both architectures, and keeps its values in registers.

What test_programs.py and test_loops.py run is linked there, for both, as LLVM writes it for the
older. Here is what LLVM writes for the newer: of a sample of every op, and of all in a sweep.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import compiled_for
from tests.cuda.resources import keep_in_registers, keeps_in_registers, linked, missing_linker
from tests.cuda.test_programs import REVERSIBLE, forward_and_backward, training_step
from tests.ops.sampling import sample_graph, samples
from tests.programs import test_written as programs
from tests.programs.random_graphs import random_graph
from tests.runtime.fake_device import Code
from wonderland.compiler.codegen.target import DEVICES
from wonderland.compiler.ir.graph import Graph, Op
from wonderland.compiler.pipeline import compile_graph

if missing_linker():
    pytest.skip(missing_linker(), allow_module_level=True)

NEWEST = DEVICES[max(DEVICES)]
MANY = 64
SWEPT = range(300_000, 302_000, 100)  # random graphs, by batch


def crowded(architecture: str, entry: str = "crowded", registers: int = 24) -> Code:
    """A kernel of MANY numbers at once that is allowed few registers."""
    numbers = range(MANY)
    lines = [
        *(f"ld.global.f32 %f{k}, [%d0+{4 * k}];" for k in numbers),
        "bar.sync 0;",  # nothing is loaded later than this, or stored before
        *(f"st.global.f32 [%d0+{4 * k}], %f{MANY - 1 - k};" for k in numbers),
    ]
    text = "\n".join(
        [f".version 8.0\n.target {architecture}\n.address_size 64",
         f".visible .entry {entry}(.param .u64 x) .maxnreg {registers}", "{",
         f".reg .b64 %d<1>; .reg .f32 %f<{MANY}>;", "ld.param.u64 %d0, [x];", *lines, "ret;", "}"]
    )  # fmt: skip
    return Code(text, entry)


@pytest.mark.parametrize("architecture", sorted(DEVICES))
def test_a_kernel_that_spills_is_found_among_others(architecture: str) -> None:
    roomy = [crowded(architecture, name, 128) for name in ("first", "last")]
    given = (roomy[0], crowded(architecture), roomy[1])
    found = {a.entry: a for a in linked(given, architecture)}
    assert found["crowded"].spill_bytes >= 4 * (MANY - 24)
    assert "bytes spilled" in str(found["crowded"]) and found["crowded"].registers <= 24
    with pytest.raises(AssertionError, match="bytes spilled"):
        keeps_in_registers(found["crowded"])
    for name in ("first", "last"):
        keeps_in_registers(found[name])
        assert found[name].registers >= MANY


def as_made_for_the_newest(graphs: Iterable[Graph]) -> None:
    keep_in_registers(compiled_for(g, NEWEST) for g in graphs)


@pytest.mark.parametrize("name", sorted(Op.registry.keys() - {"slabs"}))  # processors alone
def test_a_kernel_of_every_op_spills_nothing_on_the_newest(name: str) -> None:
    of = list(samples(name))
    first = next((s for s in of if {t.dtype for t in s.types} == {"f32"}), of[0])
    as_made_for_the_newest([sample_graph(first)])


def test_neither_does_a_training_step() -> None:
    function, *args = training_step()
    as_made_for_the_newest([wl.trace(function, *args).graph])


@pytest.mark.parametrize("architecture", sorted(DEVICES))
@pytest.mark.parametrize("precision", ["f32", "f64", "i64", "tf32", "bf16"])
@pytest.mark.parametrize("size", [20, 200, 4000])
def test_products_of_every_tile_spill_nothing(size: int, precision: str, architecture: str) -> None:
    """As a program links them, one by one."""
    kind = {"f64": np.float64, "i64": np.int64}.get(precision, np.float32)
    x, y = (wl.ShapeDtypeStruct(shape, kind) for shape in ((size, 64), (64, 4000)))
    with wl.default_matmul_precision(precision if kind is np.float32 else None):
        graph = wl.trace(lambda a, b: a @ b, x, y).graph
    compiled = compile_graph(graph, DEVICES[architecture], folder="")
    for found in compiled.artifacts.values():
        keeps_in_registers(found)
        assert found.architecture == architecture


# ------------------------------------------------------------------ sweeps


@pytest.mark.sweep
@pytest.mark.parametrize("name", sorted(Op.registry.keys() - {"slabs"}))  # processors alone
def test_all_kernels_of_every_op_spill_nothing_on_the_newest(name: str) -> None:
    as_made_for_the_newest(map(sample_graph, samples(name)))
    if name in REVERSIBLE:
        as_made_for_the_newest(graph for graph, _ in forward_and_backward(name))


@pytest.mark.sweep
@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_kernels_of_all_programs_spill_nothing(name: str) -> None:
    function, args = programs.PROGRAMS[name]
    graph = wl.trace(function, *args).graph
    keep_in_registers(compiled_for(graph, target) for target in DEVICES.values())


@pytest.mark.sweep
@pytest.mark.parametrize("start", SWEPT)
def test_kernels_of_many_random_graphs_spill_nothing(start: int) -> None:
    graphs = [random_graph(seed) for seed in range(start, start + SWEPT.step)]
    keep_in_registers(compiled_for(g, target) for target in DEVICES.values() for g in graphs)
