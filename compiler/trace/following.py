"""f64 that nobody asked for: results of functions follow typed floats, as their operands do."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np

from ..ir.types import NAMES, NUMPY
from ..ops.elementwise import cast
from ..settings import active as active_settings
from .operands import NARROW, SCALARS, is_wide, new
from .tracer import Tracer, current

P = ParamSpec("P")
DTYPES = ("dtype", "new_dtype", "preferred_element_type", "result_dtype", "out_dtype")
"""Parameters that ask for a dtype."""


def following(function: Callable[P, Any]) -> Callable[P, Any]:
    """The function, whose results of f64 are weak where nobody asked for them."""
    places: tuple[int, ...] | None = None  # found when they are asked for, which takes 20 us

    @functools.wraps(function)
    def traced(*args: P.args, **options: P.kwargs) -> Any:
        nonlocal places
        found = function(*args, **options)
        traced = isinstance(found, Tracer)
        wide = found.type.dtype in NARROW if traced else isinstance(found, tuple)
        if not wide:
            return found
        if places is None:
            places = _dtype_places(function)
        return found if asks_wide(args, options, places) else followers(found)

    return traced


def _dtype_places(function: Callable[..., Any]) -> tuple[int, ...]:
    parameters = inspect.signature(function).parameters.values()
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    placed = itertools.takewhile(lambda p: p.kind in kinds, parameters)
    return tuple(k for k, p in enumerate(placed) if p.name in DTYPES)


def asks_wide(args: Sequence[Any], options: Mapping[str, Any], places: Sequence[int] = ()) -> bool:
    """Whether an argument asks for f64: a dtype that is given, an array of f64 that is typed, or a
    function, which may close over one."""
    if any(options.get(n) is not None for n in DTYPES):
        return True
    if any(k < len(args) and args[k] is not None for k in places):
        return True
    return any(map(_wide, (*args, *options.values())))


def _wide(x: Any) -> bool:
    if isinstance(x, Tracer):
        return not x.weak and x.type.dtype in NARROW
    if isinstance(x, (list, tuple)):
        return any(map(_wide, x))
    if current() is None and isinstance(x, np.ndarray):
        return is_wide(x)
    return isinstance(x, np.dtype) or (callable(x) and x not in SCALARS)


def followers(found: Any) -> Any:
    """Results of f64 as what follows typed floats; by the setting default_dtype f32 already."""
    if isinstance(found, tuple):
        parts = map(followers, found)
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    if not isinstance(found, Tracer) or found.type.dtype not in NARROW:
        return found
    if active_settings().default_dtype == "f32":
        return new(cast(found.value, NARROW[found.type.dtype]), weak=True)
    found.weak = True
    return found


def narrowed(found: Any, wanted: bool) -> Any:
    """What NumPy made outside of a trace, by the setting default_dtype f32."""
    if isinstance(found, tuple):
        parts = [narrowed(x, wanted) for x in found]
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    if wanted or not is_wide(found):
        return found
    return found.astype(NUMPY[NARROW[NAMES[found.dtype]]])
