"""Programs as data: whatever rows there are, they are read back as they were."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.runtime.random_rows import Maker
from wonderland.compiler.ir.types import NUMPY
from wonderland.compiler.transform.node_reference import NodeReference
from wonderland.runtime.cpu.record import ProgramRecord, record_code, record_read
from wonderland.runtime.native import objects
from wonderland.runtime.rows import HostRow, KernelRow, Row, Slot, printed
from wonderland.runtime.spec import ArraySpec


def again(record: ProgramRecord) -> ProgramRecord:
    """The record as text, and read."""
    text = json.dumps(record_code(record))
    return record_read(json.loads(text), record.constants, NodeReference.read)


def record_of(rows: tuple[Row, ...], **more: Any) -> ProgramRecord:
    return ProgramRecord(rows, (), (), {}, 0, 0, 0.5, (), True, 1, **more)


@pytest.mark.parametrize("seed", range(20))
def test_random_rows_are_read_as_they_were(seed: int):
    rng = np.random.default_rng(seed)

    def row(name: str, slots: tuple[Slot, ...], sizes: tuple[int, ...]) -> Row:
        points, grain = int(rng.integers(1 << 40)), int(rng.integers(1, 9))
        barrier, writes = bool(rng.integers(2)), int(rng.integers(3))
        return KernelRow(
            name, slots, sizes, points, grain, barrier, f"{name}_", (8, 1 << 50), writes, 64
        )

    maker = Maker(rng, np.zeros(1, np.int64), row, python=False)
    record = record_of(tuple(maker.one(3) for _ in range(8)))
    assert again(record).rows == record.rows
    assert record.rows


def test_arguments_are_of_every_dtype():
    specs = tuple(ArraySpec(d, (2, k)) for k, d in enumerate(NUMPY.values()))
    record = ProgramRecord((), specs, specs[::-1], {}, 64, 128, 0.1, ((1, 13),), False, 0)
    read = again(record)
    assert {**vars(read)} == {**vars(record)}


def test_rows_that_call_python_have_no_text():
    def function() -> None: ...

    host = HostRow(function, (), (), "host")
    assert record_code(record_of((host,))) is None
    assert record_code(record_of((KernelRow(12345, (), (), 1, 1),))) is None


def loops(x: Any) -> Any:
    def step(h: Any, e: Any) -> Any:
        h = np.tanh(h + e)
        return h, wl.lax.cond(np.sum(h) > 1, np.sin, np.cos, h)

    turned = wl.lax.while_loop(lambda s: np.sum(s) < 50, lambda s: s + 1.5, x[0])
    return wl.lax.scan(step, turned, x), np.linalg.inv(x[:, :4]) * np.arange(4.0)


def test_a_program_that_was_written_down_gives_the_same_bits():
    x = np.random.default_rng(0).normal(size=(4, 9))
    program = wl.jit(loops).compile(x)
    results = wl.tree.leaves(program(x))
    read = again(program.compiled.record)
    code = objects.known_code(read.kernels)
    assert code is not None
    made = read.program(code)
    assert list(printed(made.rows)) == list(printed(program.program.rows))
    for ours, theirs in zip(made((x,)), results, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_code_that_is_not_there_is_not_known():
    assert objects.known_code(["0" * 64]) is None
