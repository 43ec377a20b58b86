"""Ops of your own on rows, written for Numba: machine code that kernels stand beside.

    import numba

    @wl.row_function("(n),()->(n)")
    @numba.njit
    def smoothed(x, a):
        y = x.copy()
        for k in range(1, len(x)):
            y[k] = a * y[k - 1] + (1 - a) * x[k]
        return y

The signature is that of a generalised ufunc: axes in front of those it names are looped over, in
machine code, by all threads where it is worth it, and without Python's lock. So it runs in loops
and branches of programs, under vmap, and within Numba's code that calls the program. Derivatives
are given as those of `custom_jvp` and `custom_vjp`, by rules that may call row functions.
"""

from __future__ import annotations

import ctypes
import functools
import math
import re
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Node, Op, Value, apply_all
from ...ir.parameters import Foreign
from ...ir.source import location, user_source
from ...ir.types import HALVES, Type, dtype_name, spelled
from ...ir.walk import inline_graph
from ...ops import full
from ...ops.on_host import Arrays, OnHost
from ...trace.operands import new, operand, promoted, value
from ...trace.trace import aval, trace_tree
from ...trace.tracer import SYNTAX, current
from ..effects import check
from .custom import custom_jvp, custom_vjp
from .extend import function_of
from .rule_checks import Checked, line_of

if TYPE_CHECKING:
    from .native_rows import NativeRows

Function = Callable[..., Any]
Axes = tuple[str, ...]

RAISES = "{} raises for a row, or gives another shape"


def row_function(signature: str) -> Callable[[Function], RowFunction]:
    """A decorator: the function of rows that Numba makes of a function, as an op of its own.

    `signature` names the axes of a row, "(n),(m),()->(n),(3)": arrays, or numbers where it names
    none; what is in front broadcasts, and is looped over. The function is one of `numba.njit`, or
    one that it takes; it may not write to its operands, and gives arrays of those sizes and of any
    dtypes. Operands keep their dtypes.

    Derivatives: `f.defjvp(rule)` or `f.defvjp(fwd, bwd)`, as of `custom_jvp` and `custom_vjp`; of a
    linear function `f.deftranspose(rule)`. `wl.testing.check_gradients` checks them.
    Errors: where it raises for a row, so does the program, an AssertionError with the line of the
    call; called alone it raises its own.
    Devices: the host computes it beside a GPU too, on copies.

    Example:
        >>> import numba, numpy as np, wonderland as wl
        >>> @wl.row_function("(n)->(n)")
        ... @numba.njit
        ... def running_mean(x):
        ...     y, total = np.empty_like(x), 0.0
        ...     for k in range(len(x)):
        ...         total += x[k]
        ...         y[k] = total / (k + 1)
        ...     return y
        >>> wl.jit(running_mean)(np.array([[1.0, 3.0], [5.0, 7.0]]))
        array([[1., 2.],
               [5., 6.]])
    """
    inputs, outputs = parsed_signature(signature)
    return lambda fun: RowFunction(fun, inputs, outputs)


class RowFunction:
    """A function of rows, and the op that it is: see `row_function`."""

    def __init__(self, fun: Function, inputs: Sequence[Axes], outputs: Sequence[Axes]) -> None:
        name = getattr(fun, "__name__", "")
        if not callable(fun) or not name.isidentifier():
            raise ProgramError(
                f"row_function: a named function is required, got {fun!r}", location(user_source())
            )
        known = Op.registry.get(name)
        if known is not None and not issubclass(known, RowOp):
            raise ProgramError(
                f"row_function: a name that is no op's is required, got {name}",
                location(user_source()),
                f"def my_{name}",
            )
        functools.update_wrapper(self, fun, updated=())
        self.function, self.inputs, self.outputs = fun, tuple(inputs), tuple(outputs)
        self.op: type[RowOp] = type(name.title(), (RowOp,), {"__doc__": fun.__doc__}, name=name)
        self.compiled: dict[tuple[str, ...], RowOp] = {}  # by the dtypes of operands
        self.ruled: Function | None = None

    @property
    def name(self) -> str:
        return self.op.name

    def defjvp(self, rule: Function) -> Function:
        """The rule of forward mode: `rule(primals, tangents)` gives results and their tangents."""
        function = self.ruled = custom_jvp(self.plain())
        return function.defjvp(rule)

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """The rule of reverse mode: `fwd(*args)` gives the results and residuals, `bwd(residuals,
        cotangents)` a tuple of the cotangents of the arguments."""
        function = self.ruled = custom_vjp(self.plain())
        function.defvjp(fwd, bwd)

    def __call__(self, *args: Any) -> Any:
        return self.applied(*args) if self.ruled is None else self.ruled(*args)

    def deftranspose(self, rule: Function) -> Function:
        """The rule of a function that is linear in all operands together: `rule(*cotangents)` gives
        the cotangents of the operands. Its tangent is itself, of tangents."""
        self.op.transposed = staticmethod(rule)
        return rule

    def plain(self) -> Function:
        """A function that is a call without rules."""
        return functools.update_wrapper(lambda *args: self.applied(*args), self, updated=())

    def applied(self, *args: Any) -> Any:
        """A call without rules."""
        if len(args) != len(self.inputs):
            raise ProgramError(
                f"{self.name}: {len(self.inputs)} operands are required, got {len(args)}",
                location(user_source()),
            )
        xs = [operand(x) for x in args]
        types = [of.of(promoted(self.name, *xs)) if weak else of for of, weak in map(aval, xs)]
        loop = self.loop_shape(types)
        whole = [
            Type(t.dtype, (*loop, *t.shape[len(t.shape) - len(axes) :]))
            for t, axes in zip(types, self.inputs, strict=True)
        ]
        op = self.of_dtypes(tuple(t.dtype for t in types))
        if current() is None:
            arrays = [np.asarray(x, t.numpy) for x, t in zip(xs, whole, strict=True)]
            found = op.computed(*map(np.broadcast_to, arrays, (t.shape for t in whole)))
            self.require_done(found[-1], arrays, loop)
        else:
            given = (new(value(x, t.dtype, t.shape)) for x, t in zip(xs, whole, strict=True))
            found = function_of(op)(*given)
            check(found[-1], RAISES.format(self.name))
        return found[0] if len(self.outputs) == 1 else tuple(found[:-1])

    def loop_shape(self, types: Sequence[Type]) -> tuple[int, ...]:
        """What is in front of the axes of a row, broadcast."""
        fronts = []
        for t, axes in zip(types, self.inputs, strict=True):
            if len(t.shape) < len(axes):
                axes_text = f"({', '.join(axes)})"
                raise ProgramError(
                    f"{self.name}: an operand with axes {axes_text} is required, got {t}",
                    location(user_source()),
                )
            fronts.append(t.shape[: len(t.shape) - len(axes)])
        try:
            return np.broadcast_shapes(*fronts)
        except ValueError:
            raise ProgramError(
                f"{self.name}: axes in front that broadcast are required, got {spelled(types)}",
                location(user_source()),
            ) from None

    def of_dtypes(self, dtypes: tuple[str, ...]) -> RowOp:
        """The op for operands of these dtypes, whose machine code Numba has made."""
        if dtypes not in self.compiled:
            from .native_rows import native_rows  # brings Numba

            if half := next((d for d in dtypes if d in HALVES), None):
                raise ProgramError(
                    f"{self.name}: f32 or f64 is required in Numba's code, got {half}",
                    location(user_source()),
                    "x.astype(np.float32)",
                )
            try:
                rows: Any = native_rows(self.function, dtypes, self.inputs, self.outputs)
            except TypeError as error:
                raise ProgramError(
                    f"{self.name}: {error}", location(line_of(self.function))
                ) from None
            self.compiled.setdefault(dtypes, self.op(Foreign(rows, self.name)))
        return self.compiled[dtypes]

    def require_done(
        self, done: np.ndarray, arrays: Sequence[np.ndarray], loop: tuple[int, ...]
    ) -> None:
        """Raises what the first row raises that is not done."""
        if done.all():
            return
        at = np.unravel_index(int(np.argmin(done)), loop)
        row = [
            np.broadcast_to(x, (*loop, *x.shape[x.ndim - len(axes) :]))[at]
            for x, axes in zip(arrays, self.inputs, strict=True)
        ]
        self.function(*row)
        raise AssertionError(RAISES.format(self.name))

    def __repr__(self) -> str:
        return f"<row function {self.name}>"


class RowOp(OnHost, abstract=True):
    """A function of rows by machine code; the last result says which of them it has done."""

    rows: Foreign
    transposed: ClassVar[Function | None] = None

    @property
    def code(self) -> NativeRows:
        code: Any = self.rows.call
        return code

    def shapes(self, args: Sequence[Type]) -> tuple[tuple[int, ...], dict[str, int]]:
        """The axes in front, and the sizes of those of a row."""
        sizes: dict[str, int] = {}
        loop = args[0].shape[: len(args[0].shape) - len(self.code.inputs[0])]
        for t, axes in zip(args, self.code.inputs, strict=True):
            for axis, size in zip(axes, t.shape[len(loop) :], strict=True):
                wanted = int(axis) if axis.isdecimal() else sizes.setdefault(axis, size)
                if wanted != size:
                    raise ProgramError(
                        f"{self.name}: a size of {wanted} is required for axis {axis}, got {size}"
                    )
        return loop, sizes

    def results(self, *args: Type) -> tuple[Type, ...]:
        loop, sizes = self.shapes(args)
        rows = (
            Type(dtype, (*loop, *(int(a) if a.isdecimal() else sizes[a] for a in axes)))
            for dtype, axes in zip(self.code.gives, self.code.outputs, strict=True)
        )
        return (*rows, Type("bool", loop))

    def computed(self, *args: np.ndarray) -> Arrays:
        types = [Type(dtype_name(a.dtype), a.shape) for a in args]
        made = tuple(np.empty(t.shape, t.numpy) for t in self.results(*types))
        given = [np.ascontiguousarray(a) for a in args]
        address, sizes, points = self.native(*types)
        block = np.array([*(a.ctypes.data for a in (*given, *made)), *sizes], np.int64)
        WALK(address)(block.ctypes.data, 0, points, 0)
        return made

    def native(self, *args: Type) -> tuple[int, tuple[int, ...], int]:
        loop, sizes = self.shapes(args)
        return self.code.address, tuple(sizes[a] for a in self.code.named), math.prod(loop)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if self.transposed is None:
            raise ProgramError(
                f"{self.name}: a function of rows with rules is required for derivatives",
                location(node.source),
                f"{self.name}.defjvp(rule), or {self.name}.defvjp(fwd, bwd), before the call",
            )
        found = apply_all(self, *zeroed(tangents, node.args))
        return tuple(v if v.type.is_inexact else None for v in found)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        rule = self.transposed
        if rule is None:
            return super().transpose(node, cts, linear)
        checked = Checked("row_function", self.name, "transpose", rule)

        def fitted(*given: Any) -> Any:
            found = rule(*given)
            found = found if isinstance(found, (tuple, list)) else (found,)
            if len(found) != len(node.args):
                raise checked(f"{len(node.args)} cotangents are required", f"got {len(found)}")
            pairs = zip(found, node.args, strict=True)
            return [
                checked.fit("a cotangent", x, a.type, f"[{k}]") for k, (x, a) in enumerate(pairs)
            ]

        given = zeroed(cts[:-1], node.values)
        graph = trace_tree(fitted, tuple(v.type for v in given), self.name).graph
        found = inline_graph(graph, given)
        return tuple(v if yes else None for v, yes in zip(found, linear, strict=True))


def zeroed(values: Sequence[Value | None], of: Sequence[Value]) -> tuple[Value, ...]:
    """Values, zeros where there is none."""
    return tuple(full(0.0, u.type) if v is None else v for v, u in zip(values, of, strict=False))


WALK = ctypes.CFUNCTYPE(*(ctypes.c_int64,) * 5)
"""kernel(args, start, stop, scratch)."""


_vectorized: weakref.WeakKeyDictionary[Any, RowFunction] = weakref.WeakKeyDictionary()


def of_numba(function: Any) -> Function:
    """What numba.vectorize made, as a function of rows without axes."""
    if function not in _vectorized:
        none: tuple[Axes, ...] = ((),)
        made = RowFunction(function._dispatcher.py_func, none * function.nin, none)
        _vectorized.setdefault(function, made)
    return _vectorized[function]


SYNTAX.numbas = of_numba


def parsed_signature(signature: str) -> tuple[tuple[Axes, ...], tuple[Axes, ...]]:
    """The axes of operands and of results."""
    part = r"\((?:\w+(?:,\w+)*)?\)"
    text = re.sub(r"\s", "", signature) if isinstance(signature, str) else ""
    if not re.fullmatch(rf"{part}(,{part})*->{part}(,{part})*", text):
        raise ProgramError(
            f"row_function: a signature is required, got {signature!r}",
            location(user_source()),
            '@wl.row_function("(n),(n)->(n)"), above @numba.njit',
        )
    inputs, outputs = (
        tuple(tuple(filter(None, axes.split(","))) for axes in re.findall(r"\(([^)]*)\)", side))
        for side in text.split("->")
    )
    known = {a for axes in inputs for a in axes}
    for axis in (a for axes in outputs for a in axes):
        if axis not in known and not axis.isdecimal():
            raise ProgramError(
                f"row_function: an axis of an operand is required in a result, got {axis}",
                location(user_source()),
            )
    return inputs, outputs
