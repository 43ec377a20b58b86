"""Loops and branches of the table: cells that move, results that settle, calls of Python inside."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest

from tests.runtime.loop_rows import (
    ARENA,
    I64,
    INPUT,
    OUTPUT,
    SPEC,
    STRIDE,
    N,
    SmallSum,
    X,
    both_ways,
    carry,
    cell,
    nested,
)
from wonderland.runtime.cpu import executor
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import (
    BranchRow,
    HostRow,
    KernelRow,
    LoopRow,
    Row,
    SlabsRow,
    Slot,
    UnitCell,
)
from wonderland.runtime.spec import ArraySpec

Kernels = Mapping[str, int]


def plus(kernels: Kernels, x: Slot, y: Slot, z: Slot, n: int = N, grain: int = 4) -> KernelRow:
    return KernelRow(kernels["plus"], (x, y, z), (), n, grain, name="plus")


def powers(kernels: Kernels, length: int | None, **more: object) -> LoopRow:
    """x doubled `length` times, between the arena and the output; the result is the output."""
    cells = carry(0, INPUT, ARENA, OUTPUT)
    body = plus(kernels, cell(0), cell(0), cell(1))
    return LoopRow((body,), cells, length, ((0, OUTPUT, SPEC.nbytes),), name="double", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize("together", [0, 1, 2])
def test_a_carry_ends_where_it_belongs_after_any_number_of_turns(kernels, length, together):
    with executor.threads(2):
        row = powers(kernels, length, together=together)
        program = Program((row,), (SPEC,), (SPEC,), (), 48, 0, 1.0, poison=True)
        for _ in range(3):
            (got,) = program((X,))
            np.testing.assert_array_equal(got, X * 2**length)


def test_elements_are_read_and_written_where_they_are(kernels):
    """y[i] = x[i] + x[4 - i], one row a turn."""
    rows = (LoopRow((plus(kernels, cell(0), cell(1), cell(2)),), both_ways(), 5),)
    spec = ArraySpec(I64, (5, N))
    x = np.random.default_rng(0).integers(0, 99, (5, N))
    np.testing.assert_array_equal(Program(rows, (spec,), (spec,))((x,))[0], x + x[::-1])


def test_loops_nest_and_inner_cells_follow_the_outer_ones(kernels):
    """y[i] = sum of x[i, j] over j."""
    outer, inner = nested()
    turn = LoopRow((plus(kernels, cell(2), cell(3), cell(4)),), inner, 3)
    rows = (LoopRow((turn,), outer, 4),)
    x = np.random.default_rng(0).integers(0, 99, (4, 3, N))
    zeros = (np.zeros(N, np.int64),)
    specs = (ArraySpec(I64, (4, 3, N)),), (ArraySpec(I64, (4, N)),)
    program = Program(rows, *specs, zeros, STRIDE)
    for _ in range(2):
        np.testing.assert_array_equal(program((x,))[0], x.sum(1))


def host(function, inputs, outputs) -> HostRow:
    return HostRow(
        function,
        tuple((s, I64, (N,)) for s in inputs),
        tuple((s, dtype, shape) for s, dtype, shape in outputs),
        "host",
    )


def test_python_runs_inside_of_a_loop_and_tests_it(kernels):
    """Doubles while the sum is below 1000; Python looks at the sum, and counts."""
    small = SmallSum()
    test = Slot("arena", 0, 64)
    look = host(small, (cell(0),), ((test, np.dtype(bool), ()),))
    row = powers(kernels, None, test_rows=(look,), test=test)
    program = Program((row,), (SPEC,), (SPEC,), (), 128)
    for _ in range(2):
        np.testing.assert_array_equal(program((X,))[0], X * 128)
        assert small.seen == [15 * 2**k for k in range(8)]
        small.seen.clear()


@pytest.mark.parametrize("false_at", [None, 0, 7, 8, 18])
def test_python_is_not_called_where_the_condition_of_its_row_holds(false_at):
    seen: list[int] = []
    given = np.ones(19, bool)
    if false_at is not None:
        given[false_at] = False
    row = HostRow(lambda x: seen.append(1), ((INPUT, given.dtype, given.shape),), (), condition=0)
    Program((LoopRow((row,), (), 3),), (ArraySpec(given.dtype, given.shape),), ())((given,))
    assert len(seen) == (0 if false_at is None else 3)


def test_an_error_of_python_inside_of_a_loop_ends_the_call_and_no_later_one(kernels):
    fails = [True]

    def maybe() -> None:
        if fails[0]:
            raise ValueError("inside")

    row = powers(kernels, 3)
    row = LoopRow((host(maybe, (), ()), *row.rows), row.cells, 3, row.results)
    program = Program((row,), (SPEC,), (SPEC,), (), 48)
    with pytest.raises(ValueError, match="inside"):
        program((X,))
    fails[0] = False
    np.testing.assert_array_equal(program((X,))[0], X * 8)


@pytest.mark.parametrize(("index", "case"), [(-3, 0), (0, 0), (1, 1), (2, 2), (9, 2)])
def test_a_branch_runs_the_case_of_the_clamped_index(kernels, index, case):
    zero = Slot("constant")
    cases = (
        (plus(kernels, INPUT, zero, OUTPUT),),
        (plus(kernels, INPUT, INPUT, OUTPUT),),
        (plus(kernels, INPUT, INPUT, ARENA), plus(kernels, ARENA, INPUT, OUTPUT)),
    )
    specs = (SPEC, ArraySpec(np.dtype(np.int32), ()))
    row = BranchRow(Slot("input", 1), cases)
    program = Program((row,), specs, (SPEC,), (np.zeros(N, np.int64),), 48)
    (got,) = program((X, np.array(index, np.int32)))
    np.testing.assert_array_equal(got, X * (case + 1))


def endless(kernels: Kernels, seconds: float, check: int) -> Program:
    test = Slot("constant")
    row = powers(kernels, None, test=test, check=check)
    return Program((row,), (SPEC,), (SPEC,), (np.array(True),), 48, 0, seconds)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_ctrl_c_ends_a_loop_that_would_not_end(kernels, seconds):
    """With Python's lock held, and with it given up."""
    program = endless(kernels, seconds, 1000)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            if seconds:
                timer.start()
            else:  # no other thread runs while the lock is held
                signal.setitimer(signal.ITIMER_REAL, 0.05)
            program((X,))
    finally:
        timer.cancel()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    again = Program((powers(kernels, 2),), (SPEC,), (SPEC,), (), 48)
    np.testing.assert_array_equal(again((X,))[0], X * 4)


@pytest.mark.parametrize(("count", "seconds"), [(1, 0.0), (1, 1.0), (2, 1.0)])
def test_ctrl_c_ends_slabs_and_leaves_their_program_as_it_was(kernels, count, seconds):
    """Between turns of loops inside, and between units, of which the caller has one."""

    def program(row: Row, units: int, stride: int = STRIDE) -> Program:
        cells = UnitCell(0, INPUT, (0,)), UnitCell(1, OUTPUT, (stride,))
        specs = (SPEC, ArraySpec(np.dtype(np.bool_), ())), (ArraySpec(I64, (2, N)),)
        slabs = SlabsRow((row,), cells, (units,), -(-units // 99), check=9)
        return Program((slabs,), *specs, (), 0, 64, seconds, together=True)

    double = plus(kernels, cell(0), cell(0), cell(1))
    test = Slot("input", 1)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with executor.threads(count):
            endless = program(LoopRow((double,), (), None, test=test, check=9), 2)
            for slow in (endless, program(double, 1 << 30, 0)):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(KeyboardInterrupt):
                    slow((X, np.array(True)))
            after = program(LoopRow((double,), (), 3), 2)
            for _ in range(2):
                np.testing.assert_array_equal(after((X, np.array(True)))[0], [X * 2, X * 2])
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_other_threads_run_while_a_loop_does(kernels):
    """A loop long enough gives Python's lock up."""
    program = endless(kernels, 1.0, 1)
    ticks: list[float] = []

    def tick() -> None:
        while len(ticks) < 5:
            ticks.append(time.perf_counter())
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=tick)
    with pytest.raises(KeyboardInterrupt):
        other.start()
        program((X,))
    other.join()
    assert len(ticks) == 5


def test_loops_and_branches_print_with_their_rows_inside(kernels):
    loop = powers(
        kernels, None, test=Slot("arena", 0, 64), test_rows=(plus(kernels, INPUT, INPUT, ARENA),)
    )
    branch = BranchRow(INPUT, ((plus(kernels, INPUT, INPUT, OUTPUT),), ()), name="which")
    assert str(Program((loop, branch), (SPEC,), (SPEC,), (), 128)).splitlines()[1:] == [
        "   0  loop double(cell0: input0 output0 arena+0, cell1: arena+0 output0)  while arena+64",
        "   1      plus(input0 input0 arena+0)  6 by 4",
        "   2      test arena+64",
        "   3      plus(cell0 cell0 cell1)  6 by 4",
        "   4  branch which(input0)  2 cases",
        "   5  case 0",
        "   6      plus(input0 input0 output0)  6 by 4",
        "   7  case 1",
    ]


def test_a_profile_counts_a_loop_as_one_row(kernels):
    rows = (plus(kernels, INPUT, INPUT, ARENA), powers(kernels, 100))
    plain, loop = Program(rows, (SPEC,), (SPEC,), (), 48).profile((X,))
    assert [plain.row.name, loop.row.name] == ["plus", "double"]
    (inside,) = [t for group in loop.inner for t in group]
    assert (plain.runs, inside.runs, loop.runs) == (1, 100, 1)
    np.testing.assert_allclose(inside.seconds, loop.seconds)
