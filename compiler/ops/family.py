"""What the members of a family of ops share: derivatives from short forms, maps, views."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np

from ..ir.errors import CompilerError, ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Sample, Value, apply
from ..ir.symbolic import accumulate, repeated
from ..ir.types import (
    COMPLEX,
    FLOATS,
    HALVES,
    INTEGERS,
    NAMES,
    NUMPY,
    WIDE,
    Type,
    is_inexact,
    spelled,
)
from ..kernel import MONOIDS, OPS, Const, Expr
from ..kernel import apply as scalar
from ..kernel.index import Index, Piece, Read


def behind(axes: Iterable[int]) -> tuple[int, ...]:
    """The same axes where one more stands before all."""
    return tuple(a + 1 for a in axes)


class OneResult(Op, abstract=True):
    """An op of one result; its joint rules follow from the short `tangent` and `cotangent`."""

    def tangent(self, i: int, dx: Value, out: Value, /) -> Value | None:
        """What tangent `dx` of operand `i` adds to the tangent of `out`; linear in `dx`."""
        raise CompilerError(f"op '{self.name}' has no tangent rule")

    def cotangent(self, i: int, ct: Value, out: Value, /) -> Value | None:
        """Cotangent of operand `i`, in which `out` is linear, for cotangent `ct` of `out`."""
        raise CompilerError(f"op '{self.name}' is not linear: it has no cotangent rule")

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        total = None
        if is_inexact(node.out.dtype):
            for i, dx in enumerate(tangents):
                if dx is not None:
                    total = accumulate(total, self.tangent(i, dx, node.out))
        return (total,)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        (ct,) = cts
        if ct is None:
            return (None,) * len(linear)
        return tuple(
            self.cotangent(i, ct, node.out) if yes else None for i, yes in enumerate(linear)
        )

    def lifted(self, size: int, /) -> Op:
        """The op that does the same behind one more leading axis of `size` of every operand."""
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return (apply(self.lifted(size), *repeated(args, batched, size)),)

    def pair(self, *args: Parts) -> Parts:
        """The result of complex operands, which are pairs, by real ops."""
        raise CompilerError(f"op '{self.name}' has no rule for complex values")

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        return (self.pair(*args),)


def partwise(op: Op, *args: Parts) -> Parts:
    """The pair of what `op` makes of the real and of the imaginary parts; others go to both."""
    re, im = ([a[k] if isinstance(a, Pair) else a for a in args] for k in range(2))
    return Pair(apply(op, *re), apply(op, *im))


class Linear(OneResult, abstract=True):
    """Linear in its one operand: the tangent is the op itself on the tangent."""

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx)


class Elementwise(OneResult, abstract=True):
    """Operands of one type, a result of their shape, by a scalar operation of the kernel level."""

    fuses = True
    scalar: ClassVar[str] = ""  # name in kernel.OPS; the op's own name where empty
    domain: ClassVar[tuple[str, ...]] = (*INTEGERS, *FLOATS)
    interval: ClassVar[tuple[float, float]] = (-2.0, 2.0)
    """Where samples lie; another one than this says too where the last operand is at home."""
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """Of all results that are real numbers."""
    arity = 2

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = args[0]
        for a in args:
            if a is not x and a != x:
                raise ProgramError(
                    f"{self.name}: operands of one type are required, got {spelled(args)}"
                )
        return of_domain(self, x, self.domain)

    def reference(self, *args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            half = NAMES.get(args[-1].dtype) in HALVES
            # NumPy's last bit may depend on strides
            wide = [np.asarray(halves_widened(a), order="C") for a in args]
            out = OPS[self.scalar or self.name].function(*wide)
            return np.asarray(out).astype(args[-1].dtype) if half and out.dtype != bool else out

    @property
    def weight(self) -> int:
        """About how many multiply-adds an element costs."""
        known = OPS.get(self.scalar or self.name)
        return 8 if known is None else known.weight

    def expression(self, *args: Expr) -> Expr:
        """The result in a kernel: the scalar operation. It is given f32 for f16 and bf16."""
        return scalar(self.scalar or self.name, *args)

    def emitted(self, *args: Expr) -> Expr:
        """What a kernel computes: the expression, of f16 and bf16 in f32, rounded once."""
        found = self.expression(*map(in_f32, args))
        if found.dtype != "f32":
            return found
        wanted = self.type(*(Type(a.dtype) for a in args))
        assert isinstance(wanted, Type)
        return scalar("cast", found, param=wanted.dtype) if wanted.dtype in HALVES else found

    def lifted(self, size: int) -> Op:
        return self

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        low, high = cls.interval
        for dtype in cls.domain:
            yield Sample(cls(), (Type(dtype, (2, 3)),) * cls.arity, low, high)
        last = [d for d in cls.domain if d not in COMPLEX or cls.domain[0] in COMPLEX][-1]
        for shape in ((), (1,), (0, 3)):
            yield Sample(cls(), (Type(last, shape),) * cls.arity, low, high)
        if cls.arity == 2:
            other = (Type(last, (2, 3)), Type(last, (3, 2)))
            yield Sample(cls(), other, error=f"{cls.name}: operands of one type are required")
        for dtype in [d for d in NUMPY if d not in cls.domain][:1]:
            yield Sample(
                cls(), (Type(dtype, (2,)),) * cls.arity, error=f"is required, got {dtype}[2]"
            )


class OfOne(Protocol):
    def __call__(self, x: Value) -> Value: ...


class OfTwo(Protocol):
    def __call__(self, x: Value, y: Value) -> Value: ...


def of_one(kind: type[Op]) -> OfOne:
    """The function of a value that applies an op without parameters."""
    op = kind()

    def function(x: Value) -> Value:
        return apply(op, x)

    return known_as(kind, function)


def of_two(kind: type[Op]) -> OfTwo:
    """The function of two values that applies an op without parameters."""
    op = kind()

    def function(x: Value, y: Value) -> Value:
        return apply(op, x, y)

    return known_as(kind, function)


def known_as(kind: type[Op], function: Any) -> Any:
    """`function` with the name of an op, what it says of itself, and where it stands."""
    function.__name__ = function.__qualname__ = kind.name
    function.__doc__, function.__module__ = kind.__doc__, kind.__module__
    return function


def halves_widened(x: np.ndarray) -> np.ndarray:
    """Halves as f32, in which they are computed with."""
    return x.astype(np.float32) if NAMES.get(x.dtype) in HALVES else x


def in_f32(x: Expr) -> Expr:
    """A half of a kernel as f32."""
    if x.dtype not in HALVES:
        return x
    if isinstance(x, Const):
        return Const(float(np.asarray(x.value, NUMPY[x.dtype])), "f32")
    return scalar("cast", x, param="f32")


def of_domain(op: Op, x: Type, domain: tuple[str, ...]) -> Type:
    """`x`, if its dtype is of `domain`."""
    if x.dtype not in domain:
        raise ProgramError(f"{op.name}: one of {', '.join(domain)} is required, got {x}")
    return x


def of_axes(op: Op, axes: tuple[int, ...], x: Type, ndim: int | None = None) -> tuple[int, ...]:
    """`axes`, if they are distinct, ascending and axes of `x` (or of `ndim` dimensions)."""
    n = x.ndim if ndim is None else ndim
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < n for a in axes):
        raise ProgramError(
            f"{op.name}: distinct ascending axes below {n} are required for {x}, got {axes}"
        )
    return axes


class Reduce(OneResult, abstract=True):
    """Combines the elements along `axes` by `monoid`, one of kernel.MONOIDS; drops the axes."""

    fuses = True
    monoid: ClassVar[str] = ""
    domain: ClassVar[tuple[str, ...]] = (*INTEGERS, *WIDE)
    empty: ClassVar[bool] = True  # whether no elements have a value
    arity = 1

    axes: tuple[int, ...]

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x = of_domain(self, args[0], self.domain)
        axes = of_axes(self, self.axes, x)
        if not self.empty and 0 in (x.shape[a] for a in axes):
            raise ProgramError(
                f"{self.name}: at least one element is required along {axes}, got {x}"
            )
        return Type(x.dtype, tuple(n for i, n in enumerate(x.shape) if i not in axes))

    def reference(self, *args: np.ndarray) -> Any:
        (x,) = args
        with np.errstate(all="ignore"):
            return MONOIDS[self.monoid].numpy.reduce(x, axis=self.axes, dtype=x.dtype)

    def lifted(self, size: int) -> Op:
        return replace(self, axes=behind(self.axes))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in cls.domain:
            yield Sample(cls((1,)), (Type(dtype, (2, 3)),))
        last = [d for d in cls.domain if d not in COMPLEX][-1]
        for axes, shape in (((0, 2), (3, 2, 5)), ((), (2, 3)), ((0,), (1,)), ((1,), (0, 3))):
            yield Sample(cls(axes), (Type(last, shape),))
        error = (
            ""
            if cls.empty
            else f"{cls.name}: at least one element is required along (0,), got {last}[0, 3]"
        )
        yield Sample(cls((0,)), (Type(last, (0, 3)),), error=error)
        for axes in ((2,), (1, 0), (-1,)):
            error = f"{cls.name}: distinct ascending axes below 2 are required"
            yield Sample(cls(axes), (Type(last, (2, 3)),), error=error)
        wrong = next(d for d in ("bool", "f32") if d not in cls.domain)
        yield Sample(cls((0,)), (Type(wrong, (2,)),), error=f"is required, got {wrong}[2]")


class View(OneResult, abstract=True):
    """Moves elements and computes none: an index map, folded into the loads of whoever reads it."""

    costless = fuses = True
    fill: ClassVar[Any] = 0  # where no piece's guards hold; pad gives a property

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def pieces(self, at: Index, types: tuple[Type, ...], out: Type) -> tuple[Piece, ...]:
        """Where element `at` of the result comes from: the piece whose guards hold, or `fill`.

        At most one piece's guards hold. `at` is Flat for a reshape only.
        """
        raise CompilerError(f"op '{self.name}' has no index map")

    def starts(self, types: tuple[Type, ...]) -> tuple[int, ...]:
        """The element of the result at which each operand begins, if that is all of them one after
        the other as they are in memory; else none."""
        return ()


class Computed(OneResult, abstract=True):
    """Every element follows from its index and from elements of the operands at computed places."""

    fuses = True

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        """The operands that are read from memory only."""
        return tuple(a for a in args if a.type.size > 1)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        """The element `at` of the result."""
        raise CompilerError(f"op '{self.name}' has no element rule")
