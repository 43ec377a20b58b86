"""Training in several processes: what one gets, the same bits in all, files, and what ends it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distributed.launch import launch, ran, results
from tests.distributed.training import README, UNSCORED, batches, fitted, told
from tests.models.training.noisy_net import loss
from wonderland import commands

SMALL = 2e-6  # a few roundings of weights near 1, through a few steps


def folder(processes: int) -> Path:
    return Path(os.environ["WONDERLAND_CACHE"]) / f"launched/training-{processes}"


def outcome(processes: int, case: str) -> list[dict[str, Any]]:
    """Of each process; four go on from what two have written."""
    if processes == 4:
        ran("training", 2)
    return results("training", processes, case)


def one_outcome(processes: int, case: str) -> dict[str, Any]:
    """The same in all processes, to the bit."""
    found = outcome(processes, case)
    assert all(one == found[0] for one in found)
    return found[0]


def near(found: dict[str, Any], alone: dict[str, Any]) -> None:
    assert found["stopped"] == alone["stopped"]
    np.testing.assert_allclose(found["losses"], alone["losses"], atol=SMALL)
    for a, b in zip(found["scores"], alone["scores"], strict=True):
        assert (a is b is None) or abs(a - b) <= SMALL
    for a, b in zip(found["model"], alone["model"], strict=True):
        np.testing.assert_allclose(a, b, atol=SMALL)


def test_many_processes_train_what_one_does() -> None:
    one = told(fitted(loss, accumulate=4))
    near(one_outcome(2, "case_fits"), one)
    near(one_outcome(4, "case_fits"), one)


def test_another_number_of_processes_goes_on_with_the_same_rows() -> None:
    two, four = one_outcome(2, "case_resumes"), one_outcome(4, "case_resumes")
    assert len(two["losses"]) == 6 and two["losses"] == four["losses"][:6]
    file, options = folder(4) / "resumes.npz", {"clip": 1.0, **UNSCORED}
    one = fitted(checkpoint=file, resume=True, **options)
    assert one.losses.tolist()[:12] == four["losses"]
    near(told(one), told(fitted(**options)))
    weights = 3 * 8 + 8 + 8  # and one more, which all keep; adam has two numbers for each
    assert two["state"] == 2 * (weights // 2 + 1) + 1
    assert four["state"] == 2 * (weights // 4 + 1) + 1


def test_each_process_has_its_rows_of_all_and_of_the_batches_of_a_function() -> None:
    found = outcome(2, "case_ways")
    assert [one.pop("heard") for one in found] == [[1, 2, 3], []] and found[0] == found[1]
    near(found[0]["function"], told(fitted(data=batches)))
    near(found[0]["whole"], told(fitted(batch_size=None, **UNSCORED)))


def test_ctrl_c_in_one_process_ends_all_after_the_same_step() -> None:
    found = one_outcome(2, "case_interrupted")
    assert found["stopped"] == "interrupted" and 9 <= len(found["losses"]) < 18
    one = fitted(checkpoint=folder(2) / "interrupted.npz", resume=True, **UNSCORED)
    near(told(one), told(fitted(**UNSCORED)))


def test_what_is_not_alike_is_told_in_all_processes() -> None:
    found = one_outcome(2, "case_refusals")
    assert "another model.first.weight at place 1 of 'data' than at 0" in found["model"]
    assert "try: wl.distributed.broadcast(model)" in found["model"]
    assert re.search(r"process 0: \['y'\] f32\[16\].*\n.*process 1: \['y'\]", found["data"])
    assert re.search(r"first batch.*\n.*process 0: \['y'\] f32\[96\]", found["function"])
    assert re.search(r"process 0: epochs 3\n.*process 1: epochs 4", found["options"])
    assert found["rows"].endswith("try: batch_size=14")
    assert "a loss of one number is required" in found["loss"]
    assert "all processes along 'data' is required" in found["axes"]
    assert "a checkpoint to resume is required" in found["absent"]
    assert found["unread"].startswith("FileNotFoundError") and "no.npz" in found["unwritten"]
    assert "a first axis that 2 processes share evenly is required" in found["local"]


def test_trees_are_given_to_all_shared_out_written_once_and_read_once() -> None:
    for found, rows in zip(outcome(2, "case_trees"), (range(6), range(6, 12)), strict=True):
        assert found == {
            "first": [0, 0, 0], "last": [[1, 1, 1], 1.0], "empty": [0, 2], "rows": [*rows],
            "aligned": True,
            "read": [0, [1.0, 1.0], 0],
        }  # fmt: skip


def test_the_programs_of_the_readme_run_in_two_processes() -> None:
    assert one_outcome(2, "case_readme")["shared"]["stopped"] == "finished"


def test_a_process_killed_while_it_writes_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    run = launch(2, ["-m", "tests.distributed.training", str(tmp_path)], 200)
    assert run.status != 0 and not run.remaining
    resumed = fitted(checkpoint=tmp_path / "killed.npz", resume=True, **UNSCORED)
    near(told(resumed), told(fitted(**UNSCORED)))


def test_the_command_writes_and_prints_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = re.findall(r"```python\n(# sines\.py\n.*?)```", README.read_text(), re.DOTALL)
    file, out = tmp_path / "sines.py", tmp_path / "out"
    file.write_text(text)
    line = ["train", f"{file}:SINES", "--epochs", "3", "--out", str(out)]
    run = launch(2, ["-m", "wonderland", *line, "--data-parallel"], 200)
    assert run.status == 0 and not run.remaining, run.text
    assert run.text.count("test mean squared error") == 1
    assert re.findall(r"epoch \d", run.text) == [f"epoch {k}" for k in range(1, 4)]
    assert (out / "model.npz").exists() and not list(out.glob("*.part"))

    monkeypatch.setenv("PMI_SIZE", "2")
    for rank, said in enumerate(("2 processes, try: --data-parallel\n", "")):
        monkeypatch.setenv("PMI_RANK", str(rank))
        assert commands.main(line) == 2
        assert capsys.readouterr().err.endswith(said)
