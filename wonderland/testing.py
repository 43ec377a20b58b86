"""Checks for users and for the library: of derivatives by differences, of an op by its samples.

    wl.testing.check_gradients(loss, params, batch)

check_gradients raises where a derivative of any order and mode is not what differences say,
check_op where rules of an op contradict each other or its reference (check_sample, check_batch and
check_compiled are its parts). arrays and shapes are strategies of hypothesis; random_array,
random_normal and sample_arrays draw with a generator of NumPy's.
"""

from .compiler.testing import *  # noqa: F403
from .compiler.testing import __all__ as __all__
