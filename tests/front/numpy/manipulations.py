"""Calls of functions along an axis, of shapes, of indices, of searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.front.numpy.draws import ANY, COMPLEX, FLOATS, INTS, REAL, Draw
from tests.front.numpy.makers import DTYPES, OURS, Made, Maker, made

# ---------------------------------------------------------------- along an axis


@made("cumsum cumprod nancumsum nancumprod")
def cumulated(d: Draw) -> Made:
    x = d.array(wild=0.2)
    options = d.some(axis=(..., d.axis(x)))
    return (x,), options | (d.some(dtype=DTYPES) if d.chance(0.3) else {})


@made("cumulative_sum cumulative_prod")
def cumulative(d: Draw) -> Made:
    x = d.array(wild=0.2)
    return (x,), d.some(axis=(..., d.axis(x)), include_initial=(..., True))


@made("diff")
def diff(d: Draw) -> Made:
    x = d.array()
    ends = (
        {k: d.pick(..., d.pick(0, 1.5, x)) for k in ("prepend", "append")} if d.chance(0.3) else {}
    )
    return (x,), d.some(n=(..., 0, 1, 2, 9), axis=(..., d.axis(x))) | {
        k: v for k, v in ends.items() if v is not ...
    }


@made("ediff1d")
def ediff1d(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(to_begin=(..., 1), to_end=(..., [2, 2]))


@made("trapezoid")
def trapezoid(d: Draw) -> Made:
    y = d.array(wild=0.1)
    axis = d.axis(y)
    options: dict[str, Any] = d.some(axis=axis)
    if d.chance(0.5):
        n = y.shape[axis] if y.ndim else 1
        options["x"] = d.pick(d.array(REAL, (n,), 0), d.array(REAL, y.shape, 0))
    return (y,), options | d.some(dx=(..., 0.5))


@made("sort argsort")
def sort(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axis=(..., None, d.axis(x))) | {"stable": True}


@made("partition argpartition")
def partition(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2))
    n = x.shape[-1]
    return (np.sort(x), d.pick(0, -1, n // 2, n)), {}


@made("lexsort")
def lexsort(d: Draw) -> Made:
    shape = d.shape(1, 2)
    return ([d.array(REAL, shape, 0.2) for _ in range(2)],), {}


# ---------------------------------------------------------------- shapes


@made("reshape")
def reshape(d: Draw) -> Made:
    x = d.array()
    n = x.size
    return (x, d.pick((n,), -1, (-1, 1), (1, n), (n, -1), (3, 5), x.shape[::-1])), d.some(
        order=(..., "C", "F")
    )


@made(
    "ravel flip atleast_1d atleast_2d atleast_3d transpose permute_dims shape ndim size "
    "matrix_transpose unstack fliplr flipud"
)
def of_one(d: Draw) -> Made:
    return (d.array(),), {}


@made("squeeze")
def squeeze(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axis=(..., d.axis(x), (0, -1)))


@made("expand_dims")
def expand_dims(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(0, -1, (0, 1), (0, -1), x.ndim, x.ndim + 1, -x.ndim - 1)), {}


@made("swapaxes")
def swapaxes(d: Draw) -> Made:
    x = d.array()
    return (x, d.axis(x), d.axis(x)), {}


@made("moveaxis")
def moveaxis(d: Draw) -> Made:
    x = d.array()
    return (x, *d.pick((d.axis(x), d.axis(x)), ((0, -1), (-1, 0)), ([0], [0]))), {}


@made("rollaxis")
def rollaxis(d: Draw) -> Made:
    x = d.array()
    return (x, d.axis(x), d.pick(0, x.ndim, d.axis(x))), {}


@made("broadcast_to")
def broadcast_to(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(x.shape, (2, *x.shape), (3, 3), 4)), {}


@made("broadcast_arrays")
def broadcast_arrays(d: Draw) -> Made:
    x = d.array()
    return (x, d.beside(x)), {}


@made("roll")
def roll(d: Draw) -> Made:
    x = d.array()
    return (x, *d.pick((d.pick(0, 1, -2, 100),), (d.pick(1, -5), d.axis(x)), ((1, 2), (0, -1)))), {}


@made("rot90")
def rot90(d: Draw) -> Made:
    return (d.array(shape=d.shape(1, 3)),), d.some(k=(..., 0, 2, 3, -1, 5), axes=(..., (1, 0)))


@made("repeat")
def repeat(d: Draw) -> Made:
    x = d.array()
    axis = d.axis(x)
    each = [1, 0, 2, 3, 1, 2, 0][: x.shape[axis]] if x.ndim else [2]
    return (x, d.pick(0, 2, 3, each)), d.some(axis=axis)


@made("tile resize")
def tile(d: Draw) -> Made:
    return (d.array(), d.pick(0, 2, (2, 1), (1, 3), (2, 2, 2))), {}


@made("append")
def append(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(x, d.array(), 2, [1.5])), d.some(axis=(..., d.axis(x)))


@made("insert")
def insert(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(0, -1, 1, [0, 1], slice(0, 1), 50), d.pick(7, x.dtype.type(1))), d.some(
        axis=(..., d.axis(x))
    )


@made("delete")
def delete(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(0, -1, [0, 0], slice(None, None, 2), 50, [])), d.some(axis=(..., d.axis(x)))


def arrays(d: Draw) -> list[np.ndarray]:
    x = d.array()
    return [x, d.array(d.pick(ANY, (d.pick(*ANY),)), x.shape if d.chance(0.8) else None)]


@made("concatenate concat stack")
def concatenate(d: Draw) -> Made:
    xs = arrays(d)
    options = d.some(axis=(..., d.axis(xs[0])))
    return (xs,), options | (
        {"dtype": d.pick(*DTYPES[3:]), "casting": "unsafe"} if d.chance(0.2) else {}
    )


@made("hstack vstack")
def stacked(d: Draw) -> Made:
    return (arrays(d),), (
        {"dtype": d.pick(*DTYPES[3:]), "casting": "unsafe"} if d.chance(0.2) else {}
    )


@made("dstack column_stack")
def stacks(d: Draw) -> Made:
    return (arrays(d),), {}


@made("block")
def block(d: Draw) -> Made:
    x, y = arrays(d)
    return (d.pick([x, y], [[x, y], [y, x]], [[x], [y]], x),), {}


@made("split array_split")
def split(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(1, 2, 3, [1], [0, 2], [-1], (1, 5))), d.some(axis=(..., d.axis(x)))


@made("hsplit vsplit dsplit")
def splits(d: Draw) -> Made:
    return (d.array(), d.pick(1, 2, [1])), {}


@made("pad")
def pad(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2))
    width = d.pick(1, (0, 2), ((1, 2),) * x.ndim, 3)
    mode = d.pick(
        "constant",
        "edge",
        "reflect",
        "symmetric",
        "wrap",
        "linear_ramp",
        "maximum",
        "minimum",
        "mean",
        "empty",
    )
    mode = "constant" if mode == "empty" else mode
    return (x, width, mode), d.some(constant_values=(..., 2, 1.5)) if mode == "constant" else {}


@made("meshgrid")
def meshgrid(d: Draw) -> Made:
    return tuple(d.array(shape=d.pick((), (2,), (3,))) for _ in range(d.pick(1, 2, 3))), d.some(
        indexing=(..., "ij"), sparse=(..., True)
    )


# ---------------------------------------------------------------- indices


@made("take")
def take(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 3, empty=False))
    axis = d.pick(None, d.axis(x))
    n = x.size if axis is None else x.shape[axis]
    at = d.indices(n, d.pick((), (3,), (2, 2))).astype(d.pick("i8", "i4", "i1"))
    if d.chance(0.5):
        far = at * d.pick(1, 3) + d.pick(0, 2)
        return (x, far), {"axis": axis, "mode": d.pick("clip", "wrap")}
    return (x, at), {"axis": axis}


@made("take_along_axis")
def take_along_axis(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 3, empty=False))
    axis = d.axis(x)
    shape = list(x.shape)
    shape[axis] = 2
    return (x, d.indices(x.shape[axis], tuple(shape))), {"axis": axis}


@made("choose")
def choose(d: Draw) -> Made:
    shape = d.shape()
    at = d.rng.integers(-2, 5, shape)
    return (at, [d.array(("f8",), shape), d.array(("f8",), shape)]), {
        "mode": d.pick("clip", "wrap")
    }


@made("compress")
def compress(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 3))
    axis = d.pick(None, d.axis(x))
    n = x.size if axis is None else x.shape[axis]
    return ([bool(v) for v in d.mask(n)], x), {"axis": axis}


@made("extract")
def extract(d: Draw) -> Made:
    x = d.array(shape=(4,))
    return ([True, False, True, True], x), {}


@made("diagonal")
def diagonal(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 3))
    return (x,), d.some(offset=(..., 1, -1, 5))


@made("trace")
def trace(d: Draw) -> Made:
    x = d.array(shape=d.shape(2, 3), wild=0)
    return (x,), d.some(offset=(..., 1, -1), dtype=DTYPES)


@made("diag diagflat")
def diag(d: Draw) -> Made:
    return (d.array(shape=d.shape(0, 3)),), d.some(k=(..., 1, -2))


@made("tril triu")
def triangle(d: Draw) -> Made:
    return (d.array(),), d.some(k=(..., 1, -1))


def written(name: str) -> Callable[..., Any]:
    """The function that writes into its first argument, on a copy of it."""

    def function(module: Any, x: Any, *args: Any, **options: Any) -> Any:
        x = x.copy()
        getattr(module, name)(x, *args, **options)
        return x

    return function


@made("put")
def put(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2, empty=False))
    at = d.indices(x.size, d.pick((), (2,)))
    far = {"mode": d.pick("clip", "wrap")} if d.chance(0.5) else {}
    return (x, at * (3 if far else 1), d.pick(1, x[..., 0], [1, 2])), far


@made("put_along_axis")
def put_along_axis(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2, empty=False))
    axis = d.axis(x)
    shape = list(x.shape)
    shape[axis] = 1
    return (x, d.indices(x.shape[axis], tuple(shape)), 1, axis), {}


@made("putmask")
def putmask(d: Draw) -> Made:
    x = d.array()
    return (
        x,
        d.mask(x.shape),
        d.pick(1, x, d.array((x.dtype.str[1:].replace("b1", "?"),), (2,))),
    ), {}


@made("copyto")
def copyto(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(x, d.beside(x))), {}


@made("fill_diagonal")
def fill_diagonal(d: Draw) -> Made:
    x = d.array(shape=d.pick((2, 2), (2, 3), (5, 2), (2, 2, 2), (3,)))
    return (x, d.pick(1, 0)), d.some(wrap=(..., True))


WRITERS = ("place", "put", "put_along_axis", "putmask", "copyto", "fill_diagonal")


# ---------------------------------------------------------------- searches, sets, counts


@made("searchsorted")
def searchsorted(d: Draw) -> Made:
    x = np.sort(d.array(shape=(d.pick(0, 1, 5),)))
    return (x, d.pick(d.array(wild=0.3), 1, 0.5)), d.some(side=(..., "right"))


@made("digitize")
def digitize(d: Draw) -> Made:
    bins = np.unique(d.array(REAL, (5,), 0))
    bins = d.pick(
        bins, bins[::-1], np.repeat(bins, 2), np.repeat(bins, 2)[::-1], bins[:1], bins[:0]
    )
    return (d.array(REAL, wild=0.4), bins), d.some(right=(..., True))


@made("isin")
def isin(d: Draw) -> Made:
    return (d.array(), d.array()), d.some(invert=(..., True))


@made("nonzero argwhere flatnonzero")
def nonzero(d: Draw) -> Made:
    x = d.array(shape=d.shape(1))
    return (x,), {f"{OURS}size": int(np.count_nonzero(x))}


@made("unique")
def unique(d: Draw) -> Made:
    x = d.array(REAL, d.shape(0, 2, empty=False))
    options = d.some(
        return_index=(..., True), return_inverse=(..., True), return_counts=(..., True)
    )
    options |= d.some(equal_nan=(..., False))
    found = np.unique(x, **{k: v for k, v in options.items() if k == "equal_nan"})
    return (x,), options | {f"{OURS}size": found.size}


def sets(name: str) -> Maker:
    def maker(d: Draw) -> Made:
        args = d.array(REAL, (5,), 0.2), d.array(REAL, (4,), 0.2)
        return args, {f"{OURS}size": getattr(np, name)(*args).size}

    return maker


for _name in ("union1d", "intersect1d", "setdiff1d", "setxor1d"):
    made(_name)(sets(_name))


@made("bincount")
def bincount(d: Draw) -> Made:
    x = d.rng.integers(0, 4, d.pick(0, 6)).astype(d.pick(*INTS))
    weights = d.some(weights=(..., d.array(REAL, x.shape, 0)), minlength=(..., 2, 6))
    n = max(int(x.max()) + 1 if x.size else 0, weights.get("minlength", 0))
    return (x,), weights | {f"{OURS}length": max(n, 1)}


@made("histogram histogram_bin_edges")
def histogram(d: Draw) -> Made:
    x = d.array(REAL, wild=0)
    bins = d.pick(1, 4, 10, 7, np.array([0.0, 1.0, 1.5, 3.0]), [0, 1, 2])
    options = d.some(range=(..., (0.0, 1.0), (-1, 2.5), (1, 1), (0.1, 0.7)))
    return (x,), options | {"bins": bins}


@made("interp")
def interp(d: Draw) -> Made:
    xp = np.unique(d.array(FLOATS, (5,), 0))
    fp = d.array((*FLOATS, "i4", *COMPLEX), xp.shape, 0)
    options = d.some(left=(..., 7.0), right=(..., -7.0), period=(..., ..., 2.5))
    return (d.array(REAL, wild=0.3), xp, fp), options
