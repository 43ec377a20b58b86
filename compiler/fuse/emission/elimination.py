"""Many small matrices: kernels where the host would call LAPACK for each."""

from __future__ import annotations

from math import prod

from ...ir.graph import Node
from ...kernel import Axis, Buffer
from ...kernel.elimination import LARGEST, Elimination
from ...ops.linalg.determinants import Det, Slogdet
from ...ops.linalg.equations import Inv, Solve, TriangularSolve
from ...ops.linalg.factors import Cholesky
from ..work import Work

MANY = 32
"""Matrices from which on a kernel has work for its lanes."""
METHODS = (Cholesky, Det, Inv, Slogdet, Solve, TriangularSolve)


def eliminable(node: Node) -> bool:
    """Whether a kernel does what the node does: of real, small matrices, and many."""
    x = node.args[0].type if node.args else None
    if x is None or not isinstance(node.op, METHODS) or node.op.joined or not x.is_float:
        return False
    *batch, _, n = x.shape
    columns = node.args[-1].shape[-1]
    return prod(batch) >= MANY and 1 <= n <= LARGEST and 1 <= columns <= LARGEST


def emit_elimination(node: Node) -> Work:
    """The kernel of a node that is eliminable."""
    op, (*batch, _, n) = node.op, node.args[0].shape
    columns = node.args[1].shape[-1] if len(node.args) > 1 else n if op.name == "inv" else 0
    distinct = list(dict.fromkeys(node.args))
    read = {v: Buffer(f"x{k}", v.dtype, v.type.size) for k, v in enumerate(distinct)}
    outs = tuple(Buffer(f"y{k}", v.dtype, v.type.size) for k, v in enumerate(node.values))
    flags = {k: v for k, v in op.params.items() if k in ("transposed", "lower", "unit")}
    kernel = Elimination(
        op.name,
        (*read.values(), *outs),
        tuple(read[a] for a in node.args),
        outs,
        Axis("i", prod(batch)),
        op.name,
        n,
        columns,
        **flags,
    )
    return Work(kernel, (*distinct, *node.values), len(outs))
