"""Adam and its family: gradients over running means of their sizes, each a chain."""

from __future__ import annotations

from typing import Any

from ...compiler.ir.explain import explained
from .factored import scale_by_novograd
from .limits import add_decayed_weights
from .moments import (
    scale_by_adam,
    scale_by_adamax,
    scale_by_adan,
    scale_by_amsgrad,
    scale_by_belief,
    scale_by_radam,
    scale_by_yogi,
)
from .momentum import scale_by_optimistic_gradient
from .scaling import scale_by_learning_rate, scale_by_trust_ratio
from .transformation import Optimizer, ScalarOrSchedule, chain

__all__ = [
    "adabelief",
    "adam",
    "adamax",
    "adamaxw",
    "adamw",
    "adan",
    "amsgrad",
    "lamb",
    "nadam",
    "nadamw",
    "novograd",
    "optimistic_adam_v2",
    "radam",
    "yogi",
]


@explained
def adam(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    p <- p - learning_rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t) + eps_root) + eps).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@explained
def adamw(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """adam, and p <- p - learning_rate * weight_decay * p where the mask is true.

    `mask`: a tree of bools, or a function of params that gives one; None is true everywhere.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@explained
def nadam(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
) -> Optimizer:
    """adam with b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t) for m / (1 - b1^t).

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)


@explained
def nadamw(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = True,
) -> Optimizer:
    """nadam, and p <- p - learning_rate * weight_decay * p where the mask is true.

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016; Loshchilov and Hutter, Decoupled
    weight decay regularization, 2019.
    """
    return adamw(
        learning_rate, b1, b2, eps, eps_root, mu_dtype, weight_decay, mask, nesterov=nesterov
    )


@explained
def optimistic_adam_v2(
    learning_rate: ScalarOrSchedule,
    *,
    alpha: Any = 1.0,
    beta: Any = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    nesterov: bool = True,
) -> Optimizer:
    """p <- p - learning_rate * ((alpha + beta) u - beta w), with the step u of nadam and the step w
    before it.

    Source: Daskalakis et al., Training GANs with optimism, 2018.
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )


@explained
def amsgrad(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> Optimizer:
    """adam over the largest v / (1 - b2^t) until now.

    Source: Reddi, Kale, Kumar, On the convergence of Adam and beyond, 2018.
    """
    return chain(
        scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu),
        scale_by_learning_rate(learning_rate),
    )


@explained
def adamax(
    learning_rate: ScalarOrSchedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> Optimizer:
    """m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);
    p <- p - learning_rate * (m / (1 - b1^t)) / u.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, section 7, 2015.
    """
    return chain(scale_by_adamax(b1, b2, eps), scale_by_learning_rate(learning_rate))


@explained
def adamaxw(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Any = None,
) -> Optimizer:
    """adamax, and p <- p - learning_rate * weight_decay * p where the mask is true.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    return chain(
        scale_by_adamax(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@explained
def adabelief(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-16,
    eps_root: float = 1e-16,
    weight_decay: ScalarOrSchedule | None = None,
    weight_decay_mask: Any = None,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """adam with v <- b2 v + (1 - b2) (g - m)^2 + eps_root.

    Source: Zhuang et al., AdaBelief optimizer, 2020.
    """
    parts = [scale_by_belief(b1, b2, eps, eps_root, nesterov=nesterov)]
    if weight_decay is not None:
        parts.append(add_decayed_weights(weight_decay, weight_decay_mask))
    return chain(*parts, scale_by_learning_rate(learning_rate))


@explained
def yogi(
    learning_rate: ScalarOrSchedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-3
) -> Optimizer:
    """adam with v <- v - (1 - b2) sign(v - g^2) g^2.

    Source: Zaheer et al., Adaptive methods for nonconvex optimization, 2018.
    """
    return chain(scale_by_yogi(b1, b2, eps), scale_by_learning_rate(learning_rate))


@explained
def radam(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    threshold: float = 5.0,
    *,
    nesterov: bool = False,
) -> Optimizer:
    """adam times a factor that says how well v is known, at first without v.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020.
    """
    return chain(
        scale_by_radam(b1, b2, eps, eps_root, threshold, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@explained
def adan(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.98,
    b2: float = 0.92,
    b3: float = 0.99,
    eps: float = 1e-8,
    eps_root: float = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> Optimizer:
    """p <- p - learning_rate * ((m + (1 - b2) v) / (sqrt(n + eps_root) + eps) + weight_decay * p),
    with running means m of g, v of its change d, n of (g + (1 - b2) d)^2.

    Source: Xie et al., Adan: adaptive Nesterov momentum algorithm, 2022.
    """
    return chain(
        scale_by_adan(b1, b2, b3, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@explained
def novograd(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.25,
    eps: float = 1e-6,
    eps_root: float = 0.0,
    weight_decay: float = 0.0,
) -> Optimizer:
    """v <- b2 v + (1 - b2) |g|^2, one number for each array;
    m <- b1 m + g / (sqrt(v) + eps) + weight_decay * p;  p <- p - learning_rate * m.

    Source: Ginsburg et al., Stochastic gradient methods with layer-wise adaptive moments, 2019.
    """
    return chain(
        scale_by_novograd(b1, b2, eps, eps_root, weight_decay),
        scale_by_learning_rate(learning_rate),
    )


@explained
def lamb(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-6,
    eps_root: float = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> Optimizer:
    """p <- p - learning_rate * |p| / |u| * u for each array, with the step u of adamw.

    Source: You et al., Large batch optimization for deep learning, 2020.
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )
