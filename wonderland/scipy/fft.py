"""scipy.fft's names: those of wonderland.numpy.fft, and cosine transforms.

    energies = wl.scipy.fft.dct(x, norm="ortho") ** 2

Cosine transforms of type 2: dct, idct, dctn, idctn.
Fourier transforms: fft, ifft, fft2, ifft2, fftn, ifftn; of real numbers rfft, irfft, rfft2, irfft2,
rfftn, irfftn, hfft, ihfft. Frequencies: fftfreq, rfftfreq, fftshift, ifftshift.
"""

from ..compiler.front.scipy.fft import *  # noqa: F403
from ..compiler.front.scipy.fft import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
