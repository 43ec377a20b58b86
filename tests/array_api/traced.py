"""wonderland.numpy for the suite of the Array API standard, with every call inside of a trace.

An `Array` holds an ndarray. A function, a method or an operator of them traces the same of traced
values, interprets the graph and gives Arrays again; so that what is tested is what a jitted
function sees. Nothing of NumPy's own computes here, but for constructors of Python's numbers.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import wonderland.numpy
from wonderland.compiler.trace.trace import eagerly

BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]
UNARY = ["neg", "pos", "abs", "invert"]
NUMBERS = ["bool", "int", "float", "complex", "index"]


class Array:
    """An ndarray, whose arithmetic is that of traced values."""

    __array_priority__ = 1
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, held: Any) -> None:
        self.held = np.asarray(held)

    def __repr__(self) -> str:
        return f"Array({self.held!r})"

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        return traced(lambda x: x.__array_namespace__(api_version=api_version), self) and namespace

    def __getattr__(self, name: str) -> Any:
        found = traced(lambda x: getattr(x, name), self)
        if name != "to_device":
            return found
        return lambda device, /, *, stream=None: traced(
            lambda x: x.to_device(device, stream=stream), self
        )

    def __getitem__(self, key: Any) -> Any:
        return traced(lambda x, at: x[at], self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        def written(x: Any, at: Any, new: Any) -> Any:
            y = x.copy()
            y[at] = new
            return y

        self.held = traced(written, self, key, value).held

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self))])

    def __len__(self) -> int:
        return len(self.held)

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any:
        return self.held.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self, /) -> Any:
        return self.held.__dlpack_device__()


def held(x: Any) -> Any:
    if isinstance(x, Array):
        return x.held
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(map(held, x))
    return x


def arrays(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return Array(x)
    if isinstance(x, (list, tuple)):
        parts = map(arrays, x)
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return x


def traced(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """`function` of traced values on Arrays, interpreted."""

    args, options = tuple(map(held, args)), {k: held(v) for k, v in options.items()}
    return arrays(eagerly(function, args, options))


def method(name: str) -> Any:
    """A dunder method of traced values on Arrays."""

    def operation(self: Array, *others: Any) -> Any:
        return traced(lambda x, *ys: getattr(x, name)(*ys), self, *others)

    operation.__name__ = name
    return operation


def in_place(name: str) -> Any:
    def operation(self: Array, other: Any) -> Array:
        def written(x: Any, y: Any) -> Any:
            z = x.copy()
            return getattr(operator, name)(z, y)

        found = traced(written, self, other)
        if found.held.dtype != self.held.dtype or found.held.shape != self.held.shape:
            raise TypeError(f"{name}: {self} became {found}")
        self.held = found.held
        return self

    operation.__name__ = name
    return operation


for _name in BINARY:
    setattr(Array, f"__{_name}__", method(f"__{_name}__"))
    setattr(Array, f"__r{_name}__", method(f"__r{_name}__"))
    setattr(Array, f"__i{_name}__", in_place(f"__i{_name}__"))
for _name in (*COMPARISONS, *UNARY):
    setattr(Array, f"__{_name}__", method(f"__{_name}__"))
for _name in NUMBERS:  # what a result is asked for, outside of the trace
    setattr(
        Array,
        f"__{_name}__",
        functools.partialmethod(lambda self, name: getattr(self.held, name)(), f"__{_name}__"),
    )


class Namespace:
    """A module of wonderland's whose functions are traced."""

    def __init__(self, module: Any) -> None:
        self.module, self.__name__ = module, module.__name__
        self.__array_api_version__ = "2024.12"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.module, name)
        if isinstance(found, ModuleType):
            return Namespace(found)
        if name == "from_dlpack":  # which makes an array, outside of all traces
            return functools.wraps(found)(lambda x, /, **o: Array(found(held(x), **o)))
        if not callable(found) or isinstance(found, type) or name.startswith("__"):
            return found

        @functools.wraps(found)
        def public(*args: Any, **options: Any) -> Any:
            return traced(found, *args, **options)

        return public

    def __dir__(self) -> list[str]:
        return dir(self.module)


namespace = Namespace(wonderland.numpy)


def __getattr__(name: str) -> Any:
    return getattr(namespace, name)


def __dir__() -> list[str]:
    return dir(namespace)
