"""Rows that a GPU has no room for are computed again; the others stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import compiled_for, run
from tests.runtime.fake_device import FakeDevice
from wonderland.compiler.codegen.target import of_architecture
from wonderland.compiler.fuse.emission import Work
from wonderland.compiler.fuse.fuse import fuse
from wonderland.compiler.fuse.waves import Schedule
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.kernel import Keep, Kernel, verify
from wonderland.compiler.pipeline import compile_graph, optimised
from wonderland.compiler.plan.fit_rows import fit_rows, with_rows
from wonderland.compiler.plan.schedule import schedule
from wonderland.runtime.gpu.device_array import uploaded
from wonderland.runtime.spec import ArraySpec

ROW = 8192  # elements of the longest row that is kept


def chain(x: Any) -> Any:
    """Four rows that are read again after the sum of each."""
    a = np.exp(x - np.max(x, 1, keepdims=True))
    b = np.tanh(x / np.sum(a, 1, keepdims=True))
    c = np.sin(b * np.sum(b, 1, keepdims=True))
    d = np.cos(c * np.sum(c, 1, keepdims=True))
    return a + b * c - d / np.sum(d, 1, keepdims=True)


def scheduled(function: Any, *args: Any) -> Schedule:
    *_, last = optimised(wl.trace(function, *args).graph)
    assert isinstance(last.state, Graph)
    return schedule(fuse(last.state))


X = np.random.default_rng(0).standard_normal((2, ROW))


def rows(kernel: Kernel) -> list[str]:
    return [s.name for stage in kernel.stages for s in stage.body if isinstance(s, Keep)]


@pytest.mark.parametrize("room, count", [(4, 4), (3, 3), (1, 1), (0, 0)])
def test_as_many_rows_stay_as_fit(room: int, count: int) -> None:
    before = scheduled(chain, X)
    after = fit_rows(before, room * X[0].nbytes)
    (kernel,) = (w.kernel for _, w in after.works if isinstance(w, Work))
    assert isinstance(kernel, Kernel) and len(rows(kernel)) == count
    assert (after is before) == (count == 4)
    verify(kernel)
    assert with_rows(kernel, room * X[0].nbytes) is kernel


def test_bodies_of_loops_have_them_too() -> None:
    def f(xs: Any) -> Any:
        return wl.lax.map(chain, xs)

    before = scheduled(f, X[None])
    assert str(fit_rows(before, 0)) == str(before)  # the same works
    assert fit_rows(before, 0) is not before and fit_rows(before, 4 * X[0].nbytes) is before


@pytest.mark.parametrize("architecture", ["sm_75", "sm_86", "sm_80", "sm_90"])
def test_every_gpu_computes_the_longest_rows(architecture: str) -> None:
    target = of_architecture(architecture)
    compiled = compiled_for(wl.trace(chain, X).graph, target)
    (found,) = run(compiled, (X,))
    np.testing.assert_allclose(found, chain(X), 1e-12, 1e-12)
    assert all(low.shared_bytes <= target.rows_bytes for _, low in compiled.lowered)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
def test_what_is_read_again_is_not_written_over(architecture: str) -> None:
    """The donated operand may hold a result only where no later stage reads it again."""

    def f(x: Any) -> Any:
        a = np.exp(x)
        y = np.tanh(x + np.sum(a, 1, keepdims=True))
        return y, a * np.sum(np.sin(a) * y, 1, keepdims=True), np.cos(a) + np.max(y, 1)[:, None]

    device = FakeDevice()
    device.architecture = architecture
    donated = ((0, 0),)
    compiled = compile_graph(wl.trace(f, X).graph, donated=donated, folder="", device=device)
    x = uploaded(X, device, ArraySpec(X.dtype, X.shape))
    for found, want in zip(compiled.program((x,)), f(X), strict=True):
        np.testing.assert_allclose(np.asarray(found), want, 1e-12, 1e-12)
    assert x.is_deleted() == (architecture != "sm_75")  # where it keeps no row
