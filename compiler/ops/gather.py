"""Reading and writing at computed places: a gather and a scatter, transposes of each other.

Every form of indexing is one of them: `take`, `take_along`, `dynamic_slice` and their transposes
are functions at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Pair, Parts, Sample, Value, apply
from ..ir.source import location
from ..ir.symbolic import accumulate, repeated
from ..ir.types import COMPLEX, HALVES, INTEGERS, NUMPY, WIDE, Type, is_inexact, spelled
from ..kernel import MONOIDS, Const, Expr, Map
from ..kernel import apply as scalar
from ..kernel.index import Index, Read, Shifted
from .elementwise import add, cast, complex_product, div, eq, mul, operands, pairs, select
from .family import Computed, of_domain, partwise
from .places import Indexed, Ints, batched_params, computed_places
from .source import Iota, full, iota, zero_of
from .view import reshape

__all__ = [
    "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "take", "take_add", "take_along",
]  # fmt: skip

ORDERED = (*INTEGERS, *WIDE)
NUMBERS = (*ORDERED, *COMPLEX)
COMBINE = {m.update: m for m in MONOIDS.values() if m.update}
"""How a scatter combines elements that are written to one place; "set" keeps the last."""


class Gather(Indexed, Computed):
    """y = the block of x at places that the indices give: x[rows], x[rows, columns], x[i:i+n]

    Where an index is not within its axis: the nearest that is ("clip"), or zeros ("fill").
    """

    shares = True

    shape: Ints

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, *indices = args
        self.check(x, self.shape, indices, ("clip", "fill"))
        return Type(x.dtype, self.shape)

    def reference(self, *args: np.ndarray) -> Any:
        x, *indices = args
        if 0 in self.shape:
            return np.empty(self.shape, x.dtype)
        places, valid = self.numpy_places(x.shape, self.shape, indices)
        found = np.asarray(x[places])
        return found if self.mode == "clip" else np.where(valid, found, x.dtype.type(0))

    def in_memory(self, args: tuple[Value, ...]) -> tuple[Value, ...]:
        return args[:1]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return apply(self, dx, *operands(out)[1:])

    def pair(self, *args: Parts) -> Parts:
        return partwise(self, *args)

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        x, *indices = operands(out)
        return scatter(full(0.0, x.type), ct, indices, "add", **scatter_params(self))

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        params = batched_params(self, batched[0], batched[1:])
        return (apply(Gather(*params, self.mode, (size, *self.shape)), *args),)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        found = self.place(at, types[0], self.shape, read, 1)
        value = read(0, found)
        if self.mode == "fill":
            for p in computed_places(found):
                inside = scalar("and_", scalar("ge", p.by, 0), scalar("lt", p.by, p.size))
                value = scalar("select", inside, value, Const(0, out.dtype))
        return value

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in NUMPY:
            types = Type(dtype, (3, 2)), Type("i64", (4,))
            yield Sample(cls((-1, 1), (0,), ((0,),), "clip", (4, 2)), types, low=0)
        beyond = np.array([-1, 7, 2, 2])
        for mode in ("clip", "fill"):
            types = Type("f64", (3, 2)), Type("i64", (4,))
            op = cls((-1, 1), (0,), ((0,),), mode, (4, 2))
            yield Sample(op, types, values=(None, beyond))
            types = Type("f64", (4,)), Type("i32")
            for start in (-2, 1, 3):  # a window
                op = cls((0,), (0,), ((),), mode, (3,))
                yield Sample(op, types, values=(None, start))
            types = Type("f64", (2, 3)), Type("i32", (2, 2)), Type("i64", (2,))
            op = cls((-1, -1), (0, 1), ((0, 1), (1,)), mode, (2, 2))
            yield Sample(op, types, values=(None, [[0, 1], [2, 1]], [2, -1]))
        for op, x, indices in (
            (cls((0, -1, 3), (1,), ((1, 2),), "clip", (2, 2, 2, 2)), (2, 3, 2), (2, 2)),
            (cls((-1,), (0,), ((),), "clip", ()), (3,), ()),
            (cls((0, -1), (1,), ((1,),), "clip", (2, 0)), (2, 3), (0,)),
            (cls((-1, 1), (0,), ((0,),), "fill", (2, 0)), (1, 0), (2,)),
            (cls((0, -1, 2), (1,), ((0, 1, 2),), "clip", (2, 1, 2)), (2, 3, 2), (2, 1, 2)),
            (cls((-1, 0), (0,), ((1, 0),), "fill", (2, 3)), (4, 2), (3, 2)),
            (cls((1, 2), (0,), ((0,),), "clip", (3, 2, 2)), (4, 2), (3,)),
        ):
            yield Sample(op, (Type("f64", x), Type("i32", indices)), low=0)
        yield from wrong_samples(
            lambda axes, indexed, along: cls(axes, indexed, along, "clip", (2,)), ()
        )
        yield Sample(
            cls((-1,), (0,), ((0,),), "drop", (2,)),
            (Type("f32", (3,)), Type("i32", (2,))),
            error="gather: one of clip, fill as mode is required, got 'drop'",
        )


class Scatter(Indexed):
    """y = x, with the block u combined into it at the places that the indices give

    Elements that meet combine in the C order of the axes along which the indices run. An index that
    is not within its axis is clipped ("clip"), or its elements are left out ("drop"). `unique`
    promises that no two elements meet, `sorted` that the indices never fall.
    """

    combine: str
    unique: bool
    sorted: bool = False

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        x, u, *indices = args
        if self.combine not in ("set", *COMBINE):
            raise ProgramError(
                f"scatter: one of set, {', '.join(COMBINE)} as combine is required, "
                f"got {self.combine!r}"
            )
        if self.combine != "set":
            of_domain(self, x, NUMBERS if self.combine in ("add", "mul") else ORDERED)
        if x.dtype != u.dtype:
            raise ProgramError(
                f"scatter: operands of one dtype are required, got {spelled((x, u))}"
            )
        self.check(x, u.shape, indices, ("clip", "drop"))
        return x

    def reference(self, *args: np.ndarray) -> Any:
        x, u, *indices = args
        y = np.array(x, np.result_type(x, u))
        if u.size == 0:
            return y
        places, valid = self.numpy_places(x.shape, u.shape, indices)
        ran = [a for a in range(u.ndim) if any(a in over for over in self.along)]
        order = (*ran, *(a for a in range(u.ndim) if a not in ran))
        chosen = np.transpose(valid | (self.mode == "clip"), order)
        at = tuple(np.transpose(p, order)[chosen] for p in places)
        values = np.transpose(u, order)[chosen]
        with np.errstate(all="ignore"):
            if self.combine == "set":
                y[at] = values
            else:
                COMBINE[self.combine].numpy.at(y, at, values)
        return y

    # ---- derivatives

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        dx, du = tangents[:2]
        if not is_inexact(node.out.dtype) or (dx is None and du is None):
            return (None,)
        if self.combine in ("min", "max"):
            return (self.extreme_tangent(node, dx, du),)
        if self.combine == "mul":
            total = None if dx is None else self.on(node, dx, node.args[1])
            return (total if du is None else accumulate(total, self.factor_tangent(node, du)),)
        if du is None and self.combine == "add":
            return (dx,)
        zeros = [full(0.0, a.type) for a in node.args[:2]]
        return (self.on(node, zeros[0] if dx is None else dx, zeros[1] if du is None else du),)

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        (ct,) = cts
        if ct is None:
            return (None,) * len(linear)
        u = node.args[1].type
        of_x = of_u = None
        if linear[0]:
            of_x = ct if self.combine == "add" else self.on(
                node, ct, full(0.0, u) if self.combine == "set" else node.args[1]
            )  # fmt: skip
        if linear[1]:
            of_u = self.read(node, ct)
            if self.combine == "set" and not self.unique:
                of_u = select(self.lasting(node), of_u, full(0.0, u))
        return (of_x, of_u, *(None for _ in linear[2:]))

    def on(self, node: Node, x: Value, u: Value, combine: str = "") -> Value:
        """The scatter at the places of `node` on other operands."""
        op = replace(self, combine=combine or self.combine)
        return apply(op, x, u, *node.args[2:])

    def read(self, node: Node, y: Value) -> Value:
        """What stands at the places of `node`, 0 where there is none."""
        mode = "clip" if self.mode == "clip" else "fill"
        op = Gather(self.axes, self.indexed, self.along, mode, node.args[1].shape)
        return apply(op, y, *node.args[2:])

    def lasting(self, node: Node) -> Value:
        """Which elements of u no later one overwrites."""
        x, u = (a.type for a in node.args[:2])
        dtype = "i32" if u.size < 2**31 else "i64"
        number = reshape(iota(Type(dtype, (u.size,)), 0), u.shape)
        last = self.on(node, full(-1, x.of(dtype)), number)
        return eq(self.read(node, last), number)

    def factor_tangent(self, node: Node, du: Value) -> Value:
        """Of a product, in the factors u."""
        if not self.unique:
            raise ProgramError(
                "scatter: a derivative in factors requires places that differ",
                location(node.source),
                "unique_indices=True, or a product of logarithms by add",
            )
        x = node.args[0]
        return self.on(node, full(0.0, x.type), mul(du, self.read(node, x)), "add")

    def extreme_tangent(self, node: Node, dx: Value | None, du: Value | None) -> Value:
        """Shared evenly by all that are equal to the result, as JAX shares it."""
        x, u = node.args[:2]
        zeros = full(0.0, x.type)
        kept = cast(eq(x, node.out), x.dtype)
        chosen = cast(eq(u, self.read(node, node.out)), u.dtype)
        count = add(kept, self.on(node, zeros, chosen, "add"))
        total = None if dx is None else mul(div(kept, count), dx)
        if du is None:
            assert total is not None
            return total
        moving = self.on(node, zeros, mul(chosen, du), "add")
        return accumulate(total, div(moving, count)) or moving

    # ---- complex numbers, batches, kernels

    def pair(self, *args: Parts) -> Parts:
        """Factors are multiplied first, then they are set."""
        if self.combine != "mul":
            return partwise(self, *args)
        if not self.unique:
            raise ProgramError(
                "scatter: complex factors require places that differ", repair="unique_indices=True"
            )
        (x, u), indices = pairs(*args[:2]), args[2:]
        mode = "clip" if self.mode == "clip" else "fill"
        op = Gather(self.axes, self.indexed, self.along, mode, u.re.shape)
        old = partwise(op, x, *indices)
        assert isinstance(old, Pair)
        return partwise(replace(self, combine="set"), x, complex_product(old, u), *indices)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        pair = repeated(args[:2], batched[:2], size)
        params = batched_params(self, True, batched[2:])
        op = Scatter(*params, self.mode, self.combine, self.unique, self.sorted)
        return (apply(op, *pair, *args[2:]),)

    def target(self, at: Index, types: tuple[Type, ...], read: Read) -> tuple[Map | Shifted, ...]:
        """Where element `at` of u is written."""
        found = self.place(at, types[0], types[1].shape, read, 2)
        if self.mode == "drop":
            return found
        return tuple(
            p if isinstance(p, Map) else Shifted(p.map, clipped(p.by, p.size), p.size)
            for p in found
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rows = (-1, 1), (0,), ((0,),)
        for dtype in NUMPY:
            types = Type(dtype, (3, 2)), Type(dtype, (4, 2)), Type("i64", (4,))
            yield Sample(cls(*rows, "drop", "set", False), types, low=0)
        for dtype in NUMBERS:
            types = Type(dtype, (3, 2)), Type(dtype, (4, 2)), Type("i64", (4,))
            yield Sample(cls(*rows, "drop", "add", False), types, low=0)
        types = Type("c128", (3, 2)), Type("c128", (3, 2)), Type("i64", (3,))
        for mode in ("drop", "clip"):
            values = (None, None, np.array([2, 0, 1]))
            yield Sample(cls(*rows, mode, "mul", True), types, values=values)
        beyond, once = np.array([-1, 7, 2, 2]), np.array([-1, 2, 5, 0])
        for combine in ("set", *COMBINE):
            for mode in ("clip", "drop"):
                types = Type("f64", (3, 2)), Type("f64", (4, 2)), Type("i64", (4,))
                unique = combine == "mul"
                at = once if unique else beyond
                if not (unique and mode == "clip"):
                    op = cls(*rows, mode, combine, unique)
                    yield Sample(op, types, values=(None, None, at))
                types = Type("f64", (4,)), Type("f64", (3,)), Type("i32")
                op = cls((0,), (0,), ((),), mode, combine, True)
                yield Sample(op, types, values=(None, None, 3))
            for params, x, u, indices in (
                (((0, -1, 3), (1,), ((1, 2),)), (2, 7, 2), (2, 2, 2, 2), (2, 2)),
                (((0, -1), (1,), ((0, 1),)), (2, 3), (2, 3), (2, 3)),
                (((-1, 0), (0,), ((1, 0),)), (4, 2), (2, 3), (3, 2)),
                (((1, 2), (0,), ((0,),)), (5, 2), (3, 2, 2), (3,)),
                (((-1,), (0,), ((),)), (3,), (), ()),
                (((0, -1), (1,), ((1,),)), (2, 3), (2, 0), (0,)),
                (((-1, 1), (0,), ((0,),)), (0, 2), (0, 2), (0,)),
            ):
                if combine != "mul":
                    types = Type("f64", x), Type("f64", u), Type("i32", indices)
                    yield Sample(cls(*params, "drop", combine, False), types, low=0)
            if combine != "set":
                types = Type("f64", (3, 2)), Type("f64", (4, 2)), Type("i32", (4,))
                unique = combine == "mul"
                at = [0, 1, 2, 3] if unique else [0, 0, 2, 3]
                op = cls(*rows, "drop", combine, unique, True)
                yield Sample(op, types, values=(None, None, at))
        yield from wrong_samples(
            lambda axes, indexed, along: cls(axes, indexed, along, "drop", "add", False),
            (Type("f32", (2,)),),
        )
        types = Type("f32", (3,)), Type("f32", (2,)), Type("i32", (2,))
        one = (-1,), (0,), ((0,),)
        for op, given, error in (
            (cls(*one, "fill", "add", False), types, "one of clip, drop as mode is required"),
            (cls(*one, "drop", "sub", False), types, "as combine is required, got 'sub'"),
            (
                cls(*one, "drop", "add", False),
                (Type("bool", (3,)), Type("bool", (2,)), types[2]),
                "is required, got bool[3]",
            ),
            (
                cls(*one, "drop", "set", False),
                (types[0], Type("f64", (2,)), types[2]),
                "scatter: operands of one dtype are required, got f32[3] and f64[2]",
            ),
        ):
            yield Sample(op, given, error=error)


def wrong_samples(op: Any, block: tuple[Type, ...]) -> Iterable[Sample]:
    """What is no block [2] of f32[3]; `op` makes the op of axes, indexed and along."""
    x, index = Type("f32", (3,)), Type("i32", (2,))
    for params, types, error in (
        (((-1,), (0,), ((0,),)), (x, *block, Type("f32", (2,))), "indices of i32 or i64 are "),
        (((-1,), (0,), ((0,),)), (x, *block, Type("i32", (3,))), "indices along the axes (0,)"),
        (((-1,), (0,), ((0,),)), (x, *block), "1 indices are required, got 0"),
        (((0,), (), ()), (x, *block), "a block as long as axis 0 of f32[3] is required, got 2"),
        (((0,), (0,), ((),)), (Type("f32", (1,)), *block, Type("i32")), "at least 2 elements"),
        (((-1,), (0,), ((0,),)), (Type("f32", (0,)), *block, index), "at least 1 elements"),
        (((-1, -1), (0,), ((0,),)), (x, *block, index), "axes of f32[3] and of a block [2]"),
        (((0,), (0,), ((0,),)), (x, *block, index), "got axes=(0,), indexed=(0,)"),
    ):
        yield Sample(op(*params), types, error=error)


def clipped(index: Expr, size: int) -> Expr:
    return scalar("minimum", scalar("maximum", index, 0), size - 1)


def scatter_params(op: Gather) -> dict[str, Any]:
    """The parameters of a scatter to where `op` reads."""
    mode = "clip" if op.mode == "clip" else "drop"
    return {"axes": op.axes, "indexed": op.indexed, "along": op.along, "mode": mode}


# ---------------------------------------------------------------- functions


def gather(
    x: Value,
    indices: Sequence[Value],
    shape: Ints,
    axes: Ints,
    indexed: Ints,
    along: tuple[Ints, ...],
    mode: str = "clip",
) -> Value:
    """The block of `shape`; see places.py."""
    return apply(Gather(axes, indexed, along, mode, shape), x, *indices)


def scatter(
    x: Value,
    u: Value,
    indices: Sequence[Value],
    combine: str,
    axes: Ints,
    indexed: Ints,
    along: tuple[Ints, ...],
    mode: str = "drop",
    unique: bool = False,
    sorted: bool = False,
) -> Value:
    """`x` with the block `u` combined into it; halves are combined in f32 and rounded once."""
    op = Scatter(axes, indexed, along, mode, combine, unique, sorted)
    if x.dtype in HALVES and combine != "set":
        return cast(apply(op, cast(x, "f32"), cast(u, "f32"), *indices), x.dtype)
    return apply(op, x, u, *indices)


def rows_of(ndim: int, axis: int, count: int) -> dict[str, Any]:
    """Indices of `count` dimensions in place of one axis of `ndim`."""
    axes = tuple(d if d < axis else -1 if d == axis else d + count - 1 for d in range(ndim))
    return {"axes": axes, "indexed": (axis,), "along": (tuple(range(axis, axis + count)),)}


def in_step(ndim: int, axis: int) -> dict[str, Any]:
    """Indices in step with all axes but one."""
    axes = tuple(-1 if d == axis else d for d in range(ndim))
    return {"axes": axes, "indexed": (axis,), "along": (tuple(range(ndim)),)}


def take(x: Value, indices: Value, axis: int) -> Value:
    """y[a, j, b] = x[a, indices[j], b], clipped; x itself where the indices count along the axis"""
    op = indices.node.op if indices.node else None
    if isinstance(op, Iota) and indices.shape == (x.shape[axis],):
        return x
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return gather(x, (indices,), shape, **rows_of(len(x.shape), axis, len(indices.shape)))


def take_add(u: Value, indices: Value, size: int, axis: int) -> Value:
    """y[a, indices[j], b] += u[a, j, b] from zeros; `size` along `axis` of y"""
    end = axis + len(indices.shape)
    shape = (*u.shape[:axis], size, *u.shape[end:])
    zeros = full(zero_of(u.type), Type(u.dtype, shape))
    places = rows_of(len(shape), axis, len(indices.shape))
    return scatter(zeros, u, (indices,), "add", **places, mode="clip")


def take_along(x: Value, indices: Value, axis: int) -> Value:
    """y[a, j, b] = x[a, indices[a, j, b], b] with j along `axis`, clipped"""
    return gather(x, (indices,), indices.shape, **in_step(len(x.shape), axis))


def window_at(ndim: int) -> dict[str, Any]:
    """A window that begins at an index an axis."""
    every = tuple(range(ndim))
    return {"axes": every, "indexed": every, "along": ((),) * ndim}


def dynamic_slice(x: Value, starts: Sequence[Value], sizes: Ints) -> Value:
    """The window of `sizes` that begins at `starts`, moved to where all of it is within x"""
    return gather(x, starts, sizes, **window_at(len(sizes)))


def dynamic_update_slice(x: Value, u: Value, starts: Sequence[Value]) -> Value:
    """x with the window at `starts` replaced by u, moved to where all of it is within x"""
    return scatter(x, u, starts, "set", **window_at(len(u.shape)), mode="clip", unique=True)
