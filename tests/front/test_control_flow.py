"""Loops and branches of wonderland.lax: values, types, derivatives of all mixes, messages."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.printing import print_graph
from wonderland.compiler.ir.text import parse

RNG = np.random.default_rng(0)
W, XS, H = RNG.normal(size=(3, 3)), RNG.normal(size=(5, 3)), RNG.normal(size=3)


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- values


def test_a_scan_is_the_loop_it_stands_for():
    def step(carry, x):
        h = np.tanh(carry["h"] @ W + x["u"])
        return {"h": h, "n": carry["n"] + 1}, (h, {"sum": np.sum(h * x["v"])})

    xs = {"u": XS, "v": XS[::-1].copy()}
    for reverse in (False, True):
        carry, (hs, out) = lax.scan(step, {"h": H, "n": 0}, xs, reverse=reverse)
        h, n, expected = H, 0, np.zeros(5)
        for i in reversed(range(5)) if reverse else range(5):
            h, n = np.tanh(h @ W + xs["u"][i]), n + 1
            expected[i] = np.sum(h * xs["v"][i])
            close(hs[i], h)
        close(carry, {"h": h, "n": n})
        close(out["sum"], expected)


def test_a_scan_without_sequences_needs_a_length_and_one_of_length_0_gives_the_initial_carry():
    carry, ys = lax.scan(lambda c, _: (c * 2, c), 1.0, None, 4)
    assert carry == 16.0 and ys.tolist() == [1, 2, 4, 8]
    carry, ys = lax.scan(lambda c, x: (c + x, c), np.float32(3), np.zeros(0, np.float32))
    assert carry.dtype == np.float32 and carry == 3 and ys.shape == (0,)


def test_a_carry_that_begins_as_a_python_number_takes_the_type_of_the_function():
    x = np.ones(3, np.float32)
    total, _ = lax.scan(lambda c, x: (c + x, None), 0.0, x)
    assert total.dtype == np.float32 and total == 3
    total, _ = lax.scan(lambda c, x: (c + x, None), 0, x)
    assert total.dtype == np.float32
    count = lax.fori_loop(0, 3, lambda i, c: c + 1, 0)
    assert count.dtype == np.int64 and count == 3
    assert lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + x[0], c[1]), (0.0, 0))[0] == 3
    chosen: Any = lax.cond(True, lambda x: x, lambda x: 0.0, x[0])
    assert chosen.dtype == np.float32


def test_the_counter_of_a_loop_of_known_bounds_widens_nothing():
    x = lax.fori_loop(1, 4, lambda i, x: x * i, np.float32(1))
    assert x.dtype == np.float32 and x == 6
    assert lax.fori_loop(np.int32(5), np.int32(2), lambda i, x: x * i, 7) == 7


def test_bounds_may_be_known_when_the_program_runs():
    count = wl.jit(lambda n, x: lax.fori_loop(0, n, lambda i, x: x + i, x))
    assert [count(n, 1) for n in (0, 1, 4)] == [1, 1, 7]


def test_branches_are_chosen_by_a_bool_or_a_clamped_index():
    for f in (lax.cond, wl.jit(lax.cond, static_argnums=(1, 2))):
        assert f(True, np.sin, np.cos, 0.0) == 0 and f(np.bool_(False), np.sin, np.cos, 0.0) == 1
        assert f(2.5, np.sin, np.cos, 0.0) == 0
    three = wl.jit(lambda i, x: lax.switch(i, [lambda x: x, lambda x: 2 * x, lambda x: 3 * x], x))
    assert [int(three(i, 1)) for i in (-9, 0, 1, 2, 3, 99)] == [1, 1, 2, 3, 3, 3]
    assert three(np.uint8(200), 1) == 3


def test_map_applies_to_every_element():
    close(
        lax.map(lambda x: {"norm": np.sqrt(np.sum(x * x))}, XS)["norm"], np.linalg.norm(XS, axis=1)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("reverse", [False, True])
def test_an_associative_scan_is_the_scan(n: int, reverse: bool):
    """Affine maps compose associatively: the states of a linear recurrence."""
    a, b = RNG.normal(size=(2, n)), RNG.normal(size=(2, n))

    def compose(first, second):
        return second[0] * first[0], second[0] * first[1] + second[1]

    found = lax.associative_scan(compose, (a, b), reverse, axis=1)
    order = range(n)[::-1] if reverse else range(n)
    x = np.zeros(2)
    for i in order:
        x = a[:, i] * x + b[:, i]
        close(found[1][:, i], x)


def test_bodies_read_values_of_the_functions_around_them():
    def f(x, w):
        scale = np.sum(x)

        def outer(c, row):
            inner = lax.fori_loop(0, 2, lambda i, s: s * scale + row[0], c)
            return inner, lax.cond(scale > 0, lambda: inner * w, lambda: -inner)

        return lax.scan(outer, 0.0, x)

    for x in (XS, -XS):
        c, scale, ys = 0.0, np.sum(x), []
        for row in x:
            for _ in range(2):
                c = c * scale + row[0]
            ys.append(c * 3.0 if scale > 0 else -c)
        close(f(x, 3.0), (c, np.array(ys)))
        close(wl.jit(f)(x, 3.0), (c, np.array(ys)))


# ---------------------------------------------------------------- derivatives


def rnn(w, xs):
    def step(h, x):
        h = np.tanh(h @ w + x)
        return h, lax.cond(np.sum(h) > 0, lambda h: h * h, lambda h: h, h)

    h, ys = lax.scan(step, np.zeros(3), xs)
    return np.sum(ys * ys) + np.sum(h)


def scan_in_scan(w, xs):
    def outer(c, x):
        inner, ys = lax.scan(lambda h, v: (np.sin(h * w[0, 0] + v), h * c), x[0], x)
        return c + inner, np.sum(ys)

    c, ys = lax.scan(outer, 0.5, xs, reverse=True)
    return c * np.sum(ys)


def counted(w, xs):
    return np.sum(
        lax.fori_loop(0, 4, lambda i, h: np.cos(h @ w) * i + wl.numpy.take(xs, i, axis=0), xs[0])
    )


def switched(w, xs):
    branches = [lambda x: x * w[0], lambda x: np.exp(x), lambda x: np.full_like(x, 2.0)]
    return np.sum(lax.scan(lambda i, x: (i + 1, lax.switch(i, branches, x)), 0, xs)[1] ** 2)


def associative(w, xs):
    return np.sum(np.sin(lax.associative_scan(lambda a, b: a * b, xs * w[0])))


def mapped(w, xs):
    return np.sum(lax.map(lambda x: np.tanh(w @ x), xs) ** 2)


PROGRAMS = [rnn, scan_in_scan, counted, switched, associative, mapped]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients_to_second_order_are_differences(f: Callable[..., Any]):
    wl.testing.check_gradients(f, W, XS, order=2)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_every_mix_of_forward_and_reverse_agrees(f: Callable[..., Any]):
    dw, dx = RNG.normal(size=W.shape), RNG.normal(size=XS.shape)
    slopes = wl.grad(f, (0, 1))(W, XS)
    along = np.vdot(slopes[0], dw) + np.vdot(slopes[1], dx)
    close(wl.jvp(f, (W, XS), (dw, dx))[1], along)
    close(wl.linearize(f, W, XS)[1](dw, dx), along)

    def sloped(w, x):  # forward over forward, reverse over forward, forward over reverse
        return wl.jvp(f, (w, x), (dw, dx))[1]

    second = wl.jvp(sloped, (W, XS), (dw, dx))[1]
    reverse = wl.grad(sloped, (0, 1))(W, XS)
    close(np.vdot(reverse[0], dw) + np.vdot(reverse[1], dx), second, 1e-9)
    mixed = wl.jvp(wl.grad(f, (0, 1)), (W, XS), (dw, dx))[1]
    close(mixed, reverse, 1e-9)
    twice = wl.grad(lambda w, x: np.vdot(wl.grad(f)(w, x), dw), (0, 1))(W, XS)
    close(np.vdot(twice[0], dw), np.vdot(wl.jvp(wl.grad(f), (W, XS), (dw, 0 * dx))[1], dw), 1e-9)


def newton(a):
    """The square root of a by Newton's method, until it no longer moves."""
    start = (a, 0.5 * (a + 1.0))
    return lax.while_loop(
        lambda x: np.abs(x[1] - x[0]) > 1e-12, lambda x: (x[1], 0.5 * (x[1] + a / x[1])), start
    )[1]


def test_a_while_loop_has_derivatives_in_forward_mode():
    value, slope = wl.jvp(newton, (2.0,), (1.0,))
    close((value, slope), (np.sqrt(2), 0.5 / np.sqrt(2)))
    _, curvature = wl.jvp(lambda a: wl.jvp(newton, (a,), (1.0,))[1], (2.0,), (1.0,))
    close(curvature, -0.25 * 2.0**-1.5, 1e-9)
    close(wl.linearize(newton, 2.0)[1](1.0), slope)
    close(wl.jit(lambda a: wl.jvp(newton, (a,), (1.0,))[1])(2.0), slope)


BODIES = {
    "moves": np.sin,
    "has no slope": np.floor,
    "forgets": lambda c: 0 * wl.stop_gradient(c) + 1,
    "waits": wl.stop_gradient,
}
NO_TURNS = {
    "fori_loop": lambda body, x: lax.fori_loop(2, 1, lambda i, c: body(c), x),
    "scan": lambda body, x: lax.scan(lambda c, y: (body(c), c + y), x, np.zeros(0))[0],
    "scan of a length": lambda body, x: lax.scan(lambda c, _: (body(c), c), x, None, 0)[0],
    "while_loop": lambda body, x: lax.while_loop(lambda c: c > 9, body, x),
    "bounds that are told": lambda body, x: lax.fori_loop(
        0, np.int32(0), lambda i, c: body(c), x, checkpoints=2
    ),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("loop", NO_TURNS)
def test_a_loop_of_no_turns_has_the_derivative_of_what_it_begins_with(loop: str, body: str):
    f, x = lambda x: NO_TURNS[loop](BODIES[body], x * x), np.float64(1.5)
    assert wl.jvp(f, (x,), (np.float64(1),))[1] == 3
    if loop != "while_loop":
        assert wl.grad(f)(x) == 3
        assert np.array_equal(wl.vmap(wl.grad(f))(np.array([1.5, 2])), [3, 4])


def test_a_while_loop_in_reverse_says_what_to_use():
    with pytest.raises(
        ProgramError, match="while_loop: has no derivative in reverse mode"
    ) as caught:
        wl.grad(newton)(2.0)
    assert "try: checkpoints=10, say, in the call of the loop, lax.fori_loop with Python" in str(
        caught.value
    )
    assert "test_control_flow.py" in str(caught.value)


def test_what_no_derivative_needs_of_a_while_loop_is_reversed():
    def f(x):
        n = lax.while_loop(lambda n: n < 10.0, lambda n: n * 2, np.sum(np.round(x)))
        return np.sum(x * wl.stop_gradient(n))

    close(wl.grad(f)(np.ones(2)), np.array([16.0, 16.0]))


def test_only_what_moves_has_a_tangent_carry():
    def f(x):
        step = lambda c, v: ((c[0] + v, c[1] * 2.0, c[2] + 1), None)  # noqa: E731
        return lax.scan(step, (x, 1.0, 0), XS[:, 0])[0][0]

    graph = wl.trace(lambda x: wl.jvp(f, (x,), (1.0,))[1], 1.0).graph
    (loop,) = [n.op for n in graph.nodes if n.op.name == "scan"]
    assert loop.params["carries"] == 4


def test_what_does_not_change_crosses_once_and_sequences_cross_as_they_are():
    def f(w, xs):
        return lax.scan(lambda c, x: (c * np.exp(w) * x, None), 1.0, xs)[0]

    graph = wl.trace(wl.grad(f), 0.5, XS[:, 0]).graph
    first, second = (n for n in graph.nodes if n.op.name == "scan")
    stacked = first.types[first.op.params["carries"] :]
    assert len(stacked) == 1  # the carry: neither exp(w) nor x
    assert graph.inputs[1] in second.args
    wl.testing.check_gradients(f, 0.5, XS[:, 0])


def test_a_transposed_loop_with_a_counter_runs_the_counter_first():
    def f(x):
        step = lambda c, v: ((c[0] + 1, c[1] * c[0] + v), None)  # noqa: E731
        return lax.scan(step, (1, 0.0), x)[0][1]

    (found,) = wl.linear_transpose(f, np.zeros(4))(1.0)
    close(found, np.array([24.0, 12.0, 4.0, 1.0]))


def reverse_loop(f: Callable[..., Any], *args: Any) -> Any:
    """The scan of the gradient that runs backwards."""
    graph = wl.trace(wl.grad(f), *args).graph
    return [n for n in graph.nodes if n.op.name == "scan"][-1]


def test_the_gradient_of_weights_is_one_product_after_the_loop():
    h, xs = RNG.normal(size=(2, 3)), RNG.normal(size=(5, 2, 3))

    def f(p, xs):
        def step(h, x):
            return np.tanh(x @ p["w"] + h @ p["u"] + h @ p["w"].T + p["b"]), None

        return np.sum(lax.scan(step, h, xs)[0] ** 2)

    p = {"w": W, "u": W.T, "b": np.ones(3)}
    loop = reverse_loop(f, p, xs)
    assert loop.op.params["carries"] == 1  # the cotangent of h; no sum
    assert [t.shape for t in loop.types] == [(2, 3), (5, 2, 3)]
    wl.testing.check_gradients(f, p, xs, order=2)


def test_the_gradient_of_a_kernel_is_one_convolution_after_the_loop():
    h, xs = RNG.normal(size=(2, 6, 3)), RNG.normal(size=(4, 2, 6, 3))
    numbers = "NHC", "HIO", "NHC"

    def f(p, xs):
        def step(h, x):
            y = lax.conv_general_dilated(x, p["w"], (1,), "SAME", dimension_numbers=numbers)
            z = lax.conv_general_dilated(h, p["u"], (1,), "SAME", dimension_numbers=numbers)
            return np.tanh(y + z), None

        return np.sum(lax.scan(step, h, xs)[0] ** 2)

    p = {"w": RNG.normal(size=(5, 3, 3)), "u": RNG.normal(size=(4, 3, 3))}
    loop = reverse_loop(f, p, xs)
    assert loop.op.params["carries"] == 1  # the cotangent of h; no sum
    wl.testing.check_gradients(f, p, xs, order=2)


def test_a_sum_that_is_small_beside_what_a_turn_reads_stays_in_the_loop():
    xs = RNG.normal(size=(3, 50, 2))

    def f(w, xs):
        return np.sum(lax.scan(lambda c, x: (c + np.sum(np.tanh(x @ w) ** 2), None), 0.0, xs)[0])

    loop = reverse_loop(f, W[:2, :2], xs)
    assert loop.op.params["carries"] == 2
    wl.testing.check_gradients(f, W[:2, :2], xs, order=2)


def test_a_factor_that_is_the_same_in_every_turn_is_not_stacked():
    a = RNG.normal(size=(3, 3))

    def f(w, xs):
        def step(c, x):
            return np.tanh(c * x + a[0]), np.sum((a @ w) * x)

        c, ys = lax.scan(step, np.ones(3), xs)
        return np.sum(c) + np.sum(ys)

    wl.testing.check_gradients(f, W, XS, order=2)


# ---------------------------------------------------------------- text


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_loops_and_branches_read_back_as_text(f: Callable[..., Any]):
    from wonderland.compiler.ir.text import constants_of

    graph = wl.trace(wl.grad(f), W, XS).graph
    text = print_graph(graph)
    back = parse(text, constants_of(graph))
    assert back == graph and print_graph(back) == text


# ---------------------------------------------------------------- messages


X32 = np.ones(3, np.float32)
MISTAKES = {
    "scan: a carry keeps its type, f32[3] is required at carry['h'], got f64[3]": lambda: lax.scan(
        lambda c, x: ({"h": c["h"] + x}, None), {"h": X32}, XS
    ),
    "try: .astype(np.float32) of what the function returns, or an initial value of f64": lambda: (
        lax.scan(lambda c, x: (c + x, None), X32, XS)
    ),
    "while_loop: a carry keeps its type, f32 is required at carry, got f32[3]\n": lambda: (
        lax.while_loop(lambda x: np.sum(x) < 9, lambda x: x + X32, np.float32(0))
    ),
    "scan: a carry of the structure of the initial one is required, the tree is a leaf in one and "
    "a tuple of 0, 1 in the other": lambda: lax.scan(lambda c, x: ((c, c), None), 0.0, XS),
    "scan: f must return a pair (carry, y), got a tuple of 3": lambda: lax.scan(
        lambda c, x: (c, c, c),  # pyright: ignore[reportArgumentType]
        0.0,
        XS,
    ),
    "scan: f must return a pair (carry, y), got Tracer": lambda: lax.scan(
        lambda c, x: c + x, 0.0, XS
    ),
    "scan: sequences of one length are required, got f64[3] at xs['b'] beside f64[5, 3] at "
    "xs['a']": lambda: lax.scan(lambda c, x: (c, None), 0.0, {"a": XS, "b": H}),
    "scan: sequences of length 4 are required, got f64[5, 3] at xs": lambda: lax.scan(
        lambda c, x: (c, None), 0.0, XS, 4
    ),
    "scan: sequences or a length are required, got neither": lambda: lax.scan(
        lambda c, x: (c, None), 0.0
    ),
    "scan: an array with a leading axis is required at xs, got f64": lambda: lax.scan(
        lambda c, x: (c, None), 0.0, 1.0
    ),
    "scan: a length of 0 or more is required, got -1": lambda: lax.scan(
        lambda c, x: (c, None), 0.0, None, -1
    ),
    "while_loop: a condition that returns one bool is required, got bool[3]": lambda: (
        lax.while_loop(lambda x: x < 3, lambda x: x + 1, X32)
    ),
    "try: np.all or np.any of it": lambda: lax.while_loop(lambda x: x < 3, lambda x: x, X32),
    "cond: a scalar condition is required, got bool[3]": lambda: lax.cond(
        X32 > 0, np.sin, np.cos, X32
    ),
    "cond: branches that return the same types are required, got f32[3] and f64[3] of branch 1": (
        lambda: lax.cond(True, lambda x: x.astype(np.float64), lambda x: x, X32)
    ),
    "cond: branches that return the same types are required, got f64 and f64[3] at result[0] of "
    "branch 1": lambda: lax.cond(True, lambda: (H,), lambda: (0.0,)),
    "switch: branches that return the same structure are required, the tree is a leaf in one and "
    "a tuple of 0, 1 in the other": lambda: lax.switch(0, [lambda x: x, lambda x: (x, x)], X32),
    "switch: one branch or more is required, got none": lambda: lax.switch(0, [], X32),
    "switch: an index of one integer is required, got f64": lambda: lax.switch(0.5, [np.sin], H),
    "fori_loop: a bound of one integer is required, got f64": lambda: lax.fori_loop(
        0, 2.5, lambda i, x: x, 0
    ),
    "associative_scan: one size along axis 0 is required, got f64[3] and f64[5, 3]": lambda: (
        lax.associative_scan(lambda a, b: a, (H, XS))
    ),
    "associative_scan: fn must keep the type of its operands, f64[1], got f32[1]": lambda: (
        lax.associative_scan(lambda a, b: (a * b).astype(np.float32), H)
    ),
    "scan: a function is required, got 3": lambda: lax.scan(3, 0.0, XS),  # type: ignore
    "cond: a function is required, got 1.0": lambda: lax.cond(True, 1.0, np.sin, H),  # type: ignore
    "fori_loop: a function is required, got None": lambda: lax.fori_loop(0, 2, None, 0),  # type: ignore
    "map: a function is required, got 'f'": lambda: lax.map("f", XS),  # type: ignore
    "scan: a length of one Python int is required, got 2.5": lambda: lax.scan(
        lambda c, x: (c, None),
        0.0,
        None,
        2.5,  # type: ignore
    ),
    "map: sequences or a length are required, got neither": lambda: lax.map(np.sin, []),
    "fori_loop: a carry keeps its type, f32[3] is required at carry, got f64[3]": lambda: (
        lax.fori_loop(0, 3, lambda i, x: x.astype(np.float64) + H, X32)
    ),
    "arrays are required as results, got str 'h' at result[1]": lambda: lax.scan(
        lambda c, x: (c, "h"), 0.0, XS
    ),
}


@pytest.mark.filterwarnings("ignore::wonderland.WideningWarning")
@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_named_with_the_users_line(message: str):
    with pytest.raises(ProgramError, match=re.escape(message)) as caught:
        MISTAKES[message]()
    assert "test_control_flow.py" in str(caught.value)


# ---------------------------------------------------------------- JAX


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["scan", "while", "fori", "cond", "switch", "map", "associative"])
def test_values_and_types_are_those_of_jax(name: str):
    jax = pytest.importorskip("jax")
    x = np.linspace(0.1, 1, 6, dtype=np.float32).reshape(2, 3)
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "scan": lambda lax, np: lax.scan(
            lambda c, x: ((c[0] + x, c[1] + 1), np.sin(c[0])),
            (np.zeros(3, x.dtype), 0),
            x,
            reverse=True,
        ),
        "while": lambda lax, np: lax.while_loop(
            lambda c: np.sum(c) < 50, lambda c: c * 2 + 1, np.asarray(x[0])
        ),
        "fori": lambda lax, np: lax.fori_loop(2, 7, lambda i, c: np.cos(c) * i, np.asarray(x)),
        "cond": lambda lax, np: lax.cond(
            x[0, 0] > 0, lambda a, b: (a, b * 2), lambda a, b: (b[0], a + b), x[0], x
        ),
        "switch": lambda lax, np: lax.switch(9, [np.sin, np.cos, np.exp], x),
        "map": lambda lax, np: lax.map(lambda r: {"a": np.sum(r), "b": r[::-1]}, x),
        "associative": lambda lax, np: lax.associative_scan(np.multiply, np.asarray(x), axis=1),
    }
    with jax.enable_x64(True):
        theirs = calls[name](jax.lax, jax.numpy)
    ours = calls[name](lax, np)
    for a, b in zip(wl.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
