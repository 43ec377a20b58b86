"""Settings by environment, keyword and `with` form; NaN that name lines; reasons of a retrace."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler import settings
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.settings import Settings, active, from_environment
from wonderland.runtime.native import objects

ROOT = Path(__file__).parent.parent
X = np.array([1.0, -2.0, 3.0], np.float32)


def test_settings_come_from_the_environment():
    assert from_environment({}) == Settings()
    given = {"WONDERLAND_CHECK_NANS": "1", "WONDERLAND_DISABLE_JIT": "off", "WONDERLAND_DUMP": "d"}
    assert from_environment(given) == Settings(check_nans=True, disable_jit=False, dump="d")
    assert from_environment({"WONDERLAND_DEVICE": "cuda:1"}) == Settings(device="cuda:1")
    with pytest.raises(
        ProgramError, match="WONDERLAND_CHECK_NANS: 0 or 1 is required, got 'maybe'"
    ):
        from_environment({"WONDERLAND_CHECK_NANS": "maybe"})


@pytest.mark.parametrize("none", (0, "0", "0MB", "0.2"))
def test_no_bytes_are_no_budget_and_no_limit(none: int | str) -> None:
    said = f"memory_budget: 1 byte or more is required, got {none!r}"
    for form in (lambda: wl.jit(np.sin, memory_budget=none), lambda: wl.memory_budget(none)):
        with pytest.raises(ProgramError, match=said):
            form()
    with pytest.raises(ProgramError, match="memory_budget: 1 byte"):
        from_environment({"WONDERLAND_MEMORY_BUDGET": str(none)})


def test_a_budget_is_lifted_by_none() -> None:
    with wl.memory_budget("1MB"):
        for nothing in (None, "none", ""):
            with wl.memory_budget(nothing):
                assert active().memory_budget == 0
        np.testing.assert_array_equal(wl.jit(np.negative, memory_budget="none")(X), -X)


def test_every_setting_is_described_and_has_all_three_forms():
    for name in Settings.__dataclass_fields__:
        if name == "mesh":  # whose `with` form is a mesh itself, made by all processes
            continue
        assert f"WONDERLAND_{name.upper()}" in (settings.__doc__ or "")
        assert callable(getattr(wl, name))
        assert name in inspect.signature(wl.jit).parameters


def test_a_with_form_ends_with_its_block_and_holds_in_its_thread_only():
    before = active()
    seen: list[Settings] = []
    with wl.check_nans(), wl.disable_jit():
        assert active() == replace(before, check_nans=True, disable_jit=True)
        other = threading.Thread(target=lambda: seen.append(active()))
        other.start()
        other.join()
        with wl.check_nans(False):
            assert not active().check_nans
    assert active() is before and seen == [before]


# ---------------------------------------------------------------- disable_jit


def test_without_compiling_everything_runs_in_the_interpreter():
    def f(x: Any, n: int) -> Any:
        return {"a": np.cos(x) * n, "b": (x > 0,)}

    before = objects.statistics()
    function = wl.jit(f, static_argnums=1)
    with wl.disable_jit():
        found = function(X, 3)
    assert found["a"].dtype == np.float32
    np.testing.assert_allclose(found["a"], 3 * np.cos(X), rtol=1e-6)
    np.testing.assert_array_equal(found["b"][0], X > 0)
    wl.jit(f, static_argnums=1, disable_jit=True)(X, 3)
    assert objects.statistics() == before and not function.entries


def test_a_keyword_goes_before_the_with_form():
    function = wl.jit(lambda x: x + 1, disable_jit=False)
    with wl.disable_jit():
        function(X)
    assert len(function.entries) == 1


def test_a_compiled_function_heeds_a_setting_after_many_calls():
    function = wl.jit(np.log)
    for _ in range(3):
        with np.errstate(all="ignore"):
            assert np.isnan(function(X)[1])
    with wl.check_nans(), pytest.raises(FloatingPointError):
        function(X)
    assert np.isnan(function(X)[1])


def test_a_variable_of_the_environment_holds_for_a_process_and_loads_no_compiler():
    code = (
        "import sys, numpy as np, wonderland as wl;"
        "print(wl.jit(wl.grad(lambda x: np.sum(x * x)))(np.ones(2)), 'numba' in sys.modules)"
    )
    environment = {**os.environ, "WONDERLAND_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert (done.stdout.strip(), done.stderr) == ("[2. 2.] False", "")


# ---------------------------------------------------------------- dump


def test_stages_are_written_to_a_folder(tmp_path: Path):
    def dumped(x: Any) -> Any:
        return np.sin(x) + 1

    with wl.dump(tmp_path / "with"):
        wl.jit(dumped)(X)
    wl.jit(dumped, dump=str(tmp_path / "keyword"))(X)
    for folder in ("with", "keyword"):
        names = [p.name for p in sorted((tmp_path / folder / "dumped").iterdir())]
        assert names[0] == "00 trace.txt" and names[-1].endswith("table.txt")


# ---------------------------------------------------------------- check_nans


def line_of(function: Any, offset: int) -> str:
    return f"test_settings.py:{function.__code__.co_firstlineno + offset}: "


def test_a_nan_names_the_line_it_was_born_at():
    def f(x: Any) -> Any:
        y = x * 2
        z = np.log(y)
        return np.sum(z + 1)

    with pytest.raises(FloatingPointError) as error:
        wl.jit(f, check_nans=True)(X)
    lines = str(error.value).splitlines()
    assert lines[0] == "check_nans: result 0 of f has a NaN"
    assert lines[1] == "log of f32[3] makes a NaN of operands without one"
    assert lines[2] == f"  {line_of(f, 2)}z = np.log(y)"


def test_a_nan_born_in_the_backward_pass_names_the_line_of_its_forward_pass():
    def f(x: Any) -> Any:
        y = x * x
        root = np.sqrt(y)
        return np.sum(root * 3)

    zero = np.zeros(2, np.float32)
    with wl.check_nans():
        assert wl.jit(f)(zero) == 0
        with pytest.raises(FloatingPointError) as error:
            wl.jit(wl.grad(f))(zero)
    text = str(error.value)
    assert line_of(f, 2) in text or line_of(f, 1) in text
    assert "an operand is infinite, since div" in text and line_of(f, 2) in text


def test_a_branch_that_is_not_taken_is_not_blamed():
    def f(x: Any) -> Any:
        unused = np.log(x)
        safe = np.where(x > 0, unused, 0)
        return np.sqrt(safe - 5)

    with pytest.raises(FloatingPointError, match=r"sqrt of f32\[3\]"):
        wl.jit(f, check_nans=True)(np.array([-1.0, 1.0, 2.0], np.float32))


def test_a_nan_that_came_in_may_go_out():
    x = np.array([np.nan], np.float32)
    assert np.isnan(wl.jit(lambda x: x + 1, check_nans=True)(x))


def test_a_step_that_donates_is_checked_on_what_it_was_given():
    def step(x: Any) -> Any:
        return np.sqrt(x)

    x = X.copy()
    with pytest.raises(FloatingPointError, match=r"sqrt of f32\[3\] makes a NaN of operands"):
        wl.jit(step, donate_argnums=0, check_nans=True)(x)
    np.testing.assert_array_equal(x, X)


def test_the_interpreter_is_checked_too():
    with wl.check_nans(), wl.disable_jit(), pytest.raises(FloatingPointError, match="log of"):
        wl.jit(np.log)(X)


# ---------------------------------------------------------------- retraces and shapes


def retraces(caplog: pytest.LogCaptureFixture, function: Any, *calls: Any) -> list[str]:
    caplog.set_level(logging.INFO, "wonderland")
    for args in calls:
        function.compile(*args)
    return [r.getMessage().removeprefix("jit: f is traced again: ") for r in caplog.records]


@pytest.mark.filterwarnings("ignore::wonderland.WideningWarning")
def test_a_retrace_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture):
    def f(params: Any, x: Any, n: int = 0) -> Any:
        return params["w"] * x + n

    w, wide = {"w": X}, {"w": X.astype(np.float64)}
    found = retraces(
        caplog, wl.jit(f, static_argnums=2), (w, X, 1), (w, X, 1), (w, X[:1], 1), (wide, X, 1),
        (w, 2.0, 1), (w, X, 2), ({"w": X, "b": X}, X, 1),
    )  # fmt: skip
    assert found == [
        "argument x is f32[1], before f32[3]",
        "argument params['w'] is f64[3], before f32[3]",
        "argument x is a Python float, before f32[3]",
        "static argument n is 2, before 1",
        "structure: argument params is a dict of 'b', 'w', before a dict of 'w'",
    ]


def test_a_retrace_for_a_setting_says_so(caplog: pytest.LogCaptureFixture):
    def f(x: Any) -> Any:
        return x + 1

    function = wl.jit(f)
    function.compile(X)
    with wl.check_nans():
        found = retraces(caplog, function, (X,))
    assert found == ["setting check_nans is True, before False"]


def test_named_arguments_and_their_number_are_told(caplog: pytest.LogCaptureFixture):
    def f(*xs: Any, **named: Any) -> Any:
        return sum(xs) + named.get("y", 0)

    caplog.set_level(logging.INFO, "wonderland")
    function = wl.jit(f)
    function.compile(X, y=X)
    function.compile(X, y=X[:1])
    function.compile(X, X, y=X)
    found = [r.getMessage().removeprefix("jit: f is traced again: ") for r in caplog.records]
    assert found[0] == "argument y is f32[1], before f32[3]"
    assert found[1].startswith("structure: the list of arguments is ")


def test_shapes_of_results_without_computing_them():
    def f(params: Any, x: Any, *, scale: float) -> Any:
        return {"y": x @ params["w"] * scale, "n": (np.argmax(x), None)}

    of = wl.ShapeDtypeStruct
    found = wl.eval_shape(f, {"w": of((5, 2), "f4")}, np.ones((3, 5), np.float32), scale=2.0)
    assert found == {"y": of((3, 2), np.float32), "n": (of((), np.int64), None)}
    assert str(found["y"]) == "f32[3, 2]" and found["y"].shape == (3, 2)
