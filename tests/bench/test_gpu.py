"""The questions for a GPU: what runs without one, and ours over the fake device."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bench import gpu, mlp_step
from tests.runtime.fake_device import FakeDevice
from wonderland.runtime.gpu import cuda


def test_without_a_gpu_it_says_so_and_is_content():
    if cuda.cuda_devices():
        pytest.skip("there is a GPU")
    for words in (["bench.gpu"], ["bench", "gpu", "--quick"]):
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.startswith("no GPU: ")


def test_a_training_step_is_timed(monkeypatch):
    device = FakeDevice()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (device,))
    peer = gpu.our_step(device, *mlp_step.problem(4, (6, 5, 3)))
    peer.call()
    peer.call()
    peer.wait()
    assert [entry for entry in device.log if entry.startswith("graph")]


@pytest.mark.parametrize("function", [gpu.gelu, gpu.softmax])
def test_our_runs_stay_on_the_device(function, monkeypatch):
    device = FakeDevice()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (device,))
    x = np.ones((3, 4), np.float32)
    peer = gpu.Question("q", "3 x 4", device, [x], function, None).ours()
    peer.call()
    peer.call()
    assert sum(entry.startswith("upload") for entry in device.log) == 1
