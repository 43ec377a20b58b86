"""Device arrays: reading, sharing with other libraries, order across streams."""

from __future__ import annotations

import gc
import pickle

import ml_dtypes  # pyright: ignore[reportMissingImports]
import numpy as np
import pytest

from tests.runtime.fake_device import FakeDevice
from wonderland.runtime.gpu import cuda, devices, dlpack
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.gpu.device_array import DeviceArray, adopt, uploaded
from wonderland.runtime.spec import ArraySpec

BF16 = np.dtype(ml_dtypes.bfloat16)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def on(device: FakeDevice, x: np.ndarray) -> DeviceArray:
    return uploaded(x, device, ArraySpec(x.dtype, x.shape))


def test_an_array_knows_itself_and_is_read_on_the_host(device):
    x = np.arange(12, dtype=np.int32).reshape(3, 4)
    a = on(device, x)
    assert (a.shape, a.dtype, a.ndim, a.size, a.nbytes, len(a)) == ((3, 4), x.dtype, 2, 12, 48, 3)
    assert repr(a) == "<i32[3, 4] on cuda:0>"
    assert np.asarray(a).tolist() == a.tolist() == x.tolist()
    assert np.asarray(a, np.float64).dtype == np.float64
    assert a.block_until_ready() is a
    s = on(device, np.array(2.5, np.float32))
    assert float(s) == s.item() == 2.5 and int(s) == 2 and bool(s) and f"{s:.2f}" == "2.50"
    assert range(9)[on(device, np.array(3))] == 3


def test_what_cannot_be_done_says_what_can(device):
    a = on(device, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="reading it on the host is a copy"):
        np.asarray(a, copy=False)
    with pytest.raises(TypeError, match=r"cannot be pickled, try: np.asarray\(x\)"):
        pickle.dumps(a)
    with pytest.raises(TypeError, match="without axes"):
        len(on(device, np.array(1)))
    assert not hasattr(a, "__cuda_array_interface__")  # it is not in CUDA memory


@pytest.mark.parametrize("dtype", ["bool", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (4, 1, 2), (0, 3)])
def test_dlpack_goes_out_and_in_without_a_copy(device, dtype, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    a = on(device, x)
    view = np.from_dlpack(a)
    assert view.dtype == x.dtype and view.shape == x.shape and view.tolist() == x.tolist()
    back = adopt(Foreigner(x), device)
    assert isinstance(back, DeviceArray)
    assert back.dtype == x.dtype and back.shape == x.shape
    if x.size:
        assert view.ctypes.data == a.address and back.address == x.ctypes.data


def test_what_begins_between_aligned_places_is_copied(device):
    x = np.arange(9, dtype=np.float32)
    device.memory.place(x, address=x.ctypes.data)
    back = adopt(Foreigner(x[1:]), device)
    assert isinstance(back, DeviceArray) and back.address % 16 == 0
    assert np.asarray(back).tolist() == x[1:].tolist()


def test_bf16_is_passed_on_by_its_own_kind(device):
    a = on(device, np.arange(3).astype(BF16))
    found = dlpack.received(a.__dlpack__())
    assert found.dtype == BF16 and found.shape == (3,)


class Foreigner:
    """An array of another library, which notes what it is asked for."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.asked = x, []

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU, 0

    def __dlpack__(self, stream: int | None = None) -> object:
        self.asked.append(stream)
        return self.x.__dlpack__()


def test_a_receiver_waits_for_us_and_we_for_it_when_it_is_done(device):
    a = on(device, np.arange(3.0))
    capsule = a.__dlpack__(stream=7)
    assert device.log[-1] == "lead 7"
    found = dlpack.received(capsule)
    del capsule, a
    gc.collect()
    assert device.log[-1] == "lead 7" and device.used == 24  # it still uses the memory
    del found
    gc.collect()
    assert device.log[-2:] == ["follow 7", "free 24"]
    b = on(device, np.arange(3.0))
    b.__dlpack__()
    assert "synchronize" in device.log  # who names no stream gets what is ready
    before = len(device.log)
    b.__dlpack__(stream=-1)  # who wants no order gets none
    assert len(device.log) == before


def test_a_capsule_that_nobody_takes_holds_nothing(device):
    a = on(device, np.arange(3.0))
    capsule = a.__dlpack__(stream=-1)
    del a, capsule
    gc.collect()
    device.synchronize()
    assert device.used == 0


def test_a_capsule_is_used_once(device):
    capsule = on(device, np.arange(3.0)).__dlpack__()
    found = dlpack.received(capsule)
    with pytest.raises(BufferError, match="that nobody used yet is required"):
        dlpack.received(capsule)
    assert found.shape == (3,)


def test_what_is_borrowed_is_returned_after_our_last_use(device):
    x = np.arange(4.0)
    other = Foreigner(x)
    a = adopt(other, device)
    assert other.asked == [device.stream]
    assert a is not None
    del a
    gc.collect()
    assert len(device.limbo) == 1
    adopt(other, device)
    gc.collect()
    assert len(device.limbo) == 2
    device.synchronize()
    adopt(np.zeros(1), device)
    assert device.limbo == []


def test_what_is_returned_takes_along_what_came_before(device):
    a, b = (adopt(Foreigner(np.arange(4.0)), device) for _ in "ab")
    del a
    gc.collect()
    device.synchronize()
    del b
    gc.collect()
    assert len(device.limbo) == 1


def test_arrays_of_the_host_or_of_another_layout_are_not_adopted(device):
    assert adopt(np.zeros(3), device) is None and adopt(2.0, device) is None
    strided = Foreigner(np.zeros((4, 4))[:, ::2])
    with pytest.raises(DeviceError, match=r"f64\[4, 2\] of .*: an array in C order is required"):
        adopt(strided, device)
    with pytest.raises(BufferError, match="never a copy"):
        on(device, np.zeros(1)).__dlpack__(copy=True)
    with pytest.raises(BufferError, match="is on device"):
        on(device, np.zeros(1)).__dlpack__(dl_device=(2, 0))


class Cuda(FakeDevice):
    dlpack = dlpack.CUDA, 0


def test_the_cuda_array_interface_goes_out_and_in():
    device = Cuda()
    a = on(device, np.zeros((2, 3), np.float32))
    about = a.__cuda_array_interface__
    assert about == {
        "version": 3, "shape": (2, 3), "typestr": "<f4", "data": (a.address, False),
        "strides": None, "stream": device.stream,
    }  # fmt: skip

    class Other:
        __cuda_array_interface__ = about | {"stream": 5}

    b = adopt(Other(), device)
    assert b is not None and b.address == a.address and device.log[-1] == "follow 5"
    Other.__cuda_array_interface__ = about | {"strides": (4, 8)}
    with pytest.raises(DeviceError, match="an array in C order is required"):
        adopt(Other(), device)
    Other.__cuda_array_interface__ = about | {"mask": 1}
    with pytest.raises(DeviceError, match="with a mask"):
        adopt(Other(), device)
    assert not hasattr(on(device, np.zeros(1, BF16)), "__cuda_array_interface__")


def test_devices_are_named(monkeypatch):
    fake = FakeDevice()
    monkeypatch.setattr(cuda, "cuda_devices", lambda: (fake,))
    assert devices.devices_of_kind() == [devices.CPU, fake]
    assert devices.devices_of_kind("cuda") == [fake] and devices.devices_of_kind("cpu") == [
        devices.CPU
    ]
    for name in ("cuda", "gpu", "cuda:0", fake):
        assert devices.accelerator(name) is fake
    for name in (None, "", "cpu", devices.CPU):
        assert devices.accelerator(name) is None
    with pytest.raises(DeviceError, match="cuda:1 is required, there are 1 of cuda"):
        devices.accelerator("cuda:1")
    with pytest.raises(DeviceError, match='"cpu" or "cuda" is required, got \'tpu\''):
        devices.accelerator("tpu")
    with pytest.raises(DeviceError, match='a device is "cpu", "cuda" or "cuda:1", got \'cuda:x\''):
        devices.accelerator("cuda:x")
    with pytest.raises(DeviceError, match="a device or its name is required, got int"):
        devices.accelerator(3)


def test_a_machine_without_a_gpu_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(cuda, "cuda_found", lambda: ((), "the NVIDIA driver sees no GPU"))
    assert devices.devices_of_kind() == [devices.CPU]
    with pytest.raises(
        DeviceError, match='a device "cuda" is required: the NVIDIA driver sees no GPU'
    ):
        devices.accelerator("cuda")
