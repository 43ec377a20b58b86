"""The names of jax.lax: primitives, loops, branches, named axes, gathers, convolutions, windows."""

from . import collectives as _collectives
from . import convolution as _convolution
from . import dimension_numbers as _dimension_numbers
from . import fft as _fft
from . import lax as _lax
from . import patches as _patches
from . import primitives as _primitives
from . import solves as _solves
from . import spatial as _spatial
from . import whole as _whole
from . import windows as _windows
from .collectives import *  # noqa: F403
from .convolution import *  # noqa: F403
from .dimension_numbers import *  # noqa: F403
from .fft import *  # noqa: F403
from .lax import *  # noqa: F403
from .patches import *  # noqa: F403
from .primitives import *  # noqa: F403
from .solves import *  # noqa: F403
from .spatial import *  # noqa: F403
from .whole import *  # noqa: F403
from .windows import *  # noqa: F403

__all__: list[str] = []
__all__ += _collectives.__all__
__all__ += _convolution.__all__
__all__ += _dimension_numbers.__all__
__all__ += _fft.__all__
__all__ += _lax.__all__
__all__ += _patches.__all__
__all__ += _primitives.__all__
__all__ += _solves.__all__
__all__ += _spatial.__all__
__all__ += _whole.__all__
__all__ += _windows.__all__
