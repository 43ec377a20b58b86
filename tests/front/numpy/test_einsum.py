"""einsum: every spelling of NumPy's, and the order of products."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland.compiler.front.numpy.einsum import (
    EXHAUSTIVE,
    cheapest_path,
    exhaustive_path,
    greedy_path,
    volume,
)
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.transform.interpreter import interpret

rng = np.random.default_rng(0)


def agree(*args: Any, **options: Any) -> None:
    """What a trace gives is what NumPy gives; arrays among the arguments are traced."""
    arrays = [a for a in args if isinstance(a, np.ndarray)]

    def function(*given: Any) -> Any:
        rest = iter(given)
        return np.einsum(*(next(rest) if isinstance(a, np.ndarray) else a for a in args), **options)

    graph = wl.trace(function, *arrays).graph
    (found,) = interpret(graph, *arrays)
    expected = np.asarray(np.einsum(*args, **options))
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, 1e-9, 1e-9)


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape)


X, Y, Z = normal(2, 3, 4), normal(4, 5), normal(5, 2)


@pytest.mark.parametrize(
    "args",
    [
        ("...i,ij", X, Y), ("...i,ij->...j", X, Y), ("i...->...", X),
        ("ij...,jk...->ik...", X, X.swapaxes(0, 1)),
        ("...,...", X, X[0]), ("...a,...a->...", X, X[:, :1]), ("...,i->...i", X, Y[0]),
        ("ijk,kl,li", X, Y, Z), ("ijk,kl,li->", X, Y, Z), ("ba,ac", Y, Z), ("b a -> a b", Y),
        ("iij->ij", normal(3, 3, 2)), ("iii", normal(2, 2, 2)), ("ijij->ji", normal(2, 3, 2, 3)),
        ("i,i->i", normal(1), normal(3)), ("ij,j->ij", normal(2, 1), normal(3)),
        ("ij->", normal(2, 1)), (",->", np.full((), 2.0), np.full((), 3.0)),
        ("i,->i", normal(3), np.full((), 2.0)), ("", np.full((), 2.0)),
        ("aB,Bc->ca", Y, Z), ("ij,ij,ij->i", Y, Y, Y), ("i->i", Y[0]), ("ij->ji", Y[:0]),
        (X, [0, 1, 2], Y, [2, 3]), (X, [0, 1, 2], Y, [2, 3], [3, 0]), (X, [0, 1, 2], [2, 0, 1]),
        (X, [0, ...], [..., 0]), (X, [..., 7], Y, [7, 3], [..., 3]), (Y, (5, 2)),
        (normal(3, 3), [4, 4]),
    ],
    ids=lambda a: " ".join(str(v) for v in a if not isinstance(v, np.ndarray)),
)  # fmt: skip
def test_every_spelling_is_numpys(args: Any) -> None:
    agree(*args)


def test_random_subscripts_are_numpys() -> None:
    for seed in range(300):
        draw = np.random.default_rng(seed)
        count = int(draw.integers(1, 5))
        letters = "abcde"
        sizes = dict(zip(letters, draw.integers(1, 4, 5), strict=True))
        terms = ["".join(draw.choice(list(letters), draw.integers(0, 4))) for _ in range(count)]
        used = sorted({c for t in terms for c in t})
        chosen = draw.permutation([c for c in used if draw.random() < 0.5])
        text = ",".join(terms) + ("->" + "".join(chosen) if draw.random() < 0.8 else "")
        operands = [normal(*(sizes[c] for c in t)) for t in terms]
        agree(text, *operands)


def test_dtypes_and_truth_values_are_numpys() -> None:
    n = rng.integers(0, 5, (3, 3))
    agree("ij,jk,kl->il", n, n, n)
    agree("ij,jk->ik", n > 2, n > 1)
    agree("ij,jk->ik", n, normal(3, 3))
    agree("ij->j", n.astype(np.float32), dtype=np.float64)
    weak = wl.eval_shape(lambda x: np.einsum("i,->i", x, 2.0), np.ones(2, np.float32))
    assert weak.dtype == "f32"


# ---------------------------------------------------------------- the order


def cost(terms: Any, result: Any, sizes: Any, path: Any) -> int:
    """Multiplications of a path, one product after the other."""
    standing, total = [set(t) for t in terms], 0
    for i, j in path:
        a, b = standing[i], standing[j]
        standing = [t for k, t in enumerate(standing) if k not in (i, j)]
        total += volume(a | b, sizes)
        standing.append({c for c in a | b if c in result or any(c in t for t in standing)})
    return total


def every_path(n: int) -> Any:
    if n == 1:
        yield []
    for pair in itertools.combinations(range(n), 2):
        for rest in every_path(n - 1):
            yield [pair, *rest]


def network(seed: int, count: int) -> tuple[list[tuple[int, ...]], tuple[int, ...], dict[int, int]]:
    draw = np.random.default_rng(seed)
    terms = [tuple({int(c) for c in draw.integers(0, count + 2, 3)}) for _ in range(count)]
    every = [c for t in terms for c in t]
    labels = sorted(set(every))
    sizes = {c: int(draw.integers(2, 9)) for c in labels}
    result = tuple(labels[:2])
    # what stands once and not in the result is summed before
    return [tuple(c for c in t if c in result or every.count(c) > 1) for t in terms], result, sizes


def test_the_exhaustive_order_is_the_cheapest_of_all() -> None:
    for seed in range(20):
        terms, result, sizes = network(seed, 5)
        best = min(cost(terms, result, sizes, p) for p in every_path(5))
        assert cost(terms, result, sizes, exhaustive_path(terms, result, sizes)) == best


def test_the_greedy_order_is_not_far_from_the_cheapest() -> None:
    ratios = []
    for seed in range(20):
        terms, result, sizes = network(seed, 7)
        paths = greedy_path(terms, result, sizes), exhaustive_path(terms, result, sizes)
        greedy, best = (cost(terms, result, sizes, p) for p in paths)
        ratios.append(greedy / best)
    assert min(ratios) == 1 and np.median(ratios) < 1.5


def test_ties_go_to_operands_that_stand_first() -> None:
    same = [(0, 1), (1, 2), (2, 3), (3, 4)]
    sizes = dict.fromkeys(range(5), 4)
    for path in (exhaustive_path, greedy_path):
        assert path(same, (0, 4), sizes) == path(same, (0, 4), sizes)
    assert greedy_path(same, (0, 4), sizes)[0] == (0, 1)


def test_a_chain_is_multiplied_from_its_small_end() -> None:
    a, b, v = normal(50, 50), normal(50, 50), normal(50)
    graph = wl.trace(lambda a, b, v: np.einsum("ij,jk,k->i", a, b, v), a, b, v).graph
    assert [v.shape for n in graph.nodes for v in n.values] == [(50,), (50,)]
    graph = wl.trace(lambda a, b, v: np.einsum("k,jk,ij->i", v, b, a), a, b, v).graph
    assert [v.shape for n in graph.nodes for v in n.values] == [(50,), (50,)]


def test_many_operands_are_contracted_pair_by_pair() -> None:
    count = EXHAUSTIVE + 4
    operands = [normal(3, 3) for _ in range(count)]
    text = ",".join(f"{chr(97 + i)}{chr(98 + i)}" for i in range(count))
    agree(f"{text}->a{chr(97 + count)}", *operands, optimize=True)
    terms = [(i, i + 1) for i in range(count)]
    path = cheapest_path(terms, (0, count), dict.fromkeys(range(count + 1), 3))
    assert len(path) == count - 1


def test_a_path_may_be_given() -> None:
    a, b, v = normal(4, 5), normal(5, 6), normal(6)

    def shapes(optimize: Any) -> list[tuple[int, ...]]:
        f = lambda *xs: np.einsum("ij,jk,k->i", *xs, optimize=optimize)  # noqa: E731
        return [n.out.shape for n in wl.trace(f, a, b, v).graph.nodes if n.op.name != "permute"]

    assert shapes(["einsum_path", (0, 1), (0, 1)]) == [(4, 6), (4,)]
    assert shapes(["einsum_path", (0, 1, 2)]) == [(4, 6), (4,)]
    for free in (True, False, "greedy", "optimal", ("greedy", 2**20), None):
        assert shapes(free) == [(5,), (4,)]
    agree("ij,jk,k->i", a, b, v, optimize=np.einsum_path("ij,jk,k->i", a, b, v)[0])


def test_derivatives_and_batches_go_through() -> None:
    f = lambda x, y, z: np.einsum("ijk,kl,li->j", x, y, z)  # noqa: E731
    wl.testing.check_gradients(f, X, Y, Z, order=2)
    many = np.stack([X, 2 * X])
    found = wl.vmap(f, in_axes=(0, None, None))(many, Y, Z)
    np.testing.assert_allclose(found, [f(X, Y, Z), f(2 * X, Y, Z)], 1e-12)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("ij,jk", Y), "as many operands as terms are required, got 1 for 'ij,jk'"),
        (("ijk", Y), "a label per axis is required, got 3 of 'ijk' for 2"),
        (("i", Y), "a label per axis is required, got 1 of 'i' for 2"),
        (("i...jk", Y), "a label per axis is required, got 3 of 'i...jk' for 2"),
        (("ij->iij", Y), "labels that occur, each once, is required, got 'i' in it"),
        (("ij->k", Y), "labels that occur, each once, is required, got 'k' in it"),
        (("i1", Y), "letters, ',', '...' and '->' are required, got 'i1'"),
        (("i.j", Y), "letters, ',', '...' and '->' are required, got 'i.j'"),
        (("ii", Y), "one size for 'i' is required, got 4 and 5 of f64[4, 5]"),
        (("ij,ij", Y, Z), "one size for 'i' is required, got 4 and 5 of f64[4, 5] and f64[5, 2]"),
        (("...i->i", Y), "... in the result is required where an operand has it"),
        ((Y, [0, 1], Z), "lists of ints below 52 and ... after the operands are required"),
        ((Y, [0, 99]), "and ... after the operands are required, got [0, 99]"),
        ((Y, [0, 1], Z, [0, 1]), "one size for '0' is required, got 4 and 5"),
        ((Y,), "subscripts as text are required, got Tracer"),
    ],
    ids=lambda a: str(a)[:30] if isinstance(a, str) else "",
)  # fmt: skip
def test_what_does_not_fit_is_named(args: Any, error: str) -> None:
    with pytest.raises(ProgramError) as caught:
        wl.trace(lambda *xs: np.einsum(*(xs[0] if a is Y else a for a in args)), Y)
    assert error in str(caught.value)


def test_a_path_that_does_not_fit_is_named() -> None:
    with pytest.raises(
        ProgramError, match=r"einsum: a path of places below 2 is required, got \(0, 2\)"
    ):
        wl.trace(lambda y, z: np.einsum("ij,jk", y, z, optimize=["einsum_path", (0, 2)]), Y, Z)
