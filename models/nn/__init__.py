"""Activations, losses, layers and initial weights: the names of wonderland.nn."""

from . import functions as _functions
from . import initializers as _initializers
from .functions import *  # noqa: F403
from .initializers import *  # noqa: F403

__all__: list[str] = []
__all__ += _functions.__all__
__all__ += _initializers.__all__
