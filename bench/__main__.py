"""Ask every question and print one table: `python -m bench [--quick] [question ...]`."""

from __future__ import annotations

import argparse
import os
import sys

from . import (
    call_overhead,
    compile_time,
    cross_entropy,
    elementwise,
    layer_norm,
    mlp_step,
    peers,
    products,
)
from .harness import Ceilings, Effort, measure, processor, table

QUESTIONS = {
    module.__name__.rpartition(".")[2]: module
    for module in (call_overhead, elementwise, cross_entropy, layer_norm, products, mlp_step)
}
COMPILE_TIME = "compile_time"


def main() -> None:
    names = (*QUESTIONS, COMPILE_TIME)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed against the peers.")
    parser.add_argument("questions", nargs="*", metavar="question", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="one short round")
    options = parser.parse_args()
    if wrong := [q for q in options.questions if q not in names]:
        parser.error(f"no question '{wrong[0]}', there are {', '.join(names)}")
    asked = options.questions or names
    effort, ceilings = Effort.quick() if options.quick else Effort(), Ceilings()
    print(f"{processor()}, {ceilings.threads} threads; {peers.versions()}")
    print(f"{ceilings}; WONDERLAND_NUM_THREADS={os.environ.get('WONDERLAND_NUM_THREADS', 'all')}\n")

    figures = []
    for name in (n for n in asked if n in QUESTIONS):
        for row in QUESTIONS[name].rows():
            told(f"measuring {row.question}, {row.size}")
            figures.append(measure(row, ceilings, effort))
    if COMPILE_TIME in asked:
        told("measuring compile time")
        figures += compile_time.figures(rounds=1 if options.quick else 3)
    told("")
    print(table(figures, peers.PEERS))


def told(text: str) -> None:
    """Show on a terminal what is going on, in place of what went on before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
