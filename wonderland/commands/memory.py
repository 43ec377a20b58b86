"""The memory of a program: how much, when, what for; within a budget; as a picture.

wonderland memory model.py:loss --arg f32[32,64] --grad --budget 64MB --plot memory.png
"""

from __future__ import annotations

import argparse
from typing import Any

from ..compiler.ir.types import spelled_bytes
from ..compiler.jit.inspection import Inspection
from ..compiler.plan.memory import Memory
from ..compiler.settings import memory_budget
from ..models.data import MissingExtra
from . import functions, recipes
from .line import Misuse, missing_file

COLOURS = {"output": "#b8b8b8", "arena": "#3b6ea8", "scratch": "#d9a441"}


def run(options: argparse.Namespace) -> int:
    """Print the memory of a program, and draw it where asked."""
    inspection = inspected(options)
    memory = inspection.compiled.memory
    print(memory)
    again = len(inspection.compiled.plan.schedule.repeats)
    if options.budget:
        print(f"within {spelled_bytes(options.budget)}: {again} values are computed again")
    if options.plot:
        draw(memory, options.plot)
    return 0


def inspected(options: argparse.Namespace) -> Inspection:
    with (
        memory_budget(options.budget or None),
        recipes.meant_recipe(options, ("arg", "grad")) as recipe,
    ):
        if recipe is None:
            return functions.function_inspection(options)
        return recipes.recipe_inspection(recipe, options)


def draw(memory: Memory, path: str) -> None:
    """Live bytes over the program: what is there all the time, and the blocks of the arena."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes: Any = figure.subplots()
    steps = range(len(memory.live))
    constant = {"scratch": memory.scratch_bytes, "output": memory.output_bytes}
    arena = [n - sum(constant.values()) for n in memory.live]
    stacks = [[n / 1e6] * len(memory.live) for n in constant.values()]
    stacks.append([n / 1e6 for n in arena])
    labels = [*constant, "arena"]
    colours = [COLOURS[name] for name in labels]
    axes.stackplot(steps, *stacks, labels=labels, colors=colours, step="mid", linewidth=0)
    axes.axvline(memory.peak, color="black", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"{spelled_bytes(max(memory.live, default=0))}\n{memory.works[memory.peak]}",
        (memory.peak, max(memory.live, default=0) / 1e6),
        xytext=(6, -4), textcoords="offset points", va="top", fontsize=8,
    )  # fmt: skip
    axes.set(xlabel="step of the program", ylabel="MB", title=f"memory of {memory.name}")
    axes.margins(x=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:  # a folder that is not there, a format nobody knows
        raise (
            missing_file(path, error) if isinstance(error, OSError) else Misuse(str(error))
        ) from None
