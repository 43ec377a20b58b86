"""Updates in place: what is copied, what is written where it stands, what is parallel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.test_plan import array, compiled, kernels
from wonderland.compiler.fuse.emission import BodyWork, Work
from wonderland.compiler.kernel import Kernel, verify
from wonderland.compiler.pipeline import Compiled

ROWS = np.array([3, 1, 3, -1])


def scatter_of(c: Compiled) -> Kernel:
    found = [
        w.kernel for _, w in c.plan.schedule.works
        if isinstance(w, Work) and isinstance(w.kernel, Kernel) and "scatter" in w.kernel.name
    ]  # fmt: skip
    return verify(found[-1])


def add_rows(x: Any, i: Any, u: Any) -> Any:
    return x.at[i].add(u * 2)


def test_an_update_of_a_donated_argument_is_in_place() -> None:
    x, u = array(40, 8), array(4, 8)
    c = compiled(add_rows, x, ROWS, u, donate=(0,))
    assert kernels(c) == ["scatter_add"] and c.plan.arena_bytes == 0
    assert kernels(compiled(add_rows, x, ROWS, u)) == ["copy", "scatter_add"]
    run = wl.jit(add_rows, donate_argnums=0)
    given = x.copy()
    found = run(given, ROWS, u)
    assert np.shares_memory(found, given)
    np.testing.assert_array_equal(found, wl.numpy.at(x)[ROWS].add(u * 2))


def test_a_small_part_that_an_update_reads_elsewhere_is_read_first() -> None:
    def f(x: Any, i: Any) -> Any:
        return x.at[i].add(x[i + 1])

    for rows, first in ((40, "map_gather"), (15, "copy")):
        x = array(rows, 8)
        assert kernels(compiled(f, x, ROWS, donate=(0,))) == [first, "scatter_add"]
        expected = wl.jit(f)(x, ROWS)
        np.testing.assert_array_equal(wl.jit(f, donate_argnums=0)(x.copy(), ROWS), expected)


def swapped(x: Any, i: Any, j: Any) -> Any:
    a, b = x[i], x[j]
    return x.at[i].set(b).at[j].set(a)


def decoded(cache: Any, x: Any, at: Any) -> Any:
    """Layers that write a row each of one array, and read what they wrote in."""
    for layer in range(3):
        cache = cache.at[layer, at].set(x)
        x = np.tanh(np.sum(cache[layer], axis=0))
    return x, cache


def paths(x: Any, i: Any, j: Any) -> Any:
    """A table of which every row follows from the one before."""
    return wl.lax.fori_loop(1, 40, lambda k, x: x.at[k].set(np.minimum(x[k - 1] + i, x[k]) * j), x)


def taken(x: Any, i: Any, j: Any) -> Any:
    """A value is taken from a stack, and a part of it put back, until it is empty."""

    def step(state: Any) -> Any:
        x, top, total = state
        v = x[top]
        return x.at[top].set(0).at[top - 1].add(v * 0.5), top - 1, total + v

    return wl.lax.while_loop(lambda s: s[1] > 0, step, (x, i + 20, x[0]))


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (swapped, (array(40, 8), np.int32(3), np.int32(-2))),
        (swapped, (array(40, 8), np.int32(3), np.int32(3))),
        (decoded, (array(3, 40, 8), array(8), np.int32(5))),
        (paths, (array(40, 8), np.float32(0.5), np.float32(2))),
        (taken, (array(40, 8), np.int32(3), np.int32(0))),
    ],
)
def test_nothing_is_copied_for_what_is_read_before_it_is_written_over(
    function: Any, args: Any
) -> None:
    c = compiled(function, *args, donate=(0,))
    works = [w for _, w in c.plan.schedule.works]
    for work in works:
        works += work.inside() if isinstance(work, BodyWork) else ()
    assert not [w for w in works if w.pieces and w.written[0].type.size >= args[0].size]
    assert c.plan.arena_bytes < args[0].nbytes
    with wl.disable_jit():
        expected = wl.jit(function)(*args)
    found = wl.jit(function, donate_argnums=0)(args[0].copy(), *args[1:])
    for a, b in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_of_two_updates_of_one_array_one_is_a_copy() -> None:
    def both(x: Any, i: Any, u: Any) -> Any:
        y = np.sin(x)
        return np.sum(y.at[i].set(u), axis=1), np.sum(y.at[i + 1].set(u), axis=1), np.sum(y, axis=0)

    x, u = array(40, 8), array(4, 8)
    assert kernels(compiled(both, x, ROWS, u)).count("copy") == 1


def test_what_an_update_reads_where_it_writes_is_read_there() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        y[2:4] = y[2:4] * 3 + 1
        return y

    assert len(kernels(compiled(f, array(40, 8)))) == 2


def writes(x: Any, i: Any, u: Any) -> Any:
    y = np.sin(x)
    y[i] = u
    y[2:4, 1:] *= 3
    y[0] = y[1]
    return y


def test_writes_one_after_the_other_touch_what_they_write_only() -> None:
    x, u = array(40, 8), array(4, 8)
    c = compiled(writes, x, ROWS, u)
    assert kernels(c).count("copy") <= 1  # the last reads another row of what it writes to
    assert c.plan.arena_bytes <= x.nbytes
    np.testing.assert_allclose(wl.jit(writes)(x, ROWS, u), writes(x, ROWS, u), rtol=1e-6)


def test_a_value_that_is_read_after_its_update_is_kept() -> None:
    def f(x: Any, i: Any, u: Any) -> Any:
        y = np.sin(x)
        z = y.at[i].set(u)
        return z, y * z

    x, u = array(40, 8), array(4, 8)
    z, product = wl.jit(f)(x, ROWS, u)
    y = np.sin(x)
    z_expected = wl.numpy.at(y)[ROWS].set(u)
    np.testing.assert_allclose(z, z_expected, rtol=1e-6)
    np.testing.assert_allclose(product, y * z_expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "block", "index", "parallel"),
    [
        ((50, 512), (4000, 512), lambda i: i, ["i1c"]),  # blocks of rows
        ((64, 50), (64, 40), lambda i: (np.arange(64)[:, None], i), ["i0"]),  # rows in step
        ((50,), (4000,), lambda i: i, []),  # nothing tells places apart
    ],
)
def test_points_that_never_meet_are_parallel(
    shape: Any, block: Any, index: Any, parallel: list[str]
) -> None:
    i = np.random.default_rng(0).integers(0, 50, block[:2] if shape[0] == 64 else block[0])
    x, u = array(*shape), array(*block)
    kernel = scatter_of(compiled(lambda x, i, u: x.at[index(i)].add(u), x, i, u))
    assert [a.name for a in kernel.free] == parallel
    expected = x.astype(np.float64)
    np.add.at(expected, index(i), u)
    found = wl.jit(lambda x, i, u: x.at[index(i)].add(u))(x, i, u)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_window_at_a_known_place_is_written_by_parallel_points() -> None:
    kernel = scatter_of(compiled(lambda x, u: x.at[3:7, 1:].set(u), array(40, 8), array(4, 7)))
    assert not kernel.ordered


def layers(cache: Any, x: Any, at: Any, reverse: bool = False) -> Any:
    """A loop over layers that write a row each of a cache of their own."""

    def layer(x: Any, own: Any) -> Any:
        own = own.at[at].set(x)
        return np.tanh(np.sum(own, axis=0)), own

    return wl.lax.scan(layer, x, cache, reverse=reverse)


def layers_and_old(cache: Any, x: Any, at: Any) -> Any:
    """The same, which need what stood there before, too."""

    def layer(x: Any, own: Any) -> Any:
        new = own.at[at].set(x)
        return np.tanh(np.sum(new, axis=0)), (new, new * own)

    return wl.lax.scan(layer, x, cache)


def layers_and_first(cache: Any, x: Any, at: Any) -> Any:
    """The same, of which the sequence is needed afterwards."""
    x, new = layers(cache, x, at)
    return x, new, np.sum(new * cache, axis=1)


def in_turns(c: Compiled) -> list[str]:
    works = [w for _, w in c.plan.schedule.works if isinstance(w, BodyWork)]
    return [w.name for work in works for w in work.inside()]


CACHE = array(4, 40, 8), array(8), np.int32(5)


@pytest.mark.parametrize(
    ("function", "around", "turn"),
    [
        (layers, 0, 0),
        (lambda *args: layers(*args, reverse=True), 0, 0),
        (layers_and_first, 1, 0),
        (layers_and_old, 0, 1),
        (lambda c, x, at: layers(c * 2, x, at), 0, 0),
        (lambda c, x, at: layers(layers(c, x, at)[1], x, at + 1), 0, 0),
        (lambda c, x, at: wl.lax.scan(lambda x, c: layers(c, x, at), x, c[:, None] + x), 0, 0),
    ],
)
def test_a_scan_updates_elements_where_they_are_stacked(
    function: Any, around: int, turn: int
) -> None:
    c = compiled(function, *CACHE, donate=(0,))
    assert (kernels(c).count("copy"), in_turns(c).count("copy")) == (around, turn)
    with wl.disable_jit():
        expected = wl.jit(function)(*CACHE)
    runs = (
        wl.jit(function),
        wl.jit(function, donate_argnums=0),
        wl.jit(function, memory_budget=40_000),
    )
    for run in runs:
        found = run(CACHE[0].copy(), *CACHE[1:])
        for a, b in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_sequence_that_lasts_is_copied_once_around_the_loop() -> None:
    c = compiled(layers, *CACHE)
    assert kernels(c).count("copy") == 1 and "copy" not in in_turns(c)
