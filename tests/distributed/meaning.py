"""What transfers between processes mean, by NumPy: the reference of the engine and of all fakes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

COMBINED: dict[str, Any] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


def received(
    kind: str, operands: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]] = ()
) -> list[np.ndarray]:
    """What each place gets of the flat operands of all; sums are in the order of places."""
    n = len(operands)
    match kind:
        case "gather":
            return [np.concatenate(operands)] * n
        case "scatter":
            return list(reduce(np.add, operands).reshape(n, -1))
        case "exchange":
            parts = [x.reshape(n, -1) for x in operands]
            return [np.concatenate([x[own] for x in parts]) for own in range(n)]
        case "permute":
            moved = {to: operands[source] for source, to in pairs}
            return [moved.get(own, np.zeros_like(x)) for own, x in enumerate(operands)]
    return [reduce(COMBINED[kind], operands)] * n
