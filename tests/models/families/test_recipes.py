"""Every recipe, on a few rows of its data: it learns, resumes to the bit, and its program is sound.

All that is compiled in tests is proved to follow the rules of every stage (tests/conftest.py).
"""

from __future__ import annotations

import ast
import functools
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.text import constants_of, parse
from wonderland.compiler.trace.trace import trace
from wonderland.models import Recipe, data
from wonderland.models.families import recipes
from wonderland.models.training import Epoch
from wonderland.models.training.step import first_state, training_step, with_named

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
RECIPES = recipes()
ROWS, STEPS = 4, 6


@functools.lru_cache(maxsize=1)
def sliced(name: str) -> tuple[Recipe, Any, Any, Any]:
    """A recipe, a few rows, its first model and state; skipped where its data is not here."""
    recipe = RECIPES[name]
    try:
        split = recipe.data(0)
    except (data.MissingData, data.MissingExtra) as missing:
        pytest.skip(str(missing))
    few = wl.tree.map(lambda a: a[:ROWS], split.train)
    model = recipe.init(wl.random.key(0), split)
    return recipe, few, model, recipe.state(model) if recipe.state else None


def trained(name: str, epochs: int, **options: Any) -> Any:
    recipe, few, model, state = sliced(name)
    return wl.fit(
        recipe.loss, model, few, recipe.optimizer(recipe.rate), epochs=epochs, state=state,
        key=wl.random.key(1), **options,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_learns_a_few_rows_and_resumes_to_the_bit(name: str, tmp_path: Path) -> None:
    file, half = tmp_path / "training.npz", tmp_path / "half.npz"

    def heard(epoch: Epoch) -> None:
        if epoch.number == STEPS // 2 + 1:  # the file is that of the epoch before
            shutil.copy(file, half)

    whole = trained(name, STEPS, checkpoint=file, progress=heard)
    assert np.all(np.isfinite(whole.losses)) and np.min(whole.losses[1:]) < whole.losses[0]
    resumed = trained(name, STEPS, checkpoint=half, resume=True)
    assert whole.losses.tolist() == resumed.losses.tolist()
    for a, b in zip(wl.tree.leaves(whole.model), wl.tree.leaves(resumed.model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", RECIPES)
def test_the_step_of_a_recipe_reads_back_from_its_text(name: str) -> None:
    recipe, few, model, state = sliced(name)
    optimizer = recipe.optimizer(recipe.rate)
    step, training = training_step(recipe.loss, optimizer), first_state(model, optimizer, state)
    graph = trace(step, training, wl.random.key(0), few).graph
    assert parse(str(graph), constants_of(graph)) == graph


@pytest.mark.parametrize("name", RECIPES)
def test_the_gradient_of_a_recipe_is_right(name: str) -> None:
    """Along one direction of all parameters, in double precision, beside differences."""
    if name == "wav2vec":
        pytest.skip("what stands behind stop_gradient is moved by differences; test_wav2vec.py")
    recipe, few, model, state = sliced(name)
    model, few, state = wl.tree.map(wide, (model, few, state))
    rng = np.random.default_rng(0)
    near, way = (
        wl.tree.map(lambda x: rng.normal(size=x.shape) if x.dtype.kind == "f" else 0, model)
        for _ in range(2)
    )
    # where biases are not 0, at which a relu of nothing has a kink
    model = wl.tree.map(lambda x, d: x + 0.01 * d if x.dtype.kind == "f" else x, model, near)

    def along(t: Any) -> Any:
        moved = wl.tree.map(lambda x, d: x + t * d if x.dtype.kind == "f" else x, model, way)
        found = with_named(recipe.loss, moved, few, key=wl.random.key(2), state=state)
        return found[0] if isinstance(found, tuple) else found

    h = 1e-8  # so small that hardly a relu or a maximum of so many changes sides
    with wl.disable_jit():
        slope = float(wl.grad(along)(0.0))
        difference = (float(along(h)) - float(along(-h))) / (2 * h)
    assert abs(slope - difference) < 1e-5 * max(abs(slope), 1), (slope, difference)


def wide(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_told_in_full(name: str) -> None:
    recipe = RECIPES[name]
    assert name.isidentifier() and recipe.measure and recipe.epochs > 0
    assert re.fullmatch(r"\d+|[AB]", recipe.chapter)
    assert re.fullmatch(r".{10,79}", recipe.about)
    assert np.isfinite(recipe.stated) and recipe.stated != 0


FAMILIES = sorted(
    f for part in ("families", "pretrained") for f in (ROOT / "models" / part).glob("[!_]*.py")
)


@pytest.mark.parametrize("file", FAMILIES, ids=lambda f: f.stem)
def test_a_family_stands_on_the_front_door_alone(file: Path) -> None:
    """So that a user can copy it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file.name}:{node.lineno}"
            assert not re.match(r"wonderland\.(compiler|runtime|commands)", node.module or "")
            assert not re.match(r"wonderland\.models\.(nn|optim|training)", node.module or "")


def test_the_readme_states_what_recipes_state() -> None:
    row = r"^\| `(\w+)` \| ([\w, ]+) \| (.*?) \| (.*?) \| (\S+) \|"
    told = re.findall(row, README, re.MULTILINE)
    every = RECIPES.values()
    expected = [(r.name, r.chapter, r.about, r.measure, f"{r.stated:.3g}") for r in every]
    assert told == expected
