"""What is compiled once is found again, in this process and the next, whatever befell the disk."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wonderland import CompilerError
from wonderland.runtime.native import language as native
from wonderland.runtime.native import objects

PROGRAM = """
import ctypes, sys
from wonderland.runtime.native import language as native, objects
texts = {"f": "def f(x):\\n    return x + 1", "g": "def g(x):\\n    return x * 3"}
found = objects.addresses(texts, native.MEMORY, "test")
call = lambda address, x: ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(x)
assert (call(found["f"], 4), call(found["g"], 5)) == (5, 15)
s = objects.statistics()
print(s.compiled, s.loaded, "numba" in sys.modules)
"""


def second_process(cache: Path | str) -> str:
    """What a fresh process prints: functions compiled and loaded, and whether it imported Numba."""
    environment = os.environ | {
        "WONDERLAND_CACHE": str(cache),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def called(address: int, *args: int) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(args))(address)(*args)


def test_a_second_process_compiles_nothing_and_neither_imports_numba(tmp_path):
    assert second_process(tmp_path) == "2 0 False"
    assert second_process(tmp_path) == "0 2 False"


def test_damaged_and_missing_files_are_compiled_again(tmp_path):
    second_process(tmp_path)
    for suffix in (".text", ".object"):
        for file in tmp_path.glob(f"*{suffix}"):
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)
        assert second_process(tmp_path) == "2 0 False"
        assert second_process(tmp_path) == "0 2 False"
        for file in tmp_path.glob(f"*{suffix}"):
            file.unlink()
        assert second_process(tmp_path) == "2 0 False"


def test_a_cache_that_cannot_be_written_or_that_others_may_write_is_not_used(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert second_process(blocked) == "2 0 False"
    assert second_process("off") == "2 0 False"
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert second_process(shared) == "2 0 False"
    assert not list(shared.iterdir())


def test_the_key_of_the_words_is_part_of_the_content():
    def doubled(e, x):
        return x.kind.binary(e, "*", x, 2)

    def tripled(e, x):
        return x.kind.binary(e, "*", x, 3)

    text = "def h(x):\n    return times(x)"
    two = objects.functions(text, {"times": doubled}, "two")["h"]
    three = objects.functions(text, {"times": tripled}, "three")["h"]
    assert (called(two, 5), called(three, 5)) == (10, 15)
    assert objects.functions(text, {"times": doubled}, "two")["h"] == two


def test_functions_of_one_text_call_each_other():
    text = "def inner(x):\n    return x + 1\n\ndef outer(x):\n    return inner(x) * inner(0)"
    found = objects.functions(text, {}, "calls")
    assert list(found) == ["inner", "outer"]
    assert called(found["outer"], 6) == 7


def test_an_equal_text_is_compiled_once_under_any_name():
    before = objects.statistics()
    text = "def twice(x):\n    return x + x"
    found = objects.addresses({"a": text, "b": text}, {}, "equal")
    assert found["a"] == found["b"]
    after = objects.statistics()
    assert after.compiled + after.loaded == before.compiled + before.loaded + 1


def test_what_is_wanted_soon_is_compiled_beside_and_not_alone(monkeypatch: pytest.MonkeyPatch):
    def compiled() -> int:
        return objects.statistics().compiled

    monkeypatch.setattr(objects, "folder", lambda: None)
    soon: list[objects.Source] = [("def soon(x):\n    return x + 3", {}, "soon")]
    text, before = "def now(x):\n    return x + 2", compiled()
    objects.addresses({"now": text}, {}, "now", soon)
    assert compiled() == before + 2
    assert called(objects.functions(*soon[0])["soon"], 4) == 7
    assert compiled() == before + 2
    objects.addresses({"now": text}, {}, "now", [("def never(x):\n    return x", {}, "soon")])
    assert compiled() == before + 2


def test_code_that_llvm_refuses_is_an_error_that_shows_the_text():
    def broken(e, x):
        f = e.declare("llvm.smax.i64", native.LLVM_I64, [native.LLVM_I64])  # it takes two operands
        return native.NativeValue(native.I64, e.builder.call(f, [x.llvm]))

    with pytest.raises(CompilerError, match=r"llvm.smax[\s\S]*please report[\s\S]*def bad"):
        objects.functions("def bad(x):\n    return broken(x)", {"broken": broken}, "broken")


# ---------------------------------------------------------------- memory


@pytest.fixture
def none_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody holds is freed when code is next asked for."""
    monkeypatch.setattr(objects, "UNHELD_BYTES", 0)


def made(number: int, kind: str = "memory") -> dict[str, int]:
    return objects.functions(f"def add(x):\n    return x + {number}", {}, kind)


def test_code_is_freed_when_nobody_has_its_address(none_kept: None):
    held = [made(k) for k in range(3)]
    before = len(objects.HELD.objects), len(objects.HELD.addresses)  # an object may have many texts
    for k in range(3, 63):
        assert called(made(k)["add"], 1) == k + 1
    assert len(objects.HELD.objects) <= before[0] + 1
    assert len(objects.HELD.addresses) <= before[1] + 1
    assert [called(f["add"], 1) for f in held] == [1, 2, 3]


def test_code_of_a_text_lives_as_long_as_another_text_of_its_object(none_kept: None):
    texts = {n: f"def {n}(x):\n    return x * {k}" for k, n in enumerate(("one", "two"), 7)}
    both = objects.addresses(texts, {}, "together")
    number = both.pop("one")
    del both
    made(1000)
    assert called(number, 3) == 21
    again = objects.addresses({"two": texts["two"]}, {}, "together")["two"]
    assert called(again, 3) == 24


def test_code_that_was_let_go_last_is_kept_for_who_asks_again(monkeypatch: pytest.MonkeyPatch):
    kept = 4 * objects.LOADED_BYTES + (4 << 14)
    monkeypatch.setattr(objects, "UNHELD_BYTES", kept)
    long_held = made(100)
    for k in range(101, 130):
        made(k)
    del long_held
    made(130)
    before = objects.statistics()
    assert called(made(100)["add"], 1) == 101
    assert objects.statistics() == before
    assert sum(objects.HELD.objects[n].nbytes for n in objects.HELD.unheld) <= kept


def test_programs_hold_their_code_and_let_it_go(none_kept: None):
    import wonderland as wl

    def compiled(k: int) -> Any:
        return wl.jit(lambda x: np.tanh(x) * k + np.sin(x - k if k % 2 else x)).compile(x)

    x = np.ones(10)
    kept = [compiled(k) for k in (1, 2)]
    wanted = [program(x) for program in kept]
    bound = compiled(3).bind(x)
    before = len(objects.HELD.objects)
    for k in range(4, 64):
        compiled(k)(x)
    assert len(objects.HELD.objects) <= before + 1
    for program, result in zip(kept, wanted, strict=True):
        np.testing.assert_array_equal(program(x), result)
    np.testing.assert_allclose(bound(), np.tanh(x) * 3 + np.sin(x - 3))


def test_code_in_use_by_a_thread_outlives_its_program(none_kept: None):
    """Programs are dropped by one thread while others call them, and made all the time."""
    import wonderland as wl

    x, wrong = np.ones(50_000), []
    current = [wl.jit(lambda x: x * 2.0)]

    def call() -> None:
        for _ in range(200):
            function = current[0]
            y = function(x)
            if not (y == y[0]).all() or y[0] not in (2.0, *range(3, 20)):
                wrong.append(y[0])

    workers = [threading.Thread(target=call) for _ in range(3)]
    for worker in workers:
        worker.start()
    for k in range(3, 20):
        current[0] = wl.jit(lambda x, k=k: np.where(x > 0, x * float(k), x - 1))
    for worker in workers:
        worker.join()
    assert wrong == []
