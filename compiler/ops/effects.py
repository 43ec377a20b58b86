"""Ops that do something beside computing: print, call Python, check.

Such an op takes a token and gives one, so that effects stay in order: an array without elements,
which costs nothing. `tie` keeps the effects of a program: its result is a value of the program.
Calls of Python functions that only compute have no token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from ..ir.errors import ProgramError
from ..ir.graph import Node, Op, Pair, Parts, Sample, Value, apply, apply_all
from ..ir.parameters import Foreign
from ..ir.source import location
from ..ir.symbolic import repeated
from ..ir.types import Type, spelled, type_of
from ..kernel import Const, Expr
from ..kernel.index import Index, Read
from .elementwise import and_, not_, or_
from .family import Computed, OneResult
from .nested.bodies import by_row

__all__ = ["tie", "token"]

TOKEN = Type("bool", (0,))
"""The type of what orders effects."""

Batches = tuple[tuple[int, tuple[bool, ...]], ...]
"""Of every vmap around a call, the first one first: how many calls, and which operands differ."""


class Token(Computed):
    """The token of a program that has done nothing yet."""

    arity = 0

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        return TOKEN

    def reference(self, *args: np.ndarray) -> Any:
        return np.zeros(TOKEN.shape, TOKEN.numpy)

    def element(self, at: Index, types: tuple[Type, ...], out: Type, read: Read) -> Expr:
        return Const(False, out.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ())


class Tie(OneResult):
    """x, of a program that has the effects behind y, z, ...

    Operands: x, then tokens, or any results of nodes with effects.
    """

    shares = True

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if not args:
            raise ProgramError("tie: at least one operand is required, got none")
        return args[0]

    def reference(self, *args: np.ndarray) -> Any:
        return args[0]

    def tangent(self, i: int, dx: Value, out: Value) -> Value | None:
        return None if i else dx

    def cotangent(self, i: int, ct: Value, out: Value) -> Value | None:
        return None if i else ct

    def pair(self, *args: Parts) -> Parts:
        x, *ys = args
        order = [v for y in ys for v in (y if isinstance(y, Pair) else (y,))]
        whole = x if isinstance(x, Pair) else (x,)
        found = [apply(self, v, *order) for v in whole]
        return Pair(*found) if isinstance(x, Pair) else found[0]

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        return apply_all(self, *args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (Type("f64", (2, 3)), TOKEN))
        yield Sample(cls(), (Type("f64", (2, 3)), TOKEN, Type("f32")))
        yield Sample(cls(), (Type("c128", (2, 3)), TOKEN, Type("c64")))
        yield Sample(cls(), (), error="tie: at least one operand is required, got none")


class Outside(Op, abstract=True):
    """Runs outside of kernels, on the calling thread, on arrays.

    `batches` are the vmaps around it, for each of which it runs once for every element. Where it
    is `optional`, the first operand but a token says whether it runs at all; else it gives zeros.
    """

    effect = True
    outside = True

    batches: Batches
    optional: bool = field(default=False, kw_only=True)

    def results(self, *args: Type) -> tuple[Type, ...]:
        """The types of the results of one call, beside the token."""
        return ()

    def run(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        """One call."""
        raise NotImplementedError

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        if self.effect and args[:1] != (TOKEN,):
            got = spelled(args[:1]) or "none"
            raise ProgramError(f"{self.name}: a token {TOKEN} is required first, got {got}")
        given = args[1:] if self.effect else args
        for size, marks in reversed(self.batches):
            if len(marks) != len(given) or any(
                yes and t.shape[:1] != (size,) for t, yes in zip(given, marks, strict=True)
            ):
                raise ProgramError(
                    f"{self.name}: operands with a leading axis of {size} are required where "
                    f"{marks} says so, got {spelled(given) or 'none'}"
                )
            given = tuple(
                Type(t.dtype, t.shape[1:]) if yes else t
                for t, yes in zip(given, marks, strict=True)
            )
        if self.optional:
            if given[:1] != (Type("bool"),):
                got = spelled(given[:1]) or "none"
                raise ProgramError(f"{self.name}: whether it runs is required, a bool, got {got}")
            given = given[1:]
        sizes = tuple(size for size, _ in reversed(self.batches))
        found = tuple(Type(t.dtype, (*sizes, *t.shape)) for t in self.results(*given))
        return (TOKEN, *found) if self.effect else found

    def reference(self, *args: np.ndarray) -> Any:
        given = args[1:] if self.effect else args
        found = self.looped(self.batches, given)
        if self.effect:
            return (args[0], *found)
        return found[0] if len(found) == 1 else found

    def looped(self, batches: Batches, args: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        if not batches and not self.optional:
            return self.run(*args)
        if not batches:
            types = self.results(*map(type_of, args[1:]))
            missed = (np.zeros(t.shape, t.numpy) for t in types)
            return self.run(*args[1:]) if args[0] else tuple(missed)
        *inner, (size, marks) = batches
        rows = [
            self.looped(
                tuple(inner), [a[k] if yes else a for a, yes in zip(args, marks, strict=True)]
            )
            for k in range(size)
        ]
        if rows:
            return tuple(map(np.stack, zip(*rows, strict=True)))
        given = (type_of(a) for a in args)
        single = [
            Type(t.dtype, t.shape[1:]) if yes else t for t, yes in zip(given, marks, strict=True)
        ]
        sizes = (0, *(n for n, _ in reversed(inner)))
        types = self.results(*single[self.optional :])
        return tuple(np.zeros((*sizes, *t.shape), t.numpy) for t in types)

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        return (None,) * len(node.values)

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        marks = batched
        if self.effect:
            args, marks = (apply(Token()) if batched[0] else args[0], *args[1:]), batched[1:]
        batches = (*self.batches, *([(size, marks)] if any(marks) else ()))
        return apply_all(replace(self, batches=batches), *args)

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """It runs for the rows `on` alone."""
        at, op = int(self.effect), self
        if self.optional:  # of each row, or of each element of it
            (own,) = repeated(args[at : at + 1], batched[at : at + 1], size)
            on = and_(own, by_row(on, own))
        else:
            batches = tuple((n, (False, *marks)) for n, marks in self.batches)
            op = replace(self, batches=batches, optional=True)
        rest = slice(at + self.optional, None)
        given, marks = (*args[:at], on, *args[rest]), (*batched[:at], True, *batched[rest])
        one = (*node.args[:at], Value(Type("bool", on.shape[1:])), *node.args[rest])
        return op.batch(Node(op, one, node.source), given, marks, size)


# ---------------------------------------------------------------- printing

Template = tuple[Any, ...]
"""How an argument of a print is put together: ("array",), ("value", x), ("list", parts...),
("tuple", parts...), ("dict", (key, part)...)."""


class DebugPrint(Outside):
    """Prints `text`, a format of Python, of arguments that `args` and `names` describe."""

    text: str
    args: tuple[Template, ...]
    names: tuple[tuple[str, Template], ...]

    def results(self, *args: Type) -> tuple[Type, ...]:
        count = sum(map(arrays_in, (*self.args, *(part for _, part in self.names))))
        if len(args) != count:
            raise ProgramError(f"debug_print: {count} arrays are required, got {len(args)}")
        return ()

    def run(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        arrays = iter(args)
        given = [filled_template(part, arrays) for part in self.args]
        named = {name: filled_template(part, arrays) for name, part in self.names}
        print(self.text.format(*given, **named))
        return ()

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        array = ("array",)
        names = (("b", ("dict", ("k", array))),)
        types = (TOKEN, Type("f64"), Type("f32", (3,)))
        yield Sample(cls((), "{} {b}", (array,), names), types)
        yield Sample(cls((), "", (), ()), (TOKEN,))
        yield Sample(
            cls((), "{}", (array,), ()), (TOKEN,), error="debug_print: 1 arrays are required, got 0"
        )
        yield Sample(
            cls((), "", (), ()), (Type("f32"),), error="debug_print: a token bool[0] is required"
        )


def arrays_in(part: Template) -> int:
    """How many arrays an argument has."""
    kind, *rest = part
    if kind == "dict":
        return sum(arrays_in(value) for _, value in rest)
    return 1 if kind == "array" else 0 if kind == "value" else sum(map(arrays_in, rest))


def filled_template(part: Template, arrays: Iterator[np.ndarray]) -> Any:
    """The argument, with its arrays."""
    kind, *rest = part
    match kind:
        case "array":
            return next(arrays)
        case "value":
            return rest[0]
        case "dict":
            return {key: filled_template(value, arrays) for key, value in rest}
    found = [filled_template(value, arrays) for value in rest]
    return tuple(found) if kind == "tuple" else found


def check_format(text: str, count: int, names: Iterable[str]) -> None:
    """Requires that a format asks for no other arguments than it gets, and for all."""
    import string  # which compiles templates

    asked, automatic = set[int | str](), 0
    for _, name, _, _ in string.Formatter().parse(text):
        if name is None:
            continue
        head = name.split(".")[0].split("[")[0]
        asked.add(automatic if not head else int(head) if head.isdigit() else head)
        automatic += not head
    every = {*range(count), *names}
    if missing := sorted(map(str, asked - every)):
        raise ProgramError(
            f"debug_print: an argument {missing[0]} is required by {text!r}, got none"
        )
    if unused := sorted(map(str, every - asked)):
        raise ProgramError(f"debug_print: {text!r} does not print argument {unused[0]}")


# ---------------------------------------------------------------- checks


class Check(Outside):
    """Raises an AssertionError where operand 0 is false somewhere; `text` is a format of the
    others, `place` the user's line."""

    passes = 1  # behind the token

    text: str
    place: str

    def results(self, *args: Type) -> tuple[Type, ...]:
        if not args or args[0].dtype != "bool":
            got = spelled(args[:1]) or "none"
            raise ProgramError(f"check: a condition of bool is required, got {got}")
        return ()

    def run(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        if not np.all(args[0]):
            values = args[1:]
            said = self.text.format(*values)
            if values and "{" not in self.text:
                said += f", got {', '.join(map(str, values))}"
            raise AssertionError(self.message(said))
        return ()

    def message(self, said: str) -> str:
        return f"check: {said}{self.place and f'{chr(10)}{self.place}'}"

    def failure(self) -> str:
        import string

        parts = string.Formatter().parse(self.text)
        return self.message("".join(t + "..." * (name is not None) for t, name, _, _ in parts))

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """Rows that are not `on` pass."""
        (passed,) = repeated(args[1:2], batched[1:2], size)
        passed = or_(passed, not_(by_row(on, passed)))
        given, marks = (args[0], passed, *args[2:]), (batched[0], True, *batched[2:])
        return self.batch(node, given, marks, size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yes = np.ones((2,), bool)
        yield Sample(
            cls((), "x is {}", ""), (TOKEN, Type("bool", (2,)), Type("f64")),
            values=(np.zeros(0, bool), yes, 1.0),
        )  # fmt: skip
        yield Sample(
            cls((), "", ""), (TOKEN, Type("f32")), error="check: a condition of bool is required"
        )


# ---------------------------------------------------------------- Python functions


class Callback(Outside, abstract=True):
    """Calls `function` on the operands; it gives arrays of the types `gives`."""

    function: Foreign
    gives: tuple[Type, ...]

    def results(self, *args: Type) -> tuple[Type, ...]:
        return self.gives

    def run(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        found = tuple(map(np.asarray, self.function.call(*args)))
        types = tuple(f"{a.dtype}{list(a.shape)}" for a in found)
        wanted = tuple(f"{t.numpy}{list(t.shape)}" for t in self.gives)
        if types != wanted:
            required, got = spelled(self.gives) or "nothing", " and ".join(types) or "nothing"
            raise ProgramError(
                f"{self.name}: {required} is required of {self.function.name}, got {got}"
            )
        return found

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        if self.gives and any(t is not None for t in tangents):
            raise ProgramError(
                f"{self.name}: {self.function.name} has no derivative",
                location(node.source),
                "wl.custom_jvp or wl.custom_vjp around the call, or wl.stop_gradient(argument)",
            )
        return (None,) * len(node.values)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        first = (TOKEN,) if cls.effect else ()
        x = Type("i64", (3,))
        yield Sample(cls((), DOUBLED, (x,)), (*first, x))
        yield Sample(cls(((2, (True,)),), DOUBLED, (x,)), (*first, Type("i64", (2, 3))))
        yield Sample(
            cls(((2, (True,)),), DOUBLED, (x,)), (*first, x),
            error=f"{cls.name}: operands with a leading axis of 2 are required",
        )  # fmt: skip


DOUBLED = Foreign(lambda x: (x + x,), "doubled")


class PureCallback(Callback):
    """Results of a Python function that only computes: it may run any number of times.

    vmap_method is JAX's: "sequential" calls it for every element, "expand_dims" and "broadcast_all"
    once, with operands that are the same for all elements along an axis of 1 or of the size.
    """

    effect = False

    vmap_method: str | None = None

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        if self.vmap_method is None:
            raise ProgramError(
                f"pure_callback: {self.function.name} has no rule for vmap",
                location(node.source),
                f"vmap_method='sequential', or another of {', '.join(METHODS)}",
            )
        if self.vmap_method.startswith("sequential"):
            return super().batch(node, args, batched, size)
        lead = size if self.vmap_method == "broadcast_all" else 1
        gives = tuple(Type(t.dtype, (size, *t.shape)) for t in self.gives)
        return apply_all(replace(self, gives=gives), *repeated(args, batched, lead))

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...]:
        """A function of all rows at once runs for all."""
        if self.vmap_method is not None and self.vmap_method.startswith("sequential"):
            return super().batch_where(node, args, batched, size, on)
        return self.batch(node, args, batched, size) if any(batched) else apply_all(self, *args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from (
            Sample(replace(s.op, vmap_method="sequential"), s.types, error=s.error)  # pyright: ignore[reportArgumentType]
            for s in super().samples()
        )
        x = Type("i64", (3,))
        for method in ("expand_dims", "broadcast_all"):
            yield Sample(cls((), DOUBLED, (x,), method), (x,))


METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all")
"""What `vmap_method` may be."""


class IoCallback(Callback):
    """Results of a Python function that runs once, in order with other effects."""

    ordered: bool = False

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        if self.ordered:
            raise ProgramError(
                f"io_callback: {self.function.name} is ordered, it has no rule for vmap",
                location(node.source),
                "ordered=False",
            )
        return super().batch(node, args, batched, size)


class DebugCallback(Callback):
    """Calls a Python function of the primal values: derivatives pass it by."""


# ---------------------------------------------------------------- user functions


def token() -> Value:
    """The token of a program that has done nothing yet."""
    return apply(Token())


def tie(x: Value, *effects: Value) -> Value:
    """`x`, with effects kept."""
    return apply(Tie(), x, *effects)
