"""The questions: their peers compute the same, and those that are not asked are not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import wonderland as wl
from bench import peers, products, recurrence

pytestmark = pytest.mark.skipif(peers.jax is None or peers.torch is None, reason="needs the peers")


def test_peers_of_a_layer_agree():
    arrays = [peers.random(4, 8), peers.random(8, 16, seed=1), peers.random(16, seed=2)]
    runs = peers.runs(arrays, products.layers(), torch_compile=False)
    assert set(runs) == {"wonderland", "numpy", "jax", "torch"}
    results = [np.asarray(run()) for run in runs.values()]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "gates"), [(recurrence.rnn, 1), (recurrence.lstm, 4), (recurrence.gru, 3)]
)
def test_peers_of_a_recurrent_layer_agree(layer, gates):
    weights = [peers.random(8, 8 * gates, seed=k) for k in range(2)]
    arrays = [*weights, peers.random(5, 2, 8, seed=2)]
    question = recurrence.Question(layer, (5, 2, 8), arrays, 0)
    turned = [np.ascontiguousarray(w.T) for w in weights] + arrays[2:]
    for gradient in (False, True):
        given = recurrence.by_library(question, gradient)
        runs = peers.runs(arrays, given, torch_compile=False)
        assert set(runs) == {"wonderland", "jax"}
        found = peers.on_torch(recurrence.by_torch(layer, gradient), turned)()
        by_torch = [np.asarray(x) for x in wl.tree.leaves(found)]
        by_torch[:-1] = [x.T for x in by_torch[:-1]]
        ours, jax = ([np.asarray(x) for x in wl.tree.leaves(run())] for run in runs.values())
        for x, *others in zip(ours, jax, by_torch, strict=True):
            for y in others:
                np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_peers_that_are_not_asked_are_not_imported():
    code = (
        "import json, sys; from bench import peers, mlp_step, products; "
        "print(json.dumps([[p for p in peers.PEERS if peers.there(p)], "
        "[m for m in ('jax', 'torch') if m in sys.modules]]))"
    )
    environment = os.environ | {"BENCH_PEERS": "wonderland,numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == [["wonderland", "numpy"], []]


def test_products_count_their_operations():
    first = next(row for row in products.rows() if "square" in row.question)
    assert (first.flops, first.bytes) == (2 * 16**3, 4 * 3 * 16**2)
