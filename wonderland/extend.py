"""What an op of your own is made of: a class with all its rules, in a file of yours.

    from wonderland import extend as ex

    class Cube(ex.Elementwise):
        "x^3"

        arity = 1
        domain = ex.FLOATS

        def reference(self, x):
            return x * x * x

        def expression(self, x):  # in kernels; of f16 and bf16 in f32
            return ex.scalar("mul", x, ex.scalar("mul", x, x))

        def tangent(self, i, dx, out):
            (x,) = out.node.args
            return ex.ops.mul(dx, ex.ops.mul(ex.ops.full(3.0, x.type), ex.ops.mul(x, x)))

    cube = ex.function_of(Cube())

`wl.testing.check_op(Cube)` compares all rules on the op's samples.
Classes: Op, and the families Elementwise, OneResult, Linear, View.
Graphs: Graph, Node, Value, Type, Sample, Array, apply, apply_all; the ops of the house: ops.
Kernels: scalar, Expr, Piece. Dtypes: FLOATS, INTEGERS. Errors: ProgramError.
"""

from .compiler.front.functions.extend import *  # noqa: F403
from .compiler.front.functions.extend import __all__ as __all__
