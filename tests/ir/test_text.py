"""Graphs as text: what is printed reads back as the same graph, and prints the same again."""

import numpy as np
import pytest

from tests.programs.random_graphs import random_graph
from wonderland.compiler.ir.errors import CompilerError, ProgramError
from wonderland.compiler.ir.graph import Graph, Op, Value, apply
from wonderland.compiler.ir.parameters import Array, spell
from wonderland.compiler.ir.printing import value_names
from wonderland.compiler.ir.source import sourced
from wonderland.compiler.ir.text import ReadSource, constants_of, parse
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops import add, mul, sin
from wonderland.compiler.ops.source import constant, full

F = Type("f32", (3,))

SHORT = """\
def f(a: f32[3], b: f32[3]):
    c: f32[3] = sin(a)  # model.py:12 h
    d: f32[3] = full(value=-0.0, of=f32[3])
    e: f32[3] = mul(c, d)  # <stdin>:3
    f: f32 = sum(e, axes=(0,))
    return f, b"""


def graph_of(function, *types: Type) -> Graph:
    inputs = [Value(t) for t in types]
    with sourced(None):
        outputs = function(*inputs)
    return Graph.of("f", inputs, outputs if isinstance(outputs, tuple) else (outputs,))


def test_a_short_graph_prints_as_written():
    graph = parse(SHORT)
    assert str(graph) == SHORT
    assert [n.op.name for n in graph.nodes] == ["sin", "full", "mul", "sum"]
    assert str(graph.nodes[0].source) == "model.py:12 h" and graph.nodes[1].source is None


def test_random_graphs_read_back():
    for seed in range(2000):
        graph = random_graph(seed)
        text = str(graph)
        again = parse(text, constants_of(graph))
        assert again == graph, text
        assert str(again) == text


@pytest.mark.parametrize(
    "value", [np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.1, 5e-324, 1e308, 1 / 3]
)
def test_floats_keep_their_bits(value: float):
    graph = graph_of(lambda: full(float(value), Type("f64")))
    assert parse(str(graph)) == graph


@pytest.mark.parametrize("value", [1 + 2j, complex(-0.0, 0.0), complex("nan-infj"), 1e-300j])
def test_complex_numbers_keep_their_bits(value: complex):
    graph = graph_of(lambda: full(value, Type("c128")))
    assert parse(str(graph)) == graph
    assert graph != graph_of(lambda: full(complex(value.real, -value.imag), Type("c128")))


def test_a_complex_number_of_whole_numbers_is_refused():
    text = "def f():\n    a: c64 = full(value=complex(1, 2), of=c64)\n    return a"
    with pytest.raises(ProgramError, match="a number, string, type or function is required"):
        parse(text)


def test_minus_zero_is_another_graph():
    assert graph_of(lambda: full(0.0, F)) != graph_of(lambda: full(-0.0, F))


def test_numpy_scalars_tuples_strings_and_types_are_spelled():
    spelled = {
        "f32(0.10000000149011612)": np.float32(0.1),
        "2.5": np.float64(2.5),
        "i32(-4)": np.int32(-4),
        "bool(True)": np.bool_(True),
        "()": (),
        "(1,)": (1,),
        '(1, (-2.0, "it\'s\\n"))': (1, (-2.0, "it's\n")),
        "None": None,
        "f32[3]": F,
    }
    assert [spell(v, {}) for v in spelled.values()] == list(spelled)


def test_arrays_print_as_hash_and_come_back_from_constants():
    array = np.arange(6.0).reshape(2, 3)
    graph = graph_of(lambda: constant(array))
    digest = Array(array).digest
    assert f'constant(array=f64[2, 3]("{digest}"))' in str(graph)
    assert parse(str(graph), {digest: array}) == graph
    with pytest.raises(ProgramError, match=f"the array {digest} is not among the constants"):
        parse(str(graph))
    with pytest.raises(ProgramError, match="is f64 of hash"):
        parse(str(graph), {digest: np.zeros(())})


def test_an_array_is_read_once_and_only_if_the_text_names_it_with_a_type():
    array = np.arange(6.0).reshape(2, 3)
    graph = graph_of(lambda: add(constant(array), constant(array)))
    asked: list[Type] = []

    def read(type: Type) -> np.ndarray:
        asked.append(type)
        return array

    unnamed = {"0" * 16: lambda type: pytest.fail(f"a {type} that nothing names is read")}
    assert parse(str(graph), {Array(array).digest: read, **unnamed}) == graph
    assert asked == [Type("f64", (2, 3))]
    with pytest.raises(ProgramError, match=r"array given for f64\[3, 2\] of .* is f64\[2, 3\]"):
        parse(str(graph).replace("[2, 3]", "[3, 2]"), {Array(array).digest: array})


def test_names_run_through_the_alphabet_and_avoid_types():
    graph = graph_of(lambda *xs: xs[0], *[F] * 900)
    names = list(value_names(graph).values())
    assert names[:2] == ["a", "b"] and names[25:28] == ["z", "a1", "b1"]
    assert len(set(names)) == 900 and not {"f32", "i32", "u32"} & set(names)


WRONG = [
    ("def f(:", "a Python function is required, invalid syntax\n  line 1, column 7: def f(:"),
    ("x = 1", "one function is required\n  line 1, column 1: x = 1"),
    ("def f(a):\n    return a", "input a needs a type\n  line 1, column 7: def f(a):\ntry: a: f"),
    ("def f(a: f32[x]):\n    return a", "a type such as f32[3, 4] is required, got f32[x]"),
    (
        "def f(a: f32):\n    b: f32 = sinn(a)\n    return b",
        "an op is required, got sinn\n  line 2, column 14: b: f32 = sinn(a)",
    ),
    (
        "def f(a: f32):\n    b: f32 = sin(c)\n    return b",
        "a value defined above is required, got c\n  line 2, column 18:",
    ),
    (
        "def f(a: f32):\n    b: f32 = sin(a, k=2)\n    return b",
        "sin has no parameter k, it has none",
    ),
    ("def f(a: f32[3]):\n    b: f32 = sum(a)\n    return b", "sum needs the parameters axes"),
    (
        "def f(a: f32):\n    b: f64 = sin(a)\n    return b",
        "sin gives f32, got the annotation f64\n  line 2, column 8:",
    ),
    (
        "def f(a: f32, b: f64):\n    c: f32 = add(a, b)\n    return c",
        "add: operands of one type are required, got f32 and f64",
    ),
    ("def f(a: f32):\n    a: f32 = sin(a)\n    return a", "a is defined twice"),
    ("def f(a: f32):\n    b: f32 = sin(a)", "f ends with a return"),
    (
        "def f(a: f32):\n    b: f32 = sin(__import__('os'))\n    return b",
        "a value defined above is required, got __import__('os')",
    ),
    (
        "def f(a: f32):\n    import os\n    return a",
        "a line is `name: type = op(operands, parameters)`",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_text_is_refused_with_its_place(text: str, message: str):
    with pytest.raises(ProgramError) as error:
        parse(text)
    assert message in str(error.value)


# ---------------------------------------------------------------- nested graphs, several results


class Both(Op, abstract=True):
    """Sine and a position."""

    name = "both"

    def type(self, *args: Type):
        return args[0], Type("i64")


class Repeat(Op, abstract=True):
    """A body, and others."""

    name = "repeat"
    body: Graph
    others: tuple = ()

    def type(self, *args: Type):
        return args[0]


@pytest.fixture
def more_ops(monkeypatch):
    for op in (Both, Repeat):
        monkeypatch.setitem(Op.registry, op.name, op)


NESTED = """\
def f(a: f32[3]):
    b: (f32[3], i64) = both(a)
    def f_(a: f32[3]):
        def sin_(a: f32[3]):
            b: f32[3] = sin(a)  # model.py:3 y
            return b
        b: f32[3] = repeat(a, body=sin_)
        return b
    def step(a: f32[3]):
        return a
    def step_1(a: f32[3]):
        b: f32[3] = add(a, a)
        return b
    c: f32[3] = repeat(b[0], body=f_, others=(step, (step_1, f_)))
    return c, b[1]"""


def test_nested_graphs_and_several_results_read_back(more_ops):
    graph = parse(NESTED)
    assert str(graph) == NESTED
    assert parse(str(graph)) == graph
    params = graph.nodes[1].op.params
    assert params["body"] is params["others"][1][1]
    verify(graph)


def test_nested_functions_take_no_name_of_an_op_or_a_value(more_ops):
    inner = Graph("sin", (x := Value(F),), (), (x,))
    letter = Graph("q", (y := Value(F),), (), (sin(y),))
    graph = graph_of(lambda a: apply(Repeat(inner, (letter, inner)), a), F)
    assert "def sin_(" in str(graph) and "def q_(" in str(graph)


# ---------------------------------------------------------------- verify


def broken(*parts) -> Graph:
    return Graph("f", *parts)


def test_a_well_formed_graph_passes_and_comes_back():
    graph = parse(SHORT)
    assert verify(graph) is graph


def test_a_reader_before_its_operand_is_refused_with_the_lines_around():
    graph = graph_of(lambda a, b: mul(add(a, b), b), F, F)
    with pytest.raises(CompilerError) as error:
        verify(broken(graph.inputs, graph.nodes[1:], graph.outputs), "cse", graph)
    message = str(error.value)
    assert message.startswith("cse: operand 0 of 'mul' is not defined above it in its own graph")
    assert ">    2      c: f32[3] = mul(?, b)" in message
    assert "what changed:\n--- before\n+++ after" in message


def test_other_faults_are_refused():
    graph = graph_of(lambda a, b: mul(add(a, b), b), F, F)
    one, two = graph.nodes
    with pytest.raises(CompilerError, match="'add' defines a value twice"):
        verify(broken(graph.inputs, (one, one, two), graph.outputs))
    with pytest.raises(CompilerError, match="input 1 stands twice"):
        verify(broken(graph.inputs[:1] * 2, (), graph.inputs[:1]))
    with pytest.raises(CompilerError, match="output 0 is not a value of the graph"):
        verify(broken(graph.inputs, (), graph.outputs))
    with pytest.raises(CompilerError, match="input 0 is a result of 'add'"):
        verify(broken((one.out,), (), ()))
    one.out.type = Type("f32", (4,))
    with pytest.raises(CompilerError, match=r"'add' gives f32\[3\], the graph says f32\[4\]"):
        verify(graph)


def test_a_nested_graph_is_closed(more_ops):
    outside, x = Value(F), Value(F)
    body = Graph.of("body", (x,), (add(x, outside),))
    graph = graph_of(lambda a: apply(Repeat(body), a), F)
    with pytest.raises(
        CompilerError,
        match="operand 1 of 'add' is not defined above it in its own graph, in body of 'repeat'",
    ):
        verify(graph)


def test_a_read_source_keeps_its_variable():
    assert str(ReadSource("model.py", 12, "h")) == "model.py:12 h"
