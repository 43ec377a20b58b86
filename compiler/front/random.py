"""Random numbers as pure functions of keys: jax.random's names, signatures and bits.

A key is an array u32[2]. `split` and `fold_in` make keys of keys; a key is used once. Distributions
are f32 by default, as in JAX; another dtype is an argument. Outside of a trace the functions run in
the interpreter and give ndarrays.

What is drawn by loops (gamma and its kin, poisson, binomial) is in rejection.py.

Example:
>>> key = PRNGKey(0)
>>> [int(n) for n in split(key)[1]]
[928981903, 3453687069]
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..ir.explain import explained
from ..ir.types import COMPLEX, INTEGERS, NUMPY, Type, dtype_name
from ..ops import order as ops
from ..ops.gather import take_along
from ..ops.random import random_bits, threefry
from ..ops.source import iota
from ..trace.operands import axis_of, common_shape, new, shape_given, tracer, value, wrong
from ..trace.tracer import Tracer
from .keys import known_generator
from .lax.lax import complex, eager, erf, erf_inv, top_k
from .numpy import elementwise as el
from .numpy import reductions, shapes
from .numpy.creation import array, zeros_like
from .numpy.cumulative import cumsum
from .numpy.indexing import take
from .numpy.order import searchsorted

__all__ = [
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "double_sided_maxwell",
    "exponential",
    "fold_in",
    "geometric",
    "gumbel",
    "key",
    "laplace",
    "logistic",
    "lognormal",
    "maxwell",
    "normal",
    "pareto",
    "permutation",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
]

WORD = 0xFFFFFFFF
Shape = int | tuple[int, ...]


@explained
def PRNGKey(seed: Any, *, impl: Any = None) -> Any:
    """The key u32[2] of an int of 64 bits: its high and its low word.

    An int of 32 bits has no high word, even if negative: as in JAX's default mode, which has no
    more bits. Others have the keys of JAX's mode of 64 bits. The generator is Threefry.
    """
    known_generator("key", impl)
    if isinstance(seed, Tracer):
        if seed.shape or seed.type.dtype not in INTEGERS:
            raise wrong(f"PRNGKey: one integer is required, got {seed.type}")
        low = seed.astype(np.uint32).reshape(1)
        high = zeros_like(low)
        if seed.itemsize == 8:
            short = (seed <= WORD) & (seed >= -(2**31))
            words = el.right_shift(seed, 32).astype(np.uint32).reshape(1)
            high = el.where(short, high, words)
        return shapes.concatenate([high, low])
    seed = operator.index(seed)
    if not -(2**63) <= seed < 2**64:
        raise wrong(f"PRNGKey: an integer of 64 bits is required, got {seed}", "seed % 2**64")
    high = 0 if -(2**31) <= seed <= WORD else seed >> 32 & WORD
    return array(np.array([high, seed & WORD], np.uint32))


key = PRNGKey


def _key(given: Any) -> Tracer:
    if given is None:
        raise wrong("random: a key u32[2] is required, got None", "wonderland.random.key(seed)")
    found = tracer(given)
    if found.type != Type("u32", (2,)):
        raise wrong(
            f"random: a key u32[2] is required, got {found.type}", "wonderland.random.key(seed)"
        )
    return found


def _counters(shape: tuple[int, ...]) -> Tracer:
    """The position of each element, as two words."""
    size = math.prod(shape)
    low = new(iota(Type("i64", (size,)), 0))
    words = shapes.stack([low >> 32, low & WORD], -1)
    return words.astype(np.uint32).reshape(*shape, 2)


@eager("key")
def split(key: Any, num: Shape = 2) -> Tracer:
    """Keys of a key, u32[num, 2]."""
    return new(threefry(_key(key).value, _counters(shape_given("split", num)).value))


@eager("key", "data")
def fold_in(key: Any, data: Any) -> Tracer:
    """The key of a key and an int."""
    low = tracer(data).astype(np.uint32).reshape(1)
    return new(threefry(_key(key).value, shapes.concatenate([zeros_like(low), low]).value))


@eager("key")
def bits(key: Any, shape: Shape = (), dtype: Any = np.uint32) -> Tracer:
    """Uniform u32."""
    if dtype_name(dtype) != "u32":
        raise wrong(f"bits: dtype uint32 is required, got {dtype_name(dtype)}")
    return new(random_bits(_key(key).value, shape_given("bits", shape)))


def _fractions(key: Any, shape: tuple[int, ...], name: str) -> Tracer:
    """Uniform multiples of 2**-23 (f32) or 2**-52 (f64) below 1."""
    if name == "f32":
        return (bits(key, shape) >> 9).astype(np.float32) * 2.0**-23
    words = new(threefry(_key(key).value, _counters(shape).value)).astype(np.int64)
    return ((words[..., 0] << 20) | (words[..., 1] >> 12)).astype(np.float64) * 2.0**-52


def _float(name: str, dtype: Any) -> str:
    found = dtype_name(dtype)
    if found not in ("f32", "f64"):
        raise wrong(f"{name}: dtype float32 or float64 is required, got {found}")
    return found


@eager("key", "minval", "maxval")
def uniform(
    key: Any, shape: Shape = (), dtype: Any = np.float32, minval: Any = 0.0, maxval: Any = 1.0
) -> Tracer:
    """Uniform in [minval, maxval)."""
    name, shape = _float("uniform", dtype), shape_given("uniform", shape)
    low, high = (new(value(v, name, shape)) for v in (minval, maxval))
    return el.maximum(low, _fractions(key, shape, name) * (high - low) + low)


@eager("key")
def normal(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Normal of mean 0 and variance 1: sqrt(2) erf_inv(u), u uniform in (-1, 1).

    The parts of complex numbers have variance 1/2 each.
    """
    if dtype_name(dtype) in COMPLEX:
        part = Type(dtype_name(dtype)).part.numpy
        keys = split(key)
        re, im = (normal(keys[k], shape, part) for k in range(2))
        return complex(re, im) / part.type(np.sqrt(2))
    kind = np.dtype(_numpy(_float("normal", dtype)))
    low = np.nextafter(kind.type(-1), kind.type(0))
    return erf_inv(uniform(key, shape, kind, low, kind.type(1))) * kind.type(np.sqrt(2))


def _numpy(name: str) -> Any:
    return np.float32 if name == "f32" else np.float64


@eager("key", "lower", "upper")
def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = np.float32
) -> Tracer:
    """Normal of mean 0 and variance 1 within (lower, upper), which may be infinite."""
    kind = np.dtype(_numpy(_float("truncated_normal", dtype))).type
    low, high = tracer(lower).astype(kind), tracer(upper).astype(kind)
    root = kind(np.sqrt(2))
    size = common_shape("truncated_normal", low.shape, high.shape) if shape is None else shape
    u = uniform(key, size, kind, erf(low / root), erf(high / root))
    most = np.nextafter(kind(1), kind(0))  # erf_inv(1) is infinite
    edges = el.nextafter(low, kind(math.inf)), el.nextafter(high, kind(-math.inf))
    return el.clip(erf_inv(el.clip(u, -most, most)) * root, *edges)


@eager("key", "p")
def bernoulli(key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low") -> Tracer:
    """True with probability p; in mode "high" that of p below the spacing of floats about 1 too."""
    p = tracer(p)
    kind = np.dtype(np.float32) if p.weak or not p.type.is_float else p.dtype
    if _is_high("bernoulli", mode):
        size = shape_given("bernoulli", p.shape if shape is None else shape)
        pair = uniform(key, (2, *size), kind)
        return pair[1] * kind.type(2.0 ** -np.finfo(kind).nmant) < p.astype(kind) - pair[0]
    return uniform(key, p.shape if shape is None else shape, kind) < p.astype(kind)


@eager("key", "minval", "maxval")
def randint(key: Any, shape: Shape, minval: Any, maxval: Any, dtype: Any = np.int32) -> Tracer:
    """Uniform integers in [minval, maxval); minval where there are none. Bias: below 2**-32."""
    name, shape = dtype_name(dtype), shape_given("randint", shape)
    if name not in ("i32", "u32"):
        raise wrong(
            f"randint: dtype int32 or uint32 is required, got {name}",
            "randint(...).astype(dtype)",
        )
    low, high = (new(value(v, name, shape)) for v in (minval, maxval))
    span = el.where(high > low, (high - low).astype(np.uint32), np.uint32(1))
    keys = split(key)
    first, second = bits(keys[0], shape), bits(keys[1], shape)
    factor = np.uint32(1 << 16) % span
    factor = factor * factor % span  # 2**32 modulo the span
    offset = (first % span * factor + second % span) % span
    return low + offset.astype(NUMPY[name])


@eager("key")
def exponential(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Exponential of mean 1: -log(1 - u)."""
    return -el.log1p(-uniform(key, shape, dtype))


def _is_high(name: str, mode: Any) -> bool:
    """Whether twice as many bits are drawn."""
    if mode not in (None, "low", "high"):
        raise wrong(f"{name}: a mode among low and high is required, got {mode!r:.40}")
    return mode == "high"


@eager("key")
def gumbel(key: Any, shape: Shape = (), dtype: Any = np.float32, mode: Any = None) -> Tracer:
    """Gumbel of mode 0 and scale 1: -log(-log u), in mode "high" of a u of twice as many bits."""
    kind = np.dtype(_numpy(_float("gumbel", dtype))).type
    if _is_high("gumbel", mode):
        high, low = (uniform(key, (2, *shape_given("gumbel", shape)), kind)[k] for k in range(2))
        info = np.finfo(kind)
        below = high + low * kind(2.0**-info.nmant) + info.tiny
        return -el.log(-el.log1p(-el.where(high >= 0.5, high, below)))
    return -el.log(-el.log(uniform(key, shape, kind, np.finfo(kind).tiny, kind(1))))


@eager("key", "logits")
def categorical(
    key: Any,
    logits: Any,
    axis: int = -1,
    shape: Any = None,
    replace: bool = True,
    mode: Any = None,
) -> Tracer:
    """An index along `axis` with probability softmax(logits): the greatest of logits + gumbel.

    With `replace=False` the indices of the leading axes of `shape` are all different.
    """
    x = tracer(logits)
    at = axis_of("categorical", axis, x.ndim)
    rest = x.shape[:at] + x.shape[at + 1 :]
    front = () if shape is None else tuple(shape)[: len(shape) - len(rest)]
    if replace:
        noise = gumbel(key, (*front, *x.shape), x.dtype, mode)
        return reductions.argmax(noise + x, len(front) + at).astype(np.int32)
    draws = math.prod(front)
    if draws > x.shape[at]:
        raise wrong(f"categorical: at least {draws} categories are required, got {x.shape[at]}")
    _, found = top_k(shapes.moveaxis(x + gumbel(key, x.shape, x.dtype, mode), at, -1), draws)
    return shapes.moveaxis(found, -1, 0).reshape(*front, *rest)


# ---------------------------------------------------------------- transformed uniform and normal


def _transformed(name: str, dtype: Any) -> Any:
    """The NumPy scalar type of a distribution's dtype."""
    return np.dtype(_numpy(_float(name, dtype))).type


def parameters(name: str, shape: Any, dtype: Any, *parameters: Any) -> tuple[Any, ...]:
    """The shape, given or that of the parameters together, and the parameters in the dtype."""
    kind = _transformed(name, dtype)
    found = [tracer(p).astype(kind) for p in parameters]
    size = common_shape(name, *(p.shape for p in found)) if shape is None else shape
    return shape_given(name, size), kind, *found


@eager("key")
def laplace(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Laplace of mean 0 and scale 1: sign(u) log(1 - |u|), u uniform in (-1, 1)."""
    kind = _transformed("laplace", dtype)
    u = uniform(key, shape, kind, kind(-1) + np.finfo(kind).epsneg, kind(1))
    return el.sign(u) * el.log1p(-el.absolute(u))


@eager("key")
def cauchy(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Cauchy of median 0 and scale 1: tan(pi (u - 1/2))."""
    kind = _transformed("cauchy", dtype)
    u = uniform(key, shape, kind, np.finfo(kind).eps, kind(1))
    return el.tan(kind(math.pi) * (u - kind(0.5)))


@eager("key")
def logistic(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Logistic of mean 0 and scale 1: log(u / (1 - u))."""
    kind = _transformed("logistic", dtype)
    u = uniform(key, shape, kind, np.finfo(kind).tiny, kind(1))
    return el.log(u) - el.log1p(-u)


@eager("key")
def rademacher(key: Any, shape: Shape = (), dtype: Any = np.int32) -> Tracer:
    """-1 or 1, each with probability 1/2."""
    name = dtype_name(dtype)
    one = tracer(NUMPY[name].type(1))
    return el.where(bernoulli(key, 0.5, shape_given("rademacher", shape)), one, -one)


@eager("key", "scale")
def rayleigh(key: Any, scale: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Rayleigh: scale * sqrt(-2 log u)."""
    shape, kind, scale = parameters("rayleigh", shape, dtype, scale)
    return scale * el.sqrt(kind(-2) * el.log(uniform(key, shape, kind)))


@eager("key")
def maxwell(key: Any, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Maxwell of scale 1: the length of three normal numbers."""
    drawn = normal(key, (*shape_given("maxwell", shape), 3), dtype)
    return el.sqrt(reductions.sum(drawn * drawn, -1))


@eager("key", "loc", "scale")
def double_sided_maxwell(
    key: Any, loc: Any, scale: Any, shape: Shape = (), dtype: Any = np.float32
) -> Tracer:
    """loc + scale * s * m, m Maxwell and s -1 or 1."""
    kind = _transformed("double_sided_maxwell", dtype)
    loc, scale = tracer(loc).astype(kind), tracer(scale).astype(kind)
    own = common_shape("double_sided_maxwell", loc.shape, scale.shape)
    full = (shape_given("double_sided_maxwell", shape) or own) + own
    keys = split(key)
    return rademacher(keys[1], full, kind) * maxwell(keys[0], full, kind) * scale + loc


@eager("key", "b")
def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Pareto of scale 1 and shape b: exp(e / b), e exponential."""
    shape, kind, b = parameters("pareto", shape, dtype, b)
    return el.exp(exponential(key, shape, kind) / b)


@eager("key", "scale", "concentration")
def weibull_min(
    key: Any, scale: Any, concentration: Any, shape: Shape = (), dtype: Any = np.float32
) -> Tracer:
    """Weibull: scale * e^(1 / concentration), e exponential."""
    shape, kind, scale, c = parameters("weibull_min", shape, dtype, scale, concentration)
    return el.power(exponential(key, shape, kind), kind(1) / c) * scale


@eager("key", "sigma")
def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """exp(sigma * n), n normal."""
    shape, kind, sigma = parameters("lognormal", shape, dtype, sigma)
    return el.exp(normal(key, shape, kind) * sigma)


@eager("key", "left", "mode", "right")
def triangular(
    key: Any, left: Any, mode: Any, right: Any, shape: Any = None, dtype: Any = np.float32
) -> Tracer:
    """Triangular between left and right with its peak at mode."""
    shape, kind, left, mode, right = parameters("triangular", shape, dtype, left, mode, right)
    u, wide = uniform(key, shape, kind), right - left
    rises = u < (mode - left) / wide
    size = el.where(rises, u * wide * (mode - left), (kind(1) - u) * wide * (right - mode))
    return el.where(rises, left + el.root(size), right - el.root(size))


@eager("key", "mean")
def wald(key: Any, mean: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Wald, the inverse Gaussian, of scale 1.

    Source: Michael, Schucany, Haas, Generating random variates using transformations with multiple
    roots, 1976.
    """
    shape, kind, mean = parameters("wald", shape, dtype, mean)
    keys = split(key)
    drawn = normal(keys[0], shape, kind)
    y = drawn * drawn
    square = mean * mean
    x = mean + square * y / 2 - mean / 2 * el.root(4 * mean * y + square * (y * y))
    return el.where(uniform(keys[1], shape, kind) <= mean / (mean + x), x, square / x)


@eager("key", "p")
def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = np.int32) -> Tracer:
    """The number of trials up to the first success, which has probability p."""
    p = tracer(p)
    p = p.astype(np.float32) if p.weak or not p.type.is_float else p
    size = p.shape if shape is None else shape_given("geometric", shape)
    u = uniform(key, size, p.dtype)
    u = el.where(u == 0, p.dtype.type(1), u)
    return (el.floor(el.log(u) / el.log1p(-p)) + 1).astype(dtype)


# ---------------------------------------------------------------- orders and choices


@explained
def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """`x` along an axis, or range(x), in a random order; rows in orders of their own if
    `independent`.

    Cost: one sort by random bits, two from some 1600 elements on.
    """
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        if x < 0:
            raise wrong(f"permutation: a number of 0 or more is required, got {x}")
        return _order(key, int(x))
    if not np.ndim(x):
        raise wrong(f"permutation: an array or a Python int is required, got {x!r:.40}")
    if not -np.ndim(x) <= axis < np.ndim(x):
        raise wrong(f"permutation: an axis within {np.ndim(x)} dimensions is required, got {axis}")
    if independent or np.ndim(x) == 1:
        return _shuffled(key, x, axis)
    return _entries(x, _order(key, np.shape(x)[axis]), axis)


@eager("key")
def _order(key: Any, count: int) -> Tracer:
    return _shuffled(key, new(iota(Type("i32", (count,)), 0)), 0)


@eager("key", "x")
def _shuffled(key: Any, x: Any, axis: int) -> Tracer:
    """By keys of 32 bits, some of which are equal, so often that this does not show."""
    x, key = tracer(x), _key(key)
    axis = axis_of("permutation", axis, x.ndim)
    for _ in range(math.ceil(3 * math.log(max(1, x.size)) / math.log(WORD))):
        key, own = split(key)
        order = ops.argsort(bits(own, x.shape).value, axis=axis)
        x = new(take_along(x.value, order, axis), x.weak)
    return x


@explained
def choice(
    key: Any,
    a: Any,
    shape: Shape = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: Any = None,
) -> Any:
    """Entries of `a` along an axis, or of range(a): each alike, or with probabilities p; with
    `replace=False` none twice.
    """
    shape = shape_given("choice", shape)
    if any(n < 0 for n in shape):
        raise wrong(f"choice: sizes of 0 or more are required, got {list(shape)}")
    draws = math.prod(shape)
    whole = isinstance(a, int)
    if not whole and not np.ndim(a):
        raise wrong(f"choice: an array or a Python int is required, got {a!r:.40}")
    if not whole and not -np.ndim(a) <= axis < np.ndim(a):
        raise wrong(f"choice: an axis within {np.ndim(a)} dimensions is required, got {axis}")
    axis = axis if whole else axis % np.ndim(a)
    count = a if whole else np.shape(a)[axis]
    if draws and (count <= 0 or (not replace and draws > count)):
        least = draws if not replace else 1
        raise wrong(f"choice: at least {least} entries are required, got {count}")
    if p is None and not replace and not whole:
        mixed = permutation(key, a, axis)[(slice(None),) * axis + (slice(draws),)]
        return mixed.reshape(*np.shape(a)[:axis], *shape, *np.shape(a)[axis + 1 :])
    if p is None and not replace:
        return permutation(key, count)[:draws].reshape(shape)
    places = _places(key, count, shape, p, replace, mode)
    return places if whole else _entries(a, places, axis)


@eager("key", "p")
def _places(
    key: Any, count: int, shape: tuple[int, ...], p: Any, replace: bool, mode: Any
) -> Tracer:
    """Positions below count."""
    if p is None:
        return randint(key, shape, 0, count)
    weights = tracer(p)
    if weights.shape != (count,):
        raise wrong(f"choice: probabilities of shape [{count}] are required, got {weights.type}")
    weights = weights if weights.type.is_float else weights.astype(np.float32)
    if not replace:
        noisy = gumbel(key, (count,), weights.dtype, mode) + el.log(weights)
        return top_k(noisy, math.prod(shape))[1].reshape(shape)
    upto = cumsum(weights)
    drawn = upto[-1] * (1 - uniform(key, shape, weights.dtype))
    return searchsorted(upto, drawn).astype(np.int32)


@eager("a", "places")
def _entries(a: Any, places: Any, axis: int) -> Tracer:
    return take(a, places, axis)
