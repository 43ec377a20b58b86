"""Every fault, planted: what hardware hides is reported with line, block and thread."""

from __future__ import annotations

import numpy as np
import pytest

from . import Memory, launch
from .faults import (
    AbsentLane,
    DivergentBarrier,
    Fault,
    Misaligned,
    OutOfBounds,
    Race,
    ReadOnly,
    Trap,
    Uninitialised,
)
from .programs import entry

SHARED = ".shared .align 16 .b8 tile[512];"


def fault(body: str, kind: type[Fault], block: int = 64, **more: object) -> str:
    """The message of the fault that a body has."""
    args = more.pop("args", [np.zeros(64, np.uint32)])
    text = entry(f"mov.u32 %r0, tile;\nmad.lo.u32 %r1, %t, 4, %r0;\n{body}", 1, SHARED)
    with pytest.raises(kind) as found:
        launch(text, "k", 2, block, args, **more)  # type: ignore[arg-type]
    assert type(found.value) is kind
    return str(found.value)


def test_an_access_behind_a_buffer() -> None:
    message = fault("mad.wide.u32 %d0, %i, 4, %p0;\nst.global.u32 [%d0], %i;", OutOfBounds)
    assert message.splitlines()[0] == ("store of 4 bytes at byte 256 of uint32[64], which has 256")
    assert "line 22: st.global.u32 [%d0], %i;" in message
    assert message.endswith("block (1, 0, 0), thread (0, 0, 0)")


def test_an_access_before_a_buffer() -> None:
    message = fault("ld.global.u32 %r2, [%p0+-4];", OutOfBounds)
    assert message.startswith("load of 4 bytes at byte -4 of uint32[64]")


def test_an_access_to_nothing() -> None:
    message = fault("mov.u64 %d0, 0;\nld.global.u32 %r2, [%d0];", OutOfBounds)
    assert message.startswith("load of 4 bytes at 0x0, which is in no buffer")


def test_an_access_between_neighbours() -> None:
    """A number too large by little does not reach the next buffer."""
    memory = Memory()
    a, b = np.zeros(4, np.uint32), np.zeros(4, np.uint32)
    address = memory.place(a)
    memory.place(b)
    message = fault("ld.global.u32 %r2, [%p0+1024];", OutOfBounds, args=[address], memory=memory)
    assert message.startswith("load of 4 bytes at byte 1024 of uint32[4], which has 16")


def test_shared_and_local_memory_have_ends() -> None:
    assert "byte 512 of shared memory, which has 512" in fault(
        "add.u32 %r2, %r1, 384;\nst.shared.u32 [%r2], 1;", OutOfBounds
    )
    body = ".local .align 4 .b8 own[16];\nmov.u64 %d0, own;\nld.local.u32 %r2, [%d0+16];"
    assert "byte 16 of local memory, which has 16" in fault(body, OutOfBounds)


def test_misaligned_accesses() -> None:
    message = fault("ld.global.u32 %r2, [%p0+2];", Misaligned)
    assert message.startswith("load of 4 bytes at 0x7")
    message = fault("ld.global.v4.u32 {%r2,%r3,%r4,%r5}, [%p0+8];", Misaligned)
    assert message.startswith("vector load of 16 bytes")
    message = fault("st.shared.v2.u32 [%r1], {%t, %t};", Misaligned)
    assert "thread (1, 0, 0)" in message
    message = fault("cp.async.cg.shared.global [%r1], [%p0], 16;", Misaligned)
    assert message.startswith("asynchronous copy to shared memory of 16 bytes")


def test_constants_and_arguments_are_not_written() -> None:
    memory = Memory()
    address = memory.place(np.zeros(4, np.uint32), writable=False, name="weights")
    message = fault("st.global.u32 [%p0], 1;", ReadOnly, args=[address], memory=memory)
    assert message.startswith("store into weights, which is read-only")


def test_a_barrier_in_a_condition() -> None:
    message = fault(
        "setp.lt.u32 %q0, %t, 40;\n@!%q0 bra OVER;\nbar.sync 0;\nOVER:\nadd.u32 %r2, %t, 1;",
        DivergentBarrier,
    )
    assert message.startswith(
        "40 of the 64 threads of a block wait for the others, of which 24 have left"
    )
    assert "bar.sync 0;" in message


def test_a_barrier_on_both_sides_of_a_condition() -> None:
    body = """and.b32 %r2, %t, 1;
        setp.eq.u32 %q0, %r2, 0;
        @%q0 bra EVEN;
        bar.sync 0;
        bra OVER;
        EVEN:
        bar.sync 0;
        OVER:
        add.u32 %r2, %t, 1;"""
    message = fault(body, DivergentBarrier)
    assert "threads of one warp are at different barriers" in message


def test_whole_warps_may_meet_at_different_barriers() -> None:
    body = """setp.lt.u32 %q0, %t, 32;
        @%q0 bra LOW;
        bar.sync 0;
        bra OVER;
        LOW:
        bar.sync 0;
        OVER:
        add.u32 %r2, %t, 1;"""
    launch(entry(body), "k", 2, 64, [0])


def test_threads_that_returned_do_not_come_to_a_barrier() -> None:
    message = fault("setp.eq.u32 %q0, %t, 3;\n@%q0 ret;\nbar.sync 0;", DivergentBarrier)
    assert "63 of the 64 threads of a block wait for the others, of which 1 have left" in message


def test_a_shuffle_with_absent_lanes() -> None:
    message = fault(
        "setp.eq.u32 %q0, %t, 3;\n@%q0 ret;\nshfl.sync.down.b32 %r2, %t, 1, 31, -1;", AbsentLane
    )
    assert "31 of the 32 threads of a warp wait for the others, of which 1 have left" in message


def test_a_shuffle_from_a_lane_outside_the_mask() -> None:
    body = """setp.lt.u32 %q0, %t, 16;
        @%q0 shfl.sync.down.b32 %r2, %t, 8, 31, 0xFFFF;"""
    message = fault(body, AbsentLane)
    assert message.startswith("lane 8 reads lane 16, which does not take part")
    assert "thread (8, 0, 0)" in message


def test_a_lane_that_its_mask_does_not_name() -> None:
    message = fault("shfl.sync.idx.b32 %r2, %t, 0, 31, 1;", AbsentLane)
    assert message.startswith("a lane executes an instruction whose mask does not name it")


def test_a_mask_of_more_lanes_than_the_block_has() -> None:
    message = fault("shfl.sync.bfly.b32 %r2, %t, 1, 31, -1;", AbsentLane, block=16)
    assert message.startswith("the mask names lanes that the block does not have")


def test_a_read_of_what_another_thread_wrote() -> None:
    body = """st.shared.u32 [%r1], %t;
        xor.b32 %r2, %t, 1;
        mad.lo.u32 %r3, %r2, 4, %r0;
        {barrier}
        ld.shared.u32 %r4, [%r3];"""
    message = fault(body.format(barrier=""), Race)
    assert message.startswith(
        "thread 0 reads byte 4 of shared memory, which thread 1 writes, with no barrier between"
    )
    assert "line 25" in message
    text = entry("mov.u32 %r0, tile;\nmad.lo.u32 %r1, %t, 4, %r0;\n" + body, 1, SHARED)
    for barrier in ("bar.sync 0;", "bar.warp.sync -1;"):  # neighbours are in one warp
        launch(text.replace("{barrier}", barrier), "k", 2, 64, [0])


def test_a_barrier_of_the_warp_orders_nothing_across_warps() -> None:
    body = """st.shared.u32 [%r1], %t;
        xor.b32 %r2, %t, 32;
        mad.lo.u32 %r3, %r2, 4, %r0;
        bar.warp.sync -1;
        ld.shared.u32 %r4, [%r3];"""
    assert "thread 0 reads byte 128" in fault(body, Race)


def test_a_write_over_what_another_thread_reads() -> None:
    body = """st.shared.u32 [%r1], %t;
        bar.sync 0;
        xor.b32 %r2, %t, 1;
        mad.lo.u32 %r3, %r2, 4, %r0;
        ld.shared.u32 %r4, [%r3];
        st.shared.u32 [%r1], 5;"""
    message = fault(body, Race)
    assert "writes byte 0 of shared memory, which thread 1 reads" in message


def test_two_writes_of_different_values_to_one_place() -> None:
    message = fault("st.shared.u32 [%r0], %t;", Race)
    assert "of shared memory, which thread 63 writes" in message
    text = entry("mov.u32 %r0, tile;\nst.shared.u32 [%r0], 7;", 1, SHARED)
    launch(text, "k", 1, 64, [0])  # the same value from all is no race


def test_a_race_between_blocks() -> None:
    """In place, shifted: a block may read what another has overwritten already."""
    body = """mad.wide.u32 %d0, %i, 4, %p0;
        ld.global.u32 %r2, [%d0+4];
        bar.sync 0;
        st.global.u32 [%d0], %r2;"""
    message = fault(body, Race, block=32, args=[np.zeros(65, np.uint32)])
    assert message.startswith(
        "thread 0 writes byte 128 of uint32[65], which thread 31 of block 0 reads, with no barrier"
    )
    text = entry("mov.u32 %r0, tile;\nmad.lo.u32 %r1, %t, 4, %r0;\n" + body, 1, SHARED)
    launch(text, "k", 1, 64, [np.zeros(65, np.uint32)])  # in one block the barrier is enough
    launch(text, "k", 2, 32, [np.zeros(65, np.uint32)], races=False)


def test_two_blocks_that_write_one_result() -> None:
    message = fault("st.global.u32 [%p0], %i;", Race, block=1)
    assert "thread 0 writes byte 0 of uint32[64], which thread 0 of block 1 writes" in message
    launch(entry("red.global.add.u32 [%p0], %i;"), "k", 2, 64, [np.zeros(1, np.uint32)])


def test_an_atomic_update_beside_a_plain_access() -> None:
    body = """setp.eq.u32 %q0, %t, 0;
        @%q0 st.shared.u32 [%r0], 0;
        bar.sync 0;
        red.shared.add.u32 [%r0], 1;
        ld.shared.u32 %r2, [%r0];"""
    assert "which an atomic access writes" in fault(body, Race)


def test_a_copy_that_nobody_waited_for() -> None:
    body = """mad.wide.u32 %d0, %t, 4, %p0;
        cp.async.ca.shared.global [%r1], [%d0], 4;
        cp.async.commit_group;
        bar.sync 0;
        ld.shared.u32 %r2, [%r1];"""
    message = fault(body, Uninitialised)
    assert message.startswith("load of byte 0 of shared memory, which nothing wrote")
    late = body.replace("bar.sync 0;", "cp.async.wait_group 1;\nbar.sync 0;")
    assert fault(late, Uninitialised) is not None


def test_a_copy_that_is_read_by_others_without_a_barrier() -> None:
    body = """mad.wide.u32 %d0, %t, 4, %p0;
        cp.async.ca.shared.global [%r1], [%d0], 4;
        cp.async.wait_all;
        xor.b32 %r2, %t, 1; mad.lo.u32 %r3, %r2, 4, %r0;
        ld.shared.u32 %r2, [%r3];"""
    assert "thread 0 reads byte 4" in fault(body, Race)


def test_a_read_of_an_output_that_nothing_wrote() -> None:
    memory = Memory()
    y = np.zeros(64, np.uint32)
    address = memory.place(y, written=False, name="result")
    body = "mad.wide.u32 %d0, %t, 4, %p0;\nst.global.u32 [%d0], %t;\nld.global.u32 %r2, [%d0+4];"
    message = fault(body, Uninitialised, block=16, args=[address], memory=memory)
    assert message.startswith("load of byte 64 of result, which nothing wrote")


def test_outputs_that_are_not_wholly_written_are_seen() -> None:
    memory = Memory()
    address = memory.place(np.zeros(64, np.uint32), written=False)
    text = entry("mad.wide.u32 %d0, %t, 4, %p0;\nst.global.u32 [%d0], %t;")
    launch(text, "k", 1, 60, [address], memory=memory)
    assert memory.unwritten(address) == 16


def test_a_register_that_nothing_wrote() -> None:
    assert fault("add.u32 %r2, %r9, 1;", Uninitialised).startswith("%r9 is read and nothing wrote")


def test_a_program_that_stops_itself() -> None:
    message = fault("setp.eq.u32 %q0, %i, 70;\n@%q0 trap;", Trap)
    assert message.startswith("the program stops itself")
    assert message.endswith("block (1, 0, 0), thread (6, 0, 0)")
