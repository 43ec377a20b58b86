"""Recipes of parallel training, each with what one process computes: for axes of vmap and for
processes alike.

A recipe is `init(weights) -> carry` and `step(carry) -> (carry, loss, whole weights)`, whose carry
is each process's own; beside them stands what they are to equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import wonderland as wl
import wonderland.numpy as wnp
from wonderland import nn
from wonderland.models import parallel
from wonderland.models.families import mlp
from wonderland.models.families.language import text_loss
from wonderland.models.families.transformer import Block
from wonderland.models.families.transformer_decoder import Decoder
from wonderland.models.parallel import PartitionSpec

STEPS = 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 5))
Y = RNG.integers(0, 3, 8)
IDS = RNG.integers(0, 16, (8, 7))
DATA, MODEL, STAGE = "data", "model", "stage"


def drawn(init: Callable[[Any], Any]) -> Any:
    """A model with numbers in all of its arrays, in f64: its roundings are far below what a sum
    that is wrong would show."""
    rng = np.random.default_rng(1)
    shapes = wl.eval_shape(init, wl.random.key(0))
    return wl.tree.map(lambda x: rng.normal(scale=0.5, size=x.shape), shapes)


def perceptron() -> Any:
    return drawn(lambda key: mlp.init(key, (5, 6, 3)))


def decoder() -> Decoder:
    return drawn(lambda key: Decoder.init(key, 16, 6, size=16, heads=4, depth=1))


class Case(NamedTuple):
    """A recipe over axes, and the loss, the weights and the optimizer of one process."""

    init: Callable[[Any], Any]
    step: Callable[[Any], Any]
    loss: Callable[[Any], Any]
    weights: Any
    optimizer: wl.optim.Optimizer


def alone(case: Case) -> tuple[list[float], Any]:
    """Losses and weights of one process."""
    weights = case.weights
    state = case.optimizer.init(weights)

    @wl.jit
    def step(weights: Any, state: Any) -> Any:
        value, grads = wl.value_and_grad(case.loss)(weights)
        updates, state = case.optimizer.update(grads, state, weights)
        return value, wl.optim.apply_updates(weights, updates), state

    losses = []
    for _ in range(STEPS):
        value, weights, state = step(weights, state)
        losses.append(float(value))
    return losses, weights


def applied(optimizer: Any, grads: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
    weights, state = carry
    updates, state = optimizer.update(grads, state, weights)
    return wl.optim.apply_updates(weights, updates), state


# ---------------------------------------------------------------- data parallel


def own_rows(*arrays: Any) -> Any:
    return parallel.shard(arrays, PartitionSpec(DATA))


def data_parallel() -> Case:
    """The mean of gradients by parts of the batch."""
    optimizer = wl.optim.adam(0.1)

    def init(weights: Any) -> Any:
        return weights, optimizer.init(weights)

    def step(carry: Any) -> Any:
        value, grads = parallel.value_and_grad(mlp.loss, DATA)(carry[0], own_rows(X, Y))
        carry = applied(optimizer, grads, carry)
        return carry, value, carry[0]

    return Case(init, step, lambda w: mlp.loss(w, (X, Y)), perceptron(), optimizer)


def masked_adamw(clip: Any) -> wl.optim.Optimizer:
    """Weight decay of matrices alone, a rate that changes, and a bound on the norm of all."""
    rate = wl.optim.warmup_cosine_decay_schedule(0.0, 0.1, 2, 5)
    matrices = lambda w: wl.tree.map(lambda x: x.ndim > 1, w)  # noqa: E731
    return wl.optim.chain(clip, wl.optim.adamw(rate, weight_decay=0.1, mask=matrices))


def zero() -> Case:
    """State of the optimizer shared out, and the norm of all gradients."""
    inner = masked_adamw(parallel.clip_by_global_norm(0.1, DATA))
    optimizer = parallel.sharded(inner, DATA)

    def init(weights: Any) -> Any:
        return weights, optimizer.init(weights)

    def step(carry: Any) -> Any:
        value, grads = wl.value_and_grad(mlp.loss)(carry[0], own_rows(X, Y))
        carry = applied(optimizer, grads, carry)
        return carry, wl.lax.pmean(value, DATA), carry[0]

    one = masked_adamw(wl.optim.clip_by_global_norm(0.1))
    return Case(init, step, lambda w: mlp.loss(w, (X, Y)), perceptron(), one)


# ---------------------------------------------------------------- tensor parallel


def split_logits(parts: Any, ids: Any) -> Any:
    """text_loss of a model whose logits stay where their rows are."""
    logits = parallel.tensor_parallel(parts, MODEL, gather=False)(ids[:, :-1])
    return wnp.mean(parallel.vocabulary_parallel_cross_entropy(logits, ids[:, 1:], MODEL))


def tensor() -> Case:
    """A transformer by heads, units and rows of its table."""
    optimizer = wl.optim.adam(0.01)
    model = decoder()
    specs = parallel.tensor_specs(model, MODEL)

    def init(weights: Any) -> Any:
        parts = parallel.shard(weights, specs)
        return parts, optimizer.init(parts)

    def step(carry: Any) -> Any:
        value, grads = parallel.value_and_grad(split_logits, MODEL, specs)(carry[0], IDS)
        carry = applied(optimizer, grads, carry)
        return carry, value, parallel.unshard(carry[0], specs)

    return Case(init, step, lambda w: text_loss(w, IDS), model, optimizer)


def mesh(model: Any, loss: Any, batch: Any, whole_loss: Any) -> Case:
    """Parts of the batch by parts of a model, whose state is shared out, and one norm."""
    specs = parallel.tensor_specs(model, MODEL)
    inner = masked_adamw(parallel.clip_by_global_norm(0.1, DATA, specs))
    optimizer = parallel.sharded(inner, DATA)

    def init(weights: Any) -> Any:
        parts = parallel.shard(weights, specs)
        return parts, optimizer.init(parts)

    def step(carry: Any) -> Any:
        rows = own_rows(batch)
        value, grads = parallel.value_and_grad(loss, MODEL, specs)(carry[0], *rows)
        carry = applied(optimizer, grads, carry)
        return carry, wl.lax.pmean(value, DATA), parallel.unshard(carry[0], specs)

    one = masked_adamw(wl.optim.clip_by_global_norm(0.1))
    return Case(init, step, lambda w: whole_loss(w, batch), model, one)


def squares(model: Any, x: Any) -> Any:
    return wnp.mean((model(x) - x[:, :3]) ** 2)


def split_squares(parts: Any, x: Any) -> Any:
    return squares(parallel.tensor_parallel(parts, MODEL), x)


def perceptron_mesh() -> Case:
    model = drawn(lambda key: nn.MLP.init(key, 5, 8, 3))
    return mesh(model, split_squares, X, squares)


# ---------------------------------------------------------------- pipeline


def stack(init: Any) -> Any:
    """Four models as one."""
    return drawn(lambda key: wl.vmap(init)(wl.random.split(key, 4)))


def pipeline(weights: Any, run: Any, xs: Any, tail: Any) -> Case:
    """As many stages as there are processes, four microbatches; sums of squares in the end."""
    optimizer = wl.optim.sgd(0.1, 0.9)
    specs = {"first": PartitionSpec(), "blocks": PartitionSpec(STAGE), "last": PartitionSpec()}

    def loss(parts: Any) -> Any:
        x = parallel.microbatches(parts["first"](xs), 4)
        y = parallel.gpipe(run, parts["blocks"], x, STAGE)
        return parallel.from_last(lambda: tail(parts["last"](y)), STAGE)

    def init(weights: Any) -> Any:
        parts = parallel.shard(weights, specs)
        return parts, optimizer.init(parts)

    def step(carry: Any) -> Any:
        value, grads = parallel.value_and_grad(loss, STAGE, specs)(carry[0])
        carry = applied(optimizer, grads, carry)
        return carry, value, parallel.unshard(carry[0], specs)

    def whole_loss(w: Any) -> Any:
        return tail(w["last"](run(w["blocks"], w["first"](xs))))

    return Case(init, step, whole_loss, weights, optimizer)


def blocks_pipeline() -> Case:
    """Four blocks of a transformer, between an embedding and a head."""
    init = lambda key: (nn.Embedding.init(key, 16, 8), nn.Linear.init(key, 8, 16))  # noqa: E731
    first, last = drawn(init)
    weights = {"first": first, "blocks": stack(lambda key: Block.init(key, 8, 2)), "last": last}

    def run(blocks: Any, x: Any) -> Any:
        return wl.lax.scan(lambda x, block: (block(x, causal=True), None), x, blocks)[0]

    def tail(logits: Any) -> Any:
        logits = logits.reshape(*IDS.shape, 16)
        return wnp.mean(nn.softmax_cross_entropy_with_integer_labels(logits, IDS[:, ::-1]))

    return pipeline(weights, run, IDS, tail)


def layers_pipeline() -> Case:
    """Four layers of a perceptron, between two others."""
    first, last = drawn(lambda key: (nn.Linear.init(key, 5, 6), nn.Linear.init(key, 6, 3)))
    blocks = stack(lambda key: nn.Linear.init(key, 6, 6))

    def run(layers: Any, x: Any) -> Any:
        for k in range(layers.weight.shape[0]):
            x = np.tanh(nn.Linear(layers.weight[k], layers.bias[k])(x))
        return x

    def tail(y: Any) -> Any:
        return wnp.mean((y.reshape(8, 3) - X[:, :3]) ** 2)

    return pipeline({"first": first, "blocks": blocks, "last": last}, run, X, tail)


CASES: dict[str, tuple[Callable[[], Case], tuple[str, ...]]] = {
    "data_parallel": (data_parallel, (DATA,)),
    "zero": (zero, (DATA,)),
    "tensor": (tensor, (MODEL,)),
    "layers_pipeline": (layers_pipeline, (STAGE,)),
    "blocks_pipeline": (blocks_pipeline, (STAGE,)),
    "perceptron_mesh": (perceptron_mesh, (DATA, MODEL)),
    "decoder_mesh": (lambda: mesh(decoder(), split_logits, IDS, text_loss), (DATA, MODEL)),
}
"""By name the recipe and its axes."""
