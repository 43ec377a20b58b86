"""Optimisers and schedules of their rates: the names of wonderland.optim.

`transformation.py` says what an optimizer is. `moments.py`, `momentum.py`, `factored.py`,
`scaling.py`, `limits.py`, `lbfgs.py` and `line_search.py` have the formulas, `adam.py` and
`optimisers.py` chain them; `masks.py` and `wrappers.py` are around them.
"""

from . import adam as _adam
from . import factored as _factored
from . import lbfgs as _lbfgs
from . import limits as _limits
from . import line_search as _line_search
from . import masks as _masks
from . import moments as _moments
from . import momentum as _momentum
from . import optimisers as _optimisers
from . import scaling as _scaling
from . import schedules as _schedules
from . import transformation as _transformation
from . import trees as _trees
from . import wrappers as _wrappers
from .adam import *  # noqa: F403
from .factored import *  # noqa: F403
from .lbfgs import *  # noqa: F403
from .limits import *  # noqa: F403
from .line_search import *  # noqa: F403
from .masks import *  # noqa: F403
from .moments import *  # noqa: F403
from .momentum import *  # noqa: F403
from .optimisers import *  # noqa: F403
from .scaling import *  # noqa: F403
from .schedules import *  # noqa: F403
from .transformation import *  # noqa: F403
from .trees import *  # noqa: F403
from .wrappers import *  # noqa: F403

__all__: list[str] = []
__all__ += _adam.__all__
__all__ += _factored.__all__
__all__ += _lbfgs.__all__
__all__ += _limits.__all__
__all__ += _line_search.__all__
__all__ += _masks.__all__
__all__ += _moments.__all__
__all__ += _momentum.__all__
__all__ += _optimisers.__all__
__all__ += _scaling.__all__
__all__ += _schedules.__all__
__all__ += _transformation.__all__
__all__ += _trees.__all__
__all__ += _wrappers.__all__
