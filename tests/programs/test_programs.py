"""Programs of NumPy as users write them, by a generator: none gives a wrong number."""

from __future__ import annotations

import os
import warnings

import pytest

from .generator import program
from .sweep import least, swept
from .writer import KINDS

COUNT, BATCH = 500, 50
SWEPT = int(os.environ.get("PROGRAMS", "20000"))


@pytest.fixture(autouse=True)
def quiet():
    """Programs overflow and divide by zero, in NumPy as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
