"""Activations, losses, layers and first weights, by the names of jax.nn and optax.

    layer = wl.nn.Linear.init(wl.random.key(0), 3, 2)
    outputs = wl.nn.relu(layer(x))
    errors = wl.nn.softmax_cross_entropy_with_integer_labels(layer(xs), np.array([0, 1, 1, 0]))
    risk = np.mean(errors)

Functions of arrays of any float dtype, traced or not; a layer is a pytree that can be called.
Activations: relu, leaky_relu, elu, gelu, silu, softplus, sigmoid, log_sigmoid, log1mexp, softmax,
log_softmax, logsumexp.
Losses, a value for each example: squared_error, absolute_error, huber_loss, hinge_loss,
sigmoid_binary_cross_entropy, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels,
negative_log_likelihood.
Labels: one_hot, accuracy. Layers: Linear.
Pooling, channels last: max_pool, min_pool, avg_pool, sum_pool, pool by a function of your own,
global_avg_pool, global_max_pool.
First weights: glorot_normal, glorot_uniform, he_normal, he_uniform, lecun_normal, lecun_uniform,
orthogonal.
"""

from .models.nn import *  # noqa: F403
from .models.nn import __all__ as __all__
