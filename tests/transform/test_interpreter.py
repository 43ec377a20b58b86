"""The interpreter: right results, freed values, errors that name the node."""

import weakref
from typing import Any

import numpy as np
import pytest

from wonderland.compiler import ops
from wonderland.compiler.ir.errors import CompilerError, ProcessError, ProgramError
from wonderland.compiler.ir.graph import Graph, Op, Value, apply
from wonderland.compiler.ir.source import Source, sourced
from wonderland.compiler.ir.types import Type
from wonderland.compiler.transform.interpreter import interpret, last_readers

F = Type("f32", (3,))


def graph_of(function, *types: Type) -> Graph:
    inputs = [Value(t) for t in types]
    outputs = function(*inputs)
    return Graph.of("f", inputs, outputs if isinstance(outputs, tuple) else (outputs,))


def test_a_program_gives_what_numpy_gives() -> None:
    graph = graph_of(lambda x, y: (ops.reduce_sum(ops.mul(ops.sin(x), y), (0,)), x), F, F)
    x, y = np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)
    total, same = interpret(graph, x, y)
    np.testing.assert_array_equal(total, np.sum(np.sin(x) * y))
    np.testing.assert_array_equal(same, x)
    assert total.dtype == np.float32 and total.shape == ()


def test_outputs_share_memory_with_nothing() -> None:
    data = np.array([1, 2, 3], np.float32)
    graph = graph_of(lambda x: (x, ops.flip(x, (0,)), (c := ops.constant(data)), c), F)
    x = np.array([7, 8, 9], np.float32)
    found = interpret(graph, x)
    for i, a in enumerate(found):
        assert a.flags.c_contiguous and a.flags.writeable and not np.shares_memory(a, x)
        assert not any(np.shares_memory(a, b) for b in found[:i])
    found[2][:] = 0
    np.testing.assert_array_equal(interpret(graph, x)[3], data)


def test_a_value_is_freed_after_its_last_use() -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    class Watched(Op, abstract=True):
        """x, watched"""

        def type(self, *args: Type) -> Type:
            assert len(args) == 1
            return args[0]

        def reference(self, *args: np.ndarray) -> np.ndarray:
            assert sum(r() is not None for r in alive) <= 1
            copy = args[0].copy()
            alive.append(weakref.ref(copy))
            return copy

    def chain(x: Value) -> Value:
        for _ in range(5):
            x = apply(Watched(), x)
        return x

    graph = graph_of(chain, F)
    interpret(graph, np.zeros(3, np.float32))
    assert len(alive) == 5
    freed = [v for values in last_readers(graph).values() for v in values]
    assert len(freed) == len(set(freed)) == 5


def test_arrays_of_other_types_are_rejected() -> None:
    graph = graph_of(ops.sin, F)
    with pytest.raises(ProgramError, match=r"f: f32\[3\] required, got f64\[3\]"):
        interpret(graph, np.zeros(3))
    with pytest.raises(ProgramError, match=r"f: f32\[3\] required, got none"):
        interpret(graph)


def test_an_error_names_the_node_and_the_line() -> None:
    class Liar(Op, abstract=True):
        """x, of another type than it says"""

        def type(self, *args: Type) -> Type:
            return args[0]

        def reference(self, *args: np.ndarray) -> np.ndarray:
            return args[0].astype(np.float64)

    with sourced(Source("model.py", 12)):
        graph = graph_of(lambda x: apply(Liar(), x), F)
    with pytest.raises(CompilerError, match=r"f32\[3\].*the reference gave f64\[3\]") as caught:
        interpret(graph, np.zeros(3, np.float32))
    assert "model.py:12" in str(caught.value)


def test_a_reference_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(op: Any, *args: np.ndarray) -> np.ndarray:
        raise ValueError("no such power")

    graph = graph_of(ops.pow, Type("i32"), Type("i32"))
    monkeypatch.setattr(type(graph.nodes[0].op), "reference", fails)
    with pytest.raises(CompilerError, match=r"pow.*the reference failed: ValueError"):
        interpret(graph, np.int32(2), np.int32(-1))


def test_what_another_process_does_is_no_fault_of_an_op(monkeypatch: pytest.MonkeyPatch) -> None:
    def left(op: Any, *args: np.ndarray) -> np.ndarray:
        raise ProcessError("process 1 left")

    graph = graph_of(ops.neg, F)
    monkeypatch.setattr(type(graph.nodes[0].op), "reference", left)
    with pytest.raises(ProcessError, match=r"^process 1 left$"):
        interpret(graph, np.zeros(3, np.float32))
