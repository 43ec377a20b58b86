"""The doctor: what it says of this machine, and the hand it gives where something is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.runtime.fake_device import FakeDevice
from wonderland.commands import doctor, results
from wonderland.runtime.gpu import cuda, nccl
from wonderland.runtime.native import objects

Command = Callable[..., str]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "TIMED_SECONDS", 0.0)
    monkeypatch.setattr(doctor, "LEAST_COPY", 1 << 20)
    monkeypatch.setattr(doctor, "MOST_COPY", 1 << 20)
    monkeypatch.setattr(doctor, "PRODUCT", 64)


def test_the_doctor_names_versions_processor_threads_cache_and_rates(command: Command):
    lines = dict(line.split(maxsplit=1) for line in command("doctor").splitlines())
    assert f"numpy {np.__version__}" in lines["needs"] and "LLVM" in lines["needs"]
    assert "of f32" in lines["lanes"] and "allowed" in lines["threads"]
    assert str(objects.folder()) in lines["machine"]
    assert lines["GPU"].startswith(("none: ", "<cuda:0"))
    assert "GB/s" in lines["copy"] and "GFLOP/s" in lines["product"]


def test_what_connects_gpus_is_named_where_there_are_any(monkeypatch: pytest.MonkeyPatch):
    lines = dict(doctor.processor_facts())
    assert ("between GPUs" in lines) == bool(cuda.cuda_devices())
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (FakeDevice(),))
    for lack, said in (("", "NCCL"), ("nccl4py is required", "nccl4py is required")):
        monkeypatch.setattr(nccl, "lacking", lambda lack=lack: lack)
        assert dict(doctor.processor_facts())["between GPUs"] == said


def test_a_cache_that_belongs_to_others_is_told_with_the_repair(
    monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setattr(objects, "folder", lambda: None)
    advice: list[str] = []
    assert dict(doctor.cache(advice)) == {"machine code": "not kept"}
    assert len(advice) == 1 and "try: chmod 700" in advice[0]


@pytest.mark.parametrize(
    ("nbytes", "text"), [(100, "100 B"), (1536, "1.5 KiB"), (3 << 20, "3 MiB"), (5 << 30, "5 GiB")]
)
def test_amounts_have_three_digits_and_a_unit(nbytes: int, text: str):
    assert doctor.amount(nbytes) == text
