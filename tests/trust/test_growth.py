"""Memory stays where it is: calls, programs, errors and threads leave nothing but the code that is
kept for who asks again."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import wonderland as wl

from .process import run

RESIDENT = """
import gc
from wonderland.runtime.native import objects
def resident():
    gc.collect()
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmRSS")]
        return int(line.split()[1]) // 1024  # MiB
"""


def test_ten_thousand_calls_do_not_grow():
    run(
        RESIDENT
        + """
f = wl.jit(lambda t: {"y": t["x"] * 2 + 1, "sum": t["x"].sum()})
donating = wl.jit(lambda x, y: x + y, donate_argnums=0)
strided, x = np.zeros(120)[::2], np.zeros(60)
def rounds(n):
    global x
    for k in range(n):
        f({"x": small})
        x = donating(x, strided)
        if k % 20 == 0:
            f({"x": large})
            try:
                f({"x": "text"})
            except (TypeError, ValueError):
                pass
rounds(500)
before, blocks = resident(), sys.getallocatedblocks()
rounds(10_000)
assert resident() - before < 8, resident() - before
assert sys.getallocatedblocks() - blocks < 2_000, sys.getallocatedblocks() - blocks
"""
    )


def test_a_thousand_small_programs_do_not_grow_beyond_their_kernels():
    run(
        RESIDENT
        + """
def program(n):  # sizes are no part of machine code
    f = wl.jit(lambda x: (np.tanh(x) * 2 + 1, x.sum()))
    f(np.ones(n))
for n in range(1, 200):
    program(n)
before, blocks, code = resident(), sys.getallocatedblocks(), objects.statistics()
for n in range(1, 1001):
    program(n)
assert objects.statistics() == code
assert resident() - before < 16, resident() - before
assert sys.getallocatedblocks() - blocks < 10_000, sys.getallocatedblocks() - blocks
""",
        WONDERLAND_VERIFY="0",  # which remembers what it has proved, of the last 4,096 texts
    )


@pytest.mark.sweep
def test_three_thousand_programs_with_kernels_of_their_own_stay_within_a_bound():
    """Beside what is kept of code that nobody holds, 10 kB a program."""
    said = run(
        RESIDENT
        + """
functions = [np.sin, np.cos, np.exp, np.tanh, np.sqrt, np.log1p, np.abs, np.arctan]
def program(k):
    def f(x):
        for turn in range(6):
            x = functions[k // 8**turn % 8](x) * 0.5 + 1
        return x
    wl.jit(f)(np.ones(16, np.float32))
kept = objects.UNHELD_BYTES >> 20
for k in range(20):
    program(k)
before = resident()
for k in range(50, 3050):
    program(k)
    if k % 500 == 49:
        print(k, resident())
assert objects.statistics().compiled > 2000
assert resident() - before < kept + 30, resident() - before
""",
        seconds=1800,
        WONDERLAND_CACHE="off",
    )
    print(said)


def test_functions_that_are_dropped_take_arenas_constants_and_pools_with_them():
    """Each holds 20 MiB, so that twenty would be seen."""
    run(
        RESIDENT
        + """
x, turn = np.ones(1 << 18), np.eye(64)
def program(k):
    constant = np.full(1 << 19, float(k))
    def g(x):
        product = x.reshape(64, -1) @ (x.reshape(-1, 64) + k)
        return turn @ product @ turn, constant + k, x - k
    f = wl.jit(g)
    f(x)
    f(x)
program(0)
before = resident()
for k in range(20):
    program(k)
assert resident() - before < 60, resident() - before
"""
    )


def test_a_thousand_failed_traces_do_not_grow():
    run(
        RESIDENT
        + """
f = wl.jit(lambda x: x @ np.zeros(7))
def fail(n):
    for _ in range(n):
        try:
            f(small)
        except wl.ProgramError:
            pass
fail(100)
before, blocks = resident(), sys.getallocatedblocks()
fail(1000)
assert resident() - before < 8, resident() - before
assert sys.getallocatedblocks() - blocks < 2_000, sys.getallocatedblocks() - blocks
"""
    )


def test_threads_that_come_and_go_do_not_grow():
    run(
        RESIDENT
        + """
f = wl.jit(formula)
def threads(n):
    for _ in range(n):
        t = threading.Thread(target=good, args=(f, large))
        t.start()
        t.join()
threads(50)
before, alive = resident(), threading.active_count()
threads(300)
assert threading.active_count() == alive
assert resident() - before < 16, resident() - before
"""
    )


def test_a_dropped_function_frees_its_program_and_what_it_closed_over():
    class Held(np.ndarray):
        """An array that can be watched."""

    constant = np.zeros(1000).view(Held)

    def made():
        kept = constant
        f = wl.jit(lambda x: x + kept)
        f(np.ones(1000))
        (entry,) = f.entries.values()
        program: Any = entry.program
        return f, [weakref.ref(o) for o in (f, f.function, program, program._contexts[0])]

    f, watched = made()
    gc.collect()
    assert all(w() is not None for w in watched)
    del f
    gc.collect()
    assert [w() for w in watched] == [None] * 4
