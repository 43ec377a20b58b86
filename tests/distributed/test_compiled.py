"""Programs over named axes on real processes."""

from __future__ import annotations

import pytest

from tests.distributed.launch import cases, results


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("case", cases("compiled"))
def test_every_process_has_what_vmap_gives_at_its_place(case: str, processes: int) -> None:
    results("compiled", processes, case)
