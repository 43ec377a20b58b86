"""Random bits as pure functions of keys: Threefry-2x32 of 20 rounds, bit for bit as JAX.

Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Op, Sample, Value, apply
from ..ir.types import Type, spelled
from ..kernel import OPS, Const, Expr, Map
from ..kernel import Index as IndexOf
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, dims, linear
from .family import Computed
from .view import broadcast

__all__ = ["bits_at", "random_bits", "threefry"]

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
PARITY = 0x1BD11BDA

Scalar = Callable[..., Any]
"""A scalar operation by its name in the kernel's table, on arrays or on expressions."""


def threefry_pair(op: Scalar, key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """The two words that a counter of two words becomes under a key."""
    keys = (*key, op("xor", op("xor", *key), PARITY))
    x, y = op("add", counter[0], keys[0]), op("add", counter[1], keys[1])
    for i in range(5):
        for r in ROTATIONS[i % 2]:
            x = op("add", x, y)
            y = op("xor", x, op("or_", op("shift_left", y, r), op("shift_right", y, 32 - r)))
        x, y = op("add", x, keys[(i + 1) % 3]), op("add", op("add", y, keys[(i + 2) % 3]), i + 1)
    return x, y


def on_arrays(name: str, *args: Any) -> Any:
    """A scalar operation on u32 arrays, which wraps."""
    with np.errstate(all="ignore"):
        return OPS[name].function(*(np.asarray(a, np.uint32) for a in args))


class RandomBits(Computed):
    """y[..., i] = 32 random bits of keys[..., :] and the position i in `shape`; jax.random.bits"""

    arity = 1
    shape: tuple[int, ...]

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        (keys,) = args
        if keys.dtype != "u32" or keys.shape[-1:] != (2,) or any(n < 0 for n in self.shape):
            raise ProgramError(
                f"random_bits: keys u32[..., 2] and a shape are required, "
                f"got {keys} and {self.shape}"
            )
        return Type("u32", (*keys.shape[:-1], *self.shape))

    def reference(self, *args: np.ndarray) -> Any:
        (keys,) = args
        keys = keys.reshape(*keys.shape[:-1], *(1 for _ in self.shape), 2)
        at = np.arange(np.prod(self.shape, dtype=np.int64)).reshape(self.shape)
        x, y = threefry_pair(on_arrays, (keys[..., 0], keys[..., 1]), (at >> 32, at & 0xFFFFFFFF))
        return x ^ y

    def lifted(self, size: int) -> Op:
        return self

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        k = types[0].ndim - 1
        rows, place = dims(at)[:k], dims(at)[k:]
        here = IndexOf(linear(place, self.shape))
        high = (
            scalar("cast", scalar("shift_right", here, 32), param="u32")
            if math.prod(self.shape) >> 32
            else Const(0, "u32")
        )
        key = read(0, (*rows, Map())), read(0, (*rows, Map((), 1)))
        return scalar("xor", *threefry_pair(scalar, key, (high, scalar("cast", here, param="u32"))))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for shape in ((), (5,), (2, 3), (0, 4)):
            yield Sample(cls(shape), (Type("u32", (2,)),), low=0, high=1000)
        for keys in ((3, 2), (2, 1, 2), (0, 2)):
            yield Sample(cls((4,)), (Type("u32", keys),), low=0, high=1000)
        yield Sample(
            cls((3,)),
            (Type("u32", (3,)),),
            error="random_bits: keys u32[..., 2] and a shape are required, got u32[3]",
        )


class BitsAt(Computed):
    """y[i] = the 32 random bits that `random_bits` of the key has at position counters[i]

    So any part of them is found alone. Keys u32[..., 2] have the leading axes of counters.
    """

    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        keys, counters = args
        fits = keys.dtype == "u32" and counters.dtype == "i64" and keys.shape[-1:] == (2,)
        if not fits or keys.shape[:-1] != counters.shape[: keys.ndim - 1]:
            raise ProgramError(
                f"bits_at: keys u32[..., 2] and counters i64[..., any] are required, "
                f"got {spelled(args)}"
            )
        return counters.of("u32")

    def reference(self, *args: np.ndarray) -> Any:
        keys, at = args
        rest = at.ndim - keys.ndim + 1
        keys = keys.reshape(*keys.shape[:-1], *(1 for _ in range(rest)), 2)
        x, y = threefry_pair(on_arrays, (keys[..., 0], keys[..., 1]), (at >> 32, at & 0xFFFFFFFF))
        return x ^ y

    def lifted(self, size: int) -> Op:
        return self

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return super().in_memory(args[:1])

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        rows, here = dims(at)[: types[0].ndim - 1], read(1, dims(at))
        high = scalar("cast", scalar("shift_right", here, 32), param="u32")
        key = read(0, (*rows, Map())), read(0, (*rows, Map((), 1)))
        return scalar("xor", *threefry_pair(scalar, key, (high, scalar("cast", here, param="u32"))))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for keys, at in (
            ((), ()),
            ((), (5,)),
            ((), (2, 3)),
            ((3,), (3, 2)),
            ((2,), (2,)),
            ((), (0,)),
        ):
            types = Type("u32", (*keys, 2)), Type("i64", at)
            yield Sample(cls(), types, low=0, high=1 << 40)
        for keys, at in (
            (Type("u32", (3,)), Type("i64")),
            (Type("u32", (4, 2)), Type("i64", (3,))),
        ):
            error = f"bits_at: keys u32[..., 2] and counters i64[..., any] are required, got {keys}"
            yield Sample(cls(), (keys, at), error=error)


class Threefry(Computed):
    """y[..., :] = the pair counters[..., :] under the key keys[..., :]

    Splits keys, and folds numbers into them.
    """

    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        keys, counters = args
        if keys != counters or keys.dtype != "u32" or keys.shape[-1:] != (2,):
            raise ProgramError(
                f"threefry: keys and counters of one u32[..., 2] are required, got {spelled(args)}"
            )
        return counters

    def reference(self, *args: np.ndarray) -> Any:
        keys, counters = args
        pair = threefry_pair(
            on_arrays, (keys[..., 0], keys[..., 1]), (counters[..., 0], counters[..., 1])
        )
        return np.stack(pair, -1)

    def lifted(self, size: int) -> Op:
        return self

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        *rows, last = dims(at)
        ends = Map(), Map((), 1)
        key, counter = ((read(i, (*rows, ends[0])), read(i, (*rows, ends[1]))) for i in range(2))
        pair = threefry_pair(scalar, key, counter)
        if not last.strides:
            return pair[last.offset]
        return scalar("select", scalar("eq", IndexOf(last), 0), *pair)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for shape in ((2,), (3, 2), (2, 1, 2), (0, 2)):
            yield Sample(cls(), (Type("u32", shape), Type("u32", shape)), low=0, high=1000)
        for keys, counters in (
            (Type("u32", (2,)), Type("u32", (3, 2))),
            (Type("u32", (3,)), Type("u32", (3,))),
        ):
            error = f"threefry: keys and counters of one u32[..., 2] are required, got {keys}"
            yield Sample(cls(), (keys, counters), error=error)


def random_bits(key: Value, shape: tuple[int, ...]) -> Value:
    """32 random bits per element of `shape` from every key of u32[..., 2]."""
    return apply(RandomBits(tuple(shape)), key)


def bits_at(key: Value, counters: Value) -> Value:
    """The random bits of a key u32[2] at positions i64."""
    return apply(BitsAt(), key, counters)


def threefry(key: Value, counters: Value) -> Value:
    """Every pair of `counters`, u32[..., 2], under one key u32[2] or a key each."""
    return apply(
        Threefry(),
        broadcast(key, counters.shape, tuple(range(counters.type.ndim - key.type.ndim))),
        counters,
    )
