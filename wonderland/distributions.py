"""Distributions of numbers and vectors, by the names of torch.distributions.

    weight = wl.distributions.Normal(np.zeros(3, np.float32), 1.0)
    draws = weight.sample(wl.random.key(0), (1000,))
    fit = -np.mean(wl.distributions.Normal(np.mean(draws, axis=0), 2.0).log_prob(draws))
    far = wl.distributions.kl(weight, wl.distributions.Normal(0.5, 2.0))

A distribution is a tree of its parameters, which broadcast against each other: it goes through jit,
grad and vmap, and can be trained. It has sample(key, shape), log_prob, cdf, icdf, entropy, mean,
variance, stddev, batch_shape and event_shape, as far as they are known; others say how to estimate
them. Draws of real numbers have derivatives in the parameters, those of whole numbers and of
mixtures have none. Parameters outside of their domain give NaN.
Real numbers: Normal, LogNormal, StudentT, Laplace, Uniform, Exponential, Gamma, Beta.
Whole numbers: Bernoulli, Binomial, Categorical, Poisson.
Vectors: MultivariateNormal, Dirichlet. Of others: Mixture, Independent. All are a Distribution.
Divergences: kl(p, q).
"""

from .models.distributions import *  # noqa: F403
from .models.distributions import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
