"""Sizes: what was computed of some numbers is computed of others, or a comparison says why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wonderland.compiler.ir.sizes import (
    Size,
    SizeTape,
    derived,
    is_size,
    larger,
    number_now,
    range_length,
    smaller,
    truncated,
)


def replayed(compute: Callable[..., Any], first: tuple[Any, ...], *others: tuple[Any, ...]) -> Any:
    """What `compute` gives of other numbers by its steps, or why they do not hold."""
    tape = SizeTape()
    with tape.part() as part:
        result = compute(*map(tape.size, first))
    assert number_now(result) == compute(*first)
    found = []
    for numbers in others:
        tape.read(numbers)
        why = part.replay()
        found.append(why or number_now(result))
    return found


FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "sums": lambda m, n: 3 * m + n - 7 + (2 - m),
    "divisions": lambda m, n: -(-m // 4) * 4 + n % 3 + 100 // m + 7 % n,
    "floats": lambda m, n: truncated(1e-3 * m * n / 0.7 + 1 / m) + m / n,
    "powers": lambda m, n: m**2 + 2 ** (n // 8) + (m << 2) + (n >> 1) + (m & 5),
    "bounds": lambda m, n: larger(1, smaller(m, n)) + abs(m - n) + math.prod((m, n, 2)),
    "rounding": lambda m, n: math.ceil(m / 3) + math.floor(n / 7) + sum((m, n, -m)),
    "ranges": lambda m, n: range_length(1, m, 3) + range_length(0, n, 1),
    "neutral": lambda m, n: (m * 1 + 0 - 0) // 1 + n,
    "parts": lambda m, n: divmod(m, 5)[0] + divmod(100, n)[1],
    "a function": lambda m, n: derived(math.gcd, m, n, 12),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_hold_for_other_numbers(name: str) -> None:
    numbers = [(int(a), int(b)) for a, b in np.random.default_rng(0).integers(2, 500, (20, 2))]
    compute = FORMULAS[name]
    assert replayed(compute, (64, 48), *numbers) == [compute(*pair) for pair in numbers]


BRANCHES: dict[str, Callable[[Any], Any]] = {
    "order": lambda n: n * 2 if n < 100 else n,
    "equality": lambda n: 1 if n == 64 else n,
    "truth": lambda n: n + 1 if n % 8 else n,
    "min": lambda n: min(n, 96),
    "sorting": lambda n: sorted([n, 80, 3])[1],
    "tuples": lambda n: 5 if (n, 3) == (64, 3) else 6,
    "a set": lambda n: n if n in {64, 3} else 0,
    "an index": lambda n: len(range(n)),
    "a text": lambda n: len(f"{n}"),
    "numpy": lambda n: int(np.arange(n).sum()),
    "a float": lambda n: math.log2(n),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_choice_that_other_numbers_would_not_make_is_told(name: str) -> None:
    compute = BRANCHES[name]
    for n, found in zip((64, 65, 201), replayed(compute, (64,), (64,), (65,), (201,)), strict=True):
        assert found == compute(n) or "test_sizes.py" in found
    assert "test_sizes.py" in replayed(compute, (64,), (201,))[0]


def test_who_compared_is_named() -> None:
    line = test_who_compared_is_named.__code__.co_firstlineno + 2
    (why,) = replayed(lambda n: n < 100, (64,), (100,))
    assert why == f"100 >= 100 (ir/test_sizes.py:{line}, <lambda>)"


def test_a_division_by_nothing_is_no_error_but_a_reason() -> None:
    assert replayed(lambda n: 100 // n, (7,), (0,)) == ["integer division or modulo by zero"]


def test_a_size_is_a_number_to_all_who_ask() -> None:
    tape = SizeTape()
    n, x = tape.size(8), tape.size(0.5)
    assert isinstance(n, int) and isinstance(x, float) and not isinstance(n, float)
    assert is_size(n) and type(n) is Size and not is_size(8)
    assert {8: "eight"}[n] == "eight" and hash(n) == hash(8)
    assert n == 8 and n + 1 == 9 and str(n) == "8" and np.zeros(n).shape == (8,)
    assert type(n + 1) is int and type(n < 9) is bool  # while nothing is being written


def test_parts_after_the_first_know_it_and_themselves() -> None:
    tape = SizeTape()
    with tape.part() as first:
        n = tape.size(6)
        double = n * 2
    with tape.part() as second:
        assert n * 2 is double
        more = double + 1
    with tape.part() as third:
        other = double + 1
    assert [len(p.steps) for p in (first, second, third)] == [1, 1, 1]
    tape.read([10])
    assert not first.replay() and not third.replay()
    assert (double.number, more.number, other.number) == (20, 13, 21)


def test_numbers_that_are_equal_and_not_the_same_are_two_steps() -> None:
    tape = SizeTape()
    with tape.part() as part:
        x = tape.size(2.0)
        plus, minus, one, true = x * 0.0, x * -0.0, x + 1, x + 1.0
    tape.read([3.0])
    assert not part.replay()
    assert [math.copysign(1, v.number) for v in (plus, minus)] == [1, -1]
    assert one.number == true.number == 4.0
