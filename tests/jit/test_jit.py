"""jit: which calls share a program, what may go in and out, what errors leave behind."""

from __future__ import annotations

import gc
import weakref
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.jit import jit as api

F32 = np.float32
X = np.arange(6, dtype=F32).reshape(2, 3)

Pair = namedtuple("Pair", "first second")


@dataclass
class State:
    weights: Any
    step: Any


class Counted:
    """A function that counts how often it is traced."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.traces = 0

        def counted(*args: Any, **named: Any) -> Any:
            self.traces += 1
            return function(*args, **named)

        self.jitted = wl.jit(counted, **options)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.jitted(*args, **named)


# ---------------------------------------------------------------- kinds of arguments


def test_equal_kinds_share_a_program_and_other_dtypes_shapes_and_structures_do_not() -> None:
    f = Counted(lambda x: wl.tree.leaves(x)[0] * 2)
    for x in (X, X + 1, X.copy()):
        f(x)
    assert f.traces == 1
    for n, x in enumerate((X[:1], X.astype(np.float64), (X,), {"x": X}, [X]), 2):
        f(x)
        assert f.traces == n


@pytest.mark.filterwarnings("ignore::wonderland.WideningWarning")
def test_numbers_are_weak_and_kinds_of_their_own() -> None:
    f = Counted(lambda x, s: x * s)
    for s in (2.0, 3.0, 2, True, np.float64(2)):
        got = f(X, s)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, X * float(s))
    assert f(X, np.ones(())).dtype == np.float64
    assert f.traces == 5


def test_an_integer_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"^jit: an integer of 64 bits is required, got 2361"):
        wl.jit(lambda x: x * 2)(2**71)


def test_what_is_no_array_is_refused_with_a_repair() -> None:
    with pytest.raises(ProgramError, match="arrays and numbers are required as arguments") as error:
        wl.jit(lambda x: x)(object())
    assert "try: static_argnames='x'" in str(error.value)


def test_named_arguments_are_told_by_name_not_order() -> None:
    f = Counted(lambda **named: named["a"] - named["b"])
    np.testing.assert_array_equal(f(a=2 * X, b=X), X)
    np.testing.assert_array_equal(f(b=X, a=2 * X), X)
    assert f.traces == 1


def test_arrays_without_elements_go_in_and_out() -> None:
    got = wl.jit(lambda x: (x + 1, np.sum(x, axis=0)))(np.zeros((0, 3), F32))
    assert got[0].shape == (0, 3)
    np.testing.assert_array_equal(got[1], np.zeros(3, F32))


# ---------------------------------------------------------------- static arguments


def repeated(x: Any, times: int) -> Any:
    for _ in range(times):
        x = x + x
    return x


@pytest.mark.parametrize(
    "which", [{"static_argnums": 1}, {"static_argnums": -1}, {"static_argnames": "times"}]
)
def test_a_static_argument_may_be_given_by_place_or_by_name(which: dict[str, Any]) -> None:
    f = wl.jit(repeated, **which)
    np.testing.assert_array_equal(f(X, 2), 4 * X)
    np.testing.assert_array_equal(f(X, times=3), 8 * X)


def test_static_values_share_a_program_where_their_bits_agree() -> None:
    f = Counted(lambda x, s: x + s, static_argnums=1)
    for s in (0.0, -0.0, 0, False, (0,), (0.0,), float("nan"), (float("nan"),)):
        for _ in range(2):
            f(X, s if not isinstance(s, float) else float(repr(s)))
    assert f.traces == 8


def test_a_static_argument_that_has_no_hash_is_refused() -> None:
    f = wl.jit(lambda x, s: x, static_argnums=1)
    for wrong in ([1], ({},)):
        with pytest.raises(ProgramError, match="static argument 1 must be hashable, got"):
            f(X, wrong)


def test_a_place_that_is_none_is_refused() -> None:
    for wrong in (-3, 2, 5):
        said = f"the place of one of 2 parameters is required, got {wrong}"
        with pytest.raises(ProgramError, match=said):
            wl.jit(repeated, static_argnums=wrong)
        with pytest.raises(ProgramError, match=said):
            wl.jit(repeated, donate_argnums=wrong)
    wl.jit(lambda *xs: xs, donate_argnums=5)


def test_donated_places_count_from_the_end_too() -> None:
    given = X.copy()
    got = wl.jit(lambda x, y: x + y, donate_argnums=-1)(X, given)
    assert got is given
    np.testing.assert_array_equal(got, 2 * X)


def test_many_donated_arrays_are_paired_by_looking_at_each_output_once() -> None:
    looked: list[int] = []

    class Outputs(tuple[Any, ...]):
        def __iter__(self) -> Any:
            looked.extend(range(len(self)))
            return super().__iter__()

    f = wl.jit(lambda xs: [x + x for x in xs], donate_argnums=0)
    xs = [X[k % 2 :] for k in range(60)]
    graph = f.compile(xs).traced.graph
    counted = replace(graph, outputs=Outputs(graph.outputs))
    assert f.donations(counted, ((xs,), {})) == tuple((k, k) for k in range(60))
    assert len(looked) == 60


# ---------------------------------------------------------------- results


def test_results_keep_their_structure() -> None:
    got = wl.jit(lambda p: {"pair": p, "state": State(p.second, None), "none": [None, ()]})(
        Pair(X, F32(3))
    )
    assert isinstance(got["pair"], Pair) and isinstance(got["state"], State)
    np.testing.assert_array_equal(got["pair"].first, X)
    assert got["state"].weights == 3 and got["state"].step is None and got["none"] == [None, ()]


def test_numbers_are_results_as_arrays() -> None:
    got: Any = wl.jit(lambda x: (3, 2.5, True))(X)
    assert [(a.dtype.kind, a.shape, a.item()) for a in got] == [
        ("i", (), 3), ("f", (), 2.5), ("b", (), True)
    ]  # fmt: skip


def test_a_result_that_is_no_array_is_refused() -> None:
    with pytest.raises(ProgramError, match="arrays are required as results, got str 'a'"):
        wl.jit(lambda x: "a")(X)


# ---------------------------------------------------------------- nesting and errors


def test_compiled_functions_nest_with_each_other_and_with_derivatives() -> None:
    square = wl.jit(lambda x: np.sum(x * x))
    np.testing.assert_array_equal(wl.jit(wl.grad(square))(X), 2 * X)
    np.testing.assert_array_equal(
        wl.jit(lambda x: wl.jit(repeated, static_argnums=1)(x, 2))(X), 4 * X
    )
    inner = wl.jit(wl.grad(lambda x: np.sum(x**3)))
    np.testing.assert_array_equal(wl.grad(lambda x: np.sum(inner(x)))(X), 6 * X)


def test_an_error_while_tracing_leaves_no_trace() -> None:
    fail = [True]

    def f(x: Any) -> Any:
        if fail[0]:
            raise ValueError("from the user")
        return x + 1

    compiled = wl.jit(f)
    for _ in range(2):
        with pytest.raises(ValueError, match="from the user"):
            compiled(X)
    np.testing.assert_array_equal(np.add(X, 1), X + 1)  # no tracing goes on
    fail[0] = False
    np.testing.assert_array_equal(compiled(X), X + 1)


def test_a_value_that_escapes_its_trace_is_told_from_an_array() -> None:
    kept: list[Any] = []
    wl.jit(lambda x: kept.append(x) or x)(X)
    with pytest.raises(ProgramError):
        np.add(kept[0], 1)


def test_only_functions_are_compiled() -> None:
    with pytest.raises(ProgramError, match="jit: a function is required, got 3"):
        wl.jit(3)  # pyright: ignore[reportArgumentType, reportCallIssue]


# ---------------------------------------------------------------- reading


def test_every_stage_can_be_read_by_name() -> None:
    stages = wl.jit(lambda x: np.exp(x * 1)).inspect(X)
    names = list(stages)
    last = ["fuse", "schedule", "buffers", "memory", "sources", "table"]
    assert names[0] == "trace" and names[-6:] == last
    assert len(set(names)) == len(names)
    assert "exp" in stages["fuse"] and all(f"# {n}\n" in str(stages) for n in names)
    assert "-" in {line[0] for line in stages.differences["simplify"].splitlines()[2:]}


def test_a_stage_that_is_none_names_those_that_are() -> None:
    stages = wl.jit(lambda x: x).inspect(X)
    with pytest.raises(KeyError, match=r"no stage 'fusion'; the stages are trace, inline, .*table"):
        print(stages["fusion"])


def test_the_stages_of_programs_are_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(x: Any) -> Any:
        return x * 2

    wl.jit(step, dump=tmp_path)(X)
    files = sorted(p.name for p in (tmp_path / "step").iterdir())
    assert files[0] == "00 trace.txt" and len(files) == len(list(wl.jit(step).inspect(X)))


def test_a_static_name_that_no_parameter_has_is_refused() -> None:
    with pytest.raises(ProgramError, match="static_argnames among x, n are required, got 'm'"):
        wl.jit(lambda x, n=1: x, static_argnames=("n", "m"))
    assert wl.jit(lambda x, **more: x, static_argnames="m")(X, m=1) is not None


def test_a_function_keeps_the_programs_it_used_last(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "PROGRAMS", 4)
    traced: list[int] = []

    def f(x: Any) -> Any:
        traced.append(x.shape[0])
        return x * 2

    function = wl.jit(f)
    for n in range(1, 9):
        np.testing.assert_array_equal(function(np.ones(n)), np.full(n, 2.0))
        function(np.ones(1))  # always one of the last
        assert len(function.entries) <= 4
    assert traced == list(range(1, 9))
    program = weakref.ref(function.compile(np.ones(8)).program)
    for n in (8, 7, 1):
        function(np.ones(n))
    assert traced == list(range(1, 9))
    for n in (2, 3, 4, 5):
        np.testing.assert_array_equal(function(np.ones(n)), np.full(n, 2.0))
    assert traced == [*range(1, 9), 2, 3, 4, 5]
    gc.collect()
    assert program() is None and len(function.turns) <= 5
