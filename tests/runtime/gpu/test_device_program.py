"""Programs on a device: order, memory, graphs, host rows, donation, errors."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tests.runtime.fake_device import Code, FakeDevice
from wonderland.runtime.gpu.device import DeviceError, OutOfDeviceMemory
from wonderland.runtime.gpu.device_array import DeviceArray, uploaded
from wonderland.runtime.gpu.device_program import DeviceProgram
from wonderland.runtime.rows import DeviceRow, HostRow, Slot
from wonderland.runtime.spec import ArraySpec

F32 = np.dtype(np.float32)
N = 100
SPEC = ArraySpec(F32, (N,))
BYTES = SPEC.nbytes
X, Y = np.arange(N, dtype=np.float32), np.arange(N, dtype=np.float32) ** 2

TEXT = """.version 8.0
.target sm_90
.address_size 64
.visible .entry plus(.param .u64 x, .param .u64 y, .param .u64 out, .param .u64 n, .param .f32 c)
{
    .reg .pred %p; .reg .b32 %r<6>; .reg .b64 %d<8>; .reg .f32 %f<4>;
    ld.param.u64 %d0, [x]; ld.param.u64 %d1, [y]; ld.param.u64 %d2, [out];
    ld.param.u64 %d3, [n]; ld.param.f32 %f2, [c];
    mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x;
    mad.lo.u32 %r3, %r1, %r2, %r0;
    cvt.u64.u32 %d4, %r3;
    setp.ge.u64 %p, %d4, %d3;
    @%p ret;
    shl.b64 %d4, %d4, 2;
    add.u64 %d5, %d0, %d4; add.u64 %d6, %d1, %d4; add.u64 %d7, %d2, %d4;
    ld.global.f32 %f0, [%d5]; ld.global.f32 %f1, [%d6];
    add.f32 %f0, %f0, %f1; add.f32 %f0, %f0, %f2;
    st.global.f32 [%d7], %f0;
    ret;
}
"""
PLUS = Code(TEXT, "plus")


def plus(a: Slot, b: Slot, out: Slot, c: float = 0.0, **more) -> DeviceRow:
    bits = int(np.float32(c).view(np.uint32))
    return DeviceRow(PLUS, (a, b, out), (N, bits), 2, 64, name="plus", **more)


def arena(k: int) -> Slot:
    return Slot("arena", 0, 512 * k)


IN, OUT = Slot("input"), Slot("output")


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def test_rows_run_in_order_over_every_space(device):
    rows = (
        plus(IN, Slot("constant"), arena(0), barrier=False),
        plus(IN, Slot("input", 1), arena(1)),
        plus(arena(0), arena(1), OUT, 0.5),
    )
    program = DeviceProgram(device, rows, (SPEC, SPEC), (SPEC,), (Y,), 1024)
    (out,) = program((X, Y))
    assert isinstance(out, DeviceArray)
    assert np.asarray(out).tolist() == (X + Y + X + Y + np.float32(0.5)).tolist()
    assert "graph 2+1" in device.log


def test_nothing_waits_before_somebody_reads(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    (out,) = program((X,))
    assert device.log == ["allocate 400", "upload 400", "allocate 400", "graph 1", "launch",
                          "free 400"]  # fmt: skip
    assert not device.memory.part(out.address, 4, True).view(np.float32).any() or device.queue
    assert out.tolist() == (X + X).tolist()


def test_one_graph_is_made_and_changed_where_addresses_change(device):
    rows = (plus(IN, IN, arena(0)), plus(arena(0), arena(0), arena(1)), plus(arena(1), IN, OUT))
    program = DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 1024)
    x = uploaded(X, device, SPEC)
    kept = [program((x,))[0] for _ in range(3)]
    assert [y.tolist() for y in kept] == [(5 * X).tolist()] * 3
    log = [entry for entry in device.log if entry.startswith(("graph", "change", "launch"))]
    assert log == ["graph 1+1+1", "launch", "change 2", "launch", "change 2", "launch"]


def test_a_call_that_is_under_way_is_not_touched_by_the_next(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    first, second = program((X,)), program((Y,))
    assert second[0].tolist() == (Y + Y).tolist()
    assert first[0].tolist() == (X + X).tolist()


def test_arguments_on_the_device_are_not_copied(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    x = uploaded(X, device, SPEC)
    for _ in range(4):
        (x,) = program((x,))
    assert x.tolist() == (16 * X).tolist()
    assert sum(entry.startswith("upload") for entry in device.log) == 1


def test_memory_returns_when_nobody_holds_it(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,), (), 2048)
    for _ in range(20):
        program((X,))
    device.synchronize()
    assert device.used == 2048
    del program
    gc.collect()
    device.synchronize()
    assert device.used == 0 and device.memory.buffers == []


def test_an_argument_may_die_while_it_is_still_read(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    x = uploaded(X, device, SPEC)
    (out,) = program((x,))
    del x
    other = uploaded(Y, device, SPEC)  # noqa: F841  takes the memory if it is free too early
    assert out.tolist() == (X + X).tolist()


# ---------------------------------------------------------------- host rows


def host(function, a: Slot, out: Slot, spec: ArraySpec = SPEC) -> HostRow:
    return HostRow(function, ((a, F32, (N,)),), ((out, spec.dtype, spec.shape),), "host")


def test_host_rows_run_between_graphs(device):
    rows = (
        plus(IN, IN, arena(0)),
        host(np.square, arena(0), arena(1)),
        plus(arena(1), IN, arena(0)),
        plus(arena(0), IN, OUT),
    )
    program = DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 1024)
    assert program((X,))[0].tolist() == (4 * X * X + 2 * X).tolist()
    order = [e for e in device.log if e.startswith(("graph", "launch", "download", "upload"))]
    assert order[1:] == ["graph 1", "launch", "download 400", "upload 400", "graph 1+1", "launch",
                         "download 400"]  # fmt: skip


def test_a_host_function_that_fails_leaves_the_program_as_it_was(device):
    bad = [True]

    def function(x: np.ndarray) -> np.ndarray:
        if bad[0]:
            raise OverflowError("mine")
        return x

    rows = (plus(IN, IN, arena(0)), host(function, arena(0), arena(1)), plus(arena(1), IN, OUT))
    program = DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 1024)
    with pytest.raises(OverflowError, match="mine"):
        program((X,))
    bad[0] = False
    assert program((X,))[0].tolist() == (3 * X).tolist()
    rows = (host(lambda x: x[:3], IN, OUT),)
    with pytest.raises(ValueError, match=r"host: f32\[100\] is required, got f32\[3\]"):
        DeviceProgram(device, rows, (SPEC,), (SPEC,))((X,))


# ---------------------------------------------------------------- donation


def test_a_donated_array_becomes_the_result(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,), donated=((0, 0),))
    x = uploaded(X, device, SPEC)
    place = x.address
    (out,) = program((x,))
    assert out.address == place and x.is_deleted()
    assert out.tolist() == (X + X).tolist()
    assert repr(x) == "<donated, f32[100] on cuda:0>"
    with pytest.raises(DeviceError, match=r"f32\[100\]: the array was donated to a program"):
        np.asarray(x)
    with pytest.raises(DeviceError, match="the array was donated"):
        program((x,))


def test_what_others_see_is_copied_instead_of_donated(device):
    rows = (plus(IN, Slot("input", 1), OUT),)
    program = DeviceProgram(device, rows, (SPEC, SPEC), (SPEC,), donated=((0, 0),))
    x = uploaded(X, device, SPEC)
    (out,) = program((x, x))
    assert not x.is_deleted() and x.tolist() == X.tolist()
    assert out.tolist() == (X + X).tolist()
    view = np.from_dlpack(x)
    (out,) = program((x, uploaded(Y, device, SPEC)))
    assert out.tolist() == (X + Y).tolist() and view.tolist() == X.tolist()
    del view
    gc.collect()
    program((x, uploaded(Y, device, SPEC)))
    assert x.is_deleted()


# ---------------------------------------------------------------- errors


def test_arguments_of_another_kind_are_refused_before_anything_runs(device):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    device.log.clear()
    with pytest.raises(TypeError, match="1 arguments are required, got 2"):
        program((X, X))
    with pytest.raises(TypeError, match=r"argument 0: f32\[100\] is required, got f64\[100\]"):
        program((X.astype(np.float64),))
    wrong = uploaded(X[:3], device, ArraySpec(F32, (3,)))
    with pytest.raises(TypeError, match=r"argument 0: f32\[100\] is required, got f32\[3\]"):
        program((wrong,))
    assert device.log == ["allocate 12", "upload 12"]
    assert program.attempt((X[:3],)) is None


def test_out_of_memory_says_how_much_and_leaves_the_program_usable():
    device = FakeDevice(capacity=4 * BYTES)
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    kept = [program((X,))[0]]
    kept += [program((X,))[0], program((X,))[0]]
    with pytest.raises(
        OutOfDeviceMemory, match="memory of 400 bytes on cuda:0: out of memory, 0 of 1600"
    ):
        program((X,))
    kept.clear()
    assert program((X,))[0].tolist() == (X + X).tolist()
    assert issubclass(OutOfDeviceMemory, MemoryError)


@pytest.mark.parametrize("what", ["allocate", "upload", "graph", "change", "launch"])
def test_a_failure_of_any_step_leaves_the_program_usable(device, what):
    program = DeviceProgram(device, (plus(IN, IN, OUT),), (SPEC,), (SPEC,))
    if what == "change":
        program((X,))
    device.failing = what
    held = [uploaded(Y, FakeDevice(), SPEC)] if what == "change" else []
    with pytest.raises(DeviceError, match=f"{what}.* on cuda:0: planted"):
        for _ in range(9):
            held += program((X,))
    assert program((Y,))[0].tolist() == (Y + Y).tolist()
    assert program((X,))[0].tolist() == (X + X).tolist()


def test_poisoned_memory_shows_in_what_is_not_written(device):
    rows = (plus(IN, arena(0), OUT),)
    program = DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 512, poison=True)
    assert np.isnan(np.asarray(program((X,))[0])).all()


def test_a_program_prints_as_a_table(device):
    rows = (plus(IN, IN, arena(0), shared_bytes=64), host(np.square, arena(0), OUT))
    text = str(DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 512))
    assert text.splitlines() == [
        "program on cuda:0: 2 rows, 1 inputs, 1 outputs, arena 512 bytes",
        "   0  plus(input0 input0 arena+0 100 0)  2 by 64, 64 bytes shared",
        "   1  host host(arena+0: f32[100]) -> (output0: f32[100])",
    ]
