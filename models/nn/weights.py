"""First weights: what the makers of `initializers` make, as functions of a key, a shape, a dtype.

    weight = he_normal(wl.random.key(0), (784, 256))

Shapes: (..., inputs, outputs); what stands before is the receptive field of a convolution. The
normal ones are truncated at two standard deviations and scaled to keep the variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...compiler.ir.explain import explained
from . import initializers

__all__ = [
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
    "orthogonal",
]  # fmt: skip


def _direct(maker: Callable[..., initializers.Initializer]) -> Callable[..., Any]:
    def weights(key: Any, shape: Sequence[int], dtype: Any = "float32", **options: Any) -> Any:
        return maker(**options)(key, shape, dtype)

    weights.__name__ = weights.__qualname__ = maker.__name__
    weights.__doc__ = maker.__doc__
    return explained(weights)


lecun_normal = _direct(initializers.lecun_normal)
lecun_uniform = _direct(initializers.lecun_uniform)
glorot_normal = _direct(initializers.glorot_normal)
glorot_uniform = _direct(initializers.glorot_uniform)
he_normal, he_uniform = _direct(initializers.he_normal), _direct(initializers.he_uniform)
orthogonal = _direct(initializers.orthogonal)
