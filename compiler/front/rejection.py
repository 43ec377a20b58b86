"""Distributions that are drawn by trying until a draw is accepted: jax.random's names and draws.

Every element tries on its own, all of them in one loop that ends when the last one is accepted, so
the draws are those of jax.random up to rounding. Gamma and what is made of it have derivatives by
the shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.graph import apply
from ..ir.types import NUMPY, dtype_name
from ..ops import stop_gradient
from ..ops.gamma import gamma_draw
from ..ops.random import Threefry, random_bits
from ..trace.operands import new, shape_given, tracer, value, wrong
from ..trace.tracer import Tracer
from .lax.control_flow import scan, while_loop
from .lax.lax import eager, erf_inv, lgamma
from .numpy import elementwise as el
from .numpy import reductions, shapes
from .numpy.cumulative import cumsum
from .numpy.indexing import take
from .random import Shape, exponential, normal, parameters, rademacher, split, uniform

__all__ = [
    "ball",
    "beta",
    "binomial",
    "chisquare",
    "dirichlet",
    "f",
    "gamma",
    "generalized_normal",
    "loggamma",
    "multinomial",
    "poisson",
    "t",
]

# ---------------------------------------------------------------- a key for every element


def _children(keys: Tracer, count: int) -> list[Tracer]:
    """What `split` gives of each of the keys u32[n, 2]: `count` arrays of keys."""
    counters = (np.broadcast_to(np.array([0, i], np.uint32), keys.shape) for i in range(count))
    return [new(apply(Threefry(), keys.value, value(c))) for c in counters]


def _uniform_each(keys: Tracer, kind: Any) -> Tracer:
    """`uniform` of each of the keys."""
    if kind is np.float32:
        return (new(random_bits(keys.value, ())) >> 9).astype(kind) * kind(2.0**-23)
    words = _children(keys, 1)[0].astype(np.int64)
    return ((words[:, 0] << 20) | (words[:, 1] >> 12)).astype(kind) * kind(2.0**-52)


def _normal_each(keys: Tracer, kind: Any) -> Tracer:
    """`normal` of each of the keys."""
    low = np.nextafter(kind(-1), kind(0))
    drawn = _uniform_each(keys, kind) * (kind(1) - low) + low
    return erf_inv(el.maximum(low, drawn)) * kind(np.sqrt(2))


def _while(
    rejected: Callable[..., Any], draw: Callable[..., tuple[Any, ...]], first: tuple[Any, ...]
) -> tuple[Any, ...]:
    """`draw(*state)` again for the elements whose state is `rejected(*state)`, while there are any.

    States are arrays of keys u32[n, 2] or of numbers [n]. A NaN is not rejected.
    """

    def again(state: tuple[Any, ...]) -> tuple[Any, ...]:
        open_ = rejected(*state)
        pairs = zip(state, draw(open_, *state), strict=True)
        return tuple(el.where(open_ if x.ndim == 1 else open_[:, None], y, x) for x, y in pairs)

    return while_loop(lambda state: reductions.any(rejected(*state)), again, first)


# ---------------------------------------------------------------- gamma


def _gamma_draws(key: Any, a: Tracer, log_space: bool) -> Tracer:
    """Draws of shapes a[n].

    Source: Marsaglia and Tsang, A simple method for generating gamma variables, 2000. Shapes below
    1 are drawn one higher, and multiplied by u**(1 / a).
    """
    kind, count = a.dtype.type, a.size
    one, third = kind(1), kind(1 / 3)
    large = a >= one
    d = el.where(large, a, a + one) - third
    c = third / el.sqrt(d)

    def rejected(keys: Any, x: Any, v: Any, u: Any) -> Any:
        slowly = u >= one - kind(0.0331) * (x * x)
        return slowly & (el.log(u) >= x * kind(0.5) + d * ((one - v) + el.log(v)))

    def normals(open_: Any, keys: Any) -> tuple[Any, Any]:
        """A normal number x for each element with 1 + c x > 0, and that number."""

        def draw(_: Any, keys: Any, x: Any, v: Any) -> tuple[Any, ...]:
            keys, own = _children(keys, 2)
            x = _normal_each(own, kind)
            return keys, x, one + x * c

        begin = keys, tracer(np.zeros(count, kind)), el.where(open_, -one, one)
        _, x, v = _while(lambda keys, x, v: v <= 0, draw, begin)
        return x, v

    def draw(open_: Any, keys: Any, *_: Any) -> tuple[Any, ...]:
        keys, for_normals, for_uniform = _children(keys, 3)
        x, v = normals(open_, for_normals)
        return keys, x * x, v * v * v, _uniform_each(for_uniform, kind)

    keys, own = _children(split(key, count), 2)
    begin = keys, *(tracer(np.full(count, n, kind)) for n in (0, 1, 2))
    v = _while(rejected, draw, begin)[2]
    u = _uniform_each(own, kind)
    if log_space:
        logs = el.log1p(-u)
        boost = el.where(large | (logs == 0), kind(0), logs * (one / a))
        return el.log(d) + el.log(v) + boost
    return d * v * el.where(large, one, el.power(one - u, one / a))


def _gamma(key: Any, a: Tracer, shape: tuple[int, ...], log_space: bool) -> Tracer:
    a = shapes.broadcast_to(a, shape)
    fixed = new(stop_gradient(a.value))
    drawn = _gamma_draws(key, fixed.reshape(-1), log_space).reshape(shape)
    return new(gamma_draw(drawn.value, a.value, log_space))


@eager("key", "a")
def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Gamma of shape a and scale 1."""
    shape, _, a = parameters("gamma", shape, dtype, a)
    return _gamma(key, a, shape, False)


@eager("key", "a")
def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """The logarithm of `gamma`, which stays finite where small shapes give 0."""
    shape, _, a = parameters("loggamma", shape, dtype, a)
    return _gamma(key, a, shape, True)


@eager("key", "a", "b")
def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Beta: x / (x + y), x and y gamma of shapes a and b."""
    shape, _, a, b = parameters("beta", shape, dtype, a, b)
    keys = split(key)
    x, y = _gamma(keys[0], a, shape, True), _gamma(keys[1], b, shape, True)
    most = el.maximum(x, y)
    x, y = el.exp(x - most), el.exp(y - most)
    return x / (x + y)


@eager("key", "alpha")
def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Dirichlet: numbers of sum 1 along the last axis; `shape` is that before it."""
    (whole, _, alpha) = parameters("dirichlet", None, dtype, alpha)
    if not whole:
        raise wrong(f"dirichlet: one axis or more is required, got {alpha.type}")
    front = whole[:-1] if shape is None else shape_given("dirichlet", shape)
    logs = _gamma(key, alpha, (*front, whole[-1]), True)
    e = el.exp(logs - reductions.max(logs, -1, keepdims=True))
    return e / reductions.sum(e, -1, keepdims=True)


@eager("key", "df")
def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Chi squared of df degrees of freedom."""
    shape, kind, df = parameters("chisquare", shape, dtype, df)
    return el.exp(_gamma(key, df / kind(2), shape, True)) * kind(2)


@eager("key", "dfnum", "dfden")
def f(key: Any, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """F: the quotient of chi squared numbers, each by its degrees of freedom."""
    shape, kind, num, den = parameters("f", shape, dtype, dfnum, dfden)
    keys = split(key)
    below, above = chisquare(keys[0], den, shape, kind), chisquare(keys[1], num, shape, kind)
    return (above / num) / (below / den)


@eager("key", "df")
def t(key: Any, df: Any, shape: Any = (), dtype: Any = np.float32) -> Tracer:
    """Student's t of df degrees of freedom."""
    shape, kind, df = parameters("t", shape, dtype, df)
    keys, half = split(key), df / kind(2)
    return normal(keys[0], shape, kind) * el.sqrt(half / _gamma(keys[1], half, shape, False))


@eager("key")
def generalized_normal(key: Any, p: float, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Density proportional to exp(-|x|**p)."""
    sizes, kind, _ = parameters("generalized_normal", shape, dtype, p)
    keys = split(key)
    drawn = _gamma(keys[0], tracer(kind(1 / p)), sizes, False)
    return rademacher(keys[1], sizes, kind) * drawn ** (1 / p)


@eager("key")
def ball(key: Any, d: int, p: float = 2, shape: Shape = (), dtype: Any = np.float32) -> Tracer:
    """Uniform in the unit ball of d dimensions in the p-norm."""
    shape, keys = shape_given("ball", shape), split(key)
    g = generalized_normal(keys[0], p, (*shape, d), dtype)
    e = exponential(keys[1], shape, dtype)
    return g / ((reductions.sum(el.absolute(g) ** p, -1) + e) ** (1 / p))[..., None]


# ---------------------------------------------------------------- counts


@eager("key", "lam")
def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = np.int32) -> Tracer:
    """Poisson of rate lam; -1 where that is no finite number from 0 on.

    Source: Knuth, The Art of Computer Programming 2, 3.4.1, below a rate of 10; above, Hormann, The
    transformed rejection method for generating Poisson random variables, 1993.
    """
    shape, kind, lam = parameters("poisson", shape, np.float32, lam)
    of, lam = dtype_name(dtype), shapes.broadcast_to(lam, shape)
    lam = el.where(lam < np.inf, lam, kind(np.nan))  # with an infinite one no draw is ever accepted
    few = (lam != lam) | (lam < 10)
    small = _poisson_few(key, el.where(few, lam, kind(0)), shape)
    large = _poisson_many(key, el.where(few, kind(1e5), lam), shape)
    return el.where(lam == 0, 0, el.where(few, small, large)).astype(NUMPY[of])


def _poisson_few(key: Any, rate: Tracer, shape: tuple[int, ...]) -> Tracer:
    """Factors until their product is below exp(-rate)."""

    def body(state: Any) -> Any:
        k, key, logs = state
        keys = split(key)
        k = el.where(logs > -rate, k + 1, k)
        return k, keys[0], logs + el.log(uniform(keys[1], shape))

    begin = np.zeros(shape, np.int32), tracer(key), np.zeros(shape, np.float32)
    return while_loop(lambda s: reductions.any(s[2] > -rate), body, begin)[0] - 1


def _poisson_many(key: Any, rate: Tracer, shape: tuple[int, ...]) -> Tracer:
    """Transformed rejection."""
    logs = el.log(rate.astype(np.float64))
    b = 0.931 + 2.53 * el.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse, most = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)

    def body(state: Any) -> Any:
        found, accepted, key = state
        keys = split(key, 3)
        u, v = uniform(keys[1], shape) - 0.5, uniform(keys[2], shape)
        near = 0.5 - el.absolute(u)
        k = el.floor((2 * a / near + b) * u + rate + 0.43)
        s = el.log(v * inverse / (a / (near * near) + b))
        at_once = (near >= 0.07) & (v <= most)
        never = (k < 0) | ((near < 0.013) & (v > near))
        many = k.astype(np.float64)  # f32 has no digits left of what large terms differ by
        accept = at_once | (~never & (s <= -rate + many * logs - lgamma(many + 1)))
        return el.where(accept, k, found), accepted | accept, keys[0]

    begin = np.full(shape, -1, np.float32), np.zeros(shape, bool), tracer(key)
    found = while_loop(lambda s: ~reductions.all(s[1]), body, begin)[0]
    return found.astype(np.int32)


STIRLING = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
    0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
    0.00925546218271273, 0.00833056343336287,
)  # fmt: skip
"""log k! less Stirling's approximation, for k from 0 to 9."""


def _stirling_tail(k: Any) -> Any:
    few, square = k <= 9, (k + 1) * (k + 1)
    known = take(np.array(STIRLING, k.dtype), el.clip(k, 0, 9).astype(np.int32))
    return el.where(few, known, (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1))


@eager("key", "n", "p")
def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = np.float32) -> Tracer:
    """Successes, as floats, among n trials of probability p.

    Source: Kachitvichyanukul and Schmeiser, Binomial random variate generation, 1988, below 10
    expected; above, Hormann, The generation of binomial random variates, 1993.
    """
    shape, kind, n, p = parameters("binomial", shape, dtype, n, p)
    n, p = el.floor(shapes.broadcast_to(n, shape)), shapes.broadcast_to(p, shape)
    flipped = p >= 0.5
    q = el.where(flipped, 1 - p, p)
    no_trials, no_chance = (n != n) | (n < 0), (q != q) | (q < 0)
    q = el.where(no_chance, kind(0.01), q)
    few = no_trials | (n * q <= 10)
    small = _binomial_few(key, el.where(few, n, kind(0)), q, shape, kind)
    many = el.where(few, kind(1e4), n), el.where(few, kind(0.5), q)
    found = el.where(few, small, _binomial_many(key, *many, shape, kind))
    wrong_, endless = no_trials | no_chance, el.isinf(n)
    found = el.where(wrong_, kind(np.nan), el.where(endless, kind(np.inf), found))
    return el.where(flipped & ~wrong_ & ~endless, n - found, found)


def _binomial_few(key: Any, n: Any, p: Any, shape: tuple[int, ...], kind: Any) -> Tracer:
    """Waiting times between successes until they exceed n."""
    logs = el.log1p(-p)

    def body(state: Any) -> Any:
        count, total, key = state
        keys = split(key)
        count = el.where(total <= n, count + 1, count)
        return count, total + el.ceil(el.log(uniform(keys[0], shape, kind)) / logs), keys[1]

    begin = np.zeros(shape, kind), np.zeros(shape, kind), tracer(key)
    return while_loop(lambda s: reductions.any(s[1] <= n), body, begin)[0] - 1


def _binomial_many(key: Any, n: Any, p: Any, shape: tuple[int, ...], kind: Any) -> Tracer:
    """Transformed rejection."""
    spread = el.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a, c = -0.0873 + 0.0248 * b + 0.01 * p, n * p + 0.5
    most, alpha = 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread
    all_, chance = n.astype(np.float64), p.astype(np.float64)  # as in _poisson_many
    r, m = chance / (1 - chance), el.floor((all_ + 1) * chance)

    def body(state: Any) -> Any:
        found, accepted, key = state
        keys = split(key, 3)
        u, v = uniform(keys[1], shape, kind) - 0.5, uniform(keys[2], shape, kind)
        near = 0.5 - el.absolute(u)
        at_once = (near >= 0.07) & (v <= most)
        k = el.floor((2 * a / near + b) * u + c)
        never = (k < 0) | (k > n)
        good = k.astype(np.float64)
        bad = all_ - good
        bound = (
            (m + 0.5) * el.log((m + 1) / (r * (all_ - m + 1)))
            + (all_ + 1) * el.log((all_ - m + 1) / (bad + 1))
            + (good + 0.5) * el.log(r * (bad + 1) / (good + 1))
            + _stirling_tail(m)
            + _stirling_tail(all_ - m)
            - _stirling_tail(good)
            - _stirling_tail(bad)
        )
        v = el.log(v * alpha / (a / (near * near) + b))
        accept = at_once | (~never & (v <= bound))
        return el.where(accept, k, found), accepted | accept, keys[0]

    begin = np.full(shape, -1, kind), np.zeros(shape, bool), tracer(key)
    return while_loop(lambda s: ~reductions.all(s[1]), body, begin)[0]


@eager("key", "n", "p")
def multinomial(
    key: Any, n: Any, p: Any, *, shape: Any = None, dtype: Any = np.float32, unroll: int = 1
) -> Tracer:
    """How often each outcome of the last axis occurs in n trials of probabilities p, as floats.

    `unroll` is JAX's word to its compiler, of no meaning here.
    """
    whole, kind, p = parameters("multinomial", shape, dtype, p)
    if not whole:
        raise wrong(f"multinomial: one axis or more is required, got {p.type}")
    p = shapes.moveaxis(shapes.broadcast_to(p, whole), -1, 0)
    n = shapes.broadcast_to(tracer(n).astype(kind), whole[:-1])
    left = shapes.flip(cumsum(shapes.flip(p, 0), 0), 0)
    ratios = el.clip(p / el.where(left == 0, kind(1), left), 0, 1)

    def step(left: Any, given: Any) -> Any:
        count = binomial(given[1], left, given[0], dtype=kind)
        return left - count, count

    _, counts = scan(step, n, (ratios, split(key, math.prod(whole[-1:]))))
    return shapes.moveaxis(counts, 0, -1)
