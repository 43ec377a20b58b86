"""Where a token stands: what each kind of position promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn
from wonderland.compiler.ir.errors import ProgramError

rng = np.random.default_rng(1)


def test_sinusoidal_positions_are_turned_by_a_shift_alone() -> None:
    table = np.asarray(nn.sinusoidal_positions(20, 6, dtype="f8"))
    pairs = table[:, ::2] * 1j + table[:, 1::2]
    np.testing.assert_allclose(pairs[7:] / pairs[:-7], np.broadcast_to(pairs[7], (13, 3)))
    slower = 3 / 10000 ** (1 / 3)
    np.testing.assert_allclose(table[3, :4], [f(t) for t in (3, slower) for f in (np.sin, np.cos)])
    one = wl.jit(lambda t: nn.sinusoidal_positions(t[None], 6, dtype="f8"), disable_jit=True)
    np.testing.assert_allclose(one(np.int32(13)), table[13:14], rtol=1e-12)
    assert nn.sinusoidal_positions(4, 5).shape == (4, 5)


def test_products_of_rotated_queries_and_keys_know_the_distance_alone() -> None:
    q, k = rng.normal(size=(2, 1, 1, 8))

    def product(t: int, s: int) -> Any:
        return np.sum(nn.rotary(q[None], np.array([t])) * nn.rotary(k[None], np.array([s])))

    assert product(12, 5) == pytest.approx(product(107, 100), rel=1e-12)
    assert product(12, 5) != pytest.approx(product(12, 6), rel=1e-3)
    assert np.linalg.norm(nn.rotary(q, np.array([9]))) == pytest.approx(np.linalg.norm(q))


def test_rotary_turns_pairs_of_halves() -> None:
    x = rng.normal(size=(2, 5, 3, 4))
    turned = (x[..., :2] + 1j * x[..., 2:]) * np.exp(
        1j * np.arange(5)[:, None, None] / 100.0 ** np.array([0, 0.5])
    )
    want = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(nn.rotary(x, base=100.0), want, rtol=1e-13)
    own = np.array([np.arange(5), np.arange(5) + 3])  # each example its positions
    np.testing.assert_array_equal(nn.rotary(x, own)[1], nn.rotary(x[1], own[1]))
    assert nn.rotary(x.astype(np.float16)).dtype == np.float16
    with pytest.raises(ProgramError, match=r"of an even size is required, got f64\[2, 5, 3, 3\]"):
        nn.rotary(x[..., :3])


def test_alibi_has_the_slopes_of_its_paper() -> None:
    np.testing.assert_array_equal(-nn.alibi(8, 1, 2)[:, 0, 1], 2.0 ** -np.arange(1, 9))
    slopes = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    np.testing.assert_array_equal(-nn.alibi(6, 1, 2)[:, 0, 1], slopes)
    whole = nn.alibi(6, 5, 7)
    np.testing.assert_array_equal(whole[:, 3], np.outer(slopes, -abs(3 - np.arange(7))))
    one = wl.jit(lambda t: nn.alibi(6, t[None], 7), disable_jit=True)(np.int32(3))
    np.testing.assert_array_equal(one[:, 0], whole[:, 3])


BOTH = {0: 0, -1: 1, -7: 7, -8: 8, -11: 8, -12: 9, -15: 9, -16: 10, -31: 11, -45: 12, -90: 14,
        -91: 15, -500: 15, 1: 17, 8: 24, 12: 25, 16: 26, 32: 28, 64: 30, 91: 31}  # fmt: skip
BEFORE = {3: 0, 0: 0, -15: 15, -16: 16, -18: 16, -19: 17, -20: 17, -21: 18, -30: 20, -58: 25,
          -98: 29, -112: 30, -113: 31, -500: 31}  # fmt: skip


@pytest.mark.parametrize("both", [True, False])
def test_distances_fall_into_the_buckets_of_t5(both: bool) -> None:
    layer = nn.RelativePositions.init(wl.random.key(0), 2, both=both)
    for after, bucket in (BOTH if both else BEFORE).items():
        bias = layer(np.array([600]), np.array([600 + after]))
        np.testing.assert_array_equal(bias[:, 0, 0], layer.weight[bucket], err_msg=str(after))
    assert layer(5, 7).shape == (2, 5, 7)
    with pytest.raises(ProgramError, match=r"4 buckets or more .* got 2 and 128"):
        nn.RelativePositions.init(wl.random.key(0), 2, buckets=2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_angles_of_halves_are_exact(dtype: str) -> None:
    found = nn.sinusoidal_positions(np.arange(3000), 8, dtype=dtype)
    wanted = nn.sinusoidal_positions(3000, 8, dtype="float64")
    np.testing.assert_allclose(np.asarray(found, "f8"), wanted, atol=4e-3)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1"])
def test_distances_of_narrow_and_unsigned_positions(dtype: str) -> None:
    table = nn.RelativePositions.init(wl.random.key(0), 3)
    places = np.arange(5, dtype=dtype)
    np.testing.assert_array_equal(table(places, places), table(5, 5))
    np.testing.assert_array_equal(nn.alibi(3, places, places), nn.alibi(3, 5, np.int64(5)))
    far = np.array([-100, 100], "i1")
    np.testing.assert_array_equal(np.abs(nn.alibi(1, far, far))[0] * 256, 200 * (1 - np.eye(2)))


def test_a_position_without_an_axis_is_told() -> None:
    one = wl.jit(lambda t: nn.sinusoidal_positions(t, 4), disable_jit=True)
    with pytest.raises(ProgramError, match="positions: one axis or more is required, got i32"):
        one(np.int32(3))
