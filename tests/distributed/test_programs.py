"""The programs over named axes in one process: compiled, and by the references of their ops."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import wonderland as wl
from tests.distributed.programs import PROGRAMS, Program, same
from wonderland.compiler.transform.interpreter import interpret


@pytest.mark.parametrize("program", PROGRAMS, ids=[p.name for p in PROGRAMS])
def test_a_compiled_program_is_the_interpreted_one(program: Program) -> None:
    arguments = program.stacked(program.sizes(4))
    traced = wl.trace(program.vmapped(), *arguments)
    expected = interpret(traced.graph, *map(np.asarray, wl.tree.leaves(arguments)))
    same(wl.jit(program.vmapped())(*arguments), expected, program.exact, program.name)


def test_programs_have_names_of_their_own_and_arguments_by_place() -> None:
    assert len({p.name for p in PROGRAMS}) == len(PROGRAMS)
    for p in PROGRAMS:
        sizes = p.sizes(4)
        stacked, places = p.stacked(sizes), tuple(n - 1 for n in sizes)
        own = p.arguments(sizes, places)
        split = len(own) - p.shared
        for many, one in zip(stacked[:split], own[:split], strict=True):
            here = wl.tree.map(operator.itemgetter(places), many)
            same(here, one, True, p.name)
        same(stacked[split:], own[split:], True, p.name)
