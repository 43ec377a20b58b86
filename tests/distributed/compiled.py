"""The programs over named axes, by real processes: compiled, and by the references of their ops."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

import wonderland as wl
from tests.distributed.answer import answer
from tests.distributed.programs import PROGRAMS, Program, same

wl.distributed.initialize(60)
COUNT = wl.distributed.process_count()
TOGETHER = 8  # programs compiled as one


def sizes_of(program: Program) -> tuple[int, ...]:
    return program.sizes(COUNT)


def mesh_of(axes: tuple[str, ...], sizes: tuple[int, ...]) -> wl.distributed.Mesh:
    return wl.distributed.mesh(dict(zip(axes, sizes, strict=True)))


def compare(programs: Sequence[Program], compiled: bool) -> None:
    """One function of several programs gives at every place what vmap gives there."""
    axes, sizes = programs[0].axes, sizes_of(programs[0])
    mesh = mesh_of(axes, sizes)
    places = tuple(map(mesh.place, axes))

    def all_of(every: Any) -> Any:
        return [p.function(*given) for p, given in zip(programs, every, strict=True)]

    function = wl.distributed.spmd(all_of, mesh, disable_jit=not compiled)
    results = function([p.arguments(sizes, places) for p in programs])
    for program, found in zip(programs, results, strict=True):
        with wl.disable_jit():
            every = wl.jit(program.vmapped())(*program.stacked(sizes))
        expected = wl.tree.map(operator.itemgetter(places), every)
        same(found, expected, program.exact, program.name)


def compare_all(axes: tuple[str, ...]) -> None:
    """Two processes interpret all programs, four compile every third."""
    over = [p for p in PROGRAMS if p.axes == axes][:: 3 if COUNT > 2 else 1]
    for k in range(0, len(over), TOGETHER):
        compare(over[k : k + TOGETHER], compiled=COUNT > 2)


def case_one_axis() -> None:
    compare_all(("i",))


def case_two_axes() -> None:
    compare_all(("data", "model"))


def case_a_nan_of_one_is_found_by_all() -> None:
    """Also in a loop; one that an argument has, of whichever process, is nobody's fault."""
    here = wl.distributed.process_index()

    def turn(c: Any, x: Any) -> tuple[Any, Any]:
        return c + wl.lax.psum(x, "i"), np.log(c)

    programs = (lambda x: turn(x, x), lambda x: wl.lax.scan(turn, x[0], x))
    for program in programs:
        checked = wl.distributed.spmd(program, mesh_of(("i",), (COUNT,)), check_nans=True)
        for _ in range(2):
            text = ""
            try:
                checked(np.full((3, 2), -1.0 if here == 1 else 1.0))
            except FloatingPointError as error:
                text = str(error)
            assert ("in process 1" in text) == (here != 1), text
            checked(np.full((3, 2), np.nan if here == 1 else 1.0))


if __name__ == "__main__":
    answer(globals())
