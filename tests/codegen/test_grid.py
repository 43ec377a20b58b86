"""Kernels for a GPU as text: what a thread and a team do, what sizes may change."""

from __future__ import annotations

import numpy as np

import wonderland as wl
from wonderland.compiler.codegen.lowered import LoweredLaunch
from wonderland.compiler.codegen.target import DEVICES
from wonderland.compiler.pipeline import compile_graph

SM80 = DEVICES["sm_80"]


def launches(function, *shapes: tuple[int, ...]) -> list[LoweredLaunch]:
    """The launches of a function of f32 arrays."""
    args = [np.zeros(s, np.float32) for s in shapes]
    return [low for _, low in compile_graph(wl.trace(function, *args).graph, SM80).lowered]


def body(launch: LoweredLaunch) -> str:
    """The text without its docstring."""
    head, _, rest = launch.text.partition('"""')
    return (head.rstrip() + rest.partition('"""')[2]).rstrip()


def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def test_a_map_is_a_thread_a_point_and_moves_16_bytes_where_it_can() -> None:
    (launch,) = launches(lambda x, y: x * y + 1, (40, 100), (40, 100))
    assert (
        body(launch)
        == """\
def map_add(x0: pointer(f32), x1: pointer(f32), y0: pointer(f32), size_i1: integer):
    for i1 in range((block_index() * 256 + thread_index()) * 4, size_i1, block_count() * 1024):
        v1 = load(x0, i1, 4)
        v2 = load(x1, i1, 4)
        t1 = fma(v1, v2, 1.0)
        store(y0, i1, t1)"""
    )
    assert (launch.blocks, launch.threads, launch.shared_bytes) == (4, 256, 0)
    assert "load(x0, i1, 1)" in launches(lambda x, y: x * y + 1, (3, 7), (3, 7))[0].text


def test_a_long_map_has_no_chunks_left() -> None:
    (launch,) = launches(lambda x: x + 1, (1 << 20,))
    assert launch.blocks == 1024 and body(launch).count("for ") == 1


def test_rows_go_to_warps_or_blocks_and_stay_in_shared_memory() -> None:
    (short,), (long,) = launches(softmax, (64, 100)), launches(softmax, (64, 1000))
    assert "team_largest(r0_lanes, 32)" in short.text and short.blocks == 8
    assert "team_total(r1_lanes, 256)" in long.text and long.blocks == 64
    assert long.shared_bytes == 4032 and "k0 = shared(0, f32)" in long.text


def test_what_lies_crosswise_is_turned_in_shared_memory() -> None:
    (launch,) = launches(lambda x: x.T + 1, (70, 33))
    assert "store(x0_tile2, (i0 - top) * 33 + i1 - first_column, v1)" in launch.text
    assert launch.blocks == 3 * 2


def test_sizes_are_arguments() -> None:
    texts = [[low.text for low in launches(softmax, (n, 1000))] for n in (2, 500)]
    assert texts[0] == texts[1]
    products = [launches(lambda x, y: x @ y, (m, 100), (100, 300)) for m in (100, 101)]
    assert products[0][0].text == products[1][0].text


def test_full_sums_are_sums_of_chunks_that_sizes_decide() -> None:
    first, second = launches(np.sum, (300, 1000))
    assert first.blocks == 64 and second.blocks == 1
    assert "atomic" not in first.text + second.text


def test_a_product_goes_through_shared_memory_with_its_stores_behind_it() -> None:
    (launch,) = launches(lambda x, w, b: np.tanh(x @ w + b), (100, 30), (30, 70), (70,))
    assert launch.blocks == 2 * 2 and "results = shared_tile(0, 4096, f32)" in launch.text
    assert "sum3 = fma(lane(part0, 3), line, sum3)" in launch.text
    assert "tanh(" in body(launch)


def test_the_same_kernels_give_the_same_text() -> None:
    def texts() -> list[str]:
        found = launches(lambda x, w: (softmax(x) @ w, x.T + 1, np.sum(x)), (70, 40), (40, 9))
        return [low.text for low in found]

    assert texts() == texts()
