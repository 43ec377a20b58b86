"""Optimizers around optimizers, line searches, and what their states and errors say."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import nn, optim
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace import tree

PARAMS = {"w": np.array([1.0, -2.0]), "b": np.array([3.0])}
GRADS = [{"w": np.array([0.5, 1.0]) * t, "b": np.array([-2.0]) / t} for t in (1.0, 2.0, 3.0, 4.0)]


def run(optimizer: Any, grads: Any = GRADS, params: Any = PARAMS, traced: bool = True) -> Any:
    """Parameters and state after the steps."""

    def step(params: Any, state: Any, g: Any) -> Any:
        updates, state = optimizer.update(g, state, params)
        return optim.apply_updates(params, updates), state

    take = wl.jit(step, disable_jit=True) if traced else step
    state = optimizer.init(params)
    for g in grads:
        params, state = take(params, state, g)
    return params, state


def same(a: Any, b: Any, rtol: float = 1e-12) -> None:
    for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol)


def part(name: str) -> Any:
    return [{name: g[name]} for g in GRADS], {name: PARAMS[name]}


MASK = {"w": True, "b": False}


@pytest.mark.parametrize("traced", [False, True])
def test_parts_of_the_parameters_have_optimizers_of_their_own(traced: bool) -> None:
    w, b = run(optim.adam(0.1), *part("w"))[0], run(optim.sgd(0.1), *part("b"))[0]
    kinds = {"fast": optim.adam(0.1), "slow": optim.sgd(0.1)}
    labels = {"w": "fast", "b": "slow"}
    for given in (labels, lambda params: labels):
        found, state = run(optim.multi_transform(kinds, given), traced=traced)
        same(found, w | b)
    assert [x.shape for x in tree.leaves(state)] == [(), (2,), (2,)]  # of w alone
    found = run(optim.masked(optim.sgd(-0.5), MASK), GRADS[:1])[0]
    same(found, {"w": PARAMS["w"] + 0.25 * np.array([1, 2]) * 1.0, "b": PARAMS["b"] - 2.0})
    same(run(optim.selective_transform(optim.adam(0.1), freeze_mask={"w": False, "b": True}))[0],
         w | {"b": PARAMS["b"]})  # fmt: skip
    same(run(optim.chain(optim.sgd(0.1), optim.freeze({"w": True, "b": False})))[0],
         {"w": PARAMS["w"]} | b)  # fmt: skip
    same(run(optim.masked(optim.adam(0.1), True))[0], run(optim.adam(0.1))[0])


def test_a_vector_of_all_parameters_has_the_norm_of_all() -> None:
    found = run(optim.flatten(optim.clip_by_block_rms(0.5)), GRADS[:1], traced=False)[0]
    whole = np.concatenate([GRADS[0]["b"], GRADS[0]["w"]])
    factor = 0.5 / np.sqrt(np.mean(whole**2))
    same(found, {k: PARAMS[k] + factor * GRADS[0][k] for k in PARAMS})


@pytest.mark.parametrize("traced", [False, True])
def test_several_steps_are_one_of_their_mean(traced: bool) -> None:
    mean = {k: (GRADS[0][k] + GRADS[1][k]) / 2 for k in PARAMS}
    several = optim.MultiSteps(optim.adam(0.1), 2)
    optimizer = several.gradient_transformation()
    found, state = run(optimizer, GRADS[:3], traced=traced)
    same(found, run(optim.adam(0.1), [mean])[0])
    assert not several.has_updated(state)
    assert (int(state.mini_step), int(state.gradient_step)) == (1, 1)
    total = optim.MultiSteps(optim.sgd(0.1), lambda step: 2, False).gradient_transformation()
    same(run(total, GRADS[:2])[0], run(optim.sgd(0.2), [mean])[0])


def test_a_step_that_is_skipped_counts_for_nothing() -> None:
    bad = {"w": np.array([np.nan, 0]), "b": np.array([1.0])}
    several = optim.MultiSteps(optim.adam(0.1), 2, True, optim.skip_not_finite)
    optimizer = several.gradient_transformation()
    found, state = run(optimizer, [GRADS[0], bad, GRADS[1], bad])
    same(found, run(optimizer, GRADS[:2])[0])
    assert int(state.skip_state["num_not_finite"]) == 1


def test_what_is_not_finite_is_passed_over_until_there_is_too_much_of_it() -> None:
    bad = {"w": np.array([np.inf, 0]), "b": np.array([1.0])}
    optimizer = optim.apply_if_finite(optim.adam(0.1), 2)
    found, state = run(optimizer, [GRADS[0], bad, bad, GRADS[1]])
    same(found, run(optim.adam(0.1), GRADS[:2])[0])
    assert (int(state.notfinite_count), int(state.total_notfinite)) == (0, 2)
    found, state = run(optimizer, [bad, bad, bad])
    assert np.isnan(found["w"][0])
    assert not state.last_finite


def test_conditions_choose_between_an_optimizer_and_nothing() -> None:
    sgd = optim.sgd(1.0)
    found = run(optim.conditionally_transform(sgd, lambda step: step % 2 == 0), GRADS[:2])[0]
    same(found, {k: PARAMS[k] - GRADS[0][k] + GRADS[1][k] for k in PARAMS})
    found = run(optim.conditionally_mask(sgd, lambda step: step % 2 == 0), GRADS[:2])[0]
    same(found, {k: PARAMS[k] - GRADS[0][k] for k in PARAMS})


def test_every_kth_update_is_the_sum() -> None:
    total = {k: sum(g[k] for g in GRADS[:2]) for k in PARAMS}
    same(run(optim.apply_every(2), GRADS[:3])[0], {k: PARAMS[k] + total[k] for k in PARAMS})


def test_slow_parameters_follow_the_fast_ones() -> None:
    optimizer = optim.lookahead(optim.sgd(0.1), 2, 0.5)
    both, state = run(optimizer, GRADS[:3], optim.LookaheadParams.init_synced(PARAMS))
    two, one = run(optim.sgd(0.1), GRADS[:2])[0], GRADS[2]
    slow = {k: (PARAMS[k] + two[k]) / 2 for k in PARAMS}
    same(both.slow, slow)
    same(both.fast, {k: slow[k] - 0.1 * one[k] for k in PARAMS})
    assert int(state.steps_since_sync) == 1
    with pytest.raises(ProgramError, match="lookahead: LookaheadParams are required, got dict"):
        optimizer.update(GRADS[0], state, PARAMS)


def test_numbers_of_the_state_change_without_another_trace() -> None:
    optimizer = optim.inject_hyperparams(optim.adamw)(
        learning_rate=optim.constant_schedule(0.1), b1=0.9
    )
    traces = []

    def step(params: Any, state: Any, g: Any) -> Any:
        traces.append(1)
        updates, state = optimizer.update(g, state, params)
        return optim.apply_updates(params, updates), state

    compiled, state = wl.jit(step), optimizer.init(PARAMS)
    found, state = compiled(PARAMS, state, GRADS[0])
    same(found, run(optim.adamw(0.1), GRADS[:1])[0])
    assert float(state.hyperparams["learning_rate"]) == 0.1
    state = optim.tree_set(state, weight_decay=np.asarray(10.0))
    found = compiled(PARAMS, state._replace(inner_state=optimizer.init(PARAMS).inner_state),
                     GRADS[0])[0]  # fmt: skip
    same(found, run(optim.adamw(0.1, weight_decay=10.0), GRADS[:1])[0])
    assert len(traces) == 1


def test_states_are_read_and_set_by_names() -> None:
    optimizer = optim.named_chain(("clip", optim.clip(1.0)), ("adam", optim.adam(0.1)))
    state = run(optimizer)[1]
    assert int(optim.tree_get(state, "count")) == 4
    assert optim.tree_get(state, "missing", 7) == 7
    again = optim.tree_set(state, count=np.int32(0))
    assert int(again["adam"][0].count) == 0
    with pytest.raises(ProgramError, match="tree_get: one 'count' in the tree is required, got 2"):
        optim.tree_get((state, state), "count")


def test_extra_arguments_reach_the_parts_that_take_them() -> None:
    seen = []

    def update(updates: Any, state: Any, params: Any = None, *, value: Any, **extra: Any) -> Any:
        seen.append(value)
        return updates, state

    own = optim.GradientTransformation(optim.init_empty_state, update)
    plain = optim.Optimizer(lambda params: (), lambda updates, state, params=None: (updates, state))
    optimizer = optim.chain(optim.clip(1.0), plain, own, optim.masked(own, MASK))
    optimizer.update(GRADS[0], optimizer.init(PARAMS), PARAMS, value=3.0, other=1)
    assert seen == [3.0, 3.0]


def test_accumulators_are_of_the_dtype_that_is_asked_for() -> None:
    narrow = {k: p.astype(np.float32) for k, p in PARAMS.items()}
    for optimizer, kept in (
        (optim.adam(0.1, mu_dtype="bfloat16"), "mu"),
        (optim.lion(0.1, mu_dtype="bfloat16"), "mu"),
        (optim.sgd(0.1, momentum=0.9, accumulator_dtype="bfloat16"), "trace"),
        (optim.ema(0.9, accumulator_dtype="bfloat16"), "ema"),
    ):
        params, state = run(optimizer, [{k: g.astype(np.float32) for k, g in GRADS[0].items()}],
                            narrow)  # fmt: skip
        assert {str(x.dtype) for x in tree.leaves(optim.tree_get(state, kept))} == {"bfloat16"}
        assert params["w"].dtype == np.float32


def test_a_norm_is_safe_at_its_bound() -> None:
    found = wl.grad(lambda x: optim.safe_norm(x, 1e-3))(np.zeros(3))
    np.testing.assert_array_equal(found, np.zeros(3))
    assert float(optim.safe_norm(np.array([3.0, 4.0]), 1.0)) == 5.0
    assert int(optim.safe_increment(np.int32(2**31 - 1))) == 2**31 - 1


def test_a_gradient_is_scaled_and_its_value_is_not() -> None:
    x = np.array([0.1, -np.inf, 3.0])
    np.testing.assert_array_equal(optim.scale_gradient({"x": x}, 0.25)["x"], x)
    slope = wl.grad(lambda x: np.sum(optim.scale_gradient(x, 0.25) * np.arange(3)))(x)
    np.testing.assert_array_equal(slope, 0.25 * np.arange(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.add_decayed_weights(0.1).update(GRADS[0], optim.EmptyState()),
         r"add_decayed_weights: parameters are required by its update, got None"),
        (lambda: optim.multi_transform({"a": optim.sgd(1.0)}, {"w": "a", "b": "c"}).init(PARAMS),
         r"partition: labels of \['a'\] are required, got \['c'\]"),
        (lambda: optim.masked(optim.sgd(1.0), {"w": True}).init(PARAMS),
         r"masked: the containers of the parameters are required of a mask"),
        (lambda: optim.sgd(1.0).update(GRADS[0], ()), r"chain: the state of its 2 parts is req"),
        (lambda: optim.named_chain(("a", optim.sgd(1.0)), ("a", optim.sgd(1.0))),
         r"named_chain: names that differ are required"),
        (lambda: optim.scale_by_sm3().update(np.float64(1), optim.scale_by_sm3().init(np.ones(()))),
         r"scale_by_sm3: arrays of one axis or more are required"),
    ],
)  # fmt: skip
def test_what_is_required_is_said(call: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        call()


# ---------------------------------------------------------------- line searches


def valley(p: Any) -> Any:
    """Rosenbrock's function."""
    return np.sum(100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2)


START = np.array([0.2, 0.6, 0.5])


def search(optimizer: Any, steps: int) -> list[tuple[Any, Any]]:
    """Parameters and state after each step, of the function that the state remembers."""
    known = optim.value_and_grad_from_state(valley)

    def step(params: Any, state: Any) -> Any:
        value, grad = known(params, state=state)
        updates, state = optimizer.update(
            grad, state, params, value=value, grad=grad, value_fn=valley
        )
        return optim.apply_updates(params, updates), state

    take, found = wl.jit(step, disable_jit=True), [(START, optimizer.init(START))]
    for _ in range(steps):
        found.append(take(*found[-1]))
    return found


def test_lbfgs_finds_the_end_of_a_valley() -> None:
    params, state = search(optim.lbfgs(), 28)[-1]
    np.testing.assert_allclose(params, np.ones(3), atol=1e-7)
    assert float(optim.tree_get(state, "value")) == valley(params)


def test_a_zoom_ends_where_the_conditions_of_wolfe_hold() -> None:
    part = optim.scale_by_zoom_linesearch(30, approx_dec_rtol=None, curv_rtol=0.1)
    found = search(optim.chain(optim.sgd(1.0), part), 6)
    for (p, _), (q, state) in itertools.pairwise(found):
        g, after = wl.grad(valley)(p), wl.grad(valley)(q)
        slope = -(g @ g)
        assert valley(q) <= valley(p) + 1e-4 * float(state[1].learning_rate) * slope
        assert abs(after @ g) <= 0.1 * abs(slope) + 1e-12
        np.testing.assert_allclose(state[1].grad, after, rtol=1e-12)


def test_a_backtracking_search_takes_the_first_step_of_enough_decrease() -> None:
    part = optim.scale_by_backtracking_linesearch(40, decrease_factor=0.5, store_grad=True)
    (p, _), (q, state) = search(optim.chain(optim.sgd(1.0), part), 1)
    g, rate = wl.grad(valley)(p), 1.0
    while valley(p - rate * g) > valley(p) - 1e-4 * rate * (g @ g):
        rate /= 2
    np.testing.assert_allclose(q, p - rate * g, rtol=1e-14)
    assert float(state[1].learning_rate) == rate


def test_a_search_refuses_what_the_function_does_not_take() -> None:
    part = optim.scale_by_backtracking_linesearch(5)
    with pytest.raises(ProgramError, match=r"extra arguments that value_fn takes are required"):
        part.update(START, part.init(START), START, value=0.0, grad=START, value_fn=valley, x=1)


def test_masks_and_labels_of_a_layer_are_trees_though_it_can_be_called() -> None:
    model = nn.MLP.init(wl.random.key(0), 3, 4, 1)
    down = wl.tree.map_with_path(lambda path, x: "down" in wl.tree.keystr(path), model)
    labels = wl.tree.map(lambda m: "still" if m else "moved", down)
    kinds = {"moved": optim.sgd(1.0), "still": optim.set_to_zero()}
    for optimizer in (
        optim.multi_transform(kinds, labels), optim.multi_transform(kinds, lambda params: labels),
        optim.chain(optim.sgd(1.0), optim.freeze(down)),
        optim.selective_transform(optim.sgd(1.0), freeze_mask=down),
    ):  # fmt: skip
        updates, _ = optimizer.update(model, optimizer.init(model), model)
        np.testing.assert_array_equal(updates.up.weight, -model.up.weight)
        assert not updates.down.weight.any()
