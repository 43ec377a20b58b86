"""What people type works as NumPy has it, or says what to type: the repaired program then works."""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import importlib
import io
import linecache
import math
import operator
import re
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.idioms import BODIES, EXPRESSIONS, PEERS, arguments
from wonderland.compiler.ir.errors import ProgramError

SCIPYS = ("scipy.special", "scipy.linalg", "scipy.stats", "scipy.spatial.distance", "scipy.signal",
          "scipy.ndimage")  # fmt: skip
for name in SCIPYS:
    importlib.import_module(name)
SCOPE = {
    "math": math, "copy": copy, "functools": functools, "operator": operator, "wl": wl,
    "wonderland": wl, "scipy": importlib.import_module("scipy"),
}  # fmt: skip
OURS: list[tuple[str, str]] = [(x, x) for x in EXPRESSIONS.splitlines()]
OURS += [(x, x) for x in BODIES.strip().split("\n---\n")]
THEIRS = [(x.split(" --> ")[0], x.split(" --> ")[1]) for x in PEERS.splitlines()]
IN_WORDS = 0.16
"""The part of all that may be refused in words: shapes that numbers decide, loops."""


def source_of(body: str) -> str:
    lines = body if "return" in body else f"return {body}"
    head = f"def f({', '.join(arguments())}):\n"
    return head + "".join(f"    {line}\n" for line in lines.splitlines())


def function_of(source: str, numpy: Any, path: Path) -> Callable[..., Any]:
    path.write_text(source)
    linecache.checkcache(str(path))
    scope: dict[str, Any] = {**SCOPE, "np": numpy}
    exec(compile(source, str(path), "exec"), scope)
    return scope["f"]


def called(f: Callable[..., Any], traced: bool) -> Any:
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, warnings.catch_warnings(action="ignore"), wl.disable_jit():
        return (wl.jit(f) if traced else f)(*arguments().values())


def difference(found: Any, wanted: Any) -> str:
    ours, theirs = wl.tree.leaves(found), wl.tree.leaves(wanted)
    if len(ours) != len(theirs):
        return f"{len(ours)} results, not {len(theirs)}"
    for x, y in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        if x.shape != y.shape or x.dtype.kind != y.dtype.kind:
            return f"{x.dtype}{x.shape}, not {y.dtype}{y.shape}"
        if y.dtype.kind in "fciub" and not np.allclose(x, y, rtol=1e-5, equal_nan=True):
            return f"{x}, not {y}"
    return ""


def followed(source: str, error: ProgramError) -> str:
    """The program with the line of the repair; "" where the repair is in words."""
    found = re.search(r":(\d+): ", error.where)
    line = int(found[1]) if found else 0
    at = [s for s in ast.walk(ast.parse(source)) if isinstance(s, ast.stmt) and s.lineno == line]
    statement = max(at, key=lambda s: s.col_offset)
    lines = source.splitlines()
    whole = not isinstance(statement, ast.If) or error.repair.split(" ")[0] not in ("if", "elif")
    end = (statement.end_lineno or line) if whole else line
    lines[line - 1 : end] = [" " * statement.col_offset + error.repair]
    try:
        tree = ast.parse("\n".join(lines))
        repair = ast.parse(error.repair.removeprefix("if ").removeprefix("elif ").rstrip(":"))
    except SyntaxError:
        return ""
    known = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    known |= {*arguments(), *dir(__builtins__), *SCOPE, "np", "list", "len", "float", "int", "bool"}
    names = {n.id for n in ast.walk(repair) if isinstance(n, ast.Name)}
    kept = isinstance(statement, ast.Return) and not isinstance(repair.body[-1], ast.Return)
    return "" if names - known or kept else ast.unparse(tree)


def fault(idiom: str, meaning: str, numpy: Any, path: Path) -> str:
    """What is wrong with an idiom; "words" where its repair is in words."""
    wanted: Any = None
    try:
        if meaning != "...":
            wanted = called(function_of(source_of(meaning), np, path), traced=False)
    except Exception:
        meaning = "..."  # NumPy refuses it, too
    source = source_of(idiom)
    for _ in range(5):
        try:
            found = called(function_of(source, numpy, path), traced=True)
        except (ProgramError, AttributeError) as error:
            text = str(error)
            said = error if isinstance(error, ProgramError) else _split(text)
            named = ": " in said.what or said.what.startswith("wonderland.numpy has no ")
            if not named or ".py:" not in said.where:
                return f"incomplete: {text}"
            if not said.repair:
                return "" if meaning == "..." else f"no repair: {text}"
            if path.name not in said.where or not (source := followed(source, said)):
                return "words"
        except Exception as error:
            return "" if meaning == "..." else f"a bare {type(error).__name__}: {error}"
        else:
            return "" if meaning == "..." else difference(found, wanted)
    return "words"


def _split(text: str) -> ProgramError:
    """The parts of an AttributeError."""
    rest, _, repair = text.partition("\ntry: ")
    what, _, where = rest.partition("\n")
    return ProgramError(what, where, repair)


def outcome(idioms: list[tuple[str, str]], numpy: Any, path: Path) -> tuple[list[str], int]:
    found = [(idiom, fault(idiom, meaning, numpy, path)) for idiom, meaning in idioms]
    wrong = [f"{idiom}\n    {said}" for idiom, said in found if said not in ("", "words")]
    return wrong, sum(said == "words" for _, said in found)


@pytest.mark.parametrize("part", range(4))
def test_what_people_type_works_or_says_what_to_type(part: int, tmp_path: Path) -> None:
    idioms = (OURS + THEIRS)[part::4]
    wrong, words = outcome(idioms, np, tmp_path / "program.py")
    assert not wrong, "\n".join(wrong)
    assert words <= IN_WORDS * len(idioms)


def test_so_it_does_in_our_namespace(tmp_path: Path) -> None:
    idioms = [x for x in OURS if not zlib.crc32(x[0].encode()) % 3]
    wrong, words = outcome(idioms, wl.numpy, tmp_path / "program.py")
    assert not wrong, "\n".join(wrong)
    assert words <= IN_WORDS * len(idioms)


@pytest.mark.sweep
def test_all_of_it_does_in_our_namespace(tmp_path: Path) -> None:
    wrong, _ = outcome(OURS + THEIRS, wl.numpy, tmp_path / "program.py")
    assert not wrong, "\n".join(wrong)
