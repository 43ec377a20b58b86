"""The command: train a model, read every stage of its training step, check its gradient.

wonderland train mlp --epochs 30 --seed 0
wonderland inspect mlp --stage trace
wonderland check mlp
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..compiler import testing, tree
from . import linear, mlp
from .data import MissingExtra
from .train import Epoch, Result, Task, compiled_step, start, train

TASKS = {task.name: task for task in (mlp.TASK, linear.LINEAR, linear.LOGISTIC, linear.SOFTMAX)}

CHECKED_ROWS = 16  # examples in a gradient check
CHECKED_SCALE = 1e-3  # of its moves, which are many: small enough that no relu meets its kink


class Misuse(Exception):
    """The command line is wrong; the message is one line."""


class Parser(argparse.ArgumentParser):
    """Tells mistakes in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise Misuse(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 1 for a failed check, 2 for mistaken arguments."""
    try:
        options = parser().parse_args(arguments)
        return options.run(options)
    except (Misuse, MissingExtra) as mistake:
        print(f"wonderland: {mistake}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0


def parser() -> Parser:
    whole = Parser(prog="wonderland", description="Compile, train and read differentiable models.")
    commands = whole.add_subparsers(required=True, metavar="train | inspect | check")
    one = commands.add_parser("train", help="train a model on real data")
    one.set_defaults(run=run_train)
    one.add_argument("--epochs", type=positive, help="passes over the training data")
    two = commands.add_parser(
        "inspect", help="print the stages of a model's compiled training step"
    )
    two.set_defaults(run=run_inspect)
    two.add_argument("--stage", help="only this stage")
    three = commands.add_parser("check", help="compare a model's gradient with differences")
    three.set_defaults(run=run_check)
    for command in (one, two, three):
        command.add_argument("model", type=task_named, metavar="model", help=", ".join(TASKS))
        command.add_argument("--seed", type=int, default=0, help="of split, weights and order")
    return whole


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"a number of 1 or more is required, got {text}")
    return int(text)


def task_named(name: str) -> Task:
    if name not in TASKS:
        raise argparse.ArgumentTypeError(unknown("model", name, TASKS))
    return TASKS[name]


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """One line: what is not there, what is near, what there is."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean '{near[0]}'?" if near else ","
    return f"no {kind} '{name}'{hint} there are {', '.join(names)}"


# ---------------------------------------------------------------- commands


def run_train(options: argparse.Namespace) -> int:
    """Train with a progress bar, then print the table of results."""
    console, bar = _terminal()
    task: Task = options.model
    epochs = options.epochs or task.epochs
    with bar:
        line = bar.add_task(f"training {task.name}", total=epochs, loss=float("nan"))

        def shown(epoch: Epoch) -> None:
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


def _table(task: Task, epochs: int, result: Result) -> Any:
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


def run_inspect(options: argparse.Namespace) -> int:
    """Print all stages of the training step, or one."""
    split, params, state, rows = start(options.model, options.seed)
    step = compiled_step(options.model)
    inspection = step.inspect(params, state, split.train_x[:rows], split.train_y[:rows])
    if options.stage is None:
        print(inspection)
    elif options.stage in inspection.stages:
        print(inspection.stages[options.stage])
    else:
        raise Misuse(unknown("stage", options.stage, inspection.stages))
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Check the gradient of the loss in its parameters, in f64, on a few examples."""
    task: Task = options.model
    split, params, _, _ = start(task, options.seed)
    x, y = split.train_x[:CHECKED_ROWS].astype(np.float64), split.train_y[:CHECKED_ROWS]
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
