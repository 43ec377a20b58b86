"""A user's own function: read its stages, run it, check its gradient.

wonderland inspect path/model.py:loss --arg f32[3,2] --arg f32[100,3] --grad --stage fuse
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler import testing
from ..compiler.front.functions.derivatives import value_and_grad
from ..compiler.ir.errors import ProgramError
from ..compiler.jit.back_end import back_end
from ..compiler.jit.inspection import Inspection
from ..compiler.jit.jit import jit
from ..compiler.trace import tree
from .line import Misuse, missing_file, unknown
from .results import call_seconds, summary, time_text
from .specs import Argument, drawn
from .user_file import named_object

CALLING = "return whole(*given, **named)"
"""The line of ours that stands where the user would call the function."""


@dataclass(frozen=True)
class PreparedCall:
    """A function of the arguments that hold arrays; static ones are part of it."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Argument, ...]

    def types(self) -> list[Any]:
        return [a.filled(lambda d: d.type) for a in self.arguments]

    def arrays(self, seed: int) -> list[Any]:
        """Random arguments."""
        rng = np.random.default_rng(seed)
        return [a.filled(lambda d: d.draw(rng)) for a in self.arguments]


@contextlib.contextmanager
def prepared(options: argparse.Namespace, grad: bool) -> Iterator[PreparedCall]:
    """The function that is named, with its derivative if `grad`, while its file is at hand."""
    arguments: Sequence[Argument] = options.arg
    with named_object(options.target, function=True) as function:
        name = options.target.rpartition(":")[2]
        refuse_arguments(name, function, arguments)
        whole = value_and_grad(function, argnums(options)) if grad else function

        @functools.wraps(function)
        def call(*moving: Any) -> Any:
            left = iter(moving)
            values = [a.tree if a.static else next(left) for a in arguments]
            given = [v for a, v in zip(arguments, values, strict=True) if a.name is None]
            named = {a.name: v for a, v in zip(arguments, values, strict=True) if a.name}
            return whole(*given, **named)

        try:
            yield PreparedCall(name, call, tuple(a for a in arguments if not a.static))
        except ProgramError as error:
            if not error.where.endswith(CALLING):
                raise
            raise ProgramError(error.what, "", error.repair) from None  # the line is not the user's


def argnums(options: argparse.Namespace) -> int | tuple[int, ...]:
    numbers: tuple[int, ...] = options.argnums
    return numbers[0] if len(numbers) == 1 else numbers


def refuse_arguments(
    name: str, function: Callable[..., Any], arguments: Sequence[Argument]
) -> None:
    """Refuses arguments that the function cannot be called with."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of what is written in C
        return
    given = [None for a in arguments if a.name is None]
    names = [a.name for a in arguments if a.name is not None]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise Misuse(f"--arg {twice}=... stands twice")
    try:
        signature.bind(*given, **dict.fromkeys(names))
    except TypeError as error:
        wanted = f"{name}({', '.join(signature.parameters)})"
        raise Misuse(
            f"{wanted}: {error}, try: an --arg for each argument, such as --arg f32[3,2]"
        ) from None


def function_inspection(options: argparse.Namespace) -> Inspection:
    """The stages of the function's program."""
    with prepared(options, options.grad) as call:
        compiled = jit(call.function).compile(*call.types())
        if options.save:
            try:
                compiled.save(options.save)
            except OSError as error:
                raise missing_file(options.save, error) from None
        return Inspection(compiled.compiled)


def on_device(inspection: Inspection, device: str) -> Inspection:
    """The stages of the same program for a GPU, which need not be there."""
    from ..compiler.codegen.target import DEVICES  # brings the back end
    from ..runtime.gpu import cubins

    name = list(DEVICES)[-1] if device == "cuda" else device
    if name not in DEVICES:
        raise Misuse(unknown("device", device, ["cpu", "cuda", *DEVICES]))
    try:
        cubins.linker()
    except cubins.MissingLinker as error:
        raise Misuse(str(error)) from None
    compiled = inspection.compiled
    donated = compiled.plan.donated
    return Inspection(back_end().compile_graph(compiled.graph, DEVICES[name], donated))


def run(options: argparse.Namespace) -> int:
    """Run the function on random arguments; print its results and times."""
    with prepared(options, options.grad) as call:
        arrays = call.arrays(options.seed)
        began = time.perf_counter()
        compiled = jit(call.function).compile(*arrays)
        results = compiled(*arrays)
        first = time.perf_counter() - began
        repeated = call_seconds(lambda: compiled(*arrays))
        names = [f"result{path}" for path in tree.paths(compiled.results)]
        print(summary(zip(names, tree.leaves(results), strict=True)))
        print(f"first call {time_text(first)} with compiling, then {time_text(repeated)} a call")
    return 0


def check(options: argparse.Namespace) -> int:
    """Compare the derivatives of the function with differences, at random arguments."""
    with prepared(options, grad=False) as call:
        if not any(d.type.is_inexact for a in call.arguments for d in drawn(a.tree)):
            raise Misuse("check: a float argument is required, try: --arg f32[3]")
        try:
            testing.check_gradients(
                call.function, *call.arrays(options.seed), order=options.order, seed=options.seed
            )
        except AssertionError as error:
            said = "the gradient is wrong, or the function is not smooth here"
            print(f"{call.name}: {said}\n{error}", file=sys.stderr)
            return 1
        modes = "forward and reverse mode"
        print(f"{call.name}: {modes} agree with differences up to order {options.order}")
    return 0
