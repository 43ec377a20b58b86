"""Blocks of the arena: against every order in which they can be stacked."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.fuse import fuse
from wonderland.compiler.fuse.work import Work
from wonderland.compiler.pipeline import compile_graph
from wonderland.compiler.plan import buffers
from wonderland.compiler.plan.buffers import Block, assign, live_bytes, stacked
from wonderland.compiler.plan.schedule import schedule


def random_blocks(seed: int, count: int, waves: int) -> list[Block]:
    rng = random.Random(seed)
    blocks = []
    for _ in range(count):
        first = rng.randrange(waves)
        last = rng.randrange(first, waves)
        blocks.append(Block([], first, last, 64 * rng.choice((1, 1, 2, 3, 5, 8))))
    return blocks


def assigned(blocks: list[Block]) -> tuple[int, int]:
    """The bytes of the arena, and the most that is live, which no arena goes below."""
    least = max(live_bytes(blocks, 1 + max(b.last for b in blocks)))
    return assign(blocks, least), least


def test_few_blocks_are_stacked_as_low_as_can_be() -> None:
    """The best order of all is the best there is: what is lowest in a best stack comes first."""
    for seed in range(40):
        blocks = random_blocks(seed, 6, 6)
        nbytes, _ = assigned(blocks)
        assert nbytes == min(map(stacked, itertools.permutations(blocks)))


def test_one_order_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for order in buffers.ORDERS:
        monkeypatch.setattr(buffers, "ORDERS", (order,))
        pairs = [assigned(random_blocks(seed, 12, 8)) for seed in range(200)]
        assert any(nbytes > least for nbytes, least in pairs)


def test_many_blocks_take_little_more_than_what_is_live() -> None:
    pairs = [assigned(random_blocks(seed, 40, 30)) for seed in range(100)]
    ratios = [nbytes / least for nbytes, least in pairs]
    assert max(ratios) <= 1.15 and sum(ratios) <= 1.03 * len(ratios)


def test_blocks_that_live_at_once_share_no_byte() -> None:
    for seed in range(40):
        blocks = random_blocks(seed, 20, 12)
        nbytes, _ = assigned(blocks)
        for a, b in itertools.combinations(blocks, 2):
            apart = a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
            assert apart or a.last < b.first or b.last < a.first
        assert nbytes == max(b.offset + b.nbytes for b in blocks)


def test_the_stack_that_is_drawn() -> None:
    spans = {"a": (0, 1, 128), "b": (0, 3, 64), "c": (2, 3, 192), "d": (1, 2, 64)}
    blocks = {name: Block([], *span) for name, span in spans.items()}
    assert assigned(list(blocks.values())) == (320, 320)
    assert {name: b.offset for name, b in blocks.items()} == {"a": 0, "b": 192, "c": 0, "d": 256}


def test_the_example_of_blocks_copies_nothing() -> None:
    def f(x: Any, w: Any) -> Any:
        a = x @ w
        b = np.exp(a / np.sum(a))
        return np.concatenate([b, np.sort(b, axis=1)])

    x = np.ones((8, 8), np.float32)
    plan = compile_graph(wl.trace(f, x, x).graph).plan
    _, a, total, b, c = str(plan).splitlines()
    assert a.endswith("in output 0") and total.endswith("in arena+0")
    assert ": f32[8, 8] in output 0, over " in b and ": f32[8, 8] in output 0+256, in " in c
    assert len(plan.left_out) == 1


def lowest(block: Block, placed: list[Block]) -> int:
    """The lowest place where the block fits, by a look at all of them."""
    alive = [b for b in placed if b.first <= block.last and block.first <= b.last]
    for at in sorted({0, *(b.offset + b.nbytes for b in alive)}):
        if all(at + block.nbytes <= b.offset or b.offset + b.nbytes <= at for b in alive):
            return at
    raise AssertionError


def test_each_block_is_at_the_lowest_place() -> None:
    for seed in range(60):
        blocks = random_blocks(seed, 40, 20)
        blocks[7] = Block([], 2, 5, 0)
        stacked(blocks)
        for k, block in enumerate(blocks):
            assert block.offset == lowest(block, [b for b in blocks[:k] if b.nbytes])


@pytest.mark.parametrize("count", [50, 200])
def test_works_are_asked_what_they_read_as_often_for_many_donated_arguments(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(ps: list[Any], x: Any) -> list[Any]:
        return [np.sort(p * x) for p in ps]

    arrays = [np.ones(3, np.float32)] * count
    graph = wl.trace(step, arrays, np.float32(2)).graph
    donated = tuple((k, k) for k in range(count))
    works = fuse(graph, donated)
    asked = 0
    own = Work.reads

    def reads(work: Work) -> Any:
        nonlocal asked
        asked += 1
        return own.__get__(work)

    monkeypatch.setattr(Work, "reads", property(reads))
    plan = buffers.buffers(schedule(works))
    assert len(plan.donated) == count
    assert asked <= 40 * len([*works.works])
