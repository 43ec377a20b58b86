"""The command: its tables and texts, and one line for every mistake."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from wonderland import commands
from wonderland.commands.recipes import chosen_recipe
from wonderland.compiler.front.functions.derivatives import stop_gradient
from wonderland.compiler.front.numpy import mean
from wonderland.models import families
from wonderland.models.families import linear, recipes

pytest.importorskip("sklearn")

FAMILIES = sorted(Path(families.__file__).parent.glob("[!_]*.py"))


def test_training_ends_with_a_table_and_leaves_model_numbers_and_curve(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.main(["train", "softmax", "--epochs", "2"]) == 0
    printed = capsys.readouterr()
    assert "epoch 2: loss" in printed.err and "test accuracy" in printed.out
    folder = tmp_path / "runs" / "softmax"
    told = json.loads((folder / "result.json").read_text())
    assert told["epochs"] == 2 and told["baseline"] < 0.2 < told["score"]
    assert {f.name for f in folder.iterdir()} >= {"model.npz", "training.npz", "result.json"}
    assert commands.main(["train", "softmax", "--epochs", "3", "--resume"]) == 0
    assert json.loads((folder / "result.json").read_text())["epochs"] == 3
    capsys.readouterr()
    assert commands.main(["models"]) == 0
    row = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("softmax "))
    assert row.split()[-3] == "650"  # parameters


def test_inspect_prints_all_stages_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["inspect", "linear"]) == 0
    whole = capsys.readouterr().out
    assert commands.main(["inspect", "linear", "--stage", "trace"]) == 0
    one = capsys.readouterr().out
    assert one.startswith("def step(") and one.strip() in whole


def test_profile_and_memory_are_of_the_training_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["profile", "linear"]) == 0
    assert "microseconds" in capsys.readouterr().out
    assert commands.main(["memory", "linear"]) == 0
    assert "memory of step" in capsys.readouterr().out


def test_gradients_of_a_model_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", "logistic"]) == 0
    assert "agrees with differences" in capsys.readouterr().out


def test_a_wrong_gradient_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(model: Any, batch: Any) -> Any:
        error = model(batch[0])[:, 0] - batch[1]
        return mean(error * stop_gradient(error))

    broken = dataclasses.replace(recipes()["linear"], loss=wrong)
    monkeypatch.setattr(linear, "RECIPES", (broken,))
    assert families.recipes()["linear"] is broken
    assert commands.main(["check", "linear"]) == 1
    told = capsys.readouterr().err
    assert "wrong; stop_gradient gives another on purpose" in told and told.count("\n") == 2


RECIPE = """
import numpy as np
import wonderland as wl

X = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]

MINE = wl.models.Recipe(
    name="mine", chapter="", about="a line", epochs=9, stated=0.0, measure="error", higher=False,
    data=lambda seed: wl.models.data.Split((X, 3 * X), (X, 3 * X)),
    init=lambda key, split: wl.nn.Linear.init(key, 1, 1), rate=0.1,
    loss=lambda model, batch: np.mean((model(batch[0]) - batch[1]) ** 2),
    score=lambda model, batch: np.mean(abs(model(batch[0]) - batch[1])),
    baseline=lambda split: float(np.mean(abs(split.test[1]))),
    generate=lambda model, split, key, prompt: iter([prompt, " line"]),
)
OTHER = 3
RECIPES = (MINE,)
"""


def test_a_recipe_of_a_users_own_file_is_trained_read_and_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RECIPE + "print('run')\n")
    for line in (
        "train mine.py:MINE --epochs 20 --lr 0.2", "check mine.py:MINE", "profile mine.py:MINE",
        "memory mine.py:MINE", "inspect mine.py:MINE --stage trace",
    ):  # fmt: skip
        assert commands.main(line.split()) == 0, capsys.readouterr()
        assert capsys.readouterr().out.splitlines().count("run") == 1
    assert commands.main(["generate", "mine.py:MINE", "--prompt", "a"]) == 0
    assert capsys.readouterr().out == "run\na line\n"
    assert commands.main(["train", "mine.py:OTHER"]) == 2
    assert "a wl.models.Recipe is required, got int" in capsys.readouterr().err
    assert commands.main(["train", "mine.py:mine", "--epochs", "2"]) == 0  # the recipe's own name
    capsys.readouterr()
    assert commands.main(["train", "mine.py:RECIPES"]) == 2
    assert "a wl.models.Recipe is required, got tuple of mine" in capsys.readouterr().err
    assert commands.main(["train", "mine.py:nine"]) == 2
    assert "no Recipe 'nine', did you mean 'mine'?" in capsys.readouterr().err


@pytest.mark.parametrize("file", FAMILIES, ids=lambda file: file.stem)
def test_a_copied_family_has_its_recipes_by_name(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / f"my_{file.name}"
    copied.write_text(file.read_text())
    module = importlib.import_module(f"wonderland.models.families.{file.stem}")
    for recipe in getattr(module, "RECIPES", ()):
        with chosen_recipe(f"{copied}:{recipe.name}") as found:
            assert (found.name, found.about) == (recipe.name, recipe.about)


def test_the_table_of_models_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 100 and {"mlp", "alice"} <= {x.split(" ")[0] for x in lines}


RECIPES_WITH_MISTAKES = {
    "init=lambda key: 1": "Recipe: init of key, split is required, got <lambda>(key), mine.py:7",
    "epochs=0": "Recipe: epochs of 1 or more is required, got 0, mine.py:7",
    "optimizer=wl.optim.adam(1e-3)": "Recipe: a function of schedule is required for optimizer",
    "data=lambda seed: (X, X)": "mine: a wl.models.data.Split is required of its data, got tuple",
    "data=lambda seed: wl.models.data.Split((), ())": "a tree of arrays is required for train",
    "baseline=lambda split: None": "a baseline of one number is required, got None",
    "baseline=lambda split: split.tests": "mine.py:13: AttributeError: 'Split' object has",
    "score=lambda model, batch: batch[1]": "a score of one number is required, got shape [32, 1]",
}


@pytest.mark.parametrize("change", RECIPES_WITH_MISTAKES)
def test_a_mistake_in_a_recipe_is_told_in_one_line(
    change: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = change.partition("=")[0]
    text = re.sub(rf"\b{name}=.*?,(?=\n| stated| rate)", lambda _: f"{change},", RECIPE)
    if change not in text:
        text = text.replace("rate=0.1,", f"rate=0.1, {change},")
    (tmp_path / "mine.py").write_text(text)
    assert commands.main(["train", "mine.py:MINE", "--epochs", "1"]) == 2
    printed = capsys.readouterr().err
    assert RECIPES_WITH_MISTAKES[change] in printed.splitlines()[-1]
    assert not (tmp_path / "runs" / "mine" / "model.npz").exists()


def test_what_a_file_has_and_what_cannot_be_written_is_told(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RECIPE)
    (tmp_path / "out" / "training.npz").mkdir(parents=True)
    for line, said in {
        "train mine.py": "mine.py: the name of a Recipe is required, try: mine.py:MINE\n",
        "train mine.py:MIEN": "no Recipe 'MIEN', did you mean 'MINE'? there are MINE, mine\n",
        "generate mine.py:MINE --out a": "try: wonderland train mine.py:MINE --out a\n",
        "train mine.py:MINE --epochs 1 --out out": "got the folder out/training.npz\n",
        "train mine.py:MINE --out out --resume": "got the folder out/training.npz\n",
    }.items():
        assert commands.main(line.split()) == 2
        assert capsys.readouterr().err.endswith(said), line
    (tmp_path / "out" / "training.npz").rmdir()
    (tmp_path / "out" / "model.npz").mkdir()
    assert commands.main(["train", "mine.py:MINE", "--epochs", "1", "--out", "out"]) == 2
    assert capsys.readouterr().err.endswith(": Is a directory\n")
    (tmp_path / "out" / "model.npz").rmdir()
    words = ["train", "mine.py:MINE", "--epochs", "1", "--out", "out"]
    assert commands.main(words) == 0
    capsys.readouterr()
    assert commands.main([*words, "--resume", "--batch-size", "8"]) == 2
    assert capsys.readouterr().err.endswith("batch_size of the checkpoint is required, 32, got 8\n")


MISTAKES = {
    "train mpl": "no model 'mpl', did you mean 'mlp'? there are ",
    "train": "the following arguments are required: NAME | FILE:RECIPE | all",
    "train mlp --lr fast": "a number of 0 or more is required, got fast",
    "train mlp --batch-size 3000": "at most the 1438 rows of the data, got 3000",
    "train mlp --out /proc/none/x": "--out /proc/none/x: No such file or directory",
    "train mlp --resume --out /tmp/none": "no checkpoint in /tmp/none, train without it first",
    "generate mlp": "no model that writes 'mlp', there are alice,",
    "generate alice --temperature hot": "a number of 0 or more is required, got hot",
    "inspect mlp --arg f32": "mlp: a model takes no --arg, a FILE:FUNCTION does",
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
