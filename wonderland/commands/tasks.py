"""The models that come along: train them, read their training step, check its gradient."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from ..compiler import testing
from ..compiler.jit.inspection import Inspection
from ..compiler.trace import tree
from ..models.data import MissingExtra
from ..models.families import linear, mlp
from ..models.train import Task, TaskEpoch, TrainingResult, compiled_step, initial_state, train
from .line import unknown

TASKS = {task.name: task for task in (mlp.TASK, linear.LINEAR, linear.LOGISTIC, linear.SOFTMAX)}

CHECKED_ROWS = 16  # examples in a gradient check
CHECKED_SCALE = 1e-3  # of its moves, which are many: small enough that no relu meets its kink


def task_named(name: str) -> Task:
    if name not in TASKS:
        raise argparse.ArgumentTypeError(unknown("model", name, TASKS))
    return TASKS[name]


def run_train(options: argparse.Namespace) -> int:
    """Train with a progress bar, then print the table of results."""
    console, bar = _terminal()
    task: Task = options.model
    epochs = options.epochs or task.epochs
    with bar:
        line = bar.add_task(f"training {task.name}", total=epochs, loss=float("nan"))

        def shown(epoch: TaskEpoch) -> None:
            bar.update(line, advance=1, loss=epoch.loss)

        result = train(task, epochs, options.seed, shown)
    console.print(_table(task, epochs, result))
    return 0


def _terminal() -> tuple[Any, Any]:
    """A console and a progress bar."""
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )
    except ImportError:
        raise MissingExtra("rich", "models") from None
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeElapsedColumn(),
    )
    return console, Progress(*columns, console=console)


def _table(task: Task, epochs: int, result: TrainingResult) -> Any:
    from rich.table import Table

    table = Table(title=f"{task.name}: {epochs} epochs, {result.steps} steps", show_header=False)
    weights = sum(leaf.size for leaf in tree.leaves(result.params))
    microseconds = 1e6 * result.train_seconds / max(result.steps, 1)
    for name, value in (
        ("parameters", f"{weights:,}"),
        ("trace and compile", f"{result.compile_seconds:.2f} s"),
        ("training", f"{result.train_seconds:.2f} s, {microseconds:.0f} us a step"),
        ("training loss", f"{result.losses[-1]:.4f}"),
        (f"training {task.score_name}", f"{result.train_score:.4f}"),
        (f"test {task.score_name}", f"{result.test_score:.4f}"),
    ):
        table.add_row(name, value)
    return table


def task_inspection(task: Task, seed: int) -> Inspection:
    """The stages of the training step."""
    split, params, state, rows = initial_state(task, seed)
    return compiled_step(task).inspect(params, state, *(a[:rows] for a in split.train))


def check(task: Task, seed: int) -> int:
    """Check the gradient of the loss in its parameters, in f64, on a few examples."""
    split, params, _, _ = initial_state(task, seed)
    x, y = (a[:CHECKED_ROWS] for a in split.train)
    x = x.astype(np.float64)
    params = tree.map(lambda p: p.astype(np.float64), params)
    weights = sum(leaf.size for leaf in tree.leaves(params))

    def moved(by: Any) -> Any:
        return task.loss(tree.map(lambda p, d: p + CHECKED_SCALE * d, params, by), x, y)

    try:
        testing.check_gradients(moved, tree.map(np.zeros_like, params), atol=1e-9)
    except AssertionError as error:
        print(f"{task.name}: the gradient of the loss is wrong\n{error}", file=sys.stderr)
        return 1
    print(
        f"{task.name}: the gradient of the loss in {weights:,} parameters agrees with differences"
    )
    return 0
