"""The models that come along, and recipes of a user's file: train them, read, check and time them.

wonderland train mlp --epochs 30 --out runs/mlp
wonderland models
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler import settings, testing
from ..compiler.front import random, tree_files
from ..compiler.front.trees import size as size_of
from ..compiler.ir.errors import ProgramError
from ..compiler.jit.distributed import barrier, process_index
from ..compiler.jit.inspection import Inspection
from ..compiler.jit.jit import eval_shape, jit
from ..compiler.jit.mesh import Mesh
from ..compiler.trace import tree
from ..models.data import MissingData, MissingExtra, Split
from ..models.families import recipes
from ..models.pretrained import GENERATORS
from ..models.recipe import Recipe
from ..models.training import Fit, fit
from ..models.training.batches import row_count, rows
from ..models.training.step import Training, checked, first_state, one_number, training_step
from .line import Misuse, missing_file, unknown
from .processes import data_mesh, tell
from .results import time_text
from .user_file import named_object, names_function


class TooFew(Misuse):
    """A recipe has fewer rows in a step than there are processes."""


RUNS = "runs"  # the folder of what was trained, in that where the command is called
CHECKED_ROWS = 4  # examples in a gradient check
CHECKED_SCALE = 1e-3  # of its moves, which are many: small enough that no relu meets its kink
BESIDE = 0.01  # how far from first weights gradients are checked
ALL = "all"


@contextlib.contextmanager
def chosen_recipe(target: str) -> Iterator[Recipe]:
    """The recipe of a name, or FILE:NAME of a user's, while its file is at hand."""
    if names_function(target):
        with named_object(target, kind=Recipe) as found:
            if not isinstance(found, Recipe):
                raise Misuse(f"{target}: a wl.models.Recipe is required, got {_told(found)}")
            yield found
        return
    known = recipes()
    if target not in known:
        raise Misuse(f"{unknown('model', target, known)}, or FILE:RECIPE")
    yield known[target]


def _told(found: Any) -> str:
    """What is no recipe, with the names of those in it."""
    listed = found if isinstance(found, tuple | list) else ()
    inside = [r.name for r in listed if isinstance(r, Recipe)]
    return f"{type(found).__name__} of {', '.join(inside)}" if inside else type(found).__name__


@contextlib.contextmanager
def meant_recipe(options: argparse.Namespace, refused: Sequence[str]) -> Iterator[Recipe | None]:
    """The recipe that is meant, or None where FILE:NAME is a function, while its file is at hand.

    A recipe takes none of the `refused` options, which are about functions.
    """
    target = options.target
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(named_object(target)) if names_function(target) else None
        if found is not None and not isinstance(found, Recipe):
            yield None
            return
        recipe = stack.enter_context(chosen_recipe(target))
        if given := [f"--{name}" for name in refused if getattr(options, name)]:
            raise Misuse(f"{target}: a model takes no {given[0]}, a FILE:FUNCTION does")
        yield recipe


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A recipe with its data and its first model."""

    recipe: Recipe
    split: Split
    model: Any
    state: Any
    batch_size: int
    epochs: int
    optimizer: Any


def prepared_recipe(recipe: Recipe, options: argparse.Namespace, processes: int = 1) -> Prepared:
    """Data, first model and optimizer, with what the command line says otherwise.

    The processes share the batch evenly: it has no more rows than the recipe says.
    """
    split = recipe.data(options.seed)
    if not isinstance(split, Split):
        got = type(split).__name__
        raise Misuse(f"{recipe.name}: a wl.models.data.Split is required of its data, got {got}")
    model = recipe.init(random.key(options.seed), split)
    examples = row_count("train", split.train)
    batch_size = getattr(options, "batch_size", None) or recipe.batch_size or examples
    epochs = getattr(options, "epochs", None) or recipe.epochs
    rate = recipe.rate if getattr(options, "lr", None) is None else options.lr
    if batch_size > examples:
        raise Misuse(f"--batch-size: at most the {examples} rows of the data, got {batch_size}")
    if batch_size < processes:
        raise TooFew(f"{recipe.name}: {processes} processes cannot share a batch of {batch_size}")
    if getattr(options, "batch_size", None) is None:
        batch_size -= batch_size % processes
    optimizer = recipe.optimizer(recipe.schedule(rate, epochs * (examples // batch_size)))
    state = recipe.state(model) if recipe.state else None
    return Prepared(recipe, split, model, state, batch_size, epochs, optimizer)


# ---------------------------------------------------------------- train


def add(commands: Any, positive: Any, rate: Any, size: Any) -> None:
    table = commands.add_parser("models", help="the table of the models that come along")
    table.add_argument("--out", metavar="FOLDER", help=f"where training has put them, {RUNS}")
    table.set_defaults(run=run_models)
    times = commands.add_parser("profile", help="the time of each kernel of a training step")
    times.add_argument("target", metavar="NAME | FILE:RECIPE", help="see wonderland models")
    times.set_defaults(run=run_profile)
    train = commands.add_parser("train", help="train a model on real data")
    train.add_argument("target", metavar="NAME | FILE:RECIPE | all", help="see wonderland models")
    train.add_argument("--epochs", type=positive, help="passes over the training data")
    train.add_argument("--batch-size", type=positive, help="rows of a step")
    train.add_argument("--lr", type=rate, help="the rate, or the highest of its schedule")
    train.add_argument("--device", choices=("cpu", "cuda"), help="where it runs")
    train.add_argument("--memory-budget", type=size, help="bytes a step may take, such as 64MB")
    train.add_argument("--out", metavar="FOLDER", help=f"for results, {RUNS}/NAME by default")
    train.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    train.add_argument(
        "--data-parallel",
        action="store_true",
        help="processes share out each batch: mpiexec -n 4 wonderland train NAME --data-parallel",
    )
    train.add_argument(
        "--zero", action="store_true", help="with it: each process keeps a part of the optimizer"
    )
    train.set_defaults(run=run_train)


def run_train(options: argparse.Namespace) -> int:
    """Train with a progress bar, print the table of results, keep model, numbers and curve."""
    if options.zero and not options.data_parallel:
        raise Misuse("--zero: --data-parallel is required, whose processes share the optimizer")
    mesh = data_mesh(options.data_parallel)
    if options.target == ALL:
        return train_all(options, mesh)
    with chosen_recipe(options.target) as recipe:
        return train(recipe, options, mesh)


def train_all(options: argparse.Namespace, mesh: Mesh | None) -> int:
    """Every recipe whose data is here, then the table of all."""
    worst = 0
    for recipe in recipes().values():
        try:
            worst = max(worst, train(recipe, options, mesh))
        except (MissingData, MissingExtra, TooFew) as missing:
            tell(f"{recipe.name}: {missing}")
    if process_index() == 0:
        print(models_table(options.out or RUNS))
    return worst


def train(recipe: Recipe, options: argparse.Namespace, mesh: Mesh | None = None) -> int:
    """Train one; of many processes the first one writes and prints."""
    given = prepared_recipe(recipe, options, 1 if mesh is None else mesh.size)
    base, first = Path(options.out or RUNS), process_index() == 0
    folder = base / recipe.name if options.target == ALL or not options.out else base
    checkpoint = folder / "training.npz"
    if first:
        prepare_folder(folder, checkpoint, options)
    if mesh is not None:
        barrier()
    baseline = one_number("baseline", recipe.baseline(given.split), "biuf")  # before hours pass
    with contextlib.ExitStack() as within:
        if options.device:
            within.enter_context(settings.device(options.device))
        if options.memory_budget:
            within.enter_context(settings.memory_budget(options.memory_budget))
        found = fit(
            recipe.loss, given.model, given.split.train, given.optimizer, epochs=given.epochs,
            batch_size=given.batch_size, key=random.key(options.seed), state=given.state,
            held_out=given.split.test, score=recipe.score, higher=recipe.higher,
            checkpoint=checkpoint, resume=options.resume, progress=True, mesh=mesh,
            shard_optimizer=options.zero,
        )  # fmt: skip
    if first:
        numbers = numbers_of(given, found, options.seed, float(baseline))
        write_results(given, found, numbers, folder)
        print(result_table(numbers))
    if found.stopped == "interrupted":
        tell(f"interrupted: --resume goes on from {folder}")
        return 130
    if found.stopped == "not finite":
        tell("the loss is not finite, try: a lower --lr")
        return 1
    return 0


def prepare_folder(folder: Path, checkpoint: Path, options: argparse.Namespace) -> None:
    if options.resume and not checkpoint.exists():
        raise Misuse(f"--resume: no checkpoint in {folder}, train without it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misuse(f"--out {folder}: {error.strerror}") from None


def numbers_of(given: Prepared, found: Fit, seed: int, baseline: float) -> dict[str, Any]:
    recipe = given.recipe
    epoch = statistics.median([e.seconds for e in found.history] or [0.0])
    steps = max((e.steps for e in found.history), default=1)
    return {
        "recipe": recipe.name, "seed": seed, "batch_size": given.batch_size,
        "parameters": size_of(found.model), "epochs": len(found.history),
        "measure": recipe.measure, "score": found.score,
        "baseline": baseline, "stated": recipe.stated,
        "loss": found.history[-1].loss if found.history else float("nan"),
        "compile_seconds": found.compile_seconds,
        "epoch_seconds": epoch, "step_seconds": epoch / steps,
    }  # fmt: skip


def write_results(given: Prepared, found: Fit, numbers: dict[str, Any], folder: Path) -> None:
    """The model, the numbers, the curve and the recipe's picture, in a folder."""
    tree_files.save(folder / "model.npz", found.model)
    if found.state is not None:
        tree_files.save(folder / "state.npz", found.state)
    found.save_results(folder / "result.json", **numbers)
    try:
        found.plot(folder / "loss.png", title=given.recipe.name)
        if given.recipe.picture:
            given.recipe.picture(found.model, given.split).savefig(folder / "picture.png", dpi=150)
    except MissingExtra as missing:
        print(f"no pictures: {missing}", file=sys.stderr)


def result_table(numbers: dict[str, Any]) -> str:
    rows = (
        ("parameters", f"{numbers['parameters']:,}"),
        ("compile", time_text(numbers["compile_seconds"])),
        (
            "training",
            f"{numbers['epochs']} epochs of {time_text(numbers['epoch_seconds'])}, "
            f"{time_text(numbers['step_seconds'])} a step",
        ),
        ("training loss", f"{numbers['loss']:.4f}"),
        (f"test {numbers['measure']}", _number(numbers["score"])),
        ("trivial baseline", _number(numbers["baseline"])),
        ("stated", _number(numbers["stated"])),
    )
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {said}" for name, said in rows)


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.4g}"


# ---------------------------------------------------------------- the table


def run_models(options: argparse.Namespace) -> int:
    """Print the table of the recipes, with what was trained in a folder."""
    print(models_table(options.out or RUNS))
    print("\ntrained by others, for wonderland generate")
    for generator in GENERATORS.values():
        print(f"{generator.name}\n    {generator.about}")
    return 0


def models_table(runs: str | os.PathLike[str]) -> str:
    """Name, chapter, measure, baseline, stated and last result; below, what is learned."""
    head = "name", "ch.", "measure", "stated", "last", "baseline", "parameters", "an epoch"
    lines: list[tuple[str, ...]] = [head]
    for recipe in recipes().values():
        last: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            last = json.loads((Path(runs) / recipe.name / "result.json").read_text())
        lines.append(
            (
                recipe.name, recipe.chapter, recipe.measure, _number(recipe.stated),
                _number(last.get("score")), _number(last.get("baseline")),
                f"{last['parameters']:,}" if last else "",
                time_text(last["epoch_seconds"]) if last else "",
            )
        )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = 3
    rows = [
        "  ".join(
            (*map(str.ljust, line, widths[:left]), *map(str.rjust, line[left:], widths[left:]))
        ).rstrip()
        for line in lines
    ]
    abouts = (f"    {recipe.about}" for recipe in recipes().values())
    return "\n".join([rows[0], *(x for pair in zip(rows[1:], abouts, strict=True) for x in pair)])


# ---------------------------------------------------------------- read, check, time


def traced_step(given: Prepared) -> tuple[Any, tuple[Training, Any, Any]]:
    """The training step, compiled when it is first asked for, and its arguments."""
    step = jit(training_step(given.recipe.loss, given.optimizer), donate_argnums=(0,))
    training = first_state(given.model, given.optimizer, given.state)
    batch = rows(given.split.train, slice(given.batch_size))
    return step, (training, random.key(0), batch)


def recipe_inspection(recipe: Recipe, options: argparse.Namespace) -> Inspection:
    """The stages of the training step."""
    step, arguments = traced_step(prepared_recipe(recipe, options))
    return step.inspect(*arguments)


def run_profile(options: argparse.Namespace) -> int:
    """Print the time of each kernel of a training step."""
    with chosen_recipe(options.target) as recipe:
        step, arguments = traced_step(prepared_recipe(recipe, options))
        print(step.compile(*arguments).profile(*arguments))
    return 0


def check(recipe: Recipe, options: argparse.Namespace) -> int:
    """Check the gradient of the loss in the model's parameters, in f64, on a few examples."""
    given = prepared_recipe(recipe, options)
    batch = tree.map(_wide, rows(given.split.train, slice(CHECKED_ROWS)))
    model, state = tree.map(_wide, given.model), tree.map(_wide, given.state)
    key, rng = random.key(options.seed), np.random.default_rng(options.seed)
    # beside first weights, where biases are 0 and a relu of nothing has a kink
    model = tree.map(
        lambda x: x + BESIDE * rng.normal(size=x.shape) if x.dtype.kind == "f" else x, model
    )
    learned = {i: x for i, x in enumerate(tree.leaves(model)) if x.dtype.kind in "fc"}

    def moved(by: dict[int, Any]) -> Any:
        leaves = enumerate(tree.leaves(model))
        changed = [x + CHECKED_SCALE * by[i] if i in by else x for i, x in leaves]
        changed = tree.unflatten(tree.structure(model), changed)
        return checked(recipe.loss, changed, batch, key, state)[0]

    began, first = time.perf_counter(), {i: np.zeros_like(x) for i, x in learned.items()}
    try:  # the gradient alone: relu(x) ** 2 has a kink in it
        testing.check_gradients(moved, first, order=1, atol=1e-9)
    except AssertionError as error:
        said, _, graph = str(error).partition(", in the derivative of")
        why = "; stop_gradient gives another on purpose" if "stop_gradient(" in graph else ""
        print(f"{recipe.name}: the gradient of the loss is wrong{why}\n{said}", file=sys.stderr)
        return 1
    print(
        f"{recipe.name}: the gradient of the loss in {size_of(model):,} parameters agrees with "
        f"differences, {time_text(time.perf_counter() - began)}"
    )
    return 0


def _wide(x: Any) -> Any:
    """Floats in double precision."""
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


# ---------------------------------------------------------------- what was trained


def trained_model(recipe: Recipe, target: str, folder: str | None) -> tuple[Split, Any]:
    """The data of a recipe, and the model that the command has trained."""
    repair = f"wonderland train {target}" + (f" --out {folder}" if folder else "")
    path = Path(folder or Path(RUNS) / recipe.name) / "model.npz"
    if not path.exists():
        raise Misuse(f"no trained model in {path.parent}, try: {repair}")
    split = recipe.data(0)
    like = eval_shape(lambda key: recipe.init(key, split), random.key(0))
    try:
        return split, tree_files.load(path, like)
    except OSError as error:
        raise missing_file(str(path), error) from None
    except ProgramError as error:
        raise Misuse(f"{error.what}, try: {repair}") from None
