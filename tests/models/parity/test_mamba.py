"""Mamba beside that of transformers."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland.models.families.mamba import MambaModel

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))


def test_mamba_is_that_of_transformers() -> None:
    def theirs(w: Any, tokens: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from transformers import MambaConfig, MambaForCausalLM  # type: ignore[import-not-found]

        config = MambaConfig(
            vocab_size=11, hidden_size=6, state_size=4, num_hidden_layers=2, time_step_rank=1,
            layer_norm_epsilon=1e-6, use_cache=False,
        )  # fmt: skip
        named = {
            "backbone.embeddings.weight": w["embedding.weight"],
            "lm_head.weight": w["embedding.weight"],
        }
        named["backbone.norm_f.weight"] = w["last.weight"]
        for i in range(2):
            ours, layer = f"mixers.{i}.", f"backbone.layers.{i}."
            named[f"{layer}norm.weight"] = w[f"norms.{i}.weight"]
            named |= {
                f"{layer}mixer.{name}": tensor
                for name, tensor in {
                    "in_proj.weight": w[f"{ours}up.weight"].T,
                    "conv1d.weight": w[f"{ours}conv_weight"].T[:, None],
                    "conv1d.bias": w[f"{ours}conv_bias"],
                    "x_proj.weight": w[f"{ours}select.weight"].T,
                    "dt_proj.weight": w[f"{ours}step.weight"].T,
                    "dt_proj.bias": w[f"{ours}step.bias"],
                    "A_log": w[f"{ours}log_a"].T,
                    "D": w[f"{ours}skip"],
                    "out_proj.weight": w[f"{ours}down.weight"].T,
                }.items()
            }
        # its norms and states are f32, whatever the weights are
        wide = mock.patch.object(torch, "float32", torch.float64)
        with wide, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            model = MambaForCausalLM(config)
            return torch.func.functional_call(model, named, (tokens,)).logits

    check(
        Case(
            "mamba",
            lambda: MambaModel.init(wl.random.key(0), 11, 6, 2, states=4),
            (TOKENS,),
            lambda model, tokens: model(tokens),
            theirs,
        )
    )
