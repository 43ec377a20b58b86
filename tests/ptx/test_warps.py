"""Shuffles, votes, matches, reductions and products of a warp."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import wonderland.numpy as wnp

from . import launch
from .programs import entry, evaluate
from .test_control import run

LANES = np.arange(64) % 32
WARPS = np.arange(64) // 32


def shuffled(mode: str, b: int, segment: int = 0) -> np.ndarray:
    """The ISA's definition: with clamp, and width through the mask of segments."""
    out = []
    for t in range(64):
        lane = t % 32
        last = (lane & segment) | (31 & ~segment if mode != "up" else 0)
        source = {
            "up": lane - b, "down": lane + b, "bfly": lane ^ b,
            "idx": (lane & segment) | (b & ~segment),
        }[mode]  # fmt: skip
        inside = source >= last if mode == "up" else source <= last
        out.append((t // 32 * 32 + source if inside else t, inside))
    return np.array(out)


@pytest.mark.parametrize("segment", [0, 24])
@pytest.mark.parametrize("mode", ["up", "down", "bfly", "idx"])
def test_shuffles(mode: str, segment: int) -> None:
    clamp = segment << 8 | (0 if mode == "up" else 31)
    for b in (1, 3, 16):
        got = run(
            f"shfl.sync.{mode}.b32 %r0|%q0, %t, {b}, {clamp}, -1;\n@!%q0 add.u32 %r0, %r0, 1000;",
            grid=1,
        )
        expected = shuffled(mode, b, segment)
        assert got.tolist() == (expected[:, 0] + 1000 * (1 - expected[:, 1])).tolist()


def test_votes() -> None:
    predicate = "rem.u32 %r1, %t, 3; setp.eq.u32 %q0, %r1, 0;"
    ballot = [sum(1 << k for k in range(32) if (32 * w + k) % 3 == 0) for w in (0, 1)]
    got = run(f"{predicate} vote.sync.ballot.b32 %r0, %q0, -1;", grid=1)
    assert got.tolist() == [ballot[w] for w in WARPS]
    got = run(f"{predicate} vote.sync.any.pred %q1, !%q0, -1; selp.u32 %r0, 1, 0, %q1;", grid=1)
    assert got.all()
    got = run("setp.lt.u32 %q0, %t, 32; vote.sync.all.pred %q1, %q0, -1; selp.u32 %r0, 1, 0, %q1;")
    assert got[:64].tolist() == (1 - WARPS).tolist()


def test_a_ballot_of_part_of_a_warp_counts_its_members_only() -> None:
    got = run(
        "mov.u32 %r0, 7; and.b32 %r1, %t, 31; setp.lt.u32 %q0, %r1, 8; setp.ge.u32 %q1, %r1, 2;\n"
        "@%q0 vote.sync.ballot.b32 %r0, %q1, 0xFF;",
        grid=1,
    )
    assert got.tolist() == np.where(LANES < 8, 0xFC, 7).tolist()


def test_active_lanes() -> None:
    got = run(
        "mov.u32 %r0, 0; and.b32 %r1, %t, 31; setp.ge.u32 %q0, %r1, 4; @%q0 bra DONE;"
        "activemask.b32 %r0;",
        grid=1,
    )
    assert got.tolist() == np.where(LANES < 4, 15, 0).tolist()


def test_matches_reductions_and_elections() -> None:
    got = run("and.b32 %r1, %t, 1; match.any.sync.b32 %r0, %r1, -1;", grid=1)
    assert got.tolist() == np.where(LANES % 2, 0xAAAAAAAA, 0x55555555).tolist()
    got = run("redux.sync.add.u32 %r0, %t, -1;", grid=1)
    assert got.tolist() == [sum(range(32)) if w == 0 else sum(range(32, 64)) for w in WARPS]
    got = run("sub.s32 %r1, 5, %t; redux.sync.min.s32 %r0, %r1, -1;", np.int32, grid=1)
    assert got.tolist() == [-26 if w == 0 else -58 for w in WARPS]
    got = run("elect.sync _|%q0, -1; selp.u32 %r0, 1, 0, %q0;", grid=1)
    assert np.nonzero(got)[0].tolist() == [0, 32]


def test_masks_of_lanes() -> None:
    got = run("mov.u32 %r0, %lanemask_lt;", grid=1)
    assert got.tolist() == [(1 << int(k)) - 1 for k in LANES]


def test_reductions_over_barriers_and_barriers_of_some() -> None:
    got = run("setp.lt.u32 %q0, %t, 10; bar.red.popc.u32 %r0, 0, %q0;")
    assert (got == 10).all()
    got = run("""
        mov.u32 %r0, 1;
        setp.lt.u32 %q0, %t, 32;
        @!%q0 bra DONE;
        barrier.sync 3, 32;
        mov.u32 %r0, 2;
    """)
    assert got[:64].tolist() == (2 - WARPS).tolist()


Places = Callable[[int], list[tuple[int, int]]]


def fragments(values: np.ndarray, places: Places) -> np.ndarray:
    """Lane by lane, the elements of a matrix that it holds."""
    return np.array([[values[p] for p in places(lane)] for lane in range(32)])


# as the ISA writes them
TF32: dict[str, Places] = {
    "a": lambda t: [(t // 4 + 8 * (i % 2), t % 4 + 4 * (i > 1)) for i in range(4)],
    "b": lambda t: [(t % 4 + 4 * i, t // 4) for i in range(2)],
}
HALF: dict[str, Places] = {
    "a": lambda t: [
        (t // 4 + 8 * (i in (2, 3, 6, 7)), t % 4 * 2 + i % 2 + 8 * (i > 3)) for i in range(8)
    ],
    "b": lambda t: [(t % 4 * 2 + i % 2 + 8 * (i > 1), t // 4) for i in range(4)],
}


def accumulator(t: int) -> list[tuple[int, int]]:
    return [(t // 4 + 8 * (i > 1), t % 4 * 2 + i % 2) for i in range(4)]


@pytest.mark.parametrize("kind", ["tf32", "f16", "bf16"])
def test_products_of_matrices(kind: str) -> None:
    """Small integers, so that no order of addition matters."""
    rng = np.random.default_rng(0)
    depth = 8 if kind == "tf32" else 16
    a, b = rng.integers(-8, 9, (16, depth)), rng.integers(-8, 9, (depth, 8))
    c = rng.integers(-8, 9, (16, 8))
    dtype = {"tf32": np.float32, "f16": np.float16, "bf16": wnp.bfloat16}[kind]
    places = TF32 if kind == "tf32" else HALF
    parts = [fragments(a, places["a"]), fragments(b, places["b"])]
    words = [np.ascontiguousarray(p.astype(dtype)).view(np.uint32) for p in parts]
    words.append(fragments(c, accumulator).astype(np.float32).view(np.uint32))
    flat = np.ascontiguousarray(np.concatenate(words, 1))
    count = flat.shape[1]
    names = [f"%r{k + 1}" for k in range(count)]
    loads = "\n".join(f"ld.global.b32 {r}, [%d0+{4 * k}];" for k, r in enumerate(names))
    na, nb = words[0].shape[1], words[1].shape[1]
    operands = [
        "{" + ", ".join(names[i:j]) + "}"
        for i, j in ((0, na), (na, na + nb), (na + nb, na + nb + 4))
    ]
    text = entry(f"""
        mad.wide.u32 %d0, %t, {4 * count}, %p0;
        {loads}
        mma.sync.aligned.m16n8k{depth}.row.col.f32.{kind}.{kind}.f32
            {{%r20, %r21, %r22, %r23}}, {", ".join(operands)};
        mad.wide.u32 %d0, %t, 16, %p1;
        st.global.v4.b32 [%d0], {{%r20, %r21, %r22, %r23}};
    """, 2)  # fmt: skip
    out = np.zeros((32, 4), np.float32)
    launch(text, "k", 1, 32, [flat, out])
    assert (out == fragments(a @ b + c, accumulator)).all()


@pytest.mark.parametrize("transposed", ["", ".trans"])
def test_fragments_are_loaded_from_shared_memory(transposed: str) -> None:
    tile = np.arange(32 * 8, dtype=np.uint16).reshape(32, 8)
    text = entry(f"""
        mov.u32 %r0, tile; mad.lo.u32 %r0, %t, 16, %r0;
        mad.wide.u32 %d0, %t, 16, %p0;
        ld.global.v4.b32 {{%r1, %r2, %r3, %r4}}, [%d0];
        st.shared.v4.b32 [%r0], {{%r1, %r2, %r3, %r4}};
        bar.sync 0;
        ldmatrix.sync.aligned.m8n8.x4{transposed}.shared.b16 {{%r5, %r6, %r7, %r8}}, [%r0];
        mad.wide.u32 %d0, %t, 16, %p1;
        st.global.v4.b32 [%d0], {{%r5, %r6, %r7, %r8}};
    """, 2, ".shared .align 16 .b8 tile[512];")  # fmt: skip
    out = np.zeros((32, 4), np.uint32)
    launch(text, "k", 1, 32, [tile, out])
    halves = out.view(np.uint16).reshape(32, 4, 2)
    for lane in range(32):
        for k in range(4):
            matrix = tile[8 * k : 8 * k + 8]
            matrix = matrix.T if transposed else matrix
            row, column = lane // 4, 2 * (lane % 4)
            assert halves[lane, k].tolist() == matrix[row, column : column + 2].tolist()


def test_one_value_for_all_threads_stays_one() -> None:
    got = evaluate("mov.u32 %r1, 5; add.u32 %y, %r1, %x0;", np.arange(4, dtype=np.uint32), out="u4")
    assert got.tolist() == [5, 6, 7, 8]
