"""A batch of branches and loops is a loop over its elements: values, derivatives, effects.

For an element only what it takes counts, however undefined the rest is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.control_programs import ELEMENTS, WEIGHTS, Note, Program, random_program

V = np.array([0.6, -1.1])
Log = Counter[tuple[str, int, float]]
PLACES = np.arange(len(ELEMENTS))


def silent(name: str, x: Any) -> None:
    pass


def loss(program: Program, note: Note = silent) -> Callable[..., Any]:
    """A number of an element and the weights."""

    def f(x: Any, w: Any) -> Any:
        x, v = program.step((x, V), w, note)
        return np.sum(np.sin(v)) + 0.1 * x

    return f


def noting(log: Log, program: Program) -> Callable[..., Any]:
    """The same, which counts in `log` what happens to which element."""

    def f(x: Any, w: Any, place: Any) -> Any:
        def note(name: str, x: Any) -> None:
            wl.debug.callback(lambda i, x: log.update([(name, int(i), float(x))]), place, x)
            if name != "test":  # what happens to no element in particular happens in branches
                wl.debug.callback(lambda: log.update([(name, -1, 0.0)]))

        return loss(program, note)(x, w)

    return f


def stacked(rows: list[Any]) -> Any:
    return tuple(map(np.stack, zip(*rows, strict=True)))


def agree(found: Any, wanted: Any, what: str) -> None:
    for f, w in zip(wl.tree.leaves(found), wl.tree.leaves(wanted), strict=True):
        assert np.all(np.isfinite(w)), what
        np.testing.assert_allclose(f, w, 1e-9, 1e-11, err_msg=what)


def derivatives(program: Program, jit: Callable[..., Any]) -> None:
    """Of the batch, against those of the elements one after the other."""
    f, what = loss(program), program.text
    every = wl.vmap(f, (0, None))
    dx, dw = np.cos(ELEMENTS), np.array([[1.0, -0.5], [0.25, 2.0]])
    grad = wl.grad(f, (0, 1))
    agree(jit(every)(ELEMENTS, WEIGHTS), [np.stack([f(x, WEIGHTS) for x in ELEMENTS])], what)
    rows = stacked([grad(x, WEIGHTS) for x in ELEMENTS])
    total = rows[0], rows[1].sum(0)
    agree(jit(wl.vmap(grad, (0, None)))(ELEMENTS, WEIGHTS), rows, f"vmap(grad) {what}")
    both = wl.grad(lambda x, w: np.sum(every(x, w)), (0, 1))
    agree(jit(both)(ELEMENTS, WEIGHTS), total, f"grad(vmap) {what}")
    slope = jit(lambda x, w: wl.jvp(every, (x, w), (dx, dw))[1])(ELEMENTS, WEIGHTS)
    agree(slope, [rows[0] * dx + np.sum(rows[1] * dw, (1, 2))], f"jvp(vmap) {what}")

    # second derivatives: forward over reverse, and reverse over reverse where there is one
    def along(g: Callable[..., Any], x: Any, w: Any, dx: Any) -> Any:
        return wl.jvp(g, (x, w), (dx, dw))[1]

    second = stacked([along(grad, x, WEIGHTS, d) for x, d in zip(ELEMENTS, dx, strict=True)])
    wanted = second[0], second[1].sum(0)
    found = jit(lambda x, w: along(both, x, w, dx))(ELEMENTS, WEIGHTS)
    agree(found, wanted, f"jvp(grad(vmap)) {what}")
    if not program.turns:

        def turned(x: Any, w: Any) -> Any:
            by_x, by_w = both(x, w)
            return np.sum(by_x * dx) + np.sum(by_w * dw)

        found = jit(wl.grad(turned, (0, 1)))(ELEMENTS, WEIGHTS)
        agree(found, wanted, f"grad(grad(vmap)) {what}")
    # an axis more
    pairs = np.stack([ELEMENTS, ELEMENTS[::-1]])
    twice = wl.grad(lambda x, w: np.sum(wl.vmap(every, (0, None))(x, w)), (0, 1))
    nested = jit(twice)(pairs, WEIGHTS)
    agree(nested, (np.stack([rows[0], rows[0][::-1]]), 2 * total[1]), f"vmap(vmap) {what}")


@pytest.mark.parametrize("seed", range(9))
def test_a_batch_is_a_loop_over_its_elements(seed: int) -> None:
    derivatives(random_program(seed), lambda f: wl.jit(f, disable_jit=True))


def test_the_gradient_of_a_compiled_batch_is_that_of_its_elements() -> None:
    for seed in (9, 10, 11):
        program = random_program(seed)
        f = loss(program)
        rows = stacked([wl.grad(f, (0, 1))(x, WEIGHTS) for x in ELEMENTS])
        total = wl.grad(lambda x, w, f=f: np.sum(wl.vmap(f, (0, None))(x, w)), (0, 1))
        agree(wl.jit(total)(ELEMENTS, WEIGHTS), (rows[0], rows[1].sum(0)), program.text)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_batches_are_loops_over_their_elements(seed: int) -> None:
    derivatives(random_program(seed), lambda f: wl.jit(f, disable_jit=True))
    effects(seed)


def effects(seed: int) -> None:
    alone, together = Log(), Log()
    for x, place in zip(ELEMENTS, PLACES, strict=True):
        noting(alone, random_program(seed))(x, WEIGHTS, place)
    every = wl.vmap(noting(together, random_program(seed)), (0, None, 0))
    wl.jit(every, disable_jit=True)(ELEMENTS, WEIGHTS, PLACES)
    assert together == alone, random_program(seed).text
    # and once where a gradient is taken
    found, wanted = Log(), Log()
    for x, place in zip(ELEMENTS, PLACES, strict=True):
        wl.grad(noting(wanted, random_program(seed)), 1)(x, WEIGHTS, place)
    every = wl.vmap(noting(found, random_program(seed)), (0, None, 0))
    total = wl.grad(lambda x, w, i: np.sum(every(x, w, i)), 1)
    wl.jit(total, disable_jit=True)(ELEMENTS, WEIGHTS, PLACES)
    assert found == wanted, random_program(seed).text


@pytest.mark.parametrize("seed", range(12))
def test_effects_happen_to_the_elements_that_get_there(seed: int) -> None:
    effects(seed)
