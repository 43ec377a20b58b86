"""Large products by cuBLASLt where it is on the machine, and by the generated kernel where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import SM80
from tests.cuda.resources import keep_in_registers
from tests.cuda.test_programs import normal, rounded_to_bf16, rounded_to_tf32
from tests.runtime.fake_cublaslt import FakeCublasLt
from tests.runtime.fake_device import WORKSPACE_BYTES, FakeDevice
from wonderland import lax
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.runtime.gpu import cublaslt, cuda
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.rows import DeviceRow


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice().with_library()


def compiled(device: FakeDevice, f: Callable[..., Any], *args: Any) -> Compiled:
    made = compile_graph(wl.trace(f, *args).graph, folder="", device=device)
    keep_in_registers([made])
    return made


def library_of(device: FakeDevice) -> FakeCublasLt:
    assert device.products is not None
    return device.products.library


def asked(device: FakeDevice) -> list[str]:
    return [e for e in device.log if e in ("product", "launch") or e.startswith("run ")]


def agree(device: FakeDevice, f: Callable[..., Any], *args: Any, products: int = 1) -> list[str]:
    """The library and the interpreter of PTX give what NumPy gives; what was asked for."""
    device.log.clear()
    found = compiled(device, f, *args).program(args)
    for got, want in zip(found, wl.tree.leaves(f(*args)), strict=True):
        scale = float(np.max(np.abs(want)))
        np.testing.assert_allclose(np.asarray(got), want, 2e-5, 2e-5 * scale)
    log = asked(device)
    assert log.count("product") == products, log
    return log


X, W, B = normal(66, 64), normal(64, 65), normal(65)


def test_matrices_are_read_as_they_lie(device: FakeDevice) -> None:
    assert agree(device, lambda x, w: x @ w, X, W) == ["product"]
    agree(device, lambda x, w: x.T @ w, X.T.copy(), W)
    agree(device, lambda x, w: x @ w.T, X, W.T.copy())
    agree(device, lambda x, w: x.T @ w.T, X.T.copy(), W.T.copy())
    agree(device, lambda x, w: (x @ w).T, X, W)
    agree(device, lambda x: x @ x.T, X)
    agree(device, lambda x, w: x[3:, 8:80] @ w[1:73], normal(68, 96), normal(80, 65))
    agree(device, lambda x, w: x[::2] @ w[::2], normal(130, 96), normal(192, 65))
    agree(device, lambda x, w: x @ w, X.astype(np.float64), W.astype(np.float64))


def test_batches_are_one_call(device: FakeDevice) -> None:
    agree(device, lambda x, w: x @ w, normal(3, 66, 70), normal(3, 70, 64))
    agree(device, lambda x, w: np.swapaxes(x, 1, 2) @ w, normal(3, 70, 66), normal(3, 70, 64))
    agree(device, lambda x, w: x @ w, normal(3, 66, 70), normal(70, 64))


def test_what_follows_a_product_is_a_kernel_of_its_own(device: FakeDevice) -> None:
    log = agree(device, lambda x, w, b: np.tanh(x @ w + b), X, W, B)
    assert log == ["product", "launch"]
    agree(device, lambda x, w, y: (np.maximum(x @ w, 0) * y, x @ w > 1), X, W, normal(66, 65))

    def loss(x: Any, w: Any, b: Any) -> Any:
        return np.sum(np.tanh(x @ w + b) ** 2)

    device.log.clear()
    got = compiled(device, wl.value_and_grad(loss, (0, 1, 2)), X, W, B).program((X, W, B))
    with wl.disable_jit():
        want = wl.jit(wl.value_and_grad(loss, (0, 1, 2)))(X, W, B)
    for x, y in zip(got, wl.tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(x), y, 2e-4, 2e-4)
    assert asked(device).count("product") == 3


def test_a_product_in_a_loop_and_after_a_donation(device: FakeDevice) -> None:
    def steps(h: Any, w: Any, xs: Any) -> Any:
        return lax.scan(lambda h, x: (np.tanh(h @ w + x), h), h, xs)[0]

    h, w, xs = normal(64, 64), normal(64, 64) / 8, normal(3, 64, 64)
    given = compiled(device, steps, h, w, xs).program((h, w, xs))
    with wl.disable_jit():
        want = wl.jit(steps)(h, w, xs)
    np.testing.assert_allclose(np.asarray(given[0]), want, 1e-5, 1e-5)
    assert asked(device).count("product") == 3
    graph = wl.trace(lambda y, x, w: y + x @ w, normal(66, 65), X, W).graph
    program = compile_graph(graph, donated=((0, 0),), folder="", device=device).program
    y = normal(66, 65)
    np.testing.assert_allclose(np.asarray(program((y, X, W))[0]), y + X @ W, 1e-4, 1e-4)


def test_precisions_reach_the_library(device: FakeDevice) -> None:
    for precision, rounded in (("tensorfloat32", rounded_to_tf32), ("bfloat16", rounded_to_bf16)):
        with wl.default_matmul_precision(precision):
            program = compiled(device, lambda x, w: x @ w, X, W).program
        want = rounded(X).astype(np.float64) @ rounded(W)
        np.testing.assert_allclose(np.asarray(program((X, W))[0]), want, 1e-5, 1e-5)
        assert np.abs(want - X @ W).max() > 1e-3


@pytest.mark.parametrize("m, k, n", [(63, 64, 65), (70, 63, 65), (70, 64, 63)])
def test_small_products_stay_with_the_generated_kernel(
    device: FakeDevice, m: int, k: int, n: int
) -> None:
    assert agree(device, lambda x, w: x @ w, normal(m, k), normal(k, n), products=0) == ["launch"]


def test_so_do_products_that_the_library_does_not_take(device: FakeDevice) -> None:
    agree(device, lambda x, w: x[:, ::2] @ w, normal(66, 128), W, products=0)
    whole = np.arange(66 * 64).reshape(66, 64) % 7
    agree(device, lambda x: x @ x.T, whole, products=0)
    library = library_of(device)
    library.refuses = True
    agree(device, lambda x, w: x @ w, X, W, products=0)


def test_without_the_library_the_same_program_runs_the_generated_kernel() -> None:
    device = FakeDevice()
    c = compiled(device, lambda x, w: x @ w, X, W)
    (row,) = c.program.rows
    assert isinstance(row, DeviceRow) and row.product is not None and not c.target.library
    np.testing.assert_allclose(np.asarray(c.program((X, W))[0]), X @ W, 1e-5, 1e-5)
    assert asked(device) == ["launch"]
    assert "detach" not in {s.name for s in c.stages} and not SM80.library


def test_only_ways_without_atomics_and_for_the_alignment_there_is(device: FakeDevice) -> None:
    library = library_of(device)
    agree(device, lambda x, w: x @ w, X, normal(64, 68))
    agree(device, lambda x, w: x @ w, X, W[:, :65])
    agree(device, lambda x, w: x @ w, normal(71, 97), normal(97, 65))
    assert [p[5] for p in library.preferences] == [16, 4, 4]
    assert all(p[3] == 6 and p[1] == WORKSPACE_BYTES for p in library.preferences)


def test_a_call_that_fails_is_an_error_and_the_program_can_be_called_again(
    device: FakeDevice,
) -> None:
    program = compiled(device, lambda x, w, b: x @ w + b, X, W, B).program
    device.failing = "product"
    with pytest.raises(DeviceError, match="product on cuda:0: planted"):
        program((X, W, B))
    np.testing.assert_allclose(np.asarray(program((X, W, B))[0]), X @ W + B, 1e-5, 1e-5)


def test_the_library_is_looked_for_and_may_be_missing() -> None:
    found = cublaslt.library()
    assert found is None or hasattr(found, "cublasLtMatmul")
    assert all(d.has_library == (found is not None) for d in cuda.cuda_devices())
