"""What programs written for JAX call, where others do the work: a port is a change of imports."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ...ir.explain import explained
from ...ir.types import Type
from ...trace.trace import aval
from .custom import custom_vjp

P = ParamSpec("P")
R = TypeVar("R")

INSTEAD = {
    "config": "the settings, as wl.check_nans() or WONDERLAND_CHECK_NANS=1",
    "make_jaxpr": "wl.trace(f, *args).graph, which prints",
    "closure_convert": "the function itself: rules may close over traced values",
    "clear_caches": "del f: programs die with the function that jit gave",
    "default_device": "wl.device(...)",
    "debug_nans": "wl.check_nans()",
    "debug_infs": "wl.check(np.all(np.isfinite(x)))",
    "debug_key_reuse": "wl.random.split(key)",
    "effects_barrier": "the call itself, which waits for its effects",
    "enable_x64": "dtypes as arrays have them, or wl.default_dtype",
    "ensure_compile_time_eval": "NumPy itself: of constants it runs while tracing",
    "explain_cache_misses": "logging.getLogger('wonderland').setLevel('INFO')",
    "log_compiles": "logging.getLogger('wonderland').setLevel('INFO')",
    "fwd_and_bwd": "wl.vjp(f, *args)",
    "pmap": "wl.distributed.spmd(f, mesh) in processes, or wl.vmap(f) in one",
    "shard_map": "wl.distributed.spmd(f, mesh) in processes, or wl.vmap(f) in one",
    "make_mesh": "wl.distributed.mesh(axes)",
    "print_environment_info": "python -m wonderland doctor",
    "numpy_dtype_promotion": "wl.default_dtype",
    "new_ref": "values that are returned, or wl.lax.scan",
    "float0": "wl.jvp's tangents of integers",
}
"""Names of jax that are not here, and what does it."""


def not_here(name: str) -> AttributeError:
    """The error for a name that wonderland has not."""
    instead = INSTEAD.get(name)
    text = f"wonderland has no {name}" + (f"\ntry: {instead}" if instead else "")
    return AttributeError(text, name=name)


@explained
def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose gradient it gives itself: fun(*args) is (value, rule), rule(ct) the
    cotangents of the arguments, in a tuple where they are several.

    Example:
    >>> @custom_gradient
    ... def clipped(x):
    ...     return x * x, lambda ct: np.clip(ct * 2 * x, -1, 1)
    >>> wonderland.grad(clipped)(3.0)
    array(1.)
    """

    def value(*args: Any) -> Any:
        return fun(*args)[0]

    def backward(args: tuple[Any, ...], ct: Any) -> tuple[Any, ...]:
        found = fun(*args)[1](ct)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)

    ruled = custom_vjp(functools.wraps(fun)(value))
    ruled.defvjp(lambda *args: (value(*args), args), backward)
    return ruled


@contextlib.contextmanager
def _nothing() -> Any:
    yield


def named_scope(name: str) -> contextlib.AbstractContextManager[None]:
    """Does nothing: graphs say the user's line of every node."""
    return _nothing()


def named_call(fun: Callable[P, R], *, name: str | None = None) -> Callable[P, R]:
    """The function itself: graphs say the user's line of every node."""
    return fun


@explained
def typeof(x: Any) -> Type:
    """The type of an array, a number or a traced value, printed as graphs do: f32[3, 4]."""
    return aval(x)[0]
