"""Examples made of pairs of examples of a batch: images and their targets are mixed alike.

    images, targets = wl.nn.mixup(
        wl.random.key(0), images, wl.nn.one_hot(np.array([0, 1, 1, 0]), 2))

Targets are distributions over classes, or other floats, whose loss is that of the mixture.
"""

from __future__ import annotations

from typing import Any

from ...compiler.front import numpy as np
from ...compiler.front import random
from ...compiler.front.lax.primitives import array_or_tracer
from ...compiler.front.rejection import beta
from ...compiler.ir.explain import explained
from ...compiler.ir.types import Type, dtype_name
from ...compiler.trace.operands import wrong

__all__ = ["cutmix", "mixup"]


@explained
def mixup(key: Any, x: Any, targets: Any, alpha: float = 0.2) -> tuple[Any, Any]:
    """s * x + (1 - s) * x in another order, targets too, with s of Beta(alpha, alpha).

    Source: Zhang, Cisse, Dauphin, Lopez-Paz, mixup: beyond empirical risk minimization, 2018.
    """
    x, targets, share, order, _ = _mixing("mixup", key, x, targets, alpha)
    other_x, other_targets = (np.take(a, order, axis=0) for a in (x, targets))
    own = share.astype(targets.dtype) * (targets - other_targets)
    return other_x + share.astype(x.dtype) * (x - other_x), other_targets + own


@explained
def cutmix(key: Any, x: Any, targets: Any, alpha: float = 1.0) -> tuple[Any, Any]:
    """x with a box of another example in it, and targets of both, by the parts that they have.

    The box, at a uniform place, has a part of the volume of Beta(alpha, alpha), less what is
    outside: x is [batch, ..., channels], of one spatial axis or more.
    Source: Yun and others, CutMix: regularization strategy to train strong classifiers with
    localizable features, 2019.
    """
    x, targets, share, order, key = _mixing("cutmix", key, x, targets, alpha)
    sizes = x.shape[1:-1]
    if not sizes:
        raise wrong(
            "cutmix: spatial axes between batch and channels are required, got "
            f"{Type(dtype_name(x.dtype), x.shape)}"
        )
    edge = (1 - share) ** (1 / len(sizes))
    inside: Any = True
    for axis, (place, size) in enumerate(zip(random.split(key, len(sizes)), sizes, strict=True)):
        centre = random.uniform(place, dtype=edge.dtype) * size
        at = np.arange(size).reshape(-1, *(1,) * (len(sizes) - axis)) + 0.5
        inside = inside & (np.abs(at - centre) < edge * size / 2)
    part = np.mean(inside.astype(targets.dtype))
    other_x, other_targets = (np.take(a, order, axis=0) for a in (x, targets))
    return np.where(inside, other_x, x), targets + part * (other_targets - targets)


def _mixing(
    name: str, key: Any, x: Any, targets: Any, alpha: float
) -> tuple[Any, Any, Any, Any, Any]:
    """Operands as arrays, a part, an order, and a key for more."""
    x, targets = array_or_tracer(x), array_or_tracer(targets)
    for a, what in ((x, "examples"), (targets, "targets")):
        if a.dtype.kind in "biu" or a.ndim < 1 or len(a) != len(x):
            raise wrong(
                f"{name}: {what} of floats, one for each of the batch, are required, got "
                f"{Type(dtype_name(a.dtype), a.shape)}",
                "nn.one_hot(targets, classes)" if a is targets and a.dtype.kind in "iu" else "",
            )
    first, second, rest = random.split(key, 3)
    alpha = np.asarray(alpha)
    share = np.where(alpha > 0, beta(first, alpha, alpha, dtype="float32"), 1)
    return x, targets, share, random.permutation(second, len(x)), rest
