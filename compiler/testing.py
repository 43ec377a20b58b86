"""Checks for users and for the library: gradients by differences, ops by samples, random arrays.

    wl.testing.check_gradients(loss, params, batch)

raises where a derivative of `loss` is not what differences of `loss` say, in forward or reverse
mode, of first or second order.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .front.functions.derivatives import jvp, vjp
from .ir.errors import ProgramError
from .ir.graph import Graph, Node, Op, Sample, Value
from .ir.text import constants_of, parse
from .ir.types import INEXACT, NAMES, NUMPY, UNSIGNED, Type, dtype_name, type_of
from .ir.verify import verify
from .trace import tree
from .trace.lint import WideningWarning
from .trace.operands import operand
from .trace.trace import trace
from .transform.batch import batch
from .transform.interpreter import interpret
from .transform.jvp import jvp as jvp_graph
from .transform.linearize import linearize
from .transform.transpose import transpose

__all__ = [
    "arrays",
    "check_batch",
    "check_compiled",
    "check_gradients",
    "check_op",
    "check_sample",
    "random_array",
    "random_normal",
    "sample_arrays",
    "shapes",
]

Function = Callable[..., Any]
Arrays = Sequence[np.ndarray]

STEP = 1e-4
"""Of differences of fourth order in f64: an error of 1e-16 by truncation, of 1e-12 by rounding."""

TRANSPOSED = {"bf16": 5e-2, "f16": 1e-2, "f32": 1e-4, "f64": 1e-10, "c64": 1e-4}
"""How far <ct, J v> and <J' ct, v> may lie apart, by the narrowest dtype."""

# ---------------------------------------------------------------- gradients


def check_gradients(
    function: Function,
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Raises AssertionError where a derivative of `function` at `args` is wrong.

    Floats and complex numbers among the leaves of `args` are moved, in f64 and c128, in random
    directions; other leaves stay.
    Forward mode is compared with differences, reverse mode with forward mode by <ct, J v> = <J' ct,
    v>, of complex numbers the real part of the sum of products without a conjugate. Orders above 1
    check the derivative of each mode as a function, so every mix of modes is checked.
    Accuracy: tolerances are 1e-6 by default. The function should be smooth around `args`: kinks and
    jumps make differences differ.
    Cost: five calls of the function for every mode and order, on the interpreter where the function
    is traced.
    """
    if wrong := [m for m in modes if m not in ("fwd", "rev")]:
        raise ProgramError(
            f"check_gradients: modes of 'fwd' and 'rev' are required, got {wrong[0]!r}"
        )
    leaves, structure = tree.flatten(args)
    moving = [i for i, x in enumerate(leaves) if is_moved(x)]
    if not moving:
        raise ProgramError("check_gradients: a float among the arguments is required, got none")
    # arrays, for numbers are weak
    point = [np.asarray(np.asarray(leaves[i]) + np.float64(0)) for i in moving]

    def flat(*moved: Any) -> list[Any]:
        """The float and complex results, of the moved leaves alone."""
        placed = dict(zip(moving, moved, strict=True))
        found = function(
            *tree.unflatten(structure, [placed.get(i, x) for i, x in enumerate(leaves)])
        )
        return [x for x in tree.leaves(found) if is_moved(x)]

    check = DerivativeCheck(rtol or 1e-6, atol or 1e-6, tuple(modes), np.random.default_rng(seed))
    with warnings.catch_warnings(action="ignore", category=WideningWarning):  # f64 is meant here
        check.order(flat, point, order, ())


class DerivativeCheck:
    """Compares derivatives of functions from f64 and c128 arrays to lists of such arrays."""

    def __init__(
        self, rtol: float, atol: float, modes: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        self.rtol, self.atol, self.modes, self.rng = rtol, atol, modes, rng

    def order(self, f: Function, point: Arrays, order: int, path: tuple[str, ...]) -> None:
        """Checks the derivative of `f` in every mode, then the derivatives of those."""
        if order == 0:
            return
        direction = [random_normal(type_of(x), self.rng) for x in point]
        expected = differences(f, point, direction)
        if "fwd" in self.modes:
            by = (*path, "fwd")
            for i, (t, e) in enumerate(zip(jvp(f, point, direction)[1], expected, strict=True)):
                self.compare(t, e, f"result {i}: forward mode and differences", by, f, point)
            self.order(lambda *x: jvp(f, x, direction)[1], point, order - 1, by)
        if "rev" in self.modes:
            by = (*path, "rev")
            cts = [random_normal(type_of(e), self.rng) for e in expected]
            got, wanted = (
                inner_product(vjp(f, *point)[1](cts), direction),
                inner_product(cts, expected),
            )
            self.compare(got, wanted, "<J' ct, v> and differences of <ct, f>", by, f, point)
            self.order(lambda *x: list(vjp(f, *x)[1](cts)), point, order - 1, by)

    def compare(
        self, got: Any, expected: Any, what: str, path: tuple[str, ...], f: Function, point: Arrays
    ) -> None:
        """Requires agreement up to the tolerances and the size of the numbers compared."""
        got, expected = np.asarray(got), np.asarray(expected)
        scale = np.max(np.abs(expected), initial=0.0)
        wrong = ~(np.abs(got - expected) <= self.atol + self.rtol * scale)
        if np.any(wrong):
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = f" at {list(at)}" if at else ""
            numbers = f"{got[at]:.9g} and {expected[at]:.9g}"
            raise AssertionError(
                f"check_gradients: order {len(path)} by {' of '.join(reversed(path))}: "
                f"{what} are {numbers}{place}, in the derivative of\n{trace(f, *point).graph}"
            )


def is_moved(x: Any) -> bool:
    return NAMES.get(np.dtype(getattr(operand(x), "dtype", type(x)))) in INEXACT


def differences(f: Function, point: Arrays, direction: Arrays) -> list[np.ndarray]:
    """The derivative of `f` along `direction` by differences of fourth order."""

    def at(step: float) -> list[np.ndarray]:
        moved = (np.asarray(x + step * d) for x, d in zip(point, direction, strict=True))
        return [np.asarray(y) for y in f(*moved)]

    ends = zip(at(STEP), at(-STEP), at(2 * STEP), at(-2 * STEP), strict=True)
    return [(8 * (a - b) - (c - d)) / (12 * STEP) for a, b, c, d in ends]


def inner_product(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """The sum of the products of all elements, its real part: what a transpose keeps."""
    products = (np.asarray(x) * np.float64(1) * y for x, y in zip(xs, ys, strict=True))
    return float(sum(np.sum(p).real for p in products))


# ---------------------------------------------------------------- ops


def check_op(op: type[Op] | str, seed: int = 0) -> None:
    """Raises where a sample of `op` breaks a rule.

    Valid samples: the reference has the type of the type rule, the text reads back, the tangent is
    that of differences (smooth ones of f64 and c128), also of the tangent itself, the transpose is
    that of the tangent, a batch is a loop, compiled code gives what the reference gives. Rejected
    samples: the message is as the sample says.
    """
    cls = Op.registry[op] if isinstance(op, str) else op
    for i, sample in enumerate(cls.samples()):
        inputs = tuple(Value(t) for t in sample.types)
        try:
            node = Node(sample.op, inputs)
        except ProgramError as error:
            assert sample.error and sample.error in str(error), f"{cls.name}, sample {i}: {error}"
            continue
        assert not sample.error, f"{cls.name}, sample {i}: is not rejected with {sample.error!r}"
        graph = verify(Graph(f"sample_{i}", inputs, (node,), node.values))
        text = str(graph)
        assert parse(text, constants_of(graph)) == graph, text
        rng = np.random.default_rng([seed, i])
        arrays = sample_arrays(sample, rng)
        check_sample(sample, graph, arrays, rng)
        check_batch(graph, arrays)
        check_compiled(graph, arrays)


COMPILED = {"bf16": 4e-2, "f16": 5e-3, "f32": 2e-5, "c64": 2e-5, "f64": 1e-11}
"""How far compiled code may lie from the reference, by the narrowest dtype."""


def tolerance_of(graph: Graph) -> float:
    dtypes = {v.dtype for v in graph.values}
    return max(t for d, t in COMPILED.items() if d in dtypes or d == "f64")


def wide_of(x: np.ndarray) -> np.ndarray:
    """The numbers in a dtype that NumPy compares every other in."""
    return x.astype("c16" if x.dtype.kind == "c" else "f8")


def check_batch(graph: Graph, arrays: Arrays, size: int = 3) -> None:
    """Compares a batch, of every operand alone and of all, with a loop."""
    count, limit = len(arrays), tolerance_of(graph)
    choices = {tuple(i == k for i in range(count)) for k in range(count)} | {(True,) * count}
    for marks in sorted(choices - {()}):
        batched, wide = batch(graph, marks, size)
        verify(batched)
        given = [
            np.stack([np.roll(a, k) for k in range(size)]) if yes else a
            for a, yes in zip(arrays, marks, strict=True)
        ]
        rows = [
            interpret(graph, *(a[k] if yes else a for a, yes in zip(given, marks, strict=True)))
            for k in range(size)
        ]
        for i, (found, yes) in enumerate(zip(interpret(batched, *given), wide, strict=True)):
            expected = np.stack([row[i] for row in rows])
            several = found if yes else np.stack([found] * size)
            said = f"a batch of the operands {marks} is not a loop:\n{batched}"
            np.testing.assert_allclose(
                wide_of(several), wide_of(expected), limit, limit, err_msg=said
            )


def check_compiled(graph: Graph, arrays: Arrays) -> None:
    """Compares compiled code with the interpreter."""
    from .pipeline import compile_graph  # brings the back end

    limit, compiled = tolerance_of(graph), compile_graph(graph)
    found = compiled.program(tuple(arrays))
    for got, expected in zip(found, interpret(graph, *arrays), strict=True):
        np.testing.assert_allclose(
            wide_of(got), wide_of(expected), limit, limit,
            err_msg=f"compiled code gives another result than the reference:\n{graph}",
        )  # fmt: skip


def check_sample(sample: Sample, graph: Graph, arrays: Arrays, rng: np.random.Generator) -> None:
    """Interprets a sample, and compares its tangent and its transpose."""
    interpret(graph, *arrays)
    moving = [t.is_inexact for t in sample.types]
    floats = [o for o in graph.outputs if o.type.is_inexact]
    if not floats or not any(moving):
        return
    direction = [random_normal(type_of(a), rng) for a in arrays if is_moved(a)]
    tangents = interpret(verify(jvp_graph(graph, moving)), *arrays, *direction)[
        len(graph.outputs) :
    ]
    if sample.smooth and all(
        t.dtype in ("f64", "c128") for t in (*sample.types, *graph.types[1]) if t.is_inexact
    ):

        def f(*moved: np.ndarray) -> list[np.ndarray]:
            new = iter(moved)
            found = interpret(
                graph, *(next(new) if yes else a for a, yes in zip(arrays, moving, strict=True))
            )
            return [y for y in found if is_moved(y)]

        point = [a for a, yes in zip(arrays, moving, strict=True) if yes]
        for t, e in zip(tangents, differences(f, point, direction), strict=True):
            np.testing.assert_allclose(t, e, rtol=1e-6, atol=1e-6, err_msg=str(graph))
    forward, linear = linearize(graph, moving)
    residuals = interpret(forward, *arrays)[len(graph.outputs) :]
    back = verify(transpose(linear, [i >= len(residuals) for i in range(len(linear.inputs))]))
    cts = [random_normal(o.type, rng) for o in floats]
    scale = sum(float(np.abs(c * t).sum(dtype="f8")) for c, t in zip(cts, tangents, strict=True))
    error = inner_product(cts, tangents) - inner_product(
        interpret(back, *residuals, *cts), direction
    )
    dtypes = {t.dtype for t in (*sample.types, *graph.types[1])}
    tolerance = max(t for d, t in TRANSPOSED.items() if d in dtypes or d == "f64")
    assert abs(error) <= tolerance * (1 + scale), f"the transpose is wrong:\n{back}"


def sample_arrays(sample: Sample, rng: np.random.Generator) -> list[np.ndarray]:
    """Operands of a sample: those it names, else random ones within its bounds."""
    named = itertools.chain(sample.values, itertools.repeat(None))
    pairs = zip(sample.types, named, strict=False)
    return [
        random_array(t, rng, sample.low, sample.high) if v is None else np.asarray(v, t.numpy)
        for t, v in pairs
    ]


def random_normal(of: Type, rng: np.random.Generator) -> np.ndarray:
    """An array of normal numbers, of type `of`, both parts of complex ones."""
    real = rng.normal(size=of.shape)
    drawn = real + 1j * rng.normal(size=of.shape) if of.is_complex else real
    return np.asarray(drawn).astype(of.numpy)


def random_array(
    of: Type, rng: np.random.Generator, low: float = -2.0, high: float = 2.0
) -> np.ndarray:
    """An array of type `of`, uniform within the bounds; for integers both are included.

    Of complex numbers each part is.
    """
    if of.is_complex:
        re, im = (random_array(of.part, rng, low, high) for _ in range(2))
        return np.asarray(re + 1j * im, of.numpy)
    if of.is_float:
        return np.asarray(rng.uniform(low, high, of.shape)).astype(of.numpy)
    if of.dtype in UNSIGNED:
        low = max(low, 0)
    low, high = (0, 1) if of.dtype == "bool" else (low, high)
    return np.asarray(rng.integers(int(low), int(high) + 1, of.shape)).astype(of.numpy)


# ---------------------------------------------------------------- strategies


def hypothesis_numpy() -> Any:
    try:
        from hypothesis.extra import numpy
    except ImportError:
        raise ProgramError(
            "testing: the package hypothesis is required, got none", repair="pip install hypothesis"
        ) from None
    return numpy


def shapes(max_ndim: int = 3, max_size: int = 8, min_size: int = 0) -> Any:
    """A strategy of shapes, empty and scalar ones among them."""
    return hypothesis_numpy().array_shapes(
        min_dims=0, max_dims=max_ndim, min_side=min_size, max_side=max_size
    )


def arrays(
    dtype: Any, shape: Any = None, low: float | None = None, high: float | None = None
) -> Any:
    """A strategy of arrays of a dtype, of a shape or a strategy of shapes.

    Numbers, or both their parts, lie within `low` and `high`; without them every bit pattern
    occurs: NaN, infinities, -0.0, denormals.
    Example: `@given(arrays("f32", (3, 4)))`
    """
    numpy = hypothesis_numpy()
    found = NUMPY[dtype_name(dtype)]
    if found.kind == "c" and (low, high) != (None, None):
        part = Type(dtype_name(dtype)).part.dtype
        size = shapes() if shape is None else shape

        def joined(n: tuple[int, ...]) -> Any:
            return arrays(part, (2, *n), low, high).map(lambda x: (x[0] + 1j * x[1]).astype(found))

        return joined(size) if isinstance(size, tuple) else size.flatmap(joined)
    bounds = {k: v for k, v in (("min_value", low), ("max_value", high)) if v is not None}
    options: dict[str, Any] = {}
    if found.kind == "f" and bounds:
        options = {"allow_nan": False, "allow_infinity": False}
        bounds = {k: float(found.type(v)) for k, v in bounds.items()}
    elements = numpy.from_dtype(found, **({} if found.kind == "b" else {**bounds, **options}))
    return numpy.arrays(found, shapes() if shape is None else shape, elements=elements)
