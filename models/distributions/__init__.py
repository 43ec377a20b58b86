"""Distributions as trees of their parameters: the names of wonderland.distributions.

`distribution.py` says what all have. `real.py` has those of real numbers, `whole.py` those of whole
numbers, `joint.py` those of vectors and those made of others; `divergence.py` is the table of kl.
"""

from . import divergence as _divergence
from . import joint as _joint
from . import real as _real
from . import whole as _whole
from .distribution import Distribution
from .divergence import *  # noqa: F403
from .joint import *  # noqa: F403
from .real import *  # noqa: F403
from .whole import *  # noqa: F403

__all__ = ["Distribution"]
__all__ += _divergence.__all__
__all__ += _joint.__all__
__all__ += _real.__all__
__all__ += _whole.__all__
