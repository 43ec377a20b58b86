"""First weights, with the variances and the bits of jax.nn.initializers.

    weight = he_normal(wl.random.key(0), (784, 256))

Shapes: (..., inputs, outputs); what stands before is the receptive field of a convolution. The
normal ones are truncated at two standard deviations and scaled to keep the variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ...compiler.front import random
from ...compiler.ir.errors import ProgramError
from ...compiler.ir.explain import explained
from ...compiler.ir.source import location, user_source
from ...compiler.trace.tracer import Tracer

__all__ = [
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
]

Initializer = Callable[..., Any]

TRUNCATED = 0.87962566103423978  # standard deviation of the normal distribution within (-2, 2)


def _fans(name: str, shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs an output sums, and how many outputs an input reaches."""
    if len(shape) < 2:
        raise ProgramError(
            f"{name}: a shape of inputs and outputs is required, got {list(shape)}",
            location(user_source()),
        )
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _normal(name: str, variance: Callable[[int, int], float], doc: str) -> Initializer:
    @explained
    def initializer(key: Any, shape: Sequence[int], dtype: Any = "float32") -> Any:
        deviation = math.sqrt(variance(*_fans(name, shape))) / TRUNCATED
        return random.truncated_normal(key, -2.0, 2.0, tuple(shape), dtype) * deviation

    initializer.__name__ = initializer.__qualname__ = name
    initializer.__doc__ = f"Truncated normal weights of {doc}"
    return initializer


def _uniform(name: str, variance: Callable[[int, int], float], doc: str) -> Initializer:
    @explained
    def initializer(key: Any, shape: Sequence[int], dtype: Any = "float32") -> Any:
        limit = math.sqrt(3 * variance(*_fans(name, shape)))
        return random.uniform(key, tuple(shape), dtype, -1.0, 1.0) * limit

    initializer.__name__ = initializer.__qualname__ = name
    initializer.__doc__ = f"Uniform weights of {doc}"
    return initializer


def _lecun(inputs: int, outputs: int) -> float:
    return 1 / inputs


def _glorot(inputs: int, outputs: int) -> float:
    return 2 / (inputs + outputs)


def _he(inputs: int, outputs: int) -> float:
    return 2 / inputs


LECUN = """variance 1 / inputs, which keeps the size of signals through selu layers.

    Source: LeCun, Bottou, Orr, Müller, Efficient backprop, 1998.
    """
GLOROT = """variance 2 / (inputs + outputs), for tanh and sigmoid layers.

    Source: Glorot and Bengio, Understanding the difficulty of training deep networks, 2010.
    """
HE = """variance 2 / inputs, which keeps the size of signals through relu layers.

    Source: He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015.
    """

lecun_normal = _normal("lecun_normal", _lecun, LECUN)
lecun_uniform = _uniform("lecun_uniform", _lecun, LECUN)
glorot_normal = _normal("glorot_normal", _glorot, GLOROT)
glorot_uniform = _uniform("glorot_uniform", _glorot, GLOROT)
he_normal = _normal("he_normal", _he, HE)
he_uniform = _uniform("he_uniform", _he, HE)


@explained
def orthogonal(
    key: Any, shape: Sequence[int], dtype: Any = "float32", scale: float = 1.0
) -> numpy.ndarray:
    """scale * Q, uniform among the matrices of orthonormal columns, or rows where they are fewer.

    The last axis are the columns, all before it the rows. The factorisation is NumPy's, on the
    host: not inside of a traced function.
    Source: Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks, 2014.
    """
    _fans("orthogonal", shape)
    rows, columns = math.prod(shape[:-1]), shape[-1]
    drawn = random.normal(key, (max(rows, columns), min(rows, columns)), dtype)
    if isinstance(drawn, Tracer):
        raise ProgramError(
            "orthogonal: a key that is known is required, got a traced one",
            location(user_source()),
            "initialize outside of the compiled function",
        )
    if not drawn.size:
        return drawn.reshape(shape)
    q, r = numpy.linalg.qr(drawn)
    q = q * numpy.sign(numpy.diagonal(r))  # without the signs Q would not be uniform
    return ((q.T if rows < columns else q) * drawn.dtype.type(scale)).reshape(shape)
