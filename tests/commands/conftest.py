"""A user's folder, with files beside each other, and the command run in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wonderland import commands

MODEL = """
import numpy as np

from layers import dense

TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)

def loss(params, x, y, kind="square"):
    error = np.tanh(dense(params, x)) - y
    return np.mean(error**2 if kind == "square" else abs(error))

def chosen(x, k):
    return x @ TABLE[:, :k]

def heads(x):
    return {"sum": np.sum(x), "twice": 2 * x}

def root(x):
    return np.sum(np.sqrt(x))

def wrong(x):
    import wonderland as wl

    return np.sum(x * wl.stop_gradient(x))

def narrow(x):
    return x[:, 0] @ np.ones((5, 2), np.float32)

def failing(x):
    return {}["key"]

class Net:
    def __init__(self):
        self.scale = 2.0

    def loss(self, x):
        return np.sum(self.scale * x)

net = Net()
"""
LAYERS = """
def dense(params, x):
    return x @ params["w"] + params["b"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (
        ("model.py", MODEL),
        ("layers.py", LAYERS),
        ("broken.py", "def f(:\n"),
        ("needy.py", "import nothing_of_that_name\n"),
        ("notes.txt", "no graph\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command with these words; gives what it printed, of errors where status is not 0."""

    def run(*words: str, status: int = 0) -> str:
        found = commands.main(words)
        printed = capsys.readouterr()
        assert found == status, printed
        return printed.err if status else printed.out

    return run


@pytest.fixture
def mistake(command: Callable[..., str]) -> Callable[..., str]:
    """Runs the command with mistaken words; gives the one line it says."""

    def run(*words: str) -> str:
        line = command(*words, status=2)
        assert line.startswith("wonderland: ") and line.count("\n") == 1, line
        return line.removeprefix("wonderland: ").rstrip()

    return run
