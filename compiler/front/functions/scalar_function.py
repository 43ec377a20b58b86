"""Elementwise ops of your own, written as one scalar function in NumPy's operations.

    @wl.scalar_function
    def softplus(x):
        return np.where(x > 20, x, np.log1p(np.exp(x)))

    softplus.defjvps(lambda t, y, x: t / (1 + np.exp(-x)))

The one source is the meaning of the op in the interpreter, where it runs on arrays; the code of
kernels, where it runs on expressions, so the op fuses as any other does; and its derivative, where
it runs on traced values, unless a rule says it better. `wl.testing.check_op(softplus.op)` compares
the three. Kernels are emitted by the compiler, so the language is operators, comparisons,
`np.where` for branches, NumPy's functions of elements that kernels have, and Python's numbers and
loops over known ranges, which are unrolled.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Op, Value
from ...ir.source import location, user_source
from ...ir.types import FLOATS, Type
from ...ir.walk import inline_graph
from ...kernel import OPS, Expr, Result, walk
from ...kernel import apply as scalar
from ...ops.family import Elementwise, halves_widened
from ...trace.operands import common_shape, new, operand, promoted, shape_of, value
from ...trace.trace import trace_tree
from ...trace.tracer import current
from ...transform.jvp import pushforward
from .extend import function_of
from .rule_checks import Checked

Function = Callable[..., Any]


def scalar_function(
    fun: Function | None = None, *, interval: tuple[float, float] = (-2.0, 2.0)
) -> Any:
    """The elementwise function that `fun` says of scalars, as an op of its own.

    Operands broadcast and are promoted as NumPy's; integers become f64. The op is registered under
    the name of `fun`; defining it again replaces it. `interval` is where checks draw operands from.
    """
    if fun is None:
        return functools.partial(scalar_function, interval=interval)
    return ScalarFunction(fun, interval)


class ScalarFunction:
    """A function of elements, and the op that it is: see `scalar_function`."""

    def __init__(self, fun: Function, interval: tuple[float, float]) -> None:
        if not callable(fun):
            raise ProgramError(f"scalar_function: a function is required, got {fun!r}")
        name = getattr(fun, "__name__", "")
        if not name.isidentifier():
            raise ProgramError(
                f"scalar_function: a named function is required, got {name!r}",
                location(user_source()),
                "def in place of lambda",
            )
        known = Op.registry.get(name)
        if known is not None and not issubclass(known, Written):
            raise ProgramError(
                f"scalar_function: a name that is no op's is required, got {name}",
                location(user_source()),
                f"def my_{name}",
            )
        functools.update_wrapper(self, fun)
        content = {
            "__doc__": inspect.getdoc(fun) or f"{name}, a scalar function",
            "function": staticmethod(fun),
            "arity": len(inspect.signature(fun).parameters),
            "interval": interval,
            "rules": (),
            "__module__": fun.__module__,
        }
        self.dtypes: set[str] = set()  # for which the function is known to be an expression
        self.op: type[Written] = type(name.title(), (Written,), content, name=name)

    def defjvps(self, *jvps: Function | None) -> None:
        """A rule for each argument, linear in t: `jvp(t, result, *arguments)`; None is zero."""
        if len(jvps) != self.op.arity:
            raise ProgramError(
                f"scalar_function: {self.op.arity} rules are required for {self.op.name}, "
                f"got {len(jvps)}",
                location(user_source()),
            )
        self.op.rules = jvps

    def __call__(self, *args: Any) -> Any:
        name = self.op.name
        if len(args) != self.op.arity:
            raise ProgramError(
                f"{name}: {self.op.arity} operands are required, got {len(args)}",
                location(user_source()),
            )
        xs = [operand(x) for x in args]
        dtype = promoted(name, *xs)
        dtype = dtype if dtype in FLOATS else "f64"
        shape = common_shape(name, *(shape_of(x) for x in xs))
        if dtype not in self.dtypes:  # what no kernel computes is refused before it is used
            self.op().emitted(*(Result(f"x{i}", (), dtype) for i in range(self.op.arity)))
            self.dtypes.add(dtype)
        if current() is None:
            of = Type(dtype, shape)
            xs = [np.broadcast_to(np.asarray(x, of.numpy), shape) for x in xs]
            return self.op().reference(*xs)
        return function_of(self.op())(*(new(value(x, dtype, shape)) for x in xs))

    def __repr__(self) -> str:
        return f"<scalar function {self.op.name}>"


class Written(Elementwise, abstract=True):
    """An op whose meaning, code and derivative are one function of the user's."""

    domain = FLOATS
    function: ClassVar[Function]
    rules: ClassVar[Sequence[Function | None]] = ()

    @property
    def weight(self) -> int:
        expr = self.expression(*(Result(f"x{i}", (), "f32") for i in range(self.arity)))
        return sum(OPS[e.op].weight for e in walk(expr) if e.op in OPS)

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            out = np.asarray(
                self.function(*(np.asarray(halves_widened(a), order="C") for a in args))
            )
            return np.broadcast_to(out, args[0].shape).astype(args[0].dtype)

    def expression(self, *args: Expr) -> Expr:
        found, wide = self.function(*map(Scalar, args)), args[0].dtype
        if not isinstance(found, Scalar):
            raise ProgramError(
                f"{self.name}: a result that depends on its arguments is required, got {found!r}"
            )
        if found.expr.dtype != wide:
            raise ProgramError(
                f"{self.name}: a result of {wide} is required, got {found.expr.dtype}"
            )
        return found.expr

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        assert out.node is not None
        operands, types = out.node.args, tuple(a.type for a in out.node.args)
        if not self.rules:
            graph = trace_tree(self.function, types, self.name).graph
            moving = [dx if k == i else None for k in range(len(operands))]
            return pushforward(graph, operands, moving)[1][0]
        rule = self.rules[i]
        if rule is None:
            return None
        checked = Checked("scalar_function", self.name, "rule", rule)

        def fitted(*given: Any) -> Any:
            return checked.fit("a tangent", rule(*given), out.type, "")

        graph = trace_tree(fitted, (dx.type, out.type, *types), self.name).graph
        return inline_graph(graph, (dx, out, *operands))[0]


# ---------------------------------------------------------------- the function on expressions

UFUNCS: dict[Any, str] = {
    **{op.function: name for name, op in OPS.items() if isinstance(op.function, np.ufunc)},
    np.power: "pow",
    np.float_power: "pow",
    np.floor_divide: "floordiv",
    np.remainder: "rem",
    np.logical_and: "and_",
    np.logical_or: "or_",
    np.logical_xor: "xor",
    np.logical_not: "not_",
}
"""Kernel operations by the NumPy functions that they are."""

COMPOSED: dict[Any, Callable[..., Any]] = {
    np.where: lambda mask, x, y: scalar_operation("select", mask, x, y),
    np.clip: lambda x, low, high: np.minimum(np.maximum(x, low), high),
    np.square: lambda x: x * x,
    np.reciprocal: lambda x: 1.0 / x,
    np.positive: lambda x: x,
    np.round: lambda x: np.rint(x),
}


def scalar_operation(op: str, *args: Any) -> Scalar:
    """A kernel operation on scalars and Python numbers."""
    return Scalar(scalar(op, *(a.expr if isinstance(a, Scalar) else a for a in args)))


class Scalar:
    """An expression of a kernel, with the operators and NumPy functions of a number."""

    def __init__(self, expr: Expr) -> None:
        self.expr = expr

    def __array_ufunc__(self, function: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method == "__call__" and not options:
            if function in COMPOSED:
                return COMPOSED[function](*args)
            if function in UFUNCS:
                return scalar_operation(UFUNCS[function], *args)
        return self.refuse(function.__name__)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in COMPOSED and not options:
            return COMPOSED[function](*args)
        return self.refuse(function.__name__)

    def refuse(self, what: str) -> Any:
        raise ProgramError(
            f"scalar_function: {what} is no operation on single elements of kernels",
            location(user_source()),
            "operators, np.where, and NumPy's functions of elements",
        )

    def __bool__(self) -> bool:
        raise ProgramError(
            "scalar_function: a branch on the value of an element is required to be np.where",
            location(user_source()),
            "np.where(condition, x, y)",
        )

    def __add__(self, y: Any) -> Scalar:
        return scalar_operation("add", self, y)

    def __radd__(self, x: Any) -> Scalar:
        return scalar_operation("add", x, self)

    def __sub__(self, y: Any) -> Scalar:
        return scalar_operation("sub", self, y)

    def __rsub__(self, x: Any) -> Scalar:
        return scalar_operation("sub", x, self)

    def __mul__(self, y: Any) -> Scalar:
        return scalar_operation("mul", self, y)

    def __rmul__(self, x: Any) -> Scalar:
        return scalar_operation("mul", x, self)

    def __truediv__(self, y: Any) -> Scalar:
        return scalar_operation("div", self, y)

    def __rtruediv__(self, x: Any) -> Scalar:
        return scalar_operation("div", x, self)

    def __floordiv__(self, y: Any) -> Scalar:
        return scalar_operation("floordiv", self, y)

    def __mod__(self, y: Any) -> Scalar:
        return scalar_operation("rem", self, y)

    def __pow__(self, y: Any) -> Any:
        if type(y) is int and 0 < y <= 8:
            return functools.reduce(lambda x, _: x * self, range(y - 1), self)
        return scalar_operation("pow", self, y)

    def __rpow__(self, x: Any) -> Scalar:
        return scalar_operation("pow", x, self)

    def __neg__(self) -> Scalar:
        return scalar_operation("neg", self)

    def __pos__(self) -> Scalar:
        return self

    def __abs__(self) -> Scalar:
        return scalar_operation("abs", self)

    def __invert__(self) -> Scalar:
        return scalar_operation("not_", self)

    def __lt__(self, y: Any) -> Scalar:
        return scalar_operation("lt", self, y)

    def __le__(self, y: Any) -> Scalar:
        return scalar_operation("le", self, y)

    def __gt__(self, y: Any) -> Scalar:
        return scalar_operation("gt", self, y)

    def __ge__(self, y: Any) -> Scalar:
        return scalar_operation("ge", self, y)

    def __eq__(self, y: Any) -> Any:
        return scalar_operation("eq", self, y)

    def __ne__(self, y: Any) -> Any:
        return scalar_operation("ne", self, y)

    def __and__(self, y: Any) -> Scalar:
        return scalar_operation("and_", self, y)

    def __or__(self, y: Any) -> Scalar:
        return scalar_operation("or_", self, y)

    __hash__ = object.__hash__
