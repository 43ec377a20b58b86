"""Ops of the user's own: classes with their rules, and scalar functions that become ops."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import extend as ex
from wonderland.compiler.ir.graph import Op
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.types import NUMPY

X = np.array([-1.0, 0.5, 3.0, 40.0])


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """The registry as it was, after each test."""
    known = dict(Op.registry)
    yield
    Op.registry.clear()
    Op.registry.update(known)


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def works(function: Any, *args: Any) -> list[str]:
    return [w.name for _, w in wl.jit(function).compile(*args).compiled.plan.schedule.works]


# ---------------------------------------------------------------- classes


def cube_op(factor: float = 3.0) -> type[ex.Elementwise]:
    class Cube(ex.Elementwise):
        """x^3"""

        arity = 1
        domain = ("f32", "f64")

        def reference(self, *args: np.ndarray) -> Any:
            (x,) = args
            return x * x * x

        def expression(self, *args: ex.Expr) -> ex.Expr:
            (x,) = args
            return ex.scalar("mul", ex.scalar("mul", x, x), x)

        def tangent(self, i: int, dx: ex.Value, out: ex.Value) -> ex.Value | None:
            assert out.node is not None
            (x,) = out.node.args
            slope = ex.ops.mul(ex.ops.full(factor, x.type), ex.ops.mul(x, x))
            return ex.ops.mul(dx, slope)

    return Cube


def test_an_elementwise_class_of_the_users_computes_fuses_and_differentiates() -> None:
    op = cube_op()
    cube = ex.function_of(op())
    close(cube(X), X**3)
    close(wl.jit(cube)(X), X**3)
    close(wl.jit(wl.grad(lambda x: np.sum(cube(x))))(X), 3 * X**2)
    assert works(lambda x: np.sum(np.exp(-cube(x)) * 2), X) == ["fold_sum"]
    wl.testing.check_op(op)


def test_the_example_of_the_module_is_right_for_halves_too() -> None:
    shown = (ex.__doc__ or "").partition("\n\n")[2].partition("\n\n`wl.testing")[0]
    lines = textwrap.dedent(shown)
    names: dict[str, Any] = {"__name__": "a_module_that_is_not_kept"}
    exec(lines, names)
    wl.testing.check_op(names["Cube"])
    half = np.array([0.5, -1.5], np.float16)
    np.testing.assert_array_equal(wl.jit(names["cube"])(half), half**3)


def test_check_op_finds_a_wrong_derivative() -> None:
    with pytest.raises(AssertionError):
        wl.testing.check_op(cube_op(2.0))


def test_check_op_finds_code_that_is_not_the_reference() -> None:
    class Halved(cube_op()):
        """x^3, but half of it in kernels"""

        def expression(self, *args: ex.Expr) -> ex.Expr:
            return ex.scalar("mul", super().expression(*args), 0.5)

    with pytest.raises(AssertionError, match="compiled"):
        wl.testing.check_op(Halved)


def test_check_op_finds_a_wrong_batch_rule() -> None:
    class Reversed(ex.Linear):
        """x backwards along its first axis"""

        arity = 1

        def type(self, *args: ex.Type) -> ex.Type:
            return args[0]

        def reference(self, *args: np.ndarray) -> Any:
            return args[0][::-1].copy()

        def cotangent(self, i: int, ct: ex.Value, out: ex.Value) -> ex.Value | None:
            return ex.apply(self, ct)

        def lifted(self, size: int) -> ex.Op:
            return self  # turns the batch around, not its elements

        @classmethod
        def samples(cls) -> Any:
            yield ex.Sample(cls(), (ex.Type("f64", (3,)),))

    with pytest.raises(AssertionError, match="batch"):
        wl.testing.check_op(Reversed)


def test_a_general_op_runs_by_its_reference_on_the_host() -> None:
    class Det(ex.OneResult):
        """The determinant of a square matrix"""

        arity = 1

        def type(self, *args: ex.Type) -> ex.Type:
            (x,) = args
            if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.dtype != "f64":
                raise ex.ProgramError(f"det: a square matrix of f64 is required, got {x}")
            return ex.Type(x.dtype, x.shape[:-2])

        def reference(self, *args: np.ndarray) -> Any:
            return np.linalg.det(*args)

        def lifted(self, size: int) -> ex.Op:
            return self

        def tangent(self, i: int, dx: ex.Value, out: ex.Value) -> ex.Value | None:
            raise ex.ProgramError("det: has no derivative rule")

        @classmethod
        def samples(cls) -> Any:
            yield ex.Sample(cls(), (ex.Type("f64", (3, 3)),), smooth=False)
            yield ex.Sample(
                cls(), (ex.Type("f64", (3, 2)),), error="det: a square matrix of f64 is required"
            )

    det = ex.function_of(Det())
    x = np.eye(3) * 2
    close(wl.jit(lambda x: det(x * 2) + 1)(x), 65.0)
    assert "host det" in works(lambda x: det(x * 2) + 1, x)
    with pytest.raises(ex.ProgramError, match="det: a square matrix of f64 is required, got f64"):
        wl.jit(det)(np.zeros((2, 3)))
    graph = wl.trace(det, x).graph
    assert parse(str(graph)) == graph


# ---------------------------------------------------------------- scalar functions


def softplus_of() -> Any:
    @wl.scalar_function
    def softplus(x: Any) -> Any:
        """log(1 + exp x)"""
        return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))

    return softplus


def test_a_scalar_function_is_an_op_that_fuses_and_differentiates_itself() -> None:
    softplus = softplus_of()
    expected = np.logaddexp(0, X)
    close(softplus(X), expected, 1e-8)
    close(wl.jit(softplus)(X), expected, 1e-8)
    close(wl.jit(wl.grad(lambda x: np.sum(softplus(x))))(X[:3]), 1 / (1 + np.exp(-X[:3])))
    assert works(lambda x: np.sum(softplus(x) * 2), X) == ["fold_sum"]
    graph = wl.trace(softplus, X).graph
    assert [n.op.name for n in graph.nodes] == ["softplus"] and parse(str(graph)) == graph
    wl.testing.check_op(softplus.op)


def test_a_rule_says_the_derivative_better() -> None:
    softplus = softplus_of()
    softplus.defjvps(lambda t, y, x: 2 * t / (1 + np.exp(-x)))
    close(wl.jit(wl.grad(softplus))(1.0), 2 / (1 + np.exp(-1.0)))
    with pytest.raises(AssertionError):
        wl.testing.check_op(softplus.op)
    softplus.defjvps(lambda t, y, x: t / (1 + np.exp(-x)))
    wl.testing.check_op(softplus.op)
    wl.testing.check_gradients(lambda x: np.sum(softplus(x) ** 2), X[:3], order=3)


def test_loops_over_known_ranges_are_unrolled_into_one_kernel() -> None:
    @wl.scalar_function(interval=(0.1, 3.0))
    def lambert_w(x: Any) -> Any:
        """w with w exp w = x, by Halley's method"""
        w = np.log1p(x)
        for _ in range(4):
            e = np.exp(w)
            f = w * e - x
            w = w - f / (e * (w + 1) - (w + 2) * f / (2 * w + 2))
        return w

    x = np.linspace(0.1, 3.0, 7)
    w = wl.jit(lambert_w)(x)
    close(w * np.exp(w), x)
    close(wl.grad(lambda x: np.sum(lambert_w(x)))(x), w / (x * (1 + w)), 1e-8)
    assert len(works(lambda x: lambert_w(x) + 1, x)) == 1
    wl.testing.check_op(lambert_w.op)


def test_operands_broadcast_and_are_promoted() -> None:
    @wl.scalar_function
    def blend(x: Any, y: Any) -> Any:
        return abs(x) * 0.25 + y**3 - x / (y * y + 1)

    x, y = np.arange(3), np.ones((2, 1), np.float32)
    expected = np.float32(np.abs(x) * 0.25 + y.astype(float) ** 3 - x / 2)
    for run in (blend, wl.jit(blend)):
        found = run(x, y)
        assert found.dtype == np.float32 and found.shape == (2, 3)
        close(found, expected)
    assert blend(np.float32(1), 2.0).dtype == np.float32
    blend.defjvps(None, lambda t, out, x, y: t * (3 * y * y + 2 * x * y / (y * y + 1) ** 2))
    assert float(wl.grad(blend)(1.0, 2.0)) == 0.0


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
def test_halves_are_computed_in_f32(dtype: str) -> None:
    softplus = softplus_of()
    x = np.linspace(-2, 2, 9).astype(NUMPY[dtype])
    close(np.asarray(wl.jit(softplus)(x), float), np.logaddexp(0, np.asarray(x, float)), 2e-2)


# ---------------------------------------------------------------- messages


def refused(function: Any) -> Any:
    return pytest.raises(ex.ProgramError, match=function)


def test_what_a_scalar_function_cannot_say_is_refused() -> None:
    with refused("scalar_function: a named function is required, got '<lambda>'"):
        wl.scalar_function(lambda x: x)
    with refused("scalar_function: a function is required, got 3"):
        wl.scalar_function(3)  # pyright: ignore[reportArgumentType]

    def exp(x: Any) -> Any:
        return x

    with refused("scalar_function: a name that is no op's is required, got exp") as caught:
        wl.scalar_function(exp)
    assert "def my_exp" in caught.value.repair

    @wl.scalar_function
    def branched(x: Any) -> Any:
        return x if x > 0 else -x

    @wl.scalar_function
    def summed(x: Any) -> Any:
        return np.sum(x) + x

    @wl.scalar_function
    def fixed(x: Any) -> Any:
        return 1.0

    @wl.scalar_function
    def compared(x: Any) -> Any:
        return x > 1

    for f, message in (
        (branched, "np.where"),
        (summed, "scalar_function: sum is no operation on single elements"),
        (fixed, "fixed: a result that depends on its arguments is required, got 1.0"),
        (compared, "compared: a result of f64 is required, got bool"),
    ):
        with pytest.raises((ex.ProgramError, TypeError), match=message):
            wl.jit(f)(X)
    with refused("branched: 1 operands are required, got 2"):
        branched(X, X)
    with refused("scalar_function: 1 rules are required for branched, got 2"):
        branched.defjvps(None, None)


def test_a_rule_of_another_type_is_refused_with_its_line() -> None:
    softplus = softplus_of()
    softplus.defjvps(lambda t, y, x: np.sum(t))
    with refused(r"a tangent f64\[4\] is required of the rule of softplus, got f64") as caught:
        wl.grad(lambda x: np.sum(softplus(x)))(X)
    assert "test_extend.py:" in caught.value.where


def test_an_op_without_an_expression_is_told_what_it_lacks() -> None:
    class Bare(ex.Elementwise):
        arity = 1

        def reference(self, *args: Any) -> Any:
            return args[0] * 2

    with pytest.raises(wl.CompilerError, match="bare: one of the scalar operations"):
        wl.jit(ex.function_of(Bare()))(np.ones(3))
