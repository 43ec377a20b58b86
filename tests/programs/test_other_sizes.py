"""Programs of other sizes without passes: the same, number by number, as those that passes make."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.random_graphs import random_graph
from wonderland import lax
from wonderland import numpy as wnp
from wonderland.compiler import family as families
from wonderland.compiler.family import Refusal, SizedProgram, SizeFamily
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.jit import jit as api
from wonderland.compiler.pipeline import Lowering
from wonderland.runtime.cpu.record import ProgramRecord, record_code

F32 = np.float32
RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(F32)


W, B, V = normal(24, 40), normal(40), normal(40, 7)


def mlp(w: Any, b: Any, v: Any, x: Any, y: Any) -> Any:
    def loss(w: Any, b: Any, v: Any) -> Any:
        logits = np.tanh(x @ w + b) @ v
        at = np.take_along_axis(wl.nn.log_softmax(logits), y[..., None], axis=-1)
        return -at.mean()

    value, slopes = wl.value_and_grad(loss, (0, 1, 2))(w, b, v)
    return value, [p - 0.1 * g for p, g in zip((w, b, v), slopes, strict=True)]


def attention(w: Any, x: Any) -> Any:
    def loss(w: Any) -> Any:
        batch, time, d = x.shape
        q, k, v = (x @ w).reshape(batch, time, 3, 2, d // 2).transpose(2, 0, 3, 1, 4)
        mask = np.where(wnp.tri(time, dtype=bool), F32(0), F32(-1e9))
        a = wl.nn.softmax(q @ k.swapaxes(-1, -2) / np.sqrt(F32(d // 2)) + mask)
        y = (a @ v).swapaxes(1, 2).reshape(batch * time, d)
        return np.mean((y - y.mean(-1, keepdims=True)) ** 2)

    return wl.value_and_grad(loss)(w)


def lstm(w: Any, xs: Any) -> Any:
    def loss(w: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            h, c = state
            i, f, g, o = np.split(np.concatenate([x, h], -1) @ w, 4, axis=-1)
            c = wl.nn.sigmoid(f) * c + wl.nn.sigmoid(i) * np.tanh(g)
            h = wl.nn.sigmoid(o) * np.tanh(c)
            return (h, c), h

        start = wnp.zeros(xs.shape[1:], xs.dtype)
        return (lax.scan(step, (start, start), xs)[1] ** 2).mean()

    return wl.value_and_grad(loss)(w)


def images(k: Any, x: Any) -> Any:
    def loss(k: Any) -> Any:
        names = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(x, k, (2, 2), "SAME", dimension_numbers=names)
        return np.mean(wl.nn.relu(y).reshape(len(x), -1) ** 2)

    return wl.value_and_grad(loss)(k)


def series(x: Any) -> Any:
    steps = np.concatenate([x[1:] - x[:-1], x[:1]])
    return np.cumsum(steps, axis=0)[::2], np.sort(x, axis=0), x.sum(0) / len(x), np.pad(x, 1)


def by_rows(w: Any, x: Any) -> Any:
    return wl.vmap(lambda row: np.exp(row @ w) / np.exp(row @ w).sum())(x)


def chosen(x: Any) -> Any:
    turned = lax.while_loop(lambda s: np.sum(s) < 5, lambda s: s + 1.5, x)
    return x @ x.T if len(x) > 32 else lax.cond(x[0, 0] > 0, np.sin, np.cos, turned)


def normalised(x: Any) -> Any:
    whole = (x - x.mean(0)) / np.sqrt(x.var(0) + F32(1e-5))
    return whole, np.linalg.norm(x, axis=1), np.argmax(x, axis=0), x.reshape(-1), x.std()


PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]], int]] = {
    "mlp": (mlp, lambda n: (W, B, V, normal(n, 24), np.arange(n) % 7), 3),
    "attention by batch": (attention, lambda n: (normal(16, 48), normal(n, 9, 16)), 1),
    "attention by time": (attention, lambda n: (normal(16, 48), normal(3, n, 16)), 2),
    "lstm by batch": (lstm, lambda n: (normal(16, 32), normal(6, n, 8)), 1),
    "lstm by time": (lstm, lambda n: (normal(16, 32), normal(n, 5, 8)), 3),
    "images": (images, lambda n: (normal(3, 3, 1, 4), normal(n, 14, 14, 1)), 1),
    "series": (series, lambda n: (normal(n, 6),), 3),
    "by rows": (by_rows, lambda n: (V, normal(n, 40)), 8),
    "chosen": (chosen, lambda n: (normal(n, 5),), 4),
    "normalised": (normalised, lambda n: (normal(n, 12),), 6),
}  # fmt: skip
"""A function, its arguments of a size, and how many of SIZES need no passes after the first."""
SIZES = 37, 41, 20, 64, 17, 16, 100, 7, 1, 130


def traced(name: str, n: int) -> Graph:
    function, arguments, _ = PROGRAMS[name]
    return wl.trace(function, *arguments(n)).graph


def content(record: ProgramRecord) -> Any:
    return json.loads(json.dumps(record_code(record)))


def by_passes(graph: Graph) -> Any:
    return content(Lowering.of(graph).compiled().record)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_another_size_is_the_one_that_passes_make(name: str) -> None:
    first, *others = SIZES
    family = SizeFamily(traced(name, first))
    assert content(family.program().record) == by_passes(traced(name, first))
    count = 0
    for n in others:
        graph = traced(name, n)
        program = family.replayed(graph)
        if isinstance(program, SizedProgram):
            assert content(program.record) == by_passes(graph), n
            count += 1
        else:
            assert program.why
    assert count >= PROGRAMS[name][2]


def test_many_slices_that_become_equal_are_no_replay() -> None:
    def slices(x: Any, *ys: Any) -> Any:
        return [np.sort(x[: y.shape[0]]) * y.sum() for y in ys]

    def graph(sizes: Sequence[int]) -> Graph:
        return wl.trace(slices, normal(100), *(normal(n, 2) for n in sizes)).graph

    family = SizeFamily(graph(range(81, 93)))
    assert isinstance(family.replayed(graph(range(68, 80))), SizedProgram)
    assert isinstance(family.replayed(graph([*range(70, 81), 80])), Refusal)


def test_sizes_come_back() -> None:
    family = SizeFamily(traced("mlp", 37))
    before = content(family.program().record)
    assert isinstance(family.replayed(traced("mlp", 41)), SizedProgram)
    assert isinstance(family.replayed(traced("mlp", 1)), Refusal)
    again = family.replayed(traced("mlp", 37))
    assert isinstance(again, SizedProgram) and content(again.record) == before


@pytest.mark.parametrize("seed", [3, 11, 868, 875, 904])
def test_any_program_is_made_of_sizes(seed: int) -> None:
    graph = random_graph(seed)
    family = SizeFamily(graph)
    wanted = plain_text(by_passes(graph))
    assert plain_text(content(family.program().record)) == wanted
    again = family.replayed(graph)
    assert isinstance(again, SizedProgram) and plain_text(content(again.record)) == wanted


def plain_text(code: Any) -> str:
    """Without the places where nodes of the host were made."""
    return re.sub(r"  # [^\\]+", "", json.dumps(code))


def test_no_size_is_left_in_a_program() -> None:
    def numbers(x: Any) -> Any:
        if hasattr(x, "__dataclass_fields__"):
            x = [getattr(x, f) for f in x.__dataclass_fields__]
        if isinstance(x, list | tuple):
            return [n for part in x for n in numbers(part)]
        return [x]

    record = SizeFamily(traced("lstm by time", 8)).program().record
    found = {type(n) for n in numbers(record)}
    assert found <= {int, float, bool, str, dict, type(None), type(np.dtype("f"))}


# ---------------------------------------------------------------- what is refused


def refused(function: Callable[..., Any], first: Any, second: Any) -> str:
    found = SizeFamily(wl.trace(function, *first).graph).replayed(wl.trace(function, *second).graph)
    assert isinstance(found, Refusal)
    return found.why


def test_another_program_is_refused() -> None:
    x, y = normal(6, 4), normal(7, 4)
    assert refused(lambda x: x * len(x) if len(x) < 7 else x, (x,), (y,)) == (
        "the traced program is another one"
    )
    assert refused(lambda x: x + np.arange(len(x) * 4.0).reshape(-1, 4), (x,), (y,)) == (
        "the traced program is another one"
    )
    assert "which was thought to stay" in refused(lambda x: x * (len(x) / 7), (x,), (y,))
    assert refused(lambda x: x * 2, (x,), (y.astype(float),)) == "the traced program is another one"


def test_numbers_that_differed_are_sizes_of_the_next_family() -> None:
    def scaled(x: Any) -> Any:
        return x * (len(x) / 7)

    graphs = [wl.trace(scaled, normal(n, 4)).graph for n in (6, 8, 9)]
    found = families.SizeFamilies()
    whys = [found.program(graph)[1] for graph in graphs]
    assert whys[0] == whys[2] == "" and "thought to stay" in whys[1]


# ---------------------------------------------------------------- functions


def test_a_function_runs_no_pass_for_another_size(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = wl.jit(mlp, verify=False)
    arguments = PROGRAMS["mlp"][1]
    ran: list[str] = []
    passes = families.scheduled

    def counted(graph: Graph, *args: Any) -> Any:
        ran.append(graph.name)
        return passes(graph, *args)

    monkeypatch.setattr(families, "scheduled", counted)
    monkeypatch.setattr(api, "fitted", lambda *args: pytest.fail("all passes run"))
    with caplog.at_level(logging.INFO, "wonderland"):
        for n in (37, 41, 49):
            given = arguments(n)
            got = wl.tree.leaves(step(*given))
            wanted = wl.tree.leaves(wl.jit(mlp, disable_jit=True)(*given))
            for x, y in zip(got, wanted, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
    assert len(ran) == 1
    assert sum("no pass runs for mlp again, only sizes differ" in m for m in caplog.messages) == 2


def test_the_log_says_what_other_sizes_need(caplog: pytest.LogCaptureFixture) -> None:
    f = wl.jit(lambda x: x @ x.T if len(x) > 4 else np.tanh(x), verify=False)
    with caplog.at_level(logging.INFO, "wonderland"):
        f(normal(4, 3))
        f(normal(5, 3))
    assert any("all passes run" in m and "another one" in m for m in caplog.messages)


def test_donated_arguments_are_written_over_in_every_size() -> None:
    f = wl.jit(lambda x, y: (x + y, y.sum()), donate_argnums=0, verify=False)
    for n in (64, 80, 48):
        x, y = normal(n, 8), normal(n, 8)
        wanted = x + y
        got, _ = f(x, y)
        assert np.shares_memory(got, x)
        np.testing.assert_array_equal(got, wanted)


def test_a_fault_of_a_family_is_no_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    several = families.SizeFamilies()
    first, second, third = (traced("by rows", n) for n in (40, 50, 60))
    assert several.program(first)[1] == ""
    with monkeypatch.context() as broken:
        broken.setattr(families, "buffers", lambda schedule: 1 // 0)
        program, why = several.program(second)
    assert program is None and "ZeroDivisionError" in why and several.families == []
    assert several.program(third)[0] is not None


def test_a_function_that_never_profits_has_no_more_families(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(families, "VAIN", 1)
    several = families.SizeFamilies()
    kinds = ("sin", "cos", "exp", "tanh")
    graphs = [wl.trace(getattr(np, kind), normal(6, 4)).graph for kind in kinds]
    assert [several.program(graph)[0] is None for graph in graphs] == [False, False, True, True]


def test_what_a_program_with_sizes_shows_are_its_passes() -> None:
    f = wl.jit(by_rows, verify=False)
    f(V, normal(10, 40))
    f(V, normal(12, 40))
    assert "f32[12, 40]" in str(f.inspect(V, normal(12, 40))["trace"])
    assert "f32[10, 40]" in str(f.inspect(V, normal(10, 40))["trace"])


def test_a_body_is_looked_at_once_however_deep_it_lies():
    def nested(k: int, x: Any) -> Any:
        return lax.cond(x[0] > k, lambda x: nested(k - 1, x), np.cos, x) if k else np.sin(x)

    schedule = wl.jit(lambda x: nested(10, x)).compile(B).compiled.plan.schedule
    assert sum(1 for _ in families.every_value(schedule)) < 100
