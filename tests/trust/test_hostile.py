"""Files and texts of strangers: the right program or a ProgramError, in little memory and time.

Every case runs in a forked child whose address space and processor time the system bounds, so that
what takes more than it may dies there, and the case is named.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import resource
import signal
import struct
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ml_dtypes  # pyright: ignore[reportMissingImports]
import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.graph import Op
from wonderland.compiler.ir.text import parse
from wonderland.compiler.kernel import KernelError, parse_kernel

ROOM = 256 << 20  # bytes that a child may take beside what its parent has
SECONDS = 20  # of the processor, for all the cases of a child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are bounded by forking")


def bounded(work: Callable[[], Any], room: int = ROOM) -> str:
    """What `work` says in a child with so much room; what went wrong, if it died or raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            with open("/proc/self/statm") as file:
                mine = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mine + room, mine + room))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            said = str(work())
            code = 0
        except BaseException:
            said = traceback.format_exc()
        os.write(writer, said.encode("utf-8", "replace")[-4000:])
        os._exit(code)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    name = signal.Signals(-code).name if code < 0 else str(code)
    assert code == 0, f"the child ended with {name}\n{said}"
    return said


def resident() -> int:
    """The most bytes of memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# ---------------------------------------------------------------- programs and their files

TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)
HALVES = np.ones(4, ml_dtypes.bfloat16)
PLACES = np.array([2, 0, 1])
WEIGHTS = {"w": np.ones((3, 4), np.float32), "b": np.zeros(4, np.float32)}
X = np.ones((2, 3), np.float32)


def net(p: Any, x: Any) -> Any:
    return {"y": np.tanh(x @ p["w"] + p["b"]) @ TABLE.T, "z": p["b"].sum()}


def loops(x: Any) -> Any:
    carry, ys = lax.scan(lambda c, t: (c * 0.5 + t, np.sin(c)), x, np.ones((5, 4)))
    return lax.cond(carry.sum() > 0, lambda c: c + 1, np.sort, carry), ys


def places(x: Any, y: Any) -> Any:
    z = wl.numpy.at(x)[np.array([0, 2])].set(y)
    return np.take(z, PLACES, axis=0), np.argsort(z, 1), np.pad(z, 1), np.concatenate([z, z])


def step(p: Any, x: Any) -> Any:
    value, slopes = wl.value_and_grad(lambda p: np.mean(net(p, x)["y"] ** 2))(p)
    return {k: p[k] - slopes[k] for k in p}, value


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[int, ...]]] = {
    "net": (net, (WEIGHTS, X), ()),
    "loops": (loops, (np.ones(4),), ()),
    "places": (places, (np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)), ()),
    "step": (step, (WEIGHTS, X), (0,)),
    "halves": (lambda x: x * HALVES, (HALVES,), ()),
}
HEAD, TEXT = "wonderland.json", "graph.txt"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("files")
    found: dict[str, bytes] = {}
    for name, (function, arguments, donated) in PROGRAMS.items():
        wl.jit(function, donate_argnums=donated).compile(*arguments).save(folder / name)
        found[name] = (folder / name).read_bytes()
        wl.load(folder / name)  # brings all modules, before children fork
    return found


def entries(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(parts: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in parts:
            file.writestr(name, content)
    return made.getvalue()


def outcome(path: Path, text: bytes) -> str:
    """Refused, or loaded as the program of a text or as another."""
    try:
        loaded = wl.load(path)
    except wl.ProgramError as error:
        assert len(str(error)) < 2000
        str(error).encode()
        return "refused"
    return "same" if str(loaded.traced.graph).encode() == text else "other"


# ---------------------------------------------------------------- mutations

NUMBERS = [
    "0", "1", "2", "7", "10000000", "4611686018427387904", "-1", "True", "None", "'x'", "1.5", "()",
    "nan", "(1,)", "f32", "f32[3]", "1e999", "-0.0",
]  # fmt: skip
VALUES: list[Any] = [
    None, 0, -1, 1.5, "x", [], {}, "dict", ["dict", [], []], ["list", [], [None]], 1 << 70, True,
    ["class X", [[], []], []], ["dict", [["a"]], [None]], float("nan"),
]  # fmt: skip


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes cut, copied and overwritten by large numbers, as in damaged headers."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + rng.randrange(50)]
            case 3:
                data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randrange(100)]
            case 4:
                data[at : at + 4] = rng.choice([bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f"])
            case 5:
                data[at : at + 8] = (1 << rng.randrange(64)).to_bytes(8, "little")
    return bytes(data)


def reworded(content: bytes, rng: random.Random) -> bytes:
    """A text with other numbers, ops and words."""
    words = re.findall(r"\w+|\s|[^\w\s]", content.decode())
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(words))
        numbers = [k for k, w in enumerate(words) if w.isdigit()] or [at]
        match rng.randrange(6):
            case 0 | 1 | 2:
                words[rng.choice(numbers)] = rng.choice(NUMBERS)
            case 3:
                words[at] = rng.choice(words)
            case 4:
                words[at] = rng.choice(list(Op.registry))
            case 5:
                del words[at]
    return "".join(words).encode()


def restated(content: bytes, rng: random.Random) -> bytes:
    """A head with another value somewhere."""

    def changed(value: Any) -> Any:
        if not isinstance(value, list | dict) or not value or rng.random() < 0.15:
            return rng.choice(VALUES)
        if isinstance(value, dict):
            key = rng.choice(list(value))
            return value | {key: changed(value[key])}
        at = rng.randrange(len(value))
        return [*value[:at], changed(value[at]), *value[at + 1 :]]

    return json.dumps(changed(json.loads(content))).encode()


def mutated(files: dict[str, bytes], rng: random.Random) -> tuple[bytes, bytes]:
    """A file that is a little wrong, and the text of what it was."""
    file = files[rng.choice(list(files))]
    parts = entries(file)
    text = parts[TEXT]
    match rng.randrange(6):
        case 0:
            return flipped(file, rng), text
        case 1 | 2:
            parts[TEXT] = reworded(text, rng)
        case 3:
            parts[HEAD] = restated(parts[HEAD], rng)
        case 4:
            name = rng.choice(list(parts))
            parts[name] = flipped(parts[name], rng)
        case 5:
            other = list(entries(files[rng.choice(list(files))]).items())
            spliced = [*parts.items(), rng.choice(other)]
            rng.shuffle(spliced)
            return zipped(spliced[rng.randrange(2) :]), text
    return zipped(parts.items()), text


def fuzz(files: dict[str, bytes], folder: Path, seeds: range) -> str:
    def work() -> str:
        found: Counter[str] = Counter()
        for seed in seeds:
            data, text = mutated(files, random.Random(seed))
            path = folder / "fuzzed"
            path.write_bytes(data)
            try:
                found[outcome(path, text)] += 1
            except BaseException as error:
                raise AssertionError(f"seed {seed}") from error
        return json.dumps(found)

    return bounded(work)


def test_a_file_that_is_a_little_wrong_is_refused_or_loads_as_what_it_says(files, tmp_path):
    found = json.loads(fuzz(files, tmp_path, range(400)))
    assert found["refused"] > 200 and found["same"] > 5 and found["other"] > 5, found


@pytest.mark.sweep
@pytest.mark.parametrize("block", range(20))
def test_many_files_that_are_a_little_wrong(files, tmp_path, block):
    fuzz(files, tmp_path, range(1000 * (1 + block), 1000 * (2 + block)))


# ---------------------------------------------------------------- files that are made to cost much


def npy(descr: str, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """An .npy that says what it likes."""
    made = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, header)
    return made.getvalue() + content


def overlapping(file: bytes) -> bytes:
    """A zip of a hundred arrays of four megabytes, each with all that follow in its data."""
    names = [f"constants/{k:016x}.npy" for k in range(100)]
    data, local = bytes(4 << 20), b""
    central: list[bytes] = []
    ends: list[int] = []  # from the end of the data to the header of each entry
    for name in reversed(names):
        content = npy("|u1", (len(local + data),), local + data)
        facts = struct.pack(
            "<HHHHHIIIHH", 20, 0, 0, 0, 0, zlib.crc32(content), *[len(content)] * 2, len(name), 0
        )
        local, data = b"PK\x03\x04" + facts + name.encode(), content
        ends.append(len(local) + len(data))
        central.append(b"PK\x01\x02" + struct.pack("<H", 20) + facts + bytes(10))
    whole = zipped(entries(file).items())
    start, end = whole.index(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06")
    body = whole[:start] + local + data
    listed = [
        head + struct.pack("<I", len(body) - back) + name.encode()
        for head, back, name in zip(central, ends, reversed(names), strict=True)
    ]
    directory = whole[start:end] + b"".join(listed)
    count = len(entries(file)) + len(names)
    return (
        body
        + directory
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    )


def with_array(content: bytes) -> Callable[[bytes], bytes]:
    """Another content of the first constant."""

    def made(file: bytes) -> bytes:
        parts = entries(file)
        name = next(n for n in parts if n.startswith("constants/"))
        return zipped((parts | {name: content}).items())

    return made


def with_text(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    def made(file: bytes) -> bytes:
        parts = entries(file)
        return zipped((parts | {TEXT: change(parts[TEXT].decode()).encode()}).items())

    return made


COSTLY: dict[str, Callable[[bytes], bytes]] = {
    "entries in each other": overlapping,
    "elements of no bytes": with_array(npy("|V0", (10**9,))),
    "objects": with_array(npy("|O", (10**6,), b"\x80\x04N.")),
    "a vast shape": with_array(npy("<f4", (10**12,))),
    "a vast shape of none": with_array(npy("<f4", (0, 10**18))),
    "a structure": with_array(npy("<f4, <f4", (3, 2), bytes(48))),
    "a header of eight megabytes": with_array(b"\x93NUMPY\x02\x00" + struct.pack("<I", 8 << 20)),
    "another order": with_array(npy(">f4", (3, 4), bytes(48))),
    "another type": with_array(npy("<i4", (3, 4), bytes(48))),
    "compressed zeros": lambda file: zipped(
        [*entries(file).items(), ("constants/" + "0" * 16 + ".npy", bytes(100 << 20))],
        zipfile.ZIP_DEFLATED,
    ),
    "a name twice": lambda file: zipped([*entries(file).items(), (TEXT, entries(file)[TEXT])]),
    "a path": lambda file: zipped([*entries(file).items(), ("constants/../../x.npy", b"")]),
    "an array too many": lambda file: zipped(
        [*entries(file).items(), ("constants/" + "0" * 16 + ".npy", npy("<f4", (), bytes(4)))]
    ),
    "a vast type": with_text(lambda text: text.replace("f32[3, 4]", "f32[3, 4000000000000]")),
    "a head of many lists": lambda file: zipped(
        (entries(file) | {HEAD: b"[" + b"[]," * (6 << 20) + b"[]]"}).items()
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_file_that_is_made_to_cost_much_is_refused_for_little(files, tmp_path, name):
    path = tmp_path / "costly"
    path.write_bytes(COSTLY[name](files["net"]))
    text = entries(files["net"])[TEXT]

    def work() -> int:
        before = resident()
        assert outcome(path, text) == "refused"
        return resident() - before

    # with room for more, since an error of memory is refused too
    assert int(bounded(work, 1 << 30)) < 4 * path.stat().st_size + (32 << 20)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        assert bounded(lambda path=path: outcome(path, b"")) == "refused"


def test_arrays_of_every_type_and_rank_come_back(tmp_path):
    for dtype in (*"?bhilBHILefdFD", ml_dtypes.bfloat16):
        for shape in ((), (3,), (0, 2), (2, 1, 3), (1,) * 63):
            array = np.ones(shape, dtype)
            loaded = wl.jit(lambda a=array: wl.numpy.asarray(a) + a).compile()
            loaded.save(tmp_path / "x")
            assert wl.load(tmp_path / "x").traced.graph == loaded.traced.graph


# ---------------------------------------------------------------- texts

MANY = 20_000
LONG = 300_000
INSIDE = {
    "minus": "-" * MANY + "1",
    "not": "not " * MANY + "1",
    "sum": "1" + " + 1" * MANY,
    "attributes": "a" + ".b" * MANY,
    "calls": "a" + "()" * MANY,
    "items": "a" + "[0]" * MANY,
    "compared": "a" + " < a" * MANY,
    "ternary": "a if a else " * MANY + "a",
    "lambda": "lambda: " * MANY + "a",
    "brackets": "(" * MANY + "a" + ")" * MANY,
    "tuples": "(1, " * 150 + "1" + ")" * 150,
    "lists": "[" * 199 + "]" * 199,
    "strings": "'a' " * MANY,
    "formatted": "f'" + "{a}" * LONG + "'",
    "formatted deeply": "f'{a:{a:{a}}}'",
    "digits": "1" * LONG,
    "hexadecimal digits": "0x" + "f" * LONG,
    "a long name": "a" * LONG,
    "a long string": "'" + "a" * LONG + "'",
    "zero": "a\0",
    "half a character": "'\ud800'",
    "a look-alike": "\uff41 + \U0001d51e",
    "right to left": "\u202e a",
    "not closed": "(" * 100,
}
WHOLE = {
    "nothing": "",
    "zeros": "\0" * 99,
    "mark": "\ufeffdef f(a: f32):\n    return a",
    "line ends": "def f(a: f32):\r    b: f32 = sin(a)\x0c\r\n  return b",
    "deep functions": "".join(" " * k + "def f(a: f32):\n" for k in range(90))
    + " " * 90
    + "return",
    "deeper functions": "".join(" " * k + "def f(a: f32):\n" for k in range(900)),
    "branches": "if a: a\n" + "elif a: a\n" * MANY,
    "continued": "\\\n" * MANY,
    "statements": "a;" * MANY,
    "quotes": '"""' * MANY,
    "vast": "def f(a: f32[99999999999, 99999999999]):\n    return a",
    "vast and empty": "def f(a: f32[0, 9223372036854775807, 2]):\n    return a",
    "65 axes": f"def f(a: f32[{', '.join('1' * 65)}]):\n    return a",
    "an axis more": f"def f(a: f32[{', '.join('1' * 64)}]):\n"
    f"    b: f32 = reshape(a, shape=({', '.join('1' * 65)}))\n    return b",
    "a parameter twice": "def f(a: f32[3]):\n    b: f32 = sum(a, axes=(0,), axes=(0,))\n    return",
    "a scalar of a shape": "def f():\n    b: f32 = full(value=f32[3](1), of=f32)\n    return b",
    "a scalar too large": "def f():\n    b: i8 = full(value=i8(300), of=i8)\n    return b",
}


def refused(text: str) -> str:
    with pytest.raises(wl.ProgramError) as error:
        parse(text)
    said = str(error.value)
    said.encode()
    assert len(said) < 2000
    assert re.fullmatch(r"text: .+\n  line \d+, column \d+: .*(\ntry: .*)?", said)
    return "refused"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(a: f32):\n    return " + "a, " * 300_000, "a line of at most 500000 words"),
        ("def f():\n    " + "a;" * 300_000, "a line of at most 500000 words"),
        ("def f():\n" + "  a\n" * 300_000, "lines that say something"),
        ("@a\n" * 300_000, "lines that say something"),
    ],
    ids=["values", "statements", "lines", "decorators"],
)
def test_a_text_takes_no_memory_out_of_proportion(text, message):
    def work() -> int:
        before = resident()
        with pytest.raises(wl.ProgramError, match=message):
            parse(text)
        return resident() - before

    assert int(bounded(work, 1 << 30)) < 60 << 20


@pytest.mark.parametrize("name", INSIDE)
def test_an_expression_that_python_cannot_bear_is_a_short_error(name):
    text = f"def f(a: f32[3]):\n    b: f32[3] = add(a, {INSIDE[name]})\n    return b\n"
    assert bounded(lambda: refused(text)) == "refused"


@pytest.mark.parametrize("name", WHOLE)
def test_a_text_that_python_cannot_bear_is_a_short_error(name):
    assert bounded(lambda: refused(WHOLE[name])) == "refused"


def test_a_parameter_is_of_the_type_of_its_field():
    """Whatever the op: a rule never meets what no program has."""
    wrong = {"int": "'x'", "bool": "3", "str": "3", "Graph": "1.5", "Type": "1.5", "Array": "(1,)",
             "tuple[int, ...]": "(1.5,)", "Ints": "(1, 'x')"}  # fmt: skip
    tried = 0
    for op in Op.registry.values():
        for name, kind in vars(op).get("__annotations__", {}).items():
            if kind in wrong:
                tried += 1
                text = f"def f():\n    a: f32 = {op.name}({name}={wrong[kind]})\n    return a"
                with pytest.raises(wl.ProgramError, match=f"{op.name}: {name} is of "):
                    parse(text)
    assert tried > 50


@pytest.mark.parametrize("name", INSIDE)
def test_the_text_of_a_kernel_that_python_cannot_bear_is_a_short_error(name):
    head = "def k(x0: f32[8], y0: f32[8]):\n    for i in parallel(8):\n"
    text = f"{head}        if stage():\n            y0[i] = {INSIDE[name]}\n"

    def work() -> str:
        with pytest.raises(KernelError) as error:
            parse_kernel(text)
        str(error.value).encode()
        return "refused" if len(str(error.value)) < 2000 else str(error.value)

    assert bounded(work) == "refused"
