"""What a law is: one line of algebra, a function of its variables that gives (before, after).

    @law(exact=True)
    def mul_one(x): return x * 1, x

The function is called once with patterns to learn `before`, and with the matched values to build
`after`. Variables of a law are values; one annotated `Number` is a constant whose `number` can be
asked; keyword-only ones are parameters of ops. `op.name(...)` spells any op as the text does. A
literal stands for a constant that has these bits in every element: `0` is not `-0.0`, a float
literal means floats only. `after` may be a function, called once matched, where it needs the
values; it gives None to decline.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.errors import CompilerError
from ..ir.graph import Node, Op, Value, apply
from ..ir.lazy import lazy
from ..ir.types import FLOATS, REAL, Type
from ..ops.source import Full, full

# ---------------------------------------------------------------- terms


class Term:
    """Arithmetic shared by patterns and values, so a law reads as the mathematics."""

    def __add__(self, y: Any) -> Any:
        return op.add(self, y)

    def __sub__(self, y: Any) -> Any:
        return op.sub(self, y)

    def __rsub__(self, x: Any) -> Any:
        return op.sub(x, self)

    def __mul__(self, y: Any) -> Any:
        return op.mul(self, y)

    def __truediv__(self, y: Any) -> Any:
        return op.div(self, y)

    def __rtruediv__(self, x: Any) -> Any:
        return op.div(x, self)

    def __floordiv__(self, y: Any) -> Any:
        return op.floordiv(self, y)

    def __pow__(self, y: Any) -> Any:
        return op.pow(self, y)

    def __neg__(self) -> Any:
        return op.neg(self)

    def __invert__(self) -> Any:
        return op.not_(self)

    def __and__(self, y: Any) -> Any:
        return op.and_(self, y)

    def __or__(self, y: Any) -> Any:
        return op.or_(self, y)

    def __xor__(self, y: Any) -> Any:
        return op.xor(self, y)

    def __lshift__(self, y: Any) -> Any:
        return op.shift_left(self, y)

    def __rshift__(self, y: Any) -> Any:
        return op.shift_right(self, y)


class Number(Term):
    """Annotates a variable that stands for constants; `number` is the number in every element."""

    number: Any


@dataclass(frozen=True, eq=False)
class Variable(Term):
    """A free variable of a pattern: a value, a constant, or a parameter of an op."""

    name: str
    constant: bool = False


@dataclass(frozen=True, eq=False)
class Pattern(Term):
    """An application to match. Operands are patterns, variables, literals; so are parameters."""

    cls: type[Op]
    args: tuple[Any, ...]
    params: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Typed(Term):
    """A value of a graph behind the operators."""

    value: Value

    @property
    def type(self) -> Type:
        return self.value.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return self.value.dtype

    @property
    def number(self) -> Any:
        """The number of a constant."""
        return uniform_number(self.value)


class Spelling:
    """`op.name(operands, parameter=...)`: a pattern where an operand is one, else the value."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in Op.registry:
            raise AttributeError(name)
        cls = Op.registry[name]

        def spell(*args: Any, **params: Any) -> Any:
            if any(isinstance(a, Variable | Pattern) for a in args):
                return Pattern(cls, args, params)
            return Applied(cls, args, params)

        return spell


class Applied(Typed):
    """An application to values, made when it is read: of a left side that matched it never is."""

    def __init__(self, cls: type[Op], args: tuple[Any, ...], params: Mapping[str, Any]) -> None:
        self.__dict__.update(made=(cls, args, params))

    @lazy
    def value(self) -> Value:  # pyright: ignore[reportIncompatibleVariableOverride]
        cls, args, params = self.__dict__["made"]
        like = next(a.type for a in reversed(args) if isinstance(a, Typed))
        return apply(cls(**params), *(term_value(a, like) for a in args))


op = Spelling()


def term_value(x: Any, like: Type) -> Value:
    """The value of a term; a literal becomes a constant of the type `like`."""
    return x.value if isinstance(x, Typed) else full(x, like)


def uniform_number(v: Value) -> Any:
    """The number that stands in every element of a constant, or None."""
    return v.node.op.value if v.node and isinstance(v.node.op, Full) else None


# ---------------------------------------------------------------- laws


@dataclass(frozen=True, eq=False)
class Law:
    """`function` gives both sides; calling the law gives `after` of a value that matches."""

    name: str
    exact: bool
    on: tuple[str, ...]
    function: Callable[..., tuple[Any, Any]]
    samples: tuple[Mapping[str, Any], ...]
    before: Pattern

    @lazy
    def operands(self) -> tuple[type[Op] | None, ...]:
        """The ops that the operands of the left side need; None is any."""
        return tuple(map(needed_op, self.before.args))

    def may_match(self, dtype: str, kinds: tuple[type[Op] | None, ...]) -> bool:
        """Whether the left side may be a node of such a result and operands of such ops."""
        if dtype not in self.on or len(kinds) != len(self.operands):
            return False
        orders = (kinds, kinds[::-1]) if self.before.cls.commutative else (kinds,)
        return any(
            all(need in (None, kind) for need, kind in zip(self.operands, order, strict=True))
            for order in orders
        )

    def __call__(self, v: Value) -> Value | None:
        if v.dtype not in self.on:
            return None
        found = match(self.before, v, {})
        if found is None:
            return None
        after = self.right(v.type, found)
        if after is not None and after.type != v.type:
            raise CompilerError(f"law {self.name}: gives {after.type} for {v.type}")
        return after

    def sides(self, **given: Any) -> tuple[Value, Value | None]:
        """Both sides on values and parameters; the second is None where the law declines."""
        before = self.function(**law_arguments(given))[0].value
        return before, self.right(before.type, given)

    def right(self, of: Type, given: Mapping[str, Any]) -> Value | None:
        """The right side, of the type `of`; None where the law declines."""
        after = self.function(**law_arguments(given))[1]
        if callable(after):
            after = after()
        return None if after is None else term_value(after, of)


def needed_op(pattern: Any) -> type[Op] | None:
    """The op of what a pattern matches, where it is one."""
    if isinstance(pattern, Variable):
        return Full if pattern.constant else None
    return pattern.cls if isinstance(pattern, Pattern) else Full


def law_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a law is called with for values and parameters."""
    return {k: Typed(x) if isinstance(x, Value) else x for k, x in given.items()}


LAWS: list[Law] = []


def law(
    exact: bool, on: Sequence[str] = REAL, samples: Sequence[Mapping[str, Any]] = ()
) -> Callable[[Callable[..., tuple[Any, Any]]], Law]:
    """Registers a law. `on`: dtypes of results where it holds, all real ones by default: complex
    values are pairs of those by then. `samples`: variables to test on."""

    def register(function: Callable[..., tuple[Any, Any]]) -> Law:
        variables = {
            n: Variable(n, constant="Number" in str(p.annotation))
            for n, p in inspect.signature(function).parameters.items()
        }
        made = Law(
            function.__name__, exact, tuple(on), function, tuple(samples), function(**variables)[0]
        )
        LAWS.append(made)
        return made

    return register


class LawTable:
    """Which laws are worth a look at a node: by its op, its dtype and the ops of its operands."""

    def __init__(self, laws: Iterable[Law], exact: bool) -> None:
        self.by_op: dict[type[Op], list[Law]] = {}
        for one in laws:
            if one.exact or not exact:
                self.by_op.setdefault(one.before.cls, []).append(one)
        self.asked = {
            cls: {kind for one in laws for kind in one.operands} for cls, laws in self.by_op.items()
        }
        self.known: dict[tuple[Any, ...], tuple[Law, ...]] = {}

    def of(self, node: Node) -> tuple[Law, ...]:
        """The laws that may match the one result of a node, in order."""
        cls = type(node.op)
        if cls not in self.by_op:
            return ()
        asked = self.asked[cls]  # other ops of operands are all the same to these laws
        made = [type(a.node.op) if a.node else None for a in node.args]
        kinds = tuple([kind if kind in asked else None for kind in made])
        key = cls, node.values[0].type.dtype, kinds
        found = self.known.get(key)
        if found is None:
            laws = self.by_op[cls]
            found = self.known[key] = tuple(one for one in laws if one.may_match(key[1], kinds))
        return found


@functools.cache
def law_table(laws: tuple[Law, ...], exact: bool) -> LawTable:
    """The table of the laws, or of the exact ones, with what it has learned."""
    return LawTable(laws, exact)


Found = dict[str, Any]


def match(pattern: Any, v: Value, bindings: Found) -> Found | None:
    """The variables for which `pattern` is `v`, given those `bindings` before, or None."""
    if isinstance(pattern, Variable):
        if pattern.constant and uniform_number(v) is None:
            return None
        return bindings if bindings.setdefault(pattern.name, v) is v else None
    if not isinstance(pattern, Pattern):
        return bindings if same_bits(pattern, uniform_number(v), v.dtype) else None
    if (
        v.node is None
        or type(v.node.op) is not pattern.cls
        or len(v.node.args) != len(pattern.args)
    ):
        return None
    given = v.node.op.params
    for name, expected in pattern.params.items():
        if isinstance(expected, Variable):
            if bindings.get(expected.name, given[name]) != given[name]:
                return None
            bindings = {**bindings, expected.name: given[name]}
        elif expected != given[name]:
            return None
    orders = [v.node.args, v.node.args[::-1]] if pattern.cls.commutative else [v.node.args]
    for args in orders:
        got: Found | None = dict(bindings)
        for p, a in zip(pattern.args, args, strict=True):
            got = None if got is None else match(p, a, got)
        if got is not None:
            return got
    return None


def same_bits(literal: Any, number: Any, dtype: str) -> bool:
    """Whether a constant's number is the literal; an int literal means floats too, 0 means +0.0."""
    if number is None or number != literal or isinstance(literal, bool) != isinstance(number, bool):
        return False
    if isinstance(literal, float) and dtype not in FLOATS:
        return False
    return dtype not in FLOATS or math.copysign(1, number) == math.copysign(1, literal)
