"""jax.lax's reductions by a function of the user's: of windows, and of whole axes.

    images = np.ones((2, 8, 8, 3))
    largest = lax.reduce_window(images, -np.inf, np.maximum, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
    lengths = lax.reduce(images, 0.0, lambda x, y: np.hypot(x, y), (1, 2))

What combines two numbers by one operation (sum, product, extreme, and, or) is told by tracing it:
lambdas are as fast as names. All else is traced once for two elements and applied to many at once,
neighbours first, as often as a logarithm of their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import ops
from ...ir.explain import explained, shown
from ...ir.graph import Value
from ...ir.types import COMPLEX, HALVES, INTEGERS, Type
from ...kernel import MONOIDS
from ...ops.elementwise import Cast
from ...ops.source import python_type
from ...ops.view import reshape
from ...ops.windows import windows
from ...trace import tree
from ...trace.operands import axes_of, is_weak, new, operand, shape_of, tracer, wrong
from ...trace.trace import aval, trace_tree
from ...trace.tracer import Tracer
from .. import numpy as wnp
from ..functions.vmap import vmap
from .control_flow import described_result, function_given, here
from .primitives import interior_padded, pad
from .spatial import pads, steps

__all__ = ["reduce", "reduce_window"]

Ints = tuple[int, ...]
Combine = Callable[[Any, Any], Any]
NAMES = {
    "add": "sum",
    "mul": "prod",
    "maximum": "max",
    "minimum": "min",
    "or_": "any",
    "and_": "all",
}
"""The monoids that one operation is, by its name."""
WINDOW = {"sum": ops.window_sum, "max": ops.window_max, "min": ops.window_min}
WHOLE = {
    "sum": ops.reduce_sum,
    "prod": ops.reduce_prod,
    "max": ops.reduce_max,
    "min": ops.reduce_min,
    "any": ops.reduce_any,
    "all": ops.reduce_all,
}


@explained
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Combine,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """`computation` of all elements of each window, and of `init_value`, which pads.

    The operand, or a tree of operands of one shape, is read by windows of `window_dimensions` that
    begin every `window_strides` and whose places are `window_dilation` apart; `base_dilation` - 1
    times the initial value stands between its elements. Paddings are as in `padtype_to_pads`, or
    pairs, of which negative ones cut. `computation` takes and returns a scalar, or a tree of them;
    it is associative, and sees elements in C order.
    Derivatives: of an extreme the first of equal elements has all of the cotangent (NaN is equal to
    none and greatest); products of zeros have the products of all others.

    Example:
    >>> reduce_window(np.arange(6.0), 0.0, np.add, (3,), padding="SAME")
    array([ 1.,  3.,  6.,  9., 12.,  9.])
    """
    how = window_dimensions, window_strides, padding, base_dilation, window_dilation

    def body(given: Any) -> Any:
        work = Reduction("reduce_window", given, init_value, computation)
        return work.of_windows(*how)

    return here(body, "reduce_window", operand)


@explained
def reduce(operands: Any, init_values: Any, computation: Combine, dimensions: Sequence[int]) -> Any:
    """`computation` of all elements along `dimensions`, and of the initial values.

    Operands are an array, or a tree of arrays of one shape; `computation` takes and returns a
    scalar, or a tree of them; it is associative, and sees elements in C order. Of no elements it is
    the initial value. Derivatives: equal extremes share the cotangent, as in `reduce_max`.

    Example:
    >>> def of_greater(a, b):
    ...     here = a[0] >= b[0]
    ...     return np.where(here, a[0], b[0]), np.where(here, a[1], b[1])
    >>> reduce((np.array([2.0, 9.0, 4.0]), np.arange(3)), (-np.inf, 0), of_greater, (0,))
    (array(9.), array(1))
    """

    def body(given: Any) -> Any:
        return Reduction("reduce", given, init_values, computation).of_axes(dimensions)

    return here(body, "reduce", operands)


def is_number_of(init: Any, of: Type) -> bool:
    """Whether a Python number, or a traced one of its kind, is a number of `of`."""
    kinds = {int: 0, float: 1, complex: 2}
    kind = python_type(init.type.dtype) if isinstance(init, Tracer) else type(init)
    if of.dtype in INTEGERS and type(init) is int:
        info = np.iinfo(of.numpy)
        return info.min <= init <= info.max
    return of.dtype != "bool" and kinds[kind] <= kinds[python_type(of.dtype)]


def same_initial(init: Any, of: Type) -> str:
    """An initial value of that type that says the same, if there is one."""
    name, value = of.numpy.name, init.item()
    if of.dtype in INTEGERS and isinstance(value, float):
        if math.isinf(value):
            return f"np.iinfo(np.{name}).{'max' if value > 0 else 'min'}"
        return f"np.{name}({int(value)})" if value.is_integer() else ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"np.{name}({str(value)!r})"
    return f"np.{name}({value!r})"


def uncast(x: Value) -> Value:
    """What x is another dtype of."""
    while x.node is not None and isinstance(x.node.op, Cast):
        (x,) = x.node.args
    return x


class Reduction:
    """What a user says of a reduction, apart from its axes."""

    def __init__(self, name: str, given: Any, init: Any, computation: Any) -> None:
        self.name, self.computation = name, function_given(name, computation)
        leaves, self.structure = tree.flatten(given)
        inits, other = tree.flatten(init)
        if not leaves:
            raise wrong(f"{name}: one operand or more is required, got none")
        if other != self.structure:
            found = tree.difference(self.structure, other)
            raise wrong(f"{name}: an initial value for each operand is required, {found}")
        self.xs = [tracer(x) for x in leaves]
        self.inits = [self.initial(v, x) for v, x in zip(inits, self.xs, strict=True)]
        shapes = {x.shape for x in self.xs}
        if len(shapes) > 1:
            types = " and ".join(str(x.type) for x in self.xs)
            raise wrong(f"{name}: operands of one shape are required, got {types}")
        (self.shape,) = shapes
        self.dtypes = [x.dtype for x in self.xs]
        self.monoid = self.known()
        if self.monoid and self.xs[0].type.dtype in HALVES:  # rounded once, at the end
            self.xs = [x.astype(np.float32) for x in self.xs]
            self.inits = [v.astype(np.float32) for v in self.inits]

    def initial(self, init: Any, x: Tracer) -> Any:
        """An initial value in the dtype of its operand: a NumPy scalar where it is known."""
        init = operand(init)
        dtype = x.type.dtype
        if shape_of(init):
            raise wrong(
                f"{self.name}: a scalar as initial value is required, got {shown(init)} "
                f"of shape {shape_of(init)}"
            )
        of = aval(init)[0]
        number = init if isinstance(init, Tracer) else np.asarray(init).item()
        if not (of.dtype == dtype or (is_weak(init) and is_number_of(number, x.type))):
            raise wrong(
                f"{self.name}: an initial value of {dtype} is required for {x.type}, got {of}",
                "" if isinstance(init, Tracer) else same_initial(np.asarray(init)[()], x.type),
            )
        if isinstance(init, Tracer):
            return init.astype(x.dtype)
        return np.asarray(init).astype(x.dtype)[()]

    # ---- what is computed

    def scalars(self) -> list[Type]:
        return [Type(x.type.dtype) for x in self.xs]

    def checked(self, a: Any, b: Any) -> Any:
        """What the user's function makes of two elements, if it has their types."""
        found = self.computation(a, b)
        leaves, got = tree.flatten(found)
        if got != self.structure:
            raise wrong(
                f"{self.name}: computation must return what it is given, "
                + tree.difference(self.structure, got)
            )
        for leaf, of in zip(leaves, self.scalars(), strict=True):
            type_, weak = aval(leaf)
            if type_.shape or not (weak or type_ == of):
                raise wrong(
                    f"{self.name}: computation must return a scalar of {of}, "
                    f"got {described_result(leaf) if not isinstance(leaf, Tracer) else type_}"
                )
        whole = (tracer(leaf, of.dtype) for leaf, of in zip(leaves, self.scalars(), strict=True))
        return tree.unflatten(self.structure, whole)

    def known(self) -> str:
        """The monoid that the function of one operand is, or nothing."""
        pair = tuple(tree.unflatten(self.structure, self.scalars()) for _ in range(2))
        graph = trace_tree(self.checked, pair, self.name).graph
        half = self.xs[0].type.dtype in HALVES  # computed in f32
        nodes = [n for n in graph.nodes if not (half and isinstance(n.op, Cast))]
        if len(self.xs) > 1 or len(nodes) != 1 or len(graph.inputs) != 2:
            return ""
        (node,) = nodes
        monoid, dtype = NAMES.get(node.op.name, ""), node.out.dtype
        args, out = (set(map(uncast, vs) if half else vs) for vs in (node.args, graph.outputs))
        if args != set(graph.inputs) or out != {node.out}:
            return ""
        if (monoid in ("any", "all") and dtype != "bool") or (
            monoid in ("max", "min") and dtype in COMPLEX
        ):
            return ""
        return monoid

    def combined(self, xs: list[Any], ys: list[Any]) -> list[Tracer]:
        """The function of the elements of many at once, in their shape."""
        shape = np.broadcast_shapes(*(shape_of(v) for v in (*xs, *ys)))
        if not math.prod(shape):
            return [tracer(np.zeros(shape, x.dtype)) for x in self.xs]
        flat = ([wnp.broadcast_to(v, shape).reshape(-1) for v in vs] for vs in (xs, ys))
        pair = (tree.unflatten(self.structure, vs) for vs in flat)
        found = tree.leaves(vmap(self.checked)(*pair))
        return [v.reshape(shape) for v in found]

    def folded(self, xs: list[Tracer]) -> Any:
        """All rows, neighbours first, and the initial values before them."""
        n, shape = xs[0].shape[0], xs[0].shape[1:]
        if not n:
            return self.results([wnp.broadcast_to(v, shape) for v in self.inits])
        while n > 1:
            even = n // 2 * 2
            made = self.combined([x[0:even:2] for x in xs], [x[1:even:2] for x in xs])
            last = [x[even:] for x in xs]
            xs = (
                [wnp.concatenate([m, r]) for m, r in zip(made, last, strict=True)]
                if n % 2
                else made
            )
            n = xs[0].shape[0]
        return self.results(self.combined(self.inits, [x[0] for x in xs]))

    def with_initial(self, y: Tracer) -> Any:
        """The result of a known monoid, combined with an initial value that is not its identity."""
        return self.results([y] if self.is_identity() else self.combined(self.inits, [y]))

    def is_identity(self) -> bool:
        (init,), dtype = self.inits, self.xs[0].type.dtype
        if isinstance(init, Tracer):
            return False
        wide = "f32" if dtype in ("f16", "bf16") else dtype
        return bool(init == MONOIDS[self.monoid].identity(wide))

    def results(self, ys: Sequence[Any]) -> Any:
        every = zip(self.xs, ys, self.dtypes, strict=True)
        found = [new(tracer(y).astype(of).value, x.weak) for x, y, of in every]
        return tree.unflatten(self.structure, found)

    # ---- of what

    def of_axes(self, dimensions: Any) -> Any:
        axes, ndim = axes_of(self.name, dimensions, len(self.shape)), len(self.shape)
        n = math.prod(self.shape[a] for a in axes)
        if self.monoid and (n or self.monoid not in ("max", "min")):
            (x,) = self.xs
            return self.with_initial(new(WHOLE[self.monoid](x.value, axes)))
        kept = [a for a in range(ndim) if a not in axes]
        order = [*sorted(axes), *kept]
        rows = (n, *(self.shape[a] for a in kept))
        return self.folded([wnp.transpose(x, order).reshape(rows) for x in self.xs])

    def of_windows(
        self, dimensions: Any, strides: Any, padding: Any, base_dilation: Any, dilation: Any
    ) -> Any:
        name, count = self.name, len(self.shape)
        sizes = steps(name, "window_dimensions", dimensions, count)
        by, apart = (
            steps(name, "window_strides", strides, count),
            steps(name, "window_dilation", dilation, count),
        )
        between = steps(name, "base_dilation", base_dilation, count)
        extents = [(n - 1) * d + 1 for n, d in zip(sizes, apart, strict=True)]
        ends = pads(name, padding, self.shape, extents, by)
        xs = [self.spaced(x, v, between) for x, v in zip(self.xs, self.inits, strict=True)]
        places = zip(xs[0].shape, ends, extents, by, strict=True)
        shape = [max(0, (n + sum(p) - extent) // step + 1) for n, p, extent, step in places]
        if 0 in shape:
            return self.results([wnp.zeros(shape, x.dtype) for x in xs])
        identity = self.monoid in WINDOW and self.is_identity()
        if not identity:
            config = [(*p, 0) for p in ends]
            xs = [pad(x, v, config) for x, v in zip(xs, self.inits, strict=True)]
            ends = ((0, 0),) * count
        places = zip(sizes, by, ends, strict=True)
        axes = tuple(a for a, p in enumerate(places) if p != (1, 1, (0, 0)))
        low, high = (tuple(ends[a][k] for a in axes) for k in range(2))
        size, step, dilated = (tuple(v[a] for a in axes) for v in (sizes, by, apart))
        if self.monoid in WINDOW:
            (x,) = xs
            return self.with_initial(
                new(WINDOW[self.monoid](x.value, axes, size, step, dilated, low, high))
            )
        rows = [windows(x.value, axes, size, step, dilated, low, high) for x in xs]
        last = tuple(range(count, count + len(axes)))
        if self.monoid:
            return self.with_initial(new(WHOLE[self.monoid](rows[0], last)))
        order = (*last, *range(count))
        n = math.prod(sizes[a] for a in axes)
        turned = (ops.permute(v, order) for v in rows)
        return self.folded([new(reshape(v, (n, *v.shape[len(last) :]))) for v in turned])

    @staticmethod
    def spaced(x: Tracer, init: Any, between: Ints) -> Tracer:
        """`x` with the initial value between its elements."""
        for axis, step in enumerate(between):
            x = interior_padded(x, init, axis, step - 1)
        return x
