"""From functions to closed graphs: trees, constants, captured values, calls in any nesting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland.compiler.front.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.types import Type
from wonderland.compiler.trace.trace import call, trace
from wonderland.compiler.transform.interpreter import interpret


def test_arguments_and_results_are_trees() -> None:
    def f(params: Any, x: Any) -> Any:
        return {"y": (x @ params["w"] + params["b"], None)}

    params, x = {"w": np.ones((3, 2)), "b": np.arange(2.0)}, np.ones(3)
    traced = trace(f, params, x)
    assert [str(v.type) for v in traced.graph.inputs] == ["f64[2]", "f64[3, 2]", "f64[3]"]
    assert traced.graph.name == "f"
    got = call(traced, params, x)
    assert got["y"][1] is None
    np.testing.assert_array_equal(got["y"][0], [3, 4])


def test_types_stand_for_arrays() -> None:
    graph = trace(lambda x: x.sum(0), Type("f32", (2, 3))).graph
    assert str(graph.outputs[0].type) == "f32[3]"


def test_results_may_be_arguments_constants_and_numbers() -> None:
    array = np.arange(3)
    got = call(trace(lambda x: (x, x, array, 2.5, 3, True, np.float32(1)), 1.0), 1.0)
    assert [str(g.dtype) for g in got] == [
        "float64",
        "float64",
        "int64",
        "float64",
        "int64",
        "bool",
        "float32",
    ]
    np.testing.assert_array_equal(got[2], array)


def test_closed_over_arrays_are_copied_once_at_their_use() -> None:
    table = np.arange(4.0)

    def f(x: Any) -> Any:
        y = x + table
        table[0] = 100.0  # a later change is another constant
        return y * table + table

    traced = trace(f, np.ones(4))
    constants = [n for n in traced.graph.nodes if n.op.name == "constant"]
    assert len(constants) == 2
    table[:] = -1.0
    np.testing.assert_array_equal(call(traced, np.ones(4)), [200, 3, 8, 15])


def test_closed_over_scalars_are_known_numbers() -> None:
    traced = trace(lambda x: x * np.float32(3) + np.array(2.0, np.float32), np.ones(2, np.float32))
    assert [n.op.name for n in traced.graph.nodes] == ["full", "mul", "full", "add"]


def test_a_value_of_an_outer_trace_becomes_an_input() -> None:
    def outer(x: Any) -> Any:
        y = x * 2.0
        inner = trace(lambda t: t * y + y + 1.0, Type("f64", (3,)))
        assert len(inner.graph.inputs) == 2
        assert inner.captured == (y,) or inner.captured[0] is y
        assert {n.op.name for n in inner.graph.nodes} == {"mul", "add", "full"}
        return call(inner, np.ones(3)) + call(inner, x)

    x = np.arange(3.0)
    np.testing.assert_array_equal(
        call(trace(outer, x), x), (2 * x + 2 * x + 1) + (x * 2 * x + 2 * x + 1)
    )


def test_values_are_captured_through_several_traces() -> None:
    def a(x: Any) -> Any:
        def b(y: Any) -> Any:
            def c(z: Any) -> Any:
                return x * 100.0 + y * 10.0 + z

            inner = trace(c, 3.0)
            assert len(inner.captured) == 2
            return call(inner, 3.0) + x

        inner = trace(b, 2.0)
        assert len(inner.captured) == 1
        return call(inner, 2.0)

    assert call(trace(a, 1.0), 1.0) == 124.0


def test_constants_of_an_outer_trace_are_made_again() -> None:
    def outer(x: Any) -> Any:
        ones = wnp.ones(3)
        inner = trace(lambda t: t + ones, x)
        assert not inner.captured
        return call(inner, x)

    np.testing.assert_array_equal(call(trace(outer, np.zeros(3)), np.zeros(3)), np.ones(3))


def test_a_result_may_be_a_value_of_an_outer_trace() -> None:
    def outer(x: Any) -> Any:
        return call(trace(lambda t: x, 1.0), 1.0)

    assert call(trace(outer, 5.0), 5.0) == 5.0


def test_a_call_without_tracers_runs() -> None:
    ran = []

    def run(graph: Any, *arrays: Any) -> Any:
        ran.append(graph.name)
        return interpret(graph, *arrays)

    def double(x: Any) -> Any:
        return x * 2

    traced = trace(double, np.ones(2, np.float32))
    np.testing.assert_array_equal(call(traced, np.arange(1, 3), run=run), [2, 4])
    assert ran == ["double"]
    trace(lambda x: call(traced, x, run=run), np.ones(2, np.float32))
    assert ran == ["double"]


def test_nodes_of_a_call_keep_their_source() -> None:
    def double(x: Any) -> Any:
        return x * 2.0  # here

    inner = trace(double, 1.0)
    graph = trace(lambda x: call(inner, x), 1.0).graph
    assert [n.source.text for n in graph.nodes if n.source] == ["return x * 2.0  # here"] * 2


def test_an_error_ends_the_trace() -> None:
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 / 0, 1.0)
    assert isinstance(wnp.ones(2), np.ndarray)


def test_messages_name_the_place_in_the_tree() -> None:
    with pytest.raises(
        ProgramError,
        match=r"arrays and numbers are required as arguments, got str 'name' at args\[0\]\['a'\]",
    ):
        trace(lambda x: x, {"a": "name"})
    with pytest.raises(
        ProgramError, match=r"arrays are required as results, got str 'name' at result\[1\]"
    ):
        trace(lambda x: (x, "name"), 1.0)
    traced = trace(lambda x: x["a"], {"a": np.ones(2)})
    with pytest.raises(ProgramError, match="a dict of 'a' in one and a dict of 'b' in the other"):
        call(traced, {"b": np.ones(2)})
    with pytest.raises(ProgramError, match=r"f64\[2\] is required, as traced, got a shape \[3\]"):
        call(traced, {"a": np.ones(3)})
