"""Ask every question and print one table: `python -m bench [--quick] [question ...]`.

All of it takes about ten minutes on two cores, `--quick` two: one short round, without the largest
products and torch.compile. `gpu`, `costs`, `convolution_shapes`, `first_calls`, `models`
and `distributed` are tables of their own, and only where they are asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from . import (
    attention,
    call_overhead,
    compile_time,
    convolution_shapes,
    convolutions,
    costs,
    cross_entropy,
    elementwise,
    first_calls,
    gpu,
    graph_size,
    layer_norm,
    matrices,
    memory,
    mlp_step,
    peers,
    per_example,
    pooling,
    products,
    programs,
    recomputation,
    recurrence,
    segments,
    transforms,
)
from .deep_models import MODELS
from .distributed import report as distributed
from .harness import Ceilings, Effort, Figure, measure, processor, table
from .models import report as models

QUESTIONS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        call_overhead,
        elementwise,
        cross_entropy,
        layer_norm,
        products,
        convolutions,
        pooling,
        mlp_step,
        per_example,
        attention,
        recurrence,
        segments,
        transforms,
        matrices,
        programs,
    )
}
OTHERS = ("compile_time", "graph_size", "memory", "recomputation")
"""Those that are not of runs side by side in this process."""


ALONE = ("gpu", "costs", "convolution_shapes", "first_calls", "models", "distributed")


def main() -> int:
    names = (*QUESTIONS, *OTHERS)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed against the peers.")
    parser.add_argument(
        "questions", nargs="*", metavar="question", help=", ".join((*names, *ALONE))
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    options = parser.parse_args()
    if options.questions == ["gpu"]:
        return gpu.report(options.quick)
    if options.questions == ["costs"]:
        return costs.report()
    if options.questions == ["convolution_shapes"]:
        return convolution_shapes.report(options.quick)
    if options.questions[:1] == ["first_calls"]:
        return first_calls.report(options.questions[1:], 1 if options.quick else 3)
    if options.questions[:1] == ["models"]:
        if unknown := set(options.questions[1:]) - set(models.MODELS):
            parser.error(f"no model {min(unknown)!r}, there are {', '.join(models.MODELS)}")
        return models.report(options.questions[1:], options.quick)
    if options.questions[:1] == ["distributed"]:
        if unknown := distributed.unknown(options.questions[1:]):
            parser.error(f"no question {unknown!r}, there are {', '.join(distributed.QUESTIONS)}")
        return distributed.report(options.questions[1:], options.quick)
    if wrong := [q for q in options.questions if q not in names]:
        alone = f"{wrong[0]} is asked alone" if wrong[0] in ALONE else f"no question '{wrong[0]}'"
        parser.error(f"{alone}, there are {', '.join(names)}")
    ceilings = Ceilings()
    print(f"{processor()}, {ceilings.threads} threads; {peers.versions()}")
    print(f"{ceilings}; WONDERLAND_NUM_THREADS={os.environ.get('WONDERLAND_NUM_THREADS', 'all')}\n")
    figures = []
    for name in options.questions or names:
        figures += answers(name, ceilings, options.quick)
    told("")
    print(table(figures, peers.PEERS))
    if "recomputation" in (options.questions or names):
        print(f"\n{recomputation.tables(list(MODELS)[: 1 if options.quick else None])}")
    if grown := graph_size.growth(figures):
        print(f"\n{grown}")
    return 0


def answers(name: str, ceilings: Ceilings, quick: bool) -> Iterator[Figure]:
    """The figures of one question."""
    effort = Effort.quick() if quick else Effort()
    there = [p for p in peers.PEERS if peers.there(p) and p not in effort.without]
    told(f"measuring {name.replace('_', ' ')}")
    match name:
        case "compile_time":
            yield from compile_time.figures(1 if quick else 2, there)
        case "graph_size":
            yield from graph_size.figures(graph_size.NODES[1 if quick else -1])
        case "memory":
            yield from memory.figures(memory.QUESTIONS[: 1 if quick else None], there)
        case "recomputation":
            yield from recomputation.figures(there)
        case _:
            for row in QUESTIONS[name].rows():
                if row.flops <= effort.most_flops:
                    told(f"measuring {row.question}, {row.size}")
                    yield measure(row, ceilings, effort)


def told(text: str) -> None:
    """Show on a terminal what is going on, in place of what went on before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
