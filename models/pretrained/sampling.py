"""A token out of logits."""

from __future__ import annotations

from typing import Any

import wonderland.numpy as np
from wonderland import random


def sampled(logits: Any, key: Any, temperature: Any) -> Any:
    """A token of softmax(logits / temperature); the likeliest where temperature is 0.

    Source: Gumbel, Statistical theory of extreme values, 1954: which of several logits with such
    noise is the largest is distributed as their softmax.
    """
    noise = temperature * random.gumbel(key, logits.shape, dtype=logits.dtype)
    return np.argmax(logits + noise).astype(np.int32)
