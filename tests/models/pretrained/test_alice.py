"""The decoder of glassllm: its own code traced, and the cached step of its weights."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.pretrained import alice as pretrained

pytestmark = pytest.mark.filterwarnings("ignore")
TEXT = "Alice was beginning to get very tired of sitting by her sister on the bank"
KEY = wl.random.key(0)


@pytest.fixture(scope="module")
def glass() -> pretrained.Alice:
    pytest.importorskip("glassllm", reason=f"pip install --no-deps {pretrained.PACKAGE}")
    return pretrained.load()


def own(glass: pretrained.Alice, ids: list[int], length: int) -> list[int]:
    return [step.token for step in glass.model.generate(ids, length, greedy=True)]


def parameters(model: Any) -> list[tuple[str, Any]]:
    """By the places that the port gives them."""
    found = []
    for name, p in model.named_parameters().items():
        found.append((re.sub(r"[.](\d+)[.]", r"[\1].", name) + ".data", p))
    return found


def test_the_ported_forward_pass_gives_its_logits(glass: pretrained.Alice):
    ids = np.array(glass.tokenizer.encode(TEXT))
    found = wl.jit(lambda ids: glass.forward(ids).data, disable_jit=True)(ids)
    wanted = glass.model.forward(ids).data
    np.testing.assert_allclose(found, wanted, 0, 2e-6 * np.abs(wanted).max())


def test_the_step_gives_the_logits_of_the_package_at_every_position(glass: pretrained.Alice):
    ids = glass.tokenizer.encode(TEXT)
    cache, found = glass.cache(), []
    cache = tuple(
        np.full_like(room, 7) for room in cache
    )  # what stands at later places is not read
    for position, token in enumerate(ids):
        _, logits, cache = pretrained.step(
            glass.decoder(),
            cache,
            np.int32(token),
            np.int32(position),
            KEY,
            np.int32(0),
            np.float32(0),
        )
        found.append(logits)
    wanted = glass.model.forward(ids).data[0]
    np.testing.assert_allclose(np.stack(found), wanted, 0, 2e-6 * np.abs(wanted).max())


def test_greedy_tokens_are_the_package_s_within_the_window_and_after_it(glass: pretrained.Alice):
    ids = glass.tokenizer.encode(TEXT)
    before = len(pretrained.step.entries)
    room = glass.model.cfg.max_len - len(ids)
    found = list(glass.tokens(ids, key=KEY, length=room + 4, temperature=0.0))
    assert found == own(glass, ids, room + 4)
    assert len(pretrained.step.entries) - before <= 1
    long = (ids * 8)[:150]
    assert list(glass.tokens(long, key=KEY, length=2, temperature=0.0)) == own(glass, long, 2)


def test_a_key_and_a_temperature_draw_a_text(glass: pretrained.Alice):
    def text(seed: int, temperature: float) -> list[str]:
        key = wl.random.key(seed)
        pieces = glass.generate("Alice was", key=key, length=12, temperature=temperature)
        return list(pieces)

    assert text(1, 0.8) == text(1, 0.8) != text(2, 0.8)
    assert text(1, 0.0) == text(2, 0.0)
    assert text(1, 0.0)[0] == "Alice was" and len(text(1, 0.0)) == 13
    first = glass.generate("Alice was", key=KEY, length=10**9, temperature=0.0)
    assert len(list(itertools.islice(first, 3))) == 3  # as they come
    with pytest.raises(wl.ProgramError, match="generate: a prompt of one token or more"):
        next(glass.generate("", key=KEY, length=1, temperature=0.0))


def test_draws_follow_the_softmax():
    logits = np.array([0, 1, 2], np.float32)
    draw = wl.vmap(lambda key: pretrained.sampled(logits, key, np.float32(0.5)))
    found = wl.jit(draw)(wl.random.split(KEY, 4000))
    wanted = np.exp(logits * 2) / np.exp(logits * 2).sum()
    np.testing.assert_allclose(np.bincount(found) / 4000, wanted, atol=0.03)


def test_slopes_in_f64_are_the_package_s_and_differences(glass: pretrained.Alice):
    from glassllm import GlassLM  # pyright: ignore[reportMissingImports]

    model: Any = GlassLM(glass.model.cfg, dtype=np.float64)  # pyright: ignore[reportArgumentType]
    for name, p in model.named_parameters().items():
        p.data = glass.model.named_parameters()[name].data.astype(np.float64)
    ids = np.array(glass.tokenizer.encode(TEXT))
    exact = pretrained.Alice(model, glass.tokenizer)
    weights, tables = exact.weights_and_tables()
    assert sum(x.size for x in weights.values()) == 852_608

    def loss(weights: Any) -> Any:
        return exact.loss.apply({**weights, **tables}, ids[:-1], ids[1:]).data

    slopes = wl.jit(wl.grad(loss), disable_jit=True)(weights)
    model.loss(ids[:-1], ids[1:]).backward()
    for place, p in parameters(model):
        np.testing.assert_allclose(slopes[place], p.grad, 0, 1e-12)

    rng = np.random.default_rng(0)
    to = {place: rng.normal(size=x.shape) for place, x in weights.items()}

    def at(scale: float) -> float:
        for place, p in parameters(model):
            p.data = weights[place] + scale * to[place]
        return float(model.loss(ids[:-1], ids[1:]).data)

    along = sum(np.sum(slopes[place] * to[place]) for place in to)
    np.testing.assert_allclose((at(1e-6) - at(-1e-6)) / 2e-6, along, 1e-6)


def test_fine_tuning_its_own_loss_lowers_that_of_text_it_has_not_seen():
    pytest.importorskip("glassllm", reason=f"pip install --no-deps {pretrained.PACKAGE}")
    glass = pretrained.load()
    text = "".join(str(part.__doc__) for part in (wl, wl.nn, wl.port, wl.tree, pretrained))
    ids = np.array(glass.tokenizer.encode(str(wl.optim.__doc__)))[:97]
    before = float(glass.model.loss(ids[:-1], ids[1:]).data)
    with wl.disable_jit():
        losses = pretrained.fine_tune(glass, text, steps=4, batch=4, length=32, rate=2e-3)
    after = float(glass.model.loss(ids[:-1], ids[1:]).data)
    assert len(losses) == 4 and after < before - 0.2
