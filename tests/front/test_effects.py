"""Prints, Python functions and checks in programs: once, in order; their errors reach the user."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.text import constants_of, parse
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.interpreter import interpret

X = np.array([0.5, 1.0, 2.0])
SCALAR = wl.ShapeDtypeStruct((), np.float64)


def close(x: Any, y: Any) -> None:
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12, atol=1e-12)


def printing(x: Any) -> Any:
    wl.debug.print("first {}", np.sum(x))
    y = np.sum(np.sin(x))
    wl.debug.print("then {y:.2f} of {}", {"n": x.shape[0]}, y=y)
    return y


SHOWN = ["first 3.5", "then 2.23 of {'n': 3}"]


# ---------------------------------------------------------------- printing


@pytest.mark.parametrize(
    "program",
    [
        printing,
        wl.jit(printing),
        wl.grad(printing),
        wl.value_and_grad(printing),
        wl.jit(wl.grad(printing)),
        wl.jit(lambda x: wl.jit(printing)(x)),
        lambda x: wl.vjp(printing, x)[1](1.0),
        lambda x: wl.jvp(printing, (x,), (x,)),
        wl.jit(lambda x: wl.jvp(printing, (x,), (x,))[1]),
        wl.jit(wl.grad(lambda x: np.sum(wl.grad(printing)(x)))),
        wl.jit(lambda x: wl.checkpoint(printing)(x)),
    ],
)
def test_prints_happen_once_in_order_with_primal_values(program: Any, capsys: Any) -> None:
    for _ in range(2):
        program(X)
        assert capsys.readouterr().out.splitlines() == SHOWN


def test_a_print_of_a_function_whose_result_nobody_reads_happens(capsys: Any) -> None:
    @wl.jit
    def program(x: Any) -> Any:
        printing(x)
        wl.jit(printing)(x)
        wl.checkpoint(printing)(x)
        wl.grad(printing)(x)
        return x

    program(X)
    assert capsys.readouterr().out.splitlines() == 4 * SHOWN


def test_a_program_may_do_nothing_but_print(capsys: Any) -> None:
    def program(x: Any) -> None:
        wl.debug.print("{}", x)

    for run in (program, wl.jit(program), wl.jit(program).compile(X)):
        assert run(X) is None
        assert capsys.readouterr().out == "[0.5 1.  2. ]\n"


def test_prints_in_a_region_that_is_computed_again_happen_once(capsys: Any) -> None:
    def block(x: Any) -> Any:
        wl.debug.print("block")
        return np.sin(np.sin(x))

    wl.jit(wl.grad(lambda x: np.sum(wl.checkpoint(block)(x))))(X)
    assert capsys.readouterr().out == "block\n"


def test_prints_in_rules_happen_where_the_rule_runs(capsys: Any) -> None:
    @wl.custom_vjp
    def f(x: Any) -> Any:
        return x

    def bwd(_: None, ct: Any) -> Any:
        wl.debug.print("ct {}", ct)
        return (ct,)

    f.defvjp(lambda x: (x, None), bwd)
    wl.jit(wl.grad(lambda x: np.sum(f(x) * 2)))(X)
    assert capsys.readouterr().out == "ct [2. 2. 2.]\n"
    wl.jit(f)(X)
    assert capsys.readouterr().out == ""


def test_a_batch_prints_for_each_element(capsys: Any) -> None:
    graph = wl.trace(printing, X).graph
    batched = verify(batch(graph, (True,), 2)[0])
    interpret(batched, np.stack([X, X]))
    assert capsys.readouterr().out.splitlines() == [SHOWN[0], SHOWN[0], SHOWN[1], SHOWN[1]]


def test_arguments_of_prints_are_trees_and_anything_that_prints(capsys: Any) -> None:
    def program(x: Any) -> Any:
        wl.debug.print("{0} {1} {k[a]} {2}", {"x": x, "l": [1, (x,)]}, None, "s", k={"a": x})
        return x

    for run in (program, wl.jit(program)):
        run(np.float64(2))
        assert capsys.readouterr().out.count("2.") == 3


def test_the_text_of_a_program_with_effects_reads_back() -> None:
    def program(x: Any) -> Any:
        wl.check(x > 0, "positive")
        y = wl.pure_callback(np.cos, wl.ShapeDtypeStruct(x.shape, x.dtype), x)
        return printing(y)

    graph = verify(wl.trace(program, X).graph)
    assert parse(str(graph), constants_of(graph)) == graph
    with pytest.raises(ProgramError, match=r"the Python function cos_\d+ is not among"):
        parse(str(graph))


def test_every_pass_keeps_the_effects() -> None:
    graph = wl.trace(wl.grad(printing), X).graph
    flat = verify(inline(graph))
    tokens = [n.args[0] for n in flat.nodes if n.op.name == "debug_print"]
    assert len(tokens) == 2 and tokens[1].node is not None
    assert tokens[1].node.op.name == "debug_print"


def test_a_training_step_prints_its_loss(capsys: Any) -> None:
    optimizer = wl.optim.sgd(0.1)

    @wl.jit
    def step(w: Any, state: Any, x: Any) -> Any:
        def loss(w: Any) -> Any:
            found = np.mean((x @ w - 1) ** 2)
            wl.debug.print("loss {:.3f}", found)
            return found

        gradient = wl.grad(loss)(w)
        wl.debug.callback(lambda g: seen.append(float(np.max(np.abs(g)))), gradient)
        updates, state = optimizer.update(gradient, state, w)
        return wl.optim.apply_updates(w, updates), state

    seen: list[float] = []
    w, x = np.zeros(3), np.eye(3)
    state = optimizer.init(w)
    for _ in range(3):
        w, state = step(w, state, x)
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == [
        "loss 1",
        "loss 0",
        "loss 0",
    ]
    assert len(seen) == 3 and seen[0] > seen[1] > seen[2]


# ---------------------------------------------------------------- callbacks


def test_a_pure_callback_computes_in_the_middle_of_a_program() -> None:
    def program(x: Any) -> Any:
        out = {"a": wl.ShapeDtypeStruct(x.shape, x.dtype), "b": SCALAR}
        found = wl.pure_callback(lambda x, k: {"a": np.cos(x) * k, "b": x.sum()}, out, x * 2, 3)
        return found["a"] + found["b"]

    for run in (program, wl.jit(program)):
        close(run(X), 3 * np.cos(2 * X) + 2 * X.sum())


@pytest.mark.parametrize("method", ["sequential", "expand_dims", "broadcast_all"])
def test_a_batch_calls_back_as_its_method_says(method: str) -> None:
    shapes = []

    def host(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        shapes.append((x.shape, y.shape))
        return x * y

    def program(x: Any, y: Any) -> Any:
        return wl.pure_callback(
            host, wl.ShapeDtypeStruct((3,), np.float64), x, y, vmap_method=method
        )

    graph = verify(batch(wl.trace(program, X, X).graph, (True, False), 2)[0])
    (found,) = interpret(graph, np.stack([X, 2 * X]), X)
    close(found, np.stack([X * X, 2 * X * X]))
    assert (
        shapes
        == {
            "sequential": [((3,), (3,))] * 2,
            "expand_dims": [((2, 3), (1, 3))],
            "broadcast_all": [((2, 3), (2, 3))],
        }[method]
    )


def test_a_callback_without_a_rule_for_batches_or_derivatives_says_so() -> None:
    def pure(x: Any) -> Any:
        return wl.pure_callback(np.sin, wl.ShapeDtypeStruct(x.shape, x.dtype), x)

    graph = wl.trace(pure, X).graph
    with pytest.raises(ProgramError, match="pure_callback: sin has no rule for vmap") as caught:
        batch(graph, (True,), 2)
    assert "vmap_method='sequential'" in caught.value.repair
    with pytest.raises(ProgramError, match="pure_callback: sin has no derivative") as caught:
        wl.grad(lambda x: np.sum(pure(x)))(X)
    assert "custom_jvp" in caught.value.repair and "test_effects.py:" in caught.value.where
    ordered = wl.trace(lambda x: wl.io_callback(np.sum, SCALAR, x, ordered=True), X).graph
    with pytest.raises(ProgramError, match="io_callback: sum is ordered, it has no rule for vmap"):
        batch(ordered, (True,), 2)


def test_a_callback_with_a_rule_has_derivatives() -> None:
    @wl.custom_jvp
    def sine(x: Any) -> Any:
        return wl.pure_callback(np.sin, wl.ShapeDtypeStruct(x.shape, x.dtype), x)

    sine.defjvp(lambda primals, tangents: (sine(*primals), np.cos(primals[0]) * tangents[0]))
    close(wl.jit(wl.grad(lambda x: np.sum(sine(x))))(X), np.cos(X))
    close(wl.stop_gradient(X), X)


def test_an_io_callback_runs_exactly_once_and_in_order() -> None:
    log: list[Any] = []

    def draw(k: np.ndarray) -> np.float64:
        log.append(int(k))
        return np.float64(len(log))

    @wl.jit
    def program(k: Any) -> Any:
        a = wl.io_callback(draw, SCALAR, k)
        b = wl.io_callback(draw, SCALAR, k)
        wl.io_callback(lambda: log.append("end"), None)
        return b * 10 + a * 0

    assert program(7) == 20.0 and log == [7, 7, "end"]
    assert program(8) == 50.0 and log[3:] == [8, 8, "end"]


def test_an_exception_of_a_callback_reaches_the_caller_and_leaves_the_program_usable() -> None:
    def host(x: np.ndarray) -> np.ndarray:
        if x[0] < 0:
            raise KeyError("negative")
        return np.sqrt(x)

    step = wl.jit(
        lambda x: np.sin(wl.pure_callback(host, wl.ShapeDtypeStruct((3,), np.float64), x * 2)),
        donate_argnums=0,
    )
    close(step(X.copy()), np.sin(np.sqrt(2 * X)))
    for run in (step, wl.jit(step, disable_jit=True)):
        with pytest.raises(KeyError, match="negative"):
            run(-X)
    close(step(X.copy()), np.sin(np.sqrt(2 * X)))


# ---------------------------------------------------------------- checks


def test_a_check_raises_with_the_line_and_the_values() -> None:
    def program(x: Any) -> Any:
        wl.check(x > 0, "x must be positive, got {}", np.min(x))
        return np.log(x)

    for run in (program, wl.jit(program), wl.jit(wl.grad(lambda x: np.sum(program(x))))):
        run(X)
        with pytest.raises(AssertionError) as caught:
            run(-X)
        first, second = str(caught.value).splitlines()
        assert first == "check: x must be positive, got -2.0"
        assert second.startswith("  test_effects.py:") and "wl.check(x > 0" in second
        run(X)


def test_values_without_a_place_in_the_message_stand_behind_it() -> None:
    with pytest.raises(AssertionError, match=r"check: finite, got 3\.0, \[0\.5 1\.  2\. \]"):
        wl.jit(lambda x: wl.check(x < 0, "finite", 3.0, x))(X)


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wl.debug.print("{} {}", x), "debug_print: an argument 1 is required by '{} {}'"),
        (lambda x: wl.debug.print("{y}", x=x), "debug_print: an argument y is required by '{y}'"),
        (lambda x: wl.debug.print("{}", x, x), "debug_print: '{}' does not print argument 1"),
        (lambda x: wl.debug.print("{", x), "debug_print: "),
        (lambda x: wl.debug.print(x), "debug_print: a format is required, got"),
        (lambda x: wl.check(x, "no"), "check: a condition of bool is required, got f64[3]"),
        (lambda x: wl.check(x > 0, x), "check: a message is required, got"),
        (
            lambda x: wl.debug.callback(3, x),  # pyright: ignore[reportArgumentType]
            "debug_callback: a function is required, got 3",
        ),
        (lambda x: wl.pure_callback(np.sin, 3, x), "pure_callback: types of results are required"),
        (
            lambda x: wl.pure_callback(np.sin, SCALAR, x, vmap_method="loop"),
            "pure_callback: a vmap_method of sequential, sequential_unrolled",
        ),
    ],
)
def test_wrong_calls_name_the_line(call: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        wl.jit(call)(X)
    assert message in str(caught.value)
    assert "test_effects.py:" in caught.value.where


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: x[:2], "pure_callback: f64[3] is required of <lambda>, got float64[2]"),
        (lambda x: x.astype("f4"), "f64[3] is required of <lambda>, got float32[3]"),
        (lambda x: (x, x), "pure_callback: <lambda> gives another tree than it was said to"),
        (lambda x: None, "gives another tree than it was said to"),
    ],
)
def test_results_of_another_type_are_refused(result: Any, message: str) -> None:
    program = wl.jit(lambda x: wl.pure_callback(result, wl.ShapeDtypeStruct((3,), np.float64), x))
    with pytest.raises(ProgramError) as caught:
        program(X)
    assert message in str(caught.value)


def test_a_program_that_calls_python_is_not_saved(tmp_path: Any) -> None:
    compiled = wl.jit(lambda x: wl.pure_callback(np.sum, SCALAR, x)).compile(X)
    with pytest.raises(ProgramError, match="save: a program without Python functions is required"):
        compiled.save(tmp_path / "f.zip")
    wl.jit(printing).compile(X).save(tmp_path / "g.zip")


def test_a_saved_program_prints(tmp_path: Any, capsys: Any) -> None:
    wl.jit(printing).compile(X).save(tmp_path / "g.zip")
    wl.load(tmp_path / "g.zip")(X)
    assert capsys.readouterr().out.splitlines() == SHOWN


# ---------------------------------------------------------------- vmap


def test_vmap_prints_and_calls_back_for_every_element(capsys: Any) -> None:
    def program(x: Any) -> Any:
        wl.debug.print("{}", x)
        return wl.pure_callback(np.sin, SCALAR, x, vmap_method="sequential")

    for run in (wl.vmap(program), wl.jit(wl.vmap(program))):
        close(run(X), np.sin(X))
        assert capsys.readouterr().out.splitlines() == ["0.5", "1.0", "2.0"]
    wl.vmap(wl.vmap(lambda x: wl.debug.print("{}", x)))(np.arange(4).reshape(2, 2))
    assert capsys.readouterr().out.splitlines() == ["0", "1", "2", "3"]


def test_vmap_of_derivatives_prints_primal_values(capsys: Any) -> None:
    def loss(x: Any) -> Any:
        wl.debug.print("{}", x)
        return x**2

    close(wl.jit(wl.vmap(wl.grad(loss)))(X), 2 * X)
    assert capsys.readouterr().out.splitlines() == ["0.5", "1.0", "2.0"]


# ---------------------------------------------------------------- loops and branches


def test_loops_and_branches_print_at_every_turn_and_where_they_go(capsys: Any) -> None:
    def step(total: Any, x: Any) -> Any:
        wl.debug.print("turn {}", x)
        wl.lax.cond(x > 1, lambda: wl.debug.print("large"), lambda: None)
        return total + x, None

    def program(xs: Any) -> Any:
        wl.debug.print("before")
        total, _ = wl.lax.scan(step, 0.0, xs)
        wl.debug.print("after {}", total)
        return total

    expected = ["before", "turn 0.0", "turn 1.0", "turn 2.0", "large", "after 3.0"]
    xs = np.arange(3.0)
    for run in (program, wl.jit(program), wl.grad(program), wl.jit(wl.grad(program))):
        run(xs)
        assert capsys.readouterr().out.splitlines() == expected


def test_a_loop_for_its_effects_alone_runs(capsys: Any) -> None:
    def shown(_: None, x: Any) -> Any:
        wl.debug.print("{}", x)
        return None, None

    @wl.jit
    def program(xs: Any) -> Any:
        wl.lax.scan(shown, None, xs)
        wl.lax.fori_loop(0, 2, lambda i, x: wl.debug.print("i {}", i) or x, xs)
        return xs

    program(np.arange(2))
    assert capsys.readouterr().out.split("\n")[:4] == ["0", "1", "i 0", "i 1"]


def test_a_check_in_a_loop_raises_at_its_turn() -> None:
    def step(x: Any, _: Any) -> Any:
        wl.check(x < 10, "grows to {}", x)
        return x * 3, x

    run = wl.jit(lambda x: wl.lax.scan(step, x, None, length=5))
    close(run(0.1)[1][-1], 8.1)
    with pytest.raises(AssertionError, match=r"check: grows to 27\.0"):
        run(1.0)


def test_of_a_loop_with_effects_only_they_leave_the_native_table(capsys: Any) -> None:
    def program(x: Any) -> Any:
        def step(c: Any, i: Any) -> Any:
            c = np.tanh(c @ c)
            wl.lax.cond(i % 2 == 0, lambda: wl.debug.print("{}: {}", i, c[0, 0]), lambda: None)
            return c, np.sum(c)

        return wl.lax.scan(step, x, np.arange(4))

    x = np.linspace(0, 1, 64).reshape(8, 8)
    compiled = wl.jit(program)
    table = compiled.inspect(x)["table"]
    assert re.findall(r"host (\w+)", table) == ["debug_print"]
    assert re.search(r"loop scan.*\n(.*\n)?.*  fold_sum_tanh", table), table
    expected, said = program(x), capsys.readouterr().out
    for a, b in zip(compiled(x), expected, strict=True):
        close(a, b)
    assert capsys.readouterr().out == said and said.count("\n") == 2


def test_an_error_in_a_turn_leaves_the_loop_as_new() -> None:
    def program(x: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            wl.check(np.max(c) < 10, "grew to {}", np.max(c))
            return c * 2, c

        return wl.lax.scan(step, x, None, length=5)[0]

    compiled = wl.jit(program)
    for start in (0.1, 1.0, 0.2, 3.0, 0.3):
        if start < 1:
            close(compiled(np.full(2, start)), np.full(2, start * 32))
        else:
            with pytest.raises(AssertionError, match="check: grew to"):
                compiled(np.full(2, start))


def test_a_print_that_is_the_same_in_every_turn_stays_in_the_loop(capsys: Any) -> None:
    def program(x: Any, c: Any) -> Any:
        def step(total: Any, _: Any) -> Any:
            wl.debug.print("c {}", np.sum(c))
            return total * 0.5 + np.sum(c), None

        return wl.lax.scan(step, x, None, length=3)[0]

    wl.jit(program)(1.0, X)
    assert capsys.readouterr().out.splitlines() == ["c 3.5"] * 3


def test_rules_and_regions_hold_in_loops() -> None:
    @wl.custom_jvp
    def f(x: Any) -> Any:
        return np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 2 * np.cos(primals[0]) * tangents[0]))

    def loss(g: Any, x: Any) -> Any:
        return np.sum(wl.lax.scan(lambda c, _: (g(c), None), x, None, length=3)[0])

    def plain(x: Any) -> Any:
        return np.sum(f(f(f(x))))

    close(wl.jit(wl.grad(lambda x: loss(f, x)))(X), wl.grad(plain)(X))
    region = wl.checkpoint(lambda x: np.sin(np.sin(x)))
    expected = wl.grad(lambda x: loss(lambda x: np.sin(np.sin(x)), x))(X)
    close(wl.jit(wl.grad(lambda x: loss(region, x)))(X), expected)
