"""wl.port: NumPy code of others as it is, against itself."""

from __future__ import annotations

import importlib.util
import math
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl


def foreign_module() -> Any:
    """The module of plain NumPy, as a package of its own."""
    spec = importlib.util.spec_from_file_location(
        "plain_numpy", Path(__file__).with_name("plain_numpy.py")
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules["plain_numpy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain: Any = foreign_module()


def flat(found: Any) -> np.ndarray:
    return np.concatenate([np.ravel(x).astype(np.float64) for x in wl.tree.leaves(found)])


@pytest.mark.parametrize("name", plain.CASES)
def test_a_function_gives_what_it_gives_untraced(name: str) -> None:
    function, x = plain.CASES[name]
    ported = wl.port(function)
    expected = flat(function(x.copy()))
    plain.Window.kept.clear()
    np.testing.assert_allclose(flat(wl.jit(ported, disable_jit=True)(x)), expected, 1e-9, 1e-12)
    assert not plain.Window.kept
    np.testing.assert_allclose(flat(ported(x.copy())), expected)  # untraced it is the function
    plain.Window.kept.clear()

    weights = np.cos(np.arange(len(expected)))
    slope = wl.grad(lambda x: wl.numpy.concatenate(
        [wl.numpy.ravel(y) for y in wl.tree.leaves(ported(x))]) @ weights)(x)  # fmt: skip
    to = np.sin(1.0 + np.arange(x.size)).reshape(x.shape)
    ends = []
    for s in (1, -1):
        ends.append(flat(function(x + s * 1e-6 * to)) @ weights)
        plain.Window.kept.clear()
    np.testing.assert_allclose(np.sum(slope * to), (ends[0] - ends[1]) / 2e-6, 1e-5, 1e-6)


def test_many_at_once_are_each_by_itself() -> None:
    for name in ("running_state", "stable_sigmoid", "view_that_replaces", "looked_up"):
        function, x = plain.CASES[name]
        rows = np.stack([x, x[::-1], -x])
        found = wl.vmap(wl.port(function))(rows)
        for k, row in enumerate(rows):
            each = wl.tree.map(lambda a, k=k: a[k], found)
            np.testing.assert_allclose(flat(each), flat(function(row)), 1e-9)


def test_integers_can_be_written() -> None:
    x = np.array([3.0, 1.0, 2.0])
    found = wl.jit(wl.port(plain.integers_written), disable_jit=True)(x)
    assert found.tolist() == [2, 0, 1] and found.dtype == np.int64


# ---------------------------------------------------------------- objects


def test_arrays_of_an_object_are_arguments_by_place() -> None:
    net = plain.Net()
    x = np.random.default_rng(2).normal(size=(5, 3))
    ported = wl.port(net.forward)
    places = [f"layers[{i}].{n}" for i in (0, 1) for n in ("w", "b")]
    assert list(ported.arrays) == places
    assert ported.arrays["layers[0].w"] is net.layers[0].w
    np.testing.assert_allclose(wl.jit(ported)(x), net.forward(x), 1e-12)
    slopes = wl.grad(lambda arrays: np.sum(ported.apply(arrays, x) ** 2))(ported.arrays)
    for layer, (dw, db) in zip((0, 1), net.gradients(x), strict=True):
        np.testing.assert_allclose(slopes[f"layers[{layer}].w"], dw, 1e-9)
        np.testing.assert_allclose(slopes[f"layers[{layer}].b"], db, 1e-9)


def test_a_backward_pass_written_by_hand_is_a_program() -> None:
    net = plain.Net()
    x = np.random.default_rng(2).normal(size=(5, 3))
    found = wl.jit(wl.port(net.gradients))(x)
    np.testing.assert_allclose(flat(found), flat(net.gradients(x)), 1e-9)


def test_arrays_are_read_at_every_call() -> None:
    net = plain.Net()
    x = np.ones((2, 3))
    forward = wl.jit(wl.port(net.forward))
    forward(x)
    net.layers[0].w *= 2
    net.layers[1].b = net.layers[1].b + 1
    np.testing.assert_allclose(forward(x), net.forward(x), 1e-12)
    assert len(forward.entries) == 1
    net.scale = 2.0  # no array: a constant of the program
    np.testing.assert_allclose(forward(x), net.forward(x), 1e-12)
    assert len(forward.entries) == 2


def test_the_object_is_as_it_was_after_a_trace() -> None:
    net = plain.Net()
    x = np.ones((2, 3))
    before = [set(vars(layer)) for layer in net.layers]
    wl.jit(wl.port(net.forward))(x)
    assert [set(vars(layer)) for layer in net.layers] == before
    assert not hasattr(net, "mask")
    assert len(plain._cache) == len(set(plain._cache))
    wl.jit(wl.port(plain.cached_table))(np.ones(11))
    assert 11 not in plain._cache
    wl.jit(wl.port(plain.windowed))(np.ones(12))
    assert isinstance(plain.window_of(12), np.ndarray)


def test_state_comes_back_by_step_and_is_never_lost_in_silence() -> None:
    eager, traced = plain.Momentum(), plain.Momentum()
    ported = wl.port(traced.train)
    step = wl.jit(ported.step)
    arrays = ported.arrays
    for k in range(3):
        found, arrays = step(arrays, np.float64(k + 1))
        np.testing.assert_allclose(found, eager.train(np.float64(k + 1)), 1e-12)
    np.testing.assert_allclose(arrays["v"], eager.v, 1e-12)
    assert traced.v.tolist() == [0, 0]
    weights = traced.w
    ported.arrays = arrays
    assert traced.w is weights
    np.testing.assert_allclose(traced.w, eager.w, 1e-12)
    with pytest.raises(wl.ProgramError, match=r"(?s)port: .* updates w.*ported\.step"):
        wl.jit(ported)(np.float64(1))


def test_a_frozen_dataclass_with_a_table_is_read_by_traced_indices() -> None:
    embedding = plain.Embedding(np.arange(12.0).reshape(4, 3), (2, 0))
    ids = np.array([[3, 1]])
    ported = wl.port(embedding.lookup)
    np.testing.assert_array_equal(wl.jit(ported)(ids), embedding.lookup(ids))
    counts = wl.grad(lambda a: np.sum(ported.apply(a, ids)))(ported.arrays)["table"]
    np.testing.assert_array_equal(counts, np.eye(4)[[3, 1]].sum(0)[:, None] * [1, 0, 1])


def test_what_a_function_closes_over_is_an_argument() -> None:
    f = plain.closing_over(2.0)
    ported = wl.port(f)
    assert sorted(ported.arrays) == ["layer.b", "layer.w", "weights"]
    x = np.array([1.0, 3.0])
    forward = wl.jit(ported)
    np.testing.assert_allclose(forward(x), f(x), 1e-12)
    f.__closure__[1].cell_contents[:] = 5.0
    np.testing.assert_allclose(forward(x), f(x), 1e-12)
    other = {**ported.arrays, "weights": np.zeros(2)}
    np.testing.assert_allclose(ported.apply(other, x), 0)  # outside of traces too
    with pytest.raises(wl.ProgramError, match="places of arrays of f are required, got 'wieghts'"):
        ported.apply({"wieghts": x}, x)


WEIGHTS = np.array([1.0, 2.0])


def helper(x: Any) -> Any:
    return x * WEIGHTS


def script(x: Any) -> Any:
    y = np.zeros(2)
    y[0] = helper(x).sum()
    return y


def test_a_script_s_globals_that_it_names_are_arguments() -> None:
    global WEIGHTS
    ported = wl.port(script)
    assert list(ported.arrays) == ["helper.WEIGHTS"]
    forward = wl.jit(ported)
    assert forward(np.ones(2)).tolist() == [3, 0]
    WEIGHTS = np.array([1.0, 5.0])
    assert forward(np.ones(2)).tolist() == [6, 0]
    assert np.zeros is np.zeros and type(np).__name__ == "module"


# ---------------------------------------------------------------- the window


def test_modules_are_as_they_were_after_an_error_too() -> None:
    before = dict(vars(plain))

    def fails(x: Any) -> Any:
        plain.softmax_rows(x)
        assert plain.np is not sys.modules["numpy"] and "float" in vars(plain)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wl.jit(wl.port(fails, packages="plain_numpy"))(np.ones((2, 2)))
    after = vars(plain)
    assert before.keys() == after.keys()
    assert all(after[n] is x for n, x in before.items())


def test_traces_within_traces_are_undone_one_by_one() -> None:
    inner = wl.port(plain.stable_sigmoid)

    def outer(x: Any) -> Any:
        y = plain.np.zeros(len(x))
        y[0] = np.sum(inner(x))
        y[1] = x[0]
        return plain.in_place(y)

    x = np.array([0.3, -1.0])
    y = np.array([plain.stable_sigmoid(x).sum(), x[0]])
    found = wl.jit(wl.port(outer, packages=["plain_numpy"]), disable_jit=True)(x)
    np.testing.assert_allclose(found, plain.in_place(y), 1e-9)
    assert plain.np is np


def test_other_threads_see_numpy_as_it_is() -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of Python's: shared, not copied

    def watch() -> None:
        made = plain.np.zeros(3)
        seen.put([type(made), type(plain.erf(made)), plain.imported_names(made).dtype])
        seen.put(plain.python_numbers(plain.np.ones(2)).tolist())

    def function(x: Any) -> Any:
        thread = threading.Thread(target=watch)
        thread.start()
        thread.join()
        return plain.softmax_rows(x)

    wl.jit(wl.port(function, packages="plain_numpy"), disable_jit=True)(np.ones((2, 2)))
    assert seen.get() == [np.ndarray, np.ndarray, np.dtype(float)]
    assert seen.get() == [4.0, 4.0]


def test_threads_trace_at_once() -> None:
    def trace(k: int) -> None:
        name = list(plain.CASES)[k]
        function, x = plain.CASES[name]
        for _ in range(5):
            found = wl.jit(wl.port(function), disable_jit=True)(x)
            queued.put((flat(found), k))

    queued: queue.SimpleQueue[Any] = queue.SimpleQueue()
    before = dict(vars(plain))
    threads = [threading.Thread(target=trace, args=(k,)) for k in (1, 2, 3, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for _ in range(20):
        found, k = queued.get_nowait()
        function, x = plain.CASES[list(plain.CASES)[k]]
        np.testing.assert_allclose(found, flat(function(x)), 1e-9)
    assert all(vars(plain)[n] is x for n, x in before.items())


# ---------------------------------------------------------------- refusals


def refused(function: Any, *args: Any) -> str:
    with pytest.raises(wl.ProgramError) as error:
        wl.jit(wl.port(function, packages="plain_numpy"), disable_jit=True)(*args)
    return str(error.value)


def test_what_has_no_form_names_the_line() -> None:
    x = np.array([0.5, -1.0, 2.0])
    said = refused(lambda x: plain.np.array(x[x > 0].tolist()), x)
    assert "x[mask].tolist: a result of static shape is required" in said and "test_port.py" in said
    said = refused(lambda x: x[x > 0] + x[x < 0], x)
    assert "x[mask], y[other]" in said
    said = refused(lambda x: plain.math.gcd(x, 2), x[0])
    assert "test_port.py" in said

    def stale(x: Any) -> Any:
        y = plain.np.zeros((2, 3))
        z = plain.np.broadcast_to(y[0], (2, 3))
        y[0] = x
        return z

    assert "another view" in refused(stale, x)


def test_parts_of_complex_numbers_are_no_places() -> None:
    def written(x: Any) -> Any:
        z = x * (1 + 1j)
        z.real[0] = 2.0
        return z

    def read(x: Any) -> Any:
        z = x * (1 + 1j)
        part = z.imag
        z[0] = 0.0
        return part

    for function in (written, read):
        assert "a part of complex numbers" in refused(function, np.ones(3))


def test_numbers_of_arrays_are_numbers() -> None:
    def function(x: Any) -> Any:
        assert plain.math.gcd(int(plain.PERMUTATION[0]), 6) == 3
        assert isinstance(plain.np.ones(3).sum(), float)
        assert f"{plain.np.ones(2)[0]:.1f}" == "1.0"
        return x * float(plain.np.arange(3.0)[2])

    assert wl.jit(wl.port(function, packages="plain_numpy"))(np.float64(2)) == 4
    assert math.isclose(wl.port(function)(3.0), 6.0)


def test_a_generator_of_the_object_is_said_to_be_frozen() -> None:
    class Noisy:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __call__(self, x: Any) -> Any:
            noise = self.rng.normal(size=3)
            noise[0] = x[0]
            return noise

    with pytest.warns(wl.FrozenRandomWarning, match=r"rng: numbers drawn .* same in every call"):
        found = wl.jit(wl.port(Noisy()))(np.ones(3))
    assert found[0] == 1
