"""The libraries that are compared, with their defaults; one that is not installed has no runs.

All peers compute on the same float32 arrays. A run gives its results finished: JAX is waited for,
PyTorch on the processor and NumPy return when they are done. `torch.compile` runs where g++ is.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import wonderland as wl

from .harness import Run

PEERS = ("wonderland", "numpy", "jax", "torch", "torch.compile")

Function = Callable[..., Any]


def installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


jax, torch = installed("jax"), installed("torch")
jnp = installed("jax.numpy")
compiles_torch = torch is not None and shutil.which("g++") is not None


def there(peer: str) -> bool:
    """Whether a peer can run here."""
    return {
        "jax": jax is not None,
        "torch": torch is not None,
        "torch.compile": compiles_torch,
    }.get(peer, True)


def runs(arrays: Sequence[np.ndarray], functions: Mapping[str, Function]) -> dict[str, Run]:
    """One run for each peer that is there; `functions` by library, on its own kind of arrays.

    `functions["torch.compile"]` is for functions that are not to be compiled as a whole.
    """
    found: dict[str, Run] = {"wonderland": on(wl.jit(functions["wonderland"]), arrays)}
    if "numpy" in functions:
        found["numpy"] = on(functions["numpy"], arrays)
    if jax and "jax" in functions:
        compiled = jax.jit(functions["jax"])
        found["jax"] = on(
            lambda *a: jax.block_until_ready(compiled(*a)), [jnp.asarray(a) for a in arrays]
        )
    if torch and "torch" in functions:
        # its losses take labels as int64 only
        tensors = [
            torch.from_numpy(a.astype(np.int64 if a.dtype.kind == "i" else a.dtype)) for a in arrays
        ]
        found["torch"] = on(functions["torch"], tensors)
        if compiles_torch:
            given = functions.get("torch.compile") or compiled_by_torch(functions["torch"])
            found["torch.compile"] = on(given, tensors)
    return found


def compiled_by_torch(function: Function) -> Function:
    return torch.compile(function, dynamic=False)


def on(function: Function, arrays: Sequence[Any]) -> Run:
    return lambda: function(*arrays)


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
