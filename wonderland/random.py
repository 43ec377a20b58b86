"""Random numbers from keys, to the bit of jax.random's: the same everywhere, on every run.

    key = wl.random.key(0)
    first, second = wl.random.split(key)
    noise = wl.random.normal(first, (3, 2))
    coins = wl.random.bernoulli(second, 0.5, (4,))

Keys: key, PRNGKey, split, fold_in; bits are numbers of all bits.
Uniform: uniform, randint, bernoulli, rademacher, permutation, choice, categorical.
Normal and near it: normal, truncated_normal, lognormal, maxwell, double_sided_maxwell, rayleigh,
wald, ball, generalized_normal.
Others: beta, binomial, cauchy, chisquare, dirichlet, exponential, f, gamma, geometric, gumbel,
laplace, loggamma, logistic, multinomial, pareto, poisson, t, triangular, weibull_min.
"""

from .compiler.front import random as _random
from .compiler.front import rejection as _rejection
from .compiler.front.random import *  # noqa: F403
from .compiler.front.rejection import *  # noqa: F403

__all__: list[str] = []
__all__ += _random.__all__
__all__ += _rejection.__all__
del _random, _rejection
