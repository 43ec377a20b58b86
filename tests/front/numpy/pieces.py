"""Calls of functions of numbers in parts, of places, of polynomials, of functions."""

from __future__ import annotations

import numpy as np

from tests.front.numpy.draws import FLOATS, INTS, REAL, Draw
from tests.front.numpy.makers import OURS, Made, made

ASSOCIATIVE = "bitwise_and bitwise_or bitwise_xor fmax fmin gcd hypot lcm logaddexp2 logical_xor"
"""Functions whose reductions are by halves, and prefixes by pairs."""

# ---------------------------------------------------------------- numbers in parts


@made("isneginf isposinf")
def infinite(d: Draw) -> Made:
    return (d.array(FLOATS),), {}


@made("modf frexp")
def in_parts(d: Draw) -> Made:
    return (d.array(REAL),), {}


@made("spacing")
def spacing(d: Draw) -> Made:
    return (d.array(("f4", "f8")),), {}


@made("ldexp")
def ldexp(d: Draw) -> Made:
    x = d.array(FLOATS)
    powers = d.rng.integers(-30, 30, x.shape) * d.pick(1, 40)
    return (x, d.pick(powers.astype("i4"), 3, -1080, 1100)), {}


@made("gcd lcm")
def divisors(d: Draw) -> Made:
    x = d.array(INTS, wild=0)
    return (x, d.array((x.dtype.str[1:],), x.shape, 0)), {}


@made("bitwise_count")
def bitwise_count(d: Draw) -> Made:
    return (d.array(INTS),), {}


@made("packbits")
def packbits(d: Draw) -> Made:
    x = d.array(("?", *INTS), d.shape(1))
    return (x,), d.some(axis=(..., None, d.axis(x)), bitorder=(..., "little"))


@made("unpackbits")
def unpackbits(d: Draw) -> Made:
    x = d.array(("u1",), d.shape(1, empty=False))
    return (x,), d.some(axis=(..., d.axis(x)), bitorder=(..., "little"), count=(..., 3, -2, 60))


# ---------------------------------------------------------------- places


@made("unravel_index")
def unravel_index(d: Draw) -> Made:
    places = d.rng.integers(0, 24, d.shape()).astype(d.pick("i4", "i8", "u2"))
    return (places, (3, 4, 2)), d.some(order=(..., "F"))


@made("ravel_multi_index")
def ravel_multi_index(d: Draw) -> Made:
    at = [d.rng.integers(0, 3, 4), d.rng.integers(0, 4, 4)]
    mode = d.pick(..., "clip", "wrap", ("clip", "wrap"))
    beyond = [i * 3 - 4 for i in at] if mode is not ... else at
    return (tuple(beyond), (3, 4)), d.some(mode=(mode,), order=(..., "F"))


@made("tril_indices_from triu_indices_from")
def triangles(d: Draw) -> Made:
    return (d.array(shape=d.shape(2, 2)), d.pick(0, 1, -1)), {}


@made("diag_indices_from")
def diag_indices_from(d: Draw) -> Made:
    return (d.array(shape=d.pick((3, 3), (2, 2, 2))),), {}


@made("ix_")
def ix_(d: Draw) -> Made:
    return (d.rng.integers(0, 3, 2), np.array([1, 0, 2]), [True, False]), {}


@made("place")
def place(d: Draw) -> Made:
    x = d.array(FLOATS, d.shape(1))
    return (x, d.mask(x.shape), d.array((x.dtype.str[1:],), (d.pick(1, 2, 3),), 0)), {}


# ---------------------------------------------------------------- polynomials


@made("polyadd polysub polymul")
def two_polynomials(d: Draw) -> Made:
    x = d.array((*INTS, *FLOATS, "c8"), (d.pick(1, 2, 4),), 0, 1.0)
    y = d.array((x.dtype.str[1:],), (d.pick(1, 2, 4),), 0, 1.0)
    return (x, y), {}


@made("polyder polyint")
def powers(d: Draw) -> Made:
    return (d.array(("f8", "i4", "c16"), (d.pick(1, 2, 5),), 0),), d.some(m=(..., 0, 2))


@made("poly")
def poly(d: Draw) -> Made:
    return (d.array(("f4", "f8", "i4"), (d.pick(1, 2, 4),), 0),), {}


# ---------------------------------------------------------------- sets, orders, counts


@made("unique_all unique_counts unique_inverse")
def unique_of(d: Draw) -> Made:
    x = d.array(REAL, d.shape(0, 2, empty=False))
    return (x,), {f"{OURS}size": np.unique(x, equal_nan=False).size}


@made("sort_complex")
def sort_complex(d: Draw) -> Made:
    return (d.array(("i1", "u2", "f8", "c8", "c16"), d.shape(1)),), {}


@made("nanargmax nanargmin")
def nanarg(d: Draw) -> Made:
    x = d.array((*INTS, *FLOATS), d.shape(1, empty=False), 0)
    if x.dtype.kind == "f":
        x = np.where(d.mask(x.shape), x, np.nan).astype(x.dtype)
    return (x,), d.some(axis=(..., d.axis(x)), keepdims=(..., True))


@made("array_equiv")
def array_equiv(d: Draw) -> Made:
    x = d.array()
    return (x, d.pick(x.copy(), x[:1] if x.ndim else x, d.array())), {}


@made("histogram2d")
def histogram2d(d: Draw) -> Made:
    x, y = (d.array(("f8", "i4"), (6,), 0) for _ in range(2))
    options = d.some(weights=(..., d.array(("f8",), (6,), 0)), density=(..., True))
    return (x, y), options | d.some(
        bins=(2, (2, 3), [np.arange(-3.0, 3), np.arange(-2.0, 4)]), range=(..., [[-2, 2], [-3, 1]])
    )


@made("histogramdd")
def histogramdd(d: Draw) -> Made:
    return (d.array(("f8",), (7, 2), 0),), d.some(bins=(..., 2, (2, 3)), density=(..., True))


# ---------------------------------------------------------------- products


@made("matvec")
def matvec(d: Draw) -> Made:
    x = d.array(shape=d.pick((2, 3), (4, 2, 3), (2, 0)), wild=0)
    return (x, d.array((x.dtype.str[1:].replace("b1", "?"),), x.shape[-1:], 0)), {}


@made("vecmat")
def vecmat(d: Draw) -> Made:
    x = d.array(shape=d.pick((2, 3), (4, 2, 3), (2, 0)), wild=0)
    return (d.array((x.dtype.str[1:].replace("b1", "?"),), x.shape[-2:-1], 0), x), {}


# ---------------------------------------------------------------- functions


@made("apply_along_axis")
def apply_along_axis(d: Draw) -> Made:
    x = d.array(("f4", "f8"), d.shape(1, empty=False), 0)
    return (d.pick(np.cumsum, np.max, lambda row: np.outer(row, row)), d.axis(x), x), {}


@made("apply_over_axes")
def apply_over_axes(d: Draw) -> Made:
    x = d.array(("f8", "i4"), d.shape(1, empty=False), 0)
    return (np.max, x, d.pick(0, (0, -1) if x.ndim > 1 else 0)), {}


@made("piecewise")
def piecewise(d: Draw) -> Made:
    x = d.array(FLOATS, wild=0)
    return (x, [x < 0, x > 1], d.pick([np.negative, 2], [1.5, np.square, -1])), {}


# ---------------------------------------------------------------- arrays again


@made("asanyarray ascontiguousarray asfortranarray require")
def again(d: Draw) -> Made:
    return (d.array(), *d.pick((), (), ("c8",))), {}


@made("min_scalar_type common_type")
def types(d: Draw) -> Made:
    return (d.array((*INTS, "f2", "f4", "f8", "c8"), d.shape(1)),), {}


@made("isscalar iterable")
def kinds(d: Draw) -> Made:
    return (d.array(shape=d.shape(1)),), {}


@made("frombuffer")
def frombuffer(d: Draw) -> Made:
    return (b"12345678", d.pick("u1", "i4", "f8")), {}


@made("fromstring")
def fromstring(d: Draw) -> Made:
    return ("1 2 3", d.pick("i4", "f8")), {"sep": " "}


@made("einsum_path")
def einsum_path(d: Draw) -> Made:
    return ("ij,jk", d.array(("f8",), (2, 3)), d.array(("f8",), (3, 2))), {}
