"""Attention-free transformer: y_t = sigmoid(q_t) * sum exp(k_s + w_ts) v_s / sum exp(k_s + w_ts),
sums over s <= t, every channel for itself.

In place of products of queries and keys there are weights w_ts of places, learned, of low rank.
AFT-full has them for all pairs, AFT-local for those fewer than `window` steps apart, AFT-simple has
none. What is beyond the window is two running sums: a state of constant size.

    wonderland train attention_free

Source: Zhai and others, An attention free transformer, 2021.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import wonderland as wl
import wonderland.numpy as np
from wonderland import nn, random
from wonderland.models import Recipe, data
from wonderland.models.families.language import bits, generate, text_loss, unigram
from wonderland.models.families.linear_attention import Reader


@nn.layer
class AFT:
    """Simple where `window` is 0, full where it is the length that `rows` have, else local."""

    qkv: nn.Linear  # [size, 3 * size]
    output: nn.Linear
    rows: Any  # [length, rank]; w = rows @ columns.T
    columns: Any
    window: int = 0

    @classmethod
    def init(cls, key: Any, size: int, window: int = 0, length: int = 0, rank: int = 32) -> Self:
        a, b, c, d = random.split(key, 4)
        rows, columns = (random.normal(k, (length, rank)) * rank**-0.5 for k in (c, d))
        qkv, output = nn.Linear.init(a, size, 3 * size), nn.Linear.init(b, size, size)
        return cls(qkv, output, rows, columns, window)

    def places(self, time: int) -> Any:
        """exp(w) [time, time] over each row's largest, 0 for what comes later."""
        apart = np.arange(time)[:, None] - np.arange(time)
        w = np.where(apart < self.window, self.rows[:time] @ self.columns[:time].T, 0)
        w = np.where(apart >= 0, w, -np.inf)
        return np.exp(w - wl.stop_gradient(np.max(w, -1, keepdims=True)))

    def __call__(self, x: Any) -> Any:
        """All steps [batch, time, size] at once.

        Keys are taken over the largest of their channel: of one that is less by 100, nothing stays.
        """
        q, k, v = np.split(self.qkv(x), 3, -1)
        k = np.exp(k - wl.stop_gradient(np.max(k, 1, keepdims=True)))
        both = np.concatenate([k * v, k], -1)
        sums = self.places(x.shape[1]) @ both if self.window else np.cumsum(both, 1)
        top, bottom = np.split(sums, 2, -1)
        return self.output(nn.sigmoid(q) * top / bottom)

    def start(self, batch: int) -> Any:
        """Steps that were, their sums over exp(largest key), that key, k and v of the last."""
        size, dtype = self.output.weight.shape[0], self.output.weight.dtype
        zeros, least = np.zeros((batch, size), dtype), np.full((batch, size), -1e30, dtype)
        last = np.zeros((batch, self.window, size), dtype)
        return np.int32(0), zeros, zeros, least, last - 1e30, last

    def step(self, state: Any, x: Any) -> tuple[Any, Any]:
        """One step [batch, size] after those of the state; beyond the length, w of its end."""
        time, top, bottom, largest, keys, values = state
        q, k, v = np.split(self.qkv(x), 3, -1)
        most = np.maximum(largest, k)
        shrunk, new = np.exp(largest - most), np.exp(k - most)
        top, bottom = top * shrunk + new * v, bottom * shrunk + new
        sums = top, bottom
        if self.window:
            keys = np.concatenate([keys[:, 1:], k[:, None]], 1)
            values = np.concatenate([values[:, 1:], v[:, None]], 1)
            row = np.minimum(time, len(self.rows) - 1)
            column = np.maximum(row - np.arange(self.window)[::-1], 0)
            more = np.expm1(self.columns[column] @ self.rows[row])  # beside the 1 of all steps
            added = more[:, None] * np.exp(keys - most[:, None])
            sums = top + np.sum(added * values, 1), bottom + np.sum(added, 1)
        state = time + 1, top, bottom, most, keys, values
        return state, self.output(nn.sigmoid(q) * sums[0] / sums[1])


SIZE, LENGTH = 96, 64

RECIPES = (
    Recipe(
        name="attention_free",
        chapter="13",
        about="an attention-free transformer of local places reads six novels by characters",
        data=partial(data.novels, length=LENGTH, train_rows=32 * 1500, test_rows=512),
        init=lambda key, split: Reader.init(
            key, lambda key: AFT.init(key, SIZE, 32, LENGTH), len(split.names), SIZE
        ),
        loss=text_loss,
        score=bits,
        measure="bits a character",
        higher=False,
        baseline=unigram,
        stated=1.964,
        rate=6e-3,
        epochs=1,
        batch_size=32,
        generate=generate,
    ),
)
