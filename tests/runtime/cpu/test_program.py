"""Programs: slots, host rows, donation, errors, printing, profiles."""

from __future__ import annotations

import time

import numpy as np
import pytest

from wonderland.runtime.cpu import executor, stopwatch
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import HostRow, KernelRow, Slot
from wonderland.runtime.spec import ArraySpec

I64, F64 = np.dtype(np.int64), np.dtype(np.float64)
SPEC = ArraySpec(I64, (6,))
X, Y = np.arange(6), np.arange(6) ** 2


def plus(kernels, a: Slot, b: Slot, out: Slot, n: int = 6, **more) -> KernelRow:
    return KernelRow(kernels["plus"], (a, b, out), (), n, 4, **more)


def test_slots_reach_parts_of_every_space(kernels):
    rows = (
        plus(kernels, Slot("input", 0, 8), Slot("constant", 1, 16), Slot("arena", 0, 64), 3),
        plus(kernels, Slot("arena", 0, 64), Slot("input", 1), Slot("output", 1, 24), 3),
        plus(kernels, Slot("constant", 0), Slot("constant", 0), Slot("output", 0), 6),
        plus(kernels, Slot("constant", 0), Slot("constant", 0), Slot("output", 1), 3),
    )
    constants = (np.full(6, 10), np.arange(100, 106))
    program = Program(rows, (SPEC, SPEC), (SPEC, SPEC), constants, 88)
    first, second = program((X, Y))
    assert first.tolist() == [20] * 6
    assert second.tolist() == [20] * 3 + [X[1 + k] + 102 + k + Y[k] for k in range(3)]


def test_arrays_without_elements_pass_through(kernels):
    empty = ArraySpec(I64, (0, 3))
    program = Program(
        (plus(kernels, Slot("input"), Slot("input"), Slot("output"), 0),), (empty,), (empty,)
    )
    (out,) = program((np.zeros((0, 3), np.int64),))
    assert out.shape == (0, 3)


def test_results_share_memory_with_nothing(kernels):
    rows = tuple(
        plus(kernels, Slot("input"), Slot("constant"), Slot("output", k)) for k in range(2)
    )
    zeros = np.zeros(6, np.int64)
    a, b = Program(rows, (SPEC,), (SPEC, SPEC), (zeros,))((X,))
    for one, other in ((a, b), (a, X), (b, X), (a, zeros)):
        assert not np.shares_memory(one, other)


# ---------------------------------------------------------------- host rows


def host(function, inputs=("input",), outputs=("arena",)) -> HostRow:
    return HostRow(
        function,
        tuple((Slot(s), I64, (6,)) for s in inputs),
        tuple((Slot(s), I64, (6,)) for s in outputs),
        "host",
    )


@pytest.mark.parametrize("seconds", [0.0, 20e-6, 1e-3])
def test_host_rows_run_between_kernels(kernels, seconds):
    square = HostRow(
        np.square,
        ((Slot("arena", 0, 64), I64, (6,)),),
        ((Slot("arena", 0, 128), I64, (6,)),),
        "square",
    )
    rows = (
        plus(kernels, Slot("input"), Slot("input"), Slot("arena", 0, 64)),
        square,
        plus(kernels, Slot("arena", 0, 128), Slot("input"), Slot("output")),
    )
    with executor.threads(2):
        program = Program(rows, (SPEC,), (SPEC,), (), 192, 0, seconds)
        for k in range(5):
            assert np.array_equal(program((X + k,))[0], (2 * (X + k)) ** 2 + X + k)


def test_host_rows_come_first_last_and_together():
    twice = host(lambda x: 2 * x, ("input",), ("arena",))
    both = HostRow(lambda x: (x + 1, x[:2].sum()), ((Slot("arena"), I64, (6,)),),
                   ((Slot("output"), I64, (6,)), (Slot("output", 1), I64, ())), "both")  # fmt: skip
    program = Program((twice, both), (SPEC,), (SPEC, ArraySpec(I64, ())), (), 48)
    first, second = program((X,))
    assert np.array_equal(first, 2 * X + 1)
    assert second == 2


def test_a_host_row_may_keep_what_it_is_given(kernels):
    seen: list[np.ndarray] = []
    rows = (
        plus(kernels, Slot("input"), Slot("input"), Slot("arena")),
        host(seen.append, ("arena",), ()),
    )
    program = Program(rows, (SPEC,), (), (), 48)
    for k in range(3):
        program((X + k,))
    assert [s.tolist() for s in seen] == [(2 * (X + k)).tolist() for k in range(3)]


def test_an_error_in_a_host_row_leaves_the_program_usable(kernels):
    bad = [True]

    def fail(x: np.ndarray) -> np.ndarray:
        if bad[0]:
            raise RuntimeError("the user's")
        return x

    with executor.threads(2):
        rows = (host(fail), plus(kernels, Slot("arena"), Slot("input"), Slot("output")))
        program = Program(rows, (SPEC,), (SPEC,), (), 48, 0, 1e-3)
        for _ in range(3):
            bad[0] = True
            with pytest.raises(RuntimeError, match="the user's"):
                program((X,))
            bad[0] = False
            assert np.array_equal(program((X,))[0], 2 * X)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:3], r"host: i64\[6\] is required, got i64\[3\]"),
        (lambda x: x.astype(float), r"host: i64\[6\] is required, got f64\[6\]"),
        (lambda x: (x, x), "host: 1 results are required, got 2"),
        (lambda x: None, "host: 1 results are required, got 0"),
    ],
)
def test_a_host_row_that_gives_the_wrong_type_is_refused(function, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Program((host(function),), (SPEC,), (), (), 48)((X,))


def test_a_host_row_may_call_its_own_program(kernels):
    """Contexts are per call in flight, and the team is not held by a host row."""
    depth = [3]
    programs: list[Program] = []

    def again(x: np.ndarray) -> np.ndarray:
        depth[0] -= 1
        return programs[0]((x,))[0] if depth[0] > 0 else x

    with executor.threads(2):
        rows = (host(again), plus(kernels, Slot("arena"), Slot("input"), Slot("output")))
        programs.append(Program(rows, (SPEC,), (SPEC,), (), 48, 0, 1e-3))
        assert np.array_equal(programs[0]((X,))[0], 4 * X)


# ---------------------------------------------------------------- donation


@pytest.fixture
def adding(kernels):
    """(x, y) → x + y in y's memory, and x + x."""
    rows = (
        plus(kernels, Slot("input"), Slot("input"), Slot("output", 1)),
        plus(kernels, Slot("input"), Slot("input", 1), Slot("output")),
    )
    return Program(rows, (SPEC, SPEC), (SPEC, SPEC), donated=((1, 0),))


def test_a_donated_argument_becomes_the_result(adding):
    x, y = X.copy(), Y.copy()
    total, twice = adding((x, y))
    assert total is y
    assert np.array_equal(total, X + Y) and np.array_equal(twice, 2 * X) and np.array_equal(x, X)


def test_a_donated_argument_that_cannot_be_given_is_copied(adding):
    read_only = Y.copy()
    read_only.flags.writeable = False
    strided = np.repeat(Y, 2)[::2]
    for y in (read_only, strided, Y.astype(">i8")):
        total, _ = adding((X, y))
        assert np.array_equal(total, X + Y) and np.array_equal(y, Y)
        assert not np.shares_memory(total, y)


def test_a_donated_argument_that_is_passed_twice_is_copied(adding):
    x = X.copy()
    total, twice = adding((x, x))
    assert np.array_equal(x, X) and np.array_equal(total, 2 * X) and np.array_equal(twice, 2 * X)
    both = np.arange(9)
    total, _ = adding((both[:6], both[3:]))
    assert np.array_equal(both, np.arange(9)) and np.array_equal(total, np.arange(6) * 2 + 3)
    total, _ = adding((both[3:], both[:6]))
    assert np.array_equal(both, np.arange(9)) and np.array_equal(total, np.arange(6) * 2 + 3)


def test_overlaps_are_found_in_any_order_of_addresses(kernels):
    """Twelve arguments, one donated, in shuffled memory: copied when it must be, only then."""
    rng = np.random.default_rng(0)
    row = plus(kernels, Slot("input", 0), Slot("input", 5), Slot("output"))
    program = Program((row,), (SPEC,) * 12, (SPEC,), donated=((5, 0),))
    memory = np.arange(2000)
    for _ in range(200):
        at = rng.choice(320, 12, replace=False) * 6
        if rng.integers(2):
            at[rng.integers(12)] = at[5] + rng.integers(-7, 8)
        leaves = tuple(memory[k : k + 6] for k in np.clip(at, 0, 1990))
        alone = not any(np.shares_memory(leaves[5], x) for k, x in enumerate(leaves) if k != 5)
        want, before = leaves[0] + leaves[5], memory.copy()
        (out,) = program(leaves)
        assert np.array_equal(out, want)
        assert (out is leaves[5]) == alone
        memory[:] = before


def test_donations_of_different_types_are_refused():
    other = ArraySpec(I64, (2, 3))
    with pytest.raises(
        ValueError, match=r"^donation: input 0 is i64\[6\] and output 0 is i64\[2, 3\]$"
    ):
        Program((), (SPEC,), (other,), donated=((0, 0),))
    with pytest.raises(ValueError, match=r"^donation: an input is donated twice$"):
        Program((), (SPEC,), (SPEC, SPEC), donated=((0, 0), (0, 1)))


# ---------------------------------------------------------------- reading a program


def test_a_program_prints_its_table(kernels):
    rows = (
        plus(
            kernels,
            Slot("input"),
            Slot("constant", 2, 8),
            Slot("arena", 0, 64),
            name="add",
            barrier=False,
        ),
        HostRow(np.square, ((Slot("arena"), I64, (6,)),), ((Slot("output"), I64, (6,)),), "square"),
    )
    constants = (X, X, np.arange(7))
    assert str(Program(rows, (SPEC,), (SPEC,), constants, 112, 10)).splitlines() == [
        "program: 2 rows, 1 inputs, 1 outputs, arena 112 bytes, scratch 10 bytes",
        "   0  add(input0 constant2+8 arena+64)  6 by 4, no barrier",
        "   1  host square(arena+0: i64[6]) -> (output0: i64[6])",
    ]


def test_a_profile_times_every_row(chain, expected):
    for seconds in (0.0, 1e-3):
        with executor.threads(2):
            program = chain(4, seconds=seconds)
            times = program.profile((np.arange(100),))
            assert [t.row.name for t in times] == ["row0", "row1", "row2", "row3"]
            assert [t.wave for t in times] == [0, 1, 2, 3]
            assert all(t.seconds >= 0 and t.runs == 1 for t in times)
    slow = Program((HostRow(lambda: time.sleep(0.02), (), (), "nap"),), (), ())
    (found,) = slow.profile(())
    assert found.row.name == "nap" and 0.02 <= found.seconds == found.busy < 2


@pytest.mark.parametrize("count", [1, 2])
def test_rows_of_a_wave_share_its_seconds(count: int, kernels):
    x, out = Slot("input"), [Slot("output", k) for k in range(3)]
    rows = tuple(
        plus(kernels, x, x, slot, 6, barrier=k != 0, name=f"row{k}") for k, slot in enumerate(out)
    )
    with executor.threads(count):
        program = Program(rows, (SPEC,), (SPEC,) * 3, together=count > 1)
        found = program.profile((X,), [(X,)] * 3)
    assert [t.wave for t in found] == [0, 0, 1]
    assert all(t.runs == 1 for t in found)
    first, second, _ = found
    np.testing.assert_allclose(first.seconds * second.busy, second.seconds * first.busy)


def test_looks_at_the_clock_are_cheap_and_come_off():
    assert 0 < stopwatch.look_seconds() < 1e-5
