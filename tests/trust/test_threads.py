"""Several Python threads in compiled functions, and calls within calls."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler import ops
from wonderland.compiler.ir.source import Source, sourced
from wonderland.compiler.ir.types import Type
from wonderland.runtime.cpu import executor
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.rows import HostRow, Slot
from wonderland.runtime.spec import ArraySpec

F64 = np.dtype(np.float64)
MAIN = threading.main_thread().ident or 0


def formula(x):
    y = 3 * x - 1
    return y, y.sum(), y[::-1] + x  # exact on small integers


def other_formula(x):
    return x * x - 2 * x, x.max()


def numbers(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-100, 100, n).astype(F64)


def same(got, want) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def together(work: Callable[[int], object], count: int = 2) -> list[object]:
    """work(0), work(1)... on threads of their own that begin at once."""
    start = threading.Barrier(count)
    results: list[object] = [None] * count

    def run(k: int) -> None:
        start.wait()
        results[k] = work(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with executor.threads(2):
        yield


@pytest.fixture
def restless() -> Iterator[None]:
    """Python threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("n", [50, 1 << 17], ids=["alone", "on the team"])
def test_two_threads_in_one_function_get_their_own_results(restless, n):
    f = wl.jit(formula)
    inputs = [[numbers(10 * k + j, n) for j in range(3)] for k in range(2)]

    def work(k: int) -> bool:
        return all(same(f(x), formula(x)) for _ in range(10) for x in inputs[k])

    assert together(work) == [True, True]


def test_two_threads_in_two_functions_get_their_own_results(restless):
    functions = wl.jit(formula), wl.jit(other_formula)
    wanted = formula, other_formula

    def work(k: int) -> bool:
        xs = [numbers(10 * k + j, 1 << 17) for j in range(3)]
        return all(same(functions[k](x), wanted[k](x)) for _ in range(10) for x in xs)

    assert together(work) == [True, True]


def test_threads_that_call_a_new_function_at_once_trace_it_once(restless):
    traced = []

    def noted(x):
        traced.append(1)
        return formula(x)

    f, x = wl.jit(noted), numbers(0, 70)
    assert together(lambda k: same(f(x), formula(x)), 4) == [True] * 4
    assert len(traced) == 1


def test_threads_trace_different_functions_at_once(restless):
    def work(k: int) -> bool:
        good = True
        for j in range(8):
            n, x = 10 * k + j, numbers(k, 20 + j)
            good &= np.array_equal(wl.jit(lambda x, n=n: x * n + n)(x), x * n + n)
            grad = wl.jit(wl.grad(lambda x, n=n: (n * x * x).sum()))
            good &= np.array_equal(grad(x), 2 * n * x)
        return good

    assert together(work, 3) == [True] * 3


def test_lines_of_nodes_are_inherited_within_a_thread_only():
    line, t = Source("elsewhere.py", 7), Type("f64", (3,))
    with sourced(line):
        ours, (theirs,) = ops.full(1.0, t), together(lambda k: ops.full(2.0, t), 1)
    assert ours.node is not None and ours.node.source is line
    assert theirs.node.source is not line  # pyright: ignore[reportAttributeAccessIssue]


def test_a_callback_may_call_the_function_that_calls_it():
    """To any depth, with the team at work, and every call keeps its own numbers."""
    f, x = wl.jit(formula), numbers(0, 1 << 17)
    spec = ArraySpec(F64, x.shape)
    operand = (Slot("input"), F64, x.shape)
    depth: list[int] = []

    def callback(given: np.ndarray) -> np.ndarray:
        depth.append(1)
        assert same(f(given), formula(given))
        inner = program((given + 1,))[0] if len(depth) < 4 else f(given)[0]
        assert same(f(given), formula(given))
        return inner

    row = HostRow(callback, (operand,), ((Slot("output"), F64, x.shape),), "callback")
    program = Program((row,), (spec,), (spec,), seconds=1e-3)
    assert np.array_equal(program((x,))[0], formula(x + 3)[0])
    assert len(depth) == 4


def during_launch(action: Callable[[], object]) -> threading.Thread:
    """A thread that acts when the main thread next gives up Python's lock: in native code."""
    ready = threading.Event()

    def run() -> None:
        ready.wait()
        action()

    thread = threading.Thread(target=run)
    thread.start()
    ready.set()
    return thread


@pytest.fixture
def patient() -> Iterator[None]:
    """A thread keeps Python's lock until it gives it up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(100)
    yield
    sys.setswitchinterval(before)


def test_a_signal_handler_may_call_the_function_it_interrupts(patient):
    f, x, y = wl.jit(formula), numbers(0, 1 << 17), numbers(1, 1 << 17)
    f(x)
    results = []
    before = signal.signal(signal.SIGUSR1, lambda *_: results.append(f(y)))
    try:
        for _ in range(5):
            thread = during_launch(lambda: signal.pthread_kill(MAIN, signal.SIGUSR1))
            assert same(f(x), formula(x))
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(results) == 5 and all(same(r, formula(y)) for r in results)


@pytest.mark.parametrize("n", [1 << 12, 1 << 17], ids=["alone", "on the team"])
def test_ctrl_c_during_a_launch_is_seen_when_it_is_done(patient, n):
    """The donated argument shows that no launch was cut short."""
    f = wl.jit(lambda x: np.sqrt(np.exp(np.sin(np.sqrt(np.exp(np.sin(x)))))), donate_argnums=0)
    x = numbers(0, n)
    want = f(x.copy())
    for _ in range(5):
        given = x.copy()
        thread = during_launch(lambda: signal.pthread_kill(MAIN, signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            f(given)
            thread.join()  # where the launch gave up nothing
        thread.join()
        assert np.array_equal(given, want)
        assert np.array_equal(f(x.copy()), want)
