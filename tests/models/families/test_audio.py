"""Spectra of tones, edits between texts, and sound that stands behind the end of a clip."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import wonderland as wl
from wonderland.models import data
from wonderland.models.families import audio
from wonderland.models.families.audio import Transcriber, edit_distance, log_mel, mel_filters

rng = np.random.default_rng(0)
MODEL = Transcriber.init(wl.random.key(0), 5, size=8, heads=2, depth=1)


def edits(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The definition: the last letters are the same, or one of three edits comes last."""

    @cache
    def least(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        change = a[i - 1] != b[j - 1]
        return min(least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + change)

    return least(len(a), len(b))


def test_the_running_minimum_is_the_edit_distance():
    heard, kept = rng.integers(0, 3, (30, 8)), rng.random((30, 8)) < 0.6
    letters, counts = rng.integers(0, 3, (30, 6)), rng.integers(0, 7, 30)
    want = [
        edits(tuple(h[k]), tuple(w[:n]))
        for h, k, w, n in zip(heard, kept, letters, counts, strict=True)
    ]
    np.testing.assert_array_equal(edit_distance(heard, kept, letters, counts), want)


def test_a_tone_is_loudest_in_its_band_and_tempo_moves_frames_not_pitch():
    filters = mel_filters(40, 256, 8000.0)
    assert filters.shape == (129, 40)
    np.testing.assert_allclose(np.sum(filters[5:110], axis=1), 1, atol=1e-12)
    chirp = np.sin(2 * np.pi * np.cumsum(np.linspace(300, 3000, 4000)) / 8000)[None]
    found = log_mel(chirp.astype(np.float32))
    assert found.shape == (1, 47, 40) and np.all(np.diff(np.argmax(found[0], axis=1)) >= 0)
    frame = 20 * audio.HOP + audio.WINDOW // 2
    hertz = 300 + 2700 * frame / 4000
    assert np.argmax(found[0, 20]) == np.argmax(filters[round(hertz * 256 / 8000)])
    fast = log_mel(chirp.astype(np.float32), np.array([2.0], np.float32))
    np.testing.assert_allclose(fast[0, :23], found[0, :46:2], atol=1e-4)


def test_zeros_behind_the_end_of_a_clip_change_nothing():
    samples = rng.normal(size=(2, 3200)).astype(np.float32)
    lengths = np.array([1600, 1100], np.int32)
    samples[np.arange(3200) >= lengths[:, None]] = 0
    (want, real), (found, longer) = (MODEL(samples[:, :n], lengths) for n in (2240, 3200))
    assert np.sum(real, axis=1).tolist() == np.sum(longer, axis=1).tolist() == [5, 4]
    np.testing.assert_allclose(found[:, : real.shape[1]][real], want[real], atol=1e-5)


def test_training_needs_a_key_to_be_random_and_hears_greedily():
    samples = rng.normal(size=(1, 1600)).astype(np.float32)
    batch = samples, np.array([1600]), np.array([[1, 2]], np.int32), np.array([2], np.int32)
    plain, again, played = (audio.loss(MODEL, batch, k) for k in (None, None, wl.random.key(1)))
    assert plain == again != played
    best, kept = audio.greedy(MODEL, *batch[:2])
    text = best[kept]
    want = edits(tuple(text), (1, 2)) / 2
    np.testing.assert_allclose(audio.score(MODEL, batch), want)


def test_a_prompt_chooses_clips_whose_words_and_spectrum_are_shown():
    samples = rng.normal(size=(3, 1600)).astype(np.float32)
    letters = np.array([[1, 2], [3, 0], [2, 1]], np.int32)
    part = samples, np.full(3, 1600, np.int32), letters, np.array([2, 1, 2], np.int32)
    split = data.Split(part, part, ("", "a", "b", "c", "d"))
    lines = list(audio.transcripts(MODEL, split, None, "B"))
    assert [line.split(" -> ")[0] for line in lines] == ["ab", "ba"]
    pytest.importorskip("matplotlib")
    titles = [axes.get_title() for axes in audio.heard_clips(MODEL, split).axes]
    assert titles == ["said: ab\n", "said: c\n", "said: ba\n"]
