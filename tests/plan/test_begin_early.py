"""Transfers between processes: where they begin and end, and that nothing else changes by that.

They run in the world of alike_world.py, which looks whether somebody touches what is in its hands.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.plan.alike_world import AlikeWorld
from tests.plan.transfer_programs import drawn
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops import dot_general
from wonderland.compiler.ops.transferred import Transferred
from wonderland.compiler.optimise import buckets
from wonderland.compiler.pipeline import compile_graph
from wonderland.compiler.plan.buffers import buffers
from wonderland.compiler.plan.verify import verify_plan
from wonderland.compiler.settings import changed
from wonderland.compiler.transform.node_reference import NodeReference
from wonderland.runtime.cpu import record
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.processes import world
from wonderland.runtime.rows import StartRow, transfers_of

MESH = (("i", 2),)
X = Type("f64", (8, 8))


@pytest.fixture(autouse=True)
def mesh(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(world._process, "world", AlikeWorld())
    return wl.distributed.mesh({"i": 2})


def transferred(x: Value, kind: Any = "sum") -> Value:
    return apply(Transferred(kind, "i", 2, MESH), x)


def product(a: Value, b: Value) -> Value:
    return dot_general(a, b, ((1,), (0,)), ((), ()))


def compiled(graph: Graph) -> Any:
    with changed(verify=True):
        return compile_graph(graph)


def order(made: Any) -> list[str]:
    """The works as they run, transfers by the number of their begin."""
    names, found = {}, []
    for _, work in made.plan.schedule.works:
        kind = work.name.partition(" ")[0]
        if kind in ("start", "wait"):
            number = names.setdefault(id(work.node), len(names))
            found.append(f"{kind} {number}")
        else:
            found.append("work")
    return found


def test_a_transfer_begins_when_its_operand_is_there_and_ends_when_all_else_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "BUCKET_BYTES", 0)
    a, b = Value(X), Value(X)
    first = product(a, b)
    second = product(first, b)
    sums = transferred(first), transferred(second)  # as gradients are summed: behind all of them
    graph = Graph.of("step", (a, b), [product(s, b) for s in sums])
    assert order(compiled(graph)) == [
        "work", "start 0", "work", "start 1", "wait 0", "work", "wait 1", "work",
    ]  # fmt: skip


def test_a_transfer_of_what_another_gave_waits_for_that_alone() -> None:
    a, b = Value(X), Value(X)
    once = transferred(product(a, b))
    graph = Graph.of("twice", (a, b), [transferred(once)])
    assert order(compiled(graph)) == ["work", "start 0", "wait 0", "start 1", "wait 1"]


def test_arguments_are_transferred_at_once_and_results_without_a_copy() -> None:
    a = Value(X)
    made = compiled(Graph.of("given", (a,), [transferred(a), product(a, a)]))
    assert order(made) == ["start 0", "work", "wait 0"]
    begin = next(row for row in made.program.rows if isinstance(row, StartRow))
    assert (begin.source.space, begin.result.space) == ("input", "output")
    assert not begin.whole


def test_what_is_waited_for_at_once_is_one_step() -> None:
    a = Value(X)
    made = compiled(Graph.of("chain", (a,), [product(transferred(product(a, a)), a)]))
    assert [row.whole for row in made.program.rows if isinstance(row, StartRow)] == [True]
    assert str(made.program.table.steps).count("StartRow") == 1
    assert "WaitRow" not in str(made.program.table.steps)


def test_operand_and_result_are_nobodys_while_a_transfer_is_underway() -> None:
    """A plan that forgets that a transfer ends is refused."""
    a, b = Value(X), Value(X)
    first = product(a, b)
    graph = Graph.of("step", (a, b), [product(transferred(first), b), product(product(a, a), b)])
    made = compiled(graph)
    lowered = {id(w): low for w, low in made.lowered}
    plan = made.plan
    (start,) = (w for _, w in plan.schedule.works if w.name.startswith("start"))
    others = [v for _, w in plan.schedule.works for v in w.written if v not in start.values]
    inside = next(v for v in others if plan.places[v].space == "arena" and v.type.size)
    for value in start.values:
        places = {**plan.places, inside: plan.places[value]}
        wrong = type(plan)(**{**vars(plan), "places": places})
        with pytest.raises(CompilerError):
            verify_plan(wrong, lowered)
    assert buffers(plan.schedule).places[inside] == plan.places[inside]


# ---------------------------------------------------------------- random programs


@pytest.mark.parametrize("seed", range(16))
def test_random_programs_with_transfers_are_what_they_are_interpreted(seed: int, mesh: Any) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 8, 8))
    function = wl.distributed.spmd(lambda x, y: drawn(seed, 0, [x, y])[-4:], mesh)
    with wl.disable_jit():
        expected = function(x, y)
    with wl.verify():
        made = function.compile(x, y)
    assert any(transfers_of(made.program.rows))
    for found in (function(x, y), poisoned(made.compiled, x, y), read_back(made.compiled, x, y)):
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, 1e-9, 1e-9)


def poisoned(made: Any, *arrays: np.ndarray) -> Any:
    """The results where all memory holds NaN before."""
    program = made.program
    table = program.table
    ends = table.inputs, table.outputs, table.constants, table.arena_bytes, table.scratch_bytes
    return Program(program.rows, *ends, poison=True)(arrays)


def read_back(made: Any, *arrays: np.ndarray) -> Any:
    """The results of the program that was written down and read."""
    code = json.loads(json.dumps(record.record_code(made.record)))
    read = record.record_read(code, made.record.constants, NodeReference.read)
    assert read.rows == made.record.rows
    rows = zip(*map(record.kernel_rows, (read.rows, made.program.rows)), strict=True)
    return read.program({named.address: row.address for named, row in rows})(arrays)


@pytest.mark.parametrize("seed", [2, 3])
def test_so_are_their_gradients(seed: int, mesh: Any) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 8, 8))

    def loss(x: Any, y: Any) -> Any:
        return sum(np.sum(np.sin(v)) for v in drawn(seed, 0, [x, y])[-3:])

    gradient = wl.distributed.spmd(wl.grad(loss), mesh)
    with wl.disable_jit():
        expected = gradient(x, y)
    np.testing.assert_allclose(gradient(x, y), expected, 1e-8, 1e-8)


def test_a_budget_of_memory_holds_with_transfers(mesh: Any) -> None:
    x = np.random.default_rng(0).standard_normal((128, 128))

    def loss(x: Any) -> Any:
        for _ in range(6):
            x = wl.lax.psum(np.tanh(x @ x), "i")
        return np.sum(x)

    free = wl.distributed.spmd(wl.grad(loss), mesh).compile(x)
    budget = free.compiled.memory.nbytes * 3 // 4
    less = wl.distributed.spmd(wl.grad(loss), mesh, memory_budget=budget)
    assert less.compile(x).compiled.memory.nbytes <= budget
    assert np.array_equal(less(x), free(x))
