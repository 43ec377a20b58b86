"""Random numbers from keys, to the bit of jax.random's: the same everywhere, on every run.

    key = wl.random.key(0)
    first, second = wl.random.split(key)
    noise = wl.random.normal(first, (3, 2))
    coins = wl.random.bernoulli(second, 0.5, (4,))

Keys: key, PRNGKey, split, fold_in; bits are numbers of all bits. Of use in ports, since a key is
its words: clone, key_data, key_impl, wrap_key_data.
Uniform: uniform, randint, bernoulli, rademacher, permutation, choice, categorical.
Normal and near it: normal, truncated_normal, lognormal, maxwell, double_sided_maxwell, rayleigh,
wald, ball, generalized_normal, multivariate_normal; orthogonal matrices.
Others: beta, binomial, cauchy, chisquare, dirichlet, exponential, f, gamma, geometric, gumbel,
laplace, loggamma, logistic, multinomial, pareto, poisson, t, triangular, weibull_min.
"""

from .compiler.front import keys as _keys
from .compiler.front import random as _random
from .compiler.front import random_matrices as _random_matrices
from .compiler.front import rejection as _rejection
from .compiler.front.keys import *  # noqa: F403
from .compiler.front.random import *  # noqa: F403
from .compiler.front.random_matrices import *  # noqa: F403
from .compiler.front.rejection import *  # noqa: F403

__all__: list[str] = []
__all__ += _keys.__all__
__all__ += _random.__all__
__all__ += _random_matrices.__all__
__all__ += _rejection.__all__
del _keys, _random, _random_matrices, _rejection
