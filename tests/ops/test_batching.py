"""The batch rule of every op: on a batch it gives what a loop of the op gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.ops.sampling import sample_arrays, sample_graph, samples
from wonderland.compiler.ir.graph import Graph, Op, Sample
from wonderland.compiler.ir.types import INEXACT, NAMES
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops.collective import Collective
from wonderland.compiler.pipeline import compile_graph, machine_code
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.interpreter import interpret

WITH_OPERANDS = [n for n in sorted(Op.registry) if any(s.types for s in samples(n))]


def marked(sample: Sample) -> Iterator[tuple[bool, ...]]:
    """Every choice of batched operands but none; of a collective op's x alone, see
    tests/front/test_collectives.py for what it reads of others.
    """
    count = len(sample.types)
    if isinstance(sample.op, Collective):
        yield (True, False)
        return
    yield from itertools.islice(itertools.product((True, False), repeat=count), 2**count - 1)


def operands(
    sample: Sample, marks: tuple[bool, ...], size: int, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """Arrays of the sample, of the marked operands `size` of them."""
    rows = [sample_arrays(sample, seed + k) for k in range(max(size, 1))]
    return tuple(
        np.stack([r[i] for r in rows])[:size] if yes else rows[0][i] for i, yes in enumerate(marks)
    )


def looped(
    graph: Graph, arrays: tuple[np.ndarray, ...], marks: tuple[bool, ...], size: int
) -> list[tuple[np.ndarray, ...]]:
    """The results of each application."""
    return [
        interpret(graph, *(a[k] if yes else a for a, yes in zip(arrays, marks, strict=True)))
        for k in range(size)
    ]


def agree(found: np.ndarray, rows: list[np.ndarray], message: str) -> None:
    expected = np.stack(rows)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), message
    if NAMES[found.dtype] in INEXACT:
        # sums of a few products, maybe in another order
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5, err_msg=message)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=message)


@pytest.mark.parametrize("name", WITH_OPERANDS)
def test_a_batch_is_a_loop_of_the_op(name: str) -> None:
    for s in samples(name):
        for marks in marked(s):
            graph, wide = batch(sample_graph(s), marks, 3)
            verify(graph)
            arrays = operands(s, marks, 3)
            rows = looped(sample_graph(s), arrays, marks, 3)
            for i, (found, yes) in enumerate(zip(interpret(graph, *arrays), wide, strict=True)):
                message = f"{s.op} of {s.types}, batched {marks}"
                several = found if yes else np.stack([found] * 3)
                agree(several, [r[i] for r in rows], message)


@pytest.mark.parametrize("name", WITH_OPERANDS)
def test_a_batch_of_one_or_none_keeps_the_types(name: str) -> None:
    for s in samples(name):
        for size in (0, 1):
            marks = next(marked(s))
            graph, wide = batch(
                sample_graph(s), marks, size, (True,) * len(sample_graph(s).outputs)
            )
            assert all(wide)
            found = interpret(verify(graph), *operands(s, marks, size))
            for f, v in zip(found, sample_graph(s).outputs, strict=True):
                assert (f.dtype, f.shape) == (v.type.numpy, (size, *v.shape))


@pytest.mark.parametrize("name", WITH_OPERANDS)
def test_a_batch_of_a_batch_is_a_loop_of_loops(name: str) -> None:
    for s in samples(name):
        if len(s.types) > 2:
            continue
        for inner, outer in itertools.product(marked(s), repeat=2):
            once, wide = batch(sample_graph(s), inner, 2)
            twice, _ = batch(once, outer, 3, [True] * len(wide))
            verify(twice)
            draws = [operands(s, inner, 2, seed) for seed in (0, 10, 20)]
            arrays = tuple(
                np.stack([d[i] for d in draws]) if yes else draws[0][i]
                for i, yes in enumerate(outer)
            )
            rows = looped(once, arrays, outer, 3)
            for k, found in enumerate(interpret(twice, *arrays)):
                message = f"{s.op} of {s.types}, batched {inner}, then {outer}"
                agree(found, [r[k] for r in rows], message)


COMPILED = (
    "add", "select", "reshape", "pad", "concatenate", "sum", "argmax", "dot_general",
    "gather", "scatter", "random_bits", "threefry", "scan", "switch", "while_loop",
)  # fmt: skip


def test_compiled_batches_are_those_interpreted() -> None:
    chosen = [
        (s, marks)
        for name in COMPILED
        for s in itertools.islice(samples(name), 0, None, 3)
        for marks in marked(s)
    ]
    compiled = [compile_graph(batch(sample_graph(s), marks, 3)[0]) for s, marks in chosen]
    machine_code(low for c in compiled for _, low in c.lowered)
    for (s, marks), c in zip(chosen, compiled, strict=True):
        arrays = operands(s, marks, 3)
        for got, want in zip(c.program(arrays), interpret(c.graph, *arrays), strict=True):
            agree(got[None], [want], f"{s.op} of {s.types}, batched {marks}")
