"""Attention, with the signature and the values of jax.nn.dot_product_attention."""

from __future__ import annotations

import math
from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.ir.explain import explained
from ...compiler.ir.types import HALVES, Type, dtype_name
from ...compiler.trace.operands import cast_to, wrong
from ...compiler.trace.trace import keeps_bf16
from .functions import softmax

__all__ = ["dot_product_attention"]


@explained
@keeps_bf16
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
) -> Any:
    """softmax(scale * query @ key.T + bias) @ value, for every head of every example.

    Keys that `mask` excludes, come later (`is_causal`), lie beyond the lengths of their sequences
    or of a window of so many before and after take no part; a query that has none left takes them
    all alike. Queries beyond their lengths give 0. `scale` is 1 / sqrt(head size) where none is
    given. Scores of halves are f32. There is one implementation, whatever is asked for. Compiled
    for a processor it runs in slabs of queries, as the plain formula does, with memory linear in
    the length; `inspect` has a stage "attention" that says so, or why not. Keys that the causal
    mask or the window takes from all queries of a band are not looked at: what is no number in
    them does not spread, where scores are of ordinary size (up to 1e8).
    Shapes: query [batch, queries, heads, size], key and value [batch, keys, groups, size], where
    so many heads in turn share a group; or all without a batch. bias and mask broadcast to
    [batch, heads, queries, keys], the result is of the query's shape, its last axis the value's.
    Source: Vaswani and others, Attention is all you need, 2017; Ainslie and others, GQA, 2023.
    """
    q, k, v = (array_or_tracer(x) for x in (query, key, value))
    one = q.ndim == 3
    if one:
        q, k, v = (x[None] for x in (q, k, v))
    _fit(q, k, v)
    batch, queries, heads, size = q.shape
    keys, groups = k.shape[1], k.shape[2]
    shape = batch, heads, queries, keys
    half = dtype_name(q.dtype) in HALVES
    wide = (lambda x: x.astype(np.float32)) if half else (lambda x: x)
    # heads of a group are an axis of their own beside it, so that keys are not repeated
    grouped = q.reshape(batch, queries, groups, heads // groups, size)
    scores = np.einsum("btkgh,bskh->bkgts", wide(grouped), wide(k)).reshape(shape)
    scores = scores * (1 / math.sqrt(size) if scale is None else scale)
    if bias is not None:
        scores = cast_to(scores + _whole("bias", bias, shape), scores)
    kept = _kept(shape, is_causal, local_window_size, query_seq_lengths, key_value_seq_lengths)
    if mask is not None:
        mask = array_or_tracer(mask)
        if mask.dtype != np.bool_:
            raise wrong(
                f"dot_product_attention: a mask of bools is required, got {dtype_name(mask.dtype)}",
                "mask != 0, or bias= for what is added to scores",
            )
        kept.append(_whole("mask", mask, shape))
    if kept:
        together = kept[0]
        for other in kept[1:]:
            together = together & other
        scores = np.where(together, scores, -0.7 * float(np.finfo(np.float32).max))
    weights = cast_to(softmax(scores), q).reshape(batch, groups, heads // groups, queries, keys)
    found = np.einsum("bkgts,bskh->btkgh", weights, v).reshape(batch, queries, heads, v.shape[-1])
    if query_seq_lengths is not None:
        inside = np.arange(queries)[:, None, None] < _column(query_seq_lengths)[..., None]
        found = np.where(inside, found, 0)
    return found[0] if one else found


def _fit(q: Any, k: Any, v: Any) -> None:
    fits = q.ndim == k.ndim == v.ndim == 4 and k.shape[:3] == v.shape[:3]
    fits = fits and q.shape[0] == k.shape[0] and q.shape[3] == k.shape[3]
    if not fits or not k.shape[2] or q.shape[2] % k.shape[2]:
        types = ", ".join(str(Type(dtype_name(x.dtype), x.shape)) for x in (q, k, v))
        raise wrong(
            "dot_product_attention: [batch, queries, heads, size], and keys and values "
            f"[batch, keys, groups, size] of groups that divide heads are required, got {types}"
        )


def _whole(what: str, x: Any, shape: tuple[int, ...]) -> Any:
    x = array_or_tracer(x)
    here = (1,) * (4 - x.ndim) + tuple(x.shape)
    if len(here) > 4 or any(n not in (1, m) for n, m in zip(here, shape, strict=True)):
        raise wrong(
            f"dot_product_attention: a {what} that broadcasts to [batch, heads, queries, keys] "
            f"{list(shape)} is required, got {Type(dtype_name(x.dtype), x.shape)}"
        )
    return x


def _column(lengths: Any) -> Any:
    """Lengths of sequences along the first of three axes."""
    return array_or_tracer(lengths)[:, None, None]


def _kept(shape: tuple[int, ...], causal: bool, window: Any, queries: Any, keys: Any) -> list[Any]:
    """Masks that broadcast to the scores: which keys a query looks at."""
    t, s = np.arange(shape[2])[:, None], np.arange(shape[3])
    masks = [t >= s] if causal else []
    if window is not None:
        before, after = (window, window) if isinstance(window, int) else window
        masks += [t <= s + before, t >= s - after]
    if queries is not None:
        masks.append(t < _column(queries)[..., None])
    if keys is not None:
        masks.append(s < _column(keys)[..., None])
    return masks
