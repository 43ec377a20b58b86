"""Models whose heads, units and rows processes share out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.models.parallel.programs import IDS, drawn, split_logits
from wonderland import nn
from wonderland.models.families.language import text_loss
from wonderland.models.families.transformer import Encoder, class_loss
from wonderland.models.families.transformer_decoder import Decoder
from wonderland.models.parallel import (
    ColumnParallel,
    PartitionSpec,
    RowParallel,
    psum_whole,
    shard,
    tensor_parallel,
    tensor_specs,
    unshard,
    value_and_grad,
    vocabulary_parallel_cross_entropy,
)

LLAMA = {"norm": nn.RMSNorm.init, "mlp": nn.GLU.init, "bias": False, "kv_heads": 2}
LABELS = np.arange(8) % 4
MODELS = {
    "llama": (lambda key: Decoder.init(key, 16, 6, size=16, depth=2, **LLAMA), text_loss, IDS),
    "relative": (
        lambda key: Decoder.init(key, 16, 6, size=16, depth=1, positions="relative"),
        text_loss,
        IDS,
    ),
    "encoder": (lambda key: Encoder.init(key, 16, 7, 4, size=16), class_loss, (IDS, LABELS)),
}


def over(f: Any, *args: Any, n: int = 2) -> Any:
    with wl.disable_jit():
        return wl.vmap(f, None, axis_name="model", axis_size=n)(*args)


@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_those_of_the_whole_model(name: str) -> None:
    init, loss, batch = MODELS[name]
    model = drawn(init)
    specs = tensor_specs(model, "model")

    def f(model: Any) -> Any:
        split = lambda parts, batch: loss(tensor_parallel(parts, "model"), batch)  # noqa: E731
        value, grads = value_and_grad(split, "model", specs)(shard(model, specs), batch)
        return value, unshard(grads, specs)

    with wl.disable_jit():
        expected = wl.value_and_grad(loss)(model, batch)
    found = over(f, model)
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        for place in range(2):  # sums of some hundred numbers near 1 in another order
            np.testing.assert_allclose(x[place], y, 1e-10, 1e-12)


def test_a_product_by_rows_costs_one_sum_forward_and_one_backward() -> None:
    init, _, ids = MODELS["llama"]
    model = drawn(init)
    specs = tensor_specs(model, "model")
    counts: list[Counter[tuple[str, tuple[int, ...]]]] = []

    def f(model: Any) -> Any:
        parts = shard(model, specs)
        for g in (lambda p: split_logits(p, ids), wl.grad(lambda p: split_logits(p, ids))):
            graph = wl.trace(g, parts).graph
            sums = (n for n in graph.nodes if n.op.name == "psum")
            counts.append(Counter(("psum", n.out.shape) for n in sums))
        return 0.0

    over(f, model)
    tokens = "psum", (8, 6, 16)
    by_rows = 2 * 2 + 1  # attention and MLP of two blocks, and the embedding
    assert [c[tokens] for c in counts] == [by_rows, 2 * by_rows]
    assert [c.total() - c[tokens] for c in counts] == [2, 3]  # numbers a label


def test_columns_then_rows_are_two_products() -> None:
    rng = np.random.default_rng(0)
    x, w, v, b, c = (rng.normal(size=s) for s in ((5, 4), (4, 6), (6, 3), 6, 3))
    specs = [PartitionSpec(None, "model"), PartitionSpec("model"), PartitionSpec("model")]

    def f(w: Any, v: Any, b: Any) -> Any:
        w, v, b = shard([w, v, b], specs)
        first = ColumnParallel(w, b, "model")
        y = RowParallel(v, c, "model")(np.tanh(first(x)))
        return y, ColumnParallel(w, b, "model", gather=True)(x)

    y, columns = over(f, w, v, b)
    np.testing.assert_allclose(y[1], np.tanh(x @ w + b) @ v + c, 1e-12)
    np.testing.assert_allclose(columns[1], x @ w + b, 1e-12)


def test_logits_that_are_large_are_no_infinities() -> None:
    logits = np.array([[1e4, 0.0, -1e4, 9e3], [-1e5, -1e5, -1e5, -1e5]])
    labels = np.array([3, 1])

    def f(logits: Any) -> Any:
        (own,) = shard((logits,), PartitionSpec(None, "model"))
        return vocabulary_parallel_cross_entropy(own, labels, "model")

    np.testing.assert_allclose(over(f, logits)[0], [1e3, np.log(4.0)], 1e-12)


def test_gradients_of_what_is_whole_are_summed_and_others_not() -> None:
    specs = {"a": PartitionSpec("model"), "b": PartitionSpec()}
    f = lambda g: psum_whole({"a": g, "b": g}, "model", specs)  # noqa: E731
    found = wl.vmap(f, axis_name="model")(np.arange(3.0))
    np.testing.assert_array_equal(found["a"], [0, 1, 2])
    np.testing.assert_array_equal(found["b"], [3, 3, 3])


def test_what_a_loss_hands_on_stays_with_its_process() -> None:
    def loss(w: Any, x: Any) -> Any:
        return w * x, {"x": x}

    step = wl.vmap(value_and_grad(loss, "data", has_aux=True), (None, 0), axis_name="data")
    (value, aux), grad = step(2.0, np.arange(4.0))
    np.testing.assert_array_equal(value, [3.0] * 4)
    np.testing.assert_array_equal(grad, [1.5] * 4)
    np.testing.assert_array_equal(aux["x"], np.arange(4.0))


def test_what_does_not_divide_is_refused() -> None:
    def errors(f: Any, *args: Any, n: int = 2) -> str:
        with pytest.raises(wl.ProgramError) as error:
            over(f, *args, n=n)
        return str(error.value)

    spec = PartitionSpec(None, "model")
    assert errors(lambda x: shard(x, spec), np.ones((4, 3))).startswith(
        "shard: a multiple of 2 elements along axis 1 is required, got f64[4, 3]"
    )
    both = {"a": PartitionSpec(), "x": spec}
    text = errors(lambda x: shard({"a": np.ones(()), "x": [x]}, both), np.ones(4))
    assert "axis 1 is required, got f64[4] at ['x'][0]" in text and "try: PartitionSpec()" in text
    model = drawn(MODELS["llama"][0])
    text = errors(lambda m: tensor_parallel(m, "model")(IDS), model, n=4)
    assert text.startswith(
        "tensor_parallel: heads and kv_heads that are multiples of 4 processes are required, got 2"
    )
    assert text.endswith("try: 2 processes along the axis")
    text = errors(lambda x: shard({"x": x}, {"y": spec}), np.ones((4, 2)))
    assert text.startswith("shard: the containers of the parameters are required")
    assert errors(lambda x: shard(x, "model"), np.ones(4)).startswith(
        "shard: a PartitionSpec for each array is required, got 'model'"
    )
