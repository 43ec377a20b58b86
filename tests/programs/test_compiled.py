"""Compiled code means what the interpreter means: every op of the registry, and random graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.ops.sampling import sample_arrays, sample_graph
from wonderland.compiler import ops
from wonderland.compiler.fuse.emission import HostWork
from wonderland.compiler.ir.graph import Graph, Op, Sample, Value
from wonderland.compiler.ir.types import FLOATS, INEXACT, INTEGERS, NAMES, NUMPY, Type
from wonderland.compiler.ops.effects import Outside
from wonderland.compiler.pipeline import Compiled, compile_graph, machine_code
from wonderland.compiler.transform.interpreter import interpret

from .random_graphs import random_arrays, random_graph

GRAPHS = 200
# a product or a sum may round in another order than NumPy's, over at most a few thousand terms
# of f16 and bf16 a few units in the last place, where another rounding of f32 went the other way
TOLERANCES = {"bf16": 4e-2, "f16": 5e-3, "f32": 2e-5, "f64": 1e-11, "c64": 4e-5}


def agree(compiled: Compiled, arrays: Sequence[np.ndarray]) -> None:
    """Asserts that the program gives what the interpreter gives."""
    expected = interpret(compiled.graph, *arrays)
    dtypes = {v.dtype for v in compiled.graph.values}
    tolerance = max(t for d, t in TOLERANCES.items() if d in dtypes or d == "f64")
    for got, want in zip(compiled.program(tuple(arrays)), expected, strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        if NAMES[want.dtype] in INEXACT:
            got, want = (x.astype(np.result_type(x, np.float64)) for x in (got, want))
            np.testing.assert_allclose(got, want, tolerance, tolerance, err_msg=str(compiled.graph))
        else:
            np.testing.assert_array_equal(got, want, err_msg=str(compiled.graph))


@pytest.fixture(scope="module")
def samples() -> dict[str, list[tuple[Compiled, Sample]]]:
    """Every sample of the registry, compiled; all kernels as one module of machine code."""
    found = {
        name: [(compile_graph(sample_graph(s)), s) for s in op.samples() if not s.error]
        for name, op in sorted(Op.registry.items())
        if issubclass(op, Op)
    }
    machine_code(
        low for many in found.values() for compiled, _ in many for _, low in compiled.lowered
    )
    return found


@pytest.mark.parametrize("name", sorted(Op.registry))
def test_compiled_op_equals_its_reference(name: str, samples) -> None:
    for k, (compiled, sample) in enumerate(samples[name]):
        agree(compiled, sample_arrays(sample, k))


@pytest.mark.parametrize("name", sorted(Op.registry))
def test_no_op_of_the_spine_runs_on_the_host(name: str, samples) -> None:
    for compiled, _ in samples[name]:
        host = [w for _, w in compiled.plan.schedule.works if isinstance(w, HostWork)]
        assert all(isinstance(w.node.op, Outside) or w.node.op.hosted for w in host)


def test_random_graphs_compiled_equal_interpreted() -> None:
    compiled = [compile_graph(random_graph(seed)) for seed in range(GRAPHS)]
    machine_code(low for c in compiled for _, low in c.lowered)
    for seed, c in enumerate(compiled):
        agree(c, random_arrays(c.graph, seed))


@pytest.mark.parametrize("dtype", sorted({*INTEGERS, *FLOATS}))
def test_constants_of_every_dtype_reach_the_machine(dtype: str) -> None:
    x = Value(Type(dtype, (3,)))
    most = 1000.5 if dtype in FLOATS else int(np.iinfo(NUMPY[dtype]).max)
    numbers = [most, 77 if dtype in INTEGERS else -0.3, 19 if dtype in INTEGERS else 1e-5]
    outs = [ops.maximum(ops.add(x, x), ops.full(n, x.type)) for n in numbers]
    agree(compile_graph(Graph.of("f", (x,), outs)), [np.arange(3).astype(NUMPY[dtype])])
