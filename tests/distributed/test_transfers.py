"""Transfers between real processes, bit for bit."""

from __future__ import annotations

import pytest

from tests.distributed.launch import cases, results
from wonderland.runtime.cpu import executor

PROCESSES = pytest.mark.parametrize("processes", [3, 4])


@PROCESSES
@pytest.mark.parametrize("case", cases("transfers"))
def test_every_process_has_the_bits_of_numpy(case: str, processes: int) -> None:
    results("transfers", processes, case)


@PROCESSES
def test_places_are_ranks(processes: int) -> None:
    assert results("transfers", processes, "case_join") == list(range(processes))


def test_the_last_axis_of_a_mesh_is_the_fastest() -> None:
    places = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert results("transfers", 4, "case_axes_of_a_mesh") == places


@PROCESSES
def test_all_hear_the_line_that_differs(processes: int) -> None:
    required = "plan: the same is required of all processes, got"
    lines = [required, "    line 2 of process 0: b", "    line 2 of process 1: x"]
    assert results("transfers", processes, "case_agree") == [lines] * processes


@PROCESSES
def test_processes_of_a_machine_share_its_processors(processes: int) -> None:
    threads = max(1, executor.allowed_threads() // processes)
    shared = [processes, processes, threads]
    assert results("transfers", processes, "case_the_machine") == [shared] * processes
