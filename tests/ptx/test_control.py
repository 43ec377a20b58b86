"""Threads part and join: conditions, loops, returns, calls, tables of branches, scopes."""

from __future__ import annotations

import numpy as np
import pytest

from . import launch
from .faults import UnknownInstruction
from .programs import compiled, entry

N = 256


def run(
    body: str, out: object = np.uint32, block: int = 64, grid: int = 4, **more: str
) -> np.ndarray:
    """The results of `body`, which leaves them in %r0."""
    result = np.zeros(grid * block, out)  # type: ignore[call-overload]
    size = result.itemsize
    register = "%r0" if size == 4 else "%d0"
    end = f"DONE:\nmad.wide.u32 %d39, %i, {size}, %p0;\nst.global.b{8 * size} [%d39], {register};"
    launch(entry(f"{body}\n{end}", 1, **more), "k", grid, block, [result])
    return result


def test_loops_with_a_count_per_thread() -> None:
    """Collatz: every thread leaves its loop at another time."""
    got = run("""
        mov.u32 %r0, 0;
        add.u32 %r1, %i, 1;
        LOOP:
        setp.eq.u32 %q0, %r1, 1;
        @%q0 bra DONE;
        and.b32 %r2, %r1, 1;
        setp.eq.u32 %q1, %r2, 1;
        @%q1 bra ODD;
        shr.u32 %r1, %r1, 1;
        bra NEXT;
        ODD:
        mad.lo.u32 %r1, %r1, 3, 1;
        NEXT:
        add.u32 %r0, %r0, 1;
        bra LOOP;
    """)

    def steps(n: int) -> int:
        count = 0
        while n != 1:
            n, count = (3 * n + 1 if n % 2 else n // 2), count + 1
        return count

    assert got.tolist() == [steps(k + 1) for k in range(N)]


def test_threads_join_after_conditions_before_a_barrier_of_the_warp() -> None:
    """A shuffle after a condition needs lanes of both sides."""
    got = run("""
        and.b32 %r1, %t, 3;
        setp.eq.u32 %q0, %r1, 0;
        @%q0 bra LEFT;
        setp.eq.u32 %q1, %r1, 1;
        @%q1 bra MIDDLE;
        mov.u32 %r0, 300;
        bra JOIN;
        LEFT:
        mov.u32 %r0, 100;
        bra JOIN;
        MIDDLE:
        mov.u32 %r0, 200;
        JOIN:
        shfl.sync.bfly.b32 %r0, %r0, 1, 31, -1;
    """)
    assert got[:4].tolist() == [200, 100, 300, 300]


def test_a_loop_whose_exit_is_written_before_it() -> None:
    """Threads that wait at a place below are no hindrance: others come by going back."""
    got = run("""
        mov.u32 %r0, 0;
        bra HEAD;
        EXIT:
        shfl.sync.idx.b32 %r0, %r0, 31, 31, -1;
        bra DONE;
        HEAD:
        setp.ge.u32 %q0, %r0, %t;
        @%q0 bra EXIT;
        add.u32 %r0, %r0, 1;
        bra HEAD;
    """)
    assert got[:64].tolist() == [31] * 32 + [63] * 32


def test_early_return_and_predicated_instructions() -> None:
    got = run("""
        mov.u32 %r0, 7;
        setp.lt.u32 %q0, %i, 100;
        @!%q0 ret;
        setp.lt.u32 %q1, %i, 50;
        @%q1 add.u32 %r0, %r0, 1;
        @!%q1 add.u32 %r0, %r0, 2;
    """)
    assert got.tolist() == [8] * 50 + [9] * 50 + [0] * (N - 100)


def test_tables_of_branches() -> None:
    got = run("""
        rem.u32 %r1, %i, 3;
        TABLE: .branchtargets A, B, C;
        brx.idx %r1, TABLE;
        A: mov.u32 %r0, 10; bra DONE;
        B: mov.u32 %r0, 20; bra DONE;
        C: mov.u32 %r0, 30;
    """)
    assert got[:6].tolist() == [10, 20, 30, 10, 20, 30]


def test_blocks_of_assembly_have_registers_and_labels_of_their_own() -> None:
    block = """{{ .reg .pred %q1; .reg .u32 x; mov.u32 x, {}; L: sub.u32 x, x, 1;
        add.u32 %r0, %r0, 2; setp.ne.u32 %q1, x, 0; @%q1 bra L; }}"""
    got = run(
        "mov.u32 %r0, 0; setp.eq.u32 %q1, %r0, 1;"
        + block.format(3)
        + block.format(5)
        + "@%q1 add.u32 %r0, %r0, 1000;"
    )
    assert (got == 16).all()


def test_functions_are_called_with_memory_or_registers() -> None:
    functions = """
    .func (.param .b32 ret) twice(.param .b32 x) {
        .reg .b32 a; .reg .pred p;
        ld.param.b32 a, [x];
        setp.gt.u32 p, a, 100; @p bra BIG;
        add.u32 a, a, a; st.param.b32 [ret], a; ret;
        BIG: st.param.b32 [ret], 1; ret;
    }
    .func (.reg .b32 ret) plus(.reg .b32 x, .reg .b32 y) { add.u32 ret, x, y; ret; }
    """
    got = run(
        """
        { .param .b32 in; .param .b32 out; st.param.b32 [in], %i;
          call.uni (out), twice, (in); ld.param.b32 %r1, [out]; }
        setp.lt.u32 %q0, %t, 60;
        mov.u32 %r0, 5;
        @%q0 call (%r0), plus, (%r1, %i);
        """,
        before=functions,
    )
    i = np.arange(N)
    assert got.tolist() == np.where(i % 64 < 60, np.where(i > 100, 1, 2 * i) + i, 5).tolist()


def test_a_call_without_end_is_refused() -> None:
    with pytest.raises(UnknownInstruction, match=r"call of f inside itself"):
        run("call f;", before=".func f() { call f; ret; }")


def test_a_block_may_have_three_axes_and_any_size() -> None:
    text = entry("""
        mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z; mov.u32 %r3, %ctaid.y; mov.u32 %r4, %nctaid.x;
        mov.u32 %r5, %ctaid.x;
        mad.lo.u32 %r6, %r2, 3, %r1;
        mad.lo.u32 %r6, %r6, 5, %t;
        mad.lo.u32 %r7, %r3, %r4, %r5;
        mad.lo.u32 %r8, %r7, 30, %r6;
        mad.wide.u32 %d0, %r8, 4, %p0;
        add.u32 %r8, %r8, 1;
        st.global.u32 [%d0], %r8;
    """)
    out = np.zeros(30 * 8, np.uint32)
    launch(text, "k", (2, 4), (5, 3, 2), [out])
    assert out.tolist() == list(range(1, 241))


SUM = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.shfl.sync.down.i32(i32, i32, i32, i32)
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
@part = internal addrspace(3) global [8 x float] undef, align 4

define ptx_kernel void @rows(ptr addrspace(1) %x, ptr addrspace(1) %y, i32 %n) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %base = mul i32 %b, %n
  br label %head
head:
  %i = phi i32 [%t, %entry], [%i1, %body]
  %s = phi float [0.0, %entry], [%s1, %body]
  %more = icmp slt i32 %i, %n
  br i1 %more, label %body, label %done
body:
  %k = add i32 %base, %i
  %p = getelementptr float, ptr addrspace(1) %x, i32 %k
  %v = load float, ptr addrspace(1) %p
  %s1 = fadd float %s, %v
  %i1 = add i32 %i, 256
  br label %head
done:
  br label %fold
fold:
  %d = phi i32 [16, %done], [%d1, %fold]
  %w = phi float [%s, %done], [%w1, %fold]
  %wi = bitcast float %w to i32
  %o = call i32 @llvm.nvvm.shfl.sync.down.i32(i32 -1, i32 %wi, i32 %d, i32 31)
  %of = bitcast i32 %o to float
  %w1 = fadd float %w, %of
  %d1 = lshr i32 %d, 1
  %again = icmp ne i32 %d1, 0
  br i1 %again, label %fold, label %folded
folded:
  %lane = and i32 %t, 31
  %warp = lshr i32 %t, 5
  %first = icmp eq i32 %lane, 0
  br i1 %first, label %keep, label %kept
keep:
  %pw = getelementptr [8 x float], ptr addrspace(3) @part, i32 0, i32 %warp
  store float %w1, ptr addrspace(3) %pw
  br label %kept
kept:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %zero = icmp eq i32 %t, 0
  br i1 %zero, label %total, label %out
total:
  %j = phi i32 [0, %kept], [%j1, %total]
  %a = phi float [0.0, %kept], [%a1, %total]
  %pj = getelementptr [8 x float], ptr addrspace(3) @part, i32 0, i32 %j
  %vj = load float, ptr addrspace(3) %pj
  %a1 = fadd float %a, %vj
  %j1 = add i32 %j, 1
  %go = icmp slt i32 %j1, 8
  br i1 %go, label %total, label %write
write:
  %py = getelementptr float, ptr addrspace(1) %y, i32 %b
  store float %a1, ptr addrspace(1) %py
  br label %out
out:
  ret void
}
"""


@pytest.mark.parametrize("level", [0, 3])
def test_sums_of_rows_as_llvm_prints_them(level: int) -> None:
    x = np.random.default_rng(0).integers(-9, 9, (37, 1000)).astype(np.float32)
    y = np.full(37, np.nan, np.float32)
    launch(compiled(SUM, level), "rows", 37, 256, [x, y, 1000])
    assert y.tolist() == x.sum(1).tolist()


def test_blocks_run_together_or_alone_with_the_same_bits() -> None:
    x = np.random.default_rng(0).standard_normal((20, 700)).astype(np.float32)
    results = []
    for lockstep in (1, 1 << 16):
        y = np.zeros(20, np.float32)
        launch(compiled(SUM), "rows", 20, 256, [x, y, 700], lockstep=lockstep)
        results.append(y.tobytes())
    assert results[0] == results[1]
