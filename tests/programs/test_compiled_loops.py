"""Compiled programs with loops and branches: memory, threads, kernels, what shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
from tests.programs.test_compiled import agree
from wonderland import lax
from wonderland.compiler.fuse import kernels
from wonderland.compiler.fuse.emission import BodyWork, HostWork
from wonderland.compiler.ir.graph import Graph, Value, apply_all
from wonderland.compiler.ir.types import Type
from wonderland.compiler.kernel.index import CannotFuse
from wonderland.compiler.ops import Scan, add
from wonderland.compiler.pipeline import Compiled, compile_graph
from wonderland.compiler.transform.interpreter import interpret
from wonderland.runtime.cpu import executor
from wonderland.runtime.cpu.program import Program

F32 = np.float32
RNG = np.random.default_rng(0)
W, XS = RNG.normal(size=(16, 16)).astype(F32) / 8, RNG.normal(size=(10, 16)).astype(F32)


def rnn(w: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x + h @ w)
        return h, h

    return lax.scan(step, h, xs)


def loss(w: Any, h: Any, xs: Any) -> Any:
    return np.sum(rnn(w, h, xs)[1] ** 2)


H = np.zeros(16, F32)


def compiled(f: Any, *args: Any) -> Compiled:
    return compile_graph(wl.trace(f, *args).graph)


def bodies(c: Compiled) -> list[BodyWork]:
    return [w for _, w in c.plan.schedule.works if isinstance(w, BodyWork)]


# ---------------------------------------------------------------- memory


def test_an_rnn_is_one_kernel_that_reads_and_writes_in_place():
    c = compiled(rnn, W, H, XS)
    (work,) = bodies(c)
    assert len(list(c.plan.schedule.works)) == 1 and len(list(work.inside())) == 1
    agree(c, (W, H, XS))


def test_a_carry_that_may_be_is_written_over_the_one_before():
    def f(x, y):
        return lax.scan(lambda c, e: ((c[0] * e, c[0][::-1] + c[1]), None), (x, y), XS)[0]

    c = compiled(f, H, H + 1)
    (work,) = bodies(c)
    assert list(work.bodies[0].beside) == [0]  # the second reads the first reversed
    agree(c, (H + 2, H + 1))


def test_carries_that_change_places_are_not_mixed_up():
    def fibonacci(n):
        return lax.fori_loop(0, n, lambda i, c: (c[1], c[0] + c[1]), (0, 1))[0]

    for n in (0, 1, 2, 9, 10):
        assert (
            wl.jit(fibonacci, static_argnums=0)(n) == [0, 1, 1, 34, 55][(0, 1, 2, 9, 10).index(n)]
        )
    dynamic = wl.jit(fibonacci)
    assert [int(dynamic(n)) for n in (0, 1, 2, 9, 10)] == [0, 1, 1, 34, 55]


def test_a_donated_argument_that_is_carried_is_updated_in_place():
    step = wl.jit(
        lambda p, xs: lax.scan(lambda p, x: (p - F32(0.1) * x, None), p, xs)[0], donate_argnums=0
    )
    p = np.ones(16, F32)
    expected = p - F32(0.1) * XS.sum(0)
    out = step(p, XS)
    assert out.ctypes.data == p.ctypes.data
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("donate", [(), (0,)])
def test_an_array_written_to_in_every_turn_stays_where_it_is(donate: tuple[int, ...]):
    """Before the first turn it is copied there, unless it is there already."""

    def sieve(x, n):
        def step(i, x):
            return wl.numpy.at(x)[i].set(x[i - 1] + x[i - 2])

        return lax.fori_loop(2, n, step, x)

    for length, n in ((10, 10), (10, 2), (9, 7)):
        x = np.zeros(length)
        x[:2] = 1, 1
        kept, expected = x.copy(), x.copy()
        for i in range(2, n):
            expected[i] = expected[i - 1] + expected[i - 2]
        for count in (n, np.array(n)):  # a scan, and a while loop
            static = (1,) if isinstance(count, int) else ()
            f = wl.jit(sieve, static_argnums=static, donate_argnums=donate)
            np.testing.assert_array_equal(f(x.copy(), count), expected)
            if not donate:
                np.testing.assert_array_equal(f(x, count), expected)
                np.testing.assert_array_equal(x, kept)


def test_memory_that_holds_nan_before_a_call_changes_nothing(monkeypatch):
    monkeypatch.setenv("WONDERLAND_POISON", "1")
    for f in (wl.value_and_grad(loss), rnn):
        c = compiled(f, W, H, XS)
        assert isinstance(c.program, Program) and c.program.poison
        for _ in range(2):
            agree(c, (W, H, XS))


# ---------------------------------------------------------------- kernels and threads


def test_a_longer_loop_has_the_same_kernels():
    texts = []
    for xs in (XS, np.zeros((10_000, 16), F32)):
        c = compiled(wl.grad(loss), W, H, xs)
        inside = {id(w) for work in bodies(c) for w in work.inside()}
        texts.append({low.text for w, low in c.lowered if id(w) in inside})
    assert texts[0] == texts[1] and len(texts[0]) >= 4


def test_equal_bodies_are_compiled_once():
    def f(w, h, xs):
        first, ys = rnn(w, h, xs)
        return rnn(w, first, ys)[0] + rnn(w, h, ys)[0]

    c = compiled(f, W, H, XS)
    one, two, three = bodies(c)
    assert [id(x) for x in two.inside()] == [id(x) for x in three.inside()]
    assert len(c.lowered) == 3  # with all ys, with the last h only, the sum
    assert len(list(one.inside())) == 1
    agree(c, (W, H, XS))


def test_bits_do_not_depend_on_the_number_of_threads():
    """Turns that are long enough to wake the team."""
    w = RNG.normal(size=(384, 384)).astype(F32) / 16
    h, xs = np.zeros((96, 384), F32), RNG.normal(size=(6, 96, 384)).astype(F32)

    def f(w, h, xs):
        def step(h, x):
            h = np.tanh(h @ w + x)
            return lax.cond(np.sum(h) > 0, lambda h: h @ w, lambda h: -h, h), np.sum(h, 1)

        return lax.scan(step, h, xs)

    def total(w, h, xs):
        return np.sum(f(w, h, xs)[0])

    c = compiled(wl.value_and_grad(total), w, h, xs)
    results = []
    for count in (1, 2, 3):
        with executor.threads(count):
            results.append(c.program((w, h, xs)))
    assert isinstance(c.program, Program) and c.program._together
    for other in results[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(results[0], other, strict=True))
    for got, want in zip(results[0], interpret(c.graph, w, h, xs), strict=True):
        # f32 sums of thousands of terms that cancel
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def test_a_body_may_hold_what_the_host_does():
    """An op without a kernel: the reference runs it inside of the loop, in every turn."""
    v = Type("f64", (3,))
    c, x = Value(v), Value(v)
    inner = add(c, x)
    body = Graph.of("step", (c, x), (inner, inner))
    first, xs = Value(v), Value(Type("f64", (4, 3)))
    graph = Graph.of("f", (first, xs), apply_all(Scan(body, 0, 1, 4, False), first, xs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "emit_group", refuse)
        made = compile_graph(graph)
    (work,) = bodies(made)
    assert any(isinstance(w, HostWork) for w in work.inside())
    agree(made, (np.ones(3), np.arange(12.0).reshape(4, 3)))


def refuse(*args: Any) -> Any:
    raise CannotFuse


# ---------------------------------------------------------------- what shows loops


def test_stages_show_the_rows_of_bodies():
    stages = wl.jit(wl.value_and_grad(loss)).inspect(W, H, XS)
    assert "scan step_jvp_early" in stages["schedule"] and "scan step" in stages["fuse"]
    assert "        buffers step" in stages["buffers"]
    assert "  10 turns" in stages["table"]
    assert stages["sources"].count("def product") >= 2


def test_a_profile_adds_up_and_counts_the_work_of_all_turns():
    found = wl.jit(rnn).compile(W, H, XS).profile(W, H, XS)
    (row,) = found.rows
    assert row.kernel == "scan step" and row.flops >= 10 * 2 * 16 * 16 and row.bytes > 0
    assert abs(row.seconds + found.rest - found.seconds) < 1e-12
    assert "test_compiled_loops.py" in row.source


def test_programs_with_loops_are_saved_and_loaded(tmp_path):
    scale = RNG.normal(size=16).astype(F32)

    def f(w, h, xs):
        return loss(w, h, xs * scale)

    program = wl.jit(wl.value_and_grad(f)).compile(W, H, XS)
    program.save(tmp_path / "f.zip")
    again = wl.load(tmp_path / "f.zip")
    for x, y in zip(
        wl.tree.leaves(program(W, H, XS)), wl.tree.leaves(again(W, H, XS)), strict=True
    ):
        np.testing.assert_array_equal(x, y)


def test_a_nan_born_inside_of_a_loop_is_found_there():
    def f(xs):
        def step(c, x):
            return c + np.log(x), lax.cond(c > 0, np.sqrt, lambda c: c, c)

        return lax.scan(step, F32(0), xs)

    with pytest.raises(FloatingPointError) as caught:
        wl.jit(f, check_nans=True)(np.array([1, 2, -1, 3], F32))
    assert "log of f32 makes a NaN of operands without one" in str(caught.value)
    assert "np.log(x)" in str(caught.value) and "turn 2 of scan step" in str(caught.value)


# ---------------------------------------------------------------- parts of arrays


def kernels_of(c: Compiled) -> list[str]:
    return [w.name for _, w in c.plan.schedule.works]


def total(h: Any, xs: Any) -> Any:
    return lax.scan(lambda h, x: (np.sin(h + x), h * x), h, xs)


PARTS: list[Any] = [
    lambda xs: xs.reshape(4, 8, 16),
    lambda xs: xs[12:],
    lambda xs: xs[4:][8:28].reshape(2, 10, 16),
    lambda xs: xs.reshape(8, 64)[2:].reshape(24, 16),
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_reads_parts_of_arrays_where_they_are(part: Any, reverse: bool):
    def f(xs):
        own = part(xs)
        return lax.scan(
            lambda h, x: (np.sin(h + x), h * x), np.zeros(own.shape[1:], F32), own, reverse=reverse
        )

    c = compiled(f, np.zeros((32, 16), F32))
    assert not [w for _, w in c.plan.schedule.works if not isinstance(w, BodyWork) and w.reads]
    agree(c, (RNG.normal(size=(32, 16)).astype(F32),))


COPIED: list[Any] = [
    lambda xs: xs[3:, :7],
    lambda xs: xs[::2],
    lambda xs: xs[::-1],
    lambda xs: xs[1:].reshape(31 * 3, 5)[1:],  # begins within a cache line
]


@pytest.mark.parametrize("part", COPIED)
def test_what_is_no_run_of_bytes_is_copied_for_a_loop(part: Any):
    def f(xs):
        own = part(xs)
        return total(np.zeros(own.shape[1:], F32), own)

    c = compiled(f, np.zeros((32, 15), F32))
    assert any(not isinstance(w, BodyWork) and w.reads for _, w in c.plan.schedule.works)
    agree(c, (RNG.normal(size=(32, 15)).astype(F32),))


def test_parts_of_what_a_loop_or_a_kernel_has_made_are_read_by_the_next_one():
    def f(w, xs):
        made = np.tanh(xs @ w)
        _, ys = total(np.zeros(16, F32), made.reshape(8, 4, 16)[:, 0])
        _, zs = total(np.zeros((2, 16), F32), ys[4:].reshape(2, 2, 16))
        return total(np.zeros(16, F32), zs.reshape(4, 16)), made

    c = compiled(f, W, np.zeros((32, 16), F32))
    agree(c, (W, RNG.normal(size=(32, 16)).astype(F32)))
    assert kernels_of(c).count("copy") == 1  # made[:, 0]


def test_a_loop_in_a_loop_reads_parts_of_an_element():
    def f(xs):
        def outer(h, x):
            h, ys = total(h, x[8:].reshape(2, 12, 16))
            return h, np.sum(ys, 0)

        return lax.scan(outer, np.zeros((12, 16), F32), xs)

    c = compiled(f, np.zeros((3, 32, 16), F32))
    ((inner,),) = [[w for w in b.inside() if isinstance(w, BodyWork)] for b in bodies(c)]
    assert inner.starts[-1] == 8 * 16 * 4
    agree(c, (RNG.normal(size=(3, 32, 16)).astype(F32),))


def test_an_array_of_which_a_loop_reads_a_part_is_not_written_over_by_its_carry():
    def f(x):
        y = np.cos(x)
        return lax.scan(lambda c, e: (c * e + 1, None), y, y.reshape(4, 1, 16))[0]

    c = compiled(f, np.zeros((4, 16), F32))
    agree(c, (RNG.normal(size=(4, 16)).astype(F32),))
    donated = wl.jit(f, donate_argnums=0)
    x = RNG.normal(size=(4, 16)).astype(F32)
    np.testing.assert_array_equal(donated(x.copy()), wl.jit(f)(x))


def test_a_while_loop_and_a_branch_read_parts_of_arrays():
    def f(n, xs):
        part = xs[16:]
        first = lax.while_loop(lambda c: c[1] < n, lambda c: (c[0] + part, c[1] + 1), (part, 0))[0]
        return lax.cond(n > 2, lambda x: np.sin(x), lambda x: x + 1, part) + first

    c = compiled(f, 0, np.zeros((32, 16), F32))
    xs = RNG.normal(size=(32, 16)).astype(F32)
    for n in (0, 3):
        agree(c, (np.array(n), xs))


FORMS: dict[str, Any] = {
    "branch": lambda v: lax.cond(np.sum(v) > 0, lambda v: v * 2, np.cos, v),
    "sequence": lambda v: lax.scan(lambda c, x: (c + x, c), np.zeros(v.shape[1:], F32), v),
    "constant": lambda v: lax.fori_loop(0, 3, lambda i, c: c / 2 + v, np.zeros(v.shape, F32)),
    "carry": lambda v: lax.fori_loop(0, 3, lambda i, c: np.sin(c), v),
    "nested": lambda v: lax.scan(
        lambda c, x: (lax.cond(np.sum(x) > 0, lambda x: x + c, lambda x: c, x), x),
        np.zeros(v.shape[1:], F32),
        v,
    ),
}
VIEWS: dict[str, Any] = {
    "column": lambda v: v[:, None],
    "row": lambda v: v.reshape(1, -1),
    "part": lambda v: v.reshape(-1, 2)[16:],
    "reshaped twice": lambda v: v.reshape(2, -1)[:, None],
}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("form", FORMS)
def test_a_view_that_is_a_result_and_an_operand_is_read_where_it_is_written(
    form: str, view: str, inside: bool
):
    def f(x: Any) -> Any:
        v = VIEWS[view](np.sum(x, axis=0))
        return v, FORMS[form](v)

    def loop(x: Any) -> Any:
        return lax.scan(lambda c, x: (c + 1, f(x)), np.int32(0), x[None])

    x = np.random.default_rng(5).normal(size=(8, 96)).astype(F32)
    agree(compiled(loop if inside else f, x), (x,))
