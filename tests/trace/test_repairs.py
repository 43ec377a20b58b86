"""Every repair that an error recommends works when it is followed."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.trace.repair_examples import EXAMPLES, HINTED, NEVER, START, Example
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Op
from wonderland.compiler.trace.hints import GROUPS, HINTS, OUTSIDE
from wonderland.compiler.trace.tracer import FUNCTIONS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """The registry as it was: programs have ops of their own."""
    known = dict(Op.registry)
    yield
    Op.registry.clear()
    Op.registry.update(known)


def value(source: str, path: Path, scope: dict[str, Any] | None = None) -> Any:
    """What the last line of a program gives, in the reference interpreter."""
    path.write_text(source)
    linecache.checkcache(str(path))
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    scope = dict(scope or {})
    with wl.disable_jit("# compiled" not in source), warnings.catch_warnings(action="ignore"):
        exec(compile(tree, str(path), "exec"), scope)
        return eval(compile(ast.Expression(last.value), str(path), "eval"), scope)


def failure(source: str, path: Path) -> ProgramError:
    try:
        value(source, path)
    except ProgramError as error:
        return error
    except AttributeError as error:  # of a name that NumPy has
        what, repair = str(error).partition("try: ")[::2]
        return ProgramError(what.strip(), repair=repair).with_traceback(error.__traceback__)
    raise AssertionError(f"the program does not fail:\n{source}")


def followed(source: str, follow: str, error: ProgramError) -> str:
    """The program after the repair."""
    if follow:
        for change in follow.split(" ;; "):
            old, new = change.split(" --> ") if " --> " in change else (change[:-5], "")
            assert old in source, old
            source = source.replace(old, new)
        return source
    found = re.search(r":(\d+): ", error.where)
    assert found, error
    line = int(found[1])
    statements = [s for s in ast.walk(ast.parse(source)) if isinstance(s, ast.stmt)]
    at = max((s for s in statements if s.lineno == line), key=lambda s: s.col_offset)
    lines = source.splitlines()
    whole = not isinstance(at, ast.If) or error.repair.split(" ")[0] not in ("if", "elif")
    end = (at.end_lineno or line) if whole else line
    lines[line - 1 : end] = [" " * at.col_offset + error.repair]
    return "\n".join(lines)


def words(repair: str) -> set[str]:
    """The functions, keywords and dotted names that a repair has in code."""
    repair = re.sub(r"\b(no|without) \w+=", "", repair)
    called = re.findall(r"([A-Za-z_]\w*)\(", repair)
    named = re.findall(r"\b(\w+)=(?!=)", repair)
    dotted = re.findall(r"\b(?:np|wl|wonderland|lax)\.[\w.]*?(\w+)\b(?![\w.])", repair)
    return {w for w in (*called, *named, *dotted) if len(w) > 1} - {"axes"}


def same(found: Any, wanted: Any) -> None:
    """Results agree, one for one where several are wanted; `...` is anything."""
    if wanted is ...:
        return
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
    for x, y in pairs:
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-6)


@pytest.mark.parametrize("example", EXAMPLES, ids=[e[0].replace("\n", "|")[:60] for e in EXAMPLES])
def test_the_program_works_once_its_repair_is_followed(example: Example, tmp_path: Path) -> None:
    program, follow, wanted = example
    source = START + program
    error = failure(source, tmp_path / "program.py")
    assert error.repair, error
    new = followed(source, follow, error)
    missing = [
        [w for w in words(part) if not re.search(rf"\b{w}\b", new)]
        for part in re.split(r",? or |, say|; ", error.repair)
    ]
    assert [] in missing, f"none of {error.repair!r} is followed: {missing}"
    found = value(new, tmp_path / "repaired.py")
    same(found, wanted)


# ---------------------------------------------------------------- no repair without an example


def places() -> Iterator[tuple[str, int, int, str]]:
    """File, first and last line and text of every repair that is made in the compiler."""
    for part in ("compiler", "models"):
        for file in sorted((ROOT / part).rglob("*.py")):
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                given = node.args[{"wrong": 1, "ProgramError": 2, "refuse": 2}.get(name, 99) :][:1]
                given += [k.value for k in node.keywords if k.arg == "repair"]
                for repair in given:
                    passed_on = isinstance(repair, (ast.Name, ast.Attribute))
                    if not passed_on and name != "repaired":
                        yield str(file), node.lineno, node.end_lineno or 0, ast.unparse(repair)


def lines_of(error: BaseException | None) -> set[tuple[str, int]]:
    """The files and lines that an error, and those it came of, went through."""
    found: set[tuple[str, int]] = set()
    while error is not None:
        for frame, line in traceback.walk_tb(error.__traceback__):
            found.add((str(Path(frame.f_code.co_filename).resolve()), line))
        error = error.__context__ or error.__cause__
    return found


def test_every_repair_has_an_example(tmp_path: Path) -> None:
    passed: set[tuple[str, int]] = set()
    for program, _, _ in EXAMPLES:
        try:
            value(START + program, tmp_path / "program.py")
        except (ProgramError, AttributeError) as error:
            passed |= lines_of(error)
    lacking = [
        f"{Path(file).relative_to(ROOT)}:{first}: {text}"
        for file, first, last, text in places()
        if not any((str(Path(file).resolve()), k) in passed for k in range(first, last + 1))
        and not any(text.startswith(n) for n in NEVER)
    ]
    assert not lacking, "\n".join(lacking)


# ---------------------------------------------------------------- functions without a traced form

HERE = {
    "x": np.array([1.0, 4.0, 2.0]), "y": np.array([0.5, 2.0, -1.0]), "i": np.array([0, 1, 1]),
    "h": np.array([1.0, np.nan, -2.0]), "m": np.arange(6.0).reshape(2, 3) ** 2,
    "j": np.array([1, 0, 1]), "np": np, "wl": wl,
}  # fmt: skip
ARRAYS = [n for n, v in HERE.items() if isinstance(v, np.ndarray)]


def traced(expression: str, path: Path) -> Any:
    """What an expression of the arrays gives in a program."""
    names = ", ".join(ARRAYS)
    return value(f"wl.jit(lambda {names}: {expression})({names})", path / "program.py", HERE)


@pytest.mark.parametrize(("name", "call", "follow"), HINTED, ids=[h[0] for h in HINTED])
def test_what_a_hint_says_does_what_the_function_does(
    name: str, call: str, follow: str, tmp_path: Path
) -> None:
    with pytest.raises((ProgramError, AttributeError)) as caught:
        traced(call, tmp_path)
    assert HINTS[name] in str(caught.value)
    if not follow:
        assert OUTSIDE in HINTS[name]
        return
    if name not in ("bmat", "row_stack", "place", "einsum_path", "isnat"):
        with warnings.catch_warnings(action="ignore"):
            wanted = eval(call, HERE)
        same(traced(follow, tmp_path), ... if wanted is None else np.asarray(wanted))
    else:
        traced(follow, tmp_path)
    alternatives = re.split(r",? or |, and |, with | and ", HINTS[name])
    assert any(w <= set(re.findall(r"\w+", follow)) for w in map(words, alternatives))


def test_every_hint_has_an_example() -> None:
    shown = {name for name, _, _ in HINTED}
    assert not [names for names, _ in GROUPS if not shown & set(names.split())]


def meaning(name: str) -> Any:
    """What a dotted name of a repair is; None where there is no such thing."""
    found: Any = {"np": np, "wl": wl, "wonderland": wl, "lax": wl.lax}[name.split(".")[0]]
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def test_a_hint_is_for_a_function_of_numpy_that_has_no_traced_form() -> None:
    gone = ("bmat", "row_stack")  # deprecated by NumPy
    for name in HINTS:
        found = meaning(f"np.{name}")
        assert found is not None or name in gone, f"NumPy has no {name}"
        assert found not in FUNCTIONS, f"{name} has a traced form"


def test_a_repair_names_functions_that_there_are() -> None:
    said = [text for _, _, _, text in places()] + list(HINTS.values())
    for text in said:
        for name in re.findall(r"\b(?:np|wl|wonderland|lax)(?:\.[A-Za-z_]\w*)+", text):
            found = meaning(name)
            numpys = name.startswith("np.") and callable(found) and not isinstance(found, type)
            ours = hasattr(wl.numpy, name.removeprefix("np."))
            assert found is not None, f"{text}: there is no {name}"
            assert not numpys or found in FUNCTIONS or ours, f"{text}: {name} has no traced form"
