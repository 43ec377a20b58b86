"""Tasks of graphs: what a node is, whether an edge is there, what a whole graph is like.

    wonderland train graph_conv       # sections of Debian's packages, by words and dependencies
    wonderland train graph_attention  # who followed whom when a karate club split
    wonderland train graph_edges      # dependencies that were hidden
    wonderland train message_passing  # how well molecules dissolve; graph_transformer does, too

Rows of data are padded graphs; a batch of them is one block-diagonal graph.
"""

from __future__ import annotations

from typing import Any

import numpy

import wonderland.numpy as np
from wonderland import nn, optim, random
from wonderland.models import Recipe, data
from wonderland.models.families.graph import (
    GraphAttention,
    GraphBatch,
    GraphBlock,
    GraphConv,
    MessagePassing,
    adjacency_rows,
    block_diagonal,
    degrees,
    random_walks,
)

Array = Any


@nn.layer
class NodeModel:
    """Layers of graph convolution or attention, relu and dropout between them."""

    layers: tuple[Any, ...]
    rate: float = 0.5

    def __call__(self, graph: GraphBatch, key: Array = None) -> Array:
        x = graph.nodes
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x, graph))
            if key is not None:
                key, now = random.split(key)
                x = nn.dropout(now, x, self.rate)
        return self.layers[-1](x, graph)


def node_loss(model: NodeModel, batch: Any, key: Array) -> Array:
    """The mean cross-entropy of the nodes whose label is known, which is 0 or more."""
    rows, labels = batch[0], batch[1].reshape(-1)
    logits = model(block_diagonal(rows), key)
    errors = nn.softmax_cross_entropy_with_integer_labels(logits, np.maximum(labels, 0))
    return np.sum(np.where(labels >= 0, errors, 0)) / np.sum(labels >= 0)


def node_accuracy(model: NodeModel, batch: Any) -> Array:
    """The part of the nodes with a label that are put in their class."""
    rows, labels = batch[0], batch[1].reshape(-1)
    right = np.argmax(model(block_diagonal(rows)), axis=1) == labels
    return np.sum(right & (labels >= 0)) / np.sum(labels >= 0)


def most_usual(split: data.Split) -> float:
    """The accuracy of the most usual known label."""
    known, asked = (y[y >= 0] for _, y in (split.train, split.test))
    return float(numpy.mean(asked == numpy.bincount(known).argmax()))


def edge_scores(model: NodeModel, rows: data.Graphs, pairs: Array, key: Array = None) -> Array:
    """For each pair of nodes, the product of what they have become."""
    z = model(block_diagonal(rows), key)
    return np.sum(z[pairs[..., 0]] * z[pairs[..., 1]], axis=-1)


def edge_loss(model: NodeModel, batch: Any, key: Array) -> Array:
    """Cross-entropy of edges against as many pairs of chance, which are new at every step."""
    rows, pairs = batch[0], batch[1][0]
    here, now = random.split(key)
    chance = random.randint(now, pairs[1].shape, 0, rows.mask.shape[1] - 1, "int32")
    edges, others = edge_scores(model, rows, np.stack([pairs[0], chance]), here)
    return np.mean(nn.softplus(-edges) + nn.softplus(others)) / 2


def edge_ranks(model: NodeModel, batch: Any) -> Array:
    """The area under the curve: how often an edge scores above a pair that is none."""
    rows, pairs = batch[0], batch[1][0]
    edges, others = edge_scores(model, rows, pairs)
    difference = edges[:, None] - others
    return np.mean((difference > 0) + 0.5 * (difference == 0))


def by_degree(split: data.Split) -> float:
    """The same of how many edges the two nodes have, multiplied: the rich get richer."""
    rows, pairs = split.test[0], split.test[1][0]
    degree = numpy.bincount(rows.source[0], minlength=rows.mask.shape[1]).astype(float)
    edges, others = degree[pairs[..., 0]] * degree[pairs[..., 1]]
    difference = edges[:, None] - others
    return float(numpy.mean((difference > 0) + 0.5 * (difference == 0)))


def init_nodes(key: Array, split: data.Split, outputs: int | None = None) -> NodeModel:
    """Two graph convolutions, to the classes or `outputs` features."""
    a, b = random.split(key)
    inputs, outputs = split.train[0].nodes.shape[-1], outputs or len(split.names)
    return NodeModel((GraphConv.init(a, inputs, 64), GraphConv.init(b, 64, outputs)))


def init_club(key: Array, split: data.Split) -> NodeModel:
    """Two layers of graph attention, the first of four heads."""
    a, b = random.split(key)
    first = GraphAttention.init(a, split.train[0].nodes.shape[-1], 16, heads=4)
    return NodeModel((first, GraphAttention.init(b, 16, len(split.names))))


@nn.layer
class GraphModel:
    """A number for each graph: of its nodes' features, through layers, from their sum and mean.

    With `walks` the nodes know their degree and how often walks return to them.
    """

    nodes: nn.Linear
    layers: tuple[Any, ...]
    out: nn.MLP
    walks: int = 0

    @classmethod
    def init(
        cls, key: Array, split: data.Split, layer: Any, size: int, depth: int, walks: int = 0
    ) -> GraphModel:
        a, b, *keys = random.split(key, 2 + depth)
        inputs = split.train[0].nodes.shape[-1] + (1 + walks if walks else 0)
        edge = split.train[0].edges.shape[-1]
        layers = tuple(layer.init(k, size, edge) for k in keys)
        out = nn.MLP.init(b, 2 * size, size, 1, activation=nn.relu)
        return cls(nn.Linear.init(a, inputs, size), layers, out, walks)

    def __call__(self, rows: data.Graphs) -> Array:
        graph = block_diagonal(rows)
        x = graph.nodes
        if self.walks:
            back = random_walks(adjacency_rows(rows), self.walks)
            x = np.concatenate([x, degrees(graph)[:, None], back.reshape(len(x), -1)], axis=1)
        x = self.nodes(x)
        for layer in self.layers:
            x = layer(x, graph)
        return self.out(graph.readout(x))[:, 0]


@nn.layer
class ResidualMessages:
    """x + messages(norm(x))"""

    norm: nn.LayerNorm
    messages: MessagePassing

    @classmethod
    def init(cls, key: Array, size: int, edge_size: int) -> ResidualMessages:
        return cls(nn.LayerNorm.init(size), MessagePassing.init(key, size, edge_size))

    def __call__(self, x: Array, graph: GraphBatch) -> Array:
        return x + self.messages(self.norm(x), graph)


def number_loss(model: GraphModel, batch: Any) -> Array:
    """The mean Huber loss of one number a graph."""
    return np.mean(nn.huber_loss(model(batch[0]), batch[1]))


def number_error(model: GraphModel, batch: Any) -> Array:
    """The mean absolute error of one number a graph."""
    return np.mean(np.abs(model(batch[0]) - batch[1]))


def middle(split: data.Split) -> float:
    """The mean absolute error of the median."""
    return float(numpy.mean(abs(split.test[1] - numpy.median(split.train[1]))))


def number_picture(model: GraphModel, split: data.Split) -> Any:
    """What is predicted for the test part, over what was measured."""
    from matplotlib.figure import Figure

    rows, y = split.test
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(y, numpy.asarray(model(rows)), ".", alpha=0.6)
    axes.axline((float(y.min()), float(y.min())), slope=1, color="black", linewidth=0.8)
    axes.set(xlabel="measured, log10 of mol/l", ylabel="predicted")
    axes.set_aspect("equal")
    return figure


def club_picture(model: NodeModel, split: data.Split) -> Any:
    """The club: a colour for the side that is predicted, a ring where that is wrong."""
    import networkx
    from matplotlib.figure import Figure

    (rows, known), (_, asked) = split.train, split.test
    club = networkx.karate_club_graph()
    guess = numpy.asarray(np.argmax(model(block_diagonal(rows)), axis=1))[:34]
    truth = numpy.maximum(known, asked)[0, :34]
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title("sides of the club as predicted, ringed where wrong")
    networkx.draw_networkx(
        club,
        networkx.kamada_kawai_layout(club),
        ax=axes,
        node_color=["tab:blue" if g else "tab:orange" for g in guess],
        edgecolors=["black" if g != t else "none" for g, t in zip(guess, truth, strict=True)],
        linewidths=2,
        width=0.4,
        font_size=8,
    )
    return figure


CHAPTER = "12"  # graph models

RECIPES = (
    Recipe(
        name="graph_conv",
        chapter=CHAPTER,
        about="GCN: sections of Debian's packages by words and dependencies, a tenth known",
        data=data.debian_sections,
        init=init_nodes,
        loss=node_loss,
        score=node_accuracy,
        measure="accuracy",
        baseline=most_usual,
        stated=0.782,
        rate=1e-2,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=100,
        batch_size=1,
    ),
    Recipe(
        name="graph_attention",
        chapter=CHAPTER,
        about="GAT: sides of a karate club that split, of which two members' are known",
        data=data.karate_club,
        init=init_club,
        loss=node_loss,
        score=node_accuracy,
        measure="accuracy",
        baseline=most_usual,
        stated=0.97,
        rate=1e-2,
        epochs=60,
        batch_size=1,
        picture=club_picture,
    ),
    Recipe(
        name="graph_edges",
        chapter=CHAPTER,
        about="edges by products of nodes: dependencies of Debian's packages that were hidden",
        data=data.debian_dependencies,
        init=lambda key, split: init_nodes(key, split, 32),
        loss=edge_loss,
        score=edge_ranks,
        measure="area under the curve",
        baseline=by_degree,
        stated=0.923,
        rate=1e-2,
        epochs=60,
        batch_size=1,
    ),
    Recipe(
        name="message_passing",
        chapter=CHAPTER,
        about="messages along bonds: the solubility of molecules in water, log10 of mol/l",
        data=data.solubility,
        init=lambda key, split: GraphModel.init(key, split, ResidualMessages, 64, 4),
        loss=number_loss,
        score=number_error,
        measure="mean absolute error",
        higher=False,
        baseline=middle,
        stated=0.458,
        rate=3e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=30,
        batch_size=32,
        picture=number_picture,
    ),
    Recipe(
        name="graph_transformer",
        chapter=CHAPTER,
        about="messages and attention to all atoms, which know how often walks return to them",
        data=data.solubility,
        init=lambda key, split: GraphModel.init(key, split, GraphBlock, 48, 3, 8),
        loss=number_loss,
        score=number_error,
        measure="mean absolute error",
        higher=False,
        baseline=middle,
        stated=0.436,
        rate=3e-3,
        optimizer=lambda schedule: optim.adamw(schedule, weight_decay=1e-2),
        epochs=30,
        batch_size=32,
        picture=number_picture,
    ),
)
