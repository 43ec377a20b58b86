"""Vision, mixing and audio transformers beside those of transformers, in tiny configurations."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn
from wonderland.models.families.audio import Encoder
from wonderland.models.families.mixer import Block, MetaFormer, Pooling
from wonderland.models.families.vit import VisionTransformer
from wonderland.models.families.wav2vec import KERNELS, STRIDES, Context, Features

KEY = wl.random.key(0)


def given(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def called(module: Any, names: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """A module of torch, in f64 and without dropout, of parameters by its names."""
    from torch.func import functional_call  # type: ignore[import-not-found]

    return functional_call(module.double().eval(), names, args, kwargs)


def linear(w: dict[str, Any], ours: str, its: str) -> dict[str, Any]:
    """A linear layer, whose matrix of torch's is of [outputs, inputs]; a bias where there is."""
    names = {f"{its}.weight": w[f"{ours}.weight"].T}
    return names | ({f"{its}.bias": w[f"{ours}.bias"]} if f"{ours}.bias" in w else {})


def same(w: dict[str, Any], ours: str, its: str) -> dict[str, Any]:
    parts = ("weight", "bias")
    return {f"{its}.{part}": w[f"{ours}.{part}"] for part in parts if f"{ours}.{part}" in w}


def convolution(w: dict[str, Any], ours: str, its: str) -> dict[str, Any]:
    """A kernel, which torch has as [outputs, inputs, *sizes]."""
    weight = w[f"{ours}.weight"]
    weight = weight.permute(-1, -2, *range(weight.dim() - 2))
    return {f"{its}.weight": weight, f"{its}.bias": w[f"{ours}.bias"]}


def block(w: dict[str, Any], ours: str, its: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A transformer block: names of query, key, value, out, two norms, two layers of the MLP."""
    kinds = (linear,) * 4 + (same,) * 2 + (linear,) * 2
    parts = (
        "attention.query", "attention.key", "attention.value", "attention.out", "attention_norm",
        "mlp_norm", "mlp.up", "mlp.down",
    )  # fmt: skip
    found: dict[str, Any] = {}
    for kind, part, name in zip(kinds, parts, names, strict=True):
        found |= kind(w, f"{ours}.{part}", f"{its}.{name}")
    return found


def test_vit_is_transformers() -> None:
    def theirs(w: Any, x: Any) -> Any:
        from transformers import ViTConfig, ViTModel  # type: ignore[import-not-found]

        config = ViTConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            hidden_act="gelu_pytorch_tanh", image_size=(4, 6), patch_size=2, num_channels=1,
            layer_norm_eps=1e-5,
        )  # fmt: skip
        names = convolution(w, "patches", "embeddings.patch_embeddings.projection")
        names |= same(w, "norm", "layernorm")
        names["embeddings.cls_token"] = w["class_token"][None, None]
        names["embeddings.position_embeddings"] = w["positions.weight"][None]
        parts = (
            "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj",
            "layernorm_before", "layernorm_after", "mlp.fc1", "mlp.fc2",
        )  # fmt: skip
        names |= block(w, "blocks.0", "layers.0", parts)
        model = ViTModel(config, add_pooling_layer=False)
        tokens = called(model, names, x.permute(0, 3, 1, 2)).last_hidden_state
        return tokens, tokens[:, 0] @ w["head.weight"] + w["head.bias"]

    def model() -> VisionTransformer:
        options = {"patch": 2, "size": 8, "heads": 2, "depth": 1, "registers": 0}
        return keyless(VisionTransformer.init(KEY, (4, 6, 1), 3, **options))

    x = given(2, 4, 6, 1)
    check(Case("vit", model, (x,), lambda model, x: (model.tokens(x), model(x)), theirs))


def keyless(model: Any) -> Any:
    """Keys without a bias, on which nothing depends: its gradient would be rounding alone."""

    def changed(block: Any) -> Any:
        key = dataclasses.replace(block.attention.key, bias=None)
        return dataclasses.replace(block, attention=dataclasses.replace(block.attention, key=key))

    return dataclasses.replace(model, blocks=tuple(changed(b) for b in model.blocks))


def test_poolformer_is_transformers() -> None:
    """With PoolFormer's norms, one of all tokens and channels, which are handed to the block."""

    def theirs(w: Any, x: Any) -> Any:
        from transformers import PoolFormerConfig, PoolFormerModel  # type: ignore

        config = PoolFormerConfig(
            num_channels=1, num_encoder_blocks=1, depths=[1], hidden_sizes=[6], patch_sizes=[2],
            strides=[2], padding=[0], mlp_ratio=2.0, hidden_act="gelu_pytorch_tanh",
            use_layer_scale=False, drop_path_rate=0.0,
        )  # fmt: skip
        names = convolution(w, "patches", "encoder.patch_embeddings.0.projection")
        its = "encoder.block.0.0"
        names |= same(w, "blocks.0.mix_norm", f"{its}.before_norm")
        names |= same(w, "blocks.0.mlp_norm", f"{its}.after_norm")
        for ours, conv in (("up", "conv1"), ("down", "conv2")):
            found = linear(w, f"blocks.0.mlp.{ours}", f"{its}.output.{conv}")
            found[f"{its}.output.{conv}.weight"] = found[f"{its}.output.{conv}.weight"][
                ..., None, None
            ]
            names |= found
        found = called(PoolFormerModel(config), names, x.permute(0, 3, 1, 2)).last_hidden_state
        return found.permute(0, 2, 3, 1)

    def model() -> dict[str, Any]:
        whole = MetaFormer.init(KEY, Pooling, (6, 8, 1), 3, patch=2, channels=6, hidden=12, depth=1)

        def normed(block: Block) -> Block:
            """A bias of what is pooled would cancel: nothing depends on it."""
            plain = dataclasses.replace(nn.GroupNorm.init(1, 6), bias=None)
            return dataclasses.replace(block, mix_norm=plain, mlp_norm=nn.GroupNorm.init(1, 6))

        return {"patches": whole.patches, "blocks": tuple(normed(b) for b in whole.blocks)}

    def ours(model: Any, x: Any) -> Any:
        x = model["patches"](x)
        for each in model["blocks"]:
            x = each(x)
        return x

    check(Case("poolformer", model, (given(2, 6, 8, 1),), ours, theirs))


SPEECH = ("q_proj", "k_proj", "v_proj", "out_proj")


def test_the_speech_encoder_is_whispers() -> None:
    """Of its strides, 1 and 2; its positions are ours, put where its own stand."""

    def theirs(w: Any, x: Any) -> Any:
        from functools import partial
        from unittest.mock import patch

        import torch  # type: ignore[import-not-found]
        from transformers import WhisperConfig  # type: ignore[import-not-found]
        from transformers.models.whisper.modeling_whisper import WhisperEncoder  # type: ignore

        config = WhisperConfig(
            d_model=8, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32,
            num_mel_bins=5, max_source_positions=6, activation_function="gelu_pytorch_tanh",
        )  # fmt: skip
        names = same(w, "norm", "layer_norm")
        for i in range(2):
            names |= convolution(w, f"convolutions.{i}", f"conv{i + 1}")
        parts = (
            *(f"self_attn.{part}" for part in SPEECH), "self_attn_layer_norm",
            "final_layer_norm", "fc1", "fc2",
        )  # fmt: skip
        names |= block(w, "blocks.0", "layers.0", parts)
        places = np.asarray(nn.sinusoidal_positions(6, 8, dtype="float64"))
        names["embed_positions.weight"] = torch.tensor(places)
        gelu = partial(torch.nn.functional.gelu, approximate="tanh")
        with patch("torch.nn.functional.gelu", gelu):
            return called(WhisperEncoder(config), names, x.permute(0, 2, 1)).last_hidden_state

    def model() -> Encoder:
        return keyless(Encoder.init(KEY, bands=5, size=8, heads=2, depth=1, strides=(1, 2)))

    x = given(2, 12, 5)
    check(Case("whisper", model, (x,), lambda model, x: model(x), theirs))


def test_masked_vectors_and_their_context_are_wav2vecs() -> None:
    real = np.arange(5) < np.array([[5], [3]])
    hidden = np.array([[0, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)

    def theirs(w: Any, samples: Any, real: Any, hidden: Any) -> Any:
        from transformers import Wav2Vec2Config, Wav2Vec2Model  # type: ignore

        config = Wav2Vec2Config(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            hidden_act="gelu_pytorch_tanh", feat_extract_activation="gelu_pytorch_tanh",
            feat_extract_norm="layer", conv_bias=True, conv_dim=[4, 6, 6, 6],
            conv_kernel=list(KERNELS), conv_stride=list(STRIDES), num_conv_pos_embeddings=3,
            num_conv_pos_embedding_groups=2, do_stable_layer_norm=True,
        )  # fmt: skip
        names = same(w, "context.norm", "feature_projection.layer_norm")
        names |= linear(w, "context.project", "feature_projection.projection")
        names |= same(w, "context.last", "encoder.layer_norm")
        names["masked_spec_embed"] = w["context.hidden"]
        for i in range(4):
            its = f"feature_extractor.conv_layers.{i}"
            names |= convolution(w, f"features.convolutions.{i}", f"{its}.conv")
            names |= same(w, f"features.norms.{i}", f"{its}.layer_norm")
        parts = (
            *(f"attention.{part}" for part in SPEECH), "layer_norm", "final_layer_norm",
            "feed_forward.intermediate_dense", "feed_forward.output_dense",
        )  # fmt: skip
        names |= block(w, "context.blocks.0", "encoder.layers.0", parts)
        place = convolution(w, "context.places", "conv")
        its = "encoder.pos_conv_embed.conv"
        norm = (place["conv.weight"] ** 2).sum((0, 1), keepdim=True) ** 0.5
        names[f"{its}.parametrizations.weight.original0"] = norm
        names[f"{its}.parametrizations.weight.original1"] = place["conv.weight"]
        names[f"{its}.bias"] = place["conv.bias"]
        lengths = real.sum(1) * 160 + 200
        attended = (np.arange(samples.shape[1]) < lengths.numpy()[:, None]).astype(np.int64)
        import torch  # type: ignore[import-not-found]

        found = called(
            Wav2Vec2Model(config), names, samples, mask_time_indices=hidden,
            attention_mask=torch.tensor(attended),
        ).last_hidden_state  # fmt: skip
        return found[real]

    def model() -> dict[str, Any]:
        context = Context.init(KEY, 6, size=8, heads=2, depth=1, reach=3)
        return {"features": Features.init(KEY, (4, 6, 6, 6)), "context": keyless(context)}

    def ours(model: Any, samples: Any, real: Any, hidden: Any) -> Any:
        found = model["context"](model["features"](samples), real, hidden)
        rows = np.nonzero(np.arange(5) < np.array([[5], [3]]))
        return found[rows]

    x = given(2, 1000)
    check(Case("wav2vec", model, (x, real, hidden), ours, theirs))
