"""Laws of transformers: order, masks, causality, and steps that are the whole pass."""

from __future__ import annotations

from itertools import islice
from typing import Any, get_args

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models import data
from wonderland.models.families import transformer_decoder, transformer_seq2seq
from wonderland.models.families.transformer import Block, Encoder, Kind
from wonderland.models.families.transformer_decoder import Decoder
from wonderland.models.families.transformer_seq2seq import EncoderDecoder

KEY, rng = wl.random.key(0), np.random.default_rng(0)
KINDS = get_args(Kind)
CLOSE: dict[str, Any] = {"rtol": 2e-4, "atol": 2e-5}  # f32


def run(f: Any, *args: Any) -> Any:
    return wl.jit(f, disable_jit=True)(*args)


def encoder(**options: Any) -> Encoder:
    return Encoder.init(KEY, 30, 8, 5, size=16, heads=4, **options)


def decoder(**options: Any) -> Decoder:
    return Decoder.init(KEY, 11, 9, size=16, heads=4, depth=2, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("post", [False, True])
def test_an_encoder_sees_the_order_by_its_positions_alone(kind: Kind, post: bool) -> None:
    model, ids = encoder(positions=kind, post=post, registers=1), rng.integers(1, 30, (2, 8))
    first, other = (np.asarray(run(model, x)) for x in (ids, ids[:, ::-1].copy()))
    assert first.shape == (2, 5)
    if kind == "none":
        np.testing.assert_allclose(first, other, **CLOSE)
    else:
        assert np.max(np.abs(first - other)) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_what_fills_a_row_is_not_looked_at(kind: Kind) -> None:
    model, ids = encoder(positions=kind), rng.integers(1, 30, (2, 5))
    filled = np.concatenate([ids, np.zeros((2, 3), int)], axis=1)
    np.testing.assert_allclose(run(model, filled), run(model, ids), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_looks_back_alone_and_its_steps_are_the_whole_pass(kind: Kind) -> None:
    model, ids = decoder(positions=kind, post=kind == "learned"), rng.integers(0, 11, (2, 9))
    whole, changed = np.asarray(run(model, ids)), ids.copy()
    changed[:, 6:] = (changed[:, 6:] + 1) % 11
    np.testing.assert_array_equal(run(model, changed)[:, :6], whole[:, :6])
    caches, found = model.caches(2), []
    for part in np.split(ids, [4, 5, 6, 7, 8], axis=1):
        logits, caches = run(Decoder.step, model, part, caches)
        found.append(logits)
    np.testing.assert_allclose(np.concatenate(found, 1), whole, **CLOSE)


def test_blocks_of_llama_are_blocks_of_other_parts() -> None:
    parts: Any = {"mlp": nn.GLU.init, "kv_heads": 2, "bias": False, "hidden": 24}
    model, ids = decoder(**parts), rng.integers(0, 11, (1, 9))
    assert model.blocks[0].attention.key.weight.shape == (16, 8)
    logits, _ = run(Decoder.step, model, ids, model.caches(1))
    np.testing.assert_allclose(logits, run(model, ids), **CLOSE)


def test_a_block_drops_what_its_branches_give_by_a_key() -> None:
    x = rng.normal(size=(3, 4, 8)).astype(np.float32)
    block = Block.init(KEY, 8, 2, rate=1.0)
    np.testing.assert_array_equal(run(lambda b, k: b(x, key=k), block, KEY), x)
    assert not np.allclose(run(lambda b: b(x), block), x)


def test_a_block_looks_at_its_memory_where_a_mask_lets_it() -> None:
    block = Block.init(KEY, 8, 2, cross=True)
    x, memory = (rng.normal(size=(2, n, 8)).astype(np.float32) for n in (4, 6))
    seen = np.arange(6) < 3
    masked = run(lambda b: b(x, memory, memory_mask=seen), block)
    np.testing.assert_allclose(masked, run(lambda b: b(x, memory[:, :3]), block), **CLOSE)
    assert not np.allclose(masked, run(lambda b: b(x, memory), block))


def translator(**options: Any) -> EncoderDecoder:
    return EncoderDecoder.init(KEY, 11, 5, 6, size=16, heads=4, depth=2, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_writing_is_what_the_whole_pass_finds_likeliest(kind: Kind) -> None:
    model = translator(positions=kind)
    source = np.array([[3, 4, 5, 6, 7], [3, 4, 5, 0, 0]])
    written = np.asarray(run(lambda m: m.write(source, 1), model))
    assert written.shape == (2, 6)
    read = np.concatenate([np.ones((2, 1), int), written[:, :-1]], axis=1)
    np.testing.assert_array_equal(np.argmax(run(model, source, read), -1), written)


def test_a_decoder_sees_its_source_and_not_what_fills_it() -> None:
    model, ids = translator(), rng.integers(2, 11, (1, 6))
    first = run(model, np.array([[3, 4, 5, 0, 0]]), ids)
    np.testing.assert_allclose(run(model, np.array([[3, 4, 5]]), ids), first, **CLOSE)
    assert not np.allclose(run(model, np.array([[5, 4, 3, 0, 0]]), ids), first, atol=1e-3)
    ids[:, 3:] = 2
    np.testing.assert_array_equal(run(model, np.array([[3, 4, 5]]), ids)[:, :3], first[:, :3])


def test_alignment_is_the_part_of_each_letter_in_each_phoneme() -> None:
    model, source = translator(), np.array([[3, 4, 5, 0, 0]])
    weights = run(transformer_seq2seq.alignment, model, source, rng.integers(2, 11, (1, 6)))
    assert weights.shape == (1, 4, 6, 5)
    np.testing.assert_allclose(np.sum(weights, -1), np.ones((1, 4, 6)), rtol=1e-5)
    assert not np.any(np.asarray(weights)[..., 3:])


def test_words_are_said_one_by_one_and_others_are_named() -> None:
    model, split = translator(), data.Split((np.zeros((1, 5)),), (), ("", "\n", *"abcdefghi"))
    said = "".join(transformer_seq2seq.generate(model, split, KEY, "Abc hid"))
    assert said.count(" ") == 2 and "\n" not in said
    with pytest.raises(wl.ProgramError, match=r"at most 5 letters a to z are required, got 'ab1'"):
        list(transformer_seq2seq.generate(model, split, KEY, "ab1"))


def test_text_goes_on_beyond_a_window_and_is_the_same_for_one_key() -> None:
    model, split = decoder(), data.Split(None, None, tuple("\nabcdefghij"))
    text = "".join(islice(transformer_decoder.generate(model, split, KEY, "abc"), 30))
    again = "".join(islice(transformer_decoder.generate(model, split, KEY, "abc"), 30))
    assert text == again and len(text) == 32 and text.startswith("abc")
    assert set(text) <= set("\nabcdefghij")
    with pytest.raises(wl.ProgramError, match=r"in the training text are required, got 'z'"):
        next(transformer_decoder.generate(model, split, KEY, "abz"))
