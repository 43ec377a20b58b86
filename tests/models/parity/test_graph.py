"""Layers of graphs beside those of PyTorch Geometric."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families import graph as g

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # in theirs

SIZE, EDGE, KEY = 6, 3, wl.random.key(0)
rng = np.random.default_rng(0)
PAIRS = np.array([[0, 1], [1, 0], [2, 1], [3, 2], [0, 2], [4, 3], [1, 3], [3, 0]])
GRAPHS = [
    (rng.normal(size=(5, SIZE)), rng.normal(size=(8, EDGE)), PAIRS),
    (rng.normal(size=(3, SIZE)), rng.normal(size=(2, EDGE)), np.array([[0, 1], [1, 2]])),
]
BATCH = g.joined_graphs(GRAPHS, 9, 10)  # a node that pads, and no edges
NODES, EDGES = BATCH.nodes.astype(np.float64), BATCH.edges.astype(np.float64)


def batch(x: Any, edges: Any = None) -> g.GraphBatch:
    edges = BATCH.edges if edges is None else edges
    return dataclasses.replace(BATCH, nodes=x, edges=edges)


def neighbours() -> Any:
    import torch  # type: ignore[import-not-found]

    return torch.tensor(np.stack([BATCH.source, BATCH.target]).astype(np.int64))


def called(module: Any, weights: dict[str, Any], *args: Any, **options: Any) -> Any:
    from torch.func import functional_call  # type: ignore[import-not-found]

    return functional_call(module, weights, args, options)


def test_graph_convolution_is_gcnconv() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from torch_geometric.nn import GCNConv  # type: ignore[import-not-found]

        weights = {"lin.weight": w["weight"].T, "bias": w["bias"]}
        return called(GCNConv(SIZE, 4), weights, x, neighbours())

    check(
        Case(
            "graph_conv",
            lambda: g.GraphConv.init(KEY, SIZE, 4),
            (NODES,),
            lambda m, x: m(x, batch(x)),
            theirs,
        )
    )


def test_graph_attention_is_gatconv() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from torch_geometric.nn import GATConv  # type: ignore[import-not-found]

        weights = {
            "lin.weight": w["weight"].T,
            "att_src": w["source"][None],
            "att_dst": w["target"][None],
            "bias": w["bias"],
        }
        return called(GATConv(SIZE, 2, heads=2), weights, x, neighbours())

    check(
        Case(
            "graph_attention",
            lambda: g.GraphAttention.init(KEY, SIZE, 4, heads=2),
            (NODES,),
            lambda m, x: m(x, batch(x)),
            theirs,
        )
    )


def messages(w: Any, prefix: str = "") -> Any:
    """GINEConv with our weights, whose names are after a prefix."""
    from torch import nn  # type: ignore[import-not-found]
    from torch_geometric.nn import GINEConv  # type: ignore[import-not-found]

    update = nn.Sequential(nn.Linear(SIZE, 2 * SIZE), nn.ReLU(), nn.Linear(2 * SIZE, SIZE))
    names = {"nn.0": "update.up", "nn.2": "update.down", "lin": "edge"}
    weights = {f"{n}.weight": w[f"{prefix}{m}.weight"].T for n, m in names.items()}
    weights |= {f"{n}.bias": w[f"{prefix}{m}.bias"] for n, m in names.items()}
    weights["eps"] = w[f"{prefix}eps"].reshape(1)
    return GINEConv(update, train_eps=True, edge_dim=EDGE), weights


def test_message_passing_is_gineconv() -> None:
    def theirs(w: Any, x: Any, e: Any) -> Any:
        module, weights = messages(w)
        return called(module, weights, x, neighbours(), e)

    check(
        Case(
            "message_passing",
            lambda: g.MessagePassing.init(KEY, SIZE, EDGE),
            (NODES, EDGES),
            lambda m, x, e: m(x, batch(x, e)),
            theirs,
        )
    )


def test_a_graph_block_is_gpsconv() -> None:
    def theirs(w: Any, x: Any, e: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from torch_geometric.nn import GPSConv  # type: ignore[import-not-found]

        conv, weights = messages(w, "local.")
        module = GPSConv(SIZE, conv, heads=2, norm=None)
        weights = {f"conv.{n}": x for n, x in weights.items()}
        names = {"attn.out_proj": "attention.out", "mlp.0": "mlp.up", "mlp.3": "mlp.down"}
        weights |= {f"{n}.weight": w[f"{m}.weight"].T for n, m in names.items()}
        weights |= {f"{n}.bias": w[f"{m}.bias"] for n, m in names.items()}
        inner = [f"attention.{n}" for n in ("query", "key", "value")]
        weights["attn.in_proj_weight"] = torch.cat([w[f"{n}.weight"].T for n in inner])
        weights["attn.in_proj_bias"] = torch.cat([w[f"{n}.bias"] for n in inner])
        for i in range(3):  # its own norms are of batches or of whole graphs
            setattr(module, f"norm{i + 1}", torch.nn.LayerNorm(SIZE))
            weights |= {f"norm{i + 1}.{n}": w[f"norms.{i}.{n}"] for n in ("weight", "bias")}
        graph = torch.tensor([0] * 5 + [1] * 3 + [2])  # it knows no padding: a graph of one node
        return called(module, weights, x, neighbours(), graph, edge_attr=e)[:8]

    # the bias of keys has no part in a softmax: its gradient is rounding alone
    check(
        Case(
            "graph_block",
            lambda: g.GraphBlock.init(KEY, SIZE, EDGE, heads=2),
            (NODES, EDGES),
            lambda m, x, e: m(x, batch(x, e))[:8],
            theirs,
            single=1e-3,
        )
    )
