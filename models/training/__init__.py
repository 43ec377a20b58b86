"""Training: batches prepared while the step runs, one compiled step, checkpoints, a curve.

    found = wl.fit(loss, params, batch, wl.optim.adam(1e-3), epochs=5, batch_size=2)
    found.model, found.history[-1].loss

In: a loss, a model, trees of arrays. Out: `fit` and what it gives, a Fit of Epochs, and `evaluate`.
Begin with `fit.py`; `run` is the loop, `batches` the rows, `step` the program, `checkpoints` the
files, `progress` what is seen, `result` what is given.
"""

from .fit import evaluate, fit
from .result import Epoch, Fit

__all__ = ["Epoch", "Fit", "evaluate", "fit"]


def __dir__() -> list[str]:
    return __all__
