"""Values of ops that rules need and that stand above them, by the names of these ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from .graph import Node, Op, Pair, Parts, Value, apply
from .types import Type

T = TypeVar("T")


def applied(name: str, *args: Value, **parameters: Any) -> Value:
    """The only result of the op of that name."""
    return apply(Op.registry[name](**parameters), *args)


@overload
def accumulate(x: Value, y: Value | None) -> Value: ...
@overload
def accumulate(x: Value | None, y: Value | None) -> Value | None: ...
def accumulate(x: Value | None, y: Value | None) -> Value | None:
    """x + y, where None is zero."""
    if x is None or y is None:
        return y if x is None else x
    return applied("add", x, y)


def zeros(of: Value | Type) -> Value:
    """Zeros of an inexact type."""
    x = of.type if isinstance(of, Value) else of
    return applied("full", value=0j if x.is_complex else 0.0, of=x)


def broadcast(x: Value, shape: tuple[int, ...], axes: tuple[int, ...]) -> Value:
    """`x` of `shape`, repeated along the new `axes`."""
    return applied("broadcast", x, shape=shape, axes=axes)


def repeated(args: Sequence[Value], batched: Sequence[bool], size: int) -> tuple[Value, ...]:
    """`args`, those that are not batched repeated along a new leading axis of `size`."""
    return tuple(
        a if yes else broadcast(a, (size, *a.shape), (0,))
        for a, yes in zip(args, batched, strict=True)
    )


def present(values: Iterable[T | None]) -> tuple[T, ...]:
    """What is not None."""
    return tuple(v for v in values if v is not None)


def flat(args: Iterable[Parts]) -> tuple[Value, ...]:
    """Values, and both parts of pairs."""
    return tuple(v for a in args for v in (a if isinstance(a, Pair) else (a,)))


def node_of(value: Value) -> Node:
    """The node of a value that is no input."""
    assert value.node is not None
    return value.node
