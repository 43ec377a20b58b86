"""Sizes beside those that kernels are cut into: what is short, odd or one too many, of every kind.

The interpreter of PTX faults at every access beyond a buffer, and on memory that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.cuda.interpreted import compiled_for, run
from wonderland import lax
from wonderland.compiler.codegen.target import DEVICES, GpuTarget
from wonderland.compiler.transform.interpreter import interpret

Rng = np.random.Generator
Case = tuple[Callable[..., Any], tuple[np.ndarray, ...]]

EDGES = (32, 64, 128, 256, 1024, 4096)
SMALL = (1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33)
DTYPES = ("f4", "f4", "f4", "f8", "f2", "i4", "i8", "i1", "?", "c8")


def edge(rng: Rng, most: int = 4200) -> int:
    """A size at, beside or at a multiple of a border."""
    if rng.random() < 0.3:
        return int(rng.choice([n for n in SMALL if n <= most]))
    border = int(rng.choice([n for n in EDGES if n <= most] or [most]))
    times = int(rng.integers(1, 4))
    return int(np.clip(border * times + rng.integers(-3, 4), 1, most))


def pair(rng: Rng, most: int = 60_000) -> tuple[int, int]:
    """Two sizes, one of which may be large."""
    first = edge(rng)
    second = edge(rng, max(most // first, 1))
    return (first, second) if rng.random() < 0.5 else (second, first)


def array(rng: Rng, *shape: int, dtype: str = "f4") -> np.ndarray:
    if dtype == "?":
        return rng.random(shape) < 0.5
    if dtype[0] == "i":
        return rng.integers(-9, 9, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype[0] == "c" else x).astype(dtype)


def any_dtype(rng: Rng) -> str:
    return str(rng.choice(DTYPES))


def floating(rng: Rng) -> str:
    return str(rng.choice(("f4", "f4", "f8", "f2")))


# ------------------------------------------------------------------ kinds of kernels


def maps(rng: Rng) -> Case:
    m, n = pair(rng)
    x, y = (array(rng, m, n, dtype=any_dtype(rng)) for _ in "xy")
    return lambda x, y: (x + y, x[:, : n // 2] * 2, y[::-1], x[m // 3 :]), (x, y)


def pieces(rng: Rng) -> Case:
    m, n = pair(rng, 20_000)
    x, y = (array(rng, m, n, dtype=any_dtype(rng)) for _ in "xy")
    wide = (1, int(rng.integers(0, 5)))

    def f(x: Any, y: Any) -> Any:
        joined = np.concatenate([x, y[:, 1:], x], 1)
        return joined, np.concatenate([x, y], 0), np.pad(x, (wide, wide)), np.roll(y, 3, 1)

    return f, (x, y)


def crosswise(rng: Rng) -> Case:
    m, n = pair(rng)
    k = int(rng.integers(1, 4))
    x, y = array(rng, k, m, n, dtype=any_dtype(rng)), array(rng, n, m, k, dtype=any_dtype(rng))
    return lambda x, y: (x.T + y, np.swapaxes(x, 1, 2) * 2, np.transpose(y, (1, 2, 0)) + 1), (x, y)


def rows(rng: Rng) -> Case:
    m, n = pair(rng)

    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x, 1, keepdims=True))
        centred = x - np.mean(x, 1, keepdims=True)
        return e / np.sum(e, 1, keepdims=True), centred / (1 + np.std(x, 1, keepdims=True))

    return f, (array(rng, m, n, dtype=floating(rng)),)


def folds(rng: Rng) -> Case:
    m, n = pair(rng, 140_000)
    x = array(rng, m, n, dtype=any_dtype(rng))

    def f(x: Any) -> Any:
        return np.sum(x), np.sum(x, 0), np.sum(x, 1), np.any(x, 0), np.all(x, 1)

    return f, (x,)


def parts_of_rows(rng: Rng) -> Case:
    """Rows that begin where wide accesses do, and end elsewhere."""
    m, n = 4 * edge(rng, 40), 4 * edge(rng, 600)
    first, last = 4 * int(rng.integers(0, 2)), n - int(rng.integers(0, 6))

    def f(x: Any) -> Any:
        part = x[:, first : max(last, first + 1)]
        e = np.exp(part - np.max(part, 1, keepdims=True))
        return (
            np.max(np.abs(x[:, :last]), 1),
            np.sum(x[: m - 1, : n - 1], 1),
            e / np.sum(e, 1)[:, None],
        )

    return f, (array(rng, m, n, dtype=floating(rng)),)


def long_folds(rng: Rng) -> Case:
    """Chunks of a long axis, the last of them short, beside what is folded another way."""
    n = int(rng.choice([65_535, 65_537, 4097, 131_073, 262_145]))
    k = int(rng.choice([1, 2, 3, 4, 8, 16, 33]))
    n = min(n, 400_000 // k)
    x, y, w = array(rng, n, k), array(rng, n), array(rng, k)
    forms: list[Callable[..., Any]] = [
        lambda x, y, w: (np.sum(x, 0), np.max(x, 1)),
        lambda x, y, w: (np.sum(x * w, 0), np.sum(x * y[:, None], 0), x + 1),
        lambda x, y, w: (np.sum(x), np.argmax(x, 0), np.min(y)),
        lambda x, y, w: (np.mean((x - w) ** 2, 0), np.var(y)),
        lambda x, y, w: np.sum(np.arange(n, dtype=np.float32)[:, None] * w, 0),
        lambda x, y, w: np.sum(np.cos(w) * np.ones((n, 1), np.float32), 0),
        lambda x, y, w: np.sum(x.T, 1) + np.sum(np.swapaxes(x, 0, 1) * y, 1),
        lambda x, y, w: wl.value_and_grad(lambda w: np.mean(np.tanh(x * w) ** 2))(w),
    ]
    return forms[rng.integers(len(forms))], (x, y, w)


def boxes(rng: Rng) -> Case:
    """Folds over some of four axes."""
    shape = [int(rng.choice([1, 2, 3, 8, 9, 17, 33, 64, 65])) for _ in range(4)]
    while np.prod(shape) > 150_000:
        shape[int(np.argmax(shape))] //= 2
    axes = tuple(int(a) for a in rng.permutation(4)[: rng.integers(1, 4)])
    x, w = array(rng, *shape), array(rng, shape[3], shape[0])
    order = tuple(int(a) for a in rng.permutation(4))

    def f(x: Any, w: Any) -> Any:
        y = x * w.T[:, None, None, :]
        return np.sum(y), np.sum(y, axes), np.max(np.transpose(x, order), axes)

    return f, (x, w)


def products(rng: Rng) -> Case:
    m, n, k = (edge(rng, 300) for _ in "mnk")
    while m * n * k > 3_000_000:
        m, n, k = (max(1, s * 2 // 3) for s in (m, n, k))
    dtype = str(rng.choice(("f4", "f4", "f4", "f8", "i4", "f2")))
    batch = (int(rng.integers(2, 4)),) if rng.random() < 0.3 else ()
    x, y, b = (array(rng, *s, dtype=dtype) for s in ((*batch, m, k), (*batch, k, n), (n,)))
    turned, other = rng.random(2) < 0.4
    precision = str(rng.choice(("highest", "highest", "tensorfloat32", "bfloat16")))
    if turned:
        x = np.ascontiguousarray(np.swapaxes(x, -1, -2))
    if other:
        y = np.ascontiguousarray(np.swapaxes(y, -1, -2))

    def f(x: Any, y: Any, b: Any) -> Any:
        with wl.default_matmul_precision(precision):
            x = np.swapaxes(x, -1, -2) if turned else x
            y = np.swapaxes(y, -1, -2) if other else y
            return x @ y + b

    return f, (x, y, b)


def deep_products(rng: Rng) -> Case:
    k = int(rng.choice([511, 512, 513, 4097, 65_537]))
    m, n = (int(rng.choice([1, 2, 3, 5, 17])) for _ in "mn")
    return lambda x, y: (x @ y, x[0] @ y, x @ y[:, 0]), (array(rng, m, k), array(rng, k, n))


def convolutions(rng: Rng) -> Case:
    """A convolution and both its gradients, channels first or last."""
    d, first = int(rng.integers(1, 4)), bool(rng.random() < 0.5)
    groups = int(rng.choice([1, 1, 1, 2, 4]))
    c, k = (groups * int(rng.choice([1, 2, 3, 8, 17])) for _ in range(2))
    if rng.random() < 0.2:
        groups = k = c
    size, window, strides, dilation = (
        rng.integers(low, high, d) for low, high in ((4, (0, 70, 14, 8)[d]), (1, 4), (1, 3), (1, 3))
    )
    axes = "DHW"[3 - d :]
    numbers = (
        (f"NC{axes}", f"OI{axes}", f"NC{axes}")
        if first
        else (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    )
    n, dtype = int(rng.integers(1, 4)), str(rng.choice(("f4", "f4", "f8")))
    x = array(rng, *((n, c, *size) if first else (n, *size, c)), dtype=dtype)
    w = array(
        rng, *((k, c // groups, *window) if first else (*window, c // groups, k)), dtype=dtype
    )
    pads = [(int(low), int(high)) for low, high in rng.integers(1, 4, (d, 2))]

    def f(x: Any, w: Any) -> Any:
        def g(x: Any, w: Any) -> Any:
            return lax.conv_general_dilated(
                x, w, strides.tolist(), pads, rhs_dilation=dilation.tolist(),
                dimension_numbers=numbers, feature_group_count=groups,
            )  # fmt: skip

        y, back = wl.vjp(g, x, w)
        return y, *back(y)

    return f, (x, w)


def prefixes(rng: Rng) -> Case:
    m, n = pair(rng, 30_000)
    x = array(rng, m, n, dtype=str(rng.choice(("f4", "f8", "i4"))))
    back = bool(rng.random() < 0.5)

    def f(x: Any) -> Any:
        return np.cumsum(x, 0), np.cumsum(x, 1), lax.cummax(x, axis=1, reverse=back)

    return f, (x,)


def sorts(rng: Rng) -> Case:
    m, n = pair(rng, 2000)
    x, v = array(rng, m, n, dtype=str(rng.choice(("f4", "i4", "f2")))), array(rng, edge(rng, 300))
    v, at = np.sort(v), array(rng, m)
    return lambda x, v, at: (np.sort(x, 1), np.argsort(x, 0), np.searchsorted(v, at)), (x, v, at)


def gathers(rng: Rng) -> Case:
    m, n = pair(rng, 20_000)
    count = edge(rng, 600)
    x, i = array(rng, m, n, dtype=any_dtype(rng)), rng.integers(0, m, count).astype(np.int32)
    j = rng.integers(0, n, count)
    return lambda x, i, j: (x[i], x[:, j], x[i, j]), (x, i, j)


def scatters(rng: Rng) -> Case:
    m, n = pair(rng, 4000)
    count = edge(rng, 300)
    x, u = array(rng, m, n), array(rng, count, n)
    i = rng.integers(0, m, count)

    def f(x: Any, u: Any, i: Any) -> Any:
        added = wl.numpy.at(x)[i].add(u)
        return added, wl.numpy.at(x)[i].max(u), wl.ops.segment_sum(u, i, num_segments=m + 3)

    return f, (x, u, i)


def segments(rng: Rng) -> Case:
    m, n = pair(rng, 8000)
    i = np.sort(rng.integers(0, m + 2, edge(rng, 3000)))
    u = array(rng, len(i), n)

    def f(u: Any, i: Any) -> Any:
        add = wl.ops.segment_sum(u, i, num_segments=m, indices_are_sorted=True)
        return add, wl.ops.segment_max(u, i, num_segments=m, indices_are_sorted=True)

    return f, (u, i)


def slices(rng: Rng) -> Case:
    m, n = pair(rng, 20_000)
    x = array(rng, m, n, dtype=any_dtype(rng))
    start, size = rng.integers(-3, m + 3), max(1, m // 2)
    step = int(rng.choice((-3, -2, -1, 2, 3)))

    def f(x: Any, start: Any) -> Any:
        part = lax.dynamic_slice_in_dim(x, start, size)
        put = lax.dynamic_update_slice_in_dim(x, part + part, start, 0)
        return part, put, x[:, ::step], x[::step]

    return f, (x, np.array(start))


def loops(rng: Rng) -> Case:
    n, k = edge(rng, 300), int(rng.integers(1, 5))
    c, xs = array(rng, n), array(rng, k, n)

    def f(c: Any, xs: Any) -> Any:
        return lax.scan(lambda c, x: (c * 0.5 + x, (x[: n // 2], np.sum(c))), c, xs)

    return f, (c, xs)


def steps(rng: Rng) -> Case:
    """Arrays of several sizes in one launch."""
    sizes = [pair(rng, 5000) for _ in range(rng.integers(2, 6))]
    arrays = tuple(array(rng, *s) for s in sizes)

    def f(*xs: Any) -> Any:
        return [(x - 0.1 * np.sign(x) / (1 + np.abs(x)), x * 0.9) for x in xs], sum(
            np.sum(x * x) for x in xs
        )

    return f, arrays


KINDS: dict[str, Callable[[Rng], Case]] = {
    f.__name__: f
    for f in (
        maps, pieces, crosswise, rows, parts_of_rows, folds, long_folds, boxes, products,
        deep_products, convolutions, prefixes, sorts, gathers, scatters, segments, slices, loops,
        steps,
    )
}  # fmt: skip

TOLERANCES = {"f2": 8e-3, "f4": 1e-4, "f8": 1e-10, "c8": 1e-4}
WIDE = {"f2": np.float64, "f4": np.float64, "c8": np.complex128}


def agree(kind: str, seed: int, target: GpuTarget) -> None:
    """The device gives what the interpreter of graphs gives in f64, and touches nothing else."""
    f, args = KINDS[kind](np.random.default_rng([seed, *kind.encode()]))
    graph = wl.trace(f, *args).graph
    results = run(compiled_for(graph, target), args)
    given = [a.astype(WIDE.get(a.dtype.str[1:], a.dtype)) for a in args]
    exact = interpret(wl.trace(f, *given).graph, *given)
    rough = 3e-2 if kind == "products" else 0.0  # of factors that tensor cores round
    for v, found, want in zip(graph.outputs, results, exact, strict=True):
        assert (found.dtype, found.shape) == (v.type.numpy, want.shape)
        if found.dtype.kind not in "fc":
            np.testing.assert_array_equal(found, want)
            continue
        found = found.astype(want.dtype)
        tolerance = max(rough, TOLERANCES[width(args)])
        scale = float(np.max(np.abs(want), initial=1.0, where=np.isfinite(want)))
        np.testing.assert_allclose(found, want, tolerance, tolerance * scale)


def width(args: tuple[np.ndarray, ...]) -> str:
    """The name of the narrowest floats among arguments."""
    kinds = [a.dtype.str[1:] for a in args if a.dtype.str[1:] in TOLERANCES]
    return max(kinds, key=TOLERANCES.__getitem__, default="f4")


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_beside_the_borders_of_every_kind_of_kernel(kind: str) -> None:
    agree(kind, 0, DEVICES["sm_80"])


@pytest.mark.sweep
@pytest.mark.parametrize("target", DEVICES.values(), ids=lambda d: d.architecture)
@pytest.mark.parametrize("kind", KINDS)
def test_many_sizes_beside_the_borders(kind: str, target: GpuTarget) -> None:
    for seed in range(1, 41):
        agree(kind, seed, target)
