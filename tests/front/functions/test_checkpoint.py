"""Checkpoint regions: the derivatives stay, what is kept follows the policy, memory falls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.fuse.waves import Schedule
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Graph
from wonderland.compiler.ir.text import parse
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.optimise.cse import cse
from wonderland.compiler.optimise.dead import dead
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.pipeline import GRAPH_PASSES
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.interpreter import interpret

policies = wl.checkpoint_policies
RNG = np.random.default_rng(0)
W = [RNG.normal(size=(4, 4)) / 2 for _ in range(3)]
X = RNG.normal(size=(6, 4))


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def block(w: Any, x: Any) -> Any:
    h = wl.checkpoint_name(x @ w, "product")
    return np.sin(wl.checkpoint_name(np.tanh(h), "activation"))


def model(region: Any) -> Any:
    def loss(weights: Any, x: Any) -> Any:
        for w in weights:
            x = region(w, x)
        return np.sum(x * x)

    return loss


plain = model(block)
EVERY = [
    None,
    policies.everything_saveable,
    policies.nothing_saveable,
    policies.dots_saveable,
    policies.dots_with_no_batch_dims_saveable,
    policies.save_only_these_names("activation"),
    policies.save_any_names_but_these("activation"),
    policies.save_anything_except_these_names("product"),
    policies.save_from_both_policies(
        policies.dots_saveable, policies.save_only_these_names("activation")
    ),
    lambda name, *types, **params: name == "tanh",
]


def ops_of(graph: Graph) -> Counter[str]:
    return Counter(n.op.name for n in dead(inline(graph)).nodes)


def works(schedule: Schedule) -> list[str]:
    return [line.split("=")[1].strip() for line in str(schedule).splitlines()[1:]]


# ---------------------------------------------------------------- derivatives


@pytest.mark.parametrize("policy", EVERY)
@pytest.mark.parametrize("prevent_cse", [True, False])
def test_derivatives_do_not_depend_on_what_is_kept(policy: Any, prevent_cse: bool) -> None:
    loss = model(wl.checkpoint(block, policy=policy, prevent_cse=prevent_cse))
    close(wl.grad(loss, (0, 1))(W, X), wl.grad(plain, (0, 1))(W, X))
    close(wl.jvp(loss, (W, X), (W, X)), wl.jvp(plain, (W, X), (W, X)))

    def curvature(f: Any) -> Any:
        return wl.grad(lambda x: np.sum(wl.grad(f, 1)(W, x) * X))(X)

    close(curvature(loss), curvature(plain))
    y, forward = wl.linearize(lambda x: loss(W, x), X)
    close((y, forward(X)), wl.jvp(lambda x: plain(W, x), (X,), (X,)))


@pytest.mark.parametrize("policy", [None, policies.dots_saveable])
def test_compiled_regions_give_what_the_interpreter_gives(policy: Any) -> None:
    loss = model(wl.checkpoint(block, policy=policy))

    def program(weights: Any, x: Any) -> Any:
        curvature = wl.grad(lambda x: np.sum(wl.grad(loss, 1)(weights, x) * x))(x)
        return wl.value_and_grad(loss)(weights, x), curvature

    close(wl.jit(program)(W, X), program(W, X), 1e-11)


def test_regions_nest_and_take_integers_tuples_and_closures() -> None:
    n = np.arange(4)

    def outer(scale: Any, tree: dict[str, Any], power: int = 2, *, shift: float = 0.0) -> Any:
        inner = wl.checkpoint(lambda x: np.sin(x * scale) ** power)
        return {"y": inner(tree["x"]) * tree["n"] + shift, "n": tree["n"]}

    def loss(f: Any, scale: Any, x: Any) -> Any:
        return np.sum(f(scale, {"x": x, "n": n}, 3, shift=0.5)["y"])

    region = wl.checkpoint(outer, static_argnums=(2,))
    wl.testing.check_gradients(lambda s, x: loss(region, s, x), 1.5, X, order=2)
    for order in (wl.grad(loss, (1, 2)), wl.jit(wl.grad(loss, (1, 2)), static_argnums=0)):
        close(order(region, 1.5, X), wl.grad(loss, (1, 2))(outer, 1.5, X))


def test_a_region_of_the_same_function_twice_is_two_regions() -> None:
    f = wl.checkpoint(np.sin)
    close(wl.grad(lambda x: np.sum(f(f(x))))(X), np.cos(np.sin(X)) * np.cos(X))


def test_a_batch_of_a_region_is_a_loop_of_it() -> None:
    region = wl.checkpoint(lambda w, x: block(w, x), policy=policies.dots_saveable)
    single = wl.trace(wl.grad(lambda w, x: np.sum(region(w, x)), (0, 1)), W[0], X).graph
    graph = verify(batch(single, (False, True), 2)[0])
    found = interpret(graph, W[0], np.stack([X, 2 * X]))
    for k, x in enumerate((X, 2 * X)):
        close([f[k] for f in found], interpret(single, W[0], x))


def test_a_region_is_one_node_that_reads_back() -> None:
    graph = verify(wl.trace(wl.grad(model(wl.checkpoint(block))), W, X).graph)
    assert parse(str(graph)) == graph
    assert [n.op.name for n in graph.nodes].count("checkpoint") == 6


def test_outside_of_a_trace_a_region_is_its_function() -> None:
    assert isinstance(wl.checkpoint(block)(W[0], X), np.ndarray)


def test_remat_is_checkpoint() -> None:
    assert wl.remat is wl.checkpoint


# ---------------------------------------------------------------- what is kept


def kept(policy: Any) -> list[str]:
    """What a block keeps beside its arguments, but for the sum's operand."""
    region = wl.checkpoint(block, policy=policy)
    found = wl.saved_residuals(lambda w, x: np.sum(region(w, x)), W[0], X)
    return [r.origin.split(" from")[0] for r in found if "argument" not in r.origin]


def test_policies_keep_what_they_say() -> None:
    product, activation = "named 'product'", "named 'activation'"
    assert kept(None) == kept(policies.nothing_saveable) == []
    assert kept(policies.dots_saveable) == ["output of dot_general"]
    assert kept(policies.dots_with_no_batch_dims_saveable) == ["output of dot_general"]
    assert kept(policies.save_only_these_names("activation", "other")) == [activation]
    assert kept(policies.save_any_names_but_these("activation")) == [product]
    both = policies.save_from_both_policies(
        policies.save_only_these_names("product"), policies.save_only_these_names("activation")
    )
    assert kept(both) == [product, activation]
    assert len(kept(policies.everything_saveable)) == 2  # the factors of tanh and sin


def test_convolutions_are_kept_as_products_are() -> None:
    policy, kernel = policies.dots_saveable, np.ones((2, 2, 3))

    def block(w: Any, x: Any) -> Any:
        return np.sin(wl.lax.conv(x, w, (1,), "SAME"))

    region = wl.checkpoint(block, policy=policy)
    found = wl.saved_residuals(lambda w, x: np.sum(region(w, x)), kernel, np.ones((1, 2, 4)))
    assert any(r.origin.startswith("output of convolution") for r in found)


def test_residuals_name_types_bytes_and_lines(capsys: Any) -> None:
    loss = model(wl.checkpoint(block))
    found = wl.saved_residuals(loss, W[:2], X)
    assert [str(r.type) for r in found] == ["f64[4, 4]", "f64[6, 4]", "f64[4, 4]"] + 2 * [
        "f64[6, 4]"
    ]
    assert [r.nbytes for r in found] == [128, 192, 128, 192, 192]
    assert found[0].origin == "from the argument args[0][0]"
    assert found[3].origin.startswith("output of sin from test_checkpoint.py:")
    wl.print_saved_residuals(loss, W[:2], X)
    assert capsys.readouterr().out.splitlines()[1] == "f64[6, 4] from the argument args[1]"


@pytest.mark.filterwarnings("ignore")
def test_what_is_kept_agrees_with_jax(capsys: Any) -> None:
    jax = pytest.importorskip("jax")
    ad = pytest.importorskip("jax.ad_checkpoint")
    jnp, theirs = jax.numpy, jax.checkpoint_policies

    def same(w: Any, x: Any) -> Any:
        h = ad.checkpoint_name(x @ w, "product")
        return jnp.sin(ad.checkpoint_name(jnp.tanh(h), "activation"))

    for make in (
        lambda p: p.nothing_saveable,
        lambda p: p.dots_saveable,
        lambda p: p.save_only_these_names("activation"),
        lambda p: p.save_any_names_but_these("activation"),
    ):
        region = jax.checkpoint(same, policy=make(theirs))
        ad.print_saved_residuals(lambda w, x, region=region: jnp.sum(region(w, x)), W[0], X)
        found = [line.split()[0][3:] for line in capsys.readouterr().out.splitlines()]
        own = wl.checkpoint(block, policy=make(policies))
        ours = wl.saved_residuals(lambda w, x, own=own: np.sum(own(w, x)), W[0], X)
        shapes = (str(list(r.type.shape)).replace(" ", "") for r in ours)
        assert Counter(found) == Counter(shapes)


# ---------------------------------------------------------------- the plan


def test_no_pass_removes_or_merges_a_recomputation() -> None:
    graph = wl.trace(wl.grad(model(wl.checkpoint(block))), W, X).graph
    counts = [ops_of(graph)]
    for step in GRAPH_PASSES:
        graph = verify(step(graph), step.__name__)
        counts.append(Counter(n.op.name for n in graph.nodes))
    for count in counts[1:]:
        assert count["tanh"] == 2 * len(W)  # once forward, once again
        assert count["after"] == counts[1]["after"]
    without = wl.trace(wl.grad(model(wl.checkpoint(block, prevent_cse=False))), W, X).graph
    assert Counter(n.op.name for n in cse(inline(without)).nodes)["tanh"] == len(W)


def test_in_the_plan_a_recomputation_stands_after_the_cotangent_it_is_for() -> None:
    region = wl.checkpoint(lambda w, x: np.tanh(np.tanh(x @ w) @ w))
    gradient = wl.jit(wl.grad(model(region)))
    weights, x = [RNG.normal(size=(16, 16)) / 4 for _ in W], RNG.normal(size=(6, 16))
    schedule = gradient.compile(weights, x).compiled.plan.schedule
    found = works(schedule)
    again = [w for w in found if "product_tanh" in w and "after" in w]
    assert len(again) == len(W)
    wave = {v: k for k, work in schedule.works for v in work.written}
    waiting = [(k, work) for k, work in schedule.works if work.waits]
    assert len(waiting) >= len(W)
    for k, work in waiting:
        assert all(wave[v] < k for v in work.waits)


def test_the_memory_of_a_deep_chain_falls() -> None:
    def layers(w: Any, x: Any) -> Any:
        for _ in range(4):
            x = np.tanh(x @ w)
        return x

    weights, x = [RNG.normal(size=(16, 16)) / 4 for _ in range(6)], RNG.normal(size=(256, 16))
    plans = [
        wl.jit(wl.grad(model(f))).compile(weights, x).compiled.plan
        for f in (layers, wl.checkpoint(layers), wl.checkpoint(layers, prevent_cse=False))
    ]
    every, some, merged = (p.live_bytes for p in plans)
    layer = x.nbytes
    assert every >= 24 * layer  # what tanh gave, of every layer
    assert some <= (6 + 4 + 4) * layer  # of the regions, and of one region at work
    assert merged >= every  # merged with the forward pass it saves nothing
    assert plans[1].arena_bytes < 0.6 * plans[0].arena_bytes


def test_what_waits_is_never_in_one_kernel_with_what_it_waits_for() -> None:
    def loss(x: Any) -> Any:
        y = wl.checkpoint(lambda x: np.exp(np.sin(x)))(x)
        return np.sum(np.cos(y))

    compiled = wl.jit(wl.grad(loss)).compile(X).compiled
    for _, work in compiled.plan.schedule.works:
        assert set(work.waits).isdisjoint(work.written)
    assert any(work.waits for _, work in compiled.plan.schedule.works)
    close(wl.jit(wl.grad(loss))(X), wl.grad(loss)(X))


# ---------------------------------------------------------------- messages


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ProgramError, match="checkpoint: a function is required, got 3"):
        wl.checkpoint(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ProgramError, match="a policy is required, got 'dots'") as caught:
        wl.checkpoint(block, policy="dots")  # pyright: ignore[reportArgumentType]
    assert "wl.checkpoint_policies" in str(caught.value)
    with pytest.raises(ProgramError, match="checkpoint_name: a string is required, got 3"):
        wl.checkpoint_name(X, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ProgramError, match="names are required for save_only_these_names, got 1"):
        policies.save_only_these_names(1)  # pyright: ignore[reportArgumentType]


def test_an_error_inside_of_a_region_names_its_line_and_leaves_nothing_behind() -> None:
    region = wl.checkpoint(lambda x: x @ np.zeros((3, 3)))
    step = wl.jit(wl.grad(lambda x: np.sum(region(x))))
    with pytest.raises(ProgramError) as caught:
        step(X)
    assert "test_checkpoint.py:" in caught.value.where
    close(step(X[:, :3]), np.zeros((6, 3)))


def test_options_alone_make_a_decorator():
    @wl.checkpoint(policy=wl.checkpoint_policies.dots_saveable)
    def layer(x, w):
        return np.tanh(x @ w)

    x = np.ones((2, 3))
    plain = wl.grad(lambda w: np.sum(np.tanh(x @ w)))(np.ones((3, 3)))
    np.testing.assert_allclose(wl.grad(lambda w: np.sum(layer(x, w)))(np.ones((3, 3))), plain)
