"""Array manipulation is NumPy's and made of views: no gather, and derivatives that are views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
import wonderland.compiler.front.numpy as wnp
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.trace import tree
from wonderland.compiler.trace.hints import HINTS
from wonderland.compiler.trace.trace import call, trace
from wonderland.compiler.trace.tracer import FUNCTIONS

RNG = np.random.default_rng(3)
V, X, B = (RNG.uniform(-3, 3, shape) for shape in ((4,), (3, 4), (2, 3, 4)))
S, N, M = RNG.uniform(-3, 3, (4, 4)), RNG.integers(-9, 9, (3, 4)), RNG.random((3, 4)) < 0.5
E = np.zeros((0, 3))

PAD_MODES: tuple[Any, ...] = ("edge", "reflect", "symmetric", "wrap")
CALLS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "roll flat": (lambda x: np.roll(x, 5), (X,)),
    "roll back by axes": (lambda x: np.roll(x, (-1, 6), (0, 1)), (X,)),
    "roll several on one axis": (lambda x: np.roll(x, (1, 1), (0, 0)), (X,)),
    "roll of nothing": (lambda x: np.roll(x, 2), (E,)),
    "tile": (lambda x: np.tile(x, (2, 1, 3)), (X,)),
    "tile of a scalar": (lambda x: np.tile(x.sum(), (2, 2)), (X,)),
    "tile by nothing": (lambda x: np.tile(x, (0, 2)), (X,)),
    "repeat": (lambda x: np.repeat(x, 3, 0), (X,)),
    "repeat by counts": (lambda x: np.repeat(x, [2, 0, 3], axis=0), (X,)),
    "repeat by one count": (lambda x: np.repeat(x, [2], axis=1), (N,)),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), (B,)),
    "moveaxis": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (B,)),
    "rollaxis": (lambda x: np.rollaxis(x, 2, 1), (B,)),
    "atleast_1d": (lambda x: np.atleast_1d(x.sum(), x), (V,)),
    "atleast_2d": (lambda x: np.atleast_2d(x), (V,)),
    "atleast_3d": (lambda x: np.atleast_3d(x, x[0], x[0, 0]), (X,)),
    "meshgrid": (lambda x, y: np.meshgrid(x, y, x), (V, V[:2])),
    "meshgrid by rows": (lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True), (V, V[:2])),
    "triu": (lambda x: np.triu(x, -1), (B,)),
    "tril": (lambda x: np.tril(x, 1), (M,)),
    "diagonal": (lambda x: np.diagonal(x, 1), (X,)),
    "diagonal below": (lambda x: np.diagonal(x, -2), (X,)),
    "diagonal of axes": (lambda x: np.diagonal(x, 0, 2, 0), (B,)),
    "diagonal outside": (lambda x: np.diagonal(x, 7), (X,)),
    "diagonal at the corner": (lambda x: np.diagonal(x, 3), (X,)),
    "diagonal of nothing": (lambda x: np.diagonal(x), (E,)),
    "diag": (lambda x: np.diag(x, 2), (V,)),
    "diag below": (lambda x: np.diag(x, -1), (N[0],)),
    "diag of a matrix": (lambda x: np.diag(x), (S,)),
    "diagflat": (lambda x: np.diagflat(x, 1), (X,)),
    "trace": (lambda x: np.trace(x, 1, 1, 2), (B,)),
    "kron": (lambda x, y: np.kron(x, y), (X, B)),
    "outer": (lambda x, y: np.outer(x, y), (X, V)),
    "tensordot": (lambda x, y: np.tensordot(x, y, ((0, 2), (0, 1))), (B, B.swapaxes(1, 2))),
    "pad": (lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=2), (X,)),
    "pad by sides": (
        lambda x: np.pad(x, 2, constant_values=((1, 2), (3, 4))), (X,)
    ),
    "pad by a pair": (lambda x: np.pad(x, (1, 2), "constant", constant_values=(5, 6)), (N,)),
    "pad of bools": (lambda x: np.pad(x, 1, constant_values=True), (M,)),
    "pad by axes": (lambda x: np.pad(x, {-1: (1, 2)}), (X,)),
    **{f"pad {m}": (lambda x, m=m: np.pad(x, ((1, 2), (3, 1)), m), (X,)) for m in PAD_MODES},
    **{f"pad {m} twice round": (lambda x, m=m: np.pad(x, 9, m), (V,)) for m in PAD_MODES},
    "linspace": (lambda x: np.linspace(x[0], x[1], 7, axis=-1), (X,)),
    "linspace without its end": (
        lambda x: np.linspace(x, 2 * x, 5, endpoint=False, retstep=True), (V,)
    ),
    "linspace of one": (lambda x: np.linspace(x, 3.0, 1), (V,)),
    "full_like": (lambda x: np.full_like(x, 7, dtype=np.float32), (N,)),
    "ones_like": (lambda x: np.ones_like(x, shape=(2, 2)) + x[0, 0], (X,)),
    "zeros_like": (lambda x: np.zeros_like(x), (M,)),
    "empty_like": (lambda x: np.empty_like(x) * 0, (N,)),
    "rot90": (lambda x: np.rot90(x, -1, (1, 2)), (B,)),
    "dsplit": (lambda x: np.dsplit(x, [1, 3]), (B,)),
    "delete": (lambda x: np.delete(x, 1, 0), (X,)),
    "delete several": (lambda x: np.delete(x, [0, -1], 1), (X,)),
    "delete a slice": (lambda x: np.delete(x, slice(1, None, 2)), (X,)),
    "insert": (lambda x, y: np.insert(x, 1, y, 0), (X, V)),
    "insert a number": (lambda x: np.insert(x, 2, 5.0), (X,)),
    "insert several": (lambda x: np.insert(x, [0, 2, 2], 7.0, axis=1), (X,)),
    "insert a column": (lambda x: np.insert(x, 1, x[:, 0], 1), (X,)),
    "insert rows": (lambda x: np.insert(x, [1, -1], x[:2], 0), (X,)),
    "resize": (lambda x: np.resize(x, (5, 4)), (X,)),
    "resize to less": (lambda x: np.resize(x, 5), (X,)),
    "block": (lambda x, s: np.block([[x, x[:, :1]], [s, s[:, :1]]]), (X, S)),
    "block of vectors": (lambda x: np.block([x, 1.0, x]), (V,)),
    "ediff1d": (lambda x: np.ediff1d(x, to_begin=[9.0], to_end=1.0), (X,)),
    "diff": (lambda x: np.diff(x, 2), (B,)),
    "linalg.diagonal": (lambda x: np.linalg.diagonal(x, offset=1), (B,)),
    "linalg.trace": (lambda x: np.linalg.trace(x), (B,)),
    "linalg.outer": (lambda x: np.linalg.outer(x, x[1:]), (V,)),
    "linalg.matmul": (lambda x, y: np.linalg.matmul(x, y), (B, S)),
    "linalg.matrix_transpose": (lambda x: np.linalg.matrix_transpose(x), (B,)),
    "linalg.tensordot": (lambda x, y: np.linalg.tensordot(x, y, axes=1), (B, S)),
    "linalg.vecdot": (lambda x, y: np.linalg.vecdot(x, y), (B, X)),
    "linalg.vector_norm": (lambda x: np.linalg.vector_norm(x, axis=(0, 2), keepdims=True), (B,)),
    "linalg.vector_norm of all": (lambda x: np.linalg.vector_norm(x, ord=1), (B,)),
    "linalg.matrix_norm": (lambda x: np.linalg.matrix_norm(x), (B,)),
}  # fmt: skip


def flat(found: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in (found if isinstance(found, (tuple, list)) else [found])]


@pytest.mark.parametrize("name", CALLS)
def test_manipulation_is_numpys(name: str) -> None:
    function, args = CALLS[name]
    expected, made = flat(function(*args)), trace(function, *args)
    got = tree.leaves(call(made, *args))
    assert len(got) == len(expected)
    for g, w in zip(got, expected, strict=True):
        assert (g.dtype, g.shape) == (w.dtype, w.shape)
        np.testing.assert_allclose(g, w, rtol=1e-13)  # sums in another order
    assert not {n.op.name for n in made.graph.nodes} & {"gather"}, str(made.graph)


SMOOTH = [
    n for n, (_, args) in CALLS.items()
    if all(a.dtype == float for a in args) and not n.endswith("_like") and "nothing" not in n
    and n not in ("diagonal outside",)
]  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_scatter_nothing(name: str) -> None:
    function, args = CALLS[name]

    def total(*args: Any) -> Any:
        return sum(np.sum(np.sin(y) * y) for y in tree.leaves(function(*args)))

    graph = trace(wl.grad(total), *args).graph
    assert not {n.op.name for n in graph.nodes} & {"scatter"}
    wl.testing.check_gradients(total, *args)


def test_views_compile() -> None:
    names = ["diagonal of axes", "diag", "pad reflect", "insert several", "pad wrap twice round"]

    def together(v: Any, x: Any, b: Any) -> Any:
        args = {1: v, 2: x, 3: b}
        return [CALLS[n][0](*(args[a.ndim] for a in CALLS[n][1])) for n in names]

    found = wl.jit(together)(V, X, B)
    for g, w in zip(found, together(V, X, B), strict=True):
        np.testing.assert_array_equal(g, w)


def test_many_runs_are_one_gather() -> None:
    counts = [1, 2, 0] * 20
    x = np.arange(60.0)
    made = trace(lambda x: np.repeat(x, counts), x)
    assert sum(n.op.name == "gather" for n in made.graph.nodes) == 1
    np.testing.assert_array_equal(call(made, x), np.repeat(x, counts))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.pad(x, 1, "median"), "pad: a mode of constant, edge, .*, got median"),
        (lambda x: np.pad(x, ((1, 2, 3),)), "pad: one number, a pair, or a pair per axis"),
        (lambda x: np.pad(x, -1), "pad: widths of 0 or more are required"),
        (lambda x: np.delete(x, np.argmax(x)), "delete: static places are required"),
    ],
)  # fmt: skip
def test_messages(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        trace(function, X)


# ---------------------------------------------------------------- what is not supported


def unsupported() -> list[str]:
    """NumPy's functions that arrays dispatch and no traced form is known of."""
    found = []
    for name in sorted(dir(np)):
        function = None if name.startswith("_") else getattr(np, name, None)
        dispatched = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
        if dispatched and function not in FUNCTIONS:
            found.append(name)
    return found


def test_every_unsupported_function_is_named_with_what_is_near() -> None:
    assert not [n for n in unsupported() if n not in HINTS]


def test_an_unsupported_function_raises_with_the_hint() -> None:
    with pytest.raises(ProgramError) as error:
        trace(lambda x: np.trim_zeros(x), X)
    first, *_, last = str(error.value).splitlines()
    assert first == "trim_zeros: has no form for traced arrays, got f64[3, 4]"
    assert last == f"try: {HINTS['trim_zeros']}"
    with pytest.raises(AttributeError, match=r"wonderland\.numpy has no row_stack\ntry: "):
        wl.numpy.row_stack  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"has no attribute 'frobnicate'"):
        wnp.frobnicate  # noqa: B018
