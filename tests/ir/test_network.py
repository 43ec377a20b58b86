"""A graph as a networkx graph: the same nodes, edges and order."""

import networkx as nx
import numpy as np

import wonderland as wl


def test_nodes_and_edges_are_those_of_the_graph():
    traced = wl.trace(lambda x, y: (np.sin(x) * y, np.sort(x)), np.zeros(3), np.zeros(3))
    made, graph = traced.network(), traced.graph
    ops = [made.nodes[k]["op"] for k in range(len(made))]
    assert ops == ["input", "input", *(n.op.name for n in graph.nodes)]
    assert list(nx.lexicographical_topological_sort(made)) == list(range(len(made)))
    (product,) = (k for k in made if made.nodes[k]["op"] == "mul")
    operands = sorted(
        (of["operand"], made.nodes[a]["op"]) for a, _, of in made.in_edges(product, data=True)
    )
    assert operands == [(0, "sin"), (1, "input")]
    assert made.nodes[product]["outputs"] == [0] and made.nodes[product]["types"] == ("f64[3]",)
    assert "test_network.py" in made.nodes[product]["source"]


def test_an_operand_that_is_read_twice_is_two_edges():
    made = wl.trace(lambda x: x * x, np.float32(1)).network()
    assert made.number_of_edges() == 2
