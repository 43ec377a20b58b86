"""Attention and transformers beside torch's layers and transformers' models, one weight to one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parity.parity import Case, check
from wonderland import nn
from wonderland.models.families.transformer import Block, Encoder
from wonderland.models.families.transformer_decoder import Decoder
from wonderland.models.families.transformer_seq2seq import EncoderDecoder

KEY, rng = wl.random.key(0), np.random.default_rng(0)
X, MEMORY = rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 4, 8))
IDS, SOURCE = rng.integers(1, 11, (2, 6)), np.array([[3, 4, 5, 6, 7], [8, 9, 1, 0, 0]])
MASK = np.arange(4) < np.array([3, 4])[:, None]


def linear(w: Any, ours: str, name: str) -> dict[str, Any]:
    """torch's Linear by our name for it; LayerNorm, whose weight is a vector, too."""
    found = {f"{name}.weight": w[f"{ours}.weight"].T if w[f"{ours}.weight"].ndim > 1
             else w[f"{ours}.weight"]}  # fmt: skip
    return found | ({f"{name}.bias": w[f"{ours}.bias"]} if f"{ours}.bias" in w else {})


def attention(w: Any, ours: str, name: str) -> dict[str, Any]:
    """torch's MultiheadAttention: its three projections are one matrix."""
    import torch  # type: ignore[import-not-found]

    parts = [linear(w, f"{ours}{p}", "_") for p in ("query", "key", "value")]
    return {
        f"{name}in_proj_weight": torch.cat([p["_.weight"] for p in parts]),
        f"{name}in_proj_bias": torch.cat([p["_.bias"] for p in parts]),
        **linear(w, f"{ours}out", f"{name}out_proj"),
    }


def block(w: Any, ours: str, name: str, cross: bool = False) -> dict[str, Any]:
    """torch's layer of an encoder, or of a decoder."""
    norms = ("attention_norm", *(("cross_norm",) if cross else ()), "mlp_norm")
    found = attention(w, f"{ours}attention.", f"{name}self_attn.")
    if cross:
        found |= attention(w, f"{ours}cross.", f"{name}multihead_attn.")
    for k, norm in enumerate(norms, 1):
        found |= linear(w, f"{ours}{norm}", f"{name}norm{k}")
    found |= linear(w, f"{ours}mlp.up", f"{name}linear1")
    return found | linear(w, f"{ours}mlp.down", f"{name}linear2")


def called(module: Any, weights: dict[str, Any], *args: Any, **options: Any) -> Any:
    from torch.func import functional_call  # type: ignore[import-not-found]

    return functional_call(module, weights, args, options)


def causal(n: int) -> Any:
    import torch  # type: ignore[import-not-found]

    return torch.ones(n, n).tril() == 0  # True where torch does not look


def smooth() -> Any:
    from torch.nn.functional import gelu  # type: ignore[import-not-found]

    return partial(gelu, approximate="tanh")


@pytest.mark.parametrize("memory", [False, True])
def test_attention_is_torchs(memory: bool) -> None:
    def theirs(w: Any, x: Any, *rest: Any) -> Any:
        from torch.nn import MultiheadAttention  # type: ignore[import-not-found]

        own = MultiheadAttention(8, 2, batch_first=True)
        if memory:
            kept = {"key_padding_mask": ~rest[1]}
            return called(own, attention(w, "", ""), x, rest[0], rest[0], **kept)[0]
        return called(own, attention(w, "", ""), x, x, x, attn_mask=causal(5))[0]

    def ours(layer: Any, x: Any, *rest: Any) -> Any:
        if memory:
            return layer(x, rest[0], mask=rest[1][:, None, None, :])
        return layer(x, causal=True)

    check(
        Case(
            "cross_attention" if memory else "attention",
            lambda: nn.MultiHeadAttention.init(KEY, 8, 2),
            (X, MEMORY, MASK) if memory else (X,),
            ours,
            theirs,
        )
    )


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_a_block_is_torchs_layer(post: bool, cross: bool) -> None:
    def theirs(w: Any, x: Any, *rest: Any) -> Any:
        from torch.nn import (  # type: ignore[import-not-found]
            TransformerDecoderLayer,
            TransformerEncoderLayer,
        )

        kind = TransformerDecoderLayer if cross else TransformerEncoderLayer
        layer = kind(8, 2, 32, 0.0, smooth(), batch_first=True, norm_first=not post)
        masks = {"tgt_mask": causal(5), "memory_key_padding_mask": ~rest[1]} if cross else {}
        return called(layer, block(w, "", "", cross), x, *rest[:1], **masks)

    def ours(layer: Any, x: Any, *rest: Any) -> Any:
        if cross:
            return layer(x, rest[0], memory_mask=rest[1][:, None, None, :], causal=True)
        return layer(x)

    check(
        Case(
            f"{'decoder' if cross else 'encoder'}_block_{'post' if post else 'pre'}",
            lambda: Block.init(KEY, 8, 2, cross=cross, post=post),
            (X, MEMORY, MASK) if cross else (X,),
            ours,
            theirs,
        )
    )


def test_an_encoder_is_torchs_with_a_class_token_before() -> None:
    def theirs(w: Any, ids: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from torch.nn import (  # type: ignore[import-not-found]
            TransformerEncoder,
            TransformerEncoderLayer,
        )

        layer = TransformerEncoderLayer(8, 2, 32, 0.0, smooth(), batch_first=True)
        stack = TransformerEncoder(layer, 2, torch.nn.LayerNorm(8), enable_nested_tensor=False)
        tokens = w["tokens.weight"][ids] * 8**0.5
        x = torch.cat([w["special"].expand(2, 2, 8), tokens], 1) + w["positions.table.weight"][:7]
        absent = torch.cat([torch.zeros(2, 2, dtype=torch.bool), ids == 0], 1)
        parts = block(w, "blocks.0.", "layers.0.") | block(w, "blocks.1.", "layers.1.")
        y = called(stack, parts | linear(w, "norm", "norm"), x, src_key_padding_mask=absent)
        return y[:, 0] @ w["head.weight"] + w["head.bias"]

    check(
        Case(
            "encoder",
            lambda: Encoder.init(KEY, 11, 5, 3, size=8, heads=2, registers=1, post=True),
            (SOURCE,),
            lambda model, ids: model(ids),
            theirs,
        )
    )


def test_a_decoder_of_llamas_parts_is_llama() -> None:
    def theirs(w: Any, ids: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from transformers import (  # type: ignore[import-not-found]
            LlamaConfig,
            LlamaForCausalLM,
        )

        config = LlamaConfig(
            vocab_size=11, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=9,
            rms_norm_eps=1e-6, attn_implementation="sdpa",
        )  # fmt: skip
        weights = {
            "model.embed_tokens.weight": w["tokens.weight"] * 4,  # we scale by the root of the size
            "lm_head.weight": w["tokens.weight"],
            "model.norm.weight": w["norm.weight"],
        }
        for k in range(2):
            a, b = f"blocks.{k}.", f"model.layers.{k}."
            for ours, name in (
                ("attention.query", "self_attn.q_proj"), ("attention.key", "self_attn.k_proj"),
                ("attention.value", "self_attn.v_proj"), ("attention.out", "self_attn.o_proj"),
                ("mlp.gate", "mlp.gate_proj"), ("mlp.up", "mlp.up_proj"),
                ("mlp.down", "mlp.down_proj"), ("attention_norm", "input_layernorm"),
                ("mlp_norm", "post_attention_layernorm"),
            ):  # fmt: skip
                weights |= linear(w, a + ours, b + name)
        model = LlamaForCausalLM(config)
        angles = torch.arange(6)[:, None] / 10000 ** (torch.arange(2) / 2)
        turns = torch.cat([angles, angles], -1)[None]  # its own round to f32, as its norms do
        model.model.rotary_emb.forward = lambda x, position_ids: (turns.cos(), turns.sin())
        for layer in (*model.model.layers, model.model):
            for name in ("input_layernorm", "post_attention_layernorm", "norm"):
                if hasattr(layer, name):
                    setattr(layer, name, torch.nn.RMSNorm(16, eps=1e-6))
        return called(model, weights, ids).logits

    parts: Any = {"mlp": nn.GLU.init, "kv_heads": 2, "bias": False, "hidden": 24}
    check(
        Case(
            "llama",
            lambda: Decoder.init(KEY, 11, 9, size=16, heads=4, depth=2, **parts),
            (IDS,),
            lambda model, ids: model(ids),
            theirs,
        )
    )


def test_a_decoder_of_layer_norms_and_learned_positions_is_gpt2() -> None:
    def theirs(w: Any, ids: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from transformers import GPT2Config, GPT2LMHeadModel  # type: ignore[import-not-found]

        config = GPT2Config(
            vocab_size=11, n_positions=9, n_embd=8, n_layer=2, n_head=2, resid_pdrop=0.0,
            embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager",
        )  # fmt: skip
        weights = {
            "transformer.wte.weight": w["tokens.weight"] * 8**0.5,
            "lm_head.weight": w["tokens.weight"],
            "transformer.wpe.weight": w["positions.table.weight"],
            **linear(w, "norm", "transformer.ln_f"),
        }
        for k in range(2):
            a, b = f"blocks.{k}.", f"transformer.h.{k}."
            for part in ("weight", "bias"):  # GPT-2's matrices are [inputs, outputs] as ours
                three = [w[f"{a}attention.{n}.{part}"] for n in ("query", "key", "value")]
                weights |= {
                    f"{b}attn.c_attn.{part}": torch.cat(three, -1),
                    f"{b}attn.c_proj.{part}": w[f"{a}attention.out.{part}"],
                    f"{b}mlp.c_fc.{part}": w[f"{a}mlp.up.{part}"],
                    f"{b}mlp.c_proj.{part}": w[f"{a}mlp.down.{part}"],
                    f"{b}ln_1.{part}": w[f"{a}attention_norm.{part}"],
                    f"{b}ln_2.{part}": w[f"{a}mlp_norm.{part}"],
                }
        model = GPT2LMHeadModel(config)
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(11, 8))  # no longer the input's
        return called(model, weights, ids).logits

    check(
        Case(
            "gpt2",
            lambda: Decoder.init(
                KEY, 11, 9, size=8, heads=2, depth=2, positions="learned", norm=nn.LayerNorm.init
            ),
            (IDS,),
            lambda model, ids: model(ids),
            theirs,
        )
    )


def test_an_encoder_decoder_is_torchs_transformer() -> None:
    def theirs(w: Any, source: Any, ids: Any) -> Any:
        import torch  # type: ignore[import-not-found]

        layer = torch.nn.TransformerEncoderLayer(
            8, 2, 32, 0.0, smooth(), batch_first=True, norm_first=True
        )
        stack = torch.nn.TransformerEncoder(
            layer, 1, torch.nn.LayerNorm(8), enable_nested_tensor=False
        )
        whole = torch.nn.Transformer(
            8, 2, 1, 1, 32, 0.0, smooth(), stack, batch_first=True, norm_first=True
        )
        weights = {
            **block(w, "readers.0.", "encoder.layers.0."),
            **block(w, "writers.0.", "decoder.layers.0.", cross=True),
            **linear(w, "source_norm", "encoder.norm"),
            **linear(w, "norm", "decoder.norm"),
        }
        table = w["tokens.weight"]
        angles = torch.arange(6)[:, None] / 10000 ** (torch.arange(4) / 4)
        places = torch.stack([angles.sin(), angles.cos()], -1).reshape(6, 8)
        x, y = (table[i] * 8**0.5 + places[: i.shape[1]] for i in (source, ids))
        absent = source == 0
        found = called(
            whole, weights, x, y, tgt_mask=causal(6),
            src_key_padding_mask=absent, memory_key_padding_mask=absent,
        )  # fmt: skip
        return found @ table.T

    check(
        Case(
            "encoder_decoder",
            lambda: EncoderDecoder.init(KEY, 11, 5, 6, size=8, heads=2, depth=1),
            (SOURCE, IDS),
            lambda model, source, ids: model(source, ids),
            theirs,
        )
    )


@pytest.mark.parametrize("both", [False, True])
def test_relative_positions_are_t5s(both: bool) -> None:
    def theirs(w: Any) -> Any:
        import torch  # type: ignore[import-not-found]
        from transformers.models.t5.modeling_t5 import (  # type: ignore[import-not-found]
            T5Attention,
        )

        after = torch.arange(150) - torch.arange(150)[:, None]
        rows = T5Attention._relative_position_bucket(after, both, 32, 128)
        return w["weight"][rows].permute(2, 0, 1)

    check(
        Case(
            f"relative_positions_{'both' if both else 'before'}",
            lambda: nn.RelativePositions.init(KEY, 2, both=both),
            (),
            lambda layer: layer(150, 150),
            theirs,
        )
    )
