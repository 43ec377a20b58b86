"""wl.tree beyond taking apart: paths, reductions, layouts, sizes, classes and static fields."""

from __future__ import annotations

import dataclasses
import operator
from collections import OrderedDict, defaultdict
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest

import wonderland as wl
from wonderland import tree_util
from wonderland.compiler.trace.tree import reader
from wonderland.tree import Static
from wonderland.tree import Static as Told


class Point(NamedTuple):
    x: Any
    y: Any


class Scaled:
    """No container, unless it is registered."""

    def __init__(self, x: Any, by: Any) -> None:
        self.x, self.by = x, by


class Keyed(Scaled):
    """Registered with keys."""


wl.tree.register(Scaled, lambda s: ((s.x,), s.by), lambda by, xs: Scaled(xs[0], by))
wl.tree.register_with_keys(
    Keyed, lambda s: ([(tree_util.GetAttrKey("x"), s.x)], s.by), lambda by, xs: Keyed(xs[0], by)
)


@wl.tree.register_static
@dataclasses.dataclass(frozen=True)
class Mode:
    name: str


@dataclasses.dataclass
class Layer:
    weight: Any
    heads: Static[int] = 2
    width: wl.tree.Static[int] = 3
    plain: Annotated[int, "static of another kind"] = 4
    kept: int = wl.tree.static(default=5)
    flax: Any = dataclasses.field(default=6, metadata={"pytree_node": False})


@dataclasses.dataclass
class Wide(Layer):
    more: Told[tuple[int, ...]] = (1, 2)


FULL = {"b": [1.0, Point(2.0, None)], "a": (3.0,)}


def test_fields_are_static_by_annotation_metadata_and_as_in_flax() -> None:
    assert wl.tree.paths(Layer(1.0)) == [".weight", ".plain"]
    assert wl.tree.paths(Wide(1.0)) == [".weight", ".plain"]
    assert wl.tree.map(lambda x: -x, Wide(1.0, more=(7,))) == Wide(-1.0, plain=-4, more=(7,))

    from wonderland import tree as ours

    @dataclasses.dataclass
    class Local:
        x: Any
        n: Static[int] = 1
        m: ours.Static[int] = 1
        k: list[int] = dataclasses.field(default_factory=lambda: [1])

    assert wl.tree.paths(Local(1.0)) == [".x", ".k[0]"]


def test_a_program_is_of_static_values_told_apart_to_the_bit() -> None:
    step = wl.jit(lambda layer: layer.weight * layer.heads, disable_jit=True)
    compiled = wl.jit(lambda layer: layer.weight * layer.heads)
    x = np.arange(3)
    for f in (step, compiled):
        for heads in (1, 1.0, True, 1, 2):
            got = f(Layer(x, heads))  # type: ignore[arg-type]
            assert got.dtype == (x * heads).dtype
            np.testing.assert_array_equal(got, x * heads)
    structures = {wl.tree.structure(Layer(1.0, n)) for n in (0.0, -0.0, 0, False)}  # type: ignore[arg-type]
    assert len(structures) == 4


def test_static_data_that_do_not_hash_are_named() -> None:
    step = wl.jit(lambda layer, s: layer["a"].weight)
    with pytest.raises(wl.ProgramError, match=r"must be hashable, got list at layer\['a'\]\.heads"):
        step({"a": Layer(1.0, [1])}, None)  # type: ignore[arg-type]
    with pytest.raises(wl.ProgramError, match=r"must be hashable, got ndarray at s\[0\]"):
        step({"a": Layer(1.0)}, [Scaled(1.0, np.ones(2))])


TREES = [
    OrderedDict(b=1.0, a=[2.0]),
    defaultdict(list, {"b": 1.0, "a": [2.0]}),
    Scaled([1.0, 2.0], "by"),
    Keyed([1.0, 2.0], 3),
    {"m": Mode("train"), "x": 1.0},
    tree_util.Partial(operator.add, 1.0, b=2.0),
]


@pytest.mark.parametrize("example", TREES, ids=lambda t: type(t).__name__)
def test_classes_are_taken_apart_and_read_by_compiled_functions(example: Any) -> None:
    leaves, structure = wl.tree.flatten(example)
    again = wl.tree.unflatten(structure, leaves)
    assert type(again) is type(example) and wl.tree.structure(again) == structure
    read = reader(structure)
    assert read(example) == read(again) == tuple(leaves)
    assert all(read(t) is None for t in TREES if type(t) is not type(example))
    doubled = wl.jit(lambda t: wl.tree.map(lambda x: 2 * x, t))
    for _ in range(3):
        got = doubled(example)
        assert type(got) is type(example)
        assert wl.tree.leaves(got) == [2 * x for x in leaves]
    assert wl.tree.leaves(wl.grad(lambda t: sum(wl.tree.leaves(t)))(example)) == [1.0] * len(leaves)


def test_registered_data_are_told_apart() -> None:
    step = wl.jit(lambda s: s.x * s.by)
    assert [step(Scaled(2.0, n)) for n in (1, 2, 2, 1)] == [2, 4, 4, 2]
    mode = wl.jit(lambda m, x: -x if m.name == "neg" else x)
    assert [mode(Mode(n), 1.0) for n in ("neg", "pos", "neg")] == [-1, 1, -1]


def test_dicts_keep_their_order_and_their_factory() -> None:
    ordered, default = (wl.tree.map(lambda x: x, t) for t in TREES[:2])
    assert list(ordered) == ["b", "a"] and wl.tree.leaves(TREES[0]) == [1.0, 2.0]
    assert wl.tree.leaves(TREES[1]) == [2.0, 1.0] and default["new"] == []
    assert wl.tree.structure(OrderedDict(a=1, b=2)) != wl.tree.structure(OrderedDict(b=1, a=2))


def test_wrong_registrations_are_refused() -> None:
    class Odd:
        pass

    with pytest.raises(wl.ProgramError, match="registered once, Scaled"):
        wl.tree.register(Scaled, lambda s: ((), None), lambda d, xs: Scaled(0, 0))
    for leaf in (float, str):
        with pytest.raises(wl.ProgramError, match="of containers is required, got "):
            wl.tree.register(leaf, lambda s: ((), None), lambda d, xs: xs)  # type: ignore
    with pytest.raises(wl.ProgramError, match="a class is required, got 3"):
        wl.tree.register(3, lambda s: ((), None), lambda d, xs: Odd())  # type: ignore[arg-type]
    with pytest.raises(wl.ProgramError, match="data_fields and meta_fields of Odd"):
        wl.tree.register_dataclass(Odd)
    wl.tree.register(Odd, lambda s: (1.0,), lambda d, xs: Odd())  # type: ignore[arg-type, return-value]
    with pytest.raises(wl.ProgramError, match="flattening of Odd must give a pair"):
        wl.tree.leaves(Odd())


def test_fields_of_a_dataclass_are_named_by_registering() -> None:
    @dataclasses.dataclass
    class Model:
        x: Any
        n: int

    with pytest.raises(wl.ProgramError, match=r"each field of Model .* got 'n'"):
        wl.tree.register_dataclass(Model, ["x"], [])
    wl.tree.register_dataclass(Model, data_fields=["x"], meta_fields=["n"])
    assert wl.tree.paths(Model(1.0, 2)) == [".x"]


def test_is_leaf_stops_at_a_container() -> None:
    def pair(x: Any) -> bool:
        return isinstance(x, Point)

    assert wl.tree.leaves(FULL, is_leaf=pair) == [3.0, 1.0, Point(2.0, None)]
    assert wl.tree.leaves(FULL, is_leaf=lambda x: x is None) == [3.0, 1.0, 2.0, None]
    assert wl.tree.leaves(FULL, is_leaf=lambda x: True) == [FULL]
    got = wl.tree.map(lambda x: 0, FULL, is_leaf=pair)
    assert got == {"b": [0, 0], "a": (0,)}


def test_other_trees_may_have_trees_in_the_place_of_leaves() -> None:
    got = wl.tree.map(lambda x, y: (x, y), {"a": 1, "b": [2]}, {"a": [3, None], "b": [()]})
    assert got == {"a": (1, [3, None]), "b": [(2, ())]}


def test_paths_are_keys_and_texts() -> None:
    found = {wl.tree.keystr(p): x for p, x in wl.tree.leaves_with_path(FULL)}
    assert found == {"['a'][0]": 3.0, "['b'][0]": 1.0, "['b'][1].x": 2.0}
    assert list(found) == wl.tree.paths(FULL) == wl.tree.paths(wl.tree.structure(FULL))
    (path, _), *_ = wl.tree.flatten_with_path([{"w": 1.0}])[0]
    assert path == (tree_util.SequenceKey(0), tree_util.DictKey("w"))
    assert wl.tree.keystr(path, simple=True, separator="/") == "0/w"
    assert wl.tree.paths([Keyed(1.0, 1), Scaled(1.0, 1)]) == ["[0].x", "[1][<flat index 0>]"]
    names = wl.tree.map_with_path(lambda p, x, y: (len(p), x + y), FULL, FULL)
    assert names["b"][1].x == (3, 4.0)


def test_reductions_are_those_of_the_list_of_leaves() -> None:
    words = {"b": ["c", "d", "e"], "a": ("a", "b")}
    assert wl.tree.reduce(operator.add, words) == "abcde"
    assert wl.tree.reduce(operator.add, words, "x") == "xabcde"
    assert wl.tree.reduce(operator.add, [], 0) == 0
    assert wl.tree.reduce_associative(operator.add, words) == "abcde"
    assert wl.tree.reduce_associative(operator.add, [], identity=1) == 1
    assert wl.tree.all({"a": True, "b": [1]}) and not wl.tree.all([True, [0]])
    for reduction in (wl.tree.reduce, wl.tree.reduce_associative):
        with pytest.raises(wl.ProgramError, match="is required, got neither"):
            reduction(operator.add, [None])


def test_layouts() -> None:
    assert wl.tree.broadcast(1, FULL) == {"b": [1, Point(1, None)], "a": (1,)}
    assert wl.tree.broadcast({"b": 1, "a": 2}, FULL) == {"b": [1, Point(1, None)], "a": (2,)}
    with pytest.raises(wl.ProgramError, match="trees of one structure"):
        wl.tree.broadcast({"b": 1}, FULL)
    outer, inner = wl.tree.structure([0, 0]), wl.tree.structure({"x": 0, "y": 0})
    rows = [{"x": 1, "y": 2}, {"x": 3, "y": 4}]
    for given in (inner, None):
        assert wl.tree.transpose(outer, given, rows) == {"x": [1, 3], "y": [2, 4]}
    assert wl.tree.transpose(wl.tree.structure([]), inner, []) == {"x": [], "y": []}


def test_sizes_and_the_table() -> None:
    params = {"w": np.ones((300, 20), np.float32), "n": 2, "s": np.ones((), np.float16)}
    assert (wl.tree.size(params), wl.tree.nbytes(params)) == (6002, 24010)
    assert wl.tree.size(wl.eval_shape(lambda p: p, params)) == 6002
    lines = wl.tree.summary(params).splitlines()
    assert lines[-2] == "['w']  [300, 20]  f32         6,000  24,000"
    assert lines[-1] == "total                         6,002  24,010"
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(wl.ProgramError, match=r"got str 'relu' at tree\['mode'\]"):
        wl.tree.size({"mode": "relu"})


def test_jax_names_are_the_same_functions() -> None:
    assert tree_util.tree_map is wl.tree.map and tree_util.PyTreeDef is wl.tree.Structure
    pair = tree_util.treedef_tuple([wl.tree.structure(1), wl.tree.structure([1])])
    assert pair == wl.tree.structure((1, [2])) and pair.num_leaves == 2
    assert [tree_util.treedef_is_leaf(s) for s in tree_util.treedef_children(pair)] == [True, False]
    assert tree_util.all_leaves([1, "a"]) and not tree_util.all_leaves([1, None])
    with pytest.raises(wl.ProgramError, match=r"dicts, lists, tuples.*are required, got Scaled"):
        wl.jit(lambda s: s.x).compile(Scaled(1.0, 2)).save("never.zip")


@dataclasses.dataclass
class Block:
    weight: Any
    heads: int = 2
    train: bool = True
    inner: Any = None


class Size(NamedTuple):
    heads: Any


USES = {
    "shape": lambda b: b.weight.reshape(b.heads, -1),
    "zeros": lambda b: wl.numpy.zeros((b.heads, 2)),
    "range": lambda b: [b.weight for _ in range(b.heads)],
    "index": lambda b: [1, 2, 3][b.heads],
    "int": lambda b: b.weight * int(b.heads),
    "inside": lambda b: b.weight.reshape(b.inner["block"].heads, -1),
    "truth": lambda b: b.weight if b.train else -b.weight,
    "named": lambda b: b.weight.reshape(b.inner["size"].heads, -1),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("transform", [wl.jit, wl.vmap, lambda f: lambda b: wl.trace(f, b)])
def test_a_field_that_is_traced_by_accident_says_how_it_becomes_static(
    use: str, transform: Any
) -> None:
    inner = {"block": Block(np.ones(4)), "size": Size(2)}
    repairs = {
        "truth": "try: train: wl.tree.Static[bool] in class Block",
        "named": "try: a dataclass with heads: wl.tree.Static[int] for Size",
    }
    if transform is wl.vmap:
        block = Block(np.ones((3, 4)), *(np.full(3, n) for n in (2, True)))  # type: ignore[arg-type]
        block.inner = {"block": Block(np.ones((3, 4)), *(np.full(3, n) for n in (2, True)))}  # type: ignore[arg-type]
        block.inner["size"] = Size(np.full(3, 2))
    else:
        block = Block(np.ones(4), inner=inner)
    with pytest.raises(wl.ProgramError) as error:
        transform(USES[use])(block)
    default = "try: heads: wl.tree.Static[int] in class Block"
    assert str(error.value).splitlines()[-1] == repairs.get(use, default)


def test_the_repair_of_a_traced_field_works() -> None:
    @dataclasses.dataclass
    class Fixed(Block):
        heads: Static[int] = 2
        train: Static[bool] = True

    for use in ("shape", "zeros", "range", "index", "int", "truth"):
        wl.jit(USES[use], disable_jit=True)(Fixed(np.ones(4)))
