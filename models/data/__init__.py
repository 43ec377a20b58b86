"""Real data, read from packages that are installed: a loader is a function of a seed.

    split = wl.models.data.digits()
    images, labels = split.train

A loader gives a Split: trees of arrays to train and to test on, whose rows are examples. Nothing is
fetched or kept. Where data is not on the machine, MissingData says which command brings it.
"""

from . import austen as _austen
from . import frames as _frames
from . import graphs as _graphs
from . import images as _images
from . import messages as _messages
from . import pronunciation as _pronunciation
from . import sequences as _sequences
from . import series as _series
from . import sounds as _sounds
from . import split as _split
from . import tables as _tables
from . import video as _video
from .austen import *  # noqa: F403
from .frames import *  # noqa: F403
from .graphs import *  # noqa: F403
from .images import *  # noqa: F403
from .messages import *  # noqa: F403
from .pronunciation import *  # noqa: F403
from .sequences import *  # noqa: F403
from .series import *  # noqa: F403
from .sounds import *  # noqa: F403
from .split import *  # noqa: F403
from .tables import *  # noqa: F403
from .video import *  # noqa: F403

__all__: list[str] = []
__all__ += _austen.__all__
__all__ += _frames.__all__
__all__ += _graphs.__all__
__all__ += _images.__all__
__all__ += _messages.__all__
__all__ += _pronunciation.__all__
__all__ += _series.__all__
__all__ += _sounds.__all__
__all__ += _split.__all__
__all__ += _tables.__all__
__all__ += _sequences.__all__
__all__ += _video.__all__


def __dir__() -> list[str]:
    return __all__
