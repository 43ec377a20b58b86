"""The layers of the project: lower never imports higher, and importing it costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    "runtime",
    "compiler.errors compiler.lazy",
    "compiler.precision",
    "compiler.types compiler.settings compiler.static compiler.parameters compiler.syntax",
    "compiler.ir",
    "compiler.unsupported",
    "compiler.explain compiler.repairs",
    "compiler.text compiler.kernel",
    "compiler.prefix compiler.product compiler.sorting",
    "compiler.ops",
    "compiler.law compiler.interpreter compiler.verify compiler.index compiler.tree",
    "compiler.arrays",
    "compiler.laws compiler.emission compiler.nans compiler.retrace",
    "compiler.partial",
    "compiler.apart",
    "compiler.chunks compiler.roots compiler.groups compiler.order",
    "compiler.plan compiler.rematerialise compiler.minimum_cut",
    "compiler.memory compiler.low_peak",
    "compiler.saved",
    "compiler.passes compiler.codegen",
    "compiler.nested compiler.rows",
    "compiler.verify_plan",
    "compiler.pipeline",
    "compiler.aliases compiler.concrete compiler.devices",
    "compiler.tracer compiler.lint",
    "compiler.numpy",
    "compiler.collectives compiler.primitives",
    "compiler.trace",
    "compiler.control_flow",
    "compiler.lax compiler.functions",
    "compiler.rule_checks compiler.checkpoint_policies",
    "compiler.custom compiler.checkpoint compiler.effects",
    "compiler.debug compiler.extend",
    "compiler.scalar_function",
    "compiler.dimension_numbers compiler.segments",
    "compiler.executable compiler.budget",
    "compiler.vmap compiler.jacobians compiler.custom_batching",
    "compiler.profile compiler.archive",
    "compiler.random compiler.special compiler.testing compiler.api",
    "compiler.rejection",
    "models",
    "wonderland",
]
"""Lowest first; modules of one line are independent, unless they are one package."""

RANK = {name: k for k, line in enumerate(LAYERS) for name in line.split()}
FILES = sorted(f for part in ("compiler", "runtime", "models") for f in (ROOT / part).rglob("*.py"))


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module: str) -> str | None:
    """The longest name of a layer that the module is or lies in."""
    return max(
        (n for n in RANK if module == n or module.startswith(n + ".")), key=len, default=None
    )


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Modules of the project that a file imports when it is imported, with the line."""
    package = (
        module_of(file).split(".")
        if file.name == "__init__.py"
        else module_of(file).split(".")[:-1]
    )
    tree = ast.parse(file.read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            full = ".".join((*base, *(node.module or "").split("."))).rstrip(".")
            for name in node.names:
                inside = ROOT.joinpath(*full.split("."), name.name)
                is_module = inside.is_dir() or inside.with_suffix(".py").exists()
                yield (f"{full}.{name.name}" if is_module else full).lstrip("."), node.lineno


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_file_imports_no_higher_layer(file: Path) -> None:
    own = layer_of(module_of(file))
    if own is None:
        assert file.read_text().strip() == "" or file.name == "__init__.py", (
            f"{file} is in no layer"
        )
        return
    for module, line in imports(file):
        other = layer_of(module)
        assert other is not None, f"{file}:{line} imports {module}, which is in no layer"
        assert RANK[other] < RANK[own] or other == own, f"{file}:{line} imports {module}"


def test_the_runtime_imports_nothing_of_the_compiler() -> None:
    found = [
        m
        for f in FILES
        if "runtime" in f.parts
        for m, _ in imports(f)
        if not m.startswith("runtime")
    ]
    assert found == []


def test_only_the_code_generator_and_the_pipeline_import_the_runtime() -> None:
    names = "api", "codegen", "devices", "executable", "pipeline", "rows", "verify_plan"
    allowed = tuple(f"compiler.{name}" for name in names)
    found = [
        f"{f}: {m}"
        for f in FILES
        if "compiler" in f.parts and not module_of(f).startswith(allowed)
        for m, _ in imports(f)
        if m.startswith("runtime")
    ]
    assert found == []


def test_importing_the_front_door_loads_no_heavy_library() -> None:
    heavy = "numba", "llvmlite", "networkx", "scipy", "cuda"
    code = f"import sys, wonderland; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
