"""Training in real processes: the same bits in all, what one gets, files, and what ends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.distributed.training import README, batches, dropped, fitted, told

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
ROOT = Path(__file__).parent.parent.parent
SECONDS = 200  # until a test gives up, on a machine that does much else
SMALL = 2e-6  # a few roundings of weights near 1, through a few steps

pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec beside this Python")


def launched(processes: int, *command: Any, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    assert MPIEXEC is not None
    line = [MPIEXEC, "-n", str(processes), sys.executable, *map(str, command)]
    paths = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        line, capture_output=True, text=True, timeout=SECONDS, cwd=cwd, env=environment
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes, then four, have written of the cases that end well."""
    folder = tmp_path_factory.mktemp("training")
    script = ROOT / "tests/distributed/training.py"
    ends_well = "ways", "interrupted", "refusals", "trees", "readme"
    cases = {2: ("fits", "resumes", *ends_well), 4: ("fits", "resumes")}
    for processes, names in cases.items():
        into = folder / str(processes)
        into.mkdir()
        if processes == 4:
            shutil.copy(folder / "2/resumes.npz", into)
        done = launched(processes, script, into, *names)
        assert done.returncode == 0, done.stderr[-4000:]
    return folder


def told_by(folder: Path, processes: int, case: str) -> dict[str, Any]:
    """What came out of a case, which is the same in all processes but for who heard of epochs."""
    found = [
        json.loads((folder / f"{processes}/{case}.{k}.json").read_text()) for k in range(processes)
    ]
    heard = [one.pop("heard", None) for one in found]
    assert all(one == found[0] for one in found)
    if case == "ways":
        assert heard == [[1, 2, 3], *[[]] * (processes - 1)]
    return found[0]


def near(found: dict[str, Any], alone: dict[str, Any]) -> None:
    assert found["stopped"] == alone["stopped"]
    np.testing.assert_allclose(found["losses"], alone["losses"], atol=SMALL)
    for a, b in zip(found["scores"], alone["scores"], strict=True):
        assert (a is b is None) or abs(a - b) <= SMALL
    for a, b in zip(found["model"], alone["model"], strict=True):
        np.testing.assert_allclose(a, b, atol=SMALL)


def test_many_processes_train_what_one_does(folder: Path) -> None:
    one, two, four = (
        told(fitted(dropped, accumulate=4)),
        *(told_by(folder, n, "fits") for n in (2, 4)),
    )
    near(two, one)
    near(four, one)
    assert abs(one["losses"][-1] - told(fitted(dropped))["losses"][-1]) > 1e-3  # keys are of parts


def test_each_process_has_its_rows_of_all_and_of_the_batches_of_a_function(folder: Path) -> None:
    found, options = told_by(folder, 2, "ways"), {"held_out": None, "patience": None}
    near(found["function"], told(fitted(data=batches, **options)))
    near(found["whole"], told(fitted(batch_size=None)))


def test_another_number_of_processes_goes_on_with_the_same_rows(folder: Path) -> None:
    two, four = told_by(folder, 2, "resumes"), told_by(folder, 4, "resumes")
    assert len(two["losses"]) == 6 and two["losses"] == four["losses"][:6]
    one = fitted(checkpoint=folder / "4/resumes.npz", resume=True, clip=1.0)
    assert one.losses.tolist()[:12] == four["losses"]
    near(told(one), told(fitted(clip=1.0)))
    weights = 3 * 8 + 8 + 8  # and one more, which all keep; adam has two numbers for each
    assert two["state"] == 2 * (weights // 2 + 1) + 1
    assert four["state"] == 2 * (weights // 4 + 1) + 1


def test_ctrl_c_in_one_process_ends_all_after_the_same_step(folder: Path) -> None:
    found, file = told_by(folder, 2, "interrupted"), folder / "2/interrupted.npz"
    assert found["stopped"] == "interrupted" and 9 <= len(found["losses"]) < 18
    options = {"held_out": None, "patience": None}
    near(told(fitted(checkpoint=file, resume=True, **options)), told(fitted(**options)))


def test_what_is_not_alike_is_told_in_all_processes(folder: Path) -> None:
    found = told_by(folder, 2, "refusals")
    assert "another model.first.weight at place 1 of 'data' than at 0" in found["model"]
    assert "try: wl.distributed.broadcast(model)" in found["model"]
    assert re.search(r"process 0: \['y'\] f32\[16\].*\n.*process 1: \['y'\]", found["data"])
    assert re.search(r"first batch.*\n.*process 0: \['y'\] f32\[96\]", found["function"])
    assert re.search(r"process 0: epochs 3\n.*process 1: epochs 4", found["options"])
    assert found["rows"].endswith("try: batch_size=14")
    assert "a first axis that 2 processes share evenly is required" in found["local"]


def test_trees_are_given_to_all_shared_out_and_written_once(folder: Path) -> None:
    found = [json.loads((folder / f"2/trees.{k}.json").read_text()) for k in range(2)]
    for k, rows in enumerate((range(6), range(6, 12))):
        assert found[k] == {
            "first": [0, 0, 0], "last": [[1, 1, 1], 1.0], "empty": [0, 2], "rows": [*rows],
            "saved": 0, "like": 0,
        }  # fmt: skip
    assert wl.tree.load(folder / "2/tree.npz")["m"]["n"].tolist() == [1, 1]


def test_the_programs_of_the_readme_run_in_two_processes(folder: Path) -> None:
    assert told_by(folder, 2, "readme")["shared"]["stopped"] == "finished"
    assert "mpiexec -n 4" in README.read_text()


def test_a_process_killed_while_it_writes_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    done = launched(2, ROOT / "tests/distributed/training.py", tmp_path, "killed")
    assert done.returncode != 0 and not list(tmp_path.glob("*.json"))
    resumed = fitted(checkpoint=tmp_path / "killed.npz", resume=True)
    near(told(resumed), told(fitted()))
    assert "process 0 left" in done.stderr


def test_an_error_in_one_process_ends_all(tmp_path: Path) -> None:
    done = launched(2, ROOT / "tests/distributed/training.py", tmp_path, "failed")
    assert done.returncode != 0 and not list(tmp_path.glob("*.json"))
    assert "process 1 left: ValueError: this process is unwell" in done.stderr


def test_the_command_writes_and_prints_once(tmp_path: Path) -> None:
    readme = README.read_text()
    (file,) = re.findall(r"```python\n(# sines\.py\n.*?)```", readme, re.DOTALL)
    (tmp_path / "sines.py").write_text(file)
    line = ["-m", "wonderland", "train", "sines.py:SINES", "--epochs", "4", "--out", "sines"]
    done = launched(2, *line, "--data-parallel", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test mean squared error") == 1
    assert re.findall(r"epoch \d", done.stderr) == [f"epoch {k}" for k in range(1, 5)]
    assert (tmp_path / "sines/model.npz").exists()
    refused = launched(2, *line, cwd=tmp_path)
    assert refused.returncode != 0 and refused.stderr.count("try: --data-parallel") == 1
