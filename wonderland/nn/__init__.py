"""Activations, losses, layers and first weights, by the names of jax.nn and optax.

    layer = wl.nn.Linear.init(wl.random.key(0), 3, 2)
    outputs = wl.nn.relu(layer(x))
    errors = wl.nn.softmax_cross_entropy_with_integer_labels(layer(xs), np.array([0, 1, 1, 0]))
    risk = np.mean(errors)

Functions of arrays of any float dtype, traced or not; a layer is a pytree that can be called.
Activations: relu, leaky_relu, relu6, elu, celu, selu, gelu, silu (swish), mish, glu, softplus,
squareplus, sparse_plus, sigmoid, hard_sigmoid, sparse_sigmoid, log_sigmoid, hard_silu (hard_swish),
tanh, hard_tanh, soft_sign, identity, log1mexp, softmax, log_softmax, logsumexp, logmeanexp.
Layers as functions: dot_product_attention, layer_norm, rms_norm, group_norm, batch_norm,
standardize, dropout, embedding.
Losses, a value for each example: squared_error, absolute_error, huber_loss, hinge_loss,
sigmoid_binary_cross_entropy, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels,
negative_log_likelihood.
Labels: one_hot, accuracy. Layers: Linear.
Pooling, channels last: max_pool, min_pool, avg_pool, sum_pool, pool by a function of your own,
global_avg_pool, global_max_pool.
First weights, of a key, a shape and a dtype: glorot_normal, glorot_uniform, he_normal, he_uniform,
lecun_normal, lecun_uniform, orthogonal. Their makers, as JAX has them: initializers.
"""

from ..models import nn as _names
from ..models.nn import *  # noqa: F403
from . import initializers

__all__ = ["initializers"]
__all__ += _names.__all__


def __dir__() -> list[str]:
    return __all__
