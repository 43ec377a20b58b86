"""Slabs: graphs run unit by unit, each by one thread, with its own memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from wonderland.compiler import ops
from wonderland.compiler.family import Refusal, SizedProgram, SizeFamily
from wonderland.compiler.ir.errors import CompilerError
from wonderland.compiler.ir.graph import Graph, Value, apply_all
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ops.nested.bodies import body_of
from wonderland.compiler.ops.nested.slabs import slabs
from wonderland.compiler.pipeline import Compiled, compile_graph, machine_code
from wonderland.compiler.transform.interpreter import interpret
from wonderland.runtime.cpu.executor import threads
from wonderland.runtime.cpu.program import Program
from wonderland.runtime.cpu.record import record_code, record_read


def dot(x: Value, y: Value) -> Value:
    return ops.dot_general(x, y, ((1,), (0,)), ((), ()))


def softmax(x: Value) -> Value:
    rows = (1,)
    e = ops.exp(ops.sub(x, ops.broadcast(ops.reduce_max(x, rows), x.shape, rows)))
    return ops.div(e, ops.broadcast(ops.reduce_sum(e, rows), x.shape, rows))


def attention(heads: int = 3, length: int = 48, block: int = 16, depth: int = 8) -> Graph:
    """Query rows block by block, of keys and values that the blocks of a head share."""
    q, k = (Value(Type("f32", (heads, length, depth))) for _ in range(2))
    v = Value(Type("f32", (heads, length, depth)))
    part, whole = Type("f32", (block, depth)), Type("f32", (length, depth))

    def body(q: Value, k: Value, v: Value) -> Sequence[Value]:
        weights = softmax(dot(q, ops.permute(k, (1, 0))))
        return dot(weights, v), ops.reduce_sum(ops.mul(weights, weights), (1,))

    head, step = length * depth, block * depth
    out = slabs(
        body_of("attend", (part, whole, whole), body),
        (q, k, v),
        (heads, length // block),
        ((head, step), (head, 0), (head, 0)),
        (q.type, Type("f32", (heads, length))),
        ((head, step), (length, block)),
    )
    return Graph.of("attention", (q, k, v), [ops.neg(out[0]), out[1]])


def recurrence(batch: int = 5, turns: int = 7, width: int = 4) -> Graph:
    """A loop over time for each row of a batch, by one thread without a barrier a turn."""
    w, h = Value(Type("f32", (width, width))), Value(Type("f32", (batch, width)))
    xs = Value(Type("f32", (batch, turns, width)))
    row = Type("f32", (width,))

    def turn(w: Value, h: Value, x: Value) -> Sequence[Value]:
        wide = ops.broadcast(h, (width, width), (0,))
        new = ops.tanh(ops.add(x, ops.reduce_sum(ops.mul(w, wide), (1,))))
        return new, new

    def body(w: Value, h: Value, xs: Value) -> Sequence[Value]:
        loop = body_of("turn", (w.type, row, row), turn)
        return apply_all(ops.Scan(loop, 1, 1, turns, False), w, h, xs)

    types = w.type, row, Type("f32", (turns, width))
    out = slabs(
        body_of("row", types, body),
        (w, h, xs),
        (batch,),
        ((0,), (width,), (turns * width,)),
        (h.type, xs.type),
        ((width,), (turns * width,)),
    )
    return Graph.of("recurrence", (w, h, xs), out)


def box() -> Graph:
    """Three axes, starts, a step back, a scalar a unit; a branch, a constant and a sum inside."""
    x, n = Value(Type("f64", (2, 4, 6, 5))), Value(Type("i32", (3, 2)))
    piece = Type("f64", (5,))

    def body(a: Value, b: Value, n: Value) -> Sequence[Value]:
        cases = [
            body_of(name, (piece, piece), f)
            for name, f in (("one", lambda a, b: (ops.mul(a, b),)), ("two", lambda a, b: (a,)))
        ]
        (chosen,) = apply_all(ops.Switch(tuple(cases)), n, a, b)
        table = ops.constant(np.arange(5.0))
        total = ops.reduce_sum(ops.mul(chosen, table), (0,))
        return ops.sub(chosen, ops.broadcast(total, (5,), (0,))), total

    types = piece, piece, Type("i32")
    out = slabs(
        body_of("piece", types, body),
        (x, x, n),
        (2, 3, 2),
        ((120, 30, 5), (0, -30, 5), (0, 2, 1)),
        (Type("f64", (3, 2, 2, 5)), Type("f64", (12,))),
        ((10, 20, 5), (6, 2, 1)),
        (15, 205, 0),
    )
    return Graph.of("box", (x, n), out)


def beside() -> Graph:
    """Slabs of what a kernel made, beside another kernel, in front of a third."""
    x = Value(Type("f32", (6, 40)))
    y = ops.reduce_sum(ops.exp(x), (1,))
    row = Type("f32", (40,))

    def body(x: Value, y: Value) -> Sequence[Value]:
        return (ops.cumsum(ops.div(x, ops.broadcast(y, (40,), (0,))), 0),)

    (out,) = slabs(
        body_of("cumulated", (row, Type("f32")), body),
        (x, y), (6,), ((40,), (1,)), (x.type,), ((40,),),
    )  # fmt: skip
    return Graph.of("beside", (x,), [ops.reduce_sum(out, (0,)), ops.reduce_max(x, (0,)), y])


GRAPHS: dict[str, Callable[[], Graph]] = {
    f.__name__: f for f in (attention, recurrence, box, beside)
}


def arrays_of(graph: Graph, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        np.asarray(rng.standard_normal(v.shape)).astype(v.type.numpy)
        if v.type.is_float
        else rng.integers(0, 2, v.shape).astype(v.type.numpy)
        for v in graph.inputs
    )


@pytest.fixture(scope="module")
def compiled() -> dict[str, Compiled]:
    found = {name: compile_graph(make()) for name, make in GRAPHS.items()}
    machine_code(low for c in found.values() for _, low in c.lowered)
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_slabs_give_what_their_reference_gives_with_any_number_of_threads(name: str, compiled):
    c, seen = compiled[name], []
    r, rows = c.record, c.program.rows
    for count, poison in itertools.product((1, 2, 3), (False, True)):
        with threads(count):
            program = Program(
                rows, r.inputs, r.outputs, tuple(r.constants.values()), r.arena_bytes,
                r.scratch_bytes, r.seconds, poison=poison, together=True,
            )  # fmt: skip
            for seed in range(3):
                arrays = arrays_of(c.graph, seed)
                seen.append((seed, program(arrays)))
                for got, want in zip(seen[-1][1], interpret(c.graph, *arrays), strict=True):
                    np.testing.assert_allclose(got, want, 2e-5, 2e-5)
    for seed, results in seen[3:]:
        for got, want in zip(results, seen[seed][1], strict=True):
            np.testing.assert_array_equal(got, want)


def text_of(c: Compiled) -> str:
    return str(c.program)


def test_slabs_in_a_loop_follow_its_cells_and_run_where_it_is_their_turn():
    x, w = Value(Type("f32", (4, 8))), Value(Type("f32", (8,)))
    row = Type("f32", (8,))

    def turn(w: Value, x: Value) -> Sequence[Value]:
        inner = body_of("inner", (row, row), lambda x, w: (ops.cumsum(ops.mul(x, w), 0),))
        return slabs(inner, (x, w), (4,), ((8,), (0,)), (x.type,), ((8,),))

    loop = body_of("turn", (w.type, x.type), turn)
    graph = Graph.of("f", (w, x), apply_all(ops.Scan(loop, 1, 1, 5, False), w, x))
    arrays = arrays_of(graph)
    c = compile_graph(graph)
    for count in (1, 2):
        with threads(count):
            np.testing.assert_allclose(
                c.program(arrays)[0], interpret(graph, *arrays)[0], 1e-5, 1e-5
            )
    assert "   1      slabs inner(cell2: cell0 by 32" in text_of(c)


@pytest.mark.parametrize("name", GRAPHS)
def test_slabs_between_guarded_pages_touch_nothing_else(name: str, compiled, monkeypatch):
    c = compiled[name]
    arrays = arrays_of(c.graph)
    want = c.program(arrays)
    for side in ("end", "begin"):
        monkeypatch.setenv("WONDERLAND_GUARD", side)
        fenced = c.record.program(machine_code(low for _, low in c.lowered))
        for got, expected in zip(fenced(arrays), want, strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_record_of_slabs_reads_back_as_it_was(name: str, compiled):
    record = compiled[name].record
    code = record_code(record)
    assert code is not None

    def no_host(text: str) -> Callable[..., None]:
        raise AssertionError(text)

    back = record_read(json.loads(json.dumps(code)), record.constants, no_host)
    assert back.rows == record.rows and back.scratch_bytes == record.scratch_bytes


def test_other_sizes_of_slabs_are_the_programs_that_passes_would_make():
    refusal = SizeFamily(attention()).replayed(attention(5, 60, 12))
    assert isinstance(refusal, Refusal)
    family = SizeFamily(attention(), known=refusal.places)
    for sizes in ((5, 32, 16), (4, 60, 12)):
        graph = attention(*sizes)
        made = family.replayed(graph)
        assert isinstance(made, SizedProgram), made.why
        assert str(made.program) == text_of(compile_graph(graph))


def test_memory_of_a_unit_counts_for_every_thread(compiled):
    lowered = compiled["attention"].lowered
    own = max(low.scratch_bytes for _, low in lowered)
    for count in (1, 3):
        with threads(count):
            c = compile_graph(attention())
            # a block of 16 rows against 48 keys, in the scratch behind that of kernels
            assert c.memory.scratch_bytes == count * c.record.scratch_bytes
            assert c.record.scratch_bytes == -(-own // 64) * 64 + 16 * 48 * 4


def test_the_host_has_no_place_in_slabs_and_they_are_not_nested():
    x, one = Value(Type("f64", (2, 3, 3))), Type("f64", (3, 3))

    def halves(function: Callable[[Value], Value], x: Value) -> tuple[Value, ...]:
        body = body_of("half", (one,), lambda x: (function(x),))
        return slabs(body, (x,), (2,), ((9,),), (x.type,), ((9,),))

    hosted = Graph.of("f", (x,), halves(lambda x: ops.solve(x, x), x))
    inner = body_of("whole", (x.type,), lambda x: halves(ops.exp, x))
    nested = Graph.of("g", (x,), slabs(inner, (x,), (1,), ((0,),), (x.type,), ((18,),)))
    for graph, what in ((hosted, "host solve"), (nested, "slabs half")):
        with pytest.raises(CompilerError, match=f"branches are required, got {what}"):
            compile_graph(graph)
