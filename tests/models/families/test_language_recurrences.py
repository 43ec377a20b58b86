"""Mamba and RWKV: steps with a cache are the whole pass, and what is written goes through them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models import data
from wonderland.models.families import language, mamba, rwkv

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 9))
MODELS = {
    "mamba": lambda: mamba.MambaModel.init(wl.random.key(0), 11, 8, 2, states=4),
    "rwkv": lambda: rwkv.RWKV.init(wl.random.key(0), 11, 8, 2),
}


def run(model: Any, *args: Any) -> Any:
    return wl.jit(lambda model, *args: model(*args), disable_jit=True)(model, *args)


def read(model: Any, *args: Any) -> Any:
    return wl.jit(lambda model, *args: model.read(*args), disable_jit=True)(model, *args)


@pytest.mark.parametrize("name", MODELS)
def test_a_text_cut_anywhere_gives_the_same(name: str) -> None:
    model = wl.tree.map(np.float64, MODELS[name]())
    end, whole = read(model, TOKENS)
    np.testing.assert_array_equal(run(model, TOKENS), whole)
    for cuts in (range(1, 9), (4, 5)):  # steps, and pieces
        caches, logits = model.start(2), []
        for piece in np.split(TOKENS, list(cuts), axis=1):
            caches, found = read(model, piece, caches)
            logits.append(found)
        np.testing.assert_allclose(np.concatenate(logits, 1), whole, atol=1e-12)
        for x, y in zip(wl.tree.leaves(caches), wl.tree.leaves(end), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_later_tokens_change_nothing_before(name: str) -> None:
    model, changed = MODELS[name](), TOKENS.copy()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = run(model, TOKENS), run(model, changed)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (np.abs(before[:, 5:] - after[:, 5:]).max(axis=-1) > 1e-5).all()


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_is_drawn_from_the_logits_of_the_whole(name: str) -> None:
    model, names = MODELS[name](), tuple("abcdefghij\n")
    split, key = data.Split(None, None, names), wl.random.key(3)
    found = "".join(islice(language.generate(model, split, key, "bad"), 7))
    text = [10, 1, 0, 3]
    for _ in range(3):  # a key for each character that is read
        key = wl.random.split(key)[0]
    for _ in range(6):
        key, draw = wl.random.split(key)
        logits = run(model, np.array([text]))
        text.append(int(wl.random.categorical(draw, logits[0, -1] / language.TEMPERATURE)))
    assert found == "".join(names[i] for i in text[1:])


def test_a_mean_so_far_is_attention_with_decaying_weights() -> None:
    rng = np.random.default_rng(1)
    k, v = rng.normal(size=(2, 2, 7, 3))
    w, u = -np.exp(rng.normal(size=3)), rng.normal(size=3)
    t = np.arange(7)
    apart = (t[:, None] - t - 1)[..., None]
    logits = np.where(apart >= 0, apart * w, np.where(apart == -1, u, -np.inf)) + k[:, None]
    weights = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    nothing = np.zeros((2, 3)), np.zeros((2, 3)), np.full((2, 3), rwkv.NOTHING)
    found, _ = rwkv.mean_so_far(w, u, k, v, nothing)
    np.testing.assert_allclose(found, np.einsum("btsc,bsc->btc", weights, v), atol=1e-12)


def test_great_keys_overflow_nowhere() -> None:
    k = np.array([[[500.0], [-500.0], [90.0], [1000.0], [-1000.0]]], np.float32)
    v = np.array([[[1.0], [2.0], [3.0], [4.0], [5.0]]], np.float32)
    zero = np.zeros((1, 1), np.float32)

    def total(k: Any, v: Any) -> Any:
        w, u = np.array([-0.5], np.float32), np.zeros(1, np.float32)
        return rwkv.mean_so_far(w, u, k, v, (zero, zero, zero + rwkv.NOTHING))[0]

    np.testing.assert_allclose(wl.jit(total)(k, v).ravel(), [1, 1, 1, 4, 4], rtol=1e-6)
    slopes = wl.jit(wl.grad(lambda *x: np.sum(total(*x)), argnums=(0, 1)))(k, v)
    assert all(np.isfinite(x).all() for x in slopes)
    np.testing.assert_allclose(slopes[1].ravel(), [3, 0, 0, 2, 0], atol=1e-6)
