"""The libraries that are compared, with their defaults; one that is not installed has no runs.

All peers compute on the same float32 arrays. A run gives its results finished: JAX is waited for,
PyTorch on the processor and NumPy return when they are done. `torch.compile` runs where g++ is.
BENCH_PEERS=wonderland,jax asks these alone; the others are not even imported.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import wonderland as wl

from .harness import Run

PEERS = ("wonderland", "numpy", "jax", "torch", "torch.compile")

Function = Callable[..., Any]

ASKED = tuple(filter(None, os.environ.get("BENCH_PEERS", "").split(","))) or PEERS


def installed(name: str, *peers: str) -> Any:
    """A library that one of the peers needs, if that is asked and it is installed."""
    if not set(peers) & set(ASKED):
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


jax, torch = installed("jax", "jax"), installed("torch", "torch", "torch.compile")
jnp = installed("jax.numpy", "jax")
compiles_torch = torch is not None and shutil.which("g++") is not None


def there(peer: str) -> bool:
    """Whether a peer can run here."""
    needs = {"jax": jax is not None, "torch": torch is not None, "torch.compile": compiles_torch}
    return peer in ASKED and needs.get(peer, True)


def runs(
    arrays: Sequence[np.ndarray], functions: Mapping[str, Function], torch_compile: bool = True
) -> dict[str, Run]:
    """One run for each peer that is there; `functions` by library, on its own kind of arrays.

    `functions["torch.compile"]` is for functions that are not to be compiled as a whole; without
    `torch_compile` it has no run: where it calls the same library as eager PyTorch.
    """
    given = dict(functions)
    if torch_compile and "torch" in given and there("torch.compile"):
        given.setdefault("torch.compile", compiled_by_torch(given["torch"]))
    makers: dict[str, Callable[[Function, Sequence[np.ndarray]], Run]] = {
        "wonderland": lambda f, a: on(wl.jit(f), a),
        "numpy": on,
        "jax": on_jax,
        "torch": on_torch,
        "torch.compile": on_torch,
    }
    return {name: makers[name](f, arrays) for name, f in given.items() if there(name)}


def on(function: Function, arrays: Sequence[Any]) -> Run:
    return lambda: function(*arrays)


def on_jax(function: Function, arrays: Sequence[np.ndarray]) -> Run:
    compiled = jax.jit(function)
    return on(lambda *a: jax.block_until_ready(compiled(*a)), [jnp.asarray(a) for a in arrays])


def on_torch(function: Function, arrays: Sequence[np.ndarray]) -> Run:
    # its losses take labels as int64 only
    wide = [a.astype(np.int64) if a.dtype.kind == "i" else a.copy() for a in arrays]
    return on(function, [torch.from_numpy(a) for a in wide])


def compiled_by_torch(function: Function) -> Function:
    return torch.compile(function, dynamic=False)


def versions() -> str:
    """Versions and threads, for the record."""
    found = [f"NumPy {np.__version__}"]
    if jax:
        found.append(f"JAX {jax.__version__}")
    if torch:
        found.append(f"PyTorch {torch.__version__} with {torch.get_num_threads()} threads")
    if torch and not compiles_torch:
        found.append("no g++, so no torch.compile")
    return ", ".join(found)


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
