"""Complex arrays at the border of compiled programs: layouts, donation, binding, files, NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wonderland as wl

RNG = np.random.default_rng(0)
Z = (RNG.normal(size=(6, 5)) + 1j * RNG.normal(size=(6, 5))).astype(np.complex64)


def turned(z):
    return z * 1j + np.conj(z)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (2, 3, 5), (70_001,)])
def test_any_shape_goes_in_and_out(shape, dtype) -> None:
    z = np.asarray(RNG.normal(size=shape) + 1j * RNG.normal(size=shape), dtype)
    got = wl.jit(turned)(z)
    assert (got.dtype, got.shape) == (dtype, shape)
    np.testing.assert_allclose(got, turned(z), rtol=1e-6)


@pytest.mark.parametrize(
    "view",
    [Z.T, Z[::2], Z[:, ::-1], np.asfortranarray(Z), Z.astype(">c8"), np.broadcast_to(Z[0], (3, 5))],
)
def test_any_layout_is_taken(view) -> None:
    np.testing.assert_allclose(wl.jit(turned)(view), turned(view).astype(np.complex64), rtol=1e-6)


def test_arguments_and_results_that_only_move_keep_their_bits() -> None:
    bits = RNG.integers(0, 2**32, (50, 2), dtype=np.uint32)
    z = bits.view(np.float32).view(np.complex64)[:, 0]
    same, flipped, twice = wl.jit(lambda z: (z, z[::-1], np.concatenate([z, z])))(z)
    np.testing.assert_array_equal(same.view(np.uint32), bits.ravel())
    np.testing.assert_array_equal(flipped[::-1].copy().view(np.uint32), bits.ravel())
    np.testing.assert_array_equal(twice[50:].view(np.uint32), bits.ravel())


def test_a_donated_argument_is_the_result() -> None:
    z = Z.copy()
    step = wl.jit(turned, donate_argnums=(0,))
    got = step(z)
    np.testing.assert_allclose(got, turned(Z), rtol=1e-6)
    assert np.shares_memory(got, z)


def test_a_bound_program_reads_the_memory_as_it_is() -> None:
    z = Z.copy()
    run = wl.jit(turned).compile(z).bind(z)
    z[...] = 2 - 1j
    np.testing.assert_allclose(run(), turned(z), rtol=1e-6)


def test_a_program_is_written_and_read_with_its_constants(tmp_path: Path) -> None:
    table = Z.copy()
    compiled = wl.jit(lambda z: z @ table * (1 + 2j)).compile(Z[:, :1].T.copy())
    compiled.save(tmp_path / "f.zip")
    again = wl.load(tmp_path / "f.zip")
    z = np.ascontiguousarray(Z[:, :1].T)
    np.testing.assert_array_equal(again(z), compiled(z))


def test_the_guard_says_which_complex_type_it_requires() -> None:
    compiled = wl.jit(turned).compile(Z)
    with pytest.raises(TypeError, match=r"c64\[6, 5\] is required at args\[0\], got c128\[6, 5\]"):
        compiled(Z.astype(np.complex128))
    np.testing.assert_allclose(wl.jit(lambda c: c * 2)(1 + 2j), 2 + 4j)


def test_a_nan_is_found_in_a_complex_program() -> None:
    with wl.check_nans(), pytest.raises(FloatingPointError, match=r"log|sub|mul|div"):
        wl.jit(lambda z: np.log(z) * 0)(np.zeros(3, np.complex64))


def test_the_interpreter_gives_the_same() -> None:
    with wl.disable_jit():
        slow = wl.jit(turned)(Z)
    np.testing.assert_allclose(wl.jit(turned)(Z), slow, rtol=1e-6)


def test_results_are_the_same_bits_for_every_number_of_points_before_them() -> None:
    z = (RNG.normal(size=1000) + 1j * RNG.normal(size=1000)).astype(np.complex64)
    whole = wl.jit(lambda z: np.exp(z) / (1 + z * z))(z)
    for n in (1, 3, 15, 17, 33, 100):
        part = wl.jit(lambda z: np.exp(z) / (1 + z * z))(z[:n])
        np.testing.assert_array_equal(part, whole[:n])


def test_profiles_and_texts_of_every_stage_are_made(tmp_path: Path) -> None:
    step = wl.jit(wl.value_and_grad(lambda z: np.sum(np.abs(turned(z) @ z.T) ** 2)))
    assert str(step.compile(Z).profile(Z))
    stages = step.inspect(Z)
    assert "c64" in stages["trace"] and "c64" not in stages["parts"]
    wl.jit(turned, dump=tmp_path)(Z)
    assert any(tmp_path.rglob("*parts.txt"))


def test_loops_and_branches_carry_complex_values() -> None:
    w = Z[0]

    def step(c, z):
        c = c * w + z
        return c, np.abs(c)

    def swirl(z):
        last, sizes = wl.lax.scan(step, np.zeros(5, np.complex64), z)
        grown = wl.lax.while_loop(lambda v: np.sum(np.abs(v)) < 50, lambda v: v * (1 + 1j), last)
        return wl.lax.cond(np.sum(sizes) > 1, np.conj, lambda v: v * 2, grown), sizes

    expected = np.zeros(5, np.complex64)
    for z in Z:
        expected = expected * w + z
    while np.sum(np.abs(expected)) < 50:
        expected = expected * np.complex64(1 + 1j)
    got, sizes = wl.jit(swirl)(Z)
    np.testing.assert_allclose(got, np.conj(expected), rtol=1e-5)
    assert sizes.dtype == np.float32 and sizes.shape == (6, 5)

    def loss(z):
        return np.sum(np.abs(wl.lax.scan(step, np.zeros(5, z.dtype), z)[0]) ** 2)

    slope = wl.grad(loss)(Z)
    np.testing.assert_allclose(wl.jit(wl.grad(loss))(Z), slope, rtol=1e-4)
    wl.testing.check_gradients(loss, Z, order=1)


def test_batches_of_complex_functions_are_loops() -> None:
    rows = wl.jit(wl.vmap(lambda z, w: np.vdot(z, w) + np.exp(z)[0]))(Z, Z[::-1])
    expected = [np.vdot(z, w) + np.exp(z)[0] for z, w in zip(Z, Z[::-1], strict=True)]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
