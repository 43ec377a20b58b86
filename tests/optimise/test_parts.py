"""Complex values by pairs: what the rules give at the edges, how exact they are, how they print."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import wonderland as wl
from tests.texts import expect
from wonderland.compiler.ir.graph import Graph, Op, Value, apply
from wonderland.compiler.ir.types import type_of
from wonderland.compiler.optimise.parts import in_memory, parts
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.pairs import has_complex

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 100.0, 1e-30, np.inf, -np.inf, np.nan]
GRID = np.empty(len(SPECIAL) ** 2, np.complex64)
GRID.real, GRID.imag = np.array(list(itertools.product(SPECIAL, SPECIAL))).T


def by_parts(op: Op, *arrays: np.ndarray) -> np.ndarray:
    """The result of an op on complex arrays, computed by real ops."""
    inputs = tuple(Value(type_of(a)) for a in arrays)
    graph = Graph.of("f", inputs, (apply(op, *inputs),))
    real = parts(graph)
    assert not has_complex(real)
    (found,) = interpret(real, *map(in_memory, arrays))
    of = graph.outputs[0].type
    return np.ascontiguousarray(found).view(of.numpy).reshape(of.shape)


def alike(got: np.ndarray, want: np.ndarray, signs: bool) -> np.ndarray:
    """Where two real arrays have the same infinities, NaNs and zeros, and are near."""
    if not signs:  # of zeros and infinities
        got, want = (np.where(np.isin(abs(x), (0, np.inf)), abs(x), x) for x in (got, want))
    near = np.isclose(got, want, rtol=2e-6, atol=0, equal_nan=True)
    return near & ((np.signbit(got) == np.signbit(want)) | np.isnan(want))


UNSIGNED = {
    "exp": "(-inf, -inf): C leaves the signs of these zeros open",
    "exp2": "as exp",
    "sin": "an infinity of open sign beside NaN",
    "cos": "a zero of open sign beside NaN",
    "sinh": "an infinity of open sign beside NaN",
    "cosh": "a zero of open sign beside NaN",
    "tan": "a zero of open sign at (nan, inf)",
    "tanh": "a zero of open sign at (inf, nan)",
}
"""Functions whose zeros and infinities C99 gives no sign in places, and where."""
OTHERWISE = {
    # at 1e-45 + 100i NumPy scales cosh(100) * sin(1e-45), which is inf * 1e-45 here
    **dict.fromkeys(
        ("sin", "cos", "sinh", "cosh"), lambda z: (abs(z.real) == 100) | (abs(z.imag) == 100)
    ),
    # a part of NaN beside 0 or infinity, where NumPy knows a part of the result all the same
    **dict.fromkeys(("asin", "acos", "asinh", "acosh", "atan", "atanh"), np.isnan),
    "atan": lambda z: np.isnan(z) | (abs(z.imag) == 1),
    "atanh": lambda z: np.isnan(z) | (abs(z.real) == 1),
    "exp2": lambda z: abs(z.real) == 100,  # 100 log 2 is rounded before it is raised
    "log1p": lambda z: abs(z) < 1e-20,  # NumPy's is 0
    "sigmoid": lambda z: ~np.isfinite(1 / (1 + np.exp(-z))),  # NumPy has no such function
}
"""Where functions differ from NumPy's, or from their formula in NumPy."""
NAMES = (
    "exp expm1 exp2 log log1p log2 log10 sqrt rsqrt sin cos tan sinh cosh tanh asin acos atan "
    "asinh acosh atanh sigmoid abs sign"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_zeros_infinities_and_nan_are_those_of_numpy(name: str) -> None:
    op = Op.registry[name]()
    with np.errstate(all="ignore"):
        given = GRID[~OTHERWISE.get(name, lambda z: np.zeros(z.shape, bool))(GRID)]
        got, want = by_parts(op, given), op.reference(given)
    assert len(given) > 60
    for part in (np.real, np.imag):
        right = alike(part(got), part(want), name not in UNSIGNED)
        assert right.all(), list(zip(given[~right], got[~right], want[~right], strict=True))[:5]


@pytest.mark.parametrize("name", ["add", "sub", "div", "eq", "ne", "mul"])
def test_arithmetic_at_the_edges_is_that_of_numpy(name: str) -> None:
    finite = [v for v in SPECIAL if name != "mul" or np.isfinite(v)]  # NumPy's has fma at times
    grid = np.array([complex(a, b) for a in finite for b in finite], np.complex64)
    x, y = (g.ravel() for g in np.meshgrid(grid, grid))
    op = Op.registry[name]()
    with np.errstate(all="ignore"):
        got, want = by_parts(op, x, y), op.reference(x, y)
    for part in (np.real, np.imag):
        right = alike(part(got), part(want), name != "mul")
        assert right.all(), list(zip(x[~right], y[~right], got[~right], want[~right], strict=True))[
            :5
        ]


ULPS = {"exp2": 8.0, "sigmoid": 8.0, "log2": 2.5, "log10": 2.5, "tanh": 3.0, "tan": 3.0}
"""The greatest |error| / |result| in units of the part's epsilon, where it is not 2.5."""


@pytest.mark.parametrize("name", NAMES.split())
def test_c64_functions_are_exact_to_a_few_units(name: str) -> None:
    """Against the reference in c128, on the plane, near the circle and near 1."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(-20, 4 if name in ("exp2", "sigmoid") else 20, 4000))
    angles = rng.uniform(-np.pi, np.pi, 4000)
    circle = np.exp(1j * angles) * (1 + rng.normal(size=4000) * 1e-4)
    near = 1 + 1e-3 * sizes / sizes.max() * np.exp(1j * angles)
    plane = rng.normal(size=4000) + 1j * rng.normal(size=4000)
    z = np.concatenate([sizes * np.exp(1j * angles), circle, near, plane]).astype(np.complex64)
    op = Op.registry[name]()
    with np.errstate(all="ignore"):
        got = by_parts(op, z)
        want = by_parts(op, z.astype(np.complex128))
        fair = np.isfinite(want) & (abs(want) > 1e-36) & (abs(want) < 1e38)
        if name == "sigmoid":  # near a pole the sum 1 + e ** -x cancels
            fair &= abs(1 + np.exp(-z.astype(np.complex128))) > 0.3
        if name == "exp2":  # z log 2 is rounded, so the error grows with it
            fair &= abs(z) < 8
        error = abs(got - want) / abs(want) / np.finfo(np.float32).eps
    assert fair.sum() > 5000
    assert error[fair].max() <= ULPS.get(name, 2.5), z[fair][error[fair].argmax()]


@pytest.mark.parametrize("name", NAMES.split())
def test_c128_functions_agree_with_those_of_numpy(name: str) -> None:
    rng = np.random.default_rng(1)
    z = (rng.normal(size=2000) + 1j * rng.normal(size=2000)) * np.exp(rng.uniform(-3, 1.5, 2000))
    op = Op.registry[name]()
    got, want = by_parts(op, z), op.reference(z)
    error = abs(got - want) / abs(want) / np.finfo(np.float64).eps
    fair = abs(1 + z) > 0.3 if name == "log1p" else abs(want) < 1e6  # NumPy's loses there
    assert error[fair & (abs(z) > 0.3)].max() <= 32


def test_division_and_modulus_do_not_overflow_before_they_have_to() -> None:
    large = np.array([3e38 + 1e38j, 1e-38 + 2e-38j, 2e30 - 3e38j], np.complex64)
    one = by_parts(Op.registry["div"](), large, large)
    np.testing.assert_allclose(one, 1, rtol=1e-6)
    size = by_parts(Op.registry["abs"](), large)
    np.testing.assert_allclose(size, np.abs(large.astype(np.complex128)), rtol=1e-6)
    unit = by_parts(Op.registry["sign"](), np.array([3e38 + 3e38j], np.complex64))
    np.testing.assert_allclose(unit, np.sqrt(0.5) * (1 + 1j), rtol=1e-6)


def test_a_complex_program_prints_as_a_real_one() -> None:
    before = """
        def f(a: c64[3], b: f32[3]):
            c: c64[3] = cast(b, dtype='c64')
            d: c64[3] = add(a, c)
            e: f32[3] = imag(a)
            return d, e"""
    after = """
        def f(a: f32[3, 2], b: f32[3]):
            c: f32[3, 1] = slice(a, start=(0, 0), stop=(3, 1), step=(1, 1))
            d: f32[3] = reshape(c, shape=(3,))
            e: f32[3, 1] = slice(a, start=(0, 1), stop=(3, 2), step=(1, 1))
            f: f32[3] = reshape(e, shape=(3,))
            g: f32[3] = full(value=0.0, of=f32[3])
            h: f32[3] = add(d, b)
            i: f32[3] = add(f, g)
            j: f32[3, 2] = interleave(h, i)
            return j, f"""
    expect(parts, before, after)


def test_a_program_without_complex_values_is_left_alone() -> None:
    graph = wl.trace(lambda x: x + 1, np.ones(3)).graph
    assert parts(graph) is graph


def test_a_complex_program_is_one_kernel_that_writes_pairs() -> None:
    z = np.ones(1000, np.complex64)
    stages = wl.jit(lambda z: np.exp(z) / (z + 2) * np.conj(z)).inspect(z)
    assert stages["fuse"].count("def ") == 1
    assert "y0[2*i0]" in stages["fuse"] and "y0[2*i0 + 1]" in stages["fuse"]
    source = stages["sources"].split('"""')[2]
    assert "store_pairs(" in source and "store_strided" not in source
    assert "load_strided(x0, " in source and ", 2, " in source


def test_sums_and_extremes_may_be_the_parts_of_one_result() -> None:
    x = np.random.default_rng(0).normal(size=300_000).astype(np.float32)

    def both(x):
        return wl.lax.complex(np.max(x), np.sum(x))

    got = wl.jit(both)(x)
    np.testing.assert_allclose(got, np.max(x) + 1j * np.sum(x, dtype=np.float64), rtol=1e-5)
