"""Layers whose weights are shared out over processes, as in Megatron.

    whole = MLP.init(wl.random.key(0), 3, 8)
    specs = tensor_specs(whole, "model")
    def f(whole, x):
        parts = wl.distributed.shard(whole, specs)
        return tensor_parallel(parts, "model")(x)
    wl.vmap(f, None, None, axis_name="model", axis_size=2)(whole, xs)

Of two products that follow each other the first is split by columns, the second by rows: each
process has its columns of what is between, and one sum over processes ends both. Heads of
attention, the units between the products of an MLP and the rows of an embedding are shared out so;
what tokens are between blocks, norms and the biases behind sums are whole in all.
Cost: forward one psum of the tokens for each product by rows, and backward another.
Source: Shoeybi and others, Megatron-LM: training multi-billion parameter language models using
model parallelism, 2019.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.functions.derivatives import stop_gradient
from ...compiler.front.lax.collectives import all_gather, axis_index, axis_size, pmax, psum
from ...compiler.ir.explain import explained
from ...compiler.trace import tree
from ...compiler.trace.operands import wrong
from ..nn import GLU, MLP, Embedding, Linear, MultiHeadAttention, embedding, layer
from ..nn.functions import chosen
from .specs import WHOLE, PartitionSpec

__all__ = [
    "ColumnParallel",
    "HeadParallel",
    "RowParallel",
    "VocabularyParallel",
    "tensor_parallel",
    "tensor_specs",
    "vocabulary_parallel_cross_entropy",
]


@layer
class ColumnParallel:
    """x @ weight + bias, of this process's columns of the weight; `gather`, of all columns.

    Shapes: x [..., inputs] the same in all, weight [inputs, outputs / n], bias [outputs / n].
    """

    weight: Any
    bias: Any
    axis_name: str
    gather: bool = False

    def __call__(self, x: Any) -> Any:
        y = Linear(self.weight, self.bias)(x)
        return all_gather(y, self.axis_name, axis=y.ndim - 1, tiled=True) if self.gather else y


@layer
class RowParallel:
    """x @ weight + bias, of columns of x and rows of the weight that processes share out: psum.

    Shapes: x [..., inputs / n], weight [inputs / n, outputs]; the bias [outputs] is whole.
    """

    weight: Any
    bias: Any
    axis_name: str

    def __call__(self, x: Any) -> Any:
        y = psum(x @ self.weight, self.axis_name)
        return y if self.bias is None else y + self.bias


@layer
class HeadParallel(MultiHeadAttention):
    """Attention of this process's heads, summed by its output; `heads` are its own.

    Masks and biases of all heads may be given: it takes its part.
    """

    axis_name: str = ""

    def __call__(
        self, x: Any, memory: Any = None, *, mask: Any = None, bias: Any = None,
        causal: bool = False, positions: Any = None,
    ) -> Any:  # fmt: skip
        return MultiHeadAttention.__call__(
            self, x, memory, mask=self.of_heads(mask), bias=self.of_heads(bias), causal=causal,
            positions=positions,
        )  # fmt: skip

    def step(self, x: Any, cache: Any, *, mask: Any = None, bias: Any = None) -> Any:
        return MultiHeadAttention.step(
            self, x, cache, mask=self.of_heads(mask), bias=self.of_heads(bias)
        )

    def of_heads(self, x: Any) -> Any:
        """[..., all heads, queries, keys] of these heads."""
        n = axis_size(self.axis_name)
        if x is None or np.ndim(x) < 3 or np.shape(x)[-3] != self.heads * n:
            return x
        first = axis_index(self.axis_name) * self.heads
        return np.take(x, first + np.arange(self.heads), axis=-3)


@layer
class VocabularyParallel:
    """Rows of a table by integers, of which each process has a part; `attend` gives logits.

    Shapes: weight [rows / n, size]. Logits are of all rows, or with `gather=False` of those that a
    process has, for `vocabulary_parallel_cross_entropy`.
    """

    weight: Any
    axis_name: str
    gather: bool = True

    def __call__(self, ids: Any) -> Any:
        rows = self.weight.shape[0]
        place = ids - axis_index(self.axis_name) * rows
        here = (place >= 0) & (place < rows)
        found = embedding(self.weight, np.where(here, place, 0))
        return psum(np.where(here[..., None], found, 0), self.axis_name)

    def attend(self, x: Any) -> Any:
        y = x @ self.weight.T
        return all_gather(y, self.axis_name, axis=y.ndim - 1, tiled=True) if self.gather else y


@explained
def vocabulary_parallel_cross_entropy(logits: Any, labels: Any, axis_name: str) -> Any:
    """-log_softmax(logits)[label], of logits whose classes processes share out.

    Shapes: logits [..., classes / n], labels [...]: the value is the same in all processes.
    Cost: three numbers for each label, in place of all logits.
    """
    rows = logits.shape[-1]
    top = pmax(stop_gradient(np.max(logits, axis=-1)), axis_name)
    near = logits - top[..., None]
    here = chosen(labels - axis_index(axis_name) * rows, rows, logits.ndim - 1)
    total, label = psum(
        (np.sum(np.exp(near), axis=-1), np.sum(np.where(here, near, 0), axis=-1)), axis_name
    )
    return np.log(total) - label


# ---------------------------------------------------------------- of whole models


def _shared(heads: int, n: int) -> int:
    if heads % n:
        raise wrong(
            f"tensor_parallel: heads and kv_heads that are multiples of {n} processes are "
            f"required, got {heads}",
            f"{math.gcd(heads, n)} processes along the axis",
        )
    return heads // n


def _mapped(model: Any, found: Callable[[Any], Any]) -> Any:
    kinds = (MultiHeadAttention, MLP, GLU, Embedding)
    return tree.map(found, model, is_leaf=lambda x: isinstance(x, kinds))


@explained
def tensor_parallel(parts: Any, axis_name: str, *, gather: bool = True) -> Any:
    """The model of its parts by `tensor_specs`, which computes what the whole one does.

    Its MultiHeadAttention, MLP, GLU and Embedding become layers of this room; all else stays. With
    `gather=False` logits of an embedding are of its own rows.
    """
    n = axis_size(axis_name)

    def row(x: Linear) -> RowParallel:
        return RowParallel(x.weight, x.bias, axis_name)

    def found(x: Any) -> Any:
        if isinstance(x, MultiHeadAttention):
            heads = _shared(x.heads, n), _shared(x.kv_heads, n)
            out: Any = row(x.out)
            return HeadParallel(x.query, x.key, x.value, out, *heads, x.rotary, axis_name)
        if isinstance(x, MLP | GLU):
            return dataclasses.replace(x, down=row(x.down))
        return VocabularyParallel(x.weight, axis_name, gather) if isinstance(x, Embedding) else x

    return _mapped(parts, found)


@explained
def tensor_specs(model: Any, axis_name: str) -> Any:
    """What of a model's arrays is split, a tree of PartitionSpecs: heads, the units of MLPs, the
    rows of embeddings. All else is whole.
    """
    columns, rows = PartitionSpec(None, axis_name), PartitionSpec(axis_name)

    def column(x: Linear) -> Linear:
        return Linear(columns, None if x.bias is None else rows)

    def row(x: Linear) -> Linear:
        return Linear(rows, None if x.bias is None else WHOLE)

    def found(x: Any) -> Any:
        last = {"down": row, "out": row}
        if isinstance(x, Embedding):
            return Embedding(rows)
        if not isinstance(x, MultiHeadAttention | MLP | GLU):
            return WHOLE
        linear = {k: v for k, v in vars(x).items() if isinstance(v, Linear)}
        return dataclasses.replace(x, **{k: last.get(k, column)(v) for k, v in linear.items()})

    return _mapped(model, found)
