"""Whatever befalls the folder of machine code, functions compile and give the right numbers."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import wonderland as wl
from wonderland.runtime.cpu import executor
from wonderland.runtime.native import cache_size, objects

from .process import PRELUDE, ROOT, run

X = np.arange(30.0)
KEPT: list[objects.Loaded] = []  # nothing that another process would hold is freed


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder for machine code that does not exist yet."""
    executor.walker_functions()  # the runtime's own is not part of these tests
    folder = tmp_path / "made" / "here"
    monkeypatch.setenv("WONDERLAND_CACHE", str(folder))
    monkeypatch.setattr(objects, "HELD", objects.HELD)
    objects.folder.cache_clear()
    yield folder
    objects.folder.cache_clear()


def compiled(factor: float = 1.0) -> tuple[int, int]:
    """Functions compiled and loaded by what a new process would do, which must work."""
    objects.HELD = objects.Loaded(threading.RLock(), {}, {}, objects.Statistics())
    KEPT.append(objects.HELD)
    got = wl.jit(lambda x: (x * factor + 1, x.reshape(5, 6).max(axis=1)))(X)
    assert np.array_equal(got[0], X * factor + 1) and np.array_equal(got[1], X[5::6])
    made = objects.statistics()
    return made.compiled, made.loaded


FRESH, FOUND = (2, 0), (0, 2)


def parts(folder: Path) -> list[str]:
    """Files that are neither entries nor objects."""
    return [f.name for f in folder.iterdir() if f.suffix not in (".text", ".object")]


def test_what_one_process_compiled_the_next_loads(cache):
    assert compiled() == FRESH
    assert compiled() == FOUND


def test_the_cache_is_its_users_own(cache):
    before = os.umask(0)
    try:
        assert compiled() == FRESH
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o777 for f in cache.iterdir()} == {0o600}


# ---------------------------------------------------------------- damage


def sealed(data: bytes) -> bytes:
    """A file that is whole, whatever its content."""
    return hashlib.sha256(data).digest() + data


def entry(file: Path) -> dict[str, object]:
    return json.loads(file.read_bytes()[32:])


def flip(at: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[at] ^= 16
        file.write_bytes(content)

    return damage


def cut(size: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        os.truncate(file, size if size >= 0 else file.stat().st_size + size)

    return damage


def becomes(data: bytes) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        file.write_bytes(sealed(data))

    return damage


def holds(**changes: object) -> Callable[[Path], None]:
    return lambda file: becomes(json.dumps({**entry(file), **changes}).encode())(file)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def linked(file: Path) -> None:
    elsewhere = file.parent.parent / file.name
    file.rename(elsewhere)
    file.symlink_to(elsewhere)


def writable(file: Path) -> None:
    file.chmod(0o622)


ANY = {
    "empty": cut(0), "half a hash": cut(16), "no content": cut(32), "short": cut(-1),
    "a bit of the hash": flip(3), "a bit of the content": flip(-3), "missing": Path.unlink,
    "a pipe": pipe, "a link": linked, "writable by others": writable,
}  # fmt: skip
ENTRIES = {
    "null": becomes(b"null"), "a list": becomes(b"[1]"), "no JSON": becomes(b"{"),
    "no text": becomes(b"\xff\xfe"), "nothing in it": becomes(b"{}"), "deep": becomes(b"[" * 10**5),
    "unknown function": holds(functions=["nothing"]), "no function": holds(functions=[]),
    "numbers": holds(functions=[1]), "a word": holds(functions="x"),
    "a path": holds(object="../" * 9 + "etc/passwd"), "a zero": holds(object="a\0b"),
    "unknown object": holds(object="0" * 64), "no object": holds(object=None),
}  # fmt: skip
OBJECTS = {"no code": becomes(b"nonsense" * 99), "nothing": becomes(b"")}
DAMAGE = [
    *((".text", name, damage) for name, damage in {**ANY, **ENTRIES}.items()),
    *((".object", name, damage) for name, damage in {**ANY, **OBJECTS}.items()),
]


@pytest.mark.parametrize(
    ("suffix", "name", "damage"), DAMAGE, ids=lambda x: x if isinstance(x, str) else ""
)
def test_damaged_files_are_compiled_again(cache, suffix, name, damage):
    compiled()
    for file in list(cache.glob(f"*{suffix}")):
        damage(file)
    assert compiled() == FRESH
    assert compiled() == FOUND, "the damage was not repaired"


def test_entries_that_are_another_texts_are_compiled_again(cache):
    compiled()
    compiled(2.0)
    files = sorted(cache.glob("*.text"))
    contents = [f.read_bytes() for f in files]
    for file, content in zip(files, contents[1:] + contents[:1], strict=True):
        file.write_bytes(content)
    assert compiled()[0] > 0
    assert compiled() == FOUND


def test_a_folder_in_the_place_of_an_entry_is_left_alone(cache):
    compiled()
    for file in list(cache.glob("*.text")):
        file.unlink()
        file.mkdir()
    assert compiled() == compiled() == FRESH
    assert parts(cache) == []


def test_files_of_another_user_are_not_loaded(cache, monkeypatch):
    compiled()
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)  # as if all of it were another's
    assert compiled() == FRESH
    objects.folder.cache_clear()
    assert objects.folder() is None


def test_a_cache_that_is_a_link_or_that_others_may_write_is_not_used(cache, tmp_path, monkeypatch):
    real, link, shared = tmp_path / "real", tmp_path / "link", tmp_path / "shared"
    real.mkdir(0o700)
    link.symlink_to(real)
    shared.mkdir()
    shared.chmod(0o770)
    for folder in (link, shared):
        monkeypatch.setenv("WONDERLAND_CACHE", str(folder))
        objects.folder.cache_clear()
        assert compiled() == compiled() == FRESH
        assert not list(folder.iterdir())


# ---------------------------------------------------------------- no room, no leave


def refuse(number: int) -> Callable[..., object]:
    def refused(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return refused


def full(cache: Path) -> Callable[..., tuple[int, str]]:
    """Files that open, and to which the system then has no room to write."""

    def make(*_: object, **__: object) -> tuple[int, str]:
        place = cache / "full.part"
        place.touch()
        return os.open("/dev/full", os.O_WRONLY), str(place)

    return make


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a full device")
def test_a_full_disk_costs_only_the_cache(cache, monkeypatch):
    cache.mkdir(0o700, parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkstemp", full(cache))
        assert compiled() == compiled() == FRESH
    assert list(cache.iterdir()) == []
    assert compiled() == FRESH and compiled() == FOUND


@pytest.mark.parametrize(
    ("module", "name", "number"),
    [
        (tempfile, "mkstemp", errno.ENOSPC),
        (tempfile, "mkstemp", errno.EROFS),
        (os, "replace", errno.EACCES),
    ],
    ids=["full", "read-only", "not ours"],
)  # fmt: skip
def test_a_folder_that_takes_no_files_costs_only_the_cache(
    cache, monkeypatch, module, name, number
):
    cache.mkdir(0o700, parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(module, name, refuse(number))
        assert compiled() == compiled() == FRESH
    assert list(cache.iterdir()) == []


def test_a_read_only_missing_or_impossible_folder_costs_only_the_cache(
    cache, tmp_path, monkeypatch
):
    file = tmp_path / "file"
    file.touch()
    for folder in (
        f"/proc/{os.getpid()}",
        str(file),
        str(file / "below"),
        "/proc/none/such",
        "\0"[:0],
    ):
        monkeypatch.setenv("WONDERLAND_CACHE", folder)
        objects.folder.cache_clear()
        assert compiled() == compiled() == FRESH


def test_a_user_without_a_home_compiles(cache, monkeypatch):
    monkeypatch.delenv("WONDERLAND_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)  # nobody has this number
    objects.folder.cache_clear()
    assert compiled() == compiled() == FRESH


def test_a_folder_that_vanishes_costs_only_the_cache(cache):
    compiled()
    for file in cache.iterdir():
        file.unlink()
    cache.rmdir()
    assert compiled() == compiled() == FRESH


def test_a_relative_folder_is_the_one_where_the_process_began(cache, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WONDERLAND_CACHE", "relative")
    objects.folder.cache_clear()
    assert compiled() == FRESH
    monkeypatch.chdir(tmp_path / "other")
    assert compiled() == FOUND


# ---------------------------------------------------------------- size


def taken(folder: Path) -> int:
    return sum(512 * f.lstat().st_blocks for f in folder.iterdir())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """The folder has room for a few programs, and is trimmed whenever something is compiled."""
    monkeypatch.setattr(objects, "WRITES", 1)
    monkeypatch.setenv("WONDERLAND_CACHE_SIZE", "100 kB")
    return 100_000


def test_the_folder_stays_within_its_size_and_keeps_what_is_new(cache, small):
    other(0)
    one = taken(cache)
    for k in range(1, 20):
        other(k)
        assert taken(cache) <= small + one
    other(19)
    assert objects.statistics().loaded == 1
    other(0)
    assert objects.statistics().compiled == 1


def other(k: int) -> None:
    objects.HELD = objects.Loaded(threading.RLock(), {}, {}, objects.Statistics())
    KEPT.append(objects.HELD)
    found = objects.functions(f"def f(x):\n    return x * {k} + {k}", {}, "size")
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["f"])(3) == 4 * k


def test_what_is_used_is_not_what_goes(cache, small):
    other(0)
    (kept,) = cache.glob("*.text")
    for k in range(1, 30):
        for file in cache.iterdir():  # all is older than it is
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 7200))
        other(0)
        assert objects.statistics().loaded == 1, k
        other(k)
    assert kept.exists() and taken(cache) <= 1.2 * small
    other(1)
    assert objects.statistics().compiled == 1  # it went long ago


def test_only_files_of_the_cache_go_oldest_first(tmp_path):
    for k in range(8):
        (tmp_path / f"{k}.object").write_bytes(bytes(5000))
        os.utime(tmp_path / f"{k}.object", (0, 1000 + k))
    (tmp_path / "notes").write_bytes(bytes(50_000))
    (tmp_path / "folder.object").mkdir()
    (tmp_path / "link.text").symlink_to(tmp_path / "notes")
    cache_size.trim(tmp_path, 8 * 8192)
    assert len(list(tmp_path.iterdir())) == 11
    cache_size.trim(tmp_path, 5 * 8192)
    names = sorted(f.name for f in tmp_path.iterdir())
    assert names == ["5.object", "6.object", "7.object", "folder.object", "link.text", "notes"]


@pytest.mark.parametrize(
    ("text", "nbytes"), [("5000", 5000), ("1.5GB", 1_500_000_000), ("2 MiB", 2 << 20), ("0", 0)]
)
def test_the_size_is_a_number_of_bytes(monkeypatch, text, nbytes):
    monkeypatch.setenv("WONDERLAND_CACHE_SIZE", text)
    assert cache_size.limit() == nbytes


def test_a_size_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setenv("WONDERLAND_CACHE_SIZE", "much")
    with pytest.raises(ValueError, match="WONDERLAND_CACHE_SIZE: bytes or '500MB' is required"):
        cache_size.limit()


def test_processes_that_trim_at_once_give_the_right_numbers(cache):
    script = (
        PRELUDE
        + """
import ctypes
from wonderland.runtime.native import objects
objects.WRITES, objects.UNHELD_BYTES = 1, 0
sys.stdin.readline()
call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
for k in [*range(12), *range(12)]:
    found = objects.functions(f"def f(x):\\n    return x * {k} + {k}", {}, "size")
    assert call(found["f"])(3) == 4 * k
"""
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "WONDERLAND_CACHE": str(cache),
                   "WONDERLAND_CACHE_SIZE": "40kB"}  # fmt: skip
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, text=True,
                         stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    said = [p.communicate("\n", timeout=60) for p in started]
    assert [p.returncode for p in started] == [0, 0], said
    assert taken(cache) <= 40_000 + 2 * 3 * 8192
    assert parts(cache) == []


# ---------------------------------------------------------------- killed, crowded


def test_kill_9_at_any_step_of_writing_leaves_a_cache_that_works(cache):
    """An object and the entries of two texts; each is written in two steps, renamed in a third."""
    run("""
from wonderland.runtime.cpu import executor
from wonderland.runtime.native import objects
f = lambda x: (x + 1, x.reshape(6, 10).sum(axis=1))
class InSteps:
    def __init__(self, file):
        self.file = file
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def write(self, data):
        for part in data[:50], data[50:]:
            step()
            self.file.write(part)
            self.file.flush()
def step():
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
def renamed(*places, replace=os.replace):
    step()
    replace(*places)
os.replace = renamed
objects.open = lambda at, mode: InSteps(open(at, mode)) if mode == "wb" else open(at, mode)
def work(killed_at, at_most):
    global last, steps
    last, steps = killed_at, 0
    kept.append(objects.HELD)
    objects.HELD = objects.Loaded(threading.RLock(), {}, {}, objects.Statistics())
    well = all(np.array_equal(a, b) for a, b in zip(wl.jit(f)(small), f(small)))
    return well and objects.statistics().compiled <= at_most
last, steps, kept = 0, 0, []
wl.jit(lambda x: x * 3)(small)  # from here on only what is new is compiled
for at in range(1, 10):
    for file in objects.folder().iterdir():
        file.unlink()
    assert child(lambda: work(at, 2)) == -signal.SIGKILL, at
    assert child(lambda: work(0, 2)) == 0, at
    assert child(lambda: work(0, 0)) == 0, at
assert child(lambda: work(10, 2)) == 0
""")


def test_what_a_killed_writer_left_is_removed_when_it_is_old(cache):
    compiled()
    old, new = cache / "old.part", cache / "new.part"
    for file in (old, new):
        file.touch()
    os.utime(old, (0, 0))
    compiled(3.0)
    assert parts(cache) == ["new.part"]


def test_two_processes_that_write_at_once_leave_a_cache_that_works(cache):
    script = (
        PRELUDE
        + """
from wonderland.runtime.native import objects
objects.native  # imported before the start
sys.stdin.readline()
for k in range(2):
    assert good(wl.jit(lambda x: formula(x + k) if k else formula(x)), small) or k
print(objects.statistics().compiled + objects.statistics().loaded)
"""
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "WONDERLAND_CACHE": str(cache)}
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    for p in started:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    said = [p.communicate(timeout=60) for p in started]
    assert [p.returncode for p in started] == [0, 0], said
    assert said[0] == said[1]
    assert parts(cache) == []
    third = subprocess.run(
        [sys.executable, "-c", script + "assert not objects.statistics().compiled"],
        env=environment, input="\n", text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert third.returncode == 0, third.stderr
