"""Optimizers whose state processes share out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from wonderland.lax import optimization_barrier, pmean, psum
from wonderland.models.parallel import (
    PartitionSpec,
    clip_by_global_norm,
    shard_state,
    sharded,
    unshard_state,
)

RNG = np.random.default_rng(0)
WEIGHTS = {
    "w": RNG.normal(size=(5, 3)).astype(np.float32),
    "b": RNG.normal(size=3).astype(np.float32),
    "s": np.array(0.5, np.float32),
}
GRADS = [
    {k: RNG.normal(size=(4, *p.shape)).astype(np.float32) for k, p in WEIGHTS.items()}
    for _ in range(3)
]
"""Of each step those of four processes."""


def matrices(params: Any) -> Any:
    return wl.tree.map(lambda p: p.ndim > 1, params)


BY_ELEMENTS = {
    "adagrad": wl.optim.adagrad(0.1),
    "adamw": wl.optim.adamw(wl.optim.cosine_decay_schedule(0.1, 4), mask=matrices),
    "lion": wl.optim.lion(0.1, mask={"w": True, "b": False, "s": False}),
    "momentum": wl.optim.sgd(0.1, 0.9, nesterov=True),
    "multi_steps": wl.optim.MultiSteps(wl.optim.adam(0.1), 2).gradient_transformation(),
    "partition": wl.optim.partition(
        {"a": wl.optim.adam(0.1), "b": wl.optim.sgd(0.1)}, {"w": "a", "b": "b", "s": "a"}
    ),
}


def over(f: Any, *args: Any, taken: Any = 0, out: Any = 0) -> Any:
    return wl.jit(wl.vmap(f, taken, out, axis_name="data", axis_size=4))(*args)


@pytest.mark.parametrize("name", BY_ELEMENTS)
def test_updates_and_state_have_the_bits_of_the_whole_optimizer(name: str) -> None:
    with wl.disable_jit():  # each operation rounds
        compare(BY_ELEMENTS[name])


def test_bits_are_the_same_where_both_are_compiled() -> None:
    compare(BY_ELEMENTS["adamw"])


def compare(one: wl.optim.Optimizer) -> None:
    many = sharded(one, "data")

    @wl.jit
    def whole(grads: Any, state: Any, weights: Any) -> Any:
        # what is summed is there, as where it comes from others: no product melts into the sum
        mean = lambda g: optimization_barrier(psum(g, "data")) / 4  # noqa: E731
        f = lambda g: one.update(wl.tree.map(mean, g), state, weights)  # noqa: E731
        return wl.vmap(f, out_axes=None, axis_name="data")(grads)

    @wl.jit
    def parts(grads: Any, state: Any, weights: Any) -> Any:
        def f(grads: Any, state: Any) -> Any:
            updates, state = many.update(grads, state, weights)
            return updates, state, unshard_state(one, state, weights, "data")

        return wl.vmap(f, 0, (None, 0, None), axis_name="data")(grads, state)

    first = over(lambda: many.init(WEIGHTS), taken=None)
    states, weights = (one.init(WEIGHTS), first), WEIGHTS
    for grads in GRADS:
        expected, state = whole(grads, states[0], weights)
        updates, own, together = parts(grads, states[1], weights)
        states, both = (state, own), [(expected, updates), (state, together)]
        for a, b in both:
            for x, y in zip(wl.tree.leaves(a), wl.tree.leaves(b), strict=True):
                np.testing.assert_array_equal(x, y)
        weights = wl.tree.map(lambda p, u: p + u, weights, updates)


def test_each_process_keeps_its_part_of_the_state() -> None:
    adam = wl.optim.adam(0.1)
    weights = {"w": np.zeros((30, 20), np.float32), "b": np.zeros(8, np.float32)}
    sizes = lambda state: sum(x.size for x in wl.tree.leaves(state))  # noqa: E731
    own = over(lambda: sharded(adam, "data").init(weights), taken=None)
    one = wl.tree.map(lambda x: x[0], own)
    assert sizes(adam.init(weights)) == 2 * 608 + 1
    assert sizes(one) == 2 * 608 // 4 + 1
    shapes = {k: [x.shape for x in wl.tree.leaves(one[0].mu[k])] for k in weights}
    assert shapes == {"w": [(1, 150)], "b": [(2,)]}


def test_state_goes_from_some_processes_to_others() -> None:
    adam = wl.optim.adam(0.1)
    grads = wl.tree.map(lambda g: g[0], GRADS[0])
    state = adam.update(grads, adam.init(WEIGHTS), WEIGHTS)[1]

    def f(state: Any) -> Any:
        own = shard_state(adam, state, WEIGHTS, "data")
        return unshard_state(adam, own, WEIGHTS, "data")

    for n in (1, 2, 4):
        found = wl.vmap(f, None, None, axis_name="data", axis_size=n)(state)
        for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(state), strict=True):
            np.testing.assert_array_equal(x, y)
    with pytest.raises(wl.ProgramError, match="sharded: the state of this optimizer is required"):
        wl.vmap(lambda s: f(s[0]), None, None, axis_name="data", axis_size=2)(state)


def by_place(g: Any, p: Any) -> Any:
    return g * wnp.arange(g.size).reshape(g.shape)


def by_sign_of_all(g: Any, p: Any) -> Any:
    return wl.lax.cond(wnp.sum(g) > 0, lambda: g, lambda: -g)


CROSSING = {
    "adafactor": (wl.optim.adafactor(0.1), "sum"),
    "apply_if_finite": (wl.optim.apply_if_finite(wl.optim.adam(0.1), 3), "all"),
    "by_place": (wl.optim.stateless_with_tree_map(by_place), "mul"),
    "by_sign_of_all": (wl.optim.stateless_with_tree_map(by_sign_of_all), "sum"),
    "clip": (wl.optim.chain(wl.optim.clip_by_global_norm(1.0), wl.optim.adam(0.1)), "sum"),
    "flatten": (wl.optim.flatten(wl.optim.adam(0.1)), "reshape"),
    "lamb": (wl.optim.lamb(0.1), "sum"),
    "lbfgs": (wl.optim.scale_by_lbfgs(), "sum"),
    "noisy_sgd": (wl.optim.noisy_sgd(0.1), "broadcast"),
}
"""What reads other elements, and the first op that does."""


@pytest.mark.parametrize("name", CROSSING)
def test_what_reads_other_elements_is_refused(name: str) -> None:
    optimizer, what = CROSSING[name]
    many = sharded(optimizer, "data")
    with pytest.raises(wl.ProgramError) as error:
        over(lambda g: many.update(g, many.init(WEIGHTS), WEIGHTS)[0], GRADS[0])
    first, place, repair = str(error.value).splitlines()
    assert first == (
        "sharded: an optimizer that updates each element by itself is required, "
        f"got one that reads others by {what}"
    )
    assert "test_zero.py" in place and "clip_by_global_norm(1.0, axis_name)" in repair


def test_a_search_along_a_line_is_refused() -> None:
    many, loss = sharded(wl.optim.lbfgs(), "data"), lambda w: np.sum(w["w"])
    with pytest.raises(wl.ProgramError, match="sharded: an optimizer that searches no line"):
        over(
            lambda g: many.update(g, many.init(WEIGHTS), WEIGHTS, value=1.0, grad=g, value_fn=loss)[
                0
            ],
            GRADS[0],
        )


@wl.nn.layer
class Called:
    w: Any

    def __call__(self) -> Any:
        return self.w


def test_a_gradient_that_is_told_beside_is_of_parts_too() -> None:
    def update(grads: Any, state: Any, params: Any = None, *, grad: Any, **_: Any) -> Any:
        return wl.tree.map(lambda g, more: g + 2 * more, grads, grad), state

    many = sharded(wl.optim.Optimizer(lambda _: (), update), "data")

    def both(g: Any, sign: float) -> Any:
        g = Called(g)
        more = g if sign > 0 else wl.tree.map(np.negative, g)
        mean, more_mean = wl.lax.pmean((g, more), "data")
        found = many.update(g, (), Called(WEIGHTS), grad=more)[0]
        return found, update(mean, (), grad=more_mean)[0]

    for sign in (1.0, -1.0):
        found, wanted = over(lambda g, s=sign: both(g, s), GRADS[0])
        for a, b in zip(wl.tree.leaves(found), wl.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_what_is_refused_has_a_repair() -> None:
    clip = wl.optim.clip_by_global_norm(0.5)
    many = sharded(wl.optim.chain(clip_by_global_norm(0.5, "data"), wl.optim.sgd(1.0)), "data")
    found = over(lambda g: many.update(g, many.init(WEIGHTS))[0], GRADS[0], out=None)
    mean = wl.tree.map(lambda g: g.mean(0), GRADS[0])
    expected = wl.tree.map(lambda u: -u, clip.update(mean, clip.init(mean))[0])
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, 1e-6, 1e-7)


def test_the_norm_of_parts_and_of_what_is_whole() -> None:
    specs = {"w": PartitionSpec("data"), "b": PartitionSpec(), "s": PartitionSpec()}
    clip = clip_by_global_norm(0.5, specs=specs)
    w = RNG.normal(size=(8, 3))
    b, s = RNG.normal(size=3), np.array(2.0)

    def f(w: Any) -> Any:
        grads = {"w": w, "b": b, "s": s}
        return clip.update(grads, clip.init(grads))[0]

    found = wl.vmap(f, axis_name="data")(w.reshape(4, 2, 3))
    norm = np.sqrt((w**2).sum() + (b**2).sum() + s**2)
    np.testing.assert_allclose(found["w"].reshape(8, 3), w * 0.5 / norm, 1e-12)
    np.testing.assert_allclose(found["b"][3], b * 0.5 / norm, 1e-12)


def test_the_mean_is_what_processes_give_together() -> None:
    many = sharded(wl.optim.sgd(1.0), "data")
    found = over(lambda g: many.update(g, many.init(WEIGHTS))[0], GRADS[0], out=None)
    expected = over(lambda g: pmean(g, "data"), GRADS[0], out=None)
    np.testing.assert_array_equal(found["w"], -expected["w"])
