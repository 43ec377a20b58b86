"""Beam search as a user writes it: top_k in a loop, the paths read back by a second one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import wonderland as wl
import wonderland.numpy as wnp
from wonderland import lax

BEAMS, STEPS, WORDS = 16, 5, 6


def beam_search(transitions: Any) -> Any:
    """The best BEAMS paths of STEPS steps from word 0, and the sums of their logarithms."""

    def step(beams: Any, _: None) -> Any:
        scores, words = beams
        found = scores[:, None] + wnp.take(transitions, words, axis=0)
        best, places = lax.top_k(found.reshape(-1), BEAMS)
        parents, words = places // WORDS, places % WORDS
        return (best, words), (parents, words)

    first = np.where(np.arange(BEAMS) == 0, 0, -np.inf).astype(np.float32)
    start = first, np.zeros(BEAMS, np.int32)
    (scores, _), (parents, words) = lax.scan(step, start, None, length=STEPS)

    def back(beam: Any, turn: Any) -> Any:
        parent, word = turn
        return wnp.take(parent, beam), wnp.take(word, beam)

    _, paths = lax.scan(back, np.arange(BEAMS, dtype=np.int32), (parents, words), reverse=True)
    return scores, paths.T


def test_beam_search_finds_the_best_paths_where_the_beam_is_wide_enough() -> None:
    rng = np.random.default_rng(0)
    transitions = np.log(rng.dirichlet(np.ones(WORDS), WORDS)).astype(np.float32)
    scores, paths = wl.jit(beam_search)(transitions)
    for score, path in zip(scores, paths, strict=True):
        steps = transitions[np.r_[0, path[:-1]], path]
        np.testing.assert_allclose(score, steps.sum(), rtol=1e-5)
    every = np.array(list(itertools.product(range(WORDS), repeat=STEPS)))
    sums = transitions[np.c_[np.zeros(len(every), int), every[:, :-1]], every].sum(1)
    np.testing.assert_array_equal(paths[0], every[sums.argmax()])
    uncompiled = beam_search(transitions)
    np.testing.assert_allclose(uncompiled[0], scores, rtol=1e-6)
    np.testing.assert_array_equal(uncompiled[1], paths)
