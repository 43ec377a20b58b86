"""Forks and exits: no child hangs, nobody runs on another's threads, no exit crashes."""

from __future__ import annotations

import pytest

from .process import run


def test_a_fork_before_first_use_has_its_own_team():
    run("""
f = wl.jit(formula)
assert child(lambda: good(f, large) and threading.active_count() == 2) == 0
assert good(f, large)
""")


def test_a_fork_after_use_starts_a_new_team_and_so_do_grandchildren():
    run("""
f = wl.jit(formula)
assert good(f, large) and threading.active_count() == 2
def work():
    alone = threading.active_count() == 1
    well = good(f, large) and threading.active_count() == 2
    return alone and well and child(lambda: good(f, large)) == 0 and good(f, large)
assert child(work) == 0
assert good(f, large)
""")


def test_a_fork_while_another_thread_is_in_a_compiled_function_works():
    run("""
f = wl.jit(formula)
stop = []
def busy():
    while not stop:
        good(f, large)
other = threading.Thread(target=busy)
other.start()
codes = [child(lambda: all(good(f, large) for _ in range(3))) for _ in range(8)]
stop.append(1)
other.join()
assert codes == [0] * 8, codes
""")


def test_a_fork_while_another_thread_compiles_works():
    """It waits for the compiler: its locks and tables would stay as they are for ever."""
    run(
        """
stop, made = [], threading.Event()
def busy():
    for k in range(1000):
        wl.jit(lambda x: eval(" * ".join(f"(np.tanh(x) + {k + j})" for j in range(20))))(small)
        made.set()
        if stop:
            return
other = threading.Thread(target=busy)
other.start()
made.wait()
codes = [child(lambda: good(wl.jit(formula), small + k)) for k in range(6)]
stop.append(1)
other.join()
assert codes == [0] * 6, codes
""",
        WONDERLAND_CACHE="off",
    )


def test_a_fork_while_another_thread_imports_the_compiler_works():
    """It waits for all of it: a child would keep a module that is half there."""
    run("""
begun = threading.Event()
class Slow:
    def find_spec(name, path, target=None):
        if name.endswith(".fuse.fuse"):
            begun.set()
            time.sleep(0.5)
sys.meta_path.insert(0, Slow)
other = threading.Thread(target=lambda: wl.jit(formula)(small))
other.start()
assert begun.wait(20)
code = child(lambda: good(wl.jit(formula), small))
other.join()
assert code == 0, code
""")


def test_a_fork_while_another_thread_traces_the_function_works():
    run("""
inside, go_on = threading.Event(), threading.Event()
def slow(x):
    inside.set()
    go_on.wait()
    return formula(x)
f = wl.jit(slow)
other = threading.Thread(target=lambda: f(small))
other.start()
inside.wait()
def work():
    go_on.set()
    return good(f, small)
assert child(work) == 0
go_on.set()
other.join()
assert good(f, small)
""")


def test_a_fork_while_another_thread_finds_an_attribute_works():
    """Python 3.11's cached attributes hold a lock for all objects of a class."""
    run("""
from wonderland.compiler.ir.lazy import lazy
inside, go_on = threading.Event(), threading.Event()
class Slow:
    @lazy
    def answer(self):
        inside.set()
        go_on.wait()
        return 42
other = threading.Thread(target=lambda: Slow().answer)
other.start()
inside.wait()
def work():
    go_on.set()
    return Slow().answer == 42
assert child(work) == 0
go_on.set()
other.join()
from wonderland.compiler import pipeline
import functools
for name in [name for name in sys.modules if name.startswith("wonderland")]:
    for owner in vars(sys.modules[name]).values():
        ours = isinstance(owner, type) and owner.__module__.startswith("wonderland")
        assert not ours or functools.cached_property not in map(type, vars(owner).values()), owner
""")


def test_the_interpreter_exits_with_sleeping_workers():
    run("""
assert good(wl.jit(formula), large)
team = sys.modules["wonderland.runtime.cpu.executor"].team()
while not team.state.view(np.int64)[128 // 8]:  # asleep
    time.sleep(0.001)
""")


@pytest.mark.parametrize("leaves", ["pass", "sys.exit(0)", "threading.Thread(target=busy).start()"])
def test_the_interpreter_exits_with_running_workers(leaves):
    run(f"""
f = wl.jit(formula)
assert good(f, large)
rounds, deadline = [], 30
def forever():
    while True:
        good(f, large)
        rounds.append(1)
def busy():  # outlives the main thread
    for _ in range(50):
        assert good(f, large)
threading.Thread(target=forever, daemon=True).start()
while len(rounds) < 3:
    time.sleep(0.001)
{leaves}
""")


def test_functions_run_and_compile_after_the_team_was_stopped_at_exit():
    out = run("""
f = wl.jit(formula)
assert good(f, large)
late.append(lambda: print(good(f, large), good(wl.jit(formula), large), threading.active_count()))
""")
    assert out == "True True 1\n"
