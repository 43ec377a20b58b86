"""custom_jvp and custom_vjp: rules of the user's hold in every order, mode and nesting."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.jvp import jvp
from wonderland.compiler.transform.linearize import linearize
from wonderland.compiler.transform.transpose import transpose

X = np.array([-1.5, 0.25, 2.0])


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def softplus() -> Any:
    """log(1 + exp x), whose own derivative is inf / inf for large x."""

    @wl.custom_jvp
    def log1pexp(x: Any) -> Any:
        return np.log1p(np.exp(x))

    @log1pexp.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return log1pexp(x), dx / (1 + np.exp(-x))

    return log1pexp


def sine() -> Any:
    """sin(x) y by a reverse rule, whose residuals are of every kind."""

    @wl.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y

    def fwd(x: Any, y: Any) -> Any:
        return f(x, y), {"sin": np.sin(x), "cos": np.cos(x), "y": [y], "note": "text", "none": None}

    def bwd(kept: Any, ct: Any) -> Any:
        assert kept["note"] == "text" and kept["none"] is None
        return kept["cos"] * ct * kept["y"][0], kept["sin"] * ct

    f.defvjp(fwd, bwd)
    return f


# ---------------------------------------------------------------- both kinds


@pytest.mark.parametrize("make", [softplus, sine])
def test_derivatives_agree_with_differences_to_the_third_order(make: Any) -> None:
    f = make()
    args = (X,) if make is softplus else (X, X[::-1])
    wl.testing.check_gradients(lambda *a: np.sum(f(*a) ** 2), *args, order=3)


@pytest.mark.parametrize("make", [softplus, sine])
def test_compiled_derivatives_are_those_of_the_interpreter(make: Any) -> None:
    f = make()
    args = (X,) if make is softplus else (X, X[::-1].copy())

    def program(*args: Any) -> Any:
        def total(*a: Any) -> Any:
            return np.sum(f(*a) ** 2)

        second = wl.grad(lambda *a: np.sum(wl.grad(total)(*a) * X))(*args)
        return f(*args), wl.value_and_grad(total)(*args), second, wl.jvp(f, args, args)

    both = wl.jit(program)(*args), program(*args)
    for x, y in zip(*map(wl.tree.leaves, both), strict=True):
        close(x, y)


@pytest.mark.parametrize("make", [softplus, sine])
def test_the_graph_is_well_formed_reads_back_and_is_inlined(make: Any) -> None:
    f = make()
    args = (X,) if make is softplus else (X, X)
    graph = verify(wl.trace(f, *args).graph)
    assert parse(str(graph)) == graph
    assert [n.op.name for n in graph.nodes] == [f.kind]
    flat = verify(inline(graph))
    assert f.kind not in {n.op.name for n in flat.nodes}


def test_outside_of_a_trace_the_function_is_plain_python() -> None:
    assert isinstance(softplus()(X), np.ndarray)


def test_a_method_may_have_a_rule() -> None:
    class Model:
        @functools.partial(wl.custom_jvp, nondiff_argnums=(0,))
        def value(self, x: Any) -> Any:
            return x * x

        @value.defjvp
        def rule(self, primals: Any, tangents: Any) -> Any:
            return self.value(*primals), tangents[0] * 100.0

    assert wl.grad(Model().value)(2.0) == 100.0


# ---------------------------------------------------------------- custom_jvp


def test_the_rule_holds_where_the_plain_derivative_fails() -> None:
    f = softplus()
    for order in range(3):
        g = f
        for _ in range(order):
            g = wl.grad(g)
        assert np.isfinite(wl.jit(wl.grad(g))(1000.0))


def test_a_rule_that_calls_its_function_is_the_rule_of_that_call() -> None:
    @wl.custom_jvp
    def f(x: Any) -> Any:
        return np.exp(x)

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        y = f(*primals)
        return y, 3 * y * tangents[0]  # the third derivative is 27 exp x

    third = wl.grad(wl.grad(wl.grad(f)))
    close(third(0.5), 27 * np.exp(0.5))


def test_rules_that_call_each_others_functions() -> None:
    @wl.custom_jvp
    def sin(x: Any) -> Any:
        return np.sin(x)

    @wl.custom_jvp
    def cos(x: Any) -> Any:
        return np.cos(x)

    sin.defjvp(lambda primals, tangents: (sin(*primals), 2 * cos(*primals) * tangents[0]))
    cos.defjvp(lambda primals, tangents: (cos(*primals), -2 * sin(*primals) * tangents[0]))
    fourth = wl.grad(wl.grad(wl.grad(wl.grad(sin))))
    close(wl.jit(fourth)(0.5), 16 * np.sin(0.5))


def test_defjvps_adds_a_rule_for_each_argument() -> None:
    @wl.custom_jvp
    def f(x: Any, y: Any, n: Any) -> Any:
        return x * y

    f.defjvps(lambda t, out, x, y, n: 10 * t * y, lambda t, out, x, y, n: 20 * t * out, None)
    slopes = wl.grad(f, (0, 1, 2))(2.0, 3.0, 1.0)
    assert list(map(float, slopes)) == [30.0, 120.0, 0.0]


def test_arguments_that_are_not_differentiated_come_first_in_a_rule() -> None:
    @functools.partial(wl.custom_jvp, nondiff_argnums=(0, 2))
    def apply(f: Any, x: Any, n: int = 2) -> Any:
        return f(x) ** n

    @apply.defjvp
    def rule(f: Any, n: int, primals: Any, tangents: Any) -> Any:
        (x,) = primals
        return apply(f, x, n), n * tangents[0]

    close(wl.grad(lambda x: np.sum(apply(np.sin, x, n=5)))(X), [5.0, 5.0, 5.0])


def test_tangents_of_integers_are_float0() -> None:
    seen = []

    @wl.custom_jvp
    def f(tree: Any) -> Any:
        return {"x": tree["x"] * tree["n"], "n": tree["n"] + 1}

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (tree,), (slopes,) = primals, tangents
        seen.append(slopes["n"].dtype)
        return f(tree), {"x": slopes["x"] * tree["n"], "n": slopes["n"]}

    slope = wl.grad(lambda x: np.sum(f({"x": x, "n": np.array([1, 2, 3])})["x"]))(X)
    close(slope, [1, 2, 3])
    assert seen[0].names == ("float0",)


def test_a_function_may_close_over_arrays_and_traced_values() -> None:
    def outer(scale: Any, x: Any) -> Any:
        @wl.custom_jvp
        def f(x: Any) -> Any:
            return np.sin(x) * scale + X

        @f.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            (x,), (dx,) = primals, tangents
            return f(x), dx * scale * 7.0 + 0 * f(x)

        return np.sum(f(x))

    for run in (outer, wl.jit(outer)):
        close(wl.grad(run, 1)(2.0, X), [14.0] * 3)
        close(wl.grad(lambda s, x, run=run: np.sum(wl.grad(run, 1)(s, x)), 1)(2.0, X), [0.0] * 3)
    with pytest.raises(ProgramError, match="differentiated in a value that it closes over"):
        wl.grad(outer, 0)(2.0, X)


def test_a_rule_that_closes_over_more_than_its_function_is_still_its_own() -> None:
    def outer(x: Any, factor: Any) -> Any:
        @wl.custom_jvp
        def f(x: Any) -> Any:
            return np.exp(x)

        @f.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            return f(*primals), factor * f(*primals) * tangents[0]

        return f(x)

    second = wl.grad(wl.grad(outer))
    for run in (second, wl.jit(second)):
        close(run(0.5, 3.0), 9 * np.exp(0.5))


# ---------------------------------------------------------------- custom_vjp


def test_forward_mode_runs_the_transpose_of_bwd() -> None:
    f, along = sine(), (X * 2, X + 1)
    slope = wl.jvp(f, (X, X[::-1]), along)[1]
    close(slope, np.cos(X) * X[::-1] * along[0] + np.sin(X) * along[1])
    twice = wl.jvp(lambda x: wl.jvp(f, (x, X), (X, X))[1], (X,), (X,))[1]
    close(twice, -np.sin(X) * X * X * X + np.cos(X) * X * X)


def test_none_is_a_zero_cotangent_also_of_a_whole_tree() -> None:
    @wl.custom_vjp
    def f(params: Any, x: Any) -> Any:
        return params["w"] * x + params["b"][0]

    f.defvjp(lambda p, x: (f(p, x), p["w"]), lambda w, ct: (None, ct * w))
    params = {"w": 3.0, "b": (1.0, 2.0)}
    slopes = wl.grad(f, (0, 1))(params, 2.0)
    assert wl.tree.map(float, slopes) == ({"w": 0.0, "b": (0.0, 0.0)}, 3.0)
    f.defvjp(lambda p, x: (f(p, x), x), lambda x, ct: ({"w": x * ct, "b": None}, None))
    slopes = wl.grad(f, (0, 1))(params, 2.0)
    assert wl.tree.map(float, slopes) == ({"w": 2.0, "b": (0.0, 0.0)}, 0.0)


class Pair(NamedTuple):
    x: Any
    n: Any


def test_arguments_and_results_are_trees_with_integers_in_them() -> None:
    @wl.custom_vjp
    def f(pair: Any) -> Any:
        return Pair(pair.x * pair.n, pair.n)

    def bwd(n: Any, ct: Any) -> Any:
        assert ct.n.dtype.names == ("float0",)
        return (Pair(ct.x * n * 10, None),)

    f.defvjp(lambda pair: (f(pair), pair.n), bwd)
    close(wl.grad(lambda x: np.sum(f(Pair(x, np.arange(3))).x))(X), [0, 10, 20])


def test_a_python_number_among_arguments_and_residuals_stays_weak() -> None:
    @wl.custom_vjp
    def f(x: Any, scale: Any) -> Any:
        return x * scale

    f.defvjp(lambda x, s: (f(x, s), (x, s, 2.0)), lambda kept, ct: (ct * kept[1] * kept[2], None))
    slope = wl.jit(wl.grad(lambda x: np.sum(f(x, 0.5))))(X.astype(np.float32))
    assert slope.dtype == np.float32
    close(slope, [1, 1, 1])


def test_bwd_gets_arguments_that_are_not_differentiated_first() -> None:
    @functools.partial(wl.custom_vjp, nondiff_argnums=(1,))
    def clip(x: Any, limit: float) -> Any:
        return x

    clip.defvjp(lambda x, limit: (x, None), lambda limit, _, ct: (np.clip(ct, -limit, limit),))
    close(wl.grad(lambda x: np.sum(clip(x, 0.5) ** 2))(X), [-0.5, 0.5, 0.5])


def test_the_order_of_nested_rules_is_that_of_calls() -> None:
    f, g = sine(), softplus()
    wl.testing.check_gradients(lambda x: np.sum(g(f(x, g(x)))), X, order=2)


# ---------------------------------------------------------------- batches


def shared_weight(kind: str) -> Any:
    """sin(w x), whose rule says five times the derivative, and calls the function with it."""
    if kind == "custom_jvp":
        f = wl.custom_jvp(lambda x, w: np.sin(w * x))

        @f.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            (x, w), (dx, dw) = primals, tangents
            tenth = f(0 * x + 0.1, w * 0 + 1.0)
            return f(x, w), 5 * np.cos(w * x) * (w * dx + x * dw) + 0 * (tenth + f(0.5, 0.5)) * dx

        return f
    g = wl.custom_vjp(lambda x, w: np.sin(w * x))
    g.defvjp(
        lambda x, w: (g(x, w), (x, w, g(0.1, 0.2))),
        lambda kept, ct: (
            5 * np.cos(kept[1] * kept[0]) * kept[1] * ct,
            5 * np.cos(kept[1] * kept[0]) * kept[0] * ct + 0 * kept[2],
        ),
    )
    return g


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
@pytest.mark.parametrize("marks", [(True, True), (True, False), (False, True)])
def test_a_batch_has_the_derivatives_of_a_loop(kind: str, marks: tuple[bool, bool]) -> None:
    f = shared_weight(kind)
    single = wl.trace(f, 1.0, 2.0).graph
    graph = verify(batch(single, marks, 3)[0])
    arrays = [X * k if yes else np.float64(k) for yes, k in zip(marks, (1, 2), strict=True)]
    along = [np.cos(a) for a in arrays]
    x, w = arrays
    slope = 5 * np.cos(w * x)
    value, tangent = interpret(verify(jvp(graph, (True, True))), *arrays, *along)
    close(value, np.sin(w * x))
    close(tangent, slope * (w * along[0] + x * along[1]))
    forward, linear = linearize(graph, (True, True))
    kept = interpret(forward, *arrays)[1:]
    cts = interpret(transpose(linear, [i >= len(kept) for i in range(len(kept) + 2)]), *kept, X)
    for ct, expected, yes in zip(cts, (slope * w * X, slope * x * X), marks, strict=True):
        close(ct, expected if yes else np.sum(expected))
    both = jvp(single, (True, True))
    late = interpret(verify(batch(both, marks * 2, 3)[0]), *arrays, *along)
    close(late[1], tangent)
    second = jvp(jvp(graph, (True, False)), (True, False, False))
    found = interpret(verify(second), x, w, along[0], along[0])[3]
    close(found, -5 * np.sin(w * x) * (w * along[0]) ** 2 + 0 * X)


# ---------------------------------------------------------------- programs


def test_a_fixed_point_is_differentiated_by_the_implicit_function_theorem() -> None:
    """x = tanh(w x + b), iterated; its derivative solves one linear system, iterated too."""

    def step(params: Any, x: Any) -> Any:
        return np.tanh(params["w"] @ x + params["b"])

    @functools.partial(wl.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(f: Any, params: Any, start: Any) -> Any:
        x = start
        for _ in range(60):
            x = f(params, x)
        return x

    def fwd(f: Any, params: Any, start: Any) -> Any:
        x = fixed_point(f, params, start)
        return x, (params, x)

    def bwd(f: Any, kept: Any, ct: Any) -> Any:
        params, x = kept
        pull = wl.vjp(lambda x: f(params, x), x)[1]
        u = ct
        for _ in range(60):
            u = ct + pull(u)[0]
        return wl.vjp(lambda p: f(p, x), params)[1](u)[0], None

    fixed_point.defvjp(fwd, bwd)
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(3, 3)) * 0.2, "b": rng.normal(size=3)}

    def loss(params: Any) -> Any:
        return np.sum(fixed_point(step, params, np.zeros(3)) ** 2)

    def unrolled(params: Any) -> Any:
        return np.sum(fixed_point.function(step, params, np.zeros(3)) ** 2)

    ours, plain = wl.grad(loss)(params), wl.grad(unrolled)(params)
    for name in params:
        close(ours[name], plain[name], 1e-10)
    wl.testing.check_gradients(loss, params, order=1)


def test_a_straight_through_estimator_rounds_and_passes_the_gradient() -> None:
    @wl.custom_jvp
    def quantise(x: Any) -> Any:
        return np.round(x)

    quantise.defjvp(lambda primals, tangents: (quantise(*primals), tangents[0]))
    value, slope = wl.jit(wl.value_and_grad(lambda x: np.sum(quantise(x) * X)))(X)
    close(value, np.sum(np.round(X) * X))
    close(slope, X)


def test_logsumexp_with_its_rule_is_stable() -> None:
    @wl.custom_jvp
    def logsumexp(x: Any) -> Any:
        top = np.max(x)
        return np.log(np.sum(np.exp(x - top))) + top

    @logsumexp.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        y = logsumexp(x)
        return y, np.sum(np.exp(x - y) * dx)

    x = np.array([1000.0, 999.0, -1000.0])
    p = np.exp(x - 1000) / np.sum(np.exp(x - 1000))
    close(wl.jit(wl.grad(logsumexp))(x), p)
    v = np.array([1.0, 2.0, 3.0])
    hessian = wl.grad(lambda x: np.sum(wl.grad(logsumexp)(x) * v))(x)
    close(hessian, p * v - p * np.sum(p * v))


# ---------------------------------------------------------------- messages


def with_rule(rule: Any) -> Any:
    f = wl.custom_jvp(lambda x: {"y": x * 2})
    f.defjvp(rule)
    return f


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p, t: p[0], "a pair (results, tangents) is required of the rule of <lambda>"),
        (lambda p, t: (p[0], t[0]), "the results of the rule of <lambda> must have the structure"),
        (lambda p, t: ({"y": p[0]}, t[0]), "the tangents of the rule of <lambda> must have"),
        (lambda p, t: ({"y": p[0]}, {"y": None}), "must have the structure of its results"),
        (lambda p, t: ({"y": p[0]}, {"y": "dx"}), "a tangent f64[3] is required at ['y']"),
        (lambda p, t: ({"y": p[0]}, {"y": np.sum(t[0])}), "['y'] of the rule of <lambda>, got f64"),
        (
            lambda p, t: ({"y": p[0]}, {"y": t[0].astype("f4")}),
            "got f32[3]\n",
        ),
    ],
)
def test_a_wrong_tangent_rule_is_named_with_its_line(rule: Any, message: str) -> None:
    f = with_rule(rule)
    with pytest.raises(ProgramError) as caught:
        wl.grad(lambda x: np.sum(f(x)["y"]))(X)
    assert message in str(caught.value)
    assert caught.value.what.startswith("custom_jvp: ")
    assert "test_custom.py:" in caught.value.where and "lambda p, t" in caught.value.where


@pytest.mark.parametrize(
    ("fwd", "bwd", "message"),
    [
        (lambda x, y: x * y, lambda k, ct: (ct, ct), "a pair (results, residuals) is required"),
        (lambda x, y: ((x, y), None), lambda k, ct: (ct, ct), "the results of the fwd of"),
        (lambda x, y: (np.sum(x), None), lambda k, ct: (ct, ct), "a result f64[3] is required"),
        (lambda x, y: (x, None), lambda k, ct: ct, "a tuple of 2 cotangents, one for each"),
        (lambda x, y: (x, None), lambda k, ct: (ct,), "of the bwd of <lambda>, got a tuple of 1"),
        (
            lambda x, y: (x, None),
            lambda k, ct: (ct, (ct,)),
            "is required at [1] of the bwd of <lambda>, got a tuple of 1",
        ),
        (lambda x, y: (x, None), lambda k, ct: (ct, 1.0), "a cotangent f64[3] is required at [1]"),
    ],
)
def test_a_wrong_cotangent_rule_is_named_with_its_line(fwd: Any, bwd: Any, message: str) -> None:
    f = wl.custom_vjp(lambda x, y: x * y)
    f.defvjp(fwd, bwd)
    with pytest.raises(ProgramError) as caught:
        wl.grad(lambda x: np.sum(f(x, X)))(X)
    assert message in str(caught.value)
    assert "test_custom.py:" in caught.value.where and "lambda" in caught.value.where


def test_a_function_without_a_rule_is_refused() -> None:
    for make, repair in ((wl.custom_jvp, "defjvp"), (wl.custom_vjp, "defvjp(fwd, bwd)")):
        f: Any = make(np.sin)
        with pytest.raises(ProgramError, match="sin needs a rule, got none") as caught:
            f(X)
        assert repair in caught.value.repair


def test_a_rule_must_be_a_function() -> None:
    for define in (
        lambda: wl.custom_jvp(np.sin).defjvp(3),  # pyright: ignore[reportArgumentType]
        lambda: wl.custom_vjp(np.sin).defvjp(np.sin, None),  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises(ProgramError, match="a function is required as a rule of sin, got"):
            define()


def test_of_integers_alone_no_rule_is_asked() -> None:
    @wl.custom_vjp
    def f(x: Any) -> Any:
        return x + 1

    def bwd(_: Any, ct: Any) -> Any:
        raise ValueError("no cotangent of an integer")

    f.defvjp(lambda x: (f(x), None), bwd)
    close(wl.jit(f)(np.arange(3)), [1, 2, 3])


def test_arguments_that_are_no_arrays_must_be_marked() -> None:
    f = wl.custom_jvp(lambda f, x: f(x))
    f.defjvp(lambda p, t: (p[0](p[1]), t[1]))
    with pytest.raises(ProgramError, match="arrays and numbers are required"):
        wl.grad(lambda x: f(np.sin, x))(1.0)
    with pytest.raises(ProgramError, match="custom_jvp: the place of one of 1 parameters"):
        wl.custom_jvp(lambda x: x, nondiff_argnums=3)
    g = wl.custom_jvp(lambda *xs: xs[0], nondiff_argnums=3)
    g.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(ProgramError, match="within 1 arguments are required, got 3"):
        wl.grad(g)(1.0)


def test_a_bwd_that_is_not_linear_has_reverse_mode_alone() -> None:
    f = wl.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, ct: (np.minimum(ct, 0.5),))
    close(wl.grad(lambda x: np.sum(f(x) * X))(X), np.minimum(X, 0.5))
    for run in (lambda x: wl.jvp(f, (x,), (x,)), wl.jit(lambda x: wl.jvp(f, (x,), (x,)))):
        with pytest.raises(ProgramError, match="requires a bwd that is linear") as caught:
            run(X)
        assert "minimum" in str(caught.value) and "test_custom.py:" in caught.value.where


def test_a_rule_that_differentiates_its_own_function_is_refused() -> None:
    @wl.custom_jvp
    def f(x: Any) -> Any:
        return np.exp(x)

    f.defjvp(lambda primals, tangents: wl.jvp(f, primals, tangents))
    with pytest.raises(ProgramError, match="the rule of f differentiates f itself"):
        wl.grad(f)(1.0)


def test_an_error_in_a_rule_leaves_the_function_as_it_was() -> None:
    f = softplus()
    good = f.rule

    @f.defjvp
    def bad(primals: Any, tangents: Any) -> Any:
        raise ValueError("no")

    step = wl.jit(wl.grad(f))
    with pytest.raises(ValueError, match="no"):
        step(1.0)
    f.defjvp(good)
    close(step(1.0), 1 / (1 + np.exp(-1.0)))


# ---------------------------------------------------------------- JAX


UNFIT: dict[str, Any] = {
    "square": lambda t: t**2,
    "absolute": abs,
    "maximum": lambda t: np.maximum(t, 0),
    "mask": lambda t: np.where(t > 0, t, 2 * t),
    "branch": lambda t: wl.lax.cond(t > 0, lambda t: t, lambda t: 2 * t, t),
    "divisor": lambda t: 1 / t,
    "loop": lambda t: wl.lax.fori_loop(0, 2, lambda i, t: t * t, t),
}
PLACES: dict[str, Any] = {
    "alone": lambda f: f,
    "scan": lambda f: lambda x: wl.lax.fori_loop(0, 3, lambda i, x: f(x), x),
    "checkpoints": lambda f: lambda x: wl.lax.fori_loop(0, 3, lambda i, x: f(x), x, checkpoints=2),
    "while": lambda f: lambda x: wl.lax.while_loop(lambda x: x < 9, f, x, checkpoints=2),
    "branch": lambda f: lambda x: wl.lax.cond(x > 0, f, lambda x: x, x),
    "region": wl.checkpoint,
    "vmap": lambda f: lambda x: np.sum(wl.vmap(f)(x * X)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("unfit", UNFIT)
def test_a_rule_that_is_not_linear_is_the_fault_of_the_rule(unfit: str, place: str) -> None:
    @wl.custom_jvp
    def doubled(x: Any) -> Any:
        return 2 * x

    @doubled.defjvp
    def doubled_rule(primals: Any, tangents: Any) -> Any:
        return doubled(*primals), UNFIT[unfit](*tangents)

    f = PLACES[place](doubled)
    said = (
        "custom_jvp: reverse mode requires a rule that is linear in its tangents, got doubled_rule"
    )
    for reverse in (wl.grad, wl.jacrev, lambda f: lambda x: wl.vjp(f, x)):
        with pytest.raises(ProgramError, match=said) as error:
            reverse(f)(1.0)
        assert "test_custom.py" in error.value.where and error.value.repair
    slope = UNFIT[unfit](np.float64(3.0))
    close(wl.jvp(doubled, (1.0,), (3.0,))[1], slope)  # in forward mode it may be anything


@pytest.mark.filterwarnings("ignore")
def test_orders_and_modes_agree_with_jax() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def program(lib: Any, np: Any) -> Any:
        @lib.custom_jvp
        def f(x: Any) -> Any:
            return np.exp(x)

        f.defjvp(lambda p, t: (f(*p), 3 * f(*p) * t[0]))

        @functools.partial(lib.custom_vjp, nondiff_argnums=(1,))
        def g(x: Any, n: int) -> Any:
            return np.sin(x) * n

        g.defvjp(lambda x, n: (g(x, n), x), lambda n, x, ct: (np.cos(x) * ct * n * 5,))
        h = lib.grad(lambda x: g(f(x), 2) * f(x))
        return h(0.5), lib.grad(h)(0.5), lib.grad(lib.grad(h))(0.5)

    with jax.enable_x64(True):
        expected = program(jax, jnp)
    for x, y in zip(program(wl, np), expected, strict=True):
        close(x, y, 1e-12)
