"""Every public function has its derivatives where its definition changes branch, to order 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import wonderland as wl
from tests.seams import lists
from tests.seams.meaning import expected, forward, orders_of, ours, reverse, words
from tests.seams.registry import DRAWS, SEAMS, Seam
from wonderland.compiler.ops.formula import Sinc

ROOMS = {n: getattr(wl, n) for n in ("numpy", "nn", "special", "lax", "optim", "random")}
ROOMS["linalg"] = wl.numpy.linalg
ROOMS["fft"] = wl.numpy.fft
LISTS = ("LINEAR", "RENAMED", "MULTILINEAR", "CHOOSING", "RUNNING", "DISCRETE", "STATIC", "OTHER")
LISTED = [
    (room, name)
    for of in LISTS
    for room, names in getattr(lists, of).items()
    for name in names.split()
]
TRIED = {s.name for s in SEAMS} | {f"random.{n}" for n in DRAWS}


def public() -> Iterator[tuple[str, str, Any]]:
    """The functions of the front door that take and give numbers."""
    for room, module in ROOMS.items():
        names = getattr(module, "__all__", None) or dir(module)
        if room == "linalg":
            names = [n for n in names if hasattr(np.linalg, n)]
        for name in names:
            found = getattr(module, name)
            if callable(found) and not isinstance(found, type) and not name.startswith("_"):
                yield room, name, found


def test_every_public_function_stands_in_one_list() -> None:
    named = {(room, name): f for room, name, f in public()}
    tried = {
        id(named[room, name]) for room, _, name in (n.partition(".") for n in TRIED)
    }  # aliases are the same function
    listed = {id(named[key]) for key in LISTED if key in named}
    missing = [f"{r}.{n}" for (r, n), f in named.items() if id(f) not in tried | listed]
    assert not missing, f"no word in tests/seams about {missing}"
    both = [f"{r}.{n}" for r, n in LISTED if id(named.get((r, n))) in tried]
    assert not both, f"with seams, and yet in a list of what has none: {both}"
    assert not [k for k in LISTED if k not in named], "names that no function has"


def close(seam: Seam, found: Any, want: np.ndarray, points: list[Any], what: str) -> None:
    """Numbers beyond what floats hold are not compared."""
    good = np.isclose(found, want, rtol=seam.tolerance, atol=seam.absolute) | np.isinf(want)
    wrong = [
        f"{p}: {f}, not {w}" for p, f, w, g in zip(points, found, want, good, strict=True) if not g
    ]
    assert not wrong, f"{seam.name}, {what} at " + "; ".join(wrong[:4])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seam", SEAMS, ids=lambda s: s.name)
def test_derivatives_where_pieces_meet_are_those_of_the_function(seam: Seam) -> None:
    points, meanings, scales = zip(*seam.smooth(), strict=True)
    columns = [np.array(c) for c in zip(*points, strict=True)]
    known: dict[tuple[int, ...], np.ndarray] = {}
    for word in words(seam.count, seam.order):
        orders = orders_of(word, seam.count)
        if orders not in known:
            cases = zip(meanings, points, scales, strict=True)
            known[orders] = np.array([expected(f, p, orders, s) for f, p, s in cases])
        what = " of ".join(f"{mode.__name__} {i}" for mode, i in reversed(word))
        close(seam, ours(seam.function, word)(*columns), known[orders], list(points), what)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seam", [s for s in SEAMS if s.ends], ids=lambda s: s.name)
def test_derivatives_at_the_end_of_a_domain_are_the_limits_from_within(seam: Seam) -> None:
    for at, want in seam.ends.items():
        assert np.isclose(seam.function(np.array(at)), want[0], atol=0)
        for word in words(1, len(want) - 1):
            found = ours(seam.function, word)(np.array(at))
            assert np.isclose(found, want[len(word)], rtol=1e-12), (seam.name, at, word, found)


def moves(draw: Any, at: tuple[float, ...], i: int) -> np.ndarray:
    """How draws move with parameter i."""
    given = [np.float64(x) for x in at]

    def alone(x: Any) -> Any:
        return draw(wl.random.key(5), *given[:i], x, *given[i + 1 :])

    slope = wl.jvp(alone, (given[i],), (1.0,))[1]
    back = wl.grad(lambda x: np.sum(alone(x)))(given[i])
    np.testing.assert_allclose(back, np.sum(slope), rtol=1e-9, atol=1e-9)
    return slope


@pytest.mark.parametrize("name", DRAWS)
def test_draws_move_with_their_parameters_as_they_do_nearby(name: str) -> None:
    draw, edges = DRAWS[name]
    for at in edges:
        near = tuple(x + 1e-9 for x in at)
        if name == "triangular":  # the mode lies within the ends
            near = (at[0] - 1e-9, at[1], at[2] + 1e-9)
        for i in range(len(at)):
            here, there = moves(draw, at, i), moves(draw, near, i)
            assert np.all(np.isfinite(here)), (name, at, i)
            np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-6, err_msg=f"{at} {i}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("z", [0j, 1e-300j, 1e-8 - 1e-8j, 0.3 + 0.2j, 0.9j, 2 - 1j])
def test_sinc_of_complex_numbers_is_smooth(z: complex) -> None:
    function = np.sinc
    for order in range(4):
        with mp.workdps(60):
            want = mp.diff(lambda t: mp.sinc(mp.pi * t), mp.mpmathify(z), order)
        np.testing.assert_allclose(function(np.array(z)), complex(want), rtol=1e-12, atol=1e-13)
        function = forward(function, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", range(6))
def test_derivatives_of_sinc_are_precise_to_units_of_their_greatest_value(
    order: int, dtype: type
) -> None:
    points = np.concatenate([np.linspace(-12, 12, 101), np.logspace(-9, 1, 50)]).astype(dtype)
    points = points[points != 0]
    with mp.workdps(120):

        def slope(x: Any, k: int) -> Any:
            return ((mp.sin(x + k * mp.pi / 2) - k * slope(x, k - 1)) if k else mp.sin(x)) / x

        want = np.array([float(slope(mp.mpf(float(x)), order)) for x in points])
    error = np.abs(Sinc(order).reference(points).astype(np.float64) - want)
    assert np.max(error) * (order + 1) < 3 * np.finfo(dtype).eps


def test_sums_that_begin_with_nothing_move_with_their_first_element() -> None:
    x = np.array([-np.inf, -np.inf, 0.0])
    for mode in (wl.jacfwd, wl.jacrev):
        np.testing.assert_array_equal(mode(wl.lax.cumlogsumexp)(x), np.eye(3))


PIECES = ("softplus", "logaddexp2", "huber_loss", "xlogy", "entr", "logit", "sinc", "fmod", "power")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_compiled_derivatives_at_seams_are_those_of_the_interpreter() -> None:
    seams = {s.name.split(".")[1]: s for s in reversed(SEAMS)}
    chosen = [seams[n] for n in PIECES]
    words_of = [[(forward, 0), (reverse, s.count - 1), (forward, 0)][: s.order] for s in chosen]
    columns = [
        tuple(np.array(c) for c in zip(*(p for p, _, _ in s.smooth()), strict=True)) for s in chosen
    ]

    def derivatives(*given: tuple[np.ndarray, ...]) -> list[Any]:
        cases = zip(chosen, words_of, given, strict=True)
        return [ours(s.function, w[:n])(*xs) for s, w, xs in cases for n in (1, 2, 3)]

    with np.errstate(all="ignore"):
        wants = wl.jit(derivatives, disable_jit=True)(*columns)
    for found, want in zip(wl.jit(derivatives)(*columns), wants, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-12)
