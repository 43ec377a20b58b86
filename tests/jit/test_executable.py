"""A program in hand: calls of its kind only, fixed memory, files."""

from __future__ import annotations

import json
import os
import random
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError


class Layer(NamedTuple):
    weight: Any
    bias: Any


@dataclass
class Model:
    layers: list[Layer]
    name: str = field(default="", metadata={"static": True})


TABLE = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)


def forward(params: dict[str, Any], x: Any, scale: float = 2.0) -> Any:
    return {"y": np.tanh(x @ params["w"] + TABLE) * scale, "norm": (np.sum(x * x), None)}


PARAMS = {"w": np.arange(12, dtype=np.float32).reshape(4, 3) / 10}
X = np.arange(8, dtype=np.float32).reshape(2, 4) / 7


def assert_same(found: Any, wanted: Any) -> None:
    assert wl.tree.structure(found) == wl.tree.structure(wanted)
    for a, b in zip(wl.tree.leaves(found), wl.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_program_gives_what_its_function_gives():
    function = wl.jit(forward)
    compiled = function.compile(PARAMS, X)
    assert_same(compiled(PARAMS, X), function(PARAMS, X))
    assert repr(compiled) == ("<compiled forward(f32[4, 3], f32[2, 4]) -> (f32, f32[2, 3])>")


def test_types_will_do_to_compile():
    of = wl.ShapeDtypeStruct
    function = wl.jit(forward)
    compiled = function.compile({"w": of((4, 3), np.float32)}, of((2, 4), "float32"))
    assert compiled is function.compile(PARAMS, X)


def test_a_program_refuses_other_kinds():
    compiled = wl.jit(forward).compile(PARAMS, X)
    with pytest.raises(
        ProgramError, match=r"f32\[2, 4\] is required at args\[1\], got f32\[3, 4\]"
    ):
        compiled(PARAMS, np.ones((3, 4), np.float32))
    with pytest.raises(ProgramError, match="the arguments it was compiled for are required"):
        compiled({"v": PARAMS["w"]}, X)
    with pytest.raises(ProgramError, match=r"required at args\[0\]\['w'\], got f64\[4, 3\]"):
        compiled({"w": PARAMS["w"].astype(np.float64)}, X)


def test_static_arguments_are_part_of_a_program():
    def power(x: Any, n: int, *, m: int) -> Any:
        return x**n + m

    compiled = wl.jit(power, static_argnums=1, static_argnames="m").compile(X, 3, m=1)
    np.testing.assert_allclose(compiled(X), X**3 + 1, rtol=1e-6)


# ---------------------------------------------------------------- bind


def test_a_bound_program_reads_its_arrays_anew_and_overwrites_its_results():
    x, params = X.copy(), {"w": PARAMS["w"].copy()}
    compiled = wl.jit(forward).compile(params, x)
    run = compiled.bind(params, x)
    first = run()
    assert_same(first, compiled(params, x))
    x += 1
    second = run()
    assert_same(second, compiled(params, x))
    assert first["y"] is second["y"]


def test_a_bound_program_updates_donated_arguments_in_place():
    step = wl.jit(lambda p: p * 2 + 1, donate_argnums=(0,))
    p = np.zeros(5, np.float32)
    run = step.compile(p).bind(p)
    np.testing.assert_array_equal(p, np.zeros(5))
    for value in (1, 3, 7):
        assert run() is p
        np.testing.assert_array_equal(p, np.full(5, value))


def test_what_is_only_read_may_be_bound_read_only():
    x = X.copy()
    x.flags.writeable = False
    compiled = wl.jit(forward).compile(PARAMS, x)
    assert_same(compiled.bind(PARAMS, x)(), compiled(PARAMS, x))


def test_what_cannot_be_bound_says_why():
    compiled = wl.jit(forward).compile(PARAMS, X)
    with pytest.raises(ProgramError, match=r"bind: an array f32\[2, 4\] in C order .* args\[1\]"):
        compiled.bind(PARAMS, np.asfortranarray(X))


# ---------------------------------------------------------------- files


def test_a_saved_program_is_loaded_and_gives_the_same_bits(tmp_path: Path):
    compiled = wl.jit(forward).compile(PARAMS, X)
    compiled.save(tmp_path / "forward.zip")
    loaded = wl.load(tmp_path / "forward.zip")
    assert loaded.traced.graph == compiled.traced.graph
    assert_same(loaded(PARAMS, X), compiled(PARAMS, X))
    assert os.listdir(tmp_path) == ["forward.zip"]


def test_a_training_step_is_saved_with_what_it_donates(tmp_path: Path):
    def step(w: Any, x: Any) -> Any:
        value, slope = wl.value_and_grad(lambda w: np.sum(np.sin(x @ w)))(w)
        return w - 0.5 * slope, value

    w = PARAMS["w"].copy()
    compiled = wl.jit(step, donate_argnums=0).compile(w, X)
    compiled.save(tmp_path / "step")
    loaded = wl.load(tmp_path / "step")
    wanted = compiled(w.copy(), X)
    found = loaded(w, X)
    assert_same(found, wanted)
    assert np.shares_memory(found[0], w)


def test_a_saved_program_keeps_its_budget_of_memory(tmp_path: Path):
    def deep(w: Any, x: Any) -> Any:
        for _ in range(8):
            x = np.tanh(x @ w)
        return np.sum(x)

    def nbytes(loaded: Any) -> int:
        return loaded.compiled.memory.nbytes

    gradient = wl.grad(deep, (0, 1))
    args = np.full((16, 16), 0.25), np.ones((256, 16))
    free = wl.jit(gradient).compile(*args)
    budget = nbytes(free) * 2 // 3
    wl.jit(gradient, memory_budget=budget).compile(*args).save(tmp_path / "deep")
    kept = wl.load(tmp_path / "deep")
    assert nbytes(kept) <= budget < nbytes(free)
    assert_same(kept(*args), free(*args))
    assert nbytes(wl.load(tmp_path / "deep", memory_budget="none")) == nbytes(free)
    with pytest.raises(ProgramError, match="memory_budget: at least"):
        wl.load(tmp_path / "deep", memory_budget="1kB")
    with pytest.raises(ProgramError, match="memory_budget: a number of bytes is required"):
        wl.load(tmp_path / "deep", memory_budget="much")
    free.save(tmp_path / "free")
    with wl.memory_budget(budget):
        assert nbytes(wl.load(tmp_path / "free")) <= budget


@pytest.mark.parametrize("budget", [-1, 1.5, "64MB", None])
def test_a_budget_that_is_no_number_of_bytes_is_refused(saved: Path, budget: Any):
    with zipfile.ZipFile(saved) as file:
        head = json.loads(file.read("wonderland.json"))
    changed = {"wonderland.json": json.dumps(head | {"budget": budget})}
    with pytest.raises(ProgramError, match=r"load: .*a number below \d+ is required, got"):
        wl.load(rewritten(saved, changed))


def test_classes_are_named_by_a_file_and_brought_by_its_reader(tmp_path: Path):
    def apply(model: Model, x: Any) -> Layer:
        for layer in model.layers:
            x = x @ layer.weight + layer.bias
        return Layer(x, x + 1)

    model = Model([Layer(PARAMS["w"], np.ones(3, np.float32))], "one")
    compiled = wl.jit(apply).compile(model, X)
    compiled.save(tmp_path / "model")
    with pytest.raises(
        ProgramError, match=r"it has a Model; try: wl.load\(path, types=\(Model,\)\)"
    ):
        wl.load(tmp_path / "model")
    loaded = wl.load(tmp_path / "model", types=(Layer, Model))
    found = loaded(model, X)
    assert isinstance(found, Layer)
    assert_same(found, compiled(model, X))


def rewritten(path: Path, changes: dict[str, Any], compression: int = zipfile.ZIP_STORED) -> Path:
    """The file with other entries."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()} | changes
    other = path.with_name("other.zip")
    with zipfile.ZipFile(other, "w", compression) as file:
        for name, content in entries.items():
            if content is not None:
                file.writestr(name, content)
    return other


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "forward.zip"
    wl.jit(forward).compile(PARAMS, X).save(path)
    return path


def pickled() -> bytes:
    """An array of objects, which only unpickling reads."""
    import io

    content = io.BytesIO()
    np.save(content, np.array([{}, []], object), allow_pickle=True)
    return content.getvalue()


CONSTANT = (
    "constants/"
    + next(iter(wl.trace(lambda: np.tanh(wl.numpy.asarray(TABLE))).graph.nodes))
    .op.params["array"]
    .digest
    + ".npy"
)
ATTACKS: dict[str, dict[str, Any]] = {
    "code in the text": {
        "graph.txt": "def f(a: f32[2, 4]):\n    __import__('os').system('true')\n    return a"
    },
    "an op that is none": {"graph.txt": "def f(a: f32[2]):\n    b: f32[2] = open(a)\n    return b"},
    "too few inputs": {"graph.txt": "def f(a: f32[2]):\n    return a"},
    "deep nesting": {
        "graph.txt": "def f(a: f32[2]):\n    b: f32[2] = "
        + "(" * 5000
        + ")" * 5000
        + "\n    return b"
    },
    "no text": {"graph.txt": None},
    "a pickle": {CONSTANT: pickled()},
    "another constant": {CONSTANT: b"\x93NUMPY nonsense"},
    "no constant": {CONSTANT: None},
    "another entry": {"run.py": "print()"},
    "another format": {"wonderland.json": json.dumps({"format": 99})},
    "no structure": {"wonderland.json": "[]"},
    "deep structure": {
        "wonderland.json": '{"format": 1, "inputs": ' + "[" * 100_000 + "]" * 100_000 + "}"
    },
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_of_a_stranger_is_refused(attack: str, saved: Path):
    with pytest.raises(ProgramError, match=r"^load: other\.zip"):
        wl.load(rewritten(saved, ATTACKS[attack]))


def test_a_file_with_changed_words_is_refused_or_is_another_program(saved: Path):
    with zipfile.ZipFile(saved) as file:
        words = re.findall(r"\w+|\W", file.read("graph.txt").decode())
    rng = random.Random(5)
    refused = 0
    for _ in range(60):
        changed = list(words)
        place = rng.choice([i for i, w in enumerate(words) if w.strip()])
        numbers = ["0", "1", "7", "10000000", "-1", "True", "'x'", "1.5", "()", "nan"]
        changed[place] = rng.choice(numbers if words[place].isdigit() else words)
        try:
            wl.load(rewritten(saved, {"graph.txt": "".join(changed)}))
        except ProgramError:
            refused += 1
    assert 20 < refused < 60


def test_a_donation_that_does_not_fit_is_refused(saved: Path):
    with zipfile.ZipFile(saved) as file:
        head = json.loads(file.read("wonderland.json"))
    for pairs in ([[0, 0]], [[99, 0]], [[1, -1]], [["a", 0]]):
        changed = {"wonderland.json": json.dumps(head | {"donated": pairs})}
        with pytest.raises(ProgramError, match=r"^load: other\.zip"):
            wl.load(rewritten(saved, changed))


def test_compressed_entries_are_refused_because_they_may_be_vast(saved: Path):
    with pytest.raises(ProgramError, match="an entry that save does not write"):
        wl.load(rewritten(saved, {}, zipfile.ZIP_DEFLATED))


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "junk").write_bytes(b"not a zip file")
    with pytest.raises(ProgramError, match="load: junk is no file that save wrote"):
        wl.load(tmp_path / "junk")
    with pytest.raises(FileNotFoundError):
        wl.load(tmp_path / "missing")
