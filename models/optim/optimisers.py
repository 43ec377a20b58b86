"""Optimizers as pairs of pure functions, as in optax: the update compiles into the training step.

    optimizer = wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.sgd(1e-3))
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = wl.optim.apply_updates(params, updates)

Each is a chain of transformations, which have the formulas; the last one is of the learning rate: a
number, or a schedule, which is a function of the number of steps taken.
"""

from __future__ import annotations

from typing import Any

from ...compiler.ir.explain import explained
from .factored import scale_by_factored_rms, scale_by_sm3
from .lbfgs import scale_by_lbfgs
from .limits import add_decayed_weights, add_noise, clip_by_block_rms
from .line_search import scale_by_zoom_linesearch
from .masks import masked
from .moments import scale_by_rms, scale_by_stddev
from .momentum import ema, scale_by_lion, scale_by_optimistic_gradient, trace
from .scaling import (
    scale,
    scale_by_adadelta,
    scale_by_learning_rate,
    scale_by_param_block_rms,
    scale_by_polyak,
    scale_by_rprop,
    scale_by_rss,
    scale_by_sign,
    scale_by_trust_ratio,
)
from .transformation import Optimizer, ScalarOrSchedule, chain, identity

__all__ = [
    "adadelta",
    "adafactor",
    "adagrad",
    "fromage",
    "lars",
    "lbfgs",
    "lion",
    "noisy_sgd",
    "optimistic_gradient_descent",
    "polyak_sgd",
    "rmsprop",
    "rprop",
    "sgd",
    "sign_sgd",
    "signum",
    "sm3",
]

ZOOM = scale_by_zoom_linesearch(20, initial_guess_strategy="one")
"""The line search of `lbfgs`."""

# ---------------------------------------------------------------- of gradients and momentum


def _momentum(decay: Any, nesterov: bool, accumulator_dtype: Any = None) -> Optimizer:
    """`trace`; without momentum there is no state."""
    if decay is None or (isinstance(decay, (int, float)) and decay == 0):
        return identity()
    return trace(decay, nesterov, accumulator_dtype)


@explained
def sgd(
    learning_rate: ScalarOrSchedule,
    momentum: float | None = None,
    nesterov: bool = False,
    accumulator_dtype: Any = None,
) -> Optimizer:
    """Gradient descent: v <- momentum * v + g;  p <- p - learning_rate * v.

    With `nesterov`, p <- p - learning_rate * (g + momentum * v). No momentum, no v.
    `accumulator_dtype`: the dtype that v is kept in.
    Source: Sutskever et al., On the importance of initialization and momentum, 2013.
    """
    moved = _momentum(momentum, nesterov, accumulator_dtype)
    return chain(moved, scale_by_learning_rate(learning_rate))


@explained
def noisy_sgd(
    learning_rate: ScalarOrSchedule, eta: float = 0.01, gamma: float = 0.55, key: Any = 0
) -> Optimizer:
    """p <- p - learning_rate * (g + noise of variance eta / t^gamma); `key`: a key, or a seed.

    Source: Neelakantan et al., Adding gradient noise improves learning, 2015.
    """
    return chain(add_noise(eta, gamma, key), scale_by_learning_rate(learning_rate))


@explained
def sign_sgd(learning_rate: ScalarOrSchedule) -> Optimizer:
    """p <- p - learning_rate * sign(g)

    Source: Bernstein et al., signSGD: compressed optimisation for non-convex problems, 2018.
    """
    return chain(scale_by_sign(), scale_by_learning_rate(learning_rate))


@explained
def signum(
    learning_rate: ScalarOrSchedule, beta: float = 0.9, accumulator_dtype: Any = None
) -> Optimizer:
    """m <- beta m + (1 - beta) g;  p <- p - learning_rate * sign(m).

    Source: Bernstein et al., signSGD: compressed optimisation for non-convex problems, 2018.
    """
    return chain(ema(beta, False, accumulator_dtype), sign_sgd(learning_rate))


@explained
def lion(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.99,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-3,
    mask: Any = None,
) -> Optimizer:
    """p <- p - learning_rate * (sign(b1 m + (1 - b1) g) + weight_decay * p);
    m <- b2 m + (1 - b2) g.

    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """
    return chain(
        scale_by_lion(b1, b2, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@explained
def optimistic_gradient_descent(
    learning_rate: ScalarOrSchedule, alpha: Any = 1.0, beta: Any = 1.0
) -> Optimizer:
    """p <- p - learning_rate * ((alpha + beta) g - beta h), with the gradient h of the step before.

    Source: Mokhtari, Ozdaglar, Pattathil, A unified analysis of extra-gradient and optimistic
    gradient methods, 2020.
    """
    return chain(scale_by_optimistic_gradient(alpha, beta), scale_by_learning_rate(learning_rate))


@explained
def polyak_sgd(
    max_learning_rate: Any = 1.0,
    scaling: ScalarOrSchedule = 1.0,
    f_min: Any = 0.0,
    eps: Any = 0.0,
    variant: str = "sps",
) -> Optimizer:
    """p <- p - scaling * min((value - f_min) / |g|^2, max_learning_rate) * g.

    `update(grads, state, params, value=f(params))`. `scaling` multiplies the step; that of optax
    multiplies g before its norm is taken.
    Source: Loizou et al., Stochastic Polyak step-size for SGD, 2021.
    """
    # the length is of g, so it comes before the scaling
    return chain(
        scale_by_polyak(f_min, max_learning_rate, eps, variant), scale_by_learning_rate(scaling)
    )


@explained
def rprop(
    learning_rate: float,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step_size: float = 1e-6,
    max_step_size: float = 50.0,
) -> Optimizer:
    """p <- p - step * sign(g), each step longer while g keeps its sign, shorter where it turns.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation, 1993.
    """
    return chain(
        scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size),
        scale(-1.0),
    )


# ---------------------------------------------------------------- of sums and means of squares


@explained
def adagrad(
    learning_rate: ScalarOrSchedule, initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> Optimizer:
    """s <- s + g^2;  p <- p - learning_rate * g / sqrt(s + eps).

    Source: Duchi, Hazan, Singer, Adaptive subgradient methods, 2011.
    """
    return chain(
        scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)
    )


@explained
def adadelta(
    learning_rate: ScalarOrSchedule | None = None,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Any = None,
) -> Optimizer:
    """v <- rho v + (1 - rho) g^2;  u = sqrt((w + eps) / (v + eps)) g;  w <- rho w + (1 - rho) u^2;
    p <- p - learning_rate * u, with weight_decay * p in g. Without a rate updates are u: they are
    to be subtracted.

    Source: Zeiler, Adadelta: an adaptive learning rate method, 2012.
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_adadelta(rho, eps),
        scale_by_learning_rate(learning_rate),
    )


@explained
def rmsprop(
    learning_rate: ScalarOrSchedule,
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: float | None = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> Optimizer:
    """v <- decay v + (1 - decay) g^2;  d = g / sqrt(v + eps);  p <- p - learning_rate * d.

    `centered` takes off v the square of the running mean of g; `momentum` is applied to
    learning_rate * d as in sgd; v begins with `initial_scale`; `eps_in_sqrt` false divides by
    sqrt(v) + eps; `bias_correction` corrects means for their start.
    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012.
    """
    kind = scale_by_stddev if centered else scale_by_rms
    return chain(
        kind(decay, eps, initial_scale, eps_in_sqrt, bias_correction),
        scale_by_learning_rate(learning_rate),
        _momentum(momentum, nesterov),
    )


@explained
def adafactor(
    learning_rate: ScalarOrSchedule | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: float = 0.8,
    decay_offset: int = 0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: float | None = 1.0,
    momentum: float | None = None,
    dtype_momentum: Any = "float32",
    weight_decay_rate: ScalarOrSchedule | None = None,
    eps: float = 1e-30,
    factored: bool = True,
    weight_decay_mask: Any = None,
) -> Optimizer:
    """p <- p - learning_rate * max(rms(p), 1e-3) * u,  u = g / sqrt(v) clipped to a rms of
    clipping_threshold; of v, for large matrices, means over rows and over columns alone are kept.

    Source: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, 2018.
    """
    parts = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        parts.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        parts.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        parts.append(scale_by_param_block_rms())
    if momentum is not None:
        parts.append(ema(momentum, False, dtype_momentum))
    if weight_decay_rate is not None:
        parts.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*parts, scale(-1.0))


@explained
def sm3(learning_rate: ScalarOrSchedule, momentum: float = 0.9) -> Optimizer:
    """p <- p - learning_rate * m, m the running mean of g over the root of the least accumulator of
    its row and its column.

    Source: Anil et al., Memory-efficient adaptive optimization, 2019.
    """
    return chain(scale_by_sm3(momentum), scale_by_learning_rate(learning_rate))


# ---------------------------------------------------------------- by norms of parameters


@explained
def lars(
    learning_rate: ScalarOrSchedule,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Any = True,
    trust_coefficient: float = 0.001,
    eps: float = 0.0,
    trust_ratio_mask: Any = True,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> Optimizer:
    """d = g + weight_decay * p;  v <- momentum * v + learning_rate * trust_coefficient |p| / |d| d;
    p <- p - v, with norms of each array, where the masks are true.

    Source: You, Gitman, Ginsburg, Large batch training of convolutional networks, 2017.
    """
    ratio = scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps)
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        masked(ratio, trust_ratio_mask),
        scale_by_learning_rate(learning_rate),
        _momentum(momentum, nesterov),
    )


@explained
def fromage(learning_rate: ScalarOrSchedule, min_norm: float = 1e-6) -> Optimizer:
    """p <- (p - learning_rate * |p| / |g| * g) / sqrt(1 + learning_rate^2), by arrays.

    Source: Bernstein et al., On the distance between two neural networks and the stability of
    learning, 2020.
    """

    def shrinking(rate: Any) -> Any:
        return 1 / (1 + rate * rate) ** 0.5

    if callable(learning_rate):
        rate = learning_rate
        step: Any = lambda count: shrinking(rate(count)) * rate(count)  # noqa: E731
        decay: Any = lambda count: shrinking(rate(count)) - 1  # noqa: E731
    else:
        step, decay = shrinking(learning_rate) * learning_rate, shrinking(learning_rate) - 1
    return chain(
        scale_by_trust_ratio(min_norm), scale_by_learning_rate(step), add_decayed_weights(decay)
    )


# ---------------------------------------------------------------- of second order


@explained
def lbfgs(
    learning_rate: ScalarOrSchedule | None = None,
    memory_size: int = 10,
    scale_init_precond: bool = True,
    linesearch: Optimizer | None = ZOOM,
) -> Optimizer:
    """p <- p - s * learning_rate * H g, with H of the last memory_size changes of p and g, and s by
    the line search. It is for gradients of all data: noise spoils H.

    `update(grad, state, params, value=, grad=, value_fn=)`; value_and_grad_from_state gives value
    and grad as the search left them. linesearch=None: s is 1.
    Source: Liu and Nocedal, On the limited memory BFGS method, 1989.
    """
    rate = scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate)
    return chain(scale_by_lbfgs(memory_size, scale_init_precond), rate, linesearch or identity())
