"""Pytrees: flattening and its inverse, structures, messages."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest

from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace import tree


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    weight: Any
    bias: Any = None
    width: int = dataclasses.field(default=0, metadata={"static": True})

    def __post_init__(self) -> None:
        assert self.weight is not None, "rebuilding a tree runs no __post_init__"


Wide, Wider = (
    dataclasses.make_dataclass(name, [f"x{k}" for k in range(9)]) for name in ("Wide", "Wider")
)

TREES = [
    1,
    None,
    [],
    (),
    {},
    {"b": 1, "a": [2, (3,)]},
    Point(1, {"z": 2}),
    Layer(1, [2, 3], 4),
    [Layer({"a": 1}, None), (None, 2), [[], 3]],
    list(range(9)),
    tuple(range(9)),
    {f"w{k}": k for k in range(9)},
    [Layer(k, [k]) for k in range(10)],
    {k: (k, {"a": k}) for k in range(9)},
    [*((k, k) for k in range(11)), [8, 8]],
    [None] * 11,
    Wide(*range(9)),
    Wider(*([k] for k in range(9))),
]


@pytest.mark.parametrize("example", TREES, ids=str)
def test_unflatten_inverts_flatten(example: Any) -> None:
    leaves, structure = tree.flatten(example)
    assert tree.unflatten(structure, leaves) == example
    assert structure.size == len(leaves) == len(tree.paths(structure))


@pytest.mark.parametrize("example", TREES, ids=str)
def test_a_reader_reads_the_leaves_of_its_own_structure_only(example: Any) -> None:
    read = tree.reader(tree.structure(example))
    assert read(example) == tuple(tree.leaves(example))
    if tree.structure(example).container is not None:
        others = [t for t in TREES if tree.structure(t) != tree.structure(example)]
        assert all(read(other) is None for other in others)


def test_a_reader_of_many_equal_parts_is_as_long_as_one_of_few() -> None:
    def length(count: int) -> int:
        example = {"blocks": [Layer(k, {"a": k}) for k in range(count)], "rest": [0] * count}
        return len(tree.reader(tree.structure(example)).__code__.co_code)

    assert length(1000) == length(20)


def test_leaves_of_a_dict_come_in_the_order_of_sorted_keys() -> None:
    assert tree.leaves({"b": 1, "a": 2}) == [2, 1]
    assert tree.structure({"b": 1, "a": 2}) == tree.structure({"a": 0, "b": 0})


def test_structures_of_all_example_trees_differ_and_hash() -> None:
    assert len({tree.structure(t) for t in TREES}) == len(TREES)
    assert tree.structure(Layer(1, 2, 3)) != tree.structure(Layer(1, 2, 4))
    assert tree.structure([1, 2]) != tree.structure((1, 2))


def test_rebuilding_a_dataclass_allows_any_leaf() -> None:
    assert tree.map(lambda x: None, Layer(1, 2)).weight is None


def test_map_walks_trees_of_one_structure_together() -> None:
    assert tree.map(lambda x, y: x + y, {"a": 1, "b": (2, None)}, {"a": 10, "b": (20, None)}) == {
        "a": 11,
        "b": (22, None),
    }


def test_paths_name_the_leaves() -> None:
    example = {"layers": [Layer(1, Point(2, 3))], "out": None}
    assert tree.paths(tree.structure(example)) == [
        "['layers'][0].weight",
        "['layers'][0].bias.x",
        "['layers'][0].bias.y",
    ]


def test_messages_say_where_trees_differ() -> None:
    with pytest.raises(ProgramError, match=r"\['a'\]\[1\] is None in one and a leaf in the other"):
        tree.map(lambda x, y: x, {"a": [1, None]}, {"a": [1, 2]})
    with pytest.raises(
        ProgramError, match=r"the tree is a dict of 'a' in one and a dict of 'b' in the other"
    ):
        tree.map(lambda x, y: x, {"a": 1}, {"b": 1})


def test_messages_name_containers_that_cannot_be_taken_apart() -> None:
    class Own(dict):  # type: ignore[type-arg]
        pass

    with pytest.raises(ProgramError, match="got Own"):
        tree.flatten([Own()])
    with pytest.raises(ProgramError, match="sortable"):
        tree.flatten({1: 2, "a": 3})
    with pytest.raises(ProgramError, match="2 leaves are required, got fewer"):
        tree.unflatten(tree.structure([1, 2]), [1])
    with pytest.raises(ProgramError, match="2 leaves are required, got more"):
        tree.unflatten(tree.structure([1, 2]), [1, 2, 3])


@pytest.mark.parametrize("kind", (lambda x: [x], lambda x: {"a": x}, lambda x: Point(x, None)))
def test_containers_in_each_other_are_taken_apart_up_to_a_depth_that_is_named(kind: Any) -> None:
    def nested(depth: int) -> Any:
        found = 1
        for _ in range(depth):
            found = kind(found)
        return found

    deep = nested(tree.DEEPEST)
    leaves, structure = tree.flatten(deep)
    assert tree.unflatten(structure, leaves) == deep and len(tree.paths(structure)) == 1
    said = f"tree: at most {tree.DEEPEST} containers in each other are required, got more"
    for depth in (tree.DEEPEST + 20, 10_000):
        with pytest.raises(ProgramError, match=said):
            tree.flatten(nested(depth))
    own: list[Any] = []
    own.append(own)
    with pytest.raises(ProgramError, match=said):
        tree.flatten(own)
