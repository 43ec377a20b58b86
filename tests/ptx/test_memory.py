"""Loads, stores, spaces, atomic updates, asynchronous copies, arguments, variables."""

from __future__ import annotations

import numpy as np
import pytest

import wonderland.numpy as wnp

from . import Memory, launch
from .faults import LaunchFault, SyntaxFault, UnknownInstruction
from .programs import HEAD, compiled, entry


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize(("bits", "dtype"), [(16, np.uint16), (32, np.uint32), (64, np.uint64)])
def test_vectors_are_loaded_and_stored(bits: int, dtype: type, width: int) -> None:
    if bits * width > 128:
        pytest.skip("no such instruction")
    kind = {16: "h", 32: "r", 64: "d1"}[bits]
    registers = ", ".join(f"%{kind}{k + 1}" for k in range(width))
    back = ", ".join(f"%{kind}{k + 1}" for k in reversed(range(width)))
    size = bits // 8 * width
    text = entry(f"""
        mad.wide.u32 %d0, %i, {size}, %p0;
        ld.global.nc.L1::no_allocate.v{width}.b{bits} {{{registers}}}, [%d0];
        mad.wide.u32 %d0, %i, {size}, %p1;
        st.global.cs.v{width}.b{bits} [%d0], {{{back}}};
    """, 2)  # fmt: skip
    x = np.arange(100 * width).astype(dtype)
    y = np.zeros_like(x)
    launch(text, "k", 1, 100, [x, y])
    assert (y.reshape(-1, width) == x.reshape(-1, width)[:, ::-1]).all()


def test_narrow_loads_extend_and_packing_splits() -> None:
    text = entry("""
        cvt.u64.u32 %d1, %i; add.u64 %d0, %p0, %d1;
        ld.global.s8 %r1, [%d0]; ld.global.u8 %h1, [%d0];
        cvt.u32.u16 %r2, %h1;
        mov.b64 %d2, {%r1, %r2};
        mov.b64 {%r3, _}, %d2;
        shr.u64 %d3, %d2, 32; cvt.u32.u64 %r4, %d3;
        mad.wide.u32 %d0, %i, 8, %p1;
        st.global.v2.u32 [%d0], {%r3, %r4};
    """, 2)  # fmt: skip
    x = np.arange(-50, 50).astype(np.int8)
    y = np.zeros((100, 2), np.int32)
    launch(text, "k", 1, 100, [x, y])
    assert (y[:, 0] == x).all() and (y[:, 1] == x.view(np.uint8)).all()


def test_shared_memory_static_and_dynamic_is_of_the_block() -> None:
    text = entry("""
        mov.u32 %r0, fixed; mov.u64 %d0, more;
        cvta.shared.u64 %d1, %d0;
        mad.lo.u32 %r1, %t, 4, %r0;
        mad.wide.u32 %d2, %t, 4, %d1;
        st.shared.u32 [%r1], %i;
        st.u32 [%d2], %t;
        bar.sync 0;
        xor.b32 %r2, %t, 63;
        mad.lo.u32 %r1, %r2, 4, %r0;
        mad.wide.u32 %d2, %r2, 4, %d1;
        ld.shared.u32 %r3, [%r1];
        ld.u32 %r4, [%d2];
        mad.wide.u32 %d0, %i, 8, %p0;
        st.global.v2.u32 [%d0], {%r3, %r4};
    """, before=".shared .b32 fixed[64]; .extern .shared .align 16 .b8 more[];")  # fmt: skip
    y = np.zeros((5 * 64, 2), np.uint32)
    launch(text, "k", 5, 64, [y], shared_bytes=256)
    i = np.arange(320)
    assert (y[:, 0] == (i ^ 63)).all() and (y[:, 1] == (i % 64 ^ 63)).all()


def test_variables_of_the_module_have_their_initial_values() -> None:
    before = """
    .const .align 4 .f32 table[3] = {1.5, 0f40000000, -3.0};
    .global .align 2 .u16 words[4] = {1, 2, 0xFFFF};
    .global .align 8 .u64 link[2] = {words, generic(words)+4};
    """
    text = entry("""
        mov.u64 %d0, table; ld.const.f32 %r0, [%d0+4]; ld.const.f32 %r1, [table+8];
        ld.global.u64 %d1, [link+8]; ld.global.u16 %r2, [%d1]; ld.global.u16 %r3, [words+6];
        st.global.v4.b32 [%p0], {%r0, %r1, %r2, %r3};
    """, before=before)  # fmt: skip
    y = np.zeros(4, np.uint32)
    launch(text, "k", 1, 1, [y])
    assert y[:2].view(np.float32).tolist() == [2.0, -3.0]
    assert y[2:].tolist() == [0xFFFF, 0]


EVERYTHING = """
@table = internal addrspace(4) constant [4 x float] [float 1.0, float 2.0, float 3.0, float 4.0]
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
define internal double @outside(double %x, i8 %k, {float, i32} %s) noinline {
  %f = extractvalue {float, i32} %s, 0
  %c = icmp slt i8 %k, 3
  %fd = fpext float %f to double
  %y = fadd double %x, %fd
  %r = select i1 %c, double %y, double 1.5
  ret double %r
}
define ptx_kernel void @k(ptr addrspace(1) %y, i8 %kk, i1 %flag, half %h, bfloat %b,
                          {i32, double} %pair, ptr byval({i32, i32}) %two) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %own = alloca [4 x i32], align 16
  br label %fill
fill:
  %j = phi i32 [0, %entry], [%j1, %fill]
  %pj = getelementptr [4 x i32], ptr %own, i32 0, i32 %j
  %v = mul i32 %j, %t
  store volatile i32 %v, ptr %pj
  %j1 = add i32 %j, 1
  %go = icmp slt i32 %j1, 4
  br i1 %go, label %fill, label %filled
filled:
  %i = and i32 %t, 3
  %pi = getelementptr [4 x i32], ptr %own, i32 0, i32 %i
  %l = load volatile i32, ptr %pi
  %pt = getelementptr [4 x float], ptr addrspace(4) @table, i32 0, i32 %i
  %c = load float, ptr addrspace(4) %pt
  %d0 = extractvalue {i32, double} %pair, 1
  %s = insertvalue {float, i32} undef, float %c, 0
  %d = call double @outside(double %d0, i8 %kk, {float, i32} %s)
  %p1 = getelementptr {i32, i32}, ptr %two, i32 0, i32 1
  %w = load i32, ptr %p1
  %lw = add i32 %l, %w
  %lf = sitofp i32 %lw to double
  %sum = fadd double %d, %lf
  %hh = fmul half %h, %h
  %bb = fadd bfloat %b, %b
  %hd = fpext half %hh to double
  %bd = fpext bfloat %bb to double
  %m = fadd double %sum, %hd
  %n = fadd double %m, %bd
  %q = select i1 %flag, double %n, double 0.0
  %o = getelementptr double, ptr addrspace(1) %y, i32 %t
  store double %q, ptr addrspace(1) %o
  ret void
}
"""


@pytest.mark.parametrize("level", [0, 3])
def test_structures_depots_and_constants_as_llvm_prints_them(level: int) -> None:
    y = np.zeros(8)
    pair = np.array([7], np.int32).tobytes() + bytes(4) + np.array([10.0]).tobytes()
    two = np.array([3, 4], np.int32).tobytes()
    halves = np.float16(1.5), wnp.bfloat16(0.25)
    launch(compiled(EVERYTHING, level), "k", 1, 8, [y, 2, 1, *halves, pair, two])
    t = np.arange(8)
    expected = 10.0 + (t % 4 + 1) + (t % 4 * t + 4) + 2.25 + 0.5
    assert y.tolist() == expected.tolist()


UPDATES = {
    "add.u32": lambda n: n * (n - 1) // 2 + 5,
    "max.s32": lambda n: n - 1,
    "min.s32": lambda n: 0,
    "xor.b32": lambda n: int(np.bitwise_xor.reduce(np.arange(n))) ^ 5,
    "or.b32": lambda n: int(np.bitwise_or.reduce(np.arange(n))) | 5,
}


@pytest.mark.parametrize("op", UPDATES)
@pytest.mark.parametrize("space", ["global", "shared"])
def test_updates_of_one_place_all_count(op: str, space: str) -> None:
    where = "%p0" if space == "global" else "%d1"
    text = entry(f"""
        mov.u64 %d1, cell; setp.eq.u32 %q0, %t, 0;
        @%q0 ld.global.u32 %r1, [%p0]; @%q0 st.shared.u32 [%d1], %r1;
        bar.sync 0;
        red.{space}.{op} [{where}], %t;
        bar.sync 0;
        ld.{space}.u32 %r1, [{where}];
        bar.sync 0;
        @%q0 st.global.u32 [%p0], %r1;
    """, before=".shared .align 4 .b32 cell;")  # fmt: skip
    y = np.array([5], np.uint32)
    launch(text, "k", 1, 100, [y])
    assert int(y[0]) == UPDATES[op](100)


def test_atomic_updates_return_what_was_there() -> None:
    text = entry("""
        mov.u32 %r7, 0x3C004000;
        atom.global.add.u32 %r1, [%p0], 1;
        mad.wide.u32 %d0, %i, 4, %p1; st.global.u32 [%d0], %r1;
        atom.global.cas.b32 %r2, [%p0+4], 0, %t;
        atom.global.inc.u32 %r2, [%p0+8], 6;
        red.global.add.noftz.f16x2 [%p0+12], %r7;
        red.global.add.f32 [%p0+16], 0f3F800000;
    """, 2)  # fmt: skip
    counts, got = np.zeros(5, np.uint32), np.zeros(100, np.uint32)
    launch(text, "k", 2, 50, [counts, got])
    assert sorted(got.tolist()) == list(range(100))
    assert counts[:3].tolist() == [100, 1, 100 % 7]
    assert counts[3:4].view(np.float16).tolist() == [200.0, 100.0]
    assert counts[4:].view(np.float32).tolist() == [100.0]


COPY = """
    mov.u32 %r0, tile; mad.lo.u32 %r0, %t, 16, %r0;
    mad.wide.u32 %d0, %t, 16, %p0;
    cp.async.cg.shared.global [%r0], [%d0], 16;
    cp.async.commit_group;
    {wait}
    bar.sync 0;
    mov.u32 %r1, tile; xor.b32 %r2, %t, 1; mad.lo.u32 %r1, %r2, 16, %r1;
    ld.shared.v4.u32 {{%r3, %r4, %r5, %r6}}, [%r1];
    mad.wide.u32 %d1, %t, 16, %p1;
    st.global.v4.u32 [%d1], {{%r3, %r4, %r5, %r6}};
"""
TILE = ".shared .align 16 .b8 tile[1024];"


def test_asynchronous_copies_arrive_when_waited_for() -> None:
    x, y = np.arange(256, dtype=np.uint32), np.zeros(256, np.uint32)
    launch(entry(COPY.format(wait="cp.async.wait_group 0;"), 2, TILE), "k", 1, 64, [x, y])
    assert (y.reshape(64, 4) == x.reshape(64, 4)[np.arange(64) ^ 1]).all()


def test_copies_may_be_shorter_than_what_they_fill() -> None:
    text = entry("""
        mov.u32 %r0, tile; mov.u32 %r1, 6;
        cp.async.ca.shared.global [%r0], [%p0], 8, %r1;
        cp.async.wait_all;
        ld.shared.v2.u32 {%r2, %r3}, [%r0];
        st.global.v2.u32 [%p1], {%r2, %r3};
    """, 2, TILE)  # fmt: skip
    x, y = np.arange(1, 7, dtype=np.uint8), np.zeros(8, np.uint8)
    launch(text, "k", 1, 1, [x, y])
    assert y.tolist() == [1, 2, 3, 4, 5, 6, 0, 0]


def test_addresses_are_numbers_that_programs_compute_with() -> None:
    memory = Memory()
    x, y = np.arange(10, dtype=np.uint32), np.zeros(10, np.uint32)
    px, py = memory.place(x), memory.place(y)
    assert px % 256 == py % 256 == 0
    text = entry("""
        mad.wide.u32 %d0, %t, 4, %p0; ld.u32 %r1, [%d0];
        mad.wide.u32 %d0, %t, 4, %p1; st.u32 [%d0], %r1;
    """, 2)  # fmt: skip
    launch(text, "k", 1, 4, [px + 8, py + 4], memory=memory)
    assert y.tolist() == [0, 2, 3, 4, 5, 0, 0, 0, 0, 0]
    assert len(memory.buffers) == 2  # what a launch places for itself is gone


def test_arguments_and_sizes_are_checked() -> None:
    text = entry("mov.u32 %r0, 0;")
    with pytest.raises(LaunchFault, match="no entry f: the module has k"):
        launch(text, "f", 1, 1, [])
    with pytest.raises(LaunchFault, match="k: 1 arguments, got 2"):
        launch(text, "k", 1, 1, [1, 2])
    with pytest.raises(LaunchFault, match="p0: an integer of 8 bytes is required, got 1180"):
        launch(text, "k", 1, 1, [1 << 70])
    with pytest.raises(LaunchFault, match="p0: 8 bytes are required, got 4"):
        launch(text, "k", 1, 1, [np.float32(1)])
    with pytest.raises(LaunchFault, match="at most 1024 threads a block, got 2048"):
        launch(text, "k", 1, 2048, [1])
    with pytest.raises(LaunchFault, match="grid: sizes of at least 1 are required, got 0"):
        launch(text, "k", 0, 1, [1])
    with pytest.raises(LaunchFault, match="at most 232448 bytes of shared memory, got 300000"):
        launch(text, "k", 1, 1, [1], shared_bytes=300000)
    limited = f"{HEAD}.entry k() .maxntid 64, 1, 1 {{ ret; }}"
    with pytest.raises(LaunchFault, match="at most 64 threads a block, got 65"):
        launch(limited, "k", 1, 65, [])


def test_what_is_not_understood_is_named() -> None:
    with pytest.raises(UnknownInstruction, match=r"wgmma\.fence\.sync\.aligned is not") as found:
        launch(entry("add.u32 %r0, %i, 1;\nwgmma.fence.sync.aligned;"), "k", 1, 1, [0])
    assert "line 20: wgmma" in str(found.value)
    with pytest.raises(UnknownInstruction, match=r"add\.up\.u32 is not"):
        launch(entry("add.up.u32 %r0, %i, 1;"), "k", 1, 1, [0])
    with pytest.raises(UnknownInstruction, match="%r0 has 32 bits, the instruction writes u64"):
        launch(entry("add.u64 %r0, %d0, 1;"), "k", 1, 1, [0])
    with pytest.raises(SyntaxFault, match=r"line 1: expected a directive, got 'hello'"):
        launch("hello", "k", 1, 1, [])
    with pytest.raises(SyntaxFault, match=r"the function has no end"):
        launch(f"{HEAD}.entry k() {{ ret;", "k", 1, 1, [])
