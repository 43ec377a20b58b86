"""Training by compiled steps: it learns, and a seed gives one result."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wonderland.compiler.trace import tree
from wonderland.compiler.trace.trace import trace
from wonderland.compiler.transform.interpreter import interpret
from wonderland.models.families import linear, mlp
from wonderland.models.train import TaskEpoch, compiled_step, initial_state, train, train_step

pytest.importorskip("sklearn")


def test_linear_regression_comes_to_the_least_squares_solution():
    result = train(linear.LINEAR)
    split = linear.LINEAR.data(0)
    x, y = split.train
    x = np.column_stack([x, np.ones(len(x))])
    solution, *_ = np.linalg.lstsq(x, y, rcond=None)
    best = np.mean((x @ solution - y) ** 2)
    assert best <= result.losses[-1] < best + 1e-2  # the smallest curvature is slow
    assert result.test_score > 0.4


@pytest.mark.parametrize("task", [linear.LOGISTIC, linear.SOFTMAX], ids=lambda t: t.name)
def test_classifiers_beat_chance_by_far(task):
    result = train(task, epochs=10)
    assert result.losses[-1] < result.losses[0]
    assert result.test_score > {"logistic": 0.7, "softmax": 0.93}[task.name]


def test_mlp_reads_digits():
    assert train(mlp.TASK, epochs=10).test_score >= 0.97


def test_a_seed_gives_one_result_to_the_bit():
    first, again, other = (train(linear.SOFTMAX, epochs=2, seed=s) for s in (1, 1, 2))
    assert first.losses == again.losses != other.losses
    for a, b in zip(tree.leaves(first.params), tree.leaves(again.params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_hears_of_every_epoch():
    heard: list[TaskEpoch] = []
    result = train(linear.LINEAR, epochs=3, progress=heard.append)
    assert [e.number for e in heard] == [1, 2, 3]
    assert tuple(e.loss for e in heard) == result.losses and result.steps == 3


@pytest.mark.parametrize("task", [mlp.TASK, linear.LINEAR], ids=lambda t: t.name)
def test_a_compiled_step_computes_what_its_graph_means(task):
    task = dataclasses.replace(task, batch_size=32)
    split, params, state, rows = initial_state(task)
    args = params, state, *(a[:rows] for a in split.train)
    made = trace(train_step(task.loss, task.optimizer), *args)
    expected = interpret(made.graph, *tree.leaves(args))
    for a, b in zip(tree.leaves(compiled_step(task)(*args)), expected, strict=True):
        # sums of up to 256 products in another order; a first Adam step divides g by its size
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
