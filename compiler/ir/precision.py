"""How precise products of f32 are, by the names of JAX.

highest, float32                                  f32: the factors as they are
default, fastest, high, tensorfloat32             tf32: rounded to 11 bits for the tensor cores
bfloat16                                          bf16: rounded to 8 bits

Sums are always f32. A processor, and a GPU without tensor cores, multiplies the factors as they
are: a product is at least as precise as it is asked to be. Other dtypes are as precise as they are.
"""

from __future__ import annotations

import enum
from typing import Any

from .errors import ProgramError


class Precision(enum.Enum):
    """`jax.lax.Precision`: DEFAULT and HIGH are tf32, HIGHEST is f32."""

    DEFAULT = "default"
    HIGH = "high"
    HIGHEST = "highest"


FACTORS = ("bf16", "tf32", "f32")
"""What factors are rounded to, the least precise first."""

NAMES = {
    "highest": "f32", "float32": "f32", "F32_F32_F32": "f32", "bfloat16_3x": "f32",
    "default": "tf32", "fastest": "tf32", "high": "tf32", "tensorfloat32": "tf32",
    "TF32_TF32_F32": "tf32", "bfloat16": "bf16", "BF16_BF16_F32": "bf16",
}  # fmt: skip


def factors_of(precision: Any, of: str = "precision") -> str:
    """What factors are rounded to; of a pair, one for each factor, the more precise."""
    if isinstance(precision, tuple | list) and len(precision) == 2:
        return max((factors_of(p, of) for p in precision), key=FACTORS.index)
    name = precision.value if isinstance(precision, Precision) else precision
    if isinstance(name, str) and name in FACTORS:
        return name
    if not isinstance(name, str) or name not in NAMES:
        raise ProgramError(
            f"{of}: one of {', '.join(n for n in NAMES if n.islower())} is required, "
            f"got {precision!r:.40}"
        )
    return NAMES[name]
