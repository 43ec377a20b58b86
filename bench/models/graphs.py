"""Networks on graphs: each node becomes a function of itself and of its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import peers
from .model import Model, cross_entropy, integers, model, parameter, torch_linear, weights


def edges(nodes: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets, one of each node to itself among them, in the order of targets."""
    rng = np.random.default_rng(3)
    source = np.concatenate([np.arange(nodes), rng.integers(0, nodes, count)])
    target = np.concatenate([np.arange(nodes), rng.integers(0, nodes, count)])
    order = np.argsort(target, kind="stable")
    return source[order].astype(np.int32), target[order].astype(np.int32)


def problem(nodes: int, count: int, size: int) -> tuple[np.ndarray, ...]:
    return peers.random(nodes, size, seed=2), integers(7, nodes), *edges(nodes, count)


@model("GCN step", "step", {"nodes": 9, "links": 20, "size": 8}, quick=True)
def gcn(nodes: int = 2708, links: int = 10556, size: int = 256, hidden: int = 64) -> Model:
    """D^-1/2 A D^-1/2 x W, twice, A with every node to itself; Kipf and Welling, 2017."""
    x, labels, source, target = problem(nodes, links, size)
    degree = np.bincount(target, minlength=nodes).astype(np.float32)
    scale = 1 / np.sqrt(degree[source] * degree[target])
    parameters = {
        "first": weights(size, hidden),
        "second": weights(hidden, 7),
        "biases": [np.zeros(hidden, np.float32), np.zeros(7, np.float32)],
    }

    def function(m: Any, p: Any, x: Any, y: Any, source: Any, target: Any, scale: Any) -> Any:
        def gathered(h: Any) -> Any:
            messages = scale[:, None] * h[source]
            return m.ops.segment_sum(messages, target, nodes, indices_are_sorted=True)

        h = m.nn.relu(gathered(x @ p["first"]) + p["biases"][0])
        return cross_entropy(m, gathered(h @ p["second"]) + p["biases"][1], y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Network(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = torch_linear(p["first"]), torch_linear(p["second"])
                self.biases = torch.nn.ParameterList(map(parameter, p["biases"]))

            def forward(self, x: Any, y: Any, source: Any, target: Any, scale: Any) -> Any:
                def gathered(h: Any) -> Any:
                    messages = scale[:, None] * h[source]
                    return h.new_zeros(h.shape).index_add(0, target, messages)

                h = torch.relu(gathered(self.first(x)) + self.biases[0])
                logits = gathered(self.second(h)) + self.biases[1]
                return torch.nn.functional.cross_entropy(logits, y)

        return Network()

    text = f"{nodes} nodes, {links} edges, {size}-{hidden}-7"
    return Model(text, parameters, (x, labels, source, target, scale), function, module)


@model("GAT step", "step", {"nodes": 9, "links": 20, "size": 8, "heads": 2})
def gat(
    nodes: int = 2708, links: int = 10556, size: int = 256, heads: int = 8, hidden: int = 8
) -> Model:
    """A mean of neighbours, by a softmax over edges, twice; Velickovic et al., 2018."""
    inputs = problem(nodes, links, size)
    layers = []
    for n, (rows, count, each) in enumerate([(size, heads, hidden), (heads * hidden, 1, 7)]):
        layers.append(
            {
                "w": weights(rows, count * each, seed=3 * n),
                "source": weights(count, each, seed=3 * n + 1, fan=each),
                "target": weights(count, each, seed=3 * n + 2, fan=each),
            }
        )

    def function(m: Any, p: Any, x: Any, y: Any, source: Any, target: Any) -> Any:
        def gathered(messages: Any, reduce: Any = m.ops.segment_sum) -> Any:
            return reduce(messages, target, nodes, indices_are_sorted=True)

        def layer(x: Any, p: Any) -> Any:
            h = (x @ p["w"]).reshape(nodes, *p["source"].shape)
            sends = m.numpy.sum(h * p["source"], axis=-1)
            takes = m.numpy.sum(h * p["target"], axis=-1)
            score = m.nn.leaky_relu(sends[source] + takes[target], 0.2)
            top = m.lax.stop_gradient(gathered(score, m.ops.segment_max))
            weight = m.numpy.exp(score - top[target])
            weight = weight / gathered(weight)[target]
            return gathered(weight[..., None] * h[source]).reshape(nodes, -1)

        h = m.nn.elu(layer(x, p[0]))
        return cross_entropy(m, layer(h, p[1]), y)

    def module(p: Any) -> Any:
        torch = peers.torch

        class Layer(torch.nn.Module):
            def __init__(self, w: Any, source: Any, target: Any) -> None:
                super().__init__()
                self.w, self.source = torch_linear(w), parameter(source)
                self.target = parameter(target)

            def forward(self, x: Any, source: Any, target: Any) -> Any:
                h = self.w(x).view(nodes, *self.source.shape)
                sends, takes = (h * self.source).sum(-1), (h * self.target).sum(-1)
                score = torch.nn.functional.leaky_relu(sends[source] + takes[target], 0.2)
                zeros = h.new_zeros(sends.shape)
                each = target[:, None].expand_as(score)
                top = zeros.scatter_reduce(0, each, score.detach(), "amax", include_self=False)
                weight = torch.exp(score - top[target])
                weight = weight / zeros.index_add(0, target, weight)[target]
                messages = weight[..., None] * h[source]
                return h.new_zeros(h.shape).index_add(0, target, messages).flatten(1)

        class Network(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = torch.nn.ModuleList(Layer(**one) for one in p)

            def forward(self, x: Any, y: Any, source: Any, target: Any) -> Any:
                first, last = self.layers
                h = torch.nn.functional.elu(first(x, source, target))
                return torch.nn.functional.cross_entropy(last(h, source, target), y)

        return Network()

    text = f"{nodes} nodes, {links} edges, {size}-{heads}x{hidden}-7"
    return Model(text, layers, inputs, function, module)
