"""Typed, static, immutable program graphs.

A `Graph` is inputs, nodes in program order and outputs. A `Node` is one application of an `Op` to
values; its types are inferred when it is made, so an ill-typed graph cannot be built. A `Value` is
one result of a node, or an input; it is compared by identity. Passes never change a graph, they
make another.
"""

from __future__ import annotations

import inspect
import itertools
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, NamedTuple, dataclass_transform

import numpy as np

from .errors import CompilerError, ProgramError
from .lazy import lazy
from .network import to_dot, to_networkx
from .parameters import Parameter, bit_key
from .printing import print_graph
from .source import Source, location, source
from .types import Type

# ---------------------------------------------------------------- ops


@dataclass(frozen=True)
class Sample:
    """Operands and parameters to test an op on.

    `error` is what the message of the rejected application contains.
    """

    op: Op
    types: tuple[Type, ...]
    low: float = -2.0
    high: float = 2.0
    values: tuple[Any, ...] = ()
    error: str = ""
    smooth: bool = True  # differences are a fair check of the derivative here


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
class Op:
    """One primitive.

    A subclass is a frozen dataclass, registered under its name; its fields are its parameters.
    Whatever a pass asks of an op stands here: facts, then rules. A rule that few ops have is none
    by default; `inlines` and `splits` tell which ops have theirs.
    """

    registry: ClassVar[dict[str, type[Op]]] = {}
    name: ClassVar[str] = ""
    commutative: ClassVar[bool] = False
    arity: ClassVar[int] = -1  # number of operands; -1: the type rule decides
    shares: ClassVar[bool] = False  # the batch rule reads what all applications share as it is
    costless: ClassVar[bool] = (
        False  # moves elements and computes none: made again, it costs no work
    )
    effect: ClassVar[bool] = False  # does something; the first operand and result are tokens
    outside: ClassVar[bool] = False  # runs outside of kernels, on arrays: code of the user's
    hosted: ClassVar[bool] = False  # no kernel has it: NumPy computes it on whole arrays
    passes: ClassVar[int | None] = None  # the operand: where it is all true, nothing is done
    constant: ClassVar[bool] = False  # an array of the program: it is there, nothing computes it
    controls: ClassVar[bool] = False  # runs its graphs: in turns, or one of them
    fuses: ClassVar[bool] = False  # may be computed by a kernel of several nodes, at any element
    inlines: ClassVar[bool] = False  # has a rule `inlined`
    splits: ClassVar[bool] = False  # has a rule `split`
    holds: ClassVar[bool] = False  # a parameter may be a graph
    parameter_names: ClassVar[tuple[str, ...]] = ()  # in order

    def __init_subclass__(cls, abstract: bool = False, name: str = "") -> None:
        if inspect.get_annotations(cls) or not is_dataclass(cls):  # else it has its parent's fields
            dataclass(eq=False, repr=False)(cls)
        own = fields(cls)  # pyright: ignore[reportArgumentType]
        cls.parameter_names = tuple(f.name for f in own)
        cls.holds = not all(is_plain(f.type) for f in own)
        cls.inlines = cls.inlined is not Op.inlined
        cls.splits = cls.split is not Op.split
        if not abstract:
            cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
            Op.registry[cls.name] = cls

    def __setattr__(self, name: str, value: Any) -> None:
        # frozen; what dataclass writes for each class takes a tenth of the time of importing
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    # ---- the block of an op

    def native(self, *args: Type) -> tuple[int, tuple[int, ...], int] | None:
        """Of `hosted` ops that machine code of others computes on a processor: its address, sizes,
        and how many rows. A kernel, `kernel(args, start, stop, scratch)`, of a row a point."""
        return None

    def failure(self) -> str:
        """What the error says where `passes` is not all true, without values."""
        return ""

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        """The types of the results, or a ProgramError."""
        raise CompilerError(f"op '{self.name}' has no type rule")

    def reference(self, *args: np.ndarray) -> Any:
        """The results by NumPy."""
        raise CompilerError(f"op '{self.name}' has no reference")

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """Tangents of the results; None is zero, and always None for integers and bools."""
        raise ProgramError(f"{self.name}: has no derivative rule", location(node.source))

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """Cotangents of the operands marked `linear`; reads only the types of those."""
        raise ProgramError(
            f"{self.name}: is not linear, it has no transpose rule", location(node.source)
        )

    def batch(
        self, node: Node, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
    ) -> tuple[Value, ...]:
        """The results of `size` applications at once; some operand is batched.

        A batched operand has one more axis, the leading one, of `size`; so have all results but
        those that are the same for all applications, which may stay as they are.
        """
        raise CompilerError(f"op '{self.name}' has no batch rule")

    def in_pairs(self, node: Node, args: tuple[Parts, ...]) -> tuple[Parts, ...]:
        """The results by real values, where an operand or a result is complex."""
        raise ProgramError(
            f"{self.name}: has no compiled form for complex values",
            location(node.source),
            "np.real and np.imag of them",
        )

    def inlined(self, node: Node) -> tuple[Value, ...]:
        """The values that stand for the node's once every derivative and batch is taken."""
        raise CompilerError(f"op '{self.name}' is not made of others")

    def split(
        self, node: Node, marked: tuple[bool, ...]
    ) -> tuple[tuple[Value, ...], tuple[bool, ...]]:
        """The results by nodes that are each wholly early or wholly late, and which are late.

        Late is what depends on an operand that is marked.
        """
        raise CompilerError(f"op '{self.name}' is not divided")

    def batch_where(
        self,
        node: Node,
        args: tuple[Value, ...],
        batched: tuple[bool, ...],
        size: int,
        on: Value,
    ) -> tuple[Value, ...] | None:
        """The results on a batch of which the rows `on` count; None: nothing in it runs by rows."""
        return None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        raise CompilerError(f"op '{cls.name}' has no samples")

    # ---- graphs among the parameters

    @lazy
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs among the parameters, in order."""
        if not self.holds:
            return ()
        found: list[Graph] = []
        stack = list(reversed(self.params.values()))
        while stack:
            x = stack.pop()
            if isinstance(x, Graph):
                found.append(x)
            elif isinstance(x, tuple):
                stack += reversed(x)
        return tuple(found)

    # ---- identity by bits

    @property
    def params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.parameter_names}

    @property
    def spoken(self) -> dict[str, Any]:
        """The parameters that do not have their default."""
        default = {f.name: f.default for f in fields(self)}  # pyright: ignore[reportArgumentType]

        def same(v: Any, d: Any) -> bool:  # numbers that are not whole are told by bits elsewhere
            return v is d or (isinstance(v, int | str) and type(v) is type(d) and v == d)

        return {k: v for k, v in self.params.items() if not same(v, default[k])}

    @property
    def key(self) -> tuple[Any, ...]:
        found = self.__dict__.get("_key")
        if found is None:
            found = (self.name, *(bit_key(v) for v in self.params.values()))
            object.__setattr__(self, "_key", found)
        return found

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self.key == other.key)

    def __hash__(self) -> int:
        found = self.__dict__.get("_hash")
        if found is None:
            found = hash(self.key)
            object.__setattr__(self, "_hash", found)
        return found

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


PLAIN = {"bool", "int", "float", "complex", "str", "None", "tuple", "Type", "Array", "Foreign"}


def is_plain(annotation: Any) -> bool:
    """Whether what is annotated so is surely no graph, and holds none."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")
    return set(re.findall(r"\w+", text)) <= PLAIN


# ---------------------------------------------------------------- nodes and values


class Value:
    """One result of a node, or an input of a graph (`node` is None). Compared by identity."""

    __slots__ = ("index", "node", "type")

    def __init__(self, type: Type, node: Node | None = None, index: int = 0) -> None:
        self.type, self.node, self.index = type, node, index

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"<{self.node.op.name if self.node else 'input'}: {self.type}>"


class Pair(NamedTuple):
    """A complex value as its real and its imaginary part."""

    re: Value
    im: Value


Parts = Value | Pair
"""A value once complex ones are pairs."""


_serial = itertools.count()


class Node:
    """One application of an op. `serial` orders nodes as they were made."""

    __slots__ = ("args", "op", "serial", "source", "values")

    def __init__(self, op: Op, args: tuple[Value, ...], source: Source | None = None) -> None:
        try:
            if op.arity not in (-1, len(args)):
                raise ProgramError(f"{op.name}: {op.arity} operands are required, got {len(args)}")
            types = op.type(*[a.type for a in args])
            several = types if isinstance(types, tuple) else (types,)
            for t in several:
                if t.beyond:
                    raise ProgramError(f"{op.name}: {t.beyond}")
        except ProgramError as error:
            if error.where or source is None:
                raise
            raise ProgramError(error.what, location(source), error.repair) from None
        self.op, self.args, self.source, self.serial = op, args, source, next(_serial)
        self.values = tuple([Value(t, self, i) for i, t in enumerate(several)])

    def like(self, args: tuple[Value, ...]) -> Node:
        """The same op, from the same source, on other operands.

        Of the same types they give the same types, which are not inferred again.
        """
        for new, old in zip(args, self.args, strict=True):
            if new.type is not old.type and new.type != old.type:
                return Node(self.op, args, self.source)
        made = Node.__new__(Node)
        made.op, made.args, made.source, made.serial = self.op, args, self.source, next(_serial)
        made.values = tuple([Value(v.type, made, v.index) for v in self.values])
        return made

    @property
    def out(self) -> Value:
        """The only result."""
        (value,) = self.values
        return value

    @property
    def types(self) -> tuple[Type, ...]:
        return tuple(v.type for v in self.values)

    def __repr__(self) -> str:
        return f"<{self.op!r}: {', '.join(map(str, self.types))}>"


def apply_all(op: Op, *args: Value) -> tuple[Value, ...]:
    """All results of `op` applied to `args`."""
    return Node(op, args, source()).values


def apply(op: Op, *args: Value) -> Value:
    """The only result of `op` applied to `args`."""
    return Node(op, args, source()).out


# ---------------------------------------------------------------- graphs


@dataclass(frozen=True, eq=False)
class Graph(Parameter):
    """A program: `outputs` computed from `inputs` by `nodes` in order."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]

    @staticmethod
    def of(name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
        """The graph of what `outputs` need, in the order it was made."""
        seen: set[Node] = set()
        stack = [v.node for v in outputs if v.node]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += [a.node for a in node.args if a.node and a.node not in seen]
        ordered = sorted(seen, key=operator.attrgetter("serial"))
        return Graph(name, tuple(inputs), tuple(ordered), tuple(outputs))

    def needed(self) -> Graph:
        """The graph without nodes that no output needs; itself where there are none."""
        read: set[Value] = set(self.outputs)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if not read.isdisjoint(node.values):
                kept.append(node)
                read.update(node.args)
        if len(kept) == len(self.nodes):
            return self
        return Graph(self.name, self.inputs, tuple(reversed(kept)), self.outputs)

    @property
    def values(self) -> Iterator[Value]:
        """Every value, inputs first, in program order."""
        yield from self.inputs
        for n in self.nodes:
            yield from n.values

    @lazy
    def known(self) -> dict[tuple[Any, ...], Graph]:
        """What passes that meet it again and again have made of it."""
        return {}

    @property
    def types(self) -> tuple[tuple[Type, ...], tuple[Type, ...]]:
        """Types of inputs and of outputs."""
        return tuple(v.type for v in self.inputs), tuple(v.type for v in self.outputs)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal programs: numbered in order, ops, types and parameters agree.

        Names and sources take no part.
        """
        found = self.__dict__.get("_key")
        if found is None:
            number = {v: i for i, v in enumerate(self.values)}
            nodes = tuple((n.op.key, tuple(number[a] for a in n.args), n.types) for n in self.nodes)
            found = (
                tuple(v.type for v in self.inputs),
                nodes,
                tuple(number[o] for o in self.outputs),
            )
            object.__setattr__(self, "_key", found)
        return found

    @property
    def bits(self) -> tuple[Any, ...]:
        return "graph", self.key

    def to_networkx(self) -> Any:
        """The graph as a `networkx.MultiDiGraph`: nodes numbered in order, inputs first; an edge is
        an operand.

        A node has `op` ("input" for an input), `types` of its results, `source` (the user's line,
        or ""), `parameters` (those that are not their default), `outputs` (the places that it has
        among the graph's) and a `label` to draw. An edge has `operand`, its place, and `result`,
        which of those of its node it is.
        """
        return to_networkx(self)

    def to_dot(self) -> str:
        """The graph in the language of Graphviz, which draws it: `dot -Tsvg`."""
        return to_dot(self)

    def spelled(self, functions: Mapping[int, str]) -> str:
        return functions[id(self)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return print_graph(self)

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, once per operand place."""
        found: dict[Value, list[Node]] = {v: [] for v in self.values}
        for n in self.nodes:
            for a in n.args:
                found[a].append(n)
        return found
