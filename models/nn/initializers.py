"""Makers of first weights, with the names, the signatures and the bits of jax.nn.initializers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...compiler.front import numpy as np
from ...compiler.front import random, random_matrices
from ...compiler.ir.explain import explained
from ...compiler.trace.operands import wrong

__all__ = [
    "Initializer", "constant", "delta_orthogonal", "glorot_normal", "glorot_uniform", "he_normal",
    "he_uniform", "kaiming_normal", "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal",
    "ones", "orthogonal", "truncated_normal", "uniform", "variance_scaling", "xavier_normal",
    "xavier_uniform", "zeros",
]  # fmt: skip

Axes = int | Sequence[int]

TRUNCATED = 0.87962566103423978  # standard deviation of the normal distribution within (-2, 2)


class Initializer(Protocol):
    """What makes weights: a function of a key, a shape and a dtype."""

    def __call__(self, key: Any, shape: Sequence[int], dtype: Any = ...) -> Any: ...


def _maker(draw: Callable[..., Any], name: str, dtype: Any) -> Initializer:
    """`draw` with the dtype that a call gives, else `dtype`, else f32."""
    wanted = dtype

    @explained
    def initializer(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return draw(key, tuple(shape), next(d for d in (dtype, wanted, "float32") if d is not None))

    initializer.__name__ = initializer.__qualname__ = name
    return initializer


# ---------------------------------------------------------------- of a size


@explained
def constant(value: Any, dtype: Any = None) -> Initializer:
    """`value` everywhere, broadcast."""
    return _maker(
        lambda key, shape, dtype: np.broadcast_to(np.asarray(value).astype(dtype), shape) + 0,
        "constant", dtype,
    )  # fmt: skip


@explained
def zeros(key: Any, shape: Sequence[int], dtype: Any = "float32") -> Any:
    """0 everywhere; itself what takes a key."""
    return np.zeros(tuple(shape), dtype)


@explained
def ones(key: Any, shape: Sequence[int], dtype: Any = "float32") -> Any:
    """1 everywhere; itself what takes a key."""
    return np.ones(tuple(shape), dtype)


@explained
def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Normal weights of standard deviation `stddev`."""
    return _maker(
        lambda key, shape, dtype: random.normal(key, shape, dtype) * stddev, "normal", dtype
    )


@explained
def truncated_normal(
    stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0
) -> Initializer:
    """`stddev` times normal numbers within lower and upper, which makes them less than `stddev`."""
    return _maker(
        lambda key, shape, dtype: random.truncated_normal(key, lower, upper, shape, dtype) * stddev,
        "truncated_normal", dtype,
    )  # fmt: skip


@explained
def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform weights from 0 to `scale`."""
    return _maker(
        lambda key, shape, dtype: random.uniform(key, shape, dtype) * scale, "uniform", dtype
    )


# ---------------------------------------------------------------- by variance


def _fans(name: str, shape: Sequence[int], ins: Axes, outs: Axes, batch: Axes) -> tuple[Any, Any]:
    """How many inputs an output sums, and how many outputs an input reaches."""
    if len(shape) < 2 and ins == -2:
        raise wrong(f"{name}: a shape of inputs and outputs is required, got {list(shape)}")
    sizes = [
        math.prod(shape[a] for a in ((axes,) if isinstance(axes, int) else axes))
        for axes in (ins, outs, batch)
    ]
    field = math.prod(shape) / max(math.prod(sizes), 1)
    return field * sizes[0], field * sizes[1]


MODES: dict[str, Callable[[Any, Any], Any]] = {
    "fan_in": lambda inputs, outputs: inputs,
    "fan_out": lambda inputs, outputs: outputs,
    "fan_avg": lambda inputs, outputs: (inputs + outputs) / 2,
    "fan_geo_avg": lambda inputs, outputs: math.sqrt(inputs * outputs),
}


@explained
def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """Weights of variance scale / n: n inputs (mode "fan_in"), outputs ("fan_out"), their mean
    ("fan_avg") or geometric mean ("fan_geo_avg").

    `distribution` is "truncated_normal" (at two standard deviations, scaled to keep the variance),
    "normal" or "uniform".
    """
    return _scaled(
        "variance_scaling", scale, mode, distribution, in_axis, out_axis, batch_axis, dtype
    )


def _scaled(
    name: str, scale: Any, mode: str, distribution: str,
    in_axis: Axes, out_axis: Axes, batch_axis: Axes, dtype: Any,
) -> Initializer:  # fmt: skip
    draws: dict[str, Callable[..., Any]] = {
        "truncated_normal": lambda key, shape, dtype, size: (
            random.truncated_normal(key, -2.0, 2.0, shape, dtype) * (size / TRUNCATED)
        ),
        "normal": lambda key, shape, dtype, size: random.normal(key, shape, dtype) * size,
        "uniform": lambda key, shape, dtype, size: (
            random.uniform(key, shape, dtype, -1.0, 1.0) * (math.sqrt(3) * size)
        ),
    }
    for what, given, among in (("mode", mode, MODES), ("distribution", distribution, draws)):
        if given not in among:
            raise wrong(f"{name}: a {what} among {', '.join(among)} is required, got {given!r}")

    def draw(key: Any, shape: Sequence[int], dtype: Any) -> Any:
        n = MODES[mode](*_fans(name, shape, in_axis, out_axis, batch_axis))
        size = math.sqrt(scale / n) if n else 0.0  # there are no weights
        return draws[distribution](key, shape, dtype, size)

    return _maker(draw, name, dtype)


def _family(
    name: str, scale: float, mode: str, distribution: str, doc: str
) -> Callable[..., Initializer]:
    def initializer(
        in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None
    ) -> Initializer:
        return _scaled(name, scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    initializer.__name__ = initializer.__qualname__ = name
    kind = "Uniform" if distribution == "uniform" else "Truncated normal"
    initializer.__doc__ = f"{kind} weights of {doc}"
    return explained(initializer)


LECUN = """variance 1 / inputs, which keeps the size of signals through selu layers.

    Source: LeCun, Bottou, Orr, Müller, Efficient backprop, 1998.
    """
GLOROT = """variance 2 / (inputs + outputs), for tanh and sigmoid layers.

    Source: Glorot and Bengio, Understanding the difficulty of training deep networks, 2010.
    """
HE = """variance 2 / inputs, which keeps the size of signals through relu layers.

    Source: He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015.
    """

lecun_normal = _family("lecun_normal", 1.0, "fan_in", "truncated_normal", LECUN)
lecun_uniform = _family("lecun_uniform", 1.0, "fan_in", "uniform", LECUN)
glorot_normal = _family("glorot_normal", 1.0, "fan_avg", "truncated_normal", GLOROT)
glorot_uniform = _family("glorot_uniform", 1.0, "fan_avg", "uniform", GLOROT)
he_normal = _family("he_normal", 2.0, "fan_in", "truncated_normal", HE)
he_uniform = _family("he_uniform", 2.0, "fan_in", "uniform", HE)
xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform

# ---------------------------------------------------------------- rotations


@explained
def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """scale * Q, uniform among the matrices of orthonormal columns, or rows where they are fewer.

    One axis are the columns, all others the rows.
    Source: Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks, 2014.
    """

    def draw(key: Any, shape: Sequence[int], dtype: Any) -> Any:
        if len(shape) < 2:
            raise wrong(f"orthogonal: a shape of rows and columns is required, got {list(shape)}")
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        columns, others = shape[column_axis], list(shape)
        del others[column_axis]
        found = random_matrices.orthogonal(key, math.prod(others), (), dtype, columns) * scale
        return np.moveaxis(found.reshape((*others, columns)), -1, column_axis)

    return _maker(draw, "orthogonal", dtype)


@explained
def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """`orthogonal` at the centre of a receptive field of one to three axes, 0 around it.

    Source: Xiao and others, Dynamical isometry and a mean field theory of CNNs, 2018.
    """
    middle = orthogonal(scale, column_axis)

    def draw(key: Any, shape: Sequence[int], dtype: Any) -> Any:
        if not 3 <= len(shape) <= 5 or shape[-1] < shape[-2]:
            raise wrong(
                "delta_orthogonal: a shape of 1 to 3 sizes of a field, inputs, and no fewer "
                f"outputs is required, got {list(shape)}"
            )
        at = [(n - 1) // 2 for n in shape[:-2]]
        around = [(k, n - 1 - k) for k, n in zip(at, shape[:-2], strict=True)]
        found = middle(key, shape[-2:], dtype)
        return np.pad(found[(None,) * len(at)], [*around, (0, 0), (0, 0)])

    return _maker(draw, "delta_orthogonal", dtype)
