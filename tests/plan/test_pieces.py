"""Random programs of what is put together and taken apart: pieces of pieces, also in loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl

Step = Callable[[np.random.Generator, list[Any]], Any]


def row(rng: np.random.Generator, xs: list[Any]) -> Any:
    """A value, as one row."""
    return xs[rng.integers(len(xs))].reshape(-1)


def stacked(rng: np.random.Generator, xs: list[Any]) -> Any:
    x = row(rng, xs)
    return np.stack([x, x * 2 if rng.random() < 0.5 else np.flip(x)], rng.integers(2))


def joined(rng: np.random.Generator, xs: list[Any]) -> Any:
    parts = [row(rng, xs) for _ in range(rng.integers(2, 4))]
    return np.concatenate(
        [p[: rng.integers(1, len(p) + 1)] if rng.random() < 0.3 else p for p in parts]
    )


STEPS: tuple[Step, ...] = (
    stacked,
    stacked,
    joined,
    joined,
    lambda rng, xs: row(rng, xs) + 1,
    lambda rng, xs: np.sort(row(rng, xs)),
    lambda rng, xs: np.cumsum(row(rng, xs)) / 4,
    lambda rng, xs: np.pad(row(rng, xs), (int(rng.integers(3)), int(rng.integers(3)))),
    lambda rng, xs: np.tanh(row(rng, xs)).reshape(1, -1),
    lambda rng, xs: row(rng, xs)[::2],
    lambda rng, xs: row(rng, xs).copy(),
)


def program(seed: int) -> Callable[..., Any]:
    """A function of two arrays that gives some of what it has put together."""

    def function(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        xs = [x, y]
        for _ in range(rng.integers(3, 8)):
            made = STEPS[rng.integers(len(STEPS))](rng, xs)
            if made.size and made.size < 2000:
                xs.append(made)
        return tuple(xs[k] for k in sorted({len(xs) - 1, int(rng.integers(len(xs)))}))

    return function


def looped(body: Callable[..., Any]) -> Callable[..., Any]:
    """The same in a loop, whose turns stack them."""
    return lambda x, y: wl.lax.map(lambda row: body(row[0], row[1]), (x, y))


@pytest.mark.parametrize("seed", range(0, 160, 20))
def test_pieces_of_pieces_are_what_numpy_puts_together(seed: int) -> None:
    for k in range(seed, seed + 20):
        n = (16, 17, 8, 33, 64)[k % 5]
        x = np.random.default_rng(k).normal(size=n).astype(np.float32)
        arrays = (x, np.flip(x).copy())
        for function, given in (
            (program(k), arrays),
            *(
                [(looped(program(k)), tuple(np.stack([a, a + 1, -a]) for a in arrays))]
                * (k % 4 == 0)
            ),
        ):
            want = wl.jit(function, disable_jit=True)(*given)
            found = wl.jit(function, donate_argnums=(0,) if k % 3 == 0 else ())(
                *map(np.copy, given)
            )
            for a, b in zip(found, want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=str(k))


def test_a_piece_that_nothing_touches_lives_as_long_as_what_it_is_in() -> None:
    """What would write it and what would read it are copies that are left out."""
    x = np.arange(16, dtype=np.float32)
    total = wl.jit(lambda b: np.stack([np.sort(b), np.sort(b) * 3]).reshape(-1))
    np.testing.assert_array_equal(total(x), np.concatenate([x, x * 3]))
    both = wl.jit(lambda b: np.concatenate([np.stack([b, b * 2], 1).ravel(), b[:1]]))
    np.testing.assert_array_equal(both(x), [*np.stack([x, x * 2], 1).ravel(), 0])


@pytest.mark.parametrize("length", (5, 9, 17, 33, 65, 129))
@pytest.mark.parametrize("width", (0, 1, 3, 64))
def test_recurrences_of_every_length(length: int, width: int) -> None:
    shape = (length, width) if width else (length,)
    a, b = np.random.default_rng(length).normal(size=(2, *shape)).astype(np.float32) / 2

    def combine(p: Any, q: Any) -> Any:
        return p[0] * q[0], p[1] * q[0] + q[1]

    def prefixes(a: Any, b: Any) -> Any:
        """By a tree: pairs are combined and scanned; the others are one combination away."""
        n = len(a)
        if n < 2:
            return a, b
        odd = prefixes(*combine((a[0 : n - 1 : 2], b[0 : n - 1 : 2]), (a[1::2], b[1::2])))
        before = [x[: (n - 1) // 2] for x in odd]
        even = combine(before, (a[2::2], b[2::2])) if n > 2 else before
        found = []
        for first, e, o in zip((a, b), even, odd, strict=True):
            e = np.concatenate([first[:1], e])
            pairs = np.stack([e[: len(o)], o], 1).reshape(2 * len(o), *o.shape[1:])
            found.append(np.concatenate([pairs, e[len(o) :]]))
        return found

    def recurrence(a: Any, b: Any) -> Any:
        return prefixes(a, b)[1]

    want = np.zeros(shape[1:])
    for found, factor, term in zip(wl.jit(recurrence)(a, b), a, b, strict=True):
        want = factor * want + term
        np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-5)
