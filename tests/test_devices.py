"""Programs with device="cuda", end to end: the runtime's own code over a fake device."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland as wl
from tests.runtime.fake_device import FakeDevice
from wonderland.runtime import cuda
from wonderland.runtime.device_array import DeviceArray


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    fake = FakeDevice()
    monkeypatch.setattr(cuda, "devices", lambda: (fake,))
    return fake


RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 7)).astype(np.float32)
Y = RNG.standard_normal((20, 3)).astype(np.float32)
W = RNG.standard_normal((7, 3)).astype(np.float32)


def loss(w, x, y):
    return np.mean((np.tanh(x @ w) - y) ** 2)


def close(a, b) -> None:
    for x, y in zip(wl.tree.leaves(a), wl.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=2e-6, atol=1e-6)


def test_a_step_runs_on_the_device_as_on_the_processor(device):
    step = wl.jit(wl.value_and_grad(loss), device="cuda")
    value, gradient = step(W, X, Y)
    assert isinstance(value, DeviceArray) and gradient.shape == (7, 3)
    close((value, gradient), wl.jit(wl.value_and_grad(loss))(W, X, Y))
    assert device.used > 0


def test_a_program_runs_where_its_arguments_are(device):
    step = wl.jit(lambda w, x, y: w - 0.1 * wl.grad(loss)(w, x, y))
    x, y = wl.device_put((X, Y), "cuda")
    w = wl.device_put(W, "cuda")
    plain = W
    for _ in range(4):
        w, plain = step(w, x, y), step(plain, X, Y)
        assert isinstance(w, DeviceArray) and isinstance(plain, np.ndarray)
    close(w, plain)
    assert wl.device_get(w).tolist() == np.asarray(w).tolist()
    assert isinstance(wl.jit(np.sin, device="cpu")(w), np.ndarray)
    with wl.disable_jit():
        close(step(w, x, y), step(plain, X, Y))


def test_the_device_is_a_setting(device):
    f = wl.jit(lambda x: x * 2)
    with wl.default_device("cuda"):
        assert isinstance(f(X), DeviceArray)
        assert isinstance(wl.device_put(X), DeviceArray)
    assert isinstance(f(X), np.ndarray) and isinstance(wl.device_put(X), np.ndarray)
    with wl.default_device(device):
        assert isinstance(f(X), DeviceArray)


def test_training_with_donated_state_uploads_the_data_only(device):
    optimizer = wl.optim.adam(1e-2)

    def fit(params, state, x, y):
        value, gradient = wl.value_and_grad(lambda p: loss(p["w"], x, y))(params)
        updates, state = optimizer.update(gradient, state, params)
        return wl.optim.apply_updates(params, updates), state, value

    def trained(place: str):
        params = {"w": W}
        params, state = wl.device_put((params, optimizer.init(params)), place)
        train = wl.jit(fit, donate_argnums=(0, 1))
        values = []
        for _ in range(3):
            params, state, value = train(params, state, X, Y)
            values.append(value)
        return params, values

    close(trained("cuda"), trained("cpu"))
    log = [entry for entry in device.log if entry.startswith(("upload", "graph"))]
    assert log.count(f"upload {X.nbytes}") == log.count(f"upload {Y.nbytes}") == 3
    assert sum(entry.startswith("graph") for entry in log) == 1


def test_what_a_function_closes_over_is_uploaded_once(device):
    table = RNG.standard_normal((5, 7)).astype(np.float32)
    f = wl.jit(lambda x: x @ table.T, device="cuda")
    x = wl.device_put(X, "cuda")
    close(f(x), X @ table.T)
    uploads = [entry for entry in device.log if entry.startswith("upload")]
    close(f(x), X @ table.T)
    assert [entry for entry in device.log if entry.startswith("upload")] == uploads


def test_nans_are_found_on_the_device_too(device):
    f = wl.jit(lambda x: np.sqrt(x), device="cuda", check_nans=True)
    with pytest.raises(FloatingPointError, match="result 0"):
        f(-np.ones(3, np.float32))


def test_the_stages_of_a_program_on_a_device_are_read(device):
    stages = wl.jit(loss, device="cuda").inspect(W, X, Y)
    assert "ptx" in list(stages) and "loss on sm_90: 2 launches" in stages["launches"]


def test_without_a_gpu_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(cuda, "found", lambda: ((), "the NVIDIA driver sees no GPU"))
    with pytest.raises(
        wl.ProgramError, match='jit: a device "cuda" is required: the NVIDIA driver sees no GPU'
    ):
        wl.jit(loss, device="cuda")(W, X, Y)
    assert [str(d) for d in wl.devices()] == ["cpu"]
