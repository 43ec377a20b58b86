"""jax.lax's names: what NumPy gives, outside and inside of a trace, and what JAX gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wonderland as wl
from wonderland import lax
from wonderland.compiler.front.lax import primitives
from wonderland.compiler.ir.errors import ProgramError

F = np.array([[1.5, -2.5, 0.5], [3.25, -0.75, 2.0]], np.float32)
G = np.array([[0.5, 2.0, -1.25], [-3.0, 0.25, 2.0]], np.float32)
U = np.array([[0.5, -0.25, 0.75], [0.125, -0.5, 0.0]], np.float32)  # within 1
P = np.abs(F) + np.float32(1)
N = np.array([[7, -7, 5], [-4, 2, 1]], np.int32)
D = np.array([[2, 2, -3], [-4, 5, 3]], np.int32)
S = np.array([[0, 1, 2], [3, 1, 0]], np.int32)
B = N > 0
HALVES = np.array([0.49999997, -0.2, 8388609.0], np.float32)  # where adding 0.5 rounds
EDGES = np.array([1, np.inf, np.nan], np.float32)
F16, N8, NUMBER = F.astype(np.float16), N.astype(np.int8), np.float32(2)

WAVES = np.sin(np.arange(432)).astype(np.float32)
IMAGE, KERNEL = WAVES[:80].reshape(2, 2, 4, 5), WAVES[:48].reshape(4, 2, 2, 3)
LOCAL = WAVES.reshape(4, 12, 3, 3)
CASES: dict[str, tuple[Callable[..., Any], ...]] = {
    "abs": (lambda m, x=F: m.abs(x), lambda m, x=N: m.abs(x)),
    "neg": (lambda m, x=F: m.neg(x),),
    "broadcast_like": (lambda m, x=F: m.broadcast_like(x[0], x),),
    "unstack": (lambda m, x=F: m.unstack(x, 1)[0],),
    "sign": (lambda m, x=F: m.sign(x), lambda m, x=N: m.sign(x)),
    "floor": (lambda m, x=F: m.floor(x),),
    "ceil": (lambda m, x=F: m.ceil(x),),
    "round": (
        lambda m, x=F: m.round(x),
        lambda m, x=F: m.round(x, m.RoundingMethod.TO_NEAREST_EVEN),
        lambda m, x=HALVES: m.round(x),
    ),
    "is_finite": (lambda m, x=EDGES: m.is_finite(x),),
    "sqrt": (lambda m, x=P: m.sqrt(x),),
    "rsqrt": (lambda m, x=P: m.rsqrt(x),),
    "cbrt": (lambda m, x=F: m.cbrt(x),),
    "square": (lambda m, x=F: m.square(x), lambda m, x=N: m.square(x)),
    "reciprocal": (lambda m, x=F: m.reciprocal(x),),
    "exp": (lambda m, x=F: m.exp(x),),
    "exp2": (lambda m, x=F: m.exp2(x),),
    "expm1": (lambda m, x=F: m.expm1(x),),
    "log": (lambda m, x=P: m.log(x),),
    "log1p": (lambda m, x=P: m.log1p(x),),
    "logistic": (lambda m, x=F: m.logistic(x),),
    "sin": (lambda m, x=F: m.sin(x),),
    "cos": (lambda m, x=F: m.cos(x),),
    "tan": (lambda m, x=F: m.tan(x),),
    "asin": (lambda m, x=U: m.asin(x),),
    "acos": (lambda m, x=U: m.acos(x),),
    "atan": (lambda m, x=F: m.atan(x),),
    "sinh": (lambda m, x=F: m.sinh(x),),
    "cosh": (lambda m, x=F: m.cosh(x),),
    "tanh": (lambda m, x=F: m.tanh(x),),
    "asinh": (lambda m, x=F: m.asinh(x),),
    "acosh": (lambda m, x=P: m.acosh(x),),
    "atanh": (lambda m, x=U: m.atanh(x),),
    "erf": (lambda m, x=F: m.erf(x),),
    "erfc": (lambda m, x=F: m.erfc(x),),
    "erf_inv": (lambda m, x=U: m.erf_inv(x),),
    "lgamma": (lambda m, x=P: m.lgamma(x),),
    "digamma": (lambda m, x=P: m.digamma(x),),
    "add": (lambda m, x=F, y=G: m.add(x, y), lambda m, x=F: m.add(x, 1.0)),
    "sub": (lambda m, x=F, y=G: m.sub(x, y),),
    "mul": (lambda m, x=F, y=G: m.mul(x, y), lambda m, x=N: m.mul(x, 2)),
    "div": (
        lambda m, x=F, y=G: m.div(x, y),
        lambda m, x=N, y=D: m.div(x, y),
        lambda m, x=N: m.div(x, 2),
    ),
    "rem": (lambda m, x=F, y=G: m.rem(x, y), lambda m, x=N, y=D: m.rem(x, y)),
    "pow": (lambda m, x=P, y=G: m.pow(x, y), lambda m, x=F: m.pow(x, 2)),
    "integer_pow": (lambda m, x=F: m.integer_pow(x, 3), lambda m, x=F: m.integer_pow(x, -2)),
    "atan2": (lambda m, x=F, y=G: m.atan2(x, y),),
    "nextafter": (lambda m, x=F, y=G: m.nextafter(x, y),),
    "max": (lambda m, x=F, y=G: m.max(x, y), lambda m, x=F: m.max(x, 0.0)),
    "min": (lambda m, x=N, y=D: m.min(x, y),),
    "clamp": (lambda m, x=F: m.clamp(-1.0, x, 1.0), lambda m, x=N: m.clamp(0, x, 5)),
    "eq": (lambda m, x=N, y=D: m.eq(x, y),),
    "ne": (lambda m, x=N, y=D: m.ne(x, y),),
    "lt": (lambda m, x=F, y=G: m.lt(x, y),),
    "le": (lambda m, x=F, y=G: m.le(x, y),),
    "gt": (lambda m, x=F, y=G: m.gt(x, y),),
    "ge": (lambda m, x=F, y=G: m.ge(x, y),),
    "bitwise_and": (lambda m, x=N, y=D: m.bitwise_and(x, y), lambda m, x=B: m.bitwise_and(x, ~x)),
    "bitwise_or": (lambda m, x=N, y=D: m.bitwise_or(x, y),),
    "bitwise_xor": (lambda m, x=N, y=D: m.bitwise_xor(x, y),),
    "bitwise_not": (lambda m, x=N: m.bitwise_not(x), lambda m, x=B: m.bitwise_not(x)),
    "shift_left": (lambda m, x=N, y=S: m.shift_left(x, y),),
    "shift_right_arithmetic": (lambda m, x=N, y=S: m.shift_right_arithmetic(x, y),),
    "shift_right_logical": (
        lambda m, x=N, y=S: m.shift_right_logical(x, y),
        lambda m, x=N: m.shift_right_logical(x, 1),
    ),
    "select": (lambda m, c=B, x=F, y=G: m.select(c, x, y),),
    "select_n": (
        lambda m, c=B, x=F, y=G: m.select_n(c, x, y),
        lambda m, c=S % 3, x=F, y=G, z=U: m.select_n(c, x, y, z),
        lambda m, c=S * 0, x=F: m.select_n(c, x),
    ),
    "convert_element_type": (
        lambda m, x=F: m.convert_element_type(x, np.int32),
        lambda m, x=N: m.convert_element_type(x, "float32"),
        lambda m, x=N: m.convert_element_type(x, bool),
    ),
    "reduce_sum": (lambda m, x=F: m.reduce_sum(x, (0,)), lambda m, x=N: m.reduce_sum(x, (0, 1))),
    "reduce_prod": (lambda m, x=N: m.reduce_prod(x, [1]),),
    "reduce_max": (lambda m, x=F: m.reduce_max(x, (1,)),),
    "reduce_min": (lambda m, x=F: m.reduce_min(x, (0, 1)),),
    "reduce_and": (lambda m, x=B: m.reduce_and(x, (1,)),),
    "reduce_or": (lambda m, x=B: m.reduce_or(x, (0,)),),
    "argmax": (lambda m, x=F: m.argmax(x, 1, np.int32),),
    "argmin": (lambda m, x=F: m.argmin(x, 0, np.int32),),
    "dot": (
        lambda m, x=F, y=G: m.dot(x, y.T),
        lambda m, x=F[0], y=G[0]: m.dot(x, y),
        lambda m, x=F16: m.dot(x, x.T, preferred_element_type=np.float32),
    ),
    "dot_general": (
        lambda m, x=F, y=G: m.dot_general(x, y, (((1,), (1,)), ((), ()))),
        lambda m, x=F, y=G: m.dot_general(x, y, (((1,), (1,)), ((0,), (0,))), precision=None),
        lambda m, x=N8: m.dot_general(
            x, x, (((1,), (1,)), ((), ())), preferred_element_type=np.int32
        ),
    ),
    "conv": (lambda m, x=IMAGE, w=KERNEL: m.conv(x, w, (1, 1), "SAME"),),
    "conv_with_general_padding": (
        lambda m, x=IMAGE, w=KERNEL: m.conv_with_general_padding(
            x, w, (2, 1), [(1, 0), (-1, 2)], (1, 2), None
        ),
    ),
    "conv_general_dilated": (
        lambda m, x=IMAGE, w=KERNEL: m.conv_general_dilated(
            x, w, (1, 1), "SAME_LOWER", dimension_numbers=("NCHW", "OIWH", "HNWC")
        ),
        lambda m, x=IMAGE, w=KERNEL[:, :1]: m.conv_general_dilated(
            x, w, (2, 1), "VALID", None, (1, 2), feature_group_count=2
        ),
        lambda m, x=IMAGE, w=KERNEL: m.conv_general_dilated(
            x, w, (1, 1), "SAME", batch_group_count=2
        ),
        lambda m, x=IMAGE[..., 0, 0], w=KERNEL[..., 0, 0]: m.conv_general_dilated(x, w, (), ()),
    ),
    "conv_transpose": (
        lambda m, x=IMAGE, w=KERNEL: m.conv_transpose(
            x, w, (2, 3), "SAME", None, ("NCHW", "OIHW", "NCHW")
        ),
        lambda m, x=IMAGE.T, w=KERNEL.T: m.conv_transpose(
            x, w[..., ::-1], (2, 1), "VALID", (1, 2), ("WHCN", "WHIO", "WHCN")
        ),
        lambda m, x=IMAGE, w=IMAGE: m.conv_transpose(
            x, w, (2, 1), ((1, 0), (2, 1)), None, ("NCHW", "IOHW", "NCHW"), True,
            use_consistent_padding=True,
        ),
    ),
    "conv_general_dilated_patches": (
        lambda m, x=IMAGE: m.conv_general_dilated_patches(x, (2, 3), (2, 1), "SAME"),
        lambda m, x=IMAGE: m.conv_general_dilated_patches(
            x, (2, 3), (1, 1), ((1, 0), (0, 2)), (2, 1), (1, 2), ("NCHW", "OIHW", "NHWC")
        ),
    ),
    "conv_general_dilated_local": (
        lambda m, x=IMAGE, w=LOCAL: m.conv_general_dilated_local(x, w, (1, 1), "VALID", (2, 3)),
    ),
    "batch_matmul": (lambda m, x=F[None], y=G.T[None]: m.batch_matmul(x, y),),
    "reshape": (
        lambda m, x=F: m.reshape(x, (3, 2)),
        lambda m, x=F: m.reshape(x, (6,), (1, 0)),
    ),
    "broadcast": (lambda m, x=F: m.broadcast(x, (2, 1)),),
    "broadcast_in_dim": (
        lambda m, x=F: m.broadcast_in_dim(x, (2, 4, 3), (0, 2)),
        lambda m, x=F[:1]: m.broadcast_in_dim(x, (5, 3), (0, 1)),
    ),
    "broadcast_to_rank": (lambda m, x=F: m.broadcast_to_rank(x, 4),),
    "broadcasted_iota": (lambda m: m.broadcasted_iota(np.int32, (2, 3), 1),),
    "iota": (lambda m: m.iota(np.float32, 4),),
    "full": (lambda m: m.full((2, 1), 3.0, np.float32),),
    "full_like": (
        lambda m, x=F: m.full_like(x, 2),
        lambda m, x=F: m.full_like(x, 2.5, np.int32, (3,)),
    ),
    "collapse": (
        lambda m, x=F[None]: m.collapse(x, 0, 2),
        lambda m, x=F[None]: m.collapse(x, 1),
        lambda m, x=F[None]: m.collapse(x, 0, -1),
    ),
    "expand_dims": (lambda m, x=F: m.expand_dims(x, (0, 2)),),
    "squeeze": (lambda m, x=F[None, :, None]: m.squeeze(x, (0, 2)),),
    "transpose": (lambda m, x=F: m.transpose(x, (1, 0)),),
    "rev": (lambda m, x=F: m.rev(x, (0, 1)),),
    "concatenate": (lambda m, x=F, y=G: m.concatenate([x, y], 1),),
    "stack": (lambda m, x=F, y=G: m.stack([x, y], 1),),
    "tile": (lambda m, x=F: m.tile(x, (2, 1)),),
    "split": (lambda m, x=F: m.split(x, (1, 2), axis=1),),
    "slice": (
        lambda m, x=F: m.slice(x, (0, 1), (2, 3)),
        lambda m, x=F: m.slice(x, (0, 0), (2, 3), (1, 2)),
    ),
    "slice_in_dim": (
        lambda m, x=F: m.slice_in_dim(x, -2, None, axis=1),
        lambda m, x=F: m.slice_in_dim(x, 0, 3, 2, axis=-1),
    ),
    "index_in_dim": (
        lambda m, x=F: m.index_in_dim(x, -1, axis=1),
        lambda m, x=F: m.index_in_dim(x, 0, keepdims=False),
    ),
    "pad": (
        lambda m, x=F: m.pad(x, np.float32(9), [(1, 0, 0), (0, 2, 0)]),
        lambda m, x=F: m.pad(x, np.float32(9), [(0, 0, 2), (1, -1, 1)]),
        lambda m, x=F: m.pad(x, np.float32(9), [(-1, 0, 0), (-2, 1, 3)]),
        lambda m, x=F, v=NUMBER: m.pad(x, v, [(-2, 0, 0), (0, 0, 0)]),
        lambda m, x=F[:0]: m.pad(x, np.float32(9), [(1, 0, 2), (0, 0, 0)]),
    ),
    "stop_gradient": (lambda m, x=F: m.stop_gradient(x),),
}  # fmt: skip
TABLE = [pytest.param(n, f, id=f"{n}-{i}") for n, fs in CASES.items() for i, f in enumerate(fs)]


def arrays_of(case: Callable[..., Any]) -> list[Any]:
    return [p.default for p in list(inspect.signature(case).parameters.values())[1:]]


def close(found: Any, expected: Any) -> None:
    for x, y in zip(wl.tree.leaves(found), wl.tree.leaves(expected), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_allclose(x, y, 2e-6, 1e-6)


@pytest.mark.parametrize(("name", "case"), TABLE)
def test_outside_and_inside_of_a_trace_agree(name: str, case: Callable[..., Any]) -> None:
    arrays = arrays_of(case)
    with wl.disable_jit():
        close(wl.jit(lambda *a: case(lax, *a))(*arrays), case(lax, *arrays))


@pytest.mark.parametrize(("name", "case"), TABLE)
def test_jax_agrees(name: str, case: Callable[..., Any]) -> None:
    jax = pytest.importorskip("jax")
    arrays = arrays_of(case)
    expected = case(jax.lax, *map(jax.numpy.asarray, arrays))
    found = case(lax, *arrays)
    assert isinstance(expected, list | tuple) == isinstance(found, list | tuple)
    close(found, jax.tree.map(np.asarray, expected))


def test_arguments_have_the_names_and_order_of_jax() -> None:
    jax = pytest.importorskip("jax")
    for name in sorted(CASES):
        ours, theirs = getattr(lax, name), getattr(jax.lax, name)
        if ours.__module__ != primitives.__name__ or name not in vars(primitives):
            continue
        own, other = (
            [p.name for p in inspect.signature(f).parameters.values() if p.kind != p.KEYWORD_ONLY]
            for f in (ours, theirs)
        )
        assert own == other[: len(own)], name


def test_the_table_has_every_name() -> None:
    further = {"RoundingMethod", "broadcast_shapes", "dtype", "empty", "shape_as_value"}
    assert set(primitives.__all__) - further <= set(CASES)
    assert set(primitives.__all__) <= set(dir(lax))


def test_shapes_that_broadcast_are_found_without_arrays() -> None:
    assert lax.broadcast_shapes((2, 1), (3,)) == (2, 3)


def test_integers_are_divided_towards_zero() -> None:
    np.testing.assert_array_equal(lax.div(N, D), np.trunc(N / D))
    np.testing.assert_array_equal(lax.rem(N, D), N - D * np.trunc(N / D))
    np.testing.assert_array_equal(lax.round(np.array([0.5, -0.5, 2.5])), [1, -1, 3])


def test_padding_is_differentiable_in_both_operands() -> None:
    config = [(1, -1, 2), (0, 1, 1)]
    wl.testing.check_gradients(lambda x, v: lax.pad(x, v, config), F.astype(float), 2.0, order=2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: lax.slice(F, (0,), (2,)), "slice: 0 <= start <= limit <= size"),
        (lambda: lax.slice(F, (0, 0), (2, 4)), r"f32\[2, 3\], got \(0, 0\), \(2, 4\) and \(1, 1\)"),
        (lambda: lax.pad(F, 0.0, [(0, 0, 0)]), "pad: .*for each axis of f32"),
        (lambda: lax.pad(F, 0.0, [(0, 0, -1), (0, 0, 0)]), "between at least 0"),
        (lambda: lax.pad(F, 0.0, [(-2, -1, 0), (0, 0, 0)]), "pad: no more than the 2 elements"),
        (lambda: lax.split(F, (1, 1), 1), r"split: sizes that add up to 3 are required"),
        (lambda: lax.reduce_and(N, (0,)), "reduce_and: bools are required, got i32"),
        (lambda: lax.shift_right_logical(F, 1), "logical: integers are required, got f32"),
        (lambda: lax.select_n(B), "select_n: at least one case is required, got none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call: Callable[[], Any], error: str) -> None:
    with pytest.raises(ProgramError, match=error):
        call()


def test_constants_are_cast_as_traced_values_are() -> None:
    x = np.array([1.7, -1.7, 300.0, -5.0, 1e20, np.nan, np.inf])
    for dtype in (np.uint8, np.int8, np.int32, np.uint64, np.float16, np.bool_):
        traced = wl.jit(lambda x, d=dtype: lax.convert_element_type(x, d), disable_jit=True)(x)
        np.testing.assert_array_equal(lax.convert_element_type(x, dtype), traced)
