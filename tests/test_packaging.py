"""What is shipped: the source distribution builds the wheel, and the wheel works by itself.

Both are built by the hooks that `pip` and `build` call, from a copy of the tree, and nothing is
downloaded: the fresh environment reads the dependencies of this one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("compiler", "runtime", "models")
FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")

TRAINING = """
import sys
import numpy as np
import wonderland as wl
from wonderland.models.families import mlp

rng = np.random.default_rng(0)
batch = rng.normal(size=(64, 8)).astype(np.float32), rng.integers(0, 3, 64, np.int32)
model = mlp.init(wl.random.key(0), (8, 16, 3))
losses = wl.fit(mlp.loss, model, batch, wl.optim.adam(1e-2), epochs=10).losses
assert losses[-1] < 0.95 * losses[0] and all(np.diff(losses) < 0), losses
print(wl.__file__)
"""


def run(*command: object, cwd: Path) -> str:
    """What a command prints that sees nothing of the checkout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def build(kind: str, source: Path, target: Path) -> Path:
    """A distribution of the tree at `source`, by the hook of the build back end."""
    target.mkdir()
    code = f"from setuptools.build_meta import build_{kind} as b; print(b({str(target)!r}))"
    return target / run(sys.executable, "-c", code, cwd=source).splitlines()[-1]


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in sorted(file.namelist())}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def sdist(place: Path) -> Path:
    copy = place / "copy"
    unwanted = shutil.ignore_patterns("__pycache__")
    for part in (*PARTS, "wonderland", "tests"):
        shutil.copytree(ROOT / part, copy / part, symlinks=True, ignore=unwanted)
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    return build("sdist", copy, place / "sdist")


@pytest.fixture(scope="module")
def wheel(place: Path, sdist: Path) -> Path:
    return build("wheel", place / "copy", place / "wheel")


@pytest.fixture(scope="module")
def python(place: Path, wheel: Path) -> Path:
    """The interpreter of a fresh environment with the wheel and the dependencies found here."""
    environment = place / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    install = ("-m", "pip", "--quiet", "--python", python, "install", "--no-deps", "--no-index")
    run(sys.executable, *install, wheel, cwd=place)
    packages = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place
    )
    # after the environment's own, so a wonderland that is installed here stays out of sight
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    shipped = {n for n in contents(wheel) if ".dist-info/" not in n}
    modules = {f"wonderland/{f.relative_to(ROOT)}" for p in PARTS for f in (ROOT / p).rglob("*.py")}
    front = {
        f.relative_to(ROOT).as_posix()
        for room in (ROOT / "wonderland", *(ROOT / "wonderland").iterdir())
        if not room.is_symlink() and room.name != "__pycache__"
        for f in (*room.glob("*.py"), *room.glob("*.pyi"))
    }
    assert shipped == modules | front | {"wonderland/py.typed"}
    assert any(n.endswith("dist-info/licenses/LICENSE") for n in contents(wheel))


def test_the_source_distribution_has_files_for_links_and_builds_the_same_wheel(
    place: Path, sdist: Path, wheel: Path
) -> None:
    with tarfile.open(sdist) as file:
        assert all(m.isfile() or m.isdir() for m in file.getmembers())
        assert not any("/tests/" in name for name in file.getnames())
        file.extractall(place / "unpacked", filter="data")
    (source,) = (place / "unpacked").iterdir()
    assert contents(build("wheel", source, place / "again")) == contents(wheel)


def test_ten_steps_are_trained_from_the_wheel_alone(place: Path, python: Path) -> None:
    found = run(python, "-c", TRAINING, cwd=place)
    assert Path(found).is_relative_to(place / "environment")


def test_the_command_is_installed(place: Path, python: Path) -> None:
    (place / "model.py").write_text("def double(x):\n    return x + x\n")
    words = ("inspect", "model.py:double", "--arg", "f32[3]", "--stage", "trace")
    said = run(python.parent / "wonderland", *words, cwd=place)
    assert said.startswith("def double(a: f32[3]):")


LAZY = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
import wonderland as wl
wl.trace(wl.grad(lambda x: np.sum(np.sin(x))), np.ones(3))
print(*(m for m in ("numba", "llvmlite", "networkx", "scipy", "sklearn") if m in sys.modules))
"""


def test_nothing_heavy_is_loaded_before_the_first_compile(place: Path, python: Path) -> None:
    assert run(python, "-c", LAZY, cwd=place) == ""
