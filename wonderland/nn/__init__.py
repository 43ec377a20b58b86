"""Activations, losses, layers and first weights, by the names of jax.nn and optax.

    layer = wl.nn.Linear.init(wl.random.key(0), 3, 2)
    outputs = wl.nn.relu(layer(x))
    errors = wl.nn.softmax_cross_entropy_with_integer_labels(layer(xs), np.array([0, 1, 1, 0]))
    risk = np.mean(errors)

Functions of arrays of any float dtype, traced or not; a layer is a tree of arrays that can be
called, and `layer` makes a class one.
Activations: relu, leaky_relu, relu6, elu, celu, selu, gelu, silu (swish), mish, glu, softplus,
squareplus, sparse_plus, sigmoid, hard_sigmoid, sparse_sigmoid, log_sigmoid, hard_silu (hard_swish),
tanh, hard_tanh, soft_sign, identity, log1mexp, softmax, log_softmax, logsumexp, logmeanexp.
Layers as functions: dot_product_attention, layer_norm, rms_norm, group_norm, batch_norm,
standardize, dropout, embedding; linear_recurrence.
Losses, a value for each example: squared_error, l2_loss, absolute_error, huber_loss, log_cosh,
cosine_similarity, cosine_distance; hinge_loss, perceptron_loss, sparsemax_loss,
sigmoid_binary_cross_entropy, sigmoid_focal_loss; softmax_cross_entropy,
softmax_cross_entropy_with_integer_labels, safe_softmax_cross_entropy, poly_loss_cross_entropy,
negative_log_likelihood, multiclass_hinge_loss, multiclass_perceptron_loss,
multiclass_sparsemax_loss; kl_divergence, kl_divergence_with_log_targets,
generalized_kl_divergence (convex_kl_divergence), make_fenchel_young_loss; dice_loss,
binary_dice_loss, multiclass_generalized_dice_loss; ctc_loss, ctc_loss_with_forward_probs;
triplet_margin_loss, ntxent, ranking_softmax_loss.
Labels: one_hot, smooth_labels, accuracy. Layers: Linear;
Conv and ConvTranspose of one to three spatial axes; GroupNorm, BatchNorm with its BatchStatistics,
Dropout; RNN, GRU, LSTM, and one step of each, RNNCell, GRUCell, LSTMCell;
Embedding, LayerNorm, RMSNorm, MLP, GLU; MultiHeadAttention, whose decoding keeps a KeyValueCache.
Positions: sinusoidal_positions, rotary, alibi, RelativePositions.
Examples mixed with others of the batch: mixup, cutmix.
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
