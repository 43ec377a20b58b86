"""A graph as a networkx graph: the same nodes, edges and order."""

import networkx as nx
import numpy as np

import wonderland as wl


def test_nodes_and_edges_are_those_of_the_graph():
    traced = wl.trace(lambda x, y: (np.sin(x) * y, np.sort(x)), np.zeros(3), np.zeros(3))
    made, graph = traced.graph.to_networkx(), traced.graph
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
    made = wl.trace(lambda x: x * x, np.float32(1)).graph.to_networkx()
    assert made.number_of_edges() == 2


def test_dot_has_every_node_and_edge_with_what_they_are():
    graph = wl.trace(lambda x: np.sum(np.sin(x) * x, axis=0), np.zeros((2, 3))).graph
    lines = graph.to_dot().splitlines()
    assert lines[0] == 'digraph "function" {' and lines[-1] == "}"
    assert lines[2] == '    0 [label="input\\nf64[2, 3]", tooltip=""]'
    assert '3 [label="sum\\nf64[3]\\noutput 0", tooltip="axes=(0,)' in lines[5]
    assert [line.strip() for line in lines[6:-1]] == ["0 -> 1", "0 -> 2", "1 -> 2", "2 -> 3"]
