"""Optimisers and schedules of their rates: the names of wonderland.optim."""

from . import optimisers as _optimisers
from . import schedules as _schedules
from .optimisers import *  # noqa: F403
from .schedules import *  # noqa: F403

__all__: list[str] = []
__all__ += _optimisers.__all__
__all__ += _schedules.__all__
