"""Generated kernels of small matrices against NumPy: methods, sizes, lanes, bits, bounds."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import wonderland as wl
from tests.codegen.execution import Arrays, run_machine, run_twin
from tests.cuda.interpreted import compiled_for
from wonderland.compiler.codegen.cpu.elimination import lower_elimination
from wonderland.compiler.codegen.proof.bounds import check_bounds
from wonderland.compiler.codegen.target import Target, host
from wonderland.compiler.fuse.emission import HostWork
from wonderland.compiler.ir.graph import Graph, Op, Value, apply_all
from wonderland.compiler.ir.types import NUMPY, type_of
from wonderland.compiler.kernel import Axis, Buffer, Kernel, KernelError
from wonderland.compiler.kernel.elimination import Elimination
from wonderland.compiler.pipeline import compile_graph

METHODS = ("cholesky", "det", "inv", "slogdet", "solve", "triangular_solve")
FLAGS = [(t, low, unit) for t in (False, True) for low in (False, True) for unit in (False, True)]


def elimination(
    method: str, dtype: str, batch: int, n: int, columns: int = 2,
    flags: tuple[bool, bool, bool] = (False, False, False),
) -> Elimination:  # fmt: skip
    columns = n if method == "inv" else columns if "solve" in method else 0
    inputs = (Buffer("x0", dtype, batch * n * n),)
    if "solve" in method:
        inputs += (Buffer("x1", dtype, batch * n * columns),)
    sizes = {"det": (1,), "slogdet": (1, 1)}.get(method, (n * (columns or n),))
    outs = tuple(Buffer(f"y{k}", dtype, batch * size) for k, size in enumerate(sizes))
    return Elimination(
        method, (*inputs, *outs), inputs, outs, Axis("i", batch), method, n, columns, *flags
    )


def arrays_for(e: Elimination, seed: int = 0) -> Arrays:
    rng = np.random.default_rng([seed, e.n])
    found = {b.name: rng.standard_normal(b.size).astype(NUMPY[b.dtype]) for b in e.buffers}
    x = found["x0"].reshape(-1, e.n, e.n)
    if e.method == "cholesky":
        x = x @ x.swapaxes(1, 2) + np.eye(e.n)
    elif e.method == "triangular_solve":
        x = x / e.n + 2 * np.eye(e.n)
    else:  # well conditioned, if rows change places
        x = x + 3 * np.sqrt(e.n) * np.roll(np.eye(e.n), 1, 0)
    found["x0"] = x.astype(NUMPY[e.dtype]).reshape(-1)
    return found


def meaning(e: Elimination, arrays: Arrays) -> list[np.ndarray]:
    """What LAPACK makes of them."""
    flags = {}
    if "solve" in e.method:
        flags = {"transposed": e.transposed}
    if e.method == "triangular_solve":
        flags |= {"lower": e.lower, "unit": e.unit}
    shapes = [(-1, e.n, e.n), (-1, e.n, e.columns)]
    given = (arrays[b.name].reshape(s) for b, s in zip(e.operands, shapes, strict=False))
    found = Op.registry[e.method](**flags).reference(*given)
    return [y.reshape(-1) for y in (found if isinstance(found, tuple) else (found,))]


def check(e: Elimination, target: Target, twin: bool = False) -> None:
    arrays, low = arrays_for(e), lower_elimination(e, target)
    check_bounds(low, e.buffers)
    as_kernel = Kernel(e.name, e.buffers, (), ())
    got = run_machine(as_kernel, low, arrays)
    pieces = [(k, k + 1) for k in range(low.points)][::-1]
    again = [run_machine(as_kernel, low, arrays, pieces)]
    again += [run_twin(as_kernel, low, arrays)] if twin else []
    for b, want in zip(e.outs, meaning(e, arrays), strict=True):
        for other in again:
            np.testing.assert_array_equal(other[b.name], got[b.name])
        tolerance = (1e4 if e.method != "cholesky" else 1e2) * np.finfo(want.dtype).eps
        scale = np.max(np.abs(want), initial=1e-300)
        np.testing.assert_allclose(got[b.name] / scale, want / scale, 0, tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_a_kernel_gives_what_lapack_gives(method: str) -> None:
    for n, dtype in ((1, "f64"), (2, "f32"), (5, "f64"), (11, "f64")):
        check(elimination(method, dtype, 37, n), host())
    check(elimination(method, "f64", 9, 3), Target(bits=128), twin=True)
    check(elimination(method, "f32", 21, 9), Target(bits=256))


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
def test_every_size_on_every_width_does(method: str) -> None:
    for bits in (128, 256, 512):
        for n in range(1, 17):
            for dtype in ("f32", "f64"):
                check(elimination(method, dtype, 70, n, columns=1 + n % 3), Target(bits=bits))


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_triangles_of_every_kind_are_solved(flags: tuple[bool, bool, bool]) -> None:
    check(elimination("triangular_solve", "f64", 17, 4, 1, flags), host())
    check(elimination("solve", "f64", 17, 3, 2, (flags[0], False, False)), host())


def test_a_text_that_leaves_its_buffers_is_found() -> None:
    e = elimination("solve", "f64", 41, 9)
    low = lower_elimination(e, Target(bits=256))
    check_bounds(low, e.buffers)
    for found in (r"size_i2 - 4", r"in range\(9\)", r"\* 81 \+"):
        wrong = replace(low, text=re.sub(found, lambda m: m[0].translate(LARGER), low.text))
        assert wrong.text != low.text
        with pytest.raises(KernelError, match="bounds"):
            check_bounds(wrong, e.buffers)


LARGER = str.maketrans({"4": "3", "9": "10", "8": "9"})


def test_lanes_without_a_result_have_nan_and_the_others_theirs() -> None:
    good = np.array([[4.0, 1.0], [1.0, 3.0]])
    stack = np.stack([good] * 40)
    stack[3], stack[17, 0, 0], stack[39] = np.ones((2, 2)), np.nan, -good
    stack[20, 1, 1] = np.inf
    lost = {"inv": {3, 17, 20}, "cholesky": {3, 17, 20, 39}, "slogdet": {17, 20}}
    for name, rows in lost.items():
        f = getattr(np.linalg, name)
        found = wl.jit(lambda x, f=f: f(x))(stack)
        for y in found if isinstance(found, tuple) else (found,):
            nan = np.isnan(y).reshape(40, -1)
            assert set(np.flatnonzero(nan.all(1))) == rows == set(np.flatnonzero(nan.any(1))), name
    sign, log = wl.jit(np.linalg.slogdet)(stack)
    assert (sign[3], log[3], sign[39], sign[0]) == (0, -np.inf, 1, 1)


def test_many_small_real_matrices_are_a_kernels_and_others_lapacks() -> None:
    def hosts(shape: tuple[int, ...], dtype: str = "f64", name: str = "inv") -> int:
        x = np.zeros(shape, NUMPY[dtype])
        v = Value(type_of(x))
        graph = Graph.of("f", (v,), apply_all(Op.registry[name](), v))
        works = compile_graph(graph).plan.schedule.works
        return sum(isinstance(w, HostWork) for _, w in works)

    assert [hosts(s) for s in ((40, 3, 3), (8, 4, 16, 16), (31, 3, 3), (40, 17, 17))] == [
        0,
        0,
        1,
        1,
    ]
    assert hosts((40, 3, 3), "c64") == 1 and hosts((40, 3, 3), name="qr") == 1
    small = Value(type_of(np.zeros((40, 3, 3))))
    graph = Graph.of("f", (small,), apply_all(Op.registry["inv"](), small))
    assert any(isinstance(w, HostWork) for _, w in compiled_for(graph).plan.schedule.works)


def test_batches_of_small_matrices_in_a_loop_have_derivatives() -> None:
    x = np.random.default_rng(0).standard_normal((3, 40, 2, 2))

    def loss(x):
        def step(h, a):
            spd = a @ np.swapaxes(a, 1, 2) + 2 * np.eye(2)
            h = np.linalg.solve(spd, np.tanh(h)) + np.linalg.cholesky(spd)
            return h, np.sum(np.linalg.slogdet(spd)[1])

        last, logs = wl.lax.scan(step, x[0], x)
        return np.sum(last * last) + np.sum(logs)

    got, want = wl.jit(wl.value_and_grad(loss))(x), wl.value_and_grad(loss)(x)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, 1e-11, 1e-12)
