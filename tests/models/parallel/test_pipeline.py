"""Stages one after another in different processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.models.parallel import from_last, gpipe, microbatches

X = np.random.default_rng(0).normal(size=(6, 3))
W = np.random.default_rng(1).normal(size=(4, 3))


def stage(w: Any, x: Any) -> Any:
    return {"y": np.tanh(x["y"] * w), "n": x["n"] + 1}


@pytest.mark.parametrize("count", [1, 2, 6])
def test_microbatches_go_through_all_stages_in_order(count: int) -> None:
    def f(w: Any) -> Any:
        x = {"y": microbatches(X, count), "n": np.zeros(count)}
        found = gpipe(stage, w, x, "stage")
        return from_last(lambda: found, "stage")

    found = wl.vmap(f, axis_name="stage")(W)
    expected = X
    for w in W:
        expected = np.tanh(expected * w)
    for place in range(4):
        np.testing.assert_allclose(found["y"][place].reshape(6, 3), expected, 1e-14)
        np.testing.assert_array_equal(found["n"][place], np.full(count, 4))


def test_a_tick_is_one_turn_and_a_stage_sends_once_in_it() -> None:
    graphs: list[Any] = []

    def f(w: Any) -> Any:
        x = {"y": microbatches(X, 3), "n": np.zeros(3)}
        graphs.append(wl.trace(lambda w: gpipe(stage, w, x, "stage"), w).graph)
        return w

    wl.vmap(f, axis_name="stage")(W)
    (scan,) = (n for n in graphs[0].nodes if n.op.name == "scan")
    sent = [n for n in scan.op.graphs[0].nodes if n.op.name == "ppermute"]
    assert scan.op.length == 3 + 4 - 1 and len(sent) == 2  # an array each of y and n


def test_idle_ticks_leave_no_trace_in_gradients() -> None:
    """A stage whose slope is infinite at what idle ticks might be made of."""

    def loss(w: Any) -> Any:
        y = gpipe(lambda w, x: np.sqrt(x) * w, w, microbatches(np.abs(X), 3), "stage")
        return from_last(lambda: np.mean(y), "stage") / 2

    w = np.array([2.0, 3.0])
    found = wl.vmap(wl.grad(loss), axis_name="stage")(w)
    both = lambda w: np.mean(np.sqrt(np.sqrt(np.abs(X)) * w[0]) * w[1])  # noqa: E731
    np.testing.assert_allclose(found, wl.grad(both)(w), 1e-12)


def test_rows_that_do_not_divide_are_refused() -> None:
    text = "microbatches: a multiple of 4 rows is required, got 6"
    with pytest.raises(wl.ProgramError, match=text):
        microbatches(X, 4)


def test_who_alone_runs_a_function_asks_others_for_nothing() -> None:
    def f(w: Any) -> Any:
        return from_last(lambda: wl.lax.scan(lambda c, x: (c + total(x), None), 0.0, w)[0], "stage")

    total = lambda x: wl.lax.psum(x, "stage")  # noqa: E731
    with pytest.raises(wl.ProgramError) as error:
        wl.vmap(f, axis_name="stage")(W)
    first, place, _ = str(error.value).splitlines()
    assert first == (
        "from_last: a function that reads nothing of other processes along 'stage' is required, "
        "got psum"
    )
    assert "total = lambda x" in place
    total = lambda x: wl.lax.psum(x, "model")  # noqa: E731
    wl.vmap(wl.vmap(f, axis_name="model", axis_size=2, in_axes=None), axis_name="stage")(W)
