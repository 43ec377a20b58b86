"""Loops and branches on a device: in the graph around them, or turned by the host."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.runtime.fake_device import Code, FakeDevice
from tests.runtime.loop_rows import (
    ARENA,
    I64,
    INPUT,
    OUTPUT,
    SPEC,
    STRIDE,
    N,
    SmallSum,
    X,
    both_ways,
    carry,
    cell,
    nested,
)
from wonderland.runtime.gpu import segments
from wonderland.runtime.gpu.device import DeviceError
from wonderland.runtime.gpu.device_array import uploaded
from wonderland.runtime.gpu.device_program import DeviceProgram
from wonderland.runtime.rows import BranchRow, DeviceRow, HostRow, LoopRow, Row, Slot
from wonderland.runtime.spec import ArraySpec

PLUS = Code(
    """.version 8.0
.target sm_90
.address_size 64
.visible .entry plus(.param .u64 x, .param .u64 y, .param .u64 z)
{
    .reg .b32 %r<2>; .reg .b64 %d<8>;
    ld.param.u64 %d0, [x]; ld.param.u64 %d1, [y]; ld.param.u64 %d2, [z];
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %d3, %r0, 8;
    add.u64 %d0, %d0, %d3; add.u64 %d1, %d1, %d3; add.u64 %d2, %d2, %d3;
    ld.global.u64 %d4, [%d0]; ld.global.u64 %d5, [%d1];
    add.u64 %d4, %d4, %d5;
    st.global.u64 [%d2], %d4;
    ret;
}
""",
    "plus",
)


def plus(x: Slot, y: Slot, z: Slot, barrier: bool = True) -> DeviceRow:
    return DeviceRow(PLUS, (x, y, z), (), 1, N, barrier=barrier, name="plus")


def powers(length: int | None, *rows: Row, **more: object) -> LoopRow:
    """x doubled `length` times, between the arena and the output; the result is the output."""
    cells = carry(0, INPUT, ARENA, OUTPUT)
    body = plus(cell(0), cell(0), cell(1))
    settled = ((0, OUTPUT, SPEC.nbytes),)
    return LoopRow((*rows, body), cells, length, settled, name="double", **more)  # type: ignore[arg-type]


@pytest.fixture(params=["in a graph", "turn by turn"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """Loops of known length are laid out in the graph, or the host turns them."""
    if request.param == "turn by turn":
        monkeypatch.setattr(segments, "UNROLLED", 0)
    return FakeDevice()


def asked(device: FakeDevice, *kinds: str) -> list[str]:
    return [entry for entry in device.log if entry.split()[0] in kinds]


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_a_carry_ends_where_it_belongs_after_any_number_of_turns(device, length):
    program = DeviceProgram(device, (powers(length),), (SPEC,), (SPEC,), (), 48, poison=True)
    for _ in range(3):
        assert program((X,))[0].tolist() == (X * 2**length).tolist()


def test_elements_are_read_and_written_where_they_are(device):
    """y[i] = x[i] + x[4 - i], one row a turn."""
    rows = (LoopRow((plus(cell(0), cell(1), cell(2)),), both_ways(), 5),)
    spec = ArraySpec(I64, (5, N))
    x = np.random.default_rng(0).integers(0, 99, (5, N))
    assert DeviceProgram(device, rows, (spec,), (spec,))((x,))[0].tolist() == (x + x[::-1]).tolist()


def test_loops_nest_and_inner_cells_follow_the_outer_ones(device):
    """y[i] = sum of x[i, j] over j."""
    outer, inner = nested()
    turn = LoopRow((plus(cell(2), cell(3), cell(4)),), inner, 3)
    rows = (LoopRow((turn,), outer, 4),)
    x = np.random.default_rng(0).integers(0, 99, (4, 3, N))
    specs = (ArraySpec(I64, (4, 3, N)),), (ArraySpec(I64, (4, N)),)
    program = DeviceProgram(device, rows, *specs, (np.zeros(N, np.int64),), STRIDE)
    for _ in range(2):
        assert program((x,))[0].tolist() == x.sum(1).tolist()
    graphs = asked(device, "graph", "launch", "run")
    if segments.UNROLLED:
        assert graphs == ["graph " + "+".join(["1"] * 12), "launch", "launch"]
    else:
        assert graphs == ["run plus"] * 24


def test_only_a_loop_of_few_launches_is_part_of_a_graph():
    device, most = FakeDevice(), segments.UNROLLED
    for length, kind in ((most, "launch"), (most + 1, "run")):
        device.log.clear()
        DeviceProgram(device, (powers(length),), (SPEC,), (SPEC,), (), 48)((X,))
        assert asked(device, "launch", "run") == (
            ["launch"] if kind == "launch" else ["run plus"] * length
        )


def test_a_loop_of_no_turns_keeps_what_is_around_it_in_order(device):
    """What comes after the loop reads what was made before it."""
    first = plus(INPUT, INPUT, ARENA, barrier=False)
    empty = LoopRow((plus(cell(0), cell(0), cell(1)),), carry(0, ARENA, ARENA, ARENA), 0)
    rows = first, empty, plus(ARENA, ARENA, OUTPUT)
    program = DeviceProgram(device, rows, (SPEC,), (SPEC,), (), 48)
    assert program((X,))[0].tolist() == (4 * X).tolist()


def test_what_is_carried_in_place_is_there_before_the_first_turn(device):
    """x += x in the output, to which the argument is copied unless it was donated."""
    cells = carry(0, INPUT, OUTPUT, OUTPUT)
    settled = ((0, OUTPUT, SPEC.nbytes),)
    loop = LoopRow((plus(OUTPUT, OUTPUT, cell(1)),), cells, 3, settled, settled)
    for donated, copies in (((), 1), (((0, 0),), 0)):
        device.log.clear()
        program = DeviceProgram(device, (loop,), (SPEC,), (SPEC,), (), 0, donated)
        assert program((X,))[0].tolist() == (X * 8).tolist()
        assert len(asked(device, "copy")) == copies


def host(function, inputs, outputs) -> HostRow:
    return HostRow(function, tuple((s, I64, (N,)) for s in inputs), outputs, "host")


def test_a_loop_goes_on_while_what_the_device_wrote_holds(device):
    """Doubles while the sum is below 1000; Python looks at the sum, and counts."""
    small = SmallSum()
    test = Slot("arena", 0, 64)
    look = host(small, (cell(0),), ((test, np.dtype(bool), ()),))
    row = powers(None, test_rows=(look,), test=test)
    program = DeviceProgram(device, (row,), (SPEC,), (SPEC,), (), 128)
    for _ in range(2):
        assert program((X,))[0].tolist() == (X * 128).tolist()
        assert small.seen == [15 * 2**k for k in range(8)]
        small.seen.clear()


@pytest.mark.parametrize("index, case", [(-3, 0), (0, 0), (1, 1), (2, 2), (9, 2)])
def test_a_branch_runs_the_case_of_the_clamped_index(device, index, case):
    zero = Slot("constant")
    cases = (
        (plus(INPUT, zero, OUTPUT),),
        (plus(INPUT, INPUT, OUTPUT),),
        (plus(INPUT, INPUT, ARENA), plus(ARENA, INPUT, OUTPUT)),
    )
    specs = (SPEC, ArraySpec(np.dtype(np.int32), ()))
    row = BranchRow(Slot("input", 1), cases)
    program = DeviceProgram(device, (row,), specs, (SPEC,), (np.zeros(N, np.int64),), 48)
    assert program((X, np.array(index, np.int32)))[0].tolist() == (X * (case + 1)).tolist()
    assert asked(device, "download") == ["download 4", "download 48"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_loop_that_is_left_half_way_takes_the_donated_array_with_it(device, error):
    """It is no longer what it was, so nobody may read it; the program can be called again."""
    turns: list[int] = []

    def maybe() -> None:
        turns.append(len(turns))
        if len(turns) == 2:
            raise error("inside")

    row = powers(3, host(maybe, (), ()))
    program = DeviceProgram(device, (row,), (SPEC,), (SPEC,), (), 48, ((0, 0),))
    x = uploaded(X, device, SPEC)
    with pytest.raises(error, match="inside"):
        program((x,))
    with pytest.raises(DeviceError, match="the array was donated"):
        np.asarray(x)
    assert program((uploaded(X, device, SPEC),))[0].tolist() == (X * 8).tolist()


def test_a_turn_that_fails_behind_its_first_launch_takes_the_donated_array_with_it() -> None:
    """The first launch has been asked for, and writes where the argument was."""
    device = FakeDevice()
    cells = carry(0, INPUT, OUTPUT, OUTPUT)
    first = plus(cell(0), cell(0), cell(1))
    turn = first, replace(first, name="second")
    loop = LoopRow(turn, cells, segments.UNROLLED)
    program = DeviceProgram(device, (loop,), (SPEC,), (SPEC,), (), 0, ((0, 0),))
    x = uploaded(X, device, SPEC)
    device.failing = "run second"
    with pytest.raises(DeviceError, match="run second on cuda:0: planted"):
        program((x,))
    assert x.is_deleted()


def test_a_donated_array_stays_where_nothing_has_run(device):
    program = DeviceProgram(device, (powers(3),), (SPEC,), (SPEC,), (), 48, ((0, 0),))
    x = uploaded(X, device, SPEC)
    device.failing = "graph" if segments.UNROLLED else "run"
    with pytest.raises(DeviceError, match="planted"):
        program((x,))
    assert x.tolist() == X.tolist()
    assert program((x,))[0].tolist() == (X * 8).tolist() and x.is_deleted()


def test_loops_and_branches_print_with_their_rows_inside(device):
    loop = powers(None, test=Slot("arena", 0, 64), test_rows=(plus(INPUT, INPUT, ARENA),))
    branch = BranchRow(INPUT, ((plus(INPUT, INPUT, OUTPUT),), ()), name="which")
    program = DeviceProgram(device, (loop, branch), (SPEC,), (SPEC,), (), 128)
    assert str(program).splitlines()[1:] == [
        "   0  loop double(cell0: input0 output0 arena+0, cell1: arena+0 output0)  while arena+64",
        "   1      plus(input0 input0 arena+0)  1 by 6",
        "   2      test arena+64",
        "   3      plus(cell0 cell0 cell1)  1 by 6",
        "   4  branch which(input0)  2 cases",
        "   5  case 0",
        "   6      plus(input0 input0 output0)  1 by 6",
        "   7  case 1",
    ]
