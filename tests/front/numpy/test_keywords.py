"""Keywords that are JAX's and methods of arrays: what they mean, in a trace and outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.testing import check_gradients

X = np.array([3.0, -1.0, 3.0, 2.0, -1.0])
M = np.arange(12.0).reshape(3, 4)
I8 = np.array([[100, 100]], np.int8)
H = np.array([[300.0, 1.0]], np.float16)

KEYWORDS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "sort": (lambda x: wnp.sort(x, descending=True), (X,), [3, 3, 2, -1, -1]),
    "sort of an axis": (lambda x: wnp.sort(x, 0, descending=True), (M,), M[::-1]),
    "argsort": (lambda x: wnp.argsort(x, descending=True), (X,), [0, 2, 3, 1, 4]),
    "argsort of a matrix": (
        lambda x: wnp.argsort(x, axis=0, descending=True), (M,), [[2] * 4, [1] * 4, [0] * 4]
    ),
    "repeat": (
        lambda x, n: wnp.repeat(x, n, total_repeat_length=5), (X[:3], np.array([2, 0, 3])),
        [3, 3, 3, 3, 3],
    ),
    "repeat fewer": (
        lambda x, n: wnp.repeat(x, n, axis=1, total_repeat_length=3), (M, np.array([1, 0, 1, 0])),
        M[:, [0, 2, 3]],
    ),
    "repeat more": (
        lambda x, n: wnp.repeat(x, n, 0, total_repeat_length=2), (M, np.array([0, 2, 9])), M[[1, 1]]
    ),
    "take": (
        lambda x, i: wnp.take(x, i, mode="fill", fill_value=7.0), (X, np.array([1, 9])), [-1, 7]
    ),
    "delete": (
        lambda x, i: wnp.delete(x, i, assume_unique_indices=True),
        (X, np.array([3, 0])), X[[1, 2, 4]]
    ),
    "delete of an axis": (
        lambda x, i: wnp.delete(x, i, axis=1, assume_unique_indices=True),
        (M, np.array([-1, 1, 2])),
        M[:, :1],
    ),
    "extract": (lambda x: wnp.extract(x > 0, x, size=2), (X,), [3, 3]),
    "extract fewer": (
        lambda x: wnp.extract(x > 2, x, size=3, fill_value=-5.0), (X,), [3, 3, -5]
    ),
    "compress": (
        lambda c, x: wnp.compress(c, x, axis=1, size=3, fill_value=9), (np.array([0, 1, 0, 1]), M),
        [[1, 3, 9], [5, 7, 9], [9, 11, 9]],
    ),
    "put": (lambda x: wnp.put(x, [0, 1], 5.0, inplace=False), (X,), [5, 5, 3, 2, -1]),
    "fill_diagonal": (
        lambda x: wnp.fill_diagonal(x, 0.0, inplace=False)[:, :3], (M,), M[:, :3] * (1 - np.eye(3))
    ),
    "polyval": (lambda x: wnp.polyval([1.0, 2.0], x, unroll=4), (X,), X + 2),
    "searchsorted": (
        lambda x: wnp.searchsorted(x, 2.0, method="scan"), (np.array([1.0, 3.0]),), 1
    ),
    "isin": (lambda x: wnp.isin(x, [2.0], method="auto"), (X,), X == 2),
    "dstack": (lambda x: wnp.dstack([x, x], dtype=np.float32), (X,), np.dstack([X, X])),
    "matmul": (
        lambda x: wnp.matmul(x, x.T, preferred_element_type=np.int32), (I8,), [[20000]]
    ),
    "einsum": (
        lambda x: wnp.einsum("ij,kj->ik", x, x, preferred_element_type="f4"), (H,), [[90001.0]]
    ),
}  # fmt: skip


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("case", KEYWORDS)
def test_a_keyword_of_jax_means_what_it_does_there(case: str, traced: bool) -> None:
    function, args, wanted = KEYWORDS[case]
    found = (wl.jit(function, disable_jit=True) if traced else function)(*args)
    np.testing.assert_array_equal(found, wanted)
    if case in ("matmul", "einsum", "dstack"):
        assert np.asarray(found).dtype.itemsize == 4


@pytest.mark.parametrize("case", ["sort", "repeat", "delete", "extract fewer", "put"])
def test_derivatives_are_those_of_differences(case: str) -> None:
    function, args, _ = KEYWORDS[case]
    moved = args[0] + np.arange(args[0].size) / 8
    check_gradients(lambda x: function(x, *args[1:]), moved)


# ---------------------------------------------------------------- methods


def sorted_in_place(x: Any) -> Any:
    y, z = x * 1, x * 1
    y.sort()
    z.partition(2)
    return y, z[2]


def flat(x: Any) -> Any:
    y = x * 1
    y.flat[1] = 7.0
    y.flat[[2, 5]] += 1.0
    z = x * 1
    z.flat = [1.0, 2.0]
    return y, z, y.flat[3], len(y.flat), sum(y.flat)


def put(x: Any) -> Any:
    y = x * 1
    y.put([0, 7], [5.0, 6.0])
    return y


METHODS: dict[str, Callable[[Any], Any]] = {
    "sort and partition": sorted_in_place,
    "flat": flat,
    "put": put,
    "argpartition": lambda x: x[0, x.argpartition(1, axis=-1)[0, 1]],
    "compress": lambda x: (x.compress([True, False, True], axis=0), x.compress([False, True])),
    "choose": lambda x: (x > 4).astype(int).choose([x, -x]),
    "flatten": lambda x: (x.flatten("F"), x.ravel("K"), x.reshape(4, 3, order="A")),
}


@pytest.mark.parametrize("case", METHODS)
def test_a_method_is_numpys(case: str) -> None:
    found, wanted = wl.jit(METHODS[case], disable_jit=True)(M), METHODS[case](M)
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
    for got, want in pairs:
        np.testing.assert_array_equal(got, want)


def test_an_argument_is_not_sorted_in_place() -> None:
    with pytest.raises(ProgramError, match=r"sort into x: a writable array(.|\n)*x\.copy\(\)"):
        wl.jit(lambda x: x.sort())(X)
    with pytest.raises(ProgramError, match="nonzero: size= is required"):
        wl.jit(lambda x: x.nonzero())(X)


def test_arrays_say_which_namespace_they_are_of() -> None:
    def softplus(x: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.log1p(xp.exp(x)) + xp.zeros(x.shape, device=x.device, dtype=x.dtype)

    np.testing.assert_array_equal(wl.jit(softplus, disable_jit=True)(X), softplus(X))
    with pytest.raises(ProgramError, match="to_device: 'cpu' is required"):
        wl.jit(lambda x: x.to_device("gpu"))(X)
