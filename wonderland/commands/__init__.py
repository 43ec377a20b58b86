"""The command: train a model, read every stage of a program, check a gradient.

wonderland models
wonderland train mlp --epochs 30 --seed 0 --out runs/mlp
mpiexec -n 4 wonderland train mlp --data-parallel
wonderland generate alice --prompt "Alice was beginning to"
wonderland inspect mlp --stage trace
wonderland profile mlp
wonderland inspect model.py:loss --arg f32[32,64] --arg "i32[32] < 10" --grad
wonderland run model.py:loss --arg f32[32,64] --arg "i32[32] < 10"
wonderland memory model.py:loss --arg f32[32,64] --arg "i32[32] < 10" --grad --budget 64MB
wonderland check model.py:loss --arg f32[32,64] --arg "i32[32] < 10"
wonderland ir run graph.txt
wonderland doctor

In: arguments of a shell. Out: tables, texts, an exit status. `line` reads the arguments, `specs`
the types among them, `user_file` the functions of a file; the others are the commands. Begin with
`recipes`.

Imports: models, compiler.ir, compiler.settings, compiler.ops, compiler.codegen, compiler.transform,
compiler.trace, compiler.front, compiler.plan, compiler.jit, compiler.testing, runtime.native,
runtime.cpu, runtime.gpu, runtime.processes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..compiler.ir.errors import ProgramError
from ..compiler.jit.distributed import ProcessError
from ..compiler.settings import bytes_of
from ..models.data import MissingData, MissingExtra
from . import doctor, functions, generation, graphs, memory, recipes
from .line import CommandParser, Misuse, natural, one_line, positive, unknown, without_own_line
from .processes import tell
from .specs import argument

ARG = 'a type to draw an array of, f32[3, 4], a tree of types, {"w": f32[3]}, or a literal'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 1 for what is wrong or differs, 2 for mistakes."""
    try:
        options = parser().parse_args(arguments)
        return options.run(options)
    except (Misuse, MissingData, MissingExtra) as mistake:
        tell(f"wonderland: {mistake}")
        return 2
    except ProgramError as error:
        tell(f"wonderland: {one_line(without_own_line(error))}")
        return 2
    except ProcessError as error:
        tell(f"wonderland: {one_line(str(error))}")
        return 1
    except KeyboardInterrupt:
        tell("wonderland: interrupted")
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0
    except OSError as error:  # a full disk, a folder that may not be written
        told = f"{error.filename or 'a file'}: {error.strerror or error}"
        tell(f"wonderland: {told}")
        return 2


def parser() -> CommandParser:
    whole = CommandParser(
        prog="wonderland", description="Compile, train and read differentiable models."
    )
    commands = whole.add_subparsers(
        required=True,
        metavar="models | train | generate | inspect | memory | profile | run | check | ir | "
        "doctor",
    )
    recipes.add(commands, positive, not_negative, budget)
    generation.add(commands, positive, not_negative)
    stages = commands.add_parser("inspect", help="print the stages of a compiled program")
    stages.add_argument("--stage", default="all", metavar="all | NAME", help="only this stage")
    stages.add_argument("--save", metavar="FILE", help="keep the program, for ir and wl.load")
    stages.add_argument(
        "--device",
        default="cpu",
        metavar="cpu | cuda | sm_90",
        help="whose kernels",
    )
    stages.set_defaults(run=run_inspect)
    held = commands.add_parser("memory", help="print what a program holds in memory, and when")
    held.add_argument("--budget", type=budget, default=0, help="bytes it may take, such as 64MB")
    held.add_argument("--plot", metavar="FILE", help="draw it: a .png, .svg or .pdf")
    held.set_defaults(run=memory.run, save=None)
    runs = commands.add_parser("run", help="run a function on random arguments")
    runs.set_defaults(run=functions.run)
    checks = commands.add_parser("check", help="compare a gradient with differences")
    checks.add_argument("--order", type=positive, default=2, help="of derivatives, 2 by default")
    checks.set_defaults(run=run_check)
    for command in (stages, held, runs, checks):
        names = "FILE:FUNCTION" if command is runs else "FILE:FUNCTION, FILE:RECIPE, NAME"
        command.add_argument("target", help=names)
        command.add_argument("--arg", action="append", type=argument, default=[], help=ARG)
        if command is not checks:
            command.add_argument("--grad", action="store_true", help="with the gradient")
            command.add_argument(
                "--argnums",
                type=natural_numbers,
                default=(0,),
                help="of the gradient, 0 by default",
            )
    graphs.add(commands)
    doctor.add(commands)
    for name in ("train", "generate", "inspect", "memory", "profile", "run", "check"):
        seeded = commands.choices[name]
        seeded.add_argument("--seed", type=natural, default=0, help="of all that is random")
    return whole


def budget(text: str) -> int:
    try:
        return bytes_of(text)
    except ProgramError:
        raise argparse.ArgumentTypeError(f"bytes are required, such as 64MB, got {text}") from None


def natural_numbers(text: str) -> tuple[int, ...]:
    return tuple(natural(part) for part in text.split(","))


def not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of 0 or more is required, got {text}")
    return number


def run_inspect(options: argparse.Namespace) -> int:
    """Print all stages of a program, or one."""
    with recipes.meant_recipe(options, ("arg", "grad", "save")) as recipe:
        if recipe is None:
            inspection = functions.function_inspection(options)
        else:
            inspection = recipes.recipe_inspection(recipe, options)
    if options.device != "cpu":
        inspection = functions.on_device(inspection, options.device)
    if options.stage == "all":
        print(inspection)
    elif options.stage in inspection.stages:
        print(inspection.stages[options.stage])
    else:
        raise Misuse(unknown("stage", options.stage, inspection.stages))
    return 0


def run_check(options: argparse.Namespace) -> int:
    with recipes.meant_recipe(options, ("arg",)) as recipe:
        return functions.check(options) if recipe is None else recipes.check(recipe, options)
