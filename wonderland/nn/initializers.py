"""Makers of first weights, with the names, the signatures and the bits of jax.nn.initializers.

    weights = wl.nn.initializers.he_normal()(wl.random.key(0), (784, 256))

What they make takes a key, a shape and a dtype, f32 where neither names another. Shapes are
(..., inputs, outputs); what stands before is the receptive field of a convolution. `in_axis`,
`out_axis` and `batch_axis`, an axis or several, say it otherwise.
By variance: variance_scaling, and of it lecun_normal, lecun_uniform, glorot_normal (xavier_normal),
glorot_uniform (xavier_uniform), he_normal (kaiming_normal), he_uniform (kaiming_uniform).
Of a size: normal, truncated_normal, uniform, constant, zeros, ones; they have Initializer's type.
Rotations: orthogonal, delta_orthogonal.
"""

from ..models.nn.initializers import *  # noqa: F403
from ..models.nn.initializers import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
