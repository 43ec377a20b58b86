"""What programs say in wonderland's names, in plain Python over NumPy: loops are loops.

Derivatives are differences in double precision: in a direction, or element by element, so of few.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .rounding import Rounded, plain

Function = Callable[..., Any]
WIDE_NAMES = {"F": np.float64, "G": np.float64, "C": np.complex128}
STEP = 1e-3  # of differences of the fourth order: they round by 1e-13 and cut off by 1e-12
ACCURACY = 1e-10
MOST_SLOPES = 60


class Kink(Exception):
    """Differences of two sizes do not agree: no derivative is to be had here."""


# ---------------------------------------------------------------- trees


def leaves(x: Any) -> list[Any]:
    if x is None:
        return []
    return [y for part in x for y in leaves(part)] if isinstance(x, tuple | list) else [x]


def mapped(f: Function, *xs: Any) -> Any:
    """f over the leaves of trees of one structure."""
    if xs[0] is None:
        return None
    if isinstance(xs[0], tuple | list):
        return tuple(mapped(f, *parts) for parts in zip(*xs, strict=True))
    return f(*xs)


# ---------------------------------------------------------------- loops and branches


def scan(f: Function, init: Any, xs: Any, length: int | None = None, reverse: bool = False) -> Any:
    size = len(leaves(xs)[0]) if xs is not None else length
    assert size is not None
    carry, ys = init, []
    for i in reversed(range(size)) if reverse else range(size):
        carry, y = f(carry, mapped(lambda x, i=i: x[i], xs))
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, mapped(lambda *parts: np.stack(parts), *ys)


def fori_loop(lower: int, upper: int, body: Function, init: Any) -> Any:
    for i in range(lower, upper):
        init = body(i, init)
    return init


def while_loop(test: Function, body: Function, init: Any) -> Any:
    while test(init):
        init = body(init)
    return init


def cond(p: Any, yes: Function, no: Function, *operands: Any) -> Any:
    return yes(*operands) if p else no(*operands)


def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def mapping(f: Function, xs: Any) -> Any:
    return mapped(
        lambda *parts: np.stack(parts),
        *(f(mapped(lambda x, i=i: x[i], xs)) for i in range(len(leaves(xs)[0]))),
    )


def vmap(f: Function, in_axes: Any = 0, out_axes: int = 0) -> Function:
    def batch(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        size = next(x.shape[a] for x, a in zip(args, axes, strict=True) if a is not None)

        def part(x: Any, a: int | None, i: int) -> Any:
            return x if a is None else np.moveaxis(x, a, 0)[i]

        found = [f(*(part(x, a, i) for x, a in zip(args, axes, strict=True))) for i in range(size)]
        return mapped(lambda *parts: np.stack(parts, axis=out_axes), *found)

    return batch


# ---------------------------------------------------------------- updates


class Place:
    def __init__(self, x: Any, at: Any) -> None:
        self.x, self.at = x, at

    def _by(self, ufunc: Any, v: Any) -> Any:
        found = np.array(self.x, subok=True)
        if ufunc is None:
            found[self.at] = v
        else:
            ufunc.at(plain(found), self.at, plain(np.asarray(v, found.dtype)))
        return found

    def set(self, v: Any) -> Any:
        return self._by(None, v)

    def add(self, v: Any) -> Any:
        return self._by(np.add, v)

    def multiply(self, v: Any) -> Any:
        return self._by(np.multiply, v)

    def max(self, v: Any) -> Any:
        return self._by(np.maximum, v)

    def min(self, v: Any) -> Any:
        return self._by(np.minimum, v)

    def get(self) -> Any:
        return self.x[self.at]


class At:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, at: Any) -> Place:
        return Place(self.x, at)


# ---------------------------------------------------------------- derivatives


def run_of(f: Function) -> type[Rounded] | None:
    """The run that a function is part of, if roundings are felt in it."""
    return f.__globals__.get("rounding")


@contextlib.contextmanager
def widely(f: Function) -> Iterator[None]:
    """Inside of the block the names of dtypes in the text of `f` are wide, and nothing is moved."""
    scope, run = f.__globals__, run_of(f)
    kept = {n: scope[n] for n in WIDE_NAMES if n in scope}
    scope.update({n: WIDE_NAMES[n] for n in kept})
    try:
        with run.exact() if run else contextlib.nullcontext():
            yield
    finally:
        scope.update(kept)


def slope(f: Callable[[float], Any]) -> Any:
    """The derivative at 0 of a function that gives a tuple of arrays."""

    def difference(h: float) -> list[np.ndarray]:
        def at(k: float) -> list[np.ndarray]:
            return [np.asarray(plain(np.asarray(y)), np.float64) for y in leaves(f(k * h))]

        points = zip(at(-2), at(-1), at(1), at(2), strict=True)
        return [(a - 8 * b + 8 * c - d) / (12 * h) for a, b, c, d in points]

    coarse, fine = difference(STEP), difference(STEP / 3)
    for x, y, gap in zip(coarse, fine, jumps(f), strict=True):
        most = 1 + np.max(np.abs(y), initial=0)
        if not np.allclose(x, y, 1e-6, 1e-6 * most) or np.max(gap, initial=0) > 1e-4 * most:
            raise Kink
    return fine


def jumps(f: Callable[[float], Any], h: float = 1e-6) -> list[np.ndarray]:
    """By how much the slopes to both sides of 0 differ."""
    before, here, after = (
        [np.asarray(plain(np.asarray(y)), np.float64) for y in leaves(f(k * h))] for k in (-1, 0, 1)
    )
    return [np.abs(a - 2 * b + c) / h for a, b, c in zip(before, here, after, strict=True)]


def as_given(found: Any, like: Any, run: type[Rounded] | None) -> Any:
    """A derivative in the dtype of what it is of, moved by what differences may be off."""
    if run:
        most = np.max(np.abs(found), initial=0)
        return run.moved(found, most * 16, floor=ACCURACY * (1 + most))
    return np.asarray(found).astype(like.dtype)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    values = f(*primals)
    xs, ts = ([np.asarray(plain(x), np.float64) for x in some] for some in (primals, tangents))
    with widely(f):
        found = slope(lambda h: f(*(x + h * t for x, t in zip(xs, ts, strict=True))))
    found, run = iter(found), run_of(f)
    return values, mapped(lambda y: as_given(next(found), np.asanyarray(y), run), values)


def value_and_grad(f: Function, argnums: Any = 0) -> Function:
    def differentiated(*args: Any) -> Any:
        value = f(*args)
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        run = run_of(f)
        slopes = tuple(as_given(partial(f, args, k), args[k], run) for k in numbers)
        return value, slopes if isinstance(argnums, tuple) else slopes[0]

    return differentiated


def partial(f: Function, args: Sequence[Any], k: int) -> np.ndarray:
    """The gradient in one argument, element by element."""
    wide = [plain(x) for x in args]
    x = np.asarray(wide[k], np.float64)
    if x.size > MOST_SLOPES:
        raise Kink
    out = np.zeros(x.shape)

    def moved(h: float, i: Any) -> Any:
        y = x.copy()
        y[i] += h
        return f(*wide[:k], y, *wide[k + 1 :])

    with widely(f):
        for i in np.ndindex(x.shape):
            (out[i],) = slope(lambda h, i=i: moved(h, i))
    return out


def grad(f: Function, argnums: Any = 0) -> Function:
    return lambda *args: value_and_grad(f, argnums)(*args)[1]


# ---------------------------------------------------------------- names


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(x - top), axis=axis))


lax = types.SimpleNamespace(
    scan=scan, fori_loop=fori_loop, while_loop=while_loop, cond=cond, switch=switch, map=mapping,
    cummax=lambda x, axis=0: np.maximum.accumulate(x, axis),
    cummin=lambda x, axis=0: np.minimum.accumulate(x, axis),
)  # fmt: skip
wl = types.SimpleNamespace(
    lax=lax, vmap=vmap, checkpoint=lambda f: f, grad=grad, value_and_grad=value_and_grad, jvp=jvp,
    stop_gradient=lambda x: x, numpy=types.SimpleNamespace(
        at=At, arange=np.arange, eye=np.eye, linspace=np.linspace, zeros=np.zeros, ones=np.ones,
        full=np.full,
    ),
    nn=types.SimpleNamespace(relu=relu, sigmoid=sigmoid, softmax=softmax, logsumexp=logsumexp),
)  # fmt: skip
