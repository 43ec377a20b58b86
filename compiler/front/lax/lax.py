"""jax.lax's names for what NumPy has no name for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, cast

from ... import ops
from ...ir.explain import explained
from ...ir.precision import Precision, factors_of
from ...ir.types import INEXACT, WHOLE, Type, dtype_name
from ...ops import contract, gamma, source
from ...settings import active
from ...trace.arrays import plain
from ...trace.following import following
from ...trace.operands import (
    axis_of,
    broadcasted,
    common_shape,
    is_weak,
    met,
    new,
    operand,
    promoted,
    shape_given,
    shape_of,
    tracer,
    value,
    wrong,
)
from ...trace.trace import call, trace_tree
from ...trace.tracer import Tracer, current
from ..numpy import elementwise
from ..numpy.indexing import index_value
from ..numpy.selection import from_front
from .associative import associative_scan
from .control_flow import cond, fori_loop, map, scan, switch, while_loop

__all__ = [
    "Precision",
    "associative_scan",
    "broadcast_in_dim",
    "broadcasted_iota",
    "clamp",
    "complex",
    "cond",
    "conj",
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "digamma",
    "dot_general",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "erf",
    "erf_inv",
    "erfc",
    "fma",
    "fori_loop",
    "imag",
    "iota",
    "lgamma",
    "logistic",
    "map",
    "random_gamma_grad",
    "real",
    "rsqrt",
    "scan",
    "select",
    "sort",
    "stop_gradient",
    "switch",
    "top_k",
    "while_loop",
]

P = ParamSpec("P")


def eager(*names: str) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Outside of a trace, trace the decorated function for the arguments `names` and run it."""

    def decorate(function: Callable[P, Any]) -> Callable[P, Any]:
        traced = following(function)
        whole = cast(Callable[..., Any], traced)

        @functools.wraps(function)
        def public(*args: P.args, **options: P.kwargs) -> Any:
            if current() is not None:
                return traced(*args, **options)
            bound = bound_to(signature_of(function), args, options)
            arrays = {n: _array(bound.arguments[n]) for n in names}

            def body(given: dict[str, Any]) -> Any:
                bound.arguments.update(given)
                return whole(*bound.args, **bound.kwargs)

            return call(trace_tree(body, (arrays,), function.__name__), arrays)

        return explained(public)

    return decorate


signature_of = functools.cache(inspect.signature)


def bound_to(
    signature: inspect.Signature, args: tuple[Any, ...], options: dict[str, Any]
) -> inspect.BoundArguments:
    """Arguments and defaults by parameter."""
    try:
        bound = signature.bind(*args, **options)
    except TypeError as error:  # of inspect's file, which is not ours to explain
        raise TypeError(str(error)) from None
    bound.apply_defaults()
    return bound


def ints(xs: Any) -> tuple[int, ...]:
    return tuple(int(x) for x in xs)


def _array(x: Any) -> Any:
    return plain(x) if isinstance(x, (list, tuple)) else x


def _named(function: Callable[..., Any], name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def unary(rule: Callable[..., Any], name: str = "", doc: str = "") -> Callable[[Any], Any]:
    """The function of a rule of one float; integers are taken as f64."""

    def function(x: Any) -> Tracer:
        x = tracer(x)
        return new(rule(x.value if x.type.is_inexact else x.astype("f64").value), x.weak)

    name = name or rule.__name__
    return eager("x")(_named(function, name, doc or f"`{name}` of each element."))


def binary(rule: Callable[..., Any], name: str, doc: str) -> Callable[[Any, Any], Tracer]:
    """The function of a rule of two floats, promoted and broadcast; integers are taken as f64."""

    def function(x: Any, y: Any) -> Tracer:
        xs = [operand(v) for v in (x, y)]
        dtype, shape = promoted(name, *xs), common_shape(name, *(shape_of(v) for v in xs))
        dtype = dtype if dtype in INEXACT else "f64"
        return new(rule(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))

    return eager("x", "y")(_named(function, name, doc))


rsqrt, logistic = unary(ops.rsqrt), unary(ops.sigmoid)
erf, erfc, erf_inv = unary(ops.erf), unary(ops.erfc), unary(ops.erfinv)
lgamma, digamma = unary(ops.lgamma), unary(ops.digamma)


@eager("x", "y")
def complex(x: Any, y: Any) -> Tracer:
    """x + i y, of real numbers of one dtype."""
    xs = [operand(v) for v in (x, y)]
    dtype, shape = promoted("complex", *xs), common_shape("complex", *(shape_of(v) for v in xs))
    return new(ops.complex(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))


@eager("x")
def real(x: Any) -> Tracer:
    """The real part."""
    return elementwise.real(x)


@eager("x")
def imag(x: Any) -> Tracer:
    """The imaginary part."""
    return elementwise.imag(x)


@eager("x")
def conj(x: Any) -> Tracer:
    """The conjugate, complex of real numbers too."""
    x = tracer(x)
    if not x.type.is_complex:
        x = tracer(x, WHOLE[x.type.dtype if x.type.dtype in WHOLE else "f64"])
    return elementwise.conj(x)


@eager("x")
def stop_gradient(x: Any) -> Tracer:
    """x, a constant to derivatives."""
    x = tracer(x)
    return new(ops.stop_gradient(x.value), x.weak)


@eager("x", "y", "z")
def fma(x: Any, y: Any, z: Any) -> Tracer:
    """x * y + z, rounded once."""
    xs = [operand(v) for v in (x, y, z)]
    dtype, shape = promoted("fma", *xs), common_shape("fma", *(shape_of(v) for v in xs))
    return new(ops.fma(*(value(v, dtype, shape) for v in xs)), all(is_weak(v) for v in xs))


@eager("pred", "on_true", "on_false")
def select(pred: Any, on_true: Any, on_false: Any) -> Tracer:
    """on_true where pred, else on_false."""
    return elementwise.where(pred, on_true, on_false)


@eager("min", "x", "max")
def clamp(min: Any, x: Any, max: Any) -> Tracer:
    """x within min and max."""
    return elementwise.clip(x, min, max)


@eager("lhs", "rhs")
def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Tracer:
    """Sums of products; `dimension_numbers` are ((lhs, rhs) contracting, (lhs, rhs) batch).

    They are computed in `preferred_element_type` where it is given. `precision`, else the setting
    default_matmul_precision, is what factors of f32 may be rounded to.
    Shapes: batch, lhs free, rhs free.
    """
    x, y = operand(lhs), operand(rhs)
    wanted = preferred_element_type
    dtype = promoted("dot_general", x, y) if wanted is None else dtype_name(wanted)
    (left, right), (left_batch, right_batch) = dimension_numbers
    contracting = ints(left), ints(right)
    batch = ints(left_batch), ints(right_batch)
    factors = active().default_matmul_precision if precision is None else factors_of(precision)
    return new(contract.dot_general(value(x, dtype), value(y, dtype), contracting, batch, factors))


@eager("operand")
def broadcast_in_dim(operand: Any, shape: Any, broadcast_dimensions: Any) -> Tracer:
    """Dimension i of the operand becomes dimension broadcast_dimensions[i] of the result."""
    x, shape = tracer(operand), shape_given("broadcast_in_dim", shape)
    spread = [1] * len(shape)
    for n, at in zip(x.shape, broadcast_dimensions, strict=True):
        spread[at] = n
    return new(broadcasted(x.reshape(spread).value, shape, "broadcast_in_dim"), x.weak)


@eager()
def broadcasted_iota(dtype: Any, shape: Any, dimension: int) -> Tracer:
    """Positions along one dimension."""
    return new(source.iota(Type(dtype_name(dtype), shape_given("iota", shape)), dimension))


@explained
def iota(dtype: Any, size: int) -> Any:
    """0, 1, ... size - 1."""
    return broadcasted_iota(dtype, (size,), 0)


# ---------------------------------------------------------------- along an axis


def _cumulative(rule: Callable[..., Any]) -> Callable[..., Any]:
    def function(operand: Any, axis: int = 0, reverse: bool = False) -> Tracer:
        x = tracer(operand)
        return new(rule(x.value, axis_of(rule.__name__, axis, x.ndim), bool(reverse)), x.weak)

    function.__name__ = function.__qualname__ = rule.__name__
    function.__doc__ = f"`{rule.__name__}` along an axis, from its end if `reverse`."
    return eager("operand")(function)


cumsum, cumprod = _cumulative(ops.cumsum), _cumulative(ops.cumprod)
cummax, cummin = _cumulative(ops.cummax), _cumulative(ops.cummin)
cumlogsumexp = _cumulative(ops.cumlogsumexp)


@explained
def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """The operand, or several sorted alike by the first `num_keys`; stable, NaN last."""
    several = isinstance(operand, (tuple, list))
    if several and not operand:
        raise wrong("sort: one operand at least is required, got none")
    found = _sorted(dict(enumerate(operand if several else (operand,))), dimension, num_keys)
    return found if several else found[0]


@eager("operands")
def _sorted(operands: dict[int, Any], dimension: int, num_keys: int) -> tuple[Tracer, ...]:
    xs = [tracer(x) for x in operands.values()]
    shape = common_shape("sort", *(x.shape for x in xs))
    axis = axis_of("sort", dimension, len(shape))
    found = ops.sort(*(value(x, shape=shape) for x in xs), axis=axis, keys=num_keys)
    return tuple(new(y, x.weak) for x, y in zip(xs, found[:-1], strict=True))


@eager("operand")
def top_k(operand: Any, k: int, axis: int = -1) -> tuple[Tracer, Tracer]:
    """The k greatest along an axis, greatest first, and their places i32; of equals the first.

    Cost: the k are found by their digits, highest first, and sorted: a few passes over the rest.
    """
    x = tracer(operand)
    axis = axis_of("top_k", axis, x.ndim)
    if not 0 <= k <= x.shape[axis]:
        raise wrong(f"top_k: a k within axis {axis} of {x.type} is required, got {k}")
    best, places = ops.sort(x.value, axis=axis, descending=True, most=k)
    return new(best, x.weak), new(ops.cast(places, "i32"))


@eager("a", "sample")
def random_gamma_grad(a: Any, sample: Any) -> Tracer:
    """The derivative of draws from the gamma distribution by the shape they were drawn with."""
    xs = [operand(v) for v in (a, sample)]
    dtype = promoted("random_gamma_grad", *xs)
    shape = common_shape("random_gamma_grad", *(shape_of(v) for v in xs))
    shapes, draws = (value(v, dtype, shape) for v in xs)
    return new(gamma.random_gamma_grad(shapes, draws))


# ---------------------------------------------------------------- windows


@eager("operand", "start_indices")
def dynamic_slice(
    operand: Any, start_indices: Any, slice_sizes: Any, *, allow_negative_indices: Any = True
) -> Tracer:
    """The window of `slice_sizes` that begins at `start_indices`, moved to lie within the operand.

    Negative indices count from the end; without `allow_negative_indices`, a bool or one an axis,
    they are beyond the front.
    Example:
    >>> dynamic_slice(np.arange(5), [3], [3])
    array([2, 3, 4])
    """
    x, sizes = tracer(operand), shape_given("dynamic_slice", slice_sizes)
    starts = _starts("dynamic_slice", x, start_indices, allow_negative_indices)
    fits = len(sizes) == x.ndim and all(0 <= m <= n for m, n in zip(sizes, x.shape, strict=True))
    if not fits:
        raise wrong(f"dynamic_slice: sizes within {x.type} are required, got {sizes}")
    return new(ops.dynamic_slice(x.value, starts, sizes), x.weak)


@eager("operand", "start_index")
def dynamic_slice_in_dim(
    operand: Any,
    start_index: Any,
    slice_size: int,
    axis: int = 0,
    *,
    allow_negative_indices: Any = True,
) -> Tracer:
    """`slice_size` elements from `start_index` along `axis`."""
    x = tracer(operand)
    axis = axis_of("dynamic_slice_in_dim", axis, x.ndim)
    sizes = tuple(slice_size if d == axis else n for d, n in enumerate(x.shape))
    starts = _along(x, start_index, axis)
    return dynamic_slice(x, starts, sizes, allow_negative_indices=allow_negative_indices)


@eager("operand", "index")
def dynamic_index_in_dim(
    operand: Any,
    index: Any,
    axis: int = 0,
    keepdims: bool = True,
    *,
    allow_negative_indices: Any = True,
) -> Tracer:
    """The element at `index` along `axis`, with that axis of one element kept or not."""
    x = tracer(operand)
    axis = axis_of("dynamic_index_in_dim", axis, x.ndim)
    found = dynamic_slice_in_dim(
        x, index, 1, axis, allow_negative_indices=allow_negative_indices
    )
    return found if keepdims else found.reshape(x.shape[:axis] + x.shape[axis + 1 :])


@eager("operand", "update", "start_indices")
def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: Any = True
) -> Tracer:
    """The operand with the window at `start_indices` replaced, moved to lie within the operand."""
    u = tracer(update)
    x = met(tracer(operand), u)
    starts = _starts("dynamic_update_slice", x, start_indices, allow_negative_indices)
    fits = u.ndim == x.ndim and all(m <= n for m, n in zip(u.shape, x.shape, strict=True))
    if not fits or (u.type.dtype != x.type.dtype and not u.weak):
        raise wrong(
            f"dynamic_update_slice: an update of the dtype and within {x.type} is required, "
            f"got {u.type}"
        )
    return new(ops.dynamic_update_slice(x.value, value(u, x.type.dtype), starts), x.weak)


@eager("operand", "update", "start_index")
def dynamic_update_slice_in_dim(
    operand: Any,
    update: Any,
    start_index: Any,
    axis: int,
    *,
    allow_negative_indices: Any = True,
) -> Tracer:
    """The operand with `update` from `start_index` on along `axis`."""
    x = tracer(operand)
    axis = axis_of("dynamic_update_slice_in_dim", axis, x.ndim)
    starts = _along(x, start_index, axis)
    return dynamic_update_slice(x, update, starts, allow_negative_indices=allow_negative_indices)


@eager("operand", "update", "index")
def dynamic_update_index_in_dim(
    operand: Any,
    update: Any,
    index: Any,
    axis: int,
    *,
    allow_negative_indices: Any = True,
) -> Tracer:
    """The operand with the element at `index` along `axis` replaced."""
    x, u = tracer(operand), tracer(update)
    axis = axis_of("dynamic_update_index_in_dim", axis, x.ndim)
    if u.ndim != x.ndim:
        u = u.reshape((*u.shape[:axis], 1, *u.shape[axis:]))
    return dynamic_update_slice_in_dim(
        x, u, index, axis, allow_negative_indices=allow_negative_indices
    )


def _along(x: Tracer, start: Any, axis: int) -> list[Any]:
    return [start if d == axis else 0 for d in range(x.ndim)]


def _starts(name: str, x: Tracer, starts: Any, negative: Any) -> list[Any]:
    """An index an axis as values: negative ones count from the end, or where they are not to are 0.
    """
    given = list(starts)
    if len(given) != x.ndim or any(shape_of(operand(s)) for s in given):
        raise wrong(f"{name}: an index for each axis of {x.type} is required, got {starts!r:.60}")
    allowed = [negative] * x.ndim if isinstance(negative, bool) else list(negative)
    given = [s if a else elementwise.maximum(s, 0) for s, a in zip(given, allowed, strict=True)]
    return [
        index_value(name, from_front(s, n, x, d, "clip"))
        for d, (s, n) in enumerate(zip(given, x.shape, strict=True))
    ]
