"""Activations, losses, layers, attention, pooling and first weights: the names of wonderland.nn."""

from . import activations as _activations
from . import attention as _attention
from . import augmentation as _augmentation
from . import convolutions as _convolutions
from . import ctc as _ctc
from . import functions as _functions
from . import layer as _layer
from . import linear as _linear
from . import losses as _losses
from . import multihead as _multihead
from . import normalisation as _normalisation
from . import pooling as _pooling
from . import positions as _positions
from . import recurrence as _recurrence
from . import recurrent as _recurrent
from . import regularisation as _regularisation
from . import tokenwise as _tokenwise
from . import weights as _weights
from .activations import *  # noqa: F403
from .attention import *  # noqa: F403
from .augmentation import *  # noqa: F403
from .convolutions import *  # noqa: F403
from .ctc import *  # noqa: F403
from .functions import *  # noqa: F403
from .layer import *  # noqa: F403
from .linear import *  # noqa: F403
from .losses import *  # noqa: F403
from .multihead import *  # noqa: F403
from .normalisation import *  # noqa: F403
from .pooling import *  # noqa: F403
from .positions import *  # noqa: F403
from .recurrence import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .regularisation import *  # noqa: F403
from .tokenwise import *  # noqa: F403
from .weights import *  # noqa: F403

__all__: list[str] = []
__all__ += _activations.__all__
__all__ += _attention.__all__
__all__ += _augmentation.__all__
__all__ += _convolutions.__all__
__all__ += _ctc.__all__
__all__ += _functions.__all__
__all__ += _layer.__all__
__all__ += _linear.__all__
__all__ += _losses.__all__
__all__ += _multihead.__all__
__all__ += _normalisation.__all__
__all__ += _pooling.__all__
__all__ += _positions.__all__
__all__ += _recurrence.__all__
__all__ += _recurrent.__all__
__all__ += _regularisation.__all__
__all__ += _tokenwise.__all__
__all__ += _weights.__all__
