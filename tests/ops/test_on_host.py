"""Ops that NumPy computes between kernels: parts of complex operands, loops, beside a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import compiled_for, run
from wonderland.compiler.fuse.emission import HostWork
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Node, Op, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.optimise.parts import in_memory
from wonderland.compiler.pipeline import works_of

REGISTRY: dict[str, Any] = dict(Op.registry)
Cholesky, Eig, Solve = (REGISTRY[n] for n in ("cholesky", "eig", "solve"))
F32 = Type("f32")


def test_parts_of_operands_and_results_stand_beside_each_other() -> None:
    def types(op: Any, *args: Type) -> list[str]:
        return [str(t) for t in Node(op, tuple(map(Value, args))).types]

    x = F32[2, 2]
    assert types(Cholesky(joined=(True,)), x, x) == ["f32[2, 2]", "f32[2, 2]"]
    assert types(Eig(joined=(False,)), x) == ["f32[2]"] * 2 + ["f32[2, 2]"] * 2
    re, im = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([[0.0, -1.0], [1.0, 0.0]])
    parts = Cholesky(joined=(True,)).reference(re, im)
    np.testing.assert_array_equal(parts[0] + 1j * parts[1], np.linalg.cholesky(re + 1j * im))


@pytest.mark.parametrize(
    "op, args, message",
    [
        (Cholesky(joined=(True,)), (F32[2, 2],), "cholesky: 2 operands are required, got 1"),
        (Cholesky(joined=(True,)), (F32[2, 2], F32[3, 3]), "two parts of one type are required"),
        (Cholesky(joined=(True,)), (Type("i32", (2, 2)),) * 2, "two parts of one type are req"),
        (Solve(joined=(True, False)), (F32[2, 2],) * 3, "a right side of as many rows is required"),
        (Solve(joined=(True,)), (F32[2, 2],) * 3, "parts as (True,) says are required, got 3"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(op: Any, args: tuple[Type, ...], message: str) -> None:
    with pytest.raises(ProgramError, match="required") as caught:
        Node(op, tuple(map(Value, args)))
    assert message in caught.value.what


def loop(x: Any) -> Any:
    def step(h: Any, a: Any) -> Any:
        h = np.linalg.solve(a, np.tanh(h))
        return h, np.linalg.eigvals(a)

    last, values = wl.lax.scan(step, x[0], x)
    return wl.lax.cond(last[0, 0] > 0, np.linalg.inv, np.negative, last), np.sum(values, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_loops_and_branches_of_a_gpu_run_them_on_the_host(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((3, 2, 2)) + 3 * np.eye(2)).astype(dtype)
    if dtype == np.complex64:
        graph = wl.trace(lambda x: np.linalg.inv(x) @ x[0], x).graph
        want: Any = (np.linalg.inv(x) @ x[0],)
    else:
        graph, want = wl.trace(loop, x).graph, loop(x)
    gpu = compiled_for(graph)
    assert any(isinstance(w, HostWork) for w in works_of(gpu.plan.schedule))
    for got, w in zip(run(gpu, [x]), want, strict=True):
        np.testing.assert_allclose(in_memory(got), in_memory(w), 1e-5, 1e-5)
    assert "host " in wl.jit(lambda x: np.linalg.inv(x)).inspect(x)["table"]
