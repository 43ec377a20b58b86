"""Wonderland: a compiler for differentiable models written in NumPy style.

Example:
    import wonderland as wl
    import wonderland.numpy as np

    def loss(w, x, y):
        return np.mean((np.tanh(x @ w) - y) ** 2)

    step = wl.jit(wl.value_and_grad(loss))
"""

from . import lax, nn, numpy, ops, optim, random, special, testing, tree
from .compiler.api import ShapeDtypeStruct, eval_shape, jit
from .compiler.archive import load
from .compiler.errors import CompilerError, ProgramError
from .compiler.functions import (
    grad,
    jvp,
    linear_transpose,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from .compiler.jacobians import hessian, jacfwd, jacrev
from .compiler.lint import WideningWarning
from .compiler.settings import check_nans, disable_jit, dump
from .compiler.trace import trace
from .compiler.vmap import vmap

__all__ = [
    "CompilerError",
    "ProgramError",
    "ShapeDtypeStruct",
    "WideningWarning",
    "check_nans",
    "disable_jit",
    "dump",
    "eval_shape",
    "grad",
    "hessian",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "load",
    "nn",
    "numpy",
    "ops",
    "optim",
    "random",
    "special",
    "stop_gradient",
    "testing",
    "trace",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
]
