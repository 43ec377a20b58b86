"""Programs between pages that may not be touched: the same bits, and a death where one is."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.test_verify import PROGRAMS, compiled
from tests.programs.random_graphs import random_arrays, random_graph
from wonderland.compiler.pipeline import Compiled, compile_graph, machine_code
from wonderland.runtime.cpu import fenced
from wonderland.runtime.cpu.fenced import SIDES, checked_side
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import KernelRow, Slot
from wonderland.runtime.spec import ArraySpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect and fork")
SEEDS = range(40)  # their machine code is that of other tests


def child(run: Callable[[], object]) -> int:
    """How a process that runs the function ends: 0, or the negative number of a signal."""

    def quiet() -> None:
        faulthandler.disable()
        run()

    process = multiprocessing.get_context("fork").Process(target=quiet)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def bits(c: Compiled, arrays: tuple[np.ndarray, ...]) -> list[bytes]:
    """Of the results of a new program, on copies."""
    program = replace(c).program
    return [x.tobytes() for x in program(tuple(x.copy() for x in arrays))]


def guarded(c: Compiled, arrays: tuple[np.ndarray, ...], side: str) -> list[bytes]:
    os.environ["WONDERLAND_GUARD"] = side
    return bits(c, arrays)


@pytest.mark.parametrize("side", SIDES)
def test_programs_give_the_same_bits_and_touch_nothing_outside(side: str) -> None:
    cases: list[tuple[Compiled, Any]] = [
        (compiled(name), tuple(map(np.asarray, args))) for name, (_, args, _) in PROGRAMS.items()
    ]
    cases += [
        (c, random_arrays(c.graph, s)) for s in SEEDS if (c := compile_graph(random_graph(s)))
    ]
    machine_code(low for c, _ in cases for _, low in c.lowered)
    expected = [bits(c, arrays) for c, arrays in cases]

    def run() -> None:
        for (c, arrays), want in zip(cases, expected, strict=True):
            assert guarded(c, arrays, side) == want, c.graph

    assert child(run) == 0


@pytest.mark.parametrize(("side", "by"), [("end", "+ 1"), ("begin", "- 1")])
def test_an_access_outside_ends_the_process(side: str, by: str) -> None:
    """A load that is one element further, of an argument, of a constant and of the arena."""
    x, table = np.ones(37, np.float32), np.arange(37, dtype=np.float32)
    programs: list[Callable[[Any], Any]] = [
        lambda x: x * 2, lambda x: x[::-1] + table, lambda x: np.cumsum(np.sort(x)),
    ]  # fmt: skip
    for function in programs:
        c = compile_graph(wl.trace(function, x).graph)
        for k, (work, low) in enumerate(c.lowered):
            head, doc, code = low.text.rpartition('"""')
            text = re.sub(r"(load\w*)\((x\d*), ([^,]*)", rf"\1(\2, \3 {by}", code)
            if text == code:
                continue
            other = (work, replace(low, text=head + doc + text))
            planted = replace(c, lowered=(*c.lowered[:k], other, *c.lowered[k + 1 :]))
            assert child(lambda c=planted: guarded(c, (x,), side)) == -signal.SIGSEGV
            assert child(lambda c=c: guarded(c, (x,), side)) == 0


def test_a_donated_argument_that_another_sees_is_copied(kernels: Mapping[str, int]) -> None:
    """The other is a view with steps, of which the program gets a copy anyway."""
    x, y, out = Slot("input"), Slot("input", 1), Slot("output")
    row = KernelRow(kernels["plus"], (x, y, out), (), 6, 4, nbytes=(48, 48, 48), writes=1)
    spec = ArraySpec(np.dtype(np.int64), (6,))
    table = Program((row,), (spec, spec), (spec,), donated=((1, 0),)).table
    both = np.arange(12)
    (total,) = fenced.fenced_call(table, "end", (both[::2], both[:6]))
    np.testing.assert_array_equal(total, np.arange(6) * 3)
    np.testing.assert_array_equal(both, np.arange(12))
    (total,) = fenced.fenced_call(table, "end", (both[6:], both[:6]))
    assert total.ctypes.data == both.ctypes.data


def test_the_side_is_end_or_begin() -> None:
    with pytest.raises(ValueError, match="WONDERLAND_GUARD: end or begin is required, got 'both'"):
        checked_side("both")
