"""Linear attention and attention-free layers beside their sums in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families.attention_free import AFT
from wonderland.models.families.linear_attention import LinearAttention

X = np.random.default_rng(0).normal(size=(2, 7, 6))
TIME, HEADS = X.shape[1], 2


def test_linear_attention_is_its_sums() -> None:
    def theirs(w: Any, x: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        qkv = torch.cat([x, before], -1) @ w["qkv.weight"] + w["qkv.bias"]
        q, k, v = (a.unflatten(-1, (HEADS, -1)).transpose(1, 2) for a in qkv.chunk(3, -1))
        q, k = (torch.nn.functional.elu(a) + 1 for a in (q, k))
        similar = torch.tril(q @ k.mT)
        y = (similar / similar.sum(-1, keepdim=True)) @ v
        return y.transpose(1, 2).flatten(2) @ w["output.weight"] + w["output.bias"]

    def ours(model: Any, x: Any) -> Any:
        return model(x)

    def made() -> LinearAttention:
        layer = LinearAttention.init(wl.random.key(0), 6, HEADS)
        return LinearAttention(layer.qkv, layer.output, HEADS, chunk=3)

    check(Case("linear_attention", made, (X,), ours, theirs))


def test_attention_free_layers_are_their_sums() -> None:
    for name, window in (("aft_simple", 0), ("aft_local", 3), ("aft_full", TIME)):

        def theirs(w: Any, x: Any) -> Any:
            import torch  # type: ignore[import-not-found]

            q, k, v = (x @ w["qkv.weight"] + w["qkv.bias"]).chunk(3, -1)
            apart = torch.arange(TIME)[:, None] - torch.arange(TIME)
            places = torch.where(apart < window, w["rows"] @ w["columns"].T, 0)  # noqa: B023
            e = torch.exp(k[:, None] + places[..., None]) * (apart >= 0)[..., None]
            y = torch.sigmoid(q) * (e * v[:, None]).sum(2) / e.sum(2)
            return y @ w["output.weight"] + w["output.bias"]

        check(
            Case(
                name,
                lambda: AFT.init(wl.random.key(0), 6, window, TIME, rank=3),  # noqa: B023
                (X,),
                lambda model, x: model(x),
                theirs,
            )
        )
