"""What is compiled once is found again, in this process and the next, whatever befell the disk."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wonderland.runtime import native, objects

PROGRAM = """
import ctypes, sys
from wonderland.runtime import native, objects
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


def test_a_second_process_compiles_nothing_and_does_without_numba(tmp_path):
    assert second_process(tmp_path) == "2 0 True"
    assert second_process(tmp_path) == "0 2 False"


def test_damaged_and_missing_files_are_compiled_again(tmp_path):
    second_process(tmp_path)
    for suffix in (".text", ".object"):
        for file in tmp_path.glob(f"*{suffix}"):
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)
        assert second_process(tmp_path) == "2 0 True"
        assert second_process(tmp_path) == "0 2 False"
        for file in tmp_path.glob(f"*{suffix}"):
            file.unlink()
        assert second_process(tmp_path) == "2 0 True"


def test_a_cache_that_cannot_be_written_or_that_others_may_write_is_not_used(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert second_process(blocked) == "2 0 True"
    assert second_process("off") == "2 0 True"
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert second_process(shared) == "2 0 True"
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


def test_code_that_llvm_refuses_is_an_error_that_shows_the_text():
    def broken(e, x):
        f = e.declare("llvm.smax.i64", native.LLVM_I64, [native.LLVM_I64])  # it takes two operands
        return native.Value(native.I64, e.builder.call(f, [x.llvm]))

    with pytest.raises(objects.CompilerError, match=r"llvm.smax[\s\S]*def bad"):
        objects.functions("def bad(x):\n    return broken(x)", {"broken": broken}, "broken")
