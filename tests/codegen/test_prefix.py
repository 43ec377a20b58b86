"""Generated prefixes against NumPy: kinds, forms, directions, tails; machine, twin, lanes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.execution import Arrays, run_machine, run_twin
from wonderland.compiler.codegen.cpu.prefix import lower_prefix
from wonderland.compiler.codegen.target import Target, host
from wonderland.compiler.kernel import Axis, Buffer, Kernel, Load, Map
from wonderland.compiler.kernel.monoid import RUNNING
from wonderland.compiler.kernel.prefix import Prefix, running

TARGETS = [Target(bits) for bits in (128, 256)] + [host()]


def prefix(kind: str, shape: tuple[int, int, int], reverse: bool, dtype: str = "f32") -> Prefix:
    """Along the middle axis of an array."""
    a, n, b = shape
    axes = (Axis("i", a), Axis("j", b))
    place = Map((("i", n * b), ("k", b), ("j", 1)))
    count = 2 if kind == "recurrence" else 1
    xs = [Buffer(f"x{k}", dtype, a * n * b) for k in range(count)]
    y = Buffer("y", dtype, a * n * b)
    exprs = tuple(Load(x, place) for x in xs)
    if b == 1:
        axes, place = axes[:1], Map((("i", n), ("k", 1)))
        exprs = tuple(Load(x, place) for x in xs)
    return Prefix("prefix", (*xs, y), axes, Axis("k", n), kind, exprs, y, place, reverse)


def arrays_for(p: Prefix, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    low, high = (1, 3) if p.kind == "prod" else (-3, 4)
    drawn = {b.name: rng.uniform(low, high, b.size) / 2 for b in p.buffers}
    return {b.name: drawn[b.name].astype(running_dtype(b.dtype)) for b in p.buffers}


def running_dtype(dtype: str) -> type:
    return {"f32": np.float32, "f64": np.float64, "i32": np.int32}[dtype]


def expected(p: Prefix, arrays: Arrays, shape: tuple[int, int, int]) -> np.ndarray:
    xs = [arrays[b.name].reshape(shape) for b in p.buffers[:-1]]
    if p.kind == "recurrence":
        xs[0] = xs[0].copy()
    return running(p.kind, 1, p.reverse, *xs).reshape(-1)


SHAPES = [(1, 1, 1), (3, 37, 1), (2, 64, 1), (2, 9, 5), (1, 4, 130), (40, 3, 1), (2, 130, 1)]


@pytest.mark.parametrize("kind", RUNNING)
def test_every_form_agrees_with_numpy(kind: str) -> None:
    for seed, shape in enumerate(SHAPES):
        for reverse in (False, True):
            for target in TARGETS:
                p = prefix(kind, shape, reverse)
                arrays = arrays_for(p, seed)
                lowered = lower_prefix(p, target)
                as_kernel = Kernel(p.name, p.buffers, (), ())
                want = expected(p, arrays, shape)
                got = run_machine(as_kernel, lowered, arrays)["y"]
                np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
                pieces = [(k, k + 1) for k in range(lowered.points)][::-1]
                np.testing.assert_array_equal(
                    run_machine(as_kernel, lowered, arrays, pieces)["y"], got
                )
                if target is not TARGETS[1]:
                    twin = run_twin(as_kernel, lowered, arrays)["y"]
                    np.testing.assert_allclose(twin, got, rtol=1e-6, atol=1e-6)


def test_the_text_does_not_depend_on_sizes() -> None:
    texts = [
        lower_prefix(prefix("sum", shape, True), host()).text for shape in ((3, 37, 1), (9, 400, 1))
    ]
    assert texts[0] == texts[1]


def test_integers_wrap_as_numpy() -> None:
    p = prefix("sum", (2, 50, 1), False, "i32")
    arrays = arrays_for(p, 0)
    arrays["x0"] = np.random.default_rng(0).integers(-(2**31), 2**31, 100).astype(np.int32)
    got = run_machine(Kernel(p.name, p.buffers, (), ()), lower_prefix(p, host()), arrays)["y"]
    np.testing.assert_array_equal(got, expected(p, arrays, (2, 50, 1)))


@pytest.mark.parametrize("kind", ["sum", "recurrence"])
@pytest.mark.parametrize("shape", [(2, 40, 1), (1, 3, 20)])
def test_a_sum_that_begins_with_a_negative_zero_does(
    kind: str, shape: tuple[int, int, int]
) -> None:
    p = prefix(kind, shape, False)
    arrays = arrays_for(p, 0)
    for name in arrays:
        arrays[name][:] = -0.0 if name == f"x{len(p.exprs) - 1}" else 0.5
    got = run_machine(Kernel(p.name, p.buffers, (), ()), lower_prefix(p, host()), arrays)["y"]
    assert np.signbit(got).all()
