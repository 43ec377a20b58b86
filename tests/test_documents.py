"""The documents are true: their programs run, and print what stands below them.

A block marked `256-bit` shows code for vectors of that width and is compared on such processors.
`WONDERLAND_UPDATE=1 python -m pytest tests/test_documents.py` writes what they print into them.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wonderland import commands
from wonderland.compiler.codegen.target import host
from wonderland.compiler.ir.graph import Op
from wonderland.compiler.kernel.monoid import RUNNING

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "compiler/README.md", "CONTRIBUTING.md"]
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text( 256-bit)?\n(.*?)```\n)?", re.DOTALL)


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """The tables that a document may add to, as they were."""
    tables: list[Any] = [Op.registry, RUNNING]
    known = [(table, dict(table)) for table in tables]
    yield
    for table, before in known:
        table.clear()
        table.update(before)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_programs_print_what_the_document_shows(
    document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ROOT / document
    text = path.read_text()
    module = types.ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)  # where dataclasses look names up
    namespace = vars(module)
    found, lines = [], text.splitlines(keepends=True)
    name = Path(document).name
    linecache.cache[name] = len(text), None, lines, name  # sources name the document's lines
    for block in BLOCK.finditer(text):
        program, shown = block[1], block[3]
        if block[2] and host().bits != 256:
            shown = None
        before = text[: block.start(1)].count("\n")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * before + program, name, "exec"), namespace)
        printed = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
        found.append((block, printed + "\n" if printed else ""))
        if shown is not None and "WONDERLAND_UPDATE" not in os.environ:
            assert printed == shown.rstrip("\n"), f"{document}, line {before}"
    if "WONDERLAND_UPDATE" in os.environ:
        for block, printed in reversed(found):
            if block[3] is not None and not (block[2] and host().bits != 256):
                text = text[: block.start(3)] + printed + text[block.end(3) :]
        path.write_text(text)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_a_document_names_exist(document: str) -> None:
    prose = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    named = re.findall(r"`([\w./]+(?:\.py|\.md|/))(?: [^`]*)?`", prose)
    named += re.findall(r"^    ([\w/]+\.py)  ", prose, re.MULTILINE)
    parts = [
        ROOT / part for part in ("compiler", "runtime", "models", "wonderland", "tests", "bench")
    ]
    known = [*ROOT.glob("*"), *parts, *(f for part in parts for f in part.rglob("*"))]
    paths = [f"/{f.relative_to(ROOT)}" for f in known]
    for name in named:
        assert any(p.endswith(f"/{name.rstrip('/')}") for p in paths), f"{document}: {name}"


def test_a_model_from_the_readme_works_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (ROOT / "README.md").read_text()
    (file,) = (b for b in re.findall(r"```python\n(# \w+\.py\n.*?)```", readme, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    (tmp_path / file.split()[1]).write_text(file)
    lines = re.findall(r"^    wonderland (\w+ sines\.py\S*.*?)(?: *#.*)?$", readme, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        assert commands.main(line.split()) == 0, capsys.readouterr()
    printed = capsys.readouterr().out
    error = re.search(r"test mean squared error\s+(\S+)", printed)
    baseline = re.search(r"trivial baseline\s+(\S+)", printed)
    assert error and baseline and float(error[1]) < 0.1 * float(baseline[1])
    assert (tmp_path / "sines" / "model.npz").exists()
