"""Attention of sequences whose elements are in different processes: context parallel.

    whole = MultiHeadAttention.init(wl.random.key(0), 4, 2)
    many = context_parallel(whole, "context", ring=True)
    tokens = np.ones((2, 6, 4), np.float32)
    f = wl.vmap(lambda x: many(x, causal=True), 1, 1, axis_name="context")
    f(tokens.reshape(2, 3, 2, 4))

All else of a transformer sees one token at a time: its weights are whole, and `value_and_grad` of
the mean over a process's tokens sums their gradients.
Source: Jacobs and others, DeepSpeed Ulysses: system optimizations for training of extreme long
sequence transformer models, 2023; Liu, Zaharia, Abbeel, Ring attention with blockwise transformers
for near-infinite context, 2023.
"""

from __future__ import annotations

import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.functions.derivatives import stop_gradient
from ...compiler.front.lax.collectives import all_to_all, axis_index, axis_size, ppermute
from ...compiler.ir.explain import explained
from ...compiler.ir.types import HALVES, dtype_name
from ...compiler.trace import tree
from ...compiler.trace.operands import cast_to, wrong
from ..nn import MultiHeadAttention, dot_product_attention, layer

__all__ = ["ContextParallel", "context_parallel", "ring_attention", "ulysses_attention"]

FAR = -0.7 * float(np.finfo(np.float32).max)
"""The score of what takes no part."""


@explained
def ulysses_attention(
    query: Any, key: Any, value: Any, axis_name: str, *, is_causal: bool = False
) -> Any:
    """dot_product_attention of whole sequences, of which each process has its part along time: for
    a moment it has all times of its part of the heads.

    Shapes: [batch, time / n, heads, size], of heads and groups that are multiples of n.
    Cost: four all_to_alls, of a process's part each.
    """
    n = axis_size(axis_name)
    if query.shape[2] % n or key.shape[2] % n:
        raise wrong(
            f"ulysses_attention: heads and groups that are multiples of {n} processes are "
            f"required, got {query.shape[2]} and {key.shape[2]}",
            "ring_attention, which shares out no heads",
        )
    q, k, v = all_to_all((query, key, value), axis_name, 2, 1, tiled=True)
    return all_to_all(
        dot_product_attention(q, k, v, is_causal=is_causal), axis_name, 1, 2, tiled=True
    )


@explained
def ring_attention(
    query: Any, key: Any, value: Any, axis_name: str, *, is_causal: bool = False
) -> Any:
    """dot_product_attention of whole sequences, of which each process has its part along time: keys
    and values go round, and of each part its exponentials are added, from the largest score so far.

    Shapes: [batch, time / n, heads, size], keys and values of groups that divide heads.
    Memory: scores of a process's queries by one part of the keys.
    Cost: n - 1 ppermutes of keys and values.
    """
    n, place = axis_size(axis_name), axis_index(axis_name)
    batch, queries, heads, size = query.shape
    keys, groups = key.shape[1], key.shape[2]
    wide = (lambda x: x.astype(np.float32)) if dtype_name(query.dtype) in HALVES else (lambda x: x)
    q = wide(query).reshape(batch, queries, groups, heads // groups, size) / math.sqrt(size)
    k, v = wide(key), wide(value)
    top: Any = FAR
    total: Any = 0.0
    found: Any = 0.0
    for turn in range(n):
        scores = np.einsum("btkgh,bskh->bkgts", q, k)
        if is_causal:
            source = (place - turn) % n
            here, there = place * queries + np.arange(queries), source * keys + np.arange(keys)
            scores = np.where(here[:, None] >= there, scores, FAR)
        last = top
        top = np.maximum(last, np.max(stop_gradient(scores), axis=-1, keepdims=True))
        odds, less = np.exp(scores - top), np.exp(last - top)
        total = total * less + np.sum(odds, axis=-1, keepdims=True)
        found = found * less + np.einsum("bkgts,bskh->bkgth", odds, v)
        if turn < n - 1:
            k, v = ppermute((k, v), axis_name, [(i, (i + 1) % n) for i in range(n)])
    y = np.moveaxis(found / total, 3, 1)
    return cast_to(y.reshape(batch, queries, heads, value.shape[-1]), query)


@layer
class ContextParallel(MultiHeadAttention):
    """Attention of each process's elements to those of all; `ring` by ring_attention, else by
    ulysses_attention. Rotary turns by places in the whole sequence.
    """

    axis_name: str = ""
    ring: bool = False

    def __call__(
        self, x: Any, memory: Any = None, *, mask: Any = None, bias: Any = None,
        causal: bool = False, positions: Any = None,
    ) -> Any:  # fmt: skip
        for name, what in (("memory", memory), ("mask", mask), ("bias", bias)):
            if what is not None:
                raise wrong(f"ContextParallel: no {name} is required, got one")
        if positions is None:
            positions = axis_index(self.axis_name) * x.shape[1] + np.arange(x.shape[1])
        attend = ring_attention if self.ring else ulysses_attention
        return self._joined(
            attend(*self._sides(x, None, positions), self.axis_name, is_causal=causal)
        )


@explained
def context_parallel(model: Any, axis_name: str, *, ring: bool = False) -> Any:
    """The model with ContextParallel in place of MultiHeadAttention."""

    def found(x: Any) -> Any:
        if not isinstance(x, MultiHeadAttention):
            return x
        return ContextParallel(**vars(x), axis_name=axis_name, ring=ring)

    return tree.map(found, model, is_leaf=lambda x: isinstance(x, MultiHeadAttention))
