"""RWKV beside that of transformers."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families.rwkv import RWKV

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))


def test_rwkv_is_that_of_transformers() -> None:
    def theirs(w: Any, tokens: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from transformers import RwkvConfig, RwkvForCausalLM  # type: ignore[import-not-found]

        config = RwkvConfig(
            vocab_size=11, hidden_size=6, intermediate_size=24, num_hidden_layers=2,
            context_length=16, use_cache=False,
        )  # fmt: skip
        named = {"rwkv.embeddings.weight": w["embedding.weight"], "head.weight": w["head.weight"].T}
        for part in ("weight", "bias"):
            named[f"rwkv.blocks.0.pre_ln.{part}"] = w[f"norm.{part}"]
            named[f"rwkv.ln_out.{part}"] = w[f"last.{part}"]
        for i in range(2):
            block = f"rwkv.blocks.{i}."
            for part in ("weight", "bias"):
                for n in (0, 1):
                    named[f"{block}ln{n + 1}.{part}"] = w[f"blocks.{i}.norms.{n}.{part}"]
            for here, there in ("time", "attention"), ("channels", "feed_forward"):
                ours, its = f"blocks.{i}.{here}.", f"{block}{there}."
                for name in ("decay", "first", "mix_key", "mix_value", "mix_receptance"):
                    if ours + name in w:
                        x = w[ours + name]
                        named[f"{its}time_{name}"] = x[None, None] if "mix" in name else x
                for name in ("key", "value", "receptance", "output"):
                    if f"{ours}{name}.weight" in w:
                        named[f"{its}{name}.weight"] = w[f"{ours}{name}.weight"].T
        # its sums are f32, whatever the weights are
        wide = mock.patch.object(torch, "float32", torch.float64)
        with wide, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            model = RwkvForCausalLM(config)
            return torch.func.functional_call(model, named, (tokens,)).logits

    check(
        Case(
            "rwkv",
            lambda: RWKV.init(wl.random.key(0), 11, 6, 2),
            (TOKENS,),
            lambda model, tokens: model(tokens),
            theirs,
        )
    )
