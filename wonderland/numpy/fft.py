"""NumPy's transforms: traced in a function that is being traced, NumPy's own functions outside.

    import wonderland.numpy as wnp

    def filtered(x, response):
        return wnp.fft.irfft(wnp.fft.rfft(x) * response, x.shape[-1])

np.fft's functions on traced values do the same. Each is differentiable in both modes, and computed
in f32 for f32 and halves. Compiled programs transform few points by products with matrices of
roots of unity, up to rounding, and more on the host between kernels, where the bits are NumPy's.
Of complex numbers: fft, ifft, fft2, ifft2, fftn, ifftn.
Of real ones: rfft, irfft, rfft2, irfft2, rfftn, irfftn; their inverses as transforms: hfft, ihfft.
Places and frequencies: fftshift, ifftshift, fftfreq, rfftfreq.
"""

from ..compiler.front.numpy.fft import *  # noqa: F403
from ..compiler.front.numpy.fft import __all__ as __all__
