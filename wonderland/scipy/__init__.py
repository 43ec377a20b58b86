"""SciPy's names over traced arrays, so that a port is a change of imports.

    from wonderland.scipy import stats

    def negative_log_likelihood(mean, size, xs):
        return -np.sum(stats.norm.logpdf(xs, mean, size))

    slopes = wl.grad(negative_log_likelihood, (0, 1))(0.5, 2.0, xs)

Functions of numbers: special. Densities and probabilities: stats. Matrices: linalg. Convolutions:
signal. Transforms: fft.
"""

from . import fft, linalg, signal, special, stats

__all__ = ["fft", "linalg", "signal", "special", "stats"]


def __dir__() -> list[str]:
    return __all__
