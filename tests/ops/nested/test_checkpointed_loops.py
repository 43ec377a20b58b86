"""Loops that keep a few carries for reverse mode: schedules, values, derivatives, memory, words."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wonderland as wl
from wonderland import lax
from wonderland.compiler.codegen.target import host
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.printing import print_graph
from wonderland.compiler.ir.text import constants_of, parse
from wonderland.compiler.ops.nested import revolve
from wonderland.compiler.pipeline import compile_graph
from wonderland.compiler.transform.interpreter import interpret

RNG = np.random.default_rng(0)
W, H = 0.5 * RNG.normal(size=(3, 3)), RNG.normal(size=3)
XS = RNG.normal(size=(9, 3))


def bits(x: Any, y: Any) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- schedules


def reversed_turns(kept: list[int], length: int, checkpoints: int) -> tuple[int, int]:
    """How many turns run, the loop's own but the last included, and the most carries kept."""
    kept, count, most = [*kept], length - 1, len(kept)
    for turn in reversed(range(length)):
        while kept[-1] < turn:
            room = checkpoints + 1 - len(kept)
            further = revolve.stride(turn + 1 - kept[-1], room)
            count += further
            kept.append(kept[-1] + further)
            most = max(most, len(kept))
        assert kept.pop() == turn
    return count, most


@given(st.integers(1, 600), st.integers(1, 60))
def test_as_many_turns_run_as_the_formula_of_revolve_says(length: int, checkpoints: int):
    kept = revolve.kept_turns(length, checkpoints)
    found, most = reversed_turns(kept, length, checkpoints)
    assert found == revolve.least_turns(length, checkpoints)
    assert most <= min(checkpoints + 1, length)


def test_no_schedule_runs_fewer_turns():
    @cache
    def least(length: int, checkpoints: int) -> int:
        if length == 1:
            return 0
        if checkpoints == 1:
            return length * (length - 1) // 2
        return min(
            m + least(length - m, checkpoints - 1) + least(m, checkpoints) for m in range(1, length)
        )

    for length in range(1, 40):
        for checkpoints in range(1, 8):
            assert revolve.least_turns(length, checkpoints) == least(length, checkpoints)


def test_a_program_finds_the_same_strides():
    numbers = Value(revolve.COUNT), Value(revolve.COUNT)
    graph = Graph.of("strided", numbers, (revolve.strided(*numbers),))
    for length in (1, 2, 3, 10, 11, 65, 66, 67, 1000):
        for checkpoints in (1, 2, 3, 10, 100):
            (found,) = interpret(graph, np.array(length), np.array(checkpoints))
            assert found == revolve.stride(length, checkpoints)


class Counted:
    """A function that does nothing but count how often a compiled program comes by."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        def one(x: np.ndarray) -> np.ndarray:
            self.calls += 1
            return np.ones_like(x)

        return wl.pure_callback(one, lax.stop_gradient(x), lax.stop_gradient(x))


@pytest.mark.parametrize(("length", "checkpoints"), [(1, 1), (6, 1), (12, 2), (20, 3), (5, 9)])
def test_a_compiled_scan_runs_the_turns_of_the_schedule(length: int, checkpoints: int):
    counted = Counted()

    def f(h):
        step = lambda h, _: (np.sin(h) * counted(h), None)  # noqa: E731
        return lax.scan(step, h, None, length, checkpoints=checkpoints)[0]

    wl.jit(wl.value_and_grad(f))(0.5)
    once_more = 1  # the last turn, for the value
    assert counted.calls == revolve.least_turns(length, checkpoints) + once_more + length


# ---------------------------------------------------------------- while it is not known how often


def kept_online(length: int, checkpoints: int) -> Iterator[list[int]]:
    """What `Online` keeps when the loop ends after 1, 2, ... `length` turns."""
    kept: list[int] = []
    r = 1
    for turn in range(length):
        if len(kept) > checkpoints:
            ends = [*kept, turn]
            fits = [
                k for k in range(1, checkpoints + 1)
                if ends[k + 1] - ends[k - 1] <= comb(checkpoints - k + r, r - 1)
            ]  # fmt: skip
            r += not fits
            del kept[fits[0] if fits else 1]
        kept.append(turn)
        yield [*kept]


@pytest.mark.parametrize(
    ("checkpoints", "most"), [(1, 40), (2, 60), (3, 100), (5, 400), (10, 1500), (31, 1500)]
)
def test_a_loop_that_ends_when_it_likes_takes_no_turn_too_often(checkpoints: int, most: int):
    """The bounds of Stumm and Walther, and of Wang, Moin and Iaccarino."""
    for length, kept in enumerate(kept_online(most, checkpoints), 1):
        ends = pairwise(kept if kept[-1] == length - 1 else [*kept, length - 1])
        count = length - 1
        for k, (start, end) in enumerate(ends):
            count += revolve.least_turns(end - start, checkpoints - k)
        least, r = (f(length, checkpoints) for f in (revolve.least_turns, revolve.repetitions))
        assert least <= count <= r * length
        if length <= comb(checkpoints + 2, 2):
            assert count == least
        if length <= 100:
            assert reversed_turns(kept, length, checkpoints) == (count, len(kept))


@pytest.mark.parametrize("checkpoints", [1, 2, 3, 6])
def test_a_program_keeps_the_same_turns(checkpoints: int):
    online = revolve.Online.start([], checkpoints)
    inputs = tuple(Value(v.type) for v in (*online.values, revolve.count_value(0)))
    after = online.with_values(inputs[:-1]).with_turn(inputs[-1], [])
    graph = Graph.of("online", inputs, after.values)
    start = interpret(Graph.of("start", (), online.values))
    for turn, kept in enumerate(kept_online(70, checkpoints)):
        start = interpret(graph, *start, np.array(turn))
        rows, depth, turns = start[2:]
        assert turns[:depth].tolist() == kept and sorted(rows) == [*range(checkpoints + 1)]


@pytest.mark.parametrize(("length", "checkpoints"), [(1, 1), (6, 1), (12, 2), (20, 3), (5, 9)])
def test_a_compiled_while_loop_runs_the_turns_of_its_schedule(length: int, checkpoints: int):
    counted = Counted()

    def f(h, n):
        step = lambda c: (np.sin(c[0]) * counted(c[0]), c[1] + 1)  # noqa: E731
        return lax.while_loop(lambda c: c[1] < n, step, (h, 0), checkpoints=checkpoints)[0]

    wl.jit(wl.value_and_grad(f))(0.5, length)
    *_, kept = kept_online(length, checkpoints)
    assert counted.calls == reversed_turns(kept, length, checkpoints)[0] + 1 + length


def grown(w, h, xs, **options):
    """As long as the sum is small: every sequence has a length of its own."""

    def step(carry):
        h, i, total = carry
        h = np.sin(h @ w) + wl.numpy.take(xs, i % 4, axis=0)
        return h, i + 1, total + np.sum(h * h)

    start = h, 0, np.sum(h * 0)
    h, i, total = lax.while_loop(lambda c: (c[2] < 9.0) & (c[1] < 50), step, start, **options)
    return np.sum(h) * total + i


def bounded(w, h, xs, **options):
    n = np.sum(xs[:, 0] > -99.0)  # a bound that is not known before the program runs
    body = lambda i, h: np.tanh(h @ w) + xs[0] * (i + 1)  # noqa: E731
    return np.sum(lax.fori_loop(0, n, body, h, **options))


def while_in_scan(w, h, xs, **options):
    def outer(h, x):
        go = lambda c: c[1] < np.sum(x > 0)  # noqa: E731
        step = lambda c: (np.sin(c[0] @ w + x), c[1] + 1)  # noqa: E731
        return lax.while_loop(go, step, (h, 0), **options)[0], None

    return np.sum(lax.scan(outer, h, xs, checkpoints=2 if options else None)[0])


UNKNOWN = [grown, bounded, while_in_scan]


@pytest.mark.parametrize("f", UNKNOWN)
def test_the_gradient_of_a_while_loop_is_its_derivative(f: Callable[..., Any]):
    for checkpoints in (2, 100) if f is while_in_scan else (1, 2, 4, 100):
        few = lambda *a: f(*a, checkpoints=checkpoints)  # noqa: B023, E731
        wl.testing.check_gradients(few, W, H, XS, order=1)
        slopes = wl.grad(few, (0, 1, 2))
        plain = wl.jacfwd(f, (0, 1, 2))(W, H, XS)
        close(slopes(W, H, XS), plain)
        close(wl.jit(slopes)(W, H, XS), plain)


@pytest.mark.parametrize("f", UNKNOWN)
def test_mixes_of_modes_and_batches_of_while_loops(f: Callable[..., Any]):
    few = lambda *a: f(*a, checkpoints=2)  # noqa: E731
    hs = np.stack([H, -0.1 * H, 3 * H])
    second = wl.jacfwd(wl.jacfwd(f, 1), 1)(W, H, XS)
    close(wl.jit(wl.jacfwd(wl.grad(few, 1), 1))(W, H, XS), second, 1e-10)
    along = lambda w, h, xs: wl.jvp(lambda h: few(w, h, xs), (h,), (xs[0],))[1]  # noqa: E731
    close(wl.jit(wl.grad(along, 1))(W, H, XS), second @ XS[0], 1e-10)
    each = np.stack([wl.jacfwd(f, 1)(W, h, XS) for h in hs])
    close(wl.jit(wl.vmap(wl.grad(few, 1), (None, 0, None)))(W, hs, XS), each, 1e-10)
    total = lambda hs: np.sum(wl.vmap(few, (None, 0, None))(W, hs, XS))  # noqa: E731
    close(wl.jit(wl.grad(total))(hs), each, 1e-10)
    close(wl.linearize(lambda h: few(W, h, XS), H)[1](XS[0]), wl.jacfwd(f, 1)(W, H, XS) @ XS[0])


def test_a_while_loop_that_makes_no_turn_and_one_that_makes_one():
    def f(h, n):
        step = lambda c: (np.sin(c[0]), c[1] + 1)  # noqa: E731
        return np.sum(lax.while_loop(lambda c: c[1] < n, step, (h, 0), checkpoints=3)[0])

    slope = wl.jit(wl.grad(f))
    bits(slope(H, 0), np.ones(3))
    close(slope(H, 1), np.cos(H))


# ---------------------------------------------------------------- derivatives


def rnn(w, h, xs, **options):
    def step(carry, x):
        h = np.tanh(carry["h"] @ w + x)
        return {"h": h, "n": carry["n"] + 1}, (h * x, carry["n"])

    carry, (ys, _) = lax.scan(step, {"h": h, "n": 0}, xs, **options)
    return np.sum(ys * ys) + np.sum(carry["h"]) * carry["n"]


def backward(w, h, xs, **options):
    return rnn(w, h, xs, reverse=True, **options)


def scan_in_scan(w, h, xs, **options):
    def outer(h, x):
        inner = lambda g, _: (np.sin(g @ w + x), np.sum(g * x))  # noqa: E731
        h, ys = lax.scan(inner, h, None, 3, checkpoints=2 if options else None)
        return h, np.sum(ys)

    h, ys = lax.scan(outer, h, xs, **options)
    return np.sum(h) * np.sum(ys)


def branching(w, h, xs, **options):
    def step(h, x):
        h = lax.cond(np.sum(h) > 0, lambda h: np.sin(h @ w), lambda h: np.cos(h) * x, h)
        return h, np.sum(h)

    h, ys = lax.scan(step, h, xs, **options)
    return np.sum(h * h) + np.sum(ys)


def counting(w, h, xs, **options):
    def body(i, h):
        return np.cos(h @ w) * i + wl.numpy.take(xs, i, axis=0)

    return np.sum(lax.fori_loop(1, 8, body, h, **options))


@wl.custom_vjp
def bent(x):
    return np.sin(x)


bent.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (2 * ct * np.cos(x),))


def with_rules(w, h, xs, **options):
    def step(h, x):
        return bent(wl.checkpoint(lambda h: np.sin(h @ w) + x)(h)), None

    return np.sum(lax.scan(step, h, xs, **options)[0])


def regions_alone(w, h, xs, **options):
    """Nothing is carried that the derivative reads."""
    return np.sum(lax.scan(lambda t, x: (t + np.sin(x @ w), np.cos(x)), h, xs, **options)[0])


def pairs(w, h, xs, **options):
    """Carries that change places, one of them never changed, one never read."""

    def step(carry, x):
        a, b, c, d = carry
        return (b, a * np.sin(x) + c, c, d + 1), None

    a, b, _, _ = lax.scan(step, (h, h @ w, w[0], 0.0), xs, **options)[0]
    return np.sum(a * b)


PROGRAMS: list[Callable[..., Any]] = [
    rnn, backward, scan_in_scan, branching, counting, with_rules, regions_alone, pairs,
]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS)
def test_the_gradient_is_that_of_the_plain_loop(f: Callable[..., Any]):
    plain = wl.value_and_grad(f, (0, 1, 2))(W, H, XS)
    for checkpoints in (1, 2, 4, 20):
        few = wl.value_and_grad(lambda *a: f(*a, checkpoints=checkpoints), (0, 1, 2))  # noqa: B023
        close(few(W, H, XS), plain)
        close(wl.jit(few)(W, H, XS), plain)


def elementwise_chain(h, xs, **options):
    def step(h, x):
        h = np.tanh(h * x) + x
        return h, h * h

    return np.sum(lax.scan(step, h, xs, **options)[1])


@pytest.mark.parametrize("run", [lambda f: f, wl.jit])
def test_where_nothing_is_summed_over_turns_the_gradient_has_the_bits_of_the_plain_loop(run):
    plain = run(wl.value_and_grad(elementwise_chain, (0, 1)))(H, XS)
    for checkpoints in (1, 3, 20):
        few = lambda h, xs: elementwise_chain(h, xs, checkpoints=checkpoints)  # noqa: B023, E731
        bits(run(wl.value_and_grad(few, (0, 1)))(H, XS), plain)


@pytest.mark.parametrize("f", PROGRAMS)
def test_derivatives_agree_with_differences_and_so_do_the_second_ones(f: Callable[..., Any]):
    if f is with_rules:  # whose rule is not the derivative
        return
    wl.testing.check_gradients(
        lambda *a: f(*a, checkpoints=2), W, H, XS[:4] if f is not counting else XS, order=2
    )


@pytest.mark.parametrize("f", PROGRAMS)
def test_all_mixes_of_modes_and_batches_are_those_of_the_plain_loop(f: Callable[..., Any]):
    def mixes(g: Callable[..., Any]) -> list[Callable[..., Any]]:
        def slope(w, h, xs):
            return np.sum(wl.grad(g)(w, h, xs) ** 2)

        def along(w, h, xs):
            return wl.jvp(lambda h: g(w, h, xs), (h,), (xs[0],))[1]

        return [
            lambda *a: wl.jvp(wl.grad(g, (0, 1)), a, a)[1],
            wl.grad(slope, (0, 1, 2)),
            wl.grad(along, (0, 1)),
            wl.vmap(wl.grad(g, (0, 1)), (None, 0, None)),
            wl.grad(lambda *a: np.sum(wl.vmap(g, (None, 0, None))(*a) ** 2), (0, 1)),
            lambda *a: wl.linearize(g, *a)[1](*a),
        ]

    for k, (few, plain) in enumerate(
        zip(mixes(lambda *a: f(*a, checkpoints=2)), mixes(f), strict=True)
    ):
        h = np.stack([H, -H]) if k in (3, 4) else H
        want = plain(W, h, XS)
        if f is not scan_in_scan:  # which the interpreter takes a minute for
            close(few(W, h, XS), want, 1e-10)
        close(wl.jit(few)(W, h, XS), want, 1e-10)


def test_a_second_reverse_pass_over_the_second_derivative():
    def curve(h, **options):
        f = lambda x: np.sum(lax.scan(lambda h, _: (np.sin(h) * x, None), h, None, 5, **options)[0])  # noqa: E731
        return np.sum(wl.grad(lambda x: wl.grad(f)(x) ** 2)(0.7) * h)

    close(wl.jit(wl.grad(lambda h: curve(h, checkpoints=2)))(H), wl.grad(curve)(H), 1e-10)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_loops(length: int):
    for checkpoints in (1, 2, 5):
        for f in (rnn, backward):
            plain = wl.grad(f, (0, 1, 2))(W, H, XS[:length])
            few = wl.jit(wl.grad(lambda *a: f(*a, checkpoints=checkpoints), (0, 1, 2)))  # noqa: B023
            close(few(W, H, XS[:length]), plain)


KINDS = [np.zeros(2, np.float16), np.float32(0.3), np.array([0.3 + 0.1j, 0.2]), np.zeros((0, 3))]


@pytest.mark.parametrize("a", KINDS)
@pytest.mark.parametrize("b", [np.array([True, False]), np.float64(2), np.zeros((2, 0), np.int8)])
def test_carries_of_every_kind_are_kept(a: np.ndarray, b: np.ndarray):
    def f(a, **options):
        def step(carry, _):
            a, b = carry
            factor = np.sum(np.where(b, 1, 2)).astype(a.real.dtype)
            return (np.sin(a) * factor, ~b if b.dtype == bool else b), None

        a = lax.scan(step, (a, b), None, 6, **options)[0][0]
        return np.sum(np.real(a * a))

    found = wl.jit(wl.grad(lambda a: f(a, checkpoints=2)))(a)
    assert found.dtype == a.dtype
    close(found, wl.jit(wl.grad(f))(a), 1e-3 if a.dtype == np.float16 else 1e-6)


def test_a_step_prints_once_however_often_it_runs(capfd: pytest.CaptureFixture[str]):
    def step(h, i):
        wl.debug_print("step {}", i)
        inner = lax.scan(lambda h, j: (wl.debug_print("inner"), (np.sin(h), None))[1], h, None, 1)
        return inner[0], None

    def again(carry):
        wl.debug_print("while {}", carry[1])
        return np.sin(carry[0]), carry[1] + 1

    def f(h):
        h = lax.scan(step, h, np.arange(5), checkpoints=2)[0]
        h, _ = lax.while_loop(lambda c: c[1] < 4, again, (h, 0), checkpoints=1)
        return np.sum(h)

    wl.jit(wl.value_and_grad(f))(H)
    steps = [line for i in range(5) for line in (f"step {i}", "inner")]
    assert capfd.readouterr().out.split("\n")[:-1] == [*steps, *(f"while {i}" for i in range(4))]


# ---------------------------------------------------------------- programs


def test_what_is_kept_is_listed_with_its_line():
    f = lambda h: np.sum(lax.scan(lambda h, _: (np.sin(h), None), h, None, 99, checkpoints=5)[0])  # noqa: E731
    sizes = {str(r.type): r.origin for r in wl.saved_residuals(f, H)}
    assert sizes["f64[3]"].startswith("from the argument")
    assert sizes["f64[6, 3]"].startswith("carries kept of a loop from test_checkpointed_loops.py:")


def test_a_derivative_is_printed_and_read_back():
    f = lambda h: rnn(W, h, XS, checkpoints=2)  # noqa: E731
    for g in (f, wl.grad(f), lambda h: wl.linearize(f, h)[1](h)):
        graph = wl.trace(g, H).graph
        text = print_graph(graph)
        assert "checkpoints=2" in text
        back = parse(text, constants_of(graph))
        assert back == graph and print_graph(back) == text


def arena_bytes(length: int, checkpoints: int | None) -> int:
    w, h = np.ones((64, 64), np.float32), np.ones((16, 64), np.float32)

    def f(w, h):
        step = lambda h, _: (np.tanh(h @ w), None)  # noqa: E731
        return np.sum(lax.scan(step, h, None, length, checkpoints=checkpoints)[0])

    graph = wl.trace(wl.value_and_grad(f), w, h).graph
    return compile_graph(graph, host()).plan.arena_bytes


def test_memory_is_that_of_the_kept_carries_and_of_one_turn():
    carry = 4 * 16 * 64
    for checkpoints, length in ((1, 100), (5, 100), (5, 1000), (20, 1000)):
        used = arena_bytes(length, checkpoints)
        assert (checkpoints + 1) * carry <= used <= (checkpoints + 10) * carry + 3 * 4 * 64 * 64
    assert arena_bytes(1000, 5) == arena_bytes(100, 5)
    assert arena_bytes(1000, None) > 1000 * carry


def test_memory_of_a_while_loop_is_that_of_the_kept_carries():
    w, h = np.ones((64, 64), np.float32), np.ones((16, 64), np.float32)

    def f(w, h, n):
        step = lambda c: (np.tanh(c[0] @ w), c[1] + 1)  # noqa: E731
        return np.sum(lax.while_loop(lambda c: c[1] < n, step, (h, 0), checkpoints=20)[0])

    graph = wl.trace(wl.value_and_grad(f), w, h, 3).graph
    used = compile_graph(graph, host()).plan.arena_bytes
    assert 21 * h.nbytes <= used <= 30 * h.nbytes + 3 * w.nbytes


def test_the_program_is_no_longer_for_a_longer_loop():
    def nodes(length: int) -> int:
        f = wl.grad(lambda h: rnn(W, h, np.zeros((length, 3)), checkpoints=7))
        return len(str(wl.trace(f, H).graph).splitlines())

    assert nodes(20) == nodes(10_000)


# ---------------------------------------------------------------- words


def words(f: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(ProgramError) as caught:
        f(*args)
    return caught.value.what


@pytest.mark.parametrize("name", ["scan", "fori_loop", "while_loop"])
def test_a_number_of_checkpoints_is_a_python_int_of_one_or_more(name: str):
    def loop(checkpoints: Any) -> Any:
        if name == "scan":
            return lax.scan(lambda h, _: (h, None), 1.0, None, 3, checkpoints=checkpoints)
        if name == "while_loop":
            return lax.while_loop(lambda h: h < 0, lambda h: h, 1.0, checkpoints=checkpoints)
        return lax.fori_loop(0, 3, lambda i, h: h, 1.0, checkpoints=checkpoints)

    one = f"{name}: 1 checkpoint or more is required, got "
    assert words(loop, 0) == one + "0" and words(loop, -3) == one + "-3"
    kind = f"{name}: an int or None is required for checkpoints, got "
    assert words(loop, 2.0) == f"{kind}2.0" and words(loop, "2") == f"{kind}'2'"
    whole = f"{name}: a number of checkpoints of one Python int is required, got "
    assert words(loop, True) == whole + "bool True"
    assert words(wl.jit(loop), 2).startswith(name)
    loop(np.int64(2))


def test_a_while_loop_without_checkpoints_says_how_to_have_a_gradient():
    with pytest.raises(ProgramError) as caught:
        wl.grad(lambda h: grown(W, h, XS))(H)
    assert "try: checkpoints=10, say, in the call of the loop" in str(caught.value)
    assert "h, i, total = lax.while_loop(" in str(caught.value)


def test_the_gradient_of_a_while_loop_has_no_gradient():
    slope = wl.grad(lambda h: grown(W, h, XS, checkpoints=3))
    with pytest.raises(ProgramError) as caught:
        wl.grad(lambda h: np.sum(slope(h)))(H)
    assert caught.value.what == (
        "while_loop: its gradient has no derivative in reverse mode, only in forward mode"
    )
    assert "lax.while_loop(" in caught.value.where and "wl.jacfwd" in caught.value.repair


def test_a_loop_of_no_turns_through_which_nothing_moves_is_none_of_the_derivative() -> None:
    def f(x: Any) -> Any:
        step = lambda c, y: (c + 1, c + y.astype(np.int32))  # noqa: E731
        count, _ = lax.scan(step, np.int32(2), x[:0], checkpoints=2)
        return np.sum(np.sin(x)) * count

    x = np.array([0.3, 2.0])
    close(wl.jit(wl.grad(f))(x), 2 * np.cos(x))
