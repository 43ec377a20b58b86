"""Errors and Ctrl-C before a function runs leave it, and the process, as they were."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import wonderland as wl
from wonderland.runtime.cpu import executor

from .process import run

X = np.arange(12.0)


def test_an_error_while_tracing_is_the_users_and_the_next_call_starts_afresh():
    faults: list[type[BaseException]] = [ValueError, KeyboardInterrupt, SystemExit]

    def f(x):
        y = 2 * x
        if faults:
            raise faults[0]("the user's")
        return y + 1

    compiled = wl.jit(f)
    while faults:
        with pytest.raises(faults[0], match="the user's"):
            compiled(X)
        assert not compiled.entries
        del faults[0]
    assert np.array_equal(compiled(X), 2 * X + 1)


def test_an_error_inside_a_nested_trace_leaves_no_trace_open():
    def inner(x):
        raise KeyboardInterrupt

    for outer in (wl.jit(wl.grad(lambda x: inner(x))), wl.grad(wl.jit(inner))):
        with pytest.raises(KeyboardInterrupt):
            outer(X)
        assert np.array_equal(wl.jit(lambda x: x + 1)(X), X + 1)


def test_refused_arguments_leave_the_function_usable():
    f = wl.jit(lambda x, y: x @ y)
    want = f(X, X)
    for bad in ("text", np.zeros(5), None, np.zeros(3, "M8[s]"), {}):
        with pytest.raises((TypeError, ValueError)):
            f(X, bad)
        assert f(X, X) == want


def test_results_too_large_for_the_system_are_a_memory_error():
    def f(x):
        return np.broadcast_to(x, (1 << 30, 1 << 20)) * 1

    compiled = wl.jit(f)
    for _ in range(3):
        with pytest.raises(MemoryError, match=f"^{8 << 50} bytes of memory are required"):
            compiled(X[0])


def test_a_team_whose_start_is_interrupted_ends_its_threads(monkeypatch):
    """A worker that is left would wait on memory that somebody else gets."""
    start, started = threading.Thread.start, []

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    with executor.threads(3):
        f = wl.jit(lambda x: np.tanh(x) * 2)
        x = np.ones(1 << 17)
        _ = f.compile(x).program, executor.walker_functions()  # nothing else starts threads
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                f(x)
        gc.collect()
        assert len(started) == 1
        started[0].join(10)
        assert not started[0].is_alive()
        assert f(x)[5] == np.float64(2) * f(x)[5] / 2


INTERRUPTED_IMPORT = """
class Interrupting:
    \"\"\"Finds no module, but Ctrl-C arrives while one is looked for.\"\"\"
    def find_spec(self, name, *_):
        if name in names:
            names.remove(name)
            signal.raise_signal(signal.SIGINT)
names = {names!r}
sys.meta_path.insert(0, Interrupting())
f = wl.jit(formula)
interrupted = 0
for _ in range(3):
    try:
        assert good(f, small)
        break
    except KeyboardInterrupt:
        interrupted += 1
assert interrupted and not names, (interrupted, names)
assert good(f, small)
"""


@pytest.mark.parametrize(
    "names",
    [["wonderland.compiler.fuse.fuse"], ["llvmlite.ir", "llvmlite.binding.targets"]],
    ids=lambda names: names[0],
)  # fmt: skip
def test_ctrl_c_while_a_package_is_imported_breaks_nothing(names):
    run(INTERRUPTED_IMPORT.format(names=names), WONDERLAND_CACHE="off")


def test_ctrl_c_at_any_moment_of_the_first_call_breaks_nothing():
    """Seeded moments of the processor's time: what is hit differs, what follows may not.

    Python drops what is raised in a finalizer or a callback of C, and says so by its hook.
    """
    run(
        """
def interrupt(*_):
    raise KeyboardInterrupt
dropped = []
sys.unraisablehook = lambda said: dropped.append(said.exc_type)
signal.signal(signal.SIGPROF, interrupt)
rng, hits = np.random.default_rng(0), 0
for k in range(12):
    f = wl.jit(lambda x: formula(np.abs(x * (k + 1)) if k % 2 else x + k))
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, 0.02 + 0.1 * rng.random())
            f(small)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except KeyboardInterrupt:
        hits += 1
    want = small * (k + 1) if k % 2 else small + k
    assert all(np.array_equal(a, b) for a, b in zip(f(small), formula(want)))
assert hits > 0 and set(dropped) <= {KeyboardInterrupt}, (hits, dropped)
""",
        WONDERLAND_CACHE="off",
    )
