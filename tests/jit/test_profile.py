"""Profiles: rows that add up, with lines of the graph and of the user; ceilings of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.alike_world import alike_world
from wonderland.compiler.jit import ceilings
from wonderland.compiler.jit import profile as profiles
from wonderland.compiler.jit.ceilings import Ceilings
from wonderland.compiler.jit.profile import Profile, ProfileRow


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs, and ceilings that are not measured."""
    monkeypatch.setattr(ceilings, "MOST_RUNS", 3)
    monkeypatch.setattr(profiles, "ceilings", lambda *_: KNOWN)


KNOWN = Ceilings({1 << 10: 4e10, 1 << 20: 8e10, 1 << 27: 1e10}, {"f32": 1e11, "f64": 5e10}, 1e-8)
measured = ceilings.ceilings.__wrapped__  # not the one that remembers


def step(w: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    return w - np.sum(hidden), np.sum(hidden * hidden)


W, X = np.ones((8, 4), np.float32), np.ones((16, 8), np.float32)
LINE = step.__code__.co_firstlineno


def test_who_waits_for_processes_says_for_what():
    with alike_world():
        mesh = wl.distributed.mesh({"i": 2})
        found = wl.distributed.spmd(both, mesh).compile(X, X).profile(X, X)
    begin, end = (r for r in found.rows if r.bound == "processes")
    assert (begin.kernel, end.kernel) == ("start transferred", "wait transferred")
    line = both.__code__.co_firstlineno + 1
    assert begin.source == end.source == f"test_profile.py:{line}"
    assert begin.text == end.text != ""


def both(a: Any, b: Any) -> Any:
    return wl.lax.psum(a, "i"), np.tanh(b)


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
    inner = (ProfileRow("map_sin", 4e-7, 0, 0, "", 0.0, "d: f32[9] = sin(c)", "m.py:4", 0.8),)
    rows = (
        ProfileRow("map_exp", 1e-6, 1000, 40_000, "bytes", 0.5, "c: f32[9] = exp(a)", "m.py:3", 2),
        ProfileRow("scan f", 1e-6, 0, 0, "", 0.0, "d: f32[9] = scan(c)", "m.py:4", 2, 0, inner),
        ProfileRow("host eigh", 5e-7, 0, 0, "Python", 0.0, "e: f32[9] = eigh(d)", "m.py:5", 1, 1),
    )
    text = str(Profile("f", rows, 3e-6, KNOWN))
    head, names, one, loop, inside, host, rest, whole = text.splitlines()
    assert head == (
        "profile of f; ceilings: 10.0 GB/s copied in memory, 80 in caches, "
        "100 GFLOP/s f32, 50 GFLOP/s f64, 10 ns a launch"
    )
    assert names.split() == [
        "microseconds", "share", "threads", "GFLOP/s", "GB/s", "bound", "of", "it", "wave",
        "kernel", "line", "graph",
    ]  # fmt: skip
    assert one.split(maxsplit=10) == [
        "1.00", "33%", "2.0", "1.00", "40.00", "bytes", "50%", "0",
        "map_exp", "m.py:3", "c: f32[9] = exp(a)",
    ]  # fmt: skip
    # of the same wave
    assert loop.split() == [
        "1.00", "33%", "2.0", "0", "scan", "f", "m.py:4", "d:", "f32[9]", "=", "scan(c)",
    ]  # fmt: skip
    assert inside.split()[:5] == ["0.40", "13%", "0.8", "map_sin", "m.py:4"]
    assert inside.index("map_sin") == loop.index("scan f") + 2
    assert host.split()[:6] == ["0.50", "17%", "1.0", "Python", "host", "eigh"]
    assert rest.split() == ["0.50", "17%", "rest"]
    assert whole.split() == ["3.00", "100%", "whole"]


def test_kernels_of_loops_and_their_work_are_counted_as_often_as_they_run():
    def turns(x: Any) -> Any:
        return wl.lax.while_loop(lambda v: v[0] < 5, lambda v: np.tanh(v) + v + 1, x)

    x = np.zeros(8, np.float32)
    compiled = wl.jit(turns).compile(x)
    flops: list[int] = []
    for start in (4.9, 0.0):  # one turn, and four
        (row,) = compiled.profile(x + np.float32(start)).rows
        assert row.flops == sum(r.flops for r in row.inner)
        np.testing.assert_allclose(sum(r.seconds for r in row.inner), row.seconds)
        flops.append(max(r.flops for r in row.inner))  # of the body
    assert flops[0] > 0 and flops[1] == 4 * flops[0]


def test_kernels_that_are_longer_than_the_call_are_parts_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profiles, "waited_seconds", lambda *_: 1e-9)
    found = wl.jit(step).compile(W, X).profile(W, X)
    assert found.seconds == 1e-9
    assert abs(found.rest) < 1e-15
    assert all(row.seconds > 0 for row in found.rows)


def test_what_bounds_a_kernel_is_what_takes_longest():
    assert KNOWN.least(1e3, 8e3) == ("bytes", 8e3 / 8e10)
    assert KNOWN.least(1e6, 8e3, "f64") == ("operations", 1e6 / 5e10)
    assert KNOWN.least(1, 4) == ("launch", 1e-8)
    # half of the bytes are of arguments that lie in memory
    assert KNOWN.least(1, 8e3, "f32", 4e3, 1 << 30) == ("bytes", 4e3 / 8e10 + 4e3 / 1e10)


def test_a_bandwidth_is_the_greater_of_the_next_sizes():
    rates = [KNOWN.bandwidth(n) for n in (1, 1 << 10, 1 << 15, 1 << 25, 1 << 27, 1 << 40)]
    assert rates == [4e10, 4e10, 8e10, 8e10, 1e10, 1e10]
    assert KNOWN.bytes_per_second == 1e10


def test_bytes_written_where_they_were_read_count_once():
    x = np.ones(1 << 12, np.float32)
    there, elsewhere = (
        wl.jit(np.negative, donate_argnums=d).compile(x).profile(x).rows[0].bytes
        for d in ((0,), ())
    )
    assert (there, elsewhere) == (x.nbytes, 2 * x.nbytes)


def test_ceilings_are_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ceilings, "MOVED", (1 << 12, 1 << 13))
    monkeypatch.setattr(ceilings, "PRODUCT", 32)
    found = measured()
    assert list(found.bandwidths) == [1 << 12, 1 << 13]
    assert min(found.bandwidths.values()) > 1e6
    assert set(found.flops_per_second) == {"f32", "f64"}
    assert min(found.flops_per_second.values()) > 1e6
    assert 0 < found.launch_seconds < 1e-3
