"""What is hidden is not seen, labels train the probe alone, and a right guess costs least."""

from __future__ import annotations

import dataclasses

import numpy as np

import wonderland as wl
from wonderland.models.families import wav2vec
from wonderland.models.families.wav2vec import Wav2Vec, contrast

rng = np.random.default_rng(0)
SAMPLES = rng.normal(size=(2, 1600)).astype(np.float32)
LENGTHS = np.array([1600, 900], np.int32)
SAMPLES[1, 900:] = 0
MODEL = Wav2Vec.init(wl.random.key(0), 3, size=8, common=4)
KEY = wl.random.key(5)


def test_the_context_does_not_see_what_is_hidden():
    vectors = np.asarray(MODEL.features(SAMPLES))
    real = np.asarray(wav2vec.spoken(vectors, LENGTHS))
    hidden = np.arange(vectors.shape[1]) % 4 == 1
    hidden = np.broadcast_to(hidden, real.shape)
    other = np.where(hidden[..., None], vectors[..., ::-1], vectors)
    want, found = (MODEL.context(x, real, hidden) for x in (vectors, other))
    np.testing.assert_array_equal(found, want)
    assert np.max(np.abs(MODEL.context(other, real) - MODEL.context(vectors, real))) > 1e-3


def test_labels_train_the_probe_alone():
    slopes = [
        wl.grad(wav2vec.loss)(MODEL, (SAMPLES, LENGTHS, np.array(y, np.int32)), KEY)
        for y in ([0, 1], [2, 0])
    ]
    one, other = (dataclasses.replace(s, probe=None) for s in slopes)
    for a, b in zip(wl.tree.leaves(one), wl.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(slopes[0].probe.weight != slopes[1].probe.weight)
    assert all(np.any(x) for x in wl.tree.leaves(one.features.convolutions))


def test_a_right_guess_costs_less_than_a_wrong_one():
    target = rng.normal(size=(2, 5, 8)).astype(np.float32)
    real, hidden = np.ones((2, 5), bool), np.arange(10).reshape(2, 5) % 2 == 0
    right, wrong = (contrast(g, target, real, hidden) for g in (target, target[:, ::-1]))
    assert right < 0.1 and wrong > 2
    scores = target.reshape(10, 8)
    unit = scores / np.linalg.norm(scores, axis=1, keepdims=True)
    each = np.log(np.sum(np.exp(unit @ unit.T / 0.1), axis=1)) - 10
    np.testing.assert_allclose(right, np.mean(each[::2]), atol=1e-4)


def test_zeros_behind_the_end_of_a_clip_change_nothing():
    longer = np.pad(SAMPLES, ((0, 0), (0, 800)))
    np.testing.assert_allclose(MODEL(longer, LENGTHS)[1], MODEL(SAMPLES, LENGTHS)[1], atol=1e-5)


def test_runs_are_of_five_places_or_more_and_cover_a_part():
    found = np.asarray(wav2vec.runs(KEY, (40, 60)))
    assert abs(found.mean() - (1 - 0.9**5)) < 0.03
    starts = found[:, 5:-5] & ~found[:, 4:-6]
    for row, start in zip(*np.nonzero(starts), strict=True):
        assert found[row, start + 5 : start + 10].all()
