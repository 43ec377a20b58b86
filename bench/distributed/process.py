"""One of the processes that are measured: `mpiexec -n N python -m bench.distributed.process ...`.

Process 0 prints what was found, as JSON.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from ..harness import Effort, Run
from . import collectives, latency, recipes, steps
from .absent import linked
from .group import Group
from .wires import counted

AGREE = 1e-5  # of the largest number
LATENCY = 20e-6  # of a link, seconds


def agreed(what: str, apart: float) -> None:
    if apart > AGREE:
        raise ValueError(f"{what}: peers differ by {apart:.1e}")


def transfers(group: Group, effort: Effort, quick: bool) -> list[Any]:
    """[collective, bytes, seconds by peer]"""
    found = []
    for size in collectives.SIZES[: 3 if quick else None]:
        copying = {"memcpy": collectives.copied(size)}
        copy = group.measure(copying, effort)
        for name in collectives.KINDS:
            made = collectives.runs(name, size, group)
            agreed(name, group.apart({peer: run() for peer, run in made.items()}))
            found.append([name, size, group.measure(made, effort) | copy])
    return found


def training(group: Group, effort: Effort, quick: bool) -> list[Any]:
    """[model, size, bytes of gradients, seconds by part and peer]"""
    found = []
    for name, (make, rows) in list(steps.MODELS.items())[: 1 if quick else None]:
        made = make(batch=rows * group.size)
        runs = steps.runs(made, group)
        agreed(name, steps.apart(runs, group))
        named = {f"{part} {peer}": run for (part, peer), run in runs.items()}
        size = make(batch=rows).size
        found.append([name, size, steps.gradient_bytes(made), group.measure(named, effort)])
    return found


def small(group: Group, effort: Effort, quick: bool) -> Any:
    """Seconds of one small sum by peer, and messages of the engine's by bytes of a sum."""
    found = {"seconds": group.measure(latency.runs(group), effort), "messages": {}}
    if group.has("wonderland") and group.size > 1:
        for size in collectives.SIZES[:3]:
            found["messages"][size] = latency.messages(size, group)
    return found


def over_link(group: Group, effort: Effort, quick: bool) -> list[Any]:
    """[model, size, processes, bytes of gradients, link's rate, seconds by part]

    This process is one of several that are not there, over a link that is as fast as transfers take
    half of the time of work: what a program hides with a core for each process.
    """
    found = []
    for name, (make, rows) in list(steps.MODELS.items())[: 1 if quick else None]:
        for n in steps.LINKED[: 1 if quick else None]:
            made, place = make(batch=rows * n), steps.Place(0, n)
            nbytes = steps.gradient_bytes(made)
            with linked(n, 0.0, math.inf):
                alone = group.measure({"alone": steps.ours(made, place)["alone"]}, effort)
            rate = 2 * (n - 1) / n * nbytes / (alone["alone"] / 2)
            with linked(n, LATENCY, rate):
                runs = steps.ours(made, place)
                parts = {part: runs[part] for part in ("step", "transfer")}
                seconds = alone | group.measure(parts, effort)
            found.append([name, make(batch=rows).size, n, nbytes, rate, seconds])
    return found


def by_recipe(group: Group, effort: Effort, quick: bool) -> list[Any]:
    """[recipe, seconds, messages and bytes that a process sends in a step, of state, of parameters]

    First the step of one process of all rows.
    """
    made = {name: make(group) for name, make in recipes.RECIPES.items()}
    runs: dict[str, Run] = {"one process": recipes.alone(group)}
    runs |= {name: recipe.run for name, recipe in made.items()}
    for _ in range(steps.STEPS):
        agreed("recipes", group.apart({name: run() for name, run in runs.items()}))
    seconds = group.measure(runs, effort)
    found: list[Any] = [["one process", seconds["one process"], 0, 0, 0, 0]]
    for name, recipe in made.items():
        with counted() as sent:
            recipe.run()
        kept = recipe.state, recipe.parameters
        found.append([name, seconds[name], sent.messages, sent.nbytes, *kept])
    return found


def constants(group: Group, effort: Effort, quick: bool) -> dict[str, Any]:
    """Those of the model on paper, sums of the engine's by bytes, and the work of two processes."""
    found = latency.constants(group, effort)
    if group.size == 2:
        found["works"] = [
            {
                "name": name, "seconds": seconds["alone"], "bytes": nbytes, "call": found["call"],
                "hidden": min(1.0, max(0.0, steps.hidden(**seconds))),
            }
            for name, _, n, nbytes, _, seconds in over_link(group, effort, quick)
            if n == steps.LINKED[0]
        ]  # fmt: skip
    return found


QUESTIONS = {
    "collectives": transfers,
    "steps": training,
    "link": over_link,
    "recipes": by_recipe,
    "latency": small,
    "constants": constants,
}


def main(question: str, quick: str = "") -> None:
    """Answers a question, which all processes were asked."""
    group = Group()
    effort = Effort(1, seconds=0.05, rest=0.02) if quick else Effort(3, seconds=0.1, rest=0.1)
    group.begin()
    found = QUESTIONS[question](group, effort, bool(quick))
    if group.rank == 0:
        print(json.dumps(found), flush=True)
    group.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
