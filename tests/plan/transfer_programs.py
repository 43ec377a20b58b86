"""Random programs of matrices that send much of what they compute along the axis "i"."""

from __future__ import annotations

from typing import Any

import numpy as np

import wonderland as wl


def drawn(seed: int, depth: int, known: list[Any]) -> list[Any]:
    """Values of products, kernels, transfers, loops and branches, of matrices that are given."""
    rng = np.random.default_rng([seed, depth])
    first = len(known)
    for _ in range(5 if depth else 10):
        a, b = (known[k] for k in rng.integers(0, len(known), 2))
        match rng.integers(0, 7 if depth == 2 else 10):
            case 0:
                made = np.tanh(a @ b)
            case 1:
                made = np.cos(a) + b
            case 2:
                made = wl.lax.psum(np.tanh(a), "i")
            case 3:
                made = wl.lax.pmax(a, "i") * wl.lax.psum(np.tanh(b), "i")
            case 4:
                made = wl.lax.all_gather(a, "i")[1]
            case 5:
                made = wl.lax.psum_scatter(np.stack([a, b]), "i")
            case 6:
                made = wl.lax.ppermute(a, "i", [(0, seed % 2)])
            case 7 | 8:

                def turn(carry: Any, x: Any, a: Any = a) -> tuple[Any, Any]:
                    values = drawn(seed, depth + 1, [carry, a + x])
                    return np.tanh(values[-1]), values[-2]

                made, stacked = wl.lax.scan(turn, b, np.arange(3.0))
                known.append(stacked[1])
            case _:
                cases = [lambda a, b, k=k: drawn(seed + k, depth + 1, [a, b])[-1] for k in range(2)]
                made = wl.lax.cond(a[0, 0] > 0, *cases, a, b)
        known.append(made)
    return known[first:]
