"""NumPy as people write it, without a thought of traces: what tests port.

Functions of floats take arrays of some shape and give numbers or arrays; `CASES` has arguments.
"""

# ruff: noqa: B019, I001, RUF005, RUF012, SIM, UP  it is code of others

import functools
import math
import numbers
from collections import defaultdict
from dataclasses import dataclass
from math import exp as e_to_the, pi
from numbers import Number

import numpy
import numpy as np
from numpy import array, concatenate, linalg, maximum, zeros
from numpy import exp as elementwise_exp

TABLE = np.linspace(0.0, 1.0, 8) ** 2
PERMUTATION = np.array([3, 1, 0, 2])
SCALES = {"small": np.array([0.5, 0.25]), "large": [np.array([2.0, 3.0])]}
erf = np.vectorize(math.erf, otypes=[np.float64])
_cache = {}


# ---------------------------------------------------------------- loops that write


def softmax_rows(x):
    out = np.zeros(x.shape)
    for i in range(x.shape[0]):
        row = x[i] - np.max(x[i])
        e = np.exp(row)
        out[i] = e / e.sum()
    return out


def moving_average(x, width=3):
    out = np.empty(len(x) - width + 1)
    for i in range(len(out)):
        out[i] = np.mean(x[i : i + width])
    return out


def two_brackets(x):
    out = np.zeros((len(x), 2))
    for i in range(len(x)):
        out[i][0] = x[i] ** 2
        out[i][1] = out[i][0] + 1
    return out


def rows_by_name(x):
    out = np.zeros((3, len(x)))
    for k, row in enumerate(out):
        row[:] = x * k
        row += 1
    return out


def view_that_replaces(x):
    out = np.zeros(len(x) + 4)
    out[2:-2] += x
    out = out[1:-1]
    out[out.shape[0] // 2] *= 2
    return out


def running_state(x):
    h = np.zeros(2)
    total = 0
    history = []
    for t in range(len(x)):
        h[0] = 0.5 * h[0] + x[t]
        h[1] = np.tanh(h[0]) - h[1]
        history.append(h.copy())
        total += h[1]
    return np.array(history), total


def list_of_scalars(x):
    found = []
    for v in x:
        found.append(v * v)
    return np.array(found + [0.0])


def matrix_from_parts(x):
    c, s = np.cos(x[0]), np.sin(x[0])
    rotation = np.array([[c, -s], [s, c]])
    return rotation @ x[:2]


def full_of(x):
    y = np.full(4, 1.5)
    y[1:3] = x[:2]
    return y * np.ones_like(y)


def counters_and_values(x):
    counts = np.zeros(3, dtype=int)
    sums = np.zeros(3)
    for i in range(len(x)):
        k = i % 3
        counts[k] += 1
        sums[k] += x[i]
    used = counts > 0
    sums[used] /= counts[used]
    return sums


def integers_written(x):
    ranks = np.zeros(len(x), int)
    ranks[np.argsort(x)] = np.arange(len(x))
    return ranks


def flags_written(x):
    flags = np.zeros(len(x), bool)
    for i in range(len(x)):
        flags[i] = x[i] > 0
    return np.where(flags, x, -x)


def accumulated(x):
    out = np.zeros(3)
    np.add.at(out, np.arange(len(x)) % 3, x)
    return out


def filled(x):
    m = np.zeros((len(x), len(x)))
    np.fill_diagonal(m, x)
    m[np.triu_indices(len(x), 1)] = 0.5
    return m @ x


def by_columns(x):
    m = np.reshape(x, (2, -1), order="F")
    return m.reshape(-1, order="F") + m.ravel()


# ---------------------------------------------------------------- out=, where=, in place


def into_buffers(x):
    buffer = np.empty_like(x)
    np.multiply(x, 2, out=buffer)
    np.add(buffer, 1, out=buffer)
    np.exp(buffer, out=buffer)
    return buffer


def safe_divide(x):
    y = x - x[0]
    return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def in_place(x):
    y = x.copy()
    y -= y.mean()
    y /= np.sqrt((y**2).sum()) + 1e-3
    y **= 2
    return y


def of_an_argument(x):
    x -= np.max(x)
    x[x < -1] = -1
    return x


def copied_to(x):
    y = np.zeros(len(x))
    np.copyto(y, x)
    np.maximum(y, 0.1, out=y)
    return y


# ---------------------------------------------------------------- masks


def stable_sigmoid(x):
    out = np.empty_like(x)
    pos = x >= 0
    out[pos] = 1 / (1 + np.exp(-x[pos]))
    e = np.exp(x[~pos])
    out[~pos] = e / (1 + e)
    return out


def clipped_log(x):
    y = np.zeros_like(x)
    mask = x > 0.2
    y[mask] = np.log(x[mask]) * 2 + x[mask] ** 2
    y[~mask] = -1.0
    return y


def mean_of_positive(x):
    return x[x > 0].mean() + x[x > 0].sum() + x[x > 0].max()


def halved_where(x):
    y = x * 1
    y[y > 0.5] *= 0.5
    return y


# ---------------------------------------------------------------- names


def imported_names(x):
    y = zeros(len(x))
    y[:] = elementwise_exp(x)
    return concatenate([y, maximum(x, 0), array([x[0], 1.0])]) * numpy.pi


def math_of_numbers(x):
    t = x[0]
    return e_to_the(t) + math.sqrt(t * t + 1) * math.log(2 + t**2, 2) - math.atan2(t, pi) + erf(x)


def python_numbers(x):
    scale = float(np.mean(x))
    return max(scale, 0.0) * x + min(x[0], x[1]) + float(len(x))


def norms(x):
    m = np.outer(x, x) + np.eye(len(x))
    return linalg.norm(x) + np.linalg.det(m) + np.linalg.solve(m, x)


def spectrum(x):
    f = np.fft.rfft(x, 16)
    f[0] = 0
    return np.fft.irfft(f * np.conj(f), 16)[: len(x)]


def vectorized_branchless(x):
    f = np.vectorize(lambda a, b: math.sin(a) * b + TABLE[2])
    return f(x, 2.0)


def row_of(x):
    return np.r_[x, 1.0, x[:2]] @ np.c_[np.r_[x, 1.0, x[:2]], np.ones(len(x) + 3)]


def types_of_numbers(x):
    assert isinstance(x, np.ndarray)
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    total = np.float64(x.sum())
    return (x * total).astype(dtype) + np.zeros(len(x), dtype)


def kinds_of_numbers(x):
    """One power of two for each question that has the answer yes."""
    number, python, count = x[0], float(x[0]), np.argmax(x)
    kinds = (float, int, np.ndarray, np.generic, np.floating, np.integer, np.number, Number,
             numbers.Integral, type, np.float64, np.float32, np.int64)  # fmt: skip
    answers = [isinstance(v, k) for v in (x, number, python, count, 1.0, np.ones(2)) for k in kinds]  # type: ignore
    answers += [type(x) is np.ndarray, type(number) is np.float64, type(python) is float,
                type(float(1)) is float, type([]) is list, type(count) is np.int64,
                x.dtype in (np.float32, np.float64), type(np.ones(2)) is np.ndarray,
                issubclass(np.float64, np.floating)]  # fmt: skip
    return x * sum(answers) + sum(np.sin(i) for i, yes in enumerate(answers) if yes)


def of_one_or_many(x):
    def of_any(v):
        if not isinstance(v, np.ndarray):
            v = np.array([v])
        return v * 2

    return of_any(x[0]), of_any(x), of_any(x.sum())


def by_pattern(x):
    match x[0]:
        case float():
            return x
        case _:
            return 2 * x


def of_classes_made_inside(x):
    class Named(type):
        def __new__(cls, name, bases, space):
            return super().__new__(cls, name, bases, {**space, "factor": 3.0})

    class Made(metaclass=Named):
        pass

    return x * Made.factor * type("Also", (Made,), {"of": 2.0}).of  # type: ignore


def reshapes_that_copy(x):
    """Of what does not stand in order in memory, NumPy copies, and a write is seen by no other."""
    a = np.zeros((2, 3))
    a.T[0] = x[:2]
    b = a.T.ravel()
    b[0] = 100.0
    c = a.reshape(3, 2).T
    c[0, 0] = -1.0
    y = np.outer(x, x)
    d = y[:, ::2].reshape(-1)  # a view, which has one stride
    d[1] = 7.0
    e = y[:, ::2].ravel()  # a copy
    e[2] = 8.0
    f = y[:, 1:3].reshape(-1)
    f[0] = 9.0
    g = y[1:3].reshape(-1)
    g[0] = 6.0
    h = y.reshape(-1, order="F")
    h[2] = 5.0
    k = y.reshape(2, 2, 4).transpose(1, 0, 2)
    k[1, 0, 3] = 4.0
    m = k.reshape(4, 4)
    m[0, 0] = 3.0
    r = x.copy()
    r.real[0] = 2.0
    return a, b, c, y, d, e, f, g, h, k, m, r


# ---------------------------------------------------------------- tables, caches, shapes


def looked_up(x):
    at = np.clip((x * 7).astype(int), 0, 7)
    return TABLE[at] * x + SCALES["small"][at % 2] + SCALES["large"][0][at % 2]


def permuted(x):
    return x[PERMUTATION] * np.argsort(PERMUTATION)


def shapes_by_arrays(x):
    shape = np.array([2, len(x) // 2])
    y = x[: np.prod(shape)].reshape(shape)
    pads = np.zeros((2, 2), int)
    pads[1, 0] = 1
    return np.pad(y, pads).sum(axis=int(np.argmax(shape)))


def cached_table(x):
    n = len(x)
    if n not in _cache:
        _cache[n] = np.cos(np.arange(n))
    return _cache[n] * x


@functools.cache
def window_of(n):
    return np.hanning(n + 2)[1:-1]


def windowed(x):
    return x * window_of(len(x))


def grouped(x):
    groups = defaultdict(list)
    for i, v in enumerate(x):
        groups[i % 2].append(v)
    return np.stack([np.sum(groups[k]) for k in sorted(groups)])


def random_mask(x):
    rng = np.random.RandomState(0)
    keep = rng.rand(len(x)) > 0.5
    return np.where(keep, x, 0) + x[keep].sum()


def decided_by_numbers(x):
    weights = np.arange(len(x)) / len(x)
    total = np.zeros(1)
    for i in range(len(x)):
        if weights[i] > 0.4:
            total[0] += x[i] * weights[i]
    while weights.sum() > 1:
        weights = weights * 0.5
    return total + weights[-1]


class Window:
    """Tables and stores of a class."""

    TABLE = np.linspace(0, 1, 5)
    kept = {}
    erf = np.vectorize(math.erf)

    @functools.lru_cache(maxsize=8)
    def shape(self, n):
        return np.hanning(n + 2)[1:-1]

    def __call__(self, x):
        if len(x) not in self.kept:
            self.kept[len(x)] = np.arange(len(x)) + x
        return (
            self.TABLE[np.clip(x, 0, 4).astype(int)] * self.shape(len(x)) * self.erf(x)
            + self.kept[len(x)]
        )


def by_class(x):
    return Window()(x)


FLOATS = (
    by_class, kinds_of_numbers, of_one_or_many, by_pattern, of_classes_made_inside,
    reshapes_that_copy,
    softmax_rows, moving_average, two_brackets, rows_by_name, view_that_replaces, running_state,
    list_of_scalars, matrix_from_parts, full_of, counters_and_values, flags_written, accumulated,
    filled, by_columns, into_buffers, safe_divide, in_place, of_an_argument, copied_to,
    stable_sigmoid, clipped_log, mean_of_positive, halved_where, imported_names, math_of_numbers,
    python_numbers, norms, spectrum, vectorized_branchless, row_of, types_of_numbers, looked_up,
    permuted, shapes_by_arrays, cached_table, windowed, grouped, random_mask, decided_by_numbers,
)  # fmt: skip
VECTOR = np.array([0.31, -1.2, 0.7, 2.1])
CASES = {f.__name__: (f, VECTOR) for f in FLOATS}
CASES["softmax_rows"] = softmax_rows, np.stack([VECTOR, VECTOR[::-1] * 3])


# ---------------------------------------------------------------- objects


class Linear:
    def __init__(self, rng, n, m):
        self.w = rng.normal(size=(n, m)) / math.sqrt(n)
        self.b = np.zeros(m)

    def __call__(self, x):
        self.x = x  # for backward
        return x @ self.w + self.b

    def backward(self, g):
        self.dw = self.x.T @ g
        self.db = g.sum(axis=0)
        return g @ self.w.T


class Net:
    """Two layers, with a backward pass written by hand."""

    __slots__ = ("layers", "mask", "scale")

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.layers = [Linear(rng, 3, 4), Linear(rng, 4, 1)]
        self.scale = 0.5

    def forward(self, x):
        h = self.layers[0](x)
        self.mask = h > 0
        return self.layers[1](np.maximum(h, 0)) * self.scale

    def gradients(self, x):
        y = self.forward(x)
        g = self.layers[1].backward(2 * y * self.scale)
        self.layers[0].backward(np.where(self.mask, g, 0))
        return [(layer.dw, layer.db) for layer in self.layers]


@dataclass(frozen=True)
class Embedding:
    table: np.ndarray
    order: tuple

    def lookup(self, ids):
        return self.table[ids][..., list(self.order)]


class Momentum:
    """Training as it is written with state in the object."""

    def __init__(self):
        self.w = np.array([1.0, -2.0])
        self.v = np.zeros(2)

    def train(self, x):
        gradient = 2 * self.w * x
        self.v *= 0.9
        self.v += gradient
        self.w -= 0.1 * self.v
        return (self.w**2).sum()


def closing_over(scale):
    weights = np.array([scale, 2 * scale])
    layer = Linear(np.random.default_rng(1), 2, 2)

    def f(x):
        return layer(x * weights).sum()

    return f


def views_written(x):
    out = np.zeros((2, 3))
    out.reshape(-1)[1] = x[0]
    out.T[2] = x[:2]
    flat = out.ravel()
    for i in range(3):
        flat[i] += x[i] * (i + 1)
    out.reshape(3, 2).T[0, 1:] *= 2
    np.swapaxes(out, 0, 1)[0] += 1
    made = np.zeros_like(np.outer(x, x))
    made.reshape(-1)[::5] = x
    np.transpose(made)[0, 1:] = x[1:]
    return out, flat, made


def flat_items(x):
    out = np.empty((2, 2))
    for i in range(4):
        out.flat[i] = x[i]
    out.flat[1:3] *= 2
    y = x.copy()
    y.sort()
    for (i, j), v in np.ndenumerate(out):
        out[i, j] = v * y[i]
    return out


def views_that_show(x):
    states = np.zeros((3, 2))
    first, second, across = states[0], states[1], states.T
    states[1] = x[:2]
    states[2] = first + second * x[2]
    first += 1
    across[0] *= second[0]
    return states, first, second, across


for _f in (views_written, flat_items, views_that_show):
    CASES[_f.__name__] = _f, VECTOR
