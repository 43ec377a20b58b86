"""The command: its tables and texts, and one line for every mistake."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wonderland import commands
from wonderland.commands import tasks
from wonderland.compiler.front.functions.derivatives import stop_gradient
from wonderland.compiler.front.numpy import mean
from wonderland.models.families import linear

pytest.importorskip("sklearn")


def test_training_ends_with_a_table_of_the_test_accuracy(capsys):
    assert commands.main(["train", "softmax", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "2/2" in printed and "test accuracy" in printed


def test_inspect_prints_all_stages_or_one(capsys):
    assert commands.main(["inspect", "linear"]) == 0
    whole = capsys.readouterr().out
    assert commands.main(["inspect", "linear", "--stage", "trace"]) == 0
    one = capsys.readouterr().out
    assert one.startswith("def step(") and one.strip() in whole


@pytest.mark.parametrize("name", tasks.TASKS)
def test_gradients_of_the_models_are_right(name: str, capsys):
    assert commands.main(["check", name]) == 0
    assert "agrees with differences" in capsys.readouterr().out


def test_a_wrong_gradient_is_found(monkeypatch, capsys):
    def wrong(params: Any, x: Any, y: Any) -> Any:
        error = params(x)[:, 0] - y
        return mean(error * stop_gradient(error))

    broken = dataclasses.replace(linear.LINEAR, loss=wrong)
    monkeypatch.setitem(tasks.TASKS, "linear", broken)
    assert commands.main(["check", "linear"]) == 1
    assert "the gradient of the loss is wrong" in capsys.readouterr().err


MISTAKES = {
    "train mpl": "no model 'mpl', did you mean 'mlp'? there are mlp, linear, logistic, softmax",
    "train": "the following arguments are required: model",
    "sing": "invalid choice: 'sing'",
    "train mlp --epochs none": "a number of 1 or more is required, got none",
    "train mlp --seed x": "a number of 0 or more is required, got x",
    "inspect linear --device sm_81": "no device 'sm_81', did you mean 'sm_80'? there are cpu, cuda",
    "inspect linear --stage fuze": "no stage 'fuze', did you mean 'fuse'? there are trace,",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(line: str, capsys):
    assert commands.main(line.split()) == 2
    printed = capsys.readouterr().err
    assert MISTAKES[line] in printed and printed.count("\n") == 1
