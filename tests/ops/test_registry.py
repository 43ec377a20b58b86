"""Every op keeps its promises on its samples: types, messages, documentation, kernel meaning."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.ops.sampling import sample_arrays, sample_graph, samples
from wonderland.compiler.ir.errors import ProgramError
from wonderland.compiler.ir.graph import Node, Op, Value
from wonderland.compiler.ir.types import Type, type_of
from wonderland.compiler.kernel import Axis, Buffer, Kernel, Load, Map, Stage, Store, reference
from wonderland.compiler.kernel.index import Flat, Index, Shifted, linear, plus
from wonderland.compiler.ops.family import Computed, Elementwise, View
from wonderland.compiler.ops.order import Sort
from wonderland.compiler.ops.source import Constant
from wonderland.compiler.ops.view import Reshape
from wonderland.compiler.optimise.inline import inline
from wonderland.compiler.optimise.parts import in_memory, parts, type_in_memory
from wonderland.compiler.transform.interpreter import interpret
from wonderland.compiler.transform.pairs import has_complex

NAMES = sorted(Op.registry)


@pytest.mark.parametrize("name", NAMES)
def test_an_op_says_what_it_computes_and_has_samples(name: str) -> None:
    words = Op.registry[name].__doc__ or ""
    assert words and not words.startswith(
        f"{Op.registry[name].__name__}("
    )  # a dataclass makes one up
    assert any(True for _ in samples(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_gives_the_types_of_the_type_rule(name: str) -> None:
    for s in samples(name):
        found = s.op.reference(*sample_arrays(s))
        several = found if isinstance(found, tuple) else (found,)
        assert tuple(map(type_of, several)) == sample_graph(s).nodes[0].types, (s.op, s.types)


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_rejected_with_its_message(name: str) -> None:
    for s in samples(name, rejected=True):
        with pytest.raises(ProgramError, match=re.escape(s.error)) as caught:
            Node(s.op, tuple(map(Value, s.types)))
        assert caught.value.what.startswith(f"{name}: "), caught.value.what


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_operands_is_rejected(name: str) -> None:
    sample = next(samples(name))
    if sample.op.arity >= 0:
        with pytest.raises(ProgramError, match=f"{name}: {sample.op.arity} operands are required"):
            Node(sample.op, tuple(map(Value, (*sample.types, Type("f32")))))


@pytest.mark.parametrize("name", NAMES)
def test_equal_parameters_make_equal_ops_that_can_be_hashed(name: str) -> None:
    first, second = list(samples(name)), list(samples(name))
    assert [s.op for s in first] == [s.op for s in second]
    assert [hash(s.op) for s in first] == [hash(s.op) for s in second]


ELEMENTWISE = [n for n in NAMES if issubclass(Op.registry[n], Elementwise)]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_results_lie_within_the_bounds_that_the_class_names(name: str) -> None:
    for s in samples(name):
        op, out = s.op, np.asarray(s.op.reference(*sample_arrays(s)))
        assert isinstance(op, Elementwise)
        if out.dtype.kind != "c":
            numbers = out[out == out].astype(np.float64)
            assert np.all((op.bounds[0] <= numbers) & (numbers <= op.bounds[1])), s


# ---------------------------------------------------------------- the kernel level


def points(shape: tuple[int, ...]) -> tuple[tuple[Axis, ...], tuple[Map, ...]]:
    """An axis per dimension, and the index of their point."""
    axes = tuple(Axis(f"i{k}", n) for k, n in enumerate(shape))
    return axes, tuple(Map(((a.name, 1),)) for a in axes)


def values_of(m: Map, shape: tuple[int, ...]) -> np.ndarray:
    """A map at every point of an array of `shape`."""
    grid = np.indices(shape)
    return sum((s * grid[int(a[1:])] for a, s in m.strides), np.full(shape, m.offset))


@pytest.mark.parametrize("name", [n for n in NAMES if issubclass(Op.registry[n], View)])
def test_the_pieces_of_a_view_are_its_reference(name: str) -> None:
    for s in samples(name):
        arrays = sample_arrays(s)
        (out,) = sample_graph(s).outputs
        op = s.op
        assert isinstance(op, View)
        found = np.full(out.shape, op.fill, out.type.numpy)
        taken = np.zeros(out.shape, int)
        for piece in op.pieces(points(out.shape)[1], s.types, out.type):
            inside = np.ones(out.shape, bool)
            for m, low, high in piece.guards:
                inside &= (low <= values_of(m, out.shape)) & (values_of(m, out.shape) < high)
            source = arrays[piece.operand]
            at = values_of(linear(piece.index, source.shape), out.shape)
            found[inside] = source.reshape(-1)[at[inside]]
            taken += inside
        assert taken.max(initial=0) <= 1
        np.testing.assert_array_equal(found, op.reference(*arrays))


def by_kernel(op: Op, arrays: tuple[np.ndarray, ...], out: Type) -> np.ndarray:
    """The result of an op through its kernel expression, by the kernels' own reference."""
    axes, at = points(out.shape)
    types = tuple(map(type_of, arrays))
    buffers = [Buffer(f"x{i}", t.dtype, t.size) for i, t in enumerate(types)]

    def read(i: int, index) -> Load:
        plain, parts, stride = Map(), [], types[i].size
        for m, n in zip(index, types[i].shape, strict=True):
            stride //= max(n, 1)
            plain = plus(plain, m if isinstance(m, Map) else m.map, stride)
            if isinstance(m, Shifted):
                parts.append((stride, m.by, m.size))
        return Load(buffers[i], plain, at=tuple(parts))

    if isinstance(op, Elementwise):
        expr = op.emitted(*(read(i, at) for i in range(len(arrays))))
    else:
        assert isinstance(op, Computed)
        expr = op.element(at, types, out, read)
    assert expr.dtype == out.dtype
    y = Buffer("y", out.dtype, out.size)
    kernel = Kernel(
        "k", (*buffers, y), axes, (Stage((), (Store(y, linear(at, out.shape), expr),)),)
    )
    result = np.zeros(out.size, out.numpy)
    reference(
        kernel,
        {b.name: a.reshape(-1) for b, a in zip(buffers, arrays, strict=True)} | {"y": result},
    )
    return result.reshape(out.shape)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if issubclass(Op.registry[n], (Elementwise, Computed))]
)
def test_the_kernel_expression_of_an_op_is_its_reference(name: str) -> None:
    for s in samples(name):
        (out,) = sample_graph(s).outputs
        if out.type.size and not any(t.is_complex for t in (out.type, *s.types)):
            arrays = sample_arrays(s)
            np.testing.assert_array_equal(
                by_kernel(s.op, arrays, out.type), s.op.reference(*arrays)
            )


ULPS = {"exp2": 8, "expm1": 8, "fft": 64, "rfft": 64, "irfft": 512}
"""Of what else is 4: numbers of samples, NumPy's own error included."""


@pytest.mark.parametrize("name", NAMES)
def test_complex_samples_by_real_and_imaginary_parts_are_the_reference(name: str) -> None:
    for s in samples(name):
        graph, arrays = sample_graph(s), sample_arrays(s)
        if not has_complex(graph):
            continue
        real = parts(inline(graph))
        assert not has_complex(real)
        assert tuple(v.type for v in real.outputs) == tuple(
            type_in_memory(o.type) for o in graph.outputs
        )
        results = interpret(real, *map(in_memory, arrays))
        for found, want in zip(results, interpret(graph, *arrays), strict=True):
            got = found.view(want.dtype).reshape(want.shape)
            if want.dtype.kind in "fc" and not isinstance(s.op, (View, Computed, Constant, Sort)):
                units = ULPS.get(name, 4) * np.finfo(want.dtype).eps
                assert np.all(np.abs(got - want) <= units * np.abs(want)), (s.op, got, want)
            else:
                np.testing.assert_array_equal(got, want)


def test_a_flat_index_reaches_reshapes_only() -> None:
    flat: Index = Flat(Map((("i0", 1),)))
    (piece,) = Reshape((3, 2)).pieces(flat, (Type("f32", (2, 3)),), Type("f32", (3, 2)))
    assert piece.index == flat
