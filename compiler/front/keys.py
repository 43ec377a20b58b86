"""What jax.random says about keys: here a key is an array u32[2], of the one generator there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.explain import explained
from ..ir.types import Type, dtype_name
from ..trace.operands import wrong
from ..trace.tracer import Tracer

__all__ = ["clone", "key_data", "key_impl", "wrap_key_data"]

GENERATOR = "threefry2x32"


def known_generator(name: str, impl: Any) -> None:
    """Refuses generators other than Threefry."""
    if impl not in (None, GENERATOR):
        raise wrong(f"{name}: impl='{GENERATOR}' is required, got {impl!r:.40}", f"{name}(seed)")


@explained
def clone(key: Any) -> Any:
    """The key itself, for one more use of it that is meant."""
    return key


@explained
def key_data(keys: Any) -> Any:
    """The words u32[..., 2] of keys: the keys themselves."""
    return wrap_key_data(keys)


@explained
def key_impl(keys: Any) -> str:
    """The name of the generator that keys are for."""
    return GENERATOR


@explained
def wrap_key_data(key_bits_array: Any, *, impl: Any = None) -> Any:
    """Keys of words u32[..., 2]: the words themselves."""
    known_generator("wrap_key_data", impl)
    words = key_bits_array if isinstance(key_bits_array, Tracer) else np.asarray(key_bits_array)
    if words.dtype != np.uint32 or words.shape[-1:] != (2,):
        got = Type(dtype_name(words.dtype), words.shape)
        raise wrong(f"wrap_key_data: words u32[..., 2] are required, got {got}")
    return words
