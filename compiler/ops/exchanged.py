"""Transfers as the interpreter does them: at once, of arrays."""

from __future__ import annotations

import numpy as np

from ...runtime.processes.world import world
from ...runtime.rows import Transfer
from ..ir.types import Type


def exchanged_array(transfer: Transfer, x: np.ndarray, out: Type) -> np.ndarray:
    """The result, of type `out`; complex numbers go as the two parts that a transfer may be of."""
    flat = np.ascontiguousarray(x).reshape(-1).view(transfer.dtype)
    return world().exchanged(transfer, flat).view(out.numpy).reshape(out.shape)
