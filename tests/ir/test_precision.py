"""How precise products of f32 are: JAX's names, per product, by setting and through derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland import numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ir.precision import FACTORS, NAMES, factors_of
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ops.contract import DotGeneral
from wonderland.compiler.ops.convolution import Convolution
from wonderland.compiler.settings import DEFAULT, Settings, active, from_environment

RNG = np.random.default_rng(0)
X, W = (RNG.standard_normal(s).astype(np.float32) for s in ((5, 4), (4, 3)))
AXES = (((1,), (0,)), ((), ()))

PRODUCTS = {
    "matmul": lambda p: lambda x, w: wnp.matmul(x, w, precision=p),
    "dot": lambda p: lambda x, w: wnp.dot(x, w, precision=p),
    "vdot": lambda p: lambda x, w: wnp.vdot(x[:4, 0], w[:, 0], precision=p),
    "vecdot": lambda p: lambda x, w: wnp.vecdot(x, w[:, 0], precision=p),
    "inner": lambda p: lambda x, w: wnp.inner(x, w.T, precision=p),
    "tensordot": lambda p: lambda x, w: wnp.tensordot(x, w, 1, precision=p),
    "einsum": lambda p: lambda x, w: wnp.einsum("ij,jk->ik", x, w, precision=p),
    "lax.dot": lambda p: lambda x, w: lax.dot(x, w, precision=p),
    "convolve": lambda p: lambda x, w: wnp.convolve(x[0], w[0], precision=p),
    "correlate": lambda p: lambda x, w: wnp.correlate(x[0], w[0], precision=p),
    "lax.conv": lambda p: lambda x, w: lax.conv(x, w.T, (), "VALID", precision=p),
    "lax.dot_general": lambda p: lambda x, w: lax.dot_general(x, w, AXES, precision=p),
}


def precisions(graph: Graph) -> list[str]:
    return [n.op.precision for n in graph.nodes if isinstance(n.op, (DotGeneral, Convolution))]


def of(f: Any, *args: Any) -> list[str]:
    return precisions(wl.trace(f, *args).graph)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_takes_a_precision(name: str) -> None:
    make = PRODUCTS[name]
    given = {None: "f32", "highest": "f32", "high": "tf32", "default": "tf32",
             "tensorfloat32": "tf32", "bfloat16": "bf16", lax.Precision.HIGHEST: "f32",
             lax.Precision.DEFAULT: "tf32", ("high", "highest"): "f32"}  # fmt: skip
    for precision, factors in given.items():
        assert of(make(precision), X, W) == [factors]
    for call in (lambda: wl.trace(make("rough"), X, W), lambda: make("rough")(X, W)):
        with pytest.raises(ProgramError, match=r"one of highest, float32, .* got 'rough'"):
            call()
    if name not in ("lax.dot_general", "lax.conv"):  # outside of a trace it is NumPy's own
        np.testing.assert_array_equal(make("bfloat16")(X, W), make(None)(X, W))


def test_names_and_what_is_none() -> None:
    assert {factors_of(name) for name in NAMES} == set(FACTORS)
    for wrong in ("", "rough", 3, None, ("high",), ("high", "rough"), object()):
        with pytest.raises(ProgramError, match="precision: one of highest"):
            factors_of(wrong)


def test_the_setting_has_a_with_form_a_keyword_and_a_variable() -> None:
    def f(x: Any, w: Any) -> Any:
        with wl.default_matmul_precision("bfloat16"):
            y = x @ w
        return np.matmul(x, w) + y + wnp.matmul(x, w, precision="high")

    assert of(f, X, W) == ["bf16", "f32", "tf32"]
    with wl.default_matmul_precision("tensorfloat32"):
        assert of(f, X, W) == ["bf16", "tf32", "tf32"]
        with wl.default_matmul_precision(None):
            assert of(f, X, W) == ["bf16", "f32", "tf32"]
    keyword = wl.jit(f, default_matmul_precision="high").compile(X, W)
    assert precisions(keyword.traced.graph) == ["bf16", "tf32", "tf32"]
    name = "WONDERLAND_DEFAULT_MATMUL_PRECISION"
    assert from_environment({name: "bfloat16"}) == Settings(default_matmul_precision="bf16")
    message = "default_matmul_precision: one of highest, .* is required, got 'rough'"
    for call in (
        lambda: from_environment({name: "rough"}),
        lambda: wl.jit(f, default_matmul_precision="rough"),
        lambda: wl.default_matmul_precision("rough"),
    ):
        with pytest.raises(ProgramError, match=message):
            call()
    assert active() == DEFAULT


def test_another_setting_traces_again_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    f = wl.jit(lambda x, w: x @ w)
    want = f(X, W)
    with caplog.at_level("INFO", "wonderland"), wl.default_matmul_precision("bfloat16"):
        got = f(X, W)
    assert "setting default_matmul_precision is 'bf16', before 'f32'" in caplog.text
    assert len(f.entries) == 2
    np.testing.assert_array_equal(got, want)  # the processor multiplies what it is given


def test_derivatives_batches_and_loops_keep_the_precision() -> None:
    def f(x: Any, w: Any) -> Any:
        return np.sum(wnp.matmul(x, w, precision="bfloat16") ** 2)

    assert set(of(wl.grad(f, (0, 1)), X, W)) == {"bf16"}
    assert set(of(lambda x, w: wl.jvp(wl.grad(f), (x, w), (x, w)), X, W)) == {"bf16"}
    assert set(of(wl.vmap(wl.grad(f)), np.stack([X, X]), np.stack([W, W]))) == {"bf16"}
    assert set(of(wl.vmap(f, in_axes=(0, None)), np.stack([X, X]), W)) == {"bf16"}

    def loop(x: Any, w: Any) -> Any:
        step = lambda c, e: (np.tanh(c + wnp.matmul(e, w, precision="high")), None)  # noqa: E731
        return np.sum(lax.scan(step, np.zeros(96, np.float32), x)[0] ** 2)

    x, w = np.ones((5, 64), np.float32), np.ones((64, 96), np.float32)
    compiled = wl.jit(wl.grad(loop, 1)).inspect(x, w)["dead"]
    assert compiled.count("dot_general") == compiled.count("precision='tf32'") > 0


def test_a_product_over_several_axes_keeps_it_when_they_become_one() -> None:
    x, y = np.ones((20, 3, 40), np.float32), np.ones((3, 40, 30), np.float32)
    f = wl.jit(lambda x, y: wnp.tensordot(x, y, 2, precision="bfloat16").T)
    assert "precision='bf16'" in f.inspect(x, y)["dead"]


def test_only_products_of_f32_are_rounded_and_halves_lose_nothing() -> None:
    with wl.default_matmul_precision("bfloat16"):
        assert of(np.matmul, X.astype(np.float64), W.astype(np.float64)) == ["f32"]
        assert of(np.matmul, np.ones((2, 2), int), np.ones((2, 2), int)) == ["f32"]
    halves = X.astype(wnp.bfloat16), W.astype(wnp.bfloat16)
    assert of(np.matmul, *halves) == ["bf16"]
    assert of(np.matmul, X.astype(np.float16), W.astype(np.float16)) == ["tf32"]


def test_a_precision_is_part_of_the_text_where_it_is_not_the_default() -> None:
    graph = wl.trace(PRODUCTS["matmul"]("bfloat16"), X, W).graph
    assert "batching=((), ()), precision='bf16')" in str(graph)
    assert parse(str(graph)) == graph
    plain = wl.trace(np.matmul, X, W).graph
    assert "precision=" not in str(plain) and parse(str(plain)) == plain


def test_names_mean_what_they_mean_in_jax() -> None:
    jax = pytest.importorskip("jax")
    for name in filter(str.islower, NAMES):  # others are not there on every machine
        assert jax.lax.dot_general(X, W, AXES, precision=name).shape == (5, 3)
