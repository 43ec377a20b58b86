"""The samples of the registry as graphs and arrays, for every test that goes through all ops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wonderland.compiler import ops  # noqa: F401  fill the registry
from wonderland.compiler.ir.graph import Graph, Node, Op, Sample, Value
from wonderland.compiler.ir.source import sourced
from wonderland.compiler.ir.types import UNSIGNED, Type
from wonderland.compiler.ops import nested  # noqa: F401  fill the registry


def samples(name: str, rejected: bool = False) -> Iterator[Sample]:
    """The valid, or the rejected, samples of an op."""
    return (s for s in Op.registry[name].samples() if bool(s.error) == rejected)


def sample_graph(sample: Sample) -> Graph:
    """The sample's op applied to inputs."""
    inputs = tuple(Value(t) for t in sample.types)
    with sourced(None):
        node = Node(sample.op, inputs)
    return Graph(sample.op.name.rstrip("_"), inputs, (node,), node.values)


def sample_arrays(sample: Sample, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Operands within the bounds of the sample, or the values that it names."""
    rng = np.random.default_rng(seed)
    named = sample.values or (None,) * len(sample.types)
    drawn = (random_operand(sample, t, rng) for t in sample.types)
    return tuple(
        d if v is None else np.asarray(v, t.numpy)
        for d, v, t in zip(drawn, named, sample.types, strict=True)
    )


def random_operand(sample: Sample, t: Type, rng: np.random.Generator) -> np.ndarray:
    low, high = sample.low, sample.high
    if t.dtype == "bool":
        return np.asarray(rng.integers(0, 2, t.shape)).astype(bool)
    if t.is_complex:
        re, im = (random_operand(sample, t.part, rng) for _ in range(2))
        return (re + 1j * im).astype(t.numpy)
    if t.is_float:
        return np.asarray(rng.uniform(low, high, t.shape)).astype(t.numpy)
    low = max(low, 0) if t.dtype in UNSIGNED else low
    return np.asarray(rng.integers(int(low), int(high) + 1, t.shape)).astype(t.numpy)
