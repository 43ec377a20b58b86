"""Beam search as a user writes it: top_k in a loop, the paths read back by a second one."""

from __future__ import annotations

import functools
import itertools

import numpy as np

import wonderland as wl
from bench import programs

STEPS, WORDS = 5, 6

beam_search = functools.partial(programs.beam_search, wl, steps=STEPS)


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
