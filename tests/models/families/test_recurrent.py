"""Recurrent families: what comes in padding is not read, a text at once is a text in turn."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.models import data
from wonderland.models.families import language
from wonderland.models.families import recurrent as r
from wonderland.models.families import recurrent_text as rt

rng = np.random.default_rng(0)
CLOSE: Any = {"rtol": 0, "atol": 1e-6}
KEY = wl.random.key(0)


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_class_is_that_of_the_sequence_without_its_padding(kind: Any) -> None:
    model = r.SequenceClassifier.init(kind, KEY, 3, 5, 4)
    x, lengths = rng.normal(size=(2, 7, 3)).astype(np.float32), np.array([7, 4])
    logits = np.asarray(model(x, lengths))
    np.testing.assert_allclose(model(x[1:, :4], lengths[1:])[0], logits[1], **CLOSE)
    x[1, 4:] = 9
    np.testing.assert_array_equal(model(x, lengths), logits)


def test_a_text_read_at_once_is_read_in_turn() -> None:
    model, ids = rt.Characters.init(KEY, 11, 8, layers=2), rng.integers(0, 11, (2, 9))
    logits, state = model(ids), model.start(2)
    for t in range(9):
        state, now = model.step(state, ids[:, t])
        np.testing.assert_allclose(now, logits[:, t], **CLOSE)


def test_a_text_goes_on_by_one_key_in_one_way() -> None:
    model = rt.Characters.init(KEY, 4, 8)
    split = data.Split(None, None, tuple("abc\n"))

    def text(seed: int, prompt: str) -> str:
        return "".join(islice(language.generate(model, split, wl.random.key(seed), prompt), 12))

    assert text(1, "ab") == text(1, "ab") != text(2, "ab")
    assert len({*text(1, "")}) > 2  # a key is not used twice
    with pytest.raises(wl.ProgramError, match="stand in the training text are required, got 'xy'"):
        text(1, "abyx")


def test_bits_of_characters_by_their_frequency() -> None:
    read, asked = np.array([[0, 0, 0, 1]] * 1000), np.array([[1, 0, 1]])
    split = data.Split(read, asked, ("a", "b"))
    want = -(np.log2(3 / 4) + np.log2(1 / 4)) / 2
    assert language.unigram(split) == pytest.approx(want, abs=1e-3)
