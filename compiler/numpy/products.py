"""Products of matrices and tensors: all are `dot_general` between reshapes and permutations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Value
from ..ops.contract import dot_general
from ..tracer import FUNCTIONS, Tracer
from .elementwise import conj
from .operands import (
    broadcasted,
    common_shape,
    implements,
    is_weak,
    named,
    new,
    operand,
    promoted,
    shape_of,
    tracer,
    unsupported,
    value,
    wrong,
)
from .reductions import sum as sum_
from .shapes import moveaxis, ravel, reshape, transpose

Axes = tuple[int, ...]


def _pair(name: str, a: Any, b: Any, dtype: Any = None) -> tuple[Tracer, Tracer]:
    x, y = operand(a), operand(b)
    common = named(name, dtype) if dtype else promoted(name, x, y)
    return tracer(x, common), tracer(y, common)


def _contract(
    x: Value, y: Value, contracting: tuple[Axes, Axes], batch: tuple[Axes, Axes] = ((), ())
) -> Value:
    """dot_general; booleans are counted and compared with 0, as NumPy's `or` of `and`."""
    if x.dtype != "bool":
        return dot_general(x, y, contracting, batch)
    counts = dot_general(value(new(x), "i32"), value(new(y), "i32"), contracting, batch)
    return value(new(counts), "bool")


def _matmul(x: Tracer, y: Tracer) -> Tracer:
    """Of matrices: the last axes contract, all before are batches."""
    if not x.ndim or not y.ndim:
        raise wrong(
            f"matmul: arrays of one axis or more are required, got {x.type} and {y.type}", "x * y"
        )
    inner = (x.shape[-1], y.shape[-2 if y.ndim > 1 else 0])
    if inner[0] != inner[1]:
        raise wrong(
            f"matmul: inner sizes differ, {x.type} and {y.type} ({inner[0]} and {inner[1]})",
            _repair(x, y),
        )
    last, first = (x.ndim - 1,), (max(y.ndim - 2, 0),)
    if y.ndim <= 2:
        return new(_contract(x.value, y.value, (last, first)))
    if x.ndim == 1:
        return new(_contract(x.value, y.value, ((0,), first)))
    batch = common_shape("matmul", x.shape[:-2], y.shape[:-2])
    count = len(batch)
    lhs = broadcasted(x.value, (*batch, *x.shape[-2:]))
    rhs = broadcasted(y.value, (*batch, *y.shape[-2:]))
    axes = tuple(range(count))
    return new(_contract(lhs, rhs, ((count + 1,), (count,)), (axes, axes)))


def _repair(x: Tracer, y: Tracer) -> str:
    if y.ndim == 2 and x.shape[-1] == y.shape[-1]:
        return "x @ y.T"
    return (
        "x.T @ y"
        if x.ndim == 2 and y.ndim and x.shape[0] == y.shape[-2 if y.ndim > 1 else 0]
        else ""
    )


@implements(np.matmul)
def matmul(x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None, **_: Any) -> Tracer:
    unsupported("matmul", out=out)
    return _matmul(*_pair("matmul", x1, x2, dtype))


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Tracer:
    unsupported("dot", out=out)
    x, y = _pair("dot", a, b)
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim <= 2:
        return _matmul(x, y)
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 2,)))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Tracer:
    return dot(conj(ravel(a)), ravel(b))


@implements(np.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **_: Any) -> Tracer:
    x, y = (moveaxis(v, axis, -1) for v in _pair("vecdot", x1, x2))
    return einsum("...i,...i->...", conj(x), y)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Tracer:
    x, y = _pair("inner", a, b)
    return x * y if not x.ndim or not y.ndim else tensordot(x, y, ((-1,), (-1,)))


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


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tracer:
    x, y = _pair("tensordot", a, b)
    if isinstance(axes, int):
        left, right = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        given = [tuple(v) if isinstance(v, (tuple, list)) else (v,) for v in axes]
        left, right = tuple(i % x.ndim for i in given[0]), tuple(i % y.ndim for i in given[1])
    sizes = [x.shape[i] for i in left], [y.shape[i] for i in right]
    if sizes[0] != sizes[1]:
        raise wrong(
            f"tensordot: contracted sizes differ, {x.type} and {y.type} ({sizes[0]} and {sizes[1]})"
        )
    return new(_contract(x.value, y.value, (left, right)))


# ---------------------------------------------------------------- einsum


def _subscripts(text: str, ndims: list[int]) -> tuple[list[str], str]:
    """Letters of each operand and of the result; an ellipsis becomes letters of its own."""
    left, arrow, result = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise wrong(
            f"einsum: as many operands as terms are required, got {len(ndims)} for '{text}'"
        )
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + 24)]
    widths = [n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True)]
    count = max((w for w, t in zip(widths, terms, strict=True) if "..." in t), default=0)
    filled = [
        t.replace("...", "".join(spare[count - w : count]))
        for t, w in zip(terms, widths, strict=True)
    ]
    for t, n in zip(filled, ndims, strict=True):
        if len(t) != n:
            raise wrong(
                f"einsum: a letter per axis is required, got '{t}' of '{text}' for {n} axes"
            )
    dots = "".join(spare[:count])
    if arrow:
        return filled, result.replace("...", dots)
    letters = "".join(terms).replace("...", "")
    return filled, dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))


def _diagonals(x: Tracer, term: str) -> tuple[Tracer, str]:
    """Repeated letters of one operand as one."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i, j = term.index(c), term.rindex(c)
            x = FUNCTIONS[np.diagonal](x, 0, i, j)
            term = "".join(d for k, d in enumerate(term) if k not in (i, j)) + c
    return x, term


def _without(x: Tracer, term: str, letters: set[str]) -> tuple[Tracer, str]:
    """The letters summed over."""
    axes = tuple(i for i, c in enumerate(term) if c in letters)
    return (
        (sum_(x, axes, x.dtype), "".join(c for c in term if c not in letters))
        if axes
        else (x, term)
    )


def _ordered(x: Tracer, term: str, result: str) -> Tracer:
    return transpose(x, [term.index(c) for c in result])


def _two(x: Tracer, s: str, y: Tracer, t: str, result: str) -> tuple[Tracer, str]:
    """The product of two operands, summed over what nothing reads later (`result`)."""
    for c in set(s) & set(t):
        n, m = x.shape[s.index(c)], y.shape[t.index(c)]
        if n != m and 1 not in (n, m):
            raise wrong(
                f"einsum: one size for '{c}' is required, got {n} and {m} of {x.type} and {y.type}"
            )
        if n != m:  # a size of 1 repeats: its sum is itself
            x, s = _without(x, s, {c} if n == 1 else set())
            y, t = _without(y, t, {c} if m == 1 else set())
    x, s = _without(x, s, set(s) - set(t) - set(result))
    y, t = _without(y, t, set(t) - set(s) - set(result))
    shared = [c for c in s if c in t]
    batch, summed = [c for c in shared if c in result], [c for c in shared if c not in result]
    places = [
        [tuple(term.index(c) for c in letters) for term in (s, t)] for letters in (summed, batch)
    ]
    product = new(_contract(x.value, y.value, *((p[0], p[1]) for p in places)))
    free = [c for term in (s, t) for c in term if c not in shared]
    return product, "".join([*batch, *free])


@implements(np.einsum)
def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    optimize: Any = False,
    **_: Any,
) -> Tracer:
    """Sums of products by letters; operands are taken in from the left."""
    unsupported("einsum", out=out)
    if not isinstance(subscripts, str):
        raise wrong(
            "einsum: subscripts as text are required, got operands first",
            "np.einsum('ij,jk->ik', x, y)",
        )
    xs = [operand(x) for x in operands]
    common = named("einsum", dtype) if dtype else promoted("einsum", *xs)
    weak = all(is_weak(x) for x in xs)
    terms, result = _subscripts(subscripts, [len(shape_of(x)) for x in xs])
    for c in result:
        if not any(c in t for t in terms) or result.count(c) > 1:
            raise wrong(
                f"einsum: a result of letters that occur, each once, is required, got {subscripts}"
            )
    pairs = [_diagonals(tracer(x, common), t) for x, t in zip(xs, terms, strict=True)]
    found, term = pairs[0]
    for k, (y, t) in enumerate(pairs[1:], start=2):
        later = "".join(u for _, u in pairs[k:])
        found, term = _two(found, term, y, t, result + later)
    found, term = _without(found, term, set(term) - set(result))
    return new(_ordered(found, term, result).value, weak)
