"""Whole models: their peers compute the same, and the table tells who is ahead."""

from __future__ import annotations

import pytest

from bench import peers
from bench.models import report
from bench.models.model import MODELS, apart, runs
from bench.models.report import Answer, table, times_better

OFTEN = "attention 512 gradient", "decode 1", "GCN step"


@pytest.mark.skipif(peers.jax is None or peers.torch is None, reason="needs the peers")
@pytest.mark.parametrize(
    "name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.sweep) for n in MODELS]
)
def test_peers_of_a_model_agree(name: str):
    entry = MODELS[name]
    found = runs(entry.make(**entry.small), entry.kind, ("wonderland", "jax", "torch"))
    assert len(found) == 3
    assert apart(found) < 1e-4  # Adam divides by gradients that are nearly 0


def test_results_that_differ_are_told():
    assert apart({"a": lambda: [2.0, 4.0], "b": lambda: [2.0, 4.5]}) == 0.125


def test_ours_is_measured_against_the_best_peer():
    assert times_better({"wonderland": 2.0, "jax": 8.0, "torch": 6.0, "torch.compile": 5.0}) == 2.5
    assert times_better({"wonderland": 2.0}) is None


def test_a_table_ends_in_the_geometric_mean():
    answers = [
        Answer("a", "8", {"time": {"wonderland": 1.0, "jax": 2.0, "torch": 3.0}}),
        Answer("b", "9", {"time": {"wonderland": 1.0, "torch": 8.0}}),
        Answer("c", "9", {"time": {}}),
    ]
    *_, b, c, mean = table("time", answers).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (b, c, mean)]
    assert cells == [
        ["b", "9", "1.00 s", "-", "8.00 s", "-", "8.00"],
        ["c", "9", "-", "-", "-", "-", "-"],
        ["geometric mean", "", "", "", "", "", "4.00"],
    ]


def test_a_process_that_fails_leaves_its_cells_empty(monkeypatch: pytest.MonkeyPatch, capfd):
    monkeypatch.setattr(report.sys, "executable", "false")
    assert report.in_process("folder", "GCN step", "jax") is None
    assert "GCN step, jax: " in capfd.readouterr().err
