"""Calls of functions of each element, and of reductions."""

from __future__ import annotations

import numpy as np

from tests.front.numpy.draws import ANY, INTS, REAL, Draw
from tests.front.numpy.makers import DTYPES, Made, Maker, made

# ---------------------------------------------------------------- each element alone

UNARY = (
    "abs absolute negative positive sign floor ceil trunc rint exp expm1 exp2 tanh sinh cosh "
    "sin cos tan cbrt square reciprocal isnan isinf isfinite signbit deg2rad rad2deg radians "
    "degrees arcsinh arctan conjugate conj log log2 log10 log1p sqrt arccosh arctanh arcsin "
    "arccos acos acosh asin asinh atan atanh invert bitwise_not bitwise_invert logical_not "
    "fabs "
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


@made("nanmean")
def nanmean(d: Draw) -> Made:
    return reduced(d, ANY, True, False, 0.3)


@made("nanvar nanstd")
def nanspread(d: Draw) -> Made:
    args, options = reduced(d, ANY, False, False, 0.3)
    options.pop("where", None)
    return args, options | d.some(ddof=(..., 0.5))


@made("average")
def average(d: Draw) -> Made:
    x = d.array(wild=0.2)
    axis = d.pick(None, d.axis(x))
    options = d.some(axis=axis, keepdims=(..., True))
    if d.chance(0.6):
        whole = axis is None or not x.ndim or d.chance(0.5)
        options["weights"] = d.array(REAL, x.shape if whole else (x.shape[axis or 0],), 0, 1.0)
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
)


def quantiles(scale: float) -> Maker:
    def maker(d: Draw) -> Made:
        x = d.array(wild=0.3)
        q = d.pick(0.5, 1, np.array([0.0, 0.25, 1.0]), [0.1, 0.9], np.array(0.75, "f4"))
        q = [v * scale for v in q] if isinstance(q, list) else q * scale
        options = d.some(axis=(..., d.axes(x)), keepdims=(..., True))
        return (x, q), options | ({"method": d.pick(*METHODS.split())} if d.chance(0.4) else {})

    return maker


made("quantile nanquantile")(quantiles(1.0))
made("percentile nanpercentile")(quantiles(100.0))
