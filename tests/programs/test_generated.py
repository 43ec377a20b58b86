"""Programs of NumPy as users write them, by a generator: none gives a wrong number."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest

from .generator import program
from .oracles import Oracle, checked, differs
from .program import Argument, Program, Statement
from .rounding import Rounded
from .shrink import shrunk
from .sweep import faults_of, least, swept
from .writer import KINDS

COUNT, BATCH = 500, 50
COMPILED = 2  # every second one: half a minute, where the interpreter takes a quarter for all
SWEPT = int(os.environ.get("PROGRAMS", "20000"))


@pytest.fixture(autouse=True)
def quiet():
    """Programs overflow and divide by zero, in NumPy as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_programs_mean_what_they_mean_in_numpy(start: int) -> None:
    oracles = {seed: Oracle(program(seed)) for seed in range(start, start + BATCH)}
    faults = faults_of(oracles, lambda seed: seed % COMPILED == 0)
    said = (f"{oracles[s].program.file('')}\n# seed {s}: {f}" for s, f in faults.items())
    assert not faults, "\n\n".join(said)


@pytest.mark.sweep
def test_many_programs_mean_what_they_mean_in_numpy() -> None:
    """As many as PROGRAMS says."""
    files = [
        least(seed, faults[0].kind).file(f"seed {seed}: {faults[0]}")
        for seed, faults in swept(10**6, SWEPT)
    ]
    assert not files, "\n\n".join(files)


def test_the_same_seed_writes_the_same_program() -> None:
    for seed in range(20):
        assert program(seed) == program(seed)


def test_programs_in_a_row_are_of_every_kind() -> None:
    texts = [program(seed).text() for seed in range(300)]
    said = "\n".join(texts)
    words = [
        "einsum",
        "@",
        "scan(",
        "fori_loop(",
        "while_loop(",
        "cond(",
        "switch(",
        "vmap(",
        "wl.grad(",
        "wl.jvp(",
        "hvp(",
        "value_and_grad(",
        "checkpoint(",
        "sort(",
        "cumsum(",
        ".at(",
        "astype(",
        "::-1",
        "pad(",
        "stack(",
        "take",
        "split(",
        "argm",
    ]
    assert all(word in said for word in words)
    assert len(KINDS) > 30


ONCE_WRONG = {
    "folds that are the same for every column, in a short last block": (
        "np.arange(9).astype(F)",
        "v1 = np.broadcast_to(x0[np.array([0, 1, 8])], (70001, 3))\n"
        "v2 = np.einsum('ab,ag->', v1, v1)",
    ),
    "rows of one element, summed over columns and over rows": (
        "np.ones((65537, 1), F)",
        "v1 = np.max(x0, axis=1)\nv2 = np.sum(x0, axis=0)",
    ),
    "an operand of a branch that is stored as its reshape alone": (
        "np.ones((8, 97), F)",
        "v1 = np.sum(x0, axis=0)[:, None]\n"
        "v2 = lax.cond(x0[0, 0] > 0, lambda z: z * F(2), lambda z: np.cos(z), v1)",
    ),
}


@pytest.mark.parametrize("name", ONCE_WRONG)
def test_what_was_wrong_once_is_right(name: str) -> None:
    argument, text = ONCE_WRONG[name]
    dtypes = {"F": "float32", "G": "float64", "C": "complex64"}
    arguments, made = (Argument("x0", argument),), Statement(text, ("v1", "v2"))
    assert not checked(Program(0, dtypes, arguments, (made,), ("v1", "v2", "v2.T")))


# ---------------------------------------------------------------- what is felt, and what is found


def spread(text: str, **arrays: np.ndarray) -> float:
    """How far runs of an expression are apart, in units of float32's last place of 1."""

    def run(seed: int) -> np.ndarray:
        kind = Rounded.run(np.float32, 1.0, seed)
        return np.asarray(eval(text, {"np": np, **{n: kind.of(x) for n, x in arrays.items()}}))

    found = [run(seed) for seed in range(8)]
    return float(np.max(np.ptp(found, axis=0)) / np.finfo(np.float32).eps)


NUMBERS = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)


@pytest.mark.parametrize(
    "text", ["x[::-1].T", "np.rint(x) * 3 + 1", "np.sum(np.rint(x), axis=0)", "(x > 1) * 1",
             "np.max(x, axis=1)", "np.rint(x) @ np.rint(x).T", "np.where(x > 0, x, 0)",
             "np.einsum('ij->j', np.rint(x))", "np.concatenate([x, -x])"],
)  # fmt: skip
def test_exact_numbers_stay_as_they_are(text: str) -> None:
    assert spread(text, x=NUMBERS) == 0


@pytest.mark.parametrize(
    "text", ["np.exp(x)", "np.mean(x)", "x * x", "np.tensordot(x, x, axes=(1, 1))", "x @ x.T",
             "np.cumsum(x, axis=1)", "np.std(x, axis=0)", "np.linalg.norm(x)", "x / 3",
             "np.einsum('ij,ij->i', x, x)", "np.sum(x * x, axis=(0, 1))", "np.cumprod(x, axis=0)"],
)  # fmt: skip
def test_every_rounding_is_felt(text: str) -> None:
    assert spread(text, x=NUMBERS) > 0.01


def test_what_cancels_is_known_to() -> None:
    assert spread("(np.sin(x) + 1000) - 1000", x=NUMBERS) > 100 * spread("np.sin(x)", x=NUMBERS)


@pytest.mark.parametrize("text", ["np.sum(x)", "x @ [1, 1, 1]", "np.einsum('i->', x)"])
def test_a_sum_is_not_taken_for_exact_because_its_value_is_short(text: str) -> None:
    assert spread(text, x=np.array([1, 2**-30, -1], np.float32)) > 0
    assert spread(text, x=np.array([3, 4, -5], np.float32)) == 0


def test_a_number_that_rounding_does_not_make_is_found() -> None:
    x = np.array([1, 2, 3], np.float32)
    exact = np.sqrt(x.astype(np.float64))
    others = [exact * (1 + k * 1e-7) for k in (-1, 1)]

    def found(y: Any) -> bool:
        return bool(differs(y, exact, others, np.sqrt(x), np.dtype(np.float32)))

    assert not found(np.sqrt(x))
    assert found(np.sqrt(x) + np.array([0, 0, 1e-4], np.float32))
    assert found(np.array([1, np.nan, 1], np.float32))
    assert differs(np.array([1, 2]), np.array([1, 3]), [], np.array([1, 3]), np.dtype(np.float32))


PLANTED = {
    "np.add": lambda x, y: x + y + np.float32(1e-3),
    "np.flip": lambda x: np.roll(x[::-1], 1),
    "np.argmax": lambda x: np.argmin(x),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_function_is_found(name: str) -> None:
    """The interpreter's is replaced: the oracles read plain NumPy, and see it."""
    x = Argument("x0", "np.random.default_rng(0).normal(size=(5,)).astype(F)")
    ours = f"planted(x0{', x0' if name == 'np.add' else ''})"
    theirs = f"{name}(x0{', x0' if name == 'np.add' else ''})"
    dtypes = {"F": "float32", "G": "float64", "C": "complex64"}
    p = Program(0, dtypes, (x,), (Statement(f"v1 = {theirs}", ("v1",)),), ("v1",))
    assert not checked(p, compiled=False)
    o = Oracle(p)
    scope = p.scope(wide=False, ours=True) | {"planted": PLANTED[name]}
    got = np.asarray(eval(ours, scope | {"x0": p.values()[0]}))
    o.compare("interpreted", [got], o.native or [])
    assert [f.kind for f in o.faults] == ["interpreted"]


def test_what_fails_is_made_small() -> None:
    seed = next(s for s in range(300) if "cumsum" in program(s).text())
    p = shrunk(program(seed), lambda p: "cumsum" in p.text())
    assert len(p.statements) == 1 and len(p.arguments) == 1
    assert sum(np.size(x) for x in p.values()) <= 8
    compile(p.file("cumsum"), "shrunk.py", "exec")
