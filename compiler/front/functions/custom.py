"""Functions with derivatives of your own, as JAX names them.

    @wl.custom_jvp
    def log1pexp(x):
        return np.log1p(np.exp(x))

    @log1pexp.defjvp
    def log1pexp_jvp(primals, tangents):
        (x,), (dx,) = primals, tangents
        return log1pexp(x), dx / (1 + np.exp(-x))

A call inside of a trace traces the function and its rule at once and becomes one node that holds
both graphs. A rule may call its own function, of which it is the rule then too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Op, Value, apply_all
from ...ir.source import location, user_source
from ...ir.types import Type
from ...ops.nested.custom import Custom, CustomJvp, CustomVjp
from ...trace import tree
from ...trace.arguments import Ints, Strings, exact, places_and_names
from ...trace.operands import operand, value
from ...trace.standing import StandIn, name_of
from ...trace.trace import Traced, aval, note_effects, trace_tree
from ...trace.tracer import Tracer, active, current, enclosing_traces
from ...trace.tree import Structure
from .derivatives import FLOAT0
from .rule_checks import Checked, described, line_of

Function = Callable[..., Any]
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


def custom_jvp(
    fun: Callable[P, R], nondiff_argnums: Ints = (), nondiff_argnames: Strings = ()
) -> WithJvp[P, R]:
    """`fun` with a forward-mode rule: `f.defjvp(rule)`, where `rule(primals, tangents)` gives the
    results and their tangents.

    Reverse mode transposes the rule, which must be linear in the tangents. Tangents of integers and
    bools are of the dtype float0. Arguments `nondiff_argnums`, or of the names `nondiff_argnames`,
    may be anything; the rule gets them first: `rule(n, primals, tangents)`. Values that `fun`
    closes over are constants to its rule: to differentiate in one is an error.
    """
    return WithJvp(fun, fixed_places(fun, nondiff_argnums, nondiff_argnames, "custom_jvp"))


def custom_vjp(
    fun: Callable[P, R], nondiff_argnums: Ints = (), nondiff_argnames: Strings = ()
) -> WithVjp[P, R]:
    """`fun` with a reverse-mode rule: `f.defvjp(fwd, bwd)`.

    `fwd(*args)` gives the results and residuals, a tree of anything; `bwd(residuals, ct)` gives a
    tuple of the cotangents of the arguments, None for zero. Arguments `nondiff_argnums` may be
    anything; `bwd` gets them first. Forward mode works too where `bwd` is linear in `ct`: it runs
    the transpose of `bwd`. Values that the functions close over are constants to the rule.
    """
    return WithVjp(fun, fixed_places(fun, nondiff_argnums, nondiff_argnames, "custom_vjp"))


def fixed_places(fun: Function, numbers: Ints, names: Strings, of: str) -> tuple[int, ...]:
    """Places of the arguments that rules get as they are, in order."""
    return tuple(sorted(places_and_names(fun, numbers, names, "nondiff_argnames", of)[0]))


# ---------------------------------------------------------------- calls


@dataclass(eq=False)
class Opened:
    """A call whose rule is being traced: what a call of the same function finds in there."""

    key: tuple[Any, ...]
    body: Traced
    closed: tuple[Tracer, ...]
    make: Callable[[int], Custom]
    used: bool = False


@dataclass(eq=False)
class Call:
    """A call as given: leaves of the arguments that may be differentiated, and the others."""

    leaves: list[Any]
    inputs: Structure
    others: tuple[tuple[int, Any], ...]
    count: int

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """All arguments, with these leaves."""
        moving = iter(tree.unflatten(self.inputs, leaves))
        fixed = dict(self.others)
        return [fixed[i] if i in fixed else next(moving) for i in range(self.count)]

    @property
    def fixed(self) -> list[Any]:
        return [x for _, x in self.others]

    @property
    def types(self) -> list[Type]:
        return [aval(x)[0] for x in self.leaves]


@dataclass(eq=False, repr=False)
class WithRule(StandIn[P, R]):
    """A function with a rule of the user's: what both kinds share."""

    function: Callable[P, R]
    nondiff: tuple[int, ...]
    kind: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.stand_in(self.kind)

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.name}>"

    def ready(self) -> None:
        """Requires that the rule has been defined."""
        raise NotImplementedError

    def required(self, rule: Any) -> None:
        """Refuses what is no function as a rule."""
        if not callable(rule):
            raise ProgramError(
                f"{self.kind}: a function is required as a rule of {self.name}, got {rule!r}",
                location(user_source()),
            )

    def op(self, call: Call, body: Traced, key: tuple[Any, ...]) -> tuple[Op, tuple[Tracer, ...]]:
        """The op of a call, and what its graphs close over."""
        raise NotImplementedError

    def itself(self, body: Graph, count: int, level: int) -> Custom:
        """The op of a call in a rule of its own."""
        raise NotImplementedError

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        self.ready()
        return self.called(positional_arguments(self.function, args, options, self.kind))

    def called(self, args: tuple[Any, ...]) -> Any:
        """The results on all arguments, by position."""
        function: Function = self.function
        if current() is None:
            return function(*args)
        call = self.parted(args)
        if not any(t.is_float for t in call.types):
            return function(*args)  # nothing that a rule could be asked about
        key = self, call.inputs, tuple(map(aval, call.leaves)), tuple(map(argument_key, call.fixed))
        level, opened = enclosing(key)
        if opened is not None:
            opened.used = True
            return self.applied(call, opened.body, opened.make(level), opened.closed)

        def of_leaves(*leaves: Any) -> Any:
            return function(*call.arguments(leaves))

        body = trace_tree(of_leaves, tuple(call.leaves), self.name)
        op, closed = self.op(call, body, key)
        return self.applied(call, body, op, closed)

    def applied(self, call: Call, body: Traced, op: Op, closed: Sequence[Tracer]) -> Any:
        types = [v.type.dtype for v in body.args]
        given = [value(x, dtype) for x, dtype in zip(call.leaves, types, strict=True)]
        found = apply_all(op, *given, *(active().lift(t) for t in closed))
        note_effects(found)
        return body.results(found)

    def parted(self, args: Sequence[Any]) -> Call:
        if wrong := [i for i in self.nondiff if i >= len(args)]:
            raise ProgramError(
                f"{self.kind}: nondiff_argnums within {len(args)} arguments are required, "
                f"got {wrong[0]}",
                location(user_source()),
            )
        chosen = tuple(a for i, a in enumerate(args) if i not in self.nondiff)
        leaves, inputs = tree.flatten(chosen)
        for x, path in zip(leaves, tree.paths(inputs), strict=True):
            aval(x, path)  # refuses what is no array
        others = tuple((i, args[i]) for i in sorted(self.nondiff))
        return Call([operand(x) for x in leaves], inputs, others, len(args))

    def rules(
        self,
        key: tuple[Any, ...],
        body: Traced,
        trace: Callable[[Callable[[Function], Function]], list[Traced]],
    ) -> tuple[list[Traced], tuple[Tracer, ...]]:
        """The traced rules, and everything that they and the body close over.

        They are traced again where one calls the function itself before it is known what else it
        closes over: such a call takes all of it.
        """
        closed = tuple(distinct(body.captured))
        while True:
            size = len(body.args)
            opened = Opened(
                key,
                body,
                closed,
                lambda level: self.itself(closing(body, closed), size, level),  # noqa: B023
            )

            def marked(function: Function, opened: Opened = opened) -> Function:
                def inside(*args: Any) -> Any:
                    active().note(opened)
                    return function(*args)

                return inside

            traced = trace(marked)
            known = {t.value for t in closed}
            further = distinct([t for made in traced for t in made.captured])
            missing = [t for t in further if t.value not in known]
            closed = (*closed, *missing)
            if not missing or not opened.used:
                return traced, closed


@dataclass(eq=False, repr=False)
class WithJvp(WithRule[P, R]):
    """A function with a forward-mode rule; see `custom_jvp`."""

    rule: Function | None = field(default=None, init=False)
    kind: str = field(default="custom_jvp", init=False)

    def defjvp(self, jvp: Function) -> Function:
        """Sets the rule; gives it back, so that it decorates one."""
        self.required(jvp)
        self.rule = jvp
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """A rule for each argument: `jvp(tangent, result, *primals)`; None is zero."""
        if self.nondiff:
            raise ProgramError("custom_jvp: defjvps takes no nondiff_argnums", repair="defjvp")

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
            if len(jvps) != len(primals):
                raise ProgramError(
                    f"custom_jvp: {len(primals)} rules are required in defjvps of {self.name}, "
                    f"got {len(jvps)}",
                    location(user_source()),
                )
            out = self.called(positional_arguments(self.function, primals, {}, self.kind))
            pairs = zip(jvps, tangents, strict=True)
            parts = [jvp(t, out, *primals) for jvp, t in pairs if jvp is not None]
            zero = tree.map(lambda x: np.zeros(x.shape, x.dtype), out)
            return out, functools.reduce(lambda x, y: tree.map(np.add, x, y), parts, zero)

        self.rule = rule

    def ready(self) -> None:
        if self.rule is None:
            raise ProgramError(
                f"custom_jvp: {self.name} needs a rule, got none",
                location(line_of(self.function)),
                f"@{self.name}.defjvp above a function of primals and tangents",
            )

    def itself(self, body: Graph, count: int, level: int) -> Custom:
        return CustomJvp(body, count, level)

    def op(self, call: Call, body: Traced, key: tuple[Any, ...]) -> tuple[Op, tuple[Tracer, ...]]:
        rule = self.rule
        assert rule is not None
        fail = Checked(self.kind, self.name, "rule", rule)
        outputs = body.graph.outputs
        moving = [t.is_inexact for t in call.types]

        def function(leaves: list[Any], slopes: list[Any]) -> Any:
            given = iter(slopes)
            pairs = zip(leaves, moving, strict=True)
            tangents = [next(given) if yes else zero(x) for x, yes in pairs]
            found = rule(
                *call.fixed,
                tuple(tree.unflatten(call.inputs, leaves)),
                tuple(tree.unflatten(call.inputs, tangents)),
            )
            if not isinstance(found, (tuple, list)) or len(found) != 2:
                raise fail("a pair (results, tangents) is required", f"got {described(found)}")
            results = fail.leaves("the results of", found[0], body.outputs)
            moved = fail.leaves("the tangents of", found[1], body.outputs)
            paths = tree.paths(body.outputs)
            together = list(zip(results, moved, outputs, paths, strict=True))
            floats = [(t, v.type, at) for _, t, v, at in together if v.type.is_inexact]
            return (
                [fail.fit("a result", x, v.type, at) for x, _, v, at in together],
                [fail.fit("a tangent", t, of, at) for t, of, at in floats],
            )

        slopes = [x for x, yes in zip(call.leaves, moving, strict=True) if yes]

        def trace(marked: Callable[[Function], Function]) -> list[Traced]:
            return [trace_tree(marked(function), (call.leaves, slopes), name_of(rule))]

        (traced,), closed = self.rules(key, body, trace)
        count = len(call.leaves)
        made = closing(traced, closed, count)
        return CustomJvp(closing(body, closed), count, made), closed


@dataclass(eq=False, repr=False)
class WithVjp(WithRule[P, R]):
    """A function with a reverse-mode rule; see `custom_vjp`."""

    fwd: Function | None = field(default=None, init=False)
    bwd: Function | None = field(default=None, init=False)
    kind: str = field(default="custom_vjp", init=False)

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """Sets the rule: `fwd(*args) -> (results, residuals)`, `bwd(residuals, ct) -> cts`."""
        self.required(fwd)
        self.required(bwd)
        self.fwd, self.bwd = fwd, bwd

    def ready(self) -> None:
        if self.fwd is None or self.bwd is None:
            raise ProgramError(
                f"custom_vjp: {self.name} needs a rule, got none",
                location(line_of(self.function)),
                f"{self.name}.defvjp(fwd, bwd)",
            )

    def itself(self, body: Graph, count: int, level: int) -> Custom:
        return CustomVjp(body, count, level, level)

    def op(self, call: Call, body: Traced, key: tuple[Any, ...]) -> tuple[Op, tuple[Tracer, ...]]:
        fwd, bwd = self.fwd, self.bwd
        assert fwd is not None and bwd is not None
        forward = Checked(self.kind, self.name, "fwd", fwd)
        backward = Checked(self.kind, self.name, "bwd", bwd)
        outputs = body.graph.outputs
        kept = Residuals()

        def before(*leaves: Any) -> Any:
            found = fwd(*call.arguments(leaves))
            if not isinstance(found, (tuple, list)) or len(found) != 2:
                raise forward("a pair (results, residuals) is required", f"got {described(found)}")
            results = forward.leaves("the results of", found[0], body.outputs)
            paths = tree.paths(body.outputs)
            pairs = zip(results, outputs, paths, strict=True)
            return [forward.fit("a result", x, v.type, at) for x, v, at in pairs], kept.keep(
                found[1]
            )

        def after(arrays: list[Any], cts: list[Any]) -> Any:
            given = iter(cts)
            full = [
                next(given) if v.type.is_inexact else np.zeros(v.shape, FLOAT0) for v in outputs
            ]
            found = bwd(*call.fixed, kept.tree(arrays), tree.unflatten(body.outputs, full))
            return backward.cotangents(found, call.inputs, call.types)

        def trace(marked: Callable[[Function], Function]) -> list[Traced]:
            first = trace_tree(marked(before), tuple(call.leaves), name_of(fwd))
            cts = [v.type for v in outputs if v.type.is_inexact]
            return [first, trace_tree(marked(after), (kept.types(first), cts), name_of(bwd))]

        (first, second), closed = self.rules(key, body, trace)
        count = len(call.leaves)
        op = CustomVjp(
            closing(body, closed), count, closing(first, closed), closing(second, closed, 0)
        )
        return op, closed


class Residuals:
    """What fwd hands to bwd: its arrays are results of a graph, anything else stays as it is."""

    def keep(self, residuals: Any) -> list[Any]:
        """The arrays among the leaves."""
        self.leaves, self.structure = tree.flatten(residuals)
        self.places = [
            i for i, x in enumerate(self.leaves) if isinstance(x, Tracer | np.ndarray | np.generic)
        ]
        return [self.leaves[i] for i in self.places]

    def types(self, traced: Traced) -> list[Any]:
        """What bwd is traced for; a weak scalar is weak again."""
        values = traced.graph.outputs[len(traced.graph.outputs) - len(self.places) :]
        weak = {(Type("f64"), True): 0.0, (Type("i64"), True): 0}
        given = (self.leaves[i] for i in self.places)
        pairs = zip(given, values, strict=True)
        return [weak.get((v.type, getattr(x, "weak", False)), v.type) for x, v in pairs]

    def tree(self, arrays: Sequence[Any]) -> Any:
        """The residuals with these arrays."""
        found = list(self.leaves)
        for i, x in zip(self.places, arrays, strict=True):
            found[i] = x
        return tree.unflatten(self.structure, found)


# ---------------------------------------------------------------- graphs


def enclosing(key: tuple[Any, ...]) -> tuple[int, Opened | None]:
    """The call of this key whose rule is being traced, and how many rules out that is."""
    level = 0
    for trace in enclosing_traces():
        if opened := trace.noted(Opened):
            if opened.key == key:
                return level, opened
            level += 1
    return level, None


def argument_key(x: Any) -> Any:
    """A key of an argument that is not differentiated: its value where that hashes, or itself."""
    if isinstance(x, Tracer):
        return x.value
    try:
        hash(x)
    except TypeError:
        return id(x)
    return exact(x)


def distinct(tracers: Sequence[Tracer]) -> list[Tracer]:
    """One tracer of each value."""
    return list({t.value: t for t in tracers}.values())


def closing(traced: Traced, closed: Sequence[Tracer], count: int | None = None) -> Graph:
    """The graph with an input for each of `closed` after the first `count` ones.

    All arguments come before them unless a count is given.
    """
    graph, size = traced.graph, len(traced.args)
    own = {t.value: v for t, v in zip(traced.captured, graph.inputs[size:], strict=True)}
    further = [own.get(t.value) or Value(t.type) for t in closed]
    count = size if count is None else count
    args = traced.args
    return Graph.of(graph.name, (*args[:count], *further, *args[count:]), graph.outputs)


def positional_arguments(
    function: Function, args: tuple[Any, ...], options: dict[str, Any], kind: str
) -> tuple[Any, ...]:
    """All arguments by position, defaults filled in."""
    try:
        bound = inspect.signature(function).bind(*args, **options)
    except ValueError:  # some functions written in C tell nothing
        return args
    except TypeError as error:
        raise ProgramError(
            f"{kind}: {name_of(function)}: {error}", location(user_source())
        ) from None
    bound.apply_defaults()
    if bound.kwargs:
        raise ProgramError(
            f"{kind}: arguments by position are required, got {next(iter(bound.kwargs))} "
            "which has no position",
            location(user_source()),
        )
    return bound.args


def zero(x: Any) -> np.ndarray:
    """The tangent of an integer."""
    return np.zeros(np.shape(x) if not isinstance(x, Tracer) else x.shape, FLOAT0)
