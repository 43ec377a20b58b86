"""scipy.signal's convolutions.

    smooth = wl.scipy.signal.convolve(x, np.ones(5) / 5, mode="same")

Arrays of any number of axes: convolve, correlate, fftconvolve; matrices convolve2d, correlate2d.
Without a trend: detrend.
"""

from ..compiler.front.scipy.signal import *  # noqa: F403
from ..compiler.front.scipy.signal import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
