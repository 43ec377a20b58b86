"""Attention as a layer: projections, heads, and a memory of what a decoder has read."""

from __future__ import annotations

from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.lax import dynamic_update_slice_in_dim
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.trace.operands import whole, wrong
from .attention import dot_product_attention
from .layer import layer
from .linear import Linear
from .positions import rotary

__all__ = ["KeyValueCache", "MultiHeadAttention"]


@layer
class KeyValueCache:
    """Keys and values of `position` elements, and room for more."""

    keys: Any  # [batch, length, groups, size]
    values: Any
    position: Any  # an int32


@layer
class MultiHeadAttention:
    """out(softmax(query(x) @ key(memory).T / sqrt(size)) @ value(memory)), for heads apart.

    The memory is x itself where none is given. `step` reads a few elements more and looks at those
    before them: element by element it gives what a causal call gives of all.
    Shapes: x [batch, time, size], memory [batch, keys, memory size].
    Source: Vaswani and others, Attention is all you need, 2017; Shazeer, Fast transformer decoding,
    2019.
    """

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    heads: int
    kv_heads: int
    rotary: float | None = None

    @classmethod
    def init(
        cls, key: Any, size: int, heads: int, *, kv_heads: int | None = None,
        memory_size: int | None = None, bias: bool = True, rotary: float | None = None,
        dtype: Any = "float32",
    ) -> MultiHeadAttention:  # fmt: skip
        """Heads of size / heads features each; as many share keys and values as there are to each
        of `kv_heads`. `rotary` is the base by which queries and keys are turned, if any.
        """
        groups = heads if kv_heads is None else kv_heads
        if heads < 1 or groups < 1 or size % heads or heads % groups:
            raise wrong(
                "MultiHeadAttention: heads that divide the size and kv_heads that divide them are "
                f"required, got a size of {size}, {heads} heads and {groups} kv_heads"
            )
        inner = size // heads * groups
        memory_size = size if memory_size is None else memory_size
        sizes = (size, size), (memory_size, inner), (memory_size, inner), (size, size)
        query, keys, values, out = (
            Linear.init(k, *pair, bias=bias, dtype=dtype)
            for k, pair in zip(random.split(key, 4), sizes, strict=True)
        )
        return cls(query, keys, values, out, heads, groups, rotary)

    def __call__(
        self, x: Any, memory: Any = None, *, mask: Any = None, bias: Any = None,
        causal: bool = False, positions: Any = None,
    ) -> Any:  # fmt: skip
        """Attention of every element of x.

        `mask` is True where a query looks at a key and `bias` is added to scores; both broadcast to
        [batch, heads, queries, keys]. `causal` keeps from each what comes after it. `positions` are
        those that rotary turns by, 0 and on without.
        """
        q, k, v = self._sides(x, memory, positions)
        return self._joined(dot_product_attention(q, k, v, bias, mask, is_causal=causal))

    def weights(
        self, x: Any, memory: Any = None, *, mask: Any = None, bias: Any = None,
        causal: bool = False, positions: Any = None,
    ) -> Any:  # fmt: skip
        """How much each head takes of each key for a query: [batch, heads, queries, keys]."""
        q, k, _ = self._sides(x, memory, positions)
        keys = k.shape[1]
        each = np.broadcast_to(np.eye(keys, dtype=k.dtype)[:, None], (*k.shape[:3], keys))
        found = dot_product_attention(q, k, each, bias, mask, is_causal=causal)
        return np.moveaxis(found, 2, 1)

    def cache(self, batch: int, length: int, dtype: Any = None) -> KeyValueCache:
        """Room for `length` elements, none of which is known."""
        inner = self.key.weight.shape[-1]
        shape = batch, length, self.kv_heads, inner // self.kv_heads
        dtype = self.key.weight.dtype if dtype is None else dtype
        return KeyValueCache(np.zeros(shape, dtype), np.zeros(shape, dtype), np.int32(0))

    def step(
        self, x: Any, cache: KeyValueCache, *, mask: Any = None, bias: Any = None
    ) -> tuple[Any, KeyValueCache]:
        """Attention of the next elements to those before and to each other, causally; the cache
        with them. No more than its length may be put there.

        One program serves every position. `mask` and `bias` are of queries by the whole length.
        """
        x = array_or_tracer(x)
        t, length = cache.position, cache.keys.shape[1]
        if x.shape[1] + (whole(t) or 0) > length:
            raise wrong(
                "MultiHeadAttention.step: no more elements than the cache has room for are "
                f"required, {length}, got {x.shape[1]} after {whole(t) or 0}",
            )
        places = t + np.arange(x.shape[1], dtype=np.int32)
        k, v = self._seen(x, places)
        k = dynamic_update_slice_in_dim(cache.keys, k.astype(cache.keys.dtype), t, 1)
        v = dynamic_update_slice_in_dim(cache.values, v.astype(cache.values.dtype), t, 1)
        known = np.arange(length) <= places[:, None]
        q = self._turned(self._apart(self.query(x), self.heads), places)
        y = dot_product_attention(q, k, v, bias, known if mask is None else known & mask)
        return self._joined(y), KeyValueCache(k, v, t + np.int32(x.shape[1]))

    def remember(self, memory: Any) -> KeyValueCache:
        """Keys and values of a memory, for `recall`: a decoder computes them once."""
        k, v = self._seen(memory, None)
        return KeyValueCache(k, v, np.int32(k.shape[1]))

    def recall(self, x: Any, cache: KeyValueCache, *, mask: Any = None, bias: Any = None) -> Any:
        """Attention to a memory that is remembered."""
        q = self._apart(self.query(x), self.heads)
        return self._joined(dot_product_attention(q, cache.keys, cache.values, bias, mask))

    def _sides(self, x: Any, memory: Any, positions: Any) -> tuple[Any, Any, Any]:
        if memory is not None and self.rotary is not None:
            raise wrong(
                "MultiHeadAttention: no rotary is required where there is a memory, got base "
                f"{self.rotary}"
            )
        q = self._turned(self._apart(self.query(x), self.heads), positions)
        return q, *self._seen(x if memory is None else memory, positions)

    def _apart(self, x: Any, heads: int) -> Any:
        return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)

    def _joined(self, y: Any) -> Any:
        return self.out(y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1]))

    def _turned(self, x: Any, positions: Any) -> Any:
        return x if self.rotary is None else rotary(x, positions, self.rotary)

    def _seen(self, memory: Any, positions: Any) -> tuple[Any, Any]:
        k, v = (self._apart(f(memory), self.kv_heads) for f in (self.key, self.value))
        return self._turned(k, positions), v
