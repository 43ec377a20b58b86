"""What a kernel is, between graph and loops: stages over a domain, products, prefixes, sorts.

In: nothing. Out: forms that fusing makes and code generation lowers.

`Kernel` is the form, `verify` its rules, `reference` its meaning, `str(kernel)` and `parse_kernel`
its text, `normalise` its simplest form. Begin with `stages`.

Imports: ir.
"""

from .expr import (
    Axis,
    Buffer,
    Const,
    Expr,
    Guard,
    Index,
    Leaf,
    Load,
    Map,
    Result,
    apply,
    expr_axes,
    rebuilt,
    walk,
)
from .monoid import MONOIDS, Monoid
from .normalise import normalise
from .parse import parse_kernel
from .reference import reference
from .scalar import NUMPY, OPS, KernelError, ScalarOp
from .stages import Accumulate, Keep, Kernel, KernelReduce, Stage, Statement, Store
from .verify import SCRATCH_BYTES, verify

__all__ = [
    "MONOIDS",
    "NUMPY",
    "OPS",
    "SCRATCH_BYTES",
    "Accumulate",
    "Axis",
    "Buffer",
    "Const",
    "Expr",
    "Guard",
    "Index",
    "Keep",
    "Kernel",
    "KernelError",
    "KernelReduce",
    "Leaf",
    "Load",
    "Map",
    "Monoid",
    "Result",
    "ScalarOp",
    "Stage",
    "Statement",
    "Store",
    "apply",
    "expr_axes",
    "normalise",
    "parse_kernel",
    "rebuilt",
    "reference",
    "verify",
    "walk",
]
