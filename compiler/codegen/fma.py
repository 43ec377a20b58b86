"""Products that meet an addition: x * y + z as one operation.

Only here does anything contract, so bits depend on the expression alone, never on where an element
stands.
"""

from __future__ import annotations

from collections import Counter

from ..kernel.expr import Const, Expr, Leaf, walk, with_args
from ..kernel.scalar import FLOATS
from ..kernel.stages import Stage, mapped


def with_fma(stage: Stage) -> Stage:
    """`stage` with x * y + z as one operation wherever the product has no other user."""
    exprs = stage.exprs
    users = Counter(a for e in walk(*exprs) for a in e.args)
    users.update(exprs)
    memo: dict[Expr, Expr] = {}

    def single(e: Expr) -> bool:
        return e.op == "mul" and e.dtype in FLOATS and users[e] == 1

    for e in walk(*exprs):
        args = tuple(memo[a] for a in e.args)
        match e:
            case Expr(op="add", args=(x, y)) if single(x) or single(y):
                product, rest = (memo[x], args[1]) if single(x) else (memo[y], args[0])
                memo[e] = Expr("fma", (*product.args, rest), e.dtype)
            case Expr(op="sub", args=(x, _)) if single(x):
                memo[e] = Expr("fma", (*memo[x].args, negative(args[1])), e.dtype)
            case Expr(op="sub", args=(_, y)) if single(y):
                a, b = memo[y].args
                memo[e] = Expr("fma", (negative(a), b, args[0]), e.dtype)
            case Leaf():
                memo[e] = with_args(e, args)
            case _:
                memo[e] = e if args == e.args else Expr(e.op, args, e.dtype, e.param)
    return Stage(stage.axes, tuple(mapped(s, memo.__getitem__) for s in stage.body))


def negative(e: Expr) -> Expr:
    return Const(-e.value, e.dtype) if isinstance(e, Const) else Expr("neg", (e,), e.dtype)
