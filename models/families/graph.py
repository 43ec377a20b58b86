"""Graphs: each node becomes a function of itself and of a sum over its neighbours, in no order.

    y_i = update(x_i, the sum of message(x_j, e_ji) over the edges from j to i)

A graph is features of nodes and edges, and two lists of node numbers. `block_diagonal` and
`joined_graphs` make one of many, whose matrix of neighbours has theirs on its diagonal.
`graph_tasks` trains:

    wonderland train graph_conv
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import lax, nn, ops, random
from wonderland.models import data

Array = Any


@nn.layer
class GraphBatch:
    """Nodes and edges, each from its source to its target, in the order of the targets."""

    nodes: Array  # [nodes, features]
    edges: Array  # [edges, features]
    source: Array  # i32[edges]
    target: Array  # i32[edges]
    graph: Array  # i32[nodes]: which graph a node is of
    mask: Array  # bool[nodes]: false where a node is padding
    count: int = 1  # how many graphs
    even: bool = False  # whether each has the same room

    def gather(self, messages: Array, reduce: Any = ops.segment_sum) -> Array:
        """At each node, the sum of what comes along the edges to it."""
        return reduce(messages, self.target, len(self.mask), indices_are_sorted=True)

    def readout(self, x: Array) -> Array:
        """The sum of the nodes of each graph, and their mean."""
        kept = np.where(self.mask[:, None], x, 0)
        total = ops.segment_sum(kept, self.graph, self.count, indices_are_sorted=True)
        sizes = ops.segment_sum(self.mask.astype(x.dtype), self.graph, self.count, True)
        return np.concatenate([total, total / np.maximum(sizes, 1)[:, None]], axis=1)


def block_diagonal(rows: data.Graphs) -> GraphBatch:
    """One graph of a batch of padded ones: the nodes of graph b are moved by b times their room."""
    count, size = rows.mask.shape
    first = size * np.arange(count, dtype=np.int32)
    source, target = ((x + first[:, None]).reshape(-1) for x in (rows.source, rows.target))
    nodes, edges = (x.reshape(count * x.shape[1], x.shape[2]) for x in (rows.nodes, rows.edges))
    graph = np.repeat(np.arange(count, dtype=np.int32), size)
    return GraphBatch(nodes, edges, source, target, graph, rows.mask.reshape(-1), count, True)


def joined_graphs(graphs: Sequence[tuple[Any, Any, Any]], nodes: int, edges: int) -> GraphBatch:
    """One graph of many of (nodes, edges, pairs), one after the other, padding at the end alone.

    All that have as many graphs in the same room are served by one program.
    """
    sizes = [len(x) for x, _, _ in graphs]
    firsts = numpy.cumsum([0, *sizes[:-1]])
    pairs = [
        numpy.reshape(p, (-1, 2)) + first for (_, _, p), first in zip(graphs, firsts, strict=True)
    ]
    x, e = (numpy.concatenate([g[i] for g in graphs]) for i in (0, 1))
    rows = data.graph_rows([(x, e, numpy.concatenate(pairs))], (nodes, edges))
    graph = numpy.full(nodes, len(graphs) - 1, numpy.int32)
    graph[: len(x)] = numpy.repeat(numpy.arange(len(graphs)), sizes)
    x, e, source, target, mask = (part[0] for part in rows)
    return GraphBatch(x, e, source, target, graph, mask, len(graphs))


def degrees(graph: GraphBatch) -> Array:
    """How many edges lead to each node."""
    return graph.gather(np.ones(len(graph.target), graph.nodes.dtype))


def adjacency(graph: GraphBatch) -> Array:
    """A_ij = how many edges lead to i from j, as a matrix"""
    size = len(graph.mask)
    ones = np.ones(len(graph.target), graph.nodes.dtype)
    return ops.segment_sum(ones, graph.target * size + graph.source, size * size).reshape(
        size, size
    )


def adjacency_rows(rows: data.Graphs) -> Array:
    """The matrix of each graph of a batch, [graphs, nodes, nodes]."""
    count, size = rows.mask.shape
    place = (np.arange(count)[:, None] * size + rows.target) * size + rows.source
    ones = np.ones(place.shape, rows.nodes.dtype)
    return ops.segment_sum(ones, place, count * size * size).reshape(count, size, size)


def normalised(a: Array) -> Array:
    """D^-1/2 A D^-1/2 where D has the sums of the rows; a node without neighbours keeps zeros"""
    degree = np.sum(a, axis=-1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    return scale[..., :, None] * a * scale[..., None, :]


def laplacian_eigenvectors(a: Array, count: int) -> Array:
    """The eigenvectors of I - D^-1/2 A D^-1/2 of the least eigenvalues but the first, as columns.

    Their signs are chance: a model should see both, or magnitudes.
    """
    return np.linalg.eigh(np.eye(a.shape[-1], dtype=a.dtype) - normalised(a))[1][..., 1 : count + 1]


def random_walks(a: Array, steps: int) -> Array:
    """The diagonals of P, P^2, ...: how likely a walk of 1, 2, ... steps ends where it began."""
    walk = a / np.maximum(np.sum(a, axis=-1, keepdims=True), 1)
    here, found = walk, []
    for _ in range(steps):
        found.append(np.diagonal(here, axis1=-2, axis2=-1))
        here = here @ walk
    return np.stack(found, axis=-1)


@nn.layer
class GraphConv:
    """GCN: D^-1/2 (A + I) D^-1/2 x weight + bias, where D has the degrees of A + I.

    Source: Kipf and Welling, Semi-supervised classification with graph convolutional networks,
    2017.
    """

    weight: Array
    bias: Array

    @classmethod
    def init(cls, key: Array, inputs: int, outputs: int) -> GraphConv:
        return cls(nn.glorot_uniform(key, (inputs, outputs)), np.zeros(outputs, np.float32))

    def __call__(self, x: Array, graph: GraphBatch) -> Array:
        scale = 1 / np.sqrt(1 + degrees(graph))[:, None]
        h = scale * (x @ self.weight)
        return scale * (h + graph.gather(h[graph.source])) + self.bias


@nn.layer
class GraphAttention:
    """GAT: each node is the mean of itself and its neighbours, weighted by a softmax of scores

    s_ij = leaky_relu(target . h_i + source . h_j), h = x weight, in several heads side by side.
    Source: Velickovic and others, Graph attention networks, 2018.
    """

    weight: Array  # [inputs, heads * size]
    source: Array  # [heads, size]
    target: Array  # [heads, size]
    bias: Array

    @classmethod
    def init(cls, key: Array, inputs: int, outputs: int, *, heads: int = 1) -> GraphAttention:
        size = outputs // heads
        w, s, t = random.split(key, 3)
        first = nn.glorot_uniform
        return cls(
            first(w, (inputs, outputs)),
            first(s, (heads, size)),
            first(t, (heads, size)),
            np.zeros(outputs, np.float32),
        )

    def __call__(self, x: Array, graph: GraphBatch) -> Array:
        h = (x @ self.weight).reshape(len(x), *self.source.shape)
        sends, takes = np.sum(h * self.source, axis=-1), np.sum(h * self.target, axis=-1)
        score = nn.leaky_relu(sends[graph.source] + takes[graph.target], 0.2)
        own = nn.leaky_relu(sends + takes, 0.2)
        top = lax.stop_gradient(np.maximum(own, graph.gather(score, ops.segment_max)))
        weight, loop = np.exp(score - top[graph.target]), np.exp(own - top)
        total = loop + graph.gather(weight)
        y = loop[:, :, None] * h + graph.gather(weight[:, :, None] * h[graph.source])
        return (y / total[:, :, None]).reshape(len(x), -1) + self.bias


@nn.layer
class MessagePassing:
    """update((1 + eps) x_i + the sum of relu(x_j + edge(e_ji)) over the edges from j to i)

    Source: Gilmer and others, Neural message passing for quantum chemistry, 2017; in the form of Hu
    and others, Strategies for pre-training graph neural networks, 2020 (GINE).
    """

    edge: nn.Linear
    update: nn.MLP
    eps: Array

    @classmethod
    def init(cls, key: Array, size: int, edge_size: int) -> MessagePassing:
        e, u = random.split(key)
        update = nn.MLP.init(u, size, 2 * size, activation=nn.relu)
        return cls(nn.Linear.init(e, edge_size, size), update, np.zeros((), np.float32))

    def __call__(self, x: Array, graph: GraphBatch) -> Array:
        message = nn.relu(x[graph.source] + self.edge(graph.edges))
        return self.update((1 + self.eps) * x + graph.gather(message))


@nn.layer
class GraphBlock:
    """A transformer block on graphs: messages along edges and attention to all nodes, then an MLP.

    Source: Rampasek and others, Recipe for a general, powerful, scalable graph transformer,
    2022 (GPS).
    """

    local: MessagePassing
    attention: nn.MultiHeadAttention
    mlp: nn.MLP
    norms: tuple[nn.LayerNorm, nn.LayerNorm, nn.LayerNorm]

    @classmethod
    def init(cls, key: Array, size: int, edge_size: int, *, heads: int = 4) -> GraphBlock:
        p, a, m = random.split(key, 3)
        return cls(
            MessagePassing.init(p, size, edge_size),
            nn.MultiHeadAttention.init(a, size, heads),
            nn.MLP.init(m, size, 2 * size, activation=nn.relu),
            (nn.LayerNorm.init(size), nn.LayerNorm.init(size), nn.LayerNorm.init(size)),
        )

    def __call__(self, x: Array, graph: GraphBatch) -> Array:
        near = self.norms[0](x + self.local(x, graph))
        far = self.norms[1](x + self.attend(x, graph))
        return self.norms[2](near + far + self.mlp(near + far))

    def attend(self, x: Array, graph: GraphBatch) -> Array:
        """Attention of every node to those of its graph, which are side by side in even batches."""
        apart = graph.count if graph.even else 1, -1
        ids, mask = graph.graph.reshape(apart), graph.mask.reshape(apart)
        same = (ids[:, None, :, None] == ids[:, None, None, :]) & mask[:, None, None, :]
        return self.attention(x.reshape(*apart, x.shape[1]), mask=same).reshape(x.shape)
