"""Calls of every public function, method and operator, drawn from a seed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.front.numpy import elements, manipulations, pieces
from tests.front.numpy.draws import ANY, FLOATS, INTS, REAL, Draw
from tests.front.numpy.makers import DTYPES, MAKERS, OURS, Made, Maker, made

# ---------------------------------------------------------------- products


def product(shapes: Callable[[Draw], tuple[Any, Any]]) -> Maker:
    def maker(d: Draw) -> Made:
        left, right = shapes(d)
        x = d.array(shape=left, wild=0.1)
        own = (x.dtype.str[1:].replace("b1", "?"),) if d.chance(0.5) else ANY
        return (x, d.array(own, right, 0.1)), {}

    return maker


MATRICES = (
    ((2, 3), (3, 2)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 0)),
)
STACKED = (
    *MATRICES,
    ((2, 1, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3)),
    ((), (3,)),
    ((0,), (0,)),
)
made("matmul dot")(product(lambda d: d.pick(*STACKED)))
made("inner")(
    product(
        lambda d: d.pick(((3,), (3,)), ((2, 3), (4, 3)), ((), (3,)), ((0,), (0,)), ((2, 3), (3, 2)))
    )
)
made("vdot")(
    product(lambda d: d.pick(((3,), (3,)), ((2, 3), (3, 2)), ((), ()), ((0,), (0,)), ((2,), (3,))))
)
made("vecdot")(
    product(lambda d: d.pick(((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((2, 0), (0,))))
)
made("outer")(product(lambda d: (d.shape(), d.shape())))


@made("convolve correlate")
def sequences(d: Draw) -> Made:
    a, v = (d.array(shape=(d.pick(1, 2, 3, 5),)) for _ in range(2))
    return (a, v, *d.pick((), ("full",), ("same",), ("valid",))), {}


made("kron")(product(lambda d: (d.shape(0, 2), d.shape(0, 2))))


@made("tensordot")
def tensordot(d: Draw) -> Made:
    (x, y), _ = product(lambda d: d.pick(((2, 3), (3, 2)), ((2, 3, 2), (3, 2, 2))))(d)
    return (x, y), {"axes": d.pick(0, 1, 2, ((-1,), (0,)), (0, -1))}


@made("einsum")
def einsum(d: Draw) -> Made:
    text, shapes = d.pick(
        ("ij,jk->ik", ((2, 3), (3, 2))),
        ("ii->i", ((3, 3),)),
        ("ij,j", ((2, 3), (3,))),
        ("ij->", ((2, 3),)),
    )
    return (text, *(d.array(shape=s, wild=0) for s in shapes)), {}


# ---------------------------------------------------------------- from nothing


@made("zeros ones")
def constants(d: Draw) -> Made:
    return (d.pick(3, (2, 3), (), [2, 1], (0, 2)),), d.some(dtype=DTYPES)


@made("full")
def full(d: Draw) -> Made:
    return (d.pick(3, (2, 3), ()), d.pick(2, True, 1.5, d.array(shape=()), 2 + 1j)), d.some(
        dtype=DTYPES
    )


@made("zeros_like ones_like")
def likes(d: Draw) -> Made:
    return (d.array(),), d.some(dtype=DTYPES, shape=(..., ..., (2, 2)))


@made("full_like")
def full_like(d: Draw) -> Made:
    return (d.array(), d.pick(2, 0)), d.some(dtype=DTYPES, shape=(..., ..., (2, 2)))


@made("eye")
def eye(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(M=(..., 2), k=(..., 1, -1), dtype=DTYPES)


@made("tri")
def tri(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(M=(..., 2), k=(..., 1, -1), dtype=DTYPES)


@made("identity")
def identity(d: Draw) -> Made:
    return (d.pick(3, 0),), d.some(dtype=DTYPES)


@made("arange")
def arange(d: Draw) -> Made:
    return d.pick((5,), (1, 6), (6, 0, -2), (0.0, 1.0, 0.25), (0,), (2.5,), (-3, 3)), d.some(
        dtype=DTYPES
    )


@made("linspace")
def linspace(d: Draw) -> Made:
    ends = d.pick(
        (0, 1),
        (0.1, 0.7),
        (d.array(wild=0), 2),
        (d.array((*FLOATS, "i4"), wild=0), d.array(wild=0, shape=())),
    )
    count = d.pick(0, 1, 2, 7, 11)
    options = d.some(endpoint=(..., False), dtype=DTYPES)
    return (*ends, count), options | (d.some(retstep=(..., ..., True)) if count > 1 else {})


@made("geomspace logspace")
def geomspace(d: Draw) -> Made:
    return (1, d.pick(4, 0.25), d.pick(1, 5)), d.some(
        endpoint=(..., False), dtype=("f4", "f8", ...)
    )


@made("hanning hamming blackman")
def window(d: Draw) -> Made:
    return (d.pick(0, 1, 5),), {}


@made("indices")
def indices(d: Draw) -> Made:
    return (d.pick((2, 3), (0, 2), ()),), d.some(dtype=("i8", "f4", ...), sparse=(..., True))


@made("array asarray")
def array(d: Draw) -> Made:
    return (d.pick(d.array(), [1, 2], [[1.5], [True]], 3, [d.array(shape=(2,))] * 2),), d.some(
        dtype=DTYPES
    )


@made("vander")
def vander(d: Draw) -> Made:
    return (d.array(shape=(d.pick(0, 3),), wild=0),), d.some(
        N=(..., 0, 2, 5), increasing=(..., True)
    )


@made("polyval")
def polyval(d: Draw) -> Made:
    return (d.array(shape=(d.pick(0, 1, 3),), wild=0), d.array(wild=0)), {}


@made("result_type promote_types can_cast")
def types(d: Draw) -> Made:
    return (np.dtype(d.pick(*ANY)), np.dtype(d.pick(*ANY))), {}


# ---------------------------------------------------------------- linalg, methods, operators

made("linalg.matmul")(MAKERS["matmul"])
made("linalg.outer")(product(lambda d: ((3,), (2,))))
made("linalg.vecdot")(product(lambda d: ((2, 3), (3,))))
made("linalg.tensordot")(MAKERS["tensordot"])
made("linalg.matrix_transpose")(lambda d: ((d.array(shape=d.shape(2)),), {}))
made("linalg.diagonal linalg.trace")(
    lambda d: ((d.array(shape=d.shape(2), wild=0),), d.some(offset=(..., 1)))
)
made("linalg.matrix_power")(lambda d: ((d.array(shape=(2, 2), wild=0), d.pick(0, 1, 2, 3, 5)), {}))


@made("linalg.norm")
def norm(d: Draw) -> Made:
    x = d.array(shape=d.shape(1, 2, empty=False), wild=0)
    orders = (
        (..., None, 1, 2, np.inf, -np.inf, 0, 3)
        if x.ndim == 1
        else (..., None, 1, np.inf, "fro", -1)
    )
    return (x,), d.some(ord=orders, keepdims=(..., True))


@made("linalg.vector_norm")
def vector_norm(d: Draw) -> Made:
    x = d.array(shape=d.shape(empty=False), wild=0)
    return (x,), d.some(ord=(..., 1, np.inf, 0, 3), keepdims=(..., True), axis=(..., d.axes(x)))


@made("linalg.matrix_norm")
def matrix_norm(d: Draw) -> Made:
    return (d.array(shape=d.shape(2, 3, empty=False), wild=0),), d.some(ord=(..., 1, np.inf, "fro"))


@made("linalg.multi_dot")
def multi_dot(d: Draw) -> Made:
    return ([d.array(("f8", "c16"), s, 0) for s in ((2, 3), (3, 2), (2, 3))],), {}


# ---------------------------------------------------------------- transforms, windows

NORMS = (..., ..., "backward", "ortho", "forward", None)


def transforms(empty: bool) -> Maker:
    def maker(d: Draw) -> Made:
        x = d.array(shape=d.shape(d.pick(0, 1, 1, 1), empty=empty), wild=0.2)
        return (x,), d.some(n=(..., ..., 1, 2, 5, 8, 0), axis=(..., d.axis(x)), norm=NORMS)

    return maker


def several_transforms(empty: bool) -> Maker:
    def maker(d: Draw) -> Made:
        x = d.array(shape=d.shape(d.pick(0, 1, 2, 2), empty=empty), wild=0.2)
        n = x.ndim
        places = d.rng.integers(-n, n or 1, d.pick(0, 1, 2, 3) if n else 0)
        axes = d.pick(..., None, tuple(map(int, places)))
        count = len(axes) if isinstance(axes, tuple) else d.pick(1, 2)
        sizes = d.pick(..., ..., tuple(d.pick(-1, 1, 2, 3, 4) for _ in range(count)))
        return (x,), d.some(s=(sizes,), axes=(axes,), norm=NORMS)

    return maker


made("bartlett")(lambda d: ((d.pick(0, 1, 2, 5, 8),), {}))
made("kaiser")(lambda d: ((d.pick(0, 1, 5, 8), d.pick(0.5, 3, d.array(("f4", "f8"), (), 0))), {}))
made("i0")(lambda d: ((d.array(REAL, wild=0),), {}))


@made("unwrap")
def unwrap(d: Draw) -> Made:
    x = d.array(REAL[1:], d.shape(1), 0)
    return (x * d.pick(1, 1, 3),), d.some(
        discont=(..., ..., 4), axis=(..., d.axis(x)), period=(..., 2, 3, 4.0)
    )


@made("gradient")
def gradient(d: Draw) -> Made:
    x = d.array(ANY[1:], d.pick((3,), (5,), (2, 3), (4, 3), (1, 3)), 0)
    axis = d.pick(..., 0, -1)
    n = x.shape[0 if axis is ... else axis]
    one = x.ndim == 1 or axis is not ...
    places = np.cumsum(d.rng.uniform(0.5, 2, n))
    spacing = d.pick((), (2,), (0.5,), (places,), (np.arange(n) * 2,)) if one else d.pick((), (2,))
    return (x, *spacing), d.some(axis=(axis,), edge_order=(..., ..., 2))


@made("cov corrcoef")
def covariance(d: Draw) -> Made:
    x = d.array(ANY, d.pick((4,), (2, 3), (3, 4), (1, 5)), 0)
    y = d.pick(..., ..., d.array(("f4", "f8"), x.shape, 0))
    return (x + d.rng.uniform(0, 1, x.shape).astype("f4"),), d.some(
        y=(y,), rowvar=(..., ..., False), dtype=(..., ..., "f4" if x.dtype.kind != "c" else "c8")
    )


made("fft.fft fft.ifft fft.rfft fft.ihfft")(transforms(empty=True))
made("fft.fftn fft.ifftn fft.rfftn fft.fft2 fft.ifft2 fft.rfft2")(several_transforms(empty=True))
# of no points at all these are, in NumPy, what memory held before
made("fft.irfft fft.hfft")(transforms(empty=False))
made("fft.irfftn fft.irfft2")(several_transforms(empty=False))


@made("fft.fftshift fft.ifftshift")
def shifted(d: Draw) -> Made:
    x = d.array()
    return (x,), d.some(axes=(..., d.axes(x)))


@made("fft.fftfreq fft.rfftfreq")
def frequencies(d: Draw) -> Made:
    return (d.pick(1, 2, 7, 8),), d.some(d=(..., 0.25, 3, d.array(("f4", "f8"), (), 0, 0.5)))


OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift lt le gt ge eq ne"
)
SIGNS = ["neg", "pos", "abs", "invert"]
METHODS = (
    "all any argmax argmin astype clip conj conjugate copy cumprod cumsum diagonal dot max mean "
    "min prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace "
    "transpose var flatten"
)


class Call(NamedTuple):
    """A name, and what it is called with."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        def shown(x: Any) -> str:
            if isinstance(x, np.ndarray):
                return f"{x.dtype.name}{list(x.shape)} {x.ravel()[:6].tolist()}"
            return f"[{', '.join(map(shown, x))}]" if isinstance(x, list) else repr(x)

        options = [f"{k}={shown(v)}" for k, v in self.options.items()]
        return f"{self.name}({', '.join([*map(shown, self.args), *options])})"

    def function(self, module: Any) -> Callable[..., Any]:
        """What it calls, of `module`, NumPy or ours."""
        kind, _, name = self.name.rpartition(":")
        if kind == "operator":
            return getattr(operator, name)
        if kind == "method":
            return lambda x, *args, **options: getattr(x, name)(*args, **options)
        if name in manipulations.WRITERS:
            return lambda *args, **options: manipulations.written(name)(module, *args, **options)
        module = np if self.name in REDUCTIONS else module
        for part in name.split("."):
            module = getattr(module, part)
        return module

    def keywords(self, ours: bool) -> dict[str, Any]:
        own = {k.removeprefix(OURS): v for k, v in self.options.items()}
        return own if ours else {k: v for k, v in self.options.items() if not k.startswith(OURS)}


def names() -> list[str]:
    methods = [f"method:{n}" for n in METHODS.split()]
    return [*MAKERS, *methods, *(f"operator:{n}" for n in OPERATORS.split() + SIGNS), *REDUCTIONS]


REDUCTIONS = [
    f"{f}.{m}" for f in ("add", "multiply", "maximum", "minimum") for m in ("reduce", "accumulate")
] + ["logical_or.reduce", "logical_and.reduce", "logaddexp.accumulate"]
REDUCTIONS += [f"{f}.{m}" for f in pieces.ASSOCIATIVE.split() for m in ("reduce", "accumulate")]


def call(name: str, d: Draw) -> Call:
    """A call of the name."""
    kind, _, plain = name.rpartition(":")
    if name in REDUCTIONS and name.partition(".")[0] in pieces.ASSOCIATIVE.split():
        x = d.array(INTS if "bit" in name or "c" in name[:3] else FLOATS, d.shape(1), 0)
        return Call(name, (x,), d.some(axis=(..., d.axis(x))))
    if name in REDUCTIONS:
        x = d.array(REAL if "logaddexp" in name or "accumulate" in name else ANY, d.shape(1), 0.2)
        return Call(name, (x,), d.some(axis=(..., d.axis(x))))
    if kind == "operator":
        args, _ = (
            elements.unary(d)
            if plain in SIGNS
            else MAKERS["matmul"](d)
            if plain == "matmul"
            else elements.binary(d)
        )
        if not isinstance(args[0], np.ndarray) and plain == "matmul":
            args = args[::-1]
        return Call(name, args, {})
    args, options = MAKERS["ravel" if name == "method:flatten" else plain if kind else name](d)
    if plain == "dot" and kind and not args[0].ndim:  # NumPy's scalars have no such method
        return call("dot", d)
    if kind == "method":  # whose keywords are fewer
        none = ("dtype",) * (plain in ("conj", "conjugate")) + ("correction",)
        options = {k: v for k, v in options.items() if k not in none}
    return Call(name, args, options)
