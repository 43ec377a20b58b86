"""scipy.special's functions of numbers, by its names.

    odds = wl.special.logit(wl.special.expit(x))
    tail = wl.special.ndtr(-x)

Normal distribution: erf, erfc, erfinv, ndtr. Gamma: gammaln, digamma, psi.
Logistic: expit, log_expit, logit. Entropy, with 0 log 0 = 0: entr, xlogy, xlog1py. Also log1mexp.
"""

from .compiler.front.special import *  # noqa: F403
from .compiler.front.special import __all__ as __all__
