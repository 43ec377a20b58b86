"""Processes that are measured: formulas are what messages take one by one, and tables say so."""

from __future__ import annotations

import numpy as np
import pytest

from bench.distributed import paper, report, steps
from bench.distributed.absent import linked
from bench.distributed.paper import Links, Work
from bench.distributed.simulation import simulated
from bench.distributed.wires import Counted, Mirror
from wonderland.compiler.optimise.buckets import BUCKET_BYTES
from wonderland.runtime.processes.world import World
from wonderland.runtime.rows import Transfer

SLOW = Links(message=1e-6, memory=4e9, adding=20e9)


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("n", [4, 32, 128])
@pytest.mark.parametrize("size", [1 << 10, 1 << 22, 1 << 26])
def test_formulas_take_what_messages_take(processes: int, n: int, size: int):
    """Wires overlap with what processes do, at most all of the shorter."""
    links = Links(SLOW.message, SLOW.memory, SLOW.adding, processes=processes)
    for levels, formula in ((1, paper.direct), (2, paper.two_levels)):
        share = simulated(links, n, size, levels) / formula(links, n, size)
        assert 0.5 < share < 1.01


def test_all_algorithms_are_one_where_there_are_two_processes():
    """But that everybody sends all of it in one message, and adds it."""
    times = [a(SLOW, 2, 1 << 20) for a in paper.ALGORITHMS.values()]
    assert times[1] == times[2] == times[3]
    assert times[0] < times[1] + (1 << 20) / SLOW.adding


def test_messages_to_everybody_end_the_scaling_of_what_is_direct():
    work = Work("step", 0.3, 1 << 24)
    ends = {name: paper.most(a, SLOW, work) for name, a in paper.ALGORITHMS.items()}
    assert ends["everybody"] < ends["direct"] < ends["two levels"] < ends["halving"]


def test_a_step_has_as_many_buckets_as_the_compiler_makes():
    work = Work("step", 0.1, 8 * BUCKET_BYTES, call=1e-3)
    taken = paper.transfers(lambda *_: 0.0, SLOW, work, 2)
    assert taken == pytest.approx(8e-3)


def test_no_more_is_hidden_than_backward_has_time_for():
    work = Work("step", 0.3, 1 << 30, hidden=1.0)
    taken = paper.transfers(paper.direct, SLOW, work, 64)
    assert paper.step(paper.direct, SLOW, work, 64) == pytest.approx(0.3 + taken - 0.2)
    small = Work("step", 0.3, 1 << 10, hidden=1.0)
    assert paper.efficiency(paper.direct, SLOW, small, 64) == 1.0


def test_what_a_process_sends_is_counted():
    """A head, a part and a sum to each of eight others, of parts that fit in one message."""
    world, x = World(Counted(Mirror(9))), np.ones(9 << 14, np.float32)
    world.exchanged(Transfer("sum", (("data", 9),), "data", x.dtype, x.size), x)
    assert isinstance(sent := world.traffic.wire, Counted)
    assert sent.messages == paper.EACH * 8
    assert sent.nbytes - 2 * 8 * x.nbytes // 9 < 8 * 100  # heads


def test_a_mirror_answers_for_all_others():
    """Sums of one number over nine processes, whichever way the engine takes."""
    for count in (18, 9 << 12):
        world, x = World(Mirror(9)), np.full(count, 2, np.float32)
        transfer = Transfer("sum", (("data", 9),), "data", x.dtype, x.size)
        np.testing.assert_array_equal(world.exchanged(transfer, x), 9 * x)


def test_a_link_takes_as_long_as_bytes_on_it():
    """Processes that are not there have what this one has; a sum crosses twice."""
    x = np.arange(16, dtype=np.float32)
    with linked(4, seconds=0.01, bytes_a_second=2 * 64 * 3 / 4 / 0.02) as world:
        found = world.exchanged(Transfer("sum", (("data", 4),), "data", x.dtype, x.size), x)
    np.testing.assert_array_equal(found, 4 * x)
    assert world.under_way_seconds >= 0.03
    assert world.messages == 1


def test_what_is_hidden_is_a_share_of_the_shorter():
    assert steps.hidden(step=10.0, alone=10.0, transfer=4.0) == 1.0
    assert steps.hidden(step=14.0, alone=10.0, transfer=4.0) == 0.0
    assert steps.hidden(step=12.0, alone=4.0, transfer=10.0) == 0.5


def test_a_table_of_steps_knows_of_cores_that_are_shared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "cores", lambda: [0, 1])
    times = {"step jax": 1.0, "alone jax": 1.0, "transfer jax": 0.1}
    four = {"step jax": 4.0, "alone jax": 3.0, "transfer jax": 2.0}
    answers = {1: [["MLP", "8", 1, times]], 4: [["MLP", "8", 1, four]]}
    *_, last = report.of_steps(answers).splitlines()
    cells = [cell.strip() for cell in last.split("|")[1:-1]]
    assert cells == ["MLP, 8", "jax", "4", "4.00 s", "3.00 s", "2.00 s", "50%", "75%", "50%"]


def test_processes_that_fail_have_no_answer(monkeypatch: pytest.MonkeyPatch, capfd):
    monkeypatch.setattr(report, "mpiexec", lambda: "false")
    assert report.started(2, report.QUESTIONS["latency"], True) is None
    assert "latency, 2 processes: " in capfd.readouterr().err


def test_unknown_questions_are_told():
    assert report.unknown(["steps", "4"]) is None
    assert report.unknown(["steps", "speed"]) == "speed"
