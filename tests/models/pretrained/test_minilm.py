"""An encoder of sentences: its tokens and its directions are those of transformers."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.data import MissingData
from wonderland.models.pretrained import minilm

SENTENCES = (
    "That is a happy person.",
    "That is a very happy person!",
    "A man plays the guitar at Zürich's café.",
    "Someone makes music.",
    "Today is a sunny day (25°C), antidisestablishmentarianism.",
)
TOKENS = {
    SENTENCES[2]: [101, 1037, 2158, 3248, 1996, 2858, 2012, 10204, 1005, 1055, 7668, 1012, 102],
    SENTENCES[4]: [
        101, 2651, 2003, 1037, 11559, 2154, 1006, 2423, 7737, 2278, 1007, 1010, 3424, 10521, 4355,
        7875, 13602, 3672, 12199, 2964, 1012, 102,
    ],
    "x" * 120: [101, 100, 102],
}  # fmt: skip
COSINES = [
    [1.0, 0.878, 0.042, 0.167, 0.182],
    [0.878, 1.0, 0.068, 0.136, 0.124],
    [0.042, 0.068, 1.0, 0.389, -0.073],
    [0.167, 0.136, 0.389, 1.0, 0.018],
    [0.182, 0.124, -0.073, 0.018, 1.0],
]


@pytest.fixture(scope="module")
def encoder() -> minilm.Encoder:
    try:
        return minilm.load()
    except MissingData as missing:
        pytest.skip(str(missing))


def test_words_are_cut_as_the_tokenizer_of_transformers_cuts_them(encoder: minilm.Encoder):
    for text, ids in TOKENS.items():
        assert encoder.tokens(text) == ids


def test_sentences_that_mean_alike_are_near(encoder: minilm.Encoder):
    with wl.disable_jit():
        found = encoder(SENTENCES)
        alone = encoder(SENTENCES[3:4])
    np.testing.assert_allclose(found @ found.T, COSINES, 0, 6e-4)
    np.testing.assert_allclose(alone[0], found[3], 0, 1e-6)  # padding is not read
    assert found.shape == (5, 384)


def test_words_have_small_letters_without_accents_and_signs_alone():
    assert list(minilm.words_of("Zürich's\tcafé—a_b 中文!")) == [
        "zurich", "'", "s", "cafe", "—", "a", "_", "b", "中", "文", "!",
    ]  # fmt: skip
