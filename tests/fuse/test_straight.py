"""Programs of many tiny values are straight lines of scalars; what they repeat is one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.straight import MANY, straightened
from wonderland.compiler.fuse.work import BodyWork
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.transform.interpreter import interpret

SPECIAL = [0.0, -0.0, 1.0, -2.5, 0.3, 7.0, np.nan, np.inf, -np.inf]


def compiled(f: Callable[..., Any], *args: Any) -> Compiled:
    return compile_graph(wl.trace(f, *args).graph, folder="")


def turned(x: Any, y: Any, z: Any) -> Any:
    np_ = wl.numpy
    one, zero = np_.ones_like(x), np_.zeros_like(x)
    a = np_.array(
        [[one, zero, zero], [zero, np_.cos(x), -np_.sin(x)], [zero, np_.sin(x), np_.cos(x)]]
    )
    b = np_.array(
        [[np_.cos(y), zero, np_.sin(y)], [zero, one, zero], [-np_.sin(y), zero, np_.cos(y)]]
    )
    return a @ b * z


def chain(count: int) -> Callable[[Any], Any]:
    """A gradient of a product of rotations, which grows with each."""

    def loss(angles: Any) -> Any:
        out = wl.numpy.eye(3, dtype=angles.dtype)
        for k in range(count):
            out = out @ turned(angles[k, 0], angles[k, 1], angles[k, 2]) + out
        return (out * out[0]).sum()

    return wl.value_and_grad(loss)


ANGLES = np.random.default_rng(0).normal(size=(12, 3)) * 0.1 + 0.2


def test_what_a_program_repeats_is_one_kernel_however_often() -> None:
    short, long = (compiled(chain(n), ANGLES[:n]) for n in (4, 8))
    texts = [{low.text for _, low in c.lowered if low.text} for c in (short, long)]
    assert len(texts[1]) <= len(texts[0]) + 2 <= 16
    works = [len(c.lowered) for c in (short, long)]
    assert works[1] - works[0] <= 4 * 5
    kernels = [len({id(w.kernel) for w, _ in c.lowered}) for c in (short, long)]
    assert kernels[1] < works[1]


def test_the_gradient_of_a_product_of_rotations_is_that_of_differences() -> None:
    f = chain(3)
    value, slope = wl.jit(f)(ANGLES[:3])
    step, direction = 1e-6, np.random.default_rng(1).normal(size=(3, 3))
    ends = [float(np.asarray(f(ANGLES[:3] + s * direction)[0])) for s in (step, -step)]
    assert np.isclose(np.sum(slope * direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-6)
    assert np.isclose(value, np.asarray(f(ANGLES[:3])[0]))


def test_a_stack_that_others_read_too_is_stored_by_its_run() -> None:
    def moved(angles: Any, points: Any) -> Any:
        np_ = wl.numpy
        for k in range(20):
            x, y, zero = np_.cos(angles[k]), np_.sin(angles[k]), np_.zeros_like(angles[k])
            points = np_.tanh(points @ np_.array([[x, -y, zero], [y, x, zero], [zero, y, x * y]]))
        return points

    made = compiled(moved, np.arange(20.0), np.ones((500, 3)))
    names = {w.name for w, _ in made.lowered}
    assert "straight" in names
    assert "copy" not in names


def test_programs_without_many_tiny_values_stay() -> None:
    w, x = np.ones((16, 16)), np.ones((8, 16))

    def mlp(w: Any, x: Any) -> Any:
        for _ in range(8):
            x = np.tanh(x @ w)
        return np.sum(x)

    graph = wl.trace(wl.value_and_grad(mlp), w, x).graph
    assert straightened(graph) is graph


def test_a_step_of_a_differential_equation_is_one_kernel() -> None:
    def pendulum(y: Any, p: Any) -> Any:
        return wl.numpy.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1]])

    def end(y: Any, p: Any) -> Any:
        def step(_: Any, y: Any) -> Any:
            middle = y + 0.025 * pendulum(y, p)
            return y + 0.05 * pendulum(middle, p)

        return np.sum(wl.lax.fori_loop(0, 20, step, y) ** 2)

    y, p = np.array([1.0, 0.5]), np.array([4.0, 0.2])
    made = compiled(wl.value_and_grad(end, argnums=(0, 1)), y, p)
    loops = [w for _, w in made.plan.schedule.works if isinstance(w, BodyWork)]
    assert [len(list(w.inside())) for w in loops] == [1, 1]
    value, slopes = wl.jit(wl.value_and_grad(end, argnums=(0, 1)))(y, p)
    for found, at in zip(slopes, range(2), strict=True):
        for k in range(2):
            ends = []
            for s in (1e-6, -1e-6):
                moved = [y.copy(), p.copy()]
                moved[at][k] += s
                ends.append(float(np.asarray(end(*moved))))
            assert np.isclose(found[k], (ends[0] - ends[1]) / 2e-6, rtol=1e-6)
    assert np.isclose(value, np.asarray(end(y, p)))


def random_program(seed: int, dtype: str) -> Callable[..., Any]:
    """Ops on values of a few elements, many of which are results."""

    def program(*args: Any) -> Any:
        rng = np.random.default_rng(seed)
        np_ = wl.numpy
        inexact = dtype not in ("i32", "bool")
        values: list[Any] = list(args)

        def pick(shape: tuple[int, ...] | None = None) -> Any:
            found = [v for v in values if shape is None or v.shape == shape]
            return found[rng.integers(max(0, len(found) - 12), len(found))]

        for _ in range(4 * MANY):
            x = pick()
            y = pick(x.shape)
            match rng.integers(0, 14):
                case 0 | 1:
                    new = x + y if dtype != "bool" else x | y
                case 2 | 3:
                    new = x * y if dtype != "bool" else x & y
                case 4:
                    new = np_.where(x == y, x, pick(x.shape))
                case 5:
                    new = np_.maximum(x, y)
                case 6 if inexact:
                    new = np_.tanh(x)
                case 7 if x.ndim == 2:
                    new = x.T
                case 8 if x.ndim:
                    k = int(rng.integers(0, x.ndim))
                    new = np_.max(x, k) if dtype != "bool" else np_.any(x, k)
                case 9 if x.ndim and dtype != "bool":
                    new = np_.sum(x, int(rng.integers(0, x.ndim))).astype(x.dtype)
                case 10 if x.ndim:
                    new = x[int(rng.integers(0, x.shape[0]))]
                case 11 if x.ndim < 2:
                    new = np_.stack([x, y, pick(x.shape)])
                case 12 if x.ndim == 2 and dtype != "bool" and x.shape[0] == x.shape[1]:
                    new = x @ y
                case 13 if x.ndim:
                    new = np_.pad(x[::-1], 1)[: x.shape[0]]
                case _:
                    new = x
            if all(n <= 4 for n in new.shape):
                values.append(new)
        return values[len(args) :: 7], values[-3:]

    return program


def arrays_of(dtype: str, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((), (3,), (3, 3), (4, 4), (2, 3), (1,))
    if dtype == "bool":
        return [rng.integers(0, 2, s).astype(bool) for s in shapes]
    if dtype == "i32":
        return [rng.integers(-5, 6, s).astype(np.int32) for s in shapes]
    named = {"f16": np.float16, "f32": np.float32, "f64": np.float64}[dtype]
    return [
        (rng.normal(size=s) if seed % 2 else rng.choice(SPECIAL, s)).astype(named) for s in shapes
    ]


SEEDS = {"f64": 4, "f32": 3, "f16": 8, "i32": 2, "bool": 6}
"""By dtype: even ones draw what is not finite."""


@pytest.mark.parametrize("dtype", SEEDS)
def test_random_programs_of_tiny_values_are_what_is_interpreted(dtype: str) -> None:
    seed = SEEDS[dtype]
    f, arrays = random_program(seed, dtype), arrays_of(dtype, seed)
    graph = wl.trace(f, *arrays).graph
    made = compile_graph(graph, folder="")
    assert any(w.name == "straight" for w, _ in made.lowered)
    tolerance = {"f64": 1e-12, "f32": 1e-5, "f16": 2e-2}.get(dtype, 0)
    found = made.program(tuple(arrays))
    for x, y in zip(map(np.asarray, found), interpret(graph, *arrays), strict=True):
        assert x.dtype == np.asarray(y).dtype
        kind = float if x.dtype.kind == "f" else x.dtype
        np.testing.assert_allclose(x.astype(kind), np.asarray(y).astype(kind), tolerance, tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sums_of_zeros_have_the_sign_that_they_have_elsewhere(dtype: type) -> None:
    def sums(x: Any, angles: Any) -> Any:
        spun = wl.numpy.eye(3, dtype=dtype)
        for k in range(len(angles)):
            spun = spun @ turned(*angles[k])
        return spun, x.sum(), x @ abs(angles[0]), x[None, :] @ spun**2, (x * x[::-1]).sum()

    args = np.full(3, -0.0, dtype), ANGLES.astype(dtype)
    graph = wl.trace(sums, *args).graph
    made = compile_graph(graph, folder="")
    assert any(w.name == "straight" for w, _ in made.lowered)
    for x, y in zip(made.program(args)[1:], interpret(graph, *args)[1:], strict=True):
        np.testing.assert_array_equal(np.signbit(x), np.signbit(y))
