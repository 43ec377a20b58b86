"""Graphs: the order of nodes does not matter, a batch is its graphs, padding is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models import data
from wonderland.models.families import graph as g
from wonderland.models.families import graph_tasks

SIZE, EDGE = 8, 3
KEY = wl.random.key(0)
LAYERS = {
    "GraphConv": g.GraphConv.init(KEY, SIZE, SIZE),
    "GraphAttention": g.GraphAttention.init(KEY, SIZE, SIZE, heads=2),
    "MessagePassing": g.MessagePassing.init(KEY, SIZE, EDGE),
    "GraphBlock": g.GraphBlock.init(KEY, SIZE, EDGE, heads=2),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


def drawn(seed: int, nodes: int, edges: int) -> tuple[Any, Any, Any]:
    """A graph of chance, with edges that lead from anywhere to anywhere, twice at times."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, nodes, (edges, 2))
    x, e = rng.normal(size=(nodes, SIZE)), rng.normal(size=(edges, EDGE))
    return x.astype(np.float32), e.astype(np.float32), pairs


GRAPHS = [drawn(0, 5, 9), drawn(1, 3, 0), drawn(2, 7, 12)]


def alone(graph: Any) -> g.GraphBatch:
    return g.joined_graphs([graph], len(graph[0]) + 1, len(graph[1]))


def applied(name: str, graph: g.GraphBatch) -> np.ndarray:
    return np.asarray(LAYERS[name](graph.nodes, graph))[graph.mask]


@every_layer
def test_nodes_in_another_order_give_the_same_in_that_order(name):
    x, e, pairs = GRAPHS[2]
    order = np.random.default_rng(3).permutation(len(x))
    moved = x[order], e, np.argsort(order)[pairs]
    np.testing.assert_allclose(
        applied(name, alone(moved)), applied(name, alone(GRAPHS[2]))[order], atol=2e-6
    )


@every_layer
def test_a_batch_of_graphs_gives_what_each_gives_alone(name):
    each = np.concatenate([applied(name, alone(graph)) for graph in GRAPHS])
    joined = g.joined_graphs(GRAPHS, 20, 30)
    np.testing.assert_allclose(applied(name, joined), each, atol=2e-6)
    rows = g.block_diagonal(data.graph_rows(GRAPHS, (10, 14)))
    np.testing.assert_allclose(applied(name, rows), each, atol=2e-6)


@every_layer
def test_what_is_written_into_padding_changes_nothing_else(name):
    graph = g.block_diagonal(data.graph_rows(GRAPHS, (10, 14)))
    noise = np.random.default_rng(4).normal(size=graph.nodes.shape)
    x = np.where(graph.mask[:, None], graph.nodes, noise).astype(np.float32)
    y = np.asarray(LAYERS[name](x, graph))[graph.mask]
    np.testing.assert_allclose(y, applied(name, graph), atol=2e-6)


@every_layer
def test_a_node_knows_its_neighbours_alone_unless_it_attends(name):
    path = np.eye(6, SIZE, dtype=np.float32), np.zeros((5, EDGE), np.float32), None
    graph = alone((*path[:2], np.stack([np.arange(5), np.arange(1, 6)], axis=1)))
    changed = graph.nodes.copy()
    changed[0] += 1
    other = np.asarray(LAYERS[name](changed, graph))[graph.mask]
    differs = np.any(abs(other - applied(name, graph)) > 1e-6, axis=1)
    assert differs.tolist() == [True, True] + [name == "GraphBlock"] * 4


def test_a_graph_convolution_is_a_product_with_the_normalised_matrix():
    graph, layer = alone(GRAPHS[0]), LAYERS["GraphConv"]
    a = np.asarray(g.adjacency(graph))[:-1, :-1]
    whole = a + np.eye(len(a))
    scale = 1 / np.sqrt(whole.sum(1))
    expected = scale[:, None] * whole * scale @ graph.nodes[:-1] @ layer.weight
    np.testing.assert_allclose(applied("GraphConv", graph), expected, atol=2e-6)
    np.testing.assert_allclose(np.asarray(g.degrees(graph))[:-1], a.sum(1))


def test_a_readout_is_the_sum_and_the_mean_of_each_graph():
    graph = g.joined_graphs(GRAPHS, 20, 30)
    found = np.asarray(graph.readout(graph.nodes))
    expected = [np.concatenate([x.sum(0), x.mean(0)]) for x, _, _ in GRAPHS]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_walks_on_a_ring_return_as_binomials_say():
    ring = np.roll(np.eye(6, dtype=np.float32), 1, axis=1)
    found = np.asarray(g.random_walks(ring + ring.T, 4))
    np.testing.assert_allclose(found, np.tile([0, 1 / 2, 0, 3 / 8], (6, 1)), atol=1e-6)


def test_eigenvectors_of_a_ring_are_its_slowest_waves():
    ring = np.roll(np.eye(8), 1, axis=1)
    laplacian = np.eye(8) - (ring + ring.T) / 2
    found = np.asarray(g.laplacian_eigenvectors(ring + ring.T, 2))
    np.testing.assert_allclose(laplacian @ found, (1 - np.cos(np.pi / 4)) * found, atol=1e-12)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-12)


def test_batches_of_one_room_are_arguments_of_one_kind_for_one_program():
    first, other = g.joined_graphs(GRAPHS, 20, 30), g.joined_graphs(GRAPHS[::-1], 20, 30)
    kinds = [[(x.shape, x.dtype) for x in wl.tree.leaves(batch)] for batch in (first, other)]
    assert kinds[0] == kinds[1] and wl.tree.structure(first) == wl.tree.structure(other)
    with pytest.raises(ValueError, match="16 nodes, one that pads, and 21 edges is required"):
        g.joined_graphs(GRAPHS, 15, 30)


@pytest.mark.parametrize("layer", [graph_tasks.ResidualMessages, g.GraphBlock])
def test_the_number_of_a_graph_does_not_change_with_the_order_of_its_nodes(layer):
    x, e, pairs = GRAPHS[2]
    order = np.random.default_rng(3).permutation(len(x))
    rows = data.graph_rows([(x, e, pairs), (x[order], e, np.argsort(order)[pairs]), GRAPHS[0]])
    split = data.Split((rows, None), None)
    model = graph_tasks.GraphModel.init(KEY, split, layer, 8, 2, walks=3)
    first, same, other = np.asarray(model(rows))
    assert first == pytest.approx(same, abs=1e-5) and abs(first - other) > 1e-3


def test_an_edge_ranks_by_how_many_others_it_is_above():
    z = np.array([[1, 0], [2, 0], [0, 1], [0, 0]], np.float32)
    rows = data.graph_rows([(z[:3], np.zeros((0, 0)), [])])
    model = graph_tasks.NodeModel((lambda x, graph: z,))
    pairs = np.array([[[[0, 1], [0, 2]], [[1, 2], [0, 0]]]], np.int32)  # 2 and 0, beside 0 and 1
    assert graph_tasks.edge_ranks(model, (rows, pairs)) == pytest.approx((1.5 + 1) / 4)
