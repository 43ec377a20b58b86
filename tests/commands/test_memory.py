"""The memory of a program from the command line: as text, within a budget, as a picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .test_functions import LOSS

Command = Callable[..., str]

pytestmark = pytest.mark.usefixtures("folder")

DEEP = """
import numpy as np

def deep(w, x):
    for _ in range(16):
        x = np.tanh(x @ w)
    return np.sum(x)
"""
ARGS = ("deep.py:deep", "--arg", "f32[16,16]", "--arg", "f32[4096,16]", "--grad")


@pytest.fixture
def deep(folder: Path) -> None:
    (folder / "deep.py").write_text(DEEP)


def test_it_says_how_much_when_and_for_which_lines(command: Command, deep: None):
    text = command("memory", *ARGS)
    assert re.match(r"memory of deep: [\d.]+ MB a call: arena [\d.]+ MB, results 1.028 kB, ", text)
    assert re.search(r"most is live at wave \d+ of \d+, \w+", text)
    assert re.search(r"262.1 kB  arena   \w+: f32\[4096, 16\]  # deep.py:6 x", text)


def test_within_a_budget_values_are_computed_again(command: Command, deep: None):
    found = re.search(
        r"within 2.5 MB: (\d+) values are computed again",
        command("memory", *ARGS, "--budget", "2.5MB"),
    )
    assert found and int(found[1]) > 0


def test_a_model_that_comes_along_has_a_memory_too(command: Command):
    assert command("memory", "mlp").startswith("memory of step: ")


def test_the_picture_is_a_file(command: Command, folder: Path):
    pytest.importorskip("matplotlib")
    command("memory", *LOSS, "--grad", "--plot", "memory.png")
    assert (folder / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_told_in_one_line(mistake: Command, deep: None):
    assert "bytes are required, such as 64MB, got much" in mistake(
        "memory", *ARGS, "--budget", "much"
    )
    assert "memory_budget: at least" in mistake("memory", *ARGS, "--budget", "1kB")
    assert "No such file" in mistake("memory", *LOSS, "--plot", "nowhere/memory.png")
    assert "xyz" in mistake("memory", *LOSS, "--plot", "memory.xyz")
    assert "mlp: a model takes no --grad, a FILE:FUNCTION does" in mistake(
        "memory", "mlp", "--grad"
    )
