"""numpy.linalg: traced in a function that is being traced, NumPy's own functions outside."""

from ..compiler.front.numpy.linalg import *  # noqa: F403
from ..compiler.front.numpy.linalg import __all__ as __all__
