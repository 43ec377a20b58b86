"""Log-densities, distribution functions and quantiles of scipy.stats.

    log_likelihood = np.sum(wl.scipy.stats.norm.logpdf(xs, loc=mean, scale=size))
    tail = wl.scipy.stats.gamma.sf(xs, a=2.0)

A distribution is an object that holds functions: of real numbers logpdf, pdf, and where it has them
cdf, logcdf, sf, logsf, ppf, isf; of whole numbers logpmf, pmf, cdf, ppf. Parameters go by SciPy's
names and order, `loc` and `scale` last. All are differentiable, in the parameters too: outside of
the support values are -inf or 0 and derivatives 0, as they are where a density is 0 or infinite.
Parameters outside of their domain give NaN, in values and derivatives. Far in tails values are
those of mathematics, where SciPy's overflow.
Real numbers: beta, cauchy, chi2, expon, gamma, gennorm, gumbel_l, gumbel_r, laplace, logistic,
norm, pareto, t, truncnorm, uniform, vonmises, wrapcauchy.
Whole numbers: bernoulli, betabinom, binom, geom, nbinom, poisson.
Vectors: dirichlet, multinomial, multivariate_normal, which has an entropy too; with allow_singular
its covariance may span a space of fewer dimensions, in which the density is.
"""

from ..compiler.front.scipy.stats import *  # noqa: F403
from ..compiler.front.scipy.stats import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
