"""A step that processes share, as applications of vmap in one: what all of them get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError
from wonderland.models.training.batches import rows
from wonderland.models.training.shares import Shares
from wonderland.models.training.step import Training, first_state, training_step

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 5)).astype(np.float32)
Y = np.tanh(X @ rng.normal(size=(5, 2))).astype(np.float32)
KEY = wl.random.key(3)


def net() -> tuple[nn.Linear, nn.Linear]:
    first, second = wl.random.split(wl.random.key(0))
    return nn.Linear.init(first, 5, 16), nn.Linear.init(second, 16, 2)


def plain(model: Any, batch: Any) -> Any:
    x, y = batch
    return np.mean((model[1](np.tanh(model[0](x))) - y) ** 2)


def dropped(model: Any, batch: Any, key: Any) -> Any:
    x, y = batch
    return np.mean((model[1](nn.dropout(key, np.tanh(model[0](x)), 0.5)) - y) ** 2)


def trained(
    loss: Any, processes: int = 1, accumulate: int = 1, state: Any = None, optimizer: Any = None
) -> Training:
    """After three steps of 32 rows."""
    optimizer = optimizer or wl.optim.adam(1e-2)
    axis = "data" if processes > 1 else ""
    step = training_step(loss, optimizer, accumulate, axis, processes)
    if axis:
        step = wl.vmap(step, (None, None, 0), None, axis_name=axis)
    step, training = wl.jit(step), first_state(net(), optimizer, state)
    for k in range(3):
        batch = rows((X, Y), np.arange(32 * k, 32 * k + 32) % 64)
        if axis:
            batch = wl.tree.map(lambda a: a.reshape(processes, -1, *a.shape[1:]), batch)
        training = step(training, KEY, batch)[0]
    return training


def apart(a: Any, b: Any) -> float:
    pairs = zip(wl.tree.leaves(a), wl.tree.leaves(b), strict=True)
    return max(float(np.max(np.abs(x - y), initial=0)) for x, y in pairs)


@pytest.mark.parametrize("loss", [plain, dropped])
def test_processes_are_parts_of_a_batch_each_with_its_own_key(loss: Any) -> None:
    parts = trained(loss, 1, 4)
    for processes, accumulate in ((4, 1), (2, 2)):
        shared = trained(loss, processes, accumulate)
        assert apart(shared.model, parts.model) < 1e-6  # a few roundings of weights below 1
    assert apart(trained(loss).model, parts.model) < 1e-6 or loss is dropped
    assert apart(trained(dropped, 2).model, trained(dropped, 4).model) > 1e-3


def test_a_state_is_the_mean_of_what_processes_make_of_theirs() -> None:
    def counted(model: Any, batch: Any, state: Any) -> Any:
        mean, count = state
        return plain(model, batch), (0.5 * mean + 0.5 * np.mean(batch[0]), count + 1)

    found = trained(counted, 2, state=(np.float32(0), np.int32(0))).state
    alone = trained(counted, state=(np.float32(0), np.int32(0))).state
    np.testing.assert_allclose(found[0], alone[0], atol=1e-7)
    assert found[1] == 3 and found[1].dtype == np.int32


def test_a_line_search_is_along_the_mean_over_processes() -> None:
    alone, shared = (trained(plain, n, optimizer=wl.optim.lbfgs()) for n in (1, 2))
    assert apart(alone.model, shared.model) < 1e-4
    assert apart(alone.model, net()) > 0.1


@pytest.mark.parametrize(
    ("count", "number", "accumulate", "said", "repair"),
    [
        (4, 30, 1, "rows of a batch that 4 processes share evenly are required, got 30", "size=28"),
        (4, 3, 1, "rows of a batch that 4 processes share evenly are required, got 3", "size=4"),
        (2, 12, 4, "accumulate that divides the batch is required, got 4 and 6 rows", ""),
    ],
)
def test_a_batch_that_processes_cannot_share_is_refused(
    count: int, number: int, accumulate: int, said: str, repair: str
) -> None:
    with pytest.raises(ProgramError) as error:
        Shares(axis="data", count=count).check_divisible(number, accumulate)
    assert said in error.value.what and error.value.repair.endswith(repair)


def test_shares_are_all_rows_in_the_order_of_places() -> None:
    found = [range(12)[Shares(axis="data", count=3, place=k).of(12)] for k in range(3)]
    assert [i for part in found for i in part] == list(range(12))
