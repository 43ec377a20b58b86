"""Calls of every public function: what a draw makes of its name.

A maker gives positional arguments and keywords. ndarrays in them are traced, everything else is
static. What only our functions take (`size=`) stands behind `OURS`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .draws import ANY, COMPLEX, FLOATS, INTS, REAL, Draw

Args = tuple[Any, ...]
Made = tuple[Args, dict[str, Any]]
Maker = Callable[[Draw], Made]
OURS = "ours:"  # a keyword that NumPy's function has not

DTYPES = (..., ..., ..., "?", "i2", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "c16", "i", "f")
MAKERS: dict[str, Maker] = {}


def made(names: str) -> Callable[[Maker], Maker]:
    def enter(maker: Maker) -> Maker:
        for name in names.split():
            assert name not in MAKERS, name
            MAKERS[name] = maker
        return maker

    return enter


# ---------------------------------------------------------------- each element alone

UNARY = (
    "abs absolute negative positive sign floor ceil trunc rint exp expm1 exp2 tanh sinh cosh sin cos "
    "tan cbrt square reciprocal isnan isinf isfinite signbit deg2rad rad2deg radians degrees "
    "arcsinh arctan conjugate conj log log2 log10 log1p sqrt arccosh arctanh arcsin arccos acos "
    "acosh asin asinh atan atanh invert bitwise_not bitwise_invert logical_not fabs"
)
BINARY = (
    "add subtract multiply divide true_divide maximum minimum fmax fmin floor_divide remainder mod "
    "fmod divmod equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_xor copysign nextafter arctan2 atan2 heaviside hypot logaddexp logaddexp2 power pow "
    "float_power bitwise_and bitwise_or bitwise_xor"
)
SHIFTS = "left_shift right_shift bitwise_left_shift bitwise_right_shift"
PARTS = "angle real imag isreal iscomplex iscomplexobj isrealobj sinc copy nan_to_num fix"


@made(UNARY)
def unary(d: Draw) -> Made:
    return (d.array(),), d.some(dtype=DTYPES) if d.chance(0.2) else {}


@made(BINARY)
def binary(d: Draw) -> Made:
    x = d.array()
    args = (x, d.beside(x))
    options = d.some(dtype=DTYPES) if d.chance(0.15) else {}
    return args if d.chance(0.7) else args[::-1], options


@made(SHIFTS)
def shift(d: Draw) -> Made:
    x = d.array((*INTS, "?", "f4"))
    return (x, d.beside(x, INTS)), {}


@made(PARTS)
def parts(d: Draw) -> Made:
    return (d.array(),), {}


@made("round around")
def rounding(d: Draw) -> Made:
    return (d.array(),), d.some(decimals=(..., 0, 1, 2, -1))


@made("clip")
def clip(d: Draw) -> Made:
    x = d.array(REAL)
    low, high = (d.pick(None, d.beside(x, REAL)) for _ in range(2))
    return (x, low, high), {}


@made("astype")
def astype(d: Draw) -> Made:
    return (d.array(wild=0), d.pick(*DTYPES[3:])), {}


@made("where")
def where(d: Draw) -> Made:
    x = d.array()
    return (
        d.array(("?", "i4", "f8"), d.pick(x.shape, ())),
        *d.pick((x, d.beside(x)), (d.beside(x), x)),
    ), {}


@made("select")
def select(d: Draw) -> Made:
    shape = d.shape()
    of = (d.pick(*ANY),)
    conditions = [d.mask(shape) for _ in range(2)]
    return (conditions, [d.array(of, shape) for _ in range(2)]), d.some(default=(..., 7))


@made("isclose allclose")
def close(d: Draw) -> Made:
    x = d.array()
    y = d.pick(x, x + x.dtype.type(1), d.beside(x))
    options = d.some(rtol=(..., 0.0, 0.5), atol=(..., 0.0, 1.5), equal_nan=(..., True))
    return d.pick((x, y), (y, x)), options


@made("array_equal")
def array_equal(d: Draw) -> Made:
    x = d.array()
    y = d.pick(x, x.astype("c16"), d.array(), d.beside(x))
    return (x, y), d.some(equal_nan=(..., True))


# ---------------------------------------------------------------- reductions


def reduced(d: Draw, of: tuple[str, ...], dtype: bool, initial: bool, wild: float) -> Made:
    x = d.array(of, wild=wild)
    options = d.some(axis=(..., d.axes(x)), keepdims=(..., False, True))
    if dtype and d.chance(0.3):
        options |= d.some(dtype=DTYPES)
    if initial and d.chance(0.3):
        options["initial"] = d.pick(0, 1, 2.5, True)
    if d.chance(0.2):
        options["where"] = d.mask(d.pick(x.shape, ()))
    return (x,), options


@made("sum prod")
def sums(d: Draw) -> Made:
    return reduced(d, ANY, True, True, 0.2)


@made("nansum nanprod")
def nansums(d: Draw) -> Made:
    return reduced(d, ANY, True, True, 0.3)


@made("max min amax amin")
def extremes(d: Draw) -> Made:
    return reduced(d, ANY, False, True, 0.5)


@made("nanmax nanmin")
def nanextremes(d: Draw) -> Made:
    return reduced(d, ANY, False, True, 0.6)


@made("any all")
def truths(d: Draw) -> Made:
    return reduced(d, ANY, False, False, 0.5)


@made("mean")
def mean(d: Draw) -> Made:
    return reduced(d, ANY, True, False, 0.2)


@made("var std")
def spread(d: Draw) -> Made:
    args, options = reduced(d, ANY, True, False, 0.1)
    options.pop("where", None)
    return args, options | d.some(**{d.pick("ddof", "correction"): (..., 1, 0.5)})


@made("average")
def average(d: Draw) -> Made:
    x = d.array(wild=0.2)
    axis = d.pick(None, d.axis(x))
    options = d.some(axis=axis, keepdims=(..., True))
    if d.chance(0.6):
        whole = axis is None or not x.ndim or d.chance(0.5)
        options["weights"] = d.array(REAL, x.shape if whole else (x.shape[axis],), 0, 1.0)
    return (x,), options


@made("argmax argmin")
def places_of_extremes(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axis=(..., None, d.axis(x)), keepdims=(..., True))


@made("count_nonzero")
def count_nonzero(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axis=(..., d.axes(x)), keepdims=(..., True))


@made("ptp")
def ptp(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axis=(..., d.axes(x)), keepdims=(..., True))


@made("median nanmedian")
def median(d: Draw) -> Made:
    x = d.array(wild=0.4)
    return (x,), d.some(axis=(..., d.axes(x)), keepdims=(..., True))


METHODS = (
    "linear hazen weibull interpolated_inverted_cdf median_unbiased normal_unbiased lower higher "
    "midpoint nearest"
).split()


def quantiles(scale: float) -> Maker:
    def maker(d: Draw) -> Made:
        x = d.array(wild=0.3)
        q = d.pick(0.5, 1, np.array([0.0, 0.25, 1.0]), [0.1, 0.9], np.array(0.75, "f4"))
        q = [v * scale for v in q] if isinstance(q, list) else q * scale
        options = d.some(axis=(..., d.axes(x)), keepdims=(..., True))
        return (x, q), options | ({"method": d.pick(*METHODS)} if d.chance(0.4) else {})

    return maker


made("quantile nanquantile")(quantiles(1.0))
made("percentile nanpercentile")(quantiles(100.0))


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
    "ravel flip atleast_1d atleast_2d atleast_3d transpose permute_dims shape ndim size matrix_transpose unstack fliplr flipud"
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
    return (x, d.indices(x.size, d.pick((), (2,))), d.pick(1, x[..., 0], [1, 2])), {}


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


WRITERS = ("put", "put_along_axis", "putmask", "copyto", "fill_diagonal")


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


# ---------------------------------------------------------------- products


def product(shapes: Callable[[Draw], tuple[Any, Any]]) -> Maker:
    def maker(d: Draw) -> Made:
        left, right = shapes(d)
        x = d.array(shape=left, wild=0.1)
        own = (x.dtype.str[1:].replace("b1", "?"),) if d.chance(0.5) else ANY
        return (x, d.array(own, right, 0.1)), {}

    return maker


MATRICES = (
    ((2, 3), (3, 2)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 0)),
)
STACKED = (
    *MATRICES,
    ((2, 1, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3)),
    ((), (3,)),
    ((0,), (0,)),
)
made("matmul dot")(product(lambda d: d.pick(*STACKED)))
made("inner")(
    product(
        lambda d: d.pick(((3,), (3,)), ((2, 3), (4, 3)), ((), (3,)), ((0,), (0,)), ((2, 3), (3, 2)))
    )
)
made("vdot")(
    product(lambda d: d.pick(((3,), (3,)), ((2, 3), (3, 2)), ((), ()), ((0,), (0,)), ((2,), (3,))))
)
made("vecdot")(
    product(lambda d: d.pick(((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((2, 0), (0,))))
)
made("outer")(product(lambda d: (d.shape(), d.shape())))
made("kron")(product(lambda d: (d.shape(0, 2), d.shape(0, 2))))


@made("tensordot")
def tensordot(d: Draw) -> Made:
    (x, y), _ = product(lambda d: d.pick(((2, 3), (3, 2)), ((2, 3, 2), (3, 2, 2))))(d)
    return (x, y), {"axes": d.pick(0, 1, 2, ((-1,), (0,)), (0, -1))}


@made("einsum")
def einsum(d: Draw) -> Made:
    text, shapes = d.pick(
        ("ij,jk->ik", ((2, 3), (3, 2))),
        ("ii->i", ((3, 3),)),
        ("ij,j", ((2, 3), (3,))),
        ("ij->", ((2, 3),)),
    )
    return (text, *(d.array(shape=s, wild=0) for s in shapes)), {}


# ---------------------------------------------------------------- from nothing


@made("zeros ones")
def constants(d: Draw) -> Made:
    return (d.pick(3, (2, 3), (), [2, 1], (0, 2)),), d.some(dtype=DTYPES)


@made("full")
def full(d: Draw) -> Made:
    return (d.pick(3, (2, 3), ()), d.pick(2, True, 1.5, d.array(shape=()), 2 + 1j)), d.some(
        dtype=DTYPES
    )


@made("zeros_like ones_like")
def likes(d: Draw) -> Made:
    return (d.array(),), d.some(dtype=DTYPES, shape=(..., ..., (2, 2)))


@made("full_like")
def full_like(d: Draw) -> Made:
    return (d.array(), d.pick(2, 0)), d.some(dtype=DTYPES, shape=(..., ..., (2, 2)))


@made("eye")
def eye(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(M=(..., 2), k=(..., 1, -1), dtype=DTYPES)


@made("tri")
def tri(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(M=(..., 2), k=(..., 1, -1), dtype=DTYPES)


@made("identity")
def identity(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(dtype=DTYPES)


@made("arange")
def arange(d: Draw) -> Made:
    return d.pick((5,), (1, 6), (6, 0, -2), (0.0, 1.0, 0.25), (0,), (2.5,), (-3, 3)), d.some(
        dtype=DTYPES
    )


@made("linspace")
def linspace(d: Draw) -> Made:
    ends = d.pick(
        (0, 1),
        (0.1, 0.7),
        (d.array(wild=0), 2),
        (d.array((*FLOATS, "i4"), wild=0), d.array(wild=0, shape=())),
    )
    options = d.some(endpoint=(..., False), dtype=DTYPES, retstep=(..., ..., True))
    return (*ends, d.pick(0, 1, 2, 7, 11)), options


@made("geomspace logspace")
def geomspace(d: Draw) -> Made:
    return (1, d.pick(4, 0.25), d.pick(1, 5)), d.some(
        endpoint=(..., False), dtype=("f4", "f8", ...)
    )


@made("hanning hamming blackman")
def window(d: Draw) -> Made:
    return (d.pick(0, 1, 5),), {}


@made("indices")
def indices(d: Draw) -> Made:
    return (d.pick((2, 3), (0, 2), ()),), d.some(dtype=("i8", "f4", ...), sparse=(..., True))


@made("array asarray")
def array(d: Draw) -> Made:
    return (d.pick(d.array(), [1, 2], [[1.5], [True]], 3, [d.array(shape=(2,))] * 2),), d.some(
        dtype=DTYPES
    )


@made("vander")
def vander(d: Draw) -> Made:
    return (d.array(shape=(d.pick(0, 3),), wild=0),), d.some(
        N=(..., 0, 2, 5), increasing=(..., True)
    )


@made("polyval")
def polyval(d: Draw) -> Made:
    return (d.array(shape=(d.pick(0, 1, 3),), wild=0), d.array(wild=0)), {}


@made("result_type promote_types can_cast")
def types(d: Draw) -> Made:
    return (np.dtype(d.pick(*ANY)), np.dtype(d.pick(*ANY))), {}


# ---------------------------------------------------------------- linalg, methods, operators

made("linalg.matmul")(MAKERS["matmul"])
made("linalg.outer")(product(lambda d: ((3,), (2,))))
made("linalg.vecdot")(product(lambda d: ((2, 3), (3,))))
made("linalg.tensordot")(MAKERS["tensordot"])
made("linalg.matrix_transpose")(lambda d: ((d.array(shape=d.shape(2)),), {}))
made("linalg.diagonal linalg.trace")(
    lambda d: ((d.array(shape=d.shape(2), wild=0),), d.some(offset=(..., 1)))
)
made("linalg.matrix_power")(lambda d: ((d.array(shape=(2, 2), wild=0), d.pick(0, 1, 2, 3, 5)), {}))


@made("linalg.norm")
def norm(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2, empty=False), wild=0)
    orders = (
        (..., None, 1, 2, np.inf, -np.inf, 0, 3)
        if x.ndim == 1
        else (..., None, 1, np.inf, "fro", -1)
    )
    return (x,), d.some(ord=orders, keepdims=(..., True))


@made("linalg.vector_norm")
def vector_norm(d: Draw) -> Made:
    x = d.array(shape=d.shape(empty=False), wild=0)
    return (x,), d.some(ord=(..., 1, np.inf, 0, 3), keepdims=(..., True), axis=(..., d.axes(x)))


@made("linalg.matrix_norm")
def matrix_norm(d: Draw) -> Made:
    return (d.array(shape=d.shape(2, 3, empty=False), wild=0),), d.some(ord=(..., 1, np.inf, "fro"))


@made("linalg.multi_dot")
def multi_dot(d: Draw) -> Made:
    return ([d.array(("f8", "c16"), s, 0) for s in ((2, 3), (3, 2), (2, 3))],), {}


OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift lt le gt ge eq ne"
).split()
SIGNS = ["neg", "pos", "abs", "invert"]
METHODS_OF = {  # methods of arrays, by the function that makes their arguments
    n: n
    for n in (
        "all any argmax argmin astype clip conj conjugate copy cumprod cumsum diagonal dot max "
        "mean min prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace "
        "transpose var"
    ).split()
} | {"flatten": "ravel"}


class Call(NamedTuple):
    """A name, and what it is called with."""

    name: str
    args: Args
    options: dict[str, Any]

    def __str__(self) -> str:
        def shown(x: Any) -> str:
            if isinstance(x, np.ndarray):
                return f"{x.dtype.name}{list(x.shape)} {x.ravel()[:6].tolist()}"
            return f"[{', '.join(map(shown, x))}]" if isinstance(x, list) else repr(x)

        options = [f"{k}={shown(v)}" for k, v in self.options.items()]
        return f"{self.name}({', '.join([*map(shown, self.args), *options])})"

    def function(self, module: Any) -> Callable[..., Any]:
        """What it calls, of `module`, NumPy or ours."""
        kind, _, name = self.name.rpartition(":")
        if kind == "operator":
            return getattr(operator, name)
        if kind == "method":
            return lambda x, *args, **options: getattr(x, name)(*args, **options)
        if name in WRITERS:
            return lambda *args, **options: written(name)(module, *args, **options)
        module = np if self.name in REDUCTIONS else module
        for part in name.split("."):
            module = getattr(module, part)
        return module

    def keywords(self, ours: bool) -> dict[str, Any]:
        own = {k.removeprefix(OURS): v for k, v in self.options.items()}
        return own if ours else {k: v for k, v in self.options.items() if not k.startswith(OURS)}


def names() -> list[str]:
    methods = [f"method:{n}" for n in METHODS_OF]
    return [*MAKERS, *methods, *(f"operator:{n}" for n in OPERATORS + SIGNS), *REDUCTIONS]


REDUCTIONS = [
    f"{f}.{m}" for f in ("add", "multiply", "maximum", "minimum") for m in ("reduce", "accumulate")
] + ["logical_or.reduce", "logical_and.reduce", "logaddexp.accumulate"]


def call(name: str, d: Draw) -> Call:
    """A call of the name."""
    kind, _, plain = name.rpartition(":")
    if name in REDUCTIONS:
        x = d.array(REAL if "logaddexp" in name or "accumulate" in name else ANY, d.shape(1), 0.2)
        return Call(name, (x,), d.some(axis=(..., d.axis(x))))
    if kind == "operator":
        args, _ = (
            unary(d) if plain in SIGNS else MAKERS["matmul"](d) if plain == "matmul" else binary(d)
        )
        if not isinstance(args[0], np.ndarray) and plain == "matmul":
            args = args[::-1]
        return Call(name, args, {})
    args, options = MAKERS[METHODS_OF[plain] if kind == "method" else name](d)
    if kind == "method":  # whose keywords are fewer
        none = ("dtype",) * (plain in ("conj", "conjugate")) + ("correction",)
        options = {k: v for k, v in options.items() if k not in none}
    return Call(name, args, options)
