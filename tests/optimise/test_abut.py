"""Sums of padded values are what they are side by side."""

from collections.abc import Sequence

import numpy as np
import pytest

from wonderland.compiler.ir.graph import Graph, Value
from wonderland.compiler.ir.types import Type
from wonderland.compiler.ir.verify import verify
from wonderland.compiler.ops import add, pad
from wonderland.compiler.optimise.abut import FEW, abut
from wonderland.compiler.transform.interpreter import interpret

Boxes = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
ELEMENTS = [((i, j), (i + 1, j + 1)) for i in range(4) for j in range(3)]
ROWS = [((i, 0), (i + 1, 3)) for i in range(0, 20, 2)]
COLUMNS = [((0, j), (5, j + 1)) for j in range(9)]
CORNERS = [((0, 0), (2, 1)), ((0, 1), (1, 5)), ((1, 1), (2, 3)), ((1, 3), (2, 4)),
           *(((i, j), (i + 1, j + 1)) for i in (3, 4) for j in (1, 3, 4))]  # fmt: skip
PINWHEEL = [((0, 0), (1, 2)), ((0, 2), (2, 3)), ((2, 1), (3, 3)), ((1, 0), (3, 1))]


def sum_of(boxes: Boxes, shape: tuple[int, ...], dense: int, dtype: str) -> Graph:
    """Values padded to `shape`, and `dense` ones that are not, in turns."""
    whole = [Value(Type(dtype, shape)) for _ in range(dense)]
    parts = [
        Value(Type(dtype, tuple(b - a for a, b in zip(low, high, strict=True))))
        for low, high in boxes
    ]
    zero = 0.0 if Type(dtype).is_inexact else 0
    terms = [
        pad(x, low, tuple(n - b for n, b in zip(shape, high, strict=True)), zero)
        for x, (low, high) in zip(parts, boxes, strict=True)
    ]
    for k, w in enumerate(whole):
        terms.insert(3 * k + 1, w)
    out = terms[0]
    for t in terms[1:]:
        out = add(t, out) if len(terms) % 2 else add(out, t)
    return Graph.of("f", (*parts, *whole), (out,))


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "i32"])
@pytest.mark.parametrize(
    ("boxes", "shape", "dense", "changes"),
    [
        (ELEMENTS, (4, 3), 0, True),
        (ELEMENTS[::-1] * 2, (4, 3), 0, True),  # summed where they meet
        (ELEMENTS, (6, 5), 1, True),
        (ROWS[::-1], (21, 3), 1, True),
        (COLUMNS, (5, 9), 0, True),
        (CORNERS, (5, 6), 0, True),
        (ELEMENTS * 2, (4, 3), 1, False),  # the order of three summands
        (ELEMENTS, (4, 3), 2, False),
        ([*ELEMENTS, ((0, 0), (1, 2))], (4, 3), 0, False),  # overlap
        ([*PINWHEEL, *(((i, 3), (i + 1, 4)) for i in range(8))], (8, 4), 0, False),
        (ELEMENTS[:FEW], (4, 3), 0, False),
    ],
)
def test_a_sum_of_padded_values_is_what_they_are_side_by_side(
    boxes: Boxes, shape: tuple[int, ...], dense: int, changes: bool, dtype: str
) -> None:
    graph = sum_of(boxes, shape, dense, dtype)
    after = verify(abut(graph), "abut", graph)
    assert (sum(n.op.name == "pad" for n in after.nodes) == 0) == changes
    assert (after == graph) != changes
    rng = np.random.default_rng(len(boxes))
    special = [0, 1, -7, 3] if dtype == "i32" else [0.0, -0.0, np.nan, np.inf, -np.inf, 0.1, -3e-7]
    arrays = [rng.choice(np.array(special, v.type.numpy), v.shape) for v in graph.inputs]
    with np.errstate(invalid="ignore"):
        (x,), (y,) = interpret(graph, *arrays), interpret(after, *arrays)
    assert np.array_equal(x, y, equal_nan=dtype != "i32")
    assert np.array_equal(np.signbit(x), np.signbit(y)) or np.isnan(x).any()
    zeros = [np.full(v.shape, -0.0).astype(v.type.numpy) for v in graph.inputs]
    assert interpret(graph, *zeros)[0].tobytes() == interpret(after, *zeros)[0].tobytes()
