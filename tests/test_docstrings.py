"""What docstrings show is true: examples run, those with `>>>` and those that are indented."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland
import wonderland as wl
from wonderland.compiler.ir.graph import Op

ROOT = Path(__file__).parent.parent
FILES = sorted(f for part in ("compiler", "models") for f in (ROOT / part).rglob("*.py"))
FACADES = sorted(f for at in (".", "numpy") for f in (ROOT / "wonderland" / at).glob("*.py"))
NAMES = {f: ".".join(f.relative_to(ROOT).with_suffix("").parts) for f in FILES}
BLOCK = re.compile(r"(?:^|\n\n|:\n)((?:    .*(?:\n|$)|\n(?=    ))+)")


def docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a file's module, classes and functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            found = ast.get_docstring(node)
            if found:
                yield getattr(node, "name", "module"), found


def programs() -> Iterator[tuple[str, str]]:
    """The indented blocks that are programs over `wl`."""
    for file in (*FILES, *FACADES):
        for name, text in docstrings(file):
            for block in BLOCK.findall(text):
                program = textwrap.dedent(block)
                speaks = re.search(r"\b(wl|ex|lax)\.|import wonderland|optimizer\.init", program)
                if ">>>" in program or not speaks:
                    continue
                with contextlib.suppress(SyntaxError):
                    ast.parse(program)
                    yield f"{file.relative_to(ROOT)} {name}", program


def given() -> dict[str, Any]:
    """What the programs speak of."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, (4, 3)).astype(np.float32)
    w = rng.uniform(-1, 1, 3).astype(np.float32)

    def loss(params: Any, x: Any, y: Any = 0.0) -> Any:
        return np.mean((x @ params - y) ** 2)

    step = wl.jit(wl.value_and_grad(loss))
    return {
        "np": np, "wl": wl, "lax": wl.lax, "wonderland": wonderland, "x": x[0], "dx": x[1], "h0": w,
        "xs": x, "ys": x @ w, "w": w, "params": w, "batch": x, "rows": x, "images": x,
        "labels": x @ w, "loss": loss, "f": np.sin, "predict": lambda w, x: x @ w, "step": step,
        "messages": x, "receivers": np.array([0, 0, 1, 2]), "nodes": 3, "scipy_function": np.sin,
        "a": np.eye(3, dtype=np.float32), "grads": w,
        "block": lambda w, x: np.tanh(x @ w), "compiled": step.compile(w, x),
    }  # fmt: skip


@pytest.fixture
def registry() -> Iterator[None]:
    known = dict(Op.registry)
    yield
    Op.registry.clear()
    Op.registry.update(known)


PROGRAMS = list(programs())


@pytest.mark.parametrize(("place", "program"), PROGRAMS, ids=[p for p, _ in PROGRAMS])
def test_an_indented_example_runs(place: str, program: str, registry: None) -> None:
    file = ROOT / place.split()[0]
    module = importlib.import_module(f"wonderland.{NAMES[file]}") if file in NAMES else wl
    names = {**(vars(module) if "models" in file.parts else {}), **given()}
    if place.endswith("effects.py module"):
        names["loss"] = 1.0
    with contextlib.redirect_stdout(io.StringIO()), wl.disable_jit():
        exec(compile(program, place, "exec"), names)
    if "Cube" in names:
        wl.testing.check_op(names["Cube"])
        for dtype in (np.float16, np.float64):
            found = wl.jit(names["cube"])(np.array([1, 2, -3], dtype))
            np.testing.assert_array_equal(found, np.array([1, 8, -27], dtype))


@pytest.mark.parametrize("file", [f for f in FILES if ">>>" in f.read_text()], ids=NAMES.get)
def test_a_session_shows_what_is_printed(file: Path) -> None:
    module = importlib.import_module(f"wonderland.{NAMES[file]}")
    names = {**vars(module), "np": vars(module).get("np", np), "wonderland": wonderland, "wl": wl}
    names |= {n: getattr(wl, n) for n in ("jit", "vmap", "grad") if n not in names}
    names["__name__"] = "__main__"  # what is defined there is the user's
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    parser, shown = doctest.DocTestParser(), 0
    texts = dict(docstrings(file))
    own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
    texts |= {f.__name__: f.__doc__ for f in own if callable(f) and ">>>" in (f.__doc__ or "")}
    for name, text in texts.items():
        assert text is not None
        session = parser.get_doctest(text, dict(names), name, str(file), 0)
        shown += len(session.examples)
        runner.run(session, out=lambda text: None)
    assert shown, "no example is in a docstring"
    assert not runner.failures, f"{runner.failures} of {runner.tries} examples"


def test_there_are_examples() -> None:
    assert len(PROGRAMS) > 12
