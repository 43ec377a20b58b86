"""scipy.special's functions of numbers, by its names.

    odds = wl.special.logit(wl.special.expit(x))
    tail = wl.special.ndtr(-x)

SciPy's own functions on traced values do the same. All are differentiable to any order, in every
argument that is a real number.
Normal distribution: erf, erfc and wofz, of complex numbers too; erfcx, erfinv, erfcinv, ndtr,
log_ndtr, ndtri.
Gamma: gamma, gammaln, loggamma, gammasgn, digamma, psi, polygamma, zeta, multigammaln, factorial,
poch, rgamma; of two numbers beta, betaln, binom, comb; incomplete gammainc, gammaincc, betainc.
Bessel: j0, j1, jn, bessel_jn, y0, y1, yn; modified i0, i0e, i1, i1e, iv, ive.
Exponential integrals: exp1, expi, expn.
Logistic: expit, log_expit, logit; softmax, log_softmax, logsumexp of arrays.
Entropy, with 0 log 0 = 0: entr, rel_entr, kl_div, xlogy, xlog1py. Also log1mexp.
Others: spence, cosm1, cbrt, exp2, exp10, expm1, log1p, round; bernoulli, the numbers up to one.
Statistics: boxcox, boxcox1p, inv_boxcox, inv_boxcox1p, exprel, huber, pseudo_huber.
"""

from .compiler.front.special import *  # noqa: F403
from .compiler.front.special import __all__ as __all__
