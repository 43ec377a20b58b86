"""numpy.fft, traced: NumPy's bits, what it refuses, derivatives of both modes, batches, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wonderland as wl
from wonderland.compiler.testing import check_gradients

RNG = np.random.default_rng(0)
SIZES = (*range(1, 18), 64, 100, 127)
REAL = (np.float32, np.float64)
KINDS = {"fft": "c", "ifft": "c", "rfft": "r", "irfft": "c", "hfft": "c", "ihfft": "r"}


def numbers(shape: Any, dtype: Any = np.float64) -> np.ndarray:
    x = RNG.normal(size=shape)
    return np.asarray(x + 1j * RNG.normal(size=shape) if np.dtype(dtype).kind == "c" else x, dtype)


def interpreted(function: Callable[..., Any], *args: Any) -> Any:
    with wl.disable_jit():
        return wl.jit(function)(*args)


def assert_bits(got: Any, want: Any) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)


def assert_near(got: Any, want: Any) -> None:
    """As exact as the greatest number."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    units = 8 * np.finfo(want.dtype).eps * np.max(np.abs(want))
    np.testing.assert_allclose(got, want, rtol=0, atol=units)


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", KINDS)
def test_every_size_gives_the_bits_of_numpy(name: str, dtype: Any) -> None:
    """A GPU that is interpreted and a processor run the same function of NumPy's."""
    function = getattr(np.fft, name)
    of = np.result_type(dtype, np.complex64) if KINDS[name] == "c" else dtype
    for n in SIZES:
        x = numbers((2, n), of)
        for size in (None, 1, n // 2 + 1, n + 3):
            if size is None and n == 1 and name in ("irfft", "hfft"):
                continue  # of no numbers
            assert_bits(interpreted(lambda x, s=size: function(x, s), x), function(x, size))


SEVERAL: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("fft2", (4, 6), {}),
    ("ifft2", (2, 3, 5), {"axes": (0, 2), "norm": "ortho"}),
    ("fftn", (2, 3, 4), {"norm": "forward"}),
    ("fftn", (4, 3), {"s": (3, -1), "axes": (1, 0)}),
    ("ifftn", (4, 3), {"axes": (0, 0, 1)}),
    ("rfft2", (4, 7), {"s": (2, 9)}),
    ("rfftn", (3, 4, 2), {"axes": (2, 1), "norm": "ortho"}),
    ("rfftn", (3, 4), {"axes": (0, 0)}),
    ("irfft2", (4, 5), {}),
    ("irfftn", (3, 4, 2), {"s": (4, 5), "axes": (2, 0), "norm": "forward"}),
    ("irfftn", (3, 4), {"axes": (1, 1)}),
    ("fft", (3, 4), {"axis": 0, "norm": "ortho"}),
    ("hfft", (3, 4), {"axis": 0, "norm": "forward"}),
    ("ihfft", (3, 4), {"n": 7, "norm": "ortho"}),
)


@pytest.mark.parametrize("k", range(len(SEVERAL)), ids=lambda k: f"{SEVERAL[k][0]} {SEVERAL[k][2]}")
def test_axes_sizes_and_norms_are_numpys_in_compiled_programs(k: int) -> None:
    (name, shape, options), dtype = SEVERAL[k], REAL[k % 2]
    real = name.startswith("r") or name == "ihfft"
    x = numbers(shape, dtype if real else np.result_type(dtype, np.complex64))
    numpys, ours = getattr(np.fft, name), getattr(wl.numpy.fft, name)
    assert_near(wl.jit(lambda x: numpys(x, **options))(x), numpys(x, **options))
    assert_bits(interpreted(lambda x: ours(x, **options), x), numpys(x, **options))


POINTS = (1, 7, 64, 65, 127, 192, 196, 512, 513)
"""Of a product, of two, and of the host."""


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, REAL[k % 2]) for k, name in enumerate(KINDS)], ids=str
)
def test_numbers_of_points_of_every_form_in_compiled_programs(name: str, dtype: Any) -> None:
    function = getattr(np.fft, name)
    of = np.result_type(dtype, np.complex64) if KINDS[name] == "c" else dtype

    @wl.jit
    def run(xs: Any) -> Any:
        return [function(x, n, axis) for x, n, axis in zip(xs, POINTS, axes, strict=True)]

    axes = [k % 3 % 2 for k in range(len(POINTS))]
    held = [n // 2 + 1 if name in ("irfft", "hfft") else n for n in POINTS]
    xs = [numbers((m, 3, 2) if not k else (2, m, 3), of) for m, k in zip(held, axes, strict=True)]
    for got, x, n, axis in zip(run(xs), xs, POINTS, axes, strict=True):
        want = function(x, n, axis)
        assert_near(got, want)
        if n == 513 and name not in ("irfft", "hfft"):
            assert_bits(got, want)


@pytest.mark.parametrize(
    ("dtype", "spectrum", "back"),
    [
        ("?", np.complex128, np.float64),
        ("i4", np.complex128, np.float64),
        ("f2", np.complex64, np.float16),
        (wl.numpy.bfloat16, np.complex64, wl.numpy.bfloat16),
        ("f4", np.complex64, np.float32),
    ],
)
def test_dtypes_are_numpys(dtype: Any, spectrum: Any, back: Any) -> None:
    x = (numbers((3, 4)) * 2).astype(dtype)
    for f in (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.ihfft, np.fft.fft2, np.fft.rfftn):
        assert interpreted(f, x).dtype == spectrum
    for f in (np.fft.irfft, np.fft.hfft):
        assert interpreted(f, x).dtype == back
    fine = np.fft.fft(np.asarray(x, np.float64))
    np.testing.assert_allclose(interpreted(np.fft.fft, x), fine, rtol=1e-5, atol=1e-5)


def test_shifts_and_frequencies() -> None:
    x = numbers((3, 4, 5))
    for axes in (None, 1, (0, 2), (-1, -1)):
        for f in (np.fft.fftshift, np.fft.ifftshift):
            assert_bits(wl.jit(lambda x, f=f, axes=axes: f(x, axes))(x), f(x, axes))
    for n in (1, 2, 7, 8):
        for name in ("fftfreq", "rfftfreq"):
            ours, numpys = getattr(wl.numpy.fft, name), getattr(np.fft, name)
            assert_bits(interpreted(lambda f=ours, n=n: f(n)), numpys(n))
            assert_bits(interpreted(lambda d, f=ours, n=n: f(n, d), 0.3), numpys(n, 0.3))
    slope = wl.grad(lambda d: np.sum(wl.numpy.fft.rfftfreq(8, d)[1:3]))(0.5)
    np.testing.assert_allclose(slope, -(1 + 2) / 8 / 0.5**2)


@pytest.mark.parametrize(
    ("function", "x", "message"),
    [
        (lambda x: np.fft.fft(x), 3.0, "fft: an axis within 0 dimensions is required, got -1"),
        (lambda x: np.fft.fft(x, axis=1), [1.0, 2], "fft: an axis within 1 dimensions"),
        (lambda x: np.fft.ifft(x, 0), [1.0, 2], "ifft: one point or more is required along axis 0"),
        (lambda x: np.fft.rfft(x), [], "rfft: one point or more is required along axis 0, got 0"),
        (lambda x: np.fft.irfft(x), [1.0], "irfft: one point or more is required along axis 0"),
        (
            lambda x: np.fft.hfft(x, x.ndim + 1.5),  # pyright: ignore[reportArgumentType]
            [1.0],
            "hfft: an int or None is required for n, got 2.5",
        ),
        (lambda x: np.fft.fft(x, x), [1.0], "fft: an int or None is required for n, got a traced"),
        (
            lambda x: wl.numpy.fft.fft(x, norm="both"),  # pyright: ignore[reportArgumentType]
            [1.0],
            "fft: a norm of 'backward', 'ortho",
        ),
        (lambda x: np.fft.ihfft(x, norm=x), [1.0], "ihfft: a norm of 'backward', 'ortho', 'forwa"),
        (lambda x: np.fft.rfft(x), [1j], "rfft: real numbers are required, got c128[1]"),
        (lambda x: np.fft.ihfft(x), [1j], "ihfft: real numbers are required, got c128[1]"),
        (lambda x: np.fft.rfftn(x, axes=()), [1.0], "rfftn: one axis or more is required, got non"),
        (lambda x: np.fft.irfftn(x), 1.0, "irfftn: one axis or more is required, got none for f6"),
        (lambda x: np.fft.fft2(x), [1.0], "fft2: an axis within 1 dimensions is required, got -2"),
        (lambda x: np.fft.fftn(x, (2, 3), (0,)), [1.0], "fftn: a size for each axis is required"),
        (lambda x: np.fft.fftn(x, (-2,), (0,)), [1.0], "fftn: sizes of -1 or more are required"),
        (
            lambda x: wl.numpy.fft.fftn(x, (None,), (0,)),  # pyright: ignore[reportArgumentType]
            [1.0],
            "fftn: an int or a tuple of ints is re",
        ),
        (lambda x: np.fft.fftshift(x), 1.0, "fftshift: one axis or more is required, got f64"),
        (lambda x: np.fft.ifftshift(x, 1), [1.0], "ifftshift: an axis within 1 dimensions is r"),
        (lambda x: wl.numpy.fft.fftfreq(0, x), 1.0, "fftfreq: n of 1 or more is required, got 0"),
        (
            lambda x: wl.numpy.fft.rfftfreq(x),
            1.0,
            "rfftfreq: an int is required for n, got a traced f64",
        ),
        (lambda x: wl.lax.fft(x, "DCT", 1), [1.0], "fft: a type of FFT, IFFT, RFFT, IRFFT is re"),
        (lambda x: wl.lax.fft(x, "fft", 2), [1.0], "fft: the lengths of the last axes are requi"),
        (lambda x: wl.lax.fft(x, "irfft", 2), [1j], "fft: the lengths of the last axes are requ"),
        (lambda x: wl.lax.fft(x, "rfft", ()), [1.0], "fft: the lengths of the last axes are re"),
    ],
)
def test_what_does_not_fit_is_refused(function: Any, x: Any, message: str) -> None:
    with pytest.raises(wl.ProgramError) as error:
        wl.jit(function)(np.asarray(x))
    assert str(error.value).startswith(message)
    assert "test_fft.py:" in str(error.value)


def test_the_result_goes_to_no_array() -> None:
    with pytest.raises(wl.ProgramError, match="fft: a new result is required, got out="):
        wl.jit(lambda x: np.fft.fft(x, out=np.empty(3, complex)))(np.ones(3))


@pytest.mark.parametrize("kind", wl.lax.FftType)
def test_kinds_of_lax_are_those_of_numpy(kind: Any) -> None:
    x = numbers((2, 4, 6), np.float32 if kind.name == "RFFT" else np.complex64)
    one, several = getattr(np.fft, kind.name.lower()), getattr(np.fft, kind.name.lower() + "n")
    n = 10 if kind.name == "IRFFT" else 6
    for word in (kind, kind.name, kind.name.lower()):
        for got in (wl.lax.fft(x, word, n), interpreted(lambda x, w=word: wl.lax.fft(x, w, n), x)):
            assert_bits(got, one(x))
    assert_bits(wl.lax.fft(x, kind, (4, n)), several(x, axes=(1, 2)))


# ---------------------------------------------------------------- derivatives


def energy(z: Any) -> Any:
    """A real number that depends on both parts of every element, with derivatives of any order."""
    weight = np.arange(1.0, z.size + 1).reshape(z.shape)
    if z.dtype.kind == "c":
        return np.sum(np.sin(z.real * weight) + np.cos(z.imag) * weight)
    return np.sum(np.sin(z * weight))


LOSSES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "fft": (lambda x: energy(np.fft.fft(x)), (2, 5)),
    "fft, axis, cropped": (lambda x: energy(np.fft.fft(x, 3, 0, "ortho")), (5, 2)),
    "ifft, padded": (lambda x: energy(np.fft.ifft(x, 7)), (2, 4)),
    "rfft, odd": (lambda x: energy(np.fft.rfft(x)), (2, 5)),
    "rfft, even, padded": (lambda x: energy(np.fft.rfft(x, 8, norm="forward")), (2, 5)),
    "rfft of one": (lambda x: energy(np.fft.rfft(x, 1)), (2, 3)),
    "irfft, odd": (lambda x: energy(np.fft.irfft(np.exp(0.3j * x), 7)), (2, 4)),
    "irfft, even": (lambda x: energy(np.fft.irfft(np.exp(0.3j * x), 6)), (2, 4)),
    "irfft of two": (lambda x: energy(np.fft.irfft(np.exp(0.3j * x), 2, norm="ortho")), (2, 2)),
    "irfft of real": (lambda x: energy(np.fft.irfft(x, 5)), (3,)),
    "hfft": (lambda x: energy(np.fft.hfft(np.exp(0.3j * x))), (4,)),
    "ihfft": (lambda x: energy(np.fft.ihfft(x)), (5,)),
    "fft2": (lambda x: energy(np.fft.fft2(x)), (3, 4)),
    "ifftn": (lambda x: energy(np.fft.ifftn(x * (1 + 2j), axes=(2, 0))), (2, 2, 3)),
    "fftn, twice": (lambda x: energy(np.fft.fftn(x, axes=(0, 0))), (3, 2)),
    "rfftn": (lambda x: energy(np.fft.rfftn(x, axes=(0, 2, 1), norm="ortho")), (2, 4, 3)),
    "irfftn": (lambda x: energy(np.fft.irfftn(np.exp(0.3j * x), (3, 4), (1, 0))), (3, 3)),
    "shifted": (lambda x: energy(np.fft.ifftshift(np.fft.fft(np.fft.fftshift(x)))), (5,)),
    "lax": (lambda x: energy(wl.lax.fft(x, "RFFT", (4,))), (3, 4)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_of_both_modes_and_two_orders(name: str) -> None:
    loss, shape = LOSSES[name]
    x, dx, dy = (numbers(shape) for _ in range(3))
    with wl.disable_jit():
        check_gradients(loss, x)
        slope = wl.grad(loss)(x)
        _, along = wl.jvp(loss, (x,), (dx,))
        np.testing.assert_allclose(np.sum(slope * dx), along, rtol=1e-12)
        step = 1e-6 * dy
        _, turn = wl.jvp(wl.grad(loss), (x,), (dy,))
        both = (wl.grad(loss)(x + step) - wl.grad(loss)(x - step)) / 2e-6
        np.testing.assert_allclose(turn, both, rtol=1e-6, atol=1e-6)
        twice = wl.grad(lambda x: np.sum(wl.grad(loss)(x) * dy))(x)
        np.testing.assert_allclose(twice, turn, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
def test_gradients_of_complex_numbers_are_those_of_their_parts(name: str) -> None:
    """Of a real function f(u + iv) the gradient is df/du - i df/dv, as in JAX."""
    z: Any = numbers((2, 4), np.complex128)
    function = getattr(np.fft, name)

    def loss(z: Any) -> Any:
        return energy(function(z))

    def by_parts(u: Any, v: Any) -> Any:
        return loss(u + 1j * v)

    with wl.disable_jit():
        du, dv = wl.grad(by_parts, (0, 1))(z.real, z.imag)
        check_gradients(by_parts, z.real, z.imag)
        np.testing.assert_allclose(wl.grad(loss)(z), du - 1j * dv, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- batches, loops, kinds of programs


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_is_its_elements(name: str) -> None:
    loss, shape = LOSSES[name]
    xs = numbers((3, *shape))
    for axis in (0, len(shape)):
        with wl.disable_jit():
            slopes = wl.vmap(wl.grad(loss), axis)(np.moveaxis(xs, 0, axis))
            want = np.stack([wl.grad(loss)(x) for x in xs])
        np.testing.assert_allclose(slopes, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", REAL)
def test_a_loop_transforms_in_every_turn(dtype: Any) -> None:
    x, response = numbers((3, 8), dtype), numbers((5,), dtype)

    def run(x: Any, response: Any) -> Any:
        def turn(x: Any, _: Any) -> Any:
            x = np.tanh(np.fft.irfft(np.fft.rfft(x) * response, 8)).astype(dtype)
            return x, np.abs(np.fft.fft(x))[:, 1]

        x, sizes = wl.lax.scan(turn, x, None, 4)
        return np.sum(x) + np.sum(sizes)

    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for argument in (0, 1):
        slope = wl.grad(run, argument)
        want = interpreted(slope, x, response)
        np.testing.assert_allclose(wl.jit(slope)(x, response), want, tolerance, tolerance)
        saved = wl.jit(wl.grad(wl.checkpoint(run), argument))(x, response)
        np.testing.assert_allclose(saved, want, tolerance, tolerance)


def smooth(x: Any) -> Any:
    n = x.shape[-1]
    return np.fft.irfft(np.fft.rfft(x * 2) * np.exp(-np.arange(n // 2 + 1.0)), n) + 1


def rows_of(x: Any) -> list[str]:
    table = wl.jit(smooth).inspect(x)["table"]
    return [" ".join(line.split("(")[0].split()[1:]) for line in table.splitlines()[1:]]


def test_a_transform_is_a_row_of_the_host_and_what_is_around_it_fuses() -> None:
    rows = rows_of(np.ones((3, 193)))
    assert rows == ["map_mul", "host rfft", "map_add", "host irfft", "map_add"]


def test_a_transform_of_few_points_is_products() -> None:
    for n in (64, 192, 196):
        rows = rows_of(np.ones((200, n)))
        assert not [r for r in rows if "host" in r]
        assert sum("product" in r for r in rows) >= 4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(n=st.integers(1, 40), rows=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_inverses_and_the_theorem_of_parseval(n: int, rows: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(rows, n))
    z = x + 1j * np.random.default_rng(seed + 1).normal(size=(rows, n))

    def laws(x: Any, z: Any) -> Any:
        there, half = np.fft.fft(z, norm="ortho"), np.fft.rfft(x)
        ends = (1, n // 2) if n % 2 == 0 else (1, n // 2 + 1)
        inner = np.sum(np.abs(half[:, ends[0] : ends[1]]) ** 2)
        return (
            np.fft.ifft(np.fft.fft(z)) - z,
            np.fft.irfft(half, n) - x,
            np.fft.hfft(np.fft.ihfft(x), n) - x,
            np.fft.ifftn(np.fft.fftn(z)) - z,
            np.fft.irfftn(np.fft.rfftn(x), x.shape) - x,
            np.sum(np.abs(there) ** 2) - np.sum(np.abs(z) ** 2),
            (np.sum(np.abs(half) ** 2) + inner) / n - np.sum(x**2),
        )

    for left in interpreted(laws, x, z):
        np.testing.assert_allclose(left, 0, atol=1e-11 * rows * n)
