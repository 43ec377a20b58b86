"""Profiles: rows that add up, with lines of the graph and of the user; ceilings of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.jit import profile as profiles
from wonderland.compiler.jit.profile import Ceilings, Profile, ProfileRow


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs, and ceilings that are not measured."""
    monkeypatch.setattr(profiles, "MOST_RUNS", 3)
    monkeypatch.setattr(profiles, "ceilings", lambda *_: Ceilings(1e10, {"f32": 1e11, "f64": 5e10}))


measured = profiles.ceilings.__wrapped__  # not the one that remembers


def step(w: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    return w - np.sum(hidden), np.sum(hidden * hidden)


W, X = np.ones((8, 4), np.float32), np.ones((16, 8), np.float32)
LINE = step.__code__.co_firstlineno


def test_rows_and_the_rest_add_up_to_the_whole():
    found = wl.jit(step).compile(W, X).profile(W, X)
    assert isinstance(found, Profile)
    assert found.rows and found.seconds > 0
    total = sum(row.seconds for row in found.rows) + found.rest
    np.testing.assert_allclose(total, found.seconds, rtol=1e-9)


def test_rows_name_the_lines_they_compute():
    found = wl.jit(step).compile(W, X).profile(W, X)
    assert any(
        "dot_general" in row.text or f"test_profile.py:{LINE + 1}" in row.source
        for row in found.rows
    )
    lines = " ".join(row.source for row in found.rows)
    assert "test_profile.py" in lines and str(LINE + 2) in lines


def test_a_profile_leaves_donated_arguments_as_they_were():
    compiled = wl.jit(step, donate_argnums=(0,)).compile(W, X)
    w = W.copy()
    compiled.profile(w, X)
    np.testing.assert_array_equal(w, W)


def test_a_profile_prints_as_a_table():
    rows = (ProfileRow("map_exp", 2e-6, 1000, 40_000, 0.5, "c: f32[9] = exp(a)", "m.py:3"),)
    text = str(Profile("f", rows, 3e-6, Ceilings(2e10, {"f32": 1e11})))
    head, names, one, rest, whole = text.splitlines()
    assert head == "profile of f; ceilings: 20.0 GB/s copied, 100 GFLOP/s f32"
    assert names.split() == [
        "microseconds", "share", "GFLOP/s", "GB/s", "ceiling", "kernel", "line", "graph",
    ]  # fmt: skip
    assert one.split(maxsplit=7) == [
        "2.00", "67%", "0.50", "20.00", "50%", "map_exp", "m.py:3", "c: f32[9] = exp(a)",
    ]  # fmt: skip
    assert rest.split() == ["1.00", "33%", "rest"]
    assert whole.split() == ["3.00", "100%", "whole"]


def test_ceilings_are_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profiles, "COPIED", wl.ShapeDtypeStruct((1 << 12,), np.float32))
    found = measured(32)
    assert found.bytes_per_second > 1e6
    assert set(found.flops_per_second) == {"f32", "f64"}
    assert min(found.flops_per_second.values()) > 1e6
