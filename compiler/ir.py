"""Typed, static, immutable program graphs.

A `Graph` is inputs, nodes in program order and outputs. A `Node` is one application of an `Op` to
values; its types are inferred when it is made, so an ill-typed graph cannot be built. A `Value` is
one result of a node, or an input; it is compared by identity. Passes never change a graph, they
make another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import itertools
import linecache
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import FrameType
from typing import Any, ClassVar, Concatenate, NamedTuple, ParamSpec, dataclass_transform

import numpy as np

from .errors import CompilerError, ProgramError
from .lazy import lazy
from .types import MAX_AXES, Type, type_of

P = ParamSpec("P")

# ---------------------------------------------------------------- source lines

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = (
    *(os.path.join(PACKAGE, part, "") for part in ("compiler", "runtime")),
    *(os.path.join(PACKAGE, "models", f"{name}.py") for name in ("initializers", "nn", "optim")),
    os.path.join(PACKAGE, "models", "schedules.py"),
    *(os.path.join(os.path.dirname(np.__path__[0]), name, "") for name in ("numpy", "scipy")),
    *(module.__file__ for module in (contextlib, functools)),
    "<string>",
    "<frozen ",
    "<__array_function__",
)
"""How paths of files begin that are the compiler's or NumPy's, and names of what no file holds."""


@dataclass(frozen=True, eq=False)
class Source:
    """The user's line behind a node. Takes no part in equality of nodes."""

    path: str
    line: int

    @property
    def file(self) -> str:
        return os.path.basename(self.path)

    @property
    def text(self) -> str:
        return linecache.getline(self.path, self.line).strip()

    @property
    def variable(self) -> str:
        """The name that the line assigns, if it assigns one."""
        found = re.match(r"([A-Za-z_]\w*)(?:\s*:[^=]+)?\s*[-+*/@]?=(?!=)", self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.variable}".rstrip()


@functools.cache
def is_own(path: str) -> bool:
    """Whether a file is the compiler's own, or NumPy's or SciPy's, rather than the user's."""
    return path.startswith(OWN) or os.path.dirname(path) == PACKAGE


def user_frame() -> FrameType | None:
    """The innermost frame outside the compiler."""
    frame = sys._getframe(1)
    while frame is not None and is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_source() -> Source | None:
    """The innermost line outside the compiler."""
    frame = user_frame()
    return Source(frame.f_code.co_filename, frame.f_lineno) if frame else None


class _Sources(threading.local):
    """What is inherited, of each thread."""

    def __init__(self) -> None:
        self.stack: list[Source | None] = []


_sources = _Sources()


def source() -> Source | None:
    """Of a node that is made now."""
    stack = _sources.stack
    return stack[-1] if stack else user_source()


@contextlib.contextmanager
def sourced(source: Source | None) -> Iterator[None]:
    """Nodes made inside inherit `source`, that of the node which they come from."""
    stack = _sources.stack
    stack.append(source)
    try:
        yield
    finally:
        stack.pop()


# ---------------------------------------------------------------- parameters


@dataclass(frozen=True, eq=False)
class Array:
    """An array as a parameter: immutable, compared by content, printed as type and hash."""

    data: np.ndarray
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        copy = np.array(self.data, order="C", copy=True)
        copy.flags.writeable = False
        object.__setattr__(self, "data", copy)
        text = str(type_of(copy)).encode() + copy.tobytes()
        object.__setattr__(self, "digest", hashlib.sha256(text).hexdigest()[:16])

    def __str__(self) -> str:
        return f"{self.digest}"


_foreign = itertools.count()


class Foreign:
    """A Python function as a parameter: known by the number it got when it was made."""

    __slots__ = ("call", "name", "number")

    def __init__(self, call: Callable[..., Any], name: str) -> None:
        self.call, self.name, self.number = call, name, next(_foreign)

    @property
    def key(self) -> str:
        return f"{self.name}_{self.number}"

    def __repr__(self) -> str:
        return self.key


def bits(x: Any) -> Any:
    """A key that only equal bits have: 0.0 is not -0.0, nan is nan, 1 is not 1.0 is not True."""
    match x:
        case bool() | int() | str() | None | Type():
            return type(x).__name__, x
        case float():
            return "float", struct.pack("<d", x)
        case complex():
            return "complex", struct.pack("<dd", x.real, x.imag)
        case tuple():
            return tuple(bits(v) for v in x)
        case Array():
            return "array", x.digest
        case Graph():
            return "graph", x.key
        case Foreign():
            return "foreign", x.number
        case np.generic():
            return type(x).__name__, x.tobytes()
    raise CompilerError(
        f"a parameter of an op is a number, string, type, array or graph, got {x!r}"
    )


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
    """

    registry: ClassVar[dict[str, type[Op]]] = {}
    name: ClassVar[str] = ""
    commutative: ClassVar[bool] = False
    arity: ClassVar[int] = -1  # number of operands; -1: the type rule decides
    shares: ClassVar[bool] = False  # the batch rule reads what all applications share as it is

    def __init_subclass__(cls, abstract: bool = False, name: str = "") -> None:
        if inspect.get_annotations(cls) or not is_dataclass(cls):  # else it has its parent's fields
            dataclass(frozen=True, eq=False, repr=False)(cls)
        if not abstract:
            cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
            Op.registry[cls.name] = cls

    # ---- the block of an op

    def type(self, *args: Type) -> Type | tuple[Type, ...]:
        """The types of the results, or a ProgramError."""
        raise CompilerError(f"op '{self.name}' has no type rule")

    def reference(self, *args: np.ndarray) -> Any:
        """The results by NumPy."""
        raise CompilerError(f"op '{self.name}' has no reference")

    def jvp(self, node: Node, tangents: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        """Tangents of the results; None is zero, and always None for integers and bools."""
        raise ProgramError(f"{self.name}: has no derivative rule", where(node.source))

    def transpose(
        self, node: Node, cts: tuple[Value | None, ...], linear: tuple[bool, ...]
    ) -> tuple[Value | None, ...]:
        """Cotangents of the operands marked `linear`; reads only the types of those."""
        raise ProgramError(
            f"{self.name}: is not linear, it has no transpose rule", where(node.source)
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
            where(node.source),
            "np.real and np.imag of them",
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        raise CompilerError(f"op '{cls.name}' has no samples")

    # ---- identity by bits

    @property
    def params(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # pyright: ignore[reportArgumentType]

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
            found = (self.name, *(bits(v) for v in self.params.values()))
            object.__setattr__(self, "_key", found)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Op) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


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
            types = op.type(*(a.type for a in args))
            several = types if isinstance(types, tuple) else (types,)
            for t in several:
                if excess := t.excess(MAX_AXES + 1):  # one more than a user's, for parts
                    raise ProgramError(f"{op.name}: {excess}")
        except ProgramError as error:
            if error.where or source is None:
                raise
            raise ProgramError(error.what, where(source), error.repair) from None
        self.op, self.args, self.source, self.serial = op, args, source, next(_serial)
        self.values = tuple(Value(t, self, i) for i, t in enumerate(several))

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


def where(source: Source | None) -> str:
    """The user's file, line and text, for messages."""
    return f"  {source.file}:{source.line}: {source.text}" if source else ""


def apply_all(op: Op, *args: Value) -> tuple[Value, ...]:
    """All results of `op` applied to `args`."""
    return Node(op, args, source()).values


def apply(op: Op, *args: Value) -> Value:
    """The only result of `op` applied to `args`."""
    return Node(op, args, source()).out


# ---------------------------------------------------------------- graphs


@dataclass(frozen=True, eq=False)
class Graph:
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
        return Graph(
            name, tuple(inputs), tuple(sorted(seen, key=lambda n: n.serial)), tuple(outputs)
        )

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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        # the text is a level above; printing a graph is everybody's need
        from .text import print_graph

        return print_graph(self)

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, once per operand place."""
        found: dict[Value, list[Node]] = {v: [] for v in self.values}
        for n in self.nodes:
            for a in n.args:
                found[a].append(n)
        return found


Step = Callable[[Node, tuple[Value, ...]], Sequence[Value]]
Pass = Callable[Concatenate["Graph", P], "Graph"]


def inline(graph: Graph, args: Sequence[Value], step: Step | None = None) -> tuple[Value, ...]:
    """The outputs of `graph` on `args`.

    Each node is remade, or replaced by `step(node, new args)`; its source stays.
    """
    new: dict[Value, Value] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes:
        given = tuple(new[a] for a in node.args)
        with sourced(node.source):
            results = step(node, given) if step else apply_all(node.op, *given)
        new.update(zip(node.values, results, strict=True))
    return tuple(new[o] for o in graph.outputs)


def rebuild(graph: Graph, step: Step | None = None, name: str = "") -> Graph:
    """The graph on fresh inputs with every node replaced by `step(node, new args)`."""
    inputs = tuple(Value(v.type) for v in graph.inputs)
    return Graph.of(name or graph.name, inputs, inline(graph, inputs, step))


def graphs_in(op: Op) -> Iterator[Graph]:
    """The graphs among the parameters of an op, in order."""
    stack = list(reversed(op.params.values()))
    while stack:
        x = stack.pop()
        if isinstance(x, Graph):
            yield x
        elif isinstance(x, tuple):
            stack += reversed(x)


def with_graphs(op: Op, change: Callable[[Graph], Graph]) -> Op:
    """The op with `change` of every graph among its parameters; the op itself if none changes."""

    def changed(x: Any) -> Any:
        if isinstance(x, Graph):
            return change(x)
        return tuple(map(changed, x)) if isinstance(x, tuple) else x

    params = {k: (x, changed(x)) for k, x in op.params.items() if isinstance(x, (Graph, tuple))}
    new = {k: y for k, (x, y) in params.items() if not same(x, y)}
    return dataclasses.replace(op, **new) if new else op  # pyright: ignore[reportArgumentType]


def same(x: Any, y: Any) -> bool:
    """Whether a parameter holds the very same graphs."""
    if isinstance(x, tuple):
        return all(map(same, x, y))
    return x is y or not isinstance(x, Graph)


def everywhere(
    step: Callable[Concatenate[Graph, P], Graph],
) -> Callable[Concatenate[Graph, P], Graph]:
    """The pass `step` of a graph, after the same of every graph that its ops hold.

    Equal bodies become one, whose kernels are compiled once.
    """

    @functools.wraps(step)
    def whole(graph: Graph, *args: P.args, **options: P.kwargs) -> Graph:
        known: dict[Graph, Graph] = {}

        def inside(body: Graph) -> Graph:
            if body not in known:
                known[body] = run(body)
            return known[body]

        def remade(node: Node, given: tuple[Value, ...]) -> tuple[Value, ...]:
            return apply_all(with_graphs(node.op, inside), *given)

        def run(graph: Graph) -> Graph:
            if any(with_graphs(n.op, inside) is not n.op for n in graph.nodes):
                graph = rebuild(graph, remade)
            return step(graph, *args, **options)

        return run(graph)

    return whole
