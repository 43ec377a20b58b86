"""Recurrent layers: whole sequences are their cells in turn, and padding is never read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

KINDS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (nn.RNN, {}), (nn.RNN, {"activation": nn.relu, "bias": False}), (nn.GRU, {}),
    (nn.GRU, {"bias": False}), (nn.LSTM, {}), (nn.LSTM, {"projection": 3}),
)  # fmt: skip
CLOSE: Any = {"rtol": 0, "atol": 1e-14}
LENGTHS = np.array([5, 2, 0])
X = np.random.default_rng(0).normal(size=(3, 5, 4))


@pytest.fixture(autouse=True)
def interpreted():
    with wl.disable_jit():
        yield


def made(kind: Any, **options: Any) -> Any:
    layer = kind.init(wl.random.key(0), 4, 6, dtype="float64", **options)
    noise = np.random.default_rng(1)  # biases that are not 0
    return wl.tree.map(lambda w: w + 0.3 * noise.normal(size=w.shape), layer)


def same(found: Any, wanted: Any) -> None:
    wl.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), found, wanted)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_sequence_is_its_steps_in_turn(kind: Any, options: dict[str, Any]) -> None:
    layer = made(kind, layers=2, **options)
    y, last = layer(X)
    state, outputs = layer.start(3), []
    for t in range(5):
        state, out = layer.step(state, X[:, t])
        outputs.append(out)
    same(y, np.stack(outputs, 1))
    same(last, state)
    y2, again = layer(X[:, 3:], layer(X[:, :3])[1])  # what was kept goes on
    same((y[:, 3:], last), (y2, again))


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_padding_changes_nothing(kind: Any, options: dict[str, Any]) -> None:
    layer = made(kind, layers=2, bidirectional=True, **options)
    y, last = layer(X, lengths=LENGTHS)
    for row, n in enumerate(LENGTHS):
        alone, state = layer(X[row : row + 1, :n])
        same(y[row, :n], alone[0])
        assert not y[row, n:].any()
        same([s[row] for s in wl.tree.leaves(last)], [s[0] for s in wl.tree.leaves(state)])
    other = np.where(np.arange(5)[:, None] < LENGTHS[:, None, None], X, 7)
    same(layer(other, mask=np.arange(5) < LENGTHS[:, None]), (y, last))


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_in_reverse_a_sequence_is_read_from_its_end(kind: Any) -> None:
    layer = made(kind, reverse=True)
    forward = dataclasses.replace(layer, reverse=False)
    y, last = layer(X)
    turned, state = forward(X[:, ::-1])
    same((y, last), (turned[:, ::-1], state))
    both = kind((*forward.cells, *layer.cells), bidirectional=True)
    same(both(X)[0], np.concatenate([forward(X)[0], y], -1))


def test_later_inputs_change_no_earlier_output() -> None:
    layer = made(nn.LSTM, layers=2)
    other = X.copy()
    other[:, 3:] += 1
    a, b = layer(X)[0], layer(other)[0]
    np.testing.assert_array_equal(a[:, :3], b[:, :3])
    assert (a[:, 3:] != b[:, 3:]).all()


def test_the_loop_has_the_product_of_the_state_alone() -> None:
    graph = str(wl.trace(nn.LSTM.init(wl.random.key(0), 4, 6), X.astype(np.float32)).graph)
    outside, body = graph.split("def step")
    assert outside.count("dot_general") == body.count("dot_general") == 1


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_gradients_flow_through_time_and_stop_at_padding(kind: Any, options: Any) -> None:
    if "activation" in options:  # smooth where differences are taken
        options = options | {"activation": nn.silu}
    layer = made(kind, bidirectional=True, **options)

    def total(layer: Any, x: Any) -> Any:
        y, last = layer(x, lengths=LENGTHS)
        return sum(np.sum(leaf**2) for leaf in wl.tree.leaves((y, last)))

    wl.testing.check_gradients(total, layer, X)
    slopes = wl.grad(total, argnums=1)(layer, X)
    assert (np.any(slopes, -1) == (np.arange(5) < LENGTHS[:, None])).all()


def test_a_gradient_through_time_is_a_power_of_the_states_matrix() -> None:
    layer = made(nn.RNN, activation=nn.identity)
    slopes = wl.jacrev(lambda h: layer(X[:1], (h[None],))[1][0][0])(np.ones(6))
    same(slopes, np.linalg.matrix_power(layer.cells[0].weight_hh, 5).T)


def test_dropout_is_between_layers_and_takes_a_key() -> None:
    layer = made(nn.GRU, layers=2, dropout=0.5)
    whole = layer(X)
    dropped = layer(X, key=wl.random.key(3))
    same(whole[1][0], dropped[1][0])
    assert (whole[1][1] != dropped[1][1]).any()
    one = made(nn.GRU, dropout=0.5)
    same(one(X, key=wl.random.key(3)), one(X))


def test_what_does_not_fit_is_said() -> None:
    layer = made(nn.LSTM, bidirectional=True)
    with pytest.raises(ProgramError, match=r"LSTM: \[batch, time, features\] is req.* 2 axes"):
        layer(X[0])
    with pytest.raises(ProgramError, match="LSTMCell: 4 features are required, got 3"):
        layer(X[..., :3])
    with pytest.raises(ProgramError, match=r"LSTM\.step: a layer that runs forward is required"):
        layer.step(layer.start(3), X[:, 0])
    with pytest.raises(ProgramError, match=r"LSTM: a state for each of 2 cells is required.* got"):
        layer(X, layer.start(3)[0])


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_what_padding_holds_reaches_no_derivative(kind: Any, options: Any) -> None:
    layer, x = made(kind, bidirectional=True, layers=2, **options), X.copy()
    x[1, 2:] = np.nan
    x[2] = np.inf
    slopes = wl.grad(lambda m, x: np.sum(m(x, lengths=LENGTHS)[0] ** 2), argnums=(0, 1))
    same(slopes(layer, x), slopes(layer, np.where(np.isfinite(x), x, 0.0)))


def test_masks_of_numbers_join_lengths_and_wide_inputs_narrow_weights() -> None:
    layer = made(nn.GRU)
    inside = np.arange(5) < LENGTHS[:, None]
    same(layer(X, mask=2 * inside, lengths=LENGTHS), layer(X, lengths=LENGTHS))
    narrow = wl.tree.map(lambda w: w.astype(np.float32), layer)
    assert narrow(X)[0].dtype == np.float64
    np.testing.assert_allclose(narrow(X.tolist())[0], layer(X)[0], atol=1e-6)


def test_all_is_dropped_at_rate_1_and_has_a_derivative() -> None:
    layer = made(nn.LSTM, layers=2, dropout=1.0)
    slopes = wl.grad(lambda x: np.sum(layer(x, key=wl.random.key(3))[0]))(X)
    np.testing.assert_array_equal(slopes, 0.0)


@pytest.mark.parametrize("wrong", [{"lengths": 3}, {"mask": np.ones((3, 4), bool)}])
def test_lengths_and_masks_of_other_shapes_are_told(wrong: Any) -> None:
    with pytest.raises(ProgramError, match=r"GRU: .* is required, got"):
        made(nn.GRU)(X, **wrong)
