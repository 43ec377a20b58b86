"""Functions with batch rules of your own, as jax.custom_batching names them.

@wl.custom_vmap
def energy(a, x):
    return x @ a @ x

@energy.def_vmap
def energies(axis_size, in_batched, a, x):
    assert in_batched == (False, True)
    return np.sum(x @ a * x, axis=1), True

wl.vmap(energy, in_axes=(None, 0))(a, rows)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from ...ir.errors import ProgramError
from ...ir.graph import Graph, Value, apply_all
from ...ir.source import location
from ...ops.nested.batched import BatchRule, CustomVmap
from ...trace import tree
from ...trace.mapped import Mapped
from ...trace.operands import operand, value
from ...trace.standing import StandIn, name_of
from ...trace.trace import Traced, aval, trace_tree
from ...trace.tracer import Trace, Tracer, active, current
from ...trace.tree import Structure
from ...transform.batch import lifted
from .custom import closing, distinct, positional_arguments
from .rule_checks import Checked, described, line_of

Function = Callable[..., Any]
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


def custom_vmap(fun: Callable[P, R]) -> WithVmap[P, R]:
    """`fun` with a rule for vmap: `f.def_vmap(rule)`, where `rule(axis_size, in_batched, *args)`
    gives the results and which of them are batched.

    `in_batched` is a list with an entry for each argument, a bool or a tree of them; batched
    arguments have one more axis, the first one. The second thing that the rule gives is a bool, or
    a tree of them, for the results. A rule may call its function: that is no part of the batch.

    Forward mode uses the rule on values and tangents; reverse mode differentiates the function. A
    call within another function that is transformed inside of vmap (by grad, say) has all its
    arguments batched. A call that was traced before vmap was applied (to the pushforward that
    linearize gives, say) is batched as `fun` is written.
    """
    return WithVmap(fun)


@dataclass(eq=False, repr=False)
class WithVmap(StandIn[P, R]):
    """A function with a batch rule; see `custom_vmap`."""

    function: Callable[P, R]
    rule: Function | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.stand_in("custom_vmap")

    def __repr__(self) -> str:
        return f"<custom_vmap of {self.name}>"

    def def_vmap(self, vmap_rule: Function) -> Function:
        """Sets the rule; gives it back, so that it decorates one."""
        self.rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        if self.rule is None:
            raise ProgramError(
                f"custom_vmap: {self.name} needs a rule, got none",
                location(line_of(self.function)),
                f"@{self.name}.def_vmap above a function of axis_size, in_batched and arguments",
            )
        return self.called(positional_arguments(self.function, args, options, "custom_vmap"))

    def called(self, args: tuple[Any, ...]) -> Any:
        """The results on all arguments, by position."""
        function: Function = self.function
        if current() is None:
            return function(*args)
        leaves, inputs = tree.flatten(args)
        for x, path in zip(leaves, tree.paths(inputs), strict=True):
            aval(x, path)  # refuses what is no array
        leaves = [operand(x) for x in leaves]
        body = trace_tree(self.function, tree.unflatten(inputs, leaves), self.name)
        traced = [self.traced_rule(t, leaves, inputs, body) for t in mapped_traces()]
        found = [made for made in traced if made is not None]
        closed = distinct([t for made in (body, *(m[0] for m in found)) for t in made.captured])
        rules: list[BatchRule] = [
            (size, marks, wide, closing(rule, closed)) for rule, size, marks, wide in found
        ]
        op = CustomVmap(closing(body, closed), len(leaves), tuple(rules))
        types = [v.type.dtype for v in body.args]
        given = [value(x, dtype) for x, dtype in zip(leaves, types, strict=True)]
        results = apply_all(op, *given, *(active().lift(t) for t in closed))
        return body.results(results)

    def traced_rule(
        self, outer: Trace, leaves: Sequence[Any], inputs: Structure, body: Traced
    ) -> tuple[Traced, int, tuple[bool, ...], tuple[bool, ...]] | None:
        """The rule for the vmap whose trace is `outer`, and what is batched; None if nothing is."""
        rule, mapped = self.rule, outer.noted(Mapped)
        assert rule is not None and mapped is not None
        size, values = mapped.size, mapped.differs
        marks = tuple(isinstance(x, Tracer) and depends(x, outer, values) for x in leaves)
        if not any(marks):
            return None
        fail = Checked("custom_vmap", self.name, "rule", rule)
        wide: list[bool] = []

        def function(*args: Any) -> Any:
            active().note(RuleFor(outer))
            told = tree.unflatten(inputs, marks)
            found = rule(size, list(told), *args)
            if not isinstance(found, (tuple, list)) or len(found) != 2:
                raise fail(
                    "a pair (results, which are batched) is required", f"got {described(found)}"
                )
            results = fail.leaves("the results of", found[0], body.outputs)
            try:
                wide[:] = [bool(b) for b in tree.prefix(found[1], body.outputs)]
            except ProgramError:
                raise fail(
                    "True, False or a tree of them for the results is required", f"got {found[1]!r}"
                ) from None
            paths, types = tree.paths(body.outputs), [v.type for v in body.graph.outputs]
            return [
                fail.fit("a result", x, lifted(t, size) if yes else t, at)
                for x, t, yes, at in zip(results, types, wide, paths, strict=True)
            ]

        slices = [
            lifted(v.type, size) if yes else x
            for x, v, yes in zip(leaves, body.args, marks, strict=True)
        ]
        traced = trace_tree(function, tree.unflatten(inputs, slices), name_of(rule))
        return traced, size, marks, tuple(wide)


# ---------------------------------------------------------------- what is batched


@dataclass(frozen=True)
class RuleFor:
    """A note of a trace: a batch rule is traced in it for the vmap of another one."""

    mapped: Trace


def mapped_traces() -> Iterator[Trace]:
    """The traces of the vmaps around this line, innermost first; in a rule, of those around the
    vmap that it is for.
    """
    trace = current()
    while trace is not None:
        if rule := trace.noted(RuleFor):
            trace = rule.mapped.parent
            continue
        if trace.noted(Mapped):
            yield trace
        trace = trace.parent


def depends(tracer: Tracer, outer: Trace, mapped: frozenset[Value]) -> bool:
    """Whether a value may depend on a mapped input of `outer`: an argument of a function that is
    traced further inside always may.
    """
    trace = tracer.owner
    above = outer.parent
    while above is not None:
        if trace is above:
            return False
        above = above.parent
    captured = {inner: found for found, inner in trace.captured.values()}
    graph = Graph.of("value", (), (tracer.value,))
    made = {v for n in graph.nodes for v in n.values}
    read = {a for n in graph.nodes for a in n.args if a not in made}
    read |= {tracer.value} - made
    for v in read:
        if v in captured:
            if depends(captured[v], outer, mapped):
                return True
        elif trace is not outer or v in mapped:
            return True
    return False
