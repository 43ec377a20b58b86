"""Random bits are those of jax.random."""

import numpy as np
import pytest

from wonderland.compiler import ops
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.transform.interpreter import interpret

KEY = Type("u32", (2,))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
@pytest.mark.parametrize("shape", [(), (5,), (3, 7), (0, 2)])
def test_bits_are_those_of_jax(seed: int, shape: tuple[int, ...]) -> None:
    jax = pytest.importorskip("jax")
    key = Value(KEY)
    graph = Graph.of("bits", (key,), (ops.random_bits(key, shape),))
    theirs = jax.random.key(seed)
    (found,) = interpret(graph, np.asarray(jax.random.key_data(theirs)))
    np.testing.assert_array_equal(found, jax.random.bits(theirs, shape))


def test_counters_under_a_key_split_it_and_fold_numbers_into_it() -> None:
    jax = pytest.importorskip("jax")
    key, counters = Value(KEY), Value(Type("u32", (4, 2)))
    graph = Graph.of("split", (key, counters), (ops.threefry(key, counters),))
    theirs = jax.random.key(42)
    numbers = np.stack([np.zeros(4), np.arange(4)], -1).astype(np.uint32)
    (found,) = interpret(graph, np.asarray(jax.random.key_data(theirs)), numbers)
    np.testing.assert_array_equal(found, jax.random.key_data(jax.random.split(theirs, 4)))
    np.testing.assert_array_equal(found[3], jax.random.key_data(jax.random.fold_in(theirs, 3)))


def test_bits_without_jax_are_those_once_published() -> None:
    """The known answer of Random123 for Threefry-2x32-20."""
    key, counters = Value(KEY), Value(KEY)
    graph = Graph.of("known", (key, counters), (ops.threefry(key, counters),))
    (found,) = interpret(
        graph,
        np.array([0x13198A2E, 0x03707344], np.uint32),
        np.array([0x243F6A88, 0x85A308D3], np.uint32),
    )
    assert [hex(v) for v in found] == ["0xc4923a9c", "0x483df7a0"]
