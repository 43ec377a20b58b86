"""Programs on disk: a second process runs what the first compiled, whatever befell the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import extend as ex
from wonderland.compiler.ir.digest import graph_hash
from wonderland.compiler.jit import programs
from wonderland.compiler.jit.executable import Executable
from wonderland.runtime.cpu import executor
from wonderland.runtime.native import bundle, objects

RNG = np.random.default_rng(7)
X = RNG.normal(size=(6, 8))
TABLE = RNG.normal(size=(6, 8))
HELD: list[objects.Loaded] = []  # nothing that another process would hold is freed


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder."""
    executor.walker_functions()
    monkeypatch.setattr(programs, "IMPORTED", float("inf"))  # who edits while tests run may
    monkeypatch.setenv("WONDERLAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(objects, "HELD", objects.HELD)
    objects.folder.cache_clear()
    yield tmp_path / "cache"
    objects.folder.cache_clear()


def in_new_process(function: Callable[..., Any], *args: Any, **options: Any) -> Executable:
    """The program as a process would make it that has just started; it has run."""
    objects.HELD = objects.Loaded(threading.RLock(), {}, {}, objects.Statistics())
    HELD.append(objects.HELD)
    made = wl.jit(function, verify=False, **options).compile(*args)
    assert made.program is made.program
    return made


def bits(results: Any) -> list[tuple[str, bytes]]:
    return [(str(x.dtype), x.tobytes()) for x in wl.tree.leaves(results)]


# ---------------------------------------------------------------- what is kept


def attention(x: Any, w: Any) -> Any:
    a = wl.nn.softmax(x @ w @ x.T)
    return a @ x, wl.numpy.argmax(a, axis=1)


def rnn(w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(w @ h + x)
        return h, h

    return np.sum(wl.lax.scan(step, xs[0], xs)[1] ** 2)


def branches(x: Any) -> Any:
    turned = wl.lax.while_loop(lambda s: np.sum(s) < 50, lambda s: s + 1.5, x)
    return wl.lax.cond(x[0, 0] > 0, np.sin, np.cos, turned)


@wl.custom_vjp
def bounded(x: Any) -> Any:
    return x


bounded.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
W = RNG.normal(size=(8, 8))
KEPT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "products": (attention, (X, W)),
    "a gradient of a loop": (wl.value_and_grad(rnn), (W, np.tile(X, (9, 1)))),
    "branches": (branches, (X,)),
    "numpy on the host": (lambda x: np.linalg.svd(x)[1] + np.fft.rfft(x).real.sum(), (X,)),
    "complex": (lambda x: np.exp(1j * x).sum(axis=0), (X,)),
    "constants": (lambda x: x * TABLE + np.sin(TABLE).cumsum(axis=1), (X,)),
    "constants that passes computed": (lambda x: x + wl.numpy.sin(wl.numpy.asarray(TABLE)), (X,)),
    "rules of the user's": (wl.grad(lambda x: np.sum(np.exp(bounded(x)))), (X,)),
    "random": (lambda k: wl.random.normal(k, (100,)), (wl.random.key(3),)),
    "checks": (lambda x: np.where(x > 0, x, 0)[wl.numpy.asarray([0, 2])], (X,)),
    "nothing": (lambda x: (), (X,)),
    "bfloat16": (lambda x: wl.numpy.asarray(x, "bf16") * 2, (X,)),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_one_process_compiled_the_next_runs(name: str, cache: Path):
    function, args = KEPT[name]
    first, second = in_new_process(function, *args), in_new_process(function, *args)
    assert (first.kept is None, second.kept is None) == (True, False)
    assert objects.statistics().compiled == 0
    assert bits(second(*args)) == bits(first(*args))
    assert str(second.program) == str(first.program) == str(second.compiled.program)


def test_a_donated_argument_is_written_over(cache: Path):
    def step(w: Any, x: Any) -> Any:
        return w - 0.1 * x, np.sum(w)

    first = in_new_process(step, X, X, donate_argnums=0)
    second = in_new_process(step, X, X, donate_argnums=0)
    assert second.kept and not first.kept
    given = X.copy()
    moved, _ = second(given, X)
    assert np.shares_memory(moved, given)
    assert bits(moved) == bits(first(X.copy(), X)[0])
    assert not in_new_process(step, X, X).kept  # it is another program


def test_a_program_within_a_budget_is_the_one_that_was_chosen(cache: Path):
    xs = np.tile(X, (40, 1))
    gradient = wl.value_and_grad(rnn)
    budget = int(0.6 * in_new_process(gradient, W, xs).compiled.memory.nbytes)
    first = in_new_process(gradient, W, xs, memory_budget=budget)
    second = in_new_process(gradient, W, xs, memory_budget=budget)
    assert second.kept and second.kept.recomputed.part > 0
    assert second.traced.graph == first.traced.graph
    assert str(second.program) == str(first.program)
    assert second.compiled.memory.nbytes == first.compiled.memory.nbytes <= budget
    assert bits(second(W, xs)) == bits(first(W, xs))
    assert not in_new_process(gradient, W, xs, memory_budget=budget - 64).kept


def test_a_program_of_the_users_own_code_is_compiled_in_every_process(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ex.Op, "registry", {**ex.Op.registry})  # for this test alone

    class Twice(ex.Elementwise):
        """2 x, by an op of the user's."""

        arity = 1
        domain = ex.FLOATS

        def reference(self, *args: Any) -> Any:
            return args[0] + args[0]

        def expression(self, *args: Any) -> Any:
            return ex.scalar("add", args[0], args[0])

    twice = ex.function_of(Twice())

    def calling(x: Any) -> Any:
        return wl.pure_callback(lambda a: a + 1, x, x) * 2

    for function in (calling, lambda x: twice(x) + 1):
        in_new_process(function, X)
        assert in_new_process(function, X).kept is None
    assert not list(cache.glob("*.program"))


def test_what_asks_for_the_passes_has_them(cache: Path, tmp_path: Path):
    in_new_process(np.sin, X)
    assert wl.jit(np.sin, verify=True).compile(X).kept is None
    assert wl.jit(np.sin, verify=False, dump=tmp_path / "texts").compile(X).kept is None
    assert list((tmp_path / "texts").iterdir())
    stages = wl.jit(np.sin, verify=False).inspect(X)
    assert "sin" in stages["fuse"]


# ---------------------------------------------------------------- what decides


def traced(function: Callable[..., Any], *args: Any) -> str | None:
    return graph_hash(wl.trace(function, *args).graph)


def test_a_graph_is_known_by_its_content_alone():
    def one(x: Any) -> Any:
        return np.sin(x) + 1.5

    def other(renamed: Any) -> Any:
        half = 1.5

        result = np.sin(renamed)
        return result + half

    assert traced(one, X) == traced(other, X) is not None
    different = [
        traced(one, X),
        traced(one, X[:5]),
        traced(one, X.astype(np.float32)),
        traced(lambda x: np.sin(x) + 1, X),
        traced(lambda x: np.sin(x) - 1.5, X),
        traced(lambda x: np.cos(x) + 1.5, X),
        traced(lambda x: np.sin(x) + 0.0, X),
        traced(lambda x: np.sin(x) + -0.0, X),
        traced(lambda x, y: np.sin(x) + 1.5, X, X),
        traced(lambda x: (np.sin(x) + 1.5, x), X),
        traced(lambda x: np.sin(x) + TABLE, X),
        traced(lambda x: np.sin(x) + 2 * TABLE, X),
        traced(branches, X),
        traced(lambda x: wl.lax.cond(x[0, 0] > 0, np.sin, np.cos, x), X),
        traced(lambda x: wl.lax.cond(x[0, 0] > 0, np.sin, np.sin, x), X),
    ]
    assert len(set(different)) == len(different)
    assert traced(lambda x: wl.pure_callback(np.sin, x, x), X) is None


def test_a_changed_compiler_runs_no_old_program(cache: Path, monkeypatch: pytest.MonkeyPatch):
    in_new_process(np.sin, X)
    assert in_new_process(np.sin, X).kept
    monkeypatch.setattr(programs, "compiler_state", lambda: "another")
    assert not in_new_process(np.sin, X).kept


def test_an_edit_of_any_source_is_another_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "PACKAGE", tmp_path)
    monkeypatch.setattr(programs, "IMPORTED", float("inf"))
    for room in programs.ROOMS:
        (tmp_path / room / "inner").mkdir(parents=True)
        (tmp_path / room / "inner" / "a.py").write_text("one")
    file = tmp_path / "runtime" / "inner" / "a.py"
    facts, states = file.stat(), {programs.compiler_state()}
    file.write_text("two")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    states.add(programs.compiler_state())
    (file.parent / "b.py").write_text("")
    states.add(programs.compiler_state())
    assert len(states) == 3
    assert programs.compiler_state() in states
    monkeypatch.setattr(programs, "IMPORTED", facts.st_mtime - 1)
    assert programs.compiler_state() is None  # what was imported is not what is there
    monkeypatch.setattr(programs, "PACKAGE", tmp_path / "missing")
    assert programs.compiler_state() is None


# ---------------------------------------------------------------- what befalls files


def damaged(file: Path, change: Callable[[bytes], bytes]) -> None:
    file.write_bytes(change(file.read_bytes()))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut": lambda f: damaged(f, lambda data: data[: len(data) // 2]),
    "empty": lambda f: damaged(f, lambda data: b""),
    "a changed byte": lambda f: damaged(f, lambda data: data[:99] + b"!" + data[100:]),
    "missing": Path.unlink,
    "a folder": lambda f: (f.unlink(), f.mkdir()),
    "a link": lambda f: (f.rename(f.with_suffix(".other")), f.symlink_to(f.with_suffix(".other"))),
    "others may write": lambda f: f.chmod(0o666),
}


@pytest.mark.parametrize("kind", ["program", "object", "text"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_or_gone_is_compiled_again(damage: str, kind: str, cache: Path):
    wanted = in_new_process(np.sin, X)(X)
    for file in cache.glob(f"*.{kind}"):
        DAMAGE[damage](file)
    again = in_new_process(np.sin, X)
    assert again.kept is None
    assert bits(again(X)) == bits(wanted)
    if damage != "a folder":
        assert in_new_process(np.sin, X).kept


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff\n", b"{}\n{}"])
def test_a_whole_file_without_a_program_is_none(text: bytes, cache: Path):
    wanted = in_new_process(np.sin, X)(X)
    for file in cache.glob("*.program"):
        objects.write(file.name, text)
    again = in_new_process(np.sin, X)
    assert again.kept is None
    assert bits(again(X)) == bits(wanted)


def test_a_whole_file_in_the_place_of_another_is_none(cache: Path):
    wanted = in_new_process(np.sin, X)(X)
    (sine,) = cache.glob("*.program")
    in_new_process(np.cos, X)
    (cosine,) = {*cache.glob("*.program")} - {sine}
    cosine.replace(sine)
    again = in_new_process(np.sin, X)
    assert again.kept is None
    assert bits(again(X)) == bits(wanted)


@pytest.mark.parametrize("change", [(b"svd(", b"svx("), (b"f64[6, 8]", b"f64[6, 9]")])
def test_a_row_that_cannot_be_read_is_compiled_again(change: tuple[bytes, bytes], cache: Path):
    in_new_process(lambda x: np.linalg.svd(x)[1], X)
    (file,) = cache.glob("*.program")
    data = objects.read(file.name) or b""
    objects.write(file.name, data.replace(*change))
    assert change[0] in data
    assert not in_new_process(lambda x: np.linalg.svd(x)[1], X).kept


def test_a_folder_that_cannot_be_written_is_none(cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*args: Any, **options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(objects.tempfile, "mkstemp", full)
    first, second = in_new_process(np.sin, X), in_new_process(np.sin, X)
    assert not second.kept and bits(first(X)) == bits(second(X))


def test_programs_are_trimmed_with_machine_code(cache: Path, monkeypatch: pytest.MonkeyPatch):
    in_new_process(np.sin, X)
    monkeypatch.setenv("WONDERLAND_CACHE_SIZE", "1")
    in_new_process(np.cos, X)  # the first that a process compiles trims
    assert len(list(cache.glob("*.program"))) == 1
    assert in_new_process(np.cos, X).kept
    assert not in_new_process(np.sin, X).kept


# ---------------------------------------------------------------- saved programs


def steps(w: Any, x: Any) -> Any:
    return w - 0.1 * x, np.sum(np.tanh(w) @ x.T) * TABLE


@pytest.fixture
def saved(cache: Path, tmp_path: Path) -> Path:
    """A program in a file, and nowhere else."""
    save(in_new_process(steps, X, X, donate_argnums=0), tmp_path / "steps")
    gone(cache)
    return tmp_path / "steps"


def save(program: Executable, path: Path) -> None:
    with wl.verify(False):
        program.save(path)


def gone(cache: Path) -> None:
    for file in cache.iterdir():
        if file.name != "secret":
            file.unlink()


def loaded(path: Path, **options: Any) -> Executable:
    """As a new process would load it; its results are right, to the bit."""
    objects.HELD = objects.Loaded(threading.RLock(), {}, {}, objects.Statistics())
    HELD.append(objects.HELD)
    with wl.verify(False):
        made = wl.load(path, **options)
    given = X.copy()
    results = made(given, X)
    assert np.shares_memory(results[0], given)
    assert bits(results) == bits(wl.jit(steps, donate_argnums=0)(X.copy(), X))
    return made


def changed_file(path: Path, change: Callable[[bytes], bytes | None]) -> None:
    """The file with another program in it."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    program = change(entries.pop("program"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in entries.items() if program is None else (
            *entries.items(), ("program", program)
        ):
            file.writestr(name, content)


def test_a_saved_program_is_loaded_without_passes(saved: Path, cache: Path):
    made = loaded(saved)
    assert made.kept and objects.statistics().compiled == 0
    assert str(made.program) == str(made.compiled.program)
    again = cache.parent / "again"
    save(made, again)
    gone(cache)
    assert loaded(again).kept


def test_a_program_that_this_user_did_not_sign_is_compiled(
    saved: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    (cache / "secret").unlink()
    assert not loaded(saved).kept
    save(in_new_process(np.sin, X), saved.with_name("other"))  # makes another secret
    gone(cache)
    assert not loaded(saved).kept
    gone(cache)
    (cache / "secret").chmod(0o644)
    assert not loaded(saved).kept
    monkeypatch.setenv("WONDERLAND_CACHE", "off")
    objects.folder.cache_clear()
    save(in_new_process(steps, X, X, donate_argnums=0), saved)
    assert not loaded(saved).kept
    with zipfile.ZipFile(saved) as file:
        assert "program" not in file.namelist()


@pytest.mark.parametrize("place", [0, 31, 32, 60, -1])
def test_a_program_with_a_changed_byte_is_compiled(place: int, saved: Path):
    def change(data: bytes) -> bytes:
        found = bytearray(data)
        found[place] ^= 1
        return bytes(found)

    changed_file(saved, change)
    assert not loaded(saved).kept


def test_a_program_that_is_cut_empty_or_damaged_on_the_disk_is_compiled(saved: Path, cache: Path):
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as file:
        start = file.getinfo("program").header_offset
    for change in (lambda data: data[:-9], lambda data: b"", lambda data: None):
        saved.write_bytes(whole)
        changed_file(saved, change)
        assert not loaded(saved).kept
        gone(cache)
    saved.write_bytes(whole[: start + 500] + b"!!" + whole[start + 502 :])
    assert not loaded(saved).kept
    gone(cache)
    saved.write_bytes(whole)
    assert loaded(saved).kept


def test_the_program_of_another_graph_is_not_taken(saved: Path, cache: Path):
    other = saved.with_name("other")
    save(in_new_process(lambda w, x: (w + 0.1 * x, np.sum(w)), X, X, donate_argnums=0), other)
    gone(cache)
    with zipfile.ZipFile(other) as file:
        theirs = file.read("program")
    changed_file(saved, lambda data: theirs)
    assert not loaded(saved).kept


def test_a_program_of_another_compiler_or_machine_is_compiled(
    saved: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "machine", lambda: ("another",))
    assert not loaded(saved).kept
    gone(cache)
    monkeypatch.setattr(programs, "compiler_state", lambda: "another")
    assert not loaded(saved).kept


def test_a_file_of_the_first_format_is_loaded(saved: Path):
    with zipfile.ZipFile(saved) as file:
        entries = {name: file.read(name) for name in file.namelist() if name != "program"}
    head = json.loads(entries.pop("wonderland.json")) | {"format": 1}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_STORED) as file:
        file.writestr("wonderland.json", json.dumps(head))
        for name, content in entries.items():
            file.writestr(name, content)
    assert not loaded(saved).kept


def test_processes_that_make_a_secret_at_once_agree(cache: Path):
    made: list[bytes | None] = []
    together = threading.Barrier(4)

    def one() -> None:
        together.wait()
        made.append(bundle.with_signature(b"data"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1 and made[0] and bundle.signed_content(made[0]) == b"data"
    assert (cache / "secret").stat().st_mode & 0o777 == 0o600
    assert [f.name for f in cache.iterdir()] == ["secret"]


# ---------------------------------------------------------------- processes

SCRIPT = """
import sys, hashlib, numpy as np, wonderland as wl
from wonderland.runtime.native import objects

def loss(w, x):
    return np.mean(np.tanh(x @ w) ** 2)

w, x = np.linspace(-1, 1, 64).reshape(8, 8), np.linspace(0, 1, 80).reshape(10, 8)
value, slope = wl.jit(wl.value_and_grad(loss))(w, x)
loaded = [m for m in ("numba", "networkx", "wonderland.compiler.pipeline") if m in sys.modules]
print(float(value).hex(), hashlib.sha256(slope).hexdigest(), objects.statistics().compiled, loaded)
"""


def test_a_second_process_imports_no_pass(tmp_path: Path):
    more = {"WONDERLAND_CACHE": str(tmp_path), "WONDERLAND_VERIFY": "0"}
    more["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    runs = [
        subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | more, text=True,
                       capture_output=True, check=True).stdout.split(maxsplit=3)
        for _ in range(2)
    ]  # fmt: skip
    first, second = runs
    assert first[:2] == second[:2]
    assert second[2:] == ["0", "[]\n"]
    assert "pipeline" in first[3]
