"""wl.port of code whose calls depend on each other: never one call's number for another's."""

from __future__ import annotations

import importlib.util
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.front.port.copies import is_object


def foreign_module() -> Any:
    """The module, as a package of its own."""
    spec = importlib.util.spec_from_file_location(
        "stateful_numpy", Path(__file__).with_name("stateful_numpy.py")
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules["stateful_numpy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


foreign: Any = foreign_module()
X = np.array([3.0, 1.0, 2.0])


@pytest.mark.parametrize("traced", [wl.jit, wl.vmap])
@pytest.mark.parametrize("name", foreign.KEEPING)
def test_what_decides_about_the_next_call_is_named(name: str, traced: Any) -> None:
    foreign.as_at_first()
    function = foreign.KEEPING[name]()
    first, second = np.array(function(X)), np.array(function(X * 2))
    assert not np.allclose(first * 2, second)  # of these functions all are linear in one call
    foreign.as_at_first()
    ported = wl.port(foreign.KEEPING[name]())
    with pytest.raises(wl.ProgramError, match=rf"port: .*\b{name.split()[0]}") as error:
        traced(ported)(X[None] if traced is wl.vmap else X)
    assert "\ntry: " in str(error.value)
    assert not foreign.seen and foreign.last is None


def test_counts_and_caches_that_decide_nothing_are_dropped() -> None:
    layer = foreign.Layer()
    ported = wl.port(layer)
    compiled = wl.jit(ported)
    for k in (1, 2):
        np.testing.assert_allclose(compiled(k * X), k * X)
        np.testing.assert_allclose(wl.grad(lambda x: ported(x).sum())(X), np.ones(3))
    assert (layer.x, layer.calls, layer.log, hasattr(layer, "n")) == (None, 0, [], False)
    assert foreign.last is None and foreign.Layer.recent is None


def test_numbers_are_carried_where_they_are_given() -> None:
    eager, traced = foreign.Adam(), foreign.Adam()
    ported = wl.port(traced.step)
    step = wl.jit(ported.step)
    with pytest.raises(wl.ProgramError, match=r"(?s)keeps t\n.*\*\*ported.arrays, 't': 0"):
        step(ported.arrays, np.ones(2))
    arrays = {**ported.arrays, "t": 0}
    for k in (1.0, 3.0, -2.0):
        found, arrays = step(arrays, k * np.ones(2))
        np.testing.assert_allclose(found, eager.step(k * np.ones(2)), 1e-12)
    assert arrays["t"] == 3
    assert traced.t == 0 and traced.w.tolist() == [1, 2]
    found, after = ported.step(arrays, np.ones(2))  # untraced
    np.testing.assert_allclose(found, eager.step(np.ones(2)), 1e-12)
    assert after["t"] == 4

    histogram = foreign.Histogram()
    ported = wl.port(histogram)
    counts = {"n": histogram.n}
    for k in (1, 2):
        found, counts = wl.jit(ported.step)(counts, X)
        np.testing.assert_allclose(found, X * [k, 0, 0])
    assert histogram.n.tolist() == [0, 0, 0]
    with pytest.raises(wl.ProgramError, match="got 't', a number"):
        wl.port(traced.step).arrays = {"t": 1}


def test_tables_are_numbers_in_other_threads() -> None:
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of Python's: shared, not copied

    def function(x: Any) -> Any:
        thread = threading.Thread(target=lambda: found.put(foreign.scaled(np.ones(3))))
        thread.start()
        thread.join()
        return foreign.scaled(x)[0]

    np.testing.assert_allclose(wl.jit(wl.port(function, "stateful_numpy"))(X), [0, 1, 4])
    while not found.empty():
        got = found.get_nowait()
        assert [type(x) for x in got] == [np.ndarray, np.ndarray, np.float64, np.ndarray]
        assert [x.tolist() for x in got] == [[0, 1, 2], [1, 2], 3, [0, 1, 2]]


def test_arguments_are_lent_as_they_are_to_each_other() -> None:
    def into(a: Any, b: Any) -> Any:
        a[0] = 9.0
        return b * 1

    np.testing.assert_allclose(wl.jit(lambda x: wl.port(into)(x, x))(X), [9, 1, 2])
    box = foreign.Difference(np.ones(3))
    found = wl.jit(lambda x: wl.port(foreign.called)(box, x))(X)
    np.testing.assert_allclose(found, X - 1)
    assert box.previous.tolist() == [1, 1, 1]


def test_objects_that_c_made_are_shared() -> None:
    drawn = np.random.default_rng  # of Cython
    held = {"of": drawn, "w": np.ones(3)}
    np.testing.assert_allclose(wl.jit(wl.port(lambda x: x * held["w"]))(X), X)
    of_cython = type(drawn)
    assert not is_object(drawn), of_cython


def test_arrays_of_classes_are_read_again() -> None:
    layer = foreign.Tabled()
    compiled = wl.jit(wl.port(layer.by_attribute)), wl.jit(wl.port(foreign.Tabled.by_class))
    for k in (1.0, 2.0):
        foreign.Tabled.scale = k * np.ones(3)
        for function in compiled:
            np.testing.assert_allclose(function(X), k * X)


def test_a_write_is_never_hidden_from_a_view_that_is_held() -> None:
    for step in (wl.jit(wl.port(foreign.Views().reset)), wl.vmap(wl.port(foreign.Views().reset))):
        with pytest.raises(wl.ProgramError, match="changes whole, and part in the same memory"):
            step(X[None])
