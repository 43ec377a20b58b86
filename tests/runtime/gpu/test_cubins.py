"""Machine code for GPUs, made without one: what it uses, how it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import wonderland as wl
from tests.runtime.fake_device import FakeDevice
from wonderland.compiler.codegen.target import DEVICES
from wonderland.compiler.codegen.words import gpu_words
from wonderland.compiler.pipeline import compile_graph
from wonderland.runtime.gpu import cubins, devices, ptx
from wonderland.runtime.gpu.architectures import ARCHITECTURES
from wonderland.runtime.gpu.cubins import Artifact
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.native import objects

try:
    cubins.linker()
except cubins.MissingLinker as missing:
    pytest.skip(str(missing), allow_module_level=True)

ADD = """\
def add(x: pointer(f32), y: pointer(f32), n: integer, c: number(f32)):
    for i in range(block_index() * 256 + thread_index(), n, block_count() * 256):
        store(y, i, load(x, i, 1) + c)
"""


def made(text: str, architecture: str = "sm_80") -> Artifact:
    return cubins.artifacts([text], gpu_words.words(), gpu_words.key(), architecture)[text]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, and a process that holds nothing."""
    monkeypatch.setenv("WONDERLAND_CACHE", str(tmp_path))
    objects.folder.cache_clear()
    monkeypatch.setattr(cubins, "HELD", {})
    yield tmp_path
    objects.folder.cache_clear()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_text_becomes_a_cubin_that_says_what_it_takes(architecture: str) -> None:
    found = made(ADD, architecture)
    assert found.cubin.startswith(b"\x7fELF") and found.entry.startswith("add_")
    assert found.parameters == ("f32*", "f32*", "i64", "f32")
    assert found.architecture == architecture and 0 < found.registers < 64
    assert (found.spill_bytes, found.stack_bytes, found.shared_bytes) == (0, 0, 0)
    assert f".target {architecture}" in found.ptx and "add.rn.f32" in found.ptx


@pytest.mark.parametrize("architecture", ["sm_70", "sm_130", "sm_90a", "nonsense"])
def test_an_architecture_that_nobody_knows_is_an_error(architecture: str) -> None:
    with pytest.raises(DeviceError, match=rf"made for sm_75, .*, sm_121, got {architecture}"):
        ptx.target(architecture)
    device = FakeDevice()
    device.architecture = architecture
    with pytest.raises(DeviceError, match="cuda:0, Fake: kernels are made for sm_75"):
        devices.accelerator(device)


def test_aligned_neighbours_move_in_one_access() -> None:
    (_, launch), *_ = compile_graph(wl.trace(np.exp, np.zeros(4096, np.float32)).graph,
                                    DEVICES["sm_80"]).lowered  # fmt: skip
    code = made(launch.text).ptx
    assert "ld.global.v4" in code and "st.global.v4" in code


def test_code_is_found_on_disk_by_another_process(empty_cache: Path, monkeypatch) -> None:
    first, before = made(ADD), objects.statistics()
    monkeypatch.setattr(cubins, "HELD", {})
    again = made(ADD)
    assert again == first and again is not first
    assert objects.statistics().compiled == before.compiled
    assert objects.statistics().loaded == before.loaded + 1


def test_a_broken_entry_is_made_again(empty_cache: Path, monkeypatch) -> None:
    first = made(ADD)
    for file in empty_cache.iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(cubins, "HELD", {})
    assert made(ADD).cubin == first.cubin


def test_what_the_assembler_refuses_is_a_fault_of_ours() -> None:
    with pytest.raises(wl.CompilerError, match="nvJitLink fails with 4"):
        cubins.link(".version 8.0\n.target sm_80\n.address_size 64\nnonsense", "sm_80")


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(cubins, "packaged", lambda: [])
    monkeypatch.setattr(cubins, "LIBRARY", "libnothing.so")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(cubins.MissingLinker, match=r"pip install wonderland\[cuda\]"):
        cubins.linker.__wrapped__()
