"""Log-densities, distribution functions and quantiles, by the names of scipy.stats."""

from . import continuous as _continuous
from . import discrete as _discrete
from .continuous import *  # noqa: F403
from .discrete import *  # noqa: F403

__all__: list[str] = []
__all__ += _continuous.__all__
__all__ += _discrete.__all__
