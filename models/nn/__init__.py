"""Activations, losses, layers, pooling and initial weights: the names of wonderland.nn."""

from . import functions as _functions
from . import initializers as _initializers
from . import pooling as _pooling
from .functions import *  # noqa: F403
from .initializers import *  # noqa: F403
from .pooling import *  # noqa: F403

__all__: list[str] = []
__all__ += _functions.__all__
__all__ += _initializers.__all__
__all__ += _pooling.__all__
