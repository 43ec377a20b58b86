"""What programs written for JAX call at its top level, and keywords by its names."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.front.functions.ports import INSTEAD
from wonderland.compiler.trace.tracer import Tracer


def test_arrays_are_arrays_in_a_trace_and_outside() -> None:
    seen: list[Any] = []

    def body(x: Any) -> Any:
        seen.append(x)
        return x

    wl.jit(body)(np.ones(2))
    assert isinstance(seen[0], Tracer)
    assert isinstance(seen[0], wl.Array)
    assert isinstance(np.ones(2), wl.Array)
    assert isinstance(np.float32(2), wl.Array)
    assert not isinstance([1.0], wl.Array)
    assert str(wl.typeof(np.ones((3, 4), np.float32))) == "f32[3, 4]"


def test_there_is_one_process_with_the_devices_of_its_machine() -> None:
    tree = {"a": np.ones(2), "b": (3.0,)}
    assert wl.block_until_ready(tree) is tree
    assert wl.default_backend() == "cpu"
    with wl.device("cuda:1"):
        assert wl.default_backend() == "cuda"
    assert wl.device_count() == wl.local_device_count() == len(wl.local_devices())
    assert wl.device_count("cpu") == 1
    assert (wl.process_index(), wl.process_count()) == (0, 1)


def test_a_function_may_give_its_gradient_with_its_value() -> None:
    @wl.custom_gradient
    def product(x: Any, y: Any) -> Any:
        """x * y"""
        return x * y, lambda ct: (np.clip(ct * y, -1, 1), 0 * y)

    assert product.__doc__ == "x * y"
    for run in (lambda f: f, lambda f: wl.jit(f, disable_jit=True)):
        assert run(product)(2.0, 3.0) == 6
        np.testing.assert_array_equal(run(wl.grad(product, (0, 1)))(2.0, 3.0), (1, 0))
    single = wl.custom_gradient(lambda x: (np.sum(x), lambda ct: ct * np.sign(x)))
    np.testing.assert_array_equal(wl.grad(single)(np.array([-2.0, 5.0])), [-1, 1])


def test_functions_are_passed_by_the_name_of_jax() -> None:
    square = lambda x: x * x  # noqa: E731
    assert wl.jit(fun=square)(3.0) == 9
    assert wl.grad(fun=square)(3.0) == 6
    assert wl.value_and_grad(fun=square)(3.0) == (9, 6)
    assert wl.jvp(fun=square, primals=(3.0,), tangents=(1.0,)) == (9, 6)
    assert wl.jacobian(square)(3.0) == 6


def test_arguments_are_donated_by_name() -> None:
    @functools.partial(wl.jit, donate_argnames=("x",))
    def step(x: Any, by: Any) -> Any:
        return x + by

    x = np.ones(64)
    found = step(x, np.full(64, 2.0))
    np.testing.assert_array_equal(found, np.full(64, 3.0))
    assert found is x or np.shares_memory(found, x)
    with pytest.raises(wl.ProgramError, match="jit: donate_argnames among x are required, got 'z'"):
        wl.jit(lambda x: x, donate_argnames="z")


def test_rules_get_arguments_of_names_as_they_are() -> None:
    @functools.partial(wl.custom_jvp, nondiff_argnames=("n",))
    def power(x: Any, n: int) -> Any:
        return x**n

    rule: Any = lambda n, primals, tangents: (power(primals[0], n), 100.0 * n * tangents[0])  # noqa: E731
    power.defjvp(rule)
    assert wl.grad(power)(2.0, 3) == 300

    @functools.partial(wl.custom_vjp, nondiff_argnames="n")
    def scaled(n: int, x: Any) -> Any:
        return n * x

    backward: Any = lambda n, kept, ct: (10 * n * ct,)  # noqa: E731
    scaled.defvjp(lambda n, x: (n * x, None), backward)
    assert wl.grad(scaled, 1)(2, 3.0) == 20
    with pytest.raises(wl.ProgramError, match="custom_vjp: nondiff_argnames among x are required"):
        wl.custom_vjp(lambda x: x, nondiff_argnames="n")


def test_scopes_change_nothing() -> None:
    with wl.named_scope("attention"):
        assert wl.named_call(np.sin, name="sin")(0.0) == 0


def test_a_name_of_jax_that_is_not_here_says_what_does_it() -> None:
    with pytest.raises(AttributeError, match=r"wonderland has no make_jaxpr\ntry: wl\.trace\(f"):
        _ = wl.make_jaxpr  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"wonderland has no nosuch$"):
        _ = wl.nosuch  # type: ignore[attr-defined]
    text = (Path(__file__).parents[3] / "wonderland" / "LEFT_OUT.md").read_text()
    left_out = text[text.index("## jax: ") :].split("## jax.ops")[0].split()
    assert [n for n in INSTEAD if n not in left_out] == []
    for repair in INSTEAD.values():  # what it names is here
        assert all(hasattr(wl, n) for n in re.findall(r"wl\.(\w+)", repair)), repair
