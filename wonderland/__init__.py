"""Wonderland: a compiler for differentiable models written in NumPy style.

Example:
    import wonderland as wl
    import wonderland.numpy as np

    def loss(w, x, y):
        return np.mean((np.tanh(x @ w) - y) ** 2)

    step = wl.jit(wl.value_and_grad(loss))

Compiled: jit, load, eval_shape, trace, ShapeDtypeStruct.
Derivatives: grad, value_and_grad, jvp, vjp, linearize, linear_transpose, jacfwd, jacrev (also
jacobian), hessian, hvp, stop_gradient. Many at once: vmap.
Training: fit.
NumPy code of others, as it is: port.
Rules of your own: custom_jvp, custom_vjp, custom_gradient, custom_vmap, scalar_function,
row_function; whole ops: extend.
Memory: checkpoint (remat), checkpoint_name, checkpoint_policies, saved_residuals,
print_saved_residuals, memory_budget.
While it runs: check, debug_print, debug, pure_callback, io_callback.
Devices: devices, device_count, device, device_put, device_get, block_until_ready, default_backend;
for ports local_devices, local_device_count, process_count, process_index.
Arrays: Array, for annotations and isinstance; typeof. They do nothing: named_scope, named_call.
Settings, each a `with` and a keyword of jit: check_nans, disable_jit, dump, verify,
default_dtype, default_matmul_precision.
Many processes: distributed.
Names of others: numpy, scipy, lax, random, nn, optim, distributions, models, special, tree,
tree_util, ops, testing.
Errors: ProgramError, OverBudget, CompilerError, WideningWarning, FrozenRandomWarning.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import debug, lax, numpy, ops, special, tree
from .compiler.front.effects import check, debug_print, io_callback, pure_callback
from .compiler.front.functions import checkpoint_policies
from .compiler.front.functions.checkpoint import (
    checkpoint,
    checkpoint_name,
    print_saved_residuals,
    remat,
    saved_residuals,
)
from .compiler.front.functions.custom import custom_jvp, custom_vjp
from .compiler.front.functions.custom_batching import custom_vmap
from .compiler.front.functions.derivatives import (
    grad,
    jvp,
    linear_transpose,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from .compiler.front.functions.jacobians import hessian, hvp, jacfwd, jacrev
from .compiler.front.functions.jacobians import jacrev as jacobian
from .compiler.front.functions.ports import custom_gradient, named_call, named_scope, typeof
from .compiler.front.functions.ports import not_here as _not_here
from .compiler.front.functions.scalar_function import scalar_function
from .compiler.front.functions.vmap import vmap
from .compiler.ir.errors import CompilerError, OverBudget, ProgramError
from .compiler.jit.devices import (
    Array,
    block_until_ready,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    process_count,
    process_index,
)
from .compiler.jit.devices import device_count as local_device_count
from .compiler.jit.devices import devices as local_devices
from .compiler.jit.executable import load
from .compiler.jit.jit import ShapeDtypeStruct, eval_shape, jit
from .compiler.settings import (
    check_nans,
    default_dtype,
    default_matmul_precision,
    device,
    disable_jit,
    dump,
    memory_budget,
    verify,
)
from .compiler.trace.frozen import FrozenRandomWarning
from .compiler.trace.lint import WideningWarning
from .compiler.trace.trace import trace

if TYPE_CHECKING:
    from . import (
        distributed,
        distributions,
        extend,
        models,
        nn,
        optim,
        random,
        scipy,
        testing,
        tree_util,
    )
    from .compiler.front.functions.row_function import row_function
    from .compiler.front.port.port import port
    from .models.training.fit import fit

__all__ = [
    "Array",
    "CompilerError",
    "FrozenRandomWarning",
    "OverBudget",
    "ProgramError",
    "ShapeDtypeStruct",
    "WideningWarning",
    "block_until_ready",
    "check",
    "check_nans",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "custom_vmap",
    "debug",
    "debug_print",
    "default_backend",
    "default_dtype",
    "default_matmul_precision",
    "device",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "distributed",
    "distributions",
    "dump",
    "eval_shape",
    "extend",
    "fit",
    "grad",
    "hessian",
    "hvp",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "load",
    "local_device_count",
    "local_devices",
    "memory_budget",
    "models",
    "named_call",
    "named_scope",
    "nn",
    "numpy",
    "ops",
    "optim",
    "port",
    "print_saved_residuals",
    "process_count",
    "process_index",
    "pure_callback",
    "random",
    "remat",
    "row_function",
    "saved_residuals",
    "scalar_function",
    "scipy",
    "special",
    "stop_gradient",
    "testing",
    "trace",
    "tree",
    "tree_util",
    "typeof",
    "value_and_grad",
    "verify",
    "vjp",
    "vmap",
]


LATE = {
    **dict.fromkeys(
        [
            "distributed", "distributions", "extend", "models", "nn", "optim", "random", "scipy",
            "testing", "tree_util",
        ],
        "",
    ),
    "fit": "models.training.fit",
    "port": "compiler.front.port.port",
    "row_function": "compiler.front.functions.row_function",
}
"""Parts, and names of modules, that are loaded when they are first read."""


if not TYPE_CHECKING:  # or checkers would take it for any name

    def __getattr__(name: str) -> Any:
        place = LATE.get(name)
        if place is None:
            raise _not_here(name)  # which says what does it instead of a name of jax's
        if not place:
            return importlib.import_module(f"{__name__}.{name}")
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{place}"), name)
        return found


def __dir__() -> list[str]:
    return __all__
