"""The timing helper: peers take turns, figures are medians, the table says what is missing."""

from __future__ import annotations

import time

import pytest

import wonderland.compiler.jit.ceilings as compiled
from bench.harness import Ceilings, Effort, Figure, Row, measure, ratio, spelled, table

SHORT = Effort(rounds=3, seconds=0.0, rest=0.0)


def test_peers_take_turns_in_every_round():
    turns: list[str] = []
    row = Row("q", "s", {name: lambda name=name: turns.append(name) for name in ("a", "b")})
    measure(row, Ceilings(threads=1), SHORT)
    order = [name for k, name in enumerate(turns) if k == 0 or turns[k - 1] != name]
    assert order == ["a", "b"] * 4  # a first time that is not measured, then three rounds


def test_a_figure_is_the_median_of_a_run():
    pauses = iter([0.0] * 3 + [0.02, 0.001, 0.001, 0.001] * 100)
    row = Row("q", "s", {"wonderland": lambda: time.sleep(next(pauses))})
    figure = measure(row, Ceilings(threads=1), SHORT)
    assert 0.001 <= figure.values["wonderland"] < 0.02


def test_the_ceiling_is_the_slower_of_bytes_and_operations():
    known = Ceilings(threads=1)
    rates = compiled.Ceilings({100: 100.0, 300: 100.0, 400: 1.0}, {"f32": 20.0}, 0.0)
    vars(known).update(bandwidths=rates, product_rate=10.0)
    assert known.least(Row("q", "s", {}, bytes=200, flops=10)) == 2
    assert known.least(Row("q", "s", {}, bytes=200, flops=50)) == 5
    assert known.least(Row("q", "s", {}, bytes=1 << 30)) == 1 << 30
    assert known.least(Row("q", "s", {})) == 0


def test_the_ratio_is_to_the_better_of_jax_and_eager_torch():
    seconds = {"wonderland": 2.0, "numpy": 1.0, "jax": 8.0, "torch": 6.0, "torch.compile": 1.0}
    assert ratio(Figure("q", "s", seconds)) == 3
    assert ratio(Figure("q", "s", {"wonderland": 2.0, "numpy": 1.0})) == 0.5
    assert ratio(Figure("q", "s", {"wonderland": 2.0})) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.234, "1.23 s"), (0.0234, "23.4 ms"), (0.000345, "345 us"), (1e-8, "0.01 us")],
)
def test_seconds_have_three_digits_and_a_unit(seconds: float, text: str):
    assert spelled(seconds) == text


@pytest.mark.parametrize(("nbytes", "text"), [(3 << 19, "1.50 MiB"), (0, "0.00 KiB")])
def test_bytes_have_three_digits_and_a_unit(nbytes: int, text: str):
    assert spelled(nbytes, "B") == text


def test_runs_longer_than_a_turn_are_done_once_in_each():
    turns: list[float] = []

    def run() -> None:
        turns.append(0)
        time.sleep(0.002)

    measure(Row("q", "s", {"a": run}), Ceilings(threads=1), Effort(3, seconds=0.001, rest=0.0))
    # two that compile, one that wakes the threads, one in each round
    assert len(turns) == 2 + 1 + 3


def test_peers_without_which_is_measured_do_not_run():
    def never() -> None:
        raise AssertionError

    row = Row("q", "s", {"wonderland": lambda: None, "torch.compile": never})
    effort = Effort(1, seconds=0.0, rest=0.0, without=("torch.compile",))
    assert set(measure(row, Ceilings(threads=1), effort).values) == {"wonderland"}


def test_the_table_is_markdown_with_a_dash_for_what_is_missing():
    figure = Figure("chain", "f32[8]", {"wonderland": 2e-6, "numpy": 4e-6}, ceiling=1e-6)
    assert table([figure], ("wonderland", "numpy", "jax")).splitlines() == [
        "| question | size   | wonderland |   numpy | jax | ratio | of ceiling |",
        "| -------- | ------ | ---------- | ------- | --- | ----- | ---------- |",
        "| chain    | f32[8] |    2.00 us | 4.00 us |   - |  2.00 |        50% |",
    ]
