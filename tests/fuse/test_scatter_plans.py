"""Updates in place: what is copied, what is written where it stands, what is parallel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.test_plan import array, compiled, kernels
from wonderland.compiler.fuse.emission import Work
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


def test_a_donated_argument_that_the_update_reads_elsewhere_is_copied() -> None:
    def f(x: Any, i: Any) -> Any:
        return x.at[i].add(x[i + 1])

    x = array(40, 8)
    assert kernels(compiled(f, x, ROWS, donate=(0,))) == ["copy", "scatter_add"]
    np.testing.assert_array_equal(wl.jit(f, donate_argnums=0)(x.copy(), ROWS), wl.jit(f)(x, ROWS))


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
