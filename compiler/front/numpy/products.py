"""Products of matrices and tensors, all `dot_general` between reshapes and permutations, and of
sequences, which are convolutions.

`precision=` of those of wonderland.numpy is as in JAX; see compiler/ir/precision.py. Rows that an
index picks of fewer are multiplied before they are picked; see compiler/ops/picked_rows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.explain import shown
from ...ir.graph import Value
from ...ops.contract import dot_general
from ...ops.convolution import convolution
from ...ops.picked_rows import picked_product
from ...settings import active
from ...trace.operands import (
    axes_of,
    broadcasted,
    common_shape,
    new,
    operand,
    promoted,
    result_dtype,
    several,
    tracer,
    unsupported,
    value,
    whole,
    wrong,
)
from ...trace.table import ignored, implements
from ...trace.tracer import Tracer
from .elementwise import conj
from .shapes import concatenate, moveaxis, ravel, reshape, stack

__all__ = [
    "convolve", "correlate", "cross", "dot", "inner", "kron", "matmul", "matvec", "outer",
    "tensordot", "vdot", "vecdot", "vecmat",
]  # fmt: skip

Axes = tuple[int, ...]


def _pair(name: str, a: Any, b: Any, dtype: Any = None) -> tuple[Tracer, Tracer]:
    x, y = operand(a), operand(b)
    common = result_dtype(name, dtype) if dtype else promoted(name, x, y)
    return tracer(x, common), tracer(y, common)


def contract(
    x: Value, y: Value, contracting: tuple[Axes, Axes], batch: tuple[Axes, Axes] = ((), ())
) -> Value:
    """dot_general of the precision that is set; booleans are counted and compared with 0, as
    NumPy's `or` of `and`."""
    precision = active().default_matmul_precision
    if contracting == ((len(x.shape) - 1,), (0,)) and not batch[0]:
        found = picked_product(x, y, precision)
        if found is not None:
            return found
    if x.dtype != "bool":
        return dot_general(x, y, contracting, batch, precision)
    counts = dot_general(value(new(x), "i32"), value(new(y), "i32"), contracting, batch)
    return value(new(counts), "bool")


def _met(name: str, x: Tracer, y: Tracer, axes: tuple[int, int], repair: str = "") -> None:
    """Refuses operands without these last axes, or whose last one and that of y differ in size."""
    if x.ndim < axes[0] or y.ndim < axes[1]:
        least = " and ".join(f"{n} axes or more" if n > 1 else "one axis or more" for n in axes)
        raise wrong(f"{name}: arrays of {least} are required, got {x.type} and {y.type}")
    sizes = x.shape[-1], y.shape[-axes[1]]
    if sizes[0] != sizes[1]:
        raise wrong(
            f"{name}: inner sizes differ, {x.type} and {y.type} ({sizes[0]} and {sizes[1]})", repair
        )


def _matmul(x: Tracer, y: Tracer, name: str = "matmul") -> Tracer:
    """Of matrices: the last axes contract, all before are batches."""
    if not x.ndim or not y.ndim:
        raise wrong(
            f"{name}: arrays of one axis or more are required, got {x.type} and {y.type}", "x * y"
        )
    _met(name, x, y, (1, min(y.ndim, 2)), _repair(x, y))
    last, first = (x.ndim - 1,), (max(y.ndim - 2, 0),)
    if y.ndim <= 2:
        return new(contract(x.value, y.value, (last, first)))
    if x.ndim == 1:
        return new(contract(x.value, y.value, ((0,), first)))
    batch = common_shape(name, x.shape[:-2], y.shape[:-2])
    count = len(batch)
    lhs = broadcasted(x.value, (*batch, *x.shape[-2:]))
    rhs = broadcasted(y.value, (*batch, *y.shape[-2:]))
    axes = tuple(range(count))
    return new(contract(lhs, rhs, ((count + 1,), (count,)), (axes, axes)))


def _repair(x: Tracer, y: Tracer) -> str:
    if y.ndim == 2 and x.shape[-1] == y.shape[-1]:
        return "x @ y.T"
    return (
        "x.T @ y"
        if x.ndim == 2 and y.ndim and x.shape[0] == y.shape[-2 if y.ndim > 1 else 0]
        else ""
    )


@implements(np.matmul, precise=True)
def matmul(x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None, **options: Any) -> Tracer:
    unsupported("matmul", out=out)
    ignored("matmul", options)
    return _matmul(*_pair("matmul", x1, x2, dtype))


@implements(np.dot, precise=True)
def dot(a: Any, b: Any, out: Any = None) -> Tracer:
    unsupported("dot", out=out)
    x, y = _pair("dot", a, b)
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim <= 2:
        return _matmul(x, y, "dot")
    _met("dot", x, y, (1, 2))
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 2,)))


@implements(np.vdot, precise=True)
def vdot(a: Any, b: Any, /) -> Tracer:
    x = ravel(a)
    return dot(conj(x) if x.type.is_complex else x, ravel(b))


@implements(np.vecdot, precise=True)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **options: Any) -> Tracer:
    ignored("vecdot", options)
    x, y = (moveaxis(v, axis, -1) for v in _pair("vecdot", x1, x2))
    _met("vecdot", x, y, (1, 1))
    x = conj(x) if x.type.is_complex else x
    return _matmul(x[..., None, :], y[..., :, None], "vecdot")[..., 0, 0]


@implements(np.matvec, precise=True)
def matvec(x1: Any, x2: Any, /, **options: Any) -> Tracer:
    ignored("matvec", options)
    x, y = _pair("matvec", x1, x2)
    _met("matvec", x, y, (2, 1))
    return _matmul(x, y[..., None], "matvec")[..., 0]


@implements(np.vecmat, precise=True)
def vecmat(x1: Any, x2: Any, /, **options: Any) -> Tracer:
    """Of the complex conjugate of the vector, as NumPy's."""
    ignored("vecmat", options)
    x, y = _pair("vecmat", x1, x2)
    _met("vecmat", x, y, (1, 2))
    x = conj(x) if x.type.is_complex else x
    return _matmul(x[..., None, :], y, "vecmat")[..., 0, :]


@implements(np.inner, precise=True)
def inner(a: Any, b: Any, /) -> Tracer:
    x, y = _pair("inner", a, b)
    if not x.ndim or not y.ndim:
        return x * y
    _met("inner", x, y, (1, 1))
    return tensordot(x, y, ((-1,), (-1,)))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Tracer:
    unsupported("outer", out=out)
    return ravel(a)[:, None] * ravel(b)[None, :]


@implements(np.kron)
def kron(a: Any, b: Any) -> Tracer:
    x, y = _pair("kron", a, b)
    ndim = max(x.ndim, y.ndim)
    left, right = ((1,) * (ndim - v.ndim) + v.shape for v in (x, y))
    product = reshape(x, [m for n in left for m in (n, 1)]) * reshape(
        y, [m for n in right for m in (1, n)]
    )
    return reshape(product, [n * m for n, m in zip(left, right, strict=True)])


@implements(np.tensordot, precise=True)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tracer:
    x, y = _pair("tensordot", a, b)
    count = whole(axes)
    if count is not None:
        if not 0 <= count <= min(x.ndim, y.ndim):
            types = f"{x.type} and {y.type}"
            raise wrong(f"tensordot: axes of {types} are required, got {count} of them")
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    else:
        given = several(axes)
        if len(given) != 2:
            raise wrong(f"tensordot: axes of both arrays are required, got {shown(axes)}")
        left, right = (axes_of("tensordot", a, v.ndim) for a, v in zip(given, (x, y), strict=True))
    sizes = [x.shape[i] for i in left], [y.shape[i] for i in right]
    if sizes[0] != sizes[1]:
        raise wrong(
            f"tensordot: contracted sizes differ, {x.type} and {y.type} ({sizes[0]} and {sizes[1]})"
        )
    return new(contract(x.value, y.value, (left, right)))


def _slid(x: Tracer, y: Tracer, mode: str) -> Tracer:
    """The sums of products of y, the shorter, with what stands beside it at each place on x."""
    low = {"full": y.size - 1, "same": y.size // 2, "valid": 0}[mode]
    high = low if mode != "same" else y.size - low - 1
    counted = x.type.dtype == "bool"  # as NumPy's `or` of `and`
    on, by = (value(v, "i32") if counted else v.value for v in (x, y))
    precision = active().default_matmul_precision
    found = convolution(on, by, (1,), ((low, high),), contracting=0, precision=precision)
    return new(value(new(found), "bool") if counted else found)


def _sequences(name: str, a: Any, v: Any, mode: Any) -> tuple[Tracer, Tracer, str]:
    """Both operands, if they are sequences, and the mode by name."""
    x, y = _pair(name, a, v)
    mode = ("valid", "same", "full")[mode] if mode in (0, 1, 2) else mode
    if mode not in ("full", "same", "valid"):
        raise wrong(f"{name}: a mode of full, same, valid is required, got {shown(mode)}")
    if (x.ndim, y.ndim) != (1, 1) or not x.size or not y.size:
        raise wrong(
            f"{name}: arrays of one axis with an element or more are required, "
            f"got {x.type} and {y.type}",
            f"{name} of the rows, by vmap" if x.ndim > 1 and y.ndim == 1 else "",
        )
    return x, y, mode


@implements(np.correlate, precise=True)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Tracer:
    x, y, mode = _sequences("correlate", a, v, mode)
    y = conj(y) if y.type.is_complex else y
    return _slid(x, y, mode) if x.size >= y.size else _slid(y, x, mode)[::-1]


@implements(np.convolve, precise=True)
def convolve(a: Any, v: Any, mode: Any = "full") -> Tracer:
    x, y = (x if x.ndim else x[None] for x in _pair("convolve", a, v))
    x, y, mode = _sequences("convolve", x, y, mode)
    return _slid(x, y[::-1], mode) if x.size >= y.size else _slid(y, x[::-1], mode)


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tracer:
    """The vector products of vectors of 3; of vectors of 2 the third element alone."""
    first, second = (axisa, axisb) if axis is None else (axis, axis)
    out = axisc if axis is None else axis
    pair = _pair("cross", a, b)
    x, y = (moveaxis(v, at, -1) for v, at in zip(pair, (first, second), strict=True))
    sizes = x.shape[-1:], y.shape[-1:]
    if not {*sizes} <= {(2,), (3,)}:
        raise wrong(f"cross: vectors of 2 or 3 are required, got {pair[0].type} and {pair[1].type}")

    def part(i: int, j: int) -> Any:
        return x[..., i] * y[..., j] - x[..., j] * y[..., i]

    if sizes == ((2,), (2,)):
        return part(0, 1)
    (x, y), zeros = (x, y), [0 * v[..., :1] for v in (x, y)]
    x, y = (
        v if v.shape[-1] == 3 else concatenate([v, z], -1)
        for v, z in zip((x, y), zeros, strict=True)
    )
    return moveaxis(stack([part(1, 2), part(2, 0), part(0, 1)], -1), -1, out)
