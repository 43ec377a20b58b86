"""Named axes of vmap: what one application reads of all others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.ir.errors import CompilerError, ProgramError
from wonderland.compiler.ir.graph import Graph, Value, apply
from wonderland.compiler.ir.symbolic import node_of
from wonderland.compiler.ir.types import NUMPY, Type
from wonderland.compiler.ops.collective import (
    AllGather,
    Collective,
    NamedAxis,
    Pmax,
    Pmin,
    Psum,
    PsumScatter,
    all_gather,
    pmax,
    pmin,
    psum,
    psum_scatter,
)
from wonderland.compiler.ops.exchange import (
    AllToAll,
    Own,
    Ppermute,
    all_to_all,
    local_element,
    ppermute,
)
from wonderland.compiler.transform.batch import batch
from wonderland.compiler.transform.transpose import transpose

X = np.random.default_rng(0).normal(size=(4, 3))
S = np.random.default_rng(1).normal(size=(4, 4, 4))
NUMBER: Any = 3  # no name


def over(f: Any, *args: Any, **options: Any) -> Any:
    return wl.vmap(f, axis_name="i", **options)(*args)


def close(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(wl.tree.leaves(x), wl.tree.leaves(y), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance)


def every(x: Any) -> np.ndarray:
    return np.stack([x] * 4)


# ---------------------------------------------------------------- values


def test_reductions_are_those_over_the_axis():
    close(over(lambda x: lax.psum(x, "i"), X), every(X.sum(0)))
    close(over(lambda x: lax.pmean(x, "i"), X), every(X.mean(0)))
    close(over(lambda x: lax.pmax(x, "i"), X), every(X.max(0)))
    close(over(lambda x: lax.pmin({"x": x}, "i"), X), {"x": every(X.min(0))})


def test_what_all_have_needs_no_axis_in_the_result():
    f = lambda x: (lax.psum(x, "i"), lax.all_gather(x, "i"), lax.axis_size("i"))  # noqa: E731
    total, everything, size = over(f, X, out_axes=None)
    close(total, X.sum(0))
    close(everything, X)
    assert size == 4


def test_what_is_the_same_for_all_is_multiplied():
    f = lambda x, c: (lax.psum(c, "i"), lax.pmean(c, "i"), lax.all_gather(c, "i"))  # noqa: E731
    found = over(f, X, X[0], in_axes=(0, None), out_axes=None)
    close(found, (4 * X[0], X[0], every(X[0])))
    assert over(lambda x: x * lax.psum(1, "i"), X).shape == X.shape


@pytest.mark.parametrize("dtype", [d for d in NUMPY if d != "bool"])
def test_sums_of_every_dtype_keep_it(dtype: str):
    x = np.arange(4).astype(NUMPY[dtype])
    found = over(lambda x: lax.psum(x, "i"), x, out_axes=None)
    assert found.dtype == x.dtype and found == 6
    assert over(lambda x, c: lax.psum(c, "i"), x, x[3], in_axes=(0, None), out_axes=None) == 12


def test_truth_values_are_counted():
    found = over(lambda x: lax.psum(x > 0, "i"), X, out_axes=None)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, (X > 0).sum(0))


def test_places_and_sizes():
    np.testing.assert_array_equal(over(lambda x: lax.axis_index("i"), X), np.arange(4))
    assert over(lambda x: lax.axis_index("i"), X).dtype == np.int32
    assert over(lambda x: np.zeros(lax.axis_size("i")), X).shape == (4, 4)


def test_values_are_gathered_along_any_axis():
    for axis in range(-3, 3):
        found = over(lambda x, axis=axis: lax.all_gather(x, "i", axis=axis), S)
        close(found, every(np.moveaxis(S, 0, axis)))
    tiled = over(lambda x: lax.all_gather(x, "i", axis=1, tiled=True), S)
    close(tiled, every(np.concatenate(list(S), 1)))


def test_values_move_by_a_permutation():
    around = [(k, (k + 1) % 4) for k in range(4)]
    close(over(lambda x: lax.ppermute(x, "i", around), X), np.roll(X, 1, 0))
    found = over(lambda x: lax.ppermute(x, "i", [(0, 2)]), X)
    close(found, np.stack([0 * X[0], 0 * X[0], X[0], 0 * X[0]]))


def test_sums_are_scattered_and_parts_exchanged():
    for d in range(-2, 2):
        found = over(lambda x, d=d: lax.psum_scatter(x, "i", scatter_dimension=d), S)
        close(found, np.moveaxis(S.sum(0), d, 0))
        for c in range(-2, 2):
            found = over(lambda x, d=d, c=c: lax.all_to_all(x, "i", d, c), S)
            rows = [np.moveaxis(np.take(S, k, d if d < 0 else d + 1), 0, c) for k in range(4)]
            close(found, np.stack(rows))
    wide = np.arange(4 * 8.0).reshape(4, 8)
    close(over(lambda x: lax.psum_scatter(x, "i", tiled=True), wide), wide.sum(0).reshape(4, 2))
    found = over(lambda x: lax.all_to_all(x, "i", 0, 0, tiled=True), wide)
    close(found, wide.reshape(4, 4, 2).swapaxes(0, 1).reshape(4, 8))


def test_extremes_of_truth_values_are_any_and_all():
    truths = X > 0.5
    found = over(lambda x: (lax.pmax(x, "i"), lax.pmin(x, "i")), truths)
    np.testing.assert_array_equal(found, (every(truths.any(0)), every(truths.all(0))))
    assert found[0].dtype == bool


def test_what_one_has_all_have():
    dirty = np.where(np.arange(4)[:, None] == 2, X, np.nan)
    tree = {"x": dirty, "t": X > 0, "n": np.arange(4).astype(np.int8)}
    found = over(lambda tree: lax.pbroadcast(tree, "i", 2), tree)
    for name, leaf in tree.items():
        assert found[name].dtype == leaf.dtype
        np.testing.assert_array_equal(found[name], every(leaf[2]))
    np.testing.assert_array_equal(over(lambda x: lax.pcast(x, "i", to="varying"), X), X)


# ---------------------------------------------------------------- names


def test_several_names_are_one_axis():
    a = np.arange(6.0).reshape(2, 3)

    def f(x: Any) -> Any:
        names = ("i", "j")
        return (
            lax.psum(x, names), lax.axis_index(names), lax.all_gather(x, names),
            lax.pmax(x, names), lax.axis_size(names), lax.psum(x, "i"), lax.psum(x, "j"),
        )  # fmt: skip

    found = wl.vmap(wl.vmap(f, axis_name="j"), axis_name="i")(a)
    close(found[0], np.full((2, 3), 15.0))
    np.testing.assert_array_equal(found[1], np.arange(6).reshape(2, 3))
    close(found[2], np.broadcast_to(np.arange(6.0), (2, 3, 6)))
    close(found[3], np.full((2, 3), 5.0))
    np.testing.assert_array_equal(found[4], np.full((2, 3), 6))
    close(found[5], np.stack([a.sum(0)] * 2))
    close(found[6], np.stack([a.sum(1)] * 3, 1))


def test_parts_of_several_names_are_those_of_one_axis():
    x = np.random.default_rng(2).normal(size=(2, 3, 6, 4))

    def f(x: Any) -> Any:
        names = ("i", "j")
        turn = [(k, (k + 1) % 6) for k in range(6)]
        return (
            lax.psum_scatter(x, names), lax.all_to_all(x, names, 0, 1),
            lax.ppermute(x, names, turn), lax.ppermute(x, names, [(5, 0)]),
            lax.psum_scatter(x, ("j", "i")), lax.psum(x, ()), lax.axis_index(()),
        )  # fmt: skip

    found = wl.vmap(wl.vmap(f, axis_name="j"), axis_name="i")(x)
    one, total = x.reshape(6, 6, 4), x.sum((0, 1))
    close(found[0], total.reshape(2, 3, 4))
    close(found[1], one.transpose(1, 2, 0).reshape(2, 3, 4, 6))
    close(found[2], np.roll(one, 1, 0).reshape(x.shape))
    np.testing.assert_array_equal(found[3][0, 0], x[1, 2])
    assert np.count_nonzero(found[3]) == 24
    close(found[4], total.reshape(3, 2, 4).swapaxes(0, 1))
    close(found[5], x)
    np.testing.assert_array_equal(found[6], np.zeros((2, 3)))


def test_an_axis_is_seen_through_other_transformations():
    f = wl.jit(lambda x: wl.vmap(lambda y: lax.psum(y, "i") + lax.axis_index("i"))(x))
    close(over(f, X), X.sum(0) + np.arange(4.0)[:, None])
    slope = wl.grad(lambda x: np.sum(wl.jit(lambda y: lax.psum(y, "i") ** 2)(x)))
    close(over(slope, X), every(4 * 2 * X.sum(0)))
    close(wl.jit(lambda x: over(f, x))(X), X.sum(0) + np.arange(4.0)[:, None])


def test_an_axis_is_seen_in_loops_and_branches():
    def summed(x: Any) -> Any:
        def body(carry: Any, t: Any) -> Any:
            return carry + lax.psum(x, "i") * t, lax.pmean(carry, "i")

        return lax.scan(body, x * 0, np.arange(3.0))

    total, means = over(summed, X)
    close(total, every(3 * X.sum(0)))
    close(means, np.stack([[0 * X[0], 0 * X[0], X.sum(0)]] * 4))

    def chosen(x: Any) -> Any:
        return lax.cond(x[0] > 0, lambda x: lax.psum(x, "i"), lambda x: -x, x)

    close(over(chosen, X), np.where(X[:, :1] > 0, X.sum(0), -X))

    def counted(x: Any) -> Any:
        def more(state: Any) -> Any:
            return state[1] < lax.axis_index("i")

        return lax.while_loop(more, lambda s: (s[0] + lax.psum(x, "i"), s[1] + 1), (x, 0))

    found, turns = over(counted, X)
    np.testing.assert_array_equal(turns, np.arange(4))
    close(found, X + np.arange(4.0)[:, None] * X.sum(0))
    # a batch inside, whose branches are told apart by a mask, leaves the outer axis alone
    signs = np.array([1.0, -1.0, 2.0])

    def within(x: Any) -> Any:
        def one(sign: Any) -> Any:
            return lax.cond(sign > 0, lambda x: lax.psum(x, "i"), lambda x: -x, x)

        return wl.vmap(one)(signs)

    close(over(within, X), np.stack([every(X.sum(0)), -X, every(X.sum(0))], 1))
    slope = over(wl.grad(lambda x: np.sum(summed(x)[0] ** 2)), X)
    close(slope, every(2 * 4 * 9 * X.sum(0)))


def test_an_inner_axis_hides_an_outer_one_of_its_name():
    inner = wl.vmap(lambda x: lax.psum(x, "i"), axis_name="i")
    close(over(inner, X), np.stack([X.sum(1)] * 3, 1))


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: lax.psum(x, "j"), "psum: an axis of 'i' is required, got 'j'"),
        (lambda x: lax.pmax(x, ("i", "j")), "pmax: an axis of 'i' is required, got 'j'"),
        (lambda x: lax.psum(x, NUMBER), "psum: an axis of 'i' is required, got 3"),
        (lambda x: lax.axis_index("j"), "axis_index: an axis of 'i' is required, got 'j'"),
        (lambda x: lax.psum(x, ("i", "i")), "psum: names that differ are required, got ('i', 'i')"),
        (lambda x: lax.pbroadcast(x, "i", 4), "pbroadcast: a source below 4 is required, got 4"),
        (lambda x: lax.pcast(x, "j", to="varying"), "pcast: an axis of 'i' is required, got 'j'"),
        (
            lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)]),
            "ppermute: pairs of different sources and different destinations below 4 are required",
        ),
        (lambda x: lax.ppermute(x, "i", [(0, 4)]), "destinations below 4 are required"),
        (
            lambda x: lax.psum(x, "i", axis_index_groups=[[0, 1], [2, 3]]),
            "psum: axis_index_groups has no form here",
        ),
        (
            lambda x: lax.psum_scatter(x, "i"),
            "psum_scatter: 4 elements along axis 0 are required, got f64[3]",
        ),
        (
            lambda x: lax.all_to_all(x, "i", 0, 0, tiled=True),
            "all_to_all: a multiple of 4 elements along axis 0 are required, got f64[3]",
        ),
        (
            lambda x: lax.all_gather(x, "i", axis=2),
            "all_gather: an axis within 2 dimensions is required, got 2",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(f: Any, error: str):
    with pytest.raises(ProgramError) as caught:
        over(f, X)
    assert error in str(caught.value) and "test_collectives.py" in str(caught.value)


def test_outside_of_vmap_there_is_no_axis():
    for f in (lambda: lax.psum(X, "i"), lambda: wl.jit(lambda x: lax.psum(x, "i"))(X)):
        with pytest.raises(ProgramError) as caught:
            f()
        message = str(caught.value)
        assert "psum: an axis of a vmap or mesh around it is required, got 'i'" in message
        assert "wl.vmap(f, axis_name='i')" in message


def test_a_mesh_inside_of_a_vmap_is_nearer():
    mesh = wl.distributed.mesh({"i": 1})
    alone = wl.distributed.spmd(lambda x: lax.psum(x, "i"), mesh)
    found = wl.vmap(lambda x: (alone(x), lax.psum(x, "i")), axis_name="i")(X)
    np.testing.assert_array_equal(found[0], X)
    np.testing.assert_array_equal(found[1], np.broadcast_to(X.sum(0), X.shape))
    with mesh:
        inside = wl.vmap(lambda x: lax.psum(x, "i"), axis_name="i")(X)
    np.testing.assert_array_equal(inside, found[1])


def test_a_mesh_is_known_to_compiled_functions_alone():
    with wl.distributed.mesh({"i": 1}), pytest.raises(ProgramError) as caught:
        lax.psum(X, "i")
    message = str(caught.value)
    assert "psum: a compiled function is required in a mesh, got none around it" in message
    assert "try: wl.jit(lambda x: wl.lax.psum(x, 'i'))(x)" in message


def test_a_batch_of_another_size_is_a_fault():
    x, place = Value(Type("f64")), Value(Type("i32"))
    graph = Graph.of("f", (x, place), (apply(Psum("i", 3), x, place),))
    with pytest.raises(CompilerError, match="psum: a batch of 3 is required, got 2"):
        batch(graph, (True, True), 2)


# ---------------------------------------------------------------- processes

MESH = (("i", 3), ("j", 2))
ON_THE_WIRE: dict[str, tuple[Collective, str]] = {
    "psum": (Psum("i", 3, mesh=MESH), "sum over i of f32[6]"),
    "pmax": (Pmax("i", 3, mesh=MESH), "max over i of f32[6]"),
    "pmin": (Pmin("j", 2, mesh=MESH), "min over j of f32[6]"),
    "all_gather": (AllGather("j", 2, mesh=MESH), "gather over j of f32[6]"),
    "psum_scatter": (PsumScatter("i", 3, mesh=MESH), "scatter over i of f32[6]"),
    "all_to_all": (AllToAll("i", 3, mesh=MESH), "exchange over i of f32[6]"),
    "ppermute": (Ppermute("i", 3, ((0, 2),), mesh=MESH), "permute over i of f32[6]"),
}


@pytest.mark.parametrize("name", sorted(ON_THE_WIRE))
def test_over_processes_an_op_is_a_transfer_that_batches_leave_alone(name: str):
    op, text = ON_THE_WIRE[name]
    x, place = Value(Type("f32", (3, 2))), Value(Type("i32"))
    (node,) = (graph := Graph.of("f", (x, place), (apply(op, x, place),))).nodes
    found, complex_ = op.transfer(x.type), op.transfer(Type("c64", (3, 2)))
    assert found is not None and complex_ is not None
    assert str(found) == text and (found.mesh, found.pairs) == (MESH, getattr(op, "pairs", ()))
    assert found.result_bytes == node.out.type.nbytes
    assert (complex_.count, complex_.dtype) == (12, np.float32)
    assert replace(op, mesh=()).transfer(x.type) is None
    many, _ = batch(graph, (True, False), 5)
    assert [n.op for n in many.nodes if isinstance(n.op, Collective)] == [op]
    with pytest.raises(CompilerError, match="no batch is over the axis of processes"):
        batch(graph, (True, True), op.axis_size)
    with pytest.raises(CompilerError, match="no kernel reads what other processes have"):
        op.element((), (x.type, place.type), node.out.type, None)  # pyright: ignore[reportArgumentType]


def test_one_process_alone_gives_nothing_away():
    x = Value(Type("f32", (1, 2)))
    axis = NamedAxis("i", Value(Type("i32")), 1, (("i", 1), ("j", 2)))
    for of in (psum, pmax, pmin, all_to_all, partial(ppermute, pairs=((0, 0),))):
        assert of(x, axis) is x
    for of, shape in ((all_gather, (1, 1, 2)), (psum_scatter, (2,)), (local_element, (2,))):
        found = of(x, axis)
        assert found.shape == shape and node_of(found).op.name == "reshape"
    assert node_of(ppermute(x, axis, ())).op.name == "ppermute"  # zeros
    with pytest.raises(ProgramError, match="own: a first axis of 1 elements is required"):
        local_element(Value(Type("f32", (2,))), axis)


def test_the_reference_is_the_transfer_of_every_dtype():
    alone, x = (("i", 1),), np.arange(6.0).reshape(1, 6)
    kinds = Psum, Pmax, Pmin, AllGather, PsumScatter, AllToAll
    for op in (
        *(kind("i", 1, mesh=alone) for kind in kinds),
        Ppermute("i", 1, ((0, 0),), mesh=alone),
    ):
        for dtype in ("f64", "i8", "c64"):
            a = x.astype(NUMPY[dtype])
            if dtype == "c64" and isinstance(op, Pmax | Pmin):
                continue
            found = op.reference(a, np.asarray(0, np.int32))
            assert found.dtype == a.dtype
            shape = {"all_gather": (1, 1, 6), "psum_scatter": (6,)}.get(op.name, (1, 6))
            np.testing.assert_array_equal(found, a.reshape(shape))


def test_the_place_on_an_axis_of_processes_is_computed_with_by_kernels():
    own = Own("i", 3, mesh=MESH)
    assert own.transfer(Type("f32", (3, 2))) is None
    np.testing.assert_array_equal(own.reference(np.arange(3.0), np.asarray(1)), 1.0)


# ---------------------------------------------------------------- derivatives

FUNCTIONS = {
    "psum": lambda x: lax.psum(np.sin(x), "i"),
    "pmean": lambda x: lax.pmean(x**2, "i"),
    "pmax": lambda x: lax.pmax(x, "i"),
    "all_gather": lambda x: np.sum(lax.all_gather(x**2, "i") * np.arange(4.0)[:, None], 0),
    "ppermute": lambda x: x * lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3), (3, 0)]),
    "partial ppermute": lambda x: lax.ppermute(x**2, "i", [(0, 1), (2, 3)]),
    "all_to_all": lambda x: np.sum(lax.all_to_all(np.outer(x, x)[:, :1] * np.ones(4), "i", 1, 0)),
    "axis_index": lambda x: x**2 * lax.axis_index("i"),
    "pmin": lambda x: x * lax.pmin(x, "i"),
    "psum_scatter": lambda x: lax.psum_scatter(np.outer(np.arange(4.0), x**3), "i"),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_derivatives_over_a_named_axis(name: str):
    f = FUNCTIONS[name]
    wl.testing.check_gradients(lambda x: over(f, x), X, order=2)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_gradient_inside_is_that_of_the_sum_over_all(name: str):
    f = FUNCTIONS[name]
    inside = over(wl.grad(lambda x: np.sum(f(x))), X)
    close(inside, wl.grad(lambda x: np.sum(over(f, x)))(X))


def test_the_greatest_of_all_share_the_derivative_and_none_has_that_of_nan():
    x = np.array([2.0, 1.0, 2.0, np.nan])
    slope = over(wl.grad(lambda x: lax.pmax(x, "i")), x[:3])  # of the sum of all three
    np.testing.assert_array_equal(slope, [1.5, 0.0, 1.5])
    assert np.all(
        np.isnan(over(lambda x: wl.jvp(lambda y: lax.pmax(y, "i"), (x,), (x * 0,))[1], x))
    )


@pytest.mark.parametrize(
    ("name", "other", "pairs"),
    [
        ("psum", "psum", ()),
        ("all_gather", "psum_scatter", ()),
        ("psum_scatter", "all_gather", ()),
        ("all_to_all", "all_to_all", ()),
        ("ppermute", "ppermute", ((2, 0),)),
    ],
)
def test_what_is_linear_has_one_transfer_as_its_transpose(name: str, other: str, pairs: Any):
    op = ON_THE_WIRE[name][0]
    x, place = Value(Type("f32", (3, 2))), Value(Type("i32"))
    graph = Graph.of("f", (x, place), (apply(op, x, place),))
    backward = transpose(graph, (True, False))
    (found,) = (n.op for n in backward.nodes)
    assert isinstance(found, Collective)
    assert (found.name, found.mesh, getattr(found, "pairs", ())) == (other, MESH, pairs)
    assert backward.outputs[0].type == x.type


def test_the_gradient_of_a_mean_over_the_axis_is_computed_without_copies():
    graph = wl.trace(wl.vmap(wl.grad(lambda x: np.sum(lax.psum(x, "i"))), axis_name="i"), X).graph
    assert {v.type.ndim for v in graph.values} <= {0, 1, 2}


# ---------------------------------------------------------------- programs


def test_training_on_shards_is_training_on_the_whole_batch():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(8, 5, 3)), rng.normal(size=(8, 5))
    p = {"w": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}

    def loss(p: Any, x: Any, y: Any) -> Any:
        return np.mean((np.tanh(x @ p["w"]) @ p["v"] - y) ** 2)

    def step(p: Any, x: Any, y: Any) -> Any:
        value, slope = wl.value_and_grad(loss)(p, x, y)
        value, slope = lax.pmean((value, slope), "shards")
        return wl.tree.map(lambda a, g: a - 0.1 * g, p, slope), value

    shards = wl.vmap(step, in_axes=(None, 0, 0), out_axes=None, axis_name="shards")
    train = wl.jit(shards)
    whole = {n: a.copy() for n, a in p.items()}
    for _ in range(5):
        p, value = train(p, x, y)
        expected, slope = wl.value_and_grad(loss)(whole, x.reshape(40, 3), y.reshape(40))
        whole = {n: whole[n] - 0.1 * slope[n] for n in whole}
        close(value, expected, 1e-10)
    close(p, whole, 1e-10)


def test_normalising_over_the_batch_inside_of_vmap():
    def normalised(x: Any) -> Any:
        centred = x - lax.pmean(x, "i")
        return centred / np.sqrt(lax.pmean(centred**2, "i") + 1e-5)

    close(over(normalised, X), (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5))


# ---------------------------------------------------------------- against JAX


def test_jax_gives_the_same():
    jax = pytest.importorskip("jax")
    jlax, jnp = jax.lax, jax.numpy

    def f(lax: Any, np: Any, x: Any) -> Any:
        return (
            lax.psum(x, "i"), lax.pmean(x, "i"), lax.pmax(x, "i"), lax.all_gather(x, "i"),
            lax.axis_index("i") * x, lax.psum(1, "i") * x, lax.psum(x > 0, "i"),
            lax.ppermute(x, "i", [(0, 3), (1, 0), (2, 2), (3, 1)]),
        )  # fmt: skip

    def g(lax: Any, np: Any, x: Any) -> Any:
        y = lax.ppermute(np.sin(x), "i", [(0, 3), (1, 0), (2, 2), (3, 1)]) * lax.psum(x**2, "i")
        return np.sum(y * lax.all_gather(x, "i")[2] + lax.pmean(x, "i") ** 2)

    with jax.enable_x64(True):
        expected = jax.vmap(lambda x: f(jlax, jnp, x), axis_name="i")(X)
        close(over(lambda x: f(lax, np, x), X), [np.asarray(e) for e in expected])
        expected = jax.vmap(jax.grad(lambda x: g(jlax, jnp, x)), axis_name="i")(X)
        close(over(wl.grad(lambda x: g(lax, np, x)), X), np.asarray(expected))
        s = np.arange(4 * 4 * 4.0).reshape(4, 4, 4)
        for d, c, tiled in ((0, 1, False), (1, 0, False), (1, 1, True), (0, 1, True)):
            to = {"axis_name": "i", "split_axis": d, "concat_axis": c, "tiled": tiled}
            expected = jax.vmap(partial(jlax.all_to_all, **to), axis_name="i")(s)
            close(over(partial(lax.all_to_all, **to), s), np.asarray(expected))
