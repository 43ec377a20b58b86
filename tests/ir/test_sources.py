"""Whose a line is: names of folders do not tell, real places of packages do."""

from __future__ import annotations

import contextlib
import functools
import runpy
from pathlib import Path

import numpy as np
import pytest

import wonderland
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.source import is_own
from wonderland.compiler.trace.trace import trace


@pytest.mark.parametrize(
    "folder", ["numpy", "scipy", "contextlib.py", "compiler", "runtime", "wonderland", "models"]
)
def test_files_in_folders_of_any_name_are_the_users(folder: str, tmp_path: Path) -> None:
    file = tmp_path / folder / "model.py"
    file.parent.mkdir()
    file.write_text("def f(x, axis):\n    total = x + 1\n    return total.sum(axis=axis)\n")
    f = runpy.run_path(str(file))["f"]
    with pytest.raises(ProgramError, match=r"model\.py:3: return total"):
        trace(lambda x: f(x, 9), np.ones(3))
    assert "# model.py:2 total" in str(trace(lambda x: f(x, 0), np.ones(3)).graph)


@pytest.mark.parametrize("module", [np, np.linalg, functools, contextlib, wonderland])
def test_files_of_packages_are_not(module: object) -> None:
    assert is_own(str(module.__file__))  # pyright: ignore[reportAttributeAccessIssue]


def test_every_file_of_the_project_that_users_call_is_its_own() -> None:
    root = Path(wonderland.__file__).parent
    for part in ("compiler", "runtime", "."):
        assert all(is_own(str(f)) for f in (root / part).glob("*.py"))
