"""Recipes of training by many processes, in functions of named axes.

    step = wl.vmap(value_and_grad(loss, "data"), (None, 0), None, axis_name="data")
    value, grads = step(w, xs.reshape(2, 2, 3))

In: trees of arrays, losses, optimizers, layers, the name of an axis that processes or applications
of vmap are along. Out: what each of them computes.
"""

from . import context as _context
from . import gradients as _gradients
from . import pipeline as _pipeline
from . import specs as _specs
from . import tensor as _tensor
from . import zero as _zero
from .context import *  # noqa: F403
from .gradients import *  # noqa: F403
from .pipeline import *  # noqa: F403
from .specs import *  # noqa: F403
from .tensor import *  # noqa: F403
from .zero import *  # noqa: F403

__all__: list[str] = []
__all__ += _context.__all__
__all__ += _gradients.__all__
__all__ += _pipeline.__all__
__all__ += _specs.__all__
__all__ += _tensor.__all__
__all__ += _zero.__all__
