"""The rooms of the project: what each may import, and no circle anywhere.

Imports inside of functions count, and those for types alone.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent

ROOMS = {
    "runtime.errors": "",
    "runtime.native": "errors",
    "runtime.spec": "",
    "runtime.rows": "spec",
    "runtime.steps": "rows",
    "runtime.machine": "rows steps processes",
    "runtime.program": "rows spec steps",
    "runtime.processes": "errors rows",
    "runtime.cpu": "native rows spec steps machine program processes",
    "runtime.gpu": "errors native rows spec steps machine program processes",
    "compiler.ir": "runtime.errors",
    "compiler.settings": "ir runtime.rows",
    "compiler.kernel": "ir",
    "compiler.transform": "ir",
    "compiler.ops": "ir kernel transform runtime.rows runtime.processes",
    "compiler.codegen": "ir kernel runtime.native runtime.rows runtime.gpu",
    "compiler.optimise": "ir kernel transform ops",
    "compiler.fuse": "ir kernel ops",
    "compiler.trace": "ir settings kernel transform ops runtime.rows runtime.gpu",
    "compiler.front": "ir settings kernel transform ops trace runtime.rows runtime.processes",
    "compiler.plan": "ir kernel transform ops fuse codegen runtime.rows",
    "compiler.pipeline": "ir settings kernel optimise fuse codegen plan "
    "runtime.native runtime.rows runtime.spec runtime.program runtime.cpu runtime.gpu",
    "compiler.family": "ir kernel transform fuse codegen plan pipeline runtime.native runtime.cpu",
    "compiler.jit": "ir settings transform ops trace fuse plan pipeline family "
    "runtime.native runtime.rows runtime.spec runtime.program runtime.cpu runtime.gpu "
    "runtime.processes",
    "compiler.testing": "ir transform trace front pipeline",
    "models": "compiler.ir compiler.ops compiler.trace compiler.front compiler.jit",
    "wonderland.commands": "models compiler.ir compiler.settings compiler.transform compiler.ops "
    "compiler.codegen compiler.trace compiler.front compiler.plan compiler.jit compiler.testing "
    "runtime.native runtime.cpu runtime.gpu runtime.processes",
}
"""Of every room those that its files may import; names without a dot are of the same folder."""

FILES = sorted(
    f for part in ("compiler", "runtime", "models", "wonderland/commands")
    for f in (ROOT / part).rglob("*.py")
)  # fmt: skip


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(f) for f in FILES}


def room_of(module: str) -> str:
    """The room that a module is, or lies in; empty for the package around all rooms."""
    return next((r for r in ROOMS if module == r or module.startswith(r + ".")), "")


def allowed(room: str, names: str | None = None) -> set[str]:
    folder = room.rpartition(".")[0]
    beside = {name: f"{folder}.{name}" for name in (names or ROOMS[room]).split()}
    return {near if near in ROOMS else name for name, near in beside.items()}


@cache
def imports(file: Path) -> tuple[tuple[str, int], ...]:
    """Modules of the project that a file imports, at its top or later, with the line."""
    return tuple(imported(file))


def imported(file: Path) -> Iterator[tuple[str, int]]:
    package = module_of(file).split(".")
    if file.name != "__init__.py":
        package.pop()
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = ".".join((*base, *(node.module or "").split("."))).strip(".")
            names = [f"{full}.{n.name}".strip(".") for n in node.names]
        elif isinstance(node, ast.Import):
            full, names = "", [n.name for n in node.names]
        else:
            continue
        for name in names:
            found = name if name.removeprefix("wonderland.") in MODULES or name in MODULES else full
            found = found if found in MODULES else found.removeprefix("wonderland.")
            if found in MODULES:
                yield found, node.lineno


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_file_imports_what_its_room_may(file: Path) -> None:
    room = room_of(module_of(file))
    if not room:
        assert not ast.parse(file.read_text()).body[1:], f"{file} is in no room"
        return
    for module, line in imports(file):
        other = room_of(module)
        assert other == room or other in allowed(room), f"{file}:{line} imports {module}"


def test_every_room_needs_what_it_may_import() -> None:
    needed = {room: set[str]() for room in ROOMS}
    for file in FILES:
        if room := room_of(module_of(file)):
            needed[room] |= {room_of(m) for m, _ in imports(file)} - {room}
    assert needed == {room: allowed(room) for room in ROOMS}


@pytest.mark.parametrize(("here", "other"), [("cpu", "gpu"), ("gpu", "cpu")])
def test_printers_for_one_machine_know_nothing_of_another(here: str, other: str) -> None:
    for file in (ROOT / "compiler" / "codegen" / here).glob("*.py"):
        for module, line in imports(file):
            assert not module.startswith(f"compiler.codegen.{other}."), f"{file}:{line}"


def test_there_is_no_circle_of_files_and_few_floors_of_rooms() -> None:
    files, rooms = nx.DiGraph(), nx.DiGraph()
    for file in FILES:
        files.add_edges_from((module_of(file), m) for m, _ in imports(file))
    for room in ROOMS:
        rooms.add_edges_from((room, other) for other in allowed(room))
    assert list(nx.simple_cycles(files)) == []
    inside = rooms.subgraph(r for r in ROOMS if r.startswith("compiler."))
    assert nx.dag_longest_path_length(inside) < 8
    loose = [f for f in (ROOT / "compiler").glob("*.py") if f.name != "__init__.py"]
    assert len(loose) <= 4


@pytest.mark.parametrize("room", [r for r in ROOMS if (ROOT / r.replace(".", "/")).is_dir()])
def test_a_room_says_what_it_is_for_and_what_it_imports(room: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text()))
    said = re.search(
        r"In: .*Out: .*Begin with\s.*\n\nImports: ([\w ,.\n]+)\.$", text or "", re.DOTALL
    )
    assert said, f"{room} says what comes in, what goes out, where to begin, what it imports"
    names = said[1].replace(",", " ").replace("nothing", "")
    assert allowed(room, names) == allowed(room)


def test_importing_the_front_door_loads_no_heavy_library() -> None:
    heavy = "numba", "llvmlite", "networkx", "scipy", "cuda"
    late = "difflib", "fractions", "logging", "shutil", "string", "subprocess", "tempfile"
    code = (
        "import sys, numpy; before = {*sys.modules}; import wonderland; "
        f"print([m for m in {(*heavy, *late)} if m in {{*sys.modules}} - before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
